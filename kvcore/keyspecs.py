"""Key specifications: where a command's arguments hold keys, and how it treats them.

The notation of a command record is a list of specifications separated by spaces, each ``FLAGS@BEGIN[FIND]``:

- FLAGS, comma separated, are those of COMMAND INFO (``RW,access,update``);
- BEGIN is the index of the first key, or ``KEYWORD:INDEX``, the key after that keyword (searched from INDEX on,
  backwards from the end if it is negative), or ``?`` where only the command itself knows;
- FIND is nothing for one key; ``..LAST/STEP`` for a range, LAST counted from the first key or, if negative, from the
  end; ``..-1/STEP%LIMIT`` for the first LIMITth part of what is left; ``#COUNT+FIRST/STEP`` for as many keys as the
  argument at COUNT says, both counted from BEGIN; or ``?``.

Lives here: parsing, the forms COMMAND INFO shows, finding the keys of a command line. Must not live here: what is done
with them. The rule: a specification says all it can; the extractors at the end exist for those commands only whose
keys it cannot describe.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from kvcore.command import Command
from kvcore.replies import OrderedSet, Reply

Key = tuple[int, tuple[str, ...]]
"""Index of a key in argv, and the flags that say what the command does to it."""

_NOTATION: Final = re.compile(
    r"(?P<flags>[A-Za-z_,]*)@(?:(?P<keyword>[A-Za-z]+):)?(?P<begin>-?\d+|\?)"
    r"(?:\.\.(?P<last>-?\d+)/(?P<step>\d+)(?:%(?P<limit>\d+))?"
    r"|\#(?P<count>\d+)\+(?P<first>\d+)/(?P<keystep>\d+)|(?P<unknown>\?))?"
)


class KeySpec:
    """One parsed specification."""

    __slots__ = (
        "begin",
        "begin_type",
        "count",
        "find_type",
        "first",
        "flags",
        "keyword",
        "last",
        "limit",
        "step",
    )

    def __init__(self, notation: str) -> None:
        """Parse ``notation``; raise ValueError if it is malformed."""
        found = _NOTATION.fullmatch(notation)
        if found is None:
            raise ValueError(f"not a key specification: {notation!r}")
        self.flags = tuple(flag for flag in found["flags"].split(",") if flag)
        self.keyword = (found["keyword"] or "").encode()
        unknown = found["begin"] == "?"
        self.begin_type = "unknown" if unknown else "keyword" if self.keyword else "index"
        self.begin = 0 if unknown else int(found["begin"])
        if unknown or found["unknown"]:
            self.find_type = "unknown"
        else:
            self.find_type = "keynum" if found["count"] else "range"
        self.last = int(found["last"] or 0)
        self.step = int(found["step"] or found["keystep"] or 1)
        self.limit = int(found["limit"] or 0)
        self.count = int(found["count"] or 0)
        self.first = int(found["first"] or 0)

    def reply(self) -> dict[Reply, Reply]:
        """Return the map that COMMAND INFO shows."""
        begin: dict[Reply, Reply] = {}
        if self.begin_type == "index":
            begin = {b"index": self.begin}
        elif self.begin_type == "keyword":
            begin = {b"keyword": self.keyword, b"startfrom": self.begin}
        find: dict[Reply, Reply] = {}
        if self.find_type == "range":
            find = {b"lastkey": self.last, b"keystep": self.step, b"limit": self.limit}
        elif self.find_type == "keynum":
            find = {b"keynumidx": self.count, b"firstkey": self.first, b"keystep": self.step}
        return {
            b"flags": OrderedSet(self.flags),
            b"begin_search": {b"type": self.begin_type.encode(), b"spec": begin},
            b"find_keys": {b"type": self.find_type.encode(), b"spec": find},
        }


@lru_cache(maxsize=1024)
def parse(notation: str) -> tuple[KeySpec, ...]:
    """Parse the notation of a command record. O(length), once for each notation."""
    return tuple(KeySpec(part) for part in notation.split())


def legacy_range(specs: tuple[KeySpec, ...]) -> tuple[int, int, int]:
    """Return first key, last key and step as COMMAND INFO gives them: 0 where no plain range describes the keys.

    Of several specifications the adjacent plain ranges with step 1 are merged.
    """
    if len(specs) == 1 and specs[0].begin_type == "index" and specs[0].find_type == "range":
        spec = specs[0]
        return spec.begin, spec.last if spec.last < 0 else spec.begin + spec.last, spec.step
    first = last = 0
    for spec in specs:
        if spec.begin_type != "index" or spec.find_type != "range" or spec.step != 1:
            continue
        if last and last != spec.begin - 1:
            continue
        first = min(first, spec.begin) if first else spec.begin
        end = spec.last if spec.last < 0 else spec.begin + spec.last
        # A negative end counts from the end of the line, so it lies behind every positive one.
        last = end if end < 0 or (last >= 0 and end > last) else last
    return first, last, 1 if first else 0


def has_keys(command: Command) -> bool:
    """Whether the command can have keys at all; channel names (``not_key``) do not count."""
    return any("not_key" not in spec.flags for spec in parse(command.keys))


def find_keys(command: Command, argv: list[bytes]) -> list[Key] | None:
    """Return where ``argv`` holds keys, None if its arguments make no sense to the command. O(arguments).

    A command whose key count is allowed to be zero (EVAL) returns an empty list.
    """
    specs = parse(command.keys)
    keys: list[Key] | None = None
    if not any("variable_flags" in spec.flags for spec in specs):
        keys = _by_specs(specs, argv)
    if keys is None:
        extractor = _EXTRACTORS.get(command.full_name)
        if extractor is not None:
            keys = extractor(argv)
    if keys:
        return keys
    return [] if "no_mandatory_keys" in command.flags else None


def _by_specs(specs: tuple[KeySpec, ...], argv: list[bytes]) -> list[Key] | None:
    """Follow the specifications; None if one of them is unknown, incomplete or does not fit ``argv``."""
    keys: list[Key] = []
    count = len(argv)
    for spec in specs:
        if "not_key" in spec.flags:
            continue
        if spec.begin_type == "unknown" or spec.find_type == "unknown":
            return None
        first = spec.begin if spec.begin_type == "index" else _after_keyword(spec, argv)
        if not first:
            continue
        if spec.find_type == "range":
            if spec.last >= 0:
                last = first + spec.last
            elif spec.limit:
                last = first + (count - first) // spec.limit + spec.last
            else:
                last = count + spec.last
        else:
            number = _strict_count(argv, first + spec.count)
            if number is None:
                return None
            first += spec.first
            last = first + (number - 1) * spec.step
        if not first <= last < count or "incomplete" in spec.flags:
            return None
        keys.extend((index, spec.flags) for index in range(first, last + 1, spec.step))
    return keys


def _after_keyword(spec: KeySpec, argv: list[bytes]) -> int:
    """Return the index after the keyword, 0 if it is not there. The last argument is nothing's keyword."""
    count = len(argv)
    indexes = range(spec.begin, count - 1) if spec.begin > 0 else range(count + spec.begin, 1, -1)
    for index in indexes:
        if argv[index].upper() == spec.keyword:
            return index + 1
    return 0


def _strict_count(argv: list[bytes], index: int) -> int | None:
    """Return the number of keys at ``index``, None if it is not one."""
    if index >= len(argv):
        return None
    argument = argv[index]
    if not argument.isdigit() or len(argument) > 19 or (argument[:1] == b"0" and argument != b"0"):
        return None
    number = int(argument)
    return _int32(number) if number < 2**63 else None


def _int32(number: int) -> int:
    """Wrap to 32 bits, as the real server does with a key count."""
    return (number + 2**31) % 2**32 - 2**31


_LENIENT: Final = re.compile(rb"[ \t-\r]*([+-]?\d{1,20})")


def _lenient_count(argument: bytes) -> int:
    """Read the leading digits, as C's atoi does; 0 if there are none."""
    found = _LENIENT.match(argument)
    return 0 if found is None else _int32(max(-(2**63), min(2**63 - 1, int(found[1]))))


# Extractors: the commands whose keys specifications cannot describe, or not for every argv.

_READ: Final = ("RO", "access")
_OVERWRITE: Final = ("OW", "update")
_CHANGE: Final = ("RW", "access", "update")
_MOVE: Final = ("RW", "access", "delete")

Extractor = Callable[[list[bytes]], list[Key]]


def _counted(store: int, count: int, first: int) -> Extractor:
    """Make the extractor of a command with a key count; it is asked when the count is no plain integer."""

    def extract(argv: list[bytes]) -> list[Key]:
        number = _lenient_count(argv[count])
        if not 1 <= number <= len(argv) - first:
            return []
        keys: list[Key] = [(index, ()) for index in range(first, first + number)]
        if store:
            keys.append((store, ()))
        return keys

    return extract


def _set_keys(argv: list[bytes]) -> list[Key]:
    """Tell a SET with GET, which reads, from one that only writes."""
    reads = any(argument.upper() == b"GET" for argument in argv[3:])
    return [(1, _CHANGE if reads else _OVERWRITE)]


def _bitfield_keys(argv: list[bytes]) -> list[Key]:
    """Tell a BITFIELD that only reads from one that may write; a malformed one may."""
    index = 2
    while index < len(argv):
        name = argv[index].upper()
        left = len(argv) - index - 1
        if name == b"GET" and left >= 2:
            index += 3
        elif name == b"OVERFLOW" and left >= 1:
            index += 2
        else:
            return [(1, _CHANGE)]
    return [(1, _READ)]


def _sort_keys(argv: list[bytes]) -> list[Key]:
    """Find the destination of SORT: the last STORE counts; LIMIT, GET and BY take arguments of their own."""
    store = 0
    index = 2
    while index < len(argv):
        name = argv[index].upper()
        if name == b"LIMIT":
            index += 2
        elif name in (b"GET", b"BY"):
            index += 1
        elif name == b"STORE" and index + 1 < len(argv):
            store = index + 1  # not skipped: a destination named STORE is looked at as an option, too
        index += 1
    keys: list[Key] = [(1, _READ)]
    if store:
        keys.append((store, _OVERWRITE))
    return keys


def _sort_ro_keys(_argv: list[bytes]) -> list[Key]:
    return [(1, _READ)]


_MIGRATE_ARGUMENTS: Final = {b"AUTH": 1, b"AUTH2": 2}


def _migrate_keys(argv: list[bytes]) -> list[Key]:
    """Find the keys of MIGRATE: the one in the third place, or those after KEYS if that place is empty."""
    index = 6
    while index < len(argv):
        name = argv[index].upper()
        if name == b"KEYS":
            if argv[3]:
                return []
            return [(key, _MOVE) for key in range(index + 1, len(argv))]
        index += 1 + _MIGRATE_ARGUMENTS.get(name, 0)
    return [(3, _MOVE)]


_EXTRACTORS: Final[Mapping[str, Extractor]] = {
    "set": _set_keys,
    "bitfield": _bitfield_keys,
    "sort": _sort_keys,
    "sort_ro": _sort_ro_keys,
    "migrate": _migrate_keys,
    "zunionstore": _counted(1, 2, 3),
    "zinterstore": _counted(1, 2, 3),
    "zdiffstore": _counted(1, 2, 3),
    "zunion": _counted(0, 1, 2),
    "zinter": _counted(0, 1, 2),
    "zdiff": _counted(0, 1, 2),
    "zintercard": _counted(0, 1, 2),
    "sintercard": _counted(0, 1, 2),
    "lmpop": _counted(0, 1, 2),
    "zmpop": _counted(0, 1, 2),
    "blmpop": _counted(0, 2, 3),
    "bzmpop": _counted(0, 2, 3),
    "eval": _counted(0, 2, 3),
    "eval_ro": _counted(0, 2, 3),
    "evalsha": _counted(0, 2, 3),
    "evalsha_ro": _counted(0, 2, 3),
    "fcall": _counted(0, 2, 3),
    "fcall_ro": _counted(0, 2, 3),
}
