"""EXPIREMEMBER and its relatives: KeyDB's interface, as documented, on every type that has members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.clock import ManualClock

if TYPE_CHECKING:
    from tests.commands.conftest import Client

FILLED = {
    "hash": ("HSET", "k", "a", 1, "b", 2),
    "set": ("SADD", "k", "a", "b"),
    "zset": ("ZADD", "k", 1, "a", 2, "b"),
}
TYPES = pytest.mark.parametrize("kind", ["hash", "set", "zset"])


@TYPES
def test_set_ask_and_persist(client: Client, clock: ManualClock, kind: str) -> None:
    client(*FILLED[kind])
    now_ms = clock.now_us() // 1000
    assert client("EXPIREMEMBER", "k", "a", 10) == 1
    assert (client("TTL", "k", "a"), client("PTTL", "k", "a")) == (10, 10_000)
    assert client("EXPIREMEMBER", "k", "a", 1500, "MS") == 1
    assert (client("TTL", "k", "a"), client("PTTL", "k", "a")) == (2, 1500)
    assert client("EXPIREMEMBERAT", "k", "a", now_ms // 1000 + 7) == 1
    assert client("TTL", "k", "a") == 7
    assert client("PEXPIREMEMBERAT", "k", "a", now_ms + 77) == 1
    assert client("PTTL", "k", "a") == 77
    assert client("TTL", "k", "b") == client("TTL", "k", "none") == client("TTL", "k") == -1
    assert client("TTL", "none", "a") == client("PTTL", "none", "a") == -2
    assert client("PERSIST", "k", "a") == 1
    assert client("PERSIST", "k", "a") == client("PERSIST", "k", "none") == client("PERSIST", "none", "a") == 0
    assert client("TTL", "k", "a") == -1


@TYPES
def test_a_time_in_the_past_removes_at_once(client: Client, effects: list[list[bytes]], kind: str) -> None:
    client(*FILLED[kind])
    effects.clear()
    assert client("EXPIREMEMBER", "k", "a", -5) == 1
    assert client("EXPIREMEMBERAT", "k", "b", 0) == 1
    assert client("EXISTS", "k") == 0
    removal = {"hash": b"HDEL", "set": b"SREM", "zset": b"ZREM"}[kind]
    assert effects == [[removal, b"k", b"a"], [removal, b"k", b"b"]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("EXPIREMEMBER", "string", "a", 1), "ERR object type is unsupported"),
        (("EXPIREMEMBER", "list", "a", 1), "ERR object type is unsupported"),
        (("EXPIREMEMBER", "k", "a", "x"), "ERR value is not an integer or out of range"),
        (("EXPIREMEMBERAT", "k", "a", "1.5"), "ERR value is not an integer or out of range"),
        (("EXPIREMEMBER", "k", "a", 1, "h"), "ERR Invalid unit arg"),
        (("EXPIREMEMBER", "k", "a", 1, "s", "s"), "ERR Invalid number of arguments"),
        (("EXPIREMEMBER", "k", "a", 2**62), "ERR invalid expire time in 'expiremember' command"),
        (("TTL", "k", "a", "b"), "ERR Invalid arguments"),
        (("PTTL", "none", "a", "b"), "ERR Invalid arguments"),
        (("PERSIST", "k", "a", "b"), "ERR Invalid arguments"),
    ],
)
def test_errors(client: Client, words: tuple[str | int, ...], error: str) -> None:
    client("SET", "string", 1)
    client("RPUSH", "list", 1)
    client("SADD", "k", "a")
    assert client.error(*words) == error


def test_nothing_to_expire(client: Client, effects: list[list[bytes]]) -> None:
    client("SADD", "k", "a")
    effects.clear()
    assert client("EXPIREMEMBER", "none", "a", 1) == 0
    assert client("EXPIREMEMBER", "k", "none", 1) == 0
    assert effects == []


def test_propagation(client: Client, clock: ManualClock, effects: list[list[bytes]]) -> None:
    at_ms = b"%d" % (clock.now_us() // 1000 + 5000)
    client("SADD", "s", "a")
    client("HSET", "h", "a", 1)
    effects.clear()
    client("EXPIREMEMBER", "s", "a", 5)
    client("EXPIREMEMBER", "h", "a", 5)
    client("PERSIST", "s", "a")
    client("PERSIST", "h", "a")
    assert effects == [
        [b"PEXPIREMEMBERAT", b"s", b"a", at_ms],
        [b"HPEXPIREAT", b"h", at_ms, b"FIELDS", b"1", b"a"],
        [b"PERSIST", b"s", b"a"],
        [b"HPERSIST", b"h", b"FIELDS", b"1", b"a"],
    ]


def test_a_member_removed_and_added_again_lives_for_ever(client: Client) -> None:
    client("SADD", "s", "a", "b")
    client("ZADD", "z", 1, "a", 2, "b")
    for remove, add in ((("SREM", "s", "a"), ("SADD", "s", "a")), (("ZREM", "z", "a"), ("ZADD", "z", 1, "a"))):
        key = remove[1]
        client("EXPIREMEMBER", key, "a", 10)
        client(*add)
        assert client("TTL", key, "a") == 10
        client(*remove)
        client(*add)
        assert client("TTL", key, "a") == -1


def test_a_new_score_keeps_the_time(client: Client) -> None:
    client("ZADD", "z", 1, "a")
    client("EXPIREMEMBER", "z", "a", 10)
    client("ZADD", "z", 5, "a")
    client("ZINCRBY", "z", 5, "a")
    assert client("TTL", "z", "a") == 10


def test_set_algebra_leaves_out_what_has_expired(client: Client, clock: ManualClock) -> None:
    client("SADD", "s", "a", "b")
    client("SADD", "t", "a", "b", "c")
    client("ZADD", "z", 1, "a", 2, "c")
    client("EXPIREMEMBER", "s", "a", 1)
    client("EXPIREMEMBER", "z", "a", 1)
    clock.advance(1000)
    assert client("SINTER", "s", "t") == [b"b"]
    assert client("SCARD", "s") == client("ZCARD", "z") == client("SINTERCARD", 2, "s", "t") == 1
    assert client("ZUNION", 2, "z", "s") == [b"b", b"c"]
    assert client("ZRANK", "z", "c") == 0
    assert client("SMOVE", "s", "t", "a") == 0
    assert client("SPOP", "s") == b"b"
