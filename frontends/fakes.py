"""fakeredis's names and arguments over kvcore: ``from kvcore.testing import FakeRedis`` is the whole migration.

What lives here: what fakeredis calls things, and clients that it makes. What must not: behaviour; a FakeRedis is a
:class:`kvcore.Redis`. The one difference on purpose: without ``server=`` each client has a server of its own, where
fakeredis shares one among all clients of equal arguments.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any, Final

from redis.connection import parse_url

from kvcore.frontends import redis_asyncio, redis_sync
from kvcore.frontends.inprocess import Store
from kvcore.frontends.redis_link import LocalServer
from kvcore.frontends.redis_urls import url_options
from kvcore.frontends.stores import open_store
from kvcore.version import REDIS_VERSION

Version = int | str | tuple[int, ...]

OUTAGE: Final = "the server is not there: FakeServer.connected is False"

_TYPES: Final = ("redis", "keydb", "valkey")
_LUA_MODULES: Final = frozenset({"bit", "cjson", "cmsgpack", "struct"})


class FakeServer:
    """A data set that several clients share; ``connected = False`` is an outage, until it is True again.

    ``config`` holds directives. There is one dialect: another ``version`` than 7 is warned about.
    """

    def __init__(
        self,
        version: Version = (7,),
        server_type: str = "redis",
        config: Mapping[str, bool | int | str] | None = None,
    ) -> None:
        _check_dialect(version, server_type)
        directives = dict(config or {})
        self.local = LocalServer(
            lambda: open_store(**directives), "fake server", admits_all="requirepass" not in directives
        )

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


def _check_dialect(version: Version, server_type: str) -> None:
    if server_type not in _TYPES:
        raise ValueError(f"server_type is one of {', '.join(_TYPES)}, not {server_type!r}")
    numbers = version if isinstance(version, tuple) else tuple(int(part) for part in str(version).split("."))
    if numbers[:1] != (7,) or server_type == "valkey":
        text = f"kvcore answers as Redis {REDIS_VERSION}, whatever version= and server_type= say"
        warnings.warn(text, UserWarning, stacklevel=4)


def _arguments(
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
    if server is None:
        server = FakeServer(version, server_type)
    else:
        _check_dialect(version, server_type)
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
    for name in ("connection_class", "path"):
        options.pop(name, None)
    return options


class FakeRedis(redis_sync.Redis):
    """A :class:`kvcore.Redis` with fakeredis's arguments; ``server`` is a FakeServer, an open store or a URL."""

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
        super().__init__(*args, **_arguments(server, version, server_type, connected, lua_modules, kwargs))

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> FakeRedis:
        """Return a client with a URL's options; the host of a ``redis://`` URL means nothing."""
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
        super().__init__(*args, **_arguments(server, version, server_type, connected, lua_modules, kwargs))

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> FakeAsyncRedis:  # type: ignore[override]
        """Return a client with a URL's options; the host of a ``redis://`` URL means nothing."""
        return cls(**_url_arguments(url, kwargs))
