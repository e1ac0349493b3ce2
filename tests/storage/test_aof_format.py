"""A snapshot as commands: small keys whole, large ones in pieces that may be frozen while the container changes."""

from __future__ import annotations

from kvcore.datatypes.list import List
from kvcore.rdb.file_writer import Account
from kvcore.storage.aof_format import LARGE, TextFormat
from kvcore.storage.aof_reader import AofReader

FORM = TextFormat()


def commands(*data: bytes) -> list[list[bytes]]:
    return [argv for argv, _ in AofReader().feed(b"".join(data), last=True)]


def test_strings_are_taken_up_to_the_first_other_value() -> None:
    pending: dict[bytes, object] = {b"list": List([b"x"]), b"a": b"1", b"b": b"2"}
    parts: list[bytes] = []
    FORM.add_strings(parts, pending, 10)  # type: ignore[arg-type]
    assert commands(*parts) == [[b"SET", b"b", b"2"], [b"SET", b"a", b"1"]]
    assert list(pending) == [b"list"]
    parts = []
    pending = {b"%d" % number: b"v" for number in range(5)}
    FORM.add_strings(parts, pending, 2)  # type: ignore[arg-type]
    assert (len(commands(*parts)), len(pending)) == (2, 3)


def test_a_key_with_its_time_to_live() -> None:
    parts: list[bytes] = []
    FORM.add(parts, b"k", List([b"x", b"y"]), 99, -1, -1)
    assert commands(*parts) == [[b"RPUSH", b"k", b"x", b"y"], [b"PEXPIREAT", b"k", b"99"]]


def test_a_large_key_in_pieces() -> None:
    values = [b"%d" % number for number in range(3 * LARGE)]
    value = List(values)
    assert FORM.is_large(value)
    assert not FORM.is_large(List(values[:LARGE]))
    assert not FORM.is_large(b"x" * 10**6)
    head, [rest] = FORM.pieces(b"k", value, 99, -1, -1)
    pieces = [head]
    while (piece := rest.next()) is not None:
        assert len(commands(piece)) <= 8
        pieces.append(piece)
    *pushes, expiry = commands(*pieces)
    assert [word for argv in pushes for word in argv[2:]] == values
    assert expiry == [b"PEXPIREAT", b"k", b"99"]


def test_what_is_frozen_does_not_change() -> None:
    value = List([b"%d" % number for number in range(2 * LARGE)])
    expected = list(value)
    head, [rest] = FORM.pieces(b"k", value, None, -1, -1)
    first = rest.next()
    rest.freeze()
    value.pop_many(LARGE, left=True)
    pieces = [head, first or b""]
    while (piece := rest.next()) is not None:
        pieces.append(piece)
    assert [word for argv in commands(*pieces) for word in argv[2:]] == expected


def test_databases_and_libraries() -> None:
    account = Account(0, "7.0.15")
    account.functions = [b"#!lua name=lib\n"]
    assert commands(FORM.begin(account), FORM.database(3), FORM.sizes(1, 1), FORM.end()) == [
        [b"FUNCTION", b"LOAD", b"#!lua name=lib\n"],
        [b"SELECT", b"3"],
    ]
