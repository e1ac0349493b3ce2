"""The type numbers, and that each has a reader."""

from __future__ import annotations

from kvcore.rdb import types
from kvcore.rdb.reader import READERS
from kvcore.rdb.writer import WRITERS


def test_every_number_is_read() -> None:
    numbers = {value for name, value in vars(types).items() if name.isupper() and name not in ("VERSION", "NEWEST")}
    assert set(READERS) == numbers
    assert numbers == {*range(22)} - {6, 7, 8}


def test_each_type_of_value_is_written() -> None:
    from kvcore.keyspace import TYPE_NAMES

    assert set(WRITERS) == set(TYPE_NAMES)
