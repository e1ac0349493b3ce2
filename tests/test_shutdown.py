"""The states between serving and the end, on an engine whose front end only notes that it was told."""

from __future__ import annotations

import logging

import pytest

from kvcore import errors
from kvcore.alone import Alone
from kvcore.blocking import Blocked
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.ports import MemoryOnly
from kvcore.replies import NO_REPLY, OK
from tests.commands.conftest import Client


class Saving(MemoryOnly):
    """A persistence that is told whether it succeeds."""

    __slots__ = ("asked", "works")

    def __init__(self, *, works: bool) -> None:
        super().__init__(0)
        self.works = works
        self.asked: list[tuple[bool | None, bool]] = []

    def prepare_shutdown(self, save: bool | None, *, force: bool = False) -> bool:
        self.asked.append((save, force))
        return self.works or force


@pytest.fixture
def stopped(engine: Engine) -> list[bool]:
    found: list[bool] = []
    engine.on_shutdown = lambda: found.append(True)
    return found


def test_what_a_signal_asks_for_begins_with_the_next_tick(engine: Engine, stopped: list[bool]) -> None:
    persistence = engine.persistence = Saving(works=True)
    due: list[int] = []
    engine.on_deadline = due.append
    engine.shutdown.ask(False, force=True)
    assert due == [engine.now_ms()]
    assert (stopped, persistence.asked) == ([], [])
    engine.tick()
    assert (stopped, persistence.asked) == ([True], [(False, True)])
    engine.tick()
    assert stopped == [True]


def test_abort_before_it_begins(
    client: Client, engine: Engine, stopped: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kvcore")
    engine.config.assign("enable-debug-command", "yes")
    assert client.error("SHUTDOWN", "ABORT") == "ERR No shutdown in progress."
    client("DEBUG", "PAUSE-CRON", 1)
    engine.shutdown.ask(None, force=False)
    engine.tick()
    assert client("SHUTDOWN", "abort") is OK
    assert caplog.messages == ["Shutdown manually aborted."]
    assert client.error("SHUTDOWN", "ABORT") == "ERR No shutdown in progress."
    client("DEBUG", "PAUSE-CRON", 0)
    engine.tick()
    assert stopped == []


def test_a_failed_save_keeps_the_server_running(
    client: Client, engine: Engine, stopped: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    engine.persistence = Saving(works=False)
    engine.shutdown.ask(None, force=False)
    engine.tick()
    assert not engine.shutdown.asked
    assert caplog.messages == [
        "User requested shutdown...",
        "Errors trying to shut down the server. Check the logs for more information.",
    ]
    assert client.error("SHUTDOWN") == "ERR Errors trying to SHUTDOWN. Check logs."
    assert client("SET", "k", "v") is OK
    assert stopped == []
    assert client("SHUTDOWN", "FORCE") is NO_REPLY
    assert stopped == [True]


def test_what_comes_after_the_last_save_is_not_done(client: Client, engine: Engine, stopped: list[bool]) -> None:
    client("SHUTDOWN", "NOSAVE")
    assert engine.shutdown.ended
    assert type(Client(engine)("SET", "k", "late")).__name__ == "Blocked"
    assert not engine.shutdown.abort(), "it is too late"
    assert engine.shutdown.begin(), "and once is enough"
    assert stopped == [True]


def test_who_asks_first_is_not_overruled_by_who_saves(engine: Engine, stopped: list[bool]) -> None:
    """SHUTDOWN comes in while a signal waits for its tick: there is one end."""
    persistence = engine.persistence = Saving(works=True)
    engine.shutdown.ask(True, force=False)
    assert engine.shutdown.begin(False)
    engine.tick()
    assert persistence.asked == [(False, False)]
    assert stopped == [True]


class Followed(Alone):
    """A replication with a replica that may lag behind."""

    __slots__ = ("lagging", "said")

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.lagging = True
        self.said: list[str] = []

    def lags(self) -> bool:
        return self.lagging

    def hurry(self) -> None:
        self.said.append("hurry")

    def report_lag(self) -> None:
        self.said.append("report")


@pytest.fixture
def followed(engine: Engine) -> Followed:
    made = engine.replication = Followed(engine)
    return made


def test_replicas_that_lag_behind_are_waited_for(
    client: Client, other: Client, engine: Engine, clock: ManualClock, stopped: list[bool], followed: Followed
) -> None:
    persistence = engine.persistence = Saving(works=True)
    assert isinstance(client("SHUTDOWN", "SAVE"), Blocked)
    assert isinstance(other("SHUTDOWN", "NOSAVE", "NOW"), Blocked), "it is under way already"
    assert engine.shutdown.waiting_ms == 10_000
    assert followed.said == ["hurry"]
    third = Client(engine)
    assert isinstance(third("SET", "k", "v"), Blocked), "nobody writes while replicas catch up"
    clock.advance(1000)
    engine.tick()
    assert (stopped, persistence.asked) == ([], [])
    assert engine.shutdown.waiting_ms == 9000
    followed.lagging = False
    engine.tick()
    assert (stopped, persistence.asked) == ([True], [(True, False)])
    assert followed.said == ["hurry", "report"]
    assert engine.shutdown.waiting_ms == 0


def test_they_are_not_waited_for_longer_than_that(
    engine: Engine, clock: ManualClock, stopped: list[bool], followed: Followed
) -> None:
    engine.persistence = Saving(works=True)
    assert not engine.shutdown.begin()
    clock.advance(9999)
    engine.tick()
    assert stopped == []
    clock.advance(1)
    engine.tick()
    assert stopped == [True]
    assert followed.said[-1] == "report"


@pytest.mark.parametrize(("now", "timeout"), [(True, "10"), (False, "0")])
def test_nobody_has_to_wait(engine: Engine, stopped: list[bool], followed: Followed, now: bool, timeout: str) -> None:
    engine.config.set("shutdown-timeout", timeout)
    assert followed.lagging
    engine.persistence = Saving(works=True)
    assert engine.shutdown.begin(now=now)
    assert stopped == [True]


def test_a_signal_changes_nothing_about_an_end_that_has_begun(
    client: Client, engine: Engine, stopped: list[bool], followed: Followed
) -> None:
    persistence = engine.persistence = Saving(works=True)
    assert isinstance(client("SHUTDOWN", "NOSAVE"), Blocked)
    assert not engine.shutdown.asked, "one SIGINT is no insisting"
    engine.shutdown.ask(True, force=True)
    engine.tick()
    assert engine.shutdown.asked
    assert engine.shutdown.waiting_ms
    followed.lagging = False
    engine.tick()
    assert (stopped, persistence.asked) == ([True], [(False, False)])


def test_clients_cannot_end_the_pause_before_the_end(
    client: Client, other: Client, engine: Engine, stopped: list[bool], followed: Followed
) -> None:
    engine.persistence = Saving(works=True)
    assert isinstance(client("SHUTDOWN"), Blocked)
    assert other("CLIENT", "PAUSE", 100, "ALL") is OK
    assert engine.pause_until_ms == engine.now_ms() + 100, "after that somebody may abort"
    engine.unpause()
    assert isinstance(other("SET", "k", "v"), Blocked)
    assert stopped == []


def test_who_waits_hears_that_nothing_comes_of_it(
    client: Client, other: Client, engine: Engine, clock: ManualClock, stopped: list[bool], followed: Followed
) -> None:
    engine.persistence = Saving(works=False)
    engine.pause(engine.now_ms() + 5000, everything=False)
    for aborted in (True, False):
        assert isinstance(client("SHUTDOWN"), Blocked)
        assert followed.said == ([] if aborted else ["hurry"]), "a paused stream stands still, without a question, too"
        if aborted:
            assert other("SHUTDOWN", "ABORT") is OK
            assert engine.pause_until_ms == engine.now_ms() + 5000
            engine.unpause()
        else:
            followed.lagging = False
            engine.tick()
        assert str(client.delivered.pop()) == errors.SHUTDOWN_FAILED
        assert stopped == []
        assert engine.shutdown.waiting_ms == 0
    assert client("SET", "k", "v") == "OK"
