"""Listening sockets from the configuration."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from kvcore.config import Config
from kvcore.frontends.listen import ListenError, format_address, open_tcp, open_unix


@pytest.fixture
def config() -> Config:
    config = Config()
    config.set("port", "0")
    return config


def close(sockets: list[socket.socket]) -> None:
    for listener in sockets:
        listener.close()


def test_port_0_takes_one_free_port_for_all_addresses(config: Config) -> None:
    config.set("bind", "127.0.0.1 127.0.0.2")
    sockets = open_tcp(config)
    (first, port), (second, same) = (listener.getsockname() for listener in sockets)
    close(sockets)
    assert (first, second) == ("127.0.0.1", "127.0.0.2")
    assert port == same != 0


def test_port_0_beside_a_unix_socket_is_no_tcp(config: Config, tmp_path: Path) -> None:
    config.set("unixsocket", str(tmp_path / "s"))
    assert open_tcp(config) == []


def test_a_port_in_use_is_one_clear_line(config: Config) -> None:
    config.set("bind", "127.0.0.1")
    sockets = open_tcp(config)
    port = sockets[0].getsockname()[1]
    config.set("port", str(port))
    with pytest.raises(ListenError, match=rf"^Failed listening on port {port} "):
        open_tcp(config)
    close(sockets)


def test_only_an_address_with_a_dash_may_be_missing(config: Config) -> None:
    config.set("bind", "127.0.0.1 -192.0.2.1")
    sockets = open_tcp(config)
    close(sockets)
    assert len(sockets) == 1
    config.set("bind", "127.0.0.1 192.0.2.1")
    with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
        open_tcp(config)


def test_a_stale_socket_file_is_replaced_and_another_file_is_not(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "s"
    config.set("unixsocket", str(path))
    for _ in range(2):
        listener = open_unix(config)
        assert listener is not None
        listener.close()
    path.unlink()
    path.write_text("mine")
    with pytest.raises(ListenError, match="Failed opening Unix socket"):
        open_unix(config)
    assert path.read_text() == "mine"


def test_addresses_read_as_client_list_shows_them() -> None:
    assert format_address(("127.0.0.1", 5), "") == "127.0.0.1:5"
    assert format_address(("::1", 5, 0, 0), "") == "[::1]:5"
    assert format_address("", "/tmp/s") == "/tmp/s:0"
