"""Fixtures of the scripting tests."""

from __future__ import annotations

import pytest

from tests.scripting.lua_library import Lua


@pytest.fixture
def lua() -> Lua:
    """Return a bare interpreter with the four libraries."""
    return Lua()
