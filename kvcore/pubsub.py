"""Channels, patterns and shard channels: who listens, and delivery to them.

What lives here: the three indexes and the session's side of them. What must not: commands and their confirmations
(:mod:`kvcore.commands.pubsub`). The rule: a session is in subscriber mode exactly while it listens to anything, so
both change here together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvcore.glob import match
from kvcore.session import SUBSCRIBED

if TYPE_CHECKING:
    from kvcore.session import Session

Index = dict[bytes, "dict[Session, None]"]


class PubSub:
    """Subscriptions of all sessions. Delivery is in order of subscription."""

    __slots__ = ("channels", "patterns", "shard_channels")

    def __init__(self) -> None:
        self.channels: Index = {}
        self.patterns: Index = {}
        self.shard_channels: Index = {}

    def subscribe(self, session: Session, channel: bytes) -> None:
        """Let ``session`` hear ``channel``. O(1)."""
        _listen(self.channels, session.channels, session, channel)

    def unsubscribe(self, session: Session, channel: bytes) -> None:
        """End it. O(1)."""
        _forget(self.channels, session.channels, session, channel)

    def psubscribe(self, session: Session, pattern: bytes) -> None:
        """Let ``session`` hear every channel that matches ``pattern``. O(1)."""
        _listen(self.patterns, session.patterns, session, pattern)

    def punsubscribe(self, session: Session, pattern: bytes) -> None:
        """End it. O(1)."""
        _forget(self.patterns, session.patterns, session, pattern)

    def ssubscribe(self, session: Session, channel: bytes) -> None:
        """Let ``session`` hear the shard channel ``channel``. O(1)."""
        _listen(self.shard_channels, session.shard_channels, session, channel)

    def sunsubscribe(self, session: Session, channel: bytes) -> None:
        """End it. O(1)."""
        _forget(self.shard_channels, session.shard_channels, session, channel)

    def drop(self, session: Session) -> None:
        """End all subscriptions of a session without a word. O(its subscriptions)."""
        for channel in list(session.channels):
            self.unsubscribe(session, channel)
        for pattern in list(session.patterns):
            self.punsubscribe(session, pattern)
        for channel in list(session.shard_channels):
            self.sunsubscribe(session, channel)

    def publish(self, channel: bytes, message: bytes) -> int:
        """Deliver ``message``; return to how many. O(listeners + patterns)."""
        receivers = 0
        for session in self.channels.get(channel, ()):
            session.push([b"message", channel, message])
            receivers += 1
        for pattern, sessions in self.patterns.items():
            if match(pattern, channel):
                for session in sessions:
                    session.push([b"pmessage", pattern, channel, message])
                    receivers += 1
        return receivers

    def spublish(self, channel: bytes, message: bytes) -> int:
        """Deliver ``message`` on a shard channel; return to how many. O(listeners)."""
        listeners = self.shard_channels.get(channel, {})
        for session in listeners:
            session.push([b"smessage", channel, message])
        return len(listeners)


def _listen(index: Index, own: dict[bytes, None], session: Session, name: bytes) -> None:
    own[name] = None
    index.setdefault(name, {})[session] = None
    session.gate |= SUBSCRIBED
    if session.kind == "normal":
        session.kind = "pubsub"


def _forget(index: Index, own: dict[bytes, None], session: Session, name: bytes) -> None:
    own.pop(name, None)
    sessions = index.get(name)
    if sessions is not None:
        sessions.pop(session, None)
        if not sessions:
            del index[name]
    if not (session.channels or session.patterns or session.shard_channels):
        session.gate &= ~SUBSCRIBED
        if session.kind == "pubsub":
            session.kind = "normal"
