"""Commands on the bits of strings: single bits, counts, searches, combinations, packed integers.

What lives here: the bitmap group's words, keys and replies. What must not: the work on bytes, which is in
:mod:`kvcore.datatypes.bitmap` and :mod:`kvcore.datatypes.bitfield`. The rule: a string that a command of this file
changes is a ``bytearray`` from then on, changed where it is; nothing mutable leaves this file.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.bitfield import FAIL, SATURATE, WRAP, fetch, fit, fit_assigned, place
from kvcore.datatypes.bitmap import combine, count_ones, find_bit, invert, shift
from kvcore.errors import CommandError
from kvcore.notifications import GENERIC, STRING
from kvcore.replies import Reply

_SHIFT_MAX: Final = 1 << 30
_OVERFLOWS: Final = {b"WRAP": WRAP, b"SAT": SATURATE, b"FAIL": FAIL}
_INT64_SIGN: Final = 1 << 63
_UINT64_MASK: Final = 2**64 - 1

_Operation = tuple[bytes, bool, int, int, int, int]
"""GET, SET or INCRBY; signed; bits; offset in bits; what to do on overflow; the operand."""


def _bit_offset(call: Call, argument: bytes, bits: int = 0) -> int:
    """Return an offset in bits; ``#3`` counts in units of ``bits``, where there is a unit."""
    if bits and argument[:1] == b"#":
        # The real server multiplies in 64 bits, and looks at what is left of it.
        product = integer(argument[1:], errors.BIT_OFFSET) * bits & _UINT64_MASK
        offset = product - ((product & _INT64_SIGN) << 1)
    else:
        offset = integer(argument, errors.BIT_OFFSET)
    if offset < 0 or offset >> 3 >= call.engine.limits.string_bytes:
        raise CommandError(errors.BIT_OFFSET)
    return offset


def _writable(call: Call, key: bytes, length: int) -> tuple[bytearray, bool]:
    """Return the string at ``key`` to change in place, of at least ``length`` bytes, and whether it had to grow."""
    old = call.db.write_string(key)
    if old is None:
        buffer = bytearray(length)
        call.db.store(key, buffer)
        return buffer, True
    if type(old) is bytearray:
        buffer = old
    else:
        buffer = bytearray(old)
        call.db.store(key, buffer)
    missing = length - len(buffer)
    if missing > 0:
        buffer += bytes(missing)
        return buffer, True
    return buffer, False


def _is_bit_unit(word: bytes) -> bool:
    unit = word.upper()
    if unit not in (b"BIT", b"BYTE"):
        raise CommandError(errors.SYNTAX)
    return unit == b"BIT"


def _bit_range(start: int, end: int, length: int, in_bits: bool) -> tuple[int, int]:
    """Return the first and last bit of a range in bits or bytes over ``length`` bytes; first > last if it is empty."""
    total = length << 3 if in_bits else length
    first = max(start + total, 0) if start < 0 else start
    # An end before the string stands for its first unit, as a start does: so the real server answers.
    last = min(max(end + total, 0) if end < 0 else end, total - 1)
    if in_bits or first > last:
        return first, last
    return first << 3, (last << 3) + 7


# Single bits


@command(
    "SETBIT",
    arity=4,
    flags="write denyoom",
    acl="bitmap",
    keys="RW,access,update@1",
    group="bitmap",
    since="2.2.0",
    complexity="O(1)",
    summary="Set or clear one bit of a string and return what it was.",
)
def setbit(call: Call, key: bytes, offset: bytes, bit: bytes) -> Reply:
    position = _bit_offset(call, offset)
    if bit not in (b"0", b"1"):
        raise CommandError(errors.BIT_VALUE)
    byte = position >> 3
    buffer, grown = _writable(call, key, byte + 1)
    mask = 0x80 >> (position & 7)
    old = buffer[byte]
    new = old | mask if bit == b"1" else old & ~mask
    if grown or new != old:
        buffer[byte] = new
        call.changed(key, "setbit", STRING)
    return 1 if old & mask else 0


@command(
    "GETBIT",
    arity=3,
    flags="readonly fast",
    acl="bitmap",
    keys="RO,access@1",
    group="bitmap",
    since="2.2.0",
    complexity="O(1)",
    summary="Return one bit of a string, zero behind its end.",
)
def getbit(call: Call, key: bytes, offset: bytes) -> Reply:
    position = _bit_offset(call, offset)
    value = call.db.read_string(key)
    if value is None or position >> 3 >= len(value):
        return 0
    return value[position >> 3] >> 7 - (position & 7) & 1


# Whole strings


@command(
    "BITCOUNT",
    arity=-2,
    flags="readonly",
    acl="bitmap",
    keys="RO,access@1",
    group="bitmap",
    since="2.6.0",
    complexity="O(N)",
    summary="Count the bits that are set in a string or a range of it.",
)
def bitcount(call: Call, key: bytes, *options: bytes) -> Reply:
    value = call.db.read_string(key)
    if value is None:
        return 0
    start, end, in_bits = 0, -1, False
    if options:
        if len(options) not in (2, 3):
            raise CommandError(errors.SYNTAX)
        start, end = integer(options[0]), integer(options[1])
        if start < 0 and end < 0 and start > end:
            return 0
        in_bits = len(options) == 3 and _is_bit_unit(options[2])
    first, last = _bit_range(start, end, len(value), in_bits)
    return count_ones(value, first, last) if first <= last else 0


@command(
    "BITPOS",
    arity=-3,
    flags="readonly",
    acl="bitmap",
    keys="RO,access@1",
    group="bitmap",
    since="2.8.7",
    complexity="O(N)",
    summary="Find the first bit of a string, or of a range of it, that is set or clear.",
)
def bitpos(call: Call, key: bytes, wanted: bytes, *options: bytes) -> Reply:
    bit = integer(wanted)
    if bit not in (0, 1):
        raise CommandError(errors.BIT_ARGUMENT)
    value = call.db.read_string(key)
    if value is None:
        return -1 if bit else 0
    start, end, in_bits = 0, -1, False
    if options:
        if len(options) > 3:
            raise CommandError(errors.SYNTAX)
        start = integer(options[0])
        in_bits = len(options) == 3 and _is_bit_unit(options[2])
        if len(options) > 1:
            end = integer(options[1])
    first, last = _bit_range(start, end, len(value), in_bits)
    if first > last:
        return -1
    position = find_bit(value, bit, first, last)
    if position < 0 and not bit and len(options) < 2:
        return len(value) << 3  # the zeros begin where the string ends, unless its end was named
    return position


@command(
    "BITOP",
    arity=-4,
    flags="write denyoom",
    acl="bitmap",
    keys="OW,update@2 RO,access@3..-1/1",
    group="bitmap",
    since="2.6.0",
    complexity="O(N)",
    summary="Store the bitwise AND, OR, XOR or NOT of strings in a key, or one of them shifted.",
)
def bitop(call: Call, operation: bytes, target: bytes, *keys: bytes) -> Reply:
    name = operation.upper()
    if name in (b"LSHIFT", b"RSHIFT"):
        return _shift(call, name == b"LSHIFT", target, keys)
    if name not in (b"AND", b"OR", b"XOR", b"NOT"):
        raise CommandError(errors.SYNTAX)
    if name == b"NOT" and len(keys) != 1:
        raise CommandError(errors.BITOP_NOT)
    db = call.db
    sources: list[bytes | bytearray] = []
    for key in keys:
        value = db.read_string(key)
        sources.append(b"" if value is None else value)
    return _put(call, target, invert(sources[0]) if name == b"NOT" else combine(name, sources))


def _put(call: Call, target: bytes, result: bytes | bytearray) -> int:
    """Put a result in the place of whatever ``target`` held; an empty one removes it."""
    if result:
        call.db.put(target, result)
        call.changed(target, "set", STRING)
    elif call.db.erase(target):
        call.changed(target, "del", GENERIC)
    return len(result)


def _shift(call: Call, left: bool, target: bytes, arguments: tuple[bytes, ...]) -> int:
    """Do KeyDB's BITOP LSHIFT and RSHIFT; a negative distance goes the other way."""
    if len(arguments) != 2:
        raise CommandError(errors.SHIFT_ARGUMENTS)
    bits = integer(arguments[1], errors.SHIFT_NOT_AN_INTEGER)
    if abs(bits) > _SHIFT_MAX:
        raise CommandError(errors.SHIFT_TOO_LARGE)
    value = call.db.read_string(arguments[0]) or b""
    result = shift(value, bits if left else -bits)
    if len(result) > call.engine.limits.string_bytes:
        raise CommandError(errors.STRING_TOO_LONG)
    length = _put(call, target, result)
    # In words that every server has.
    if length:
        call.propagate(b"SET", target, result)
    elif call.dirty:
        call.propagate(b"DEL", target)
    return length


# Packed integers


def _integer_type(argument: bytes) -> tuple[bool, int]:
    """Return whether ``i16`` or ``u8`` is signed, and its bits."""
    signed = argument[:1] == b"i"
    if not signed and argument[:1] != b"u":
        raise CommandError(errors.BITFIELD_TYPE)
    bits = integer(argument[1:], errors.BITFIELD_TYPE)
    if not 1 <= bits <= (64 if signed else 63):
        raise CommandError(errors.BITFIELD_TYPE)
    return signed, bits


def _parse_operations(call: Call, words: tuple[bytes, ...]) -> list[_Operation]:
    operations: list[_Operation] = []
    policy = WRAP
    at = 0
    while at < len(words):
        name = words[at].upper()
        left = len(words) - at - 1
        if name == b"OVERFLOW" and left >= 1:
            chosen = _OVERFLOWS.get(words[at + 1].upper())
            if chosen is None:
                raise CommandError(errors.BITFIELD_OVERFLOW)
            policy = chosen
            at += 2
            continue
        reading = name == b"GET"
        if not (reading and left >= 2) and not (name in (b"SET", b"INCRBY") and left >= 3):
            raise CommandError(errors.SYNTAX)
        signed, bits = _integer_type(words[at + 1])
        offset = _bit_offset(call, words[at + 2], bits)
        operand = 0 if reading else integer(words[at + 3])
        operations.append((name, signed, bits, offset, policy, operand))
        at += 3 if reading else 4
    return operations


def _fetch_all(value: bytes | bytearray | None, operations: list[_Operation]) -> list[Reply]:
    string = b"" if value is None else value
    return [fetch(string, offset, bits, signed) for _, signed, bits, offset, _, _ in operations]


@command(
    "BITFIELD",
    arity=-2,
    flags="write denyoom",
    acl="bitmap",
    keys="RW,access,update,variable_flags@1",
    group="bitmap",
    since="3.2.0",
    complexity="O(1) for each subcommand specified",
    summary="Read, assign and add to integers of any width inside a string.",
)
def bitfield(call: Call, key: bytes, *words: bytes) -> Reply:
    operations = _parse_operations(call, words)
    length = max((offset + bits + 7 >> 3 for name, _, bits, offset, _, _ in operations if name != b"GET"), default=0)
    if not length:
        return _fetch_all(call.db.read_string(key), operations)
    buffer, grown = _writable(call, key, length)
    changes = 0
    replies: list[Reply] = []
    for name, signed, bits, offset, policy, operand in operations:
        old = fetch(buffer, offset, bits, signed)
        if name == b"GET":
            replies.append(old)
            continue
        if name == b"SET":
            new = fit_assigned(operand, bits, signed, policy)
        else:
            new = fit(old + operand, bits, signed, policy)
        if new is None:
            replies.append(None)
            continue
        replies.append(old if name == b"SET" else new)
        if grown or new != old:
            place(buffer, offset, bits, new)
            changes += 1
    if changes:
        call.changed(key, "setbit", STRING, changes)
    return replies


@command(
    "BITFIELD_RO",
    arity=-2,
    flags="readonly fast",
    acl="bitmap",
    keys="RO,access@1",
    group="bitmap",
    since="6.0.0",
    complexity="O(1) for each subcommand specified",
    summary="Read integers of any width inside a string.",
)
def bitfield_ro(call: Call, key: bytes, *words: bytes) -> Reply:
    operations = _parse_operations(call, words)
    if any(name != b"GET" for name, *_ in operations):
        raise CommandError(errors.BITFIELD_READ_ONLY)
    return _fetch_all(call.db.read_string(key), operations)
