"""Reading files: every opcode, every version, pieces of any size, and what is refused, with its offset."""

from __future__ import annotations

import struct
import tracemalloc
from random import Random

import pytest

from kvcore.datatypes.hash import Hash
from kvcore.datatypes.list import List
from kvcore.errors import RdbError
from kvcore.keyspace import Value
from kvcore.rdb import listpack, sink, types
from kvcore.rdb.crc64 import crc64
from kvcore.rdb.file_reader import FileReader
from kvcore.rdb.file_writer import MEMBER_AUX, WHEN_AUX, aux
from tests.rdb.samples import PAYLOADS, Limits, blob, mutated

LIVE = bytes.fromhex(
    "524544495330303130fa0972656469732d76657206372e302e3135fa0a72656469732d62697473c040fa056374696d65c21b96026b"
    "fa08757365642d6d656dc2585f1400fa08616f662d62617365c000"
)
"""The header of a file of redis-server 7.0.15."""

NEW_TYPES: dict[str, bytes] = {
    "set listpack": bytes([types.SET_LISTPACK]) + blob(listpack.encode([b"a", b"bb", b"5"])),
    "stream v3": bytes([types.STREAM_LISTPACKS_3]) + b"\0\0\0\0\0\0\0\0\0\0",
}


class Collector:
    """Remembers what a file holds."""

    def __init__(self) -> None:
        self.keys: dict[tuple[int, bytes], Value] = {}
        self.details: list[tuple[int | None, int, int]] = []
        self.members: list[tuple[bytes, int]] = []
        self.skipped: list[bytes] = []
        self.aux: dict[bytes, bytes] = {}
        self.hints: list[tuple[int, int, int]] = []
        self.functions: list[bytes] = []

    def add(
        self, index: int, key: bytes, value: Value, at_ms: int | None, idle_s: int, frequency: int, offset: int
    ) -> None:
        self.keys[index, key] = value
        self.details.append((at_ms, idle_s, frequency))

    def expire_member(self, member: bytes, at_ms: int) -> None:
        self.members.append((member, at_ms))

    def skip(self, index: int, key: bytes) -> None:
        self.skipped.append(key)

    def note(self, name: bytes, text: bytes) -> None:
        self.aux[name] = text

    def sizes(self, index: int, keys: int, expires: int) -> None:
        self.hints.append((index, keys, expires))

    def function(self, source: bytes, offset: int) -> None:
        self.functions.append(source)


def finished(body: bytes, version: int = 10) -> bytes:
    """Put header and end around records."""
    data = b"REDIS%04d" % version + body + b"\xff"
    return data + crc64(data).to_bytes(8, "little") if version >= 5 else data


def read(data: bytes, step: int = 0, **options: bool | int) -> Collector:
    """Read a file in pieces of ``step`` bytes, or at once."""
    found = Collector()
    reader = FileReader(found, Limits(), **options)  # type: ignore[arg-type]
    for start in range(0, len(data), step or len(data) or 1):
        reader.feed(data[start : start + (step or len(data))])
    reader.finish()
    return found


def record(body: bytes, key: bytes = b"k") -> bytes:
    """Put the key into a payload of :data:`PAYLOADS`."""
    return body[:1] + blob(key) + body[1:]


EVERYTHING = (
    aux(b"redis-ver", b"7.0.15")
    + b"\xf5" + blob(b"#!lua name=x\nreturn 1")
    + b"\xfe\0\xfb" + sink.length(len(PAYLOADS)) + b"\1"
    + b"".join(record(body, name.encode()) for name, body in PAYLOADS.items())
    + b"\xfc" + struct.pack("<q", 1_700_000_000_000) + record(PAYLOADS["hash"], b"ms")
    + aux(MEMBER_AUX, b"f") + aux(WHEN_AUX, b"1700000000001")
    + b"\xfe\x40\xff" + b"\xfd" + struct.pack("<i", 1_700_000_000) + b"\xf8\x40\x64" + record(PAYLOADS["string"], b"s")
    + b"\xf9\x07" + record(PAYLOADS["list"], b"f")
)  # fmt: skip


def test_a_file_of_the_real_server_is_read() -> None:
    body = LIVE + bytes.fromhex("fe00fb0101fcc53d1008a201000000016b0176fe01fb010000026b32027632ff")
    found = read(body + crc64(body).to_bytes(8, "little"))
    assert found.keys == {(0, b"k"): b"v", (1, b"k2"): b"v2"}
    assert found.details == [(int.from_bytes(bytes.fromhex("c53d1008a2010000"), "little"), -1, -1), (None, -1, -1)]
    assert found.aux[b"redis-ver"] == b"7.0.15"
    assert found.aux[b"redis-bits"] == b"64"
    assert found.hints == [(0, 1, 1), (1, 1, 0)]


@pytest.mark.parametrize("step", [1, 2, 7, 1000, 0])
def test_pieces_of_any_size_give_the_same(step: int) -> None:
    whole = read(finished(EVERYTHING))
    found = read(finished(EVERYTHING), step)
    assert list(found.keys) == list(whole.keys)
    assert len(found.keys) == len(PAYLOADS) + 3
    assert found.details == whole.details
    assert found.details[-3:] == [(1_700_000_000_000, -1, -1), (1_700_000_000_000, 100, -1), (None, -1, 7)]
    assert found.members == [(b"f", 1_700_000_000_001)]
    assert found.functions == [b"#!lua name=x\nreturn 1"]
    for key, value in whole.keys.items():
        if isinstance(value, Hash):
            got = found.keys[key]
            assert isinstance(got, Hash)
            assert dict(got.items()) == dict(value.items())


@pytest.mark.parametrize("version", range(1, 13))
def test_every_version_is_read(version: int) -> None:
    assert read(finished(record(PAYLOADS["string"]), version)).keys == {(0, b"k"): b"hello"}


@pytest.mark.parametrize("name", NEW_TYPES)
def test_types_of_newer_versions_are_read(name: str) -> None:
    assert list(read(finished(record(NEW_TYPES[name]), 11)).keys) == [(0, b"k")]


@pytest.mark.parametrize("header", [b"REDIS0000", b"REDIS0013", b"REDIS00xx", b"VALKEY010", b"KEYDB0009", b"REDI"])
def test_other_headers_are_refused(header: bytes) -> None:
    with pytest.raises(RdbError):
        read(header + b"\xff")


def test_a_file_of_valkey_is_read() -> None:
    data = b"VALKEY080" + record(PAYLOADS["string"]) + b"\xff" + bytes(8)
    assert read(data).keys == {(0, b"k"): b"hello"}


def test_what_comes_behind_the_end_is_left() -> None:
    reader = FileReader(Collector(), Limits())
    reader.feed(finished(record(PAYLOADS["string"])) + b"*1\r\n")
    reader.feed(b"$4\r\nPING\r\n")
    assert reader.done
    assert reader.tail == b"*1\r\n$4\r\nPING\r\n"
    reader.finish()


def test_opcodes_without_use_are_passed_over() -> None:
    module = b"\xf7\x81" + bytes(range(8)) + b"\2\1" + b"\1\5\2\6\3abcd\4abcdefgh\5\3xyz\0"
    slot = b"\xf4\5\6\7"
    old = b"\xf6\4name\3LUA\1\4what\6source"
    found = read(finished(module + slot + old + record(PAYLOADS["string"])))
    assert found.keys == {(0, b"k"): b"hello"}
    assert found.functions == [b"#!lua name=name\nsource"]


@pytest.mark.parametrize(
    "body",
    [b"\1\1k\0", b"\2\1k\0", b"\3\1k\0", b"\4\1k\0", b"\5\1k\0", b"\x0b\1k" + blob(bytes.fromhex("0200000000000000"))]
    + [bytes([kind]) + b"\1k" + blob(bytes.fromhex("070000000000ff")) for kind in (16, 17, 20)]
    + [b"\x12\1k\0", b"\x12\1k\1\2" + blob(bytes.fromhex("070000000000ff"))],
)
def test_empty_collections_are_skipped(body: bytes) -> None:
    found = read(finished(b"\xfc" + bytes(8) + body + record(PAYLOADS["string"], b"next")))
    assert found.skipped == [b"k"]
    assert found.keys == {(0, b"next"): b"hello"}
    assert found.details == [(None, -1, -1)], "what was told of the empty key is forgotten with it"


def test_checksums() -> None:
    data = finished(record(PAYLOADS["string"]))
    wrong = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(RdbError, match="Wrong RDB checksum") as caught:
        read(wrong)
    assert caught.value.offset == len(data) - 8
    assert read(wrong, verify=False).keys
    assert read(data[:-8] + bytes(8)).keys, "zeros stand for no checksum"
    assert read(finished(record(PAYLOADS["string"]), 4)).keys, "before version 5 there was none"


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        (b"\xfe\x10", 9),  # a database too many
        (b"\x08\1k", 9),  # a type that never was
        (b"\x06\1k\x05", 9),
        (b"\x07\1k\x81" + bytes(8), 9),
        (b"\xf2", 9),
        (b"\xf7\1\2\1\6", 13),
        (aux(WHEN_AUX, b"soon"), 9),
        (aux(WHEN_AUX, b"9" * 21), 9),
        (b"\x16\1k\1\1f\1v" + bytes(8), 9),  # Valkey's, in a file of Redis
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(body: bytes, offset: int) -> None:
    with pytest.raises(RdbError) as caught:
        read(finished(body), databases=16)
    assert caught.value.offset == offset


def test_a_cut_file_is_refused_wherever_it_was_cut() -> None:
    data = finished(EVERYTHING)
    for length in range(len(data)):
        with pytest.raises(RdbError) as caught:
            read(data[:length])
        assert caught.value.offset <= length


def test_a_claim_beyond_the_file_is_refused_before_the_rest_is_read() -> None:
    reader = FileReader(Collector(), Limits(), size=10_000)
    with pytest.raises(RdbError, match="are wanted"):
        reader.feed(b"REDIS0010\0\1k\x80\xff\xff\xff\xff" + bytes(100))


def test_a_claim_takes_no_memory() -> None:
    lies = [
        b"\0\1k\x81\x7f" + b"\xff" * 7,
        b"\1\1k\x81\x7f" + b"\xff" * 7 + b"\1a" * 50,
        b"\x0f\1k\x81\x7f" + b"\xff" * 7,
        b"\0\1k\xc3\x20\x80\xff\xff\xff\xff" + bytes(32),
        b"\x0b\1k" + blob(b"\2\0\0\0\xff\xff\xff\xff"),
    ]
    for lie in lies:
        tracemalloc.start()
        with pytest.raises(RdbError):
            read(finished(lie))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1 << 20


def test_long_records_are_not_read_again_with_every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"\1\1k" + sink.length(20_000) + b"\5hello" * 20_000
    data = finished(body)
    found = Collector()
    reader = FileReader(found, Limits())
    tries = 0
    original = FileReader._read

    def counted(self: FileReader, buffer: bytes) -> None:
        nonlocal tries
        tries += 1
        original(self, buffer)

    monkeypatch.setattr(FileReader, "_read", counted)
    for start in range(0, len(data), 100):
        reader.feed(data[start : start + 100])
    reader.finish()
    assert tries < 25
    value = found.keys[0, b"k"]
    assert isinstance(value, List)
    assert len(value) == 20_000


@pytest.mark.parametrize("name", [*PAYLOADS, *NEW_TYPES, "everything"])
def test_damaged_files_end_in_an_error_or_in_sound_values(name: str) -> None:
    """26 encodings, 250 mutations each, without a checksum that would catch them all."""
    random = Random(name)
    body = EVERYTHING if name == "everything" else record((PAYLOADS | NEW_TYPES)[name])
    offsets: list[tuple[int, int]] = []
    for _ in range(250):
        data = b"REDIS0011" + mutated(body, random) + b"\xff" + bytes(8)
        found = Collector()
        reader = FileReader(found, Limits(), deep=random.random() < 0.5, size=len(data))
        try:
            for start in range(0, len(data), 64):
                reader.feed(data[start : start + 64])
            reader.finish()
        except RdbError as error:
            offsets.append((error.offset, len(data)))
        for value in found.keys.values():
            if not isinstance(value, bytes | bytearray):
                value.check()
    assert all(0 <= offset <= size for offset, size in offsets)
    assert len(offsets) > 50, "most of them are refused"
