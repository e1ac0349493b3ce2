"""Methods for scripts, functions, publishing, and the store itself; named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from datetime import UTC, datetime

from kvcore.frontends.store_base import (
    Commands,
    Key,
    T,
    Value,
    as_bool,
    as_bools,
    as_dict,
    as_text,
    as_text_or_none,
    flags,
    same,
    text_keys,
)
from kvcore.replies import Reply, Verbatim


def _as_time(reply: Reply) -> tuple[int, int]:
    return int(reply[0]), int(reply[1])


def _as_moment(reply: Reply) -> datetime:
    return datetime.fromtimestamp(reply, UTC)


def _as_pong(reply: Reply) -> bool:
    return as_text(reply) == "PONG"


def _as_counts(reply: Reply) -> list[tuple[Reply, int]]:
    return list(as_dict(reply).items())


def _as_config(reply: Reply) -> dict[str, str]:
    return {as_text(name): as_text(value) for name, value in as_dict(reply).items()}


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _facts(value: str) -> Reply:
    """Return what stands behind the colon: a number, text, a list of these, or named ones."""
    items = value.split(",") if "," in value or "=" in value else []
    if any("=" in item for item in items):
        return {name: _value(amount) for name, _, amount in (item.partition("=") for item in items)}
    return [_value(item) for item in items if item] if items else _value(value)


def _as_info(reply: Reply) -> dict[str, Reply]:
    facts: dict[str, Reply] = {}
    text = as_text(reply.text if isinstance(reply, Verbatim) else reply)
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        facts[name] = _facts(value)
    return facts


def _as_client(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in line.split(" "))}


def _as_clients(reply: Reply) -> list[dict[str, str]]:
    text = as_text(reply.text if isinstance(reply, Verbatim) else reply)
    return [_as_client(line) for line in text.splitlines()]


def _as_slow(reply: Reply) -> list[dict[str, Reply]]:
    return [
        {
            "id": item[0],
            "start_time": item[1],
            "duration": item[2],
            "command": b" ".join(word if isinstance(word, bytes) else word.encode() for word in item[3]),
            "client_address": item[4],
            "client_name": item[5],
        }
        for item in reply
    ]


class ServerCommands(Commands[T]):
    """Commands on the store itself, on scripts, and PUBLISH."""

    __slots__ = ()

    # Scripts and functions

    def eval(self, script: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a Lua script on ``numkeys`` keys and further arguments."""
        return self._call(same, b"EVAL", script, numkeys, *keys_and_args)

    def eval_ro(self, script: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a Lua script that may not write."""
        return self._call(same, b"EVAL_RO", script, numkeys, *keys_and_args)

    def evalsha(self, sha: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a script that was loaded, by its SHA1."""
        return self._call(same, b"EVALSHA", sha, numkeys, *keys_and_args)

    def evalsha_ro(self, sha: str | bytes, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a script that was loaded, by its SHA1, and may not write."""
        return self._call(same, b"EVALSHA_RO", sha, numkeys, *keys_and_args)

    def script_exists(self, *args: str | bytes) -> list[bool]:
        """Return which scripts are loaded."""
        return self._call(as_bools, b"SCRIPT", b"EXISTS", *args)

    def script_flush(self, sync_type: str | None = None) -> bool:
        """Forget the scripts that were loaded."""
        return self._call(as_bool, b"SCRIPT", b"FLUSH", *([] if sync_type is None else [sync_type]))

    def script_kill(self) -> bool:
        """End the script that runs."""
        return self._call(as_bool, b"SCRIPT", b"KILL")

    def script_load(self, script: str | bytes) -> str:
        """Load a script; return its SHA1."""
        return self._call(as_text, b"SCRIPT", b"LOAD", script)

    def fcall(self, function: str, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a function of a library."""
        return self._call(same, b"FCALL", function, numkeys, *keys_and_args)

    def fcall_ro(self, function: str, numkeys: int, *keys_and_args: Value) -> Reply:
        """Run a function of a library that does not write."""
        return self._call(same, b"FCALL_RO", function, numkeys, *keys_and_args)

    def function_delete(self, library: str) -> bool:
        """Delete a library."""
        return self._call(as_bool, b"FUNCTION", b"DELETE", library)

    def function_dump(self) -> bytes:
        """Return all libraries in the format that :meth:`function_restore` takes."""
        return self._call_undecoded(same, b"FUNCTION", b"DUMP")

    def function_flush(self, mode: str = "SYNC") -> bool:
        """Delete all libraries."""
        return self._call(as_bool, b"FUNCTION", b"FLUSH", mode)

    def function_list(self, library: str | None = "*", withcode: bool = False) -> list[Reply]:
        """Return the libraries whose names match a pattern."""
        words: list[Value] = [] if library is None else [b"LIBRARYNAME", library]
        return self._call(same, b"FUNCTION", b"LIST", *words, *flags(WITHCODE=withcode))

    def function_load(self, code: str | bytes, replace: bool = False) -> T:
        """Load a library; return its name."""
        return self._call(same, b"FUNCTION", b"LOAD", *flags(REPLACE=replace), code)

    def function_restore(self, payload: bytes, policy: str = "APPEND") -> bool:
        """Load what :meth:`function_dump` returned."""
        return self._call(as_bool, b"FUNCTION", b"RESTORE", payload, policy)

    def function_stats(self) -> Reply:
        """Return what function runs and how many there are."""
        return self._call(same, b"FUNCTION", b"STATS")

    # Publishing

    def publish(self, channel: Key, message: Value) -> int:
        """Send a message to who listens to a channel; return how many did."""
        return self._call(same, b"PUBLISH", channel, message)

    def spublish(self, shard_channel: Key, message: Value) -> int:
        """Send a message to who listens to a shard channel; return how many did."""
        return self._call(same, b"SPUBLISH", shard_channel, message)

    def pubsub_channels(self, pattern: Value = "*") -> list[T]:
        """Return the channels that somebody listens to."""
        return self._call(same, b"PUBSUB", b"CHANNELS", pattern)

    def pubsub_numpat(self) -> int:
        """Return how many patterns are listened to."""
        return self._call(same, b"PUBSUB", b"NUMPAT")

    def pubsub_numsub(self, *args: Key) -> list[tuple[T, int]]:
        """Return how many listen to each of the channels."""
        return self._call(_as_counts, b"PUBSUB", b"NUMSUB", *args)

    def pubsub_shardchannels(self, pattern: Value = "*") -> list[T]:
        """Return the shard channels that somebody listens to."""
        return self._call(same, b"PUBSUB", b"SHARDCHANNELS", pattern)

    def pubsub_shardnumsub(self, *args: Key) -> list[tuple[T, int]]:
        """Return how many listen to each of the shard channels."""
        return self._call(_as_counts, b"PUBSUB", b"SHARDNUMSUB", *args)

    # The store

    def bgrewriteaof(self) -> bool:
        """Begin to rewrite the append-only file."""
        return self._call(as_bool, b"BGREWRITEAOF")

    def bgsave(self, schedule: bool = True) -> bool:
        """Begin to save a snapshot."""
        return self._call(as_bool, b"BGSAVE", *flags(SCHEDULE=schedule))

    def client_getname(self) -> str | None:
        """Return the name of this session."""
        return self._call(as_text_or_none, b"CLIENT", b"GETNAME")

    def client_id(self) -> int:
        """Return the number of this session."""
        return self._call(same, b"CLIENT", b"ID")

    def client_info(self) -> dict[str, str]:
        """Return facts about this session."""
        return self._call(_as_this_client, b"CLIENT", b"INFO")

    def client_list(self, _type: str | None = None, client_id: tuple[int, ...] = ()) -> list[dict[str, str]]:
        """Return facts about the sessions."""
        words: list[Value] = [] if _type is None else [b"TYPE", _type]
        if client_id:
            words += (b"ID", *client_id)
        return self._call(_as_clients, b"CLIENT", b"LIST", *words)

    def client_setname(self, name: str) -> bool:
        """Name this session."""
        return self._call(as_bool, b"CLIENT", b"SETNAME", name)

    def client_unblock(self, client_id: int, error: bool = False) -> bool:
        """End the wait of a session, with an error or as if its time were up."""
        return self._call(as_bool, b"CLIENT", b"UNBLOCK", client_id, *flags(ERROR=error))

    def command_count(self) -> int:
        """Return how many commands there are."""
        return self._call(same, b"COMMAND", b"COUNT")

    def config_get(self, pattern: Value = "*", *args: Value) -> dict[str, str]:
        """Return the directives that match a pattern."""
        return self._call(_as_config, b"CONFIG", b"GET", pattern, *args)

    def config_resetstat(self) -> bool:
        """Zero the statistics."""
        return self._call(as_bool, b"CONFIG", b"RESETSTAT")

    def config_set(self, name: Value, value: Value, *args: Value) -> bool:
        """Change directives."""
        return self._call(as_bool, b"CONFIG", b"SET", name, value, *args)

    def dbsize(self) -> int:
        """Return how many keys there are."""
        return self._call(same, b"DBSIZE")

    def echo(self, value: Value) -> T:
        """Return ``value``."""
        return self._call(same, b"ECHO", value)

    def flushall(self, asynchronous: bool = False) -> bool:
        """Delete every key of every database."""
        return self._call(as_bool, b"FLUSHALL", *flags(ASYNC=asynchronous))

    def flushdb(self, asynchronous: bool = False) -> bool:
        """Delete every key."""
        return self._call(as_bool, b"FLUSHDB", *flags(ASYNC=asynchronous))

    def info(self, section: str | None = None, *args: str) -> dict[str, Reply]:
        """Return facts and statistics."""
        return self._call(_as_info, b"INFO", *([] if section is None else [section]), *args)

    def lastsave(self) -> datetime:
        """Return when the data was saved last, in UTC."""
        return self._call(_as_moment, b"LASTSAVE")

    def memory_usage(self, key: Key, samples: int | None = None) -> int | None:
        """Return about how many bytes a key takes, None if it does not exist."""
        words: list[Value] = [] if samples is None else [b"SAMPLES", samples]
        return self._call(same, b"MEMORY", b"USAGE", key, *words)

    def memory_stats(self) -> dict[str, Reply]:
        """Return what takes how many bytes."""
        return self._call(text_keys, b"MEMORY", b"STATS")

    def ping(self) -> bool:
        """Return True."""
        return self._call(_as_pong, b"PING")

    def save(self) -> bool:
        """Save a snapshot now."""
        return self._call(as_bool, b"SAVE")

    def select(self, index: int) -> bool:
        """Let this session use another database."""
        return self._call(as_bool, b"SELECT", index)

    def slowlog_get(self, num: int | None = None) -> list[dict[str, Reply]]:
        """Return the slowest commands of late."""
        return self._call(_as_slow, b"SLOWLOG", b"GET", *([] if num is None else [num]))

    def slowlog_len(self) -> int:
        """Return how many commands the slow log holds."""
        return self._call(same, b"SLOWLOG", b"LEN")

    def slowlog_reset(self) -> bool:
        """Empty the slow log."""
        return self._call(as_bool, b"SLOWLOG", b"RESET")

    def swapdb(self, first: int, second: int) -> bool:
        """Exchange two databases."""
        return self._call(as_bool, b"SWAPDB", first, second)

    def time(self) -> tuple[int, int]:
        """Return the time as seconds since the Unix epoch and microseconds."""
        return self._call(_as_time, b"TIME")

    def wait(self, num_replicas: int, timeout: int) -> int:
        """Wait up to ``timeout`` milliseconds until replicas have what was written; return how many have."""
        return self._call(same, b"WAIT", num_replicas, timeout)


def _as_this_client(reply: Reply) -> dict[str, str]:
    return _as_clients(reply)[0]
