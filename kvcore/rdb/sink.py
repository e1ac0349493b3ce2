"""Writing the elements that every RDB value is made of: lengths and strings.

Here: elements to bytes. Not here: types of values. The rule: the form chosen is the one that Redis 7.0 chooses, so
that dumps are equal byte for byte: the shortest length, integers where a text is one, LZF where it saves enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final

from kvcore.datatypes.numbers import parse_int
from kvcore.rdb import lzf

_INTEGER_MAX: Final = 11
"""Longer texts are not looked at for an integer of 32 bits."""

_COMPRESS_ABOVE: Final = 20
COMPRESS_MAX: Final = 1 << 20
"""Longer strings stay as they are, unlike in the real server: compressing takes 0.1 s for each of these."""

QUICK_MAX: Final = 1 << 14
"""The same limit where a minimum is given, which is where nobody may wait for long: 2 ms."""

_ZERO: Final = 48
_NINE: Final = 57  # the last of the digits; the minus sign sorts below them
_LENGTHS: Final = tuple(bytes((length,)) for length in range(64))
_pack8: Final = Struct("<Bb").pack
_pack16: Final = Struct("<Bh").pack
_pack32: Final = Struct("<Bi").pack


def length(value: int) -> bytes:
    """Return a length or a count. O(1)."""
    if value < 64:
        return _LENGTHS[value]
    if value < 16384:
        return bytes((0x40 | value >> 8, value & 255))
    if value < 1 << 32:
        return b"\x80" + value.to_bytes(4, "big")
    return b"\x81" + value.to_bytes(8, "big")


def string(text: bytes, compress: int) -> bytes:
    """Return a string in its shortest form. O(bytes).

    ``compress`` 0 leaves out LZF; 1 (True) compresses what the real server compresses, a larger number only strings of
    at least so many bytes and of :data:`QUICK_MAX` at most.
    """
    size = len(text)
    if size <= _INTEGER_MAX:
        if size and text[0] <= _NINE:
            short = _integer(text)
            if short is not None:
                return short
    elif compress and _COMPRESS_ABOVE < size >= compress and size <= (COMPRESS_MAX if compress == 1 else QUICK_MAX):
        packed = lzf.compress(text)
        if packed is not None:
            return b"\xc3" + length(len(packed)) + length(size) + packed
    return length(size) + text


def strings(texts: Iterable[bytes], compress: int) -> bytes:
    """Return many strings one after the other. O(bytes)."""
    parts: list[bytes] = []
    for text in texts:
        size = len(text)
        if size > _COMPRESS_ABOVE:
            parts.append(string(text, compress))
            continue
        if size and size <= _INTEGER_MAX and text[0] <= _NINE:
            short = _integer(text)
            if short is not None:
                parts.append(short)
                continue
        parts.append(_LENGTHS[size])
        parts.append(text)
    return b"".join(parts)


def _integer(text: bytes) -> bytes | None:
    # Up to nine digits are the usual case, and in range.
    if text.isdigit() and text[0] != _ZERO and len(text) < 10:
        number = int(text)
    else:
        found = parse_int(text)
        if found is None:
            return None
        number = found
    if -0x80 <= number < 0x80:
        return _pack8(0xC0, number)
    if -0x8000 <= number < 0x8000:
        return _pack16(0xC1, number)
    if -0x80000000 <= number < 0x80000000:
        return _pack32(0xC2, number)
    return None
