"""The log of refusals behind ACL LOG.

Lives here: entries, grouping, the limit. Must not live here: the decision what is refused. The rule: what repeats
within a minute is one entry with a count, so that one client in a loop does not push everything else out.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

from kvcore.replies import Reply

TOPLEVEL: Final = b"toplevel"
MULTI: Final = b"multi"
LUA: Final = b"lua"
"""Where a command was refused: sent as it is, in a transaction, by a script."""

_GROUPING_MS: Final = 60_000
_LOOKED_AT: Final = 10
"""Among how many of the newest entries an equal one is looked for."""


class Refusal:
    """One entry."""

    __slots__ = ("client", "context", "count", "object", "reason", "time_ms", "username")

    def __init__(
        self, reason: bytes, context: bytes, what: bytes, username: bytes, client: bytes, time_ms: int
    ) -> None:
        self.count = 1
        self.reason = reason
        self.context = context
        self.object = what
        """The command, key or channel that was refused, or the word that tried to log in."""
        self.username = username
        self.client = client
        """The client's line in CLIENT LIST."""
        self.time_ms = time_ms
        """Wall time of the last one counted."""

    def repeats(self, other: Refusal) -> bool:
        """Whether both tell the same, and within a minute."""
        return (
            self.reason == other.reason
            and self.context == other.context
            and self.time_ms - other.time_ms <= _GROUPING_MS
            and self.object == other.object
            and self.username == other.username
        )

    def reply(self, now_ms: int) -> dict[Reply, Reply]:
        """Return what ACL LOG says."""
        return {
            b"count": self.count,
            b"reason": self.reason,
            b"context": self.context,
            b"object": self.object,
            b"username": self.username,
            b"age-seconds": (now_ms - self.time_ms) / 1000,
            b"client-info": self.client,
        }


class RefusalLog:
    """The newest refusals, newest first."""

    __slots__ = ("_entries", "limit")

    def __init__(self) -> None:
        self._entries: deque[Refusal] = deque()
        self.limit = 128
        """`acllog-max-len`; a lower one counts from the next entry on."""

    def add(self, refusal: Refusal) -> None:
        """Add an entry, or count it with one that tells the same. O(1)."""
        entries = self._entries
        for index, known in enumerate(islice(entries, _LOOKED_AT)):
            if refusal.repeats(known):
                refusal.count = known.count + 1
                del entries[index]
                break
        entries.appendleft(refusal)
        if refusal.count == 1:
            while len(entries) > self.limit:
                entries.pop()

    def newest(self, count: int) -> list[Refusal]:
        """Return up to ``count`` entries, newest first."""
        return list(islice(self._entries, count))

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
