"""`redis.*` for a running script: commands, permissions, the log.

What lives here: everything Lua code may ask of the engine, and the checks that the dispatcher makes for clients and
scripts would otherwise get round. What must not: Lua objects, the life of scripts. The rule: no method that Lua calls
may raise, for an exception would become a value that the script can hold; what goes wrong is told by a reply.
"""

from __future__ import annotations

import logging
from hashlib import sha1
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.command import DENYOOM, MAY_REPLICATE, NOSCRIPT, STALE, WRITE, Command
from kvcore.effects import EVERYWHERE
from kvcore.errors import CommandError
from kvcore.scripting.convert import (
    ERROR,
    EXHAUSTED,
    UNCOUNTED,
    Item,
    Stream,
    flatten,
    scalar,
    spell,
)
from kvcore.session import RESTRICTED, TRACKED, InProcessPeer, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvcore.engine import Engine
    from kvcore.replies import Reply
    from kvcore.scripting.runtime import Failure, Runtime

logger = logging.getLogger("kvcore.scripting")

_LARGE_BYTES: Final = 1 << 18
"""Replies of this size ask for room first; the border's reserve takes the others."""

_LEVELS: Final = (logging.DEBUG, logging.INFO, logging.INFO, logging.WARNING)

_Answer = Item | tuple[Item, int] | tuple[Item, int, int]


class ScriptPeer(InProcessPeer):
    """The peer of the session in which scripts run their commands, as MONITOR shows it."""

    __slots__ = ()

    address = "lua"


class Bridge:
    """The host of one Lua state (:class:`kvcore.scripting.runtime.Host`). One script runs at a time."""

    __slots__ = (
        "__weakref__",
        "_commands",
        "_engine",
        "_kept",
        "_memory_known",
        "_out_of_memory",
        "_stream",
        "allow_oom",
        "broken",
        "caller",
        "on_checkpoint",
        "on_register",
        "read_only",
        "replication",
        "run",
        "runtime",
        "session",
        "strict",
        "wrote",
    )

    def __init__(self, engine: Engine, checkpoint: Callable[[], bool]) -> None:
        self._engine = engine
        self._commands = engine.commands
        self.session = Session(engine, 0, ScriptPeer())
        """The client that scripts are to the commands they run: a database, a protocol and a user of its own."""
        self.session.call.may_block = False
        self.session.kind = "script"
        self.caller: Session | None = None
        """Whose script runs, None while none does."""
        self.runtime: Runtime | None = None
        self.run: Callable[..., Reply | Failure] = _no_runtime
        """The runtime's method of this name."""
        self.on_checkpoint = checkpoint
        self.on_register: Callable[..., bytes | None] = _no_register
        """What `redis.register_function` does."""
        self.strict = False
        """Commands need a closer look: permissions, memory, or a script that may only read."""
        self.read_only = False
        self.allow_oom = False
        self.wrote = False
        """The script ran a command that may write: it can no longer be stopped half way."""
        self.replication = EVERYWHERE
        self.broken: BaseException | None = None
        """What was raised below a script and is no error of a command (an interrupt): it ends the script."""
        self._stream: Stream | None = None
        self._kept: tuple[Item, ...] = ()
        self._memory_known = False
        self._out_of_memory = False

    # The life of a script

    def begin(self, caller: Session, read_only: bool, allow_oom: bool) -> None:
        """Stand in for ``caller`` until :meth:`end`."""
        session = self.session
        session.call.db = caller.call.db
        session.protocol = 2
        session.account = caller.account
        session.gate = caller.gate & RESTRICTED
        self.caller = caller
        self.read_only = read_only
        self.allow_oom = allow_oom
        self.wrote = False
        self.replication = EVERYWHERE
        self.strict = read_only or (self._engine.gate | caller.gate) != 0
        self._memory_known = False

    def end(self) -> None:
        """Let go of the caller and of the last command."""
        self.caller = None
        self._stream = None
        self.session.call.argv = []

    # What Lua calls

    def keep_arguments(self, *arguments: Item) -> None:
        """Take the first arguments of a command that has too many for one call."""
        self._kept = arguments

    def execute_rest(self, *arguments: Item) -> _Answer:
        """Run the command whose first arguments were kept."""
        kept, self._kept = self._kept, ()
        return self.execute(*kept, *arguments)

    def execute(self, *arguments: Item) -> _Answer:
        """Run a command for `redis.call` and `redis.pcall`."""
        try:
            if self.caller is None:
                return (b"ERR redis.call/pcall can only be called inside a script invocation", UNCOUNTED)
            argv: list[bytes] = []
            for argument in arguments:
                if type(argument) is bytes:
                    argv.append(argument)
                elif type(argument) is int or type(argument) is float:
                    argv.append(spell(argument))
                else:
                    return (errors.SCRIPT_ARGUMENT_TYPE.encode(), UNCOUNTED)
            if not argv:
                return (errors.SCRIPT_WITHOUT_ARGUMENT.encode(), UNCOUNTED)
            command = self._commands.get(argv[0])
            if command is None or command.subcommands is not None:
                command = self._engine.resolve(argv)
            if not command.fewest <= len(argv) <= command.most:
                return self._reject(
                    command, errors.SCRIPT_ARITY if command.full_name else errors.SCRIPT_UNKNOWN_COMMAND
                )
            bits = command.bits
            if bits & NOSCRIPT:
                return self._reject(command, errors.SCRIPT_COMMAND_FORBIDDEN)
            if self.strict:
                refusal = self._verify(command, argv)
                if refusal:
                    return self._reject(command, refusal)
            if bits & WRITE:
                self.wrote = True
            session = self.session
            reply = self._engine.run_checked(session, command, argv, self.replication)
            if type(reply) is bytes:
                if len(reply) > _LARGE_BYTES and not self._has_room(len(reply)):
                    return (False, EXHAUSTED)
                return reply
            resp3 = session.protocol == 3
            value = scalar(reply, resp3)
            if value is not None:
                return value
            tag, items = flatten(reply, resp3)
            self._stream = stream = Stream(items)
            size = stream.size()
            if size > _LARGE_BYTES:
                if not self._has_room(size):
                    return (False, EXHAUSTED)
                return (False, tag, stream.long_bytes())
            return (False, tag)
        except Exception:
            logger.exception("A command of a script failed")
            return (errors.INTERNAL.encode(), ERROR)
        except BaseException as error:
            self.broken = error
            return (b"ERR interrupted", UNCOUNTED)

    def _has_room(self, size: int) -> bool:
        assert self.runtime is not None
        return self.runtime.has_room(size)

    def _reject(self, command: Command, text: str) -> tuple[Item, int]:
        """Refuse a command before it runs, in the statistics too."""
        command.rejected += 1
        self._engine.statistics.count_error(text.split(" ", 1)[0])
        return (text.encode("utf-8", "surrogateescape"), ERROR)

    def _verify(self, command: Command, argv: list[bytes]) -> str:
        """Return why a command may not run here, empty if it may. The order is that of the real server."""
        engine, caller, bits = self._engine, self.caller, command.bits
        assert caller is not None
        if engine.stale and not bits & STALE:
            return errors.SCRIPT_STALE
        if caller.gate & RESTRICTED:
            denial = engine.acl.refuse_in_script(caller, command, argv)
            if denial is not None:
                return denial.in_script()
        if self.read_only and bits & (WRITE | MAY_REPLICATE):
            return errors.SCRIPT_READ_ONLY
        if bits & WRITE and not self.wrote:
            refusal = engine.write_refusal(caller)
            if refusal:
                return refusal
        if bits & DENYOOM and not self.wrote and not self.allow_oom and self.out_of_memory():
            return errors.OUT_OF_MEMORY
        if caller.gate & TRACKED:
            engine.caching.begin_scripted(caller, command)
        return ""

    def out_of_memory(self) -> bool:
        """Say whether the limit was passed when the script began; it has not written when this is first asked."""
        if not self._memory_known:
            self._memory_known = True
            self._out_of_memory = self._engine.lacks_memory()
        return self._out_of_memory

    def checkpoint(self) -> bool:
        """Do what is to be done while a script runs; True ends it."""
        return self.on_checkpoint()

    def pull(self) -> tuple[Item, ...]:
        """Return the next items of the last reply."""
        stream = self._stream
        return stream.take() if stream is not None else ()

    def log(self, level: int, message: bytes) -> None:
        """Write to the server's log."""
        try:
            logger.log(_LEVELS[level], "%s", errors.printable(message))
        except BaseException as error:
            self.broken = error

    def set_protocol(self, version: int) -> None:
        """Convert replies as RESP2 or RESP3 says."""
        self.session.protocol = version

    def set_replication(self, flags: int) -> None:
        """Choose where effects go."""
        self.replication = flags

    def check(self, *arguments: Item) -> bool | tuple[Item, int]:
        """Say whether the script's user may run a command."""
        try:
            return self._check(arguments)
        except BaseException as error:
            self.broken = error
            return (b"ERR interrupted", UNCOUNTED)

    def _check(self, arguments: tuple[Item, ...]) -> bool | tuple[Item, int]:
        argv: list[bytes] = []
        for argument in arguments:
            if type(argument) is bytes:
                argv.append(argument)
            elif type(argument) is int or type(argument) is float:
                argv.append(spell(argument))
            else:
                return (errors.SCRIPT_ARGUMENT_TYPE.encode(), UNCOUNTED)
        if not argv:
            return (errors.SCRIPT_WITHOUT_ARGUMENT.encode(), UNCOUNTED)
        command = self._engine.resolve(argv)
        if not command.full_name:
            return (errors.SCRIPT_ACL_UNKNOWN_COMMAND.encode(), UNCOUNTED)
        if self.caller is None:
            return True
        return self._engine.acl.check(self.caller, command, argv) is None

    def register(self, *arguments: object) -> bytes | None:
        """Add a function to the library that is being loaded."""
        try:
            return self.on_register(*arguments)
        except CommandError as error:
            return str(error).encode("utf-8", "surrogateescape")
        except BaseException as error:
            self.broken = error
            return b"interrupted"

    def sha1(self, value: bytes) -> bytes:
        """Return the digest in hexadecimal digits."""
        return sha1(value, usedforsecurity=False).hexdigest().encode()


def _no_register(*_arguments: object) -> bytes | None:
    return b"redis.register_function can only be called on FUNCTION LOAD command"


def _no_runtime(*_arguments: object) -> Reply:
    raise AssertionError("a bridge without an interpreter")
