"""kvcore.frontends.listen: sockets from the configuration, changes and their rollback, the limit of open files."""

from __future__ import annotations

import logging
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvcore.config import Config
from kvcore.errors import ConfigError
from kvcore.frontends import listen
from kvcore.frontends.listen import Endpoint, Listener, ListenError, Listeners, follow_max_clients, format_address
from tests.oracle.servers import free_port


class Opened(Listeners):
    """Listeners that are followed, on a configuration of their own."""

    def __init__(self) -> None:
        self.config = Config()
        super().__init__(self.config)
        self.set(port="0", bind="127.0.0.1")
        self.came: list[Endpoint] = []
        self.went: list[Endpoint] = []
        self.on_open = lambda listener: self.came.append(listener.endpoint)
        self.on_retire = self._closed

    def _closed(self, listener: Listener) -> None:
        self.went.append(listener.endpoint)
        listener.socket.close()

    def set(self, **values: str) -> None:
        for name, value in values.items():
            self.config.set(name.replace("_", "-"), value)

    def endpoints(self) -> list[tuple[str, int, bool]]:
        return [tuple(listener.endpoint) for listener in self.all()]


@pytest.fixture
def opened() -> Iterator[Opened]:
    made = Opened()
    yield made
    made.close()


def reachable(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


# At start


def test_port_0_takes_one_free_port_for_all_addresses(opened: Opened) -> None:
    opened.set(bind="127.0.0.1 127.0.0.2")
    port = opened.open()
    assert port == opened.config.integer("port") != 0
    assert opened.endpoints() == [("127.0.0.1", port, False), ("127.0.0.2", port, False)]
    assert [listener.socket.getsockname() for listener in opened.all()] == [("127.0.0.1", port), ("127.0.0.2", port)]


def test_port_0_beside_a_unix_socket_or_a_tls_port_is_no_tcp(tmp_path: Path) -> None:
    for words in ({"unixsocket": str(tmp_path / "s")}, {"tls_port": str(free_port())}):
        opened = Opened()
        opened.set(**words)
        opened.open()
        assert not any(port and not tls for _, port, tls in opened.endpoints())
        opened.close()


def test_a_port_in_use_is_one_clear_line(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    port = opened.open()
    second = Opened()
    second.set(port=str(port))
    with caplog.at_level(logging.WARNING), pytest.raises(ListenError) as error:
        second.open()
    assert str(error.value) == f"Failed listening on port {port} (TCP), aborting."
    assert caplog.messages == [
        f"Warning: Could not create server TCP listening socket 127.0.0.1:{port}: bind: Address already in use"
    ]
    assert second.all() == []


def test_the_same_port_for_tls_fails_as_such(opened: Opened) -> None:
    port = free_port()
    opened.set(port=str(port), tls_port=str(port))
    with pytest.raises(ListenError, match=rf"^Failed listening on port {port} \(TLS\), aborting\.$"):
        opened.open()
    assert not reachable("127.0.0.1", port)


def test_only_an_address_with_a_dash_may_be_missing(opened: Opened) -> None:
    opened.set(bind="127.0.0.1 -192.0.2.1")
    opened.open()
    assert len(opened.all()) == 1
    opened.close()
    opened.set(port=str(free_port()), bind="127.0.0.1 192.0.2.1")
    with pytest.raises(ListenError):
        opened.open()
    assert opened.all() == []


@pytest.mark.parametrize("bind", ["-192.0.2.1", ""])
def test_a_server_that_would_listen_nowhere_does_not_start(opened: Opened, bind: str) -> None:
    opened.set(port=str(free_port()), bind=bind)
    with pytest.raises(ListenError, match=r"^Configured to not listen anywhere, exiting\.$"):
        opened.open()


def lay(path: Path, found: str) -> None:
    """Leave at the path what an earlier server, a deployment or a test's scaffolding may have left there."""
    if found == "socket":
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
    elif found == "file":
        path.touch()
    else:
        path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("found", ["socket", "file", "link"])
def test_what_holds_nothing_at_the_path_of_the_socket_makes_way(tmp_path: Path, found: str) -> None:
    path = tmp_path / "s"
    lay(path, found)
    opened = Opened()
    opened.set(unixsocket=str(path), unixsocketperm="640")
    opened.open()
    assert path.is_socket()
    assert path.lstat().st_mode & 0o777 == 0o640
    opened.close()
    assert not path.exists()


def test_a_link_makes_way_and_the_file_behind_it_stays(tmp_path: Path) -> None:
    path, data = tmp_path / "s", tmp_path / "data"
    data.write_text("mine")
    path.symlink_to(data)
    opened = Opened()
    opened.set(unixsocket=str(path))
    opened.open()
    opened.close()
    assert data.read_text() == "mine"


def test_a_file_with_something_in_it_does_not_make_way(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("mine")
    opened = Opened()
    opened.set(unixsocket=str(path))
    with pytest.raises(ListenError, match=r"^Failed opening Unix socket: bind: Address already in use$"):
        opened.open()
    assert path.read_text() == "mine"
    assert opened.all() == []


def test_a_path_too_long_says_how_long(opened: Opened) -> None:
    opened.set(unixsocket="/tmp/" + "x" * 125)
    with pytest.raises(ListenError) as error:
        opened.open()
    assert str(error.value) == "Failed opening Unix socket: unix socket path too long (130), must be under 108"


# Changes


def test_a_new_port_is_open_before_the_old_one_is_closed(opened: Opened) -> None:
    old, new = opened.open(), free_port()
    opened.set(port=str(new))
    opened.follow()
    assert opened.came == [("127.0.0.1", new, False)]
    assert opened.went == [("127.0.0.1", old, False)]
    assert (reachable("127.0.0.1", old), reachable("127.0.0.1", new)) == (False, True)


def test_an_address_more_leaves_the_others_alone(opened: Opened) -> None:
    port = opened.open()
    before = opened.all()[0]
    opened.set(bind="127.0.0.1 127.0.0.2")
    opened.follow()
    assert opened.all()[0] is before
    assert opened.went == []
    assert reachable("127.0.0.2", port)


def test_every_address_takes_over_from_one_of_the_same_port(opened: Opened) -> None:
    port = opened.open()
    opened.set(bind="*")
    opened.follow()
    assert reachable("127.0.0.2", port)
    opened.set(bind="127.0.0.2")
    opened.follow()
    assert (reachable("127.0.0.1", port), reachable("127.0.0.2", port)) == (False, True)


def test_two_ports_can_change_places(opened: Opened) -> None:
    plain, tls = free_port(), free_port()
    opened.set(port=str(plain), tls_port=str(tls))
    opened.open()
    opened.set(port=str(tls), tls_port=str(plain))
    opened.follow()
    assert opened.endpoints() == [("127.0.0.1", tls, False), ("127.0.0.1", plain, True)]


@pytest.mark.parametrize(
    "bind", ["127.0.0.1 192.0.2.1", "192.0.2.1", "* 192.0.2.1", "nosuch.invalid", "a" * 300, "a..b", "a\0b"]
)
def test_a_change_that_fails_leaves_what_was(opened: Opened, bind: str) -> None:
    port = opened.open()
    before = opened.endpoints()
    opened.set(bind=bind)
    with pytest.raises(ListenError):
        opened.follow()
    assert opened.endpoints() == before
    assert reachable("127.0.0.1", port)


def test_port_0_later_closes_tcp(opened: Opened) -> None:
    port = opened.open()
    opened.set(port="0")
    opened.follow()
    assert opened.all() == []
    assert not reachable("127.0.0.1", port)


# Open files


def test_max_clients_are_at_most_the_open_files_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(100, 200)]

    def change(_which: int, wanted: tuple[int, int]) -> None:
        if wanted[1] > 200:
            raise ValueError("not allowed to raise maximum limit")
        limits.append(wanted)

    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", change)
    config = Config()
    config.set("maxclients", "150")
    follow_max_clients(config)
    assert limits[-1] == (182, 200)
    config.set("maxclients", "169")
    with pytest.raises(ConfigError) as error:
        follow_max_clients(config)
    reason = "The operating system is not able to handle the specified number of clients, try with 168"
    assert str(error.value) == reason
    assert listen.raise_file_limit(10) == 10


# Addresses


def test_addresses_read_as_client_list_shows_them() -> None:
    assert format_address(("127.0.0.1", 5), "") == "127.0.0.1:5"
    assert format_address(("::1", 5, 0, 0), "") == "[::1]:5"
    assert format_address("", "/tmp/s") == "/tmp/s:0"
