"""Connections to servers that fail in every way: what is raised, what is sent again (nothing), what is left behind."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import kvcore
from kvcore.frontends import remote_link
from kvcore.frontends.remote_address import Address
from kvcore.frontends.remote_link import KINDS, REFUSED, STATE, WAITS, Link, Pool, check_allowed, waits
from kvcore.resp.client import ReplyDecoder
from tests.certificates import Certificates
from tests.oracle.servers import HOST, find_oracle, free_port, start_kvcore, start_oracle

GREETING = b"%1\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"

Script = Callable[[socket.socket], None]


@contextmanager
def server(*scripts: Script) -> Iterator[str]:
    """Serve connections, each with the next script, after HELLO was answered; yield the URL."""
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        for script in scripts:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(GREETING)
                script(peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"redis://{HOST}:{listener.getsockname()[1]}"
    finally:
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


def answering(*replies: bytes) -> Script:
    def script(peer: socket.socket) -> None:
        for reply in replies:
            peer.recv(65536)
            peer.sendall(reply)

    return script


def until_closed(peer: socket.socket) -> None:
    peer.settimeout(10)
    while peer.recv(65536):
        pass


def test_a_connection_lost_after_sending_says_so_and_nothing_is_sent_again() -> None:
    seen: list[bytes] = []

    def drop(peer: socket.socket) -> None:
        seen.append(peer.recv(65536))

    with server(drop, answering(b":2\r\n")) as url, kvcore.connect(url) as store:
        with pytest.raises(kvcore.ConnectionLostError, match=r"INCR.*may have run") as caught:
            store.execute("INCR", "n")
        assert caught.value.sent
        assert seen == [b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"]
        assert store.execute("INCR", "n") == 2


def test_a_connection_closed_while_nobody_used_it_is_replaced() -> None:
    with server(answering(b":1\r\n"), answering(b":2\r\n")) as url, kvcore.connect(url) as store:
        assert store.incr("n") == 1
        link = store._local.link  # type: ignore[attr-defined]
        link.wait_readable(10)
        assert store.incr("n") == 2


def test_a_lost_transaction_is_not_gone_on_with() -> None:
    with server(answering(b"+OK\r\n", b"+QUEUED\r\n"), answering(b":1\r\n")) as url, kvcore.connect(url) as store:
        store.execute("MULTI")
        store.execute("INCR", "n")
        store._local.link.wait_readable(10)  # type: ignore[attr-defined]
        with pytest.raises(kvcore.ConnectionLostError, match="begin again"):
            store.execute("INCR", "n")
        assert store.execute("INCR", "n") == 1


def test_a_reply_that_does_not_come_in_time_is_nobody_elses() -> None:
    with server(until_closed, answering(b":1\r\n")) as url, kvcore.connect(url, timeout=0.05) as store:
        with pytest.raises(kvcore.ReplyTimeoutError, match="in time") as caught:
            store.incr("n")
        assert caught.value.sent
        assert store.incr("n") == 1


def test_blocking_commands_have_their_own_time(remote_url: str) -> None:
    with kvcore.connect(remote_url, timeout=0.05) as store:
        assert store.blpop("nothing", 0.2) is None
        assert store.xread({"nothing": "$"}, block=100) == []
        with store.pipeline(transaction=False) as pipe:
            pipe.blpop("nothing", 0.2)
            assert pipe.execute() == [None]


@pytest.mark.parametrize("rubbish", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-7\r\n", b"\x15\x03\x01\r\n"])
def test_what_is_no_reply_ends_the_connection(rubbish: bytes) -> None:
    with server(answering(rubbish), answering(b":1\r\n")) as url, kvcore.connect(url) as store:
        with pytest.raises(kvcore.KvcoreError, match="no reply"):
            store.incr("n")
        assert store.incr("n") == 1


def test_a_server_that_answers_too_much_is_not_asked_again() -> None:
    with server(answering(b":1\r\n:2\r\n"), answering(b":7\r\n")) as url, kvcore.connect(url) as store:
        assert store.incr("n") == 1
        assert store.incr("n") == 7


def test_an_interrupted_call_leaves_no_reply_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(decoder: ReplyDecoder, data: bytes) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    with server(answering(b":1\r\n", b":2\r\n"), answering(b":7\r\n")) as url, kvcore.connect(url) as store:
        assert store.incr("n") == 1
        monkeypatch.setattr(ReplyDecoder, "feed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.incr("n")
        assert store.incr("n") == 7


def test_nobody_there() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with kvcore.connect(f"redis://{HOST}:{port}") as store:
        with pytest.raises(
            kvcore.ConnectionLostError, match=f"cannot connect to {HOST}:{port}: Connection refused"
        ) as caught:
            store.ping()
        assert not caught.value.sent
    with (
        kvcore.connect("unix:///no/such/socket") as store,
        pytest.raises(kvcore.ConnectionLostError, match="No such file"),
    ):
        store.ping()
    with kvcore.connect(f"redis://{'x' * 70}.invalid") as store, pytest.raises(kvcore.ConnectionLostError):
        store.ping()


def test_a_server_without_resp3_says_so() -> None:
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(1000)
            peer.sendall(b"-ERR unknown command 'HELLO'\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"redis://{HOST}:{listener.getsockname()[1]}"
    with kvcore.connect(url) as store, pytest.raises(kvcore.KvcoreError, match="RESP3"):
        store.ping()
    thread.join(10)
    listener.close()


@pytest.mark.parametrize("kind", ["kvcore", "redis"])
def test_passwords_users_and_databases(kind: str) -> None:
    binary = find_oracle()
    if kind == "redis" and binary is None:
        pytest.skip("no redis-server to compare with")
    running = start_kvcore("asyncio") if kind == "kvcore" or binary is None else start_oracle(binary)
    at = f"{HOST}:{running.port}"
    try:
        with kvcore.connect(f"redis://{at}") as admin:
            admin.execute("ACL", "SETUSER", "ada", "on", ">pw", "~*", "+@all")
            admin.execute("CONFIG", "SET", "requirepass", "secret")
        with kvcore.connect(f"redis://ada:pw@{at}/2", client_name="me") as store:
            assert store.execute("ACL", "WHOAMI") == b"ada"
            assert (store.client_info()["db"], store.client_getname()) == ("2", "me")
        with kvcore.connect(f"redis://:secret@{at}") as store:
            assert store.execute("ACL", "WHOAMI") == b"default"
        for url, code in ((f"redis://:wrong@{at}", "WRONGPASS"), (f"redis://{at}", "NOAUTH")):
            with kvcore.connect(url) as store, pytest.raises(kvcore.CommandError) as caught:
                store.ping()
            assert caught.value.code == code
        with (
            kvcore.connect(f"redis://:secret@{at}/99") as store,
            pytest.raises(kvcore.CommandError, match="out of range"),
        ):
            store.ping()
    finally:
        running.stop()


def test_a_server_that_is_killed_and_one_that_comes_back() -> None:
    first = start_kvcore("asyncio")
    with kvcore.connect(f"redis://{HOST}:{first.port}") as store:
        assert store.ping()
        errors: list[BaseException] = []

        def wait() -> None:
            try:
                store.blpop("q", 0)
            except kvcore.KvcoreError as error:
                errors.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        while not store.info("clients")["blocked_clients"]:
            threading.Event().wait(0.001)
        first.stop()
        thread.join(10)
        assert [type(error) for error in errors] == [kvcore.ConnectionLostError]
        with pytest.raises(kvcore.ConnectionLostError, match="cannot connect"):
            store.ping()
        second = start_kvcore("asyncio", "--port", str(first.port))
        try:
            assert store.ping()
        finally:
            second.stop()


def test_busy_and_loading_are_errors_like_others() -> None:
    script = answering(b"-BUSY Redis is busy\r\n", b"-LOADING wait\r\n", b":1\r\n")
    with server(script) as url, kvcore.connect(url) as store:
        for code in ("BUSY", "LOADING"):
            with pytest.raises(kvcore.CommandError) as caught:
                store.incr("n")
            assert caught.value.code == code
        assert store.incr("n") == 1


def test_tls(certificates: Certificates) -> None:
    port = free_port()
    running = start_kvcore("asyncio", *certificates.options("--tls-port", str(port), "--tls-auth-clients", "yes"))
    trusted = f"rediss://localhost:{port}?ssl_ca_certs={certificates.ca}"
    shown = f"&ssl_certfile={certificates.client}&ssl_keyfile={certificates.client_key}"
    try:
        with kvcore.connect(trusted + shown) as store:
            store.set("big", "x" * 1_000_000)
            with store.pipeline(transaction=False) as pipe:
                for _ in range(5):
                    pipe.get("big").set("other", "y" * 500_000)
                assert len(pipe.execute()) == 10
            with store.pubsub(ignore_subscribe_messages=True) as listener:
                listener.subscribe("c")
                store.publish("c", "x")
                message = listener.get_message(timeout=10)
                assert message is not None
        with kvcore.connect(trusted) as store, pytest.raises(kvcore.ConnectionLostError):
            store.ping()
        unknown = pytest.raises(kvcore.ConnectionLostError, match="certificate is not trusted")
        with kvcore.connect(f"rediss://localhost:{port}") as store, unknown:
            store.ping()
        with kvcore.connect(f"redis://localhost:{port}") as store, pytest.raises(kvcore.ConnectionLostError):
            store.ping()
    finally:
        running.stop()


def test_a_pool_keeps_what_can_be_used_again(remote_url: str) -> None:
    pool = Pool(Address(remote_url))
    try:
        link = pool.take(pool.profile)
        pool.give(link)
        assert pool.take(pool.profile) is link
        link.note([b"WATCH", b"k"], "OK")
        pool.give(link)
        assert link.closed
        other = pool.take((1, ""))
        assert other.run([b"CLIENT", b"INFO"]).text.split(b" db=")[1].startswith(b"1 ")  # type: ignore[union-attr]
    finally:
        assert pool.close("closed")
    with pytest.raises(kvcore.ClosedError, match="closed"):
        pool.take(pool.profile)
    assert not pool.close("again")


def test_what_makes_a_connection_different_is_known() -> None:
    link = object.__new__(Link)
    link.profile, link.transaction, link.altered = (0, ""), False, False
    link.note([b"SELECT", b"3"], "OK")
    link.note([b"client", b"setname", b"me"], "OK")
    link.note([b"CLIENT", b"ID"], 5)
    link.note([b"SELECT", b"x"], kvcore.CommandError("ERR"))
    assert (link.profile, link.dirty) == ((3, "me"), False)
    link.note([b"MULTI"], "OK")
    link.note([b"EXEC"], kvcore.CommandError("EXECABORT x"))
    assert not link.dirty
    link.note([b"WATCH", b"k"], "OK")
    link.note([b"UNWATCH"], "OK")
    assert not link.dirty
    link.note([b"AUTH", b"pw"], "OK")
    assert link.dirty


def test_commands_that_a_remote_store_cannot_run_say_what_to_do(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        for words in (["subscribe", "c"], ["MONITOR"], ["HELLO", 2], ["RESET"], ["QUIT"], ["client", "reply", "off"]):
            with pytest.raises(kvcore.UnsupportedError, match=": "):
                store.execute(*words)
            with store.pipeline() as pipe:
                pipe.execute_command(*words)
                with pytest.raises(kvcore.UnsupportedError):
                    pipe.execute()
        assert store.ping()
    check_allowed([b"CLIENT", b"ID"])
    check_allowed([b"CLIENT"])


def test_kinds() -> None:
    assert (KINDS[b"BLPOP"], KINDS[b"MULTI"], KINDS[b"MONITOR"]) == (WAITS, STATE, REFUSED)
    assert waits([b"XREAD", b"block", b"0"])
    assert not waits([b"XREAD", b"STREAMS", b"s", b"$"])


def test_pipelines_larger_than_every_buffer(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        store.set("big", "x" * 1_000_000)
        with store.pipeline(transaction=False) as pipe:
            for _ in range(30):
                pipe.get("big").set("other", "y" * 500_000)
            results = pipe.execute()
        assert [len(result) if isinstance(result, bytes) else result for result in results] == [1_000_000, True] * 30


def test_unix_sockets(tmp_path: Path) -> None:
    path = tmp_path / "s"
    running = start_kvcore("asyncio", "--unixsocket", str(path))
    try:
        with kvcore.connect(f"unix://{path}?db=1") as store:
            assert store.set("k", "v")
            assert store.client_info()["db"] == "1"
    finally:
        running.stop()


def test_a_greeting_that_fails_says_that_nothing_was_sent() -> None:
    with socket.create_server((HOST, 0)) as listener:
        url = f"redis://{HOST}:{listener.getsockname()[1]}"
        with (
            kvcore.connect(url, connect_timeout=0.05) as store,
            pytest.raises(kvcore.ReplyTimeoutError, match=r"greeting.*nothing was sent") as caught,
        ):
            store.incr("n")
    assert not caught.value.sent


def test_a_lost_transaction_leaves_the_thread_on_its_database() -> None:
    databases: list[bytes] = []

    def second(peer: socket.socket) -> None:
        databases.append(peer.recv(65536))
        peer.sendall(b"+OK\r\n")
        answering(b":1\r\n")(peer)

    with server(answering(b"+OK\r\n", b"+OK\r\n"), second) as url, kvcore.connect(url) as store:
        store.select(3)
        store.execute("WATCH", "k")
        store._local.link.wait_readable(10)  # type: ignore[attr-defined]
        with pytest.raises(kvcore.ConnectionLostError, match="begin again"):
            store.incr("n")
        assert store.incr("n") == 1
    assert databases == [b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"]


def test_a_pool_keeps_so_many_connections_whatever_they_are_called(
    remote_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_link, "_MOST_IDLE", 2)
    pool = Pool(Address(remote_url, {"max_connections": 3}))
    links = [pool.connect((0, f"n{number}")) for number in range(5)]
    for link in links:
        pool.give(link)
    assert [link.closed for link in links] == [True, True, False, False, False]
    assert pool.find((0, "n0")) is None
    assert pool.find((0, "n3")) is links[3]
    pool.close("closed")


def test_what_is_no_reply_says_from_whom_and_what_may_have_run() -> None:
    refused = pytest.raises(kvcore.KvcoreError, match=rf"{HOST}:\d+, for the reply to INCRBY.*may have run")
    with server(answering(b"HTTP/1.1 400\r\n")) as url, kvcore.connect(url) as store, refused:
        store.incr("n")
