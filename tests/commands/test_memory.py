"""MEMORY on an engine without sockets."""

from __future__ import annotations

import pytest

from kvcore.engine import Engine
from kvcore.ports import LocalProcess
from tests.commands.conftest import Client


class Roomy(LocalProcess):
    """A process that holds more than is in use, and counts how often it was asked to give back."""

    def __init__(self) -> None:
        super().__init__()
        self.released = 0

    def memory_bytes(self) -> int:
        return 200 << 20

    def release_memory(self) -> None:
        self.released += 1


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (("SET", "k", "x"), ("SET", "k", "x" * 5000)),
        (("RPUSH", "k", "x"), ("RPUSH", "k", *["x" * 50] * 100)),
        (("HSET", "k", "f", "x"), ("HSET", "k", *(f"f{n}" for n in range(200)))),
        (("SADD", "k", "x"), ("SADD", "k", *(f"f{n}" for n in range(100)))),
        (("ZADD", "k", "1", "x"), ("ZADD", "k", *(word for n in range(50) for word in (n, f"m{n}")))),
        (("XADD", "k", "*", "f", "x"), ("XADD", "k", "*", *(f"f{n}" for n in range(200)))),
    ],
)
def test_usage_grows_with_the_value(client: Client, small: tuple[str, ...], large: tuple[str, ...]) -> None:
    client(*small)
    before = client("MEMORY", "USAGE", "k")
    client("DEL", "k")
    client(*large)
    after = client("MEMORY", "USAGE", "k")
    assert 0 < before < after
    assert client("MEMORY", "USAGE", "k", "SAMPLES", 0) >= sum(map(len, map(str, large[2:])))


def test_all_samples_are_exact_and_few_are_near(client: Client) -> None:
    client("RPUSH", "l", *("x" * 100 for _ in range(1000)))
    exact = client("MEMORY", "USAGE", "l", "SAMPLES", 0)
    assert client("MEMORY", "USAGE", "l", "SAMPLES", 0) == exact
    assert client("MEMORY", "USAGE", "l") == pytest.approx(exact, rel=0.02)
    client("RPUSH", "mixed", *("x" * (number % 50) for number in range(5000)))
    exact = client("MEMORY", "USAGE", "mixed", "SAMPLES", 0)
    assert client("MEMORY", "USAGE", "mixed", "SAMPLES", 2000) == pytest.approx(exact, rel=0.1)


def test_usage_of_nothing(client: Client) -> None:
    assert client("MEMORY", "USAGE", "none") is None
    assert client.error("MEMORY", "USAGE", "none", "SAMPLES") == "ERR syntax error"
    assert client.error("MEMORY", "USAGE", "none", "SAMPLES", -1) == "ERR syntax error"


def test_usage_is_no_use_of_the_key(client: Client) -> None:
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    client("SET", "k", "v")
    before = client("OBJECT", "FREQ", "k")
    for _ in range(200):
        client("MEMORY", "USAGE", "k")
    assert client("OBJECT", "FREQ", "k") == before


def test_statistics_agree_with_info(engine: Engine, client: Client) -> None:
    engine.process = Roomy()
    client("SET", "a", "x" * 1000)
    client("SET", "b", "y", "EX", 100)
    found = client("MEMORY", "STATS")
    text = client("INFO", "memory").text
    for name, field in (
        (b"total.allocated", b"used_memory"),
        (b"peak.allocated", b"used_memory_peak"),
        (b"dataset.bytes", b"used_memory_dataset"),
        (b"overhead.total", b"used_memory_overhead"),
    ):
        assert b"%b:%d\r\n" % (field, found[name]) in text
    assert found[b"keys.count"] == 2
    assert found[b"db.0"][b"overhead.hashtable.expires"] > 0
    assert b"db.1" not in found


def test_purge_asks_the_process(engine: Engine, client: Client) -> None:
    process = Roomy()
    engine.process = process
    assert client("MEMORY", "PURGE") == "OK"
    assert process.released == 1


def test_the_doctor(engine: Engine, client: Client) -> None:
    assert b"too little data" in client("MEMORY", "DOCTOR").text
    client("SET", "k", "x" * (20 << 20))
    assert b"Nothing unusual" in client("MEMORY", "DOCTOR").text or engine.process.memory_bytes() > 30 << 20
    engine.process = Roomy()
    assert b" * Fragmentation: " in client("MEMORY", "DOCTOR").text
    client("INFO", "memory")
    client("SET", "k", "x" * (8 << 20))
    assert b" * Peak: " in client("MEMORY", "DOCTOR").text


def test_allocator_statistics(client: Client) -> None:
    assert client("MEMORY", "MALLOC-STATS").text == b"Stats not supported for the current allocator"
