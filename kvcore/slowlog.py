"""The slow log: the last commands that took longer than a threshold; and how much of a command a log may show."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple

_MAX_ARGUMENTS = 32
_MAX_ARGUMENT_BYTES = 128


class SlowLogEntry(NamedTuple):
    """One slow command."""

    id: int
    time_s: int
    duration_us: int
    argv: list[bytes]
    address: bytes
    client_name: bytes


class SlowLog:
    """A bounded queue, newest first."""

    __slots__ = ("_entries", "_next_id")

    def __init__(self) -> None:
        self._entries: deque[SlowLogEntry] = deque()
        self._next_id = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self, argv: list[bytes], duration_us: int, time_s: int, address: bytes, client_name: bytes, limit: int
    ) -> None:
        """Record a command, its arguments cut as the real server cuts them; keep ``limit`` entries."""
        trimmed = [_trim(argument) for argument in argv[:_MAX_ARGUMENTS]]
        if len(argv) > _MAX_ARGUMENTS:
            trimmed[-1] = b"... (%d more arguments)" % (len(argv) - _MAX_ARGUMENTS + 1)
        self._entries.appendleft(SlowLogEntry(self._next_id, time_s, duration_us, trimmed, address, client_name))
        self._next_id += 1
        while len(self._entries) > limit:
            self._entries.pop()

    def newest(self, count: int) -> list[SlowLogEntry]:
        """Return up to ``count`` entries, newest first; all if it is negative."""
        return list(self._entries) if count < 0 else list(islice(self._entries, count))

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()


def shown(argv: list[bytes], hidden: bool) -> str:
    """Return arguments for a log line: cut as the slow log cuts them, only their lengths if they are ``hidden``."""
    if hidden:
        return f"{len(argv)} arguments of {', '.join(str(len(word)) for word in argv[:_MAX_ARGUMENTS])} bytes"
    return repr([_trim(word) for word in argv[:_MAX_ARGUMENTS]])


def _trim(argument: bytes) -> bytes:
    extra = len(argument) - _MAX_ARGUMENT_BYTES
    return argument if extra <= 0 else argument[:_MAX_ARGUMENT_BYTES] + b"... (%d more bytes)" % extra
