"""Pipelines: commands that are queued and run together, as one transaction or one after the other.

    with store.pipeline() as pipe:
        pipe.set("a", 1).incr("a")
        pipe.execute()                  # [True, 2]

What lives here: the queue, WATCH, and what becomes of replies; for stores and asynchronous ones. The rule: a pipeline
has a session of its own from its first WATCH or execute() on, and gives it back at the end of each execute() or
reset().
"""

from __future__ import annotations

import contextlib
import inspect
import queue
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, Self

from kvcore.arguments import Argument, encode
from kvcore.errors import CommandError, KvcoreError
from kvcore.frontends.store_base import Convert, Key, R, T, as_string, plain, same, settle
from kvcore.replies import NULL_ARRAY, Reply, Transaction
from kvcore.session import Session

if TYPE_CHECKING:
    from kvcore.frontends.inprocess import Store
    from kvcore.frontends.inprocess_async import AsyncStore
    from kvcore.frontends.pipeline_commands import PipelineCommands
    from kvcore.frontends.store import BaseStore
    from kvcore.frontends.store_async import BaseAsyncStore
else:
    from kvcore.frontends.store_commands import StoreCommands as PipelineCommands

_MULTI: Final = [b"MULTI"]
_EXEC: Final = [b"EXEC"]
_MOST_SHOWN: Final = 100


class WatchError(KvcoreError):
    """A watched key changed before the transaction ran; nothing of it was done."""


class Queued:
    """A command that waits in a pipeline."""

    __slots__ = ("argv", "convert", "decode")

    def __init__(self, argv: list[bytes], convert: Convert[object], decode: bool) -> None:
        self.argv = argv
        self.convert = convert
        self.decode = decode


class BasePipeline(PipelineCommands[T], Generic[T]):
    """The queue of a pipeline."""

    __slots__ = ("_decode", "_explicit", "_queue", "_transaction", "_watching")

    def __init__(self, decode: bool, transaction: bool) -> None:
        self._decode = decode
        self._transaction = transaction
        self._queue: list[Queued] = []
        self._watching = False
        self._explicit = False
        """Whether multi() ended the reading after a watch()."""

    def __len__(self) -> int:
        return len(self._queue)

    def __bool__(self) -> bool:
        """Be true although nothing may be queued."""
        return True

    def _call(self, convert: Convert[object], *arguments: Argument) -> Reply:
        return self._take(Queued([encode(word) for word in arguments], convert, self._decode))

    def _call_undecoded(self, convert: Convert[object], *arguments: Argument) -> Reply:
        return self._take(Queued([encode(word) for word in arguments], convert, False))

    def _call_status(self, convert: Convert[object], *arguments: Argument) -> Reply:
        def status(reply: Reply) -> Reply:
            return as_string(convert(reply), self._decode)

        return self._call(status, *arguments)

    def _take(self, command: Queued) -> Reply:
        if self._watching and not self._explicit:
            return self._run_now(command)
        self._queue.append(command)
        return self

    def _run_now(self, command: Queued) -> Reply:
        raise TypeError(f"{type(self).__name__} cannot run {command.argv[0]!r}")

    def execute_command(self, *arguments: Argument) -> Reply:
        """Queue any command; while keys are watched and :meth:`multi` was not called, run it at once."""
        if not arguments:
            raise TypeError("execute_command() needs the name of a command")
        return self._call(plain, *arguments)

    def multi(self) -> None:
        """End the reading that follows a :meth:`watch`: what comes now is queued."""
        if self._explicit:
            raise KvcoreError("multi() was called already")
        if self._queue:
            raise KvcoreError("multi() comes before the commands of a transaction")
        self._explicit = True

    def _begin(self) -> tuple[list[Queued], bool]:
        """Return what is to run, and whether as a transaction."""
        queued, self._queue = self._queue, []
        return queued, self._transaction or self._explicit or self._watching


def _commands(queued: Sequence[Queued], atomic: bool) -> list[list[bytes]]:
    argvs = [command.argv for command in queued]
    return [_MULTI, *argvs, _EXEC] if atomic else argvs


def _results(queued: Sequence[Queued], replies: list[Reply], atomic: bool, raise_on_error: bool) -> list[Reply]:
    """Return each command's result; errors among them unless they are to be raised."""
    if atomic:
        for command, reply in zip(queued, replies[1:-1], strict=True):
            if isinstance(reply, CommandError):
                reply.add_note(_described(command))
                raise reply
        last = replies[-1]
        if last is NULL_ARRAY:
            raise WatchError("a watched key changed; nothing was done")
        if isinstance(last, CommandError):
            raise last
        replies = list(last) if type(last) is Transaction else last
    results: list[Reply] = []
    failure: CommandError | None = None
    for command, reply in zip(queued, replies, strict=True):
        if isinstance(reply, CommandError):
            if failure is None:
                reply.add_note(_described(command))
                failure = reply
            results.append(reply)
        else:
            results.append(settle(reply, command.convert, command.decode))
    if failure is not None and raise_on_error:
        raise failure
    return results


def _described(command: Queued) -> str:
    words = b" ".join(command.argv)[:_MOST_SHOWN].decode("utf-8", "replace")
    return f"the command of the pipeline was: {words}"


class Pipeline(BasePipeline[T], ABC):
    """A pipeline of a store; make one with ``store.pipeline()``."""

    __slots__ = ()

    @abstractmethod
    def _run_all(self, commands: list[list[bytes]]) -> list[Reply]:
        """Run commands in the pipeline's session; error replies are returned."""

    @abstractmethod
    def _release(self) -> None:
        """Give the session back, if there is one."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what is queued, and what is watched."""
        self._queue = []
        self._watching = self._explicit = False
        self._release()

    def _run_now(self, command: Queued) -> Reply:
        return settle(self._run_all([command.argv])[0], command.convert, command.decode)

    def watch(self, *names: Key) -> bool:
        """Have :meth:`execute` raise WatchError if a key changes before; until :meth:`multi` commands run at once."""
        if self._explicit or self._queue:
            raise KvcoreError("watch() comes before the commands of a transaction")
        argv = [b"WATCH", *map(encode, names)]
        self._run_now(Queued(argv, same, False))
        self._watching = True
        return True

    def unwatch(self) -> bool:
        """Watch no key any more."""
        if self._watching:
            self._run_now(Queued([b"UNWATCH"], same, False))
            self._watching = False
        return True

    def execute(self, raise_on_error: bool = True) -> list[Reply]:
        """Run what is queued and return the results; raise the first error, or return errors among them.

        Raises WatchError if a watched key changed.
        """
        queued, atomic = self._begin()
        try:
            if not queued:
                return []
            return _results(queued, self._run_all(_commands(queued, atomic)), atomic, raise_on_error)
        finally:
            self.reset()


class SessionPipeline(Pipeline[T]):
    """A pipeline of a store in this process."""

    __slots__ = ("__weakref__", "_delivered", "_finalizer", "_session", "_store")

    def __init__(self, store: Store[T], transaction: bool = True) -> None:
        super().__init__(store.decodes, transaction)
        self._store = store
        self._session: Session | None = None
        self._finalizer: weakref.finalize[[Session], SessionPipeline[T]] | None = None
        self._delivered: queue.SimpleQueue[Reply] = queue.SimpleQueue()

    def _release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            if self._finalizer is not None:
                self._finalizer.detach()
            self._store.end_session(session)

    def _run_all(self, commands: list[list[bytes]]) -> list[Reply]:
        if self._session is None:
            session = self._store.new_session(self._delivered, self._store.own_session())
            self._session = session
            self._finalizer = weakref.finalize(self, self._store.leave, session)
            self._finalizer.atexit = False
        return self._store.run_all(self._session, self._delivered, commands)


class AsyncPipeline(BasePipeline[T], ABC):
    """A pipeline of an asynchronous store; make one with its ``pipeline()``."""

    __slots__ = ()

    @abstractmethod
    async def _run_all(self, commands: list[list[bytes]]) -> list[Reply]:
        """Run commands in the pipeline's session; error replies are returned."""

    @abstractmethod
    def _release(self) -> None:
        """Give the session back, if there is one."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what is queued, and what is watched. Needs no await."""
        self._queue = []
        self._watching = self._explicit = False
        self._release()

    async def _run_now(self, command: Queued) -> Reply:
        return settle((await self._run_all([command.argv]))[0], command.convert, command.decode)

    async def watch(self, *names: Key) -> bool:
        """Have :meth:`execute` raise WatchError if a key changes before; until :meth:`multi` commands run at once."""
        if self._explicit or self._queue:
            raise KvcoreError("watch() comes before the commands of a transaction")
        argv = [b"WATCH", *map(encode, names)]
        await self._run_now(Queued(argv, same, False))
        self._watching = True
        return True

    async def unwatch(self) -> bool:
        """Watch no key any more."""
        if self._watching:
            await self._run_now(Queued([b"UNWATCH"], same, False))
            self._watching = False
        return True

    async def execute(self, raise_on_error: bool = True) -> list[Reply]:
        """Run what is queued and return the results; raise the first error, or return errors among them.

        Raises WatchError if a watched key changed.
        """
        queued, atomic = self._begin()
        try:
            if not queued:
                return []
            return _results(queued, await self._run_all(_commands(queued, atomic)), atomic, raise_on_error)
        finally:
            self.reset()


class AsyncSessionPipeline(AsyncPipeline[T]):
    """A pipeline of an asynchronous store in this process."""

    __slots__ = ("__weakref__", "_finalizer", "_session", "_store")

    def __init__(self, store: AsyncStore[T], transaction: bool = True) -> None:
        super().__init__(store.decodes, transaction)
        self._store = store
        self._session: Session | None = None
        self._finalizer: weakref.finalize[[Session], AsyncSessionPipeline[T]] | None = None

    def _release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            if self._finalizer is not None:
                self._finalizer.detach()
            self._store.end_session(session)

    async def _run_all(self, commands: list[list[bytes]]) -> list[Reply]:
        if self._session is None:
            session = self._session = self._store.new_session()
            self._finalizer = weakref.finalize(self, self._store.leave, session)
            self._finalizer.atexit = False
        return await self._store.run_all(self._session, commands)


def transact(
    store: BaseStore[T], function: Callable[[Pipeline[T]], R], watches: Sequence[Key]
) -> tuple[R, list[Reply]]:
    """Run a transaction until no watched key changes meanwhile; return what the function returned, and the replies."""
    with store.pipeline() as pipe:
        while True:
            with contextlib.suppress(WatchError):
                if watches:
                    pipe.watch(*watches)
                result = function(pipe)
                return result, pipe.execute()


async def transact_async(
    store: BaseAsyncStore[T], function: Callable[[AsyncPipeline[T]], object], watches: Sequence[Key]
) -> list[Reply]:
    """Run a transaction until no watched key changes meanwhile; return the replies."""
    async with store.pipeline() as pipe:
        while True:
            with contextlib.suppress(WatchError):
                if watches:
                    await pipe.watch(*watches)
                running = function(pipe)
                if inspect.isawaitable(running):
                    await running
                return await pipe.execute()
