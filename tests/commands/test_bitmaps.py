"""The bitmap group: single bits, ranges, combinations, packed integers, and what others are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.engine import Engine

if TYPE_CHECKING:
    from tests.commands.conftest import Client

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
BAD_OFFSET = "ERR bit offset is not an integer or out of range"
BAD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."


def test_setbit_grows_the_string_and_returns_the_old_bit(client: Client) -> None:
    assert client("SETBIT", "k", 7, 1) == 0
    assert client("SETBIT", "k", 7, 1) == 1
    assert client("SETBIT", "k", 20, 0) == 0
    assert client("GET", "k") == b"\x01\x00\x00"
    assert client("SETBIT", "k", 7, 0) == 1
    assert client("GET", "k") == b"\x00\x00\x00"
    assert client("GETBIT", "k", 23) == 0
    assert client("GETBIT", "k", 24) == 0
    assert client("GETBIT", "none", 0) == 0


def test_setbit_changes_the_string_where_it_is(client: Client, engine: Engine) -> None:
    client("SET", "k", "abc")
    client("SETBIT", "k", 0, 0)
    held = engine.keyspace.databases[0].read_string(b"k")
    assert type(held) is bytearray
    client("SETBIT", "k", 100, 1)
    assert engine.keyspace.databases[0].read_string(b"k") is held
    reply = client("GET", "k")
    client("SETBIT", "k", 1, 0)
    assert reply == b"abc" + bytes(9) + b"\x08"


def test_what_was_replied_does_not_change_later(client: Client) -> None:
    client("SETBIT", "k", 3, 1)
    client("BITOP", "OR", "copy", "k")
    client("COPY", "k", "other")
    client("SETBIT", "k", 4, 1)
    assert client("GET", "copy") == client("GET", "other") == b"\x10"


def test_offsets_end_where_strings_may(client: Client) -> None:
    client("CONFIG", "SET", "proto-max-bulk-len", 1 << 20)
    last = (1 << 23) - 1
    assert client("SETBIT", "k", last, 1) == 0
    assert client("STRLEN", "k") == 1 << 20
    assert client("BITPOS", "k", 1) == last
    for name in ("SETBIT", "GETBIT"):
        bit = (1,) if name == "SETBIT" else ()
        for offset in (last + 1, -1, "x", "", "01", 1 << 64):
            assert client.error(name, "k", offset, *bit) == BAD_OFFSET
    for offset in (last + 1, -1, "#", "##1", "#-1", "#1048576", "x"):
        assert client.error("BITFIELD", "k", "GET", "u8", offset) == BAD_OFFSET
    assert client("BITFIELD", "k", "GET", "u8", "#1048575") == [1]
    assert client("BITFIELD", "k", "GET", "u8", last) == [128]


def test_a_bit_is_zero_or_one(client: Client) -> None:
    for bit in (2, -1, "x", "", "01"):
        assert client.error("SETBIT", "k", 0, bit) == "ERR bit is not an integer or out of range"
    for bit in (2, -1):
        assert client.error("BITPOS", "k", bit) == "ERR The bit argument must be 1 or 0."
    assert client.error("BITPOS", "k", "x") == "ERR value is not an integer or out of range"
    assert client("EXISTS", "k") == 0


def test_bitcount(client: Client) -> None:
    client("SET", "k", "foobar")
    assert client("BITCOUNT", "k") == 26
    assert client("BITCOUNT", "k", 0, 0) == 4
    assert client("BITCOUNT", "k", 1, 1, "BYTE") == 6
    assert client("BITCOUNT", "k", 5, 30, "bit") == 17
    assert client("BITCOUNT", "k", -2, -1) == 7
    assert client("BITCOUNT", "k", 9, 12) == 0
    assert client("BITCOUNT", "k", -1, -2, "nonsense") == 0
    assert client("BITCOUNT", "none", "x") == 0
    for words in ((0,), (0, 1, "NIBBLE"), (0, 1, "BIT", 1)):
        assert client.error("BITCOUNT", "k", *words) == "ERR syntax error"


def test_bitpos(client: Client) -> None:
    client("SET", "k", b"\xff\xf0\x00")
    assert client("BITPOS", "k", 0) == 12
    assert client("BITPOS", "k", 1, 2) == -1
    assert client("BITPOS", "k", 0, 13, -1, "BIT") == 13
    assert client("BITPOS", "k", 1, 0, 0, "BYTE") == 0
    client("SET", "k", b"\xff\xff")
    assert client("BITPOS", "k", 0) == 16
    assert client("BITPOS", "k", 0, 1) == 16
    assert client("BITPOS", "k", 0, 0, -1) == -1
    assert client("BITPOS", "none", 0) == 0
    assert client("BITPOS", "none", 1) == -1
    client("SET", "k", "")
    assert client("BITPOS", "k", 0) == -1
    for words in ((0, 0, "NIBBLE"), (0, 1, "BIT", 1)):
        assert client.error("BITPOS", "k", 1, *words) == "ERR syntax error"


def test_bitop(client: Client, engine: Engine) -> None:
    client("SET", "a", b"\xf0\xff")
    client("SET", "b", b"\x3c")
    for name, expected in (("AND", b"\x30\x00"), ("or", b"\xfc\xff"), ("XOR", b"\xcc\xff")):
        client("SET", "d", "x")
        engine.keyspace.databases[0].set_expiry(b"d", 1_800_000_000_000)
        assert client("BITOP", name, "d", "a", "b") == 2
        assert client("GET", "d") == expected
        assert engine.keyspace.databases[0].expiry(b"d") is None
    assert client("BITOP", "NOT", "a", "a") == 2
    assert client("GET", "a") == b"\x0f\x00"
    assert client("BITOP", "AND", "a", "none") == 0
    assert client("EXISTS", "a") == 0
    assert client.error("BITOP", "NAND", "d", "a") == "ERR syntax error"
    assert client.error("BITOP", "NOT", "d", "a", "b") == "ERR BITOP NOT must be called with a single source key."


def test_bitfield(client: Client) -> None:
    assert client("BITFIELD", "k", "INCRBY", "i5", 100, 1, "GET", "u4", 0) == [1, 0]
    assert client("BITFIELD", "k", "SET", "u8", "#1", 255, "GET", "i8", 8) == [0, -1]
    assert client("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "u8", "#1", 10) == [255]
    assert client("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u8", "#1", 10, "SET", "u8", 0, 256) == [None, None]
    assert client("BITFIELD", "k", "INCRBY", "u8", "#1", 10, "OVERFLOW", "SAT", "SET", "i8", 0, -200) == [9, 0]
    assert client("BITFIELD_RO", "k", "GET", "i8", 0, "OVERFLOW", "FAIL", "GET", "u8", "#1") == [-128, 9]
    assert client("BITFIELD", "k") == []
    assert client("BITFIELD_RO", "none", "GET", "u63", 1000) == [0]
    assert client("EXISTS", "none") == 0


def test_bitfield_errors(client: Client) -> None:
    for kind in ("u64", "i65", "u0", "i0", "x8", "u", "", "u08", "U8"):
        assert client.error("BITFIELD", "k", "GET", kind, 0) == BAD_TYPE
    assert client.error("BITFIELD", "k", "OVERFLOW", "STOP") == "ERR Invalid OVERFLOW type specified"
    for words in (("GET",), ("GET", "u8"), ("SET", "u8", 0), ("INCRBY", "u8", 0), ("OVERFLOW",), ("PUT", "u8", 0, 1)):
        assert client.error("BITFIELD", "k", *words) == "ERR syntax error"
    for words in (("SET", "u8", 0, 1), ("GET", "u8", 0, "INCRBY", "u8", 0, 1)):
        assert client.error("BITFIELD_RO", "k", *words) == "ERR BITFIELD_RO only supports the GET subcommand"
    assert client.error("BITFIELD", "k", "SET", "u8", 0, "x") == "ERR value is not an integer or out of range"
    assert client.error("BITFIELD", "k", "SET", "u8", 0, 1, "NONSENSE") == "ERR syntax error"
    assert client("EXISTS", "k") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("SETBIT", "list", 0, 1),
        ("GETBIT", "list", 0),
        ("BITCOUNT", "list"),
        ("BITPOS", "list", 1),
        ("BITOP", "AND", "d", "none", "list"),
        ("BITFIELD", "list"),
        ("BITFIELD", "list", "GET", "u8", 0),
        ("BITFIELD", "list", "SET", "u8", 0, 1),
        ("BITFIELD_RO", "list", "GET", "u8", 0),
    ],
)
def test_another_type_is_refused(client: Client, words: tuple[str | int, ...]) -> None:
    client("RPUSH", "list", "x")
    assert client.error(*words) == WRONG_TYPE


def test_only_changes_propagate(client: Client, effects: list[list[bytes]]) -> None:
    client("SET", "n", 12)
    effects.clear()
    client("SETBIT", "n", 2, 1)
    client("BITFIELD", "n", "GET", "u8", 0)
    client("BITFIELD", "n", "SET", "u8", 0, ord("1"))
    client("BITFIELD", "n", "OVERFLOW", "FAIL", "SET", "u8", 100, 256)
    client("BITOP", "AND", "none", "none")
    assert effects == []
    client("SETBIT", "n", 2, 0)
    client("SETBIT", "n", 200, 0)
    client("BITFIELD", "n", "GET", "u8", 0, "SET", "u8", 0, 1)
    client("BITFIELD", "n", "SET", "u8", 400, 0)
    client("BITOP", "NOT", "d", "n")
    client("BITOP", "NOT", "d", "none")
    assert [b" ".join(effect) for effect in effects] == [
        b"SETBIT n 2 0",
        b"SETBIT n 200 0",
        b"BITFIELD n GET u8 0 SET u8 0 1",
        b"BITFIELD n SET u8 400 0",
        b"BITOP NOT d n",
        b"BITOP NOT d none",
    ]


def test_only_changes_break_a_watch(client: Client, other: Client) -> None:
    client("SET", "k", "a")
    for words, broken in (
        (("SETBIT", "k", 1, 1), False),
        (("BITFIELD", "k", "SET", "u8", 0, 97), False),
        (("SETBIT", "k", 0, 1), True),
        (("BITFIELD", "k", "SET", "u8", 0, 1), True),
        (("BITOP", "NOT", "k", "k"), True),
    ):
        other("WATCH", "k")
        client(*words)
        other("MULTI")
        other("PING")
        assert isinstance(other("EXEC"), list) is not broken


def test_a_time_to_live_survives_changes(client: Client, engine: Engine) -> None:
    db = engine.keyspace.databases[0]
    client("SET", "k", "a")
    db.set_expiry(b"k", 1_900_000_000_000)
    client("SETBIT", "k", 0, 1)
    client("BITFIELD", "k", "SET", "u8", 100, 1)
    assert db.expiry(b"k") == 1_900_000_000_000


def test_bitop_shifts_as_keydb_does(client: Client, effects: list[list[bytes]]) -> None:
    client("SET", "k", b"\xff")
    assert client("BITOP", "LSHIFT", "up", "k", 1) == 2
    assert client("GET", "up") == b"\xfe\x01"
    assert client("BITOP", "rshift", "down", "up", 1) == 2
    assert client("BITOP", "RSHIFT", "up", "k", -8) == 2
    assert client("GET", "up") == b"\0\xff"
    assert effects[-1] == [b"SET", b"up", b"\0\xff"]
    assert client("BITOP", "RSHIFT", "up", "k", 8) == 0
    assert client("EXISTS", "up") == 0
    assert effects[-1] == [b"DEL", b"up"]
    count = len(effects)
    assert client("BITOP", "RSHIFT", "up", "none", 8) == 0
    assert len(effects) == count


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("k",), "ERR BITOP SHIFT must be called with a single source key and an integer shift."),
        (("k", "j", 1), "ERR BITOP SHIFT must be called with a single source key and an integer shift."),
        (("k", "x"), "ERR BITOP SHIFT's last parameter must be an integer"),
        (("k", 2**30 + 1), "ERR BITOP SHIFT value is too large."),
        (("k", -(2**30) - 1), "ERR BITOP SHIFT value is too large."),
        (("set", 1), WRONG_TYPE),
    ],
)
def test_bitop_shift_errors(client: Client, arguments: tuple[str | int, ...], error: str) -> None:
    client("SADD", "set", 1)
    assert client.error("BITOP", "LSHIFT", "target", *arguments) == error
