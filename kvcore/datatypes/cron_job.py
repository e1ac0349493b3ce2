"""A job of KEYDB.CRON: a script with what it is given, and when it runs.

What lives here: the job as a value, the arithmetic of its times, and the list of a database's jobs in the order of
their next runs. What must not: clocks, running anything (:mod:`kvcore.cron`). The rule: all but ``next_ms`` and
``failure`` is as the client said it and never changes, so that a job may be saved, shown and compared at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kvcore.datatypes.deadlines import Deadlines

NEVER_MS: Final = 2**63 - 1
"""A moment that no clock comes to, and the last one there is."""

_LISTED_MIN: Final = 64


class CronJob:
    """When to run which script, once or again and again. Times are in milliseconds, moments since the Unix epoch."""

    __slots__ = ("arguments", "delay_ms", "failure", "keys", "next_ms", "script", "single", "start_ms")

    encoding: Final = "raw"
    """What OBJECT ENCODING answers."""

    def __init__(
        self,
        *,
        single: bool,
        start_ms: int,
        delay_ms: int,
        script: bytes,
        keys: tuple[bytes, ...] = (),
        arguments: tuple[bytes, ...] = (),
        next_ms: int | None = None,
    ) -> None:
        """Without ``next_ms`` the first run is ``delay_ms``, which is positive, after ``start_ms``."""
        self.single = single
        """It runs once, and is deleted then."""
        self.start_ms = start_ms
        self.delay_ms = delay_ms
        self.script = script
        self.keys = keys
        self.arguments = arguments
        self.next_ms = min(start_ms + delay_ms, NEVER_MS) if next_ms is None else next_ms
        """When it runs next; whoever changes it tells the database (``Database.plan``)."""
        self.failure = ""
        """How the last run failed, empty if it did not; nothing that is saved."""

    def following_ms(self, now_ms: int) -> int:
        """Return when it runs after ``now_ms``: whole delays after the start, so that missed runs are skipped."""
        delays = max(1, (now_ms - self.start_ms) // self.delay_ms + 1)
        return min(self.start_ms + delays * self.delay_ms, NEVER_MS)

    def evaluation(self) -> list[bytes]:
        """Return the command that does what a run does."""
        return [b"EVAL", self.script, b"%d" % len(self.keys), *self.keys, *self.arguments]

    def creation(self, name: bytes) -> list[bytes]:
        """Return the command that makes this job under ``name``, to run first a delay after its start."""
        mode = b"single" if self.single else b"repeat"
        words = [b"KEYDB.CRON", name, mode, b"%d" % self.start_ms, b"%d" % self.delay_ms, self.script]
        return [*words, b"%d" % len(self.keys), *self.keys, *self.arguments]

    def recreation(self, name: bytes) -> list[list[bytes]]:
        """Return the commands that make this job as it is now, its next run included."""
        commands = [self.creation(name)]
        if self.next_ms != min(self.start_ms + self.delay_ms, NEVER_MS):
            commands.append(self.postponement(name))
        return commands

    def postponement(self, name: bytes) -> list[bytes]:
        """Return the command that sets the next run of the job under ``name`` as it is."""
        return [b"PEXPIREMEMBERAT", name, name, b"%d" % self.next_ms]

    def check(self) -> None:
        """Assert every invariant. O(keys and arguments)."""
        assert self.delay_ms > 0
        assert self.next_ms <= NEVER_MS
        assert all(type(word) is bytes for word in (self.script, *self.keys, *self.arguments))


class Agenda(Deadlines):
    """When the jobs of a database run next, by key.

    Nobody tells when a job is deleted, so that deleting keys costs no more than it did: a key stays listed until its
    time comes, or until the list has doubled. Whoever takes one up looks whether its job is still there.
    """

    __slots__ = ("_prune_at",)

    def __init__(self) -> None:
        super().__init__()
        self._prune_at = _LISTED_MIN

    def names(self) -> list[bytes]:
        """Return the keys that are listed, in no order that means anything. O(n)."""
        return [name for name, _at_ms in self.items()]

    def plan(self, key: bytes, at_ms: int, is_job: Callable[[bytes], bool]) -> None:
        """List ``key``; ``is_job`` says of a key whether it still holds a job. O(log n) amortised."""
        if len(self) >= self._prune_at:
            for name in self.names():
                if not is_job(name):
                    self.remove(name)
            self._prune_at = max(_LISTED_MIN, 2 * len(self))
        self.put(key, at_ms)
