"""The hash group: what a sequence of commands leaves behind, says to others, and answers when it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvcore.datatypes.hash import Hash
from kvcore.engine import Engine

if TYPE_CHECKING:
    from tests.commands.conftest import Client

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
BEYOND_LONG = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"


def test_hset_counts_new_fields_only(client: Client) -> None:
    assert client("HSET", "h", "a", 1) == 1
    assert client("HSET", "h", "a", 2) == 0
    assert client("HSET", "h", "a", 3, "b", 4, "b", 5) == 1
    assert client("HGETALL", "h") == {b"a": b"3", b"b": b"5"}


def test_hmset_answers_ok(client: Client) -> None:
    assert client("HMSET", "h", "a", 1, "b", 2) == "OK"
    assert client("HMGET", "h", "b", "none", "a") == [b"2", None, b"1"]


@pytest.mark.parametrize("name", ["HSET", "HMSET"])
def test_a_field_without_value_is_wrong_arity_and_makes_no_key(client: Client, name: str) -> None:
    assert client.error(name, "h", "a", 1, "b") == f"ERR wrong number of arguments for '{name.lower()}' command"
    assert client("HLEN", "h") == 0


def test_hsetnx_keeps_what_is_there(client: Client) -> None:
    assert client("HSETNX", "h", "a", 1) == 1
    assert client("HSETNX", "h", "a", 2) == 0
    assert client("HGET", "h", "a") == b"1"


def test_hdel_of_the_last_field_removes_the_key(client: Client, engine: Engine) -> None:
    client("HSET", "h", "a", 1, "b", 2)
    assert client("HDEL", "h", "a", "a", "none") == 1
    assert client("HDEL", "h", "b", "a") == 1
    assert not engine.keyspace.databases[0].has(b"h")
    assert client("HDEL", "h", "b") == 0


def test_reading_an_absent_key(client: Client) -> None:
    assert client("HGET", "h", "a") is None
    assert client("HMGET", "h", "a", "b") == [None, None]
    assert client("HGETALL", "h") == {}
    assert client("HKEYS", "h") == client("HVALS", "h") == []
    assert client("HLEN", "h") == client("HEXISTS", "h", "a") == client("HSTRLEN", "h", "a") == 0
    assert client("HRANDFIELD", "h") is None
    assert client("HRANDFIELD", "h", 3) == client("HRANDFIELD", "h", -3, "WITHVALUES") == []
    assert client("HSCAN", "h", 5, "NONSENSE") == [b"0", []]


def test_reading_fields_and_values(client: Client) -> None:
    client("HSET", "h", "a", "one", "b", "")
    assert client("HKEYS", "h") == [b"a", b"b"]
    assert client("HVALS", "h") == [b"one", b""]
    assert client("HLEN", "h") == 2
    assert client("HSTRLEN", "h", "a") == 3
    assert client("HEXISTS", "h", "b") == 1


def test_hincrby(client: Client) -> None:
    assert client("HINCRBY", "h", "n", 5) == 5
    assert client("HINCRBY", "h", "n", -7) == -2
    client("HSET", "h", "n", 2**63 - 1, "text", "x", "empty", "")
    assert client.error("HINCRBY", "h", "n", 1) == "ERR increment or decrement would overflow"
    assert client.error("HINCRBY", "h", "text", 1) == "ERR hash value is not an integer"
    assert client.error("HINCRBY", "h", "empty", 1) == "ERR hash value is not an integer"
    assert client.error("HINCRBY", "h", "n", "1.0") == "ERR value is not an integer or out of range"
    assert client("HGET", "h", "n") == b"9223372036854775807"


def test_hincrbyfloat_computes_in_extended_precision(client: Client, effects: list[list[bytes]]) -> None:
    client("HSET", "h", "n", "0.1")
    assert client("HINCRBYFLOAT", "h", "n", "0.2") == b"0.3"
    assert client("HINCRBYFLOAT", "h", "new", "1e3") == b"1000"
    assert effects[1:] == [[b"HSET", b"h", b"n", b"0.3"], [b"HSET", b"h", b"new", b"1000"]]


def test_hincrbyfloat_refuses_what_is_not_finite(client: Client) -> None:
    client("HSET", "h", "text", "x", "inf", "inf")
    assert client.error("HINCRBYFLOAT", "h", "n", "x") == "ERR value is not a valid float"
    assert client.error("HINCRBYFLOAT", "h", "n", "nan") == "ERR value is not a valid float"
    assert client.error("HINCRBYFLOAT", "h", "n", "inf") == "ERR value is NaN or Infinity"
    assert client.error("HINCRBYFLOAT", "h", "text", 1) == "ERR hash value is not a float"
    assert client.error("HINCRBYFLOAT", "h", "inf", 1) == "ERR increment would produce NaN or Infinity"
    assert client("HEXISTS", "h", "n") == 0


def test_hrandfield(client: Client) -> None:
    client("HSET", "h", "a", 1, "b", 2, "c", 3)
    fields = {b"a", b"b", b"c"}
    assert client("HRANDFIELD", "h") in fields
    assert set(client("HRANDFIELD", "h", 10)) == fields
    assert len(client("HRANDFIELD", "h", 10)) == 3
    assert len(set(client("HRANDFIELD", "h", 2))) == 2
    repeated = client("HRANDFIELD", "h", -20)
    assert len(repeated) == 20
    assert set(repeated) <= fields
    assert client("HRANDFIELD", "h", 0) == []


def test_hrandfield_withvalues_nests_in_resp3_only(client: Client) -> None:
    client("HSET", "h", "a", 1)
    client.session.protocol = 2
    assert client("HRANDFIELD", "h", -2, "withvalues") == [b"a", b"1", b"a", b"1"]
    client.session.protocol = 3
    assert client("HRANDFIELD", "h", 1, "WITHVALUES") == [[b"a", b"1"]]


def test_hrandfield_errors(client: Client) -> None:
    client("HSET", "h", "a", 1)
    assert client.error("HRANDFIELD", "h", "x", "y", "z") == "ERR value is not an integer or out of range"
    assert client.error("HRANDFIELD", "h", 1, "WITHSCORES") == "ERR syntax error"
    assert client.error("HRANDFIELD", "h", 1, "WITHVALUES", 2) == "ERR syntax error"
    assert client.error("HRANDFIELD", "h", -(2**63)) == BEYOND_LONG
    assert client.error("HRANDFIELD", "h", 2**62, "WITHVALUES") == "ERR value is out of range"


def test_hscan_of_a_large_hash_returns_every_pair(client: Client) -> None:
    for number in range(2000):
        client("HSET", "h", f"field:{number}", number)
    found: dict[bytes, bytes] = {}
    cursor = b"0"
    calls = 0
    while cursor != b"0" or not calls:
        cursor, items = client("HSCAN", "h", cursor, "COUNT", 100)
        found.update(zip(items[::2], items[1::2], strict=True))
        calls += 1
    assert found == client("HGETALL", "h")
    assert calls > 1


def test_hscan_match(client: Client) -> None:
    client("HSET", "h", "apple", 1, "banana", 2)
    assert client("HSCAN", "h", 0, "MATCH", "b*", "COUNT", 5) == [b"0", [b"banana", b"2"]]
    assert client("HSCAN", "h", 0, "match", "x*") == [b"0", []]


def test_hscan_errors_come_in_the_real_order(client: Client) -> None:
    client("SET", "text", "x")
    client("HSET", "h", "a", 1)
    assert client.error("HSCAN", "text", "x") == "ERR invalid cursor"
    assert client.error("HSCAN", "text", 0, "COUNT", 0) == WRONG_TYPE
    assert client.error("HSCAN", "h", 0, "COUNT", 0) == "ERR syntax error"
    assert client.error("HSCAN", "h", 0, "COUNT", "x") == "ERR value is not an integer or out of range"
    assert client.error("HSCAN", "h", 0, "NOVALUES") == "ERR syntax error"


@pytest.mark.parametrize(
    "words",
    [
        ("HSET", "text", "a", 1),
        ("HMSET", "text", "a", 1),
        ("HSETNX", "text", "a", 1),
        ("HGET", "text", "a"),
        ("HMGET", "text", "a"),
        ("HGETALL", "text"),
        ("HDEL", "text", "a"),
        ("HINCRBY", "text", "a", 1),
        ("HINCRBYFLOAT", "text", "a", 1),
        ("HRANDFIELD", "text"),
        ("HRANDFIELD", "text", 0),
        ("HKEYS", "text"),
        ("HVALS", "text"),
        ("HLEN", "text"),
        ("HEXISTS", "text", "a"),
        ("HSTRLEN", "text", "a"),
        ("HSCAN", "text", 0),
    ],
)
def test_another_type_is_refused(client: Client, words: tuple[str | int, ...]) -> None:
    client("SET", "text", "x")
    assert client.error(*words) == WRONG_TYPE


def test_encoding_follows_the_limits(client: Client, engine: Engine) -> None:
    engine.limits.hash_entries = 2
    engine.limits.hash_value = 4
    db = engine.keyspace.databases[0]
    client("HSET", "few", "a", 1, "b", 2)
    client("HSET", "many", "a", 1, "b", 2, "c", 3)
    client("HSETNX", "long", "a", "12345")
    encodings = {key: value.encoding for key, value in db.items() if isinstance(value, Hash)}
    assert encodings == {b"few": "listpack", b"many": "hashtable", b"long": "hashtable"}


def test_only_changes_propagate(client: Client, effects: list[list[bytes]]) -> None:
    client("HSET", "h", "a", 1)
    client("HSETNX", "h", "a", 2)
    client("HDEL", "h", "none")
    client("HDEL", "h", "a")
    client("HGET", "h", "a")
    assert effects == [[b"HSET", b"h", b"a", b"1"], [b"HDEL", b"h", b"a"]]


def test_writing_keeps_the_time_to_live(client: Client, engine: Engine) -> None:
    client("HSET", "h", "a", 1)
    db = engine.keyspace.databases[0]
    db.set_expiry(b"h", 1_800_000_000_000)
    client("HSET", "h", "b", 2)
    client("HINCRBY", "h", "n", 1)
    assert db.expiry(b"h") == 1_800_000_000_000
