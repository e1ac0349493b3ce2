"""Users in files: the `aclfile`, `user` lines, renamed commands, and what keeps a server from starting."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvcore import errors
from tests.oracle.harness import Wire
from tests.oracle.servers import HOST, Server, find_oracle, free_port, start_kvcore
from tests.oracle.users import sorted_rules
from tests.oracle.wire import CLOSED, Argument, WireSession

KEEP = "user default on nopass ~* &* +@all\n"


class Side:
    """One server with an ACL file of its own."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server = server
        self.path = path
        self.sessions: list[WireSession] = []
        self.main = self.connect()

    def connect(self) -> WireSession:
        session = self.server.connect()
        self.sessions.append(session)
        return session

    def ask(self, *arguments: Argument, session: WireSession | None = None) -> Wire:
        """Return the reply, with the file's path taken out and rules in a fixed order."""
        asked = session or self.main
        asked.send(arguments)
        reply = asked.read()
        return sorted_rules(Wire(reply.kind, reply.text.replace(str(self.path).encode(), b"FILE"), reply.items))

    def stop(self) -> None:
        for session in self.sessions:
            session.close()
        self.server.stop()


class Sides:
    """The real server and kvcore, asked alike."""

    def __init__(self, oracle: Side, kvcore: Side) -> None:
        self.oracle = oracle
        self.kvcore = kvcore

    def both(self, *arguments: Argument) -> Wire:
        oracle, kvcore = self.oracle.ask(*arguments), self.kvcore.ask(*arguments)
        assert oracle == kvcore
        return oracle

    def write(self, text: str) -> None:
        for side in (self.oracle, self.kvcore):
            side.path.write_text(text)


def _start_oracle(*options: str) -> Server:
    port = free_port()
    binary = find_oracle()
    assert binary is not None
    return Server("redis", [binary, "--port", str(port), "--bind", HOST, "--save", "", *options], port)


@pytest.fixture
def sides(fleet: object, tmp_path: Path) -> Iterator[Sides]:
    """Both servers with an ACL file that keeps the default user; ``fleet`` says whether there is an oracle."""
    paths = [tmp_path / "oracle.acl", tmp_path / "kvcore.acl"]
    for path in paths:
        path.write_text(KEEP)
    oracle = Side(_start_oracle("--aclfile", str(paths[0])), paths[0])
    try:
        kvcore = Side(start_kvcore("asyncio", "--aclfile", str(paths[1])), paths[1])
    except BaseException:
        oracle.stop()
        raise
    yield Sides(oracle, kvcore)
    oracle.stop()
    kvcore.stop()


CONTENTS = (
    "foo bar\n",
    "user\n",
    "user b on\nuser b off\n",
    "user b +foo\n",
    "user b foo bar\n",
    "user b (+get\n",
    "user b (+get\nuser c foo\n",
    "user b +foo foo +@bar bar\n",
    "# comment\n",
    'user "e f" on\n',
    "user b ~a\tb on\n",
    "user b on  \n",
    "user b  on\n",
    "user b on\r\nuser c \ton\t \n",
    "user b\ton\n",
    "  user b on\n",
    "USER b on\n",
    "user b foo bar\nuser c >a +foo\nbar\n",
    "user b (+get ~x) (+set\t%R~a) #ab\n",
    "user b (+get ~x) ( +set  %R~a ) (~y) #" + "a" * 64 + " on nopass +@all\nuser c on >p -@all &a\n",
    "user b ~a on\nuser default on nopass ~* &* +@all -get\nuser a off",
    "",
    "\n\n",
)


def test_loading(sides: Sides) -> None:
    for content in CONTENTS:
        sides.write(KEEP + content if "default" not in content else content)
        sides.both("ACL", "LOAD")
        sides.both("ACL", "LIST")
        sides.both("GET", "x")
    sides.write("user default on nopass ~* &* +acl +@string\n" + "user default off\n")
    sides.both("ACL", "LOAD")
    sides.write("user b on\n")
    sides.both("ACL", "LOAD")
    sides.both("ACL", "LIST")


def test_saving(sides: Sides) -> None:
    sides.both("ACL", "SETUSER", "z", "on", ">a", "~b", "(+get %R~x)", "+select|0", "&c", '~"q"')
    sides.both("ACL", "SETUSER", "a", "+@all", "-@dangerous")
    sides.both("ACL", "SAVE")
    lines = [sorted(side.path.read_bytes().splitlines()) for side in (sides.oracle, sides.kvcore)]
    assert [sorted(line.split()) for line in lines[0]] == [sorted(line.split()) for line in lines[1]]
    sides.both("ACL", "DELUSER", "z", "a")
    sides.both("ACL", "LOAD")
    sides.both("ACL", "LIST")
    sides.both("CONFIG", "SET", "aclfile", "x")


def test_a_file_that_is_not_there(sides: Sides) -> None:
    sides.both("ACL", "SETUSER", "x", "on")
    for side in (sides.oracle, sides.kvcore):
        side.path.unlink()
    sides.both("ACL", "LOAD")
    sides.both("ACL", "LIST")
    sides.both("ACL", "SAVE")
    sides.both("ACL", "LOAD")


def test_sessions_after_loading(sides: Sides) -> None:
    """Users that stay, users that go, the default user restricted, and one's own session."""
    sides.write(KEEP + "user b on nopass +@all ~*\nuser c on nopass +@all ~*\n")
    sides.both("ACL", "LOAD")
    told = []
    for side in (sides.oracle, sides.kvcore):
        sessions = {name: side.connect() for name in ("b", "c", "default", "listener", "own")}
        for name in ("b", "c"):
            side.ask("AUTH", name, "", session=sessions[name])
        side.ask("AUTH", "b", "", session=sessions["own"])
        side.ask("SUBSCRIBE", "x", session=sessions["listener"])
        side.path.write_text("user default on nopass ~* &y +@all -set\nuser b on nopass +@all ~*\n")
        replies = [side.ask("ACL", "LOAD", session=sessions["own"])]
        time.sleep(0.05)
        for session in sessions.values():
            try:
                replies.append(side.ask("SET", "a", "1", session=session))
            except OSError:
                replies.append(CLOSED)
        told.append(replies)
    assert told[0] == told[1]


# Starting


def _first_words(arguments: list[str]) -> list[str]:
    """Start a server that is expected to stop at once; return what it says of the reason."""
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    shown = (ended.stdout + ended.stderr).splitlines()
    wanted = ("Reading", ">>>", "Error", "Spaces", "Critical", "Configuring", "Aborting", "No such", "Target", "Bad")
    texts = [line.split(" # ", 1)[-1] for line in shown]
    return [line for line in texts if line.startswith(wanted)]


WRONG = (
    "user a on ~* +@all +foo\n",
    "port 0\nuser a on ~a (+get&a\n",
    'user a on "~a b"\n',
    "user\n",
    "user a\nuser a on\n",
    'user "a b" on\n',
    "user a (on)\n",
    "aclfile FILE\nuser a on\n",
    "aclfile FILE-that-is-not-there\n",
    "rename-command FOO g\n",
    "rename-command GET set\n",
    "rename-command GET g\nrename-command GET h\n",
    "rename-command GET g\nrename-command SET G\n",
    "rename-command GET\n",
    "rename-command GET g\nuser a on +g\n",
)


@pytest.mark.parametrize("config", WRONG)
def test_what_keeps_a_server_from_starting(fleet: object, tmp_path: Path, config: str) -> None:
    binary = find_oracle()
    assert binary is not None
    (tmp_path / "users").write_text(KEEP)
    path = tmp_path / "redis.conf"
    path.write_text(config.replace("FILE", str(tmp_path / "users")))
    options = [str(path), "--port", str(free_port()), "--save", ""]
    oracle = _first_words([binary, *options])
    kvcore = _first_words([sys.executable, "-m", "kvcore", *options])
    if "(+get&a" in config:  # the real server gives the reason of another error
        assert kvcore.pop() == "Error in user declaration '(+get&a': Unmatched parenthesis in selector definition"
        oracle.pop()
    # It names a word two places before the wrong one, too.
    assert [re.sub("declaration '.*'", "declaration", line) for line in kvcore] == [
        re.sub("declaration '.*'", "declaration", line) for line in oracle
    ]


def test_a_wrong_file_keeps_a_server_from_starting(tmp_path: Path) -> None:
    """The real server crashes at some of these."""
    path = tmp_path / "users"
    path.write_text("user b foo\nnobody\n")
    options = ["--port", "0", "--aclfile", str(path)]
    assert _first_words([sys.executable, "-m", "kvcore", *options]) == [
        f"Aborting Redis startup because of ACL errors: {path}:1: Syntax error. "
        f"{path}:2 should start with user keyword followed by the username. {errors.AclReasons.UNCHANGED}"
    ]


def _both_with(tmp_path: Path, config: str) -> Sides:
    sides = []
    for name in ("oracle", "kvcore"):
        path = tmp_path / f"{name}.conf"
        path.write_text(config)
        server = _start_oracle_with(path) if name == "oracle" else _start_kvcore_with(path)
        sides.append(Side(server, path))
    return Sides(*sides)


def _start_oracle_with(path: Path) -> Server:
    port = free_port()
    binary = find_oracle()
    assert binary is not None
    return Server("redis", [binary, str(path), "--port", str(port), "--bind", HOST, "--save", ""], port)


def _start_kvcore_with(path: Path) -> Server:
    return Server("kvcore", [sys.executable, "-m", "kvcore", str(path), "--port", "0", "--bind", HOST])


CONFIG = """
requirepass ignored
acl-pubsub-default allchannels
user default on nopass ~* &* +@all -set
user off-duty +get
user worker on >secret ~jobs:* (+get ~x) "(%R~y +@read)"
rename-command GET fetch
rename-command ACL "People"
rename-command CONFIG ""
"""


RENAMED = """
PEOPLE LIST
people whoami
ACL WHOAMI
GET a
FETCH a
Fetch
SET a 1
CONFIG GET x
CONFIG
AUTH ignored
COMMAND COUNT x
PEOPLE SETUSER limited on nopass +get ~*
people setuser limited +fetch
people dryrun limited fetch a
people dryrun limited get a
people getuser limited
people cat nosuch
people nosuch
AUTH limited x
FETCH a
GET a
PEOPLE WHOAMI
AUTH worker wrong
AUTH worker secret
FETCH x
AUTH off-duty x
"""


def test_users_and_renamed_commands_in_the_config_file(fleet: object, tmp_path: Path) -> None:
    sides = _both_with(tmp_path, CONFIG)
    try:
        for line in RENAMED.strip().splitlines():
            sides.both(*line.split())
        for side in (sides.oracle, sides.kvcore):
            assert "The user 'off-duty' is disabled" in side.server.log()
    finally:
        sides.oracle.stop()
        sides.kvcore.stop()


def test_a_rewritten_config_file_declares_the_same_users(fleet: object, tmp_path: Path) -> None:
    sides = _both_with(tmp_path, "user a on >p ~x\n")
    try:
        sides.both("ACL", "SETUSER", "b", "on", "nopass", "+@all", "-config", "+config|get", "(+get ~y)", "~z", "%W~w")
        sides.both("ACL", "SETUSER", "default", "-debug")
        sides.both("CONFIG", "REWRITE")
        before = sides.both("ACL", "LIST")
        lines = [
            sorted(sorted(line.split()) for line in side.path.read_bytes().splitlines() if line.startswith(b"user "))
            for side in (sides.oracle, sides.kvcore)
        ]
        assert lines[0] == lines[1]
    finally:
        sides.oracle.stop()
        sides.kvcore.stop()
    written = sides.kvcore.path.read_text()
    sides.kvcore.path.write_text(re.sub("(?m)^dir .*$", "", written))  # the servers' directories are gone
    again = _start_kvcore_with(sides.kvcore.path)
    side = Side(again, sides.kvcore.path)
    try:
        # Declaring the default user begins with a reset, which is seen in its flags.
        told = [item.text.replace(b" sanitize-payload", b"") for item in side.ask("ACL", "LIST").items]
        assert told == [item.text for item in before.items]
    finally:
        side.stop()
