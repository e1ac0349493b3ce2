"""The command log: what ran, in which order, and nothing after its block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import redis

from kvcore.errors import CommandError
from kvcore.frontends.under_test import TestServer, TestStore


@pytest.fixture
def store() -> Iterator[TestStore]:
    store = TestStore()
    yield store
    store.close()


def test_a_log_holds_what_ran_as_it_was_sent(store: TestStore) -> None:
    store.execute("SET", "before", 1)
    with store.log() as commands:
        store.execute("set", "k", "v\xff")
        store.set("k", "v")
        store.execute("GET", b"\x00")
    store.execute("SET", "after", 1)
    assert commands == [(b"set", b"k", "v\xff".encode()), (b"SET", b"k", b"v"), (b"GET", b"\x00")]
    assert store.engine.monitors == {}


def test_a_log_answers_questions(store: TestStore) -> None:
    with store.log() as commands:
        store.execute("set", "k", "v", "PX", 1000)
        store.execute("GET", "k")
        store.execute("GET", "other")
    assert commands.names == ["SET", "GET", "GET"]
    assert commands.named("get") == [(b"GET", b"k"), (b"GET", b"other")]
    assert commands.ran("SET", "k")
    assert commands.ran("Set", "k", "v", "PX", 1000)
    assert not commands.ran("SET", "v")
    assert not commands.ran("DEL")
    assert commands.lines[0] == '"set" "k" "v" "PX" "1000"'
    with pytest.raises(TypeError):
        commands.ran()


def test_transactions_and_scripts_are_there_with_their_commands(store: TestStore) -> None:
    with store.log() as commands:
        store.execute("MULTI")
        store.execute("INCR", "n")
        store.execute("EXEC")
        store.execute("EVAL", "return redis.call('incr', KEYS[1])", 1, "n")
    assert commands.names == ["MULTI", "INCR", "EXEC", "EVAL", "INCR"]


def test_what_clients_send_as_they_connect_is_left_out(store: TestStore) -> None:
    with store.log() as commands:
        store.execute("hello", 3)
        store.execute("client", "setinfo", "lib-name", "x")
        store.execute("CLIENT", "SETNAME", "x")
    assert commands == [(b"CLIENT", b"SETNAME", b"x")]


def test_what_did_not_run_is_not_there(store: TestStore) -> None:
    with store.log() as commands:
        for command in (("NONSENSE",), ("GET",)):
            with pytest.raises(CommandError):
                store.execute(*command)
        with store.faults.fail("ERR no luck"), pytest.raises(CommandError):
            store.execute("GET", "k")
        with pytest.raises(CommandError):
            store.execute("INCRBY", "k", "x")  # it ran, and failed
    assert commands == [(b"INCRBY", b"k", b"x")]


def test_logs_may_overlap_and_end_with_an_exception(store: TestStore) -> None:
    with store.log() as outer:
        store.execute("PING")
        with contextlib.suppress(ZeroDivisionError), store.log() as inner:
            store.execute("ECHO", "x")
            raise ZeroDivisionError
        store.execute("DBSIZE")
    assert outer.names == ["PING", "ECHO", "DBSIZE"]
    assert inner.names == ["ECHO"]
    assert store.engine.monitors == {}


def test_a_server_s_log_has_all_clients_and_leaves_monitor_alone() -> None:
    with (
        TestServer() as server,
        redis.Redis.from_url(server.url) as one,
        redis.Redis.from_url(server.unix_url) as two,
        one.monitor() as monitor,
    ):
        one.ping()
        two.ping()
        with server.log() as commands:
            one.set("k", "v")
            two.get("k")
            assert monitor.next_command()["command"] != ""
        two.get("k")
        assert commands == [(b"SET", b"k", b"v"), (b"GET", b"k")]
