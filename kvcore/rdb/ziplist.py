"""Ziplists, which Redis wrote before version 7 where it now writes listpacks. Read only.

Here: bytes to texts. Not here: what the texts mean. The rule: a ziplist is walked in full and every length in it is
checked, as the real server does whatever its configuration says.

A ziplist is its size (4 bytes), the offset of its last entry (4), its count (2, 65535 where unknown), entries, and
255. An entry is the size of the one before it, its encoding, its data.
"""

from __future__ import annotations

from typing import Final

from kvcore.errors import RdbError

HEADER: Final = 10
_COUNT_UNKNOWN: Final = 0xFFFF
_END: Final = 0xFF
_INTEGER_SIZES: Final = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}


def decode(data: bytes) -> list[bytes]:
    """Return the texts of a ziplist; raise RdbError unless it is one. O(bytes)."""
    size = len(data)
    if size < HEADER + 1:
        raise RdbError("ziplist is too short", 0)
    if int.from_bytes(data[:4], "little") != size:
        raise RdbError("ziplist has another size than it says", 0)
    end = size - 1
    if data[end] != _END:
        raise RdbError("ziplist does not end with its mark", end)
    tail = int.from_bytes(data[4:8], "little")
    if tail > end:
        raise RdbError("ziplist has its last entry beyond the end", 4)
    texts: list[bytes] = []
    position = HEADER
    previous = 0
    while data[position] != _END:
        start = position
        if _previous_size(data, start, end) != previous:
            raise RdbError("ziplist entry has another length backwards", start)
        position += 1 if data[start] < 0xFE else 5
        text, position = _entry(data, position, end)
        texts.append(text)
        previous = position - start
    if position != end:
        raise RdbError("ziplist ends before its end", position)
    if previous and position - previous != tail:
        raise RdbError("ziplist has its last entry elsewhere than it says", 4)
    count = data[8] | data[9] << 8
    if count not in (len(texts), _COUNT_UNKNOWN):
        raise RdbError("ziplist has another count than it says", 8)
    return texts


def _previous_size(data: bytes, position: int, end: int) -> int:
    head = data[position]
    if head < 0xFE:
        return head
    if position + 5 > end:
        raise RdbError("ziplist entry reaches beyond the end", position)
    return int.from_bytes(data[position + 1 : position + 5], "little")


def _entry(data: bytes, position: int, end: int) -> tuple[bytes, int]:
    """Return an entry's text and where the next entry begins. ``position`` is that of the encoding."""
    head = data[position]
    if head < 0xC0:
        size = 1 if head < 0x40 else 2 if head < 0x80 else 5
        if position + size > end:
            raise RdbError("ziplist entry reaches beyond the end", position)
        if size == 1:
            length = head
        elif size == 2:
            length = (head & 63) << 8 | data[position + 1]
        else:
            length = int.from_bytes(data[position + 1 : position + 5], "big")
        stop = position + size + length
        text = data[position + size : stop]
    elif 0xF1 <= head <= 0xFD:
        stop = position + 1
        text = b"%d" % (head - 0xF1)
    else:
        width = _INTEGER_SIZES.get(head)
        if width is None:
            raise RdbError("ziplist entry has no known encoding", position)
        stop = position + 1 + width
        text = b"%d" % int.from_bytes(data[position + 1 : stop], "little", signed=True)
    if stop > end:
        raise RdbError("ziplist entry reaches beyond the end", position)
    return text, stop
