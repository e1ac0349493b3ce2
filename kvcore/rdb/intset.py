"""Intsets: sets of integers as one string, all of one width, ascending.

Here: bytes to integers and back. Not here: when a set is small enough for one. The rule: the width is the smallest
that holds every member, so a set that once held a larger one is written smaller than the real server would.
"""

from __future__ import annotations

from struct import pack, unpack_from
from typing import Final

from kvcore.errors import RdbEmptyError, RdbError

HEADER: Final = 8
_CODES: Final = {2: "<%dh", 4: "<%di", 8: "<%dq"}


def encode(numbers: list[int]) -> bytes:
    """Return an intset of ascending 64-bit ``numbers``. O(n)."""
    low, high = numbers[0], numbers[-1]
    if low >= -0x8000 and high < 0x8000:
        width = 2
    elif low >= -0x80000000 and high < 0x80000000:
        width = 4
    else:
        width = 8
    return pack("<II", width, len(numbers)) + pack(_CODES[width] % len(numbers), *numbers)


def decode(data: bytes, deep: bool) -> list[int]:
    """Return the integers of an intset; with ``deep`` they must be ascending. Raises RdbError. O(n)."""
    if len(data) < HEADER:
        raise RdbError("intset is too short", 0)
    width, count = unpack_from("<II", data)
    code = _CODES.get(width)
    if code is None:
        raise RdbError("intset has no known width", 0)
    if HEADER + width * count != len(data):
        raise RdbError("intset has another size than it says", 4)
    if not count:
        raise RdbEmptyError("intset is empty", 4)
    numbers = list(unpack_from(code % count, data, HEADER))
    if deep:
        for index in range(1, count):
            if numbers[index] <= numbers[index - 1]:
                raise RdbError("intset is not in order", HEADER + index * width)
    return numbers
