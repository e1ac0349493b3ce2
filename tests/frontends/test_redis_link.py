"""The in-process end of a connection: order of replies, outages, limits, ends."""

from __future__ import annotations

import pytest
import redis

import kvcore
from kvcore.frontends import redis_link
from kvcore.frontends.redis_link import LATER, NO_SOCKET, UNREADY, Link, LocalServer, is_plain, plain_commands
from kvcore.replies import NULL_ARRAY


@pytest.fixture
def server() -> LocalServer:
    return LocalServer(kvcore.open, "test")


@pytest.fixture
def link(server: LocalServer) -> Link:
    return server.connect()


def drained(link: Link) -> list[object]:
    """Take what has arrived."""
    found = []
    while link.ready():
        found.append(link.inbox.popleft())
    return found


def test_replies_come_in_order(link: Link) -> None:
    link.sendall([[b"SET", b"k", b"v"], [b"GET", b"k"], [b"NOSUCH"]])
    link.sendall([[b"PING"]])
    assert [str(reply) for reply in drained(link)[:2]] == ["OK", "b'v'"]


def test_what_follows_a_parked_command_waits_for_it(server: LocalServer, link: Link) -> None:
    link.sendall([[b"BLPOP", b"q", b"0"], [b"SET", b"after", b"1"]])
    link.sendall([[b"GET", b"after"]])
    assert drained(link) == []
    assert server.store.get("after") is None
    server.store.execute("RPUSH", "q", "v")
    assert drained(link) == [[b"q", b"v"], "OK", b"1"]


def test_who_waits_is_woken_by_the_reply_to_what_another_sends(link: Link) -> None:
    woken: list[bool] = []
    assert not link.wait_on(lambda: woken.append(True))
    link.sendall([[b"SUBSCRIBE", b"c"]])
    assert woken == [True]
    assert len(drained(link)) == 1


def test_a_plain_command_is_one_call(link: Link) -> None:
    assert link.call([b"SET", b"k", b"v"]) == "OK"
    assert link.call([b"GET", b"k"]) == b"v"


def test_a_call_behind_unread_replies_does_not_run(link: Link) -> None:
    link.sendall([[b"SET", b"k", b"v"]])
    assert link.call([b"INCR", b"n"]) is UNREADY
    assert drained(link) == ["OK"]
    assert link.call([b"INCR", b"n"]) == 1


def test_a_call_that_waits_says_so(server: LocalServer, link: Link) -> None:
    server.store.execute("CLIENT", "PAUSE", 60_000)
    assert link.call([b"SET", b"k", b"v"]) is LATER
    assert drained(link) == []
    with link.lock:
        link.engine.unpause()
    assert drained(link) == ["OK"]


def test_pushes_about_its_own_command_follow_the_reply(link: Link) -> None:
    for argv in ([b"HELLO", b"3"], [b"CLIENT", b"TRACKING", b"ON"], [b"GET", b"k"]):
        link.sendall([argv])
    drained(link)
    assert link.call([b"SET", b"k", b"v"]) is LATER
    assert sorted(map(str, drained(link))) == ["OK", "[b'invalidate', [b'k']]"]


def test_client_reply_skip_and_off_are_honoured(link: Link) -> None:
    link.sendall([[b"CLIENT", b"REPLY", b"SKIP"], [b"PING"], [b"ECHO", b"heard"]])
    assert drained(link) == [b"heard"]
    link.sendall([[b"CLIENT", b"REPLY", b"OFF"], [b"PING"], [b"PING"]])
    assert drained(link) == []
    assert link.call([b"PING"]) is UNREADY


def test_quit_ends_it_after_its_reply(link: Link) -> None:
    link.sendall([[b"QUIT"], [b"PING"]])
    assert link.ready()
    assert link.inbox.popleft() == "OK"
    with pytest.raises(redis.ConnectionError):
        link.ready()
    with pytest.raises(redis.ConnectionError):
        link.sendall([[b"PING"]])
    assert link.call([b"PING"]) is UNREADY


def test_each_has_an_address_of_its_own(server: LocalServer, link: Link) -> None:
    other = server.connect()
    assert link.address != other.address
    assert link.getsockname()[1] != other.getsockname()[1]
    other.sendall([[b"CLIENT", b"KILL", b"ADDR", link.address.encode()]])
    assert drained(other) == [1]
    with pytest.raises(redis.ConnectionError):
        link.ready()


def test_an_outage_ends_every_connection_and_lets_nobody_in(server: LocalServer, link: Link) -> None:
    server.go_down("not there")
    with pytest.raises(redis.ConnectionError, match="not there"):
        link.sendall([[b"PING"]])
    with pytest.raises(redis.ConnectionError, match="not there"):
        server.connect()
    server.come_back()
    assert server.connect().call([b"GET", b"k"]) is None


def test_closing_ends_the_session_once(server: LocalServer, link: Link) -> None:
    link.close()
    link.close()
    link.abandon()
    assert link.session.id not in link.engine.sessions
    assert server.links == set()


def test_an_abandoned_session_ends_with_the_next_tick(server: LocalServer, link: Link) -> None:
    with link.lock:  # where a collector may run
        link.abandon()
        assert link.session.id in link.engine.sessions
    server.store.tick()
    assert link.session.id not in link.engine.sessions


def test_who_never_reads_is_disconnected(server: LocalServer, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_link, "_MOST_UNREAD", 10)
    link.sendall([[b"SUBSCRIBE", b"c"]])
    for _ in range(20):
        server.store.execute("PUBLISH", "c", "x")
    with pytest.raises(redis.ConnectionError, match="unread"):
        drained(link)


def test_a_wait_ends_when_time_is_up_or_something_comes(server: LocalServer, link: Link) -> None:
    assert link.wait(0.01) is False
    link.sendall([[b"PING"]])
    assert link.wait(0) is True


def test_giving_up_unparks_but_takes_what_has_arrived(server: LocalServer, link: Link) -> None:
    link.sendall([[b"BLPOP", b"q", b"0"]])
    assert link.give_up() is False
    server.store.execute("RPUSH", "q", "kept", "second")
    assert server.store.execute("LLEN", "q") == 2
    link.sendall([[b"BLPOP", b"q", b"0"]])
    assert link.give_up() is True


def test_there_is_nothing_to_poll(link: Link) -> None:
    with pytest.raises(OSError, match="kvcore_server") as caught:
        link.fileno()
    assert str(caught.value) == NO_SOCKET


def test_plain_commands_leave_sessions_alone() -> None:
    with kvcore.open() as store:
        plain = plain_commands(store)
        commands = store.engine.commands
    assert {"GET", "SET", "HGETALL", "EVALSHA", "ZADD", "XADD", "DEL"} <= plain.keys()
    assert not plain.keys() & {
        "AUTH", "BLPOP", "CLIENT", "DISCARD", "EXEC", "HELLO", "MIGRATE", "MONITOR", "MULTI", "PSUBSCRIBE", "QUIT",
        "RESET", "SELECT", "SUBSCRIBE", "UNSUBSCRIBE", "UNWATCH", "WAIT", "WATCH", "XREAD", "XREADGROUP",
    }  # fmt: skip
    assert is_plain("get", commands[b"GET"].bits)
    assert not is_plain("blpop", commands[b"BLPOP"].bits)


def test_a_transaction_is_one_call(server: LocalServer, link: Link) -> None:
    assert link.transact([[b"SET", b"k", b"v"], [b"INCR", b"n"], [b"GET", b"k"]]) == ["OK", 1, b"v"]
    link.sendall([[b"WATCH", b"k"]])
    assert drained(link) == ["OK"]
    server.store.set("k", "changed")
    assert link.transact([[b"SET", b"k", b"lost"]]) is NULL_ARRAY
    assert link.transact([[b"GET", b"k"]]) == [b"changed"]


def test_a_transaction_with_anything_unusual_goes_the_long_way(server: LocalServer, link: Link) -> None:
    for commands in ([[b"NOSUCH"]], [[b"GET"]], [[b"SET", b"k", b"v"], [b"WATCH", b"k"]], [[b"MULTI"]]):
        assert link.transact(commands) is UNREADY
    assert server.store.get("k") is None
    server.store.execute("CLIENT", "PAUSE", 60_000)
    assert link.transact([[b"SET", b"k", b"v"]]) is UNREADY
