"""Listeners on servers: confirmations, refusals, threads and tasks that share one, connections that are lost."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import traceback

import pytest

import kvcore
from kvcore import aio
from tests.frontends.test_remote_link import answering, server, until_closed
from tests.oracle.servers import HOST, start_kvcore


def test_a_subscription_has_begun_when_the_call_returns(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store, store.pubsub() as listener:
        for number in range(50):
            listener.subscribe(f"c{number}")
            assert store.publish(f"c{number}", "x") == 1
        listener.unsubscribe()
        assert store.publish("c1", "x") == 0
        assert not listener.subscribed
        listener.unsubscribe()  # the server confirms that, too
        listener.psubscribe("a", "b")
        assert listener.subscribed


def test_what_the_server_refuses_is_raised_by_the_call(remote_url: str) -> None:
    with kvcore.connect(remote_url) as admin:
        admin.execute("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "+@all", "resetchannels", "&mine")
        with kvcore.connect(remote_url, username="deaf", password="pw") as store, store.pubsub() as listener:
            with pytest.raises(kvcore.CommandError, match="NOPERM"):
                listener.subscribe("theirs")
            listener.subscribe("mine")
            assert listener.get_message(timeout=5) == {
                "type": "subscribe",
                "pattern": None,
                "channel": b"mine",
                "data": 1,
            }
        admin.execute("ACL", "DELUSER", "deaf")


def test_one_thread_takes_messages_while_others_subscribe(remote_url: str) -> None:
    seen: list[bytes] = []
    with kvcore.connect(remote_url) as store:
        listener = store.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("end")

        def take() -> None:
            for message in listener.listen():
                seen.append(message["data"])
                if message["channel"] == b"end":
                    return

        thread = threading.Thread(target=take)
        thread.start()
        for number in range(20):
            listener.subscribe(f"c{number}")
            assert store.publish(f"c{number}", str(number)) == 1
        store.publish("end", "end")
        thread.join(10)
        listener.close()
    assert seen == [b"%d" % number for number in range(20)] + [b"end"]


@pytest.mark.parametrize("what", ["listener", "store"])
def test_closing_ends_the_wait_of_another_thread(remote_url: str, what: str) -> None:
    store = kvcore.connect(remote_url)
    listener = store.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("a")
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            listener.get_message(timeout=None)
        except kvcore.KvcoreError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not listener._feed._reading:  # type: ignore[attr-defined]
        threading.Event().wait(0.001)
    (listener if what == "listener" else store).close()
    thread.join(10)
    store.close()
    assert [type(error) for error in errors] == [kvcore.ClosedError]


def test_a_lost_connection_is_an_error_and_stays_one() -> None:
    running = start_kvcore("asyncio")
    with kvcore.connect(f"redis://{HOST}:{running.port}") as store:
        listener = store.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("a")
        store.publish("a", "x")
        assert listener.get_message(timeout=5) is not None
        running.stop()
        for _ in range(2):
            with pytest.raises(kvcore.ConnectionLostError, match="messages may have been missed"):
                listener.get_message(timeout=5)
        assert not listener.subscribed
        listener.close()
        with pytest.raises(kvcore.ClosedError):
            listener.get_message()


def test_an_abandoned_listener_closes_its_connection(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        listener = store.pubsub()
        listener.subscribe("a")
        before = len(store._pool._links)  # type: ignore[attr-defined]
        del listener
        gc.collect()
        assert len(store._pool._links) == before - 1  # type: ignore[attr-defined]


async def test_tasks_share_a_listener(remote_url: str) -> None:
    seen: list[bytes] = []
    async with aio.connect(remote_url) as store, store.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe("end")

        async def take() -> None:
            async for message in listener.listen():
                seen.append(message["data"])
                if message["channel"] == b"end":
                    return

        taking = asyncio.create_task(take())
        for number in range(20):
            await listener.subscribe(f"c{number}")
            assert await store.publish(f"c{number}", str(number)) == 1
        await store.publish("end", "end")
        await asyncio.wait_for(taking, 10)
    assert seen == [b"%d" % number for number in range(20)] + [b"end"]


@pytest.mark.parametrize("what", ["listener", "store", "cancel"])
async def test_ending_the_wait_of_a_task(remote_url: str, what: str) -> None:
    async with aio.connect(remote_url) as store:
        listener = store.pubsub(ignore_subscribe_messages=True)
        await listener.subscribe("a")
        waiting = asyncio.create_task(listener.get_message(timeout=None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if what == "cancel":
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await store.publish("a", "x")
            message = await listener.get_message(timeout=10)
            assert message is not None
            assert message["data"] == b"x"
        else:
            await (listener if what == "listener" else store).aclose()
            with pytest.raises(kvcore.ClosedError):
                await asyncio.wait_for(waiting, 10)
        await listener.aclose()


def test_what_was_refused_is_not_waited_for_when_all_ends(remote_url: str) -> None:
    with kvcore.connect(remote_url) as admin:
        admin.execute("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "+@all", "resetchannels", "&mine")
        with kvcore.connect(remote_url, username="deaf", password="pw", timeout=5) as store, store.pubsub() as listener:
            listener.subscribe("mine")
            with pytest.raises(kvcore.CommandError, match="NOPERM"):
                listener.subscribe("theirs")
            listener.unsubscribe()
            assert not listener.subscribed
            listener.psubscribe("mine")
            assert listener.subscribed
        admin.execute("ACL", "DELUSER", "deaf")


def pushed(*words: bytes) -> bytes:
    return b">%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def test_what_a_server_says_unasked_confirms_nothing() -> None:
    moved = pushed(b"sunsubscribe", b"s", b"0")
    with (
        server(answering(pushed(b"ssubscribe", b"s", b"1"), moved + pushed(b"subscribe", b"c", b"1"))) as url,
        kvcore.connect(url) as store,
        store.pubsub() as listener,
    ):
        listener.ssubscribe("s")
        listener.subscribe("c")
        listener._feed._link.wait_readable(10)  # type: ignore[attr-defined]
        listener.get_message()
        listener.get_message()
        assert listener._feed._subscribed == {b"": {b"c"}, b"p": set(), b"s": set()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("said", [b"-ERR go away\r\n", b"HTTP/1.1\r\n"])
def test_what_makes_no_sense_ends_the_listener(said: bytes) -> None:
    with server(answering(pushed(b"subscribe", b"c", b"1") + said)) as url, kvcore.connect(url) as store:
        listener = store.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("c")
        for _ in range(2):
            with pytest.raises(kvcore.ConnectionLostError, match=r"go away|no reply"):
                listener.get_message(timeout=5)


def test_a_confirmation_that_does_not_come_in_time() -> None:
    late = pytest.raises(kvcore.ReplyTimeoutError, match="no confirmation")
    with server(until_closed) as url, kvcore.connect(url, timeout=0.05) as store, late:
        store.pubsub().subscribe("c")


def test_an_error_that_is_raised_again_does_not_grow(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        listener = store.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("a")
        listener._feed._link.cut()  # type: ignore[attr-defined]
        depths = []
        for _ in range(4):
            with pytest.raises(kvcore.ConnectionLostError) as caught:
                listener.get_message(timeout=5)
            depths.append(len(traceback.extract_tb(caught.value.__traceback__)))
        assert depths[-1] == depths[-2]


LONG = [f"{number}".ljust(4000, "x") for number in range(2000)]
"""Names that no buffer between two processes holds."""


def test_a_thread_subscribes_to_more_than_the_buffers_hold(remote_url: str) -> None:
    with kvcore.connect(remote_url, timeout=20) as store, store.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("base")
        taking = threading.Thread(target=listener.get_message, kwargs={"timeout": 20})
        taking.start()
        listener.subscribe(*LONG)
        store.publish("base", "x")
        taking.join(20)
        assert not taking.is_alive()


async def test_tasks_subscribe_to_more_than_the_buffers_hold(remote_url: str) -> None:
    async with aio.connect(remote_url, timeout=20) as store, store.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe("base")
        taking = asyncio.create_task(listener.get_message(timeout=20))
        await asyncio.sleep(0)
        await asyncio.gather(listener.subscribe(*LONG), listener.subscribe("a"), listener.subscribe("b"))
        await store.publish("b", "x")
        message = await taking
        assert message is not None
        assert message["channel"] == b"b"


async def test_a_command_that_was_cancelled_half_sent_ends_the_listener() -> None:
    done = threading.Event()

    def reads_nothing(peer: socket.socket) -> None:
        done.wait(10)

    with server(reads_nothing) as url:
        async with aio.connect(url) as store, store.pubsub() as listener:
            subscribing = asyncio.create_task(listener.subscribe(*LONG * 4))
            while not listener._feed._asked:  # type: ignore[attr-defined]
                await asyncio.sleep(0.001)
            subscribing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await subscribing
            with pytest.raises(kvcore.ConnectionLostError, match="not sent to its end"):
                await listener.subscribe("a")
        done.set()
