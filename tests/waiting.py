"""Waiting for what another thread or process brings about.

Lives here: bounded waits on a condition, and a child process with a bounded life. Must not live here: sleeps that stand
for "long enough". The rule: a wait ends as soon as its condition holds, and fails by name when it never does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 30.0
POLL_SECONDS = 0.01


def until(what: str, condition: Callable[[], T], seconds: float = SECONDS, *, pause: float = POLL_SECONDS) -> T:
    """Return the first true value of ``condition``; fail saying ``what`` did not happen.

    It is time that is limited and never the number of looks: one side of a busy machine may look a thousand times
    while the other stands still. ``pause``, in seconds, lies between two looks.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)
    return value


async def until_async(what: str, condition: Callable[[], Awaitable[T]], seconds: float = SECONDS) -> T:
    """Do the same where the condition is awaited."""
    deadline = time.monotonic() + seconds
    while not (value := await condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(POLL_SECONDS)
    return value


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended: a client in the midst of its own time-out may lose one cancellation."""
    deadline = time.monotonic() + SECONDS
    while not all(task.done() for task in tasks):
        assert time.monotonic() < deadline, f"not cancelled within {SECONDS} s: {tasks}"
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=0.1)
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        assert error is None, f"a task ended with {error!r}"


@contextmanager
def child(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python ARGUMENTS`` from the repository's root; it and its own children end with the block."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # a group of its own, to end what it leaves behind
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
