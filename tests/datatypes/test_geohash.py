"""Geohashes: numbers, strings and distances known from elsewhere, and areas whose ranges hold all that is inside."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvcore.datatypes import geohash
from kvcore.datatypes.geohash import MAX_LATITUDE, MAX_LONGITUDE, Area, Box, Circle

PALERMO = (13.361389, 38.115556)
CATANIA = (15.087269, 37.502669)
LONGITUDES = st.floats(-MAX_LONGITUDE, MAX_LONGITUDE)
LATITUDES = st.floats(-MAX_LATITUDE, MAX_LATITUDE)


def test_a_known_place() -> None:
    score = geohash.encode(*PALERMO)
    assert score == 3479099956230698
    assert geohash.decode(score) == (13.361389338970184, 38.1155563954963)
    assert geohash.text(score) == b"sqc8b49rny0"
    assert geohash.text(geohash.encode(*CATANIA)) == b"sqdtr74hyu0"


def test_distances() -> None:
    palermo, catania = (geohash.decode(geohash.encode(*place)) for place in (PALERMO, CATANIA))
    assert f"{geohash.distance(*palermo, *catania):.4f}" == "166274.1516"
    assert geohash.distance(*palermo, *palermo) == 0.0
    assert geohash.distance(0.0, 0.0, 180.0, 0.0) == pytest.approx(math.pi * 6372797.560856)
    assert geohash.distance(-180.0, 10.0, 180.0, 10.0) == pytest.approx(0.0, abs=1e-6)


@given(LONGITUDES, LATITUDES)
def test_a_position_is_in_its_cell(longitude: float, latitude: float) -> None:
    found_longitude, found_latitude = geohash.decode(geohash.encode(longitude, latitude))
    assert abs(found_longitude - longitude) <= 360 / 2**26
    assert abs(found_latitude - latitude) <= 170.2 / 2**26


@given(st.floats(allow_nan=False))
def test_every_score_has_a_position(score: float) -> None:
    longitude, latitude = geohash.decode(score)
    assert abs(longitude) <= MAX_LONGITUDE
    assert abs(latitude) <= MAX_LATITUDE


def test_the_last_column_is_behind_the_others() -> None:
    assert geohash.encode(MAX_LONGITUDE, 0.0) >= 1 << 53
    assert geohash.encode(179.9999, 0.0) < 1 << 52


def holds(area: Area, longitude: float, latitude: float) -> bool:
    score = geohash.encode(longitude, latitude)
    return any(low <= score < high for low, high in area.score_ranges())


@given(
    centre=st.tuples(st.floats(-150.0, 150.0), st.floats(-60.0, 60.0)),
    metres=st.floats(1.0, 1e6),
    angle=st.floats(0.0, 2 * math.pi),
    share=st.floats(0.0, 0.999),
)
@settings(max_examples=500)
def test_ranges_hold_what_is_inside(centre: tuple[float, float], metres: float, angle: float, share: float) -> None:
    degrees = math.degrees(metres / 6372797.560856) * share
    latitude = centre[1] + degrees * math.sin(angle)
    longitude = centre[0] + degrees * math.cos(angle) / math.cos(math.radians(latitude))
    for area in (Circle(centre, metres), Box(centre, metres * 2, metres * 2, 1.0)):
        if area.distance_within(longitude, latitude) is not None:
            assert holds(area, longitude, latitude)


@given(st.tuples(LONGITUDES, LATITUDES), st.one_of(st.floats(0.0, 3e7), st.sampled_from([1e300, math.inf])))
def test_ranges_are_few_and_do_not_overlap(centre: tuple[float, float], metres: float) -> None:
    for area in (Circle(centre, metres), Box(centre, metres, 1.0, 1.0), Box(centre, 1.0, metres, 1.0)):
        ranges = sorted(area.score_ranges())
        assert 1 <= len(ranges) <= 9
        assert all(low < high for low, high in ranges)
        assert all(high <= low for (_, high), (low, _) in pairwise(ranges))


def test_a_box_is_measured_where_the_point_is() -> None:
    box = Box((0.0, 50.0), 200.0, 400.0, 1000.0)
    assert box.distance_within(1.4, 49.0) is None
    assert box.distance_within(1.4, 51.0) == geohash.distance(0.0, 50.0, 1.4, 51.0)
    assert box.distance_within(0.0, 51.9) is None


def test_no_radius_still_finds_the_centre() -> None:
    assert Circle(PALERMO, 0.0).distance_within(*PALERMO) == 0.0
    assert holds(Circle(PALERMO, 0.0), *PALERMO)
