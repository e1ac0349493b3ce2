"""How early Linux kills this process when memory runs out: `oom-score-adj` and `oom-score-adj-values`.

Lives here: the file in /proc. Must not live here: which values are valid (:mod:`kvcore.directives`). The rule: a
process has one score, so only the program of the server sets it, never a library's caller; and what the score was
before is put back when the directive is switched off.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from kvcore.engine import Engine
from kvcore.errors import ConfigError

logger = logging.getLogger("kvcore.process")

_PATH: Final = Path("/proc/self/oom_score_adj")
_LIMIT: Final = 1000
_FAILED: Final = "Failed to set current oom_score_adj. Check server logs."


class OomScore:
    """The score of the process that an engine serves from."""

    __slots__ = ("_base", "_engine", "_path")

    def __init__(self, engine: Engine, path: Path = _PATH) -> None:
        self._engine = engine
        self._path = path
        self._base: int | None = None
        """What it was before it was set here, None while it is not."""

    def keep(self) -> None:
        """Set the score, and again when the directives or the role change."""
        for name in ("oom-score-adj", "oom-score-adj-values"):
            self._engine.config.on_change(name, self._follow)
        self._engine.on_role_change = self._set
        self._set()

    def _follow(self) -> None:
        if not self._set():
            raise ConfigError(_FAILED)

    def _set(self) -> bool:
        """Set the score that the configuration asks for; False, and a line in the log, if that is not possible."""
        config = self._engine.config
        mode = config.string("oom-score-adj")
        base = self._base
        if mode == "no" and base is None:
            return True
        try:
            if base is None:
                base = int(self._path.read_text(encoding="ascii"))
            score = base
            if mode != "no":
                # The third value is that of children, and saving forks none here.
                score = int(config.strings("oom-score-adj-values")[self._engine.is_replica])
                if mode != "absolute":
                    score += base
            self._path.write_text(f"{max(-_LIMIT, min(score, _LIMIT))}\n", encoding="ascii")
        except (OSError, ValueError) as error:
            logger.warning("Unable to set oom_score_adj: %s", getattr(error, "strerror", None) or error)
            return False
        self._base = None if mode == "no" else base
        return True
