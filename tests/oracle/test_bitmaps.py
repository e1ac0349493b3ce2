"""The bitmap group beside the real server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Argument, Pair, check, run_sequence


def test_single_bits(pair: Pair) -> None:
    check(
        pair,
        """
        SETBIT k 7 1
        SETBIT k 7 1
        SETBIT k 20 0
        GET k
        OBJECT ENCODING k
        SETBIT k 7 0
        GETBIT k 7
        GETBIT k 100
        GETBIT none 0
        SET n 12
        SETBIT n 2 1              # changes nothing, and yet the integer becomes a plain string
        OBJECT ENCODING n
        SETBIT k -1 1
        SETBIT k x 2
        SETBIT k 01 1
        SETBIT k 1 2
        SETBIT k 1 01
        SETBIT k 1 x
        SETBIT k 4294967296 1
        SETBIT k 99999999999999999999 1
        GETBIT k 4294967296
        GETBIT k 4294967295
        GETBIT k #1
        """,
    )


def test_limits_follow_the_directive(pair: Pair) -> None:
    pair.config("proto-max-bulk-len", 1 << 20)
    check(
        pair,
        """
        SETBIT k 8388608 1
        SETBIT k 8388607 1
        STRLEN k
        BITCOUNT k
        BITPOS k 1
        BITPOS k 0 -1
        BITFIELD k SET u8 8388607 255
        STRLEN k
        BITFIELD k GET u8 #1048576
        BITFIELD k GET i64 8388600
        BITFIELD k GET u8 8388608
        """,
    )


def test_counting(pair: Pair) -> None:
    check(
        pair,
        """
        SET k foobar
        SET empty ""
        SET number 1234
        BITCOUNT k
        BITCOUNT empty
        BITCOUNT empty 0 -1
        BITCOUNT empty 0 -1 BIT
        BITCOUNT number
        BITCOUNT k 0 0
        BITCOUNT k 1 1 BYTE
        BITCOUNT k 5 30 bit
        BITCOUNT k 5 -9 BIT
        BITCOUNT k -100 100
        BITCOUNT k 3 1
        BITCOUNT k -1 -2 NONSENSE
        BITCOUNT k 1 -100
        BITCOUNT k 0 -100
        BITCOUNT k 0 -1 NONSENSE
        BITCOUNT k 0
        BITCOUNT k 0 1 BIT 2
        BITCOUNT k x 1 NONSENSE
        BITCOUNT k 1 x
        BITCOUNT none x
        BITCOUNT none
        """,
    )


def test_searching(pair: Pair) -> None:
    check(
        pair,
        r"""
        SET k "\xff\xf0\x00"
        SET ones "\xff\xff"
        SET zeros "\x00\x00\x00"
        SET empty ""
        BITPOS k 0
        BITPOS k 1 2
        BITPOS k 1 -1
        BITPOS k 0 13 -1 BIT
        BITPOS k 0 1 12 BIT
        BITPOS k 0 1 11 BIT
        BITPOS k 1 0 0 byte
        BITPOS k 0 5
        BITPOS k 0 5 1
        BITPOS ones 0
        BITPOS ones 0 0
        BITPOS ones 0 1
        BITPOS ones 0 2
        BITPOS ones 0 0 -1
        BITPOS ones 0 0 -1 BIT
        BITPOS zeros 1
        BITPOS zeros 1 0 -1
        BITPOS empty 0
        BITPOS empty 1
        BITPOS none 0
        BITPOS none 1
        BITPOS none 0 x
        BITPOS none 2
        BITPOS k x
        BITPOS k 1 x
        BITPOS k 1 0 x
        BITPOS k 1 0 x NONSENSE
        BITPOS k 1 x 0 NONSENSE
        BITPOS k 1 0 0 NONSENSE
        BITPOS k 1 0 0 BIT 1
        """,
    )


def test_combining(pair: Pair) -> None:
    check(
        pair,
        r"""
        SET a "\xf0\xff\x0f"
        SET b "\x3c"
        SET n 1234
        BITOP AND d a b
        GET d
        OBJECT ENCODING d
        BITOP or d a b none
        GET d
        BITOP XOR d a b a
        GET d
        BITOP XOR d n
        GET d
        OBJECT ENCODING d
        BITOP NOT d a
        GET d
        BITOP NOT a a
        GET a
        BITOP AND a none other
        EXISTS a
        BITOP AND a none
        RPUSH list x
        BITOP OR list b
        TYPE list
        RPUSH l2 x
        BITOP OR d none l2
        BITOP OR d
        BITOP NOT d a b
        BITOP NAND d a
        BITOP NAND d l2
        """,
    )


def test_long_strings(pair: Pair) -> None:
    length = 200_001
    pair.both("SETRANGE", "a", length - 1, b"\x81")
    pair.both("SETRANGE", "b", 70_000, b"\xaa" * 70_000)
    pair.both("BITOP", "NOT", "n", "a")
    for key in ("a", "b", "n"):
        pair.both("BITCOUNT", key)
        pair.both("BITCOUNT", key, 70_001, -77)
        pair.both("BITCOUNT", key, 560_003, -77, "BIT")
        for bit in (0, 1):
            pair.both("BITPOS", key, bit)
            pair.both("BITPOS", key, bit, 1)
            pair.both("BITPOS", key, bit, 560_003, -9, "BIT")
    for name in ("AND", "OR", "XOR"):
        pair.both("BITOP", name, "d", "b", "n", "b" if name == "XOR" else "n")
        pair.both("GET", "d")


def test_packed_integers(pair: Pair) -> None:
    check(
        pair,
        """
        BITFIELD k INCRBY i5 100 1 GET u4 0
        BITFIELD k SET u8 #1 255 GET i8 8 get u1 #9
        BITFIELD k OVERFLOW SAT INCRBY u8 #1 10
        BITFIELD k OVERFLOW fail INCRBY u8 #1 10 SET u8 0 256 SET i8 0 -129
        BITFIELD k INCRBY u8 #1 10 OVERFLOW SAT SET i8 0 -200 OVERFLOW WRAP SET i8 8 200
        BITFIELD k SET i64 3 -9223372036854775808 INCRBY i64 3 -1 INCRBY u63 3 9223372036854775807
        GET k
        BITFIELD_RO k GET i8 0 OVERFLOW FAIL GET u8 #1
        BITFIELD_RO k
        BITFIELD k
        BITFIELD none
        BITFIELD none GET u63 1000
        EXISTS none
        BITFIELD failed OVERFLOW FAIL SET u8 0 256
        EXISTS failed
        STRLEN failed
        SET n 123
        BITFIELD n SET u8 0 49
        OBJECT ENCODING n
        BITFIELD n INCRBY u8 0 0 SET u8 40 0
        GET n
        """,
    )


def test_saturation_of_what_is_far_off(pair: Pair) -> None:
    for kind in ("i8", "i63", "i64", "u8", "u63", "i1", "u1"):
        for number in (-(2**63), -(2**63) + 127, -(2**63) + 128, -(2**62) - 1, -(2**62), -1, 2**62, 2**63 - 1):
            pair.both("BITFIELD", "k", "OVERFLOW", "SAT", "SET", kind, 5, number, "GET", kind, 5)
            pair.both("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", kind, 5, number)
            pair.both("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", kind, 5, number)


@pytest.mark.parametrize("name", ["BITFIELD", "BITFIELD_RO"])
def test_packed_integers_are_refused(pair: Pair, name: str) -> None:
    for kind in ("u64", "i65", "u0", "i0", "x8", "u", "", "u08", "U8", "u-1"):
        pair.both(name, "k", "GET", kind, 0)
    for offset in (-1, "x", "", "#", "#x", "#-1", "##1", 2**32, 2**63, "#536870912", f"#{2**61}", f"#{2**60}"):
        pair.both(name, "k", "GET", "u8", offset)
    check(
        pair,
        f"""
        {name} k GET
        {name} k GET u8
        {name} k SET u8 0
        {name} k SET u8 0 x
        {name} k SET u8 0 1
        {name} k INCRBY u8 0 1 NONSENSE
        {name} k OVERFLOW
        {name} k OVERFLOW STOP
        {name} k GET u8 0 OVERFLOW
        {name} k GET u8 0 OVERFLOW SAT
        {name} k PUT u8 0 1
        """,
    )


@pytest.mark.parametrize(
    "line",
    [
        "SETBIT list 0 1",
        "GETBIT list 0",
        "GETBIT list x",
        "BITCOUNT list",
        "BITCOUNT list 1",
        "BITPOS list 1",
        "BITPOS list 2",
        "BITOP AND d none list",
        "BITFIELD list",
        "BITFIELD list GET u8 0",
        "BITFIELD list SET u8 0 1",
        "BITFIELD_RO list GET u8 0",
        "BITFIELD_RO list SET u8 0 1",
        "SETBIT k 1",
        "GETBIT k",
        "BITCOUNT",
        "BITPOS k",
        "BITOP AND d",
        "BITFIELD",
        "BITFIELD_RO",
    ],
)
def test_wrong_type_and_arity(pair: Pair, line: str) -> None:
    check(pair, f"RPUSH list x\n{line}")


KEYS = st.sampled_from([b"a", b"b", b"c"])
BITS = st.sampled_from([0, 1])
STARTS = st.integers(-40, 40) | st.sampled_from([0, -1, 2**63 - 1, -(2**63)])
KINDS = st.builds(lambda sign, bits: f"{sign}{bits}", st.sampled_from("iu"), st.integers(1, 64))
PLACES = st.builds(lambda mark, number: f"{mark}{number}", st.sampled_from(["", "#"]), st.integers(0, 40))
NUMBERS = st.integers(-300, 300) | st.integers(-(2**63), 2**63 - 1)
OPERATIONS = st.one_of(
    st.tuples(st.just("GET"), KINDS, PLACES),
    st.tuples(st.sampled_from(["SET", "INCRBY"]), KINDS, PLACES, NUMBERS),
    st.tuples(st.just("OVERFLOW"), st.sampled_from(["WRAP", "SAT", "FAIL"])),
)
STEPS = st.one_of(
    st.tuples(st.just("SET"), KEYS, st.binary(max_size=12)),
    st.tuples(st.just("SETBIT"), KEYS, st.integers(0, 150), BITS),
    st.tuples(st.just("GETBIT"), KEYS, st.integers(0, 150)),
    st.tuples(st.just("BITCOUNT"), KEYS, STARTS, STARTS, st.sampled_from(["BIT", "BYTE"])),
    st.tuples(st.just("BITPOS"), KEYS, BITS, STARTS, STARTS, st.sampled_from(["BIT", "BYTE"])),
    st.tuples(st.just("BITPOS"), KEYS, BITS, STARTS),
    st.tuples(st.just("BITOP"), st.sampled_from(["AND", "OR", "XOR"]), KEYS, KEYS, KEYS),
    st.tuples(st.just("BITOP"), st.just("NOT"), KEYS, KEYS),
    st.builds(
        lambda key, operations: ("BITFIELD", key, *(word for operation in operations for word in operation)),
        KEYS,
        st.lists(OPERATIONS, min_size=1, max_size=4),
    ),
)


@settings(max_examples=20)
@given(steps=st.lists(STEPS, min_size=5, max_size=30))
def test_random_sequences(pair: Pair, steps: list[tuple[Argument, ...]]) -> None:
    commands: list[tuple[Argument, ...]] = []
    for step in steps:
        commands.append(step)
        commands += [("GET", key) for key in (b"a", b"b", b"c") if key in step]
    run_sequence(pair, commands)


def test_events(wire_pair: Pair) -> None:
    wire_pair.config("notify-keyspace-events", "KEAmn")
    listener = wire_pair.client(2)
    listener.both("PSUBSCRIBE", "__keyevent@0__:*")
    check(
        wire_pair,
        """
        SETBIT k 1 1
        SETBIT k 1 1
        SETBIT k 100 0
        GETBIT none 1
        BITCOUNT none
        BITPOS none 1
        BITFIELD k GET u8 0
        BITFIELD none GET u8 0
        BITFIELD k SET u8 0 1 INCRBY u8 0 1
        BITFIELD k SET u8 0 2
        BITFIELD new OVERFLOW FAIL SET u8 0 256
        BITFIELD other OVERFLOW FAIL SET u8 0 256 SET u8 0 0
        BITOP OR d k none
        BITOP OR d none
        BITOP OR d none
        """,
    )
    wire_pair.both("SET", "end", "of test")
    message = listener.read()
    while message[-1] != b"end":
        message = listener.read()
