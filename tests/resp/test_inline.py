"""Splitting an inline command into arguments. What the real server does: test_oracle_protocol.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.resp.inline import split_arguments


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        (b"", []),
        (b" \t\v\f ", []),
        (b"SET a b", [b"SET", b"a", b"b"]),
        (b"  SET\ta  b ", [b"SET", b"a", b"b"]),
        (b"a\vb \vc\f", [b"a\vb", b"c\f"]),
        (b"a\rb", [b"a", b"b"]),
        (b'"a b" c', [b"a b", b"c"]),
        (b'""', [b""]),
        (b"'' x", [b"", b"x"]),
        (rb'"\n\r\t\b\a\\\"\q"', [b'\n\r\t\b\a\\"q']),
        (rb'"\x41\xfF\x4"', [b"A\xffx4"]),
        (rb'"\xzz"', [b"xzz"]),
        (rb"'it\'s \n'", [rb"it's \n"]),
        (b'a"b c"', [b"ab c"]),
        (b"a'b c' d", [b"ab c", b"d"]),
        (b'"a"\vb', [b"a", b"b"]),
        (rb"a\b", [rb"a\b"]),
    ],
)
def test_splitting(line: bytes, arguments: list[bytes]) -> None:
    assert split_arguments(line) == arguments


@pytest.mark.parametrize("line", [b'"', b"'", b'"a', b"'a", b'"a"b', b"'a'b", b"""'a'"b\"""", b'"\\"', b"'\\'", b'a"'])
def test_unbalanced(line: bytes) -> None:
    assert split_arguments(line) is None


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_quoted_arguments_come_back(arguments: list[bytes]) -> None:
    line = b" ".join(b'"' + b"".join(b"\\x%02x" % byte for byte in argument) + b'"' for argument in arguments)
    assert split_arguments(line) == arguments
