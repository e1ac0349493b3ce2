"""The reply values that Python lacks; how they look on the wire is tests/resp/test_encoder.py."""

from __future__ import annotations

import pytest

from kvcore.replies import (
    NO_REPLY,
    NULL_ARRAY,
    Attributed,
    BigNumber,
    OrderedSet,
    Push,
    Singleton,
    Transaction,
    Verbatim,
)


@pytest.mark.parametrize("marker", [NULL_ARRAY, NO_REPLY])
def test_markers_are_themselves_only(marker: Singleton) -> None:
    assert marker != Singleton(repr(marker))
    assert repr(NULL_ARRAY) == "NULL_ARRAY"
    assert marker is not None
    assert marker


def test_verbatim_strings_compare_by_content() -> None:
    assert Verbatim(b"a") == Verbatim(b"a", "txt")
    assert Verbatim(b"a") != Verbatim(b"a", "mkd")
    assert Verbatim(b"a") != b"a"
    assert len({Verbatim(b"a"), Verbatim(b"a"), Verbatim(b"b")}) == 2
    assert repr(Verbatim(b"a", "mkd")) == "Verbatim(b'a', 'mkd')"


@pytest.mark.parametrize("kind", [OrderedSet, Push, Transaction])
def test_array_like_replies_are_lists_to_those_who_do_not_care(kind: type[list[object]]) -> None:
    reply = kind([b"a", 1])
    assert reply == [b"a", 1]
    assert type(reply) is kind
    assert not hasattr(reply, "__dict__")


def test_a_big_number_is_a_number() -> None:
    assert BigNumber(10**40) + 1 == 10**40 + 1


def test_attributes_ride_on_a_reply() -> None:
    attributed = Attributed({b"ttl": 3600}, [1, 2])
    assert (attributed.attributes, attributed.reply) == ({b"ttl": 3600}, [1, 2])
