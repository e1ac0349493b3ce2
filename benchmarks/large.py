"""Show what ten million keys cost: a GET, a bystander's latency while they come in, and a full SCAN under churn.

    python -m benchmarks.large [--keys 10000000] [--frontend threaded]

Needs about 200 bytes of memory a key. Every loop is bounded; the server runs on a free port of 127.0.0.1.
"""

from __future__ import annotations

import argparse
import random
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import kvcore
from tests.oracle.servers import Server, start_kvcore, start_oracle

PIPELINE = 100
SMALL = 1_000
SAMPLES = 200_000


def request(*words: bytes) -> bytes:
    """Encode a command."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


def key(number: int) -> bytes:
    """Name a key."""
    return b"key:%012d" % number


class Pinger(threading.Thread):
    """A bystander: GETs one key on its own connection and keeps its latencies in milliseconds."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.latencies: list[float] = []
        self._port = port
        self._done = threading.Event()

    def run(self) -> None:
        """Ping about every millisecond until stopped."""
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ping = request(b"GET", b"bystander")
            while not self._done.is_set():
                start = time.perf_counter()
                connection.sendall(ping)
                connection.recv(100)
                self.latencies.append((time.perf_counter() - start) * 1000)
                time.sleep(0.001)

    def stop(self) -> None:
        """End the thread."""
        self._done.set()
        self.join()


LOADER = """
import socket, sys
port, first, last, step = map(int, sys.argv[1:])
with socket.create_connection(("127.0.0.1", port)) as connection:
    for start in range(first, last, step):
        batch = b"".join([b"*3\\r\\n$3\\r\\nSET\\r\\n$16\\r\\nkey:%012d\\r\\n$3\\r\\nxxx\\r\\n" % number
                          for number in range(start, min(last, start + step))])
        connection.sendall(batch)
        wanted = 5 * (min(last, start + step) - start)
        while wanted:
            wanted -= len(connection.recv(wanted))
"""


def load(port: int, first: int, last: int) -> None:
    """SET keys ``first`` to ``last`` from another process, so that its Python does not delay the bystander's."""
    subprocess.run(
        [sys.executable, "-c", LOADER, str(port), str(first), str(last), str(PIPELINE)], check=True, timeout=3600
    )


def random_gets(port: int, keys: int) -> float:
    """Return microseconds a GET of a random key out of ``keys``, one at a time on 50 connections (median of 5)."""
    command = ["redis-benchmark", "-p", str(port), "-c", "50", "-n", "50000", "-r", str(keys), "-t", "get", "--csv"]
    rounds = []
    for _ in range(5):
        output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
        rounds.append(1e6 / float(output.splitlines()[-1].split(",")[1].strip('"')))
    return statistics.median(rounds)


def through_a_server(name: str, server: Server, keys: int) -> None:
    """Insert ``keys`` keys while a bystander measures its own latency; compare GETs before and after."""
    load(server.port, 0, SMALL)
    small = random_gets(server.port, SMALL)
    pinger = Pinger(server.port)
    pinger.start()
    start = time.perf_counter()
    load(server.port, SMALL, keys)
    seconds = time.perf_counter() - start
    pinger.stop()
    ordered = sorted(pinger.latencies)
    print(f"{name}: insert {keys:,} keys at {keys / seconds:,.0f}/s; bystander of {len(ordered):,} GETs:", end=" ")
    marks = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)]
    print(", ".join(f"{mark} {ordered[int(len(ordered) * part)]:.2f} ms" for mark, part in marks), end=", ")
    print(f"worst {ordered[-1]:.2f} ms (target: 20)")
    large = random_gets(server.port, keys)
    print(f"{name}: GET at {SMALL:,} keys {small:.2f} us, at {keys:,} keys {large:.2f} us:", end=" ")
    print(f"ratio {large / small:.2f} (target: 0.70 to 1.30)")
    server.stop()


def get_cost(keys: int) -> None:
    """Compare a GET of a random key at a thousand and at ``keys`` keys, in process."""
    store = kvcore.open()
    plain: dict[bytes, bytes] = {}
    source = random.Random(1)
    costs = {}
    filled = 0
    for size in (SMALL, keys):
        for number in range(filled, size):
            store.set(key(number), b"xxx")
            plain[key(number)] = b"xxx"
        filled = size
        names = [key(source.randrange(size)) for _ in range(SAMPLES)]
        costs[size] = timed(store.get, names), timed(plain.get, names)
        print(f"in process: GET at {size:,} keys {costs[size][0]:.0f} ns, a dict's get {costs[size][1]:.0f} ns")
    ratios = [costs[keys][peer] / costs[SMALL][peer] for peer in (0, 1)]
    print(f"in process: ratio {ratios[0]:.2f} (target: 0.70 to 1.30), a dict's {ratios[1]:.2f}")
    del plain
    scan_under_churn(store, keys)


def timed(get: Callable[[bytes], object], names: list[bytes]) -> float:
    """Return nanoseconds a call, the median of five rounds over ``names``."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter_ns()
        for name in names:
            get(name)
        rounds.append((time.perf_counter_ns() - start) / len(names))
    return statistics.median(rounds)


def scan_under_churn(store: kvcore.Store, keys: int) -> None:
    """Walk the whole keyspace while other keys come and go; every key that stays must be seen."""
    source = random.Random(2)
    staying = {key(number) for number in range(0, keys, 10)}
    seen: set[bytes] = set()
    cursor, calls, start, fresh = b"0", 0, time.perf_counter(), keys
    while True:
        cursor, found = store.execute(b"SCAN", cursor, b"COUNT", b"1000")
        seen.update(staying.intersection(found))
        calls += 1
        for _ in range(20):
            store.set(key(fresh), b"new")
            fresh += 1
            gone = key(source.randrange(keys))
            if gone not in staying:
                store.delete(gone)
        if cursor == b"0":
            break
    seconds = time.perf_counter() - start
    missed = len(staying - seen)
    print(f"SCAN of {keys:,} keys in {calls:,} calls and {seconds:.1f} s: {missed} of {len(staying):,} missed")


def main() -> None:
    """Run all three."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--frontend", default="asyncio")
    options = parser.parse_args()
    through_a_server("kvcore", start_kvcore(options.frontend), options.keys)
    oracle = shutil.which("redis-server")
    if oracle:
        through_a_server("redis-server", start_oracle(oracle), options.keys)
    get_cost(options.keys)


if __name__ == "__main__":
    main()
