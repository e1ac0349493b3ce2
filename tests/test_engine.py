"""The engine without a front end: sessions come and go, pauses, ticks, events, and following the configuration."""

from __future__ import annotations

import random

import pytest

from kvcore.blocking import Blocked
from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.gates import BY_SHUTDOWN, PAUSED
from kvcore.session import NEEDS_AUTH
from tests.engine_client import Client

# Sessions


def test_sessions_are_numbered_and_never_again(engine: Engine) -> None:
    first, second = engine.session(), engine.session()
    engine.drop(second)
    third = engine.session()
    assert (first.id, second.id, third.id) == (1, 2, 3)
    assert list(engine.sessions) == [1, 3]


def test_a_dropped_session_leaves_nothing_behind(engine: Engine, client: Client, other: Client) -> None:
    client("WATCH", "w")
    client("SUBSCRIBE", "c")
    client("PSUBSCRIBE", "p*")
    client("SSUBSCRIBE", "s")
    engine.drop(client.session)
    other("MONITOR")
    engine.drop(other.session)
    waiter = Client(engine)
    waiter("BLPOP", "k", 10)
    engine.drop(waiter.session)
    db = engine.keyspace.databases[0]
    assert (db.watchers, db.waiters, engine.monitors, engine.sessions) == ({}, {}, {}, {})
    assert (engine.pubsub.channels, engine.pubsub.patterns, engine.pubsub.shard_channels) == ({}, {}, {})
    assert (engine.blocking.count, engine.blocking.next_deadline_ms()) == (0, 0)


def test_dropping_twice_is_dropping_once(engine: Engine, client: Client, other: Client) -> None:
    other("BLPOP", "k", 0)
    engine.drop(other.session)
    engine.drop(other.session)
    assert engine.blocking.count == 0
    assert client("RPUSH", "k", "x") == 1
    assert (client("LLEN", "k"), other.delivered) == (1, [])


def test_dropping_a_held_command_drops_the_command(engine: Engine, client: Client, other: Client) -> None:
    client("CLIENT", "PAUSE", 1000, "WRITE")
    other("SET", "k", "v")
    engine.drop(other.session)
    engine.unpause()
    assert client("GET", "k") is None
    assert (engine.blocking.count, engine.blocking.paused) == (0, {})


def test_a_client_disconnected_from_outside_is_forgotten_at_once(engine: Engine, other: Client) -> None:
    closed = list[str]()
    other.session.close = lambda: closed.append("socket")
    other.session.alive = lambda: not closed
    other("SUBSCRIBE", "c")
    engine.disconnect(other.session)
    assert (closed, engine.sessions, engine.pubsub.channels) == (["socket"], {}, {})


def test_a_session_without_a_connection_stays(engine: Engine, other: Client) -> None:
    engine.disconnect(other.session)
    assert list(engine.sessions) == [other.session.id]


def test_unwatching_leaves_the_watches_of_others(engine: Engine, client: Client, other: Client) -> None:
    client("WATCH", "k")
    other("WATCH", "k")
    engine.unwatch(client.session)
    Client(engine)("SET", "k", 1)
    assert (client.session.watched_changed, other.session.watched_changed) == (False, True)


def test_in_process_sessions_need_no_password() -> None:
    config = Config()
    config.set("requirepass", "secret")
    engine = Engine(config)
    assert engine.session().gate & NEEDS_AUTH
    assert not engine.session(trusted=True).gate & NEEDS_AUTH


def test_taking_the_password_away_lets_everybody_in_and_a_new_one_only_the_known(engine: Engine) -> None:
    early = engine.session()
    engine.config.set("requirepass", "secret")
    late = engine.session()
    assert (early.gate & NEEDS_AUTH, late.gate & NEEDS_AUTH) == (0, NEEDS_AUTH)
    engine.config.set("requirepass", "")
    assert late.gate & NEEDS_AUTH == 0
    engine.config.set("requirepass", "another")
    assert (early.gate & NEEDS_AUTH, late.gate & NEEDS_AUTH) == (0, NEEDS_AUTH)


# Pauses


def held(engine: Engine, count: int) -> tuple[list[Client], list[int]]:
    """Return clients with one write each that a pause holds, and the order in which they are answered."""
    clients = [Client(engine) for _ in range(count)]
    order: list[int] = []
    for number, client in enumerate(clients):
        client.session.deliver = lambda _reply, number=number: order.append(number)
        assert isinstance(client("RPUSH", "arrivals", number), Blocked)
    return clients, order


@pytest.mark.parametrize("listening", [False, True])
def test_held_commands_run_in_order_of_arrival(engine: Engine, client: Client, listening: bool) -> None:
    if listening:
        engine.subscribe(lambda _unit: None)
    client("CLIENT", "PAUSE", 1000)
    _, order = held(engine, 500)
    engine.unpause()
    assert order == list(range(500))
    assert client("LRANGE", "arrivals", 0, -1) == [b"%d" % number for number in range(500)]
    assert (engine.blocking.count, engine.blocking.next_deadline_ms(), engine.gate) == (0, 0, 0)


def test_a_longer_pause_keeps_the_order_of_arrival(engine: Engine, client: Client, clock: ManualClock) -> None:
    engine.pause(engine.now_ms() + 100, everything=True)
    order: list[str] = []
    for name, until_ms in (("first", 200), ("second", 300)):
        waiting = Client(engine)
        waiting.session.deliver = lambda _reply, name=name: order.append(name)
        waiting("SET", name, 1)
        engine.pause(engine.now_ms() + until_ms, everything=True)
    clock.advance(149)
    engine.tick()
    assert order == []
    clock.advance(152)
    engine.tick()
    assert order == ["first", "second"]


def test_a_shorter_or_milder_pause_changes_nothing(engine: Engine, client: Client, clock: ManualClock) -> None:
    engine.pause(engine.now_ms() + 100, everything=True)
    engine.pause(engine.now_ms() + 10, everything=False)
    clock.advance(50)
    engine.tick()
    assert isinstance(client("GET", "k"), Blocked)
    clock.advance(50)
    engine.tick()
    assert client.delivered == [None]


def test_a_milder_pause_after_an_ended_one_is_mild(engine: Engine, client: Client) -> None:
    engine.pause(engine.now_ms() + 100, everything=True)
    engine.unpause()
    engine.pause(engine.now_ms() + 100, everything=False)
    assert client("GET", "k") is None
    assert isinstance(client("SET", "k", 1), Blocked)


def test_each_purpose_of_a_pause_ends_its_own(engine: Engine, client: Client, other: Client) -> None:
    engine.pause(engine.now_ms() + 100, everything=False, purpose=BY_SHUTDOWN)
    assert client("CLIENT", "UNPAUSE") == "OK"
    assert isinstance(client("SET", "k", 1), Blocked)
    engine.pause(engine.now_ms() + 100, everything=True)
    engine.unpause(BY_SHUTDOWN)
    assert client.delivered == []
    assert isinstance(other("GET", "k"), Blocked)
    engine.unpause()
    assert (client.delivered, other.delivered) == (["OK"], [b"1"])
    assert not engine.gate & PAUSED


def test_a_strict_pause_that_ends_leaves_the_mild_one(engine: Engine, client: Client, clock: ManualClock) -> None:
    engine.pause(engine.now_ms() + 1000, everything=False, purpose=BY_SHUTDOWN)
    engine.pause(engine.now_ms() + 100, everything=True)
    reader, writer = Client(engine), Client(engine)
    assert isinstance(writer("SET", "k", 1), Blocked)
    assert isinstance(reader("GET", "k"), Blocked)
    clock.advance(101)
    engine.tick()
    assert (reader.delivered, writer.delivered) == ([None], [])
    assert engine.pause_until_ms == engine.now_ms() + 899
    clock.advance(900)
    engine.tick()
    assert writer.delivered == ["OK"]


@pytest.mark.parametrize("name", ["loading", "cron_paused"])
def test_a_pause_ends_in_time_though_little_else_is_done(
    engine: Engine, client: Client, clock: ManualClock, name: str
) -> None:
    engine.pause(engine.now_ms() + 100, everything=True)
    setattr(engine, name, True)
    assert isinstance(client("GET", "k"), Blocked)
    clock.advance(101)
    engine.tick()
    assert client.delivered == [None]


def test_a_held_command_may_wait_on_for_its_key(engine: Engine, client: Client, other: Client) -> None:
    client("CLIENT", "PAUSE", 1000)
    other("BLPOP", "k", 0)
    engine.unpause()
    assert other.delivered == []
    client("RPUSH", "k", "x")
    assert other.delivered == [[b"k", b"x"]]


def test_a_held_command_may_pause_the_rest_again(engine: Engine, client: Client, clock: ManualClock) -> None:
    client("CLIENT", "PAUSE", 100)
    pauser, last = Client(engine), Client(engine)
    pauser("CLIENT", "PAUSE", 1000, "WRITE")
    last("SET", "k", 1)
    engine.unpause()
    assert (pauser.delivered, last.delivered) == (["OK"], [])
    clock.advance(1001)
    engine.tick()
    assert last.delivered == ["OK"]


def test_a_transaction_that_ends_a_pause_lets_go_at_its_end(engine: Engine, client: Client, other: Client) -> None:
    client("CLIENT", "PAUSE", 1000, "WRITE")
    other("SET", "k", "late")
    for words in (["MULTI"], ["CLIENT", "UNPAUSE"], ["GET", "k"]):
        client(*words)
    assert client("EXEC") == ["OK", None]
    assert other.delivered == ["OK"]
    assert client("GET", "k") == b"late"


# Ticks


def test_a_tick_times_out_parked_sessions_at_their_time(engine: Engine, client: Client, clock: ManualClock) -> None:
    due: list[int] = []
    engine.on_deadline = due.append
    client("BLPOP", "k", 0.05)
    assert due == [engine.now_ms() + 50]
    clock.advance(49)
    engine.tick()
    assert client.delivered == []
    clock.advance(1)
    engine.tick()
    assert len(client.delivered) == 1


def test_ticks_sample_the_rates(engine: Engine, client: Client, clock: ManualClock) -> None:
    for _ in range(17):
        engine.tick()
        for _ in range(10):
            client("PING")
        engine.statistics.input_bytes += 100
        clock.advance(100)
    assert engine.statistics.operations.per_second() == 100
    assert engine.statistics.input_rate.per_second() == 1000
    assert engine.statistics.output_rate.per_second() == 0


def test_commands_processed_counts_subcommands_and_each_spelling_once(engine: Engine, client: Client) -> None:
    for words in (["PING"], ["ping"], ["CLIENT", "ID"], ["NOSUCH"], ["GET"]):
        client(*words)
    assert engine.commands_processed() == 3


# Events


def listen(client: Client) -> list[tuple[bytes, bytes]]:
    """Return what the client has heard of keyspace events since the last call."""
    heard = [(message[2], message[3]) for message in client.session.outbox]
    client.session.outbox.clear()
    return heard


@pytest.fixture
def listener(other: Client) -> Client:
    other("PSUBSCRIBE", "__key*__:*")
    other.session.outbox.clear()
    return other


@pytest.mark.parametrize(
    ("classes", "heard"),
    [
        ("", []),
        ("$", []),
        ("K", []),
        ("KA", [(b"__keyspace@0__:k", b"set")]),
        ("E$", [(b"__keyevent@0__:set", b"k")]),
        ("KE$", [(b"__keyspace@0__:k", b"set"), (b"__keyevent@0__:set", b"k")]),
        ("KEl", []),
        ("En", [(b"__keyevent@0__:new", b"k")]),
    ],
)
def test_events_of_the_classes_that_were_asked_for(
    engine: Engine, client: Client, listener: Client, classes: str, heard: list[tuple[bytes, bytes]]
) -> None:
    engine.config.set("notify-keyspace-events", classes)
    client("SET", "k", "v")
    assert listen(listener) == heard


def test_misses_and_expired_keys(engine: Engine, client: Client, listener: Client, clock: ManualClock) -> None:
    engine.config.set("notify-keyspace-events", "Exm")
    client("SELECT", 2)
    client("SET", "k", "v", "PX", 10)
    clock.advance(10)
    client("GET", "k")
    assert listen(listener) == [(b"__keyevent@2__:expired", b"k"), (b"__keyevent@2__:keymiss", b"k")]


def test_a_key_that_expires_is_deleted_on_replicas_before_what_found_it(
    client: Client, clock: ManualClock, effects: list[list[bytes]]
) -> None:
    client("SET", "k", "v", "PX", 10)
    effects.clear()
    clock.advance(10)
    client("APPEND", "k", "x")
    assert effects == [[b"MULTI"], [b"DEL", b"k"], [b"APPEND", b"k", b"x"], [b"EXEC"]]


# Configuration


def test_limits_follow_the_configuration(engine: Engine, client: Client) -> None:
    engine.config.set("hash-max-listpack-entries", "2")
    engine.config.set("set-max-intset-entries", "2")
    client("HSET", "h", "a", 1, "b", 2)
    client("SADD", "s", 1, 2)
    assert (client("OBJECT", "ENCODING", "h"), client("OBJECT", "ENCODING", "s")) == (b"listpack", b"intset")
    client("HSET", "h", "c", 3)
    client("SADD", "s", 3)
    assert (client("OBJECT", "ENCODING", "h"), client("OBJECT", "ENCODING", "s")) == (b"hashtable", b"hashtable")


@pytest.mark.parametrize(("threshold_us", "slow_ns"), [("10", 10_000), ("0", 0), ("-1", 1 << 62)])
def test_the_slow_log_follows_the_configuration(engine: Engine, threshold_us: str, slow_ns: int) -> None:
    engine.config.set("slowlog-log-slower-than", threshold_us)
    engine.config.set("slowlog-max-len", "5")
    assert (engine.slow_ns, engine.slowlog_limit) == (slow_ns, 5)


def test_expiry_effort_and_databases_follow_the_configuration() -> None:
    config = Config()
    config.set("active-expire-effort", "7")
    config.assign("databases", 3)
    engine = Engine(config)
    assert (engine.expiry.effort, len(engine.keyspace.databases)) == (7, 3)
    config.set("active-expire-effort", "2")
    assert engine.expiry.effort == 2


# The rest


def test_chance_comes_from_the_seed(clock: ManualClock) -> None:
    one, same, another = (Engine(clock=clock, random=random.Random(seed)) for seed in (1, 1, 2))
    assert one.run_id == same.run_id != another.run_id
    assert len(one.run_id) == 40
    assert int(one.run_id, 16) >= 0
    draws = []
    for engine in (one, same):
        client = Client(engine)
        client("SADD", "s", *range(100))
        draws.append([client("SPOP", "s") for _ in range(20)])
    assert draws[0] == draws[1]


def test_only_a_front_end_can_shut_down(engine: Engine) -> None:
    assert not engine.shutdown.begin()
    asked: list[bool] = []
    engine.on_shutdown = lambda: asked.append(True)
    assert engine.shutdown.begin()
    assert asked == [True]


def test_the_keys_that_one_cycle_deletes_are_units_of_their_own_and_no_changes_to_save(
    engine: Engine, client: Client, clock: ManualClock
) -> None:
    client("SET", "a", 1, "PX", 1)
    client("SET", "b", 1, "PX", 1)
    changes = engine.statistics.dirty
    units: list[int] = []
    engine.subscribe(lambda unit: units.append(len(unit)))
    clock.advance(1000)
    engine.tick()
    assert (units, engine.statistics.dirty) == ([1, 1], changes)
