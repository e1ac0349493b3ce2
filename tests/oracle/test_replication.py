"""The primary's side of the protocol, byte for byte beside the real server: handshake, refusals, misbehaviour."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.oracle.harness import Pair, check
from tests.oracle.links import (
    SECONDS,
    Group,
    Member,
    Talk,
    converse,
    group,
    masked,
    open_group,
    say,
    settle,
    wait_until,
)
from tests.oracle.wire import encode_command as c

__all__ = ["group"]

CAPABLE = c(["REPLCONF", "capa", "eof", "capa", "psync2"])
EVERYTHING = c(["PSYNC", "?", "-1"])
ACK = c(["REPLCONF", "ACK", "0"])
ONLINE = [CAPABLE, EVERYTHING, ACK]

CONVERSATIONS: dict[str, list[bytes]] = {
    "marked": [*ONLINE, c(["REPLCONF", "ACK", "7"])],
    "sized": [EVERYTHING, ACK],
    "sync": [c(["SYNC"]), b"\n", b"\r\n"],
    "sync inline": [b"SYNC\r\n"],
    "psync inline": [b"psync ? -1\r\n"],
    "unknown history": [c(["PSYNC", "x" * 40, "1"])],
    "short history": [c(["PSYNC", "", "1"])],
    "replconf": [
        c(["REPLCONF"]),
        c(["REPLCONF", "capa"]),
        c(["REPLCONF", "listening-port", "6380", "ip-address", "replica.example", "capa", "x"]),
        c(["REPLCONF", "listening-port", "x"]),
        c(["REPLCONF", "listening-port", "-5"]),
        c(["REPLCONF", "listening-port", "9" * 20]),
        c(["REPLCONF", "ip-address", "x" * 255]),
        c(["REPLCONF", "ip-address", "x" * 256]),
        c(["REPLCONF", "rdb-only", "2"]),
        c(["REPLCONF", "rdb-only", "x"]),
        c(["REPLCONF", "rdb-only", "0"]),
        c(["REPLCONF", "rdb-filter-only", "FUNCTIONS functions"]),
        c(["REPLCONF", "rdb-filter-only", "functions X"]),
        c(["REPLCONF", "rdb-filter-only", '"functions']),
        c(["REPLCONF", "version", "7.2.0"]),
        c(["REPLCONF", "fack", "0"]),
        c(["REPLCONF", "ack", "0"]),
        c(["REPLCONF", "ack", "x"]),
        c(["REPLCONF", "getack", "*"]),
        c(["replconf", "GETACK", "*", "capa"]),
        c(["PING"]),
    ],
    "psync that cannot be": [
        c(["PSYNC", "?", "x"]),
        c(["PSYNC", "?"]),
        c(["PSYNC", "?", "-1", "FAILOVER"]),
        c(["SYNC", "x"]),
        c(["PING"]),
    ],
    "more words": [c(["PSYNC", "?", "-1", "x"])],
    "pending output": [c(["PING"]) + EVERYTHING, c(["ECHO", "x"]) + c(["SYNC"])],
    "filter without marks": [c(["REPLCONF", "rdb-filter-only", "functions"]), EVERYTHING, c(["PING"])],
    "filter": [CAPABLE, c(["REPLCONF", "rdb-filter-only", "functions"]), EVERYTHING],
    "filter of all": [CAPABLE, c(["REPLCONF", "rdb-filter-only", ""]), EVERYTHING],
    "rdb only, marked": [CAPABLE, c(["REPLCONF", "rdb-only", "1"]), EVERYTHING],
    "rdb only, sized": [c(["REPLCONF", "rdb-only", "1"]), EVERYTHING],
    "rdb only, sync": [c(["REPLCONF", "rdb-only", "1"]), c(["SYNC"])],
    "in multi": [
        c(["MULTI"]),
        EVERYTHING,
        c(["SYNC"]),
        c(["REPLCONF", "capa", "eof"]),
        c(["ROLE"]),
        c(["EXEC"]),
    ],
    "in script": [c(["EVAL", "return redis.call('SYNC')", "0"]), c(["EVAL", "return redis.call('ROLE')", "0"])],
    "monitor": [c(["MONITOR"]), EVERYTHING, c(["SYNC"])],
    "subscribed": [c(["SUBSCRIBE", "c"]), EVERYTHING],
    "resp3": [c(["HELLO", "3"])[:0] + CAPABLE, EVERYTHING, ACK],
    "keys": [*ONLINE, c(["GET", "k"])],
    "writes": [*ONLINE, c(["SET", "k", "v"])],
    "ping": [*ONLINE, c(["PING"])],
    "info": [*ONLINE, c(["INFO"])],
    "subscribe": [*ONLINE, c(["SUBSCRIBE", "c"])],
    "monitor as replica": [*ONLINE, c(["MONITOR"]), ACK],
    "reply on": [*ONLINE, c(["CLIENT", "REPLY", "ON"])],
    "reply off": [*ONLINE, c(["CLIENT", "REPLY", "OFF"]), c(["CLIENT", "REPLY", "SKIP"]), ACK],
    "psync twice": [*ONLINE, EVERYTHING, c(["SYNC"]), ACK],
    "replconf as replica": [*ONLINE, CAPABLE],
    "getack": [*ONLINE, c(["REPLCONF", "GETACK", "*"]), c(["REPLCONF", "ACK", "x", "fack", "1"])],
    "odd replconf": [*ONLINE, c(["REPLCONF", "ack"])],
    "unknown command": [*ONLINE, c(["NOSUCH"])],
    "wait": [*ONLINE, c(["WAIT", "0", "0"])],
    "reset": [*ONLINE, c(["RESET"])],
    "hello": [*ONLINE, c(["HELLO", "3"])],
    "quit": [*ONLINE, c(["QUIT"])],
    "empty lines": [*ONLINE, b"\n", b"\r\n\n", ACK],
    "broken frame": [*ONLINE, b"*1\r\n$x\r\n"],
}


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def primaries(request: pytest.FixtureRequest) -> Iterator[tuple[Member, Member]]:
    """Yield the real server and kvcore, which replicas' conversations are held with."""
    with open_group() as made:
        yield made.real(), made.kvcore(request.param)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(primaries: tuple[Member, Member], name: str) -> None:
    real, ours = primaries
    assert ours.offset() == real.offset(), "an earlier conversation left different offsets"
    expected = converse(real, CONVERSATIONS[name])
    assert converse(ours, CONVERSATIONS[name], expected) == expected


SCRIPT = "redis.call('incr', KEYS[1]) redis.call('lpush', KEYS[2], 1) return redis.call('incr', KEYS[1])"
LIBRARY = "#!lua name=l\nredis.register_function('f', function(k) return redis.call('set', k[1], 1) end)"
WRITES: list[tuple[str | int, ...]] = [
    ("SET", "k", "v"),
    ("sEt", "k", "w"),
    ("GET", "k"),
    ("SETEX", "t", 1000, "v"),
    ("INCR", "k2"),
    ("SELECT", 5),
    ("SET", "other", "x" * 20000),
    ("PUBLISH", "c", "hello"),
    ("SPUBLISH", "c", "hello"),
    ("MULTI",),
    ("SET", "a", 1),
    ("SELECT", 0),
    ("SET", "b", 2),
    ("PUBLISH", "c", "inside"),
    ("EXEC",),
    ("MULTI",),
    ("SET", "one", 1),
    ("EXEC",),
    ("MULTI",),
    ("GET", "one"),
    ("EXEC",),
    ("SELECT", 3),
    ("MULTI",),
    ("SET", "a", 1),
    ("SET", "b", 1),
    ("EXEC",),
    ("SELECT", 2),
    ("EVAL", SCRIPT, 2, "n", "l"),
    ("SELECT", 0),
    ("EVAL", SCRIPT, 2, "n", "l"),
    ("EVAL", "return redis.call('get', KEYS[1])", 1, "n"),
    ("SADD", "s", 1, 2, 3),
    ("SPOP", "s", 3),
    ("RPUSH", "q", 1),
    ("BLPOP", "q", 1),
    ("DEL", "nosuch"),
    ("GETDEL", "k2"),
    ("FUNCTION", "LOAD", LIBRARY),
    ("FCALL", "f", 1, "fk"),
    ("SWAPDB", 0, 1),
    ("FUNCTION", "FLUSH"),
    ("FLUSHDB",),
    ("FLUSHALL", "ASYNC"),
]


def test_the_stream_is_the_same_to_the_byte(primaries: tuple[Member, Member]) -> None:
    streams = []
    for member in primaries:
        talk = Talk(member.port)
        try:
            talk.send(EVERYTHING)
            settle(member)
            talk.read_until(lambda data: masked(data).endswith(b"<snapshot>"), SECONDS)
            start = member.offset()
            for words in WRITES:
                member(*words)
            member("SELECT", 0)
            size = member.offset() - start
            streams.append(talk.read_until(lambda data, size=size: len(data) >= size, SECONDS))  # type: ignore[misc]
        finally:
            talk.close()
        settle(member, lambda fields: fields["connected_slaves"] == "0")
    real, ours = (re.sub(rb"(?<=PXAT\r\n\$13\r\n)\d{13}", b"<time>", stream) for stream in streams)
    assert ours == real


def test_going_on_from_any_offset(primaries: tuple[Member, Member]) -> None:
    answers: list[tuple[int, list[list[tuple[bytes, bytes]]]]] = []
    for member in primaries:
        talk = Talk(member.port)
        say(member, talk, EVERYTHING)
        settle(member)
        begin = member.offset()
        for number in range(50):
            member("SET", f"k{number}", "v" * number)
        end = member.offset()
        history = member.info("replication")["master_replid"]
        talk.close()
        settle(member, lambda fields: fields["connected_slaves"] == "0")
        heard = []
        for offset in (begin + 1, begin + 2, begin + 100, end, end + 1):
            for first in (CAPABLE, c(["REPLCONF", "capa", "eof"])):
                like = answers[0][1][len(heard)] if answers else []
                heard.append(converse(member, [first, c(["PSYNC", history.upper(), offset])], like))
        answers.append((end - begin, heard))
        for offset in (begin - 100_000_000, end + 2):
            (_, refused), *_ = converse(member, [c(["PSYNC", history, offset])])
            assert refused.startswith(b"+FULLRESYNC "), refused
    real, ours = [(size, [found[1][1] for found in heard]) for size, heard in answers]
    assert ours == real
    assert ours[1][0].startswith(b"+CONTINUE <id>\r\n*2\r\n$6\r\nSELECT\r\n")


def test_fields_of_info_role_and_client_list(primaries: tuple[Member, Member]) -> None:
    shown = []
    for member in primaries:
        talk = Talk(member.port)
        talk.send(c(["REPLCONF", "listening-port", "6380"]))
        talk.send(CAPABLE)
        talk.read_until(lambda data: data == b"+OK\r\n" * 2, SECONDS)
        talk.send(EVERYTHING)
        settle(member, lambda fields: "state=online" in fields.get("slave0", ""))
        member("SET", "k", "v")  # the stream may be empty yet
        before = member.info("replication")
        talk.send(c(["REPLCONF", "ACK", member.offset()]))
        wait_until(lambda m=member: "offset=0" not in m.info("replication")["slave0"], str)  # type: ignore[misc]
        fields = member.info("replication")
        role = member("ROLE").native()
        (line,) = member("CLIENT", "LIST", "TYPE", "replica").text.decode().splitlines()
        client = dict(field.split("=", 1) for field in line.split())
        clients = member.info("clients")["connected_clients"]
        shown.append(
            (
                [re.sub(r"[0-9a-f]{40}|(?<=lag=)\d+", "<?>", f"{name}:{value}") for name, value in fields.items()],
                re.sub(r"(?<=lag=)\d+", "<?>", before["slave0"]),
                role,
                list(client),
                [client[name] for name in ("name", "flags", "db", "multi", "cmd", "user", "resp", "events")],
                clients,
                sorted(set(member.info("stats")) & {"sync_full", "sync_partial_ok", "sync_partial_err"}),
            )
        )
        talk.close()
        settle(member, lambda fields: fields["connected_slaves"] == "0")
    for real, ours in zip(*shown, strict=True):
        assert ours == real


def test_counters_of_synchronisations(group: Group) -> None:
    counted = []
    for member in (group.real(), group.kvcore("asyncio")):
        converse(member, [EVERYTHING])
        converse(member, [c(["PSYNC", "x" * 40, "1"])])
        converse(member, [c(["SYNC"])])
        history = member.info("replication")["master_replid"]
        converse(member, [c(["PSYNC", history, member.offset() + 1])])
        converse(member, [c(["REPLCONF", "rdb-filter-only", "functions"]), EVERYTHING])  # refused
        stats = member.info("stats")
        counted.append({name: stats[name] for name in ("sync_full", "sync_partial_ok", "sync_partial_err")})
        wrong = member.ask("PSYNC", "?", "x")
        assert wrong.kind == "-"
    assert counted[1] == counted[0]


def test_kills_by_type_leave_the_others(primaries: tuple[Member, Member]) -> None:
    for member in primaries:
        talk = Talk(member.port)
        talk.send(EVERYTHING)
        settle(member, lambda fields: fields["connected_slaves"] == "1")
        assert member("CLIENT", "KILL", "TYPE", "master").native() == 0
        assert member("CLIENT", "KILL", "TYPE", "slave").native() == 1
        settle(member, lambda fields: fields["connected_slaves"] == "0")
        assert talk.read_until(lambda _data: False, SECONDS).endswith(b"<closed>")
        talk.close()


def test_too_few_replicas(wire_pair: Pair) -> None:
    pair = wire_pair
    pair.config("min-replicas-to-write", 1)
    check(
        pair,
        """
        SET k v
        GET k
        PING
        MULTI
        SET k v
        EXEC
        EVAL "return redis.call('set', KEYS[1], 1)" 1 k
        EVAL "return redis.pcall('set', KEYS[1], 1)['err']" 1 k
        EVAL "#!lua flags=no-writes\\nreturn 7" 0
        PFCOUNT k
        PUBLISH c m
        INCR k
        NOSUCH
        SET k
        """,
    )
    pair.config("min-replicas-max-lag", 0)
    pair.both("SET", "k", "v")


def test_a_lone_primary(wire_pair: Pair) -> None:
    wire_pair.kinds("ROLE")
    check(
        wire_pair,
        """
        REPLCONF capa eof
        REPLCONF nosuch 1
        ROLE x
        SYNC x
        PSYNC
        WAIT 0 0
        """,
    )


@pytest.mark.parametrize("name", ["psync", "sync", "replconf", "role"])
def test_what_command_says_of_them(pair: Pair, name: str) -> None:
    pair.both("COMMAND", "INFO", name)
    ours, real = (side.items[1] for side in reversed(pair.ask("COMMAND", "DOCS", name)))
    keys = ["since", "group", "complexity", "arguments", "doc_flags", "history"]
    theirs, mine = (
        {key.text.decode(): value for key, value in docs.pairs() if key.text.decode() in keys} for docs in (real, ours)
    )
    assert mine == theirs
