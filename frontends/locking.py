"""Locks and rate limits on keys of a store.

    with store.lock("report", ttl=30):
        ...

What lives here: the four commands behind them and the classes in front. A lock is a string key that holds its owner's
token, with a time to live: what redis-py's Lock and most others make of it, so that they exclude each other. The rule:
every step is one command and so one execution unit; who waits is parked like BLPOP, first come first served, and woken
by the deletion of the key however that comes about. Nobody polls.

The commands (KVCORE.LOCK ...) are known to an engine from the first use on.
"""

from __future__ import annotations

import secrets
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from kvcore.arguments import Argument, encode, integer
from kvcore.blocking import STILL_BLOCKED
from kvcore.call import Call
from kvcore.command import Command
from kvcore.engine import Engine
from kvcore.errors import KvcoreError
from kvcore.frontends.store_base import Seconds, whole_ms
from kvcore.frontends.waiting import current_task
from kvcore.notifications import GENERIC, STRING
from kvcore.replies import Reply

if TYPE_CHECKING:
    from kvcore.frontends.store import BaseStore
    from kvcore.frontends.store_async import BaseAsyncStore

_TAKEN: Final = 1
_HELD: Final = 0
_AGAIN: Final = 2
"""The holder's time was up before the waiter's: try once more."""

_NO_WAIT: Final = -1
_FOR_EVER: Final = 0


class LockError(KvcoreError):
    """A lock was not got, or is not held by who wants to release or extend it."""


# Commands


def _take(call: Call, key: bytes, token: bytes, ttl_ms: int) -> int:
    call.db.put(key, token)
    if not ttl_ms:
        call.propagate(b"SET", key, token)
        call.changed(key, "set", STRING)
        return _TAKEN
    at_ms = call.now_ms() + ttl_ms
    call.db.set_expiry(key, at_ms)
    call.propagate(b"SET", key, token, b"PXAT", b"%d" % at_ms)
    call.changed(key, "set", STRING)
    call.changed(key, "expire", GENERIC, changes=0)
    return _TAKEN


def _lock(call: Call, key: bytes, token: bytes, ttl: bytes, timeout: bytes) -> Reply:
    ttl_ms, timeout_ms = integer(ttl), integer(timeout)
    if not call.db.has(key):
        return _take(call, key, token, ttl_ms)
    if timeout_ms == _NO_WAIT or not call.may_block:
        return _HELD

    def retry(_key: bytes) -> Reply:
        return STILL_BLOCKED if call.db.has(key) else _take(call, key, token, ttl_ms)

    on_timeout = _HELD
    expiry = call.db.expiry(key)
    if expiry is not None:
        left_ms = max(1, expiry - call.now_ms())
        if timeout_ms == _FOR_EVER or left_ms <= timeout_ms:
            timeout_ms, on_timeout = left_ms, _AGAIN
    return call.block((key,), timeout_ms, retry, on_timeout, dependent=True)


def _unlock(call: Call, key: bytes, token: bytes) -> Reply:
    if call.db.write(key) != token:
        return 0
    call.db.remove(key)
    call.propagate(b"DEL", key)
    call.changed(key, "del", GENERIC)
    return 1


def _extend(call: Call, key: bytes, token: bytes, ttl: bytes) -> Reply:
    if call.db.write(key) != token:
        return 0
    at_ms = call.now_ms() + integer(ttl)
    call.db.set_expiry(key, at_ms)
    call.propagate(b"PEXPIREAT", key, b"%d" % at_ms)
    call.changed(key, "expire", GENERIC)
    return 1


def _hit(call: Call, key: bytes, limit: bytes, window: bytes) -> Reply:
    """Count one use; return how many are left, or if it is refused, minus the milliseconds until one is."""
    now_ms, window_ms = call.now_ms(), integer(window)
    call.execute(b"ZREMRANGEBYSCORE", key, b"-inf", now_ms - window_ms)
    used: int = call.execute(b"ZCARD", key)
    if used >= integer(limit):
        first = call.execute(b"ZRANGE", key, 0, 0, b"WITHSCORES")[0][1]
        return int(first) + window_ms - now_ms
    call.execute(b"ZADD", key, now_ms, b"%032x" % call.engine.random.getrandbits(128))
    call.execute(b"PEXPIRE", key, window_ms)
    return used - integer(limit)


def _used(call: Call, key: bytes, window: bytes) -> Reply:
    return call.execute(b"ZCOUNT", key, b"(%d" % (call.now_ms() - integer(window)), b"+inf")


_COMMANDS: Final = (
    ("kvcore.lock", _lock, 5, "write denyoom noscript blocking", "RW,access,update@1", "Take a lock, or wait for it."),
    ("kvcore.unlock", _unlock, 3, "write fast", "RW,delete@1", "Release a lock that a token holds."),
    ("kvcore.extend", _extend, 4, "write fast", "RW,update@1", "Let a token hold a lock for longer."),
    ("kvcore.hit", _hit, 4, "write denyoom", "RW,access,update@1", "Count one use of what is limited."),
    ("kvcore.used", _used, 3, "readonly", "RO,access@1", "Return how often what is limited was used."),
)


def declare(engine: Engine) -> None:
    """Let an engine know the commands of this module; the caller holds the engine lock."""
    if b"kvcore.lock" in engine.commands:
        return
    for name, handler, arity, flags, keys, summary in _COMMANDS:
        engine.commands[name.encode()] = Command(
            name, handler, arity=arity, flags=flags, keys=keys, group="module", since="0.1.0", summary=summary
        )


class BaseLock:
    """What locks of stores and asynchronous stores share."""

    __slots__ = ("_owner", "_timeout_ms", "_token", "_ttl_ms", "name")

    def __init__(self, name: Argument, ttl: Seconds | None, blocking: bool, blocking_timeout: Seconds | None) -> None:
        self.name = encode(name)
        self._ttl_ms = 0 if ttl is None else whole_ms(ttl, "a lock's ttl")
        if not blocking and blocking_timeout is not None:
            raise ValueError("a lock with blocking=False does not wait: leave out blocking_timeout")
        self._timeout_ms = _FOR_EVER if blocking else _NO_WAIT
        if blocking_timeout is not None:
            self._timeout_ms = whole_ms(blocking_timeout, "blocking_timeout") if blocking_timeout else _NO_WAIT
        self._owner: object = None
        self._token = b""

    @property
    def token(self) -> bytes | None:
        """The token that the key holds while this object's owner has the lock, None if it was not taken."""
        return self._token or None

    def _deadline(self, who: object, blocking: bool | None) -> tuple[int, float]:
        if self._owner is not None and self._owner == who:
            raise LockError(f"the lock {self.name!r} is held here already, and is not reentrant")
        timeout_ms = self._timeout_ms
        if blocking is not None:
            timeout_ms = _NO_WAIT if not blocking else max(timeout_ms, _FOR_EVER)
        return timeout_ms, time.monotonic() + timeout_ms / 1000

    def _attempt(self, token: bytes, timeout_ms: int, deadline: float) -> list[Argument]:
        if timeout_ms > 0:
            timeout_ms = max(1, round((deadline - time.monotonic()) * 1000))
        return [b"kvcore.lock", self.name, token, self._ttl_ms, timeout_ms]

    def _settled(self, result: int, who: object, token: bytes) -> bool:
        if result == _TAKEN:
            self._owner, self._token = who, token
        return result == _TAKEN

    def _release_words(self, who: object) -> list[Argument]:
        if self._owner is None or self._owner != who:
            raise LockError(f"the lock {self.name!r} is not held here")
        token, self._token, self._owner = self._token, b"", None
        return [b"kvcore.unlock", self.name, token]

    def _lost(self) -> LockError:
        return LockError(
            f"the lock {self.name!r} was lost before its release: its ttl was too short, or it was deleted"
        )

    def _extension(self, who: object, ttl: Seconds) -> list[Argument]:
        if self._owner is None or self._owner != who:
            raise LockError(f"the lock {self.name!r} is not held here")
        return [b"kvcore.extend", self.name, self._token, whole_ms(ttl, "a lock's ttl")]


class Lock(BaseLock):
    """A lock of a store; make one with :meth:`Store.lock`. Threads may share it, and exclude each other then, too."""

    __slots__ = ("_store",)

    def __init__(
        self,
        store: BaseStore[Reply],
        name: Argument,
        ttl: Seconds | None = None,
        *,
        blocking: bool = True,
        blocking_timeout: Seconds | None = None,
    ) -> None:
        super().__init__(name, ttl, blocking, blocking_timeout)
        self._store = store

    def acquire(self, blocking: bool | None = None) -> bool:
        """Take the lock; False if it was not to be had in time. Raises LockError if this thread has it."""
        who = threading.get_ident()
        timeout_ms, deadline = self._deadline(who, blocking)
        token = secrets.token_hex(16).encode()
        while True:
            result: int = self._store.run_lock_command(*self._attempt(token, timeout_ms, deadline))
            if result != _AGAIN:
                return self._settled(result, who, token)

    def release(self) -> None:
        """Let others have the lock; raise LockError if this thread does not have it, or has no more."""
        words = self._release_words(threading.get_ident())
        if not self._store.run_lock_command(*words):
            raise self._lost()

    def extend(self, ttl: Seconds) -> None:
        """Hold the lock for ``ttl`` seconds from now on; raise LockError if this thread does not have it any more."""
        if not self._store.run_lock_command(*self._extension(threading.get_ident(), ttl)):
            raise self._lost()

    def locked(self) -> bool:
        """Return whether anybody holds the lock."""
        return self._store.exists(self.name) == 1

    def owned(self) -> bool:
        """Return whether this object holds the lock, still."""
        held: bytes | str | None = self._store.get(self.name) if self._token else None
        return held is not None and encode(held) == self._token

    def __enter__(self) -> Self:
        if not self.acquire():
            raise LockError(f"the lock {self.name!r} was not to be had in time")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.release()
        except LockError:
            if error is None:
                raise  # the body ran without the lock; where it failed anyway, its own error says more


class AsyncLock(BaseLock):
    """A lock of an asynchronous store; make one with :meth:`AsyncStore.lock`. Tasks may share it."""

    __slots__ = ("_store",)

    def __init__(
        self,
        store: BaseAsyncStore[Reply],
        name: Argument,
        ttl: Seconds | None = None,
        *,
        blocking: bool = True,
        blocking_timeout: Seconds | None = None,
    ) -> None:
        super().__init__(name, ttl, blocking, blocking_timeout)
        self._store = store

    async def acquire(self, blocking: bool | None = None) -> bool:
        """Take the lock; False if it was not to be had in time. Raises LockError if this task has it."""
        who = current_task()
        timeout_ms, deadline = self._deadline(who, blocking)
        token = secrets.token_hex(16).encode()
        while True:
            result: int = await self._store.run_lock_command(*self._attempt(token, timeout_ms, deadline))
            if result != _AGAIN:
                return self._settled(result, who, token)

    async def release(self) -> None:
        """Let others have the lock; raise LockError if this task does not have it, or has no more."""
        if not await self._store.run_lock_command(*self._release_words(current_task())):
            raise self._lost()

    async def extend(self, ttl: Seconds) -> None:
        """Hold the lock for ``ttl`` seconds from now on; raise LockError if this task does not have it any more."""
        if not await self._store.run_lock_command(*self._extension(current_task(), ttl)):
            raise self._lost()

    async def locked(self) -> bool:
        """Return whether anybody holds the lock."""
        return await self._store.exists(self.name) == 1

    async def owned(self) -> bool:
        """Return whether this object holds the lock, still."""
        held: bytes | str | None = await self._store.get(self.name) if self._token else None
        return held is not None and encode(held) == self._token

    async def __aenter__(self) -> Self:
        if not await self.acquire():
            raise LockError(f"the lock {self.name!r} was not to be had in time")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.release()
        except LockError:
            if error is None:
                raise


class BaseRateLimit:
    """What rate limits of stores and asynchronous stores share."""

    __slots__ = ("_window_ms", "limit", "name")

    def __init__(self, name: Argument, limit: int, window: Seconds) -> None:
        self.name = encode(name)
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(f"a rate limit is a whole number of hits, not {type(limit).__name__}")
        if limit < 1:
            raise ValueError("a rate limit allows one hit or more")
        self.limit = limit
        self._window_ms = whole_ms(window, "a rate limit's window")

    def _key(self, who: Argument) -> bytes:
        return b"%b:%b" % (self.name, encode(who)) if who != "" else self.name

    def _words(self, who: Argument) -> list[Argument]:
        return [b"kvcore.hit", self._key(who), self.limit, self._window_ms]


class RateLimit(BaseRateLimit):
    """At most so many hits in any window of time, for each of those who hit; make one with :meth:`Store.rate_limit`."""

    __slots__ = ("_store",)

    def __init__(self, store: BaseStore[Reply], name: Argument, limit: int, window: Seconds) -> None:
        super().__init__(name, limit, window)
        self._store = store

    def hit(self, who: Argument = "") -> bool:
        """Count a hit; return whether it is allowed. What is refused does not count. O(log limit)."""
        return self.wait_time(who) == 0

    def wait_time(self, who: Argument = "") -> float:
        """Count a hit if it is allowed, and return 0; else return the seconds until one will be."""
        left: int = self._store.run_lock_command(*self._words(who))
        return max(left, 0) / 1000

    def remaining(self, who: Argument = "") -> int:
        """Return how many hits are left, and count none."""
        used: int = self._store.run_lock_command(b"kvcore.used", self._key(who), self._window_ms)
        return max(self.limit - used, 0)

    def reset(self, who: Argument = "") -> None:
        """Forget all hits."""
        self._store.delete(self._key(who))


class AsyncRateLimit(BaseRateLimit):
    """At most so many hits in any window of time, for each of those who hit."""

    __slots__ = ("_store",)

    def __init__(self, store: BaseAsyncStore[Reply], name: Argument, limit: int, window: Seconds) -> None:
        super().__init__(name, limit, window)
        self._store = store

    async def hit(self, who: Argument = "") -> bool:
        """Count a hit; return whether it is allowed. What is refused does not count. O(log limit)."""
        return await self.wait_time(who) == 0

    async def wait_time(self, who: Argument = "") -> float:
        """Count a hit if it is allowed, and return 0; else return the seconds until one will be."""
        left: int = await self._store.run_lock_command(*self._words(who))
        return max(left, 0) / 1000

    async def remaining(self, who: Argument = "") -> int:
        """Return how many hits are left, and count none."""
        used: int = await self._store.run_lock_command(b"kvcore.used", self._key(who), self._window_ms)
        return max(self.limit - used, 0)

    async def reset(self, who: Argument = "") -> None:
        """Forget all hits."""
        await self._store.delete(self._key(who))
