"""The bounds of ranges by score and by member: ``(1.5``, ``-inf``, ``[a``, ``+``.

What lives here: the bounds and their text. What must not: error texts, and the sorted set itself. The rule:
bounds are read as the real server reads them, which takes more for a bound than for a score."""

from __future__ import annotations

from kvcore.datatypes.numbers import read_double

_SPACES = b" \t\n\v\f\r"


class ScoreBound:
    """One end of a range of scores."""

    __slots__ = ("exclusive", "value")

    def __init__(self, value: float, exclusive: bool = False) -> None:
        self.value = value
        self.exclusive = exclusive

    def __repr__(self) -> str:
        return f"ScoreBound({self.value}, {self.exclusive})"


class LexBound:
    """One end of a range of members; ``infinite`` is -1 for ``-``, 1 for ``+``, 0 for a member."""

    __slots__ = ("exclusive", "infinite", "member")

    def __init__(self, member: bytes, exclusive: bool = False, infinite: int = 0) -> None:
        self.member = member
        self.exclusive = exclusive
        self.infinite = infinite

    def allows_above(self, member: bytes) -> bool:
        """Say whether ``member`` is within a range that begins here. O(length)."""
        if self.infinite:
            return self.infinite < 0
        return member > self.member if self.exclusive else member >= self.member

    def allows_below(self, member: bytes) -> bool:
        """Say whether ``member`` is within a range that ends here. O(length)."""
        if self.infinite:
            return self.infinite > 0
        return member < self.member if self.exclusive else member <= self.member

    def __repr__(self) -> str:
        return f"LexBound({self.member!r}, {self.exclusive}, {self.infinite})"


def parse_score_bound(text: bytes) -> ScoreBound | None:
    """Return the bound, None where the real server says it is not a float.

    It reads a C string: what follows a zero byte does not count, spaces may lead, nothing at all is 0, and
    numbers out of range are infinity or 0. O(length).
    """
    exclusive = text[:1] == b"("
    number = (text[1:] if exclusive else text).partition(b"\0")[0]
    value = read_double(number.lstrip(_SPACES)) if number else 0.0
    return None if value is None else ScoreBound(value, exclusive)


def parse_lex_bound(text: bytes) -> LexBound | None:
    """Return the bound, None where it is none: ``-``, ``+``, or ``[`` or ``(`` and a member. O(length)."""
    first = text[:1]
    if first in (b"[", b"("):
        return LexBound(text[1:], first == b"(")
    if text == b"-":
        return LexBound(b"", infinite=-1)
    if text == b"+":
        return LexBound(b"", infinite=1)
    return None
