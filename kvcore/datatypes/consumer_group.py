"""Consumer groups: who was given which entry of a stream and has not acknowledged it.

What lives here: a group, its consumers and its pending entries list (PEL). What must not: the stream's entries,
clocks, replies. The rule: a pending entry stands in the group's list and in its consumer's at once; every change
of owner goes through the methods of :class:`ConsumerGroup`.
"""

from __future__ import annotations

from typing import Final, cast

from sortedcontainers import SortedDict

from kvcore.datatypes.stream_id import IdMap

UNKNOWN: Final = -1
"""``entries_read`` of a group that may have skipped entries."""


class Pending:
    """An entry that was delivered and not acknowledged."""

    __slots__ = ("consumer", "delivered_ms", "deliveries")

    def __init__(self, consumer: Consumer, delivered_ms: int, deliveries: int = 1) -> None:
        self.consumer = consumer
        self.delivered_ms = delivered_ms
        """Last delivery, in milliseconds since the Unix epoch."""
        self.deliveries = deliveries


class Consumer:
    """A member of a group."""

    __slots__ = ("name", "pending", "seen_ms")

    def __init__(self, name: bytes, seen_ms: int) -> None:
        self.name = name
        self.seen_ms = seen_ms
        """Last attempt to read or claim, in milliseconds since the Unix epoch."""
        self.pending: IdMap[Pending] = SortedDict()
        """What it owes, by id."""


class ConsumerGroup:
    """A position in a stream, shared by consumers."""

    __slots__ = ("consumers", "entries_read", "last_id", "pending")

    def __init__(self, last_id: int, entries_read: int = UNKNOWN) -> None:
        self.last_id = last_id
        """The last entry delivered to any consumer."""
        self.entries_read = entries_read
        """How many entries were ever added up to ``last_id``, UNKNOWN if that cannot be said."""
        self.pending: IdMap[Pending] = SortedDict()
        """Entries delivered and not acknowledged, by id."""
        self.consumers: dict[bytes, Consumer] = {}

    def consumers_in_order(self) -> list[Consumer]:
        """Return the consumers by name. O(n log n)."""
        return [self.consumers[name] for name in sorted(self.consumers)]

    def add_consumer(self, name: bytes, seen_ms: int) -> Consumer:
        """Add a consumer, whose name is new. O(1)."""
        consumer = self.consumers[name] = Consumer(name, seen_ms)
        return consumer

    def remove_consumer(self, name: bytes) -> int | None:
        """Remove a consumer and what it owes; return how many entries that was, None if there is no such.

        O(entries * log n).
        """
        consumer = self.consumers.pop(name, None)
        if consumer is None:
            return None
        for number in consumer.pending:
            del self.pending[number]
        return len(consumer.pending)

    def deliver(self, number: int, consumer: Consumer, now_ms: int) -> Pending:
        """Note that ``consumer`` was given an entry for the first time, whoever owed it before. O(log n)."""
        pending = self.pending.get(number)
        if pending is None:
            pending = self.pending[number] = Pending(consumer, now_ms)
            consumer.pending[number] = pending
        else:
            self.reassign(number, pending, consumer)
            pending.delivered_ms = now_ms
            pending.deliveries = 1
        return pending

    def reassign(self, number: int, pending: Pending, consumer: Consumer) -> None:
        """Let ``consumer`` owe a pending entry. O(log n)."""
        if pending.consumer is not consumer:
            del pending.consumer.pending[number]
            pending.consumer = consumer
            consumer.pending[number] = pending

    def acknowledge(self, number: int) -> bool:
        """Take an entry off the list; return whether it was pending. O(log n)."""
        pending = self.pending.get(number)
        if pending is None:
            return False
        del self.pending[number]
        del pending.consumer.pending[number]
        return True

    def copy(self) -> ConsumerGroup:
        """Return a group of the same position, consumers and pending entries. O(n log n)."""
        other = ConsumerGroup(self.last_id, self.entries_read)
        for consumer in self.consumers.values():
            twin = other.add_consumer(consumer.name, consumer.seen_ms)
            for number, pending in consumer.pending.items():
                copied = Pending(twin, pending.delivered_ms, pending.deliveries)
                twin.pending[number] = other.pending[number] = copied
        return other

    def pieces(self, size: int) -> list[list[object]]:
        """Return the pending entries in parts of ``size``, for who frees a large list so. O(n)."""
        # The dictionary's own views: a sorted one's would look every entry up.
        owed = cast("dict[int, Pending]", self.pending)
        parts: list[list[object]] = []
        for whole in (list(dict.keys(owed)), list(dict.values(owed))):
            parts += [list(whole[start : start + size]) for start in range(0, len(whole), size)]
        return parts

    def check(self) -> None:
        """Assert every invariant. O(n log n)."""
        assert self.entries_read >= UNKNOWN
        owed = 0
        for name, consumer in self.consumers.items():
            assert consumer.name == name
            owed += len(consumer.pending)
            for number, pending in consumer.pending.items():
                assert pending.consumer is consumer
                assert self.pending[number] is pending
        assert owed == len(self.pending)
        assert list(self.pending) == sorted(self.pending)
