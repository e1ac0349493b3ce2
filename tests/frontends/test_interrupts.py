"""Interrupts that wait for a command's end: nothing is half done, waits end at once, a second one goes through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import kvcore
from kvcore.frontends.interrupts import hold_interrupts
from kvcore.loading import Loader
from tests.waiting import until

STORM = """
import random, signal, sys, threading, time
import kvcore

kind = sys.argv[1]
guard = kvcore.hold_interrupts()
if kind == "redis":
    store = kvcore.Redis()
else:
    store = kvcore.open()

def send():
    source = random.Random(3)
    while True:
        time.sleep(source.random() * 0.004)
        if not ready.is_set():
            continue
        signal.pthread_kill(main, signal.SIGINT)
        ready.clear()

main, ready = threading.get_ident(), threading.Event()
threading.Thread(target=send, daemon=True).start()
number = interrupts = 0
while interrupts < 80:
    try:
        ready.set()
        while True:
            number += 1
            if kind == "command":
                store.zadd("z", {number % 500: number})
            else:
                with store.pipeline(transaction=True) as pipe:
                    for name in "abcdefgh":
                        pipe.incr(name)
                    pipe.execute()
    except KeyboardInterrupt:
        interrupts += 1
        if kind == "command":
            scores = dict(store.zrange("z", 0, -1, withscores=True))
            assert len(scores) == store.zcard("z") == store.zcount("z", "-inf", "+inf"), "two indexes differ"
            assert all(store.zscore("z", member) == score for member, score in scores.items())
        else:
            assert len(set(store.mget(*"abcdefgh"))) == 1, "a transaction was done in part"
print(interrupts)
"""


@pytest.mark.parametrize("kind", ["command", "transaction", "redis"])
def test_nothing_is_done_in_part(kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", STORM, kind], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("80\n", "")


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """Have SIGUSR1 noted, by a handler that stands in for one that raises."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    former = signal.signal(signal.SIGUSR1, note)
    yield seen
    signal.signal(signal.SIGUSR1, former)


def within_a_command(then: Callable[[], None]) -> None:
    """Run ``then`` in the midst of a command."""
    store = kvcore.open()
    store.engine.subscribe(lambda _unit: then())
    store.set("k", "v")
    store.close()


def test_a_signal_waits_for_the_end_of_the_command(handled: list[int]) -> None:
    within: list[list[int]] = []

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        within.append(list(handled))

    with hold_interrupts(signal.SIGUSR1):
        within_a_command(interrupt)
        until("the handler is called", lambda: handled, pause=0.001)
    assert within == [[]]
    assert handled == [signal.SIGUSR1]


def test_a_second_signal_does_not_wait(handled: list[int]) -> None:
    within: list[list[int]] = []

    def interrupt() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGUSR1)
            within.append(list(handled))

    with hold_interrupts(signal.SIGUSR1):
        within_a_command(interrupt)
    assert within == [[], [signal.SIGUSR1]]
    assert handled == [signal.SIGUSR1]


def test_elsewhere_it_is_called_at_once(handled: list[int]) -> None:
    with hold_interrupts(signal.SIGUSR1):
        os.kill(os.getpid(), signal.SIGUSR1)
        assert handled == [signal.SIGUSR1]


def give_up(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["store", "redis"])
def test_a_command_that_waits_is_interrupted(kind: str) -> None:
    store = kvcore.open()
    client = kvcore.Redis(store=store) if kind == "redis" else store
    main = threading.get_ident()

    def interrupt() -> None:
        until("it waits", lambda: store.engine.blocking.count, pause=0.001)
        signal.pthread_kill(main, signal.SIGUSR1)

    thread = threading.Thread(target=interrupt)
    former = signal.signal(signal.SIGUSR1, give_up)
    try:
        thread.start()
        with hold_interrupts(signal.SIGUSR1), pytest.raises(KeyboardInterrupt):
            client.blpop(["list"], timeout=20)
    finally:
        signal.signal(signal.SIGUSR1, former)
        thread.join()
    assert store.engine.blocking.count == 0
    assert store.rpush("list", "x") == 1
    assert store.llen("list") == 1


def test_opening_a_store_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with kvcore.open(tmp_path, appendonly=False) as store:
        store.execute("MSET", "a", "1", "b", "2", "c", "3")
        store.save()
    added: list[bytes] = []
    add = Loader.add

    def interrupt(loader: Loader, index: int, key: bytes, *rest: Any) -> None:
        added.append(key)
        os.kill(os.getpid(), signal.SIGUSR1)
        add(loader, index, key, *rest)

    former = signal.signal(signal.SIGUSR1, give_up)
    monkeypatch.setattr(Loader, "add", interrupt)
    try:
        with hold_interrupts(signal.SIGUSR1), pytest.raises(KeyboardInterrupt):
            kvcore.open(tmp_path, appendonly=False)
    finally:
        signal.signal(signal.SIGUSR1, former)
        monkeypatch.undo()
    assert len(added) == 1
    with kvcore.open(tmp_path, appendonly=False) as store:
        assert store.mget("a", "b", "c") == [b"1", b"2", b"3"]


def test_handlers_are_put_back(handled: list[int]) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with hold_interrupts(signal.SIGUSR1):
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) is before
    with hold_interrupts(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # somebody else's from here on
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN


def test_a_signal_that_ends_the_process_still_does() -> None:
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
    with hold_interrupts(signal.SIGUSR2):
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


def test_other_threads_are_told_why_not() -> None:
    errors: list[str] = []

    def call() -> None:
        try:
            hold_interrupts()
        except ValueError as error:
            errors.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert errors == ["signals are handled in the main thread: call hold_interrupts() there"]
