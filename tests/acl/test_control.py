"""Users of an engine: sessions, logging in, checks and their log, files."""

from __future__ import annotations

import pytest

from kvcore import errors
from kvcore.acl.control import Denial, check_declaration
from kvcore.acl.log import LUA
from kvcore.acl.selectors import DENIED_CHANNEL, DENIED_COMMAND, DENIED_KEY, VERDICT_BITS
from kvcore.acl.vocabulary import Vocabulary
from kvcore.clock import ManualClock
from kvcore.command import Command
from kvcore.config import Config
from kvcore.dispatch import declared_commands
from kvcore.engine import Engine
from kvcore.errors import CommandError, ConfigError
from kvcore.session import CLOSE, NEEDS_AUTH, RESTRICTED
from tests.engine_client import Client


class MemoryFile:
    """A file that is not there at first."""

    def __init__(self, content: bytes | None = None) -> None:
        self.path = "/memory/users.acl"
        self.content = content
        self.broken = False

    def read(self) -> bytes:
        if self.content is None:
            raise FileNotFoundError(2, "No such file or directory")
        return self.content

    def replace(self, content: bytes) -> None:
        if self.broken:
            raise PermissionError(13, "Permission denied")
        self.content = content


def make(engine: Engine, *rules: bytes, name: bytes = b"u") -> Client:
    """Make a user and return a client that is logged in as it."""
    engine.acl.set_user(name, [b"reset", b"on", b"nopass", *rules])
    client = Client(engine)
    assert client("AUTH", name, "x") == "OK"
    return client


def test_who_may_do_everything_has_no_gate(engine: Engine, client: Client) -> None:
    assert client.session.gate == 0
    almighty = make(engine, b"+@all", b"~*", b"&*")
    assert almighty.session.gate == 0
    engine.acl.set_user(b"u", [b"-flushall"])
    assert almighty.session.gate == RESTRICTED
    engine.acl.set_user(b"u", [b"+flushall"])
    assert almighty.session.gate == 0
    assert client("RESET") == "RESET"
    assert client.session.gate == 0


def test_the_default_user_decides_who_must_log_in(engine: Engine, client: Client) -> None:
    engine.acl.set_user(b"default", [b"resetpass", b">p"])
    late = Client(engine)
    assert client.session.gate == 0
    assert late.session.gate == NEEDS_AUTH
    engine.acl.set_user(b"default", [b"nopass"])
    assert late.session.gate == 0
    engine.acl.set_user(b"default", [b"off"])
    assert late.session.gate == NEEDS_AUTH
    assert late.error("PING") == errors.NO_AUTH
    inside = engine.session(trusted=True)
    assert inside.gate == 0


def test_a_failed_login_changes_nothing_and_is_logged(engine: Engine, client: Client) -> None:
    assert client.error("AUTH", "nobody", "x") == errors.WRONG_PASS
    assert client.session.user == b"default"
    entry = engine.acl.log.newest(1)[0]
    assert (entry.reason, entry.object, entry.username) == (b"auth", b"AUTH", b"nobody")
    assert b"addr=" in entry.client


def test_rules_apply_all_or_none(engine: Engine) -> None:
    with pytest.raises(CommandError, match="Error in ACL SETUSER modifier '\\+nosuch'"):
        engine.acl.set_user(b"u", [b"on", b"+nosuch"])
    assert b"u" not in engine.acl.users
    engine.acl.set_user(b"u", [b"+get"])
    with pytest.raises(CommandError, match="Unmatched parenthesis in acl selector starting at '\\(\\+set'"):
        engine.acl.set_user(b"u", [b"-get", b"(+set"])
    assert engine.acl.users[b"u"].describe() == b"off resetchannels -@all +get"
    with pytest.raises(CommandError, match="Usernames"):
        engine.acl.set_user(b"a b", [])


def test_deleting_a_user_makes_nobodies_of_its_sessions(engine: Engine) -> None:
    client, other = make(engine, b"+@all"), make(engine, b"+@all")
    closed: list[str] = []
    client.session.close = lambda: closed.append("client")
    other.session.close = lambda: closed.append("other")
    assert client("ACL", "DELUSER", "u") == 1
    assert closed == ["other"]
    assert client.session.interrupt & CLOSE
    for session in (client.session, other.session):
        assert session.user == b"default"
        assert not session.authenticated
    engine.acl.set_user(b"default", [b"resetpass"])
    assert other.error("PING") == errors.NO_AUTH


def test_listeners_are_closed_only_where_something_is_taken_away(engine: Engine) -> None:
    client = make(engine, b"+@all", b"&a*", b"&b")
    client("SUBSCRIBE", "b")
    closed: list[str] = []
    client.session.close = lambda: closed.append("client")
    engine.acl.set_user(b"u", [b"-get", b"&c"])
    engine.acl.set_user(b"u", [b"resetchannels", b"&b"])
    assert closed == []
    engine.acl.set_user(b"u", [b"resetchannels", b"&a*"])
    assert closed == ["client"]


def test_denials() -> None:
    get = Command("get", print, arity=2)
    argv = [b"GET", b"secret"]
    command = Denial(DENIED_COMMAND, get, argv)
    key = Denial(1 << VERDICT_BITS | DENIED_KEY, get, argv)
    channel = Denial(1 << VERDICT_BITS | DENIED_CHANNEL, get, argv)
    assert command.object == b"get"
    assert key.object == channel.object == b"secret"
    for denial, word in ((command, "'get' command"), (key, "one of the keys"), (channel, "one of the channels")):
        assert word in denial.refusal()
        assert denial.refusal().startswith("NOPERM ")
        assert denial.at_exec().startswith("NOPERM ")
        assert denial.in_script().startswith("ERR The user executing the script can't ")
        assert denial.dry_run().startswith(b"This user has no permissions to ")


def test_a_script_is_checked_and_logged_as_such(engine: Engine) -> None:
    client = make(engine, b"+get", b"~a")
    get = engine.resolve([b"get"])
    assert engine.acl.refuse_in_script(client.session, get, [b"get", b"a"]) is None
    denial = engine.acl.refuse_in_script(client.session, get, [b"get", b"b"])
    assert denial is not None
    assert engine.acl.log.newest(1)[0].context == LUA


def test_checking_alone_logs_nothing(engine: Engine) -> None:
    client = make(engine, b"+get", b"~a")
    assert engine.acl.check(client.session, engine.resolve([b"get"]), [b"get", b"b"]) is not None
    assert len(engine.acl.log) == 0


def test_what_was_queued_is_checked_again(engine: Engine) -> None:
    client = make(engine, b"+@all", b"~a")
    client("MULTI")
    client("SET", "a", "1")
    client("PING")
    engine.acl.set_user(b"u", [b"-set"])
    replies = client("EXEC")
    assert str(replies[0]).startswith("NOPERM ACLs rules changed")
    assert replies[1] == "PONG"
    assert engine.statistics.errors == {"NOPERM": 1}


def test_a_renamed_command_keeps_its_permissions() -> None:
    config = Config()
    config.load("rename-command GET fetch\nrename-command SET ''\nuser u on nopass +get ~*\n")
    engine = Engine(config, clock=ManualClock())
    client = Client(engine)
    client("AUTH", "u", "x")
    assert client("fetch", "a") is None
    assert client("FETCH", "a") is None
    assert "unknown command 'get'" in client.error("get", "a")
    assert "unknown command 'set'" in client.error("set", "a", "1")
    engine.acl.set_user(b"u", [b"-get"])
    assert client.error("FETCH", "a") == "NOPERM this user has no permissions to run the 'get' command"


@pytest.mark.parametrize(
    "line", ["rename-command NOSUCH x", "rename-command GET SET", "user a +nosuch", "user 'a b' on"]
)
def test_an_engine_refuses_wrong_declarations(line: str) -> None:
    config = Config()
    config.load(line + "\n")
    with pytest.raises(ConfigError):
        Engine(config)


def test_users_and_a_file_exclude_each_other() -> None:
    config = Config()
    config.load("user a on\naclfile x\n")
    with pytest.raises(ConfigError, match="not both"):
        Engine(config)


def test_a_declared_default_user_begins_with_a_reset() -> None:
    config = Config()
    config.load("requirepass p\nuser default on +@all\n")
    engine = Engine(config, clock=ManualClock())
    assert engine.acl.lines() == [b"user default on sanitize-payload resetchannels +@all"]


def test_checking_declarations() -> None:
    vocabulary = Vocabulary(declared_commands())
    check_declaration(vocabulary, [], [b"a", b"on", b"+brought-by-an-extension"])
    for rules in ([b"foo"], [b"(+get"], [b"(on)"]):
        with pytest.raises(ConfigError, match="Error in user declaration"):
            check_declaration(vocabulary, [], [b"a", *rules])
    with pytest.raises(ConfigError, match="Duplicate"):
        check_declaration(vocabulary, [[b"a"]], [b"a", b"on"])


def test_saving_and_loading(engine: Engine, client: Client) -> None:
    assert client.error("ACL", "SAVE") == errors.ACL_NO_FILE
    assert client.error("ACL", "LOAD") == errors.ACL_NO_FILE
    file = MemoryFile()
    engine.acl.file = file
    assert "opening file '/memory/users.acl': No such file" in client.error("ACL", "LOAD")
    engine.acl.set_user(b"u", [b"on", b">p", b"~a", b"(+get)"])
    lines = engine.acl.lines()
    client("ACL", "SAVE")
    engine.acl.delete_user(b"u")
    client("ACL", "LOAD")
    assert engine.acl.lines() == lines
    file.broken = True
    assert client.error("ACL", "SAVE") == errors.ACL_NOT_SAVED


def test_loading_replaces_all_users_or_none(engine: Engine, client: Client) -> None:
    user = make(engine, b"+@all")
    closed: list[str] = []
    user.session.close = lambda: closed.append("user")
    file = MemoryFile(b"user v on\nuser w foo\n")
    engine.acl.file = file
    assert errors.AclReasons.UNCHANGED in client.error("ACL", "LOAD")
    assert sorted(engine.acl.users) == [b"default", b"u"]
    assert closed == []
    default = engine.acl.default
    file.content = b"user default on nopass +@all\nuser u on\n"
    assert client("ACL", "LOAD") == "OK"
    assert engine.acl.default is default
    assert client.session.gate == RESTRICTED
    assert closed == ["user"]


def test_a_wrong_file_at_start(engine: Engine) -> None:
    engine.acl.file = MemoryFile(b"nobody\n")
    with pytest.raises(
        ConfigError, match=r"^Aborting Redis startup because of ACL errors: /memory/users\.acl:1 should"
    ):
        engine.acl.load_at_start()
