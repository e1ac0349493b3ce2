"""The methods of pipelines, which queue. Written by ``python -m tests.frontends.declarations``; do not edit."""

# fmt: off
# ruff: noqa

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Generic, Literal, overload

from kvcore.frontends.store_base import Aggregate, Bound, Convert, Duration, Entry, Key, Keys, Moment, Scored, T, Value
from kvcore.arguments import Argument
from kvcore.replies import Reply

class PipelineStringCommands(Generic[T]):
    def append(self, key: Key, value: Value) -> Reply:
        """Append to a string; return its length in bytes."""
    def decr(self, name: Key, amount: int=1) -> Reply:
        """Subtract from an integer; return the result."""
    def decrby(self, name: Key, amount: int=1) -> Reply:
        """Subtract from an integer; return the result."""
    def get(self, name: Key) -> Reply:
        """Return the string at ``name``, None if there is none."""
    def getdel(self, name: Key) -> Reply:
        """Return a string and delete its key."""
    def getex(self, name: Key, ex: Duration | None=None, px: Duration | None=None, exat: Moment | None=None, pxat: Moment | None=None, persist: bool=False) -> Reply:
        """Return a string and change when its key expires: in ``ex`` seconds, in ``px`` milliseconds, or never."""
    def getrange(self, key: Key, start: int, end: int) -> Reply:
        """Return the bytes from ``start`` to ``end``, both included."""
    def getset(self, name: Key, value: Value) -> Reply:
        """Set a string; return what was there before."""
    def incr(self, name: Key, amount: int=1) -> Reply:
        """Add to an integer; return the result."""
    def incrby(self, name: Key, amount: int=1) -> Reply:
        """Add to an integer; return the result."""
    def incrbyfloat(self, name: Key, amount: float=1.0) -> Reply:
        """Add to a number; return the result."""
    def lcs(self, key1: Key, key2: Key, len: bool=False, idx: bool=False, minmatchlen: int=0, withmatchlen: bool=False) -> Reply:
        """Return the longest common subsequence of two strings: itself, its length, or where its pieces are."""
    def mget(self, keys: Keys, *args: Key) -> Reply:
        """Return the strings of several keys, None where there is none."""
    def mset(self, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> Reply:
        """Set several keys at once."""
    def msetnx(self, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> Reply:
        """Set several keys if none of them exists; return whether that was so."""
    def psetex(self, name: Key, time_ms: Duration, value: Value) -> Reply:
        """Set a string for ``time_ms`` milliseconds."""
    def set(self, name: Key, value: Value, ex: Duration | None=None, px: Duration | None=None, nx: bool=False, xx: bool=False, keepttl: bool=False, get: bool=False, exat: Moment | None=None, pxat: Moment | None=None) -> Reply:
        """Set a string, for ``ex`` seconds or ``px`` milliseconds, or until ``exat`` or ``pxat``, if given."""
    def setex(self, name: Key, time: Duration, value: Value) -> Reply:
        """Set a string for ``time`` seconds."""
    def setnx(self, name: Key, value: Value) -> Reply:
        """Set a string if the key is new; return whether it was."""
    def setrange(self, name: Key, offset: int, value: Value) -> Reply:
        """Overwrite part of a string; return its length."""
    def strlen(self, name: Key) -> Reply:
        """Return the length of a string in bytes."""
    def substr(self, name: Key, start: int, end: int=-1) -> Reply:
        """Return the bytes from ``start`` to ``end``, both included."""
    def bitcount(self, key: Key, start: int | None=None, end: int | None=None, mode: str | None=None) -> Reply:
        """Count the bits that are set, between two offsets in bytes, or in bits with ``mode`` BIT."""
    def bitfield_ro(self, key: Key, encoding: str, offset: Value, items: list[tuple[str, Value]] | None=None) -> Reply:
        """Return integers of any width at bit offsets."""
    def bitop(self, operation: str, dest: Key, *keys: Key) -> Reply:
        """Store the AND, OR, XOR or NOT of strings; return its length."""
    def bitpos(self, key: Key, bit: int, start: int | None=None, end: int | None=None, mode: str | None=None) -> Reply:
        """Return the offset of the first bit that is ``bit``, -1 if there is none."""
    def getbit(self, name: Key, offset: int) -> Reply:
        """Return the bit at ``offset``."""
    def setbit(self, name: Key, offset: int, value: int) -> Reply:
        """Set the bit at ``offset``; return what it was."""
    def pfadd(self, name: Key, *values: Value) -> Reply:
        """Count items; return 1 if the estimate may have changed."""
    def pfcount(self, *sources: Key) -> Reply:
        """Return about how many different items were counted, together."""
    def pfmerge(self, dest: Key, *sources: Key) -> Reply:
        """Count into ``dest`` what the others have counted."""

class PipelineKeyCommands(Generic[T]):
    def copy(self, source: Key, destination: Key, destination_db: int | None=None, replace: bool=False) -> Reply:
        """Copy a key; return whether that was done."""
    def delete(self, *names: Key) -> Reply:
        """Delete keys; return how many existed."""
    def dump(self, name: Key) -> Reply:
        """Return a value in the format that :meth:`restore` takes."""
    def exists(self, *names: Key) -> Reply:
        """Return how many of the keys exist."""
    def expire(self, name: Key, time: Duration, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Let a key expire in ``time`` seconds; return whether that was set."""
    def expireat(self, name: Key, when: Moment, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Let a key expire at a moment; return whether that was set."""
    def expiretime(self, key: Key) -> Reply:
        """Return when a key expires in seconds since the Unix epoch, -1 if never, -2 without a key."""
    def keys(self, pattern: Value='*') -> Reply:
        """Return the keys that match a pattern; :meth:`scan_iter` takes less memory."""
    def migrate(self, host: str, port: int, keys: Keys, destination_db: int, timeout: int, copy: bool=False, replace: bool=False, auth: str | None=None, username: str | None=None) -> Reply:
        """Move keys to another server, or copy them; return ``OK``, or ``NOKEY`` if there was none."""
    def move(self, name: Key, db: int) -> Reply:
        """Move a key to another database; return whether that was done."""
    def object(self, infotype: str, key: Key) -> Reply:
        """Return a fact about a key: ``ENCODING``, ``FREQ``, ``IDLETIME`` or ``REFCOUNT``."""
    def persist(self, name: Key) -> Reply:
        """Take the time to live off a key; return whether it had one."""
    def pexpire(self, name: Key, time: Duration, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Let a key expire in ``time`` milliseconds; return whether that was set."""
    def pexpireat(self, name: Key, when: Moment, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Let a key expire at a moment, a number of which is milliseconds; return whether that was set."""
    def pexpiretime(self, key: Key) -> Reply:
        """Return when a key expires in milliseconds since the Unix epoch, -1 if never, -2 without a key."""
    def pttl(self, name: Key) -> Reply:
        """Return a key's time to live in milliseconds, -1 if it has none, -2 without a key."""
    def randomkey(self) -> Reply:
        """Return any key, None if there is none."""
    def rename(self, src: Key, dst: Key) -> Reply:
        """Rename a key."""
    def renamenx(self, src: Key, dst: Key) -> Reply:
        """Rename a key if the new name is free; return whether it was."""
    def restore(self, name: Key, ttl: int, value: Value, replace: bool=False, absttl: bool=False, idletime: int | None=None, frequency: int | None=None) -> Reply:
        """Make a key of what :meth:`dump` returned, to live ``ttl`` milliseconds, 0 for ever."""
    def scan(self, cursor: int=0, match: Value | None=None, count: int | None=None, _type: str | None=None) -> Reply:
        """Return the next cursor, which is 0 at the end, and some keys; see :meth:`scan_iter`."""
    def hscan(self, name: Key, cursor: int=0, match: Value | None=None, count: int | None=None) -> Reply:
        """Return the next cursor and some fields of a hash with their values; see :meth:`hscan_iter`."""
    def sscan(self, name: Key, cursor: int=0, match: Value | None=None, count: int | None=None) -> Reply:
        """Return the next cursor and some members of a set; see :meth:`sscan_iter`."""
    def zscan(self, name: Key, cursor: int=0, match: Value | None=None, count: int | None=None) -> Reply:
        """Return the next cursor and some members of a sorted set with their scores; see :meth:`zscan_iter`."""
    def sort(self, name: Key, start: int | None=None, num: int | None=None, by: Value | None=None, get: Keys | None=None, desc: bool=False, alpha: bool=False, store: Key | None=None, groups: bool=False) -> Reply:
        """Return the items of a list, set or sorted set in order, or store them and return how many there are."""
    def sort_ro(self, key: Key, start: int | None=None, num: int | None=None, by: Value | None=None, get: Keys | None=None, desc: bool=False, alpha: bool=False) -> Reply:
        """Return the items of a list, set or sorted set in order."""
    def touch(self, *args: Key) -> Reply:
        """Use keys without reading them; return how many exist."""
    def ttl(self, name: Key) -> Reply:
        """Return a key's time to live in seconds, -1 if it has none, -2 without a key."""
    def type(self, name: Key) -> Reply:
        """Return the type of a value: ``string``, ``list``, ``set``, ``zset``, ``hash``, ``stream`` or ``none``."""
    def unlink(self, *names: Key) -> Reply:
        """Delete keys; return how many existed."""

class PipelineHashCommands(Generic[T]):
    def hdel(self, name: Key, *keys: Value) -> Reply:
        """Delete fields; return how many existed."""
    def hexists(self, name: Key, key: Value) -> Reply:
        """Return whether a field exists."""
    def hget(self, name: Key, key: Value) -> Reply:
        """Return the value of a field, None if there is none."""
    def hgetall(self, name: Key) -> Reply:
        """Return all fields and values."""
    def hincrby(self, name: Key, key: Value, amount: int=1) -> Reply:
        """Add to the integer in a field; return the result."""
    def hincrbyfloat(self, name: Key, key: Value, amount: float=1.0) -> Reply:
        """Add to the number in a field; return the result."""
    def hkeys(self, name: Key) -> Reply:
        """Return all fields."""
    def hlen(self, name: Key) -> Reply:
        """Return how many fields there are."""
    def hmget(self, name: Key, keys: Keys, *args: Value) -> Reply:
        """Return the values of several fields, None where there is none."""
    def hmset(self, name: Key, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value]) -> Reply:
        """Set several fields; the older form of :meth:`hset`."""
    def hrandfield(self, key: Key, count: int | None=None, withvalues: bool=False) -> Reply:
        """Return a random field, or ``count`` of them, which repeat if that is negative."""
    def hset(self, name: Key, key: Value | None=None, value: Value | None=None, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value] | None=None, items: Sequence[Value] | None=None) -> Reply:
        """Set a field, those of a mapping, and of ``items``, fields and values in turns; return how many are new."""
    def hsetnx(self, name: Key, key: Value, value: Value) -> Reply:
        """Set a field if it is new; return 1 if it was."""
    def hstrlen(self, name: Key, key: Value) -> Reply:
        """Return the length of a field's value in bytes."""
    def hvals(self, name: Key) -> Reply:
        """Return all values."""
    def hgetdel(self, name: Key, *keys: Value) -> Reply:
        """Return the values of fields, None where there is none, and delete those fields."""
    def hgetex(self, name: Key, *keys: Value, ex: Duration | None=None, px: Duration | None=None, exat: Moment | None=None, pxat: Moment | None=None, persist: bool=False) -> Reply:
        """Return the values of fields, None where there is none, and set or clear when those fields expire."""
    def hsetex(self, name: Key, key: Value | None=None, value: Value | None=None, mapping: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value] | None=None, items: Sequence[Value] | None=None, ex: Duration | None=None, px: Duration | None=None, exat: Moment | None=None, pxat: Moment | None=None, data_persist_option: Enum | str | None=None, keepttl: bool=False) -> Reply:
        """Set fields as :meth:`hset` does, and when they expire; return 1, or 0 if nothing was set."""
    def hexpire(self, name: Key, seconds: Duration, *fields: Value, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Let fields expire in so many seconds; for each: 1 set, 0 not set, 2 deleted at once, -2 no such field."""
    def hpexpire(self, name: Key, milliseconds: Duration, *fields: Value, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Let fields expire in so many milliseconds; the codes are those of :meth:`hexpire`."""
    def hexpireat(self, name: Key, unix_time_seconds: Moment, *fields: Value, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Let fields expire at a moment; the codes are those of :meth:`hexpire`."""
    def hpexpireat(self, name: Key, unix_time_milliseconds: Moment, *fields: Value, nx: bool=False, xx: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Let fields expire at a moment, a number of which is milliseconds; the codes are those of :meth:`hexpire`."""
    def hexpiretime(self, key: Key, *fields: Value) -> Reply:
        """Return when fields expire in seconds since the Unix epoch, -1 if never, -2 without a field."""
    def hpexpiretime(self, key: Key, *fields: Value) -> Reply:
        """Return when fields expire in milliseconds since the Unix epoch, -1 if never, -2 without a field."""
    def hpersist(self, name: Key, *fields: Value) -> Reply:
        """Take the times to live off fields: 1 if one had it, -1 if not, -2 without a field."""
    def hpttl(self, key: Key, *fields: Value) -> Reply:
        """Return the times to live of fields in milliseconds, -1 where there is none, -2 without a field."""
    def httl(self, key: Key, *fields: Value) -> Reply:
        """Return the times to live of fields in seconds, -1 where there is none, -2 without a field."""

class PipelineListCommands(Generic[T]):
    def blmove(self, first_list: Key, second_list: Key, timeout: float, src: str='LEFT', dest: str='RIGHT') -> Reply:
        """Do :meth:`lmove`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
    def blmpop(self, timeout: float, numkeys: int, *args: Key, direction: str, count: int | None=1) -> Reply:
        """Do :meth:`lmpop`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
    def blpop(self, keys: Keys, timeout: float | None=0) -> Reply:
        """Pop the first item of the first list that has one, waiting up to ``timeout`` seconds (0: for ever)."""
    def brpop(self, keys: Keys, timeout: float | None=0) -> Reply:
        """Pop the last item of the first list that has one, waiting up to ``timeout`` seconds (0: for ever)."""
    def brpoplpush(self, src: Key, dst: Key, timeout: float | None=0) -> Reply:
        """Do :meth:`rpoplpush`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
    def lindex(self, name: Key, index: int) -> Reply:
        """Return the item at ``index``, None if there is none."""
    def linsert(self, name: Key, where: str, refvalue: Value, value: Value) -> Reply:
        """Insert ``BEFORE`` or ``AFTER`` an item; return the length, -1 without that item, 0 without a list."""
    def llen(self, name: Key) -> Reply:
        """Return the length of a list."""
    def lmove(self, first_list: Key, second_list: Key, src: str='LEFT', dest: str='RIGHT') -> Reply:
        """Move an item from one end of a list to one of another; return it."""
    def lmpop(self, num_keys: int, *args: Key, direction: str, count: int | None=1) -> Reply:
        """Pop up to ``count`` items from the first list that has one; return its key and them."""
    def lpop(self, name: Key, count: int | None=None) -> Reply:
        """Pop the first item, or up to ``count`` of them; None without a list."""
    def lpos(self, name: Key, value: Value, rank: int | None=None, count: int | None=None, maxlen: int | None=None) -> Reply:
        """Return the index of an item, None if it is not there; with ``count`` those of up to so many (0: all)."""
    def lpush(self, name: Key, *values: Value) -> Reply:
        """Put items before the first, one after the other; return the length."""
    def lpushx(self, name: Key, *values: Value) -> Reply:
        """Do :meth:`lpush` if the list exists; return the length."""
    def lrange(self, name: Key, start: int, end: int) -> Reply:
        """Return the items from ``start`` to ``end``, both included."""
    def lrem(self, name: Key, count: int, value: Value) -> Reply:
        """Delete ``count`` items that equal ``value``, from the end if negative, all if 0; return how many went."""
    def lset(self, name: Key, index: int, value: Value) -> Reply:
        """Replace the item at ``index``."""
    def ltrim(self, name: Key, start: int, end: int) -> Reply:
        """Keep the items from ``start`` to ``end``, both included, and no others."""
    def rpop(self, name: Key, count: int | None=None) -> Reply:
        """Pop the last item, or up to ``count`` of them; None without a list."""
    def rpoplpush(self, src: Key, dst: Key) -> Reply:
        """Move the last item of a list before the first of another; return it."""
    def rpush(self, name: Key, *values: Value) -> Reply:
        """Put items behind the last; return the length."""
    def rpushx(self, name: Key, *values: Value) -> Reply:
        """Do :meth:`rpush` if the list exists; return the length."""

class PipelineSetCommands(Generic[T]):
    def sadd(self, name: Key, *values: Value) -> Reply:
        """Add members; return how many are new."""
    def scard(self, name: Key) -> Reply:
        """Return how many members there are."""
    def sdiff(self, keys: Keys, *args: Key) -> Reply:
        """Return the members of the first set that no other has."""
    def sdiffstore(self, dest: Key, keys: Keys, *args: Key) -> Reply:
        """Store the members of the first set that no other has; return how many."""
    def sinter(self, keys: Keys, *args: Key) -> Reply:
        """Return the members that all sets have."""
    def sintercard(self, numkeys: int, keys: Sequence[Key], limit: int=0) -> Reply:
        """Return how many members all sets have, counting no further than ``limit``."""
    def sinterstore(self, dest: Key, keys: Keys, *args: Key) -> Reply:
        """Store the members that all sets have; return how many."""
    def sismember(self, name: Key, value: Value) -> Reply:
        """Return 1 if ``value`` is a member, else 0."""
    def smembers(self, name: Key) -> Reply:
        """Return all members."""
    def smismember(self, name: Key, values: Keys, *args: Value) -> Reply:
        """Return 1 for each value that is a member, 0 for each that is not."""
    def smove(self, src: Key, dst: Key, value: Value) -> Reply:
        """Move a member to another set; return whether it was there."""
    def spop(self, name: Key, count: int | None=None) -> Reply:
        """Remove and return a random member, or up to ``count`` of them."""
    def srandmember(self, name: Key, number: int | None=None) -> Reply:
        """Return a random member, or up to ``number`` of them; if that is negative, they may repeat."""
    def srem(self, name: Key, *values: Value) -> Reply:
        """Remove members; return how many were there."""
    def sunion(self, keys: Keys, *args: Key) -> Reply:
        """Return the members that any of the sets has."""
    def sunionstore(self, dest: Key, keys: Keys, *args: Key) -> Reply:
        """Store the members that any of the sets has; return how many."""

class PipelineSortedSetCommands(Generic[T]):
    def bzmpop(self, timeout: float, numkeys: int, keys: Sequence[Key], min: bool=False, max: bool=False, count: int | None=1) -> Reply:
        """Do :meth:`zmpop`, and wait up to ``timeout`` seconds (0: for ever) for a member; None if none came."""
    def bzpopmax(self, keys: Keys, timeout: float | None=0) -> Reply:
        """Pop the highest member of the first sorted set that has one; wait ``timeout`` seconds (0: for ever)."""
    def bzpopmin(self, keys: Keys, timeout: float | None=0) -> Reply:
        """Pop the lowest member of the first sorted set that has one; wait ``timeout`` seconds (0: for ever)."""
    def zadd(self, name: Key, mapping: Mapping[Key, float] | Mapping[bytes, float] | Mapping[str, float], nx: bool=False, xx: bool=False, ch: bool=False, incr: bool=False, gt: bool=False, lt: bool=False) -> Reply:
        """Set the scores of members; return how many are new, with ``ch`` how many changed, with ``incr`` the score."""
    def zcard(self, name: Key) -> Reply:
        """Return how many members there are."""
    def zcount(self, name: Key, min: Bound, max: Bound) -> Reply:
        """Count the members with scores between two bounds (``"(1"`` excludes 1, ``"-inf"`` is the least)."""
    def zdiff(self, keys: Keys, withscores: bool=False) -> Reply:
        """Return the members of the first sorted set that no other has."""
    def zdiffstore(self, dest: Key, keys: Keys) -> Reply:
        """Store the members of the first sorted set that no other has; return how many."""
    def zincrby(self, name: Key, amount: float, value: Value) -> Reply:
        """Add to a member's score; return the result."""
    def zinter(self, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None, withscores: bool=False) -> Reply:
        """Return the members that all sorted sets have; a mapping gives the weights of their scores."""
    def zintercard(self, numkeys: int, keys: Sequence[Key], limit: int=0) -> Reply:
        """Return how many members all sorted sets have, counting no further than ``limit``."""
    def zinterstore(self, dest: Key, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None) -> Reply:
        """Store the members that all sorted sets have; return how many."""
    def zlexcount(self, name: Key, min: Bound, max: Bound) -> Reply:
        """Count the members between two others in alphabetical order (``"[a"``, ``"(b"``, ``"-"``, ``"+"``)."""
    def zmpop(self, num_keys: int, keys: Sequence[Key], min: bool=False, max: bool=False, count: int | None=1) -> Reply:
        """Pop up to ``count`` members from the first sorted set that has one; return its key and them."""
    def zmscore(self, key: Key, members: Sequence[Value]) -> Reply:
        """Return the scores of several members, None where there is none."""
    def zpopmax(self, name: Key, count: int | None=None) -> Reply:
        """Remove and return the member with the highest score, or up to ``count`` of them."""
    def zpopmin(self, name: Key, count: int | None=None) -> Reply:
        """Remove and return the member with the lowest score, or up to ``count`` of them."""
    def zrandmember(self, key: Key, count: int | None=None, withscores: bool=False) -> Reply:
        """Return a random member, or up to ``count`` of them; if that is negative, they may repeat."""
    def zrange(self, name: Key, start: Bound, end: Bound, desc: bool=False, withscores: bool=False, *, byscore: bool=False, bylex: bool=False, offset: int | None=None, num: int | None=None) -> Reply:
        """Return the members between two ranks, scores or members, both included, with or without their scores."""
    def zrangebylex(self, name: Key, min: Bound, max: Bound, start: int | None=None, num: int | None=None) -> Reply:
        """Return the members between two others in alphabetical order."""
    def zrangebyscore(self, name: Key, min: Bound, max: Bound, start: int | None=None, num: int | None=None, withscores: bool=False) -> Reply:
        """Return the members with scores between two bounds, lowest first."""
    def zrangestore(self, dest: Key, name: Key, start: Bound, end: Bound, byscore: bool=False, bylex: bool=False, desc: bool=False, offset: int | None=None, num: int | None=None) -> Reply:
        """Store what :meth:`zrange` returns; return how many members."""
    def zrank(self, name: Key, value: Value, withscore: bool=False) -> Reply:
        """Return a member's rank, 0 for the lowest score, None if it is none; with its score if asked for."""
    def zrem(self, name: Key, *values: Value) -> Reply:
        """Remove members; return how many were there."""
    def zremrangebylex(self, name: Key, min: Bound, max: Bound) -> Reply:
        """Remove the members between two others in alphabetical order; return how many."""
    def zremrangebyrank(self, name: Key, min: int, max: int) -> Reply:
        """Remove the members between two ranks; return how many."""
    def zremrangebyscore(self, name: Key, min: Bound, max: Bound) -> Reply:
        """Remove the members with scores between two bounds; return how many."""
    def zrevrange(self, name: Key, start: int, end: int, withscores: bool=False) -> Reply:
        """Return the members between two ranks, counted and ordered from the highest score."""
    def zrevrangebylex(self, name: Key, max: Bound, min: Bound, start: int | None=None, num: int | None=None) -> Reply:
        """Return the members between two others in reverse alphabetical order."""
    def zrevrangebyscore(self, name: Key, max: Bound, min: Bound, start: int | None=None, num: int | None=None, withscores: bool=False) -> Reply:
        """Return the members with scores between two bounds, highest first."""
    def zrevrank(self, name: Key, value: Value, withscore: bool=False) -> Reply:
        """Return a member's rank, 0 for the highest score, None if it is none; with its score if asked for."""
    def zscore(self, name: Key, value: Value) -> Reply:
        """Return a member's score, None if it is none."""
    def zunion(self, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None, withscores: bool=False) -> Reply:
        """Return the members that any of the sorted sets has; a mapping gives the weights of their scores."""
    def zunionstore(self, dest: Key, keys: Sequence[Key] | Mapping[Key, float], aggregate: Aggregate | None=None) -> Reply:
        """Store the members that any of the sorted sets has; return how many."""

class PipelineStreamCommands(Generic[T]):
    def xack(self, name: Key, groupname: Value, *ids: Value) -> Reply:
        """Say that entries were dealt with; return how many were pending."""
    def xadd(self, name: Key, fields: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value], id: Value='*', maxlen: int | None=None, approximate: bool=True, nomkstream: bool=False, minid: Value | None=None, limit: int | None=None) -> Reply:
        """Append an entry and return its id; ``maxlen`` or ``minid`` drop old ones."""
    def xautoclaim(self, name: Key, groupname: Value, consumername: Value, min_idle_time: int, start_id: Value='0-0', count: int | None=None, justid: bool=False) -> Reply:
        """Take over entries that others left pending for ``min_idle_time`` milliseconds."""
    def xclaim(self, name: Key, groupname: Value, consumername: Value, min_idle_time: int, message_ids: Sequence[Value], idle: int | None=None, time: int | None=None, retrycount: int | None=None, force: bool=False, justid: bool=False) -> Reply:
        """Take over the named entries if they have been pending for ``min_idle_time`` milliseconds."""
    def xdel(self, name: Key, *ids: Value) -> Reply:
        """Delete entries; return how many were there."""
    def xgroup_create(self, name: Key, groupname: Value, id: Value='$', mkstream: bool=False, entries_read: int | None=None) -> Reply:
        """Make a group of consumers that reads what comes after ``id``."""
    def xgroup_createconsumer(self, name: Key, groupname: Value, consumername: Value) -> Reply:
        """Make a consumer; return 1 if it is new."""
    def xgroup_delconsumer(self, name: Key, groupname: Value, consumername: Value) -> Reply:
        """Delete a consumer; return how many entries it had pending."""
    def xgroup_destroy(self, name: Key, groupname: Value) -> Reply:
        """Delete a group; return whether it was there."""
    def xgroup_setid(self, name: Key, groupname: Value, id: Value, entries_read: int | None=None) -> Reply:
        """Let a group go on after ``id``."""
    def xinfo_consumers(self, name: Key, groupname: Value) -> Reply:
        """Return facts about each consumer of a group."""
    def xinfo_groups(self, name: Key) -> Reply:
        """Return facts about each group of a stream."""
    def xinfo_stream(self, name: Key, full: bool=False) -> Reply:
        """Return facts about a stream."""
    def xlen(self, name: Key) -> Reply:
        """Return how many entries there are."""
    def xpending(self, name: Key, groupname: Value) -> Reply:
        """Return how many entries of a group are pending, from where to where, and with whom."""
    def xpending_range(self, name: Key, groupname: Value, min: Value, max: Value, count: int, consumername: Value | None=None, idle: int | None=None) -> Reply:
        """Return pending entries one by one: with whom, for how long, and how often delivered."""
    def xrange(self, name: Key, min: Value='-', max: Value='+', count: int | None=None) -> Reply:
        """Return the entries between two ids, both included, oldest first."""
    def xread(self, streams: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value], count: int | None=None, block: int | None=None) -> Reply:
        """Return ``[[stream, entries], ...]`` of what came after an id in each stream."""
    def xreadgroup(self, groupname: Value, consumername: Value, streams: Mapping[Key, Value] | Mapping[bytes, Value] | Mapping[str, Value], count: int | None=None, block: int | None=None, noack: bool=False) -> Reply:
        """Return ``[[stream, entries], ...]`` for a consumer of a group; id ``>`` asks for what nobody else got."""
    def xrevrange(self, name: Key, max: Value='+', min: Value='-', count: int | None=None) -> Reply:
        """Return the entries between two ids, both included, newest first."""
    def xtrim(self, name: Key, maxlen: int | None=None, approximate: bool=True, minid: Value | None=None, limit: int | None=None) -> Reply:
        """Drop old entries; return how many."""

class PipelineGeoCommands(Generic[T]):
    def geoadd(self, name: Key, values: Sequence[Value], nx: bool=False, xx: bool=False, ch: bool=False) -> Reply:
        """Add places, given as longitude, latitude and name in turns; return how many are new."""
    def geodist(self, name: Key, place1: Value, place2: Value, unit: str | None=None) -> Reply:
        """Return the distance between two places in ``m``, ``km``, ``mi`` or ``ft``; None if one is not there."""
    def geohash(self, name: Key, *values: Value) -> Reply:
        """Return the geohashes of places."""
    def geopos(self, name: Key, *values: Value) -> Reply:
        """Return the longitudes and latitudes of places, None where there is none."""
    def geosearch(self, name: Key, member: Value | None=None, longitude: float | None=None, latitude: float | None=None, unit: str='m', radius: float | None=None, width: float | None=None, height: float | None=None, sort: str | None=None, count: int | None=None, any: bool=False, withcoord: bool=False, withdist: bool=False, withhash: bool=False) -> Reply:
        """Return the places within a circle or box around a member or a point."""
    def geosearchstore(self, dest: Key, name: Key, member: Value | None=None, longitude: float | None=None, latitude: float | None=None, unit: str='m', radius: float | None=None, width: float | None=None, height: float | None=None, sort: str | None=None, count: int | None=None, any: bool=False, storedist: bool=False) -> Reply:
        """Store the places that :meth:`geosearch` returns; return how many."""
    def georadius(self, name: Key, longitude: float, latitude: float, radius: float, unit: str | None=None, withdist: bool=False, withcoord: bool=False, withhash: bool=False, count: int | None=None, sort: str | None=None, store: Key | None=None, store_dist: Key | None=None, any: bool=False) -> Reply:
        """Return the places within a radius of a point like :meth:`geosearch`; or store them, and return how many."""
    def georadius_ro(self, name: Key, longitude: float, latitude: float, radius: float, unit: str | None=None, withdist: bool=False, withcoord: bool=False, withhash: bool=False, count: int | None=None, sort: str | None=None, any: bool=False) -> Reply:
        """Return the places within a radius of a point like :meth:`geosearch`, which is the newer form."""
    def georadiusbymember(self, name: Key, member: Value, radius: float, unit: str | None=None, withdist: bool=False, withcoord: bool=False, withhash: bool=False, count: int | None=None, sort: str | None=None, store: Key | None=None, store_dist: Key | None=None, any: bool=False) -> Reply:
        """Return the places within a radius of a member like :meth:`geosearch`; or store them, and return how many."""
    def georadiusbymember_ro(self, name: Key, member: Value, radius: float, unit: str | None=None, withdist: bool=False, withcoord: bool=False, withhash: bool=False, count: int | None=None, sort: str | None=None, any: bool=False) -> Reply:
        """Return the places within a radius of a member like :meth:`geosearch`, which is the newer form."""

class PipelineServerCommands(Generic[T]):
    def eval(self, script: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a Lua script on ``numkeys`` keys and further arguments."""
    def eval_ro(self, script: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a Lua script that may not write."""
    def evalsha(self, sha: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a script that was loaded, by its SHA1."""
    def evalsha_ro(self, sha: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a script that was loaded, by its SHA1, and may not write."""
    def script_exists(self, *args: str | bytes) -> Reply:
        """Return which scripts are loaded."""
    def script_flush(self, sync_type: str | None=None) -> Reply:
        """Forget the scripts that were loaded."""
    def script_kill(self) -> Reply:
        """End the script that runs."""
    def script_load(self, script: str | bytes) -> Reply:
        """Load a script; return its SHA1."""
    def fcall(self, function: str, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a function of a library."""
    def fcall_ro(self, function: str, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a function of a library that does not write."""
    def function_delete(self, library: str) -> Reply:
        """Delete a library."""
    def function_dump(self) -> Reply:
        """Return all libraries in the format that :meth:`function_restore` takes."""
    def function_flush(self, mode: str='SYNC') -> Reply:
        """Delete all libraries."""
    def function_kill(self) -> Reply:
        """End the function that runs."""
    def function_list(self, library: str | None='*', withcode: bool=False) -> Reply:
        """Return the libraries whose names match a pattern."""
    def function_load(self, code: str | bytes, replace: bool=False) -> Reply:
        """Load a library; return its name."""
    def function_restore(self, payload: bytes, policy: str='APPEND') -> Reply:
        """Load what :meth:`function_dump` returned."""
    def function_stats(self) -> Reply:
        """Return what function runs and how many there are."""
    def publish(self, channel: Key, message: Value) -> Reply:
        """Send a message to who listens to a channel; return how many did."""
    def spublish(self, shard_channel: Key, message: Value) -> Reply:
        """Send a message to who listens to a shard channel; return how many did."""
    def pubsub_channels(self, pattern: Value='*') -> Reply:
        """Return the channels that somebody listens to."""
    def pubsub_numpat(self) -> Reply:
        """Return how many patterns are listened to."""
    def pubsub_numsub(self, *args: Key) -> Reply:
        """Return how many listen to each of the channels."""
    def pubsub_shardchannels(self, pattern: Value='*') -> Reply:
        """Return the shard channels that somebody listens to."""
    def pubsub_shardnumsub(self, *args: Key) -> Reply:
        """Return how many listen to each of the shard channels."""
    def bgrewriteaof(self) -> Reply:
        """Begin to rewrite the append-only file."""
    def bgsave(self, schedule: bool=True) -> Reply:
        """Begin to save a snapshot."""
    def command(self) -> Reply:
        """Return facts about all commands by name."""
    def command_count(self) -> Reply:
        """Return how many commands there are."""
    def command_docs(self, *args: str) -> Reply:
        """Return what commands do, by name; all of them without names."""
    def command_getkeys(self, *args: Value) -> Reply:
        """Return the keys of a command with its arguments, as text."""
    def command_getkeysandflags(self, *args: Value) -> Reply:
        """Return the keys of a command with its arguments, each with what is done to it."""
    def command_info(self, *args: str) -> Reply:
        """Return facts about the commands of these names, those that exist; all of them without names."""
    def command_list(self, module: str | None=None, category: str | None=None, pattern: str | None=None) -> Reply:
        """Return the names of the commands; of a module's, a category's, or those that match a pattern."""
    def config_get(self, pattern: Value='*', *args: Value) -> Reply:
        """Return the directives that match a pattern."""
    def config_resetstat(self) -> Reply:
        """Zero the statistics."""
    def config_rewrite(self) -> Reply:
        """Write the directives to the configuration file."""
    def config_set(self, name: Value, value: Value, *args: Value) -> Reply:
        """Change directives."""
    def dbsize(self) -> Reply:
        """Return how many keys there are."""
    def debug_object(self, key: Key) -> Reply:
        """Return how a value is kept; for a store that was opened with ``enable_debug_command="local"``."""
    def echo(self, value: Value) -> Reply:
        """Return ``value``."""
    def flushall(self, asynchronous: bool=False) -> Reply:
        """Delete every key of every database."""
    def flushdb(self, asynchronous: bool=False) -> Reply:
        """Delete every key."""
    def info(self, section: str | None=None, *args: str) -> Reply:
        """Return facts and statistics."""
    def lastsave(self) -> Reply:
        """Return when the data was saved last, in UTC."""
    def latency_doctor(self) -> Reply:
        """Return in words what was slow of late."""
    def latency_graph(self, event: str) -> Reply:
        """Return a graph of an event's latency, drawn with characters."""
    def latency_histogram(self, *args: str) -> Reply:
        """Return how long commands took: how many calls in how many microseconds, by name."""
    def latency_history(self, event: str) -> Reply:
        """Return when an event was slow, in seconds since the Unix epoch, and by how many milliseconds."""
    def latency_latest(self) -> Reply:
        """Return the latest and longest latency of each event."""
    def latency_reset(self, *events: str) -> Reply:
        """Forget the latency of events, or of all; return how many had any."""
    def lolwut(self, *version_numbers: float) -> Reply:
        """Return the version, with a picture for some."""
    def memory_doctor(self) -> Reply:
        """Return in words what is odd about the use of memory."""
    def memory_help(self) -> Reply:
        """Return what MEMORY can do, in lines."""
    def memory_malloc_stats(self) -> Reply:
        """Return the allocator's statistics, if it has any."""
    def memory_purge(self) -> Reply:
        """Have the allocator give memory back."""
    def memory_usage(self, key: Key, samples: int | None=None) -> Reply:
        """Return about how many bytes a key takes, None if it does not exist."""
    def memory_stats(self) -> Reply:
        """Return what takes how many bytes."""
    def module_list(self) -> Reply:
        """Return the modules that are loaded: none."""
    def ping(self) -> Reply:
        """Return True."""
    def role(self) -> Reply:
        """Return ``master`` or ``slave``, and what each knows of replication."""
    def save(self) -> Reply:
        """Save a snapshot now."""
    def select(self, index: int) -> Reply:
        """Let this session use another database."""
    def slowlog_get(self, num: int | None=None) -> Reply:
        """Return the slowest commands of late."""
    def slowlog_len(self) -> Reply:
        """Return how many commands the slow log holds."""
    def slowlog_reset(self) -> Reply:
        """Empty the slow log."""
    def swapdb(self, first: int, second: int) -> Reply:
        """Exchange two databases."""
    def time(self) -> Reply:
        """Return the time as seconds since the Unix epoch and microseconds."""
    def wait(self, num_replicas: int, timeout: int) -> Reply:
        """Wait up to ``timeout`` milliseconds until replicas have what was written; return how many have."""
    def waitaof(self, num_local: int, num_replicas: int, timeout: int) -> Reply:
        """Wait up to ``timeout`` milliseconds until disks have what was written: the own one, replicas' ones."""

class PipelineConnectionCommands(Generic[T]):
    def client_getname(self) -> Reply:
        """Return the name of this session."""
    def client_id(self) -> Reply:
        """Return the number of this session."""
    def client_info(self) -> Reply:
        """Return facts about this session."""
    def client_list(self, _type: str | None=None, client_id: tuple[int, ...]=()) -> Reply:
        """Return facts about the sessions."""
    def client_setname(self, name: str) -> Reply:
        """Name this session."""
    def client_unblock(self, client_id: int, error: bool=False) -> Reply:
        """End the wait of a session, with an error or as if its time were up."""
    def client_getredir(self) -> Reply:
        """Return the session that hears of this one's invalidated keys, 0 for itself, -1 for none."""
    def client_kill(self, address: str) -> Reply:
        """End the connection from an address, ``ip:port``."""
    def client_kill_filter(self, _id: int | str | None=None, _type: str | None=None, addr: str | None=None, skipme: bool | None=None, laddr: str | None=None, user: str | None=None, maxage: int | None=None) -> Reply:
        """End the connections that all filters fit; return how many."""
    def client_no_evict(self, mode: str) -> Reply:
        """Spare this session when memory for clients runs short: ``ON`` or ``OFF``."""
    def client_no_touch(self, mode: str) -> Reply:
        """Let this session's commands leave the time of keys' last use alone: ``ON`` or ``OFF``."""
    def client_pause(self, timeout: int, all: bool=True) -> Reply:
        """Let all commands, or those that write, wait for ``timeout`` milliseconds."""
    def client_setinfo(self, attr: str, value: str) -> Reply:
        """Say which library this session belongs to: ``LIB-NAME`` or ``LIB-VER``."""
    def client_tracking(self, on: bool=True, clientid: int | None=None, prefix: Sequence[Key]=(), bcast: bool=False, optin: bool=False, optout: bool=False, noloop: bool=False) -> Reply:
        """Have this session, or ``clientid``, told of keys that it read and that change; see ``messages()``."""
    def client_tracking_off(self, clientid: int | None=None, prefix: Sequence[Key]=(), bcast: bool=False, optin: bool=False, optout: bool=False, noloop: bool=False) -> Reply:
        """End what :meth:`client_tracking` began."""
    def client_tracking_on(self, clientid: int | None=None, prefix: Sequence[Key]=(), bcast: bool=False, optin: bool=False, optout: bool=False, noloop: bool=False) -> Reply:
        """Do what :meth:`client_tracking` does."""
    def client_trackinginfo(self) -> Reply:
        """Return how keys are tracked for this session."""
    def client_unpause(self) -> Reply:
        """End :meth:`client_pause`."""

class PipelineAccessCommands(Generic[T]):
    def acl_cat(self, category: str | None=None) -> Reply:
        """Return the categories of commands, or the commands of one."""
    def acl_deluser(self, *username: str) -> Reply:
        """Delete users; return how many existed."""
    def acl_dryrun(self, username: str, *args: Value) -> Reply:
        """Return ``OK`` if a user may run a command, otherwise why not; nothing is run."""
    def acl_genpass(self, bits: int | None=None) -> Reply:
        """Return a random password of so many bits, 256 without a number."""
    def acl_getuser(self, username: str) -> Reply:
        """Return the rules of a user, None if there is none."""
    def acl_help(self) -> Reply:
        """Return what ACL can do, in lines."""
    def acl_list(self) -> Reply:
        """Return the users, each with its rules in one line."""
    def acl_load(self) -> Reply:
        """Read the users of the ACL file in place of the present ones."""
    def acl_log(self, count: int | None=None) -> Reply:
        """Return what was refused of late, newest first."""
    def acl_log_reset(self) -> Reply:
        """Empty the log of what was refused."""
    def acl_save(self) -> Reply:
        """Write the users to the ACL file."""
    def acl_setuser(self, username: str, enabled: bool=False, nopass: bool=False, passwords: str | Sequence[str] | None=None, hashed_passwords: str | Sequence[str] | None=None, categories: Sequence[str] | None=None, commands: Sequence[str] | None=None, keys: Sequence[str] | None=None, channels: Sequence[str] | None=None, selectors: Sequence[tuple[str, str]] | None=None, reset: bool=False, reset_keys: bool=False, reset_channels: bool=False, reset_passwords: bool=False) -> Reply:
        """Make a user, or change one."""
    def acl_users(self) -> Reply:
        """Return the names of the users."""
    def acl_whoami(self) -> Reply:
        """Return the user of this session."""

class PipelineCommands(PipelineStringCommands[T], PipelineKeyCommands[T], PipelineHashCommands[T], PipelineListCommands[T], PipelineSetCommands[T], PipelineSortedSetCommands[T], PipelineStreamCommands[T], PipelineGeoCommands[T], PipelineServerCommands[T], PipelineConnectionCommands[T], PipelineAccessCommands[T]):
    __slots__ = ()
