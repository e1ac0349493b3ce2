"""DEBUG on an engine without sockets: who may, and what it does to the engine."""

from __future__ import annotations

import logging
import re

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.ports import LocalProcess
from kvcore.replies import NULL_ARRAY, Attributed, BigNumber, OrderedSet, Push, Reply, Verbatim
from tests.commands.conftest import Client
from tests.commands.test_configuration import MemoryFile


class RecordingProcess(LocalProcess):
    """Notes how long it was to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []
        self.crashes: list[bool] = []

    def crash(self, segfault: bool) -> None:
        self.crashes.append(segfault)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class FarPeer:
    """A client on another machine."""

    address = "10.0.0.1:5000"
    local_address = "10.0.0.2:6379"
    descriptor = 9
    query_buffer = announced = argument_bytes = request_bytes = 0
    output_buffer = 0


@pytest.fixture
def debugger(engine: Engine, client: Client) -> Client:
    engine.config.set("enable-debug-command", "yes")
    return client


def test_refused_unless_allowed(engine: Engine, client: Client) -> None:
    assert client.error("DEBUG", "SLEEP", 0).startswith("ERR DEBUG command not allowed. ")
    engine.config.set("enable-debug-command", "local")
    assert client("DEBUG", "SLEEP", 0) == "OK"
    client.session.peer = FarPeer()
    assert client.error("DEBUG", "SLEEP", 0).startswith("ERR DEBUG command not allowed. ")
    engine.config.set("enable-debug-command", "yes")
    assert client("DEBUG", "SLEEP", 0) == "OK"


def test_sleep_holds_the_engine(engine: Engine, debugger: Client) -> None:
    process = RecordingProcess()
    engine.process = process
    for seconds in ("0.5", "1e-3x", "0", "-1", "x", "nan"):
        assert debugger("DEBUG", "SLEEP", seconds) == "OK"
    assert process.slept == [0.5, 0.001]


def test_set_active_expire(engine: Engine, debugger: Client, clock: ManualClock) -> None:
    debugger("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    debugger("SET", "k", 1, "PX", 10)
    clock.advance(20)
    engine.tick()
    assert len(engine.keyspace.databases[0]) == 1
    debugger("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    engine.tick()
    assert len(engine.keyspace.databases[0]) == 0


def test_error(debugger: Client) -> None:
    assert debugger.error("DEBUG", "ERROR", "CODE a\r\nb") == "CODE a  b"
    assert debugger.error("DEBUG", "ERROR", b"\xff") == "\udcff"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("string", b"Hello World"),
        ("integer", 12345),
        ("double", 3.141),
        ("null", None),
        ("array", [0, 1, 2]),
        ("set", OrderedSet((0, 1, 2))),
        ("map", {0: False, 1: True, 2: False}),
        ("bignum", BigNumber(1234567999999999999999999999999999999)),
        ("true", True),
        ("false", False),
        ("verbatim", Verbatim(b"This is a verbatim\nstring")),
    ],
)
def test_protocol(debugger: Client, kind: str, expected: Reply) -> None:
    reply = debugger("DEBUG", "PROTOCOL", kind)
    assert reply == expected
    assert type(reply) is type(expected)


def test_protocol_push_and_attributes(debugger: Client) -> None:
    attributed = debugger("DEBUG", "PROTOCOL", "attrib")
    assert isinstance(attributed, Attributed)
    assert attributed.attributes == {b"key-popularity": [b"key:123", 90]}
    assert debugger.error("DEBUG", "PROTOCOL", "push") == "ERR RESP2 is not supported by this command"
    debugger("HELLO", 3)
    assert debugger("DEBUG", "PROTOCOL", "push") == b"Some real reply following the push reply"
    assert debugger.session.outbox == [Push([b"server-cpu-usage", 42])]


@pytest.mark.parametrize(
    ("setup", "encoding", "length"),
    [
        (("SET", "k", "100"), "int", 2),
        (("SET", "k", "1000"), "int", 3),
        (("SET", "k", "-100000"), "int", 5),
        (("SET", "k", "10000000000"), "int", 12),
        (("SET", "k", "abc"), "embstr", 4),
        (("SET", "k", "a" * 100), "raw", 13),
        (("RPUSH", "k", "a", "b"), "quicklist", 16),
        (("SADD", "k", "a", "b"), "hashtable", 5),
        (("HSET", "k", "f", "v"), "listpack", 14),
        (("ZADD", "k", 1, "a"), "listpack", 13),
        (("XADD", "k", "1-1", "f", "v"), "stream", 57),
    ],
)
def test_object(debugger: Client, setup: tuple[str | int, ...], encoding: str, length: int) -> None:
    debugger(*setup)
    reply = debugger("DEBUG", "OBJECT", "k")
    found = re.match(r"Value at:0x[0-9a-f]+ refcount:\d+ encoding:(\w+) serializedlength:(\d+) lru:\d+ ", reply)
    assert found is not None
    assert (found[1], int(found[2])) == (encoding, length)


def test_object_of_a_list(debugger: Client) -> None:
    debugger("CONFIG", "SET", "list-max-listpack-size", 3)
    debugger("RPUSH", "k", *range(7))
    nodes = " ql_nodes:3 ql_avg_node:2.33 ql_listpack_max:3 ql_compressed:0 ql_uncompressed_size:35"
    assert debugger("DEBUG", "OBJECT", "k").endswith(nodes)


def test_digests(debugger: Client) -> None:
    assert debugger("DEBUG", "DIGEST") == "0" * 40
    assert debugger("DEBUG", "DIGEST-VALUE") == []
    debugger("SET", "k", "hello")
    assert debugger("DEBUG", "DIGEST-VALUE", "k", "none") == ["36b23a1456b2dce2c3ed252c456761301dba8060", "0" * 40]
    assert debugger("DEBUG", "DIGEST") != "0" * 40
    assert debugger.error("DEBUG", "DIGEST", "x").startswith("ERR unknown subcommand or wrong number of arguments for")


def test_object_of_nothing(debugger: Client) -> None:
    assert debugger.error("DEBUG", "OBJECT", "missing") == "ERR no such key"


def test_help_names_each_subcommand(debugger: Client) -> None:
    lines = debugger("DEBUG", "HELP")
    names = [line.split()[0] for line in lines[1::2]]
    assert names == [*sorted(set(names) - {"HELP"}), "HELP"]
    assert {"DIGEST", "OBJECT", "POPULATE", "SLEEP"} < set(names)
    expected = "ERR unknown subcommand or wrong number of arguments for 'Jmap'. Try DEBUG HELP."
    assert debugger.error("DEBUG", "Jmap") == expected


def test_populate_adds_what_is_missing(debugger: Client, effects: list[list[bytes]]) -> None:
    debugger("SET", "k:1", "mine")
    effects.clear()
    assert debugger("DEBUG", "POPULATE", 3, "k") == "OK"
    assert debugger("MGET", "k:0", "k:1", "k:2", "k:3") == [b"value:0", b"mine", b"value:2", None]
    assert debugger("DEBUG", "POPULATE", 1, "long", 10) == "OK"
    assert debugger("GET", "long:0") == b"value:0\0\0\0"
    assert debugger("DEBUG", "POPULATE", 1, "short", 3) == "OK"
    assert debugger("GET", "short:0") == b"val"
    assert effects == []


def test_populate_breaks_a_watch(debugger: Client, other: Client) -> None:
    other("WATCH", "key:0")
    other("MULTI")
    debugger("DEBUG", "POPULATE", 1)
    assert isinstance(other("EXEC"), type(NULL_ARRAY))


def test_string_sizes(debugger: Client) -> None:
    debugger("SET", "k", "value")
    found = re.fullmatch(
        r"key_sds_len:1, key_sds_avail:0, key_zmalloc: (\d+), val_sds_len:5, val_sds_avail:0, val_zmalloc: (\d+)",
        debugger("DEBUG", "SDSLEN", "k"),
    )
    assert found is not None
    assert int(found[1]) > 1
    assert int(found[2]) > 5


def test_tables_are_described(debugger: Client) -> None:
    debugger("DEBUG", "POPULATE", 3000)
    text = debugger("DEBUG", "HTSTATS", 0).text.decode()
    assert " number of elements: 3000\n" in text
    assert text.endswith(
        "[Expires HT]\nHash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n"
    )
    debugger("SADD", "s", *(f"m{number}" for number in range(2000)))
    assert " number of elements: 2000\n" in debugger("DEBUG", "HTSTATS-KEY", "s").text.decode()


def test_layouts_are_logged(debugger: Client, caplog: pytest.LogCaptureFixture) -> None:
    debugger("HSET", "h", "field", "text")
    debugger("RPUSH", "l", "item")
    with caplog.at_level(logging.WARNING, "kvcore.debug"):
        assert debugger("DEBUG", "LISTPACK", "h") == "Listpack structure printed on stdout"
        assert debugger("DEBUG", "QUICKLIST", "l", 1) == "Quicklist structure printed on stdout"
        assert debugger("DEBUG", "LOG", "remember") == "OK"
    texts = [record.getMessage() for record in caplog.records]
    assert b"field".hex() in texts[0]
    assert b"item".hex() in texts[1]
    assert texts[2] == "DEBUG LOG: remember"


def test_paused_cron_expires_nothing_on_its_own(engine: Engine, debugger: Client, clock: ManualClock) -> None:
    debugger("SET", "k", "v", "PX", 10)
    debugger("DEBUG", "PAUSE-CRON", 1)
    clock.advance(1000)
    engine.tick()
    assert debugger("DBSIZE") == 1
    debugger("DEBUG", "PAUSE-CRON", 0)
    engine.tick()
    assert debugger("DBSIZE") == 0


def test_checksums_may_be_skipped(debugger: Client) -> None:
    debugger("SET", "k", "v")
    payload = debugger("DUMP", "k")
    broken = payload[:-1] + bytes([payload[-1] ^ 1])
    assert debugger.error("RESTORE", "c", 0, broken) == "ERR DUMP payload version or checksum are wrong"
    debugger("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    assert debugger("RESTORE", "c", 0, broken) == "OK"
    debugger("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0)
    assert debugger.error("RESTORE", "d", 0, broken) == "ERR DUMP payload version or checksum are wrong"


def test_another_history(engine: Engine, debugger: Client) -> None:
    before = engine.replication_id
    assert debugger("DEBUG", "CHANGE-REPL-ID") == "OK"
    assert engine.replication_id != before
    assert b"master_replid:%b\r\n" % engine.replication_id.encode() in debugger("INFO", "replication").text


@pytest.mark.parametrize(
    ("name", "segfault"), [("PANIC", False), ("ASSERT", False), ("OOM", False), ("SEGFAULT", True)]
)
def test_a_crash_is_asked_of_the_process(engine: Engine, debugger: Client, name: str, segfault: bool) -> None:
    process = RecordingProcess()
    engine.process = process
    refusal = debugger.error("DEBUG", name)
    assert refusal == "ERR This store lives inside another program, which a command must not end"
    assert process.crashes == [segfault]


def test_the_whole_configuration_is_written(engine: Engine, debugger: Client) -> None:
    assert debugger.error("DEBUG", "CONFIG-REWRITE-FORCE-ALL") == "ERR CONFIG-REWRITE-FORCE-ALL failed: Bad address"
    file = MemoryFile(b"hz 20\n")
    engine.config_file = file
    assert debugger("DEBUG", "CONFIG-REWRITE-FORCE-ALL") == "OK"
    assert b"\nmaxclients 10000\n" in file.content
    file.failure = OSError(13, "Permission denied")
    wanted = "ERR CONFIG-REWRITE-FORCE-ALL failed: Permission denied"
    assert debugger.error("DEBUG", "CONFIG-REWRITE-FORCE-ALL") == wanted


def test_a_key_past_its_time_is_looked_at_and_stays(debugger: Client, clock: ManualClock) -> None:
    debugger("SET", "k", "value", "PX", 1)
    clock.advance(10)
    assert "encoding:embstr" in debugger("DEBUG", "OBJECT", "k")
    assert "val_sds_len:5" in debugger("DEBUG", "SDSLEN", "k")
    assert debugger("MEMORY", "USAGE", "k") > 0
    assert debugger("DBSIZE") == 1
