"""Commands on geo indexes: sorted sets whose scores are positions.

What lives here: the geo group. What must not: the mathematics of positions (:mod:`kvcore.datatypes.geohash`). The rule:
the source's type is checked first, the options are read next, in the order in which they came, and only then does an
absent source end the command; so the first thing wrong is the one reported, as the real server does.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.sorted_sets import zadd
from kvcore.commands.sorted_sets_ranges import store_items
from kvcore.datatypes import geohash
from kvcore.datatypes.geohash import MAX_LATITUDE, MAX_LONGITUDE, Area, Box, Circle
from kvcore.datatypes.numbers import parse_double
from kvcore.datatypes.partial_sort import first_positions
from kvcore.datatypes.ranges import ScoreBound
from kvcore.datatypes.sorted_set import SortedSet
from kvcore.errors import CommandError
from kvcore.replies import NULL_ARRAY, Decimals, Reply

_METRES: Final = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}
_ADD_OPTIONS: Final = frozenset({b"NX", b"XX", b"CH"})
_DETAILS: Final = frozenset({b"WITHDIST", b"WITHHASH", b"WITHCOORD"})

_ASCENDING: Final = 1
_DESCENDING: Final = 2


def _unit(name: bytes) -> float:
    """Return the metres of a unit."""
    metres = _METRES.get(name.upper())
    if metres is None:
        raise CommandError(errors.GEO_UNIT)
    return metres


def _number(text: bytes, error: str) -> float:
    value = parse_double(text)
    if value is None:
        raise CommandError(error)
    return value


def _position(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """Return (longitude, latitude) in degrees, within the limits."""
    x = _number(longitude, errors.NOT_A_FLOAT)
    y = _number(latitude, errors.NOT_A_FLOAT)
    if not (-MAX_LONGITUDE <= x <= MAX_LONGITUDE and -MAX_LATITUDE <= y <= MAX_LATITUDE):
        raise CommandError(errors.invalid_position(x, y))
    return x, y


def _coordinates(longitude: float, latitude: float) -> Reply:
    return [Decimals(longitude), Decimals(latitude)]


# Single members


@command(
    "GEOADD",
    arity=-5,
    flags="write denyoom",
    acl="geo",
    keys="RW,update@1",
    group="geo",
    since="3.2.0",
    complexity="O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    summary="Give members a position, and count the new ones.",
)
def geoadd(call: Call, key: bytes, *arguments: bytes) -> Reply:
    start = 0
    while start < len(arguments) and arguments[start].upper() in _ADD_OPTIONS:
        start += 1
    options, items = arguments[:start], arguments[start:]
    names = {option.upper() for option in options}
    if len(items) % 3 or {b"NX", b"XX"} <= names:
        raise CommandError(errors.SYNTAX)
    pairs: list[bytes] = []
    for longitude, latitude, member in zip(items[::3], items[1::3], items[2::3], strict=True):
        pairs += (b"%d" % geohash.encode(*_position(longitude, latitude)), member)
    # Replicas and files need to know no geography.
    call.propagate(b"zadd", key, *options, *pairs)
    return zadd(call, key, *options, *pairs)


@command(
    "GEODIST",
    arity=-4,
    flags="readonly",
    acl="geo",
    keys="RO,access@1",
    group="geo",
    since="3.2.0",
    complexity="O(log(N))",
    summary="Return the distance between two members.",
)
def geodist(call: Call, key: bytes, member: bytes, other: bytes, *options: bytes) -> Reply:
    if len(options) > 1:
        raise CommandError(errors.SYNTAX)
    unit = _unit(options[0]) if options else 1.0
    source = call.db.read_as(key, SortedSet)
    if source is None:
        return None
    start, end = source.score(member), source.score(other)
    if start is None or end is None:
        return None
    return b"%.4f" % (geohash.distance(*geohash.decode(start), *geohash.decode(end)) / unit)


@command(
    "GEOHASH",
    arity=-2,
    flags="readonly",
    acl="geo",
    keys="RO,access@1",
    group="geo",
    since="3.2.0",
    complexity="O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
    summary="Return the geohash strings of members.",
)
def geohash_strings(call: Call, key: bytes, *members: bytes) -> Reply:
    return [None if score is None else geohash.text(score) for score in _scores(call, key, members)]


@command(
    "GEOPOS",
    arity=-2,
    flags="readonly",
    acl="geo",
    keys="RO,access@1",
    group="geo",
    since="3.2.0",
    complexity="O(N) where N is the number of members requested.",
    summary="Return the positions of members.",
)
def geopos(call: Call, key: bytes, *members: bytes) -> Reply:
    return [
        NULL_ARRAY if score is None else _coordinates(*geohash.decode(score)) for score in _scores(call, key, members)
    ]


def _scores(call: Call, key: bytes, members: tuple[bytes, ...]) -> list[float | None]:
    source = call.db.read_as(key, SortedSet)
    return [None if source is None else source.score(member) for member in members]


# Searching


class _Found:
    """A member inside of the area that is searched."""

    __slots__ = ("latitude", "longitude", "member", "metres", "score")

    def __init__(self, member: bytes, score: float, longitude: float, latitude: float, metres: float) -> None:
        self.member = member
        self.score = score
        self.longitude = longitude
        self.latitude = latitude
        self.metres = metres


class _Search:
    """What a search asks for: an area around a centre, how many members of it, in which order, and what of each."""

    __slots__ = (
        "_from_member",
        "_from_position",
        "_may_store",
        "_shape_by_options",
        "_source",
        "any_will_do",
        "box",
        "centre",
        "count",
        "details",
        "order",
        "radius",
        "store",
        "store_distances",
        "unit",
    )

    def __init__(self, source: SortedSet | None, may_store: bool = False, shape_by_options: bool = False) -> None:
        """``may_store`` takes STORE and STOREDIST with a key, ``shape_by_options`` takes FROM... and BY... ."""
        self._source = source
        self._may_store = may_store
        self._shape_by_options = shape_by_options
        self._from_member = False
        self._from_position = False
        self.centre: tuple[float, float] | None = None
        self.radius: float | None = None
        self.box: tuple[float, float] | None = None
        self.unit = 1.0
        self.count = 0
        self.any_will_do = False
        self.order = 0
        self.details: set[bytes] = set()
        self.store: bytes | None = None
        self.store_distances = False

    def set_radius(self, radius: bytes, unit: bytes) -> None:
        """Search a circle."""
        self.radius = _number(radius, errors.GEO_RADIUS_NOT_NUMERIC)
        if self.radius < 0.0:
            raise CommandError(errors.GEO_RADIUS_NEGATIVE)
        self.unit = _unit(unit)

    def set_box(self, width: bytes, height: bytes, unit: bytes) -> None:
        """Search a box."""
        self.box = _number(width, errors.GEO_WIDTH_NOT_NUMERIC), _number(height, errors.GEO_HEIGHT_NOT_NUMERIC)
        if min(self.box) < 0.0:
            raise CommandError(errors.GEO_BOX_NEGATIVE)
        self.unit = _unit(unit)

    def set_centre(self, member: bytes) -> None:
        """Search around a member; an absent source has none, and ends the command later."""
        if self._source is None:
            self.centre = 0.0, 0.0
            return
        score = self._source.score(member)
        if score is None:
            raise CommandError(errors.GEO_NO_SUCH_MEMBER)
        self.centre = geohash.decode(score)

    def read(self, words: tuple[bytes, ...]) -> None:
        """Read the options."""
        position = 0
        while position < len(words):
            position += 1 + self._read(words[position].upper(), words[position + 1 : position + 4])
        if self.store is not None and self.details:
            what = "GEOSEARCHSTORE" if self._shape_by_options else "STORE option in GEORADIUS"
            raise CommandError(errors.geo_store_with(what))

    def _read(self, option: bytes, operands: tuple[bytes, ...]) -> int:
        """Read one option; return how many operands it took."""
        if option in _DETAILS:
            self.details.add(option)
        elif option == b"ANY":
            self.any_will_do = True
        elif option == b"ASC" or option == b"DESC":
            self.order = _ASCENDING if option == b"ASC" else _DESCENDING
        elif option == b"COUNT" and operands:
            self.count = integer(operands[0])
            if self.count <= 0:
                raise CommandError(errors.GEO_COUNT_NOT_POSITIVE)
            return 1
        elif self._may_store and (option == b"STORE" or option == b"STOREDIST") and operands:
            self.store = operands[0]
            self.store_distances = option == b"STOREDIST"
            return 1
        elif self._shape_by_options:
            return self._read_shape(option, operands)
        else:
            raise CommandError(errors.SYNTAX)
        return 0

    def _read_shape(self, option: bytes, operands: tuple[bytes, ...]) -> int:
        """Read an option that only GEOSEARCH and GEOSEARCHSTORE have."""
        given = len(operands)
        if option == b"FROMMEMBER" and given >= 1 and not self._from_position:
            self._from_member = True
            self.set_centre(operands[0])
            return 1
        if option == b"FROMLONLAT" and given >= 2 and not self._from_member:
            self._from_position = True
            self.centre = _position(operands[0], operands[1])
            return 2
        if option == b"BYRADIUS" and given >= 2 and self.box is None:
            self.set_radius(operands[0], operands[1])
            return 2
        if option == b"BYBOX" and given >= 3 and self.radius is None:
            self.set_box(*operands)
            return 3
        if option == b"STOREDIST" and self.store is not None:
            self.store_distances = True
            return 0
        raise CommandError(errors.SYNTAX)

    def area(self) -> Area:
        """Return what is searched."""
        assert self.centre is not None
        if self.box is not None:
            return Box(self.centre, *self.box, self.unit)
        assert self.radius is not None
        return Circle(self.centre, self.radius * self.unit)

    def run(self, source: SortedSet) -> list[_Found]:
        """Return what is found, as much of it and in the order asked for."""
        count = self.count
        order = self.order
        if count and not order and not self.any_will_do:
            order = _ASCENDING
        found = _members_within(source, self.area(), count if self.any_will_do else 0)
        if not count or count >= len(found):
            if order:
                found.sort(key=attrgetter("metres"), reverse=order == _DESCENDING)
            return found
        if not order:
            return found[:count]
        keys = [one.metres if order == _ASCENDING else -one.metres for one in found]
        return [found[position] for position in first_positions(keys, count)]

    def describe(self, one: _Found) -> Reply:
        """Return what the reply has of a member."""
        details = self.details
        if not details:
            return one.member
        reply: list[Reply] = [one.member]
        if b"WITHDIST" in details:
            reply.append(b"%.4f" % (one.metres / self.unit))
        if b"WITHHASH" in details:
            reply.append(int(one.score))
        if b"WITHCOORD" in details:
            reply.append(_coordinates(one.longitude, one.latitude))
        return reply


def _members_within(source: SortedSet, area: Area, limit: int) -> list[_Found]:
    """Return the members inside of an area, with a ``limit`` other than 0 the first that many."""
    found: list[_Found] = []
    for low, high in area.score_ranges():
        ranks = source.score_range(ScoreBound(float(low)), ScoreBound(float(high), exclusive=True))
        for score, member in source.walk(*ranks):
            longitude, latitude = geohash.decode(score)
            metres = area.distance_within(longitude, latitude)
            if metres is not None:
                found.append(_Found(member, score, longitude, latitude, metres))
                if len(found) == limit:
                    return found
    return found


def _answer(call: Call, source: SortedSet | None, search: _Search, event: str) -> Reply:
    """Run a search, and return or store what it finds."""
    if search.any_will_do and not search.count:
        raise CommandError(errors.GEO_ANY_WITHOUT_COUNT)
    found = [] if source is None else search.run(source)
    if search.store is None:
        return [search.describe(one) for one in found]
    unit = search.unit
    items = [(one.member, one.metres / unit if search.store_distances else one.score) for one in found]
    stored = store_items(call, search.store, items, event)
    if stored:
        call.dirty += stored - 1  # where a range's copy is one change, here each member is one
    return stored


_COMPLEXITY: Final = (
    "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center "
    "and radius and M is the number of items inside the index."
)
_SEARCH_COMPLEXITY: Final = (
    "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as "
    "the filter and M is the number of items inside the shape"
)


@command(
    "GEOSEARCH",
    arity=-7,
    flags="readonly",
    acl="geo",
    keys="RO,access@1",
    group="geo",
    since="6.2.0",
    complexity=_SEARCH_COMPLEXITY,
    summary="Return the members inside of a circle or a box.",
)
def geosearch(call: Call, key: bytes, *options: bytes) -> Reply:
    return _search(call, None, key, options)


@command(
    "GEOSEARCHSTORE",
    arity=-8,
    flags="write denyoom",
    acl="geo",
    keys="OW,update@1 RO,access@2",
    group="geo",
    since="6.2.0",
    complexity=_SEARCH_COMPLEXITY,
    summary="Store the members inside of a circle or a box, with their positions or distances.",
)
def geosearchstore(call: Call, destination: bytes, key: bytes, *options: bytes) -> Reply:
    return _search(call, destination, key, options)


def _search(call: Call, destination: bytes | None, key: bytes, options: tuple[bytes, ...]) -> Reply:
    source = call.db.read_as(key, SortedSet)
    search = _Search(source, shape_by_options=True)
    search.store = destination
    search.read(options)
    if search.centre is None:
        raise CommandError(errors.geo_needs_one_of("FROMMEMBER or FROMLONLAT", call.argv[0]))
    if search.radius is None and search.box is None:
        raise CommandError(errors.geo_needs_one_of("BYRADIUS and BYBOX", call.argv[0]))
    return _answer(call, source, search, "geosearchstore")


@command(
    "GEORADIUS",
    arity=-6,
    flags="write denyoom movablekeys",
    acl="geo",
    keys="RO,access@1 OW,update@STORE:6 OW,update@STOREDIST:6",
    group="geo",
    since="3.2.0",
    complexity=_COMPLEXITY,
    summary="Return or store the members within a radius of a position.",
)
def georadius(
    call: Call, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes, *options: bytes
) -> Reply:
    return _around_position(call, key, (longitude, latitude), (radius, unit), options, may_store=True)


@command(
    "GEORADIUS_RO",
    arity=-6,
    flags="readonly",
    acl="geo",
    keys="RO,access@1",
    group="geo",
    since="3.2.10",
    complexity=_COMPLEXITY,
    summary="Return the members within a radius of a position; GEORADIUS without STORE, for replicas.",
)
def georadius_ro(
    call: Call, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes, *options: bytes
) -> Reply:
    return _around_position(call, key, (longitude, latitude), (radius, unit), options, may_store=False)


def _around_position(
    call: Call,
    key: bytes,
    position: tuple[bytes, bytes],
    radius: tuple[bytes, bytes],
    options: tuple[bytes, ...],
    may_store: bool,
) -> Reply:
    source = call.db.read_as(key, SortedSet)
    search = _Search(source, may_store)
    search.centre = _position(*position)
    search.set_radius(*radius)
    search.read(options)
    return _answer(call, source, search, "georadiusstore")


@command(
    "GEORADIUSBYMEMBER",
    arity=-5,
    flags="write denyoom movablekeys",
    acl="geo",
    keys="RO,access@1 OW,update@STORE:5 OW,update@STOREDIST:5",
    group="geo",
    since="3.2.0",
    complexity=_COMPLEXITY,
    summary="Return or store the members within a radius of a member.",
)
def georadiusbymember(call: Call, key: bytes, member: bytes, radius: bytes, unit: bytes, *options: bytes) -> Reply:
    return _around_member(call, key, member, (radius, unit), options, may_store=True)


@command(
    "GEORADIUSBYMEMBER_RO",
    arity=-5,
    flags="readonly",
    acl="geo",
    keys="RO,access@1",
    group="geo",
    since="3.2.10",
    complexity=_COMPLEXITY,
    summary="Return the members within a radius of a member; GEORADIUSBYMEMBER without STORE, for replicas.",
)
def georadiusbymember_ro(call: Call, key: bytes, member: bytes, radius: bytes, unit: bytes, *options: bytes) -> Reply:
    return _around_member(call, key, member, (radius, unit), options, may_store=False)


def _around_member(
    call: Call, key: bytes, member: bytes, radius: tuple[bytes, bytes], options: tuple[bytes, ...], may_store: bool
) -> Reply:
    source = call.db.read_as(key, SortedSet)
    search = _Search(source, may_store)
    if source is not None:
        # The real server does not look at the radius, either, where there is nothing to search.
        search.set_centre(member)
        search.set_radius(*radius)
    search.read(options)
    return _answer(call, source, search, "georadiusstore")
