"""The few reply values that Python lacks.

A handler returns native values and no protocol: ``bytes`` is a bulk string, ``str`` a simple string, ``int`` an
integer, ``float`` a RESP3 double, ``bool`` a RESP3 boolean, ``None`` the null, ``list`` an array, ``dict`` a map,
``set`` a set, and an exception of :mod:`kvcore.errors` an error. What those cannot say lives here. Every RESP2
downgrade (map to flat array, double to bulk string, ...) is the encoder's business, never a handler's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

Reply = Any
"""A reply really is any of the values named above; nothing outside a reply is typed with it."""

OK: Final = "OK"
"""The simple string most writes answer. One object, so that the encoder recognises it by identity."""

QUEUED: Final = "QUEUED"
PONG: Final = "PONG"


class Singleton:
    """A marker compared by identity."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


NULL_ARRAY: Final = Singleton("NULL_ARRAY")
"""``*-1`` in RESP2, ``_`` in RESP3: what BLPOP answers on time-out and EXEC when a watched key changed."""

NO_REPLY: Final = Singleton("NO_REPLY")
"""The command answers nothing by itself (its pushes, if any, are already in the session's outbox)."""


class OrderedSet(list[Reply]):
    """A RESP3 set whose order the real server fixes, or whose items Python cannot hash; RESP2 array."""

    __slots__ = ()


class OrderedMembers(set[Reply]):
    """A set of members whose order on the wire the real server fixes: integers come ascending."""

    __slots__ = ("order",)

    def __init__(self, members: Iterable[Reply]) -> None:
        self.order = list(members)
        super().__init__(self.order)


class Push(list[Reply]):
    """An out-of-band message: RESP3 push, RESP2 array."""

    __slots__ = ()


class Transaction(list[Reply]):
    """The replies of a transaction: an array whose items are whole replies, errors and null arrays included."""

    __slots__ = ()


class Verbatim:
    """RESP3 verbatim string; a bulk string in RESP2.

    ``format`` is the three-letter type, ``txt`` or ``mkd``.
    """

    __slots__ = ("format", "text")

    def __init__(self, text: bytes, format: str = "txt") -> None:  # noqa: A002 - RESP3's own word
        self.text = text
        self.format = format

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verbatim) and (self.text, self.format) == (other.text, other.format)

    def __hash__(self) -> int:
        return hash((self.text, self.format))

    def __repr__(self) -> str:
        return f"Verbatim({self.text!r}, {self.format!r})"


class Decimals(float):
    """A double spelled with 17 decimals, trailing zeros left out, where others have 17 significant digits."""

    __slots__ = ()


class BigNumber(int):
    """RESP3 big number; a bulk string in RESP2."""

    __slots__ = ()


class BigNumberText(bytes):
    """A RESP3 big number as a script spelled it, whatever it spelled; a bulk string in RESP2."""

    __slots__ = ()


class Raw(bytes):
    """Bytes that are no reply and go out as they are: what a replica is sent."""

    __slots__ = ()


class Attributed:
    """A reply with RESP3 attributes in front of it; RESP2 leaves the attributes out."""

    __slots__ = ("attributes", "reply")

    def __init__(self, attributes: dict[Reply, Reply], reply: Reply) -> None:
        self.attributes = attributes
        self.reply = reply
