"""The log of effects: what AOF, replicas and active-active replay to reach the same state.

Effects form one list per execution unit (a command, a transaction, a script); two or more stand between MULTI and
EXEC. With no subscriber nothing is allocated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvcore.keyspace import Database

Effect = tuple[int, list[bytes]]
"""Database index and command."""

Subscriber = Callable[[Sequence[Effect]], None]
"""Takes one unit's effects, under the engine lock. It should not raise: that is logged, and the others still hear."""

logger = logging.getLogger("kvcore.effects")


class Effects:
    """Collects a unit's effects and hands them to subscribers in their order of subscription."""

    __slots__ = ("_subscribers", "_unit", "listening")

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []
        self._unit: list[Effect] = []
        self.listening = False
        """Whether anybody subscribed."""

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` with each unit's effects, under the engine lock; return what ends it."""
        self._subscribers = [*self._subscribers, subscriber]
        self.listening = True

        def cancel() -> None:
            # A new list: a subscriber may end itself, or another, while flush() walks the old one.
            kept = list(self._subscribers)
            if subscriber in kept:
                kept.remove(subscriber)
            self._subscribers = kept
            self.listening = bool(self._subscribers)

        return cancel

    def add(self, db: Database, argv: list[bytes]) -> None:
        """Append an effect to the unit."""
        self._unit.append((db.index, argv))

    def flush(self) -> None:
        """End the unit: hand its effects over, between MULTI and EXEC when there are several."""
        unit = self._unit
        if not unit:
            return
        self._unit = []
        if len(unit) > 1:
            unit = [(unit[0][0], [b"MULTI"]), *unit, (unit[-1][0], [b"EXEC"])]
        for subscriber in self._subscribers:
            try:
                subscriber(unit)
            except Exception:
                # The commands ran and their clients must hear so; whoever may not miss an effect keeps its own state.
                logger.exception("A subscriber of effects failed")
