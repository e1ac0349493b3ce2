r"""Run a command on kvcore and on the real server, and insist on the same reply.

How to write a case
-------------------
A test takes the fixture ``pair`` and runs once for each front end (``asyncio`` speaks RESP2, ``threaded``
RESP3, ``inprocess`` gives native values and is compared with RESP3). Both sides are empty and have new
connections.

    from tests.oracle.harness import Pair, check

    def test_set_options(pair: Pair) -> None:
        check(pair, '''
            SET a 1
            SET a b NX XX            # a comment; this must give the same syntax error
            GET a
            SET "bin\x00key" 'two words'
            ~ SMEMBERS s             # ~ : the order of the reply does not matter
            2> GET a                 # 2>: on another session (made when first named)
        ''')
        assert pair.both("GET", "a") == b"1"          # exact at RESP level; returns the oracle's native value

``pair.both(*args)``          same reply, byte for byte: ``+OK`` is not ``$2 OK``, ``$-1`` is not ``*-1``
``pair.both_sorted(*args)``   the same items in any order; pairs of HGETALL and CONFIG GET stay together
``pair.both_ttl(*args)``      integers that may differ by the time that passed between both calls
``pair.matches(rx, *args)``   replies of one type whose texts both match (ids, addresses, random values)
``pair.kinds(*args)``         the same shape of types, values ignored (RANDOMKEY, TIME, ...)
``pair.ask(*args)``           both replies, uncompared: ``(oracle, kvcore)`` as :class:`Wire`
``pair.config(name, value)``  CONFIG SET on both, undone after the test
``pair.pipeline([...])``      many commands in one write, each reply compared
``pair.client(protocol=3)``   another session on both sides, with all methods above
``run_sequence(pair, cmds)``  a list of argument tuples, for Hypothesis; sets and the like compare unordered

Not every reply comes at once (an in-process session is a thread of its own, so these work there as well):
``pair.send(*args)`` waits for nothing, ``pair.read(timeout)`` compares the next reply (``NOTHING`` when none
came), ``pair.read_push(timeout)`` the next RESP3 push, and ``pair.wait_blocked(n)`` returns once ``n``
clients are blocked on both sides:

    def test_blpop(pair: Pair) -> None:
        waiter = pair.client()
        waiter.send("BLPOP", "k", 0)
        pair.wait_blocked(1)
        pair.both("RPUSH", "k", "v")
        assert waiter.read() == [b"k", b"v"]

The fixture ``wire_pair`` runs on the network front ends only, for what needs a connection:
``pair.send_raw(data)`` sends bytes as they are (inline commands, broken requests), and
``pair.client(protocol=2)`` chooses the protocol.

A difference raises :class:`Mismatch` with both replies and the commands before it.
``ORACLE_FRONTENDS=inprocess`` (comma list) narrows a run while working; ``oracle`` as a front end compares
the real server with itself, which shows what a test can never see. ``ORACLE_SERVER`` names another binary;
with ``ORACLE_REQUIRED=1`` a missing oracle fails.

Lives here: comparison and its helpers. Must not live here: expected replies; the real server is what is
expected.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from tests.oracle.wire import AGGREGATES, NOTHING, Argument, Error, Wire, encode_command
from tests.waiting import SECONDS

__all__ = ["NOTHING", "Argument", "Error", "Mismatch", "Pair", "Session", "Wire", "check", "run_sequence"]

UNORDERED = frozenset(
    {"SMEMBERS", "SINTER", "SUNION", "SDIFF", "KEYS", "HGETALL", "HKEYS", "HVALS", "CONFIG|GET", "COMMAND"}
    | {"COMMAND|LIST", "PUBSUB|CHANNELS", "PUBSUB|SHARDCHANNELS", "ACL|CAT", "ACL|USERS"}
)
PAIRED = frozenset({"HGETALL", "CONFIG|GET", "PUBSUB|NUMSUB", "PUBSUB|SHARDNUMSUB"})
HISTORY = 25


class Mismatch(AssertionError):  # noqa: N818 - a finding, not an error of the harness
    """kvcore and the real server differ."""


class Session(Protocol):
    """One client's view of one side."""

    name: str
    protocol: int

    def send(self, arguments: Iterable[Argument]) -> None: ...
    def send_raw(self, data: bytes) -> None: ...
    def read(self, timeout: float = SECONDS) -> Wire: ...
    def read_push(self, timeout: float = SECONDS) -> Wire: ...
    def close(self) -> None: ...


def show(arguments: Iterable[Argument]) -> str:
    """Spell a command as one would type it in redis-cli."""
    words = []
    for argument in arguments:
        raw = argument if isinstance(argument, bytes) else str(argument).encode("utf-8", "surrogateescape")
        plain = re.fullmatch(rb"[!#-&(-\[\]-~]+", raw) is not None
        words.append(raw.decode() if plain else '"' + repr(raw)[2:-1].replace('"', '\\"') + '"')
    line = " ".join(words)
    return line if len(line) <= 300 else f"{line[:300]}... ({len(line)} characters)"


def command_name(arguments: Sequence[Argument]) -> set[str]:
    """Return the names a command goes by: ``{"CONFIG", "CONFIG|GET"}``."""
    words = [a.decode("latin-1") if isinstance(a, bytes) else str(a) for a in arguments[:2]]
    upper = [word.upper() for word in words]
    return {upper[0], "|".join(upper)} if upper else set()


def canonical(reply: Wire, numbers: bool) -> Wire:
    """Return ``reply`` with RESP3 sets in a fixed order and, with ``numbers``, doubles compared by value."""
    if reply.kind == "," and numbers:
        return Wire(",", repr(float(reply.text)).encode())
    if reply.kind not in AGGREGATES:
        return reply
    items = [canonical(item, numbers) for item in reply.items]
    return Wire(reply.kind, items=sorted(items, key=repr) if reply.kind == "~" else items)


def unordered(reply: Wire, paired: bool) -> Wire:
    """Return ``reply`` with its items sorted; maps (``paired``: flat arrays too) by key, values attached."""
    if reply.kind == "%" or (paired and reply.kind == "*" and len(reply.items) % 2 == 0):
        pairs = sorted(reply.pairs(), key=repr)
        return Wire(reply.kind, items=[part for pair in pairs for part in pair])
    return Wire(reply.kind, reply.text, sorted(reply.items, key=repr))


def kinds_of(reply: Wire) -> Wire:
    """Return the types of a reply without its values; arrays keep their length."""
    return Wire(reply.kind, items=[kinds_of(item) for item in reply.items])


class Pair:
    """The same session on the real server and on kvcore."""

    def __init__(
        self,
        frontend: str,
        open_sessions: Callable[[int], tuple[Session, Session]],
        protocol: int = 2,
        root: Pair | None = None,
    ) -> None:
        """``open_sessions(protocol)`` connects to both sides; clients share the root's history."""
        self.frontend = frontend
        self.protocol = protocol
        self._open_sessions = open_sessions
        self._root = root or self
        self.oracle, self.kvcore = open_sessions(protocol)
        self._clients: list[Pair] = []
        self._history: deque[str] = deque(maxlen=HISTORY) if root is None else root._history
        self._restore: list[tuple[Argument, Argument, Argument]] = []
        self._last: str = ""

    # Sessions

    def client(self, protocol: int | None = None) -> Pair:
        """Open another session on both sides; in RESP ``protocol``, by default this one's."""
        chosen = protocol or self.protocol
        client = Pair(self.frontend, self._open_sessions, chosen, self._root)
        self._root._clients.append(client)
        return client

    def close(self) -> None:
        """Undo ``config`` and hang up, the clients first."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        self.oracle.close()
        self.kvcore.close()
        if self._restore:  # on new sessions: the old ones may be inside MULTI, subscribed or closed
            oracle, kvcore = self._open_sessions(2)
            for name, theirs, ours in reversed(self._restore):
                for side, value in ((oracle, theirs), (kvcore, ours)):
                    side.send(("CONFIG", "SET", name, value))
                    side.read()
            self._restore.clear()
            oracle.close()
            kvcore.close()

    def forget(self) -> None:
        """Start the list of commands in a :class:`Mismatch` anew."""
        self._history.clear()

    def flush(self) -> None:
        """Empty all databases of both sides."""
        oracle, kvcore = self.ask("FLUSHALL")
        if (oracle.kind, kvcore.kind) != ("+", "+"):
            raise Mismatch(f"FLUSHALL: {oracle!r} and {kvcore!r}")

    # Commands

    def send(self, *arguments: Argument) -> None:
        """Send to both sides and wait for nothing."""
        self._note(arguments)
        self.oracle.send(arguments)
        self.kvcore.send(arguments)

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are to both sides."""
        self._last = f"raw bytes {data[:200]!r}"
        self._history.append(self._last)
        self.oracle.send_raw(data)
        self.kvcore.send_raw(data)

    def read(self, timeout: float = SECONDS) -> Any:
        """Compare the next reply of both sides; its native value, or ``NOTHING`` when neither sent one."""
        return self._compare(self.oracle.read(timeout), self.kvcore.read(timeout))

    def read_push(self, timeout: float = SECONDS) -> Any:
        """Compare the next push of both sides; its native value, or ``NOTHING``."""
        return self._compare(self.oracle.read_push(timeout), self.kvcore.read_push(timeout))

    def ask(self, *arguments: Argument) -> tuple[Wire, Wire]:
        """Run a command on both sides and return both replies, uncompared: ``(oracle, kvcore)``."""
        self.send(*arguments)
        return self._replies()

    def both(self, *arguments: Argument) -> Any:
        """Run a command on both sides, insist on the same reply, return its native value."""
        return self._compare(*self.ask(*arguments))

    def both_sorted(self, *arguments: Argument) -> Any:
        """Like :meth:`both`, in any order; the native value comes sorted by its spelling."""
        paired = bool(command_name(arguments) & PAIRED)
        oracle, kvcore = self.ask(*arguments)
        return self._compare(unordered(oracle, paired), unordered(kvcore, paired))

    def both_auto(self, *arguments: Argument) -> Any:
        """Use :meth:`both_sorted` for commands whose order is the server's own affair, else :meth:`both`."""
        known = command_name(arguments) & UNORDERED
        return self.both_sorted(*arguments) if known else self.both(*arguments)

    def both_ttl(self, *arguments: Argument, tolerance: int | None = None) -> int:
        """Compare integers that may differ by passing time: 1 for seconds, 1,000 for milliseconds."""
        if tolerance is None:
            tolerance = 1000 if any(name.startswith("P") for name in command_name(arguments)) else 1
        oracle, kvcore = self.ask(*arguments)
        if oracle.kind != ":" or kvcore.kind != ":" or min(int(oracle.text), int(kvcore.text)) < 0:
            return int(self._compare(oracle, kvcore))
        if abs(int(oracle.text) - int(kvcore.text)) > tolerance:
            raise self._mismatch(oracle, kvcore, f"more than {tolerance} apart")
        return int(oracle.text)

    def matches(self, pattern: str, *arguments: Argument) -> tuple[str, str]:
        """Insist on one type and on both texts matching ``pattern`` (``re.search``, dot matches newlines)."""
        oracle, kvcore = self.ask(*arguments)
        texts = tuple(reply.text.decode("utf-8", "surrogateescape") for reply in (oracle, kvcore))
        for text in texts:
            if oracle.kind != kvcore.kind or re.search(pattern, text, re.S) is None:
                raise self._mismatch(oracle, kvcore, f"want one type, and both to match {pattern!r}")
        return texts[0], texts[1]

    def kinds(self, *arguments: Argument) -> tuple[Any, Any]:
        """Compare only types and lengths; both native values, the oracle's first."""
        oracle, kvcore = self.ask(*arguments)
        if kinds_of(oracle) != kinds_of(kvcore):
            raise self._mismatch(oracle, kvcore)
        return oracle.native(), kvcore.native()

    def pipeline(self, commands: Iterable[Sequence[Argument]]) -> list[Any]:
        """Send all commands in one write and compare every reply; their native values."""
        listed = [tuple(command) for command in commands]
        data = b"".join(map(encode_command, listed))
        for side in (self.oracle, self.kvcore):
            if self.frontend == "inprocess" and side is self.kvcore:
                for command in listed:
                    side.send(command)
            else:
                side.send_raw(data)
        values = []
        for command in listed:
            self._note(command)
            values.append(self._compare(*self._replies()))
        return values

    def config(self, name: str, value: Argument) -> None:
        """Set a directive on both sides until the test ends."""
        oracle, kvcore = self.ask("CONFIG", "GET", name)
        if len(oracle.items) != 2 or len(kvcore.items) != 2:
            raise self._mismatch(oracle, kvcore, "want one directive on both sides")
        self.both("CONFIG", "SET", name, value)
        self._root._restore.append((name, oracle.items[1].text, kvcore.items[1].text))

    def wait_blocked(self, count: int, seconds: float = SECONDS) -> None:
        """Return once INFO shows ``count`` blocked clients on both sides."""
        self._wait(("INFO", "clients"), rf"blocked_clients:{count}\r", seconds)

    def wait_until(self, arguments: Sequence[Argument], value: Any, seconds: float = SECONDS) -> None:
        """Ask again until both sides answer ``value`` (native), for at most ``seconds``."""
        deadline = time.monotonic() + seconds
        while True:
            oracle, kvcore = self.ask(*arguments)
            if oracle.native() == value and kvcore.native() == value:
                return
            if time.monotonic() > deadline:
                raise self._mismatch(oracle, kvcore, f"not {value!r} on both sides within {seconds} s")
            time.sleep(0.005)

    def _wait(self, arguments: Sequence[Argument], pattern: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            sides = self.ask(*arguments)
            if all(re.search(pattern, reply.text.decode("latin-1")) for reply in sides):
                return
            if time.monotonic() > deadline:
                raise self._mismatch(*sides, f"want {pattern!r} on both sides within {seconds} s")
            time.sleep(0.005)

    # Comparison

    def _note(self, arguments: Sequence[Argument]) -> None:
        self._last = show(arguments)
        self._history.append(self._last)

    def _replies(self) -> tuple[Wire, Wire]:
        return self.oracle.read(), self.kvcore.read()

    def _compare(self, oracle: Wire, kvcore: Wire, full: tuple[Wire, Wire] | None = None) -> Any:
        numbers = self.frontend == "inprocess"
        if canonical(oracle, numbers) != canonical(kvcore, numbers):
            raise self._mismatch(*(full or (oracle, kvcore)))
        return NOTHING if oracle is NOTHING else oracle.native()

    def _mismatch(self, oracle: Wire, kvcore: Wire, why: str = "") -> Mismatch:
        protocol = "native" if self.frontend == "inprocess" else f"RESP{self.protocol}"
        lines = [f"{self.frontend} ({protocol}) differs from {self.oracle.name} on: {self._last}"]
        lines += [f"  {why}"] if why else []
        lines += [f"  oracle: {_cut(oracle)}", f"  kvcore: {_cut(kvcore)}", "  commands up to here:"]
        lines += [f"    {line}" for line in self._history]
        return Mismatch("\n".join(lines))


def _cut(reply: Wire) -> str:
    text = repr(reply)
    return text if len(text) <= 2000 else f"{text[:2000]}... ({len(text)} characters)"


_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "a": b"\a"}
_WORD = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|([^"\'\s]+))(?=\s|$)', re.S)


def split_line(line: str) -> list[bytes]:
    r"""Split as redis-cli does: ``"..."`` knows ``\xHH \n \r \t \b \a``, ``'...'`` only ``\'``."""
    words = []
    position = 0
    while line[position:].strip():
        found = _WORD.match(line, position)
        if found is None:
            raise ValueError(f"unbalanced quotes, or a quote inside a word: {line}")
        double, single, plain = found.groups()
        if double is not None:
            words.append(_unescape(double))
        else:
            word = plain if single is None else single.replace("\\'", "'")
            words.append(word.encode("utf-8", "surrogateescape"))
        position = found.end()
    return words


def _unescape(quoted: str) -> bytes:
    out = b""
    for part in re.findall(r"\\x[0-9a-fA-F]{2}|\\.|[^\\]+", quoted, re.S):
        if part.startswith("\\x") and len(part) == 4:
            out += bytes([int(part[2:], 16)])
        elif part.startswith("\\"):
            out += _ESCAPES.get(part[1:], part[1:].encode())
        else:
            out += part.encode("utf-8", "surrogateescape")
    return out


def check(pair: Pair, script: str) -> list[Any]:
    """Run a script, one command a line in redis-cli's quoting; compare every reply, return native values.

    ``#`` after white space starts a comment, ``~`` in front means any order (assumed for SMEMBERS, KEYS,
    HGETALL ...), and ``2>`` names the session that runs the line. A :class:`Mismatch` names the line that
    differs.
    """
    sessions = {"1": pair}
    values = []
    for number, line in enumerate(script.splitlines(), 1):
        text = re.sub(r"(^|\s)#\s.*", "", line).strip()
        if not text:
            continue
        session = pair
        if named := re.match(r"(\w)>\s+", text):
            text = text[named.end() :]
            if named[1] not in sessions:
                sessions[named[1]] = pair.client()
            session = sessions[named[1]]
        words = split_line(text.removeprefix("~ "))
        try:
            values.append(session.both_sorted(*words) if text.startswith("~ ") else session.both_auto(*words))
        except Mismatch as error:
            raise Mismatch(f"line {number} of the script: {text}\n{error}") from None
    return values


def run_sequence(pair: Pair, commands: Iterable[Sequence[Argument]]) -> Counter[str]:
    """Empty both sides, run the commands, compare each; return how many replies of each type came."""
    pair.flush()
    pair.forget()
    seen: Counter[str] = Counter()
    for command in commands:
        value = pair.both_auto(*command)
        seen["error" if isinstance(value, Error) else type(value).__name__] += 1
    return seen
