"""MIGRATE, WAIT and WAITAOF beside the real server: replies, and what stands where afterwards."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.oracle.conftest import Fleet
from tests.oracle.harness import Argument, Mismatch, Pair, check
from tests.oracle.servers import HOST, Server, find_oracle, free_port, start_kvcore, start_oracle
from tests.oracle.wire import Wire

FILL = (
    ("SET", "string", "v"),
    ("SET", "number", 12345),
    ("SET", "long", "abc" * 1000),
    ("RPUSH", "list", *range(300)),
    ("SADD", "ints", 3, 1, 2),
    ("SADD", "set", "a", "b"),
    ("HSET", "hash", "f", "v", "g", "w"),
    ("ZADD", "zset", 1, "a", 2.5, "b"),
    ("XADD", "stream", "1-1", "f", "v"),
    ("PFADD", "hll", "a", "b"),
    ("SET", "", "empty name"),
)
NAMES = [words[1] for words in FILL]


class Targets:
    """Two real servers to migrate to: one for each side of a pair."""

    def __init__(self) -> None:
        binary = find_oracle()
        assert binary is not None, "the fleet would have skipped"
        self.servers = (start_oracle(binary), start_oracle(binary))

    def ask(self, *words: Argument) -> list[Wire]:
        return self.ask_as("", *words)

    def ask_as(self, password: str, *words: Argument) -> list[Wire]:
        replies = []
        for server in self.servers:
            session = server.connect()
            if password:
                session.send(("AUTH", password))
                session.read()
            session.send(words)
            replies.append(session.read())
            session.close()
        return replies

    def both(self, *words: Argument) -> object:
        """Insist that both targets answer alike; return the native value."""
        first, second = self.ask(*words)
        if first != second:
            raise Mismatch(f"{words}\n  oracle's target: {first!r}\n  kvcore's target: {second!r}")
        return first.native()


@pytest.fixture(scope="module")
def both_targets(fleet: Fleet) -> Iterator[Targets]:
    """Start the targets; they end with the module."""
    found = Targets()
    try:
        yield found
    finally:
        for server in found.servers:
            server.stop()


@pytest.fixture
def targets(both_targets: Targets) -> Targets:
    both_targets.ask_as("pw", "CONFIG", "SET", "requirepass", "")
    both_targets.ask("FLUSHALL")
    return both_targets


def migrate(pair: Pair, targets: Targets, *words: Argument) -> object:
    """Have each side migrate to its own target and compare the replies."""
    replies = []
    for side, target in zip((pair.oracle, pair.kvcore), targets.servers, strict=True):
        side.send(("MIGRATE", HOST, target.port, *words))
        replies.append(side.read(20))
    if replies[0] != replies[1]:
        raise Mismatch(f"MIGRATE {words}\n  oracle: {replies[0]!r}\n  kvcore: {replies[1]!r}")
    return replies[0].native()


def test_every_type(pair: Pair, targets: Targets) -> None:
    for words in FILL:
        pair.both(*words)
    migrate(pair, targets, "", 0, 5000, "KEYS", *NAMES, "none")
    assert pair.both("DBSIZE") == 0
    assert targets.both("DBSIZE") == len(NAMES)
    for name in NAMES:
        if name != "set":  # a table's order is the server's own
            targets.both("DUMP", name)
    assert migrate(pair, targets, "string", 0, 5000) == "NOKEY"


def test_options(pair: Pair, targets: Targets) -> None:
    check(pair, "MSET a 1 b 2 c 3; SET t v PX 100000".replace("; ", "\n"))
    for words in (
        ("a", 0, 1000, "COPY"),
        ("a", 0, 1000),
        ("a", 0, 1000, "REPLACE", "copy"),
        ("a", 3, 0, "copy"),
        ("a", 99, 1000),
        ("a", -1, 1000),
        ("", 0, 1000, "KEYS", "b", "a", "c"),
        ("t", 0, -1),
        ("", 0, 1000, "REPLACE", "KEYS", "a", "a", "none"),
        ("a", 0, 1000, "KEYS"),
        ("a", 0, 1000, "KEYS", "b"),
        ("", 0, 1000, "KEYS"),
        ("", 0, 1000),
        ("a", "x", 1000),
        ("a", 0, "x"),
        ("a", 0, 0, "AUTH"),
        ("a", 0, 0, "AUTH2", "u"),
        ("a", "x", "x", "WHAT"),
    ):
        migrate(pair, targets, *words)
        pair.both_sorted("KEYS", "*")
        targets.both("DBSIZE")
    assert all(90_000 < int(reply.text) <= 100_000 for reply in targets.ask("PTTL", "t"))


def test_passwords(pair: Pair, targets: Targets) -> None:
    pair.both("SET", "k", "v")
    migrate(pair, targets, "k", 0, 1000, "AUTH", "pw")
    migrate(pair, targets, "k", 0, 1000, "AUTH2", "u", "pw")
    targets.ask("CONFIG", "SET", "requirepass", "pw")
    # Links that were open before would go on being let in.
    for words in (("AUTH", "wrong"), ("AUTH2", "default", "wrong"), ()):
        targets.ask_as("pw", "CLIENT", "KILL", "TYPE", "normal")
        migrate(pair, targets, "k", 1, 1000, *words)
    targets.ask_as("pw", "CLIENT", "KILL", "TYPE", "normal")
    pair.both("GET", "k")
    assert migrate(pair, targets, "k", 1, 1000, "AUTH2", "default", "pw", "COPY") == "OK"
    assert migrate(pair, targets, "k", 2, 1000, "AUTH", "pw") == "OK"
    pair.both("EXISTS", "k")


def test_nobody_there(pair: Pair) -> None:
    port = free_port()
    check(
        pair,
        f"""
        MIGRATE {HOST} {port} k 0 100
        SET k v
        MIGRATE {HOST} {port} k 0 100
        MIGRATE {HOST} xx k 0 100
        MIGRATE {HOST} -1 k 0 100
        MIGRATE no.such.host.invalid 1 k 0 100
        GET k
        MULTI
        MIGRATE {HOST} {port} k 0 100
        GET k
        EXEC
        COMMAND GETKEYS MIGRATE h 1 "" 0 0 REPLACE KEYS a b
        COMMAND GETKEYS MIGRATE h 1 a 0 0 REPLACE
        MIGRATE
        MIGRATE h 1 k 0
        """,
    )


@pytest.mark.parametrize(
    "answer", [b"", b"+OK\r\n", b"+O", b"-ERR one\r\n-ERR two\r\n", b"+OK\r\n-BUSYKEY x\r\n", b"+OK\r\n+whatever\r\n"]
)
def test_targets_that_stop_talking(pair: Pair, answer: bytes) -> None:
    pair.both("SET", "k", "v")
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                client.recv(65536)
                client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        pair.both("MIGRATE", HOST, listener.getsockname()[1], "k", 0, 500)
        pair.both("EXISTS", "k")
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("source", "target"), [("oracle", "asyncio"), ("asyncio", "threaded"), ("asyncio", "oracle")])
def test_there_and_back(fleet: Fleet, source: str, target: str) -> None:
    def serve(name: str) -> Server:
        binary = find_oracle()
        assert binary is not None
        return start_oracle(binary) if name == "oracle" else start_kvcore(name)

    first, second = serve(source), serve(target)
    try:
        here, there = first.connect(), second.connect()

        def ask(session: object, *words: Argument) -> Wire:
            session.send(words)  # type: ignore[attr-defined]
            return session.read(20)  # type: ignore[attr-defined,no-any-return]

        for words in FILL:
            ask(here, *words)
        before = {name: ask(here, "DUMP", name) for name in NAMES}
        for _ in range(2):
            assert ask(here, "MIGRATE", HOST, second.port, "", 0, 9000, "KEYS", *NAMES).text == b"OK"
            assert ask(here, "DBSIZE").text == b"0"
            assert ask(there, "MIGRATE", HOST, first.port, "", 0, 9000, "KEYS", *NAMES).text == b"OK"
        after = {name: ask(here, "DUMP", name) for name in NAMES if name != "set"}
        assert after == {name: dump for name, dump in before.items() if name != "set"}
    finally:
        first.stop()
        second.stop()


# WAIT


def test_wait_alone(pair: Pair) -> None:
    check(
        pair,
        """
        WAIT
        WAIT 0
        WAIT 0 0 0
        WAIT 0 0
        WAIT x 0
        WAIT -1 0
        WAIT 0 -1
        WAIT 0 x
        WAIT 0 1.5
        WAIT x -1
        WAIT -5 10
        WAIT 99999999999999999999 10
        WAIT 1 99999999999999999999
        SET k v
        WAIT 1 20
        MULTI
        WAIT 1 0
        EXEC
        """,
    )


def test_wait_is_unblocked(pair: Pair) -> None:
    waiter = pair.client()
    oracle, kvcore = waiter.ask("CLIENT", "ID")
    waiter.send("WAIT", 3, 0)
    pair.wait_blocked(1)
    for side, reply in ((pair.oracle, oracle), (pair.kvcore, kvcore)):
        side.send(("CLIENT", "UNBLOCK", reply.text))
        assert side.read().text == b"1"
    assert waiter.read() == 0
