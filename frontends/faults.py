"""Faults on purpose: a store or server under test that is down, slow, full, read-only, or fails chosen commands.

    with store.faults.fail("ERR no luck", "SET", times=1):
        ...
    store.faults.go_down()

Here: what goes wrong, for which commands, how often. Not here: how commands run; faults come before them, through one
bit of the engine's gate, so that a store without faults pays nothing. The rule: a client sees what it would see of a
real server in that state, and the data is never touched.

Commands inside EXEC and scripts are part of the command that runs them; where a transaction is queued, its commands can
fail, and EXEC is then refused as a real server does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

from kvcore import errors
from kvcore.blocking import Blocked
from kvcore.command import DENYOOM, LOADING, WRITE, Command
from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.frontends.connection import Connection, Transport
from kvcore.glob import match
from kvcore.replies import NO_REPLY, Reply
from kvcore.session import IN_MULTI, InProcessPeer, Session

FOREVER: Final = 1 << 62

Where = Callable[[list[bytes]], bool]
Effect = Callable[["Fault", Session, Command, list[bytes], int], Reply | None]


class DownError(CommandError, ConnectionError):
    """The store cannot be reached, as :class:`Faults` was told. Clients of redis-py raise redis.ConnectionError."""


class _Late:
    """What the effect of a delay returns: the command is to run in so many seconds."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Fault:
    """One thing that goes wrong; it stays until :meth:`remove`, the end of a ``with`` block, or ``times``."""

    __slots__ = ("_after", "_effect", "_faults", "_patterns", "_times", "_where", "hits")

    def __init__(
        self,
        faults: Faults,
        effect: Effect,
        commands: tuple[str, ...],
        times: int | None,
        after: int,
        where: Where | None,
    ) -> None:
        self._faults = faults
        self._effect = effect
        self._patterns = [name.lower().replace(" ", "|").encode() for name in commands]
        self._times = FOREVER if times is None else times
        self._after = after
        self._where = where
        self.hits = 0
        """How many commands it befell."""

    def remove(self) -> None:
        """End it; ending it twice does nothing."""
        self._faults.remove(self)

    def __enter__(self) -> Fault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()

    def strangers(self, engine: Engine) -> list[str]:
        """Return the names that are no command's: such a fault would never happen."""
        names: list[bytes] = []
        for record in engine.originals.values():
            if record.subcommands is None or record.arity == -1:  # COMMAND alone runs without a subcommand
                names.append(record.full_name.encode())
            names += (each.full_name.encode() for each in (record.subcommands or {}).values())
        return [pattern.decode() for pattern in self._patterns if not any(match(pattern, name) for name in names)]

    def befall(self, session: Session, command: Command, argv: list[bytes], bits: int) -> Reply | None:
        """Return what the command answers instead of running, None if it is not meant or no longer."""
        if self._patterns:
            name = command.full_name.encode()
            if not any(match(pattern, name) for pattern in self._patterns):
                return None
        if self._where is not None:
            try:
                if not self._where(argv):
                    return None
            except IndexError:
                return None
            except Exception as error:
                return CommandError(f"ERR the function that was to say where faults happen raised {error!r}")
        if self._after > 0:
            self._after -= 1
            return None
        answer = self._effect(self, session, command, argv, bits)
        if answer is not None:
            self.hits += 1
            self._times -= 1
            if self._times <= 0:
                self._faults.discard(self)
        return answer


class Faults:
    """What goes wrong with one engine. Every method may be called from any thread.

    ``commands`` are names, in any spelling, with ``*`` and ``?`` as in KEYS, subcommands as ``"config get"``; without
    one all are meant. ``times`` is how many commands it befalls before it ends by itself, ``after`` how many are let
    through before, ``where`` a function of the argument list that must be true as well; a command too short for it, so
    that it raises IndexError, is not meant.
    """

    __slots__ = ("_engine", "_faults", "_late", "_left", "_lock", "_not_listening", "_refusals", "_resume", "down")

    def __init__(
        self,
        engine: Engine,
        lock: threading.Lock,
        *,
        refuse: Callable[[], None] | None = None,
        accept: Callable[[], None] | None = None,
    ) -> None:
        """``refuse`` and ``accept`` close and open the server's port, under the lock."""
        self._engine = engine
        self._lock = lock
        self._not_listening = refuse
        self._resume = accept
        self._faults: list[Fault] = []
        self._refusals: dict[Fault, tuple[str, bool]] = {}
        """What scripts are told of a state: the error for writing, whether memory is short."""
        self._late: list[bytes] = []
        """The delayed command that runs now."""
        self._left: tuple[Fault, ...] = ()
        """The faults it has not passed yet."""
        self.down = False
        """Whether nobody can reach it."""

    # The server as a whole

    def go_down(self) -> None:
        """Break every connection, waiting commands included, and let nobody in; the data stays."""
        with self._lock:
            self.down = True
            self._arm()
            if self._not_listening is not None:
                self._not_listening()
            for session in list(self._engine.sessions.values()):
                if not isinstance(session.peer, InProcessPeer):
                    session.close()
                elif session.blocked is not None:
                    self._engine.blocking.finish(session.blocked, DownError(errors.INJECTED_DOWN))

    def come_back(self) -> None:
        """Let clients in again, at the same address."""
        with self._lock:
            if self.down and self._resume is not None:
                self._resume()
            self.down = False
            self._arm()

    def clear(self) -> None:
        """End all faults, and come back."""
        self.come_back()
        with self._lock:
            self._faults.clear()
            self._refusals.clear()
            self._arm()

    def remove(self, fault: Fault) -> None:
        """End one fault."""
        with self._lock:
            self.discard(fault)

    def discard(self, fault: Fault) -> None:
        """Do what :meth:`remove` does, for a caller that holds the lock."""
        if fault in self._faults:
            self._faults.remove(fault)
        self._refusals.pop(fault, None)
        self._arm()

    # Commands

    def fail(
        self, text: str, *commands: str, times: int | None = None, after: int = 0, where: Where | None = None
    ) -> Fault:
        """Answer commands with an error, its code first (``"ERR no luck"``); they do not run."""
        if not text or "\n" in text or "\r" in text:
            raise ValueError("the text of an error is one line, its code first")

        def effect(_fault: Fault, _session: Session, _command: Command, _argv: list[bytes], _bits: int) -> Reply:
            return CommandError(text)

        return self._add(effect, commands, times, after, where)

    def delay(
        self, seconds: float, *commands: str, times: int | None = None, after: int = 0, where: Where | None = None
    ) -> Fault:
        """Let commands wait before they run, as on a slow network; a pipeline's transaction waits once, at MULTI.

        The waiting ends sooner if the store's clock is advanced that far.
        """
        if seconds < 0:
            raise ValueError("nothing takes less than no time")

        late = _Late(seconds)

        def effect(_fault: Fault, session: Session, _command: Command, _argv: list[bytes], _bits: int) -> Reply | None:
            return None if session.gate & IN_MULTI else late

        return self._add(effect, commands, times, after, where)

    def disconnect(self, *commands: str, times: int | None = None, after: int = 0, where: Where | None = None) -> Fault:
        """Close the connection in place of an answer; the commands do not run."""

        def effect(_fault: Fault, session: Session, _command: Command, _argv: list[bytes], _bits: int) -> Reply:
            return _cut_off(session)

        return self._add(effect, commands, times, after, where)

    def disconnect_after(self, size: int, *, times: int | None = 1) -> Fault:
        """Close a connection once ``size`` more bytes were sent on it, in the middle of a reply; the commands run.

        A server's connections only, ``times`` of them, each from its next command on; stores in process send no bytes.
        """
        if size < 0:
            raise ValueError("a connection cannot end before it began")
        met: set[int] = set()

        def effect(fault: Fault, session: Session, _command: Command, _argv: list[bytes], _bits: int) -> Reply | None:
            peer = session.peer
            if isinstance(peer, Connection) and session.id not in met:
                met.add(session.id)
                fault.hits += 1
                if fault.hits == times:
                    self.discard(fault)
                peer.through(lambda transport: _Cut(transport, size))
            return None

        return self._add(effect, (), None, 0, None)

    # States

    def loading(self) -> Fault:
        """Answer as a server that is loading its data: most commands are refused."""

        def effect(_fault: Fault, _session: Session, _command: Command, _argv: list[bytes], bits: int) -> Reply | None:
            return None if bits & LOADING else CommandError(errors.LOADING)

        return self._add(effect, (), None, 0, None)

    def readonly(self) -> Fault:
        """Answer as a replica: writing commands are refused."""
        return self._refuse_writes(errors.READ_ONLY_REPLICA)

    def misconf(self) -> Fault:
        """Answer as a server that could not save: writing commands, and PING, are refused."""
        return self._refuse_writes(errors.CANNOT_PERSIST, "ping")

    def oom(self) -> Fault:
        """Answer as a server at its memory limit: commands that may use more are refused."""

        def effect(_fault: Fault, _session: Session, _command: Command, _argv: list[bytes], bits: int) -> Reply | None:
            return CommandError(errors.OUT_OF_MEMORY) if bits & DENYOOM else None

        return self._add(effect, (), None, 0, None, ("", True))

    def _refuse_writes(self, text: str, also: str = "") -> Fault:
        def effect(_fault: Fault, _session: Session, command: Command, _argv: list[bytes], bits: int) -> Reply | None:
            return CommandError(text) if bits & WRITE or command.name == also else None

        return self._add(effect, (), None, 0, None, (text, False))

    # The engine's side

    def before(self, session: Session, command: Command, argv: list[bytes], bits: int) -> Reply | None:
        """Return what a command answers instead of running, None if it runs."""
        if self.down:
            return _cut_off(session)
        faults = tuple(self._faults) if argv is not self._late else self._left
        for number, fault in enumerate(faults, 1):
            answer = fault.befall(session, command, argv, bits) if fault in self._faults else None
            if isinstance(answer, _Late):
                return self._park(session, argv, answer.seconds, faults[number:])
            if answer is not None:
                return answer
        return None

    def write_refusal(self) -> str:
        """Return the error for a script's writing commands, empty if they may run."""
        return next((text for text, _ in self._refusals.values() if text), "")

    def lacks_memory(self) -> bool:
        """Say whether scripts find the memory limit passed."""
        return any(short for _, short in self._refusals.values())

    # Inner works

    def _add(
        self,
        effect: Effect,
        commands: tuple[str, ...],
        times: int | None,
        after: int,
        where: Where | None,
        refusal: tuple[str, bool] | None = None,
    ) -> Fault:
        if times is not None and times < 1:
            raise ValueError("times is how often it happens: at least once, or None for always")
        if after < 0:
            raise ValueError("after is how many commands go through before: none, or more")
        fault = Fault(self, effect, commands, times, after, where)
        for name in fault.strangers(self._engine):
            raise ValueError(f"no command is called {name!r}; subcommands are named like 'config get' or 'config *'")
        with self._lock:
            self._faults.append(fault)
            if refusal is not None:
                self._refusals[fault] = refusal
            self._arm()
        return fault

    def _arm(self) -> None:
        """Have the engine ask, as long as there is something to ask for."""
        self._engine.intercept(self if self.down or self._faults else None)

    def _park(self, session: Session, argv: list[bytes], seconds: float, left: tuple[Fault, ...]) -> Blocked:
        """Run a command later; the faults that are ``left`` may befall it then."""

        def retry(_key: bytes) -> Reply:
            outer = self._late, self._left
            self._late, self._left = argv, left
            try:
                return self._engine.execute(session, argv)
            finally:
                self._late, self._left = outer

        engine = self._engine
        deadline_ms = engine.now_ms() + max(1, round(seconds * 1000))
        blocked = Blocked(session, session.call.db, (), deadline_ms, retry, None, delayed=True)
        engine.blocking.add(blocked)
        return blocked


def _cut_off(session: Session) -> Reply:
    if not isinstance(session.peer, InProcessPeer):
        session.close()
        return NO_REPLY
    return DownError(errors.INJECTED_DOWN)


class _Cut:
    """A transport that ends after so many bytes."""

    __slots__ = (
        "_left",
        "_transport",
        "abort",
        "buffered",
        "close",
        "hang_up",
        "pause_reading",
        "resume_reading",
        "schedule",
    )

    def __init__(self, transport: Transport, left: int) -> None:
        self._transport = transport
        self._left = left
        self.buffered = transport.buffered
        self.close = transport.close
        self.abort = transport.abort
        self.hang_up = transport.hang_up
        self.schedule = transport.schedule
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send what is left of the allowance, then close."""
        if self._left < 0:
            return
        if data[: self._left]:
            self._transport.write(data[: self._left])
        self._left -= len(data)
        if self._left <= 0:
            self._left = -1
            self._transport.close()
