"""The log: records of the ``kvcore`` loggers as lines, to `logfile`, standard output, and syslog.

Here: three formats (`log-format`), the level names, the handlers that the command line installs, and the crash log.
Nothing else in the package installs a handler or formats a record; embedding programs configure :mod:`logging`
themselves. The rule: a record is one line, whatever bytes of clients it holds, and only a traceback in the format
``redis`` adds lines.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import logging.handlers
import os
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from kvcore.config import Config
from kvcore.errors import ConfigError

if sys.platform != "win32":
    import syslog

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
_MARKS: Final = {"debug": ".", "verbose": "-", "notice": "*", "warning": "#"}
_ROLES: Final = {"C": "starting", "M": "primary", "S": "replica", "X": "sentinel"}


class LineFormatter(logging.Formatter):
    """What the formats share. ``role`` is ``C`` before the server runs and ``M`` (primary) after."""

    def __init__(self, role: str = "C") -> None:
        super().__init__()
        self.role = role
        self.is_replica: Callable[[], bool] | None = None
        """Asked for each line of a server that runs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line that any stream can write: clients' bytes are surrogates here."""
        return self.line(record).encode("utf-8", "backslashreplace").decode()

    @property
    def letter(self) -> str:
        """The role at this moment."""
        return "S" if self.role == "M" and self.is_replica is not None and self.is_replica() else self.role

    def line(self, record: logging.LogRecord) -> str:
        """Return the line, which each format has of its own."""
        raise AssertionError(record)

    def fields(self, record: logging.LogRecord) -> dict[str, str | int]:
        """Return the record by field, for formats that name them."""
        moment = time.localtime(record.created)
        zone = time.strftime("%z", moment)
        shown: dict[str, str | int] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{int(record.msecs):03d}{zone[:3]}:{zone[3:]}",
            "level": level_name(record.levelno),
            "module": module(record),
            "pid": record.process or os.getpid(),
            "role": _ROLES[self.letter],
            "message": record.getMessage(),
        }
        if record.exc_info:
            shown["traceback"] = self.formatException(record.exc_info)
        return shown


class RedisFormatter(LineFormatter):
    """redis-server's own: ``PID:ROLE DD Mon YYYY HH:MM:SS.mmm MARK text``, a traceback below it."""

    def line(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.localtime(record.created)
        stamp = (
            f"{moment.tm_mday:02d} {_MONTHS[moment.tm_mon - 1]} {moment.tm_year} "
            f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}.{int(record.msecs):03d}"
        )
        mark = _MARKS[level_name(record.levelno)]
        line = f"{record.process or os.getpid()}:{self.letter} {stamp} {mark} {_one_line(record.getMessage())}"
        return line + "\n" + self.formatException(record.exc_info) if record.exc_info else line


class JsonFormatter(LineFormatter):
    """An object with the fields time, level, module, pid, role, message, and traceback where there is one."""

    def line(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return json.dumps(self.fields(record))


class LogfmtFormatter(LineFormatter):
    """The same fields as ``key=value`` pairs, quoted where a value needs it."""

    def line(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return " ".join(f"{name}={_logfmt(str(value))}" for name, value in self.fields(record).items())


FORMATS: Final[dict[str, type[LineFormatter]]] = {
    "redis": RedisFormatter,
    "json": JsonFormatter,
    "logfmt": LogfmtFormatter,
}
"""`log-format` to the formatter."""


def level_name(level: int) -> str:
    """Return the name that `loglevel` has for a level."""
    if level >= logging.WARNING:
        return "warning"
    if level >= logging.INFO:
        return "notice"
    return "verbose" if level >= VERBOSE else "debug"


def module(record: logging.LogRecord) -> str:
    """Return the part of kvcore that speaks: ``server``, ``tls``, ``cli``."""
    return record.name.removeprefix("kvcore.")


def _one_line(message: str) -> str:
    """A client's line end must not begin a forged line."""
    return message.replace("\r", "\\r").replace("\n", "\\n")


def _logfmt(value: str) -> str:
    plain = value and value.isprintable() and not any(letter in ' "=\\' for letter in value)
    return value if plain else json.dumps(value)


class _ConsoleHandler(logging.StreamHandler[TextIO]):
    """Standard output, flushed line by line. A closed pipe ends the log, not the server."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report what is not a lost reader."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)


class _FileHandler(logging.handlers.WatchedFileHandler):
    """A file that may be moved away, deleted or cut under us. A full disk ends the line, not the server."""

    def close(self) -> None:
        """Close the file; what a full disk did not take is lost."""
        with contextlib.suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report what is not the file system's trouble."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)


class SyslogHandler(logging.Handler):
    """The system's log; it adds time, process id and level itself."""

    def __init__(self, ident: str, facility: str) -> None:
        super().__init__()
        code: int = getattr(syslog, f"LOG_{facility.upper()}")
        syslog.openlog(ident, syslog.LOG_PID | syslog.LOG_NDELAY | syslog.LOG_NOWAIT, code)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record with the priority of its level."""
        priority = {
            "debug": syslog.LOG_DEBUG,
            "verbose": syslog.LOG_INFO,
            "notice": syslog.LOG_NOTICE,
            "warning": syslog.LOG_WARNING,
        }[level_name(record.levelno)]
        text = _one_line(record.getMessage())
        if record.exc_info:
            text += " " + _one_line(logging.Formatter().formatException(record.exc_info))
        # A NUL ends a C string, and syslog refuses it.
        syslog.syslog(priority, text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0"))

    def close(self) -> None:
        """Close the connection to the system's log."""
        syslog.closelog()
        super().close()


class Log:
    """The handlers of one server, from :func:`install` to :meth:`close`."""

    __slots__ = ("_crash_file", "_formatter", "_handlers")

    def __init__(self, handlers: list[logging.Handler], formatter: LineFormatter) -> None:
        self._handlers = handlers
        self._formatter = formatter
        self._crash_file: TextIO | None = None

    def set_role(self, role: str) -> None:
        """Change the role of the lines to come."""
        self._formatter.role = role

    def follow_role(self, is_replica: Callable[[], bool]) -> None:
        """Have the lines to come say whether the server is a replica."""
        self._formatter.is_replica = is_replica

    def follow_crash_log(self, config: Config) -> None:
        """Have a fatal signal write the stack of every thread to the log, or not (`crash-log-enabled`)."""
        faulthandler.disable()
        self._close_crash_file()
        if not config.flag("crash-log-enabled"):
            return
        path = config.string("logfile")
        if path:
            # Open all the time: in a crash there is no opening files.
            self._crash_file = open(path, "a", encoding="utf-8")  # noqa: SIM115
        file = self._crash_file or sys.__stderr__
        if file is not None:
            faulthandler.enable(file, all_threads=True)

    def _close_crash_file(self) -> None:
        if self._crash_file is not None:
            self._crash_file.close()
            self._crash_file = None

    def close(self) -> None:
        """Take the handlers away again."""
        faulthandler.disable()
        self._close_crash_file()
        logger = logging.getLogger("kvcore")
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
        for handler in self._handlers:
            logger.removeHandler(handler)
            handler.close()


def install(config: Config, stream: TextIO | None = None) -> Log:
    """Send the ``kvcore`` loggers where the directives say; ``stream`` stands in for standard output.

    The file is reopened when it was moved away. Raises ConfigError if it cannot be opened.
    """
    formatter = FORMATS[config.string("log-format")]()
    path = config.string("logfile")
    handlers: list[logging.Handler] = []
    if path:
        try:
            handlers.append(_FileHandler(path, encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"Can't open the log file: {error.strerror or error}") from error
    else:
        handlers.append(_ConsoleHandler(stream if stream is not None else sys.stdout))
    handlers[0].setFormatter(formatter)
    if config.flag("syslog-enabled"):
        handlers.append(SyslogHandler(config.string("syslog-ident"), config.string("syslog-facility")))
    logger = logging.getLogger("kvcore")
    for handler in handlers:
        logger.addHandler(handler)
    logger.propagate = False
    set_level(config.string("loglevel"))
    return Log(handlers, formatter)


def set_level(level: str) -> None:
    """Follow `loglevel`."""
    logging.getLogger("kvcore").setLevel(LEVELS[level])
