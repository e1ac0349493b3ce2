"""The shared argument parsers: what they take, what they refuse, and with which text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore import errors
from kvcore.arguments import integer, timeout_ms
from kvcore.errors import CommandError


@given(st.integers(-(2**63), 2**63 - 1))
def test_integer_takes_every_64_bit_number(number: int) -> None:
    assert integer(b"%d" % number) == number


@pytest.mark.parametrize(
    "text",
    [
        *[b"", b"-", b"+1", b" 1", b"1 ", b"01", b"-01", b"-0", b"1.0", b"1e3", b"0x1", b"x", b"1_000"],
        *[b"9223372036854775808", b"-9223372036854775809", b"9" * 30, "\u0661".encode()],
    ],
)
def test_integer_refuses_anything_else(text: bytes) -> None:
    with pytest.raises(CommandError, match=errors.NOT_AN_INTEGER):
        integer(text)
    with pytest.raises(CommandError, match=errors.NO_SUCH_KEY):
        integer(text, errors.NO_SUCH_KEY)


@given(st.integers(1, 10**15))
def test_timeout_never_cuts_a_millisecond_off(milliseconds: int) -> None:
    seconds, rest = divmod(milliseconds, 1000)
    assert timeout_ms(b"%d.%03d" % (seconds, rest)) in (milliseconds, milliseconds + 1)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [(b"0.003", 3), (b"0.1", 100), (b"1.1", 1100), (b"123456.789", 123456789), (b"2092.941", 2092942)],
)
def test_timeout_rounds_as_80_bit_floats_do(text: bytes, milliseconds: int) -> None:
    """2092.941 is not exact: its product with 1000 comes out above the whole number, as in C."""
    assert timeout_ms(text) == milliseconds


def test_timeout_rounds_up_and_zero_is_for_ever() -> None:
    assert timeout_ms(b"1e-9") == 1
    assert timeout_ms(b"2.0001") == 2001
    assert timeout_ms(b"0") == timeout_ms(b"0.0") == timeout_ms(b"-0.0009") == 0
    assert timeout_ms(b"9223372036854775") == 0


@pytest.mark.parametrize(("text", "error"), [(b"x", errors.TIMEOUT_NOT_A_FLOAT), (b"-1", errors.TIMEOUT_NEGATIVE)])
def test_timeout_errors(text: bytes, error: str) -> None:
    with pytest.raises(CommandError) as raised:
        timeout_ms(text)
    assert str(raised.value) == error
