"""kvcore.frontends.http: answers to a real client, health, hostile requests, its life beside both servers."""

from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.frontends import http as http_module
from kvcore.frontends.asyncio_server import AsyncioServer
from kvcore.frontends.host import Host
from kvcore.frontends.http import HttpFrontend, Request
from kvcore.frontends.listen import ListenError
from kvcore.frontends.threaded_server import ThreadedServer
from tests.oracle.servers import free_port

HOST = "127.0.0.1"


class Site:
    """An HTTP front end of an engine on a manual clock."""

    def __init__(self) -> None:
        config = Config()
        self.port = free_port()
        config.set("http-port", str(self.port))
        self.clock = ManualClock()
        self.host = Host(Engine(config, clock=self.clock))
        self.host.tick()
        self.front = HttpFrontend(self.host, config)
        self.front.open()
        self.front.start()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            self.headers = answer.headers
            return answer.status, answer.read()

    def say(self, words: bytes) -> bytes:
        """Send raw bytes, then nothing more; return all that comes back."""
        with socket.create_connection((HOST, self.port), timeout=10) as peer:
            received = b""
            with contextlib.suppress(ConnectionError):
                peer.sendall(words)
                while data := peer.recv(65536):
                    received += data
            return received


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.front.stop()


# Answers


def test_metrics(site: Site) -> None:
    with urllib.request.urlopen(f"http://{HOST}:{site.port}/metrics?x=1", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert answer.headers["Connection"] == "close"
        text = answer.read().decode()
    assert "\nkvcore_connected_clients 0.0\n" in text
    assert len(text) == int(answer.headers["Content-Length"])


def test_the_format_is_the_one_asked_for(site: Site) -> None:
    _, body = site.ask("GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert site.headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_head_has_no_body(site: Site) -> None:
    assert site.ask("HEAD", "/healthz") == (200, b"")
    assert site.headers["Content-Length"] == "3"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(site: Site, method: str) -> None:
    status, _ = site.ask(method, "/metrics", None if method == "TRACE" else b"x" * 100)
    assert (status, site.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics/../healthz", "//metrics", "/%6detrics"])
def test_there_is_nothing_else(site: Site, path: str) -> None:
    assert site.ask("GET", path) == (404, b"Not Found\n")


# Health


def test_healthy(site: Site) -> None:
    assert site.ask("GET", "/healthz") == (200, b"ok\n")


def test_a_held_lock_is_not_healthy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "HEALTH_SECONDS", 0.01)
    with site.host.lock:
        assert site.ask("GET", "/healthz") == (503, b"the engine is busy\n")
    assert site.ask("GET", "/healthz")[0] == 200


def test_a_loop_that_does_not_tick_is_not_healthy(site: Site) -> None:
    site.clock.advance(http_module.STALE_MS + 1)
    assert site.ask("GET", "/healthz") == (503, b"the server is stuck\n")
    site.host.tick()
    assert site.ask("GET", "/healthz")[0] == 200


def test_a_scrape_gives_up_on_a_stuck_engine(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "REPLY_SECONDS", 0.05)
    with site.host.lock:
        assert site.ask("GET", "/metrics") == (503, b"the server is stuck\n")
    assert site.ask("GET", "/metrics")[0] == 200


# Hostile requests


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET /metrics HTTP/2.0\r\n\r\n", 400),
        (b"GET metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET http://x/metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n: x\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nhost : x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"get /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 9000, 431),
        (b"GET /healthz HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n", 200),
    ],
)
def test_what_is_no_request_gets_one_answer(site: Site, said: bytes, status: int) -> None:
    answer = site.say(said)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert site.ask("GET", "/healthz")[0] == 200


def test_a_request_that_takes_too_long_is_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "REQUEST_SECONDS", 0.05)
    assert site.say(b"GET /metrics HTTP/1.1\r\n").startswith(b"HTTP/1.1 408 ")


def test_idle_connections_make_room_for_others(site: Site) -> None:
    idle = [socket.create_connection((HOST, site.port), timeout=10) for _ in range(3 * http_module.MAX_CONNECTIONS)]
    assert site.ask("GET", "/healthz")[0] == 200
    assert idle[0].recv(1) == b""
    for peer in idle:
        peer.close()


def test_a_client_that_never_reads_is_let_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "REPLY_SECONDS", 0.2)
    mute = socket.socket()
    mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    mute.connect((HOST, site.port))
    mute.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert site.ask("GET", "/healthz")[0] == 200
    while site.front._tasks:
        pass
    mute.close()


def test_heads_are_taken_apart() -> None:
    request = Request(b"GET /a?b=c HTTP/1.1\r\nHost: x:1\r\nACCEPT:  text/plain \r\n\r\n")
    assert (request.method, request.path) == ("GET", "/a")
    assert request.headers == {"host": "x:1", "accept": "text/plain"}


# Beside a server


@pytest.mark.parametrize("made", [AsyncioServer, ThreadedServer])
def test_it_runs_beside_a_server_and_ends_with_it(made: Callable[[Engine, Config], AsyncioServer]) -> None:
    config = Config()
    port = free_port()
    for name, value in (("port", "0"), ("bind", HOST), ("server-threads", "2"), ("http-port", str(port))):
        config.set(name, value)
    server = made(Engine(config), config)
    server.start()
    with socket.create_connection((HOST, server.port), timeout=10) as client:
        client.sendall(b"SET k v\r\nGET k\r\nINCR k\r\nNOSUCH\r\n")
        client.recv(1000)
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    assert "\nkvcore_connected_clients 1.0\n" in text
    assert '\nkvcore_commands_failed_total{command="incr"} 1.0\n' in text
    server.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, port), timeout=10)


def test_it_is_off_by_default() -> None:
    assert Config().integer("http-port") == 0
    assert Config().strings("http-bind") == (HOST,)


def test_a_missing_package_is_one_line_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "find_spec", lambda _name: None)
    config = Config()
    config.set("http-port", str(free_port()))
    server = AsyncioServer(Engine(config), config)
    with pytest.raises(ListenError, match=r"^http-port needs the \[metrics\] extra: pip install 'kvcore\[metrics\]'$"):
        server.open()


def test_a_port_in_use_is_one_line(site: Site) -> None:
    config = Config()
    config.set("http-port", str(site.port))
    front = HttpFrontend(site.host, config)
    with pytest.raises(ListenError, match=rf"^Failed listening on port {site.port} \(HTTP\), 127.0.0.1: "):
        front.open()
