"""Django Channels on kvcore: the layer over lists and sorted sets, and the layer over publish and subscribe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("channels_redis")

from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from tests.integration.conftest import Endpoint
from tests.waiting import end, until_async

WAIT = 30


@pytest.fixture
async def layer(endpoint: Endpoint) -> AsyncIterator[RedisChannelLayer]:
    layer = RedisChannelLayer(hosts=[endpoint.url()], capacity=3, expiry=1, group_expiry=60)
    yield layer
    await layer.flush()
    await layer.close_pools()


@pytest.fixture(params=[RedisChannelLayer, RedisPubSubChannelLayer])
async def either(request: pytest.FixtureRequest, endpoint: Endpoint) -> AsyncIterator[Any]:
    """Yield one of the two layers."""
    layer = request.param(hosts=[endpoint.url()])
    yield layer
    await layer.flush()
    if request.param is RedisChannelLayer:
        await layer.close_pools()


async def receive(layer: Any, channel: str) -> dict[str, Any]:
    received: dict[str, Any] = await asyncio.wait_for(layer.receive(channel), WAIT)
    return received


async def listens(layer: Any, endpoint: Endpoint, names: int) -> None:
    """Wait until the server has heard that a layer listens: it subscribes and publishes on two connections."""

    async def heard() -> bool:
        return isinstance(layer, RedisChannelLayer) or len(endpoint.command("PUBSUB", "CHANNELS")) == names

    await until_async("the subscriptions are there", heard)


async def test_messages_to_one_channel_and_to_groups(either: Any, endpoint: Endpoint) -> None:
    first, second = await either.new_channel(), await either.new_channel()
    await listens(either, endpoint, 2)
    await either.send(first, {"type": "hello", "bytes": b"\x00\xff", "list": [1, "ä"]})
    assert await receive(either, first) == {"type": "hello", "bytes": b"\x00\xff", "list": [1, "ä"]}
    for channel in (first, second):
        await either.group_add("room", channel)
    await listens(either, endpoint, 3)
    await either.group_send("room", {"type": "chat", "text": "to all"})
    assert [await receive(either, channel) for channel in (first, second)] == [{"type": "chat", "text": "to all"}] * 2
    await either.group_discard("room", second)
    await either.group_send("room", {"type": "chat", "text": "to one"})
    await either.send(second, {"type": "alone"})
    assert (await receive(either, first))["text"] == "to one"
    assert (await receive(either, second))["type"] == "alone"


async def test_a_receiver_waits_and_order_is_kept(either: Any, endpoint: Endpoint) -> None:
    channel = await either.new_channel()
    await listens(either, endpoint, 1)
    waiting = asyncio.create_task(receive(either, channel))
    await asyncio.sleep(0)
    for n in range(20):
        await either.send(channel, {"type": "n", "n": n})
    assert (await waiting)["n"] == 0
    assert [(await receive(either, channel))["n"] for _ in range(19)] == list(range(1, 20))


async def test_two_processes_share_a_layer(layer: RedisChannelLayer, endpoint: Endpoint) -> None:
    other = RedisChannelLayer(hosts=[endpoint.url()])
    channel = await layer.new_channel()
    await other.send(channel, {"type": "from afar"})
    assert (await receive(layer, channel))["type"] == "from afar"
    await layer.group_add("room", channel)
    await other.group_send("room", {"type": "grouped"})
    assert (await receive(layer, channel))["type"] == "grouped"
    await other.close_pools()


async def test_a_full_channel_refuses_and_a_group_leaves_it_out(layer: RedisChannelLayer) -> None:
    await layer.group_add("room", "plain")
    for n in range(3):
        await layer.send("plain", {"type": "n", "n": n})
    with pytest.raises(ChannelFull):
        await layer.send("plain", {"type": "n", "n": 3})
    await layer.group_send("room", {"type": "lost"})
    assert [(await receive(layer, "plain"))["n"] for _ in range(3)] == [0, 1, 2]
    await layer.send("plain", {"type": "next"})
    assert (await receive(layer, "plain"))["type"] == "next"


async def test_old_messages_expire(layer: RedisChannelLayer) -> None:
    for n in range(3):
        await layer.send("old", {"type": "n", "n": n})

    async def room_again() -> bool:
        try:
            await layer.send("old", {"type": "new"})
        except ChannelFull:
            return False
        return True

    assert not await room_again()
    await until_async("the old messages are gone", room_again)
    assert (await receive(layer, "old"))["type"] == "new"


async def test_an_abandoned_receive_loses_nothing(layer: RedisChannelLayer) -> None:
    for _ in range(5):
        waiting = asyncio.create_task(layer.receive("kept"))
        await asyncio.sleep(0.01)  # it may be anywhere in its wait
        await end(waiting)
    await layer.send("kept", {"type": "kept"})
    assert (await receive(layer, "kept"))["type"] == "kept"
