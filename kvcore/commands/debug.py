"""DEBUG: what tests and people at a loss ask of a server.

Lives here: the subcommands kvcore has a use for, or that test suites count on. Must not live here: those that tune a C
process (MALLCTL, LEAK, STRUCTSIZE ...): they answer as unknown. The rule: nothing runs unless `enable-debug-command`
allows it for this client.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from typing import Final, TypeVar

from kvcore import errors, glob
from kvcore.arguments import integer, integer_in_range
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.configuration import rewrite_file
from kvcore.commands.connection import protection
from kvcore.datatypes.encoding import string_encoding
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.datatypes.table import Table
from kvcore.digest import dataset_digest, value_digest
from kvcore.directive_kinds import read_memory
from kvcore.errors import CommandError, printable, text
from kvcore.helptext import help_lines
from kvcore.keyspace import Value
from kvcore.memory import bytes_cost, value_bytes
from kvcore.rdb.writer import quicklist_nodes, serialize
from kvcore.replies import OK, Attributed, BigNumber, OrderedSet, Reply, Verbatim

_NUMBER: Final = re.compile(rb"[ \t-\r]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_SHARED_INTEGERS: Final = 10000
_RELOAD_OPTIONS: Final = frozenset({b"MERGE", b"NOFLUSH", b"NOSAVE"})
_LINE_ENDS: Final = str.maketrans("\r\n", "  ")
_V = TypeVar("_V")

_LARGEST_NODE: Final = 1 << 32
_MATCHES: Final = 1000
MAX_COUNT: Final = (1 << 63) - 1

logger = logging.getLogger("kvcore.debug")


def _number(argument: bytes) -> float:
    """Read the number at the start, 0 if there is none, as C's strtod and atoi do."""
    found = _NUMBER.match(argument)
    return float(found[1]) if found is not None else 0.0


def _encoding(value: Value) -> str:
    if isinstance(value, bytes | bytearray):
        return string_encoding(value)
    return value.encoding


def _object(call: Call, key: bytes) -> Reply:
    value = call.db.get(key)  # a key past its time is looked at as well, and stays
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    encoding = _encoding(value)
    shared = isinstance(value, bytes) and encoding == "int" and 0 <= int(value) < _SHARED_INTEGERS
    shared = shared and call.engine.eviction.may_share_integers
    address = id(value)
    list_size = call.engine.limits.list_size
    _, serialized = serialize(value, list_size, call.engine.config.flag("rdbcompression"))
    now_s = call.now_ms() // 1000
    stamp = now_s if call.db.usage is None or call.db.usage.access is None else call.db.usage.stamp(key)
    idle_s = max(0, now_s - stamp)
    line = (
        f"Value at:0x{address:x} refcount:{2**31 - 1 if shared else 1} encoding:{encoding}"
        f" serializedlength:{len(serialized)} lru:{stamp & 0xFFFFFF} lru_seconds_idle:{idle_s}"
    )
    if isinstance(value, List):
        nodes = quicklist_nodes(value, list_size)
        line += (
            f" ql_nodes:{len(nodes)} ql_avg_node:{len(value) / len(nodes):.2f} ql_listpack_max:{list_size}"
            f" ql_compressed:0 ql_uncompressed_size:{sum(len(blob) for _, blob in nodes)}"
        )
    return line


def _string_layout(call: Call, key: bytes) -> Reply:
    value = call.db.get(key)
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if not isinstance(value, bytes | bytearray) or _encoding(value) == "int":
        raise CommandError(errors.NOT_AN_SDS)
    random = call.engine.random
    return (
        f"key_sds_len:{len(key)}, key_sds_avail:0, key_zmalloc: {bytes_cost(key)}, "
        f"val_sds_len:{len(value)}, val_sds_avail:0, val_zmalloc: {value_bytes(value, random)}"
    )


def _listpack(call: Call, key: bytes) -> Reply:
    return _print_layout(call, key, "listpack", errors.NOT_A_LISTPACK)


def _quicklist(call: Call, key: bytes, *level: bytes) -> Reply:
    if len(level) > 1:
        raise CommandError(errors.wrong_subcommand("DEBUG", call.argv[1]))
    return _print_layout(call, key, "quicklist", errors.NOT_A_QUICKLIST)


def _print_layout(call: Call, key: bytes, encoding: str, error: str) -> Reply:
    """Log what a value of this encoding is when it is serialized: there is no such structure in memory."""
    value = call.db.peek(key)
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if _encoding(value) != encoding:
        raise CommandError(error)
    kind, body = serialize(value, call.engine.limits.list_size, False)
    logger.warning("%s of %r: type %d, %d bytes: %s", encoding.capitalize(), key, kind, len(body), body[:512].hex())
    return f"{encoding.capitalize()} structure printed on stdout"


def _table_statistics(call: Call, number: bytes) -> Reply:
    index = integer(number)
    databases = call.engine.keyspace.databases
    if not 0 <= index < len(databases):
        raise CommandError(errors.DATABASE_OUT_OF_RANGE)
    db = databases[index]
    shown = f"[Dictionary HT]\n{_segments(db)}[Expires HT]\n{_segments(db.expires)}"
    return Verbatim(shown.encode())


def _key_table_statistics(call: Call, key: bytes) -> Reply:
    value = call.db.peek(key)
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if isinstance(value, Hash) and value.encoding == "hashtable":
        return Verbatim(_segments(value.fields).encode())
    if isinstance(value, Set) and value.encoding == "hashtable":
        return Verbatim(_segments(value.members).encode())
    if isinstance(value, SortedSet) and value.encoding == "skiplist":
        return Verbatim(_segments(value.scores).encode())
    raise CommandError(errors.NOT_A_HASH_TABLE)


def _segments(table: dict[bytes, _V] | Table[_V]) -> str:
    """Describe a table: its segments are what the real server's slots are. O(segments)."""
    if not len(table):
        return "Hash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n"
    sizes = [len(table)] if isinstance(table, dict) else [len(segment) for segment in table.segments()]
    used = [size for size in sizes if size]
    average = sum(used) / len(used)
    return (
        "Hash table 0 stats (main hash table):\n"
        f" table size: {len(sizes)}\n number of elements: {len(table)}\n different slots: {len(used)}\n"
        f" max chain length: {max(used)}\n avg chain length (counted): {average:.2f}\n"
        f" avg chain length (computed): {len(table) / len(used):.2f}\n"
    )


def _populate(call: Call, count: bytes, *options: bytes) -> Reply:
    if len(options) > 2:
        raise CommandError(errors.wrong_subcommand("DEBUG", call.argv[1]))
    wanted = integer_in_range(count, 0, MAX_COUNT, errors.POSITIVE_OUT_OF_RANGE)
    prefix = options[0] if options else b"key"
    size = integer_in_range(options[1], 0, MAX_COUNT, errors.POSITIVE_OUT_OF_RANGE) if len(options) > 1 else 0
    for number in range(wanted):
        key = b"%b:%d" % (prefix, number)
        if call.db.has(key):
            continue
        value = b"value:%d" % number
        call.db.store(key, value.ljust(size, b"\0")[:size] if size else value)
        call.db.touch(key)
    return OK


def _log(_call: Call, message: bytes) -> Reply:
    logger.warning("DEBUG LOG: %s", printable(message))
    return OK


def _change_replication_id(call: Call) -> Reply:
    call.engine.replication.change_history()
    return OK


def _pause_cron(call: Call, switch: bytes) -> Reply:
    call.engine.cron_paused = int(_number(switch)) != 0
    return OK


def _skip_checksums(call: Call, switch: bytes) -> Reply:
    call.engine.skip_checksums = int(_number(switch)) != 0
    return OK


def _packed_threshold(_call: Call, size: bytes) -> Reply:
    wanted = read_memory(text(size))
    if wanted is None or wanted > _LARGEST_NODE:
        raise CommandError(errors.PACKED_THRESHOLD)
    return OK


def _reply_buffer(call: Call, what: bytes, value: bytes) -> Reply:
    kind = what.upper()
    if kind == b"PEAK-RESET-TIME":
        if value.upper() not in (b"NEVER", b"RESET"):
            integer(value)
    elif kind != b"RESIZING":
        raise CommandError(errors.wrong_subcommand("DEBUG", call.argv[1]))
    return OK


def _replicate(call: Call, first: bytes, *words: bytes) -> Reply:
    """Propagate a command that does not run here."""
    effects = call.engine.effects
    if effects.listening:
        effects.add(call.db, [first, *words])
        call.engine.pending = True
    return OK


def _match_test(call: Call) -> Reply:
    random = call.engine.random
    for _ in range(_MATCHES):
        pattern = bytes(random.choice(b"*?[]^-\\ab") for _ in range(random.randrange(12)))
        subject = bytes(random.choice(b"ab-]") for _ in range(random.randrange(12)))
        glob.compile(pattern)(subject)
    return "Apparently Redis did not crash: test passed"


def _rewrite_config(call: Call) -> Reply:
    file = call.engine.config_file
    if file is None:
        raise CommandError(errors.config_not_forced("Bad address"))  # the real server's word for no file at all
    try:
        rewrite_file(call.engine, file, everything=True)
    except OSError as error:
        raise CommandError(errors.config_not_forced(error.strerror or str(error))) from error
    return OK


def _segfault(call: Call, *_ignored: bytes) -> Reply:
    return _crash(call, True)


def _panic(call: Call, *_ignored: bytes) -> Reply:
    return _crash(call, False)


def _crash(call: Call, segfault: bool) -> Reply:
    logger.critical("Ended by DEBUG %s", printable(call.argv[1]).upper())
    call.engine.process.crash(segfault)
    raise CommandError(errors.CRASH_REFUSED)


def _sleep(call: Call, seconds: bytes) -> Reply:
    length = _number(seconds)
    if length > 0 and math.isfinite(length):
        call.engine.process.sleep(length)
    return OK


def _digest(call: Call) -> Reply:
    return dataset_digest(call.engine.keyspace.databases)


def _digest_value(call: Call, *keys: bytes) -> Reply:
    db = call.db
    # As in the real server, a key whose time has come is still looked at.
    return [value_digest(db.get(key), db.expiry(key) is not None) for key in keys]


def _set_active_expire(call: Call, switch: bytes) -> Reply:
    call.engine.expiry.enabled = int(_number(switch)) != 0
    return OK


def _error(_call: Call, message: bytes) -> Reply:
    raise CommandError(text(message).translate(_LINE_ENDS))


def _protocol(call: Call, name: bytes) -> Reply:
    """Answer a value of the named RESP type, the same ones as the real server."""
    kind = name.lower()
    if kind == b"push":
        if not call.resp3:
            raise CommandError(errors.RESP2_UNSUPPORTED)
        call.session.push([b"server-cpu-usage", 42])
        return b"Some real reply following the push reply"
    samples: dict[bytes, Reply] = {
        b"string": b"Hello World",
        b"integer": 12345,
        b"double": 3.141,
        b"null": None,
        b"array": [0, 1, 2],
        b"set": OrderedSet((0, 1, 2)),
        b"map": {0: False, 1: True, 2: False},
        b"bignum": BigNumber(1234567999999999999999999999999999999),
        b"true": True,
        b"false": False,
        b"verbatim": Verbatim(b"This is a verbatim\nstring"),
        b"attrib": Attributed({b"key-popularity": [b"key:123", 90]}, b"Some real reply following the attribute"),
    }
    if kind not in samples:
        raise CommandError(errors.PROTOCOL_TYPES)
    return samples[kind]


def _reload(call: Call, *options: bytes) -> Reply:
    chosen = {option.upper() for option in options}
    if not chosen <= _RELOAD_OPTIONS:
        raise CommandError(errors.RELOAD_OPTIONS)
    call.engine.persistence.reload(b"NOSAVE" not in chosen, b"NOFLUSH" not in chosen, b"MERGE" in chosen)
    return OK


def _load_log(call: Call) -> Reply:
    call.engine.persistence.reload_log()
    return OK


_SUBCOMMANDS: Final[dict[bytes, tuple[str, str, Callable[..., Reply]]]] = {
    b"ASSERT": ("[<ignored> ...]", "End the server's process by SIGABRT.", _panic),
    b"CHANGE-REPL-ID": ("", "Begin another replication history.", _change_replication_id),
    b"CONFIG-REWRITE-FORCE-ALL": ("", "CONFIG REWRITE with every directive.", _rewrite_config),
    b"DIGEST": ("", "Answer a digest of all keys and values of all databases.", _digest),
    b"DIGEST-VALUE": ("[<key> ...]", "Answer the digests of the values of keys.", _digest_value),
    b"ERROR": ("<message>", "Answer the message as an error.", _error),
    b"HTSTATS": ("<dbid>", "Describe the tables of a database.", _table_statistics),
    b"HTSTATS-KEY": ("<key>", "Describe the table of a large value.", _key_table_statistics),
    b"LISTPACK": ("<key>", "Log a small value as it is serialized.", _listpack),
    b"LOADAOF": ("", "Load the append-only file in place of the data set.", _load_log),
    b"LOG": ("<message>", "Write the message to the log.", _log),
    b"OBJECT": ("<key>", "Show how the value of a key is held.", _object),
    b"OOM": ("[<ignored> ...]", "End the server's process by SIGABRT.", _panic),
    b"PANIC": ("[<ignored> ...]", "End the server's process by SIGABRT.", _panic),
    b"PAUSE-CRON": ("<0|1>", "Stop or resume what happens on its own.", _pause_cron),
    b"POPULATE": ("<count> [<prefix> [<size>] ...]", "Make keys prefix:0 and so on that are not there.", _populate),
    b"PROTOCOL": ("<type>", "Answer a sample value of a RESP type.", _protocol),
    b"RELOAD": ("[<option> ...]", "Save and load again; NOSAVE, NOFLUSH and MERGE leave parts out.", _reload),
    b"QUICKLIST": ("<key> [<0|1> ...]", "Log a list as it is serialized.", _quicklist),
    b"QUICKLIST-PACKED-THRESHOLD": ("<size>", "Accepted: lists hold their values one by one.", _packed_threshold),
    b"REPLICATE": ("<word> [<word> ...]", "Send a command to replicas and the append-only file.", _replicate),
    b"REPLYBUFFER": ("<PEAK-RESET-TIME|RESIZING> <value>", "Accepted: replies have no fixed buffer.", _reply_buffer),
    b"SDSLEN": ("<key>", "Show the sizes of a key and its string.", _string_layout),
    b"SEGFAULT": ("[<ignored> ...]", "End the server's process by SIGSEGV.", _segfault),
    b"SET-SKIP-CHECKSUM-VALIDATION": ("<0|1>", "Have RESTORE take any checksum.", _skip_checksums),
    b"STRINGMATCH-TEST": ("", "Match random patterns.", _match_test),
    b"SET-ACTIVE-EXPIRE": ("<0|1>", "Stop or resume deleting expired keys that nobody asks for.", _set_active_expire),
    b"SLEEP": ("<seconds>", "Hold the whole server still.", _sleep),
}
"""Subcommands by name: their arguments, what they do, and the function that does it."""


def _fits(usage: str, count: int) -> bool:
    """Whether ``count`` arguments are as many as ``usage`` tells: a bracket begins those that may be left out."""
    needed, bracket, _ = usage.partition("[")
    fewest = len(needed.split())
    return count >= fewest if bracket else count == fewest


@command(
    "DEBUG",
    arity=-2,
    flags="admin noscript loading stale",
    group="server",
    since="1.0.0",
    complexity="Depends on subcommand.",
    summary="Inspect and provoke the server in tests.",
)
def debug(call: Call, subcommand: bytes, *arguments: bytes) -> Reply:
    refusal = protection(call.engine.config, call.session, "debug")
    if refusal:
        raise CommandError(refusal)
    name = subcommand.upper()
    if name == b"HELP" and not arguments:
        usages = {f"{n.decode()} {usage}".rstrip(): does for n, (usage, does, _) in sorted(_SUBCOMMANDS.items())}
        return help_lines("DEBUG", usages)
    found = _SUBCOMMANDS.get(name)
    if found is None or not _fits(found[0], len(arguments)):
        raise CommandError(errors.wrong_subcommand("DEBUG", subcommand))
    return found[2](call, *arguments)
