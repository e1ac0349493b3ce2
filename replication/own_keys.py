"""Keys that clients of a writable replica gave a time to live: nobody but this server will delete them.

What lives here: which they are, and their end. What must not: the primary's keys, whose end the primary tells. The
rule, Redis's own: a key is remembered when a client here sets its time, and looked at in turn, a few each tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kvcore.effects import Effect

if TYPE_CHECKING:
    from kvcore.engine import Engine

_PER_TICK: Final = 1000


class OwnKeys:
    """What one replica has to expire itself."""

    __slots__ = ("_engine", "_keys")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._keys: dict[tuple[int, bytes], None] = {}

    def __len__(self) -> int:
        """How many they are."""
        return len(self._keys)

    def note(self, unit: Sequence[Effect]) -> None:
        """Remember the keys of a client's execution unit that have a time to live. O(effects)."""
        databases = self._engine.keyspace.databases
        for index, argv in unit:
            for key in argv[1:3]:  # what a command changes is its first key, or its second, a destination
                if databases[index].expiry(key) is not None:
                    self._keys[index, key] = None

    def expire(self) -> None:
        """Delete those whose time has come, of the next thousand."""
        keyspace = self._engine.keyspace
        databases = keyspace.databases
        left = min(_PER_TICK, len(self._keys))
        keyspace.frozen = False
        for place in list(self._keys)[:left] if left else ():
            index, key = place
            del self._keys[place]
            if databases[index].expiry(key) is not None and not databases[index].expire_if_due(key):
                self._keys[place] = None  # again, behind the others
        keyspace.frozen = True

    def clear(self) -> None:
        """Forget them: the data set is another one, or this server a primary."""
        self._keys.clear()
