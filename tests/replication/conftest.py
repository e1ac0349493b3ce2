"""A primary on a manual clock, and links to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kvcore.engine import Engine
from kvcore.replication.primary import Primary
from tests.replication.links import Link


@pytest.fixture
def primary(engine: Engine, tmp_path: Path) -> Primary:
    """Return the primary's side of the engine, which starts snapshots at once and keeps files in an own folder."""
    engine.config.set("repl-diskless-sync-delay", "0")
    engine.config.assign("dir", str(tmp_path))
    return Primary(engine)


@pytest.fixture
def link(engine: Engine, primary: Primary) -> Callable[[], Link]:
    """Return a function that connects one client after the other."""
    count = 0

    def connect() -> Link:
        nonlocal count
        count += 1
        return Link(engine, f"127.0.0.1:{50_000 + count}")

    return connect


@pytest.fixture
def replica(link: Callable[[], Link]) -> Link:
    """Return a client that has said nothing yet."""
    return link()
