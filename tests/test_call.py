"""What a handler is given: counting changes, events, effects, parking."""

from __future__ import annotations

import pytest

from kvcore.blocking import STILL_BLOCKED
from kvcore.call import NO_COMMAND, Call
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.notifications import GENERIC, STRING
from kvcore.replies import NULL_ARRAY
from tests.engine_client import Client


@pytest.fixture
def call(engine: Engine) -> Call:
    return engine.session().call


@pytest.fixture
def events(engine: Engine, other: Client) -> list[object]:
    """Messages about string commands on keys."""
    engine.config.set("notify-keyspace-events", "E$")
    other("PSUBSCRIBE", "__keyevent@*")
    other.session.outbox.clear()
    return other.session.outbox


def test_a_session_that_ran_nothing_has_a_nameless_command(call: Call) -> None:
    assert call.command is NO_COMMAND
    assert (call.name, call.resp3) == ("", False)
    call.session.protocol = 3
    assert call.resp3


def test_the_unit_has_one_time(engine: Engine, call: Call, clock: ManualClock) -> None:
    now = call.now_ms()
    clock.advance(1000)
    assert call.now_ms() == now
    engine.keyspace.unit_ms = 0
    assert call.now_ms() == now + 1000


def test_a_change_counts_breaks_watches_and_is_an_event(call: Call, client: Client, events: list[object]) -> None:
    client("WATCH", "k")
    call.changed(b"other", "set", STRING)
    assert not client.session.watched_changed
    call.changed(b"k", "set", STRING, 3)
    assert client.session.watched_changed
    assert call.dirty == 4
    assert [message[2:] for message in events] == [
        [b"__keyevent@0__:set", b"other"],
        [b"__keyevent@0__:set", b"k"],
    ]


def test_only_classes_that_were_asked_for_are_events(call: Call, events: list[object]) -> None:
    call.changed(b"k", "del", GENERIC)
    assert events == []
    assert call.dirty == 1


@pytest.mark.parametrize("watched", [True, False])
def test_many_changes_are_as_many_single_ones(call: Call, client: Client, events: list[object], watched: bool) -> None:
    if watched:
        client("WATCH", "b")
    call.changed_all((b"a", b"b"), "mset", STRING)
    assert call.dirty == 2
    assert client.session.watched_changed == watched
    assert [message[-1] for message in events] == [b"a", b"b"]


def test_a_change_elsewhere_is_that_databases(engine: Engine, call: Call, client: Client, events: list[object]) -> None:
    client("WATCH", "k")
    call.changed_in(engine.keyspace.databases[1], b"k", "copy_to", STRING)
    assert not client.session.watched_changed
    client("SELECT", 1)
    client("WATCH", "k")
    call.changed_in(engine.keyspace.databases[1], b"k", "copy_to", STRING)
    assert client.session.watched_changed
    assert call.dirty == 2
    assert [message[2] for message in events] == [b"__keyevent@1__:copy_to"] * 2


def test_propagation_costs_nothing_while_nobody_listens(engine: Engine, call: Call) -> None:
    call.propagate(b"DEL", b"k")
    assert call.effects is None
    end = engine.subscribe(lambda _unit: None)
    call.propagate(b"DEL", b"k")
    call.propagate(b"DEL", b"l")
    assert call.effects == [[b"DEL", b"k"], [b"DEL", b"l"]]
    end()


def test_parking(engine: Engine, call: Call) -> None:
    blocked = call.block((b"k",), 100, lambda _key: STILL_BLOCKED, NULL_ARRAY)
    assert call.session.blocked is blocked
    assert blocked.deadline_ms == call.now_ms() + 100
    assert list(call.db.waiters) == [b"k"]
    engine.drop(call.session)
    assert call.db.waiters == {}


def test_parking_without_a_time_is_for_ever(engine: Engine, call: Call, clock: ManualClock) -> None:
    call.block((b"k",), 0, lambda _key: STILL_BLOCKED, NULL_ARRAY)
    clock.advance(1e12)
    engine.tick()
    assert call.session.blocked is not None
