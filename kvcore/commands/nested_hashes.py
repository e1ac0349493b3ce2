"""KEYDB.NHSET and KEYDB.NHGET: values under paths of names, ``a.b.c``.

What lives here: paths, and trees as replies. What must not: a type of its own. The rule: the first name is a key, and
below it stands an ordinary hash whose fields are the rest of each path, so that the value is saved, dumped, copied and
replicated like any other. No name is empty; a list is therefore kept as the fields ``path..0``, ``path..1`` and so on.

KeyDB calls its own a prototype: it is neither saved nor replicated there, and SAVE with one aborts the server. What is
kept of it is the interface.
"""

from __future__ import annotations

import json
import re
from typing import Final

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.errors import CommandError, WrongTypeError
from kvcore.notifications import GENERIC, HASH, LIST, STRING
from kvcore.replies import Reply

_LEVELS_MAX: Final = 32
_ITEM: Final = re.compile(rb"(.+)\.\.(0|[1-9][0-9]{0,9})", re.DOTALL)

Tree = dict[bytes, "Tree"] | list[bytes] | bytes
"""A level by name, a list, or a single value."""


def _path(text: bytes) -> tuple[bytes, bytes]:
    """Return the key and what of the path is below it."""
    names = text.split(b".")
    if b"" in names or len(names) > _LEVELS_MAX:
        raise CommandError(errors.SYNTAX)
    return names[0], b".".join(names[1:])


@command(
    "KEYDB.NHSET",
    arity=-3,
    flags="write denyoom",
    acl="hash",
    keys="RW,update@1",
    group="hash",
    since="KeyDB",
    complexity="O(N) where N is the number of values under the key.",
    summary="Set the value, or the list of values, at a path of names; say whether something was there.",
)
def keydb_nhset(call: Call, path: bytes, *values: bytes) -> Reply:
    key, rest = _path(path)
    old = call.db.write(key)
    if old is not None and not isinstance(old, bytes | bytearray | List | Hash):
        raise WrongTypeError
    if not rest:
        _set_key(call, key, values, old is not None)
        return int(old is not None)
    if isinstance(old, Hash):
        fields = old
    else:
        fields = Hash()
        if old is not None:
            call.propagate(b"DEL", key)
        call.db.put(key, fields)
    replaced, doomed = _in_the_way(fields, rest)
    for field in doomed:
        fields.remove(field)
    limits = call.engine.limits
    added = [rest, values[0]] if len(values) == 1 else []
    if len(values) > 1:
        for place, value in enumerate(values):
            added += (b"%b..%d" % (rest, place), value)
    for place in range(0, len(added), 2):
        fields.put(added[place], added[place + 1], limits.hash_entries, limits.hash_value)
    call.changed(key, "hset", HASH)
    if doomed:
        call.propagate(b"HDEL", key, *doomed)
    call.propagate(b"HSET", key, *added)
    return int(replaced)


def _set_key(call: Call, key: bytes, values: tuple[bytes, ...], existed: bool) -> None:
    """Make the key itself the value."""
    if len(values) == 1:
        call.db.put(key, values[0])
        call.changed(key, "set", STRING)
        call.propagate(b"SET", key, values[0])
        return
    if existed:
        call.db.remove(key)
        call.changed(key, "del", GENERIC)
        call.propagate(b"DEL", key)
    call.db.put(key, List(list(values)))
    call.changed(key, "rpush", LIST)
    call.propagate(b"RPUSH", key, *values)


def _in_the_way(fields: Hash, path: bytes) -> tuple[bool, list[bytes]]:
    """Return whether anything is at ``path``, and the fields that go: those at and below it, and values above it."""
    below = path + b"."
    names = path.split(b".")
    above = {b".".join(names[:count]) for count in range(1, len(names))}
    replaced = False
    doomed = []
    for field in fields:
        if field == path or field.startswith(below):
            replaced = True
            doomed.append(field)
        else:
            item = _ITEM.fullmatch(field)
            if (field if item is None else item[1]) in above:
                doomed.append(field)
    return replaced, doomed


@command(
    "KEYDB.NHGET",
    arity=-2,
    flags="readonly",
    acl="hash",
    keys="RO,access@-1",
    group="hash",
    since="KeyDB",
    complexity="O(N) where N is the number of values under the key.",
    summary="Return what is at a path of names: a value, a list, or a level with its names; or all of it as JSON.",
)
def keydb_nhget(call: Call, *arguments: bytes) -> Reply:
    form = arguments[0].lower() if len(arguments) == 2 else b"resp"
    if len(arguments) > 2 or form not in (b"json", b"resp"):
        raise CommandError(errors.SYNTAX)
    key, rest = _path(arguments[-1])
    value = call.db.read(key)
    if value is not None and not isinstance(value, bytes | bytearray | List | Hash):
        raise WrongTypeError
    found: Tree | None = None
    if isinstance(value, Hash):
        found = _tree(value, rest)
    elif value is not None and not rest:
        found = list(value.items) if isinstance(value, List) else bytes(value)
    if found is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if form == b"json":
        text = json.dumps(_text(found), ensure_ascii=False, separators=(",", " : "))
        return text.encode("utf-8", "surrogateescape")
    return found if call.resp3 else _pairs(found)


def _tree(fields: Hash, path: bytes) -> Tree | None:
    """Return what is at ``path`` of a hash, all of it for an empty path; None if there is nothing. O(fields)."""
    below = path + b"." if path else b""
    lists: dict[bytes, dict[int, bytes]] = {}
    root: dict[bytes, Tree] = {}
    for field, value in fields.items():
        if path and field == path:
            return value
        if not field.startswith(below):
            continue
        item = _ITEM.fullmatch(field)
        if item is not None:
            lists.setdefault(item[1], {})[int(item[2])] = value
        else:
            _hang(root, field[len(below) :], value)
    for name, items in lists.items():
        values = [items[place] for place in sorted(items)]
        if name == path:
            return values
        _hang(root, name[len(below) :], values)
    return root or None


def _hang(root: dict[bytes, Tree], path: bytes, value: Tree) -> None:
    """Put a value into the tree; a level is worth more than a value of the same name, which only HSET can make."""
    *levels, name = path.split(b".", _LEVELS_MAX)
    node = root
    for level in levels:
        below = node.get(level)
        if not isinstance(below, dict):
            node[level] = below = {}
        node = below
    if not isinstance(node.get(name), dict):
        node[name] = value


def _pairs(tree: Tree) -> Reply:
    """Return levels as arrays of a name and what is there."""
    return [[name, _pairs(below)] for name, below in tree.items()] if isinstance(tree, dict) else tree


def _text(tree: Tree) -> object:
    """Return the tree with texts in place of bytes."""
    if isinstance(tree, dict):
        return {errors.text(name): _text(below) for name, below in tree.items()}
    return list(map(errors.text, tree)) if isinstance(tree, list) else errors.text(tree)
