"""The commands behind locks and rate limits, for a server that does not have them: scripts, and a wait in steps.

What lives here: what to send, and what to make of the replies, as generators that yield a command to run or the seconds
to pause, and are given replies. What must not: connections and sleeping. The rule: keys and values are those of
:mod:`kvcore.frontends.locking`, so that both exclude each other, and redis-py's locks, too. A server wakes nobody when
a key is deleted: whoever waits here looks again after a while, and the order of the waiters is chance.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator
from typing import Final

from kvcore.arguments import Argument, encode
from kvcore.errors import CommandError
from kvcore.replies import OK, Reply

Steps = Generator[list[bytes] | float, Reply, int]

_FIRST_PAUSE_S: Final = 0.005
_LONGEST_PAUSE_S: Final = 0.1

_UNLOCK: Final = b"""
if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

_EXTEND: Final = b"""
if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""

_NOW: Final = b"""
local time = redis.call('TIME')
local now, window = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[1])
"""

_HIT: Final = (
    _NOW
    + b"""
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local limit, used = tonumber(ARGV[2]), redis.call('ZCARD', KEYS[1])
if used >= limit then return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] + window - now end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], window)
return used - limit
"""
)

_USED: Final = _NOW + b"return redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now - window), '+inf')"


def _lock(key: bytes, token: bytes, ttl: bytes, timeout: bytes) -> Steps:
    """Take a lock: 1 if it was taken, 0 if somebody has it still when the time is up."""
    expiry = [b"PX", ttl] if ttl != b"0" else []
    left_ms = int(timeout)
    deadline = time.monotonic() + left_ms / 1000
    pause_s = _FIRST_PAUSE_S
    while True:
        reply = yield [b"SET", key, token, b"NX", *expiry]
        if isinstance(reply, CommandError):
            raise reply
        if reply == OK:
            return 1
        left_s = deadline - time.monotonic() if left_ms else pause_s
        if left_s <= 0:
            return 0
        # Some are earlier and some later: two waiters do not look in step for ever.
        yield min(left_s, pause_s * (0.5 + secrets.randbelow(1000) / 1000))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _script(script: bytes, key: bytes, *words: bytes) -> Steps:
    reply = yield [b"EVAL", script, b"1", key, *words]
    if isinstance(reply, CommandError):
        raise reply
    result: int = reply
    return result


def _unlock(key: bytes, token: bytes) -> Steps:
    return _script(_UNLOCK, key, token)


def _extend(key: bytes, token: bytes, ttl: bytes) -> Steps:
    return _script(_EXTEND, key, token, ttl)


def _hit(key: bytes, limit: bytes, window: bytes) -> Steps:
    return _script(_HIT, key, window, limit, secrets.token_hex(16).encode())


def _used(key: bytes, window: bytes) -> Steps:
    return _script(_USED, key, window)


_COMMANDS: Final[dict[bytes, Callable[..., Steps]]] = {
    b"kvcore.lock": _lock,
    b"kvcore.unlock": _unlock,
    b"kvcore.extend": _extend,
    b"kvcore.hit": _hit,
    b"kvcore.used": _used,
}


def steps(words: tuple[Argument, ...]) -> Steps:
    """Return what to do for one of the commands."""
    return _COMMANDS[encode(words[0])](*map(encode, words[1:]))
