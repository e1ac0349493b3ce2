"""Jobs of KEYDB.CRON on real servers and stores: in time, over restarts, and how one that runs for ever is ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvcore import errors
from kvcore.testing import TestStore
from tests.oracle.servers import HOST, Server, start_kvcore
from tests.oracle.wire import Wire, WireSession, encode_command
from tests.waiting import SECONDS, until

pytest.importorskip("lupa.lua51")
pytest.importorskip("greenlet")

INCR = "return redis.call('incr', KEYS[1])"


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = start_kvcore(request.param)
    yield running
    running.stop()


@pytest.fixture
def client(server: Server) -> Iterator[WireSession]:
    session = server.connect()
    ask(session, "FLUSHALL")
    yield session
    session.close()


def ask(session: WireSession, *words: object) -> Wire:
    session.send([str(word) for word in words])
    return session.read(SECONDS)


def wait_until(session: WireSession, words: tuple[object, ...], wanted: bytes) -> None:
    until(f"{words} answers {wanted!r}", lambda: ask(session, *words).text.startswith(wanted), pause=0.002)


def test_jobs_run_between_commands(client: WireSession) -> None:
    assert ask(client, "KEYDB.CRON", "j", "repeat", 5, INCR, 1, "n").text == b"OK"
    wait_until(client, ("GET", "n"), b"1")
    wait_until(client, ("EVAL", "return tonumber(redis.call('get', 'n')) >= 10 and 'many'", 0), b"many")
    ask(client, "DEL", "j", "n")
    assert ask(client, "KEYDB.CRON", "once", "single", 20, INCR, 1, "n").text == b"OK"
    client.send(["BLPOP", "nothing", "0.3"])
    client.read(SECONDS)
    assert ask(client, "GET", "n").text == b"1"
    assert ask(client, "DBSIZE").text == b"1"


def test_a_job_that_never_ends_is_killed(client: WireSession, server: Server) -> None:
    ask(client, "CONFIG", "SET", "busy-reply-threshold", "20")
    jobs = [("endless", "single", "1", "while true do end"), ("other", "single", "2", INCR, "1", "n")]
    client.send_raw(b"".join(encode_command(("KEYDB.CRON", *job)) for job in jobs))  # the second before the first runs
    assert [client.read(SECONDS).text for _ in jobs] == [b"OK", b"OK"]
    wait_until(client, ("GET", "n"), b"BUSY")
    second = server.connect()
    assert ask(second, "GET", "n").text.decode() == errors.BUSY_SCRIPT
    assert ask(second, "SCRIPT", "KILL").text == b"OK"
    wait_until(client, ("GET", "n"), b"1")  # the other one had to wait
    assert ask(second, "EXISTS", "endless", "other").text == b"0"
    second.close()
    assert "Script killed by user with SCRIPT KILL" in server.log()


def restarted(directory: Path, *options: str) -> Server:
    command = [sys.executable, "-m", "kvcore", "--port", "0", "--bind", HOST, "--dir", str(directory)]
    return Server("kvcore", [*command, *options])


@pytest.mark.parametrize(
    "options",
    [
        ("--appendonly", "yes", "--appendfsync", "always"),
        ("--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no"),
        ("--save", "3600 1"),
    ],
)
def test_jobs_survive_restarts(tmp_path: Path, options: tuple[str, ...]) -> None:
    server = restarted(tmp_path, *options)
    try:
        session = server.connect()
        ask(session, "SELECT", 3)
        ask(session, "KEYDB.CRON", "hourly", "repeat", 0, 3_600_000, INCR, 1, "hours")
        ask(session, "KEYDB.CRON", "once", "single", 1, INCR, 1, "n")
        ask(session, "KEYDB.CRON", "later", "single", 3_600_000, INCR, 1, "n")
        wait_until(session, ("EXISTS", "hours", "n", "once"), b"2")
        if "yes" in options:
            assert ask(session, "BGREWRITEAOF").text.startswith(b"Background")
            idle = "return redis.call('info', 'persistence'):match('in_progress:1') or 'idle'"
            wait_until(session, ("EVAL", idle, 0), b"idle")
        else:
            assert ask(session, "SAVE").text == b"OK"
        times = [int(ask(session, "PTTL", name, name).text) for name in ("hourly", "later")]
        server.signal(9)
        server.wait(SECONDS)
    finally:
        server.stop()
    server = restarted(tmp_path, *options)
    try:
        session = server.connect()
        ask(session, "SELECT", 3)
        after = [int(ask(session, "PTTL", name, name).text) for name in ("hourly", "later")]
        assert all(0 <= before - now < 60_000 for before, now in zip(times, after, strict=True)), (times, after)
        assert ask(session, "DBSIZE").text == b"4"
        assert [ask(session, "GET", name).text for name in ("hours", "n")] == [b"1", b"1"]
    finally:
        server.stop()


def test_a_store_runs_jobs_as_it_is_used() -> None:
    with TestStore() as store:
        store.execute("KEYDB.CRON", "j", "repeat", 60_000, INCR, 1, "n")
        for _ in range(5):
            store.clock.advance(60)
        assert store.get("n") == b"5"
