"""The methods of asynchronous stores, which are awaited. Written by ``python -m tests.frontends.declarations``; do not edit."""

# fmt: off
# ruff: noqa

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Generic, Literal, overload

from kvcore.frontends.store_base import Aggregate, Bound, Convert, Duration, Entry, Key, Keys, Moment, Scored, T, Value
from kvcore.arguments import Argument
from kvcore.replies import Reply

class AsyncStringCommands(Generic[T]):
    async def append(self, key: Key, value: Value) -> int:
        """Append to a string; return its length in bytes."""
    async def decr(self, name: Key, amount: int=1) -> int:
        """Subtract from an integer; return the result."""
    async def decrby(self, name: Key, amount: int=1) -> int:
        """Subtract from an integer; return the result."""
    async def get(self, name: Key) -> T | None:
        """Return the string at ``name``, None if there is none."""
    async def getdel(self, name: Key) -> T | None:
        """Return a string and delete its key."""
    async def getex(self, name: Key, ex: Duration | None=None, px: Duration | None=None, exat: Moment | None=None, pxat: Moment | None=None, persist: bool=False) -> T | None:
        """Return a string and change when its key expires: in ``ex`` seconds, in ``px`` milliseconds, or never."""
    async def getrange(self, key: Key, start: int, end: int) -> T:
        """Return the bytes from ``start`` to ``end``, both included."""
    async def getset(self, name: Key, value: Value) -> T | None:
        """Set a string; return what was there before."""
    async def incr(self, name: Key, amount: int=1) -> int:
        """Add to an integer; return the result."""
    async def incrby(self, name: Key, amount: int=1) -> int:
        """Add to an integer; return the result."""
    async def incrbyfloat(self, name: Key, amount: float=1.0) -> float:
        """Add to a number; return the result."""
    async def lcs(self, key1: Key, key2: Key, len: bool=False, idx: bool=False, minmatchlen: int=0, withmatchlen: bool=False) -> Reply:
        """Return the longest common subsequence of two strings: itself, its length, or where its pieces are."""
    async def mget(self, keys: Keys, *args: Key) -> list[T | None]:
        """Return the strings of several keys, None where there is none."""
    async def mset(self, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> bool:
        """Set several keys at once."""
    async def msetnx(self, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> bool:
        """Set several keys if none of them exists; return whether that was so."""
    async def psetex(self, name: Key, time_ms: Duration, value: Value) -> bool:
        """Set a string for ``time_ms`` milliseconds."""
    async def set(self, name: Key, value: Value, ex: Duration | None=None, px: Duration | None=None, nx: bool=False, xx: bool=False, keepttl: bool=False, get: bool=False, exat: Moment | None=None, pxat: Moment | None=None) -> bool | T | None:
        """Set a string, for ``ex`` seconds or ``px`` milliseconds, or until ``exat`` or ``pxat``, if given."""
    async def setex(self, name: Key, time: Duration, value: Value) -> bool:
        """Set a string for ``time`` seconds."""
    async def setnx(self, name: Key, value: Value) -> bool:
        """Set a string if the key is new; return whether it was."""
    async def setrange(self, name: Key, offset: int, value: Value) -> int:
        """Overwrite part of a string; return its length."""
    async def strlen(self, name: Key) -> int:
        """Return the length of a string in bytes."""
    async def substr(self, name: Key, start: int, end: int=-1) -> T:
        """Return the bytes from ``start`` to ``end``, both included."""
    async def bitcount(self, key: Key, start: int | None=None, end: int | None=None, mode: str | None=None) -> int:
        """Count the bits that are set, between two offsets in bytes, or in bits with ``mode`` BIT."""
    async def bitfield_ro(self, key: Key, encoding: str, offset: Value, items: list[tuple[str, Value]] | None=None) -> list[int]:
        """Return integers of any width at bit offsets."""
    async def bitop(self, operation: str, dest: Key, *keys: Key) -> int:
        """Store the AND, OR, XOR or NOT of strings; return its length."""
    async def bitpos(self, key: Key, bit: int, start: int | None=None, end: int | None=None, mode: str | None=None) -> int:
        """Return the offset of the first bit that is ``bit``, -1 if there is none."""
    async def getbit(self, name: Key, offset: int) -> int:
        """Return the bit at ``offset``."""
    async def setbit(self, name: Key, offset: int, value: int) -> int:
        """Set the bit at ``offset``; return what it was."""
    async def pfadd(self, name: Key, *values: Value) -> int:
        """Count items; return 1 if the estimate may have changed."""
    async def pfcount(self, *sources: Key) -> int:
        """Return about how many different items were counted, together."""
    async def pfmerge(self, dest: Key, *sources: Key) -> bool:
        """Count into ``dest`` what the others have counted."""

class AsyncKeyCommands(Generic[T]):
    async def copy(self, source: Key, destination: Key, destination_db: int | None=None, replace: bool=False) -> bool:
        """Copy a key; return whether that was done."""
    async def delete(self, *names: Key) -> int:
        """Delete keys; return how many existed."""
    async def dump(self, name: Key) -> bytes | None:
        """Return a value in the format that :meth:`restore` takes."""
    async def exists(self, *names: Key) -> int:
        """Return how many of the keys exist."""
    async def expire(self, name: Key, time: Duration, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> bool:
        """Let a key expire in ``time`` seconds; return whether that was set."""
    async def expireat(self, name: Key, when: Moment, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> bool:
        """Let a key expire at a moment; return whether that was set."""
    async def expiretime(self, key: Key) -> int:
        """Return when a key expires in seconds since the Unix epoch, -1 if never, -2 without a key."""
    async def keys(self, pattern: Value='*') -> list[T]:
        """Return the keys that match a pattern; :meth:`scan_iter` takes less memory."""
    async def migrate(self, host: str, port: int, keys: Keys, destination_db: int, timeout: int, copy: bool=False, replace: bool=False, auth: str | None=None, username: str | None=None) -> T:
        """Move keys to another server, or copy them; return ``OK``, or ``NOKEY`` if there was none."""
    async def move(self, name: Key, db: int) -> bool:
        """Move a key to another database; return whether that was done."""
    async def object(self, infotype: str, key: Key) -> Reply:
        """Return a fact about a key: ``ENCODING``, ``FREQ``, ``IDLETIME`` or ``REFCOUNT``."""
    async def persist(self, name: Key) -> bool:
        """Take the time to live off a key; return whether it had one."""
    async def pexpire(self, name: Key, time: Duration, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> bool:
        """Let a key expire in ``time`` milliseconds; return whether that was set."""
    async def pexpireat(self, name: Key, when: Moment, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> bool:
        """Let a key expire at a moment, a number of which is milliseconds; return whether that was set."""
    async def pexpiretime(self, key: Key) -> int:
        """Return when a key expires in milliseconds since the Unix epoch, -1 if never, -2 without a key."""
    async def pttl(self, name: Key) -> int:
        """Return a key's time to live in milliseconds, -1 if it has none, -2 without a key."""
    async def randomkey(self) -> T | None:
        """Return any key, None if there is none."""
    async def rename(self, src: Key, dst: Key) -> bool:
        """Rename a key."""
    async def renamenx(self, src: Key, dst: Key) -> bool:
        """Rename a key if the new name is free; return whether it was."""
    async def restore(self, name: Key, ttl: int, value: Value, replace: bool=False, absttl: bool=False, idletime: int | None=None, frequency: int | None=None) -> Literal['OK']:
        """Make a key of what :meth:`dump` returned, to live ``ttl`` milliseconds, 0 for ever."""
    async def scan(self, cursor: int=0, match: Value | None=None, count: int | None=None, _type: str | None=None) -> tuple[int, list[T]]:
        """Return the next cursor, which is 0 at the end, and some keys; see :meth:`scan_iter`."""
    async def hscan(self, name: Key, cursor: int=0, match: Value | None=None, count: int | None=None) -> tuple[int, dict[T, T]]:
        """Return the next cursor and some fields of a hash with their values; see :meth:`hscan_iter`."""
    async def sscan(self, name: Key, cursor: int=0, match: Value | None=None, count: int | None=None) -> tuple[int, list[T]]:
        """Return the next cursor and some members of a set; see :meth:`sscan_iter`."""
    async def zscan(self, name: Key, cursor: int=0, match: Value | None=None, count: int | None=None) -> tuple[int, list[tuple[T, float]]]:
        """Return the next cursor and some members of a sorted set with their scores; see :meth:`zscan_iter`."""
    async def sort(self, name: Key, start: int | None=None, num: int | None=None, by: Value | None=None, get: Keys | None=None, desc: bool=False, alpha: bool=False, store: Key | None=None, groups: bool=False) -> Reply:
        """Return the items of a list, set or sorted set in order, or store them and return how many there are."""
    async def sort_ro(self, key: Key, start: int | None=None, num: int | None=None, by: Value | None=None, get: Keys | None=None, desc: bool=False, alpha: bool=False) -> list[T]:
        """Return the items of a list, set or sorted set in order."""
    async def touch(self, *args: Key) -> int:
        """Use keys without reading them; return how many exist."""
    async def ttl(self, name: Key) -> int:
        """Return a key's time to live in seconds, -1 if it has none, -2 without a key."""
    async def type(self, name: Key) -> T:
        """Return the type of a value: ``string``, ``list``, ``set``, ``zset``, ``hash``, ``stream`` or ``none``."""
    async def unlink(self, *names: Key) -> int:
        """Delete keys; return how many existed."""

class AsyncHashCommands(Generic[T]):
    async def hdel(self, name: Key, *keys: Value) -> int:
        """Delete fields; return how many existed."""
    async def hexists(self, name: Key, key: Value) -> bool:
        """Return whether a field exists."""
    async def hget(self, name: Key, key: Value) -> T | None:
        """Return the value of a field, None if there is none."""
    async def hgetall(self, name: Key) -> dict[T, T]:
        """Return all fields and values."""
    async def hincrby(self, name: Key, key: Value, amount: int=1) -> int:
        """Add to the integer in a field; return the result."""
    async def hincrbyfloat(self, name: Key, key: Value, amount: float=1.0) -> float:
        """Add to the number in a field; return the result."""
    async def hkeys(self, name: Key) -> list[T]:
        """Return all fields."""
    async def hlen(self, name: Key) -> int:
        """Return how many fields there are."""
    async def hmget(self, name: Key, keys: Keys, *args: Value) -> list[T | None]:
        """Return the values of several fields, None where there is none."""
    async def hmset(self, name: Key, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> bool:
        """Set several fields; the older form of :meth:`hset`."""
    @overload
    async def hrandfield(self, key: Key, count: None=None, withvalues: bool=False) -> T | None: ...
    @overload
    async def hrandfield(self, key: Key, count: int, withvalues: bool=False) -> list[T]: ...
    async def hset(self, name: Key, key: Value | None=None, value: Value | None=None, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value] | None=None, items: Sequence[Value] | None=None) -> int:
        """Set a field, those of a mapping, and of ``items``, fields and values in turns; return how many are new."""
    async def hsetnx(self, name: Key, key: Value, value: Value) -> int:
        """Set a field if it is new; return 1 if it was."""
    async def hstrlen(self, name: Key, key: Value) -> int:
        """Return the length of a field's value in bytes."""
    async def hvals(self, name: Key) -> list[T]:
        """Return all values."""
    async def hgetdel(self, name: Key, *keys: Value) -> list[T | None]:
        """Return the values of fields, None where there is none, and delete those fields."""
    async def hgetex(self, name: Key, *keys: Value, ex: Duration | None=None, px: Duration | None=None, exat: Moment | None=None, pxat: Moment | None=None, persist: bool=False) -> list[T | None]:
        """Return the values of fields, None where there is none, and set or clear when those fields expire."""
    async def hsetex(self, name: Key, key: Value | None=None, value: Value | None=None, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value] | None=None, items: Sequence[Value] | None=None, ex: Duration | None=None, px: Duration | None=None, exat: Moment | None=None, pxat: Moment | None=None, data_persist_option: Enum | str | None=None, keepttl: bool=False) -> int:
        """Set fields as :meth:`hset` does, and when they expire; return 1, or 0 if nothing was set."""
    async def hexpire(self, name: Key, seconds: Duration, *fields: Value, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> list[int]:
        """Let fields expire in so many seconds; for each: 1 set, 0 not set, 2 deleted at once, -2 no such field."""
    async def hpexpire(self, name: Key, milliseconds: Duration, *fields: Value, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> list[int]:
        """Let fields expire in so many milliseconds; the codes are those of :meth:`hexpire`."""
    async def hexpireat(self, name: Key, unix_time_seconds: Moment, *fields: Value, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> list[int]:
        """Let fields expire at a moment; the codes are those of :meth:`hexpire`."""
    async def hpexpireat(self, name: Key, unix_time_milliseconds: Moment, *fields: Value, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> list[int]:
        """Let fields expire at a moment, a number of which is milliseconds; the codes are those of :meth:`hexpire`."""
    async def hexpiretime(self, key: Key, *fields: Value) -> list[int]:
        """Return when fields expire in seconds since the Unix epoch, -1 if never, -2 without a field."""
    async def hpexpiretime(self, key: Key, *fields: Value) -> list[int]:
        """Return when fields expire in milliseconds since the Unix epoch, -1 if never, -2 without a field."""
    async def hpersist(self, name: Key, *fields: Value) -> list[int]:
        """Take the times to live off fields: 1 if one had it, -1 if not, -2 without a field."""
    async def hpttl(self, key: Key, *fields: Value) -> list[int]:
        """Return the times to live of fields in milliseconds, -1 where there is none, -2 without a field."""
    async def httl(self, key: Key, *fields: Value) -> list[int]:
        """Return the times to live of fields in seconds, -1 where there is none, -2 without a field."""

class AsyncListCommands(Generic[T]):
    async def blmove(self, first_list: Key, second_list: Key, timeout: float, src: str='LEFT', dest: str='RIGHT') -> T | None:
        """Do :meth:`lmove`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
    async def blmpop(self, timeout: float, numkeys: int, *args: Key, direction: str, count: int | None=1) -> list[Reply] | None:
        """Do :meth:`lmpop`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
    async def blpop(self, keys: Keys, timeout: float | None=0) -> tuple[T, T] | None:
        """Pop the first item of the first list that has one, waiting up to ``timeout`` seconds (0: for ever)."""
    async def brpop(self, keys: Keys, timeout: float | None=0) -> tuple[T, T] | None:
        """Pop the last item of the first list that has one, waiting up to ``timeout`` seconds (0: for ever)."""
    async def brpoplpush(self, src: Key, dst: Key, timeout: float | None=0) -> T | None:
        """Do :meth:`rpoplpush`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
    async def lindex(self, name: Key, index: int) -> T | None:
        """Return the item at ``index``, None if there is none."""
    async def linsert(self, name: Key, where: str, refvalue: Value, value: Value) -> int:
        """Insert ``BEFORE`` or ``AFTER`` an item; return the length, -1 without that item, 0 without a list."""
    async def llen(self, name: Key) -> int:
        """Return the length of a list."""
    async def lmove(self, first_list: Key, second_list: Key, src: str='LEFT', dest: str='RIGHT') -> T | None:
        """Move an item from one end of a list to one of another; return it."""
    async def lmpop(self, num_keys: int, *args: Key, direction: str, count: int | None=1) -> list[Reply] | None:
        """Pop up to ``count`` items from the first list that has one; return its key and them."""
    @overload
    async def lpop(self, name: Key, count: None=None) -> T | None: ...
    @overload
    async def lpop(self, name: Key, count: int) -> list[T] | None: ...
    @overload
    async def lpos(self, name: Key, value: Value, rank: int | None=None, count: None=None, maxlen: int | None=None) -> int | None: ...
    @overload
    async def lpos(self, name: Key, value: Value, rank: int | None=None, *, count: int, maxlen: int | None=None) -> list[int]: ...
    async def lpush(self, name: Key, *values: Value) -> int:
        """Put items before the first, one after the other; return the length."""
    async def lpushx(self, name: Key, *values: Value) -> int:
        """Do :meth:`lpush` if the list exists; return the length."""
    async def lrange(self, name: Key, start: int, end: int) -> list[T]:
        """Return the items from ``start`` to ``end``, both included."""
    async def lrem(self, name: Key, count: int, value: Value) -> int:
        """Delete ``count`` items that equal ``value``, from the end if negative, all if 0; return how many went."""
    async def lset(self, name: Key, index: int, value: Value) -> bool:
        """Replace the item at ``index``."""
    async def ltrim(self, name: Key, start: int, end: int) -> bool:
        """Keep the items from ``start`` to ``end``, both included, and no others."""
    @overload
    async def rpop(self, name: Key, count: None=None) -> T | None: ...
    @overload
    async def rpop(self, name: Key, count: int) -> list[T] | None: ...
    async def rpoplpush(self, src: Key, dst: Key) -> T | None:
        """Move the last item of a list before the first of another; return it."""
    async def rpush(self, name: Key, *values: Value) -> int:
        """Put items behind the last; return the length."""
    async def rpushx(self, name: Key, *values: Value) -> int:
        """Do :meth:`rpush` if the list exists; return the length."""

class AsyncSetCommands(Generic[T]):
    async def sadd(self, name: Key, *values: Value) -> int:
        """Add members; return how many are new."""
    async def scard(self, name: Key) -> int:
        """Return how many members there are."""
    async def sdiff(self, keys: Keys, *args: Key) -> set[T]:
        """Return the members of the first set that no other has."""
    async def sdiffstore(self, dest: Key, keys: Keys, *args: Key) -> int:
        """Store the members of the first set that no other has; return how many."""
    async def sinter(self, keys: Keys, *args: Key) -> set[T]:
        """Return the members that all sets have."""
    async def sintercard(self, numkeys: int, keys: Sequence[Key], limit: int=0) -> int:
        """Return how many members all sets have, counting no further than ``limit``."""
    async def sinterstore(self, dest: Key, keys: Keys, *args: Key) -> int:
        """Store the members that all sets have; return how many."""
    async def sismember(self, name: Key, value: Value) -> int:
        """Return 1 if ``value`` is a member, else 0."""
    async def smembers(self, name: Key) -> set[T]:
        """Return all members."""
    async def smismember(self, name: Key, values: Keys, *args: Value) -> list[int]:
        """Return 1 for each value that is a member, 0 for each that is not."""
    async def smove(self, src: Key, dst: Key, value: Value) -> bool:
        """Move a member to another set; return whether it was there."""
    @overload
    async def spop(self, name: Key, count: None=None) -> T | None: ...
    @overload
    async def spop(self, name: Key, count: int) -> list[T]: ...
    @overload
    async def srandmember(self, name: Key, number: None=None) -> T | None: ...
    @overload
    async def srandmember(self, name: Key, number: int) -> list[T]: ...
    async def srem(self, name: Key, *values: Value) -> int:
        """Remove members; return how many were there."""
    async def sunion(self, keys: Keys, *args: Key) -> set[T]:
        """Return the members that any of the sets has."""
    async def sunionstore(self, dest: Key, keys: Keys, *args: Key) -> int:
        """Store the members that any of the sets has; return how many."""

class AsyncSortedSetCommands(Generic[T]):
    async def bzmpop(self, timeout: float, numkeys: int, keys: Sequence[Key], min: bool=False, max: bool=False, count: int | None=1) -> list[Reply] | None:
        """Do :meth:`zmpop`, and wait up to ``timeout`` seconds (0: for ever) for a member; None if none came."""
    async def bzpopmax(self, keys: Keys, timeout: float | None=0) -> tuple[T, T, float] | None:
        """Pop the highest member of the first sorted set that has one; wait ``timeout`` seconds (0: for ever)."""
    async def bzpopmin(self, keys: Keys, timeout: float | None=0) -> tuple[T, T, float] | None:
        """Pop the lowest member of the first sorted set that has one; wait ``timeout`` seconds (0: for ever)."""
    @overload
    async def zadd(self, name: Key, mapping: Mapping[Key, float] | Mapping[bytes, float] | Mapping[str, float], nx: bool=False, xx: bool=False, ch: bool=False, incr: Literal[False]=False, gt: bool=False, lt: bool=False) -> int: ...
    @overload
    async def zadd(self, name: Key, mapping: Mapping[Key, float] | Mapping[bytes, float] | Mapping[str, float], nx: bool=False, xx: bool=False, ch: bool=False, *, incr: Literal[True], gt: bool=False, lt: bool=False) -> float | None: ...
    async def zcard(self, name: Key) -> int:
        """Return how many members there are."""
    async def zcount(self, name: Key, min: Bound, max: Bound) -> int:
        """Count the members with scores between two bounds (``"(1"`` excludes 1, ``"-inf"`` is the least)."""
    @overload
    async def zdiff(self, keys: Keys, withscores: Literal[False]=False) -> list[T]: ...
    @overload
    async def zdiff(self, keys: Keys, withscores: Literal[True]) -> list[Scored[T]]: ...
    async def zdiffstore(self, dest: Key, keys: Keys) -> int:
        """Store the members of the first sorted set that no other has; return how many."""
    async def zincrby(self, name: Key, amount: float, value: Value) -> float:
        """Add to a member's score; return the result."""
    @overload
    async def zinter(self, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None, withscores: Literal[False]=False) -> list[T]: ...
    @overload
    async def zinter(self, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None, *, withscores: Literal[True]) -> list[Scored[T]]: ...
    async def zintercard(self, numkeys: int, keys: Sequence[Key], limit: int=0) -> int:
        """Return how many members all sorted sets have, counting no further than ``limit``."""
    async def zinterstore(self, dest: Key, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None) -> int:
        """Store the members that all sorted sets have; return how many."""
    async def zlexcount(self, name: Key, min: Bound, max: Bound) -> int:
        """Count the members between two others in alphabetical order (``"[a"``, ``"(b"``, ``"-"``, ``"+"``)."""
    async def zmpop(self, num_keys: int, keys: Sequence[Key], min: bool=False, max: bool=False, count: int | None=1) -> list[Reply] | None:
        """Pop up to ``count`` members from the first sorted set that has one; return its key and them."""
    async def zmscore(self, key: Key, members: Sequence[Value]) -> list[float | None]:
        """Return the scores of several members, None where there is none."""
    async def zpopmax(self, name: Key, count: int | None=None) -> list[Scored[T]]:
        """Remove and return the member with the highest score, or up to ``count`` of them."""
    async def zpopmin(self, name: Key, count: int | None=None) -> list[Scored[T]]:
        """Remove and return the member with the lowest score, or up to ``count`` of them."""
    @overload
    async def zrandmember(self, key: Key, count: None=None) -> T | None: ...
    @overload
    async def zrandmember(self, key: Key, count: int, withscores: Literal[False]=False) -> list[T]: ...
    @overload
    async def zrandmember(self, key: Key, count: int, withscores: Literal[True]) -> list[Scored[T]]: ...
    @overload
    async def zrange(self, name: Key, start: Bound, end: Bound, desc: bool=False, withscores: Literal[False]=False, *, byscore: bool=False, bylex: bool=False, offset: int | None=None, num: int | None=None) -> list[T]: ...
    @overload
    async def zrange(self, name: Key, start: Bound, end: Bound, desc: bool=False, *, withscores: Literal[True], byscore: bool=False, bylex: bool=False, offset: int | None=None, num: int | None=None) -> list[Scored[T]]: ...
    async def zrangebylex(self, name: Key, min: Bound, max: Bound, start: int | None=None, num: int | None=None) -> list[T]:
        """Return the members between two others in alphabetical order."""
    @overload
    async def zrangebyscore(self, name: Key, min: Bound, max: Bound, start: int | None=None, num: int | None=None, withscores: Literal[False]=False) -> list[T]: ...
    @overload
    async def zrangebyscore(self, name: Key, min: Bound, max: Bound, start: int | None=None, num: int | None=None, *, withscores: Literal[True]) -> list[Scored[T]]: ...
    async def zrangestore(self, dest: Key, name: Key, start: Bound, end: Bound, byscore: bool=False, bylex: bool=False, desc: bool=False, offset: int | None=None, num: int | None=None) -> int:
        """Store what :meth:`zrange` returns; return how many members."""
    @overload
    async def zrank(self, name: Key, value: Value, withscore: Literal[False]=False) -> int | None: ...
    @overload
    async def zrank(self, name: Key, value: Value, withscore: Literal[True]) -> list[Reply] | None: ...
    async def zrem(self, name: Key, *values: Value) -> int:
        """Remove members; return how many were there."""
    async def zremrangebylex(self, name: Key, min: Bound, max: Bound) -> int:
        """Remove the members between two others in alphabetical order; return how many."""
    async def zremrangebyrank(self, name: Key, min: int, max: int) -> int:
        """Remove the members between two ranks; return how many."""
    async def zremrangebyscore(self, name: Key, min: Bound, max: Bound) -> int:
        """Remove the members with scores between two bounds; return how many."""
    @overload
    async def zrevrange(self, name: Key, start: int, end: int, withscores: Literal[False]=False) -> list[T]: ...
    @overload
    async def zrevrange(self, name: Key, start: int, end: int, withscores: Literal[True]) -> list[Scored[T]]: ...
    async def zrevrangebylex(self, name: Key, max: Bound, min: Bound, start: int | None=None, num: int | None=None) -> list[T]:
        """Return the members between two others in reverse alphabetical order."""
    @overload
    async def zrevrangebyscore(self, name: Key, max: Bound, min: Bound, start: int | None=None, num: int | None=None, withscores: Literal[False]=False) -> list[T]: ...
    @overload
    async def zrevrangebyscore(self, name: Key, max: Bound, min: Bound, start: int | None=None, num: int | None=None, *, withscores: Literal[True]) -> list[Scored[T]]: ...
    @overload
    async def zrevrank(self, name: Key, value: Value, withscore: Literal[False]=False) -> int | None: ...
    @overload
    async def zrevrank(self, name: Key, value: Value, withscore: Literal[True]) -> list[Reply] | None: ...
    async def zscore(self, name: Key, value: Value) -> float | None:
        """Return a member's score, None if it is none."""
    @overload
    async def zunion(self, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None, withscores: Literal[False]=False) -> list[T]: ...
    @overload
    async def zunion(self, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None, *, withscores: Literal[True]) -> list[Scored[T]]: ...
    async def zunionstore(self, dest: Key, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None) -> int:
        """Store the members that any of the sorted sets has; return how many."""

class AsyncStreamCommands(Generic[T]):
    async def xack(self, name: Key, groupname: Value, *ids: Value) -> int:
        """Say that entries were dealt with; return how many were pending."""
    async def xadd(self, name: Key, fields: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value], id: Value='*', maxlen: int | None=None, approximate: bool=True, nomkstream: bool=False, minid: Value | None=None, limit: int | None=None) -> T | None:
        """Append an entry and return its id; ``maxlen`` or ``minid`` drop old ones."""
    async def xautoclaim(self, name: Key, groupname: Value, consumername: Value, min_idle_time: int, start_id: Value='0-0', count: int | None=None, justid: bool=False) -> list[Reply]:
        """Take over entries that others left pending for ``min_idle_time`` milliseconds."""
    async def xclaim(self, name: Key, groupname: Value, consumername: Value, min_idle_time: int, message_ids: Sequence[Value], idle: int | None=None, time: int | None=None, retrycount: int | None=None, force: bool=False, justid: bool=False) -> list[Entry[T]] | list[T]:
        """Take over the named entries if they have been pending for ``min_idle_time`` milliseconds."""
    async def xdel(self, name: Key, *ids: Value) -> int:
        """Delete entries; return how many were there."""
    async def xgroup_create(self, name: Key, groupname: Value, id: Value='$', mkstream: bool=False, entries_read: int | None=None) -> bool:
        """Make a group of consumers that reads what comes after ``id``."""
    async def xgroup_createconsumer(self, name: Key, groupname: Value, consumername: Value) -> int:
        """Make a consumer; return 1 if it is new."""
    async def xgroup_delconsumer(self, name: Key, groupname: Value, consumername: Value) -> int:
        """Delete a consumer; return how many entries it had pending."""
    async def xgroup_destroy(self, name: Key, groupname: Value) -> bool:
        """Delete a group; return whether it was there."""
    async def xgroup_setid(self, name: Key, groupname: Value, id: Value, entries_read: int | None=None) -> bool:
        """Let a group go on after ``id``."""
    async def xinfo_consumers(self, name: Key, groupname: Value) -> list[dict[str, Reply]]:
        """Return facts about each consumer of a group."""
    async def xinfo_groups(self, name: Key) -> list[dict[str, Reply]]:
        """Return facts about each group of a stream."""
    async def xinfo_stream(self, name: Key, full: bool=False) -> dict[str, Reply]:
        """Return facts about a stream."""
    async def xlen(self, name: Key) -> int:
        """Return how many entries there are."""
    async def xpending(self, name: Key, groupname: Value) -> dict[str, Reply]:
        """Return how many entries of a group are pending, from where to where, and with whom."""
    async def xpending_range(self, name: Key, groupname: Value, min: Value, max: Value, count: int, consumername: Value | None=None, idle: int | None=None) -> list[dict[str, Reply]]:
        """Return pending entries one by one: with whom, for how long, and how often delivered."""
    async def xrange(self, name: Key, min: Value='-', max: Value='+', count: int | None=None) -> list[Entry[T]]:
        """Return the entries between two ids, both included, oldest first."""
    async def xread(self, streams: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value], count: int | None=None, block: int | None=None) -> list[list[Reply]]:
        """Return ``[[stream, entries], ...]`` of what came after an id in each stream."""
    async def xreadgroup(self, groupname: Value, consumername: Value, streams: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value], count: int | None=None, block: int | None=None, noack: bool=False) -> list[list[Reply]]:
        """Return ``[[stream, entries], ...]`` for a consumer of a group; id ``>`` asks for what nobody else got."""
    async def xrevrange(self, name: Key, max: Value='+', min: Value='-', count: int | None=None) -> list[Entry[T]]:
        """Return the entries between two ids, both included, newest first."""
    async def xtrim(self, name: Key, maxlen: int | None=None, approximate: bool=True, minid: Value | None=None, limit: int | None=None) -> int:
        """Drop old entries; return how many."""

class AsyncGeoCommands(Generic[T]):
    async def geoadd(self, name: Key, values: Sequence[Value], nx: bool=False, xx: bool=False, ch: bool=False) -> int:
        """Add places, given as longitude, latitude and name in turns; return how many are new."""
    async def geodist(self, name: Key, place1: Value, place2: Value, unit: str | None=None) -> float | None:
        """Return the distance between two places in ``m``, ``km``, ``mi`` or ``ft``; None if one is not there."""
    async def geohash(self, name: Key, *values: Value) -> list[str | None]:
        """Return the geohashes of places."""
    async def geopos(self, name: Key, *values: Value) -> list[tuple[float, float] | None]:
        """Return the longitudes and latitudes of places, None where there is none."""
    async def geosearch(self, name: Key, member: Value | None=None, longitude: float | None=None, latitude: float | None=None, unit: str='m', radius: float | None=None, width: float | None=None, height: float | None=None, sort: str | None=None, count: int | None=None, any: bool=False, withcoord: bool=False, withdist: bool=False, withhash: bool=False) -> list[Reply]:
        """Return the places within a circle or box around a member or a point."""
    async def geosearchstore(self, dest: Key, name: Key, member: Value | None=None, longitude: float | None=None, latitude: float | None=None, unit: str='m', radius: float | None=None, width: float | None=None, height: float | None=None, sort: str | None=None, count: int | None=None, any: bool=False, storedist: bool=False) -> int:
        """Store the places that :meth:`geosearch` returns; return how many."""
    async def georadius(self, name: Key, longitude: float, latitude: float, radius: float, unit: str | None=None, withdist: bool=False, withcoord: bool=False, withhash: bool=False, count: int | None=None, sort: str | None=None, store: Key | None=None, store_dist: Key | None=None, any: bool=False) -> list[Reply] | int:
        """Return the places within a radius of a point like :meth:`geosearch`; or store them, and return how many."""
    async def georadius_ro(self, name: Key, longitude: float, latitude: float, radius: float, unit: str | None=None, withdist: bool=False, withcoord: bool=False, withhash: bool=False, count: int | None=None, sort: str | None=None, any: bool=False) -> list[Reply]:
        """Return the places within a radius of a point like :meth:`geosearch`, which is the newer form."""
    async def georadiusbymember(self, name: Key, member: Value, radius: float, unit: str | None=None, withdist: bool=False, withcoord: bool=False, withhash: bool=False, count: int | None=None, sort: str | None=None, store: Key | None=None, store_dist: Key | None=None, any: bool=False) -> list[Reply] | int:
        """Return the places within a radius of a member like :meth:`geosearch`; or store them, and return how many."""
    async def georadiusbymember_ro(self, name: Key, member: Value, radius: float, unit: str | None=None, withdist: bool=False, withcoord: bool=False, withhash: bool=False, count: int | None=None, sort: str | None=None, any: bool=False) -> list[Reply]:
        """Return the places within a radius of a member like :meth:`geosearch`, which is the newer form."""

class AsyncServerCommands(Generic[T]):
    async def eval(self, script: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a Lua script on ``numkeys`` keys and further arguments."""
    async def eval_ro(self, script: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a Lua script that may not write."""
    async def evalsha(self, sha: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a script that was loaded, by its SHA1."""
    async def evalsha_ro(self, sha: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a script that was loaded, by its SHA1, and may not write."""
    async def script_exists(self, *args: str | bytes) -> list[bool]:
        """Return which scripts are loaded."""
    async def script_flush(self, sync_type: str | None=None) -> bool:
        """Forget the scripts that were loaded."""
    async def script_kill(self) -> bool:
        """End the script that runs."""
    async def script_load(self, script: str | bytes) -> str:
        """Load a script; return its SHA1."""
    async def fcall(self, function: str, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a function of a library."""
    async def fcall_ro(self, function: str, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a function of a library that does not write."""
    async def function_delete(self, library: str) -> bool:
        """Delete a library."""
    async def function_dump(self) -> bytes:
        """Return all libraries in the format that :meth:`function_restore` takes."""
    async def function_flush(self, mode: str='SYNC') -> bool:
        """Delete all libraries."""
    async def function_kill(self) -> T:
        """End the function that runs."""
    async def function_list(self, library: str | None='*', withcode: bool=False) -> list[Reply]:
        """Return the libraries whose names match a pattern."""
    async def function_load(self, code: str | bytes, replace: bool=False) -> T:
        """Load a library; return its name."""
    async def function_restore(self, payload: bytes, policy: str='APPEND') -> bool:
        """Load what :meth:`function_dump` returned."""
    async def function_stats(self) -> Reply:
        """Return what function runs and how many there are."""
    async def publish(self, channel: Key, message: Value) -> int:
        """Send a message to who listens to a channel; return how many did."""
    async def spublish(self, shard_channel: Key, message: Value) -> int:
        """Send a message to who listens to a shard channel; return how many did."""
    async def pubsub_channels(self, pattern: Value='*') -> list[T]:
        """Return the channels that somebody listens to."""
    async def pubsub_numpat(self) -> int:
        """Return how many patterns are listened to."""
    async def pubsub_numsub(self, *args: Key) -> list[tuple[T, int]]:
        """Return how many listen to each of the channels."""
    async def pubsub_shardchannels(self, pattern: Value='*') -> list[T]:
        """Return the shard channels that somebody listens to."""
    async def pubsub_shardnumsub(self, *args: Key) -> list[tuple[T, int]]:
        """Return how many listen to each of the shard channels."""
    async def bgrewriteaof(self) -> bool:
        """Begin to rewrite the append-only file."""
    async def bgsave(self, schedule: bool=True) -> bool:
        """Begin to save a snapshot."""
    async def command(self) -> dict[str, dict[str, Reply]]:
        """Return facts about all commands by name."""
    async def command_count(self) -> int:
        """Return how many commands there are."""
    async def command_docs(self, *args: str) -> dict[str, Reply]:
        """Return what commands do, by name; all of them without names."""
    async def command_getkeys(self, *args: Value) -> list[str]:
        """Return the keys of a command with its arguments, as text."""
    async def command_getkeysandflags(self, *args: Value) -> list[Reply]:
        """Return the keys of a command with its arguments, each with what is done to it."""
    async def command_info(self, *args: str) -> dict[str, dict[str, Reply]]:
        """Return facts about the commands of these names, those that exist; all of them without names."""
    async def command_list(self, module: str | None=None, category: str | None=None, pattern: str | None=None) -> list[T]:
        """Return the names of the commands; of a module's, a category's, or those that match a pattern."""
    async def config_get(self, pattern: Value='*', *args: Value) -> dict[str, str]:
        """Return the directives that match a pattern."""
    async def config_resetstat(self) -> bool:
        """Zero the statistics."""
    async def config_rewrite(self) -> T:
        """Write the directives to the configuration file."""
    async def config_set(self, name: Value, value: Value, *args: Value) -> bool:
        """Change directives."""
    async def dbsize(self) -> int:
        """Return how many keys there are."""
    async def debug_object(self, key: Key) -> dict[str, int | str]:
        """Return how a value is kept; for a store that was opened with ``enable_debug_command="local"``."""
    async def echo(self, value: Value) -> T:
        """Return ``value``."""
    async def flushall(self, asynchronous: bool=False) -> bool:
        """Delete every key of every database."""
    async def flushdb(self, asynchronous: bool=False) -> bool:
        """Delete every key."""
    async def info(self, section: str | None=None, *args: str) -> dict[str, Reply]:
        """Return facts and statistics."""
    async def lastsave(self) -> datetime:
        """Return when the data was saved last, in UTC."""
    async def latency_doctor(self) -> str:
        """Return in words what was slow of late."""
    async def latency_graph(self, event: str) -> str:
        """Return a graph of an event's latency, drawn with characters."""
    async def latency_histogram(self, *args: str) -> dict[str, Reply]:
        """Return how long commands took: how many calls in how many microseconds, by name."""
    async def latency_history(self, event: str) -> list[list[int]]:
        """Return when an event was slow, in seconds since the Unix epoch, and by how many milliseconds."""
    async def latency_latest(self) -> list[list[Reply]]:
        """Return the latest and longest latency of each event."""
    async def latency_reset(self, *events: str) -> int:
        """Forget the latency of events, or of all; return how many had any."""
    async def lolwut(self, *version_numbers: float) -> T:
        """Return the version, with a picture for some."""
    async def memory_doctor(self) -> str:
        """Return in words what is odd about the use of memory."""
    async def memory_help(self) -> list[str]:
        """Return what MEMORY can do, in lines."""
    async def memory_malloc_stats(self) -> T:
        """Return the allocator's statistics, if it has any."""
    async def memory_purge(self) -> bool:
        """Have the allocator give memory back."""
    async def memory_usage(self, key: Key, samples: int | None=None) -> int | None:
        """Return about how many bytes a key takes, None if it does not exist."""
    async def memory_stats(self) -> dict[str, Reply]:
        """Return what takes how many bytes."""
    async def module_list(self) -> list[Reply]:
        """Return the modules that are loaded: none."""
    async def ping(self) -> bool:
        """Return True."""
    async def role(self) -> list[Reply]:
        """Return ``master`` or ``slave``, and what each knows of replication."""
    async def save(self) -> bool:
        """Save a snapshot now."""
    async def select(self, index: int) -> bool:
        """Let this session use another database."""
    async def slowlog_get(self, num: int | None=None) -> list[dict[str, Reply]]:
        """Return the slowest commands of late."""
    async def slowlog_len(self) -> int:
        """Return how many commands the slow log holds."""
    async def slowlog_reset(self) -> bool:
        """Empty the slow log."""
    async def swapdb(self, first: int, second: int) -> bool:
        """Exchange two databases."""
    async def time(self) -> tuple[int, int]:
        """Return the time as seconds since the Unix epoch and microseconds."""
    async def wait(self, num_replicas: int, timeout: int) -> int:
        """Wait up to ``timeout`` milliseconds until replicas have what was written; return how many have."""
    async def waitaof(self, num_local: int, num_replicas: int, timeout: int) -> list[int]:
        """Wait up to ``timeout`` milliseconds until disks have what was written: the own one, replicas' ones."""

class AsyncConnectionCommands(Generic[T]):
    async def client_getname(self) -> str | None:
        """Return the name of this session."""
    async def client_id(self) -> int:
        """Return the number of this session."""
    async def client_info(self) -> dict[str, str]:
        """Return facts about this session."""
    async def client_list(self, _type: str | None=None, client_id: tuple[int, ...]=()) -> list[dict[str, str]]:
        """Return facts about the sessions."""
    async def client_setname(self, name: str) -> bool:
        """Name this session."""
    async def client_unblock(self, client_id: int, error: bool=False) -> bool:
        """End the wait of a session, with an error or as if its time were up."""
    async def client_getredir(self) -> int:
        """Return the session that hears of this one's invalidated keys, 0 for itself, -1 for none."""
    async def client_kill(self, address: str) -> bool:
        """End the connection from an address, ``ip:port``."""
    async def client_kill_filter(self, _id: int | str | None=None, _type: str | None=None, addr: str | None=None, skipme: bool | None=None, laddr: str | None=None, user: str | None=None, maxage: int | None=None) -> int:
        """End the connections that all filters fit; return how many."""
    async def client_no_evict(self, mode: str) -> T:
        """Spare this session when memory for clients runs short: ``ON`` or ``OFF``."""
    async def client_no_touch(self, mode: str) -> T:
        """Let this session's commands leave the time of keys' last use alone: ``ON`` or ``OFF``."""
    async def client_pause(self, timeout: int, all: bool=True) -> bool:
        """Let all commands, or those that write, wait for ``timeout`` milliseconds."""
    async def client_setinfo(self, attr: str, value: str) -> bool:
        """Say which library this session belongs to: ``LIB-NAME`` or ``LIB-VER``."""
    async def client_tracking(self, on: bool=True, clientid: int | None=None, prefix: Sequence[Key]=(), bcast: bool=False, optin: bool=False, optout: bool=False, noloop: bool=False) -> T:
        """Have this session, or ``clientid``, told of keys that it read and that change; see ``messages()``."""
    async def client_tracking_off(self, clientid: int | None=None, prefix: Sequence[Key]=(), bcast: bool=False, optin: bool=False, optout: bool=False, noloop: bool=False) -> T:
        """End what :meth:`client_tracking` began."""
    async def client_tracking_on(self, clientid: int | None=None, prefix: Sequence[Key]=(), bcast: bool=False, optin: bool=False, optout: bool=False, noloop: bool=False) -> T:
        """Do what :meth:`client_tracking` does."""
    async def client_trackinginfo(self) -> dict[str, Reply]:
        """Return how keys are tracked for this session."""
    async def client_unpause(self) -> T:
        """End :meth:`client_pause`."""

class AsyncAccessCommands(Generic[T]):
    async def acl_cat(self, category: str | None=None) -> list[str]:
        """Return the categories of commands, or the commands of one."""
    async def acl_deluser(self, *username: str) -> int:
        """Delete users; return how many existed."""
    async def acl_dryrun(self, username: str, *args: Value) -> T:
        """Return ``OK`` if a user may run a command, otherwise why not; nothing is run."""
    async def acl_genpass(self, bits: int | None=None) -> str:
        """Return a random password of so many bits, 256 without a number."""
    async def acl_getuser(self, username: str) -> dict[str, Reply] | None:
        """Return the rules of a user, None if there is none."""
    async def acl_help(self) -> list[str]:
        """Return what ACL can do, in lines."""
    async def acl_list(self) -> list[str]:
        """Return the users, each with its rules in one line."""
    async def acl_load(self) -> bool:
        """Read the users of the ACL file in place of the present ones."""
    async def acl_log(self, count: int | None=None) -> list[dict[str, Reply]]:
        """Return what was refused of late, newest first."""
    async def acl_log_reset(self) -> bool:
        """Empty the log of what was refused."""
    async def acl_save(self) -> bool:
        """Write the users to the ACL file."""
    async def acl_setuser(self, username: str, enabled: bool=False, nopass: bool=False, passwords: str | Sequence[str] | None=None, hashed_passwords: str | Sequence[str] | None=None, categories: Sequence[str] | None=None, commands: Sequence[str] | None=None, keys: Sequence[str] | None=None, channels: Sequence[str] | None=None, selectors: Sequence[tuple[str, str]] | None=None, reset: bool=False, reset_keys: bool=False, reset_channels: bool=False, reset_passwords: bool=False) -> bool:
        """Make a user, or change one."""
    async def acl_users(self) -> list[str]:
        """Return the names of the users."""
    async def acl_whoami(self) -> str:
        """Return the user of this session."""

class AsyncCommands(AsyncStringCommands[T], AsyncKeyCommands[T], AsyncHashCommands[T], AsyncListCommands[T], AsyncSetCommands[T], AsyncSortedSetCommands[T], AsyncStreamCommands[T], AsyncGeoCommands[T], AsyncServerCommands[T], AsyncConnectionCommands[T], AsyncAccessCommands[T]):
    __slots__ = ()
