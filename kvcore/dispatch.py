"""From argv to reply: look the command up, test one combined gate, run the handler, commit what changed.

The usual command pays for one dictionary lookup, the arity check and one test of the gate. Everything unusual
(authentication, MULTI, subscriber mode, pause) is a bit in ``engine.gate | session.gate`` and goes through
:mod:`kvcore.gates`.

An execution unit is one command, one transaction or one script. Its effects, and the sessions its keys woke, are
handled when it ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

import kvcore.commands  # noqa: F401 - fills the registry
from kvcore import errors
from kvcore.acl.control import AccessControl
from kvcore.blocking import STILL_BLOCKED, Blocked, BlockingQueues
from kvcore.clock import Clock
from kvcore.command import (
    ADMIN,
    BLOCKING,
    EXTENSIONS,
    FAST,
    NO_MULTI,
    REGISTRY,
    SKIP_MONITOR,
    SKIP_SLOWLOG,
    Command,
)
from kvcore.effects import EVERYWHERE, Effects
from kvcore.errors import CommandError, ConfigError
from kvcore.gates import BUSY, HOLDING, NESTED, NOT_QUEUED, PAUSED, Gates
from kvcore.latency import NEVER_NS, TAIL_NS, WINDOW, CommandTimes, LatencyMonitor
from kvcore.monitor import Listener, format_line
from kvcore.replies import NO_REPLY, Reply
from kvcore.session import (
    CLOSE,
    PUSHES,
    REPLY_OFF,
    RESTRICTED,
    TRACKED,
    Session,
)
from kvcore.slowlog import SlowLog, shown
from kvcore.statistics import Statistics

if TYPE_CHECKING:
    from kvcore.call import Call
    from kvcore.engine import Engine
    from kvcore.eviction import Evictor
    from kvcore.keyspace import Keyspace
    from kvcore.scripting.scripts import Scripts
    from kvcore.tracking import Tracking

logger = logging.getLogger("kvcore.dispatch")

UNRESOLVED: Final = Command("", lambda *_: None, arity=0)
"""The record of names that no command has; no argument count fits it."""

_HTTP: Final = frozenset({b"post", b"host:"})


def declared_commands() -> dict[bytes, Command]:
    """Return fresh records of all commands, those of extensions included, in lower and upper case."""
    return REGISTRY.bind() | EXTENSIONS.bind()


def rename(commands: dict[bytes, Command], name: bytes, new: bytes) -> None:
    """Let a command go by another name, or by none if ``new`` is empty; raise ConfigError (`rename-command`)."""
    command = commands.get(name.lower())
    if command is None:
        raise ConfigError(errors.AclReasons.RENAME_UNKNOWN)
    if new.lower() in commands:
        raise ConfigError(errors.AclReasons.RENAME_TAKEN)
    for spelling in (name.lower(), name.upper()):
        del commands[spelling]
    if new:
        commands[new.lower()] = commands[new.upper()] = command


class Dispatcher(Gates):
    """Runs commands. The engine is one, with databases and a life of its own."""

    __slots__ = (
        "_steady_ns",
        "acl",
        "batching",
        "blocking",
        "caching",
        "clock",
        "commands",
        "effects",
        "eviction",
        "hide_user_data",
        "keyspace",
        "latency",
        "monitors",
        "notable_ns",
        "originals",
        "scripts",
        "slow_ns",
        "slowlog",
        "slowlog_limit",
        "statistics",
        "tracking",
        "window",
    )

    caching: Tracking
    keyspace: Keyspace
    eviction: Evictor
    scripts: Scripts

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self._steady_ns = clock.steady_ns
        self.commands = declared_commands()
        self.originals = {name: command for name, command in self.commands.items() if name.islower()}
        """The commands by the names they were declared with, whatever `rename-command` calls them."""
        self.acl = AccessControl(cast("Engine", self))
        self.statistics = Statistics()
        self.effects = Effects()
        self.slowlog = SlowLog()
        self.latency = LatencyMonitor()
        self.slow_ns = NEVER_NS
        self.tracking = True
        """`latency-tracking`: histograms of the commands' times are kept."""
        self.window = 0
        """Commands left to be looked at whatever their time."""
        self.notable_ns = 0
        """Commands of this length are looked at: the least of all limits, so that the others cost one comparison."""
        self.watch_some()
        self.slowlog_limit = 128
        self.blocking = BlockingQueues(cast("Engine", self))
        self.monitors: dict[Session | Listener, None] = {}
        self.batching = False
        """Commands of one read of a connection run: what belongs to the end of a turn waits for the last of them."""
        self.hide_user_data = False
        """`hide-user-data-from-log`: the log may not show what clients send."""

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
        if elapsed >= self.notable_ns or self.monitors or self.pending:
            self._conclude(session, command, argv, elapsed)
        return reply

    def execute_many(self, session: Session, commands: Sequence[list[bytes]], replies: list[Reply]) -> int:
        """Run commands in order, append their replies, return how many ran; stop where the front end must look first.

        The body is :meth:`execute`'s, again, for speed: a loop with its locals bound once, where a command's end is
        the next one's start, saves a tenth of a pipeline, and would cost a single command a third. Change both.
        """
        lookup = self.commands.get
        steady_ns = self._steady_ns
        keyspace = self.keyspace
        statistics = self.statistics
        call = session.call
        append = replies.append
        self.batching = True
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
            if elapsed >= self.notable_ns or self.monitors or self.pending:
                self._conclude(session, command, argv, elapsed)
            append(reply)
            if session.interrupt and self._stops(session):
                break
        self.batching = False
        if self.caching.broadcasts:
            self.caching.broadcast()
        return ran

    def _stops(self, session: Session) -> bool:
        """Whether the front end must look at what a command did to its session, which is more than to push after it."""
        if session.interrupt != PUSHES:
            return True
        session.release_pushes()
        return False

    def _conclude(self, session: Session, command: Command, argv: list[bytes], elapsed_ns: int) -> None:
        """Do what few commands need once they ran: latency, the slow log, MONITOR, the unit's end."""
        if elapsed_ns >= self.notable_ns:
            self._note_time(session, command, argv, elapsed_ns)
        if self.monitors and not command.bits & (SKIP_MONITOR | ADMIN):
            self.feed_monitors(session, argv)
        if self.pending:
            effects = self.effects
            units = effects.units
            self.finish_unit()
            if effects.units != units:
                session.last_write = effects.units
            if self.client_memory.changed:
                self.client_memory.survey(session)

    def _note_time(self, session: Session, command: Command, argv: list[bytes], elapsed_ns: int) -> None:
        """Look at the time of a command that took long, or is one of those looked at anyway."""
        if self.tracking:
            if command.times is None:
                command.times = CommandTimes()
            command.times.add(elapsed_ns)
            if self.window:
                self.window -= 1
                if not self.window:
                    self.watch_long()
        if elapsed_ns >= self.latency.threshold_ns:
            event = "fast-command" if command.bits & FAST else "command"
            self.latency.note(event, elapsed_ns, self.clock.now_us() // 1_000_000)
        if elapsed_ns >= self.slow_ns and session.blocked is None:
            # What is parked, on a key or because its script runs long, is logged when it ends.
            self._log_slow(session, command, argv, elapsed_ns)

    def watch_some(self) -> None:
        """Look at the next commands however quick they are, if anybody wants to know (see :mod:`kvcore.latency`)."""
        if self.tracking:
            self.window = WINDOW
            self.notable_ns = 0
        else:
            self.watch_long()

    def watch_long(self) -> None:
        """Look at commands only that are beyond a limit; call this when one of the limits changed."""
        self.window = 0
        self.notable_ns = min(self.slow_ns, self.latency.threshold_ns, TAIL_NS if self.tracking else NEVER_NS)

    def queue_all(self, session: Session, commands: list[list[bytes]]) -> bool:
        """Queue a whole transaction as MULTI and its commands would one by one; only EXEC is left to run. O(commands).

        False, and nothing is queued, where anything is unusual: a gate, a monitor, a command that cannot be queued.
        """
        if self.gate | session.gate or self.monitors:
            return False
        lookup = self.commands.get
        bits, common = 0, -1
        for argv in commands:
            command = lookup(argv[0])
            if command is None or command.subcommands is not None:
                command = self.resolve(argv)
            if not command.fewest <= len(argv) <= command.most or command.bits & NO_MULTI:
                return False
            if command.full_name in NOT_QUEUED:
                return False
            declared = self._declared_bits(session, command, argv) if command.bits & SKIP_MONITOR else command.bits
            bits |= declared
            common &= declared
        begin = self.originals[b"multi"]
        begin.calls += 1
        begin.handler(session.call)
        session.multi = commands
        session.multi_bits = bits
        session.multi_common = common
        return True

    def run_queue(self, session: Session, queue: list[list[bytes]], replies: list[Reply]) -> int:
        """Run queued commands, append their replies, return how many ran; stop before one that some gate is there for.

        The body is :meth:`execute_many`'s without what queueing has checked; the messages of SUBSCRIBE it would leave.
        """
        lookup = self.commands.get
        steady_ns = self._steady_ns
        call = session.call
        outer = self.gate & NESTED
        self.gate |= NESTED
        stamp = steady_ns()
        ran = 0
        try:
            for argv in queue:
                if self.gate & PAUSED or session.gate & (RESTRICTED | TRACKED):
                    break
                ran += 1
                command = lookup(argv[0])
                if command is None or command.subcommands is not None:
                    command = self.resolve(argv)
                call.argv = argv
                call.command = command
                try:
                    count = len(argv) - command.skip
                    if count == 1:
                        reply = command.handler(call, argv[-1])
                    elif count == 2:
                        reply = command.handler(call, argv[-2], argv[-1])
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
                    self.statistics.dirty += call.dirty
                    call.dirty = 0
                    if self.effects.listening:
                        self._log_effects(call)
                if elapsed >= self.notable_ns or self.monitors or self.pending:
                    self._conclude(session, command, argv, elapsed)
                if reply is not NO_REPLY:
                    replies.append(reply)
        finally:
            self.gate = self.gate & ~NESTED | outer
        return ran

    def execute_nested(self, session: Session, argv: list[bytes]) -> Reply:
        """Run a command inside the present execution unit: EXEC and scripts run many."""
        outer = self.gate & NESTED
        self.gate |= NESTED
        try:
            return self.execute(session, argv)
        finally:
            self.gate = self.gate & ~NESTED | outer

    # Scripts

    def run_checked(self, session: Session, command: Command, argv: list[bytes], targets: int) -> Reply:
        """Run a command that a script has looked up and checked, inside the present execution unit.

        ``targets`` is who hears of its effects. The body is :meth:`execute`'s without the gates.
        """
        call = session.call
        call.argv = argv
        call.command = command
        stamp = self._steady_ns()
        try:
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
            if not targets:
                call.effects = None
            elif self.effects.listening:
                self.effects.targets = targets
                self._log_effects(call)
                self.effects.targets = EVERYWHERE
        if elapsed >= self.notable_ns or self.monitors or self.pending:
            self._conclude(session, command, argv, elapsed)
        return reply

    def conclude_parked(self, call: Call, outcome: Callable[[], Reply], elapsed_ns: int, parked_ns: int) -> Reply:
        """End the execution unit of a command that was parked while its script ran long; return its reply."""
        try:
            reply = outcome()
        except CommandError as error:
            reply = self._refused(call, error)
        except Exception:
            reply = self._handler_failed(call)
        call.command.time_ns += parked_ns
        self._note_time(call.session, call.command, call.argv, elapsed_ns)
        self.finish_unit()
        return reply

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

    def _log_effects(self, call: Call) -> None:
        """Log what a command changed: itself, or what its handler propagates in its place."""
        effects = call.effects if call.effects_of is call.argv else None
        for effect in [call.argv] if effects is None else effects:
            self.effects.add(call.db, effect)
        call.effects = None
        self.pending = True

    def finish_unit(self) -> None:
        """End an execution unit: hand over its effects, then serve the sessions its keys woke."""
        caching = self.caching
        if caching.sessions:
            caching.remember()
        if self.gate & (NESTED | BUSY):
            return
        self.pending = False
        self.eviction.access_clock.held = False
        self.effects.flush()
        if caching.sessions:
            caching.end()
        if self.blocking.ready:
            self.blocking.serve()
        if self.blocking.paused and (self.pause_eased or not self.gate & (PAUSED | HOLDING)):
            self.pause_eased = False
            self.blocking.resume_all_paused()
        if caching.sessions:
            caching.finish()
            if caching.broadcasts and not self.batching:
                caching.broadcast()

    def resume(self, blocked: Blocked, key: bytes) -> Reply:
        """Retry a parked command as an execution unit of its own."""
        call = blocked.session.call
        self.keyspace.unit_ms = 0
        caching = self.caching
        caching.serving, caching.served = blocked, key
        stamp = self._steady_ns()
        try:
            reply: Reply = blocked.retry(key)
        except CommandError as error:
            reply = self._refused(call, error)
        except Exception:
            # The command that signalled the key is another client's, and is done: it must not see this.
            reply = self._handler_failed(call)
        finally:
            caching.serving = None
        if call.dirty:
            self.statistics.dirty += call.dirty
            call.dirty = 0
            if self.effects.listening:
                self._log_effects(call)
                self.effects.flush()
                call.session.last_write = self.effects.units
        if reply is not STILL_BLOCKED:
            self.note_unblocked(call, self._steady_ns() - stamp)
        return reply

    def note_unblocked(self, call: Call, elapsed_ns: int) -> None:
        """Look at the time that serving a parked command took: its parking was neither slow nor a call of its own."""
        call.command.time_ns += elapsed_ns
        if elapsed_ns >= self.latency.threshold_ns:
            self.latency.note("command-unblocking", elapsed_ns, self.clock.now_us() // 1_000_000)
        if elapsed_ns >= self.slow_ns:
            self._log_slow(call.session, call.command, call.argv, elapsed_ns)

    def _refused(self, call: Call, error: CommandError) -> CommandError:
        # Its traceback points at the frame that points back at it: a cycle for each error a client can make.
        error.__traceback__ = None
        call.command.failed += 1
        if not call.dirty:
            call.effects = None
        self.statistics.count_error(error.code)
        return error

    def feed_monitors(self, session: Session, argv: list[bytes]) -> None:
        """Show a command to the sessions in MONITOR mode, unless a data set is on its way in."""
        if self.replays_file or self.receiving:
            return
        line = ""
        for monitor in self.monitors:
            if not isinstance(monitor, Session):
                monitor.heard(session, argv)
            elif not monitor.interrupt & REPLY_OFF:
                line = line or format_line(self.clock.now_us(), session.call.db.index, session.peer.address, argv)
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
        logger.exception("Handler of '%s' failed on %s", call.command.full_name, shown(call.argv, self.hide_user_data))
        return CommandError(errors.INTERNAL)
