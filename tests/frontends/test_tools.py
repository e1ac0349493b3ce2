"""The command line for files and data sets, run as users run it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import kvcore
from tests.oracle.servers import Server, start_kvcore


def kvcore_tool(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [
        sys.executable,
        "-c",
        "import sys; from kvcore.frontends.tools import main; sys.exit(main())",
        *map(str, words),
    ]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60)


def output(*words: str | Path, stdin: bytes = b"") -> str:
    done = kvcore_tool(*words, stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def failure(*words: str | Path, stdin: bytes = b"") -> str:
    done = kvcore_tool(*words, stdin=stdin)
    assert done.returncode == 1, (done.stdout, done.stderr)
    return done.stderr.decode()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A data directory with a snapshot and a log of the same keys."""
    with kvcore.open(tmp_path / "data") as store:
        store.set("greeting", "hello")
        store.execute("RPUSH", "list", "a", b"\xff")
        store.execute("ZADD", "scores", 1.5, "ada", "inf", "bob")
        store.execute("PEXPIREAT", "greeting", 99999999999999)
        store.execute("SELECT", 2)
        store.execute("HSET", "hash", "f", "v")
        store.execute("SAVE")
    return tmp_path / "data"


LINES = [
    '{"key": "greeting", "type": "string", "value": "hello", "expires_ms": 99999999999999}',
    '{"key": "list", "type": "list", "value": ["a", {"base64": "/w=="}]}',
    '{"key": "scores", "type": "zset", "value": [["ada", 1.5], ["bob", "inf"]]}',
    '{"db": 2, "key": "hash", "type": "hash", "value": {"f": "v"}}',
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = start_kvcore("asyncio")
    yield server
    server.stop()


def test_check_rdb(directory: Path) -> None:
    printed = output("check-rdb", directory / "dump.rdb")
    assert "redis-ver: 7.0.15" in printed
    assert "keys: 4, with a time to live: 1" in printed
    assert printed.endswith(f"is valid: {(directory / 'dump.rdb').stat().st_size} bytes\n")
    broken = directory / "broken.rdb"
    broken.write_bytes((directory / "dump.rdb").read_bytes()[:-9])
    assert "is not valid: the data ends (at byte" in failure("check-rdb", broken)
    assert "No such file" in failure("check-rdb", directory / "none.rdb")


def test_check_aof_and_fix(directory: Path) -> None:
    assert "All of it is valid" in output("check-aof", directory)
    log = directory / "appendonlydir" / "appendonly.aof.1.incr.aof"
    whole = log.read_bytes()
    log.write_bytes(whole + b"*3\r\n$3\r\nSET\r\n")
    assert "use --fix" in failure("check-aof", directory)
    assert log.read_bytes() != whole
    manifest = directory / "appendonlydir" / "appendonly.aof.manifest"
    refused = kvcore_tool("check-aof", "--fix", manifest, stdin=b"n\n")
    assert (refused.returncode, log.read_bytes() != whole) == (1, True)
    assert "13 bytes are gone" in output("check-aof", "--fix", manifest, stdin=b"y\n")
    assert log.read_bytes() == whole
    log.write_bytes(whole + b"garbage")
    assert "7 bytes are gone" in output("check-aof", "--fix", "--yes", log)
    assert "All of it is valid" in output("check-aof", directory)


def test_a_file_in_the_middle_is_not_cut(directory: Path) -> None:
    base = directory / "appendonlydir" / "appendonly.aof.1.base.rdb"
    base.write_bytes(base.read_bytes()[:-1])
    before = base.read_bytes()
    assert "only the last file of a log can be cut off" in failure("check-aof", "--fix", "--yes", directory)
    assert base.read_bytes() == before


@pytest.mark.parametrize("source", ["dump.rdb", ""])
def test_dump_as_json(directory: Path, source: str) -> None:
    assert output("dump", directory / source).splitlines() == LINES


def test_dump_to_a_file_and_load_into_a_directory(directory: Path, tmp_path: Path) -> None:
    for form in ("json", "resp"):
        file = tmp_path / form
        assert output("dump", directory, "--format", form, "-o", file) == ""
        copy = tmp_path / f"copy-{form}"
        done = kvcore_tool("load", file, copy)
        assert (done.returncode, done.stdout) == (0, b""), done.stderr
        assert output("dump", copy).splitlines() == LINES


def test_load_into_a_server_and_dump_from_it(directory: Path, server: Server) -> None:
    url = f"redis://127.0.0.1:{server.port}/0"
    text = output("dump", directory)
    assert "more than one database" in failure("load", "-", url, stdin=text.encode())
    kvcore_tool("load", "-", url.removesuffix("/0"), stdin=text.encode())
    with redis.Redis(port=server.port) as client:
        assert client.get("greeting") == b"hello"
        assert client.lrange("list", 0, -1) == [b"a", b"\xff"]
    assert sorted(output("dump", url).splitlines()) == LINES[:3]
    assert output("dump", f"redis://127.0.0.1:{server.port}/2").splitlines() == LINES[3:]


def test_a_dump_that_fails_leaves_the_file_as_it_was(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.jsonl"
    file.write_text("yesterday's")
    (directory / "dump.rdb").write_bytes((directory / "dump.rdb").read_bytes()[:-9])
    for source in (directory / "dump.rdb", tmp_path / "none.rdb", "redis://127.0.0.1:1"):
        failure("dump", source, "-o", file)
        assert file.read_text() == "yesterday's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.jsonl", "data"]


def test_commands_are_not_written_to_a_terminal(directory: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "kvcore.frontends.tools", "dump", str(directory), "--format", "resp"]
        done = subprocess.run(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, timeout=60)
        assert (done.returncode, b"nothing for a terminal" in done.stderr) == (2, True)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b'{"key": "a", "type": "string", "value": "1"}\n{', "line 2: not JSON"),
        (b'{"key": "a", "type": "zset", "value": [["m", "nan"]]}', "was refused: ERR value is not a valid float"),
        (b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET", "the input ends in a command that begins at byte 14"),
        (b"*1\r\n$4\r\nNOPE\r\n", "was refused: ERR unknown command"),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, text: bytes, error: str) -> None:
    assert error in failure("load", "-", tmp_path / "target", stdin=text)


def test_wrong_sources(tmp_path: Path) -> None:
    assert "there is no data set in" in failure("dump", tmp_path)
    assert "there is no file" in failure("dump", tmp_path / "none.rdb")
    assert "Connection refused" in failure("dump", "redis://127.0.0.1:1/0")
    assert kvcore_tool("dump", tmp_path, "--format", "xml").returncode == 2
    assert kvcore_tool("nosuch").returncode == 2


def test_each_line_is_one_key(directory: Path) -> None:
    assert [json.loads(line)["key"] for line in output("dump", directory).splitlines()] == [
        "greeting",
        "list",
        "scores",
        "hash",
    ]


# Whole data sets of servers


@pytest.fixture
def filled(server: Server) -> str:
    """Return the URL of a server with keys of every kind in two databases."""
    with redis.Redis(port=server.port) as client:
        client.flushall()
        for number in range(600):
            client.set(f"k{number}", number)
        client.set("expires", "v", pxat=99999999999999)
        client.zadd("z", {"m": 1.5})
        client.xadd("x", {"f": "v"}, id="1-1")
        client.execute_command(
            "FUNCTION", "LOAD", "REPLACE", "#!lua name=lib\nredis.register_function('f', function() return 7 end)"
        )
        client.execute_command("SELECT", 0)
    with redis.Redis(port=server.port, db=3) as client:
        client.hset("h", "f", "v")
    return f"redis://127.0.0.1:{server.port}"


def test_import_into_a_directory(filled: str, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    done = kvcore_tool("import", filled, target)
    assert (done.returncode, done.stderr) == (0, b"604 keys\n")
    with kvcore.open(target) as store:
        assert store.execute("DBSIZE") == 603
        assert store.get("k599") == b"599"
        assert store.execute("PEXPIRETIME", "expires") == 99999999999999
        assert store.execute("FCALL", "f", 0) == 7
        store.execute("SELECT", 3)
        assert store.execute("HGETALL", "h") == {b"f": b"v"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]
    assert output("info", target).splitlines() == [
        "database  keys  with a time to live",
        "db0        603                    1",
        "db3          1                    0",
    ]


def note_of(url: str, target: Path, **changed: object) -> str:
    """Return a note as an import leaves it."""
    with redis.Redis.from_url(url) as client:
        run_id = client.info("server")["run_id"]
    about = {"source": url, "target": str(target), "pattern": None, "databases": None}
    return json.dumps({**about, "run_id": run_id, "database": 0, "cursor": 0, **changed})


def test_an_interrupted_import_goes_on(filled: str, tmp_path: Path) -> None:
    target, state = tmp_path / "copy", tmp_path / "state"
    with redis.Redis.from_url(filled) as client:
        cursor, first = client.scan(0, count=256)
    assert cursor
    state.write_text(note_of(filled, target, cursor=cursor))
    done = kvcore_tool("import", filled, target, "--state", state)
    assert done.returncode == 0, done.stderr
    assert b"going on in database 0" in done.stderr
    with kvcore.open(target) as store:
        assert store.execute("DBSIZE") == 603 - len(first)
    assert not state.exists()
    state.write_text(note_of(filled, target, source="redis://other"))
    assert "is about an import with another source, redis://other" in failure(
        "import", filled, target, "--state", state
    )
    state.write_text("garbage")
    assert "is no note of an import" in failure("import", filled, target, "--state", state)


def test_a_cursor_of_a_source_that_was_restarted_is_not_believed(filled: str, tmp_path: Path) -> None:
    target, state = tmp_path / "copy", tmp_path / "state"
    state.write_text(note_of(filled, target, cursor=1 << 40, run_id="before"))
    done = kvcore_tool("import", filled, target, "--state", state)
    assert (done.returncode, done.stderr.splitlines()[1]) == (0, b"604 keys")
    assert b"database 0 from its beginning" in done.stderr


def test_export_to_a_file_that_redis_would_load(filled: str, tmp_path: Path) -> None:
    file = tmp_path / "all.rdb"
    assert kvcore_tool("export", filled, file).stderr == b"604 keys\n"
    assert "keys: 604, with a time to live: 1" in output("check-rdb", file)
    assert kvcore_tool("export", filled + "/3", file).stderr == b"1 keys\n"
    assert output("dump", file) == '{"db": 3, "key": "h", "type": "hash", "value": {"f": "v"}}\n'
    assert "Connection refused" in failure("export", "redis://127.0.0.1:1", tmp_path / "none.rdb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.rdb"]


def test_info_of_a_server_and_serve(server: Server) -> None:
    assert "redis_version:7.0.15" in output("info", f"redis://127.0.0.1:{server.port}", "server")
    assert "kvcore server v=" in output("serve", "--version")
