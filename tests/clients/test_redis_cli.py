"""redis-cli, unmodified: what it prints against kvcore is what it prints against the real server.

Modes that need what is not there are left out: --ldb and --cluster; and --intrinsic-latency, which asks no server.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.oracle.servers import HOST, Server, find_oracle, start_oracle

Run = Callable[..., subprocess.CompletedProcess[bytes]]
SECONDS = 30

SESSION = rb"""
SET k "a b\n\x00"
GET k
GET
NOSUCH with some arguments
INCR k
RPUSH l 1 2 3
LRANGE l 0 -1
HSET h a 1 b 2
HGETALL h
SADD s 1
SMEMBERS s
ZADD z 1.5 a inf b
ZRANGE z 0 -1 WITHSCORES
ZSCORE z a
GET none
LRANGE none 0 -1
EXPIRE k 100
TYPE z
MULTI
SET x 1
INCR x
LPUSH x 1
GET
EXEC
MULTI
INCR x
DISCARD
SELECT 3
DBSIZE
SELECT 0
CLIENT SETNAME me
CLIENT GETNAME
CLIENT NOSUCH
CONFIG GET hz
OBJECT ENCODING h
LMPOP 2 none l LEFT COUNT 2
SUBSCRIBE
HELLO 9
ECHO 'single quoted'
"unbalanced
SET "bin\xff" 'v'
KEYS bin*
DEBUG SLEEP 0
COPY h h2
SORT l
SCAN 0 TYPE zset COUNT 1000
BLPOP none 0.01
"""


@pytest.fixture
def run(find_tool: Callable[[str], str]) -> Run:
    """Return a function that runs redis-cli against a server."""
    tool = find_tool("redis-cli")

    def cli(server: Server, *words: str, typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [tool, "-h", HOST, "-p", str(server.port), *words]
        return subprocess.run(command, input=typed, capture_output=True, timeout=SECONDS, check=False)

    return cli


@pytest.fixture
def start(find_tool: Callable[[str], str]) -> Iterator[Callable[..., Any]]:
    """Return a function that starts redis-cli, which runs until the test ends."""
    tool = find_tool("redis-cli")
    started: list[subprocess.Popen[bytes]] = []

    def cli(server: Server, *words: str) -> subprocess.Popen[bytes]:
        command = [tool, "-h", HOST, "-p", str(server.port), *words]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield cli
    for process in started:
        process.kill()
        process.communicate()


def both(run: Run, server: Server, oracle: Server, *words: str, typed: bytes = b"") -> str:
    """Run redis-cli against both servers, insist on the same output and exit status; return the output."""
    ours, theirs = run(server, *words, typed=typed), run(oracle, *words, typed=typed)
    assert (ours.stdout, ours.stderr, ours.returncode) == (theirs.stdout, theirs.stderr, theirs.returncode)
    return ours.stdout.decode(errors="replace")


@pytest.mark.parametrize("mode", [["--raw"], ["--no-raw"], ["--csv"], ["--json"], ["--quoted-json"]])
@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_piped_commands(server: Server, oracle: Server, run: Run, mode: list[str], protocol: str) -> None:
    assert len(both(run, server, oracle, protocol, *mode, typed=SESSION)) > 500


def test_exit_status(server: Server, oracle: Server, run: Run) -> None:
    both(run, server, oracle, "SET", "k", "text")
    assert "ERR value is not an integer" in both(run, server, oracle, "INCR", "k")
    for words in (["-e", "INCR", "k"], ["-e", "NOSUCH"], ["-e", "GET", "k"], ["-e", "GET"], ["-e", "-3", "GET"]):
        both(run, server, oracle, *words)
    assert run(server, "-e", "INCR", "k").returncode == 1
    assert run(server, "-e", "GET", "k").returncode == 0


def test_repeats(server: Server, oracle: Server, run: Run) -> None:
    assert both(run, server, oracle, "-r", "3", "-i", "0.01", "INCR", "n") == "1\n2\n3\n"
    assert both(run, server, oracle, typed=b"5 INCR n\n").split() == list("45678")


def test_values_from_standard_input(server: Server, oracle: Server, run: Run) -> None:
    both(run, server, oracle, "-x", "SET", "k", typed=b"line\n\x00\xff")
    both(run, server, oracle, "-X", "tag", "SET", "tag", "v", typed=b"key")
    assert both(run, server, oracle, "--raw", "-D", "", "GET", "key") == "v"
    assert both(run, server, oracle, "--quoted-input", "GET", '"\\x6bey"') == "v\n"
    assert run(server, "--raw", "GET", "k").stdout == b"line\n\x00\xff\n"


def test_database_uri_and_authentication(server: Server, oracle: Server, run: Run) -> None:
    both(run, server, oracle, "-n", "5", "SET", "k", "v")
    assert both(run, server, oracle, "-n", "5", "DBSIZE") == "1\n"
    assert run(server, "-u", f"redis://{HOST}:{server.port}/5", "GET", "k").stdout == b"v\n"
    for words in (["-a", "wrong"], ["--user", "nobody", "--pass", "x"], ["--no-auth-warning", "-a", "x"], ["-n", "99"]):
        both(run, server, oracle, *words, "PING")
    both(run, server, oracle, "CONFIG", "SET", "requirepass", "secret")
    try:
        assert "NOAUTH" in both(run, server, oracle, "PING")
        assert both(run, server, oracle, "--no-auth-warning", "-a", "secret", "PING") == "PONG\n"
    finally:
        both(run, server, oracle, "--no-auth-warning", "-a", "secret", "CONFIG", "SET", "requirepass", "")


def test_unix_socket(unix_socket: str, run: Run, server: Server) -> None:
    assert run(server, "-s", unix_socket, "PING").stdout == b"PONG\n"


def test_scan(server: Server, oracle: Server, run: Run) -> None:
    typed = b"".join(b"SET key:%d v\n" % number for number in range(1000)) + b"SADD other 1\n"
    both(run, server, oracle, typed=typed)
    ours, theirs = (
        [run(side, "--scan", *words).stdout.split() for words in ([], ["--pattern", "key:*7"])]
        for side in (server, oracle)
    )
    assert list(map(sorted, ours)) == list(map(sorted, theirs))
    assert list(map(len, ours)) == [1001, 100]
    assert run(server, "--scan", "--quoted-pattern", '"\\x6fther"').stdout == b"other\n"


def summary(output: bytes) -> list[str]:
    """Return what --bigkeys found, without the progress lines that depend on the scan's order."""
    return output.decode().split("-------- summary -------")[1].splitlines()


def test_bigkeys(server: Server, oracle: Server, run: Run) -> None:
    typed = b"SET s abc\nSET longer abcdef\nRPUSH l 1 2 3\nSADD set 1 2\nHSET h a 1\nZADD z 1 a 2 b 3 c\n"
    both(run, server, oracle, typed=typed)
    ours, theirs = (run(side, "--bigkeys") for side in (server, oracle))
    assert (ours.returncode, sorted(summary(ours.stdout))) == (theirs.returncode, sorted(summary(theirs.stdout)))
    assert any("Sampled 6 keys" in line for line in summary(ours.stdout))


def test_hotkeys_asks_for_an_lfu_policy(server: Server, oracle: Server, run: Run) -> None:
    both(run, server, oracle, "SET", "k", "v")
    ours, theirs = (run(side, "--hotkeys") for side in (server, oracle))
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)
    assert b"An LFU maxmemory policy is not selected" in ours.stdout + ours.stderr


def test_memkeys(server: Server, oracle: Server, run: Run) -> None:
    typed = b"SET small abc\nRPUSH l 1 2 3\nSET large %b\n" % (b"x" * 5000)
    both(run, server, oracle, typed=typed)
    for words in (["--memkeys"], ["--memkeys", "--memkeys-samples", "0"]):
        ours, theirs = (run(side, *words) for side in (server, oracle))
        assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)
        # Sizes are each server's own; which keys are the biggest of their type is not.
        shown = [
            sorted(re.sub(r"\b[\d.]+(?= bytes|% of)|avg size .*", "N", line) for line in summary(side.stdout))
            for side in (ours, theirs)
        ]
        assert shown[0] == shown[1]
        assert any(
            re.match(r"Biggest +string found .*large.* has [1-9]\d+ bytes", line) for line in summary(ours.stdout)
        )


def test_hotkeys(server: Server, run: Run) -> None:
    run(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", "0")
    try:
        run(server, typed=b"SET hot v\nSET cold v\n" + b"GET hot\n" * 50)
        shown = run(server, "--hotkeys")
    finally:
        run(server, "CONFIG", "SET", "maxmemory-policy", "noeviction", "lfu-log-factor", "10")
    assert (shown.returncode, shown.stderr) == (0, b"")
    counts = {
        key: int(count)
        for count, key in re.findall(rb"hot key found with counter: (\d+)\tkeyname: \"(\w+)\"", shown.stdout)
    }
    assert counts[b"hot"] > counts.get(b"cold", 0)


def test_eval(server: Server, oracle: Server, run: Run, tmp_path: Path) -> None:
    script = tmp_path / "s.lua"
    script.write_text("redis.call('SET', KEYS[1], ARGV[1]); return {KEYS[1], ARGV[2], 3, redis.call('GET', KEYS[1])}")
    shown = both(run, server, oracle, "--eval", str(script), "k", ",", "a", "b c")
    assert shown.split("\n")[:4] == ["k", "b c", "3", "a"]
    script.write_text("return redis.call('INCR', KEYS[1])")
    assert "ERR value is not an integer" in both(run, server, oracle, "--eval", str(script), "k")


def test_mass_insertion(server: Server, oracle: Server, run: Run) -> None:
    commands = (b"*3\r\n$3\r\nSET\r\n$%d\r\nk%d\r\n$1\r\nv\r\n" % (len(str(n)) + 1, n) for n in range(5000))
    output = both(run, server, oracle, "--pipe", typed=b"".join(commands) + b"*1\r\n$5\r\nNOCMD\r\n")
    assert "errors: 1, replies: 5001" in output
    assert both(run, server, oracle, "DBSIZE") == "5000\n"


def test_latency(server: Server, run: Run) -> None:
    assert re.fullmatch(rb"\d+ \d+ [\d.]+ [1-9]\d*\n", run(server, "--latency", "--raw", "-i", "0.1").stdout)
    assert re.fullmatch(rb"\d+,\d+,[\d.]+,[1-9]\d*\n", run(server, "--latency", "--csv", "-i", "0.1").stdout)


def test_latency_history(server: Server, terminal: Callable[..., Terminal]) -> None:
    screen = terminal(server, "--latency-history", "-i", "0.2")
    for _ in range(2):
        shown = screen.read_match(rb"min: \d+, max: \d+, avg: [\d.]+ \((\d+) samples\) -- [\d.]+ seconds range")
        assert int(shown[1]) > 1


def test_latency_distribution(server: Server, terminal: Callable[..., Terminal]) -> None:
    screen = terminal(server, "--latency-dist", "-i", "0.2", kind="xterm-256color")
    screen.read_until(b"\x1b[0m")
    assert server.alive()


def lines_until(stream: IO[bytes], wanted: bytes) -> bytes:
    """Read whole lines until one contains ``wanted``; return that line."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        line = stream.readline()
        if wanted in line or not line:
            return line
    raise AssertionError(f"no {wanted!r} within {SECONDS} s")


def test_monitor(server: Server, oracle: Server, run: Run, start: Callable[..., Any]) -> None:
    seen = []
    for side in (server, oracle):
        process = start(side, "MONITOR")
        assert process.stdout.readline() == b"OK\n"
        run(side, "-n", "2", "SET", "k", 'a "b"\n')
        line = lines_until(process.stdout, b'"SET"')
        assert re.match(rb"\d+\.\d{6} \[2 127\.0\.0\.1:\d+\] ", line)
        seen.append(line.split(b"] ", 1)[1])
    assert seen[0] == seen[1] == b'"SET" "k" "a \\"b\\"\\n"\n'


@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_subscribe(server: Server, oracle: Server, run: Run, start: Callable[..., Any], protocol: str) -> None:
    seen = []
    for side in (server, oracle):
        process = start(side, protocol, "--csv", "PSUBSCRIBE", "n*", "other")
        lines = [lines_until(process.stdout, b"psubscribe") for _ in range(2)]
        assert run(side, "PUBLISH", "news", "a b").stdout == b"1\n"
        seen.append([*lines, lines_until(process.stdout, b"pmessage")])
    assert seen[0] == seen[1]
    assert b'"pmessage","n*","news","a b"' in seen[0][2]


@pytest.fixture
def prompt(server: Server, run: Run) -> Server:
    """Return the server, which begins a snapshot as soon as it is asked for one."""
    assert run(server, "CONFIG", "SET", "repl-diskless-sync-delay", "0").stdout == b"OK\n"
    return server


FUNCTION = "#!lua name=l\nredis.register_function('f', function() return 1 end)"


@pytest.mark.parametrize("mode", ["--rdb", "--functions-rdb"])
def test_snapshots_over_the_network(prompt: Server, oracle: Server, run: Run, tmp_path: Path, mode: str) -> None:
    server = prompt
    typed = b"".join(b"SET key:%d v\n" % number for number in range(1000)) + b"SADD s a b\nSELECT 3\nHSET h a 1\n"
    for side in (server, oracle):
        run(side, typed=typed)
        run(side, "FUNCTION", "LOAD", "REPLACE", FUNCTION)
    path = tmp_path / "dump.rdb"
    found = run(server, mode, str(path))
    assert (found.returncode, b"Transfer finished with success" in found.stderr) == (0, True), found
    # The real server reads what came.
    loaded = start_oracle(str(find_oracle()), "--dir", str(tmp_path))
    try:
        assert run(loaded, "FUNCTION", "LIST").stdout == run(oracle, "FUNCTION", "LIST").stdout
        if mode == "--rdb":
            assert run(loaded, "DEBUG", "DIGEST").stdout == run(oracle, "DEBUG", "DIGEST").stdout
        else:
            assert run(loaded, "DBSIZE").stdout == b"0\n"
    finally:
        loaded.stop()
        for side in (server, oracle):
            run(side, "FUNCTION", "FLUSH")


def test_a_snapshot_on_standard_output(prompt: Server, run: Run) -> None:
    run(prompt, "SET", "k", "v")
    found = run(prompt, "--rdb", "-")
    assert found.returncode == 0
    assert found.stdout.startswith(b"REDIS0010")


@pytest.mark.parametrize("mode", ["--replica", "--slave"])
def test_showing_the_stream(prompt: Server, run: Run, start: Callable[..., Any], mode: str) -> None:
    server = prompt
    before = run(server, "INFO", "replication").stdout
    process = start(server, mode)
    deadline = time.monotonic() + SECONDS
    while b"state=online" not in run(server, "INFO", "replication").stdout:
        assert time.monotonic() < deadline, before
    for number in range(3):  # redis-cli takes the first for an answer to its acknowledgement
        run(server, "SET", "k", f"a {number}")
    run(server, "-n", "3", "DEL", "none")
    run(server, "-n", "3", "SET", "last", "one")
    lines_until(process.stdout, b'"a 2"')
    assert process.stdout.readline() == b'"SELECT","3"\n'
    assert process.stdout.readline() == b'"SET","last","one"\n'


class Terminal:
    """redis-cli on a terminal: its interactive mode and its rolling displays."""

    def __init__(self, command: list[str], kind: str = "dumb") -> None:
        """``kind`` is the terminal's type; a dumb one shows no hints."""
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (50, 300))
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": kind, "HOME": os.devnull}
        )
        os.close(slave)

    def type(self, text: bytes) -> None:
        """Type a line."""
        os.write(self._master, text)

    def read_until(self, wanted: bytes) -> bytes:
        """Return what is shown up to and including ``wanted``."""
        return self.read_match(re.escape(wanted)).string

    def read_match(self, pattern: bytes) -> re.Match[bytes]:
        """Read until what is shown has a match of ``pattern``, and return it."""
        shown = b""
        deadline = time.monotonic() + SECONDS
        while (match := re.search(pattern, shown)) is None:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in {shown!r}"
            shown += os.read(self._master, 65536)
        return match

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(find_tool: Callable[[str], str]) -> Iterator[Callable[..., Terminal]]:
    """Return a function that starts redis-cli on a terminal of its own."""
    tool = find_tool("redis-cli")
    opened: list[Terminal] = []

    def start_terminal(server: Server, *words: str, kind: str = "dumb") -> Terminal:
        opened.append(Terminal([tool, "-h", HOST, "-p", str(server.port), *words], kind))
        return opened[-1]

    yield start_terminal
    for each in opened:
        each.close()


def test_stat_shows_a_line(server: Server, run: Run, terminal: Callable[..., Terminal]) -> None:
    run(server, "SET", "k", "v")
    shown = terminal(server, "--stat", "-i", "0.1").read_until(b"(+1)")
    assert b"keys       mem      clients blocked requests            connections" in shown
    assert re.search(rb"\n1 +[\d.]+[KM] +\d+ +0 +\d+ \(\+0\) +\d+ +\r?\n", shown)


def test_lru_test_counts_hits(server: Server, terminal: Callable[..., Terminal]) -> None:
    assert b" Gets/sec | Hits: " in terminal(server, "--lru-test", "100").read_until(b"Misses: ")


def test_interactive_session(server: Server, oracle: Server, terminal: Callable[..., Terminal]) -> None:
    shown = []
    for side in (server, oracle):
        screen = terminal(side)
        seen = screen.read_until(b"> ")
        for line in (b"SET k v", b"GET k", b"GET none", b"INCR k", b"HELLO 3", b"HSET h a 1", b"HGETALL h", b"NOSUCH"):
            screen.type(line + b"\r")
            seen += screen.read_until(b"\n" + f"{HOST}:{side.port}> ".encode())
        text = seen.replace(str(side.port).encode(), b"PORT")
        shown.append(re.sub(rb'(?:2\) \(integer\)|4\) "id"|"id" => \(integer\)) \d+', b"ID", text))
    assert b'1# "a" => "1"' in shown[0]
    assert b"(error) ERR value is not an integer" in shown[0]
    assert [line for line in shown[0].splitlines() if b'"id"' not in line] == [
        line for line in shown[1].splitlines() if b'"id"' not in line
    ]


def test_hints_name_the_arguments(server: Server, oracle: Server, terminal: Callable[..., Terminal]) -> None:
    shown = []
    for side in (server, oracle):
        screen = terminal(side, kind="xterm")
        screen.read_until(b"> ")
        hints = []
        for line in (b"SET ", b"ZADD k ", b"CLIENT KILL ", b"CONFIG SET ", b"GETSET ", b"GEOADD key "):
            screen.type(line)
            hints.append(screen.read_match(rb"> %b\x1b\[0;90;49m(.*?)\x1b\[0m" % line)[1])
            screen.type(b"\x15")  # ^U empties the line
        shown.append(hints)
    assert shown[0] == shown[1]
    assert shown[0][0].startswith(b"key value [NX|XX] [GET] [EX seconds|PX milliseconds|")


def test_help_comes_from_the_server(server: Server, run: Run) -> None:
    shown = run(server, typed=b"help SET\nhelp @list\n").stdout
    assert b"since:\x1b[0m 1.0.0" in shown
    assert b"LPUSH" in shown
