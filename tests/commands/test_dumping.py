"""DUMP and RESTORE on an engine: options, times to live, what is propagated and announced."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.rdb.payload import seal
from tests.commands.conftest import Client
from tests.rdb.samples import PAYLOADS

HELLO = bytes.fromhex("000568656c6c6f0a006372df766534200a")
WRONG_FRAME = "ERR DUMP payload version or checksum are wrong"


def test_dump(client: Client) -> None:
    assert client("DUMP", "k") is None
    client("SET", "k", "hello")
    assert client("DUMP", "k") == HELLO
    client("APPEND", "k", "")
    client("SETRANGE", "k", 0, "h")
    assert client("DUMP", "k") == HELLO
    client("EXPIRE", "k", 100)
    assert client("DUMP", "k") == HELLO


def test_compression_follows_the_configuration(engine: Engine, client: Client) -> None:
    client("SET", "k", "a" * 100)
    assert len(client("DUMP", "k")) < 30
    engine.config.set("rdbcompression", "no")
    assert len(client("DUMP", "k")) > 110


def test_list_nodes_follow_the_configuration(engine: Engine, client: Client) -> None:
    client("RPUSH", "k", *range(10))
    assert client("DUMP", "k")[:3] == b"\x12\x01\x02"
    engine.config.set("list-max-listpack-size", "4")
    assert client("DUMP", "k")[:3] == b"\x12\x03\x02"


@pytest.mark.parametrize("name", PAYLOADS)
def test_restore_every_type_and_dump_it_again(client: Client, name: str) -> None:
    assert client("RESTORE", "k", 0, seal(PAYLOADS[name])) == "OK"
    again = client("DUMP", "k")
    assert client("RESTORE", "copy", 0, again) == "OK"
    assert client("TYPE", "copy") == client("TYPE", "k")
    client.engine.config.set("enable-debug-command", "yes")
    one, other = client("DEBUG", "DIGEST-VALUE", "k", "copy")
    assert one == other


def test_restore_leaves_a_key_alone_unless_told(client: Client) -> None:
    client("SET", "k", "old", "EX", 100)
    assert client.error("RESTORE", "k", 0, HELLO) == "BUSYKEY Target key name already exists."
    assert client("GET", "k") == b"old"
    assert client("RESTORE", "k", 0, HELLO, "replace") == "OK"
    assert client("GET", "k") == b"hello"
    assert client("TTL", "k") == -1


def test_an_expired_key_is_not_in_the_way(client: Client, clock: ManualClock) -> None:
    client("SET", "k", "old", "PX", 10)
    clock.advance(20)
    assert client("RESTORE", "k", 0, HELLO) == "OK"


def test_times_to_live(client: Client, clock: ManualClock) -> None:
    now = clock.now_us() // 1000
    assert client("RESTORE", "k", 1500, HELLO) == "OK"
    assert client("PEXPIRETIME", "k") == now + 1500
    assert client("RESTORE", "at", now + 7, HELLO, "ABSTTL") == "OK"
    assert client("PEXPIRETIME", "at") == now + 7
    assert client("RESTORE", "never", 0, HELLO, "ABSTTL") == "OK"
    assert client("PTTL", "never") == -1


@pytest.mark.parametrize("ttl", [1, 2**63 - 1])
def test_a_time_that_has_passed_makes_no_key(client: Client, effects: list[list[bytes]], ttl: int) -> None:
    options = ("ABSTTL",) if ttl == 1 else ()  # the other overflows
    assert client("RESTORE", "k", ttl, HELLO, *options) == "OK"
    assert client("EXISTS", "k") == 0
    assert effects == []
    client("SET", "k", "old")
    effects.clear()
    assert client("RESTORE", "k", ttl, HELLO, *options, "REPLACE") == "OK"
    assert client("EXISTS", "k") == 0
    assert effects == [[b"DEL", b"k"]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("RESTORE", "k", 0), "ERR wrong number of arguments for 'restore' command"),
        (("RESTORE", "k", 0, HELLO, "WHAT"), "ERR syntax error"),
        (("RESTORE", "k", 0, HELLO, "IDLETIME"), "ERR syntax error"),
        (("RESTORE", "k", 0, HELLO, "FREQ"), "ERR syntax error"),
        (("RESTORE", "k", 0, HELLO, "IDLETIME", "1", "FREQ", "1"), "ERR syntax error"),
        (("RESTORE", "k", 0, HELLO, "FREQ", "1", "IDLETIME", "1"), "ERR syntax error"),
        (("RESTORE", "k", 0, HELLO, "IDLETIME", "x"), "ERR value is not an integer or out of range"),
        (("RESTORE", "k", 0, HELLO, "IDLETIME", "-1"), "ERR Invalid IDLETIME value, must be >= 0"),
        (("RESTORE", "k", 0, HELLO, "FREQ", "-1"), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (("RESTORE", "k", 0, HELLO, "FREQ", "256"), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (("RESTORE", "busy", "x", "", "WHAT"), "ERR syntax error"),  # options come first
        (("RESTORE", "busy", "x", ""), "BUSYKEY Target key name already exists."),  # then the key
        (("RESTORE", "k", "x", ""), "ERR value is not an integer or out of range"),  # then the time
        (("RESTORE", "k", "-1", ""), "ERR Invalid TTL value, must be >= 0"),
        (("RESTORE", "k", "0", ""), WRONG_FRAME),
        (("RESTORE", "k", "0", HELLO[:-1]), WRONG_FRAME),
        (("RESTORE", "k", "0", seal(HELLO[:7], version=13)), WRONG_FRAME),
        (("RESTORE", "k", "0", seal(b"")), "ERR Bad data format"),
        (("RESTORE", "k", "0", seal(b"\x01\x00")), "ERR Bad data format"),
        (("DUMP",), "ERR wrong number of arguments for 'dump' command"),
    ],
)
def test_errors_and_their_order(client: Client, words: tuple[str | int | bytes, ...], error: str) -> None:
    client("SET", "busy", "x")
    assert client.error(*words) == error
    assert client("KEYS", "*") == [b"busy"]


def test_a_bad_payload_changes_nothing(client: Client, effects: list[list[bytes]]) -> None:
    client("SET", "k", "old", "EX", 100)
    client("WATCH", "k")
    effects.clear()
    assert client.error("RESTORE", "k", 0, seal(b"\x02\x02\x01a\x01a"), "REPLACE") == "ERR Bad data format"
    assert client("GET", "k") == b"old"
    assert client("TTL", "k") == 100
    assert effects == []
    client("MULTI")
    client("PING")
    assert client("EXEC") == ["PONG"]


def test_sanitizing(engine: Engine, client: Client) -> None:
    payload = seal(bytes.fromhex("10") + b"\x0d" + bytes.fromhex("0d0000000500 8166028176 02ff"))
    engine.config.set("sanitize-dump-payload", "no")
    assert client("RESTORE", "k", 0, payload) == "OK"  # the header counts five entries where two are
    for mode in ("yes", "clients"):
        engine.config.set("sanitize-dump-payload", mode)
        assert client.error("RESTORE", "other", 0, payload) == "ERR Bad data format"


def test_what_is_propagated(client: Client, clock: ManualClock, effects: list[list[bytes]]) -> None:
    at = b"%d" % (clock.now_us() // 1000 + 1500)
    client("restore", "a", 0, HELLO)
    client("Restore", "b", 1500, HELLO, "freq", 5)
    client("RESTORE", "c", at, HELLO, "ABSTTL")
    assert effects == [
        [b"restore", b"a", b"0", HELLO],
        [b"Restore", b"b", at, HELLO, b"freq", b"5", b"ABSTTL"],
        [b"RESTORE", b"c", at, HELLO, b"ABSTTL"],
    ]


def test_events(engine: Engine, client: Client, other: Client) -> None:
    engine.config.set("notify-keyspace-events", "KEAn")
    other("PSUBSCRIBE", "__keyevent@0__:*")
    other.session.outbox.clear()
    client("RESTORE", "k", 0, HELLO)
    client("RESTORE", "k", 100, HELLO, "REPLACE")
    client("RESTORE", "k", 1, HELLO, "REPLACE", "ABSTTL")
    seen = [message[2].rpartition(b":")[2] for message in other.session.outbox]
    assert seen == [b"new", b"restore", b"new", b"restore", b"del"]


def test_idle_time_and_frequency(engine: Engine, client: Client) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    client("RESTORE", "idle", 0, HELLO, "IDLETIME", 1000)
    client("RESTORE", "ignored", 0, HELLO, "FREQ", 100)
    assert client("OBJECT", "IDLETIME", "idle") == 1000
    assert client("OBJECT", "IDLETIME", "ignored") == 0
    engine.config.set("maxmemory-policy", "allkeys-lfu")
    client("RESTORE", "often", 0, HELLO, "FREQ", 100)
    client("RESTORE", "unknown", 0, HELLO, "IDLETIME", 1000)
    assert client("OBJECT", "FREQ", "often") == 100
    assert client("OBJECT", "FREQ", "unknown") == 5


def test_a_restored_list_wakes_who_waits(client: Client, other: Client) -> None:
    client("RPUSH", "source", "a", "b")
    payload = client("DUMP", "source")
    other("BLPOP", "k", 0)
    client("RESTORE", "k", 0, payload)
    assert other.delivered == [[b"k", b"a"]]
    assert client("LRANGE", "k", 0, -1) == [b"b"]


def test_restore_asking_is_the_same(client: Client) -> None:
    assert client("RESTORE-ASKING", "k", 0, HELLO) == "OK"
    assert client("GET", "k") == b"hello"
