"""What `ps` shows of the server: `set-proc-title` and `proc-title-template`.

Lives here: the words of a title, and whom it is told to. Must not live here: which titles are valid
(:mod:`kvcore.directives`). The rule: a process has one title, so only the program of the server sets it, never a
library's caller; without the package setproctitle it is the command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from kvcore.config import Config

_VARIABLE: Final = re.compile(r"\{([a-z-]+)\}")


def title(config: Config, program: str) -> str:
    """Return the title of ``program``, a server with this configuration."""
    port = config.integer("port") or config.integer("tls-port")
    addresses = config.strings("bind")
    socket = config.string("unixsocket")
    values = {
        "title": program,
        "listen-addr": f"{addresses[0] if addresses else '*'}:{port}" if port else f"unixsocket:{socket}",
        "server-mode": "[cluster]" if config.flag("cluster-enabled") else "",
        "port": str(config.integer("port")),
        "tls-port": str(config.integer("tls-port")),
        "config-file": config.file,
        "unixsocket": socket,
    }
    return _VARIABLE.sub(lambda found: values[found[1]], config.string("proc-title-template")).strip(" ")


def keep_title(config: Config, program: str, show: Callable[[str], None] | None = None) -> None:
    """Show the title from now on, and its changes; ``show`` is the operating system's way unless given."""
    if not config.flag("set-proc-title"):
        return
    told = show or _system_way()
    if told is None:
        return

    def tell() -> None:
        told(title(config, program))

    for name in ("proc-title-template", "port", "tls-port", "bind"):
        config.on_change(name, tell)
    tell()


def _system_way() -> Callable[[str], None] | None:
    try:
        from setproctitle import setproctitle
    except ImportError:
        return None
    tell: Callable[[str], None] = setproctitle
    return tell
