"""Event classes and their letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.notifications import ALL, KEY_MISS, KEYEVENT, KEYSPACE, LETTERS, NEW, format_classes, parse_classes


@pytest.mark.parametrize(
    ("letters", "shown"),
    [
        ("", ""),
        ("Kx", "xK"),
        ("AKE", "AKE"),
        ("EKA", "AKE"),
        ("g$lshzxetd", "A"),
        ("KEg$lshzxetdmn", "AKEmn"),
        ("KElll", "lKE"),
    ],
)
def test_letters_are_shown_in_one_order(letters: str, shown: str) -> None:
    classes = parse_classes(letters)
    assert classes is not None
    assert format_classes(classes) == shown


@pytest.mark.parametrize("letters", ["q", "KEy", "a", "K E", "é"])
def test_unknown_letters_are_refused(letters: str) -> None:
    assert parse_classes(letters) is None


def test_everything_leaves_out_misses_and_new_keys() -> None:
    assert parse_classes("A") == ALL
    assert not ALL & (KEY_MISS | NEW | KEYSPACE | KEYEVENT)


def test_no_two_letters_share_a_class() -> None:
    seen = 0
    for bit in LETTERS.values():
        assert bit.bit_count() == 1
        assert not seen & bit
        seen |= bit


@given(st.text(alphabet="A" + "".join(LETTERS)))
def test_what_is_shown_means_the_same(letters: str) -> None:
    classes = parse_classes(letters)
    assert classes is not None
    assert parse_classes(format_classes(classes)) == classes
