"""The primary's side: what replicas say, where they go on, what time does to them, and who waits for them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replication.primary import Primary
from kvcore.replication.replica import ONLINE, SENDING, WAITING
from kvcore.replication.stream import BLOCK_BYTES
from tests.engine_client import Client
from tests.replication.links import Link, settle

SELECT_0 = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
PING = b"*1\r\n$4\r\nping\r\n"
GET_ACK = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"

Connect = Callable[[], Link]


def command(*words: str) -> bytes:
    """Return a command as the stream has it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)


@pytest.fixture
def online(engine: Engine, replica: Link) -> Link:
    """Return a replica that is fed."""
    return attach(engine, replica)


def attach(engine: Engine, link: Link) -> Link:
    link.follow("eof", "psync2")
    settle(engine)
    link.read()
    link.acknowledge(offset_of(engine))
    link.read()
    return link


def offset_of(engine: Engine) -> int:
    offset = engine.replication.fields()["master_repl_offset"]
    assert isinstance(offset, int)
    return offset


def fields(engine: Engine) -> dict[str, str | int]:
    return engine.replication.fields()


# What replicas say of themselves


def test_what_a_replica_says_shows_where_it_is_listed(engine: Engine, primary: Primary, replica: Link) -> None:
    assert replica("REPLCONF", "listening-port", 6380, "ip-address", "replica.example") == "OK"
    replica.follow()
    assert fields(engine)["slave0"] == "ip=replica.example,port=6380,state=wait_bgsave,offset=0,lag=0"
    assert primary.role() == [b"master", 0, []]
    settle(engine)
    assert primary.role() == [b"master", 0, [[b"replica.example", b"6380", b"0"]]]


def test_what_is_said_before_psync_belongs_to_the_session(engine: Engine, primary: Primary, link: Connect) -> None:
    first, second = link(), link()
    first("REPLCONF", "listening-port", 1111)
    second("REPLCONF", "listening-port", 2222)
    for _ in range(1000):
        first("REPLCONF", "capa", "nothing-known")
    assert len(primary._introduced) == 2
    first.hang_up()
    second.follow()
    assert not primary._introduced
    assert ",port=2222," in str(fields(engine)["slave0"])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["listening-port", "x"], "ERR value is not an integer or out of range"),
        (["rdb-only", "2"], "ERR value is out of range, value must between 0 and 1"),
        (["rdb-filter-only", "functions keys"], "ERR Unsupported rdb-filter-only option: keys"),
        (["rdb-filter-only", '"'], "ERR Missing rdb-filter-only values"),
        (["ip-address", "x" * 256], "ERR REPLCONF ip-address provided by replica instance is too long: 256 bytes"),
    ],
)
def test_what_cannot_be(replica: Link, words: list[str], error: str) -> None:
    assert replica.error("REPLCONF", *words) == error


def test_a_filter_needs_marks(engine: Engine, replica: Link) -> None:
    replica("REPLCONF", "rdb-filter-only", "functions")
    assert replica.error("PSYNC", "?", -1) == "ERR Filtered replica requires EOF capability"
    assert fields(engine)["connected_slaves"] == 0


def test_who_has_unread_replies_cannot_become_a_replica(engine: Engine, replica: Link) -> None:
    error = "ERR SYNC and PSYNC are invalid with pending output"
    replica.peer.output_buffer = 1
    assert replica.error("PSYNC", "?", -1) == error
    replica.peer.output_buffer = 0
    replica.session.outbox.append("PONG")
    assert replica.error("SYNC") == error
    assert fields(engine)["connected_slaves"] == 0


def test_psync_of_a_replica_or_a_monitor_is_ignored(engine: Engine, primary: Primary, link: Connect) -> None:
    first, monitor = link(), link()
    first.follow()
    first.follow()
    monitor("MONITOR")
    assert monitor("PSYNC", "?", -1) is None
    assert len(primary.replicas) == 1
    assert engine.replication.counters()["sync_full"] == 1


def test_a_replica_cannot_touch_the_keys(engine: Engine, client: Client, online: Link) -> None:
    assert online.error("SET", "k", "v") == "ERR Replica can't interact with the keyspace"
    assert client("EXISTS", "k") == 0


# The stream


def test_no_stream_before_the_first_replica(engine: Engine, client: Client, link: Connect) -> None:
    client("SET", "k", "v")
    before = fields(engine)
    assert (before["repl_backlog_active"], before["master_repl_offset"]) == (0, 0)
    assert not engine.effects.listening
    attach(engine, link())
    after = fields(engine)
    assert (after["repl_backlog_active"], after["repl_backlog_first_byte_offset"]) == (1, 1)
    assert after["master_replid"] != before["master_replid"]


def test_units_keep_together(client: Client, online: Link) -> None:
    client("SET", "a", 1)
    client("SET", "a", 2)
    assert online.read() == SELECT_0 + command("SET", "a", "1") + command("SET", "a", "2")
    client("MULTI")
    client("INCR", "a")
    client("SELECT", 1)
    client("SET", "b", 1)
    client("EXEC")
    select_1 = command("SELECT", "1")
    inside = command("INCR", "a") + select_1 + command("SET", "b", "1")
    assert online.read() == command("MULTI") + inside + command("EXEC")
    client("EVAL", "redis.call('set', KEYS[1], 1) redis.call('del', KEYS[1])", 1, "s")
    assert online.read() == command("MULTI") + command("set", "s", "1") + command("del", "s") + command("EXEC")


def test_messages_are_a_part_of_the_stream(client: Client, online: Link) -> None:
    client("PUBLISH", "c", "hello")
    assert online.read() == SELECT_0 + command("PUBLISH", "c", "hello")


def test_expired_keys_are_deleted_by_the_primary(
    engine: Engine, client: Client, clock: ManualClock, online: Link
) -> None:
    client("SET", "k", "v", "PX", 100)
    at_ms = engine.now_ms() + 100
    assert online.read() == SELECT_0 + command("SET", "k", "v", "PXAT", str(at_ms))
    clock.advance(101)
    client("GET", "k")
    assert online.read() == command("DEL", "k")


def test_every_replica_gets_the_same_bytes(engine: Engine, client: Client, link: Connect) -> None:
    first, second = (attach(engine, link()) for _ in range(2))
    first.read()
    client("SET", "k", "v")
    assert first.read() == second.read() == SELECT_0 + command("SET", "k", "v")
    first.hang_up()
    client("SET", "k", "w")
    assert second.read() == command("SET", "k", "w")


def test_a_ping_each_period_while_somebody_hears(
    engine: Engine, clock: ManualClock, primary: Primary, online: Link
) -> None:
    engine.config.set("repl-ping-replica-period", "3")
    for second in range(1, 7):
        clock.advance(1000)
        engine.tick()
        assert online.read() == (PING if second % 3 == 0 else b"")
    assert primary.offset == 2 * len(PING)
    online.hang_up()
    clock.advance(10_000)
    engine.tick()
    assert primary.offset == 2 * len(PING)


# Going on


def test_going_on_sends_what_is_lacking(engine: Engine, client: Client, online: Link, link: Connect) -> None:
    client("SET", "k", "v")
    sent = online.read()
    online.hang_up()
    client("SET", "k", "w")
    missed = command("SET", "k", "w")
    again = link()
    again("REPLCONF", "capa", "psync2")
    history = engine.replication_id
    assert again.continue_from(history, len(sent) + 1) == b"+CONTINUE " + history.encode() + b"\r\n" + missed
    client("DEL", "k")
    assert again.read() == command("DEL", "k")
    old = link()  # an older replica, which does not want to hear the identifier
    everything = sent + missed + command("DEL", "k")
    assert old.continue_from(history.upper(), 5) == b"+CONTINUE\r\n" + everything[4:]
    assert engine.replication.counters()["sync_partial_ok"] == 2


def test_going_on_with_nothing_lacking(engine: Engine, online: Link, link: Connect) -> None:
    online.read()
    assert link().continue_from(engine.replication_id, offset_of(engine) + 1) == b"+CONTINUE\r\n"


@pytest.mark.parametrize("difference", ["history", "behind", "ahead", "none", "changed"])
def test_who_cannot_go_on_gets_everything(
    engine: Engine, client: Client, online: Link, link: Connect, difference: str
) -> None:
    client("SET", "k", "v")
    online.read()
    history, offset = engine.replication_id, 1
    if difference == "history":
        history = "f" * 40
    elif difference == "ahead":
        offset = offset_of(engine) + 2
    elif difference == "behind":
        offset = 0
    elif difference == "changed":
        engine.config.assign("enable-debug-command", "yes")
        assert client("DEBUG", "CHANGE-REPL-ID") == "OK"
    elif difference == "none":
        history = "?"
    replica = link()
    assert replica.continue_from(history, offset) == b""
    settle(engine)
    assert replica.read().startswith(b"+FULLRESYNC ")
    counters = engine.replication.counters()
    assert counters["sync_full"] == 2
    assert counters["sync_partial_err"] == (0 if difference == "none" else 1)


def test_a_bare_replica_acknowledges_nothing(
    engine: Engine, client: Client, clock: ManualClock, primary: Primary, replica: Link
) -> None:
    assert replica("SYNC") is None
    settle(engine)
    assert replica.read().startswith(b"$")
    client("SET", "k", "v")
    assert replica.read() == SELECT_0 + command("SET", "k", "v")
    clock.advance(3_600_000)
    engine.tick()
    assert [each.state for each in primary.replicas.values()] == [ONLINE]
    assert not replica.closed


# The backlog


def test_the_backlog_holds_what_it_must_and_little_more(engine: Engine, client: Client, online: Link) -> None:
    engine.config.set("repl-backlog-size", str(2 * BLOCK_BYTES))
    for _ in range(100):
        client("SET", "k", "x" * 1000)
        online.read()
    size = fields(engine)["repl_backlog_histlen"]
    assert isinstance(size, int)
    assert 2 * BLOCK_BYTES <= size <= 3 * BLOCK_BYTES + 2000


def test_a_smaller_backlog_is_so_at_once(engine: Engine, client: Client, online: Link) -> None:
    for _ in range(100):
        client("SET", "k", "x" * 1000)
        online.read()
    assert fields(engine)["repl_backlog_first_byte_offset"] == 1
    engine.config.set("repl-backlog-size", str(BLOCK_BYTES))
    size = fields(engine)["repl_backlog_histlen"]
    assert isinstance(size, int)
    assert size < 3 * BLOCK_BYTES
    assert fields(engine)["repl_backlog_size"] == BLOCK_BYTES


def test_what_a_loading_replica_lacks_is_kept(engine: Engine, client: Client, online: Link, link: Connect) -> None:
    engine.config.set("repl-backlog-size", str(BLOCK_BYTES))
    slow = link()
    slow.follow("eof")
    settle(engine)
    start = offset_of(engine)
    slow.read()
    for number in range(100):
        client("SET", f"k{number}", "x" * 1000)
        online.read()
    first = fields(engine)["repl_backlog_first_byte_offset"]
    assert isinstance(first, int)
    assert first <= start + 1
    slow.acknowledge(start)
    stream = slow.read()
    assert stream.startswith(SELECT_0 + command("SET", "k0", "x" * 1000))
    assert len(stream) == offset_of(engine) - start
    client("SET", "k", "v")
    first = fields(engine)["repl_backlog_first_byte_offset"]
    assert isinstance(first, int)
    assert first > start + 1


@pytest.mark.parametrize(
    ("limit", "seconds"), [("slave 100000 0 0", 1), ("slave 0 100000 5", 7), ("slave 100000000 100000 5", 7)]
)
def test_what_is_kept_for_a_replica_has_a_limit(
    engine: Engine, client: Client, clock: ManualClock, replica: Link, limit: str, seconds: int
) -> None:
    engine.config.set("client-output-buffer-limit", limit)
    engine.config.set("repl-backlog-size", "16384")
    replica.follow("eof")
    settle(engine)
    for _ in range(99):
        client("SET", "k", "x" * 900)
    for _ in range(20):
        clock.advance(1000)
        engine.tick()
        engine.replication.hear(replica.session)
    assert not replica.closed
    for _ in range(20):
        client("SET", "k", "x" * 900)
    for second in range(1, seconds + 1):
        assert not replica.closed, second
        clock.advance(1000)
        engine.tick()
    assert replica.closed
    assert engine.statistics.output_limit_disconnections == 1


def test_the_limit_is_never_below_the_backlog(
    engine: Engine, client: Client, clock: ManualClock, replica: Link
) -> None:
    engine.config.set("client-output-buffer-limit", "slave 100000 0 0")
    engine.config.set("repl-backlog-size", "200000")
    replica.follow("eof")
    settle(engine)
    client("SET", "k", "x" * 150_000)
    clock.advance(1000)
    engine.tick()
    assert not replica.closed
    client("SET", "k", "x" * 60_000)
    clock.advance(1000)
    engine.tick()
    assert replica.closed


def test_a_snapshot_is_no_part_of_what_is_limited(engine: Engine, client: Client, replica: Link) -> None:
    client("SET", "large", "x" * 50_000)
    replica.follow("eof")
    settle(engine)
    replication = engine.replication
    assert replica.unread > 1000
    assert replication.stream_bytes(replica.session) == 0
    client("SET", "k", "v")
    assert replication.stream_bytes(replica.session) == 0  # it has not said that it has the snapshot
    replica.acknowledge(0)
    sent = offset_of(engine)
    assert replication.stream_bytes(replica.session) == sent
    assert replication.stream_bytes(client.session) == 0


def test_what_was_kept_for_a_replica_goes_with_it(engine: Engine, client: Client, replica: Link) -> None:
    engine.config.set("repl-backlog-size", "16384")
    replica.follow("eof")
    settle(engine)
    for _ in range(20):
        client("SET", "k", "x" * 20_000)
    counters = engine.replication.counters()
    assert counters["mem_total_replication_buffers"] > 400_000
    assert counters["mem_replication_backlog"] == 16384
    assert counters["mem_clients_slaves"] > 380_000
    replica.hang_up()
    assert engine.replication.counters()["mem_total_replication_buffers"] < 50_000


def test_counters_are_reset(engine: Engine, client: Client, replica: Link) -> None:
    replica.follow("eof")
    settle(engine)
    assert engine.replication.counters()["total_net_repl_output_bytes"] > 0
    assert client("CONFIG", "RESETSTAT") == "OK"
    counters = engine.replication.counters()
    for name in ("sync_full", "sync_partial_ok", "sync_partial_err", "total_net_repl_output_bytes"):
        assert counters[name] == 0, name


def test_a_command_may_be_sent_that_did_not_run(engine: Engine, client: Client, online: Link) -> None:
    engine.config.assign("enable-debug-command", "yes")
    assert client("DEBUG", "REPLICATE", "set", "k", "v") == "OK"
    assert online.read().endswith(command("set", "k", "v"))
    assert client("GET", "k") is None
    assert client.error("DEBUG", "REPLICATE").startswith("ERR unknown subcommand or wrong number of arguments")


def test_the_backlog_is_forgotten_when_nobody_comes_back(
    engine: Engine, client: Client, clock: ManualClock, online: Link, link: Connect
) -> None:
    engine.config.set("repl-backlog-ttl", "60")
    client("SET", "k", "v")
    history, offset = engine.replication_id, offset_of(engine)
    online.hang_up()
    clock.advance(60_000)
    engine.tick()
    assert fields(engine)["repl_backlog_active"] == 1
    clock.advance(1)
    engine.tick()
    after = fields(engine)
    assert (after["repl_backlog_active"], after["repl_backlog_histlen"]) == (0, 0)
    assert after["master_repl_offset"] == offset
    assert after["master_replid"] != history
    assert not engine.effects.listening
    replica = attach(engine, link())
    assert fields(engine)["repl_backlog_first_byte_offset"] == offset + 1
    client("SET", "k", "w")
    assert replica.read() == SELECT_0 + command("SET", "k", "w")


def test_a_ttl_of_0_is_for_ever(engine: Engine, clock: ManualClock, online: Link) -> None:
    engine.config.set("repl-backlog-ttl", "0")
    online.hang_up()
    clock.advance(10**9)
    engine.tick()
    assert fields(engine)["repl_backlog_active"] == 1


# Time


def seconds_pass(engine: Engine, clock: ManualClock, seconds: int) -> None:
    for _ in range(seconds):
        clock.advance(1000)
        engine.tick()


def test_a_replica_that_acknowledges_nothing_is_closed(engine: Engine, clock: ManualClock, online: Link) -> None:
    engine.config.set("repl-timeout", "10")
    seconds_pass(engine, clock, 10)
    assert not online.closed
    online.acknowledge(0)
    seconds_pass(engine, clock, 10)
    engine.replication.hear(online.session)  # an empty line, while it loads
    seconds_pass(engine, clock, 10)
    assert not online.closed
    seconds_pass(engine, clock, 1)
    assert online.closed


def test_an_empty_line_is_no_acknowledgement(engine: Engine, client: Client, replica: Link) -> None:
    replica.follow("eof")
    settle(engine)
    replica.read()
    client("SET", "k", "v")
    engine.replication.hear(replica.session)
    assert replica.read() == b""


def test_who_waits_for_a_snapshot_hears_that_the_primary_is_there(
    engine: Engine, clock: ManualClock, primary: Primary, replica: Link
) -> None:
    engine.config.set("repl-diskless-sync-delay", "100")
    replica.follow("eof")
    engine.tick()
    assert replica.read() == b""
    seconds_pass(engine, clock, 70)  # longer than repl-timeout
    assert replica.read() == b"\n" * 70
    assert [each.state for each in primary.replicas.values()] == [WAITING]


def test_who_waits_for_a_file_hears_it_too(engine: Engine, client: Client, clock: ManualClock, link: Connect) -> None:
    for number in range(1000):
        client("SET", f"k{number}", "v")
    engine.config.set("repl-diskless-sync", "no")
    for capabilities in (("eof",), ()):
        replica = link()
        replica.follow(*capabilities)
        engine.tick()
        assert engine.background.busy
        replica.read()
        engine.cron_paused = True
        clock.advance(1000)
        primary = engine.replication
        primary.tick(engine.now_ms())
        assert replica.read() == b"\n"
        engine.cron_paused = False
        settle(engine)


@pytest.mark.parametrize("capabilities", [(), ("eof",)])
def test_who_takes_nothing_of_its_snapshot_is_closed(
    engine: Engine, client: Client, clock: ManualClock, primary: Primary, link: Connect, capabilities: tuple[str, ...]
) -> None:
    engine.config.set("rdbcompression", "no")
    engine.config.set("repl-timeout", "10")
    for number in range(512):
        client("SET", f"k{number}", "v" * 32768)
    stuck, slow = link(), link()
    for each in (stuck, slow):
        each.follow(*capabilities)
    for _ in range(11):
        for _ in range(300):
            engine.tick()
        assert not stuck.closed
        assert next(iter(primary.replicas.values())).state == SENDING
        if slow.session.outbox:
            slow.session.outbox.pop(0)  # not much
        clock.advance(1000)
    engine.tick()
    assert stuck.closed
    assert not slow.closed
    stuck.hang_up()
    slow.hang_up()
    settle(engine)


# WAIT


def test_wait_counts_who_has_the_writes(engine: Engine, client: Client, link: Connect) -> None:
    first, second = (attach(engine, link()) for _ in range(2))
    assert client("WAIT", 2, 0) == 2  # nothing was written
    client("SET", "k", "v")
    end = offset_of(engine)
    client("WAIT", 2, 0)
    assert client.delivered == []
    assert first.read().endswith(command("SET", "k", "v") + GET_ACK)
    first.acknowledge(end)  # what comes before the question
    assert client.delivered == []
    second.acknowledge(end - 1)
    assert client.delivered == []
    second.acknowledge(end)
    assert client.delivered == [2]
    assert client("WAIT", 2, 0) == 2


def test_wait_does_not_wait_for_later_writes_of_others(
    engine: Engine, client: Client, other: Client, online: Link
) -> None:
    client("SET", "k", "v")
    end = offset_of(engine)
    client("WAIT", 1, 0)
    for number in range(200):
        other("SET", "k", number)
    online.acknowledge(end)
    assert client.delivered == [1]


def test_wait_times_out_with_what_there_is(engine: Engine, client: Client, clock: ManualClock, link: Connect) -> None:
    first, second = (attach(engine, link()) for _ in range(2))
    client("SET", "k", "v")
    client("WAIT", 2, 100)
    first.acknowledge(offset_of(engine))
    clock.advance(101)
    engine.tick()
    assert client.delivered == [1]
    assert second.unread


def test_old_marks_lead_to_later_ones(engine: Engine, client: Client, primary: Primary, link: Connect) -> None:
    replica = attach(engine, link())
    client("SET", "k", "v")
    session = client.session
    writer = Client(engine)
    for _ in range(64 * 3):
        writer("SET", "k", "w")
    assert primary.holding(session) == 0
    target = primary._offset_of(session.last_write)
    assert primary._offset_of(session.last_write) == target <= primary.offset
    replica.acknowledge(target)
    assert primary.holding(session) == 1
    assert primary.holding(writer.session) == 0


def test_nobody_is_asked_who_has_everything(engine: Engine, client: Client, online: Link) -> None:
    online.acknowledge(offset_of(engine))
    client("WAIT", 5, 0)
    assert online.read() == b""


# min-replicas-to-write


def test_writes_need_near_replicas(engine: Engine, client: Client, clock: ManualClock, link: Connect) -> None:
    refused = "NOREPLICAS Not enough good replicas to write."
    script = "return redis.call('set', KEYS[1], 1)"
    assert client("SET", "k", "v") == "OK"
    engine.config.set("min-replicas-to-write", "1")
    assert client.error("SET", "k", "v") == refused
    assert client.error("EVAL", script, 1, "k").startswith("NOREPLICAS ")
    assert client("GET", "k") == b"v"
    assert client("PING") == "PONG"
    assert fields(engine)["min_slaves_good_slaves"] == 0
    replica = link()
    replica.follow("eof")
    assert client.error("SET", "k", "v") == refused
    settle(engine)
    replica.acknowledge(0)
    assert client("SET", "k", "v") == "OK"
    assert client("EVAL", script, 1, "k") == "OK"
    assert fields(engine)["min_slaves_good_slaves"] == 1
    seconds_pass(engine, clock, 11)  # min-replicas-max-lag is 10
    assert client.error("SET", "k", "v") == refused
    replica.acknowledge(0)
    assert client("SET", "k", "v") == "OK"
    replica.hang_up()
    assert client.error("SET", "k", "v") == refused
    engine.config.set("min-replicas-max-lag", "0")
    assert client("SET", "k", "v") == "OK"
    assert "min_slaves_good_slaves" not in fields(engine)


# The rest


def test_statistics(engine: Engine, client: Client, online: Link) -> None:
    counters = engine.replication.counters()
    sent = counters["total_net_repl_output_bytes"]
    client("SET", "k", "v")
    counters = engine.replication.counters()
    assert counters["total_net_repl_output_bytes"] - sent == len(online.read())
    assert counters["mem_replication_backlog"] == offset_of(engine)
    online.hang_up()
    assert engine.replication.counters()["total_net_repl_output_bytes"] == counters["total_net_repl_output_bytes"]


def test_change_repl_id(engine: Engine, client: Client) -> None:
    before = engine.replication_id
    engine.config.assign("enable-debug-command", "yes")
    assert client("DEBUG", "CHANGE-REPL-ID") == "OK"
    assert re.fullmatch("[0-9a-f]{40}", engine.replication_id)
    assert engine.replication_id != before


def test_a_stream_is_the_same_for_a_replica_of_any_age(engine: Engine, client: Client, link: Connect) -> None:
    first = attach(engine, link())
    stream = b""
    for number in range(100):
        client("SET", f"k{number % 7}", number)
        if number % 9 == 0:
            client("SELECT", number % 4)
        stream += first.read()
    history = engine.replication_id
    for offset in range(1, len(stream), 97):
        late = link()
        assert late.continue_from(history, offset) == b"+CONTINUE\r\n" + stream[offset - 1 :]
        late.hang_up()
