"""The hyperloglog group: what the commands answer, and what others are told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.datatypes import hyperloglog
from kvcore.engine import Engine

if TYPE_CHECKING:
    from tests.commands.conftest import Client

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
INVALID = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPTED = "INVALIDOBJ Corrupted HLL object detected"
HEADER = b"HYLL\x01" + bytes(10) + b"\x80"


def test_pfadd_says_whether_anything_changed(client: Client) -> None:
    assert client("PFADD", "h") == 1
    assert client("PFADD", "h") == 0
    assert client("PFADD", "h", "a", "b", "a") == 1
    assert client("PFADD", "h", "b", "a") == 0
    assert client("PFCOUNT", "h") == 2
    assert client("TYPE", "h") == "string"
    assert client("OBJECT", "ENCODING", "h") == b"raw"


def test_the_estimate_is_kept_in_the_string(client: Client) -> None:
    client("PFADD", "h", "a", "foo", "hello")
    assert client("GETRANGE", "h", 8, 15) == bytes(7) + b"\x80"
    assert client("PFCOUNT", "h") == 3
    assert client("GETRANGE", "h", 8, 15) == b"\x03" + bytes(7)
    client("SETRANGE", "h", 8, b"\x63")
    assert client("PFCOUNT", "h") == 0x63
    assert client("PFCOUNT", "h", "h") == 3
    client("PFADD", "h", "more")
    assert client("PFCOUNT", "h") == 4


def test_a_sketch_may_be_copied_by_get_and_set(client: Client) -> None:
    client("PFADD", "h", *range(200))
    client("SET", "copy", client("GET", "h"))
    assert client("PFCOUNT", "copy") == client("PFCOUNT", "h")
    assert client("PFADD", "copy", *range(200)) == 0


def test_pfcount_of_several_keys(client: Client) -> None:
    client("PFADD", "a", 1, 2, 3)
    client("PFADD", "b", 3, 4)
    assert client("PFCOUNT", "a", "none", "b") == 4
    assert client("PFCOUNT", "none") == 0
    assert client("PFCOUNT", "none", "nothing") == 0
    assert client("EXISTS", "none") == 0


def test_pfmerge(client: Client, engine: Engine) -> None:
    client("PFADD", "a", 1, 2, 3)
    client("PFADD", "b", 3, 4)
    assert client("PFMERGE", "d", "a", "none", "b") == "OK"
    client("PFADD", "direct", 1, 2, 3, 4)
    assert client("GET", "d") == client("GET", "direct")
    engine.keyspace.databases[0].set_expiry(b"d", 1_900_000_000_000)
    assert client("PFMERGE", "d") == "OK"
    assert client("PFCOUNT", "d") == 4
    assert engine.keyspace.databases[0].expiry(b"d") == 1_900_000_000_000
    assert client("PFMERGE", "new") == "OK"
    assert client("PFCOUNT", "new") == 0


def test_a_dense_source_makes_the_target_dense(client: Client) -> None:
    client("PFADD", "a", 1)
    client("PFADD", "b", 2)
    client("PFDEBUG", "TODENSE", "b")
    client("PFMERGE", "a", "b")
    assert client("PFDEBUG", "ENCODING", "a") == "dense"
    assert client("PFCOUNT", "a") == 2


def test_the_directive_says_when_a_sketch_becomes_dense(client: Client) -> None:
    client("PFADD", "h", *range(100))
    assert client("PFDEBUG", "ENCODING", "h") == "sparse"
    length = client("STRLEN", "h")
    client("CONFIG", "SET", "hll-sparse-max-bytes", length)
    client("PFADD", "h", *range(100, 110))
    assert client("PFDEBUG", "ENCODING", "h") == "dense"
    assert client("STRLEN", "h") == hyperloglog.DENSE_BYTES


def test_pfdebug(client: Client) -> None:
    client("PFADD", "h", "a", "foo", "hello")
    assert client("PFDEBUG", "DECODE", "h") == b"Z:7348 v:5,1 Z:1867 v:1,1 Z:3494 v:2,1 Z:3672"
    assert client("PFDEBUG", "todense", "h") == 1
    assert client("PFDEBUG", "TODENSE", "h") == 0
    assert client("PFDEBUG", "ENCODING", "h") == "dense"
    assert client.error("PFDEBUG", "DECODE", "h") == "ERR HLL encoding is not sparse"
    registers = client("PFDEBUG", "GETREG", "h")
    assert len(registers) == 16384
    assert {index: value for index, value in enumerate(registers) if value} == {12711: 2, 7348: 5, 9216: 1}
    assert client.error("PFDEBUG", "NONSENSE", "h") == "ERR Unknown PFDEBUG subcommand 'NONSENSE'"
    assert client.error("PFDEBUG", "NONSENSE", "none") == "ERR The specified key does not exist"


def test_pfselftest(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client("PFSELFTEST") == "OK"
    monkeypatch.setattr(hyperloglog, "count", lambda _registers: 1)
    assert client.error("PFSELFTEST").startswith("ERR TESTFAILED")


@pytest.mark.parametrize(
    "words",
    [
        ("PFADD", "k"),
        ("PFADD", "k", "a"),
        ("PFCOUNT", "k"),
        ("PFCOUNT", "none", "k"),
        ("PFMERGE", "k"),
        ("PFMERGE", "d", "k"),
        ("PFDEBUG", "NONSENSE", "k"),
    ],
)
def test_only_sketches_are_taken(client: Client, words: tuple[str, ...]) -> None:
    client("SET", "k", "plain text of some length")
    assert client.error(*words) == INVALID
    client("DEL", "k")
    client("RPUSH", "k", "x")
    assert client.error(*words) == WRONG_TYPE
    assert client("EXISTS", "d") == 0


def test_broken_codes_are_refused(client: Client) -> None:
    client("SET", "short", HEADER + b"\x00")
    for words in (
        ("PFADD", "short", "a"),
        ("PFCOUNT", "short"),
        ("PFMERGE", "d", "short"),
        ("PFDEBUG", "GETREG", "short"),
    ):
        assert client.error(*words) == CORRUPTED
    client("SET", "long", HEADER + b"\x7f\xff" * 30000)
    for words in (
        ("PFCOUNT", "long"),
        ("PFCOUNT", "long", "none"),
        ("PFMERGE", "long"),
        ("PFDEBUG", "TODENSE", "long"),
    ):
        assert client.error(*words) == CORRUPTED


def test_what_propagates(client: Client, effects: list[list[bytes]]) -> None:
    for words in (
        ("PFADD", "h"),
        ("PFADD", "h"),
        ("PFADD", "h", "a"),
        ("PFADD", "h", "a"),
        ("PFCOUNT", "h"),
        ("PFCOUNT", "h"),
        ("PFCOUNT", "h", "none"),
        ("PFCOUNT", "none"),
        ("PFMERGE", "h"),
        ("PFDEBUG", "ENCODING", "h"),
        ("PFDEBUG", "TODENSE", "h"),
        ("PFDEBUG", "TODENSE", "h"),
        ("PFDEBUG", "GETREG", "h"),
    ):
        client(*words)
    assert [b" ".join(effect) for effect in effects] == [
        b"PFADD h",
        b"PFADD h a",
        b"PFCOUNT h",
        b"PFMERGE h",
        b"PFDEBUG TODENSE h",
    ]


def test_a_kept_estimate_breaks_a_watch_as_a_change_does(client: Client, other: Client) -> None:
    client("PFADD", "h", "a")
    for words, broken in (
        (("PFCOUNT", "h"), True),
        (("PFCOUNT", "h"), False),
        (("PFADD", "h", "a"), False),
        (("PFADD", "h", "b"), True),
        (("PFDEBUG", "TODENSE", "h"), False),
        (("PFMERGE", "h"), True),
    ):
        other("WATCH", "h")
        client(*words)
        other("MULTI")
        other("PING")
        assert isinstance(other("EXEC"), list) is not broken
