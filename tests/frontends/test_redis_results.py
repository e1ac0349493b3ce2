"""What pipelines make of replies: results, errors where redis-py puts them, and what is about the connection."""

from __future__ import annotations

from typing import Any

import pytest
import redis

import kvcore
from kvcore.errors import CommandError
from kvcore.frontends.redis_results import (
    PushHandlers,
    client_defaults,
    is_amiss,
    is_short,
    local_arguments,
    says_ok,
)
from kvcore.frontends.redis_sync import LocalConnection
from kvcore.replies import NULL_ARRAY, OK, Transaction


@pytest.fixture
def client() -> kvcore.Redis:
    return kvcore.Redis()


@pytest.mark.parametrize("transaction", [False, True])
def test_an_error_is_raised_with_its_place_or_returned(client: kvcore.Redis, transaction: bool) -> None:
    client.set("k", "text")
    pipeline = client.pipeline(transaction=transaction).set("a", 1).lpush("k", 1).get("a")
    results = pipeline.execute(raise_on_error=False)
    assert [results[0], type(results[1]), results[2]] == [True, redis.ResponseError, b"1"]
    with pytest.raises(redis.ResponseError, match=r"Command # 2 \(LPUSH k 1\) of pipeline caused error: WRONGTYPE"):
        client.pipeline(transaction=transaction).set("a", 1).lpush("k", 1).execute()


def test_a_command_that_cannot_be_queued_refuses_the_transaction(client: kvcore.Redis) -> None:
    pipeline = client.pipeline().set("a", 1)
    pipeline.execute_command("NOSUCH")
    with pytest.raises(redis.ResponseError, match=r"Command # 2 \(NOSUCH\) of pipeline"):
        pipeline.execute()
    assert client.get("a") is None


def test_what_cannot_be_sent_fails_before_anything_runs(client: kvcore.Redis) -> None:
    pipeline = client.pipeline(transaction=False).set("a", 1)
    pipeline.execute_command("SET", "b", None)
    with pytest.raises(redis.DataError):
        pipeline.execute()
    assert client.get("a") is None
    assert client.pipeline().set("a", 2).execute() == [True]


def test_the_transaction_helper_tries_again(client: kvcore.Redis) -> None:
    tries = []

    def change(pipeline: Any) -> None:
        current = int(pipeline.get("n") or 0)
        if not tries:
            client.set("n", 5)
        tries.append(current)
        pipeline.multi()
        pipeline.set("n", current + 1)

    assert client.transaction(change, "n") == [True]
    assert (tries, client.get("n")) == ([0, 5], b"6")


def test_unwatch_inside_a_pipeline_is_seen(client: kvcore.Redis) -> None:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.watch("k")
        pipeline.multi()
        pipeline.explicit_transaction = False
        pipeline.pipeline_execute_command("UNWATCH")
        assert pipeline.execute() == [True]
        assert not pipeline.watching


def test_undecoded_replies_stay_bytes() -> None:
    client = kvcore.Redis(decode_responses=True)
    client.set("k", "v")
    dumped = client.dump("k")
    assert client.pipeline(transaction=False).dump("k").get("k").execute() == [dumped, "v"]


def test_options_are_for_callbacks(client: kvcore.Redis) -> None:
    client.zadd("z", {"a": 1})
    for transaction in (False, True):
        pipeline = client.pipeline(transaction=transaction).zrange("z", 0, -1, withscores=True, score_cast_func=int)
        assert [list(map(list, found)) for found in pipeline.execute()] == [[[b"a", 1]]]


def test_loading_or_a_lost_server_ends_the_pipeline(client: kvcore.Redis) -> None:
    client.set("k", "v")
    client.server.go_down("gone")
    with pytest.raises(redis.ConnectionError, match="gone"):
        client.pipeline().get("k").execute()
    client.server.come_back()
    assert client.pipeline().get("k").execute() == [b"v"]


def test_what_is_about_the_network_has_no_meaning() -> None:
    kwargs = {"host": "h", "port": 1, "ssl_certfile": "x", "socket_keepalive": True, "db": 2, "password": "p"}
    server = local_arguments({**kwargs, "store": (client := kvcore.Redis()).server})
    assert server is client.server
    kept = {**kwargs, "store": client.server}
    local_arguments(kept)
    assert kept == {"db": 2}  # nobody protected a store of one's own, so it asks for no password


def test_nothing_is_retried_unless_asked_for() -> None:
    retry = object()
    assert client_defaults({})["retry"] is None
    assert client_defaults({"retry": retry})["retry"] is retry


def test_what_redis_py_calls_itself_is_what_it_says() -> None:
    with kvcore.Redis() as client:
        ours = client.connection_pool.connection_kwargs
        theirs = redis.Redis().connection_pool.connection_kwargs
        names = ("driver_info", "lib_name", "lib_version")
        assert {name: ours.get(name) for name in names} == {name: theirs.get(name) for name in names}
    if "driver_info" in theirs:
        assert "driver_info" not in client_defaults({"lib_name": "mine"})
        first, second = client_defaults({})["driver_info"], client_defaults({})["driver_info"]
        first.add_upstream_driver("mine", "1.0")
        assert second.formatted_name == "redis-py"


def test_the_short_way_is_for_plain_pools() -> None:
    with kvcore.open() as store:
        blocking = redis.BlockingConnectionPool
        assert is_short(kvcore.ConnectionPool(store=store), LocalConnection, blocking)
        assert not is_short(kvcore.BlockingConnectionPool(store=store), LocalConnection, blocking)
        assert not is_short(redis.ConnectionPool(), LocalConnection, blocking)


def test_pushes_go_to_who_asked_for_them() -> None:
    handlers = PushHandlers()
    assert handlers.handle([b"message", b"c", b"x"]) == [b"message", b"c", b"x"]
    assert handlers.handle([b"invalidate", [b"k"]]) is None
    handlers.set_pubsub_push_handler(lambda push: ("heard", push[0]))
    handlers.set_invalidation_push_handler(lambda push: ("stale", push[1]))
    assert handlers.handle([b"message"]) == ("heard", b"message")
    assert handlers.handle(["invalidate", [b"k"]]) == ("stale", [b"k"])


def test_a_callback_of_ones_own_sees_ok(client: kvcore.Redis) -> None:
    client.set("k", "v")
    client.set_response_callback("SET", lambda response, **_options: ("mine", response))
    assert client.set("k", "v") == ("mine", b"OK")
    for transaction in (False, True):
        pipeline = client.pipeline(transaction=transaction).set("k", 1).set("k", 2)
        assert pipeline.execute() == [("mine", b"OK"), ("mine", b"OK")]


def test_only_redis_pys_own_callbacks_are_known_to_say_true() -> None:
    known = redis.Redis().response_callbacks
    assert says_ok(known["SET"])
    assert says_ok(known["FLUSHALL"])
    assert not says_ok(bool)


@pytest.mark.parametrize("raise_on_error", [False, True])
def test_a_transaction_inside_another_has_the_wrong_number_of_results(
    client: kvcore.Redis, raise_on_error: bool
) -> None:
    client.pipeline(transaction=False).execute_command("MULTI").get("k").execute()
    with pytest.raises(redis.ResponseError, match="Wrong number of response items"):
        client.pipeline().get("a").get("b").get("c").execute(raise_on_error)
    assert client.pipeline().set("a", 1).execute() == [True]


def test_errors_of_a_transaction_come_before_callbacks(client: kvcore.Redis) -> None:
    def unlucky(_response: Any, **_options: Any) -> Any:
        raise ZeroDivisionError

    client.set("k", "v")
    client.set_response_callback("STRLEN", unlucky)
    pipeline = client.pipeline().strlen("k").lpush("k", 1)
    with pytest.raises(redis.ResponseError, match="Command # 2"):
        pipeline.execute()
    with pytest.raises(ZeroDivisionError):
        client.pipeline().strlen("k").get("k").execute()
    assert client.get("k") == b"v"


def test_the_number_of_results_is_judged_with_what_was_refused() -> None:
    commands = [(("GET", "a"), {})]
    assert not is_amiss(commands, [Transaction([None])])
    assert not is_amiss(commands, [OK, NULL_ARRAY])
    assert not is_amiss(commands, [CommandError("ERR nested"), Transaction([])])
    assert is_amiss(commands, [OK, Transaction([])])
