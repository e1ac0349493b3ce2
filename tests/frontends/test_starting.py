"""Loading in a thread beside whoever else wants the engine: what ends it, and who has the lock when."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kvcore.frontends.starting import Loading, LockTurns
from kvcore.storage.progress import StoppedError, Turns


def run(load: object) -> tuple[Loading, threading.Lock]:
    lock = threading.Lock()
    done = threading.Event()
    loading = Loading(load, lock, done.set)  # type: ignore[arg-type]
    loading.start()
    assert done.wait(30)
    loading.join()
    return loading, lock


def test_the_lock_is_free_while_a_piece_is_read() -> None:
    held: list[bool] = []

    def load(turns: Turns | None = None) -> bool:
        assert turns is not None
        held.append(lock.locked())
        turns.leave()
        held.append(lock.locked())
        turns.come_back(0.0)
        held.append(lock.locked())
        return True

    lock = threading.Lock()
    done = threading.Event()
    loading = Loading(load, lock, done.set)
    loading.start()
    assert done.wait(30)
    assert held == [True, False, True]
    assert not lock.locked()
    assert loading.error is None


def test_failures_are_kept_for_whoever_waits() -> None:
    def load(turns: Turns | None = None) -> bool:
        raise ValueError("broken")

    loading, lock = run(load)
    assert isinstance(loading.error, ValueError)
    assert not lock.locked()


def test_being_stopped_is_no_failure() -> None:
    def load(turns: Turns | None = None) -> bool:
        raise StoppedError

    assert run(load)[0].error is None


def test_others_get_the_lock_in_the_middle_of_a_quick_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who frees a lock and takes it again at once keeps it; so the loader sleeps once its slice is over."""
    slept: list[float] = []
    now_ns = 0
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    lock = threading.Lock()
    lock.acquire()
    turns = LockTurns(lock)
    for _ in range(100):
        now_ns += 1_000_000
        turns.leave()
        turns.come_back(0.0)
    assert len(slept) == 10
    turns.leave()
    turns.come_back(0.25)
    assert slept[-1] == 0.25
    assert lock.locked()


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe with a name holds the loading up")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_clients_are_served_as_far_as_that_goes(tmp_path: Path, threads: str) -> None:
    os.mkfifo(tmp_path / "dump.rdb")
    command = [sys.executable, "-m", "kvcore", "--port", "0", "--dir", str(tmp_path), "--bind", "127.0.0.1"]
    process = subprocess.Popen([*command, "--server-threads", threads], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Server initialized" not in lines[-1]:
            lines.append(process.stdout.readline())
        port = int(next(line for line in lines if "port=" in line).rsplit("=", 1)[1].rstrip(".\n"))
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            replies = client.makefile("rb")
            client.sendall(b"PING\r\nCONFIG GET port\r\n")
            assert replies.readline() == b"-LOADING Redis is loading the dataset in memory\r\n"
            answer = [replies.readline() for _ in range(5)]
            assert answer[0] == b"*2\r\n"
            with open(tmp_path / "dump.rdb", "wb") as file:
                file.write(b"REDIS0010\xfe\x00\x00\x01a\x01b\xff" + bytes(8))
            while "Ready to accept connections" not in lines[-1]:
                lines.append(process.stdout.readline())
            client.sendall(b"GET a\r\n")
            assert replies.readline() + replies.readline() == b"$1\r\nb\r\n"
        assert "DB loaded from disk" in "".join(lines)
        os.remove(tmp_path / "dump.rdb")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        ended = process.stdout.read()
        assert ended.index("User requested shutdown...") < ended.index("Saving the final RDB snapshot before exiting.")
        assert ended.index("DB saved on disk") < ended.index("ready to exit, bye bye...")
    finally:
        process.kill()
        process.communicate()
