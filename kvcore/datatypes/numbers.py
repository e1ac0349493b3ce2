"""Numbers as the text of arguments, values and replies: 64-bit integers and doubles.

What lives here: which text the real server takes for a number, and the text it writes for one. What must not:
error texts; a parser returns None and the command says what is wrong. The rule: Python's own ``int()`` and
``float()`` accept more (spaces, underscores, overflow to infinity) and must never see text that was not
checked here. Extended precision has its own file, :mod:`kvcore.datatypes.long_double`.
"""

from __future__ import annotations

import re
from math import inf, isinf, isnan
from typing import Final

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

_HEX: Final = re.compile(rb"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?", re.IGNORECASE)
_NONZERO_MANTISSA: Final = re.compile(rb"[+-]?(?:[0.]*[1-9]|0x[0.]*[1-9a-f])", re.IGNORECASE)


def parse_int(text: bytes | bytearray) -> int | None:
    """Return the signed 64-bit integer that ``text`` is the canonical decimal form of, None for other text.

    No plus sign, no leading zeros, no ``-0``, no spaces. O(1).
    """
    length = len(text)
    if length == 0 or length > 20:
        return None
    if text.isdigit():
        if text[0] == 48 and length > 1:
            return None
        number = int(text)
        return number if number <= INT_MAX else None
    if text[0] != 45 or length == 1 or text[1] == 48 or not text[1:].isdigit():
        return None
    number = int(text)
    return number if number >= INT_MIN else None


def parse_double(text: bytes | bytearray) -> float | None:
    """Return the double that ``text`` stands for, None where the real server says it is not a valid float.

    Decimal, exponents, hexadecimal (``0x1.8p3``) and infinity in any case, with an optional sign. No NaN, no
    spaces on either side, nothing that overflows or that underflows to zero. O(length).
    """
    if text.isdigit() and len(text) < 300:
        return float(text)  # the usual score, and in range
    value = read_double(text)
    if value is None:
        return None
    if value == 0.0:
        return None if _NONZERO_MANTISSA.match(text) else value
    if isinf(value) and text.lstrip(b"+-")[:1] not in (b"i", b"I"):
        return None
    return value


def read_double(text: bytes | bytearray) -> float | None:
    """Return what :func:`parse_double` does, but let too large numbers be infinity, too small ones 0."""
    # Control characters and spaces, which float() would strip, sort up to 32.
    if not text or text[0] <= 32 or text[-1] <= 32 or b"_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        if not _HEX.fullmatch(text):
            return None
        try:
            value = float.fromhex(text.decode("ascii"))
        except OverflowError:
            return -inf if text[0] == 45 else inf
    return None if isnan(value) else value


def format_double(value: float) -> bytes:
    """Return a double as in replies and files: 17 significant digits, ``inf``, ``-inf``, ``nan``, ``-0``."""
    return b"%.17g" % value
