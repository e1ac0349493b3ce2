"""Commands as bits, categories, and what a command line touches."""

from __future__ import annotations

import pytest

from kvcore.acl.vocabulary import (
    ALL_PATTERNS,
    CATEGORIES,
    CHANGE,
    FIRST_CHANNEL,
    NO_CHANNELS,
    READ,
    READ_AND_CHANGE,
    Vocabulary,
    categories_of,
)
from kvcore.command import Command
from kvcore.dispatch import declared_commands
from kvcore.engine import Engine


@pytest.fixture
def vocabulary() -> Vocabulary:
    vocabulary = Vocabulary(declared_commands())
    vocabulary.complete()
    return vocabulary


def test_an_engine_without_rules_learns_nothing() -> None:
    assert Engine().acl.vocabulary.entries == {}


def test_what_was_learnt_early_is_learnt_once() -> None:
    early, late = Vocabulary(declared_commands()), Vocabulary(declared_commands())
    assert early.find(b"config|get") is not None
    for vocabulary in (early, late):
        vocabulary.complete()
    assert early.entries.keys() == late.entries.keys()
    for category in CATEGORIES:
        assert set(early.names(category)) == set(late.names(category))
        members, reach = early.members(category), early.reach(category)
        assert members is not None
        assert members & reach == members


def test_every_command_has_a_bit_of_its_own(vocabulary: Vocabulary) -> None:
    bits = [entry.bit for entry in vocabulary.entries.values()]
    assert len(set(bits)) == len(bits)
    assert all(bit.bit_count() == 1 for bit in bits)


def test_a_container_reaches_its_subcommands(vocabulary: Vocabulary) -> None:
    config, get = vocabulary.entries["config"], vocabulary.entries["config|get"]
    assert config.reach & get.bit
    assert config.bit != config.reach
    assert get.reach == get.bit


@pytest.mark.parametrize(
    ("name", "full_name"),
    [(b"GET", "get"), (b"config|GET", "config|get"), (b"get|x", None), (b"config|nosuch", None), (b"", None)],
)
def test_find(vocabulary: Vocabulary, name: bytes, full_name: str | None) -> None:
    entry = vocabulary.find(name)
    assert (None if entry is None else entry.command.full_name) == full_name


def test_commands_of_a_category(vocabulary: Vocabulary) -> None:
    assert set(vocabulary.names("transaction")) == {"multi", "exec", "discard", "watch", "unwatch"}
    members = vocabulary.members("transaction")
    assert members is not None
    assert members.bit_count() == 5
    assert vocabulary.members("nosuch") is None
    assert vocabulary.categories() == [*CATEGORIES]


def test_a_command_learnt_later(vocabulary: Vocabulary) -> None:
    """An extension may bring commands, and categories of its own, once users exist."""
    limiter = Command("limit", print, arity=2, flags="write fast", acl="ratelimit", keys="RW,access,update@1")
    entry = vocabulary.entry(limiter)
    assert vocabulary.entry(limiter) is entry
    assert vocabulary.categories()[-1] == "ratelimit"
    assert vocabulary.names("ratelimit") == ["limit"]
    assert categories_of(limiter) == ["write", "fast", "ratelimit"]
    assert entry.touched([b"LIMIT", b"k"]) == ((1, READ_AND_CHANGE),)


@pytest.mark.parametrize(
    ("line", "touched"),
    [
        (b"GET k", ((1, READ),)),
        (b"SET k v", ((1, CHANGE),)),
        (b"SET k v GET", ((1, READ_AND_CHANGE),)),
        (b"PING", ()),
        (b"EXISTS a b", ((1, 0), (2, 0))),
        (b"RENAME a b", ((1, READ_AND_CHANGE), (2, CHANGE))),
        (b"ZUNIONSTORE d 1 a", ((1, CHANGE), (3, READ))),
        (b"ZUNIONSTORE d 9 a", ()),
        (b"PUBLISH c m", ()),
        (b"SPUBLISH c m", ()),
    ],
)
def test_keys_with_what_they_need(vocabulary: Vocabulary, line: bytes, touched: tuple[tuple[int, int], ...]) -> None:
    argv = line.split()
    entry = vocabulary.find(argv[0])
    assert entry is not None
    assert entry.touched(argv) == touched


def test_keys_in_fixed_places_are_found_once(vocabulary: Vocabulary) -> None:
    assert vocabulary.entries["get"].fixed == ((1, READ),)
    assert vocabulary.entries["ping"].fixed == ()
    for name in ("mget", "set", "sort", "xread", "zunionstore"):
        assert vocabulary.entries[name].fixed is None


def test_a_key_that_may_be_left_out_has_no_fixed_place() -> None:
    command = Command("odd", print, arity=-2, keys="RO,access@2")
    entry = Vocabulary({}).entry(command)
    assert entry.fixed is None
    assert entry.touched([b"ODD", b"x"]) == ()


@pytest.mark.parametrize(
    ("name", "kind", "indexes"),
    [("publish", FIRST_CHANNEL, [1]), ("psubscribe", ALL_PATTERNS, [1, 2]), ("get", NO_CHANNELS, [1, 2])],
)
def test_channels(vocabulary: Vocabulary, name: str, kind: int, indexes: list[int]) -> None:
    entry = vocabulary.entries[name]
    assert entry.channels == kind
    assert list(entry.channels_in([b"x", b"a", b"b"])) == indexes
