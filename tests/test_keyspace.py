"""Databases: what the accessors promise about types, times to live, hooks, swapping, and freeing in slices."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from kvcore.clock import ManualClock
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.table import SEGMENT_MAX
from kvcore.engine import Engine
from kvcore.errors import WrongTypeError
from kvcore.keyspace import Database, Keyspace
from tests.engine_client import Client


@pytest.fixture
def keyspace(clock: ManualClock) -> Keyspace:
    return Keyspace(clock, 4)


@pytest.fixture
def db(keyspace: Keyspace) -> Database:
    return keyspace.databases[0]


@pytest.fixture
def log(keyspace: Keyspace) -> list[tuple[str, bytes]]:
    """What the hooks were called with. The first database asks for every event."""
    calls: list[tuple[str, bytes]] = []
    keyspace.on_expired = lambda _db, key: calls.append(("expired", key))
    keyspace.on_miss = lambda _db, key: calls.append(("miss", key))
    keyspace.on_new = lambda _db, key: calls.append(("new", key))
    keyspace.on_ready = lambda _db, key: calls.append(("ready", key))
    keyspace.databases[0].notify_mask = -1
    return calls


def later(keyspace: Keyspace, clock: ManualClock, ms: int) -> None:
    clock.advance(ms)
    keyspace.unit_ms = 0  # a new execution unit


def list_of(count: int) -> List:
    value = List()
    value.items.extend([b"x"] * count)
    return value


# Reading


def test_reading_counts_hits_and_misses_and_writing_does_not(keyspace: Keyspace, db: Database) -> None:
    db.put(b"k", b"v")
    assert (db.read(b"k"), db.read(b"absent"), db.write(b"k"), db.write(b"absent")) == (b"v", None, b"v", None)
    assert (db.has(b"k"), db.has(b"absent")) == (True, False)
    assert (keyspace.statistics.hits, keyspace.statistics.misses) == (1, 1)


def test_typed_accessors_refuse_other_types(db: Database) -> None:
    db.put(b"s", b"v")
    db.put(b"l", list_of(1))
    for access in (db.read_as, db.write_as):
        assert access(b"absent", List) is None
        assert isinstance(access(b"l", List), List)
        for key, kind in ((b"s", List), (b"l", Set)):
            with pytest.raises(WrongTypeError):
                access(key, kind)
    for read in (db.read_string, db.write_string):
        assert (read(b"s"), read(b"absent")) == (b"v", None)
        with pytest.raises(WrongTypeError):
            read(b"l")


def test_no_accessor_shows_an_expired_key(keyspace: Keyspace, db: Database, clock: ManualClock) -> None:
    accessors = (
        db.read,
        db.write,
        db.has,
        db.read_string,
        db.write_string,
        db.take,
        db.remove,
        lambda key: db.read_as(key, List),
        lambda key: db.write_as(key, List),
    )
    for number, access in enumerate(accessors, 1):
        db.put(b"k", b"v")
        db.set_expiry(b"k", keyspace.now_ms() + 1)
        later(keyspace, clock, 1)
        assert not access(b"k")
        assert (db.size, db.expires.size, keyspace.statistics.expired) == (0, 0, number)


# Times to live


def test_put_drops_a_time_to_live_and_store_keeps_it(db: Database, keyspace: Keyspace) -> None:
    at_ms = keyspace.now_ms() + 1000
    db.put(b"k", b"v")
    db.set_expiry(b"k", at_ms)
    assert not db.store(b"k", b"w")
    assert db.expiry(b"k") == at_ms
    assert not db.put(b"k", b"v")
    assert db.expiry(b"k") is None
    assert not db.clear_expiry(b"k")


def test_put_on_an_expired_key_makes_a_new_one(
    keyspace: Keyspace, db: Database, clock: ManualClock, log: list[tuple[str, bytes]]
) -> None:
    db.put(b"k", b"v")
    db.set_expiry(b"k", keyspace.now_ms() + 1)
    later(keyspace, clock, 1)
    assert db.put(b"k", b"w")
    assert log == [("new", b"k"), ("expired", b"k"), ("new", b"k")]
    assert (db.read(b"k"), db.expiry(b"k")) == (b"w", None)


@pytest.mark.parametrize("name", ["take", "remove"])
def test_a_time_to_live_dies_with_its_key(keyspace: Keyspace, db: Database, name: str) -> None:
    db.put(b"k", b"v")
    db.set_expiry(b"k", keyspace.now_ms() + 1000)
    assert getattr(db, name)(b"k")
    db.put(b"other", b"v")
    assert db.store(b"k", b"again")
    assert (db.expires.size, db.expiry(b"k")) == (0, None)


def test_due_is_from_the_very_millisecond(keyspace: Keyspace, db: Database, clock: ManualClock) -> None:
    db.put(b"k", b"v")
    db.set_expiry(b"k", keyspace.now_ms() + 10)
    later(keyspace, clock, 9)
    assert (db.is_due(b"k"), db.expire_if_due(b"k")) == (False, False)
    later(keyspace, clock, 1)
    assert db.is_due(b"k")
    assert db.size == 1
    assert db.expire_if_due(b"k")
    assert db.size == 0


def test_time_stands_still_within_a_unit(keyspace: Keyspace, db: Database, clock: ManualClock) -> None:
    db.put(b"k", b"v")
    db.set_expiry(b"k", keyspace.now_ms() + 10)
    clock.advance(1000)
    assert db.read(b"k") == b"v"
    keyspace.unit_ms = 0
    assert db.read(b"k") is None


# Hooks


def test_hooks(db: Database, log: list[tuple[str, bytes]]) -> None:
    assert db.put(b"a", b"1")
    assert not db.put(b"a", b"2")
    assert db.store(b"b", b"1")
    db.read(b"absent")
    db.write(b"absent")
    assert log == [("new", b"a"), ("new", b"b"), ("miss", b"absent")]


def test_no_event_is_made_that_nobody_wants(db: Database, log: list[tuple[str, bytes]]) -> None:
    db.notify_mask = 0
    db.put(b"a", b"1")
    db.read(b"absent")
    assert log == []


@pytest.mark.parametrize("name", ["put", "store"])
def test_whatever_stores_a_key_wakes_who_waits_for_it(db: Database, log: list[tuple[str, bytes]], name: str) -> None:
    db.notify_mask = 0
    db.waiters[b"k"] = {}
    getattr(db, name)(b"other", b"v")
    assert log == []
    getattr(db, name)(b"k", b"v")
    assert log == [("ready", b"k")]


# Whole databases


def test_a_random_key_has_not_expired(keyspace: Keyspace, db: Database, clock: ManualClock) -> None:
    source = random.Random(7)
    for number in range(200):
        db.put(b"%d" % number, b"v")
        if number % 2:
            db.set_expiry(b"%d" % number, keyspace.now_ms() + 1)
    later(keyspace, clock, 1)
    drawn = {db.random_live_key(source) for _ in range(2000)}
    assert drawn == {b"%d" % number for number in range(0, 200, 2)}


def test_no_random_key_where_all_have_expired(keyspace: Keyspace, db: Database, clock: ManualClock) -> None:
    source = random.Random(7)
    assert db.random_live_key(source) is None
    for number in range(50):
        db.put(b"%d" % number, b"v")
        db.set_expiry(b"%d" % number, keyspace.now_ms() + 1)
    later(keyspace, clock, 1)
    assert db.random_live_key(source) is None
    assert (db.size, keyspace.statistics.expired) == (0, 50)


def test_swap_trades_keys_and_times_to_live_and_wakes_waiters(
    keyspace: Keyspace, db: Database, log: list[tuple[str, bytes]]
) -> None:
    other = keyspace.databases[1]
    db.put(b"only", b"zero")
    db.set_expiry(b"only", keyspace.now_ms() + 1000)
    other.put(b"both", b"one")
    db.put(b"both", b"zero")
    db.waiters[b"both"] = {}
    db.waiters[b"absent"] = {}
    log.clear()
    keyspace.swap(0, 1)
    assert (db.read(b"both"), other.read(b"both"), db.has(b"only")) == (b"one", b"zero", False)
    assert other.expiry(b"only") is not None
    assert (db.size, other.size, db.index, other.index) == (1, 2, 0, 1)
    assert log == [("ready", b"both")]
    for each in (db, other):
        each.check()
        each.expires.check()


# Freeing


def test_a_flushed_database_is_empty_at_once_and_freed_in_slices(keyspace: Keyspace, db: Database) -> None:
    for number in range(20 * SEGMENT_MAX):
        db.put(b"%d" % number, b"v")
        db.set_expiry(b"%d" % number, keyspace.now_ms() + 1000)
    assert db.flush() == 20 * SEGMENT_MAX
    assert (db.size, db.expires.size, db.has(b"1")) == (0, 0, False)
    left = [sum(map(len, keyspace.garbage))]
    while keyspace.collect(5):
        left.append(sum(map(len, keyspace.garbage)))
    assert len(left) > 4
    assert all(before - after == 5 for before, after in pairwise(left))
    assert keyspace.garbage == []
    assert db.flush() == 0


def test_a_large_list_is_freed_in_slices_and_a_small_one_is_not_kept(keyspace: Keyspace, db: Database) -> None:
    large = list_of(10 * SEGMENT_MAX)
    db.put(b"small", list_of(100))
    db.put(b"large", large)
    assert db.remove(b"small")
    assert keyspace.garbage == []
    assert db.remove(b"large")
    assert len(large.items) == 10 * SEGMENT_MAX  # the handler that deleted it may still be reading
    assert keyspace.collect(4)
    assert len(large.items) == 6 * SEGMENT_MAX
    assert not keyspace.collect(100)
    assert len(large.items) == 0


def test_a_value_taken_to_live_elsewhere_is_not_freed(keyspace: Keyspace, db: Database) -> None:
    db.put(b"k", list_of(10 * SEGMENT_MAX))
    value = db.take(b"k")
    assert isinstance(value, List)
    db.put(b"other", value)
    db.store(b"other", value)
    assert not keyspace.collect(100)
    assert len(value.items) == 10 * SEGMENT_MAX


@pytest.mark.parametrize("name", ["put", "store"])
def test_a_large_value_that_is_replaced_is_freed(keyspace: Keyspace, db: Database, name: str) -> None:
    db.put(b"k", list_of(10 * SEGMENT_MAX))
    getattr(db, name)(b"k", b"small")
    assert keyspace.garbage
    keyspace.collect(1000)
    assert db.read(b"k") == b"small"


@pytest.mark.parametrize(
    "fill",
    [
        lambda client, words: client("RPUSH", "k", *words),
        lambda client, words: client("SADD", "k", *words),
        lambda client, words: client("HSET", "k", *(part for word in words for part in (word, "v"))),
        lambda client, words: client("ZADD", "k", *(part for word in words for part in (1, word))),
    ],
    ids=["list", "set", "hash", "sorted set"],
)
def test_every_large_type_is_freed_by_ticks(client: Client, fill: object) -> None:
    assert callable(fill)
    fill(client, [f"member:{number}" for number in range(6000)])
    assert client("UNLINK", "k") == 1
    keyspace = client.engine.keyspace
    assert keyspace.garbage
    for _ in range(20):
        client.engine.tick()
    assert keyspace.garbage == []


def test_garbage_never_piles_up_however_fast_it_comes(keyspace: Keyspace, db: Database) -> None:
    for _ in range(300):
        keyspace.discard([{} for _ in range(1000)])
        keyspace.collect()
    # A slice takes a 128th of what there is: 1000 segments a round settle below 128 rounds' worth.
    assert sum(map(len, keyspace.garbage)) < 128 * 1000


def test_a_watch_breaks_when_its_key_is_touched(client: Client, other: Client) -> None:
    client("WATCH", "k")
    other("SET", "other", 1)
    assert not client.session.watched_changed
    other("SET", "k", 1)
    assert client.session.watched_changed


def test_a_follower_hears_of_each_key_that_is_touched_until_it_leaves(keyspace: Keyspace, db: Database) -> None:
    heard: list[tuple[int, bytes]] = []
    leave = keyspace.follow(lambda db, key: heard.append((db.index, key)))
    assert all(database.observed for database in keyspace.databases)
    db.touch(b"k")
    leave()
    db.touch(b"other")
    assert heard == [(0, b"k")]
    assert not any(database.observed for database in keyspace.databases)


def test_sums_of_floats_are_remembered_for_a_while(engine: Engine, client: Client) -> None:
    client("SET", "five", "5")
    client("INCRBYFLOAT", "sum", 5)
    assert client("OBJECT", "ENCODING", "sum") == b"embstr"
    assert client("OBJECT", "ENCODING", "five") == b"int"
    for number in range(1500):
        client("INCRBYFLOAT", number, 10)
    assert client("OBJECT", "ENCODING", "sum") == b"int"
    assert client("OBJECT", "ENCODING", 1499) == b"embstr"
    assert len(engine.keyspace._floats) <= 1024


def test_a_frozen_data_set_hides_what_expired_and_keeps_it(
    keyspace: Keyspace, db: Database, clock: ManualClock, log: list[tuple[str, bytes]]
) -> None:
    for name in (b"a", b"b"):
        db.put(name, b"v")
        db.set_expiry(name, keyspace.now_ms() + 10)
    later(keyspace, clock, 20)
    keyspace.frozen = True
    log.clear()
    assert db.read(b"a") is None
    assert db.write(b"b") is None
    assert (db.size, db.statistics.expired) == (2, 0)
    assert ("expired", b"a") not in log
    assert db.random_live_key(random.Random(1)) in (b"a", b"b")  # it must end, whatever it finds
    keyspace.frozen = False
    assert db.read(b"a") is None
    assert (db.size, db.statistics.expired) == (1, 1)


def test_members_stay_while_the_data_set_is_frozen(engine: Engine, client: Client, clock: ManualClock) -> None:
    client("HSET", "h", "f", "v")
    client("HPEXPIRE", "h", "10", "FIELDS", "1", "f")
    clock.advance(20)
    engine.keyspace.frozen = True
    engine.keyspace.unit_ms = 0
    assert not engine.keyspace.databases[0].expire_members(b"h")
    engine.keyspace.frozen = False
    assert client("EXISTS", "h") == 0


def test_erasing_is_no_expiry(keyspace: Keyspace, db: Database, clock: ManualClock) -> None:
    db.put(b"k", b"v")
    db.set_expiry(b"k", keyspace.now_ms() + 10)
    later(keyspace, clock, 20)
    assert db.erase(b"k")
    assert not db.erase(b"k")
    assert (db.size, db.expires.size, db.statistics.expired) == (0, 0, 0)
