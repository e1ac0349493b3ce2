"""A data set on its way in from a primary: databases that nobody sees yet, and how far they are.

What lives here: the bytes of a transfer and their end, what clients are told meanwhile, the fields of INFO about it.
What must not: links (:mod:`kvcore.replication.upstream`), and putting the new data set in its place. The rule: the old
data set stays as it is until the new one is complete, whether clients may see it or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore.errors import KvcoreError
from kvcore.keyspace import Keyspace
from kvcore.loading import Loader
from kvcore.rdb.file_reader import FileReader

if TYPE_CHECKING:
    from kvcore.engine import Engine

MARK_BYTES: Final = 40

BESIDE: Final = "beside"
"""Nobody is told that a data set is coming: the old one is served."""

ASYNC: Final = "async"
"""The old one is served, for it is the same one at an earlier time; what must not change now is refused."""

EXCLUSIVE: Final = "exclusive"
"""The old one is another one, or there is none: clients hear LOADING."""

_NEARLY_ALL: Final = 99.99


class LinkError(KvcoreError):
    """The primary said something that ends the link; it is made again later."""


def mode_for(engine: Engine, history: str) -> str:
    """Return what clients are told while a data set of ``history`` comes in (`repl-diskless-load`)."""
    directive = engine.config.string("repl-diskless-load")
    if directive == "swapdb":
        return ASYNC if history == engine.replication_id else EXCLUSIVE
    is_empty = not any(len(db) for db in engine.keyspace.databases)
    return EXCLUSIVE if directive == "on-empty-db" and is_empty else BESIDE


class Incoming:
    """One transfer."""

    __slots__ = (
        "_begun_ms",
        "_engine",
        "_fed_us",
        "_left",
        "_mark",
        "_owed_keys",
        "_seen",
        "keyspace",
        "libraries",
        "loader",
        "mode",
        "reader",
        "received",
        "size",
    )

    def __init__(self, engine: Engine, mode: str, size: int, mark: bytes = b"") -> None:
        """``size`` is in bytes, -1 if ``mark`` ends the transfer instead."""
        self._engine = engine
        self._begun_ms = engine.now_ms()
        self._fed_us = 0
        self._owed_keys = 0  # for which `key-load-delay` has still to pass
        self._mark = mark
        self._seen = b""  # the last bytes, in which the mark may begin
        self._left = size
        self.mode = mode
        self.size = size
        self.received = 0
        self.keyspace = Keyspace(engine.clock, len(engine.keyspace.databases))
        self.libraries: list[bytes] = []
        self.loader = Loader(
            self.keyspace.databases, engine.now_ms(), self.libraries.append, keep_uses=True, keep_expired=True
        )
        self.reader = FileReader(
            self.loader, engine.limits, databases=len(engine.keyspace.databases), size=max(0, size)
        )

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes; return those behind the end, None while it has not come. Raises RdbError, LinkError."""
        self.received += len(data)
        before = self.loader.loaded
        rest = self._feed(data)
        self._owed_keys = self.loader.loaded - before
        self._fed_us = self._engine.clock.now_us()
        return rest

    def _feed(self, data: bytes) -> bytes | None:
        if self.size >= 0:
            part, rest = data[: self._left], data[self._left :]
            self._left -= len(part)
            self.reader.feed(part)
            if self._left:
                return None
            self.reader.finish()
            return rest
        self.reader.feed(data)
        if self._mark in self._seen + data:
            self.reader.finish()  # it must not wait for more: nothing comes until this server says that it has all
        self._seen = (self._seen + data)[1 - MARK_BYTES :]
        tail = self.reader.tail
        if not self.reader.done or len(tail) < MARK_BYTES:
            return None
        if not tail.startswith(self._mark):
            raise LinkError("Replication stream EOF marker is broken")
        return tail[MARK_BYTES:]

    def broken(self, reason: str) -> str:
        """Return what the log says if the link ends here, for ``reason``."""
        if self.mode == BESIDE:
            return f"I/O error trying to sync with MASTER: {reason}"
        return f"Internal error in RDB reading offset {self.received}: Unexpected EOF reading RDB file"

    def discard(self) -> None:
        """Give up what has come: it is freed piece by piece, as what FLUSHALL deletes. O(databases)."""
        for db in self.keyspace.databases:
            db.flush()
        garbage, self.keyspace.garbage = self.keyspace.garbage, []
        self._engine.keyspace.garbage += garbage

    def delay_ms(self) -> float:
        """Return for how many milliseconds no more is to be fed (`key-load-delay`)."""
        delay_us: float = self._engine.config.integer("key-load-delay")
        if not delay_us or not self._owed_keys:
            return 0.0
        if delay_us < 0:
            delay_us = -1 / delay_us  # as many keys share a microsecond
        due_us = self._fed_us + self._owed_keys * delay_us
        return max(0.0, due_us - self._engine.clock.now_us()) / 1000

    def fields(self) -> dict[str, str | int]:
        """Return the fields of INFO persistence that are there while clients are told of the transfer."""
        if self.mode == BESIDE:
            return {}
        used = self.loader.aux.get(b"used-mem", b"")
        used_bytes = int(used) if used.isdigit() else 0
        total = max(0, self.size)
        percent, left = 0.0, 1
        if total:
            percent, left = 100 * self.received / total, total - self.received
        elif used_bytes:  # a guess, and a bad one
            percent, left = min(_NEARLY_ALL, 100 * self.received / used_bytes), max(1, used_bytes - self.received)
        elapsed_s = self._engine.now_ms() // 1000 - self._begun_ms // 1000
        return {
            "loading": int(self.mode == EXCLUSIVE),
            "async_loading": int(self.mode == ASYNC),
            "loading_start_time": self._begun_ms // 1000,
            "loading_total_bytes": total,
            "loading_rdb_used_mem": used_bytes,
            "loading_loaded_bytes": self.received,
            "loading_loaded_perc": f"{percent:.2f}",
            "loading_eta_seconds": elapsed_s * left // (self.received + 1) if elapsed_s else 1,
        }
