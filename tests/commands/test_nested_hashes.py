"""KEYDB.NHSET and KEYDB.NHGET: paths, levels, lists, and what stands underneath."""

from __future__ import annotations

import pytest

from kvcore import errors
from kvcore.engine import Engine
from tests.commands.conftest import Client


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", ".".join("abc" * 11)])
def test_paths_that_are_none(client: Client, path: str) -> None:
    assert client.error("KEYDB.NHSET", path, "v") == errors.SYNTAX
    assert client.error("KEYDB.NHGET", path) == errors.SYNTAX


def test_values_lists_and_levels(client: Client) -> None:
    assert client("KEYDB.NHSET", "a.b.c", "v") == 0
    assert client("KEYDB.NHSET", "a.b.c", "w") == 1
    assert client("KEYDB.NHSET", "a.b.l", 1, 2, 3) == 0
    assert client("KEYDB.NHSET", "a.x", "y") == 0
    assert client("KEYDB.NHGET", "a.b.c") == b"w"
    assert client("KEYDB.NHGET", "resp", "a.b.l") == [b"1", b"2", b"3"]
    assert client("KEYDB.NHGET", "a.b") == [[b"c", b"w"], [b"l", [b"1", b"2", b"3"]]]
    assert client("KEYDB.NHGET", "JSON", "a.b") == b'{"c" : "w","l" : ["1","2","3"]}'
    client.session.protocol = 3
    assert client("KEYDB.NHGET", "a") == {b"b": {b"c": b"w", b"l": [b"1", b"2", b"3"]}, b"x": b"y"}
    for missing in ("none", "a.none", "a.b.c.d", "a.b.l.0", "a.b.cc"):
        assert client.error("KEYDB.NHGET", missing) == errors.NO_SUCH_KEY
    assert client.error("KEYDB.NHGET", "xml", "a") == errors.SYNTAX
    assert client.error("KEYDB.NHGET", "json", "a", "b") == errors.SYNTAX


def test_a_value_gives_way_to_a_level_and_a_level_to_a_value(client: Client) -> None:
    client("KEYDB.NHSET", "a.b", "v")
    assert client("KEYDB.NHSET", "a.b.c", "w") == 0
    assert client("HGETALL", "a") == {b"b.c": b"w"}
    assert client("KEYDB.NHSET", "a.b", "l", "m") == 1
    assert client("HGETALL", "a") == {b"b..0": b"l", b"b..1": b"m"}
    client("KEYDB.NHSET", "a.b.c.d", "w")
    assert client("HGETALL", "a") == {b"b.c.d": b"w"}


def test_a_path_of_one_name_is_the_key(client: Client) -> None:
    assert client("KEYDB.NHSET", "k", "v") == 0
    assert client("GET", "k") == client("KEYDB.NHGET", "k") == b"v"
    assert client("KEYDB.NHSET", "k", "v", "w") == 1
    assert client("LRANGE", "k", 0, -1) == client("KEYDB.NHGET", "k") == [b"v", b"w"]
    assert client("KEYDB.NHGET", "json", "k") == b'["v","w"]'
    assert client.error("KEYDB.NHGET", "k.x") == errors.NO_SUCH_KEY
    assert client("KEYDB.NHSET", "k.x", "v") == 0
    assert client("TYPE", "k") == "hash"


def test_other_types(client: Client) -> None:
    client("SADD", "s", "m")
    for words in (("KEYDB.NHSET", "s", "v"), ("KEYDB.NHSET", "s.x", "v"), ("KEYDB.NHGET", "s")):
        assert client.error(*words).startswith("WRONGTYPE")


def test_any_hash_can_be_looked_at(client: Client) -> None:
    client("HSET", "h", "", 1, "..", 2, "a", 3, "a.b", 4, "..0", 5, "x..1", 6, "x..0", 7, "q." * 500, 8, b"\xff", 9)
    client.session.protocol = 3
    tree = client("KEYDB.NHGET", "h")
    assert tree[b"a"] == {b"b": b"4"}
    assert tree[b"x"] == [b"7", b"6"]
    assert b"\xff" in client("KEYDB.NHGET", "json", "h")


def test_what_others_are_told(client: Client, effects: list[list[bytes]]) -> None:
    client("KEYDB.NHSET", "a.b", "v")
    client("KEYDB.NHSET", "a.b.c", "w", "x")
    client("KEYDB.NHSET", "a", "v")
    client("KEYDB.NHSET", "a", "v", "w")
    other = Client(Engine())
    for effect in effects:
        if effect[0] not in (b"MULTI", b"EXEC"):
            assert not isinstance(other(*effect), Exception)
    assert other("LRANGE", "a", 0, -1) == [b"v", b"w"]
    assert [effect for effect in effects if effect[0] == b"HSET"] == [
        [b"HSET", b"a", b"b", b"v"],
        [b"HSET", b"a", b"b.c..0", b"w", b"b.c..1", b"x"],
    ]
