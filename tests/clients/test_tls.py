"""Unmodified clients over TLS: redis-cli, redis-py and asyncio redis-py, with and without certificates of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.certificates import Certificates
from tests.oracle.servers import HOST, Server, free_port, start_kvcore


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Mutual:
    """A server that asks for certificates, and what its clients present."""

    def __init__(self, server: Server, port: int, certificates: Certificates) -> None:
        self.server = server
        self.port = port
        self.files = certificates

    def cli(self, *words: str, who: str = "client", ca: str = "ca") -> subprocess.CompletedProcess[str]:
        folder = self.files.folder
        own = ["--cert", f"{folder}/{who}.pem", "--key", f"{folder}/{who}.key"] if who else []
        command = ["redis-cli", "-h", HOST, "-p", str(self.port), "--tls", "--cacert", f"{folder}/{ca}.pem", *own]
        return subprocess.run([*command, *words], capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def mutual(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Mutual]:
    port = free_port()
    options = certificates.options("--tls-port", str(port), "--tls-auth-clients", "yes", "--port", str(free_port()))
    server = start_kvcore(request.param, *options)
    yield Mutual(server, port, certificates)
    server.stop()


def test_redis_cli(mutual: Mutual) -> None:
    assert mutual.cli("SET", "k", "v").stdout == "OK\n"
    assert mutual.cli("--no-raw", "GET", "k").stdout == '"v"\n'
    assert mutual.cli("-3", "--no-raw", "HSET", "h", "f", "1").stdout == "(integer) 1\n"
    listed = mutual.cli("CLIENT", "LIST").stdout
    assert f"laddr={HOST}:{mutual.port} " in listed


def test_redis_cli_scans_and_reads_the_latency(mutual: Mutual) -> None:
    assert "Sampled " in mutual.cli("--bigkeys").stdout
    assert mutual.cli("--latency", "-i", "1", "--raw").returncode == 0


@pytest.mark.parametrize(("who", "ca"), [("", "ca"), ("stranger", "ca"), ("client", "other_ca")])
def test_redis_cli_without_the_right_certificates(mutual: Mutual, who: str, ca: str) -> None:
    refused = mutual.cli("PING", who=who, ca=ca)
    assert refused.returncode != 0
    assert "PONG" not in refused.stdout


def test_redis_py(mutual: Mutual) -> None:
    files = mutual.files
    with redis.Redis(
        HOST,
        mutual.port,
        ssl=True,
        ssl_ca_certs=str(files.ca),
        ssl_certfile=str(files.client),
        ssl_keyfile=str(files.client_key),
    ) as client:
        with client.pipeline() as pipeline:
            for number in range(1000):
                pipeline.set(f"key:{number}", "x" * number)
            assert pipeline.execute() == [True] * 1000
        assert client.strlen("key:999") == 999
        listener = client.pubsub()
        listener.subscribe("news")
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        client.publish("news", "hello")
        assert listener.get_message(timeout=5)["data"] == b"hello"
        listener.close()
    once = Retry(NoBackoff(), 0)
    nobody = redis.Redis(HOST, mutual.port, ssl=True, ssl_ca_certs=str(files.ca), retry=once)
    with nobody, pytest.raises((redis.ConnectionError, redis.TimeoutError)):
        nobody.ping()


async def test_redis_py_asyncio(mutual: Mutual) -> None:
    files = mutual.files
    async with redis.asyncio.Redis(
        host=HOST,
        port=mutual.port,
        ssl=True,
        ssl_ca_certs=str(files.ca),
        ssl_certfile=str(files.client),
        ssl_keyfile=str(files.client_key),
    ) as client:
        await client.set("big", "x" * 1_000_000)
        assert len(await client.get("big")) == 1_000_000
