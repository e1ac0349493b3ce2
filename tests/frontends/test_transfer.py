"""Imports and exports between servers, the real one among them: what travels, what an interruption leaves, what fails.

The command line around them is tested in test_tools.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import kvcore
from kvcore.errors import KvcoreError
from kvcore.frontends import transfer
from kvcore.frontends.remote import Remote
from kvcore.frontends.transfer import Choice, Position
from tests.certificates import Certificates
from tests.oracle.servers import HOST, Server, find_oracle, free_port, start_kvcore, start_oracle

ALL = Choice()
PROGRAM = "import sys; from kvcore.frontends.tools import main; sys.exit(main())"
CODE = "#!lua name=lib\nredis.register_function('f', function() return 7 end)"


def unwatched(_done: int, _total: int) -> None:
    """Show nothing."""


def url(server: Server) -> str:
    return f"redis://{HOST}:{server.port}"


def tool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


# The note


def test_a_note_is_found_again_until_the_import_is_done(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    position = Position(path, "redis://a", "b", ALL)
    assert (position.resumed, position.database, position.cursor) == (False, -1, 0)
    position.begin("run")
    position.note(2, 77)
    again = Position(path, "redis://a", "b", ALL)
    again.begin("run")
    assert (again.resumed, again.restarted, again.database, again.cursor) == (True, False, 2, 77)
    again.done()
    again.done()
    assert list(tmp_path.iterdir()) == []


def test_notes_are_written_twice_a_second_and_after_the_target_has_settled(tmp_path: Path) -> None:
    now, settled = [0.0], list[float]()
    position = Position(str(tmp_path / "state"), "redis://a", "b", ALL, lambda: now[0])
    position.settle_with(lambda: settled.append(now[0]))
    for cursor in range(20):
        now[0] = cursor / 10
        position.note(0, cursor)
    assert settled == [0.0, 0.5, 1.0, 1.5]
    assert Position(str(tmp_path / "state"), "redis://a", "b", ALL).cursor == 15
    position.write()
    assert Position(str(tmp_path / "state"), "redis://a", "b", ALL).cursor == 19


def test_a_note_about_another_import_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    Position(path, "redis://a", "b", ALL).note(0, 1)
    for other in (
        ("redis://b", "b", ALL),
        ("redis://a", "c", ALL),
        ("redis://a", "b", Choice(b"x*")),
        ("redis://a", "b", Choice(None, frozenset([1]))),
    ):
        with pytest.raises(KvcoreError, match="is about an import with another"):
            Position(path, *other)
    Path(path).write_text('{"source": "redis://a"}')
    with pytest.raises(KvcoreError, match="is no note of an import"):
        Position(path, "redis://a", "b", ALL)


def test_a_note_holds_no_password(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for url in ("redis://user:secret@a", "redis://a?password=secret"):
        path.unlink(missing_ok=True)
        Position(str(path), url, "redis://:secret@b/1", ALL).note(0, 1)
        assert "secret" not in path.read_text()
        assert json.loads(path.read_text())["target"] == "redis://...@b/1"


def test_libraries_of_a_server_without_functions() -> None:
    assert transfer.libraries_of(None) == []
    with pytest.raises(KvcoreError, match="of a version that cannot be read"):
        transfer.libraries_of(b"\x01" + bytes(10))


# Servers


@pytest.fixture(scope="module")
def real() -> Iterator[Server]:
    binary = find_oracle()
    if binary is None:
        pytest.skip("no redis-server to copy from")
    server = start_oracle(binary)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ours() -> Iterator[Server]:
    server = start_kvcore("asyncio")
    yield server
    server.stop()


def fill(server: Server) -> None:
    with redis.Redis(HOST, server.port) as client:
        client.flushall()
        client.function_load(CODE, replace=True)
        pipe = client.pipeline(transaction=False)
        for number in range(2000):
            pipe.set(f"k{number}", number, pxat=99999999990000 + number if number % 7 == 0 else None)
        pipe.rpush("list", *range(500))
        pipe.hset("hash", mapping={b"\xff": "\n", "": "empty"})
        pipe.sadd(b"\x00\xfe set", 1, 2, 3)
        pipe.zadd("zset", {"a": 1.5, "b": float("inf")})
        pipe.xadd("stream", {"f": "v"}, id="1-1")
        pipe.xgroup_create("stream", "group", "0")
        pipe.execute()
    with redis.Redis(HOST, server.port, db=9) as client:
        client.set("ninth", "x" * 100_000)


def state_of(server: Server, *databases: int) -> list[object]:
    """Return digests of databases, how many keys expire in them, and the functions."""
    found: list[object] = []
    for db in databases or (0, 9):
        with redis.Redis(HOST, server.port, db=db) as client:
            found.append(client.execute_command("DEBUG", "DIGEST"))
            found.append(client.info("keyspace").get(f"db{db}", {}).get("expires"))
            found.append(client.pexpiretime("k7"))
    with redis.Redis(HOST, server.port) as client:
        found.append(client.function_list(withcode=True))
    return found


@pytest.mark.parametrize("direction", ["real to ours", "ours to real"])
def test_all_travels_between_servers(real: Server, ours: Server, direction: str, tmp_path: Path) -> None:
    source, target = (real, ours) if direction == "real to ours" else (ours, real)
    fill(source)
    with redis.Redis(HOST, target.port) as client:
        client.flushall()
        client.function_flush()
    state = tmp_path / "state"
    done = tool("import", url(source), url(target), "--state", state)
    assert (done.returncode, done.stderr) == (0, "2006 keys\n")
    assert not state.exists()
    theirs, copied = state_of(source), state_of(target)
    assert copied == theirs
    again = tool("import", url(source), url(target), "--state", state)
    assert again.returncode == 0
    assert "Library lib already exists" in again.stderr
    assert "\n0 keys\n2006 keys were there already" in again.stderr


def test_what_the_target_has_stays_unless_replaced(real: Server, ours: Server, tmp_path: Path) -> None:
    fill(real)
    with redis.Redis(HOST, ours.port) as client:
        client.flushall()
        client.set("k1", "mine")
        words = ("import", url(real), url(ours), "--state", tmp_path / "state", "--pattern", "k1")
        assert "1 keys were there already" in tool(*words).stderr
        assert client.get("k1") == b"mine"
        assert tool(*words, "--replace").stderr == "1 keys\n"
        assert client.get("k1") == b"1"


def test_patterns_and_databases(real: Server, ours: Server, tmp_path: Path) -> None:
    fill(real)
    with redis.Redis(HOST, ours.port) as client:
        client.flushall()
        client.function_flush()
    words = ("import", url(real), url(ours), "--state", tmp_path / "state")
    assert tool(*words, "--pattern", "k19?").stderr == "10 keys\n"
    with redis.Redis(HOST, ours.port) as client:
        assert (client.dbsize(), client.function_list()) == (10, [])
    assert tool(*words, "--db", "9", "--db", "11").stderr == "1 keys\n"
    with redis.Redis(HOST, ours.port, db=9) as client:
        assert (client.keys(), len(client.function_list())) == ([b"ninth"], 1)
    to_one = ("import", f"{url(real)}/9", f"{url(ours)}/4", "--state", tmp_path / "state")
    assert tool(*to_one).stderr.endswith("1 keys\n")
    with redis.Redis(HOST, ours.port, db=4) as client:
        assert client.keys() == [b"ninth"]
    several = tool("import", url(real), f"{url(ours)}/4", "--state", tmp_path / "state")
    assert (several.returncode, "more than one database" in several.stderr) == (1, True)
    different = tool("import", f"{url(real)}/9", url(ours), "--db", "1")
    assert (different.returncode, "different databases" in different.stderr) == (1, True)


def test_times_of_members_travel(ours: Server, tmp_path: Path) -> None:
    fill(ours)
    with redis.Redis(HOST, ours.port) as client:
        client.execute_command("PEXPIREMEMBERAT", b"\x00\xfe set", "2", 99999999999999)
        client.execute_command("HPEXPIREAT", "hash", 99999999999998, "FIELDS", 1, b"\xff")
    assert tool("import", url(ours), tmp_path / "copy").returncode == 0
    assert tool("export", url(ours), tmp_path / "copy.rdb").returncode == 0
    (tmp_path / "exported").mkdir()
    os.rename(tmp_path / "copy.rdb", tmp_path / "exported" / "dump.rdb")
    for path, options in ((tmp_path / "copy", {}), (tmp_path / "exported", {"appendonly": False})):
        with kvcore.open(path, **options) as store:
            assert store.execute("PTTL", b"\x00\xfe set", "2") > 10**10
            assert store.execute("HPEXPIRETIME", "hash", "FIELDS", 1, b"\xff") == [99999999999998]
            assert store.execute("FCALL", "f", 0) == 7


def test_the_real_server_starts_on_an_export(real: Server, tmp_path: Path) -> None:
    fill(real)
    assert tool("export", url(real), tmp_path / "dump.rdb").stderr == "2006 keys\n"
    binary = find_oracle()
    assert binary is not None
    options = ["--dir", str(tmp_path), "--enable-debug-command", "yes", "--bind", HOST, "--save", ""]
    port = free_port()
    copy = Server("copy", [binary, "--port", str(port), *options], port)
    try:
        assert state_of(copy) == state_of(real)
    finally:
        copy.stop()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("to", ["directory", "server"])
def test_an_import_that_is_killed_goes_on_where_it_was(
    real: Server, ours: Server, tmp_path: Path, ending: int, to: str
) -> None:
    fill(real)
    with redis.Redis(HOST, real.port) as client:
        client.execute_command("DEBUG", "POPULATE", 15_000, "many", 50)
    with redis.Redis(HOST, ours.port) as client:
        client.flushall()
        client.function_flush()
    target = tmp_path / "copy" if to == "directory" else url(ours)
    state = tmp_path / "state"
    words = ["import", url(real), str(target), "--state", str(state)]
    first = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stderr=subprocess.PIPE)
    try:
        while not state.exists():
            assert first.poll() is None, "it ended before it could be killed"
            time.sleep(0.001)
        first.send_signal(ending)
        said = first.communicate(timeout=60)[1]
    finally:
        first.kill()
    assert first.returncode == (130 if ending == signal.SIGINT else -ending)
    assert b"interrupted" in said or ending == signal.SIGKILL
    assert b"Traceback" not in said
    again = tool(*words)
    assert (again.returncode, "going on in database" in again.stderr) == (0, True), again.stderr
    assert not state.exists()
    if to == "server":
        assert state_of(ours) == state_of(real)
        return
    with redis.Redis(HOST, real.port) as client, kvcore.open(tmp_path / "copy", enable_debug_command="yes") as store:
        assert store.execute("DEBUG", "DIGEST").encode() == client.execute_command("DEBUG", "DIGEST")


def test_a_source_that_dies_is_one_line_and_the_note_stays(tmp_path: Path) -> None:
    server = start_kvcore("asyncio")
    try:
        with redis.Redis(HOST, server.port) as client:
            client.execute_command("DEBUG", "POPULATE", 15_000)
        words = ["import", url(server), str(tmp_path / "copy"), "--state", str(tmp_path / "state")]
        running = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stderr=subprocess.PIPE, text=True)
        while not (tmp_path / "state").exists():
            assert running.poll() is None
            time.sleep(0.001)
        server.signal(signal.SIGKILL)
        said = running.communicate(timeout=60)[1]
    finally:
        server.stop()
    assert (running.returncode, said.count("\n")) == (1, 1)
    assert said.startswith(f"kvcore: {url(server)}: ")
    assert (tmp_path / "state").exists()


def test_tls_users_and_what_is_wrong_with_them(tmp_path: Path, certificates: Certificates) -> None:
    plain, port = str(free_port()), str(free_port())
    options = certificates.options("--port", plain, "--tls-port", port)
    server = start_kvcore(
        "asyncio", *options, "--user", "ada", "on", ">pass@word", "~*", "&*", "+@all", "--requirepass", "main"
    )
    try:
        with redis.Redis(HOST, int(plain), password="main") as client:
            client.set("k", "v")
        secure = f"rediss://ada:pass%40word@localhost:{port}"
        trusted = f"?ssl_ca_certs={certificates.ca}"
        target = tmp_path / "copy"
        for wrong, told in (
            (f"{secure}", "certificate is not trusted"),
            (f"{secure}?ssl_ca_certs={tmp_path}/none.pem", "No such file"),
            (f"rediss://ada:wrong@localhost:{port}{trusted}", "invalid username-password pair"),
            (f"rediss://localhost:{port}{trusted}", "Authentication required"),
        ):
            for words in (("import", wrong, target), ("bench", wrong, "--tests", "ping", "-n", "1")):
                done = tool(*words)
                assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
                assert told in done.stderr
                assert "pass" not in done.stderr.replace("username-password", "")
        assert not target.exists()
        assert tool("import", f"{secure}{trusted}", target).stderr == "1 keys\n"
        measured = tool("bench", f"{secure}{trusted}", "--tests", "set,lrange", "-n", "100", "-P", "5", "-d", "30000")
        assert (measured.returncode, measured.stderr) == (0, ""), measured.stderr
    finally:
        server.stop()


def test_nodes_of_a_cluster_are_refused(real: Server, tmp_path: Path) -> None:
    binary = find_oracle()
    assert binary is not None
    port = free_port()
    options = ["--bind", HOST, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--save", ""]
    node = Server("node", [binary, "--port", str(port), *options], port)
    try:
        for words in (
            ("import", url(node), tmp_path / "copy"),
            ("import", url(real), url(node), "--state", tmp_path / "state"),
            ("export", url(node), tmp_path / "all.rdb"),
        ):
            done = tool(*words)
            assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
            assert f"{url(node)} is a node of a cluster" in done.stderr
    finally:
        node.stop()
    assert list(tmp_path.iterdir()) == []


# Bounds


def test_large_values_are_fetched_alone(real: Server) -> None:
    with redis.Redis(HOST, real.port) as client:
        client.flushall()
        for number in range(8):
            client.set(f"large{number}", bytes(6_000_000))
        client.set("small", "x")
    remote = Remote(url(real))
    try:
        batches = list(remote.batches(0, 0))
    finally:
        remote.close()
    sizes = [len(batch) for _, batch in batches]
    assert sum(sizes) == 9
    assert max(sizes) <= 3
    assert [cursor for cursor, _ in batches] == [0] * len(batches)


def test_an_export_into_a_full_device_leaves_the_device(ours: Server, tmp_path: Path) -> None:
    fill(ours)
    before = os.stat("/dev/full").st_rdev
    done = tool("export", url(ours), "/dev/full")
    assert (done.returncode, done.stderr) == (1, "kvcore: No space left on device\n")
    assert os.stat("/dev/full").st_rdev == before
    assert not os.path.exists("/dev/full.new")
    done = tool("export", url(ours), tmp_path / "none" / "all.rdb")
    assert (done.returncode, done.stderr.count("\n"), "No such file" in done.stderr) == (1, 1, True)


def test_an_export_to_standard_output(ours: Server, tmp_path: Path) -> None:
    fill(ours)
    with (tmp_path / "all.rdb").open("wb") as file:
        command = [sys.executable, "-c", PROGRAM, "export", f"{url(ours)}/9", "-"]
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "1 keys\n")
    assert "keys: 1, with a time to live: 0, function libraries: 1" in tool("check-rdb", tmp_path / "all.rdb").stdout
