"""Taking members off an end of a sorted set, at once or when there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.blocking import Blocked
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replies import NULL_ARRAY

if TYPE_CHECKING:
    from tests.commands.conftest import Client

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def three(client: Client) -> None:
    """``z`` holds a, b and c with the scores 1, 2 and 3."""
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")


@pytest.mark.usefixtures("three")
def test_zpop_without_count_is_flat_in_both_protocols(client: Client) -> None:
    client.session.protocol = 2
    assert client("ZPOPMIN", "z") == [b"a", 1.0]
    client.session.protocol = 3
    assert client("ZPOPMAX", "z") == [b"c", 3.0]


@pytest.mark.usefixtures("three")
def test_zpop_with_count_nests_in_resp3(client: Client, engine: Engine) -> None:
    client.session.protocol = 2
    assert client("ZPOPMAX", "z", 1) == [b"c", 3.0]
    client.session.protocol = 3
    assert client("ZPOPMIN", "z", 9) == [[b"a", 1.0], [b"b", 2.0]]
    assert not engine.keyspace.databases[0].has(b"z")
    assert client("ZPOPMIN", "z") == client("ZPOPMIN", "z", 3) == []


@pytest.mark.usefixtures("three")
def test_zpop_errors(client: Client) -> None:
    client("SET", "text", "x")
    assert client("ZPOPMIN", "z", 0) == []
    assert client.error("ZPOPMIN", "z", 1, 2) == "ERR syntax error"
    for count in (-1, "x"):
        assert client.error("ZPOPMAX", "text", count) == "ERR value is out of range, must be positive"
    assert client.error("ZPOPMAX", "text", 0) == WRONG_TYPE


@pytest.mark.usefixtures("three")
def test_zmpop_takes_from_the_first_key_that_exists(client: Client, effects: list[list[bytes]]) -> None:
    assert client("ZMPOP", 2, "none", "z", "MIN") == [b"z", [[b"a", 1.0]]]
    assert client("ZMPOP", 2, "none", "z", "max", "COUNT", 10) == [b"z", [[b"c", 3.0], [b"b", 2.0]]]
    assert client("ZMPOP", 1, "none", "MIN") is NULL_ARRAY
    assert effects == [[b"ZPOPMIN", b"z", b"1"], [b"ZPOPMAX", b"z", b"2"]]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((0, "z", "MIN"), "ERR numkeys should be greater than 0"),
        (("x", "z", "MIN"), "ERR numkeys should be greater than 0"),
        ((2, "z", "MIN"), "ERR syntax error"),
        ((1, "z", "MIDDLE"), "ERR syntax error"),
        ((1, "z", "MIN", "COUNT"), "ERR syntax error"),
        ((1, "z", "MIN", "COUNT", 0), "ERR count should be greater than 0"),
        ((1, "z", "MIN", "COUNT", "x"), "ERR count should be greater than 0"),
        ((1, "z", "MIN", "COUNT", 1, "COUNT", 2), "ERR syntax error"),
        ((2, "none", "text", "MIN"), WRONG_TYPE),
    ],
)
def test_zmpop_and_bzmpop_errors(client: Client, words: tuple[str | int, ...], text: str) -> None:
    client("SET", "text", "x")
    assert client.error("ZMPOP", *words) == text
    assert client.error("BZMPOP", 1, *words) == text


@pytest.mark.usefixtures("three")
def test_blocking_forms_answer_at_once_if_they_can(client: Client, effects: list[list[bytes]]) -> None:
    assert client("BZPOPMIN", "none", "z", 0) == [b"z", b"a", 1.0]
    assert client("BZPOPMAX", "z", "0.5") == [b"z", b"c", 3.0]
    assert client("BZMPOP", 0, 2, "none", "z", "MIN", "COUNT", 5) == [b"z", [[b"b", 2.0]]]
    assert effects == [[b"ZPOPMIN", b"z"], [b"ZPOPMAX", b"z"], [b"ZPOPMIN", b"z", b"1"]]


def test_a_parked_client_is_served_by_zadd(client: Client, other: Client, effects: list[list[bytes]]) -> None:
    assert isinstance(client("BZPOPMAX", "y", "z", 0), Blocked)
    assert other("ZADD", "z", 1, "a", 2, "b") == 2
    assert client.delivered == [[b"z", b"b", 2.0]]
    assert other("ZCARD", "z") == 1
    assert effects == [[b"ZADD", b"z", b"1", b"a", b"2", b"b"], [b"ZPOPMAX", b"z"]]


def test_parked_clients_are_served_in_order_until_nothing_is_left(client: Client, engine: Engine) -> None:
    waiting = [type(client)(engine) for _ in range(3)]
    for waiter in waiting:
        assert isinstance(waiter("BZMPOP", 0, 1, "z", "MIN", "COUNT", 2), Blocked)
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert [waiter.delivered for waiter in waiting] == [
        [[b"z", [[b"a", 1.0], [b"b", 2.0]]]],
        [[b"z", [[b"c", 3.0]]]],
        [],
    ]
    assert not engine.keyspace.databases[0].has(b"z")


def test_another_type_does_not_wake_a_parked_client(client: Client, other: Client) -> None:
    client("BZPOPMIN", "z", 0)
    other("SET", "z", "x")
    other("SADD", "s", "a")
    assert client.delivered == []
    assert other("ZUNIONSTORE", "z", 1, "s") == 1
    assert client.delivered == [[b"z", b"a", 1.0]]


@pytest.mark.parametrize(
    "words", [("BZPOPMIN", "z", "1.5"), ("BZPOPMAX", "z", "1.5"), ("BZMPOP", "1.5", 1, "z", "MIN")]
)
def test_time_runs_out(client: Client, engine: Engine, clock: ManualClock, words: tuple[str | int, ...]) -> None:
    assert isinstance(client(*words), Blocked)
    clock.advance(1499)
    engine.tick()
    assert client.delivered == []
    clock.advance(1)
    engine.tick()
    assert client.delivered == [NULL_ARRAY]


@pytest.mark.parametrize("timeout", ["x", "nan", ""])
def test_a_timeout_that_is_no_number(client: Client, timeout: str) -> None:
    text = "ERR timeout is not a float or out of range"
    assert client.error("BZPOPMIN", "z", timeout) == text
    assert client.error("BZMPOP", timeout, 1, "z", "MIN") == text


def test_a_negative_timeout(client: Client) -> None:
    assert client.error("BZPOPMAX", "z", -1) == "ERR timeout is negative"
    assert client.error("BZMPOP", -1, 1, "z", "MIN") == "ERR timeout is negative"
    assert client.error("BZMPOP", -1, 0, "z", "MIN") == "ERR numkeys should be greater than 0"


def test_a_wrong_type_is_an_error_of_the_call_itself(client: Client) -> None:
    client("SET", "text", "x")
    assert client.error("BZPOPMIN", "none", "text", 0) == WRONG_TYPE


def test_what_may_not_block_answers_as_if_timed_out(client: Client) -> None:
    client.session.call.may_block = False
    assert client("BZPOPMIN", "z", 0) is NULL_ARRAY
    assert client("BZMPOP", 0, 1, "z", "MAX") is NULL_ARRAY
