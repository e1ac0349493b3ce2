"""FAILOVER: a primary that changes places with one of its replicas, and loses nothing.

What lives here: the states, and when one follows another. What must not: links and streams
(:mod:`kvcore.replication.primary`, :mod:`kvcore.replication.upstream`). The rule: from the beginning to the end nobody
may write here, so that the replica that acknowledged the last byte of the stream has everything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.errors import CommandError, printable
from kvcore.gates import BY_FAILOVER
from kvcore.replication.replica import ONLINE, Replica

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.replication.primary import Primary

logger = logging.getLogger("kvcore.replication")

NONE: Final = "no-failover"
WAITING_FOR_SYNC: Final = "waiting-for-sync"
IN_PROGRESS: Final = "failover-in-progress"

_FOREVER_MS: Final = 1 << 62
_ACCEPTED: Final = (b"+CONTINUE", b"+FULLRESYNC")


class Failover:
    """The failover of one primary, if there is one. Everything here happens under the engine lock."""

    __slots__ = ("_deadline_ms", "_engine", "_forced", "_owner", "_target", "state")

    def __init__(self, engine: Engine, owner: Primary) -> None:
        self._engine = engine
        self._owner = owner
        self.state = NONE
        self._target: tuple[str, int] | None = None
        self._deadline_ms = 0
        self._forced = False

    def refuse(self, error: str) -> None:
        """Raise CommandError while a failover is under way."""
        if self.state != NONE:
            raise CommandError(error)

    def begin(self, target: tuple[str, int] | None, *, forced: bool, timeout_ms: int) -> None:
        """Wait for ``target``, or for the first replica that has everything, and follow it; raise CommandError.

        ``timeout_ms`` is how long, 0 for ever; after it ``forced`` follows the target whatever it has.
        """
        owner, engine = self._owner, self._engine
        if owner.upstream is not None:
            raise CommandError(errors.FAILOVER_ON_REPLICA)
        if not owner.replicas:
            raise CommandError(errors.FAILOVER_WITHOUT_REPLICAS)
        if forced and not (timeout_ms and target):
            raise CommandError(errors.FAILOVER_FORCE_NEEDS)
        if target is not None:
            replica = self._find(target)
            if replica is None:
                raise CommandError(errors.FAILOVER_TARGET_UNKNOWN)
            if replica.state != ONLINE:
                raise CommandError(errors.FAILOVER_TARGET_OFFLINE)
            logger.info("FAILOVER requested to %s:%d.", *target)
        else:
            logger.info("FAILOVER requested.")
        now_ms = engine.now_ms()
        self._target, self._forced = target, forced
        self._deadline_ms = now_ms + timeout_ms if timeout_ms else 0
        self.state = WAITING_FOR_SYNC
        engine.pause(_FOREVER_MS, everything=False, purpose=BY_FAILOVER)
        engine.on_deadline(now_ms)

    def abort(self, why: str = "Failover manually aborted") -> None:
        """Stay what this server was; raise CommandError if there is no failover."""
        if self.state == NONE:
            raise CommandError(errors.NO_FAILOVER)
        if self._target is not None:
            logger.info("Aborting failover to %s:%d while %s: %s", *self._target, self.state, why)
        else:
            logger.info("Aborting failover while %s: %s", self.state, why)
        if self.state == IN_PROGRESS:
            self._owner.promote()
        self._end()

    def tick(self, now_ms: int) -> None:
        """Look whether the replica has everything, or had long enough."""
        if self.state == NONE:
            return
        if self.state != WAITING_FOR_SYNC:
            return
        if self._deadline_ms and now_ms >= self._deadline_ms:
            if self._forced and self._target is not None:
                logger.info("Failover to %s:%d time out exceeded, failing over.", *self._target)
                self._hand_over(self._target)
            else:
                self.abort("Replica never caught up before timeout")
            return
        owner = self._owner
        for replica in owner.replicas.values():
            address = replica.host, replica.port
            is_wanted = address == self._target if self._target is not None else replica.state == ONLINE
            if is_wanted and replica.acked == owner.offset:
                logger.info("Failover target %s:%d is synced, failing over.", *address)
                self._hand_over(address)
                return

    def answered(self, line: bytes) -> bool:
        """Hear what the replica says to becoming a primary; True if it did, and this server is to follow it."""
        if line.startswith(_ACCEPTED):
            self._end()
            return True
        logger.info("The failover target answered PSYNC with: %s", printable(line))
        self.abort("Failover target rejected psync request")
        return False

    def _find(self, target: tuple[str, int]) -> Replica | None:
        found = (each for each in self._owner.replicas.values() if (each.host, each.port) == target)
        return next(found, None)

    def _hand_over(self, target: tuple[str, int]) -> None:
        self._target = target
        self.state = IN_PROGRESS
        self._owner.demote(*target)

    def _end(self) -> None:
        self.state = NONE
        self._target = None
        self._engine.unpause(BY_FAILOVER)
