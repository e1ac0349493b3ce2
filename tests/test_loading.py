"""From records to keys: what is taken, what is left out, and what is only counted."""

from __future__ import annotations

import logging

import pytest

from kvcore.clock import ManualClock
from kvcore.datatypes.hash import Hash
from kvcore.engine import Engine
from kvcore.errors import CommandError, RdbError
from kvcore.keyspace import Keyspace
from kvcore.loading import Loader
from tests.engine_client import Client

NOW_MS = 1_700_000_000_000


def some_hash() -> Hash:
    value = Hash()
    value.put(b"f", b"v", 512, 64)
    return value


def loader(engine: Engine, **options: bool) -> Loader:
    return Loader(engine.keyspace.databases, NOW_MS, engine.libraries.load, **options)


def test_keys_are_put_with_their_times(engine: Engine, client: Client) -> None:
    into = loader(engine)
    into.add(0, b"a", b"1", None, -1, -1, 0)
    into.add(3, b"b", some_hash(), NOW_MS + 5000, -1, -1, 0)
    into.expire_member(b"f", NOW_MS + 3000)
    into.expire_member(b"none", NOW_MS + 3000)
    assert client("GET", "a") == b"1"
    client("SELECT", 3)
    assert client("PTTL", "b") == 5000
    assert client("HPTTL", "b", "FIELDS", 1, "f") == [3000]
    assert (into.loaded, into.expired) == (2, 0)


def test_keys_whose_time_is_past_are_left_out(engine: Engine, client: Client) -> None:
    into = loader(engine)
    into.add(0, b"a", some_hash(), NOW_MS, -1, -1, 0)
    into.expire_member(b"f", NOW_MS + 3000)
    assert (into.loaded, into.expired) == (0, 1)
    assert len(engine.keyspace.databases[0]) == 0
    base = loader(engine, keep_expired=True)
    base.add(0, b"a", b"1", NOW_MS, -1, -1, 0)
    assert (base.loaded, base.expired) == (1, 0)


def test_keys_of_a_replicated_data_set_end_when_the_stream_says_so(engine: Engine) -> None:
    for replicated, loaded in ((False, 1), (True, 2)):
        into = loader(engine, keep_replicated=replicated)
        into.note(b"repl-id", b"a" * 40)
        into.add(int(replicated), b"a", b"1", NOW_MS - 1, -1, -1, 0)
        into.add(int(replicated), b"b", b"1", None, -1, -1, 0)
        assert into.loaded == loaded
        assert into.ended == ([] if replicated else [(0, b"a")])  # its replicas still have to hear of it


def test_a_stream_is_not_gone_on_with_when_too_many_keys_have_ended(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvcore.loading._ENDED_MAX", 3)
    into = loader(engine)
    for name, text in ((b"repl-id", b"a" * 40), (b"repl-offset", b"7"), (b"repl-stream-db", b"0")):
        into.note(name, text)
    for count in range(1, 6):
        into.add(0, b"%d" % count, b"1", NOW_MS - 1, -1, -1, 0)
        fits = count <= 3
        assert len(into.ended) == (count if fits else 0)
        assert into.position == (("a" * 40, 7, 0) if fits else None)
    assert into.expired == 5


@pytest.mark.parametrize(
    ("history", "offset", "database", "position"),
    [
        (b"a" * 40, b"7", b"3", ("a" * 40, 7, 3)),
        (b"a" * 40, b"7", b"16", ("a" * 40, 7, 0)),
        (b"a" * 39, b"7", b"3", None),
        (b"a" * 40, b"-7", b"3", None),
        (b"a" * 40, b"7", b"", None),
    ],
)
def test_the_position_that_a_file_tells(
    engine: Engine, history: bytes, offset: bytes, database: bytes, position: tuple[str, int, int] | None
) -> None:
    into = loader(engine)
    assert into.position is None
    for name, text in ((b"repl-id", history), (b"repl-offset", offset), (b"repl-stream-db", database)):
        into.note(name, text)
    assert into.position == position


def test_a_key_twice_is_an_error(engine: Engine) -> None:
    into = loader(engine)
    into.add(0, b"a", b"1", None, -1, -1, 0)
    into.add(1, b"a", b"1", None, -1, -1, 0)
    with pytest.raises(RdbError, match="'a' is there twice"):
        into.add(0, b"a", b"2", None, -1, -1, 77)


def test_an_account_is_kept_of_loaded_keys(engine: Engine, client: Client) -> None:
    client("CONFIG", "SET", "maxmemory", "100mb")
    before = engine.eviction.used_bytes()
    loader(engine).add(0, b"a", b"x" * 100_000, None, -1, -1, 0)
    assert engine.eviction.used_bytes() - before > 100_000


@pytest.mark.parametrize(("policy", "asked"), [("allkeys-lru", ("IDLETIME", 77)), ("allkeys-lfu", ("FREQ", 200))])
def test_how_keys_were_used_is_restored(client: Client, engine: Engine, policy: str, asked: tuple[str, int]) -> None:
    client("CONFIG", "SET", "maxmemory-policy", policy)
    loader(engine).add(0, b"a", b"1", None, 77, -1, 0)
    loader(engine).add(0, b"b", b"1", None, -1, 200, 0)
    assert client("OBJECT", asked[0], "a" if asked[0] == "IDLETIME" else "b") == asked[1]
    assert client("OBJECT", asked[0], "b" if asked[0] == "IDLETIME" else "a") != asked[1]


def test_databases_loaded_aside_are_moved_whole(engine: Engine, client: Client) -> None:
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    client("SET", "a", "old", "EX", 100)
    client("SET", "kept", "1")
    scratch = Keyspace(ManualClock(NOW_MS), 2)
    into = Loader(scratch.databases, NOW_MS, engine.libraries.load, keep_uses=True)
    into.add(0, b"a", b"new", None, 55, -1, 0)
    into.add(0, b"h", some_hash(), NOW_MS + 9000, -1, -1, 0)
    into.expire_member(b"f", NOW_MS + 3000)
    into.move(scratch.databases[0], engine.keyspace.databases[0])
    assert client("OBJECT", "IDLETIME", "a") == 55
    assert client("TTL", "a") == -1
    assert client("PTTL", "h") == 9000
    assert client("HPTTL", "h", "FIELDS", 1, "f") == [3000]
    assert engine.keyspace.databases[0].member_expires is not None
    assert client("GET", "kept") == b"1"
    assert len(scratch.databases[0]) == 0  # nothing is held twice


def test_what_a_file_tells_is_logged(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    into = loader(engine)
    with caplog.at_level(logging.INFO, "kvcore.rdb"):
        into.note(b"redis-ver", b"7.0.15")
        into.note(b"ctime", b"%d" % (NOW_MS // 1000 - 60))
        into.note(b"used-mem", b"2097152")
        into.note(b"%custom", b"told")
        into.note(b"repl-id", b"quiet")
        into.note(b"ctime", b"no number")
    assert caplog.messages == [
        "Loading RDB produced by version 7.0.15",
        "RDB age 60 seconds",
        "RDB memory usage when created 2.00 Mb",
        "RDB '%custom': told",
    ]
    assert into.aux[b"repl-id"] == b"quiet"


def test_facts_without_end_are_not_kept(engine: Engine) -> None:
    into = loader(engine)
    for number in range(1000):
        into.note(b"%d" % number, b"x")
    assert len(into.aux) == 64


def test_empty_keys_are_counted_and_the_first_logged(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    into = loader(engine)
    with caplog.at_level(logging.INFO, "kvcore.rdb"):
        for number in range(15):
            into.skip(0, b"%d" % number)
    assert into.empty == 15
    assert len(caplog.messages) == 11
    assert caplog.messages[0] == "rdbLoadObject skipping empty key: 0 (db 0)"


def test_a_library_that_does_not_load_is_an_error_of_the_file(engine: Engine) -> None:
    def refuse(source: bytes) -> None:
        raise CommandError("ERR no such engine")

    into = Loader(engine.keyspace.databases, NOW_MS, refuse)
    with pytest.raises(RdbError, match="no such engine") as caught:
        into.function(b"#!lua name=x\n", 9)
    assert caught.value.offset == 9
    into.sizes(0, 1 << 60, 1 << 60)
    assert len(engine.keyspace.databases[0]) == 0
