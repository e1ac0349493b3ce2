"""SORT and SORT_RO: order the elements of a list, set or sorted set by themselves or by what other keys say.

What lives here: patterns of BY and GET, and the order. What must not: reading another way than ``Database.read``,
so that keys named by patterns expire and count like all others. The rule: where numbers are equal the elements'
bytes decide, and DESC turns the whole order round, ties included.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.numbers import parse_double
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.errors import CommandError, WrongTypeError
from kvcore.notifications import GENERIC, LIST
from kvcore.replies import Reply

_C_SPACES: Final = b" \t\n\v\f\r"


class _Pattern:
    """A pattern of BY or GET: ``#`` the element itself, ``key_*`` a string, ``key_*->field`` a field of a hash."""

    __slots__ = ("after", "before", "field", "is_element", "never")

    def __init__(self, pattern: bytes) -> None:
        self.is_element = pattern == b"#"
        self.before, star, rest = pattern.partition(b"*")
        self.never = not star
        self.after, arrow, self.field = rest.partition(b"->")
        if not self.field:
            self.after += arrow

    def look_up(self, call: Call, element: bytes) -> bytes | None:
        """Return what the pattern says of ``element``, None where there is nothing."""
        if self.is_element:
            return element
        if self.never:
            return None
        value = call.db.read(self.before + element + self.after)
        if self.field:
            return value.get(self.field) if isinstance(value, Hash) else None
        return bytes(value) if isinstance(value, bytes | bytearray) else None


class _Options:
    """What the words after the key ask for."""

    __slots__ = ("_may_follow", "alpha", "by", "count", "descending", "get", "offset", "store", "unsorted")

    def __init__(self, words: tuple[bytes, ...], may_store: bool, may_follow: bool) -> None:
        """``may_follow`` says whether patterns may lead to keys that are not among the arguments."""
        self.alpha = False
        self.descending = False
        self.unsorted = False
        self.by: _Pattern | None = None
        self.get: list[_Pattern] = []
        self.store: bytes | None = None
        self.offset = 0
        self.count = -1
        self._may_follow = may_follow
        position = 0
        while position < len(words):
            position += 1 + self._read(words[position].upper(), words[position + 1 : position + 3], may_store)

    def _read(self, option: bytes, operands: tuple[bytes, ...], may_store: bool) -> int:
        """Read one option; return how many operands it took."""
        if option == b"ASC" or option == b"DESC":
            self.descending = option == b"DESC"
        elif option == b"ALPHA":
            self.alpha = True
        elif option == b"LIMIT" and len(operands) == 2:
            self.offset = max(integer(operands[0]), 0)
            self.count = integer(operands[1])
            return 2
        elif option == b"STORE" and operands and may_store:
            self.store = operands[0]
            return 1
        elif option == b"BY" and operands:
            self.by = _Pattern(operands[0])
            # Without a star every element would get the same weight: a way to ask for no order.
            self.unsorted = self.unsorted or self.by.never
            if not (self.by.never or self._may_follow):
                raise CommandError(errors.SORT_BY_DENIED)
            return 1
        elif option == b"GET" and operands:
            if not self._may_follow:
                raise CommandError(errors.SORT_GET_DENIED)
            self.get.append(_Pattern(operands[0]))
            return 1
        else:
            raise CommandError(errors.SYNTAX)
        return 0


_COMPLEXITY: Final = (
    "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned "
    "elements. When the elements are not sorted, complexity is O(N)."
)


@command(
    "SORT",
    arity=-2,
    flags="write denyoom movablekeys",
    acl="set sortedset list dangerous",
    keys="RO,access@1 RO,access@?? OW,update@??",
    group="generic",
    since="1.0.0",
    complexity=_COMPLEXITY,
    summary="Sort a list, set or sorted set; return the result or store it as a list.",
)
def sort(call: Call, key: bytes, *words: bytes) -> Reply:
    options = _Options(words, True, call.engine.acl.may_read_every_key(call.session))
    found = _sort(call, key, options)
    if options.store is None:
        return found
    target = options.store
    if found:
        call.db.put(target, List([b"" if item is None else item for item in found]))
        call.changed(target, "sortstore", LIST, len(found))
    elif call.db.erase(target):
        call.changed(target, "del", GENERIC)
    return len(found)


@command(
    "SORT_RO",
    arity=-2,
    flags="readonly movablekeys",
    acl="set sortedset list dangerous",
    keys="RO,access@1 RO,access@??",
    group="generic",
    since="7.0.0",
    complexity=_COMPLEXITY,
    summary="Sort a list, set or sorted set; SORT without STORE, for replicas.",
)
def sort_ro(call: Call, key: bytes, *words: bytes) -> Reply:
    return _sort(call, key, _Options(words, False, call.engine.acl.may_read_every_key(call.session)))


def _sort(call: Call, key: bytes, options: _Options) -> list[bytes | None]:
    elements = _ordered(call, _elements(call, key), options)
    stop = len(elements) if options.count < 0 else options.offset + options.count
    found: list[bytes | None] = []
    for element in elements[options.offset : stop]:
        if options.get:
            found.extend([pattern.look_up(call, element) for pattern in options.get])
        else:
            found.append(element)
    return found


def _elements(call: Call, key: bytes) -> List | Set | SortedSet:
    value = call.db.read(key)
    if value is None:
        return List()
    if isinstance(value, List | Set | SortedSet):
        return value
    raise WrongTypeError


def _ordered(call: Call, source: List | Set | SortedSet, options: _Options) -> list[bytes]:
    elements = list(source)
    by = options.by
    alpha = options.alpha
    if options.unsorted:
        # A set has no order of its own, and what is stored must be the same on every replica.
        if not (isinstance(source, Set) and options.store is not None):
            if options.descending and not isinstance(source, Set):
                elements.reverse()
            return elements
        by = None
        alpha = True
    if alpha and by is None:
        elements.sort(reverse=options.descending)
        return elements
    if alpha:
        texts = [(_text_weight(call, by, element), element) for element in elements]
        texts.sort(key=itemgetter(0), reverse=options.descending)
        return [element for _, element in texts]
    numbers = [(_number_weight(call, by, element), element) for element in elements]
    numbers.sort(reverse=options.descending)
    return [element for _, element in numbers]


def _text_weight(call: Call, by: _Pattern | None, element: bytes) -> tuple[bool, bytes]:
    """Return what to compare: a missing weight is less than any."""
    weight = element if by is None else by.look_up(call, element)
    return weight is not None, weight or b""


def _number_weight(call: Call, by: _Pattern | None, element: bytes) -> float:
    weight = element if by is None else by.look_up(call, element)
    if weight is None:
        return 0.0
    # As C's strtod reads a string: it ends at a zero byte, spaces in front are skipped, and nothing is zero.
    text = weight.partition(b"\0")[0]
    if not text:
        return 0.0
    number = parse_double(text.lstrip(_C_SPACES))
    if number is None:
        raise CommandError(errors.SORT_NOT_A_NUMBER)
    return number
