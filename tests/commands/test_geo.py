"""The geo group: values, effects and what a comparison with the real server cannot reach."""

from __future__ import annotations

import pytest

from kvcore.engine import Engine
from tests.engine_client import Client

SICILY = (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")


@pytest.fixture
def sicily(client: Client) -> Client:
    client("GEOADD", "Sicily", *SICILY)
    return client


def test_positions_and_distances(sicily: Client) -> None:
    assert sicily("GEOADD", "Sicily", *SICILY) == 0
    assert sicily("GEOADD", "Sicily", "CH", 13.0, 38.0, "Palermo", 1, 1, "new") == 2
    assert sicily("GEOADD", "Sicily", "NX", 1, 1, "Palermo") == 0
    assert sicily("GEOADD", "Sicily", "XX", 13.361389, 38.115556, "Palermo") == 0
    assert sicily("GEODIST", "Sicily", "Palermo", "Catania") == b"166274.1516"
    assert sicily("GEODIST", "Sicily", "Palermo", "Catania", "KM") == b"166.2742"
    assert sicily("GEODIST", "Sicily", "Palermo", "none") is None
    assert sicily("GEOHASH", "Sicily", "Palermo", "none") == [b"sqc8b49rny0", None]
    assert sicily("GEOPOS", "Sicily", "Palermo")[0] == [13.361389338970184, 38.1155563954963]
    assert sicily("GEOPOS", "none") == []


def test_search(sicily: Client) -> None:
    around = ("GEOSEARCH", "Sicily", "FROMLONLAT", 15, 37)
    assert sicily(*around, "BYRADIUS", 200, "km", "ASC") == [b"Catania", b"Palermo"]
    assert sicily(*around, "BYRADIUS", 200, "km", "COUNT", 1, "DESC") == [b"Palermo"]
    assert sicily(*around, "BYBOX", 200, 200, "km", "WITHDIST") == [[b"Catania", b"56.4413"]]
    assert sicily(*around, "BYRADIUS", 1, "m") == []
    found = sicily("GEOSEARCH", "Sicily", "FROMMEMBER", "Palermo", "BYRADIUS", 1, "m", "WITHHASH", "WITHCOORD")
    assert found == [[b"Palermo", 3479099956230698, [13.361389338970184, 38.1155563954963]]]
    assert sicily("GEORADIUS", "Sicily", 15, 37, 200, "km", "COUNT", 1) == [b"Catania"]
    assert sicily("GEORADIUSBYMEMBER_RO", "Sicily", "Palermo", 200, "km", "DESC") == [b"Catania", b"Palermo"]


def test_any_stops_early(sicily: Client) -> None:
    assert sicily("GEORADIUS", "Sicily", 15, 37, 200, "km", "COUNT", 1, "ANY") in ([b"Palermo"], [b"Catania"])
    assert sicily.error("GEORADIUS", "Sicily", 15, 37, 200, "km", "ANY") == (
        "ERR the ANY argument requires COUNT argument"
    )


def test_the_name_as_typed_is_in_the_error(sicily: Client) -> None:
    words = ("GeoSearch", "Sicily", "ASC", "ASC", "ASC", "ASC", "ASC")
    assert sicily.error(*words) == ("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GeoSearch")


def test_storing(sicily: Client, engine: Engine) -> None:
    sicily("SET", "d", "text", "EX", 100)
    changes = engine.statistics.dirty
    assert sicily("GEOSEARCHSTORE", "d", "Sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "STOREDIST") == 2
    assert engine.statistics.dirty == changes + 2
    assert engine.keyspace.databases[0].expiry(b"d") is None
    assert sicily("ZRANGE", "d", 0, -1) == [b"Catania", b"Palermo"]
    assert sicily("GEORADIUS", "none", 15, 37, 200, "km", "STORE", "d") == 0
    assert sicily("EXISTS", "d") == 0


def test_a_position_propagates_as_a_score(client: Client, effects: list[list[bytes]]) -> None:
    client("GEOADD", "g", "nx", "CH", *SICILY)
    client("GEOADD", "g", *SICILY)
    client("GEOADD", "none", "XX", 1, 1, "a")
    assert effects == [[b"zadd", b"g", b"nx", b"CH", b"3479099956230698", b"Palermo", b"3479447370796909", b"Catania"]]


def test_a_stored_search_propagates_as_typed(sicily: Client, effects: list[list[bytes]]) -> None:
    sicily("GEOSEARCHSTORE", "d", "Sicily", "FROMLONLAT", 0, 0, "BYRADIUS", 1, "m")
    sicily("GEORADIUS", "Sicily", 15, 37, 200, "km", "STORE", "d")
    assert effects == [[b"GEORADIUS", b"Sicily", b"15", b"37", b"200", b"km", b"STORE", b"d"]]


def test_a_large_index(client: Client) -> None:
    items = [part for i in range(3000) for part in (i % 60 - 30.0, i // 60 - 25.0, f"m{i}")]
    client("GEOADD", "g", *items)
    everything = client("GEOSEARCH", "g", "FROMLONLAT", 0, 0, "BYRADIUS", 30_000, "km")
    assert len(everything) == len(set(everything)) == 3000
    near = client("GEOSEARCH", "g", "FROMLONLAT", 0, 0, "BYRADIUS", 500, "km", "ASC", "WITHDIST")
    distances = [float(distance) for _, distance in near]
    assert distances == sorted(distances)
    assert len(near) < 100
    assert client("GEOSEARCH", "g", "FROMLONLAT", 0, 0, "BYRADIUS", 500, "km", "COUNT", 5, "WITHDIST") == near[:5]
