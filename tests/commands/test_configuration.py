"""CONFIG on an engine without sockets: the engine follows what is set."""

from __future__ import annotations

from kvcore.engine import Engine
from tests.commands.conftest import Client


def test_set_reaches_the_engine(client: Client, engine: Engine) -> None:
    assert client("CONFIG", "SET", "slowlog-max-len", 5, "set-max-intset-entries", 7) == "OK"
    assert (engine.slowlog_limit, engine.limits.intset_entries) == (5, 7)
    assert client("CONFIG", "GET", "slowlog-max-len") == {b"slowlog-max-len": b"5"}


def test_a_bad_value_changes_nothing(client: Client, engine: Engine) -> None:
    error = client.error("CONFIG", "SET", "slowlog-max-len", 5, "set-max-intset-entries", "x")
    assert error.startswith("ERR CONFIG SET failed (possibly related to argument 'set-max-intset-entries') - ")
    assert engine.slowlog_limit == 128


def test_pairs_must_be_whole(client: Client) -> None:
    assert client.error("CONFIG", "SET", "timeout", 1, "port") == "ERR syntax error"


def test_passwords_are_not_shown_to_others(client: Client, engine: Engine) -> None:
    argv = [b"CONFIG", b"SET", b"timeout", b"1", b"REQUIREPASS", b"secret"]
    assert engine.execute(client.session, argv) == "OK"
    assert argv == [b"CONFIG", b"SET", b"timeout", b"1", b"REQUIREPASS", b"(redacted)"]
    assert engine.config.string("requirepass") == "secret"


def test_rewrite(client: Client) -> None:
    assert client.error("CONFIG", "REWRITE") == "ERR The server is running without a config file"
