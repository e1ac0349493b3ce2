"""Listeners: messages in order, handlers, waiting, being cut off, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import gc
import queue
import threading

import pytest

import kvcore
from kvcore import aio
from kvcore.frontends import store_pubsub


@pytest.fixture
def store() -> kvcore.Store:
    return kvcore.open()


def test_messages_have_redis_pys_shape(store: kvcore.Store) -> None:
    with store.pubsub() as listener:
        listener.subscribe("a")
        listener.psubscribe("b*")
        assert store.publish("a", "1") == 1
        assert store.publish("bb", "2") == 1
        listener.unsubscribe("a")
        assert list(iter(listener.get_message, None)) == [
            {"type": "subscribe", "pattern": None, "channel": b"a", "data": 1},
            {"type": "psubscribe", "pattern": None, "channel": b"b*", "data": 2},
            {"type": "message", "pattern": None, "channel": b"a", "data": b"1"},
            {"type": "pmessage", "pattern": b"b*", "channel": b"bb", "data": b"2"},
            {"type": "unsubscribe", "pattern": None, "channel": b"a", "data": 1},
        ]
        assert listener.subscribed
    if isinstance(store, kvcore.Store):  # a server has yet to notice
        assert store.publish("bb", "3") == 0


def test_listening_ends_with_the_last_subscription(store: kvcore.Store) -> None:
    listener = store.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("a")
    listener.ssubscribe("s")
    store.publish("a", "1")
    store.spublish("s", "2")
    seen = []
    for message in listener.listen():
        seen.append((message["type"], message["data"]))
        if len(seen) == 2:
            listener.unsubscribe()
            listener.sunsubscribe()
    assert seen == [("message", b"1"), ("smessage", b"2")]


@pytest.mark.parametrize("ignore", [False, True])
def test_another_thread_ends_the_listening(store: kvcore.Store, ignore: bool) -> None:
    listener = store.pubsub(ignore_subscribe_messages=ignore)
    listener.subscribe("a", "b")
    kinds: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for message in listener.listen():
            kinds.put(message["type"])

    listening = threading.Thread(target=listen)
    listening.start()
    store.publish("a", "1")
    seen = [kinds.get(timeout=10)]
    while seen[-1] != "message":
        seen.append(kinds.get(timeout=10))
    listener.unsubscribe()
    listening.join(10)
    ended = not listening.is_alive()
    listener.close()
    assert ended
    assert [kinds.get() for _ in range(kinds.qsize())] == ([] if ignore else ["unsubscribe"] * 2)


def test_a_channel_and_a_pattern_of_one_name_have_handlers_of_their_own(store: kvcore.Store) -> None:
    taken: list[tuple[str, object]] = []

    def take(message: store_pubsub.Message) -> None:
        taken.append((message["type"], message["data"]))

    with store.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(x=take)
        listener.psubscribe(x=take)
        listener.ssubscribe(x=take)
        listener.psubscribe("x")  # from now on without
        store.publish("x", "1")
        store.spublish("x", "2")
        found = [listener.get_message(timeout=5) for _ in range(3)]
    assert taken == [("message", b"1"), ("smessage", b"2")]
    assert [message["type"] for message in found if message is not None] == ["pmessage"]


def test_what_was_published_before_the_end_is_the_handlers(store: kvcore.Store) -> None:
    taken: list[object] = []
    with store.pubsub(ignore_subscribe_messages=True) as listener:
        for channels in (("x",), ()):
            listener.subscribe(x=lambda message: taken.append(message["data"]))
            store.publish("x", "before")
            listener.unsubscribe(*channels)
            assert listener.get_message(timeout=5) is None
            assert listener.get_message() is None  # the confirmation
        listener.subscribe("x")
        store.publish("x", "after")
        after = listener.get_message(timeout=5)
    assert taken == [b"before"] * 2
    assert after is not None
    assert after["data"] == b"after"


def test_a_handler_that_is_subscribed_again_stays(store: kvcore.Store) -> None:
    taken: list[object] = []
    with store.pubsub(ignore_subscribe_messages=True) as listener:
        for _ in range(2):
            listener.subscribe(x=lambda message: taken.append(message["data"]))
            listener.unsubscribe("x")
        listener.subscribe(x=lambda message: taken.append(message["data"]))
        store.publish("x", "1")
        assert listener.get_message(timeout=5) is None
    assert taken == [b"1"]


def test_handlers_take_their_channels_messages(store: kvcore.Store) -> None:
    taken: list[object] = []
    listener = store.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(news=lambda message: taken.append(message["data"]))
    listener.subscribe("other")
    store.publish("news", "1")
    store.publish("other", "2")
    assert listener.get_message(timeout=5) is None
    message = listener.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b"2"
    assert taken == [b"1"]
    with pytest.raises(TypeError, match="called"):
        listener.subscribe(news=3)  # type: ignore[arg-type]

    async def handler(message: object) -> None: ...

    with pytest.raises(TypeError, match="coroutine"):
        listener.subscribe(news=handler)
    with pytest.raises(TypeError, match="name"):
        listener.subscribe()


@pytest.mark.parametrize("timeout", [0, 5, None])
def test_a_handler_that_publishes_gets_one_message_a_call(store: kvcore.Store, timeout: float | None) -> None:
    taken: list[object] = []

    def handle(message: object) -> None:
        taken.append(message)
        store.publish("news", "again")

    listener = store.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(news=handle)
    store.publish("news", "first")
    for count in range(1, 4):
        assert listener.get_message(timeout=timeout) is None
        assert len(taken) == count


def test_a_waiting_thread_is_woken(store: kvcore.Store) -> None:
    listener = store.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("a")
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(listener.get_message(timeout=None)))
    thread.start()
    while not thread.is_alive():
        pass
    store.publish("a", "x")
    thread.join(10)
    assert seen == [{"type": "message", "pattern": None, "channel": b"a", "data": b"x"}]
    assert listener.get_message(timeout=0.01) is None


def test_closing_the_store_ends_the_wait(store: kvcore.Store) -> None:
    listener = store.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("a")
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            listener.get_message(timeout=None)
        except kvcore.ClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while listener._feed._inbox.wake is store_pubsub._nothing:
        threading.Event().wait(0.001)
    store.close()
    thread.join(10)
    assert len(errors) == 1


def test_closing_the_store_is_told_to_who_listens(store: kvcore.Store) -> None:
    listener = store.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("a")
    ends: queue.SimpleQueue[type[BaseException] | None] = queue.SimpleQueue()

    def listen() -> None:
        try:
            for _ in listener.listen():
                pass
        except kvcore.ClosedError as error:
            ends.put(type(error))
        else:
            ends.put(None)

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    while listener._feed._inbox.wake is store_pubsub._nothing:
        threading.Event().wait(0.001)
    store.close()
    assert ends.get(timeout=10) is kvcore.ClosedError


def test_a_listener_that_takes_nothing_is_cut_off(store: kvcore.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_pubsub, "MOST_UNREAD", 3)
    listener = store.pubsub()
    listener.subscribe("a")
    for _ in range(5):
        store.publish("a", "x")
    with pytest.raises(kvcore.KvcoreError, match="cut off"):
        listener.get_message()
    assert not listener.subscribed
    assert store.publish("a", "x") == 0


def test_an_abandoned_or_closed_listener_hears_nothing(store: kvcore.Store) -> None:
    listener = store.pubsub()
    listener.subscribe("a")
    del listener
    gc.collect()
    store.tick()
    assert store.publish("a", "x") == 0
    listener = store.pubsub()
    listener.close()
    listener.close()
    with pytest.raises(kvcore.ClosedError, match="pubsub"):
        listener.subscribe("a")
    with pytest.raises(kvcore.ClosedError, match="pubsub"):
        listener.get_message()
    store.close()
    with pytest.raises(kvcore.ClosedError):
        store.pubsub()


def test_text_stores_hear_text() -> None:
    with kvcore.open(decode_responses=True) as store, store.pubsub() as listener:
        listener.subscribe("ä")
        assert listener.get_message() == {"type": "subscribe", "pattern": None, "channel": "ä", "data": 1}


async def test_asynchronous_listeners() -> None:
    async with aio.open() as store:
        async with store.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe("a")
            await listener.psubscribe("p*")

            async def listen() -> list[object]:
                return [message["data"] async for message in listener.listen()]

            listening = asyncio.create_task(listen())
            await asyncio.sleep(0)
            await store.publish("a", "1")
            await asyncio.sleep(0)
            await store.publish("pp", "2")
            await listener.unsubscribe()
            await listener.punsubscribe()
            assert await listening == [b"1", b"2"]
        assert await store.publish("a", "3") == 0


async def test_handlers_may_be_coroutine_functions() -> None:
    taken: list[object] = []

    async def slowly(message: store_pubsub.Message) -> None:
        await asyncio.sleep(0)
        taken.append(message["data"])

    async with aio.open() as store, store.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe(slow=slowly, quick=lambda message: taken.append(message["data"]))
        await store.publish("slow", "1")
        await store.publish("quick", "2")
        assert await listener.get_message(timeout=5) is None
        assert taken == [b"1"]
        assert await listener.get_message(timeout=0) is None
        assert taken == [b"1", b"2"]


async def test_messages_of_the_shared_session_can_be_taken() -> None:
    async with aio.open() as store:
        assert store.messages() == []
        await store.execute("SUBSCRIBE", "a")
        await store.publish("a", "x")
        assert store.messages() == [[b"subscribe", b"a", 1], [b"message", b"a", b"x"]]
        assert store.messages() == []


class Flood:
    """A feed with always something that is nothing to the caller."""

    subscribed = waiting = True

    def run(self, argv: list[bytes]) -> None: ...

    def wait(self, timeout_s: float | None) -> bool:
        return True

    def take(self) -> None:
        return None

    def close(self) -> None: ...


def test_the_time_is_up_however_much_comes_that_is_not_for_the_caller() -> None:
    assert store_pubsub.PubSub[bytes](Flood(), False).get_message(timeout=0.01) is None
