"""The end of the server: asked for by a signal, begun by SHUTDOWN, given up where saving fails or by SHUTDOWN ABORT.

What lives here: the states between "goes on serving" and "is about to exit", and the lines of the log about them. What
must not: saving, which is ``engine.persistence``'s, and ending the process, which is the front end's
(``engine.on_shutdown``). The rule: after the last save nobody is told that anything was done.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kvcore.blocking import Blocked
from kvcore.errors import SHUTDOWN_FAILED, CommandError
from kvcore.gates import BY_SHUTDOWN, PAUSED

if TYPE_CHECKING:
    from kvcore.call import Call
    from kvcore.engine import Engine

logger = logging.getLogger("kvcore.server")

_FOREVER_MS: Final = 1 << 62


class Shutdown:
    """Whether the server is to stop. Everything here happens under the engine lock."""

    __slots__ = ("_callers", "_deadline_ms", "_engine", "_force", "_now", "_save", "asked", "ended")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._save: bool | None = None
        self._force = False
        self._now = False
        self._deadline_ms = 0  # replicas that lag behind have so long, 0 if none are waited for
        self._callers: list[Blocked] = []  # who sent SHUTDOWN and is to hear that nothing came of it
        self.asked = False
        """A signal came, and the server will end, or ends already, unless that is aborted or fails."""
        self.ended = False
        """Everything is saved that is to be saved, and the front end was told to stop."""

    @property
    def waiting_ms(self) -> int:
        """For how long replicas that lag behind will be waited for, 0 if none are."""
        return max(1, self._deadline_ms - self._engine.now_ms()) if self._deadline_ms and not self.ended else 0

    def ask(self, save: bool | None, *, force: bool, now: bool = False) -> None:
        """Begin with the next tick; see :meth:`begin`. What has begun already goes on as it is."""
        self.asked = True
        if not (self._deadline_ms or self.ended):
            self._save = save
            self._force = force
            self._now = now
            self._engine.on_deadline(self._engine.now_ms())

    def tick(self) -> None:
        """Do what was asked for, and go on once replicas have everything or had long enough."""
        if self.ended:
            return
        if self._deadline_ms:
            engine = self._engine
            if (engine.now_ms() >= self._deadline_ms or not engine.replication.lags()) and not self._finish():
                self._cancel()
        elif self.asked:
            self.asked = self.begin(self._save, force=self._force, now=self._now) or self.waiting_ms > 0

    def abort(self) -> bool:
        """Forget that the server was to stop; False if that was not so."""
        if self.ended or not (self.asked or self._deadline_ms):
            return False
        self.asked = False
        if self._deadline_ms:
            self._cancel()
        logger.info("Shutdown manually aborted.")
        return True

    def begin(self, save: bool | None = None, *, force: bool = False, now: bool = False) -> bool:
        """Save what is to be saved and ask the front end to stop; False where that fails, or there is none to ask.

        ``save`` None saves if there are save points. ``force`` stops even if that fails. Unless it is to be ``now``,
        replicas that lag behind have `shutdown-timeout` seconds first: False, and :attr:`waiting_ms` says how long.
        O(keys) if it saves.
        """
        engine = self._engine
        if engine.on_shutdown is None:
            return False
        if self.ended or self._deadline_ms:
            return self.ended
        logger.warning("User requested shutdown...")
        self._save, self._force = save, force
        timeout_s = engine.config.integer("shutdown-timeout")
        if not now and timeout_s and engine.replication.lags():
            self._deadline_ms = engine.now_ms() + timeout_s * 1000
            if not engine.gate & PAUSED:  # a stream that stands still is not asked how far it is
                engine.replication.hurry()
            engine.pause(_FOREVER_MS, everything=False, purpose=BY_SHUTDOWN)
            engine.on_deadline(self._deadline_ms)
            logger.info("Waiting for replicas before shutting down.")
            return False
        return self._finish()

    def park(self, call: Call) -> Blocked:
        """Have a client wait for the end, or for an error if nothing comes of it; return what its handler must return.

        It is while replicas are waited for.
        """
        blocked = call.block((), 0, lambda _key: None, CommandError(SHUTDOWN_FAILED))
        self._callers.append(blocked)
        return blocked

    def _cancel(self) -> None:
        """Go on serving."""
        engine = self._engine
        self._deadline_ms = 0
        self.asked = False
        callers, self._callers = self._callers, []
        for blocked in (each for each in callers if not each.done):
            engine.blocking.fail(blocked, CommandError(SHUTDOWN_FAILED))
        engine.unpause(BY_SHUTDOWN)

    def _finish(self) -> bool:
        engine, save, force = self._engine, self._save, self._force
        stop = engine.on_shutdown
        if stop is None:
            return False  # the front end stopped for another reason
        engine.replication.report_lag()
        if engine.loading:
            save = False  # half of a data set must not take the place of the whole
        if not engine.persistence.prepare_shutdown(save, force=force):
            logger.warning("Errors trying to shut down the server. Check the logs for more information.")
            return False
        self.ended = True
        engine.pause(_FOREVER_MS, everything=True, purpose=BY_SHUTDOWN)
        stop()
        return True
