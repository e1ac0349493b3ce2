"""LATENCY beside the real server: shapes, texts of errors, and what a command of known length counts as."""

from __future__ import annotations

import re

import pytest

from tests.oracle.harness import Pair, Wire, check

LENGTHS = (0.01, 0.01, 0.02, 0.1)
LEVELS = {min(1024 * 2**doubling + (2**doubling * 8 - 1), 2**30 - 1) // 1000 for doubling in range(21)}


def test_errors_and_nothing_to_show(pair: Pair) -> None:
    pair.ask("LATENCY", "RESET")
    check(
        pair,
        """
        LATENCY
        LATENCY NOSUCH
        LATENCY LATEST
        LATENCY LATEST x
        LATENCY HISTORY
        LATENCY HISTORY fork
        LATENCY HISTORY a b
        LATENCY GRAPH
        LATENCY GRAPH fork
        LATENCY GRAPH "a b"
        LATENCY RESET
        LATENCY RESET a b
        LATENCY DOCTOR x
        LATENCY HELP x
        LATENCY HISTOGRAM nosuch
        LATENCY HISTOGRAM nosuch "config|nosuch" "" "config|" "|get" "get|" "|"
    """,
    )
    pair.matches(r"latency-monitor-threshold", "LATENCY", "DOCTOR")


def levels(reply: Wire, name: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Return a command's calls and its rows; each row's level must be one of the doublings."""
    found = {key.text: value for key, value in reply.pairs()}[name]
    calls, rows = (value for _, value in found.pairs())
    listed = [(int(level.text), int(count.text)) for level, count in rows.pairs()]
    assert {level for level, _ in listed} <= LEVELS
    assert listed == sorted(listed)
    assert len({count for _, count in listed}) == len(listed)
    assert listed[-1][1] == int(calls.text)
    return int(calls.text), listed


@pytest.mark.parametrize("protocol", [2, 3])
def test_histograms(wire_pair: Pair, protocol: int) -> None:
    pair = wire_pair.client(protocol)
    pair.both("CONFIG", "RESETSTAT")
    for length in LENGTHS:
        pair.both("DEBUG", "SLEEP", length)
    pair.both("CONFIG", "GET", "hz")
    for side in pair.ask("LATENCY", "HISTOGRAM", "debug"):
        calls, rows = levels(side, b"debug")
        assert calls == len(LENGTHS)
        # A sleep takes at least its time; a busy machine makes it take more.
        assert rows[0][0] > min(LENGTHS) * 1e6
        assert rows[-1][0] > max(LENGTHS) * 1e6
    for names in (("config",), ("CONFIG|GET", "nosuch"), ("config|get", "DEBUG")):
        oracle, kvcore = pair.ask("LATENCY", "HISTOGRAM", *names)
        assert [item.kind for item in kvcore.items] == [item.kind for item in oracle.items]
        assert {item.text for item in kvcore.items} == {item.text for item in oracle.items}
    shown = [{item.text for item in side.items[::2]} for side in pair.ask("LATENCY", "HISTOGRAM")]
    assert {b"debug", b"config|get", b"latency|histogram"} <= shown[0] & shown[1]


def test_histograms_stand_still_while_tracking_is_off(wire_pair: Pair) -> None:
    wire_pair.both("CONFIG", "RESETSTAT")
    wire_pair.both("DEBUG", "SLEEP", 0)
    wire_pair.config("latency-tracking", "no")
    wire_pair.both("DEBUG", "SLEEP", 0)
    assert [levels(side, b"debug")[0] for side in wire_pair.ask("LATENCY", "HISTOGRAM", "debug")] == [1, 1]
    wire_pair.both("INFO", "latencystats")
    wire_pair.both("CONFIG", "SET", "latency-tracking", "yes")
    wire_pair.both("DEBUG", "SLEEP", 0)
    assert [levels(side, b"debug")[0] for side in wire_pair.ask("LATENCY", "HISTOGRAM", "debug")] == [2, 2]


def test_percentiles_in_info(wire_pair: Pair) -> None:
    wire_pair.both("CONFIG", "RESETSTAT")
    for length in LENGTHS:
        wire_pair.both("DEBUG", "SLEEP", length)
    for wanted in ("50 99 99.9", "0 12.5 100", "50.00 1e1", "33.3333"):
        wire_pair.config("latency-tracking-info-percentiles", wanted)
        names = []
        for side in wire_pair.ask("INFO", "latencystats"):
            line = re.search(r"latency_percentiles_usec_debug:(.*)\r", side.native().decode())
            assert line is not None
            shown = [part.split("=") for part in line[1].split(",")]
            names.append([name for name, _ in shown])
            for _, microseconds in shown:
                assert re.fullmatch(r"\d+\.\d{3}", microseconds)
                assert float(microseconds) * 1.01 > min(LENGTHS) * 1e6
        assert names[0] == names[1]
    wire_pair.config("latency-tracking-info-percentiles", "")
    wire_pair.matches(r"latency_percentiles_usec_debug:\r\n", "INFO", "latencystats")


@pytest.mark.parametrize("protocol", [2, 3])
def test_spikes(wire_pair: Pair, protocol: int) -> None:
    pair = wire_pair.client(protocol)
    wire_pair.config("latency-monitor-threshold", 15)
    pair.ask("LATENCY", "RESET")
    pair.both("DEBUG", "SLEEP", 0)
    pair.both("LATENCY", "LATEST")
    pair.matches(r"\S", "LATENCY", "DOCTOR")
    pair.both("DEBUG", "SLEEP", 0.03)
    pair.both("DEBUG", "SLEEP", 0.02)
    theirs, ours = pair.kinds("LATENCY", "LATEST")
    assert [entry[0] for entry in ours] == [entry[0] for entry in theirs] == [b"command"]
    assert min(theirs[0][2], ours[0][2]) >= 20
    assert min(theirs[0][3], ours[0][3]) >= 30
    assert abs(theirs[0][1] - ours[0][1]) <= 1
    oracle, kvcore = (side.native() for side in pair.ask("LATENCY", "HISTORY", "command"))
    assert 1 <= len(kvcore) <= 2
    assert all(len(sample) == 2 for sample in (*oracle, *kvcore))
    pair.matches(
        r"command - high \d+ ms, low \d+ ms \(all time high \d+ ms\)\n-{80}\n([ _o#|]+\n){4} +\n",
        "LATENCY",
        "GRAPH",
        "command",
    )
    pair.matches(r"1\. command: \d latency spikes \(average \d+ms, mean dev", "LATENCY", "DOCTOR")
    pair.both("LATENCY", "RESET", "fork")
    pair.both("LATENCY", "RESET", "fork", "command")
    pair.both("LATENCY", "LATEST")


def test_help(pair: Pair) -> None:
    for container in ("LATENCY", "MEMORY", "MODULE"):
        oracle, kvcore = (side.native() for side in pair.ask(container, "HELP"))
        assert kvcore[0] == oracle[0]
        assert kvcore[-2:] == oracle[-2:]
        known = [{line.split()[0] for line in side if line[0] != " "} for side in (oracle, kvcore)]
        assert known[0] == known[1]
