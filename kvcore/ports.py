"""What the engine asks of the world outside it, as protocols, with defaults that open nothing.

Lives here: process facts for INFO and HELLO, links to other servers, where data is kept. Must not live here:
anything that opens a file or a socket.
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
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from kvcore.errors import NOTHING_ON_DISK, CommandError

if TYPE_CHECKING:
    from kvcore.command import Command
    from kvcore.replies import Reply
    from kvcore.session import Session

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


class TextFile(Protocol):
    """A file that is read and written as a whole, such as the `aclfile`."""

    path: str

    def read(self) -> bytes:
        """Return the content; raise OSError."""
        ...

    def replace(self, content: bytes) -> None:
        """Put ``content`` in place of the old one, at once or not at all; raise OSError."""
        ...


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
    supervised: str
    """What started the process and watches it: ``systemd``, ``upstart``, ``no``."""

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

    def secret_bytes(self, count: int) -> bytes:
        """Return random bytes that nobody can guess (ACL GENPASS)."""
        ...

    def sleep(self, seconds: float) -> None:
        """Stand still, the engine lock held (DEBUG SLEEP)."""
        ...

    def crash(self, segfault: bool) -> None:
        """End as a crash does (DEBUG SEGFAULT, DEBUG PANIC); return where the process is not ours to end."""
        ...


class Link(Protocol):
    """A connection to another server. Failures are OSError, and TimeoutError among them."""

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send all of ``data``; no pause may last longer than ``timeout_s``."""
        ...

    def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting for at least one byte; ``b""`` once the other end has closed."""
        ...

    def close(self) -> None:
        """Close; closing twice does nothing."""
        ...


class Wire(Protocol):
    """A connection that is listened to. Used under the engine lock."""

    def send(self, data: bytes) -> None:
        """Send a few bytes, without waiting."""
        ...

    def close(self) -> None:
        """Close; the listener hears no more of it."""
        ...

    @property
    def local_address(self) -> str:
        """The address of this end, ``?:0`` while there is no connection."""
        ...

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor, -1 while there is none."""
        ...


class WireListener(Protocol):
    """What hears of a :class:`Wire`. Called under the engine lock."""

    def connected(self) -> None:
        """Hear that the other end answers."""
        ...

    def received(self, data: bytes) -> None:
        """Take bytes, a few thousand at a time."""
        ...

    def delay_ms(self) -> float:
        """Return for how many milliseconds no more is to be read; ask again then. Whoever sends notices in time."""
        ...

    def lost(self, reason: str) -> None:
        """Hear that the connection could not be made, or is gone. It is the last call."""
        ...


class Network(Protocol):
    """How the engine reaches other servers."""

    def open(self, host: bytes, port: int, listener: WireListener) -> Wire:
        """Begin to connect; return what to send through once ``listener`` heard of it. Raise OSError."""
        ...

    def connect(self, host: bytes, port: int, timeout_s: float) -> Link:
        """Return a link; raise ConnectionError if it is refused, another OSError if there can be none."""
        ...

    def background(self, work: Callable[[], None], done: Callable[[], None]) -> bool:
        """Run ``work`` on another thread and without the engine lock, then ``done`` under it.

        ``done`` comes even if ``work`` raised. False, with nothing begun, where there is no such thread.
        """
        ...


class NoNetwork:
    """The network of an engine without a front end."""

    __slots__ = ()

    def connect(self, _host: bytes, _port: int, _timeout_s: float) -> Link:
        """Raise OSError: nothing can be reached from here."""
        raise OSError("no front end brought a network")

    def open(self, _host: bytes, _port: int, _listener: WireListener) -> Wire:
        """Raise OSError."""
        raise OSError("no front end brought a network")

    def background(self, _work: Callable[[], None], _done: Callable[[], None]) -> bool:
        """Return False."""
        return False


class Persistence(Protocol):
    """Where the data set is kept beyond the process; storage plug-ins bring it."""

    @property
    def last_save_s(self) -> int:
        """When the data set was last saved, in seconds since the Unix epoch; the start counts as a save."""
        ...

    def save(self) -> None:
        """Save now, holding everybody up; raise CommandError. O(keys)."""
        ...

    def save_in_background(self, schedule: bool) -> str:
        """Begin to save, or with ``schedule`` plan it if something is in the way; return the reply."""
        ...

    def rewrite(self) -> str:
        """Begin to rewrite the append-only file, or plan it if something is in the way; return the reply."""
        ...

    def reload_log(self) -> None:
        """Load the append-only file in place of the data set; raise CommandError (DEBUG LOADAOF)."""
        ...

    def commit(self) -> bool:
        """Make safe what was done so far, as `appendfsync` asks; False if no reply may say that it was done.

        Called without the engine lock, before replies leave.
        """
        ...

    def reload(self, save: bool, flush: bool, merge: bool) -> None:
        """Save, empty the data set and load the file, each where asked for; raise CommandError (DEBUG RELOAD)."""
        ...

    def replaced(self) -> None:
        """Take note that the data set was replaced by another, without a word to the effects' subscribers."""
        ...

    def emptied(self) -> bool:
        """Take note that every key of every database was deleted on purpose (FLUSHALL); say whether that is saved."""
        ...

    def prepare_shutdown(self, save: bool | None, *, force: bool = False) -> bool:
        """Leave behind what is to be found at the next start; None saves if there are save points.

        False says that this failed, and the log why; with ``force`` it is tried, and True whatever came of it.
        """
        ...

    def drop_unfinished(self) -> None:
        """Delete the file that is being written: the process ends at once, in the middle of it (a second SIGINT)."""
        ...

    def tick(self, now_ms: int) -> int:
        """Do what time asks for, and a slice of what runs in the background.

        Returns in how many milliseconds to call again, -1 when the next regular tick is soon enough.
        """
        ...

    def fields(self) -> dict[str, str | int]:
        """Return fields of INFO persistence that differ from those of a server which keeps nothing."""
        ...


class MemoryOnly:
    """The persistence of a data set that ends with its process."""

    __slots__ = ("last_save_s",)

    def __init__(self, started_s: int) -> None:
        self.last_save_s = started_s

    def save(self) -> None:
        """Raise CommandError: there is nowhere to save to."""
        raise CommandError(NOTHING_ON_DISK)

    def save_in_background(self, schedule: bool) -> str:  # noqa: ARG002 - the protocol's argument
        """Raise CommandError."""
        raise CommandError(NOTHING_ON_DISK)

    def rewrite(self) -> str:
        """Raise CommandError."""
        raise CommandError(NOTHING_ON_DISK)

    def reload_log(self) -> None:
        """Raise CommandError."""
        raise CommandError(NOTHING_ON_DISK)

    def commit(self) -> bool:
        """Return True: memory is as safe as it gets."""
        return True

    def reload(self, save: bool, flush: bool, merge: bool) -> None:  # noqa: ARG002 - the protocol's arguments
        """Raise CommandError."""
        raise CommandError(NOTHING_ON_DISK)

    def replaced(self) -> None:
        """Do nothing."""

    def emptied(self) -> bool:
        """Return False: nothing was kept."""
        return False

    def prepare_shutdown(self, save: bool | None, *, force: bool = False) -> bool:
        """Say that nothing is left behind, which fails only if something is asked for."""
        return force or save is not True

    def drop_unfinished(self) -> None:
        """Do nothing."""

    def tick(self, now_ms: int) -> int:  # noqa: ARG002 - the protocol's argument
        """Return -1."""
        return -1

    def fields(self) -> dict[str, str | int]:
        """Return no fields."""
        return {}


class Replication(Protocol):
    """The other servers that have the data set, too; a replication plug-in brings them."""

    def introduce(self, session: Session, option: str, value: bytes) -> None:
        """Note what a client that may become a replica says of itself (REPLCONF); raise CommandError."""
        ...

    def acknowledge(self, session: Session, offset: int) -> None:
        """Hear up to which offset a replica has the stream."""
        ...

    def hear(self, session: Session) -> None:
        """Hear that a replica is alive, and no more."""
        ...

    def synchronise(self, session: Session, history: bytes, offset: int | None) -> Reply:
        """Make a replica of a client that has stream ``history`` up to before ``offset``; None means SYNC."""
        ...

    def follow(self, host: str, port: int) -> str:
        """Become a replica of another server; return the reply. Raise CommandError."""
        ...

    def lead(self) -> None:
        """Become a primary, with the data set as it is."""
        ...

    def take_over(self, history: bytes) -> None:
        """Become a primary because the present one, in ``history``, asks for it; raise CommandError."""
        ...

    def begin_failover(self, target: tuple[str, int] | None, *, forced: bool, timeout_ms: int) -> None:
        """Change places with a replica, or plan to; raise CommandError (FAILOVER)."""
        ...

    def abort_failover(self) -> None:
        """End a failover that has not happened; raise CommandError if there is none."""
        ...

    def saved_fields(self) -> tuple[tuple[str, str], ...]:
        """Return what a snapshot file tells of the stream, nothing if there is none to go on with."""
        ...

    def role(self) -> Reply:
        """Return the answer of ROLE."""
        ...

    def drop(self, session: Session) -> None:
        """Forget a session that ended."""
        ...

    def stream_bytes(self, session: Session) -> int:
        """Return how many bytes a client was sent that its output limit is for, if it is a replica."""
        ...

    def change_history(self) -> None:
        """Begin another history, in which nobody can go on."""
        ...

    def tick(self, now_ms: int) -> int:
        """Do what time asks for; return in how many milliseconds to call again, -1 if the next regular tick will do."""
        ...

    def fields(self) -> dict[str, str | int]:
        """Return INFO replication, in its order."""
        ...

    def loaded(self) -> None:
        """Hear that the data set was loaded at the start (``engine.saved_position`` says where it stood)."""
        ...

    def loading(self) -> dict[str, str | int]:
        """Return the fields of INFO persistence about a data set on its way in, none if clients know of none."""
        ...

    def counters(self) -> dict[str, int]:
        """Return fields of INFO's other sections that differ from those of a server alone."""
        ...

    def lags(self) -> bool:
        """Say whether a replica lacks some of what was written here."""
        ...

    def hurry(self) -> None:
        """Ask the replicas how far they are."""
        ...

    def report_lag(self) -> None:
        """Log which replicas lack something now that the server ends."""
        ...

    def reset_counters(self) -> None:
        """Zero those of them that count (CONFIG RESETSTAT)."""
        ...


class Interceptor(Protocol):
    """What comes before every command while faults are injected (:meth:`kvcore.gates.Gates.intercept`)."""

    def before(self, session: Session, command: Command, argv: list[bytes], bits: int) -> Reply | None:
        """Return None to let the command run, or the answer: an error, or a ``Blocked`` that runs it later.

        ``bits`` are the flags of the command with what it leads to. Commands inside EXEC and scripts are not asked for.
        """
        ...

    def write_refusal(self) -> str:
        """Return the error for a script's writing commands, empty if they may run."""
        ...

    def lacks_memory(self) -> bool:
        """Say whether scripts are to find the memory limit passed."""
        ...


class Libraries(Protocol):
    """The function libraries, as snapshots carry them."""

    def sources(self) -> list[bytes]:
        """Return the source of every library."""
        ...

    def load(self, source: bytes) -> None:
        """Add a library, in place of one of its name; raise CommandError."""
        ...

    def flush(self) -> None:
        """Forget every library."""
        ...


class Parked:
    """The type of :data:`PARKED`."""

    __slots__ = ()


PARKED: Final = Parked()
"""What :meth:`ScriptTurns.run` returns when the job gave way to others and goes on later."""


class ScriptTurns(Protocol):
    """How a script that runs long lets other clients in: a front end knows who holds the lock, and what waits."""

    parks: bool
    """Whether :meth:`run` may return :data:`PARKED`; if not, jobs are run without it."""

    def run(self, job: Callable[[], None], done: Callable[[], None]) -> Parked | None:
        """Run ``job``, under the lock; if it gives way return PARKED, and call ``done`` under the lock when it ends."""
        ...

    def yield_now(self) -> None:
        """Let others run for a moment. The job calls this, under the lock, and holds it again when this returns."""
        ...


class RunThrough:
    """The turns of an engine whose lock nobody else waits for."""

    __slots__ = ()

    parks = False

    def run(self, job: Callable[[], None], done: Callable[[], None]) -> None:  # noqa: ARG002 - the protocol's argument
        """Run ``job`` to its end."""
        job()

    def yield_now(self) -> None:
        """Go on at once."""


class LocalProcess:
    """The process this code runs in, as far as it can be known without opening a file."""

    __slots__ = ("event_api", "executable", "pid", "supervised", "tcp_port")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.executable = sys.executable
        self.tcp_port = 0
        self.event_api = "none"
        self.supervised = "no"

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

    def secret_bytes(self, count: int) -> bytes:
        """Return bytes of the operating system's generator."""
        return os.urandom(count)

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        time.sleep(seconds)

    def crash(self, segfault: bool) -> None:
        """Do nothing: the program that holds the store must not die of a command."""
