"""From ``store=`` and URLs to the server that a client means."""

from __future__ import annotations

import pytest

import kvcore
from kvcore.frontends.redis_urls import find_server, server_of, url_options


def test_options_come_from_the_url() -> None:
    url = "memory://user:p%40ss@jobs/2?decode_responses=no&protocol=3&socket_timeout=1.5&client_name=me"
    options = url_options(url)
    server = options.pop("store")
    assert server.name == "memory://jobs"
    assert options == {
        "decode_responses": False,
        "protocol": 3,
        "socket_timeout": 1.5,
        "client_name": "me",
        "username": "user",
        "password": "p@ss",
        "db": 2,
    }
    server.store.close()


@pytest.mark.parametrize("url", ["redis://h", "memory://n/x", "memory://n?db=x", "kv://n", ""])
def test_bad_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        url_options(url)


def test_a_store_is_found_by_what_it_is() -> None:
    with kvcore.open() as store:
        server = find_server(store)
        assert server.store is store
        assert find_server(server) is server
    assert find_server(None).store is not find_server("memory://").store


def test_a_pools_connections_must_know_their_store() -> None:
    with pytest.raises(kvcore.ConfigError, match="store="):
        server_of({})
    with pytest.raises(kvcore.ConfigError, match="no URL"):
        server_of({"store": "redis://localhost"})
