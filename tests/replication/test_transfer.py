"""The two forms of a transfer: what goes over the links, how far ahead, and what ends it early."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvcore.engine import Engine
from kvcore.rdb.file_writer import Checksum
from kvcore.replication.replica import Replica
from kvcore.replication.transfer import AHEAD_BYTES, FileTransfer, ReplicasLostError, StreamedTransfer
from tests.replication.links import Link

MARK = b"0123456789" * 4


@pytest.fixture
def links(engine: Engine) -> list[Link]:
    return [Link(engine), Link(engine)]


@pytest.fixture
def replicas(links: list[Link]) -> list[Replica]:
    made = [Replica(link.session) for link in links]
    for each in made:
        each.attach()
    return made


def checksum_of(*pieces: bytes) -> bytes:
    checksum = Checksum(True)
    for piece in pieces:
        checksum.update(piece)
    return checksum.footer()


def test_a_stream_stands_between_marks(links: list[Link], replicas: list[Replica]) -> None:
    transfer = StreamedTransfer(replicas, MARK, Checksum(True))
    transfer.write(b"REDIS")
    transfer.write(b"data")
    transfer.close()
    expected = b"$EOF:" + MARK + b"\r\nREDISdata" + checksum_of(b"REDIS", b"data") + MARK
    assert [link.read() for link in links] == [expected, expected]
    assert (transfer.ended, transfer.error) == (True, None)


def test_a_stream_pauses_for_its_slowest_replica(links: list[Link], replicas: list[Replica]) -> None:
    transfer = StreamedTransfer(replicas, MARK, Checksum(False))
    transfer.write(b"x" * AHEAD_BYTES)
    assert transfer.full()
    links[0].read()
    assert transfer.full()
    assert transfer.waiting() > AHEAD_BYTES
    assert not transfer.wait()
    links[1].read()
    assert not transfer.full()
    links[0].peer.output_buffer = AHEAD_BYTES + 1  # what the operating system has not taken counts
    assert transfer.full()


def test_a_stream_goes_on_while_one_replica_is_left(links: list[Link], replicas: list[Replica]) -> None:
    transfer = StreamedTransfer(replicas, MARK, Checksum(False))
    links[0].peer.output_buffer = 2 * AHEAD_BYTES
    replicas[0].attached = False
    assert not transfer.full()
    transfer.write(b"data")
    assert b"data" not in links[0].read()
    assert links[1].read().endswith(b"data")
    assert transfer.error is None
    replicas[1].attached = False
    assert isinstance(transfer.error, ReplicasLostError)
    assert transfer.waiting() == 0
    transfer.abort()
    assert transfer.ended


def test_a_file_is_sent_once_its_length_is_known(tmp_path: Path, links: list[Link], replicas: list[Replica]) -> None:
    transfer = FileTransfer(str(tmp_path), Checksum(True), replicas)
    transfer.write(b"REDIS")
    transfer.write(b"data")
    assert links[0].read() == b""
    transfer.close()
    content = b"REDISdata" + checksum_of(b"REDIS", b"data")
    for link, replica in zip(links, replicas, strict=True):
        assert transfer.send(replica)
        assert link.read() == b"$%d\r\n" % len(content) + content
    assert (transfer.ended, transfer.error) == (True, None)


def test_nobody_sees_the_file(tmp_path: Path, replicas: list[Replica]) -> None:
    transfer = FileTransfer(str(tmp_path), Checksum(True), replicas)
    transfer.write(b"data")
    assert list(tmp_path.iterdir()) == []
    transfer.abort()
    assert transfer.ended


def test_a_file_is_read_as_fast_as_each_replica_takes_it(
    tmp_path: Path, links: list[Link], replicas: list[Replica]
) -> None:
    transfer = FileTransfer(str(tmp_path), Checksum(False), replicas)
    data = bytes(range(256)) * (AHEAD_BYTES // 100)  # more than twice what may be on its way
    transfer.write(data)
    transfer.close()
    assert not transfer.full()
    received = b""
    turns = 0
    while not transfer.send(replicas[0]):
        assert links[0].unread < 2 * AHEAD_BYTES
        received += links[0].read()
        turns += 1
    received += links[0].read()
    assert turns >= 2
    assert received == b"$%d\r\n" % transfer.size + data + bytes(8)
    assert not transfer.send(replicas[1])  # from its beginning
    assert links[1].read().startswith(b"$%d\r\n" % transfer.size + data[:100])


def test_a_file_for_nobody_is_of_no_use(tmp_path: Path, replicas: list[Replica]) -> None:
    transfer = FileTransfer(str(tmp_path), Checksum(True), replicas)
    replicas[0].attached = False
    assert transfer.error is None
    replicas[1].attached = False
    assert isinstance(transfer.error, ReplicasLostError)


def test_a_folder_that_is_not_there_fails_at_once(tmp_path: Path, replicas: list[Replica]) -> None:
    with pytest.raises(OSError, match="nowhere"):
        FileTransfer(str(tmp_path / "nowhere"), Checksum(True), replicas)


def test_a_file_that_cannot_be_written_is_an_error_and_stays_one(tmp_path: Path, replicas: list[Replica]) -> None:
    transfer = FileTransfer(str(tmp_path), Checksum(True), replicas)

    class FullDisk:
        def write(self, _data: bytes) -> int:
            raise OSError("disk full")

        def flush(self) -> None:
            raise OSError("disk full")

        def close(self) -> None:
            """Close."""

    transfer._file.close()
    transfer._file = FullDisk()  # type: ignore[assignment]
    transfer.write(b"data")
    assert str(transfer.error) == "disk full"
    transfer.write(b"more")
    assert transfer.size == 0
    transfer.close()
    assert transfer.ended
    assert str(transfer.error) == "disk full"


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path, replicas: list[Replica]) -> None:
    transfer = FileTransfer(str(tmp_path), Checksum(True), replicas)
    transfer.write(b"x" * 1000)
    transfer.close()
    transfer._file.truncate(10)
    with pytest.raises(OSError, match="shorter"):
        transfer.send(replicas[0])
