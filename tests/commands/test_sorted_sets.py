"""ZADD and its options, scores, ranks, random members and ZSCAN."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pytest

from kvcore.datatypes.sorted_set import SortedSet
from kvcore.engine import Engine
from kvcore.replies import NULL_ARRAY

if TYPE_CHECKING:
    from tests.commands.conftest import Client

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_A_FLOAT = "ERR value is not a valid float"


def test_zadd_counts_new_members_and_with_ch_changed_ones(client: Client) -> None:
    assert client("ZADD", "z", 1, "a") == 1
    assert client("ZADD", "z", 2, "a") == 0
    assert client("ZADD", "z", 2, "a", 3, "b", 4, "c") == 2
    assert client("ZADD", "z", "CH", 2, "a", 9, "b", 5, "d") == 2
    assert client("ZMSCORE", "z", "a", "b", "c", "d", "e") == [2.0, 9.0, 4.0, 5.0, None]


def test_the_last_score_of_a_repeated_member_counts(client: Client) -> None:
    assert client("ZADD", "z", 1, "a", 3, "a", 2, "a") == 1
    assert client("ZSCORE", "z", "a") == 2.0
    assert client("ZADD", "z", "CH", 3, "a", 2, "a") == 2


def test_zadd_nx_xx(client: Client, engine: Engine) -> None:
    client("ZADD", "z", 1, "a")
    assert client("ZADD", "z", "NX", 5, "a", 5, "b") == 1
    assert client("ZADD", "z", "XX", "CH", 7, "b", 7, "c") == 1
    assert client("ZMSCORE", "z", "a", "b", "c") == [1.0, 7.0, None]
    assert client("ZADD", "none", "XX", 1, "a") == 0
    assert not engine.keyspace.databases[0].has(b"none")


def test_zadd_gt_lt_let_new_members_in(client: Client) -> None:
    client("ZADD", "z", 5, "a")
    assert client("ZADD", "z", "GT", "CH", 4, "a", 1, "new") == 1
    assert client("ZADD", "z", "GT", "CH", 6, "a") == 1
    assert client("ZADD", "z", "LT", "CH", 7, "a") == 0
    assert client("ZADD", "z", "LT", "XX", "CH", 2, "a", 2, "other") == 1
    assert client("ZMSCORE", "z", "a", "new", "other") == [2.0, 1.0, None]


def test_zadd_incr_answers_the_score_or_null(client: Client) -> None:
    assert client("ZADD", "z", "INCR", "1.5", "a") == 1.5
    assert client("ZADD", "z", "incr", 1, "a") == 2.5
    assert client("ZADD", "z", "INCR", "NX", 1, "a") is None
    assert client("ZADD", "z", "INCR", "XX", 1, "b") is None
    assert client("ZADD", "none", "INCR", "XX", 1, "b") is None
    assert client("ZADD", "z", "INCR", "GT", -1, "a") is None
    assert client("ZADD", "z", "INCR", "LT", -1, "a") == 1.5
    assert client("ZADD", "z", "INCR", 0, "a") == 1.5


def test_no_sum_becomes_nan(client: Client) -> None:
    client("ZADD", "z", "inf", "a")
    assert client.error("ZINCRBY", "z", "-inf", "a") == "ERR resulting score is not a number (NaN)"
    assert client.error("ZADD", "z", "INCR", "-inf", "a") == "ERR resulting score is not a number (NaN)"
    assert client("ZSCORE", "z", "a") == inf


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((1, "a", 2), "ERR syntax error"),
        (("NX", "a"), "ERR syntax error"),
        (("NX", "XX", 1, "a"), "ERR XX and NX options at the same time are not compatible"),
        (("NX", "GT", 1, "a"), "ERR GT, LT, and/or NX options at the same time are not compatible"),
        (("GT", "LT", 1, "a"), "ERR GT, LT, and/or NX options at the same time are not compatible"),
        (("INCR", 1, "a", 2, "b"), "ERR INCR option supports a single increment-element pair"),
        ((1, "a", "x", "b"), NOT_A_FLOAT),
        (("nan", "a"), NOT_A_FLOAT),
        (("CH", "x", "a"), NOT_A_FLOAT),
    ],
)
def test_zadd_errors_change_nothing(client: Client, words: tuple[str | int, ...], text: str) -> None:
    assert client.error("ZADD", "z", *words) == text
    assert client("ZCARD", "z") == 0


def test_zincrby(client: Client) -> None:
    assert client("ZINCRBY", "z", "0.1", "a") == 0.1
    assert client("ZINCRBY", "z", "0.2", "a") == 0.1 + 0.2
    assert client.error("ZINCRBY", "z", "x", "a") == NOT_A_FLOAT


def test_zrem_of_the_last_member_removes_the_key(client: Client, engine: Engine) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert client("ZREM", "z", "a", "a", "none") == 1
    assert client("ZREM", "z", "b", "c") == 2
    assert not engine.keyspace.databases[0].has(b"z")
    assert client("ZREM", "z", "a") == 0


def test_ranks(client: Client) -> None:
    client("ZADD", "z", 3, "c", 1, "a", 2, "bb", 2, "ba")
    assert [client("ZRANK", "z", member) for member in ("a", "ba", "bb", "c", "x")] == [0, 1, 2, 3, None]
    assert [client("ZREVRANK", "z", member) for member in ("a", "ba", "bb", "c", "x")] == [3, 2, 1, 0, None]
    assert client("ZRANK", "none", "a") is None
    assert client("ZREVRANK", "none", "a") is None


def test_reading_an_absent_key(client: Client) -> None:
    assert client("ZSCORE", "z", "a") is None
    assert client("ZMSCORE", "z", "a", "b") == [None, None]
    assert client("ZCARD", "z") == 0
    assert client("ZRANDMEMBER", "z") is None
    assert client("ZRANDMEMBER", "z", 5) == []
    assert client("ZSCAN", "z", 0, "NONSENSE") == [b"0", []]


def test_zrandmember(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert client("ZRANDMEMBER", "z") in {b"a", b"b", b"c"}
    assert sorted(client("ZRANDMEMBER", "z", 10)) == [b"a", b"b", b"c"]
    assert len(client("ZRANDMEMBER", "z", -10)) == 10
    client.session.protocol = 3
    assert sorted(client("ZRANDMEMBER", "z", 3, "withscores")) == [[b"a", 1.0], [b"b", 2.0], [b"c", 3.0]]
    client.session.protocol = 2
    flat = client("ZRANDMEMBER", "z", -4, "WITHSCORES")
    assert len(flat) == 8
    assert set(zip(flat[::2], flat[1::2], strict=True)) <= {(b"a", 1.0), (b"b", 2.0), (b"c", 3.0)}
    assert client.error("ZRANDMEMBER", "z", 1, "WITHVALUES") == "ERR syntax error"
    assert client.error("ZRANDMEMBER", "z", "x") == "ERR value is not an integer or out of range"


def test_zscan_writes_scores_as_they_are_stored(client: Client, engine: Engine) -> None:
    client("ZADD", "z", "1e17", "big", "0.1", "tenth", "-0", "zero", "inf", "most")
    packed = dict(zip(*[iter(client("ZSCAN", "z", 0)[1])] * 2, strict=True))
    assert packed == {b"zero": b"0", b"tenth": b"0.10000000000000001", b"big": b"100000000000000000", b"most": b"inf"}
    engine.limits.zset_entries = 0
    client("ZADD", "y", "1e17", "big", "-0", "zero")
    assert sorted(client("ZSCAN", "y", 0)[1]) == [b"-0", b"1e+17", b"big", b"zero"]


def test_zscan_of_a_large_sorted_set_returns_every_member(client: Client) -> None:
    for number in range(1500):
        client("ZADD", "z", number, f"member:{number}")
    found: dict[bytes, bytes] = {}
    cursor = b"0"
    while True:
        cursor, items = client("ZSCAN", "z", cursor, "COUNT", 64)
        found.update(zip(items[::2], items[1::2], strict=True))
        if cursor == b"0":
            break
    assert found == {b"member:%d" % number: b"%d" % number for number in range(1500)}


def test_encoding_follows_the_limits(client: Client, engine: Engine) -> None:
    engine.limits.zset_entries = 2
    engine.limits.zset_value = 3
    client("ZADD", "few", 1, "a", 2, "b")
    client("ZADD", "many", 1, "a", 2, "b", 3, "c")
    client("ZINCRBY", "long", 1, "abcd")
    db = engine.keyspace.databases[0]
    encodings = {key: value.encoding for key, value in db.items() if isinstance(value, SortedSet)}
    assert encodings == {b"few": "listpack", b"many": "skiplist", b"long": "skiplist"}


def test_only_changes_propagate(client: Client, effects: list[list[bytes]]) -> None:
    client("ZADD", "z", 1, "a")
    client("ZADD", "z", 1, "a")
    client("ZADD", "z", "NX", 2, "a")
    client("ZADD", "z", "GT", "CH", 0, "a")
    client("ZINCRBY", "z", 0, "a")
    client("ZREM", "z", "none")
    client("ZINCRBY", "z", 1, "a")
    assert effects == [[b"ZADD", b"z", b"1", b"a"], [b"ZINCRBY", b"z", b"1", b"a"]]


@pytest.mark.parametrize(
    "words",
    [
        ("ZADD", "text", 1, "a"),
        ("ZADD", "text", 1, "a", 2, "b"),
        ("ZADD", "text", "INCR", 1, "a"),
        ("ZINCRBY", "text", 1, "a"),
        ("ZREM", "text", "a"),
        ("ZCARD", "text"),
        ("ZSCORE", "text", "a"),
        ("ZMSCORE", "text", "a"),
        ("ZRANK", "text", "a"),
        ("ZREVRANK", "text", "a"),
        ("ZRANDMEMBER", "text"),
        ("ZRANDMEMBER", "text", 0),
        ("ZSCAN", "text", 0),
    ],
)
def test_another_type_is_refused(client: Client, words: tuple[str | int, ...]) -> None:
    client("SET", "text", "x")
    assert client.error(*words) == WRONG_TYPE


def test_a_bad_score_is_reported_before_a_wrong_type(client: Client) -> None:
    client("SET", "text", "x")
    assert client.error("ZADD", "text", "x", "a") == NOT_A_FLOAT
    assert client.error("ZINCRBY", "text", "x", "a") == NOT_A_FLOAT


def test_ranks_with_scores(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2.5, "b")
    assert client("ZRANK", "z", "b", "WITHSCORE") == [1, 2.5]
    assert client("ZREVRANK", "z", "b", "withscore") == [0, 2.5]
    for name in ("ZRANK", "ZREVRANK"):
        assert client(name, "z", "none", "WITHSCORE") is client(name, "none", "a", "WITHSCORE") is NULL_ARRAY
        assert client.error(name, "z", "a", "x") == "ERR syntax error"
        assert client.error(name, "z", "a", "WITHSCORE", "x") == (
            f"ERR wrong number of arguments for '{name.lower()}' command"
        )
