"""What sessions cost, and whom `maxmemory-clients` closes."""

from __future__ import annotations

import pytest

from kvcore.client_memory import SMALLEST_LIMIT, memory_of
from kvcore.engine import Engine
from kvcore.session import CLOSE
from tests.engine_client import Client


class BufferedPeer:
    """A transport with chosen amounts in its buffers."""

    address = "10.0.0.1:1234"
    local_address = "127.0.0.1:6379"
    descriptor = 7

    def __init__(self, query: int = 0, output: int = 0) -> None:
        self.query_buffer = self.request_bytes = query
        self.announced = self.argument_bytes = 0
        self.output_buffer = output


def connect(engine: Engine, closed: list[Client], *, output: int = 0, query: int = 0) -> Client:
    """Return a client of the network that notes when it is closed."""
    client = Client(engine)
    client.session.peer = BufferedPeer(query, output)

    def close() -> None:
        client.session.interrupt |= CLOSE
        client.session.alive = lambda: False
        closed.append(client)

    client.session.close = close
    return client


@pytest.fixture
def closed() -> list[Client]:
    return []


def test_a_session_costs_its_buffers_and_queues(engine: Engine, closed: list[Client]) -> None:
    client = connect(engine, closed)
    idle = memory_of(client.session)
    client.session.peer = BufferedPeer(query=1000, output=500)
    assert memory_of(client.session) == idle + 1500
    client("MULTI")
    client("SET", "key", "x" * 1000)
    assert memory_of(client.session) == idle + 1500 + 1006 + 3 * 8
    client("DISCARD")
    client("SUBSCRIBE", "a", "b")
    assert memory_of(client.session) > idle + 1500


def test_a_parked_command_costs_its_arguments(engine: Engine, closed: list[Client]) -> None:
    client = connect(engine, closed)
    idle = memory_of(client.session)
    client("BLPOP", "x" * 1000, "0")
    assert memory_of(client.session) == idle + 1006


def test_nothing_is_counted_without_a_limit(engine: Engine, closed: list[Client]) -> None:
    client = connect(engine, closed, output=10**9)
    engine.client_memory.weigh(client.session)
    engine.tick()
    assert closed == []
    assert engine.client_memory.total() > 10**9


def test_the_largest_go_first_and_no_more_than_needed(engine: Engine, client: Client, closed: list[Client]) -> None:
    small = connect(engine, closed, output=50_000)
    large = connect(engine, closed, output=500_000)
    middle = connect(engine, closed, query=300_000)
    client("CONFIG", "SET", "maxmemory-clients", "400000")
    engine.tick()
    assert closed == [large]
    engine.drop(large.session)
    small.session.peer = BufferedPeer(output=200_000)
    engine.client_memory.weigh(small.session)
    assert closed == [large, middle]
    assert engine.client_memory.evicted == 2
    assert "\r\nevicted_clients:2\r\n" in client("INFO", "stats").text.decode()
    client("CONFIG", "RESETSTAT")
    assert engine.client_memory.evicted == 0


def test_who_is_exempt(engine: Engine, client: Client, closed: list[Client]) -> None:
    protected = connect(engine, closed, output=10**6)
    protected("CLIENT", "NO-EVICT", "on")
    replica = connect(engine, closed, output=10**6)
    replica.session.kind = "replica"
    victim = connect(engine, closed)
    client("CONFIG", "SET", "maxmemory-clients", "500000")
    engine.tick()
    assert closed == [victim]  # the protected one alone is over the limit, so everybody else goes
    assert client("PING") == "PONG"  # what has no socket stays


def test_limits(engine: Engine, client: Client) -> None:
    client("CONFIG", "SET", "maxmemory-clients", "1")
    assert engine.client_memory.limit == SMALLEST_LIMIT
    client("CONFIG", "SET", "maxmemory-clients", "5%")
    assert engine.client_memory.limit == 0  # of no maxmemory
    client("CONFIG", "SET", "maxmemory", "100mb")
    assert engine.client_memory.limit == 5 * 1024 * 1024
    client("CONFIG", "SET", "maxmemory-clients", "0")
    assert engine.client_memory.limit == 0


def test_the_account_forgets_who_left(engine: Engine, client: Client, closed: list[Client]) -> None:
    client("CONFIG", "SET", "maxmemory-clients", "1mb")
    for _ in range(50):
        visitor = connect(engine, closed, output=100_000)
        engine.client_memory.weigh(visitor.session)
        engine.drop(visitor.session)
    assert closed == []


def test_who_lowers_the_limit_still_hears_so(engine: Engine, closed: list[Client]) -> None:
    large = connect(engine, closed, output=500_000)
    changer = connect(engine, closed, query=400_000)
    assert changer("CONFIG", "SET", "maxmemory-clients", "200000") == "OK"
    assert closed == [large]  # at once, and it is gone from CLIENT LIST
    assert large.session.id not in engine.sessions
    assert changer.session.interrupt & CLOSE
    assert engine.client_memory.evicted == 2


def test_who_gives_up_protection_is_looked_at(engine: Engine, client: Client, closed: list[Client]) -> None:
    protected = connect(engine, closed, query=500_000)
    protected("CLIENT", "NO-EVICT", "on")
    client("CONFIG", "SET", "maxmemory-clients", "200000")
    assert not protected.session.interrupt & CLOSE
    protected("CLIENT", "NO-EVICT", "off")
    assert protected.session.interrupt & CLOSE


def test_a_queued_command_counts_when_it_is_queued(engine: Engine, client: Client, closed: list[Client]) -> None:
    client("CONFIG", "SET", "maxmemory-clients", "200000")
    queueing = connect(engine, closed)
    queueing("MULTI")
    for _ in range(3):
        queueing("SET", "key", "x" * 60_000)
    assert not queueing.session.interrupt & CLOSE
    queueing("SET", "key", "x" * 60_000)
    assert queueing.session.interrupt & CLOSE
    assert closed == []  # it reads what it is sent: the last reply goes out first


def test_an_evicted_reader_that_takes_nothing_gets_no_last_reply(
    engine: Engine, client: Client, closed: list[Client]
) -> None:
    client("CONFIG", "SET", "maxmemory-clients", "200000")
    queueing = connect(engine, closed, output=100_000)
    queueing("MULTI")
    queueing("SET", "key", "x" * 60_000)
    queueing("SET", "key", "x" * 60_000)
    assert closed == [queueing]


def test_keys_go_for_what_waits_in_buffers(engine: Engine, client: Client, closed: list[Client]) -> None:
    for number in range(100):
        client("SET", f"key:{number}", "x" * 10_000)
    client("CONFIG", "SET", "maxmemory", "4mb", "maxmemory-policy", "allkeys-random")
    engine.tick()
    assert client("DBSIZE") == 100
    used = engine.eviction.used_bytes()
    reader = connect(engine, closed, output=2_500_000)
    engine.client_memory.weigh(reader.session)
    engine.tick()
    assert 50 < client("DBSIZE") < 100
    engine.drop(reader.session)
    assert engine.eviction.client_bytes == 0
    assert engine.eviction.used_bytes() < used
    client("CONFIG", "SET", "maxmemory", "0")
    assert engine.eviction.client_bytes == 0
