"""What may keep a command from running: the checks before it, in the order of the real server's.

Lives here: the gate bits, what the engine has to know to decide, the decisions. Must not live here: running anything
(:mod:`kvcore.dispatch`). The rule: whatever is unusual is a bit of ``engine.gate | session.gate``, so that the usual
command pays for one test; which bit it is, and what follows, is found out in :meth:`Gates.pass_gates`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.blocking import Blocked
from kvcore.command import (
    ALLOW_BUSY,
    DENYOOM,
    LOADING,
    MAY_REPLICATE,
    NO_ASYNC_LOADING,
    NO_AUTH,
    NO_MULTI,
    READONLY,
    SKIP_MONITOR,
    STALE,
    WRITE,
    Command,
)
from kvcore.commands.connection import protection
from kvcore.commands.transactions import abandon
from kvcore.errors import CommandError
from kvcore.latency import NEVER_NS
from kvcore.replies import QUEUED, Reply
from kvcore.session import IN_MULTI, NEEDS_AUTH, NO_TOUCH, OBSERVER, RESTRICTED, SUBSCRIBED, TRACKED, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvcore.acl.control import AccessControl
    from kvcore.blocking import BlockingQueues
    from kvcore.client_memory import ClientMemory
    from kvcore.clock import Clock
    from kvcore.config import Config
    from kvcore.eviction import Evictor
    from kvcore.keyspace import Keyspace
    from kvcore.latency import LatencyMonitor
    from kvcore.ports import Interceptor, Process
    from kvcore.scripting.scripts import Scripts
    from kvcore.statistics import Statistics
    from kvcore.tracking import Tracking

logger = logging.getLogger("kvcore.dispatch")

PAUSED: Final = 1
"""Engine gate bit: CLIENT PAUSE holds commands back, or one of the other ``BY_`` purposes does."""

BY_CLIENT: Final = 0
"""A pause's purpose: CLIENT PAUSE."""

BY_SHUTDOWN: Final = 1
"""A pause's purpose: the server is about to end."""

BY_FAILOVER: Final = 2
"""A pause's purpose: the server is about to change places with a replica."""

NESTED: Final = 2
"""Engine gate bit: a transaction or script is running; its commands belong to its execution unit."""

MAXMEMORY: Final = 4
"""Engine gate bit: there is a memory limit."""

BUSY: Final = 8
"""Engine gate bit: a script has run past `busy-reply-threshold`; the others are told so."""

HOLDING: Final = 16
"""Engine gate bit: keys are on their way to another server; what may write waits until it has answered."""

UNSAFE: Final = 32
"""Engine gate bit: what is written could not be kept (``disk_errors`` says why), and is refused."""

INTERCEPTED: Final = 64
"""Engine gate bit: the ``interceptor`` is asked before every command (fault injection)."""

REPLICA: Final = 128
"""Engine gate bit: the data set is a copy of another server's, whose commands alone may change it."""

RECEIVING: Final = 256
"""Engine gate bit: another data set is on its way in, and clients are to know: they hear LOADING, all or some."""

NOT_QUEUED: Final = frozenset({"exec", "discard", "multi", "watch", "quit", "reset"})
"""Commands that run after MULTI, too."""

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
_ON_DISK: Final = frozenset({"rdb", "aof"})
_UNSAFE_LOG_MS: Final = 10_000
_WITHOUT_MEMORY: Final = frozenset({"exec", "discard", "quit", "reset"})
"""Commands that end a transaction, or may: in MULTI every other one takes memory, for its place in the queue."""


class Gates:
    """The part of a dispatcher that says no, or not now."""

    __slots__ = (
        "_unsafe_logged_ms",
        "disk_errors",
        "gate",
        "ignores_limit",
        "interceptor",
        "pause_all",
        "pause_eased",
        "pause_until_ms",
        "pending",
        "read_only",
        "replays_file",
        "serves_old",
        "stale",
    )

    _steady_ns: Callable[[], int]
    acl: AccessControl
    blocking: BlockingQueues
    caching: Tracking
    client_memory: ClientMemory
    clock: Clock
    config: Config
    eviction: Evictor
    keyspace: Keyspace
    latency: LatencyMonitor
    process: Process
    scripts: Scripts
    statistics: Statistics

    def __init__(self) -> None:
        self.gate = 0
        self._unsafe_logged_ms = 0
        self.interceptor: Interceptor | None = None
        """What :meth:`intercept` put before every command."""
        self.pause_until_ms = 0
        self.pause_all = False
        self.pause_eased = False
        """Only what may write is held back now, and what else was still waits for the end of the execution unit."""
        self.read_only = False
        """On a replica: clients may not write."""
        self.replays_file = False
        """Commands come out of an append-only file: MONITOR does not show them."""
        self.stale = False
        """On a replica: without a link to its primary, clients may not even read."""
        self.serves_old = True
        """While another data set is on its way in, clients may read the old one."""
        self.ignores_limit = False
        """On a replica: the memory limit is the primary's business."""
        self.disk_errors: dict[str, str] = {}
        """The error for writing commands while snapshots (``rdb``) or the append only file (``aof``) fail, or too few
        ``replicas`` would have what they write."""
        self.pending = False
        """Something waits for the end of the execution unit: effects, ready keys, paused sessions."""

    def execute(self, session: Session, argv: list[bytes]) -> Reply:  # noqa: ARG002 - its subclass's arguments
        """Run a command: the dispatcher does."""
        raise AssertionError("gates run nothing")

    def finish_unit(self) -> None:
        """End an execution unit: the dispatcher does."""
        raise AssertionError("gates run nothing")

    @property
    def nested(self) -> bool:
        """Whether a transaction or script is running."""
        return bool(self.gate & NESTED)

    @property
    def busy(self) -> bool:
        """Whether a script has let others in, which it does once it has run long."""
        return bool(self.gate & BUSY)

    def set_busy(self, busy: bool) -> None:
        """Let other clients in while a script runs, most of them to hear BUSY; or go on with the script's unit."""
        if busy:
            self.gate = self.gate & ~NESTED | BUSY
        else:
            self.gate = self.gate & ~BUSY | NESTED

    @property
    def receiving(self) -> bool:
        """Whether another data set is on its way in, and clients know."""
        return bool(self.gate & RECEIVING)

    @property
    def is_replica(self) -> bool:
        """Whether the data set is a copy of another server's."""
        return bool(self.gate & REPLICA)

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is evicted here, because the primary decides what is there."""
        return bool(self.gate & REPLICA) and self.ignores_limit

    def pass_gates(self, session: Session, command: Command, argv: list[bytes]) -> Reply | None:
        """Run the unusual checks; None lets the command run, anything else is the answer."""
        if self.gate & NESTED:
            # EXEC passed these gates for all of its commands, and a pause or a subscription begun among them waits.
            if session.gate & TRACKED:
                self.caching.begin(session, command, argv)
            if self.gate & PAUSED:
                self.keyspace.frozen = not command.bits & WRITE  # who paused the others may write in that transaction
            return None
        self.keyspace.unit_ms = 0
        gate = session.gate
        if self.gate & REPLICA and session.kind == "master":
            return self._follow(session, command, argv)
        if self.interceptor is not None:
            answer = self.interceptor.before(session, command, argv, self._declared_bits(session, command, argv))
            if answer is not None:
                return self.reject(session, command, answer) if isinstance(answer, CommandError) else answer
        if refusal := protection(self.config, session, command.full_name):
            return self.reject(session, command, CommandError(refusal))
        if gate & NEEDS_AUTH and not command.bits & NO_AUTH:
            return self.reject(session, command, CommandError(errors.NO_AUTH))
        if gate & IN_MULTI and command.bits & NO_MULTI:
            return self.reject(session, command, CommandError(errors.NOT_ALLOWED_IN_MULTI))
        if gate & RESTRICTED:
            denial = self.acl.check(session, command, argv)
            if denial is not None:
                return self.reject(session, command, self.acl.refuse(session, command, argv, denial))
        if self.gate & MAXMEMORY and self._lacks_memory(session, command, argv):
            return self.reject(session, command, CommandError(errors.OUT_OF_MEMORY))
        if self.gate & UNSAFE and (refusal := self._unsafe(session, command, argv)):
            return self.reject(session, command, CommandError(refusal))
        if self.gate & REPLICA and (refusal := self._unfit_for_replica(session, command, argv)):
            return self.reject(session, command, CommandError(refusal))
        if gate & SUBSCRIBED and session.protocol == 2 and command.full_name not in _WHILE_SUBSCRIBED:
            return self.reject(session, command, CommandError(errors.not_while_subscribed(command.full_name)))
        if self.stale and not self._common_bits(session, command, argv) & STALE:
            return self.reject(session, command, CommandError(errors.STALE_REPLICA))
        if self.gate & RECEIVING and self._unfit_for_loading(session, command, argv):
            return self.reject(session, command, CommandError(errors.LOADING))
        if self.gate & BUSY and not command.bits & ALLOW_BUSY:
            return self.reject(session, command, CommandError(self.scripts.busy_error()))
        if gate & OBSERVER and command.bits & (READONLY | WRITE | MAY_REPLICATE):
            return self.reject(session, command, CommandError(errors.OBSERVER_IN_KEYSPACE))
        if self.gate & PAUSED:
            self.keyspace.frozen = True
        if self.gate & (PAUSED | HOLDING) and self._held_back(session, command, argv):
            return self._hold(session, argv)
        if gate & TRACKED:
            self.caching.accept(session, command)
        if gate & IN_MULTI and command.full_name not in NOT_QUEUED:
            assert session.multi is not None
            session.multi.append(argv)
            bits = self._declared_bits(session, command, argv)
            session.multi_bits |= bits
            session.multi_common &= bits
            if self.client_memory.limit:
                self.client_memory.queued(session, argv)
            return QUEUED
        if gate & NO_TOUCH and command.name != "touch":
            self.eviction.access_clock.held = True
            self.pending = True
        if gate & TRACKED:
            self.caching.begin(session, command, argv)
        return None

    def _follow(self, session: Session, command: Command, argv: list[bytes]) -> Reply | None:
        """Let a command of the primary's run, whatever would keep a client's from running; queue it after MULTI."""
        if self.gate & UNSAFE and command.bits & WRITE and self.disk_errors.keys() & _ON_DISK:
            self._follow_unsafely()
        if session.gate & IN_MULTI and command.full_name not in NOT_QUEUED:
            assert session.multi is not None
            session.multi.append(argv)
            return QUEUED
        return None

    def _follow_unsafely(self) -> None:
        """Go on although what the primary sends cannot be kept on disk, or end the process."""
        if not self.config.flag("replica-ignore-disk-write-errors"):
            logger.critical("Replica was unable to write command to disk.")
            self.process.crash(False)
        now_ms = self.keyspace.now_ms()
        if now_ms >= self._unsafe_logged_ms + _UNSAFE_LOG_MS:
            self._unsafe_logged_ms = now_ms
            logger.warning("Replica is applying a command even though it is unable to write to disk.")

    def _unfit_for_replica(self, session: Session, command: Command, argv: list[bytes]) -> str:
        """Return why a client's command may not run on a replica, empty if it may."""
        writes = self._declared_bits(session, command, argv) & WRITE
        if self.read_only and writes:
            return errors.READ_ONLY_REPLICA
        # The primary decides when its keys are gone, but what is to be written must not have the old time to live.
        self.keyspace.frozen = not writes
        return ""

    def reject(self, session: Session, command: Command | None, error: CommandError) -> CommandError:
        """Refuse a command before it runs; inside MULTI the whole transaction is then refused, too."""
        if session.gate & IN_MULTI:
            session.multi_dirty = True
        if session.gate & TRACKED:
            self.caching.accept(session, command)
        if command is not None:
            command.rejected += 1
            if command.name == "exec":
                abandon(session)
                error = CommandError(errors.exec_refused(str(error)))
        self.statistics.count_error(error.code)
        return error

    def _declared_bits(self, session: Session, command: Command, argv: list[bytes]) -> int:
        """Return the flags of a command with what it leads to: the transaction it ends, the script it runs."""
        bits = command.bits
        if bits & SKIP_MONITOR:
            return self.scripts.declared_bits(command, argv)
        if command.name == "exec":
            bits |= session.multi_bits
        return bits

    def _common_bits(self, session: Session, command: Command, argv: list[bytes]) -> int:
        """Return the flags that a command and all it leads to have."""
        bits = self._declared_bits(session, command, argv)
        return bits & session.multi_common if command.name == "exec" else bits

    def _unfit_for_loading(self, session: Session, command: Command, argv: list[bytes]) -> bool:
        if self.serves_old:
            return bool(self._declared_bits(session, command, argv) & NO_ASYNC_LOADING)
        return not self._common_bits(session, command, argv) & LOADING

    def begin_receiving(self, *, exclusive: bool) -> None:
        """Tell clients that another data set is coming; with ``exclusive`` the old one cannot even be read."""
        self.serves_old = not exclusive
        self.gate |= RECEIVING

    def end_receiving(self) -> None:
        """End :meth:`begin_receiving`, if it was called."""
        self.gate &= ~RECEIVING

    def _held_back(self, session: Session, command: Command, argv: list[bytes]) -> bool:
        if self.pause_all:
            return True
        return bool(self._declared_bits(session, command, argv) & (WRITE | MAY_REPLICATE))

    def _hold(self, session: Session, argv: list[bytes]) -> Blocked:
        def retry(_key: bytes) -> Reply:
            return self.execute(session, argv)

        blocked = Blocked(session, session.call.db, (), self.pause_until_ms, retry, None, paused=True)
        self.blocking.add(blocked)
        return blocked

    def lacks_memory(self) -> bool:
        """Say whether the memory limit is passed."""
        if self.interceptor is not None and self.interceptor.lacks_memory():
            return True
        return bool(self.gate & MAXMEMORY) and self.eviction.used_bytes() > self.eviction.limit

    def _lacks_memory(self, session: Session, command: Command, argv: list[bytes]) -> bool:
        """Evict what must go before any command; say whether this one may not run because that was not enough."""
        if self.gate & (PAUSED | BUSY) or self.keeps_all:
            return False  # who pauses writes counts on a data set that stands still
        if self.latency.threshold_ns < NEVER_NS:
            stamp = self._steady_ns()
            stuck = self.eviction.enforce()
            self.latency.note("eviction-cycle", self._steady_ns() - stamp, self.clock.now_us() // 1_000_000)
        else:
            stuck = self.eviction.enforce()
        if self.pending:
            # The victims' deletions are units of their own, not part of this command's.
            self.finish_unit()
        if not stuck:
            return False
        if session.gate & IN_MULTI and command.full_name not in _WITHOUT_MEMORY:
            return True
        return bool(self._declared_bits(session, command, argv) & DENYOOM)

    def set_disk_error(self, kind: str, text: str) -> None:
        """Refuse writing commands with ``text`` from now on; an empty one ends that.

        ``kind`` is ``rdb``, ``aof``, ``replicas``, or ``readonly`` where nothing is written at all.
        """
        if text:
            self.disk_errors[kind] = text
            self.gate |= UNSAFE
        else:
            self.disk_errors.pop(kind, None)
            if not self.disk_errors:
                self.gate &= ~UNSAFE

    def disk_error(self) -> str:
        """Return the error that a command which writes is to be refused with, empty if none. Scripts ask, too."""
        found = self.disk_errors
        return found.get("rdb") or found.get("aof") or next(iter(found.values()), "")

    def _unsafe(self, session: Session, command: Command, argv: list[bytes]) -> str:
        """Return why a command may not run while what is written is not safe, empty if it may."""
        if command.name == "ping":
            return "" if self.disk_errors.keys() <= {"replicas"} else self.disk_error()
        return self.disk_error() if self._declared_bits(session, command, argv) & WRITE else ""

    def write_refusal(self, _session: Session) -> str:
        """Return the error for a script's first writing command if nobody may write now, empty if it may run."""
        if self.interceptor is not None and (refusal := self.interceptor.write_refusal()):
            return refusal
        if self.gate & REPLICA and self.read_only:
            return errors.READ_ONLY_REPLICA
        return self.disk_error() if self.gate & UNSAFE else ""

    def script_write_refusal(self, _session: Session) -> str:
        """Return the error for a script that says it writes if nobody may write now, empty if it may run."""
        if self.gate & REPLICA and self.read_only:
            return errors.READ_ONLY_REPLICA
        if not self.gate & UNSAFE:
            return ""
        return errors.script_disk_error(self.disk_errors)

    def intercept(self, interceptor: Interceptor | None) -> None:
        """Ask ``interceptor`` before every command from now on; None ends that."""
        self.interceptor = interceptor
        if interceptor is None:
            self.gate &= ~INTERCEPTED
        else:
            self.gate |= INTERCEPTED
