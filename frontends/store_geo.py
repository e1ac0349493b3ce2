"""Methods for places, named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kvcore.frontends.store_base import Commands, Key, T, Value, as_float_or_none, as_text_or_none, flags, plain, same
from kvcore.replies import Reply


def _as_positions(reply: Reply) -> list[tuple[float, float] | None]:
    return [None if place is None else (float(place[0]), float(place[1])) for place in plain(reply)]


def _as_texts(reply: Reply) -> list[str | None]:
    return [as_text_or_none(item) for item in reply]


def _search_words(
    member: Value | None,
    longitude: float | None,
    latitude: float | None,
    unit: str,
    radius: float | None,
    width: float | None,
    height: float | None,
    sort: str | None,
    count: int | None,
    any_: bool,
) -> list[Value]:
    words: list[Value] = []
    if member is not None and longitude is None and latitude is None:
        words += (b"FROMMEMBER", member)
    elif member is None and longitude is not None and latitude is not None:
        words += (b"FROMLONLAT", longitude, latitude)
    else:
        raise ValueError("a search begins at a member, or at a longitude and latitude")
    if radius is not None and width is None and height is None:
        words += (b"BYRADIUS", radius, unit)
    elif radius is None and width is not None and height is not None:
        words += (b"BYBOX", width, height, unit)
    else:
        raise ValueError("a search has a radius, or a width and a height")
    if sort is not None:
        words.append(sort)
    if count is not None:
        words += (b"COUNT", count, *flags(ANY=any_))
    elif any_:
        raise ValueError("any=True needs a count")
    return words


def _places(withdist: bool, withhash: bool, withcoord: bool) -> Callable[[Reply], list[Reply]]:
    """Return what makes lists of a name and the facts that were asked for, in the order of the reply."""

    def convert(reply: Reply) -> list[Reply]:
        places = []
        for name, *facts in reply:
            place = [name]
            rest = iter(facts)
            if withdist:
                place.append(float(next(rest)))
            if withhash:
                place.append(next(rest))
            if withcoord:
                longitude, latitude = next(rest)
                place.append((float(longitude), float(latitude)))
            places.append(place)
        return places

    return convert


def _radius_words(
    radius: float,
    unit: str | None,
    withdist: bool,
    withcoord: bool,
    withhash: bool,
    count: int | None,
    sort: str | None,
    any_: bool,
) -> list[Value]:
    words: list[Value] = [radius, "m" if unit is None else unit]
    words += flags(WITHDIST=withdist, WITHCOORD=withcoord, WITHHASH=withhash)
    if count is not None:
        words += (b"COUNT", count, *flags(ANY=any_))
    elif any_:
        raise ValueError("any=True needs a count")
    if sort is not None:
        words.append(sort)
    return words


def _destination(store: Key | None, store_dist: Key | None) -> list[Value]:
    if store is not None and store_dist is not None:
        raise ValueError("places are stored with their positions or with their distances, not both")
    if store is not None:
        return [b"STORE", store]
    return [] if store_dist is None else [b"STOREDIST", store_dist]


class GeoCommands(Commands[T]):
    """Commands on places."""

    __slots__ = ()

    def geoadd(self, name: Key, values: Sequence[Value], nx: bool = False, xx: bool = False, ch: bool = False) -> int:
        """Add places, given as longitude, latitude and name in turns; return how many are new."""
        if len(values) % 3:
            raise ValueError("geoadd() takes longitude, latitude and name of each place")
        return self._call(same, b"GEOADD", name, *flags(NX=nx, XX=xx, CH=ch), *values)

    def geodist(self, name: Key, place1: Value, place2: Value, unit: str | None = None) -> float | None:
        """Return the distance between two places in ``m``, ``km``, ``mi`` or ``ft``; None if one is not there."""
        return self._call(as_float_or_none, b"GEODIST", name, place1, place2, *([] if unit is None else [unit]))

    def geohash(self, name: Key, *values: Value) -> list[str | None]:
        """Return the geohashes of places."""
        return self._call(_as_texts, b"GEOHASH", name, *values)

    def geopos(self, name: Key, *values: Value) -> list[tuple[float, float] | None]:
        """Return the longitudes and latitudes of places, None where there is none."""
        return self._call(_as_positions, b"GEOPOS", name, *values)

    def geosearch(
        self,
        name: Key,
        member: Value | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: str = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: str | None = None,
        count: int | None = None,
        any: bool = False,  # noqa: A002 - redis-py's name
        withcoord: bool = False,
        withdist: bool = False,
        withhash: bool = False,
    ) -> list[Reply]:
        """Return the places within a circle or box around a member or a point.

        Each is its name; or, with one of ``withdist``, ``withhash`` and ``withcoord``, a list of it and those, in this
        order.
        """
        words = _search_words(member, longitude, latitude, unit, radius, width, height, sort, count, any)
        more = flags(WITHDIST=withdist, WITHHASH=withhash, WITHCOORD=withcoord)

        convert = _places(withdist, withhash, withcoord) if more else same
        return self._call(convert, b"GEOSEARCH", name, *words, *more)

    def geosearchstore(
        self,
        dest: Key,
        name: Key,
        member: Value | None = None,
        longitude: float | None = None,
        latitude: float | None = None,
        unit: str = "m",
        radius: float | None = None,
        width: float | None = None,
        height: float | None = None,
        sort: str | None = None,
        count: int | None = None,
        any: bool = False,  # noqa: A002 - redis-py's name
        storedist: bool = False,
    ) -> int:
        """Store the places that :meth:`geosearch` returns; return how many."""
        words = _search_words(member, longitude, latitude, unit, radius, width, height, sort, count, any)
        return self._call(same, b"GEOSEARCHSTORE", dest, name, *words, *flags(STOREDIST=storedist))

    def georadius(
        self,
        name: Key,
        longitude: float,
        latitude: float,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        store: Key | None = None,
        store_dist: Key | None = None,
        any: bool = False,  # noqa: A002 - redis-py's name
    ) -> list[Reply] | int:
        """Return the places within a radius of a point like :meth:`geosearch`; or store them, and return how many."""
        words = _radius_words(radius, unit, withdist, withcoord, withhash, count, sort, any)
        convert = _places(withdist, withhash, withcoord) if withdist or withhash or withcoord else same
        return self._call(convert, b"GEORADIUS", name, longitude, latitude, *words, *_destination(store, store_dist))

    def georadius_ro(
        self,
        name: Key,
        longitude: float,
        latitude: float,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        any: bool = False,  # noqa: A002 - redis-py's name
    ) -> list[Reply]:
        """Return the places within a radius of a point like :meth:`geosearch`, which is the newer form."""
        words = _radius_words(radius, unit, withdist, withcoord, withhash, count, sort, any)
        convert = _places(withdist, withhash, withcoord) if withdist or withhash or withcoord else same
        return self._call(convert, b"GEORADIUS_RO", name, longitude, latitude, *words)

    def georadiusbymember(
        self,
        name: Key,
        member: Value,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        store: Key | None = None,
        store_dist: Key | None = None,
        any: bool = False,  # noqa: A002 - redis-py's name
    ) -> list[Reply] | int:
        """Return the places within a radius of a member like :meth:`geosearch`; or store them, and return how many."""
        words = _radius_words(radius, unit, withdist, withcoord, withhash, count, sort, any)
        convert = _places(withdist, withhash, withcoord) if withdist or withhash or withcoord else same
        return self._call(convert, b"GEORADIUSBYMEMBER", name, member, *words, *_destination(store, store_dist))

    def georadiusbymember_ro(
        self,
        name: Key,
        member: Value,
        radius: float,
        unit: str | None = None,
        withdist: bool = False,
        withcoord: bool = False,
        withhash: bool = False,
        count: int | None = None,
        sort: str | None = None,
        any: bool = False,  # noqa: A002 - redis-py's name
    ) -> list[Reply]:
        """Return the places within a radius of a member like :meth:`geosearch`, which is the newer form."""
        words = _radius_words(radius, unit, withdist, withcoord, withhash, count, sort, any)
        convert = _places(withdist, withhash, withcoord) if withdist or withhash or withcoord else same
        return self._call(convert, b"GEORADIUSBYMEMBER_RO", name, member, *words)
