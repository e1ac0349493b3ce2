"""MONITOR lines as redis-cli prints them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.monitor import format_line, quote
from kvcore.resp.inline import split_arguments


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [
        (b"", '""'),
        (b"plain1", '"plain1"'),
        (b"two words", '"two words"'),
        (b'say "hi" \\', '"say \\"hi\\" \\\\"'),
        (b"\n\r\t\a\b", '"\\n\\r\\t\\a\\b"'),
        (b"\x00\x7f\xff", '"\\x00\\x7f\\xff"'),
        ("é".encode(), '"\\xc3\\xa9"'),
    ],
)
def test_quoting(argument: bytes, quoted: str) -> None:
    assert quote(argument) == quoted


def test_a_line() -> None:
    line = format_line(1_700_000_000_000_042, 3, "127.0.0.1:5000", [b"SET", b"k", b"a b"])
    assert line == '1700000000.000042 [3 127.0.0.1:5000] "SET" "k" "a b"'


@given(st.binary())
def test_a_quoted_argument_is_one_printable_word(argument: bytes) -> None:
    quoted = quote(argument)
    assert quoted.isascii()
    assert quoted.isprintable()
    assert len(shlex.split(quoted)) == 1


@given(st.lists(st.binary(), min_size=1))
def test_what_a_line_shows_can_be_sent_again(argv: list[bytes]) -> None:
    words = format_line(0, 0, "127.0.0.1:0", argv).split("] ", 1)[1]
    assert split_arguments(words.encode()) == argv
