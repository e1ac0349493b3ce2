"""Bits of a string counted, searched and combined.

Lives here: what BITCOUNT, BITPOS and BITOP do to bytes. Must not live here: keys, arguments, replies. Bit 0 is the most
significant one of byte 0. The rule: nothing loops over single bits or bytes; Python's integers and byte searches do the
work a slice at a time, so that a string of any size needs little memory beside it.
"""

from __future__ import annotations

from typing import Final

Bytes = bytes | bytearray

_SLICE: Final = 1 << 16
"""Bytes worked on at once: what stays in a processor's cache."""

_INVERTED: Final = bytes(range(255, -1, -1))
_SAME: Final = (bytes(_SLICE), b"\xff" * _SLICE)
"""A slice of zeros and one of ones."""


def count_ones(value: Bytes, first: int, last: int) -> int:
    """Return how many bits from ``first`` to ``last`` are set; both are included and inside. O(n) of the range."""
    start, end = first >> 3, (last >> 3) + 1
    ones = 0
    for position in range(start, end, _SLICE):
        ones += int.from_bytes(value[position : min(position + _SLICE, end)], "little").bit_count()
    before = value[start] >> 8 - (first & 7)
    after = value[end - 1] & (1 << 7 - (last & 7)) - 1
    return ones - before.bit_count() - after.bit_count()


def find_bit(value: Bytes, bit: int, first: int, last: int) -> int:
    """Return the first position between ``first`` and ``last`` of a bit that is ``bit``, -1 if none is. O(n)."""
    flip = 0 if bit else 0xFF
    position, end = first >> 3, last >> 3
    found = (value[position] ^ flip) & 0xFF >> (first & 7)
    if not found and position < end:
        position = _skip_bytes(value, 1 - bit, position + 1, end)
        found = value[position] ^ flip
    if position == end:
        found &= 0xFF << 7 - (last & 7)
    return (position << 3) + 8 - found.bit_length() if found else -1


def _skip_bytes(value: Bytes, bit: int, position: int, end: int) -> int:
    """Return where the first byte with another bit than ``bit`` is, ``end`` if there is none before it."""
    same = _SAME[bit]
    size = 64  # most searches end soon; the long ones pay for a few short slices
    while position < end:
        piece = value[position : min(position + size, end)]
        if len(piece) != _SLICE or piece != same:
            rest = piece.lstrip(same[:1])
            if rest:
                return position + len(piece) - len(rest)
        position += len(piece)
        size = _SLICE
    return end


def invert(value: Bytes) -> bytearray:
    """Return the string with every bit flipped. O(n)."""
    return bytearray(value.translate(_INVERTED))


def combine(operation: bytes, sources: list[Bytes]) -> bytearray:
    """Return ``AND``, ``OR`` or ``XOR`` of the sources, as long as the longest; the others end in zeros. O(n)."""
    length = max(map(len, sources))
    result = bytearray(length)
    for position in range(0, length, _SLICE):
        end = min(position + _SLICE, length)
        pieces = [int.from_bytes(source[position:end], "little") for source in sources]
        bits = pieces[0]
        if operation == b"AND":
            for piece in pieces[1:]:
                bits &= piece
        elif operation == b"OR":
            for piece in pieces[1:]:
                bits |= piece
        else:
            for piece in pieces[1:]:
                bits ^= piece
        result[position:end] = bits.to_bytes(end - position, "little")
    return result


def shift(value: Bytes, bits: int) -> bytes:
    """Return ``value`` with its bits moved to higher positions, by a negative distance to lower ones. O(n).

    Unlike elsewhere, bit 0 is the least significant one of byte 0: that is how KeyDB shifts. What grows takes as many
    bytes more as the distance needs, what shrinks loses whole bytes only.
    """
    number = int.from_bytes(value, "little")
    if bits >= 0:
        return (number << bits).to_bytes(len(value) + (bits + 7) // 8, "little")
    return (number >> -bits).to_bytes(max(0, len(value) - -bits // 8), "little")
