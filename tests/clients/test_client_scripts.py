"""Scripts as clients run them: redis-py's Script and Lock, redis-cli --eval."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.oracle.servers import HOST, Server

pytest.importorskip("lupa.lua51")
redis = pytest.importorskip("redis")


@pytest.fixture
def client(server: Server) -> redis.Redis:
    return redis.Redis(host=HOST, port=server.port)


def test_register_script(client: redis.Redis) -> None:
    add = client.register_script("return redis.call('incrby', KEYS[1], ARGV[1])")
    assert add(keys=["n"], args=[5]) == 5
    client.script_flush()
    assert add(keys=["n"], args=[5]) == 10  # NOSCRIPT, SCRIPT LOAD, EVALSHA again
    pipeline = client.pipeline()
    client.script_flush()
    add(keys=["n"], args=[1], client=pipeline)
    add(keys=["n"], args=[1], client=pipeline)
    assert pipeline.execute() == [11, 12]
    assert client.script_exists(add.sha) == [True]


def test_script_commands(client: redis.Redis) -> None:
    sha = client.script_load("return ARGV[1]")
    assert client.evalsha(sha, 0, "x") == b"x"
    assert client.eval_ro("return KEYS[1]", 1, "k") == b"k"
    with pytest.raises(redis.exceptions.NoScriptError):
        client.evalsha("0" * 40, 0)
    with pytest.raises(redis.exceptions.ResponseError, match="Unknown Redis command called from script"):
        client.eval("return redis.call('nosuch')", 0)


def test_lock(client: redis.Redis) -> None:
    lock = client.lock("lock", timeout=10)
    assert lock.acquire(blocking=False)
    assert not client.lock("lock").acquire(blocking=False)
    assert lock.extend(10)
    assert lock.reacquire()
    lock.release()
    with pytest.raises(redis.exceptions.LockError):
        lock.release()


def test_redis_cli_eval(server: Server, oracle: Server, tmp_path: Path) -> None:
    script = tmp_path / "script.lua"
    script.write_text(
        "redis.call('set', KEYS[1], ARGV[1])\nreturn {KEYS, ARGV, redis.call('get', KEYS[1]), 1.5, false}"
    )
    command = shutil.which("redis-cli")
    if command is None:
        pytest.skip("redis-cli is not installed")

    def run(port: int, *words: str) -> bytes:
        return subprocess.run([command, "-h", HOST, "-p", str(port), *words], capture_output=True, check=True).stdout

    for words in (
        ("--eval", str(script), "k", "l", ",", "a"),
        ("SCRIPT", "LOAD", "return 1"),
        ("EVAL", "return {1}", "0"),
    ):
        assert run(server.port, *words) == run(oracle.port, *words)
