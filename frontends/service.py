"""The server as a service: leaving the terminal (`daemonize`), and telling a supervisor how it goes (`supervised`).

Here: what concerns the process as init systems see it. Not here: signals and the pid file. The rule: a supervisor that
is not there changes nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import MutableMapping

from kvcore.config import Config

logger = logging.getLogger("kvcore.service")

DEFAULT_PID_FILE = "/var/run/redis.pid"
"""Where a server that left the terminal writes its process id if `pidfile` is empty, as the real server."""


def leave_terminal() -> None:
    """Go on in a child with a session of its own and no terminal; the parent ends. Call before any thread starts."""
    if os.fork():
        os._exit(0)  # nothing of the parent's is to be flushed or cleaned up: the child has it all
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    if nothing > 2:
        os.close(nothing)


class Supervisor:
    """What started this process and wants to hear of it: ``systemd``, ``upstart`` or ``no``."""

    __slots__ = ("_address", "name")

    def __init__(self, name: str = "no", address: str = "") -> None:
        self.name = name
        self._address = address

    def ready(self) -> None:
        """Say that clients are accepted."""
        self._tell("STATUS=Ready to accept connections\nREADY=1\n")

    def stopping(self) -> None:
        """Say that the server is about to end."""
        self._tell("STOPPING=1\n")

    def loading(self) -> bool:
        """Say that the server starts; False if nobody listens."""
        return self._tell("STATUS=kvcore is loading...\n")

    def _tell(self, message: str) -> bool:
        if not self._address:
            return False
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.sendto(message.encode(), path)
        except OSError as error:
            logger.warning("systemd supervision error: sendmsg: %s", error.strerror or error)
            return False
        return True


def find_supervisor(config: Config, environment: MutableMapping[str, str]) -> Supervisor:
    """Find whom `supervised` names, tell it that the server starts, return it. Upstart is told by stopping once."""
    name = config.string("supervised")
    if name == "auto":
        name = "upstart" if "UPSTART_JOB" in environment else "systemd" if "NOTIFY_SOCKET" in environment else "no"
    if name == "upstart":
        if "UPSTART_JOB" not in environment:
            logger.warning("upstart supervision requested, but UPSTART_JOB not found!")
            return Supervisor()
        logger.info("supervised by upstart, will stop to signal readiness.")
        del environment["UPSTART_JOB"]
        os.kill(os.getpid(), signal.SIGSTOP)
        return Supervisor("upstart")
    if name == "systemd":
        found = Supervisor("systemd", environment.get("NOTIFY_SOCKET", ""))
        if found.loading():
            logger.info(
                "supervised by systemd. Its TimeoutStartSec and TimeoutStopSec have to allow for loading and saving."
            )
            return found
        logger.warning("systemd supervision requested, but nobody listens on NOTIFY_SOCKET")
    return Supervisor()
