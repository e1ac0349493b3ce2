"""Listpacks: small lists, hashes and sorted sets as one string.

Here: entries to bytes and back. Not here: what the entries mean. The rule of the reader: it walks forward only and
never past the end; with ``deep`` it insists on what the real server's sanitising insists on (lengths that lead
backwards, the count in the header), without it only on what it needs itself.

A listpack is its size (4 bytes), its count (2 bytes, 65535 where unknown), entries, and 255. An entry is its encoding,
its data, and the length of both, written so that it can be read from the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kvcore.datatypes.numbers import parse_int
from kvcore.errors import RdbError

HEADER: Final = 6
SIZE_MAX: Final = 1 << 30
"""The real server makes no larger ones."""

_COUNT_UNKNOWN: Final = 0xFFFF
_END: Final = 0xFF
_NINE: Final = 57  # the last of the digits; the minus sign sorts below them

_SMALL: Final = tuple(b"%d" % number for number in range(128))
_SMALL_ENTRIES: Final = tuple(bytes((number, 1)) for number in range(128))
_STRING_PREFIXES: Final = tuple(bytes((0x80 | length,)) for length in range(64))
_STRING_SUFFIXES: Final = tuple(bytes((length + 1,)) for length in range(64))
_INTEGER_SIZES: Final = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}


def encode(texts: Iterable[bytes]) -> bytes:
    """Return a listpack of ``texts``. O(bytes)."""
    return wrap([encode_entry(text) for text in texts])


def wrap(entries: list[bytes]) -> bytes:
    """Return a listpack of entries that are encoded already. O(bytes)."""
    body = b"".join(entries)
    size = (HEADER + 1 + len(body)).to_bytes(4, "little")
    return b"%b%b%b\xff" % (size, min(len(entries), _COUNT_UNKNOWN).to_bytes(2, "little"), body)


def encode_entry(text: bytes) -> bytes:
    """Return the entry of ``text``: the smallest integer form if it is an integer, else a string. O(bytes)."""
    length = len(text)
    if 0 < length <= 20 and text[0] <= _NINE:
        number = parse_int(text)
        if number is not None:
            return encode_integer(number)
    if length < 64:
        return _STRING_PREFIXES[length] + text + _STRING_SUFFIXES[length]
    long = length >= 4096
    head = b"\xf0" + length.to_bytes(4, "little") if long else bytes((0xE0 | length >> 8, length & 255))
    return head + text + _encode_backlen(len(head) + length)


def encode_integer(number: int) -> bytes:
    """Return the entry of a 64-bit integer. O(1)."""
    if 0 <= number < 128:
        return _SMALL_ENTRIES[number]
    if -4096 <= number < 4096:
        number &= 0x1FFF
        return bytes((0xC0 | number >> 8, number & 255, 2))
    if -0x8000 <= number < 0x8000:
        return b"\xf1%b\x03" % number.to_bytes(2, "little", signed=True)
    if -0x800000 <= number < 0x800000:
        return b"\xf2%b\x04" % number.to_bytes(3, "little", signed=True)
    if -0x80000000 <= number < 0x80000000:
        return b"\xf3%b\x05" % number.to_bytes(4, "little", signed=True)
    return b"\xf4%b\x09" % number.to_bytes(8, "little", signed=True)


def _encode_backlen(length: int) -> bytes:
    """Return a length to be read from its end: every byte but the first has its top bit set."""
    groups = [length & 127 | 128 for length in (length >> shift for shift in range(0, 7 * _backlen_size(length), 7))]
    groups[-1] &= 127
    groups.reverse()
    return bytes(groups)


def _backlen_size(length: int) -> int:
    if length <= 127:
        return 1
    if length < 16383:
        return 2
    if length < 2097151:
        return 3
    return 4 if length < 268435455 else 5


def decode(data: bytes, deep: bool, counted: bool = True) -> list[bytes]:
    """Return the texts of a listpack. O(bytes).

    Raises RdbError unless it is one: always for what cannot be read, with ``deep`` for all that is wrong, though the
    count in the header only where it is ``counted``.
    """
    size = len(data)
    if size < HEADER + 1:
        raise RdbError("listpack is too short", 0)
    if int.from_bytes(data[:4], "little") != size:
        raise RdbError("listpack has another size than it says", 0)
    if data[-1] != _END:
        raise RdbError("listpack does not end with its mark", size - 1)
    texts: list[bytes] = []
    position = HEADER
    end = size - 1
    while position < end:
        head = data[position]
        if head < 0x80:
            texts.append(_SMALL[head])
            stop = position + 2
            length = 1
        elif head < 0xC0:
            length = (head & 63) + 1
            stop = position + length + 1
            texts.append(data[position + 1 : stop - 1])
        else:
            length = _length(data, position, end)
            stop = position + length + _backlen_size(length)
            if stop <= end:
                texts.append(_text(data, position, position + length))
        if stop > end:
            raise RdbError("listpack entry reaches beyond the end", position)
        if deep and (length > 127 or data[stop - 1] != length) and not _leads_back(data, stop, length):
            raise RdbError("listpack entry has another length backwards", stop - 1)
        position = stop
    count = data[4] | data[5] << 8
    if deep and counted and count not in (len(texts), _COUNT_UNKNOWN):
        raise RdbError("listpack has another count than it says", 4)
    return texts


def _length(data: bytes, position: int, end: int) -> int:
    """Return the length of encoding and data of an entry that is no short string and no small integer."""
    head = data[position]
    if head < 0xE0:
        return 2
    if head < 0xF0:
        return 2 + ((head & 15) << 8 | data[position + 1])  # at worst the end mark
    if head == 0xF0:
        if position + 5 > end:
            raise RdbError("listpack entry reaches beyond the end", position)
        return 5 + int.from_bytes(data[position + 1 : position + 5], "little")
    size = _INTEGER_SIZES.get(head)
    if size is None:
        raise RdbError("listpack entry has no known encoding", position)
    return 1 + size


def _text(data: bytes, position: int, stop: int) -> bytes:
    head = data[position]
    if head < 0xE0:
        number = (head & 31) << 8 | data[position + 1]
        return b"%d" % (number - 0x2000 if number >= 0x1000 else number)
    if head <= 0xF0:
        return data[position + (2 if head < 0xF0 else 5) : stop]
    return b"%d" % int.from_bytes(data[position + 1 : stop], "little", signed=True)


def _leads_back(data: bytes, stop: int, length: int) -> bool:
    """Say whether the bytes before ``stop``, read backwards, give ``length``."""
    value = 0
    for shift in range(0, 35, 7):
        stop -= 1
        byte = data[stop]
        value |= (byte & 127) << shift
        if byte < 128:
            return value == length
    return False
