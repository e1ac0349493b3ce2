"""Hash fields with times to live: what is propagated, and what a passing hour does. Replies: tests/oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine

if TYPE_CHECKING:
    from tests.commands.conftest import Client

NUMFIELDS = "ERR numfields should be greater than 0 and match the provided number of fields"


@pytest.mark.parametrize(
    "words",
    [
        ("HEXPIRE", "h", 100, "FIELDS", 2, "a", "none"),
        ("HPEXPIRE", "h", 100_000, "NX", "FIELDS", 1, "a"),
        ("HGETEX", "h", "EX", 100, "FIELDS", 2, "a", "none"),
        ("EXPIREMEMBER", "h", "a", 100),
    ],
)
def test_a_delay_is_propagated_as_a_moment(
    client: Client, clock: ManualClock, effects: list[list[bytes]], words: tuple[str | int, ...]
) -> None:
    client("HSET", "h", "a", 1, "b", 2)
    effects.clear()
    client(*words)
    at_ms = b"%d" % (clock.now_us() // 1000 + 100_000)
    assert effects == [[b"HPEXPIREAT", b"h", at_ms, b"FIELDS", b"1", b"a"]]


@pytest.mark.parametrize(
    ("words", "propagated"),
    [
        (("HEXPIRE", "h", 0, "FIELDS", 2, "a", "none"), [[b"HDEL", b"h", b"a"]]),
        (("HGETEX", "h", "PXAT", 1, "FIELDS", 2, "a", "none"), [[b"HDEL", b"h", b"a"]]),
        (("HGETEX", "h", "FIELDS", 1, "a"), []),
        (("HGETEX", "h", "PERSIST", "FIELDS", 2, "a", "t"), [[b"HPERSIST", b"h", b"FIELDS", b"1", b"t"]]),
        (("HPERSIST", "h", "FIELDS", 3, "a", "t", "t"), [[b"HPERSIST", b"h", b"FIELDS", b"1", b"t"]]),
        (("HGETDEL", "h", "FIELDS", 2, "a", "none"), [[b"HDEL", b"h", b"a"]]),
        (("HSETEX", "h", "FIELDS", 1, "a", 2), [[b"HSET", b"h", b"a", b"2"]]),
        (("HSETEX", "h", "FNX", "FIELDS", 1, "a", 2), []),
        (("HPEXPIREAT", "h", 9, "GT", "FIELDS", 1, "t"), []),
        (
            ("HSETEX", "h", "PXAT", 4 * 10**12, "FIELDS", 1, "a", 2),
            [
                [b"MULTI"],
                [b"HSET", b"h", b"a", b"2"],
                [b"HPEXPIREAT", b"h", b"4000000000000", b"FIELDS", b"1", b"a"],
                [b"EXEC"],
            ],
        ),
        (
            ("HSETEX", "h", "PXAT", 1, "FIELDS", 1, "a", 2),
            [[b"MULTI"], [b"HSET", b"h", b"a", b"2"], [b"HDEL", b"h", b"a"], [b"EXEC"]],
        ),
        (
            ("HSETEX", "h", "KEEPTTL", "FIELDS", 2, "a", 2, "t", 3),
            [
                [b"MULTI"],
                [b"HSET", b"h", b"a", b"2", b"t", b"3"],
                [b"HPEXPIREAT", b"h", b"4000000000000", b"FIELDS", b"1", b"t"],
                [b"EXEC"],
            ],
        ),
        (
            ("HINCRBYFLOAT", "h", "t", 1),
            [
                [b"MULTI"],
                [b"HSET", b"h", b"t", b"2"],
                [b"HPEXPIREAT", b"h", b"4000000000000", b"FIELDS", b"1", b"t"],
                [b"EXEC"],
            ],
        ),
    ],
)
def test_what_is_propagated(
    client: Client, effects: list[list[bytes]], words: tuple[str | int, ...], propagated: list[list[bytes]]
) -> None:
    client("HSET", "h", "a", 1, "t", 1)
    client("HPEXPIREAT", "h", 4 * 10**12, "FIELDS", 1, "t")
    effects.clear()
    client(*words)
    assert effects == propagated


def test_times_pass(client: Client, clock: ManualClock) -> None:
    client("HSETEX", "h", "EX", 100, "FIELDS", 2, "a", 1, "b", 2)
    client("HSET", "h", "c", 3)
    clock.advance(60_400)
    assert client("HTTL", "h", "FIELDS", 4, "a", "b", "c", "none") == [40, 40, -1, -2]
    assert client("HPTTL", "h", "FIELDS", 1, "a") == [39_600]
    assert client("HEXPIRETIME", "h", "FIELDS", 1, "a") == [clock.now_us() // 1_000_000 + 40]
    clock.advance(39_600)
    assert client("HTTL", "h", "FIELDS", 2, "a", "c") == [-2, -1]
    assert client("HLEN", "h") == 1


def test_a_refused_condition_changes_nothing(client: Client, other: Client, effects: list[list[bytes]]) -> None:
    client("HSET", "h", "a", 1)
    client("WATCH", "h")
    effects.clear()
    assert other("HEXPIRE", "h", 10, "XX", "FIELDS", 1, "a") == [0]
    assert not client.session.watched_changed
    assert effects == []
    assert other("HEXPIRE", "h", 10, "NX", "FIELDS", 1, "a") == [1]
    assert client.session.watched_changed


def test_a_bad_count_is_refused_whatever_the_key(client: Client) -> None:
    client("SET", "s", 1)
    assert client.error("HEXPIRE", "s", 1, "FIELDS", 2, "a") == NUMFIELDS
    assert client.error("HSETEX", "s", "FIELDS", 1, "a") == "ERR wrong number of arguments for 'hsetex' command"
    assert client.error("HTTL", "s", "FIELDS", 2, "a") == "ERR syntax error"


def test_a_transaction_sees_a_field_until_it_ends(client: Client, clock: ManualClock, engine: Engine) -> None:
    client("HSET", "h", "a", 1)
    client("HPEXPIRE", "h", 10, "FIELDS", 1, "a")
    client("MULTI")
    client("HGET", "h", "a")
    client("HGETDEL", "h", "FIELDS", 1, "a")
    clock.advance(9)
    assert client("EXEC") == [b"1", [b"1"]]
    assert len(engine.keyspace.databases[0]) == 0
