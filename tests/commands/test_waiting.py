"""WAIT and WAITAOF on a server that stands alone, and on one that does not."""

from __future__ import annotations

import pytest

from kvcore.blocking import Blocked
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from tests.commands.conftest import Client


def test_nobody_is_waited_for(client: Client) -> None:
    assert client("WAIT", 0, 0) == 0
    assert client("WAIT", -3, 0) == 0
    assert client("WAITAOF", 0, 0, 0) == [0, 0]


@pytest.mark.parametrize(("words", "reply"), [(("WAIT", 1, 50), 0), (("WAITAOF", 0, 1, 50), [0, 0])])
def test_time_runs_out(
    engine: Engine, client: Client, clock: ManualClock, words: tuple[str | int, ...], reply: object
) -> None:
    assert isinstance(client(*words), Blocked)
    clock.advance(49)
    engine.tick()
    assert client.delivered == []
    clock.advance(1)
    engine.tick()
    assert client.delivered == [reply]


def test_what_was_reached_is_told_when_time_runs_out(engine: Engine, client: Client, clock: ManualClock) -> None:
    client("WAIT", 3, 50)
    engine.acknowledgements.on_replicas = lambda _session: 2
    engine.acknowledgements.advance()
    clock.advance(50)
    engine.tick()
    assert client.delivered == [2]


def test_in_a_transaction_there_is_no_waiting(client: Client) -> None:
    client("MULTI")
    client("WAIT", 1, 0)
    client("WAITAOF", 0, 1, 0)
    assert client("EXEC") == [0, [0, 0]]


def test_client_unblock(client: Client, other: Client) -> None:
    client("WAIT", 1, 0)
    assert other("CLIENT", "UNBLOCK", client.session.id) == 1
    assert client.delivered == [0]


def test_the_local_file(engine: Engine, client: Client, other: Client) -> None:
    assert client.error("WAITAOF", 1, 0, 0) == (
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
    )
    engine.config.on_change("appendonly", lambda: None)
    synced = False
    engine.acknowledgements.on_disk = lambda _session: synced
    engine.config.set("appendonly", "yes")
    assert isinstance(client("WAITAOF", 1, 0, 0), Blocked)
    synced = True
    engine.acknowledgements.advance()
    assert client.delivered == [[1, 0]]
    assert other("WAITAOF", 1, 0, 0) == [1, 0]
