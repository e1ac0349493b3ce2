"""Servers for real clients: kvcore through both network front ends, and the real server where output is compared.

Lives here: starting them once, handing out an empty one. Must not live here: a client of our own; every test in this
folder uses a client as its users install it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oracle.servers import Server, find_oracle, free_port, start_kvcore, start_oracle

OLDEST = "5.0.0"
"""The oldest release of redis-py that is supported."""

REQUIRED = os.environ.get("ORACLE_REQUIRED", "") not in ("", "0")
"""In CI a missing tool fails; elsewhere its tests skip."""


@pytest.fixture(scope="session", params=["asyncio", "threaded"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start kvcore-server with a port and a Unix socket."""
    path = tmp_path_factory.mktemp("socket") / "s"
    server = start_kvcore(request.param, "--port", str(free_port()), "--unixsocket", str(path))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """Yield the server without keys; a server that dies in a test fails that test."""
    session = running.connect()
    session.send(("FLUSHALL",))
    assert session.read().text == b"OK"
    session.close()
    yield running
    assert running.alive(), running.log()[-4000:]


@pytest.fixture
def unix_socket(server: Server) -> str:
    """Ask the server itself where its Unix socket is."""
    session = server.connect()
    session.send(("CONFIG", "GET", "unixsocket"))
    path = session.read().items[1].text.decode()
    session.close()
    return path


@pytest.fixture(scope="session")
def running_oracle() -> Iterator[Server]:
    """Start the real server, whose output is what kvcore's must equal."""
    binary = find_oracle()
    if binary is None:
        missing("redis-server")
    server = start_oracle(str(binary))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def oracle(running_oracle: Server) -> Server:
    """Return the real server without keys."""
    session = running_oracle.connect()
    session.send(("FLUSHALL",))
    assert session.read().text == b"OK"
    session.close()
    return running_oracle


@pytest.fixture(scope="session")
def find_tool() -> Callable[[str], str]:
    """Return a function from a program's name to its path."""

    def find(name: str) -> str:
        path = shutil.which(name)
        return str(Path(path)) if path else missing(name)

    return find


@pytest.fixture(scope="session")
def oldest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the oldest supported release of redis-py apart from the one that is installed."""
    target = tmp_path_factory.mktemp("redis-py") / OLDEST
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), f"redis=={OLDEST}"],
        check=True,
        timeout=100,
    )
    return target


def missing(name: str) -> str:
    """Skip the test, or fail it where everything must be there."""
    if REQUIRED:
        pytest.fail(f"{name} is not installed", pytrace=False)
    pytest.skip(f"{name} is not installed")
