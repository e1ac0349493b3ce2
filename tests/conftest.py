"""What holds for every test: Hypothesis's settings, slow tests only when asked for, an engine on a manual clock."""

from __future__ import annotations

import os
import random
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from kvcore.clock import ManualClock
from kvcore.engine import Engine
from tests.engine_client import Client
from tests.oracle.servers import find_oracle

settings.register_profile(
    "kvcore",
    deadline=None,  # a shared machine stalls now and then; pytest-timeout names what hangs
    derandomize=bool(os.environ.get("CI")),  # a red run can be repeated; elsewhere each run tries something new
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # `pair`: run_sequence() empties both sides
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kvcore"))


def pytest_report_header() -> str:
    """Say what the oracle tests compare with."""
    return f"oracle: {find_oracle() or 'none, the comparison is skipped'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked slow, unless -m names the marker or the command line names the test itself."""
    if "slow" in config.getoption("markexpr") or any("::" in argument for argument in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine(clock: ManualClock) -> Engine:
    return Engine(clock=clock, random=random.Random(7))


@pytest.fixture
def client(engine: Engine) -> Client:
    return Client(engine)


@pytest.fixture
def other(engine: Engine) -> Client:
    """A second client of the same engine."""
    return Client(engine)


@pytest.fixture
def effects(engine: Engine) -> list[list[bytes]]:
    """The commands that AOF and replicas would get, as they come."""
    log: list[list[bytes]] = []
    engine.subscribe(lambda unit: log.extend(argv for _, argv in unit))
    return log


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under ORACLE_REQUIRED=1 a test that skips fails: CI installs whatever a test may ask for."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("ORACLE_REQUIRED", "") not in ("", "0"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report
