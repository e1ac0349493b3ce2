"""Times to live of members in payloads: kept between servers like this one, unseen by others."""

from __future__ import annotations

import pytest

from kvcore.datatypes.deadlines import Deadlines
from kvcore.datatypes.hash import Hash
from kvcore.datatypes.set import Set
from kvcore.datatypes.sorted_set import ordered
from kvcore.errors import RdbError
from kvcore.rdb.member_times import MARK, trailer
from kvcore.rdb.payload import dump, load, seal
from tests.rdb.samples import Limits, blob

LATER = 1_900_000_000_123


def perishable(value: Hash | Set) -> Hash | Set:
    value.expires = Deadlines()
    value.expires.put(b"a", LATER)
    value.expires.put(b"12", -5)
    return value


def values() -> list[object]:
    fields = Hash()
    for field in (b"a", b"12", b"stays"):
        fields.put(field, b"v", 128, 64)
    return [
        perishable(fields),
        perishable(Set([b"a", b"12", b"stays"])),
        perishable(ordered([(b"a", 1.0), (b"12", 2.0), (b"stays", 3.0)], 128, 64)),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("value", values())
def test_there_and_back(value: Hash) -> None:
    again = load(dump(value, -2, True), Limits(), True)
    assert type(again) is type(value)
    again.check()
    assert again.expires is not None
    assert dict(again.expires.items()) == {b"a": LATER, b"12": -5}


@pytest.mark.parametrize("value", values())
def test_what_stands_before_the_trailer_is_the_payload_of_any_server(value: Hash) -> None:
    whole = dump(value, -2, True)
    value.expires = None
    plain = dump(value, -2, True)
    assert whole.startswith(plain[:-10] + MARK)
    assert trailer(value, True) == b""


def test_a_value_without_members_has_no_trailer() -> None:
    assert trailer(b"text", True) == b""
    assert load(seal(b"\0\1a" + MARK + b"rubbish"), Limits(), True) == b"a"


FIELDS = b"\x04\x01" + blob(b"f") + blob(b"v") + MARK


@pytest.mark.parametrize(
    "times",
    [
        b"",
        b"\x00",
        b"\x01" + blob(b"f") + bytes(7),
        b"\x01" + blob(b"g") + bytes(8),
        b"\x02" + (blob(b"f") + bytes(8)) * 2,
        b"\x81" + b"\xff" * 8,
    ],
)
def test_trailers_that_lie(times: bytes) -> None:
    with pytest.raises(RdbError):
        load(seal(FIELDS + times), Limits(), True)
