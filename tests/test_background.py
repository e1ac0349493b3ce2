"""The one snapshot that may be running: its pace, and how it ends, wherever its bytes go."""

from __future__ import annotations

import pytest

from kvcore.background import PAUSE_MS, Background
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.rdb.file_writer import Account, FileWriter
from kvcore.snapshot import StalledError
from tests.engine_client import Client


class Target:
    """Somewhere for bytes to go; ``close`` ends it unless it is slow."""

    def __init__(self, *, slow: bool = False, stuck: bool = False) -> None:
        self.data = b""
        self.calls: list[str] = []
        self.error: BaseException | None = None
        self.ended = False
        self.slow = slow
        self.stuck = stuck  # takes nothing more, however long one waits
        self.is_full = stuck

    def write(self, data: bytes) -> None:
        self.data += data

    def full(self) -> bool:
        return self.is_full

    def waiting(self) -> int:
        return 0

    def close(self) -> None:
        self.calls.append("close")
        self.ended = not self.slow

    def abort(self) -> None:
        self.calls.append("abort")
        self.ended = True

    def wait(self) -> bool:
        self.calls.append("wait")
        self.is_full = self.stuck
        return not self.stuck

    def join(self) -> None:
        self.calls.append("join")
        self.ended = True


@pytest.fixture
def background(engine: Engine) -> Background:
    return engine.background


@pytest.fixture
def ends(engine: Engine, client: Client, background: Background) -> list[BaseException | None]:
    """Return what each end was said to be; there is something to write."""
    for number in range(200):
        client("SET", f"k{number}", "v")
    return []


def start(engine: Engine, target: Target, ends: list[BaseException | None]) -> None:
    form = FileWriter(engine.limits.list_size, True, 10)
    head = form.begin(Account(engine.now_ms() // 1000, "7.0.15", 0))
    engine.background.start(form, head, target, ends.append)


def work(background: Background) -> None:
    for _ in range(1000):
        if background.step() < 0:
            return
    raise AssertionError("it does not end")


def test_nothing_runs_until_it_is_started(background: Background) -> None:
    assert not background.busy
    assert background.progress == (0, 0)
    assert background.step() == -1
    assert background.finish() is None
    background.cancel()


def test_a_snapshot_goes_to_its_target(
    engine: Engine, background: Background, ends: list[BaseException | None]
) -> None:
    target = Target()
    start(engine, target, ends)
    assert background.busy
    assert background.progress == (0, 200)
    work(background)
    assert target.data.startswith(b"REDIS0010")
    assert target.data.endswith(b"\xff")
    assert target.calls == ["close"]
    assert (ends, background.busy) == ([None], False)


def test_the_end_is_the_targets(engine: Engine, background: Background, ends: list[BaseException | None]) -> None:
    target = Target(slow=True)
    start(engine, target, ends)
    while "close" not in target.calls:
        background.step()
    assert background.step() == PAUSE_MS
    assert background.busy
    assert ends == []
    target.ended = True
    assert background.step() == -1
    assert ends == [None]


def test_another_may_begin_when_the_end_is_told(
    engine: Engine, background: Background, ends: list[BaseException | None]
) -> None:
    first, second = Target(), Target()
    form = FileWriter(128, True, 10)

    def again(_error: BaseException | None) -> None:
        start(engine, second, ends)

    background.start(form, b"", first, again)
    while background.busy and not second.data:
        background.step()
    work(background)
    assert second.data.endswith(b"\xff")
    assert ends == [None]


def test_it_pauses_while_clients_are_busy_or_the_target_is(
    engine: Engine, background: Background, ends: list[BaseException | None]
) -> None:
    target = Target()
    target.is_full = True
    start(engine, target, ends)
    assert background.step() == PAUSE_MS
    written = len(target.data)
    assert background.step() == PAUSE_MS
    assert len(target.data) == written
    target.is_full = False
    engine.statistics.input_bytes += 1
    work(background)


def test_a_target_that_fails_ends_it(engine: Engine, background: Background, ends: list[BaseException | None]) -> None:
    target = Target()
    start(engine, target, ends)
    target.error = OSError("disk full")
    assert background.step() == -1
    assert target.calls == ["abort"]
    assert ends == [target.error]
    assert engine.keyspace.databases[0].walk is None


def test_a_value_that_cannot_be_written_ends_it(
    engine: Engine, background: Background, ends: list[BaseException | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target()
    start(engine, target, ends)
    monkeypatch.setattr(FileWriter, "add_strings", lambda *_: 1 // 0)
    work(background)
    assert target.calls == ["abort"]
    assert isinstance(ends[0], ZeroDivisionError)


def test_finish_does_the_rest_at_once(engine: Engine, background: Background, ends: list[BaseException | None]) -> None:
    target = Target(slow=True)
    target.is_full = True
    start(engine, target, ends)
    assert background.finish() is None
    assert target.calls == ["wait", "close", "join"]
    assert target.data.endswith(b"\xff")
    assert ends == [None]


def test_finish_gives_up_what_cannot_be_waited_for(
    engine: Engine, background: Background, ends: list[BaseException | None]
) -> None:
    target = Target(stuck=True)
    start(engine, target, ends)
    assert isinstance(background.finish(), StalledError)
    assert target.calls == ["wait", "abort", "join"]
    assert isinstance(ends[0], StalledError)
    assert not background.busy


def test_cancel_tells_nobody(engine: Engine, background: Background, ends: list[BaseException | None]) -> None:
    target = Target()
    start(engine, target, ends)
    background.cancel()
    assert target.calls == ["abort", "join"]
    assert (ends, background.busy) == ([], False)
    assert engine.keyspace.databases[0].walk is None
    start(engine, Target(), ends)  # the databases are free
    background.cancel()


@pytest.mark.parametrize(("delay", "due"), [("1000", 1.0), ("250000", 250.0), ("7", 0.007)])
def test_a_delay_for_each_key(engine: Engine, clock: ManualClock, delay: str, due: float) -> None:
    client = Client(engine)
    for number in range(40):
        client("SET", f"k{number}", "v")
    engine.config.set("rdb-key-save-delay", delay)
    target = Target()
    ended: list[BaseException | None] = []
    start(engine, target, ended)
    engine.background.step()
    passed_ms = 0.0
    while engine.background.busy:
        done, total = engine.background.progress
        assert total == 40
        assert done == min(40, int(passed_ms / due + 1e-9) + 1)
        clock.advance(due)
        passed_ms += due
        pause = engine.background.step()
        assert pause == -1 or 1 <= pause <= 100
    assert passed_ms == pytest.approx(40 * due), "the last key is waited for, too"
    assert ended == [None]


def test_a_slow_snapshot_may_be_hastened(engine: Engine, clock: ManualClock) -> None:
    client = Client(engine)
    for number in range(40):
        client("SET", f"k{number}", "v")
    engine.config.set("rdb-key-save-delay", "10000000")
    ended: list[BaseException | None] = []
    start(engine, Target(), ended)
    for _ in range(100):
        engine.background.step()
        clock.advance(100)
    assert engine.background.progress[0] == 1
    client("CONFIG", "SET", "rdb-key-save-delay", 0)
    while engine.background.busy:
        engine.background.step()
    assert ended == [None]
