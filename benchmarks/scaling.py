"""Print microseconds a call of each type's core commands at 100 to 1,000,000 elements, beside redis-server's own.

    python -m benchmarks.scaling [--largest 1000000] [--only zset]

Both sides count their own time in `INFO commandstats` (usec_per_call), so neither sockets nor encoding are in it.
kvcore runs in process. The last column is the growth from the smallest to the largest size; a command documented as
O(1) or O(log n) must not grow with the elements. Every loop is bounded; the server is on a free port of 127.0.0.1.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
from collections.abc import Callable, Iterable, Iterator

import kvcore
from tests.oracle.servers import Server, start_oracle
from tests.oracle.wire import WireSession

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
CALLS = 60
ROUNDS = 10
CHUNK = 500

Words = list[str]
Run = Callable[[Iterable[Words]], None]


def batches(name: str, before: Words, items: Iterator[str], per_item: int) -> Iterator[Words]:
    """Group ``items`` into commands of bounded length."""
    batch: list[str] = []
    for item in items:
        batch.append(item)
        if len(batch) == CHUNK * per_item:
            yield [name, *before, *batch]
            batch = []
    if batch:
        yield [name, *before, *batch]


def fill(kind: str, size: int) -> Iterator[Words]:
    """Yield the commands that make a key of ``size`` elements."""
    numbers = range(size)
    if kind == "list":
        yield from batches("RPUSH", ["key"], (f"e{number}" for number in numbers), 1)
    elif kind == "set":
        yield from batches("SADD", ["key"], (f"e{number}" for number in numbers), 1)
    elif kind == "hash":
        yield from batches("HSET", ["key"], (word for number in numbers for word in (f"e{number}", "v")), 2)
    elif kind == "zset":
        yield from batches("ZADD", ["key"], (word for number in numbers for word in (str(number), f"e{number}")), 2)
    elif kind == "stream":
        for number in numbers:
            yield ["XADD", "key", f"{number + 1}-0", "f", "v"]
    else:
        yield from batches("MSET", [], (word for number in numbers for word in (f"e{number}", "v")), 2)


def measured(kind: str, size: int, source: random.Random) -> Iterator[Words]:
    """Yield one round of the commands to time, on random elements, leaving the size as it was."""
    number = source.randrange(size)
    element, middle = f"e{number}", str(size // 2)
    if kind == "list":
        yield from (["LPUSH", "key", "x"], ["LPOP", "key"], ["RPUSH", "key", "x"], ["RPOP", "key"])
        yield from (["LLEN", "key"], ["LRANGE", "key", "0", "9"], ["LINDEX", "key", "-5"])
    elif kind == "set":
        yield from (["SISMEMBER", "key", element], ["SREM", "key", element], ["SADD", "key", element])
        yield from (["SRANDMEMBER", "key", "10"], ["SCARD", "key"], ["SSCAN", "key", "0", "COUNT", "10"])
    elif kind == "hash":
        yield from (["HGET", "key", element], ["HSET", "key", element, "w"], ["HDEL", "key", element])
        yield from (["HINCRBY", "key", element, "1"], ["HLEN", "key"], ["HRANDFIELD", "key", "10"])
        yield ["HSCAN", "key", "0", "COUNT", "10"]
    elif kind == "zset":
        yield from (["ZSCORE", "key", element], ["ZRANK", "key", element], ["ZREM", "key", element])
        yield from (["ZADD", "key", str(number), element], ["ZRANGE", "key", middle, str(size // 2 + 9)])
        yield from (["ZCOUNT", "key", "10", middle], ["ZRANGEBYSCORE", "key", middle, "+inf", "LIMIT", "0", "10"])
        yield from (["ZPOPMIN", "key"], ["ZADD", "key", "0", "e0"])
    elif kind == "stream":
        yield from (["XRANGE", "key", f"{size // 2}-0", "+", "COUNT", "10"], ["XLEN", "key"])
        yield from (["XREAD", "COUNT", "10", "STREAMS", "key", f"{number + 1}-0"], ["XADD", "key", "*", "f", "v"])
        yield ["XDEL", "key", f"{number + 1}-0"]
    else:
        yield from (["GET", element], ["SET", element, "w"], ["INCR", "counter"], ["EXISTS", element])
        yield from (["EXPIRE", element, "1000"], ["DEL", element], ["SCAN", "0", "COUNT", "10"], ["RANDOMKEY"])


def costs(run: Run, statistics: Callable[[], str], kind: str, size: int) -> dict[str, float]:
    """Return microseconds a call by command, of the round that nobody disturbed."""
    run([["FLUSHALL"]])
    run(fill(kind, size))
    source = random.Random(size)
    least: dict[str, float] = {}
    for _ in range(ROUNDS):
        run([["CONFIG", "RESETSTAT"]])
        run(words for _ in range(CALLS) for words in measured(kind, size, source))
        found = re.findall(r"cmdstat_(\w+):.*?usec_per_call=([\d.]+)", statistics())
        for name, cost in found:
            if name not in ("config", "info", "flushall"):
                least[name] = min(float(cost), least.get(name, float(cost)))
    return least


def over_the_wire(session: WireSession) -> tuple[Run, Callable[[], str]]:
    """Return how to run commands on the real server, and to read its statistics."""

    def run(commands: Iterable[Words]) -> None:
        waiting = 0
        for words in commands:
            session.send(words)
            waiting += 1
            if waiting == 64:
                for _ in range(waiting):
                    session.read(60.0)
                waiting = 0
        for _ in range(waiting):
            session.read(60.0)

    def statistics() -> str:
        session.send(["INFO", "commandstats"])
        return session.read().text.decode()

    return run, statistics


def in_process(store: kvcore.Store) -> tuple[Run, Callable[[], str]]:
    """Return the same for an embedded store."""

    def run(commands: Iterable[Words]) -> None:
        for words in commands:
            store.execute(*words)

    def statistics() -> str:
        reply = store.execute("INFO", "commandstats")
        return (reply if isinstance(reply, bytes) else reply.text).decode()

    return run, statistics


def compare(kind: str, sizes: list[int], oracle: Server | None) -> None:
    """Print one type's table."""
    sides = [("kvcore", in_process(kvcore.open(slowlog_log_slower_than=-1)))]
    if oracle is not None:
        sides.append(("redis", over_the_wire(oracle.connect())))
    print(f"\n{kind:<16}{'':<8}" + "".join(f"{size:>12,}" for size in sizes) + f"{'growth':>9}")
    results = {side: [costs(run, read, kind, size) for size in sizes] for side, (run, read) in sides}
    for name in results["kvcore"][0]:
        for side, rows in results.items():
            values = [row.get(name, float("nan")) for row in rows]
            growth = values[-1] / values[0] if values[0] else float("nan")
            cells = "".join(f"{value:>12.2f}" for value in values)
            print(f"{name:<16}{side:<8}{cells}{growth:>9.1f}", flush=True)


def main() -> None:
    """Run every type."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--only", choices=("string", "list", "set", "hash", "zset", "stream"))
    options = parser.parse_args()
    binary = shutil.which("redis-server")
    oracle = start_oracle(binary) if binary else None
    try:
        for kind in ("string", "list", "set", "hash", "zset", "stream"):
            if options.only in (None, kind):
                compare(kind, [size for size in SIZES if size <= options.largest], oracle)
    finally:
        if oracle is not None:
            oracle.stop()


if __name__ == "__main__":
    main()
