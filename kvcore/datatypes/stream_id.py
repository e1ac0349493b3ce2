"""Ids of stream entries: their text, their arithmetic, and maps ordered by them.

What lives here: an id as one number, ``ms << 64 | sequence``, so that ids compare, step and sort as integers do.
What must not: the error texts of commands; a parser returns None. The rule: an id is split into its halves only
where its text or its age is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol, TypeVar

SEQUENCE_MAX: Final = (1 << 64) - 1
MAX_ID: Final = (1 << 128) - 1
"""The largest id there can be, ``+`` in ranges."""

_TEXT_BYTES: Final = 127
_LOOSE: Final = re.compile(rb"[ \t-\r]*([+-]?)([0-9]+)")
_ID_BYTES: Final = 16

_V = TypeVar("_V")


class IdMap(Protocol[_V]):
    """A dictionary ordered by id; a ``SortedDict`` is one. Each access is O(log n) or better."""

    def __len__(self) -> int: ...
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[int]: ...
    def __getitem__(self, key: int) -> _V: ...
    def __setitem__(self, key: int, value: _V) -> None: ...
    def __delitem__(self, key: int) -> None: ...
    def get(self, key: int) -> _V | None: ...
    def items(self) -> Iterable[tuple[int, _V]]: ...
    def values(self) -> Iterable[_V]: ...
    def irange(
        self,
        minimum: int | None = None,
        maximum: int | None = None,
        inclusive: tuple[bool, bool] = (True, True),
        reverse: bool = False,
    ) -> Iterator[int]: ...
    def peekitem(self, index: int) -> tuple[int, _V]: ...


def format_id(number: int) -> bytes:
    """Return the text of an id, ``ms-sequence``."""
    return b"%d-%d" % (number >> 64, number & SEQUENCE_MAX)


def parse_id(text: bytes, missing: int = 0) -> int | None:
    """Return the id that ``text`` names, None if it names none.

    Without a sequence the sequence is ``missing``. Each half is an unsigned 64-bit number.
    """
    if len(text) > _TEXT_BYTES:
        return None
    first, dash, second = text.partition(b"\0")[0].partition(b"-")
    milliseconds = _parse_half(first)
    if milliseconds is None:
        return None
    sequence = _parse_half(second) if dash else missing
    return None if sequence is None else milliseconds << 64 | sequence


def parse_partial_id(text: bytes) -> int | None:
    """Return the milliseconds of ``ms-*``, the form that leaves the sequence to the stream; None for others."""
    first, dash, second = text.partition(b"\0")[0].partition(b"-")
    return _parse_half(first) if dash and second == b"*" and len(text) <= _TEXT_BYTES else None


def _parse_half(text: bytes) -> int | None:
    """Read an unsigned 64-bit number as the real server does.

    What is no canonical integer goes to C's ``strtoull``, which skips white space, takes a sign and negates
    modulo 2^64; only a canonical negative number is refused.
    """
    if text.isdigit():
        number = int(text) if len(text) <= 20 else int(text.lstrip(b"0")[:21] or b"0")
        return number if number <= SEQUENCE_MAX else None
    found = _LOOSE.fullmatch(text)
    if found is None:
        return None
    sign, digits = found.groups()
    number = int(digits.lstrip(b"0")[:21] or b"0")
    if number > SEQUENCE_MAX:
        return None
    if sign != b"-":
        return number
    canonical = text[:1] == b"-" and digits[:1] != b"0" and number <= 1 << 63
    return None if canonical else -number & SEQUENCE_MAX


def radix_nodes(ids: Iterable[int]) -> int:
    """Return how many nodes a compressed radix tree over the 16 bytes of ``ids``, which ascend, has. O(n).

    Each id ends in a leaf, each place where ids part is a node, and so is each run of bytes between two of
    those; an empty tree is one node. XINFO STREAM shows this number.
    """
    nodes = 0
    previous = -1
    branches: list[int] = []  # depths of the branches on the path to the present id
    for number in ids:
        if previous >= 0:
            common = _ID_BYTES - ((previous ^ number).bit_length() + 7) // 8
            depth = _ID_BYTES
            while branches and branches[-1] > common:
                branch = branches.pop()
                nodes += depth > branch + 1
                depth = branch
            if not branches or branches[-1] < common:
                branches.append(common)
                nodes += 1
            nodes += depth > common + 1
        nodes += 1
        previous = number
    depth = _ID_BYTES
    while branches:
        branch = branches.pop()
        nodes += depth > branch + 1
        depth = branch
    return nodes + (depth > 0) if previous >= 0 else 1
