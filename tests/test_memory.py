"""kvcore.memory: what values cost, and accounts that stay true through every command."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable

import pytest

from kvcore.commands.keys import Value
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.stream import Stream
from kvcore.engine import Engine
from kvcore.memory import bytes_cost, value_bytes
from tests.engine_client import Client

GENEROUS = str(1 << 40)


def text(number: int, size: int) -> bytes:
    return b"%0*d" % (size, number)


def a_hash(count: int, size: int) -> Hash:
    value = Hash()
    for number in range(count):
        value.put(text(number, size), text(number, size), 128, 64)
    return value


def a_set(count: int, size: int) -> Set:
    return Set((b"m" + text(number, size) for number in range(count)), 512)


def a_list(count: int, size: int) -> List:
    return List(text(number, size) for number in range(count))


def a_sorted_set(count: int, size: int) -> SortedSet:
    value = SortedSet()
    for number in range(count):
        value.put(text(number, size), number + 0.5, 128, 64)
    return value


def a_stream(count: int, size: int) -> Stream:
    value = Stream()
    for number in range(1, count + 1):
        value.append(number << 64, [b"field", text(number, size)], 100, 4096)
    return value


@pytest.mark.parametrize("make", [a_hash, a_set, a_list, a_sorted_set, a_stream])
@pytest.mark.parametrize(("count", "size"), [(1, 10), (100, 20), (5000, 30), (5000, 300)])
def test_the_estimate_is_near_what_python_allocates(make: Callable[[int, int], Value], count: int, size: int) -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        value = make(count, size)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    estimate = value_bytes(value, random.Random(1))
    # Upwards there is room: objects are rounded up by the allocator, which tracemalloc does not see.
    assert 0.7 * taken - 200 < estimate < 1.9 * taken + 600


def test_the_cost_of_a_string_follows_from_its_length() -> None:
    assert [bytes_cost(bytes(length)) for length in (0, 1, 15, 16, 1000)] == [48, 48, 48, 64, 1040]
    grown = bytearray(1000)
    assert 1000 < value_bytes(grown, random.Random(1)) < 1200


def recounted(engine: Engine) -> int:
    """Return what the ledger would say if counting began now."""
    engine.config.set("maxmemory", "0")
    engine.config.set("maxmemory", GENEROUS)
    return engine.eviction.ledger.charged


def test_an_account_agrees_with_a_recount(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory", GENEROUS)
    source = random.Random(3)
    keys = [f"k{number}" for number in range(12)]
    for step in range(3000):
        key, other = source.choice(keys), source.choice(keys)
        size = source.choice((1, 40, 700))
        client(
            *source.choice(
                (
                    ("SET", key, "v" * size),
                    ("SET", key, "v" * size, "EX", 10),
                    ("APPEND", key, "v" * size),
                    ("SETRANGE", key, size, "x"),
                    ("SETBIT", key, size, 1),
                    ("INCR", key),
                    ("DEL", key),
                    ("HSET", key, f"f{step % 20}", "v" * size),
                    ("HDEL", key, f"f{step % 20}"),
                    ("RPUSH", key, *["e" * size] * 3),
                    ("LPOP", key, 2),
                    ("SADD", key, step),
                    ("SPOP", key),
                    ("ZADD", key, step, "m" * size),
                    ("ZREMRANGEBYRANK", key, 0, 0),
                    ("RENAME", key, other),
                    ("COPY", key, other, "REPLACE"),
                    ("MOVE", key, 1),
                    ("SINTERSTORE", key, other),
                    ("PERSIST", key),
                    ("GETDEL", key),
                )
            )
        )
        if step % 500 == 250:
            client("SWAPDB", 0, 1)
        if step % 1000 == 999:
            client("FLUSHDB")
    engine.eviction.ledger.settle()
    kept = engine.eviction.ledger.charged
    assert kept == sum(db.usage.charged for db in engine.keyspace.databases if db.usage is not None)
    # Lists of more than a few elements are sampled, and these hold elements of different sizes.
    assert abs(kept - recounted(engine)) <= 0.1 * kept
    client("FLUSHALL")
    assert engine.eviction.ledger.charged == 0


def test_a_large_container_is_followed_as_it_grows_and_shrinks(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory", GENEROUS)
    source = random.Random(5)
    for number in range(20_000):
        client("HSET", "h", f"f{number}", "v" * source.choice((10, 100, 1000)))
    engine.eviction.ledger.settle()
    value = engine.keyspace.databases[0].get(b"h")
    assert isinstance(value, Hash)
    exact = sum(bytes_cost(field) + bytes_cost(held) + 64 for field, held in value.items())
    assert abs(engine.eviction.ledger.charged - exact) < 0.15 * exact
    for number in range(19_000):
        client("HDEL", "h", f"f{number}")
    engine.eviction.ledger.settle()
    exact = sum(bytes_cost(field) + bytes_cost(held) + 64 for field, held in value.items())
    assert abs(engine.eviction.ledger.charged - exact) < 0.3 * exact


def test_expired_keys_are_given_back(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory", GENEROUS)
    for number in range(100):
        client("SET", number, "v", "PX", 10)
        client("HSET", f"h{number}", "f", "v")
        client("PEXPIRE", f"h{number}", 10)
    assert engine.eviction.ledger.charged > 0
    engine.clock.advance(11)
    for _ in range(20):
        engine.tick()
    engine.eviction.ledger.settle()
    assert engine.eviction.ledger.charged == 0


def test_no_account_is_kept_unless_asked_for(engine: Engine, client: Client) -> None:
    client("SET", "k", "v")
    assert all(db.usage is None for db in engine.keyspace.databases)
    engine.config.set("maxmemory-policy", "allkeys-lru")
    usage = engine.keyspace.databases[0].usage
    assert usage is not None
    assert not usage.counting
    assert usage.access is not None
    engine.config.set("maxmemory", GENEROUS)
    engine.config.set("maxmemory-policy", "noeviction")
    assert usage.counting
    assert usage.access is None
    engine.config.set("maxmemory", "0")
    assert all(db.usage is None for db in engine.keyspace.databases)
