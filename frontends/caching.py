"""Functions that remember their results in a store.

    @store.cache(ttl=60)
    def report(year: int) -> dict[str, int]: ...

    report(2024)              # computed, then remembered for a minute
    report.invalidate(2024)

What lives here: the decorator, keys from arguments, and that a result is computed once in a process however many ask
for it at once. The rule: results are JSON, so what is returned is what JSON makes of it, the first time as well as
later (a tuple comes back as a list); no data in a store is ever run or unpickled.

What is forgotten while it is computed must not come back when that ends. So a function has a hash of marks beside its
results, a random one for each of 256 groups of keys: whoever computes notes the mark before, and keeps the result only
if it is there still. To forget is to delete the mark with the result, in whichever process, and needs no memory; that a
group shares a mark costs another of its results a second computation at worst.

A cache is never why a function fails: where the store refuses to write (it is full, read-only, cut off by then), the
result is returned all the same, and a warning says so once for each function.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import logging
import secrets
import sys
import threading
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, overload

from kvcore.arguments import Argument, encode
from kvcore.errors import CommandError, KvcoreError, NotDurableError, WrongTypeError
from kvcore.frontends.store_base import Seconds, whole_ms
from kvcore.frontends.store_pipeline import WatchError
from kvcore.frontends.waiting import Wakeup, current_task, wakeup
from kvcore.replies import Reply

if TYPE_CHECKING:
    from kvcore.frontends.store import BaseStore

logger = logging.getLogger("kvcore.cache")

P = ParamSpec("P")
R = TypeVar("R")

KeyFunction = Callable[..., Argument]
"""Makes a key of the arguments of a call."""

_LONGEST: Final = 200
_GROUPS: Final = 256
_PLAIN: Final = (type(None), bool, int, float, str, bytes)


class Cache:
    """The decorator that :meth:`Store.cache` returns."""

    __slots__ = ("_key", "_prefix", "_store", "_ttl_ms")

    def __init__(
        self,
        store: BaseStore[Reply],
        ttl: Seconds | None = None,
        *,
        key: KeyFunction | None = None,
        prefix: str = "cache",
    ) -> None:
        if callable(ttl):
            raise TypeError("write @store.cache(), with parentheses")
        self._store = store
        self._ttl_ms = None if ttl is None else whole_ms(ttl, "a cache's ttl")
        self._key = key
        self._prefix = prefix

    @overload  # a coroutine function is a function, too; mypy takes the first that fits
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> CachedCoroutine[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> CachedFunction[P, R]: ...
    def __call__(self, function: Callable[P, Any]) -> CachedFunction[P, Any] | CachedCoroutine[P, Any]:
        """Return the function with a memory."""
        memory = Memory(self._store, function, self._ttl_ms, self._key, self._prefix)
        if inspect.iscoroutinefunction(function):
            return CachedCoroutine(function, memory)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("the results of a generator cannot be cached: return a list")
        if getattr(function, "__name__", "") == "<lambda>":
            raise TypeError("a lambda has no name of its own to keep results by: write a def")
        return CachedFunction(function, memory)


class Memory:
    """What one function's results are kept in."""

    __slots__ = (
        "_forgotten",
        "_key",
        "_marks",
        "_name",
        "_prefix",
        "_signature",
        "_store",
        "_told",
        "_ttl_ms",
        "mutex",
    )

    def __init__(
        self,
        store: BaseStore[Reply],
        function: Callable[..., Any],
        ttl_ms: int | None,
        key: KeyFunction | None,
        prefix: str,
    ) -> None:
        self._store = store
        self._signature = inspect.signature(function)
        self._ttl_ms = ttl_ms
        self._key = key
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._prefix = f"{prefix}:{self._name}:".encode()
        self._marks = f"{prefix}:{self._name}!marks".encode()
        self._forgotten = 0
        self._told = False
        self.mutex = threading.Lock()
        """Held while the table of running computations is looked at."""

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Return the key for a call; equal arguments make equal keys however they are passed."""
        if self._key is not None:
            return self._prefix + encode(self._key(*args, **kwargs))
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        words = (f"{name}={_spelled(value, name, self._name)}" for name, value in bound.arguments.items())
        text = ",".join(words).encode("utf-8", "surrogatepass")
        if len(text) > _LONGEST:
            text = hashlib.sha256(text).hexdigest().encode()
        return self._prefix + text

    def recall(self, key: bytes) -> tuple[bool, Any]:
        """Return whether there is a result, and it."""
        try:
            text: Any = self._store.get(key)
            return (False, None) if text is None else (True, json.loads(text))
        except (ValueError, WrongTypeError):
            return False, None  # not ours, or cut short: it is written anew

    def mark(self, key: bytes) -> bytes | str:
        """Return what is true of a key until its result is forgotten: to be asked for before it is computed."""
        group = _group(key)
        try:
            mark: bytes | str | None = self._store.hget(self._marks, group)
            while mark is None:
                self._store.hsetnx(self._marks, group, secrets.token_hex(8))
                mark = self._store.hget(self._marks, group)
        except (CommandError, NotDurableError) as error:
            self._warn(error)
            return f"none since {self._forgotten}"  # never in the store, so nothing is kept
        return mark

    def _warn(self, error: KvcoreError) -> None:
        if not self._told:
            self._told = True
            logger.warning("The results of %s() cannot be kept, and are computed each time: %s", self._name, error)

    def keep(self, key: bytes, mark: bytes | str, result: object) -> Any:
        """Remember a result, unless it was forgotten since it had that mark; return what stands for it."""
        try:
            text = json.dumps(result, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise TypeError(f"the result of {self._name}() is not to be had as JSON: {error}") from error
        try:
            data = text.encode()
        except UnicodeEncodeError:  # half a character: in escapes it is text for whoever reads it
            data = json.dumps(result).encode()
        try:
            self._put(key, mark, data)
        except KvcoreError as error:
            self._warn(error)
        return json.loads(text)

    def _put(self, key: bytes, mark: bytes | str, data: bytes) -> None:
        group = _group(key)
        with self._store.pipeline() as pipe:
            while True:
                pipe.watch(self._marks)
                if pipe.hget(self._marks, group) != mark:
                    return
                pipe.multi()
                pipe.set(key, data, px=self._ttl_ms)
                try:
                    pipe.execute()
                    return
                except WatchError:
                    continue  # it may have been another group's mark

    def forget(self, key: bytes) -> bool:
        """Forget a result, and what is being computed; return whether there was one."""
        self._forgotten += 1
        # The mark first: what is kept after it is gone is new. No transaction: out of memory, nothing can be queued.
        with self._store.pipeline(transaction=False) as pipe:
            pipe.hdel(self._marks, _group(key))
            pipe.delete(key)
            return bool(pipe.execute()[1])

    def clear(self) -> int:
        """Forget all results, and what is being computed; return how many there were."""
        self._forgotten += 1
        self._store.delete(self._marks)
        pattern = b"".join(b"\\%c" % byte if byte in b"*?[]\\^" else b"%c" % byte for byte in self._prefix) + b"*"
        keys: list[bytes | str] = list(self._store.scan_iter(pattern, 1000))
        return sum(self._store.delete(key) for key in keys)


def _group(key: bytes) -> int:
    return zlib.crc32(key) % _GROUPS


def _spelled(value: object, name: str, function: str) -> str:
    """Spell an argument so that different ones differ."""
    if type(value) in _PLAIN:
        return repr(value)
    if type(value) in (list, tuple):
        items = ",".join(_spelled(item, name, function) for item in value)  # type: ignore[attr-defined]
        return f"[{items}]" if type(value) is list else f"({items})"
    if type(value) is dict:
        pairs = ((_spelled(k, name, function), _spelled(v, name, function)) for k, v in value.items())
        return "{" + ",".join(f"{key}:{item}" for key, item in sorted(pairs)) + "}"
    if type(value) in (set, frozenset):
        members = sorted(_spelled(item, name, function) for item in value)  # type: ignore[attr-defined]
        return f"set({','.join(members)})"
    raise TypeError(
        f"the argument {name} of {function}() is a {type(value).__name__}, which makes no key: "
        "give @store.cache(key=...) a function of the arguments that returns one"
    )


class _Flight(Generic[R]):
    """A computation that others wait for."""

    __slots__ = ("done", "failed", "mark", "result", "task", "thread", "wakeups")

    def __init__(self, mark: bytes | str, task: object = None) -> None:
        self.mark = mark
        self.task = task
        self.done = threading.Event()
        self.thread = threading.get_ident()
        self.failed = True
        self.result: R | None = None
        self.wakeups: list[Wakeup] = []


class CachedFunction(Generic[P, R]):
    """A function with a memory. Who calls it while its result is computed waits for that."""

    def __init__(self, function: Callable[P, R], memory: Memory) -> None:
        self._function = function
        self._memory = memory
        self._flights: dict[bytes, _Flight[R]] = {}
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the remembered result, or compute it."""
        memory = self._memory
        key = memory.key(args, kwargs)
        while True:
            found, result = memory.recall(key)
            if found:
                return result  # type: ignore[no-any-return]
            mark = memory.mark(key)
            with memory.mutex:
                flight = self._flights.get(key)
                leads = flight is None or flight.mark != mark  # what was forgotten is nothing to wait for
                if flight is None or leads:
                    flight = self._flights[key] = _Flight(mark)
            if leads:
                return self._compute(key, flight, *args, **kwargs)
            if flight.thread == threading.get_ident():
                return self._function(*args, **kwargs)  # it calls itself, and would wait for itself
            flight.done.wait()
            if not flight.failed:
                return flight.result  # type: ignore[return-value]

    def _compute(self, key: bytes, flight: _Flight[R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            # Another computation may have ended between the look into the store and the start of this one.
            found, result = self._memory.recall(key)
            if not found:
                result = self._memory.keep(key, flight.mark, self._function(*args, **kwargs))
            flight.result = result
            flight.failed = False
            return result  # type: ignore[no-any-return]
        finally:
            with self._memory.mutex:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            flight.done.set()

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., R]:
        """Be a method of a class."""
        return self if instance is None else MethodType(self, instance)

    def key(self, *args: P.args, **kwargs: P.kwargs) -> bytes:
        """Return the key that the result of a call is kept at."""
        return self._memory.key(args, kwargs)

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result of a call, and the one that is being computed; return whether there was one."""
        return self._memory.forget(self._memory.key(args, kwargs))

    def clear(self) -> int:
        """Forget the results of all calls; return how many there were. O(keys of the store)."""
        return self._memory.clear()


class CachedCoroutine(Generic[P, R]):
    """A coroutine function with a memory. Who awaits it while its result is computed waits for that, on any loop."""

    def __init__(self, function: Callable[P, Awaitable[R]], memory: Memory) -> None:
        self._function = function
        self._memory = memory
        self._flights: dict[bytes, _Flight[R]] = {}
        functools.update_wrapper(self, function)
        if sys.version_info >= (3, 12):
            inspect.markcoroutinefunction(self)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the remembered result, or compute it."""
        memory = self._memory
        key = memory.key(args, kwargs)
        while True:
            found, result = memory.recall(key)
            if found:
                return result  # type: ignore[no-any-return]
            mark = memory.mark(key)
            task = current_task()
            with memory.mutex:
                flight = self._flights.get(key)
                leads = flight is None or flight.mark != mark  # what was forgotten is nothing to wait for
                if flight is None or leads:
                    flight = self._flights[key] = _Flight(mark, task)
                elif flight.task is not task:
                    bell = wakeup()
                    flight.wakeups.append(bell)
            if leads:
                return await self._compute(key, flight, *args, **kwargs)
            if flight.task is task:
                return await self._function(*args, **kwargs)  # it calls itself, and would wait for itself
            await bell.wait()
            if not flight.failed:
                return flight.result  # type: ignore[return-value]

    async def _compute(self, key: bytes, flight: _Flight[R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            found, result = self._memory.recall(key)
            if not found:
                result = self._memory.keep(key, flight.mark, await self._function(*args, **kwargs))
            flight.result = result
            flight.failed = False
            return result  # type: ignore[no-any-return]
        finally:
            # Cancelled or failed, it leaves the computing to one of those who wait.
            with self._memory.mutex:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                wakeups, flight.wakeups = flight.wakeups, []
            for bell in wakeups:
                bell.set()

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., Coroutine[Any, Any, R]]:
        """Be a method of a class."""
        return self if instance is None else MethodType(self, instance)

    def key(self, *args: P.args, **kwargs: P.kwargs) -> bytes:
        """Return the key that the result of a call is kept at."""
        return self._memory.key(args, kwargs)

    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result of a call, and the one that is being computed; return whether there was one.

        Needs no await.
        """
        return self._memory.forget(self._memory.key(args, kwargs))

    def clear(self) -> int:
        """Forget the results of all calls; return how many there were. Needs no await. O(keys of the store)."""
        return self._memory.clear()
