"""SORT and SORT_RO: order, patterns, LIMIT, STORE."""

from __future__ import annotations

import pytest

from kvcore.errors import WrongTypeError
from tests.commands.conftest import Argument, Client

NO_NUMBER = "ERR One or more scores can't be converted into double"


def test_numbers_and_text(client: Client) -> None:
    client("RPUSH", "l", 10, 9, "1e3", "-inf", "0x10", "")
    assert client("SORT", "l") == [b"-inf", b"", b"9", b"10", b"0x10", b"1e3"]
    assert client("SORT", "l", "DESC") == [b"1e3", b"0x10", b"10", b"9", b"", b"-inf"]
    assert client("SORT", "l", "ALPHA") == sorted(client("LRANGE", "l", 0, -1))


@pytest.mark.parametrize("text", ["x", "nan", "1 ", " ", "1e999", "1_0"])
def test_what_is_no_number(client: Client, text: str) -> None:
    client("RPUSH", "l", 1, text)
    assert client.error("SORT", "l") == NO_NUMBER


def test_each_type(client: Client) -> None:
    client("SADD", "s", 3, 1, 2)
    client("ZADD", "z", 1, "c", 2, "b", 3, "a")
    client("HSET", "h", "f", "v")
    assert client("SORT", "s") == [b"1", b"2", b"3"]
    assert client("SORT", "z", "ALPHA") == [b"a", b"b", b"c"]
    assert client("SORT", "absent") == []
    assert isinstance(client("SORT", "h"), WrongTypeError)


def test_equal_numbers_are_ordered_by_their_bytes(client: Client) -> None:
    client("RPUSH", "l", "1.0", "1", "01", "1.00")
    assert client("SORT", "l") == [b"01", b"1", b"1.0", b"1.00"]
    assert client("SORT", "l", "DESC") == [b"1.00", b"1.0", b"1", b"01"]


def test_by_strings_and_fields(client: Client) -> None:
    client("RPUSH", "l", "a", "b", "c")
    client("MSET", "w_a", 3, "w_b", 1, "w_c", 2)
    client("HSET", "h_a", "f", 1)
    client("HSET", "h_b", "f", 3)
    assert client("SORT", "l", "BY", "w_*") == [b"b", b"c", b"a"]
    assert client("SORT", "l", "BY", "h_*->f") == [b"c", b"a", b"b"]
    assert client("SORT", "l", "BY", "w_*->f") == [b"a", b"b", b"c"]
    client("SET", "w_a", "x")
    assert client.error("SORT", "l", "BY", "w_*") == NO_NUMBER
    assert client("SORT", "l", "BY", "w_*", "ALPHA", "DESC") == [b"a", b"c", b"b"]


def test_get(client: Client) -> None:
    client("RPUSH", "l", 2, 1)
    client("MSET", "v_1", "one", "v_1->", "arrow")
    client("HSET", "h_2", "f", "two")
    assert client("SORT", "l", "GET", "#", "GET", "v_*", "GET", "h_*->f") == [b"1", b"one", None, b"2", None, b"two"]
    assert client("SORT", "l", "GET", "v_*->") == [b"arrow", None]
    assert client("SORT", "l", "GET", "v_1", "GET", "l") == [None] * 4
    client("RPUSH", "v_2", "x")
    assert client("SORT", "l", "GET", "v_*", "LIMIT", 1, 1) == [None]


def test_no_order(client: Client) -> None:
    client("RPUSH", "l", "b", "a", "c")
    client("ZADD", "z", 1, "c", 2, "b", 3, "a")
    assert client("SORT", "l", "BY", "nosort") == [b"b", b"a", b"c"]
    assert client("SORT", "l", "BY", "nosort", "DESC") == [b"c", b"a", b"b"]
    assert client("SORT", "z", "BY", "nosort", "LIMIT", 1, 5) == [b"b", b"a"]
    assert client("SORT", "z", "BY", "nosort", "DESC", "LIMIT", 0, 2) == [b"a", b"b"]


def test_an_unordered_set_is_stored_in_the_order_of_its_text(client: Client) -> None:
    client("SADD", "s", "b", "c", "a")
    assert client("SORT", "s", "BY", "nosort", "STORE", "d") == 3
    assert client("LRANGE", "d", 0, -1) == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ((1, 2), [b"2", b"3"]),
        ((-5, 2), [b"1", b"2"]),
        ((2, -1), [b"3", b"4"]),
        ((9, 9), []),
        ((0, 0), []),
        ((3, 2**63 - 1), [b"4"]),
    ],
)
def test_limit(client: Client, limit: tuple[int, int], found: list[bytes]) -> None:
    client("RPUSH", "l", 3, 1, 4, 2)
    assert client("SORT", "l", "LIMIT", *limit) == found


def test_store(client: Client, effects: list[list[bytes]]) -> None:
    client("RPUSH", "l", 2, 1)
    client("SET", "d", "x", "EX", 10)
    assert client("SORT", "l", "STORE", "d", "GET", "no_*") == 2
    assert client("LRANGE", "d", 0, -1) == [b"", b""]
    assert client("TTL", "d") == -1
    assert client("SORT", "l", "STORE", "l") == 2
    assert client("LRANGE", "l", 0, -1) == [b"1", b"2"]
    assert client("SORT", "absent", "STORE", "d") == 0
    assert client("EXISTS", "d") == 0
    effects.clear()
    assert client("SORT", "absent", "STORE", "d") == 0
    assert effects == []


@pytest.mark.parametrize(
    "words", [("FOO",), ("LIMIT", 1), ("BY",), ("GET",), ("STORE",), ("ALPHA", "LIMIT"), ("BY", "a", "b")]
)
def test_syntax(client: Client, words: tuple[Argument, ...]) -> None:
    client("SET", "string", "v")
    assert client.error("SORT", "string", *words) == "ERR syntax error"


def test_sort_ro_does_not_store(client: Client) -> None:
    client("RPUSH", "l", 2, 1)
    assert client("SORT_RO", "l", "DESC") == [b"2", b"1"]
    assert client.error("SORT_RO", "l", "STORE", "d") == "ERR syntax error"
