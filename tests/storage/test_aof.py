"""The log's life on files in memory: starting, growing, rewriting, coming back, and disks that fail at any step."""

from __future__ import annotations

import errno
import threading

import pytest

from kvcore.blocking import Blocked
from kvcore.call import Call
from kvcore.clock import ManualClock
from kvcore.command import EXTENSIONS
from kvcore.config import Config
from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.extensions import command
from kvcore.replies import Reply
from kvcore.storage.aof import AppendOnlyFile
from kvcore.storage.files import Files
from kvcore.storage.middleware import Crash, FaultyFiles, MemoryFiles, crash_at, fail_at, fail_on, no_fault
from kvcore.storage.snapshots import LoadError, Snapshots
from tests.engine_client import Client
from tests.waiting import until

NAMES = "appendonlydir/appendonly.aof"


class Log:
    """An engine with its log on ``files``, as it is after a start."""

    def __init__(self, files: Files, *, passed_ms: int = 0, threaded: bool = False, **directives: str) -> None:
        """``passed_ms`` after the first start."""
        config = Config()
        config.assign("dir", ".")
        for name, value in {"save": "", "appendonly": "yes", "appendfsync": "always", **directives}.items():
            config.set(name.replace("_", "-"), value)
        self.clock = ManualClock()
        self.clock.advance(passed_ms)
        self.engine = Engine(config, clock=self.clock)
        self.files = files
        snapshots = Snapshots(self.engine, config, files=files, threaded=threaded)
        self.aof = AppendOnlyFile(snapshots, self.engine, files, threaded=threaded)
        self.loaded = self.aof.load()
        self.aof.start()
        self.client = Client(self.engine)

    def __call__(self, *words: str | int) -> object:
        reply = self.client(*words)
        self.safe = self.aof.commit()
        return reply

    def run_rewrite(self) -> None:
        def ended() -> bool:
            self.engine.tick()
            return self.aof.fields()["aof_rewrite_in_progress"] == 0

        until("the rewrite ends", ended, pause=0)

    def stop(self) -> bool:
        return self.aof.stop()

    @property
    def digest(self) -> str:
        return dataset_digest(self.engine.keyspace.databases)


def content(files: MemoryFiles, name: str) -> bytes:
    return files.open(name).read(1 << 20)


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


def test_a_fresh_log_is_the_real_servers(files: MemoryFiles) -> None:
    log = Log(files)
    assert not log.loaded
    log("SET", "k", "v")
    log("SELECT", 1)
    log("EXPIRE", "none", 10)
    log("INCRBYFLOAT", "f", "0.5")
    log.stop()
    assert content(files, f"{NAMES}.manifest") == (
        b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    )
    assert content(files, f"{NAMES}.1.base.rdb").startswith(b"REDIS0010\xfa\x09redis-ver")
    assert content(files, f"{NAMES}.1.incr.aof") == (
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*4\r\n$3\r\nSET\r\n$1\r\nf\r\n$3\r\n0.5\r\n$7\r\nKEEPTTL\r\n"
    )


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_everything_comes_back_before_and_after_a_rewrite(files: MemoryFiles, preamble: str) -> None:
    log = Log(files, aof_use_rdb_preamble=preamble)
    for number in range(300):
        log("SET", f"k{number}", number)
        log("RPUSH", "list", *range(number % 7 + 1))
        log("ZADD", "zset", number, f"m{number % 40}")
        log("HSET", "hash", f"f{number % 90}", number)
    log("EXPIRE", "k1", 1000)
    log("SELECT", 5)
    log("SADD", "set", *range(2000))
    assert log("BGREWRITEAOF") == "Background append only file rewriting started"
    log("SADD", "set", "during")
    log("SELECT", 0)
    log("DEL", "k2")
    log.run_rewrite()
    log("SET", "after", 1)
    assert [name for name in files.list("appendonlydir") if "temp" in name] == []
    assert len(files.list("appendonlydir")) == 3
    digest = log.digest
    assert log.stop()
    again = Log(files, aof_use_rdb_preamble=preamble)
    assert again.loaded
    assert again.digest == digest
    again("SET", "again", 1)
    digest = again.digest
    again.stop()
    assert Log(files).digest == digest


def test_expired_keys_do_not_come_back_and_order_is_kept(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "k", "v", "PX", 100)
    log.clock.advance(200)
    assert log("GET", "k") is None
    log("SET", "k", "w")
    log.stop()
    assert Log(files).client("GET", "k") == b"w"


def test_what_a_crash_cut_off_is_cut_off(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "a", 1)
    log("SET", "b", 2)
    log.stop()
    name = f"{NAMES}.1.incr.aof"
    whole = content(files, name)
    files.append(name).write(b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$10")
    again = Log(files)
    assert again.engine.keyspace.databases[0].size == 2
    again.stop()
    assert content(files, name) == whole


def test_a_transaction_without_end_is_taken_back(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "a", 1)
    log.stop()
    name = f"{NAMES}.1.incr.aof"
    whole = content(files, name)
    files.append(name).write(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n")
    again = Log(files)
    assert again.client("GET", "a") == b"1"
    again.stop()
    assert content(files, name) == whole


def test_a_cut_may_be_forbidden(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "a", 1)
    log.stop()
    files.append(f"{NAMES}.1.incr.aof").write(b"*3\r\n$3\r\nSET")
    with pytest.raises(LoadError, match="Unexpected end of file reading the append only file"):
        Log(files, aof_load_truncated="no")


def test_only_the_last_file_may_be_cut(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "a", 1)
    log.stop()
    files.append(f"{NAMES}.1.incr.aof").write(b"*3\r\n$3\r\nSET")
    manifest = files.append(f"{NAMES}.manifest")
    manifest.write(b"file appendonly.aof.2.incr.aof seq 2 type i\n")
    files.create(f"{NAMES}.2.incr.aof").close()
    with pytest.raises(LoadError, match="the truncated file is not the last file"):
        Log(files)


def test_a_listed_file_must_be_there(files: MemoryFiles) -> None:
    Log(files).stop()
    files.remove(f"{NAMES}.1.incr.aof")
    with pytest.raises(LoadError, match=r"AOF file appendonly\.aof\.1\.incr\.aof length. stat: No such file"):
        Log(files)


def test_the_single_file_of_older_servers_is_brought_in(files: MemoryFiles) -> None:
    files.create("appendonly.aof").write(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")
    log = Log(files)
    assert log.client("GET", "k") == b"v"
    assert not files.exists("appendonly.aof")
    log("SET", "l", 1)
    log.stop()
    assert content(files, f"{NAMES}.manifest") == (
        b"file appendonly.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
    )
    again = Log(files)
    assert again.engine.keyspace.databases[0].size == 2
    again("BGREWRITEAOF")
    again.run_rewrite()
    assert files.list("appendonlydir") == [
        "appendonly.aof.2.base.rdb",
        "appendonly.aof.2.incr.aof",
        "appendonly.aof.manifest",
    ]


def test_history_may_be_kept(files: MemoryFiles) -> None:
    log = Log(files, aof_disable_auto_gc="yes")
    log("BGREWRITEAOF")
    log.run_rewrite()
    assert b"file appendonly.aof.1.base.rdb seq 1 type h\n" in content(files, f"{NAMES}.manifest")
    assert files.exists(f"{NAMES}.1.base.rdb")
    log.stop()
    Log(files).stop()
    assert not files.exists(f"{NAMES}.1.base.rdb")


def test_growth_begins_a_rewrite(files: MemoryFiles) -> None:
    log = Log(files, auto_aof_rewrite_min_size="1kb", auto_aof_rewrite_percentage="100")
    for number in range(200):
        log("SET", "k", "x" * 50 + str(number))
    log.engine.tick()
    log.run_rewrite()
    assert files.exists(f"{NAMES}.2.base.rdb")
    assert log.aof.current_size < 1024
    log.engine.tick()
    assert not files.exists(f"{NAMES}.3.base.rdb")


def test_commands_refused_while_one_runs(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "k", "v")
    assert log("BGREWRITEAOF") == "Background append only file rewriting started"
    assert str(log("BGREWRITEAOF")) == "ERR Background append only file rewriting already in progress"
    assert str(log("BGSAVE")).startswith("ERR Another child process is active")
    log.run_rewrite()
    assert log("BGSAVE") == "Background saving started"
    assert log("BGREWRITEAOF") == "Background append only file rewriting scheduled"
    assert log.aof.fields()["aof_rewrite_scheduled"] == 1
    for _ in range(100):
        log.engine.tick()
    assert files.exists(f"{NAMES}.3.base.rdb")


def test_a_disk_that_refuses_stops_writes_and_lets_them_in_again(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    log = Log(faulty)
    log("SET", "a", 1)
    faulty.fault = fail_on("write", errno.ENOSPC)
    log("SET", "b", 2)
    assert not log.safe
    log.engine.tick()
    assert str(log("SET", "c", 3)) == "MISCONF Errors writing to the AOF file: No space left on device"
    assert log("GET", "b") == b"2"
    faulty.fault = no_fault
    log("GET", "b")
    assert log.safe
    log.engine.tick()
    assert log("SET", "c", 3) == "OK"
    digest = log.digest
    log.stop()
    assert Log(files).digest == digest


def test_after_a_failed_sync_nothing_is_acknowledged_until_the_log_is_rewritten(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    log = Log(faulty)
    log("RPUSH", "list", *range(5000))
    faulty.fault = fail_on("sync")
    log("SET", "a", 1)
    assert not log.safe
    faulty.fault = no_fault
    log("GET", "a")
    assert not log.safe, "the pages of the failed sync may be lost"
    log.client("WAITAOF", 1, 0, 0)
    log.engine.tick()
    assert str(Client(log.engine)("SET", "b", 1)) == "MISCONF Errors writing to the AOF file: Input/output error"
    fields = log.aof.fields()
    assert fields["aof_last_write_status"] == "err"
    assert fields["aof_rewrite_in_progress"] == 1
    assert (log.aof.commit(), log.client.delivered) == (False, [])
    log.run_rewrite()
    assert files.exists(f"{NAMES}.2.base.rdb")
    assert log.aof.commit()
    log.engine.tick()
    assert log.client.delivered == [[1, 0]]
    assert log.aof.fields()["aof_last_write_status"] == "ok"
    assert log("SET", "b", 1) == "OK"
    assert log.safe
    assert Log(files.crashed()).digest == log.digest


def test_a_log_that_cannot_be_written_anew_is_tried_again(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    log = Log(faulty)
    log("INCR", "n")
    before = files.crashed()
    faulty.fault = fail_on("sync")
    log("INCR", "n")
    for _ in range(100):
        log.engine.tick()
        log.clock.advance(1000)
    assert not log.aof.commit()
    assert 3 < log.aof.fields()["aof_rewrites_consecutive_failures"] < 12
    assert Log(files.crashed()).digest == Log(before).digest, "the manifest names what was good"
    faulty.fault = no_fault
    log.clock.advance(30_000)
    log.engine.tick()
    log.run_rewrite()
    assert log.aof.commit()
    assert log("INCR", "n") == 3
    assert log.stop()
    assert files.exists(f"{NAMES}.2.base.rdb")
    assert len(files.list("appendonlydir")) == 3, "nothing is left of the attempts"
    assert Log(files).client("GET", "n") == b"3"


def test_a_server_that_ends_after_a_failed_sync_writes_the_log_anew(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    log = Log(faulty, appendfsync="everysec")
    log("SET", "a", 1)
    faulty.fault = fail_on("sync")
    assert not log.aof.prepare_shutdown(None)
    assert log.aof.prepare_shutdown(False)
    faulty.fault = no_fault
    assert log.aof.prepare_shutdown(None)
    assert log.stop()
    assert Log(files.crashed()).client("GET", "a") == b"1"


def test_no_rewrite_begins_while_the_disk_takes_no_more(files: MemoryFiles) -> None:
    """What could not be written would come twice: in the base, and behind it."""
    faulty = FaultyFiles(files)
    log = Log(faulty, auto_aof_rewrite_min_size="1", auto_aof_rewrite_percentage="1")
    log("INCR", "n")

    def fault(_count: int, operation: str, path: str) -> None:
        if operation == "write" and ".incr." in path:
            raise OSError(errno.ENOSPC, "No space left on device")

    faulty.fault = fault
    log("INCR", "n")
    assert not log.safe
    log.engine.tick()
    assert str(log("BGREWRITEAOF")).startswith("ERR")
    assert log.aof.fields()["aof_last_bgrewrite_status"] == "err"
    faulty.fault = no_fault
    assert log.aof.commit()
    for _ in range(5):
        log.engine.tick()
    assert log("BGREWRITEAOF") == "Background append only file rewriting started"
    log.run_rewrite()
    assert Log(files.crashed()).client("GET", "n") == b"2"


def test_sizes_tell_all_that_a_start_would_load(files: MemoryFiles) -> None:
    log = Log(files)

    def on_disk() -> int:
        names = [name for name in files.list("appendonlydir") if not name.endswith(("manifest", "temp"))]
        return sum(files.open(f"appendonlydir/{name}").size() for name in names if "temp" not in name)

    log("RPUSH", "list", *range(3000))
    assert log.aof.current_size == on_disk()
    log("BGREWRITEAOF")
    log("SET", "a", 1)
    assert log.aof.fields()["aof_current_size"] == on_disk()
    log.run_rewrite()
    assert log.aof.fields()["aof_current_size"] == log.aof.fields()["aof_base_size"] == on_disk()
    log("BGSAVE")
    log("BGREWRITEAOF")
    assert (log.aof.fields()["aof_rewrite_scheduled"], log.aof.fields()["aof_pending_rewrite"]) == (1, 1)


def test_debug_loadaof_brings_back_what_the_log_says(files: MemoryFiles) -> None:
    log = Log(files, enable_debug_command="yes")
    log("SET", "a", 1)
    log("SELECT", 2)
    log("RPUSH", "l", 1, 2)
    log("EXPIRE", "l", 1000)
    digest = log.digest
    log.engine.keyspace.databases[0].remove(b"a")
    assert log.digest != digest
    assert log("DEBUG", "LOADAOF") == "OK"
    assert log.digest == digest
    files.append(f"{NAMES}.1.incr.aof").write(b"garbage")
    assert str(log("DEBUG", "LOADAOF")).startswith("ERR Error trying to load the AOF files")
    assert log.digest == digest


def test_waitaof_waits_for_the_sync(files: MemoryFiles) -> None:
    log = Log(files, appendfsync="no")
    log("SET", "a", 1)
    assert log("WAITAOF", 0, 0, 0) == [0, 0]
    log.client("WAITAOF", 1, 0, 0)
    log.engine.tick()
    assert log.client.delivered == []
    assert log.aof.writer is not None
    log.aof.writer.sync()
    log.engine.tick()
    assert log.client.delivered == [[1, 0]]
    assert log("WAITAOF", 1, 0, 0) == [1, 0]


def test_waitaof_waits_for_the_clients_own_writes_only(files: MemoryFiles) -> None:
    log = Log(files, appendfsync="no")
    assert log.aof.writer is not None
    log("SET", "a", 1)
    log.aof.writer.sync()
    other = Client(log.engine)
    other("SET", "b", 1)
    assert log("WAITAOF", 1, 0, 0) == [1, 0]
    assert Client(log.engine)("WAITAOF", 1, 0, 0) == [1, 0]
    assert isinstance(other("WAITAOF", 1, 0, 0), Blocked)
    log.aof.writer.sync()
    log.engine.tick()
    assert other.delivered == [[1, 0]]


@pytest.mark.parametrize(
    "words", [("EVAL", "redis.call('SET', 'a', 1)", 0), ("MULTI", "SET a 1", "EXEC"), ("BLPOP", "list", 0)]
)
def test_waitaof_knows_what_a_client_wrote_by_other_ways(files: MemoryFiles, words: tuple[str | int, ...]) -> None:
    log = Log(files, appendfsync="no")
    if words[0] == "MULTI":
        for text in words:
            log(*str(text).split())
    else:
        log(*words)
    if words[0] == "BLPOP":
        Client(log.engine)("RPUSH", "list", 1)
        log.client.delivered.clear()
    assert isinstance(log("WAITAOF", 1, 0, 0), Blocked)
    assert log.aof.writer is not None
    log.aof.writer.sync()
    log.engine.tick()
    assert log.client.delivered == [[1, 0]]


def test_no_sync_while_a_rewrite_runs_if_asked_for(files: MemoryFiles) -> None:
    log = Log(files, no_appendfsync_on_rewrite="yes")
    assert log.aof.writer is not None
    log("RPUSH", "l", *range(3000))
    log("BGREWRITEAOF")
    log.engine.tick()
    busy = log.aof.fields()["aof_rewrite_in_progress"]
    assert (log.aof.writer.policy == "no") is bool(busy)
    log.run_rewrite()
    log.engine.tick()
    assert log.aof.writer.policy == "always"


SCRIPT: list[tuple[str | int, ...]] = [
    ("SET", "a", 1),
    ("RPUSH", "list", 1, 2, 3),
    ("BGREWRITEAOF",),
    ("SET", "b", 2),
    ("RUN",),
    ("SET", "c", 3),
    ("BGREWRITEAOF",),
    ("RUN",),
    ("DEL", "a"),
]


def play(log: Log, acknowledged: list[str]) -> None:
    """Run the script; note the digest after each command that was acknowledged."""
    for words in SCRIPT:
        if words == ("RUN",):
            log.run_rewrite()
        else:
            log(*words)
        if log.safe:
            acknowledged.append(log.digest)


def begin_and_play(files: Files, preamble: str, acknowledged: list[str]) -> None:
    play(Log(files, aof_use_rdb_preamble=preamble), acknowledged)


@pytest.mark.parametrize("lucky", [False, True])
@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_whatever_step_the_power_fails_at_what_was_acknowledged_is_there(lucky: bool, preamble: str) -> None:
    everything = FaultyFiles(MemoryFiles())
    acknowledged: list[str] = []
    play(Log(everything, aof_use_rdb_preamble=preamble), acknowledged)
    steps = everything.changes
    assert steps > 40
    order = list(dict.fromkeys(acknowledged))
    for step in range(1, steps + 1):
        files = MemoryFiles()
        faulty = FaultyFiles(files, crash_at(step))
        seen: list[str] = []
        with pytest.raises(Crash):
            begin_and_play(faulty, preamble, seen)
        found = Log(files.crashed(lucky=lucky), aof_use_rdb_preamble=preamble).digest
        least = order.index(seen[-1]) if seen else -1
        assert found in [*order[max(least, 0) : least + 2], *(["0" * 40] if least < 0 else [])], step


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_whatever_step_fails_once_nothing_is_lost_and_the_log_heals(code: int) -> None:
    everything = FaultyFiles(MemoryFiles())
    log = Log(everything)
    begun = everything.changes
    play(log, [])
    for step in range(begun + 1, everything.changes + 1):
        files = MemoryFiles()
        faulty = FaultyFiles(files)
        log = Log(faulty)
        faulty.fault = fail_at(step, code)
        play(log, [])
        for _ in range(5):
            log("GET", "a")
            log.engine.tick()
            log.run_rewrite()
        assert log.safe, step
        assert log("SET", "last", 1) == "OK", step
        assert log.safe, step
        digest = log.digest
        assert Log(files.crashed()).digest == digest, step


@pytest.mark.parametrize("number", range(8))
def test_what_a_failed_sync_lost_was_never_acknowledged(number: int) -> None:
    """Whichever sync fails, its pages are gone, and the next one succeeds all the same: as Linux does."""
    files = MemoryFiles()
    faulty = FaultyFiles(files)
    log = Log(faulty)
    left = number

    def fault(_count: int, operation: str, path: str) -> None:
        nonlocal left
        if operation == "sync" and ".incr." in path:
            left -= 1
            if left == -1:
                raise OSError(errno.EIO, "Input/output error")

    faulty.fault = fault
    for words in SCRIPT:
        if words == ("RUN",):
            log.run_rewrite()
            log.safe = log.aof.commit()
        else:
            log(*words)
        if log.safe:
            assert Log(files.crashed()).digest == log.digest, words
        log.engine.tick()
    assert left < 0
    log.run_rewrite()
    assert log("SET", "last", 1) == "OK"
    assert log.safe
    assert Log(files.crashed()).digest == log.digest


def test_time_that_passed_since_makes_no_difference_to_what_is_replayed(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "n", 1, "PX", 1000)
    log("INCR", "n")
    log("HSET", "h", "f", 1, "g", 1)
    log("HPEXPIRE", "h", 1000, "FIELDS", 1, "f")
    log("HINCRBY", "h", "f", 5)
    log("SET", "e", 1)
    log("PEXPIRE", "e", 1000)
    log("INCR", "e")
    log("SADD", "s", "a", "b")
    log("EXPIREMEMBER", "s", "a", 1)
    log("SADD", "s", "a")
    log.stop()
    later = Log(files, passed_ms=5000)
    assert later.client("GET", "n") is None
    assert later.client("GET", "e") is None
    assert later.client("HMGET", "h", "f", "g") == [None, b"1"]
    assert later.client("SCARD", "s") == 1


def test_a_memory_limit_evicts_and_refuses_nothing_that_is_replayed(files: MemoryFiles) -> None:
    log = Log(files)
    for number in range(50):
        log("SET", f"k{number}", "x" * 1000)
    digest = log.digest
    log.stop()
    for policy in ("noeviction", "allkeys-lru"):
        again = Log(files, maxmemory="1", maxmemory_policy=policy)
        assert again.digest == digest
        again.stop()


def test_an_unchanged_members_position_is_not_the_next_commands_effect(files: MemoryFiles) -> None:
    log = Log(files)
    log("GEOADD", "g", 1, 1, "a")
    log("GEOADD", "g", 1, 1, "a")
    log("INCR", "n")
    log.stop()
    assert Log(files).client("GET", "n") == b"1"


def test_the_former_increment_is_on_the_disk_before_the_rewrite_ends(files: MemoryFiles) -> None:
    log = Log(files, appendfsync="no")
    log("SET", "a", 1)
    log("BGREWRITEAOF")
    assert log.aof.fields()["aof_rewrite_in_progress"] == 1
    log("SET", "b", 1)
    assert log.aof.writer is not None
    log.aof.writer.sync()
    assert Log(files.crashed()).digest == log.digest


def test_a_pipeline_that_waits_is_answered_soon(files: MemoryFiles) -> None:
    """WAITAOF behind a write in one turn: the tick that answers it comes before the next regular one."""
    log = Log(files)
    due: list[int] = []
    log.engine.on_deadline = due.append
    log.client("SET", "a", 1)
    log.client("WAITAOF", 1, 0, 0)
    assert due
    assert due[0] - log.engine.now_ms() <= 10
    log.engine.tick()
    assert 0 <= log.engine.work_due_ms <= 10
    log.aof.commit()
    log.engine.tick()
    assert log.client.delivered == [[1, 0]]


@pytest.mark.parametrize("save", ["", "1 1"])
@pytest.mark.parametrize("words", [("FLUSHALL",), ("SWAPDB", 0, 1), ("MOVE", "a", 1), ("FLUSHDB", "ASYNC")])
def test_what_empties_or_swaps_databases_during_a_rewrite(
    files: MemoryFiles, words: tuple[str | int, ...], save: str
) -> None:
    log = Log(files, save=save)
    log("RPUSH", "list", *range(50_000))
    log("SET", "a", 1)
    log("BGREWRITEAOF")
    log(*words)
    log("SET", "b", 1)
    log.run_rewrite()
    log("SET", "c", 1)
    assert log.safe
    assert Log(files.crashed()).digest == log.digest


def test_a_rewrite_ends_with_its_server(files: MemoryFiles) -> None:
    log = Log(files)
    log("RPUSH", "list", *range(200_000))
    log("BGREWRITEAOF")
    log("SET", "b", 1)
    assert log.aof.prepare_shutdown(None)
    assert log.stop()
    assert [name for name in files.list("appendonlydir") if "temp" in name] == []
    again = Log(files)
    assert again.digest == log.digest
    assert again("BGREWRITEAOF") == "Background append only file rewriting started"


@pytest.mark.parametrize("inner", [("DEL", "none"), ("SET", "other", "1")])
def test_what_an_extension_propagated_is_not_the_next_commands_effect(
    files: MemoryFiles, inner: tuple[str, ...]
) -> None:
    @command("T.INNER", flags="write")
    def run(call: Call) -> Reply:
        return call.execute(*inner)

    try:
        log = Log(files)
        log("T.INNER")
        log("INCR", "n")
        log.stop()
        again = Log(files)
        assert again.client("GET", "n") == b"1"
        assert again.digest == log.digest
    finally:
        EXTENSIONS.discard("T.INNER")


def test_what_is_replayed_counts_nowhere(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "k", 1)
    log("INCR", "k")
    log("LPUSH", "k", 1)
    log.stop()
    files.append(f"{NAMES}.1.incr.aof").write(b"*3\r\n$5\r\nLPUSH\r\n$1\r\nk\r\n$1\r\nv\r\n")  # an error when replayed
    again = Log(files, slowlog_log_slower_than="0")
    assert again.engine.commands_processed() == 0
    assert again.client("SLOWLOG", "LEN") == 0
    info = str(again.client("INFO", "everything"))
    assert "cmdstat_incr" not in info
    assert "errorstat_WRONGTYPE" not in info
    assert "keyspace_hits:0" in info


def test_files_stay_where_the_log_began(files: MemoryFiles) -> None:
    log = Log(files, enable_debug_command="yes")
    log("RPUSH", "list", *range(50_000))
    log("BGREWRITEAOF")
    files.make_directory("elsewhere")
    log.engine.config.assign("dir", "elsewhere")
    log.run_rewrite()
    assert log.aof.fields()["aof_last_bgrewrite_status"] == "ok"
    log("SET", "a", 1)
    log("BGREWRITEAOF")
    log.run_rewrite()
    log("SET", "b", 1)
    digest = log.digest
    assert log("DEBUG", "LOADAOF") == "OK"
    assert log.digest == digest
    assert log.stop()
    assert files.list("elsewhere") == []
    assert Log(files.crashed()).digest == digest


def test_the_log_is_not_loaded_while_it_does_not_hold_the_data_set(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    log = Log(faulty, enable_debug_command="yes")
    faulty.fault = fail_on("sync")
    log("SET", "a", 1)
    faulty.fault = no_fault
    assert str(log("DEBUG", "LOADAOF")).startswith("ERR Error trying to load the AOF files")
    assert log.client("GET", "a") == b"1"


def test_a_log_that_could_not_begin_in_a_new_file_goes_on_in_the_old_one(files: MemoryFiles) -> None:
    faulty = FaultyFiles(files)
    log = Log(faulty)
    log("SET", "a", 1)

    def fault(_count: int, operation: str, path: str) -> None:
        if operation == "append" and ".incr." in path:
            raise OSError(errno.EMFILE, "Too many open files")

    faulty.fault = fault
    assert str(log("BGREWRITEAOF")).startswith("ERR")
    faulty.fault = no_fault
    log("SET", "b", 1)
    files.append(f"{NAMES}.1.incr.aof").write(b"*3\r\n$3")  # as a crash would leave it
    assert Log(files).digest == log.digest


def test_whoever_rewrites_removes_the_former_files_beside_the_engine(files: MemoryFiles) -> None:
    changed: list[tuple[str, str]] = []
    faulty = FaultyFiles(files)
    log = Log(faulty)
    log.stop()
    log = Log(faulty, threaded=True)

    def fault(_count: int, operation: str, path: str) -> None:
        changed.append((threading.current_thread().name, operation))

    log("SET", "a", 1)
    log("BGREWRITEAOF")
    faulty.fault = fault
    while log.aof.fields()["aof_rewrite_in_progress"]:
        log.engine.tick()
    assert log.stop()
    assert ("kvcore-snapshot", "remove") in changed
    assert len([each for each in changed if each == ("kvcore-snapshot", "sync_directory")]) == 3
    assert [each for each in changed if each[0] == "MainThread"] == [("MainThread", "sync")], "of the end"
    assert len(files.list("appendonlydir")) == 3


def test_a_base_written_while_the_log_is_off_does_not_touch_the_last_ones_files(files: MemoryFiles) -> None:
    log = Log(files)
    log("SET", "a", 1)
    digest = log.digest
    log.stop()
    before = content(files, f"{NAMES}.1.base.rdb")
    off = Log(files)
    off.stop()  # as with appendonly no
    off.client("SET", "b", 1)
    faulty = FaultyFiles(files)
    other = AppendOnlyFile(Snapshots(off.engine, files=faulty, threaded=False), off.engine, faulty, threaded=False)
    faulty.fault = fail_on("rename")
    other.rewrite()
    for _ in range(5):
        off.engine.tick()
    assert content(files, f"{NAMES}.1.base.rdb") == before
    assert Log(files.crashed()).digest == digest
    faulty.fault = no_fault
    other.rewrite()
    for _ in range(5):
        off.engine.tick()
    assert files.exists(f"{NAMES}.2.base.rdb")
    assert Log(files.crashed()).digest == off.digest
