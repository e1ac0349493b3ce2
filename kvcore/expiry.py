"""Active expiry: delete keys, and members of containers, past their time although nobody asks for them.

As the real server: sample keys that have a time to live, delete those that are due, and go on in a database while
more than a tenth of its samples were due and the cycle's time is not used up. Members are not sampled: their deadlines
are in order, so a cycle finds those that are due and nothing else.
"""

from __future__ import annotations

from typing import Final

from kvcore.clock import Clock
from kvcore.keyspace import Database, Keyspace

_SAMPLES: Final = 20
_DATABASES_PER_CYCLE: Final = 16
_MEMBERS_PER_STEP: Final = 256
_BUDGET_NS: Final = 2_000_000  # a cycle holds the engine lock: other clients wait for it


class ActiveExpiry:
    """The cycle that ``engine.tick`` runs."""

    __slots__ = ("_clock", "_cursors", "_keyspace", "_next_db", "effort", "enabled", "out_of_time")

    def __init__(self, keyspace: Keyspace, clock: Clock) -> None:
        self._keyspace = keyspace
        self._clock = clock
        self._next_db = 0
        self._cursors = [0] * len(keyspace.databases)
        self.effort = 1
        """`active-expire-effort`, 1 to 10."""
        self.enabled = True
        """DEBUG SET-ACTIVE-EXPIRE turns it off."""
        self.out_of_time = 0
        """Cycles that ended because their time was used up."""

    def cycle(self) -> int:
        """Run one cycle; return how many keys it deleted."""
        if not self.enabled:
            return 0
        databases = self._keyspace.databases
        deadline = self._clock.steady_ns() + _BUDGET_NS * self.effort
        deleted = 0
        for _ in range(min(_DATABASES_PER_CYCLE, len(databases))):
            db = databases[self._next_db % len(databases)]
            self._next_db = (self._next_db + 1) % len(databases)
            deleted += self._expire_in(db, deadline)
            if db.member_expires is not None:
                self._expire_members_in(db, deadline)
            if self._clock.steady_ns() > deadline:
                self.out_of_time += 1
                break
        return deleted

    def _expire_in(self, db: Database, deadline_ns: int) -> int:
        samples = _SAMPLES + _SAMPLES // 4 * (self.effort - 1)
        deleted = 0
        while db.expires.size:
            cursor, keys = db.expires.scan(self._cursors[db.index], samples)
            self._cursors[db.index] = cursor
            due = sum(1 for key in keys if db.expire_if_due(key))
            deleted += due
            self._keyspace.statistics.expired_stale_percent += 0.05 * (
                due * 100 / max(1, len(keys)) - self._keyspace.statistics.expired_stale_percent
            )
            # A scan that came to its end may have seen few keys: the next cycle goes on from the start.
            if cursor == 0 or due * 10 <= len(keys) or self._clock.steady_ns() > deadline_ns:
                break
        return deleted

    def _expire_members_in(self, db: Database, deadline_ns: int) -> None:
        now_ms = self._keyspace.now_ms()
        while db.member_expires is not None:
            first = db.member_expires.first()
            if first is None or first[0] > now_ms:
                break
            db.expire_members(first[1], _MEMBERS_PER_STEP)
            if self._clock.steady_ns() > deadline_ns:
                break
