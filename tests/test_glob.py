"""kvcore.glob: the oddities by example, against a plain restatement of the rules, and hostile patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore import glob


@pytest.mark.parametrize(
    ("pattern", "string", "expected"),
    [
        (b"h?llo", b"hello", True),
        (b"h*llo", b"heeeello", True),
        (b"h[ae]llo", b"hillo", False),
        (b"h[^e]llo", b"hallo", True),
        (b"h[a-b]llo", b"hbllo", True),
        (b"", b"", True),
        (b"", b"x", False),
        (b"*", b"", True),
        (b"**", b"", False),
        (b"**", b"x", True),
        (b"?", b"", False),
        (b"a?*", b"a", False),
        (b"a***", b"a", True),
        (b"a\nb*", b"a\nbc", True),
        (b"?", b"\n", True),
        # a class that is not closed, an empty one, a closing bracket inside
        (b"a[b", b"ab", True),
        (b"a[b", b"ac", False),
        (b"[", b"[", False),
        (b"[^", b"x", True),
        (b"[^a", b"a", False),
        (b"[]", b"]", False),
        (b"[]a]", b"a", False),
        (b"[^]", b"x", True),
        (b"[\\]]", b"]", True),
        (b"[!a]", b"!", True),
        # escapes
        (b"a\\", b"a\\", True),
        (b"\\*", b"*", True),
        (b"\\*", b"x", False),
        (b"[\\", b"\\", True),
        (b"[\\^a]", b"^", True),
        # ranges: backwards, without an end, signed
        (b"[z-a]", b"m", True),
        (b"[a-", b"-", True),
        (b"[a-]", b"-", False),
        (b"[a-]", b"]", True),
        (b"[a-c-e]", b"d", False),
        (b"[a-\\]]", b"]", False),
        (b"[a-\xff]", b"b", False),
        (b"[a-\xff]", b"A", True),
        (b"[\x80-\xff]", b"\x90", True),
    ],
)
def test_what_the_real_server_does(pattern: bytes, string: bytes, expected: bool) -> None:
    assert glob.match(pattern, string) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"MAXclients", True),
        (b"maxclient[S]", True),
        (b"maxclient[R-T]", True),
        (b"maxclient[Z-a]", False),
        (b"maxclient[\\S]", False),
        (b"maxclient[\\s]", True),
        (b"MAXCLIENT\\S*", True),
        (b"max@lients", False),
    ],
)
def test_ignoring_case(pattern: bytes, expected: bool) -> None:
    assert glob.match(pattern, b"maxclients", nocase=True) is expected


@pytest.mark.parametrize("count", [20, 400, 5000])
def test_hostile_patterns_end(count: int) -> None:
    hostile = glob.compile(b"a*" * count + b"b")
    assert not hostile(b"a" * 20_000)
    assert hostile(b"a" * 20_000 + b"b")


@given(
    st.lists(st.sampled_from([b"a", b"b", b"*", b"?", b"[ab]", b"[^a]", b"[a", b"\\*", b"]", b"-"]), max_size=8),
    st.lists(st.sampled_from([b"a", b"b", b"*", b"]", b"-"]), max_size=8),
)
def test_both_ways_of_matching_agree(tokens: list[bytes], letters: list[bytes]) -> None:
    pattern, string = b"".join(tokens), b"".join(letters)
    padded = b"z" * 2000 + pattern  # long enough to be walked instead of compiled
    assert glob.match(padded, b"z" * 2000 + string) is glob.match(b"z" + pattern, b"z" + string)


def test_literal_prefix() -> None:
    assert glob.literal_prefix(b"user:*:name") == b"user:"
    assert glob.literal_prefix(b"user") == b"user"
    assert glob.literal_prefix(b"a\\b") == b"a"
    assert glob.is_literal(b"user")
    assert not glob.is_literal(b"us?r")
