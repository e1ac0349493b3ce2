"""The command record, and the decorator that declares one.

COMMAND INFO, COMMAND DOCS, arity checks, gates and ACL categories all derive from this one record. A handler is a
plain function whose first argument is the :class:`~kvcore.call.Call` and whose others are the command's arguments by
name; it parses, touches one structure, says what changed and returns a native value.

    @command("GET", arity=2, flags="readonly fast", acl="string", keys="RO,access@1", group="string",
             since="1.0.0", complexity="O(1)", summary="Return the string value of a key.")
    def get(call: Call, key: bytes) -> Reply: ...

A subcommand is declared under its container: ``@command("CONFIG|GET", ...)``; its handler gets the arguments after
the subcommand's name. Facts (arity, flags, key specs, since, complexity) are those of redis-server 7.0.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from kvcore.latency import CommandTimes
from kvcore.replies import Reply

Handler = Callable[..., Reply]
_H = TypeVar("_H", bound=Handler)

WRITE: Final = 1
READONLY: Final = 2
DENYOOM: Final = 4
ADMIN: Final = 8
PUBSUB: Final = 16
NOSCRIPT: Final = 32
BLOCKING: Final = 64
LOADING: Final = 128
STALE: Final = 256
SKIP_MONITOR: Final = 512
SKIP_SLOWLOG: Final = 1024
ASKING: Final = 2048
FAST: Final = 4096
NO_AUTH: Final = 8192
MAY_REPLICATE: Final = 16384
NO_ASYNC_LOADING: Final = 32768
NO_MULTI: Final = 65536
ALLOW_BUSY: Final = 131072

MANY: Final = 1 << 62
"""More arguments than any request has."""

FLAG_BITS: Final = {
    "write": WRITE,
    "readonly": READONLY,
    "denyoom": DENYOOM,
    "admin": ADMIN,
    "pubsub": PUBSUB,
    "noscript": NOSCRIPT,
    "blocking": BLOCKING,
    "loading": LOADING,
    "stale": STALE,
    "skip_monitor": SKIP_MONITOR,
    "skip_slowlog": SKIP_SLOWLOG,
    "asking": ASKING,
    "fast": FAST,
    "no_auth": NO_AUTH,
    "may_replicate": MAY_REPLICATE,
    "no_async_loading": NO_ASYNC_LOADING,
    "no_multi": NO_MULTI,
    "allow_busy": ALLOW_BUSY,
}
"""Flags the dispatcher tests. Others (``movablekeys``, ``no_mandatory_keys``, ...) only show in COMMAND INFO."""


class Command:
    """One command or subcommand as declared, with the counters of the engine it is bound to."""

    __slots__ = (
        "acl",
        "arity",
        "bits",
        "calls",
        "complexity",
        "failed",
        "fewest",
        "flags",
        "full_name",
        "group",
        "handler",
        "keys",
        "most",
        "name",
        "rejected",
        "since",
        "skip",
        "subcommands",
        "summary",
        "time_ns",
        "times",
        "tips",
    )

    def __init__(
        self,
        full_name: str,
        handler: Handler,
        *,
        arity: int,
        flags: str = "",
        acl: str = "",
        keys: str = "",
        group: str = "",
        since: str = "",
        complexity: str = "",
        summary: str = "",
        tips: tuple[str, ...] = (),
    ) -> None:
        self.full_name = full_name.lower()
        """``get``, or ``config|get`` for a subcommand: the name that error texts and statistics show."""
        self.name = self.full_name.rpartition("|")[2]
        self.handler = handler
        self.arity = arity
        """Argument count with the name: exact if positive, minimum if negative."""
        self.fewest = abs(arity)
        self.most = arity if arity >= 0 else MANY
        """The same as bounds, for one comparison. No count fits arity 0."""
        self.flags = tuple(flags.split())
        self.bits = sum(FLAG_BITS.get(flag, 0) for flag in self.flags)
        self.acl = tuple(acl.split())
        """ACL categories that the flags do not imply."""
        self.keys = keys
        """Key specifications in the notation of :mod:`kvcore.keyspecs`."""
        self.group = group
        self.since = since
        self.complexity = complexity
        self.summary = summary
        self.tips = tips
        self.skip = 2 if "|" in self.full_name else 1
        self.subcommands: dict[bytes, Command] | None = None
        self.calls = 0
        self.time_ns = 0
        self.times: CommandTimes | None = None
        self.rejected = 0
        self.failed = 0

    def bound(self) -> Command:
        """Copy the record with zeroed counters: each engine counts for itself."""
        copy = Command.__new__(Command)
        copy.full_name = self.full_name
        copy.name = self.name
        copy.handler = self.handler
        copy.arity = self.arity
        copy.fewest = self.fewest
        copy.most = self.most
        copy.flags = self.flags
        copy.bits = self.bits
        copy.acl = self.acl
        copy.keys = self.keys
        copy.group = self.group
        copy.since = self.since
        copy.complexity = self.complexity
        copy.summary = self.summary
        copy.tips = self.tips
        copy.skip = self.skip
        subcommands = self.subcommands
        copy.subcommands = None if subcommands is None else {n: c.bound() for n, c in subcommands.items()}
        copy.calls = copy.time_ns = copy.rejected = copy.failed = 0
        copy.times = None
        return copy

    def reset(self) -> None:
        """Zero the counters (CONFIG RESETSTAT)."""
        self.calls = self.time_ns = self.rejected = self.failed = 0
        self.times = None
        for subcommand in (self.subcommands or {}).values():
            subcommand.reset()

    def __repr__(self) -> str:
        return f"<Command {self.full_name}>"


class CommandTable:
    """Declared commands by lower-case name."""

    __slots__ = ("_commands",)

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}

    def add(self, command: Command) -> None:
        """Add a command, or a subcommand to its container, which must be there already."""
        container, _, subcommand = command.full_name.rpartition("|")
        if not container:
            if command.name in self._commands:
                raise ValueError(f"command {command.name} is declared twice")
            self._commands[command.name] = command
            return
        parent = self._commands[container]
        if parent.subcommands is None:
            parent.subcommands = {}
        parent.subcommands[subcommand.encode()] = command

    def __contains__(self, name: str) -> bool:
        return name in self._commands

    def replace(self, command: Command, replaceable: Callable[[Command], bool]) -> None:
        """Add a command in place of one of its name that may be replaced; raise ValueError if that may not."""
        old = self._commands.get(command.name)
        if old is not None:
            if not replaceable(old):
                raise ValueError(f"command {command.name} is declared twice")
            del self._commands[command.name]
        self.add(command)

    def discard(self, name: str) -> None:
        """Forget a command, if it is there; engines that have bound it keep it."""
        self._commands.pop(name, None)

    def bind(self) -> dict[bytes, Command]:
        """Return fresh records by name, upper and lower case, so that a client's usual spelling is one lookup."""
        bound: dict[bytes, Command] = {}
        for name, command in self._commands.items():
            record = command.bound()
            bound[name.encode()] = record
            bound[name.upper().encode()] = record
        return bound


REGISTRY: Final = CommandTable()
"""The commands that ship with kvcore; :mod:`kvcore.commands` fills it when it is imported."""

EXTENSIONS: Final = CommandTable()
"""Commands of users and their packages, declared through :mod:`kvcore.extensions`."""


def command(
    full_name: str,
    *,
    arity: int,
    flags: str = "",
    acl: str = "",
    keys: str = "",
    group: str,
    since: str,
    complexity: str,
    summary: str,
    tips: tuple[str, ...] = (),
) -> Callable[[_H], _H]:
    """Declare the decorated function as the handler of a command."""

    def declare(handler: _H) -> _H:
        REGISTRY.add(
            Command(
                full_name,
                handler,
                arity=arity,
                flags=flags,
                acl=acl,
                keys=keys,
                group=group,
                since=since,
                complexity=complexity,
                summary=summary,
                tips=tips,
            )
        )
        return handler

    return declare
