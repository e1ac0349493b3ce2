"""The commands that make values again: every type, in chunks, and to the same state on another engine."""

from __future__ import annotations

from random import Random

import pytest

from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.keyspace import Database
from kvcore.storage.aof_text import ITEMS, encode, recreate
from tests.engine_client import Client


def rebuilt(source: Client) -> Client:
    """Return a client of a new engine that ran what recreates the source's keys."""
    target = Client(Engine())
    for db in source.engine.keyspace.databases:
        if db.size:
            assert target("SELECT", db.index) == "OK"
        for argv in commands(db):
            reply = target(*argv)
            assert not isinstance(reply, Exception), (argv, reply)
    return target


def commands(db: Database) -> list[list[bytes]]:
    return [argv for key, value in db.items() for argv in recreate(key, value, db.expiry(key))]


def fill(client: Client, random: Random) -> None:
    """Write keys of every type and size, through the commands of clients."""
    for number in range(40):
        size = random.choice((1, 3, ITEMS, ITEMS + 1, 300))
        words = [random.randbytes(random.randrange(1, 40)) for _ in range(size)]
        key = f"k{number}"
        match number % 5:
            case 0:
                client("SET", key, b"".join(words))
            case 1:
                client("RPUSH", key, *words)
            case 2:
                client("SADD", key, *(words if random.random() < 0.5 else range(size)))
            case 3:
                client("HSET", key, *(item for word in words for item in (word, random.random())))
            case _:
                scores = (random.choice((random.random(), 1e300, float("-inf"), 7.0)) for _ in words)
                client("ZADD", key, *(item for pair in zip(scores, words, strict=True) for item in pair))
        if random.random() < 0.3:
            client("PEXPIRE", key, 10**9)


@pytest.mark.parametrize("seed", range(5))
def test_values_come_back(seed: int) -> None:
    source = Client(Engine())
    fill(source, Random(seed))
    source("SELECT", 3)
    fill(source, Random(seed + 100))
    target = rebuilt(source)
    databases = source.engine.keyspace.databases
    assert dataset_digest(target.engine.keyspace.databases) == dataset_digest(databases) != "0" * 40
    for db in databases:
        assert [(key, db.expiry(key)) for key, _ in sorted(db.items())] == [
            (key, target.engine.keyspace.databases[db.index].expiry(key)) for key, _ in sorted(db.items())
        ]


def test_no_command_is_longer_than_its_chunk() -> None:
    source = Client(Engine())
    source("RPUSH", "list", *range(ITEMS * 2 + 1))
    source("HSET", "hash", *range(ITEMS * 4 + 2))
    lengths = [(argv[0], len(argv)) for argv in commands(source.engine.keyspace.databases[0])]
    assert sorted(lengths) == sorted(
        [(b"RPUSH", 66), (b"RPUSH", 66), (b"RPUSH", 3), (b"HMSET", 130), (b"HMSET", 130), (b"HMSET", 4)]
    )


def test_streams_come_back_with_groups_and_what_is_pending() -> None:
    source = Client(Engine())
    lines = (
        "XADD s 1-1 f v g w|XADD s 2-1 f v|XADD s 3-1 other x|XDEL s 2-1|XGROUP CREATE s g 0|XGROUP CREATE s idle $"
        "|XREADGROUP GROUP g alice COUNT 1 STREAMS s >|XREADGROUP GROUP g bob STREAMS s >|XGROUP CREATECONSUMER s g zoe"
        "|XADD empty 5-5 f v|XDEL empty 5-5|XGROUP CREATE never g 0 MKSTREAM"
    )
    for line in lines.split("|"):
        assert not isinstance(source(*line.split()), Exception)
    target = rebuilt(source)
    for key in ("s", "empty", "never"):
        was = source("XINFO", "STREAM", key, "FULL")
        for group in was[b"groups"]:
            for consumer in group[b"consumers"]:
                consumer.pop(b"seen-time", None)
        now = target("XINFO", "STREAM", key, "FULL")
        for group in now[b"groups"]:
            for consumer in group[b"consumers"]:
                consumer.pop(b"seen-time", None)
        assert now == was


def test_members_times_come_back() -> None:
    source = Client(Engine())
    source("HSET", "hash", "f", 1, "g", 2)
    source("HPEXPIRE", "hash", 10**9, "FIELDS", 1, "f")
    source("SADD", "set", "a", "b")
    source("EXPIREMEMBER", "set", "a", 1000)
    target = rebuilt(source)
    assert target("HPEXPIRETIME", "hash", "FIELDS", 2, "f", "g") == source(
        "HPEXPIRETIME", "hash", "FIELDS", 2, "f", "g"
    )
    assert target("TTL", "set", "a") in (999, 1000)
    assert target("TTL", "set", "b") == -1


def test_the_wire_form() -> None:
    assert encode([b"SET", b"k", b""]) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"


def test_jobs_come_back_with_their_next_runs() -> None:
    source = Client(Engine())
    source("KEYDB.CRON", "j", "repeat", 5, 10**15, "return 1", 2, "k", b"\xff", "argument")
    source("KEYDB.CRON", "once", "single", 10**12, "return 2")
    source("PEXPIREMEMBERAT", "j", "j", 4 * 10**12)
    source("PEXPIREAT", "j", 5 * 10**12)
    target = rebuilt(source)
    assert dataset_digest(target.engine.keyspace.databases) == dataset_digest(source.engine.keyspace.databases)
    assert commands(target.engine.keyspace.databases[0]) == commands(source.engine.keyspace.databases[0])
    assert len(commands(source.engine.keyspace.databases[0])) == 4
