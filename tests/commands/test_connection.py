"""Passwords, protocol and state of one connection, on an engine without sockets."""

from __future__ import annotations

import pytest

from kvcore.commands.connection import valid_name
from kvcore.engine import Engine
from kvcore.replies import NO_REPLY
from kvcore.session import CLOSE, NEEDS_AUTH, REPLY_OFF, SWITCHED
from tests.commands.conftest import Client

PASSWORD = "s\udcc3cret"  # not UTF-8: any byte may be in a password


@pytest.fixture
def outsider(engine: Engine) -> Client:
    """A client of an engine with a password, not logged in."""
    engine.config.set("requirepass", PASSWORD)
    return Client(engine)


def test_names() -> None:
    assert valid_name(b"")
    assert valid_name(b"!~")
    for name in (b"a b", b"a\n", b"\x7f", b"\xff", b"\0"):
        assert not valid_name(name)


def test_auth(outsider: Client) -> None:
    assert outsider.error("PING") == "NOAUTH Authentication required."
    assert outsider.error("AUTH", "wrong").startswith("WRONGPASS ")
    assert outsider("AUTH", b"s\xc3cret") == "OK"
    assert outsider("PING") == "PONG"
    assert outsider.error("AUTH", "nobody", b"s\xc3cret").startswith("WRONGPASS ")
    assert outsider("PING") == "PONG"


def test_auth_redacts_what_others_see(outsider: Client) -> None:
    argv = [b"AUTH", b"default", b"s\xc3cret"]
    assert outsider.engine.execute(outsider.session, argv) == "OK"
    assert argv == [b"AUTH", b"(redacted)", b"(redacted)"]
    argv = [b"HELLO", b"3", b"AUTH", b"default", b"s\xc3cret", b"SETNAME", b"x"]
    outsider.engine.execute(outsider.session, argv)
    assert argv == [b"HELLO", b"3", b"AUTH", b"(redacted)", b"(redacted)", b"SETNAME", b"x"]


def test_a_password_set_later_leaves_clients_in(client: Client) -> None:
    client.engine.config.set("requirepass", "x")
    assert client("PING") == "PONG"


def test_no_password_lets_everybody_in(outsider: Client) -> None:
    assert outsider.session.gate & NEEDS_AUTH
    outsider.engine.config.set("requirepass", "")
    assert outsider("PING") == "PONG"


def test_hello(outsider: Client) -> None:
    assert outsider.error("HELLO", 3).startswith("NOAUTH HELLO must be called")
    assert outsider.session.protocol == 2
    reply = outsider("HELLO", 3, "AUTH", "default", b"s\xc3cret", "SETNAME", "me")
    assert reply[b"proto"] == 3
    assert reply[b"id"] == outsider.session.id
    assert reply[b"version"] == b"7.0.15"
    assert outsider.session.interrupt & SWITCHED
    assert outsider.session.name == b"me"


def test_quit_closes_after_the_reply(client: Client) -> None:
    assert client("QUIT", "x") == "OK"
    assert client.session.interrupt & CLOSE


def test_reset(client: Client, other: Client) -> None:
    client("SELECT", 2)
    client("CLIENT", "SETNAME", "me")
    client("HELLO", 3)
    assert client("CLIENT", "REPLY", "OFF") is NO_REPLY
    client("MONITOR")
    client("WATCH", "k")
    client("MULTI")
    client("SET", "k", 1)
    assert client("RESET") == "RESET"
    session = client.session
    assert session.protocol == 2
    assert session.name == b""
    assert session.multi is None
    assert not session.watched
    assert not session.interrupt & REPLY_OFF
    assert not session.monitor
    assert not client.engine.monitors
    assert session.call.db.index == 0
    other("SET", "k", 2)
    assert client("GET", "k") == b"2"
    client("SUBSCRIBE", "ch")
    assert client("RESET") == "RESET"
    assert other("PUBLISH", "ch", "m") == 0
    assert client("GET", "k") == b"2"


def test_reset_logs_out(outsider: Client) -> None:
    outsider("AUTH", b"s\xc3cret")
    outsider("RESET")
    assert outsider.error("GET", "k") == "NOAUTH Authentication required."


def test_ping_in_subscriber_mode(client: Client) -> None:
    client("SUBSCRIBE", "ch")
    assert client("PING") == [b"pong", b""]
    assert client("PING", "x") == [b"pong", b"x"]
    assert client.error("PING", "x", "y") == "ERR wrong number of arguments for 'ping' command"


def test_select(client: Client) -> None:
    assert client("SELECT", 15) == "OK"
    assert client.session.call.db.index == 15
    assert client.error("SELECT", 16) == "ERR DB index is out of range"
    assert client.session.call.db.index == 15
