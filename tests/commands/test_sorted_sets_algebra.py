"""Union, intersection and difference of sorted sets, and the arithmetic of their scores."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pytest

from kvcore.engine import Engine

if TYPE_CHECKING:
    from tests.commands.conftest import Client

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX = "ERR syntax error"


@pytest.fixture(autouse=True)
def inputs(client: Client) -> None:
    """``x`` and ``y`` are sorted sets with b and c in common, ``s`` is a set, ``text`` a string."""
    client("ZADD", "x", 1, "a", 2, "b", 3, "c")
    client("ZADD", "y", 10, "b", 20, "c", 30, "d")
    client("SADD", "s", "a", "b")
    client("SET", "text", "x")


def scores(client: Client, *words: str | int) -> dict[bytes, float]:
    """Run a reading command with WITHSCORES; the pairs come in order of score."""
    client.session.protocol = 3
    pairs = client(*words, "WITHSCORES")
    assert pairs == sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    return dict(pairs)


def test_union(client: Client) -> None:
    assert scores(client, "ZUNION", 2, "x", "y") == {b"a": 1, b"b": 12, b"c": 23, b"d": 30}
    assert scores(client, "ZUNION", 2, "x", "s") == {b"a": 2, b"b": 3, b"c": 3}
    assert scores(client, "ZUNION", 2, "x", "none") == {b"a": 1, b"b": 2, b"c": 3}
    assert client("ZUNION", 2, "x", "y") == [b"a", b"b", b"c", b"d"]


def test_intersection(client: Client) -> None:
    assert scores(client, "ZINTER", 2, "x", "y") == {b"b": 12, b"c": 23}
    assert scores(client, "ZINTER", 2, "s", "x") == {b"a": 2, b"b": 3}
    assert scores(client, "ZINTER", 2, "x", "x") == {b"a": 2, b"b": 4, b"c": 6}
    assert scores(client, "ZINTER", 2, "x", "none") == {}


def test_difference_keeps_the_scores_of_the_first(client: Client) -> None:
    assert scores(client, "ZDIFF", 2, "x", "y") == {b"a": 1}
    assert scores(client, "ZDIFF", 3, "x", "none", "s") == {b"c": 3}
    assert scores(client, "ZDIFF", 2, "none", "x") == {}
    assert scores(client, "ZDIFF", 2, "x", "x") == {}


def test_weights_and_aggregate(client: Client) -> None:
    weighted = ("WEIGHTS", 10, 1)
    assert scores(client, "ZUNION", 2, "x", "y", *weighted) == {b"a": 10, b"b": 30, b"c": 50, b"d": 30}
    assert scores(client, "ZINTER", 2, "x", "y", *weighted, "AGGREGATE", "min") == {b"b": 10, b"c": 20}
    assert scores(client, "ZINTER", 2, "x", "y", "AGGREGATE", "MAX", *weighted) == {b"b": 20, b"c": 30}


def test_what_is_not_a_number_counts_as_zero(client: Client) -> None:
    client("ZADD", "i", "inf", "a", "-inf", "b")
    client("ZADD", "j", "-inf", "a", 5, "b")
    assert scores(client, "ZUNION", 2, "i", "j") == {b"a": 0, b"b": -inf}
    assert scores(client, "ZUNION", 2, "i", "j", "WEIGHTS", 0, 1) == {b"a": -inf, b"b": 5}
    assert scores(client, "ZINTER", 2, "i", "j", "WEIGHTS", 0, 1) == {b"a": -inf, b"b": 5}


def test_sums_start_with_the_smallest_input(client: Client) -> None:
    client("ZADD", "one", "0.3", "a")
    client("ZADD", "two", "0.2", "a", 9, "p")
    client("ZADD", "three", "0.1", "a", 9, "p", 9, "q")
    assert scores(client, "ZUNION", 3, "three", "two", "one")[b"a"] == (0.3 + 0.2) + 0.1 != (0.1 + 0.2) + 0.3


@pytest.mark.parametrize(("name", "count"), [("ZUNIONSTORE", 4), ("ZINTERSTORE", 2), ("ZDIFFSTORE", 1)])
def test_storing_replaces_any_type(
    client: Client, engine: Engine, effects: list[list[bytes]], name: str, count: int
) -> None:
    db = engine.keyspace.databases[0]
    db.set_expiry(b"text", 1_800_000_000_000)
    assert client(name, "text", 2, "x", "y") == count
    assert client("ZCARD", "text") == count
    assert db.expiry(b"text") is None
    assert client(name, "text", 1, "none") == 0
    assert not db.has(b"text")
    assert client(name, "text", 1, "none") == 0
    assert len(effects) == 2


def test_storing_over_a_source(client: Client) -> None:
    assert client("ZUNIONSTORE", "x", 2, "x", "x", "WEIGHTS", 2, 3) == 3
    assert client("ZMSCORE", "x", "a", "b", "c") == [5.0, 10.0, 15.0]


def test_zintercard(client: Client) -> None:
    assert client("ZINTERCARD", 2, "x", "y") == 2
    assert client("ZINTERCARD", 2, "x", "y", "LIMIT", 1) == 1
    assert client("ZINTERCARD", 2, "x", "y", "LIMIT", 1, "LIMIT", 0) == 2
    assert client("ZINTERCARD", 2, "x", "none") == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("ZUNION", 0, "x"), "ERR at least 1 input key is needed for 'zunion' command"),
        (("ZINTER", -1, "x"), "ERR at least 1 input key is needed for 'zinter' command"),
        (("ZDIFFSTORE", "d", 0, "x"), "ERR at least 1 input key is needed for 'zdiffstore' command"),
        (("ZINTERCARD", 0, "x"), "ERR at least 1 input key is needed for 'zintercard' command"),
        (("ZUNION", "n", "x"), "ERR value is not an integer or out of range"),
        (("ZUNION", 2, "x"), SYNTAX),
        (("ZUNION", 2, "none", "text", "NONSENSE"), WRONG_TYPE),
        (("ZUNION", 1, "x", "NONSENSE"), SYNTAX),
        (("ZUNION", 1, "x", "WEIGHTS"), SYNTAX),
        (("ZUNION", 1, "x", "WEIGHTS", 1, 2), SYNTAX),
        (("ZUNION", 2, "x", "y", "WEIGHTS", 1), SYNTAX),
        (("ZUNION", 1, "x", "WEIGHTS", "nan"), "ERR weight value is not a float"),
        (("ZUNION", 1, "x", "AGGREGATE"), SYNTAX),
        (("ZUNION", 1, "x", "AGGREGATE", "AVG"), SYNTAX),
        (("ZUNIONSTORE", "d", 1, "x", "WITHSCORES"), SYNTAX),
        (("ZDIFF", 1, "x", "WEIGHTS", 1), SYNTAX),
        (("ZDIFF", 1, "x", "AGGREGATE", "SUM"), SYNTAX),
        (("ZINTERCARD", 1, "x", "LIMIT"), SYNTAX),
        (("ZINTERCARD", 1, "x", "LIMIT", "n"), "ERR LIMIT can't be negative"),
        (("ZINTERCARD", 1, "x", "WITHSCORES"), SYNTAX),
        (("ZINTERCARD", 2, "none", "text"), WRONG_TYPE),
    ],
)
def test_errors(client: Client, words: tuple[str | int, ...], text: str) -> None:
    assert client.error(*words) == text


def test_a_large_result_keeps_the_sign_of_zero(client: Client, engine: Engine) -> None:
    engine.limits.zset_entries = 2
    client("ZADD", "big", 1, "a", 2, "b", 3, "c")
    assert client("ZUNIONSTORE", "d", 1, "big", "WEIGHTS", "-0") == 3
    assert [str(score) for score in client("ZMSCORE", "d", "a", "b", "c")] == ["-0.0", "-0.0", "-0.0"]
