"""Methods for scripts, functions, publishing, and the store itself; named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from kvcore.frontends.store_base import (
    Commands,
    Key,
    T,
    Value,
    as_bool,
    as_bools,
    as_dict,
    as_text,
    flags,
    plain,
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
    for line in _as_report(reply).splitlines():
        name, colon, value = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        facts[name] = _facts(value)
    return facts


def _lines(reply: Reply) -> list[str]:
    return [as_text(line) for line in reply]


def _readable(reply: Reply) -> list[str]:
    return [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in reply]


def _as_debug_facts(reply: Reply) -> dict[str, int | str]:
    """Return what redis-py makes of DEBUG OBJECT: numbers as such, and the first word as ``type``."""
    words = f"type:{as_text(reply)}".split()
    facts = (word.partition(":") for word in words)
    return {name: _whole(value) for name, _, value in facts}


def _whole(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdecimal() else text


_COMMAND_FACTS: Final = (
    "name",
    "arity",
    "flags",
    "first_key_pos",
    "last_key_pos",
    "step_count",
    "acl_categories",
    "tips",
    "key_specifications",
    "subcommands",
)
"""A server older than Redis 7 ends with the categories."""


def _as_command(reply: Reply) -> tuple[str, dict[str, Reply]]:
    facts: dict[str, Reply] = dict(zip(_COMMAND_FACTS, reply, strict=False))
    facts["name"] = as_text(facts["name"])
    facts["flags"] = _lines(facts["flags"])
    facts["acl_categories"] = _lines(facts["acl_categories"])
    return facts["name"], facts


def _as_commands(reply: Reply) -> dict[str, dict[str, Reply]]:
    """Return the commands that exist by their names."""
    return dict(_as_command(facts) for facts in plain(reply) if facts is not None)


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

    def function_kill(self) -> T:
        """End the function that runs."""
        return self._call_status(same, b"FUNCTION", b"KILL")

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

    def command(self) -> dict[str, dict[str, Reply]]:
        """Return facts about all commands by name."""
        return self._call(_as_commands, b"COMMAND")

    def command_count(self) -> int:
        """Return how many commands there are."""
        return self._call(same, b"COMMAND", b"COUNT")

    def command_docs(self, *args: str) -> dict[str, Reply]:
        """Return what commands do, by name; all of them without names."""
        return self._call(text_keys, b"COMMAND", b"DOCS", *args)

    def command_getkeys(self, *args: Value) -> list[str]:
        """Return the keys of a command with its arguments, as text."""
        return self._call(_readable, b"COMMAND", b"GETKEYS", *args)

    def command_getkeysandflags(self, *args: Value) -> list[Reply]:
        """Return the keys of a command with its arguments, each with what is done to it."""
        return self._call(same, b"COMMAND", b"GETKEYSANDFLAGS", *args)

    def command_info(self, *args: str) -> dict[str, dict[str, Reply]]:
        """Return facts about the commands of these names, those that exist; all of them without names."""
        return self._call(_as_commands, b"COMMAND", b"INFO", *args)

    def command_list(
        self, module: str | None = None, category: str | None = None, pattern: str | None = None
    ) -> list[T]:
        """Return the names of the commands; of a module's, a category's, or those that match a pattern."""
        words: list[Value] = []
        if module is not None:
            words += (b"MODULE", module)
        if category is not None:
            words += (b"ACLCAT", category)
        if pattern is not None:
            words += (b"PATTERN", pattern)
        return self._call(same, b"COMMAND", b"LIST", *([b"FILTERBY", *words] if words else []))

    def config_get(self, pattern: Value = "*", *args: Value) -> dict[str, str]:
        """Return the directives that match a pattern."""
        return self._call(_as_config, b"CONFIG", b"GET", pattern, *args)

    def config_resetstat(self) -> bool:
        """Zero the statistics."""
        return self._call(as_bool, b"CONFIG", b"RESETSTAT")

    def config_rewrite(self) -> T:
        """Write the directives to the configuration file."""
        return self._call_status(same, b"CONFIG", b"REWRITE")

    def config_set(self, name: Value, value: Value, *args: Value) -> bool:
        """Change directives."""
        return self._call(as_bool, b"CONFIG", b"SET", name, value, *args)

    def dbsize(self) -> int:
        """Return how many keys there are."""
        return self._call(same, b"DBSIZE")

    def debug_object(self, key: Key) -> dict[str, int | str]:
        """Return how a value is kept; for a store that was opened with ``enable_debug_command="local"``."""
        return self._call(_as_debug_facts, b"DEBUG", b"OBJECT", key)

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

    def latency_doctor(self) -> str:
        """Return in words what was slow of late."""
        return self._call(_as_report, b"LATENCY", b"DOCTOR")

    def latency_graph(self, event: str) -> str:
        """Return a graph of an event's latency, drawn with characters."""
        return self._call(_as_report, b"LATENCY", b"GRAPH", event)

    def latency_histogram(self, *args: str) -> dict[str, Reply]:
        """Return how long commands took: how many calls in how many microseconds, by name."""
        return self._call(text_keys, b"LATENCY", b"HISTOGRAM", *args)

    def latency_history(self, event: str) -> list[list[int]]:
        """Return when an event was slow, in seconds since the Unix epoch, and by how many milliseconds."""
        return self._call(same, b"LATENCY", b"HISTORY", event)

    def latency_latest(self) -> list[list[Reply]]:
        """Return the latest and longest latency of each event."""
        return self._call(same, b"LATENCY", b"LATEST")

    def latency_reset(self, *events: str) -> int:
        """Forget the latency of events, or of all; return how many had any."""
        return self._call(same, b"LATENCY", b"RESET", *events)

    def lolwut(self, *version_numbers: float) -> T:
        """Return the version, with a picture for some."""
        words: list[Value] = [b"VERSION", *version_numbers] if version_numbers else []
        return self._call(same, b"LOLWUT", *words)

    def memory_doctor(self) -> str:
        """Return in words what is odd about the use of memory."""
        return self._call(_as_report, b"MEMORY", b"DOCTOR")

    def memory_help(self) -> list[str]:
        """Return what MEMORY can do, in lines."""
        return self._call(_lines, b"MEMORY", b"HELP")

    def memory_malloc_stats(self) -> T:
        """Return the allocator's statistics, if it has any."""
        return self._call(same, b"MEMORY", b"MALLOC-STATS")

    def memory_purge(self) -> bool:
        """Have the allocator give memory back."""
        return self._call(as_bool, b"MEMORY", b"PURGE")

    def memory_usage(self, key: Key, samples: int | None = None) -> int | None:
        """Return about how many bytes a key takes, None if it does not exist."""
        words: list[Value] = [] if samples is None else [b"SAMPLES", samples]
        return self._call(same, b"MEMORY", b"USAGE", key, *words)

    def memory_stats(self) -> dict[str, Reply]:
        """Return what takes how many bytes."""
        return self._call(text_keys, b"MEMORY", b"STATS")

    def module_list(self) -> list[Reply]:
        """Return the modules that are loaded: none."""
        return self._call(same, b"MODULE", b"LIST")

    def ping(self) -> bool:
        """Return True."""
        return self._call(_as_pong, b"PING")

    def role(self) -> list[Reply]:
        """Return ``master`` or ``slave``, and what each knows of replication."""
        return self._call(same, b"ROLE")

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

    def waitaof(self, num_local: int, num_replicas: int, timeout: int) -> list[int]:
        """Wait up to ``timeout`` milliseconds until disks have what was written: the own one, replicas' ones.

        Return whether the own one has it, and how many replicas' have.
        """
        return self._call(same, b"WAITAOF", num_local, num_replicas, timeout)


def _as_report(reply: Reply) -> str:
    return as_text(reply.text if isinstance(reply, Verbatim) else reply)
