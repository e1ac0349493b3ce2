"""From argv to reply: look the command up, test one combined gate, run the handler, commit what changed.

The usual command pays for one dictionary lookup, the arity check and one test of the gate. Everything unusual
(authentication, MULTI, subscriber mode, pause) is a bit in ``engine.gate | session.gate`` and goes through
:meth:`Dispatcher.pass_gates`, in the order of the real server's checks.

An execution unit is one command, one transaction or one script. Its effects, and the sessions its keys woke, are
handled when it ends.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

import kvcore.commands  # noqa: F401 - fills the registry
from kvcore import errors
from kvcore.blocking import Blocked, BlockingQueues
from kvcore.clock import Clock
from kvcore.command import (
    ADMIN,
    BLOCKING,
    DENYOOM,
    MAY_REPLICATE,
    NO_AUTH,
    NO_MULTI,
    READONLY,
    REGISTRY,
    SKIP_MONITOR,
    SKIP_SLOWLOG,
    WRITE,
    Command,
)
from kvcore.commands.transactions import abandon
from kvcore.effects import Effects
from kvcore.errors import CommandError
from kvcore.monitor import format_line
from kvcore.replies import NO_REPLY, QUEUED, Reply
from kvcore.session import CLOSE, IN_MULTI, NEEDS_AUTH, NO_TOUCH, OBSERVER, REPLY_OFF, SUBSCRIBED, Session
from kvcore.slowlog import SlowLog
from kvcore.statistics import Statistics

if TYPE_CHECKING:
    from kvcore.call import Call
    from kvcore.engine import Engine
    from kvcore.eviction import Evictor
    from kvcore.keyspace import Keyspace

logger = logging.getLogger("kvcore.dispatch")

PAUSED: Final = 1
"""Engine gate bit: CLIENT PAUSE holds commands back."""

NESTED: Final = 2
"""Engine gate bit: a transaction or script is running; its commands belong to its execution unit."""

MAXMEMORY: Final = 4
"""Engine gate bit: there is a memory limit."""

_NOT_QUEUED: Final = frozenset({"exec", "discard", "multi", "watch", "quit", "reset"})
_WHILE_SUBSCRIBED: Final = frozenset(
    {
        "subscribe",
        "unsubscribe",
        "psubscribe",
        "punsubscribe",
        "ssubscribe",
        "sunsubscribe",
        "ping",
        "quit",
        "reset",
    }
)
_WITHOUT_MEMORY: Final = frozenset({"exec", "discard", "quit", "reset"})
"""Commands that end a transaction, or may: in MULTI every other one takes memory, for its place in the queue."""

UNRESOLVED: Final = Command("", lambda *_: None, arity=0)
"""The record of names that no command has; no argument count fits it."""

_HTTP: Final = frozenset({b"post", b"host:"})
_NEVER_SLOW: Final = 1 << 62


class Dispatcher:
    """Runs commands. The engine is one, with databases and a life of its own."""

    __slots__ = (
        "_steady_ns",
        "blocking",
        "clock",
        "commands",
        "effects",
        "eviction",
        "gate",
        "keyspace",
        "monitors",
        "pause_all",
        "pause_until_ms",
        "pending",
        "slow_ns",
        "slowlog",
        "slowlog_limit",
        "statistics",
    )

    keyspace: Keyspace
    eviction: Evictor

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._steady_ns = clock.steady_ns
        self.commands: dict[bytes, Command] = REGISTRY.bind()
        self.statistics = Statistics()
        self.effects = Effects()
        self.slowlog = SlowLog()
        self.slow_ns = _NEVER_SLOW
        self.slowlog_limit = 128
        self.blocking = BlockingQueues(cast("Engine", self))
        self.monitors: dict[Session, None] = {}
        self.gate = 0
        self.pause_until_ms = 0
        self.pause_all = False
        self.pending = False
        """Something waits for the end of the execution unit: effects, ready keys, paused sessions."""

    def execute(self, session: Session, argv: list[bytes]) -> Reply:
        """Run one command and return its reply; errors are returned, not raised.

        ``argv`` holds at least the name. A parked command returns a :class:`~kvcore.blocking.Blocked`, and its reply
        comes through ``session.deliver``. The caller holds the engine lock.
        """
        command = self.commands.get(argv[0])
        count = len(argv)
        if command is None or command.subcommands is not None:
            command = self.resolve(argv)
        if not command.fewest <= count <= command.most:
            return self._refuse(session, command, argv)
        if self.gate | session.gate:
            answer = self.pass_gates(session, command, argv)
            if answer is not None:
                return answer
        else:
            self.keyspace.unit_ms = 0
        call = session.call
        call.argv = argv
        call.command = command
        stamp = self._steady_ns()
        try:
            # One to three arguments are most of all calls; unpacking a slice would cost them 100 ns.
            count -= command.skip
            if count == 1:
                reply = command.handler(call, argv[-1])
            elif count == 2:
                reply = command.handler(call, argv[-2], argv[-1])
            elif count == 3:
                reply = command.handler(call, argv[-3], argv[-2], argv[-1])
            else:
                reply = command.handler(call, *argv[command.skip :])
        except CommandError as error:
            reply = self._refused(call, error)
        except Exception:
            reply = self._handler_failed(call)
        elapsed = self._steady_ns() - stamp
        command.calls += 1
        command.time_ns += elapsed
        if call.dirty:
            self.statistics.dirty += call.dirty
            call.dirty = 0
            if self.effects.listening:
                self._log_effects(call)
        if elapsed >= self.slow_ns or self.monitors or self.pending:
            self._conclude(session, command, argv, elapsed)
        return reply

    def execute_many(self, session: Session, commands: Sequence[list[bytes]], replies: list[Reply]) -> int:
        """Run commands in order, append their replies, return how many ran.

        Stops early when one sets ``session.interrupt``: the front end must look before the next may run.

        The body is :meth:`execute`'s, again, for speed: a loop with its locals bound once, where a command's end is
        the next one's start, saves a tenth of a pipeline, and would cost a single command a third. Change both.
        """
        lookup = self.commands.get
        steady_ns = self._steady_ns
        keyspace = self.keyspace
        statistics = self.statistics
        call = session.call
        append = replies.append
        stamp = steady_ns()
        ran = 0
        for argv in commands:
            ran += 1
            command = lookup(argv[0])
            count = len(argv)
            if command is None or command.subcommands is not None:
                command = self.resolve(argv)
            if not command.fewest <= count <= command.most:
                append(self._refuse(session, command, argv))
                if session.interrupt:
                    break
                continue
            if self.gate | session.gate:
                answer = self.pass_gates(session, command, argv)
                if answer is not None:
                    append(answer)
                    if session.interrupt:
                        break
                    continue
            else:
                keyspace.unit_ms = 0
            call.argv = argv
            call.command = command
            try:
                # One to three arguments are most of all calls; unpacking a slice would cost them 100 ns.
                count -= command.skip
                if count == 1:
                    reply = command.handler(call, argv[-1])
                elif count == 2:
                    reply = command.handler(call, argv[-2], argv[-1])
                elif count == 3:
                    reply = command.handler(call, argv[-3], argv[-2], argv[-1])
                else:
                    reply = command.handler(call, *argv[command.skip :])
            except CommandError as error:
                reply = self._refused(call, error)
            except Exception:
                reply = self._handler_failed(call)
            now = steady_ns()
            elapsed = now - stamp
            stamp = now
            command.calls += 1
            command.time_ns += elapsed
            if call.dirty:
                statistics.dirty += call.dirty
                call.dirty = 0
                if self.effects.listening:
                    self._log_effects(call)
            if elapsed >= self.slow_ns or self.monitors or self.pending:
                self._conclude(session, command, argv, elapsed)
            append(reply)
            if session.interrupt:
                break
        return ran

    def _conclude(self, session: Session, command: Command, argv: list[bytes], elapsed_ns: int) -> None:
        """Do what few commands need once they ran: the slow log, MONITOR, the end of the execution unit."""
        if elapsed_ns >= self.slow_ns:
            self._log_slow(session, command, argv, elapsed_ns)
        if self.monitors and not command.bits & (SKIP_MONITOR | ADMIN):
            self.feed_monitors(session, argv)
        if self.pending:
            self.finish_unit()

    def execute_nested(self, session: Session, argv: list[bytes]) -> Reply:
        """Run a command inside the present execution unit: EXEC and scripts run many."""
        outer = self.gate & NESTED
        self.gate |= NESTED
        try:
            return self.execute(session, argv)
        finally:
            self.gate = self.gate & ~NESTED | outer

    def resolve(self, argv: list[bytes]) -> Command:
        """Find the record for ``argv``, any spelling and subcommands included; UNRESOLVED if there is none."""
        command = self.commands.get(argv[0]) or self.commands.get(argv[0].lower())
        if command is None:
            return UNRESOLVED
        if command.subcommands is None or len(argv) == 1:
            return command
        return command.subcommands.get(argv[1].lower(), UNRESOLVED)

    def _refuse(self, session: Session, command: Command, argv: list[bytes]) -> Reply:
        """Say what is wrong with a command that may not run as it stands."""
        if command is not UNRESOLVED:
            return self.reject(session, command, CommandError(errors.wrong_arity(command.full_name)))
        name = argv[0].lower()
        if name in self.commands:
            text = errors.unknown_subcommand(errors.text(argv[0]).upper(), argv[1])
        elif name in _HTTP:
            # A browser was made to send its request here: nothing it says after this may run.
            logger.warning("Possible SECURITY ATTACK detected: %s looks like HTTP", session.peer.address)
            session.interrupt |= CLOSE
            return NO_REPLY
        else:
            text = errors.unknown_command(argv)
        return self.reject(session, None, CommandError(text))

    def reject(self, session: Session, command: Command | None, error: CommandError) -> CommandError:
        """Refuse a command before it runs; inside MULTI the whole transaction is then refused, too."""
        if session.gate & IN_MULTI:
            session.multi_dirty = True
        if command is not None:
            command.rejected += 1
            if command.name == "exec":
                abandon(session)
                error = CommandError(errors.exec_refused(str(error)))
        self.statistics.count_error(error.code)
        return error

    def pass_gates(self, session: Session, command: Command, argv: list[bytes]) -> Reply | None:
        """Run the unusual checks; None lets the command run, anything else is the answer."""
        if self.gate & NESTED:
            # EXEC passed these gates for all of its commands, and a pause or a subscription begun among them waits.
            return None
        self.keyspace.unit_ms = 0
        gate = session.gate
        if gate & NEEDS_AUTH and not command.bits & NO_AUTH:
            return self.reject(session, command, CommandError(errors.NO_AUTH))
        if gate & IN_MULTI and command.bits & NO_MULTI:
            return self.reject(session, command, CommandError(errors.NOT_ALLOWED_IN_MULTI))
        if self.gate & MAXMEMORY and self._lacks_memory(session, command):
            return self.reject(session, command, CommandError(errors.OUT_OF_MEMORY))
        if gate & SUBSCRIBED and session.protocol == 2 and command.name not in _WHILE_SUBSCRIBED:
            return self.reject(session, command, CommandError(errors.not_while_subscribed(command.full_name)))
        if gate & OBSERVER and command.bits & (READONLY | WRITE | MAY_REPLICATE):
            return self.reject(session, command, CommandError(errors.OBSERVER_IN_KEYSPACE))
        if self.gate & PAUSED and self._held_back(session, command):
            return self._hold(session, argv)
        if gate & IN_MULTI and command.name not in _NOT_QUEUED:
            assert session.multi is not None
            session.multi.append(argv)
            session.multi_bits |= command.bits
            return QUEUED
        if gate & NO_TOUCH and command.name != "touch":
            self.eviction.access_clock.held = True
            self.pending = True
        return None

    def _lacks_memory(self, session: Session, command: Command) -> bool:
        """Evict what must go before any command; say whether this one may not run because that was not enough."""
        if self.gate & PAUSED:
            return False  # who pauses writes counts on a data set that stands still
        stuck = self.eviction.enforce()
        if self.pending:
            # The victims' deletions are units of their own, not part of this command's.
            self.finish_unit()
        if not stuck:
            return False
        bits = command.bits
        if session.gate & IN_MULTI:
            if command.name not in _WITHOUT_MEMORY:
                return True
            if command.name == "exec":
                bits |= session.multi_bits
        return bool(bits & DENYOOM)

    def _held_back(self, session: Session, command: Command) -> bool:
        if self.pause_all:
            return True
        bits = command.bits
        if command.name == "exec":
            bits |= session.multi_bits
        return bool(bits & (WRITE | MAY_REPLICATE))

    def _hold(self, session: Session, argv: list[bytes]) -> Blocked:
        def retry(_key: bytes) -> Reply:
            return self.execute(session, argv)

        blocked = Blocked(session, session.call.db, (), self.pause_until_ms, retry, None)
        self.blocking.add(blocked)
        return blocked

    def _log_effects(self, call: Call) -> None:
        """Log what a command changed: itself, or what its handler propagates in its place."""
        for effect in [call.argv] if call.effects is None else call.effects:
            self.effects.add(call.db, effect)
        call.effects = None
        self.pending = True

    def finish_unit(self) -> None:
        """End an execution unit: hand over its effects, then serve the sessions its keys woke."""
        if self.gate & NESTED:
            return
        self.pending = False
        self.eviction.access_clock.held = False
        self.effects.flush()
        if self.blocking.ready:
            self.blocking.serve()
        if self.blocking.paused and not self.gate & PAUSED:
            self.blocking.resume_all_paused()

    def resume(self, blocked: Blocked, key: bytes) -> Reply:
        """Retry a parked command as an execution unit of its own."""
        call = blocked.session.call
        self.keyspace.unit_ms = 0
        try:
            reply: Reply = blocked.retry(key)
        except CommandError as error:
            reply = self._refused(call, error)
        except Exception:
            # The command that signalled the key is another client's, and is done: it must not see this.
            reply = self._handler_failed(call)
        if call.dirty:
            self.statistics.dirty += call.dirty
            call.dirty = 0
            if self.effects.listening:
                self._log_effects(call)
                self.effects.flush()
        return reply

    def _refused(self, call: Call, error: CommandError) -> CommandError:
        # Its traceback points at the frame that points back at it: a cycle for each error a client can make.
        error.__traceback__ = None
        call.command.failed += 1
        if not call.dirty:
            call.effects = None
        self.statistics.count_error(error.code)
        return error

    def feed_monitors(self, session: Session, argv: list[bytes]) -> None:
        """Show a command to the sessions in MONITOR mode."""
        address = session.peer.address
        line = format_line(self.clock.now_us(), session.call.db.index, address, argv)
        for monitor in self.monitors:
            if not monitor.interrupt & REPLY_OFF:
                monitor.outbox.append(line)
                monitor.wake()

    def _log_slow(self, session: Session, command: Command, argv: list[bytes], elapsed_ns: int) -> None:
        # A blocking command's time is the time it ran; EXEC is left out because its commands are logged one by one.
        if command.bits & SKIP_SLOWLOG and not command.bits & BLOCKING:
            return
        address = session.peer.address.encode()
        now_s = self.clock.now_us() // 1_000_000
        self.slowlog.add(argv, elapsed_ns // 1000, now_s, address, session.name, self.slowlog_limit)

    def _handler_failed(self, call: Call) -> CommandError:
        """Answer for a handler with a bug: the client gets an error, the log the traceback, nobody else notices."""
        call.command.failed += 1
        self.statistics.unexpected_errors += 1
        self.statistics.count_error("ERR")
        if not call.dirty:
            call.effects = None
        logger.exception("Handler of '%s' failed on %r", call.command.full_name, call.argv[:8])
        return CommandError("ERR internal error, see the server's log")
