"""redis-benchmark, unmodified: every default test runs to its end without an error."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable

import pytest

from tests.oracle.servers import HOST, Server

DEFAULT_TESTS = [
    "PING_INLINE",
    "PING_MBULK",
    "SET",
    "GET",
    "INCR",
    "LPUSH",
    "RPUSH",
    "LPOP",
    "RPOP",
    "SADD",
    "HSET",
    "SPOP",
    "ZADD",
    "ZPOPMIN",
    "LPUSH (needed to benchmark LRANGE)",
    "LRANGE_100 (first 100 elements)",
    "LRANGE_300 (first 300 elements)",
    "LRANGE_500 (first 500 elements)",
    "LRANGE_600 (first 600 elements)",
    "MSET (10 keys)",
]
"""What redis-benchmark 7.0 runs when it is asked for nothing in particular, in its order."""


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-P", "16", "-r", "1000"],
        ["-3", "-d", "1000"],
        ["-k", "0", "-t", "ping,set,get"],
        ["--threads", "2", "-P", "4", "-t", "ping,set,get"],
    ],
    ids=["plain", "pipelined", "resp3", "reconnecting", "threads"],
)
def test_default_tests(server: Server, find_tool: Callable[[str], str], options: list[str]) -> None:
    command = [find_tool("redis-benchmark"), "-h", HOST, "-p", str(server.port), "-n", "300", "-c", "10", "--csv"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert "error" not in (done.stdout + done.stderr).lower()
    rows = list(csv.DictReader(done.stdout.splitlines()))
    names = [row["test"] for row in rows]
    assert names == (["PING_INLINE", "PING_MBULK", "SET", "GET"] if "-t" in options else DEFAULT_TESTS)
    assert all(float(row["rps"]) > 0 for row in rows)


def test_what_it_wrote(server: Server, find_tool: Callable[[str], str]) -> None:
    command = [find_tool("redis-benchmark"), "-h", HOST, "-p", str(server.port), "-n", "500", "-c", "5", "-q"]
    for words in (["-t", "incr"], ["LPUSH", "mine", "x"]):
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0
    session = server.connect()
    for words, text in ((("GET", "counter:__rand_int__"), b"500"), (("LLEN", "mine"), b"500")):
        session.send(words)
        assert session.read().text == text
    session.close()
