"""Bytes to test readers with: builders of the old encodings, payloads of every type, mutations of them.

Here: what the unit tests and the comparison with the real server share. Not here: expectations.
"""

from __future__ import annotations

import struct
from random import Random

from kvcore.rdb import intset, listpack, sink

Item = int | bytes


class Limits:
    """The real server's default sizes."""

    hash_entries = 512
    hash_value = 64
    intset_entries = 512
    zset_entries = 128
    zset_value = 64


def ziplist(items: list[Item]) -> bytes:
    """Build a ziplist: integers in their smallest form, strings as strings."""
    body = b""
    previous, tail = 0, 10
    for item in items:
        tail = 10 + len(body)
        entry = bytes([previous]) if previous < 254 else b"\xfe" + struct.pack("<I", previous)
        entry += ziplist_integer(item) if isinstance(item, int) else ziplist_string(item)
        body += entry
        previous = len(entry)
    return struct.pack("<IIH", 11 + len(body), tail, len(items)) + body + b"\xff"


def ziplist_integer(number: int) -> bytes:
    """Encode one of the six forms of integers."""
    if 0 <= number <= 12:
        return bytes([0xF1 + number])
    for mark, size in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
        if -1 << size * 8 - 1 <= number < 1 << size * 8 - 1:
            return bytes([mark]) + number.to_bytes(size, "little", signed=True)
    raise ValueError(number)


def ziplist_string(text: bytes) -> bytes:
    """Encode one of the three forms of strings."""
    size = len(text)
    if size < 64:
        return bytes([size]) + text
    if size < 16384:
        return bytes([0x40 | size >> 8, size & 255]) + text
    return b"\x80" + struct.pack(">I", size) + text


def zipmap(*pairs: tuple[bytes, bytes, int]) -> bytes:
    """Build a zipmap of short fields and values, each value with some unused bytes behind it."""
    body = bytes([len(pairs)])
    for field, value, unused in pairs:
        body += bytes([len(field)]) + field + bytes([len(value), unused]) + value + b"?" * unused
    return body + b"\xff"


def blob(data: bytes) -> bytes:
    """Put the length in front of a string, whatever it is."""
    return sink.length(len(data)) + data


MIXED: list[Item] = [b"a", 5, -5, 300, -70000, 9_000_000, 2**40, b"b" * 70]
TEXTS = [b"%d" % item if isinstance(item, int) else item for item in MIXED]
SCORED = [b"ccc", b"-70000", b"a", b"1", b"b", b"1.5", b"d" * 30, b"inf"]

STREAM_NODES = bytes.fromhex(
    "011000000000000000010000000000000001"
    "3f3f0000001800020101010101816602000102010001000181760204010301000101018177"
    "02040100010401dfff0202018167028178028168028179020801ff"
)
STREAM = STREAM_NODES + bytes.fromhex(
    "020500010101020301026731010181ffffffffffffffff01"
    "00000000000000010000000000000001c55c1a02a201000001"
    "01026331c55c1a02a20100000100000000000000010000000000000001"
)
"""XADD 1-1 f v, 1-2 f w, 5-0 g x h y; XDEL 1-2; a group at 0, one of whose consumers has read one entry."""

STREAM_1 = STREAM_NODES + b"\x02\x05\0\x01\x01g\x01\x01\0\x01\x01c" + bytes(8) + b"\0"
"""The same entries as Redis 5 wrote them, and a group at 1-1 with a consumer."""

PAYLOADS: dict[str, bytes] = {
    "string": b"\0" + blob(b"hello"),
    "string of 8 bits": b"\0\xc0\x0c",
    "string of 32 bits": b"\0\xc2\xa0\x86\x01\0",
    "string compressed": b"\0\xc3\x0b\x1b\x03abca\xe0\x0c\x02\x01bc",
    "list": b"\x01\x03" + blob(b"a") + blob(b"bb") + b"\xc0\x05",
    "set": b"\x02\x03" + blob(b"a") + blob(b"bb") + b"\xc0\x05",
    "set of integers": b"\x02\x03\xc0\x05\xc1\xe8\x03\xc0\xff",
    "zset": b"\x03\x03" + blob(b"a") + b"\x031.5" + blob(b"b") + b"\xff" + blob(b"c") + b"\x0217",
    "hash": b"\x04\x02" + blob(b"f") + b"\xc0\x01" + blob(b"g") + blob(b"v" * 70),
    "zset_2": b"\x05\x02" + blob(b"b") + struct.pack("<d", 2.5) + blob(b"a") + struct.pack("<d", -1),
    "hash zipmap": b"\x09" + blob(zipmap((b"a", b"b", 0), (b"foo", b"hi", 2), (b"k", b"v" * 20, 0))),
    "list ziplist": b"\x0a" + blob(ziplist(MIXED)),
    "intset of 16 bits": b"\x0b" + blob(intset.encode([-3, 1, 2, 40])),
    "intset of 32 bits": b"\x0b" + blob(intset.encode([-3, 1, 2, 100_000])),
    "intset of 64 bits": b"\x0b" + blob(intset.encode([-3, 1, 2, 2**40])),
    "zset ziplist": b"\x0c" + blob(ziplist([b"a", 1, b"b", b"1.5", b"ccc", 70000])),
    "hash ziplist": b"\x0d" + blob(ziplist(MIXED)),
    "quicklist": b"\x0e\x02" + blob(ziplist(MIXED)) + blob(ziplist([1, b"x"])),
    "hash listpack": b"\x10" + blob(listpack.encode(TEXTS)),
    "zset listpack": b"\x11" + blob(listpack.encode(SCORED)),
    "quicklist_2": b"\x12\x03\x02"
    + blob(listpack.encode(TEXTS))
    + b"\x01\x05plain\x02"
    + blob(listpack.encode([b"z"])),
    "stream v1": b"\x0f" + STREAM_1,
    "stream": b"\x13" + STREAM,
}
"""A body for every type that Redis 7.0 reads: type byte and value, without the footer."""

MARKS = bytes([0, 1, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xC3, 0xF0, 0xF4, 0xFE, 0xFF])
"""Bytes that mean something in one encoding or another."""


def mutated(body: bytes, random: Random) -> bytes:
    """Change, drop, insert or repeat a few bytes."""
    data = bytearray(body)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        at = random.randrange(len(data))
        match random.randrange(10):
            case 0 | 1 | 2:
                data[at] = random.randrange(256)
            case 3:
                data[at] ^= 1 << random.randrange(8)
            case 4:
                data[at] = random.choice(MARKS)
            case 5:
                data[at] = data[at] + random.choice((1, -1)) & 255
            case 6:
                del data[at]
            case 7:
                data.insert(at, random.randrange(256))
            case 8:
                del data[at:]
            case _:
                start = random.randrange(len(data))
                data[at:at] = data[start : start + random.randrange(8)]
    return bytes(data)
