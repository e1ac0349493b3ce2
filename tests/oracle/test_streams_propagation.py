"""What stream commands propagate, beside what the real server writes to its append-only file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvcore.engine import Engine
from kvcore.session import Session
from tests.oracle.conftest import COMPARED
from tests.oracle.harness import split_line
from tests.oracle.servers import HOST, Server, find_oracle, free_port
from tests.oracle.test_stream_groups import COMMANDS as GROUP_COMMANDS
from tests.oracle.test_streams import COMMANDS as STREAM_COMMANDS
from tests.oracle.wire import WireSession
from tests.waiting import until

TIMES = re.compile(rb"\d{13,}(-\d+)?")


class Logs:
    """The same sessions on the real server, which logs to a file, and on an engine."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._file = server.directory / "appendonlydir" / "appendonly.aof.1.incr.aof"
        self._sessions: dict[str, tuple[WireSession, Session]] = {}
        self.engine = Engine()
        self._effects: list[list[bytes]] = []
        self.engine.subscribe(lambda unit: self._effects.extend(argv for _, argv in unit))
        self.both("1", "FLUSHALL")
        self.new()

    def _session(self, name: str) -> tuple[WireSession, Session]:
        if name not in self._sessions:
            session = self.engine.session()
            session.deliver = lambda _reply: None
            self._sessions[name] = (self._server.connect(), session)
        return self._sessions[name]

    def send(self, name: str, line: str) -> None:
        """Run a command on both sides and wait for nothing."""
        oracle, session = self._session(name)
        words = split_line(line)
        oracle.send(words)
        self.engine.execute(session, words)

    def both(self, name: str, line: str) -> None:
        """Run a command on both sides and wait until it is done."""
        self.send(name, line)
        self._sessions[name][0].read()

    def wait_blocked(self, count: int) -> None:
        """Return once ``count`` clients wait on the real server."""
        oracle, _ = self._session("monitor")

        def waits() -> bool:
            oracle.send(("INFO", "clients"))
            return f"blocked_clients:{count}\r".encode() in oracle.read().text

        until("the client waits", waits, pause=0.001)

    def new(self) -> tuple[list[bytes], list[bytes]]:
        """Return what was logged since the last call, oracle's first, with the times left out."""
        data = self._file.read_bytes()
        with self._file.open("r+b") as log:
            log.truncate(0)  # the server appends: what it writes next begins the file anew
        theirs = [words for words in parse(data) if words[0] != b"SELECT"]
        ours, self._effects[:] = list(self._effects), []
        return [spell(words) for words in theirs], [spell(words) for words in ours]

    def close(self) -> None:
        """Hang up."""
        for oracle, _ in self._sessions.values():
            oracle.close()


def parse(data: bytes) -> list[list[bytes]]:
    """Split an append-only file into commands."""
    commands = []
    position = 0
    while position < len(data):
        end = data.index(b"\r\n", position)
        words = []
        for _ in range(int(data[position + 1 : end])):
            start = data.index(b"\r\n", end + 2) + 2
            length = int(data[end + 3 : start - 2])
            words.append(data[start : start + length])
            end = start + length
        commands.append(words)
        position = end + 2
    return commands


def spell(words: list[bytes]) -> bytes:
    return TIMES.sub(b"<time>", b" ".join(words))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    binary = find_oracle()
    if binary is None:
        pytest.skip("no oracle: install redis-server")
    port = free_port()
    options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "yes", "--appendfsync", "no"]
    running = Server("the real server", [binary, *options], port)
    session = running.connect()
    session.send(("INFO", "server"))
    specified = f"redis_version:{COMPARED}".encode() in session.read().text
    session.close()
    try:
        if not specified:
            pytest.skip(f"the oracle is no redis {COMPARED}x, which specifies what is propagated")
        yield running
    finally:
        running.stop()


@pytest.fixture
def logs(server: Server) -> Iterator[Logs]:
    logs = Logs(server)
    yield logs
    logs.close()


def compare(logs: Logs, script: str) -> list[bytes]:
    """Run a script, ``name> command`` for other sessions and ``name< command`` for one that waits."""
    everything = []
    waiting = 0
    for line in script.strip().splitlines():
        name, how, words = re.fullmatch(r"\s*(?:(\w)([<>]) )?(.*)", line).groups()  # type: ignore[union-attr]
        if how == "<":
            logs.send(name, words)
            waiting += 1
            logs.wait_blocked(waiting)
        else:
            logs.both(name or "1", words)
        theirs, ours = logs.new()
        assert ours == theirs, line
        everything += ours
    return everything


def test_adding_and_trimming(logs: Logs) -> None:
    logged = compare(
        logs,
        """
        XADD s 1-1 a 1
        XADD s 1-* a 1
        XADD s * a 1
        xadd s nomkstream * a 1
        XADD none NOMKSTREAM * a 1
        XADD s 1-1 a 1
        XADD s MAXLEN ~ 2 * a 1
        XADD s maxlen ~ 2 LIMIT 10 * a 1
        XADD s MAXLEN ~ 2 9999999999999999 a 1
        XADD s MAXLEN 3 * a 1
        XADD s MAXLEN = 3 * a 1
        XADD s MINID ~ 5 * a 1
        XADD s MINID ~ 99999999999999999 * a 1
        XADD s * a 1
        XTRIM s MAXLEN ~ 1
        XTRIM s MAXLEN 1
        XTRIM s MAXLEN ~ 0
        XTRIM s MAXLEN 0
        XADD s * a 1
        XTRIM s minid ~ 99999999999999999
        XADD s * a 1
        XTRIM s MINID 99999999999999999 LIMIT 5
        XTRIM s MINID 99999999999999999
        XSETID s 999999999999999999-5 ENTRIESADDED 50
        XDEL s 1
        XADD s * a 1
        XDEL s 999999999999999999-6 7-7
        """,
    )
    assert b"XADD s MAXLEN = 5 <time> a 1" in logged


def test_groups(logs: Logs) -> None:
    compare(
        logs,
        """
        XGROUP CREATE s g $ MKSTREAM
        XGROUP CREATE s g $
        XADD s 1 a 1
        XADD s 2 a 1
        XADD s 3 a 1
        XADD s 4 a 1
        XREADGROUP GROUP g c COUNT 1 STREAMS s >
        XREADGROUP GROUP g c COUNT 2 STREAMS s >
        XREADGROUP GROUP g c STREAMS s 0
        XREADGROUP GROUP g d STREAMS s 0
        XREADGROUP GROUP g e NOACK STREAMS s >
        XREADGROUP GROUP g e NOACK STREAMS s >
        XREADGROUP GROUP g f NOACK STREAMS s 0
        XREADGROUP GROUP g g STREAMS s >
        XACK s g 1
        XACK s g 1
        XCLAIM s g h 0 2
        XCLAIM s g h 0 2 3 JUSTID
        XCLAIM s g i 1000000 2
        XCLAIM s g i 0 1
        XCLAIM s g i 0 1 FORCE IDLE 100
        XCLAIM s g i 0 1 LASTID 9
        XCLAIM s g i 0 99 LASTID 10
        XDEL s 2
        XCLAIM s g i 0 2
        XCLAIM s g j 0 2 LASTID 11
        XAUTOCLAIM s g k 0 0
        XDEL s 3
        XAUTOCLAIM s g l 1000000 0
        XAUTOCLAIM s g l 1000000 0
        XGROUP CREATECONSUMER s g c
        XGROUP CREATECONSUMER s g z
        XGROUP DELCONSUMER s g z
        XGROUP DELCONSUMER s g z
        XGROUP SETID s g $
        XGROUP DESTROY s g
        XGROUP DESTROY s g
        XGROUP CREATE s g 0
        MULTI
        XREADGROUP GROUP g c STREAMS s >
        XADD s 50 a 1
        XREADGROUP GROUP g c NOACK STREAMS s >
        XREADGROUP GROUP g c NOACK STREAMS s >
        EXEC
        """,
    )


def test_waiting(logs: Logs) -> None:
    compare(
        logs,
        """
        XGROUP CREATE s g $ MKSTREAM
        a< XREADGROUP GROUP g c BLOCK 0 COUNT 1 STREAMS s >
        b< XREADGROUP GROUP g d BLOCK 0 NOACK STREAMS s >
        c< XREAD BLOCK 0 STREAMS s $
        MULTI
        XADD s 1 a 1
        XADD s 2 a 1
        XADD s 3 a 1
        EXEC
        """,
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=st.lists(GROUP_COMMANDS | STREAM_COMMANDS, min_size=10, max_size=60))
def test_random_sequences(logs: Logs, commands: list[tuple[bytes, ...]]) -> None:
    for command in ((b"FLUSHALL",), (b"XGROUP", b"CREATE", b"s", b"g", b"0", b"MKSTREAM"), *commands):
        logs.both("1", " ".join(f'"{word.decode()}"' for word in command))
        theirs, ours = logs.new()
        assert ours == theirs, command
