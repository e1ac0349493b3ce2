"""Scripts that run long, on real servers and embedded stores: who else is served meanwhile, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import kvcore
import kvcore.aio
from kvcore import errors
from kvcore.errors import CommandError
from kvcore.frontends.script_turns import GreenletTurns, LockTurns, server_turns
from kvcore.ports import PARKED
from tests.oracle.servers import Server, start_kvcore
from tests.oracle.wire import NOTHING, Wire, WireSession
from tests.waiting import until

pytest.importorskip("lupa.lua51")
pytest.importorskip("greenlet")

LOOP = "while true do end"
WORK = "local n = 0 while n < 6e7 do n = n + 1 end "
SOON_S = 10.0


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = start_kvcore(request.param)
    session = running.connect()
    session.send(["CONFIG", "SET", "busy-reply-threshold", "50"])
    session.read()
    yield running
    running.stop()


@pytest.fixture
def client(server: Server) -> Iterator[WireSession]:
    session = server.connect()
    ask(session, "FLUSHALL")
    yield session
    session.close()


def ask(session: WireSession, *words: str) -> Wire:
    session.send(words)
    return session.read(SOON_S)


def wait_until_busy(session: WireSession) -> None:
    # The script has yet to arrive, or to reach the limit.
    until("a script is busy", lambda: ask(session, "GET", "k").text.startswith(b"BUSY"), pause=0.001)


def wait_until_idle(session: WireSession) -> None:
    until("no script is busy", lambda: not ask(session, "GET", "k").text.startswith(b"BUSY"))


@pytest.mark.parametrize(
    "body",
    [
        LOOP,
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "while true do redis.call('get', 'k') end",
    ],
)
def test_busy_and_kill(server: Server, client: WireSession, body: str) -> None:
    runner = server.connect()
    runner.send(["EVAL", body, "0"])
    wait_until_busy(client)
    assert ask(client, "PING").text.decode() == errors.BUSY_SCRIPT
    assert ask(client, "SCRIPT", "KILL").text == b"OK"
    assert b"Script killed by user" in runner.read(SOON_S).text
    assert ask(client, "PING").text == b"PONG"
    assert ask(runner, "PING").text == b"PONG"
    runner.close()


def test_many_clients_are_served_meanwhile(server: Server, client: WireSession) -> None:
    runner = server.connect()
    runner.send(["EVAL", LOOP, "0"])
    wait_until_busy(client)
    others = [server.connect() for _ in range(20)]
    for _ in range(5):
        for other in others:
            other.send(["GET", "k"])
        for other in others:
            assert other.read(SOON_S).text.startswith(b"BUSY")
    ask(client, "SCRIPT", "KILL")
    runner.read(SOON_S)
    for other in (*others, runner):
        other.close()


def test_what_follows_in_the_pipeline_waits(server: Server, client: WireSession) -> None:
    runner = server.connect()
    for words in (["SET", "k", "1"], ["EVAL", WORK + "return redis.call('incr', 'k')", "0"], ["INCR", "k"]):
        runner.send(words)
    assert runner.read(SOON_S).text == b"OK"
    wait_until_busy(client)
    assert runner.read(0.01) is NOTHING
    assert (runner.read(SOON_S).text, runner.read(SOON_S).text) == (b"2", b"3")
    runner.close()


def test_a_transaction_is_one_thing(server: Server, client: WireSession) -> None:
    runner = server.connect()
    for words in (["MULTI"], ["SET", "k", "1"], ["EVAL", WORK + "return redis.call('incr', 'k')", "0"], ["INCR", "k"]):
        ask(runner, *words)
    runner.send(["EXEC"])
    wait_until_busy(client)
    assert [item.text for item in runner.read(SOON_S).items] == [b"OK", b"2", b"3"]
    assert ask(client, "GET", "k").text == b"3"
    runner.close()


def test_a_script_outlives_its_client(server: Server, client: WireSession) -> None:
    runner = server.connect()
    runner.send(["EVAL", WORK + "return redis.call('set', 'left', 'behind')", "0"])
    wait_until_busy(client)
    runner.close()
    wait_until_idle(client)
    assert ask(client, "GET", "left").text == b"behind"


@pytest.mark.parametrize("frontend", ["asyncio", "threaded"])
def test_shutdown_ends_a_script_that_wrote(frontend: str) -> None:
    server = start_kvcore(frontend)
    client, runner = server.connect(), server.connect()
    ask(client, "CONFIG", "SET", "busy-reply-threshold", "20")
    runner.send(["EVAL", "redis.call('set', 'k', 1) while true do end", "0"])
    wait_until_busy(client)
    assert ask(client, "SCRIPT", "KILL").text.startswith(b"UNKILLABLE")
    assert ask(client, "SHUTDOWN").text.decode() == errors.BUSY_SCRIPT
    client.send(["SHUTDOWN", "NOSAVE"])
    server.stop()  # joins: a server that hangs fails the test by its timeout


# Embedded stores


def test_threads_of_a_store_hear_busy_and_may_kill() -> None:
    with kvcore.open(busy_reply_threshold=20) as store:
        caught: list[Exception] = []

        def loop() -> None:
            try:
                store.execute("EVAL", LOOP, 0)
            except CommandError as error:
                caught.append(error)

        thread = threading.Thread(target=loop)
        thread.start()
        heard = ""
        while not heard:
            try:
                store.execute("GET", "k")
            except CommandError as error:
                heard = str(error)
        assert heard == errors.BUSY_SCRIPT
        assert store.execute("SCRIPT", "KILL") == "OK"
        thread.join(SOON_S)
        assert "Script killed by user" in str(caught[0])
        assert store.execute("GET", "k") is None


async def test_the_store_for_coroutines_runs_scripts() -> None:
    store = kvcore.aio.open()
    await store.set("k", "v")
    assert await store.execute("EVAL", "return redis.call('get', KEYS[1])", 1, "k") == b"v"
    await store.aclose()


# The turns themselves


def test_without_an_event_loop_the_lock_is_freed() -> None:
    lock = threading.Lock()
    turns = GreenletTurns(lock)
    seen: list[bool] = []

    def watch() -> None:
        with lock:
            seen.append(True)

    with lock:
        thread = threading.Thread(target=watch)
        thread.start()

        def job() -> None:
            while not seen:
                turns.yield_now()

        assert turns.run(job, list) is None
    thread.join()
    assert seen == [True]


async def test_the_event_loop_comes_back_to_the_job() -> None:
    import asyncio

    lock = threading.Lock()
    turns = GreenletTurns(lock)
    steps: list[str] = []
    done = asyncio.Event()

    def job() -> None:
        for name in ("first", "second"):
            assert lock.locked()
            steps.append(name)
            turns.yield_now()

    with lock:
        assert turns.run(job, done.set) is PARKED
    assert steps == ["first"]
    await done.wait()
    assert steps == ["first", "second"]
    with lock:
        assert turns.run(lambda: steps.append("third"), list) is None
    assert steps[-1] == "third"


def test_without_greenlet_servers_free_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    assert isinstance(server_turns(threading.Lock()), GreenletTurns)
    monkeypatch.setitem(sys.modules, "greenlet", None)
    turns = server_turns(threading.Lock())
    assert type(turns) is LockTurns
