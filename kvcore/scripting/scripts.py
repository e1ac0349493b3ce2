"""The scripts of an engine: the cache, running them, and their time limit.

What lives here: what is true of every run, of a script as of a function: flags, statistics of errors, BUSY and KILL,
giving way to other clients. What must not: Lua (:mod:`kvcore.scripting.runtime`), `redis.*`
(:mod:`kvcore.scripting.bridge`). The rule: whatever may run a script goes through :meth:`Scripts.enter` once, at the
level of the client's command, so that a transaction is held up as a whole.

A script past `busy-reply-threshold` lets other clients in every few milliseconds. They are told BUSY, save for the few
commands that may stop it. How they are let in is the front end's business (:class:`kvcore.ports.ScriptTurns`): the
script is parked like a blocking command and goes on in slices, or the engine lock is free for a moment.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.blocking import Blocked
from kvcore.command import DENYOOM, MAY_REPLICATE, STALE, WRITE, Command
from kvcore.errors import CommandError
from kvcore.ports import PARKED, RunThrough, ScriptTurns
from kvcore.replies import Reply
from kvcore.resp.inline import split_arguments
from kvcore.scripting.bridge import Bridge
from kvcore.scripting.convert import CountedError
from kvcore.scripting.runtime import CompileError, Failure, Function, LuaMissingError, Runtime, as_error

if TYPE_CHECKING:
    from kvcore.call import Call
    from kvcore.engine import Engine
    from kvcore.session import Session

logger = logging.getLogger("kvcore.scripting")

NO_WRITES: Final = 1
ALLOW_OOM: Final = 2
ALLOW_STALE: Final = 4
NO_CLUSTER: Final = 8
ALLOW_CROSS_SLOT: Final = 16
COMPATIBLE: Final = 32
"""No shebang: a script of the time before flags. Its commands are looked at one by one instead."""

FLAGS: Final = {
    b"no-writes": NO_WRITES,
    b"allow-oom": ALLOW_OOM,
    b"allow-stale": ALLOW_STALE,
    b"no-cluster": NO_CLUSTER,
    b"allow-cross-slot-keys": ALLOW_CROSS_SLOT,
}

_NESTED: Final = 2  # dispatch.NESTED; that module imports this one

_SLICE_NS: Final = 2_000_000
"""How long a busy script runs between two turns of the others."""

_SCRIPT_BYTES: Final = 300
"""What a cached script takes beside its body, roughly; only INFO wants to know."""


class Script:
    """A cached script."""

    __slots__ = ("body", "brief", "flags", "function", "sha")

    def __init__(self, sha: bytes, body: bytes, flags: int, function: Function, brief: bool) -> None:
        self.sha = sha
        """The SHA-1 of the body, in lower case hexadecimal digits."""
        self.body = body
        self.flags = flags
        self.function = function
        self.brief = brief
        """It must end soon, and is run without further ado."""


class Run:
    """A script or function that runs now."""

    __slots__ = ("argv", "bridge", "busy", "is_function", "killed", "name", "slice_ns", "started_ns")

    bridge: Bridge

    def __init__(self) -> None:
        self.argv: list[bytes] = []
        """The client's command."""
        self.name = b""
        """The function's name, or the script's SHA-1."""
        self.is_function = False
        self.started_ns = 0
        """When the clock was first looked at, some thousand instructions after the start; 0 before."""
        self.busy = False
        """It ran past the limit."""
        self.killed = False
        self.slice_ns = 0


class Scripts:
    """What an engine knows of Lua."""

    __slots__ = (
        "_attempt",
        "_bodies",
        "_cache",
        "_engine",
        "_inside",
        "_parked",
        "_run",
        "_runtime",
        "bridge",
        "limit_ns",
        "memory_limit",
        "running",
        "turns",
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cache: dict[bytes, Script] = {}
        self._bodies: dict[bytes, Script] = {}
        self._runtime: Runtime | None = None
        self.bridge: Bridge | None = None
        self.turns: ScriptTurns = RunThrough()
        """How a script that runs long lets other clients in; a front end brings its own."""
        self.running: Run | None = None
        self.limit_ns = 0
        """`busy-reply-threshold`; 0 is none."""
        self.memory_limit = 0
        """`lua-max-memory` in bytes."""
        self._inside = False
        self._run = Run()
        self._attempt = _Attempt()
        self._parked: Blocked | None = None

    # Figures for INFO

    @property
    def count(self) -> int:
        """Scripts in the cache (number_of_cached_scripts)."""
        return len(self._cache)

    @property
    def lua_bytes(self) -> int:
        """What the interpreter of scripts takes (used_memory_lua, used_memory_vm_eval)."""
        return 0 if self._runtime is None else self._runtime.memory_bytes

    @property
    def cache_bytes(self) -> int:
        """What the cache takes beside the interpreter (used_memory_scripts_eval)."""
        return sum(len(script.body) + _SCRIPT_BYTES for script in self._cache.values())

    # The cache

    def get(self, sha: bytes) -> Script | None:
        """Return a script by its SHA-1, in any case of letters."""
        return self._cache.get(sha) or self._cache.get(sha.lower())

    def add(self, body: bytes) -> Script:
        """Return the script of this body, compiled now if it is new; raise CommandError. O(size) if new."""
        script = self._bodies.get(body)
        if script is not None:
            return script
        sha = sha1(body, usedforsecurity=False).hexdigest().encode()
        flags, skipped = parse_shebang(body)
        try:
            runtime = self.runtime()
            function = runtime.compile(body[skipped:], b"@user_script")
        except CompileError as error:
            raise CommandError(errors.script_does_not_compile(str(error))) from None
        script = self._cache[sha] = self._bodies[body] = Script(sha, body, flags, function, runtime.brief)
        return script

    def flush(self) -> None:
        """Forget every script and end the interpreter."""
        self._cache.clear()
        self._bodies.clear()
        self._runtime = None
        self.bridge = None
        self._run = Run()  # the last one knows the bridge

    def runtime(self) -> Runtime:
        """Return the interpreter of scripts, made now if there is none; raise CommandError without lupa."""
        if self._runtime is None:
            self.bridge = Bridge(self._engine, self.checkpoint)
            self._runtime = self.new_runtime(self.bridge)
        return self._runtime

    def new_runtime(self, bridge: Bridge, *, functions: bool = False) -> Runtime:
        """Make an interpreter for ``bridge``; raise CommandError without lupa."""
        try:
            runtime = Runtime(bridge, self.memory_limit, functions=functions)
        except LuaMissingError as error:
            raise CommandError(str(error)) from None
        bridge.runtime, bridge.run = runtime, runtime.run
        return runtime

    # Running

    def run_script(self, call: Call, script: Script, key_count: int, words: Sequence[bytes], read_only: bool) -> Reply:
        """Run a cached script for a client; the reply, an error raised, or a Blocked if it runs long."""
        bridge, flags = self.bridge, script.flags
        assert bridge is not None
        if not flags & COMPATIBLE:
            read_only = self._check_flags(call, flags, read_only)
        allow_oom = bool(flags & (ALLOW_OOM | NO_WRITES))
        job = (call, bridge, script.sha, read_only, allow_oom, False, bridge.run, (script.function, key_count, words))
        if script.brief or self._inside or not self.turns.parks:
            return self._perform(*job)
        return self._enter(call, self._perform, job)

    def run(
        self,
        call: Call,
        bridge: Bridge,
        body: Callable[[], Reply | Failure],
        name: bytes,
        flags: int,
        read_only: bool,
        *,
        is_function: bool = False,
    ) -> Reply:
        """Run ``body``, which enters Lua, as the script or function ``name`` of a client.

        ``flags`` are its own, ``read_only`` what the command (EVAL_RO ...) asks for.
        """
        if not flags & COMPATIBLE:
            read_only = self._check_flags(call, flags, read_only)
        allow_oom = bool(flags & (ALLOW_OOM | NO_WRITES))
        return self._enter(call, self._perform, (call, bridge, name, read_only, allow_oom, is_function, body, ()))

    def _check_flags(self, call: Call, flags: int, read_only: bool) -> bool:
        """Raise CommandError if a script with flags may not begin; return whether it may only read."""
        refusal = self._refusal(call, flags, read_only)
        if refusal:
            raise CommandError(refusal)
        return read_only or bool(flags & NO_WRITES)

    def declared_bits(self, command: Command, argv: list[bytes]) -> int:
        """Return the flags of a command that runs a script, as the script's own flags make them."""
        flags = self._declared_flags(command, argv[1])
        if flags & COMPATIBLE:
            is_known = command.name.startswith("eval_") or command.name == "eval" or self.get(argv[1]) is not None
            return command.bits & ~STALE if is_known else command.bits
        bits = command.bits & ~(STALE | DENYOOM | WRITE | MAY_REPLICATE)
        if not flags & NO_WRITES:
            bits |= WRITE
        if not flags & (ALLOW_OOM | NO_WRITES):
            bits |= DENYOOM
        if flags & ALLOW_STALE:
            bits |= STALE
        return bits

    def _declared_flags(self, command: Command, name: bytes) -> int:
        if command.name.startswith("fcall"):
            function = self._engine.functions.libraries.find(name)
            return COMPATIBLE if function is None else function.flags
        if command.name.startswith("evalsha"):
            script = self.get(name)
            return COMPATIBLE if script is None else script.flags
        try:
            return parse_shebang(name)[0]
        except CommandError:
            return COMPATIBLE

    def _refusal(self, call: Call, flags: int, read_only: bool) -> str:
        """Return why a script with flags may not begin, empty if it may."""
        engine = self._engine
        if not flags & (ALLOW_OOM | NO_WRITES) and engine.lacks_memory():
            return errors.OUT_OF_MEMORY  # what its flags make of the command is refused like any other
        if not flags & NO_WRITES:
            refusal = engine.script_write_refusal(call.session)
            if refusal:
                return refusal
            if read_only:
                return errors.SCRIPT_WRITES_IN_READ_ONLY
        return ""

    def _perform(
        self,
        call: Call,
        bridge: Bridge,
        name: bytes,
        read_only: bool,
        allow_oom: bool,
        is_function: bool,
        body: Callable[..., Reply | Failure],
        arguments: tuple[object, ...],
    ) -> Reply:
        engine = self._engine
        bridge.begin(call.session, read_only, allow_oom)
        if engine.monitors:
            engine.feed_monitors(call.session, call.argv)
        run = self._run  # one for all: making it would take a tenth of a short script's time
        if run.started_ns or run.killed:
            run = self._run = Run()
        run.bridge, run.name, run.is_function, run.argv = bridge, name, is_function, call.argv
        self.running = run
        outer = engine.gate
        engine.gate = outer | _NESTED
        try:
            result = body(*arguments)
        finally:
            engine.gate = engine.gate & ~_NESTED | outer & _NESTED
            self.running = None
            bridge.end()
        if type(result) is bytes and bridge.broken is None:
            return result
        if bridge.broken is not None:
            broken, bridge.broken = bridge.broken, None
            raise broken
        if isinstance(result, Failure):
            error = as_error(result, name)
            self._count_errors(call, [CountedError() if result.counted else error])
            return error
        if result is not None and type(result) is not int:
            assert bridge.runtime is not None
            self._count_errors(call, bridge.runtime.errors)
        return result

    def _count_errors(self, call: Call, found: list[CommandError]) -> None:
        """Count the errors in a reply; those that a command has counted are failures of the call only."""
        fresh = [error for error in found if not isinstance(error, CountedError)]
        call.command.failed += len(found) - len(fresh) + bool(fresh)
        for error in fresh:
            self._engine.statistics.count_error(error.code if " " in str(error)[:32] else "ERR")

    # Time

    def enter(self, call: Call, job: Callable[[], Reply]) -> Reply:
        """Run a client's command that runs scripts; return its reply, or a Blocked if it gave way to others.

        The reply then goes to ``session.deliver``, under the engine lock.
        """
        return self._enter(call, job, ())

    def _enter(self, call: Call, job: Callable[..., Reply], arguments: tuple[object, ...]) -> Reply:
        turns = self.turns
        if self._inside or not turns.parks:
            return job(*arguments)
        self._inside = True
        attempt = self._attempt  # one is enough: nothing else enters while it is parked
        attempt.call, attempt.job, attempt.arguments = call, job, arguments
        if turns.run(attempt, self._end) is PARKED:
            session = call.session
            attempt.parked_ns = self._engine.clock.steady_ns()
            self._parked = blocked = Blocked(session, call.db, (), 0, _never, None)
            self._engine.blocking.add(blocked)
            return blocked
        self._inside = False
        if attempt.error is not None:
            return attempt.outcome()
        reply, attempt.reply, attempt.arguments = attempt.reply, None, ()
        return reply

    def _end(self) -> None:
        """Deliver the reply of a command that was parked. Called under the lock."""
        self._inside = False
        blocked, self._parked = self._parked, None
        attempt = self._attempt
        call = attempt.call
        assert blocked is not None
        assert call is not None
        engine, session = self._engine, blocked.session
        has_left = blocked.done
        engine.blocking.remove(blocked)
        parked_ns = engine.clock.steady_ns() - attempt.parked_ns
        reply = engine.conclude_parked(call, attempt.outcome, self.limit_ns + parked_ns, parked_ns)
        attempt.call = None
        if has_left:
            del call.session  # nothing here needs it any more
        else:
            session.deliver(reply)

    def holds(self, session: Session) -> bool:
        """Say whether a session's command is parked here: its client may go, but not its state."""
        return self._parked is not None and self._parked.session is session

    def checkpoint(self) -> bool:
        """Let others in if the script has run long; True kills it. The hook calls this."""
        run = self.running
        if run is None:
            return False  # a library is being loaded
        if run.bridge.broken is not None:
            return True
        try:
            return self._look(run)
        except BaseException as error:
            run.bridge.broken = error
            return True

    def _look(self, run: Run) -> bool:
        if run.killed or not self.limit_ns:
            return run.killed
        now_ns = self._engine.clock.steady_ns()
        if not run.busy:
            if not run.started_ns:
                run.started_ns = now_ns
            if now_ns - run.started_ns < self.limit_ns:
                return False
            run.busy = True
            logger.warning("Slow script detected: still in execution after %d ms.", (now_ns - run.started_ns) // 10**6)
        elif now_ns - run.slice_ns < _SLICE_NS:
            return False
        engine = self._engine
        unit_ms = engine.keyspace.unit_ms
        engine.set_busy(True)
        try:
            self.turns.yield_now()
        finally:
            engine.set_busy(False)
            engine.keyspace.unit_ms = unit_ms
        run.slice_ns = engine.clock.steady_ns()
        return run.killed

    def busy_error(self) -> str:
        """Return what others are told while a script runs past its limit."""
        return errors.BUSY_FUNCTION if self.running is not None and self.running.is_function else errors.BUSY_SCRIPT

    def kill(self, *, function: bool = False) -> None:
        """Do SCRIPT KILL or FUNCTION KILL; raise CommandError if there is nothing that may be killed."""
        run = self.running
        if run is None:
            raise CommandError(errors.NOT_BUSY)
        if run.bridge.wrote:
            raise CommandError(errors.UNKILLABLE)
        if function != run.is_function:
            raise CommandError(self.busy_error())
        run.killed = True

    def abandon(self) -> None:
        """End whatever runs: the process is about to end."""
        if self.running is not None:
            self.running.killed = True


class _Attempt:
    """A job, and how it went."""

    __slots__ = ("arguments", "call", "error", "job", "parked_ns", "reply")

    def __init__(self) -> None:
        self.call: Call | None = None
        self.job: Callable[..., Reply] = _never
        self.arguments: tuple[object, ...] = ()
        self.reply: Reply = None
        self.error: BaseException | None = None
        self.parked_ns = 0

    def __call__(self) -> None:
        try:
            self.reply = self.job(*self.arguments)
        except BaseException as error:
            self.error = error

    def outcome(self) -> Reply:
        """Return the reply, or raise what the job raised."""
        reply, error = self.reply, self.error
        self.reply = self.error = None
        self.arguments = ()
        if error is not None:
            raise error
        return reply


def _never(_key: bytes) -> Reply:
    raise AssertionError("a parked script waits for no key")


def parse_shebang(body: bytes) -> tuple[int, int]:
    """Return a script's flags, and the length of the first line if that names them; raise CommandError."""
    if not body.startswith(b"#!"):
        return COMPATIBLE, 0
    end = body.find(b"\n")
    if end < 0:
        raise CommandError(errors.SHEBANG_INVALID)
    words = split_arguments(body[:end])
    if words is None:
        raise CommandError(errors.SHEBANG_SPLIT)
    if words[0] != b"#!lua":
        raise CommandError(errors.shebang_engine(words[0]))
    flags = 0
    for word in words[1:]:
        if not word.startswith(b"flags="):
            raise CommandError(errors.shebang_option(word))
        for name in word[len(b"flags=") :].split(b","):
            if name == b"" and word == b"flags=":
                continue
            if name not in FLAGS:
                raise CommandError(errors.shebang_flag(name))
            flags |= FLAGS[name]
    return flags, end
