"""XREAD and XREADGROUP that wait, beside the real server: who wakes, with what, and who waits on."""

from __future__ import annotations

import re

import pytest

from tests.oracle.harness import NOTHING, Pair, check

READ = "XREAD BLOCK 0 STREAMS s $"
READ_GROUP = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"


def blocked_clients(pair: Pair) -> int:
    """Return how many clients wait, which must be as many on both sides."""
    replies = pair.ask("INFO", "clients")
    oracle, kvcore = (re.search(r"blocked_clients:(\d+)", reply.text.decode()) for reply in replies)
    assert oracle is not None
    assert kvcore is not None
    assert oracle[1] == kvcore[1]
    return int(oracle[1])


def waiting(pair: Pair, *lines: str) -> list[Pair]:
    """Make the stream ``s`` with the group ``g`` and let one client wait for each line."""
    check(pair, "XADD s 1 n 1\nXGROUP CREATE s g $")
    waiters = []
    for count, line in enumerate(lines, 1):
        waiter = pair.client()
        waiter.send(*line.split())
        pair.wait_blocked(count)
        waiters.append(waiter)
    return waiters


WAKING = [
    "XADD s 2 n 2",
    "XADD s 2 n 2 m 3",
    "XADD s MAXLEN 0 2 n 2",
    "XADD s 2-* n 2",
    "MULTI\nXADD s 2 n 2\nXADD s 3 n 3\nEXEC",
    "MULTI\nXADD s 2 n 2\nXDEL s 2\nEXEC",
    "MULTI\nDEL s\nXADD s 2 n 2\nEXEC",
    "MULTI\nDEL s\nXADD s 2 n 2\nXGROUP CREATE s g 0\nEXEC",
    "MULTI\nDEL s\nXADD s 2 n 2\nXGROUP CREATE s g $\nEXEC\nXADD s 3 n 3",
    "MULTI\nXADD s 2 n 2\nXGROUP DESTROY s g\nEXEC",
    "XADD t 2 n 2\nRENAME t s",
    "XADD t 2 n 2\nXGROUP CREATE t g 0\nRENAME t s",
    "XADD t 2 n 2\nXGROUP CREATE t g 1\nCOPY t s REPLACE",
    "SELECT 1\nXADD s 2 n 2\nSELECT 0\nSWAPDB 0 1",
    "SELECT 1\nXADD s 2 n 2\nXGROUP CREATE s g 1\nSELECT 0\nSWAPDB 0 1",
    "SELECT 1\nXADD s 2 n 2\nMOVE s 0",
    "DEL s\nXADD s 2 n 2",
    "DEL s\nXADD s 1 n 2\nXADD s 1-1 n 3",
    "XDEL s 1\nXADD s 2 n 2",
    "XGROUP SETID s g 0\nXADD s 2 n 2",
    "XGROUP SETID s g 9\nXADD s 2 n 2\nXADD s 10 n 10",
    "XSETID s 5\nXADD s 6 n 6",
    "XSETID s 5\nXGROUP CREATE s h $\nXGROUP DESTROY s h",
    "XREADGROUP GROUP g d STREAMS s >\nXADD s 2 n 2",
    "SET s text\nDEL s\nXADD s 2 n 2",
]
QUIET = [
    "XDEL s 1",
    "XTRIM s MAXLEN 0",
    "XSETID s 5",
    "XGROUP SETID s g 0",
    "XGROUP CREATE s h $",
    "XGROUP CREATECONSUMER s g d",
    "XGROUP DELCONSUMER s g c",
    "XACK s g 1",
    "XADD t 2 n 2",
    "XADD s 1 n 2",
    "EXPIRE s 1000",
    "SELECT 1\nXADD s 2 n 2",
    "COPY s t",
    "FLUSHDB",
    "DEL s",
    "DEL none",
    "SET s text",
    "RPUSH none x",
    "XGROUP DESTROY s g",
    "XGROUP DESTROY s none",
]
REMOVING = [
    "DEL s",
    "UNLINK s",
    "SET s text",
    "GETDEL s",
    "RENAME s t",
    "RENAMENX s t",
    "SET t text\nRENAME t s",
    "MOVE s 3",
    "PEXPIRE s -1",
    "EXPIREAT s 1",
    "FLUSHDB",
    "FLUSHALL",
    "FLUSHALL ASYNC",
    "SWAPDB 0 5",
    "SADD t a\nSUNIONSTORE s t",
    "RPUSH l b a\nSORT l ALPHA STORE s",
    "MULTI\nDEL s\nSADD s member\nEXEC",
    "MULTI\nDEL s\nXADD s 9 n 9\nEXEC",
    "MULTI\nDEL s\nEXEC",
    "XGROUP DESTROY s g",
    "MULTI\nXGROUP DESTROY s g\nXGROUP CREATE s g 0\nEXEC",
    "MULTI\nXGROUP DESTROY s g\nXGROUP CREATE s g $\nEXEC",
    "MULTI\nDEL s\nXGROUP CREATE s g $ MKSTREAM\nEXEC",
    "COPY none s REPLACE",
    "SELECT 5\nDEL s",
]


@pytest.mark.parametrize("script", WAKING + QUIET + REMOVING)
@pytest.mark.parametrize("line", [READ, READ_GROUP])
def test_what_wakes_a_reader(pair: Pair, line: str, script: str) -> None:
    (waiter,) = waiting(pair, line)
    check(pair, script)
    if blocked_clients(pair):
        check(pair, "SELECT 0\nMULTI\nDEL s\nXADD s 77 n 77\nXGROUP CREATE s g 0\nEXEC")
    assert waiter.read() is not NOTHING
    check(pair, "SELECT 0\nXINFO GROUPS s")
    waiter.both("PING")


def test_all_readers_of_a_stream_get_the_entry(pair: Pair) -> None:
    waiters = waiting(pair, READ, "XREAD BLOCK 0 STREAMS none s $ 5", "XREAD BLOCK 0 STREAMS none s 0 1", READ)
    pair.both("XADD", "s", 2, "n", 2)
    for number in (0, 2, 3):
        assert waiters[number].read() is not NOTHING
    pair.wait_blocked(1)
    pair.both("XADD", "s", 6, "n", 6)
    assert waiters[1].read() is not NOTHING


def test_readers_of_a_group_share_the_entries(pair: Pair) -> None:
    lines = [f"XREADGROUP GROUP g {name} COUNT {count} BLOCK 0 STREAMS s >" for name, count in ("a1", "b2", "c1")]
    first, second, third = waiting(pair, *lines)
    check(pair, "MULTI\nXADD s 2 n 2\nXADD s 3 n 3\nEXEC")
    first.read()
    second.read()
    pair.wait_blocked(1)
    check(pair, "XPENDING s g\nXADD s 4 n 4")
    third.read()
    check(pair, "XPENDING s g\nXINFO GROUPS s")


def test_several_streams(pair: Pair) -> None:
    check(pair, "XGROUP CREATE t g $ MKSTREAM\nXGROUP CREATE u g $ MKSTREAM")
    lines = ["XREAD BLOCK 0 STREAMS u t s s $ $ $ 0-5", "XREADGROUP GROUP g c NOACK BLOCK 0 STREAMS u s t > > >"]
    waiters = waiting(pair, lines[1])
    reader = pair.client()
    reader.both(*lines[0].split())
    reader.send("XREAD", "BLOCK", 0, "STREAMS", "u", "t", "s", "s", "$", "$", "$", 1)
    pair.wait_blocked(2)
    check(pair, "MULTI\nXADD t 2 n 2\nXADD s 2 n 2\nXADD u 2 n 2\nEXEC")
    waiters[0].read()
    reader.read()
    check(pair, "XINFO GROUPS s\nXINFO GROUPS t\nXINFO GROUPS u")


def test_a_removed_key_of_several(pair: Pair) -> None:
    check(pair, "XGROUP CREATE t g $ MKSTREAM")
    (waiter,) = waiting(pair, "XREADGROUP GROUP g c BLOCK 0 STREAMS s t > >")
    check(pair, "DEL t")
    waiter.read()
    check(pair, "XADD s 2 n 2\nXPENDING s g")


def test_a_stream_that_expires(wire_pair: Pair) -> None:
    # A server looks for expired keys by itself; in process that is done with the next command.
    reader, member = waiting(wire_pair, READ, READ_GROUP)
    wire_pair.both("PEXPIRE", "s", 30)
    member.read()
    wire_pair.wait_blocked(1)
    wire_pair.both("XADD", "s", 2, "n", 2)
    reader.read()


@pytest.mark.parametrize("line", [READ, READ_GROUP])
def test_time_out_and_unblock(wire_pair: Pair, line: str) -> None:
    check(wire_pair, "XADD s 1 n 1\nXGROUP CREATE s g $")
    waiter = wire_pair.client()
    waiter.send(*line.replace("BLOCK 0", "BLOCK 20").split())
    waiter.read()
    for reason in ("TIMEOUT", "ERROR"):
        identities = [reply.native() for reply in waiter.ask("CLIENT", "ID")]
        waiter.send(*line.split())
        wire_pair.wait_blocked(1)
        for side, identity in zip((wire_pair.oracle, wire_pair.kvcore), identities, strict=True):
            side.send(("CLIENT", "UNBLOCK", identity, reason))
        wire_pair.read()
        waiter.read()


def test_waiting_readers_get_a_thousand_at_most(pair: Pair) -> None:
    for line, expected in ((READ, 1000), (READ_GROUP, 1000), (READ.replace("BLOCK", "COUNT 3 BLOCK"), 3)):
        pair.flush()
        (waiter,) = waiting(pair, line)
        pair.both("MULTI")
        for number in range(2, 1100):
            pair.both("XADD", "s", number, "n", number)
        pair.both("EXEC")
        reply = waiter.read()
        entries = reply[b"s"] if isinstance(reply, dict) else reply[0][1]
        assert len(entries) == expected


def test_lists_and_streams_of_one_name(pair: Pair) -> None:
    check(pair, "XADD s 1 n 1\nXGROUP CREATE s g $")
    reader, member, popper = pair.client(), pair.client(), pair.client()
    for count, (client, line) in enumerate(((reader, READ), (member, READ_GROUP)), 1):
        client.send(*line.split())
        pair.wait_blocked(count)
    popper.both("BLPOP", "s", 0)
    check(pair, "MULTI\nDEL s\nRPUSH s a b\nEXEC")
    member.read()
    check(pair, "BLPOP s 0\nDEL s\nXADD s 9 n 9")
    reader.read()
