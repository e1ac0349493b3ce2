"""Commands on keys of any type, and the freeing of what they delete."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from tests.commands.conftest import Client

SAME = "ERR source and destination objects are the same"


def test_del_counts_each_key_once(client: Client, effects: list[list[bytes]]) -> None:
    client("MSET", "a", 1, "b", 2)
    effects.clear()
    assert client("DEL", "a", "a", "b", "absent") == 2
    assert client("UNLINK", "absent") == 0
    assert effects == [[b"DEL", b"a", b"a", b"b", b"absent"]]


def test_exists_and_touch_count_repeated_keys(client: Client) -> None:
    client("SET", "a", 1)
    assert client("EXISTS", "a", "a", "b") == 2
    assert client("TOUCH", "a", "a", "b") == 2


def test_type_names(client: Client) -> None:
    client("SET", "s", "v")
    client("RPUSH", "l", "v")
    client("SADD", "set", "v")
    client("HSET", "h", "f", "v")
    client("ZADD", "z", 1, "v")
    names = [client("TYPE", key) for key in ("s", "l", "set", "h", "z", "absent")]
    assert names == ["string", "list", "set", "hash", "zset", "none"]
    client("APPEND", "s", "x")
    assert client("TYPE", "s") == "string"


def test_rename_takes_the_time_to_live_along(client: Client) -> None:
    client("SET", "a", "1", "EX", 10)
    client("SET", "b", "2", "EX", 99)
    assert client("RENAME", "a", "b") == "OK"
    assert (client("GET", "b"), client("TTL", "b"), client("EXISTS", "a")) == (b"1", 10, 0)
    client("SET", "c", "3")
    client("RENAME", "c", "b")
    assert client("TTL", "b") == -1


def test_rename_onto_itself_changes_nothing(client: Client, effects: list[list[bytes]]) -> None:
    client("SET", "a", "1")
    effects.clear()
    assert client("RENAME", "a", "a") == "OK"
    assert client("RENAMENX", "a", "a") == 0
    assert client.error("RENAME", "absent", "absent") == "ERR no such key"
    assert client.error("RENAMENX", "absent", "a") == "ERR no such key"
    assert effects == []


def test_renamenx_respects_the_living_only(client: Client, clock: ManualClock) -> None:
    client("SET", "a", "1")
    client("SET", "b", "2", "PX", 10)
    assert client("RENAMENX", "a", "b") == 0
    clock.advance(11)
    assert client("RENAMENX", "a", "b") == 1
    assert (client("GET", "b"), client("PTTL", "b")) == (b"1", -1)


def test_move(client: Client, engine: Engine) -> None:
    other = engine.keyspace.databases[1]
    client("SET", "a", "1", "EX", 10)
    assert client("MOVE", "a", 1) == 1
    assert other.read(b"a") == b"1"
    assert other.expiry(b"a") is not None
    assert client("EXISTS", "a") == 0
    client("SET", "a", "2")
    assert client("MOVE", "a", 1) == 0
    assert client("MOVE", "absent", 1) == 0
    assert client.error("MOVE", "a", 0) == SAME
    assert client.error("MOVE", "a", 99) == "ERR DB index is out of range"
    assert client.error("MOVE", "a", "x") == "ERR value is not an integer or out of range"
    assert client.error("MOVE", "a", 2**40).startswith("ERR value is out of range, value must between")


@pytest.mark.parametrize(
    ("fill", "change", "read", "unchanged"),
    [
        (("APPEND", "a", "1"), ("APPEND", "a", "2"), ("GET", "b"), b"1"),
        (("RPUSH", "a", "1"), ("RPUSH", "a", "2"), ("LRANGE", "b", "0", "-1"), [b"1"]),
        (("SADD", "a", "1"), ("SADD", "a", "2"), ("SCARD", "b"), 1),
        (("HSET", "a", "f", "1"), ("HSET", "a", "g", "2"), ("HLEN", "b"), 1),
        (("ZADD", "a", "1", "m"), ("ZADD", "a", "2", "n"), ("ZCARD", "b"), 1),
    ],
)
def test_a_copy_is_independent(
    client: Client, fill: tuple[str, ...], change: tuple[str, ...], read: tuple[str, ...], unchanged: object
) -> None:
    client(*fill)
    assert client("COPY", "a", "b") == 1
    client(*change)
    assert client(*read) == unchanged


def test_copy_options(client: Client) -> None:
    client("MSET", "a", 1, "b", 2)
    client("EXPIRE", "a", 10)
    assert client("COPY", "a", "b") == 0
    assert client("COPY", "a", "b", "REPLACE") == 1
    assert (client("GET", "b"), client("TTL", "b")) == (b"1", 10)
    assert client("COPY", "a", "a", "DB", 1) == 1
    assert client("COPY", "a", "a", "DB", 1) == 0
    assert client("COPY", "absent", "c") == 0
    assert client.error("COPY", "a", "a") == SAME
    assert client.error("COPY", "a", "a", "DB", 0, "REPLACE") == SAME
    assert client.error("COPY", "a", "b", "DB") == "ERR syntax error"
    assert client.error("COPY", "a", "b", "MAYBE") == "ERR syntax error"
    assert client.error("COPY", "a", "b", "DB", 16) == "ERR DB index is out of range"


def test_object_encoding(client: Client) -> None:
    client("MSET", "i", 12, "e", "text", "r", "x" * 45, "ap", "x")
    client("APPEND", "ap", "y")
    client("RPUSH", "l", "a")
    client("SADD", "is", 1)
    client("SADD", "hs", "a")
    replies = [client("OBJECT", "ENCODING", key) for key in ("i", "e", "r", "ap", "l", "is", "hs", "absent")]
    assert replies == [b"int", b"embstr", b"raw", b"raw", b"quicklist", b"intset", b"hashtable", None]


def test_object_refcount_knows_shared_integers(client: Client) -> None:
    client("MSET", "small", 9999, "large", 10000, "negative", -1, "text", "x")
    assert client("OBJECT", "REFCOUNT", "small") == 2**31 - 1
    assert [client("OBJECT", "REFCOUNT", key) for key in ("large", "negative", "text")] == [1, 1, 1]
    assert client("OBJECT", "REFCOUNT", "absent") is None


def test_object_idletime_and_freq_follow_the_policy(client: Client, engine: Engine) -> None:
    client("SET", "k", "v")
    assert client("OBJECT", "IDLETIME", "k") == 0
    assert client.error("OBJECT", "FREQ", "k").startswith("ERR An LFU maxmemory policy is not selected")
    engine.config.set("maxmemory-policy", "allkeys-lfu")
    assert client.error("OBJECT", "IDLETIME", "k").startswith("ERR An LFU maxmemory policy is selected")
    assert client("OBJECT", "FREQ", "k") == 5
    assert client("OBJECT", "FREQ", "absent") is None


def test_object_subcommands(client: Client) -> None:
    assert client("OBJECT", "HELP")[0].startswith("OBJECT <subcommand>")
    assert client.error("OBJECT", "NOPE", "k") == "ERR unknown subcommand 'NOPE'. Try OBJECT HELP."
    assert client.error("OBJECT") == "ERR wrong number of arguments for 'object' command"
    assert client.error("OBJECT", "FREQ") == "ERR wrong number of arguments for 'object|freq' command"


BIG = 20_000


def fill(client: Client, kind: str) -> None:
    """Make ``big`` a container that is worth freeing in slices."""
    names = [b"%d-x" % number for number in range(BIG)]
    if kind == "list":
        client("RPUSH", "big", *names)
    elif kind == "set":
        client("SADD", "big", *names)
    elif kind == "hash":
        client("HSET", "big", *(word for name in names for word in (name, name)))
    else:
        client("ZADD", "big", *(word for number, name in enumerate(names) for word in (number, name)))


@pytest.mark.parametrize("kind", ["list", "set", "hash", "zset"])
@pytest.mark.parametrize(
    "delete", [("DEL", "big"), ("UNLINK", "big"), ("SET", "big", "v"), ("EXPIRE", "big", "-1"), ("FLUSHDB",)]
)
def test_large_containers_are_freed_in_slices(
    client: Client, engine: Engine, kind: str, delete: tuple[str, ...]
) -> None:
    fill(client, kind)
    client(*delete)
    assert engine.keyspace.garbage
    slices = 1
    while engine.keyspace.collect(segments=4):
        slices += 1
    assert slices > 4
    assert engine.keyspace.garbage == []


@pytest.mark.parametrize("kind", ["list", "set", "hash", "zset"])
def test_what_moves_to_another_key_is_not_freed(client: Client, engine: Engine, kind: str) -> None:
    fill(client, kind)
    client("RENAME", "big", "moved")
    client("MOVE", "moved", 1)
    client("COPY", "absent", "big")
    engine.tick()
    value = engine.keyspace.databases[1].read(b"moved")
    assert value is not None
    assert len(value) == BIG
    assert not engine.keyspace.garbage


def test_small_values_leave_no_garbage(client: Client, engine: Engine) -> None:
    client("RPUSH", "l", "a")
    client("SET", "s", "x" * 100_000)
    client("APPEND", "s", "x")
    client("DEL", "l", "s")
    assert not engine.keyspace.garbage
