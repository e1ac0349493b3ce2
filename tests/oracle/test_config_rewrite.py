"""CONFIG REWRITE beside the real server: the same file, the same changes, the same file again.

What a rewrite adds comes in the order of a hash table there, so the lines below the marker are compared in any order.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvcore.config_rewrite import MARKER
from tests.oracle.servers import Server, find_oracle, free_port
from tests.oracle.wire import WireSession

FILE = """\
# my own comment


# memory
maxmemory 100mb
MAXMEMORY-POLICY allkeys-lru
  # indented comment
save 900 1
save 300 10
save 60 10000

client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
hz 20
hz 30
slave-priority 90
notify-keyspace-events ""
rename-command   FLUSHALL  gone
bind 127.0.0.1
hash-max-ziplist-entries 100
loglevel notice
pidfile ""
logfile ""
repl-timeout 9
# trailing comment
"""

CHANGES = (
    ("maxmemory", "5000"),
    ("maxmemory-policy", "noeviction"),
    ("save", "100 1 50 2"),
    ("hz", "10"),
    ("notify-keyspace-events", "KEA"),
    ("client-output-buffer-limit", "normal 1mb 2mb 3 pubsub 1 2 3"),
    ("timeout", "0"),
    ("list-max-listpack-size", "-3"),
    ("oom-score-adj-values", "1 2 3"),
    ("latency-tracking-info-percentiles", "1 2.5"),
    ("latency-tracking", "no"),
    ("maxmemory-clients", "5%"),
    ("proto-max-bulk-len", "10mb"),
    ("masterauth", 'x"\\\n\x07\x01é'),
    ("masteruser", "me"),
    ("slowlog-max-len", "0"),
    ("replica-announce-ip", "1.2.3.4"),
    ("set-max-intset-entries", "5"),
    ("shutdown-on-sigterm", "now force"),
    ("appendfsync", "no"),
    ("client-query-buffer-limit", "1048577"),
    ("aof-rewrite-incremental-fsync", "no"),
    ("repl-backlog-size", "1gb"),
    ("loglevel", "verbose"),
    ("stream-node-max-bytes", "8192"),
    ("hll-sparse-max-bytes", "1"),
    ("cluster-announce-ip", "a"),
    ("proc-title-template", "x {title}"),
    ("replica-announced", "no"),
    ("maxclients", "1000"),
    ("acllog-max-len", "4"),
    ("tracking-table-max-keys", "3"),
    ("busy-reply-threshold", "77"),
)

CHANGES_BACK = (
    ("save", ""),
    ("masterauth", ""),
    ("client-output-buffer-limit", "normal 0 0 0"),
    ("oom-score-adj-values", "0 200 800"),
    ("latency-tracking-info-percentiles", ""),
    ("maxmemory-clients", "0"),
    ("replica-announce-ip", ""),
    ("notify-keyspace-events", ""),
)


class Side:
    """One server with a config file of its own."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server = server
        self.path = path
        self.session: WireSession = server.connect()

    def run(self, *words: str) -> str:
        """Run a command; return its reply as one line."""
        self.session.send(words)
        return repr(self.session.read())

    def text(self) -> list[str]:
        """Return the file without what is each server's own; below the marker in order of the alphabet.

        How many empty lines stand there depends on the order, and the real server's is another with each start.
        """
        text = self.path.read_text("utf-8").replace(str(self.server.port), "PORT")
        text = text.replace(str(self.path.parent), "DIR").replace(str(self.server.directory), "DIR")
        head, marker, tail = text.partition(MARKER + "\n")
        return [*head.split("\n"), marker, *sorted(filter(None, tail.split("\n")))]


def start(name: str, path: Path, port: int) -> Server:
    """Start the real server, or kvcore, on a config file."""
    binary = find_oracle()
    if binary is None:
        pytest.skip("redis-server is not installed")
    command = [binary] if name == "oracle" else [sys.executable, "-m", "kvcore"]
    return Server(name, [*command, str(path)], port)


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    """Start both servers on the same file."""
    started: list[Side] = []
    try:
        for name in ("oracle", "kvcore"):
            folder = tmp_path / name
            folder.mkdir()
            path = folder / "server.conf"
            port = free_port()
            path.write_text(f"{FILE}port {port}\ndir {folder}\n", "utf-8")
            started.append(Side(start(name, path, port), path))
        yield started[0], started[1]
    finally:
        for side in started:
            side.session.close()
            side.server.stop()


def same(sides: tuple[Side, Side], *words: str) -> str:
    """Run a command on both and insist on one reply."""
    theirs, ours = (side.run(*words) for side in sides)
    assert ours == theirs, words
    return ours


def same_files(sides: tuple[Side, Side]) -> None:
    same(sides, "CONFIG", "REWRITE")
    theirs, ours = (side.text() for side in sides)
    assert ours == theirs, "\n".join(difflib.unified_diff(theirs, ours, "oracle", "kvcore", lineterm="", n=1))


def test_the_same_changes_leave_the_same_file(sides: tuple[Side, Side]) -> None:
    same_files(sides)
    same_files(sides)
    for name, value in CHANGES:
        same(sides, "CONFIG", "SET", name, value)
    same_files(sides)
    for name, value in CHANGES_BACK:
        same(sides, "CONFIG", "SET", name, value)
    same_files(sides)
    same_files(sides)


def test_default_save_points_are_written_whole(sides: tuple[Side, Side]) -> None:
    for value in ("900 1", "3600 1 300 100 60 10000", "", "3600 1 300 100 60 10000"):
        same(sides, "CONFIG", "SET", "save", value)
        same_files(sides)


def test_a_damaged_file_is_mended(sides: tuple[Side, Side]) -> None:
    for side in sides:
        side.path.write_text(
            f'  what is "this" \nhz "10\n\n\ninclude  none\n{MARKER}\ntimeout 5\nreplicaof no one\nbind'
        )
    same_files(sides)
    for side in sides:
        side.path.unlink()
    same_files(sides)
    for side in sides:
        side.path.unlink()
        side.path.mkdir()
    assert "Is a directory" in same(sides, "CONFIG", "REWRITE")


def test_each_reads_what_the_other_wrote(sides: tuple[Side, Side], tmp_path: Path) -> None:
    for name, value in CHANGES:
        same(sides, "CONFIG", "SET", name, value)
    same_files(sides)
    wanted = [sides[0].run("CONFIG", "GET", name) for name, _ in CHANGES]
    for name, written in (("oracle", sides[1]), ("kvcore", sides[0])):
        port = free_port()
        copy = tmp_path / f"{name}.conf"
        copy.write_text(written.path.read_text("utf-8").replace(str(written.server.port), str(port)), "utf-8")
        reader = Side(start(name, copy, port), copy)
        try:
            assert [reader.run("CONFIG", "GET", directive) for directive, _ in CHANGES] == wanted
        finally:
            reader.session.close()
            reader.server.stop()
