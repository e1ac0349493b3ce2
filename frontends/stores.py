"""Stores by URL: ``memory://``, ``memory://name``, ``file:///dir``, ``redis://host``.

What lives here: what a URL names, and who shares it. What must not: what a store does (inprocess.py). The rule: only
a name or a directory is shared, each of its openers has a handle of its own, and what was opened ends with the last
of them.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable
from typing import Final, Literal, overload
from urllib.parse import unquote, urlsplit

from kvcore.errors import ConfigError
from kvcore.frontends.inprocess import Store
from kvcore.frontends.inprocess import open as open_typed
from kvcore.frontends.remote_address import SCHEMES, Address, hidden
from kvcore.frontends.store import BaseStore
from kvcore.frontends.store_async import BaseAsyncStore
from kvcore.replies import Reply
from kvcore.session import Session

Directive = bool | int | float | str


open_store: Callable[..., Store] = open_typed


class _Entry:
    """A store that several have opened."""

    __slots__ = ("count", "store")

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0


_entries: dict[str, _Entry] = {}
_mutex = threading.RLock()  # a handle may be collected in a thread that holds it


class SharedStore(Store):
    """One of several handles on a store; closing it leaves the others open."""

    __slots__ = ("_ids", "_most_ids", "_release")

    def __init__(self, key: str, base: Store, decode_responses: bool) -> None:
        super().__init__(shared=base, decode_responses=decode_responses)
        self._ids: set[int] = set()
        """Sessions begun by this handle; those that the collector ended are sorted out now and then."""
        self._most_ids = 64
        self._release = weakref.finalize(self, _leave, key, base)
        self._release.atexit = False

    def new_session(self, delivered: queue.SimpleQueue[Reply], like: Session | None = None) -> Session:
        """Begin a session, on the database of ``like``; it ends with this handle at the latest."""
        session = super().new_session(delivered, like)
        with self.mutex:
            if len(self._ids) >= self._most_ids:
                self._ids.intersection_update(self.engine.sessions)
                self._most_ids = 2 * len(self._ids) + 64
            self._ids.add(session.id)
        return session

    def end_session(self, session: Session) -> None:
        """End a session that :meth:`new_session` began."""
        super().end_session(session)
        with self.mutex:
            self._ids.discard(session.id)

    def close(self) -> None:
        """Close this handle; the last one closes the store, see :meth:`Store.close`. Closing twice does nothing."""
        if not self._closed:
            with self.mutex:
                own = [found for number in self._ids if (found := self.engine.sessions.get(number)) is not None]
            self._end(own)
            self._release()


def _leave(key: str, base: Store) -> None:
    with _mutex:
        entry = _entries.get(key)
        if entry is None or entry.store is not base:
            return
        entry.count -= 1
        if entry.count:
            return
        del _entries[key]
    base.close()


def _share(key: str, opener: Callable[[], Store], decode: bool, config: dict[str, Directive]) -> Store:
    with _mutex:
        entry = _entries.get(key)
        if entry is None:
            entry = _entries[key] = _Entry(opener())
        elif config:
            raise ConfigError(f"{key} is open already: directives are for whoever opens it first")
        entry.count += 1
        return SharedStore(key, entry.store, decode)


def _open_memory(url: str, decode: bool, config: dict[str, Directive]) -> Store:
    parts = urlsplit(url)
    name = parts.netloc
    if "@" in name or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(f"{hidden(url)}: only a name stands behind memory://; select() changes the database")
    if not name:
        return open_store(decode_responses=decode, **config)
    return _share(f"memory://{name}", lambda: open_store(**config), decode, config)


def _open_file(url: str, decode: bool, config: dict[str, Directive]) -> Store:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
        raise ConfigError(f"{url} names no directory: write file:///absolute/path")
    if parts.query or parts.fragment:
        raise ConfigError(f"{url} has more than a path, where ? and # are written %3F and %23")
    path = os.path.realpath(unquote(parts.path))
    return _share(f"file://{path}", lambda: open_store(path, **config), decode, config)


OPENERS: Final[dict[str, Callable[[str, bool, dict[str, Directive]], Store]]] = {
    "memory": _open_memory,
    "file": _open_file,
}
"""What opens the URLs of each scheme of stores in this process."""


@overload
def connect(url: str, *, decode_responses: Literal[False] = False, **config: Directive) -> BaseStore[bytes]: ...
@overload
def connect(url: str, *, decode_responses: Literal[True], **config: Directive) -> BaseStore[str]: ...
def connect(url: str, *, decode_responses: bool = False, **config: Directive) -> BaseStore[bytes] | BaseStore[str]:
    """Open the store that a URL names; keyword arguments are directives, as :func:`kvcore.open` takes them.

    ``memory://`` is a fresh store of one's own. ``memory://name`` is shared by that name within the process, and gone
    with its last handle. ``file:///dir`` is kept in the directory, and shared within the process like a name.

    ``redis://[user:password@]host[:port][/db]`` is a store on a server; ``rediss://`` with TLS, ``unix:///path?db=0``
    by a Unix socket. It is connected when it is first used. Keyword arguments are options there, as behind the URL's
    ``?``: ``timeout`` for each reply and ``connect_timeout`` in seconds, ``client_name``, ``ssl_ca_certs`` ...

    Raises ConfigError for other URLs, for options that are not known, and for directives where the store is open
    already; what else :func:`kvcore.open` raises.
    """
    if _scheme(url) in SCHEMES:
        from kvcore.frontends.remote_store import RemoteStore

        return RemoteStore(Address(url, config), decode_responses=decode_responses)
    return open_local(url, decode_responses, config)


def _scheme(url: str) -> str:
    """Return what stands before the colon of a URL."""
    return url.partition(":")[0].lower()


def open_local(url: str, decode: bool = False, config: dict[str, Directive] | None = None) -> Store:
    """Open the store in this process that a URL names."""
    opener = OPENERS.get(_scheme(url))
    if opener is None:
        schemes = ", ".join(f"{scheme}://" for scheme in (*OPENERS, *SCHEMES))
        raise ConfigError(f"{hidden(url)} is no URL of a store: one of {schemes}")
    return opener(url, decode, config or {})


@overload
def connect_async(
    url: str, *, decode_responses: Literal[False] = False, **config: Directive
) -> BaseAsyncStore[bytes]: ...
@overload
def connect_async(url: str, *, decode_responses: Literal[True], **config: Directive) -> BaseAsyncStore[str]: ...
def connect_async(
    url: str, *, decode_responses: bool = False, **config: Directive
) -> BaseAsyncStore[bytes] | BaseAsyncStore[str]:
    """Open the store that a URL names, for coroutines. Needs no await; it is as :func:`kvcore.connect` says."""
    if _scheme(url) in SCHEMES:
        from kvcore.frontends.remote_async import AsyncRemoteStore

        return AsyncRemoteStore(Address(url, config), decode_responses=decode_responses)
    from kvcore.frontends.inprocess_async import AsyncStore

    return AsyncStore(store=open_local(url, decode_responses, config))
