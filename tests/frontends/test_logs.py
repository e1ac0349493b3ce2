"""kvcore.frontends.logs: the three formats, levels, files that move, syslog, the crash log."""

from __future__ import annotations

import faulthandler
import io
import json
import logging
import re
import subprocess
import sys
import syslog
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvcore.config import Config
from kvcore.errors import ConfigError
from kvcore.frontends import logs

LINE = r"\d+:M \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d\.\d{3} %s %s\n"

logger = logging.getLogger("kvcore.test")


def config(**values: str) -> Config:
    made = Config()
    for name, value in {"loglevel": "debug", **values}.items():
        made.set(name.replace("_", "-"), value)
    return made


class Written(io.StringIO):
    """What a log in a chosen format writes."""


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> Iterator[Written]:
    written = Written()
    log = logs.install(config(log_format=getattr(request, "param", "redis")), written)
    log.set_role("M")
    yield written
    log.close()


@pytest.mark.parametrize(
    ("level", "mark"),
    [(logging.DEBUG, "\\."), (logs.VERBOSE, "-"), (logging.INFO, "\\*"), (logging.WARNING, "#"), (logging.ERROR, "#")],
)
def test_lines_look_like_the_real_servers(stream: Written, level: int, mark: str) -> None:
    logger.log(level, "port=%d.", 7777)
    assert re.fullmatch(LINE % (mark, r"port=7777\."), stream.getvalue())


def test_a_replicas_lines_say_so() -> None:
    written = Written()
    log = logs.install(config(), written)
    role = [False]
    log.follow_role(lambda: role[0])
    logger.info("starting")
    log.set_role("M")
    logger.info("primary")
    role[0] = True
    logger.info("replica")
    log.close()
    assert [line.split()[0].partition(":")[2] for line in written.getvalue().splitlines()] == ["C", "M", "S"]


@pytest.mark.parametrize("stream", ["json"], indirect=True)
def test_json(stream: Written) -> None:
    logger.info('say "%s"', "x\ny")
    [line] = stream.getvalue().splitlines()
    shown = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", shown.pop("time"))
    assert shown.pop("pid") > 0
    assert shown == {"level": "notice", "module": "test", "role": "primary", "message": 'say "x\ny"'}


@pytest.mark.parametrize("stream", ["logfmt"], indirect=True)
def test_logfmt(stream: Written) -> None:
    logger.warning('say "%s"', "x\ny")
    logger.debug("quiet")
    first, second = stream.getvalue().splitlines()
    assert first.endswith(r' role=primary message="say \"x\ny\""')
    assert re.fullmatch(r"time=\S+ level=debug module=test pid=\d+ role=primary message=quiet", second)


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("verbose", 3), ("notice", 2), ("warning", 1)])
def test_loglevel(stream: Written, level: str, lines: int) -> None:
    logs.set_level(level)
    for number in logs.LEVELS.values():
        logger.log(number, "x")
    assert stream.getvalue().count("\n") == lines


@pytest.mark.parametrize("name", sorted(logs.FORMATS))
def test_bytes_of_clients_can_be_written(name: str) -> None:
    # Formatted directly: a test runner that captures the log could not ship such text between its processes.
    bad = b"\xff".decode("utf-8", "surrogateescape")
    record = {"msg": "bad " + bad, "name": "kvcore.x", "levelno": logging.INFO, "created": 0.0, "msecs": 0.0}
    line = logs.FORMATS[name]().format(logging.makeLogRecord(record))
    assert "udcff" in line.encode().decode()


def test_a_line_end_of_a_client_forges_no_line(stream: Written) -> None:
    logger.warning("name %s", "x\r\n1:M 01 Jan 2026 00:00:00.000 # forged")
    assert stream.getvalue().count("\n") == 1
    assert r"name x\r\n1:M" in stream.getvalue()


def test_tracebacks_follow_their_line(stream: Written) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        logger.exception("handler failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("# handler failed")
    assert rest[-1] == "ValueError: boom"


@pytest.mark.parametrize("stream", ["json"], indirect=True)
def test_a_traceback_is_a_field_where_fields_have_names(stream: Written) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        logger.exception("handler failed")
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["traceback"].endswith("ValueError: boom")


# Files


def test_a_log_file_is_followed_when_it_moves_or_goes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = logs.install(config(logfile=str(path)))
    logger.info("first")
    path.rename(tmp_path / "log.1")
    logger.info("second")
    path.unlink()
    logger.info("third")
    path.write_text("")  # copied and cut
    logger.info("fourth")
    log.close()
    assert (tmp_path / "log.1").read_text().endswith("* first\n")
    assert path.read_text().endswith("* fourth\n")
    assert re.fullmatch(LINE.replace("M", "C", 1) % (r"\*", "fourth"), path.read_text())


def test_a_log_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Can't open the log file: No such file or directory"):
        logs.install(config(logfile=str(tmp_path / "no" / "log")))


def test_a_full_disk_or_a_closed_reader_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    log = logs.install(config(), Gone())
    logger.warning("x")
    log.close()
    log = logs.install(config(logfile="/dev/full"))
    logger.warning("x")
    log.close()
    assert capsys.readouterr().err == ""
    assert logging.getLogger("kvcore").handlers == []


# Syslog


def test_syslog_gets_the_bare_text_with_a_priority(stream: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, ...]] = []
    sent: list[tuple[int, str]] = []
    monkeypatch.setattr(syslog, "openlog", lambda *words: opened.append(words))
    monkeypatch.setattr(syslog, "syslog", lambda priority, text: sent.append((priority, text)))
    log = logs.install(config(syslog_enabled="yes", syslog_ident="kv", syslog_facility="local3"), io.StringIO())
    for level in logs.LEVELS.values():
        logger.log(level, "a\0b\nc")
    log.close()
    assert (opened[0][0], opened[0][2]) == ("kv", syslog.LOG_LOCAL3)
    priorities = [syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING]
    assert sent == [(priority, r"a\0b\nc") for priority in priorities]


# The crash log


def test_a_fatal_signal_leaves_the_stacks_in_the_log(tmp_path: Path) -> None:
    program = (
        "import os, signal\nfrom kvcore.config import Config\nfrom kvcore.frontends import logs\n"
        f"config = Config()\nconfig.set('logfile', {str(tmp_path / 'log')!r})\nlog = logs.install(config)\n"
        "log.follow_crash_log(config)\nos.kill(os.getpid(), signal.SIGABRT)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False, capture_output=True)
    assert ended.returncode < 0
    assert "Fatal Python error: Aborted" in (tmp_path / "log").read_text()


def test_the_crash_log_can_be_switched_off(stream: Written) -> None:
    before = faulthandler.is_enabled()  # pytest's own
    log = logs.install(config(crash_log_enabled="no"), io.StringIO())
    log.follow_crash_log(config(crash_log_enabled="no"))
    assert not faulthandler.is_enabled()
    log.close()
    if before:
        faulthandler.enable()
