"""What clients of a replica see while its primary's data set comes in (`repl-diskless-load`), beside a real replica."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.oracle.links import Group, Member, group, wait_until
from tests.oracle.primaries import PlayedPrimary
from tests.oracle.servers import HOST
from tests.oracle.wire import Wire

__all__ = ["group"]

HISTORY = "a" * 40
FAST = ("--loading-process-events-interval-bytes", "1024", "--enable-debug-command", "yes")
LIBRARY = (
    "#!lua name=l\nredis.register_function{function_name='f', callback=function() return 1 end, flags={'no-writes'}}"
)

# What would change something is refused by a read-only replica, and so is no trouble.
COMMANDS = (
    ("GET", "old"),
    ("SET", "k", "v"),
    ("PING",),
    ("ECHO", "a"),
    ("DBSIZE",),
    ("EXISTS", "old", "new:0"),
    ("MULTI",),
    ("GET", "old"),
    ("EXEC",),
    ("MULTI",),
    ("INFO", "errorstats"),
    ("DISCARD",),
    ("EVAL", "return redis.call('get', 'old')", 0),
    ("EVAL", "#!lua flags=allow-stale\nreturn 1", 0),
    ("FCALL", "f", 0),
    ("CONFIG", "SET", "appendonly", "no"),
    ("CONFIG", "SET", "dir", "."),
    ("CONFIG", "SET", "repl-diskless-load", "disabled"),
    ("CONFIG", "SET", "maxmemory-samples", 5, "appendonly", "no"),
    ("CONFIG", "SET", "no-such", 5, "appendonly", "no"),
    ("CONFIG", "SET", "appendonly", "no", "databases", 5),
    ("CONFIG", "SET", "maxmemory-samples", 5),
    ("CONFIG", "GET", "maxmemory-samples"),
    ("REPLICAOF", "no", "one"),
    ("PSYNC", "?", -1),
    ("SYNC",),
    ("FAILOVER", "ABORT"),
    ("BGSAVE",),
    ("SAVE",),
    ("BGREWRITEAOF",),
    ("DEBUG", "DIGEST"),
    ("FLUSHALL",),
    ("FUNCTION", "STATS"),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "LIST"),
    ("SCRIPT", "EXISTS", "a"),
    ("WATCH", "k"),
    ("UNWATCH",),
    ("SELECT", 1),
    ("SELECT", 0),
    ("CLIENT", "GETNAME"),
    ("CLIENT", "KILL", "TYPE", "pubsub"),
    ("OBJECT", "ENCODING", "old"),
    ("WAIT", 0, 10),
    ("PUBLISH", "c", "m"),
    ("MEMORY", "USAGE", "old"),
    ("SWAPDB", 0, 1),
    ("SCAN", 0, "COUNT", 1000),
    ("REPLCONF", "ACK", 1),
    ("TIME", "too", "many"),
    ("NOSUCH",),
)
UNLIKE = (("MEMORY", "USAGE", "old"), ("INFO", "errorstats"))
"""Commands whose answers are alike in their kind only."""


@pytest.fixture
def source() -> Iterator[PlayedPrimary]:
    """Yield a primary whose data set comes slowly."""
    made = PlayedPrimary(HISTORY)
    yield made
    made.close()


@pytest.fixture
def pair(group: Group) -> tuple[Member, Member]:
    """Return a real replica and kvcore, both with an old data set."""
    made = group.real(*FAST), group.kvcore("asyncio", *FAST)
    for member in made:
        member("SET", "old", "data")
        member("FUNCTION", "LOAD", LIBRARY)
    return made


def persistence(member: Member) -> dict[str, str]:
    return member.info("persistence")


def wait_for(member: Member, field: str, value: str) -> None:
    wait_until(lambda: persistence(member)[field] == value, lambda: (persistence(member), member.server.log()[-3000:]))


def answers(member: Member) -> list[tuple[object, Wire]]:
    found: list[tuple[object, Wire]] = []
    for words in COMMANDS:
        if words[0] in ("PSYNC", "SYNC", "REPLCONF"):
            session = member.server.connect()
            session.send(words)
            if words[0] != "REPLCONF":
                found.append((words, session.read()))
            session.close()
        else:
            found.append((words, member.ask(*words)))
    return found


def differences(theirs: list[tuple[object, Wire]], ours: list[tuple[object, Wire]]) -> list[object]:
    """Return the commands that were answered differently, with the answers."""
    return [
        (words, expected, found)
        for (words, expected), (_, found) in zip(theirs, ours, strict=True)
        if (expected.kind != found.kind if words in UNLIKE else expected != found)
    ]


def test_another_data_set_shuts_clients_out(pair: tuple[Member, Member], source: PlayedPrimary) -> None:
    results = []
    for member in pair:
        queueing = member.server.connect()
        for words in (("MULTI",), ("GET", "old")):
            queueing.send(words)
            queueing.read()
        member("CONFIG", "SET", "repl-diskless-load", "swapdb")
        member("REPLICAOF", HOST, source.port)
        wait_for(member, "loading", "1")
        wait_for(member, "loading_rdb_used_mem", str(1 << 20))
        fields = persistence(member)
        assert fields["async_loading"] == "0"
        assert fields["loading_total_bytes"] == "0"
        queueing.send(("EXEC",))
        shown = [name for name in fields if "load" in name]
        results.append((answers(member), queueing.read(), shown, member("ROLE").native()))
        queueing.close()
    theirs, ours = results
    assert not differences(theirs[0], ours[0])
    assert theirs[1:] == ours[1:]
    assert theirs[1].text.startswith(b"EXECABORT Transaction discarded because of: LOADING")
    source.finish()
    for member in pair:
        has_new_data(member)


def has_new_data(member: Member) -> None:
    """Insist that the old data set is gone, and its functions, too."""
    wait_until(lambda: member.ask("GET", "last").text == b"v", lambda: member.server.log()[-2000:])
    fields = persistence(member)
    assert (fields["loading"], fields["async_loading"]) == ("0", "0")
    assert not any(name.startswith("loading_") for name in fields)
    assert member("EXISTS", "old").native() == 0
    assert member("FUNCTION", "LIST").native() == []


def wait_for_log(member: Member, line: str) -> None:
    wait_until(lambda: line in member.server.log(), lambda: member.server.log()[-3000:])


def wait_for_transfer(member: Member) -> None:
    wait_until(
        lambda: member.info("replication").get("master_sync_in_progress") == "1", lambda: member.info("replication")
    )


def has_old_data(member: Member) -> None:
    assert member("GET", "old").text == b"data"
    assert member("DBSIZE").native() == 1
    assert member("FCALL", "f", 0).native() == 1


def test_the_same_data_set_at_an_earlier_time_is_served(pair: tuple[Member, Member], source: PlayedPrimary) -> None:
    source.finish()
    for member in pair:
        member("CONFIG", "SET", "repl-diskless-load", "swapdb")
        member("REPLICAOF", HOST, source.port)
        has_new_data(member)
        member("CONFIG", "SET", "replica-read-only", "no")
        for words in (("FLUSHALL",), ("FUNCTION", "LOAD", LIBRARY), ("SET", "old", "data")):
            member(*words)
        member("CONFIG", "SET", "replica-read-only", "yes")
    source.hold()
    source.hang_up()
    results = []
    for member in pair:
        wait_for(member, "async_loading", "1")
        fields = persistence(member)
        assert fields["loading"] == "0"
        has_old_data(member)
        results.append((answers(member), [name for name in fields if "load" in name], member("ROLE").native()))
    theirs, ours = results
    assert not differences(theirs[0], ours[0])
    assert theirs[1:] == ours[1:]
    source.finish()
    for member in pair:
        has_new_data(member)


@pytest.mark.parametrize("directive", ["disabled", "on-empty-db", "swapdb"])
def test_a_transfer_that_breaks_off_changes_nothing(
    pair: tuple[Member, Member], source: PlayedPrimary, directive: str
) -> None:
    for member in pair:
        member("CONFIG", "SET", "repl-diskless-load", directive)
        member("REPLICAOF", HOST, source.port)
        if directive == "swapdb":
            wait_for(member, "loading", "1")
        else:
            wait_for_transfer(member)
            assert persistence(member)["loading"] == "0"
            has_old_data(member)
    source.close()
    for member in pair:
        wait_for(member, "loading", "0")
        has_old_data(member)
        assert member.info("replication")["master_link_status"] == "down"
        wait_for_log(
            member, "Failed trying to load the MASTER" if directive == "swapdb" else "I/O error trying to sync"
        )


def test_an_empty_replica_has_nothing_to_serve(group: Group, source: PlayedPrimary) -> None:
    members = group.real(*FAST), group.kvcore("asyncio", *FAST)
    for member in members:
        member("CONFIG", "SET", "repl-diskless-load", "on-empty-db")
        member("REPLICAOF", HOST, source.port)
        wait_for(member, "loading", "1")
        assert member.ask("GET", "new:0").text.startswith(b"LOADING")
    source.finish()
    for member in members:
        has_new_data(member)
