"""The effect log: one list a unit, MULTI and EXEC around several, subscribers in order and free to leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from kvcore.clock import ManualClock
from kvcore.effects import AOF, REPLICAS, Effect, Effects
from kvcore.keyspace import Keyspace
from tests.engine_client import Client

Unit = list[Effect]


@pytest.fixture
def keyspace(clock: ManualClock) -> Keyspace:
    return Keyspace(clock, 4)


def recorder(units: list[Unit]) -> Callable[[Sequence[Effect]], None]:
    return lambda unit: units.append(list(unit))


def test_one_effect_stands_alone(keyspace: Keyspace) -> None:
    effects, units = Effects(), list[Unit]()
    effects.subscribe(recorder(units))
    effects.add(keyspace.databases[2], [b"SET", b"k", b"v"])
    assert units == []
    effects.flush()
    assert units == [[(2, [b"SET", b"k", b"v"])]]


def test_several_effects_stand_between_multi_and_exec(keyspace: Keyspace) -> None:
    effects, units = Effects(), list[Unit]()
    effects.subscribe(recorder(units))
    effects.add(keyspace.databases[1], [b"DEL", b"a"])
    effects.add(keyspace.databases[3], [b"DEL", b"b"])
    effects.flush()
    assert units == [[(1, [b"MULTI"]), (1, [b"DEL", b"a"]), (3, [b"DEL", b"b"]), (3, [b"EXEC"])]]


def test_a_unit_is_handed_over_once_and_an_empty_one_never(keyspace: Keyspace) -> None:
    effects, units = Effects(), list[Unit]()
    effects.subscribe(recorder(units))
    effects.flush()
    effects.add(keyspace.databases[0], [b"DEL", b"a"])
    effects.flush()
    effects.flush()
    assert len(units) == 1


def test_subscribers_are_called_in_order_of_subscription(keyspace: Keyspace) -> None:
    effects, calls = Effects(), list[str]()
    for name in ("first", "second", "third"):
        effects.subscribe(lambda _unit, name=name: calls.append(name))
    effects.add(keyspace.databases[0], [b"DEL", b"a"])
    effects.flush()
    assert calls == ["first", "second", "third"]


def test_listening_follows_the_subscriptions() -> None:
    effects = Effects()
    assert not effects.listening
    ends = [effects.subscribe(lambda _unit: None) for _ in range(2)]
    assert effects.listening
    ends[0]()
    assert effects.listening
    ends[1]()
    ends[1]()
    assert not effects.listening


def test_a_subscriber_that_ends_itself_hides_no_unit_from_the_next(keyspace: Keyspace) -> None:
    effects, units = Effects(), list[Unit]()
    ends: list[Callable[[], None]] = []
    ends.append(effects.subscribe(lambda _unit: ends[0]()))
    effects.subscribe(recorder(units))
    for key in (b"a", b"b"):
        effects.add(keyspace.databases[0], [b"DEL", key])
        effects.flush()
    assert units == [[(0, [b"DEL", b"a"])], [(0, [b"DEL", b"b"])]]


def test_a_subscriber_is_spared_what_goes_elsewhere(keyspace: Keyspace) -> None:
    effects, log, replicas, everything = Effects(), list[Unit](), list[Unit](), list[Unit]()
    effects.subscribe(recorder(log), AOF)
    effects.subscribe(recorder(replicas), REPLICAS)
    effects.subscribe(recorder(everything))
    db = keyspace.databases[0]
    for targets, key in ((AOF, b"a"), (REPLICAS, b"r"), (AOF | REPLICAS, b"b")):
        effects.targets = targets
        effects.add(db, [b"DEL", key])
    effects.flush()
    effects.targets = REPLICAS
    effects.add(db, [b"DEL", b"r"])
    effects.flush()

    def deletions(unit: Unit) -> list[bytes]:
        return [argv[-1] for _, argv in unit]

    assert [deletions(unit) for unit in log] == [[b"MULTI", b"a", b"b", b"EXEC"], []]
    assert [deletions(unit) for unit in replicas] == [[b"MULTI", b"r", b"b", b"EXEC"], [b"r"]]
    assert [deletions(unit) for unit in everything] == [[b"MULTI", b"a", b"r", b"b", b"EXEC"], [b"r"]]


def test_what_nobody_hears_makes_no_transaction(keyspace: Keyspace) -> None:
    effects, log = Effects(), list[Unit]()
    effects.subscribe(recorder(log), AOF)
    for targets, key in ((AOF, b"a"), (REPLICAS, b"r")):
        effects.targets = targets
        effects.add(keyspace.databases[0], [b"DEL", key])
    effects.flush()
    assert log == [[(0, [b"DEL", b"a"])]]


def test_commands_form_units_of_their_own_and_transactions_one(client: Client) -> None:
    units: list[Unit] = []
    end = client.engine.subscribe(recorder(units))
    client("SET", "a", 1)
    client("GET", "a")
    for line in (["MULTI"], ["INCR", "a"], ["SELECT", 1], ["INCR", "b"], ["EXEC"]):
        client(*line)
    end()
    client("SET", "a", 2)
    assert units == [
        [(0, [b"SET", b"a", b"1"])],
        [(0, [b"MULTI"]), (0, [b"INCR", b"a"]), (1, [b"INCR", b"b"]), (1, [b"EXEC"])],
    ]


def test_a_subscriber_that_raises_stops_neither_the_command_nor_the_others(client: Client) -> None:
    heard: list[list[bytes]] = []

    def broken(_unit: Sequence[Effect]) -> None:
        raise RuntimeError("disk on fire")

    client.engine.subscribe(broken)
    client.engine.subscribe(lambda unit: heard.extend(argv for _, argv in unit))
    assert client("SET", "k", "v") == "OK"
    assert heard == [[b"SET", b"k", b"v"]]


def test_effects_that_are_parted_are_units_of_their_own(keyspace: Keyspace) -> None:
    effects, units = Effects(), list[Unit]()
    effects.subscribe(recorder(units))
    effects.add(keyspace.databases[0], [b"DEL", b"a"])
    effects.add(keyspace.databases[1], [b"DEL", b"b"])
    effects.part()
    effects.flush()
    assert units == [[(0, [b"DEL", b"a"])], [(1, [b"DEL", b"b"])]]
    assert effects.units == 2


def test_parting_nothing_leaves_the_next_unit_whole(keyspace: Keyspace) -> None:
    effects, units = Effects(), list[Unit]()
    effects.subscribe(recorder(units))
    effects.part()
    effects.add(keyspace.databases[0], [b"SET", b"a", b"1"])
    effects.add(keyspace.databases[0], [b"SET", b"b", b"1"])
    effects.flush()
    assert [len(unit) for unit in units] == [4]
