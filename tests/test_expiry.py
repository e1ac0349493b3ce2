"""The active expiry cycle: what nobody asks for goes, within its budget, in every database in turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.expiry import ActiveExpiry
from kvcore.keyspace import Database, Keyspace
from tests.engine_client import Client


class BusyClock:
    """A clock on which each look at the steady time costs ``step_ns``."""

    def __init__(self, step_ns: int) -> None:
        self._step_ns = step_ns
        self._steady_ns = 0
        self.wall_ms = 1_000_000
        self.steady_ns: Callable[[], int] = self._next

    def now_us(self) -> int:
        return self.wall_ms * 1000

    def _next(self) -> int:
        self._steady_ns += self._step_ns
        return self._steady_ns


def fill(db: Database, count: int, at_ms: int) -> None:
    for number in range(count):
        key = b"key:%d" % number
        db.put(key, b"v")
        db.set_expiry(key, at_ms)


def later(keyspace: Keyspace, clock: ManualClock, ms: int) -> None:
    clock.advance(ms)
    keyspace.unit_ms = 0  # a new execution unit


@pytest.fixture
def keyspace(clock: ManualClock) -> Keyspace:
    return Keyspace(clock, 16)


def test_due_keys_go_unasked(keyspace: Keyspace, clock: ManualClock) -> None:
    db, expiry = keyspace.databases[3], ActiveExpiry(keyspace, clock)
    fill(db, 1000, keyspace.now_ms() + 100)
    db.put(b"for ever", b"v")
    assert expiry.cycle() == 0
    later(keyspace, clock, 100)
    assert expiry.cycle() == 1000
    assert list(db) == [b"for ever"]
    assert db.expires.size == 0
    assert (keyspace.statistics.expired, keyspace.statistics.hits, keyspace.statistics.misses) == (1000, 0, 0)


def test_keys_that_are_not_due_stay(keyspace: Keyspace, clock: ManualClock) -> None:
    db, expiry = keyspace.databases[0], ActiveExpiry(keyspace, clock)
    fill(db, 500, keyspace.now_ms() + 1000)
    later(keyspace, clock, 999)
    for _ in range(50):
        assert expiry.cycle() == 0
    assert db.size == db.expires.size == 500


def test_a_few_due_keys_among_many_are_found_in_time(keyspace: Keyspace, clock: ManualClock) -> None:
    db, expiry = keyspace.databases[0], ActiveExpiry(keyspace, clock)
    fill(db, 2000, keyspace.now_ms() + 1_000_000)
    due = [b"key:%d" % number for number in range(0, 2000, 200)]
    for key in due:
        db.set_expiry(key, keyspace.now_ms() + 10)
    later(keyspace, clock, 10)
    # Every cycle samples at least 20 keys from where the last one stopped: 100 cycles see all 2000.
    assert sum(expiry.cycle() for _ in range(100)) == len(due)
    assert db.size == 2000 - len(due)


def test_a_cycle_ends_with_its_budget_and_the_next_goes_on() -> None:
    clock = BusyClock(step_ns=1_000_000)
    keyspace = Keyspace(clock, 1)
    db, expiry = keyspace.databases[0], ActiveExpiry(keyspace, clock)
    fill(db, 3000, clock.wall_ms + 1)
    clock.wall_ms += 1
    keyspace.unit_ms = 0
    first = expiry.cycle()
    assert 0 < first < 1000
    cycles = 1
    while expiry.cycle():
        cycles += 1
    assert db.size == 0
    assert cycles > 3


def test_more_effort_deletes_more_in_a_cycle() -> None:
    deleted = []
    for effort in (1, 10):
        clock = BusyClock(step_ns=1_000_000)
        keyspace = Keyspace(clock, 1)
        expiry = ActiveExpiry(keyspace, clock)
        expiry.effort = effort
        fill(keyspace.databases[0], 5000, clock.wall_ms + 1)
        clock.wall_ms += 1
        keyspace.unit_ms = 0
        deleted.append(expiry.cycle())
    assert deleted[1] > 5 * deleted[0]


def test_many_databases_take_turns(clock: ManualClock) -> None:
    keyspace = Keyspace(clock, 40)
    expiry = ActiveExpiry(keyspace, clock)
    for db in keyspace.databases:
        fill(db, 1, keyspace.now_ms() + 1)
    later(keyspace, clock, 1)
    assert [expiry.cycle() for _ in range(4)] == [16, 16, 8, 0]


def test_switched_off_it_deletes_nothing_but_asking_still_does(client: Client, clock: ManualClock) -> None:
    client.engine.config.set("enable-debug-command", "yes")
    client("SET", "k", "v", "PX", 10)
    assert client("DEBUG", "SET-ACTIVE-EXPIRE", 0) == "OK"
    clock.advance(11)
    client.engine.tick()
    assert client("DBSIZE") == 1
    assert client("GET", "k") is None
    assert client("DBSIZE") == 0


def test_a_tick_tells_listeners_replicas_and_watchers(
    engine: Engine, client: Client, other: Client, clock: ManualClock, effects: list[list[bytes]]
) -> None:
    engine.config.set("notify-keyspace-events", "Ex")
    other("SUBSCRIBE", "__keyevent@0__:expired")
    other.session.outbox.clear()
    client("SET", "k", "v", "PX", 10)
    client("WATCH", "k")
    effects.clear()
    clock.advance(11)
    engine.tick()
    assert other.session.outbox == [[b"message", b"__keyevent@0__:expired", b"k"]]
    assert effects == [[b"DEL", b"k"]]
    assert client.session.watched_changed
