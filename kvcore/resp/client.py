"""The client's half of RESP: commands into bytes, and replies out of a byte stream.

Bytes go in through ``feed``, whole replies come out of ``take``; no socket and no command is known here. Replies are
the values that :mod:`kvcore.replies` describes, so that what came over a wire is what an engine in this process would
have returned: status lines are ``str`` and strings ``bytes``, errors are exceptions, and returned, not raised.

The rule: nothing is parsed twice. A reply that comes in parts is continued where it ended, an aggregate's items are
kept on a stack, and a long string is joined once, when it is complete; a header's claim allocates nothing. How large a
reply may be is for memory to say, as the server is trusted with that. Numbers are read as strictly as hiredis reads
them: what Python takes for one beyond that (`1_0`, `+1`, ` 1`, `01`) says that the stream is not RESP, or out of step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from kvcore.errors import CommandError, ProtocolError, WrongTypeError
from kvcore.replies import (
    NULL_ARRAY,
    OK,
    BigNumber,
    OrderedSet,
    Push,
    Reply,
    Singleton,
    Verbatim,
)

MAX_LINE: Final = 1 << 20
"""Bytes of a status line, an error or a header before its line end."""

UNFINISHED: Final = Singleton("UNFINISHED")
"""What :meth:`ReplyDecoder.take` returns when no whole reply is there."""

_NOT_A_REPLY: Final = "what the server sent is no reply"
_FINITE: Final = re.compile(rb"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INFINITE: Final = {b"inf": math.inf, b"-inf": -math.inf, b"nan": math.nan, b"-nan": math.nan}
_MOST_DIGITS: Final = 4300
"""Digits of a big number: Python reads no longer ones, as that takes time in their square."""

_INTEGERS: Final = 1 << 63
"""Integers are of 64 bits: less than this, and not less than its negative."""

_LENGTHS: Final = [b"$%d\r\n" % length for length in range(256)]
_COUNTS: Final = [b"*%d\r\n" % count for count in range(16)]

_ARRAY: Final = 0x2A
_ATTRIBUTES: Final = 0x7C
_BIG: Final = 0x28
_BLOB_ERROR: Final = 0x21
_BOOL: Final = 0x23
_BULK: Final = 0x24
_DOUBLE: Final = 0x2C
_ERROR: Final = 0x2D
_INTEGER: Final = 0x3A
_MAP: Final = 0x25
_NULL: Final = 0x5F
_PUSH: Final = 0x3E
_SET: Final = 0x7E
_STATUS: Final = 0x2B
_VERBATIM: Final = 0x3D


def pack(argv: Sequence[bytes]) -> bytes:
    """Return a command as a client sends it. O(bytes)."""
    count = len(argv)
    parts = [_COUNTS[count] if count < 16 else b"*%d\r\n" % count]
    for word in argv:
        size = len(word)
        parts += (_LENGTHS[size] if size < 256 else b"$%d\r\n" % size, word, b"\r\n")
    return b"".join(parts)


def pack_all(commands: Iterable[Sequence[bytes]]) -> bytes:
    """Return several commands as a client sends them. O(bytes)."""
    return b"".join([pack(argv) for argv in commands])


def error_of(text: str) -> CommandError:
    """Return the exception that an error reply is."""
    return WrongTypeError(text) if text.startswith("WRONGTYPE ") else CommandError(text)


class _Aggregate:
    """An array, map, set or push of which some items are still to come."""

    __slots__ = ("items", "kind", "left")

    def __init__(self, kind: int, left: int) -> None:
        self.kind = kind
        self.left = left
        self.items: list[Reply] = []


class ReplyDecoder:
    """A sans-I/O decoder of RESP2 and RESP3 replies: feed bytes, take replies."""

    __slots__ = ("_at", "_data", "_more", "_need", "_size", "_stack")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._more: list[bytes] = []
        self._size = 0
        """Bytes not parsed: ``_data`` from ``_at`` on, then the chunks in ``_more``."""
        self._need = 1
        """How large ``_size`` must be before parsing can get any further."""
        self._stack: list[_Aggregate] = []

    @property
    def idle(self) -> bool:
        """Whether nothing was fed that is not part of a reply returned."""
        return not self._size and not self._stack

    def feed(self, data: bytes) -> None:
        """Add bytes that the server sent. O(1)."""
        if self._size:
            self._more.append(data)
        else:
            self._data = data
            self._at = 0
        self._size += len(data)

    def take(self) -> Reply:
        """Return the next reply, ``UNFINISHED`` if it has not come as a whole; an error is returned as an exception.

        Attributes are read and left out. Raises ProtocolError for what is no reply; the stream is of no use then.
        O(bytes of the reply).
        """
        while True:
            if self._size < self._need:
                return UNFINISHED
            if self._more:
                self._data = b"".join([self._data[self._at :], *self._more])
                self._at = 0
                self._more = []
            value = self._next()
            if value is UNFINISHED:
                continue
            stack = self._stack
            while stack:
                top = stack[-1]
                top.items.append(value)
                top.left -= 1
                if top.left:
                    break
                stack.pop()
                if top.kind == _ATTRIBUTES:
                    break  # what they belong to comes next
                value = _finished(top.kind, top.items)
            else:
                return value

    def _next(self) -> Reply:
        """Read one value, ``UNFINISHED`` if it is incomplete or was the beginning of an aggregate."""
        data, at = self._data, self._at
        end = data.find(b"\r\n", at)
        if end < 0:
            if self._size > MAX_LINE:
                raise ProtocolError(_NOT_A_REPLY)
            self._need = self._size + 1
            return UNFINISHED
        kind = data[at]
        if kind == _BULK or kind in (_VERBATIM, _BLOB_ERROR):
            return self._string(kind, end)
        self._size -= end + 2 - at
        self._at = end + 2
        self._need = 1
        line = data[at + 1 : end]
        if kind == _STATUS:
            return OK if line == b"OK" else line.decode("utf-8", "surrogateescape")
        if kind == _INTEGER:
            return _number(line)
        if kind == _ERROR:
            return error_of(line.decode("utf-8", "surrogateescape"))
        if kind == _NULL and not line:
            return None
        return self._aggregate(kind, line) if kind in _AGGREGATES else _scalar(kind, line)

    def _string(self, kind: int, end: int) -> Reply:
        """Read the string whose header ends at ``end``."""
        data, at = self._data, self._at
        length = _number(data[at + 1 : end])
        start = end + 2
        stop = start + length
        if length < 0:
            if length != -1 or kind != _BULK:
                raise ProtocolError(_NOT_A_REPLY)
            value: Reply = None
            stop = end
        else:
            if len(data) < stop + 2:
                self._need = stop + 2 - at
                return UNFINISHED
            if data[stop : stop + 2] != b"\r\n":
                raise ProtocolError(_NOT_A_REPLY)
            value = data[start:stop]
        self._at = stop + 2
        self._size -= stop + 2 - at
        self._need = 1
        if kind == _VERBATIM:
            if value[3:4] != b":":
                raise ProtocolError(_NOT_A_REPLY)
            return Verbatim(value[4:], value[:3].decode("latin-1"))
        if kind == _BLOB_ERROR:
            return error_of(value.decode("utf-8", "surrogateescape"))
        return value

    def _aggregate(self, kind: int, line: bytes) -> Reply:
        """Begin an aggregate; return it if it is empty."""
        count = _number(line)
        if count > 0:
            self._stack.append(_Aggregate(kind, 2 * count if kind in (_MAP, _ATTRIBUTES) else count))
            return UNFINISHED
        if kind == _ATTRIBUTES:
            return UNFINISHED
        if count == 0:
            return _finished(kind, [])
        if count == -1 and kind == _ARRAY:
            return NULL_ARRAY
        raise ProtocolError(_NOT_A_REPLY)


_AGGREGATES: Final = frozenset({_ARRAY, _MAP, _SET, _PUSH, _ATTRIBUTES})


def _number(digits: bytes) -> int:
    """Read an integer of 64 bits that is spelled as servers spell it."""
    try:
        number = int(digits)
    except ValueError:
        raise ProtocolError(_NOT_A_REPLY) from None
    if b"%d" % number != digits or not -_INTEGERS <= number < _INTEGERS:
        raise ProtocolError(_NOT_A_REPLY)
    return number


def _scalar(kind: int, line: bytes) -> Reply:
    """Read a value that is all in its line, of the rarer kinds."""
    if kind == _BOOL and line in (b"t", b"f"):
        return line == b"t"
    if kind == _BIG and line.removeprefix(b"-").isdigit() and len(line) <= _MOST_DIGITS:
        return BigNumber(line)
    if kind == _DOUBLE:
        found = float(line) if _FINITE.fullmatch(line) else _INFINITE.get(line.lower())
        if found is not None and (math.isfinite(found) or line[-1:] in b"fFnN"):
            return found
    raise ProtocolError(_NOT_A_REPLY)


def _finished(kind: int, items: list[Reply]) -> Reply:
    """Make an aggregate of its items; what Python cannot hash stays in order instead."""
    if kind == _ARRAY:
        return items
    if kind == _PUSH:
        return Push(items)
    try:
        if kind == _SET:
            return set(items)
        return dict(zip(items[::2], items[1::2], strict=True))
    except TypeError:
        return OrderedSet(items) if kind == _SET else [list(pair) for pair in zip(items[::2], items[1::2], strict=True)]
