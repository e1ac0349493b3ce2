"""kvcore.eviction: who goes under each policy, when writes are refused, and who is told."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.ports import LocalProcess
from tests.engine_client import Client

OOM = "OOM command not allowed when used memory > 'maxmemory'."
KEYS = 400


class SlowClock(ManualClock):
    """A clock on which each look at the steady time costs a millisecond."""

    def __init__(self) -> None:
        super().__init__()
        self.steady_ns = self._next_ns

    def _next_ns(self) -> int:
        self.advance(1)
        return self._now_ns()


def fill(client: Client, count: int = KEYS) -> None:
    for number in range(count):
        client("SET", f"k{number}", "v" * 1000)


def shrink_to(engine: Engine, share: float) -> None:
    """Set the limit to a share of what the data takes now."""
    used = engine.eviction.used_bytes()
    startup = 1 << 20
    engine.config.set("maxmemory", str(int(startup + (used - startup) * share)))


def present(client: Client, prefix: str = "k") -> set[int]:
    return {int(key[len(prefix) :]) for key in client("KEYS", f"{prefix}*")}


def test_without_a_limit_nothing_is_checked(engine: Engine) -> None:
    assert engine.gate == 0
    engine.config.set("maxmemory", "1gb")
    assert engine.gate
    engine.config.set("maxmemory", "0")
    assert engine.gate == 0


def test_lru_keeps_what_was_used_last(engine: Engine, client: Client, clock: ManualClock) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    fill(client)
    clock.advance(60_000)
    for number in range(KEYS // 2):
        client("GET", f"k{number}")
    clock.advance(60_000)
    shrink_to(engine, 0.5)
    client("PING")
    kept = present(client)
    assert 0.4 * KEYS < len(kept) <= 0.5 * KEYS
    assert sum(number < KEYS // 2 for number in kept) > 0.85 * len(kept)
    assert engine.eviction.evicted == KEYS - len(kept)
    assert engine.eviction.used_bytes() <= engine.eviction.limit


def test_lfu_keeps_what_is_used_often(engine: Engine, client: Client, clock: ManualClock) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lfu")
    fill(client)
    for _ in range(20):
        for number in range(KEYS // 2):
            client("GET", f"k{number}")
    clock.advance(1000)
    for number in range(KEYS // 2, KEYS):
        client("GET", f"k{number}")  # later, but once only
    shrink_to(engine, 0.5)
    client("PING")
    kept = present(client)
    assert sum(number < KEYS // 2 for number in kept) > 0.85 * len(kept)


def test_volatile_ttl_takes_those_that_end_first(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory-policy", "volatile-ttl")
    fill(client)
    for number in range(KEYS):
        client("EXPIRE", f"k{number}", 10_000 + number * 100)
    client("SET", "for ever", "v" * 1000)
    shrink_to(engine, 0.5)
    client("PING")
    kept = present(client)
    assert client("EXISTS", "for ever") == 1
    assert sum(number >= KEYS // 2 for number in kept) > 0.85 * len(kept)


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
def test_volatile_policies_spare_keys_without_a_time(engine: Engine, client: Client, policy: str) -> None:
    engine.config.set("maxmemory-policy", policy)
    fill(client)
    for number in range(0, KEYS, 2):
        client("EXPIRE", f"k{number}", 1000)
    shrink_to(engine, 0.7)
    assert client("SET", "new", "v") == "OK"
    assert sum(number % 2 for number in present(client)) == KEYS // 2
    shrink_to(engine, 0.3)
    assert client.error("SET", "another", "v") == OOM
    assert present(client) == set(range(1, KEYS, 2))
    assert client("GET", "k1") == b"v" * 1000


@pytest.mark.parametrize("policy", ["allkeys-random", "volatile-random"])
def test_random_takes_from_all_databases(engine: Engine, client: Client, policy: str) -> None:
    engine.config.set("maxmemory-policy", policy)
    for db in (0, 3):
        client("SELECT", db)
        fill(client)
        for number in range(KEYS):
            client("EXPIRE", f"k{number}", 1000)
    shrink_to(engine, 0.5)
    client("PING")
    sizes = [db.size for db in engine.keyspace.databases if db.size]
    assert len(sizes) == 2
    assert all(0.3 * KEYS < size < 0.7 * KEYS for size in sizes)


def test_without_eviction_writes_are_refused_and_nothing_goes(engine: Engine, client: Client) -> None:
    fill(client, 10)
    engine.config.set("maxmemory", "1")
    for words in (("SET", "a", 1), ("LPUSH", "a", 1), ("APPEND", "k1", "x"), ("SINTERSTORE", "a", "b")):
        assert client.error(*words) == OOM
    assert client("GET", "k1") == b"v" * 1000
    assert client("EXPIRE", "k1", 10) == 1
    assert client("DEL", "k1") == 1
    assert client("DBSIZE") == 9
    assert engine.eviction.evicted == 0
    assert engine.commands[b"set"].rejected == 1
    engine.config.set("maxmemory", "0")
    assert client("SET", "a", 1) == "OK"


def test_a_transaction_is_refused_as_it_is_queued(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory", "1")
    assert client("MULTI") == "OK"
    assert client.error("GET", "a") == OOM  # its place in the queue takes memory
    assert client.error("EXEC") == "EXECABORT Transaction discarded because of previous errors."
    client("MULTI")
    assert client("DISCARD") == "OK"


def test_a_transaction_queued_before_is_refused_if_it_may_take_memory(engine: Engine, client: Client) -> None:
    client("MULTI")
    client("SET", "a", 1)
    engine.config.set("maxmemory", "1")
    assert client.error("EXEC") == f"EXECABORT Transaction discarded because of: {OOM}"
    engine.config.set("maxmemory", "0")
    client("MULTI")
    client("GET", "a")
    engine.config.set("maxmemory", "1")
    assert client("EXEC") == [None]


def test_victims_are_announced_propagated_and_break_watches(
    engine: Engine, client: Client, other: Client, effects: list[list[bytes]]
) -> None:
    engine.config.set("notify-keyspace-events", "Ee")
    engine.config.set("maxmemory-policy", "allkeys-random")
    other("SUBSCRIBE", "__keyevent@0__:evicted")
    other.session.outbox.clear()
    client("SET", "k", "v")
    client("WATCH", "k")
    client("MULTI")
    client("PING")
    effects.clear()
    dirty = engine.statistics.dirty
    engine.config.set("maxmemory", "1")
    assert client("EXEC") is None or client("DBSIZE") == 0
    assert effects == [[b"DEL", b"k"]]
    assert len(other.session.outbox) == 1
    assert engine.statistics.dirty == dirty
    assert engine.eviction.evicted == 1


def test_deletions_are_no_part_of_the_command_they_make_room_for(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    fill(client, 10)
    units: list[list[bytes]] = []
    engine.subscribe(lambda unit: units.append([argv[0] for _, argv in unit]))
    shrink_to(engine, 0.5)
    client("INCR", "n")
    assert len(units) > 2
    assert units == [[b"DEL"]] * (len(units) - 1) + [[b"INCR"]]


def test_a_pause_keeps_everything_where_it_is(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    fill(client, 10)
    client("CLIENT", "PAUSE", 1000, "WRITE")
    engine.config.set("maxmemory", "1")
    client("PING")
    engine.tick()
    assert client("DBSIZE") == 10


def test_a_large_debt_is_paid_in_slices() -> None:
    clock = SlowClock()
    engine = Engine(clock=clock, random=random.Random(7))
    client = Client(engine)
    engine.config.set("maxmemory-policy", "allkeys-lru")
    fill(client)
    engine.config.set("maxmemory", "1")
    sizes = []
    for _ in range(3):
        assert client("SET", "k", "v") == "OK"  # not refused: eviction is under way
        sizes.append(client("DBSIZE"))
    assert KEYS > sizes[0] > sizes[1] > sizes[2] > 0
    before = sizes[-1]
    engine.tick()
    assert len(engine.keyspace.databases[0]) < before
    engine.config.set("maxmemory-eviction-tenacity", "100")
    client("PING")
    assert client("DBSIZE") == 0


def test_fragmentation_takes_from_the_limit_and_gives_back(engine: Engine, client: Client) -> None:
    class Fragmented(LocalProcess):
        __slots__ = ("resident", "trims")

        def current_memory_bytes(self) -> int:
            return self.resident

        def release_memory(self) -> None:
            self.trims += 1

    process = engine.process = Fragmented()
    process.trims = 0
    process.resident = idle = 30 << 20
    limit = 2 << 20
    engine.config.set("maxmemory-policy", "allkeys-lru")
    engine.config.set("maxmemory", str(limit))
    tick_later(engine)
    assert process.trims == 1
    tick_later(engine)
    assert process.trims == 1  # nothing was evicted since
    fill(client, 2000)
    tick_later(engine)
    assert process.trims == 2
    full = client("DBSIZE")
    process.resident = idle + (8 << 20) + 2 * limit
    fill(client, 2000)
    tick_later(engine)
    client("PING")
    assert client("DBSIZE") < 0.7 * full
    assert engine.eviction.used_bytes() <= limit
    process.resident = idle
    tick_later(engine)
    fill(client, 2000)
    assert client("DBSIZE") > 0.9 * full


def tick_later(engine: Engine) -> None:
    assert isinstance(engine.clock, ManualClock)
    engine.clock.advance(500)
    engine.tick()


def test_time_beyond_the_limit_is_counted(engine: Engine, client: Client, clock: ManualClock) -> None:
    engine.config.set("maxmemory", "1")
    client("PING")
    clock.advance(50)
    client("PING")
    assert engine.eviction.exceeded_ms() == (50, 50)
    engine.config.set("maxmemory", "1gb")
    client("PING")
    clock.advance(50)
    assert engine.eviction.exceeded_ms() == (50, 0)
    client("CONFIG", "RESETSTAT")
    assert engine.eviction.exceeded_ms() == (0, 0)


@pytest.mark.parametrize(
    "grow",
    [
        lambda number: ("HSET", f"c{number // 2000}", f"f{number}", "v" * 100),
        lambda number: ("RPUSH", f"c{number // 2000}", "v" * 100),
        lambda number: ("APPEND", f"c{number // 2000}", "v" * 100),
        lambda number: ("ZADD", f"c{number // 2000}", number, f"{number:0100}"),
        lambda number: ("XADD", f"c{number // 2000}", "*", "f", "v" * 100),
    ],
)
def test_what_grows_in_place_is_noticed(engine: Engine, client: Client, grow: Callable[[int], tuple[str, ...]]) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    engine.config.set("maxmemory", str(3 << 20))
    for number in range(20_000):
        reply = client(*grow(number))
        assert not isinstance(reply, Exception), reply
    client("PING")
    assert engine.eviction.evicted > 0
    assert engine.eviction.used_bytes() <= 3 << 20
    assert 0 < client("DBSIZE") < 10


def test_what_evicted_containers_held_is_freed_soon(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    client("RPUSH", "l", *["v"] * 50_000)
    engine.config.set("maxmemory", "1")
    client("PING")
    for _ in range(20):
        client("PING")
    assert engine.keyspace.garbage == []


def test_object_tells_true_idle_times_and_frequencies(engine: Engine, client: Client, clock: ManualClock) -> None:
    client("SET", "early", "v")
    engine.config.set("maxmemory-policy", "volatile-lru")
    client("SET", "k", "v")
    clock.advance(10_000)
    for words in (("TTL", "k"), ("TYPE", "k"), ("EXISTS", "k"), ("OBJECT", "ENCODING", "k"), ("SCAN", 0)):
        client(*words)
    assert client("OBJECT", "IDLETIME", "k") == 10
    assert client("OBJECT", "IDLETIME", "early") == 10
    assert client("TOUCH", "k", "absent") == 1
    assert client("OBJECT", "IDLETIME", "k") == 0
    clock.advance(5000)
    client("RENAME", "k", "new")
    assert client("OBJECT", "IDLETIME", "new") == 0
    engine.config.set("maxmemory-policy", "volatile-lfu")
    engine.config.set("lfu-log-factor", "0")
    assert client("OBJECT", "FREQ", "new") == 5
    for _ in range(7):
        client("GET", "new")
    assert client("OBJECT", "FREQ", "new") == 12
    client("RENAME", "new", "newer")
    assert client("OBJECT", "FREQ", "newer") == 13
    clock.advance(120_000)
    assert client("OBJECT", "FREQ", "newer") == 11
    engine.config.set("lfu-decay-time", "0")
    assert client("OBJECT", "FREQ", "newer") == 13
    client("DEL", "newer")
    client("SET", "newer", "v")
    assert client("OBJECT", "FREQ", "newer") == 5


def test_a_connection_may_leave_access_times_alone(
    engine: Engine, client: Client, other: Client, clock: ManualClock
) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    client("SET", "k", "v")
    clock.advance(10_000)
    other("CLIENT", "NO-TOUCH", "ON")
    other("GET", "k")
    other("MULTI")
    other("APPEND", "k", "x")
    assert other("EXEC") == [2]
    assert client("OBJECT", "IDLETIME", "k") == 10
    other("TOUCH", "k")
    assert client("OBJECT", "IDLETIME", "k") == 0
    clock.advance(10_000)
    other("GET", "k")
    client("GET", "k")
    assert client("OBJECT", "IDLETIME", "k") == 0
    clock.advance(10_000)
    other("CLIENT", "NO-TOUCH", "OFF")
    other("GET", "k")
    assert client("OBJECT", "IDLETIME", "k") == 0


def test_stamps_go_with_their_keys(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    fill(client, 50)
    for number in range(10):
        client("MOVE", f"k{number}", 1)
        client("DEL", f"k{number + 10}")
        client("PEXPIRE", f"k{number + 20}", -1)
    client("SWAPDB", 0, 1)
    for db in engine.keyspace.databases:
        assert db.usage is not None
        assert db.usage.access is not None
        assert set(db.usage.access) == set(db)
    client("FLUSHALL")
    assert all(not db.usage.access.size for db in engine.keyspace.databases if db.usage and db.usage.access)


def test_sampling_without_a_limit_is_near_the_account(engine: Engine, client: Client) -> None:
    fill(client, 3000)
    for number in range(100):
        client("HSET", f"h{number}", "f", "v", "g", "w")
    sampled = engine.eviction.used_bytes()
    engine.config.set("maxmemory", str(1 << 40))
    assert abs(engine.eviction.used_bytes() - sampled) < 0.1 * sampled
