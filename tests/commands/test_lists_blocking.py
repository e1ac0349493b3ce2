"""The waiting list commands: what they answer, refuse, and propagate once served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.blocking import Blocked
from kvcore.replies import NULL_ARRAY

if TYPE_CHECKING:
    from kvcore.clock import ManualClock
    from kvcore.engine import Engine
    from tests.commands.conftest import Client

Effects = list[list[bytes]]
Words = tuple[str | int, ...]

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_A_FLOAT = "ERR timeout is not a float or out of range"
NEGATIVE = "ERR timeout is negative"

WAITING: list[tuple[Words, object, list[bytes]]] = [
    (("BLPOP", "k", 0), [b"k", b"1"], [b"LPOP", b"k"]),
    (("BRPOP", "nothing", "k", 0), [b"k", b"2"], [b"RPOP", b"k"]),
    (("BLMPOP", 0, 1, "k", "LEFT"), [b"k", [b"1"]], [b"LPOP", b"k", b"1"]),
    (("BLMPOP", 0, 2, "nothing", "k", "right", "count", 5), [b"k", [b"2", b"1"]], [b"RPOP", b"k", b"2"]),
    (("BLMOVE", "k", "d", "LEFT", "RIGHT", 0), b"1", [b"LMOVE", b"k", b"d", b"LEFT", b"RIGHT"]),
    (("BRPOPLPUSH", "k", "d", 0), b"2", [b"RPOPLPUSH", b"k", b"d"]),
]


@pytest.mark.parametrize(("words", "reply", "effect"), WAITING, ids=lambda value: str(value)[:30])
def test_an_element_that_is_there_is_taken_at_once(
    client: Client, effects: Effects, words: Words, reply: object, effect: list[bytes]
) -> None:
    client("RPUSH", "k", 1, 2)
    effects.clear()
    assert client(*words) == reply
    assert effects == [effect]


@pytest.mark.parametrize(("words", "reply", "effect"), WAITING, ids=lambda value: str(value)[:30])
def test_a_waiting_client_gets_what_is_pushed(
    client: Client, other: Client, effects: Effects, words: Words, reply: object, effect: list[bytes]
) -> None:
    assert isinstance(client(*words), Blocked)
    assert other("RPUSH", "k", 1, 2) == 2
    assert client.delivered == [reply]
    woken = [word.lower() if word in (b"LEFT", b"RIGHT") else word for word in effect]
    assert effects == [[b"RPUSH", b"k", b"1", b"2"], woken]
    assert client.session.blocked is None


@pytest.mark.parametrize("words", [words for words, _, _ in WAITING], ids=str)
def test_inside_multi_nothing_waits(client: Client, words: Words) -> None:
    client("MULTI")
    client(*words)
    expected = None if words[0] in ("BLMOVE", "BRPOPLPUSH") else NULL_ARRAY
    assert client("EXEC") == [expected]


@pytest.mark.parametrize("words", [words for words, _, _ in WAITING], ids=str)
def test_time_out_answers_a_null_array(client: Client, engine: Engine, clock: ManualClock, words: Words) -> None:
    timed = (words[0], "0.25", *words[2:]) if words[0] == "BLMPOP" else (*words[:-1], "0.25")
    client(*timed)
    clock.advance(249)
    engine.tick()
    assert client.delivered == []
    clock.advance(1)
    engine.tick()
    assert client.delivered == [NULL_ARRAY]
    assert engine.blocking.count == 0


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        ("x", NOT_A_FLOAT),
        ("", NOT_A_FLOAT),
        (" 1", NOT_A_FLOAT),
        ("nan", NOT_A_FLOAT),
        ("1e-5000", NOT_A_FLOAT),
        ("-1", NEGATIVE),
        ("-0.0011", NEGATIVE),
        ("-inf", NEGATIVE),
        ("inf", NEGATIVE),
        ("1e400", NEGATIVE),
        ("9223372036854776", NEGATIVE),
        ("1" * 400, NEGATIVE),
    ],
)
def test_time_outs_that_are_refused(client: Client, timeout: str, error: str) -> None:
    client("SET", "s", "v")
    assert client.error("BLPOP", "s", timeout) == error
    assert client.error("BLMOVE", "s", "d", "LEFT", "LEFT", timeout) == error
    assert client.error("BRPOPLPUSH", "s", "d", timeout) == error
    assert client.error("BLMPOP", timeout, 1, "s", "LEFT") == error


@pytest.mark.parametrize(
    ("timeout", "wait_ms"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.001", 0),
        ("0.0", 0),
        ("1e-5", 1),
        ("0.003", 3),
        ("0.0011", 2),
        ("+1", 1000),
        ("0x1", 1000),
        ("1.5", 1500),
        ("9223372036854775", 0),
    ],
)
def test_time_outs_that_are_taken(client: Client, clock: ManualClock, timeout: str, wait_ms: int) -> None:
    blocked = client("BLPOP", "k", timeout)
    assert isinstance(blocked, Blocked)
    assert blocked.deadline_ms == (clock.now_us() // 1000 + wait_ms if wait_ms else 0)


def test_the_first_key_that_is_no_list_is_an_error(client: Client) -> None:
    client("SET", "s", "v")
    client("RPUSH", "k", 1)
    assert client.error("BLPOP", "nothing", "s", "k", 0) == WRONG_TYPE
    assert client.error("BLMPOP", 0, 2, "s", "k", "LEFT") == WRONG_TYPE
    assert client.error("BLMOVE", "k", "s", "LEFT", "LEFT", 0) == WRONG_TYPE
    assert client("BLPOP", "k", "s", 0) == [b"k", b"1"]


def test_blmpop_looks_at_its_time_out_after_the_rest(client: Client) -> None:
    assert client.error("BLMPOP", "x", 0, "k", "LEFT") == "ERR numkeys should be greater than 0"
    assert client.error("BLMPOP", "x", 1, "k", "UP") == "ERR syntax error"
    assert client.error("BLMOVE", "k", "d", "LEFT", "UP", "x") == "ERR syntax error"


def test_a_served_move_to_another_type_fails_and_the_next_in_line_is_served(
    client: Client, other: Client, engine: Engine
) -> None:
    third = type(client)(engine)
    client("BLMOVE", "k", "s", "LEFT", "LEFT", 0)
    third("BLPOP", "k", 0)
    other("SET", "s", "v")
    other("RPUSH", "k", 1, 2)
    assert [str(reply) for reply in client.delivered] == [WRONG_TYPE]
    assert third.delivered == [[b"k", b"1"]]
    assert other("LRANGE", "k", 0, -1) == [b"2"]
