"""Streams without groups beside the real server."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, check, run_sequence


def test_ids(pair: Pair) -> None:
    check(
        pair,
        r"""
        XADD s 1-1 a 1
        XADD s 1-1 a 1
        XADD s 1-0 a 1
        XADD s 1-* a 1
        XADD s 2 a 1
        XADD s 2-* a 1
        XADD s 1-* a 1
        XADD s 5-* a 1
        XADD s 0-0 a 1
        XADD s 0-* a 1
        XADD z 0-* a 1
        XADD z 0-* a 1
        XADD z 0 a 1
        XADD s foo a 1
        XADD s "" a 1
        XADD s - a 1
        XADD s + a 1
        XADD s (9 a 1
        XADD s 9- a 1
        XADD s -9 a 1
        XADD s 9-9-9 a 1
        XADD s 9-x a 1
        XADD s 9-*x a 1
        XADD s x-* a 1
        XADD s "\x00" a 1
        XADD s "9-9\x00junk" a 1
        XADD s " 10-1" a 1
        XADD s +11-+1 a 1
        XADD s 0012-0001 a 1
        XADD s 13--1 a 1
        XADD s "13 -1" a 1
        XADD s "13- 1" a 1
        XADD t 5--01 a 1
        XADD t 6--00000000000000000000000000018446744073709551614 a 1
        XADD t 6-00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000007 a 1
        XADD t 6-0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000007 a 1
        XADD t 18446744073709551616 a 1
        XADD t 99999999999999999999999 a 1
        XADD t 18446744073709551615 a 1
        XADD t 18446744073709551615-18446744073709551615 a 1
        XADD t * a 1
        XADD t 18446744073709551615-* a 1
        XADD t 7-7 a 1
        XADD u 5-18446744073709551615 a 1
        XADD u 5-* a 1
        XADD u 6-* a 1
        XADD v 18446744073709551615-18446744073709551614 a 1
        XADD v * a 1
        XADD v * a 1
        XADD w 99999999999999 a 1
        XADD w * a 1
        XRANGE s - +
        XRANGE t - +
        XRANGE u - +
        """,  # noqa: E501
    )


def test_automatic_ids(pair: Pair) -> None:
    pair.matches(r"^\d{13}-0$", "XADD", "s", "*", "a", "1")
    pair.matches(r"^\d{13}-\d$", "XADD", "s", "*", "a", "1")
    pair.both("XLEN", "s")


def test_adding(pair: Pair) -> None:
    check(
        pair,
        r"""
        XADD s NOMKSTREAM 1 a 1
        EXISTS s
        XADD s NOMKSTREAM * a
        XADD s 1 a
        XADD s 1 a b c
        XADD s 1
        XADD s * a
        XADD s MAXLEN
        XADD s MAXLEN 5 1
        XADD s MAXLEN 5 1-1
        XADD s MAXLEN x 1 a 1
        XADD s MAXLEN ~ x 1 a 1
        XADD s MAXLEN -1 1 a 1
        XADD s MAXLEN = -1 1 a 1
        XADD s MINID x 1 a 1
        XADD s MINID - 1 a 1
        XADD s MAXLEN 1 MINID 1 1 a 1
        XADD s MAXLEN 1 MAXLEN 1 1 a 1
        XADD s LIMIT x 1 a 1
        XADD s LIMIT -1 1 a 1
        XADD s LIMIT 5 1 a 1
        XADD s LIMIT 0 1 a 1
        XADD s MAXLEN 1 LIMIT 1 2 a 1
        XADD s MAXLEN = 1 LIMIT 0 2 a 1
        XADD s MAXLEN ~ 1 LIMIT 1 2 a 1
        XADD s nomkstream maxlen = 2 3 a 1
        XADD s MAXLEN 2 4 a 1 b 2
        XRANGE s - +
        XADD s MINID 4 5 a 1
        XADD s minid ~ 5 6 a 1
        XRANGE s - +
        XADD s MAXLEN 0 7 a 1
        XLEN s
        EXISTS s
        XINFO STREAM s
        XADD s 8 "" ""
        XADD s 9 "\xff\x00" "\r\n"
        XRANGE s - +
        TYPE s
        OBJECT ENCODING s
        """,
    )


def test_ranges(pair: Pair) -> None:
    for number in range(1, 6):
        pair.both("XADD", "s", f"{number}-1", "n", number)
        pair.both("XADD", "s", f"{number}-2", "n", number, "m", 2)
    check(
        pair,
        """
        XRANGE s - +
        XREVRANGE s + -
        XRANGE s 2 3
        XREVRANGE s 3 2
        XRANGE s 2-2 3-1
        XRANGE s (2-2 (3-2
        XRANGE s (2 (4
        XREVRANGE s (4 (2
        XRANGE s 3 2
        XRANGE s + -
        XREVRANGE s - +
        XRANGE s (5-2 +
        XRANGE s - + COUNT 3
        XREVRANGE s + - COUNT 3
        XRANGE s - + COUNT 1 COUNT 2
        XRANGE s - + COUNT 0
        XRANGE s - + COUNT -5
        XRANGE s - + COUNT x
        XRANGE s - + COUNT
        XRANGE s - + NONSENSE
        XRANGE s x +
        XRANGE s - x
        XRANGE s ( +
        XRANGE s (- +
        XRANGE s (18446744073709551615-18446744073709551615 +
        XRANGE s (18446744073709551615 +
        XRANGE s - (0-0
        XRANGE s - (0
        XREVRANGE s (0-0 -
        XREVRANGE s + (18446744073709551615-18446744073709551615
        XRANGE none - +
        XRANGE none - + COUNT 0
        XRANGE none x +
        XDEL s 2-1 2-2 3-1 9-9
        XRANGE s 2-1 +
        XREVRANGE s 3-1 -
        """,
    )


def test_deleting(pair: Pair) -> None:
    check(
        pair,
        """
        XADD s 1 a 1
        XADD s 2 a 1
        XADD s 3 a 1
        XADD s 4 a 1
        XDEL s 9
        XDEL s 1 1
        XINFO STREAM s
        XDEL s 2 x
        XLEN s
        XDEL s 2 3
        XINFO STREAM s
        XDEL s 4
        EXISTS s
        XINFO STREAM s
        XADD s 4 a 1
        XADD s 5 a 1
        XINFO STREAM s
        XDEL none x
        XDEL none 1
        XLEN none
        """,
    )


def test_trimming(pair: Pair) -> None:
    for number in range(1, 251):
        pair.both("XADD", "s", number, "f", number)
    check(
        pair,
        """
        XTRIM s MAXLEN ~ 200
        XTRIM s MAXLEN ~ 151
        XLEN s
        XTRIM s MAXLEN ~ 150
        XTRIM s MAXLEN = 149
        XTRIM s MAXLEN ~ 60
        XTRIM s MAXLEN ~ 50 LIMIT 98
        XTRIM s MAXLEN ~ 50 LIMIT 99
        XLEN s
        XTRIM s MINID 210
        XTRIM s MINID ~ 220
        XRANGE s - + COUNT 1
        XTRIM s MINID ~ 251
        XTRIM s MINID ~ 251
        XLEN s
        XINFO STREAM s
        XADD s 300 a 1
        XADD s 301 a 1
        XDEL s 301
        XTRIM s MINID 301
        XINFO STREAM s
        XADD s 302 a 1
        XTRIM s MAXLEN 1
        XTRIM s MAXLEN 1
        XINFO STREAM s
        XTRIM s
        XTRIM s NONSENSE 1
        XTRIM s MAXLEN
        XTRIM s MAXLEN 1 NOMKSTREAM
        XTRIM s MAXLEN 1 *
        XTRIM s MAXLEN -1
        XTRIM s MAXLEN x
        XTRIM s MINID x
        XTRIM s MINID +
        XTRIM s MAXLEN ~ 1 LIMIT
        XTRIM s MAXLEN ~ 1 LIMIT x
        XTRIM s MAXLEN ~ 1 LIMIT -1
        XTRIM s MAXLEN 1 LIMIT 5
        XTRIM s LIMIT 5
        XTRIM s LIMIT 0 LIMIT 0
        XTRIM s MAXLEN 1 MINID 1
        XTRIM none MAXLEN 1
        XTRIM none MAXLEN x
        """,
    )


@pytest.mark.parametrize(("entries", "limit"), [(3, 4096), (100, 200), (0, 4096), (200, 0), (1, 0), (130, 1000)])
def test_where_nodes_end(pair: Pair, entries: int, limit: int) -> None:
    pair.config("stream-node-max-entries", entries)
    pair.config("stream-node-max-bytes", limit)
    values = [b"x" * 10, b"-5000", b"127", b"128", b"4096", b"70000", b"99999999999", b"x" * 64, b"007", b"x" * 200]
    for number in range(1, 301):
        fields = ["f", values[number % 10]] if number % 7 else [values[number % 9], 1, "second", values[number % 10]]
        pair.both("XADD", "s", f"{number // 3 * 1000}-{number % 3 + 1}", *fields)
        if number % 11 == 0:
            pair.both("XDEL", "s", f"{number // 3 * 1000}-{number % 3 + 1}")
        if number % 60 == 0:
            pair.both("XINFO", "STREAM", "s")
    for length in range(280, -1, -25):
        pair.both("XTRIM", "s", "MAXLEN", "~", length, "LIMIT", 0)
        pair.both("XINFO", "STREAM", "s")


def test_large_fields_open_nodes(pair: Pair) -> None:
    for number, length in enumerate([1, 4000, 90, 10, 4090, 5000, 20000, 1, 1, 4095, 4096, 70000], 1):
        pair.both("XADD", "s", number, "field", "x" * length)
        pair.both("XINFO", "STREAM", "s")
    for threshold in range(1, 14):
        pair.both("XTRIM", "s", "MINID", "~", threshold)


def test_radix_tree_shape(pair: Pair) -> None:
    pair.config("stream-node-max-entries", 1)
    ids = ["0-1", "0-2", "0-256", "0-65536", "1-0", "1-1", "255-0", "256-0", "257-5", "65536-0", "16777216-1"]
    ids += ["16777217-1", "4294967296-0", "1099511627776-7", "72057594037927936-0", "18446744073709551615-3"]
    for number in ids:
        pair.both("XADD", "s", number, "f", 1)
        pair.both("XINFO", "STREAM", "s")
    for number in ids[::2] + ids[1::2]:
        pair.both("XDEL", "s", number)
        pair.both("XINFO", "STREAM", "s")


def test_reading(pair: Pair) -> None:
    check(
        pair,
        """
        XADD a 1 f 1
        XADD a 2 f 2
        XADD b 1 f 3
        XREAD STREAMS a 0
        XREAD STREAMS a b 1 0
        XREAD STREAMS b a 0 0
        XREAD COUNT 1 STREAMS a b 0 0
        XREAD COUNT 0 STREAMS a 0
        XREAD COUNT -1 STREAMS a 0
        XREAD STREAMS a 2
        XREAD STREAMS a b 2 0
        XREAD STREAMS a $
        XREAD STREAMS none 0
        XREAD STREAMS none a 0 1
        XREAD STREAMS a 18446744073709551615-18446744073709551615
        XREAD count 1 block 5 count 2 streams a 0
        XREAD BLOCK 1 STREAMS a $
        XREAD
        XREAD STREAMS a
        XREAD STREAMS a b 0
        XREAD COUNT 1 COUNT
        XREAD COUNT 1 STREAMS
        XREAD NONSENSE STREAMS a 0
        XREAD COUNT x STREAMS a 0
        XREAD BLOCK x STREAMS a 0
        XREAD BLOCK -1 STREAMS a 0
        XREAD BLOCK 1.5 STREAMS a 0
        XREAD GROUP g c STREAMS a 0
        XREAD NOACK STREAMS a 0
        XREAD STREAMS a >
        XREAD STREAMS a -
        XREAD STREAMS a x
        XREAD STREAMS a none 0 x
        SET text x
        XREAD STREAMS text 0
        XREAD STREAMS a text 0 0
        XREAD STREAMS none text x 0
        MULTI
        XREAD BLOCK 0 STREAMS a $
        XREAD BLOCK 0 STREAMS a 0
        EXEC
        XDEL a 1 2
        XREAD STREAMS a 0
        """,
    )


def test_setting_the_last_id(pair: Pair) -> None:
    check(
        pair,
        """
        XSETID s 1
        XSETID s x
        XADD s 5 a 1
        XADD s 6 a 1
        XADD s 7 a 1
        XSETID s 6
        XSETID s 7-1
        XADD s 7-1 a 1
        XADD s 7-* a 1
        XSETID s 10 ENTRIESADDED 2
        XSETID s 10 ENTRIESADDED x
        XSETID s 10 ENTRIESADDED -1
        XSETID s 10 ENTRIESADDED
        XSETID s 10 ENTRIESADDED 20
        XSETID s 10 MAXDELETEDID 11
        XSETID s 10 MAXDELETEDID x
        XSETID s 10 MAXDELETEDID 9 ENTRIESADDED 30
        XINFO STREAM s
        XSETID s 8
        XSETID s 10 NONSENSE 1
        XSETID s +
        XDEL s 5 6 7 7-2
        XSETID s 9
        XSETID s 12 entriesadded 0 maxdeletedid 0-0
        XINFO STREAM s
        SET text x
        XSETID text 1
        """,
    )


def test_describing(pair: Pair) -> None:
    check(
        pair,
        """
        XINFO STREAM none
        XINFO STREAM none FULL
        XINFO STREAM none NONSENSE
        XINFO GROUPS none
        XADD s 1 a 1
        XADD s 2 a 1 b 2
        XINFO STREAM s
        XINFO STREAM s FULL
        XINFO STREAM s full count 1
        XINFO STREAM s FULL COUNT 0
        XINFO STREAM s FULL COUNT -3
        XINFO STREAM s FULL COUNT x
        XINFO STREAM s FULL COUNT
        XINFO STREAM s FULL NONSENSE 1
        XINFO STREAM s FULL COUNT 1 2
        XINFO STREAM s NONSENSE
        XINFO stream s nonsense
        XINFO GROUPS s
        XINFO CONSUMERS s g
        XINFO NONSENSE s
        XINFO
        XINFO STREAM
        XINFO GROUPS
        XINFO CONSUMERS s
        """,
    )


@pytest.mark.parametrize(
    "line",
    [
        "XADD text * a 1",
        "XADD text NOMKSTREAM * a 1",
        "XADD text 0-0 a 1",
        "XTRIM text MAXLEN 1",
        "XDEL text x",
        "XLEN text",
        "XRANGE text - +",
        "XRANGE text - + COUNT 0",
        "XREVRANGE text + -",
        "XREAD STREAMS text 0",
        "XINFO STREAM text",
        "XINFO STREAM text NONSENSE",
        "XINFO GROUPS text",
        "XINFO CONSUMERS text g",
        "XSETID text 1 ENTRIESADDED",
        "XADD s *",
        "XLEN",
        "XDEL s",
        "XRANGE s -",
        "XREVRANGE s +",
        "XTRIM s MAXLEN",
        "XSETID s",
    ],
)
def test_wrong_type_and_arity(pair: Pair, line: str) -> None:
    check(pair, f"SET text x\n{line}")


def test_copies(pair: Pair) -> None:
    check(
        pair,
        """
        XADD s 1 a 1
        XADD s 2 a 1
        XADD s 3 b 1
        XDEL s 2
        XGROUP CREATE s g 0
        COPY s t
        XADD t 4 a 1
        XGROUP DESTROY t g
        XINFO STREAM s
        XINFO STREAM t
        XRANGE t - +
        XINFO GROUPS s
        RENAME t u
        XRANGE u - +
        DEL s u
        EXISTS s u
        """,
    )


IDS = st.builds(lambda ms, seq: b"%d-%d" % (ms, seq), st.integers(0, 6), st.integers(0, 3))
BOUNDS = IDS | IDS.map(lambda text: b"(" + text) | st.sampled_from([b"-", b"+", b"3", b"(4", b"0-0"])
PAIRS = st.lists(
    st.tuples(st.sampled_from([b"f", b"field"]), st.sampled_from([b"1", b"x" * 70, b"-9000"])), min_size=1, max_size=2
)
NUMBERS = st.integers(0, 6).map(lambda number: b"%d" % number)
STRATEGIES = st.one_of(
    st.tuples(st.just(b"MAXLEN"), st.sampled_from([b"=", b"~"]), NUMBERS),
    st.tuples(st.just(b"MINID"), st.sampled_from([b"=", b"~"]), IDS),
    st.tuples(st.just(b"MAXLEN"), st.just(b"~"), NUMBERS, st.just(b"LIMIT"), NUMBERS),
    st.tuples(st.just(b"MINID"), st.just(b"~"), IDS, st.just(b"LIMIT"), NUMBERS),
)
ADDS = st.builds(
    lambda options, number, pairs: (b"XADD", b"s", *options, number, *(part for pair in pairs for part in pair)),
    st.just(()) | STRATEGIES,
    IDS | st.integers(0, 6).map(lambda ms: b"%d-*" % ms),
    PAIRS,
)
COMMANDS = st.one_of(
    ADDS,
    ADDS,
    ADDS,
    st.builds(lambda ids: (b"XDEL", b"s", *ids), st.lists(IDS, min_size=1, max_size=3)),
    st.builds(lambda words: (b"XTRIM", b"s", *words), STRATEGIES),
    st.tuples(st.just(b"XRANGE"), st.just(b"s"), BOUNDS, BOUNDS),
    st.tuples(st.just(b"XREVRANGE"), st.just(b"s"), BOUNDS, BOUNDS, st.just(b"COUNT"), NUMBERS),
    st.tuples(st.just(b"XREAD"), st.just(b"STREAMS"), st.just(b"s"), IDS),
    st.tuples(st.just(b"XINFO"), st.just(b"STREAM"), st.just(b"s")),
    st.builds(
        lambda number, added, deleted: (b"XSETID", b"s", number, b"ENTRIESADDED", added, b"MAXDELETEDID", deleted),
        IDS,
        NUMBERS,
        IDS,
    ),
)


@settings(max_examples=25, deadline=None)
@given(commands=st.lists(COMMANDS, min_size=5, max_size=60))
def test_random_sequences(pair: Pair, commands: list[tuple[bytes, ...]]) -> None:
    pair.ask("CONFIG", "SET", "stream-node-max-entries", 3)
    try:
        run_sequence(pair, commands)
    finally:
        pair.ask("CONFIG", "SET", "stream-node-max-entries", 100)


def test_events(wire_pair: Pair) -> None:
    wire_pair.config("notify-keyspace-events", "KEAmn")
    listener = wire_pair.client(2)
    listener.both("PSUBSCRIBE", "__keyevent@0__:*")
    check(
        wire_pair,
        """
        XADD s 1 a 1
        XADD s MAXLEN 1 2 a 1
        XADD s MAXLEN ~ 1 3 a 1
        XADD s 3 a 1
        XDEL s 2 3
        XDEL s 9
        XTRIM s MAXLEN 0
        XADD s 4 a 1
        XADD s 5 a 1
        XTRIM s MAXLEN 1
        XSETID s 9
        XADD none NOMKSTREAM 1 a 1
        XREAD STREAMS none 0
        XREAD STREAMS s none 0 0
        XRANGE none - +
        XGROUP CREATE s g $
        XGROUP CREATE t g $ MKSTREAM
        XGROUP SETID s g 0
        XGROUP CREATECONSUMER s g c
        XGROUP CREATECONSUMER s g c
        XREADGROUP GROUP g d STREAMS s >
        XREADGROUP GROUP g e STREAMS s >
        XREADGROUP GROUP g e STREAMS s 0
        XCLAIM s g f 0 5
        XCLAIM s g h 0 55
        XAUTOCLAIM s g i 0 0
        XACK s g 5
        XGROUP DELCONSUMER s g c
        XGROUP DELCONSUMER s g c
        XGROUP DESTROY s g
        XGROUP DESTROY s g
        COPY s u
        DEL s
        """,
    )
    wire_pair.both("SET", "end", "of test")
    message = listener.read()
    while message[-1] != b"end":
        message = listener.read()


@pytest.mark.parametrize(
    "line",
    [
        "XADD s 9 a 1",
        "XADD s MAXLEN 0 9 a 1",
        "XADD s 1 a 1",
        "XDEL s 1",
        "XDEL s 9",
        "XTRIM s MAXLEN 0",
        "XTRIM s MAXLEN 9",
        "XSETID s 9",
        "XGROUP CREATE s h 0",
        "XGROUP CREATE s g 0",
        "XGROUP SETID s g 0",
        "XGROUP DESTROY s g",
        "XGROUP CREATECONSUMER s g c",
        "XREADGROUP GROUP g c STREAMS s >",
        "XREADGROUP GROUP g d STREAMS s 0",
        "XACK s g 1",
        "XCLAIM s g d 0 1",
        "XAUTOCLAIM s g d 0 0",
        "XGROUP DELCONSUMER s g d",
    ],
)
def test_what_breaks_a_watch(wire_pair: Pair, line: str) -> None:
    check(
        wire_pair,
        f"""
        XADD s 1 a 1
        XADD s 2 a 1
        XGROUP CREATE s g 0
        XREADGROUP GROUP g d COUNT 1 STREAMS s >
        WATCH s
        2> {line}
        MULTI
        PING
        EXEC
        WATCH new
        2> XGROUP CREATE new g $ MKSTREAM
        MULTI
        PING
        EXEC
        """,
    )


def test_help(pair: Pair) -> None:
    for container in ("XGROUP", "XINFO"):
        check(pair, f"{container} HELP x")
    for words in (("XGROUP", "HELP"), ("XINFO", "HELP")):
        oracle, kvcore = (reply.native() for reply in pair.ask(*words))
        assert oracle[0] == kvcore[0]
        assert {line.split()[0] for line in oracle if line[:1].isupper()} == {
            line.split()[0] for line in kvcore if line[:1].isupper()
        }
