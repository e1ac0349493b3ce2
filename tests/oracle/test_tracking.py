"""Client-side caching beside the real server: every push of every client, in order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Mismatch, Pair, Session, check, show
from tests.oracle.wire import NOTHING, Wire, WireSession, encode_command
from tests.waiting import SECONDS, until

Line = tuple[str, ...]


def _plain(frame: Wire) -> Wire:
    """Spell nulls alike: kvcore's are those of the receiver's protocol, the real server's those of the tracker's."""
    if frame.kind in ("$-1", "_"):
        return Wire("_")
    return Wire(frame.kind, frame.text, [_plain(item) for item in frame.items])


class Side:
    """The clients of one server: their frames are read to a mark, so that nothing depends on time."""

    def __init__(self, sessions: dict[str, Session]) -> None:
        self.sessions: dict[str, WireSession] = {}
        self.ids: dict[str, str] = {}
        self._names: dict[bytes, bytes] = {}
        self._marks = 0
        for name, session in sessions.items():
            self.add(name, session)

    def add(self, name: str, session: Session) -> None:
        """Let a session be called ``name``, and learn its id."""
        assert isinstance(session, WireSession)
        session.send(("CLIENT", "ID"))
        number = session.read().text
        self.ids[name] = number.decode()
        self._names[number] = b"%b, connection %d" % (name.encode(), len(self._names))
        self.sessions[name] = session

    def run(self, name: str, lines: Sequence[Line]) -> dict[str, list[Wire]]:
        """Run commands of one client in one write; return what every client received, in order."""
        session = self.sessions[name]
        ids = {f"${known}": number for known, number in self.ids.items()}
        data = b"".join(encode_command([ids.get(word, word) for word in line]) for line in lines)
        session.send_raw(data)
        seen = {name: self._replies(session, len(lines))}
        # All replies came: the turn is over, and what it had to say to the others is on its way before their marks.
        for other, its_session in self.sessions.items():
            seen.setdefault(other, []).extend(self._to_mark(its_session))
        return seen

    def _replies(self, session: WireSession, count: int) -> list[Wire]:
        frames = []
        while count:
            frame = session.read_any(SECONDS)
            frames.append(frame)
            count -= not _is_push(frame)
            assert frame.kind != "nothing", frames
        return frames

    def _to_mark(self, session: WireSession) -> list[Wire]:
        self._marks += 1
        mark = b"mark-%d" % self._marks
        session.send(("PING", mark))
        frames = []
        while True:
            frame = session.read_any(SECONDS)
            if frame.text == mark or (frame.items and frame.items[-1].text == mark):
                return frames
            assert frame.kind not in ("nothing", "closed"), frames
            frames.append(frame)

    def wait_until_gone(self, number: str, watcher: str) -> None:
        """Return once the server lists the client no more."""
        session = self.sessions[watcher]

        def gone() -> bool:
            session.send(("CLIENT", "LIST", "ID", number))
            return not session.read().text

        until(f"client {number} is gone", gone, pause=0.001)

    def named(self, frames: list[Wire]) -> list[Wire]:
        """Put names in the places of ids, which differ between servers."""
        return [self._named(_plain(frame)) for frame in frames]

    def _named(self, frame: Wire) -> Wire:
        for index, item in enumerate(frame.items[:-1]):
            follower = frame.items[index + 1]
            if item.text in (b"tracking-redir-broken", b"redirect") and follower.kind == ":":
                follower.text = self._names.get(follower.text, follower.text)
        for item in frame.items:
            self._named(item)
        return frame


def _is_push(frame: Wire) -> bool:
    message = frame.items and frame.items[0].text in (b"message", b"invalidate", b"tracking-redir-broken")
    confirmation = bool(frame.items) and frame.items[0].text in (b"subscribe", b"unsubscribe")
    return bool(message) or (frame.kind == ">" and not confirmation)


PROTOCOLS = {"t": 3, "u": 3, "r": 2, "w": 2}


class Trio:
    """A RESP3 tracker ``t``, a RESP2 listener ``r`` and a RESP2 writer ``w``, and a second tracker ``u``, twice."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.oracle = Side({})
        self.kvcore = Side({})
        for name in PROTOCOLS:
            self.connect(name)
        self.history: list[str] = []
        pair.flush()

    def connect(self, name: str) -> None:
        """Connect a client, or connect it anew."""
        for side in (self.oracle, self.kvcore):
            if name in side.sessions:
                side.sessions.pop(name).close()
        client = self._pair.client(PROTOCOLS[name])
        self.oracle.add(name, client.oracle)
        self.kvcore.add(name, client.kvcore)

    def hang_up(self, name: str, watcher: str = "w") -> None:
        """Close a client on both sides, and connect it anew once both servers have noticed."""
        old = {side: side.ids[name] for side in (self.oracle, self.kvcore)}
        self.connect(name)
        for side, number in old.items():
            side.wait_until_gone(number, watcher)

    def run(self, name: str, *lines: Line) -> dict[str, list[Wire]]:
        """Run lines on both sides and compare what every client received."""
        self.history += [f"{name}> {show(line)}" for line in lines]
        theirs, ours = self.oracle.run(name, lines), self.kvcore.run(name, lines)
        for client in PROTOCOLS:
            left, right = self.oracle.named(theirs[client]), self.kvcore.named(ours[client])
            if left != right:
                script = "\n    ".join(self.history[-30:])
                raise Mismatch(f"client {client}:\n  oracle: {left}\n  kvcore: {right}\n    {script}")
        return ours


@pytest.fixture
def trio(wire_pair: Pair) -> Trio:
    return Trio(wire_pair)


def pushes(frames: list[Wire]) -> list[object]:
    """Return the native values of the out-of-band messages among ``frames``."""
    return [frame.native() for frame in frames if _is_push(frame)]


def test_errors(pair: Pair) -> None:
    check(
        pair,
        """
        CLIENT TRACKING
        CLIENT TRACKING maybe
        CLIENT TRACKING on nosuch
        CLIENT TRACKING maybe nosuch
        CLIENT TRACKING on REDIRECT
        CLIENT TRACKING on REDIRECT 0
        CLIENT TRACKING on REDIRECT -1
        CLIENT TRACKING on REDIRECT x
        CLIENT TRACKING on REDIRECT 99999
        CLIENT TRACKING off REDIRECT 99999
        CLIENT TRACKING on PREFIX
        CLIENT TRACKING on PREFIX a
        CLIENT TRACKING on BCAST OPTIN
        CLIENT TRACKING on BCAST OPTOUT
        CLIENT TRACKING on OPTIN OPTOUT
        CLIENT TRACKING off PREFIX a
        CLIENT TRACKING off BCAST OPTIN OPTOUT NOLOOP
        CLIENT TRACKING on OPTIN
        CLIENT TRACKING on OPTOUT
        CLIENT TRACKING on BCAST
        CLIENT TRACKING on
        CLIENT TRACKING on OPTOUT
        CLIENT CACHING yes
        CLIENT CACHING maybe
        CLIENT CACHING no
        CLIENT TRACKINGINFO
        CLIENT GETREDIR
        CLIENT TRACKING OFF
        CLIENT TRACKING on BCAST PREFIX b PREFIX a
        CLIENT TRACKINGINFO
        CLIENT TRACKING on BCAST PREFIX abc
        CLIENT TRACKING on BCAST PREFIX ''
        CLIENT TRACKING on BCAST PREFIX c PREFIX cd
        CLIENT TRACKING on BCAST NOLOOP PREFIX d
        CLIENT TRACKING on BCAST PREFIX a
        CLIENT TRACKING on
        CLIENT TRACKINGINFO
        CLIENT CACHING yes
        CLIENT TRACKING off
        CLIENT TRACKING off
        CLIENT CACHING yes
        CLIENT CACHING
        CLIENT CACHING yes no
        CLIENT GETREDIR
        CLIENT GETREDIR x
        CLIENT TRACKINGINFO
        CLIENT TRACKINGINFO x
    """,
    )


def test_own_changes_follow_the_reply(trio: Trio) -> None:
    trio.run("t", ("CLIENT", "TRACKING", "on"))
    trio.run("t", ("GET", "k"), ("SET", "k", "1"), ("GET", "k"), ("PING",), ("INCR", "k"))
    seen = trio.run("t", ("GET", "k"), ("MULTI",), ("GET", "k"), ("SET", "k", "2"), ("SET", "k", "3"), ("EXEC",))
    assert pushes(seen["t"]) == [[b"invalidate", [b"k"]]]
    trio.run("t", ("GET", "k"), ("MULTI",), ("FLUSHALL",), ("SET", "k", "2"), ("EXEC",), ("PING",))
    trio.run("t", ("GET", "k"), ("MULTI",), ("SET", "k", "4"), ("CLIENT", "TRACKING", "off"), ("EXEC",))
    trio.run("t", ("CLIENT", "TRACKING", "on"), ("GET", "k"))
    trio.run("t", ("CLIENT", "TRACKING", "off"), ("CLIENT", "TRACKING", "on"))
    assert pushes(trio.run("w", ("SET", "k", "5"))["t"]) == [[b"invalidate", [b"k"]]]


def test_redirection_ends_with_its_target(trio: Trio) -> None:
    trio.run("r", ("SUBSCRIBE", "__redis__:invalidate"))
    trio.run("t", ("CLIENT", "TRACKING", "on", "REDIRECT", "$r"), ("GET", "k"))
    assert pushes(trio.run("w", ("SET", "k", "1"))["r"]) == [[b"message", b"__redis__:invalidate", [b"k"]]]
    trio.run("t", ("GET", "k"), ("SET", "k", "2"), ("GET", "k"))
    trio.run("w", ("FLUSHALL",))
    trio.run("t", ("GET", "k"))
    trio.hang_up("r")
    assert len(pushes(trio.run("w", ("SET", "k", "1"))["t"])) == 1
    trio.run("t", ("CLIENT", "TRACKINGINFO"))
    trio.run("t", ("GET", "k"), ("SET", "k", "2"), ("CLIENT", "TRACKINGINFO"))
    trio.run("t", ("CLIENT", "TRACKING", "on"), ("CLIENT", "TRACKINGINFO"), ("GET", "k"))
    trio.run("w", ("DEL", "k"))


def test_broadcasts_are_batched_by_prefix(trio: Trio) -> None:
    trio.run("t", ("CLIENT", "TRACKING", "on", "BCAST"))
    trio.run("u", ("CLIENT", "TRACKING", "on", "BCAST", "NOLOOP", "PREFIX", "b", "PREFIX", "a"))
    seen = trio.run("w", ("MSET", "b2", "1", "b1", "2", "a1", "3", "k", "1"), ("SET", "a0", "1"), ("SET", "b2", "5"))
    assert pushes(seen["u"]) == [[b"invalidate", [b"a0", b"a1"]], [b"invalidate", [b"b1", b"b2"]]]
    trio.run("u", ("SET", "a1", "5"), ("SET", "b1", "5"))
    trio.run("t", ("SET", "a1", "5"), ("PING",), ("SET", "b1", "6"), ("SET", "a1", "6"))
    trio.run("u", ("SET", "b1", "1"), ("FLUSHALL",))
    trio.run("w", ("SET", "b1", "1"), ("SWAPDB", "0", "1"), ("SWAPDB", "0", "1"))


def test_the_table_has_a_limit(trio: Trio, wire_pair: Pair) -> None:
    wire_pair.config("tracking-table-max-keys", 2)
    trio.run("t", ("CLIENT", "TRACKING", "on"))
    for side in (trio.oracle, trio.kvcore):
        session = side.sessions["t"]
        session.send(("MGET", *map(str, range(10))))
        frames = [session.read_any(5) for _ in range(9)]
        assert frames[0].kind == "*"
        assert all(frame.items[0].text == b"invalidate" for frame in frames[1:])
        assert session.read_any(0.05) == NOTHING
        session.send(("INFO", "stats"))
        assert "\r\ntracking_total_keys:2\r\ntracking_total_items:2\r\n" in session.read().text.decode()


def test_replies_off_leave_pushes_on(trio: Trio) -> None:
    for side in (trio.oracle, trio.kvcore):
        session = side.sessions["t"]
        for line in ("CLIENT TRACKING on", "GET k", "CLIENT REPLY OFF", "SET k 1", "GET k", "SET k 2"):
            session.send(line.split())
        session.send(("CLIENT", "REPLY", "ON"))
        kinds = [session.read_any(5).kind for _ in range(5)]
        assert kinds == ["+", "_", ">", ">", "+"]


def test_scripts_are_remembered_with_their_keys(trio: Trio) -> None:
    get = "return redis.call('get', KEYS[1])"
    trio.run("t", ("CLIENT", "TRACKING", "on"))
    for script in (
        ("EVAL", get, "2", "k1", "k2"),
        ("EVAL_RO", get, "2", "k1", "k2"),
        ("EVAL", "return 1", "2", "k1", "k2"),
        ("EVAL_RO", "return 1", "2", "k1", "k2"),
        ("EVAL", "return redis.call('get', 'k3')", "1", "k1"),
        ("EVAL", "return redis.call('get', 'k3')", "0"),
        ("EVAL", "redis.call('set', KEYS[1], 1)", "2", "k1", "k2"),
        (
            "EVAL",
            "redis.call('get', KEYS[1]) redis.call('set', KEYS[1], 1) redis.call('get', KEYS[2])",
            "2",
            "k1",
            "k2",
        ),
        (
            "EVAL",
            "redis.call('get', KEYS[1]) redis.call('set', KEYS[2], 1) return redis.call('get', 'k3')",
            "2",
            "k1",
            "k2",
        ),
    ):
        trio.run("t", script)
        trio.run("w", ("MSET", "k1", "1", "k2", "1", "k3", "1"))
        trio.run("t", ("GET", "k1"), ("MULTI",), script, ("SET", "k1", "2"), ("EXEC",))
        trio.run("w", ("MSET", "k1", "1", "k2", "1", "k3", "1"))
    trio.run("t", ("CLIENT", "TRACKING", "off"), ("CLIENT", "TRACKING", "on", "OPTIN"), ("CLIENT", "CACHING", "yes"))
    trio.run("t", ("EVAL", get, "1", "k1"), ("EVAL", get, "1", "k2"))
    trio.run("w", ("MSET", "k1", "1", "k2", "1", "k3", "1"))


def test_parked_commands(trio: Trio) -> None:
    for side in (trio.oracle, trio.kvcore):
        for name in ("t", "u"):
            side.sessions[name].send(("CLIENT", "TRACKING", "on"))
            side.sessions[name].read()
    moves = (("BLPOP", "src", "0"), ("BLMOVE", "src", "dst", "LEFT", "LEFT", "0"), ("BLMPOP", "0", "1", "src", "LEFT"))
    for parked in moves:
        for name in ("t", "u"):
            trio.run(name, ("LRANGE", "src", "0", "-1"), ("LRANGE", "dst", "0", "-1"))
        seen = []
        for side in (trio.oracle, trio.kvcore):
            side.sessions["u"].send(parked)
            writer = side.sessions["w"]
            while b"blocked_clients:1\r" not in _info(writer):
                pass
            side.sessions["t"].send(("RPUSH", "src", "v"))
            frames = {"u": [], "t": []}
            for name in frames:
                frames[name] = side._replies(side.sessions[name], 1) + side._to_mark(side.sessions[name])
            seen.append(frames)
        assert seen[0] == seen[1], parked


def _info(session: WireSession) -> bytes:
    session.send(("INFO", "clients"))
    return session.read().text


# Random sequences

KEYS = ("k1", "k2", "h1", "l1", "", "n")
key = st.sampled_from(KEYS)
READS = st.one_of(
    st.tuples(st.sampled_from(("GET", "STRLEN", "TYPE", "LLEN", "HGETALL", "DUMP", "EXISTS", "TOUCH")), key),
    st.tuples(st.sampled_from(("MGET", "SUNION", "EXISTS", "PFCOUNT")), key, key),
    st.tuples(st.just("LRANGE"), key, st.just("0"), st.just("-1")),
    st.tuples(st.just("ZUNION"), st.just("2"), key, key),
    st.tuples(st.just("GET")),
    st.tuples(st.just("NOSUCH"), key),
    st.tuples(st.just("DBSIZE")),
)
WRITES = st.one_of(
    st.tuples(st.just("SET"), key, st.sampled_from("12")),
    st.tuples(st.sampled_from(("DEL", "INCR", "GETDEL", "PERSIST", "UNLINK", "LPOP", "SPOP", "GETEX")), key),
    st.tuples(st.sampled_from(("RENAME", "RENAMENX", "COPY", "LPUSH", "SADD", "PFADD", "APPEND", "DEL")), key, key),
    st.tuples(st.sampled_from(("RPOPLPUSH", "SUNIONSTORE", "PFMERGE")), key, key),
    st.tuples(st.sampled_from(("HSET", "MSET", "ZADD", "MSETNX")), key, st.just("1"), st.just("2")),
    st.tuples(st.sampled_from(("EXPIRE", "PEXPIRE")), key, st.sampled_from(("100000", "-1"))),
    st.tuples(st.just("MOVE"), key, st.just("1")),
    st.tuples(st.sampled_from(("FLUSHALL", "FLUSHDB"))),
    st.tuples(st.just("SWAPDB"), st.just("0"), st.just("1")),
    st.tuples(st.just("SELECT"), st.sampled_from("01")),
)
MODES = st.sampled_from(
    [
        ("on",),
        ("on", "NOLOOP"),
        ("on", "BCAST"),
        ("on", "BCAST", "NOLOOP"),
        ("on", "BCAST", "PREFIX", "k"),
        ("on", "BCAST", "PREFIX", "k1"),
        ("on", "BCAST", "NOLOOP", "PREFIX", "k", "PREFIX", "h"),
        ("on", "OPTIN"),
        ("on", "OPTOUT"),
        ("on", "OPTIN", "NOLOOP"),
        ("on", "REDIRECT", "$r"),
        ("on", "REDIRECT", "$t"),
        ("on", "REDIRECT", "$r", "NOLOOP"),
        ("on", "REDIRECT", "$r", "OPTIN"),
        ("on", "BCAST", "REDIRECT", "$r", "PREFIX", "h"),
        ("off",),
        ("off",),
    ]
)
TRACKING = st.one_of(
    MODES.map(lambda mode: ("CLIENT", "TRACKING", *mode)),
    st.sampled_from([("CLIENT", "CACHING", "yes"), ("CLIENT", "CACHING", "no"), ("CLIENT", "TRACKINGINFO")]),
    st.sampled_from(
        [("CLIENT", "GETNAME"), ("CLIENT", "CACHING", "yes"), ("CLIENT", "NOSUCH"), ("CLIENT", "SETNAME", "t")]
    ),
)
COMMANDS = st.one_of(READS, READS, WRITES, TRACKING)
TURNS = st.lists(COMMANDS, min_size=1, max_size=4)
TRANSACTIONS = TURNS.map(lambda lines: [("MULTI",), *lines, ("EXEC",)])
LISTENING = st.sampled_from(
    [("SUBSCRIBE", "__redis__:invalidate"), ("SUBSCRIBE", "x"), ("UNSUBSCRIBE", "__redis__:invalidate"), ("PING",)]
)
STEPS = st.one_of(
    st.tuples(st.sampled_from("tttu"), TURNS),
    st.tuples(st.just("u"), TRANSACTIONS),  # not ``t``: the real server puts what is redirected to it among its replies
    st.tuples(st.just("w"), st.lists(WRITES, min_size=1, max_size=3)),
    st.tuples(st.just("r"), st.lists(LISTENING, min_size=1, max_size=1)),
    st.just(("hang up", [])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=4, max_size=25))
def test_random_sequences(wire_pair: Pair, steps: list[tuple[str, list[Line]]]) -> None:
    trio = Trio(wire_pair)
    try:
        for name, lines in steps:
            if name == "hang up":
                trio.hang_up("r")
                continue
            trio.run(name, *lines)
    finally:
        for client in wire_pair._clients:
            client.close()
        wire_pair._clients.clear()


def test_a_lower_limit_of_the_table_is_heard_before_the_next_reply(trio: Trio, wire_pair: Pair) -> None:
    wire_pair.config("tracking-table-max-keys", 2)
    trio.run("t", ("CLIENT", "TRACKING", "on"), ("MGET", "1", "2"))
    for side in (trio.oracle, trio.kvcore):
        side.sessions["t"].send(("MULTI",))
        assert side.sessions["t"].read().text == b"OK"
    wire_pair.config("tracking-table-max-keys", 1)
    for side in (trio.oracle, trio.kvcore):
        session = side.sessions["t"]
        session.send(("PING",))
        session.send(("EXEC",))
        frames = [session.read_any(5) for _ in range(3)]
        assert [frame.kind for frame in frames] == [">", "+", "*"]
        assert frames[0].items[0].text == b"invalidate"
