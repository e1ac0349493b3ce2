"""Which store a redis-py client means: by an open store, by a URL, or a fresh one.

What lives here: from ``store=`` and URLs to a :class:`~kvcore.frontends.redis_link.LocalServer`. The rule: nothing is
shared that was not named.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis.connection as redis_connection

from kvcore.errors import ConfigError
from kvcore.frontends.inprocess import Store
from kvcore.frontends.redis_link import LocalServer
from kvcore.frontends.stores import open_local, open_store


def fresh_server() -> LocalServer:
    """Return a store of the client's own, in memory, that admits every user."""
    return LocalServer(open_store, "memory://", admits_all=True)


def find_server(store: Store | LocalServer | str | None) -> LocalServer:
    """Return what ``store`` means: an open store, a URL, None for a fresh one."""
    if store is None:
        return fresh_server()
    if isinstance(store, LocalServer):
        return store
    if isinstance(store, Store):
        return LocalServer(lambda: store, "kvcore store")
    scheme = urlsplit(store).scheme
    if scheme not in ("memory", "file"):
        raise ConfigError(f"{store} is no URL of a store in this process: memory://, memory://name or file:///dir")
    if store == "memory://":
        return fresh_server()
    return LocalServer(lambda: open_local(store), store, durable=scheme == "file")


def server_of(kwargs: dict[str, Any]) -> LocalServer:
    """Take ``store`` out of a connection's arguments; return its server.

    Raises ConfigError without one: connections of a pool must not each have a store of their own, nor share by
    accident.
    """
    store = kwargs.pop("store", None)
    if store is None or store == "memory://":
        raise ConfigError("a pool of in-process connections needs to know whose: pass store=, an open store or a URL")
    return find_server(store)


def server_of_pool(pool: Any) -> LocalServer:
    """Return the server of a pool's connections, one for all of them."""
    server = find_server(pool.connection_kwargs["store"])
    pool.connection_kwargs["store"] = server
    return server


def url_options(url: str) -> dict[str, Any]:
    """Return a client's arguments from a ``memory://`` or ``file://`` URL; raise ValueError for a bad one.

    The query gives redis-py's options, as in its own URLs; the database also is a path behind a name:
    ``memory://name/2``.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("memory", "file"):
        raise ValueError(f"{url} is no URL of a store in this process: memory://, memory://name or file:///dir")
    options: dict[str, Any] = {}
    parsers: dict[str, Any] = {
        "decode_responses": redis_connection.to_bool,
        "protocol": int,
        **redis_connection.URL_QUERY_ARGUMENT_PARSERS,
    }
    for name, texts in parse_qs(parts.query).items():
        parse = parsers.get(name)
        try:
            options[name] = texts[0] if parse is None else parse(texts[0])
        except (TypeError, ValueError):
            raise ValueError(f"Invalid value for '{name}' in the URL {url}") from None
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    place = parts.netloc.rpartition("@")[2]
    path = parts.path
    if parts.scheme == "memory":
        number = path.strip("/")
        if number:
            if not number.isdigit():
                raise ValueError(f"in the URL {url} the number of a database must come behind the name")
            options.setdefault("db", int(number))
        path = ""
    options["store"] = find_server(f"{parts.scheme}://{place}{path}")
    return options
