"""Replicas and primaries that end and begin again: what their files hold, and from where they go on."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.conftest import Fleet
from tests.oracle.groups import AT_ONCE, STOCK, ask, await_link, await_offsets, await_state, follow, info, start
from tests.oracle.servers import HOST, Server, find_oracle, free_port, start_kvcore


@pytest.fixture
def folder(fleet: Fleet) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="kvcore-restart-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def start_in(folder: Path, kind: str, *options: str, port: int = 0) -> Server:
    """Start a server with its files in a folder that outlives it."""
    if kind == STOCK:
        binary = find_oracle()
        assert binary is not None
        port = port or free_port()
        command = [binary, "--port", str(port), "--bind", HOST, "--enable-debug-command", "yes", "--save", ""]
        server = Server("stock", [*command, "--dir", str(folder), *options], port)
    else:
        server = start_kvcore(kind, "--dir", str(folder), "--port", str(port), *options)
    ask(server, *AT_ONCE)
    return server


def end(server: Server, *, save: bool) -> None:
    """Shut a server down and wait for its end."""
    session = server.connect()
    session.send(("SHUTDOWN", "SAVE" if save else "NOSAVE"))
    session.read(10)
    session.close()
    server.wait(10)
    server.stop()


@pytest.mark.parametrize(("above", "below"), [(STOCK, "asyncio"), ("asyncio", STOCK), ("asyncio", "threaded")])
def test_a_replica_goes_on_from_its_snapshot(folder: Path, above: str, below: str) -> None:
    primary = start(above)
    replica = start_in(folder, below)
    try:
        follow(replica, primary)
        for words in (("SELECT", 3), ("SET", "k", 1)):
            ask(primary, *words)
        session = primary.connect()
        for words in (("SELECT", 3), ("SET", "k", 1), ("SET", "fleeting", 1, "PX", 100), ("SET", "kept", 1, "PX", 500)):
            session.send(words)
            session.read()
        await_offsets(primary, replica)
        end(replica, save=True)
        for words in (("PERSIST", "kept"), ("INCR", "k")):  # in database 3, without a SELECT before it in the stream
            session.send(words)
            session.read()
        session.close()
        replica = start_in(folder, below, "--replicaof", HOST, str(primary.port))
        await_link(replica, primary)
        await_offsets(primary, replica)
        assert info(primary, "stats")["sync_full"] == "1"
        assert info(primary, "stats")["sync_partial_ok"] == "1"
        await_state("expiry", lambda: ask(primary, "DEBUG", "DIGEST") == ask(replica, "DEBUG", "DIGEST"))
        assert info(replica)["master_replid"] == info(primary)["master_replid"]
    finally:
        for server in (primary, replica):
            server.stop()


@pytest.mark.parametrize(("above", "below"), [(STOCK, "asyncio"), ("asyncio", STOCK), ("asyncio", "asyncio")])
def test_a_primary_goes_on_from_its_snapshot(folder: Path, above: str, below: str) -> None:
    primary = start_in(folder, above)
    replica = start(below)
    try:
        follow(replica, primary)
        ask(primary, "SET", "k", 1)
        ask(primary, "SET", "fleeting", 1, "PX", 700)
        await_offsets(primary, replica)
        history = info(primary)["master_replid"]
        end(primary, save=True)
        primary = start_in(folder, above, port=primary.port)
        await_link(replica, primary)
        fields = info(primary)
        assert fields["master_replid2"] == history
        assert fields["master_replid"] != history
        assert info(primary, "stats")["sync_full"] == "0"
        assert info(primary, "stats")["sync_partial_ok"] == "1"
        ask(primary, "SET", "after", 1)
        await_state("expiry", lambda: ask(primary, "DBSIZE").native() == 2)
        await_offsets(primary, replica)
        assert ask(replica, "DBSIZE").native() == 2
        assert ask(primary, "DEBUG", "DIGEST") == ask(replica, "DEBUG", "DIGEST")
    finally:
        for server in (primary, replica):
            server.stop()


def test_a_log_on_a_replica_holds_the_new_data_set(folder: Path) -> None:
    primary = start(STOCK)
    replica = start_in(folder, "asyncio", "--appendonly", "yes", "--appendfsync", "always")
    try:
        ask(replica, "SET", "old", "data")
        for number in range(200):
            ask(primary, "SET", number, "v")
        follow(replica, primary)
        ask(primary, "SET", "later", "v")
        await_offsets(primary, replica)
        await_state("the new base", lambda: info(replica, "persistence")["aof_rewrite_in_progress"] == "0")
        ask(primary, "SET", "last", "v")
        await_offsets(primary, replica)
        expected = ask(primary, "DEBUG", "DIGEST")
        replica.signal(signal.SIGKILL)
        replica.wait(5)
        replica.stop()
        replica = start_in(folder, "asyncio", "--appendonly", "yes")
        assert ask(replica, "DBSIZE").native() == 202
        assert ask(replica, "DEBUG", "DIGEST") == expected
    finally:
        for server in (primary, replica):
            server.stop()


def test_a_snapshot_taken_while_the_stream_runs(folder: Path) -> None:
    primary = start(STOCK)
    replica = start_in(folder, "asyncio")
    try:
        follow(replica, primary)
        session = primary.connect()
        for number in range(2000):
            session.send(("SET", number % 700, number))
            session.read()
            if number == 1000:
                assert ask(replica, "BGSAVE").native() == "Background saving started"
        await_offsets(primary, replica)
        await_state("the snapshot", lambda: info(replica, "persistence")["rdb_bgsave_in_progress"] == "0")
        session.close()
        replica.signal(signal.SIGKILL)
        replica.wait(5)
        replica.stop()
        replica = start_in(folder, "asyncio", "--replicaof", HOST, str(primary.port))
        await_link(replica, primary)
        await_offsets(primary, replica)
        assert info(primary, "stats")["sync_partial_ok"] == "1"  # it asked for what came after the file
        assert ask(primary, "DEBUG", "DIGEST") == ask(replica, "DEBUG", "DIGEST")
    finally:
        for server in (primary, replica):
            server.stop()


def test_config_rewrite_keeps_the_role(folder: Path) -> None:
    primary = start(STOCK)
    replicas = []
    try:
        for kind in ("asyncio", STOCK):
            home = folder / kind
            home.mkdir()
            settings = home / "redis.conf"
            settings.write_text("# mine\nmaxclients 100\n")
            program = [find_oracle() or ""] if kind == STOCK else [sys.executable, "-m", "kvcore"]
            port = free_port()
            words = [*program, str(settings), "--port", str(port), "--bind", HOST, "--dir", str(home)]
            replicas.append(Server(kind, words, port))
        texts = []
        for replica, kind in zip(replicas, ("asyncio", STOCK), strict=True):
            follow(replica, primary)
            assert ask(replica, "CONFIG", "REWRITE").native() == "OK"
            lines = (folder / kind / "redis.conf").read_text().splitlines()
            texts.append([line for line in lines if "replicaof" in line or "slaveof" in line])
            assert ask(replica, "REPLICAOF", "NO", "ONE").native() == "OK"
            assert ask(replica, "CONFIG", "REWRITE").native() == "OK"
            assert "replicaof" not in (folder / kind / "redis.conf").read_text()
        assert texts[0] == texts[1] == [f"replicaof {HOST} {primary.port}"]
        log = replicas[0].log()
        assert ":S " in log
        assert "MASTER <-> REPLICA sync: Finished with success" in log
        assert ":M " in log[log.index("MASTER MODE enabled") - 60 :]
    finally:
        for server in (primary, *replicas):
            server.stop()
