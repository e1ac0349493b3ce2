"""Stores and servers for tests: with a clock to move, faults to inject, snapshots as text and a log of commands.

    with TestStore() as store, store.log() as commands:
        store.set("k", "v", px=1000)
        store.clock.advance(2)
        assert store.get("k") is None
    assert commands.names == ["SET", "GET"]

Here: what the pytest fixtures are made of, for use without pytest, too. Not here: fixtures
(:mod:`kvcore.frontends.pytest_plugin`). The rule: everything a test opens ends with it, and nothing has a fixed name,
port or path.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Final, cast, overload

from kvcore import plugins
from kvcore.clock import AdjustableClock
from kvcore.engine import Engine
from kvcore.frontends import command_log, text_snapshot
from kvcore.frontends.command_log import CommandLog
from kvcore.frontends.faults import Faults
from kvcore.frontends.host import Host
from kvcore.frontends.inprocess import Store, make_config
from kvcore.frontends.users import open_acl_file
from kvcore.replies import Reply

if TYPE_CHECKING:
    from kvcore.frontends.asyncio_server import AsyncioServer
    from kvcore.storage.durable import Durable

Moment = datetime | float
"""A point in time: a datetime, UTC if it names no zone, or seconds since the Unix epoch."""

_PORT_ATTEMPTS: Final = 20
"""Another process may take a port that was just free."""

HAS_UNIX_SOCKETS: Final = hasattr(socket, "AF_UNIX")
_SOCKET_PATH_MAX: Final = 104
"""Bytes of a Unix socket's path with its end, on the system that has the least."""


class ClockControl:
    """Moves the time of the stores and servers that were made with it; others keep theirs.

    While it is left alone they have the machine's time, and with it that of freezegun and time-machine.
    """

    __slots__ = ("_hosts", "clock")

    def __init__(self) -> None:
        self.clock = AdjustableClock()
        """What an engine is given."""
        self._hosts: weakref.WeakSet[Host] = weakref.WeakSet()

    def follow(self, host: Host) -> None:
        """Have a host look at its deadlines when time is moved; its engine has :attr:`clock`."""
        self._hosts.add(host)

    def time(self) -> float:
        """Return the seconds since the Unix epoch, as the TIME command tells them."""
        return self.clock.now_us() / 1e6

    def now(self) -> datetime:
        """Return the time as a datetime in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, by: float | timedelta) -> None:
        """Move time on by seconds, or back: keys expire, and waiting commands whose time is up return."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        self.clock.advance(round(seconds * 1e6))
        self._tick()

    def travel(self, to: Moment) -> None:
        """Make it another time; from there it goes on, or stands still if it does."""
        self.clock.travel(_microseconds(to))
        self._tick()

    def freeze(self, at: Moment | None = None) -> AbstractContextManager[None]:
        """Stop time, here or ``at`` a moment: until :meth:`unfreeze`, or the end of a ``with`` block around this call.

        A blocking command's time-out still passes, in real time, so that nothing waits for ever.
        """
        self.clock.freeze()
        if at is not None:
            self.travel(at)
        return self._frozen()

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.unfreeze()

    def unfreeze(self) -> None:
        """Let time go on from where it stands."""
        self.clock.unfreeze()

    def reset(self) -> None:
        """Tell the machine's time again."""
        self.clock.reset()
        self._tick()

    def _tick(self) -> None:
        for host in list(self._hosts):
            host.tick()


def _microseconds(moment: Moment) -> int:
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    return round(moment * 1e6)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _reachable(bind: str) -> str:
    """Return an address to connect to, of those that a server is bound to."""
    first = bind.split()[0].removeprefix("-") if bind else ""
    return "::1" if first.startswith("::") else "127.0.0.1" if first in ("", "*", "0.0.0.0") else first  # noqa: S104


class TestStore(Store[bytes]):
    """An embedded store in memory for one test. Keyword arguments are directives, as for :func:`kvcore.open`."""

    __test__ = False  # pytest: not a class of tests
    __slots__ = ("clock", "faults")

    def __init__(self, clock: ClockControl | None = None, **config: bool | int | str) -> None:
        control = ClockControl() if clock is None else clock
        super().__init__(make_config(config), clock=control.clock)
        control.follow(self._host)
        self.clock = control
        """Moves the store's time."""
        self.faults = Faults(self.engine, self.mutex)
        """What goes wrong on purpose."""

    @overload  # type: ignore[override]
    def dump(self) -> str: ...

    @overload
    def dump(self, name: bytes | str) -> bytes | None: ...

    def dump(self, name: bytes | str | None = None) -> str | bytes | None:
        """Return all data as text in a stable order, O(n log n); of one key, what DUMP answers.

        The text is that of :mod:`kvcore.frontends.text_snapshot`.
        """
        if name is None:
            return text_snapshot.dump(self.engine, self.mutex)
        return cast("bytes | None", self.execute(b"DUMP", name))

    def load(self, text: str) -> int:
        """Put the keys of such a text in place of those of their names; return how many. O(size)."""
        return text_snapshot.load(text, self.engine, self.mutex)

    def log(self) -> AbstractContextManager[CommandLog]:
        """Log all clients' commands while a ``with`` block lasts."""
        return command_log.record(self.engine, self.mutex)


_RESETS: Final = (
    b"FLUSHALL SYNC",
    b"FUNCTION FLUSH",
    b"SCRIPT FLUSH",
    b"CONFIG RESETSTAT",
    b"SLOWLOG RESET",
    b"LATENCY RESET",
    b"ACL LOG RESET",
)


def _end(server: AsyncioServer, storage: Durable, folder: str) -> None:
    server.stop()
    storage.close()
    shutil.rmtree(folder, ignore_errors=True)


def _abandon(server: AsyncioServer, storage: Durable, folder: str) -> None:
    """Stop a server that was collected, or still runs when the interpreter ends."""
    text = "a TestServer was not stopped: call stop(), or use it in a with statement"
    warnings.warn(text, ResourceWarning, stacklevel=2)
    _end(server, storage, folder)


class TestServer:
    """A server on a free port of the loopback interface and on a Unix socket, in a thread of this process.

    It serves from the moment it is made until :meth:`stop`; keyword arguments are directives. What it writes goes to a
    folder of its own, removed at the end.
    """

    __test__ = False
    __slots__ = (
        "__weakref__",
        "_config",
        "_end",
        "_users",
        "clock",
        "engine",
        "faults",
        "host",
        "mutex",
        "port",
        "unix_socket",
    )

    def __init__(self, clock: ClockControl | None = None, **config: bool | int | str) -> None:
        self.clock = ClockControl() if clock is None else clock
        """Moves the server's time."""
        folder = tempfile.mkdtemp(prefix="kvcore-")
        path = os.path.join(folder, "socket")
        settings: dict[str, bool | int | str] = {"bind": "127.0.0.1", "save": "", "dir": folder}
        if HAS_UNIX_SOCKETS and len(os.fsencode(path)) < _SOCKET_PATH_MAX:
            settings["unixsocket"] = path
        settings.update(config)
        self.unix_socket = str(settings.get("unixsocket", ""))
        """The path of its Unix socket, empty where there are none, or where it would be too long."""
        try:
            server, storage = self._start(settings)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._end = weakref.finalize(self, _abandon, server, storage, folder)
        self.engine: Engine = server.engine
        self.mutex: threading.Lock = server.host.lock
        self.host = _reachable(str(settings["bind"]))
        """Where it listens; the loopback address for a server that listens everywhere."""
        self.port = server.port
        self.faults = Faults(self.engine, self.mutex, refuse=self._refuse, accept=self._accept)
        """What goes wrong on purpose."""
        self._config = self.engine.config.config_get([b"*"])
        self._users = self._run(b"ACL", b"LIST")

    def _start(self, settings: dict[str, bool | int | str]) -> tuple[AsyncioServer, Durable]:
        from kvcore.frontends.asyncio_server import AsyncioServer
        from kvcore.frontends.listen import ListenError
        from kvcore.frontends.threaded_server import ThreadedServer
        from kvcore.storage.durable import Durable

        plugins.load_commands()
        config = make_config(settings)
        engine = Engine(config, clock=self.clock.clock)
        storage = Durable(engine)
        storage.load()
        open_acl_file(engine)
        host = Host(engine)
        kind = ThreadedServer if config.integer("server-threads") > 1 else AsyncioServer
        server = kind(engine, config, host)
        for attempt in range(_PORT_ATTEMPTS):
            if "port" not in settings:
                config.assign("port", _free_port())
            try:
                server.start()
                break
            except ListenError:
                if "port" in settings or attempt + 1 == _PORT_ATTEMPTS:
                    raise
        self.clock.follow(host)
        return server, storage

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:port/0``."""
        return f"redis://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """``unix:///path?db=0``."""
        return f"unix://{self.unix_socket}?db=0"

    def stop(self) -> None:
        """Close every connection, stop serving, wait for the thread; stopping twice does nothing."""
        kept = self._end.detach()
        if kept is not None:
            _end(*kept[2])

    def __enter__(self) -> TestServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def reset(self) -> None:
        """Make it as new for the next test; connections stay open.

        No faults, data, scripts, further users or statistics; the directives it began with, the machine's time.
        """
        self.faults.clear()
        self.clock.reset()
        with self.mutex:
            self.engine.unpause()
            config = self.engine.config
            for name, value in config.config_get([b"*"]).items():
                if self._config.get(name) != value:
                    config.set(name.decode(), self._config[name])
        for words in _RESETS:
            self._run(*words.split())
        users = self._run(b"ACL", b"LIST")
        if users != self._users:
            for user in users:
                self._run(b"ACL", b"DELUSER", user.split()[1])
            for user in self._users:
                self._run(b"ACL", b"SETUSER", user.split()[1], b"reset", *user.split()[2:])

    def _run(self, *argv: bytes) -> Reply:
        with self.mutex:
            session = self.engine.session(trusted=True)
            try:
                return self.engine.execute(session, list(argv))
            finally:
                self.engine.drop(session)

    def dump(self) -> str:
        """Return the data as text in a stable order (:mod:`kvcore.frontends.text_snapshot`). O(n log n)."""
        return text_snapshot.dump(self.engine, self.mutex)

    def load(self, text: str) -> int:
        """Put the keys of such a text in place of those of their names; return how many. O(size)."""
        return text_snapshot.load(text, self.engine, self.mutex)

    def log(self) -> AbstractContextManager[CommandLog]:
        """Log all clients' commands while a ``with`` block lasts."""
        return command_log.record(self.engine, self.mutex)

    # Faults; under the lock

    def _refuse(self) -> None:
        """Close the port; the Unix socket stays, and whoever comes by it is cut off at the first command."""
        self.engine.config.set("port", "0")

    def _accept(self) -> None:
        self.engine.config.set("port", str(self.port))
