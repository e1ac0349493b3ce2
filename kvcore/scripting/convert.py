"""Replies of commands for Lua, and results of scripts as replies.

What lives here: the flat form in which both cross the border between Python and Lua, and the rules of redis-server for
what becomes what. What must not: Lua objects; a value here is bytes, a number, a bool or None. The rule: the flat form
is read and written in two places, here and in ``sandbox.lua``: change both.

Flat, a value stands for itself, and True announces what does not: the next item is a code. ``*`` array, ``%`` map,
``~`` set (each followed by its size, then its items), ``+`` status, ``-`` error, ``!`` error that was counted before,
``,`` double, ``(`` big number, ``=`` verbatim string (format, text), ``t`` and ``f`` booleans, ``_`` null. A False
without code is the null that RESP2 has and Lua knows as false.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kvcore.errors import CommandError, text
from kvcore.replies import NO_REPLY, NULL_ARRAY, BigNumber, BigNumberText, Decimals, OrderedSet, Reply, Verbatim
from kvcore.resp.encoder import decimals_text, number_text

Item = bytes | int | float | bool | None

STATUS: Final = 1
ERROR: Final = 2
FLAT: Final = 3
NESTED: Final = 4
UNCOUNTED: Final = 5
EXHAUSTED: Final = 0
"""Tags: how ``sandbox.lua`` has to take a reply that is no plain value."""

CHUNK: Final = 4000
"""Items that cross at once: half of what a C function's stack may hold in Lua 5.1."""

ITEM_BYTES: Final = 64
"""What an item takes in Lua beside its own bytes: a string's header and a place in two tables."""

_LONG_BYTES: Final = 4096
"""Strings up to here take no time to speak of wherever they are copied or compared."""

_LEAST: Final = -(1 << 63)
_PLAIN: Final = 10**17


def spell(number: float) -> bytes:
    """Spell a number as an argument of a command: C's ``%.17g``."""
    if type(number) is int and -_PLAIN < number < _PLAIN:
        return b"%d" % number
    return number_text(float(number))


def to_integer(number: float) -> int:
    """Truncate as a cast of C does on x86-64: what fits nowhere is the least integer."""
    if -9.3e18 < number < 9.3e18:
        truncated = int(number)
        if _LEAST <= truncated < -_LEAST:
            return truncated
    return _LEAST


class Stream:
    """A flat reply on its way into Lua, handed over in chunks."""

    __slots__ = ("_at", "_items")

    def __init__(self, items: list[Item]) -> None:
        self._items = items
        self._at = 0

    def take(self) -> tuple[Item, ...]:
        """Return the next chunk."""
        first = self._at
        self._at = first + CHUNK
        return tuple(self._items[first : first + CHUNK])

    def size(self) -> int:
        """Return how many bytes the items will take in Lua, at most. O(items)."""
        return sum(len(item) for item in self._items if type(item) is bytes) + ITEM_BYTES * len(self._items)

    def long_bytes(self) -> int:
        """Return how many bytes of the items are long strings. O(items)."""
        return sum(len(item) for item in self._items if type(item) is bytes and len(item) > _LONG_BYTES)


def scalar(reply: Reply, resp3: bool) -> Item | tuple[Item, int] | None:
    """Return what ``execute`` returns to Lua for a reply that is one value; None if it takes a :class:`Stream`."""
    kind = type(reply)
    if kind is int:
        number: int = reply
        return number
    if kind is str:
        return (reply.encode("utf-8", "surrogateescape"), STATUS)
    if isinstance(reply, CommandError):
        return (str(reply).strip("\r\n").encode("utf-8", "surrogateescape"), ERROR)
    if not resp3:
        if reply is None or reply is NULL_ARRAY or reply is NO_REPLY:
            return False
        if kind is bool:
            return int(reply)
        if isinstance(reply, Decimals):
            return decimals_text(reply)
        if isinstance(reply, float):
            return number_text(reply)
        if isinstance(reply, Verbatim):
            return reply.text
        if isinstance(reply, BigNumber):
            return b"%d" % reply
    return None


def flatten(reply: Reply, resp3: bool) -> tuple[int, list[Item]]:
    """Return FLAT or NESTED, and the items of a reply that :func:`scalar` has no word for."""
    items: list[Item] = []
    if isinstance(reply, list) and not (resp3 and isinstance(reply, OrderedSet)):
        for item in reply:
            kind = type(item)
            if kind is bytes or kind is int:
                items.append(item)
            elif item is None and not resp3:
                items.append(False)
            else:
                break
        else:
            if len(items) <= CHUNK:
                return FLAT, items
    items = []
    _append(items, reply, resp3)
    return NESTED, items


def _append(items: list[Item], reply: Reply, resp3: bool) -> None:
    kind = type(reply)
    if kind is bytes or kind is int:
        items.append(reply)
    elif isinstance(reply, dict):
        _append_all(items, b"%" if resp3 else b"*", len(reply) * (1 if resp3 else 2), _pairs(reply), resp3)
    elif isinstance(reply, set | frozenset | OrderedSet):
        _append_all(items, b"~" if resp3 else b"*", len(reply), iter(reply), resp3)
    elif isinstance(reply, list):
        _append_all(items, b"*", len(reply), iter(reply), resp3)
    elif resp3:
        _append_resp3(items, reply)
    else:
        value = scalar(reply, resp3)
        if isinstance(value, tuple):
            items += (True, b"+" if value[1] == STATUS else b"-", value[0])
        else:
            items.append(value)


def _append_all(items: list[Item], code: bytes, size: int, parts: Iterator[Reply], resp3: bool) -> None:
    items += (True, code, size)
    for part in parts:
        _append(items, part, resp3)


def _pairs(reply: dict[Reply, Reply]) -> Iterator[Reply]:
    for key, value in reply.items():
        yield key
        yield value


def _append_resp3(items: list[Item], reply: Reply) -> None:
    if isinstance(reply, bool):
        items += (True, b"t" if reply else b"f")
    elif isinstance(reply, float):
        items += (True, b",", float(reply))
    elif isinstance(reply, BigNumber):
        items += (True, b"(", b"%d" % reply)
    elif isinstance(reply, Verbatim):
        items += (True, b"=", reply.format.encode(), reply.text)
    elif isinstance(reply, str | CommandError):
        value = scalar(reply, True)
        assert isinstance(value, tuple)
        items += (True, b"+" if value[1] == STATUS else b"-", value[0])
    else:
        items += (True, b"_")


# The other way


class _Key(list[Reply]):
    """An array as a key of a map: equal to nothing but itself."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class CountedError(CommandError):
    """An error in a script's result that the command which raised it has counted already."""


def from_lua(items: Iterator[Item], found: list[CommandError]) -> Reply:
    """Return the reply that a flat result stands for; the errors in it are appended to ``found``, too."""
    value = next(items)
    if value is True:
        return _coded(items, found)
    if value is False or type(value) is bytes:
        return value or (None if value is False else b"")
    assert isinstance(value, int | float)
    return to_integer(value)


def _coded(items: Iterator[Item], found: list[CommandError]) -> Reply:
    code = next(items)
    assert isinstance(code, bytes)
    if code in _AGGREGATES:
        size = next(items)
        assert isinstance(size, int)
        if code == b"*":
            return [from_lua(items, found) for _ in range(size)]
        if code == b"%":
            return {_hashable(from_lua(items, found)): from_lua(items, found) for _ in range(size)}
        return OrderedSet(from_lua(items, found) for _ in range(size))
    if code in _BOOLEANS:
        return code == b"t"
    value = next(items)
    if code == b",":
        assert isinstance(value, int | float | bytes)
        return float(value)
    assert isinstance(value, bytes)
    if code == b"+":
        return text(value).translate(_LINE_ENDS)
    if code in _ERRORS:
        error = CommandError(one_line(value)) if code == b"-" else CountedError(one_line(value))
        found.append(error)
        return error
    if code == b"(":
        return BigNumberText(value.translate(_BYTE_LINE_ENDS))
    string = next(items)
    assert isinstance(string, bytes)
    return Verbatim(string, text(value)[:3])


def one_line(message: bytes) -> str:
    """Return an error's text as clients see it: without line ends."""
    return text(message.rstrip(b"\r\n")).translate(_LINE_ENDS)


def _hashable(key: Reply) -> Reply:
    try:
        hash(key)
    except TypeError:
        return _Key(key if isinstance(key, list) else [key])
    return key


_AGGREGATES: Final = (b"*", b"%", b"~")
_ERRORS: Final = (b"-", b"!")
_BOOLEANS: Final = (b"t", b"f")
_LINE_ENDS: Final = str.maketrans("\r\n", "  ")
_BYTE_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")
