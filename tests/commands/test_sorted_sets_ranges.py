"""Ranges of sorted sets: every spelling of ZRANGE, ZRANGESTORE, counts and removals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.engine import Engine

if TYPE_CHECKING:
    from tests.commands.conftest import Client

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NOT_A_FLOAT = "ERR min or max is not a float"
NOT_A_STRING = "ERR min or max not valid string range item"
SYNTAX = "ERR syntax error"


@pytest.fixture(autouse=True)
def sorted_set(client: Client) -> None:
    """``z`` holds a to e with the scores 1 to 5, ``lex`` the same members all with 0."""
    client("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d", 5, "e")
    client("ZADD", "lex", 0, "a", 0, "b", 0, "c", 0, "d", 0, "e")
    client("SET", "text", "x")


def letters(reply: list[bytes]) -> str:
    return b"".join(reply).decode()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ZRANGE", "z", 0, -1), "abcde"),
        (("ZRANGE", "z", 1, 2), "bc"),
        (("ZRANGE", "z", -2, 100), "de"),
        (("ZRANGE", "z", -100, 0), "a"),
        (("ZRANGE", "z", 3, 1), ""),
        (("ZRANGE", "z", 5, 9), ""),
        (("ZRANGE", "z", 0, 1, "REV"), "ed"),
        (("ZREVRANGE", "z", 1, -2), "dcb"),
        (("ZRANGE", "z", 2, 4, "BYSCORE"), "bcd"),
        (("ZRANGE", "z", "(2", "(4", "BYSCORE"), "c"),
        (("ZRANGE", "z", 4, 2, "BYSCORE", "REV"), "dcb"),
        (("ZRANGE", "z", 2, 4, "BYSCORE", "REV"), ""),
        (("ZRANGE", "z", "-inf", "+inf", "BYSCORE", "LIMIT", 1, 2), "bc"),
        (("ZRANGE", "z", "+inf", "-inf", "BYSCORE", "REV", "LIMIT", 1, 2), "dc"),
        (("ZRANGEBYSCORE", "z", 2, "inf", "LIMIT", 1, -1), "cde"),
        (("ZRANGEBYSCORE", "z", 2, "inf", "LIMIT", 1, 0), ""),
        (("ZRANGEBYSCORE", "z", 2, "inf", "LIMIT", -1, 2), ""),
        (("ZRANGEBYSCORE", "z", 2, "inf", "LIMIT", 4, 2), ""),
        (("ZREVRANGEBYSCORE", "z", "(4", 1), "cba"),
        (("ZRANGE", "lex", "[b", "(d", "BYLEX"), "bc"),
        (("ZRANGE", "lex", "(d", "[b", "BYLEX", "REV"), "cb"),
        (("ZRANGEBYLEX", "lex", "-", "[c"), "abc"),
        (("ZRANGEBYLEX", "lex", "(c", "+"), "de"),
        (("ZRANGEBYLEX", "lex", "+", "-"), ""),
        (("ZREVRANGEBYLEX", "lex", "+", "-", "LIMIT", 1, 2), "dc"),
        (("ZRANGE", "none", 0, -1), ""),
        (("ZRANGE", "z", 0, -1, "LIMIT", 0, -1), "abcde"),
    ],
)
def test_ranges(client: Client, words: tuple[str | int, ...], expected: str) -> None:
    assert letters(client(*words)) == expected


def test_withscores_nests_in_resp3_only(client: Client) -> None:
    client.session.protocol = 2
    assert client("ZRANGE", "z", 0, 1, "WITHSCORES") == [b"a", 1.0, b"b", 2.0]
    client.session.protocol = 3
    assert client("ZREVRANGE", "z", 0, 1, "withscores") == [[b"e", 5.0], [b"d", 4.0]]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("ZRANGE", "text", "x", 1), NOT_AN_INTEGER),
        (("ZRANGE", "text", 0, 1, "NONSENSE"), SYNTAX),
        (("ZRANGE", "text", 0, 1), WRONG_TYPE),
        (("ZRANGE", "z", 0, 1, "REV", "REV"), SYNTAX),
        (("ZRANGE", "z", 0, 1, "BYSCORE", "BYLEX"), SYNTAX),
        (("ZRANGE", "z", 0, 1, "BYLEX", "LIMIT", 0), SYNTAX),
        (("ZRANGE", "z", 0, 1, "BYLEX", "LIMIT", "x", 1), NOT_AN_INTEGER),
        (
            ("ZRANGE", "z", 0, 1, "LIMIT", 0, 1),
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        (
            ("ZRANGEBYLEX", "z", "-", "+", "WITHSCORES"),
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        (("ZRANGE", "none", "x", "y", "BYSCORE"), NOT_A_FLOAT),
        (("ZRANGEBYSCORE", "z", "nan", 1), NOT_A_FLOAT),
        (("ZRANGEBYSCORE", "z", "1x", 1), NOT_A_FLOAT),
        (("ZRANGEBYSCORE", "z", 0, 1, "REV"), SYNTAX),
        (("ZRANGEBYSCORE", "z", 0, 1, "BYSCORE"), SYNTAX),
        (("ZREVRANGE", "z", 0, 1, "REV"), SYNTAX),
        (("ZRANGEBYLEX", "z", "a", "+"), NOT_A_STRING),
        (("ZRANGEBYLEX", "z", "-", "+b"), NOT_A_STRING),
        (("ZCOUNT", "text", "x", 1), NOT_A_FLOAT),
        (("ZCOUNT", "text", 0, 1), WRONG_TYPE),
        (("ZLEXCOUNT", "text", "a", "b"), NOT_A_STRING),
        (("ZLEXCOUNT", "text", "-", "+"), WRONG_TYPE),
        (("ZREMRANGEBYRANK", "text", "x", 1), NOT_AN_INTEGER),
        (("ZREMRANGEBYRANK", "text", 0, 1), WRONG_TYPE),
        (("ZREMRANGEBYSCORE", "text", "x", 1), NOT_A_FLOAT),
        (("ZREMRANGEBYSCORE", "text", 0, 1), WRONG_TYPE),
        (("ZREMRANGEBYLEX", "text", "x", "+"), NOT_A_STRING),
        (("ZREMRANGEBYLEX", "text", "-", "+"), WRONG_TYPE),
        (("ZRANGESTORE", "d", "z", "x", "y", "WITHSCORES"), SYNTAX),
        (("ZRANGESTORE", "d", "text", "x", 1), NOT_AN_INTEGER),
        (("ZRANGESTORE", "d", "text", 0, 1), WRONG_TYPE),
    ],
)
def test_errors(client: Client, words: tuple[str | int, ...], text: str) -> None:
    assert client.error(*words) == text


def test_counts(client: Client) -> None:
    assert client("ZCOUNT", "z", "(1", 4) == 3
    assert client("ZCOUNT", "z", 4, 1) == 0
    assert client("ZCOUNT", "none", 0, 1) == 0
    assert client("ZLEXCOUNT", "lex", "[b", "[d") == 3
    assert client("ZLEXCOUNT", "lex", "[d", "[b") == 0
    assert client("ZLEXCOUNT", "none", "-", "+") == 0


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("ZREMRANGEBYRANK", "lex", 1, -2), "ae"),
        (("ZREMRANGEBYRANK", "lex", 3, 1), "abcde"),
        (("ZREMRANGEBYSCORE", "z", "(1", 3), "ade"),
        (("ZREMRANGEBYSCORE", "z", 7, 9), "abcde"),
        (("ZREMRANGEBYLEX", "lex", "[b", "(d"), "ade"),
    ],
)
def test_removals(client: Client, words: tuple[str | int, ...], left: str) -> None:
    assert client(*words) == 5 - len(left)
    assert letters(client("ZRANGE", words[1], 0, -1)) == left


def test_removing_everything_removes_the_key(client: Client, engine: Engine, effects: list[list[bytes]]) -> None:
    assert client("ZREMRANGEBYSCORE", "z", "-inf", "+inf") == 5
    assert not engine.keyspace.databases[0].has(b"z")
    assert client("ZREMRANGEBYSCORE", "z", "-inf", "+inf") == 0
    assert client("ZREMRANGEBYRANK", "none", 0, 1) == client("ZREMRANGEBYLEX", "none", "-", "+") == 0
    assert effects == [[b"ZREMRANGEBYSCORE", b"z", b"-inf", b"+inf"]]


def test_zrangestore(client: Client, engine: Engine, effects: list[list[bytes]]) -> None:
    db = engine.keyspace.databases[0]
    db.set_expiry(b"text", 1_800_000_000_000)
    assert client("ZRANGESTORE", "text", "z", 4, 2, "BYSCORE", "REV", "LIMIT", 0, 2) == 2
    assert client("ZRANGE", "text", 0, -1, "WITHSCORES") == [b"c", 3.0, b"d", 4.0]
    assert db.expiry(b"text") is None
    assert client("ZRANGESTORE", "text", "none", 0, -1) == 0
    assert not db.has(b"text")
    assert client("ZRANGESTORE", "text", "none", 0, -1) == 0
    assert len(effects) == 2


def test_zrangestore_over_its_source(client: Client) -> None:
    assert client("ZRANGESTORE", "z", "z", 0, 0, "REV") == 1
    assert letters(client("ZRANGE", "z", 0, -1)) == "e"
