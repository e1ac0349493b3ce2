"""The replication stream: what a primary sends, byte for byte, and as much of its end as a replica may ask for again.

What lives here: offsets, the form of effects, the backlog. What must not: replicas, and when anything is sent. The
rules: byte k of the stream has offset k, the first is 1; and whole blocks are forgotten only, oldest first, never so
many that less than ``limit`` bytes are left, and none that ``trim`` is told to keep. A large command is not copied:
what replicas are sent is what the backlog holds, unless others are in its unit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from kvcore.effects import Effect
from kvcore.replies import Raw
from kvcore.resp.client import pack

BLOCK_BYTES: Final = 16 << 10
"""Bytes of a block, at least; Redis's own size."""


class Stream:
    """The bytes from ``start`` on."""

    __slots__ = ("_blocks", "_first", "_selected", "_tail", "end", "limit")

    def __init__(self, end: int, limit: int) -> None:
        """Go on behind offset ``end``; keep ``limit`` bytes."""
        self.end = end
        """The offset of the last byte."""
        self.limit = limit
        """`repl-backlog-size`."""
        self._first = end + 1
        self._selected = -1
        self._blocks: deque[bytes] = deque()
        self._tail = bytearray()

    @property
    def first(self) -> int:
        """The offset of the first byte that is kept."""
        return self._first

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return self.end + 1 - self._first

    @property
    def selected(self) -> int:
        """The database that the next command needs no SELECT for, -1 if there is none."""
        return self._selected

    def add_unit(self, unit: Sequence[Effect]) -> Raw:
        """Append the effects of an execution unit; return their bytes. O(bytes)."""
        parts: list[bytes] = []
        for db, argv in unit:
            if db != self._selected:
                parts.append(pack((b"SELECT", b"%d" % db)))
                self._selected = db
            parts.append(pack(argv))
        data = Raw(parts[0] if len(parts) == 1 else b"".join(parts))
        if len(data) < 2 * BLOCK_BYTES:
            parts = [data]
        for part in parts:  # a large unit can be forgotten piece by piece
            self.add(part)
        return data

    def add(self, data: bytes) -> None:
        """Append bytes. O(bytes)."""
        size = len(data)
        self.end += size
        if size < BLOCK_BYTES:
            self._tail += data
            if len(self._tail) < BLOCK_BYTES:
                return
        if self._tail:
            self._blocks.append(bytes(self._tail))
            self._tail.clear()
        if size >= BLOCK_BYTES:
            self._blocks.append(data)

    def forget_database(self) -> None:
        """Begin the next command with SELECT: somebody joins who does not know which database it is for."""
        self._selected = -1

    def holds(self, offset: int) -> bool:
        """Say whether the stream can be sent again from ``offset`` on."""
        return self._first <= offset <= self.end + 1

    def since(self, offset: int) -> list[bytes]:
        """Return the bytes from ``offset`` on, which :meth:`holds` said are there. O(blocks)."""
        pieces: list[bytes] = []
        start = self._first
        for block in self._blocks:
            if offset < start + len(block):
                pieces.append(block if offset <= start else block[offset - start :])
            start += len(block)
        if offset <= self.end:
            pieces.append(bytes(self._tail[max(0, offset - start) :]))
        return pieces

    def has_old(self) -> bool:
        """Say whether a block is beyond the limit."""
        blocks = self._blocks
        return bool(blocks) and self.end + 1 - self._first - len(blocks[0]) > self.limit

    def trim(self, keep_from: int) -> None:
        """Forget blocks beyond the limit, but nothing from offset ``keep_from`` on. O(blocks forgotten)."""
        blocks = self._blocks
        while blocks:
            length = len(blocks[0])
            if self.size - length <= self.limit or self._first + length > keep_from:
                return
            blocks.popleft()
            self._first += length

    def check(self) -> None:
        """Raise AssertionError if the books do not add up (tests)."""
        assert self.size == sum(map(len, self._blocks)) + len(self._tail)
        assert len(self._tail) < BLOCK_BYTES
        blocks = list(self._blocks)
        # A small one only stands before a large one that came whole: they are no more than one for each 16 KiB.
        assert all(max(map(len, pair)) >= BLOCK_BYTES for pair in pairwise(blocks))
