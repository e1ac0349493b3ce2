"""Stock replicas of kvcore: whatever happens to data, links and servers, the data sets are equal in the end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.certificates import Certificates
from tests.oracle.links import (
    SECONDS,
    Group,
    Member,
    Talk,
    group,
    same_data,
    wait_for_link,
    wait_for_offset,
    wait_until,
)
from tests.oracle.servers import HOST, free_port
from tests.oracle.wire import Argument
from tests.oracle.wire import encode_command as c

__all__ = ["group"]

FRONTENDS = pytest.mark.parametrize("frontend", ["asyncio", "threaded"])

Words = tuple[Argument, ...]
SCRIPT = "redis.call('set', KEYS[1], ARGV[1]) redis.call('rpush', KEYS[2], ARGV[1]) return redis.call('get', KEYS[1])"


def random_writes(random: Random, count: int) -> list[Words]:
    """Return commands of all types; some of them fail, some expire."""
    found: list[Words] = []
    for _ in range(count):
        key, second = (f"k{random.randrange(30)}" for _ in range(2))
        word, number = random.randbytes(random.choice((1, 4, 70))), random.randrange(100)
        choices: tuple[Words, ...] = (
            ("SET", key, word),
            ("SET", key, word, "PX", random.randrange(1, 50)),
            ("SET", key, word, "EX", 1000, "GET"),
            ("GETEX", key, "PERSIST"),
            ("APPEND", key, word),
            ("INCRBY", key, number),
            ("INCRBYFLOAT", key, number / 8),
            ("SETRANGE", key, number, word),
            ("SETBIT", key, number, 1),
            ("BITFIELD", key, "INCRBY", "u8", number, 7),
            ("MSET", key, word, second, number),
            ("EXPIRE", key, number),
            ("PEXPIRE", key, random.randrange(1, 50)),
            ("PERSIST", key),
            ("DEL", key),
            ("UNLINK", key, second),
            ("RENAME", key, second),
            ("COPY", key, second, "REPLACE"),
            ("MOVE", key, 1),
            ("RPUSH", key, word, number, word),
            ("LPUSH", key, number),
            ("LINSERT", key, "BEFORE", number, word),
            ("LMOVE", key, second, "LEFT", "RIGHT"),
            ("LTRIM", key, 0, 20),
            ("LPOP", key, 2),
            ("SADD", key, *range(number % 7 + 1)),
            ("SADD", key, word),
            ("SPOP", key),
            ("SPOP", key, 3),
            ("SMOVE", key, second, 1),
            ("SUNIONSTORE", key, key, second),
            ("HSET", key, f"f{number % 5}", word, "g", number),
            ("HINCRBYFLOAT", key, "g", number / 16),
            ("HDEL", key, "g"),
            ("ZADD", key, number / 4, word),
            ("ZINCRBY", key, number, word),
            ("ZPOPMIN", key, 2),
            ("ZUNIONSTORE", key, 2, key, second),
            ("ZREMRANGEBYRANK", key, 0, 1),
            ("GEOADD", key, number, number / 2, word),
            ("PFADD", key, word, number),
            ("PFMERGE", key, second),
            ("XADD", key, "MAXLEN", "~", 10, "*", "f", word),
            ("XADD", key, "*", "f", number),
            ("XTRIM", key, "MAXLEN", 5),
            ("XGROUP", "CREATE", key, "g", "0"),
            ("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", key, ">"),
            ("XAUTOCLAIM", key, "g", "d", 0, "0"),
            ("XDEL", key, "0-1"),
            ("SORT", key, "ALPHA", "STORE", second),
            ("RESTORE", key, 0, b"\x00\x03abc\x0a\x00" + b"\x00" * 8, "REPLACE"),
            ("EVAL", SCRIPT, 2, key, second, word),
            ("EVAL", "return redis.call('spop', KEYS[1], 2)", 1, key),
            ("FCALL", "f", 1, key, word),
            ("MULTI",),
            ("EXEC",),
            ("SELECT", number % 3),
            ("PUBLISH", "channel", word),
        )
        found.append(random.choice(choices))
        if random.random() < 0.01:
            found.append(random.choice((("FLUSHDB",), ("SWAPDB", 0, 1), ("FLUSHALL",), ("SCRIPT", "FLUSH"))))
    return [*found, ("EXEC",), ("SELECT", 0), ("SET", "last", "one")]


def write(primary: Member, seed: int, count: int) -> None:
    for start in range(0, count, 500):
        primary.pipeline(random_writes(Random(f"{seed}/{start}"), 500))


def count_of(member: Member, name: str) -> int:
    return int(member.info("stats")[name])


LIBRARY = "#!lua name=l\nredis.register_function('f', function(k, a) return redis.call('append', k[1], a[1]) end)"


@FRONTENDS
def test_random_writes(group: Group, frontend: str) -> None:
    primary = group.kvcore(frontend)
    write(primary, 1, 500)  # before anybody hears
    first = group.replica_of(primary)
    primary("FUNCTION", "LOAD", LIBRARY)
    write(primary, 2, 2000)
    second = group.replica_of(primary)
    write(primary, 3, 1000)
    same_data(primary, first, second)
    for replica in (first, second):
        assert replica("FUNCTION", "LIST", "WITHCODE") == primary("FUNCTION", "LIST", "WITHCODE")
        assert "sending an error to its master" not in replica.server.log()
    assert count_of(primary, "sync_full") == 2


@FRONTENDS
@pytest.mark.parametrize("side", ["primary", "replica"])
def test_a_broken_link_goes_on_where_it_broke(group: Group, frontend: str, side: str) -> None:
    primary = group.kvcore(frontend)
    replica = group.replica_of(primary)
    for number in range(3):
        write(primary, number, 500)
        if side == "primary":
            assert primary("CLIENT", "KILL", "TYPE", "replica").native() == 1
        else:
            assert replica("CLIENT", "KILL", "TYPE", "master").native() == 1
        write(primary, number + 100, 500)
        wait_until(lambda least=number + 1: count_of(primary, "sync_partial_ok") >= least, primary.server.log)  # type: ignore[misc]
        same_data(primary, replica)
    assert count_of(primary, "sync_full") == 1


def test_a_backlog_that_is_too_small_costs_a_full_synchronisation(group: Group) -> None:
    primary = group.kvcore("asyncio", "--repl-backlog-size", "16384")
    replica = group.replica_of(primary)
    replica("REPLICAOF", "NO", "ONE")
    for number in range(50):
        primary("SET", f"k{number}", "v" * 10_000)
    replica.follow(primary)
    wait_for_link(replica)
    same_data(primary, replica)
    assert count_of(primary, "sync_full") == 2
    assert count_of(primary, "sync_partial_err") == 2  # a stock server that never had a primary asks with its own id


@pytest.mark.parametrize(
    ("primary_options", "replica_options"),
    [
        (("--repl-diskless-sync", "no"), ()),
        (("--repl-diskless-sync", "no"), ("--repl-diskless-load", "swapdb")),
        ((), ("--repl-diskless-load", "swapdb")),
        ((), ("--repl-diskless-load", "on-empty-db")),
        (("--rdbcompression", "no", "--rdbchecksum", "no"), ()),
        (("--appendonly", "yes"), ("--appendonly", "yes")),
        (("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), ()),
    ],
)
def test_forms_of_a_full_synchronisation(
    group: Group, primary_options: tuple[str, ...], replica_options: tuple[str, ...]
) -> None:
    primary = group.kvcore("asyncio", *primary_options)
    write(primary, 5, 1000)
    replica = group.replica_of(primary, *replica_options)
    write(primary, 6, 500)
    same_data(primary, replica)


class Writer(threading.Thread):
    """A client that writes until it is told to stop."""

    def __init__(self, primary: Member, make: Callable[[int], Words]) -> None:
        super().__init__(daemon=True)
        self._session = primary.server.connect()
        self._make = make
        self.stopping = threading.Event()
        self.written = 0
        self.start()

    def run(self) -> None:
        """Send command after command."""
        while not self.stopping.is_set():
            for _ in range(50):
                self._session.send(self._make(self.written))
                self.written += 1
            for _ in range(50):
                self._session.read(SECONDS)

    def finish(self) -> None:
        self.stopping.set()
        self.join()
        self._session.close()


@FRONTENDS
@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_writes_go_on_while_a_large_data_set_is_sent(group: Group, frontend: str, diskless: str) -> None:
    primary = group.kvcore(frontend, "--repl-diskless-sync", diskless)
    for start in range(0, 200_000, 2000):
        primary("MSET", *(part for n in range(start, start + 2000) for part in (f"key:{n}", f"value:{n}")))
    primary("HSET", "big", *(part for n in range(20_000) for part in (f"f{n}", n)))
    random = Random(3)

    def change(number: int) -> Words:
        key = f"key:{random.randrange(250_000)}"
        return random.choice(
            (("SET", key, number), ("DEL", key), ("HSET", "big", f"f{number % 30_000}", "new"), ("INCR", "n"))
        )

    writer = Writer(primary, change)
    try:
        first, second = group.real(), group.real()
        for replica in (first, second):
            replica.follow(primary)
        wait_for_link(first)
        wait_for_link(second)
    finally:
        writer.finish()
    assert writer.written > 100
    same_data(primary, first, second)


@pytest.mark.parametrize(
    "disruption", ["FLUSHALL", "SWAPDB", "FLUSHDB ASYNC", "DEBUG RELOAD", "BGSAVE", "SAVE", "BGREWRITEAOF", "CONFIG"]
)
def test_what_happens_during_a_full_synchronisation(group: Group, tmp_path: Path, disruption: str) -> None:
    primary = group.kvcore("asyncio", "--dir", str(tmp_path))
    for start in range(0, 100_000, 2000):
        primary("MSET", *(part for n in range(start, start + 2000) for part in (f"key:{n}", f"value:{n}")))
    replica = group.real()
    replica.follow(primary)
    wait_until(lambda: "state=wait_bgsave" in primary.info("replication").get("slave0", ""), primary.server.log)
    words = {"SWAPDB": "SWAPDB 0 1", "CONFIG": "CONFIG SET repl-backlog-size 16384"}.get(disruption, disruption)
    answer = primary.ask(*words.split())
    still_sending = "state=wait_bgsave" in primary.info("replication").get("slave0", "")
    if disruption in ("BGSAVE", "SAVE"):
        refused = answer.text == b"ERR Background save already in progress"
        assert refused or not still_sending
    elif disruption == "BGREWRITEAOF":
        assert answer.text.startswith(b"Background append only file rewriting ")
    else:
        assert answer.text == b"OK"
    primary("SET", "after", disruption)
    wait_for_link(replica)
    same_data(primary, replica)


def test_a_chain_behind_a_stock_replica(group: Group) -> None:
    primary = group.kvcore("asyncio")
    middle = group.replica_of(primary)
    last = group.replica_of(middle)
    write(primary, 7, 1500)
    same_data(primary, middle)
    wait_for_offset(primary, last)
    same_data(primary, last)
    assert last.info("replication")["master_replid"] == primary.info("replication")["master_replid"]
    last.follow(primary)  # the same history: no data set is needed
    write(primary, 8, 500)
    same_data(primary, last)
    assert count_of(primary, "sync_full") == 1
    assert count_of(primary, "sync_partial_ok") == 1


def test_a_promoted_replica(group: Group) -> None:
    primary = group.kvcore("asyncio")
    replica = group.replica_of(primary)
    other = group.replica_of(primary)
    write(primary, 9, 500)
    same_data(primary, replica, other)
    replica("REPLICAOF", "NO", "ONE")
    other.follow(replica)
    wait_for_link(other)
    write(replica, 10, 500)
    same_data(replica, other)
    assert count_of(replica, "sync_full") == 0


@FRONTENDS
def test_wait(group: Group, frontend: str) -> None:
    primary = group.kvcore(frontend)
    replicas = [group.replica_of(primary) for _ in range(2)]
    for number in range(20):
        primary("SET", "k", number)
        assert primary("WAIT", 2, 10_000).native() == 2
        for replica in replicas:
            assert replica("GET", "k").native() == b"%d" % number
    primary("SET", "k", "last")
    assert primary("WAIT", 3, 50).native() == 2


def test_min_replicas_to_write(group: Group) -> None:
    primary = group.kvcore("asyncio", "--min-replicas-to-write", "1")
    assert primary.ask("SET", "k", "v").text.startswith(b"NOREPLICAS ")
    replica = group.replica_of(primary)
    wait_until(lambda: primary.ask("SET", "k", "v").text == b"OK", primary.server.log)
    same_data(primary, replica)
    replica("REPLICAOF", "NO", "ONE")
    wait_until(lambda: primary.ask("SET", "k", "v").text.startswith(b"NOREPLICAS "), primary.server.log)


def test_messages_reach_the_listeners_of_a_replica(group: Group) -> None:
    primary = group.kvcore("asyncio")
    replica = group.replica_of(primary)
    listener = replica.server.connect(3)
    listener.send(("SUBSCRIBE", "c"))
    listener.read_push(SECONDS)
    primary("PUBLISH", "c", "alone")
    for words in (("MULTI",), ("SET", "k", "v"), ("PUBLISH", "c", "inside"), ("EXEC",)):
        primary(*words)
    assert [listener.read_push(SECONDS).native()[2] for _ in range(2)] == [b"alone", b"inside"]
    listener.close()


def test_a_replica_needs_the_password_and_the_permission(group: Group) -> None:
    primary = group.kvcore("asyncio", "--requirepass", "secret")
    primary("AUTH", "secret")
    primary("ACL", "SETUSER", "sync", "on", ">pass", "+psync", "+replconf", "+ping")
    primary("ACL", "SETUSER", "weak", "on", ">pass", "+ping", "+replconf")
    primary("SET", "k", "v")
    replica = group.real()
    replica.follow(primary)
    wait_until(lambda: "NOAUTH" in replica.server.log(), replica.server.log)
    replica("CONFIG", "SET", "masteruser", "weak", "masterauth", "pass")
    wait_until(lambda: "NOPERM" in replica.server.log(), replica.server.log)
    assert primary.info("replication")["connected_slaves"] == "0"
    replica("CONFIG", "SET", "masteruser", "sync")
    wait_for_link(replica)
    same_data(primary, replica)


def test_more_replicas_than_clients_may_be(group: Group) -> None:
    primary = group.kvcore("asyncio", "--maxclients", "2")
    primary("SET", "k", "v")
    replica = group.replica_of(primary)
    refused = group.real()
    refused.follow(primary)
    wait_until(lambda: "max number of clients reached" in refused.server.log(), refused.server.log)
    same_data(primary, replica)


def test_a_replica_that_reads_nothing_is_closed(group: Group) -> None:
    primary = group.kvcore("asyncio")
    primary("CONFIG", "SET", "client-output-buffer-limit", "replica 1mb 0 0")
    talk = Talk(primary.port)
    talk.send(c(["SYNC"]))
    wait_until(lambda: primary.info("replication")["connected_slaves"] == "1", primary.server.log)
    replica = group.replica_of(primary)
    wait_until(lambda: "state=online" in primary.info("replication")["slave0"], primary.server.log)
    for number in range(200):
        primary("SET", f"k{number}", "x" * 100_000)
        if primary.info("replication")["connected_slaves"] == "1":
            break
    assert primary.info("replication")["connected_slaves"] == "1"
    assert "closed ASAP for overcoming of output buffer limits" in primary.server.log()
    same_data(primary, replica)
    talk.close()


@FRONTENDS
def test_a_link_with_tls(group: Group, tmp_path: Path, frontend: str) -> None:
    made = Certificates(tmp_path)
    port = free_port()
    primary = group.kvcore(frontend, "--port", str(free_port()), "--tls-port", str(port), *made.options())
    write(primary, 11, 500)
    certificate = ("--tls-cert-file", str(made.server), "--tls-key-file", str(made.server_key))
    replica = group.real("--tls-ca-cert-file", str(made.ca), *certificate, "--tls-replication", "yes")
    replica("REPLICAOF", HOST, port)
    wait_for_link(replica)
    write(primary, 12, 500)
    same_data(primary, replica)


# The end of the primary


@pytest.mark.parametrize("kind", ["kvcore", "real"])
def test_the_primary_waits_for_a_replica_that_lags_behind(group: Group, kind: str) -> None:
    options = ("--shutdown-timeout", "60")
    primary = group.kvcore("asyncio", *options) if kind == "kvcore" else group.real(*options)
    replica = group.replica_of(primary)
    primary("SET", "k", 1)
    same_data(primary, replica)
    replica.server.signal(signal.SIGSTOP)
    try:
        primary("INCR", "k")
        leaving, refused = (primary.server.connect() for _ in range(2))
        leaving.send(("SHUTDOWN",))
        wait_until(lambda: "shutdown_in_milliseconds" in primary.info("server"), lambda: primary.info("server"))
        refused.send(("SHUTDOWN", "NOW"))
        wait_until(lambda: primary.info("clients")["blocked_clients"] == "2", lambda: primary.info("clients"))
        primary("SHUTDOWN", "ABORT")
        for session in (leaving, refused):
            assert session.read(SECONDS).text == b"ERR Errors trying to SHUTDOWN. Check logs."
        assert "shutdown_in_milliseconds" not in primary.info("server")
        primary.server.signal(signal.SIGTERM)
        wait_until(lambda: "Waiting for replicas" in primary.server.log()[-200:], primary.server.log)
    finally:
        replica.server.signal(signal.SIGCONT)
    assert primary.server.wait(SECONDS) == 0
    assert "1 of 1 replicas are in sync when shutting down." in primary.server.log()
    assert replica("GET", "k").text == b"2"


@pytest.mark.parametrize("kind", ["kvcore", "real"])
def test_an_output_limit_below_the_backlog_is_no_limit(group: Group, kind: str) -> None:
    options = (
        *("--client-output-buffer-limit", "replica", "100kb", "100kb", "0", "--repl-backlog-size", "50mb"),
        *("--rdbcompression", "no"),
    )
    primary = group.kvcore("asyncio", *options) if kind == "kvcore" else group.real(*options)
    primary("SET", "before", "x" * 5_000_000)  # a snapshot is no output that has a limit
    replica = group.replica_of(primary)
    primary("CONFIG", "SET", "client-output-buffer-limit", "replica 100kb 0 0")
    replica.server.signal(signal.SIGSTOP)
    try:
        for number in range(3):
            primary("SET", f"later{number}", "y" * 10_000_000)
    finally:
        replica.server.signal(signal.SIGCONT)
    same_data(primary, replica)
    assert primary.info("stats")["sync_full"] == "1"
    assert primary.info("stats")["sync_partial_ok"] == "0"


@pytest.mark.parametrize("kind", ["kvcore", "real"])
def test_a_value_above_the_output_limit_costs_one_synchronisation(group: Group, kind: str) -> None:
    options = ("--client-output-buffer-limit", "replica", "32768", "32768", "60", "--repl-backlog-size", "16384")
    primary = group.kvcore("asyncio", *options) if kind == "kvcore" else group.real(*options)
    replica = group.replica_of(primary)
    primary("SET", "large", Random(1).randbytes(300_000))
    same_data(primary, replica)
    primary("SET", "k", "v")
    same_data(primary, replica)
    assert primary.info("stats")["sync_partial_ok"] == "0"
    assert int(primary.info("stats")["sync_full"]) <= 2
    assert primary("CONFIG", "RESETSTAT").text == b"OK"
    assert primary.info("stats")["sync_full"] == "0"


@pytest.mark.parametrize("kind", ["kvcore", "real"])
def test_a_command_for_replicas_alone(group: Group, kind: str) -> None:
    primary = group.kvcore("asyncio") if kind == "kvcore" else group.real()
    replicas = group.replica_of(primary), group.kvcore("asyncio")
    replicas[1].follow(primary)
    wait_for_link(replicas[1])
    assert primary.ask("DEBUG", "REPLICATE").text.startswith(b"ERR unknown subcommand or wrong number of arguments")
    primary("DEBUG", "REPLICATE", "set", "k", "theirs")
    primary("DEBUG", "REPLICATE", "no-such-command")
    wait_for_offset(primary, *replicas)
    assert primary("EXISTS", "k").native() == 0
    lines = []
    for replica in replicas:
        assert replica("GET", "k").text == b"theirs"
        assert replica.info("stats")["unexpected_error_replies"] == "1"
        said = [line for line in replica.server.log().splitlines() if "== CRITICAL ==" in line]
        lines.append([line.partition("# ")[2].replace("'ERR ", "'") for line in said])
    assert lines[0] == lines[1]
