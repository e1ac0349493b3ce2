"""Who else has what a client wrote: the question that WAIT and WAITAOF ask.

Lives here: the sessions that wait for an answer, and whom to ask. Must not live here: replicas and files; whoever has
them sets ``on_disk``, ``on_replicas`` and ``on_replica_disks`` and calls :meth:`Acknowledgements.advance` when one of
the answers may have grown. The rule: without anybody to ask nothing is acknowledged, which is the truth of a server
that stands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kvcore.replies import Reply

if TYPE_CHECKING:
    from kvcore.blocking import Blocked
    from kvcore.engine import Engine
    from kvcore.session import Session


class Acknowledgements:
    """How far the writes of a session have come, and who waits for them to come further."""

    __slots__ = ("_engine", "_waiting", "on_disk", "on_replica_disks", "on_replicas", "on_wait")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[Blocked, Callable[[], Reply | None]] = {}
        self.on_disk: Callable[[Session], bool] = _not_there
        """Says whether the append-only file of this server holds, synced, all that the session wrote."""
        self.on_replicas: Callable[[Session], int] = _nowhere
        """Counts the replicas that have applied all that the session wrote."""
        self.on_replica_disks: Callable[[Session], int] = _nowhere
        """Counts those that have it synced in a file of theirs."""
        self.on_wait: Callable[[], None] = _ask_nobody
        """Called when a session begins to wait: whoever is asked may want to hurry."""

    def wait(self, blocked: Blocked, answer: Callable[[], Reply | None]) -> None:
        """Have ``answer`` asked again at each :meth:`advance`, until it returns the reply of the parked session."""
        self._waiting = {one: ask for one, ask in self._waiting.items() if not one.done}
        self._waiting[blocked] = answer
        self.on_wait()

    def advance(self) -> None:
        """Serve the sessions whose wait is over. Called under the engine lock. O(sessions waiting)."""
        for blocked, answer in list(self._waiting.items()):
            reply = None if blocked.done else answer()
            if blocked.done or reply is not None:
                del self._waiting[blocked]
                self._engine.blocking.finish(blocked, reply)


def _not_there(_session: Session) -> bool:
    return False


def _nowhere(_session: Session) -> int:
    return 0


def _ask_nobody() -> None:
    """Stand in where there are no replicas."""
