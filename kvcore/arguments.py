"""Parsers of argument forms that several commands share: integers, cursors, LIMIT, expiry options; their encoder."""

from __future__ import annotations

from kvcore import errors
from kvcore.datatypes.long_double import LongDouble, ceiling_of_product, parse_long_double
from kvcore.errors import CommandError

Argument = bytes | bytearray | memoryview | str | int | float
"""What callers in this process may pass to a command."""


def encode(argument: Argument) -> bytes:
    """Return the bytes a client would send for ``argument``; raise TypeError for what has no one form."""
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return argument.encode()
    if isinstance(argument, bool):
        raise TypeError("a bool has no one spelling in commands: pass 1 or 0, or a string")
    if isinstance(argument, int):
        return b"%d" % argument
    if isinstance(argument, float):
        return repr(argument).encode()
    if isinstance(argument, bytearray | memoryview):
        return bytes(argument)
    raise TypeError(f"commands take bytes, str, int and float, not {type(argument).__name__}")


_INT64_MIN = -(2**63)
_INT64_MAX = 2**63 - 1


def integer(argument: bytes | bytearray, error: str = errors.NOT_AN_INTEGER) -> int:
    """Return a 64-bit signed integer written as the real server wants it: no ``+``, spaces or zeros."""
    if argument.isdigit():
        if (argument[0] != 48 and len(argument) < 19) or argument == b"0":
            return int(argument)
    elif not (argument[:1] == b"-" and argument[1:].isdigit()):
        raise CommandError(error)
    value = int(argument) if len(argument) <= 20 else _INT64_MAX + 1
    if not _INT64_MIN <= value <= _INT64_MAX or b"%d" % value != argument:
        raise CommandError(error)
    return value


_NEVER_MS = 2**53


def timeout_ms(argument: bytes) -> int:
    """Return a blocking command's time-out in milliseconds, rounded up; 0 waits for ever.

    Seconds are an extended-precision number, as in the real server: less than a millisecond below zero is zero,
    and what overflows 64 bits counts as negative.
    """
    if argument == b"0":
        return 0
    seconds = parse_long_double(argument)
    if seconds is None:
        raise CommandError(errors.TIMEOUT_NOT_A_FLOAT)
    milliseconds = ceiling_of_product(seconds, 1000) if isinstance(seconds, LongDouble) else None
    if milliseconds is None or not 0 <= milliseconds <= _INT64_MAX:
        raise CommandError(errors.TIMEOUT_NEGATIVE)
    # No clock of a front end reaches so far: a longer time is for ever.
    return milliseconds if milliseconds < _NEVER_MS else 0


def integer_in_range(argument: bytes, low: int, high: int, error: str) -> int:
    """Return an integer between ``low`` and ``high``; ``error`` says what is wrong with any other text."""
    value = integer(argument, error)
    if not low <= value <= high:
        raise CommandError(error)
    return value


def random_count(options: tuple[bytes, ...], with_option: bytes, most: int) -> tuple[int, bool]:
    """Parse ``count [WITHVALUES|WITHSCORES]`` of the commands that return random elements.

    Return the count, negative where elements may repeat, and whether the option was given. ``most`` bounds
    the repetitions: the reply grows with them, whatever the size of the collection.
    """
    count = integer(options[0])
    if count == _INT64_MIN:
        raise CommandError(errors.COUNT_BEYOND_LONG)
    if len(options) > 1:
        if len(options) > 2 or options[1].upper() != with_option:
            raise CommandError(errors.SYNTAX)
        if not -(_INT64_MAX >> 1) <= count <= _INT64_MAX >> 1:
            raise CommandError(errors.OUT_OF_RANGE)
    if count < -most:
        raise CommandError(errors.OUT_OF_RANGE)
    return count, len(options) > 1


def scan_cursor(argument: bytes) -> int:
    """Return the cursor of SCAN, HSCAN, SSCAN or ZSCAN, read as C's ``strtoul`` reads it."""
    digits = argument[1:] if argument[:1] in (b"-", b"+") else argument
    if not argument:
        return 0
    value = int(digits) if digits.isdigit() and len(digits.lstrip(b"0")) <= 20 else 1 << 64
    if value >> 64:
        raise CommandError(errors.INVALID_CURSOR)
    return -value & ((1 << 64) - 1) if argument[:1] == b"-" else value


def scan_options(options: tuple[bytes, ...]) -> tuple[bytes | None, int]:
    """Parse ``[MATCH pattern] [COUNT count]`` of HSCAN, SSCAN and ZSCAN; return pattern and count."""
    pattern: bytes | None = None
    count = 10
    words = iter(options)
    for word in words:
        name = word.upper()
        value = next(words, None)
        if value is None or name not in (b"MATCH", b"COUNT"):
            raise CommandError(errors.SYNTAX)
        if name == b"MATCH":
            pattern = value
        else:
            count = integer(value)
            if count < 1:
                raise CommandError(errors.SYNTAX)
    return pattern, count
