"""The frame of DUMP payloads: version, checksum, and what is ignored."""

from __future__ import annotations

import pytest

from kvcore.errors import RdbError
from kvcore.rdb.listpack import encode
from kvcore.rdb.payload import dump, is_sealed, load, seal
from tests.rdb.samples import Limits, blob


def test_bytes_of_the_real_server() -> None:
    assert dump(b"hello", -2, True).hex() == "000568656c6c6f0a006372df766534200a"
    assert seal(b"").hex() == "0a005d9b5c400f7fa2da"


def test_the_frame() -> None:
    whole = dump(b"hello", -2, True)
    assert is_sealed(whole)
    assert load(whole, Limits(), True) == b"hello"
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        assert not is_sealed(bytes(changed))
    for end in range(len(whole)):
        assert not is_sealed(whole[:end])


def test_versions() -> None:
    assert is_sealed(seal(b"\0\1a", version=0))
    assert is_sealed(seal(b"\0\1a", version=10))
    for version in (11, 12, 80):  # Redis 7.2 and 7.4, Valkey 9
        assert is_sealed(seal(b"\0\1a", version=version))
    for version in (13, 79, 81, 65535):
        assert not is_sealed(seal(b"\0\1a", version=version))


def test_the_version_says_which_types_there_are() -> None:
    set_listpack = b"\x14" + blob(encode([b"a"]))
    for version in (11, 12, 80):
        assert len(load(seal(set_listpack, version), Limits(), True)) == 1  # type: ignore[arg-type]
    metadata = b"\x18" + bytes(8) + b"\x01\x00\1f\1v"
    assert load(seal(metadata, 12), Limits(), True).encoding == "listpack"  # type: ignore[union-attr]
    for version in (10, 11, 80):
        with pytest.raises(RdbError):
            load(seal(metadata, version), Limits(), True)


def test_a_checksum_of_zero_is_no_checksum_here() -> None:
    assert not is_sealed(b"\0\1a\x0a\0" + bytes(8))


def test_bytes_behind_the_value_are_ignored() -> None:
    assert load(seal(b"\0\1abehind"), Limits(), True) == b"a"


def test_the_value_may_reach_into_the_frame() -> None:
    whole = seal(b"\0\5a")
    assert load(whole, Limits(), True) == whole[2:7]


@pytest.mark.parametrize("body", [b"\x14" + blob(encode([b"a"])), b"\x15\0", b"\xff", b"\x06"])
def test_types_of_other_versions_are_refused(body: bytes) -> None:
    with pytest.raises(RdbError):
        load(seal(body), Limits(), True)
