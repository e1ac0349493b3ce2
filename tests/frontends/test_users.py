"""Declarations checked while a config file is read, and the `aclfile`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvcore.config import Config, ConfigFileError
from kvcore.engine import Engine
from kvcore.errors import ConfigError
from kvcore.frontends.inprocess import Store
from kvcore.frontends.users import check_while_reading, open_acl_file


def read(text: str) -> Config:
    config = Config()
    check_while_reading(config)
    config.load(text)
    return config


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("port 1\nuser a foo\n", "user a foo", "Error in user declaration 'foo': Syntax error"),
        ("user a\nuser a\n", "user a", "Duplicate user found"),
        ("rename-command NOSUCH x\n", "rename-command NOSUCH x", "No such command in rename-command"),
        ("rename-command GET a\nrename-command SET A\n", "rename-command SET A", "Target command name already exists"),
        ("user\n", "user", "Bad directive or wrong number of arguments"),
    ],
)
def test_a_wrong_line_is_named(text: str, line: str, reason: str) -> None:
    with pytest.raises(ConfigFileError, match=reason) as caught:
        read(text)
    assert caught.value.line == line


def test_right_lines_reach_the_engine() -> None:
    config = read('user a on (+get ~x) +brought-later\nrename-command GET fetch\nrename-command SET ""\n')
    assert config.users == [[b"a", b"on", b"(+get", b"~x)", b"+brought-later"]]
    assert config.renames == [(b"GET", b"fetch"), (b"SET", b"")]


def test_the_acl_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_text("user a on +get\n")
    config = Config()
    config.load(f"aclfile {path}\n")
    engine = Engine(config)
    open_acl_file(engine)
    assert engine.acl.lines()[0] == b"user a on resetchannels -@all +get"


def test_a_store_loads_it_as_well(tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_text("user a on +get\n")
    config = Config()
    config.load(f"aclfile {path}\n")
    with Store(config) as store:
        assert store.execute("ACL", "USERS") == [b"a", b"default"]
        store.execute("ACL", "SETUSER", "b")
        store.execute("ACL", "SAVE")
    assert path.read_text().count("user ") == 3


def test_without_a_file_nothing_is_opened() -> None:
    engine = Engine()
    open_acl_file(engine)
    assert engine.acl.file is None


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    config = Config()
    config.load(f"aclfile {tmp_path / 'nosuch'}\n")
    with pytest.raises(ConfigError, match=r"^Aborting Redis startup because of ACL errors: Error loading ACLs"):
        open_acl_file(Engine(config))
