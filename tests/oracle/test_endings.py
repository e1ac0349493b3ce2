"""Starts that fail and servers that end: exit status, files left behind, and the lines of the log people search for."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kvcore.rdb.crc64 import crc64
from tests.oracle.servers import HOST, Server, find_oracle, free_port

ORACLE = find_oracle()
pytestmark = pytest.mark.skipif(ORACLE is None, reason="there is no real server to compare with")

RECORDS = b"REDIS0010\xfe\x00\x00\x01a\x01b\xff"
GOOD = RECORDS + crc64(RECORDS).to_bytes(8, "little")
SET = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
BASE, INCREMENT = b"file base.rdb seq 1 type b\n", b"file incr.aof seq 1 type i\n"


def snapshot(data: bytes) -> dict[str, bytes]:
    return {"dump.rdb": data}


def log(manifest: bytes = BASE + INCREMENT, **files: bytes) -> dict[str, bytes]:
    named = {name.replace("_", "."): data for name, data in files.items()}
    return {f"appendonlydir/{name}": data for name, data in {"appendonly.aof.manifest": manifest, **named}.items()}


CASES: dict[str, tuple[dict[str, bytes], list[str]]] = {
    "good": (snapshot(GOOD), ["Done loading RDB, keys loaded: 1, keys expired: 0.", "DB loaded from disk: "]),
    "empty": (snapshot(b""), ["Short read or OOM loading DB. Unrecoverable error, aborting now."]),
    "short": (snapshot(GOOD[:-9]), ["Internal error in RDB reading offset", "-> Unexpected EOF reading RDB file"]),
    "foreign": (snapshot(b"GIF89a, and no snapshot"), ["Wrong signature trying to load DB from file"]),
    "future": (snapshot(b"REDIS0099" + GOOD[9:]), ["Can't handle RDB format version 99", "Fatal error loading the DB"]),
    "checksum": (
        snapshot(GOOD[:-1] + b"\x00"),
        ["Wrong RDB checksum expected: (", ") but got (", "). Aborting now.", "-> RDB CRC error"],
    ),
    "opcode": (snapshot(b"REDIS0010\x33\x01a\x01b\xff" + bytes(8)), ["-> Unknown RDB encoding type 51"]),
    "databases": (
        snapshot(b"REDIS0010\xfe\x63\x00\x01a\x01b\xff" + bytes(8)),
        ["FATAL: Data file was created with a Redis server configured to handle more than 16 databases. Exiting"],
    ),
    "intset": (snapshot(b"REDIS0010\xfe\x00\x0b\x01a\x03xxx\xff" + bytes(8)), ["Intset integrity check failed"]),
    "log": (
        log(base_rdb=GOOD, incr_aof=SET),
        [
            "Reading RDB base file on AOF loading...",
            "DB loaded from base file base.rdb: ",
            "DB loaded from incr file incr.aof: ",
            "DB loaded from append only file: ",
            "Opening AOF incr file incr.aof on server start",
        ],
    ),
    "log cut": (
        log(base_rdb=GOOD, incr_aof=SET + SET[:9]),
        [
            "!!! Warning: short read while loading the AOF file incr.aof!!!",
            "!!! Truncating the AOF incr.aof at offset 27 !!!",
            "AOF incr.aof loaded anyway because aof-load-truncated is enabled",
        ],
    ),
    "log transaction": (
        log(base_rdb=GOOD, incr_aof=SET + b"*1\r\n$5\r\nMULTI\r\n" + SET),
        [
            "Revert incomplete MULTI/EXEC transaction in AOF file incr.aof",
            "!!! Truncating the AOF incr.aof at offset 27",
        ],
    ),
    "log strict": (
        log(base_rdb=GOOD, incr_aof=SET + SET[:9]),
        ["Unexpected end of file reading the append only file incr.aof. You can: 1) Make a backup of your AOF file"],
    ),
    "log garbage": (
        log(base_rdb=GOOD, incr_aof=SET + b"!!"),
        ["Bad file format reading the append only file incr.aof: make a backup of your AOF file, then use"],
    ),
    "log unknown": (
        log(base_rdb=GOOD, incr_aof=b"*1\r\n$4\r\nnone\r\n"),
        ["Unknown command 'none' reading the append only file incr.aof"],
    ),
    "log base": (log(base_rdb=GOOD[:-9], incr_aof=SET), ["-> Unexpected EOF reading RDB file"]),
    "log missing": (log(base_rdb=GOOD), ["incr.aof length. stat: No such file or directory"]),
    "log empty": (log(base_rdb=b"", incr_aof=b""), ["DB loaded from append only file: "]),
    "manifest empty": (log(b""), ["Found an empty AOF manifest"]),
    "manifest garbage": (
        log(b"# fine\nhello\n"),
        ["*** FATAL AOF MANIFEST FILE ERROR ***", "Reading the manifest file, at line 2", ">>> 'hello'", "Invalid AOF"],
    ),
    "manifest bases": (log(BASE + BASE), [">>> 'file base.rdb seq 1 type b'", "Found duplicate base file information"]),
    "old": (
        {"appendonly.aof": GOOD + SET},
        [
            "Successfully migrated an old-style AOF file (appendonly.aof) into the AOF directory (appendonlydir).",
            "Reading RDB preamble from AOF file...",
            "Reading the remaining AOF tail...",
            "Creating AOF incr file appendonly.aof.1.incr.aof on server start",
        ],
    ),
    "none": (
        {"other": b""},
        [
            "Creating AOF base file appendonly.aof.1.base.rdb on server start",
            "Creating AOF incr file appendonly.aof.1.incr.aof on server start",
        ],
    ),
}
STRICT = "log strict"


def command(kind: str, directory: Path, *options: str) -> list[str]:
    own = [str(ORACLE), "--port", str(free_port())]
    if kind == "kvcore":
        own = [sys.executable, "-m", "kvcore", "--port", "0"]
    return [*own, "--bind", HOST, "--dir", str(directory), *options]


def run(kind: str, directory: Path, *options: str) -> tuple[int, str]:
    """Start a server, end it as soon as it is ready; return its exit status and its log."""
    process = subprocess.Popen(
        command(kind, directory, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    limit = threading.Timer(60, process.kill)
    limit.start()
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ready to accept connections" in line:
            process.send_signal(signal.SIGTERM)
    limit.cancel()
    return process.wait(), "".join(lines)


@pytest.mark.parametrize("name", CASES)
def test_what_is_found_at_the_start(tmp_path: Path, name: str) -> None:
    files, wanted = CASES[name]
    logged = not name.startswith("manifest") and "dump.rdb" in files
    options = ["--save", "", "--appendonly", "no" if logged else "yes"]
    if name == STRICT:
        options += ["--aof-load-truncated", "no"]
    ends = {}
    for kind in ("oracle", "kvcore"):
        directory = tmp_path / kind
        (directory / "appendonlydir").mkdir(parents=True)
        for path, data in files.items():
            (directory / path).write_bytes(data)
        if not any(path.startswith("appendonlydir") for path in files):
            (directory / "appendonlydir").rmdir()
        status, text = run(kind, directory, *options)
        positions = [text.find(line) for line in wanted]
        assert min(positions) >= 0, (kind, dict(zip(wanted, positions, strict=True)), text)
        assert positions == sorted(positions), (kind, text)
        left = {
            str(path.relative_to(directory)): path.read_bytes()
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name != "kvcore.lock" and not path.name.endswith("1.base.rdb")
        }
        ends[kind] = status, left
    assert ends["kvcore"] == ends["oracle"]


def prepared(kind: str, directory: Path, *options: str) -> Server:
    directory.mkdir()
    port = free_port() if kind == "oracle" else 0
    words = command(kind, directory, "--enable-debug-command", "yes", *options)
    if kind == "oracle":
        words[words.index("--port") + 1] = str(port)
    return Server(kind, words, port)


def ended(text: str) -> list[str]:
    """Return what a log says from the first signal or SHUTDOWN on, without the name of the program."""
    lines = [re.sub(r"^\d+:([A-Z] .*?\d\.\d+ [#*]|signal-handler \(\d+\)) ", "", line) for line in text.splitlines()]
    begin = next(at for at, line in enumerate(lines) if "scheduling shutdown" in line or "User requested" in line)
    kept = [line for line in lines[begin:] if "unix socket" not in line]
    return [line.replace("kvcore is now", "Redis is now") for line in kept]


ENDINGS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "term": ([], ("--save", "60 1")),
    "int": ([], ("--save", "60 1", "--pidfile", "pid")),
    "nosave": ([], ("--save", "60 1", "--shutdown-on-sigterm", "nosave")),
    "log": ([], ("--save", "", "--appendonly", "yes")),
    "shutdown": (["SHUTDOWN"], ("--save", "60 1")),
    "shutdown nosave": (["SHUTDOWN", "NOSAVE"], ("--save", "60 1")),
    "shutdown save": (["SHUTDOWN", "SAVE", "NOW"], ("--save", "")),
    "shutdown force": (["SHUTDOWN", "SAVE", "FORCE"], ("--save", "", "--dbfilename", "folder")),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_end_in_the_log(tmp_path: Path, name: str) -> None:
    words, options = ENDINGS[name]
    sides = {}
    for kind in ("oracle", "kvcore"):
        directory = tmp_path / kind
        server = prepared(kind, directory, *options)
        try:
            client = server.connect()
            (directory / "folder").mkdir()
            client.send(["SET", "k", "v"])
            client.read(30)
            if words:
                client.send(words)
            else:
                server.signal(signal.SIGINT if name == "int" else signal.SIGTERM)
            status = server.wait(30)
            found = ended(server.log())
            sides[kind] = status, [re.sub(r"temp-\d+|/\S*/|\(in server root dir .*\)", "", line) for line in found]
            assert (directory / "dump.rdb").exists() == ("DB saved on disk" in found)
        finally:
            server.stop()
    assert sides["kvcore"] == sides["oracle"]


def test_a_failed_save_keeps_the_server(tmp_path: Path) -> None:
    sides = {}
    for kind in ("oracle", "kvcore"):
        directory = tmp_path / kind
        server = prepared(kind, directory, "--save", "60 1", "--dbfilename", "folder")
        try:
            client = server.connect()
            (directory / "folder").mkdir()
            replies = []
            for words in (["SET", "k", "v"], ["SHUTDOWN"], ["SHUTDOWN", "ABORT"], ["PING"], ["GET", "k"]):
                client.send(words)
                replies.append(str(client.read(30).native()))
            client.send(["SHUTDOWN", "NOSAVE"])
            sides[kind] = replies, server.wait(30)
        finally:
            server.stop()
    assert sides["kvcore"] == sides["oracle"]


def test_a_signal_may_be_taken_back(tmp_path: Path) -> None:
    sides = {}
    for kind in ("oracle", "kvcore"):
        server = prepared(kind, tmp_path / kind, "--save", "60 1")
        try:
            client = server.connect()
            replies = []
            client.send(["DEBUG", "PAUSE-CRON", "1"])
            client.read(30)
            server.signal(signal.SIGTERM)
            while "Received SIGTERM scheduling shutdown..." not in server.log():
                client.send(["PING"])
                client.read(30)
            for words in (["SHUTDOWN", "ABORT"], ["SHUTDOWN", "ABORT"], ["DEBUG", "PAUSE-CRON", "0"], ["PING"]):
                client.send(words)
                replies.append(str(client.read(30).native()))
            assert "Shutdown manually aborted." in server.log()
            sides[kind] = replies
        finally:
            server.stop()
    assert sides["kvcore"] == sides["oracle"]


def test_a_second_interrupt_ends_the_save(tmp_path: Path) -> None:
    sides = {}
    for kind in ("oracle", "kvcore"):
        directory = tmp_path / kind
        server = prepared(kind, directory, "--save", "60 1", "--rdb-key-save-delay", "1000000")
        try:
            client = server.connect()
            client.send(["DEBUG", "POPULATE", "100"])
            client.read(30)
            server.signal(signal.SIGINT)
            while not list(directory.glob("temp-*.rdb")):
                assert server.alive()
            server.signal(signal.SIGINT)
            status = server.wait(30)
            sides[kind] = status, sorted(path.name for path in directory.glob("*.rdb")), ended(server.log())
        finally:
            server.stop()
    assert sides["kvcore"] == sides["oracle"]
