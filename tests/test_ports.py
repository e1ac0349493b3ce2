"""The facts about this process that need no file."""

from __future__ import annotations

import ctypes
import os
import sys

import pytest

from kvcore.frontends.process import ServerProcess
from kvcore.ports import LocalProcess

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="no resource module")


def test_identity() -> None:
    process = LocalProcess()
    assert process.pid == os.getpid()
    assert process.executable == sys.executable
    assert process.tcp_port == 0
    assert len(process.operating_system().split(" ")) >= 3


@UNIX
def test_memory_is_between_a_megabyte_and_the_machine() -> None:
    process = LocalProcess()
    assert 1 << 20 < process.memory_bytes() <= process.peak_memory_bytes()
    assert process.peak_memory_bytes() < process.total_memory_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_free_memory_can_be_given_back() -> None:
    process = ServerProcess(0)
    blocks = [bytes(2000) for _ in range(20_000)]
    last = bytes(2000)  # keeps the heap's end where it is
    full = process.memory_bytes()
    blocks.clear()
    process.release_memory()
    assert process.memory_bytes() < full - 20_000_000 or not has_malloc_trim()
    assert len(last) == 2000


def has_malloc_trim() -> bool:
    return hasattr(ctypes.CDLL(None), "malloc_trim")


@UNIX
def test_cpu_time_grows_with_work() -> None:
    process = LocalProcess()
    before = process.cpu_times()
    while process.cpu_times().user - before.user < 0.01:
        sum(range(10000))
    after = process.cpu_times()
    assert after.thread_user >= before.thread_user
    assert after.system >= before.system
