"""XREAD and XREADGROUP: waiting, waking, failing; what is propagated once served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.blocking import Blocked
from kvcore.replies import NULL_ARRAY
from tests.commands.conftest import Client

if TYPE_CHECKING:
    from kvcore.clock import ManualClock
    from kvcore.engine import Engine

Effects = list[list[bytes]]

READ = ("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
READ_GROUP = ("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
GONE = "UNBLOCKED the stream key no longer exists"
NO_GROUP = "NOGROUP the consumer group this client was blocked on no longer exists"
ENTRY = [b"2-0", [b"f", b"v"]]


@pytest.fixture
def stream(other: Client) -> Client:
    """A client that made the stream ``s`` with the group ``g``, up to date."""
    other("XADD", "s", 1, "f", "v")
    other("XGROUP", "CREATE", "s", "g", "$")
    return other


def test_replies_are_pairs_or_a_map(client: Client, stream: Client) -> None:
    assert client("XREAD", "STREAMS", "s", 0) == [[b"s", [[b"1-0", [b"f", b"v"]]]]]
    client("HELLO", 3)
    assert client("XREAD", "STREAMS", "s", 0) == {b"s": [[b"1-0", [b"f", b"v"]]]}
    assert client("XREAD", "STREAMS", "s", "$") is NULL_ARRAY


@pytest.mark.parametrize("words", [READ, READ_GROUP])
def test_an_entry_wakes_who_waits(client: Client, stream: Client, engine: Engine, words: tuple[str, ...]) -> None:
    assert isinstance(client(*words), Blocked)
    stream("XADD", "s", 2, "f", "v")
    assert client.delivered == [[[b"s", [ENTRY]]]]
    assert engine.blocking.count == 0
    assert engine.keyspace.databases[0].dependents == {}


def test_every_reader_gets_the_entry(engine: Engine, stream: Client) -> None:
    readers = [Client(engine) for _ in range(5)]
    for reader in readers:
        reader(*READ)
    stream("XADD", "s", 2, "f", "v")
    assert [reader.delivered for reader in readers] == [[[[b"s", [ENTRY]]]]] * 5


def test_one_consumer_gets_the_entry_and_the_next_one_waits_on(engine: Engine, stream: Client) -> None:
    first, second = Client(engine), Client(engine)
    first(*READ_GROUP)
    second(*READ_GROUP)
    stream("XADD", "s", 2, "f", "v")
    assert first.delivered == [[[b"s", [ENTRY]]]]
    assert second.delivered == []
    assert engine.keyspace.databases[0].dependents == {b"s": 1}
    stream("XADD", "s", 3, "f", "v")
    assert second.delivered == [[[b"s", [[b"3-0", [b"f", b"v"]]]]]]


@pytest.mark.parametrize("words", [READ, READ_GROUP])
def test_time_out_answers_a_null_array(
    client: Client, stream: Client, engine: Engine, clock: ManualClock, words: tuple[str | int, ...]
) -> None:
    client(*[250 if word == 0 else word for word in words])
    clock.advance(249)
    engine.tick()
    assert client.delivered == []
    clock.advance(1)
    engine.tick()
    assert client.delivered == [NULL_ARRAY]
    assert engine.keyspace.databases[0].dependents == {}


@pytest.mark.parametrize("words", [READ, READ_GROUP])
def test_inside_multi_nothing_waits(client: Client, stream: Client, words: tuple[str | int, ...]) -> None:
    client("MULTI")
    client(*words)
    assert client("EXEC") == [NULL_ARRAY]


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (("DEL s",), GONE),
        (("SET s text",), GONE),
        (("RENAME s t",), GONE),
        (("FLUSHALL",), GONE),
        (("SWAPDB 0 3",), GONE),
        (("XGROUP DESTROY s g",), NO_GROUP),
        (("MULTI", "DEL s", "XADD s 9 f v", "EXEC"), NO_GROUP),
    ],
)
def test_a_consumer_learns_that_there_is_nothing_to_wait_for(
    client: Client, engine: Engine, stream: Client, lines: tuple[str, ...], error: str
) -> None:
    reader = Client(engine)
    reader(*READ)
    client(*READ_GROUP)
    for line in lines:
        stream(*line.split())
    assert [str(reply) for reply in client.delivered] == [error]
    assert engine.keyspace.databases[0].dependents == {}
    woken = any("XADD" in line for line in lines)
    assert (reader.session.blocked is None) == woken


def test_a_consumer_learns_of_an_expired_stream(
    client: Client, engine: Engine, stream: Client, clock: ManualClock
) -> None:
    client(*READ_GROUP)
    stream("PEXPIRE", "s", 10)
    clock.advance(11)
    engine.tick()
    assert [str(reply) for reply in client.delivered] == [GONE]


def test_removing_keys_does_not_disturb_list_readers(client: Client, other: Client, engine: Engine) -> None:
    """Each pop that empties a list removes it: nobody is woken for that."""
    client("BLPOP", "s", 0)
    assert engine.keyspace.databases[0].dependents == {}
    other("XADD", "s", 1, "f", "v")
    other("DEL", "s")
    assert client.delivered == []
    assert engine.blocking.ready == []


def test_a_long_time_is_for_ever(client: Client, stream: Client, engine: Engine) -> None:
    assert isinstance(client("XREAD", "BLOCK", 2**63 - 1, "STREAMS", "s", "$"), Blocked)
    assert engine.blocking.next_deadline_ms() == 0


def test_what_is_owed_is_read_again(client: Client, stream: Client) -> None:
    stream("XADD", "s", 2, "f", "v")
    stream("XADD", "s", 3, "f", "v")
    client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    stream("XDEL", "s", 3)
    assert client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", 0) == [[b"s", [ENTRY, [b"3-0", NULL_ARRAY]]]]
    assert [entry[3] for entry in client("XPENDING", "s", "g", "-", "+", 9)] == [2, 1]


def test_reading_propagates_claims(client: Client, stream: Client, effects: Effects) -> None:
    client(*READ_GROUP)
    stream("XADD", "s", 2, "f", "v")
    assert [b" ".join(argv) for argv in effects] == [
        b"XADD s 2 f v",
        b"XCLAIM s g c 0 2-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 2-0",
    ]
    effects.clear()
    client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", 0)
    client("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">")
    client("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", 0)
    assert effects == []
    stream("XADD", "s", 3, "f", "v")
    effects.clear()
    client("XREADGROUP", "GROUP", "g", "new", "NOACK", "STREAMS", "s", ">")
    assert [b" ".join(argv) for argv in effects] == [
        b"MULTI",
        b"XGROUP CREATECONSUMER s g new",
        b"XGROUP SETID s g 3-0 ENTRIESREAD 3",
        b"EXEC",
    ]


def test_a_transaction_keeps_its_own_effects(client: Client, stream: Client, effects: Effects) -> None:
    """A command that propagates nothing must not silence the next one."""
    client("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", 0)
    client("SET", "k", "v")
    assert effects == [[b"SET", b"k", b"v"]]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XREAD STREAMS s s 0", "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be"),
        ("XREAD BLOCK -1 STREAMS s 0", "ERR timeout is negative"),
        ("XREAD BLOCK x STREAMS s 0", "ERR timeout is not an integer or out of range"),
        ("XREAD GROUP g c STREAMS s 0", "ERR The GROUP option is only supported by XREADGROUP."),
        ("XREAD NOACK STREAMS s 0", "ERR The NOACK option is only supported by XREADGROUP."),
        ("XREAD STREAMS s >", "ERR The > ID can be specified only when calling XREADGROUP"),
        ("XREAD COUNT 1 COUNT 2", "ERR syntax error"),
        ("XREADGROUP COUNT 1 NOACK STREAMS s >", "ERR Missing GROUP option for XREADGROUP"),
        ("XREADGROUP GROUP g c STREAMS s $", "ERR The $ ID is meaningless in the context of XREADGROUP"),
        ("XREADGROUP GROUP h c STREAMS s >", "NOGROUP No such key 's' or consumer group 'h' in XREADGROUP with GROUP"),
    ],
)
def test_errors(client: Client, stream: Client, line: str, error: str) -> None:
    assert client.error(*line.split()).startswith(error)
