"""What every store is, on servers: the tests of stores in this process once more, over ``redis://``.

They are the same functions: pytest gives them the ``store`` of this module. Left out is what is about an engine in this
process, its clock or its directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest
import redis

import kvcore
from tests.frontends.comparison import Call, differences

# pytest collects what is imported here.
from tests.frontends.test_caching import (  # noqa: F401
    forget,
    test_after_a_failure_the_next_one_computes,
    test_arguments_that_make_no_key_need_a_function,
    test_none_is_a_result_and_what_comes_back_is_json,
    test_recursion_does_not_wait_for_itself,
    test_results_can_be_forgotten,
    test_what_cannot_be_cached_is_refused,
    test_what_is_forgotten_while_it_is_computed_is_not_kept,
    test_what_others_wrote_at_a_key_is_computed_anew,
)
from tests.frontends.test_locking import (  # noqa: F401
    test_a_lock_excludes_others_until_it_is_released,
    test_a_lock_is_not_reentrant_and_belongs_to_its_thread,
    test_what_makes_no_sense_is_refused,
    test_what_others_make_a_lock_of_excludes_these,
)
from tests.frontends.test_store_pipeline import (  # noqa: F401
    test_a_body_that_fails_leaves_nothing_watched,
    test_a_command_that_cannot_be_queued_ends_the_transaction,
    test_a_pipeline_leaves_the_threads_session_alone,
    test_blocking_commands_wait_in_a_pipeline_without_transaction,
    test_results_are_those_of_the_methods,
    test_steps_out_of_order_are_refused,
    test_the_first_error_is_raised_after_all_ran,
    test_transactions_are_repeated_until_nothing_interferes,
    test_watching_reads_at_once_and_notices_changes,
)
from tests.frontends.test_store_pubsub import (  # noqa: F401
    test_a_handler_that_is_subscribed_again_stays,
    test_a_waiting_thread_is_woken,
    test_another_thread_ends_the_listening,
    test_handlers_take_their_channels_messages,
    test_listening_ends_with_the_last_subscription,
    test_messages_have_redis_pys_shape,
)
from tests.frontends.test_view_sequences import (  # noqa: F401
    test_a_changed_list_keeps_its_time_to_live,
    test_a_group_shares_a_stream,
    test_a_list_is_a_list,
    test_a_stream_is_appended_to_and_read,
    test_both_ends_and_trimming,
    test_long_sequences_are_read_in_steps,
)
from tests.frontends.test_views import (  # noqa: F401
    test_a_counter_counts,
    test_a_hash_is_a_dict,
    test_a_set_is_a_set,
    test_a_view_of_another_type_says_so,
    test_large_collections_are_not_copied_to_be_iterated,
    test_places_and_scores,
    test_sets_combine_with_views,
)

SHARED = [name for name in globals() if name.startswith("test_")]

GROUPS = ("geo", "hashes", "keys", "lists", "sets", "sorted_sets", "streams", "strings")


@pytest.fixture
def store(remote_url: str) -> Iterator[kvcore.BaseStore]:
    with kvcore.connect(remote_url) as store:
        store.flushall()
        yield store


@pytest.mark.parametrize("group", GROUPS)
def test_calls_return_what_redis_py_returns(store: kvcore.BaseStore, real_redis: redis.Redis, group: str) -> None:
    calls: list[Call] = import_module(f"tests.frontends.test_store_{group}").CALLS
    assert differences(store, real_redis, calls) == []


def test_keys_are_those_of_a_dict(store: kvcore.BaseStore) -> None:
    store["a"] = 1
    assert (store["a"], "a" in store, "b" in store, len(store), list(store)) == (b"1", True, False, 1, [b"a"])
    del store["a"]
    with pytest.raises(KeyError):
        store["a"]


def test_iterators_go_through_what_is_too_large_to_copy(store: kvcore.BaseStore) -> None:
    store.mset({f"k{number}": number for number in range(1000)})
    store.sadd("s", *range(1000))
    store.hset("h", mapping={str(number): number for number in range(1000)})
    store.zadd("z", {str(number): number for number in range(1000)})
    assert {int(key[1:]) for key in store.scan_iter("k*")} == set(range(1000))
    assert {int(member) for member in store.sscan_iter("s")} == set(range(1000))
    assert {int(field): int(value) for field, value in store.hscan_iter("h")} == {n: n for n in range(1000)}
    assert {int(member): score for member, score in store.zscan_iter("z")} == {n: float(n) for n in range(1000)}


def test_a_rate_limit_allows_so_many_hits(store: kvcore.BaseStore) -> None:
    limit = store.rate_limit("api", 2, 60)
    assert [limit.hit("ada"), limit.hit("ada"), limit.hit("ada")] == [True, True, False]
    assert (limit.remaining("ada"), limit.remaining("bob")) == (0, 2)
    assert 0 < limit.wait_time("ada") <= 60
    limit.reset("ada")
    assert limit.hit("ada")


def test_text_stores_return_text(remote_url: str) -> None:
    with kvcore.connect(remote_url, decode_responses=True) as store:
        store.flushall()
        store["ä"] = "ö"
        assert (store.get("ä"), store.keys(), store.type("ä")) == ("ö", ["ä"], "string")
        with store.pipeline() as pipe:
            pipe.get("ä")
            assert pipe.execute() == ["ö"]


def test_scripts_and_bit_fields(store: kvcore.BaseStore) -> None:
    script = store.register_script("return {KEYS[1], ARGV[1]}")
    assert script(keys=["k"], args=["a"]) == [b"k", b"a"]
    assert store.bitfield("b").set("u8", 0, 255).get("u8", 0).execute() == [0, 255]


@pytest.mark.parametrize("value", [b"", b"\r\n", b"$5\r\nhello\r\n", bytes(range(256)) * 300, b"x" * 3_000_000])
def test_any_bytes_survive(store: kvcore.BaseStore, value: bytes) -> None:
    store.set("k", value)
    assert store.get("k") == value
    assert store.getset("k", b"OK") == value
    assert store.set("k", "w", get=True) == b"OK"


def test_the_tests_of_stores_in_this_process_are_run_here() -> None:
    assert len(SHARED) > 30
