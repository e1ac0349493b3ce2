"""What the benchmark sends, and the keys it names afterwards."""

from __future__ import annotations

import pytest

import kvcore
from kvcore.errors import KvcoreError
from kvcore.frontends.bench_tests import (
    MEMORY_MOST,
    PREFIX,
    PREPARED,
    PREPARED_BYTES,
    TESTS,
    Commands,
    Plan,
    chosen,
)
from kvcore.resp.client import pack_all
from kvcore.resp.decoder import Decoder


def test_tests_are_chosen_by_name() -> None:
    assert [test.name for test in chosen(" get,Ping ")] == ["PING", "GET"]
    assert chosen("") == list(TESTS.values())
    with pytest.raises(KvcoreError, match="there is no test NOPE"):
        chosen("set,nope")


@pytest.mark.parametrize("keyspace", [1, 1000])
@pytest.mark.parametrize("name", TESTS)
def test_words_and_bytes_are_one_sequence(name: str, keyspace: int) -> None:
    words, sent = (Commands(TESTS[name], b"xxx", keyspace, "seed") for _ in range(2))
    decoder = Decoder()
    decoder.feed(sent.encoded(7) + sent.encoded(3))
    expected = [list(words.next()) for _ in range(10)]
    assert decoder.take() == expected
    assert words.issued == sent.issued == 10
    is_random = name not in ("PING", "LPUSH", "RPUSH", "LPOP", "RPOP", "LRANGE", "SPOP")
    assert (expected[0] != expected[1]) == (keyspace > 1 and is_random)
    assert pack_all(expected).count(b"__") == 0


@pytest.mark.parametrize("keyspace", [1, 20, 10**12])
@pytest.mark.parametrize("name", TESTS)
def test_all_keys_a_test_leaves_are_named_and_no_others(name: str, keyspace: int) -> None:
    with kvcore.open() as store:
        commands = Commands(TESTS[name], b"xxx", keyspace, "seed")
        for argv in [*commands.preparation(30), *(commands.next() for _ in range(30))]:
            assert not isinstance(store.run(argv), kvcore.CommandError)
        left = set(store.keys())
        named = set(commands.keys(30))
        assert left <= named
        assert all(key.startswith(PREFIX) for key in named)
        assert len(named) <= PREPARED


def test_reading_finds_what_was_prepared() -> None:
    for name in ("GET", "LPOP", "RPOP", "SPOP", "LRANGE"):
        with kvcore.open() as store:
            commands = Commands(TESTS[name], b"xxx", 20, "seed")
            for argv in commands.preparation(30):
                store.run(argv)
            assert all(store.run(commands.next()) for _ in range(30)), name


def test_large_values_are_prepared_in_small_numbers() -> None:
    for name in ("GET", "LPOP"):
        commands = Commands(TESTS[name], bytes(PREPARED_BYTES // 5), 10**6, "seed")
        assert sum(1 for _ in commands.preparation(10**6)) == 5


def test_a_plan_has_a_bound() -> None:
    assert Plan(1, 50, 16, 3, 1, 0, 0).value == b"xxx"
    with pytest.raises(KvcoreError, match="1 GiB"):
        Plan(1, 1, 2, MEMORY_MOST // 2 + 1, 1, 0, 0)
