"""Commands out of append-only files: any cut, comments, offsets, and bytes that are no command."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.errors import AofError
from kvcore.storage.aof_reader import MAX_ANNOTATION, AofReader

Argv = list[bytes]


def encoded(argv: Argv) -> bytes:
    return b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in argv)


@given(
    st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=6), max_size=10),
    st.lists(st.integers(0, 400), max_size=12),
)
def test_commands_and_offsets_do_not_depend_on_the_cuts(commands: list[Argv], cuts: list[int]) -> None:
    data = b"".join(map(encoded, commands))
    ends = [len(b"".join(map(encoded, commands[: count + 1]))) for count in range(len(commands))]
    reader = AofReader()
    found: list[tuple[Argv, int]] = []
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        found += reader.feed(data[start:end])
    found += reader.feed(b"", last=True)
    assert found == list(zip(commands, ends, strict=True))
    assert (reader.offset, reader.pending) == (len(data), 0)


@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=6), min_size=1, max_size=5), st.data())
def test_a_file_cut_anywhere_yields_the_whole_commands_before_the_cut(
    commands: list[Argv], data: st.DataObject
) -> None:
    text = b"".join(map(encoded, commands))
    cut = data.draw(st.integers(0, len(text)))
    reader = AofReader()
    found = reader.feed(text[:cut], last=True)
    assert [argv for argv, _ in found] == commands[: len(found)]
    assert reader.offset == (found[-1][1] if found else 0)
    assert reader.offset + reader.pending == cut
    whole = AofReader().feed(text, last=True)
    assert len(found) == sum(end <= cut for _, end in whole)


def test_comments_stand_between_commands() -> None:
    reader = AofReader()
    text = b"#TS:1700000000\r\n" + encoded([b"PING"]) + b"# by hand\n#\n" + encoded([b"GET", b"#k"])
    assert [argv for argv, _ in reader.feed(text)] == [[b"PING"], [b"GET", b"#k"]]
    assert reader.offset == len(text)


def test_a_long_value_in_many_pieces_is_joined_a_few_times_only() -> None:
    value = b"x" * 3_000_000
    text = encoded([b"SET", b"k", value])
    reader = AofReader()
    found = [reader.feed(text[at : at + 1000]) for at in range(0, len(text), 1000)]
    found.append(reader.feed(b"", last=True))
    assert [argv for part in found for argv, _ in part] == [[b"SET", b"k", value]]


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (b"PING\r\n", 0),
        (b"*0\r\n", 4),
        (b"*-1\r\n", 0),
        (b"*x\r\n", 0),
        (b"*+1\r\n$1\r\na\r\n", 0),
        (b"*1\r\nx1\r\n", 4),
        (b"*1\r\n$-1\r\n", 4),
        (b"*1\r\n$1\r\nabc\r\n", 9),
        (b"*" + b"1" * 30, 0),
        (encoded([b"GET", b"k"]) + b"\0\0\0", 20),
        (b"#" * (MAX_ANNOTATION + 1), 0),
    ],
)
def test_bytes_that_are_no_command_are_refused_with_their_offset(text: bytes, offset: int) -> None:
    reader = AofReader()
    if offset == 20:
        assert [argv for argv, _ in reader.feed(text)] == [[b"GET", b"k"]]
        text = b""
    with pytest.raises(AofError, match=rf"Bad file format reading the append only file at offset {offset}$"):
        reader.feed(text, last=True)


def test_a_claim_allocates_nothing() -> None:
    reader = AofReader()
    assert reader.feed(b"*2000000000\r\n$2000000000\r\nabc", last=True) == []
    assert reader.pending == 29


def test_both_ways_of_reading_agree_wherever_the_bytes_are_cut() -> None:
    """Plain commands are read line by line, the others byte by byte; in a file they come mixed."""
    words: list[list[bytes]] = [
        [b"SET", b"k", b"v"],
        [b"SET", b"k", b"a\r\nb\r\n"],
        [b"RPUSH", b"l", *(b"%d" % number for number in range(40))],
        [b"SET", b"", b"x" * 600],
        [b"SET", b"k", b"*3\r\n$3\r\n"],
        [b"EXEC"],
    ]
    parts = [encoded(argv) for argv in words]
    data = b"#TS:1\r\n" + b"#bare\n".join(parts) + b"#TS:2\r\n" + b"#\r\n".join(parts)
    for step in (1, 3, 7, 64, 1000, len(data)):
        reader = AofReader()
        found: list[tuple[list[bytes], int]] = []
        for start in range(0, len(data), step):
            found += reader.feed(data[start : start + step])
        while rest := reader.feed(b"", last=True):
            found += rest
        assert [argv for argv, _ in found] == words * 2, step
        assert reader.pending == 0
        for argv, end in found:
            assert data[:end].endswith(encoded(argv))


def test_a_long_value_is_put_together_once() -> None:
    reader = AofReader()
    reader.feed(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n")
    for _ in range(999):
        assert reader.feed(b"x" * 1000) == []
    assert len(reader._pieces) == 1000
    assert reader.feed(b"x" * 1000 + b"\r\n")[0][0][2] == b"x" * 1_000_000
