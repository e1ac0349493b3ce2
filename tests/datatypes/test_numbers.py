"""Which text is a number, and the text of numbers; every case was put to redis-server 7.0.15."""

from __future__ import annotations

from math import copysign, inf, isinf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes.numbers import INT_MAX, INT_MIN, format_double, parse_double, parse_int, read_double


class TestParseInt:
    @given(st.integers(INT_MIN, INT_MAX))
    def test_every_64_bit_integer_in_canonical_form(self, number: int) -> None:
        assert parse_int(b"%d" % number) == number
        assert parse_int(bytearray(b"%d" % number)) == number

    @given(st.integers(max_value=INT_MIN - 1) | st.integers(min_value=INT_MAX + 1))
    def test_nothing_larger(self, number: int) -> None:
        assert parse_int(b"%d" % number) is None

    @pytest.mark.parametrize("number", [0, INT_MAX, INT_MIN])
    def test_limits(self, number: int) -> None:
        assert parse_int(b"%d" % number) == number

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"-",
            b"+1",
            b"-0",
            b"00",
            b"01",
            b"-01",
            b" 1",
            b"1 ",
            b"1\n",
            b"1_0",
            b"--1",
            b"-1-",
            b"1.0",
            b"0x1",
            b"\xb2",
            b"\xd9\xa1",
            b"1\x00",
            b"9223372036854775808",
            b"-9223372036854775809",
            b"1" * 20,
            b"1" * 5000,
        ],
    )
    def test_other_text_is_none(self, text: bytes) -> None:
        assert parse_int(text) is None

    @given(st.binary(max_size=22) | st.text("0123456789-+ _", max_size=22).map(str.encode))
    def test_what_is_taken_is_canonical(self, text: bytes) -> None:
        number = parse_int(text)
        assert number is None or b"%d" % number == text


class TestParseDouble:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            (b"+1", 1.0),
            (b"1.", 1.0),
            (b".5", 0.5),
            (b"-.5e3", -500.0),
            (b"1E+05", 1e5),
            (b"00012", 12.0),
            (b"inf", inf),
            (b"+inf", inf),
            (b"-inf", -inf),
            (b"INF", inf),
            (b"Infinity", inf),
            (b"-iNfinity", -inf),
            (b"0x10", 16.0),
            (b"0X1P3", 8.0),
            (b"0x.8p1", 1.0),
            (b"0x1.8", 1.5),
            (b"+0x1", 1.0),
            (b"1e308", 1e308),
            (b"1e-320", 1e-320),
            (b"2.5e-324", 5e-324),
            (b"0x1.1p-1075", 5e-324),
            (b"0e-400", 0.0),
            (b"0e9999999", 0.0),
            (b"0x0p5", 0.0),
            (b"1.7976931348623158e308", 1.7976931348623157e308),
            (b"0." + b"0" * 5000 + b"1e5001", 1.0),
        ],
    )
    def test_accepted(self, text: bytes, value: float) -> None:
        assert parse_double(text) == value

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b" 1",
            b"1 ",
            b"1\n",
            b"1\x00",
            b"\t1",
            b"\x0b1",
            b"1\x0b",
            b"\x1c1",
            b"+-1",
            b".",
            b"1e",
            b"1e-",
            b"infi",
            b"infinityx",
            b"nan",
            b"NaN",
            b"-nan",
            b"nan(1)",
            b"0x",
            b"0x.",
            b"0x1p",
            b"1_000",
            b"1,5",
            b"1e309",
            b"-1e309",
            b"1e-400",
            b"-1e-400",
            b"0x1p5000",
            b"-0x1p5000",
            b"0x1p-5000",
            b"0x1p-1075",
            b"1e99999999999999999999",
            b"1e-99999999999999999999",
            b"2.4e-324",
            b"1.7976931348623159e308",
            b"0b1",
            b"\x801",
            b"\xd9\xa1",
            b"0x_1",
            b"- 1",
            b"1e5.5",
            b"0x1g",
            b"0x" + b"f" * 257,
            b"1" * 400,
        ],
    )
    def test_refused(self, text: bytes) -> None:
        assert parse_double(text) is None

    def test_negative_zero_keeps_its_sign(self) -> None:
        zero = parse_double(b"-0.0")
        assert zero is not None
        assert copysign(1, zero) == -1

    def test_the_lenient_reader_only_differs_out_of_range(self) -> None:
        assert read_double(b"1e999") == inf
        assert read_double(b"-0x1p5000") == -inf
        assert read_double(b"1e-999") == 0.0
        assert read_double(b"nan") is None
        assert read_double(b" 1") is None

    @given(st.floats(allow_nan=False))
    def test_what_is_formatted_parses_back(self, value: float) -> None:
        assert parse_double(format_double(value)) == value
        if not isinf(value):
            assert parse_double(value.hex().encode()) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, b"0.10000000000000001"),
        (1e17, b"1e+17"),
        (100000.0, b"100000"),
        (-0.0, b"-0"),
        (inf, b"inf"),
        (-inf, b"-inf"),
        (1e-5, b"1.0000000000000001e-05"),
        (5e-324, b"4.9406564584124654e-324"),
        (3.0, b"3"),
    ],
)
def test_format_double(value: float, text: bytes) -> None:
    assert format_double(value) == text
