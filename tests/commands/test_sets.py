"""The set group: members, moves, random members, algebra, and what others are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.engine import Engine

if TYPE_CHECKING:
    from tests.commands.conftest import Client

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture(params=[2, 3])
def protocol(request: pytest.FixtureRequest, client: Client) -> int:
    client.session.protocol = request.param
    return client.session.protocol


def test_sadd_and_srem_count_changes(client: Client, engine: Engine) -> None:
    assert client("SADD", "s", "a", "b", "a") == 2
    assert client("SADD", "s", "b") == 0
    assert client("SCARD", "s") == 2
    assert client("SREM", "s", "a", "a", "none") == 1
    assert client("SREM", "s", "b", "a") == 1
    assert not engine.keyspace.databases[0].has(b"s")


def test_membership(client: Client) -> None:
    client("SADD", "s", "a", 1)
    assert client("SISMEMBER", "s", "a") == 1
    assert client("SISMEMBER", "s", "b") == 0
    assert client("SMISMEMBER", "s", "b", 1, "a") == [0, 1, 1]
    assert client("SMISMEMBER", "none", "b", 1) == [0, 0]


def test_a_set_of_integers_is_listed_in_order_in_resp2(client: Client) -> None:
    client("SADD", "s", 10, -5, 3)
    client.session.protocol = 2
    assert client("SMEMBERS", "s") == [b"-5", b"3", b"10"]
    client.session.protocol = 3
    assert client("SMEMBERS", "s") == {b"-5", b"3", b"10"}


def test_empty_results_have_the_shape_of_the_command(client: Client, protocol: int) -> None:
    empty_set = [] if protocol == 2 else set()
    for words in (("SMEMBERS", "no"), ("SPOP", "no", 2), ("SINTER", "no"), ("SUNION", "no"), ("SDIFF", "no")):
        reply = client(*words)
        assert reply == empty_set
        assert type(reply) is type(empty_set)
    assert client("SRANDMEMBER", "no", 2) == []
    assert client("SRANDMEMBER", "no") is None
    assert client("SPOP", "no") is None
    assert client("SSCAN", "no", 3, "NONSENSE") == [b"0", []]


def test_smove(client: Client, engine: Engine) -> None:
    client("SADD", "a", 1, 2)
    assert client("SMOVE", "a", "b", 1) == 1
    assert client("SMOVE", "a", "b", 1) == 0
    assert client("SMOVE", "none", "b", 1) == 0
    assert client("SMOVE", "a", "a", 2) == 1
    assert client("SMOVE", "a", "a", 9) == 0
    assert client("SMOVE", "a", "b", 2) == 1
    assert not engine.keyspace.databases[0].has(b"a")
    assert client("SCARD", "b") == 2


def test_smove_checks_both_types_but_only_if_there_is_a_source(client: Client) -> None:
    client("SET", "text", "x")
    client("SADD", "s", 1)
    assert client("SMOVE", "none", "text", 1) == 0
    assert client.error("SMOVE", "s", "text", 9) == WRONG_TYPE
    assert client.error("SMOVE", "text", "s", 1) == WRONG_TYPE


def test_spop_tells_others_which_members_went(client: Client, effects: list[list[bytes]], engine: Engine) -> None:
    client("SADD", "s", 1, 2, 3, 4, 5)
    client.session.protocol = 2
    effects.clear()
    one = client("SPOP", "s")
    two = client("SPOP", "s", 2)
    assert effects[0] == [b"SREM", b"s", one]
    assert [effect for effect in effects[1:] if effect[0] == b"SREM"] == [[b"SREM", b"s", member] for member in two]
    rest = client("SPOP", "s", 99)
    assert effects[-1] == [b"DEL", b"s"]
    assert sorted([one, *two, *rest]) == [b"1", b"2", b"3", b"4", b"5"]
    assert not engine.keyspace.databases[0].has(b"s")


def test_spop_of_the_last_member_removes_the_key(client: Client, engine: Engine) -> None:
    client("SADD", "s", "only")
    assert client("SPOP", "s") == b"only"
    assert not engine.keyspace.databases[0].has(b"s")


def test_spop_errors(client: Client) -> None:
    client("SET", "text", "x")
    for count in (-1, "x", "1.0"):
        assert client.error("SPOP", "text", count) == "ERR value is out of range, must be positive"
    assert client.error("SPOP", "text", 0) == WRONG_TYPE
    assert client.error("SPOP", "text", 1, 2) == "ERR syntax error"


def test_srandmember_takes_nothing_away(client: Client) -> None:
    client("SADD", "s", "a", "b", "c")
    members = {b"a", b"b", b"c"}
    assert client("SRANDMEMBER", "s") in members
    assert len(set(client("SRANDMEMBER", "s", 2))) == 2
    assert sorted(client("SRANDMEMBER", "s", 9)) == sorted(members)
    repeated = client("SRANDMEMBER", "s", -9)
    assert len(repeated) == 9
    assert set(repeated) <= members
    assert client("SRANDMEMBER", "s", 0) == []
    assert client("SCARD", "s") == 3
    assert client.error("SRANDMEMBER", "s", "x") == "ERR value is not an integer or out of range"
    assert client.error("SRANDMEMBER", "s", "x", 2) == "ERR syntax error"


def test_algebra(client: Client) -> None:
    client.session.protocol = 3
    client("SADD", "a", 1, 2, 3, "x")
    client("SADD", "b", 2, 3, 4)
    assert client("SINTER", "a", "b") == {b"2", b"3"}
    assert client("SINTER", "a", "none") == set()
    assert client("SUNION", "a", "b", "none") == {b"1", b"2", b"3", b"4", b"x"}
    assert client("SDIFF", "a", "none", "b") == {b"1", b"x"}
    assert client("SDIFF", "none", "a") == set()
    assert client("SDIFF", "a", "a") == set()


@pytest.mark.parametrize("name", ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
def test_storing_replaces_any_type_and_drops_the_time_to_live(client: Client, engine: Engine, name: str) -> None:
    db = engine.keyspace.databases[0]
    client("SADD", "s", 1, 2)
    client("SET", "d", "text")
    db.set_expiry(b"d", 1_800_000_000_000)
    assert client(name, "d", "s") == 2
    assert client("SCARD", "d") == 2
    assert db.expiry(b"d") is None
    assert client(name, "d", "none") == 0
    assert not db.has(b"d")


def test_storing_over_a_source(client: Client) -> None:
    client.session.protocol = 3
    client("SADD", "a", 1, 2)
    client("SADD", "b", 2, 3)
    assert client("SUNIONSTORE", "a", "a", "b") == 3
    assert client("SDIFFSTORE", "a", "a", "b") == 1
    assert client("SMEMBERS", "a") == {b"1"}


def test_sintercard(client: Client) -> None:
    client("SADD", "a", 1, 2, 3)
    client("SADD", "b", 2, 3, 4)
    assert client("SINTERCARD", 2, "a", "b") == 2
    assert client("SINTERCARD", 2, "a", "b", "LIMIT", 1) == 1
    assert client("SINTERCARD", 2, "a", "b", "LIMIT", 1, "limit", 0) == 2
    assert client("SINTERCARD", 2, "a", "none") == 0
    for numkeys in (0, -1, "x"):
        assert client.error("SINTERCARD", numkeys, "a") == "ERR numkeys should be greater than 0"
    assert client.error("SINTERCARD", 2, "a") == "ERR Number of keys can't be greater than number of args"
    assert client.error("SINTERCARD", 1, "a", "LIMIT") == "ERR syntax error"
    assert client.error("SINTERCARD", 1, "a", "b") == "ERR syntax error"
    assert client.error("SINTERCARD", 1, "a", "LIMIT", -1) == "ERR LIMIT can't be negative"


def test_sscan_of_a_large_set_returns_every_member(client: Client) -> None:
    expected = {b"member:%d" % number for number in range(1500)}
    client("SADD", "s", *expected)
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, members = client("SSCAN", "s", cursor, "COUNT", 50)
        found += members
        if cursor == b"0":
            break
    assert set(found) == expected
    assert client("SSCAN", "s", 0, "MATCH", "nothing*", "COUNT", 2000)[1] == []


@pytest.mark.parametrize(
    "words",
    [
        ("SADD", "text", "a"),
        ("SREM", "text", "a"),
        ("SCARD", "text"),
        ("SISMEMBER", "text", "a"),
        ("SMISMEMBER", "text", "a"),
        ("SMEMBERS", "text"),
        ("SPOP", "text"),
        ("SRANDMEMBER", "text"),
        ("SSCAN", "text", 0),
        ("SINTER", "none", "text"),
        ("SUNION", "none", "text"),
        ("SDIFF", "none", "text"),
        ("SINTERSTORE", "d", "none", "text"),
        ("SUNIONSTORE", "d", "text", "none"),
        ("SDIFFSTORE", "d", "none", "text"),
        ("SINTERCARD", 2, "none", "text"),
    ],
)
def test_another_type_is_refused_also_behind_an_absent_key(client: Client, words: tuple[str | int, ...]) -> None:
    client("SET", "text", "x")
    assert client.error(*words) == WRONG_TYPE


def test_only_changes_propagate(client: Client, effects: list[list[bytes]]) -> None:
    client("SADD", "s", "a")
    client("SADD", "s", "a")
    client("SREM", "s", "b")
    client("SMOVE", "s", "s", "a")
    client("SPOP", "s", 0)
    client("SINTERSTORE", "none", "none")
    assert effects == [[b"SADD", b"s", b"a"]]
