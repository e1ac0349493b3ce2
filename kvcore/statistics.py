"""Counters behind INFO: what happened since the start or the last CONFIG RESETSTAT."""

from __future__ import annotations

from typing import Final

_SAMPLES: Final = 16
_MAX_ERROR_CODES: Final = 128  # a script or extension could invent codes without end


class Rate:
    """A rate per second, averaged over the last samples of a growing counter."""

    __slots__ = ("_last_count", "_last_ms", "_next", "_samples")

    def __init__(self) -> None:
        self._samples = [0.0] * _SAMPLES
        self._next = 0
        self._last_count = 0
        self._last_ms = 0

    def sample(self, now_ms: int, count: int) -> None:
        """Take the counter's value at ``now_ms``; call about ten times a second."""
        elapsed = now_ms - self._last_ms
        if self._last_ms and elapsed > 0:
            self._samples[self._next] = max(0, count - self._last_count) * 1000 / elapsed
            self._next = (self._next + 1) % _SAMPLES
        if elapsed > 0:
            self._last_ms, self._last_count = now_ms, count

    def per_second(self) -> float:
        """Return the average rate."""
        return sum(self._samples) / _SAMPLES


class Statistics:
    """Counters of the whole engine; those of one command live in its record."""

    __slots__ = (
        "commands",
        "connections",
        "dirty",
        "errors",
        "errors_total",
        "expire_cycle_ns",
        "input_bytes",
        "input_rate",
        "operations",
        "output_bytes",
        "output_limit_disconnections",
        "output_rate",
        "query_limit_disconnections",
        "reads",
        "rejected_connections",
        "repl_input_rate",
        "repl_output_rate",
        "unexpected_errors",
        "writes",
    )

    def __init__(self) -> None:
        self.dirty = 0
        """Changes since the last save."""
        self.reset()

    def reset(self) -> None:
        """Zero what CONFIG RESETSTAT zeroes."""
        self.commands = 0
        self.connections = 0
        self.rejected_connections = 0
        self.input_bytes = 0
        self.output_bytes = 0
        self.query_limit_disconnections = 0
        self.output_limit_disconnections = 0
        self.unexpected_errors = 0
        self.errors: dict[str, int] = {}
        self.errors_total = 0
        self.expire_cycle_ns = 0
        self.reads = 0
        self.writes = 0
        self.operations = Rate()
        self.input_rate = Rate()
        self.output_rate = Rate()
        self.repl_input_rate = Rate()
        self.repl_output_rate = Rate()

    def count_error(self, code: str) -> None:
        """Count an error reply by its code."""
        self.errors_total += 1
        if code in self.errors or len(self.errors) < _MAX_ERROR_CODES:
            self.errors[code] = self.errors.get(code, 0) + 1
