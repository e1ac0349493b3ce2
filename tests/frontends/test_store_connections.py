"""Methods for sessions, beside redis-py's on the real server."""

from __future__ import annotations

import threading

import pytest
import redis

import kvcore
import kvcore.aio
from tests.frontends.comparison import Call, differences, kw

CALLS: list[Call] = [
    ("client_getname",),
    ("client_setname", "me"),
    ("client_getname",),
    ("client_setname", "no spaces"),
    ("client_getredir",),
    ("client_kill", "1.2.3.4:5"),
    ("client_kill_filter", kw(_id=9999)),
    ("client_kill_filter", kw(_type="pubsub", addr="1.2.3.4:1", laddr="1.1.1.1:1", skipme=True, user="default")),
    ("client_no_evict", "ON"),
    ("client_no_evict", "OFF"),
    ("client_no_evict", "PERHAPS"),
    ("client_pause", 1, False),
    ("client_pause", 1),
    ("client_unpause",),
    ("client_tracking", kw(on=False)),
    ("client_tracking_off",),
    ("client_tracking_on", kw(clientid=9999)),
    ("client_unblock", 9999),
    ("client_unblock", 9999, kw(error=True)),
]


def test_calls_return_what_redis_py_returns(real_redis: redis.Redis) -> None:
    with kvcore.open() as store:
        assert differences(store, real_redis, CALLS) == []


def test_newer_ones_return_what_redis_py_returns() -> None:
    calls: list[Call] = [
        ("client_no_touch", "ON"),
        ("client_no_touch", "OFF"),
        ("client_setinfo", "LIB-NAME", "mine"),
        ("client_setinfo", "NOSUCH", "mine"),
        ("client_kill_filter", kw(maxage=10**9)),
    ]
    with kvcore.open() as store:
        assert differences(store, kvcore.Redis(protocol=2), calls) == []


@pytest.mark.parametrize("decode", [False, True])
def test_what_a_session_tracks(decode: bool) -> None:
    text = str if decode else str.encode
    with kvcore.open(decode_responses=decode) as store:
        assert store.client_tracking_on(bcast=True, prefix=["user:"], noloop=True) == text("OK")
        facts = store.client_trackinginfo()
        assert sorted(facts["flags"]) == ["bcast", "noloop", "on"]
        assert facts["prefixes"] == [text("user:")]
        assert store.client_getredir() == 0
        thread = threading.Thread(target=store.set, args=("user:1", "v"))
        thread.start()
        thread.join()
        assert store.messages() == [[text("invalidate"), [text("user:1")]]]
        assert store.client_tracking_off() == text("OK")
        assert store.client_trackinginfo()["flags"] == ["off"]


def test_a_connection_is_ended() -> None:
    with kvcore.open() as store:
        mine = store.client_id()
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(store.client_id()))
        thread.start()
        thread.join()
        assert store.client_kill_filter(_id=found[0], skipme=True) in (0, 1)  # its thread may be gone
        assert [int(client["id"]) for client in store.client_list(client_id=(mine,))] == [mine]
        assert store.client_kill_filter(_id=mine, skipme=True) == 0


def test_arguments_that_make_no_command() -> None:
    with kvcore.open() as store:
        with pytest.raises(ValueError, match="filter"):
            store.client_kill_filter()
        with pytest.raises(ValueError, match="bcast"):
            store.client_tracking_on(prefix=["a"])


async def test_coroutines_have_them() -> None:
    async with kvcore.aio.open() as store:
        assert await store.client_setname("me")
        assert (await store.client_info())["name"] == "me"
        assert (await store.client_trackinginfo())["flags"] == ["off"]
