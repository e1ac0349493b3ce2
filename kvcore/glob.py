"""Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET understand them.

Here: the matcher and nothing else. No other module may translate a pattern itself, so that one set of oddities
(those of the real server, listed below) holds everywhere. Pure: no state but a bounded cache of compiled patterns.

``*`` any run of bytes, ``?`` one byte, ``[abc]`` ``[^abc]`` ``[a-z]`` one byte of a class, ``\\x`` the byte x. What
surprises, all observed on 7.0.15:

* the empty string is matched by the empty pattern and by ``*`` (what KEYS and SCAN do with it), not by ``**``;
* only ``^`` negates a class, ``!`` is a member like any other;
* ``[]`` is an empty class and never matches, ``[^]`` matches any byte; ``]`` joins a class only escaped;
* a class that is never closed ends with the pattern;
* a range may be written backwards, and its ends are signed chars: ``[a-\\xff]`` is 0xff and everything up to ``a``;
* ignoring case folds ASCII only, leaves an escaped member of a class as it is, and folds the ends of a range after
  they were put in order, so that ``[Z-a]`` matches nothing.

Every token but ``*`` takes exactly one byte. Hence the leftmost match of each stretch between two stars is as good as
any other, no star ever has to be retried, and a hostile pattern (``a*a*a*a*b``) costs O(pattern * string) at most.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

Matcher = Callable[[bytes], bool]

_SPECIAL: Final = frozenset(b"*?[\\")
_STAR: Final = ord("*")
_ANY: Final = ord("?")
_OPEN: Final = ord("[")
_CLOSE: Final = ord("]")
_CARET: Final = ord("^")
_DASH: Final = ord("-")
_ESCAPE: Final = ord("\\")

_EVERY: Final = frozenset(range(256))
_RUN: Final = None  # a star among the tokens

_REGEX_LIMIT: Final = 1024
"""Longer patterns are walked token by token: building a regular expression from a megabyte would stall the engine."""


def match(pattern: bytes, string: bytes, nocase: bool = False) -> bool:
    """Tell whether the whole ``string`` matches. O(pattern * string); call :func:`compile` to match many strings.

    >>> match(b"h[^e]llo*", b"hallo there"), match(b"h[^e]llo*", b"hello there")
    (True, False)
    """
    return compile(pattern, nocase)(string)


def compile(pattern: bytes, nocase: bool = False) -> Matcher:  # noqa: A001 - re's own word for it
    """Return a function that tells whether a whole byte string matches ``pattern``.

    Literals, ``prefix*``, ``*suffix`` and ``*`` cost one bytes operation a call.
    """
    if len(pattern) > _REGEX_LIMIT:
        return _Walker(_tokens(pattern, nocase)).matches
    return _compile_short(pattern, nocase)


def literal_prefix(pattern: bytes) -> bytes:
    """Return the bytes every match of ``pattern`` starts with; the whole pattern if it has nothing special. O(n)."""
    for position, byte in enumerate(pattern):
        if byte in _SPECIAL:
            return pattern[:position]
    return pattern


def is_literal(pattern: bytes) -> bool:
    """Tell whether ``pattern`` matches nothing but itself (case-sensitively). O(n)."""
    return not any(byte in _SPECIAL for byte in pattern)


@lru_cache(maxsize=256)
def _compile_short(pattern: bytes, nocase: bool) -> Matcher:
    stripped = pattern.strip(b"*")
    if pattern == b"*":
        return _match_everything
    if not stripped and pattern:
        return _match_something
    if not nocase and is_literal(stripped):
        leading, trailing = pattern[:1] == b"*", pattern[-1:] == b"*"
        if not leading and not trailing:
            return _Literal(stripped).equals
        if not leading:
            return _Literal(stripped).starts
        if not trailing:
            return _Literal(stripped).ends
        return _Literal(stripped).inside
    return _Regex(_tokens(pattern, nocase)).matches


def _match_everything(_string: bytes) -> bool:
    return True


def _match_something(string: bytes) -> bool:
    return string != b""


class _Literal:
    """A pattern with stars at its ends at most."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text = text

    def equals(self, string: bytes) -> bool:
        return string == self._text

    def starts(self, string: bytes) -> bool:
        return string.startswith(self._text)

    def ends(self, string: bytes) -> bool:
        return string.endswith(self._text)

    def inside(self, string: bytes) -> bool:
        return self._text in string


class _Regex:
    """The tokens as a regular expression; each star with what follows it is atomic, so nothing backtracks."""

    __slots__ = ("_full_match",)

    def __init__(self, tokens: list[frozenset[int] | None]) -> None:
        stretches: list[list[bytes]] = [[]]
        for token in tokens:
            if token is None:
                stretches.append([])
            else:
                stretches[-1].append(_class_regex(token))
        joined = [b"".join(stretch) for stretch in stretches]
        middle = b"".join(b"(?>.*?%b)" % stretch for stretch in joined[1:-1])
        last = b".*" + joined[-1] if len(joined) > 1 else b""
        self._full_match = re.compile(joined[0] + middle + last, re.DOTALL).fullmatch

    def matches(self, string: bytes) -> bool:
        return self._full_match(string) is not None


class _Walker:
    """The tokens compared one by one, going back to the last star only."""

    __slots__ = ("_tokens",)

    def __init__(self, tokens: list[frozenset[int] | None]) -> None:
        self._tokens = tokens

    def matches(self, string: bytes) -> bool:
        tokens, count = self._tokens, len(self._tokens)
        if not string:
            return not tokens
        here = at = 0
        star, resume = -1, 0
        while at < len(string):
            token = tokens[here] if here < count else frozenset()
            if here < count and token is None:
                star, resume = here, at
                here += 1
            elif token is not None and string[at] in token:
                here += 1
                at += 1
            elif star >= 0:
                resume += 1
                here, at = star + 1, resume
            else:
                return False
        return all(token is None for token in tokens[here:])


def _class_regex(members: frozenset[int]) -> bytes:
    if len(members) == 1:
        return re.escape(bytes(members))
    if len(members) == 256:
        return b"."
    if not members:
        return b"(?!)"
    return b"[" + b"".join(b"\\x%02x" % member for member in sorted(members)) + b"]"


def _fold(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


def _either_case(byte: int, nocase: bool) -> frozenset[int]:
    if not nocase:
        return frozenset((byte,))
    return frozenset(other for other in (byte, byte ^ 32) if _fold(other) == _fold(byte))


def _tokens(pattern: bytes, nocase: bool) -> list[frozenset[int] | None]:
    """Return the set of bytes each token takes, None for a star (several in a row are one)."""
    tokens: list[frozenset[int] | None] = []
    position, end = 0, len(pattern)
    while position < end:
        byte = pattern[position]
        position += 1
        if byte == _STAR:
            if not tokens or tokens[-1] is not None:
                tokens.append(_RUN)
        elif byte == _ANY:
            tokens.append(_EVERY)
        elif byte == _OPEN:
            members, position = _read_class(pattern, position, nocase)
            tokens.append(members)
        else:
            if byte == _ESCAPE and position < end:  # a lone backslash at the end stands for itself
                byte = pattern[position]
                position += 1
            tokens.append(_either_case(byte, nocase))
    return tokens


def _read_class(pattern: bytes, position: int, nocase: bool) -> tuple[frozenset[int], int]:
    """Read the class that starts behind the bracket at ``position - 1``; return it and where it ends."""
    end = len(pattern)
    negated = position < end and pattern[position] == _CARET
    if negated:
        position += 1
    members: set[int] = set()
    while position < end:
        byte = pattern[position]
        if byte == _ESCAPE and position + 1 < end:
            members.add(pattern[position + 1])
            position += 2
        elif byte == _CLOSE:
            position += 1
            break
        elif position + 2 < end and pattern[position + 1] == _DASH:
            members |= _range(byte, pattern[position + 2], nocase)
            position += 3
        else:
            members |= _either_case(byte, nocase)
            position += 1
    return (_EVERY - members if negated else frozenset(members)), position


def _range(first: int, last: int, nocase: bool) -> frozenset[int]:
    low, high = sorted((_signed(first), _signed(last)))
    if nocase:
        low, high = _fold(low), _fold(high)
        return frozenset(byte for byte in range(256) if low <= _fold(_signed(byte)) <= high)
    return frozenset(byte for byte in range(256) if low <= _signed(byte) <= high)


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte
