"""What a network server knows of its process."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from kvcore.frontends import process
from kvcore.frontends.process import ServerProcess


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
