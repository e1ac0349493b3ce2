"""Publish and subscribe: confirmations, delivery, subscriber mode, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.replies import NO_REPLY, Push, Reply
from kvcore.session import SUBSCRIBED

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from tests.commands.conftest import Client


def heard(client: Client) -> list[Reply]:
    """Take what came to the client's outbox; all of it must be pushes."""
    outbox = client.session.outbox[:]
    client.session.outbox.clear()
    assert all(type(item) is Push for item in outbox)
    return outbox


def sent(client: Client, *words: str) -> list[Reply]:
    """Run a command that answers with pushes only; return them."""
    assert client(*words) is NO_REPLY
    return heard(client)


def test_every_channel_is_confirmed_with_the_count(client: Client) -> None:
    assert sent(client, "SUBSCRIBE", "a", "b", "a") == [
        [b"subscribe", b"a", 1],
        [b"subscribe", b"b", 2],
        [b"subscribe", b"a", 2],
    ]
    assert sent(client, "PSUBSCRIBE", "a*") == [[b"psubscribe", b"a*", 3]]
    assert sent(client, "SSUBSCRIBE", "s", "t") == [[b"ssubscribe", b"s", 1], [b"ssubscribe", b"t", 2]]
    assert sent(client, "UNSUBSCRIBE", "a", "nothing") == [
        [b"unsubscribe", b"a", 2],
        [b"unsubscribe", b"nothing", 2],
    ]
    assert sent(client, "PUNSUBSCRIBE", "a*") == [[b"punsubscribe", b"a*", 1]]
    assert sent(client, "SUNSUBSCRIBE", "s") == [[b"sunsubscribe", b"s", 1]]


def test_leaving_all(client: Client) -> None:
    client("SUBSCRIBE", "a", "b")
    client("PSUBSCRIBE", "p", "q")
    client("SSUBSCRIBE", "s")
    heard(client)
    assert sent(client, "UNSUBSCRIBE") == [[b"unsubscribe", b"a", 3], [b"unsubscribe", b"b", 2]]
    assert sent(client, "PUNSUBSCRIBE") == [[b"punsubscribe", b"p", 1], [b"punsubscribe", b"q", 0]]
    assert sent(client, "SUNSUBSCRIBE") == [[b"sunsubscribe", b"s", 0]]


def test_leaving_nothing_answers_once(client: Client) -> None:
    assert sent(client, "UNSUBSCRIBE") == [[b"unsubscribe", None, 0]]
    assert sent(client, "PUNSUBSCRIBE") == [[b"punsubscribe", None, 0]]
    assert sent(client, "SUNSUBSCRIBE") == [[b"sunsubscribe", None, 0]]
    client("PSUBSCRIBE", "p")
    heard(client)
    assert sent(client, "UNSUBSCRIBE") == [[b"unsubscribe", None, 1]]


def test_messages_reach_channels_and_patterns(client: Client, other: Client) -> None:
    client("SUBSCRIBE", "news")
    client("PSUBSCRIBE", "n*", "[mn]ews", "x*")
    heard(client)
    assert other("PUBLISH", "news", "hello") == 3
    assert heard(client) == [
        [b"message", b"news", b"hello"],
        [b"pmessage", b"n*", b"news", b"hello"],
        [b"pmessage", b"[mn]ews", b"news", b"hello"],
    ]
    assert other("PUBLISH", "nothing", "hello") == 1
    assert other("PUBLISH", "silence", "hello") == 0


def test_shard_channels_are_a_world_of_their_own(client: Client, other: Client) -> None:
    client("SSUBSCRIBE", "c")
    client("PSUBSCRIBE", "*")
    heard(client)
    assert other("SPUBLISH", "c", "m") == 1
    assert heard(client) == [[b"smessage", b"c", b"m"]]
    assert other("SPUBLISH", "d", "m") == 0
    assert other("PUBLISH", "c", "m") == 1
    assert heard(client) == [[b"pmessage", b"*", b"c", b"m"]]


def test_listeners_hear_in_order_of_subscription(engine: Engine, client: Client, other: Client) -> None:
    order: list[str] = []
    client("SUBSCRIBE", "c")
    other("SUBSCRIBE", "c")
    client.session.wake = lambda: order.append("client")
    other.session.wake = lambda: order.append("other")
    assert engine.pubsub.publish(b"c", b"m") == 2
    assert order == ["client", "other"]


def test_resp2_subscribers_may_do_little_else(client: Client) -> None:
    client("SUBSCRIBE", "a")
    assert client.error("GET", "k") == (
        "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
        "in this context"
    )
    assert client.error("PUBSUB", "NUMPAT").startswith("ERR Can't execute 'pubsub|numpat': ")
    assert client.error("GET") == "ERR wrong number of arguments for 'get' command"
    assert client("PING") == [b"pong", b""]
    assert client("SSUBSCRIBE", "s") is NO_REPLY
    assert client("UNSUBSCRIBE") is NO_REPLY
    assert isinstance(client("GET", "k"), Exception)
    client("SUNSUBSCRIBE")
    assert client("GET", "k") is None


@pytest.mark.parametrize("kind", ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"])
def test_subscriber_mode_lasts_as_long_as_a_subscription(client: Client, kind: str) -> None:
    session = client.session
    client(kind, "a", "b")
    assert session.gate & SUBSCRIBED
    assert session.kind == "pubsub"
    leave = kind.replace("SUB", "UNSUB")
    client(leave, "a")
    assert session.gate & SUBSCRIBED
    client(leave, "b")
    assert not session.gate & SUBSCRIBED
    assert session.kind == "normal"


def test_resp3_subscribers_may_do_anything(client: Client) -> None:
    client.session.protocol = 3
    client("SUBSCRIBE", "a")
    heard(client)
    assert client("SET", "k", "v") == "OK"
    assert client("PUBLISH", "a", "to myself") == 1
    assert heard(client) == [[b"message", b"a", b"to myself"]]


def test_reset_ends_subscriptions_without_a_word(client: Client, other: Client) -> None:
    client("SUBSCRIBE", "a")
    client("PSUBSCRIBE", "*")
    client("SSUBSCRIBE", "a")
    heard(client)
    assert client("RESET") == "RESET"
    assert client.session.outbox == []
    assert (other("PUBLISH", "a", "m"), other("SPUBLISH", "a", "m")) == (0, 0)
    assert client("GET", "k") is None


def test_a_client_that_leaves_hears_nothing(engine: Engine, client: Client, other: Client) -> None:
    client("SUBSCRIBE", "a")
    client("PSUBSCRIBE", "*")
    client("SSUBSCRIBE", "a")
    engine.drop(client.session)
    hub = engine.pubsub
    assert (hub.channels, hub.patterns, hub.shard_channels) == ({}, {}, {})
    assert other("PUBLISH", "a", "m") == 0


def test_pubsub_looks_at_subscriptions(client: Client, other: Client) -> None:
    client("SUBSCRIBE", "a", "b")
    client("PSUBSCRIBE", "a*", "b*")
    client("SSUBSCRIBE", "s")
    third = type(client)(client.engine)
    third("SUBSCRIBE", "a")
    third("PSUBSCRIBE", "a*")
    assert other("PUBSUB", "CHANNELS") == [b"a", b"b"]
    assert other("PUBSUB", "CHANNELS", "[bc]") == [b"b"]
    assert other("PUBSUB", "NUMSUB", "a", "b", "c") == [b"a", 2, b"b", 1, b"c", 0]
    assert other("PUBSUB", "NUMSUB") == []
    assert other("PUBSUB", "NUMPAT") == 2
    assert other("PUBSUB", "SHARDCHANNELS") == [b"s"]
    assert other("PUBSUB", "SHARDCHANNELS", "x*") == []
    assert other("PUBSUB", "SHARDNUMSUB", "s", "a") == [b"s", 1, b"a", 0]


def test_pubsub_errors(client: Client) -> None:
    assert client.error("PUBSUB") == "ERR wrong number of arguments for 'pubsub' command"
    assert client.error("PUBSUB", "NOSUCH") == "ERR unknown subcommand 'NOSUCH'. Try PUBSUB HELP."
    assert client.error("PUBSUB", "NUMPAT", "x") == "ERR wrong number of arguments for 'pubsub|numpat' command"
    assert client.error("PUBSUB", "channels", "a", "b") == (
        "ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP."
    )
    assert client.error("SUBSCRIBE") == "ERR wrong number of arguments for 'subscribe' command"
    assert client.error("PUBLISH", "a") == "ERR wrong number of arguments for 'publish' command"


def test_pubsub_help_lists_every_subcommand(client: Client) -> None:
    lines = client("PUBSUB", "HELP")
    listed = {line.split()[0] for line in lines[1:] if not line.startswith(" ")}
    assert listed == {"CHANNELS", "NUMPAT", "NUMSUB", "SHARDCHANNELS", "SHARDNUMSUB", "HELP"}


def test_messages_pass_on_to_replicas(client: Client, effects: list[list[bytes]]) -> None:
    client("PUBLISH", "a", "m")
    client("SPUBLISH", "b", "n")
    assert effects == [[b"PUBLISH", b"a", b"m"], [b"SPUBLISH", b"b", b"n"]]


def test_a_pause_for_writes_holds_messages_back(client: Client, other: Client, engine: Engine) -> None:
    client("SUBSCRIBE", "a")
    heard(client)
    other("CLIENT", "PAUSE", 1000, "WRITE")
    other("PUBLISH", "a", "m")
    assert heard(client) == []
    engine.unpause()
    assert heard(client) == [[b"message", b"a", b"m"]]
    assert other.delivered == [1]


def test_keyspace_events_are_messages(client: Client, other: Client, engine: Engine) -> None:
    engine.config.set("notify-keyspace-events", "KEl")
    client("PSUBSCRIBE", "__key*")
    heard(client)
    other("RPUSH", "k", "v")
    assert heard(client) == [
        [b"pmessage", b"__key*", b"__keyspace@0__:k", b"rpush"],
        [b"pmessage", b"__key*", b"__keyevent@0__:rpush", b"k"],
    ]


def test_ssubscribe_is_refused_in_a_transaction(client: Client) -> None:
    client("MULTI")
    client("SSUBSCRIBE", "s")
    (reply,) = client("EXEC")
    assert str(reply) == "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"
    assert not client.session.shard_channels
