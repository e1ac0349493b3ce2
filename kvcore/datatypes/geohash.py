"""Geohashes: a position as one number whose near neighbours are mostly near in the world, too.

What lives here: the number (the score a geo index keeps), distances, and the ranges of numbers that cover an area.
What must not: sorted sets, units by name, replies. The rule: arithmetic is done in the order in which the real server
does it, so that every double comes out the same to the last bit.

A cell of ``step`` divides the world into ``2**step`` rows and as many columns. Its number interleaves the bits of both:
the row's stand in the even places, the column's in the odd ones. A score is the number of a cell of step 26, 52 bits.
Rows divide the latitudes of a web map, up to 85.05 degrees. The very edge, longitude 180, counts as a column of its own
behind the last one, and its score has more than 52 bits.

Longitudes and latitudes are degrees, distances metres on a sphere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import asin, cos, isinf, nan, pi, sin, sqrt
from typing import Final

MAX_LONGITUDE: Final = 180.0
MAX_LATITUDE: Final = 85.05112878

_MAX_STEP: Final = 26
_PARTS: Final = 1 << _MAX_STEP
_WIDTH: Final = MAX_LONGITUDE + MAX_LONGITUDE
_HEIGHT: Final = MAX_LATITUDE + MAX_LATITUDE
_EARTH_RADIUS: Final = 6372797.560856
_HALF_EQUATOR: Final = 20037726.37
_RADIANS: Final = pi / 180.0
_ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"

_AROUND: Final = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""Where a search looks, as (rows north, columns east), in the real server's order: it shows in unsorted replies."""


def encode(longitude: float, latitude: float) -> int:
    """Return the score of a position within the limits. O(1)."""
    return _interleave(_part(latitude, MAX_LATITUDE, _MAX_STEP), _part(longitude, MAX_LONGITUDE, _MAX_STEP))


def decode(score: float) -> tuple[float, float]:
    """Return the longitude and latitude of the middle of a score's cell.

    Any score has one, also one that no position has: it is turned into 64 bits as x86 processors do it. O(1).
    """
    bits = int(score) if 0.0 <= score < 18446744073709551616.0 else _wrapped(score)
    digits = format(bits, "064b")
    row = int(digits[1::2], 2)
    column = int(digits[::2], 2)
    # A search does this for each candidate: the borders of the cell (see _border) are written out.
    latitude = (row / _PARTS * _HEIGHT - MAX_LATITUDE + ((row + 1) / _PARTS * _HEIGHT - MAX_LATITUDE)) / 2
    longitude = (column / _PARTS * _WIDTH - MAX_LONGITUDE + ((column + 1) / _PARTS * _WIDTH - MAX_LONGITUDE)) / 2
    return (
        longitude if longitude < MAX_LONGITUDE else MAX_LONGITUDE,
        latitude if latitude < MAX_LATITUDE else MAX_LATITUDE,
    )


def text(score: float) -> bytes:
    """Return a score's cell as the geohash that others write: eleven characters, latitudes up to 90. O(1)."""
    longitude, latitude = decode(score)
    bits = _interleave(_part(latitude, 90.0, _MAX_STEP), _part(longitude, MAX_LONGITUDE, _MAX_STEP))
    # Eleven characters are 55 bits and there are 52: the last character says nothing.
    return bytes(_ALPHABET[bits >> shift & 31] for shift in range(47, 0, -5)) + b"0"


def distance(longitude: float, latitude: float, to_longitude: float, to_latitude: float) -> float:
    """Return the metres between two positions by the haversine formula. O(1)."""
    v = sin((to_longitude * _RADIANS - longitude * _RADIANS) / 2)
    if v == 0.0:
        return _latitude_distance(latitude, to_latitude)
    start = latitude * _RADIANS
    end = to_latitude * _RADIANS
    u = sin((end - start) / 2)
    chord = sqrt(u * u + cos(start) * cos(end) * v * v)
    return 2.0 * _EARTH_RADIUS * asin(min(chord, 1.0))  # rounding must not lead beyond the antipode


def _latitude_distance(latitude: float, to_latitude: float) -> float:
    return _EARTH_RADIUS * abs(to_latitude * _RADIANS - latitude * _RADIANS)


def _wrapped(score: float) -> int:
    """Turn a score outside of 64 bits into them: a negative one is a two's complement, a huge one says nothing."""
    if -9223372036854775808.0 < score < 0.0:
        return int(score) & 0xFFFFFFFFFFFFFFFF
    return 1 << 63 if score < 0.0 else 0


# Cells


def _part(degrees: float, most: float, step: int) -> int:
    """Return the row or column of ``degrees`` between ``-most`` and ``most``."""
    return int((degrees + most) / (most + most) * (1 << step))


def _border(part: int, most: float, step: int) -> float:
    """Return the degrees at which a row or column begins."""
    return part / (1 << step) * (most + most) - most


def _interleave(row: int, column: int) -> int:
    """Return the number of a cell. Binary digits read in base 4 stand one place apart."""
    return int(format(row, "b"), 4) | int(format(column, "b"), 4) << 1


# Areas


class Area(ABC):
    """What a search covers: a centre, the reach in each direction, and what is inside."""

    __slots__ = ("half_height", "half_width", "latitude", "longitude", "reach")

    def __init__(self, centre: tuple[float, float], half_width: float, half_height: float, reach: float) -> None:
        """``centre`` is (longitude, latitude); ``reach`` the metres to the farthest point."""
        self.longitude, self.latitude = centre
        self.half_width = half_width
        self.half_height = half_height
        self.reach = reach

    @abstractmethod
    def distance_within(self, longitude: float, latitude: float) -> float | None:
        """Return the metres from the centre, None outside of the area. O(1)."""

    def bounds(self) -> tuple[float, float, float, float]:
        """Return the least longitude and latitude, and the greatest, that the area touches."""
        longitude, latitude = self.longitude, self.latitude
        height = self.half_height / _EARTH_RADIUS / _RADIANS
        # The side nearer to the pole spans more degrees.
        side = latitude - height if latitude < 0.0 else latitude + height
        width = nan if isinf(side) else self.half_width / _EARTH_RADIUS / cos(side * _RADIANS) / _RADIANS
        return longitude - width, latitude - height, longitude + width, latitude + height

    def score_ranges(self) -> Iterator[tuple[int, int]]:
        """Iterate over half-open ranges of scores that hold all of the area, and some that is outside. O(1)."""
        bounds = self.bounds()
        step = self._step()
        row, column = self._cell(step)
        if step > 1 and _is_too_fine(row, column, step, bounds):
            step -= 1
            row, column = self._cell(step)
        north, south, east, west = (True, True, True, True) if step < 2 else _directions(row, column, step, bounds)
        shift = 2 * (_MAX_STEP - step)
        mask = (1 << step) - 1
        previous = -1
        for rows, columns in _AROUND:
            if not ((rows < 1 or north) and (rows > -1 or south) and (columns < 1 or east) and (columns > -1 or west)):
                continue
            number = _interleave(row + rows & mask if rows else row, column + columns & mask if columns else column)
            # In the largest cells what is north is south as well.
            if number != previous:
                yield number << shift, number + 1 << shift
            previous = number if rows or columns else -1

    def _step(self) -> int:
        """Return the step whose cells are about as large as the area."""
        metres = self.reach
        if metres == 0.0:
            return _MAX_STEP
        step = -1
        while metres < _HALF_EQUATOR:
            metres *= 2
            step += 1
        # Towards the poles the same cells are narrower.
        away = abs(self.latitude)
        step -= (away > 66.0) + (away > 80.0)
        return min(max(step, 1), _MAX_STEP)

    def _cell(self, step: int) -> tuple[int, int]:
        return _part(self.latitude, MAX_LATITUDE, step), _part(self.longitude, MAX_LONGITUDE, step)


class Circle(Area):
    """All within a radius."""

    __slots__ = ()

    def __init__(self, centre: tuple[float, float], radius: float) -> None:
        """``radius`` is metres."""
        super().__init__(centre, radius, radius, radius)

    def distance_within(self, longitude: float, latitude: float) -> float | None:
        metres = distance(self.longitude, self.latitude, longitude, latitude)
        return None if metres > self.reach else metres


class Box(Area):
    """All between two parallels, and no farther east or west than half the width measured where the point is."""

    __slots__ = ()

    def __init__(self, centre: tuple[float, float], width: float, height: float, unit: float) -> None:
        """``width`` and ``height`` are in units of ``unit`` metres."""
        half_width, half_height = width / 2, height / 2
        reach = sqrt(half_width * half_width + half_height * half_height) * unit
        super().__init__(centre, half_width * unit, half_height * unit, reach)

    def distance_within(self, longitude: float, latitude: float) -> float | None:
        if _latitude_distance(latitude, self.latitude) > self.half_height:
            return None
        if distance(longitude, latitude, self.longitude, latitude) > self.half_width:
            return None
        return distance(self.longitude, self.latitude, longitude, latitude)


def _is_too_fine(row: int, column: int, step: int, bounds: tuple[float, float, float, float]) -> bool:
    """Say whether the cells around one end before the bounds do. Rows and columns wrap round the world."""
    mask = (1 << step) - 1
    west, south, east, north = bounds
    return (
        _border((row + 1 & mask) + 1, MAX_LATITUDE, step) < north
        or _border(row - 1 & mask, MAX_LATITUDE, step) > south
        or _border((column + 1 & mask) + 1, MAX_LONGITUDE, step) < east
        or _border(column - 1 & mask, MAX_LONGITUDE, step) > west
    )


def _directions(
    row: int, column: int, step: int, bounds: tuple[float, float, float, float]
) -> tuple[bool, bool, bool, bool]:
    """Say in which directions (north, south, east, west) the bounds reach the next cell."""
    west, south, east, north = bounds
    return (
        not _border(row + 1, MAX_LATITUDE, step) > north,
        not _border(row, MAX_LATITUDE, step) < south,
        not _border(column + 1, MAX_LONGITUDE, step) > east,
        not _border(column, MAX_LONGITUDE, step) < west,
    )
