"""What a network server knows of its process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kvcore.frontends import process
from kvcore.frontends.process import ServerProcess
from kvcore.ports import LocalProcess


def test_port_process_and_event_api() -> None:
    facts = ServerProcess(6380)
    assert (facts.tcp_port, facts.pid) == (6380, os.getpid())
    assert hasattr(select, facts.event_api)


@pytest.mark.skipif(not process._STATM.exists(), reason="the system has no /proc")
def test_memory_in_use_now_rises_and_falls() -> None:
    facts = ServerProcess(0)
    before = facts.memory_bytes()
    ballast = bytearray(b"x") * 64_000_000
    during = facts.memory_bytes()
    assert during - before > 32_000_000
    assert len(ballast) == 64_000_000
    del ballast
    assert facts.memory_bytes() < during - 32_000_000


def test_where_the_system_does_not_tell_it_is_the_peak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "_STATM", tmp_path / "absent")
    facts = ServerProcess(0)
    # The peak may rise between two looks, but never falls.
    low = facts.peak_memory_bytes()
    assert low <= facts.memory_bytes() <= facts.peak_memory_bytes()


@pytest.mark.parametrize(("segfault", "number"), [(True, signal.SIGSEGV), (False, signal.SIGABRT)])
def test_a_server_dies_of_the_signal_that_is_asked_for(segfault: bool, number: signal.Signals) -> None:
    program = f"from kvcore.frontends.process import ServerProcess; ServerProcess(1).crash({segfault})"
    died = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert died.returncode == -number


def test_a_process_that_is_not_ours_does_not_die() -> None:
    LocalProcess().crash(True)
