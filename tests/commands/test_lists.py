"""The list commands that answer at once: replies, errors, events: Events, effects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from kvcore.engine import Engine
from kvcore.replies import NULL_ARRAY, OK, Reply

if TYPE_CHECKING:
    from kvcore.clock import ManualClock
    from tests.commands.conftest import Client

Effects = list[list[bytes]]

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
POSITIVE = "ERR value is out of range, must be positive"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"


def fill(client: Client, key: str = "k", *values: str) -> None:
    client("RPUSH", key, *(values or "abcde"))


def content(client: Client, key: str = "k") -> list[bytes]:
    reply: list[bytes] = client("LRANGE", key, 0, -1)
    return reply


Events = Callable[[], list[bytes]]


@pytest.fixture
def events(engine: Engine, other: Client) -> Events:
    """Return what takes the ``event key`` lines a subscriber heard since it was last called."""
    engine.config.set("notify-keyspace-events", "KEA")
    other("PSUBSCRIBE", "__keyevent@*")
    other.session.outbox.clear()

    def take() -> list[bytes]:
        heard = [push[2].split(b":")[1] + b" " + push[3] for push in other.session.outbox]
        other.session.outbox.clear()
        return heard

    return take


def test_push_appends_in_order_and_returns_the_length(client: Client) -> None:
    assert client("RPUSH", "k", "a", "b") == 2
    assert client("LPUSH", "k", "x", "y") == 4
    assert content(client) == [b"y", b"x", b"a", b"b"]
    assert client("LPUSH", "new", "1", "2", "3") == 3
    assert content(client, "new") == [b"3", b"2", b"1"]


def test_pushx_needs_the_list(client: Client) -> None:
    assert client("LPUSHX", "k", "a") == 0
    assert client("RPUSHX", "k", "a") == 0
    assert client("EXISTS", "k") == 0
    fill(client, "k", "m")
    assert client("LPUSHX", "k", "a", "b") == 3
    assert client("RPUSHX", "k", "z") == 4
    assert content(client) == [b"b", b"a", b"m", b"z"]


def test_pop_takes_from_its_end(client: Client) -> None:
    fill(client)
    assert client("LPOP", "k") == b"a"
    assert client("RPOP", "k") == b"e"
    assert client("LPOP", "k", 2) == [b"b", b"c"]
    assert client("RPOP", "k", 9) == [b"d"]
    assert client("EXISTS", "k") == 0
    assert client("LPOP", "k") is None
    assert client("LPOP", "k", 1) is NULL_ARRAY
    assert client("RPOP", "k", 0) is NULL_ARRAY


def test_pop_count_zero_leaves_the_list_alone(client: Client, effects: Effects) -> None:
    fill(client)
    effects.clear()
    assert client("LPOP", "k", 0) == []
    assert client("LLEN", "k") == 5
    assert effects == []


@pytest.mark.parametrize("count", ["-1", "x", "", "9223372036854775808", "1.0"])
def test_pop_count_is_checked_before_the_key(client: Client, count: str) -> None:
    client("SET", "s", "v")
    assert client.error("LPOP", "s", count) == POSITIVE
    assert client.error("RPOP", "absent", count) == POSITIVE


def test_pop_arity(client: Client) -> None:
    assert client.error("LPOP", "k", 1, 2) == "ERR wrong number of arguments for 'lpop' command"
    assert client.error("RPOP", "k", 1, 2) == "ERR wrong number of arguments for 'rpop' command"


@pytest.mark.parametrize(
    "words",
    [
        ("LPUSH", "s", "a"),
        ("RPUSHX", "s", "a"),
        ("LPOP", "s"),
        ("RPOP", "s", 1),
        ("LLEN", "s"),
        ("LINDEX", "s", 0),
        ("LRANGE", "s", 0, -1),
        ("LSET", "s", 0, "v"),
        ("LREM", "s", 0, "v"),
        ("LTRIM", "s", 0, 1),
        ("LINSERT", "s", "BEFORE", "a", "b"),
        ("LPOS", "s", "a"),
        ("LMOVE", "s", "k", "LEFT", "LEFT"),
        ("RPOPLPUSH", "s", "k"),
        ("LMPOP", 2, "absent", "s", "LEFT"),
    ],
    ids=lambda words: words[0],
)
def test_another_type_is_refused(client: Client, words: tuple[str, ...]) -> None:
    client("SET", "s", "v")
    assert client.error(*words) == WRONG_TYPE
    assert client("GET", "s") == b"v"


@pytest.mark.parametrize("index", range(-6, 6))
def test_lindex(client: Client, index: int) -> None:
    fill(client)
    expected = b"abcde"[index : index + 1 or None] if -5 <= index < 5 else None
    assert client("LINDEX", "k", index) == expected


def test_lindex_parses_the_index_of_existing_lists_only(client: Client) -> None:
    assert client("LINDEX", "absent", "x") is None
    fill(client)
    assert client.error("LINDEX", "k", "x") == NOT_AN_INTEGER


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, -1, b"abcde"),
        (1, 2, b"bc"),
        (-2, -1, b"de"),
        (-100, 100, b"abcde"),
        (3, 1, b""),
        (5, 9, b""),
        (0, -6, b""),
        (4, 4, b"e"),
    ],
)
def test_lrange_and_ltrim_agree(client: Client, start: int, stop: int, expected: bytes) -> None:
    fill(client)
    letters = [bytes([letter]) for letter in expected]
    assert client("LRANGE", "k", start, stop) == letters
    assert client("LTRIM", "k", start, stop) is OK
    assert content(client) == letters
    assert client("EXISTS", "k") == bool(letters)


def test_ranges_check_their_numbers_first(client: Client) -> None:
    assert client.error("LRANGE", "absent", "x", 1) == NOT_AN_INTEGER
    assert client.error("LTRIM", "absent", 0, "1.5") == NOT_AN_INTEGER
    assert client.error("LREM", "absent", "x", "v") == NOT_AN_INTEGER


def test_lset(client: Client) -> None:
    assert client.error("LSET", "absent", "x", "v") == "ERR no such key"
    fill(client)
    assert client("LSET", "k", 0, "A") is OK
    assert client("LSET", "k", -1, "E") is OK
    assert content(client) == [b"A", b"b", b"c", b"d", b"E"]
    assert client.error("LSET", "k", 5, "v") == "ERR index out of range"
    assert client.error("LSET", "k", -6, "v") == "ERR index out of range"
    assert client.error("LSET", "k", "x", "v") == NOT_AN_INTEGER


def test_linsert(client: Client) -> None:
    assert client("LINSERT", "absent", "before", "a", "b") == 0
    fill(client, "k", "a", "b", "a")
    assert client("LINSERT", "k", "BEFORE", "a", "x") == 4
    assert client("LINSERT", "k", "after", "a", "y") == 5
    assert client("LINSERT", "k", "after", "nowhere", "z") == -1
    assert content(client) == [b"x", b"a", b"y", b"b", b"a"]
    assert client.error("LINSERT", "k", "beside", "a", "b") == SYNTAX


@pytest.mark.parametrize(
    ("count", "removed", "left"),
    [(0, 3, b"bc"), (2, 2, b"bca"), (-2, 2, b"abc"), (9, 3, b"bc"), (-9, 3, b"bc"), (1, 1, b"baca")],
)
def test_lrem(client: Client, count: int, removed: int, left: bytes) -> None:
    fill(client, "k", *"abaca")
    assert client("LREM", "k", count, "a") == removed
    assert b"".join(content(client)) == left
    assert client("LREM", "k", count, "nothing") == 0


def test_removing_the_last_element_removes_the_key(client: Client, events: Events) -> None:
    for words in (("LREM", "k", 0, "a"), ("LTRIM", "k", 1, 0), ("LPOP", "k"), ("RPOP", "k", 1)):
        fill(client, "k", "a")
        events()
        client(*words)
        assert client("EXISTS", "k") == 0
        assert events() == [f"{words[0].lower()} k".encode(), b"del k"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), 2),
        (("RANK", 2), 4),
        (("RANK", -1), 6),
        (("RANK", 4), None),
        (("COUNT", 0), [2, 4, 6]),
        (("COUNT", 2), [2, 4]),
        (("count", 2, "rank", -1), [6, 4]),
        (("RANK", -2, "COUNT", 0), [4, 2]),
        (("MAXLEN", 2), None),
        (("MAXLEN", 3), 2),
        (("COUNT", 0, "MAXLEN", 5), [2, 4]),
        (("RANK", -1, "MAXLEN", 1), 6),
        (("RANK", 4, "COUNT", 0), []),
        (("RANK", -(2**63), "COUNT", 0), [6, 4, 2]),
    ],
)
def test_lpos(client: Client, options: tuple[str | int, ...], expected: Reply) -> None:
    fill(client, "k", *"abcdcfc")
    assert client("LPOS", "k", "c", *options) == expected


def test_lpos_errors_come_before_the_lookup(client: Client) -> None:
    assert client("LPOS", "absent", "a") is None
    assert client("LPOS", "absent", "a", "COUNT", 1) == []
    assert client.error("LPOS", "absent", "a", "RANK", 0) == (
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
        "or use negative to start from the end of the list"
    )
    assert client.error("LPOS", "absent", "a", "RANK", "x") == NOT_AN_INTEGER
    assert client.error("LPOS", "absent", "a", "COUNT", -1) == "ERR COUNT can't be negative"
    assert client.error("LPOS", "absent", "a", "COUNT", "x") == "ERR COUNT can't be negative"
    assert client.error("LPOS", "absent", "a", "MAXLEN", -1) == "ERR MAXLEN can't be negative"
    assert client.error("LPOS", "absent", "a", "RANK") == SYNTAX
    assert client.error("LPOS", "absent", "a", "FIRST", 1) == SYNTAX


@pytest.mark.parametrize(
    ("where_from", "where_to", "moved", "source", "destination"),
    [
        ("LEFT", "LEFT", b"a", b"bc", b"axy"),
        ("LEFT", "RIGHT", b"a", b"bc", b"xya"),
        ("right", "left", b"c", b"ab", b"cxy"),
        ("RIGHT", "RIGHT", b"c", b"ab", b"xyc"),
    ],
)
def test_lmove(client: Client, where_from: str, where_to: str, moved: bytes, source: bytes, destination: bytes) -> None:
    fill(client, "k", *"abc")
    fill(client, "d", *"xy")
    assert client("LMOVE", "k", "d", where_from, where_to) == moved
    assert (b"".join(content(client)), b"".join(content(client, "d"))) == (source, destination)


def test_moving_within_one_list_rotates_it(client: Client) -> None:
    fill(client, "k", *"abc")
    assert client("RPOPLPUSH", "k", "k") == b"c"
    assert content(client) == [b"c", b"a", b"b"]
    fill(client, "one", "x")
    assert client("LMOVE", "one", "one", "LEFT", "RIGHT") == b"x"
    assert content(client, "one") == [b"x"]


def test_a_move_to_another_type_moves_nothing(client: Client) -> None:
    client("SET", "s", "v")
    fill(client, "k", "a")
    assert client.error("LMOVE", "k", "s", "LEFT", "LEFT") == WRONG_TYPE
    assert content(client) == [b"a"]
    assert client("LMOVE", "absent", "s", "LEFT", "LEFT") is None
    assert client.error("LMOVE", "absent", "s", "LEFT", "UP") == SYNTAX


def test_a_move_says_first_what_came_and_then_what_went(client: Client, events: Events, effects: Effects) -> None:
    fill(client, "k", "a")
    events()
    effects.clear()
    client("RPOPLPUSH", "k", "d")
    assert events() == [b"lpush d", b"rpop k", b"del k"]
    assert effects == [[b"RPOPLPUSH", b"k", b"d"]]


def test_lmpop(client: Client, effects: Effects) -> None:
    fill(client, "b", *"123")
    effects.clear()
    assert client("LMPOP", 2, "a", "b", "LEFT") == [b"b", [b"1"]]
    assert client("LMPOP", 1, "b", "right", "count", 9) == [b"b", [b"3", b"2"]]
    assert client("LMPOP", 2, "a", "b", "LEFT") is NULL_ARRAY
    assert effects == [[b"LPOP", b"b", b"1"], [b"RPOP", b"b", b"2"]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((0, "k", "LEFT"), "ERR numkeys should be greater than 0"),
        (("x", "k", "LEFT"), "ERR numkeys should be greater than 0"),
        ((2, "k", "LEFT"), SYNTAX),
        ((2**63 - 1, "k", "LEFT"), SYNTAX),
        ((1, "k", "UP"), SYNTAX),
        ((1, "k", "LEFT", "COUNT"), SYNTAX),
        ((1, "k", "LEFT", "COUNT", 0), "ERR count should be greater than 0"),
        ((1, "k", "LEFT", "COUNT", "x"), "ERR count should be greater than 0"),
        ((1, "k", "LEFT", "COUNT", 1, "COUNT", 1), SYNTAX),
        ((1, "k", "LEFT", "LIMIT", 1), SYNTAX),
    ],
)
def test_lmpop_errors(client: Client, words: tuple[str | int, ...], error: str) -> None:
    assert client.error("LMPOP", *words) == error
    assert client.error("BLMPOP", 0, *words) == error


def test_pushing_keeps_the_time_to_live_and_an_expired_list_is_gone(client: Client, clock: ManualClock) -> None:
    fill(client, "k", "a")
    client("PEXPIRE", "k", 100)
    client("RPUSH", "k", "b")
    assert client("PTTL", "k") == 100
    clock.advance(101)
    assert client("LPOP", "k") is None
    assert client("RPUSH", "k", "c") == 1
    assert client("PTTL", "k") == -1


def test_what_changes_nothing_propagates_nothing(client: Client, effects: Effects) -> None:
    fill(client)
    effects.clear()
    client("LREM", "k", 0, "nothing")
    client("LTRIM", "k", 0, -1)
    client("LINSERT", "k", "BEFORE", "nothing", "v")
    client("LPUSHX", "absent", "v")
    client("LPOP", "absent")
    assert effects == []
    client("LTRIM", "k", 0, 1)
    assert effects == [[b"LTRIM", b"k", b"0", b"1"]]


def test_ltrim_breaks_watch_and_says_its_event_even_if_nothing_goes(client: Client, events: Events) -> None:
    fill(client)
    events()
    watcher = type(client)(client.engine)
    watcher("WATCH", "k")
    client("LTRIM", "k", 0, -1)
    watcher("MULTI")
    assert watcher("EXEC") is NULL_ARRAY
    assert events() == [b"ltrim k"]
