"""MULTI, EXEC, DISCARD, WATCH, UNWATCH: what is queued, what is refused, what breaks a watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.replies import NO_REPLY, NULL_ARRAY, OK, QUEUED, Push, Reply

if TYPE_CHECKING:
    from tests.commands.conftest import Client

ABORTED = "EXECABORT Transaction discarded because of previous errors."


def run(client: Client, *lines: str) -> object:
    """Send each line; return the last reply."""
    reply: object = None
    for line in lines:
        reply = client(*line.split())
    return reply


def test_queued_commands_run_at_exec(client: Client, other: Client) -> None:
    assert client("MULTI") is OK
    assert client("SET", "k", 1) is QUEUED
    assert client("INCR", "k") is QUEUED
    assert other("GET", "k") is None
    assert client("EXEC") == [OK, 2]
    assert client("GET", "k") == b"2"


def test_an_empty_transaction(client: Client) -> None:
    assert run(client, "MULTI", "EXEC") == []


def test_without_multi(client: Client) -> None:
    assert client.error("EXEC") == "ERR EXEC without MULTI"
    assert client.error("DISCARD") == "ERR DISCARD without MULTI"
    assert client("UNWATCH") is OK


def test_discard_forgets_queue_and_watches(client: Client, other: Client) -> None:
    run(client, "WATCH k", "MULTI", "SET k mine")
    other("SET", "k", "theirs")
    assert client("DISCARD") is OK
    assert client("GET", "k") == b"theirs"
    assert run(client, "MULTI", "GET k", "EXEC") == [b"theirs"]


def test_multi_and_watch_inside_multi_are_errors_that_do_no_harm(client: Client) -> None:
    client("MULTI")
    assert client.error("MULTI") == "ERR MULTI calls can not be nested"
    assert client.error("WATCH", "k") == "ERR WATCH inside MULTI is not allowed"
    client("SET", "k", 1)
    assert client("EXEC") == [OK]


@pytest.mark.parametrize(
    "line", ["NOSUCHCOMMAND", "GET", "CONFIG NOSUCH", "CONFIG GET", "DISCARD x", "MULTI x", "WATCH"]
)
def test_a_command_that_cannot_be_queued_spoils_the_transaction(client: Client, line: str) -> None:
    run(client, "MULTI", "SET k 1")
    assert isinstance(client(*line.split()), CommandError)
    assert client.error("EXEC") == ABORTED
    assert client("GET", "k") is None
    assert client.error("EXEC") == "ERR EXEC without MULTI"


def test_exec_with_arguments_ends_the_transaction(client: Client) -> None:
    text = "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
    run(client, "MULTI", "SET k 1")
    assert client.error("EXEC", "now") == text
    assert client("GET", "k") is None
    assert client.error("EXEC", "now") == text


def test_errors_while_running_leave_the_others_done(client: Client) -> None:
    replies = run(client, "SET k text", "MULTI", "INCR k", "LPUSH k 1", "SET k 2", "EXEC")
    assert isinstance(replies, list)
    assert [str(reply) for reply in replies] == [
        "ERR value is not an integer or out of range",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "OK",
    ]
    assert client("GET", "k") == b"2"


def test_select_holds_from_then_on(client: Client) -> None:
    assert run(client, "MULTI", "SELECT 1", "SET k 1", "SELECT 99", "SELECT 2", "EXEC") != []
    assert client.session.call.db.index == 2
    client("SELECT", 1)
    assert client("GET", "k") == b"1"


def test_effects_form_one_unit(client: Client, engine: Engine) -> None:
    units: list[list[tuple[int, list[bytes]]]] = []
    engine.subscribe(lambda unit: units.append(list(unit)))
    run(client, "MULTI", "SET a 1", "GET a", "SELECT 1", "BLPOP nothing 0", "SET b 2", "EXEC")
    assert units == [
        [
            (0, [b"MULTI"]),
            (0, [b"SET", b"a", b"1"]),
            (1, [b"SET", b"b", b"2"]),
            (1, [b"EXEC"]),
        ]
    ]
    run(client, "MULTI", "SET b 3", "GET b", "EXEC")
    assert units[1:] == [[(1, [b"SET", b"b", b"3"])]]
    run(client, "MULTI", "GET b", "EXEC")
    assert len(units) == 2


class RunningClock(ManualClock):
    """A clock that a millisecond passes on at every look."""

    __slots__ = ()

    def now_us(self) -> int:
        self.advance(1)
        return super().now_us()


def test_all_commands_see_one_time() -> None:
    engine = Engine(clock=RunningClock())
    session = engine.session()

    def ask(line: str) -> Reply:
        return engine.execute(session, line.encode().split())

    ask("SET k v PX 1000")
    assert ask("PTTL k") != ask("PTTL k")
    for line in ("MULTI", "PTTL k", "GET k", "PTTL k"):
        ask(line)
    first, _, second = ask("EXEC")
    assert first == second


def test_a_flushing_transaction(client: Client) -> None:
    assert run(client, "SET k 1", "MULTI", "FLUSHALL", "EXISTS k", "EXEC") == [OK, 0]


# WATCH


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("", "SET k 1"),
        ("SET k 1", "SET k 1"),
        ("SET k 1", "DEL k"),
        ("SET k 1", "EXPIRE k 100"),
        ("SET k 1", "RENAME k elsewhere"),
        ("SET x 1", "RENAME x k"),
        ("SET k 1", "MOVE k 1"),
        ("SET k 1", "FLUSHALL"),
        ("SET k 1", "FLUSHDB"),
        ("SET k 1", "SWAPDB 0 1"),
        ("RPUSH k 1", "LPOP k"),
        ("RPUSH k 1 2", "LMOVE k k LEFT RIGHT"),
        ("RPUSH x 1", "LMOVE x k LEFT RIGHT"),
        ("SET x 1", "COPY x k"),
        ("SADD x 1", "SUNIONSTORE k x"),
    ],
)
def test_what_breaks_a_watch(client: Client, other: Client, before: str, change: str) -> None:
    if before:
        run(other, before)
    client("WATCH", "k")
    run(other, change)
    assert run(client, "MULTI", "SET k mine", "EXEC") is NULL_ARRAY
    assert run(client, "MULTI", "PING", "EXEC") == ["PONG"]


@pytest.mark.parametrize(
    ("before", "attempt"),
    [
        ("", "DEL k"),
        ("", "FLUSHALL"),
        ("", "SWAPDB 0 1"),
        ("SET k 1", "GET k"),
        ("SET k 1", "SET other 1"),
        ("SET k 1", "SETNX k 2"),
        ("SET k 1", "LPUSH k 2"),
        ("RPUSH k 1", "LREM k 0 nothing"),
        ("RPUSH k 1", "LPUSHX nothing 1"),
        ("SADD k 1", "SADD k 1"),
    ],
)
def test_what_does_not_break_a_watch(client: Client, other: Client, before: str, attempt: str) -> None:
    if before:
        run(other, before)
    client("WATCH", "k")
    run(other, attempt)
    assert run(client, "MULTI", "PING", "EXEC") == ["PONG"]


def test_ones_own_change_breaks_the_watch_too(client: Client) -> None:
    assert run(client, "WATCH k", "SET k 1", "MULTI", "EXEC") is NULL_ARRAY


def test_a_change_after_multi_counts(client: Client, other: Client) -> None:
    run(client, "WATCH k", "MULTI", "SET k mine")
    other("SET", "k", "theirs")
    assert client("EXEC") is NULL_ARRAY


def test_a_spoiled_transaction_says_so_although_the_watch_broke(client: Client, other: Client) -> None:
    client("WATCH", "k")
    other("SET", "k", 1)
    run(client, "MULTI", "NOSUCHCOMMAND")
    assert client.error("EXEC") == ABORTED


def test_unwatch(client: Client, other: Client) -> None:
    client("WATCH", "k", "l")
    other("SET", "k", 1)
    client("UNWATCH")
    other("SET", "l", 1)
    assert run(client, "MULTI", "GET k", "EXEC") == [b"1"]


def test_unwatch_inside_multi_comes_too_late(client: Client, other: Client) -> None:
    client("WATCH", "k")
    other("SET", "k", 1)
    assert run(client, "MULTI", "UNWATCH", "EXEC") is NULL_ARRAY


def test_a_watch_belongs_to_its_database(client: Client, other: Client) -> None:
    run(client, "SELECT 1", "WATCH k", "SELECT 0")
    other("SET", "k", 1)
    assert run(client, "MULTI", "PING", "EXEC") == ["PONG"]
    run(client, "SELECT 1", "WATCH k", "SELECT 0")
    run(other, "SELECT 1", "SET k 1")
    assert run(client, "MULTI", "PING", "EXEC") is NULL_ARRAY


def test_watching_twice_is_watching_once(client: Client, other: Client, engine: Engine) -> None:
    client("WATCH", "k", "k")
    client("WATCH", "k")
    client("UNWATCH")
    assert all(not db.watchers for db in engine.keyspace.databases)
    other("SET", "k", 1)
    assert run(client, "MULTI", "PING", "EXEC") == ["PONG"]


def test_a_client_that_leaves_watches_nothing(client: Client, engine: Engine) -> None:
    run(client, "WATCH k l", "MULTI", "PING")
    engine.drop(client.session)
    assert all(not db.watchers for db in engine.keyspace.databases)


@pytest.mark.parametrize("deleted_by", ["nobody", "GET k", "tick"])
def test_a_watched_key_that_expires_breaks_the_watch(
    client: Client, other: Client, clock: ManualClock, engine: Engine, deleted_by: str
) -> None:
    run(client, "SET k v PX 10", "WATCH k")
    clock.advance(11)
    if deleted_by == "tick":
        engine.tick()
    elif deleted_by != "nobody":
        run(other, deleted_by)
    assert run(client, "MULTI", "PING", "EXEC") is NULL_ARRAY


@pytest.mark.parametrize("deleted_by", ["nobody", "GET k", "DEL k", "FLUSHALL", "SWAPDB 0 1", "tick"])
def test_a_key_already_past_its_time_at_watch_may_go(
    client: Client, other: Client, clock: ManualClock, engine: Engine, deleted_by: str
) -> None:
    client("SET", "k", "v", "PX", 10)
    clock.advance(11)
    client("WATCH", "k")
    if deleted_by == "tick":
        engine.tick()
    elif deleted_by != "nobody":
        run(other, deleted_by)
    assert run(client, "MULTI", "GET k", "EXEC") == [None]


def test_a_key_already_past_its_time_at_watch_may_not_come_back(
    client: Client, other: Client, clock: ManualClock
) -> None:
    client("SET", "k", "v", "PX", 10)
    clock.advance(11)
    client("WATCH", "k")
    other("SET", "k", "new")
    assert run(client, "MULTI", "EXEC") is NULL_ARRAY


def test_swapping_in_a_key_past_its_time_is_no_change(client: Client, other: Client, clock: ManualClock) -> None:
    run(other, "SELECT 1", "SET k v PX 10")
    clock.advance(11)
    client("WATCH", "k")
    other("SWAPDB", 0, 1)
    assert run(client, "MULTI", "GET k", "EXEC") == [None]


# Commands that change the session


def test_subscribing_in_a_transaction_fills_the_array_and_runs_over(client: Client) -> None:
    run(client, "MULTI", "SUBSCRIBE a b", "SET k 1", "GET k")
    assert client("EXEC") is NO_REPLY
    array, rest = client.session.outbox
    assert array == [Push([b"subscribe", b"a", 1]), Push([b"subscribe", b"b", 2]), OK]
    assert rest == b"1"


def test_leaving_no_channel_in_a_transaction(client: Client) -> None:
    assert run(client, "MULTI", "UNSUBSCRIBE", "PING", "EXEC") == [[b"unsubscribe", None, 0], "PONG"]
    assert client.session.outbox == []


def test_a_pause_begun_in_a_transaction_waits_for_its_end(client: Client, engine: Engine) -> None:
    assert run(client, "MULTI", "CLIENT PAUSE 1000 ALL", "SET k 1", "EXEC") == [OK, OK]
    client("GET", "k")
    assert client.session.blocked is not None
    engine.unpause()
    assert client.delivered == [b"1"]


def test_after_exec_the_session_waits_again(client: Client) -> None:
    run(client, "MULTI", "BLPOP k 0", "EXEC")
    assert client.session.call.command.name == "exec"
    client("BLPOP", "k", 0)
    assert client.session.blocked is not None


def test_a_held_back_transaction_runs_after_the_pause(client: Client, other: Client, engine: Engine) -> None:
    run(client, "MULTI", "SET k 1")
    other("CLIENT", "PAUSE", 1000, "WRITE")
    client("EXEC")
    assert client.delivered == []
    assert run(other, "MULTI", "GET k", "EXEC") == [None]
    engine.unpause()
    assert client.delivered == [[OK]]
