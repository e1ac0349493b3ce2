"""Snapshots without fork: the data set as it was at one moment, written while commands go on.

Lives here: the moment (epoch), the walk, and what happens to a key that changes before the walk came to it. Must not
live here: bytes, which are a :class:`Format`'s, and where they go, which is an :class:`Output`'s. BGSAVE, the rewrite
of an append only file and a full synchronisation differ in those two only.

The walk takes the segments of each database in the order of SCAN's cursor (:mod:`kvcore.datatypes.table`), which no
split and no merge moves a key across. So the bits of a key's hash, reversed, say whether the walk has passed it:

- passed: whatever happens to it does not matter any more;
- not passed: :meth:`DatabaseWalk.keep` saves it as it is before it changes, and notes it, so that the walk leaves it
  out. A key that is created ahead of the walk is noted only.
- in the segment at hand: it is in ``pending``, a copy of what is left of the segment, and is taken out of there.

The rule that keeps it complete: every accessor of a database that may change a key calls ``keep`` first. A small value
is written at once then. What is left of a large container is frozen (its parts are shared until they change, or copied)
and written later in slices. Its record must not be interrupted by another: who comes meanwhile waits in ``_aside``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from kvcore.clock import Clock
from kvcore.datatypes.table import Table, next_position
from kvcore.errors import KvcoreError

if TYPE_CHECKING:
    from kvcore.keyspace import Database, Keyspace, Value
    from kvcore.rdb.file_writer import Segments

_ALL: Final = 1 << 32
_PARTITIONS: Final = 256
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
KEYS_AT_ONCE: Final = 32
"""Keys between two looks at the clock, if nothing else is wanted."""

_STEP_BYTES: Final = 1 << 13
"""Bytes after which the clock is looked at anyway."""

CHUNK_BYTES: Final = 1 << 16
"""Bytes handed over at a time, at least."""

EARLY_BYTES_MAX: Final = 256 << 20
"""What may be on its way before a snapshot is given up: commands do not wait, and what they change is written early."""


class StalledError(KvcoreError):
    """What has to be written early cannot be: the disk takes less than commands change."""


class Format(Protocol):
    """How a data set becomes bytes; :class:`kvcore.rdb.file_writer.FileWriter` is one."""

    def database(self, index: int) -> bytes:
        """Return what says that the keys behind it are of database ``index``."""

    def sizes(self, keys: int, expires: int) -> bytes:
        """Return what says how many keys the database has, and how many of them expire."""

    def is_large(self, value: object) -> bool:
        """Say whether a value takes so long that it must be written by :meth:`pieces`. O(1)."""

    def add_strings(self, parts: list[bytes], pending: dict[bytes, Value], most: int) -> None:
        """Append up to ``most`` plain strings that never expire, taking them out of ``pending``, up to any other."""

    def add(self, parts: list[bytes], key: bytes, value: Value, at_ms: int | None, idle_s: int, frequency: int) -> None:
        """Append a key."""

    def pieces(
        self, key: bytes, value: Value, at_ms: int | None, idle_s: int, frequency: int
    ) -> tuple[bytes, list[Segments]]:
        """Return the beginning of a large key, and what it goes on with."""

    def end(self) -> bytes:
        """Return what comes behind the last key."""


class Output(Protocol):
    """Where the bytes go. None of these calls may wait."""

    def write(self, data: bytes) -> None:
        """Take bytes that follow those before."""

    def full(self) -> bool:
        """Say whether the walk should pause because what it wrote is still on its way."""

    def waiting(self) -> int:
        """Return how many bytes are on their way."""


def reversed_bits(hashed: int) -> int:
    """Return the low 32 bits of a hash in reverse order: where the walk meets its key."""
    return int.from_bytes((hashed & 0xFFFFFFFF).to_bytes(4, "little").translate(_REVERSED), "big")


class _Large:
    """A large container that is being written, or waits for it."""

    __slots__ = ("frozen", "head", "key", "segments", "walk")

    def __init__(self, walk: DatabaseWalk, key: bytes, head: bytes, segments: list[Segments]) -> None:
        self.walk = walk
        self.key = key
        self.head = head
        self.segments = segments
        self.frozen = False

    def freeze(self) -> None:
        """Take what is left, once: the container is about to change."""
        if not self.frozen:
            self.frozen = True
            for each in self.segments:
                each.freeze()


class DatabaseWalk:
    """The walk through one database."""

    __slots__ = ("_db", "_early", "_forgotten", "_snapshot", "done", "expires", "front", "index", "pending", "table")

    def __init__(self, snapshot: Snapshot, db: Database) -> None:
        self._snapshot = snapshot
        self._db: Database | None = db
        self.index = db.index
        """The number the database had at the epoch."""
        self.table: Table[Value] = db
        self.expires = db.expires
        self.front = 0
        """Keys whose reversed hash is below are written or pending."""
        self.pending: dict[bytes, Value] = {}
        self.done = False
        self._early: list[set[bytes]] = [set() for _ in range(_PARTITIONS)]
        self._forgotten = 0  # partitions that the walk has passed

    # The database's calls

    def keep(self, key: bytes) -> None:
        """Save ``key`` as it is, unless that is done. O(value); O(parts) for a large container, O(elements) for a list.

        The command must not suffer where that fails: the snapshot does.
        """
        try:
            self._keep(key)
        except Exception as error:
            self._snapshot.failure = error

    def _keep(self, key: bytes) -> None:
        hashed = hash(key)
        if reversed_bits(hashed) < self.front:
            if self.pending:
                value = self.pending.pop(key, None)
                if value is not None:
                    self._snapshot.save_early(self, key, value)
                    return
            self._snapshot.freeze(self, key)
            return
        early = self._early[hashed & 255]
        if key in early:
            return
        early.add(key)
        value = self.table.get(key)
        if value is not None:
            self._snapshot.save_early(self, key, value)

    def take_over(self) -> None:
        """Take the contents of the database, which is being emptied. O(1)."""
        db = self._db
        assert db is not None
        contents: Table[Value] = Table()
        contents.swap_contents(db)
        self.table = contents
        db.expires = Table()
        self.leave()

    def follow(self, db: Database) -> None:
        """Go on in ``db``, which got the contents (SWAPDB)."""
        self._db = db
        self.table = db
        self.expires = db.expires

    def leave(self) -> None:
        """Have the database forget this walk."""
        db = self._db
        if db is not None:
            db.walk = None
            db.observe()
            self._db = None

    def discard(self, keyspace: Keyspace) -> None:
        """Give back what the walk alone still holds, to be freed in slices."""
        if self._db is None:
            keyspace.discard(self.table.directory)
            keyspace.discard(self.expires.directory)
        else:
            self.leave()
        self.table = Table()
        self.expires = Table()
        self.pending = {}
        keyspace.discard(self._early)
        self._early = []
        self.done = True

    # The snapshot's calls

    def next_segment(self) -> None:
        """Make the next segment the pending one. O(segment)."""
        if self.front == _ALL:
            self.done = True
            return
        table = self.table
        start = self.front
        index = reversed_bits(start) & table.mask
        depth = table.depths[index]
        segment = table.directory[index]
        own_start = reversed_bits(index & ((1 << depth) - 1))
        early = self._early
        if own_start < start:
            # Two segments merged, and the walk had passed one of them.
            self.pending = {
                key: value
                for key, value in segment.items()
                if reversed_bits(hash(key)) >= start and key not in early[hash(key) & 255]
            }
        elif depth >= 8:
            noted = early[index & 255]
            self.pending = {k: v for k, v in segment.items() if k not in noted} if noted else segment.copy()
        else:
            self.pending = {k: v for k, v in segment.items() if k not in early[hash(k) & 255]}
        position = next_position(index, depth)
        self.front = reversed_bits(position) if position else _ALL
        while self._forgotten < self.front >> 24:
            early[_REVERSED[self._forgotten]] = set()
            self._forgotten += 1

    def use_of(self, key: bytes) -> tuple[int, int]:
        """Return for how many seconds ``key`` was idle and its access counter, -1 for what is not known."""
        usage = None if self._db is None else self._db.usage
        if usage is None or usage.access is None:
            return -1, -1
        stamp = usage.stamp(key)
        if usage.clock.lfu:
            return -1, usage.clock.frequency(stamp)
        return usage.clock.idle_s(stamp), -1

    @property
    def knows_uses(self) -> bool:
        """Whether :meth:`use_of` knows anything."""
        usage = None if self._db is None else self._db.usage
        return usage is not None and usage.access is not None


class Snapshot:
    """One epoch: from :meth:`begin` on, :meth:`advance` until it says that all is written."""

    __slots__ = (
        "_aside",
        "_aside_bytes",
        "_clock",
        "_format",
        "_keyspace",
        "_large",
        "_output",
        "_parts",
        "_selected",
        "_size",
        "_walks",
        "done",
        "failure",
        "keys_at_once",
        "processed",
        "total",
    )

    def __init__(self, keyspace: Keyspace, clock: Clock, form: Format, output: Output) -> None:
        self._keyspace = keyspace
        self._clock = clock
        self._format = form
        self._output = output
        self._walks: list[DatabaseWalk] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._selected = -1
        self._aside: list[tuple[DatabaseWalk, bytes]] = []
        self._aside_bytes = 0
        self._large: deque[_Large] = deque()
        self.keys_at_once = KEYS_AT_ONCE
        """Keys between two looks at the clock; who sets 1 has each :meth:`advance` with no time write one key."""
        self.processed = 0
        """Keys written."""
        self.total = 0
        """Keys at the epoch."""
        self.done = False
        self.failure: Exception | None = None
        """Why a key could not be written; the snapshot is worth nothing then, and :meth:`advance` raises this."""

    def begin(self, head: bytes) -> None:
        """Start: what is written is the data set as it is now. ``head`` comes first. O(databases).

        Only one snapshot of a keyspace may run.
        """
        self._emit(head)
        for db in self._keyspace.databases:
            assert db.walk is None, "a snapshot is running"
            if not db.size:
                continue
            walk = DatabaseWalk(self, db)
            self._walks.append(walk)
            self.total += db.size
            db.walk = walk
            db.observe()
            self._emit(self._format.database(db.index) + self._format.sizes(db.size, db.expires.size))
            self._selected = db.index

    def cancel(self) -> None:
        """Forget the snapshot: the databases are as if it had never begun."""
        for walk in self._walks:
            walk.discard(self._keyspace)
        self._walks = []
        self._large.clear()
        self._aside = []
        self._parts = []
        self.done = True

    def advance(self, budget_ns: int) -> bool:
        """Write for about ``budget_ns``, or until the output is full; True once everything is written.

        What cannot be divided (a string, a small container) is written whole, however long that takes.
        """
        if self.failure is not None:
            raise self.failure
        if self.done:
            return True
        deadline = self._clock.steady_ns() + budget_ns
        while not self._output.full():
            if self._large:
                self._write_large()
            elif not self._write_pending():
                break
            if self._clock.steady_ns() >= deadline:
                return False
        else:
            return False
        self._emit(self._format.end())
        self._hand_over()
        self.done = True
        return True

    # The walks' calls

    def save_early(self, walk: DatabaseWalk, key: bytes, value: Value) -> None:
        """Write a key ahead of its turn: it is about to change. Raises StalledError."""
        if self.failure is not None:
            return  # it will not be finished
        parts: list[bytes] = []
        self._add(walk, key, value, parts, frozen=True)
        if not parts:
            return
        record = b"".join(parts)
        if self._large:
            self._aside.append((walk, record))
            self._aside_bytes += len(record)
        else:
            self._select(walk)
            self._emit(record)
        if self._output.waiting() + self._aside_bytes > EARLY_BYTES_MAX:
            raise StalledError("the disk takes less than commands change: too much waits to be written")

    def freeze(self, walk: DatabaseWalk, key: bytes) -> None:
        """Take what is left of a large container, if it is the one being written."""
        if self._large and self._large[0].key == key and self._large[0].walk is walk:
            self._large[0].freeze()

    # Inner works

    def _write_pending(self) -> bool:
        """Write a few keys of the segment at hand; False if there is none left."""
        while self._walks:
            walk = self._walks[0]
            if walk.pending:
                self._select(walk)
                parts = self._parts
                before = len(parts)
                count = len(walk.pending)
                if not walk.expires.size and not walk.knows_uses:
                    self._format.add_strings(parts, walk.pending, self.keys_at_once)
                    if len(walk.pending) == count:
                        self._add_next(walk)
                else:
                    self._add_next(walk)
                self.processed += count - len(walk.pending)
                self._size += sum(map(len, parts[before:])) if len(parts) > before else 0
                if self._size >= CHUNK_BYTES:
                    self._hand_over()
                return True
            walk.next_segment()
            if walk.done:
                self._walks.pop(0)
                walk.discard(self._keyspace)
        return False

    def _add_next(self, walk: DatabaseWalk) -> None:
        """Append the next few keys of any kind, fewer if they are long."""
        parts = self._parts
        expiry = walk.expires.get if walk.expires.size else None
        add = self._format.add
        is_large = self._format.is_large
        popitem = walk.pending.popitem
        known = walk.knows_uses
        first = len(parts)
        size = 0
        for _ in range(min(self.keys_at_once, len(walk.pending))):
            key, value = popitem()
            if type(value) is not bytes and is_large(value):
                self._add(walk, key, value, parts, frozen=False)
                return
            idle_s, frequency = walk.use_of(key) if known else (-1, -1)
            add(parts, key, value, None if expiry is None else expiry(key), idle_s, frequency)
            size += sum(map(len, parts[first:]))
            first = len(parts)
            if size > _STEP_BYTES:
                return

    def _add(self, walk: DatabaseWalk, key: bytes, value: Value, parts: list[bytes], frozen: bool) -> None:
        at_ms = walk.expires.get(key) if walk.expires.size else None
        idle_s, frequency = walk.use_of(key)
        if frozen:
            self.processed += 1
        if self._format.is_large(value):
            head, segments = self._format.pieces(key, value, at_ms, idle_s, frequency)
            large = _Large(walk, key, head, segments)
            if frozen:
                large.freeze()
            self._large.append(large)
        else:
            self._format.add(parts, key, value, at_ms, idle_s, frequency)

    def _write_large(self) -> None:
        large = self._large[0]
        if large.head:
            self._select(large.walk)
            self._emit(large.head)
            large.head = b""
        while large.segments:
            data = large.segments[0].next()
            if data is not None:
                self._emit(data)
                return
            large.segments.pop(0)
        self._large.popleft()
        if not self._large:
            aside, self._aside = self._aside, []
            self._aside_bytes = 0
            for walk, data in aside:
                self._select(walk)
                self._emit(data)

    def _select(self, walk: DatabaseWalk) -> None:
        if self._selected != walk.index:
            self._selected = walk.index
            self._emit(self._format.database(walk.index))

    def _emit(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size >= CHUNK_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._parts:
            self._output.write(b"".join(self._parts))
            # The list is a caller's local, too.
            self._parts.clear()
            self._size = 0
