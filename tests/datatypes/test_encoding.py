"""OBJECT ENCODING of strings; every case was put to redis-server 7.0.15."""

from __future__ import annotations

import pytest

from kvcore.datatypes.encoding import string_encoding


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"0", "int"),
        (b"-1", "int"),
        (b"9223372036854775807", "int"),
        (b"-9223372036854775808", "int"),
        (b"9223372036854775808", "embstr"),
        (b"-0", "embstr"),
        (b"+1", "embstr"),
        (b"007", "embstr"),
        (b"", "embstr"),
        (b"x" * 44, "embstr"),
        (b"x" * 45, "raw"),
        (b"1" * 45, "raw"),
        (bytearray(b"1"), "raw"),
        (bytearray(b""), "raw"),
    ],
)
def test_string_encoding(value: bytes | bytearray, encoding: str) -> None:
    assert string_encoding(value) == encoding
