"""Documentation of arguments: loaded when asked for, absent for what the real server does not have."""

from __future__ import annotations

import random
import subprocess
import sys

from kvcore.clock import ManualClock
from kvcore.command_docs import facts
from kvcore.engine import Engine
from kvcore.replies import OrderedSet
from tests.engine_client import Client

LOADED = """
import kvcore
from kvcore import command_docs
with kvcore.open() as store:
    before = command_docs._load.cache_info().currsize
    store.execute("COMMAND", "DOCS", "get")
    print(before, command_docs._load.cache_info().currsize)
"""


def test_arguments() -> None:
    assert facts("getset") == {
        b"doc_flags": OrderedSet(["deprecated"]),
        b"deprecated_since": b"6.2.0",
        b"replaced_by": b"`SET` with the `!GET` argument",
        b"arguments": [
            {b"name": b"key", b"type": b"key", b"key_spec_index": 0},
            {b"name": b"value", b"type": b"string"},
        ],
    }
    assert isinstance(facts("getset")[b"doc_flags"], OrderedSet)
    (_, get) = facts("lcs")[b"arguments"][1:3]
    assert get == {b"name": b"len", b"type": b"pure-token", b"token": b"LEN", b"flags": OrderedSet(["optional"])}
    assert facts("config|get")[b"arguments"][0][b"type"] == b"block"


def test_history_says_what_is_new() -> None:
    assert facts("set")[b"history"] == OrderedSet(
        [
            [b"2.6.12", b"New: NX, XX, EX, PX."],
            [b"6.0.0", b"New: KEEPTTL."],
            [b"6.2.0", b"New: GET, EXAT, PXAT."],
            [b"7.0.0", b"Changed."],
        ]
    )
    assert isinstance(facts("set")[b"history"], OrderedSet)


def test_a_command_of_ones_own_has_none() -> None:
    assert facts("nosuch") == {}
    assert facts("config|nosuch") == {}


def test_a_reply_is_its_owners() -> None:
    facts("set")[b"arguments"].clear()
    assert facts("set")[b"arguments"]


def test_docs_are_complete_in_their_order() -> None:
    client = Client(Engine(clock=ManualClock(), random=random.Random(7)))
    docs = client("COMMAND", "DOCS", "hmset", "config")
    assert list(docs[b"hmset"]) == [
        b"summary",
        b"since",
        b"group",
        b"complexity",
        b"doc_flags",
        b"deprecated_since",
        b"replaced_by",
        b"arguments",
    ]
    assert list(docs[b"config"][b"subcommands"][b"config|set"])[-2:] == [b"history", b"arguments"]


def test_nothing_is_loaded_before_somebody_asks() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0 1\n", done.stderr
