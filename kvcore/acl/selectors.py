"""A selector: one set of permissions. A user has one of its own and may have more, any of which may let a command in.

Lives here: the rules on commands, keys and channels, the check, and the canonical description. Must not live here:
passwords and what else a user has (:mod:`kvcore.acl.users`). The rule: a description, applied to a new selector, gives
the same permissions again; it is found by trying categories, as the real server does, and not by remembering rules.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors, glob
from kvcore.acl.vocabulary import (
    ALL_PATTERNS,
    CATEGORIES,
    CHANGE,
    NO_CHANNELS,
    READ,
    READ_AND_CHANGE,
    Entry,
    Touched,
    Vocabulary,
)
from kvcore.command import NO_AUTH
from kvcore.errors import RuleError

ALLOWED: Final = 0
DENIED_COMMAND: Final = 1
DENIED_KEY: Final = 2
DENIED_AUTH: Final = 3
DENIED_CHANNEL: Final = 4

VERDICT_BITS: Final = 3
"""A verdict is one of the above, and above these bits the index of the argument that is at fault."""

ALL: Final = -1

_SPACES: Final = b" \t\n\v\f\r\0"


def has_spaces(word: bytes) -> bool:
    """Whether ``word`` holds what would end it in a file: white space or a zero byte."""
    return any(byte in _SPACES for byte in word)


class Selector:
    """Permissions on commands, keys and channels."""

    __slots__ = (
        "_description",
        "_matchers",
        "all_channels",
        "all_keys",
        "channels",
        "commands",
        "first_arguments",
        "patterns",
        "vocabulary",
    )

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.commands = 0
        """The commands allowed, one bit each; negative if commands to come are allowed, too."""
        self.first_arguments: dict[str, list[bytes]] = {}
        """First arguments with which a command is allowed that is not allowed otherwise."""
        self.all_keys = False
        self.patterns: dict[bytes, int] = {}
        """Key patterns with the permission each gives."""
        self.all_channels = vocabulary.open_channels
        self.channels: dict[bytes, glob.Matcher] = {}
        self._matchers: list[tuple[int, glob.Matcher]] = []
        self._description: bytes | None = None

    def copy(self) -> Selector:
        """Return a selector with the same permissions that changes by itself."""
        copy = Selector(self.vocabulary)
        copy.commands = self.commands
        copy.first_arguments = {name: list(arguments) for name, arguments in self.first_arguments.items()}
        copy.all_keys = self.all_keys
        copy.patterns = dict(self.patterns)
        copy.all_channels = self.all_channels
        copy.channels = dict(self.channels)
        copy._matchers = list(self._matchers)
        copy._description = self._description
        return copy

    @property
    def unrestricted(self) -> bool:
        """Whether everything is allowed."""
        return self.commands == ALL and self.all_keys and self.all_channels

    # Rules

    def apply(self, rule: bytes) -> None:
        """Apply one rule; raise RuleError if it is none, or one on more than commands, keys and channels."""
        word = rule.partition(b"\0")[0].lower()
        sign = rule[:1]
        if word in (b"allkeys", b"~*", b"resetkeys"):
            self.all_keys = word != b"resetkeys"
            self.patterns.clear()
            self._matchers.clear()
        elif word in (b"allchannels", b"&*", b"resetchannels"):
            self.all_channels = word != b"resetchannels"
            self.channels.clear()
        elif word in (b"allcommands", b"+@all", b"nocommands", b"-@all"):
            self.commands = ALL if word in (b"allcommands", b"+@all") else 0
            self.first_arguments.clear()
            self._description = None
        elif sign == b"~" or sign == b"%":
            self._add_pattern(rule)
        elif sign == b"&":
            self._add_channel(rule[1:])
        elif sign == b"+" or sign == b"-":
            self._change_commands(word[1:], rule.partition(b"\0")[0][1:], sign == b"+")
            self._description = None
        else:
            raise RuleError(errors.AclReasons.SYNTAX)

    def _add_pattern(self, rule: bytes) -> None:
        if self.all_keys:
            raise RuleError(errors.AclReasons.PATTERN_AFTER_ALL)
        permission, pattern = READ_AND_CHANGE, rule[1:]
        if rule[:1] == b"%":
            permission, pattern = _read_permission(rule)
        if has_spaces(pattern):
            raise RuleError(errors.AclReasons.SYNTAX)
        self.patterns[pattern] = self.patterns.get(pattern, 0) | permission
        self._matchers = [(given, glob.compile(known)) for known, given in self.patterns.items()]

    def _add_channel(self, pattern: bytes) -> None:
        if self.all_channels:
            raise RuleError(errors.AclReasons.CHANNEL_AFTER_ALL)
        if has_spaces(pattern):
            raise RuleError(errors.AclReasons.SYNTAX)
        self.channels.setdefault(pattern, glob.compile(pattern))

    def _change_commands(self, word: bytes, written: bytes, allow: bool) -> None:
        """Apply ``+word`` or ``-word``; ``written`` is the word in the client's spelling."""
        vocabulary = self.vocabulary
        if word[:1] == b"@":
            category = word[1:].decode("latin-1")
            members = vocabulary.members(category)
            if members is None:
                raise RuleError(errors.AclReasons.UNKNOWN)
            self._set(vocabulary.reach(category), allow)
            for name in [name for name in self.first_arguments if vocabulary.entries[name].bit & members]:
                del self.first_arguments[name]
            return
        container, separator, argument = word.rpartition(b"|")
        if allow and separator:
            self._allow_first(word, container, argument, written)
            return
        entry = vocabulary.find(word)
        if entry is None:
            raise RuleError(errors.AclReasons.UNKNOWN)
        self._set(entry.reach, allow)
        self.first_arguments.pop(entry.command.full_name, None)

    def _allow_first(self, word: bytes, container: bytes, argument: bytes, written: bytes) -> None:
        """Apply ``+config|get``, or ``+select|0`` where the command has no subcommands."""
        vocabulary = self.vocabulary
        entry = vocabulary.find(container)
        if entry is None:
            raise RuleError(errors.AclReasons.UNKNOWN)
        if "|" in entry.command.full_name:
            raise RuleError(errors.AclReasons.SUBCOMMAND_ARGUMENT)
        if not argument:
            raise RuleError(errors.AclReasons.SYNTAX)
        if entry.command.subcommands is None:
            known = self.first_arguments.setdefault(entry.command.full_name, [])
            if all(argument != other.lower() for other in known):
                known.append(written.rpartition(b"|")[2])
            return
        subcommand = vocabulary.find(word)
        if subcommand is None:
            raise RuleError(errors.AclReasons.UNKNOWN)
        self._set(subcommand.reach, True)

    def _set(self, bits: int, allow: bool) -> None:
        self.commands = self.commands | bits if allow else self.commands & ~bits

    # Checks

    def verdict(self, entry: Entry, argv: list[bytes], keys: Touched) -> int:
        """Say whether the command line is allowed, and what is not; ``keys`` are those it touches. O(keys * patterns).

        Of two patterns that match a key each counts for itself: the right to read and the right to write do not add up.
        """
        if not self.commands & entry.bit and not entry.command.bits & NO_AUTH and not self._allows_first(entry, argv):
            return DENIED_COMMAND
        if not self.all_keys:
            for index, need in keys:
                key = argv[index]
                for permission, matches in self._matchers:
                    if permission & need == need and matches(key):
                        break
                else:
                    return index << VERDICT_BITS | DENIED_KEY
        if entry.channels != NO_CHANNELS and not self.all_channels:
            for index in entry.channels_in(argv):
                if not allows_channel(self.channels, argv[index], entry.channels == ALL_PATTERNS):
                    return index << VERDICT_BITS | DENIED_CHANNEL
        return ALLOWED

    def _allows_first(self, entry: Entry, argv: list[bytes]) -> bool:
        known = self.first_arguments.get(entry.command.full_name)
        if known is None or len(argv) < 2:
            return False
        argument = argv[1].lower()
        return any(argument == other.lower() for other in known)

    def allows_every_key(self, need: int) -> bool:
        """Whether the permission ``need`` is given on all keys, whatever their names."""
        return self.all_keys or self.patterns.get(b"*", 0) & need == need != 0

    # Description

    def describe(self) -> bytes:
        """Return the canonical rules for this selector."""
        channels = self.describe_channels()
        reset = b"" if self.all_channels else b"resetchannels "
        parts = (self.describe_keys(), reset + channels if channels else reset[:-1], self.describe_commands())
        return b" ".join(part for part in parts if part)

    def describe_keys(self) -> bytes:
        """Return the key patterns as rules."""
        if self.all_keys:
            return b"~*"
        return b" ".join(_SPELLED[permission] + pattern for pattern, permission in self.patterns.items())

    def describe_channels(self) -> bytes:
        """Return the channel patterns as rules."""
        return b"&*" if self.all_channels else b" ".join(b"&" + channel for channel in self.channels)

    def describe_commands(self) -> bytes:
        """Return rules that give the permissions on commands. O(categories squared + commands), once a change."""
        if self._description is None:
            self._description = self._find_rules()
        return self._description

    def _find_rules(self) -> bytes:
        """Take the category that fits best, again and again, then mend the rest command by command."""
        vocabulary = self.vocabulary
        adding = self.commands >= 0
        rules = [b"-@all" if adding else b"+@all"]
        given = 0 if adding else ALL
        left = self.commands
        # An extension's categories are not tried: the rules must hold where it is not loaded.
        candidates = [*CATEGORIES]
        while True:
            best, fewest, most = "", 1 << 30, 0
            for category in candidates:
                members = vocabulary.members(category) or 0
                on = (left & members).bit_count()
                off = members.bit_count() - on
                same, different = (on, off) if adding else (off, on)
                if same > different and (different < fewest or (different == fewest and same > most)):
                    best, fewest, most = category, different, same
            if not best:
                break
            candidates.remove(best)
            reach = vocabulary.reach(best)
            rules.append((b"+@" if adding else b"-@") + best.encode())
            given, left = (given | reach, left & ~reach) if adding else (given & ~reach, left | reach)
        self._mend(given, rules)
        return b" ".join(rules)

    def _mend(self, given: int, rules: list[bytes]) -> None:
        """Add the rules on single commands that lead from ``given`` to what is allowed."""
        for container, subcommands in self.vocabulary.top_level():
            for entry in (container, *subcommands):
                allowed = self.commands & entry.bit
                if allowed != given & entry.bit:
                    rules.append((b"+" if allowed else b"-") + entry.command.full_name.encode())
                    given = given | entry.reach if allowed else given & ~entry.reach
                if not allowed:
                    name = entry.command.full_name
                    rules += [b"+%b|%b" % (name.encode(), word) for word in self.first_arguments.get(name, ())]


_SPELLED: Final = {READ: b"%R~", CHANGE: b"%W~", READ_AND_CHANGE: b"~"}


def _read_permission(rule: bytes) -> tuple[int, bytes]:
    """Take ``%R~pattern`` apart. As in the real server the tilde may be left out where no pattern follows."""
    permission = 0
    for index in range(1, len(rule)):
        letter = rule[index : index + 1].upper()
        if letter == b"R" and not permission & READ:
            permission |= READ
        elif letter == b"W" and not permission & CHANGE:
            permission |= CHANGE
        elif letter == b"~" and permission:
            return permission, rule[index + 1 :]
        else:
            raise RuleError(errors.AclReasons.SYNTAX)
    if not permission:
        raise RuleError(errors.AclReasons.SYNTAX)
    return permission, b""


def allows_channel(allowed: dict[bytes, glob.Matcher], channel: bytes, is_pattern: bool) -> bool:
    """Whether a channel matches an allowed pattern; a pattern must be an allowed one itself, letter by letter."""
    if is_pattern:
        return channel in allowed
    return any(matches(channel) for matches in allowed.values())
