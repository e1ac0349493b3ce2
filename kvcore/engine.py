"""The engine: databases, sessions, time, and what a front end calls.

It opens no socket and no file and starts no thread. A front end holds one lock around these four calls:

- ``session(peer)`` and ``drop(session)`` as clients come and go;
- ``execute(session, argv)`` for each command;
- ``tick()`` about `hz` times a second, and when the deadline given to ``on_deadline`` has come.

Whatever the engine has to say outside a reply goes through the session's callbacks.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from typing import Final

from kvcore import errors
from kvcore.acknowledgements import Acknowledgements
from kvcore.alone import Alone
from kvcore.background import Background
from kvcore.client_memory import ClientMemory
from kvcore.clock import Clock, SystemClock
from kvcore.command import Command
from kvcore.commands.clients import describe
from kvcore.config import Config
from kvcore.cron import Schedule
from kvcore.dispatch import Dispatcher, rename
from kvcore.effects import EVERYWHERE, Subscriber
from kvcore.errors import ConfigError
from kvcore.eviction import Evictor
from kvcore.expiry import ActiveExpiry
from kvcore.gates import BUSY, BY_CLIENT, HOLDING, MAXMEMORY, PAUSED, REPLICA
from kvcore.keyspace import Database, Keyspace, Value
from kvcore.latency import NEVER_NS, switch_tracking
from kvcore.member_expiry import announce_expired
from kvcore.migration import Migrations
from kvcore.modification import ModificationTimes
from kvcore.notifications import EVICTED, EXPIRED, KEY_MISS, KEYEVENT, KEYSPACE, NEW, parse_classes
from kvcore.ports import (
    Libraries,
    LocalProcess,
    MemoryOnly,
    Network,
    NoNetwork,
    Persistence,
    Process,
    Replication,
    TextFile,
)
from kvcore.pubsub import PubSub
from kvcore.scripting.function_engine import Functions
from kvcore.scripting.scripts import Scripts
from kvcore.session import Peer, Session
from kvcore.shutdown import Shutdown
from kvcore.tracking import Tracking
from kvcore.version import REDIS_VERSION as REDIS_VERSION


class Limits:
    """Sizes at which collections change their encoding, read from the configuration."""

    __slots__ = (
        "hash_entries",
        "hash_value",
        "hll_sparse_bytes",
        "intset_entries",
        "list_size",
        "stream_node_bytes",
        "stream_node_entries",
        "string_bytes",
        "zset_entries",
        "zset_value",
    )

    def __init__(self, config: Config) -> None:
        self.load(config)

    def load(self, config: Config) -> None:
        """Read the directives again."""
        self.hash_entries = config.integer("hash-max-listpack-entries")
        self.hash_value = config.integer("hash-max-listpack-value")
        self.hll_sparse_bytes = config.integer("hll-sparse-max-bytes")
        self.intset_entries = config.integer("set-max-intset-entries")
        self.zset_entries = config.integer("zset-max-listpack-entries")
        self.zset_value = config.integer("zset-max-listpack-value")
        self.list_size = config.integer("list-max-listpack-size")
        self.string_bytes = config.integer("proto-max-bulk-len")
        self.stream_node_entries = config.integer("stream-node-max-entries")
        self.stream_node_bytes = config.integer("stream-node-max-bytes")


_LIMIT_DIRECTIVES: Final = (
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "hll-sparse-max-bytes",
    "set-max-intset-entries",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "list-max-listpack-size",
    "proto-max-bulk-len",
    "stream-node-max-entries",
    "stream-node-max-bytes",
)


_TRIM_INTERVAL_MS: Final = 500


class Engine(Dispatcher):
    """One data set and the clients on it."""

    __slots__ = (
        "_next_session",
        "_pauses",
        "_records",
        "_ticked_ms",
        "_trimmed_ms",
        "acknowledgements",
        "background",
        "client_memory",
        "config",
        "config_file",
        "cron_paused",
        "expiry",
        "functions",
        "libraries",
        "limits",
        "loading",
        "migrations",
        "modifications",
        "network",
        "on_deadline",
        "on_role_change",
        "on_shutdown",
        "persistence",
        "process",
        "pubsub",
        "random",
        "replication",
        "replication_id",
        "run_id",
        "saved_ends",
        "saved_position",
        "schedule",
        "sessions",
        "shutdown",
        "skip_checksums",
        "started_ms",
        "work_due_ms",
    )

    def __init__(
        self,
        config: Config | None = None,
        *,
        clock: Clock | None = None,
        random: random_module.Random | None = None,
    ) -> None:
        super().__init__(clock if clock is not None else SystemClock())
        self.config = config if config is not None else Config()
        self.random = random if random is not None else random_module.Random()
        self.keyspace = Keyspace(self.clock, self.config.integer("databases"))
        self.keyspace.on_expired = self._key_expired
        self.keyspace.on_members_expired = self._members_expired
        self.keyspace.on_miss = self._key_missed
        self.keyspace.on_new = self._key_created
        self.keyspace.on_ready = self._key_ready
        self.keyspace.on_planned = self.deadline_added
        self.expiry = ActiveExpiry(self.keyspace, self.clock)
        self.eviction = Evictor(self.keyspace, self.clock, self.random)
        self.eviction.on_evicted = self._key_evicted
        self.pubsub = PubSub()
        self.caching = Tracking(self)
        self.scripts = Scripts(self)
        self.functions = Functions(self)
        self.schedule = Schedule(self)
        self.client_memory = ClientMemory(self)
        self.shutdown = Shutdown(self)
        self.sessions: dict[int, Session] = {}
        self._next_session = 1
        self._pauses: dict[int, tuple[int, bool]] = {}
        """Why clients are paused: until when, and whether everything is held back. Each purpose ends its own."""
        # Fixed from here on, and asked with every tick.
        records = dict.fromkeys(self.originals.values())
        self._records: tuple[Command, ...] = tuple(
            each for record in records for each in (record, *(record.subcommands or {}).values())
        )
        self._trimmed_ms = 0
        self._ticked_ms = 0
        self.work_due_ms = -1
        """In how many milliseconds after a tick there is more to do in the background, -1 if nothing."""
        self.started_ms = self.now_ms()
        self.persistence: Persistence = MemoryOnly(self.started_ms // 1000)
        """Where the data set is kept; a storage plug-in takes this place."""
        self.libraries: Libraries = self.functions
        self.run_id = f"{self.random.getrandbits(160):040x}"
        self.replication_id = f"{self.random.getrandbits(160):040x}"
        """The history this data set is part of; DEBUG CHANGE-REPL-ID begins another one."""
        self.loading = False
        """The data set is being loaded at the start, and clients are served as far as that goes."""
        self.cron_paused = False
        """DEBUG PAUSE-CRON: nothing happens on its own but what ends the waiting of clients."""
        self.skip_checksums = False
        """DEBUG SET-SKIP-CHECKSUM-VALIDATION: RESTORE takes any checksum."""
        self.limits = Limits(self.config)
        self.network: Network = NoNetwork()
        """Links to other servers; a front end brings them."""
        self.migrations = Migrations(self)
        self.modifications = ModificationTimes(self.keyspace)
        self.acknowledgements = Acknowledgements(self)
        self.background = Background(self)
        """The one snapshot that may be running, whatever it is for."""
        self.replication: Replication = Alone(self)
        """Other servers with the same data; a replication plug-in takes this place."""
        self.saved_ends: list[tuple[int, bytes]] = []
        """Keys of the snapshot that was loaded, with their databases, which were left out: their time was past."""
        self.saved_position: tuple[str, int, int] | None = None
        """History, offset and database of the stream in which that snapshot was taken."""
        self._stand_alone()
        self._follow_config()
        self._declare()

    def _stand_alone(self) -> None:
        """Do without a front end, which takes these places."""
        self.process: Process = LocalProcess()
        """Facts about the process for INFO; a front end fills in what it knows."""
        self.config_file: TextFile | None = None
        """What CONFIG REWRITE rewrites; a front end that read one opens it."""
        self.on_deadline: Callable[[int], None] = _ignore_deadline
        """Called with the wall time in milliseconds at which the next :meth:`tick` is due."""
        self.on_role_change: Callable[[], object] = _nothing
        """Called when the server has become a replica, or a primary."""
        self.on_shutdown: Callable[[], None] | None = None
        """Called by SHUTDOWN; None where there is no server to stop."""

    # Configuration

    def _follow_config(self) -> None:
        config = self.config
        for name in _LIMIT_DIRECTIVES:
            config.on_change(name, lambda: self.limits.load(config))
        for name, follow in (
            ("slowlog-log-slower-than", self._follow_slowlog),
            ("slowlog-max-len", self._follow_slowlog),
            ("hide-user-data-from-log", self._follow_hidden_data),
            ("latency-monitor-threshold", self._follow_latency),
            ("latency-tracking", self._follow_latency),
            ("notify-keyspace-events", self._follow_notifications),
            ("active-expire-effort", self._follow_expiry),
            ("key-modification-times", self._follow_modifications),
            ("requirepass", self._follow_password),
            ("acl-pubsub-default", self._follow_acl),
            ("acllog-max-len", self._follow_acl),
            ("maxmemory", self._follow_memory_limit),
            ("maxmemory-policy", self._follow_memory_limit),
            ("maxmemory-clients", self._follow_memory_limit),
            ("maxmemory-samples", self._follow_eviction),
            ("maxmemory-eviction-tenacity", self._follow_eviction),
            ("lfu-log-factor", self._follow_eviction),
            ("lfu-decay-time", self._follow_eviction),
            ("tracking-table-max-keys", self._follow_tracking),
            ("busy-reply-threshold", self._follow_scripts),
            ("lua-max-memory", self._follow_scripts),
        ):
            config.on_change(name, follow)
            follow()

    def _follow_slowlog(self) -> None:
        threshold_us = self.config.integer("slowlog-log-slower-than")
        self.slow_ns = threshold_us * 1000 if threshold_us >= 0 else NEVER_NS
        self.slowlog_limit = self.config.integer("slowlog-max-len")
        self.watch_some()

    def _follow_scripts(self) -> None:
        self.scripts.limit_ns = self.config.integer("busy-reply-threshold") * 1_000_000
        self.scripts.memory_limit = self.config.integer("lua-max-memory")

    def _follow_hidden_data(self) -> None:
        self.hide_user_data = self.config.flag("hide-user-data-from-log")

    def _follow_latency(self) -> None:
        threshold_ms = self.config.integer("latency-monitor-threshold")
        self.latency.threshold_ns = threshold_ms * 1_000_000 if threshold_ms else NEVER_NS
        tracking = self.config.flag("latency-tracking")
        if tracking != self.tracking:
            self.tracking = tracking
            for command in dict.fromkeys(self.commands.values()):
                for record in (command, *(command.subcommands or {}).values()):
                    switch_tracking(record, tracking)
        self.watch_some()

    def _follow_notifications(self) -> None:
        classes = parse_classes(self.config.string("notify-keyspace-events")) or 0
        enabled = classes & (KEYSPACE | KEYEVENT)
        for db in self.keyspace.databases:
            db.notify_mask = classes if enabled else 0
            db.observe()

    def _follow_expiry(self) -> None:
        self.expiry.effort = self.config.integer("active-expire-effort")

    def _follow_memory_limit(self) -> None:
        limit = self.config.integer("maxmemory")
        self.eviction.configure(limit, self.config.string("maxmemory-policy"))
        self.client_memory.configure(self.config.integer("maxmemory-clients"), limit)
        if limit:
            self.gate |= MAXMEMORY
        else:
            self.gate &= ~MAXMEMORY

    def _follow_eviction(self) -> None:
        self.eviction.samples = self.config.integer("maxmemory-samples")
        self.eviction.tenacity = self.config.integer("maxmemory-eviction-tenacity")
        self.eviction.access_clock.log_factor = self.config.integer("lfu-log-factor")
        self.eviction.access_clock.decay_minutes = self.config.integer("lfu-decay-time")

    def _follow_tracking(self) -> None:
        self.caching.max_keys = self.config.integer("tracking-table-max-keys")
        self.pending = True  # the end of this command's unit shrinks the table

    def _follow_modifications(self) -> None:
        self.modifications.keep(self.config.flag("key-modification-times"))

    def _follow_password(self) -> None:
        # Who is in already stays in when a password is set.
        self.acl.set_default_password(self.config.string("requirepass").encode("utf-8", "surrogateescape"))

    def _follow_acl(self) -> None:
        self.acl.vocabulary.open_channels = self.config.string("acl-pubsub-default") == "allchannels"
        self.acl.log.limit = self.config.integer("acllog-max-len")

    def _declare(self) -> None:
        """Do what config lines declare that are no directives; raise ConfigError."""
        for name, new in self.config.renames:
            rename(self.commands, name, new)
        self.acl.describe_client = self._describe_client
        if self.config.users and self.config.string("aclfile"):
            raise ConfigError(errors.AclReasons.FILE_AND_USERS)
        self.acl.declare(self.config.users)

    def _describe_client(self, session: Session) -> bytes:
        return describe(session, self.now_ms(), session.call.argv).encode("utf-8", "surrogateescape")

    # Clients

    def session(self, peer: Peer | None = None, *, trusted: bool = False) -> Session:
        """Begin a client's session. ``trusted`` sessions (in process) need no password."""
        session = Session(self, self._next_session, peer)
        self._next_session += 1
        self.sessions[session.id] = session
        self.acl.admit(session, trusted)
        return session

    def drop(self, session: Session) -> None:
        """End a client's session; whatever it waited for or listened to is forgotten."""
        if self.sessions.pop(session.id, None) is None:
            return
        if session.blocked is not None:
            self.blocking.remove(session.blocked)
        self.unwatch(session)
        self.pubsub.drop(session)
        self.caching.drop(session)
        self.client_memory.forget(session)
        self.monitors.pop(session, None)
        self.replication.drop(session)

    def disconnect(self, session: Session) -> None:
        """Close a client's connection from outside; the client is forgotten at once, whenever the socket closes.

        A session in this process that has nothing to close stays.
        """
        session.close()
        if not session.alive():
            self.drop(session)

    def unwatch(self, session: Session) -> None:
        """Forget every key the session watches."""
        for watch in session.watched.values():
            watchers = watch.database.watchers.get(watch.key)
            if watchers is not None:
                watchers.pop(session, None)
                if not watchers:
                    del watch.database.watchers[watch.key]
                    watch.database.observe()
        session.watched.clear()
        session.watched_changed = False

    # Time

    def now_ms(self) -> int:
        """Return the wall time in milliseconds since the Unix epoch."""
        return self.clock.now_us() // 1000

    def tick(self) -> None:
        """Do what time asks for: expire keys, time out parked sessions, end a pause, sample rates, free memory."""
        if self.gate & BUSY:
            return  # a script is in the middle of its work
        self.keyspace.unit_ms = 0
        now_ms = self.keyspace.now_ms()
        if self.cron_paused or self.loading:
            if not self.cron_paused:
                self.shutdown.tick()
            self._end_pauses(now_ms)
            self.blocking.expire(now_ms)
            return
        self.shutdown.tick()
        self.work_due_ms = self._work(now_ms)
        if now_ms >= self.keyspace.jobs_due_ms:
            self.schedule.run_due(now_ms)
            if self.gate & BUSY:
                return
        if self.work_due_ms >= 0 and 0 <= now_ms - self._ticked_ms < 1000 // self.config.integer("hz"):
            # Called for the sake of that: only what cannot wait is looked at besides.
            self._end_pauses(now_ms)
            self.blocking.expire(now_ms)
            return
        self._ticked_ms = now_ms
        if not self.gate & (PAUSED | REPLICA):
            self._expire()  # who pauses writes counts on a data set that stands still
        self.finish_unit()
        if self.gate & MAXMEMORY and not self.gate & PAUSED and not self.keeps_all:
            self.eviction.client_bytes = self.client_memory.buffered(now_ms)
            self.eviction.enforce(at_leisure=True)
            self.finish_unit()
            self._trim_memory(now_ms)
        self._end_pauses(now_ms)
        self.blocking.expire(now_ms)
        self.caching.end()
        self.client_memory.survey()
        self._sample_rates(now_ms)
        self.migrations.close_idle(now_ms)
        self.keyspace.collect()
        self.watch_some()

    def _work(self, now_ms: int) -> int:
        """Go on with what runs in the background; return in how many milliseconds to call again, -1 if not soon."""
        dues = (self.background.step(), self.persistence.tick(now_ms), self.replication.tick(now_ms))
        return min((due for due in dues if due >= 0), default=-1)

    def _expire(self) -> None:
        stamp = self.clock.steady_ns()
        self.expiry.cycle()
        self.effects.part()
        elapsed_ns = self.clock.steady_ns() - stamp
        self.statistics.expire_cycle_ns += elapsed_ns
        self.latency.note("expire-cycle", elapsed_ns, self.clock.now_us() // 1_000_000)

    def _trim_memory(self, now_ms: int) -> None:
        """Have free memory given back to the system, and tell the evictor what the process holds after that.

        Values of another size than those evicted for them leave holes that the allocator keeps.
        """
        if now_ms - self._trimmed_ms < _TRIM_INTERVAL_MS or not self.eviction.is_fragmented():
            return
        self._trimmed_ms = now_ms
        self.process.release_memory()
        self.eviction.note_resident(self.process.current_memory_bytes())

    def deadline_added(self, at_ms: int) -> None:
        """Tell the front end that a parked session times out, or a job runs, at ``at_ms``."""
        self.on_deadline(at_ms)

    def next_deadline_ms(self) -> int:
        """Return the wall time in milliseconds at which the next :meth:`tick` cannot wait for its turn, 0 if none."""
        deadline, job = self.blocking.next_deadline_ms(), self.schedule.next_ms()
        return min(deadline, job) if deadline and job else deadline or job

    def pause(self, until_ms: int, everything: bool, purpose: int = BY_CLIENT) -> None:
        """Hold back commands until ``until_ms``: all of them, or those that may change the data set.

        What one ``purpose`` asks for only grows until that ends it; of several the strictest holds.
        """
        before_ms, all_before = self._pauses.get(purpose, (0, False))
        self._pauses[purpose] = max(until_ms, before_ms), everything or all_before
        self._follow_pauses()

    def hold_writes(self) -> None:
        """Hold back every command that may change the data set until :meth:`release_writes`."""
        self.gate |= HOLDING

    def release_writes(self) -> None:
        """End :meth:`hold_writes` and the execution unit; what was held back runs."""
        self.gate &= ~HOLDING
        self.pending = True
        self.finish_unit()

    def unpause(self, purpose: int = BY_CLIENT) -> None:
        """End a pause; what no other one holds back runs at once."""
        if self._pauses.pop(purpose, None) is not None:
            self._follow_pauses()

    def _end_pauses(self, now_ms: int) -> None:
        """End the pauses whose time is over."""
        if self.gate & PAUSED and now_ms >= self.pause_until_ms:
            self._pauses = {purpose: pause for purpose, pause in self._pauses.items() if pause[0] > now_ms}
            self._follow_pauses()

    def _follow_pauses(self) -> None:
        """Hold back what the strictest pause says, until the last of those, and let go of the rest."""
        pauses = self._pauses.values()
        was_all, self.pause_all = self.pause_all, any(everything for _, everything in pauses)
        self.pause_eased = was_all and not self.pause_all
        self.pause_until_ms = max((until_ms for until_ms, all_ in pauses if all_ is self.pause_all), default=0)
        if pauses:
            self.gate |= PAUSED
            self.on_deadline(self.pause_until_ms)
        else:
            self.gate &= ~PAUSED
            self.keyspace.frozen = bool(self.gate & REPLICA)
        if not pauses or self.pause_eased:
            self.pending = True
            self.finish_unit()

    def _sample_rates(self, now_ms: int) -> None:
        statistics = self.statistics
        statistics.operations.sample(now_ms, self.commands_processed())
        statistics.input_rate.sample(now_ms, statistics.input_bytes)
        replication = self.replication.counters()
        statistics.repl_input_rate.sample(now_ms, replication.get("total_net_repl_input_bytes", 0))
        statistics.repl_output_rate.sample(now_ms, replication.get("total_net_repl_output_bytes", 0))
        statistics.output_rate.sample(now_ms, statistics.output_bytes)

    def reset_statistics(self) -> None:
        """Zero what INFO counts (CONFIG RESETSTAT)."""
        self.statistics.reset()
        self.keyspace.statistics.reset()
        self.client_memory.evicted = 0
        self.eviction.reset_statistics()
        self.replication.reset_counters()
        for record in dict.fromkeys(self.commands.values()):
            record.reset()

    def keep_counters(self) -> Callable[[], None]:
        """Return what has the commands that run meanwhile count for nothing. O(commands there are): some 100 µs."""
        statistics, keyspace = self.statistics, self.keyspace.statistics
        errors_seen, errors_total = dict(statistics.errors), statistics.errors_total
        looked = keyspace.hits, keyspace.misses, keyspace.expired
        counts = [(each, each.calls, each.time_ns, each.rejected, each.failed, each.times) for each in self._records]
        for record in self._records:
            record.times = None

        def restore() -> None:
            statistics.errors, statistics.errors_total = errors_seen, errors_total
            keyspace.hits, keyspace.misses, keyspace.expired = looked
            for record, calls, time_ns, rejected, failed, times in counts:
                record.calls, record.time_ns, record.times = calls, time_ns, times
                record.rejected, record.failed = rejected, failed

        return restore

    def commands_processed(self) -> int:
        """Return how many commands ran since the last CONFIG RESETSTAT. O(commands there are): 5 µs."""
        return sum([record.calls for record in self._records])

    # Events

    def subscribe(self, subscriber: Subscriber, target: int = EVERYWHERE) -> Callable[[], None]:
        """Call ``subscriber`` with the effects of each execution unit; return what ends the subscription.

        A ``target`` (:mod:`kvcore.effects`) spares it those that a script keeps from there.
        """
        return self.effects.subscribe(subscriber, target)

    def notify(self, db: Database, key: bytes, event: str) -> None:
        """Publish a keyspace event that `notify-keyspace-events` asks for."""
        name = event.encode()
        if db.notify_mask & KEYSPACE:
            self.pubsub.publish(b"__keyspace@%d__:%b" % (db.index, key), name)
        if db.notify_mask & KEYEVENT:
            self.pubsub.publish(b"__keyevent@%d__:%b" % (db.index, name), key)

    def _key_expired(self, db: Database, key: bytes) -> None:
        db.touch(key)
        if db.notify_mask & EXPIRED:
            self.notify(db, key, "expired")
        if self.effects.listening:
            self.effects.add(db, [b"DEL", key])
            self.pending = True

    def _members_expired(self, db: Database, key: bytes, container: Value, members: list[bytes]) -> None:
        announce_expired(self, db, key, container, members)

    def _key_evicted(self, db: Database, key: bytes) -> None:
        db.touch(key)
        if db.notify_mask & EVICTED:
            self.notify(db, key, "evicted")
        if self.effects.listening:
            self.effects.add(db, [b"DEL", key])
            self.effects.flush()  # each victim is a unit of its own, as in the real server

    def _key_missed(self, db: Database, key: bytes) -> None:
        if db.notify_mask & KEY_MISS:
            self.notify(db, key, "keymiss")

    def _key_created(self, db: Database, key: bytes) -> None:
        if db.notify_mask & NEW:
            self.notify(db, key, "new")

    def _key_ready(self, db: Database, key: bytes) -> None:
        self.blocking.ready.append((db, key))
        self.pending = True


def _nothing() -> None:
    """Stand in for a front end that takes no interest."""


def _ignore_deadline(_at_ms: int) -> None:
    """Stand in for a front end that only ticks."""
