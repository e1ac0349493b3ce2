"""COMMAND on an engine without sockets: what derives from a record."""

from __future__ import annotations

import pytest

from kvcore.acl.vocabulary import CATEGORIES, categories_of
from kvcore.command import REGISTRY
from kvcore.replies import OrderedSet
from tests.commands.conftest import Client

RECORDS = [one for r in dict.fromkeys(REGISTRY.bind().values()) for one in (r, *(r.subcommands or {}).values())]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"get", ["read", "string", "fast"]),
        (b"set", ["write", "string", "slow"]),
        (b"blpop", ["write", "list", "slow", "blocking"]),
        (b"monitor", ["admin", "slow", "dangerous"]),
        (b"ping", ["fast", "connection"]),
    ],
)
def test_categories_follow_flags(name: bytes, expected: list[str]) -> None:
    assert categories_of(REGISTRY.bind()[name]) == expected


def test_declared_categories_exist() -> None:
    unknown = {record.full_name: record.acl for record in RECORDS if not set(record.acl) <= set(CATEGORIES)}
    assert unknown == {}


def test_info(client: Client) -> None:
    (get,) = client("COMMAND", "INFO", "GeT")
    assert get[:6] == [b"get", 2, OrderedSet(("readonly", "fast")), 1, 1, 1]
    assert get[9] == OrderedSet()
    assert client("COMMAND", "INFO", "nosuch", "config|nosuch") == [None, None]
    (set_,) = client("COMMAND", "INFO", "config|set")
    assert set_[0] == b"config|set"


def test_docs(client: Client) -> None:
    docs = client("COMMAND", "DOCS", "config", "nosuch", "get")
    assert list(docs) == [b"config", b"get"]
    assert b"config|get" in docs[b"config"][b"subcommands"]
    assert docs[b"get"][b"group"] == b"string"
    assert set(client("COMMAND", "DOCS")) == {
        record.full_name.encode() for record in RECORDS if "|" not in record.full_name
    }


def test_every_command_is_documented() -> None:
    for record in RECORDS:
        assert record.summary, record.full_name
        assert record.since, record.full_name
        assert record.group, record.full_name


def test_list_filters(client: Client) -> None:
    everything = client("COMMAND", "LIST")
    assert len(everything) == len(set(everything)) == len(RECORDS)
    assert client("COMMAND", "LIST", "FILTERBY", "MODULE", "x") == []
    assert client("COMMAND", "LIST", "FILTERBY", "PATTERN", "SLOWLOG|*") == [
        b"slowlog|get",
        b"slowlog|len",
        b"slowlog|reset",
        b"slowlog|help",
    ]
    assert b"auth" in client("COMMAND", "LIST", "FILTERBY", "ACLCAT", "CONNECTION")


def test_getkeys_errors(client: Client) -> None:
    for words, text in (
        (("nosuch", "a"), "ERR Invalid command specified"),
        (("config", "nosuch"), "ERR Invalid command specified"),
        (("ping", "a"), "ERR The command has no key arguments"),
        (("get", "a", "b"), "ERR Invalid number of arguments specified for command"),
        (("zinter", "9", "b"), "ERR Invalid arguments specified for command"),
    ):
        assert client.error("COMMAND", "GETKEYS", *words) == text
        assert client.error("COMMAND", "GETKEYSANDFLAGS", *words) == text


def test_getkeysandflags(client: Client) -> None:
    assert client("COMMAND", "GETKEYSANDFLAGS", "SET", "k", "v", "get") == [[b"k", ["RW", "access", "update"]]]
    assert client("COMMAND", "GETKEYSANDFLAGS", "SET", "k", "v") == [[b"k", ["OW", "update"]]]
