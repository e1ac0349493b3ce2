"""The process's OOM score: when it is set, to what, and what happens where it cannot be."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from kvcore.engine import Engine
from kvcore.errors import ConfigError
from kvcore.frontends.oom_score import OomScore
from kvcore.frontends.threaded_server import ThreadedServer
from tests.oracle.servers import start_kvcore


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    ThreadedServer(engine, engine.config)  # brings replication
    return engine


@pytest.fixture
def score(tmp_path: Path, engine: Engine) -> Path:
    path = tmp_path / "oom_score_adj"
    path.write_text("22\n")
    OomScore(engine, path).keep()
    return path


def change(engine: Engine, **directives: str) -> None:
    for name, value in directives.items():
        engine.config.set(name.replace("_", "-"), value)


def test_it_is_left_alone_unless_asked(engine: Engine, score: Path) -> None:
    change(engine, oom_score_adj_values="1 2 3")
    score.write_text("5\n")
    change(engine, oom_score_adj_values="4 5 6")
    assert score.read_text() == "5\n"


def test_relative_absolute_and_back(engine: Engine, score: Path) -> None:
    change(engine, oom_score_adj_values="9 20 30", oom_score_adj="yes")
    assert score.read_text() == "31\n"
    change(engine, oom_score_adj_values="10 20 30")
    assert score.read_text() == "32\n"
    change(engine, oom_score_adj="absolute")
    assert score.read_text() == "10\n"
    change(engine, oom_score_adj="relative")
    assert score.read_text() == "32\n"
    change(engine, oom_score_adj="no")
    assert score.read_text() == "22\n"


def test_it_stays_within_what_the_system_takes(engine: Engine, score: Path) -> None:
    change(engine, oom_score_adj_values="2000 0 0", oom_score_adj="yes")
    assert score.read_text() == "1000\n"
    change(engine, oom_score_adj_values="-2000 0 0")
    assert score.read_text() == "-1000\n"


def test_a_replica_has_the_second_value(engine: Engine, score: Path) -> None:
    change(engine, oom_score_adj_values="1 2 3", oom_score_adj="yes")
    engine.replication.follow("127.0.0.1", 1)
    assert score.read_text() == "24\n"
    engine.replication.lead()
    assert score.read_text() == "23\n"


def test_what_cannot_be_set_is_refused_and_logged(
    engine: Engine, score: Path, caplog: pytest.LogCaptureFixture
) -> None:
    score.unlink()
    score.mkdir()
    with pytest.raises(ConfigError, match=r"Failed to set current oom_score_adj\. Check server logs\."):
        change(engine, oom_score_adj="yes")
    assert engine.config.string("oom-score-adj") == "no"
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "Unable to set oom_score_adj: Is a directory"
    ]


def test_values_that_cannot_be_set_leave_the_former_ones(engine: Engine, score: Path) -> None:
    change(engine, oom_score_adj="yes")
    score.unlink()
    score.mkdir()
    with pytest.raises(ConfigError, match="Failed to set"):
        change(engine, oom_score_adj_values="1 2 3")
    assert engine.config.strings("oom-score-adj-values") == ("0", "200", "800")
    score.rmdir()
    change(engine, oom_score_adj="no")
    assert score.read_text() == "22\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_sets_its_own() -> None:
    own = int(Path("/proc/self/oom_score_adj").read_text())
    server = start_kvcore("asyncio", "--oom-score-adj", "yes", "--oom-score-adj-values", "7", "8", "9")
    try:
        assert int(Path(f"/proc/{server.pid}/oom_score_adj").read_text()) == min(own + 7, 1000)
    finally:
        server.stop()
