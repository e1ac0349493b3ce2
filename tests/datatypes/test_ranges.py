"""The text of range bounds; every case was put to redis-server 7.0.15."""

from __future__ import annotations

from math import inf

import pytest

from kvcore.datatypes.ranges import parse_lex_bound, parse_score_bound


@pytest.mark.parametrize(
    ("text", "value", "exclusive"),
    [
        (b"1", 1.0, False),
        (b"(1", 1.0, True),
        (b"+1", 1.0, False),
        (b"", 0.0, False),
        (b"(", 0.0, True),
        (b" 1", 1.0, False),
        (b"\t1", 1.0, False),
        (b"( 1", 1.0, True),
        (b"1\0x", 1.0, False),
        (b"1e999", inf, False),
        (b"-1e999", -inf, False),
        (b"1e-999", 0.0, False),
        (b"(-inf", -inf, True),
        (b"infinity", inf, False),
        (b"0x1p1", 2.0, False),
        (b"1.", 1.0, False),
    ],
)
def test_score_bounds(text: bytes, value: float, exclusive: bool) -> None:
    bound = parse_score_bound(text)
    assert bound is not None
    assert (bound.value, bound.exclusive) == (value, exclusive)


@pytest.mark.parametrize(
    "text",
    [b"1 ", b"((1", b"nan", b"(nan", b"x", b"-", b"+", b"INFI", b"(0x", b"1_0", b"\n(1", b".", b"[1", b"  "],
)
def test_no_score_bounds(text: bytes) -> None:
    assert parse_score_bound(text) is None


@pytest.mark.parametrize(
    ("text", "member", "exclusive", "infinite"),
    [
        (b"-", b"", False, -1),
        (b"+", b"", False, 1),
        (b"[a", b"a", False, 0),
        (b"(a", b"a", True, 0),
        (b"[", b"", False, 0),
        (b"(", b"", True, 0),
        (b"[(x", b"(x", False, 0),
    ],
)
def test_lex_bounds(text: bytes, member: bytes, exclusive: bool, infinite: int) -> None:
    bound = parse_lex_bound(text)
    assert bound is not None
    assert (bound.member, bound.exclusive, bound.infinite) == (member, exclusive, infinite)


@pytest.mark.parametrize("text", [b"", b"a", b"--", b"+a", b"-a", b"]a"])
def test_no_lex_bounds(text: bytes) -> None:
    assert parse_lex_bound(text) is None
