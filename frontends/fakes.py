"""fakeredis's names and arguments over kvcore: ``from kvcore.testing import FakeRedis`` is the whole migration.

What lives here: what fakeredis calls things, and clients that it makes. What must not: behaviour; a FakeRedis is a
:class:`kvcore.Redis`. The rule: a client that names neither a server nor an address has a server of its own; those that
name the same address share one, as they would of a network, and it lasts as long as the process.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Collection, Mapping
from typing import Any, Final

from redis.connection import parse_url

from kvcore.frontends import redis_asyncio, redis_sync
from kvcore.frontends.inprocess import Store
from kvcore.frontends.redis_link import LocalServer
from kvcore.frontends.redis_urls import url_options
from kvcore.frontends.stores import open_store
from kvcore.frontends.under_test import TestServer
from kvcore.version import REDIS_VERSION

Version = int | float | str | tuple[int, ...] | list[int]

OUTAGE: Final = "the server is not there: FakeServer.connected is False"

_TYPES: Final = ("redis", "valkey", "keydb", "dragonfly", "kividb")
_ALIKE: Final = ("redis", "keydb")
"""Kinds of servers whose dialect is the one there is."""

_MAJOR: Final = int(REDIS_VERSION.partition(".")[0])
_PORT: Final = 6379
_addresses: dict[str, FakeServer] = {}
_mutex = threading.Lock()
_LUA_MODULES: Final = frozenset({"bit", "cjson", "cmsgpack", "struct"})


class FakeServer:
    """A data set that several clients share; ``connected = False`` is an outage, until it is True again.

    ``config`` holds directives. There is one dialect: another ``version`` than 7 is warned about.
    """

    def __init__(
        self,
        version: Version = (7,),
        server_type: str = "redis",
        config: Mapping[str, bool | int | str] | Mapping[bytes, bytes] | None = None,
    ) -> None:
        _check_dialect(version, server_type, 3)
        directives = {_text(name): _text(value) for name, value in (config or {}).items()}
        self.local = LocalServer(
            lambda: open_store(**directives), "fake server", admits_all="requirepass" not in directives
        )

    @classmethod
    def get_server(cls, key: str, version: Version = (7,), server_type: str = "redis") -> FakeServer:
        """Return the one server of that name, ``host:port`` or a socket's path; it is made when first asked for."""
        _check_dialect(version, server_type, 3)
        with _mutex:
            server = _addresses.get(key)
            if server is None:
                server = _addresses[key] = cls()
            return server

    @property
    def store(self) -> Store:
        """The data set, as :func:`kvcore.open` gives it."""
        return self.local.store

    @property
    def connected(self) -> bool:
        """Whether clients reach the server."""
        return not self.local.down

    @connected.setter
    def connected(self, connected: bool) -> None:
        if connected:
            self.local.come_back()
        else:
            self.local.go_down(OUTAGE)


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _address(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Return the address that a client's arguments name, None if they name none."""
    path = kwargs.get("path") or kwargs.get("unix_socket_path")
    if path:
        return str(path)
    host = args[0] if args else kwargs.get("host")
    port = args[1] if len(args) > 1 else kwargs.get("port")
    return None if host is None else f"{host}:{_PORT if port is None else port}"


def _check_dialect(version: Version, server_type: str, level: int) -> None:
    """Warn of another dialect, where the call ``level`` frames up stands; raise ValueError for what names none."""
    if server_type not in _TYPES:
        raise ValueError(f"server_type is one of {', '.join(_TYPES)}, not {server_type!r}")
    if _numbers(version)[0] != _MAJOR or server_type not in _ALIKE:
        text = f"kvcore answers as Redis {REDIS_VERSION}, whatever version= and server_type= say"
        warnings.warn(text, UserWarning, stacklevel=level)


def _numbers(version: Version) -> tuple[int, ...]:
    """Return a version as numbers; raise ValueError for what is none."""
    parts = version if isinstance(version, tuple | list) else str(version).split(".")
    try:
        numbers = tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or min(numbers) < 0 or isinstance(version, bool):
        raise ValueError(f"version is a number, a text like '7.0' or a tuple like (7, 0), not {version!r}")
    return numbers


def _arguments(
    args: tuple[Any, ...],
    server: FakeServer | Store | str | None,
    version: Version,
    server_type: str,
    connected: bool,
    lua_modules: Collection[str] | None,
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    """Return the arguments of a :class:`kvcore.Redis`."""
    unknown = sorted(set(lua_modules or ()) - _LUA_MODULES)
    if unknown:
        raise ValueError(f"scripts have {', '.join(sorted(_LUA_MODULES))}; not {', '.join(unknown)}")
    if kwargs.get("connection_pool") is not None or "store" in kwargs:
        return kwargs
    _check_dialect(version, server_type, 4)
    if server is None:
        address = _address(args, kwargs)
        server = FakeServer() if address is None else FakeServer.get_server(address)
    if not connected:
        if not isinstance(server, FakeServer):
            raise ValueError("connected=False is for a FakeServer")
        server.connected = False
    return {**kwargs, "store": server.local if isinstance(server, FakeServer) else server}


def _url_arguments(url: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return a client's arguments from a URL; one of a real server says what it says, but for where that is."""
    if url.startswith(("memory:", "file:")):
        return {**kwargs, **url_options(url)}
    parsed: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    options = {**kwargs, **parsed}
    options.pop("connection_class", None)
    if "path" in options:
        options["unix_socket_path"] = options.pop("path")
    elif "host" not in options:
        options["host"] = "localhost"
    return options


class FakeRedis(redis_sync.Redis):
    """A :class:`kvcore.Redis` with fakeredis's arguments; ``server`` is a FakeServer, an open store or a URL.

    Without one, clients that name the same host and port, or socket, share a server; who names none has one alone.
    """

    def __init__(
        self,
        *args: Any,
        server: FakeServer | Store | str | None = None,
        version: Version = (7,),
        server_type: str = "redis",
        connected: bool = True,
        lua_modules: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **_arguments(args, server, version, server_type, connected, lua_modules, kwargs))

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> FakeRedis:
        """Return a client with a URL's options; clients of one ``redis://`` host and port share a server."""
        return cls(**_url_arguments(url, kwargs))


FakeStrictRedis = FakeRedis


class FakeAsyncRedis(redis_asyncio.Redis):
    """A :class:`kvcore.aio.Redis` with fakeredis's arguments, see :class:`FakeRedis`."""

    def __init__(
        self,
        *args: Any,
        server: FakeServer | Store | str | None = None,
        version: Version = (7,),
        server_type: str = "redis",
        connected: bool = True,
        lua_modules: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **_arguments(args, server, version, server_type, connected, lua_modules, kwargs))

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> FakeAsyncRedis:  # type: ignore[override]
        """Return a client with a URL's options; clients of one ``redis://`` host and port share a server."""
        return cls(**_url_arguments(url, kwargs))


class FakeConnection(redis_sync.LocalConnection):
    """A connection for whoever builds pools from a connection class: to ``server``, or the one of its host and port."""

    def __init__(
        self,
        *,
        server: FakeServer | Store | str | None = None,
        version: Version = (7,),
        server_type: str = "redis",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("host", "localhost")
        super().__init__(**_arguments((), server, version, server_type, True, None, kwargs))


class FakeAsyncConnection(redis_asyncio.LocalConnection):
    """A connection for asyncio pools, see :class:`FakeConnection`."""

    def __init__(
        self,
        *,
        server: FakeServer | Store | str | None = None,
        version: Version = (7,),
        server_type: str = "redis",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("host", "localhost")
        super().__init__(**_arguments((), server, version, server_type, True, None, kwargs))


FakeRedisConnection = FakeConnection
FakeAsyncRedisConnection = FakeAsyncConnection


class TcpFakeServer:
    """A server on a TCP port, from when it is made to :meth:`shutdown`; port 0 is any that is free.

    It needs no thread to serve: :meth:`serve_forever` only waits, for code that gives it one.
    """

    def __init__(
        self,
        server_address: tuple[str, int],
        bind_and_activate: bool = True,
        server_type: str = "redis",
        server_version: Version = (7,),
    ) -> None:
        if bind_and_activate is not True:
            raise ValueError("a TcpFakeServer listens from when it is made: bind_and_activate is True")
        _check_dialect(server_version, server_type, 3)
        host, port = server_address
        self._server = TestServer(bind=host, port=port) if port else TestServer(bind=host)
        self._over = threading.Event()
        self.server_address = (host, self._server.port)
        """Where it listens."""

    def serve_forever(self) -> None:
        """Wait until :meth:`shutdown`."""
        self._over.wait()

    def shutdown(self) -> None:
        """Close every connection, stop serving, wait for the thread; doing it twice does nothing."""
        self._server.stop()
        self._over.set()

    server_close = shutdown

    def __enter__(self) -> TcpFakeServer:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.shutdown()
