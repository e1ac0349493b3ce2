"""Certificates for the tests of the servers; the real server and redis-py for those of the stores' methods."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.certificates import Certificates
from tests.oracle.servers import HOST, find_oracle, start_kvcore, start_oracle


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def real_redis() -> Iterator[redis.Redis]:
    """redis-py on the real server, with the protocol whose results it has had longest."""
    binary = find_oracle()
    if binary is None:
        pytest.skip("no redis-server to compare with")
    server = start_oracle(binary)
    client = redis.Redis(HOST, server.port, protocol=2)
    try:
        yield client
    finally:
        client.close()
        server.stop()


@pytest.fixture(scope="session", params=["kvcore", "redis"])
def remote_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server for remote stores: kvcore's, then the real one."""
    binary = find_oracle()
    if request.param == "redis" and binary is None:
        pytest.skip("no redis-server to compare with")
    server = start_kvcore("asyncio") if request.param == "kvcore" or binary is None else start_oracle(binary)
    try:
        yield f"redis://{HOST}:{server.port}"
    finally:
        server.stop()
