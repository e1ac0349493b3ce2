"""Terminals, pipes, and what must not reach a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from kvcore.frontends import output

TABLE = """
from kvcore.frontends import output
output.prepare()
with output.progress("Work") as watch:
    for number in range(101):
        watch(number, 100)
output.table(("name", "rate", "p50"), [["one\\x1b[2J[red]", "1,234,567", "0.1"], ["two", "2", "30"]], title="Found")
"""
NARROW = """
from kvcore.frontends import output
output.table(("name", *("number",) * 6), [["row", *(f"{number:,}" for number in range(10**6, 10**6 + 6))]])
"""


def on_terminal(program: str, columns: int = 80, **environment: str) -> str:
    """Run a program on a terminal of its own and return what it wrote there."""
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=far,
        stdout=far,
        stderr=far,
        env={**kept, "TERM": "xterm-256color", **environment},
    )
    os.close(far)
    found = b""
    while True:
        try:
            data = os.read(near, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not data:
            break
        found += data
    os.close(near)
    assert process.wait(30) == 0, found.decode()
    return found.decode().replace("\r\n", "\n")


PLAIN = """# Found
name                  rate  p50
one\\x1b[2J[red]  1,234,567  0.1
two                      2   30
"""
STEPS = "".join(f"Work: {percent}%\n" for percent in range(10, 101, 10))


def test_a_terminal_gets_colours_and_a_bar() -> None:
    shown = on_terminal(TABLE)
    assert "\x1b[1m" in shown
    assert "━" in shown
    assert "one\\x1b[2J[red]" in shown
    assert "1,234,567" in shown


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_plain_terminal_gets_plain_text(environment: dict[str, str]) -> None:
    assert on_terminal(TABLE, **environment) == STEPS + PLAIN


def test_without_rich_it_is_plain(tmp_path: Path) -> None:
    hidden = "import importlib.util\nfound = importlib.util.find_spec\n"
    hidden += "importlib.util.find_spec = lambda name, *more: None if name == 'rich' else found(name, *more)\n"
    assert on_terminal(hidden + TABLE) == STEPS + PLAIN


def test_a_pipe_gets_the_table_alone() -> None:
    done = subprocess.run([sys.executable, "-c", TABLE], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == (PLAIN, "")


def test_a_narrow_terminal_gets_every_digit() -> None:
    shown = on_terminal(NARROW, columns=40)
    assert [f"number: {number:,}" in shown for number in range(10**6, 10**6 + 6)] == [True] * 6
    assert max(map(len, shown.splitlines())) <= 40


def test_what_is_escaped() -> None:
    assert output.printable(b"a\xff\x1b[2J\n") == "a\\xff\\x1b[2J\n"
    assert output.printable("\u202eabc\x9b1m\ud800") == "\\u202eabc\\x9b1m\\ud800"
    assert output.printable("gr\u00fcn \u2713") == "gr\u00fcn \u2713"


def test_a_note_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.note("one\ntwo\x07")
    assert capsys.readouterr().err == "one two\\x07\n"
