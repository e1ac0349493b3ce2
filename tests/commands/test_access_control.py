"""ACL's replies, and what is kept out of sight."""

from __future__ import annotations

import pytest

from kvcore import errors
from kvcore.engine import Engine
from kvcore.replies import OrderedSet
from tests.commands.conftest import Client


def test_whoami_and_users(client: Client) -> None:
    assert client("ACL", "WHOAMI") == b"default"
    client("ACL", "SETUSER", "zoe", "on", "nopass", "+@all")
    client("ACL", "SETUSER", "Adam")
    assert client("ACL", "USERS") == [b"Adam", b"default", b"zoe"]
    client("AUTH", "zoe", "x")
    assert client("ACL", "WHOAMI") == b"zoe"


def test_getuser(client: Client) -> None:
    client("ACL", "SETUSER", "u", "on", ">p", "~a", "%R~b", "&c", "+get", "(+set &d)")
    reply = client("ACL", "GETUSER", "u")
    assert isinstance(reply[b"flags"], OrderedSet)
    assert list(reply) == [b"flags", b"passwords", b"commands", b"keys", b"channels", b"selectors"]
    assert (reply[b"commands"], reply[b"keys"], reply[b"channels"]) == (b"-@all +get", b"~a %R~b", b"&c")
    assert reply[b"selectors"] == [{b"commands": b"-@all +set", b"keys": b"", b"channels": b"&d"}]
    assert client("ACL", "GETUSER", "nobody") is None


def test_deluser(client: Client) -> None:
    for name in "ab":
        client("ACL", "SETUSER", name)
    assert client.error("ACL", "DELUSER", "a", "default") == errors.ACL_DEFAULT_STAYS
    assert client("ACL", "DELUSER", "a", "b", "c", "a") == 2


@pytest.mark.parametrize(("bits", "digits"), [(1, 1), (4, 1), (5, 2), (12, 3), (4096, 1024)])
def test_genpass(client: Client, bits: int, digits: int) -> None:
    password = client("ACL", "GENPASS", bits)
    assert len(password) == digits
    assert int(password, 16) >= 0


def test_genpass_does_not_use_the_engines_generator(engine: Engine, client: Client) -> None:
    """Its numbers can be told from those it gave before."""
    state = engine.random.getstate()
    assert client("ACL", "GENPASS") != client("ACL", "GENPASS")
    assert engine.random.getstate() == state


def test_rules_are_kept_out_of_the_slow_log(client: Client) -> None:
    client("CONFIG", "SET", "slowlog-log-slower-than", "0")
    client("ACL", "SETUSER", "u", ">secret")
    client("AUTH", "u", "secret")
    shown = [entry[3] for entry in client("SLOWLOG", "GET", "10")]
    assert [b"ACL", b"SETUSER", b"(redacted)", b"(redacted)"] in shown
    assert b"secret" not in repr(shown).encode()


def test_nothing_is_propagated(client: Client, effects: list[list[bytes]]) -> None:
    client("ACL", "SETUSER", "u", "on")
    client("ACL", "DELUSER", "u")
    assert effects == []


def test_log(client: Client, other: Client) -> None:
    client("ACL", "SETUSER", "u", "on", "nopass", "+get", "~a")
    other("AUTH", "u", "x")
    other("GET", "b")
    other("GET", "b")
    other("SET", "a", "1")
    assert [(entry[b"object"], entry[b"count"]) for entry in client("ACL", "LOG")] == [(b"set", 1), (b"b", 2)]
    assert len(client("ACL", "LOG", "1")) == 1
    assert client("ACL", "LOG", "-1") == []
    assert client("ACL", "LOG", "RESET") == "OK"
    assert client("ACL", "LOG") == []


def test_dryrun(client: Client) -> None:
    client("ACL", "SETUSER", "u", "+get", "~a")
    assert client("ACL", "DRYRUN", "u", "get", "a") == "OK"
    assert client("ACL", "DRYRUN", "u", "get", "b") == b"This user has no permissions to access the 'b' key"
    assert client("ACL", "DRYRUN", "u", "set", "a", "1") == b"This user has no permissions to run the 'set' command"
    assert client.error("ACL", "DRYRUN", "u", "nosuch") == errors.acl_no_command(b"nosuch")
    assert client.error("ACL", "DRYRUN", "v", "get", "a") == errors.acl_no_user(b"v")
    assert client("ACL", "LOG") == []


def test_cat(client: Client) -> None:
    assert client("ACL", "CAT")[0] == b"keyspace"
    assert set(client("ACL", "CAT", "Transaction")) == {b"multi", b"exec", b"discard", b"watch", b"unwatch"}
    assert client.error("ACL", "CAT", "nosuch") == errors.acl_category(b"nosuch")


def test_help(client: Client) -> None:
    lines = client("ACL", "HELP")
    assert lines[0].startswith("ACL <subcommand>")
    assert "SETUSER <username> <rule> [<rule> ...]" in lines
