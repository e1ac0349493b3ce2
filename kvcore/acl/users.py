"""A user: a name, passwords, and selectors.

Lives here: the rules that ACL SETUSER and files share, applied to one user. Must not live here: which users there are
and who is logged in as whom (:mod:`kvcore.acl.control`). The rule: a rule either applies as a whole or raises, but
several rules do not undo each other: who applies a list works on a copy.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from kvcore import errors
from kvcore.acl.selectors import ALLOWED, DENIED_COMMAND, VERDICT_BITS, Selector
from kvcore.acl.vocabulary import Vocabulary
from kvcore.command import Command
from kvcore.errors import RuleError
from kvcore.resp.inline import split_arguments

_HASH: Final = re.compile(rb"[0-9a-f]{64}")
_REASONS: Final = (1 << VERDICT_BITS) - 1


def hash_password(password: bytes) -> bytes:
    """Return how a password is kept: its SHA-256 in hexadecimal, as the real server's files have it."""
    return hashlib.sha256(password).hexdigest().encode()


def merge_selectors(rules: list[bytes]) -> list[bytes]:
    """Join the words between parentheses into one rule each; raise UnmatchedError for one that is not closed.

    As in the real server a word that opens another parenthesis begins anew, and what was open is forgotten.
    """
    merged: list[bytes] = []
    opened = -1
    for index, rule in enumerate(rules):
        if rule[:1] == b"(" and rule[-1:] != b")":
            if opened >= 0:
                merged.pop()
            merged.append(rule)
            opened = index
        elif opened >= 0:
            merged[-1] += b" " + rule
            if rule[-1:] == b")":
                opened = -1
        else:
            merged.append(rule)
    if opened >= 0:
        raise UnmatchedError(rules[opened])
    return merged


class UnmatchedError(RuleError):
    """A parenthesis is not closed; ``start`` is the rule that opens it."""

    def __init__(self, start: bytes) -> None:
        super().__init__(errors.AclReasons.UNMATCHED)
        self.start = start


class User:
    """Who may log in, how, and what is allowed then. ``selectors[0]`` is the user's own, the root selector."""

    __slots__ = ("enabled", "name", "nopass", "passwords", "restricted", "sanitize", "selectors", "vocabulary")

    def __init__(self, name: bytes, vocabulary: Vocabulary) -> None:
        self.name = name
        self.vocabulary = vocabulary
        self.enabled = False
        self.nopass = False
        self.passwords: dict[bytes, None] = {}
        """Hashes, in the order in which they were added."""
        self.sanitize: bool | None = None
        """What was said of payloads of RESTORE; None if nothing was."""
        self.selectors = [Selector(vocabulary)]
        self.restricted = True
        """Whether there is anything to check; see :meth:`settle`."""

    @classmethod
    def almighty(cls, vocabulary: Vocabulary) -> User:
        """Return the user ``default`` as it is at first: without a password, and with every permission."""
        user = cls(b"default", vocabulary)
        for rule in (b"+@all", b"~*", b"&*", b"on", b"nopass"):
            user.apply(rule)
        user.settle()
        return user

    def copy(self) -> User:
        """Return a user of the same name and rules that changes by itself."""
        copy = User(self.name, self.vocabulary)
        copy.take_over(self)
        return copy

    def take_over(self, other: User) -> None:
        """Become like ``other``, the name apart."""
        self.enabled = other.enabled
        self.nopass = other.nopass
        self.passwords = dict(other.passwords)
        self.sanitize = other.sanitize
        self.selectors = [selector.copy() for selector in other.selectors]
        self.settle()

    def settle(self) -> None:
        """Note whether the rules restrict anything, once they all are applied."""
        self.restricted = not any(selector.unrestricted for selector in self.selectors)

    @property
    def open(self) -> bool:
        """Whether anybody is let in without a password."""
        return self.nopass and self.enabled

    # Rules

    def apply(self, rule: bytes) -> None:
        """Apply one rule; raise RuleError with the reason why it cannot be."""
        if not rule:
            return
        word = rule.partition(b"\0")[0].lower()
        sign = rule[:1]
        if word in (b"on", b"off"):
            self.enabled = word == b"on"
        elif word in (b"nopass", b"resetpass"):
            self.nopass = word == b"nopass"
            self.passwords.clear()
        elif word in (b"sanitize-payload", b"skip-sanitize-payload"):
            self.sanitize = word == b"sanitize-payload"
        elif sign in (b">", b"#"):
            self.passwords[_password(rule, sign == b">")] = None
            self.nopass = False
        elif sign in (b"<", b"!"):
            hashed = _password(rule, sign == b"<")
            if hashed not in self.passwords:
                raise RuleError(errors.AclReasons.NO_SUCH_PASSWORD)
            del self.passwords[hashed]
        elif sign == b"(" and rule[-1:] == b")":
            self.selectors.append(self._selector(rule))
        elif word == b"clearselectors":
            del self.selectors[1:]
        elif word == b"reset":
            self._reset()
        else:
            self.selectors[0].apply(rule)

    def _selector(self, rule: bytes) -> Selector:
        selector = Selector(self.vocabulary)
        # As in the real server a selector with unbalanced quotes is an empty one, which allows nothing.
        for word in split_arguments(rule[1:-1].partition(b"\0")[0]) or ():
            selector.apply(word)
        return selector

    def _reset(self) -> None:
        self.enabled = self.nopass = False
        self.passwords.clear()
        self.sanitize = True
        self.selectors = [Selector(self.vocabulary)]

    # Logging in

    def accepts(self, password: bytes) -> bool:
        """Whether ``password`` lets somebody in; the time it takes depends on the number of passwords alone."""
        if not self.enabled:
            return False
        if self.nopass:
            return True
        hashed = hash_password(password)
        # All are compared: which one fits must not show.
        return sum(hmac.compare_digest(hashed, known) for known in self.passwords) > 0

    # Checks

    def verdict(self, command: Command, argv: list[bytes]) -> int:
        """Say whether the user may run a command line: ALLOWED, or what is denied and which argument is at fault.

        Of several selectors' verdicts the one that came closest to allowing it counts.
        """
        entry = self.vocabulary.entries.get(command.full_name) or self.vocabulary.learn(command)
        keys = entry.fixed
        if keys is None:
            keys = entry.touched(argv)
        worst, worst_at, at = DENIED_COMMAND, 0, 0
        for selector in self.selectors:
            verdict = selector.verdict(entry, argv, keys)
            if verdict == ALLOWED:
                return ALLOWED
            reason = verdict & _REASONS
            if reason != DENIED_COMMAND:
                at = verdict >> VERDICT_BITS
            if reason > worst or (reason == worst and at > worst_at):
                worst, worst_at = reason, at
        return worst_at << VERDICT_BITS | worst

    def may_reach_every_key(self, command: Command, argv: list[bytes], need: int) -> bool:
        """Whether a selector that allows the command line also gives ``need`` on all keys (SORT with BY or GET)."""
        entry = self.vocabulary.entry(command)
        keys = entry.touched(argv)
        return any(
            selector.allows_every_key(need) and selector.verdict(entry, argv, keys) == ALLOWED
            for selector in self.selectors
        )

    # Description

    def flags(self) -> list[bytes]:
        """Return the rules that are words: what ACL GETUSER calls flags."""
        words = [b"on" if self.enabled else b"off"]
        if self.nopass:
            words.append(b"nopass")
        if self.sanitize is not None:
            words.append(b"sanitize-payload" if self.sanitize else b"skip-sanitize-payload")
        return words

    def describe(self) -> bytes:
        """Return the canonical rules, as files and ACL LIST have them."""
        parts = self.flags()
        parts += [b"#" + password for password in self.passwords]
        parts.append(self.selectors[0].describe())
        parts += [b"(%b)" % selector.describe() for selector in self.selectors[1:]]
        return b" ".join(parts)

    def line(self) -> bytes:
        """Return the line that declares the user in a file."""
        return b"user %b %b" % (self.name, self.describe())


def _password(rule: bytes, plain: bool) -> bytes:
    if plain:
        return hash_password(rule[1:])
    if _HASH.fullmatch(rule, 1) is None:
        raise RuleError(errors.AclReasons.BAD_HASH)
    return rule[1:]
