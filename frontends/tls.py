"""TLS for the servers: directives to an ``ssl`` context, and encryption between a socket's transport and its client.

Here: what `tls-*` means, the handshake and its limits. Not here: sockets and what clients say; the layer is a transport
to the protocol above it and a protocol to the transport below, so both servers and both event loops use it as it is.
The rule: until its handshake is done a peer costs a timer and an OpenSSL object, and both are bounded: no session, no
place in `maxclients`, and the oldest handshake makes room for the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import ssl
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, cast

from kvcore.config import Config
from kvcore.errors import KvcoreError

logger = logging.getLogger("kvcore.tls")

RECORD_BYTES: Final = 16384
"""The most that one TLS record holds."""

_VERSIONS: Final = {
    "tlsv1": ssl.OP_NO_TLSv1,
    "tlsv1.1": ssl.OP_NO_TLSv1_1,
    "tlsv1.2": ssl.OP_NO_TLSv1_2,
    "tlsv1.3": ssl.OP_NO_TLSv1_3,
}
_VERIFY: Final = {"yes": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "no": ssl.CERT_NONE}

DIRECTIVES: Final = (
    "tls-auth-clients",
    "tls-ca-cert-dir",
    "tls-ca-cert-file",
    "tls-cert-file",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-dh-params-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-prefer-server-ciphers",
    "tls-protocols",
    "tls-session-cache-size",
    "tls-session-cache-timeout",
    "tls-session-caching",
)
"""What a context is made of: a change of any of them makes a new one."""


class TlsError(KvcoreError):
    """TLS cannot be set up as configured. The text is the line to log."""


# The context


def make_context(config: Config) -> ssl.SSLContext:
    """Build the context that the directives describe; raises TlsError with the real server's line."""
    certificate, key = config.string("tls-cert-file"), config.string("tls-key-file")
    if not certificate:
        raise TlsError("No tls-cert-file configured!")
    if not key:
        raise TlsError("No tls-key-file configured!")
    verify = _VERIFY[config.string("tls-auth-clients")]
    file, folder = config.string("tls-ca-cert-file"), config.string("tls-ca-cert-dir")
    if verify != ssl.CERT_NONE and not (file or folder):
        raise TlsError(
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or "
            "tls-auth-clients are enabled!"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _choose_versions(context, config.string("tls-protocols"))
    _load_certificate(context, certificate, key, config.string("tls-key-file-pass"))
    if file or folder:
        try:
            context.load_verify_locations(file or None, folder or None)
        except (OSError, ValueError) as error:
            raise TlsError(f"Failed to configure CA certificate(s) file/directory: {_reason(error)}") from error
    context.verify_mode = verify
    _choose_ciphers(context, config)
    _load_dh_params(context, config.string("tls-dh-params-file"))
    _set_up_session_cache(context, config)
    return context


def _choose_versions(context: ssl.SSLContext, names: str) -> None:
    wanted = set(names.lower().split(" ")) - {""} if names else {"tlsv1.2", "tlsv1.3"}
    if not wanted <= set(_VERSIONS):
        raise TlsError(
            "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'."
        )
    with warnings.catch_warnings():
        # The bits are deprecated in favour of a lowest and a highest version, which cannot say "1.1 and 1.3".
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        for name, bit in _VERSIONS.items():
            if name not in wanted:
                context.options |= bit


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str, password: str) -> None:
    try:
        with open(certificate, "rb") as file:
            chain = file.read()
    except (OSError, ValueError) as error:
        raise TlsError(f"Failed to load certificate: {certificate}: {_reason(error)}") from error
    try:
        # A function, even for no password: or OpenSSL asks the terminal for one.
        context.load_cert_chain(certificate, key, lambda: password.encode("utf-8", "surrogateescape"))
    except (OSError, ValueError) as error:
        what, path = ("private key", key) if b"CERTIFICATE-----" in chain else ("certificate", certificate)
        raise TlsError(f"Failed to load {what}: {path}: {_reason(error)}") from error


def _choose_ciphers(context: ssl.SSLContext, config: Config) -> None:
    if config.flag("tls-prefer-server-ciphers"):
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    ciphers, suites = config.string("tls-ciphers"), config.string("tls-ciphersuites")
    if ciphers:
        try:
            context.set_ciphers(ciphers)
        except (ssl.SSLError, ValueError) as error:
            raise TlsError(f"Failed to configure ciphers: {ciphers}") from error
    if suites:
        found = OpenSsl.of(context, "tls-ciphersuites").set_ciphersuites(suites)
        if not found:
            raise TlsError(f"Failed to configure ciphersuites: {suites}")


def _load_dh_params(context: ssl.SSLContext, path: str) -> None:
    if not path:
        return
    try:
        context.load_dh_params(path)
    except ssl.SSLError as error:
        raise TlsError(f"{path}: failed to read DH params.") from error
    except (OSError, ValueError) as error:
        raise TlsError(f"Failed to load {path}: {_reason(error)}") from error


def _set_up_session_cache(context: ssl.SSLContext, config: Config) -> None:
    caching = config.flag("tls-session-caching")
    size, timeout_s = config.integer("tls-session-cache-size"), config.integer("tls-session-cache-timeout")
    if (caching, size, timeout_s) != (True, 20480, 300):  # OpenSSL's own defaults
        OpenSsl.of(context, "tls-session-caching").set_session_cache(caching, size, timeout_s)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        plain = str(error).partition("] ")[2].partition(" (")[0]  # "[SSL] PEM lib (_ssl.c:3905)"
        return (error.reason or plain).lower().replace("_", " ")
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class OpenSsl:
    """The few functions of OpenSSL that Python's ``ssl`` does not offer (before 3.15), on one context.

    They are called in the library that ``ssl`` itself has loaded. The context's address follows the object header: true
    of CPython 3.11 to 3.14, and asked of no other.
    """

    __slots__ = ("_address", "_library")

    def __init__(self, library: ctypes.CDLL, address: int) -> None:
        self._library = library
        self._address = ctypes.c_void_p(address)

    @classmethod
    def of(cls, context: ssl.SSLContext, directive: str) -> OpenSsl:
        """Find the library behind a context; raises TlsError naming the directive that needs it where it is hidden."""
        spec = find_spec("_ssl")
        if sys.implementation.name == "cpython" and sys.version_info < (3, 15) and spec is not None:
            try:
                library = ctypes.CDLL(spec.origin if spec.has_location else None)
                _ = library.SSL_CTX_set_ciphersuites, library.SSL_CTX_ctrl, library.SSL_CTX_set_timeout
            except (OSError, AttributeError):
                pass  # linked into ssl's own file without its names
            else:
                address = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
                if address:
                    return cls(library, address)
        raise TlsError(f"This Python's ssl module cannot follow {directive}")

    def set_ciphersuites(self, names: str) -> bool:
        """Choose the suites of TLS 1.3; False if one is unknown."""
        return bool(self._library.SSL_CTX_set_ciphersuites(self._address, names.encode("utf-8", "surrogateescape")))

    def set_session_cache(self, caching: bool, size: int, timeout_s: int) -> None:
        """Keep up to ``size`` sessions for resumption, or none."""
        set_mode, set_size = 44, 42  # SSL_CTRL_SET_SESS_CACHE_MODE, SSL_CTRL_SET_SESS_CACHE_SIZE
        control = self._library.SSL_CTX_ctrl
        control(self._address, set_mode, ctypes.c_long(2 if caching else 0), None)
        if caching:
            control(self._address, set_size, ctypes.c_long(size), None)
            self._library.SSL_CTX_set_timeout(self._address, ctypes.c_long(timeout_s))


# The layer


class Handshakes:
    """The peers of one of ``loops`` event loops that have not finished their handshake, oldest first."""

    __slots__ = ("_limit", "_loops", "_pending", "_timeout_s")

    def __init__(self, config: Config, loops: int = 1) -> None:
        self._loops = loops
        self._pending: dict[TlsLayer, asyncio.TimerHandle] = {}
        self._limit: int
        self._timeout_s: int
        self.follow(config)

    def follow(self, config: Config) -> None:
        """Take over `tls-max-handshakes` and `tls-handshake-timeout`."""
        self._limit = max(1, config.integer("tls-max-handshakes") // self._loops)
        self._timeout_s = config.integer("tls-handshake-timeout")

    def __len__(self) -> int:
        return len(self._pending)

    def begin(self, layer: TlsLayer, loop: asyncio.AbstractEventLoop) -> None:
        """Give a peer its time; drop the one that has had the most if there are too many."""
        while len(self._pending) >= self._limit:
            next(iter(self._pending)).give_up("too many handshakes at a time")
        self._pending[layer] = loop.call_later(self._timeout_s, layer.give_up, "the handshake takes too long")

    def end(self, layer: TlsLayer) -> None:
        """Forget a peer whose handshake is over, in whatever way."""
        timer = self._pending.pop(layer, None)
        if timer is not None:
            timer.cancel()

    def abort(self) -> None:
        """Close all of them: the server stops."""
        for layer in list(self._pending):
            self.end(layer)
            layer.abort()


class TlsLayer(asyncio.Transport, asyncio.Protocol):
    """One peer's encryption: a transport to the protocol above, a protocol to the transport below.

    ``make`` is called for the protocol above once the handshake is done.
    """

    __slots__ = (
        "_above",
        "_closing",
        "_context",
        "_ended",
        "_handshakes",
        "_incoming",
        "_loop",
        "_make",
        "_outgoing",
        "_tls",
        "_transport",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        handshakes: Handshakes,
        loop: asyncio.AbstractEventLoop,
        make: Callable[[], asyncio.Protocol],
    ) -> None:
        super().__init__()
        self._context = context
        self._handshakes = handshakes
        self._loop = loop
        self._make = make
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        """Made when the first byte arrives: a peer that says nothing costs no OpenSSL object."""
        self._above: asyncio.Protocol | None = None
        self._closing = False
        self._ended = False

    # The transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the peer's first message."""
        self._transport = cast("asyncio.Transport", transport)
        self._handshakes.begin(self, self._loop)

    def data_received(self, data: bytes) -> None:
        """Decrypt what arrived and hand it on."""
        if self._closing:
            return
        tls = self._tls
        if tls is None:
            tls = self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._incoming.write(data)
        try:
            if self._above is None and not self._shake_hands(tls):
                return
            self._deliver(tls)
        except ssl.SSLError as error:
            self._failed(error)

    def eof_received(self) -> bool:
        """Close, once what was asked is answered; True if that is still to be done."""
        return self._above is not None and not self._ended and self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the protocol above."""
        self._closing = True
        self._handshakes.end(self)
        above, self._above = self._above, None
        self._tls = None
        self._make = _nobody
        if above is not None:
            above.connection_lost(exc)

    def _shake_hands(self, tls: ssl.SSLObject) -> bool:
        """Go on with the handshake; True once it is done."""
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._handshakes.end(self)
        self._flush()
        self._above = self._make()
        self._above.connection_made(self)
        return True

    def _deliver(self, tls: ssl.SSLObject) -> None:
        chunks: list[bytes] = []
        ended = False
        failure: ssl.SSLError | None = None
        while self._incoming.pending or tls.pending():
            try:
                chunk = tls.read(RECORD_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                ended = True
                break
            except ssl.SSLError as error:
                failure = error  # after what came before it
                break
            if not chunk:
                ended = True
                break
            chunks.append(chunk)
        self._flush()  # tickets, key updates
        above = self._above
        if chunks and above is not None:
            above.data_received(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        if failure is not None:
            raise failure
        if ended and not self._ended and not self._end():
            self.close()

    def _end(self) -> bool:
        """The peer will send nothing more; True if it is still to be answered."""
        self._ended = True
        return self._above is not None and bool(self._above.eof_received())

    def _failed(self, error: ssl.SSLError) -> None:
        if self._above is None:
            self._say("Error accepting a client connection: %s (%s)", _reason(error))
        else:
            logger.debug("Closing %s: %s", self._peer(), _reason(error))
        self._handshakes.end(self)
        self._flush()  # the alert that says why
        self._closing = True
        self._transport.close()

    def give_up(self, reason: str) -> None:
        """Close a peer whose handshake may not go on."""
        self._handshakes.end(self)
        self._say("Error accepting a client connection: %s (%s)", reason)
        self.abort()

    def _say(self, line: str, reason: str) -> None:
        logger.warning(line, reason, self._peer())

    def _peer(self) -> str:
        address = self._transport.get_extra_info("peername")
        return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "unknown"

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    # The calls of the protocol above

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        tls = self._tls
        if self._closing or tls is None:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[tls.write(rest) :]
        except ssl.SSLError as error:
            self._failed(error)
            return
        self._flush()

    def get_write_buffer_size(self) -> int:
        """Return how many encrypted bytes wait to be sent."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what the socket's transport knows."""
        return self._transport.get_extra_info(name, default)

    def can_write_eof(self) -> bool:
        """Tell that the socket's end of stream cannot be used: TLS has an announced one, which ``close`` sends."""
        return False

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """Say goodbye, send what is buffered, close."""
        if not self._closing:
            self._closing = True
            if self._tls is not None:
                with contextlib.suppress(ssl.SSLError):  # the peer's own goodbye is not waited for
                    self._tls.unwrap()
                self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._transport.abort()

    def pause_reading(self) -> None:
        """Leave what the peer sends with the operating system."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._transport.resume_reading()


def _nobody() -> asyncio.Protocol:
    """Stand in for the protocol of a peer that is gone."""
    raise AssertionError("a lost peer asks for no protocol")
