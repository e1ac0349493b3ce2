"""The type numbers, and that each has a reader."""

from __future__ import annotations

from kvcore.rdb import types
from kvcore.rdb.reader import READERS
from kvcore.rdb.writer import WRITERS


def test_every_number_is_read() -> None:
    assert set(READERS) == {*range(23), 24, 25, 64} - {6, 7, 8}
    assert set(READERS) <= {value for name, value in vars(types).items() if isinstance(value, int)}


def test_each_type_of_value_is_written() -> None:
    from kvcore.keyspace import TYPE_NAMES

    assert set(WRITERS) == set(TYPE_NAMES)
