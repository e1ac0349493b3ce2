"""Zipmaps, which Redis wrote for small hashes before version 2.6. Read only.

Here: bytes to fields and values. Not here: hashes. The rule: a zipmap is walked in full, every length checked.

A zipmap is its count (1 byte, 254 where unknown), pairs, and 255. A pair is a length and the field, a length, one byte
that counts the unused bytes at the end, the value and those.
"""

from __future__ import annotations

from typing import Final

from kvcore.errors import RdbError

_COUNT_UNKNOWN: Final = 254
_LONG: Final = 254
_END: Final = 0xFF


def decode(data: bytes) -> list[bytes]:
    """Return fields and values in turn; raise RdbError unless it is a zipmap with at least one pair. O(bytes)."""
    if len(data) < 2:
        raise RdbError("zipmap is too short", 0)
    if data[-1] != _END:
        raise RdbError("zipmap does not end with its mark", len(data) - 1)
    texts: list[bytes] = []
    position = 1
    end = len(data) - 1
    while data[position] != _END:
        start, length = _length(data, position, end)
        position = start + length
        if position > end:
            raise RdbError("zipmap field reaches beyond the end", start)
        texts.append(data[start:position])
        start, length = _length(data, position, end)
        unused = data[start]
        position = start + 1 + length + unused
        if position > end:
            raise RdbError("zipmap value reaches beyond the end", start)
        texts.append(data[start + 1 : start + 1 + length])
    if not texts:
        raise RdbError("zipmap is empty", 0)
    if data[0] not in (len(texts) // 2, _COUNT_UNKNOWN):
        raise RdbError("zipmap has another count than it says", 0)
    return texts


def _length(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return where a field or value begins, and its length."""
    head = data[position]
    start = position + (1 if head < _LONG else 5)
    if start > end:
        raise RdbError("zipmap length reaches beyond the end", position)
    return start, head if head < _LONG else int.from_bytes(data[position + 1 : start], "little")
