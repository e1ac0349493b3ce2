"""Reading the elements that every RDB value is made of: lengths, strings, numbers.

Here: a position in bytes and what moves it. Not here: types of values. The rule: nothing is taken on trust. A length
is compared with the bytes that are left before anything of that length is made, and a compressed string with the most
that its bytes can stand for.
"""

from __future__ import annotations

import re
from math import inf, nan
from struct import unpack_from
from typing import Final

from kvcore.datatypes.numbers import read_double
from kvcore.errors import RdbEmptyError, RdbError, RdbShortError
from kvcore.rdb import lzf

_NUMBER: Final = re.compile(
    rb"[ \t-\r]*([+-]?(?:0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?"
    rb"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN]))"
)
_NO_LENGTH: Final = 2**64 - 1
"""What the real server's reader answers when it fails; as a length it is an error."""


class Source:
    """Bytes and how far they are read."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def left(self) -> int:
        """Return how many bytes are not read yet. O(1)."""
        return len(self.data) - self.position

    def byte(self) -> int:
        """Read one byte. O(1)."""
        position = self.position
        if position >= len(self.data):
            raise RdbShortError("the data ends", position, 1)
        self.position = position + 1
        return self.data[position]

    def take(self, count: int) -> bytes:
        """Read ``count`` bytes. O(count)."""
        position = self.position
        stop = position + count
        if stop > len(self.data):
            left = len(self.data) - position
            raise RdbShortError(f"{count} bytes are wanted and {left} are left", position, count - left)
        self.position = stop
        return self.data[position:stop]

    def length(self) -> int:
        """Read a length or a count. O(1).

        The form that announces an encoded string counts as its low bits, as in the real server.
        """
        head = self.byte()
        kind = head >> 6
        if kind == 0 or kind == 3:
            return head & 63
        if kind == 1:
            return (head & 63) << 8 | self.byte()
        if head == 0x80:
            return int.from_bytes(self.take(4), "big")
        if head != 0x81:
            raise RdbError("length has no known form", self.position - 1)
        value = int.from_bytes(self.take(8), "big")
        if value == _NO_LENGTH:
            raise RdbError("length is out of range", self.position - 8)
        return value

    def number(self) -> int:
        """Read an unsigned number of 64 bits. O(1).

        It has the form of a length, and all ones where it has not, as in the real server.
        """
        if self.left() and self.data[self.position] >> 6 == 2:
            head = self.byte()
            if head == 0x81:
                return int.from_bytes(self.take(8), "big")
            if head != 0x80:
                return _NO_LENGTH
            self.position -= 1
        return self.length()

    def count(self) -> int:
        """Read a count that must not be 0. O(1)."""
        value = self.length()
        if not value:
            raise RdbEmptyError("the collection is empty", self.position)
        return value

    def string(self) -> bytes:
        """Read a string: as it is, as an integer, or compressed. O(bytes)."""
        start = self.position
        data = self.data
        if start >= len(data):
            raise RdbShortError("the data ends", start, 1)
        head = data[start]
        if head < 0x40:  # the usual one
            stop = start + 1 + head
            if stop > len(data):
                left = len(data) - start - 1
                raise RdbShortError(f"{head} bytes are wanted and {left} are left", start + 1, head - left)
            self.position = stop
            return data[start + 1 : stop]
        if head < 0xC0:
            return self.take(self.length())
        self.position = start + 1
        if head <= 0xC2:
            return b"%d" % int.from_bytes(self.take(1 << (head & 3)), "little", signed=True)
        if head != 0xC3:
            raise RdbError("string has no known encoding", start)
        packed = self.length()
        size = self.length()
        begin = self.position
        compressed = self.take(packed)
        try:
            return lzf.decompress(compressed, size)
        except RdbError as error:
            raise RdbError(error.reason, begin + error.offset) from None

    def blob(self) -> bytes:
        """Read a string that carries an encoding of its own. O(bytes)."""
        return self.string()

    def signed(self) -> int:
        """Read a signed number of eight bytes: a time in milliseconds. O(1)."""
        return int.from_bytes(self.take(8), "little", signed=True)

    def binary_double(self) -> float:
        """Read a double as eight bytes. O(1)."""
        value: float = unpack_from("<d", self.take(8))[0]
        return value

    def text_double(self) -> float:
        """Read a double as text with its length in front, as written before Redis 4. O(1)."""
        length = self.byte()
        if length > 252:
            return (nan, inf, -inf)[length - 253]
        value = parse_prefix(self.take(length))
        if value is None:
            raise RdbError("number has no digits", self.position - length)
        return value


def parse_prefix(text: bytes) -> float | None:
    """Return the number that ``text`` begins with, as C's ``strtod`` reads it; None if it begins with none."""
    if b"_" not in text:  # Python takes it for part of a number
        try:
            return float(text)
        except ValueError:
            pass  # no number, or one with something behind it, or in another base
    found = _NUMBER.match(text)
    if found is None:
        return None
    value = read_double(found[1])
    return nan if value is None else value
