"""kvcore-server beside redis-server under the same redis-benchmark, in turns.

Lives here: starting both on free ports of 127.0.0.1 and reading redis-benchmark's CSV. A server that cannot
run a command ends the run with redis-benchmark's own message: a missing command must not look fast.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys

from benchmarks.samples import Comparison
from tests.oracle.servers import HOST, Server, find_oracle, start_kvcore, start_oracle

COMMANDS = "set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,mset"
PIPELINES = {1: 1, 16: 8}
"""Commands per request, and how many times the plan's requests: pipelined samples would be over too soon."""

CHURN = "connect PING close"
CHURN_SHARE = 5
"""A request on a connection of its own costs some ten others, and leaves a port that is not free for a while."""

SECONDS = 120


def sample(binary: str, port: int, pipeline: int, requests: int, keys: int) -> dict[str, float]:
    """Run redis-benchmark once, on random keys out of ``keys`` or (0) on its one default key; requests per second."""
    command = [binary, "-h", HOST, "-p", str(port), "-c", "50", "-P", str(pipeline), "-n", str(requests)]
    command += ["-t", COMMANDS, "--csv", *(["-r", str(keys)] if keys else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    rows = [row for row in csv.DictReader(_table(done.stdout)) if row["test"]]
    if done.returncode or len(rows) != len(COMMANDS.split(",")) or "rror" in done.stderr:
        raise RuntimeError(f"redis-benchmark on port {port}:\n{done.stdout}{done.stderr}")
    return {row["test"].split(" ")[0]: float(row["rps"]) for row in rows}


def churn_sample(binary: str, port: int, requests: int) -> float:
    """Run redis-benchmark once with a connection for each PING; requests, and connections, per second."""
    command = [binary, "-h", HOST, "-p", str(port), "-c", "50", "-k", "0", "-n", str(requests), "-t", "ping_mbulk"]
    done = subprocess.run(
        [*command, "--csv"], capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    )
    rows = [row for row in csv.DictReader(_table(done.stdout)) if row["test"]]
    if done.returncode or len(rows) != 1:
        raise RuntimeError(f"redis-benchmark -k 0 on port {port}:\n{done.stdout}{done.stderr}")
    return float(rows[0]["rps"])


def _table(output: str) -> list[str]:
    """Drop what redis-benchmark says before its table (it asks for CONFIG and may warn)."""
    lines = output.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith('"test"')]
    return lines[starts[0] :] if starts else []


def compare(frontend: str, rounds: int, requests: int, keys: int = 0) -> list[Comparison]:
    """Measure every command on both servers, in turns; empty when there is nothing to compare with."""
    oracle, binary = find_oracle(), shutil.which("redis-benchmark")
    if oracle is None or binary is None:
        print("server part left out: it needs redis-server and redis-benchmark", file=sys.stderr)
        return []
    theirs = start_oracle(oracle)
    try:
        ours = start_oracle(oracle) if frontend == "oracle" else start_kvcore(frontend)
        try:
            return _in_turns(binary, ours, theirs, rounds, requests, keys)
        finally:
            ours.stop()
    finally:
        theirs.stop()


def _in_turns(binary: str, ours: Server, theirs: Server, rounds: int, requests: int, keys: int) -> list[Comparison]:
    found = []
    for pipeline, factor in PIPELINES.items():
        our_rounds, their_rounds = [], []
        for number in range(1, rounds + 1):
            print(f"redis-benchmark -P {pipeline}, round {number} of {rounds}", file=sys.stderr)
            our_rounds.append(sample(binary, ours.port, pipeline, requests * factor, keys))
            their_rounds.append(sample(binary, theirs.port, pipeline, requests * factor, keys))
        found += [
            Comparison(
                f"{name} -P {pipeline}",
                theirs.name,
                tuple(rates[name] for rates in our_rounds),
                tuple(rates[name] for rates in their_rounds),
            )
            for name in our_rounds[0]
        ]
    print("redis-benchmark -k 0", file=sys.stderr)
    pairs = [
        tuple(churn_sample(binary, server.port, requests // CHURN_SHARE) for server in (ours, theirs))
        for _ in range(rounds)
    ]
    return [*found, Comparison(CHURN, theirs.name, *(tuple(side) for side in zip(*pairs, strict=True)))]
