"""The snapshot that is running, if one is: in slices, between commands, and never two at a time.

What lives here: pace, ending well or badly. What must not: where the bytes go, which is a :class:`Target`'s (a file of
:mod:`kvcore.storage`, the replicas of :mod:`kvcore.replication`), and when to begin. The rule: the engine never waits
for a target; it stops walking while too much is on its way.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from kvcore.snapshot import KEYS_AT_ONCE, Format, Output, Snapshot, StalledError

if TYPE_CHECKING:
    from kvcore.engine import Engine

logger = logging.getLogger("kvcore.background")

SLICE_NS: Final = 1_000_000
"""How long the engine works on a snapshot before it looks at clients again."""

PAUSE_MS: Final = 2
"""How long clients have the engine between two slices, while there are any: two thirds of its time."""

_WHOLE_NS: Final = 1 << 62

_LOOK_MS: Final = 100
"""How often a snapshot that is held up looks whether it still is."""

FILE: Final = "file"
"""A snapshot's purpose: the data set on disk."""

LOG: Final = "log"
"""A snapshot's purpose: the beginning of an append-only file."""

REPLICAS: Final = "replicas"
"""A snapshot's purpose: servers that are to have the data set, too. Clients are told that it is for a file."""


class Target(Output, Protocol):
    """Where a snapshot goes."""

    @property
    def error(self) -> BaseException | None:
        """What went wrong, None while nothing has."""
        ...

    @property
    def ended(self) -> bool:
        """Whether everything is where it belongs, or nothing will be."""
        ...

    def close(self) -> None:
        """Hear that all was given."""
        ...

    def abort(self) -> None:
        """Hear that nothing more will come, and that what came is worth nothing."""
        ...

    def wait(self) -> bool:
        """Let some time pass, for what is on its way; False if that helps nothing while the engine waits."""
        ...

    def join(self) -> None:
        """Wait for the end, after :meth:`close` or :meth:`abort`."""
        ...


Ended = Callable[[BaseException | None], None]
"""Is told that a snapshot ended, and what went wrong if anything did. Runs on the engine's side."""


class Background:
    """The snapshot that is running, if one is. Everything here happens under the engine lock."""

    __slots__ = ("_engine", "_failure", "_on_end", "_paced_ns", "_seen_bytes", "_snapshot", "_target", "purpose")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._snapshot: Snapshot | None = None
        self._target: Target | None = None
        self._failure: Exception | None = None  # why the snapshot was given up, while its target clears up
        self._on_end: Ended = _ignore
        self._seen_bytes = 0
        self._paced_ns = -1  # when the last key was due, while `rdb-key-save-delay` holds keys up
        self.purpose = ""
        """What the running snapshot is for, empty if none runs."""

    @property
    def busy(self) -> bool:
        """Whether a snapshot is running: no other may begin."""
        return self._snapshot is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Keys written and keys in all, of the running snapshot."""
        snapshot = self._snapshot
        return (0, 0) if snapshot is None else (snapshot.processed, snapshot.total)

    def start(self, form: Format, head: bytes, target: Target, on_end: Ended, purpose: str = FILE) -> None:
        """Begin a snapshot of the data set as it is now. ``head`` is what it begins with. O(databases)."""
        assert self._snapshot is None, "a snapshot is running"
        self._snapshot = Snapshot(self._engine.keyspace, self._engine.clock, form, target)
        self._target = target
        self._on_end = on_end
        self._paced_ns = -1
        self.purpose = purpose
        self._snapshot.begin(head)

    def step(self) -> int:
        """Work for a slice; return in how many milliseconds to go on, -1 if there is nothing to do."""
        snapshot, target = self._snapshot, self._target
        if snapshot is None or target is None:
            return -1
        pause_ms = 0
        if not snapshot.done:
            try:
                if target.error is not None:
                    snapshot.cancel()
                    target.abort()
                else:
                    pause_ms = self._advance(snapshot)
                    if snapshot.done:
                        target.close()
            except Exception as error:
                self._give_up(snapshot, target, error)
        if target.ended:
            self._end(self._failure or target.error)
            return -1
        if snapshot.done:
            return PAUSE_MS
        if pause_ms:
            return pause_ms
        received = self._engine.statistics.input_bytes
        idle, self._seen_bytes = received == self._seen_bytes, received
        return 0 if idle and not target.full() else PAUSE_MS

    def _advance(self, snapshot: Snapshot) -> int:
        """Work for a slice; return in how many milliseconds `rdb-key-save-delay` lets the next key through."""
        delay_ns = key_delay_ns(self._engine)
        if not delay_ns:
            self._paced_ns = -1
            snapshot.keys_at_once = KEYS_AT_ONCE
            snapshot.advance(SLICE_NS)
            return 0
        snapshot.keys_at_once = 1
        now_ns = self._engine.clock.steady_ns()
        if self._paced_ns < 0:
            self._paced_ns = now_ns
            snapshot.advance(0)
        due_ns = self._paced_ns + delay_ns
        end_ns = now_ns + SLICE_NS
        while due_ns <= now_ns and not snapshot.advance(0) and self._engine.clock.steady_ns() < end_ns:
            due_ns += delay_ns
        self._paced_ns = int(due_ns - delay_ns)
        return max(1, min(_LOOK_MS, math.ceil((due_ns - now_ns) / 1_000_000)))

    def finish(self) -> BaseException | None:
        """Write all that is left at once, and wait until it is where it belongs; return what went wrong. O(keys)."""
        snapshot, target = self._snapshot, self._target
        if snapshot is None or target is None:
            return None
        snapshot.keys_at_once = KEYS_AT_ONCE
        while not snapshot.done and target.error is None:
            try:
                if snapshot.advance(_WHOLE_NS):
                    target.close()
                elif target.full() and not target.wait():
                    raise StalledError("a snapshot was in the way, and could not be waited for")
            except Exception as failure:
                self._give_up(snapshot, target, failure)
        if not snapshot.done:
            snapshot.cancel()
            target.abort()
        target.join()
        error = self._failure or target.error
        self._end(error)
        return error

    def cancel(self) -> None:
        """Stop the snapshot. ``on_end`` is not called."""
        snapshot, target = self._snapshot, self._target
        if snapshot is None or target is None:
            return
        if not snapshot.done:
            snapshot.cancel()
            target.abort()
        target.join()
        self._forget()

    def _give_up(self, snapshot: Snapshot, target: Target, error: Exception) -> None:
        """End a snapshot that cannot be taken: a value with a bug in it must not stop the server."""
        if not isinstance(error, StalledError):
            logger.exception("Taking a snapshot failed")
        self._failure = error
        snapshot.cancel()
        target.abort()  # which may take time: nobody waits for it here

    def _end(self, error: BaseException | None) -> None:
        on_end = self._on_end
        self._forget()
        on_end(error)

    def _forget(self) -> None:
        self._snapshot = None
        self._target = None
        self._failure = None
        self._on_end = _ignore
        self.purpose = ""


def key_delay_ns(engine: Engine) -> float:
    """Return how long each key holds a snapshot up, in nanoseconds (`rdb-key-save-delay`).

    The directive has microseconds for a key, below zero keys for a microsecond.
    """
    delay_us = engine.config.integer("rdb-key-save-delay")
    return delay_us * 1000 if delay_us >= 0 else -1000 / delay_us


def _ignore(_error: BaseException | None) -> None:
    """Stand in where no snapshot runs."""
