"""From argv to reply: unknown and crashing commands, batches, slow log, monitors, pauses.

Texts and the order of the checks were compared with redis-server 7.0.15.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from kvcore.blocking import Blocked
from kvcore.call import Call
from kvcore.clock import ManualClock
from kvcore.command import Command
from kvcore.engine import Engine
from kvcore.errors import CommandError, WrongTypeError
from kvcore.notifications import STRING
from kvcore.replies import NO_REPLY, OK, Reply
from kvcore.session import BLOCKED, CLOSE, REPLY_OFF, SWITCHED
from tests.engine_client import Client

INTERNAL = "ERR internal error, see the server's log"

Define = Callable[..., Command]


@pytest.fixture
def define(engine: Engine) -> Define:
    """Add a command of the test's own to the engine."""

    def add(name: str, handler: Callable[..., Reply], arity: int = 2, flags: str = "write") -> Command:
        record = Command(name, handler, arity=arity, flags=flags)
        engine.commands[name.lower().encode()] = record
        return record

    return add


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Warnings and errors of the dispatcher."""
    with caplog.at_level(logging.WARNING, "kvcore.dispatch"):
        yield caplog


def run_batch(client: Client, *lines: str) -> tuple[int, list[Reply]]:
    replies: list[Reply] = []
    ran = client.engine.execute_many(client.session, [line.encode().split() for line in lines], replies)
    return ran, replies


# Names


@pytest.mark.parametrize("name", ["get", "GET", "Get", "gEt"])
def test_any_spelling(client: Client, name: str) -> None:
    client("SET", "k", "v")
    assert client(name, "k") == b"v"


@pytest.mark.parametrize("line", ["client id", "CLIENT ID", "Client iD", "cLIENT Id"])
def test_any_spelling_of_a_subcommand(client: Client, line: str) -> None:
    assert client(*line.split()) == client.session.id


def test_unknown_names(client: Client) -> None:
    assert client.error("NoSuch", "a", "b") == "ERR unknown command 'NoSuch', with args beginning with: 'a' 'b' "
    assert client.error("CONFIG", "NoSuch") == "ERR unknown subcommand 'NoSuch'. Try CONFIG HELP."
    assert client.error("config") == "ERR wrong number of arguments for 'config' command"


@pytest.mark.parametrize("line", ["GET", "GET a b", "SET a", "CLIENT ID x", "ping a b", "MGET"])
def test_wrong_number_of_arguments(client: Client, line: str) -> None:
    words = line.lower().split()
    name = "client|id" if words[0] == "client" else words[0]
    assert client.error(*line.split()) == f"ERR wrong number of arguments for '{name}' command"


def test_a_refused_command_is_counted_as_rejected_and_not_as_a_call(client: Client, engine: Engine) -> None:
    client("GET")
    record = engine.commands[b"get"]
    assert (record.calls, record.rejected, record.failed) == (0, 1, 0)
    client("SET", "k", "v")
    client("LPUSH", "k", "v")
    record = engine.commands[b"lpush"]
    assert (record.calls, record.rejected, record.failed) == (1, 0, 1)
    assert engine.statistics.errors == {"ERR": 1, "WRONGTYPE": 1}


# HTTP


@pytest.mark.parametrize("line", ["POST / HTTP/1.1", "Host: localhost:6379", "HOST: x"])
def test_a_browser_is_cut_off_before_its_body_runs(
    client: Client, engine: Engine, quiet: pytest.LogCaptureFixture, line: str
) -> None:
    ran, replies = run_batch(client, "SET before 1", line, "SET after 1")
    assert (ran, replies) == (2, ["OK", NO_REPLY])
    assert client.session.interrupt & CLOSE
    assert list(engine.keyspace.databases[0]) == [b"before"]
    assert "SECURITY ATTACK" in quiet.text


# Handlers that crash


def test_a_crash_is_one_clients_error_and_is_logged(
    client: Client, engine: Engine, define: Define, quiet: pytest.LogCaptureFixture
) -> None:
    def crash(_call: Call, key: bytes) -> Reply:
        raise ZeroDivisionError(key)

    record = define("CRASH", crash)
    ran, replies = run_batch(client, "SET k 1", "CRASH k", "GET k")
    assert (ran, replies[0], str(replies[1]), replies[2]) == (3, "OK", INTERNAL, b"1")
    assert isinstance(replies[1], CommandError)
    assert (record.calls, record.failed) == (1, 1)
    assert (engine.statistics.unexpected_errors, engine.statistics.errors) == (1, {"ERR": 1})
    (entry,) = quiet.records
    assert entry.levelno == logging.ERROR
    assert entry.exc_info is not None
    assert entry.exc_info[0] is ZeroDivisionError
    assert "'crash'" in entry.getMessage()


def test_what_a_crash_left_half_done_is_consistent_everywhere(
    client: Client, other: Client, engine: Engine, define: Define, effects: list[list[bytes]]
) -> None:
    def crash(call: Call, key: bytes) -> Reply:
        call.db.put(key, b"half")
        call.changed(key, "set", STRING)
        raise RuntimeError

    define("CRASH", crash)
    other("WATCH", "k")
    assert client.error("CRASH", "k") == INTERNAL
    assert effects == [[b"CRASH", b"k"]]
    assert other.session.watched_changed
    assert engine.statistics.dirty == 1
    assert (client.session.call.dirty, client.session.call.effects) == (0, None)
    for db in engine.keyspace.databases:
        db.check()
        db.expires.check()
    assert client("GET", "k") == b"half"
    assert effects == [[b"CRASH", b"k"]]


@pytest.mark.parametrize("error", [RuntimeError("bug"), CommandError("ERR no")])
def test_a_failure_leaves_no_effect_for_the_next_command(
    client: Client, define: Define, effects: list[list[bytes]], error: Exception
) -> None:
    def fail(call: Call, key: bytes) -> Reply:
        call.propagate(b"DEL", key)
        raise error

    define("FAIL", fail)
    client.error("FAIL", "k")
    client("SET", "k", "v")
    assert effects == [[b"SET", b"k", b"v"]]


def test_a_crash_in_a_transaction_is_one_of_its_replies(client: Client, engine: Engine, define: Define) -> None:
    def crash(_call: Call, _key: bytes) -> Reply:
        raise RuntimeError

    define("CRASH", crash)
    for line in ("MULTI", "INCR n", "CRASH k", "INCR n"):
        client(*line.split())
    one, error, two = client("EXEC")
    assert (one, str(error), two) == (1, INTERNAL, 2)
    assert engine.gate == 0
    assert client.session.call.may_block


def test_a_crash_while_waking_up_hurts_only_the_one_that_waited(
    client: Client, other: Client, engine: Engine, define: Define
) -> None:
    def retry(_key: bytes) -> Reply:
        raise RuntimeError

    define("WAITFOR", lambda call, key: call.block((key,), 0, retry, None), flags="blocking")
    other("WAITFOR", "k")
    assert client("RPUSH", "k", "x") == 1
    assert [str(reply) for reply in other.delivered] == [INTERNAL]
    assert engine.blocking.count == 0
    assert client("LPOP", "k") == b"x"


# Batches


def test_a_batch_runs_to_its_end(client: Client) -> None:
    assert run_batch(client, "SET k 1", "INCR k", "GET k") == (3, ["OK", 2, b"2"])


@pytest.mark.parametrize(
    ("line", "bit"),
    [("QUIT", CLOSE), ("HELLO 3", SWITCHED), ("CLIENT REPLY OFF", REPLY_OFF), ("BLPOP list 0", BLOCKED)],
)
def test_a_batch_stops_where_the_front_end_must_look(client: Client, line: str, bit: int) -> None:
    ran, replies = run_batch(client, "SET k 1", line, "SET k 2")
    assert (ran, len(replies)) == (2, 2)
    assert client.session.interrupt & bit
    assert client.engine.keyspace.databases[0].read(b"k") == b"1"


SCRIPT = (
    """
SET k v|Get k|GET|NOSUCH a|INCR k|LPUSH k x|CONFIG NOSUCH|MSET a 1 b 2|SET t 1 PX 20|SLOW 30|GET t|CRASH k|HALF k
MULTI|INCR n|GET|EXEC|MULTI|INCR n|SLOW 15|CRASH k|LPUSH list x|EXEC|SUBSCRIBE c|GET k|UNSUBSCRIBE|RPUSH other x
CLIENT PAUSE 1000 WRITE|GET k|CLIENT UNPAUSE|MONITOR|GET k|PING|RESET|AUTH x|GETDEL a|SPOP absent|SLOWLOG LEN|POST /
""".strip()
    .replace("\n", "|")
    .split("|")
)


def dispatched(by_batch: bool) -> list[list[object]]:
    """Run the script, one by one or in batches as long as nothing interrupts; return all that can be seen of it."""
    clock = ManualClock()
    engine = Engine(clock=clock)
    client, waiter, monitor = Client(engine), Client(engine), Client(engine)
    units: list[object] = []
    engine.subscribe(lambda unit: units.append(list(unit)))

    def crash(_call: Call, key: bytes) -> Reply:
        raise ZeroDivisionError(key)

    def half(call: Call, key: bytes) -> Reply:
        call.changed(key, "half", STRING)
        raise CommandError("ERR half")

    for name, handler in (("SLOW", lambda _call, ms: clock.advance(int(ms))), ("CRASH", crash), ("HALF", half)):
        engine.commands[name.encode()] = engine.commands[name.lower().encode()] = Command(name, handler, arity=2)
    engine.config.set("notify-keyspace-events", "KEA")
    waiter("BLPOP", "list", "other", 0)
    monitor("MONITOR")
    lines = [line.encode().split() for line in SCRIPT]
    replies: list[Reply] = []
    while lines:
        ran = 1
        if by_batch:
            ran = engine.execute_many(client.session, lines, replies)
        else:
            replies.append(engine.execute(client.session, lines[0]))
        del lines[:ran]
        client.session.interrupt = 0
    counters = [
        (c.full_name, c.calls, c.failed, c.rejected, c.time_ns) for c in dict.fromkeys(engine.commands.values())
    ]
    return [
        [repr(reply) for reply in replies],
        units,
        counters,
        engine.slowlog.newest(-1),
        engine.statistics.errors,
        engine.statistics.dirty,
        client.session.outbox,
        waiter.delivered,
        monitor.session.outbox,
        engine.gate,
        sorted(engine.keyspace.databases[0]),
    ]


def test_single_commands_and_batches_are_dispatched_alike() -> None:
    one_by_one = dispatched(by_batch=False)
    assert len(one_by_one[0]) == len(SCRIPT)
    assert one_by_one == dispatched(by_batch=True)


def test_a_batch_stops_at_a_command_that_a_pause_holds(client: Client, other: Client, engine: Engine) -> None:
    other("CLIENT", "PAUSE", 1000, "WRITE")
    ran, replies = run_batch(client, "GET k", "SET k 1", "GET k")
    assert (ran, replies[0]) == (2, None)
    assert isinstance(replies[1], Blocked)
    engine.unpause()
    assert client.delivered == ["OK"]


def test_who_waits_is_served_before_the_next_command_of_a_batch(client: Client, other: Client) -> None:
    other("BLPOP", "k", 0)
    assert run_batch(client, "RPUSH k x", "LLEN k") == (2, [1, 0])
    assert other.delivered == [[b"k", b"x"]]


def test_each_command_of_a_batch_sees_its_own_time(client: Client, clock: ManualClock, define: Define) -> None:
    define("SLOW", lambda _call, ms: clock.advance(int(ms)))
    _, replies = run_batch(client, "SET k v PX 100", "GET k", "SLOW 100", "GET k")
    assert replies == ["OK", b"v", None, None]


def test_all_commands_of_a_transaction_see_one_time(client: Client, clock: ManualClock, define: Define) -> None:
    define("SLOW", lambda _call, ms: clock.advance(int(ms)))
    for line in ("SET k v PX 100", "MULTI", "GET k", "SLOW 100", "GET k"):
        client(*line.split())
    assert client("EXEC") == [b"v", None, b"v"]
    assert client("GET", "k") is None


# Counting and the slow log


def test_time_is_charged_to_the_command_that_took_it(client: Client, clock: ManualClock, define: Define) -> None:
    slow = define("SLOW", lambda _call, ms: clock.advance(int(ms)))
    run_batch(client, "SLOW 5", "GET k", "SLOW 7")
    assert (slow.calls, slow.time_ns) == (2, 12_000_000)
    assert client.engine.commands[b"get"].time_ns == 0


def test_the_slow_log_takes_what_reaches_the_threshold(
    client: Client, engine: Engine, clock: ManualClock, define: Define
) -> None:
    define("SLOW", lambda _call, ms: clock.advance(float(ms)))
    engine.config.set("slowlog-log-slower-than", "10000")
    for ms in ("9.999", "10", "10.001"):
        client("SLOW", ms)
    assert [entry.duration_us for entry in engine.slowlog.newest(-1)] == [10_001, 10_000]


def test_commands_of_a_transaction_are_logged_and_exec_is_not(
    client: Client, engine: Engine, clock: ManualClock, define: Define
) -> None:
    define("SLOW", lambda _call, ms: clock.advance(float(ms)))
    define("SECRET", lambda _call, ms: clock.advance(float(ms)), flags="skip_slowlog")
    for line in ("MULTI", "SLOW 20", "SECRET 20", "EXEC"):
        client(*line.split())
    assert [entry.argv for entry in engine.slowlog.newest(-1)] == [[b"SLOW", b"20"]]


# MONITOR


def test_a_monitor_sees_commands_as_they_ran(client: Client, other: Client, clock: ManualClock) -> None:
    woken: list[bool] = []
    other.session.wake = lambda: woken.append(True)
    other("MONITOR")
    client("SELECT", 3)
    clock.advance(0.042)
    client("Set", "k", "two words")
    client("NOSUCH")
    client("GET")
    client("CONFIG", "GET", "hz")
    client("LPUSH", "k", "x")
    assert [line.split(" ", 1)[1] for line in other.session.outbox] == [
        '[3 127.0.0.1:0] "SELECT" "3"',
        '[3 127.0.0.1:0] "Set" "k" "two words"',
        '[3 127.0.0.1:0] "LPUSH" "k" "x"',
    ]
    assert other.session.outbox[1].startswith("1700000000.000042 ")
    assert len(woken) == 3


def test_a_monitor_that_leaves_is_fed_no_more(client: Client, other: Client, engine: Engine) -> None:
    other("MONITOR")
    engine.drop(other.session)
    client("GET", "k")
    assert other.session.outbox == []


def test_a_failed_handler_is_logged_with_its_arguments_cut(
    engine: Engine, client: Client, define: Define, quiet: pytest.LogCaptureFixture
) -> None:
    def broken(_call: Call, *_words: bytes) -> Reply:
        raise ZeroDivisionError

    define("BROKEN", broken, arity=-1)
    assert client.error("BROKEN", "secret", "x" * 1000) == INTERNAL
    assert "Handler of 'broken' failed on [b'BROKEN', b'secret', b'xxx" in quiet.messages[0]
    assert "(872 more bytes)" in quiet.messages[0]
    engine.config.set("hide-user-data-from-log", "yes")
    client.error("BROKEN", "secret", "x" * 1000)
    assert quiet.messages[1] == "Handler of 'broken' failed on 3 arguments of 6, 6, 1000 bytes"


def test_a_transaction_queued_at_once_is_what_multi_queues(client: Client, engine: Engine) -> None:
    commands = [[b"SET", b"k", b"v"], [b"INCR", b"n"]]
    assert engine.queue_all(client.session, commands)
    assert client("EXEC") == ["OK", 1]
    assert client("DISCARD").args[0] == "ERR DISCARD without MULTI"
    assert engine.originals[b"multi"].calls == 1


def test_nothing_is_queued_at_once_where_anything_is_unusual(client: Client, other: Client, engine: Engine) -> None:
    session = client.session
    for commands in ([[b"NOSUCH"]], [[b"GET"]], [[b"GET", b"k"], [b"EXEC"]], [[b"WATCH", b"k"]]):
        assert not engine.queue_all(session, commands)
    other("MONITOR")
    assert not engine.queue_all(session, [[b"GET", b"k"]])
    engine.drop(other.session)
    client("MULTI")
    assert not engine.queue_all(session, [[b"GET", b"k"]])
    assert session.multi == []


def test_a_queue_runs_until_a_gate_is_there_for_a_command(client: Client, engine: Engine) -> None:
    session = client.session
    replies: list[Reply] = []
    queue = [[b"SET", b"k", b"v"], [b"LPUSH", b"k", b"x"], [b"CONFIG", b"GET", b"timeout"], [b"APPEND", b"k", b"w"]]
    assert engine.run_queue(session, queue, replies) == 4
    assert [replies[0], type(replies[1]), replies[3]] == [OK, WrongTypeError, 2]
    assert engine.commands[b"append"].calls == 1
    assert engine.gate == 0
    assert engine.run_queue(session, [[b"CLIENT", b"TRACKING", b"ON"], [b"GET", b"k"]], replies) == 1
    assert engine.commands[b"get"].calls == 0


def test_the_gate_is_as_before_when_a_queue_ends_early(client: Client, engine: Engine, define: Define) -> None:
    def interrupted(_call: Call) -> Reply:
        raise KeyboardInterrupt

    define("INTERRUPTED", interrupted, arity=1)
    with pytest.raises(KeyboardInterrupt):
        engine.run_queue(client.session, [[b"INTERRUPTED"]], [])
    assert engine.gate == 0


def test_commands_of_a_queue_share_one_time(client: Client, clock: ManualClock, define: Define) -> None:
    def later(call: Call) -> Reply:
        clock.advance(1000)
        return call.db.keyspace.now_ms()

    define("LATER", later, arity=1)
    client("MULTI")
    client("LATER")
    client("LATER")
    first, second = client("EXEC")
    assert first == second
