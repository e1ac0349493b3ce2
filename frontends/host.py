"""The engine, its one lock, and its timer: what every front end of one data set shares.

The rule: whoever touches the engine or a session holds ``host.lock``. Parsing, encoding and system calls happen
outside it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from kvcore.engine import Engine
from kvcore.frontends.network import SocketNetwork
from kvcore.frontends.script_turns import LockTurns
from kvcore.session import Session

logger = logging.getLogger("kvcore.host")


class Host:
    """One engine with its lock."""

    __slots__ = ("__weakref__", "engine", "lock", "next_tick_ms", "now_ms", "on_sooner", "orphans", "reads_wait")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lock = threading.Lock()
        self.orphans: list[Session] = []
        """Sessions whose thread or owner was collected; the next tick ends them."""
        self.now_ms = engine.now_ms()
        """Wall time of the last tick: near enough where a clock read for every command is not."""
        self.next_tick_ms = 0
        """Wall time of the tick that is scheduled."""
        self.on_sooner: Callable[[int], None] = _nobody
        """Called under the lock when a tick is due before the scheduled one."""
        self.reads_wait = False
        """`appendfsync always` of a store in a directory: nobody may see what a crash would undo."""
        engine.on_deadline = self._deadline
        engine.network = SocketNetwork(
            self.lock, lambda: engine.persistence.commit(), lambda: engine.config.string("bind-source-addr")
        )
        engine.scripts.turns = LockTurns(self.lock)

    def tick(self) -> int:
        """Run the engine's tick; return in how many milliseconds the next one is due.

        A bug in something that time asks for must not stop the clock for all else: it is logged.
        """
        with self.lock:
            try:
                return self.tick_locked()
            except Exception:
                logger.exception("A tick failed")
                return 1000 // self.engine.config.integer("hz")

    def tick_locked(self) -> int:
        """Do what :meth:`tick` does, for a caller that holds the lock."""
        engine = self.engine
        while self.orphans:
            engine.drop(self.orphans.pop())
        engine.tick()
        interval = 1000 // engine.config.integer("hz")
        now = engine.now_ms()
        deadline = engine.next_deadline_ms()
        delay = min(interval, max(1, deadline - now)) if deadline else interval
        if engine.work_due_ms >= 0:
            delay = min(delay, engine.work_due_ms)
        self.now_ms = now
        self.next_tick_ms = now + delay
        return delay

    def _deadline(self, at_ms: int) -> None:
        if at_ms < self.next_tick_ms:
            self.next_tick_ms = at_ms
            self.on_sooner(at_ms)


def _nobody(_at_ms: int) -> None:
    """Stand in for a front end without a timer."""
