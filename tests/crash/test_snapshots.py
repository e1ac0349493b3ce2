"""A server that is killed while it saves leaves a whole file, of a state that it once had."""

from __future__ import annotations

import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.oracle.servers import HOST, Server

KEYS = 3000


def start(directory: Path) -> Server:
    command = [sys.executable, "-m", "kvcore", "--port", "0", "--bind", HOST, "--dir", str(directory), "--save", ""]
    return Server("kvcore", command)


def kill_while_saving(directory: Path, chance: random.Random) -> None:
    """Start on what the last one left, check it, write a new state and kill the process somewhere in its saves."""
    server = start(directory)
    try:
        session = server.connect()

        def ask(*words: object) -> object:
            session.send([str(word) for word in words])
            return session.read(30).native()

        # Each state has one number in every key: a file that mixes two of them is no state at all.
        keys = ask("DBSIZE")
        assert keys in (0, KEYS)
        found = {ask("GET", f"k{chance.randrange(KEYS)}") for _ in range(50)}
        assert len(found) == 1
        before = next(iter(found))
        assert isinstance(before, bytes | None)
        state = int(before or b"0")
        deadline = time.monotonic() + chance.random() * 0.4
        while time.monotonic() < deadline:
            state += 1
            for first in range(0, KEYS, 1000):
                session.send(["MSET", *(word for n in range(first, first + 1000) for word in (f"k{n}", str(state)))])
                session.read(30)
            ask("BGSAVE")
        server.signal(signal.SIGKILL)
        server.wait(10)
    finally:
        server.stop()
    left = sorted(path.name for path in directory.iterdir())
    assert [name for name in left if not name.startswith("temp-")] in ([], ["dump.rdb"])
    for path in directory.glob("temp-*"):
        path.unlink()


@pytest.mark.timeout(300)
def test_kill_at_random_moments(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(6):
        kill_while_saving(tmp_path, chance)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_kill_at_many_random_moments(tmp_path: Path) -> None:
    chance = random.Random()
    for _ in range(100):
        kill_while_saving(tmp_path, chance)
