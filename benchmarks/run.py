"""Print kvcore beside its peers, as ratios from one run.

    python -m benchmarks.run [--quick] [--frontend threaded] [--keys N] [--only server|inprocess] [--noise] [--save]

Lives here: the command line, the table and the JSON. Must not live here: how a peer is measured (server.py,
inprocess.py). The rule: a number is only ever shown beside a peer's from the same run, taken in turns on the
same machine; every loop has a fixed count, every socket is on 127.0.0.1, and only processes started here are
stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks import inprocess, server
from benchmarks.samples import Comparison

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: rounds taken in turns, and the size of one sample."""

    rounds: int
    requests: int
    calls: int


FULL = Plan(rounds=5, requests=30_000, calls=20_000)
QUICK = Plan(rounds=3, requests=5_000, calls=4_000)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller samples: a look, not a result")
    parser.add_argument("--frontend", default="asyncio", help="kvcore-server's front end (asyncio, threaded)")
    parser.add_argument("--only", choices=("server", "inprocess"), help="measure one half")
    parser.add_argument("--keys", type=int, default=0, help="random keys out of so many, not the one default key")
    parser.add_argument("--noise", action="store_true", help="redis-server on both sides: ratios of the method")
    parser.add_argument("--save", action="store_true", help="also keep the result under this version's name")
    return parser.parse_args()


def table(title: str, comparisons: list[Comparison]) -> str:
    """Lay comparisons out in columns; a ratio above 1 means that kvcore is the faster one."""
    lines = [title, f"{'what':<22}{'kvcore':>12}  {'peer':<24}{'':>12}{'ratio':>8}{'spread':>14}"]
    for row in comparisons:
        low, high = row.spread
        lines.append(
            f"{row.what:<22}{row.ours:>12,.0f}  {row.peer:<24}{row.theirs:>12,.0f}{row.ratio:>8.2f}"
            f"{low:>8.2f}-{high:.2f}"
        )
    for pipeline in sorted({row.what.partition(" -P ")[2] for row in comparisons} - {""}, key=int):
        middle = statistics.median(row.ratio for row in comparisons if row.what.endswith(f" -P {pipeline}"))
        lines.append(f"{f'median -P {pipeline}':<22}{'':>12}  {'':<24}{'':>12}{middle:>8.2f}")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, write the JSON; 1 when nothing could be measured."""
    options = arguments()
    plan = QUICK if options.quick else FULL
    report: dict[str, list[Comparison]] = {}
    if options.only != "inprocess":
        peer = "oracle" if options.noise else options.frontend
        found = server.compare(peer, plan.rounds, plan.requests, options.keys)
        spread = f" -r {options.keys}" if options.keys else ""
        report[f"requests per second, redis-benchmark -c 50{spread}"] = found
    if options.only != "server" and not options.noise:
        report["calls per second in one process"] = inprocess.compare(plan.rounds, plan.calls)
    if not any(report.values()):
        print("nothing measured: install redis-server and redis-benchmark", file=sys.stderr)
        return 1
    print("\n\n".join(table(title, rows) for title, rows in report.items() if rows))
    if options.noise:
        print("\nredis-server on both sides: what is off 1.00 here is the method and the machine")
    print("\nmedians; ratio = kvcore / peer, above 1 kvcore is faster; spread = ratio of the single rounds")
    result = {
        "kvcore": version("kvcore"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "frontend": "redis-server twice" if options.noise else options.frontend,
        "plan": asdict(plan),
        "results": {title: [row.as_dict() for row in rows] for title, rows in report.items()},
    }
    names = ["latest"] + ([version("kvcore")] if options.save else [])
    for name in names:
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
