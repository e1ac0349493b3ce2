"""Requests out of a byte stream: multibulk and inline commands, their limits and their errors.

Bytes go in through ``feed``, whole commands come out of ``take``; no socket, no session, no command is known
here, and replies are the encoder's business. What counts as malformed, and the text that says so, is what
redis-server 7.0 does as seen from outside, and the outcome never depends on how the stream was cut into
reads.

Two classes with one behaviour:

* :class:`PythonDecoder` walks a stream argument by argument. It is the reference, and the slow path.
* :class:`Decoder` is what connections use. A read that starts at a command boundary is split at its CRLFs in
  one call, and a command is taken from the pieces only if they are exactly its canonical encoding:
  ``*count``, then for each argument ``$length`` and a piece of that very length. The first command that is
  anything else (an incomplete one, an inline one, a value with CRLF inside, a header padded or out of the
  tables, an error) goes to the reference with all that follows it in the read. So the fast path decides
  nothing: it accepts only what has one reading.

A parser of replies in C was measured and is not used (``benchmarks/codec.py`` prints both): it accepts much
that is no request, and the checks that make up for it cost more than it saves below some dozens of commands a
read.

A header's claim allocates nothing: arguments are appended as they arrive, and a bulk is joined once, when
complete.
"""

from __future__ import annotations

import re
from typing import Final

from kvcore import errors
from kvcore.errors import ProtocolError
from kvcore.resp.inline import split_arguments

MAX_LINE: Final = 64 * 1024
"""Bytes of an inline command or of a ``*`` or ``$`` header before its line end."""

MAX_ARGUMENTS: Final = 2**31 - 1
MAX_BULK_LENGTH: Final = 512 * 1024 * 1024
"""Default of `proto-max-bulk-len`, in bytes."""

UNAUTHENTICATED_ARGUMENTS: Final = 10
UNAUTHENTICATED_BULK_LENGTH: Final = 16384

INVALID_MULTIBULK: Final = "Protocol error: invalid multibulk length"
INVALID_BULK: Final = "Protocol error: invalid bulk length"
UNAUTHENTICATED_MULTIBULK: Final = "Protocol error: unauthenticated multibulk length"
UNAUTHENTICATED_BULK: Final = "Protocol error: unauthenticated bulk length"
TOO_BIG_INLINE: Final = "Protocol error: too big inline request"
TOO_BIG_COUNT: Final = "Protocol error: too big mbulk count string"
TOO_BIG_LENGTH: Final = "Protocol error: too big bulk count string"
UNBALANCED_QUOTES: Final = "Protocol error: unbalanced quotes in request"

_STAR: Final = 0x2A
_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)

_INTEGER: Final = re.compile(rb"0|-?[1-9][0-9]{0,18}").fullmatch

_COUNTS: Final = {b"*%d" % count: count for count in range(1, 1025)}
_HEADERS: Final = [b"$%d" % length for length in range(4097)]
"""What the fast path looks up: counts by their line, and the line of each length."""

_SHORT_COUNTS: Final = {b"*%d\r\n" % count: count for count in range(1, 10)}
_SHORT_LENGTHS: Final = {b"$%d\r\n" % length: length for length in range(100)}
_LENGTHS: Final = {header: length for length, header in enumerate(_HEADERS)}
"""What the reference looks up: headers of four and five bytes with their line ends, then others by their line.
They must stay within the limits for the unauthenticated.
"""

_SMALL_CHUNK: Final = 4096
"""Chunks shorter than this are run together: a Python object for every two bytes would be twenty times the
data.
"""

_LARGE_BULK: Final = 32 * 1024
"""An argument this long has room set aside for the whole of it in the real server, as soon as its length is known."""

_LONG_COMMAND: Final = 1024
"""A read whose first command is longer gains nothing from the fast path: splitting looks at every byte."""


def expected_dollar(byte: bytes) -> str:
    """Name the byte that stands where an argument should start; a line end is shown as a space."""
    shown = " " if byte in (b"\r", b"\n") else errors.text(byte)
    return f"Protocol error: expected '$', got '{shown}'"


class PythonDecoder:
    """A sans-I/O request decoder: feed bytes, take commands.

    ``restricted`` is for a peer that has not authenticated: ``take`` returns one command at a time, so that
    AUTH can lift the small limits for the next one. ``max_bulk_len`` is `proto-max-bulk-len` in bytes.
    """

    __slots__ = (
        "_argv",
        "_bulk",
        "_data",
        "_error",
        "_held",
        "_left",
        "_more",
        "_need",
        "_position",
        "_size",
        "max_bulk_len",
        "restricted",
    )

    def __init__(self, restricted: bool = False, max_bulk_len: int = MAX_BULK_LENGTH) -> None:
        self.restricted = restricted
        self.max_bulk_len = max_bulk_len
        self._data = b""
        self._position = 0
        self._more: list[bytes | bytearray] = []
        self._size = 0
        """Bytes not yet parsed: ``_data`` from ``_position`` on, then the chunks in ``_more``."""
        self._need = 1
        """How large ``_size`` must be before parsing can get any further; 0 once the stream is malformed."""
        self._argv: list[bytes] = []
        self._left = 0
        self._bulk = -1
        """The command begun: its arguments so far, how many are to come, the length of the next if known."""
        self._held = 0
        """Bytes of the command begun that have been parsed."""
        self._error: str | None = None

    @property
    def buffered(self) -> int:
        """Bytes fed and not yet returned as part of a command."""
        return self._size + self._held

    @property
    def unparsed(self) -> int:
        """Bytes fed that are part of no argument yet."""
        return self._size

    def start(self, size: int) -> bytes:
        """Return the first of the bytes that wait, at most ``size`` and perhaps fewer, for a log."""
        return self._data[self._position : self._position + size]

    @property
    def announced(self) -> int:
        """Bytes of a large argument that are still to come."""
        return max(0, self._bulk + 2 - self._size) if self._bulk >= _LARGE_BULK else 0

    @property
    def argument_bytes(self) -> int:
        """Bytes of the arguments that the command begun has so far. O(arguments)."""
        return sum(map(len, self._argv))

    def feed(self, data: bytes) -> None:
        """Add bytes read from the peer. O(1)."""
        if self._size:
            self._append(data)
        elif self._need:
            self._data = data
        else:
            return
        self._size += len(data)

    def _append(self, data: bytes) -> None:
        """Put a chunk behind those that wait for the rest of their command."""
        if len(data) >= _SMALL_CHUNK:
            self._more.append(data)
            return
        if self._more:
            last = self._more[-1]
            if isinstance(last, bytearray):
                last += data
                return
        self._more.append(bytearray(data))

    def take(self) -> list[list[bytes]]:
        """Return the commands now complete, none of them empty; [] if there is none.

        Raises ProtocolError when the next thing in the stream is malformed, but only once all commands before
        it have been returned by earlier calls. From then on every call raises, and what is fed is dropped.
        O(bytes fed).
        """
        if self._size < self._need:
            return []
        commands: list[list[bytes]] = []
        self._gather()
        self._parse(commands, self.restricted)
        return commands

    def _gather(self) -> None:
        """Make ``_data`` the whole unparsed stream."""
        if self._more:
            self._data = b"".join([self._data[self._position :], *self._more])
            self._position = 0
            self._more = []

    def _parse(self, commands: list[list[bytes]], single: bool) -> None:
        """Append the commands that ``_data`` completes, at most one if ``single``; keep what remains.

        A malformed stream raises if ``commands`` is empty, and is remembered for the next call if not.
        """
        if self._error is not None:
            raise ProtocolError(self._error)
        data = self._data
        size = len(data)
        position = self._position
        start = position - self._held
        found = False
        try:
            while position < size and not (single and found):
                if self._left:
                    after = self._read_arguments(data, position)
                elif data[position] == _STAR:
                    after = self._read_count(data, position)
                else:
                    after = self._read_inline(data, position)
                stuck = after == position
                position = after
                if stuck:
                    break
                if not self._left:
                    start = position
                    if self._argv:
                        commands.append(self._argv)
                        self._argv = []
                        found = True
        except ProtocolError as error:
            self._fail(str(error))
            if not commands:
                raise
            return
        self._held = position - start if self._left else 0
        self._keep(data, position, single and found)

    def _keep(self, data: bytes, position: int, more_to_parse: bool) -> None:
        """Keep the bytes from ``position`` on; ``more_to_parse`` if parsing stopped before it had to."""
        rest = len(data) - position
        self._size = rest
        if more_to_parse and rest:
            # No copy: a pipeline taken one by one would copy its remainder for each command.
            self._data = data
            self._position = position
            self._need = 1
            return
        self._data = data[position:] if rest else b""
        self._position = 0
        self._need = self._bulk + 2 if self._bulk >= 0 else rest + 1

    def _fail(self, text: str) -> None:
        """Remember that the stream is malformed, and drop it."""
        self._error = text
        self._data = b""
        self._position = 0
        self._argv = []
        self._left = 0
        self._bulk = -1
        self._held = 0
        self._size = 0
        self._need = 0

    def _line_end(self, data: bytes, position: int, end: bytes, too_big: str) -> int:
        """Return where the line from ``position`` ends, -1 if it is not complete.

        A NUL hides the end of its line for ever, as it does from the C string functions of the real server.
        """
        found = data.find(end, position, position + MAX_LINE + 1)
        if found >= 0 and data.find(b"\0", position, found) < 0:
            return found
        if len(data) - position > MAX_LINE:
            raise ProtocolError(too_big)
        return -1

    def _read_inline(self, data: bytes, position: int) -> int:
        """Read an inline command into ``_argv``; return the position after it, the same if not complete."""
        newline = self._line_end(data, position, b"\n", TOO_BIG_INLINE)
        if newline < 0:
            return position
        line = data[position:newline]
        arguments = split_arguments(line[:-1] if line.endswith(b"\r") else line)
        if arguments is None:
            raise ProtocolError(UNBALANCED_QUOTES)
        self._argv = arguments
        return newline + 1

    def _read_count(self, data: bytes, position: int) -> int:
        """Read ``*count`` into ``_left``; return the position after it, unchanged if it is incomplete.

        A count of zero or less is an empty command. The byte after the carriage return may be any.
        """
        short = _SHORT_COUNTS.get(data[position : position + 4])
        if short is not None:
            self._left = short
            return position + 4
        end = self._line_end(data, position, b"\r", TOO_BIG_COUNT)
        if end < 0 or end + 1 >= len(data):
            return position
        count = _integer(data[position + 1 : end])
        if count is None or count > MAX_ARGUMENTS:
            raise ProtocolError(INVALID_MULTIBULK)
        if self.restricted and count > UNAUTHENTICATED_ARGUMENTS:
            raise ProtocolError(UNAUTHENTICATED_MULTIBULK)
        self._left = max(count, 0)
        return end + 2

    def _read_arguments(self, data: bytes, position: int) -> int:
        """Append the arguments that are complete; return the position of the first byte that is not used up.

        The two bytes after an argument may be any.
        """
        argv = self._argv
        left = self._left
        bulk = self._bulk
        size = len(data)
        limit = self.max_bulk_len
        short = _SHORT_LENGTHS.get
        lengths = _LENGTHS.get
        while left:
            if bulk < 0:
                bulk = short(data[position : position + 4], -1)
                after = position + 4
                if bulk < 0:
                    bulk = short(data[position : position + 5], -1)
                    after += 1
                if bulk < 0:
                    after = data.find(b"\r", position, position + 6) + 2
                    bulk = lengths(data[position : after - 2], -1) if 2 <= after <= size else -1
                if bulk < 0 or bulk > limit:
                    after = self._line_end(data, position, b"\r", TOO_BIG_LENGTH) + 2
                    if after < 2 or after > size:
                        bulk = -1
                        break
                    bulk = self._length(data[position : after - 2])
                position = after
            stop = position + bulk
            if stop + 2 > size:
                break
            argv.append(data[position:stop])
            position = stop + 2
            bulk = -1
            left -= 1
        self._left = left
        self._bulk = bulk
        return position

    def _length(self, line: bytes) -> int:
        """Read a ``$length`` line that has its end."""
        if line[:1] != b"$":
            raise ProtocolError(expected_dollar(line[:1] or b"\r"))
        length = _integer(line[1:])
        if length is None or length < 0 or length > self.max_bulk_len:
            raise ProtocolError(INVALID_BULK)
        if self.restricted and length > UNAUTHENTICATED_BULK_LENGTH:
            raise ProtocolError(UNAUTHENTICATED_BULK)
        return length


class Decoder(PythonDecoder):
    """The decoder of a connection: the reference with a fast path for reads of ordinary commands."""

    __slots__ = ()

    def take(self) -> list[list[bytes]]:
        """Return what the reference would: see :meth:`PythonDecoder.take`."""
        size = self._size
        if size < self._need:
            return []
        commands: list[list[bytes]] = []
        if self.restricted or not self._need:
            self._gather()
            self._parse(commands, self.restricted)
            return commands
        if self._more or self._left or self._position:
            # Something begun in an earlier read: the reference ends it, the fast path goes on from there.
            self._gather()
            self._parse(commands, True)
            size = self._size
            if size < self._need or self._error is not None:
                return commands
            self._data = self._data[self._position :]
            self._position = 0
        data = self._data
        if (
            data[0] == _STAR
            and size <= self.max_bulk_len
            and (size <= _LONG_COMMAND or data.find(b"*", 1, _LONG_COMMAND) > 0)
        ):
            used = _split(data, commands)
            if used == size:
                self._data = b""
                self._size = 0
                return commands
            self._data = data[used:]
        self._parse(commands, False)
        return commands


def _split(data: bytes, commands: list[list[bytes]]) -> int:
    """Append the leading commands of ``data`` that are complete and canonical; return how many bytes they
    take.

    The shapes of the most frequent counts are written out: that is a quarter of the time of the general one.
    """
    pieces = data.split(b"\r\n")
    unended = len(pieces.pop())  # no CRLF after it: not complete, whatever it is
    size = len(pieces)
    headers = _HEADERS
    append = commands.append
    at = 0
    try:
        while at < size:
            count = pieces[at]
            if count == b"*3":
                _, h1, a1, h2, a2, h3, a3 = pieces[at : at + 7]
                if headers[len(a1)] != h1 or headers[len(a2)] != h2 or headers[len(a3)] != h3:
                    break
                append([a1, a2, a3])
                at += 7
            elif count == b"*2":
                _, h1, a1, h2, a2 = pieces[at : at + 5]
                if headers[len(a1)] != h1 or headers[len(a2)] != h2:
                    break
                append([a1, a2])
                at += 5
            elif count == b"*4":
                _, h1, a1, h2, a2, h3, a3, h4, a4 = pieces[at : at + 9]
                if headers[len(a1)] != h1 or headers[len(a2)] != h2:
                    break
                if headers[len(a3)] != h3 or headers[len(a4)] != h4:
                    break
                append([a1, a2, a3, a4])
                at += 9
            else:
                end = at + 1 + 2 * _COUNTS[count]
                if end > size:
                    break
                argv = pieces[at + 2 : end : 2]
                if list(map(headers.__getitem__, map(len, argv))) != pieces[at + 1 : end : 2]:
                    break
                append(argv)
                at = end
    except (KeyError, IndexError, ValueError):
        # A count that is not in the table, an argument longer than the headers, fewer pieces than the shape.
        pass
    if at == size:
        return len(data) - unended
    rest = pieces[at:]
    return len(data) - unended - sum(map(len, rest)) - 2 * len(rest)


def _integer(digits: bytes) -> int | None:
    """Read a 64-bit integer in its only spelling: no plus, no blanks, no leading zero, no ``-0``."""
    if _INTEGER(digits) is None:
        return None
    value = int(digits)
    return value if _INT64_MIN <= value <= _INT64_MAX else None
