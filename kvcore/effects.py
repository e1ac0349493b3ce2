"""The log of effects: what AOF, replicas and active-active replay to reach the same state.

Effects form one list per execution unit (a command, a transaction, a script); two or more stand between MULTI and
EXEC, unless they have nothing to do with each other: keys whose time had come when SCAN met them. With no subscriber
nothing is allocated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kvcore.keyspace import Database

Effect = tuple[int, list[bytes]]
"""Database index and command."""

Subscriber = Callable[[Sequence[Effect]], None]
"""Takes one unit's effects, under the engine lock. It should not raise: that is logged, and the others still hear."""

AOF: Final = 1
REPLICAS: Final = 2
EVERYWHERE: Final = AOF | REPLICAS
"""Where effects may go, as `redis.set_repl` numbers it."""

logger = logging.getLogger("kvcore.effects")


class Effects:
    """Collects a unit's effects and hands them to subscribers in their order of subscription."""

    __slots__ = ("_apart", "_limited", "_subscribers", "_unit", "listening", "targets", "units")

    def __init__(self) -> None:
        self._subscribers: list[tuple[Subscriber, int]] = []
        self._unit: list[Effect] = []
        self._limited: dict[int, int] = {}
        """By their place in the unit, the effects that do not go everywhere."""
        self._apart = False
        self.targets = EVERYWHERE
        """Where what is added goes; a script sets it for a command."""
        self.listening = False
        """Whether anybody subscribed."""
        self.units = 0
        """How many units were handed over so far."""

    def subscribe(self, subscriber: Subscriber, target: int = EVERYWHERE) -> Callable[[], None]:
        """Call ``subscriber`` with each unit's effects, under the engine lock; return what ends it.

        With a ``target`` it is spared those that scripts keep from there; a unit may turn out empty.
        """
        entry = (subscriber, target)
        self._subscribers = [*self._subscribers, entry]
        self.listening = True

        def cancel() -> None:
            # A new list: a subscriber may end itself, or another, while flush() walks the old one.
            kept = list(self._subscribers)
            if entry in kept:
                kept.remove(entry)
            self._subscribers = kept
            self.listening = bool(self._subscribers)

        return cancel

    def add(self, db: Database, argv: list[bytes]) -> None:
        """Append an effect to the unit."""
        if self.targets != EVERYWHERE:
            if not any(target & self.targets for _, target in self._subscribers):
                return
            self._limited[len(self._unit)] = self.targets
        self._unit.append((db.index, argv))

    def part(self) -> None:
        """Say that the unit's effects so far, which are all, have nothing to do with each other: one is a unit."""
        self._apart = len(self._unit) > 1

    def flush(self) -> None:
        """End the unit: hand its effects over, between MULTI and EXEC when there are several."""
        unit = self._unit
        if not unit:
            return
        if self._apart:
            self._apart = False
            for effect in unit:
                self._unit = [effect]
                self.flush()
            return
        self._unit = []
        self.units += 1
        limited = self._limited
        if limited:
            self._limited = {}
        whole = _framed(unit, unit)
        for subscriber, target in self._subscribers:
            handed = whole
            if limited:
                handed = _framed(unit, [unit[at] for at in range(len(unit)) if limited.get(at, EVERYWHERE) & target])
            try:
                subscriber(handed)
            except Exception:
                # The commands ran and their clients must hear so; whoever may not miss an effect keeps its own state.
                logger.exception("A subscriber of effects failed")


def _framed(unit: list[Effect], part: list[Effect]) -> list[Effect]:
    """Return a part of a unit, between MULTI and EXEC where the whole would be."""
    if len(unit) == 1:
        return part
    return [(unit[0][0], [b"MULTI"]), *part, (unit[-1][0], [b"EXEC"])]
