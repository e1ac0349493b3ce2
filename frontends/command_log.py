"""A log of the commands that ran, for tests to assert on: MONITOR without its text.

Here: taking commands from an engine while a ``with`` block lasts, and asking what was among them. Not here: fixtures.
The rule: a log holds what MONITOR would show, in that order: commands that got as far as running, those of transactions
and scripts among them, and not those of administrators. Left out is what client libraries send on their own when they
connect (HELLO, CLIENT SETINFO): whether they do is no matter of a test.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kvcore.arguments import Argument, encode
from kvcore.engine import Engine
from kvcore.errors import text
from kvcore.monitor import quote
from kvcore.session import Session


class CommandLog(list[tuple[bytes, ...]]):
    """Commands in the order they ran, each a tuple of its name and arguments as the client sent them."""

    def heard(self, _session: Session, argv: list[bytes]) -> None:
        """Add a command; the engine calls this."""
        if argv[0].upper() == b"HELLO" or (argv[0].upper() == b"CLIENT" and argv[1].upper() == b"SETINFO"):
            return
        self.append(tuple(argv))

    @property
    def names(self) -> list[str]:
        """The commands' names in upper case, in order."""
        return [_name(argv) for argv in self]

    def named(self, name: str) -> list[tuple[bytes, ...]]:
        """Return the commands of that name, in any spelling of it. O(n)."""
        wanted = name.upper()
        return [argv for argv in self if _name(argv) == wanted]

    def ran(self, *words: Argument) -> bool:
        """Say whether a command began with these words, its name in any spelling: ``log.ran("SET", "k")``. O(n)."""
        if not words:
            raise TypeError("ran() needs the name of a command")
        name, *arguments = map(encode, words)
        return any(argv[0].upper() == name.upper() and list(argv[1 : 1 + len(arguments)]) == arguments for argv in self)

    @property
    def lines(self) -> list[str]:
        """The commands as MONITOR quotes them, for golden files: ``"SET" "k" "v"``."""
        return [" ".join(map(quote, argv)) for argv in self]


def _name(argv: tuple[bytes, ...]) -> str:
    return text(argv[0]).upper()


@contextmanager
def record(engine: Engine, lock: threading.Lock) -> Iterator[CommandLog]:
    """Log the commands of all clients while the block lasts; what was logged stays readable after it."""
    log = CommandLog()
    listener = _Ear(log)
    with lock:
        engine.monitors[listener] = None
    try:
        yield log
    finally:
        with lock:
            engine.monitors.pop(listener, None)


class _Ear:
    """What the engine holds in a log's place: a list has no hash."""

    __slots__ = ("heard",)

    def __init__(self, log: CommandLog) -> None:
        self.heard = log.heard
