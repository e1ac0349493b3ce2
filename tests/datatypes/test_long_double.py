"""Extended precision against what redis-server 7.0.15 answers to INCRBYFLOAT, and against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, inf, isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes.long_double import (
    TEXT_MAX,
    LongDouble,
    add_long_doubles,
    ceiling_of_product,
    format_long_double,
    parse_long_double,
)

PAIRS = [
    line.split(b"\t")
    for line in Path(__file__).with_name("long_double_pairs.txt").read_bytes().splitlines()
    if not line.startswith(b"#")
]


def increment(value: bytes, by: bytes) -> bytes:
    left, right = parse_long_double(value), parse_long_double(by)
    if left is None or right is None:
        return b"value is not a valid float"
    total = add_long_doubles(left, right)
    return format_long_double(total) if isinstance(total, LongDouble) else b"increment would produce NaN or Infinity"


def exact(value: LongDouble) -> Fraction:
    return value.mantissa * Fraction(2) ** value.exponent


def test_the_real_servers_answers() -> None:
    assert len(PAIRS) > 200
    assert [(value, by, increment(value, by)) for value, by, _ in PAIRS] == [tuple(pair) for pair in PAIRS]


def test_a_chain_keeps_no_more_than_the_text_between_steps() -> None:
    text = increment(b"0.1", b"0.2")
    assert text == b"0.3"
    text = increment(text, b"3.0e3")
    assert text == b"3000.30000000000000004"
    assert increment(text, b"1e-10") == b"3000.30000000010000005"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" 1",
        b"1 ",
        b"1\x00",
        b".",
        b"1e",
        b"nan",
        b"0x",
        b"0x1p",
        b"1_0",
        b"1e4933",
        b"1e-4952",
        b"1e99999999999",
        b"-1e-99999999999",
        b"0x1p16384",
        b"0x1p-16446",
        b"infin",
        b"0" * (TEXT_MAX + 1),
    ],
)
def test_refused(text: bytes) -> None:
    assert parse_long_double(text) is None


def test_the_ends_of_the_range() -> None:
    for text in (
        b"1e4932",
        b"0x1p16383",
        b"0x1p-16445",
        b"3e-4951",
        b"9" * 4932,
        b"0" * TEXT_MAX,
        b"0e99999999999",
    ):
        assert isinstance(parse_long_double(text), LongDouble), text
    largest = parse_long_double(b"0xffffffffffffffffp16320")
    assert largest is not None
    assert add_long_doubles(largest, largest) == inf
    assert increment(b"1e4900", b"0").startswith(b"1000000000000000000")
    assert len(increment(b"1e4900", b"0")) == 4901


def test_infinities_are_floats() -> None:
    assert parse_long_double(b"-Infinity") == -inf
    assert parse_long_double(b"+inf") == inf
    assert add_long_doubles(inf, LongDouble(1, 0)) == inf
    assert add_long_doubles(LongDouble(1, 0), -inf) == -inf
    total = add_long_doubles(inf, -inf)
    assert isinstance(total, float)
    assert isnan(total)


@pytest.mark.parametrize("text", [b"-0", b"-0.0", b"-1e-18", b"4e-18", b"5e-18"])
def test_nothing_is_shown_as_negative_zero(text: bytes) -> None:
    assert increment(text, b"0") == b"0"


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=12),
    st.integers(-(2**64), 2**64),
    st.integers(-100, 100),
)
def test_every_step_rounds_the_exact_result_once(decimal: object, mantissa: int, exponent: int) -> None:
    parsed = parse_long_double(str(decimal).encode())
    assert isinstance(parsed, LongDouble)
    assert parsed.mantissa.bit_length() <= 64
    assert abs(exact(parsed) - Fraction(str(decimal))) <= abs(Fraction(str(decimal))) / 2**64
    total = add_long_doubles(parsed, LongDouble(mantissa, exponent))
    assert isinstance(total, LongDouble)
    truth = exact(parsed) + mantissa * Fraction(2) ** exponent
    assert abs(exact(total) - truth) <= abs(truth) / 2**64


@given(st.integers(-(2**63), 2**63), st.integers(-80, 80))
def test_text_is_the_exact_value_to_17_decimals(mantissa: int, exponent: int) -> None:
    value = LongDouble(mantissa, exponent)
    text = format_long_double(value)
    assert Fraction(text.decode()) == round(exact(value) * 10**17) / Fraction(10**17)
    assert b"e" not in text
    assert b"." not in text or text[-1:] not in (b"0", b".")


@given(st.integers(-(2**53), 2**53), st.integers(-80, 10), st.sampled_from([1, 1000]))
def test_a_product_is_rounded_up(mantissa: int, exponent: int, factor: int) -> None:
    value = LongDouble(mantissa, exponent)
    assert ceiling_of_product(value, factor) == ceil(exact(value) * factor)


def test_a_product_beyond_the_format_is_none() -> None:
    assert ceiling_of_product(LongDouble(1, 16383), 1000) is None
