"""What the engine asks of the world outside it, as protocols, with defaults that open nothing.

Lives here: the process facts that INFO and HELLO report. Must not live here: anything that opens a file or a socket.
The rule: the engine reads these attributes and never the operating system; a front end that knows more (the port it
listens on, the memory in use now) replaces or fills in ``engine.process``.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

if sys.platform != "win32":
    import resource


def _find_malloc_trim() -> Callable[[int], int] | None:
    """Return glibc's function of this name; other C libraries have none."""
    if sys.platform != "linux":
        return None
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    return trim


_malloc_trim = _find_malloc_trim()


class CpuTimes(NamedTuple):
    """Processor time in seconds: this process, its children, and the calling thread."""

    system: float
    user: float
    children_system: float
    children_user: float
    thread_system: float
    thread_user: float


class Process(Protocol):
    """Facts about the process that holds the engine."""

    pid: int
    executable: str
    """Absolute path of the program."""
    tcp_port: int
    """The port clients connect to, 0 if there is none."""
    event_api: str
    """What waits for sockets: ``epoll``, ``kqueue``, ``select``, ``none``."""

    def memory_bytes(self) -> int:
        """Return the resident memory of the process."""
        ...

    def current_memory_bytes(self) -> int:
        """Return what is resident now and never a peak, 0 if unknown."""
        ...

    def peak_memory_bytes(self) -> int:
        """Return the highest resident memory so far."""
        ...

    def total_memory_bytes(self) -> int:
        """Return the memory of the machine, 0 if unknown."""
        ...

    def release_memory(self) -> None:
        """Give memory that is free inside the process back to the system, where that can be asked for."""
        ...

    def cpu_times(self) -> CpuTimes:
        """Return the processor time used so far."""
        ...

    def operating_system(self) -> str:
        """Return name, release and machine: ``Linux 6.1.0 x86_64``."""
        ...

    def sleep(self, seconds: float) -> None:
        """Stand still, the engine lock held (DEBUG SLEEP)."""
        ...


class LocalProcess:
    """The process this code runs in, as far as it can be known without opening a file."""

    __slots__ = ("event_api", "executable", "pid", "tcp_port")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.executable = sys.executable
        self.tcp_port = 0
        self.event_api = "none"

    def memory_bytes(self) -> int:
        """Return the peak: what is resident now stands in a file, and only a front end may open one."""
        return self.peak_memory_bytes()

    def current_memory_bytes(self) -> int:
        """Return 0: unknown without a file."""
        return 0

    def peak_memory_bytes(self) -> int:
        """Return the highest resident memory so far, 0 if unknown."""
        if sys.platform == "win32":
            return 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, the others kilobytes

    def total_memory_bytes(self) -> int:
        """Return the memory of the machine, 0 if unknown."""
        if sys.platform == "win32":
            return 0
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError):
            return 0

    def release_memory(self) -> None:
        """Trim the C heap: it keeps pages that are free between others, unless told. A few ms for 100 MB."""
        if _malloc_trim is not None:
            _malloc_trim(0)

    def cpu_times(self) -> CpuTimes:
        """Return the processor time used so far."""
        times = os.times()
        thread = time.thread_time()
        if sys.platform == "linux":
            own = resource.getrusage(resource.RUSAGE_THREAD)
            return CpuTimes(
                times.system,
                times.user,
                times.children_system,
                times.children_user,
                own.ru_stime,
                own.ru_utime,
            )
        return CpuTimes(times.system, times.user, times.children_system, times.children_user, 0.0, thread)

    def operating_system(self) -> str:
        """Return name, release and machine."""
        return f"{platform.system()} {platform.release()} {platform.machine()}"

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(seconds)
