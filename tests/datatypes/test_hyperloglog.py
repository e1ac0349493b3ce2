"""HyperLogLog: the string's layout against one spelled out register by register, hashing, estimates, broken strings."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.datatypes import hyperloglog
from kvcore.datatypes.hyperloglog import (
    DENSE_BYTES,
    HEADER,
    REGISTERS,
    add,
    cached,
    count,
    describe,
    empty,
    invalidate,
    is_dense,
    is_sketch,
    keep,
    locate,
    murmur64a,
    raise_registers,
    registers,
    to_dense,
    union,
)
from kvcore.errors import CommandError

NEVER = 1 << 40
"""A limit that no sparse sketch reaches."""

ELEMENTS = st.lists(st.integers(0, 400).map(lambda number: b"%d" % number) | st.binary(max_size=20), max_size=60)


def sketch_of(elements: list[bytes], sparse_bytes: int = NEVER) -> bytearray:
    sketch = empty()
    for element in elements:
        add(sketch, element, sparse_bytes)
    return sketch


def model_of(elements: list[bytes]) -> bytes:
    model = bytearray(REGISTERS)
    for element in elements:
        index, value = locate(element)
        model[index] = max(model[index], value)
    return bytes(model)


def numbers(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def coded(codes: bytes) -> bytearray:
    return empty()[:HEADER] + codes


# Hashing


def test_known_hashes() -> None:
    assert murmur64a(b"a") == 0x53D2470A9B43B1A7
    assert locate(b"a") == (12711, 2)
    assert locate(b"foo") == (7348, 5)
    assert locate(b"hello") == (9216, 1)


@given(data=st.binary(max_size=40), block=st.sampled_from([8, 16, 24]))
def test_a_hash_does_not_depend_on_the_blocks_it_is_read_in(data: bytes, block: int) -> None:
    whole = murmur64a(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hyperloglog, "_BLOCK", block)
        assert murmur64a(data) == whole


def test_a_value_is_at_most_51() -> None:
    assert max(locate(element)[1] for element in numbers(3000)) <= 51


# Layout


def test_an_empty_sketch() -> None:
    assert bytes(empty()) == b"HYLL\x01\0\0\0" + b"\0" * 8 + b"\x7f\xff"
    assert registers(empty()) == bytes(REGISTERS)
    assert cached(empty()) == 0


def test_a_small_sketch_is_spelled_as_known() -> None:
    sketch = sketch_of([b"a", b"foo", b"hello"])
    assert sketch[HEADER:].hex() == "5cb390474a804da5844e57"
    assert describe(sketch) == b"Z:7348 v:5,1 Z:1867 v:1,1 Z:3494 v:2,1 Z:3672"
    assert cached(sketch) is None


@given(ELEMENTS)
def test_both_encodings_hold_the_same_registers(elements: list[bytes]) -> None:
    model = model_of(elements)
    sparse = sketch_of(elements)
    dense = sketch_of(elements, 0)
    assert registers(sparse) == registers(dense) == model
    assert is_dense(dense) == any(model)
    to_dense(sparse)
    assert len(sparse) == DENSE_BYTES
    assert registers(sparse) == model


@given(ELEMENTS)
def test_an_addition_says_whether_a_register_changed(elements: list[bytes]) -> None:
    sketches = [empty(), empty()]
    to_dense(sketches[1])
    for element in elements:
        for sketch in sketches:
            before = registers(sketch)
            assert add(sketch, element, NEVER) == (registers(sketch) != before)


def test_codes_stand_for_all_registers_and_no_more() -> None:
    sketch = empty()
    for element in numbers(1500):
        add(sketch, element, NEVER)
        assert len(registers(sketch)) == REGISTERS


def test_a_sketch_outgrows_its_limit() -> None:
    limit = 200
    sketch = empty()
    for element in numbers(200):
        add(sketch, element, limit)
        assert is_dense(sketch) or len(sketch) <= limit
    assert is_dense(sketch)
    assert registers(sketch) == model_of(numbers(200))


def test_a_value_over_32_makes_it_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hyperloglog, "locate", lambda _element: (5, 33))
    sketch = empty()
    assert add(sketch, b"x", NEVER)
    assert is_dense(sketch)
    assert registers(sketch)[5] == 33
    assert not add(sketch, b"x", NEVER)


@pytest.mark.parametrize("seed", range(5))
def test_dense_registers_are_read_and_written_alike(seed: int) -> None:
    packed = Random(seed).randbytes(REGISTERS * 6 // 8)
    sketch = bytearray(b"HYLL" + bytes(12) + packed)
    bits = int.from_bytes(packed, "little")
    for index in (0, 1, 2, 3, 4, 8191, REGISTERS - 2, REGISTERS - 1):
        assert registers(sketch)[index] == bits >> 6 * index & 63
    assert hyperloglog._packed(registers(sketch)) == packed


def test_equal_neighbours_share_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    sketch = empty()
    for index in (3, 1, 2, 0, 4):
        monkeypatch.setattr(hyperloglog, "locate", lambda _element, index=index: (index, 7))
        add(sketch, b"x", NEVER)
    assert describe(sketch) == b"v:7,4 v:7,1 Z:16379"
    monkeypatch.setattr(hyperloglog, "locate", lambda _element: (2, 9))
    add(sketch, b"x", NEVER)
    assert describe(sketch) == b"v:7,2 v:9,1 v:7,2 Z:16379"


# Unions


@given(ELEMENTS, ELEMENTS)
def test_a_union_is_the_sketch_of_both(left: list[bytes], right: list[bytes]) -> None:
    both = union(model_of(left), model_of(right))
    assert both == model_of(left + right)
    for sparse_bytes in (0, 100, NEVER):
        sketch = sketch_of(left, sparse_bytes)
        raise_registers(sketch, both, sparse_bytes)
        assert registers(sketch) == both
        assert cached(sketch) is None


@given(ELEMENTS, ELEMENTS)
def test_raising_gives_the_same_string_as_one_register_after_the_other(left: list[bytes], right: list[bytes]) -> None:
    wanted = union(model_of(left), model_of(right))
    sketch, stepwise = sketch_of(left, 300), sketch_of(left, 300)
    raise_registers(sketch, wanted, 300)
    for index, value in enumerate(wanted):
        if value and not is_dense(stepwise):
            hyperloglog._set_sparse(stepwise, index, value, 300, (HEADER, 0))
        elif value:
            hyperloglog._set_dense(stepwise, index, value)
    invalidate(stepwise)
    assert sketch == stepwise


@given(st.lists(st.integers(0, 63), min_size=8, max_size=8), st.lists(st.integers(0, 63), min_size=8, max_size=8))
def test_the_larger_register_is_taken(left: list[int], right: list[int]) -> None:
    rest = bytes(REGISTERS - 8)
    assert list(union(bytes(left) + rest, bytes(right) + rest)[:8]) == list(map(max, left, right))


# Estimates


@pytest.mark.parametrize(("elements", "estimate"), [(0, 0), (1, 1), (11, 11), (101, 101), (1001, 1009), (20000, 19901)])
def test_known_estimates(elements: int, estimate: int) -> None:
    assert count(model_of([b"e%d" % number for number in range(elements)])) == estimate


def test_estimates_are_near_the_truth() -> None:
    assert abs(count(model_of(numbers(20000))) - 20000) < 20000 * 0.04


@pytest.mark.parametrize("register", [51, 52, 63])
def test_registers_that_no_set_leads_to_have_the_real_servers_estimate(register: int) -> None:
    assert count(bytes((register,)) * REGISTERS) == 1 << 63


def test_the_estimate_in_the_header() -> None:
    sketch = empty()
    keep(sketch, 0x0123456789ABCDEF)
    assert sketch[8:16].hex() == "efcdab8967452301"
    assert cached(sketch) == 0x0123456789ABCDEF
    invalidate(sketch)
    assert cached(sketch) is None
    assert sketch[15] == 0x81


# Strings that are no sketch


@pytest.mark.parametrize(
    ("value", "sketch"),
    [
        (b"", False),
        (b"HYLL\x01" + bytes(10), False),
        (b"HYLL\x01" + bytes(11), True),
        (b"HYLX\x01" + bytes(11), False),
        (b"HYLL\x02" + bytes(11), False),
        (b"HYLL\x00" + bytes(11), False),
        (b"HYLL\x00" + bytes(DENSE_BYTES - 5), True),
        (b"HYLL\x00" + bytes(DENSE_BYTES - 4), False),
    ],
)
def test_what_is_a_sketch(value: bytes, sketch: bool) -> None:
    assert is_sketch(value) is sketch
    assert is_sketch(bytearray(value)) is sketch


@pytest.mark.parametrize(
    "codes",
    [b"", b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f\xff" * 3, b"\x80" * 16383, b"\x40\x00" * 16385, b"\x7f\xff" * 20000],
)
def test_codes_that_are_not_all_registers_are_refused(codes: bytes) -> None:
    for sketch in (coded(codes), bytes(coded(codes))):
        with pytest.raises(CommandError, match="INVALIDOBJ"):
            registers(sketch)
    with pytest.raises(CommandError, match="INVALIDOBJ"):
        to_dense(coded(codes))


def test_a_register_beyond_the_codes_is_refused() -> None:
    with pytest.raises(CommandError, match="INVALIDOBJ"):
        add(coded(b"\x00"), b"a", NEVER)


def test_the_longest_codes_there_can_be_are_read() -> None:
    assert registers(coded(b"\x40\x00" * REGISTERS)) == bytes(REGISTERS)
    assert registers(coded(b"\x80" * REGISTERS)) == b"\x01" * REGISTERS
