"""MIGRATE: options, what is sent, what is deleted, who waits meanwhile. The conversation: tests/test_migration.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvcore import errors
from kvcore.blocking import Blocked
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.migration import request
from kvcore.replies import Reply
from tests.commands.conftest import Argument, Client
from tests.test_migration import FakeLink

RESTORED_V = b"\x00\x01v\n\x00"


class Network:
    """Targets that answer from a script; the work aside waits until the test says so."""

    def __init__(self, *links: FakeLink) -> None:
        self.links = list(links)
        self.aside = True
        self.waiting: list[tuple[Callable[[], None], Callable[[], None]]] = []

    def connect(self, _host: bytes, _port: int, _timeout_s: float) -> FakeLink:
        return self.links.pop(0)

    def background(self, work: Callable[[], None], done: Callable[[], None]) -> bool:
        if self.aside:
            self.waiting.append((work, done))
        return self.aside

    def proceed(self) -> None:
        work, done = self.waiting.pop(0)
        work()
        done()


@pytest.fixture
def network(engine: Engine) -> Network:
    engine.network = network = Network()
    return network


def answering(network: Network, *answers: bytes) -> FakeLink:
    network.links.append(FakeLink(*answers))
    return network.links[-1]


def migrate(client: Client, network: Network, *words: Argument) -> Reply:
    """Run a MIGRATE to its end and return the reply."""
    client.delivered.clear()
    reply = client("MIGRATE", "host", 7000, *words)
    if not isinstance(reply, Blocked):
        return reply
    network.proceed()
    (delivered,) = client.delivered
    return delivered


def test_a_key_goes(client: Client, network: Network, effects: list[list[bytes]]) -> None:
    client("SET", "k", "v")
    link = answering(network, b"+OK\r\n+OK\r\n")
    assert migrate(client, network, "k", 2, 1000) == "OK"
    assert link.sent.startswith(
        request(b"SELECT", b"2") + b"*4\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n$1\r\n0\r\n$13\r\n" + RESTORED_V
    )
    assert client("EXISTS", "k") == 0
    assert effects == [[b"SET", b"k", b"v"], [b"DEL", b"k"]]


def test_copy_replace_and_times(
    client: Client, network: Network, clock: ManualClock, effects: list[list[bytes]]
) -> None:
    client("SET", "k", "v", "PX", 5000)
    clock.advance(1500)
    effects.clear()
    link = answering(network, b"+OK\r\n+OK\r\n")
    assert migrate(client, network, "k", 0, 0, "copy", "REPLACE") == "OK"
    assert b"$4\r\n3500\r\n" in link.sent
    assert link.sent.endswith(b"$7\r\nREPLACE\r\n")
    assert client("EXISTS", "k") == 1
    assert effects == []


def test_many_keys_and_one_that_the_target_refuses(
    client: Client, network: Network, effects: list[list[bytes]]
) -> None:
    client("MSET", "a", 1, "b", 2, "c", 3)
    effects.clear()
    answering(network, b"+OK\r\n+OK\r\n-BUSYKEY there\r\n+OK\r\n")
    reply = migrate(client, network, "", 0, 100, "KEYS", "a", "b", "none", "c")
    assert str(reply) == "ERR Target instance replied with error: BUSYKEY there"
    assert client("KEYS", "*") == [b"b"]
    assert effects == [[b"DEL", b"a", b"c"]]


def test_a_target_that_goes_away(client: Client, network: Network, effects: list[list[bytes]]) -> None:
    client("MSET", "a", 1, "b", 2)
    effects.clear()
    answering(network, b"+OK\r\n+OK\r\n")
    assert str(migrate(client, network, "", 0, 100, "KEYS", "a", "b")) == errors.MIGRATE_READING
    assert client("KEYS", "*") == [b"b"]
    assert effects == [[b"DEL", b"a"]]


def test_cluster_nodes_say_asking(engine: Engine, client: Client, network: Network) -> None:
    engine.config.on_change("cluster-enabled", lambda: None)
    engine.config.set("cluster-enabled", "yes")
    client("SET", "k", "v")
    link = answering(network, b"+OK\r\n+OK\r\n")
    migrate(client, network, "k", 0, 0)
    assert b"\r\nRESTORE-ASKING\r\n" in link.sent


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("k", 0, 0, "WHAT"), errors.SYNTAX),
        (("k", "x", "x", "WHAT"), errors.SYNTAX),
        (("k", "x", 0), errors.NOT_AN_INTEGER),
        (("k", 0, "x"), errors.NOT_AN_INTEGER),
        (("k", 0, 0, "AUTH"), errors.SYNTAX),
        (("k", 0, 0, "AUTH2", "u"), errors.SYNTAX),
        (("k", 0, 0, "KEYS", "a"), errors.MIGRATE_KEY_AND_KEYS),
    ],
)
def test_errors(client: Client, network: Network, words: tuple[str | int, ...], error: str) -> None:
    client("SET", "k", "v")
    assert client.error("MIGRATE", "host", 7000, *words) == error
    assert not network.waiting


def test_nothing_to_send(client: Client, network: Network) -> None:
    assert client("MIGRATE", "host", 7000, "k", 0, 0) == "NOKEY"
    assert client("MIGRATE", "host", 7000, "", 0, 0, "KEYS") == "NOKEY"


def test_credentials_are_sent_and_not_shown(engine: Engine, client: Client, network: Network) -> None:
    engine.config.set("slowlog-log-slower-than", "0")
    client("SET", "k", "v")
    link = answering(network, b"+OK\r\n" * 3)
    assert migrate(client, network, "k", 0, 0, "AUTH2", "user", "secret") == "OK"
    assert link.sent.startswith(request(b"AUTH", b"user", b"secret"))
    assert all(b"secret" not in word for entry in client("SLOWLOG", "GET") for word in entry[3])


# While it takes place


def test_readers_go_on_and_writers_wait(client: Client, other: Client, network: Network) -> None:
    client("SET", "k", "v")
    answering(network, b"+OK\r\n+OK\r\n")
    assert isinstance(client("MIGRATE", "host", 7000, "k", 0, 0), Blocked)
    assert other("GET", "k") == b"v"
    assert isinstance(other("APPEND", "k", "w"), Blocked)
    assert other.delivered == []
    network.proceed()
    assert client.delivered == ["OK"]
    assert other.delivered == [1]  # appended to nothing: the key was gone
    assert other("SET", "k2", "v") == "OK"


def test_two_migrations_follow_one_another(engine: Engine, client: Client, other: Client, network: Network) -> None:
    client("MSET", "a", 1, "b", 2)
    answering(network, b"+OK\r\n+OK\r\n", b"+OK\r\n")
    client("MIGRATE", "host", 7000, "a", 0, 0)
    other("MIGRATE", "host", 7000, "b", 0, 0)
    assert len(network.waiting) == 1
    network.proceed()
    assert (client.delivered, other.delivered) == (["OK"], [])
    network.proceed()  # on the same link
    assert other.delivered == ["OK"]
    assert client("DBSIZE") == 0
    assert engine.gate == 0


def test_what_changed_meanwhile_stays(engine: Engine, client: Client, network: Network) -> None:
    client("RPUSH", "k", "v")
    client("SET", "s", "v")
    answering(network, b"+OK\r\n+OK\r\n+OK\r\n")
    client("MIGRATE", "host", 7000, "", 0, 0, "KEYS", "k", "s")
    db = engine.keyspace.databases[0]
    db.touch(b"k")  # what a peer's link would do
    network.proceed()
    assert client.delivered == ["OK"]
    assert client("KEYS", "*") == [b"k"]
    assert not db.observed


def test_a_client_that_leaves_does_not_stop_it(engine: Engine, client: Client, other: Client, network: Network) -> None:
    other("SET", "k", "v")
    answering(network, b"+OK\r\n+OK\r\n")
    client("MIGRATE", "host", 7000, "k", 0, 0)
    engine.drop(client.session)
    network.proceed()
    assert client.delivered == []
    assert other("EXISTS", "k") == 0
    assert engine.gate == 0


def test_in_a_transaction_it_is_done_at_once(client: Client, network: Network, effects: list[list[bytes]]) -> None:
    client("SET", "k", "v")
    effects.clear()
    answering(network, b"+OK\r\n+OK\r\n")
    client("MULTI")
    client("MIGRATE", "host", 7000, "k", 0, 0)
    client("EXISTS", "k")
    assert client("EXEC") == ["OK", 0]
    assert effects == [[b"DEL", b"k"]]
    assert not network.waiting


def test_without_a_thread_it_is_done_at_once(client: Client, network: Network) -> None:
    network.aside = False
    client("SET", "k", "v")
    answering(network, b"+OK\r\n-NOPE\r\n")
    assert client.error("MIGRATE", "host", 7000, "k", 0, 0) == "ERR Target instance replied with error: NOPE"


def test_an_engine_without_a_front_end_reaches_nobody(client: Client) -> None:
    client("SET", "k", "v")
    assert client.error("MIGRATE", "host", 7000, "k", 0, 0) == errors.MIGRATE_CONNECTING


def test_watchers_and_events(engine: Engine, client: Client, other: Client, network: Network) -> None:
    engine.config.set("notify-keyspace-events", "Eg")
    client("SET", "k", "v")
    other("WATCH", "k")
    listener = Client(engine)
    listener("PSUBSCRIBE", "*")
    listener.session.outbox.clear()
    answering(network, b"+OK\r\n+OK\r\n")
    migrate(client, network, "k", 0, 0)
    assert [push[2:] for push in listener.session.outbox] == [[b"__keyevent@0__:del", b"k"]]
    other("MULTI")
    assert repr(other("EXEC")) == "NULL_ARRAY"
