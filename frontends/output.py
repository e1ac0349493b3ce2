"""How the command line shows things: tables and progress bars on a terminal, plain text everywhere else.

What lives here: streams, widths, escapes. What must not: what is shown (:mod:`kvcore.frontends.tools`). The rule:
results go to standard output and all else to standard error; what came from a data set or a server is never let to a
terminal unescaped; a stream that is no terminal, ``NO_COLOR``, ``TERM=dumb`` or a missing ``rich`` mean plain text,
never an error.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import IO, Final

Watch = Callable[[int, int], None]
"""Told how much is done, and of how much in all; 0 in all means that nobody knows."""

_SHOWN_SECONDS: Final = 0.1
_STEPS: Final = 10
_PADDING: Final = 3  # of a column, with what is between columns
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def prepare() -> None:
    """See to it that no text is refused by a stream for its letters."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def is_rich(stream: IO[str]) -> bool:
    """Say whether a stream is a terminal that shows more than plain text, and ``rich`` is there to do it."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain and find_spec("rich") is not None


def printable(text: str | bytes) -> str:
    """Return text without anything a terminal would obey: control characters and what is not UTF-8 as escapes."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return _CONTROL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def say(text: str) -> None:
    """Print lines of a result."""
    print(printable(text))


def note(text: str) -> None:
    """Print a line beside the result."""
    sys.stderr.write(printable(" ".join(text.split())) + "\n")
    sys.stderr.flush()


# Tables


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", numbers: bool = True) -> None:
    """Print rows in columns; ``numbers`` if all columns but the first are numbers. O(rows)."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if is_rich(sys.stdout):
        _rich_table(headings, rows, title, numbers)
        return
    if title:
        say(f"# {title}")
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows) if any(headings) else rows:
        say(line(row, widths, numbers))


def line(row: Sequence[str], widths: Sequence[int], numbers: bool = True) -> str:
    """Return a row of a plain table."""
    first = row[0].ljust(widths[0])
    align = str.rjust if numbers else str.ljust
    return "  ".join([first, *(align(cell, width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()


def _rich_table(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str, numbers: bool) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    made = Table(box=SIMPLE, title=Text(printable(title)) if title else None, title_justify="left", pad_edge=False)
    made.show_header = any(headings)
    for number, heading in enumerate(headings):
        right = numbers and number > 0
        made.add_column(Text(heading), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    wanted = sum(max(map(len, column)) + _PADDING for column in zip(headings, *rows, strict=True))
    if numbers and wanted > console.width:
        for row in rows:  # too narrow for columns, and half a number would be a lie
            console.print(Text(row[0], style="bold"))
            for heading, cell in zip(headings[1:], row[1:], strict=True):
                console.print(Text(f"  {heading}: {cell}"))
        return
    console.print(made)


# Progress


@contextmanager
def progress(label: str) -> Iterator[Watch]:
    """Show how far long work has come: a bar, a line for each tenth on a plain terminal, nothing in a pipe."""
    with progresses() as begin:
        yield begin(label)


@contextmanager
def progresses() -> Iterator[Callable[[str], Watch]]:
    """Show pieces of work one after the other; the next takes the place of the one before."""
    if is_rich(sys.stderr):
        with _rich_progress() as begin:
            yield begin
    elif sys.stderr.isatty():
        yield _plain_progress
    else:
        yield lambda _label: _unwatched


def _unwatched(_done: int, _total: int) -> None:
    """Show nothing."""


def _plain_progress(label: str) -> Watch:
    shown = 0

    def watch(done: int, total: int) -> None:
        nonlocal shown
        step = min(_STEPS, _STEPS * done // total) if total else 0
        if step > shown:
            shown = step
            note(f"{label}: {100 * step // _STEPS}%")

    return watch


@contextmanager
def _rich_progress() -> Iterator[Callable[[str], Watch]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, emoji=False, markup=False)
    columns = [TextColumn("{task.description}", markup=False), BarColumn(None if console.width < 60 else 40)]
    columns.append(TaskProgressColumn())
    if console.width >= 60:
        columns += [TextColumn("{task.fields[counted]}", markup=False), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bars:
        task: TaskID | None = None

        def begin(label: str) -> Watch:
            nonlocal task
            if task is not None:
                bars.remove_task(task)
            task = current = bars.add_task(label, total=None, counted="")
            shown = 0.0

            def watch(done: int, total: int) -> None:
                nonlocal shown
                now = time.monotonic()
                if now - shown < _SHOWN_SECONDS and done != total:
                    return  # thousands of calls a second, of which ten can be seen
                shown = now
                counted = f"{done:,}/{total:,}" if total else f"{done:,}"
                completed = min(done, total) if total else done
                bars.update(current, completed=completed, total=total or None, counted=counted)

            return watch

        yield begin
