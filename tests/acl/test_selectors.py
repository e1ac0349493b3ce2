"""One set of permissions: rules, verdicts, description."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore import errors
from kvcore.acl.selectors import (
    ALL,
    ALLOWED,
    DENIED_CHANNEL,
    DENIED_COMMAND,
    DENIED_KEY,
    VERDICT_BITS,
    Selector,
    allows_channel,
    has_spaces,
)
from kvcore.acl.vocabulary import CHANGE, READ, READ_AND_CHANGE, Vocabulary
from kvcore.command import Command
from kvcore.dispatch import declared_commands
from kvcore.errors import RuleError

VOCABULARY = Vocabulary(declared_commands())
VOCABULARY.complete()


def selector(*rules: str) -> Selector:
    made = Selector(VOCABULARY)
    for rule in rules:
        made.apply(rule.encode())
    return made


def verdict(made: Selector, line: str) -> int:
    argv = line.encode().split()
    entry = VOCABULARY.find(argv[0])
    assert entry is not None
    return made.verdict(entry, argv, entry.touched(argv))


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("foo", errors.AclReasons.SYNTAX),
        ("on", errors.AclReasons.SYNTAX),
        ("+nosuch", errors.AclReasons.UNKNOWN),
        ("-select|0", errors.AclReasons.UNKNOWN),
        ("+@nosuch", errors.AclReasons.UNKNOWN),
        ("+select|", errors.AclReasons.SYNTAX),
        ("+config|get|x", errors.AclReasons.SUBCOMMAND_ARGUMENT),
        ("%~a", errors.AclReasons.SYNTAX),
        ("%RR~a", errors.AclReasons.SYNTAX),
        ("~a b", errors.AclReasons.SYNTAX),
        ("&a\tb", errors.AclReasons.SYNTAX),
    ],
)
def test_what_is_no_rule(rule: str, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        selector(rule)
    assert str(caught.value) == reason


def test_no_pattern_after_all() -> None:
    with pytest.raises(RuleError, match="allkeys"):
        selector("~*", "~a")
    with pytest.raises(RuleError, match="allchannels"):
        selector("&*", "&a")


def test_verdicts() -> None:
    made = selector("+get", "+set", "+publish", "%R~a*", "%W~b", "&ch*")
    assert verdict(made, "GET a1") == ALLOWED
    assert verdict(made, "GET b") == 1 << VERDICT_BITS | DENIED_KEY
    assert verdict(made, "SET b x") == ALLOWED
    assert verdict(made, "SET b x GET") == 1 << VERDICT_BITS | DENIED_KEY
    assert verdict(made, "DEL b") == DENIED_COMMAND
    assert verdict(made, "PUBLISH ch1 m") == ALLOWED
    assert verdict(made, "PUBLISH other m") == 1 << VERDICT_BITS | DENIED_CHANNEL


def test_two_halves_of_a_permission_do_not_add_up() -> None:
    made = selector("+@all", "%R~a*", "%W~*a")
    assert verdict(made, "GETSET aa x") != ALLOWED
    made.apply(b"%RW~aa")
    assert verdict(made, "GETSET aa x") == ALLOWED


def test_commands_that_need_no_login_need_no_permission() -> None:
    assert verdict(selector(), "AUTH x") == ALLOWED
    assert verdict(selector(), "PING") == DENIED_COMMAND


def test_first_arguments() -> None:
    made = selector("+select|1", "+select|Two")
    assert verdict(made, "SELECT 1") == ALLOWED
    assert verdict(made, "select tWO") == ALLOWED
    assert verdict(made, "SELECT 01") == DENIED_COMMAND
    made.apply(b"-@connection")
    assert verdict(made, "SELECT 1") == DENIED_COMMAND


def test_all_commands_are_those_to_come_as_well() -> None:
    later = Vocabulary(declared_commands())
    later.complete()
    open_minded, strict = Selector(later), Selector(later)
    open_minded.apply(b"+@all")
    open_minded.apply(b"-get")
    for name in later.entries:
        strict.apply(b"+" + name.encode())
    entry = later.learn(Command("brandnew", print, arity=1))
    assert open_minded.verdict(entry, [b"BRANDNEW"], ()) == ALLOWED
    assert strict.verdict(entry, [b"BRANDNEW"], ()) == DENIED_COMMAND


def test_unrestricted() -> None:
    assert selector("+@all", "~*", "&*").unrestricted
    assert selector("+@all", "-get", "+get", "~*", "&*").unrestricted
    for rules in (("~*", "&*"), ("+@all", "%RW~*", "&*"), ("+@all", "~*"), ("+@all", "-get", "~*", "&*")):
        assert not selector(*rules).unrestricted


def test_every_key() -> None:
    assert selector("~*").allows_every_key(READ_AND_CHANGE)
    assert selector("%R~*").allows_every_key(READ)
    assert not selector("%R~*").allows_every_key(CHANGE)
    assert not selector("~**", "~a*").allows_every_key(READ)


def test_a_channel_pattern_is_allowed_letter_by_letter() -> None:
    channels = selector("&a*").channels
    assert allows_channel(channels, b"abc", False)
    assert allows_channel(channels, b"a*", True)
    assert not allows_channel(channels, b"ab*", True)
    assert not allows_channel(channels, b"b", False)


def test_has_spaces() -> None:
    assert all(has_spaces(word) for word in (b"a b", b"\t", b"a\n", b"\x0b", b"\x0c", b"\r", b"a\0"))
    assert not has_spaces(b"a_b\xff")


@pytest.mark.parametrize(
    ("rules", "description"),
    [
        ((), b"resetchannels -@all"),
        (("~*", "&*", "+@all"), b"~* &* +@all"),
        (("%R~a", "~b", "&c", "&d"), b"%R~a ~b resetchannels &c &d -@all"),
        (("+@transaction", "-exec"), b"resetchannels -@all +@transaction -exec"),
        (("+multi", "+exec", "+discard", "+watch", "+unwatch"), b"resetchannels -@all +@transaction"),
        (("+@all", "-config", "+config|get"), b"resetchannels +@all -config +config|get"),
        (("+select|0",), b"resetchannels -@all +select|0"),
        (("+select|0", "+select"), b"resetchannels -@all +select"),
    ],
)
def test_description(rules: tuple[str, ...], description: bytes) -> None:
    assert selector(*rules).describe() == description


def test_a_description_is_forgotten_with_the_next_rule() -> None:
    made = selector("+get")
    assert made.describe_commands() == b"-@all +get"
    made.apply(b"-get")
    assert made.describe_commands() == b"-@all"


NAMES = st.sampled_from(sorted(VOCABULARY.entries))
RULES = st.one_of(
    st.builds(lambda sign, name: sign + name, st.sampled_from("+-"), NAMES),
    st.builds(lambda sign, name: f"{sign}@{name}", st.sampled_from("+-"), st.sampled_from(VOCABULARY.categories())),
    st.sampled_from(["+@all", "-@all", "+select|0", "+ping|a"]),
)


@given(st.lists(RULES, max_size=12))
def test_a_description_gives_the_same_permissions(rules: list[str]) -> None:
    made = selector(*rules)
    again = selector(*made.describe_commands().decode().split())
    assert again.commands == made.commands
    assert again.describe_commands() == made.describe_commands()


def test_copies_change_by_themselves() -> None:
    made = selector("+get", "~a", "&c", "+select|0")
    copy = made.copy()
    assert copy.describe() == made.describe()
    for rule in (b"+select|1", b"~b", b"&d", b"+set"):
        copy.apply(rule)
    assert made.describe() == selector("+get", "~a", "&c", "+select|0").describe()
    assert ALL == -1
