"""The redis.conf that Debian's redis-server package installs: read as it is, documented, and started with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from kvcore.config import Config, parse_config
from kvcore.directives import BY_NAME
from tests.frontends.test_service import wait_until
from tests.oracle.servers import free_port

STOCK = Path("/etc/redis/redis.conf")
DOCUMENT = Path(__file__).parent.parent / "docs" / "configuration.md"
SECONDS = 30


def read_stock() -> str:
    """Return the file's text; it belongs to the user redis."""
    if not STOCK.parent.is_dir():
        pytest.skip("the redis-server package is not installed")
    try:
        return STOCK.read_text()
    except PermissionError:
        command = ["sudo", "-n", "cat", str(STOCK)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS).stdout


@pytest.fixture(scope="module")
def stock() -> str:
    return read_stock()


def test_the_whole_file_is_read(stock: str) -> None:
    config = Config()
    config.load(stock)
    assert config.flag("daemonize")
    assert config.string("dir") == "/var/lib/redis"
    assert config.strings("bind") == ("127.0.0.1", "-::1")
    assert config.output_limit("replica") == (256 << 20, 64 << 20, 60)


def test_each_of_its_directives_is_documented(stock: str) -> None:
    documented = DOCUMENT.read_text(encoding="utf-8")
    names = {name for _, _, name, _ in parse_config(stock)}
    assert len(names) > 50
    assert {name for name in names if f"| `{BY_NAME[name].name}`" not in documented} == set()


def test_a_server_starts_with_it_and_leaves_the_terminal(stock: str, tmp_path: Path) -> None:
    if not os.access("/var/lib/redis", os.W_OK | os.X_OK):
        # As for the real server: a `dir` that this user may not enter stops the start, whatever comes later.
        stock = stock.replace("dir /var/lib/redis", f"dir {tmp_path}")
    (tmp_path / "redis.conf").write_text(stock)
    port = free_port()
    paths = ["--dir", str(tmp_path), "--logfile", str(tmp_path / "log"), "--pidfile", str(tmp_path / "pid")]
    command = [sys.executable, "-m", "kvcore", str(tmp_path / "redis.conf"), "--port", str(port), *paths]
    started = subprocess.run(command, timeout=SECONDS, check=False, capture_output=True, text=True)
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and "Ready to accept" in log.read_text(), log)
    with redis.Redis(port=port) as client:
        assert client.set("k", "v")
        assert client.config_get("dir") == {"dir": str(tmp_path)}
        client.shutdown(nosave=True)
    wait_until(lambda: not (tmp_path / "pid").exists(), log)
    assert "ready to exit" in log.read_text()
    assert "Traceback" not in log.read_text()
