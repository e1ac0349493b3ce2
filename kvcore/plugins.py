"""Names to plug-ins: front ends, storage and replication register as entry points, configuration selects by name.

Groups: ``kvcore.frontends``, ``kvcore.storage``, ``kvcore.replication``, ``kvcore.commands``. Only this module wires.
"""

from __future__ import annotations

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
