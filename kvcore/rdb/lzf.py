"""LZF, the compression of RDB strings.

Here: both directions on whole strings. Not here: when to compress, and the lengths stored beside the bytes. The rule
of the compressor: it finds the very matches that the real server finds (same hash, same table, same limits), so that
dumps are equal byte for byte. The rule of the other direction: it never holds more than the length it was told.

A control byte below 32 announces that many literals and one; any other holds the upper three bits of a match's length
and the upper five of its distance. Length 7 goes on in the next byte; the lower byte of the distance comes last.
"""

from __future__ import annotations

from struct import unpack
from typing import Final

from kvcore.errors import RdbError

_MAX_LITERALS: Final = 32
_MAX_DISTANCE: Final = 8192
_MAX_MATCH: Final = 264
_UNROLLED: Final = 16
_SHORT: Final = 12
_SAVED: Final = 4
"""Compressing must save this many bytes, or it is not done."""

_REPEATS_MIN: Final = 5
"""A match of n bytes repeats n - 2 triples and saves n - 2 bytes at best, and the first literals cost one."""

EXPANSION_MAX: Final = _MAX_MATCH // 3
"""No compressed byte stands for more bytes than this."""


def compress(data: bytes) -> bytes | None:
    """Return ``data`` compressed, None unless that saves at least four bytes. O(bytes)."""
    size = len(data)
    limit = size - _SAVED
    if size < 3:
        return None
    slots = _slots(data)
    table = dict.fromkeys(slots, 0)
    if len(slots) - len(table) < _REPEATS_MIN:
        return None
    out = bytearray()
    start = position = 0  # of the literals not written yet, of the next byte to look at
    last = size - 2
    while position < last:
        for position in range(position, last):  # noqa: B020 - goes on where the last match ended
            slot = slots[position]
            match = table[slot]
            table[slot] = position
            # Position 0 is the table's own "nothing here", in the real server as well.
            if match and position - match <= _MAX_DISTANCE and data[match : match + 3] == data[position : position + 3]:
                break
        else:
            position = last
            break
        if position > start:
            _write_literals(out, data, start, position)
        if len(out) + _SAVED >= limit:
            return None
        length = _match_length(data, match, position)
        distance = position - match - 1
        if length < 9:
            out.append(distance >> 8 | length - 2 << 5)
        else:
            out.append(distance >> 8 | 7 << 5)
            out.append(length - 9)
        out.append(distance & 255)
        start = position = position + length
        if position < last:
            table[slots[position - 2]] = position - 2
            table[slots[position - 1]] = position - 1
    pending = position - start
    if len(out) + 1 + pending + pending // _MAX_LITERALS + 3 > limit:
        return None
    _write_literals(out, data, start, size)
    return bytes(out)


def _slots(data: bytes) -> tuple[int, ...]:
    """Return for each three bytes a, b, c the slot that the real server's hash gives them.

    That is 256a - 1279b - 5c modulo 65536, for all of them at once: each is a lane of 32 bits in one large integer,
    which takes a third of the time of a loop. 5 * 65536 keeps every lane above zero.
    """
    count = len(data) - 2
    lanes = bytearray(4 * (count + 2))
    lanes[::4] = data
    a = int.from_bytes(lanes, "little")
    positive = int.from_bytes(b"\0\0\5\0" * count, "little")
    lower_half = int.from_bytes(b"\xff\xff\0\0" * count, "little")
    slots = (a * 256 + positive - (a >> 32) * 1279 - (a >> 64) * 5) & lower_half
    return unpack(f"<{count}I", slots.to_bytes(4 * count, "little"))


def _match_length(data: bytes, match: int, position: int) -> int:
    """Return how long a match of at least three bytes the real server sees."""
    limit = min(len(data) - position - 2, _MAX_MATCH)
    # It compares sixteen bytes before it looks at the limit again.
    most = max(limit, 3 + _UNROLLED) if limit > _UNROLLED else max(limit, 3)
    short = min(most, _SHORT)  # most matches are
    for length in range(3, short):
        if data[match + length] != data[position + length]:
            return length
    here = int.from_bytes(data[match + short : match + most], "little")
    different = here ^ int.from_bytes(data[position + short : position + most], "little")
    if different:
        return short + ((different & -different).bit_length() - 1 >> 3)
    return most


def _write_literals(out: bytearray, data: bytes, start: int, stop: int) -> None:
    """Append ``data[start:stop]`` as it is."""
    while stop - start > _MAX_LITERALS:
        out.append(_MAX_LITERALS - 1)
        out += data[start : start + _MAX_LITERALS]
        start += _MAX_LITERALS
    if start < stop:
        out.append(stop - start - 1)
        out += data[start:stop]


def decompress(data: bytes, size: int) -> bytes:
    """Return the ``size`` bytes that ``data`` stands for; raise RdbError if it stands for others. O(size)."""
    if not size:
        return b""  # the real server looks no further
    if size > len(data) * EXPANSION_MAX:
        raise RdbError("compressed string is too short for its length", 0)
    out = bytearray()
    position = 0
    end = len(data)
    while position < end:
        control = data[position]
        position += 1
        if control < _MAX_LITERALS:
            stop = position + control + 1
            if stop > end:
                raise RdbError("compressed string ends within literals", position)
            out += data[position:stop]
            position = stop
        else:
            length = (control >> 5) + 2
            if length == 9 and position < end:
                length += data[position]
                position += 1
            if position >= end:
                raise RdbError("compressed string ends within a match", position)
            distance = ((control & 31) << 8 | data[position]) + 1
            position += 1
            begin = len(out) - distance
            if begin < 0:
                raise RdbError("compressed string refers to bytes before its start", position)
            piece = out[begin : begin + length]
            if distance < length:
                piece = (piece * (length // distance + 1))[:length]
            out += piece
        if len(out) > size:
            raise RdbError("compressed string is longer than it says", position)
    if len(out) != size:
        raise RdbError("compressed string is shorter than it says", position)
    return bytes(out)
