"""Servers that are not there, go away, or are old; the rest is tested through the command line (test_tools)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from kvcore.errors import KvcoreError
from kvcore.frontends.remote import Remote
from tests.oracle.servers import HOST, Server, start_kvcore


def test_a_server_that_is_not_there_is_one_error() -> None:
    remote = Remote("redis://127.0.0.1:1/5")
    for ask in (remote.databases, remote.now_ms, lambda: remote.run([[b"PING"]]), lambda: list(remote.batches(5, 0))):
        with pytest.raises(KvcoreError, match="Connection refused"):
            ask()
    remote.close()


def test_a_wrong_url_is_one_error() -> None:
    with pytest.raises(KvcoreError, match="gopher://"):
        Remote("gopher://127.0.0.1")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = start_kvcore("asyncio")
    yield server
    server.stop()


def test_a_connection_that_is_lost_is_not_replaced(server: Server) -> None:
    """The cursor would be another process's."""
    with redis.Redis(HOST, server.port) as client:
        for number in range(1000):
            client.set(f"k{number}", number)
        batches = Remote(f"redis://{HOST}:{server.port}").batches(0, 0)
        next(batches)
        client.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(KvcoreError, match="was lost"):
            list(batches)


def test_an_error_reply_is_one_error_that_names_the_server(server: Server) -> None:
    remote = Remote(f"redis://{HOST}:{server.port}/99?password=")
    with pytest.raises(KvcoreError, match=rf"^redis://{HOST}:{server.port}/99.*: ERR DB index is out of range"):
        remote.check()
    remote = Remote(f"redis://{HOST}:{server.port}")
    with pytest.raises(KvcoreError, match=rf"^redis://{HOST}:{server.port}: ERR unknown command"):
        remote.ask(b"NOPE")
    remote.close()


def test_servers_older_than_redis_7(server: Server) -> None:
    """They know neither HELLO nor PEXPIRETIME, MEMORY USAGE nor FUNCTION."""
    with redis.Redis(HOST, server.port) as client:
        client.flushall()
        client.set("k", "v", px=1_000_000)
        client.set("for ever", "v")
        client.execute_command("ACL", "SETUSER", "old", "on", ">p", "~*", "+@all")
        client.execute_command("ACL", "SETUSER", "old", "-hello", "-pexpiretime", "-memory", "-function")
        expected = client.pexpiretime("k")
    remote = Remote(f"redis://old:p@{HOST}:{server.port}")
    assert remote.functions() is None
    found = {key: at_ms for _, batch in remote.batches(0, 0) for key, _, at_ms in batch}
    remote.close()
    assert found.pop(b"for ever") is None
    assert abs((found[b"k"] or 0) - expected) < 1000
