"""Log lines in the real server's format: ``PID:M DD Mon YYYY HH:MM:SS.mmm * text``.

Here: the formatter, the level names and the handler that the command line installs on the ``kvcore`` logger. Nothing
else in the package installs a handler or formats a record; embedding programs configure :mod:`logging` themselves.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import time
from typing import Final, TextIO

from kvcore.errors import ConfigError

VERBOSE: Final = 15
"""Between DEBUG and INFO: what `loglevel verbose` adds."""

LEVELS: Final = {
    "debug": logging.DEBUG,
    "verbose": VERBOSE,
    "notice": logging.INFO,
    "warning": logging.WARNING,
}
"""`loglevel` to the lowest level logged."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class RedisFormatter(logging.Formatter):
    """Format records as redis-server does. ``role`` is ``C`` before the server runs and ``M`` (primary) after."""

    def __init__(self) -> None:
        super().__init__()
        self.role = "C"

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and a traceback below it if the record carries one."""
        moment = time.localtime(record.created)
        stamp = (
            f"{moment.tm_mday:02d} {_MONTHS[moment.tm_mon - 1]} {moment.tm_year} "
            f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}.{int(record.msecs):03d}"
        )
        line = f"{record.process or os.getpid()}:{self.role} {stamp} {mark(record.levelno)} {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        # Clients' bytes are surrogates here; no stream can write those.
        return line.encode("utf-8", "backslashreplace").decode()


def mark(level: int) -> str:
    """Return the character that stands for a level."""
    if level >= logging.WARNING:
        return "#"
    if level >= logging.INFO:
        return "*"
    return "-" if level >= VERBOSE else "."


class _ConsoleHandler(logging.StreamHandler[TextIO]):
    """Standard output, flushed line by line. A closed pipe ends the log, not the server."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report what is not a lost reader."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)


def install(level: str, path: str, stream: TextIO | None = None) -> logging.Handler:
    """Send the ``kvcore`` loggers to the file ``path``, or to ``stream`` (standard output) if it is empty.

    The file is reopened when it was moved away. Raises ConfigError if it cannot be opened.
    """
    handler: logging.Handler
    if path:
        try:
            handler = logging.handlers.WatchedFileHandler(path, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"Can't open the log file: {error.strerror or error}") from error
    else:
        handler = _ConsoleHandler(stream if stream is not None else sys.stdout)
    handler.setFormatter(RedisFormatter())
    logger = logging.getLogger("kvcore")
    logger.addHandler(handler)
    logger.propagate = False
    set_level(level)
    return handler


def uninstall(handler: logging.Handler) -> None:
    """Take a handler of :func:`install` away again and close it."""
    logger = logging.getLogger("kvcore")
    logger.removeHandler(handler)
    logger.propagate = True
    logger.setLevel(logging.NOTSET)
    handler.close()


def set_level(level: str) -> None:
    """Follow `loglevel`."""
    logging.getLogger("kvcore").setLevel(LEVELS[level])


def set_role(handler: logging.Handler, role: str) -> None:
    """Change the role letter of a handler of :func:`install`."""
    formatter = handler.formatter
    assert isinstance(formatter, RedisFormatter)
    formatter.role = role
