"""TIME, SHUTDOWN, MONITOR and LASTSAVE on an engine with a clock that stands still."""

from __future__ import annotations

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replies import NO_REPLY
from tests.commands.conftest import Client


def test_time_and_lastsave(client: Client, clock: ManualClock) -> None:
    assert client("TIME") == [b"1700000000", b"0"]
    clock.advance(1500.25)
    assert client("TIME") == [b"1700000001", b"500250"]
    assert client("LASTSAVE") == 1_700_000_000


def test_shutdown_asks_the_front_end(client: Client, engine: Engine) -> None:
    asked: list[str] = []
    assert client.error("SHUTDOWN", "NOSAVE") == "ERR Errors trying to SHUTDOWN. Check logs."
    engine.on_shutdown = lambda: asked.append("stop")
    assert client.error("SHUTDOWN", "ABORT") == "ERR No shutdown in progress."
    assert client.error("SHUTDOWN", "SAVE", "NOSAVE") == "ERR syntax error"
    assert asked == []
    assert client("SHUTDOWN", "nosave", "NOW", "force") is NO_REPLY
    assert asked == ["stop"]


def test_monitor_sees_what_others_run(client: Client, other: Client) -> None:
    assert client("MONITOR") == "OK"
    assert client("MONITOR") is NO_REPLY
    other("SELECT", 1)
    other("SET", "k", "v")
    other("AUTH", "secret")
    assert client.session.outbox == [
        '1700000000.000000 [1 127.0.0.1:0] "SELECT" "1"',
        '1700000000.000000 [1 127.0.0.1:0] "SET" "k" "v"',
        '1700000000.000000 [1 127.0.0.1:0] "AUTH" "(redacted)"',
    ]


def test_monitor_is_refused_in_a_transaction(client: Client, engine: Engine) -> None:
    client("MULTI")
    client("MONITOR")
    (reply,) = client("EXEC")
    assert str(reply) == "ERR MONITOR isn't allowed for DENY BLOCKING client"
    assert not engine.monitors
