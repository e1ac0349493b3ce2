"""Snapshots: whatever commands do meanwhile, the state at the epoch is what is written, each key once."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kvcore.clock import ManualClock
from kvcore.datatypes.deadlines import Perishable
from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.loading import Loader
from kvcore.rdb.file_reader import FileReader
from kvcore.rdb.file_writer import LARGE, Account, FileWriter
from kvcore.snapshot import Snapshot, StalledError, reversed_bits
from tests.engine_client import Client

STEP_NS = 1
"""A budget that ends at the first look at the clock."""


class Impatient:
    """A clock whose every look is a nanosecond later, so that a slice ends as early as it can."""

    def __init__(self, clock: ManualClock) -> None:
        self.now_us = clock.now_us
        self.looks = 0

    @property
    def steady_ns(self) -> Callable[[], int]:
        return self._look

    def _look(self) -> int:
        self.looks += 1
        return self.looks


class Memory:
    """Keeps what is written, and is full when told so."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.is_full = False

    def write(self, data: bytes) -> None:
        self.parts.append(data)

    def full(self) -> bool:
        return self.is_full

    def waiting(self) -> int:
        return sum(map(len, self.parts)) if self.is_full else 0

    def data(self) -> bytes:
        return b"".join(self.parts) + bytes(8)


class Running:
    """A snapshot of an engine, on its way into memory."""

    def __init__(self, engine: Engine, clock: ManualClock, list_size: int = -2) -> None:
        self.engine = engine
        self.output = Memory()
        form = FileWriter(list_size, True)
        self.snapshot = Snapshot(engine.keyspace, Impatient(clock), form, self.output)
        self.wanted = dataset_digest(engine.keyspace.databases)
        self.times = member_times(engine)
        self.snapshot.begin(form.begin(Account(0, "7.0.15")))

    def step(self) -> bool:
        return self.snapshot.advance(STEP_NS)

    def finish(self) -> Engine:
        """Write the rest, load it elsewhere and compare with the state at the beginning."""
        while not self.step():
            pass
        loaded = Engine(clock=ManualClock(self.engine.now_ms()))
        loader = Loader(loaded.keyspace.databases, 0, loaded.libraries.load)
        reader = FileReader(loader, loaded.limits)
        reader.feed(self.output.data())
        reader.finish()
        assert dataset_digest(loaded.keyspace.databases) == self.wanted
        assert member_times(loaded) == self.times
        assert loader.loaded == self.snapshot.processed == self.snapshot.total
        for db in self.engine.keyspace.databases:
            assert db.walk is None
            assert not db.hooked
        return loaded


def member_times(engine: Engine) -> dict[tuple[int, bytes, bytes], int]:
    """Return when members expire: DEBUG DIGEST leaves that out."""
    found = {}
    for db in engine.keyspace.databases:
        for key, value in db.items():
            if isinstance(value, Perishable) and value.expires is not None:
                found.update({(db.index, key, member): at_ms for member, at_ms in value.expires.items()})
    return found


def change_something(run: Callable[..., object], chance: random.Random, names: int) -> None:
    """Run one of many commands on one of ``names`` keys of each type."""
    name = f"k{chance.randrange(names)}"
    number = chance.randrange(40)
    commands: list[tuple[object, ...]] = [
        ("SET", name, number),
        ("SET", name, "x" * number * 10),
        ("APPEND", name, "zz"),
        ("DEL", name),
        ("EXPIRE", name, 1000 + number),
        ("PERSIST", name),
        ("RENAME", name, f"k{chance.randrange(names)}"),
        ("COPY", name, f"k{chance.randrange(names)}", "REPLACE"),
        ("INCR", name),
        ("SETRANGE", name, number, "abc"),
        ("MOVE", name, chance.randrange(3)),
        ("HSET", "h" + name, number, "v" * number),
        ("HSET", "big:h", chance.randrange(3000), number),
        ("HPEXPIRE", "big:h", 50000 + number, "FIELDS", 1, chance.randrange(3000)),
        ("HDEL", "big:h", chance.randrange(3000)),
        ("HEXPIRE", "h" + name, 1000, "FIELDS", 1, chance.randrange(40)),
        ("SADD", "s" + name, number),
        ("SADD", "big:s", chance.random()),
        ("SPOP", "big:s"),
        ("SPOP", "s" + name),
        ("EXPIREMEMBER", "s" + name, number, 1000),
        ("ZADD", "z" + name, chance.random(), number),
        ("ZADD", "big:z", chance.random(), chance.randrange(4000)),
        ("ZPOPMIN", "big:z"),
        ("RPUSH", "l" + name, "x" * number * 10),
        ("RPUSH", "big:l", chance.random()),
        ("LPOP", "big:l"),
        ("LINSERT", "l" + name, "BEFORE", "", "y"),
        ("XADD", "x" + name, "*", "f", number),
        ("XADD", "big:x", "*", "f", number),
        ("XTRIM", "big:x", "MAXLEN", 2 * LARGE),
        ("XGROUP", "CREATE", "x" + name, "g", "0"),
        ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x" + name, ">"),
        ("XACK", "x" + name, "g", "1-1"),
        ("PFADD", "p" + name, number),
        ("PFCOUNT", "p" + name),
        ("GETEX", name, "EX", 2000),
        ("GETDEL", name),
        ("SORT", "l" + name, "ALPHA", "STORE", "l" + name),
    ]
    run(*chance.choice(commands))


def filled(client: Client, chance: random.Random, names: int) -> None:
    """Make small keys of every type, and one large one of each."""
    big = range(3 * LARGE)
    client("RPUSH", "big:l", *big)
    client("SADD", "big:s", *(f"m{number}" for number in big))
    client("ZADD", "big:z", *(word for number in big for word in (number / 7, f"m{number}")))
    client("HSET", "big:h", *(word for number in big for word in (number, f"v{number}")))
    for number in big:
        client("XADD", "big:x", f"{number + 1}-0", "f", number)
    for number in range(40 * names):
        if number % 100 == 0:
            client("SELECT", chance.choice((0, 0, 0, 1, 2)))
        change_something(client, chance, names)
    client("SELECT", 0)


@pytest.mark.parametrize("seed", range(8))
def test_writes_meanwhile_do_not_show(engine: Engine, client: Client, clock: ManualClock, seed: int) -> None:
    chance = random.Random(seed)
    names = chance.choice((30, 200, 800))
    filled(client, chance, names)
    running = Running(engine, clock)
    while not running.step():
        for _ in range(chance.randrange(20)):
            change_something(client, chance, names)
        if chance.random() < 0.01:
            client("SELECT", chance.randrange(3))
        clock.advance(1)
        if chance.random() < 0.3:
            engine.tick()
    running.finish()


@pytest.mark.parametrize(
    "first", ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "SWAPDB 0 9", "DEL big:h big:z big:l big:s big:x"]
)
def test_what_happens_to_whole_databases_does_not_show(
    engine: Engine, client: Client, clock: ManualClock, first: str
) -> None:
    chance = random.Random(first)
    filled(client, chance, 300)
    for steps in (0, 40):
        running = Running(engine, clock)
        for _ in range(steps):
            running.step()
        client(*first.split())
        for _ in range(300):
            change_something(client, chance, 300)
        if first.startswith("SWAPDB"):
            client(*first.split())
            client("FLUSHDB")
        running.finish()
        filled(client, chance, 300)


def test_growth_and_shrinkage_lose_and_repeat_nothing(engine: Engine, client: Client, clock: ManualClock) -> None:
    for number in range(5000):
        client("SET", f"k{number}", number)
    running = Running(engine, clock)
    for number in range(5000, 40_000):
        client("SET", f"k{number}", number)
        if number % 700 == 0:
            running.step()
    for number in range(4000, 40_000):
        client("DEL", f"k{number}")
        if number % 700 == 0:
            running.step()
    running.finish()


def test_expiry_and_eviction_are_changes_like_others(engine: Engine, client: Client, clock: ManualClock) -> None:
    for number in range(2000):
        client("SET", f"k{number}", number, "PX", 1000 + number)
        client("SADD", f"s{number % 50}", number)
        client("EXPIREMEMBER", f"s{number % 50}", number, 1 + number % 3)
    running = Running(engine, clock)
    for _ in range(10):
        clock.advance(300)
        engine.tick()
        client("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        client("CONFIG", "SET", "maxmemory", 1_200_000)
        client("SET", "more", "x" * 1000)
        running.step()
    client("CONFIG", "SET", "maxmemory", 0)
    client("CONFIG", "SET", "maxmemory-policy", "noeviction")
    running.finish()


def test_a_watched_transaction_and_a_waiting_client_are_changes_like_others(
    engine: Engine, client: Client, other: Client, clock: ManualClock
) -> None:
    client("RPUSH", "source", "a", "b")
    client("SET", "n", 1)
    running = Running(engine, clock)
    other("BLMOVE", "none", "source", "LEFT", "RIGHT", 0)
    client("MULTI")
    client("INCR", "n")
    client("RPUSH", "none", "c")
    client("EXEC")
    assert client("LRANGE", "source", 0, -1) == [b"a", b"b", b"c"]
    running.finish()


def test_a_full_output_stops_the_walk_and_nothing_else(engine: Engine, client: Client, clock: ManualClock) -> None:
    for number in range(3000):
        client("SET", f"k{number}", number)
    running = Running(engine, clock)
    running.output.is_full = True
    assert [running.step() for _ in range(10)] == [False] * 10
    assert running.snapshot.processed == 0
    for number in range(3000):
        client("SET", f"k{number}", "new")
    assert running.snapshot.processed == 3000, "keys that change are written even so"
    running.output.is_full = False
    running.finish()


def test_a_cancelled_snapshot_leaves_no_trace(engine: Engine, client: Client, clock: ManualClock) -> None:
    filled(client, random.Random(1), 50)
    running = Running(engine, clock)
    for _ in range(5):
        running.step()
    client("FLUSHDB")
    running.snapshot.cancel()
    assert running.step(), "there is nothing left to do"
    assert [db.walk for db in engine.keyspace.databases] == [None] * 16
    assert not any(db.hooked for db in engine.keyspace.databases)
    filled(client, random.Random(2), 50)
    Running(engine, clock).finish()


def test_access_stamps_are_written_under_an_eviction_policy(engine: Engine, client: Client, clock: ManualClock) -> None:
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    client("SET", "k", "v")
    clock.advance(100_000)
    client("PING")  # a new execution unit: it has a time of its own
    output = Memory()
    form = FileWriter(-2, True)
    snapshot = Snapshot(engine.keyspace, Impatient(clock), form, output)
    snapshot.begin(form.begin(Account(0, "7.0.15")))
    while not snapshot.advance(STEP_NS):
        pass
    loaded = Engine(clock=ManualClock(engine.now_ms()))
    reading = Client(loaded)
    reading("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    reader = FileReader(Loader(loaded.keyspace.databases, 0, loaded.libraries.load), loaded.limits)
    reader.feed(output.data())
    reader.finish()
    assert reading("OBJECT", "IDLETIME", "k") == 100


def test_a_slice_ends_soon_after_its_time(engine: Engine, client: Client, clock: ManualClock) -> None:
    filled(client, random.Random(3), 100)
    output = Memory()
    snapshot = Snapshot(engine.keyspace, Impatient(clock), FileWriter(-2, True), output)
    snapshot.begin(b"REDIS0010")
    most = 0
    before = 0
    while not snapshot.advance(STEP_NS):
        most = max(most, snapshot.processed - before)
        before = snapshot.processed
    assert 0 < most <= 32


def test_the_walk_goes_by_reversed_hashes() -> None:
    assert reversed_bits(1) == 1 << 31
    assert reversed_bits(0b110) == 0b011 << 29
    assert reversed_bits(1 << 40) == 0
    assert reversed_bits(-1) == 0xFFFFFFFF


def test_a_snapshot_is_given_up_when_too_much_waits(
    engine: Engine, client: Client, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvcore.snapshot.EARLY_BYTES_MAX", 1 << 20)
    client("RPUSH", "a list", *range(5000))
    for number in range(3000):
        client("SET", f"k{number}", random.Random(number).randbytes(1000))
    running = Running(engine, clock)
    running.output.is_full = True
    client("RPUSH", "a list", 1)  # large: what comes early waits behind it, in the snapshot
    for number in range(1000):
        client("SET", f"k{number}", "y")
    assert running.snapshot.failure is None
    for number in range(1000, 3000):
        client("SET", f"k{number}", "y")
    written = len(running.output.data())
    assert written < 1 << 19, "it stays in the snapshot"
    with pytest.raises(StalledError, match="the disk takes less than commands change"):
        running.step()
    running.snapshot.cancel()
    assert all(db.walk is None for db in engine.keyspace.databases)
    assert client("GET", "k2999") == b"y"
