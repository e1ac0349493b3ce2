"""What the groups of store methods share: the types of arguments and replies, and the one call behind each method.

The rule: a method of a group builds its arguments and ends in ``return self._call(converter, ...)``. What that does
depends on who inherits the group: a :class:`~kvcore.frontends.inprocess.Store` returns the value, an
:class:`~kvcore.frontends.inprocess_async.AsyncStore` an awaitable of it, a pipeline itself. The groups are annotated
for the first; ``python -m tests.frontends.declarations`` derives the declarations of the other two from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, Literal

from kvcore.arguments import Argument
from kvcore.errors import CommandError
from kvcore.replies import NO_REPLY, NULL_ARRAY, Attributed, Reply, Transaction, Verbatim

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", bound=bytes | str, default=bytes)
else:
    from typing import TypeVar

    T = TypeVar("T", bound=bytes | str)

R = TypeVar("R")

Key = Argument
Value = Argument
Keys = Argument | Iterable[Argument]
Duration = int | timedelta
Seconds = float | timedelta
Moment = int | datetime
Bound = Argument
Aggregate = Literal["SUM", "MIN", "MAX", "sum", "min", "max"]
Entry = tuple[T, dict[T, T]]
Scored = tuple[T, float]

Convert = Callable[[Reply], R]


def same(reply: Reply) -> R:  # type: ignore[type-var]
    """Return the reply as it is; what it is, the method's annotation says."""
    return reply  # type: ignore[no-any-return]


class Commands(Generic[T]):
    """The base of all groups."""

    __slots__ = ()

    def _call(self, convert: Convert[R], *arguments: Argument) -> R:
        """Run a command; ``convert`` makes the method's result of the reply."""
        raise TypeError(f"{type(self).__name__} cannot run {arguments[0]!r} for {convert.__name__}")

    def _call_undecoded(self, convert: Convert[R], *arguments: Argument) -> R:
        """Run a command whose reply is bytes by nature, and not to be decoded."""
        return self._call(convert, *arguments)

    def _call_status(self, convert: Convert[R], *arguments: Argument) -> R:
        """Run a command that answers a status line, which the store returns like any string."""
        return self._call(convert, *arguments)


def settle(reply: Reply, convert: Callable[[Reply], object], decode: bool) -> Reply:
    """Make a method's result of a command's reply; raise it if it is an error."""
    if isinstance(reply, CommandError):
        raise reply
    if reply is NULL_ARRAY:
        reply = None
    elif decode:
        reply = decoded(reply)
    if convert is same:
        return reply if type(reply) is bytes else plain(reply)
    return convert(reply)


def as_string(reply: Reply, decode: bool) -> Reply:
    """Return a status line as a store returns strings."""
    return reply.encode() if isinstance(reply, str) and not decode else reply


def plain(reply: Reply) -> Reply:
    """Return a reply without what only protocols tell apart: None for a null array and for no reply, text as bytes.

    Null arrays among items, and the replies of a transaction, likewise.
    """
    if reply is NULL_ARRAY or reply is NO_REPLY:
        return None
    if isinstance(reply, Verbatim):
        return reply.text
    if isinstance(reply, Attributed):
        return plain(reply.reply)
    if type(reply) is Transaction or (isinstance(reply, list) and NULL_ARRAY in reply):
        return [plain(item) for item in reply]
    return reply


def decoded(reply: Reply) -> Reply:
    """Return a reply with text in place of bytes, however deep; raise UnicodeDecodeError for what is not UTF-8."""
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, list):
        return [decoded(item) for item in reply]
    if isinstance(reply, dict):
        return {decoded(key): decoded(value) for key, value in reply.items()}
    if isinstance(reply, set):
        return {decoded(item) for item in reply}
    if isinstance(reply, Verbatim):
        return reply.text.decode()
    return reply


# Arguments


def spread(keys: Keys, more: tuple[Argument, ...] = ()) -> list[Argument]:
    """Return keys that came as one, as several arguments, or as a list."""
    if isinstance(keys, bytes | str | int | float | bytearray | memoryview):
        return [keys, *more]
    if not isinstance(keys, Iterable):
        raise TypeError(f"keys are bytes or str, or a list of them, not {type(keys).__name__}")
    return [*keys, *more]


def pairs(mapping: Mapping[Argument, Argument] | Mapping[bytes, Argument] | Mapping[str, Argument]) -> list[Argument]:
    """Return the keys and values of a mapping in turns."""
    if not isinstance(mapping, Mapping):
        raise TypeError(f"a mapping is needed, not {type(mapping).__name__}")
    flat: list[Argument] = []
    for key, value in mapping.items():
        flat += (key, value)
    return flat


def seconds(time: Duration) -> int:
    """Return a length of time in whole seconds."""
    return int(time.total_seconds()) if isinstance(time, timedelta) else time


def milliseconds(time: Duration) -> int:
    """Return a length of time, a number of which is milliseconds, in those."""
    return time // timedelta(milliseconds=1) if isinstance(time, timedelta) else time


def whole_ms(time: Seconds, what: str) -> int:
    """Return a length of time in milliseconds; raise TypeError or ValueError, which say ``what`` it is for."""
    if isinstance(time, timedelta):
        time = time.total_seconds()
    if isinstance(time, bool) or not isinstance(time, int | float):
        raise TypeError(f"{what} is a number of seconds or a timedelta, not {type(time).__name__}")
    if not 0.001 <= time < 2**40:
        raise ValueError(f"{what} is a millisecond or more, not {time} s")
    return round(time * 1000)


def unix_seconds(when: Moment) -> int:
    """Return a moment in seconds since the Unix epoch."""
    return int(when.timestamp()) if isinstance(when, datetime) else when


def unix_milliseconds(when: Moment) -> int:
    """Return a moment, a number of which is milliseconds, in those since the Unix epoch."""
    return int(when.timestamp() * 1000) if isinstance(when, datetime) else when


def expiry_options(
    ex: Duration | None, px: Duration | None, exat: Moment | None, pxat: Moment | None, persist: bool = False
) -> list[Argument]:
    """Return the options of SET and its relatives that say when a key expires."""
    options: list[Argument] = []
    if ex is not None:
        options += (b"EX", seconds(ex))
    if px is not None:
        options += (b"PX", milliseconds(px))
    if exat is not None:
        options += (b"EXAT", unix_seconds(exat))
    if pxat is not None:
        options += (b"PXAT", unix_milliseconds(pxat))
    if persist:
        options.append(b"PERSIST")
    return options


def flags(**chosen: bool) -> list[Argument]:
    """Return the options that were chosen: ``flags(nx=True, xx=False)`` is ``["NX"]``."""
    return [name.upper() for name, on in chosen.items() if on]


def limit_options(start: int | None, num: int | None) -> list[Argument]:
    """Return LIMIT; both or none of its numbers are given."""
    if (start is None) != (num is None):
        raise ValueError("an offset needs a number of items, and the other way round")
    return [] if start is None or num is None else [b"LIMIT", start, num]


def scan_words(match: Argument | None, count: int | None) -> list[Argument]:
    """Return the options of the SCAN family."""
    options: list[Argument] = []
    if match is not None:
        options += (b"MATCH", match)
    if count is not None:
        options += (b"COUNT", count)
    return options


def weighted(keys: Sequence[Argument] | Mapping[Argument, float], aggregate: Aggregate | None) -> list[Argument]:
    """Return numkeys, keys, WEIGHTS and AGGREGATE of the commands that combine sorted sets."""
    words: list[Argument] = [len(keys), *keys]
    if isinstance(keys, Mapping):
        words += (b"WEIGHTS", *keys.values())
    if aggregate is not None:
        words += (b"AGGREGATE", aggregate)
    return words


# Replies


def as_bool(reply: Reply) -> bool:
    """Return whether the integer reply is not 0, or the status is OK."""
    return bool(reply)


def as_float(reply: Reply) -> float:
    """Return a number that may have come as text."""
    return float(reply)


def as_float_or_none(reply: Reply) -> float | None:
    """Return a number that may have come as text, or the null."""
    return None if reply is None else float(reply)


def as_text(reply: Reply) -> str:
    """Return text as a str whatever the store returns otherwise."""
    return reply.decode() if isinstance(reply, bytes) else str(reply)


def as_text_or_none(reply: Reply) -> str | None:
    """Return text as a str, or the null."""
    return None if reply is None else as_text(reply)


def as_set(reply: Reply) -> set[Reply]:
    """Return the members as a set."""
    return set(reply)


def as_bools(reply: Reply) -> list[bool]:
    """Return a list of yes and no."""
    return [bool(item) for item in reply]


def as_pair(reply: Reply) -> tuple[Reply, Reply] | None:
    """Return a reply of two items as a tuple."""
    return None if reply is None else (reply[0], reply[1])


def as_scored(reply: Reply) -> list[tuple[Reply, float]]:
    """Return members with their scores as tuples; they come nested or flat."""
    if reply and not isinstance(reply[0], list):
        return [(reply[index], float(reply[index + 1])) for index in range(0, len(reply), 2)]
    return [(member, float(score)) for member, score in reply]


def as_dict(reply: Reply) -> dict[Reply, Reply]:
    """Return a map, which some commands send as a flat list."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def text_keys(reply: Reply) -> dict[str, Reply]:
    """Return a map with names that are str whatever the store returns otherwise."""
    return {as_text(name): value for name, value in as_dict(reply).items()}


def list_of_text_keys(reply: Reply) -> list[dict[str, Reply]]:
    """Return maps with names that are str."""
    return [text_keys(item) for item in reply]


def as_entries(reply: Reply) -> list[tuple[Reply, dict[Reply, Reply]]]:
    """Return stream entries as tuples of the id and a dict; a deleted entry that is still pending has an empty one."""
    entries = []
    for item in plain(reply) or ():
        if item is not None:
            name, fields = plain(item)
            entries.append((name, as_dict(fields or [])))
    return entries


def as_streams(reply: Reply) -> list[list[Reply]]:
    """Return what XREAD read as ``[[stream, entries], ...]``."""
    if reply is None:
        return []
    streams = reply.items() if isinstance(reply, dict) else reply
    return [[name, as_entries(entries)] for name, entries in streams]
