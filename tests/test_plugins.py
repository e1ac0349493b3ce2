"""Plug-ins by name: those that ship, one that another distribution brings, and names nobody registered."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kvcore import plugins
from kvcore.errors import ConfigError
from kvcore.frontends.asyncio_server import AsyncioServer
from kvcore.frontends.threaded_server import ThreadedServer


@pytest.fixture
def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with one front end, as far as importlib.metadata can tell."""
    information = tmp_path / "kvcore_extension-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: kvcore-extension\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[kvcore.frontends]\nquic = kvcore_extension_module:serve\n")
    (tmp_path / "kvcore_extension_module.py").write_text("def serve():\n    return 'served'\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "kvcore_extension_module", raising=False)


def test_the_front_ends_that_ship() -> None:
    assert {"asyncio", "threaded"} <= set(plugins.names("kvcore.frontends"))
    assert plugins.load("kvcore.frontends", "asyncio") is AsyncioServer
    assert plugins.load("kvcore.frontends", "threaded") is ThreadedServer


@pytest.mark.usefixtures("extension")
def test_another_distribution_brings_its_own() -> None:
    assert "quic" in plugins.names("kvcore.frontends")
    serve = plugins.load("kvcore.frontends", "quic")
    assert callable(serve)
    assert serve() == "served"


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"no plug-in 'nosuch' in kvcore\.frontends; installed: .*asyncio.*threaded"):
        plugins.load("kvcore.frontends", "nosuch")


def test_an_empty_group() -> None:
    assert plugins.names("kvcore.nosuch") == []
    with pytest.raises(ConfigError, match="installed: none"):
        plugins.load("kvcore.nosuch", "asyncio")
