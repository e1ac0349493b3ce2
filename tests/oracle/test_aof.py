"""Append-only files beside the real server's: each loads what the other wrote, and increments are equal to the byte."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from kvcore.storage.files import SystemFiles
from tests.oracle.servers import HOST, Server, find_oracle, free_port
from tests.oracle.wire import Wire
from tests.storage.test_aof import Log

Line = tuple[str | int | float | bytes, ...]


@contextmanager
def real(directory: Path, *options: str) -> Iterator[Callable[..., Wire]]:
    """Run the real server with its append-only file in ``directory``; what comes out calls it."""
    binary = find_oracle()
    if binary is None:
        pytest.skip("no redis-server")
    port = free_port()
    fixed = ["--port", str(port), "--bind", HOST, "--save", "", "--dir", str(directory), "--appendonly", "yes"]
    server = Server("redis-server", [binary, *fixed, "--enable-debug-command", "yes", *options], port)
    try:
        session = server.connect()

        def call(*words: str | int | float | bytes) -> Wire:
            session.send(words)
            return session.read()

        try:
            yield call
        finally:
            session.close()
    finally:
        server.stop()


def lines(seed: int, count: int) -> list[Line]:
    """Return commands whose effects depend on nothing but themselves."""
    random = Random(seed)
    found: list[Line] = []
    for number in range(count):
        key, word = f"k{random.randrange(12)}", random.randbytes(random.choice((1, 5, 30, 300)))
        found.append(
            random.choice(
                (
                    ("SET", "s" + key, word),
                    ("SET", "s" + key, number, "PXAT", 9_999_999_999_999),
                    ("APPEND", "s" + key, word),
                    ("INCRBYFLOAT", "f" + key, random.randrange(1000) / 8),
                    ("RPUSH", "l" + key, word, number, word),
                    ("LPOP", "l" + key),
                    ("SADD", "S" + key, *range(number % 40)),
                    ("SADD", "S" + key, word),
                    ("SREM", "S" + key, number % 40),
                    ("HSET", "h" + key, f"f{number % 50}", word),
                    ("HINCRBYFLOAT", "hf" + key, "f", "0.25"),
                    ("HDEL", "h" + key, f"f{number % 50}"),
                    ("ZADD", "z" + key, random.randrange(100) / 4, word, number, f"m{number % 200}"),
                    ("ZPOPMIN", "z" + key),
                    ("XADD", "x" + key, f"{number + 1}-1", "f", word, "g", number),
                    ("XDEL", "x" + key, f"{number}-1"),
                    ("XTRIM", "x" + key, "MAXLEN", 5),
                    ("DEL", "s" + key),
                    ("RENAME", "l" + key, "l" + key + "x"),
                    ("COPY", "h" + key, "hc" + key, "REPLACE"),
                    ("EXPIREAT", "h" + key, 9_999_999_999),
                    ("PERSIST", "h" + key),
                    ("SELECT", number % 3),
                    ("GETDEL", "s" + key),
                    ("SETRANGE", "s" + key, 3, word),
                    ("PFADD", "p" + key, word),
                    ("GEOADD", "g" + key, 13.361389, 38.115556, word),
                )
            )
        )
    return found


def log_in(directory: Path, monkeypatch: pytest.MonkeyPatch, **directives: str) -> Log:
    monkeypatch.chdir(directory)
    return Log(SystemFiles(), **directives)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_the_real_server_loads_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preamble: str) -> None:
    log = log_in(tmp_path, monkeypatch, aof_use_rdb_preamble=preamble)
    for line in lines(1, 3000):
        log(*line)
    log("XGROUP", "CREATE", "xk1", "g", "0", "MKSTREAM")
    log("XREADGROUP", "GROUP", "g", "c", "COUNT", 3, "STREAMS", "xk1", ">")
    log("BGREWRITEAOF")
    for line in lines(2, 500):
        log(*line)
    log.run_rewrite()
    for line in lines(3, 1000):
        log(*line)
    digest = log.digest
    assert log.stop()
    tool = shutil.which("redis-check-aof")
    if tool is not None:
        manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
        checked = subprocess.run([tool, str(manifest)], capture_output=True, text=True, timeout=60)
        assert "All AOF files and manifest are valid" in checked.stdout
    with real(tmp_path) as call:
        assert call("DEBUG", "DIGEST").text == digest.encode()


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_we_load_the_real_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preamble: str) -> None:
    with real(tmp_path, "--aof-use-rdb-preamble", preamble) as call:
        for line in lines(4, 3000):
            call(*line)
        call("BGREWRITEAOF")
        while b"aof_rewrite_in_progress:0" not in call("INFO", "persistence").text:
            pass
        for line in lines(5, 1000):
            call(*line)
        digest = call("DEBUG", "DIGEST").text
    log = log_in(tmp_path, monkeypatch)
    assert log.digest.encode() == digest
    log("SET", "more", 1)
    more = log.digest
    log.stop()
    with real(tmp_path) as call:
        assert call("DEBUG", "DIGEST").text == more.encode()


def test_increments_are_equal_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    script = lines(6, 2000)
    with real(theirs) as call:
        for line in script:
            call(*line)
    log = log_in(ours, monkeypatch)
    for line in script:
        log(*line)
    log.stop()
    name = "appendonlydir/appendonly.aof.1.incr.aof"
    assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    manifest = "appendonlydir/appendonly.aof.manifest"
    assert (ours / manifest).read_bytes() == (theirs / manifest).read_bytes()


def test_scripts_choose_what_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    bodies = [
        "redis.set_repl(redis.REPL_AOF) redis.call('set', 'log', 1)",
        "redis.set_repl(redis.REPL_REPLICA) redis.call('set', 'replicas', 1)",
        "redis.set_repl(redis.REPL_NONE) redis.call('set', 'nobody', 1)",
        "redis.call('set', 'a', 1) redis.set_repl(redis.REPL_SLAVE) redis.call('set', 'b', 2) "
        "redis.set_repl(redis.REPL_ALL) redis.call('set', 'c', 3)",
        "redis.set_repl(redis.REPL_SLAVE) redis.call('set', 'd', 1) redis.call('set', 'e', 2)",
        "redis.call('set', 'f', 1)",
    ]
    with real(theirs) as call:
        for body in bodies:
            call("EVAL", body, 0)
    log = log_in(ours, monkeypatch)
    for body in bodies:
        log("EVAL", body, 0)
    log.stop()
    name = "appendonlydir/appendonly.aof.1.incr.aof"
    assert (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_bases_in_text_are_equal_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key at a time: the order of keys is the table's own."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    log = log_in(ours, monkeypatch, aof_use_rdb_preamble="no")
    samples: list[list[Line]] = [
        [("SET", "s", "v", "PXAT", 9_999_999_999_999)],
        [("RPUSH", "l", *range(200))],
        [("SADD", "i", *range(100))],
        [("HSET", "h", *range(100))],
        [("ZADD", "z", 1, "a", 2.5, "b", "inf", "c", "-inf", "d", 1e17, "e")],
        [("XADD", "x", "1-1", "f", "v"), ("XADD", "x", "2-1", "f", "v", "g", "w"), ("XDEL", "x", "1-1")],
        [("XADD", "x", "3-1", "f", "v"), ("XDEL", "x", "3-1")],
        [("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM"), ("XGROUP", "CREATECONSUMER", "x", "g", "c")],
    ]
    with real(theirs, "--aof-use-rdb-preamble", "no") as call:
        for count, sample in enumerate(samples, 2):
            for run in (call, log):
                run("FLUSHALL")
                for line in sample:
                    run(*line)
                run("BGREWRITEAOF")
            log.run_rewrite()
            while b"aof_rewrite_in_progress:0" not in call("INFO", "persistence").text:
                pass
            name = f"appendonlydir/appendonly.aof.{count}.base.aof"
            assert (ours / name).read_bytes() == (theirs / name).read_bytes(), sample
