"""The fixtures, used as their users do: in test files of their own, run by a pytest inside this one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytest_plugins = ["pytester"]

SERIAL = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "-W",
    "error::ResourceWarning",
    "-W",
    "error::pytest.PytestWarning",
)


class Run(Protocol):
    def __call__(self, source: str, *options: str, passed: int) -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a test file in a process of its own; ``passed`` says how many tests of it must pass."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")

    def run(source: str, *options: str, passed: int) -> pytest.RunResult:
        pytester.makepyfile(test_it=source)
        result = pytester.runpytest_subprocess(*(options or SERIAL), timeout=60)
        result.assert_outcomes(passed=passed)
        assert result.ret == 0
        return result

    return run


PLUGIN = "kvcore.frontends.pytest_plugin"


def test_a_session_that_uses_no_fixture_pays_next_to_nothing(tmp_path: Path) -> None:
    script = (
        "import sys, pytest; before = set(sys.modules); "
        f"import {PLUGIN}; "
        "print(sorted(name for name in set(sys.modules) - before if name.startswith('kvcore')), 'redis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    names, redis = done.stdout.strip().rsplit(" ", 1)
    assert names == f"['kvcore', 'kvcore.extras', 'kvcore.frontends', '{PLUGIN}']"
    assert redis == "False"


def test_pytest_finds_the_plugin_by_itself(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures", "-p", "no:cacheprovider", timeout=60)
    for name in (
        "kvcore_store",
        "kvcore_client",
        "kvcore_async_client",
        "kvcore_faults",
        "kvcore_clock",
        "kvcore_server [[]session scope[]]",
        "kvcore_url [[]session scope[]]",
        "kvcore_server_factory",
        "redisdb",
        "redisdb_async",
    ):
        result.stdout.fnmatch_lines([f"{name} -- *pytest_plugin.py:*"])


def test_each_test_has_an_empty_store_of_its_own(run: Run) -> None:
    run(
        """
        import pytest, threading

        stores = []

        @pytest.mark.parametrize("number", range(3))
        def test_store(kvcore_store, number):
            assert kvcore_store.execute("DBSIZE") == 0
            kvcore_store.set("k", "v")
            stores.append(kvcore_store)
            assert len({id(store.engine) for store in stores}) == number + 1

        def test_closed():
            import kvcore
            for store in stores:
                with pytest.raises(kvcore.ClosedError):
                    store.get("k")
            assert threading.enumerate() == [threading.main_thread()]
        """,
        passed=4,
    )


def test_a_marker_configures_the_store(run: Run) -> None:
    run(
        """
        import pytest, redis

        @pytest.mark.kvcore(maxmemory=1)
        def test_small(kvcore_client):
            with pytest.raises(redis.RedisError, match="maxmemory"):
                kvcore_client.set("k", "v")

        def test_usual(kvcore_client):
            assert kvcore_client.set("k", "v")
        """,
        *SERIAL,
        "--strict-markers",
        passed=2,
    )


def test_clients_are_redis_py_s(run: Run) -> None:
    run(
        """
        import redis

        def test_client(kvcore_client, kvcore_store, redisdb):
            assert isinstance(kvcore_client, redis.Redis)
            assert redisdb is kvcore_client
            assert kvcore_client.dbsize() == 0
            kvcore_client.set("k", "v", ex=10)
            assert kvcore_store.get("k") == b"v"
            with kvcore_client.pipeline() as pipeline:
                assert pipeline.incr("n").incr("n").execute() == [1, 2]
            with kvcore_client.lock("lock", timeout=5):
                assert kvcore_client.exists("lock")

        def test_another(kvcore_client):
            assert kvcore_client.dbsize() == 0
        """,
        passed=2,
    )


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_coroutines_have_a_client_for_any_loop(run: Run, mode: str) -> None:
    run(
        """
        import asyncio
        import pytest, redis.asyncio

        @pytest.mark.asyncio
        async def test_client(kvcore_async_client, kvcore_store, redisdb_async, kvcore_clock):
            assert isinstance(kvcore_async_client, redis.asyncio.Redis)
            assert redisdb_async is kvcore_async_client
            await kvcore_async_client.set("k", "v")
            assert kvcore_store.get("k") == b"v"
            waiting = asyncio.create_task(kvcore_async_client.blpop("list", timeout=1000))
            while not kvcore_store.engine.blocking.count:
                await asyncio.sleep(0)
            kvcore_clock.advance(1000)
            assert await waiting is None

        @pytest.mark.asyncio
        async def test_another(kvcore_async_client):
            assert await kvcore_async_client.dbsize() == 0

        def test_several_loops(kvcore_async_client):
            for number in (1, 2):
                assert asyncio.run(kvcore_async_client.incr("n")) == number
        """,
        *SERIAL,
        "-o",
        f"asyncio_mode={mode}",
        passed=3,
    )


def test_faults_are_what_clients_meet(run: Run) -> None:
    run(
        """
        import asyncio
        import pytest, redis

        def test_down(kvcore_client, kvcore_faults):
            kvcore_client.set("k", "v")
            kvcore_faults.go_down()
            for command in (kvcore_client.get, kvcore_client.incr):
                with pytest.raises(redis.ConnectionError):
                    command("k")
            with pytest.raises(redis.ConnectionError):
                kvcore_client.pipeline().get("k").execute()
            kvcore_faults.come_back()
            assert kvcore_client.get("k") == b"v"

        def test_waiting(kvcore_client, kvcore_faults, kvcore_store):
            import threading
            caught = []
            def wait():
                try:
                    kvcore_client.blpop("list")
                except redis.ConnectionError as error:
                    caught.append(error)
            thread = threading.Thread(target=wait)
            thread.start()
            while not kvcore_store.engine.blocking.count:
                threading.Event().wait(0.001)
            kvcore_faults.go_down()
            thread.join(20)
            assert len(caught) == 1

        def test_errors(kvcore_client, kvcore_faults):
            with kvcore_faults.fail("ERR no luck", "GET", times=1):
                with pytest.raises(redis.ResponseError, match="^no luck$"):
                    kvcore_client.get("k")
                assert kvcore_client.get("k") is None
            for state, error in (("readonly", "ReadOnlyError"), ("oom", "OutOfMemoryError")):
                with getattr(kvcore_faults, state)(), pytest.raises(getattr(redis.exceptions, error)):
                    kvcore_client.set("k", "v")
            with kvcore_faults.loading(), pytest.raises(redis.BusyLoadingError):
                kvcore_client.get("k")
            with kvcore_faults.misconf(), pytest.raises(redis.ResponseError, match="MISCONF"):
                kvcore_client.set("k", "v")
            with kvcore_faults.disconnect("SET", times=1), pytest.raises(redis.ConnectionError):
                kvcore_client.set("k", "v")
            assert kvcore_client.set("k", "v")

        def test_delay(kvcore_client, kvcore_faults):
            kvcore_client.set("k", "v")
            with kvcore_faults.delay(0.01, times=4) as fault:
                assert kvcore_client.get("k") == b"v"
                assert kvcore_client.pipeline().get("k").set("k", 2).execute() == [b"v", True]
                assert kvcore_client.pipeline(transaction=False).get("k").execute() == [b"2"]
                assert fault.hits == 3

        def test_coroutines(kvcore_async_client, kvcore_faults):
            async def body():
                await kvcore_async_client.set("k", "v")
                with kvcore_faults.delay(0.01):
                    assert await kvcore_async_client.get("k") == b"v"
                    assert await kvcore_async_client.pipeline().get("k").execute() == [b"v"]
                kvcore_faults.go_down()
                with pytest.raises(redis.ConnectionError):
                    await kvcore_async_client.get("k")
            asyncio.run(body())
        """,
        passed=5,
    )


def test_time_is_the_machine_s_until_moved_and_after_the_test(run: Run) -> None:
    run(
        """
        import time
        from freezegun import freeze_time
        import time_machine

        def test_moved(kvcore_client, kvcore_clock, kvcore_url):
            import redis
            kvcore_client.set("k", "v", ex=10)
            kvcore_clock.advance(10)
            assert kvcore_client.get("k") is None
            kvcore_clock.freeze(at=2_000_000_000)
            assert kvcore_client.time() == (2_000_000_000, 0)
            with redis.Redis.from_url(kvcore_url) as server:
                assert server.time() == (2_000_000_000, 0)

        def test_unmoved(kvcore_client):
            assert abs(kvcore_client.time()[0] - time.time()) < 1000

        @freeze_time("2040-01-01")
        def test_freezegun(kvcore_client):
            assert kvcore_client.time() == (2_208_988_800, 0)
            assert kvcore_client.blpop("list", timeout=0.01) is None

        @time_machine.travel(2_208_988_800, tick=False)
        def test_time_machine(kvcore_client):
            assert kvcore_client.time() == (2_208_988_800, 0)
            assert kvcore_client.blpop("list", timeout=0.01) is None
        """,
        passed=4,
    )


def test_the_server_is_one_for_the_session_and_empty_for_each_test(run: Run) -> None:
    run(
        """
        import threading
        import pytest, redis

        ports = set()

        @pytest.mark.parametrize("number", range(2))
        def test_server(kvcore_server, kvcore_url, number):
            ports.add(kvcore_server.port)
            with redis.Redis.from_url(kvcore_url, retry=None) as client:
                assert client.dbsize() == 0
                client.set("k", "v")
                with redis.Redis.from_url(kvcore_server.unix_url) as local:
                    assert local.get("k") == b"v"
            kvcore_server.faults.go_down()
            kvcore_server.clock.advance(1000)

        @pytest.fixture(scope="session")
        def url(kvcore_url):
            return kvcore_url

        def test_from_a_session_fixture(url):
            with redis.Redis.from_url(url) as client:
                assert client.dbsize() == 0
            assert len(ports) == 1

        def test_factory(kvcore_server_factory):
            one, two = kvcore_server_factory(maxmemory="2mb"), kvcore_server_factory()
            assert one.port != two.port
            with redis.Redis.from_url(one.url) as client:
                assert client.config_get("maxmemory") == {"maxmemory": "2097152"}
            test_factory.servers = one, two

        def test_factory_s_servers_are_gone():
            for server in test_factory.servers:
                with redis.Redis.from_url(server.url, retry=None) as client, pytest.raises(redis.ConnectionError):
                    client.ping()
            assert len(threading.enumerate()) == 2  # this one, and the session's server
        """,
        passed=5,
    )


def test_no_thread_and_no_folder_outlive_the_session(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import os, tempfile, threading, pytest
        tempfile.tempdir = os.path.join(os.path.dirname(__file__), "t")
        os.mkdir(tempfile.tempdir)

        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure():
            print("left:", [thread.name for thread in threading.enumerate()], os.listdir(tempfile.tempdir))
        """
    )
    result = run("def test_it(kvcore_server, kvcore_server_factory): kvcore_server_factory()", passed=1)
    result.stdout.fnmatch_lines(["*left: [[]'MainThread'[]] [[][]]"])


def test_workers_do_not_meet(run: Run) -> None:
    run(
        """
        import pytest, redis

        @pytest.mark.parametrize("number", range(20))
        def test_alone(kvcore_url, kvcore_client, number):
            for client in (redis.Redis.from_url(kvcore_url), kvcore_client):
                with client:
                    assert client.dbsize() == 0
                    client.set("k", number)
                    assert client.get("k") == b"%d" % number
        """,
        "-p",
        "no:cacheprovider",
        "-n",
        "2",
        passed=20,
    )


def test_pytest_redis_keeps_its_fixtures(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        pytest_redis="""
        import pytest

        @pytest.fixture
        def redisdb():
            return "pytest-redis"
        """
    )
    source = """
        def test_theirs(redisdb, kvcore_client):
            assert redisdb == "pytest-redis"
            assert kvcore_client.ping()
        """
    pytester.syspathinsert()
    run(source, *SERIAL, "-p", "pytest_redis", passed=1)
    ours = "def test_ours(redisdb, kvcore_client):\n    assert redisdb is kvcore_client"
    run(ours, *SERIAL, "-p", "no:pytest_redis", passed=1)


def test_unittest_classes_can_use_fixtures(run: Run) -> None:
    run(
        """
        import unittest
        import pytest

        class Case(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def store(self, kvcore_store):
                self.store = kvcore_store

            def test_it(self):
                self.store.set("k", "v")
                assert self.store.get("k") == b"v"
        """,
        passed=1,
    )


def test_every_fixture_is_documented() -> None:
    source = (ROOT / "frontends" / "pytest_plugin.py").read_text()
    names = set(re.findall(r"@pytest\.fixture.*\n *def (\w+)", source))
    assert {"kvcore_store", "redisdb_async", "kvcore_server_factory"} <= names
    text = (ROOT / "docs" / "testing.md").read_text()
    assert [name for name in names if not name.startswith("_") and f"`{name}`" not in text] == []
