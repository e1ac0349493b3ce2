"""Databases: the one place that reads, creates, replaces and removes keys.

A :class:`Database` is the hash table of its keys plus what belongs to some of them only: times to live,
watchers, parked sessions. Handlers go through the accessors below and never through the table, so that no command
can forget to expire a key, to wake who waits for one, or to drop a time to live.

Values: a string is a raw ``bytes`` (``bytearray`` once a command changed it in place), every other type one of
the classes in :mod:`kvcore.datatypes`. The caller of an accessor that changes a key says so with
``call.changed``.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from kvcore.clock import Clock
from kvcore.datatypes.cron_job import NEVER_MS, Agenda, CronJob
from kvcore.datatypes.deadlines import Deadlines, Perishable
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.stream import Stream
from kvcore.datatypes.table import SEGMENT_MAX, Table
from kvcore.errors import WrongTypeError
from kvcore.memory import Usage

if TYPE_CHECKING:
    from kvcore.blocking import Blocked
    from kvcore.session import Session

Value = bytes | bytearray | List | Hash | Set | SortedSet | Stream | CronJob
_V = TypeVar("_V", bound=List | Hash | Set | SortedSet | Stream)

TYPE_NAMES: dict[type, str] = {
    bytes: "string",
    bytearray: "string",
    List: "list",
    Hash: "hash",
    Set: "set",
    SortedSet: "zset",
    Stream: "stream",
    CronJob: "unknown",
}
"""What TYPE answers."""

_CONTAINERS: Final = frozenset({List, Hash, Set, SortedSet, Stream})
_LARGE: Final = 4096
"""Items of a container from which on it is freed in slices; fewer take a fraction of a millisecond."""

_FLOATS_MAX: Final = 1024
_FROZEN_TRIES: Final = 100
_SEGMENTS_PER_SLICE: Final = 64
_SLICES_TO_CATCH_UP: Final = 128


class KeyspaceStatistics:
    """Counters of key lookups and removals (INFO stats)."""

    __slots__ = ("expired", "expired_stale_percent", "hits", "misses")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Zero the counters (CONFIG RESETSTAT)."""
        self.hits = 0
        self.misses = 0
        self.expired = 0
        self.expired_stale_percent = 0.0


class Database(Table[Value]):
    """One numbered database."""

    __slots__ = (
        "dependents",
        "expires",
        "hooked",
        "index",
        "jobs",
        "keyspace",
        "member_expires",
        "notify_mask",
        "observed",
        "statistics",
        "usage",
        "waiters",
        "walk",
        "watchers",
    )

    def __init__(self, keyspace: Keyspace, index: int) -> None:
        super().__init__()
        self.keyspace = keyspace
        self.index = index
        self.statistics = keyspace.statistics
        self.expires: Table[int] = Table()
        """Expiry times in milliseconds since the Unix epoch, of the keys that have one."""
        self.member_expires: Deadlines | None = None
        """When to look for expired members in a key: not after the first one's time. None while no member expires."""
        self.jobs: Agenda | None = None
        """When to look which job is due; None until there is one."""
        self.waiters: dict[bytes, dict[Blocked, None]] = {}
        """Sessions parked on a key, first come first."""
        self.dependents: dict[bytes, int] = {}
        """How many of them cannot wait on without the key: they are woken when it is removed, too."""
        self.watchers: dict[bytes, dict[Session, None]] = {}
        """Sessions that WATCH a key."""
        self.notify_mask = 0
        """Event classes of notify-keyspace-events, 0 when nothing is to be published."""
        self.observed = False
        """Whether anybody wants to know which keys change: WATCH, notifications, followers. Kept by :meth:`observe`."""
        self.usage: Usage | None = None
        """What the keys cost and when they were used, while a memory limit or its policy asks for it."""
        self.walk: Walk | None = None
        """The part of a running snapshot that saves this database: it is told of a key before that changes."""
        self.hooked = False
        """Whether there is a ``usage`` or a ``walk``: the one test that both cost. Kept by :meth:`observe`."""

    # Reading

    def read(self, key: bytes) -> Value | None:
        """Return the value for a reading command, None if absent; counts the hit or miss. O(1)."""
        value = self.directory[hash(key) & self.mask].get(key)
        if (
            value is None
            or (self.expires.size and self.expire_if_due(key))
            or (self.member_expires is not None and self.expire_members(key))
        ):
            self.statistics.misses += 1
            if self.notify_mask:
                self.keyspace.on_miss(self, key)
            return None
        self.statistics.hits += 1
        if self.hooked:
            self._on_read(key, value)
        return value

    def inspect(self, key: bytes) -> Value | None:
        """Return the value for a command that asks about the key: counts the hit or miss, but is no use of it. O(1)."""
        value = self.peek(key)
        if value is None:
            self.statistics.misses += 1
            if self.notify_mask:
                self.keyspace.on_miss(self, key)
            return None
        self.statistics.hits += 1
        return value

    def peek(self, key: bytes) -> Value | None:
        """Return the value, None if absent; counts nothing and is no use of the key. O(1)."""
        value = self.directory[hash(key) & self.mask].get(key)
        if (
            value is None
            or (self.expires.size and self.expire_if_due(key))
            or (self.member_expires is not None and self.expire_members(key))
        ):
            return None
        return value

    def read_as(self, key: bytes, kind: type[_V]) -> _V | None:
        """Return the container at ``key`` for a reading command; raise WrongTypeError if it is no ``kind``."""
        value = self.read(key)
        if value is None or type(value) is kind:
            return value
        raise WrongTypeError

    def read_string(self, key: bytes) -> bytes | bytearray | None:
        """Return the string at ``key`` for a reading command; raise WrongTypeError if it is another type."""
        value = self.read(key)
        if value is None or type(value) is bytes or type(value) is bytearray:
            return value
        raise WrongTypeError

    # Reading in order to write

    def write(self, key: bytes) -> Value | None:
        """Return the value for a writing command, None if absent. Counts neither hit nor miss. O(1)."""
        value = self.directory[hash(key) & self.mask].get(key)
        if (
            value is None
            or (self.expires.size and self.expire_if_due(key))
            or (self.member_expires is not None and self.expire_members(key))
        ):
            return None
        if self.hooked:
            self._on_write(key, value)
        return value

    def write_as(self, key: bytes, kind: type[_V]) -> _V | None:
        """Return the container at ``key`` to change it; raise WrongTypeError if it is another type."""
        value = self.directory[hash(key) & self.mask].get(key)
        if (
            value is None
            or (self.expires.size and self.expire_if_due(key))
            or (self.member_expires is not None and self.expire_members(key))
        ):
            return None
        if self.hooked:
            self._on_write(key, value)
        if type(value) is kind:
            return value
        raise WrongTypeError

    def write_string(self, key: bytes) -> bytes | bytearray | None:
        """Return the string at ``key`` to change it; raise WrongTypeError if it is another type."""
        value = self.write(key)
        if value is None or type(value) is bytes or type(value) is bytearray:
            return value
        raise WrongTypeError

    def has(self, key: bytes) -> bool:
        """Say whether ``key`` exists now, without counting a hit or miss. O(1)."""
        return self.write(key) is not None

    # Writing

    def store(self, key: bytes, value: Value) -> bool:
        """Create ``key`` or replace its value, keeping its time to live; return whether it is new. O(1)."""
        if self.hooked:
            self._on_store(key, value, False)
        segment = self.directory[hash(key) & self.mask]
        old = segment.get(key)
        segment[key] = value
        if old is None:
            self._after_insert(segment, key)
            if self.notify_mask:
                self.keyspace.on_new(self, key)
        elif type(old) is not bytes and old is not value:
            self.keyspace.release(old)
            if self.member_expires is not None:
                self.member_expires.remove(key)
        if self.waiters and key in self.waiters:
            self.keyspace.on_ready(self, key)
        return old is None

    def replace(self, key: bytes, value: bytes) -> None:
        """Replace the string at ``key``, which this unit has read, by another; keeps its time to live. O(1)."""
        if self.hooked:
            self._on_store(key, value, False)
        self.directory[hash(key) & self.mask][key] = value
        if self.waiters and key in self.waiters:
            self.keyspace.on_ready(self, key)

    def put(self, key: bytes, value: Value) -> bool:
        """Create ``key`` or replace its value, dropping its time to live; return whether it is new. O(1)."""
        if self.hooked:
            self._on_store(key, value, True)
        if self.expires.size and not self.expire_if_due(key):
            self.expires.pop(key)
        # The same as store(): SET is the hottest write there is, and a call costs a tenth of it.
        segment = self.directory[hash(key) & self.mask]
        old = segment.get(key)
        segment[key] = value
        if old is None:
            self._after_insert(segment, key)
            if self.notify_mask:
                self.keyspace.on_new(self, key)
        elif type(old) is not bytes and old is not value:
            self.keyspace.release(old)
            if self.member_expires is not None:
                self.member_expires.remove(key)
        if self.waiters and key in self.waiters:
            self.keyspace.on_ready(self, key)
        return old is None

    def remove(self, key: bytes) -> bool:
        """Delete ``key``; False if it did not exist (an expired key does not). O(1).

        A large value is freed later, a slice at a time: it must not become another key's (use :meth:`take`).
        """
        value = self.take(key)
        if value is None:
            return False
        if type(value) is not bytes:
            self.keyspace.release(value)
        return True

    def erase(self, key: bytes) -> bool:
        """Delete ``key`` although its time may have come, which is no expiry then; False if it is not there. O(1)."""
        if self.walk is not None:
            self.walk.keep(key)
        if self.expires.size:
            self.expires.pop(key)
        return self.remove(key)

    def ready(self, key: bytes) -> None:
        """Wake the sessions parked on ``key``, whose value grew in place; the other accessors do so themselves."""
        if self.waiters and key in self.waiters:
            self.keyspace.on_ready(self, key)

    def take(self, key: bytes) -> Value | None:
        """Delete ``key`` and return its value to live on elsewhere, None if it did not exist. O(1)."""
        if self.walk is not None:
            self.walk.keep(key)
        if self.expires.size:
            if self.expire_if_due(key):
                return None
            self.expires.pop(key)
        if self.member_expires is not None:
            if self.expire_members(key):
                return None
            self.member_expires.remove(key)
        if self.dependents and key in self.dependents:
            self.keyspace.on_ready(self, key)
        value = self.pop(key)
        if self.usage is not None and value is not None:
            self.usage.on_remove(key, value)
        return value

    # Time to live

    def expire_if_due(self, key: bytes) -> bool:
        """Delete ``key`` if its time has come; True if it did. O(1).

        While the data set is frozen a key whose time has come stays, and only looks as if it were gone.
        """
        due = self.expires.get(key)
        if due is None or due > self.keyspace.now_ms() or self.keyspace.replaying:
            return False
        if self.keyspace.frozen:
            return True
        if self.walk is not None:
            self.walk.keep(key)
        value = self.pop(key)
        if value is not None:
            if self.usage is not None:
                self.usage.on_remove(key, value)
            if type(value) is not bytes:
                self.keyspace.release(value)
        self.expires.pop(key)
        if self.member_expires is not None:
            self.member_expires.remove(key)
        if self.dependents and key in self.dependents:
            self.keyspace.on_ready(self, key)
        self.statistics.expired += 1
        self.keyspace.on_expired(self, key)
        return True

    def is_due(self, key: bytes) -> bool:
        """Say whether the time of ``key`` has come, and leave it where it is. O(1)."""
        due = self.expires.get(key) if self.expires.size else None
        return due is not None and due <= self.keyspace.now_ms() and not self.keyspace.replaying

    def expiry(self, key: bytes) -> int | None:
        """Return when ``key`` expires in milliseconds since the Unix epoch, None if never. O(1)."""
        return self.expires.get(key) if self.expires.size else None

    def set_expiry(self, key: bytes, at_ms: int) -> None:
        """Let the existing ``key`` expire at ``at_ms`` milliseconds since the Unix epoch. O(1)."""
        if self.walk is not None:
            self.walk.keep(key)
        self.expires.put(key, at_ms)

    def clear_expiry(self, key: bytes) -> bool:
        """Take the time to live off ``key``; False if it had none. O(1)."""
        if self.walk is not None:
            self.walk.keep(key)
        return bool(self.expires.size) and self.expires.pop(key) is not None

    # Time to live of members

    def set_member_expiry(self, key: bytes, container: Perishable, member: bytes, at_ms: int) -> None:
        """Let a member of the container at ``key`` expire at ``at_ms`` milliseconds since the Unix epoch. O(log n)."""
        if self.walk is not None:
            self.walk.keep(key)
        if container.expires is None:
            container.expires = Deadlines()
        container.expires.put(member, at_ms)
        self._look_at(key, at_ms)

    def follow_members(self, key: bytes) -> None:
        """Take note of the times in a value that was put at ``key`` with them: members', or a job's. O(log n)."""
        value = self.get(key)
        if type(value) is CronJob:
            self.plan(key, value, value.next_ms)
            return
        first = value.expires.first() if isinstance(value, Perishable) and value.expires is not None else None
        if first is not None:
            self._look_at(key, first[0])

    def _look_at(self, key: bytes, at_ms: int) -> None:
        if self.member_expires is None:
            self.member_expires = Deadlines()
        planned = self.member_expires.get(key)
        if planned is None or at_ms < planned:
            self.member_expires.put(key, at_ms)

    def expire_members(self, key: bytes, limit: int = 0) -> bool:
        """Delete the members of ``key`` whose time has come; True if none is left, and the key is gone.

        At most ``limit`` of them, unless that is 0. O(members due).
        """
        index = self.member_expires
        planned = None if index is None else index.get(key)
        keyspace = self.keyspace
        if index is None or planned is None or planned > keyspace.now_ms() or keyspace.frozen or keyspace.replaying:
            return False
        if self.walk is not None:
            self.walk.keep(key)
        value = self.get(key)
        due: list[bytes] = []
        if isinstance(value, Hash | Set | SortedSet) and value.expires is not None:
            due = value.expires.pop_due(self.keyspace.now_ms(), limit)
            for member in due:
                value.remove(member)
            if not value.expires:
                value.expires = None
        index.remove(key)
        if not index:
            self.member_expires = None
        if not due or not isinstance(value, Hash | Set | SortedSet):
            self.follow_members(key)
            return False
        if self.usage is not None:
            self.usage.on_change(key)
        emptied = not len(value)
        if emptied:
            self.take(key)
        else:
            self.follow_members(key)
        self.keyspace.on_members_expired(self, key, value, due)
        return emptied

    # Jobs

    def plan(self, key: bytes, job: CronJob, at_ms: int) -> None:
        """Let the job at ``key`` run next at ``at_ms`` milliseconds since the Unix epoch. O(log n) amortised."""
        if self.walk is not None:
            self.walk.keep(key)
        job.next_ms = at_ms
        if self.jobs is None:
            self.jobs = Agenda()
        self.jobs.plan(key, at_ms, self._is_job)
        self.keyspace.plan(at_ms)

    def _is_job(self, key: bytes) -> bool:
        return type(self.get(key)) is CronJob

    def next_job(self) -> tuple[int, bytes] | None:
        """Return when the next job runs, and its key; None if there is none. O(log n) amortised."""
        while self.jobs is not None:
            first = self.jobs.first()
            if first is None:
                self.jobs = None
                break
            at_ms, key = first
            value = self.peek(key)
            if type(value) is CronJob and value.next_ms == at_ms:
                return first
            self.jobs.remove(key)
        return None

    # Hooks of the accessors

    def _on_read(self, key: bytes, value: Value) -> None:
        if self.usage is not None:
            self.usage.on_use(key)
        # Commands that count as reading may yet change these in place: PFCOUNT, XREADGROUP, XACK ...
        if self.walk is not None and (type(value) is Stream or type(value) is bytearray):
            self.walk.keep(key)

    def _on_write(self, key: bytes, value: Value) -> None:
        if self.walk is not None:
            self.walk.keep(key)
        if self.usage is not None:
            self.usage.on_fetch(key, value)

    def _on_store(self, key: bytes, value: Value, use: bool) -> None:
        if self.walk is not None:
            self.walk.keep(key)
        if self.usage is not None:
            if use and self.expires.size:
                self.expire_if_due(key)
            self.usage.on_store(key, self.get(key), value, use)

    # Watching

    def observe(self) -> None:
        """Bring ``observed`` and ``hooked`` up to date after a change of who watches, follows, counts or saves."""
        self.observed = bool(self.watchers or self.notify_mask or self.keyspace.followers)
        self.hooked = self.usage is not None or self.walk is not None

    def touch(self, key: bytes) -> None:
        """Tell who follows changes that ``key`` changed, and break the WATCHes on it. O(watchers of the key)."""
        for follower in self.keyspace.followers:
            follower(self, key)
        for session in self.watchers.get(key, ()):
            watch = session.watched[self.index, key]
            if watch.expired and key not in self:
                # It was past its time already when WATCH was called: that it is gone now changes nothing.
                watch.expired = False
            else:
                session.watched_changed = True

    def touch_all(self, other: Database | None = None) -> None:
        """Break the WATCHes on keys that change when this database is emptied or takes the contents of ``other``."""
        for key, sessions in self.watchers.items():
            here = key in self
            there = other is not None and key in other
            if not here and not there:
                continue
            there_due = other is not None and other.is_due(key)
            for session in sessions:
                watch = session.watched[self.index, key]
                if watch.expired and (not there or there_due):
                    watch.expired = there_due
                elif not here and there_due:
                    watch.expired = True
                else:
                    session.watched_changed = True

    # Whole databases

    def random_live_key(self, source: random.Random) -> bytes | None:
        """Return a uniformly random key that has not expired, None if there is none. O(1) expected."""
        tries = _FROZEN_TRIES
        while self.size:
            key = self.random_key(source)
            if not (self.expires.size and self.expire_if_due(key)) and not self.expire_members(key):
                return key
            if self.keyspace.frozen:
                # None of these goes away by being looked at, and there may be no other.
                tries -= 1
                if not tries:
                    return key
        return None

    def flush(self) -> int:
        """Delete every key; return how many there were. O(1): the old segments are given to the collector."""
        count = self.size
        self.touch_all()
        if self.walk is not None:
            self.walk.take_over()
        elif count:
            self.keyspace.discard(self.directory)
            self.keyspace.discard(self.expires.directory)
        if self.usage is not None:
            for segments in self.usage.on_flush():
                self.keyspace.discard(segments)
        self.clear()
        self.expires.clear()
        if self.member_expires is not None:
            self.keyspace.discard(self.member_expires.pieces())
            self.member_expires = None
        self.jobs = None
        self.signal_waiters()
        return count

    def exchange(self, other: Database) -> None:
        """Trade contents with a database of another keyspace that nobody uses yet; neither keeps usage. O(waiters)."""
        self.touch_all(other)
        self.swap_contents(other)
        self.expires, other.expires = other.expires, self.expires
        self.member_expires, other.member_expires = other.member_expires, self.member_expires
        self.jobs, other.jobs = other.jobs, self.jobs
        if self.jobs is not None:
            self.keyspace.plan(other.keyspace.jobs_due_ms)
        self.observe()
        self.signal_waiters()

    def signal_waiters(self) -> None:
        """Signal every key that has parked sessions, if it exists or they depend on it (after SWAPDB, FLUSHALL)."""
        for key in list(self.waiters):
            if key in self or key in self.dependents:
                self.keyspace.on_ready(self, key)


class Walk(Protocol):
    """A snapshot's way through one database (:mod:`kvcore.snapshot`)."""

    def keep(self, key: bytes) -> None:
        """Save ``key`` as it is, unless that is done: it is about to change, to be removed or to be created."""

    def take_over(self) -> None:
        """Take the contents of the database, which is being emptied, and leave it without."""

    def follow(self, db: Database) -> None:
        """Go on in ``db``, which got the contents."""


Follower = Callable[[Database, bytes], None]
"""Is told that a key of a database changed, expired, was evicted or was deleted; flushes and swaps come otherwise."""


class Keyspace:
    """All databases, the clock they share, and the hooks the engine sets."""

    __slots__ = (
        "_clock",
        "_floats",
        "databases",
        "followers",
        "frozen",
        "garbage",
        "jobs_due_ms",
        "on_expired",
        "on_members_expired",
        "on_miss",
        "on_new",
        "on_planned",
        "on_ready",
        "replaying",
        "statistics",
        "unit_ms",
    )

    def __init__(self, clock: Clock, databases: int) -> None:
        self._clock = clock
        self._floats: dict[int, bytes] = {}
        self.unit_ms = 0
        """The time of the execution unit, 0 until something asks: whoever begins a unit sets it to 0."""
        self.frozen = False
        """Whether the data set is to stand still (CLIENT PAUSE): nothing is deleted because its time has come."""
        self.replaying = False
        """Whether a log is being replayed: its commands ran before the times to live in it had ended."""
        self.jobs_due_ms = NEVER_MS
        """Before that no job runs: all that a data set without jobs pays for them is to look at this now and then."""
        self.statistics = KeyspaceStatistics()
        self.garbage: list[list[object] | deque[bytes]] = []
        """What flushed databases and deleted containers held, freed in slices: at once it is a pause."""
        self.on_expired: Callable[[Database, bytes], None] = _ignore
        self.on_members_expired: Callable[[Database, bytes, Value, list[bytes]], None] = _ignore_members
        self.on_miss: Callable[[Database, bytes], None] = _ignore
        self.on_new: Callable[[Database, bytes], None] = _ignore
        self.on_ready: Callable[[Database, bytes], None] = _ignore
        self.on_planned: Callable[[int], None] = _ignore_time
        self.followers: tuple[Follower, ...] = ()
        """Told of each key that changes, before the command's own keyspace event: client-side caching, versions."""
        self.databases = [Database(self, index) for index in range(databases)]

    def now_ms(self) -> int:
        """Return the execution unit's time in milliseconds since the Unix epoch."""
        now = self.unit_ms
        if not now:
            now = self.unit_ms = self._clock.now_us() // 1000
        return now

    def plan(self, at_ms: int) -> None:
        """Take note that a job runs at ``at_ms``, if that is before any other."""
        if at_ms < self.jobs_due_ms:
            self.jobs_due_ms = at_ms
            self.on_planned(at_ms)

    def note_float(self, text: bytes) -> bytes:
        """Remember that an integer's text is the result of a sum of floats, which the real server keeps as a text.

        Return the text to store: it is remembered as an object, and there may be only one object of each single digit.
        """
        if len(text) == 1:
            digit = text
            text = digit[0].to_bytes(1, "little")
            if text is bytes(bytearray(digit)):
                return text
        floats = self._floats
        floats[id(text)] = text
        if len(floats) > _FLOATS_MAX:
            del floats[next(iter(floats))]
        return text

    def is_float(self, text: bytes | bytearray) -> bool:
        """Say whether this very text was noted lately. O(1)."""
        return id(text) in self._floats

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Call ``follower`` with each key that changes from now on; return what ends it."""
        self.followers = (*self.followers, follower)
        for db in self.databases:
            db.observe()

        def cancel() -> None:
            self.followers = tuple(other for other in self.followers if other is not follower)
            for db in self.databases:
                db.observe()

        return cancel

    def swap(self, first: int, second: int) -> None:
        """Exchange the contents of two databases; sessions keep their index (SWAPDB). O(watched keys)."""
        one, other = self.databases[first], self.databases[second]
        one.touch_all(other)
        other.touch_all(one)
        one.swap_contents(other)
        one.expires, other.expires = other.expires, one.expires
        if one.usage is not None and other.usage is not None:
            one.usage.swap(other.usage)
        one.member_expires, other.member_expires = other.member_expires, one.member_expires
        one.jobs, other.jobs = other.jobs, one.jobs
        one.walk, other.walk = other.walk, one.walk
        for db in (one, other):
            if db.walk is not None:
                db.walk.follow(db)
            db.observe()
        one.signal_waiters()
        other.signal_waiters()

    def discard(self, segments: Iterable[object]) -> None:
        """Take over segments nobody needs, to be freed by :meth:`collect`. O(segments)."""
        self.garbage.append(list(segments))

    def release(self, value: Value) -> None:
        """Take over what a large container holds once no key has it; a small one is left to the interpreter.

        A handler may go on reading the value until its execution unit ends. O(segments).
        """
        if isinstance(value, Perishable) and value.expires is not None and len(value.expires) > _LARGE:
            self.discard(value.expires.pieces())
        if type(value) is List:
            if len(value.items) > _LARGE:
                self.garbage.append(value.items)
        elif type(value) is Hash:
            if isinstance(value.fields, Table) and value.fields.size > _LARGE:
                self.discard(value.fields.directory)
        elif type(value) is Set:
            if isinstance(value.members, Table) and value.members.size > _LARGE:
                self.discard(value.members.directory)
        elif type(value) is SortedSet and isinstance(value.scores, Table) and value.scores.size > _LARGE:
            self.discard(value.scores.directory)
            self.discard(value.pieces())
        elif type(value) is Stream and value.weight > _LARGE:
            self.discard(value.pieces())

    def collect(self, segments: int = 0) -> bool:
        """Free up to ``segments`` discarded segments; True if more are left.

        0 takes as many as keep the pause short, and more where garbage arrives faster than that. Only between
        execution units: no handler can be reading what it frees.
        """
        left = segments or _SEGMENTS_PER_SLICE + sum(map(_segments_in, self.garbage)) // _SLICES_TO_CATCH_UP
        while self.garbage and left > 0:
            pieces = self.garbage.pop()
            count = min(left, _segments_in(pieces))
            left -= count
            if isinstance(pieces, deque):
                for _ in range(min(count * SEGMENT_MAX, len(pieces))):
                    pieces.pop()
            else:
                self._free_segments(pieces, count)
            if pieces:
                self.garbage.append(pieces)
        return bool(self.garbage)

    def _free_segments(self, segments: list[object], count: int) -> None:
        for segment in segments[-count:]:
            if isinstance(segment, dict):
                # A database's segment holds containers that take as long to free as any deleted key's.
                for value in segment.values():
                    if type(value) in _CONTAINERS:
                        self.release(value)
        del segments[-count:]


def _segments_in(pieces: list[object] | deque[bytes]) -> int:
    return -(-len(pieces) // SEGMENT_MAX) if isinstance(pieces, deque) else len(pieces)


def _ignore(_db: Database, _key: bytes) -> None:
    """Stand in for a hook before the engine sets it."""


def _ignore_time(_at_ms: int) -> None:
    """Stand in for a hook before the engine sets it."""


def _ignore_members(_db: Database, _key: bytes, _container: Value, _members: list[bytes]) -> None:
    """Stand in for a hook before the engine sets it."""
