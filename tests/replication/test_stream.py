"""The stream against plain bytes: every offset finds its byte, and what is forgotten may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.replication.stream import BLOCK_BYTES, Stream
from kvcore.replies import Raw
from kvcore.resp.decoder import Decoder

LIMIT = 1 << 20
SIZES = st.one_of(
    st.integers(0, 300),
    st.sampled_from([BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES]),
)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "trim", "limit"]), SIZES, st.integers(0, 100)), max_size=40)


def joined(stream: Stream, offset: int) -> bytes:
    return b"".join(stream.since(offset))


@given(start=st.integers(0, 10**12), limit=st.integers(1, 4 * BLOCK_BYTES), steps=STEPS)
def test_any_adds_and_trims_match_a_model(start: int, limit: int, steps: list[tuple[str, int, int]]) -> None:
    stream = Stream(start, limit)
    model = b""  # byte k of it has offset start + 1 + k
    written = 0
    for what, size, percent in steps:
        if what == "add":
            data = bytes((written + i) % 251 for i in range(size))
            written += size
            model += data
            stream.add(data)
        elif what == "trim":
            keep_from = stream.first + stream.size * percent // 100
            first, kept = stream.first, stream.size
            stream.trim(keep_from)
            assert first <= stream.first <= max(first, keep_from)
            assert stream.size >= min(kept, stream.limit)
        else:
            stream.limit = max(1, size)
        stream.check()
        assert stream.end == start + len(model)
        assert joined(stream, stream.first) == model[stream.first - start - 1 :]
        for offset in {stream.first, (stream.first + stream.end + 1) // 2, stream.end + 1}:
            assert stream.holds(offset)
            assert joined(stream, offset) == model[offset - start - 1 :]
        assert not stream.holds(stream.first - 1)
        assert not stream.holds(stream.end + 2)


def test_the_first_byte_of_all_has_offset_1() -> None:
    stream = Stream(0, LIMIT)
    assert (stream.first, stream.end, stream.size) == (1, 0, 0)
    assert stream.holds(1)
    stream.add(b"abc")
    assert (stream.first, stream.end, stream.size) == (1, 3, 3)
    assert joined(stream, 3) == b"c"


def test_commands_are_arrays_of_bulk_strings() -> None:
    stream = Stream(0, LIMIT)
    assert stream.add_unit([(0, [b"set", b"k", b""])]) == (
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nset\r\n$1\r\nk\r\n$0\r\n\r\n"
    )


def test_a_database_is_selected_where_it_changes_only() -> None:
    stream = Stream(0, LIMIT)
    ping = [b"PING"]
    assert stream.selected == -1
    assert stream.add_unit([(2, ping)]).startswith(b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*1\r\n")
    assert stream.selected == 2
    assert stream.add_unit([(2, ping)]) == b"*1\r\n$4\r\nPING\r\n"
    assert stream.add_unit([(10, ping)]).startswith(b"*2\r\n$6\r\nSELECT\r\n$2\r\n10\r\n")
    stream.forget_database()
    assert stream.add_unit([(10, ping)]).startswith(b"*2\r\n$6\r\nSELECT\r\n")


def test_the_first_select_of_a_transaction_stands_before_it() -> None:
    stream = Stream(0, LIMIT)
    unit = [(1, [b"MULTI"]), (1, [b"DEL", b"a"]), (3, [b"DEL", b"b"]), (3, [b"EXEC"])]
    data = stream.add_unit(unit)
    decoder = Decoder()
    decoder.feed(data)
    names = [argv[0] for argv in decoder.take()]
    assert names == [b"SELECT", b"MULTI", b"DEL", b"SELECT", b"DEL", b"EXEC"]


def test_what_is_large_is_not_copied() -> None:
    stream = Stream(0, LIMIT)
    stream.add(b"small")
    data = Raw(b"x" * BLOCK_BYTES)
    stream.add(data)
    stream.check()
    assert any(piece is data for piece in stream.since(1))


def test_a_large_transaction_is_forgotten_piece_by_piece() -> None:
    stream = Stream(0, LIMIT)
    writes = [(0, [b"SET", b"k", b"x" * BLOCK_BYTES]) for _ in range(4)]
    data = stream.add_unit([(0, [b"MULTI"]), *writes, (0, [b"EXEC"])])
    stream.check()
    assert joined(stream, 1) == data
    stream.limit = BLOCK_BYTES
    stream.trim(stream.end + 1)
    assert BLOCK_BYTES <= stream.size < 2 * BLOCK_BYTES + 100
    stream.check()


def test_nothing_is_forgotten_that_somebody_needs() -> None:
    stream = Stream(0, 1)
    for _ in range(5):
        stream.add(b"x" * BLOCK_BYTES)
    stream.trim(2 * BLOCK_BYTES + 5)
    assert stream.first == 2 * BLOCK_BYTES + 1
    stream.trim(stream.end + 1)
    assert stream.size == BLOCK_BYTES  # fewer bytes than `limit` are never left
    stream.check()


@pytest.mark.parametrize(("limit", "old"), [(BLOCK_BYTES, False), (BLOCK_BYTES - 1, True)])
def test_whole_blocks_are_old_or_not(limit: int, old: bool) -> None:
    stream = Stream(0, limit)
    stream.add(b"x" * BLOCK_BYTES)
    assert not stream.has_old()
    stream.add(b"y" * BLOCK_BYTES)
    assert stream.has_old() is old
