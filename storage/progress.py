"""Loading while clients wait for it: how far it is, and the turns that others get meanwhile.

What lives here: reading a file piece by piece, what INFO says of it, `key-load-delay`. What must not: the bytes'
meaning (:mod:`kvcore.rdb`, :mod:`kvcore.storage.aof_reader`), and threads: a front end that serves during the load
brings :class:`Turns`. The rule: the engine is anybody's while a piece is read, and the loader's alone between two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.loading import Loader
    from kvcore.storage.files import File

_READ_BYTES: Final = 1 << 18
"""Read at a time: what takes the engine for some milliseconds."""


class StoppedError(Exception):
    """The server was told to stop while it loaded."""


class Turns(Protocol):
    """Gives others the engine."""

    def leave(self) -> None:
        """Let them in."""
        ...

    def come_back(self, pause_s: float) -> None:
        """Wait until the engine is ours again, and no less than ``pause_s``."""
        ...


class _Alone:
    """There is nobody else."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def leave(self) -> None:
        """Do nothing."""

    def come_back(self, pause_s: float) -> None:
        """Wait as long as asked to."""
        if pause_s > 0:
            self._engine.process.sleep(pause_s)


def _nothing() -> None:
    """Stand in while nothing is replayed."""


class Progress:
    """One load, from the first file to the last."""

    __slots__ = (
        "_counted",
        "_engine",
        "_forget",
        "_gate",
        "_loader",
        "_turns",
        "_watch",
        "begun_ms",
        "loaded",
        "total",
    )

    def __init__(
        self, engine: Engine, turns: Turns | None = None, watch: Callable[[int, int], None] | None = None
    ) -> None:
        """``watch`` is told how many bytes of how many were read."""
        self._engine = engine
        self._watch = watch
        self._turns: Turns = _Alone(engine) if turns is None else turns
        self._loader: Loader | None = None
        self._counted = 0  # keys that `key-load-delay` was served for
        self._gate: int | None = None
        self._forget: Callable[[], None] = _nothing  # has what was replayed count for nothing
        self.begun_ms = engine.now_ms()
        self.total = 0
        """Bytes of the files begun so far, or of all if that is known."""
        self.loaded = 0

    def expect(self, size: int) -> None:
        """Hear that so many bytes more are to be loaded."""
        self.total += size

    def watch(self, loader: Loader | None) -> None:
        """Delay the keys of ``loader`` from now on."""
        self._loader = loader
        self._counted = 0 if loader is None else loader.loaded

    def read(self, file: File) -> bytes:
        """Return the next piece of a file, which may be shorter than it is long; none at its end."""
        interval = self._engine.config.integer("loading-process-events-interval-bytes")
        with self.aside():
            data = file.read(min(interval, _READ_BYTES))
        self.loaded += len(data)
        if self._watch is not None:
            self._watch(self.loaded, self.total)
        return data

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let others have the engine; raise StoppedError if they ended it."""
        engine, pause_s = self._engine, self._owed_s()
        if self._gate is not None:
            engine.gate = self._gate
            if engine.loading:
                self._forget()
        self._turns.leave()
        try:
            yield
        finally:
            self._turns.come_back(pause_s)
            if self._gate is not None:
                self._gate, engine.gate = engine.gate, 0
                if engine.loading:
                    self._forget = engine.keep_counters()
        if engine.shutdown.ended:
            raise StoppedError("the server was told to stop")

    @contextmanager
    def replaying(self) -> Iterator[None]:
        """Keep the gates open for what is loaded, and for nobody else; no client asked for it, so nothing counts it."""
        engine = self._engine
        self._forget = engine.keep_counters()
        self._gate, engine.gate = engine.gate, 0
        try:
            yield
        finally:
            engine.gate, self._gate = self._gate, None
            self._forget()

    def _owed_s(self) -> float:
        """Return the pause that `key-load-delay` asks for: microseconds for each key, below zero keys for each."""
        delay = self._engine.config.integer("key-load-delay")
        if self._loader is None:
            return 0.0
        keys = self._loader.loaded - self._counted
        self._counted += keys
        if not delay:
            return 0.0
        return keys * (delay if delay > 0 else -1 / delay) / 1e6

    def fields(self) -> dict[str, str | int]:
        """Return the fields of INFO persistence that are there while the load goes on."""
        loaded = min(self.loaded, self.total)
        used = b"" if self._loader is None else self._loader.aux.get(b"used-mem", b"")
        elapsed_s = self._engine.now_ms() // 1000 - self.begun_ms // 1000
        return {
            "loading": 1,
            "loading_start_time": self.begun_ms // 1000,
            "loading_total_bytes": self.total,
            "loading_rdb_used_mem": int(used) if used.isdigit() else 0,
            "loading_loaded_bytes": loaded,
            "loading_loaded_perc": f"{100 * loaded / self.total if self.total else 0.0:.2f}",
            "loading_eta_seconds": elapsed_s * (self.total - loaded) // (loaded + 1) if elapsed_s else 1,
        }
