"""Certificates for the tests of the servers; the real server and redis-py for those of the stores' methods."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.certificates import Certificates
from tests.oracle.servers import HOST, find_oracle, start_oracle


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
