"""Facts about the server's process that need a file or a socket to know: memory in use now, the port, the event API."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from kvcore.ports import LocalProcess

_STATM = Path("/proc/self/statm")


class ServerProcess(LocalProcess):
    """The process of a network server."""

    __slots__ = ()

    def __init__(self, port: int) -> None:
        super().__init__()
        self.tcp_port = port
        self.event_api = next((name for name in ("epoll", "kqueue", "poll") if hasattr(select, name)), "select")

    def memory_bytes(self) -> int:
        """Return the resident memory now; where the system does not tell, the highest so far."""
        return self.current_memory_bytes() or self.peak_memory_bytes()

    def current_memory_bytes(self) -> int:
        """Return the resident memory now, 0 where the system does not tell."""
        try:
            pages = int(_STATM.read_text().split()[1])
        except OSError:
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def crash(self, segfault: bool) -> None:
        """Die of the signal that a broken C program dies of."""
        os.kill(os.getpid(), signal.SIGSEGV if segfault else signal.SIGABRT)
