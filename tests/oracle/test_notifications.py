"""Keyspace events of every class, and what tracking clients hear, beside the real server: the same after each unit.

A client listens to all events, another tracks all keys (BCAST); after each command or transaction both sides must have
said the same to both, in order. Commands are those of :mod:`tests.oracle.test_fuzz`, and those left out there whose
events do not depend on chance.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.oracle.harness import Mismatch, Pair, show
from tests.oracle.test_fuzz import KEYS, LEFT_OUT, Grammar
from tests.oracle.wire import Wire, WireSession, encode_command
from tests.waiting import SECONDS

ALSO = {"copy", "move", "sort", "sort_ro", "xclaim", "xautoclaim", "xreadgroup", "xread", "incrbyfloat"}
ALSO |= {"xgroup|create", "dump", "spop", "object|freq", "getdel", "pfdebug"}
SOIL = [
    ["DEL", "a", "b"],
    ["XADD", "a", "1-1", "m1", "v"],
    ["XADD", "a", "2-0", "m2", "v"],
    ["XGROUP", "CREATE", "a", "b", "0"],
    ["XREADGROUP", "GROUP", "b", "m1", "COUNT", "1", "STREAMS", "a", ">"],
    ["HSET", "b", "m1", "5", "m2", "10"],
]
"""Now and then, so that commands that need a group find one."""
UNITS = 1200


class EventGrammar(Grammar):
    """The fuzz test's commands and :data:`ALSO`; none that would wait."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.names += sorted(ALSO & LEFT_OUT)

    def unit(self) -> list[list[str]]:
        """Return a command, or now and then a transaction."""
        if self.source.random() < 0.1:
            return [["MULTI"], *(self._patient() for _ in range(self.source.randrange(1, 5))), ["EXEC"]]
        return [self._patient()]

    def _patient(self) -> list[str]:
        while True:
            words = self.command()
            upper = [word.upper() for word in words]
            if upper[0] == "SPOP":
                return ["SPOP", self.source.choice(KEYS), self.source.choice(["0", "1000000"])]
            if "BLOCK" not in upper and "BY" not in upper[2:3] and upper != ["XREADGROUP"] and "$" not in upper:
                return words


class Listeners:
    """One side: who runs the commands, and who hears of them."""

    def __init__(self, runner: WireSession, events: WireSession, tracker: WireSession) -> None:
        self.runner = runner
        self.listeners = (events, tracker)
        self._marks = 0
        self._ask(runner, "CONFIG", "SET", "notify-keyspace-events", "KEAmn")
        self._ask(runner, "DEBUG", "SET-ACTIVE-EXPIRE", "0")
        self._ask(events, "PSUBSCRIBE", "__key*")
        self._ask(tracker, "CLIENT", "TRACKING", "on", "BCAST")

    @staticmethod
    def _ask(session: WireSession, *words: str) -> None:
        session.send(words)
        assert session.read().kind != "-", words

    def stop(self) -> None:
        """Put the settings back."""
        self._ask(self.runner, "DEBUG", "SET-ACTIVE-EXPIRE", "1")
        self._ask(self.runner, "CONFIG", "SET", "notify-keyspace-events", "")

    def run(self, unit: list[list[str]]) -> tuple[Wire, list[Wire], list[Wire]]:
        """Run a unit; return its last reply, the events, and what the tracker heard."""
        self.runner.send_raw(b"".join(encode_command([w.encode("latin-1") for w in words]) for words in unit))
        reply = [self.runner.read_any(SECONDS) for _ in unit][-1]
        heard = [self._to_mark(session) for session in self.listeners]
        return reply, heard[0], heard[1]

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


@pytest.fixture
def sides(wire_pair: Pair) -> Iterator[tuple[Listeners, Listeners]]:
    """Yield both sides, listening."""
    clients = [wire_pair, wire_pair.client(2), wire_pair.client(3)]
    oracle = Listeners(*(client.oracle for client in clients))
    kvcore = Listeners(*(client.kvcore for client in clients))
    yield oracle, kvcore
    oracle.stop()
    kvcore.stop()


@pytest.mark.parametrize("seed", range(2))
def test_every_unit_says_the_same(sides: tuple[Listeners, Listeners], seed: int) -> None:
    grammar = EventGrammar(seed)
    history: list[str] = []
    heard: set[bytes] = set()
    for number in range(UNITS):
        unit = SOIL if number % 100 == 0 else grammar.unit()
        if number % 25 == 24:
            unit = [["PEXPIRE", grammar.source.choice(KEYS), "10"]]
        history += map(show, unit)
        (reply, events, keys), (our_reply, our_events, our_keys) = (side.run(unit) for side in sides)
        if (events, keys) != (our_events, our_keys):
            lines = "\n    ".join(history[-12:])
            raise Mismatch(
                f"seed {seed}, unit {number}: {reply} and {our_reply}\n  oracle: {events}\n  kvcore: {our_events}\n"
                f"  oracle tracks: {keys}\n  kvcore tracks: {our_keys}\n    {lines}"
            )
        heard.update(event.items[-1].text for event in events if b"keyspace" in event.items[2].text)
        if number % 25 == 24:
            time.sleep(0.015)  # what was given less has expired on both sides, and lies there to be found
    assert {b"expired", b"new", b"keymiss", b"hset", b"set", b"xadd", b"del"} <= heard
