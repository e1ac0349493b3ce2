"""Members with times to live: gone when their time is, for every type, on access and without it; and who is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvcore.clock import ManualClock
from kvcore.datatypes.deadlines import Perishable
from kvcore.engine import Engine
from tests.engine_client import Client

FILLED = {
    "hash": ("HSET", "k", "a", 1, "b", 2),
    "set": ("SADD", "k", "a", "b"),
    "zset": ("ZADD", "k", 1, "a", 2, "b"),
}
LEFT = {
    "hash": (("HGETALL", "k"), {b"b": b"2"}),
    "set": (("SMEMBERS", "k"), [b"b"]),
    "zset": (("ZRANGE", "k", 0, -1), [b"b"]),
}
REMOVAL = {"hash": b"HDEL", "set": b"SREM", "zset": b"ZREM"}
EVENT = {"hash": "hexpired", "set": "sexpired", "zset": "zexpired"}
TYPES = pytest.mark.parametrize("kind", ["hash", "set", "zset"])


def events(client: Client) -> list[tuple[str, bytes]]:
    """Return the keyspace events so far, and listen from the first call on."""
    if not client.session.patterns:
        client.engine.config.set("notify-keyspace-events", "EA")
        client("PSUBSCRIBE", "__keyevent@*")
    found = []
    for push in client.session.outbox:
        assert isinstance(push, list)
        if push[0] == b"pmessage":
            assert isinstance(push[2], bytes)
            assert isinstance(push[3], bytes)
            found.append((push[2].decode().partition(":")[2], push[3]))
    client.session.outbox.clear()
    return found


@TYPES
def test_an_expired_member_is_gone_when_somebody_looks(
    client: Client, other: Client, clock: ManualClock, effects: list[list[bytes]], kind: str
) -> None:
    client(*FILLED[kind])
    client("EXPIREMEMBER", "k", "a", 100, "ms")
    events(other)
    effects.clear()
    clock.advance(99)
    client("EXISTS", "k")
    assert effects == []
    clock.advance(1)
    question, answer = LEFT[kind]
    assert client(*question) == answer
    assert effects == [[REMOVAL[kind], b"k", b"a"]]
    assert events(other) == [(EVENT[kind], b"k")]
    assert client(*question) == answer
    assert len(effects) == 1


@TYPES
def test_the_last_member_takes_the_key_with_it(
    client: Client, other: Client, clock: ManualClock, effects: list[list[bytes]], kind: str
) -> None:
    client(*FILLED[kind])
    client("EXPIREMEMBER", "k", "a", 1)
    client("EXPIREMEMBER", "k", "b", 1)
    client("EXPIRE", "k", 100)
    events(other)
    effects.clear()
    clock.advance(1000)
    assert client("EXISTS", "k") == 0
    assert effects == [[REMOVAL[kind], b"k", b"a", b"b"]]
    assert events(other) == [(EVENT[kind], b"k"), ("del", b"k")]
    client(*FILLED[kind])
    assert client("TTL", "k") == client("TTL", "k", "a") == -1


@TYPES
def test_an_expired_member_goes_unasked(
    client: Client, engine: Engine, clock: ManualClock, effects: list[list[bytes]], kind: str
) -> None:
    client(*FILLED[kind])
    client("EXPIREMEMBER", "k", "b", 1)
    client("EXPIREMEMBER", "k", "a", 10)
    effects.clear()
    clock.advance(999)
    engine.tick()
    assert effects == []
    clock.advance(1)
    engine.tick()
    assert effects == [[REMOVAL[kind], b"k", b"b"]]
    clock.advance(9000)
    engine.tick()
    assert effects[1:] == [[REMOVAL[kind], b"k", b"a"]]
    assert len(engine.keyspace.databases[0]) == 0
    assert engine.keyspace.databases[0].member_expires is None


def test_a_cycle_takes_many_members_in_several_steps(client: Client, engine: Engine, clock: ManualClock) -> None:
    words = [f"m{number}" for number in range(1000)]
    client("SADD", "s", "stays", *words)
    for word in words:
        client("EXPIREMEMBER", "s", word, 1)
    clock.advance(1000)
    engine.tick()
    assert list(engine.keyspace.databases[0].get(b"s") or []) == [b"stays"]


def test_a_watched_key_changes_when_a_member_expires(client: Client, other: Client, clock: ManualClock) -> None:
    client("HSET", "h", "a", 1, "b", 2)
    client("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    client("WATCH", "h")
    clock.advance(10)
    assert other("HGET", "h", "a") is None
    client("MULTI")
    client("PING")
    assert client("EXEC") != ["PONG"]


def test_several_effects_of_one_command_keep_their_order(
    client: Client, clock: ManualClock, effects: list[list[bytes]]
) -> None:
    client("HSET", "h", "a", 1)
    client("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    clock.advance(10)
    effects.clear()
    assert client("HINCRBY", "h", "a", 5) == 5
    assert effects == [[b"MULTI"], [b"HDEL", b"h", b"a"], [b"HINCRBY", b"h", b"a", b"5"], [b"EXEC"]]


@TYPES
def test_times_go_where_the_value_goes(client: Client, clock: ManualClock, kind: str) -> None:
    client(*FILLED[kind])
    client("EXPIREMEMBER", "k", "a", 100)
    assert client("COPY", "k", "copy") == 1
    client("RENAME", "k", "renamed")
    assert client("COPY", "renamed", "k", "DB", 3) == 1
    client("MOVE", "renamed", 2)
    assert client("TTL", "copy", "a") == 100
    client("SWAPDB", 2, 4)
    for db, key in ((0, "copy"), (3, "k"), (4, "renamed")):
        client("SELECT", db)
        assert client("TTL", key, "a") == 100
    clock.advance(100_000)
    client.engine.tick()
    for db, key in ((0, "copy"), (3, "k"), (4, "renamed")):
        client("SELECT", db)
        assert client("PTTL", key, "a") == client("PTTL", key, "b") == -1
        assert len(client.engine.keyspace.databases[db].get(key.encode()) or ()) == 1
        assert client.engine.keyspace.databases[db].member_expires is None


@pytest.mark.parametrize(
    "words", [("DEL", "k"), ("SET", "k", 1), ("FLUSHALL",), ("SUNIONSTORE", "k", "o"), ("EXPIRE", "k", 0)]
)
def test_a_replaced_value_leaves_no_times_behind(client: Client, engine: Engine, words: tuple[str, ...]) -> None:
    client("SADD", "o", 1)
    client("SADD", "k", "a", "b")
    client("EXPIREMEMBER", "k", "a", 100)
    client(*words)
    index = engine.keyspace.databases[0].member_expires
    assert index is None or index.get(b"k") is None


def test_key_and_member_times_stand_beside_each_other(client: Client, clock: ManualClock) -> None:
    client("SADD", "s", "a", "b")
    client("EXPIRE", "s", 50)
    client("EXPIREMEMBER", "s", "a", 100)
    assert (client("TTL", "s"), client("TTL", "s", "a")) == (50, 100)
    assert client("PERSIST", "s") == 1
    assert (client("TTL", "s"), client("TTL", "s", "a")) == (-1, 100)
    client("EXPIRE", "s", 50)
    clock.advance(50_000)
    assert client("EXISTS", "s") == 0


def test_a_longer_time_is_not_reached_early(client: Client, engine: Engine, clock: ManualClock) -> None:
    client("HSET", "h", "a", 1)
    client("HEXPIRE", "h", 1, "FIELDS", 1, "a")
    client("HEXPIRE", "h", 100, "FIELDS", 1, "a")
    clock.advance(1000)
    engine.tick()
    assert client("HGET", "h", "a") == b"1"
    clock.advance(99_000)
    engine.tick()
    assert client("EXISTS", "h") == 0


def test_a_key_of_expired_members_is_no_random_key(client: Client, clock: ManualClock) -> None:
    client("SADD", "s", "a")
    client("EXPIREMEMBER", "s", "a", 1)
    clock.advance(1000)
    assert client("RANDOMKEY") is None


def test_what_a_flushed_or_deleted_key_knew_of_many_members_is_freed_by_ticks(client: Client) -> None:
    keyspace = client.engine.keyspace
    words = [f"member:{number}" for number in range(5000)]
    client("HSETEX", "h", "EX", 100, "FIELDS", len(words), *(part for word in words for part in (word, "v")))
    client("COPY", "h", "copy")
    client("DEL", "h")
    assert sum(len(part) for pieces in keyspace.garbage for part in pieces if isinstance(part, list)) == 5000
    client("FLUSHALL")
    for _ in range(50):
        client.engine.tick()
    assert keyspace.garbage == []
    assert keyspace.databases[0].member_expires is None


MEMBER = st.sampled_from("abc")
DELAY = st.sampled_from([0, 5, 10, 50])
KEYED = st.sampled_from(["h", "s", "z"])
STEP = st.one_of(
    st.tuples(st.just("HSET"), st.just("h"), MEMBER, st.integers(0, 9)),
    st.tuples(st.just("HINCRBYFLOAT"), st.just("h"), MEMBER, st.just(1)),
    st.tuples(st.just("SADD"), st.just("s"), MEMBER),
    st.tuples(st.just("ZADD"), st.just("z"), st.integers(0, 3), MEMBER),
    st.tuples(st.sampled_from(["HDEL", "SREM", "ZREM"]), KEYED, MEMBER),
    st.tuples(st.just("EXPIREMEMBER"), KEYED, MEMBER, DELAY, st.just("ms")),
    st.tuples(st.just("PERSIST"), KEYED, MEMBER),
    st.tuples(st.just("PEXPIRE"), KEYED, DELAY),
    st.tuples(st.just("HPEXPIRE"), st.just("h"), DELAY, st.just("LT"), st.just("FIELDS"), st.just(1), MEMBER),
    st.tuples(st.just("HGETEX"), st.just("h"), st.just("PX"), DELAY, st.just("FIELDS"), st.just(1), MEMBER),
    st.tuples(st.just("HSETEX"), st.just("h"), st.just("PX"), DELAY, st.just("FIELDS"), st.just(1), MEMBER, st.just(1)),
    st.tuples(st.just("HSETEX"), st.just("h"), st.just("KEEPTTL"), st.just("FIELDS"), st.just(1), MEMBER, st.just(2)),
    st.tuples(st.just("HGETDEL"), st.just("h"), st.just("FIELDS"), st.just(1), MEMBER),
    st.tuples(st.just("KEYDB.HRENAME"), st.just("h"), MEMBER, MEMBER),
    st.tuples(st.just("SPOP"), st.just("s")),
    st.tuples(st.just("ZPOPMIN"), st.just("z")),
    st.tuples(st.just("COPY"), KEYED, st.just("copy"), st.just("REPLACE")),
    st.tuples(st.just("RENAME"), KEYED, st.just("renamed")),
    st.tuples(st.just("EXISTS"), KEYED),
    st.integers(1, 20),
)


def contents(engine: Engine) -> dict[bytes, object]:
    """Return every key with its members and their times, and insist on every invariant."""
    db = engine.keyspace.databases[0]
    found: dict[bytes, object] = {}
    for key, value in db.items():
        assert isinstance(value, Perishable)
        value.check()  # type: ignore[attr-defined]
        times = {} if value.expires is None else dict(value.expires.items())
        if times:
            planned = None if db.member_expires is None else db.member_expires.get(key)
            assert planned is not None
            assert planned <= min(times.values())
        found[key] = (sorted(value.items() if hasattr(value, "items") else value), times, db.expiry(key))
    return found


@settings(max_examples=150)
@given(steps=st.lists(STEP, max_size=40))
def test_who_replays_the_effects_reaches_the_same_state(steps: list[tuple[str | int, ...] | int]) -> None:
    clock = ManualClock()
    engine, replica = Engine(clock=clock), Engine(clock=clock)
    client, follower = Client(engine), Client(replica)
    engine.subscribe(lambda unit: [follower(*argv) for _, argv in unit] and None)
    for step in steps:
        if isinstance(step, int):
            clock.advance(step)
            engine.tick()
        else:
            client(*step)
        assert contents(engine) == contents(replica)
