"""redis-py, unmodified, in threads: every way a program holds it, in RESP2 and RESP3, on both front ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.oracle.servers import HOST, Server

Connect = Callable[..., Any]


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def connect(request: pytest.FixtureRequest, server: Server) -> Iterator[Connect]:
    """Yield a function that makes clients of one protocol; all are closed after the test."""
    clients: list[redis.Redis] = []

    def make(**options: Any) -> redis.Redis:  # one retry at once: the default waits seconds before an error shows
        if "unix_socket_path" not in options:
            options = {"host": HOST, "port": server.port, **options}
        usual = {"protocol": request.param, "socket_timeout": 20, "retry": Retry(NoBackoff(), 1)}
        client = redis.Redis(**{**usual, **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def next_message(pubsub: Any) -> dict[str, Any]:
    """Wait for the next message of a subscriber."""
    while (message := pubsub.get_message(timeout=10)) is None:
        pass
    return dict(message)


def test_bytes_and_decoded_replies(connect: Connect) -> None:
    raw, decoded = connect(), connect(decode_responses=True)
    assert raw.ping() is True
    assert raw.set("k", "é") is True
    assert (raw.get("k"), decoded.get("k"), decoded.get("none")) == ("é".encode(), "é", None)
    assert raw.set("bin", bytes(range(256)))
    assert raw.get("bin") == bytes(range(256))
    assert raw.set("k", "v", nx=True) is None
    assert raw.set("k", "v", px=60_000, get=True) == "é".encode()
    assert 0 < raw.pttl("k") <= 60_000
    assert (raw.incrby("n", 5), raw.incrbyfloat("f", 1.5)) == (5, 1.5)
    assert raw.mget("k", "none", "n") == [b"v", None, b"5"]
    big = b"x" * 3_000_000
    raw.set("big", big)
    assert raw.get("big") == big


def test_each_data_type(connect: Connect) -> None:
    client = connect(decode_responses=True)
    assert client.rpush("l", *"abc") == 3
    assert (client.lrange("l", 0, -1), client.lpop("l", 2), client.lpos("l", "c")) == (["a", "b", "c"], ["a", "b"], 0)
    assert client.hset("h", mapping={"a": 1, "b": 2}) == 2
    assert client.hgetall("h") == {"a": "1", "b": "2"}
    assert client.sadd("s", 1, 2, 3) == 3
    assert client.smembers("s") == {"1", "2", "3"}
    assert client.smismember("s", ["1", "9"]) == [1, 0]
    assert client.zadd("z", {"a": 1, "b": 2.5}) == 2
    assert client.zscore("z", "b") == 2.5
    assert [tuple(pair) for pair in client.zrange("z", 0, -1, withscores=True)] == [("a", 1.0), ("b", 2.5)]
    assert client.zadd("z", {"a": float("inf")}, xx=True, ch=True) == 1
    assert client.zscore("z", "a") == float("inf")
    assert client.sort("s", desc=True) == ["3", "2", "1"]
    assert client.type("z") == "zset"
    assert client.object("encoding", "h") == "listpack"


def test_introspection_that_programs_parse(connect: Connect, server: Server) -> None:
    client = connect(decode_responses=True, client_name="me")
    info = client.info()
    assert (info["redis_version"], info["tcp_port"], info["role"]) == ("7.0.15", server.port, "master")
    client.set("k", 1)
    assert client.info("keyspace")["db0"]["keys"] == 1
    assert client.client_getname() == "me"
    assert client.client_id() in {int(found["id"]) for found in client.client_list()}
    assert client.config_get("maxclients") == {"maxclients": "10000"}
    assert client.config_set("hz", 10) is True
    assert client.command_count() > 100
    assert client.dbsize() == 1
    assert client.time()[0] > 1_600_000_000
    assert client.slowlog_len() >= 0
    assert client.role()[0] == "master"


def test_error_classes(connect: Connect) -> None:
    client = connect()
    client.rpush("l", 1)
    with pytest.raises(redis.ResponseError, match=r"^WRONGTYPE Operation against a key"):
        client.get("l")
    with pytest.raises(redis.ResponseError, match=r"^unknown command 'NOSUCH'"):
        client.execute_command("NOSUCH")
    with pytest.raises(redis.AuthenticationError):
        client.auth("wrong")
    assert client.ping()


def test_pipelines_and_transactions(connect: Connect) -> None:
    client = connect()
    plain = client.pipeline(transaction=False)
    for number in range(5000):
        plain.set(f"k{number}", number).get(f"k{number}")
    assert plain.execute()[1::2] == [b"%d" % number for number in range(5000)]
    assert client.pipeline().set("a", 1).incr("a").hset("h", "f", "v").execute() == [True, 2, 1]
    failing = client.pipeline().set("s", "x").incr("s").get("s")
    assert isinstance(failing.execute(raise_on_error=False)[1], redis.ResponseError)
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        client.pipeline().execute_command("GET").execute()
    assert client.ping()


def test_watch(connect: Connect) -> None:
    client, other = connect(), connect()
    client.set("n", 1)
    with client.pipeline() as pipeline:
        pipeline.watch("n")
        other.set("n", 2)
        pipeline.multi()
        pipeline.set("n", 3)
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    assert client.get("n") == b"2"

    def increment(pipeline: Any) -> None:
        value = int(pipeline.get("n"))
        pipeline.multi()
        pipeline.set("n", value + 1)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(client.transaction, increment, "n") for _ in range(20)]:
            assert done.result() == [True]
    assert client.get("n") == b"22"


def test_pubsub_with_patterns(connect: Connect) -> None:
    client = connect()
    subscriber = client.pubsub()
    subscriber.subscribe("news")
    subscriber.psubscribe("n*")
    assert [next_message(subscriber)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert client.publish("news", "hello") == 2
    first, second = next_message(subscriber), next_message(subscriber)
    assert (first["type"], first["channel"], first["data"]) == ("message", b"news", b"hello")
    assert (second["type"], second["pattern"], second["data"]) == ("pmessage", b"n*", b"hello")
    assert client.pubsub_channels() == [b"news"]
    assert client.pubsub_numsub("news", "none") == [(b"news", 1), (b"none", 0)]
    assert client.pubsub_numpat() == 1
    subscriber.ping()
    assert next_message(subscriber)["type"] == "pong"
    subscriber.unsubscribe()
    subscriber.punsubscribe()
    assert [next_message(subscriber)["type"] for _ in range(2)] == ["unsubscribe", "punsubscribe"]
    assert client.publish("news", "gone") == 0
    subscriber.close()


def test_pubsub_with_handlers_in_a_thread(connect: Connect) -> None:
    client = connect(decode_responses=True)
    seen: list[str] = []
    enough = threading.Event()

    def handle(message: dict[str, str]) -> None:
        seen.append(message["data"])
        if len(seen) == 200:
            enough.set()

    subscriber = client.pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(c=handle)
    assert subscriber.get_message(timeout=10) is None  # the confirmation
    worker = subscriber.run_in_thread(sleep_time=5)
    for number in range(200):
        assert client.publish("c", number) == 1
    assert enough.wait(20)
    worker.stop()
    client.publish("c", "wakes the thread")
    worker.join(20)
    assert seen[:200] == [str(number) for number in range(200)]


def test_keyspace_notifications(connect: Connect) -> None:
    client = connect(decode_responses=True)
    client.config_set("notify-keyspace-events", "KEA")
    subscriber = client.pubsub(ignore_subscribe_messages=True)
    subscriber.psubscribe("__key*__:*")
    assert subscriber.get_message(timeout=10) is None
    client.set("k", 1)
    assert [next_message(subscriber)["channel"] for _ in range(2)] == ["__keyspace@0__:k", "__keyevent@0__:set"]
    client.config_set("notify-keyspace-events", "")
    subscriber.close()


def test_scan_iterators(connect: Connect) -> None:
    client = connect(decode_responses=True)
    client.mset({f"key:{number}": number for number in range(2000)})
    client.sadd("set", *range(1500))
    client.hset("hash", mapping={str(number): number for number in range(1500)})
    client.zadd("zset", {str(number): number for number in range(1500)})
    keys = {f"key:{number}" for number in range(2000)}
    assert set(client.scan_iter(match="key:*", count=100)) == keys
    assert set(client.scan_iter(_type="hash")) == {"hash"}
    assert set(client.sscan_iter("set")) == {str(number) for number in range(1500)}
    assert dict(client.hscan_iter("hash", count=50)) == {str(number): str(number) for number in range(1500)}
    assert dict(client.zscan_iter("zset")) == {str(number): float(number) for number in range(1500)}


def test_blocking_pops(connect: Connect) -> None:
    client, other = connect(), connect()
    assert client.blpop("none", timeout=0.01) is None
    with ThreadPoolExecutor(4) as threads:
        pops = [
            threads.submit(client.blpop, ["empty", "l"], 20),
            threads.submit(client.bzpopmin, "z", 20),
            threads.submit(client.blmove, "from", "to", 20),
            threads.submit(client.blmpop, 20, 1, "m", direction="LEFT", count=2),
        ]
        while other.info("clients")["blocked_clients"] < 4:
            pass
        other.rpush("l", "v")
        other.zadd("z", {"m": 1.5})
        other.rpush("from", "moved")
        other.rpush("m", 1, 2, 3)
        found = [done.result(20) for done in pops]
    assert list(found[0]) == [b"l", b"v"]
    assert list(found[1]) == [b"z", b"m", 1.5]
    assert found[2] == b"moved"
    assert found[3] == [b"m", [b"1", b"2"]]


def test_locks_that_expire(connect: Connect) -> None:
    """Taking a lock is SET NX PX; giving it back is a script, which comes with scripting."""
    first, second = (connect().lock("lock", timeout=60, blocking=False) for _ in range(2))
    assert first.acquire()
    assert (first.owned(), second.acquire(), second.locked()) == (True, False, True)
    assert connect().pttl("lock") > 0
    connect().delete("lock")
    assert second.acquire()
    assert not first.owned()


def test_a_pool_shared_by_threads(connect: Connect, server: Server) -> None:
    pool = redis.BlockingConnectionPool(host=HOST, port=server.port, max_connections=4, timeout=20)
    client = redis.Redis(connection_pool=pool)

    def work(number: int) -> int:
        for _ in range(50):
            client.incr("shared")
            client.set(f"own:{number}", number)
        return int(client.get(f"own:{number}"))

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(work, range(16))) == list(range(16))
    assert client.get("shared") == b"800"
    assert len(connect().client_list()) <= 6
    pool.disconnect()


def test_reconnects_after_client_kill(connect: Connect) -> None:
    client = connect(single_connection_client=True)
    before = client.client_id()
    assert connect().client_kill_filter(_id=before) == 1
    assert client.set("k", "v")
    assert client.client_id() > before
    fragile = connect(retry=Retry(NoBackoff(), 0), single_connection_client=True)
    connect().client_kill_filter(_id=fragile.client_id())
    with pytest.raises(redis.ConnectionError):
        fragile.get("k")
    assert fragile.get("k") == b"v"


def test_databases_and_authentication(connect: Connect) -> None:
    client = connect()
    client.set("k", 0)
    third = connect(db=3)
    assert third.get("k") is None
    third.set("k", 3)
    assert (client.get("k"), client.move("k", 3), client.dbsize(), third.dbsize()) == (b"0", 0, 1, 1)
    client.config_set("requirepass", "secret")
    try:
        with pytest.raises(redis.AuthenticationError):
            connect().ping()
        with pytest.raises(redis.AuthenticationError):
            connect(password="wrong").ping()
        assert connect(password="secret").ping()
        assert connect(username="default", password="secret").ping()
    finally:
        client.config_set("requirepass", "")


def test_unix_socket(connect: Connect, unix_socket: str) -> None:
    client = connect(unix_socket_path=unix_socket, decode_responses=True)
    assert client.set("k", "v")
    assert client.get("k") == "v"
    assert client.client_info()["addr"] == f"{unix_socket}:0"


def test_monitor(connect: Connect) -> None:
    client = connect()
    with client.monitor() as monitor:
        client.set("k", "two words")
        while (seen := monitor.next_command())["command"] != "SET k two words":
            assert seen["db"] == 0
    assert seen["client_type"] == "tcp"
