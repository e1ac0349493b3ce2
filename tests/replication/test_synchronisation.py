"""Full synchronisations: who shares a snapshot, in which form it comes, and what a failure leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.loading import Loader
from kvcore.rdb.file_reader import FileReader
from kvcore.rdb.file_writer import FileWriter
from kvcore.replication.primary import Primary
from kvcore.replication.replica import DONE, ONLINE, SENDING, WAITING
from kvcore.replication.transfer import AHEAD_BYTES
from tests.engine_client import Client
from tests.replication.links import Link, settle, tick

MARKED = re.compile(rb"\+FULLRESYNC ([0-9a-f]{40}) (\d+)\r\n\n*\$EOF:([0-9a-f]{40})\r\n(.*)\3\Z", re.DOTALL)
SIZED = re.compile(rb"\+FULLRESYNC ([0-9a-f]{40}) (\d+)\r\n\n*\$(\d+)\r\n", re.DOTALL)

Connect = Callable[[], Link]


class Received:
    """What a replica makes of a snapshot's bytes."""

    def __init__(self, data: bytes) -> None:
        self.engine = Engine()
        self.libraries: list[bytes] = []
        databases = self.engine.keyspace.databases
        loader = Loader(databases, 0, self.libraries.append)
        reader = FileReader(loader, self.engine.limits, databases=len(databases))
        reader.feed(data)
        reader.finish()
        self.aux = loader.aux
        self.client = Client(self.engine)


def snapshot_of(link: Link) -> Received:
    found = MARKED.match(link.read())
    assert found is not None
    return Received(found[4])


class FullTarget:
    """Somewhere else that a snapshot goes, which takes nothing."""

    error = None
    ended = False

    def write(self, _data: bytes) -> None:
        """Drop it."""

    def full(self) -> bool:
        return True

    def waiting(self) -> int:
        return 0

    def close(self) -> None:
        """Ignore it."""

    def abort(self) -> None:
        self.ended = True

    def wait(self) -> bool:
        return False

    def join(self) -> None:
        """Return."""


def states(primary: Primary) -> list[str]:
    return [replica.state for replica in primary.replicas.values()]


def test_a_marked_snapshot_holds_the_data_set_and_the_streams_position(
    engine: Engine, client: Client, replica: Link
) -> None:
    client("SET", "k", "v")
    client("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
    replica.follow("eof")
    assert replica.read() == b""  # what it is told is decided when the snapshot begins
    settle(engine)
    data = replica.read()
    found = MARKED.match(data)
    assert found is not None
    assert (found[1].decode(), found[2]) == (engine.replication_id, b"0")
    received = Received(found[4])
    assert received.client("GET", "k") == b"v"
    assert len(received.libraries) == 1
    assert received.aux[b"repl-id"] == engine.replication_id.encode()
    assert (received.aux[b"repl-stream-db"], received.aux[b"repl-offset"]) == (b"0", b"0")


def test_the_stream_waits_for_the_acknowledgement_of_a_marked_snapshot(
    engine: Engine, client: Client, primary: Primary, replica: Link
) -> None:
    replica.follow("eof")
    settle(engine)
    client("SET", "k", "v")
    assert states(primary) == [ONLINE]
    assert MARKED.match(replica.read())
    replica.acknowledge(0)
    assert replica.read() == (b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")
    client("DEL", "k")
    assert replica.read() == b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"


def test_an_early_acknowledgement_starts_nothing(engine: Engine, client: Client, replica: Link) -> None:
    replica.follow("eof")
    replica.acknowledge(0)
    settle(engine)
    replica.read()
    client("SET", "k", "v")
    assert replica.read() == b""
    replica.acknowledge(0)
    assert replica.read().endswith(b"$1\r\nv\r\n")


@pytest.mark.parametrize("capabilities", [(), ("psync2",)])
def test_who_knows_no_marks_is_told_the_length(
    engine: Engine, client: Client, replica: Link, capabilities: tuple[str, ...]
) -> None:
    client("SET", "k", "v")
    replica.follow(*capabilities)
    settle(engine)
    data = replica.read()
    found = SIZED.match(data)
    assert found is not None
    assert Received(data[found.end() :]).client("GET", "k") == b"v"
    assert len(data) - found.end() == int(found[3])
    client("SET", "k", "w")
    assert replica.read().endswith(b"$1\r\nw\r\n")  # no acknowledgement is waited for


def test_without_repl_diskless_sync_all_are_told_the_length(engine: Engine, replica: Link) -> None:
    engine.config.set("repl-diskless-sync", "no")
    engine.config.set("repl-diskless-sync-delay", "100")  # which is for streams only
    replica.follow("eof", "psync2")
    settle(engine)
    assert SIZED.match(replica.read())


def test_changes_during_a_snapshot_follow_it(engine: Engine, client: Client, replica: Link) -> None:
    for number in range(500):
        client("SET", f"k{number}", "old")
    replica.follow()
    engine.tick()  # begins
    assert engine.background.busy
    for number in range(500):
        client("SET", f"k{number}", "new")
    client("FLUSHALL")
    client("SWAPDB", 0, 1)
    settle(engine)
    data = replica.read()
    found = SIZED.match(data)
    assert found is not None
    size = int(found[3])
    received = Received(data[found.end() : found.end() + size])
    assert received.client("DBSIZE") == 500
    assert received.client("GET", "k7") == b"old"
    stream = data[found.end() + size :]
    assert stream.count(b"$3\r\nnew\r\n") == 500
    assert stream.endswith(b"SWAPDB\r\n$1\r\n0\r\n$1\r\n1\r\n")


def test_replicas_that_wait_share_a_snapshot(
    engine: Engine, client: Client, clock: ManualClock, primary: Primary, link: Connect
) -> None:
    engine.config.set("repl-diskless-sync-delay", "5")
    first, second, third = link(), link(), link()
    first.follow("eof")
    clock.advance(4999)
    engine.tick()
    assert first.read().strip(b"\n") == b""
    second.follow("eof")
    third.follow()  # which gets another form, and no delay
    settle(engine)
    assert states(primary) == [WAITING, WAITING, ONLINE]
    client("SET", "k", "v")
    clock.advance(1)
    settle(engine)
    (a, b) = (MARKED.match(each.read().lstrip(b"\n")) for each in (first, second))
    assert a is not None
    assert b is not None
    assert a.groups() == b.groups()
    assert int(a[2]) == primary.offset


def test_enough_replicas_end_the_delay(engine: Engine, link: Connect) -> None:
    engine.config.set("repl-diskless-sync-delay", "3600")
    engine.config.set("repl-diskless-sync-max-replicas", "2")
    first, second = link(), link()
    first.follow("eof")
    settle(engine)
    assert first.read() == b""
    second.follow("eof")
    settle(engine)
    assert MARKED.match(first.read())
    assert MARKED.match(second.read())


def test_who_comes_late_gets_the_next_snapshot(engine: Engine, client: Client, link: Connect) -> None:
    first, second = link(), link()
    client("SET", "k", "v")
    first.follow("eof")
    engine.tick()
    assert engine.background.busy
    client("SET", "k", "w")
    second.follow("eof")
    settle(engine)
    settle(engine)
    assert snapshot_of(first).client("GET", "k") == b"v"
    assert snapshot_of(second).client("GET", "k") == b"w"


def test_a_snapshot_for_another_purpose_goes_first(engine: Engine, primary: Primary, replica: Link) -> None:
    engine.background.start(FileWriter(128, True, 10), b"", FullTarget(), lambda _error: None)
    replica.follow("eof")
    tick(engine, 3)
    assert states(primary) == [WAITING]
    engine.background.cancel()
    settle(engine)
    assert states(primary) == [ONLINE]


def test_functions_alone(engine: Engine, client: Client, replica: Link) -> None:
    client("SET", "k", "v")
    client("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
    replica("REPLCONF", "rdb-only", 1)
    replica("REPLCONF", "rdb-filter-only", "functions")
    engine.config.set("repl-diskless-sync", "no")  # a filtered one comes with a mark all the same
    replica.follow("eof")
    tick(engine)
    received = snapshot_of(replica)
    assert received.client("DBSIZE") == 0
    assert len(received.libraries) == 1
    assert replica.is_ending


def test_nothing_but_the_header(engine: Engine, client: Client, replica: Link) -> None:
    client("SET", "k", "v")
    client("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)")
    replica("REPLCONF", "rdb-filter-only", "")
    replica.follow("eof")
    settle(engine)
    received = snapshot_of(replica)
    assert (received.client("DBSIZE"), received.libraries) == (0, [])
    assert b"repl-id" in received.aux


@pytest.mark.parametrize("capabilities", [(), ("eof",)])
def test_who_wants_the_snapshot_only_is_closed_behind_it(
    engine: Engine, client: Client, primary: Primary, replica: Link, capabilities: tuple[str, ...]
) -> None:
    replica("REPLCONF", "rdb-only", 1)
    replica.follow(*capabilities)
    settle(engine)
    client("SET", "k", "v")
    assert states(primary) == [DONE]
    assert replica.is_ending
    assert not replica.closed  # it is sent what is on its way
    assert b"$1\r\nv\r\n" not in replica.read()


def test_a_snapshot_ends_with_its_last_replica(engine: Engine, client: Client, link: Connect) -> None:
    first, second = link(), link()
    client("SET", "k", "v")
    first.follow("eof")
    second.follow("eof")
    engine.tick()
    first.hang_up()
    assert engine.background.busy
    second.hang_up()
    settle(engine)
    client("SET", "k", "w")
    third = link()
    third.follow("eof")
    settle(engine)
    assert snapshot_of(third).client("GET", "k") == b"w"


def test_a_file_ends_with_its_last_replica(engine: Engine, client: Client, primary: Primary, link: Connect) -> None:
    client("SET", "k", "v" * 3 * AHEAD_BYTES)
    engine.config.set("rdbcompression", "no")
    first, second = link(), link()
    first.follow()
    second.follow()
    settle(engine)
    assert states(primary) == [SENDING, SENDING]
    (transfer, _), _ = primary._transfers._files
    assert isinstance(transfer._file.fileno(), int)
    first.hang_up()
    assert not transfer._file.closed
    second.hang_up()
    assert transfer._file.closed
    assert not primary._transfers.sending


def test_a_file_that_can_no_longer_be_read_closes_its_replica(
    engine: Engine, client: Client, primary: Primary, replica: Link
) -> None:
    client("SET", "k", "v" * 3 * AHEAD_BYTES)
    engine.config.set("rdbcompression", "no")
    replica.follow()
    settle(engine)
    (transfer, _) = primary._transfers._files[0]
    transfer._file.truncate(10)
    while not replica.closed:
        replica.read()
        engine.tick()
    assert not primary._transfers.sending


def test_a_snapshot_without_a_folder_fails(engine: Engine, primary: Primary, tmp_path: Path, replica: Link) -> None:
    engine.config.assign("dir", str(tmp_path / "nowhere"))
    replica.follow()
    tick(engine, 2)
    assert replica.read().endswith(b"\r\n-ERR BGSAVE failed, replication can't continue\r\n")
    assert replica.is_ending
    assert states(primary) == [DONE]


def test_a_snapshot_that_fails_closes_its_replicas(
    engine: Engine, client: Client, primary: Primary, link: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client("SET", "k", "v")
    first, second = link(), link()
    first.follow()
    second.follow()
    engine.tick()
    monkeypatch.setattr(
        "kvcore.replication.transfer.FileTransfer._append", lambda self, _data: setattr(self, "_error", OSError("full"))
    )
    settle(engine)
    assert (first.closed, second.closed) == (True, True)
    assert engine.keyspace.databases[0].walk is None
    first.hang_up()
    second.hang_up()
    assert not primary.replicas


def test_the_database_is_named_again_after_a_snapshot(engine: Engine, client: Client, link: Connect) -> None:
    first, second = link(), link()
    first.follow()
    settle(engine)
    first.read()
    client("SELECT", 3)
    client("SET", "k", "v")
    assert b"SELECT" in first.read()
    second.follow("eof")
    settle(engine)
    received = snapshot_of(second)
    assert received.aux[b"repl-stream-db"] == b"3"
    client("SET", "k", "w")
    assert b"SELECT" in first.read()


def test_the_snapshot_waits_for_a_slow_replica(engine: Engine, client: Client, primary: Primary, replica: Link) -> None:
    engine.config.set("rdbcompression", "no")
    for number in range(512):
        client("SET", f"k{number}", "v" * (AHEAD_BYTES // 128))
    replica.follow("eof")
    tick(engine, 200)
    assert engine.background.busy
    assert replica.unread < AHEAD_BYTES * 5 // 4
    assert states(primary) == [SENDING]
    data = b""
    while engine.background.busy:
        data += replica.read()
        engine.tick()
    data += replica.read()
    found = MARKED.match(data)
    assert found is not None
    assert Received(found[4]).client("DBSIZE") == 512
