"""One client's state without a transport."""

from __future__ import annotations

import gc
import weakref

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replies import Push
from kvcore.session import PUSHES, SWITCHED, InProcessPeer


class SocketPeer:
    """A front end's side of a session."""

    address = "10.0.0.1:5000"
    local_address = "10.0.0.2:6379"
    descriptor = 9
    query_buffer = announced = argument_bytes = request_bytes = 0
    output_buffer = 0

    def __init__(self, engine: Engine) -> None:
        self.session = engine.session(self)
        self.woken = 0
        self.session.wake = self.wake
        self.session.close = self.close
        self.session.alive = self.is_open

    def wake(self) -> None:
        self.woken += 1

    def close(self) -> None:
        raise AssertionError("nobody closes this one")

    def is_open(self) -> bool:
        return True


def test_a_new_session(engine: Engine, clock: ManualClock) -> None:
    clock.advance(5000)
    session = engine.session()
    assert isinstance(session.peer, InProcessPeer)
    assert (session.protocol, session.gate, session.interrupt, session.kind) == (2, 0, 0, "normal")
    assert (session.created_ms, session.last_ms) == (1_700_000_005_000, 1_700_000_005_000)
    assert session.call.db is engine.keyspace.databases[0]
    assert session.call.session is session
    assert session.alive()


def test_each_session_has_a_call_and_a_database_of_its_own(engine: Engine) -> None:
    one, other = engine.session(), engine.session()
    engine.execute(one, [b"SELECT", b"3"])
    assert (one.call.db.index, other.call.db.index) == (3, 0)


def test_pushes_reach_the_outbox_and_wake_the_front_end(engine: Engine) -> None:
    peer = SocketPeer(engine)
    peer.session.push([b"message", b"c", b"m"])
    peer.session.outbox_reply("OK")
    assert peer.session.outbox == [[b"message", b"c", b"m"], "OK"]
    assert type(peer.session.outbox[0]) is Push
    assert peer.woken == 2


def test_switching_to_the_same_protocol_interrupts_nobody(engine: Engine) -> None:
    session = engine.session()
    session.switch_protocol(2)
    assert session.interrupt == 0
    session.switch_protocol(3)
    assert (session.protocol, session.interrupt) == (3, SWITCHED)


def test_subscriptions_are_channels_and_patterns_but_not_shard_channels(engine: Engine) -> None:
    session = engine.session()
    for argv in ([b"SUBSCRIBE", b"a", b"b"], [b"PSUBSCRIBE", b"c*"], [b"SSUBSCRIBE", b"d"]):
        engine.execute(session, argv)
    assert session.subscriptions == 3
    assert len(session.shard_channels) == 1


def test_a_detached_session_calls_nobody(engine: Engine) -> None:
    peer = SocketPeer(engine)
    session = peer.session
    engine.drop(session)
    session.detach()
    session.push([b"message"])
    session.deliver("OK")
    session.close()
    assert not session.alive()
    assert peer.woken == 0
    assert session.outbox == [[b"message"]]


def test_a_detached_front_end_is_freed_without_the_collector(engine: Engine) -> None:
    peer = SocketPeer(engine)
    engine.execute(peer.session, [b"SUBSCRIBE", b"c"])
    engine.execute(peer.session, [b"BLPOP", b"k", b"0"])
    gone = weakref.ref(peer)
    gc.disable()
    try:
        engine.drop(peer.session)
        peer.session.detach()
        del peer
        assert gone() is None
    finally:
        gc.enable()


def test_pushes_can_wait_for_a_reply(engine: Engine) -> None:
    session = engine.session()
    session.push_later([b"second"])
    assert session.outbox == []
    assert session.interrupt == PUSHES
    session.outbox.append("reply")
    session.release_pushes()
    assert session.outbox == ["reply", [b"second"]]
    assert session.interrupt == 0
    session.release_pushes()
    assert session.outbox == ["reply", [b"second"]]
