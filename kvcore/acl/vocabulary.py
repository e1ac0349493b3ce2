"""The words rules are made of: commands as bits, categories, and what a command line touches.

Lives here: what derives from the command records alone. Must not live here: users and their permissions. The rule: a
set of commands is an integer with one bit a command, and "all commands" is -1, whose bits never end: a command that is
added later is in it, as ``+@all`` promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kvcore.command import ADMIN, BLOCKING, FAST, PUBSUB, READONLY, WRITE, Command
from kvcore.keyspecs import find_keys, has_keys, parse

CATEGORIES: Final = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
)
"""The real server's categories in the order replies list them; an extension's own follow."""

READ: Final = 1
CHANGE: Final = 2
READ_AND_CHANGE: Final = 3

_NEEDS: Final = {"access": READ, "insert": CHANGE, "delete": CHANGE, "update": CHANGE}

NO_CHANNELS: Final = 0
FIRST_CHANNEL: Final = 1
ALL_CHANNELS: Final = 2
ALL_PATTERNS: Final = 3

_CHANNELS: Final = {
    "publish": FIRST_CHANNEL,
    "spublish": FIRST_CHANNEL,
    "subscribe": ALL_CHANNELS,
    "ssubscribe": ALL_CHANNELS,
    "psubscribe": ALL_PATTERNS,
}
"""Where a command names channels it needs permission for; leaving one needs none."""

Touched = tuple[tuple[int, int], ...]
"""Indexes of keys in argv, each with the permission it takes: READ, CHANGE, both, or 0 for any."""


def categories_of(record: Command) -> list[str]:
    """Return the categories of a command: those declared, and those its flags imply."""
    found = dict.fromkeys(record.acl)
    bits = record.bits
    if bits & WRITE:
        found["write"] = None
    if bits & READONLY and "scripting" not in found:
        found["read"] = None
    if bits & ADMIN:
        found["admin"] = found["dangerous"] = None
    if bits & PUBSUB:
        found["pubsub"] = None
    if bits & BLOCKING:
        found["blocking"] = None
    found["fast" if bits & FAST else "slow"] = None
    ordered = [category for category in CATEGORIES if category in found]
    return ordered + [category for category in found if category not in CATEGORIES]


class Entry:
    """What the checks know of one command."""

    __slots__ = ("bit", "channels", "command", "fixed", "reach")

    def __init__(self, command: Command, bit: int) -> None:
        self.command = command
        self.bit = bit
        self.reach = bit
        """The command and its subcommands: what a rule that names it changes."""
        self.fixed = _fixed_keys(command)
        """Its keys where they stand in the same places in every command line, else None."""
        self.channels = _CHANNELS.get(command.full_name, NO_CHANNELS)

    def touched(self, argv: list[bytes]) -> Touched:
        """Return the keys of a command line; none if it makes no sense, as the handler will say. O(arguments)."""
        if self.fixed is not None:
            return self.fixed
        return tuple((index, needed(flags)) for index, flags in find_keys(self.command, argv) or ())

    def channels_in(self, argv: list[bytes]) -> range:
        """Return the indexes of the channels in a command line."""
        return range(1, 2 if self.channels == FIRST_CHANNEL else len(argv))


def needed(flags: Iterable[str]) -> int:
    """Return the permission that a key specification's flags ask for."""
    need = 0
    for flag in flags:
        need |= _NEEDS.get(flag, 0)
    return need


def _fixed_keys(command: Command) -> Touched | None:
    if not has_keys(command):
        return ()
    keys: list[tuple[int, int]] = []
    for spec in parse(command.keys):
        if "not_key" in spec.flags:
            continue
        plain = spec.begin_type == "index" and spec.find_type == "range" and spec.last == 0
        if not plain or "variable_flags" in spec.flags or "incomplete" in spec.flags or spec.begin >= command.fewest:
            return None
        keys.append((spec.begin, needed(spec.flags)))
    return tuple(keys)


class Vocabulary:
    """The commands of one engine by their declared names, and the defaults that new rules start from."""

    __slots__ = ("_commands", "_complete", "_containers", "_members", "_reach", "entries", "open_channels")

    def __init__(self, commands: Mapping[bytes, Command]) -> None:
        """Look at ``commands`` only when a rule asks: most engines of a test suite never have one."""
        self._commands = commands
        self._complete = False
        self._containers: dict[str, list[str]] = {}
        self._members: dict[str, int] = {}
        self._reach: dict[str, int] = {}
        self.entries: dict[str, Entry] = {}
        """What is known so far, by full name; :meth:`complete` makes it all commands."""
        self.open_channels = False
        """`acl-pubsub-default`: whether new users and selectors may use every channel."""

    def complete(self) -> None:
        """Learn all commands there are now. O(commands), once."""
        if not self._complete:
            self._complete = True
            for command in self._commands.values():
                self.learn(command)

    def learn(self, command: Command) -> Entry:
        """Take up a command and its subcommands; one known already changes nothing. O(its categories)."""
        known = self.entries.get(command.full_name)
        if known is not None:
            return known
        entry = self.entries[command.full_name] = Entry(command, 1 << len(self.entries))
        subcommands = [self.learn(subcommand) for subcommand in (command.subcommands or {}).values()]
        for subcommand in subcommands:
            entry.reach |= subcommand.bit
        if "|" not in command.full_name:
            self._containers[command.full_name] = [subcommand.command.full_name for subcommand in subcommands]
        for category in categories_of(command):
            self._members[category] = self._members.get(category, 0) | entry.bit
            self._reach[category] = self._reach.get(category, 0) | entry.reach
        return entry

    def entry(self, command: Command) -> Entry:
        """Return what is known of a command. O(1)."""
        return self.entries.get(command.full_name) or self.learn(command)

    def find(self, name: bytes) -> Entry | None:
        """Return the entry of ``get`` or ``config|get`` in any spelling."""
        container, separator, subcommand = name.lower().partition(b"|")
        command = self._commands.get(container)
        if command is not None and separator:
            command = (command.subcommands or {}).get(subcommand)
        return None if command is None else self.entry(command)

    def top_level(self) -> Iterable[tuple[Entry, list[Entry]]]:
        """Yield each command with its subcommands."""
        self.complete()
        for name, subcommands in self._containers.items():
            yield self.entries[name], [self.entries[subcommand] for subcommand in subcommands]

    def categories(self) -> list[str]:
        """Return the names of all categories, extensions' own last."""
        self.complete()
        return [*CATEGORIES, *(category for category in self._members if category not in CATEGORIES)]

    def members(self, category: str) -> int | None:
        """Return the commands of a category as bits, None if there is no such category."""
        self.complete()
        return self._members.get(category, 0 if category in CATEGORIES else None)

    def reach(self, category: str) -> int:
        """Return what a rule that names the category changes: its commands with their subcommands."""
        self.complete()
        return self._reach.get(category, 0)

    def names(self, category: str) -> list[str]:
        """Return the full names of a category's commands."""
        self.complete()
        members = self._members.get(category, 0)
        return [name for name, entry in self.entries.items() if entry.bit & members]
