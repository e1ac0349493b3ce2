"""The stream commands: ids from the clock, trimming, what is propagated, and what happens to large streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.datatypes.stream import Stream
from kvcore.replies import NULL_ARRAY

if TYPE_CHECKING:
    from kvcore.clock import ManualClock
    from kvcore.engine import Engine
    from tests.commands.conftest import Client

Effects = list[list[bytes]]

BAD_ID = "ERR Invalid stream ID specified as stream command argument"


def test_ids_come_from_the_clock_and_never_go_back(client: Client, clock: ManualClock, engine: Engine) -> None:
    now = engine.now_ms()
    assert client("XADD", "s", "*", "f", "v") == b"%d-0" % now
    assert client("XADD", "s", "*", "f", "v") == b"%d-1" % now
    clock.advance(5)
    assert client("XADD", "s", "*", "f", "v") == b"%d-0" % (now + 5)
    assert client("XADD", "s", f"{now + 100}", "f", "v") == b"%d-0" % (now + 100)
    assert client("XADD", "s", "*", "f", "v") == b"%d-1" % (now + 100)
    assert client("XADD", "s", f"{now + 200}-*", "f", "v") == b"%d-0" % (now + 200)


def test_ids_run_out(client: Client) -> None:
    last = 2**64 - 1
    client("XADD", "s", f"{last}-{last - 1}", "f", "v")
    assert client("XADD", "s", "*", "f", "v") == b"%d-%d" % (last, last)
    assert client.error("XADD", "s", "*", "f", "v").startswith("ERR The stream has exhausted the last possible ID")
    client("XADD", "t", f"5-{last}", "f", "v")
    assert client.error("XADD", "t", "5-*", "f", "v") == "ERR Elements are too large to be stored"
    assert client.error("XADD", "t", "4-*", "f", "v").startswith("ERR The ID specified in XADD is equal or smaller")


def test_ranges(client: Client) -> None:
    for number in (1, 2, 3):
        client("XADD", "s", number, "f", number)
    first, second, third = ([b"%d-0" % n, [b"f", b"%d" % n]] for n in (1, 2, 3))
    assert client("XRANGE", "s", "-", "+") == [first, second, third]
    assert client("XRANGE", "s", "(1", 3, "COUNT", 1) == [second]
    assert client("XREVRANGE", "s", "+", "(1") == [third, second]
    assert client("XRANGE", "s", "-", "+", "COUNT", 0) is NULL_ARRAY
    assert client("XRANGE", "none", "-", "+", "COUNT", 0) == []
    assert client.error("XRANGE", "s", "x", "+") == BAD_ID
    assert client.error("XRANGE", "s", "(-", "+") == BAD_ID
    assert client("XLEN", "s") == 3
    assert client("XDEL", "s", 2, 2, 9) == 1
    assert client("XRANGE", "s", "-", "+") == [first, third]


def test_an_empty_stream_stays(client: Client) -> None:
    client("XADD", "s", 1, "f", "v")
    client("XDEL", "s", 1)
    assert client("EXISTS", "s") == 1
    assert client("TYPE", "s") == "stream"
    assert client("OBJECT", "ENCODING", "s") == b"stream"


@pytest.mark.parametrize(
    ("words", "effect"),
    [
        (("XADD", "s", "*", "f", "v"), b"XADD s 1700000000000-0 f v"),
        (("xadd", "s", "NOMKSTREAM", "*", "f", "v"), b"xadd s NOMKSTREAM 1700000000000-0 f v"),
        (("XADD", "s", "5-*", "f", "v"), b"XADD s 5-0 f v"),
        (("XADD", "s", "5", "f", "v"), b"XADD s 5 f v"),
        (("XADD", "s", "MAXLEN", "~", 1, "5", "f", "v"), b"XADD s MAXLEN = 4 5 f v"),
        (("XADD", "s", "MAXLEN", 1, "5", "f", "v"), b"XADD s MAXLEN 1 5 f v"),
        (("XADD", "s", "MINID", "~", 9, "LIMIT", 7, "*", "f", "v"), b"XADD s MINID = 1-0 LIMIT 7 1700000000000-0 f v"),
        (("XTRIM", "s", "MAXLEN", "~", 0), b"XTRIM s MAXLEN = 0"),
        (("XTRIM", "s", "MAXLEN", 1), b"XTRIM s MAXLEN 1"),
        (
            ("XTRIM", "s", "MINID", "~", 9, "LIMIT", 9),
            b"XTRIM s MINID = 18446744073709551615-18446744073709551615 LIMIT 9",
        ),
        (("XDEL", "s", 1, 9), b"XDEL s 1 9"),
        (("XSETID", "s", 9), b"XSETID s 9"),
    ],
)
def test_what_is_propagated(client: Client, effects: Effects, words: tuple[str | int, ...], effect: bytes) -> None:
    for number in (1, 2, 3):
        client("XADD", "s", number, "f", "v")
    effects.clear()
    client(*words)
    assert [b" ".join(argv) for argv in effects] == [effect]


@pytest.mark.parametrize(
    "words",
    [
        ("XADD", "none", "NOMKSTREAM", "*", "f", "v"),
        ("XADD", "s", 1, "f", "v"),
        ("XADD", "s", "x", "f", "v"),
        ("XTRIM", "s", "MAXLEN", 9),
        ("XTRIM", "s", "MINID", 1),
        ("XDEL", "s", 9),
        ("XSETID", "s", 0),
        ("XDEL", "none", "x"),
    ],
)
def test_what_changes_nothing_is_not_propagated(
    client: Client, other: Client, effects: Effects, words: tuple[str | int, ...]
) -> None:
    client("XADD", "s", 1, "f", "v")
    effects.clear()
    other("WATCH", "s", "none")
    client(*words)
    assert effects == []
    other("MULTI")
    assert other("EXEC") == []


def test_a_primary_s_exact_trimming_is_obeyed(client: Client, engine: Engine) -> None:
    for number in range(1, 6):
        client("XADD", "s", number, "f", "v")
    assert client.error("XTRIM", "s", "MAXLEN", "=", 2, "LIMIT", 1).startswith("ERR syntax error, LIMIT cannot be used")
    client.session.kind = "master"
    assert client("XTRIM", "s", "MAXLEN", "=", 2, "LIMIT", 1) == 3


def test_approximate_trimming_is_limited(client: Client, engine: Engine) -> None:
    engine.config.set("stream-node-max-entries", "1")
    for number in range(1, 251):
        client("XADD", "s", number, "f", "v")
    assert client("XTRIM", "s", "MAXLEN", "~", 0) == 100
    assert client("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 0) == 150


def test_the_last_id_may_be_set(client: Client) -> None:
    assert client.error("XSETID", "s", 1) == "ERR no such key"
    client("XADD", "s", 5, "f", "v")
    assert client.error("XSETID", "s", 4).startswith("ERR The ID specified in XSETID is smaller than the target")
    assert client("XSETID", "s", 9, "ENTRIESADDED", 7, "MAXDELETEDID", 8) == "OK"
    info = client("XINFO", "STREAM", "s")
    flat = info if isinstance(info, dict) else dict(zip(info[::2], info[1::2], strict=True))
    assert flat[b"last-generated-id"] == b"9-0"
    assert flat[b"entries-added"] == 7
    assert flat[b"max-deleted-entry-id"] == b"8-0"


def test_entries_can_be_deleted_and_ids_used_again(client: Client) -> None:
    for number in (1, 2, 3):
        client("XADD", "s", number, "f", "v")
    client("XDEL", "s", 2, 3)
    client("XSETID", "s", 1)
    client("XADD", "s", 2, "f", "again")
    assert client("XRANGE", "s", "-", "+") == [[b"1-0", [b"f", b"v"]], [b"2-0", [b"f", b"again"]]]


def test_a_large_stream_is_freed_in_slices(client: Client, engine: Engine) -> None:
    for number in range(1, 5001):
        client("XADD", "s", number, "f", "v")
    client("DEL", "s")
    assert [len(pieces) for pieces in engine.keyspace.garbage] == [5]
    assert engine.keyspace.collect(3)
    assert not engine.keyspace.collect(3)


def test_a_copy_shares_nothing(client: Client, engine: Engine) -> None:
    client("XADD", "s", 1, "f", "v")
    client("COPY", "s", "t")
    client("XADD", "t", 2, "f", "v")
    assert client("XLEN", "s") == 1
    value = engine.keyspace.databases[0].read_as(b"t", Stream)
    assert value is not None
    value.check()
