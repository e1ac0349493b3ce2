"""Who is told that a key changed, and when, without any transport."""

from __future__ import annotations

import random

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replies import Push
from tests.engine_client import Client


def tracker(engine: Engine, *options: str) -> Client:
    """Return a RESP3 client that tracks."""
    client = Client(engine)
    client.session.protocol = 3
    assert client("CLIENT", "TRACKING", "on", *options) == "OK"
    return client


def heard(client: Client) -> list[object]:
    """Take the messages a client was sent, those behind its last reply, too."""
    client.session.release_pushes()
    messages = [list(push) for push in client.session.outbox if isinstance(push, Push)]
    client.session.outbox.clear()
    return messages


def test_nobody_follows_unless_somebody_tracks(engine: Engine, client: Client) -> None:
    assert not client.session.call.db.observed
    reader = tracker(engine)
    assert client.session.call.db.observed
    reader("CLIENT", "TRACKING", "off")
    assert client.session.call.db.observed  # it could switch it on again, and is owed what it read
    engine.drop(reader.session)
    assert not client.session.call.db.observed
    assert not engine.keyspace.followers


def test_a_reader_is_told_once(engine: Engine, client: Client) -> None:
    reader = tracker(engine)
    reader("GET", "k")
    client("SET", "k", "1")
    client("SET", "k", "2")
    assert heard(reader) == [[b"invalidate", [b"k"]]]
    reader("MGET", "k", "j")
    client("MSET", "j", "1", "k", "1", "other", "1")
    assert heard(reader) == [[b"invalidate", [b"j"]], [b"invalidate", [b"k"]]]


def test_only_reading_commands_are_remembered(engine: Engine, client: Client) -> None:
    reader = tracker(engine)
    reader("GETDEL", "k")
    reader("LPOP", "k")
    reader("WATCH", "k")
    reader("DBSIZE")
    reader("GET", "k", "too", "many")
    assert engine.caching.readers.size == 0
    reader("LRANGE", "k", "a", "b")  # an error, but it ran
    assert engine.caching.readers.size == 1
    client("SET", "k", "1")
    assert heard(reader) == [[b"invalidate", [b"k"]]]


def test_several_readers_of_one_key(engine: Engine, client: Client) -> None:
    readers = [tracker(engine) for _ in range(3)]
    for reader in readers:
        reader("GET", "k")
        reader("GET", "k")
    assert (engine.caching.readers.size, engine.caching.items) == (1, 3)
    engine.drop(readers[1].session)
    client("DEL", "k")
    client("SET", "k", "1")
    assert [heard(reader) for reader in readers] == [[[b"invalidate", [b"k"]]], [], [[b"invalidate", [b"k"]]]]
    assert (engine.caching.readers.size, engine.caching.items) == (0, 0)


def test_own_changes_are_told_after_the_reply(engine: Engine) -> None:
    reader = tracker(engine)
    replies: list[object] = []
    reader.session.outbox = replies
    commands = [[b"GET", b"k"], [b"SET", b"k", b"1"], [b"PING"]]
    assert engine.execute_many(reader.session, commands, replies) == 3
    assert replies == [None, "OK", [b"invalidate", [b"k"]], "PONG"]


def test_no_loop(engine: Engine, client: Client) -> None:
    reader = tracker(engine, "NOLOOP")
    reader("GET", "k")
    reader("SET", "k", "1")
    assert heard(reader) == []
    reader("GET", "k")
    client("SET", "k", "1")
    assert heard(reader) == [[b"invalidate", [b"k"]]]


def test_expired_and_evicted_keys(engine: Engine, client: Client, clock: ManualClock) -> None:
    reader = tracker(engine)
    client("SET", "active", "1", "PX", "100")
    client("SET", "lazy", "1", "PX", "100")
    reader("MGET", "active", "lazy")
    clock.advance(200)
    client("GET", "lazy")
    assert heard(reader) == [[b"invalidate", [b"lazy"]]]
    engine.tick()
    assert heard(reader) == [[b"invalidate", [b"active"]]]
    client("SET", "k", "x" * 1000)
    reader("GET", "k")
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", "1")
    client("SET", "other", "1")
    assert [b"invalidate", [b"k"]] in heard(reader)


def test_flushing(engine: Engine, client: Client) -> None:
    reader = tracker(engine)
    reader("GET", "k")
    client("FLUSHDB")
    assert heard(reader) == [[b"invalidate", None]]
    assert (engine.caching.readers.size, engine.caching.items) == (0, 0)
    client("FLUSHALL")
    assert heard(reader) == [[b"invalidate", None]]
    reader("CLIENT", "TRACKING", "off")
    client("FLUSHALL")
    assert heard(reader) == []


def test_broadcasts_wait_for_the_end_of_a_turn(engine: Engine, client: Client) -> None:
    reader = tracker(engine, "BCAST", "PREFIX", "b", "PREFIX", "a")
    commands = [[b"SET", b"b2", b"1"], [b"SET", b"c", b"1"], [b"SET", b"b1", b"1"], [b"SET", b"a", b"1"]]
    engine.execute_many(client.session, [*commands, *commands], [])
    assert heard(reader) == [[b"invalidate", [b"a"]], [b"invalidate", [b"b1", b"b2"]]]
    client("SET", "b1", "1")
    assert heard(reader) == [[b"invalidate", [b"b1"]]]


def test_broadcasts_with_no_loop_leave_out_own_changes(engine: Engine, client: Client) -> None:
    reader = tracker(engine, "BCAST", "NOLOOP")
    reader("SET", "k", "1")
    assert heard(reader) == []
    client("SET", "k", "1")
    assert heard(reader) == [[b"invalidate", [b"k"]]]


def test_redirection(engine: Engine, client: Client) -> None:
    target = Client(engine)
    reader = tracker(engine, "REDIRECT", str(target.session.id))
    reader("GET", "k")
    client("SET", "k", "1")
    assert heard(target) == []  # RESP2, and it does not listen
    target("SUBSCRIBE", "anything")
    heard(target)
    reader("GET", "k")
    client("SET", "k", "1")
    assert heard(target) == [[b"message", b"__redis__:invalidate", [b"k"]]]
    engine.drop(target.session)
    reader("GET", "k")
    client("SET", "k", "1")
    assert heard(reader) == [[b"tracking-redir-broken", target.session.id]]
    assert reader.session.tracker is not None
    assert reader.session.tracker.broken


def test_the_table_is_kept_in_its_limit(engine: Engine, client: Client) -> None:
    client("CONFIG", "SET", "tracking-table-max-keys", "5")
    reader = tracker(engine)
    reader("MGET", *map(str, range(20)))
    assert engine.caching.readers.size == 5
    forgotten = [message[1][0] for message in heard(reader)]  # type: ignore[index]
    assert len(set(forgotten)) == 15
    client("CONFIG", "SET", "tracking-table-max-keys", "2")
    engine.tick()
    assert engine.caching.readers.size == 2


def test_who_lowers_the_limit_of_the_table_loses_its_keys_at_once(engine: Engine) -> None:
    reader = tracker(engine, "NOLOOP")
    reader("MGET", "a", "b")
    reader("CONFIG", "SET", "tracking-table-max-keys", "1")
    forgotten = heard(reader)  # it changed no key: NOLOOP does not keep this from it
    assert forgotten in ([[b"invalidate", [b"a"]]], [[b"invalidate", [b"b"]]])


def test_the_work_of_forgetting_is_bounded(engine: Engine, client: Client) -> None:
    client("CONFIG", "SET", "tracking-table-max-keys", "1")
    reader = tracker(engine)
    reader("MGET", *map(str, range(1000)))
    assert engine.caching.readers.size == 900
    for _ in range(10):
        engine.tick()
    assert engine.caching.readers.size == 1


def test_caching_lasts_for_one_command_or_transaction(engine: Engine) -> None:
    reader = tracker(engine, "OPTIN")
    reader("GET", "a")
    reader("CLIENT", "CACHING", "yes")
    reader("CLIENT", "ID")
    reader("GET", "b")
    reader("GET", "c")
    reader("CLIENT", "CACHING", "yes")
    reader("NOSUCH")
    reader("GET", "d")
    reader("CLIENT", "CACHING", "yes")
    reader("MULTI")
    reader("GET", "e")
    reader("EXEC")
    reader("GET", "f")
    assert sorted(engine.caching.readers) == [b"b", b"e"]


def test_reset_and_disconnection_clean_up(engine: Engine, client: Client) -> None:
    for end in (lambda reader: reader("RESET"), lambda reader: engine.drop(reader.session)):
        reader = tracker(engine, "BCAST", "PREFIX", "p")
        client("MULTI")
        client("SET", "p1", "1")
        end(reader)
        client("EXEC")
        assert not engine.caching.sessions
        assert not engine.caching.prefixes
        assert not engine.caching.broadcasts
        assert heard(reader) == []


def test_the_account_of_readers_stays_right(engine: Engine) -> None:
    source = random.Random(7)
    clients = [tracker(engine, *([] if number % 3 else ["NOLOOP"])) for number in range(5)]
    for _ in range(2000):
        client = source.choice(clients)
        key = str(source.randrange(20))
        client(*source.choice([("GET", key), ("GET", key), ("MGET", key, "x"), ("SET", key, "1"), ("PING",)]))
    values = [engine.caching.readers.get(key) for key in engine.caching.readers]
    assert engine.caching.items == sum(1 if isinstance(value, int) else len(value or ()) for value in values)
