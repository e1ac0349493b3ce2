"""Print what saving and loading cost, beside redis-server on the same data.

    python -m benchmarks.persistence [--keys 1000000] [--probe-keys 2000000] [--profile]

1. Load and save speed of mixed keys, as ratios, and with ``--profile`` where kvcore's time goes.
2. A snapshot while every key is written again: is it the state at its start, and how much memory did it take?
3. What a client waits meanwhile, on both servers: a probe about every millisecond, beside writers.

Needs about 1 GB for two million keys. Servers run on free ports of 127.0.0.1 and in temporary directories.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from kvcore.config import Config
from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.loading import Loader
from kvcore.rdb.file_reader import FileReader
from kvcore.storage.snapshots import Snapshots
from tests.oracle.servers import HOST, Server, find_oracle, free_port
from tests.oracle.wire import WireSession

PAGE = os.sysconf("SC_PAGE_SIZE")
WRITERS = 4
BATCH = 16


def mixed(engine: Engine, keys: int) -> None:
    """Fill an engine: 60% strings of 20 to 100 bytes, hashes, lists, sets, sorted sets, streams; a tenth expires."""
    chance = random.Random(1)
    session = engine.session(trusted=True)
    number = chance.randrange
    for index in range(keys):
        key, kind = b"key:%09d" % index, index % 20
        if kind < 12:
            argv = [b"SET", key, chance.randbytes(number(10, 50)).hex().encode()]
        elif kind < 15:
            argv = [b"HSET", key]
            for field in range(8):
                argv += [b"field%d" % field, b"value-%d" % number(10**6)]
        elif kind < 17:
            argv = [b"RPUSH", key, *(b"item-%d" % number(10**6) for _ in range(10))]
        elif kind < 18:
            argv = [b"SADD", key, *(b"m%d" % number(10**6) for _ in range(10))]
        elif kind < 19:
            argv = [b"ZADD", key]
            for _ in range(10):
                argv += [b"%.3f" % (chance.random() * 100), b"m%d" % number(10**6)]
        else:
            argv = [b"XADD", key, b"*", b"temperature", b"%d" % number(100)]
        engine.execute(session, argv)
        if index % 10 == 0:
            engine.execute(session, [b"PEXPIRE", key, b"86400000"])
    engine.drop(session)


def engine_in(directory: str) -> tuple[Engine, Snapshots]:
    """Make an engine whose snapshot file is in ``directory``."""
    config = Config()
    config.assign("dir", directory)
    config.set("save", "")
    engine = Engine(config)
    return engine, Snapshots(engine)


def resident() -> int:
    """Return the process's memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def start(kind: str, directory: str) -> Server:
    """Start a server on the file in ``directory``."""
    common = ["--bind", HOST, "--dir", directory, "--save", "", "--enable-debug-command", "yes"]
    if kind == "redis":
        port = free_port()
        return Server(kind, [str(find_oracle()), "--port", str(port), *common], port)
    return Server(kind, [sys.executable, "-m", "kvcore", "--port", "0", *common])


def cpu_and_wall() -> tuple[float, float]:
    """Return processor and wall time in seconds."""
    return time.process_time(), time.perf_counter()


def speed(keys: int, directory: str, profile: bool) -> None:
    """Compare the speed of loading and saving."""
    engine, snapshots = engine_in(directory)
    gc.disable()
    mixed(engine, keys)
    gc.enable()
    before = cpu_and_wall()
    snapshots.save()
    after = cpu_and_wall()
    saved = after[1] - before[1], after[0] - before[0]
    size = Path(directory, "dump.rdb").stat().st_size
    digest = dataset_digest(engine.keyspace.databases)
    if profile:
        show("save", snapshots.save)
    del engine, snapshots
    gc.collect()
    other, again = engine_in(directory)
    before = cpu_and_wall()
    again.load()
    after = cpu_and_wall()
    loaded = after[1] - before[1], after[0] - before[0]
    assert dataset_digest(other.keyspace.databases) == digest
    if profile:
        third, snapshots = engine_in(directory)
        show("load", snapshots.load)
        del third, snapshots
    del other, again
    print(f"{keys:,} mixed keys, {size / 1e6:.1f} MB")
    if find_oracle() is None:
        print(f"  save {keys / saved[0]:,.0f} keys/s, load {keys / loaded[0]:,.0f} keys/s; no redis-server beside it")
        return
    server = start("redis", directory)
    try:
        # Its own clock starts after the process did, and ends before it listens.
        line = next(line for line in server.log().splitlines() if "DB loaded from disk" in line)
        session = server.connect()
        theirs = {"load": (float(line.split(":")[-1].split()[0]), processor(session))}
        session.send(["DEBUG", "DIGEST"])
        assert session.read(60).native() == digest, "redis-server has read something else"
        before = time.perf_counter(), processor(session)
        session.send(["SAVE"])
        session.read(120)
        theirs["save"] = time.perf_counter() - before[0], processor(session) - before[1]
    finally:
        server.stop()
    for what, mine in (("load", loaded), ("save", saved)):
        wall, cpu = theirs[what]
        print(
            f"  {what}: kvcore {mine[0]:.2f} s ({mine[1]:.2f} s of processor, {keys / mine[0]:,.0f} keys/s), redis"
            f"-server {wall:.2f} s ({cpu:.2f} s): ratio {wall / mine[0]:.2f} ({cpu / mine[1]:.2f} of processor time)"
        )


def processor(session: WireSession) -> float:
    """Return the processor seconds that a server's process has used."""
    session.send(["INFO", "cpu"])
    lines = session.read(10).text.decode().split("\r\n")
    return sum(float(line.split(":")[1]) for line in lines if line.split(":")[0] in ("used_cpu_sys", "used_cpu_user"))


def show(what: str, call: object) -> None:
    """Print where the time goes."""
    profiler = cProfile.Profile()
    profiler.runcall(call)  # type: ignore[arg-type]
    print(f"{what}, by function:")
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(12)


def under_writes(keys: int, directory: str) -> None:
    """Take a snapshot while every command writes, and compare it with the state at its start."""
    engine, snapshots = engine_in(directory)
    session = engine.session(trusted=True)
    run = engine.execute
    for index in range(keys):
        run(session, [b"SET", b"key:%09d" % index, b"%0100d" % index])
    gc.collect()
    dataset = resident()
    digest = dataset_digest(engine.keyspace.databases)
    peak = before = resident()
    chance = random.Random(2)
    begun = time.perf_counter()
    writes = 0
    run(session, [b"BGSAVE"])
    while snapshots.background.busy:
        # The slices and pauses of a server that has clients.
        engine.statistics.input_bytes += 1
        snapshots.tick(engine.now_ms())
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            index = chance.randrange(keys)
            run(session, [b"SET", b"key:%09d" % index, b"%0100d" % writes])
            writes += 1
        if writes % 64 == 0:
            peak = max(peak, resident())
    peak = max(peak, resident())
    taken = time.perf_counter() - begun
    other, _ = engine_in(directory)
    loader = Loader(other.keyspace.databases, 0, other.libraries.load)
    reader = FileReader(loader, other.limits)
    with Path(directory, "dump.rdb").open("rb") as file:
        while data := file.read(1 << 20):
            reader.feed(data)
    reader.finish()
    same = dataset_digest(other.keyspace.databases) == digest
    print(f"{keys:,} keys saved while {writes:,} of them were written, in {taken:.1f} s")
    print(f"  the file equals the state at its start: {same}")
    extra = peak - before
    print(f"  extra memory: {extra / 1e6:.1f} MB, {100 * extra / dataset:.1f}% of {dataset / 1e6:.0f} MB")


class Probe(threading.Thread):
    """A client that asks about every millisecond and keeps how long it waited, in milliseconds."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.waits: list[float] = []
        self._port = port
        self.done = threading.Event()

    def run(self) -> None:
        """Ask until told to stop."""
        with socket.create_connection((HOST, self._port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self.done.is_set():
                begun = time.perf_counter()
                connection.sendall(b"*2\r\n$3\r\nGET\r\n$13\r\nkey:000000017\r\n")
                connection.recv(1000)
                self.waits.append((time.perf_counter() - begun) * 1000)
                time.sleep(0.001)

    def percentile(self, share: float) -> float:
        """Return a percentile of the waits."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(keys: int, directory: str) -> None:
    """Probe both servers during a background save, beside a client that writes."""
    engine, snapshots = engine_in(directory)
    session = engine.session(trusted=True)
    for index in range(keys):
        engine.execute(session, [b"SET", b"key:%09d" % index, b"%0100d" % index])
    snapshots.save()
    del engine, snapshots, session
    gc.collect()
    print(f"what a client waits, in ms, {keys:,} keys:")
    for kind in ("kvcore", "redis") if find_oracle() else ("kvcore",):
        server = start(kind, directory)
        try:
            for when in ("before", "during"):
                probe, seconds = probed(server.port, keys, when == "during")
                found = " ".join(f"p{share * 100:g} {probe.percentile(share):.2f}" for share in (0.5, 0.99, 0.999))
                longest = max(probe.waits)
                print(f"  {kind} {when} BGSAVE ({seconds:.1f} s, {len(probe.waits)} probes): {found} max {longest:.2f}")
        finally:
            server.stop()


def probed(port: int, keys: int, saving: bool) -> tuple[Probe, float]:
    """Probe a server while it saves, or for five seconds."""
    writer = subprocess.Popen(
        [
            "redis-benchmark",
            "-h",
            HOST,
            "-p",
            str(port),
            "-c",
            "4",
            "-n",
            "100000000",
            "-r",
            str(keys),
            "-t",
            "set",
            "-q",
        ],
        stdout=subprocess.DEVNULL,
    )
    probe = Probe(port)
    try:
        time.sleep(0.5)
        probe.start()
        begun = time.perf_counter()
        with socket.create_connection((HOST, port)) as control:
            if saving:
                control.sendall(b"BGSAVE\r\n")
                control.recv(1000)
                time.sleep(0.3)
                while b"rdb_bgsave_in_progress:0" not in ask_info(control):
                    time.sleep(0.2)
            else:
                time.sleep(5)
        seconds = time.perf_counter() - begun
        probe.done.set()
        probe.join()
    finally:
        writer.kill()
        writer.wait()
    return probe, seconds


def ask_info(control: socket.socket) -> bytes:
    """Return INFO persistence."""
    control.sendall(b"INFO persistence\r\n")
    data = b""
    while b"module_fork_last_cow_size" not in data:
        data += control.recv(65536)
    return data


PARTS: dict[str, Callable[[argparse.Namespace, str], None]] = {
    "speed": lambda arguments, where: speed(arguments.keys, where, arguments.profile),
    "writes": lambda arguments, where: under_writes(arguments.keys, where),
    "latency": lambda arguments, where: latency(arguments.probe_keys, where),
}
"""Each runs in a process of its own: memory that one part has freed would hide what the next one takes."""


def main() -> None:
    """Run all parts, or one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--probe-keys", type=int, default=2_000_000)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--part", choices=PARTS)
    arguments = parser.parse_args()
    if arguments.part is None:
        for name in PARTS:
            words = [sys.executable, "-m", "benchmarks.persistence", *sys.argv[1:], "--part", name]
            subprocess.run(words, check=True)
        return
    with tempfile.TemporaryDirectory(prefix="kvcore-bench-") as directory:
        PARTS[arguments.part](arguments, directory)


if __name__ == "__main__":
    main()
