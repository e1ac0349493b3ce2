"""Who has a client's writes: nobody, until somebody says so."""

from __future__ import annotations

from kvcore.engine import Engine
from tests.engine_client import Client


def test_a_server_alone_has_nobody_to_acknowledge(engine: Engine, client: Client) -> None:
    acknowledgements = engine.acknowledgements
    assert not acknowledgements.on_disk(client.session)
    assert acknowledgements.on_replicas(client.session) == 0
    assert acknowledgements.on_replica_disks(client.session) == 0


def test_waits_end_in_order_as_answers_grow(engine: Engine, client: Client, other: Client) -> None:
    count = 0
    engine.acknowledgements.on_replicas = lambda _session: count
    client("WAIT", 1, 0)
    other("WAIT", 2, 0)
    engine.acknowledgements.advance()
    assert (client.delivered, other.delivered) == ([], [])
    count = 1
    engine.acknowledgements.advance()
    assert (client.delivered, other.delivered) == ([1], [])
    count = 2
    engine.acknowledgements.advance()
    assert other.delivered == [2]


def test_who_is_gone_is_forgotten(engine: Engine, client: Client, other: Client) -> None:
    client("WAIT", 1, 0)
    engine.drop(client.session)
    engine.acknowledgements.on_replicas = lambda _session: 1
    engine.acknowledgements.advance()
    assert client.delivered == []
    other("WAIT", 2, 0)  # sweeps what is done
    assert engine.blocking.count == 1
