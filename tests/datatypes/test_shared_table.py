"""Tables whose segments are read by others: those never change, and the table is a table like any other."""

from __future__ import annotations

from random import Random

import pytest

from kvcore.datatypes.shared_table import SharedTable
from kvcore.datatypes.table import Table


@pytest.mark.parametrize("seed", range(6))
def test_what_is_shared_never_changes(seed: int) -> None:
    chance = Random(seed)
    original: Table[int] = Table()
    model: dict[bytes, int] = {}
    for number in range(chance.choice((10, 3000, 20_000))):
        original.put(b"%d" % number, number)
        model[b"%d" % number] = number
    before = dict(model)
    segments = list(original.segments())
    table = SharedTable(original, segments)
    assert not original.size
    for _ in range(20_000):
        key = b"%d" % chance.randrange(30_000)
        match chance.randrange(4):
            case 0 | 1:
                assert table.pop(key) == model.pop(key, None)
            case 2:
                assert table.put(key, 1) == (key not in model)
                model[key] = 1
            case _:
                assert table.setdefault(key, 2) == model.setdefault(key, 2)
    table.check()
    assert dict(table.items()) == model
    assert {key: value for segment in segments for key, value in segment.items()} == before


def test_segments_that_are_not_shared_are_not_copied() -> None:
    original: Table[int] = Table()
    for number in range(5000):
        original.put(b"%d" % number, number)
    kept = list(original.segments())
    table = SharedTable(original, kept[:1])
    for number in range(5000):
        table.put(b"%d" % number, 0)
    now = list(table.segments())
    assert [one is other for one, other in zip(kept, now, strict=True)] == [False] + [True] * (len(kept) - 1)


def test_small_segments_merge_again_once_nothing_is_shared() -> None:
    original: Table[int] = Table()
    for number in range(20_000):
        original.put(b"%d" % number, number)
    table = SharedTable(original, original.segments())
    for number in range(19_900):
        table.pop(b"%d" % number)
    table.check()
    for number in range(19_900, 20_000):
        table.pop(b"%d" % number)
    table.check()
    assert table.size == 0
