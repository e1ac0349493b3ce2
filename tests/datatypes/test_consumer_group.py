"""Consumer groups: a pending entry has one owner, whatever happens to it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kvcore.datatypes.consumer_group import UNKNOWN, Consumer, ConsumerGroup

NUMBERS = st.integers(1, 9)
NAMES = st.sampled_from([b"a", b"b", b"c"])


class GroupMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.group = ConsumerGroup(0)
        self.owners: dict[int, bytes] = {}
        self.deliveries: dict[int, int] = {}

    def consumer(self, name: bytes) -> Consumer:
        return self.group.consumers.get(name) or self.group.add_consumer(name, 5)

    @rule(number=NUMBERS, name=NAMES, now_ms=st.integers(1, 100))
    def deliver(self, number: int, name: bytes, now_ms: int) -> None:
        pending = self.group.deliver(number, self.consumer(name), now_ms)
        assert (pending.delivered_ms, pending.deliveries) == (now_ms, 1)
        self.owners[number] = name

    @rule(number=NUMBERS, name=NAMES)
    def reassign(self, number: int, name: bytes) -> None:
        pending = self.group.pending.get(number)
        if pending is not None:
            self.group.reassign(number, pending, self.consumer(name))
            self.owners[number] = name

    @rule(number=NUMBERS)
    def acknowledge(self, number: int) -> None:
        assert self.group.acknowledge(number) == (self.owners.pop(number, None) is not None)

    @rule(name=NAMES)
    def remove_consumer(self, name: bytes) -> None:
        owed = [number for number, owner in self.owners.items() if owner == name]
        known = name in self.group.consumers
        assert self.group.remove_consumer(name) == (len(owed) if known else None)
        for number in owed:
            del self.owners[number]

    @invariant()
    def agrees(self) -> None:
        self.group.check()
        assert {number: pending.consumer.name for number, pending in self.group.pending.items()} == self.owners
        names = [consumer.name for consumer in self.group.consumers_in_order()]
        assert names == sorted(self.group.consumers)


TestGroupMachine = GroupMachine.TestCase
TestGroupMachine.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


def test_a_copy_is_independent() -> None:
    group = ConsumerGroup(7, 3)
    first = group.deliver(1, group.add_consumer(b"a", 10), 11)
    first.deliveries = 4
    group.add_consumer(b"idle", 12)
    copy = group.copy()
    copy.check()
    assert (copy.last_id, copy.entries_read) == (7, 3)
    assert copy.consumers[b"idle"].seen_ms == 12
    assert copy.pending[1].deliveries == 4
    copy.acknowledge(1)
    assert group.pending[1] is first
    assert ConsumerGroup(7).entries_read == UNKNOWN
