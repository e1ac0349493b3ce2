"""kvcore.frontends.tls: contexts from directives, the layer on both servers, reloads, endings, what fails and how."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.frontends.asyncio_server import AsyncioServer
from kvcore.frontends.listen import ListenError
from kvcore.frontends.threaded_server import ThreadedServer
from kvcore.frontends.tls import Handshakes, TlsError, TlsLayer, make_context
from tests.certificates import Certificates
from tests.frontends.test_connection import request as command
from tests.oracle.servers import free_port

Made = Callable[..., Config]


@pytest.fixture
def make(certificates: Certificates) -> Made:
    """Return a maker of configurations that are complete but for what is asked to differ."""

    def made(**changes: str) -> Config:
        config = Config()
        words = {"tls_cert_file": str(certificates.server), "tls_key_file": str(certificates.server_key)}
        for name, value in {**words, "tls_ca_cert_file": str(certificates.ca), **changes}.items():
            config.set(name.replace("_", "-"), value)
        return config

    return made


# The context


def test_the_versions_and_the_check_of_clients(make: Made) -> None:
    context = make_context(make())
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.options & ssl.OP_NO_TLSv1_1
    assert not context.options & (ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3 | ssl.OP_CIPHER_SERVER_PREFERENCE)
    assert make_context(make(tls_auth_clients="optional")).verify_mode == ssl.CERT_OPTIONAL
    context = make_context(make(tls_protocols="TLSv1.1 tlsv1.3", tls_prefer_server_ciphers="yes"))
    assert context.options & ssl.OP_NO_TLSv1_2
    assert not context.options & ssl.OP_NO_TLSv1_1
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_ciphers_and_ciphersuites(make: Made) -> None:
    suites = "TLS_AES_128_GCM_SHA256"
    context = make_context(make(tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", tls_ciphersuites=suites))
    assert [each["name"] for each in context.get_ciphers()] == [suites, "ECDHE-ECDSA-AES128-GCM-SHA256"]


def test_the_session_cache(make: Made) -> None:
    assert make_context(make(tls_session_caching="no", tls_session_cache_size="5"))
    assert make_context(make(tls_session_cache_timeout="5"))


def test_an_encrypted_key_needs_its_password(make: Made, certificates: Certificates) -> None:
    key = str(certificates.encrypted_key)
    assert make_context(make(tls_key_file=key, tls_key_file_pass="hunter2"))
    for wrong in ("", "hunter3"):
        with pytest.raises(TlsError, match=r"^Failed to load private key: .*encrypted.key: "):
            make_context(make(tls_key_file=key, tls_key_file_pass=wrong))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"tls_cert_file": ""}, "No tls-cert-file configured!"),
        ({"tls_key_file": ""}, "No tls-key-file configured!"),
        (
            {"tls_ca_cert_file": ""},
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or "
            "tls-auth-clients are enabled!",
        ),
        ({"tls_cert_file": "none.pem"}, "Failed to load certificate: none.pem: No such file or directory"),
        ({"tls_cert_file": "{bad}"}, "Failed to load certificate: {bad}: pem lib"),
        ({"tls_key_file": "none.key"}, "Failed to load private key: none.key: No such file or directory"),
        ({"tls_key_file": "{client_key}"}, "Failed to load private key: {client_key}: key values mismatch"),
        (
            {"tls_ca_cert_file": "{bad}"},
            "Failed to configure CA certificate(s) file/directory: no certificate or crl found",
        ),
        (
            {"tls_protocols": "TLSv9"},
            "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.",
        ),
        ({"tls_ciphers": "bogus"}, "Failed to configure ciphers: bogus"),
        ({"tls_ciphersuites": "bogus"}, "Failed to configure ciphersuites: bogus"),
        ({"tls_dh_params_file": "{bad}"}, "{bad}: failed to read DH params."),
        ({"tls_dh_params_file": "none.pem"}, "Failed to load none.pem: No such file or directory"),
        ({"tls_cert_file": "a\0b"}, "Failed to load certificate: a\0b: embedded null byte"),
        ({"tls_key_file": "a\0b"}, "Failed to load private key: a\0b: embedded null byte"),
        ({"tls_ca_cert_dir": "a\0b"}, "Failed to configure CA certificate(s) file/directory: embedded null byte"),
        ({"tls_dh_params_file": "a\0b"}, "Failed to load a\0b: embedded null byte"),
        ({"tls_ciphers": "a\0b"}, "Failed to configure ciphers: a\0b"),
    ],
)
def test_what_is_wrong_is_one_line(
    make: Made, certificates: Certificates, tmp_path: Path, changes: dict[str, str], line: str
) -> None:
    (tmp_path / "bad.pem").write_text("nonsense\n")
    paths = {"bad": str(tmp_path / "bad.pem"), "client_key": str(certificates.client_key)}
    with pytest.raises(TlsError) as error:
        make_context(make(**{name: value.format(**paths) for name, value in changes.items()}))
    assert str(error.value) == line.format(**paths)


# On the servers


class Running:
    """A server in this process with a TLS port and no other, and clients of it."""

    def __init__(self, server: AsyncioServer, certificates: Certificates) -> None:
        self.server = server
        self.certificates = certificates
        self.port = server.config.integer("tls-port")

    def connect(self, who: str = "", context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return (context or self.certificates.context(who)).wrap_socket(plain, server_hostname="localhost")

    def set(self, *words: str) -> str:
        """Change directives as CONFIG SET does; return the error, empty if there is none."""
        pairs = [(name.encode(), value.encode()) for name, value in zip(words[::2], words[1::2], strict=True)]
        try:
            with self.server.host.lock:
                self.server.config.config_set(pairs)
        except CommandError as error:
            return str(error)
        return ""


@pytest.fixture(params=[AsyncioServer, ThreadedServer])
def running(request: pytest.FixtureRequest, make: Made, certificates: Certificates) -> Iterator[Running]:
    port = str(free_port())
    config = make(tls_auth_clients="no", port="0", tls_port=port, bind="127.0.0.1", server_threads="3")
    server: AsyncioServer = request.param(Engine(config), config)
    server.start()
    yield Running(server, certificates)
    server.stop()


def ask(client: socket.socket, *words: str) -> bytes:
    client.sendall(command(*words))
    return client.recv(65536)


def read_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(1 << 16):
        received += data
    return received


def test_commands_run_and_the_client_list_has_the_addresses(running: Running) -> None:
    with running.connect() as client:
        own = f"127.0.0.1:{client.getsockname()[1]}"
        assert ask(client, "SET", "k", "v") == b"+OK\r\n"
        listed = ask(client, "CLIENT", "LIST")
        assert b"addr=%b laddr=127.0.0.1:%d fd=" % (own.encode(), running.port) in listed
        assert b"tcp_port:%d\r\n" % running.port in ask(client, "INFO", "server")


def test_large_values_and_deep_pipelines_cross_in_both_directions(running: Running) -> None:
    value = "x" * 5_000_000
    with running.connect() as client:
        assert ask(client, "SET", "k", value) == b"+OK\r\n"
        client.sendall(command("GET", "k") + command("INCR", "n") * 5000 + command("QUIT"))
        expected = b"$5000000\r\n" + value.encode() + b"\r\n" + b"".join(b":%d\r\n" % n for n in range(1, 5001))
        assert read_all(client) == expected + b"+OK\r\n"


def test_published_messages_and_blocked_clients_are_served_across_loops(running: Running) -> None:
    clients = [running.connect() for _ in range(4)]
    for client in clients[1:]:
        assert b"subscribe" in ask(client, "SUBSCRIBE", "news")
    assert ask(clients[0], "PUBLISH", "news", "x") == b":3\r\n"
    for client in clients[1:]:
        assert b"message" in client.recv(1000)
        client.close()
    with running.connect() as waiting:
        waiting.sendall(command("BLPOP", "queue", "0"))
        assert ask(clients[0], "RPUSH", "queue", "x") == b":1\r\n"
        assert waiting.recv(100) == b"*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n"
    clients[0].close()


def test_a_goodbye_is_answered_with_what_was_asked_before(running: Running) -> None:
    plain = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    context = running.certificates.context()
    # An end that is not announced, which an attacker could have made, is then an error.
    with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as client:
        client.sendall(command("PING") + command("QUIT"))
        assert read_all(client) == b"+PONG\r\n+OK\r\n"


@pytest.mark.parametrize(("mode", "outcomes"), [("yes", "+!!"), ("optional", "+!+"), ("no", "+++")])
def test_clients_are_checked_as_asked(running: Running, mode: str, outcomes: str) -> None:
    assert running.set("tls-auth-clients", mode) == ""
    seen = ""
    for who in ("client", "stranger", ""):
        try:
            with running.connect(who) as client:
                seen += ask(client, "PING")[:1].decode()
        except (ssl.SSLError, ConnectionError):
            seen += "!"
    assert seen == outcomes


def test_a_client_that_trusts_another_authority_leaves(running: Running) -> None:
    other = ssl.create_default_context(cafile=str(running.certificates.other_ca))
    with pytest.raises(ssl.SSLCertVerificationError):
        running.connect(context=other)
    with running.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"


def test_versions_that_are_not_allowed_are_refused(running: Running) -> None:
    assert running.set("tls-protocols", "TLSv1.2") == ""
    context = running.certificates.context()
    with running.connect(context=context) as client:
        assert client.version() == "TLSv1.2"
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        running.connect(context=context)


def serial(client: ssl.SSLSocket) -> object:
    certificate = client.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


def test_new_clients_get_the_new_certificate_and_old_ones_stay(running: Running, tmp_path: Path) -> None:
    files = running.certificates
    old = running.connect()
    assert running.set("tls-cert-file", str(files.renewed), "tls-key-file", str(files.renewed_key)) == ""
    with running.connect() as new:
        assert serial(new) != serial(old)
        assert ask(new, "PING") == ask(old, "PING") == b"+PONG\r\n"
    old.close()


def test_the_same_name_set_again_reads_the_file_again(running: Running, tmp_path: Path) -> None:
    files = running.certificates
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(files.server.read_bytes())
    key.write_bytes(files.server_key.read_bytes())
    assert running.set("tls-cert-file", str(chain), "tls-key-file", str(key)) == ""
    with running.connect() as before:
        first = serial(before)
    chain.write_bytes(files.renewed.read_bytes())
    key.write_bytes(files.renewed_key.read_bytes())
    assert running.set("tls-cert-file", str(chain)) == ""
    with running.connect() as after:
        assert serial(after) != first


def test_a_bad_file_is_refused_and_the_old_context_stays(running: Running, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nonsense")
    before = running.server.config.string("tls-cert-file")
    for words in (("tls-cert-file", str(tmp_path / "bad.pem")), ("tls-key-file", "none"), ("tls-ciphers", "bogus")):
        assert running.set("timeout", "7", *words) == (
            f"ERR CONFIG SET failed (possibly related to argument '{words[0]}') - "
            "Unable to update TLS configuration. Check server logs."
        )
    assert running.server.config.string("tls-cert-file") == before
    assert running.server.config.integer("timeout") == 0
    with running.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"


def test_tls_moves_to_another_port_and_stops(running: Running) -> None:
    before, running.port = running.port, free_port()
    assert running.set("tls-port", str(running.port)) == ""
    with running.connect() as client:
        assert ask(client, "PING") == b"+PONG\r\n"
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", before), timeout=5)
        assert running.set("tls-port", "0", "port", str(before)) == ""
        assert ask(client, "PING") == b"+PONG\r\n"
    with socket.create_connection(("127.0.0.1", before), timeout=5) as plain:
        assert ask(plain, "PING") == b"+PONG\r\n"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", running.port), timeout=5)


def test_a_port_for_tls_needs_a_certificate() -> None:
    config = Config()
    for name, value in (("port", "0"), ("bind", "127.0.0.1"), ("tls-port", str(free_port()))):
        config.set(name, value)
    with pytest.raises(ListenError, match=r"^Failed to configure TLS. Check logs for more info.$"):
        AsyncioServer(Engine(config), config).open()


def test_no_place_left_drops_the_peer_before_its_handshake(running: Running) -> None:
    assert running.set("maxclients", "1") == ""
    with running.connect() as client:
        with pytest.raises(OSError, match=r"reset|EOF|closed"):
            running.connect()
        assert b"rejected_connections:1\r\n" in ask(client, "INFO", "stats")


# The layer alone


class Wire(asyncio.Transport):
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.state = "open"

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def close(self) -> None:
        self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 9) if name == "peername" else default


class Timers:
    """The part of an event loop that handshakes use."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, callback: Callable[..., None], *words: str) -> asyncio.TimerHandle:
        entry = (delay_s, lambda: callback(*words))
        self.due.append(entry)
        due = self.due

        class Handle:
            def cancel(self) -> None:
                due.remove(entry)

        return cast("asyncio.TimerHandle", Handle())


class Peers:
    """Layers that share the limits of one loop."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.handshakes = Handshakes(config)
        self.timers = Timers()
        self.context = make_context(config)

    def connect(self) -> tuple[TlsLayer, Wire]:
        loop = cast("asyncio.AbstractEventLoop", self.timers)
        layer = TlsLayer(self.context, self.handshakes, loop, asyncio.Protocol)
        wire = Wire()
        layer.connection_made(wire)
        return layer, wire


def test_a_handshake_that_takes_too_long_is_closed(make: Made) -> None:
    peers = Peers(make(tls_handshake_timeout="3"))
    layer, wire = peers.connect()
    layer.data_received(b"\x16")  # a byte now and then wins no time
    [(delay_s, expire)] = peers.timers.due
    assert (delay_s, wire.state) == (3, "open")
    expire()
    assert (wire.state, len(peers.handshakes), peers.timers.due) == ("aborted", 0, [])


def test_the_oldest_handshake_makes_room_for_the_newest(make: Made) -> None:
    peers = Peers(make(tls_max_handshakes="2"))
    wires = [peers.connect()[1] for _ in range(4)]
    assert [wire.state for wire in wires] == ["aborted", "aborted", "open", "open"]
    assert len(peers.handshakes) == len(peers.timers.due) == 2
    peers.handshakes.abort()
    assert [wire.state for wire in wires] == ["aborted"] * 4
    assert peers.timers.due == []


@pytest.mark.parametrize("said", [b"PING\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x80" * 40])
def test_what_is_no_handshake_is_closed(make: Made, said: bytes) -> None:
    peers = Peers(make())
    layer, wire = peers.connect()
    layer.data_received(said)
    layer.data_received(said)
    assert wire.state == "closed"
    assert wire.sent[:1] in (b"", b"\x15")  # nothing, or an alert
    assert len(peers.handshakes) == 0


def test_a_peer_that_leaves_early_is_forgotten(make: Made) -> None:
    peers = Peers(make())
    layer, _wire = peers.connect()
    assert layer.eof_received() is False
    layer.connection_lost(None)
    assert len(peers.handshakes) == 0
    assert peers.timers.due == []
