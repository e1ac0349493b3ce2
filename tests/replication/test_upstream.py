"""The replica's side of a link: handshake, data set, stream, on a clock that stands still and without a socket."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore import errors
from kvcore.clock import ManualClock
from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.gates import BUSY
from kvcore.replication.primary import Primary
from kvcore.replies import Push
from tests.engine_client import Client
from tests.replication.links import Link
from tests.replication.upstreams import (
    HISTORY,
    MARK,
    OTHER,
    Wire,
    Wires,
    again,
    command,
    shake_hands,
    transfer,
)


@pytest.fixture
def wires(engine: Engine) -> Wires:
    made = Wires()
    engine.network = made
    engine.process.tcp_port = 7001
    return made


@pytest.fixture
def replica(engine: Engine, wires: Wires) -> Primary:
    """Return a server that has just heard REPLICAOF, and has begun to connect."""
    made = Primary(engine)
    assert made.follow("example", 6379) == "OK"
    engine.tick()
    assert len(wires.made) == 1
    return made


def state(replica: Primary) -> str:
    assert replica.upstream is not None
    return replica.upstream.state


@pytest.fixture
def source(clock: ManualClock) -> Engine:
    """Return the data set of the primary."""
    made = Engine(clock=clock, random=random.Random(3))
    client = Client(made)
    client("SET", "k", "v")
    client("RPUSH", "l", 1, 2, 3)
    client("SET", "fleeting", 1, "PX", 5000)
    return made


@pytest.fixture
def wire(replica: Primary, wires: Wires, source: Engine) -> Wire:
    """Return a link that is up, at offset 100."""
    made = wires.last
    shake_hands(made)
    made.give(transfer(source))
    assert made.heard() == [[b"REPLCONF", b"ACK", b"100"]]
    return made


# The handshake


def test_handshake(engine: Engine, replica: Primary, wires: Wires, source: Engine) -> None:
    wire = wires.last
    assert (wire.host, wire.port) == (b"example", 6379)
    assert state(replica) == "connecting"
    asked = shake_hands(wire)
    assert asked == [[b"PSYNC", engine.replication_id.encode(), b"1"]]  # it was a primary, in a history of its own
    assert state(replica) == "handshake"
    wire.give(b"\n\n+FULLRESYNC " + HISTORY.encode() + b" 100\r\n\n")
    assert state(replica) == "sync"
    wire.give(b"\n" + transfer(source).partition(b"\r\n")[2])
    assert state(replica) == "connected"
    assert (engine.replication_id, replica.offset) == (HISTORY, 100)
    assert Client(engine)("GET", "k") == b"v"
    assert wire.heard() == [[b"REPLCONF", b"ACK", b"100"]]


def test_what_the_configuration_has_it_say(engine: Engine, replica: Primary, wires: Wires) -> None:
    assert state(replica) == "connecting"
    for name, value in (
        ("masterauth", "secret"),
        ("masteruser", "me"),
        ("replica-announce-port", "99"),
        ("replica-announce-ip", "1.2.3.4"),
    ):
        engine.config.set(name, value)
    wire = wires.last
    wire.listener.connected()
    wire.heard()
    wire.give(b"-NOAUTH Authentication required.\r\n")
    assert wire.heard() == [
        [b"AUTH", b"me", b"secret"],
        [b"REPLCONF", b"listening-port", b"99"],
        [b"REPLCONF", b"ip-address", b"1.2.3.4"],
        [b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"],
    ]
    wire.give(b"+OK\r\n-ERR what?\r\n-ERR Unrecognized REPLCONF option\r\n")
    assert wire.heard() == []
    wire.give(b"-ERR no\r\n")
    assert wire.heard()[0][0] == b"PSYNC"


def test_password_without_a_user(engine: Engine, replica: Primary, wires: Wires, clock: ManualClock) -> None:
    engine.config.set("masterauth", "secret")
    wire = wires.last
    wire.listener.connected()
    wire.give(b"+PONG\r\n")
    assert wire.heard()[1] == [b"AUTH", b"secret"]
    wire.give(b"-WRONGPASS invalid username-password pair\r\n")
    assert wire.closed
    assert state(replica) == "connect"
    again(engine, wires, clock)


@pytest.mark.parametrize("line", [b"-NOAUTH x", b"-NOPERM x", b"-ERR operation not permitted", b"+whatever"])
def test_answers_to_ping_that_show_a_primary(replica: Primary, wires: Wires, line: bytes) -> None:
    assert state(replica) == "connecting"
    wires.last.listener.connected()
    wires.last.give(line + b"\r\n")
    assert not wires.last.closed


@pytest.mark.parametrize("line", [b"-ERR max number of clients reached", b"-LOADING x", b"-BUSY x"])
def test_answers_to_ping_that_do_not(replica: Primary, wires: Wires, line: bytes) -> None:
    wires.last.listener.connected()
    wires.last.give(line + b"\r\n")
    assert wires.last.closed
    assert state(replica) == "connect"


@pytest.mark.parametrize(
    "line",
    [
        b"-NOMASTERLINK Can't SYNC while not connected with my master",
        b"-LOADING Redis is loading the dataset in memory",
        b"+what",
        b":1",
        b" ",
        b"x" * 70_000,
    ],
)
def test_answers_to_psync_that_have_it_try_again(
    engine: Engine, replica: Primary, wires: Wires, clock: ManualClock, line: bytes
) -> None:
    shake_hands(wires.last)
    wires.last.give(line, b"\r\n")
    assert wires.last.closed
    assert state(replica) == "connect"
    clock.advance(999)
    engine.tick()
    assert len(wires.made) == 1
    assert shake_hands(again(engine, wires, clock, 0.001))[0][0] == b"PSYNC"


def test_a_primary_of_the_old_kind(
    engine: Engine, replica: Primary, wires: Wires, source: Engine, clock: ManualClock
) -> None:
    wire = wires.last
    shake_hands(wire)
    wire.give(b"-ERR unknown command 'PSYNC'\r\n")
    assert wire.sent == b"SYNC\r\n"
    wire.sent = b""
    wire.give(transfer(source).partition(b"\r\n")[2])
    assert state(replica) == "connected"
    wire.give(command("SET", "k", "w"))
    clock.advance(5000)
    engine.tick()
    assert wire.sent == b""  # it would not understand an acknowledgement
    assert Client(engine)("GET", "k") == b"w"
    assert engine.replication_id != HISTORY
    wire.listener.lost("gone")
    next_wire = again(engine, wires, clock, 0)
    assert shake_hands(next_wire) == [[b"PSYNC", b"?", b"-1"]]
    next_wire.give(transfer(source))
    assert next_wire.heard() == [[b"REPLCONF", b"ACK", b"100"]]  # this one does


def test_a_primary_that_marks_the_end_hears_of_it_even_after_sync(
    engine: Engine, replica: Primary, wires: Wires, source: Engine, clock: ManualClock
) -> None:
    wire = wires.last
    shake_hands(wire)
    wire.give(b"-ERR unknown command 'PSYNC'\r\n")
    wire.sent = b""
    wire.give(transfer(source, mark=MARK).partition(b"\r\n")[2])
    assert state(replica) == "connected"
    assert wire.heard() == [[b"REPLCONF", b"ACK", b"0"]]  # it sends nothing before that
    wire.give(command("SET", "k", "w"))
    clock.advance(1000)
    engine.tick()  # the first may have come before the primary was ready
    assert wire.heard() == [[b"REPLCONF", b"ACK", b"%d" % replica.offset]]


@pytest.mark.parametrize("head", [b"+FULLRESYNC", b"+FULLRESYNC short 1", b"+FULLRESYNC " + b"1" * 40 + b" x"])
def test_a_position_that_makes_no_sense(
    engine: Engine, replica: Primary, wires: Wires, source: Engine, head: bytes
) -> None:
    shake_hands(wires.last)
    wires.last.give(head + b"\r\n" + transfer(source).partition(b"\r\n")[2])
    assert state(replica) == "connected"
    assert len(engine.replication_id) == 40
    assert replica.position == ("", 0)


def test_all_answers_in_one_read(engine: Engine, replica: Primary, wires: Wires) -> None:
    wires.last.listener.connected()
    wires.last.give(b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n")
    assert state(replica) == "connected"
    assert engine.sessions  # the primary's
    replica.lead()
    assert not engine.sessions


def test_no_thread_to_connect_on(engine: Engine, wires: Wires, clock: ManualClock) -> None:
    wires.refuses = True
    made = Primary(engine)
    made.follow("example", 1)
    engine.tick()
    assert state(made) == "connect"
    wires.refuses = False
    again(engine, wires, clock)
    assert state(made) == "connecting"
    wires.last.listener.lost("[Errno 111] Connection refused")
    assert state(made) == "connect"
    again(engine, wires, clock)


def test_replicaof_in_the_configuration(clock: ManualClock) -> None:
    engine = Engine(clock=clock, random=random.Random(1))
    engine.config.assign("replicaof", ("example", "6379"))
    engine.network = wires = Wires()
    engine.process.tcp_port = 7001
    made = Primary(engine)
    engine.tick()
    assert engine.is_replica
    assert shake_hands(wires.last) == [[b"PSYNC", b"?", b"-1"]]
    assert state(made) == "handshake"


# The data set


@pytest.mark.parametrize("mark", [b"", MARK])
@given(cuts=st.lists(st.integers(1, 60), max_size=40))
def test_any_cut_of_the_bytes_gives_the_same(mark: bytes, cuts: list[int]) -> None:
    clock = ManualClock()
    source = Engine(clock=clock, random=random.Random(3))
    client = Client(source)
    for words in (("SET", "k", "v"), ("HSET", "h", "f", "x" * 70), ("SADD", "s", *range(20)), ("SET", "e", 1, "EX", 9)):
        client(*words)
    stream = (
        command("SELECT", 2)
        + b"\n"
        + command("SET", "a", "1")
        + command("MULTI")
        + command("INCR", "a")
        + command("SELECT", 3)
        + command("RPUSH", "l", "x\r\ny")
        + command("EXEC")
        + command("REPLCONF", "GETACK", "*")
        + command("SET", "last", "1")
    )
    engine = Engine(clock=clock, random=random.Random(4))
    engine.network = wires = Wires()
    engine.process.tcp_port = 7001
    replica = Primary(engine)
    replica.follow("example", 1)
    engine.tick()
    below = Link(engine)
    shake_hands(wires.last)
    wires.last.give_bytes(transfer(source, mark=mark) + stream, cuts)
    assert state(replica) == "connected"
    assert replica.offset == 100 + len(stream)
    at_question = 100 + stream.index(b"*3\r\n$8\r\nREPLCONF")
    acknowledged = wires.last.heard()
    assert acknowledged == [[b"REPLCONF", b"ACK", b"%d" % offset] for offset in (100, at_question)]
    for words in (("SELECT", 2), ("SET", "a", "2"), ("SELECT", 3), ("RPUSH", "l", "x\r\ny"), ("SET", "last", "1")):
        client(*words)
    assert dataset_digest(engine.keyspace.databases) == dataset_digest(source.keyspace.databases)
    assert below.continue_from(HISTORY, 101).partition(b"\r\n")[2] == stream  # what it would pass on


@pytest.mark.parametrize("short_of", [1, 4000])
def test_a_last_value_in_two_pieces_is_not_waited_for(
    engine: Engine, replica: Primary, wires: Wires, source: Engine, short_of: int
) -> None:
    Client(source)("SET", "large", "x" * 9000)  # most of it is there when the rest comes: less than came before
    shake_hands(wires.last)
    whole = transfer(source, mark=MARK)
    at = whole.index(b"x" * 9000) + 9000 - short_of
    wires.last.give(whole[:at], whole[at:])
    assert state(replica) == "connected"
    assert Client(engine)("STRLEN", "large") == 9000


def test_a_file_whose_end_comes_too_early(replica: Primary, wires: Wires, source: Engine) -> None:
    Client(source)("SET", "large", "x" * 9000)
    shake_hands(wires.last)
    whole = transfer(source, mark=MARK)
    at = whole.index(b"x" * 9000) + 5000
    wires.last.give(whole[:at], MARK)
    assert wires.last.closed
    assert state(replica) == "connect"


def test_a_mark_that_is_wrong(replica: Primary, wires: Wires, source: Engine) -> None:
    shake_hands(wires.last)
    wires.last.give(transfer(source, mark=MARK)[:-1] + b"x")
    assert wires.last.closed
    assert state(replica) == "connect"


@pytest.mark.parametrize(
    "head", [b"$x", b"$-1", b"*1", b"+OK", b"$EOF:short", b"$" + b"9" * 5000, b"-ERR BGSAVE failed"]
)
def test_a_transfer_that_does_not_begin(replica: Primary, wires: Wires, head: bytes) -> None:
    shake_hands(wires.last)
    wires.last.give(b"+FULLRESYNC " + HISTORY.encode() + b" 1\r\n" + head + b"\r\n")
    assert wires.last.closed
    assert state(replica) == "connect"


@pytest.mark.parametrize("mark", [b"", MARK])
def test_a_broken_file_changes_nothing(
    engine: Engine, replica: Primary, wires: Wires, source: Engine, clock: ManualClock, mark: bytes
) -> None:
    client = Client(engine)
    engine.read_only = False
    assert client("SET", "old", "data") == "OK"
    whole = transfer(source, mark=mark)
    begin = whole.index(b"REDIS0")
    for at in (begin, begin + 30, len(whole) - len(mark) - 12):
        shake_hands(wires.last)
        wires.last.give(whole[:at] + b"\xff\xfe" + whole[at + 2 :])
        assert wires.last.closed, at
        assert state(replica) == "connect"
        assert client("GET", "old") == b"data"
        assert client("DBSIZE") == 1
        again(engine, wires, clock)


@pytest.mark.parametrize("same", [True, False])
def test_the_old_data_set_while_the_new_one_is_on_its_way(
    engine: Engine, wire: Wire, wires: Wires, source: Engine, clock: ManualClock, same: bool
) -> None:
    engine.config.set("repl-diskless-load", "swapdb")
    if not same:
        engine.replication.change_history()
    client = Client(engine)
    for broken in (True, False):
        wires.last.listener.lost("gone")
        shake_hands(again(engine, wires, clock, 0 if broken else 1))
        Client(source)("SET", "k", "new")
        whole = transfer(source, mark=MARK)
        wires.last.give(whole[:-60])
        assert engine.replication.loading()["async_loading"] == int(same)
        assert engine.replication.loading()["loading"] == int(not same)
        assert str(client("GET", "k")) == (str(b"v") if same else errors.LOADING)
        if broken:
            wires.last.listener.lost("gone")
            assert engine.keyspace.garbage  # what had come
            assert client("GET", "k") == b"v"
        else:
            wires.last.give(whole[-60:])
            assert client("GET", "k") == b"new"
        assert engine.replication.loading() == {}
        assert not engine.receiving


def test_too_much_is_not_read_ahead(engine: Engine, wire: Wire, clock: ManualClock) -> None:
    assert wire.listener.delay_ms() == 0
    engine.gate |= BUSY
    wire.give(command("SET", "k", "x" * (1 << 20)))
    assert wire.listener.delay_ms() > 0
    clock.advance(100_000)
    assert wire.listener.delay_ms() > 0  # and the silence is not the primary's
    engine.gate &= ~BUSY
    engine.tick()
    assert wire.listener.delay_ms() == 0
    assert not wire.closed


def test_a_link_lost_in_the_middle_of_a_transfer(
    engine: Engine, replica: Primary, wires: Wires, source: Engine, clock: ManualClock
) -> None:
    client = Client(engine)
    engine.read_only = False
    client("SET", "old", "data")
    shake_hands(wires.last)
    whole = transfer(source)
    wires.last.give(whole[:-20])
    fields = replica.fields()
    assert fields["master_sync_in_progress"] == 1
    assert fields["master_sync_total_bytes"] == len(whole) - whole.index(b"REDIS0")
    assert fields["master_sync_left_bytes"] == 20
    assert 0 < float(fields["master_sync_perc"]) < 100
    assert client("GET", "old") == b"data"
    wires.last.listener.lost("gone")
    assert replica.fields()["master_sync_in_progress"] == 0
    assert client("GET", "old") == b"data"
    shake_hands(again(engine, wires, clock))
    wires.last.give(whole)
    assert client("GET", "old") is None
    assert client("DBSIZE") == 3


def test_the_primary_hears_that_a_transfer_goes_on(
    engine: Engine, replica: Primary, wires: Wires, source: Engine, clock: ManualClock
) -> None:
    shake_hands(wires.last)
    assert state(replica) == "handshake"
    wires.last.give(transfer(source)[:-20])
    for _ in range(3):
        engine.tick()
        assert wires.last.sent == b"\n"
        wires.last.sent = b""
        engine.tick()
        assert wires.last.sent == b""
        clock.advance(1000)


def test_a_new_data_set_is_seen_by_all_who_look(engine: Engine, replica: Primary, wires: Wires, source: Engine) -> None:
    watcher, tracker, reader = Client(engine), Client(engine), Client(engine)
    tracker.session.protocol = 3
    watcher("WATCH", "k")
    tracker("CLIENT", "TRACKING", "on")
    tracker("GET", "k")
    Client(source)("XADD", "s", "1-1", "f", "v")
    reader("XREAD", "BLOCK", 0, "STREAMS", "s", 0)
    assert state(replica) == "connecting"
    shake_hands(wires.last)
    wires.last.give(transfer(source))
    assert tracker.session.outbox == [Push([b"invalidate", None])]
    assert reader.delivered == [[[b"s", [[b"1-1", [b"f", b"v"]]]]]]
    watcher("MULTI")
    watcher("GET", "k")
    assert not isinstance(watcher("EXEC"), list)


def test_functions_come_along(engine: Engine, replica: Primary, wires: Wires, source: Engine) -> None:
    code = "#!lua name=%s\nredis.register_function('%s', function() return 1 end)"
    engine.read_only = False
    Client(engine)("FUNCTION", "LOAD", code % ("old", "old"))
    Client(source)("FUNCTION", "LOAD", code % ("new", "new"))
    shake_hands(wires.last)
    wires.last.give(transfer(source))
    assert state(replica) == "connected"
    names = [library[b"library_name"] for library in Client(engine)("FUNCTION", "LIST")]  # type: ignore[union-attr,index,call-overload]
    assert names == [b"new"]


def test_a_memory_limit_keeps_what_files_tell_of_uses(
    engine: Engine, replica: Primary, wires: Wires, source: Engine
) -> None:
    engine.config.set("maxmemory-policy", "allkeys-lru")
    engine.config.set("maxmemory", "1")
    shake_hands(wires.last)
    wires.last.give(transfer(source) + command("SET", "more", "x" * 1000))
    assert state(replica) == "connected"
    engine.tick()
    client = Client(engine)
    assert client("DBSIZE") == 4  # the primary decides what goes
    engine.config.set("replica-ignore-maxmemory", "no")
    engine.tick()
    client("GET", "k")
    assert client("DBSIZE") == 0


# The stream


def test_commands_and_their_offsets(engine: Engine, replica: Primary, wire: Wire, clock: ManualClock) -> None:
    data = command("SELECT", 3) + command("SET", "a", 1)
    wire.give(data)
    assert replica.offset == 100 + len(data)
    client = Client(engine)
    client("SELECT", 3)
    assert client("GET", "a") == b"1"
    assert wire.heard() == []
    clock.advance(1000)
    engine.tick()
    assert wire.heard() == [[b"REPLCONF", b"ACK", b"%d" % replica.offset]]


def test_the_database_that_the_file_names(engine: Engine, replica: Primary, wires: Wires, source: Engine) -> None:
    shake_hands(wires.last)
    wires.last.give(transfer(source, database=5) + command("SET", "here", 1))
    client = Client(engine)
    client("SELECT", 5)
    assert client("GET", "here") == b"1"
    assert replica.role() == [b"slave", b"example", 6379, b"connected", replica.offset]


def test_a_transaction_is_held_until_its_end(engine: Engine, replica: Primary, wire: Wire) -> None:
    client = Client(engine)
    before = command("SET", "k", "before")
    wire.give(before + command("MULTI") + command("SET", "k", "inside"), command("INCR", "n"))
    assert client("GET", "k") == b"before"
    assert replica.offset == 100 + len(before)
    fields = replica.fields()
    opened = len(command("MULTI") + command("SET", "k", "inside") + command("INCR", "n"))
    assert fields["slave_read_repl_offset"] == 100 + len(before) + opened
    assert fields["slave_repl_offset"] == 100 + len(before)
    wire.give(command("EXEC"))
    assert client("GET", "k") == b"inside"
    assert replica.offset == 100 + len(before) + opened + len(command("EXEC"))


def test_a_link_lost_in_the_middle_of_a_transaction(
    engine: Engine, replica: Primary, wire: Wire, wires: Wires, clock: ManualClock
) -> None:
    before = command("SELECT", 4) + command("SET", "k", "before")
    wire.give(before + command("MULTI") + command("SET", "k", "inside"))
    wire.listener.lost("gone")
    again_wire = again(engine, wires, clock, 0)
    asked = shake_hands(again_wire)
    assert asked == [[b"PSYNC", HISTORY.encode(), b"%d" % (100 + len(before) + 1)]]
    again_wire.give(b"+CONTINUE\r\n" + command("MULTI") + command("SET", "k", "inside") + command("EXEC"))
    client = Client(engine)
    client("SELECT", 4)
    assert client("GET", "k") == b"inside"
    assert engine.replication_id == HISTORY
    assert state(replica) == "connected"


def test_the_primary_goes_on_in_a_history_with_another_name(
    engine: Engine, replica: Primary, wire: Wire, wires: Wires, clock: ManualClock
) -> None:
    below = Link(engine)
    below.continue_from(HISTORY, 101)
    wire.listener.lost("gone")
    shake_hands(again(engine, wires, clock, 0))
    wires.last.give(b"+CONTINUE " + OTHER.encode() + b"\r\n")
    assert engine.replication_id == OTHER
    assert (replica.second_id, replica.second_offset) == (HISTORY, 101)
    assert below.is_ending  # it has to ask again, and hears of the other name
    fresh = Link(engine)
    fresh("REPLCONF", "capa", "psync2")
    assert fresh.continue_from(HISTORY, 101) == b"+CONTINUE " + OTHER.encode() + b"\r\n"


def test_replicas_of_this_one_get_the_same_bytes(engine: Engine, replica: Primary, wire: Wire) -> None:
    below = Link(engine)
    below.continue_from(HISTORY, 101)
    data = command("SELECT", 3) + b"\n" + command("ping") + command("REPLCONF", "GETACK", "*") + command("INCR", "n")
    wire.give(data)
    assert below.read() == data
    engine.read_only = False
    Client(engine)("SET", "own", "write")
    assert below.read() == b""
    fields = replica.fields()
    assert fields["connected_slaves"] == 1
    assert fields["master_repl_offset"] == 100 + len(data)


def test_errors_are_logged_and_change_nothing_else(
    engine: Engine, replica: Primary, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    data = command("LPUSH", "k", 1) + command("NOSUCH") + command("MULTI") + command("INCR", "k") + command("EXEC")
    wire.give(data)
    assert replica.offset == 100 + len(data)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert [line.rpartition(" ")[2] for line in lines] == ["'lpush'", "'<unknown>'", "'incr'"]
    assert engine.statistics.unexpected_errors == 3
    assert not wire.closed


@pytest.mark.parametrize("last", ["CLIENT KILL TYPE master SKIPME no", "REPLICAOF NO ONE"])
def test_a_stream_that_ends_its_own_link(engine: Engine, replica: Primary, wire: Wire, last: str) -> None:
    wire.give(command("SET", "a", 1) + command(*last.split()), command("SET", "a", 2))
    assert wire.closed
    assert replica.upstream is None or state(replica) == "connect"
    assert Client(engine)("GET", "a") == b"1"
    engine.tick()


@pytest.mark.parametrize("data", [b"SET k inline\r\n", b"*1\r\n:3\r\n", b"*2\r\n$-5\r\nab\r\n"])
def test_a_stream_that_makes_no_sense(
    engine: Engine, replica: Primary, wire: Wire, wires: Wires, clock: ManualClock, data: bytes
) -> None:
    good = command("SET", "a", 1)
    wire.give(good, data)
    assert wire.closed
    assert replica.offset == 100 + len(good)
    assert shake_hands(again(engine, wires, clock, 0)) == [[b"PSYNC", b"?", b"-1"]]
    assert Client(engine)("GET", "k") == b"v"


def test_large_values_are_the_primarys_business(engine: Engine, wires: Wires, source: Engine) -> None:
    engine.config.set("proto-max-bulk-len", "1mb")
    made = Primary(engine)
    made.follow("example", 1)
    engine.tick()
    shake_hands(wires.last)
    wires.last.give(transfer(source) + command("SET", "big", b"x" * (2 << 20)))
    assert Client(engine)("STRLEN", "big") == 2 << 20


def test_what_a_client_may_not_the_primary_may(engine: Engine, replica: Primary, wire: Wire) -> None:
    engine.config.set("requirepass", "secret")
    client = Client(engine)
    assert client.error("GET", "k").startswith("NOAUTH")
    engine.config.set("min-replicas-to-write", "3")
    wire.give(command("SET", "k", "w"))
    client("AUTH", "secret")
    assert client("GET", "k") == b"w"
    assert client.error("SET", "k", "x").startswith("READONLY")
    assert replica.offset == 100 + len(command("SET", "k", "w"))


def test_nothing_changes_under_a_script(engine: Engine, replica: Primary, wire: Wire) -> None:
    engine.gate |= BUSY
    first, second = command("SET", "k", 1), command("SET", "k", 2)
    wire.give(first)
    engine.tick()
    assert replica.offset == 100
    assert replica.fields()["slave_read_repl_offset"] == 100 + len(first)
    engine.gate &= ~BUSY
    wire.give(second)  # before a tick: what came first goes first
    assert Client(engine)("GET", "k") == b"2"
    assert replica.offset == 100 + len(first + second)


def test_a_pause_holds_the_stream_up(engine: Engine, replica: Primary, wire: Wire, clock: ManualClock) -> None:
    client = Client(engine)
    client("CLIENT", "PAUSE", 1000, "WRITE")
    wire.give(command("SET", "k", 1))
    assert client("GET", "k") == b"v"
    clock.advance(1001)
    engine.tick()
    engine.tick()
    assert client("GET", "k") == b"1"
    assert replica.offset == 100 + len(command("SET", "k", 1))


def test_times_to_live_end_on_the_primary_alone(engine: Engine, wire: Wire, clock: ManualClock) -> None:
    client = Client(engine)
    clock.advance(6000)
    engine.tick()
    assert client("GET", "fleeting") is None
    assert client("EXISTS", "fleeting") == 0
    assert client("DBSIZE") == 3
    wire.give(command("INCR", "fleeting"))  # the primary has it still
    wire.give(command("PERSIST", "fleeting"))
    assert client("GET", "fleeting") == b"2"
    wire.give(command("SET", "past", "v", "PXAT", 1000))
    assert client("DBSIZE") == 4
    assert client("GET", "past") is None
    wire.give(command("DEL", "past"))
    assert client("DBSIZE") == 3


def test_promoted_it_expires_them(engine: Engine, replica: Primary, wire: Wire, clock: ManualClock) -> None:
    assert not wire.closed
    clock.advance(6000)
    replica.lead()
    assert wire.closed
    engine.tick()
    assert Client(engine)("DBSIZE") == 2
    assert Client(engine)("SET", "k", 1) == "OK"
    assert (replica.second_id, replica.second_offset) == (HISTORY, 101)


# Time


def test_timeouts(engine: Engine, replica: Primary, wires: Wires, source: Engine, clock: ManualClock) -> None:
    engine.config.set("repl-timeout", "10")

    def dies() -> None:
        wire = wires.last
        clock.advance(10_000)
        engine.tick()
        assert not wire.closed
        clock.advance(1)
        engine.tick()
        assert wire.closed
        assert state(replica) == "connect"

    dies()  # connecting
    again(engine, wires, clock)
    shake_hands(wires.last)
    dies()  # no answer to PSYNC
    again(engine, wires, clock)
    shake_hands(wires.last)
    wires.last.give(transfer(source)[:-5])
    dies()
    again(engine, wires, clock)
    shake_hands(wires.last)
    wires.last.give(transfer(source))
    assert state(replica) == "connected"
    dies()
    assert replica.fields()["master_link_status"] == "down"
    again(engine, wires, clock, 0)  # at once
    clock.advance(3000)
    assert replica.fields()["master_link_down_since_seconds"] == 3


def test_the_link_is_a_client_that_can_be_killed(
    engine: Engine, replica: Primary, wire: Wire, wires: Wires, clock: ManualClock
) -> None:
    client = Client(engine)
    listed = client("CLIENT", "LIST", "TYPE", "master")
    text = bytes(listed.text).decode()  # type: ignore[union-attr]
    assert " addr=example:6379 laddr=127.0.0.1:50000 fd=9 " in text
    assert " flags=M " in text
    assert " user=(superuser) " in text
    assert client("CLIENT", "KILL", "TYPE", "master") == 1
    assert wire.closed
    assert client("CLIENT", "KILL", "TYPE", "master") == 0
    wire.listener.received(command("SET", "k", "late"))
    wire.listener.lost("late")
    assert client("GET", "k") == b"v"
    assert shake_hands(again(engine, wires, clock, 0)) == [[b"PSYNC", HISTORY.encode(), b"101"]]
    assert state(replica) == "handshake"


def test_another_primary_is_asked_to_go_on(engine: Engine, replica: Primary, wire: Wire, wires: Wires) -> None:
    wire.give(command("SELECT", 7))
    replica.follow("elsewhere", 6380)
    assert wire.closed
    engine.tick()
    assert (wires.last.host, wires.last.port) == (b"elsewhere", 6380)
    assert shake_hands(wires.last) == [[b"PSYNC", HISTORY.encode(), b"%d" % (replica.offset + 1)]]
    wires.last.give(b"+CONTINUE " + OTHER.encode() + b"\r\n" + command("SET", "seven", 1))
    client = Client(engine)
    client("SELECT", 7)
    assert client("GET", "seven") == b"1"


def test_stale_data_may_be_refused_at_once(engine: Engine, replica: Primary, wire: Wire) -> None:
    engine.config.set("replica-serve-stale-data", "no")
    client = Client(engine)
    assert client("GET", "k") == b"v"
    wire.listener.lost("gone")
    assert client.error("GET", "k").startswith("MASTERDOWN")
    assert client.error("EVAL", "return 1", 0).startswith("MASTERDOWN")
    assert client("CONFIG", "SET", "replica-serve-stale-data", "yes") == "OK"
    assert client("GET", "k") == b"v"
    engine.config.set("replica-serve-stale-data", "no")
    replica.lead()
    assert client("GET", "k") == b"v"


def test_who_waits_is_told_of_the_change(engine: Engine, wires: Wires) -> None:
    waiter, paused = Client(engine), Client(engine)
    made = Primary(engine)
    waiter("BLPOP", "nolist", 0)
    paused("CLIENT", "PAUSE", 100, "WRITE")
    paused("SET", "k", 1)
    made.follow("example", 1)
    assert str(waiter.delivered[0]).startswith("UNBLOCKED")
    assert paused.delivered == []
    paused("CLIENT", "UNPAUSE")
    assert str(paused.delivered[0]).startswith("READONLY")
    assert not wires.made  # that comes with the tick


def test_following_oneself_again_changes_nothing(engine: Engine, replica: Primary, wires: Wires) -> None:
    assert replica.follow("EXAMPLE", 6379) == "OK Already connected to specified master"
    engine.tick()
    assert len(wires.made) == 1
