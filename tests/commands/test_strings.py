"""The string commands: values, options, bounds, expiry, events and effects."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.errors import WrongTypeError
from tests.commands.conftest import Client

MAX = 2**63 - 1
NOT_AN_INTEGER = "ERR value is not an integer or out of range"


def test_set_and_get_keep_every_byte(client: Client) -> None:
    value = bytes(range(256))
    assert client("SET", b"\x00\r\n", value) == "OK"
    assert client("GET", b"\x00\r\n") == value
    assert client("GET", "absent") is None


def test_get_refuses_another_type(client: Client) -> None:
    client("RPUSH", "l", "a")
    for words in (("GET", "l"), ("STRLEN", "l"), ("GETSET", "l", "x"), ("INCR", "l"), ("APPEND", "l", "x")):
        assert isinstance(client(*words), WrongTypeError)
    assert client("MGET", "l", "absent") == [None, None]


def test_set_replaces_any_type_and_drops_the_time_to_live(client: Client) -> None:
    client("RPUSH", "k", "a")
    client("EXPIRE", "k", 10)
    assert client("SET", "k", "v") == "OK"
    assert client("TTL", "k") == -1
    assert client("GET", "k") == b"v"


@pytest.mark.parametrize(
    ("existing", "option", "reply", "after"),
    [
        (b"old", "NX", None, b"old"),
        (b"old", "XX", "OK", b"new"),
        (None, "NX", "OK", b"new"),
        (None, "XX", None, None),
    ],
)
def test_set_conditions(
    client: Client, existing: bytes | None, option: str, reply: str | None, after: bytes | None
) -> None:
    if existing is not None:
        client("SET", "k", existing)
    assert client("SET", "k", "new", option) == reply
    assert client("GET", "k") == after


def test_set_get_returns_the_old_value_even_when_not_set(client: Client) -> None:
    assert client("SET", "k", "1", "GET") is None
    assert client("SET", "k", "2", "NX", "GET") == b"1"
    assert client("SET", "k", "3", "XX", "GET") == b"1"
    assert client("GET", "k") == b"3"


def test_set_get_refuses_another_type_and_changes_nothing(client: Client) -> None:
    client("RPUSH", "l", "a")
    assert isinstance(client("SET", "l", "v", "GET"), WrongTypeError)
    assert client("TYPE", "l") == "list"


def test_keepttl_keeps_the_time_to_live(client: Client) -> None:
    client("SET", "k", "1", "EX", 100)
    client("SET", "k", "2", "KEEPTTL")
    assert client("TTL", "k") == 100


@pytest.mark.parametrize(
    ("option", "unit_ms", "absolute"), [("EX", 1000, False), ("PX", 1, False), ("EXAT", 1000, True), ("PXAT", 1, True)]
)
def test_set_expiry_units(client: Client, clock: ManualClock, option: str, unit_ms: int, absolute: bool) -> None:
    base = clock.now_us() // 1000 // unit_ms if absolute else 0
    at_ms = (base + 7) * unit_ms + (0 if absolute else clock.now_us() // 1000)
    assert client("SET", "k", "v", option, base + 7) == "OK"
    assert client("PEXPIRETIME", "k") == at_ms
    clock.advance(at_ms - clock.now_us() / 1000 - 1)
    assert client("GET", "k") == b"v"
    clock.advance(1)
    assert client("GET", "k") is None


@pytest.mark.parametrize(
    "options",
    [
        ("NX", "XX"),
        ("EX", 10, "PX", 10),
        ("EX", 10, "KEEPTTL"),
        ("KEEPTTL", "PXAT", 10),
        ("EX",),
        ("PERSIST",),
        ("what",),
    ],
)
def test_set_refuses_options_that_contradict(client: Client, options: tuple[str | int, ...]) -> None:
    assert client.error("SET", "k", "v", *options) == "ERR syntax error"
    assert client("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("option", "amount"), [("EX", 0), ("PX", -1), ("EX", MAX), ("EX", MAX // 1000), ("PX", MAX), ("EXAT", MAX // 100)]
)
def test_set_refuses_times_that_are_past_or_overflow(client: Client, option: str, amount: int) -> None:
    assert client.error("SET", "k", "v", option, amount) == "ERR invalid expire time in 'set' command"


def test_expiry_errors_name_the_command(client: Client) -> None:
    client("SET", "k", "v")
    assert client.error("SETEX", "k", 0, "v") == "ERR invalid expire time in 'setex' command"
    assert client.error("PSETEX", "k", 0, "v") == "ERR invalid expire time in 'psetex' command"
    assert client.error("GETEX", "k", "EX", 0) == "ERR invalid expire time in 'getex' command"
    assert client.error("SET", "k", "v", "EX", "soon") == NOT_AN_INTEGER


def test_a_moment_in_the_past_is_allowed_and_ends_the_key(client: Client) -> None:
    assert client("SET", "k", "v", "PXAT", 1) == "OK"
    assert client("EXISTS", "k") == 0


def test_getex_sets_and_clears_the_expiry(client: Client, effects: list[list[bytes]]) -> None:
    client("SET", "k", "v")
    assert client("GETEX", "k", "EX", 10) == b"v"
    assert client("TTL", "k") == 10
    assert client("GETEX", "k") == b"v"
    assert client("TTL", "k") == 10
    assert client("GETEX", "k", "PERSIST") == b"v"
    assert client("GETEX", "k", "PERSIST") == b"v"
    assert client("TTL", "k") == -1
    assert client("GETEX", "k", "EXAT", 1) == b"v"
    assert client("GETEX", "k") is None
    assert [argv[0] for argv in effects] == [b"SET", b"PEXPIREAT", b"PERSIST", b"DEL"]


def test_effects_are_deterministic(client: Client, clock: ManualClock, effects: list[list[bytes]]) -> None:
    at = b"%d" % (clock.now_us() // 1000 + 10_000)
    client("SET", "k", "1", "EX", 10)
    client("SETEX", "k", 10, "2")
    client("PSETEX", "k", 10_000, "3")
    client("SET", "k", "4", "XX", "GET")
    client("SET", "k", "GET", "GET", "EX", 10)
    client("GETSET", "k", "5")
    client("INCRBYFLOAT", "k", "0.5")
    client("GETDEL", "k")
    assert effects == [
        [b"SET", b"k", b"1", b"PXAT", at],
        [b"SET", b"k", b"2", b"PXAT", at],
        [b"SET", b"k", b"3", b"PXAT", at],
        [b"SET", b"k", b"4", b"XX"],
        [b"SET", b"k", b"GET", b"PXAT", at],
        [b"SET", b"k", b"5"],
        [b"SET", b"k", b"5.5", b"KEEPTTL"],
        [b"DEL", b"k"],
    ]


def test_what_changes_nothing_propagates_nothing(client: Client, effects: list[list[bytes]]) -> None:
    client("SET", "k", "v")
    effects.clear()
    client("SET", "k", "w", "NX")
    client("SETNX", "k", "w")
    client("SETRANGE", "k", 0, "")
    client("GETEX", "k")
    client("GETDEL", "absent")
    client("MSETNX", "k", "w", "new", "w")
    client("INCR", "k")
    assert effects == []


def test_writing_over_an_expired_key_deletes_it_first(
    client: Client, clock: ManualClock, effects: list[list[bytes]]
) -> None:
    client("SET", "k", "v", "PX", 10)
    effects.clear()
    clock.advance(11)
    client("SET", "k", "w")
    assert effects == [[b"MULTI"], [b"DEL", b"k"], [b"SET", b"k", b"w"], [b"EXEC"]]
    assert client("TTL", "k") == -1


def test_mset_takes_pairs(client: Client) -> None:
    assert client("MSET", "a", 1, "b", 2, "a", 3) == "OK"
    assert client("MGET", "a", "b", "c") == [b"3", b"2", None]
    assert client.error("MSET", "a", 1, "b") == "ERR wrong number of arguments for 'mset' command"
    assert client.error("MSETNX", "a", 1, "b") == "ERR wrong number of arguments for 'msetnx' command"


def test_msetnx_sets_all_or_nothing(client: Client) -> None:
    assert client("MSETNX", "a", 1, "b", 1) == 1
    assert client("MSETNX", "c", 1, "b", 2) == 0
    assert client("MGET", "a", "b", "c") == [b"1", b"1", None]


def test_counters(client: Client) -> None:
    assert client("INCR", "n") == 1
    assert client("INCRBY", "n", 10) == 11
    assert client("DECR", "n") == 10
    assert client("DECRBY", "n", 15) == -5
    assert client("GET", "n") == b"-5"


def test_counters_keep_the_time_to_live(client: Client) -> None:
    client("SET", "n", 1, "EX", 10)
    client("INCR", "n")
    assert client("TTL", "n") == 10


@pytest.mark.parametrize("text", ["", "x", "1.0", " 1", "1 ", "+1", "01", "-0", "0x1", "1_0", str(MAX + 1)])
def test_counters_refuse_what_is_no_integer(client: Client, text: str) -> None:
    client("SET", "n", text)
    assert client.error("INCR", "n") == NOT_AN_INTEGER
    assert client.error("INCRBY", "m", text) == NOT_AN_INTEGER
    assert client("GET", "n") == text.encode()


def test_counters_stay_within_64_bits(client: Client) -> None:
    client("SET", "n", MAX)
    assert client.error("INCR", "n") == "ERR increment or decrement would overflow"
    client("SET", "n", -MAX - 1)
    assert client.error("DECRBY", "n", 1) == "ERR increment or decrement would overflow"
    assert client.error("DECRBY", "n", -MAX - 1) == "ERR decrement would overflow"
    assert client("INCRBY", "n", MAX) == -1


def test_incrbyfloat(client: Client) -> None:
    assert client("INCRBYFLOAT", "f", "0.1") == b"0.1"
    assert client("INCRBYFLOAT", "f", "0.2") == b"0.3"
    assert client("INCRBYFLOAT", "f", "3.0e3") == b"3000.30000000000000004"
    assert client("INCRBYFLOAT", "g", "3") == b"3"
    assert client("INCRBYFLOAT", "g", "-3") == b"0"


def test_incrbyfloat_errors(client: Client) -> None:
    client("SET", "text", "x")
    client("SET", "inf", "inf")
    assert client.error("INCRBYFLOAT", "f", "x") == "ERR value is not a valid float"
    assert client.error("INCRBYFLOAT", "text", "1") == "ERR value is not a valid float"
    assert client.error("INCRBYFLOAT", "f", "inf") == "ERR increment would produce NaN or Infinity"
    assert client.error("INCRBYFLOAT", "inf", "-inf") == "ERR increment would produce NaN or Infinity"


def test_append_makes_and_extends(client: Client) -> None:
    assert client("APPEND", "k", "ab") == 2
    assert client("APPEND", "k", "") == 2
    assert client("APPEND", "k", "cd") == 4
    assert client("APPEND", "k", "ef") == 6
    assert client("GET", "k") == b"abcdef"
    assert client("APPEND", "empty", "") == 0
    assert client("EXISTS", "empty") == 1


def test_replies_do_not_change_with_the_value(client: Client) -> None:
    client("SET", "k", "ab")
    client("APPEND", "k", "c")
    replies = [client("GET", "k"), client("MGET", "k")[0], client("GETRANGE", "k", 0, -1), client("GETEX", "k")]
    client("SETRANGE", "k", 0, "X")
    assert replies == [b"abc"] * 4
    assert all(type(reply) is bytes for reply in replies)
    assert type(client("GETSET", "k", "z")) is bytes


def test_setrange_fills_with_zeros(client: Client) -> None:
    assert client("SETRANGE", "k", 2, "ab") == 4
    assert client("SETRANGE", "k", 6, "c") == 7
    assert client("SETRANGE", "k", 0, "Z") == 7
    assert client("GET", "k") == b"Z\0ab\0\0c"


def test_setrange_with_nothing_to_write_makes_no_key(client: Client) -> None:
    assert client("SETRANGE", "k", 10, "") == 0
    assert client("EXISTS", "k") == 0
    client("SET", "k", "abc")
    assert client("SETRANGE", "k", 2**40, "") == 3


def test_strings_have_a_greatest_length(client: Client, engine: Engine) -> None:
    engine.limits.string_bytes = 10
    too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    assert client("SETRANGE", "k", 9, "a") == 10
    assert client.error("SETRANGE", "k", 10, "a") == too_long
    assert client.error("SETRANGE", "k", MAX, "a") == too_long
    assert client.error("APPEND", "k", "a") == too_long
    assert client("STRLEN", "k") == 10
    assert client.error("SETRANGE", "k", -1, "a") == "ERR offset is out of range"
    assert client.error("SETRANGE", "new", 11, "a") == too_long
    assert client("EXISTS", "new") == 0


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (0, -1, b"hello"),
        (1, 3, b"ell"),
        (-3, -2, b"ll"),
        (-100, 1, b"he"),
        (-100, -90, b"h"),
        (3, 1, b""),
        (-1, -3, b""),
        (5, 9, b""),
        (0, MAX, b"hello"),
        (-MAX - 1, MAX, b"hello"),
    ],
)
def test_getrange(client: Client, start: int, end: int, part: bytes) -> None:
    client("SET", "k", "hello")
    assert client("GETRANGE", "k", start, end) == part
    assert client("SUBSTR", "k", start, end) == part
    assert client("GETRANGE", "absent", start, end) == b""


def test_reading_counts_hits_and_misses(client: Client, engine: Engine) -> None:
    client("SET", "k", "v")
    client("GET", "k")
    client("MGET", "k", "absent")
    client("STRLEN", "absent")
    client("INCR", "n")
    statistics = engine.keyspace.statistics
    assert (statistics.hits, statistics.misses) == (2, 2)


def test_only_a_change_breaks_a_watch(client: Client, other: Client) -> None:
    client("SET", "k", "v")
    client("WATCH", "k")
    other("SET", "k", "w", "NX")
    other("GETRANGE", "k", 0, 0)
    assert not client.session.watched_changed
    other("SETRANGE", "k", 0, "x")
    assert client.session.watched_changed


def test_mset_tells_of_one_key_after_the_other(
    client: Client, other: Client, engine: Engine, clock: ManualClock
) -> None:
    engine.config.set("notify-keyspace-events", "KEA")
    client("SET", "b", "old", "PX", 5)
    clock.advance(5)
    other("PSUBSCRIBE", "__keyevent@0__:*")
    other.session.outbox.clear()
    client("MSET", "a", 1, "b", 2)
    events = [(message[2].partition(b":")[2], message[3]) for message in other.session.outbox]
    assert events == [(b"set", b"a"), (b"expired", b"b"), (b"set", b"b")]


def test_get_is_left_out_of_what_is_propagated_and_the_name_stays_as_typed(
    client: Client, effects: list[list[bytes]]
) -> None:
    client("set", "k", "1", "get")
    client("Set", "k", "2", "Get", "XX", "KEEPTTL")
    assert effects == [[b"set", b"k", b"1"], [b"Set", b"k", b"2", b"XX", b"KEEPTTL"]]
