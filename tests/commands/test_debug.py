"""DEBUG on an engine without sockets: who may, and what it does to the engine."""

from __future__ import annotations

import re

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.ports import LocalProcess
from kvcore.replies import Attributed, BigNumber, OrderedSet, Push, Reply, Verbatim
from tests.commands.conftest import Client


class RecordingProcess(LocalProcess):
    """Notes how long it was to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class FarPeer:
    """A client on another machine."""

    address = "10.0.0.1:5000"
    local_address = "10.0.0.2:6379"
    descriptor = 9
    query_buffer = 0
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
    assert lines[1::2] == [
        "DIGEST",
        "DIGEST-VALUE [<key> ...]",
        "ERROR <message>",
        "OBJECT <key>",
        "PROTOCOL <type>",
        "SET-ACTIVE-EXPIRE <0|1>",
        "SLEEP <seconds>",
        "HELP",
    ]
    expected = "ERR unknown subcommand or wrong number of arguments for 'Jmap'. Try DEBUG HELP."
    assert debugger.error("DEBUG", "Jmap") == expected
