"""kvcore as a replica of the real server, beside a real replica: what clients see, and what the stream does.

Both replicas follow one real primary. A case writes there, waits until both have it, and compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.oracle.conftest import Fleet
from tests.oracle.groups import STOCK, ask, await_link, await_offsets, await_state, follow, info, start
from tests.oracle.harness import NOTHING, Argument, Pair, Session, check
from tests.oracle.servers import HOST, Server
from tests.oracle.wire import Wire

LIBRARY = (
    "#!lua name=lib\n"
    "redis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)\n"
    "redis.register_function{function_name='look', flags={'no-writes'},"
    " callback=function(keys) return redis.call('GET', keys[1]) end}"
)


class Trio:
    """A real primary, a real replica and kvcore as a replica."""

    def __init__(self, frontend: str) -> None:
        self.frontend = frontend
        self.primary = start(STOCK)
        self.theirs = start(STOCK)
        self.ours = start(frontend)
        self.follow()

    @property
    def servers(self) -> tuple[Server, Server, Server]:
        return self.primary, self.theirs, self.ours

    def follow(self) -> None:
        for replica in (self.theirs, self.ours):
            follow(replica, self.primary)

    def write(self, *words: Argument) -> Wire:
        """Run a command on the primary and wait until both replicas have what it did."""
        reply = ask(self.primary, *words)
        self.settle()
        return reply

    def run(self, *commands: tuple[Argument, ...]) -> None:
        """Run commands on the primary on one connection, and wait."""
        session = self.primary.connect()
        for words in commands:
            session.send(words)
            session.read()
        session.close()
        self.settle()

    def settle(self) -> None:
        await_offsets(self.primary, self.theirs, self.ours)

    def digests(self) -> tuple[str, str]:
        """Insist that all three have the same data; return what the replicas say."""
        self.settle()
        found = [ask(server, "DEBUG", "DIGEST").native() for server in self.servers]
        assert found[0] == found[1] == found[2], found
        return found[1], found[2]

    def reset(self) -> None:
        for replica in (self.theirs, self.ours):
            if info(replica)["role"] != "slave" or info(replica)["master_port"] != str(self.primary.port):
                follow(replica, self.primary)
            await_link(replica, self.primary)
        self.run(("FUNCTION", "FLUSH"), ("FLUSHALL",))

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def trios(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[Trio]:
    made = Trio(request.param)
    yield made
    made.stop()


@pytest.fixture
def trio(trios: Trio) -> Iterator[Trio]:
    trios.reset()
    yield trios
    assert all(server.alive() for server in trios.servers), trios.ours.log()[-3000:]


@pytest.fixture
def pair(trio: Trio) -> Iterator[Pair]:
    """Yield sessions to both replicas."""

    def connect(protocol: int) -> tuple[Session, Session]:
        return trio.theirs.connect(protocol), trio.ours.connect(protocol)

    made = Pair(trio.frontend, connect, 3 if trio.frontend == "threaded" else 2)
    yield made
    made.close()


# What clients may do


def test_refuses_what_writes(trio: Trio, pair: Pair) -> None:
    trio.run(("SET", "k", "v"), ("RPUSH", "l", 1, 2), ("FUNCTION", "LOAD", LIBRARY))
    check(
        pair,
        """
        SET k 1
        GET k
        DEL nokey
        EXPIRE k 10
        FLUSHALL
        FLUSHDB
        SWAPDB 0 1
        MOVE k 1
        BLPOP l 1
        PFCOUNT h
        PFADD h 1
        GETEX k
        GETDEL k
        SORT l
        SORT_RO l
        SORT l STORE m
        XREADGROUP GROUP g c STREAMS s >
        XREAD STREAMS s 0
        MIGRATE 127.0.0.1 1 k 0 10
        RESTORE a 0 x
        TOUCH k
        GEORADIUS g 1 1 1 m
        GEORADIUS_RO g 1 1 1 m
        BITFIELD k GET u8 0
        BITFIELD_RO k GET u8 0
        FUNCTION FLUSH
        FUNCTION LOAD x
        SCRIPT LOAD "return 1"
        PUBLISH c m
        SPUBLISH c m
        WAIT 0 1
        WAIT 1 0
        SET
        NOSUCH
        """,
    )


def test_scripts_and_functions_do_not_write(trio: Trio, pair: Pair) -> None:
    trio.run(("SET", "k", "v"), ("FUNCTION", "LOAD", LIBRARY))
    check(
        pair,
        """
        EVAL "return redis.call('set', KEYS[1], 1)" 1 k
        EVAL "return redis.pcall('set', KEYS[1], 1)" 1 k
        EVAL "return redis.call('get', KEYS[1])" 1 k
        EVAL "#!lua\\nreturn redis.call('get', KEYS[1])" 1 k
        EVAL "#!lua flags=no-writes\\nreturn redis.call('get', KEYS[1])" 1 k
        EVAL_RO "return redis.call('get', KEYS[1])" 1 k
        FCALL put 1 k 1
        FCALL look 1 k
        FCALL_RO look 1 k
        FCALL_RO put 1 k 1
        GET k
        """,
    )


def test_transactions_do_not_write(trio: Trio, pair: Pair) -> None:
    trio.write("SET", "k", "v")
    check(
        pair,
        """
        MULTI
        GET k
        SET k 1
        GET k
        EXEC
        MULTI
        GET k
        EXEC
        MULTI
        EVAL "return redis.call('set', 'k', 1)" 0
        EXEC
        MULTI
        WAIT 1 0
        EXEC
        GET k
        """,
    )
    assert pair.pipeline([("SET", "k", 1), ("GET", "k"), ("INCR", "k")])[1] == b"v"


def test_says_what_it_is(trio: Trio, pair: Pair) -> None:
    trio.write("SET", "k", "v")
    role = pair.both("ROLE")
    assert role[:4] == [b"slave", HOST.encode(), trio.primary.port, b"connected"]
    theirs, ours = info(trio.theirs), info(trio.ours)
    assert list(theirs) == list(ours)
    changing = {"repl_backlog_histlen", "repl_backlog_first_byte_offset", "master_last_io_seconds_ago"}
    assert {**theirs, **dict.fromkeys(changing)} == {**ours, **dict.fromkeys(changing)}
    for number in (0, 1):
        text = pair.matches(r"flags=M ", "CLIENT", "LIST", "TYPE", "master")[number]
        assert f"addr={HOST}:{trio.primary.port} " in text
        assert re.search(r"laddr=127\.0\.0\.1:\d+ fd=\d+ name= ", text)
        assert " user=(superuser) " in text
    assert len(ask(trio.primary, "CLIENT", "LIST", "TYPE", "replica").text.splitlines()) == 2
    replicas = info(trio.primary)
    assert {re.search(r"port=(\d+)", replicas[f"slave{n}"])[1] for n in (0, 1)} == {  # type: ignore[index]
        str(trio.theirs.port),
        str(trio.ours.port),
    }


def test_bad_addresses(pair: Pair, trio: Trio) -> None:
    check(
        pair,
        f"""
        REPLICAOF 127.0.0.1 x
        REPLICAOF 127.0.0.1 99999
        REPLICAOF 127.0.0.1 -1
        REPLICAOF 127.0.0.1 {trio.primary.port}
        SLAVEOF 127.0.0.1 {trio.primary.port}
        REPLICAOF no
        CONFIG GET replicaof
        CONFIG GET slaveof
        CONFIG SET replicaof "x 1"
        FAILOVER
        FAILOVER ABORT
        FAILOVER TO 127.0.0.1 1
        """,
    )


# Times to live


def test_expired_keys_stay_until_the_primary_deletes_them(trio: Trio, pair: Pair) -> None:
    trio.run(("DEBUG", "SET-ACTIVE-EXPIRE", 0), ("SET", "k", "v", "PX", 60), ("SET", "other", "v"))
    try:
        pair.wait_until(("EXISTS", "k"), 0)
        check(
            pair,
            """
            GET k
            PTTL k
            TTL k
            TYPE k
            DBSIZE
            KEYS *
            SCAN 0
            RANDOMKEY
            OBJECT ENCODING k
            DUMP k
            MGET k other
            """,
        )
        trio.write("APPEND", "k", "x")  # the primary sees that it is gone, and says so first
        assert pair.both("GET", "k") == b"x"
        assert pair.both("TTL", "k") == -1
    finally:
        ask(trio.primary, "DEBUG", "SET-ACTIVE-EXPIRE", 1)
    trio.digests()


def test_a_stream_may_use_what_has_expired_here(trio: Trio, pair: Pair) -> None:
    trio.run(("RPUSH", "l", 1), ("PEXPIRE", "l", 10000), ("SET", "s", "1", "PX", 10000))
    trio.run(("PEXPIREAT", "l", 99999999999999), ("PERSIST", "s"), ("INCR", "s"))
    trio.digests()
    assert pair.both("GET", "s") == b"2"


def test_writable_replica(trio: Trio, pair: Pair) -> None:
    pair.config("replica-read-only", "no")
    trio.run(("SET", "theirs", 1, "PX", 60), ("SET", "kept", 1, "PX", 60), ("DEBUG", "SET-ACTIVE-EXPIRE", 0))
    try:
        check(
            pair,
            """
            SET mine v PX 40
            SET also v
            EVAL "return redis.call('SET', 'scripted', 1)" 0
            MULTI
            INCR also2
            EXEC
            """,
        )
        pair.wait_until(("EXISTS", "theirs", "mine"), 0)
        check(
            pair,
            """
            INCR theirs
            GET theirs
            TTL theirs
            SET kept 2
            GET kept
            TTL kept
            """,
        )
        pair.wait_until(("DBSIZE",), 5)
        pair.both_sorted("KEYS", "*")
    finally:
        ask(trio.primary, "DEBUG", "SET-ACTIVE-EXPIRE", 1)
    for server in (trio.theirs, trio.ours):
        ask(server, "FLUSHALL")
    trio.run(("FLUSHALL",), ("SET", "k", 1))
    trio.digests()


# Waiting, watching, listening


def test_blocked_readers_are_served_by_the_stream(trio: Trio, pair: Pair) -> None:
    trio.write("XADD", "s", "1-1", "f", "v")
    waiter = pair.client()
    waiter.send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    pair.wait_blocked(1)
    trio.write("XADD", "s", "2-2", "f", "w")
    assert waiter.read() is not NOTHING


def test_blocked_clients_are_told_when_the_role_changes(trio: Trio, pair: Pair) -> None:
    pair.both("REPLICAOF", "NO", "ONE")
    waiter, reader = pair.client(), pair.client()
    waiter.send("BLPOP", "nolist", 0)
    reader.send("XREAD", "BLOCK", 0, "STREAMS", "nostream", "$")
    pair.wait_blocked(2)
    pair.both("REPLICAOF", HOST, trio.primary.port)
    assert waiter.read().code == "UNBLOCKED"
    assert reader.read().code == "UNBLOCKED"
    for each in (trio.theirs, trio.ours):
        await_link(each, trio.primary)
    pair.wait_blocked(0)
    for client in (waiter, reader):
        client.send("PING")
        client.read()


def test_watch_is_broken_by_the_stream_and_by_a_full_synchronisation(trio: Trio, pair: Pair) -> None:
    trio.write("SET", "k", "v")
    check(pair, "WATCH k")
    trio.write("SET", "k", "w")
    check(pair, "MULTI\nGET k\nEXEC")
    check(pair, "WATCH k")
    ask(trio.primary, "DEBUG", "CHANGE-REPL-ID")
    before = info(trio.ours, "server")["run_id"]
    for server in (trio.theirs, trio.ours):
        ask(server, "CLIENT", "KILL", "TYPE", "master")
    full = int(info(trio.primary, "stats")["sync_full"])
    await_state("full synchronisations", lambda: int(info(trio.primary, "stats")["sync_full"]) >= full)
    for server in (trio.theirs, trio.ours):
        await_link(server, trio.primary)
    trio.settle()
    assert info(trio.ours, "server")["run_id"] == before
    await_state(
        "the new history",
        lambda: (
            info(trio.ours)["master_replid"] == info(trio.primary)["master_replid"]
            and info(trio.theirs)["master_replid"] == info(trio.primary)["master_replid"]
        ),
    )
    check(pair, "MULTI\nGET k\nEXEC")


def test_tracking_and_notifications_follow_the_stream(trio: Trio, pair: Pair) -> None:
    pair.config("notify-keyspace-events", "KEA")
    listener = pair.client(3)
    listener.both("PSUBSCRIBE", "__key*__:*")
    tracker = pair.client(3)
    tracker.both("CLIENT", "TRACKING", "on")
    trio.run(("SET", "k", "v"))
    tracker.both("GET", "k")
    for _ in range(2):
        assert listener.read_push() is not NOTHING
    trio.run(("RPUSH", "l", 1), ("DEL", "k"), ("SET", "e", 1, "PX", 20))
    assert tracker.read_push()[0] == b"invalidate"
    for _ in range(8):
        assert listener.read_push() is not NOTHING
    await_state("the primary's DEL", lambda: ask(trio.primary, "DBSIZE").native() == 1)
    trio.settle()
    for _ in range(2):
        assert listener.read_push() is not NOTHING
    pair.both("PING")
    assert listener.read_push(0.05) is NOTHING


def test_messages_published_on_the_primary_arrive(trio: Trio, pair: Pair) -> None:
    listener = pair.client(3)
    listener.both("SUBSCRIBE", "c")
    listener.both("SSUBSCRIBE", "sc")
    trio.write("PUBLISH", "c", "m")
    assert listener.read_push() == [b"message", b"c", b"m"]
    trio.write("SPUBLISH", "sc", "m")
    assert listener.read_push() == [b"smessage", b"sc", b"m"]


def test_monitor_shows_the_stream(trio: Trio, pair: Pair) -> None:
    watcher = pair.client(2)
    watcher.both("MONITOR")
    trio.run(("MULTI",), ("SET", "k", "v"), ("INCR", "n"), ("EXEC",), ("SET", "a", "b"), ("EVAL", "return 1", 0))
    seen: list[list[str]] = []
    for side in (watcher.oracle, watcher.kvcore):
        lines: list[str] = []
        while not lines or '"a" "b"' not in lines[-1]:
            text = side.read().text.decode()
            if '"info"' not in text.lower() and '"ping"' not in text:
                lines.append(re.sub(r"^[\d.]+ ", "", text))
        seen.append(lines)
    assert seen[0] == seen[1]


# The link


def test_a_pause_of_clients_holds_up_the_stream_too(trio: Trio, pair: Pair) -> None:
    trio.write("SET", "k", 1)
    pair.both("CLIENT", "PAUSE", 100000, "WRITE")
    try:
        ask(trio.primary, "SET", "k", 2)

        def is_read() -> bool:
            offset = info(trio.primary)["master_repl_offset"]
            return all(info(each)["slave_read_repl_offset"] == offset for each in (trio.theirs, trio.ours))

        await_state("both replicas have read it", is_read)
        assert pair.both("GET", "k") == b"1"
    finally:
        pair.both("CLIENT", "UNPAUSE")
    pair.wait_until(("GET", "k"), b"2")
    trio.settle()


def test_killing_the_link_makes_it_again(trio: Trio, pair: Pair) -> None:
    trio.write("SET", "k", 1)
    before = int(info(trio.primary, "stats")["sync_partial_ok"])
    assert pair.both("CLIENT", "KILL", "TYPE", "master") == 1
    ask(trio.primary, "SET", "k", 2)
    pair.wait_until(("GET", "k"), b"2")
    assert int(info(trio.primary, "stats")["sync_partial_ok"]) == before + 2
    trio.digests()


def test_stale_data_is_served_or_not(trio: Trio, pair: Pair) -> None:
    trio.write("SET", "k", "v")
    pair.both("REPLICAOF", HOST, 1)
    assert pair.both("GET", "k") == b"v"
    pair.both("CONFIG", "SET", "replica-serve-stale-data", "no")
    try:
        check(
            pair,
            """
            GET k
            PING
            SET k v
            ECHO a
            MULTI
            GET k
            EXEC
            EVAL "return 1" 0
            EVAL "return redis.call('get', 'k')" 0
            EVAL "#!lua flags=allow-stale,no-writes\\nreturn 1" 0
            EVAL "#!lua flags=allow-stale,no-writes\\nreturn redis.call('get', 'k')" 0
            PUBLISH c m
            CONFIG GET maxmemory
            CLIENT GETNAME
            ROLE
            SELECT 1
            SELECT 0
            WAIT 1 0
            WATCH k
            UNWATCH
            TIME
            """.replace("TIME", ""),
        )
        for name in ("INFO", "AUTH", "SUBSCRIBE", "COMMAND", "LATENCY", "SLOWLOG", "MEMORY", "OBJECT", "ACL", "SCRIPT"):
            theirs, ours = pair.client().ask(name)
            assert theirs.kind == ours.kind, (name, theirs, ours)
    finally:
        pair.both("CONFIG", "SET", "replica-serve-stale-data", "yes")


def test_a_link_that_is_down_shows(trio: Trio, pair: Pair) -> None:
    pair.both("REPLICAOF", HOST, 1)
    theirs, ours = info(trio.theirs), info(trio.ours)
    assert list(theirs) == list(ours)
    for name in ("master_link_status", "master_last_io_seconds_ago", "master_sync_in_progress", "repl_backlog_active"):
        assert theirs[name] == ours[name], name
    assert theirs["master_link_down_since_seconds"] == ours["master_link_down_since_seconds"]
    for each in pair.ask("ROLE"):
        assert each.native()[3] in (b"connect", b"connecting")
        assert each.native()[4] == -1
    assert pair.client().both("PSYNC", "?", -1).code == "NOMASTERLINK"


# Chains and changes of role


@pytest.mark.parametrize("kinds", [(STOCK, "asyncio", STOCK), ("asyncio", "asyncio", "asyncio")])
def test_chains_have_one_history(fleet: Fleet, kinds: tuple[str, str, str]) -> None:
    servers = [start(kind) for kind in kinds]
    first, middle, last = servers
    try:
        for words in (("SELECT", 3), ("SET", "a", 1)):
            ask(first, *words)
        follow(middle, first)
        follow(last, middle)
        session = first.connect()
        for words in (("SELECT", 5), ("MULTI",), ("SET", "k", 1), ("INCR", "k"), ("EXEC",), ("XADD", "s", "*", "f", 1)):
            session.send(words)
            session.read()
        await_offsets(first, middle, last)
        kill = ask(last, "CLIENT", "KILL", "TYPE", "master")  # the middle has to go on from where it was
        assert kill.native() == 1
        session.send(("SET", "late", 1))
        session.read()
        session.close()
        await_link(last, middle)
        await_offsets(first, middle, last)
        assert len({ask(server, "DEBUG", "DIGEST").native() for server in servers}) == 1
        assert len({info(server)["master_replid"] for server in servers}) == 1
        assert info(middle, "stats")["sync_partial_ok"] == "1"
        assert ask(last, "SELECT", 5).native() == "OK"
    finally:
        for server in servers:
            server.stop()


@pytest.mark.parametrize("kinds", [(STOCK, "asyncio", STOCK), ("asyncio", "asyncio", "threaded")])
def test_siblings_go_on_with_a_promoted_one(fleet: Fleet, kinds: tuple[str, str, str]) -> None:
    servers = [start(kind) for kind in kinds]
    first, heir, sibling = servers
    try:
        for replica in (heir, sibling):
            follow(replica, first)
        session = first.connect()
        for words in (("SELECT", 5), ("SET", "k", 1)):
            session.send(words)
            session.read()
        session.close()
        await_offsets(first, heir, sibling)
        assert ask(heir, "REPLICAOF", "NO", "ONE").native() == "OK"
        assert info(heir)["role"] == "master"
        assert info(heir)["master_replid2"] == info(first)["master_replid"]
        assert ask(heir, "SET", "written", "here").native() == "OK"
        for replica in (sibling, first):  # the former primary, too
            follow(replica, heir)
        await_offsets(heir, sibling, first)
        assert info(heir, "stats")["sync_partial_ok"] == "2"
        assert info(heir, "stats")["sync_full"] == "0"
        assert len({ask(server, "DEBUG", "DIGEST").native() for server in servers}) == 1
        assert len({info(server)["master_replid"] for server in servers}) == 1
    finally:
        for server in servers:
            server.stop()


@pytest.mark.parametrize("kinds", [(STOCK, "asyncio"), ("asyncio", STOCK)])
def test_a_primary_that_wants_a_password(fleet: Fleet, kinds: tuple[str, str]) -> None:
    primary, replica = servers = [start(kind) for kind in kinds]
    try:
        for words in (
            ("ACL", "SETUSER", "carrier", "on", ">secret", "+psync", "+replconf", "+ping"),
            ("ACL", "SETUSER", "default", "-psync", "-sync"),
            ("SET", "k", "v"),
        ):
            assert ask(primary, *words).native() == "OK"
        ask(replica, "CONFIG", "SET", "masteruser", "carrier", "masterauth", "wrong")
        ask(replica, "REPLICAOF", HOST, primary.port)
        await_state("the refusal", lambda: "Unable to AUTH to MASTER: -WRONGPASS" in replica.log())
        assert info(replica)["master_link_status"] == "down"
        ask(replica, "CONFIG", "SET", "masterauth", "secret")
        await_link(replica, primary)
        assert ask(replica, "GET", "k").native() == b"v"
    finally:
        for server in servers:
            server.stop()
