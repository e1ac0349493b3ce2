"""Listening sockets as `bind`, `port`, `tls-port` and `unixsocket` ask for them, now and after CONFIG SET.

Here: which sockets are open, the limit of open files, and the options of client sockets. Not here: event loops; who
accepts is told which sockets came and which went. The rule: a change that cannot be had leaves every socket as it was.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import stat
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from kvcore.config import Config
from kvcore.errors import ConfigError, KvcoreError

if sys.platform != "win32":
    import resource

logger = logging.getLogger("kvcore.server")

NOT_BOUND: Final = "Failed to bind to specified addresses."
NO_PORT: Final = "Unable to listen on this port. Check server logs."
"""What CONFIG SET `bind` and `port` answer; the log says which address it was."""

RESERVED_FILES: Final = 32
"""Descriptors that are not clients."""

_UNIX_PATH_BYTES: Final = 108
_FREE_PORT_ATTEMPTS: Final = 10
_NOT_HERE: Final = frozenset(
    getattr(errno, name)
    for name in ("ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EPFNOSUPPORT", "EAFNOSUPPORT")
    if hasattr(errno, name)
)
"""The machine knows no such protocol: as the real server, go on without that address."""


class ListenError(KvcoreError):
    """A socket could not be bound. The text is the line to print; ``in_use`` the port that is taken, if that is why."""

    def __init__(self, line: str, in_use: int = 0) -> None:
        super().__init__(line)
        self.in_use = in_use


class Endpoint(NamedTuple):
    """Where to listen."""

    host: str
    port: int
    tls: bool


class Listener:
    """An open listening socket."""

    __slots__ = ("endpoint", "retired", "socket")

    def __init__(self, endpoint: Endpoint, opened: socket.socket) -> None:
        self.endpoint = endpoint
        self.socket = opened
        self.retired = False
        """Not wanted any more: whoever accepts on it stops and closes it."""

    @property
    def tls(self) -> bool:
        """Whether clients are to speak TLS."""
        return self.endpoint.tls

    def retire(self) -> None:
        """Stop listening at once, from any thread; the socket itself is closed by who accepts on it."""
        self.retired = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # frees the address where the system is Linux


class Listeners:
    """The listening sockets of one server. Callers hold the engine lock, or are alone."""

    __slots__ = ("_config", "_open", "_unix", "on_open", "on_retire")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._open: dict[Endpoint, Listener] = {}
        self._unix: Listener | None = None
        self.on_open: Callable[[Listener], None] = _nobody
        self.on_retire: Callable[[Listener], None] = _nobody

    def open(self) -> int:
        """Bind all; return the plain TCP port, 0 if there is none. Raises ListenError.

        `port 0` takes a free port where nothing else is configured: a server that listens nowhere is of no use.
        """
        config = self._config
        path = config.string("unixsocket")
        if path or config.integer("port") or config.integer("tls-port"):
            self.follow()
        else:
            self._take_free_port()
        if path:
            try:
                self._unix = Listener(Endpoint(path, 0, False), _bind_unix(config, path))
            except ListenError:
                self.close()
                raise
        if not self.all():
            raise ListenError("Configured to not listen anywhere, exiting.")
        return config.integer("port") if self._open else 0

    def all(self) -> list[Listener]:
        """Return what is open."""
        return [*self._open.values(), *([self._unix] if self._unix is not None else [])]

    def follow(self) -> None:
        """Open what the directives ask for and is missing, then close the rest; raises ListenError, nothing changed."""
        wanted = _wanted(self._config)
        missing = [endpoint for endpoint in wanted if endpoint not in self._open]
        stale = [listener for endpoint, listener in self._open.items() if endpoint not in wanted]
        try:
            opened = self._bind_all(missing, wanted)
        except ListenError as error:
            if not any(listener.endpoint.port == error.in_use for listener in stale):
                raise
            # An address can be in use by what is to be closed: `*` is, by any other of the same port.
            for listener in stale:
                self._drop(listener)
            try:
                opened = self._bind_all(missing, wanted)
            except ListenError:
                for listener in self._bind_all([each.endpoint for each in stale], {}):
                    self._add(listener)
                raise
        else:
            for listener in stale:
                self._drop(listener)
        for listener in opened:
            self._add(listener)

    def _take_free_port(self) -> None:
        """Have the system choose a port on the first address, and open it on the others, too."""
        for attempt in range(_FREE_PORT_ATTEMPTS):
            for host, optional in _hosts(self._config).items():
                asked = Endpoint(host, 0, False)
                for listener in self._bind_all([asked], {asked: optional}):
                    port: int = listener.socket.getsockname()[1]
                    listener.endpoint = Endpoint(host, port, False)
                    self._open[listener.endpoint] = listener
                    self._config.assign("port", port)
                if self._open:
                    break
            try:
                self.follow()
            except ListenError:  # another address has it in use
                self.close()
                self._config.assign("port", 0)
                if attempt + 1 == _FREE_PORT_ATTEMPTS:
                    raise
            else:
                return

    def close(self) -> None:
        """Close all sockets and remove the socket file. For a server that accepts no more."""
        for listener in self.all():
            listener.socket.close()
        if self._unix is not None:
            logger.info("Removing the unix socket file.")
            with contextlib.suppress(OSError):
                os.unlink(self._unix.endpoint.host)
        self._open.clear()
        self._unix = None

    def _add(self, listener: Listener) -> None:
        self._open[listener.endpoint] = listener
        self.on_open(listener)

    def _drop(self, listener: Listener) -> None:
        del self._open[listener.endpoint]
        listener.retire()
        self.on_retire(listener)

    def _bind_all(self, endpoints: list[Endpoint], optional: dict[Endpoint, bool]) -> list[Listener]:
        """Bind all of ``endpoints`` or none; those that are optional may be missing on this machine."""
        opened: list[Listener] = []
        for endpoint in endpoints:
            host, port, tls = endpoint
            try:
                opened.append(Listener(endpoint, bind_tcp(host, port, self._config.integer("tcp-backlog"))))
            except (OSError, UnicodeError) as error:  # the latter for what cannot be a name
                number = error.errno if isinstance(error, OSError) else None
                unresolved = number is None or isinstance(error, socket.gaierror)
                text = error.strerror if isinstance(error, OSError) else None
                reason = ("" if unresolved else "bind: ") + (text or str(error))
                shown = {"0.0.0.0": "*", "::": "::*"}.get(host, host)  # noqa: S104 - a name, nothing is bound
                logger.warning("Warning: Could not create server TCP listening socket %s:%d: %s", shown, port, reason)
                if number in _NOT_HERE or (number == errno.EADDRNOTAVAIL and optional.get(endpoint)):
                    continue
                for listener in opened:
                    listener.socket.close()
                kind = "TLS" if tls else "TCP"
                in_use = port if number == errno.EADDRINUSE else 0
                raise ListenError(f"Failed listening on port {port} ({kind}), aborting.", in_use) from error
        return opened


def _nobody(_listener: Listener) -> None:
    """Stand in until somebody accepts."""


def _hosts(config: Config) -> dict[str, bool]:
    """Return the addresses of `bind`, and whether each may be missing on this machine."""
    hosts: dict[str, bool] = {}
    for address in config.strings("bind"):
        host = address.removeprefix("-")
        hosts.setdefault({"*": "0.0.0.0", "::*": "::"}.get(host, host), host != address)  # noqa: S104 - asked for
    return hosts


def _wanted(config: Config) -> dict[Endpoint, bool]:
    """Return the endpoints that the directives name, and whether each may be missing on this machine."""
    ports = ((config.integer("port"), False), (config.integer("tls-port"), True))
    return {
        Endpoint(host, port, tls): optional for port, tls in ports if port for host, optional in _hosts(config).items()
    }


def bind_tcp(host: str, port: int, backlog: int) -> socket.socket:
    """Return a listening socket that does not block; raises OSError. An IPv6 address is not an IPv4 one, too."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _make_way(path: str) -> None:
    """Remove what is at a socket's path: an earlier run's socket, a link, a file made to hold the name. Not data."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        empty = stat.S_ISREG(found.st_mode) and not found.st_size
        if empty or stat.S_ISSOCK(found.st_mode) or stat.S_ISLNK(found.st_mode):
            os.unlink(path)


def _bind_unix(config: Config, path: str) -> socket.socket:
    """Bind `unixsocket` with `unixsocketperm`, where nothing is lost by it."""
    length = len(os.fsencode(path))
    if length >= _UNIX_PATH_BYTES:
        raise ListenError(
            f"Failed opening Unix socket: unix socket path too long ({length}), must be under {_UNIX_PATH_BYTES}"
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_way(path)
        listener.bind(path)
        permissions = config.integer("unixsocketperm")
        if permissions:
            os.chmod(path, permissions)
        listener.listen(config.integer("tcp-backlog"))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ListenError(f"Failed opening Unix socket: bind: {error.strerror or error}") from error
    return listener


# Open files


def raise_file_limit(clients: int) -> int:
    """Have the system allow that many clients; return how many it allows."""
    if sys.platform == "win32":
        return clients
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + RESERVED_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return clients
    for limit in ((wanted, max(hard, wanted) if hard != resource.RLIM_INFINITY else hard), (min(wanted, hard), hard)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            return min(clients, limit[0] - RESERVED_FILES)
    return soft - RESERVED_FILES


def follow_max_clients(config: Config) -> None:
    """Check a new `maxclients` against the limit of open files; raises ConfigError with the real server's reason."""
    clients = config.integer("maxclients")
    allowed = raise_file_limit(clients)
    if allowed < clients:
        raise ConfigError(
            "The operating system is not able to handle the specified number of clients, try with " + str(allowed)
        )


# Client sockets


def tune_client(client: socket.socket, keepalive_s: int) -> None:
    """Set TCP_NODELAY and `tcp-keepalive` on an accepted TCP socket."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keepalive_s:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_s // 3))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def format_address(address: object, path: str) -> str:
    """Return ``ip:port``, ``[ip]:port`` or ``path:0``, as CLIENT LIST shows them."""
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{path}:0"
