"""kvcore under the real server's Sentinel: discovery, failover, and the return of a primary that was killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.oracle.conftest import Fleet
from tests.oracle.groups import STOCK, ask, await_link, await_offsets, await_state, follow, info, start
from tests.oracle.servers import HOST, find_oracle, free_port, start_kvcore
from tests.oracle.wire import WireSession

NAME = "mm"
SENTINELS = 3


class Sentinel:
    """A sentinel process with its own configuration file."""

    def __init__(self, binary: str, primary: int) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="kvcore-sentinel-"))
        settings = self.directory / "sentinel.conf"
        settings.write_text(
            f"port {self.port}\nbind {HOST}\ndir {self.directory}\n"
            f"sentinel monitor {NAME} {HOST} {primary} 2\n"
            f"sentinel down-after-milliseconds {NAME} 2000\n"
            f"sentinel failover-timeout {NAME} 8000\n"
        )
        self._log = (self.directory / "log").open("wb")
        self._process = subprocess.Popen(
            [binary, str(settings), "--sentinel"], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )

    def ask(self, *words: str) -> object:
        """Ask it something; None while it does not listen yet."""
        try:
            session = WireSession(HOST, self.port, "sentinel", 2)
        except OSError:
            return None
        try:
            session.send(words)
            return session.read().native()
        finally:
            session.close()

    def primary(self) -> int:
        """Return the port that clients are told."""
        found = self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return int(found[1]) if isinstance(found, list) else 0

    def knows(self) -> tuple[int, int]:
        """Return how many replicas and other sentinels it knows."""
        found = self.ask("SENTINEL", "MASTER", NAME)
        if not isinstance(found, list):
            return 0, 0
        fields = dict(zip(found[::2], found[1::2], strict=True))
        return int(fields[b"num-slaves"]), int(fields[b"num-other-sentinels"])

    def replicas(self) -> dict[int, dict[bytes, bytes]]:
        """Return what it knows of each replica, by port."""
        found = self.ask("SENTINEL", "REPLICAS", NAME)
        each = [dict(zip(fields[::2], fields[1::2], strict=True)) for fields in found]  # type: ignore[attr-defined]
        return {int(fields[b"port"]): fields for fields in each}

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(5)
        self._log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.mark.parametrize("kinds", [("asyncio", "asyncio", "threaded"), ("asyncio", STOCK, "asyncio")])
def test_failover_after_a_kill(fleet: Fleet, kinds: tuple[str, str, str]) -> None:
    binary = find_oracle()
    assert binary is not None
    servers = {server.port: server for server in map(start, kinds)}
    primary, *replicas = servers.values()
    sentinels: list[Sentinel] = []
    try:
        for replica in replicas:
            follow(replica, primary)
        ask(primary, "SET", "k", "v")
        await_offsets(primary, *replicas)
        sentinels += [Sentinel(binary, primary.port) for _ in range(SENTINELS)]
        await_state("discovery", lambda: all(each.knows() == (2, SENTINELS - 1) for each in sentinels))
        await_state("replicas' state", lambda: all(_are_linked(each) for each in sentinels))
        for each in sentinels:
            for port, fields in each.replicas().items():
                assert fields[b"flags"] == b"slave"
                assert fields[b"master-port"] == b"%d" % primary.port
                assert fields[b"slave-priority"] == b"100"
                assert port in servers
        primary.signal(signal.SIGKILL)
        primary.wait(5)
        told: set[int] = set()

        def is_settled() -> bool:
            told.clear()
            told.update(each.primary() for each in sentinels)
            return len(told) == 1 and told <= {replica.port for replica in replicas}

        await_state("failover", is_settled)
        promoted = servers[told.pop()]
        (other,) = (server for server in replicas if server is not promoted)
        assert info(promoted)["role"] == "master"
        assert ask(promoted, "SET", "after", "failover").native() == "OK"
        await_link(other, promoted)
        await_offsets(promoted, other)
        assert info(promoted, "stats")["sync_full"] == "0"  # it went on from where it was

        back = start_kvcore("asyncio", "--port", str(primary.port))
        servers[back.port] = back
        primary.stop()
        ask(back, "CONFIG", "SET", "repl-diskless-sync-delay", 0)
        await_link(back, promoted)
        await_offsets(promoted, other, back)
        assert len({ask(server, "DEBUG", "DIGEST").native() for server in (promoted, other, back)}) == 1
    except BaseException:
        for each in sentinels:
            print(each.log()[-6000:])
        for server in servers.values():
            print(server.name, server.port, server.log()[-3000:])
        raise
    finally:
        for each in sentinels:
            each.stop()
        for server in servers.values():
            server.stop()


def _are_linked(sentinel: Sentinel) -> bool:
    """Say whether it has heard of both replicas that their link is up: only such a one can be promoted."""
    known = sentinel.replicas().values()
    return len(known) == 2 and all(each.get(b"master-link-status") == b"ok" for each in known)
