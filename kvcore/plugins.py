"""Names to plug-ins: front ends, storage and replication register as entry points, configuration selects by name.

Groups: ``kvcore.frontends``, ``kvcore.companions`` (beside a server: HTTP), ``kvcore.storage``, ``kvcore.replication``,
``kvcore.commands``. Only this module wires.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from importlib.metadata import entry_points

from kvcore.errors import ConfigError


def names(group: str) -> list[str]:
    """Return the names registered in ``group``, sorted."""
    return sorted({entry.name for entry in entry_points(group=group)})


def load(group: str, name: str) -> object:
    """Import and return the plug-in ``name`` of ``group``; raise ConfigError if there is none."""
    for entry in entry_points(group=group, name=name):
        return entry.load()
    raise ConfigError(f"no plug-in '{name}' in {group}; installed: {', '.join(names(group)) or 'none'}")


@cache
def load_commands() -> None:
    """Import every module that an installed package names under ``kvcore.commands``; raise ConfigError if one fails.

    Once for each process: the commands they declare are there for every store and server opened from then on.
    """
    for entry in entry_points(group="kvcore.commands"):
        try:
            entry.load()
        except Exception as error:
            raise ConfigError(f"the commands of plug-in '{entry.name}' fail to load: {error}") from error


def load_module(name: str) -> None:
    """Import a module of commands by dotted name or path (``loadmodule``); raise ConfigError if that fails."""
    try:
        if not name.endswith(".py"):
            importlib.import_module(name)
            return
        stem = name.rpartition("/")[2].removesuffix(".py")
        spec = importlib.util.spec_from_file_location(stem, name)
        if spec is None or spec.loader is None:
            raise ImportError(f"{name} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(stem, module)
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"Can't load module from {name}: {error}") from error
