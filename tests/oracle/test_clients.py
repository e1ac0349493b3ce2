"""CLIENT beside the real server: names, listing, killing, pausing, replies off, unblocking."""

from __future__ import annotations

import re
import time

import pytest

from tests.oracle.harness import NOTHING, Pair, check
from tests.oracle.wire import CLOSED, Wire

# What differs by nature: sizes of C structures, addresses, identities.
LOOSE = {"id", "addr", "laddr", "fd", "age", "idle", "qbuf", "qbuf-free", "rbs", "rbp", "tot-mem"}


def fields(line: str) -> dict[str, str]:
    """Split a line of CLIENT LIST."""
    return dict(part.split("=", 1) for part in line.strip().split(" "))


def same_client(pair: Pair, *arguments: str) -> dict[str, str]:
    """Compare a reply of one line, the loose fields by name only; return kvcore's fields."""
    oracle, kvcore = pair.ask(*arguments)
    assert oracle.kind == kvcore.kind
    theirs, ours = fields(oracle.native().decode()), fields(kvcore.native().decode())
    assert list(theirs) == list(ours)
    for name in theirs:
        if name not in LOOSE:
            assert theirs[name] == ours[name], name
    assert oracle.native().endswith(b"\n")
    assert kvcore.native().endswith(b"\n")
    return ours


def client_ids(pair: Pair) -> tuple[str, str]:
    """Return the session's id on both sides."""
    oracle, kvcore = pair.ask("CLIENT", "ID")
    assert oracle.kind == kvcore.kind == ":"
    return oracle.text.decode(), kvcore.text.decode()


def each(pair: Pair, oracle_words: tuple[str, ...], kvcore_words: tuple[str, ...]) -> Wire:
    """Send a command that names another id to each side; compare the replies."""
    pair.oracle.send(oracle_words)
    pair.kvcore.send(kvcore_words)
    theirs, ours = pair.oracle.read(), pair.kvcore.read()
    assert theirs == ours
    return ours


def test_names(pair: Pair) -> None:
    check(
        pair,
        r"""
        CLIENT GETNAME
        CLIENT SETNAME me
        CLIENT GETNAME
        CLIENT SETNAME 'a b'
        CLIENT SETNAME "a\nb"
        CLIENT SETNAME "\xff"
        CLIENT SETNAME "~!"
        CLIENT GETNAME
        CLIENT SETNAME ''
        CLIENT GETNAME
        CLIENT SETNAME
        CLIENT GETNAME x
        CLIENT ID x
        CLIENT
        CLIENT NOSUCH
    """,
    )


def test_bad_arguments(pair: Pair) -> None:
    check(
        pair,
        """
        CLIENT LIST TYPE nosuch
        CLIENT LIST TYPE
        CLIENT LIST TYPE normal x
        CLIENT LIST ID
        CLIENT LIST ID x
        CLIENT LIST ID 1 x
        CLIENT LIST ID 0
        CLIENT LIST ID -1
        CLIENT LIST ID 99999
        CLIENT LIST NOSUCH
        CLIENT LIST TYPE pubsub
        CLIENT LIST TYPE master
        CLIENT LIST TYPE replica
        CLIENT LIST TYPE slave
        CLIENT INFO x
        CLIENT KILL
        CLIENT KILL 1.1.1.1:1
        CLIENT KILL ID x
        CLIENT KILL ID 0
        CLIENT KILL ID 99999
        CLIENT KILL ID 99999 TYPE
        CLIENT KILL ID x TYPE
        CLIENT KILL TYPE nosuch
        CLIENT KILL TYPE pubsub
        CLIENT KILL TYPE master
        CLIENT KILL USER nobody
        CLIENT KILL USER default SKIPME maybe
        CLIENT KILL SKIPME maybe
        CLIENT KILL SKIPME no ID 99999
        CLIENT KILL NOSUCH x
        CLIENT KILL a b c
        CLIENT KILL ADDR 1.1.1.1:1
        CLIENT KILL LADDR 1.1.1.1:1
        CLIENT NO-EVICT maybe
        CLIENT NO-EVICT
        CLIENT PAUSE x
        CLIENT PAUSE -1
        CLIENT PAUSE 1 NOSUCH
        CLIENT PAUSE x NOSUCH
        CLIENT PAUSE 1 ALL x
        CLIENT PAUSE 99999999999999999999
        CLIENT PAUSE 9223372036854775807
        CLIENT UNPAUSE
        CLIENT UNPAUSE x
        CLIENT REPLY maybe
        CLIENT UNBLOCK x
        CLIENT UNBLOCK x NOSUCH
        CLIENT UNBLOCK 99999
        CLIENT UNBLOCK 99999 NOSUCH
        CLIENT UNBLOCK 99999 error
        CLIENT UNBLOCK 99999 TIMEOUT x
    """,
    )


def test_help(pair: Pair) -> None:
    oracle, kvcore = pair.ask("CLIENT", "HELP")
    lines = kvcore.native()
    assert lines[0] == oracle.native()[0]
    assert lines[-2:] == oracle.native()[-2:]


def test_info(pair: Pair) -> None:
    pair.both("CLIENT", "SETNAME", "me")
    same_client(pair, "CLIENT", "INFO")
    pair.both("SELECT", 5)
    pair.both("CLIENT", "NO-EVICT", "on")
    assert same_client(pair, "CLIENT", "INFO")["flags"] == "e"
    pair.both("CLIENT", "NO-EVICT", "OFF")
    assert same_client(pair, "CLIENT", "INFO")["db"] == "5"


def test_list_by_id_shows_the_state(wire_pair: Pair) -> None:
    ids = client_ids(wire_pair)
    watcher = wire_pair.client()

    def line() -> dict[str, str]:
        words = [("CLIENT", "LIST", "ID", number) for number in ids]
        watcher.oracle.send(words[0])
        watcher.kvcore.send(words[1])
        theirs, ours = (fields(side.read().native().decode()) for side in (watcher.oracle, watcher.kvcore))
        assert {n: v for n, v in theirs.items() if n not in LOOSE} == {n: v for n, v in ours.items() if n not in LOOSE}
        assert list(theirs) == list(ours)
        return ours

    assert line()["cmd"] == "client|id"
    wire_pair.both("WATCH", "k")
    wire_pair.both("MULTI")
    wire_pair.both("SET", "a", "1")
    assert line()["multi"] == "1"
    watcher.both("SET", "k", "1")
    assert line()["flags"] == "xd"
    wire_pair.both("DISCARD")
    assert line()["flags"] == "N"
    wire_pair.send("BLPOP", "list", 0)
    watcher.wait_blocked(1)
    assert line()["flags"] == "b"
    watcher.both("RPUSH", "list", "v")
    wire_pair.read()
    wire_pair.both("SUBSCRIBE", "ch")
    assert line()["flags"] == "P"
    wire_pair.both("PSUBSCRIBE", "p*")
    found = line()
    assert (found["sub"], found["psub"]) == ("1", "1")


def test_list_by_type(wire_pair: Pair) -> None:
    subscriber = wire_pair.client(2)
    subscriber.both("CLIENT", "SETNAME", "listener")
    subscriber.both("SUBSCRIBE", "ch")
    wire_pair.both("CLIENT", "SETNAME", "plain")
    for wanted in ("pubsub", "normal"):
        oracle, kvcore = wire_pair.ask("CLIENT", "LIST", "TYPE", wanted)
        names = [re.findall(r" name=(\S*)", side.native().decode()) for side in (oracle, kvcore)]
        assert names[0] == names[1]
        assert names[0] == (["listener"] if wanted == "pubsub" else ["plain"])


def test_kill_by_id_and_address(wire_pair: Pair) -> None:
    victim = wire_pair.client(2)
    ids = client_ids(victim)
    killed = each(wire_pair, ("CLIENT", "KILL", "ID", ids[0]), ("CLIENT", "KILL", "ID", ids[1]))
    assert killed.native() == 1
    assert victim.oracle.read() == victim.kvcore.read() == CLOSED

    victim = wire_pair.client(2)
    oracle, kvcore = victim.ask("CLIENT", "INFO")
    addresses = [fields(side.native().decode())["addr"] for side in (oracle, kvcore)]
    killed = each(wire_pair, ("CLIENT", "KILL", addresses[0]), ("CLIENT", "KILL", addresses[1]))
    assert killed.native() == "OK"
    assert victim.oracle.read() == victim.kvcore.read() == CLOSED


def test_kill_a_blocked_client(wire_pair: Pair) -> None:
    victim = wire_pair.client(2)
    ids = client_ids(victim)
    victim.send("BLPOP", "list", 0)
    wire_pair.wait_blocked(1)
    each(wire_pair, ("CLIENT", "KILL", "ID", ids[0]), ("CLIENT", "KILL", "ID", ids[1]))
    wire_pair.both("RPUSH", "list", "v")
    assert victim.oracle.read() == victim.kvcore.read() == CLOSED
    assert wire_pair.both("LLEN", "list") == 1  # nothing was lost to the client that is gone


def test_kill_skips_the_caller_unless_told(wire_pair: Pair) -> None:
    subscriber = wire_pair.client(2)
    subscriber.both("SUBSCRIBE", "ch")
    assert wire_pair.both("CLIENT", "KILL", "TYPE", "pubsub") == 1
    assert subscriber.oracle.read() == subscriber.kvcore.read() == CLOSED
    ids = client_ids(wire_pair)
    same = [("CLIENT", "KILL", "ID", number) for number in ids]
    assert each(wire_pair, same[0], same[1]).native() == 0
    mine = [("CLIENT", "KILL", "ID", number, "SKIPME", "no") for number in ids]
    assert each(wire_pair, mine[0], mine[1]).native() == 1
    assert wire_pair.oracle.read() == wire_pair.kvcore.read() == CLOSED


def clients_now(pair: Pair) -> list[str]:
    """Return the names of the clients there are, which both sides must agree on, as INFO's count must."""
    oracle, kvcore = pair.ask("CLIENT", "LIST")
    names = [sorted(re.findall(r" name=(\S*)", side.native().decode())) for side in (oracle, kvcore)]
    assert names[0] == names[1]
    counts = [re.findall(rb"connected_clients:(\d+)", side.native()) for side in pair.ask("INFO", "clients")]
    assert counts[0] == counts[1] == [b"%d" % len(names[0])]
    return names[0]


def named(pair: Pair, name: str) -> Pair:
    """Return one more client."""
    client = pair.client(2)
    client.both("CLIENT", "SETNAME", name)
    return client


@pytest.mark.parametrize("filter_by", ["ID", "ADDR", "LADDR", "USER", "TYPE"])
def test_a_killed_client_is_gone_at_once(wire_pair: Pair, filter_by: str) -> None:
    wire_pair.both("CLIENT", "SETNAME", "killer")
    victims = [named(wire_pair, f"victim{number}") for number in range(4)]
    if filter_by == "TYPE":
        for victim in victims:
            victim.both("SUBSCRIBE", "ch")
        assert wire_pair.both("CLIENT", "KILL", "TYPE", "pubsub") == 4
    else:
        infos = victims[0].ask("CLIENT", "INFO")
        words = [fields(side.native().decode())[filter_by.lower()] for side in infos]
        same = [("CLIENT", "KILL", filter_by, word) for word in words]
        killed = each(wire_pair, same[0], same[1]).native()
        assert killed == (1 if filter_by in ("ID", "ADDR") else 4)
    left = clients_now(wire_pair)
    assert "victim0" not in left
    assert "killer" in left
    assert wire_pair.both("PUBLISH", "ch", "m") == 0


def test_a_killed_client_is_gone_within_a_transaction(wire_pair: Pair) -> None:
    victim = named(wire_pair, "victim")
    victim.both("SUBSCRIBE", "ch")
    wire_pair.pipeline(
        [
            ("MULTI",),
            ("CLIENT", "KILL", "TYPE", "pubsub"),
            ("CLIENT", "LIST", "TYPE", "pubsub"),
            ("PUBLISH", "ch", "m"),
            ("EXEC",),
        ]
    )
    assert victim.oracle.read() == victim.kvcore.read()  # the confirmation was read before: this is the end
    assert "victim" not in clients_now(wire_pair)


def test_who_kills_itself_or_quits_is_gone_when_it_hears_so(wire_pair: Pair) -> None:
    wire_pair.both("CLIENT", "SETNAME", "watcher")
    for _ in range(5):
        victim = named(wire_pair, "victim")
        mine = [("CLIENT", "KILL", "ID", number, "SKIPME", "no") for number in client_ids(victim)]
        assert each(victim, mine[0], mine[1]).native() == 1
        assert clients_now(wire_pair) == ["watcher"]
        leaver = named(wire_pair, "leaver")
        leaver.both("QUIT")
        assert clients_now(wire_pair) == ["watcher"]


def test_a_killed_client_runs_nothing_of_what_it_sent(wire_pair: Pair) -> None:
    victim = named(wire_pair, "victim")
    ids = client_ids(victim)
    victim.send_raw(b"BLPOP list 0\r\nSET k 1\r\nSET k 2\r\n")
    wire_pair.wait_blocked(1)
    each(wire_pair, ("CLIENT", "KILL", "ID", ids[0]), ("CLIENT", "KILL", "ID", ids[1]))
    assert wire_pair.both("RPUSH", "list", "v") == 1
    assert wire_pair.both("EXISTS", "k") == 0
    victim = named(wire_pair, "victim")
    ids = client_ids(victim)
    for side, number in zip((victim.oracle, victim.kvcore), ids, strict=True):
        side.send_raw(f"CLIENT KILL ID {number} SKIPME no\r\nSET k 1\r\n".encode())
    assert victim.read() == 1
    assert victim.oracle.read() == victim.kvcore.read() == CLOSED
    assert wire_pair.both("EXISTS", "k") == 0


def test_reply_off_and_skip(wire_pair: Pair) -> None:
    client = wire_pair.client(2)
    client.send_raw(
        b"SET k 1\r\nCLIENT REPLY OFF\r\nSET k 2\r\nNOSUCH\r\n"
        b"CLIENT REPLY SKIP\r\nGET k\r\nCLIENT REPLY ON\r\nGET k\r\n"
    )
    assert [client.read() for _ in range(3)] == ["OK", "OK", b"2"]
    client.send_raw(b"CLIENT REPLY SKIP\r\nGET k\r\nGET k\r\n")
    assert client.read() == b"2"
    client.send_raw(b"CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING\r\nCLIENT REPLY SKIP\r\nNOSUCH\r\nPING x\r\n")
    replies = []
    while (reply := client.read(0.2)) is not NOTHING:
        replies.append(reply)
    assert replies[-1] == b"x"


@pytest.mark.parametrize("reason", ["", "TIMEOUT", "ERROR"])
def test_unblock(wire_pair: Pair, reason: str) -> None:
    waiter = wire_pair.client(2)
    ids = client_ids(waiter)
    waiter.send("BLPOP", "list", 0)
    wire_pair.wait_blocked(1)
    words = [("CLIENT", "UNBLOCK", number, *([reason] if reason else [])) for number in ids]
    assert each(wire_pair, words[0], words[1]).native() == 1
    waiter.read()
    assert each(wire_pair, words[0], words[1]).native() == 0
    assert waiter.both("PING") == "PONG"


def test_pause_holds_writes_back(wire_pair: Pair) -> None:
    writer = wire_pair.client(2)
    assert wire_pair.both("CLIENT", "PAUSE", 60000, "WRITE") == "OK"
    assert writer.both("GET", "k") is None
    writer.send("SET", "k", "1")
    wire_pair.wait_blocked(1)
    assert wire_pair.both("GET", "k") is None
    assert wire_pair.both("CLIENT", "UNPAUSE") == "OK"
    assert writer.read() == "OK"
    assert wire_pair.both("GET", "k") == b"1"


def test_pause_lets_no_key_expire(wire_pair: Pair) -> None:
    writer = wire_pair.client(2)
    wire_pair.both("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    try:
        for key in ("a", "b", "c"):
            wire_pair.both("SET", key, "v", "PX", "1")
        wire_pair.both("SET", "stays", "v")
        wire_pair.both("HSET", "h", "f", "v")
        time.sleep(0.005)
        wire_pair.both("CLIENT", "PAUSE", 60000, "WRITE")
        check(
            wire_pair,
            """
            GET a
            MGET a b stays
            EXISTS a b c stays
            TTL b
            TYPE c
            STRLEN a
            OBJECT ENCODING a
            ~ KEYS *
            DBSIZE
        """,
        )
        writer.send("SET", "a", "2")
        wire_pair.wait_blocked(1)
        assert wire_pair.both("DBSIZE") == 5
        wire_pair.both("CLIENT", "UNPAUSE")
        assert writer.read() == "OK"
        check(wire_pair, "GET a\nGET b\nGET c\nDBSIZE\nTTL a")
        wire_pair.both("SET", "late", "v", "PX", "1")
        time.sleep(0.005)
        check(
            wire_pair,
            "MULTI\nCLIENT PAUSE 60000 WRITE\nGET late\nDBSIZE\nEXEC\nGET late\nDBSIZE\nCLIENT UNPAUSE\nDBSIZE",
        )
    finally:
        wire_pair.both("CLIENT", "UNPAUSE")
        wire_pair.both("DEBUG", "SET-ACTIVE-EXPIRE", "1")
