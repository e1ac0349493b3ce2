"""Commands out of an append-only file: strict multibulk requests, with comment lines between them.

What lives here: bytes to command lines, and where each ends. What must not: files and engines. The rule: the offset of
the last whole command is always known, so that what a crash cut off can be cut off the file.
"""

from __future__ import annotations

from typing import Final

from kvcore.errors import AofError

MAX_ANNOTATION: Final = 1024
"""Bytes of a comment line."""

_MAX_HEADER: Final = 24
"""Bytes of a ``*`` or ``$`` header: more than any 64-bit number takes."""

_STAR: Final = 0x2A
_DOLLAR: Final = 0x24
_HASH: Final = 0x23
_RETURN: Final = 0x0D


_SPLIT_MAX: Final = 4 << 20
"""Bytes that are cut at every line end at once: quicker for many small commands, a waste for one large."""

_KNOWN: Final = 512
_COUNTS: Final = {b"*%d" % count: count for count in range(1, 32)}
_LENGTHS: Final = tuple(b"$%d" % length for length in range(_KNOWN))


class _Incomplete(Exception):  # noqa: N818 - no error: more bytes are needed
    """The buffer ends within a command, which goes on at least up to ``end``."""

    def __init__(self, end: int = 0) -> None:
        super().__init__()
        self.end = end


class MalformedAofError(AofError):
    """Bytes that are no command. ``offset`` is where they begin."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"Bad file format reading the append only file at offset {offset}")
        self.offset = offset


class AofReader:
    """Cuts the bytes it is fed into commands. Memory is bounded by one feed and one command."""

    __slots__ = ("_buffered", "_pieces", "_start", "_wanted")

    def __init__(self, offset: int = 0) -> None:
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._wanted = 0
        """How many bytes to wait for before an incomplete command is looked at again: all of a long value, and twice
        what a command of many had, so that it is not read from its start with each feed."""
        self._start = offset
        """Where in the file the first piece begins."""

    @property
    def offset(self) -> int:
        """Where in the file the first byte stands that belongs to no whole command yet."""
        return self._start

    @property
    def pending(self) -> int:
        """Bytes of a command that is not complete."""
        return self._buffered

    def feed(self, data: bytes, *, last: bool = False) -> list[tuple[list[bytes], int]]:
        """Take bytes; return commands that are complete, each with the offset of its end. O(bytes).

        None is held back when ``last`` says that nothing follows. Bytes that are no command raise AofError, in a call
        that returns no command; with ``last``, call until nothing is returned.
        """
        self._pieces.append(data)
        self._buffered += len(data)
        if self._buffered < self._wanted and not last:
            return []
        buffer = b"".join(self._pieces)
        self._pieces = []  # half of the memory, if it is one long command
        commands: list[tuple[list[bytes], int]] = []
        position = needed = 0
        size = len(buffer)
        lines, at = buffer.split(b"\r\n") if size <= _SPLIT_MAX else [], 0
        try:
            while position < size:
                if lines:
                    position, at = self._plain(lines, at, position, commands)
                    if position == size:
                        break
                begun = position
                if buffer[position] == _HASH:
                    position = self._comment(buffer, position)
                    if buffer[position - 2] != _RETURN:
                        lines = []
                else:
                    argv, position = self._command(buffer, begun)
                    commands.append((argv, self._start + position))
                at += buffer.count(b"\r\n", begun, position)
        except _Incomplete as incomplete:
            needed = incomplete.end - position
        except AofError:
            # What comes before the malformed command is good: it is returned first, and the next call raises.
            if not commands:
                raise
        rest = buffer[position:]
        self._pieces = [rest] if rest else []
        self._buffered = len(rest)
        self._wanted = max(needed, 0 if commands else 2 * len(rest))
        self._start += position
        return commands

    def _plain(
        self, lines: list[bytes], at: int, position: int, commands: list[tuple[list[bytes], int]]
    ) -> tuple[int, int]:
        """Take commands of a few words without line ends, which most are; return where the first of another kind is."""
        start, last = self._start, len(lines) - 1
        known, counts, append = _LENGTHS, _COUNTS, commands.append
        while at < last:
            count = counts.get(lines[at], 0)
            end = at + 2 * count + 1
            if not count or end > last:
                break
            argv = lines[at + 2 : end : 2]
            heads = lines[at + 1 : end : 2]
            sizes = [len(word) for word in argv]
            if heads != [known[size] if size < _KNOWN else b"$%d" % size for size in sizes]:
                break
            position += len(lines[at]) + sum(map(len, heads)) + sum(sizes) + 4 * count + 2
            append((argv, start + position))
            at = end
        return position, at

    def _comment(self, buffer: bytes, position: int) -> int:
        end = buffer.find(b"\n", position, position + MAX_ANNOTATION)
        if end < 0:
            if len(buffer) - position >= MAX_ANNOTATION:
                raise self._malformed(position)
            raise _Incomplete
        return end + 1

    def _command(self, buffer: bytes, position: int) -> tuple[list[bytes], int]:
        """Return the command at ``position`` and where it ends."""
        count, position = self._header(buffer, position, _STAR)
        if count < 1:
            raise self._malformed(position)
        argv: list[bytes] = []
        append = argv.append
        for _ in range(count):
            length, position = self._header(buffer, position, _DOLLAR)
            end = position + length
            if length < 0:
                raise self._malformed(position)
            if end + 2 > len(buffer):
                raise _Incomplete(end + 2)
            append(buffer[position:end])
            if buffer[end : end + 2] != b"\r\n":
                raise self._malformed(end)
            position = end + 2
        return argv, position

    def _header(self, buffer: bytes, position: int, mark: int) -> tuple[int, int]:
        """Return the number of a header line and where the line ends."""
        if position >= len(buffer):
            raise _Incomplete
        end = buffer.find(b"\r\n", position, position + _MAX_HEADER)
        digits = buffer[position + 1 : end] if end >= 0 else b""
        if buffer[position] != mark or (end >= 0 and not digits.isdigit()):
            raise self._malformed(position)
        if end < 0:
            if len(buffer) - position >= _MAX_HEADER:
                raise self._malformed(position)
            raise _Incomplete
        return int(digits), end + 2

    def _malformed(self, position: int) -> MalformedAofError:
        return MalformedAofError(self._start + position)
