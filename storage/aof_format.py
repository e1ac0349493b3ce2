"""A snapshot's form as commands: the base of an append-only file with `aof-use-rdb-preamble no`.

A :class:`kvcore.snapshot.Format`. Large containers come in pieces of a few commands, as they do in an RDB file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.stream import Stream
from kvcore.storage.aof_text import Argv, encode, recreate

if TYPE_CHECKING:
    from kvcore.keyspace import Value
    from kvcore.rdb.file_writer import Account, Segments

LARGE: Final = 1024
"""Elements of a container from which on it is written piece by piece: fewer take about a millisecond."""

_COMMANDS: Final = 8
"""Commands of a piece; each adds up to 64 elements."""


class Commands:
    """What is left of the commands that make a large container."""

    __slots__ = ("_commands",)

    def __init__(self, commands: Iterator[Argv]) -> None:
        self._commands = commands

    def next(self) -> bytes | None:
        """Return the bytes of the next few commands, None after the last. O(piece)."""
        return b"".join(map(encode, islice(self._commands, _COMMANDS))) or None

    def freeze(self) -> None:
        """Take the commands that are left: the container is about to change. O(elements)."""
        self._commands = iter(list(self._commands))


class TextFormat:
    """Turns keys into commands."""

    __slots__ = ()

    def begin(self, account: Account) -> bytes:
        """Return what loads the function libraries."""
        return b"".join(encode((b"FUNCTION", b"LOAD", source)) for source in account.functions)

    def database(self, index: int) -> bytes:
        """Return what says that the keys behind it are of database ``index``."""
        return encode((b"SELECT", b"%d" % index))

    def sizes(self, keys: int, expires: int) -> bytes:  # noqa: ARG002 - the protocol's arguments
        """Return nothing: commands need no sizes."""
        return b""

    def is_large(self, value: object) -> bool:
        """Say whether a value is to be written by :meth:`pieces`. O(1)."""
        return isinstance(value, Hash | Set | SortedSet | List | Stream) and len(value) > LARGE

    def add_strings(self, parts: list[bytes], pending: dict[bytes, Value], most: int) -> None:
        """Append up to ``most`` plain strings that never expire, taking them out of ``pending``, up to any other."""
        for _ in range(min(most, len(pending))):
            key, value = pending.popitem()
            if type(value) is not bytes:
                pending[key] = value
                return
            parts.append(encode((b"SET", key, value)))

    def add(
        self,
        parts: list[bytes],
        key: bytes,
        value: object,
        at_ms: int | None,
        idle_s: int,  # noqa: ARG002 - commands cannot tell how a key was used
        frequency: int,  # noqa: ARG002
    ) -> None:
        """Append the commands that make a key."""
        parts += map(encode, recreate(key, value, at_ms))

    def pieces(
        self,
        key: bytes,
        value: object,
        at_ms: int | None,
        idle_s: int,  # noqa: ARG002 - commands cannot tell how a key was used
        frequency: int,  # noqa: ARG002
    ) -> tuple[bytes, list[Segments]]:
        """Return the first command that makes a large key, and what goes on with it."""
        commands = recreate(key, value, at_ms)
        return encode(next(commands)), [Commands(commands)]

    def end(self) -> bytes:
        """Return nothing: the file ends with its last command."""
        return b""
