"""kvcore.frontends.logs: the line format, levels and handlers."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvcore.errors import ConfigError
from kvcore.frontends import logs

LINE = r"\d+:M \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d\.\d{3} %s %s\n"

logger = logging.getLogger("kvcore.test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logs.install("debug", "", stream)
    logs.set_role(handler, "M")
    yield stream
    logs.uninstall(handler)


@pytest.mark.parametrize(
    ("level", "mark"),
    [(logging.DEBUG, "\\."), (logs.VERBOSE, "-"), (logging.INFO, "\\*"), (logging.WARNING, "#"), (logging.ERROR, "#")],
)
def test_lines_look_like_the_real_servers(stream: io.StringIO, level: int, mark: str) -> None:
    logger.log(level, "port=%d.", 7777)
    assert re.fullmatch(LINE % (mark, r"port=7777\."), stream.getvalue())


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("verbose", 3), ("notice", 2), ("warning", 1)])
def test_loglevel(stream: io.StringIO, level: str, lines: int) -> None:
    logs.set_level(level)
    for number in logs.LEVELS.values():
        logger.log(number, "x")
    assert stream.getvalue().count("\n") == lines


def test_bytes_of_clients_can_be_written() -> None:
    stream = io.StringIO()
    handler = logs.install("debug", "", stream)
    logs.uninstall(handler)
    # Handed over directly: a test runner that captures the log could not ship such text between its processes.
    record = {"msg": "bad " + b"\xff".decode("utf-8", "surrogateescape"), "levelno": logging.WARNING}
    handler.handle(logging.makeLogRecord(record))
    assert stream.getvalue().endswith("bad \\udcff\n")


def test_tracebacks_follow_their_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        logger.exception("handler failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("# handler failed")
    assert rest[-1] == "ValueError: boom"


def test_a_log_file_and_its_errors(tmp_path: Path) -> None:
    handler = logs.install("notice", str(tmp_path / "log"))
    logger.info("x")
    logs.uninstall(handler)
    assert re.fullmatch(LINE.replace("M", "C", 1) % (r"\*", "x"), (tmp_path / "log").read_text())
    with pytest.raises(ConfigError, match="Can't open the log file: No such file or directory"):
        logs.install("notice", str(tmp_path / "no" / "log"))


def test_a_closed_reader_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    handler = logs.install("notice", "", Gone())
    logger.warning("x")
    logs.uninstall(handler)
    assert capsys.readouterr().err == ""
    assert logging.getLogger("kvcore").handlers == []
