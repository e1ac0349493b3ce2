"""The timer every front end shares: when the next tick is due, and who hears that it is due sooner."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.frontends.host import Host
from tests.engine_client import Client


@pytest.fixture
def host(engine: Engine) -> Host:
    return Host(engine)


@pytest.fixture
def sooner(host: Host) -> list[int]:
    """The times at which a tick was asked for ahead of the scheduled one."""
    asked: list[int] = []
    host.on_sooner = asked.append
    return asked


def test_ticks_come_hz_times_a_second(engine: Engine, host: Host) -> None:
    assert host.tick() == 100
    engine.config.set("hz", "50")
    assert host.tick() == 20
    assert host.next_tick_ms == engine.now_ms() + 20


def test_a_time_out_before_the_next_tick_brings_it_forward(
    engine: Engine, host: Host, sooner: list[int], clock: ManualClock
) -> None:
    client = Client(engine)
    host.tick()
    client("BLPOP", "k", 0.03)
    assert sooner == [engine.now_ms() + 30]
    assert host.next_tick_ms == engine.now_ms() + 30
    clock.advance(10)
    assert host.tick() == 20
    clock.advance(20)
    assert host.tick() == 100
    assert len(client.delivered) == 1


def test_a_time_out_after_the_next_tick_asks_for_nothing(engine: Engine, host: Host, sooner: list[int]) -> None:
    host.tick()
    Client(engine)("BLPOP", "k", 30)
    assert sooner == []
    assert host.tick() == 100


def test_the_end_of_a_pause_brings_the_tick_forward(
    engine: Engine, host: Host, sooner: list[int], clock: ManualClock
) -> None:
    client, held = Client(engine), Client(engine)
    host.tick()
    client("CLIENT", "PAUSE", 40)
    held("PING")
    assert sooner == [engine.now_ms() + 40]
    clock.advance(40)
    host.tick()
    assert held.delivered == ["PONG"]


def test_a_tick_is_never_due_at_once(engine: Engine, host: Host, clock: ManualClock) -> None:
    Client(engine)("BLPOP", "k", 0.0001)
    assert host.tick() == 1


def test_orphans_are_dropped_by_the_next_tick(engine: Engine, host: Host) -> None:
    client = Client(engine)
    client("BLPOP", "k", 0)
    host.orphans.append(client.session)
    assert len(engine.sessions) == 1
    host.tick()
    assert (len(engine.sessions), engine.blocking.count, host.orphans) == (0, 0, [])


def test_a_tick_holds_the_lock(engine: Engine, host: Host, clock: ManualClock) -> None:
    held: list[bool] = []
    client = Client(engine)
    client.session.deliver = lambda _reply: held.append(host.lock.locked())
    client("BLPOP", "k", 0.0001)
    clock.advance(1)
    host.tick()
    assert held == [True]
    assert not host.lock.locked()


def test_a_tick_that_fails_is_logged_and_the_clock_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine()
    host = Host(engine)

    def fail(_self: object, _now_ms: int) -> int:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(type(engine.persistence), "tick", fail)
    assert host.tick() == 1000 // engine.config.integer("hz")
    assert "A tick failed" in caplog.text
    assert "a bug" in caplog.text
    assert not host.lock.locked()
