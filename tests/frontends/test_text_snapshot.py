"""Snapshots as text: the same data gives the same text, and the text gives the data back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.frontends.under_test import TestServer, TestStore
from kvcore.storage.json_lines import RecordError

GOLDEN = """\
{"key": "greeting", "type": "string", "value": "hello"}
{"key": "jobs", "type": "list", "value": ["a", "b", "a"]}
{"key": "late", "type": "string", "value": "v", "expires_ms": 1700000060000}
{"key": "scores", "type": "zset", "value": [["ada", 1.5], ["bob", "inf"]]}
{"key": "tags", "type": "set", "value": ["x", "y"]}
{"key": "user", "type": "hash", "value": {"age": "36", "name": "Ada"}}
{"db": 3, "key": "greeting", "type": "string", "value": "hallo"}
"""


@pytest.fixture
def store() -> Iterator[TestStore]:
    store = TestStore()
    store.clock.freeze(at=1_700_000_000)
    yield store
    store.close()


def fill(store: TestStore, *, reverse: bool) -> None:
    commands: list[tuple[object, ...]] = [
        ("SET", "greeting", "hello"),
        ("RPUSH", "jobs", "a", "b", "a"),
        ("SET", "late", "v", "EX", 60),
        ("SET", "gone", "v", "PX", 1),
        ("ZADD", "scores", "inf", "bob", 1.5, "ada"),
        ("SADD", "tags", "y", "x"),
        ("HSET", "user", "name", "Ada", "age", 36),
    ]
    for command in reversed(commands) if reverse else commands:
        store.execute(*command)  # type: ignore[arg-type]
    store.execute("SELECT", 3)
    store.execute("SET", "greeting", "hallo")
    store.execute("SELECT", 0)
    store.clock.clock.advance(1000)  # no tick: the expired key is still in memory


@pytest.mark.parametrize("reverse", [False, True])
def test_the_order_is_that_of_the_names(store: TestStore, reverse: bool) -> None:
    fill(store, reverse=reverse)
    assert store.dump() == GOLDEN


def test_a_text_gives_the_data_back(store: TestStore) -> None:
    store.execute("SET", "other", "stays")
    store.execute("RPUSH", "tags", "goes")
    assert store.load(GOLDEN) == 7
    assert store.execute("TYPE", "tags") == "set"
    assert store.execute("PTTL", "late") == 60_000
    assert store.execute("GET", "other") == b"stays"
    store.execute("DEL", "other")
    assert store.dump() == GOLDEN


def test_loading_leaves_the_caller_s_database_alone(store: TestStore) -> None:
    store.execute("SELECT", 2)
    store.load(GOLDEN)
    assert store.execute("DBSIZE") == 0


def test_nothing_is_loaded_of_a_text_with_a_fault(store: TestStore) -> None:
    for line in ("nonsense", '{"key": "k", "type": "list", "value": 7}', '{"type": "set", "value": []}'):
        with pytest.raises(RecordError, match=r"^line 8: "):
            store.load(GOLDEN + line)
    assert store.dump() == ""
    assert store.load("\n  \n") == 0


@given(st.dictionaries(st.text() | st.binary(), st.binary() | st.text(), max_size=5))
def test_any_bytes_survive(data: dict[str | bytes, str | bytes]) -> None:
    store, copy = TestStore(), TestStore()
    for key, value in data.items():
        store.execute("SET", key, value)
    text = store.dump()
    copy.load(text)
    assert copy.dump() == text
    for key in data:
        assert copy.execute("GET", key) == store.execute("GET", key)


def test_one_key_s_dump_is_redis_s_own(store: TestStore) -> None:
    store.execute("SET", "k", "v")
    assert store.dump("k") == store.execute("DUMP", "k")
    assert store.dump("none") is None


def test_servers_dump_and_load_the_same_text() -> None:
    with TestServer() as server:
        server.clock.freeze(at=1_700_000_000)
        assert server.load(GOLDEN) == 7
        assert server.dump() == GOLDEN
