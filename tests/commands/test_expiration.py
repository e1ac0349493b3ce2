"""Times to live: units, conditions, bounds, effects."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from tests.commands.conftest import Client

MAX = 2**63 - 1


def now_ms(clock: ManualClock) -> int:
    return clock.now_us() // 1000


def test_units(client: Client, clock: ManualClock) -> None:
    now = now_ms(clock)
    client("SET", "k", "v")
    assert client("EXPIRE", "k", 10) == 1
    assert client("PEXPIRETIME", "k") == now + 10_000
    assert client("PEXPIRE", "k", 1500) == 1
    assert client("PTTL", "k") == 1500
    assert client("EXPIREAT", "k", now // 1000 + 20) == 1
    assert client("EXPIRETIME", "k") == now // 1000 + 20
    assert client("PEXPIREAT", "k", now + 30) == 1
    assert client("PTTL", "k") == 30
    clock.advance(29)
    assert client("PTTL", "k") == 1
    clock.advance(1)
    assert client("PTTL", "k") == -2


def test_seconds_are_rounded_to_the_nearest(client: Client) -> None:
    client("SET", "k", "v", "PX", 1499)
    assert client("TTL", "k") == 1
    client("PEXPIRE", "k", 1500)
    assert client("TTL", "k") == 2
    client("PEXPIREAT", "k", 2_000_000_000_500)
    assert client("EXPIRETIME", "k") == 2_000_000_001


@pytest.mark.parametrize("name", ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"])
def test_no_time_to_live_and_no_key(client: Client, name: str) -> None:
    client("SET", "k", "v")
    assert client(name, "k") == -1
    assert client(name, "absent") == -2


def test_a_time_to_live_is_set_on_what_exists_only(client: Client, effects: list[list[bytes]]) -> None:
    assert client("EXPIRE", "absent", 10) == 0
    assert client("PERSIST", "absent") == 0
    client("SET", "k", "v")
    assert client("PERSIST", "k") == 0
    assert effects == [[b"SET", b"k", b"v"]]


@pytest.mark.parametrize(
    ("before", "seconds", "conditions", "reply"),
    [
        (None, 10, ("NX",), 1),
        (5, 10, ("NX",), 0),
        (None, 10, ("XX",), 0),
        (5, 10, ("XX",), 1),
        (None, 10, ("GT",), 0),
        (5, 10, ("GT",), 1),
        (10, 10, ("GT",), 0),
        (None, 10, ("LT",), 1),
        (5, 10, ("LT",), 0),
        (20, 10, ("LT",), 1),
        (10, 10, ("LT",), 0),
        (None, 10, ("XX", "LT"), 0),
        (20, 10, ("lt", "xx"), 1),
        (5, 10, ("XX", "GT"), 1),
        (None, -1, ("GT",), 0),
        (5, 10, ("NX", "NX"), 0),
    ],
)
def test_conditions(client: Client, before: int | None, seconds: int, conditions: tuple[str, ...], reply: int) -> None:
    client("SET", "k", "v")
    if before is not None:
        client("EXPIRE", "k", before)
    assert client("EXPIRE", "k", seconds, *conditions) == reply
    after = seconds if reply else before
    assert client("TTL", "k") == (-1 if after is None else after)


@pytest.mark.parametrize("conditions", [("NX", "XX"), ("NX", "GT"), ("LT", "NX")])
def test_nx_goes_with_nothing_else(client: Client, conditions: tuple[str, ...]) -> None:
    text = "ERR NX and XX, GT or LT options at the same time are not compatible"
    assert client.error("EXPIRE", "k", 10, *conditions) == text


def test_errors(client: Client) -> None:
    assert client.error("EXPIRE", "k", 10, "GT", "LT") == ("ERR GT and LT options at the same time are not compatible")
    assert client.error("EXPIRE", "k", "x", "maybe") == "ERR Unsupported option maybe"
    assert client.error("EXPIRE", "k", "x") == "ERR value is not an integer or out of range"
    for name, amount in (
        ("EXPIRE", MAX // 1000),
        ("EXPIRE", MAX),
        ("EXPIRE", -MAX // 1000 - 1),
        ("PEXPIRE", MAX),
        ("EXPIREAT", MAX // 1000 + 1),
    ):
        assert client.error(name, "k", amount) == f"ERR invalid expire time in '{name.lower()}' command"


def test_the_last_moment_there_is(client: Client) -> None:
    client("SET", "k", "v")
    assert client("PEXPIREAT", "k", MAX) == 1
    assert client("PEXPIRETIME", "k") == MAX


@pytest.mark.parametrize(("name", "time"), [("EXPIRE", 0), ("EXPIRE", -10), ("PEXPIREAT", 1), ("EXPIREAT", -5)])
def test_a_time_in_the_past_deletes(client: Client, effects: list[list[bytes]], name: str, time: int) -> None:
    client("SET", "k", "v")
    effects.clear()
    assert client(name, "k", time) == 1
    assert client("EXISTS", "k") == 0
    assert effects == [[b"DEL", b"k"]]


def test_effects_are_moments(client: Client, clock: ManualClock, effects: list[list[bytes]]) -> None:
    now = now_ms(clock)
    client("SET", "k", "v")
    client("EXPIRE", "k", 10)
    client("PEXPIRE", "k", 5, "LT")
    client("EXPIREAT", "k", 2_000_000_000)
    client("PExpireAt", "k", 2_000_000_000_001)
    client("PERSIST", "k")
    assert effects[1:] == [
        [b"PEXPIREAT", b"k", b"%d" % (now + 10_000)],
        [b"PEXPIREAT", b"k", b"%d" % (now + 5), b"LT"],
        [b"PEXPIREAT", b"k", b"2000000000000"],
        [b"PExpireAt", b"k", b"2000000000001"],
        [b"PERSIST", b"k"],
    ]


def test_expiry_propagates_as_a_delete(client: Client, clock: ManualClock, effects: list[list[bytes]]) -> None:
    client("SET", "k", "v", "PX", 5)
    clock.advance(5)
    effects.clear()
    assert client("GET", "k") is None
    assert effects == [[b"DEL", b"k"]]
