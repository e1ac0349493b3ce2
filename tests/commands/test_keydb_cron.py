"""KEYDB.CRON: KeyDB's interface as documented (there is no KeyDB to compare with), and a job as a key among keys."""

from __future__ import annotations

import pytest

from kvcore import errors
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from tests.commands.conftest import Client

SCRIPT = "return redis.call('incr', 'n')"
WRONG = "WRONGTYPE Operation against a key holding the wrong kind of value"


def create(client: Client, name: str = "j", *words: str | int) -> None:
    assert client("KEYDB.CRON", name, *(words or ("repeat", 1000, SCRIPT))) == "OK"


def test_the_record(client: Client) -> None:
    info = client("COMMAND", "INFO", "KEYDB.CRON")
    assert isinstance(info, list)
    assert isinstance(info[0], list)
    name, arity, flags, first, last, step, categories = info[0][:7]
    assert (name, arity, first, last, step) == (b"keydb.cron", -5, 1, 1, 1)
    assert flags == ["write", "denyoom"]
    assert categories == ["@write", "@slow"]
    assert client("COMMAND", "GETKEYS", "KEYDB.CRON", "j", "single", 1, "s", 1, "k") == [b"j"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("once", 5, "s"), errors.SYNTAX),
        (("single", "x", "s"), "ERR missing expire time"),
        (("single", "", "s"), "ERR missing expire time"),
        (("single", "1.5", "s"), "ERR missing expire time"),
        (("single", "9223372036854775808", "s"), "ERR missing expire time"),
        (("single", 0, "s"), "ERR interval must be positive"),
        (("repeat", -1, "s"), "ERR interval must be positive"),
        (("repeat", 5, 0, "s"), "ERR interval must be positive"),
        (("repeat", 5, 6), "ERR Missing arguments or numkeys is too big"),
        (("repeat", 5, "s", 1), "ERR Missing arguments or numkeys is too big"),
        (("repeat", 0, 5, "s", 3, "a", "b"), "ERR Missing arguments or numkeys is too big"),
        (("repeat", 5, "s", "x"), errors.NOT_AN_INTEGER),
        (("repeat", 5, "s", ""), errors.NOT_AN_INTEGER),
        (("repeat", 2**63 - 1, "s"), "ERR invalid expire time in 'keydb.cron' command"),
        (("repeat", 2**63 - 5, 5, "s"), "ERR invalid expire time in 'keydb.cron' command"),
    ],
)
def test_what_is_refused_changes_nothing(
    client: Client, effects: list[list[bytes]], words: tuple[str | int, ...], text: str
) -> None:
    client("SET", "j", "kept")
    effects.clear()
    assert client.error("KEYDB.CRON", "j", *words) == text
    assert client("GET", "j") == b"kept"
    assert effects == []


def test_too_few_words(client: Client) -> None:
    assert client.error("KEYDB.CRON", "j", "single", 5) == errors.wrong_arity("keydb.cron")


def test_it_leaves_with_an_absolute_start(client: Client, clock: ManualClock, effects: list[list[bytes]]) -> None:
    now = clock.now_us() // 1000
    create(client, "j", "REPEAT", 1000, SCRIPT)
    create(client, "k", "single", 5000, 1000, "return 1", 2, "a", "b", "c")
    create(client, "l", "single", 0, 10, "42", -3, "x")  # KeyDB accepts a negative number of keys
    assert effects == [
        [b"KEYDB.CRON", b"j", b"repeat", b"%d" % now, b"1000", SCRIPT.encode(), b"0"],
        [b"KEYDB.CRON", b"k", b"single", b"5000", b"1000", b"return 1", b"2", b"a", b"b", b"c"],
        [b"KEYDB.CRON", b"l", b"single", b"0", b"10", b"42", b"0", b"x"],
    ]


def test_a_number_for_a_script_is_taken_for_the_delay(client: Client) -> None:
    assert client.error("KEYDB.CRON", "j", "single", 7, "42") == "ERR Missing arguments or numkeys is too big"


def test_it_is_a_key_of_a_type_of_its_own(client: Client) -> None:
    create(client)
    assert client("TYPE", "j") == "unknown"
    assert client("OBJECT", "ENCODING", "j") == b"raw"
    assert client("EXISTS", "j") == client("DBSIZE") == 1
    assert client("SCAN", 0, "TYPE", "unknown") == [b"0", [b"j"]]
    assert client("SCAN", 0, "TYPE", "string") == [b"0", []]
    size = client("MEMORY", "USAGE", "j")
    assert isinstance(size, int)
    create(client, "big", "repeat", 1, SCRIPT + " " * 1000)
    assert 1000 <= int(str(client("MEMORY", "USAGE", "big"))) - size < 1100
    assert client("MEMORY", "USAGE", "big", "SAMPLES", 0) == client("MEMORY", "USAGE", "big")


@pytest.mark.parametrize(
    "words",
    [
        ("GET", "j"),
        ("APPEND", "j", "x"),
        ("INCR", "j"),
        ("GETSET", "j", "x"),
        ("SETBIT", "j", 0, 1),
        ("PFADD", "j", "x"),
        ("LPUSH", "j", "x"),
        ("SADD", "j", "x"),
        ("HSET", "j", "f", "v"),
        ("HTTL", "j", "FIELDS", 1, "j"),
        ("ZADD", "j", 1, "m"),
        ("ZUNION", 1, "j"),
        ("XADD", "j", "*", "f", "v"),
        ("SORT", "j"),
        ("SUNIONSTORE", "d", "j"),
        ("KEYDB.NHSET", "j", "x"),
        ("KEYDB.NHGET", "j"),
        ("KEYDB.HRENAME", "j", "a", "b"),
    ],
)
def test_other_types_commands_are_refused(client: Client, words: tuple[str | int, ...]) -> None:
    create(client)
    assert client.error(*words) == WRONG
    assert client("TYPE", "j") == "unknown"


def test_it_replaces_and_is_replaced(client: Client, engine: Engine, clock: ManualClock) -> None:
    client("SET", "j", "text", "EX", 100)
    create(client)
    assert client("TTL", "j") == -1
    client("SET", "j", "text")
    clock.advance(1000)
    engine.tick()
    assert client("GET", "j") == b"text"
    assert client("EXISTS", "n") == 0


def test_the_next_run_is_the_time_of_a_member_of_its_name(client: Client, clock: ManualClock) -> None:
    create(client)
    clock.advance(400)
    assert client("TTL", "j") == client("PTTL", "j") == client("PTTL", "j", "other") == -1
    assert client("PTTL", "j", "j") == 600
    assert client("TTL", "j", "j") == 1
    assert client.error("TTL", "j", "j", "x") == "ERR Invalid arguments"
    assert client("PERSIST", "j") == client("PERSIST", "j", "j") == 0
    assert client("PTTL", "j", "j") == 600


def test_the_next_run_can_be_moved(
    client: Client, engine: Engine, clock: ManualClock, effects: list[list[bytes]]
) -> None:
    create(client)
    effects.clear()
    assert client("EXPIREMEMBER", "j", "other", 5) == 0
    assert client("EXPIREMEMBER", "j", "j", 5) == 1
    assert client("PTTL", "j", "j") == 5000
    at_ms = clock.now_us() // 1000 + 5000
    assert effects == [[b"PEXPIREMEMBERAT", b"j", b"j", b"%d" % at_ms]]
    clock.advance(1000)
    engine.tick()
    assert client("EXISTS", "n") == 0
    assert client("PEXPIREMEMBERAT", "j", "j", 1) == 1  # long past: at the next occasion
    engine.tick()
    assert client("GET", "n") == b"1"
    assert client("PTTL", "j", "j") == 1000  # back in step with the start


def test_members_of_other_keys_are_as_before(client: Client) -> None:
    client("SET", "s", "x")
    assert client.error("EXPIREMEMBER", "s", "s", 5) == errors.TYPE_WITHOUT_MEMBERS


@pytest.mark.parametrize("command", ["DEL", "UNLINK", "EXPDEL", "FLUSHALL", "FLUSHDB", "GETDEL"])
def test_deleting_it_cancels_it(client: Client, engine: Engine, clock: ManualClock, command: str) -> None:
    create(client)
    if command == "GETDEL":
        assert client.error(command, "j") == WRONG
        assert client("EXPIREMEMBER", "j", "j", 100) == 1
    else:
        client(command, *(() if command.startswith("FLUSH") else ("j",)))
    clock.advance(1000)
    engine.tick()
    assert client("EXISTS", "n") == 0
    assert engine.next_deadline_ms() == (0 if command != "GETDEL" else clock.now_us() // 1000 + 99_000)


def test_it_moves_with_its_key(client: Client, engine: Engine, clock: ManualClock) -> None:
    create(client)
    client("RENAME", "j", "k")
    client("MOVE", "k", 3)
    client("SWAPDB", 3, 5)
    client("SELECT", 5)
    assert client("PTTL", "k", "k") == 1000
    clock.advance(1000)
    engine.tick()
    assert client("GET", "n") == b"1"  # in the database where the key is now
    client("RENAMENX", "k", "l")
    clock.advance(1000)
    engine.tick()
    assert client("GET", "n") == b"2"


def test_its_own_time_to_live_ends_it(client: Client, engine: Engine, clock: ManualClock) -> None:
    create(client)
    assert client("PEXPIRE", "j", 2500) == 1
    for _ in range(5):
        clock.advance(1000)
        engine.tick()
    assert client("GET", "n") == b"2"
    assert client("EXISTS", "j") == 0


def test_copy_is_refused_as_in_keydb(client: Client) -> None:
    create(client)
    client("SET", "there", "kept")
    assert client("COPY", "j", "there") == 0
    for words in (("COPY", "j", "k"), ("COPY", "j", "there", "REPLACE"), ("COPY", "j", "j", "DB", 2)):
        assert client.error(*words) == "ERR unknown type object"
    assert client("GET", "there") == b"kept"


def test_dump_and_restore(client: Client, engine: Engine, clock: ManualClock, effects: list[list[bytes]]) -> None:
    create(client, "j", "single", 1000, SCRIPT)
    clock.advance(400)
    payload = client("DUMP", "j")
    assert isinstance(payload, bytes)
    assert client("RESTORE", "k", 0, payload) == "OK"
    assert client("PTTL", "k", "k") == 600
    assert effects[-1] == [b"RESTORE", b"k", b"0", payload]
    clock.advance(600)
    engine.tick()
    assert client("DBSIZE") == 1
    assert client("GET", "n") == b"2"


def test_watch_notices(client: Client, other: Client, engine: Engine, clock: ManualClock) -> None:
    for change in ("created", "run"):
        client("WATCH", "j")
        if change == "created":
            create(other)
        else:
            clock.advance(1000)
            engine.tick()
        client("MULTI")
        client("SET", "x", 1)
        reply = client("EXEC")
        assert not isinstance(reply, list)


def test_in_transactions_and_scripts(client: Client, engine: Engine, clock: ManualClock) -> None:
    client("MULTI")
    client("KEYDB.CRON", "j", "single", 10, SCRIPT)
    client("SET", "n", 5)
    assert client("EXEC") == ["OK", "OK"]
    client("EVAL", "return redis.call('keydb.cron', 'k', 'single', '10', ARGV[1])", 0, SCRIPT)
    clock.advance(10)
    engine.tick()
    assert client("GET", "n") == b"7"


def test_only_who_may_do_everything_makes_one(client: Client, other: Client) -> None:
    create(client)
    payload = client("DUMP", "j")
    assert isinstance(payload, bytes)
    client("ACL", "SETUSER", "app", "on", "nopass", "+@all", "~app:*", "&*")
    client("ACL", "SETUSER", "root", "on", "nopass", "+@all", "~*", "&*")
    assert other("AUTH", "app", "x") == "OK"
    text = "NOPERM this user has no permissions to run the '{}' command"
    assert other.error("KEYDB.CRON", "app:j", "single", 1, SCRIPT) == text.format("keydb.cron")
    assert other.error("RESTORE", "app:j", 0, payload) == text.format("restore")
    script = "return redis.call('keydb.cron', 'app:j', 'single', '1', 'return 1')"
    assert text.format("keydb.cron") in other.error("EVAL", script, 0)
    assert client("EXISTS", "app:j") == 0
    assert other("AUTH", "root", "x") == "OK"
    create(other, "app:j")


def test_memory_limit(client: Client) -> None:
    client("CONFIG", "SET", "maxmemory", 1)
    assert client.error("KEYDB.CRON", "j", "single", 1, SCRIPT).startswith("OOM")
    client("CONFIG", "SET", "maxmemory", "100mb")
    create(client)
    client("KEYDB.CRON", "j", "single", 10**6, SCRIPT * 1000)
    assert client("PING") == "PONG"
    assert client("DEL", "j") == 1
