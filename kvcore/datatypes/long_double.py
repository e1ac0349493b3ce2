"""The 80-bit floating point numbers of INCRBYFLOAT and HINCRBYFLOAT.

The real server computes these commands in the x87 format: a mantissa of 64 bits, an exponent of 15, rounding
half to even. What lives here: that format's parsing, addition and text, in integers, so that every platform
answers with the same digits. What must not: anything in Python's own floats, whose 53 bits give other digits.
The rule: every operation computes the exact result and rounds it once, in :func:`_round`.
"""

from __future__ import annotations

import re
from typing import Final

MANTISSA_BITS: Final = 64
EXPONENT_MIN: Final = -16445  # of the last bit of the smallest subnormal number
BIT_LENGTH_MAX: Final = 16384
TEXT_MAX: Final = 5 * 1024 - 1
"""Longer text is no number to the real server, which copies it to a buffer of 5 KiB first."""
DECIMALS: Final = 17

_DECIMAL: Final = re.compile(rb"([+-]?)(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))(?:e([+-]?[0-9]+))?", re.IGNORECASE)
_HEX: Final = re.compile(rb"([+-]?)0x(?:([0-9a-f]+)\.?([0-9a-f]*)|\.([0-9a-f]+))(?:p([+-]?[0-9]+))?", re.IGNORECASE)
_INFINITY: Final = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)
_CHUNK: Final = 4000  # digits: Python refuses to convert more than 4,300 at once
_EXPONENT_DIGITS_MAX: Final = 6  # a longer exponent is out of any range


class LongDouble:
    """A finite number: ``mantissa * 2**exponent``, the mantissa signed and of at most 64 bits."""

    __slots__ = ("exponent", "mantissa")

    def __init__(self, mantissa: int, exponent: int) -> None:
        self.mantissa = mantissa
        self.exponent = exponent

    def __repr__(self) -> str:
        return f"LongDouble({self.mantissa}, {self.exponent})"


def parse_long_double(text: bytes | bytearray) -> LongDouble | float | None:
    """Return the number nearest to what ``text`` says, None where that is not a valid float here.

    The grammar is that of :func:`kvcore.datatypes.numbers.parse_double`. The only floats returned are the two
    infinities. O(length ** 2) for long text, of which there are at most 5 KiB.
    """
    if len(text) > TEXT_MAX:
        return None
    match = _DECIMAL.fullmatch(text)
    if match:
        base, shift_per_digit = 10, 1
    else:
        match = _HEX.fullmatch(text)
        if not match:
            match = _INFINITY.fullmatch(text)
            return None if not match else float("-inf") if match[1] == b"-" else float("inf")
        base, shift_per_digit = 16, 4
    whole, fraction = match[2] or b"", match[3] or match[4] or b""
    digits = (whole + fraction).lstrip(b"0")
    if not digits:
        return LongDouble(0, 0)
    exponent = _exponent(match[5] or b"0") - len(fraction) * shift_per_digit
    # Beyond this no power is computed: a client may write any exponent.
    if abs(exponent + len(digits) * shift_per_digit) > 20_000:
        return None
    number = _digits_to_int(digits) if base == 10 else int(digits, 16)
    if match[1] == b"-":
        number = -number
    if base == 16:
        value = _round(number, 1, exponent)
    elif exponent >= 0:
        value = _round(number * 10**exponent, 1, 0)
    else:
        value = _round(number, 10**-exponent, 0)
    return value if isinstance(value, LongDouble) and value.mantissa else None


def add_long_doubles(left: LongDouble | float, right: LongDouble | float) -> LongDouble | float:
    """Return the rounded sum; a float (infinity or NaN) where it is not finite. O(1)."""
    if isinstance(left, LongDouble) and isinstance(right, LongDouble):
        if left.exponent < right.exponent:
            left, right = right, left
        shift = left.exponent - right.exponent
        return _round((left.mantissa << shift) + right.mantissa, 1, right.exponent)
    return (0.0 if isinstance(left, LongDouble) else left) + (0.0 if isinstance(right, LongDouble) else right)


def ceiling_of_product(value: LongDouble, factor: int) -> int | None:
    """Return ``value * factor`` rounded up to an integer, None where the format overflows. O(1)."""
    product = _round(value.mantissa * factor, 1, value.exponent)
    if not isinstance(product, LongDouble):
        return None
    exponent = product.exponent
    return product.mantissa << exponent if exponent >= 0 else -(-product.mantissa >> -exponent)


def format_long_double(value: LongDouble) -> bytes:
    """Return the number with 17 decimals, less trailing zeros; never in exponent form, never ``-0``."""
    scaled = abs(value.mantissa) * 10**DECIMALS
    exponent = value.exponent
    scaled = scaled << exponent if exponent >= 0 else _shift_right(scaled, -exponent)
    if not scaled:
        return b"0"
    digits = _int_to_digits(scaled).rjust(DECIMALS + 1, b"0")
    text = (digits[:-DECIMALS] + b"." + digits[-DECIMALS:]).rstrip(b"0").rstrip(b".")
    return b"-" + text if value.mantissa < 0 else text


def _round(numerator: int, denominator: int, exponent: int) -> LongDouble | float:
    """Return ``numerator / denominator * 2**exponent`` rounded to the format; infinity on overflow."""
    magnitude = abs(numerator)
    if denominator != 1:
        # Two bits more than the mantissa holds and a sticky one for the rest are enough to round correctly.
        extra = max(0, MANTISSA_BITS + 2 - magnitude.bit_length() + denominator.bit_length())
        magnitude, rest = divmod(magnitude << extra, denominator)
        magnitude = magnitude << 1 | (rest != 0)
        exponent -= extra + 1
    excess = max(magnitude.bit_length() - MANTISSA_BITS, EXPONENT_MIN - exponent)
    if excess > 0:
        magnitude = _shift_right(magnitude, excess)
        exponent += excess
    if magnitude.bit_length() + exponent > BIT_LENGTH_MAX:
        return float("-inf") if numerator < 0 else float("inf")
    return LongDouble(-magnitude if numerator < 0 else magnitude, exponent if magnitude else 0)


def _shift_right(magnitude: int, bits: int) -> int:
    """Divide by ``2**bits``, rounding half to even."""
    half = 1 << (bits - 1)
    quotient, rest = magnitude >> bits, magnitude & ((half << 1) - 1)
    return quotient + 1 if rest > half or (rest == half and quotient & 1) else quotient


def _exponent(text: bytes) -> int:
    """Parse an exponent, cut to a size that nobody has to compute with."""
    digits = text.lstrip(b"+-").lstrip(b"0")
    number = int(digits or b"0") if len(digits) <= _EXPONENT_DIGITS_MAX else 10**_EXPONENT_DIGITS_MAX
    return -number if text[:1] == b"-" else number


def _digits_to_int(digits: bytes) -> int:
    number = 0
    for start in range(0, len(digits), _CHUNK):
        chunk = digits[start : start + _CHUNK]
        number = number * 10 ** len(chunk) + int(chunk)
    return number


def _int_to_digits(number: int) -> bytes:
    if number < 10**_CHUNK:
        return b"%d" % number
    high, low = divmod(number, 10**_CHUNK)
    return _int_to_digits(high) + b"%0*d" % (_CHUNK, low)
