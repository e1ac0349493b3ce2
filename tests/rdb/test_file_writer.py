"""Writing files: the frame byte for byte, records whole and in pieces, what version 9 leaves out."""

from __future__ import annotations

from random import Random

import pytest

from kvcore.datatypes.deadlines import Deadlines
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import SortedSet, ordered
from kvcore.datatypes.stream import Stream
from kvcore.digest import value_digest
from kvcore.keyspace import Value
from kvcore.rdb import types
from kvcore.rdb.file_writer import COMPRESS_FROM, LARGE, Account, Checksum, FileWriter
from tests.rdb.test_file_reader import read

NOW_S = 1_795_345_000


def account() -> Account:
    return Account(NOW_S, "7.0.15", 1_332_056)


def written(writer: FileWriter, *keys: tuple[bytes, Value, int | None]) -> bytes:
    """Write a file of database 0, each key the way its size asks for."""
    parts = [writer.begin(account()), writer.database(0)]
    for key, value, at_ms in keys:
        if writer.is_large(value):
            head, runs = writer.pieces(key, value, at_ms, -1, -1)
            parts.append(head)
            for run in runs:
                while (data := run.next()) is not None:
                    parts.append(data)
        else:
            writer.add(parts, key, value, at_ms, -1, -1)
    parts.append(writer.end())
    data = b"".join(parts)
    checksum = Checksum(True)
    checksum.update(data)
    return data + checksum.footer()


def large_values() -> dict[str, Value]:
    random = Random(5)
    names = [b"member-%d" % number for number in range(LARGE * 3)]
    fields = Hash()
    members, stream = Set(), Stream()
    for number, name in enumerate(names):
        fields.put(name, b"%d" % random.randrange(10**9), 512, 64)
        members.add(name, 512)
        stream.append(number + 1 << 64, [b"f", name], 100, 4096)
    scores = ordered(((name, random.random()) for name in names), 128, 64)
    return {"hash": fields, "set": members, "zset": scores, "list": List(names), "stream": stream}


def test_the_header_is_the_real_servers() -> None:
    expected = bytes.fromhex(
        "524544495330303130fa0972656469732d76657206372e302e3135fa0a72656469732d62697473c040fa056374696d65"
    )
    assert FileWriter(-2, True).begin(account()).startswith(expected)
    assert FileWriter(-2, True).begin(account()).endswith(b"\xfa\x08aof-base\xc0\x00")


def test_a_file_for_an_append_only_file_or_a_replica_says_so() -> None:
    told = account()
    told.is_aof_base = True
    told.replication = (("repl-stream-db", "0"), ("repl-id", "a" * 40), ("repl-offset", "17"))
    told.functions = [b"#!lua name=x\n"]
    found = read(FileWriter(-2, True).begin(told) + b"\xff" + bytes(8))
    assert found.aux[b"aof-base"] == b"1"
    assert found.aux[b"repl-offset"] == b"17"
    assert found.functions == [b"#!lua name=x\n"]
    assert read(FileWriter(-2, True, 9).begin(told) + b"\xff" + bytes(8)).functions == [], "KeyDB refuses such a file"


def test_records_are_read_back() -> None:
    fields = Hash()
    fields.put(b"f", b"v", 512, 64)
    fields.expires = Deadlines()
    fields.expires.put(b"f", 1_800_000_000_123)
    keys: list[tuple[bytes, Value, int | None]] = [(b"s", b"text", None), (b"h", fields, 1_800_000_000_000)]
    found = read(written(FileWriter(-2, True), *keys))
    assert found.keys[0, b"s"] == b"text"
    assert found.details == [(None, -1, -1), (1_800_000_000_000, -1, -1)]
    assert found.members == [(b"f", 1_800_000_000_123)]


def test_how_keys_were_used_is_told() -> None:
    parts: list[bytes] = []
    writer = FileWriter(-2, True)
    writer.add(parts, b"a", b"1", None, 300, -1)
    writer.add(parts, b"b", b"2", None, -1, 255)
    found = read(b"REDIS0010" + b"".join(parts) + b"\xff" + bytes(8))
    assert found.details == [(None, 300, -1), (None, -1, 255)]


@pytest.mark.parametrize("kind", ["hash", "set", "zset", "list", "stream"])
@pytest.mark.parametrize("version", [9, 10])
def test_large_values_in_pieces_are_the_same_values(kind: str, version: int) -> None:
    value = large_values()[kind]
    writer = FileWriter(-2, True, version)
    assert writer.is_large(value)
    found = read(written(writer, (b"k", value, None)))
    assert value_digest(found.keys[0, b"k"], False) == value_digest(value, False)


@pytest.mark.parametrize("kind", ["hash", "set", "zset", "list", "stream"])
def test_frozen_pieces_do_not_see_what_comes_later(kind: str) -> None:
    value = large_values()[kind]
    before = value_digest(value, False)
    writer = FileWriter(-2, True)
    head, runs = writer.pieces(b"k", value, None, -1, -1)
    parts = [head]
    for _ in range(2):
        data = runs[0].next()
        assert data is not None
        parts.append(data)
    for run in runs:
        run.freeze()
    change(value)
    assert value_digest(value, False) != before
    for run in runs:
        while (data := run.next()) is not None:
            parts.append(data)
    found = read(b"REDIS0010" + b"".join(parts) + b"\xff" + bytes(8))
    assert value_digest(found.keys[0, b"k"], False) == before


def change(value: Value) -> None:
    """Change a value in place, at its start, its end and in between."""
    if isinstance(value, Hash):
        for number in range(0, LARGE * 3, 2):
            value.put(b"member-%d" % number, b"other", 512, 64)
    elif isinstance(value, Set):
        for number in range(0, LARGE * 3, 2):
            value.remove(b"member-%d" % number)
    elif isinstance(value, SortedSet):
        value.remove_range(0, LARGE * 2)
    elif isinstance(value, List):
        for _ in range(LARGE * 2):
            value.pop_right()
    else:
        assert isinstance(value, Stream)
        for number in range(1, LARGE * 3, 2):
            value.remove(number << 64)
        value.append(1 << 100, [b"f", b"v"], 100, 4096)


def test_version_9_has_only_types_that_keydb_knows() -> None:
    writer = FileWriter(-2, True, types.FILE_VERSION_KEYDB)
    small: list[tuple[Value, int]] = []
    fields, scores, stream = Hash(), SortedSet(), Stream()
    fields.put(b"f", b"v", 512, 64)
    scores.put(b"m", 1.5, 128, 64)
    stream.append(1 << 64, [b"f", b"v"], 100, 4096)
    small = [(fields, types.HASH), (scores, types.ZSET_2), (stream, types.STREAM_LISTPACKS), (List([b"a"]), types.LIST)]
    for value, kind in small:
        parts: list[bytes] = []
        writer.add(parts, b"k", value, None, -1, -1)
        assert parts[0][0] == kind
    data = written(writer, *((b"%d" % number, value, None) for number, (value, _) in enumerate(small)))
    assert data.startswith(b"REDIS0009")
    found = read(data)
    for number, (value, _) in enumerate(small):
        assert value_digest(found.keys[0, b"%d" % number], False) == value_digest(value, False)


def test_long_strings_are_compressed_where_that_helps() -> None:
    writer = FileWriter(-2, True)
    parts: list[bytes] = []
    writer.add(parts, b"k", b"ab" * COMPRESS_FROM, None, -1, -1)
    assert len(b"".join(parts)) < 40
    noise = Random(1).randbytes(COMPRESS_FROM)
    for number in range(5):
        writer.add(parts, b"%d" % number, noise, None, -1, -1)
    found = read(b"REDIS0010" + b"".join(parts) + b"\xff" + bytes(8))
    assert found.keys[0, b"k"] == b"ab" * COMPRESS_FROM
    assert found.keys[0, b"4"] == noise
    plain: list[bytes] = []
    FileWriter(-2, False).add(plain, b"k", b"ab" * COMPRESS_FROM, None, -1, -1)
    assert len(b"".join(plain)) > 2 * COMPRESS_FROM


def test_plain_strings_in_bulk_end_before_anything_else() -> None:
    writer = FileWriter(-2, True)
    pending: dict[bytes, Value] = {b"list": List([b"x"]), b"a": b"1", b"b": b"2", b"c": b"z" * 300}
    parts: list[bytes] = []
    writer.add_strings(parts, pending, 2)
    assert set(pending) == {b"list", b"a"}
    writer.add_strings(parts, pending, 99)
    assert set(pending) == {b"list"}
    found = read(b"REDIS0010" + b"".join(parts) + b"\xff" + bytes(8))
    assert found.keys == {(0, b"a"): b"1", (0, b"b"): b"2", (0, b"c"): b"z" * 300}
