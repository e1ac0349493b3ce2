"""Names the command tests share; the fixtures stand in tests/conftest.py."""

from __future__ import annotations

from tests.engine_client import Argument, Client, encode

__all__ = ["Argument", "Client", "encode"]
