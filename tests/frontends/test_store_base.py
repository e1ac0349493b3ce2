"""What the groups of methods share: arguments spread and refused, replies decoded and settled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kvcore.errors import CommandError
from kvcore.frontends import store_base
from kvcore.replies import NULL_ARRAY, Transaction


def test_keys_come_as_one_as_many_or_as_a_list() -> None:
    assert store_base.spread("a") == ["a"]
    assert store_base.spread(b"a", ("b",)) == [b"a", "b"]
    assert store_base.spread(["a", "b"], ("c",)) == ["a", "b", "c"]
    assert store_base.spread(name for name in "ab") == ["a", "b"]
    with pytest.raises(TypeError, match="list of them, not NoneType"):
        store_base.spread(None)  # type: ignore[arg-type]


def test_times_are_numbers_lengths_and_moments() -> None:
    assert store_base.seconds(timedelta(minutes=1)) == 60
    assert store_base.milliseconds(timedelta(seconds=1.5)) == 1500
    moment = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)
    assert store_base.unix_seconds(moment) == 1_000_000_000
    assert store_base.unix_milliseconds(moment) == 1_000_000_000_000
    assert store_base.expiry_options(1, None, None, None, True) == [b"EX", 1, b"PERSIST"]


def test_replies_are_decoded_however_deep() -> None:
    assert store_base.decoded([b"a", {b"b": {b"c"}}, 1, None]) == ["a", {"b": {"c"}}, 1, None]
    with pytest.raises(UnicodeDecodeError):
        store_base.decoded([b"\xff"])


def test_null_arrays_are_none_wherever_they_stand() -> None:
    assert store_base.plain(NULL_ARRAY) is None
    assert store_base.plain(Transaction([1, NULL_ARRAY])) == [1, None]
    assert store_base.plain([NULL_ARRAY, b"x"]) == [None, b"x"]


def test_errors_are_raised_before_anything_is_made_of_them() -> None:
    with pytest.raises(CommandError, match="ERR no"):
        store_base.settle(CommandError("ERR no"), store_base.as_float, False)


def test_scores_come_flat_or_nested() -> None:
    assert store_base.as_scored([b"a", 1.0]) == [(b"a", 1.0)]
    assert store_base.as_scored([[b"a", 1.0], [b"b", b"2"]]) == [(b"a", 1.0), (b"b", 2.0)]
    assert store_base.as_scored([]) == []


def test_a_group_on_its_own_runs_nothing() -> None:
    with pytest.raises(TypeError, match="cannot run"):
        store_base.Commands()._call(store_base.as_float, b"GET")
