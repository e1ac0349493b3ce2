"""Servers for the packages people run on Redis: kvcore through both network front ends, and kvcore in process.

Lives here: starting a server once for the session, emptying it for each test, its address in the shapes that packages
ask for. Must not live here: anything of one package. The rule: the package is the one on PyPI, unpatched. Over TCP it
reaches kvcore as it would reach Redis: the asyncio server in whatever protocol the package chooses, the threaded one in
RESP2 where the package lets its user ask for it. In process, redis-py itself is patched, and the port that the package
is told refuses connections; tests marked ``over_tcp`` are left out there, for a reason that the marker states.
``INTEGRATION_SERVERS=redis-server`` (or a list with commas) runs the same tests on the real server, which tells a wrong
test from a wrong kvcore.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from kvcore.errors import CommandError
from tests.oracle.servers import HOST, Server, find_oracle, free_port, start_kvcore, start_oracle

SERVERS = os.environ.get("INTEGRATION_SERVERS", "asyncio,threaded,in-process").split(",")


def pytest_configure(config: pytest.Config) -> None:
    """Announce the folder's own marker."""
    config.addinivalue_line("markers", "over_tcp(why): not run in process")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on every server it is meant for."""
    if "endpoint" in metafunc.fixturenames:
        only_tcp = metafunc.definition.get_closest_marker("over_tcp")
        names = [name for name in SERVERS if not (only_tcp and name == "in-process")]
        metafunc.parametrize("running", names, indirect=True, scope="session")


class Endpoint:
    """Where kvcore listens, or where it would."""

    def __init__(self, name: str, port: int) -> None:
        self.host = HOST
        self.port = port
        self.protocol = 2 if name == "threaded" else None
        """The protocol to ask for, or None for the client's own choice."""

    def url(self, database: int = 0) -> str:
        """Return the address as redis-py's ``from_url`` reads it."""
        query = f"?protocol={self.protocol}" if self.protocol else ""
        return f"redis://{self.host}:{self.port}/{database}{query}"

    def plain_url(self, database: int = 0) -> str:
        """Return the address without options, for packages that parse it themselves."""
        return f"redis://{self.host}:{self.port}/{database}"

    def command(self, *words: str) -> Any:
        """Return the reply to one command, given past any client package."""
        raise NotImplementedError


class NetworkEndpoint(Endpoint):
    """A server process."""

    def __init__(self, name: str, server: Server) -> None:
        super().__init__(name, server.port)
        self.server = server

    def command(self, *words: str) -> Any:
        """Send one command on a connection of its own."""
        session = self.server.connect()
        try:
            session.send(words)
            reply = session.read().native()
        finally:
            session.close()
        if isinstance(reply, CommandError):
            raise reply
        return reply


class LocalEndpoint(Endpoint):
    """A store that every redis-py client of this process is led to; nobody listens on the port."""

    def __init__(self, store: Any) -> None:
        super().__init__("in-process", free_port())
        self.store = store

    def command(self, *words: str) -> Any:
        """Execute one command in a session of its own."""
        return self.store.execute(*words)


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest) -> Iterator[NetworkEndpoint | None]:
    """Start the server; None stands for no server."""
    if request.param == "in-process":
        yield None
        return
    server = start_oracle(str(find_oracle())) if request.param == "redis-server" else start_kvcore(request.param)
    try:
        yield NetworkEndpoint(request.param, server)
    finally:
        server.stop()


@pytest.fixture
def endpoint(running: NetworkEndpoint | None) -> Iterator[Endpoint]:
    """Yield kvcore without keys; a server that dies in a test fails that test."""
    if running is None:
        from kvcore import patch_redis

        with patch_redis() as store:
            yield LocalEndpoint(store)
        return
    running.command("FLUSHALL")
    yield running
    assert running.server.alive(), running.server.log()[-4000:]
