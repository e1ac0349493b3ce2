"""Servers that follow each other: starting them, and waiting until they agree.

Lives here: roles, links and offsets of server processes. Must not live here: comparison (harness.py). The rule: nothing
waits for a time, everything for a state that a server tells, with an end after which the test fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.oracle.harness import Argument
from tests.oracle.servers import HOST, Server, find_oracle, start_kvcore, start_oracle
from tests.oracle.wire import Wire, WireSession
from tests.waiting import SECONDS

STOCK = "stock"
"""The kind of server that is the real one; the others are kvcore's front ends."""

AT_ONCE = ("CONFIG", "SET", "repl-diskless-sync-delay", 0)


def start(kind: str) -> Server:
    """Start the real server, or kvcore behind the front end ``kind``, with full synchronisations at once."""
    binary = find_oracle()
    assert binary is not None, "the fleet would have skipped"
    server = start_oracle(binary) if kind == STOCK else start_kvcore(kind)
    ask(server, *AT_ONCE)
    return server


def ask(server: Server, *words: Argument) -> Wire:
    """Run a command on a connection of its own."""
    session = server.connect()
    try:
        session.send(words)
        return session.read()
    finally:
        session.close()


def info(server: Server | WireSession, section: str = "replication") -> dict[str, str]:
    """Return the fields of a section of INFO."""
    words = ("INFO", section)
    if isinstance(server, Server):
        reply = ask(server, *words)
    else:
        server.send(words)
        reply = server.read()
    lines = reply.text.decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def await_state(what: str, holds: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Return once ``holds`` does; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def follow(replica: Server, primary: Server) -> None:
    """Make a server a replica, and wait for the link."""
    assert ask(replica, "REPLICAOF", HOST, primary.port).native() == "OK"
    await_link(replica, primary)


def await_link(replica: Server, primary: Server) -> None:
    """Wait until a replica has a link to this primary."""

    def is_up() -> bool:
        fields = info(replica)
        return fields.get("master_link_status") == "up" and fields["master_port"] == str(primary.port)

    await_state(f"{replica.name} follows {primary.name}", is_up)


def await_offsets(primary: Server, *replicas: Server) -> None:
    """Wait until replicas have applied all that a server's stream holds."""

    def agree() -> bool:
        offset = info(primary)["master_repl_offset"]
        return all(info(replica).get("slave_repl_offset") == offset for replica in replicas)

    await_state("equal offsets", agree)
