"""Digests: the real server's own for a few values, and what must and must not change them."""

from __future__ import annotations

import pytest

from kvcore.datatypes.list import List
from kvcore.digest import SIZE, TYPES, dataset_digest, value_digest
from kvcore.engine import Engine
from kvcore.keyspace import TYPE_NAMES
from tests.engine_client import Client

NOTHING = "0" * 2 * SIZE


def dataset(engine: Engine) -> str:
    return dataset_digest(engine.keyspace.databases)


def test_digests_of_the_real_server(engine: Engine, client: Client) -> None:
    assert value_digest(b"hello", False) == "36b23a1456b2dce2c3ed252c456761301dba8060"
    assert value_digest(bytearray(b"hello"), False) == "36b23a1456b2dce2c3ed252c456761301dba8060"
    assert value_digest(List([b"a", b"b"]), False) == "62f55a532623cf6c3d81081db480b6fd8461eb3f"
    assert value_digest(None, False) == NOTHING
    assert dataset(engine) == NOTHING
    client("SET", "s", "hello")
    client("RPUSH", "l", "a")
    assert dataset(engine) == "469724a041570662f5cc89b517a2660485b8a0f8"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("SADD", "k", "a", "b", "c"), ("SADD", "k", "c", "a", "b")),
        (("HSET", "k", "a", "1", "b", "2"), ("HSET", "k", "b", "2", "a", "1")),
        (("ZADD", "k", "1", "a", "2", "b"), ("ZADD", "k", "2.0", "b", "1", "a")),
        (("SADD", "k", "1", "2"), ("SADD", "k", "2", "1")),
    ],
)
def test_order_that_means_nothing_changes_nothing(
    engine: Engine, client: Client, one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    client(*one)
    digest = dataset(engine)
    client("DEL", "k")
    client(*other)
    assert dataset(engine) == digest != NOTHING


def test_the_form_of_a_value_changes_nothing(engine: Engine, client: Client) -> None:
    for number in range(100):
        client("HSET", "h", number, number)
        client("ZADD", "z", number, number)
    digest = dataset(engine)
    engine.config.set("hash-max-listpack-entries", "1")
    engine.config.set("zset-max-listpack-entries", "1")
    client("DEL", "h", "z")
    for number in range(100):
        client("HSET", "h", number, number)
        client("ZADD", "z", number, number)
    assert dataset(engine) == digest


def test_everything_else_does(engine: Engine, client: Client) -> None:
    seen = {NOTHING}

    def is_new() -> bool:
        before = len(seen)
        seen.add(dataset(engine))
        return len(seen) > before

    client("RPUSH", "k", "a", "b")
    assert is_new()
    client("DEL", "k")
    client("RPUSH", "k", "b", "a")
    assert is_new()
    client("RENAME", "k", "j")
    assert is_new()
    client("MOVE", "j", "1")
    assert is_new()
    client("SELECT", "1")
    client("EXPIRE", "j", "100")
    assert is_new()
    client("EXPIRE", "j", "200")  # that it expires counts, not when
    assert not is_new()
    for words in (("SET", "j", "x"), ("SADD", "k", "x"), ("HSET", "h", "x", "y"), ("ZADD", "z", "1", "x")):
        client(*words)
        assert is_new()
    for words in (("XADD", "x", "1-1", "f", "v"), ("XADD", "x", "1-2", "f", "v"), ("XDEL", "x", "1-1")):
        client(*words)
        assert is_new()


def test_every_type_has_one() -> None:
    assert set(TYPES) == set(TYPE_NAMES)
