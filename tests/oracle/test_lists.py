"""The list commands beside the real server: replies and errors, waiting clients, and random sequences."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import NOTHING, Pair, check, run_sequence


def test_pushing(pair: Pair) -> None:
    check(
        pair,
        r"""
        LPUSH k a b c
        RPUSH k 1 2 3
        LRANGE k 0 -1
        LPUSHX k x y
        RPUSHX k z
        LPUSHX absent x
        RPUSHX absent x
        EXISTS absent
        RPUSH bin "\x00\xff\r\n" ''
        LRANGE bin 0 -1
        LLEN k
        LLEN absent
        SET s v
        LPUSH s a
        RPUSHX s a
        LLEN s
        LPUSH k
        RPUSH
        OBJECT ENCODING k
        TYPE k
    """,
    )


def test_popping(pair: Pair) -> None:
    check(
        pair,
        """
        RPUSH k a b c d e f g
        LPOP k
        RPOP k
        LPOP k 0
        LPOP k 2
        RPOP k 2
        RPOP k 9
        EXISTS k
        LPOP k
        LPOP k 1
        RPOP k 0
        LPOP k -1
        LPOP k x
        LPOP k 9223372036854775807
        LPOP k 9223372036854775808
        LPOP k 1 2
        RPOP k 1 2
        SET s v
        LPOP s
        RPOP s 0
        LPOP s -1
    """,
    )


def test_looking_and_changing(pair: Pair) -> None:
    check(
        pair,
        """
        RPUSH k a b c d
        LINDEX k 0
        LINDEX k -1
        LINDEX k 4
        LINDEX k -5
        LINDEX k x
        LINDEX absent x
        LRANGE k 1 2
        LRANGE k -3 -2
        LRANGE k 3 1
        LRANGE k -100 100
        LRANGE k 9 10
        LRANGE k a 1
        LSET k 0 A
        LSET k -1 D
        LSET k 4 x
        LSET k x x
        LSET absent x x
        LINSERT k BEFORE b x
        LINSERT k after b y
        LINSERT k after nothing y
        LINSERT absent before a b
        LINSERT k beside a b
        LRANGE k 0 -1
        LREM k 0 nothing
        LREM k x a
        RPUSH k b b b
        LREM k 1 b
        LREM k -1 b
        LREM k 0 b
        LRANGE k 0 -1
        LTRIM k 1 -2
        LRANGE k 0 -1
        LTRIM k x 1
        LTRIM absent 0 1
        LTRIM k 5 1
        EXISTS k
        SET s v
        LINDEX s x
        LRANGE s a b
        LRANGE s 0 1
        LSET s a b
        LREM s 0 a
        LTRIM s 0 1
        LINSERT s before a b
    """,
    )


def test_lpos(pair: Pair) -> None:
    check(
        pair,
        """
        RPUSH k a b c 1 2 3 c c
        LPOS k c
        LPOS k c RANK 2
        LPOS k c RANK -1
        LPOS k c RANK 9
        LPOS k c COUNT 0
        LPOS k c COUNT 2 RANK -2
        LPOS k c COUNT 0 MAXLEN 7
        LPOS k c MAXLEN 2
        LPOS k c RANK -1 MAXLEN 1
        LPOS k c RANK -9223372036854775808 COUNT 0
        LPOS k c RANK -9223372036854775807 COUNT 0
        LPOS k x
        LPOS k x COUNT 1
        LPOS absent x
        LPOS absent x COUNT 1
        LPOS k c RANK 0
        LPOS k c RANK x
        LPOS k c COUNT -1
        LPOS k c COUNT x
        LPOS k c MAXLEN -1
        LPOS k c MAXLEN x
        LPOS k c FIRST 1
        LPOS k c RANK
        LPOS k
        SET s v
        LPOS s v
    """,
    )


def test_moving(pair: Pair) -> None:
    check(
        pair,
        """
        RPUSH k a b c d
        LMOVE k d LEFT LEFT
        LMOVE k d right LEFT
        LMOVE k d LEFT RIGHT
        LMOVE k k LEFT RIGHT
        RPOPLPUSH k d
        EXISTS k
        RPOPLPUSH d d
        LRANGE d 0 -1
        LMOVE absent d LEFT LEFT
        RPOPLPUSH absent d
        LMOVE k d UP LEFT
        LMOVE k d LEFT DOWN
        LMOVE k d LEFT
        SET s v
        LMOVE s d LEFT LEFT
        LMOVE d s LEFT LEFT
        LMOVE absent s LEFT LEFT
        RPOPLPUSH s d
        RPOPLPUSH d s
        LRANGE d 0 -1
    """,
    )


def test_popping_from_the_first_of_several(pair: Pair) -> None:
    check(
        pair,
        """
        RPUSH b 1 2 3 4
        LMPOP 2 a b LEFT
        LMPOP 2 a b right COUNT 2
        LMPOP 1 b LEFT count 9
        LMPOP 2 a b LEFT
        LMPOP 0 a LEFT
        LMPOP -1 a LEFT
        LMPOP x a LEFT
        LMPOP 99999999999999999999 a LEFT
        LMPOP 9223372036854775807 a LEFT
        LMPOP 2 a LEFT
        LMPOP 1 a UP
        LMPOP 1 a LEFT COUNT
        LMPOP 1 a LEFT COUNT 0
        LMPOP 1 a LEFT COUNT x
        LMPOP 1 a LEFT COUNT 1 COUNT 1
        LMPOP 1 a LEFT LIMIT 1
        SET s v
        LMPOP 2 a s LEFT
        BLMPOP 0 1 s LEFT
        BLMPOP x 0 a LEFT
        BLMPOP x 1 a UP
        BLMPOP -1 1 a LEFT
        BLMPOP 1 1 a LEFT COUNT 0
    """,
    )


def test_waiting_commands_that_need_not_wait(pair: Pair) -> None:
    check(
        pair,
        """
        RPUSH k 1 2 3 4 5 6
        BLPOP absent k 0
        BRPOP k absent 0
        BLMOVE k d LEFT RIGHT 0
        BRPOPLPUSH k d 0
        BLMPOP 0 2 absent k LEFT COUNT 5
        LRANGE d 0 -1
        SET s v
        BLPOP absent s 0
        BRPOPLPUSH d s 0
        BLMOVE s d LEFT LEFT 0
        BLMOVE d d LEFT UP 0
        BLPOP absent 0.01
        BLMOVE absent d LEFT LEFT 0.01
        BRPOPLPUSH absent d 0.01
        BLMPOP 0.01 1 absent LEFT
        MULTI
        BLPOP absent 0
        BRPOP absent 0
        BLMOVE absent d LEFT LEFT 0
        BRPOPLPUSH absent d 0
        BLMPOP 0 1 absent LEFT
        EXEC
    """,
    )


@pytest.mark.parametrize(
    "timeout",
    [
        *["x", "", " 1", "1 ", "nan", "inf", "-inf", "0x", "1e"],
        *["-1", "-0.0011", "-0.002", "-0.0010000000000000001"],
        *["1e400", "9223372036854776", "9.3e15", "1" * 400, "1e-5000", "1e5000"],
    ],
)
def test_time_outs_that_are_refused(pair: Pair, timeout: str) -> None:
    pair.both("BLPOP", "k", timeout)
    pair.both("BLMOVE", "k", "d", "LEFT", "LEFT", timeout)


@pytest.mark.parametrize("timeout", ["1e-5", "0.001", "0.0019", "0x0.01", "+0.002", ".003", "3e-3"])
def test_time_outs_that_pass(pair: Pair, timeout: str) -> None:
    pair.both("BLPOP", "k", timeout)


@pytest.mark.parametrize("timeout", ["-0", "-0.001", "0.0", "9223372036854775", "1e15", "0x10"])
def test_time_outs_that_last(wire_pair: Pair, timeout: str) -> None:
    waiter = wire_pair.client()
    waiter.send("BLPOP", "k", timeout)
    wire_pair.wait_blocked(1)
    wire_pair.both("RPUSH", "k", "v")
    assert waiter.read() == [b"k", b"v"]


def test_waiting_clients_are_served_in_order(wire_pair: Pair) -> None:
    waiters = []
    for number, words in enumerate(
        [
            ("BLPOP", "k", 0),
            ("BRPOP", "other", "k", "k", 0),
            ("BLMPOP", 0, 2, "k", "other", "RIGHT", "COUNT", 2),
            ("BLMOVE", "k", "d", "LEFT", "RIGHT", 0),
            ("BRPOPLPUSH", "k", "d", 0),
            ("BLPOP", "k", 0),
        ]
    ):
        waiters.append(wire_pair.client())
        waiters[-1].send(*words)
        wire_pair.wait_blocked(number + 1)
    wire_pair.both("RPUSH", "k", 1, 2, 3, 4, 5, 6)
    for waiter in waiters[:5]:
        waiter.read()
    wire_pair.both("LRANGE", "d", 0, -1)
    assert waiters[5].read(0.05) is NOTHING
    wire_pair.both("LPUSH", "k", 7)
    assert waiters[5].read() == [b"k", b"7"]


def test_moves_chain_and_errors_pass_the_element_on(wire_pair: Pair) -> None:
    lines = [("BLMOVE", "b", "c", "LEFT", "LEFT", 0), ("BRPOPLPUSH", "a", "b", 0), ("BRPOPLPUSH", "e", "s", 0)]
    waiters = [wire_pair.client() for _ in range(4)]
    for number, (waiter, words) in enumerate(zip(waiters, [*lines, ("BLPOP", "e", 0)], strict=True)):
        waiter.send(*words)
        wire_pair.wait_blocked(number + 1)
    wire_pair.both("SET", "s", "v")
    wire_pair.both("RPUSH", "a", 1)
    wire_pair.both("RPUSH", "e", 2)
    for waiter in waiters:
        waiter.read()
    wire_pair.both("LRANGE", "c", 0, -1)


@pytest.mark.parametrize(
    "lines",
    [
        ["RPUSH x 1", "RENAME x k"],
        ["RPUSH x 1", "COPY x k"],
        ["SELECT 1", "RPUSH k 1", "MOVE k 0", "SELECT 0"],
        ["SELECT 1", "RPUSH k 1", "SWAPDB 0 1", "SELECT 0"],
        ["SET k v", "DEL k", "RPUSH k 1"],
        ["MULTI", "RPUSH k 1", "LPOP k", "RPUSH k 2 3", "EXEC"],
        ["MULTI", "RPUSH k 1", "DEL k", "SET k v", "EXEC", "DEL k", "RPUSH k 2"],
        ["MULTI", "RPUSH other 1", "RPUSH k 2", "EXEC"],
    ],
    ids=str,
)
def test_whatever_makes_the_list_serves(wire_pair: Pair, lines: list[str]) -> None:
    waiter = wire_pair.client()
    waiter.send("BLPOP", "k", "other", 0)
    wire_pair.wait_blocked(1)
    for line in lines:
        wire_pair.both(*line.split())
    waiter.read()
    wire_pair.both("EXISTS", "k", "other")


@pytest.mark.parametrize("reason", ["TIMEOUT", "ERROR"])
@pytest.mark.parametrize("words", [("BLPOP", "k", 0), ("BLMOVE", "k", "d", "LEFT", "LEFT", 0)], ids=str)
def test_client_unblock(wire_pair: Pair, words: tuple[str | int, ...], reason: str) -> None:
    waiter = wire_pair.client()
    identifiers = waiter.ask("CLIENT", "ID")
    waiter.send(*words)
    wire_pair.wait_blocked(1)
    for side, identifier in zip((wire_pair.oracle, wire_pair.kvcore), identifiers, strict=True):
        side.send(("CLIENT", "UNBLOCK", identifier.native(), reason))
    assert wire_pair.read() == 1
    waiter.read()


def test_events(wire_pair: Pair) -> None:
    wire_pair.config("notify-keyspace-events", "KEAn")
    listener = wire_pair.client(protocol=3)
    listener.send("PSUBSCRIBE", "__keyevent@*")
    listener.read_push()
    script = """
        RPUSH k a b c d
        LPUSHX k a
        LPOP k
        RPOP k 2
        LTRIM k 0 -1
        LREM k 0 nothing
        LSET k 0 x
        LINSERT k BEFORE x y
        LMOVE k d LEFT LEFT
        RPOPLPUSH k d
        LMPOP 1 d LEFT
        BLPOP d 0
        RPUSH k a a
        LREM k 0 a
        RPUSH k a a
        LTRIM k 5 6
    """
    check(wire_pair, script)
    wire_pair.both("PUBLISH", "__keyevent@end", "")
    while listener.read_push()[2] != b"__keyevent@end":
        pass


KEYS = st.sampled_from([b"a", b"b", b"c", b"s"])
VALUES = st.sampled_from([b"1", b"2", b"x", b"yy", b""])
NUMBERS = st.sampled_from([b"0", b"1", b"-1", b"2", b"-2", b"5", b"-100", b"100", b"x", b"9223372036854775808"])
ENDS = st.sampled_from([b"LEFT", b"right", b"RIGHT", b"Left", b"up"])
COMMANDS = st.one_of(
    st.tuples(st.sampled_from(["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]), KEYS, VALUES, VALUES, VALUES),
    st.tuples(st.sampled_from(["LPUSH", "RPUSH"]), KEYS, VALUES),
    st.tuples(st.sampled_from(["LPOP", "RPOP", "LLEN", "DEL"]), KEYS),
    st.tuples(st.sampled_from(["LPOP", "RPOP", "LINDEX"]), KEYS, NUMBERS),
    st.tuples(st.just("LINSERT"), KEYS, st.sampled_from([b"BEFORE", b"after", b"on"]), VALUES, VALUES),
    st.tuples(st.sampled_from(["LSET", "LREM"]), KEYS, NUMBERS, VALUES),
    st.tuples(st.sampled_from(["LTRIM", "LRANGE"]), KEYS, NUMBERS, NUMBERS),
    st.tuples(st.just("LMOVE"), KEYS, KEYS, ENDS, ENDS),
    st.tuples(st.just("RPOPLPUSH"), KEYS, KEYS),
    st.tuples(st.just("LMPOP"), st.sampled_from([b"1", b"2", b"3"]), KEYS, KEYS, ENDS),
    st.tuples(st.just("LMPOP"), st.just(b"2"), KEYS, KEYS, ENDS, st.just(b"COUNT"), NUMBERS),
    st.tuples(st.just("LPOS"), KEYS, VALUES, st.sampled_from([b"RANK", b"COUNT", b"MAXLEN"]), NUMBERS),
    st.tuples(st.just("LPOS"), KEYS, VALUES, st.just(b"RANK"), NUMBERS, st.just(b"COUNT"), NUMBERS),
    st.tuples(st.sampled_from(["BLPOP", "BRPOP"]), KEYS, KEYS, st.just(b"0.001")),
    st.tuples(st.just("BLMOVE"), KEYS, KEYS, ENDS, ENDS, st.just(b"0.001")),
    st.just(("SET", b"s", b"v")),
)


@settings(max_examples=40)
@given(commands=st.lists(COMMANDS, max_size=60))
def test_random_sequences(pair: Pair, commands: list[tuple[str | bytes, ...]]) -> None:
    run_sequence(pair, [*commands, *(("LRANGE", key, 0, -1) for key in "abc")])
