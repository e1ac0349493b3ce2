"""Memory limits: `maxmemory`, its policies, and who goes when it is reached.

Lives here: comparing what is used with the limit, choosing victims, deleting them. Must not live here: what things cost
(:mod:`kvcore.memory`), what a stamp means (:mod:`kvcore.access`), refusing commands (:mod:`kvcore.dispatch`). The rule:
keys go between execution units only, so that no handler loses what it holds, and each goes through ``Database.take``.

As in the real server nobody keeps keys in order of age. A few random ones are drawn for each victim, the best of all
draws so far wait in a small pool, and the best of the pool goes.
"""

from __future__ import annotations

import random as random_module
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from kvcore.access import AccessClock
from kvcore.clock import Clock
from kvcore.datatypes.table import Table
from kvcore.keyspace import Database, Keyspace, Value
from kvcore.memory import ENTRY_BYTES, EXPIRY_BYTES, STARTUP_BYTES, Ledger, Usage, bytes_cost, value_bytes

POOL_SIZE: Final = 16
_KEYS_BETWEEN_LOOKS: Final = 16
"""Keys deleted before the clock is read again."""

_COMMANDS_BETWEEN_SUMS: Final = 64
"""Commands before the side tables are added up again: they grow with the keys, and slowly."""

_GARBAGE_SEGMENTS: Final = 8
"""Segments of deleted values freed before each command: some thousand elements, more than most commands add."""

_WALKED: Final = 512
_DRAWN: Final = 256
_MARGIN_BYTES: Final = 8 << 20
"""Resident memory that is nobody's fault: connections, buffers, a larger heap."""

_TICK_BUDGET_NS: Final = 2_000_000

_HAND: Final = 64
"""Keys drawn at once: a draw touches a whole segment, and many candidates come from it for the price of one."""


class Evictor:
    """Keeps the data set below the limit."""

    __slots__ = (
        "_clock",
        "_evicted_before",
        "_hands",
        "_idle_bytes",
        "_keyspace",
        "_next_db",
        "_over_since_ns",
        "_over_total_ns",
        "_pool",
        "_random",
        "_ranks",
        "_reserve",
        "_side_bytes",
        "_until_sum",
        "access_clock",
        "client_bytes",
        "evicted",
        "ledger",
        "limit",
        "on_evicted",
        "peak",
        "policy",
        "samples",
        "tenacity",
    )

    def __init__(self, keyspace: Keyspace, clock: Clock, random: random_module.Random) -> None:
        self._keyspace = keyspace
        self._clock = clock
        self._random = random
        self._next_db = 0
        self._ranks: list[int] = []  # of the pool's keys, ascending: the best victim is the last
        self._pool: list[tuple[Database, bytes]] = []
        self._hands: dict[int, list[bytes]] = {}  # drawn keys that are not looked at yet, by database
        self._side_bytes = 0
        self._reserve = 0  # taken from the limit for fragmentation
        self._idle_bytes = 0  # of the process without data, 0 while unknown
        self._evicted_before = 0
        self._until_sum = 0
        self._over_since_ns = 0
        self._over_total_ns = 0
        self.access_clock = AccessClock(keyspace.now_ms, random)
        self.ledger = Ledger()
        self.limit = 0
        """`maxmemory` in bytes; 0 is none."""
        self.client_bytes = 0
        """What waits in the buffers of clients, as it was lately; 0 without a limit."""
        self.policy = "noeviction"
        """`maxmemory-policy`"""
        self.samples = 5
        """`maxmemory-samples`"""
        self.tenacity = 10
        """`maxmemory-eviction-tenacity`"""
        self.evicted = 0
        """Keys deleted since the start or CONFIG RESETSTAT."""
        self.peak = 0
        """The most bytes that were ever seen in use."""
        self.on_evicted: Callable[[Database, bytes], None] = _ignore

    # Configuration

    def configure(self, limit: int, policy: str) -> None:
        """Follow `maxmemory` and `maxmemory-policy`. O(keys) when counting begins, O(databases) otherwise."""
        stamps_before = _stamps(self.policy)
        stamps = _stamps(policy)
        if policy != self.policy:
            self._forget_candidates()
        self.limit = limit
        self.policy = policy
        if stamps and stamps != stamps_before:
            self.access_clock.start(stamps == "lfu")
        for db in self._keyspace.databases:
            if not limit and not stamps:
                db.usage = None
                db.observe()
                continue
            usage = db.usage
            if usage is None:
                usage = db.usage = Usage(db, self.ledger, self.access_clock, self._random)
                db.observe()
            if stamps != stamps_before:
                if usage.access is not None:
                    self._keyspace.discard(usage.access.directory)
                usage.access = Table() if stamps else None
            if limit and not usage.counting:
                usage.start_counting()
            elif usage.counting and not limit:
                usage.stop_counting()
        if not limit or policy == "noeviction":
            self._reserve = 0
        if not limit:
            self.client_bytes = 0
            self.ledger.reset()
            self._stop_watch()
        self._until_sum = 0

    @property
    def may_share_integers(self) -> bool:
        """Whether small integers are one object for all keys in the real server: stamps would be shared with it."""
        return not self.limit or not _stamps(self.policy)

    # What is used

    def used_bytes(self) -> int:
        """Return what the data set takes; exact as far as the account is, drawn from samples where none is kept."""
        if self.limit:
            self.ledger.settle()
            self._sum_side_tables()
            used = STARTUP_BYTES + self.ledger.charged + self._side_bytes + self.client_bytes
        else:
            used = STARTUP_BYTES + sum(self._drawn_bytes(db) for db in self._keyspace.databases if db.size)
        self.peak = max(self.peak, used)
        return used

    def overhead_bytes(self) -> int:
        """Return the part of :meth:`used_bytes` that is neither keys nor values."""
        return (
            STARTUP_BYTES
            + self.client_bytes
            + sum(
                db.size * ENTRY_BYTES + _side_bytes(db) for db in self._keyspace.databases if db.size or db.expires.size
            )
        )

    def _drawn_bytes(self, db: Database) -> int:
        """Estimate the cost of a database without an account: all of a few keys, a sample of many."""
        if db.size <= _WALKED:
            drawn = sum(bytes_cost(key) + value_bytes(value, self._random) for key, value in db.items())
        else:
            drawn = 0
            for _ in range(_DRAWN):
                key = db.random_key(self._random)
                drawn += bytes_cost(key) + _present_bytes(db, key, self._random)
            drawn = drawn * db.size // _DRAWN
        return drawn + db.size * ENTRY_BYTES + _side_bytes(db)

    def _sum_side_tables(self) -> None:
        self._side_bytes = sum(_side_bytes(db) for db in self._keyspace.databases if db.size or db.expires.size)
        self._until_sum = _COMMANDS_BETWEEN_SUMS

    def _excess(self) -> int:
        used = STARTUP_BYTES + self.ledger.charged + self._side_bytes + self.client_bytes
        return used - self.limit + self._reserve

    # What the process holds beyond that

    def is_fragmented(self) -> bool:
        """Say whether keys were evicted since :meth:`note_resident`: their place may be of no use to others."""
        return self.evicted != self._evicted_before or self._reserve > 0 or not self._idle_bytes

    def note_resident(self, resident: int) -> None:
        """Take note of the resident memory, 0 if unknown, to keep the process near the limit.

        What stays beyond the data and the idle process is fragmentation. Up to three tenths of the limit are left to
        it; whatever it takes more, the data has less, down to two thirds of the limit.
        """
        self._evicted_before = self.evicted
        if not self._idle_bytes:
            self._idle_bytes = max(1, resident - self.ledger.charged - self._side_bytes)
        if not resident or self.policy == "noeviction":
            return
        beyond = resident - self._idle_bytes - _MARGIN_BYTES - self.limit * 13 // 10
        self._reserve = max(0, min(self._reserve + beyond, self.limit // 3))

    # Enforcing the limit

    def enforce(self, *, at_leisure: bool = False) -> bool:
        """Bring the data set below the limit; True if it is above and no key may go.

        It takes as long as `maxmemory-eviction-tenacity` allows (or a slice of the tick, ``at_leisure``); what is
        left is done before the next command. Call between execution units only.
        """
        if self.ledger.unsettled:
            self.ledger.settle()
        if self._keyspace.garbage:
            self._keyspace.collect(_GARBAGE_SEGMENTS)
        self._until_sum -= 1
        if self._until_sum < 0:
            self._sum_side_tables()
        excess = self._excess()
        if excess + self.limit - self._reserve > self.peak:
            self.peak = excess + self.limit - self._reserve
        if excess <= 0:
            self._stop_watch()
            return False
        if not self._over_since_ns:
            self._over_since_ns = self._clock.steady_ns()
        stuck = self.policy == "noeviction" or not self._evict(self._budget_ns(at_leisure))
        if not stuck and self._excess() <= 0:
            self._stop_watch()
        return stuck

    def _budget_ns(self, at_leisure: bool) -> int:
        if self.tenacity >= 100:
            return 1 << 62
        if at_leisure:
            return _TICK_BUDGET_NS
        if self.tenacity <= 10:
            return 50_000 * self.tenacity
        return int(500_000 * 1.15 ** (self.tenacity - 10))

    def _evict(self, budget_ns: int) -> bool:
        """Delete keys until the limit is kept or time is up; False if there was none to delete."""
        deadline = self._clock.steady_ns() + budget_ns
        deleted = 0
        while self._excess() > 0:
            victim = self._choose()
            if victim is None:
                return False
            self._delete(*victim)
            deleted += 1
            if deleted % _KEYS_BETWEEN_LOOKS == 0:
                if self._keyspace.garbage:
                    self._keyspace.collect(_GARBAGE_SEGMENTS)
                self._sum_side_tables()
                if self._clock.steady_ns() >= deadline:
                    break
        return True

    def _delete(self, db: Database, key: bytes) -> None:
        value = db.take(key)
        if value is None:
            return  # its time had come as well, and it went that way
        if type(value) is not bytes:
            self._keyspace.release(value)
        self.evicted += 1
        self.on_evicted(db, key)

    # Choosing victims

    def _choose(self) -> tuple[Database, bytes] | None:
        """Return the next victim, None if the policy lets none go. O(samples * databases) expected."""
        databases = self._keyspace.databases
        if self.policy.endswith("-random"):
            for _ in databases:
                db = databases[self._next_db % len(databases)]
                self._next_db = (self._next_db + 1) % len(databases)
                keys = self._candidates(db)
                if keys.size:
                    return db, keys.random_key(self._random)
            return None
        while True:
            found = False
            for db in databases:
                if db.size and self._candidates(db).size:
                    found = True
                    self._fill_pool(db)
            if not found:
                self._forget_candidates()
                return None
            while self._pool:
                self._ranks.pop()
                db, key = self._pool.pop()
                if key in self._candidates(db):
                    return db, key

    def _forget_candidates(self) -> None:
        self._ranks.clear()
        self._pool.clear()
        self._hands.clear()

    def _candidates(self, db: Database) -> Table[Value] | Table[int]:
        return db if self.policy.startswith("allkeys-") else db.expires

    def _fill_pool(self, db: Database) -> None:
        """Draw keys and keep those that are better victims than the worst of the pool."""
        keys = self._candidates(db)
        ranks, pool = self._ranks, self._pool
        hand = self._hands.get(db.index)
        if hand is None:
            hand = self._hands[db.index] = []
        for _ in range(self.samples):
            if not hand:
                hand += keys.draw_keys(_HAND, self._random)
            key = hand.pop()
            if key not in keys:
                continue
            rank = self._rank(db, key)
            at = bisect_left(ranks, rank)
            if at == 0 and len(ranks) == POOL_SIZE:
                continue
            ranks.insert(at, rank)
            pool.insert(at, (db, key))
            if len(ranks) > POOL_SIZE:
                del ranks[0]
                del pool[0]

    def _rank(self, db: Database, key: bytes) -> int:
        """Return how good a victim ``key`` is; the greater, the better."""
        if self.policy == "volatile-ttl":
            return -(db.expires.get(key) or 0)
        return 0 if db.usage is None else self.access_clock.rank(db.usage.stamp(key))

    # Time above the limit

    def _stop_watch(self) -> None:
        if self._over_since_ns:
            self._over_total_ns += self._clock.steady_ns() - self._over_since_ns
            self._over_since_ns = 0

    def exceeded_ms(self) -> tuple[int, int]:
        """Return how long the limit was exceeded in all, and how long it is now, in milliseconds."""
        current = self._clock.steady_ns() - self._over_since_ns if self._over_since_ns else 0
        return (self._over_total_ns + current) // 1_000_000, current // 1_000_000

    def reset_statistics(self) -> None:
        """Zero the counters (CONFIG RESETSTAT)."""
        self.evicted = 0
        self._over_total_ns = 0
        self._over_since_ns = 0
        self.peak = 0


def _stamps(policy: str) -> str:
    """Return the kind of stamp a policy needs: ``lru``, ``lfu`` or none."""
    return policy[-3:] if policy.endswith(("-lru", "-lfu")) else ""


def _side_bytes(db: Database) -> int:
    """Return the cost of what a database keeps beside its keys. O(1)."""
    return db.expires.size * EXPIRY_BYTES + (0 if db.usage is None else db.usage.side_bytes())


def _present_bytes(db: Database, key: bytes, random: random_module.Random) -> int:
    value = db.get(key)
    return 0 if value is None else value_bytes(value, random)


def _ignore(_db: Database, _key: bytes) -> None:
    """Stand in for a hook before the engine sets it."""
