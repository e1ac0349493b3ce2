"""MODULE on an engine without sockets."""

from __future__ import annotations

import logging

import pytest

from kvcore.engine import Engine
from tests.commands.conftest import Client
from tests.commands.test_debug import FarPeer


def test_there_are_none(client: Client) -> None:
    assert client("MODULE", "LIST") == []


@pytest.mark.parametrize("words", [("LOAD", "/m.so"), ("LOADEX", "/m.so", "CONFIG", "a", "b"), ("UNLOAD", "m")])
def test_refused_unless_allowed(engine: Engine, client: Client, words: tuple[str, ...]) -> None:
    assert client.error("MODULE", *words).startswith("ERR MODULE command not allowed. ")
    engine.config.set("enable-module-command", "local")
    assert client.error("MODULE", *words).startswith("ERR Error ")
    client.session.peer = FarPeer()
    assert client.error("MODULE", *words).startswith("ERR MODULE command not allowed. ")


def test_a_module_cannot_be_loaded(engine: Engine, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    engine.config.set("enable-module-command", "yes")
    with caplog.at_level(logging.WARNING, "kvcore.modules"):
        assert (
            client.error("MODULE", "LOAD", "/m.so") == "ERR Error loading the extension. Please check the server logs."
        )
    assert [record.getMessage() for record in caplog.records] == [
        "Module /m.so failed to load: there is no C module interface"
    ]
