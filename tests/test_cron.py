"""Running jobs: when, with which rights, what follows from a run, and that nothing runs where it must not."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest

from kvcore import cron, errors
from kvcore.clock import ManualClock
from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.loading import Loader
from kvcore.rdb.crc64 import crc64
from kvcore.rdb.file_reader import FileReader
from kvcore.rdb.file_writer import Account, FileWriter
from kvcore.replies import Push
from kvcore.scripting import runtime
from kvcore.snapshot import Snapshot
from kvcore.storage.aof_replay import Replay
from tests.engine_client import Client

pytest.importorskip("lupa.lua51")

INCR = "return redis.call('incr', KEYS[1])"


def create(client: Client, name: str, mode: str, delay_ms: int, script: str = INCR, *words: str | int) -> None:
    assert client("KEYDB.CRON", name, mode, delay_ms, script, *(words or (1, "n"))) == "OK"


def pass_time(engine: Engine, clock: ManualClock, milliseconds: int, step: int = 1) -> None:
    for _ in range(milliseconds // step):
        clock.advance(step)
        engine.tick()


def now_ms(clock: ManualClock) -> int:
    return clock.now_us() // 1000


# Times


def test_a_repeating_job_runs_at_each_multiple(client: Client, engine: Engine, clock: ManualClock) -> None:
    create(client, "j", "repeat", 100)
    pass_time(engine, clock, 99)
    assert client("EXISTS", "n") == 0
    pass_time(engine, clock, 1)
    assert client("GET", "n") == b"1"
    pass_time(engine, clock, 950)
    assert client("GET", "n") == b"10"


@pytest.mark.parametrize(
    ("took_ms", "delay_ms", "following_ms"), [(40, 1, 82), (40, 100, 200), (90, 100, 300), (5000, 1, 5102)]
)
def test_a_job_that_takes_long_rests_as_long(
    client: Client,
    engine: Engine,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    took_ms: int,
    delay_ms: int,
    following_ms: int,
) -> None:
    run_script = type(engine.scripts).run_script

    def slow(*arguments: Any) -> Any:
        clock.advance(took_ms)
        return run_script(*arguments)

    monkeypatch.setattr(type(engine.scripts), "run_script", slow)
    start_ms = now_ms(clock)
    create(client, "j", "repeat", delay_ms)
    clock.advance(delay_ms)
    engine.tick()
    assert client("GET", "n") == b"1"
    assert client("PTTL", "j", "j") == start_ms + following_ms - now_ms(clock)


def test_missed_runs_are_skipped(client: Client, engine: Engine, clock: ManualClock) -> None:
    create(client, "j", "repeat", 100)
    clock.advance(1050)
    engine.tick()
    engine.tick()
    assert client("GET", "n") == b"1"
    assert client("PTTL", "j", "j") == 50


def test_a_start_in_the_past_runs_at_once_and_then_in_step(client: Client, engine: Engine, clock: ManualClock) -> None:
    assert client("KEYDB.CRON", "j", "repeat", 0, 1000, INCR, 1, "n") == "OK"
    clock.advance(1)
    engine.tick()
    assert client("GET", "n") == b"1"
    left = client("PTTL", "j", "j")
    assert isinstance(left, int)
    assert (now_ms(clock) + left) % 1000 == 0


def test_a_start_in_the_future(client: Client, engine: Engine, clock: ManualClock) -> None:
    assert client("KEYDB.CRON", "j", "repeat", now_ms(clock) + 500, 100, INCR, 1, "n") == "OK"
    pass_time(engine, clock, 599)
    assert client("EXISTS", "n") == 0
    pass_time(engine, clock, 101)
    assert client("GET", "n") == b"2"


def test_a_single_job_runs_once(client: Client, engine: Engine, clock: ManualClock, effects: list[list[bytes]]) -> None:
    create(client, "j", "single", 10)
    effects.clear()
    pass_time(engine, clock, 100)
    assert client("GET", "n") == b"1"
    assert client("EXISTS", "j") == 0
    assert effects == [[b"MULTI"], [b"incr", b"n"], [b"DEL", b"j"], [b"EXEC"]]
    assert engine.next_deadline_ms() == 0


def test_who_waits_longest_runs_first(client: Client, engine: Engine, clock: ManualClock) -> None:
    for db, delay in ((0, 30), (1, 10), (2, 20)):
        client("SELECT", db)
        create(
            client, "j", "single", delay, "redis.call('select', 0) return redis.call('rpush', 'l', ARGV[1])", 0, delay
        )
    clock.advance(30)
    engine.tick()
    client("SELECT", 0)
    assert client("LRANGE", "l", 0, -1) == [b"10", b"20", b"30"]


def test_a_clock_that_is_set_back_runs_nothing_twice(client: Client, engine: Engine, clock: ManualClock) -> None:
    create(client, "j", "repeat", 100)
    clock.advance(150)
    engine.tick()
    clock.advance(-5000)
    engine.tick()
    assert client("GET", "n") == b"1"
    assert client("PTTL", "j", "j") == 5050


def test_front_ends_are_told_when(client: Client, engine: Engine, clock: ManualClock) -> None:
    told: list[int] = []
    engine.on_deadline = told.append
    create(client, "j", "repeat", 1000)
    create(client, "later", "single", 5000)
    create(client, "sooner", "single", 100)
    begun = now_ms(clock)
    assert told == [begun + 1000, begun + 100]
    assert engine.next_deadline_ms() == begun + 100
    client("BLPOP", "l", "0.05")
    assert engine.next_deadline_ms() == begun + 50
    pass_time(engine, clock, 100)
    assert engine.next_deadline_ms() == begun + 1000
    client("FLUSHALL")
    client("BLPOP", "l", "0.05")
    assert engine.next_deadline_ms() == begun + 150
    pass_time(engine, clock, 1000)
    assert engine.next_deadline_ms() == 0


# Runs


def test_it_gets_its_keys_and_arguments(client: Client, engine: Engine, clock: ManualClock) -> None:
    script = "return redis.call('rpush', KEYS[1], KEYS[2], unpack(ARGV))"
    create(client, "j", "single", 1, script, 2, "l", "k", "a", "", "b")
    pass_time(engine, clock, 1)
    assert client("LRANGE", "l", 0, -1) == [b"k", b"a", b"", b"b"]


def test_it_may_do_everything(client: Client, engine: Engine, clock: ManualClock) -> None:
    create(client, "j", "repeat", 10, "redis.call('set', 'x', tostring(redis.acl_check_cmd('flushall'))) return 1", 0)
    client("ACL", "SETUSER", "default", "resetpass", ">secret", "resetkeys", "-@all", "+get")
    pass_time(engine, clock, 10)
    root = engine.session(trusted=True)
    assert engine.keyspace.databases[0].get(b"x") == b"true"
    engine.drop(root)


def test_it_is_no_client(client: Client, engine: Engine, clock: ManualClock) -> None:
    create(client, "j", "single", 1)
    pass_time(engine, clock, 1)
    assert len(engine.sessions) == 1


def test_it_counts_as_an_eval(client: Client, engine: Engine, clock: ManualClock) -> None:
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    create(client, "j", "single", 1)
    client("CONFIG", "RESETSTAT")
    client("SLOWLOG", "RESET")
    pass_time(engine, clock, 1)
    assert engine.originals[b"eval"].calls == 1
    entries = client("SLOWLOG", "GET")
    assert isinstance(entries, list)
    assert [entry[3] for entry in entries if entry[3][0] == b"EVAL"] == [[b"EVAL", INCR.encode(), b"1", b"n"]]  # type: ignore[index]


def test_monitor_shows_it(client: Client, engine: Engine, clock: ManualClock) -> None:
    watcher = Client(engine)
    watcher("MONITOR")
    create(client, "j", "single", 1)
    watcher.session.outbox.clear()
    pass_time(engine, clock, 1)
    lines = [str(line) for line in watcher.session.outbox]
    assert [line.split("[")[1].split("]")[0] for line in lines] == ["0 cron", "0 lua"]
    assert '"EVAL"' in lines[0]
    assert '"incr" "n"' in lines[1]


@pytest.mark.parametrize("mode", ["single", "repeat"])
@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("return (", "Error compiling script"),
        ("error('no')", "no"),
        ("return redis.call('incr', 'text')", "value is not an integer"),
        ("return redis.error_reply('MINE of mine')", "MINE of mine"),
        ("#!lua flags=none\nreturn 1", "Unexpected flag"),
    ],
)
def test_a_script_that_fails(
    client: Client,
    engine: Engine,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    mode: str,
    script: str,
    text: str,
) -> None:
    client("SET", "text", "x")
    create(client, "j", mode, 10, script)
    client("CONFIG", "RESETSTAT")
    with caplog.at_level(logging.WARNING, "kvcore.cron"):
        pass_time(engine, clock, 50)
    assert client("EXISTS", "j") == (mode == "repeat")
    assert len(caplog.records) == 1  # however often it fails in the same way
    assert "The job [b'j'] of database 0 failed" in caplog.text
    assert text in caplog.text
    assert sum(engine.statistics.errors.values()) >= 1


def test_the_log_hides_what_clients_sent(
    client: Client, engine: Engine, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    client("CONFIG", "SET", "hide-user-data-from-log", "yes")
    create(client, "secret-name", "single", 1, "error('secret-text')")
    pass_time(engine, clock, 1)
    assert "failed" in caplog.text
    assert "secret" not in caplog.text


def test_without_lua_the_failure_is_logged(
    client: Client,
    engine: Engine,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise runtime.LuaMissingError(errors.LUA_MISSING)

    monkeypatch.setattr("kvcore.scripting.scripts.Runtime", missing)
    create(client, "j", "repeat", 10)
    pass_time(engine, clock, 30)
    assert errors.LUA_MISSING in caplog.text
    assert client("PTTL", "j", "j") == 10


def test_a_bug_below_a_script_is_logged_and_the_job_goes_on(
    client: Client,
    engine: Engine,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    create(client, "j", "repeat", 10)
    monkeypatch.setattr(type(engine.scripts), "run_script", broken)
    pass_time(engine, clock, 10)
    assert "a bug" in caplog.text
    assert engine.statistics.unexpected_errors == 1
    monkeypatch.undo()
    pass_time(engine, clock, 10)
    assert client("GET", "n") == b"1"


# What scripts may do to their own job


@pytest.mark.parametrize("mode", ["single", "repeat"])
@pytest.mark.parametrize(
    ("script", "db", "key"),
    [
        ("redis.call('rename', 'j', 'k')", 0, "k"),
        ("redis.call('move', 'j', 4)", 4, "j"),
        ("redis.call('swapdb', 0, 3)", 3, "j"),
        ("redis.call('rename', 'j', 'k') redis.call('swapdb', 0, 3)", 3, "k"),
    ],
)
def test_a_script_moves_its_own_job(
    client: Client, engine: Engine, clock: ManualClock, mode: str, script: str, db: int, key: str
) -> None:
    create(client, "j", mode, 10, f"if redis.call('exists', 'j') == 1 then redis.call('incr', 'n') {script} end")
    pass_time(engine, clock, 10)
    client("SELECT", db)
    assert client("EXISTS", key) == (mode == "repeat")
    if mode == "repeat":
        assert client("PTTL", key, key) == 10


@pytest.mark.parametrize("mode", ["single", "repeat"])
@pytest.mark.parametrize("script", ["redis.call('del', 'j')", "redis.call('flushall')", "redis.call('set', 'j', 1)"])
def test_a_script_ends_its_own_job(
    client: Client, engine: Engine, clock: ManualClock, effects: list[list[bytes]], mode: str, script: str
) -> None:
    create(client, "j", mode, 10, script)
    effects.clear()
    pass_time(engine, clock, 50)
    assert len(effects) == 1
    assert client("TYPE", "j") == ("string" if "set" in script else "none")


def test_a_script_that_makes_itself_again_runs_once_a_tick(client: Client, engine: Engine, clock: ManualClock) -> None:
    script = "redis.call('incr', 'n') redis.call('keydb.cron', 'j', 'single', '0', '1', ARGV[1], '0', ARGV[1])"
    create(client, "j", "single", 10, script, 0, script)
    clock.advance(10)
    for runs in (1, 2, 3):
        engine.tick()
        assert client("GET", "n") == b"%d" % runs


def test_a_script_that_makes_jobs_elsewhere(client: Client, engine: Engine, clock: ManualClock) -> None:
    script = "redis.call('select', 9) redis.call('keydb.cron', 'k', 'single', '5', ARGV[1], '1', 'n')"
    create(client, "j", "single", 10, script, 0, INCR)
    pass_time(engine, clock, 15)
    client("SELECT", 9)
    assert client("GET", "n") == b"1"


def test_many_jobs_at_once(client: Client, engine: Engine, clock: ManualClock) -> None:
    for number in range(500):
        create(client, f"j{number}", ("single", "repeat")[number % 2], 10 + number % 3)
    pass_time(engine, clock, 13)
    assert client("GET", "n") == b"500"
    assert client("DBSIZE") == 251
    client("FLUSHALL")
    pass_time(engine, clock, 13)
    assert client("DBSIZE") == 0


# What others hear


def test_the_event(client: Client, engine: Engine, clock: ManualClock) -> None:
    listener = Client(engine)
    listener("PSUBSCRIBE", "__key*__:*")
    for classes, heard in (
        ("", []),
        ("KA", [(b"__keyspace@2__:n", b"incrby")]),
        ("E", [(b"__keyevent@2__:CRON Executed", b"j")]),
        ("KE", [(b"__keyspace@2__:j", b"CRON Executed"), (b"__keyevent@2__:CRON Executed", b"j")]),
        ("Eg", [(b"__keyevent@2__:CRON Executed", b"j")]),
    ):
        client("SELECT", 2)
        create(client, "j", "single", 1)
        client("CONFIG", "SET", "notify-keyspace-events", classes)
        listener.session.outbox.clear()
        pass_time(engine, clock, 1)
        assert [(item[2], item[3]) for item in listener.session.outbox if isinstance(item, Push)] == heard
        client("CONFIG", "SET", "notify-keyspace-events", "")


def test_a_run_is_one_unit(client: Client, engine: Engine, clock: ManualClock) -> None:
    units: list[list[tuple[int, list[bytes]]]] = []
    create(client, "j", "repeat", 10, "redis.call('set', 'a', 1) redis.call('select', 3) redis.call('set', 'b', 2)")
    create(client, "idle", "repeat", 10, "return 1")
    engine.subscribe(lambda unit: units.append(list(unit)))
    pass_time(engine, clock, 10)
    at_ms = b"%d" % (now_ms(clock) + 10)
    assert sorted(units, key=len) == [
        [(0, [b"PEXPIREMEMBERAT", b"idle", b"idle", at_ms])],
        [
            (0, [b"MULTI"]),
            (0, [b"set", b"a", b"1"]),
            (3, [b"set", b"b", b"2"]),
            (0, [b"PEXPIREMEMBERAT", b"j", b"j", at_ms]),
            (0, [b"EXEC"]),
        ],
    ]


def test_it_wakes_who_waits(client: Client, engine: Engine, clock: ManualClock) -> None:
    client("BLPOP", "l", 0)
    create(Client(engine), "j", "single", 1, "redis.call('rpush', 'l', 'x')")
    pass_time(engine, clock, 1)
    assert client.delivered == [[b"l", b"x"]]


# Where nothing may run


def test_nothing_runs_while_writes_are_paused(client: Client, engine: Engine, clock: ManualClock) -> None:
    create(client, "j", "repeat", 100)
    client("CLIENT", "PAUSE", 500, "WRITE")
    pass_time(engine, clock, 400, 50)
    assert engine.next_deadline_ms() == 0  # or front ends would tick all the time
    assert engine.keyspace.databases[0].get(b"n") is None
    pass_time(engine, clock, 150, 50)
    assert client("GET", "n") == b"1"


@pytest.mark.parametrize("how", ["held", "replaying", "busy", "nested", "cron paused"])
def test_nothing_runs_meanwhile(client: Client, engine: Engine, clock: ManualClock, how: str) -> None:
    create(client, "j", "single", 10)
    gate = engine.gate
    match how:
        case "held":
            engine.hold_writes()
        case "replaying":
            engine.keyspace.replaying = True
        case "busy":
            engine.set_busy(True)
        case "nested":
            engine.gate |= cron.NESTED
        case _:
            engine.cron_paused = True
    pass_time(engine, clock, 100, 10)
    assert engine.keyspace.databases[0].get(b"n") is None
    engine.gate = gate
    engine.keyspace.replaying = engine.cron_paused = False
    engine.tick()
    assert client("GET", "n") == b"1"


def test_a_tick_without_jobs_looks_at_nothing(
    engine: Engine, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("there are no jobs")

    monkeypatch.setattr(type(engine.schedule), "run_due", never)
    pass_time(engine, clock, 10)


# What is kept


def saved(engine: Engine, clock: ManualClock) -> bytes:
    """Return the engine's data set as a snapshot file, written while a job runs."""
    chunks: list[bytes] = []

    class Output:
        def write(self, data: bytes) -> None:
            chunks.append(data)

        def full(self) -> bool:
            return False

        def waiting(self) -> int:
            return 0

    form = FileWriter(-2, True)
    snapshot = Snapshot(engine.keyspace, engine.clock, form, Output())
    snapshot.begin(form.begin(Account(now_ms(clock) // 1000, "7.0.15")))
    pass_time(engine, clock, 200, 100)
    while not snapshot.advance(1_000_000):
        pass
    data = b"".join(chunks)
    return data + crc64(data).to_bytes(8, "little")


def test_a_snapshot_is_of_its_moment(client: Client, engine: Engine, clock: ManualClock) -> None:
    for number in range(2000):
        client("SET", f"k{number}", number)
    client("SELECT", 6)
    create(client, "repeating", "repeat", 100)
    create(client, "once", "single", 100)
    create(client, "far", "single", 10**6, "return 1", 0)
    client("PEXPIRE", "far", 10**7)
    pass_time(engine, clock, 50)
    digest = dataset_digest(engine.keyspace.databases)
    begun = now_ms(clock)
    data = saved(engine, clock)
    assert client("GET", "n") == b"3"  # they ran while the file was written

    other = Engine(clock=clock, random=random.Random(1))
    reader = FileReader(Loader(other.keyspace.databases, begun, lambda _: None), other.limits)
    reader.feed(data)
    reader.finish()
    assert dataset_digest(other.keyspace.databases) == digest
    loaded = Client(other)
    loaded("SELECT", 6)
    assert loaded("PTTL", "repeating", "repeating") == begun + 50 - now_ms(clock)  # overdue
    assert loaded("PEXPIRETIME", "far") == client("PEXPIRETIME", "far")
    other.tick()
    assert loaded("GET", "n") == b"2"
    assert loaded("PTTL", "repeating", "repeating") == client("PTTL", "repeating", "repeating")
    assert loaded("EXISTS", "once") == 0
    assert loaded("PTTL", "far", "far") == client("PTTL", "far", "far")


def test_a_replay_runs_nothing_twice(client: Client, engine: Engine, clock: ManualClock) -> None:
    log: list[tuple[list[bytes], int]] = []
    engine.subscribe(lambda unit: log.extend(([b"SELECT", b"%d" % db], 0) for db, _ in unit[:1]))
    engine.subscribe(lambda unit: log.extend((argv, 0) for _, argv in unit))
    client("SELECT", 2)
    create(client, "repeating", "repeat", 100)
    create(client, "once", "single", 100)
    create(client, "later", "single", 1000)
    pass_time(engine, clock, 450, 50)
    assert client("GET", "n") == b"5"

    clock.advance(1000)
    other = Engine(clock=clock, random=random.Random(1))
    other.keyspace.replaying = True
    replay = Replay(other, "log")
    replay.run(log)
    replay.close()
    other.tick()
    other.keyspace.replaying = False
    assert dataset_digest(other.keyspace.databases) == dataset_digest(engine.keyspace.databases)
    loaded = Client(other)
    loaded("SELECT", 2)
    assert loaded("EXISTS", "once") == 0
    for each, reader in ((engine, client), (other, loaded)):
        assert reader("PTTL", "repeating", "repeating") == 500 - 1450
        each.tick()
        assert reader("GET", "n") == b"7"  # each job that is overdue once
        assert reader("PTTL", "repeating", "repeating") == 50
