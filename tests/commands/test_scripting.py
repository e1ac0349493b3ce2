"""EVAL, EVALSHA, their read-only forms, SCRIPT: arguments and replies. Scripts themselves: tests/scripting."""

from __future__ import annotations

import hashlib

import pytest

from kvcore import errors
from kvcore.engine import Engine
from kvcore.replies import OK
from tests.commands.conftest import Client

pytest.importorskip("lupa.lua51")


def sha1(body: str) -> str:
    return hashlib.sha1(body.encode()).hexdigest()


def test_eval(client: Client) -> None:
    assert client("EVAL", "return {KEYS[1], ARGV[1]}", 1, "k", "a") == [b"k", b"a"]
    assert client("EVALSHA", sha1("return {KEYS[1], ARGV[1]}"), 2, "k", "l") == [b"k"]


@pytest.mark.parametrize("name", ["EVAL", "EVAL_RO", "EVALSHA", "EVALSHA_RO"])
def test_the_number_of_keys(client: Client, name: str) -> None:
    client("SCRIPT", "LOAD", "return #KEYS")
    what = sha1("return #KEYS") if "SHA" in name else "return #KEYS"
    assert client(name, what, 17, *["k"] * 17) == 17
    assert client.error(name, what, "x") == errors.NOT_AN_INTEGER
    assert client.error(name, what, 2, "k") == errors.TOO_MANY_KEYS
    assert client.error(name, what, -1) == errors.NUMKEYS_NEGATIVE


@pytest.mark.parametrize("name", ["EVALSHA", "EVALSHA_RO"])
def test_no_such_script(client: Client, name: str) -> None:
    assert client.error(name, "0" * 40, 0) == errors.NO_SCRIPT
    assert client.error(name, "0", "x") == errors.NO_SCRIPT


def test_read_only_forms(client: Client) -> None:
    assert client.error("EVAL_RO", "return redis.call('set', 'k', 1)", 0).startswith(errors.SCRIPT_READ_ONLY)
    assert client.error("EVAL_RO", "#!lua\nreturn 1", 0) == errors.SCRIPT_WRITES_IN_READ_ONLY
    assert client("EVAL_RO", "#!lua flags=no-writes\nreturn redis.call('get', 'k')", 0) is None


def test_script_load_exists_flush(client: Client) -> None:
    sha = client("SCRIPT", "LOAD", "return 1")
    assert sha == sha1("return 1").encode()
    assert client("SCRIPT", "EXISTS", sha, "0" * 40, sha.upper()) == [1, 0, 1]
    assert client("SCRIPT", "FLUSH", "async") == OK
    assert client("SCRIPT", "EXISTS", sha) == [0]
    assert client.error("SCRIPT", "FLUSH", "x") == errors.SCRIPT_FLUSH_MODE


def test_script_kill_and_debug(client: Client) -> None:
    assert client.error("SCRIPT", "KILL") == errors.NOT_BUSY
    assert client("SCRIPT", "DEBUG", "NO") == OK
    assert client.error("SCRIPT", "DEBUG", "YES") == errors.SCRIPT_NO_DEBUGGER
    assert client.error("SCRIPT", "DEBUG", "x") == errors.SCRIPT_DEBUG_MODE


def test_script_help(client: Client) -> None:
    lines = client("SCRIPT", "HELP")
    assert lines[0] == "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert {"LOAD <script>", "FLUSH [ASYNC|SYNC]", "KILL"} <= set(lines)


def test_scripts_are_named_in_other_spellings(client: Client, engine: Engine) -> None:
    assert client("Eval", "return 1", 0) == 1
    assert client("script", "Load", "return 1")
    assert engine.commands[b"eval"].calls == 1
