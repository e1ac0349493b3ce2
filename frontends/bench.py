"""``kvcore bench``: tests run one after the other on a server, or on a store in this process.

What lives here: the plan, the order of things (prepare, measure, clean up), and stores in the process. What must not:
sockets (:mod:`kvcore.frontends.bench_sockets`), what is sent (bench_tests), how results look (bench_results). The rule:
whatever ends a test, its keys are deleted before anything else happens, and nothing but its keys.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, Protocol

from kvcore.errors import CommandError, KvcoreError
from kvcore.frontends.bench_results import Sample, Times
from kvcore.frontends.bench_sockets import Server
from kvcore.frontends.bench_tests import Commands, Plan, Test
from kvcore.frontends.remote_address import SCHEMES, hidden

Watch = Callable[[int, int], None]

_DELETED: Final = 500
_TURN_SECONDS: Final = 0.1


class Target(Protocol):
    """What is measured."""

    def run(self, commands: Iterable[list[bytes]]) -> None:
        """Run commands beside the measured ones; raise KvcoreError for the first error, OSError."""

    def measure(self, name: str, commands: list[Commands], plan: Plan, watch: Watch) -> Sample:
        """Run a test; a KeyboardInterrupt ends it early. Raises KvcoreError, OSError."""

    def close(self) -> None:
        """Let go of it."""


class Embedded:
    """A store in this process, used by as many threads as there are clients."""

    __slots__ = ("_store",)

    def __init__(self, url: str) -> None:
        """Open ``memory://``, ``memory://name`` or ``file:///dir``; raise KvcoreError, OSError."""
        from kvcore.frontends.inprocess import Store
        from kvcore.frontends.stores import connect

        store = connect(url)
        if not isinstance(store, Store):
            raise KvcoreError(f"{url} is no store in this process")
        self._store = store

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def run(self, commands: Iterable[list[bytes]]) -> None:
        """Run commands one after the other."""
        for argv in commands:
            reply = self._store.run(argv)
            if isinstance(reply, CommandError):
                raise reply

    def measure(self, name: str, commands: list[Commands], plan: Plan, watch: Watch) -> Sample:
        """Run a test through ``store.execute``, or through pipelines of the store."""
        clients = min(plan.clients, plan.requests)
        share, rest = divmod(plan.requests, clients)
        call = self._store.execute if plan.pipeline == 1 else self._pipeline
        workers = [
            _Worker(call, sequence, share + (number < rest), plan.pipeline)
            for number, sequence in enumerate(commands[:clients])
        ]
        begun, cpu = time.perf_counter(), time.process_time()
        stop = _Stop()
        complete = _run_threads(workers, stop, begun + plan.seconds if plan.seconds else 0.0, plan.requests, watch)
        taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
        times = Times()
        for worker in workers:
            times.merge(worker.times)
        for worker in workers:
            if worker.error is not None:
                raise worker.error
        return Sample(name, taken, cpu, times, complete)

    def _pipeline(self, *batch: list[bytes]) -> None:
        pipe = self._store.pipeline(transaction=False)
        for argv in batch:
            pipe.execute_command(*argv)
        pipe.execute()


class _Stop:
    """Tells threads to end."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False


class _Worker:
    """A client's part of a test."""

    __slots__ = ("_call", "_commands", "_pipeline", "_requests", "error", "times")

    def __init__(self, call: Callable[..., object], commands: Commands, requests: int, pipeline: int) -> None:
        self._call = call
        self._commands = commands
        self._requests = requests
        self._pipeline = pipeline
        self.times = Times()
        self.error: Exception | None = None

    def run(self, stop: _Stop) -> None:
        """Run until done or stopped; keep an error for whoever waits."""
        call, following, pipeline = self._call, self._commands.next, self._pipeline
        add, clock = self.times.add, time.perf_counter_ns
        left = self._requests
        try:
            while left > 0 and not stop.asked:
                count = min(pipeline, left)
                words: list[bytes] | list[list[bytes]] = (
                    following() if pipeline == 1 else [following() for _ in range(count)]
                )
                begun = clock()
                call(*words)
                add(clock() - begun, count)
                left -= count
        except Exception as error:  # whatever it is, it is raised where the end is waited for
            self.error = error
            stop.asked = True


def _run_threads(workers: list[_Worker], stop: _Stop, deadline: float, total: int, watch: Watch) -> bool:
    """Run workers to their end; return False if a KeyboardInterrupt came first."""
    threads = [threading.Thread(target=worker.run, args=(stop,), daemon=True) for worker in workers]
    complete = True
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_TURN_SECONDS)
                stop.asked = stop.asked or bool(deadline and time.perf_counter() >= deadline)
                watch(sum(worker.times.total for worker in workers), total)
    except KeyboardInterrupt:
        complete = False
        stop.asked = True
    for thread in threads:
        if thread.ident is not None:
            thread.join()
    return complete


def is_server(url: str) -> bool:
    """Say whether a URL names a server, and not a store in this process."""
    return url.partition("://")[0] in SCHEMES


def open_target(url: str) -> Target:
    """Return what a URL names; raise KvcoreError, OSError."""
    if is_server(url):
        return Server(url)
    if not url.startswith(("memory://", "file://")):
        schemes = ", ".join(f"{scheme}://" for scheme in (*SCHEMES, "memory", "file"))
        raise KvcoreError(f"{hidden(url)} is no URL of a store or a server: {schemes}")
    return Embedded(url)


def run(target: Target, tests: list[Test], plan: Plan, watch: Callable[[str], Watch]) -> Iterator[Sample]:
    """Yield each test's outcome as soon as its keys are gone; end behind one that was interrupted.

    Raises KvcoreError for error replies, OSError if a server is gone: then keys may be left.
    """
    clients = 1 if isinstance(target, Server) else plan.clients
    for test in tests:
        commands = [Commands(test, plan.value, plan.keyspace, f"{plan.seed}:{number}") for number in range(clients)]
        try:
            target.run(commands[0].preparation(plan.requests))
            sample = target.measure(test.name, commands, plan, watch(test.name))
        except KeyboardInterrupt:  # while it was prepared
            sample = Sample(test.name, 0.0, 0.0, Times(), False)
        finally:
            _clean(target, commands, plan.requests)
        yield sample
        if not sample.complete:
            break


def _clean(target: Target, commands: list[Commands], requests: int) -> None:
    """Delete the keys of a test."""
    for sequence in commands:
        keys = sequence.keys(requests)
        while batch := list(dict.fromkeys(islice(keys, _DELETED))):
            target.run([[b"UNLINK", *batch]])
