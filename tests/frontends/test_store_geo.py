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
    ("georadius", "g", 15, 37, 200, "km", kw(sort="ASC")),
    ("georadius", "g", 15, 37, 200, "km", kw(sort="DESC", withdist=True, withcoord=True, withhash=True)),
    ("georadius", "g", 15, 37, 200, "km", kw(sort="ASC", withcoord=True)),
    ("georadius", "g", 15, 37, 200, "km", kw(count=1, any=True)),
    ("georadius", "g", 15, 37, 200, "km", kw(store="e")),
    ("zrange", "e", 0, -1),
    ("georadius", "g", 15, 37, 200, "km", kw(store_dist="e", count=1)),
    ("zrange", "e", 0, -1, kw(withscores=True)),
    ("georadius", "g", 15, 37, 1),
    ("georadiusbymember", "g", "Palermo", 200, "km", kw(sort="DESC", withdist=True)),
    ("georadiusbymember", "g", "Palermo", 200, kw(store="e")),
    ("georadiusbymember", "g", "none", 200),
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


def test_a_radius_that_only_reads() -> None:
    with kvcore.open() as store:
        store.geoadd("g", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"])
        assert store.georadius_ro("g", 15, 37, 200, "km", sort="ASC") == [b"Catania", b"Palermo"]
        assert store.georadiusbymember_ro("g", "Palermo", 1, withdist=True) == [[b"Palermo", 0.0]]
        store.config_set("maxmemory", 1)
        assert store.georadius_ro("g", 15, 37, 200, "km", count=1, sort="ASC") == [b"Catania"]


def test_a_radius_has_one_destination() -> None:
    with kvcore.open() as store:
        with pytest.raises(ValueError, match="not both"):
            store.georadius("g", 1, 1, 1, store="a", store_dist="b")
        with pytest.raises(ValueError, match="count"):
            store.georadiusbymember("g", "m", 1, any=True)
