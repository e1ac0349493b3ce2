"""FAILOVER: a primary and a replica change places, with the real server at either end or at both for comparison."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.oracle.conftest import Fleet
from tests.oracle.groups import STOCK, ask, await_link, await_offsets, await_state, follow, info, start
from tests.oracle.harness import Argument
from tests.oracle.servers import HOST, Server

KINDS = [("asyncio", STOCK), (STOCK, "asyncio"), ("threaded", "asyncio")]
"""Primary and replica."""


@pytest.fixture(params=KINDS, ids="-".join)
def servers(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[tuple[Server, Server]]:
    primary, replica = made = [start(kind) for kind in request.param]
    try:
        follow(replica, primary)
        ask(primary, "SET", "k", "v")
        await_offsets(primary, replica)
        yield primary, replica
    finally:
        for server in made:
            server.stop()


def told(server: Server, *words: Argument) -> str:
    return str(ask(server, *words).native())


def state(server: Server) -> str:
    return info(server)["master_failover_state"]


def test_changes_places(servers: tuple[Server, Server]) -> None:
    primary, replica = servers
    history = info(primary)["master_replid"]
    assert told(primary, "FAILOVER", "TO", HOST, replica.port, "TIMEOUT", 10000) == "OK"
    await_link(primary, replica)
    await_state("the end", lambda: state(primary) == "no-failover")
    assert info(replica)["role"] == "master"
    assert info(replica)["master_replid2"] == history
    assert info(replica, "stats")["sync_full"] == "0"
    assert told(primary, "SET", "k", "w").startswith("READONLY")
    assert told(replica, "SET", "k", "w") == "OK"
    await_offsets(replica, primary)
    assert ask(primary, "GET", "k").native() == b"w"
    assert told(replica, "FAILOVER") == "OK"  # and back, to the only replica there is
    await_link(replica, primary)
    assert told(primary, "SET", "k", "x") == "OK"
    await_offsets(primary, replica)
    assert ask(primary, "DEBUG", "DIGEST") == ask(replica, "DEBUG", "DIGEST")


def test_waits_for_a_replica_that_is_behind(servers: tuple[Server, Server]) -> None:
    primary, replica = servers
    replica.signal(signal.SIGSTOP)
    try:
        assert told(primary, "SET", "k", "w") == "OK"
        assert told(primary, "FAILOVER", "TO", HOST, replica.port) == "OK"
        assert state(primary) == "waiting-for-sync"
        writer = primary.connect()
        writer.send(("SET", "held", "back"))
        assert writer.read(0.1).kind == "nothing"
        assert told(primary, "FAILOVER") == "ERR FAILOVER already in progress."
        assert told(primary, "REPLICAOF", HOST, 1) == "ERR REPLICAOF not allowed while failing over."
        assert told(primary, "REPLICAOF", "NO", "ONE") == "ERR REPLICAOF not allowed while failing over."
        assert told(primary, "PSYNC", "?", -1) == "NOMASTERLINK Can't SYNC while failing over"
        assert ask(primary, "GET", "k").native() == b"w"
        assert told(primary, "FAILOVER", "ABORT") == "OK"
        assert writer.read().native() == "OK"
        writer.close()
        assert state(primary) == "no-failover"
        assert told(primary, "FAILOVER", "ABORT") == "ERR No failover in progress."
        assert info(primary)["role"] == "master"
    finally:
        replica.signal(signal.SIGCONT)
    await_offsets(primary, replica)


def test_gives_up_in_time(servers: tuple[Server, Server]) -> None:
    primary, replica = servers
    replica.signal(signal.SIGSTOP)
    try:
        ask(primary, "SET", "k", "w")
        assert told(primary, "FAILOVER", "TIMEOUT", 200) == "OK"
        await_state("the end", lambda: state(primary) == "no-failover")
        assert info(primary)["role"] == "master"
        assert told(primary, "SET", "k", "x") == "OK"
    finally:
        replica.signal(signal.SIGCONT)


def test_force_and_abort_in_the_middle(servers: tuple[Server, Server]) -> None:
    primary, replica = servers
    replica.signal(signal.SIGSTOP)
    try:
        ask(primary, "SET", "k", "w")
        assert told(primary, "FAILOVER", "TO", HOST, replica.port, "FORCE", "TIMEOUT", 100) == "OK"
        await_state("hand-over", lambda: state(primary) == "failover-in-progress")
        assert info(primary)["role"] == "slave"
        assert told(primary, "FAILOVER", "ABORT") == "OK"
        assert info(primary)["role"] == "master"
        assert state(primary) == "no-failover"
        assert told(primary, "SET", "k", "x") == "OK"
    finally:
        replica.signal(signal.SIGCONT)


REFUSED: list[tuple[Argument, ...]] = [
    ("x",),
    ("TO",),
    ("TO", "h"),
    ("TO", "h", "x"),
    ("TO", "h", 1),
    ("TO", "h", 99999999999),
    ("FORCE",),
    ("TO", "h", 1, "FORCE"),
    ("FORCE", "TIMEOUT", 5),
    ("FORCE", "TIMEOUT", 5, "TO", "h", 1),
    ("TIMEOUT", 0),
    ("TIMEOUT", -5),
    ("TIMEOUT", "x"),
    ("TIMEOUT",),
    ("TIMEOUT", 5, "TIMEOUT", 5),
    ("TO", "h", 1, "TO", "h", 1),
    ("ABORT",),
    ("ABORT", "FORCE"),
    ("TO", "h", 1, "ABORT"),
]


def test_refusals(fleet: Fleet) -> None:
    """The same errors without replicas, with one, and on one."""
    ours, theirs = fleet.get("asyncio"), fleet.oracle
    groups = [[start(kind) for kind in kinds] for kinds in (("asyncio", STOCK), (STOCK, STOCK))]
    try:
        for primary, replica in groups:
            follow(replica, primary)
        (our_primary, _), (their_primary, their_replica) = groups
        follow(ours, theirs)
        for options in REFUSED:
            words = ("FAILOVER", *options)
            assert told(our_primary, *words) == told(their_primary, *words), words
            assert told(ours, *words) == told(their_replica, *words), words
        history = info(ours)["master_replid"]
        assert told(ours, "PSYNC", "f" * 40, 1, "FAILOVER") == told(their_replica, "PSYNC", "f" * 40, 1, "FAILOVER")
        assert told(our_primary, "PSYNC", "?", 1, "FAILOVER") == told(their_primary, "PSYNC", "?", 1, "FAILOVER")
        assert info(ours)["master_replid"] == history
        assert told(ours, "REPLICAOF", "NO", "ONE") == "OK"
        await_state("the end of the link", lambda: info(theirs)["connected_slaves"] == "0")
        for options in REFUSED:
            words = ("FAILOVER", *options)
            assert told(ours, *words) == told(theirs, *words), words
    finally:
        ask(ours, "REPLICAOF", "NO", "ONE")
        for group in groups:
            for server in group:
                server.stop()
