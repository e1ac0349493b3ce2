"""DEBUG: what tests and people at a loss ask of a server.

Lives here: the subcommands kvcore has a use for. Must not live here: those that show or break the innards of the real
server (HTSTATS, MALLCTL, SEGFAULT ...): they answer as unknown. The rule: nothing runs unless `enable-debug-command`
allows it for this client.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.connection import is_local
from kvcore.datatypes.encoding import string_encoding
from kvcore.datatypes.list import List
from kvcore.digest import dataset_digest, value_digest
from kvcore.errors import CommandError, text
from kvcore.helptext import help_lines
from kvcore.keyspace import Value
from kvcore.rdb.writer import quicklist_nodes, serialize
from kvcore.replies import OK, Attributed, BigNumber, OrderedSet, Reply, Verbatim

_NUMBER: Final = re.compile(rb"[ \t-\r]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_SHARED_INTEGERS: Final = 10000
_LINE_ENDS: Final = str.maketrans("\r\n", "  ")


def _number(argument: bytes) -> float:
    """Read the number at the start, 0 if there is none, as C's strtod and atoi do."""
    found = _NUMBER.match(argument)
    return float(found[1]) if found is not None else 0.0


def _may_debug(call: Call) -> bool:
    allowed = call.engine.config.string("enable-debug-command")
    if allowed != "local":
        return allowed == "yes"
    return is_local(call.session)


def _encoding(value: Value) -> str:
    if isinstance(value, bytes | bytearray):
        return string_encoding(value)
    return value.encoding


def _object(call: Call, key: bytes) -> Reply:
    value = call.db.peek(key)
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


_SUBCOMMANDS: Final[dict[bytes, tuple[str, str, Callable[..., Reply]]]] = {
    b"DIGEST": ("", "Answer a digest of all keys and values of all databases.", _digest),
    b"DIGEST-VALUE": ("[<key> ...]", "Answer the digests of the values of keys.", _digest_value),
    b"ERROR": ("<message>", "Answer the message as an error.", _error),
    b"OBJECT": ("<key>", "Show how the value of a key is held.", _object),
    b"PROTOCOL": ("<type>", "Answer a sample value of a RESP type.", _protocol),
    b"SET-ACTIVE-EXPIRE": ("<0|1>", "Stop or resume deleting expired keys that nobody asks for.", _set_active_expire),
    b"SLEEP": ("<seconds>", "Hold the whole server still.", _sleep),
}
"""Subcommands by name: their arguments, what they do, and the function that does it."""


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
    if not _may_debug(call):
        raise CommandError(errors.protected_command("DEBUG", "enable-debug-command"))
    name = subcommand.upper()
    if name == b"HELP" and not arguments:
        usages = {f"{n.decode()} {usage}".rstrip(): does for n, (usage, does, _) in _SUBCOMMANDS.items()}
        return help_lines("DEBUG", usages)
    found = _SUBCOMMANDS.get(name)
    if found is None or (len(arguments) != len(found[0].split()) and "..." not in found[0]):
        raise CommandError(errors.wrong_subcommand("DEBUG", subcommand))
    return found[2](call, *arguments)
