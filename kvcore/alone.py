"""A data set that is nowhere else: what stands in for replication where no plug-in brought it.

What lives here: the answers of a primary without replicas. What must not: streams and links
(:mod:`kvcore.replication`). The rule: whoever wants to become a replica hears that this is not the place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvcore.errors import (
    FAILOVER_TO_PRIMARY,
    FAILOVER_WITHOUT_REPLICAS,
    NO_FAILOVER,
    NO_REPLICAS_HERE,
    CommandError,
)
from kvcore.replies import Reply

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.session import Session


class Alone:
    """The replication of an engine that has none. A :class:`~kvcore.ports.Replication`."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def introduce(self, session: Session, option: str, value: bytes) -> None:
        """Ignore it: nothing will follow from it."""

    def acknowledge(self, session: Session, offset: int) -> None:
        """Ignore it."""

    def hear(self, session: Session) -> None:
        """Ignore it."""

    def synchronise(self, session: Session, history: bytes, offset: int | None) -> Reply:  # noqa: ARG002
        """Raise CommandError."""
        raise CommandError(NO_REPLICAS_HERE)

    def follow(self, host: str, port: int) -> str:  # noqa: ARG002 - the protocol's arguments
        """Raise CommandError."""
        raise CommandError(NO_REPLICAS_HERE)

    def lead(self) -> None:
        """Do nothing: nobody is followed."""

    def take_over(self, history: bytes) -> None:  # noqa: ARG002 - the protocol's argument
        """Raise CommandError."""
        raise CommandError(FAILOVER_TO_PRIMARY)

    def begin_failover(self, target: tuple[str, int] | None, *, forced: bool, timeout_ms: int) -> None:  # noqa: ARG002
        """Raise CommandError."""
        raise CommandError(FAILOVER_WITHOUT_REPLICAS)

    def abort_failover(self) -> None:
        """Raise CommandError."""
        raise CommandError(NO_FAILOVER)

    def saved_fields(self) -> tuple[tuple[str, str], ...]:
        """Return nothing."""
        return ()

    def role(self) -> Reply:
        """Return that of a primary."""
        return [b"master", 0, []]

    def drop(self, session: Session) -> None:
        """Do nothing."""

    def stream_bytes(self, session: Session) -> int:  # noqa: ARG002 - the protocol's argument
        """Return 0."""
        return 0

    def change_history(self) -> None:
        """Take another identifier."""
        self._engine.replication_id = f"{self._engine.random.getrandbits(160):040x}"

    def tick(self, now_ms: int) -> int:  # noqa: ARG002 - the protocol's argument
        """Return -1."""
        return -1

    def fields(self) -> dict[str, str | int]:
        """Return those of a primary without replicas."""
        return {
            "role": "master",
            "connected_slaves": 0,
            "master_failover_state": "no-failover",
            "master_replid": self._engine.replication_id,
            "master_replid2": "0" * 40,
            "master_repl_offset": 0,
            "second_repl_offset": -1,
            "repl_backlog_active": 0,
            "repl_backlog_size": self._engine.config.integer("repl-backlog-size"),
            "repl_backlog_first_byte_offset": 0,
            "repl_backlog_histlen": 0,
        }

    def loaded(self) -> None:
        """Do nothing."""

    def loading(self) -> dict[str, str | int]:
        """Return none."""
        return {}

    def counters(self) -> dict[str, int]:
        """Return none."""
        return {}

    def lags(self) -> bool:
        """Return False."""
        return False

    def hurry(self) -> None:
        """Ask nobody."""

    def report_lag(self) -> None:
        """Log nothing."""

    def reset_counters(self) -> None:
        """Do nothing."""
