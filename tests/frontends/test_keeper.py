"""Embedded stores with a directory: what was written is there again, for one process at a time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import kvcore
import kvcore.aio
from kvcore.errors import CommandError
from kvcore.storage.files import SystemFile
from tests.oracle.servers import start_kvcore
from tests.waiting import until


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("kvcore")]


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    with kvcore.open(tmp_path / "data") as store:
        store.set("k", "v")
        store.execute("RPUSH", "list", 1, 2)
        store.execute("PEXPIRE", "list", 10**9)
        store.execute("EVAL", "redis.call('set', KEYS[1], 'x')", 1, "script")
    with kvcore.open(tmp_path / "data") as store:
        assert store.get("k") == b"v"
        assert store.execute("LRANGE", "list", 0, -1) == [b"1", b"2"]
        assert 0 < store.execute("PTTL", "list") <= 10**9
        assert store.get("script") == b"x"
        store.execute("FLUSHALL")
    with kvcore.open(tmp_path / "data") as store:
        assert store.execute("DBSIZE") == 0
    assert threads() == []


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_every_policy_keeps_what_a_closed_store_had(tmp_path: Path, policy: str) -> None:
    with kvcore.open(tmp_path, appendfsync=policy) as store:
        for number in range(100):
            store.set(f"k{number}", number)
    with kvcore.open(tmp_path, appendfsync=policy) as store:
        assert store.execute("DBSIZE") == 100


def test_always_keeps_what_a_killed_process_had_said(tmp_path: Path) -> None:
    program = (
        "import kvcore, sys\n"
        "store = kvcore.open(sys.argv[1], appendfsync='always')\n"
        "for n in range(10**6):\n"
        "    store.set(f'k{n}', n)\n"
        "    print(n, flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(200)]
        process.kill()
        said += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    with kvcore.open(tmp_path) as store:
        assert said[-1] >= 199
        assert all(store.get(f"k{number}") == b"%d" % number for number in said)
        assert store.execute("DBSIZE") in (len(said), len(said) + 1)


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_with_always_who_reads_a_value_waits_for_its_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    syncing, released = threading.Event(), threading.Event()

    def slow_disk(self: SystemFile) -> None:
        syncing.set()
        assert released.wait(20)

    with kvcore.open(tmp_path, appendfsync=policy) as store:
        monkeypatch.setattr(SystemFile, "sync", slow_disk)
        writer = threading.Thread(target=store.set, args=("k", "v"))
        writer.start()
        assert syncing.wait(20)
        found: list[bytes | None] = []
        reader = threading.Thread(target=lambda: found.append(store.get("k")))
        reader.start()
        reader.join(0.2)
        assert found == ([] if policy == "always" else [b"v"])
        released.set()
        reader.join(20)
        writer.join(20)
        assert found == [b"v"]


def test_a_second_store_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with kvcore.open(tmp_path) as store:
        with pytest.raises(kvcore.LockedError, match="in use by process"):
            kvcore.open(tmp_path)
        store.set("k", "v")
    kvcore.open(tmp_path).close()
    assert threads() == []


def test_read_only_stores_share_a_directory_and_change_nothing(tmp_path: Path) -> None:
    with kvcore.open(tmp_path) as store:
        store.set("k", "v")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with kvcore.open(tmp_path, readonly=True) as one, kvcore.open(tmp_path, readonly=True) as other:
        assert one.get("k") == other.get("k") == b"v"
        with pytest.raises(kvcore.CommandError, match=r"^READONLY "):
            one.set("k", "w")
        with pytest.raises(kvcore.CommandError, match=r"^READONLY "):
            one.execute("FLUSHALL")
        with pytest.raises(kvcore.LockedError):
            kvcore.open(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_reading_repairs_nothing(tmp_path: Path) -> None:
    with kvcore.open(tmp_path) as store:
        store.set("k", "v")
    log = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
    cut = log.read_bytes() + b"*3\r\n$3\r\nSE"
    log.write_bytes(cut)
    with kvcore.open(tmp_path, readonly=True) as store:
        assert store.get("k") == b"v"
    assert log.read_bytes() == cut


@pytest.mark.parametrize("arguments", [{}, {"path": "nowhere"}])
def test_what_cannot_be_read_only(tmp_path: Path, arguments: dict[str, str]) -> None:
    path = tmp_path / arguments["path"] if arguments else None
    with pytest.raises(kvcore.KvcoreError, match=r"a store in memory cannot|there is no directory"):
        kvcore.open(path, readonly=True)


def test_a_snapshot_of_redis_is_where_a_log_begins(tmp_path: Path) -> None:
    with kvcore.open(tmp_path, appendonly=False, save="3600 1") as store:
        store.set("k", "v")
    assert (tmp_path / "dump.rdb").exists()
    with kvcore.open(tmp_path) as store:
        assert store.get("k") == b"v"
        store.set("l", "w")
    (tmp_path / "dump.rdb").unlink()
    with kvcore.open(tmp_path) as store:
        assert (store.get("k"), store.get("l")) == (b"v", b"w")


def test_a_broken_file_is_refused_and_the_directory_is_free_again(tmp_path: Path) -> None:
    with kvcore.open(tmp_path) as store:
        store.set("k", "v")
    log = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
    good = log.read_bytes()
    log.write_bytes(good.replace(b"$1", b"$x"))
    with pytest.raises(kvcore.KvcoreError, match=r"Bad file format reading the append only file .* at offset"):
        kvcore.open(tmp_path)
    log.write_bytes(good)
    with kvcore.open(tmp_path) as store:
        assert store.get("k") == b"v"


def test_a_store_that_is_dropped_is_saved_and_complained_about(tmp_path: Path) -> None:
    stores = [kvcore.open(tmp_path)]
    stores[0].set("k", "v")
    with pytest.warns(ResourceWarning, match="was not closed"):
        stores.clear()
    assert threads() == []
    with kvcore.open(tmp_path) as again:
        assert again.get("k") == b"v"


def test_a_rewrite_happens_while_nobody_calls(tmp_path: Path) -> None:
    with kvcore.open(tmp_path) as store:
        for number in range(1000):
            store.set("k", number)
        store.execute("BGREWRITEAOF")
        until("there is a new base", (tmp_path / "appendonlydir" / "appendonly.aof.2.base.rdb").exists)
    with kvcore.open(tmp_path) as store:
        assert store.get("k") == b"999"


async def test_coroutines_have_the_same(tmp_path: Path) -> None:
    for policy in ("always", "everysec"):
        async with kvcore.aio.open(tmp_path, appendfsync=policy) as store:
            await store.set(policy, "v")
    async with kvcore.aio.open(tmp_path) as store:
        assert [await store.get("always"), await store.get("everysec")] == [b"v", b"v"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_leaves_the_directory_to_its_parent(tmp_path: Path) -> None:
    program = (
        "import kvcore, os, sys\n"
        "from kvcore.errors import CommandError\n"
        "store = kvcore.open(sys.argv[1], appendfsync='no')\n"
        "store.execute('RPUSH', 'list', 1)\n"
        "with store._host.lock:\n"
        "    store._execute(store._local.session, [b'RPUSH', b'list', b'2'])\n"  # taken, and not written yet
        "child = os.fork()\n"
        "if not child:\n"
        "    try:\n"
        "        store.execute('INCR', 'n')\n"
        "    except kvcore.ClosedError as error:\n"
        "        print(error)\n"
        "    engine = store.engine\n"
        "    session = engine.session(trusted=True)\n"
        "    for words in ([b'INCR', b'n'], [b'BGREWRITEAOF'], [b'CONFIG', b'SET', b'appendonly', b'no']):\n"
        "        print(words[0].decode(), engine.execute(session, words))\n"
        "    engine.tick()\n"
        "    del session\n"
        "    store.close()\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "store.execute('RPUSH', 'list', 3)\n"
        "store.close()\n"
    )
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, str(tmp_path)]  # 3.12: fork, threads
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert "the store was opened before this process was forked" in done.stdout
    assert "INCR READONLY You can't write against a store that belongs to the parent process." in done.stdout
    with kvcore.open(tmp_path) as store:
        assert store.execute("LRANGE", "list", 0, -1) == [b"1", b"2", b"3"]
        assert store.execute("EXISTS", "n") == 0
        assert len(os.listdir(tmp_path / "appendonlydir")) == 3


def test_a_read_only_store_saves_and_rewrites_nothing(tmp_path: Path) -> None:
    with kvcore.open(tmp_path) as store:
        store.set("k", "v")
    before = sorted(os.walk(tmp_path))
    with kvcore.open(tmp_path, readonly=True) as store:
        for name in ("SAVE", "BGSAVE", "BGREWRITEAOF"):
            with contextlib.suppress(CommandError):
                store.execute(name)
            store.tick()
    assert sorted(os.walk(tmp_path)) == before


def test_a_thread_on_its_way_in_when_the_store_closes_hears_no_false_ok(tmp_path: Path) -> None:
    store = kvcore.open(tmp_path)
    store.set("k", "v")
    session = store._local.session
    assert session is not None
    store.close()
    reply = store._execute(session, [b"SET", b"k", b"w"])
    assert str(reply) == "ERR the store is closed"


def test_a_server_and_a_store_do_not_write_one_log(tmp_path: Path) -> None:
    server = start_kvcore("asyncio", "--dir", str(tmp_path), "--appendonly", "yes")
    try:
        with pytest.raises(kvcore.LockedError, match=rf"in use by process {server.pid} "):
            kvcore.open(tmp_path)
    finally:
        server.stop()
    with kvcore.open(tmp_path):
        with pytest.raises(RuntimeError, match="in use by process"):
            start_kvcore("asyncio", "--dir", str(tmp_path), "--appendonly", "yes")
        server = start_kvcore("asyncio", "--dir", str(tmp_path))
        try:
            session = server.connect()
            session.send(("CONFIG", "SET", "appendonly", "yes"))
            assert b"Unable to turn on AOF" in session.read().text
            session.close()
        finally:
            server.stop()
