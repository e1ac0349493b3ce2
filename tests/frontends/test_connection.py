"""The sans-I/O connection on a transport that records: pipelines, pushes, parked commands, limits, closing."""

from __future__ import annotations

import pytest

from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.frontends.connection import COMMANDS_PER_TURN, REPLIES_PER_WRITE, Connection, refusal
from kvcore.frontends.faults import Faults
from kvcore.frontends.host import Host


class Wire:
    """A transport in memory; ``slow`` makes the peer read nothing."""

    def __init__(self) -> None:
        self.sent = b""
        self.slow = False
        self.closed = False
        self.aborted = False
        self.hung_up = False
        self.scheduled = 0
        self.reading = True
        self.connection: Connection | None = None

    def write(self, data: bytes) -> None:
        self.sent += data
        assert self.connection is not None
        self.connection.check_output()

    def buffered(self) -> int:
        return len(self.sent) if self.slow else 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def hang_up(self) -> None:
        assert not self.aborted
        self.hung_up = True

    def schedule(self) -> None:
        self.scheduled += 1

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def turn(self) -> None:
        """Do what an event loop does: flush as often as was asked for."""
        assert self.connection is not None
        while self.scheduled:
            self.scheduled -= 1
            self.connection.flush()

    def take(self) -> bytes:
        self.turn()
        sent, self.sent = self.sent, b""
        return sent

    def __call__(self, *words: str) -> bytes:
        """Send one command; return what came back."""
        assert self.connection is not None
        self.connection.receive(request(*words))
        return self.take()


def request(*words: str) -> bytes:
    parts = [b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"*%d\r\n" % len(words) + b"".join(parts)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def host(config: Config, clock: ManualClock) -> Host:
    return Host(Engine(config, clock=clock))


def connect(host: Host, port: int = 1) -> Wire:
    wire = Wire()
    wire.connection = Connection(host, wire, f"127.0.0.1:{port}", "127.0.0.1:6379", 7)
    return wire


def test_a_pipeline_is_answered_in_one_write_and_in_order(host: Host) -> None:
    wire = connect(host)
    assert wire.connection is not None
    wire.connection.receive(request("SET", "a", "1") + request("INCR", "a") + request("GET", "a") + b"PING\r\n")
    assert wire.take() == b"+OK\r\n:2\r\n$1\r\n2\r\n+PONG\r\n"


def test_a_command_cut_anywhere_is_answered_once_complete(host: Host) -> None:
    data = request("SET", "key", "value") + request("GET", "key")
    for cut in range(len(data)):
        wire = connect(host)
        assert wire.connection is not None
        wire.connection.receive(data[:cut])
        wire.connection.receive(data[cut:])
        assert wire.take() == b"+OK\r\n$5\r\nvalue\r\n"


def test_a_protocol_error_is_answered_after_the_commands_before_it(host: Host) -> None:
    wire = connect(host)
    assert wire.connection is not None
    wire.connection.receive(request("SET", "a", "1") + b"*1\r\n+PING\r\n" + request("GET", "a"))
    assert wire.take() == b"+OK\r\n-ERR Protocol error: expected '$', got '+'\r\n"
    assert wire.closed


def test_commands_behind_a_parked_one_wait_for_it(host: Host) -> None:
    wire, other = connect(host), connect(host, 2)
    assert wire.connection is not None
    wire.connection.receive(request("BLPOP", "list", "0") + request("SET", "after", "1"))
    assert wire.take() == b""
    assert other("EXISTS", "after") == b":0\r\n"
    wire.connection.receive(request("GET", "after"))
    assert other("RPUSH", "list", "x") == b":1\r\n"
    assert wire.take() == b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n+OK\r\n$1\r\n1\r\n"


def test_a_parked_command_times_out_by_the_clock(host: Host, clock: ManualClock) -> None:
    wire = connect(host)
    assert wire("BLPOP", "list", "0.5") == b""
    clock.advance(499)
    host.tick()
    assert wire.take() == b""
    clock.advance(1)
    host.tick()
    assert wire.take() == b"*-1\r\n"


def test_a_lost_client_swallows_nothing(host: Host) -> None:
    first, second, other = connect(host, 1), connect(host, 2), connect(host, 3)
    assert first("BLPOP", "list", "0") == b""
    assert second("BLPOP", "list", "0") == b""
    assert first.connection is not None
    first.connection.lost()
    other("RPUSH", "list", "x")
    assert second.take() == b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n"


def test_a_killed_client_is_not_served_before_its_loop_notices(host: Host) -> None:
    first, second, other = connect(host, 1), connect(host, 2), connect(host, 3)
    first("BLPOP", "list", "0")
    second("BLPOP", "list", "0")
    assert first.connection is not None
    with host.lock:
        first.connection.kill()
    assert first.hung_up
    other("RPUSH", "list", "x")
    assert second.take() == b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n"
    assert first.take() == b""
    assert first.aborted


def test_the_socket_of_a_lost_connection_is_left_alone(host: Host) -> None:
    wire = connect(host)
    assert wire.connection is not None
    wire.connection.lost()
    with host.lock:
        wire.connection.kill()  # by now its number may be another client's
    assert not wire.hung_up


def test_a_client_that_its_own_command_cuts_off_hears_when_the_command_is_over(host: Host) -> None:
    wire = connect(host)
    with Faults(host.engine, host.lock).disconnect("PING"):
        assert wire("PING") == b""
    assert wire.aborted
    assert not wire.hung_up


def test_published_messages_arrive_in_order_with_one_wake_up(host: Host) -> None:
    listener, other = connect(host, 1), connect(host, 2)
    assert listener("SUBSCRIBE", "news") == b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
    other("PUBLISH", "news", "1")
    assert listener.scheduled == 1
    other("PUBLISH", "news", "2")
    assert listener.scheduled == 1
    message = b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n%d\r\n"
    assert listener.take() == message % 1 + message % 2


def test_the_protocol_changes_between_two_replies_of_a_pipeline(host: Host) -> None:
    wire = connect(host)
    assert wire.connection is not None
    wire.connection.receive(request("GET", "none") + request("HELLO", "3") + request("GET", "none"))
    sent = wire.take()
    assert sent.startswith(b"$-1\r\n%7\r\n")
    assert sent.endswith(b"_\r\n")


def test_client_reply_modes(host: Host) -> None:
    wire = connect(host)
    assert wire("CLIENT", "REPLY", "SKIP") == b""
    assert wire("SET", "a", "1") == b""
    assert wire("GET", "a") == b"$1\r\n1\r\n"
    assert wire("CLIENT", "REPLY", "OFF") == b""
    assert wire("GET", "a") == b""
    assert wire("CLIENT", "REPLY", "ON") == b"+OK\r\n"
    assert wire("GET", "a") == b"$1\r\n1\r\n"


def test_quit_answers_then_closes_and_ignores_the_rest(host: Host) -> None:
    wire, other = connect(host, 1), connect(host, 2)
    assert wire.connection is not None
    wire.connection.receive(request("QUIT") + request("SET", "a", "1"))
    assert wire.take() == b"+OK\r\n"
    assert wire.closed
    assert other("EXISTS", "a") == b":0\r\n"


def test_a_long_pipeline_gives_way_and_goes_on(host: Host) -> None:
    wire = connect(host)
    assert wire.connection is not None
    wire.connection.receive(request("INCR", "n") * (COMMANDS_PER_TURN + 5))
    assert wire.sent.count(b":") == COMMANDS_PER_TURN
    assert wire.scheduled == 1
    assert wire.take().count(b":") == COMMANDS_PER_TURN + 5


def test_a_client_over_the_hard_output_limit_is_closed(host: Host, config: Config) -> None:
    config.set("client-output-buffer-limit", "normal 1000 0 0")
    wire, other = connect(host, 1), connect(host, 2)
    other("SET", "a", "x" * 600)
    wire.slow = True
    assert wire.connection is not None
    wire.connection.receive(request("GET", "a"))
    assert not wire.scheduled
    wire.connection.receive(request("GET", "a"))
    wire.turn()
    assert wire.aborted
    assert host.engine.statistics.output_limit_disconnections == 1


def test_replies_beyond_the_hard_limit_are_not_even_encoded(host: Host, config: Config) -> None:
    config.set("client-output-buffer-limit", "normal 8mb 0 0")
    client = connect(host)
    client("SET", "big", "x" * (2 << 20))
    client.slow = True
    assert client.connection is not None
    client.connection.receive(request("GET", "big") * 500)
    client.turn()
    assert client.aborted
    assert len(client.sent) < (REPLIES_PER_WRITE + 1) * (2 << 20)
    assert host.engine.statistics.output_limit_disconnections == 1


def test_a_client_over_the_soft_output_limit_is_closed_in_time(host: Host, config: Config, clock: ManualClock) -> None:
    config.set("client-output-buffer-limit", "normal 0 100 10")
    wire, other = connect(host, 1), connect(host, 2)
    other("SET", "a", "x" * 600)
    wire.slow = True
    assert wire.connection is not None
    wire.connection.receive(request("GET", "a"))
    clock.advance(9_000)
    wire.connection.check(host.engine.now_ms(), 0)
    wire.turn()
    assert not wire.aborted
    clock.advance(2_000)
    wire.connection.check(host.engine.now_ms(), 0)
    wire.turn()
    assert wire.aborted


def test_a_burst_over_the_soft_limit_that_was_read_is_forgotten(host: Host, config: Config, clock: ManualClock) -> None:
    config.set("client-output-buffer-limit", "normal 0 100 10")
    wire = connect(host)
    wire("SET", "a", "x" * 600)
    assert wire.connection is not None
    for _ in range(3):
        wire.slow = True
        wire.connection.receive(request("GET", "a"))
        wire.slow = False
        assert wire.connection.check_output()
        clock.advance(9_000)
    assert not wire.aborted


def test_arguments_that_arrived_are_no_query_buffer(host: Host, config: Config) -> None:
    config.set("client-query-buffer-limit", "1mb")
    wire = connect(host)
    assert wire.connection is not None
    values = [str(number) * 600_000 for number in range(3)]
    data = request("RPUSH", "list", *values)
    for start in range(0, len(data), 50_000):
        wire.connection.receive(data[start : start + 50_000])
    assert wire.take() == b":3\r\n"


def test_what_client_list_tells_of_a_request(host: Host) -> None:
    wire = connect(host)
    assert wire.connection is not None
    wire.connection.receive(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n" + b"x" * 10)
    assert (wire.connection.query_buffer, wire.connection.argument_bytes) == (10, 4)
    assert wire.connection.announced == 99_992
    assert wire.connection.request_bytes > 100_000
    blocked = connect(host, 2)
    assert blocked.connection is not None
    waiting = request("SET", "a", "1") + request("GET", "a")
    blocked.connection.receive(request("BLPOP", "list", "0") + waiting)
    assert blocked.connection.query_buffer == len(waiting)


def test_a_request_counts_for_maxmemory_while_it_is_incomplete(host: Host, config: Config) -> None:
    config.set("maxmemory", "100mb")
    wire = connect(host)
    assert wire.connection is not None
    eviction = host.engine.eviction
    data = request("SET", "a", "x" * 1_000_000)
    wire.connection.receive(data[:100])
    assert eviction.client_bytes > 1_000_000
    wire.connection.receive(data[100:])
    assert eviction.client_bytes == 0
    wire.slow = True
    wire.connection.receive(request("GET", "a"))
    assert eviction.client_bytes > 1_000_000
    wire.slow = False
    wire.connection.check_output()
    assert eviction.client_bytes == 0


def test_a_parked_client_that_floods_its_query_buffer_is_closed(host: Host, config: Config) -> None:
    config.set("client-query-buffer-limit", "1mb")
    wire = connect(host)
    wire("BLPOP", "list", "0")
    assert wire.connection is not None
    for _ in range(11):
        wire.connection.receive(b"x" * 100_000)
    wire.turn()
    assert wire.aborted


def test_an_idle_client_is_closed_but_not_one_that_listens(host: Host, clock: ManualClock) -> None:
    idle, listening = connect(host, 1), connect(host, 2)
    idle("PING")
    listening("SUBSCRIBE", "c")
    clock.advance(10_001)
    for wire in (idle, listening):
        assert wire.connection is not None
        wire.connection.check(host.engine.now_ms(), 10)
        wire.turn()
    assert idle.aborted
    assert not listening.aborted


def test_an_unauthenticated_peer_has_small_limits_until_it_authenticates(host: Host, config: Config) -> None:
    config.set("requirepass", "secret")
    wire = connect(host)
    assert wire("GET", "a") == b"-NOAUTH Authentication required.\r\n"
    assert wire.connection is not None
    value = "x" * 20_000
    wire.connection.receive(request("AUTH", "secret") + request("SET", "a", value) + request("STRLEN", "a"))
    assert wire.take() == b"+OK\r\n+OK\r\n:20000\r\n"
    stranger = connect(host)
    stranger("SET", "a", value)
    assert stranger.closed


def test_maxclients_refuses_with_the_servers_error(host: Host, config: Config) -> None:
    config.set("maxclients", "1")
    local = ("127.0.0.1", 1)
    assert refusal(host, local) == b""
    connect(host)
    assert refusal(host, local) == b"-ERR max number of clients reached\r\n"


def test_protected_mode_serves_strangers_only_with_a_password(host: Host, config: Config) -> None:
    stranger = ("192.0.2.7", 1)
    assert refusal(host, stranger).startswith(b"-DENIED ")
    assert refusal(host, ("fe80::1%eth0", 1, 0, 2)).startswith(b"-DENIED ")
    assert [refusal(host, peer) for peer in (("127.0.0.9", 1), ("::1", 1, 0, 0), "/run/kvcore.sock")] == [b""] * 3
    config.set("requirepass", "secret")
    assert refusal(host, stranger) == b""
    config.set("requirepass", "")
    assert refusal(host, stranger).startswith(b"-DENIED ")
    host.engine.acl.set_user(b"default", [b">secret"])
    assert refusal(host, stranger) == b""
    host.engine.acl.set_user(b"default", [b"nopass"])
    config.set("protected-mode", "no")
    assert refusal(host, stranger) == b""


def test_a_dropped_session_leaves_nothing_behind(host: Host) -> None:
    wire = connect(host)
    wire("SUBSCRIBE", "c")
    wire("PSUBSCRIBE", "p*")
    assert wire.connection is not None
    wire.connection.lost()
    engine = host.engine
    assert (engine.sessions, engine.pubsub.channels, engine.pubsub.patterns) == ({}, {}, {})
