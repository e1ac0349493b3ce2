"""Real processes killed at random moments under load: what was acknowledged is there, and every file opens.

With ``appendfsync always`` nothing acknowledged may be missing. With ``everysec`` a second or two may, by its promise;
a killed process, unlike a machine that lost its power, had given the system everything, so nothing is missing either.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path
from random import Random

import pytest

from kvcore.storage.aof_manifest import parse
from tests.oracle.servers import HOST, Server, start_kvcore
from tests.oracle.wire import Wire, WireSession, encode_command

CLIENTS = 4
ROUNDS = 10


class Writer(threading.Thread):
    """A client that appends numbers to a list of its own, and remembers those that were acknowledged."""

    def __init__(self, port: int, name: str, first: int, pipeline: int) -> None:
        super().__init__(daemon=True)
        self.key = name
        self.acknowledged = first
        """How many numbers, from 0 on, the server said it has."""
        self._pipeline = pipeline
        self._socket = socket.create_connection((HOST, port), timeout=10)

    def run(self) -> None:
        number = self.acknowledged
        replies = b""
        try:
            while True:
                request = b"".join(encode_command(("RPUSH", self.key, number + n)) for n in range(self._pipeline))
                self._socket.sendall(request)
                number += self._pipeline
                while self.acknowledged < number:
                    data = self._socket.recv(1 << 16)
                    if not data:
                        return
                    *lines, replies = (replies + data).split(b"\r\n")
                    for line in lines:
                        if line != b":%d" % (self.acknowledged + 1):
                            return
                        self.acknowledged += 1
        except OSError:
            return
        finally:
            self._socket.close()


def start(directory: Path, frontend: str, policy: str, *more: str) -> Server:
    options = ("--dir", str(directory), "--appendonly", "yes", "--appendfsync", policy, *more)
    return start_kvcore(frontend, *options, "--auto-aof-rewrite-min-size", "64kb", "--save", "")


def check(server: Server, writers: list[Writer], counts: list[int]) -> list[int]:
    """Compare every list with what its writer was told; return their lengths."""
    session = server.connect()
    found = []
    for writer, before in zip(writers, counts, strict=True):
        length = int(call(session, "LLEN", writer.key).text)
        assert before <= writer.acknowledged <= length, (writer.key, before, writer.acknowledged, length)
        # What was there before the last start was compared after that one.
        reply = call(session, "LRANGE", writer.key, before, -1)
        assert [int(item.text) for item in reply.items] == list(range(before, length)), writer.key
        found.append(length)
    session.close()
    return found


def kill_and_restart(directory: Path, frontend: str, policy: str, rounds: int, seed: int) -> None:
    random = Random(seed)
    counts = [0] * CLIENTS
    server = start(directory, frontend, policy)
    try:
        for round_ in range(rounds):
            if round_ % 10 == 0:
                # Not for ever longer: loading is not what is tested.
                session = server.connect()
                call(session, "FLUSHALL")
                session.close()
                counts = [0] * CLIENTS
            pipeline = random.choice((1, 1, 16))
            writers = [Writer(server.port, f"list{n}", counts[n], pipeline) for n in range(CLIENTS)]
            for writer in writers:
                writer.start()
            if random.random() < 0.5:
                session = server.connect()
                session.send(("BGREWRITEAOF",))
                session.close()
            time.sleep(random.uniform(0.02, 0.4))  # the moment is the point of the test
            server.signal(signal.SIGKILL)
            server.wait(10)
            for writer in writers:
                writer.join(10)
            assert sum(writer.acknowledged for writer in writers) > sum(counts), "no load"
            server.stop()
            server = start(directory, frontend, policy)
            counts = check(server, writers, counts)
    finally:
        server.stop()


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_what_was_acknowledged_survives_kill(tmp_path: Path, policy: str) -> None:
    frontend = "asyncio" if policy == "always" else "threaded"
    kill_and_restart(tmp_path, frontend, policy, ROUNDS, 1)


def call(session: WireSession, *words: str | int) -> Wire:
    session.send(words)
    return session.read(20)


def await_rewrites(session: WireSession) -> None:
    """Wait until the log is whole: no rewrite runs or is planned."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        info = call(session, "INFO", "persistence").text
        idle = b"aof_rewrite_in_progress:0" in info and b"aof_rewrite_scheduled:0" in info
        if idle and b"aof_enabled:1" in info and b"rdb_bgsave_in_progress:0" in info:
            return
        time.sleep(0.01)
    raise AssertionError("the rewrite does not end")


@pytest.mark.parametrize("frontend", ["asyncio", "threaded"])
def test_a_log_that_is_switched_and_rewritten_under_load_loses_and_doubles_nothing(
    tmp_path: Path, frontend: str
) -> None:
    server = start(tmp_path, frontend, "always", "--server-threads", "4")
    try:
        writers = [Writer(server.port, f"list{n}", 0, 8) for n in range(CLIENTS)]
        for writer in writers:
            writer.start()
        session = server.connect()
        for turn in range(12):
            if turn % 3 == 0:
                call(session, "CONFIG", "SET", "appendonly", "no")
            if turn % 2:
                call(session, "BGSAVE")
            call(session, "CONFIG", "SET", "appendonly", "yes")
            call(session, "BGREWRITEAOF")
            time.sleep(0.02)  # load between two switches, so that each meets commands under way
            call(session, "CONFIG", "SET", "appendfsync", ("everysec", "no", "always")[turn % 3])
        call(session, "CONFIG", "SET", "appendfsync", "always")
        await_rewrites(session)
        time.sleep(0.1)
        server.signal(signal.SIGKILL)
        server.wait(10)
        session.close()
        for writer in writers:
            writer.join(10)
        server.stop()
        server = start(tmp_path, frontend, "always")
        check(server, writers, [1] * CLIENTS)
        directory = tmp_path / "appendonlydir"
        names = {path.name for path in directory.iterdir() if not path.name.startswith("temp-")}  # a kill leaves those
        manifest = parse((directory / "appendonly.aof.manifest").read_text())
        spare = names - {"appendonly.aof.manifest"} - {file.name for file in manifest.files}
        # An automatic rewrite makes the next files before the manifest names them; a kill may come between.
        base, increment = manifest.base_sequence + 1, manifest.increment_sequence + 1
        assert spare <= {f"appendonly.aof.{base}.base.rdb", f"appendonly.aof.{increment}.incr.aof"}
    finally:
        server.stop()


@pytest.mark.parametrize("frontend", ["asyncio", "threaded"])
def test_waitaof_answers_when_the_disk_has_it(tmp_path: Path, frontend: str) -> None:
    server = start(tmp_path, frontend, "everysec")
    try:
        session, other = server.connect(), server.connect()
        for number in range(3):
            call(session, "SET", "k", number)
            assert [item.text for item in call(session, "WAITAOF", 1, 0, 5000).items] == [b"1", b"0"]
        call(session, "CONFIG", "SET", "appendfsync", "always")
        session.send(("SET", "k", 9))  # in one read with what waits for it
        session.send(("WAITAOF", 1, 0, 5000))
        assert session.read(5).text == b"OK"
        assert [item.text for item in session.read(20).items] == [b"1", b"0"]
        call(session, "CONFIG", "SET", "appendfsync", "no")
        call(session, "SET", "k", 10)
        session.send(("WAITAOF", 1, 0, 0))
        call(other, "CONFIG", "SET", "appendonly", "no")
        assert b"appendonly is disabled" in session.read(20).text
        assert call(session, "DEBUG", "LOADAOF").text == b"OK"
        session.close()
        other.close()
    finally:
        server.stop()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("policy", ["always", "everysec"])
@pytest.mark.parametrize("frontend", ["asyncio", "threaded"])
def test_what_was_acknowledged_survives_kill_two_hundred_times(tmp_path: Path, policy: str, frontend: str) -> None:
    kill_and_restart(tmp_path, frontend, policy, 50, 2)
