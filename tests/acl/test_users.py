"""Users: rules beyond permissions, passwords, several selectors."""

from __future__ import annotations

import hashlib

import pytest

from kvcore import errors
from kvcore.acl.selectors import ALLOWED, DENIED_CHANNEL, DENIED_COMMAND, DENIED_KEY, VERDICT_BITS
from kvcore.acl.users import UnmatchedError, User, hash_password, merge_selectors
from kvcore.acl.vocabulary import CHANGE, READ, Vocabulary
from kvcore.dispatch import declared_commands
from kvcore.errors import RuleError

VOCABULARY = Vocabulary(declared_commands())
VOCABULARY.complete()
HASH = hashlib.sha256(b"p").hexdigest().encode()


def user(*rules: str) -> User:
    made = User(b"u", VOCABULARY)
    for rule in rules:
        made.apply(rule.encode())
    made.settle()
    return made


def verdict(made: User, line: str) -> int:
    argv = line.encode().split()
    entry = VOCABULARY.find(argv[0])
    assert entry is not None
    return made.verdict(entry.command, argv)


def test_a_new_user_may_nothing() -> None:
    assert user().line() == b"user u off resetchannels -@all"
    assert not user().accepts(b"")
    assert user().restricted


def test_passwords() -> None:
    made = user("on", ">p", ">q", ">p")
    assert made.accepts(b"p")
    assert made.accepts(b"q")
    assert not made.accepts(b"")
    assert not made.accepts(HASH)
    made.apply(b"<p")
    assert not made.accepts(b"p")
    made.apply(b"#" + HASH)
    assert made.accepts(b"p")
    made.apply(b"!" + HASH)
    assert not made.accepts(b"p")
    assert list(made.passwords) == [hash_password(b"q")]


def test_nopass_takes_any_password_while_the_user_is_on() -> None:
    made = user("on", "nopass")
    assert made.open
    assert made.accepts(b"whatever")
    made.apply(b"off")
    assert not made.open
    assert not made.accepts(b"whatever")
    made.apply(b">p")
    assert not made.nopass


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("<x", errors.AclReasons.NO_SUCH_PASSWORD),
        ("!" + "a" * 64, errors.AclReasons.NO_SUCH_PASSWORD),
        ("#x", errors.AclReasons.BAD_HASH),
        ("#" + "A" * 64, errors.AclReasons.BAD_HASH),
        ("#" + "a" * 65, errors.AclReasons.BAD_HASH),
        ("!", errors.AclReasons.BAD_HASH),
        (")", errors.AclReasons.SYNTAX),
        ("(on)", errors.AclReasons.SYNTAX),
        ("((+get))", errors.AclReasons.SYNTAX),
        ("(+nosuch)", errors.AclReasons.UNKNOWN),
    ],
)
def test_what_is_no_rule(rule: str, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        user(rule)
    assert str(caught.value) == reason


def test_reset() -> None:
    made = user("on", ">p", "~a", "&b", "+@all", "(+get)", "skip-sanitize-payload", "reset")
    assert made.line() == b"user u off sanitize-payload resetchannels -@all"


def test_the_default_for_channels() -> None:
    vocabulary = Vocabulary(declared_commands())
    vocabulary.open_channels = True
    made = User(b"u", vocabulary)
    made.apply(b"(+get)")
    assert made.describe() == b"off &* -@all (&* -@all +get)"
    made.apply(b"resetchannels")
    made.apply(b"reset")
    assert made.describe() == b"off sanitize-payload &* -@all"


@pytest.mark.parametrize(
    ("rules", "merged"),
    [
        ([b"on", b"(+get", b"~a)", b"off"], [b"on", b"(+get ~a)", b"off"]),
        ([b"(", b"+get", b")"], [b"( +get )"]),
        ([b"(+get ~a)", b"()"], [b"(+get ~a)", b"()"]),
        ([b"(+get", b"(+set", b"~a)"], [b"(+set ~a)"]),
        ([b"a)", b""], [b"a)", b""]),
    ],
)
def test_merging(rules: list[bytes], merged: list[bytes]) -> None:
    assert merge_selectors(rules) == merged


def test_an_open_parenthesis() -> None:
    with pytest.raises(UnmatchedError) as caught:
        merge_selectors([b"on", b"(+get", b"~a"])
    assert caught.value.start == b"(+get"


def test_selectors_do_not_add_up() -> None:
    made = user("+get", "~a", "(+set ~b)")
    assert verdict(made, "GET a") == ALLOWED
    assert verdict(made, "SET b 1") == ALLOWED
    assert verdict(made, "GET b") == 1 << VERDICT_BITS | DENIED_KEY
    assert verdict(made, "SET a 1") == 1 << VERDICT_BITS | DENIED_KEY
    assert verdict(made, "DEL a") == DENIED_COMMAND


def test_the_verdict_that_came_closest_counts() -> None:
    made = user("+publish", "+mset", "~a", "(+mset ~a ~b)", "(+publish &x)")
    assert verdict(made, "MSET a 1 b 2 c 3") == 5 << VERDICT_BITS | DENIED_KEY
    assert verdict(made, "PUBLISH y 1") == 1 << VERDICT_BITS | DENIED_CHANNEL
    assert verdict(made, "GET a") == DENIED_COMMAND


def test_every_key_takes_one_selector_that_allows_the_command() -> None:
    entry = VOCABULARY.entries["sort"]
    argv = [b"SORT", b"a", b"BY", b"w_*"]
    for rules, expected in ((("+sort", "~a"), False), (("+sort", "~a", "(~* +get)"), False), (("(%R~* +sort)",), True)):
        assert user(*rules).may_reach_every_key(entry.command, argv, READ) is expected
    assert not user("+sort", "%R~*").may_reach_every_key(entry.command, argv, CHANGE)


def test_what_is_restricted() -> None:
    assert not User.almighty(VOCABULARY).restricted
    assert not user("(+@all ~* &*)").restricted
    assert user("+@all", "~*").restricted


def test_a_copy_changes_by_itself() -> None:
    made = user("on", ">p", "+get", "(+set)")
    copy = made.copy()
    assert copy.line() == made.line()
    for rule in (b"off", b">q", b"+@all", b"clearselectors", b"sanitize-payload"):
        copy.apply(rule)
    assert made.line() == user("on", ">p", "+get", "(+set)").line()


def test_flags_in_their_order() -> None:
    assert user("skip-sanitize-payload", "nopass", "on").flags() == [b"on", b"nopass", b"skip-sanitize-payload"]
    assert user("sanitize-payload").flags() == [b"off", b"sanitize-payload"]
