"""What ``kvcore bench`` sends: the tests, and each one's endless sequence of commands.

What lives here: command lines with places for numbers and values, what has to be there before a test, and which keys it
leaves. What must not: sockets, stores, clocks. The rule: every key begins with :data:`PREFIX`, and the sequence of a
seed is always the same, so that the keys a test wrote can be named again when it is over, without remembering them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from random import Random
from typing import Final

from kvcore.errors import KvcoreError
from kvcore.resp.client import pack

PREFIX: Final = b"kvcore-bench:"
"""What the names of all keys begin with."""

PREPARED: Final = 100_000
"""How many keys or elements are put in place for a test that reads or takes away, at most."""

PREPARED_BYTES: Final = 256 << 20
"""Bytes of values put in place, at most."""

DIGITS: Final = 12
"""Digits of a number in a key or an element."""

MEMORY_MOST: Final = 1 << 30
"""Bytes that may be on their way at a time: clients times pipeline times the size of a value."""

_NUMBER: Final = b"__number__"
_VALUE: Final = b"__value__"

_STRING: Final = PREFIX + b"string:" + _NUMBER
_LIST: Final = PREFIX + b"list"
_SET: Final = PREFIX + b"set"
_ELEMENT: Final = b"element:" + _NUMBER


class Test:
    """A command line, and what it needs: as redis-benchmark's test of the same name does it."""

    __slots__ = ("fill", "fill_most", "name", "numbered", "words")

    __test__ = False  # nothing for pytest

    def __init__(
        self, name: str, *words: bytes, fill: tuple[bytes, ...] = (), fill_most: int = PREPARED, numbered: bool = False
    ) -> None:
        """``fill`` is run up to ``fill_most`` times before the test; ``numbered`` if each time makes another key."""
        self.name = name
        self.words = words
        self.fill = fill
        self.fill_most = fill_most
        self.numbered = numbered


_PUSH: Final = (b"RPUSH", _LIST, _VALUE)

TESTS: Final = {
    test.name: test
    for test in (
        Test("PING", b"PING"),
        Test("SET", b"SET", _STRING, _VALUE),
        Test("GET", b"GET", _STRING, fill=(b"SET", _STRING, _VALUE), numbered=True),
        Test("INCR", b"INCR", PREFIX + b"counter:" + _NUMBER),
        Test("LPUSH", b"LPUSH", _LIST, _VALUE),
        Test("RPUSH", b"RPUSH", _LIST, _VALUE),
        Test("LPOP", b"LPOP", _LIST, fill=_PUSH),
        Test("RPOP", b"RPOP", _LIST, fill=_PUSH),
        Test("SADD", b"SADD", _SET, _ELEMENT),
        Test("HSET", b"HSET", PREFIX + b"hash", _ELEMENT, _VALUE),
        Test("SPOP", b"SPOP", _SET, fill=(b"SADD", _SET, _ELEMENT)),
        Test("ZADD", b"ZADD", PREFIX + b"zset", _NUMBER, _ELEMENT),
        Test("LRANGE", b"LRANGE", _LIST, b"0", b"99", fill=_PUSH, fill_most=100),
        Test("MSET", b"MSET", *(PREFIX + b"string:" + _NUMBER, _VALUE) * 10),
    )
}
"""All tests in the order they run in."""


def chosen(names: str) -> list[Test]:
    """Return the tests named, with commas between, in the order of :data:`TESTS`; all for none. Raises KvcoreError."""
    wanted = {name.strip().upper() for name in names.split(",") if name.strip()}
    unknown = sorted(wanted - TESTS.keys())
    if unknown:
        raise KvcoreError(f"there is no test {unknown[0]}: {', '.join(TESTS)}")
    return [test for test in TESTS.values() if not wanted or test.name in wanted]


def _number(value: int) -> bytes:
    return b"%0*d" % (DIGITS, value)


class Plan:
    """How much to measure, and with what."""

    __slots__ = ("clients", "keyspace", "pipeline", "requests", "seconds", "seed", "size")

    def __init__(
        self, requests: int, clients: int, pipeline: int, size: int, keyspace: int, seed: int, seconds: float
    ) -> None:
        """``seconds`` bounds each test, 0 for no bound. Raises KvcoreError for what would take too much memory."""
        self.requests = requests
        self.clients = clients
        self.pipeline = pipeline
        self.size = size
        self.keyspace = keyspace
        self.seed = seed
        self.seconds = seconds
        if clients * pipeline * max(size, 1) > MEMORY_MOST:
            raise KvcoreError("clients times pipeline times size must not be more than 1 GiB")

    def settings(self) -> dict[str, int | float]:
        """Return the plan by the names of its options."""
        return {
            "requests": self.requests,
            "clients": self.clients,
            "pipeline": self.pipeline,
            "size": self.size,
            "keyspace": self.keyspace,
            "seed": self.seed,
            "duration": self.seconds,
        }

    @property
    def value(self) -> bytes:
        """Return the value that is stored."""
        return b"x" * self.size


class Commands:
    """The sequence of a test's commands for one seed."""

    __slots__ = (
        "_constant",
        "_encoded",
        "_keyspace",
        "_pieces",
        "_random",
        "_seed",
        "_split",
        "_test",
        "_value",
        "issued",
    )

    def __init__(self, test: Test, value: bytes, keyspace: int, seed: str) -> None:
        """Numbers are below ``keyspace``; with one of 1 all commands are the same."""
        self._test = test
        self._value = value
        self._keyspace = keyspace
        self._seed = seed
        self._random = Random(seed)
        words = [value if word == _VALUE else word for word in test.words]
        zeros = [word.replace(_NUMBER, _number(0)) for word in words]
        self._constant = zeros if keyspace == 1 or zeros == words else None
        self._encoded = pack(zeros)
        # The same, with each length that of the number and not of the place held for it.
        held = [b"$%d\r\n%b\r\n" % (len(zero), word) for zero, word in zip(zeros, words, strict=True)]
        self._pieces = (b"*%d\r\n" % len(words) + b"".join(held)).split(_NUMBER)
        self._split = [word.split(_NUMBER) for word in words]
        self.issued = 0
        """How many commands were handed out."""

    def next(self) -> list[bytes]:
        """Return the next command as words."""
        self.issued += 1
        if self._constant is not None:
            return self._constant
        return self._filled(self._random)

    def _filled(self, random: Random) -> list[bytes]:
        draw, keyspace = random.random, self._keyspace
        words = []
        for pieces in self._split:
            word = pieces[0]
            for piece in pieces[1:]:
                word += b"%012d" % int(draw() * keyspace) + piece
            words.append(word)
        return words

    def encoded(self, count: int) -> bytes:
        """Return the next ``count`` commands as RESP."""
        self.issued += count
        if self._constant is not None:
            return self._encoded * count
        first, *rest = self._pieces
        draw, keyspace = self._random.random, self._keyspace
        parts = []
        for _ in repeat(None, count):
            parts.append(first)
            for piece in rest:
                parts.append(b"%012d" % int(draw() * keyspace))
                parts.append(piece)
        return b"".join(parts)

    # Before and after

    def preparation(self, requests: int) -> Iterator[list[bytes]]:
        """Yield what has to be run before the test, for so many requests of it."""
        test = self._test
        if not test.fill:
            return
        for number in range(self._fill_count(requests)):
            yield [self._value if word == _VALUE else word.replace(_NUMBER, _number(number)) for word in test.fill]

    def _fill_count(self, requests: int) -> int:
        test = self._test
        most = min(test.fill_most, max(1, PREPARED_BYTES // max(1, len(self._value))))
        return min(most, self._keyspace if test.numbered else max(requests, 100))

    def keys(self, requests: int) -> Iterator[bytes]:
        """Yield the keys that may be there after the commands issued so far, some of them several times."""
        words = self._test.fill if self._test.numbered else self._test.words
        keys = [word for word in words if word.startswith(PREFIX)]
        if not any(_NUMBER in key for key in keys):
            yield from dict.fromkeys(keys)
            return
        if self._test.numbered or self._keyspace <= self.issued:
            count = self._fill_count(requests) if self._test.numbered else self._keyspace
            for number in range(count):
                yield from dict.fromkeys(key.replace(_NUMBER, _number(number)) for key in keys)
            return
        random = Random(self._seed)
        for _ in repeat(None, self.issued):
            yield from (word for word in self._filled(random) if word.startswith(PREFIX))
