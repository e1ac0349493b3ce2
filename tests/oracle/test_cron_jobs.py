"""Jobs of KEYDB.CRON beside the real server, which has none: it loads our files without them and refuses payloads."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oracle.servers import Server, find_oracle
from tests.oracle.test_persistence import ask, start

__all__ = ["start"]

ORACLE = find_oracle()
pytestmark = pytest.mark.skipif(ORACLE is None, reason="there is no real server to compare with")

Start = Callable[..., Server]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("options", [(), ("--rdb-version", "9"), ("--rdbcompression", "no")])
def test_the_real_server_loads_a_file_with_jobs(start: Start, directory: Path, options: tuple[str, ...]) -> None:
    session = start("kvcore", directory, "--save", "", *options).connect()
    for db in (0, 5):
        ask(session, "SELECT", db)
        for number in range(20):
            # Keys with and without a time to live around each job, whose own must not become theirs.
            ask(session, "SET", f"plain{number}", number)
            ask(session, "SET", f"expiring{number}", number, "EX", 1000)
            mode = ("single", "repeat")[number % 2]
            script = "return redis.call('incr', KEYS[1])" + " " * (number * 50)
            ask(session, "KEYDB.CRON", f"job{number}", mode, 10**9, script, 1, "n", b"\xff\0")
            ask(session, "EXPIRE", f"job{number}", 10**6)
    assert ask(session, "SAVE") in (b"OK", "OK")
    check = shutil.which("redis-check-rdb")
    if check is not None:
        done = subprocess.run([check, str(directory / "dump.rdb")], capture_output=True, timeout=60)
        assert b"RDB looks OK" in done.stdout
    loaded = start("oracle", directory).connect()
    for db in (0, 5):
        ask(loaded, "SELECT", db)
        assert ask(loaded, "DBSIZE") == 40
        for number in range(20):
            assert ask(loaded, "GET", f"plain{number}") == b"%d" % number
            assert ask(loaded, "TTL", f"plain{number}") == -1
            assert 0 < int(str(ask(loaded, "TTL", f"expiring{number}"))) <= 1000
            assert ask(loaded, "EXISTS", f"job{number}") == 0
    again = start("kvcore", directory).connect()
    ask(again, "SELECT", 5)
    assert ask(again, "DBSIZE") == 60
    assert ask(again, "TYPE", "job1") == "unknown"
    assert 10**6 - 100 < int(str(ask(again, "TTL", "job1"))) <= 10**6
    assert 10**9 - 10**5 < int(str(ask(again, "PTTL", "job1", "job1"))) <= 10**9


def test_the_real_server_refuses_a_job_as_a_payload(start: Start, directory: Path) -> None:
    session = start("kvcore", directory).connect()
    ask(session, "KEYDB.CRON", "j", "single", 10**9, "return 1")
    payload = ask(session, "DUMP", "j")
    oracle = start("oracle", directory).connect()
    assert "Bad data format" in str(ask(oracle, "RESTORE", "j", 0, payload))
    assert ask(session, "RESTORE", "k", 0, payload) == "OK"


def test_the_real_server_has_no_such_command(start: Start, directory: Path) -> None:
    oracle = start("oracle", directory).connect()
    assert "unknown command" in str(ask(oracle, "KEYDB.CRON", "j", "single", 1, "return 1"))
