"""CONFIG SET of addresses, ports, TLS and `maxclients` on running servers: the same replies, the same values after."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.certificates import Certificates
from tests.oracle.servers import Server, free_port

CERTIFICATE = "tls-cert-file {server} tls-key-file {server_key} tls-ca-cert-file {ca}"
STEPS = (
    "port {taken}",
    "timeout 7 port {taken}",
    "bind 192.0.2.1",
    "bind -192.0.2.1",
    "bind nosuch.invalid",
    "bind ''",
    "bind 127.0.0.1",
    "port {second}",
    "port 0",
    "port {first}",
    "tls-port {second}",
    "tls-cert-file {bad}",
    f"tls-port {{second}} {CERTIFICATE}",
    "tls-port 0",
    f"{CERTIFICATE} tls-port {{second}}",
    "tls-cert-file {bad}",
    "tls-cert-file ''",
    "tls-key-file {client_key}",
    "tls-ca-cert-file {bad}",
    "tls-protocols TLSv9",
    "tls-protocols 'TLSv1.2 TLSv1.3'",
    "tls-ciphers bogus",
    "tls-ciphersuites bogus",
    "tls-ciphersuites TLS_AES_128_GCM_SHA256",
    "tls-auth-clients maybe",
    "tls-auth-clients no",
    "tls-dh-params-file {bad}",
    "tls-prefer-server-ciphers yes tls-session-caching no tls-session-cache-size 100",
    "tls-port {taken}",
    "tls-port {first}",
    "port {third} tls-port {first}",
    "port {first} bind 192.0.2.1",
    "maxclients 0",
    "maxclients 1000000",
    "maxclients 100",
    "unixsocket x",
    "unixsocketperm 700",
    "tcp-backlog 7",
)
SHOWN = ("port", "bind", "tls-port", "tls-cert-file", "tls-auth-clients", "tls-protocols", "maxclients", "timeout")


@pytest.fixture
def places(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the words that the steps are filled in with."""
    files = Certificates(tmp_path_factory.mktemp("certificates"))
    (tmp_path / "bad.pem").write_text("nonsense")
    words = {"bad": str(tmp_path / "bad.pem"), "ca": str(files.ca), "client_key": str(files.client_key)}
    return {**words, "server": str(files.server), "server_key": str(files.server_key)}


def begin(command: list[str], path: Path, port: int) -> Server:
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--unixsocket", str(path)]
    return Server(command[0], [*command, *options], port)


@pytest.fixture(params=["asyncio", "threaded"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[list[Path], list[int]]]:
    """The unix sockets of the real server and of kvcore, and their ports."""
    real = shutil.which("redis-server")
    if real is None:
        pytest.skip("no redis-server to compare with")
    commands = [[real], [sys.executable, "-m", "kvcore", "--frontend", request.param, "--server-threads", "2"]]
    paths, ports = [tmp_path / "real", tmp_path / "ours"], [free_port(), free_port()]
    servers = [begin(command, path, port) for command, path, port in zip(commands, paths, ports, strict=True)]
    yield paths, ports
    for server in servers:
        server.stop()


def run(path: Path, first: int, taken: int, places: dict[str, str]) -> list[object]:
    """Take all steps; return the replies and the values after each, ports by their names."""
    ports = {"first": str(first), "second": str(free_port()), "third": str(free_port()), "taken": str(taken)}
    names = {port: name for name, port in ports.items()}
    seen: list[object] = []
    with redis.Redis(unix_socket_path=str(path)) as client:
        for step in STEPS:
            words = [word.strip("'") for word in _split(step.format(**ports, **places))]
            try:
                client.execute_command("CONFIG SET", *words)
                seen.append((step, "OK"))
            except redis.ResponseError as error:
                seen.append((step, str(error)))
            values = client.config_get(*SHOWN)
            seen.append({name: names.get(value, value) for name, value in values.items()})
        seen.append(names.get(str(client.info("server")["tcp_port"])))
    return seen


def _split(step: str) -> list[str]:
    """Split at spaces outside quotes."""
    parts = step.split("'")
    return [word for at, part in enumerate(parts) for word in ([part or "''"] if at % 2 else part.split())]


def test_replies_and_values_are_alike(pair: tuple[list[Path], list[int]], places: dict[str, str]) -> None:
    paths, ports = pair
    theirs = run(paths[0], ports[0], ports[1], places)  # each finds the other's port taken
    ours = run(paths[1], ports[1], ports[0], places)
    for line, real in zip(ours, theirs, strict=True):
        assert line == real


@pytest.mark.parametrize("found", ["socket", "file", "link"])
def test_what_holds_nothing_makes_way_for_the_socket(tmp_path: Path, found: str) -> None:
    real = shutil.which("redis-server")
    if real is None:
        pytest.skip("no redis-server to compare with")
    seen = []
    for name, command in (("real", [real]), ("ours", [sys.executable, "-m", "kvcore"])):
        path = tmp_path / name
        if found == "socket":
            with socket.socket(socket.AF_UNIX) as stale:
                stale.bind(str(path))
        elif found == "file":
            path.touch()
        else:
            path.symlink_to(tmp_path / "nowhere")
        server = begin(command, path, free_port())
        with redis.Redis(unix_socket_path=str(path)) as client:
            seen.append((client.ping(), path.is_socket(), path.is_symlink()))
        server.stop()
        seen[-1] += (path.exists(),)
    assert seen == [(True, True, False, False)] * 2


def test_who_has_a_client_killed_hears_of_it_after_the_client(pair: tuple[list[Path], list[int]]) -> None:
    for path in pair[0]:
        with connect(path) as killer:
            for _ in range(20):
                with connect(path) as victim:
                    victim.sendall(b"CLIENT ID\r\n")
                    killer.sendall(b"CLIENT KILL ID %b\r\n" % victim.recv(100)[1:-2])
                    assert killer.recv(100) == b":1\r\n"
                    victim.setblocking(False)
                    assert victim.recv(100) == b""  # what is not there yet would raise


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client
