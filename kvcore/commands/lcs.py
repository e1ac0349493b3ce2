"""LCS: the longest common subsequence of two strings.

What lives here: the command and its algorithm. The rule: among equally long subsequences the answer is the one
that the real server finds, which walks its table of lengths from the far corner and, where both steps keep the
length, moves in the second string.

The table is kept as bits. In the row of each byte of the first string, a clear bit j says that the length grows
from column j to j + 1 (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004). A row costs a few
operations on one long integer, and the walk needs nothing but those bits.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.keyspace import Value
from kvcore.replies import Reply

_CELL_BYTES: Final = 4  # of the real server's table, whose size decides what it refuses


class _Options:
    """What the words after the keys ask for."""

    __slots__ = ("indexes", "length", "min_match", "with_lengths")

    def __init__(self, words: tuple[bytes, ...]) -> None:
        self.indexes = False
        self.length = False
        self.with_lengths = False
        self.min_match = 0
        rest = iter(words)
        for word in rest:
            option = word.upper()
            if option == b"IDX":
                self.indexes = True
            elif option == b"LEN":
                self.length = True
            elif option == b"WITHMATCHLEN":
                self.with_lengths = True
            elif option == b"MINMATCHLEN":
                value = next(rest, None)
                if value is None:
                    raise CommandError(errors.SYNTAX)
                self.min_match = max(integer(value), 0)
            else:
                raise CommandError(errors.SYNTAX)
        if self.indexes and self.length:
            raise CommandError(errors.LCS_LEN_AND_IDX)


@command(
    "LCS",
    arity=-3,
    flags="readonly",
    acl="string",
    keys="RO,access@1..1/1",
    group="string",
    since="7.0.0",
    complexity="O(N*M) where N and M are the lengths of s1 and s2, respectively",
    summary="Find the longest common subsequence of two strings.",
)
def lcs(call: Call, key1: bytes, key2: bytes, *words: bytes) -> Reply:
    values = call.db.read(key1), call.db.read(key2)  # both are looked up before either is refused
    first, second = map(_string, values)
    options = _Options(words)
    if (len(first) + 1) * (len(second) + 1) * _CELL_BYTES > call.engine.limits.string_bytes:
        raise CommandError(errors.LCS_TOO_LARGE)
    rows = _rows(first, second, keep=not options.length)
    length = len(second) - rows[-1].bit_count() if rows else 0
    if options.length:
        return length
    matches = _matches(first, second, rows)
    if not options.indexes:
        return b"".join([first[start : start + size] for start, _, size in reversed(matches)])
    found: list[Reply] = []
    for start, other_start, size in matches:
        if size >= options.min_match:
            entry: list[Reply] = [[start, start + size - 1], [other_start, other_start + size - 1]]
            if options.with_lengths:
                entry.append(size)
            found.append(entry)
    return {b"matches": found, b"len": length}


def _string(value: Value | None) -> bytes:
    if value is None:
        return b""
    if type(value) is bytes:
        return value
    if type(value) is bytearray:
        return bytes(value)
    raise CommandError(errors.LCS_NOT_STRINGS)


def _rows(first: bytes, second: bytes, keep: bool) -> list[int]:
    """Return the rows of the table, only the last without ``keep``. O(len(first) * len(second) / word)."""
    if not first or not second:
        return []
    every = (1 << len(second)) - 1
    where = {byte: _positions(byte, second) for byte in set(first)}
    row = every
    rows: list[int] = []
    for byte in first:
        hits = row & where[byte]
        row = (row + hits | row - hits) & every
        if keep:
            rows.append(row)
    if not keep:
        rows.append(row)
    return rows


def _positions(byte: int, text: bytes) -> int:
    """Return an integer whose bit j says that ``text[j]`` is ``byte``. O(len(text))."""
    table = bytearray(b"0" * 256)
    table[byte] = 49  # "1"
    return int(text[::-1].translate(bytes(table)), 2)


def _matches(first: bytes, second: bytes, rows: list[int]) -> list[tuple[int, int, int]]:
    """Return the runs of the subsequence from the last to the first: (start in first, in second, size).

    O(rows * row / word + len(second)): each row is left after one step, however far that goes.
    """
    matches: list[tuple[int, int, int]] = []
    size = 0
    i, j = len(first), len(second)
    while rows and i and j:
        # To the left there is nothing to decide until the bytes are equal, or the length grows: without an equal
        # byte it did so in the row before already.
        growth = (~rows[i - 1] & ((1 << j) - 1)).bit_length()
        equal = second.rfind(first[i - 1 : i], max(growth - 1, 0), j)
        if size and equal != j - 1:
            matches.append((i, j, size))
            size = 0
        i -= 1
        if equal >= 0:
            size += 1
            j = equal
        else:
            j = growth
    if size:
        matches.append((i, j, size))
    return matches
