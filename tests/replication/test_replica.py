"""A link as its primary knows it: names, what waits, and that nothing but the stream is sent."""

from __future__ import annotations

import pytest

from kvcore.engine import Engine
from kvcore.replication.replica import ONLINE, Replica
from kvcore.replies import Raw
from tests.engine_client import Client
from tests.replication.links import Link


@pytest.fixture
def link(engine: Engine) -> Link:
    return Link(engine, "10.0.0.9:50123")


@pytest.fixture
def replica(link: Link) -> Replica:
    return Replica(link.session)


def test_the_address_is_the_connections_unless_another_was_announced(replica: Replica) -> None:
    assert (replica.host, replica.name) == ("10.0.0.9", "10.0.0.9:<unknown-replica-port>")
    replica.port = 6380
    replica.announced_ip = "replica.example"
    assert (replica.host, replica.name) == ("replica.example", "replica.example:6380")


@pytest.mark.parametrize(
    ("address", "host", "name"),
    [
        ("[::1]:50000", "::1", "[::1]:6380"),
        ("/run/kvcore.sock:0", "/unixsocket", "/unixsocket:6380"),
        ("?:0", "?", "?:6380"),
    ],
)
def test_hosts_of_other_addresses(engine: Engine, address: str, host: str, name: str) -> None:
    replica = Replica(Link(engine, address).session)
    replica.port = 6380
    assert (replica.host, replica.name) == (host, name)


def test_a_link_that_is_gone_is_called_by_its_number(link: Link, replica: Replica) -> None:
    number = link.session.id
    link.hang_up()
    assert replica.name == f"client id #{number}"


def test_bytes_are_sent_in_order_and_counted(link: Link, replica: Replica) -> None:
    shared = Raw(b"abc")
    replica.send(shared)
    replica.send(b"\n")
    assert link.session.outbox[0] is shared
    assert replica.given == 4
    link.peer.output_buffer = 100
    assert replica.waiting_bytes() == 104
    assert link.read() == b"abc\n"
    assert replica.waiting_bytes() == 100


def test_it_is_fed_while_online_and_not_loading(replica: Replica) -> None:
    assert not replica.fed
    replica.state = ONLINE
    assert replica.fed
    replica.starts_on_ack = True
    assert not replica.fed


def test_progress_is_what_was_taken(link: Link, replica: Replica) -> None:
    replica.note_progress(1000)
    assert replica.moved_ms == 1000  # nothing waits
    replica.send(b"x" * 10)
    replica.note_progress(2000)
    assert replica.moved_ms == 1000
    replica.send(b"x" * 10)  # more comes, and none of it is taken
    replica.note_progress(3000)
    assert replica.moved_ms == 1000
    link.session.outbox.pop(0)
    replica.note_progress(4000)
    assert replica.moved_ms == 4000
    replica.note_progress(5000)
    assert replica.moved_ms == 4000


def test_who_becomes_a_replica_listens_to_nothing_else(engine: Engine, link: Link, replica: Replica) -> None:
    client = Client(engine)
    link("HELLO", 3)
    link("SUBSCRIBE", "c")
    link("PSUBSCRIBE", "*")
    link("WATCH", "k")
    link("CLIENT", "TRACKING", "ON", "BCAST")
    link.read()
    replica.attach()
    client("PUBLISH", "c", "hello")
    client("SET", "k", "v")
    assert link.session.subscriptions == 0
    assert link.session.tracker is None
    assert not link.session.watched
    assert link.read() == b""


def test_a_message_that_is_sent_to_it_all_the_same_ends_the_link(link: Link, replica: Replica) -> None:
    replica.attach()
    link.session.push([b"invalidate", [b"k"]])
    assert link.read() == b""
    assert link.closed


def test_finish_sends_what_is_there_first(link: Link, replica: Replica) -> None:
    replica.send(b"-ERR no\r\n")
    replica.finish()
    assert not link.closed
    assert link.is_ending
    assert link.read() == b"-ERR no\r\n"


def test_close_does_not_wait(link: Link, replica: Replica) -> None:
    replica.close()
    assert link.closed
