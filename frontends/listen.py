"""Listening sockets from the configuration: `bind`, `port`, `unixsocket`, `tcp-backlog`; and client socket options."""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from kvcore.config import Config
from kvcore.errors import KvcoreError


class ListenError(KvcoreError):
    """A socket could not be bound. The text is the line to print."""


def open_tcp(config: Config) -> list[socket.socket]:
    """Bind every address of `bind` to `port`; port 0 takes a free one, the same for all addresses.

    An address with a leading ``-`` may be missing on this machine. Raises ListenError.
    """
    port = config.integer("port")
    if port == 0 and config.string("unixsocket"):
        return []
    sockets: list[socket.socket] = []
    for address in config.strings("bind") or ["*"]:
        optional = address.startswith("-")
        host = {"*": "0.0.0.0", "::*": "::"}.get(address.lstrip("-"), address.lstrip("-"))  # noqa: S104 - asked for
        try:
            sockets.append(_bind(host, port, config.integer("tcp-backlog")))
        except OSError as error:
            if optional:
                continue
            for bound in sockets:
                bound.close()
            raise ListenError(f"Failed listening on port {port} ({host}: {error.strerror or error})") from error
        port = sockets[-1].getsockname()[1]
    if not sockets:
        raise ListenError(f"Failed listening on port {port} (TCP), aborting.")
    return sockets


def _bind(host: str, port: int, backlog: int) -> socket.socket:
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


def open_unix(config: Config) -> socket.socket | None:
    """Bind `unixsocket` with `unixsocketperm`, None if there is none. A stale socket file is replaced."""
    path = config.string("unixsocket")
    if not path:
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.stat(path).st_mode):
                os.unlink(path)
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
