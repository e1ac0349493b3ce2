"""Groups: who owes what, claims by the clock, what is propagated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.clock import ManualClock
from kvcore.datatypes.stream import Stream
from kvcore.engine import Engine
from kvcore.replies import NULL_ARRAY
from tests.commands.conftest import Client

if TYPE_CHECKING:
    from kvcore.replies import Reply

Effects = list[list[bytes]]

START_MS = ManualClock().now_us() // 1000
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def grouped(client: Client) -> Client:
    """A stream ``s`` of five entries; consumer ``a`` of group ``g`` owes the first four."""
    for number in range(1, 6):
        client("XADD", "s", number, "f", number)
    client("XGROUP", "CREATE", "s", "g", 0)
    client("XREADGROUP", "GROUP", "g", "a", "COUNT", 4, "STREAMS", "s", ">")
    return client


def pending(client: Client, *options: str | int) -> Reply:
    return client("XPENDING", "s", "g", *options, "-", "+", 10)


def test_groups_come_and_go(client: Client) -> None:
    assert client.error("XGROUP", "CREATE", "s", "g", "$").startswith("ERR The XGROUP subcommand requires the key")
    assert client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM") == "OK"
    assert client.error("XGROUP", "CREATE", "s", "g", "$") == "BUSYGROUP Consumer Group name already exists"
    assert client("XGROUP", "CREATECONSUMER", "s", "g", "c") == 1
    assert client("XGROUP", "CREATECONSUMER", "s", "g", "c") == 0
    assert client("XGROUP", "SETID", "s", "g", "5-5", "ENTRIESREAD", 3) == "OK"
    assert client("XINFO", "GROUPS", "s")[0][b"last-delivered-id"] == b"5-5"
    assert client("XGROUP", "DELCONSUMER", "s", "g", "c") == 0
    assert client("XGROUP", "DESTROY", "s", "g") == 1
    assert client("XGROUP", "DESTROY", "s", "g") == 0
    assert client.error("XGROUP", "SETID", "s", "g", 1) == "NOGROUP No such consumer group 'g' for key name 's'"


def test_pending_entries(grouped: Client, clock: ManualClock) -> None:
    assert grouped("XPENDING", "s", "g") == [4, b"1-0", b"4-0", [[b"a", b"4"]]]
    clock.advance(30)
    assert pending(grouped)[0] == [b"1-0", b"a", 30, 1]
    assert pending(grouped, "IDLE", 31) == []
    assert len(pending(grouped, "IDLE", 30)) == 4
    assert grouped("XPENDING", "s", "g", "(1", 3, 1) == [[b"2-0", b"a", 30, 1]]
    assert grouped("XPENDING", "s", "g", "-", "+", 9, "nobody") == []
    assert grouped("XACK", "s", "g", 1, 1, 2, 9) == 2
    assert grouped("XGROUP", "DELCONSUMER", "s", "g", "a") == 2
    assert grouped("XPENDING", "s", "g") == [0, None, None, NULL_ARRAY]


def test_claims_respect_the_idle_time(grouped: Client, clock: ManualClock) -> None:
    clock.advance(50)
    assert grouped("XCLAIM", "s", "g", "b", 51, 1, 2) == []
    assert [group[b"consumers"] for group in grouped("XINFO", "GROUPS", "s")] == [1]
    assert grouped("XCLAIM", "s", "g", "b", 50, 2) == [[b"2-0", [b"f", b"2"]]]
    assert grouped("XCLAIM", "s", "g", "b", 0, 3, "JUSTID", "IDLE", 20) == [b"3-0"]
    assert pending(grouped) == [
        [b"1-0", b"a", 50, 1],
        [b"2-0", b"b", 0, 2],
        [b"3-0", b"b", 20, 1],
        [b"4-0", b"a", 50, 1],
    ]
    assert grouped("XAUTOCLAIM", "s", "g", "c", 40, 0, "COUNT", 1) == [b"2-0", [[b"1-0", [b"f", b"1"]]], []]
    grouped("XDEL", "s", 4)
    assert grouped("XAUTOCLAIM", "s", "g", "c", 40, 2, "JUSTID") == [b"0-0", [], [b"4-0"]]


def test_the_automatic_claim_looks_at_ten_for_each_it_may_take(client: Client, clock: ManualClock) -> None:
    for number in range(1, 31):
        client("XADD", "s", number, "f", "v")
    client("XGROUP", "CREATE", "s", "g", 0)
    client("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    assert client("XAUTOCLAIM", "s", "g", "b", 1000, 0, "COUNT", 2) == [b"21-0", [], []]
    assert client("XAUTOCLAIM", "s", "g", "b", 1000, 21, "COUNT", 2) == [b"0-0", [], []]


def test_forced_claims_need_the_entry(grouped: Client) -> None:
    assert grouped("XCLAIM", "s", "g", "b", 0, 5) == []
    assert grouped("XCLAIM", "s", "g", "b", 0, 9, "FORCE") == []
    assert grouped("XCLAIM", "s", "g", "b", 0, 5, "FORCE") == [[b"5-0", [b"f", b"5"]]]
    assert pending(grouped)[-1] == [b"5-0", b"b", 0, 2]


@pytest.mark.parametrize(
    ("line", "propagated"),
    [
        ("XACK s g 1 9", ["XACK s g 1 9"]),
        ("XACK s g 9", []),
        ("XCLAIM s g b 0 1", [f"XCLAIM s g b 0 1 TIME {START_MS} RETRYCOUNT 2 FORCE JUSTID LASTID 4-0"]),
        ("XCLAIM s g b 0 1 LASTID 9", [f"XCLAIM s g b 0 1 TIME {START_MS} RETRYCOUNT 2 FORCE JUSTID LASTID 9-0"]),
        ("XCLAIM s g b 9 1", []),
        ("XCLAIM s g b 0 9 LASTID 9", ["XGROUP SETID s g 9-0 ENTRIESREAD 4"]),
        (
            "XAUTOCLAIM s g b 0 3 COUNT 1",
            [f"XCLAIM s g b 0 3-0 TIME {START_MS} RETRYCOUNT 2 FORCE JUSTID LASTID 4-0"],
        ),
        ("XAUTOCLAIM s g b 9 0", []),
        ("XGROUP CREATECONSUMER s g b", ["XGROUP CREATECONSUMER s g b"]),
        ("XGROUP CREATECONSUMER s g a", []),
        ("XGROUP DELCONSUMER s g b", []),
        ("XGROUP SETID s g $", ["XGROUP SETID s g $"]),
        ("XGROUP DESTROY s g", ["XGROUP DESTROY s g"]),
        ("XGROUP DESTROY s h", []),
    ],
)
def test_what_is_propagated(grouped: Client, effects: Effects, line: str, propagated: list[str]) -> None:
    grouped(*line.split())
    assert [b" ".join(argv).decode() for argv in effects] == propagated


def test_claims_of_deleted_entries_remove_them_elsewhere(grouped: Client, effects: Effects) -> None:
    grouped("XDEL", "s", 1)
    effects.clear()
    assert grouped("XCLAIM", "s", "g", "b", 99, 1) == []
    assert [b" ".join(argv)[:16] for argv in effects] == [b"XCLAIM s g a 0 1"]
    assert len(pending(grouped)) == 3


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XGROUP CREATE s h 1 x", "ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP."),
        ("XGROUP CREATE s h 1 ENTRIESREAD -2", "ERR value for ENTRIESREAD must be positive or -1"),
        ("XCLAIM s h c 0 1", "NOGROUP No such key 's' or consumer group 'h'"),
        ("XCLAIM s g c x 1", "ERR Invalid min-idle-time argument for XCLAIM"),
        ("XCLAIM s g c 0 1 IDLE x", "ERR Invalid IDLE option argument for XCLAIM"),
        ("XCLAIM s g c 0 1 what", "ERR Unrecognized XCLAIM option 'what'"),
        ("XAUTOCLAIM s g c x 1", "ERR Invalid min-idle-time argument for XAUTOCLAIM"),
        ("XAUTOCLAIM s g c 0 1 COUNT 0", "ERR COUNT must be > 0"),
        ("XPENDING s h", "NOGROUP No such key 's' or consumer group 'h'"),
        ("XPENDING s g - +", "ERR syntax error"),
        ("XPENDING s g - (0 1 x x x x", "ERR syntax error"),
        ("XACK s g x", "ERR Invalid stream ID specified as stream command argument"),
        ("XACK text g 1", WRONG_TYPE),
        ("XPENDING text g", WRONG_TYPE),
        ("XGROUP CREATE text g $", WRONG_TYPE),
    ],
)
def test_errors(grouped: Client, line: str, error: str) -> None:
    grouped("SET", "text", "x")
    assert grouped.error(*line.split()) == error


def test_help_names_the_subcommands(client: Client) -> None:
    lines = client("XGROUP", "HELP")
    names = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert names == ["XGROUP", "CREATE", "CREATECONSUMER", "DELCONSUMER", "DESTROY", "SETID", "HELP"]


IDS = st.integers(1, 9).map(str)
NAMES = st.sampled_from(["a", "b"])
LINES = st.one_of(
    st.builds("XADD s {0}-* f v".format, IDS),
    st.builds("XADD s MAXLEN ~ 2 * f v".format),
    st.builds("XTRIM s MINID ~ {0}".format, IDS),
    st.builds("XDEL s {0}".format, IDS),
    st.builds("XREADGROUP GROUP g {0} COUNT 2 STREAMS s >".format, NAMES),
    st.builds("XREADGROUP GROUP g {0} NOACK COUNT 1 STREAMS s >".format, NAMES),
    st.builds("XACK s g {0}".format, IDS),
    st.builds("XCLAIM s g {0} 0 {1} {2} FORCE LASTID {2}".format, NAMES, IDS, IDS),
    st.builds("XAUTOCLAIM s g {0} 0 {1} COUNT 2".format, NAMES, IDS),
    st.builds("XGROUP DELCONSUMER s g {0}".format, NAMES),
)


@given(lines=st.lists(LINES, max_size=40))
def test_what_is_propagated_leads_to_the_same_stream(lines: list[str]) -> None:
    clock = ManualClock()
    primary, replica = Client(Engine(clock=clock)), Client(Engine(clock=clock))
    replica.session.kind = "master"
    log: Effects = []
    primary.engine.subscribe(lambda unit: log.extend(argv for _, argv in unit))
    for client in (primary, replica):
        client.engine.config.set("stream-node-max-entries", "2")
    primary("XGROUP", "CREATE", "s", "g", 0, "MKSTREAM")
    for line in lines:
        clock.advance(3)
        primary(*line.split())
    for argv in log:
        reply = replica(*argv)
        assert not isinstance(reply, Exception), argv
    for words in (("XRANGE", "s", "-", "+"), ("XPENDING", "s", "g"), ("XINFO", "STREAM", "s")):
        assert primary(*words) == replica(*words)
    groups = []
    for client in (primary, replica):
        stream = client.engine.keyspace.databases[0].read_as(b"s", Stream)
        assert stream is not None
        stream.check()
        group = stream.groups[b"g"]
        owed = {
            number: (entry.consumer.name, entry.delivered_ms, entry.deliveries)
            for number, entry in group.pending.items()
        }
        groups.append((group.last_id, owed))
    assert groups[0] == groups[1]
