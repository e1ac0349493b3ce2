"""Effects to bytes on a disk: form, policies, threads that wait for one another, and disks that refuse."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from kvcore.effects import Effect
from kvcore.storage.aof_reader import AofReader
from kvcore.storage.aof_writer import AofWriter
from tests.waiting import until


class Disk:
    """A file that does what a test says."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = 0
        self.syncs = 0
        self.room = 1 << 40
        self.broken = False
        self.closed = False
        self.gate: threading.Event | None = None

    def read(self, size: int) -> bytes:
        raise AssertionError("a writer reads nothing")

    def write(self, data: bytes) -> int:
        taken = data[: max(0, self.room - len(self.data))]
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.data += taken
        return len(taken)

    def sync(self) -> None:
        size = len(self.data)
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.synced = size
        self.syncs += 1

    def truncate(self, size: int) -> None:
        del self.data[size:]

    def size(self) -> int:
        return len(self.data)

    def close(self) -> None:
        self.closed = True

    def commands(self) -> list[list[bytes]]:
        reader = AofReader()
        found = [argv for argv, _ in reader.feed(bytes(self.data), last=True)]
        assert reader.pending == 0, bytes(self.data)
        return found


Make = Callable[..., AofWriter]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def make(disk: Disk) -> Iterator[Make]:
    """Make writers, and stop their threads at the end."""
    writers: list[AofWriter] = []

    def make(policy: str) -> AofWriter:
        writers.append(AofWriter(disk, 0, policy, lambda: 1_700_000_000))
        return writers[-1]

    yield make
    disk.broken, disk.room, disk.gate = False, 1 << 40, None
    for writer in writers:
        writer.close()


def unit(*texts: str, db: int = 0) -> list[Effect]:
    return [(db, text.encode().split()) for text in texts]


def soon(condition: Callable[[], object]) -> None:
    until("the writing thread gets that far", condition, pause=0.001)


def test_a_select_stands_where_the_database_changes(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.take(unit("SET a 1"))
    writer.take(unit("SET b 2"))
    writer.take(unit("MULTI", "SET c 3", "EXEC", db=2))
    assert disk.data == b""
    assert writer.commit()
    assert disk.commands() == [
        [b"SELECT", b"0"],
        [b"SET", b"a", b"1"],
        [b"SET", b"b", b"2"],
        [b"SELECT", b"2"],
        [b"MULTI"],
        [b"SET", b"c", b"3"],
        [b"EXEC"],
    ]
    assert writer.size == len(disk.data)


def test_messages_are_not_logged(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.take(unit("PUBLISH c m"))
    writer.take(unit("MULTI", "SET b 1", "spublish c m", "SET a 1", "EXEC"))
    writer.commit()
    assert [argv[0] for argv in disk.commands()] == [b"SELECT", b"MULTI", b"SET", b"SET", b"EXEC"]


def test_a_new_file_selects_its_database_again(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.take(unit("SET a 1", db=3))
    other = Disk()
    assert writer.switch(other) is disk
    writer.take(unit("SET b 2", db=3))
    writer.commit()
    assert disk.commands() == [[b"SELECT", b"3"], [b"SET", b"a", b"1"]]
    assert other.commands() == [[b"SELECT", b"3"], [b"SET", b"b", b"2"]]
    assert writer.size == len(other.data)


def test_timestamps_stand_before_the_first_command_of_a_second(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.stamped = True
    writer.take(unit("SET a 1"))
    writer.take(unit("SET b 2"))
    writer.commit()
    assert disk.data.count(b"#TS:1700000000\r\n") == 1
    assert disk.data.startswith(b"#TS:1700000000\r\n*2\r\n$6\r\nSELECT\r\n")
    assert len(disk.commands()) == 3


def test_always_syncs_once_for_all_that_piled_up(make: Make, disk: Disk) -> None:
    writer = make("always")
    for number in range(50):
        writer.take(unit(f"SET k {number}"))
    assert writer.commit()
    assert (disk.synced, disk.syncs) == (len(disk.data), 1)
    assert writer.commit()
    assert disk.syncs == 1


def test_always_makes_a_reader_wait_for_what_another_thread_is_syncing(make: Make, disk: Disk) -> None:
    writer = make("always")
    disk.gate = threading.Event()
    done: list[str] = []
    writer.take(unit("SET a 1"))
    first = threading.Thread(target=lambda: (writer.commit(), done.append("writer")))
    first.start()
    soon(lambda: writer._io.locked() and disk.data)
    second = threading.Thread(target=lambda: (writer.commit(), done.append("reader")))
    second.start()
    threading.Event().wait(0.02)
    assert done == []
    disk.gate.set()
    first.join()
    second.join()
    assert sorted(done) == ["reader", "writer"]
    assert disk.syncs == 1


def test_everysec_writes_at_once_and_syncs_by_itself(make: Make, disk: Disk) -> None:
    writer = make("everysec")
    writer.take(unit("SET a 1"))
    writer.commit()
    assert len(disk.commands()) == 2
    soon(lambda: disk.synced == len(disk.data))
    writer.take(unit("SET b 2"))
    soon(lambda: disk.synced == len(disk.data) and len(disk.commands()) == 3)


def test_everysec_does_not_write_while_a_sync_holds_the_disk(make: Make, disk: Disk) -> None:
    writer = make("everysec")
    disk.gate = threading.Event()
    writer.take(unit("SET a 1"))
    writer.commit()
    soon(lambda: writer._syncing)
    size = len(disk.data)
    writer.take(unit("SET b 2"))
    assert writer.commit()
    assert len(disk.data) == size
    disk.gate.set()
    soon(lambda: disk.synced == len(disk.data) > size)
    assert [argv[-1] for argv in disk.commands()] == [b"0", b"1", b"2"]


def test_a_full_disk_loses_nothing(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.take(unit("SET a 1"))
    writer.commit()
    size = len(disk.data)
    disk.room = size + 10
    writer.take(unit("SET b 2"))
    writer.commit()
    assert isinstance(writer.failure, OSError)
    assert writer.failure.errno == errno.ENOSPC
    assert (writer.size, writer.buffered > 10) == (size, True)
    writer.take(unit("SET c 3"))
    writer.commit()
    assert writer.failure is not None
    disk.room = 1 << 40
    writer.commit()
    assert writer.failure is None
    assert [argv[-1] for argv in disk.commands()] == [b"0", b"1", b"2", b"3"]
    assert writer.size == len(disk.data)


def test_always_acknowledges_nothing_that_is_not_on_the_disk(make: Make, disk: Disk) -> None:
    writer = make("always")
    writer.take(unit("SET a 1"))
    assert writer.commit()
    disk.room = len(disk.data) + 5
    writer.take(unit("SET b 2"))
    assert not writer.commit()
    assert not writer.commit()
    disk.room = 1 << 40
    assert writer.commit()
    assert disk.synced == len(disk.data)
    assert [argv[-1] for argv in disk.commands()] == [b"0", b"1", b"2"]


def test_after_a_failed_sync_nothing_is_acknowledged_though_later_ones_succeed(make: Make, disk: Disk) -> None:
    """The system may have dropped what it could not write, and tells of that once."""
    writer = make("always")
    writer.take(unit("SET a 1"))
    assert writer.commit()
    disk.broken = True
    writer.take(unit("SET b 2"))
    assert not writer.commit()
    disk.broken = False
    assert not writer.commit()
    writer.take(unit("SET c 3"))
    assert not writer.commit()
    assert not writer.sync()
    assert (writer.synced, writer.taken) == (1, 3)
    new = Disk()
    assert writer.switch(new, covered=True) is disk
    writer.take(unit("SET d 4"))
    assert not writer.commit()
    assert new.commands() == [[b"SELECT", b"0"], [b"SET", b"d", b"4"]]
    writer.former_synced(disk)
    assert not writer.commit(), "that says nothing of what was dropped"
    writer.rewritten()
    assert writer.commit()
    assert writer.synced == writer.taken == 4


def test_a_failed_sync_in_the_background_is_told_and_not_forgotten(make: Make, disk: Disk) -> None:
    writer = make("everysec")
    disk.broken = True
    writer.take(unit("SET a 1"))
    assert writer.commit()
    soon(lambda: writer.failure is not None)
    disk.broken = False
    soon(lambda: disk.synced == len(disk.data))
    assert writer.failure is writer.doubt is not None
    assert writer.synced == 0


def test_a_rewrite_heals_what_failed_before_it_began_and_no_more(make: Make, disk: Disk) -> None:
    writer = make("always")
    new = Disk()
    writer.take(unit("SET a 1"))
    writer.switch(new)
    writer.former_failed(disk, OSError(errno.EIO, "of the old file"))
    assert writer.failure is not None
    new.broken = True
    writer.take(unit("SET b 1"))
    assert not writer.commit()
    writer.rewritten()
    assert writer.failure is not None, "the base has nothing of that"
    new.broken = False
    newer = Disk()
    writer.switch(newer, covered=True)
    writer.rewritten()
    assert writer.failure is None
    writer.former_failed(new, OSError(errno.EIO, "too late"))
    assert writer.failure is None, "nobody needs that file any more"


def test_what_is_covered_by_a_new_base_is_not_written_again(make: Make, disk: Disk) -> None:
    writer = make("no")
    disk.room = 5
    writer.take(unit("INCR a"))
    assert not writer.flush()
    writer.take(unit("INCR b"))
    new = Disk()
    writer.switch(new, covered=True)
    writer.take(unit("INCR c"))
    assert writer.flush()
    assert new.commands() == [[b"SELECT", b"0"], [b"INCR", b"c"]]
    assert writer.failure is None


def test_what_could_not_be_written_does_not_count_as_synced(make: Make, disk: Disk) -> None:
    writer = make("no")
    disk.room = 5
    writer.take(unit("INCR a"))
    assert not writer.sync()
    assert writer.synced == 0
    disk.room = 1 << 40
    assert writer.sync()
    assert writer.synced == 1


def test_closing_writes_and_syncs_what_is_left(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.take(unit("SET a 1"))
    assert writer.close()
    assert (disk.synced, disk.closed) == (len(disk.data), True)
    assert len(disk.commands()) == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "kvcore-aof"]


def test_closing_on_a_full_disk_says_so(make: Make, disk: Disk) -> None:
    writer = make("everysec")
    disk.room = 0
    writer.take(unit("SET a 1"))
    assert not writer.close()


def test_a_message_does_not_make_a_transaction_of_one_change(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.take(unit("MULTI", "PUBLISH c m", "SET a 1", "EXEC"))
    writer.take(unit("MULTI", "PUBLISH c m", "PUBLISH c m", "EXEC"))
    writer.take(unit("MULTI", "SET a 2", "SPUBLISH c m", "SET b 2", "EXEC"))
    writer.commit()
    assert [argv[0] for argv in disk.commands()] == [b"SELECT", b"SET", b"MULTI", b"SET", b"SET", b"EXEC"]


def test_a_stricter_policy_syncs_what_a_laxer_one_left(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.take(unit("SET a 1"))
    writer.commit()
    soon(lambda: writer._thread is not None and not writer._awake)
    assert disk.synced == 0
    writer.follow("everysec")
    soon(lambda: disk.synced == len(disk.data))
    assert writer.synced == writer.taken


def test_a_sync_beside_the_writing_speaks_for_what_was_written_before_it(make: Make, disk: Disk) -> None:
    writer = make("everysec")
    disk.gate = threading.Event()
    writer.take(unit("SET a 1"))
    writer.commit()
    soon(lambda: writer._syncing)
    writer.take(unit("SET b 2"))
    with writer._io:
        writer._flush()
    disk.gate.set()
    soon(lambda: writer.synced == 1 or writer.synced == 2)
    assert writer.synced == 1 or disk.synced == len(disk.data)
    soon(lambda: writer.synced == 2)


def test_an_old_file_that_cannot_be_synced_is_told(make: Make, disk: Disk) -> None:
    writer = make("no")
    writer.take(unit("SET a 1"))
    writer.commit()
    assert not writer.syncing
    former = writer.switch(Disk())
    assert writer.syncing
    writer.former_failed(former, OSError(errno.EIO, "broken"))
    assert writer.failure is not None


def test_the_thread_does_not_fall_asleep_while_something_is_being_written(make: Make, disk: Disk) -> None:
    """It left the queue and counts as unsynced only once it is written: nobody would wake the thread for its sync."""
    writer = make("everysec")
    seen: list[bool] = []
    write = disk.write

    def look(data: bytes) -> int:
        seen.append(writer._has_work())
        return write(data)

    disk.write = look  # type: ignore[method-assign]
    writer.take(unit("SET a 1"))
    writer.commit()
    assert seen == [True]


def test_an_interrupt_before_the_thread_starts_leaves_the_next_one_to_start_it(
    make: Make, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    writer = make("everysec")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.take(unit("SET a 1"))
    writer.take(unit("SET b 2"))
    assert writer.commit()
    soon(lambda: disk.synced == len(disk.data) > 0)
    assert writer.close()
    assert disk.commands()[-1] == [b"SET", b"b", b"2"]
