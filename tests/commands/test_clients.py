"""CLIENT on an engine without sockets: fields, filters and flags that need no transport."""

from __future__ import annotations

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.replies import NO_REPLY
from kvcore.session import CLOSE, REPLY_OFF, REPLY_SKIP, REPLY_SKIP_NEXT
from tests.commands.conftest import Client


class SocketPeer:
    """A transport with something in its buffers."""

    address = "10.0.0.1:5000"
    local_address = "10.0.0.2:6379"
    descriptor = 9
    query_buffer = 11
    announced = 0
    argument_bytes = 0
    request_bytes = 11
    output_buffer = 22


def lines(client: Client, *words: str) -> list[dict[str, str]]:
    text = client("CLIENT", *words).text.decode()
    return [dict(part.split("=", 1) for part in line.split(" ")) for line in text.splitlines()]


def test_a_new_client_has_run_no_command(client: Client, other: Client) -> None:
    mine, others = lines(client, "LIST")
    assert mine["cmd"] == "client|list"
    assert others["cmd"] == "NULL"
    assert (mine["id"], others["id"]) == ("1", "2")


def test_transport_facts_come_from_the_peer(client: Client) -> None:
    client.session.peer = SocketPeer()
    (line,) = lines(client, "LIST")
    assert (line["addr"], line["laddr"], line["fd"]) == ("10.0.0.1:5000", "10.0.0.2:6379", "9")
    assert (line["qbuf"], line["omem"], line["oll"], line["events"]) == ("11", "22", "1", "rw")


def test_age_and_idle(client: Client, other: Client, clock: ManualClock) -> None:
    clock.advance(5000)
    mine, others = lines(client, "LIST")
    assert (mine["age"], mine["idle"]) == ("5", "0")
    assert (others["age"], others["idle"]) == ("5", "5")


def test_flags(client: Client, other: Client) -> None:
    def flags() -> str:
        return lines(other, "LIST", "ID", str(client.session.id))[0]["flags"]

    assert flags() == "N"
    client("CLIENT", "NO-EVICT", "ON")
    client("WATCH", "k")
    client("MULTI")
    client("SET", "a", 1)
    other("SET", "k", 1)
    assert flags() == "xde"
    client("DISCARD")
    client("BLPOP", "list", 0)
    assert flags() == "be"
    other("CLIENT", "UNBLOCK", client.session.id)
    client("MONITOR")
    assert flags() == "Oe"
    client("QUIT")
    assert flags() == "Oce"


def test_multi_shows_the_queue(client: Client, other: Client) -> None:
    client("MULTI")
    client("SET", "a", "value")
    (line,) = lines(other, "LIST", "ID", str(client.session.id))
    assert (line["multi"], line["multi-mem"], line["cmd"]) == ("1", str(len("SETavalue") + 3 * 8), "set")


def test_kill_filters(engine: Engine, client: Client, other: Client) -> None:
    closed: list[str] = []
    other.session.close = lambda: closed.append("other")
    other.session.peer = SocketPeer()
    assert client("CLIENT", "KILL", "LADDR", "10.0.0.2:6379", "USER", "default") == 1
    assert client("CLIENT", "KILL", "ADDR", "10.0.0.1:5000", "TYPE", "pubsub") == 0
    assert client("CLIENT", "KILL", "10.0.0.1:5000") == "OK"
    assert closed == ["other", "other"]
    assert client("CLIENT", "KILL", "ID", client.session.id) == 0
    assert not client.session.interrupt & CLOSE
    assert client("CLIENT", "KILL", "ID", client.session.id, "SKIPME", "no") == 1
    assert client.session.interrupt & CLOSE


def test_kill_without_filter_but_skipme_means_all(client: Client, other: Client) -> None:
    closed: list[str] = []
    other.session.close = lambda: closed.append("other")
    assert client("CLIENT", "KILL", "SKIPME", "yes") == 1
    assert closed == ["other"]


def test_reply_bits(client: Client) -> None:
    session = client.session
    assert client("CLIENT", "REPLY", "SKIP") is NO_REPLY
    assert session.interrupt == REPLY_SKIP_NEXT
    session.interrupt = REPLY_SKIP
    assert client("CLIENT", "REPLY", "OFF") is NO_REPLY
    assert session.interrupt & REPLY_OFF
    assert client("CLIENT", "REPLY", "SKIP") is NO_REPLY
    assert not session.interrupt & REPLY_SKIP_NEXT
    assert client("CLIENT", "REPLY", "ON") == "OK"
    assert session.interrupt == 0


def test_unblock(client: Client, other: Client) -> None:
    client("BLPOP", "list", 0)
    assert other("CLIENT", "UNBLOCK", client.session.id, "ERROR") == 1
    assert str(client.delivered[0]) == "UNBLOCKED client unblocked via CLIENT UNBLOCK"
    assert other("CLIENT", "UNBLOCK", client.session.id) == 0


def test_pause_ends_by_time(client: Client, other: Client, clock: ManualClock, engine: Engine) -> None:
    assert client("CLIENT", "PAUSE", 100, "WRITE") == "OK"
    other("SET", "k", 1)
    assert client("GET", "k") is None
    clock.advance(101)
    engine.tick()
    assert other.delivered == ["OK"]
    assert client("GET", "k") == b"1"


def test_pause_beyond_the_end_of_time_does_nothing(client: Client, other: Client) -> None:
    assert client("CLIENT", "PAUSE", 2**63 - 1) == "OK"
    assert other("SET", "k", 1) == "OK"


def test_setinfo_shows_once_it_is_set(client: Client) -> None:
    assert "lib-name" not in lines(client, "INFO")[0]
    assert client("CLIENT", "SETINFO", "LIB-NAME", "my-client") == "OK"
    (mine,) = lines(client, "INFO")
    assert list(mine.items())[-2:] == [("lib-name", "my-client"), ("lib-ver", "")]
    assert client("CLIENT", "SETINFO", "lib-ver", "1.0") == "OK"
    assert (client.session.library_name, client.session.library_version) == (b"my-client", b"1.0")
    text = "cannot contain spaces, newlines or special characters."
    assert client.error("CLIENT", "SETINFO", "lib-name", "a b") == f"ERR lib-name {text}"
    assert client.error("CLIENT", "SETINFO", "lib-ver", "a\n") == f"ERR lib-ver {text}"
    assert client.error("CLIENT", "SETINFO", "lib", "a") == "ERR Unrecognized option 'lib'"


def test_no_touch_is_a_flag_of_the_session(client: Client) -> None:
    assert client("CLIENT", "NO-TOUCH", "on") == "OK"
    assert client.session.no_touch
    assert lines(client, "INFO")[0]["flags"] == "T"
    client("RESET")
    assert not client.session.no_touch
    assert client.error("CLIENT", "NO-TOUCH", "x") == "ERR syntax error"
