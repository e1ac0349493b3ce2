"""The flat form of values between Python and Lua."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import CommandError
from kvcore.replies import NO_REPLY, NULL_ARRAY, BigNumber, BigNumberText, Decimals, OrderedSet, Reply, Verbatim
from kvcore.scripting.convert import (
    CHUNK,
    ERROR,
    FLAT,
    NESTED,
    STATUS,
    CountedError,
    Item,
    Stream,
    flatten,
    from_lua,
    one_line,
    scalar,
    spell,
    to_integer,
)


@pytest.mark.parametrize(
    ("number", "spelled"),
    [
        (1, b"1"),
        (-7, b"-7"),
        (10**17, b"1e+17"),
        (10**17 - 1, b"99999999999999999"),
        (1.5, b"1.5"),
        (1 / 3, b"0.33333333333333331"),
        (math.inf, b"inf"),
        (-math.inf, b"-inf"),
        (math.nan, b"nan"),
        (-math.nan, b"-nan"),
    ],
)
def test_numbers_are_spelled_with_17_digits(number: float, spelled: bytes) -> None:
    assert spell(number) == spelled


@pytest.mark.parametrize(
    ("number", "integer"),
    [(1.9, 1), (-1.9, -1), (1e300, -(2**63)), (-1e300, -(2**63)), (2.0**63, -(2**63)), (math.nan, -(2**63)), (5, 5)],
)
def test_numbers_are_cut_as_a_cast_in_c_does(number: float, integer: int) -> None:
    assert to_integer(number) == integer


@pytest.mark.parametrize(
    ("reply", "resp2", "resp3"),
    [
        (1, 1, 1),
        ("OK", (b"OK", STATUS), (b"OK", STATUS)),
        (CommandError("ERR x\r\n"), (b"ERR x", ERROR), (b"ERR x", ERROR)),
        (None, False, None),
        (NULL_ARRAY, False, None),
        (NO_REPLY, False, None),
        (True, 1, None),
        (1.5, b"1.5", None),
        (Decimals(13.361389338970184), b"13.36138933897018433", None),
        (Verbatim(b"v"), b"v", None),
        (BigNumber(5), b"5", None),
        ([1], None, None),
        ({b"a": 1}, None, None),
    ],
)
def test_replies_of_one_value(reply: Reply, resp2: object, resp3: object) -> None:
    assert scalar(reply, False) == resp2
    assert scalar(reply, True) == resp3


@pytest.mark.parametrize(
    ("reply", "resp3", "tag", "items"),
    [
        ([b"a", 1], False, FLAT, [b"a", 1]),
        ([b"a", None], False, FLAT, [b"a", False]),
        ([b"a", None], True, NESTED, [True, b"*", 2, b"a", True, b"_"]),
        ([[b"a"]], False, NESTED, [True, b"*", 1, True, b"*", 1, b"a"]),
        ({b"k": 1}, False, NESTED, [True, b"*", 2, b"k", 1]),
        ({b"k": 1}, True, NESTED, [True, b"%", 1, b"k", 1]),
        (OrderedSet([b"m"]), True, NESTED, [True, b"~", 1, b"m"]),
        (["OK", CommandError("E x")], False, NESTED, [True, b"*", 2, True, b"+", b"OK", True, b"-", b"E x"]),
        (1.5, True, NESTED, [True, b",", 1.5]),
        (True, True, NESTED, [True, b"t"]),
        (Verbatim(b"v", "mkd"), True, NESTED, [True, b"=", b"mkd", b"v"]),
        (BigNumber(7), True, NESTED, [True, b"(", b"7"]),
        (None, True, NESTED, [True, b"_"]),
    ],
)
def test_replies_of_many_values(reply: Reply, resp3: bool, tag: int, items: list[object]) -> None:
    assert flatten(reply, resp3) == (tag, items)


def test_a_long_reply_crosses_in_chunks() -> None:
    tag, items = flatten([b"x"] * (2 * CHUNK), False)
    assert tag == NESTED
    stream = Stream(items)
    assert stream.size() > 2 * CHUNK
    parts = [stream.take() for _ in range(4)]
    assert [len(part) for part in parts] == [CHUNK, CHUNK, 3, 0]


def test_long_strings_are_told_from_the_rest() -> None:
    assert Stream([b"x" * 5000, b"y" * 4096, 7, True, None, b"z" * 6000]).long_bytes() == 11_000


def test_a_double_of_minus_zero_comes_as_text() -> None:
    assert str(from_lua(iter([True, b",", b"-0"]), [])) == "-0.0"


_SCALARS = st.one_of(st.binary(), st.integers(-(2**53), 2**53))


@given(st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.binary(), inner)))
def test_what_goes_in_comes_back(reply: Reply) -> None:
    value = scalar(reply, True)
    if type(reply) is bytes or value is not None:
        return
    _, items = flatten([reply, None], True)  # a null keeps it from being flat
    assert from_lua(_flat_again(items), []) == [reply, None]


def _flat_again(items: list[Item]) -> Iterator[Item]:
    """Return the items as Lua sends them back: its null is False."""
    out: list[Item] = []
    skip = False
    for index, item in enumerate(items):
        if skip:
            skip = False
        elif item is True and items[index + 1] == b"_":
            out.append(False)
            skip = True
        else:
            out.append(item)
    return iter(out)


def test_errors_in_a_result_are_found_again() -> None:
    found: list[CommandError] = []
    reply = from_lua(iter([True, b"*", 2, True, b"-", b"ERR a\r\nb", True, b"!", b"ERR c"]), found)
    assert [str(error) for error in reply] == ["ERR a  b", "ERR c"]
    assert found == reply
    assert [type(error) for error in found] == [CommandError, CountedError]


def test_a_map_may_have_arrays_for_keys() -> None:
    reply = from_lua(iter([True, b"%", 1, True, b"*", 1, b"a", 5]), [])
    [(key, value)] = reply.items()
    assert (list(key), value) == ([b"a"], 5)


def test_other_kinds_of_results() -> None:
    assert from_lua(iter([True, b"(", b"1\r\n2"]), []) == BigNumberText(b"1  2")
    assert from_lua(iter([True, b"=", b"markdown", b"x"]), []) == Verbatim(b"x", "mar")
    assert from_lua(iter([True, b",", 3]), []) == 3.0
    assert from_lua(iter([True, b"+", b"a\r\nb"]), []) == "a  b"
    assert from_lua(iter([True, b"~", 1, b"m"]), []) == OrderedSet([b"m"])
    assert from_lua(iter([True, b"f"]), []) is False
    assert from_lua(iter([b""]), []) == b""


def test_one_line() -> None:
    assert one_line(b"ERR a\nb\r\n") == "ERR a b"
