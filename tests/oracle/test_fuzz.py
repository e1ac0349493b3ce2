"""Commands made from the real server's own grammar, and broken on purpose, beside the real server.

COMMAND DOCS gives each command's arguments as a tree (`command_docs.json`); walking it with values from small pools
makes commands that mostly parse, and a fifth are then damaged: a word dropped, doubled, replaced or added. Left out is
what answers with chance, with time or with another connection's doings; those have tests of their own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kvcore
from kvcore.command import REGISTRY
from tests.oracle.harness import Pair, run_sequence

GROUPS = {"string", "generic", "list", "set", "sorted-set", "hash", "stream", "bitmap", "hyperloglog", "geo"}
LEFT_OUT = {
    "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin",  # wait
    "randomkey", "srandmember", "spop", "hrandfield", "zrandmember",  # chance
    "scan", "sscan", "hscan", "zscan",  # cursors and order of hash tables
    "object|idletime", "object|freq", "object|help", "object|refcount",  # clocks, inner works
    "xinfo|help", "xgroup|help", "xinfo|consumers", "xinfo|stream", "xpending", "xclaim", "xautoclaim",  # idle times
    "xread", "xreadgroup",  # may wait
    "ttl", "pttl", "expiretime", "pexpiretime", "dump", "migrate", "wait", "restore", "restore-asking",  # time, order
    "incrbyfloat",  # OBJECT ENCODING after it is a known difference
    "pfdebug", "pfselftest", "sort", "sort_ro", "copy", "move",
}  # fmt: skip

KEYS = ["a", "b", "c", "d", "e", "f", "g", "{x}h"]
WORDS = [
    "",
    "a",
    "b",
    "m1",
    "m2",
    "5",
    "-3",
    "10",
    "3.5",
    "hello world",
    "\xff\x00",
    "x" * 70,
    "-",
    "+",
    "[a",
    "(b",
    "*",
]
INTEGERS = ["0", "1", "-1", "2", "3", "5", "-5", "10", "64", "100", "9223372036854775807", "-9223372036854775808"]
BAD_INTEGERS = ["", "x", "1.5", "+1", "01", " 1", "9223372036854775808", "nan", "1e3"]
DOUBLES = ["0", "1", "-1.5", "3.25", "1e3", "inf", "-inf", "12.5", "80", "(2", "nan", "x", "0x10"]
PATTERNS = ["*", "a*", "[a-c]", "nomatch*", "?"]
TIMES = ["100000", "99999999999", "9999999999999", "-1", "0", "x"]
IDS = ["1-1", "2-0", "3-5", "5", "0-0", "-", "+", "7-*", "18446744073709551615-18446744073709551615", "x-1"]
UNDAMAGED = {
    "set",
    "setex",
    "psetex",
    "getex",
    "expire",
    "pexpire",
    "expireat",
    "pexpireat",
    "zrank",
    "zrevrank",
    "persist",
}
"""Damage could make a time to live of milliseconds, which ends on one server first, or arguments that are newer."""

MAX_KEYS_TO_SET = "4000"
"""SETBIT and SETRANGE far out would have both servers fill half a gigabyte."""


FACTS: dict[str, Any] = json.loads((Path(kvcore.__file__).parent / "command_docs.json").read_text())


class Grammar:
    """Makes commands from argument trees."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.names = [name for name in sorted(FACTS) if self._wanted(name)]

    @staticmethod
    def _wanted(name: str) -> bool:
        bound = REGISTRY.bind()
        container, _, sub = name.partition("|")
        record = bound.get(container.encode())
        if record is None or name in LEFT_OUT or container in LEFT_OUT or (record.subcommands and not sub):
            return False
        return record.group in GROUPS

    def command(self) -> list[str]:
        """Return one command."""
        source = self.source
        name = source.choice(self.names)
        words = name.split("|")
        for argument in FACTS[name].get("arguments", []):
            words += self._argument(name, argument)
        if source.random() < 0.2 and not UNDAMAGED.intersection(words):
            self._damage(words)
        return words

    def _argument(self, name: str, argument: dict[str, Any]) -> Iterator[str]:
        source = self.source
        flags = argument.get("flags", [])
        if "optional" in flags and source.random() < 0.6:
            return
        rounds = source.randrange(1, 4) if "multiple" in flags else 1
        for number in range(rounds):
            if "token" in argument and argument["type"] != "pure-token" and (number == 0 or "multiple_token" in flags):
                yield argument["token"]
            yield from self._value(name, argument)

    def _value(self, name: str, argument: dict[str, Any]) -> Iterator[str]:
        source = self.source
        kind = argument["type"]
        if kind == "oneof":
            yield from self._argument(name, source.choice(argument["arguments"]))
        elif kind == "block":
            for inner in argument["arguments"]:
                yield from self._argument(name, inner)
        elif kind == "pure-token":
            # A stream's own ids follow the clock, which the two servers read at different times.
            yield "9-9" if argument["token"] == "*" else argument["token"]
        elif kind == "key":
            yield source.choice(KEYS)
        elif name in ("setbit", "setrange", "bitfield") and argument["name"] in ("offset", "encoding"):
            yield source.choice(["0", "7", "#1", "100", MAX_KEYS_TO_SET, "-1", "u8", "i5", "x"])
        elif argument["name"] in ("seconds", "milliseconds"):
            yield source.choice(TIMES)
        elif kind == "integer":
            yield source.choice(INTEGERS if source.random() < 0.9 else BAD_INTEGERS)
        elif kind == "double":
            yield source.choice(DOUBLES)
        elif kind == "pattern":
            yield source.choice(PATTERNS)
        elif kind == "unix-time":
            yield source.choice(TIMES)
        elif name[0] == "x":
            yield source.choice(IDS if "id" in argument["name"].lower() or source.random() < 0.2 else WORDS)
        else:
            yield source.choice(WORDS)

    def _damage(self, words: list[str]) -> None:
        source = self.source
        at = source.randrange(1, len(words)) if len(words) > 1 else 0
        action = source.randrange(4)
        if action == 0 and at:
            del words[at]
        elif action == 1 and at:
            words.insert(at, words[at])
        elif action == 2 and at:
            words[at] = source.choice(WORDS + INTEGERS + BAD_INTEGERS[:-2])
        else:
            words.append(source.choice(WORDS + INTEGERS + PATTERNS))


def commands(seed: int, count: int) -> list[list[str]]:
    grammar = Grammar(seed)
    return [grammar.command() for _ in range(count)]


@pytest.mark.parametrize("seed", [*range(10), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(10, 300))])
def test_commands_made_from_the_grammar(pair: Pair, seed: int) -> None:
    """10 seeds on three front ends are 21,000 commands; ``-m slow`` adds 609,000."""
    seen = run_sequence(pair, commands(seed, 700))
    assert sum(seen.values()) == 700
    assert seen["error"] < 600
