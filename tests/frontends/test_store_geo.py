"""Methods for places, beside redis-py's on the real server."""

from __future__ import annotations

import pytest
import redis

import kvcore
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("geoadd", "g", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"]),
    ("geoadd", "g", [13.361389, 38.115556, "Palermo"], kw(nx=True)),
    ("geoadd", "g", [13.36, 38.1, "Palermo"], kw(ch=True)),
    ("geodist", "g", "Palermo", "Catania"),
    ("geodist", "g", "Palermo", "Catania", "km"),
    ("geodist", "g", "Palermo", "none"),
    ("geohash", "g", "Palermo", "none"),
    ("geopos", "g", "Palermo", "none"),
    ("geosearch", "g", kw(longitude=15, latitude=37, radius=200, unit="km", sort="ASC")),
    ("geosearch", "g", kw(member="Palermo", radius=200, unit="km", sort="DESC", count=1)),
    (
        "geosearch",
        "g",
        kw(
            member="Palermo", width=400, height=400, unit="km", sort="ASC", withdist=True, withcoord=True, withhash=True
        ),
    ),
    ("geosearch", "g", kw(member="Palermo", radius=1, withdist=True)),
    ("geosearchstore", "d", "g", kw(longitude=15, latitude=37, radius=200, unit="km")),
    ("geosearchstore", "d", "g", kw(longitude=15, latitude=37, radius=200, unit="km", storedist=True)),
    ("geosearch", "g", kw(member="none", radius=1)),
    ("geoadd", "g", [200, 0, "x"]),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


def test_arguments_that_contradict_each_other() -> None:
    with kvcore.open() as store:
        for keywords, text in (
            ({"radius": 1}, "begins"),
            ({"member": "m"}, "radius"),
            ({"member": "m", "longitude": 1.0, "latitude": 1.0, "radius": 1}, "begins"),
            ({"member": "m", "radius": 1, "width": 1}, "radius"),
            ({"member": "m", "radius": 1, "any": True}, "count"),
        ):
            with pytest.raises(ValueError, match=text):
                store.geosearch("g", **keywords)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="latitude"):
            store.geoadd("g", [1, 2])
