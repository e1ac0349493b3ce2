"""Faults on purpose: what clients see of each, in process and over sockets, and that nothing of them stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis

from kvcore.errors import CommandError
from kvcore.frontends.faults import DownError
from kvcore.frontends.under_test import TestServer, TestStore


@pytest.fixture
def store() -> Iterator[TestStore]:
    store = TestStore()
    store.execute("SET", "k", "v")
    yield store
    store.close()


@pytest.fixture(scope="module")
def running() -> Iterator[TestServer]:
    with TestServer() as server:
        yield server


@pytest.fixture
def server(running: TestServer) -> Iterator[TestServer]:
    yield running
    running.reset()


@pytest.fixture
def client(server: TestServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, retry=None) as client:
        client.set("k", "v")
        yield client


def in_thread(store: TestStore, *command: object) -> tuple[threading.Thread, list[object]]:
    """Run a command that parks in a thread; return once it is parked. Its result, or error, will be in the list."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(store.execute(*command))  # type: ignore[arg-type]
        except CommandError as error:
            results.append(error)

    before = store.engine.blocking.count
    thread = threading.Thread(target=run)
    thread.start()
    while store.engine.blocking.count == before:
        threading.Event().wait(0.001)
    return thread, results


# Chosen commands


def test_an_error_befalls_the_named_commands_only(store: TestStore) -> None:
    with store.faults.fail("ERR no luck", "get", "H*") as fault:
        for command in (("GET", "k"), ("get", "k"), ("HSET", "h", "f", "v")):
            with pytest.raises(CommandError, match=r"^ERR no luck$"):
                store.execute(*command)
        assert store.execute("STRLEN", "k") == 1
        assert fault.hits == 3
    assert store.execute("GET", "k") == b"v"
    assert store.execute("EXISTS", "h") == 0


def test_an_error_can_be_counted_and_can_begin_later(store: TestStore) -> None:
    store.faults.fail("ERR no luck", "GET", times=2, after=1)
    outcomes = []
    for _ in range(5):
        try:
            outcomes.append(store.execute("GET", "k"))
        except CommandError as error:
            outcomes.append(error.code)
    assert outcomes == [b"v", "ERR", "ERR", b"v", b"v"]
    assert store.engine.gate == 0


def test_an_error_can_look_at_the_arguments(store: TestStore) -> None:
    with store.faults.fail("ERR no luck", where=lambda argv: b"other" in argv):
        assert store.execute("GET", "k") == b"v"
        with pytest.raises(CommandError, match="no luck"):
            store.execute("GET", "other")


def test_a_command_too_short_to_be_looked_at_is_not_meant(store: TestStore) -> None:
    with store.faults.fail("ERR no luck", where=lambda argv: argv[1] == b"k") as fault:
        assert store.execute("PING") == "PONG"
        with pytest.raises(CommandError, match="no luck"):
            store.execute("GET", "k")
        assert fault.hits == 1


def test_a_function_that_fails_is_told_of(client: redis.Redis, server: TestServer) -> None:
    with server.faults.fail("ERR no luck", "GET", where=lambda argv: argv == 1 // 0):
        with pytest.raises(redis.ResponseError, match="ZeroDivisionError"):
            client.get("k")
        with client.pipeline(transaction=False) as pipeline:
            answers = pipeline.get("k").ping().execute(raise_on_error=False)
        assert [type(answer) for answer in answers] == [redis.ResponseError, bool]
    assert client.get("k") == b"v"


def test_subcommands_have_names_of_two_words(store: TestStore) -> None:
    with store.faults.fail("ERR no luck", "config get"):
        with pytest.raises(CommandError, match="no luck"):
            store.execute("CONFIG", "GET", "port")
        assert store.execute("CONFIG", "RESETSTAT") == "OK"


def test_the_first_fault_that_fits_decides(store: TestStore) -> None:
    store.faults.fail("ERR first", "GET")
    store.faults.fail("ERR second")
    with pytest.raises(CommandError, match="first"):
        store.execute("GET", "k")
    with pytest.raises(CommandError, match="second"):
        store.execute("PING")
    store.faults.clear()
    assert store.execute("GET", "k") == b"v"


def test_a_transaction_with_a_failing_command_is_refused(store: TestStore) -> None:
    store.execute("MULTI")
    with store.faults.fail("ERR no luck", "INCR"), pytest.raises(CommandError, match="no luck"):
        store.execute("INCR", "n")
    with pytest.raises(CommandError, match=r"^EXECABORT"):
        store.execute("EXEC")


def test_commands_of_a_queued_transaction_and_of_scripts_belong_to_what_runs_them(store: TestStore) -> None:
    store.execute("MULTI")
    store.execute("GET", "k")
    with store.faults.fail("ERR no luck", "GET"):
        assert store.execute("EXEC") == [b"v"]
        assert store.execute("EVAL", "return redis.call('get', 'k')", 0) == b"v"


@pytest.mark.parametrize("text", ["", "ERR two\nlines", "ERR two\rlines"])
def test_an_error_is_a_line(store: TestStore, text: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        store.faults.fail(text)


@pytest.mark.parametrize("name", ["GTE", "config", "config got", "q*x"])
def test_a_fault_of_no_command_is_refused(store: TestStore, name: str) -> None:
    with pytest.raises(ValueError, match="no command is called"):
        store.faults.fail("ERR no luck", "GET", name)
    assert store.engine.gate == 0


@pytest.mark.parametrize("name", ["Config Get", "config|get", "CONFIG *", "c*", "command", "*"])
def test_a_name_of_any_command_is_taken(store: TestStore, name: str) -> None:
    with store.faults.fail("ERR no luck", name):
        assert store.engine.gate


def test_a_fault_happens_at_least_once_and_takes_some_time(store: TestStore) -> None:
    with pytest.raises(ValueError, match="at least once"):
        store.faults.fail("ERR no luck", times=0)
    with pytest.raises(ValueError, match="no time"):
        store.faults.delay(-1)
    with pytest.raises(ValueError, match="go through before"):
        store.faults.fail("ERR no luck", after=-1)
    with pytest.raises(ValueError, match="before it began"):
        store.faults.disconnect_after(-1)
    assert store.engine.gate == 0


# Delay


def test_a_delayed_command_runs_when_its_time_has_come(store: TestStore) -> None:
    with store.clock.freeze(), store.faults.delay(60, "GET") as fault:
        thread, results = in_thread(store, "GET", "k")
        store.execute("SET", "k", "changed meanwhile")  # nobody else waits
        store.clock.advance(59.9)
        assert results == []
        store.clock.advance(0.1)
        thread.join(10)
        assert results == [b"changed meanwhile"]
        assert fault.hits == 1


def test_faults_behind_a_delay_are_counted_once(store: TestStore) -> None:
    store.faults.fail("ERR early", "GET", after=1, times=1)
    store.faults.delay(60, "GET", times=2)
    store.faults.fail("ERR late", "GET", after=1, times=1)
    with store.clock.freeze():
        thread, results = in_thread(store, "GET", "k")
        store.clock.advance(60)
        thread.join(10)
        assert results == [b"v"]
        with pytest.raises(CommandError, match="early"):
            store.execute("GET", "k")
        thread, results = in_thread(store, "GET", "k")
        store.clock.advance(60)
        thread.join(10)
        assert [str(result) for result in results] == ["ERR late"]


def test_a_delayed_blocking_command_waits_on(store: TestStore) -> None:
    with store.clock.freeze(), store.faults.delay(1, "BLPOP"):
        thread, results = in_thread(store, "BLPOP", "list", 100)
        store.clock.advance(1)
        store.execute("RPUSH", "list", "x")
        thread.join(10)
        assert results == [[b"list", b"x"]]


def test_client_unblock_does_not_shorten_a_delay(store: TestStore) -> None:
    with store.clock.freeze(), store.faults.delay(60, "GET"):
        thread, results = in_thread(store, "GET", "k")
        (parked,) = (session for session in store.engine.sessions.values() if session.blocked is not None)
        assert store.execute("CLIENT", "UNBLOCK", parked.id) == 0
        store.clock.advance(60)
        thread.join(10)
        assert results == [b"v"]


def test_a_delay_passes_in_real_time_while_the_clock_stands_still(store: TestStore) -> None:
    with store.clock.freeze(), store.faults.delay(0.01, "GET"):
        assert store.execute("GET", "k") == b"v"


def test_a_transaction_is_delayed_once(client: redis.Redis, server: TestServer) -> None:
    with server.faults.delay(0.01) as fault, client.pipeline() as pipeline:
        pipeline.get("k")
        pipeline.set("k", 2)
        assert pipeline.execute() == [b"v", True]
        assert fault.hits == 1


def test_a_slow_server_meets_the_client_s_time_out(server: TestServer) -> None:
    with (
        redis.Redis.from_url(server.url, retry=None, socket_timeout=0.05) as client,
        server.faults.delay(60, "GET"),
        pytest.raises(redis.TimeoutError),
    ):
        client.get("k")


# Down


def test_a_store_that_is_down_answers_nothing(store: TestStore) -> None:
    store.faults.go_down()
    with pytest.raises(DownError) as caught:
        store.execute("GET", "k")
    assert isinstance(caught.value, ConnectionError)
    store.faults.come_back()
    assert store.execute("GET", "k") == b"v"
    assert store.engine.gate == 0


def test_going_down_ends_what_waits(store: TestStore) -> None:
    thread, results = in_thread(store, "BLPOP", "list", 0)
    store.faults.go_down()
    thread.join(10)
    assert [type(result) for result in results] == [DownError]
    store.faults.come_back()
    store.execute("RPUSH", "list", "x")
    assert store.execute("LLEN", "list") == 1  # nobody took it


def test_a_server_that_is_down_is_not_there(client: redis.Redis, server: TestServer) -> None:
    server.faults.go_down()
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.get("k")
    with (
        redis.Redis.from_url(server.url, retry=None) as late,
        pytest.raises(redis.ConnectionError, match="refused"),
    ):
        late.ping()
    with (
        redis.Redis.from_url(server.unix_url, retry=None) as local,
        pytest.raises(redis.ConnectionError),
    ):
        local.ping()
    server.faults.come_back()
    assert client.get("k") == b"v"
    assert server.port == server.engine.config.integer("port")


def test_coming_back_twice_and_going_down_twice_do_nothing(client: redis.Redis, server: TestServer) -> None:
    server.faults.come_back()
    assert client.get("k") == b"v"
    server.faults.go_down()
    server.faults.go_down()
    server.faults.come_back()
    server.faults.come_back()
    with redis.Redis.from_url(server.url, retry=None) as late:
        assert late.get("k") == b"v"


def test_subscribers_of_a_server_that_goes_down_notice(client: redis.Redis, server: TestServer) -> None:
    with client.pubsub() as subscriber:
        subscriber.subscribe("news")
        assert subscriber.get_message(timeout=10)["type"] == "subscribe"
        server.faults.go_down()
        with pytest.raises(redis.ConnectionError):
            subscriber.get_message(timeout=10)


# Connections that end


def test_a_connection_can_end_in_place_of_an_answer(client: redis.Redis, server: TestServer) -> None:
    with server.faults.disconnect("INCRBY", times=1) as fault:
        with pytest.raises(redis.ConnectionError):
            client.incr("n")
        assert fault.hits == 1
        assert client.incr("n") == 1  # the first did not run


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_connection_can_end_within_a_reply_after_the_command_ran(
    client: redis.Redis, server: TestServer, size: int
) -> None:
    fault = server.faults.disconnect_after(size)
    with pytest.raises(redis.ConnectionError):
        client.incrby("n", 1000)
    assert fault.hits == 1
    assert client.get("n") == b"1000"
    assert server.engine.gate == 0


def test_a_connection_ends_after_as_many_bytes_as_were_said(client: redis.Redis, server: TestServer) -> None:
    with server.faults.disconnect_after(len(b"$1\r\nv\r\n") * 2 + 1):
        assert client.get("k") == b"v"
        assert client.get("k") == b"v"
        with pytest.raises(redis.ConnectionError):
            client.get("k")


def test_a_connection_that_is_to_end_later_can_be_killed_before(client: redis.Redis, server: TestServer) -> None:
    with (
        server.faults.disconnect_after(1000),
        redis.Redis.from_url(server.url, retry=None, single_connection_client=True) as victim,
    ):
        number = victim.client_id()
        assert client.client_kill_filter(_id=number) == 1
        with pytest.raises(redis.ConnectionError):
            victim.ping()


def test_a_store_in_process_can_be_cut_off_but_sends_no_bytes(store: TestStore) -> None:
    with store.faults.disconnect_after(0) as fault:
        assert store.execute("GET", "k") == b"v"
        assert fault.hits == 0
    with store.faults.disconnect("GET"), pytest.raises(DownError):
        store.execute("GET", "k")


# States

SCRIPT = "return redis.call('set', 'k', '1')"


@pytest.mark.parametrize(
    ("state", "code", "refused", "served"),
    [
        ("loading", "LOADING", [("GET", "k"), ("PING",), ("EVAL", "return 1", 0)], [("INFO",), ("MULTI",), ("EXEC",)]),
        ("readonly", "READONLY", [("SET", "k", 1), ("EVAL", SCRIPT, 0)], [("GET", "k"), ("PING",)]),
        ("misconf", "MISCONF", [("SET", "k", 1), ("EVAL", SCRIPT, 0), ("PING",)], [("GET", "k")]),
        ("oom", "OOM", [("SET", "k", 1), ("EVAL", SCRIPT, 0)], [("GET", "k"), ("PING",), ("DEL", "none")]),
    ],
)
def test_states_refuse_what_a_real_server_refuses_in_them(
    store: TestStore, state: str, code: str, refused: list[tuple[object, ...]], served: list[tuple[object, ...]]
) -> None:
    with getattr(store.faults, state)():
        for command in refused:
            with pytest.raises(CommandError) as caught:
                store.execute(*command)  # type: ignore[arg-type]
            assert caught.value.code == code, command
        for command in served:
            store.execute(*command)  # type: ignore[arg-type]
    assert store.execute("GET", "k") == b"v"
    assert store.execute("SET", "k", 2)
    assert store.execute("EVAL", SCRIPT, 0)


def test_a_replica_refuses_the_transaction_that_writes(store: TestStore) -> None:
    store.execute("MULTI")
    store.execute("SET", "k", 2)
    with store.faults.readonly(), pytest.raises(CommandError, match="EXECABORT"):
        store.execute("EXEC")
    assert store.execute("GET", "k") == b"v"


def test_two_states_end_apart(store: TestStore) -> None:
    loading, readonly = store.faults.loading(), store.faults.readonly()
    loading.remove()
    loading.remove()
    assert store.execute("GET", "k") == b"v"
    with pytest.raises(CommandError, match="READONLY"):
        store.execute("SET", "k", 1)
    readonly.remove()
    assert store.execute("SET", "k", 1)


def test_snapshots_are_loaded_whatever_clients_meet(store: TestStore) -> None:
    text = store.dump()
    store.faults.oom()
    store.faults.readonly()
    store.execute("PING")
    assert store.load(text) == 1
    with pytest.raises(CommandError, match="OOM"):
        store.execute("SET", "k", 1)
