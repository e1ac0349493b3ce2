"""SAVE, BGSAVE and LASTSAVE where nothing is kept; tests/storage/test_snapshots.py has them with files."""

from __future__ import annotations

import pytest

from kvcore import errors
from kvcore.engine import Engine
from tests.engine_client import Client


@pytest.mark.parametrize("command", [("SAVE",), ("BGSAVE",), ("BGSAVE", "SCHEDULE")])
def test_a_data_set_in_memory_says_that_it_is_not_saved(client: Client, command: tuple[str, ...]) -> None:
    assert client.error(*command) == errors.NOTHING_ON_DISK


@pytest.mark.parametrize("command", [("BGSAVE", "NOW"), ("BGSAVE", "SCHEDULE", "SCHEDULE")])
def test_other_options_are_errors(client: Client, command: tuple[str, ...]) -> None:
    assert client.error(*command) == errors.SYNTAX


def test_the_start_counts_as_a_save(client: Client, engine: Engine) -> None:
    assert client("LASTSAVE") == engine.started_ms // 1000


def test_save_has_no_place_in_a_transaction(client: Client) -> None:
    client("MULTI")
    assert client.error("SAVE") == errors.NOT_ALLOWED_IN_MULTI


def test_nothing_is_reloaded_from_nowhere(client: Client, engine: Engine) -> None:
    engine.config.assign("enable-debug-command", "yes")
    assert client.error("DEBUG", "RELOAD") == errors.NOTHING_ON_DISK


def test_shutdown_with_save_fails(client: Client, engine: Engine) -> None:
    engine.on_shutdown = lambda: None
    assert client.error("SHUTDOWN", "SAVE") == errors.SHUTDOWN_FAILED
    client("SHUTDOWN")
