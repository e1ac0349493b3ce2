"""``kvcore bench`` as users run it: on servers, on stores in the process, interrupted, refused."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import redis

import kvcore
from kvcore.errors import KvcoreError
from kvcore.frontends import bench
from kvcore.frontends.bench_results import Sample
from kvcore.frontends.bench_tests import TESTS, Plan, chosen
from tests.oracle.servers import HOST, Server, find_oracle, start_kvcore, start_oracle

PROGRAM = "import sys; from kvcore.frontends.tools import main; sys.exit(main())"


def tool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, "bench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module", params=["real", "asyncio", "threaded"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "real":
        binary = find_oracle()
        if binary is None:
            pytest.skip("no redis-server")
        server = start_oracle(binary)
    else:
        server = start_kvcore(request.param)
    yield server
    server.stop()


@pytest.mark.parametrize("options", [(), ("-P", "16", "-r", "1000", "-d", "2000"), ("-c", "3", "-P", "7", "-r", "5")])
def test_every_test_runs_on_every_server_and_leaves_nothing(server: Server, options: tuple[str, ...]) -> None:
    with redis.Redis(HOST, server.port) as client:
        client.flushall()
        client.set("mine", "v")
        done = tool(f"redis://{HOST}:{server.port}", "-n", "300", "--csv", *options)
        assert (done.returncode, done.stderr) == (0, "")
        rows = list(csv.DictReader(done.stdout.splitlines()))
        assert [row["test"] for row in rows] == list(TESTS)
        assert {row["requests"] for row in rows} == {"300"}
        assert all(0 < float(row["p50_us"]) <= float(row["p99_us"]) <= float(row["max_us"]) for row in rows)
        assert client.keys() == [b"mine"]
        assert client.info("commandstats")["cmdstat_mset"]["calls"] >= 300
        client.config_resetstat()


@pytest.mark.parametrize("options", [(), ("-P", "10"), ("-c", "3", "-r", "1000"), ("-c", "2", "-P", "5", "-r", "50")])
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_every_test_runs_in_the_process(tmp_path: Path, kind: str, options: tuple[str, ...]) -> None:
    directory = tmp_path / "data"
    with kvcore.open(directory) as store:
        store.set("mine", "v")
    url = "memory://" if kind == "memory" else f"file://{directory}"
    done = tool(url, "-n", "200", "--json", "--seed", "3", *options)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["settings"]["url"] == url
    assert [row["test"] for row in found["tests"]] == list(TESTS)
    assert {row["requests"] for row in found["tests"]} == {200}
    with kvcore.open(directory) as store:
        assert store.keys() == [b"mine"]


def test_a_duration_bounds_a_test() -> None:
    done = tool("-n", "1000000000", "--duration", "0.2", "-t", "ping", "--json")
    (row,) = json.loads(done.stdout)["tests"]
    assert (row["complete"], row["requests"] < 10**9, row["seconds"] < 30) == (True, True, True)


def test_an_interruption_prints_what_there_is_and_deletes_the_keys() -> None:
    server = start_kvcore("asyncio")
    try:
        words = [f"redis://{HOST}:{server.port}", "-n", "100000000", "-r", "10000", "-t", "set,get"]
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "bench", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with redis.Redis(HOST, server.port) as client:
            while client.dbsize() < 100:
                assert process.poll() is None
                time.sleep(0.005)
            process.send_signal(signal.SIGINT)
            printed, said = process.communicate(timeout=60)
            assert client.dbsize() == 0
    finally:
        server.stop()
    heading, row = printed.splitlines()
    assert (process.returncode, heading.split()[0], row.split()[0]) == (130, "test", "SET*")
    assert said == "the test with a star is not complete\nkvcore: interrupted\n"


class Interrupted:
    """A target whose user loses patience while a test is prepared."""

    def __init__(self) -> None:
        self.commands: list[list[bytes]] = []

    def run(self, commands: Iterable[list[bytes]]) -> None:
        found = list(commands)
        self.commands += found
        if found and found[0][0] == b"SET":
            raise KeyboardInterrupt

    def measure(self, *_arguments: object) -> Sample:
        raise AssertionError("it was not prepared")

    def close(self) -> None:
        """Have nothing to close."""


def test_an_interruption_while_a_test_is_prepared_is_one_and_deletes_the_keys() -> None:
    target = Interrupted()
    plan = Plan(100, 1, 1, 3, 10, 0, 0)
    samples = list(bench.run(target, chosen("get,lpop"), plan, lambda _label: lambda _done, _total: None))
    assert [(sample.name, sample.complete, sample.times.total) for sample in samples] == [("GET", False, 0)]
    assert target.commands[-1][0] == b"UNLINK"


def test_a_server_that_goes_away_leaves_what_there_is() -> None:
    server = start_kvcore("asyncio")
    try:
        words = [f"redis://{HOST}:{server.port}", "-n", "100000000", "--duration", "0.2", "-t", "ping,set,get"]
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", PROGRAM, "bench", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        server.signal(signal.SIGKILL)
        rest, said = process.communicate(timeout=60)
    finally:
        server.stop()
    assert process.returncode == 1
    assert lines[1].startswith("PING ")
    assert said.count("\n") == 1
    assert said.startswith(f"kvcore: redis://{HOST}:{server.port}: ")
    assert "GET" not in rest


def test_an_error_of_the_server_ends_it(server: Server) -> None:
    with redis.Redis(HOST, server.port) as client:
        client.set("kvcore-bench:list", "in the way")
        done = tool(f"redis://{HOST}:{server.port}", "-n", "50", "-t", "ping,lpush")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "the server refuses: WRONGTYPE" in done.stderr
        assert done.stdout.splitlines()[1].startswith("PING ")


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("redis://127.0.0.1:1",), 1, "kvcore: redis://127.0.0.1:1: cannot connect to 127.0.0.1:1: Connection refused"),
        (("127.0.0.1",), 1, "is no URL of a store or a server: redis://"),
        (("default:secret@127.0.0.1",), 1, "kvcore: ...@127.0.0.1 is no URL of a store or a server"),
        (("file://relative",), 1, "names no directory"),
        (("--tests", "nope"), 1, "there is no test NOPE"),
        (("--clients", "100", "--pipeline", "100", "--size", "1000000"), 1, "1 GiB"),
        (("--json", "--csv"), 2, "one of --json and --csv"),
        (("--requests", "0"), 2, "--requests"),
        (("--nope",), 2, "No such option: --nope"),
    ],
)
def test_what_cannot_be_measured_is_one_line(words: tuple[str, ...], status: int, told: str) -> None:
    done = tool(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert told in done.stderr


def test_an_error_in_a_thread_is_raised() -> None:
    target = bench.open_target("memory://")
    target.run([[b"CONFIG", b"SET", b"maxmemory", b"1"]])
    plan = Plan(100, 2, 1, 3, 1, 0, 0)
    with pytest.raises(KvcoreError, match="OOM"):
        list(bench.run(target, chosen("set"), plan, lambda _label: lambda _done, _total: None))
    target.close()
