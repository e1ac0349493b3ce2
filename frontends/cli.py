"""kvcore-server: redis-server's command line, and a few options of our own.

Here: arguments, config files and the environment to one :class:`~kvcore.config.Config`, the start-up lines, the pid
file, the exit status. Not here: what a directive means (:mod:`kvcore.directives`), sockets (the front ends). The real
server's options become config lines and go through the same reader as a file, so that both fail alike; typer is asked
only about what is ours.

Weakest first: defaults, the config file and standard input, ``KVCORE_*`` variables, options.

Exit status: 0 after SIGTERM, SIGINT or SHUTDOWN and for ``--help`` and ``--version``; 1 for a wrong directive and
whatever keeps the server from starting. Users see one clear message, never a traceback (except in the log, with
``loglevel debug``).
"""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from types import FrameType
from typing import Protocol

from kvcore import __version__, plugins
from kvcore.config import Config, ConfigFileError, ConfigReadError, fatal, quote
from kvcore.directives import TABLE
from kvcore.errors import ConfigError, KvcoreError
from kvcore.frontends import logs, service
from kvcore.frontends.text_file import LocalFile

PROGRAM = "kvcore-server"

logger = logging.getLogger("kvcore.cli")

_ALONE = {"-h": "--help", "--help": "--help", "-v": "--version", "--version": "--version"}
"""Options that are looked at in the first place only; what follows them is not read."""

_PLACELESS = {
    "--sentinel": "this release has no Sentinel mode",
    "--test-memory": "a Python process cannot test memory; use memtest86 or the like",
    "--check-system": "it inspects what a C server needs of the kernel; kvcore needs none of it",
}


_HELP = """A Redis-compatible server.

Takes the command line and the configuration file of redis-server: every directive of redis.conf is an option, and "-"
first or last reads more of them from standard input. KVCORE_PORT=7777 in the environment means --port 7777; it is
stronger than the file and weaker than an option.
"""

_EPILOG = """\b
Often used directives:
  --port N              TCP port, 0 for a free one            [6379]
  --bind ADDRESS ...    addresses to listen on                [127.0.0.1 -::1]
  --unixsocket PATH     listen on a unix socket, too
  --requirepass TEXT    password clients have to give
  --maxclients N        connections at a time                 [10000]
  --server-threads N    event loops                           [1]
  --loglevel LEVEL      debug, verbose, notice or warning     [notice]
  --logfile PATH        log there instead of standard output

\b
Examples:
  kvcore-server
  kvcore-server --port 7777
  kvcore-server /etc/redis/redis.conf --loglevel verbose
  kvcore-server --port 0 --unixsocket /run/kvcore.sock --unixsocketperm 770
  echo 'maxclients 100' | kvcore-server -
  KVCORE_PORT=7777 kvcore-server --check-config
"""


class Server(Protocol):
    """What a front end's class makes."""

    def run(self, supervisor: service.Supervisor, load: Callable[[], object]) -> int:
        """Load, serve until told to stop, and tell who supervises; return the exit status. Raises as ``load`` does."""


class Storage(Protocol):
    """What a ``kvcore.storage`` entry point makes of an engine."""

    def load(self) -> bool:
        """Bring back what the last process left; False if there was nothing. Raises KvcoreError."""

    def close(self) -> bool:
        """Put on disk what is still to be put there; False if that failed."""


class ServerClass(Protocol):
    """What ``kvcore.frontends`` entry points name."""

    def __call__(self, engine: object, config: Config) -> Server:
        """Prepare a server; binds nothing yet."""


class Arguments:
    """The command line taken apart by redis-server's rules."""

    __slots__ = ("file", "options", "own", "stdin")

    def __init__(self) -> None:
        self.file = ""
        """The config file, or a pattern of several."""
        self.stdin = False
        """``-`` stood first or last: read config text from standard input."""
        self.options = ""
        """The options as config lines."""
        self.own: list[str] = []
        """What typer is asked about."""


class Own:
    """What our own options ask for."""

    __slots__ = ("check", "print", "version")

    def __init__(self) -> None:
        self.check = False
        self.print = False
        self.version = False


def parse_arguments(words: Sequence[str]) -> Arguments:
    """Take a command line apart.

    A word with two dashes is an option where one may begin; anything after it is a value, up to the next such word.
    Directly after an option's name even a word with dashes is its value; ``--save`` without one means no save points.
    """
    result = Arguments()
    if words and words[0] in _ALONE:
        result.own = [_ALONE[words[0]]]
        return result
    lines: list[str] = []
    position = 0
    if words and not words[0].startswith("-"):
        result.file, position = words[0], 1
    may_begin = True
    while position < len(words):
        word = words[position]
        following = words[position + 1] if position + 1 < len(words) else ""
        if word == "-" and position in (0, len(words) - 1):
            result.stdin = True
        elif may_begin and word in ("--check-config", "--print-config"):
            result.own.append(word)
        elif may_begin and word in _PLACELESS:
            raise ConfigError(f"{word} is not possible here: {_PLACELESS[word]}")
        elif may_begin and word.startswith("--"):
            lines.append(word[2:] + " ")
            alone = len(word.split()) == 1
            last = position + 1 == len(words)
            if alone and word.lower() == "--save" and (last or following.startswith("--")):
                lines[-1] += '""'
            else:
                may_begin = not alone
        else:
            if not lines:
                lines.append("")
            lines[-1] += quote(word) + " "
            may_begin = True
        position += 1
    result.options = "\n".join(lines)
    return result


def read_files(pattern: str) -> list[str]:
    """Return the texts of the config files a path or pattern names; raise ConfigReadError.

    A pattern that matches nothing is no error, a path without a file is: as for the real server.
    """
    paths = sorted(glob.glob(pattern)) if any(special in pattern for special in "*?[") else [pattern]
    texts = []
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                texts.append(file.read())
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigReadError(f"Fatal error, can't open config file '{path}': {reason}") from error
    return texts


def load_config(arguments: Arguments, environment: Mapping[str, str]) -> Config:
    """Build the configuration; raise ConfigError. Changes the working directory when a `dir` line says so."""
    from kvcore.frontends.users import check_while_reading  # it brings all commands: not for --help

    config = Config()
    check_while_reading(config)
    config.assign("dir", os.getcwd())
    config.on_change("dir", lambda: _enter(config))
    source = "".join(read_files(arguments.file)) if arguments.file else ""
    if arguments.file:
        config.file = os.path.abspath(arguments.file)
    if arguments.stdin:
        source += sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    config.load(source, read_files)
    config.load_environment(environment)
    # The real server reads the options as more lines behind an empty one, and counts on.
    config.load(arguments.options, read_files, source.count("\n") + 2)
    return config


def _enter(config: Config) -> None:
    try:
        os.chdir(config.string("dir"))
    except OSError as error:
        raise ConfigError(error.strerror or str(error)) from error
    config.assign("dir", os.getcwd())


def version_line() -> str:
    """Return what ``--version`` prints."""
    bits = 64 if sys.maxsize > 2**32 else 32
    python = f"{platform.python_implementation()}-{platform.python_version()}"
    return f"kvcore server v={__version__} bits={bits} python={python} platform={sys.platform}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run kvcore-server with the arguments of the process, or ``argv``; return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if find_spec("typer") is None:
        _complain(f"{PROGRAM} needs the [server] extra: pip install 'kvcore[server]'")
        return 1
    try:
        return _main(words)
    except ConfigFileError as error:
        sys.stderr.write(_writable(error.block()))
    except ConfigError as error:
        _complain(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains at exit
    except KeyboardInterrupt:
        _complain(f"{PROGRAM}: interrupted")
    return 1


def _main(words: list[str]) -> int:
    arguments = parse_arguments(words)
    own = Own()
    if arguments.own:
        status = _ask_typer(arguments.own, own)
        if status >= 0:
            return status
    try:
        config = load_config(arguments, os.environ)
    except ConfigReadError as error:
        log = logs.install(Config())
        logger.warning("%s", error)
        log.close()
        return 1
    if own.print:
        _print_config(config)
    if own.check:
        print("Configuration is valid")
    if own.print or own.check:
        return 0
    try:
        log = logs.install(config)
    except ConfigError as error:
        sys.stderr.write(_writable(fatal(str(error))))
        return 1
    config.on_change("loglevel", lambda: logs.set_level(config.string("loglevel")))
    config.on_change("crash-log-enabled", lambda: log.follow_crash_log(config))
    log.follow_crash_log(config)
    supervisor = service.find_supervisor(config, os.environ)
    if config.flag("daemonize") and supervisor.name == "no":
        service.leave_terminal()
        if not config.string("pidfile"):
            config.assign("pidfile", service.DEFAULT_PID_FILE)
    try:
        return _start(config, bool(words), log, supervisor)
    finally:
        log.close()


def _ask_typer(words: list[str], own: Own) -> int:
    """Fill in ``own``; return an exit status if that was all there was to do, -1 otherwise.

    typer is imported only here: a server that is asked nothing of ours starts without it.
    """
    import typer

    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command(help=_HELP, epilog=_EPILOG, options_metavar="[/path/redis.conf] [--directive value ...] [-]")
    def ours(
        frontend: str = typer.Option("asyncio", help="How clients are served: asyncio or threaded. A directive, too."),
        check_config: bool = typer.Option(False, "--check-config", help="Read the configuration and stop."),
        print_config: bool = typer.Option(False, "--print-config", help="Print every directive and stop."),
        version: bool = typer.Option(False, "-v", "--version", help="Print the version and stop."),
    ) -> None:
        del frontend  # config text already has it
        own.check, own.print, own.version = check_config, print_config, version

    typer.main.get_command(app).main(args=words, prog_name=PROGRAM, standalone_mode=False)
    if own.version:
        print(version_line())
    return 0 if own.version or "--help" in words else -1


def _start(config: Config, configured: bool, log: logs.Log, supervisor: service.Supervisor) -> int:
    """Announce the server and run it."""
    logger.warning("oO0OoO0OoO0Oo kvcore is starting oO0OoO0OoO0Oo")
    logger.warning("%s, pid=%d, just started", version_line(), os.getpid())
    if configured:
        logger.warning("Configuration loaded")
    else:
        logger.warning("Warning: no config file specified, using the default config: see %s --help", PROGRAM)
    log.set_role("M")
    for row in config.without_effect():
        logger.warning("'%s' is accepted. %s", row.name, row.status)
    try:
        return _serve_with_pid_file(config, log, supervisor)
    except KvcoreError as error:
        logger.warning("%s", error)
    except KeyboardInterrupt:
        logger.warning("Interrupted while starting")
    except Exception as error:  # the last line of defence: a message, not a traceback
        debugging = logger.isEnabledFor(logging.DEBUG)
        logger.critical("Stopped by %s: %s", type(error).__name__, error, exc_info=debugging)
    return 1


def _serve_with_pid_file(config: Config, log: logs.Log, supervisor: service.Supervisor) -> int:
    path = os.path.abspath(config.string("pidfile")) if config.string("pidfile") else ""
    if path:
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        except OSError as error:
            logger.info("Failed to write PID file: %s", error.strerror or error)
            path = ""
    try:
        status = _serve(config, log, supervisor)
    finally:
        if path:
            logger.info("Removing the pid file.")
            try:
                os.unlink(path)
            except OSError as error:
                logger.info("Failed to remove PID file: %s", error.strerror or error)
    if status == 0:
        logger.warning("kvcore is now ready to exit, bye bye...")
    return status


def frontend_name(config: Config) -> str:
    """Return the front end to run: `server-threads` beyond 1 needs the threaded one."""
    name = config.string("frontend")
    return "threaded" if name == "asyncio" and config.integer("server-threads") > 1 else name


def _serve(config: Config, log: logs.Log, supervisor: service.Supervisor) -> int:
    """Build the engine and run the chosen front end until it stops."""
    from kvcore.engine import Engine
    from kvcore.frontends.oom_score import OomScore
    from kvcore.frontends.title import keep_title
    from kvcore.frontends.users import open_acl_file

    plugins.load_commands()
    for module in config.modules:
        plugins.load_module(module)
    made: ServerClass = plugins.load("kvcore.frontends", frontend_name(config))  # type: ignore[assignment]
    engine = Engine(config)
    log.follow_role(lambda: engine.is_replica)
    persistence: Storage = plugins.load("kvcore.storage", "durable")(engine, exclusive=True)  # type: ignore[operator]
    open_acl_file(engine)
    keep_title(config, PROGRAM)
    OomScore(engine).keep()
    if config.file:
        engine.config_file = LocalFile(config.file)
    try:
        with _ended_by_sigterm():
            return made(engine, config).run(supervisor, persistence.load)
    finally:
        persistence.close()


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End the process in order at a SIGTERM that comes while no server listens to signals: nothing is to be saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, _stop_loading)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _stop_loading(_number: int, _frame: FrameType | None) -> None:
    logger.warning("Received shutdown signal, exiting now.")
    raise SystemExit(0)


def _print_config(config: Config) -> None:
    for row in sorted(TABLE, key=lambda row: row.name):
        shown = config.shown(row.name)
        if row.hidden or (row.name == "replicaof" and not shown):
            continue
        plain = shown.isascii() and all(letter.isalnum() or letter in "-_.:/*%" for letter in shown)
        several = isinstance(config.get(row.name), tuple)
        bare = shown and (plain or several)
        print(f"{row.name} {shown if bare else quote(shown)}")
    sys.stdout.flush()


def _writable(message: str) -> str:
    return message.encode("utf-8", "backslashreplace").decode()


def _complain(message: str) -> None:
    sys.stderr.write(_writable(message) + "\n")
