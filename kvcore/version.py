"""Versions: kvcore's own, and that of the server whose behaviour is the specification.

It imports nothing, so that any layer may ask.
"""

from __future__ import annotations

from typing import Final

KVCORE_VERSION: Final = "0.1.0"
"""The version of the package, as pyproject.toml has it."""

REDIS_VERSION: Final = "7.0.15"
"""The redis-server that INFO and HELLO report and the tests compare with."""
