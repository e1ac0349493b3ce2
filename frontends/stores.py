"""Stores by URL: ``memory://``, ``memory://name``, ``file:///dir``.

What lives here: what a URL names, and who shares it. What must not: what a store does (inprocess.py). The rule: only
a name or a directory is shared, each of its openers has a handle of its own, and what was opened ends with the last
of them.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from kvcore.errors import ConfigError
from kvcore.frontends.inprocess import Store
from kvcore.frontends.inprocess import open as open_typed
from kvcore.session import Session

Directive = bool | int | str


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

    __slots__ = ("_ids", "_release")

    def __init__(self, key: str, base: Store, decode_responses: bool) -> None:
        super().__init__(shared=base, decode_responses=decode_responses)
        self._ids: list[int] = []
        self._release = weakref.finalize(self, _leave, key, base)
        self._release.atexit = False

    def _begin(self) -> Session:
        session = super()._begin()
        sessions = self.engine.sessions
        self._ids = [number for number in self._ids if number in sessions] + [session.id]
        return session

    def close(self) -> None:
        """Close this handle; the last one closes the store, see :meth:`Store.close`. Closing twice does nothing."""
        if not self._closed:
            self._end([found for number in self._ids if (found := self.engine.sessions.get(number)) is not None])
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
    name = urlsplit(url).netloc
    if not name:
        return open_store(decode_responses=decode, **config)
    return _share(f"memory://{name}", lambda: open_store(**config), decode, config)


def _open_file(url: str, decode: bool, config: dict[str, Directive]) -> Store:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
        raise ConfigError(f"{url} names no directory: write file:///absolute/path")
    path = os.path.realpath(unquote(parts.path))
    return _share(f"file://{path}", lambda: open_store(path, **config), decode, config)


OPENERS: Final[dict[str, Callable[[str, bool, dict[str, Directive]], Store]]] = {
    "memory": _open_memory,
    "file": _open_file,
}
"""What opens the URLs of each scheme."""


def connect(url: str, *, decode_responses: bool = False, **config: Directive) -> Store:
    """Open the store that a URL names; keyword arguments are directives, as :func:`kvcore.open` takes them.

    ``memory://`` is a fresh store of one's own. ``memory://name`` is shared by that name within the process, and gone
    with its last handle. ``file:///dir`` is kept in the directory, and shared within the process like a name.

    Raises ConfigError for other URLs, and for directives where the store is open already; what else
    :func:`kvcore.open` raises.
    """
    opener = OPENERS.get(urlsplit(url).scheme)
    if opener is None:
        raise ConfigError(f"{url} is no URL of a store: one of {', '.join(f'{scheme}://' for scheme in OPENERS)}")
    return opener(url, decode_responses, config)
