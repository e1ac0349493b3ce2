"""`maxmemory-clients` beside the real server: who is closed, who stays; and pushes within the output limits."""

from __future__ import annotations

import re

import pytest

from tests.oracle.harness import Pair, Session
from tests.oracle.wire import CLOSED, NOTHING, WireSession, encode_command
from tests.waiting import until

HALF_A_MEGABYTE = b"x" * 500_000


@pytest.fixture
def guarded(wire_pair: Pair) -> Pair:
    """Return a pair whose own session is never closed for its memory."""
    wire_pair.both("CLIENT", "NO-EVICT", "on")
    return wire_pair


def wire(session: Session) -> WireSession:
    assert isinstance(session, WireSession)
    return session


def evicted(session: Session) -> int:
    """Return how many clients were closed for memory so far."""
    session.send(("INFO", "stats"))
    found = re.search(rb"evicted_clients:(\d+)", session.read().text)
    assert found is not None
    return int(found[1])


def await_evictions(pair: Pair, before: tuple[int, int], count: int) -> None:
    """Return once both sides have closed ``count`` clients more."""
    wanted = (before[0] + count, before[1] + count)
    until(f"{count} more evicted on both sides", lambda: (evicted(pair.oracle), evicted(pair.kvcore)) == wanted)


def half_requests(session: WireSession) -> int:
    session.send(("CLIENT", "LIST"))
    return session.read().text.count(b" qbuf=500000 ")


def test_a_large_request_is_closed_before_it_is_complete(guarded: Pair) -> None:
    before = evicted(guarded.oracle), evicted(guarded.kvcore)
    bystander, sender = guarded.client(2), guarded.client(2)
    guarded.config("maxmemory-clients", 400_000)
    sender.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n" + HALF_A_MEGABYTE)
    await_evictions(guarded, before, 1)
    assert sender.oracle.read() == sender.kvcore.read() == CLOSED
    assert bystander.both("PING") == "PONG"
    assert guarded.both("EXISTS", "k") == 0


def test_a_slow_reader_is_closed(guarded: Pair) -> None:
    before = evicted(guarded.oracle), evicted(guarded.kvcore)
    guarded.both("SET", "k", HALF_A_MEGABYTE)
    guarded.config("maxmemory-clients", 1_000_000)
    reader = guarded.client(2)
    reader.send_raw(encode_command(("GET", "k")) * 40)  # more than the socket's buffers take
    await_evictions(guarded, before, 1)
    guarded.both("PING")


def test_queued_commands_count(guarded: Pair) -> None:
    before = evicted(guarded.oracle), evicted(guarded.kvcore)
    guarded.config("maxmemory-clients", 400_000)
    client = guarded.client(2)
    client.both("MULTI")
    for side in (client.oracle, client.kvcore):
        side.send(("SET", "k", HALF_A_MEGABYTE))
    await_evictions(guarded, before, 1)
    assert guarded.both("EXISTS", "k") == 0


def test_protected_clients_stay(guarded: Pair) -> None:
    before = evicted(guarded.oracle), evicted(guarded.kvcore)
    protected, bystander = guarded.client(2), guarded.client(2)
    protected.both("CLIENT", "NO-EVICT", "on")
    guarded.config("maxmemory-clients", 400_000)
    protected.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000\r\n" + HALF_A_MEGABYTE)
    await_evictions(guarded, before, 1)  # it alone is over the limit, and everybody else pays
    assert bystander.oracle.read() == bystander.kvcore.read() == CLOSED
    protected.send_raw(b"\r\n")
    assert protected.read() == "OK"


@pytest.mark.parametrize(("limited", "redirected"), [("normal", False), ("pubsub", True)])
def test_pushes_count_against_the_output_limits(wire_pair: Pair, limited: str, redirected: bool) -> None:
    wire_pair.config("client-output-buffer-limit", f"{limited} 1mb 0 0")
    tracker = wire_pair.client(3)
    target = wire_pair.client(2) if redirected else tracker
    for mine, its in ((tracker.oracle, target.oracle), (tracker.kvcore, target.kvcore)):
        options: tuple[str, ...] = ()
        if redirected:
            its.send(("CLIENT", "ID"))
            options = ("REDIRECT", its.read().text.decode())
            its.send(("SUBSCRIBE", "__redis__:invalidate"))
            its.read()
        mine.send(("CLIENT", "TRACKING", "on", "BCAST", *options))
        assert mine.read().text == b"OK"
    name = b"k" * 100_000
    for side in (wire_pair.oracle, wire_pair.kvcore):
        session = wire(side)
        for _ in range(20):  # 20 MB of messages that nobody reads
            session.send_raw(b"".join(encode_command(("SET", name + b"%d" % number, "1")) for number in range(10)))
            for _ in range(10):
                session.read()
    for side in (target.oracle, target.kvcore):
        received = 0
        while (frame := side.read_push(2)) not in (CLOSED, NOTHING):
            received += len(repr(frame))
        assert frame == CLOSED
        assert received < 15_000_000


def own_line(pair: Pair, name: str) -> list[dict[str, str]]:
    """Return the fields of a client in CLIENT LIST, on each side."""
    found = []
    for side in (pair.oracle, pair.kvcore):
        side.send(("CLIENT", "LIST"))
        lines = side.read().text.decode().splitlines()
        found += [dict(part.split("=", 1) for part in line.split()) for line in lines if f" name={name} " in line]
    assert len(found) == 2
    return found


@pytest.mark.parametrize(
    "start",
    [
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$300000\r\n" + b"x" * 10,
        b"*1\r\n$220000\r\n" + b"x" * 110_000,
        b"*4\r\n$100000\r\n" + b"x" * 100_000 + b"\r\n$50000\r\n" + b"x" * 50_000 + b"\r\n$9000\r\nxxx",
        b"*4\r\n$10000\r\n" + b"x" * 10_000 + b"\r\n$5000\r\n" + b"x" * 5_000 + b"\r\n$90",
        b"*3\r\n$3\r\nSE",
        b"SET a " + b"x" * 5_000,
        b"BLPOP missing-list 0\r\nSET a " + b"x" * 5_000,
    ],
)
def test_what_client_list_tells_of_an_incomplete_request(wire_pair: Pair, start: bytes) -> None:
    client = wire_pair.client(2)
    client.both("CLIENT", "SETNAME", "sender")
    client.send_raw(start)

    def alike() -> tuple[dict[str, str], dict[str, str]] | None:
        theirs, ours = own_line(wire_pair, "sender")
        same = all(theirs[field] == ours[field] for field in ("qbuf", "argv-mem"))
        return (theirs, ours) if same and theirs["qbuf"] != "0" else None

    found = until("both tell the same of the request", alike)
    assert found is not None
    theirs, ours = found
    announced = 300_000 if b"$300000" in start else 0
    assert int(theirs["tot-mem"]) >= announced <= int(ours["tot-mem"])


def test_who_asks_for_the_list_sees_the_request_itself(wire_pair: Pair) -> None:
    wire_pair.both("CLIENT", "SETNAME", "asker")
    theirs, ours = own_line(wire_pair, "asker")
    for field in ("qbuf", "argv-mem", "multi-mem", "events", "cmd"):
        assert theirs[field] == ours[field], field


def test_a_large_argument_counts_from_its_header_on(guarded: Pair) -> None:
    before = evicted(guarded.oracle), evicted(guarded.kvcore)
    guarded.config("maxmemory-clients", 600_000)
    sender = guarded.client(2)
    sender.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nxxx")
    await_evictions(guarded, before, 1)
    assert sender.oracle.read() == sender.kvcore.read() == CLOSED


def test_a_lower_limit_holds_from_the_next_command_on(guarded: Pair) -> None:
    before = evicted(guarded.oracle), evicted(guarded.kvcore)
    senders = [guarded.client(2) for _ in range(4)]
    for sender in senders:
        sender.send_raw(b"*2\r\n$1000000\r\n" + HALF_A_MEGABYTE)
    for side in (guarded.oracle, guarded.kvcore):
        until("four half requests have come", lambda asked=side: half_requests(asked) == 4)
    guarded.config("maxmemory-clients", 3_000_000)
    gone = evicted(guarded.oracle) - before[0], evicted(guarded.kvcore) - before[1]
    assert gone[0] == gone[1] > 0


@pytest.mark.parametrize("commands", [[("GET", "big")], [("MULTI",), ("GET", "big"), ("SET", "done", "1"), ("EXEC",)]])
def test_a_reply_over_the_output_limit_is_not_sent_at_all(wire_pair: Pair, commands: list[tuple[str, ...]]) -> None:
    wire_pair.both("SET", "big", HALF_A_MEGABYTE)
    wire_pair.both("DEL", "done")
    wire_pair.config("client-output-buffer-limit", "normal 200000 0 0")
    reader = wire_pair.client(2)
    for side in (reader.oracle, reader.kvcore):
        for command in commands:
            side.send(command)
            if command != commands[-1]:
                side.read()
        assert side.read() == CLOSED
    assert wire_pair.both("EXISTS", "done") == (1 if len(commands) > 1 else 0)  # a transaction runs to its end
    wire_pair.config("client-output-buffer-limit", "normal 1000 0 0")
    assert wire_pair.both("SET", "big", b"x" * 10_000) == "OK"
    assert wire_pair.both("GET", "big") == b"x" * 10_000  # what fits in the real server's fixed buffer has no limit
