"""The geo group beside the real server: every option, error and shape, and random positions and searches."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, check, run_sequence

SICILY = "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1"
EDGES = "GEOADD g 180 85.05112878 ne -180 -85.05112878 sw 180 0 e -180 0 w 0 0 o 179.99999 1 nearly -1e-9 -0.0 z"


def test_geoadd(pair: Pair) -> None:
    check(
        pair,
        f"""
        {SICILY}
        {SICILY}
        ZRANGE Sicily 0 -1 WITHSCORES
        {EDGES}
        ZRANGE g 0 -1 WITHSCORES
        OBJECT ENCODING g
        GEOADD g CH 1 1 o 2 2 new
        GEOADD g nx 3 3 o 4 4 newer
        GEOADD g Xx ch 3 3 o 5 5 newest
        GEOADD g XX CH XX 3 3 o
        GEOADD none XX 1 1 a
        EXISTS none
        GEOADD g NX XX 1 1 a
        GEOADD g NX CH CH
        GEOADD g NX 1 1
        GEOADD g GT 1 1 a
        GEOADD g INCR 1 1 a
        GEOADD g 1 1 a 2
        GEOADD g 1 1 a CH
        GEOADD g 180.1 1 a
        GEOADD g -180.000001 1 a
        GEOADD g 1 85.06 a
        GEOADD g 1 -86 a
        GEOADD g 1e300 1 a
        GEOADD g x 1 a
        GEOADD g 1 x a
        GEOADD g 200 x a
        GEOADD g inf 1 a
        GEOADD g 1 -inf a
        GEOADD g nan 1 a
        GEOADD g 1 1 a 200 1 b
        EXISTS a
        GEOADD g 0x1p3 1e1 hexadecimal
        GEOPOS g hexadecimal
        SET text x
        GEOADD text 200 1 a
        GEOADD text 1 1 a
        GEOADD g 1 1
        ZRANGE g 0 -1 WITHSCORES
        """,
    )


def test_single_members(pair: Pair) -> None:
    check(
        pair,
        f"""
        {SICILY}
        {EDGES}
        SET text x
        GEODIST Sicily Palermo Catania
        GEODIST Sicily Palermo Catania M
        GEODIST Sicily Palermo Catania km
        GEODIST Sicily Palermo Catania fT
        GEODIST Sicily Palermo Catania mi
        GEODIST Sicily Palermo Palermo
        GEODIST Sicily Palermo none
        GEODIST Sicily none Palermo
        GEODIST none a b
        GEODIST Sicily Palermo Catania feet
        GEODIST none a b feet
        GEODIST text a b
        GEODIST text a b feet
        GEODIST Sicily Palermo Catania km km
        GEODIST g ne sw
        GEODIST g e w
        GEODIST g e o
        GEODIST g nearly e
        GEOHASH Sicily Palermo none Catania
        GEOHASH g ne sw e w o nearly z
        GEOHASH g
        GEOHASH none a b
        GEOHASH text a
        GEOPOS Sicily Palermo none Catania
        GEOPOS g ne sw e w o nearly z
        GEOPOS g
        GEOPOS none a b
        GEOPOS text a
        """,
    )


@pytest.mark.parametrize(
    "score",
    ["0", "-0", "1.5", "-1", "-1e300", "1e19", "1e300", "inf", "-inf", "9007199254740993", "18446744073709551616"],
)
def test_scores_that_no_position_has(pair: Pair, score: str) -> None:
    check(
        pair,
        f"""
        ZADD z {score} odd 3479099956230698 Palermo
        GEOPOS z odd
        GEOHASH z odd
        GEODIST z odd Palermo
        GEOSEARCH z FROMLONLAT -180 -85 BYRADIUS 40000 km WITHHASH WITHDIST WITHCOORD
        GEOSEARCH z FROMMEMBER odd BYRADIUS 1 km WITHHASH WITHDIST WITHCOORD
        GEOSEARCH z FROMMEMBER odd BYBOX 40000 40000 km WITHHASH WITHDIST WITHCOORD
        """,
    )


def test_geosearch_options(pair: Pair) -> None:
    check(
        pair,
        f"""
        {SICILY}
        GEOADD Sicily 17.241510 38.788135 edge2
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km DESC
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST WITHHASH
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km desc withhash
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC DESC withcoord
        GEOSEARCH Sicily byradius 200 mi frommember Palermo withdist count 2
        GEOSEARCH Sicily byradius 200 mi frommember Palermo withdist count 2 desc
        GEOSEARCH Sicily byradius 200 mi frommember Palermo withdist count 1 any
        GEOSEARCH Sicily byradius 200 mi frommember Palermo withdist count 2 any asc
        GEOSEARCH Sicily byradius 200 mi frommember Palermo any withdist count 99
        GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 0 m
        GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 0 0 m WITHDIST
        GEOSEARCH Sicily FROMMEMBER Palermo FROMMEMBER Catania BYRADIUS 1 km BYRADIUS 2 m
        GEOSEARCH Sicily FROMLONLAT 0 0 FROMLONLAT 15 37 BYBOX 0 0 m BYBOX 400 400 km
        GEOSEARCH none FROMMEMBER Palermo BYRADIUS 1 m
        GEOSEARCH none FROMLONLAT 1 1 BYBOX 1 1 m COUNT 3 WITHDIST
        """,
    )


@pytest.mark.parametrize("key", ["g", "none", "text"])
def test_geosearch_errors(pair: Pair, key: str) -> None:
    pair.both("GEOADD", "g", 1, 1, "a", 2, 2, "b")
    pair.both("SET", "text", "x")
    for options in """
        FROMMEMBER a BYRADIUS 1
        FROMMEMBER a BYRADIUS x km
        FROMMEMBER a BYRADIUS -1 km
        FROMMEMBER a BYRADIUS -1 x
        FROMMEMBER a BYRADIUS nan km
        FROMMEMBER a BYRADIUS inf km
        FROMMEMBER a BYRADIUS 1 miles
        FROMMEMBER a BYBOX 1 1
        FROMMEMBER a BYBOX x 1 km
        FROMMEMBER a BYBOX 1 x km
        FROMMEMBER a BYBOX x x x
        FROMMEMBER a BYBOX -1 1 km
        FROMMEMBER a BYBOX 1 -1 q
        FROMMEMBER a BYBOX 1 1 q
        FROMMEMBER nope BYBOX 1 1 q
        FROMMEMBER
        FROMMEMBER a FROMLONLAT 1 1 BYRADIUS 1 m
        FROMLONLAT 1 1 FROMMEMBER a BYRADIUS 1 m
        FROMLONLAT 1 x BYRADIUS 1 m
        FROMLONLAT 181 1 BYRADIUS 1 m
        FROMLONLAT 1
        FROMMEMBER a BYRADIUS 1 m BYBOX 1 1 m
        FROMMEMBER a BYBOX 1 1 m BYRADIUS 1 m
        BYRADIUS 1 m ASC ASC ASC
        FROMMEMBER a ASC ASC ASC ASC
        ASC ASC ASC ASC ASC
        FROMMEMBER a BYRADIUS 1 m COUNT
        FROMMEMBER a BYRADIUS 1 m COUNT x
        FROMMEMBER a BYRADIUS 1 m COUNT 0
        FROMMEMBER a BYRADIUS 1 m COUNT -1
        FROMMEMBER a BYRADIUS 1 m COUNT 9223372036854775808
        FROMMEMBER a BYRADIUS 1 m COUNT 9223372036854775807
        FROMMEMBER a BYRADIUS 1 m ANY
        FROMMEMBER a BYRADIUS 1 m COUNT 1 ANY ANY COUNT 2
        FROMMEMBER a BYRADIUS 1 m NONSENSE
        FROMMEMBER a BYRADIUS 1 m STORE d
        FROMMEMBER a BYRADIUS 1 m STOREDIST
        FROMMEMBER a BYRADIUS 1 m STOREDIST d
        FROMMEMBER a BYRADIUS 1 m WITHDIST
        FROMMEMBER a BYRADIUS 1 m WITHHASH ANY
        BYRADIUS 1 m WITHCOORD COUNT 2
    """.strip().splitlines():
        words = options.split()
        pair.both("GEOSEARCH", key, *words)
        pair.both("geosearchstore", "d", key, *words)
        pair.both("ZRANGE", "d", 0, -1, "WITHSCORES")


@pytest.mark.parametrize("name", ["GEORADIUS", "GEORADIUS_RO", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"])
@pytest.mark.parametrize("key", ["g", "none", "text"])
def test_georadius(pair: Pair, name: str, key: str) -> None:
    pair.both("GEOADD", "g", 1, 1, "a", 2, 2, "b", 50, 50, "far")
    pair.both("SET", "text", "x")
    centre = ("a",) if "MEMBER" in name else (1, 1)
    for options in """
        1000 km
        1000 km WITHDIST
        1000 km WITHCOORD WITHHASH WITHDIST DESC
        1000 km COUNT 1
        1000 km COUNT 1 ANY
        1000 km COUNT 1 DESC
        1000 km STORE d
        1000 km STORE d COUNT 1 DESC
        1000 km STOREDIST d
        1000 km STOREDIST d STORE e
        1000 km STORE d STOREDIST e
        1000 km STORE
        1000 km STOREDIST
        1000 km STORE d WITHDIST
        1000 km STORE d WITHDIST ANY
        1000 km ANY
        1000 km COUNT 0
        1000 km COUNT
        1000 km FROMMEMBER a
        1000 km BYRADIUS 1 m
        1000 km BYBOX 1 1 m
        x km
        -1 km
        1 q
        1 q STORE d
        x km NONSENSE
        0 m STORE d
        0 m
    """.strip().splitlines():
        pair.both(name, key, *centre, *options.split())
        pair.both("ZRANGE", "d", 0, -1, "WITHSCORES")
        pair.both("ZRANGE", "e", 0, -1, "WITHSCORES")


@pytest.mark.parametrize(
    "line",
    [
        "GEORADIUS g 1 1 1",
        "GEORADIUS g 200 1 x km",
        "GEORADIUS g x 1 1 km",
        "GEORADIUS_RO g 1 100 1 km",
        "GEORADIUSBYMEMBER g nope x km",
        "GEORADIUSBYMEMBER_RO g nope",
        "GEOSEARCH g FROMMEMBER a BYRADIUS 1",
        "GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1",
        "GEODIST g a",
        "GEOHASH",
        "GEOPOS",
    ],
)
def test_arity_and_first_errors(pair: Pair, line: str) -> None:
    check(pair, f"GEOADD g 1 1 a\n{line}")


def test_storing(pair: Pair) -> None:
    pair.config("zset-max-listpack-entries", 2)
    check(
        pair,
        f"""
        {SICILY}
        SET d text EX 1000
        GEOSEARCHSTORE d Sicily FROMMEMBER Palermo BYRADIUS 300 km
        TTL d
        ZRANGE d 0 -1 WITHSCORES
        OBJECT ENCODING d
        GEOSEARCHSTORE d Sicily FROMMEMBER Palermo BYRADIUS 300 km STOREDIST COUNT 2 STOREDIST
        ZRANGE d 0 -1 WITHSCORES
        OBJECT ENCODING d
        GEOSEARCHSTORE Sicily Sicily FROMMEMBER Palermo BYBOX 300 300 mi COUNT 2
        ZRANGE Sicily 0 -1 WITHSCORES
        GEOSEARCHSTORE d Sicily FROMLONLAT 0 0 BYRADIUS 1 km
        EXISTS d
        GEOSEARCHSTORE d none FROMLONLAT 0 0 BYRADIUS 1 km
        GEOSEARCHSTORE Sicily none FROMLONLAT 0 0 BYRADIUS 1 km
        EXISTS Sicily
        GEORADIUS none 0 0 1 km STORE d
        """,
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8, 20, 41, 60, 119, 120, 121])
@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_members_at_one_place_come_in_the_real_order(pair: Pair, count: int, order: str) -> None:
    generator = random.Random(count)
    for members in (6, 7, 8, 30, 120):
        items: list[bytes | float] = []
        for number in range(members):
            items += [generator.choice([10.0, 10.5, 11.0, 20.0]), generator.choice([5.0, 6.0]), b"%d" % number]
        pair.both("GEOADD", b"ties%d" % members, *items)
        pair.both(
            "GEOSEARCH", b"ties%d" % members, "FROMLONLAT", 10.1, 5.2, "BYRADIUS", 900, "km", order, "COUNT", count
        )
        pair.both("GEORADIUS", b"ties%d" % members, 10.5, 5.5, 300, "km", "COUNT", count, "ANY", order)


def degrees(most: float, *notable: float) -> st.SearchStrategy[float]:
    """Draw degrees: anything, whole numbers, and places where something ends."""
    edges = [0.0, most, -most, most / 2, -most / 2, most - 1e-7, 1e-7 - most, *notable]
    return st.one_of(st.floats(-most, most), st.sampled_from(edges), st.integers(-int(most), int(most)).map(float))


LONGITUDES = degrees(180.0)
LATITUDES = degrees(85.05112878, 66.0, 66.1, -66.1, 80.0, 80.1, -80.1)
MEMBERS = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
METRES = st.one_of(
    st.sampled_from([0.0, 1e-300, 0.3, 5.9, 1e3, 1e5, 5e6, 1e7, 20037726.37, 2.1e7, 1e9, 1e300]),
    st.floats(0.0, 25e6),
    st.floats(0.0, 25e3),
)
UNITS = st.sampled_from([b"m", b"km", b"ft", b"mi"])
PLACES = st.one_of(st.tuples(st.just(b"FROMMEMBER"), MEMBERS), st.tuples(st.just(b"FROMLONLAT"), LONGITUDES, LATITUDES))
SHAPES = st.one_of(st.tuples(st.just(b"BYRADIUS"), METRES, UNITS), st.tuples(st.just(b"BYBOX"), METRES, METRES, UNITS))
DETAILS = st.sampled_from([(), (b"WITHDIST",), (b"WITHDIST", b"WITHHASH", b"WITHCOORD"), (b"WITHCOORD",)])
LIMITS = st.sampled_from([(), (), (b"ASC",), (b"DESC",), (b"COUNT", 2), (b"COUNT", 3, b"ANY"), (b"COUNT", 2, b"DESC")])
STORES = st.sampled_from([(), (b"STOREDIST",)])


@settings(max_examples=60)
@given(
    points=st.lists(st.tuples(LONGITUDES, LATITUDES), min_size=1, max_size=30),
    searches=st.lists(st.tuples(PLACES, SHAPES, LIMITS, DETAILS), min_size=1, max_size=12),
)
def test_random_searches(
    pair: Pair, points: list[tuple[float, float]], searches: list[tuple[tuple[bytes, ...], ...]]
) -> None:
    names = [b"abcde"[number : number + 1] or b"m%d" % number for number in range(len(points))]
    items = [part for name, point in zip(names, points, strict=True) for part in (*point, name)]
    add = (b"GEOADD", b"g", *items)
    distances = [(b"GEODIST", b"g", names[0], name) for name in names]
    queries = [(b"GEOSEARCH", b"g", *(part for words in search for part in words)) for search in searches]
    run_sequence(pair, [add, (b"GEOPOS", b"g", *names), (b"GEOHASH", b"g", *names), *distances, *queries])


@settings(max_examples=40)
@given(
    centre=st.tuples(LONGITUDES, LATITUDES),
    steps=st.lists(st.tuples(st.floats(-1.2, 1.2), st.floats(-1.2, 1.2)), min_size=5, max_size=60),
    metres=st.floats(0.5, 5e6),
)
def test_searches_near_the_rim(
    pair: Pair, centre: tuple[float, float], steps: list[tuple[float, float]], metres: float
) -> None:
    """Put the points around the centre, at about the distance that is searched."""
    items: list[bytes | float] = []
    span = metres / 111_000
    for number, (east, north) in enumerate(steps):
        longitude = (centre[0] + east * span + 180.0) % 360.0 - 180.0
        latitude = min(max(centre[1] + north * span, -85.0), 85.0)
        items += [longitude, latitude, b"%d" % number]
    where = (b"GEOSEARCH", b"g", b"FROMLONLAT", *centre)
    run_sequence(
        pair,
        [
            (b"GEOADD", b"g", *items),
            (*where, b"BYRADIUS", metres, b"m", b"WITHDIST"),
            (*where, b"BYRADIUS", metres, b"m", b"COUNT", 5, b"ANY"),
            (*where, b"BYBOX", metres * 2, metres, b"m", b"WITHDIST"),
            (*where, b"BYBOX", metres, metres * 2, b"m", b"COUNT", 4),
        ],
    )


COMMANDS = st.one_of(
    st.tuples(st.just(b"GEOADD"), st.just(b"g"), LONGITUDES, LATITUDES, MEMBERS),
    st.tuples(
        st.just(b"GEOADD"), st.just(b"g"), st.sampled_from([b"NX", b"XX", b"CH"]), LONGITUDES, LATITUDES, MEMBERS
    ),
    st.builds(
        lambda place, shape, limit, store: (b"GEOSEARCHSTORE", b"d", b"g", *place, *shape, *limit, *store),
        PLACES,
        SHAPES,
        LIMITS,
        STORES,
    ),
    st.builds(
        lambda member, metres, unit, limit, details: (
            b"GEORADIUSBYMEMBER",
            b"g",
            member,
            metres,
            unit,
            *limit,
            *details,
        ),
        MEMBERS,
        METRES,
        UNITS,
        LIMITS,
        DETAILS,
    ),
    st.tuples(st.just(b"ZRANGE"), st.sampled_from([b"g", b"d"]), st.just(b"0"), st.just(b"-1"), st.just(b"WITHSCORES")),
    st.tuples(st.just(b"ZREM"), st.just(b"g"), MEMBERS),
)


@settings(max_examples=20)
@given(commands=st.lists(COMMANDS, min_size=5, max_size=40))
def test_random_sequences(pair: Pair, commands: list[tuple[bytes, ...]]) -> None:
    run_sequence(pair, commands)


def test_events(wire_pair: Pair) -> None:
    wire_pair.config("notify-keyspace-events", "KEA")
    listener = wire_pair.client(2)
    listener.both("PSUBSCRIBE", "__keyevent@0__:*")
    check(
        wire_pair,
        f"""
        {SICILY}
        {SICILY}
        GEOADD Sicily XX 1 1 none
        GEOSEARCHSTORE d Sicily FROMMEMBER Palermo BYRADIUS 300 km
        GEORADIUS Sicily 15 37 300 km STORE d
        GEORADIUSBYMEMBER Sicily Palermo 300 km STOREDIST e
        GEOSEARCHSTORE d Sicily FROMLONLAT 0 0 BYRADIUS 1 m
        GEOSEARCHSTORE d Sicily FROMLONLAT 0 0 BYRADIUS 1 m
        GEORADIUS none 15 37 300 km STORE e
        GEORADIUS none 15 37 300 km STORE e
        """,
    )
    wire_pair.both("SET", "end", "of test")
    message = listener.read()
    while message[-1] != b"end":
        message = listener.read()
