"""kvcore.frontends.service: supervisors that are told, a server that leaves the terminal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvcore.config import Config
from kvcore.frontends import service
from kvcore.frontends.service import find_supervisor
from tests.oracle.servers import free_port

SECONDS = 30


def wait_until(happened: Callable[[], bool], log: Path) -> None:
    """Look again and again; fail with the log of a process that has nobody else to speak for it."""
    until = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < until, log.read_text() if log.exists() else "no log"
        time.sleep(0.01)


def config(supervised: str) -> Config:
    made = Config()
    made.set("supervised", supervised)
    return made


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(SECONDS)
        yield listener


def test_nobody_is_told_unless_asked(systemd: socket.socket) -> None:
    found = find_supervisor(config("no"), {"NOTIFY_SOCKET": systemd.getsockname()})
    found.ready()
    systemd.setblocking(False)
    assert found.name == "no"
    with pytest.raises(BlockingIOError):
        systemd.recv(100)


@pytest.mark.parametrize("supervised", ["systemd", "auto"])
def test_systemd_is_told(systemd: socket.socket, supervised: str) -> None:
    found = find_supervisor(config(supervised), {"NOTIFY_SOCKET": systemd.getsockname()})
    found.ready()
    found.stopping()
    assert found.name == "systemd"
    assert [systemd.recv(100) for _ in range(3)] == [
        b"STATUS=kvcore is loading...\n",
        b"STATUS=Ready to accept connections\nREADY=1\n",
        b"STOPPING=1\n",
    ]


def test_an_abstract_address() -> None:
    name = f"kvcore-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        assert find_supervisor(config("systemd"), {"NOTIFY_SOCKET": "@" + name}).name == "systemd"
        assert listener.recv(100).startswith(b"STATUS=")


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nonexistent/socket"}])
def test_a_systemd_that_is_not_there(environment: dict[str, str]) -> None:
    assert find_supervisor(config("systemd"), environment).name == "no"


def test_upstart_sees_the_process_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(service.os, "kill", lambda *words: sent.append(words))
    environment = {"UPSTART_JOB": "kv"}
    assert find_supervisor(config("auto"), environment).name == "upstart"
    assert (sent, environment) == ([(os.getpid(), signal.SIGSTOP)], {})
    assert find_supervisor(config("upstart"), environment).name == "no"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []

    def run(*options: str, **environment: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "kvcore", "--bind", "127.0.0.1", "--logfile", "log", *options]
        made.append(subprocess.Popen(words, cwd=tmp_path, env={**os.environ, **environment}))
        return made[-1]

    yield run
    for process in made:
        process.kill()
        process.wait()


def test_a_server_tells_systemd(systemd: socket.socket, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    port = free_port()
    words = ("--port", str(port), "--supervised", "systemd", "--daemonize", "yes")
    process = start(*words, NOTIFY_SOCKET=systemd.getsockname())
    assert systemd.recv(100).startswith(b"STATUS=kvcore is loading")
    assert systemd.recv(100).endswith(b"READY=1\n")
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
        client.sendall(b"INFO server\r\n")
        assert b"process_supervised:systemd\r\n" in client.recv(65536)
    process.send_signal(signal.SIGTERM)
    assert systemd.recv(100) == b"STOPPING=1\n"
    assert process.wait(SECONDS) == 0


def test_a_server_leaves_the_terminal(tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    sock = tmp_path / "s"
    process = start("--port", "0", "--unixsocket", str(sock), "--daemonize", "yes", "--pidfile", "pid")
    assert process.wait(SECONDS) == 0
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and "Ready to accept" in log.read_text(), log)
    pid = int((tmp_path / "pid").read_text())
    try:
        assert pid != process.pid
        assert os.getsid(pid) == pid
        assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}
    finally:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(str(sock))
            client.sendall(b"SHUTDOWN NOSAVE\r\n")
            assert client.recv(100) == b""
    wait_until(lambda: not (tmp_path / "pid").exists(), log)
