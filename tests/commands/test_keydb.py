"""KeyDB's own commands, without the defects of the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvcore.clock import ManualClock

if TYPE_CHECKING:
    from tests.commands.conftest import Client


def test_mexists_answers_for_each_key(client: Client, clock: ManualClock) -> None:
    client("SET", "a", 1)
    client("SET", "b", 1, "PX", 10)
    assert client("KEYDB.MEXISTS", "a", "none", "b", "a") == [True, False, True, True]
    clock.advance(10)
    assert client("KEYDB.MEXISTS", "b") == [False]


def test_hrename_moves_value_and_time(client: Client, effects: list[list[bytes]]) -> None:
    client("HSET", "h", "a", 1, "b", 2, "c", 3)
    client("HPEXPIREAT", "h", 4 * 10**12, "FIELDS", 2, "a", "b")
    effects.clear()
    assert client("KEYDB.HRENAME", "h", "a", "d") == 1
    assert client("HGETALL", "h") == {b"b": b"2", b"c": b"3", b"d": b"1"}
    assert client("HPEXPIRETIME", "h", "FIELDS", 2, "b", "d") == [4 * 10**12, 4 * 10**12]
    assert effects == [
        [b"MULTI"],
        [b"HSET", b"h", b"d", b"1"],
        [b"HDEL", b"h", b"a"],
        [b"HPEXPIREAT", b"h", b"4000000000000", b"FIELDS", b"1", b"d"],
        [b"EXEC"],
    ]
    assert client("KEYDB.HRENAME", "h", "c", "b") == 1
    assert client("HGETALL", "h") == {b"b": b"3", b"d": b"1"}
    assert client("HTTL", "h", "FIELDS", 1, "b") == [-1]


def test_hrename_of_what_is_not_there(client: Client, effects: list[list[bytes]]) -> None:
    client("HSET", "h", "a", 1)
    client("SET", "s", 1)
    effects.clear()
    assert client("KEYDB.HRENAME", "none", "a", "b") is None
    assert client.error("KEYDB.HRENAME", "h", "b", "a") == "ERR hash key doesn't exist"
    assert client.error("KEYDB.HRENAME", "s", "a", "b").startswith("WRONGTYPE")
    assert client("KEYDB.HRENAME", "h", "a", "a") == 1
    assert effects == []


def test_hrename_has_a_key(client: Client) -> None:
    assert client("COMMAND", "GETKEYS", "KEYDB.HRENAME", "h", "a", "b") == [b"h"]


def test_expdel_is_del(client: Client, effects: list[list[bytes]]) -> None:
    client("SET", "a", 1)
    effects.clear()
    assert client("EXPDEL", "a", "none") == 1
    assert effects == [[b"DEL", b"a", b"none"]]
    assert client("EXPDEL", "a") == 0
    client("SET", "b", 1)
    assert effects[1:] == [[b"SET", b"b", b"1"]]


def test_lfence(client: Client) -> None:
    assert client("LFENCE") == "OK"
