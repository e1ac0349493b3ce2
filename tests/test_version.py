"""The version stands in one place for the code and in one for packaging; they agree."""

from __future__ import annotations

import tomllib
from pathlib import Path

import kvcore
from kvcore.engine import REDIS_VERSION
from kvcore.version import KVCORE_VERSION


def test_versions_agree() -> None:
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project["version"] == kvcore.__version__ == KVCORE_VERSION
    assert REDIS_VERSION.startswith("7.0.")
