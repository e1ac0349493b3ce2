"""Parked sessions: who is served, in which order, and that no element is ever lost on the way."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.blocking import STILL_BLOCKED, Blocked
from kvcore.clock import ManualClock
from kvcore.datatypes.list import List
from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.replies import NULL_ARRAY, Reply
from kvcore.session import Session


class Client:
    """A session whose commands are words in a string."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.session: Session = engine.session()
        self.delivered: list[Reply] = []
        self.session.deliver = self.delivered.append

    def __call__(self, line: str) -> Reply:
        return self.engine.execute(self.session, line.encode().split())

    @property
    def waits(self) -> bool:
        return self.session.blocked is not None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine(clock: ManualClock) -> Engine:
    return Engine(clock=clock, random=random.Random(7))


@pytest.fixture
def pusher(engine: Engine) -> Client:
    return Client(engine)


def waiting(engine: Engine, *lines: str) -> list[Client]:
    """Return one client for each line, parked in this order."""
    clients = [Client(engine) for _ in lines]
    for client, line in zip(clients, lines, strict=True):
        assert isinstance(client(line), Blocked)
    return clients


def idle(engine: Engine) -> bool:
    """Whether nothing of a wait is left behind."""
    queues = engine.blocking
    leftovers = any(db.waiters for db in engine.keyspace.databases)
    return not (queues.count or queues.ready or queues.next_deadline_ms() or leftovers)


def test_a_hundred_clients_are_served_in_order(engine: Engine, pusher: Client) -> None:
    clients = waiting(engine, *["BLPOP k 0"] * 100)
    for value in range(50):
        assert pusher(f"RPUSH k {value}") == 1
    pusher("RPUSH k " + " ".join(map(str, range(50, 100))))
    assert [client.delivered for client in clients] == [[[b"k", b"%d" % value]] for value in range(100)]
    assert pusher("EXISTS k") == 0
    assert idle(engine)


def test_clients_that_die_take_no_element_with_them(engine: Engine, pusher: Client) -> None:
    clients = waiting(engine, *["BLPOP k 10"] * 100)
    for client in clients[::2]:
        engine.drop(client.session)
    pusher("RPUSH k " + " ".join(map(str, range(60))))
    assert [client.delivered for client in clients[::2]] == [[]] * 50
    assert [client.delivered for client in clients[1::2]] == [[[b"k", b"%d" % value]] for value in range(50)]
    assert pusher("LRANGE k 0 -1") == [b"%d" % value for value in range(50, 60)]
    assert idle(engine)


def test_a_client_whose_connection_is_gone_is_passed_over(engine: Engine, pusher: Client) -> None:
    first, second = waiting(engine, "BLPOP k 0", "BLPOP k 0")
    first.session.alive = lambda: False
    pusher("RPUSH k a")
    assert (first.delivered, second.delivered) == ([], [[b"k", b"a"]])


def test_moves_make_a_chain(engine: Engine, pusher: Client) -> None:
    units: list[list[bytes]] = []
    engine.subscribe(lambda unit: units.append([b" ".join(argv) for _, argv in unit]))
    clients = waiting(engine, "BLMOVE c d LEFT LEFT 0", "BRPOPLPUSH b c 0", "BLMOVE a b RIGHT RIGHT 0")
    pusher("RPUSH a 1")
    assert [client.delivered for client in clients] == [[b"1"]] * 3
    assert pusher("LRANGE d 0 -1") == [b"1"]
    # Each served command is an execution unit of its own, spelt as the real server does for one that waited.
    assert units == [
        [b"RPUSH a 1"],
        [b"LMOVE a b right right"],
        [b"RPOPLPUSH b c"],
        [b"LMOVE c d left left"],
    ]


def test_moves_in_a_circle_end(engine: Engine, pusher: Client) -> None:
    clients = waiting(engine, "BLMOVE a b LEFT LEFT 0", "BLMOVE b a LEFT LEFT 0", "BLMOVE a b LEFT LEFT 0")
    pusher("RPUSH a 1")
    assert [client.delivered for client in clients] == [[b"1"]] * 3
    assert pusher("LRANGE b 0 -1") == [b"1"]
    assert idle(engine)


def test_rotating_one_list_serves_all_who_wait_for_it(engine: Engine, pusher: Client) -> None:
    clients = waiting(engine, "BRPOPLPUSH k k 0", "BRPOPLPUSH k k 0")
    pusher("RPUSH k 1")
    assert [client.delivered for client in clients] == [[b"1"]] * 2
    assert pusher("LRANGE k 0 -1") == [b"1"]


def test_of_several_keys_the_first_signalled_counts(engine: Engine, pusher: Client) -> None:
    (client,) = waiting(engine, "BLPOP a b 0")
    for line in ("MULTI", "RPUSH b 1", "RPUSH a 2", "EXEC"):
        pusher(line)
    assert client.delivered == [[b"b", b"1"]]
    assert pusher("LRANGE a 0 -1") == [b"2"]
    assert idle(engine)


def test_the_same_key_twice_is_waited_for_once(engine: Engine, pusher: Client) -> None:
    (client,) = waiting(engine, "BLPOP k k other k 0")
    pusher("RPUSH k 1 2")
    assert client.delivered == [[b"k", b"1"]]
    assert pusher("LLEN k") == 1
    assert idle(engine)


def test_a_key_of_another_type_serves_nobody(engine: Engine, pusher: Client) -> None:
    (client,) = waiting(engine, "BLPOP k 0")
    pusher("SET k v")
    pusher("DEL k")
    pusher("SADD k v")
    assert client.waits
    pusher("DEL k")
    pusher("RPUSH k 1")
    assert client.delivered == [[b"k", b"1"]]


def test_lists_and_sorted_sets_have_one_queue_and_serve_their_own(engine: Engine, pusher: Client) -> None:
    on_zset, on_list = waiting(engine, "BZPOPMIN k 0", "BLPOP k 0")
    pusher("RPUSH k 1")
    assert (on_zset.delivered, on_list.delivered) == ([], [[b"k", b"1"]])
    pusher("ZADD k 5 m")
    assert on_zset.delivered == [[b"k", b"m", 5.0]]
    assert idle(engine)


@pytest.mark.parametrize(
    "transaction",
    [
        ("RPUSH k 1", "LPOP k"),
        ("RPUSH k 1", "DEL k"),
        ("RPUSH k 1", "DEL k", "SET k v"),
        ("RPUSH k 1", "RENAME k elsewhere"),
        ("RPUSH k 1", "FLUSHALL"),
    ],
    ids=" ".join,
)
def test_what_a_transaction_pushes_and_takes_back_serves_nobody(
    engine: Engine, pusher: Client, transaction: tuple[str, ...]
) -> None:
    (client,) = waiting(engine, "BLPOP k 0")
    for line in ("MULTI", *transaction, "EXEC"):
        pusher(line)
    assert client.waits
    pusher("DEL k")
    pusher("RPUSH k after")
    assert client.delivered == [[b"k", b"after"]]


def test_a_transaction_serves_when_it_is_over(engine: Engine, pusher: Client) -> None:
    (client,) = waiting(engine, "BLPOP k 0")
    for line in ("MULTI", "RPUSH k 1", "LPOP k", "RPUSH k 2 3", "LRANGE k 0 -1", "EXEC"):
        reply = pusher(line)
    assert reply == [1, b"1", 2, [b"2", b"3"]]
    assert client.delivered == [[b"k", b"2"]]


@pytest.mark.parametrize(
    ("prepare", "line"),
    [
        ((), "RPUSH k 1"),
        (("RPUSH x 1",), "RENAME x k"),
        (("RPUSH x 1",), "COPY x k"),
        (("RPUSH x 1",), "LMOVE x k LEFT LEFT"),
        (("SELECT 1", "RPUSH k 1"), "MOVE k 0"),
        (("SELECT 1", "RPUSH k 1"), "SWAPDB 0 1"),
        (("SELECT 1", "RPUSH k 1"), "SWAPDB 1 0"),
        (("SELECT 1", "RPUSH x 1"), "COPY x k DB 0"),
    ],
    ids=str,
)
def test_whatever_makes_the_list_serves(engine: Engine, pusher: Client, prepare: tuple[str, ...], line: str) -> None:
    (client,) = waiting(engine, "BLPOP k 0")
    for step in prepare:
        pusher(step)
    assert client.waits
    pusher(line)
    assert client.delivered == [[b"k", b"1"]]


def test_a_wait_belongs_to_its_database(engine: Engine, pusher: Client) -> None:
    (client,) = waiting(engine, "BLPOP k 0")
    pusher("SELECT 1")
    pusher("RPUSH k 1")
    assert client.waits


def test_swapdb_leaves_waits_with_their_index(engine: Engine, pusher: Client) -> None:
    (client,) = waiting(engine, "BLPOP k 0")
    pusher("SWAPDB 0 1")
    pusher("RPUSH k 1")
    assert client.delivered == [[b"k", b"1"]]


def test_time_outs_come_in_order_of_deadline(engine: Engine, clock: ManualClock) -> None:
    deadlines: list[int] = []
    engine.on_deadline = deadlines.append
    start = clock.now_us() // 1000
    late, never, early = waiting(engine, "BLPOP a 2", "BLPOP a 0", "BLPOP b 1.5")
    assert deadlines == [start + 2000, start + 1500]
    assert engine.blocking.next_deadline_ms() == start + 1500
    clock.advance(1500)
    engine.tick()
    assert (early.delivered, late.delivered) == ([NULL_ARRAY], [])
    clock.advance(1_000_000)
    engine.tick()
    assert (late.delivered, never.delivered) == ([NULL_ARRAY], [])
    assert engine.blocking.next_deadline_ms() == 0


def test_served_clients_do_not_time_out(engine: Engine, pusher: Client, clock: ManualClock) -> None:
    (client,) = waiting(engine, "BLPOP k 1")
    pusher("RPUSH k 1")
    assert isinstance(client("BLPOP k 5"), Blocked)
    clock.advance(1000)
    engine.tick()
    assert client.delivered == [[b"k", b"1"]]
    assert client.waits


def test_many_short_waits_leave_a_small_heap(engine: Engine, pusher: Client) -> None:
    (client,) = waiting(engine, "BLPOP k 1000")
    for _ in range(1000):
        pusher("RPUSH k 1")
        client("BLPOP k 1000")
    assert len(engine.blocking._deadlines) < 100


def test_client_unblock(engine: Engine, pusher: Client) -> None:
    timed, failed = waiting(engine, "BLPOP k 0", "BLMOVE k d LEFT LEFT 0")
    assert pusher(f"CLIENT UNBLOCK {timed.session.id}") == 1
    assert pusher(f"CLIENT UNBLOCK {failed.session.id} ERROR") == 1
    assert pusher(f"CLIENT UNBLOCK {failed.session.id}") == 0
    assert timed.delivered == [NULL_ARRAY]
    assert [str(reply) for reply in failed.delivered] == ["UNBLOCKED client unblocked via CLIENT UNBLOCK"]
    assert idle(engine)


def test_an_element_pushed_by_a_served_clients_next_command_is_served_too(engine: Engine, pusher: Client) -> None:
    first, second = waiting(engine, "BLPOP k 0", "BLPOP other 0")

    def pipelined(reply: Reply) -> None:
        first.delivered.append(reply)
        first("RPUSH other from-first")

    first.session.deliver = pipelined
    pusher("RPUSH k 1")
    assert first.delivered == [[b"k", b"1"]]
    assert second.delivered == [[b"other", b"from-first"]]
    assert idle(engine)


def test_a_retry_with_a_bug_fails_its_own_client_only(engine: Engine, pusher: Client) -> None:
    broken, sound = Client(engine), Client(engine)

    def retry(_key: bytes) -> Reply:
        raise RuntimeError("a bug")

    broken.session.call.block((b"k",), 0, retry, None)
    sound("BLPOP k 0")
    assert pusher("RPUSH k 1") == 1
    assert isinstance(broken.delivered[0], CommandError)
    assert sound.delivered == [[b"k", b"1"]]
    assert engine.statistics.unexpected_errors == 1


def test_a_client_that_cannot_be_served_keeps_its_place(engine: Engine, pusher: Client) -> None:
    refusing, second = Client(engine), Client(engine)
    asked: list[bytes] = []

    def retry(key: bytes) -> Reply:
        asked.append(key)
        return STILL_BLOCKED if len(asked) == 1 else b"served"

    refusing.session.call.block((b"k",), 0, retry, None)
    second("BLPOP k 0")
    pusher("RPUSH k 1 2")
    assert (refusing.waits, second.delivered) == (True, [[b"k", b"1"]])
    pusher("DEL k")
    pusher("RPUSH k 3")
    assert refusing.delivered == [b"served"]


TAKING = ["LPOP {a}", "BLPOP {a} {b} 0", "BRPOP {a} 1", "BLMPOP 0 2 {a} {b} RIGHT COUNT 2"]
MOVING = ["LMOVE {a} {b} LEFT RIGHT", "BLMOVE {a} {b} LEFT RIGHT 0", "BRPOPLPUSH {a} {b} 1", "SWAPDB 0 1"]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from([*TAKING, *MOVING, *["push"] * 4, "transaction", "drop", "tick"]),
        st.sampled_from("xyz"),
        st.sampled_from("xyz"),
    ),
    max_size=80,
)


class Bystander(Client):
    """A client that writes down which elements it took."""

    def __init__(self, engine: Engine, taken: list[bytes]) -> None:
        super().__init__(engine)
        self.taken = taken
        self.takes = False
        self.session.deliver = self.receive

    def receive(self, reply: Reply) -> None:
        assert not self.waits
        if self.takes and isinstance(reply, list):
            self.taken += reply[1] if isinstance(reply[1], list) else [reply[1]]
        elif self.takes and isinstance(reply, bytes):
            self.taken.append(reply)

    def run(self, line: str, takes: bool) -> None:
        self.takes = takes
        reply = self(line)
        if not isinstance(reply, Blocked):
            self.receive(reply)


@given(STEPS)
def test_no_element_is_lost_or_doubled_and_nobody_waits_beside_one(steps: list[tuple[int, str, str, str]]) -> None:
    clock = ManualClock()
    engine = Engine(clock=clock, random=random.Random(7))
    taken: list[bytes] = []
    clients = [Bystander(engine, taken) for _ in range(5)]
    pushed: list[bytes] = []
    for who, step, a, b in steps:
        client = clients[who]
        if step == "drop":
            engine.drop(client.session)
            clients[who] = Bystander(engine, taken)
        elif step == "tick":
            clock.advance(700)
            engine.tick()
        elif client.waits:
            continue
        elif step == "push":
            pushed.append(b"%d" % len(pushed))
            client.run(f"RPUSH {a} {pushed[-1].decode()}", takes=False)
        elif step == "transaction":
            pushed += [b"%d" % len(pushed), b"%d" % (len(pushed) + 1)]
            for line in ("MULTI", f"LPUSH {a} {pushed[-2].decode()}", f"LPUSH {b} {pushed[-1].decode()}", "EXEC"):
                client.run(line, takes=False)
        else:
            client.run(step.format(a=a, b=b), takes=step in TAKING)
        for db in engine.keyspace.databases[:2]:
            assert not [key for key in db.waiters if key in db]
    held = [
        value
        for db in engine.keyspace.databases[:2]
        for key in b"x y z".split()
        for value in db.read_as(key, List) or ()
    ]
    assert sorted(held + taken) == sorted(pushed)
    for client in clients:
        engine.drop(client.session)
    assert idle(engine)


class Steady(ManualClock):
    """A clock whose steady time goes on by itself, as the machine's does while a test has stopped the other."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_ns = 0
        self.steady_ns = lambda: self.passed_ns


def test_waiting_ends_after_its_time_though_the_wall_clock_stands_still() -> None:
    clock = Steady()
    engine = Engine(clock=clock)
    client = Client(engine)
    client("BLPOP list 10")
    clock.passed_ns += 9_990_000_000
    engine.tick()
    assert client.waits
    clock.passed_ns += 9_500_000  # timers may be half a millisecond early
    engine.tick()
    assert client.delivered == [NULL_ARRAY]


def test_waiting_ends_when_the_wall_clock_is_moved_past_its_time() -> None:
    clock = Steady()
    engine = Engine(clock=clock)
    client = Client(engine)
    client("BLPOP list 10")
    clock.advance(-5_000_000)
    engine.tick()
    assert client.waits
    clock.advance(5_010_000)
    engine.tick()
    assert client.delivered == [NULL_ARRAY]


def test_a_delayed_command_is_retried_when_its_time_has_come(
    engine: Engine, client: Client, clock: ManualClock
) -> None:
    session = client.session
    client("SET", "k", "1")
    deadline_ms = engine.now_ms() + 100
    retry = lambda _key: engine.execute(session, [b"INCR", b"k"])  # noqa: E731
    blocked = Blocked(session, session.call.db, (), deadline_ms, retry, None, delayed=True)
    engine.blocking.add(blocked)
    assert not engine.blocking.unblock(session, with_error=True)
    clock.advance(100)
    engine.tick()
    assert blocked.done
    assert client.delivered == [2]


def test_what_waits_for_no_key_is_not_what_a_pause_holds(engine: Engine, client: Client) -> None:
    session = client.session
    blocked = Blocked(session, session.call.db, (), 0, lambda _key: "retried", "timed out")
    engine.blocking.add(blocked)
    engine.unpause()
    assert not blocked.done
    assert engine.blocking.unblock(session, with_error=False)
    assert client.delivered == ["timed out"]


def test_waits_that_are_cut_short_are_counted(engine: Engine) -> None:
    waiter, other = Client(engine), Client(engine)
    record = engine.commands[b"blpop"]
    for reason, errors in (("ERROR", 1), ("TIMEOUT", 1)):
        waiter("BLPOP k 0")
        other(f"CLIENT UNBLOCK {waiter.session.id} {reason}")
        assert engine.statistics.errors.get("UNBLOCKED") == errors
    assert (record.calls, record.failed) == (2, 2)
