"""Publish and subscribe beside the real server, in RESP2 and RESP3."""

from __future__ import annotations

import pytest

from tests.oracle.harness import NOTHING, Pair, check

CONFIRMED = [
    ("UNSUBSCRIBE", 1),
    ("PUNSUBSCRIBE", 1),
    ("SUNSUBSCRIBE", 1),
    ("UNSUBSCRIBE x y", 2),
    ("PUNSUBSCRIBE x", 1),
    ("SUNSUBSCRIBE x", 1),
    ("SUBSCRIBE a b a", 3),
    ("PSUBSCRIBE a* [ab]c a*", 3),
    ("SSUBSCRIBE s t s", 3),
    ("UNSUBSCRIBE b nothing", 2),
    ("PUNSUBSCRIBE [ab]c", 1),
    ("SUNSUBSCRIBE t", 1),
    ("UNSUBSCRIBE", 1),
    ("UNSUBSCRIBE", 1),
    ("PUNSUBSCRIBE", 1),
    ("SUNSUBSCRIBE", 1),
    ("SUNSUBSCRIBE", 1),
]


def confirmed(client: Pair, line: str, messages: int) -> None:
    """Send a command that answers with messages only; compare each."""
    client.send(*line.split())
    for _ in range(messages):
        client.read_push()


@pytest.mark.parametrize("protocol", [2, 3])
def test_confirmations(wire_pair: Pair, protocol: int) -> None:
    client = wire_pair.client(protocol=protocol)
    for line, messages in CONFIRMED:
        confirmed(client, line, messages)
    client.both("GET", "k")


@pytest.mark.parametrize("protocol", [2, 3])
def test_messages(wire_pair: Pair, protocol: int) -> None:
    client = wire_pair.client(protocol=protocol)
    confirmed(client, "SUBSCRIBE news a", 2)
    confirmed(client, "PSUBSCRIBE n*", 1)
    confirmed(client, "SSUBSCRIBE news", 1)
    assert wire_pair.both("PUBLISH", "news", b"m\r\n\x00") == 2
    assert wire_pair.both("PUBLISH", "a", "") == 1
    assert wire_pair.both("PUBLISH", "n", "only the pattern") == 1
    assert wire_pair.both("PUBLISH", "silence", "m") == 0
    assert wire_pair.both("SPUBLISH", "news", "sharded") == 1
    assert wire_pair.both("SPUBLISH", "a", "nobody") == 0
    for _ in range(5):
        client.read_push()


def test_resp2_subscribers_may_do_little_else(wire_pair: Pair) -> None:
    client = wire_pair.client(protocol=2)
    confirmed(client, "SUBSCRIBE a", 1)
    for line in (
        "GET k",
        "GET",
        "NOSUCH",
        "PUBLISH a m",
        "PUBSUB CHANNELS",
        "CLIENT INFO",
        "MULTI",
        "PING",
        "PING hello",
        "PING a b",
        "SUBSCRIBE",
        "RESET",
        "PING",
        "GET k",
    ):
        client.both(*line.split())
    confirmed(client, "SSUBSCRIBE a", 1)
    client.both("GET", "k")
    confirmed(client, "UNSUBSCRIBE", 1)
    client.both("GET", "k")
    confirmed(client, "SUNSUBSCRIBE", 1)
    client.both("GET", "k")
    client.both("QUIT")


def test_resp3_subscribers_may_do_anything(wire_pair: Pair) -> None:
    client = wire_pair.client(protocol=3)
    confirmed(client, "SUBSCRIBE a", 1)
    client.both("SET", "k", "v")
    client.both("PING")
    client.send("PUBLISH", "a", "to myself")
    assert client.read_push() == [b"message", b"a", b"to myself"]
    assert client.read() == 1
    client.both("RESET")
    assert wire_pair.both("PUBLISH", "a", "m") == 0


def test_looking(wire_pair: Pair) -> None:
    for number in range(2):
        client = wire_pair.client()
        confirmed(client, "SUBSCRIBE a b", 2)
        confirmed(client, f"PSUBSCRIBE a* {number}*", 2)
        confirmed(client, "SSUBSCRIBE s", 1)
    check(
        wire_pair,
        """
        ~ PUBSUB CHANNELS
        PUBSUB CHANNELS a*
        PUBSUB CHANNELS x*
        PUBSUB NUMSUB a b c
        PUBSUB NUMSUB
        PUBSUB NUMPAT
        PUBSUB SHARDCHANNELS
        PUBSUB SHARDCHANNELS x*
        PUBSUB SHARDNUMSUB s a
        PUBSUB SHARDNUMSUB
        PUBSUB
        PUBSUB NOSUCH
        PUBSUB NUMPAT x
        PUBSUB CHANNELS a b
        PUBSUB shardchannels a b
        SUBSCRIBE
        PSUBSCRIBE
        SSUBSCRIBE
        PUBLISH a
        SPUBLISH a
    """,
    )
    client.close()
    wire_pair.wait_until(("PUBSUB", "NUMSUB", "a"), [b"a", 1])
    wire_pair.both("PUBSUB", "NUMPAT")


def test_help_has_the_same_subcommands(pair: Pair) -> None:
    both = [reply.native() for reply in pair.ask("PUBSUB", "HELP")]
    oracle, kvcore = ({line for line in lines if not line.startswith(" ")} for lines in both)
    assert kvcore == oracle


def test_shard_channels_in_a_transaction(wire_pair: Pair) -> None:
    check(
        wire_pair,
        """
        MULTI
        SSUBSCRIBE s
        SPUBLISH s hello
        GET k
        EXEC
        PUBSUB SHARDNUMSUB s
        MULTI
        SUNSUBSCRIBE
        SPUBLISH s hello
        EXEC
    """,
    )


def test_shard_messages_stay_on_shard_channels(wire_pair: Pair) -> None:
    listener, follower = wire_pair.client(), wire_pair.client()
    confirmed(listener, "SSUBSCRIBE ch", 1)
    confirmed(follower, "PSUBSCRIBE *", 1)
    assert wire_pair.both("SPUBLISH", "ch", "shard") == 1
    assert wire_pair.both("PUBLISH", "ch", "plain") == 1
    assert listener.read_push() == [b"smessage", b"ch", b"shard"]
    assert follower.read_push() == [b"pmessage", b"*", b"ch", b"plain"]
    assert listener.read_push(0.05) is NOTHING
    confirmed(listener, "SUBSCRIBE ch", 1)
    confirmed(listener, "UNSUBSCRIBE", 1)
    if wire_pair.protocol == 2:
        listener.both("GET", "k")  # still in subscriber mode for the shard channel
    confirmed(listener, "SUNSUBSCRIBE nosuch", 1)
    confirmed(listener, "SUNSUBSCRIBE", 1)
    listener.both("GET", "k")
    assert wire_pair.both("SPUBLISH", "ch", "nobody") == 0
