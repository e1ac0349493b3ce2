"""The tree of exceptions, as its module draws it."""

from __future__ import annotations

import re

import pytest

from kvcore import errors, exceptions
from kvcore.exceptions import KvcoreError, RdbError, RdbShortError

DRAWN = {name: (exceptions.__doc__ or "").index(name) for name in re.findall(r"[├└]── (\w+)", exceptions.__doc__ or "")}
KINDS = [value for value in vars(exceptions).values() if isinstance(value, type) and issubclass(value, KvcoreError)]


def test_the_drawing_has_every_public_exception() -> None:
    details = {"RdbShortError", "RdbEmptyError"}  # of one reader, for its callers
    assert {kind.__name__ for kind in KINDS} - {"KvcoreError"} - details == set(DRAWN)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_has_a_docstring_and_is_had_by_errors_too(kind: type[KvcoreError]) -> None:
    assert kind.__doc__
    assert getattr(errors, kind.__name__) is kind


def test_offsets_are_part_of_the_text() -> None:
    error = RdbShortError("the data ends", 12, 3)
    assert isinstance(error, RdbError)
    assert (str(error), error.reason, error.offset, error.missing) == (
        "the data ends (at byte 12)",
        "the data ends",
        12,
        3,
    )
