"""Replaying command lines: state, transactions without an end, errors, and gates that must not refuse."""

from __future__ import annotations

import logging

import pytest

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import AofError
from kvcore.storage.aof_replay import Replay
from tests.engine_client import Client


def lines(*texts: str) -> list[tuple[list[bytes], int]]:
    """Return commands that are ten bytes each."""
    return [(text.encode().split(), 10 * (count + 1)) for count, text in enumerate(texts)]


def test_commands_run_in_order_and_move_the_offset() -> None:
    engine = Engine()
    replay = Replay(engine, "incr")
    replay.run(lines("SELECT 2", "SET k v", "INCR n", "INCR n"))
    assert (replay.offset, replay.commands, replay.in_transaction) == (40, 4, False)
    replay.close()
    client = Client(engine)
    assert client("DBSIZE") == 0
    client("SELECT", 2)
    assert (client("GET", "k"), client("GET", "n")) == (b"v", b"2")
    assert len(engine.sessions) == 1


def test_a_transaction_counts_when_it_ends() -> None:
    engine = Engine()
    replay = Replay(engine, "incr")
    replay.run(lines("SET a 1", "MULTI", "SET a 2"))
    assert (replay.offset, replay.in_transaction) == (10, True)
    client = Client(engine)
    assert client("GET", "a") == b"1"
    replay.run([([b"SET", b"b", b"2"], 40), ([b"exec"], 50)])
    assert (replay.offset, replay.in_transaction) == (50, False)
    assert (client("GET", "a"), client("GET", "b")) == (b"2", b"2")


def test_a_transaction_without_end_never_began() -> None:
    engine = Engine()
    replay = Replay(engine, "incr")
    replay.run(lines("SET a 1", "MULTI", "SET a 2"))
    replay.close()
    assert Client(engine)("GET", "a") == b"1"
    assert replay.offset == 10


def test_an_unknown_command_is_fatal_and_another_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    replay = Replay(Engine(), "appendonly.aof.1.incr.aof")
    with caplog.at_level(logging.WARNING):
        replay.run(lines("SET k v", "LPUSH k x", "SET k w"))
    assert "WRONGTYPE" in caplog.text
    with pytest.raises(
        AofError, match=r"^Unknown command 'NOPE' reading the append only file appendonly\.aof\.1\.incr\.aof$"
    ):
        replay.run(lines("NOPE x"))


def test_what_clients_must_pass_does_not_stop_a_replay() -> None:
    config = Config()
    config.set("requirepass", "secret")
    engine = Engine(config)
    replay = Replay(engine, "incr")
    replay.run(lines("SET k v"))
    assert engine.keyspace.databases[0].size == 1


@pytest.mark.parametrize("words", ["NOSUCH x", "XGROUP NOSUCH x"])
def test_what_no_server_knows_is_fatal(words: str) -> None:
    with pytest.raises(AofError, match=f"Unknown command '{words.split()[0]}' reading the append only file incr"):
        Replay(Engine(), "incr").run(lines(words))
