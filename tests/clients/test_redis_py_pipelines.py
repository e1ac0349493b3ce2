"""Pipelines drawn at random, on kvcore's redis-py clients and on redis-py over the real server: nothing differs.

Lives here: whole lives of pipelines (WATCH, reads, somebody else's write, MULTI, commands good and bad, execute), sync
and asyncio. The rule: after every step both gave the same result or raised the same exception with the same text, and
left the pipeline, the connection and the keys the same.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
import redis.asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import kvcore
import kvcore.aio
from tests.frontends.redis_calls import Call, call, shown
from tests.oracle.servers import HOST, Server

CLIENTS: list[dict[str, Any]] = [
    {},
    {"protocol": 2, "decode_responses": True},
    {"protocol": 3},
    {"protocol": 3, "decode_responses": True},
    {"encoding_errors": "replace", "decode_responses": True},
]


@dataclass
class Life:
    """What happens to one pipeline."""

    transaction: bool
    watched: list[Any]
    reads: list[Call]
    changes: bool
    """Somebody else writes a watched key."""
    explicit: bool
    """multi() is called."""
    queued: list[Call]
    raises: bool


KEYS = st.sampled_from(["text", "n", "hash", "list", "z", "missing", b"text", "k 1", "\u00e9"])
VALUES = st.one_of(
    st.sampled_from(
        ["v", b"\x00\xc3\xbc", "\u00fc", "", 0, -7, 2.5, 1e300, "12", bytearray(b"array"), memoryview(b"view")]
    ),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=4).filter(lambda text: text.isascii()),
)
UNFIT = st.sampled_from([None, True, {"a": 1}, ["x"]])


def drawn(name: str, *arguments: Any, **options: Any) -> st.SearchStrategy[Call]:
    """Name a method, its arguments drawn where they are strategies."""
    words = [word if isinstance(word, st.SearchStrategy) else st.just(word) for word in arguments]
    return st.tuples(*words).map(lambda drawn_words: call(name, *drawn_words, **options))


GOOD = st.one_of(
    drawn("get", KEYS),
    drawn("set", KEYS, VALUES),
    drawn("set", KEYS, VALUES, nx=True),
    drawn("set", KEYS, VALUES, xx=True, get=True),
    drawn("set", KEYS, VALUES, ex=100),
    drawn("set", KEYS, VALUES, 50),
    drawn("setex", KEYS, 100, VALUES),
    drawn("mset", {"n": 5, "text": "t"}),
    drawn("mget", KEYS, KEYS),
    drawn("incr", KEYS),
    drawn("incrby", KEYS, st.sampled_from([3, 2**63 - 1])),
    drawn("incrbyfloat", KEYS, 0.5),
    drawn("append", KEYS, VALUES),
    drawn("delete", KEYS),
    drawn("exists", KEYS, KEYS),
    drawn("expire", KEYS, 100),
    drawn("persist", KEYS),
    drawn("type", KEYS),
    drawn("rename", KEYS, KEYS),
    drawn("hset", KEYS, "f", VALUES),
    drawn("hset", KEYS, mapping={"f": 1, "g": "x"}),
    drawn("hget", KEYS, "f"),
    drawn("hgetall", KEYS),
    drawn("hincrby", KEYS, "f", 2),
    drawn("lpush", KEYS, VALUES, VALUES),
    drawn("lrange", KEYS, 0, -1),
    drawn("lset", KEYS, st.sampled_from([0, 99]), VALUES),
    drawn("ltrim", KEYS, 0, 5),
    drawn("zadd", KEYS, {"m": 1.5, "n": 2}),
    drawn("zadd", KEYS, {"m": 1}, incr=True),
    drawn("zrange", KEYS, 0, -1, withscores=True),
    drawn("zrange", KEYS, 0, -1, withscores=True, score_cast_func=int),
    drawn("zscore", KEYS, "m"),
    drawn("echo", VALUES),
    drawn("ping"),
    drawn("config_get", "maxmemory-samples"),
    drawn("config_set", "maxmemory-samples", 5),
    drawn("eval", "return redis.call('GET', KEYS[1])", 1, KEYS),
    drawn("eval", "return {1, 'two', redis.status_reply('OK')}", 0),
    drawn("publish", "nobody", VALUES),
    drawn("select", 0),
    drawn("flushdb"),
)
ODD = st.one_of(
    drawn("execute_command", st.sampled_from(["GET", "get", "Get", b"GET", "DEL"]), KEYS),
    drawn("execute_command", "SET", KEYS, UNFIT),
    drawn("execute_command", "GET", UNFIT),
    drawn("execute_command", st.sampled_from(["NOSUCH", "GET", "CONFIG NOSUCH", "OBJECT", "\u00e9"])),
    drawn("execute_command", st.sampled_from(["SET text", "CONFIG GET", b"CONFIG GET"]), VALUES),
    drawn("execute_command", st.sampled_from(["MULTI", "EXEC", "DISCARD", "UNWATCH"])),
    drawn("execute_command", "CALLED", KEYS),
    drawn("strlen", KEYS),
    drawn("set", KEYS, VALUES, ex=0),
    drawn("set", KEYS, VALUES, ex=1, px=1),
    drawn("config_set", "no-such", 1),
    drawn("eval", "return redis.error_reply('MINE is mine')", 0),
    drawn("eval", "return nonsense(", 0),
    drawn("watch", KEYS),
    drawn("unwatch"),
    drawn("multi"),
    drawn("reset"),
)
LIVES = st.builds(
    Life,
    transaction=st.booleans(),
    watched=st.one_of(st.just([]), st.lists(KEYS, min_size=1, max_size=2)),
    reads=st.lists(GOOD, max_size=2),
    changes=st.booleans(),
    explicit=st.booleans(),
    queued=st.one_of(st.lists(GOOD, max_size=8), st.lists(st.one_of(GOOD, GOOD, GOOD, ODD), max_size=6)),
    raises=st.booleans(),
)


def unlucky(response: Any, **_options: Any) -> Any:
    """Be a response callback that does not like some replies."""
    if response == 0:
        raise ZeroDivisionError("the callback's own")
    return ("called", response)


def refuser(response: Any, **_options: Any) -> Any:
    """Be a response callback that returns an exception."""
    return redis.ResponseError(f"not {response}")


def prepared(client: Any) -> Any:
    """Give a client callbacks of a program's own."""
    client.set_response_callback("STRLEN", unlucky)
    client.set_response_callback("ECHO", refuser)
    return client


async def settled(found: Any) -> Any:
    """Wait for what a method returned, if it is to be waited for."""
    if inspect.isawaitable(found) and not isinstance(found, redis.asyncio.client.Pipeline):
        return await found
    return found


async def lived(client: Any, other: Any, life: Life) -> list[Any]:
    """Return all that can be seen of a pipeline's life."""
    pipeline = client.pipeline(transaction=life.transaction)
    seen: list[Any] = []

    async def do(method: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        try:
            found = await settled(method(*args, **kwargs))
        except Exception as error:
            seen.append(shown(error))
        else:
            seen.append("the pipeline" if found is pipeline else shown(found))

    for key in life.watched:
        await do(pipeline.watch, key)
    for name, args, kwargs in life.reads if life.watched else []:
        await do(getattr(pipeline, name), *args, **dict(kwargs))
    if life.changes and life.watched:
        await settled(other.set(life.watched[0], "changed"))
    if life.explicit:
        await do(pipeline.multi)
    for name, args, kwargs in life.queued:
        if name == "strlen" and not life.transaction:
            continue  # where its callback raises, redis-py leaves the replies behind it unread
        await do(getattr(pipeline, name), *args, **dict(kwargs))
    seen.append((len(pipeline), pipeline.watching, pipeline.explicit_transaction))
    await do(pipeline.execute, raise_on_error=life.raises)
    seen.append((len(pipeline), pipeline.watching, pipeline.explicit_transaction, pipeline.connection is None))
    await do(pipeline.reset)
    await do(client.pipeline().get("text").incr("n").execute)
    await settled(client.connection_pool.disconnect())
    return seen


async def both(pairs: list[tuple[Any, Any]], lives: list[Life]) -> None:
    """Live the same lives with pairs of clients, and compare them after each."""
    for client, other in pairs:
        await settled(other.flushall())
        await settled(client.config_set("maxmemory-samples", 5))
        await settled(client.rpush("list", "a"))
        await settled(client.zadd("z", {"m": 1}))
        await settled(client.hset("hash", "f", 1))
    for life in lives:
        ours, theirs = [await lived(client, other, life) for client, other in pairs]
        assert ours == theirs, life
    left = []
    for _, other in pairs:
        names = sorted(await settled(other.keys("*")))
        left.append([(name, await contents(other, name)) for name in names])
    assert left[0] == left[1], lives


async def contents(client: Any, name: bytes) -> Any:
    """Return what a key holds."""
    kind = await settled(client.type(name))
    if kind == b"string":
        return await settled(client.get(name)), await settled(client.ttl(name)) > 0
    if kind == b"list":
        return await settled(client.lrange(name, 0, -1))
    if kind == b"hash":
        return sorted((await settled(client.hgetall(name))).items())
    return await settled(client.zrange(name, 0, -1, withscores=True))


@pytest.fixture(params=CLIENTS, ids=str)
def sync_pairs(oracle: Server, request: pytest.FixtureRequest) -> Iterator[list[tuple[Any, Any]]]:
    """Yield kvcore's client and redis-py's, each with another client of the same keys."""
    with (
        kvcore.Redis(**request.param) as ours,
        kvcore.Redis(store=ours.server) as our_other,
        redis.Redis(HOST, oracle.port, **request.param) as theirs,
        redis.Redis(HOST, oracle.port) as their_other,
    ):
        yield [(prepared(ours), our_other), (prepared(theirs), their_other)]


CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # a busy machine is no finding
MANY = settings(max_examples=100, deadline=None, suppress_health_check=CHECKS)
ERRORS_FIRST = Life(
    True, [], [], False, False, [call("strlen", "missing"), call("incr", "list"), call("get", "text")], True
)


@MANY
@example([ERRORS_FIRST])
@given(st.lists(LIVES, min_size=1, max_size=4))
def test_pipelines_live_as_on_the_real_server(sync_pairs: list[tuple[Any, Any]], lives: list[Life]) -> None:
    asyncio.run(both(sync_pairs, lives))


@pytest.mark.parametrize("options", CLIENTS[:4], ids=str)
def test_awaited_pipelines_live_as_on_the_real_server(oracle: Server, options: dict[str, Any]) -> None:
    @settings(MANY, max_examples=60)
    @example([ERRORS_FIRST])
    @given(st.lists(LIVES, min_size=1, max_size=4))
    def live(lives: list[Life]) -> None:
        async def run() -> None:
            ours = prepared(kvcore.aio.Redis(**options))
            theirs = prepared(redis.asyncio.Redis(host=HOST, port=oracle.port, **options))
            other = redis.asyncio.Redis(host=HOST, port=oracle.port)
            try:
                await both([(ours, kvcore.aio.Redis(store=ours.server)), (theirs, other)], lives)
            finally:
                await theirs.connection_pool.disconnect()
                await other.connection_pool.disconnect()
                await ours.connection_pool.disconnect()

        asyncio.run(run())

    live()
