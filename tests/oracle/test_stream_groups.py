"""Consumer groups beside the real server. Times differ from side to side: only whether they are long is compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Argument, Pair, check

LONG = 100_000
"""Milliseconds that no test takes."""

TIMES = (b"idle", b"seen-time")


def without_times(reply: Any) -> Any:
    """Leave out of a reply of XINFO when consumers were seen and entries delivered."""
    if isinstance(reply, dict):
        return {name: "time" if name in TIMES else without_times(item) for name, item in reply.items()}
    if not isinstance(reply, list):
        return reply
    if len(reply) in (3, 4) and isinstance(reply[-1], int) and isinstance(reply[-2], int):
        return [*reply[:-2], "time", reply[-1]]  # a pending entry: id, consumer, time, deliveries
    named = [None, *reply][: len(reply)]
    return ["time" if name in TIMES else without_times(item) for name, item in zip(named, reply, strict=True)]


def timeless(pair: Pair, *words: Argument) -> Any:
    """Run a command whose reply holds times; insist on the same reply apart from those."""
    oracle, kvcore = (without_times(reply.native()) for reply in pair.ask(*words))
    assert oracle == kvcore, words
    return oracle


def pending(pair: Pair, *words: Argument) -> None:
    """Compare an extended XPENDING: all but how long ago an entry was delivered."""
    replies = [reply.native() for reply in pair.ask("XPENDING", *words)]
    for reply in replies:
        for entry in reply:
            entry[2] = entry[2] > LONG // 2
    assert replies[0] == replies[1], words


def filled(pair: Pair, entries: int = 5) -> Pair:
    """Give both sides a stream ``s`` with a group ``g`` that has read nothing."""
    for number in range(1, entries + 1):
        pair.both("XADD", "s", number, "n", number)
    pair.both("XGROUP", "CREATE", "s", "g", 0)
    return pair


def test_groups(pair: Pair) -> None:
    check(
        pair,
        r"""
        XGROUP CREATE s g $
        XGROUP CREATE s g x MKSTREAM
        EXISTS s
        XGROUP CREATE s g $ MKSTREAM
        XGROUP CREATE s g $ MKSTREAM
        XADD s 5 a 1
        XGROUP CREATE s all 0
        XGROUP CREATE s last $
        XGROUP CREATE s mid 3 ENTRIESREAD 7
        XGROUP CREATE s unknown 3 entriesread -1 mkstream
        XGROUP CREATE s h 3 ENTRIESREAD -2
        XGROUP CREATE s h 3 ENTRIESREAD x
        XGROUP CREATE s h 3 ENTRIESREAD
        XGROUP CREATE s h 3 NONSENSE
        XGROUP CREATE s h -
        XGROUP CREATE s h +
        XGROUP CREATE s h x
        XGROUP CREATE s h 1 MKSTREAM MKSTREAM MKSTREAM
        XGROUP CREATE s i 1 MKSTREAM MKSTREAM MKSTREAM MKSTREAM
        XGROUP CREATE none i 1 ENTRIESREAD 1 ENTRIESREAD 1
        XGROUP CREATE s "\xff\x00" 1
        XGROUP CREATE s "" 1
        XINFO GROUPS s
        XINFO STREAM s FULL
        XGROUP SETID s g 2
        XGROUP SETID s g $
        XGROUP SETID s g - ENTRIESREAD 3
        XGROUP SETID s g + entriesread 3
        XGROUP SETID s g 1-18446744073709551615
        XGROUP SETID s g x
        XGROUP SETID s g 1 MKSTREAM
        XGROUP SETID s g 1 ENTRIESREAD
        XGROUP SETID s g 1 ENTRIESREAD 1 ENTRIESREAD 1
        XGROUP SETID s none 1
        XGROUP SETID none g x
        XGROUP SETID s "none\x00x" 1
        XGROUP CREATECONSUMER s g c
        XGROUP CREATECONSUMER s g c
        XGROUP CREATECONSUMER s none c
        XGROUP CREATECONSUMER none g c
        XGROUP DELCONSUMER s g c
        XGROUP DELCONSUMER s g c
        XGROUP DELCONSUMER s none c
        XGROUP DELCONSUMER none g c
        XINFO GROUPS s
        XGROUP DESTROY s g
        XGROUP DESTROY s g
        XGROUP DESTROY none g
        XINFO GROUPS s
        XGROUP
        XGROUP NONSENSE
        XGROUP NONSENSE s g 1
        XGROUP CREATE s g
        XGROUP DESTROY s
        XGROUP DESTROY s g x
        XGROUP CREATECONSUMER s g
        XGROUP DELCONSUMER s g c x
        XGROUP setid s g
        XGROUP create s g 0 nonsense
        """,
    )


@pytest.mark.parametrize(
    "line",
    [
        "XGROUP CREATE text g $",
        "XGROUP CREATE text g x MKSTREAM",
        "XGROUP SETID text g x",
        "XGROUP DESTROY text g",
        "XGROUP CREATECONSUMER text g c",
        "XGROUP DELCONSUMER text g c",
        "XREADGROUP GROUP g c STREAMS text >",
        "XACK text g x",
        "XCLAIM text g c x x",
        "XAUTOCLAIM text g c 0 0",
        "XAUTOCLAIM text g c x 0",
        "XPENDING text g",
        "XPENDING text g - + x",
        "XPENDING text g - + 1",
        "XACK s g",
        "XCLAIM s g c 0",
        "XAUTOCLAIM s g c 0",
        "XPENDING s",
        "XREADGROUP GROUP g c STREAMS s",
    ],
)
def test_wrong_type_and_arity(pair: Pair, line: str) -> None:
    check(pair, f"SET text x\n{line}")


def test_reading_new_entries(pair: Pair) -> None:
    check(
        filled(pair),
        """
        XREADGROUP GROUP g a COUNT 2 STREAMS s >
        XREADGROUP GROUP g b COUNT 1 STREAMS s >
        XINFO GROUPS s
        XREADGROUP GROUP g b NOACK STREAMS s >
        XREADGROUP GROUP g b STREAMS s >
        XREADGROUP GROUP g c STREAMS s >
        XREADGROUP GROUP g c BLOCK 1 STREAMS s >
        XINFO GROUPS s
        XPENDING s g
        XADD s 6 n 6
        XREADGROUP GROUP g a STREAMS s 18446744073709551615-18446744073709551615
        XGROUP CREATE s h 2
        XADD t 1 n 1
        XGROUP CREATE t h $
        XREADGROUP GROUP h a COUNT 2 STREAMS s t > >
        XREADGROUP GROUP h a COUNT 0 STREAMS t s > >
        XREADGROUP GROUP h a COUNT -1 STREAMS t s > 0
        XGROUP SETID s h 3
        XREADGROUP GROUP h b COUNT 1 STREAMS s >
        XPENDING s h
        XREADGROUP GROUP h a STREAMS s >
        XPENDING s h
        MULTI
        XREADGROUP GROUP h a BLOCK 0 STREAMS s >
        EXEC
        """,
    )
    pending(pair, "s", "h", "-", "+", 10)


def test_reading_what_is_owed(pair: Pair) -> None:
    check(
        filled(pair),
        """
        XREADGROUP GROUP g a COUNT 4 STREAMS s >
        XREADGROUP GROUP g a STREAMS s 0
        XREADGROUP GROUP g a COUNT 2 STREAMS s 1
        XREADGROUP GROUP g a STREAMS s 4
        XREADGROUP GROUP g a NOACK BLOCK 0 STREAMS s 9
        XREADGROUP GROUP g b STREAMS s 0
        XDEL s 2
        XREADGROUP GROUP g a STREAMS s 0
        XREADGROUP GROUP g a COUNT 2 STREAMS s 0
        XACK s g 1 2
        XREADGROUP GROUP g a STREAMS s 0
        XINFO GROUPS s
        """,
    )
    pending(pair, "s", "g", "-", "+", 10)


def test_reading_errors(pair: Pair) -> None:
    check(
        filled(pair),
        r"""
        XREADGROUP GROUP none c STREAMS s >
        XREADGROUP GROUP g c STREAMS none >
        XREADGROUP GROUP g c STREAMS s none > >
        XREADGROUP GROUP g c STREAMS s none x >
        XREADGROUP GROUP g c STREAMS none s > x
        XREADGROUP GROUP g c STREAMS s $
        XREADGROUP GROUP g c STREAMS s x
        XREADGROUP GROUP g c STREAMS s -
        XREADGROUP GROUP g c STREAMS s s >
        XREADGROUP STREAMS s > > > >
        XREADGROUP STREAMS a b c 1 2 3
        XREADGROUP GROUP g c NOACK STREAMS
        XREADGROUP GROUP g c GROUP g STREAMS s >
        XREADGROUP GROUP g c NONSENSE STREAMS s >
        XREADGROUP GROUP g c COUNT x STREAMS s >
        XREADGROUP GROUP g c BLOCK x STREAMS s >
        XREADGROUP GROUP g c BLOCK -1 STREAMS s >
        XREADGROUP GROUP "g\x00h" c STREAMS s >
        XINFO GROUPS s
        """,
    )


def test_acknowledging(pair: Pair) -> None:
    check(
        filled(pair),
        """
        XACK s g 1
        XREADGROUP GROUP g a COUNT 3 STREAMS s >
        XACK s g 1 1 9 2-0
        XACK s g 3 x
        XACK s g x
        XPENDING s g
        XACK s none x
        XACK none g x
        XACK s g 3
        XPENDING s g
        XINFO GROUPS s
        """,
    )


def test_pending(pair: Pair) -> None:
    check(
        filled(pair),
        """
        XPENDING s g
        XPENDING s none
        XPENDING none g
        XREADGROUP GROUP g b COUNT 2 STREAMS s >
        XREADGROUP GROUP g a COUNT 2 STREAMS s >
        XGROUP CREATECONSUMER s g idle
        XPENDING s g
        XPENDING s g -
        XPENDING s g - +
        XPENDING s g - + x
        XPENDING s g x + 1
        XPENDING s g - x 1
        XPENDING s g IDLE x - + 1
        XPENDING s g IDLE 5 - +
        XPENDING s g IDLE 5
        XPENDING s g (18446744073709551615-18446744073709551615 + 1
        XPENDING s g - (0 1
        XPENDING s g - (0-0 1
        XPENDING s none - + 1
        XPENDING none g - + x
        XPENDING s g - + 10 nobody
        XPENDING s g - + 0
        XPENDING s g - + -1
        XPENDING s g + - 10
        """,
    )
    for words in (
        ("-", "+", 10),
        ("-", "+", 3),
        ("-", "+", 10, "a"),
        ("-", "+", 10, "idle"),
        ("(1", "(4", 10),
        ("2", "3", 10),
        ("-", "+", 10, "a", "ignored"),
        ("IDLE", 0, "-", "+", 10),
        ("idle", LONG, "-", "+", 10),
        ("IDLE", -5, "-", "+", 10, "b"),
    ):
        pending(pair, "s", "g", *words)
    pair.both("XCLAIM", "s", "g", "a", 0, 2, "IDLE", 2 * LONG)
    pending(pair, "s", "g", "IDLE", LONG, "-", "+", 10)
    pending(pair, "s", "g", "IDLE", LONG, "-", "+", 10, "b")


def test_claiming(pair: Pair) -> None:
    check(
        filled(pair),
        r"""
        XREADGROUP GROUP g a COUNT 4 STREAMS s >
        XCLAIM s g b 0 1
        XCLAIM s g b 0 1 JUSTID
        XCLAIM s g b 0 1 2 9 1
        XCLAIM s g c 1000000 3
        XCLAIM s g c 0 5
        XINFO GROUPS s
        XCLAIM s g c 0 5 FORCE
        XCLAIM s g c 0 5 FORCE JUSTID
        XCLAIM s g c -5 3 RETRYCOUNT 7
        XCLAIM s g c 0 3 RETRYCOUNT -7
        XCLAIM s g c 0 3 RETRYCOUNT 0 IDLE 200000
        XCLAIM s g d 100000 3 JUSTID
        XCLAIM s g d 0 3 TIME 1
        XCLAIM s g e 100000 3 TIME -1
        XCLAIM s g e 100000 3
        XCLAIM s g e 0 3 TIME 9999999999999999
        XCLAIM s g f 10000 3
        XCLAIM s g f 0 3 IDLE -9223372036854775808
        XCLAIM s g f 0 3 IDLE 9223372036854775807
        XCLAIM s g f 0 3 IDLE 5 TIME 5
        XCLAIM s g f 0 3 TIME 5 IDLE 5
        XDEL s 2
        XCLAIM s g f 1000000 2
        XCLAIM s g f 0 2 FORCE
        XPENDING s g
        XCLAIM s g f 0 99 LASTID 7
        XCLAIM s g f 0 99 LASTID 6
        XCLAIM s g f 0 3 JUSTID LASTID 8
        XINFO GROUPS s
        XCLAIM s none f x x
        XCLAIM none g f x x
        XCLAIM s g f x 1
        XCLAIM s g f 0 x
        XCLAIM s g f 0 1 2 x
        XCLAIM s g f 0 1 FORCE 2
        XCLAIM s g f 0 - +
        XCLAIM s g f 0 1 IDLE
        XCLAIM s g f 0 1 IDLE x
        XCLAIM s g f 0 1 TIME x
        XCLAIM s g f 0 1 RETRYCOUNT x
        XCLAIM s g f 0 1 LASTID x
        XCLAIM s g f 0 1 nonsense
        XCLAIM s g f 0 1 "non\x00sense"
        XCLAIM s g new 0 FORCE
        XCLAIM s g new 0 JUSTID FORCE
        XINFO GROUPS s
        """,
    )
    pending(pair, "s", "g", "-", "+", 10)


def test_claiming_automatically(pair: Pair) -> None:
    check(
        filled(pair, 30),
        """
        XREADGROUP GROUP g a STREAMS s >
        XAUTOCLAIM s g b 0 0 COUNT 3
        XAUTOCLAIM s g b 0 4 COUNT 3 JUSTID
        XAUTOCLAIM s g b 0 (4 COUNT 3 JUSTID
        XAUTOCLAIM s g b 0 29 COUNT 2 JUSTID
        XAUTOCLAIM s g b 0 30 JUSTID
        XAUTOCLAIM s g b 0 31
        XAUTOCLAIM s g b 0 +
        XAUTOCLAIM s g b 1000000 - COUNT 1
        XAUTOCLAIM s g b 1000000 - COUNT 2 JUSTID
        XAUTOCLAIM s g c 1000000 -
        XINFO GROUPS s
        XDEL s 2 3 5
        XAUTOCLAIM s g c 0 0 COUNT 2
        XAUTOCLAIM s g c 0 3 COUNT 4 JUSTID
        XDEL s 29 30
        XAUTOCLAIM s g c 1000000 28 COUNT 2
        XAUTOCLAIM s g c 1000000 28
        XAUTOCLAIM s g c -5 -
        XPENDING s g
        XAUTOCLAIM s none c 0 0
        XAUTOCLAIM none g c 0 0
        XAUTOCLAIM none g c x 0
        XAUTOCLAIM s g c x 0
        XAUTOCLAIM s g c 0 x
        XAUTOCLAIM s g c 0 0 COUNT
        XAUTOCLAIM s g c 0 0 COUNT x
        XAUTOCLAIM s g c 0 0 COUNT 0
        XAUTOCLAIM s g c 0 0 COUNT -1
        XAUTOCLAIM s g c 0 0 COUNT 576460752303423488
        XAUTOCLAIM s g c 0 0 NONSENSE
        XAUTOCLAIM s g c 0 0 JUSTID JUSTID COUNT 1 COUNT 2
        XAUTOCLAIM s g c 0 (18446744073709551615-18446744073709551615
        """,
    )
    pending(pair, "s", "g", "-", "+", 40)


def test_deleting_consumers_and_groups(pair: Pair) -> None:
    check(
        filled(pair),
        """
        XREADGROUP GROUP g a COUNT 2 STREAMS s >
        XREADGROUP GROUP g b STREAMS s >
        XGROUP DELCONSUMER s g a
        XPENDING s g
        XGROUP DELCONSUMER s g b
        XPENDING s g
        XINFO GROUPS s
        XGROUP DESTROY s g
        XACK s g 1
        XGROUP CREATE s g 0
        XREADGROUP GROUP g a COUNT 2 STREAMS s >
        COPY s t
        XACK t g 1
        XPENDING s g
        XPENDING t g
        XREADGROUP GROUP g a STREAMS t 0
        """,
    )


def test_describing_groups(pair: Pair) -> None:
    check(
        filled(pair, 25),
        """
        XREADGROUP GROUP g b COUNT 12 STREAMS s >
        XREADGROUP GROUP g a COUNT 3 STREAMS s >
        XGROUP CREATE s empty 0
        XINFO CONSUMERS s empty
        XINFO CONSUMERS s none
        """,
    )
    pair.both("XCLAIM", "s", "g", "b", 0, 13, "IDLE", 2 * LONG)
    for words in (("CONSUMERS", "s", "g"), ("STREAM", "s", "FULL"), ("STREAM", "s", "FULL", "COUNT", 2)):
        timeless(pair, "XINFO", *words)
    timeless(pair, "XINFO", "STREAM", "s", "FULL", "COUNT", 0)


NAMES = st.sampled_from([b"a", b"b"])
GROUPS = st.sampled_from([b"g", b"h"])
IDS = st.integers(1, 12).map(lambda ms: b"%d" % ms)
COUNTS = st.integers(1, 4).map(lambda number: b"%d" % number)
COMMANDS = st.one_of(
    st.tuples(st.just(b"XADD"), st.just(b"s"), IDS, st.just(b"f"), st.just(b"v")),
    st.tuples(st.just(b"XADD"), st.just(b"s"), IDS.map(lambda text: text + b"-*"), st.just(b"f"), st.just(b"v")),
    st.tuples(st.just(b"XDEL"), st.just(b"s"), IDS),
    st.tuples(st.just(b"XTRIM"), st.just(b"s"), st.just(b"MAXLEN"), st.sampled_from([b"=", b"~"]), COUNTS),
    st.tuples(st.just(b"XGROUP"), st.just(b"CREATE"), st.just(b"s"), GROUPS, IDS | st.sampled_from([b"0", b"$"])),
    st.tuples(st.just(b"XGROUP"), st.just(b"SETID"), st.just(b"s"), GROUPS, IDS, st.just(b"ENTRIESREAD"), COUNTS),
    st.tuples(st.just(b"XGROUP"), st.just(b"DELCONSUMER"), st.just(b"s"), GROUPS, NAMES),
    st.tuples(
        *(st.just(word) for word in (b"XREADGROUP", b"GROUP")),
        GROUPS,
        NAMES,
        st.just(b"COUNT"),
        COUNTS,
        st.just(b"STREAMS"),
        st.just(b"s"),
        st.sampled_from([b">", b">", b"0", b"3"]),
    ),
    st.tuples(
        *(st.just(word) for word in (b"XREADGROUP", b"NOACK", b"GROUP")),
        GROUPS,
        NAMES,
        *(st.just(word) for word in (b"COUNT", b"1", b"STREAMS", b"s", b">")),
    ),
    st.tuples(st.just(b"XACK"), st.just(b"s"), GROUPS, IDS, IDS),
    st.tuples(
        st.just(b"XCLAIM"), st.just(b"s"), GROUPS, NAMES, st.sampled_from([b"0", b"99999"]), IDS, IDS, st.just(b"FORCE")
    ),
    st.tuples(st.just(b"XCLAIM"), st.just(b"s"), GROUPS, NAMES, st.just(b"0"), IDS, st.just(b"LASTID"), IDS),
    st.tuples(st.just(b"XAUTOCLAIM"), st.just(b"s"), GROUPS, NAMES, st.just(b"0"), IDS, st.just(b"COUNT"), COUNTS),
    st.tuples(st.just(b"XPENDING"), st.just(b"s"), GROUPS),
)


@settings(max_examples=25, deadline=None)
@given(commands=st.lists(COMMANDS, min_size=10, max_size=60))
def test_random_sequences(pair: Pair, commands: list[tuple[bytes, ...]]) -> None:
    pair.flush()
    pair.forget()
    pair.ask("CONFIG", "SET", "stream-node-max-entries", 3)
    try:
        for command in ((b"XGROUP", b"CREATE", b"s", b"g", b"0", b"MKSTREAM"), *commands):
            pair.both(*command)
            pair.both(b"XINFO", b"GROUPS", b"s")
        for group in (b"g", b"h"):
            if not isinstance(pair.both("XPENDING", "s", group), Exception):
                pending(pair, "s", group, "-", "+", 100)
    finally:
        pair.ask("CONFIG", "SET", "stream-node-max-entries", 100)
