"""The hyperloglog group beside the real server: replies, and the strings behind the keys to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Argument, Pair, check, run_sequence

HEADER = b"HYLL\x01" + bytes(10) + b"\x80"


def test_a_life(pair: Pair) -> None:
    check(
        pair,
        r"""
        PFADD h
        GET h
        OBJECT ENCODING h
        PFADD h
        PFADD h a foo hello a
        GET h
        PFADD h hello a
        PFADD h "" "\x00" "\xff\xfe" "a rather long element, of more than eight bytes"
        GET h
        PFCOUNT h
        GET h
        PFCOUNT h
        PFCOUNT h none
        PFCOUNT none
        PFCOUNT none nothing
        PFADD g a b c
        PFMERGE d g h none
        GET d
        PFMERGE d
        GET d
        PFCOUNT d g
        PFMERGE new
        GET new
        TYPE new
        OBJECT ENCODING new
        PFDEBUG DECODE d
        PFDEBUG ENCODING d
        PFDEBUG TODENSE d
        PFDEBUG todense d
        PFDEBUG ENCODING d
        PFDEBUG DECODE d
        GET d
        PFMERGE g d
        GET g
        """,
    )
    assert len(pair.both("PFDEBUG", "GETREG", "h")) == 16384
    pair.both("GET", "h")


@pytest.mark.slow
def test_the_self_test(pair: Pair) -> None:
    pair.send("PFSELFTEST")
    assert pair.read(60) == "OK"  # the real server takes seconds


@pytest.mark.parametrize("limit", [3000, 0, 30, 500, 12304, 100_000])
def test_growth_to_the_byte(pair: Pair, limit: int) -> None:
    pair.config("hll-sparse-max-bytes", limit)
    for number in range(0, 2500, 25):
        pair.both("PFADD", "h", *(b"element:%d" % element for element in range(number, number + 25)))
        pair.both("GET", "h")
        if number % 500 == 0:
            pair.both("PFCOUNT", "h")
    pair.both("PFDEBUG", "ENCODING", "h")
    pair.both("PFCOUNT", "h")


def test_estimates_of_large_sets(pair: Pair) -> None:
    for thousand in range(40):
        pair.both("PFADD", "h", *range(thousand * 1000, thousand * 1000 + 1000))
        pair.both("PFCOUNT", "h")
    pair.both("GET", "h")


@pytest.mark.parametrize("limit", [3000, 60, 700])
def test_unions_to_the_byte(pair: Pair, limit: int) -> None:
    pair.config("hll-sparse-max-bytes", limit)
    for key, low, high in (("a", 0, 40), ("b", 30, 300), ("c", 250, 900)):
        pair.both("PFADD", key, *range(low, high))
    for words in (("d", "a", "b"), ("d", "c"), ("e", "c", "b", "a"), ("a", "b"), ("b", "none", "d"), ("c", "a")):
        pair.both("PFMERGE", *words)
        pair.both("GET", words[0])
        pair.both("PFCOUNT", *words)
        pair.both("PFCOUNT", words[0])
        pair.both("GET", words[0])


def test_a_sketch_that_was_set_is_read_and_becomes_plain(pair: Pair) -> None:
    pair.both("SET", "h", HEADER + b"\x7f\xff")
    check(
        pair,
        """
        OBJECT ENCODING h
        PFADD h
        OBJECT ENCODING h
        """,
    )
    pair.both("SET", "h", b"HYLL\x01\x01\x02\x03\x09" + bytes(7) + b"\x7f\xff")
    check(
        pair,
        """
        PFCOUNT h
        OBJECT ENCODING h
        PFCOUNT h h
        PFADD h a
        GET h
        PFDEBUG TODENSE h
        GET h
        """,
    )


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"plain text of some length",
        b"HYLL",
        HEADER[:15],
        b"HYLX" + HEADER[4:] + b"\x7f\xff",
        b"HYLL\x02" + HEADER[5:] + b"\x7f\xff",
        b"HYLL\x00" + HEADER[5:] + b"\x7f\xff",
        b"HYLL\x00" + bytes(12300),
        HEADER,
        HEADER + b"\x7f\xfe",
        HEADER + b"\x7f\xff\x00",
        HEADER + b"\x00" * 300,
        HEADER + b"\x80" * 16384,
        HEADER + b"\x40\x00" * 16384,
        HEADER + b"\x7f\xff" * 40000,
        b"HYLL\x00" + bytes(10) + b"\x80" + b"\xff" * 12288,
        b"HYLL\x00" + bytes(10) + b"\x80" + b"\x33\x5c" * 6144,
    ],
    ids=lambda value: f"{value[:6].hex()}-{value[16:18].hex()}-{len(value)}",
)
def test_strings_that_are_no_sketch_or_a_strange_one(pair: Pair, value: bytes) -> None:
    for words in (
        ("PFADD", "k"),
        ("PFADD", "k", "a"),
        ("PFCOUNT", "k"),
        ("PFCOUNT", "k", "none"),
        ("PFMERGE", "k"),
        ("PFMERGE", "d", "k"),
        ("PFDEBUG", "ENCODING", "k"),
        ("PFDEBUG", "TODENSE", "k"),
        ("PFDEBUG", "GETREG", "k"),
        ("PFDEBUG", "NONSENSE", "k"),
    ):
        pair.both("SET", "k", value)
        pair.both(*words)
        pair.both("GET", "k")
        pair.both("DEL", "d")


@pytest.mark.parametrize(
    "line",
    [
        "PFADD list",
        "PFADD list a",
        "PFCOUNT list",
        "PFCOUNT none list",
        "PFMERGE list",
        "PFMERGE d list",
        "PFDEBUG ENCODING list",
        "PFDEBUG NONSENSE list",
        "PFDEBUG NONSENSE none",
        "PFDEBUG GETREG",
        "PFDEBUG GETREG k 1",
        "PFADD",
        "PFCOUNT",
        "PFMERGE",
        "PFSELFTEST 1",
    ],
)
def test_wrong_type_and_arity(pair: Pair, line: str) -> None:
    check(pair, f"RPUSH list x\n{line}\nEXISTS d")


KEYS = st.sampled_from([b"a", b"b", b"c"])
ELEMENTS = st.integers(0, 2000).map(lambda number: b"%d" % number) | st.binary(max_size=30)
STEPS = st.one_of(
    st.builds(lambda key, elements: (b"PFADD", key, *elements), KEYS, st.lists(ELEMENTS, max_size=8)),
    st.builds(
        lambda key, low, count: (b"PFADD", key, *(b"%d" % number for number in range(low, low + count))),
        KEYS,
        st.integers(0, 1500),
        st.integers(0, 400),
    ),
    st.builds(lambda keys: (b"PFCOUNT", *keys), st.lists(KEYS, min_size=1, max_size=3)),
    st.builds(lambda keys: (b"PFMERGE", *keys), st.lists(KEYS, min_size=1, max_size=3)),
    st.tuples(st.just(b"DEL"), KEYS),
    st.tuples(st.just(b"PFDEBUG"), st.sampled_from([b"DECODE", b"TODENSE", b"ENCODING", b"ENCODING"]), KEYS),
)


@pytest.mark.parametrize("limit", [3000, 150])
@settings(max_examples=10)
@given(steps=st.lists(STEPS, min_size=5, max_size=30))
def test_random_sequences(pair: Pair, limit: int, steps: list[tuple[bytes, ...]]) -> None:
    pair.config("hll-sparse-max-bytes", limit)
    commands: list[tuple[Argument, ...]] = []
    for step in steps:
        commands += [step, ("GET", step[-1] if step[0] == b"PFDEBUG" else step[1])]
    run_sequence(pair, commands)


def test_events(wire_pair: Pair) -> None:
    wire_pair.config("notify-keyspace-events", "KEAmn")
    listener = wire_pair.client(2)
    listener.both("PSUBSCRIBE", "__keyevent@0__:*")
    check(
        wire_pair,
        """
        PFADD h
        PFADD h
        PFADD h a
        PFADD h a
        PFCOUNT h
        PFCOUNT none
        PFCOUNT h none
        PFMERGE d h none
        PFMERGE d
        PFDEBUG TODENSE h
        PFDEBUG ENCODING none
        """,
    )
    wire_pair.both("SET", "end", "of test")
    message = listener.read()
    while message[-1] != b"end":
        message = listener.read()


def test_a_kept_estimate_breaks_a_watch(pair: Pair) -> None:
    check(
        pair,
        """
        PFADD h a
        2> WATCH h
        PFCOUNT h
        2> MULTI
        2> PING
        2> EXEC
        2> WATCH h
        PFCOUNT h
        PFADD h a
        PFDEBUG TODENSE h
        2> MULTI
        2> PING
        2> EXEC
        2> WATCH h
        PFMERGE h
        2> MULTI
        2> PING
        2> EXEC
        """,
    )
