"""XINFO: ages by the clock, nothing changed by looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kvcore.clock import ManualClock
    from kvcore.engine import Engine
    from tests.commands.conftest import Client


@pytest.fixture
def grouped(client: Client) -> Client:
    """A stream ``s`` of three entries, two of which consumer ``c`` of group ``g`` owes."""
    for number in (1, 2, 3):
        client("XADD", "s", number, "f", number)
    client("XGROUP", "CREATE", "s", "g", 0)
    client("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", ">")
    return client


def test_a_stream(grouped: Client) -> None:
    assert grouped("XINFO", "STREAM", "s") == {
        b"length": 3,
        b"radix-tree-keys": 1,
        b"radix-tree-nodes": 2,
        b"last-generated-id": b"3-0",
        b"max-deleted-entry-id": b"0-0",
        b"entries-added": 3,
        b"recorded-first-entry-id": b"1-0",
        b"groups": 1,
        b"first-entry": [b"1-0", [b"f", b"1"]],
        b"last-entry": [b"3-0", [b"f", b"3"]],
    }


def test_a_stream_in_full(grouped: Client, engine: Engine) -> None:
    now = engine.now_ms()
    reply = grouped("XINFO", "STREAM", "s", "FULL", "COUNT", 1)
    assert reply[b"entries"] == [[b"1-0", [b"f", b"1"]]]
    assert reply[b"groups"] == [
        {
            b"name": b"g",
            b"last-delivered-id": b"2-0",
            b"entries-read": 2,
            b"lag": 1,
            b"pel-count": 2,
            b"pending": [[b"1-0", b"c", now, 1]],
            b"consumers": [{b"name": b"c", b"seen-time": now, b"pel-count": 2, b"pending": [[b"1-0", now, 1]]}],
        }
    ]
    assert len(grouped("XINFO", "STREAM", "s", "FULL", "COUNT", 0)[b"entries"]) == 3


def test_groups(grouped: Client) -> None:
    grouped("XGROUP", "CREATE", "s", "after", 2)
    reply = grouped("XINFO", "GROUPS", "s")
    assert [group[b"name"] for group in reply] == [b"after", b"g"]
    assert reply[0][b"entries-read"] is None
    assert reply[0][b"lag"] is None
    assert reply[1] == {
        b"name": b"g",
        b"consumers": 1,
        b"pending": 2,
        b"last-delivered-id": b"2-0",
        b"entries-read": 2,
        b"lag": 1,
    }


def test_looking_does_not_count_as_being_seen(grouped: Client, clock: ManualClock) -> None:
    for idle in (70, 140):
        clock.advance(70)
        grouped("XPENDING", "s", "g", "-", "+", 10, "c")
        assert grouped("XINFO", "CONSUMERS", "s", "g") == [{b"name": b"c", b"pending": 2, b"idle": idle}]
    grouped("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", 0)
    assert grouped("XINFO", "CONSUMERS", "s", "g")[0][b"idle"] == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("STREAM", "none"), "ERR no such key"),
        (("GROUPS", "none"), "ERR no such key"),
        (("CONSUMERS", "none", "g"), "ERR no such key"),
        (("CONSUMERS", "s", "h"), "NOGROUP No such consumer group 'h' for key name 's'"),
        (("STREAM", "s", "x"), "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
        (("STREAM", "s", "FULL", "COUNT", "x"), "ERR value is not an integer or out of range"),
    ],
)
def test_errors(grouped: Client, words: tuple[str, ...], error: str) -> None:
    assert grouped.error("XINFO", *words) == error


def test_help_names_the_subcommands(client: Client) -> None:
    lines = client("XINFO", "HELP")
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "XINFO",
        "CONSUMERS",
        "GROUPS",
        "STREAM",
        "HELP",
    ]
