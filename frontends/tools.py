"""``kvcore``: the command line beside the server's, for files, data sets and measurements.

    kvcore check-rdb dump.rdb
    kvcore check-aof --fix appendonlydir/appendonly.aof.manifest
    kvcore dump /var/lib/redis > data.jsonl
    kvcore load data.jsonl redis://127.0.0.1:6379/0
    kvcore import redis://127.0.0.1:6379 data
    kvcore bench redis://127.0.0.1:6379

What lives here: arguments, the words of results, exit statuses. What must not: what the commands do, which is that of
storage, :mod:`kvcore.frontends.transfer` and :mod:`kvcore.frontends.bench`; how a terminal shows it, which is that of
:mod:`kvcore.frontends.output`. The rule: results go to standard output, everything else to standard error, an error
is one line; 0 is success, 1 that something is wrong with the data or the server (or, in silence, that nobody reads the
pipe any more), 2 a wrong command line, 130 an interruption.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import IO, Annotated

try:
    import typer
except ImportError:
    raise SystemExit("kvcore needs the [server] extra: pip install 'kvcore[server]'") from None

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import KvcoreError
from kvcore.frontends import bench as benchmark
from kvcore.frontends import bench_results, output, transfer
from kvcore.frontends.bench_results import Sample
from kvcore.frontends.bench_tests import TESTS, Plan, Test, chosen
from kvcore.frontends.output import Watch, note, progress, say
from kvcore.frontends.remote import Remote
from kvcore.frontends.remote_address import hidden
from kvcore.storage import check, json_lines
from kvcore.storage.aof_reader import AofReader
from kvcore.storage.aof_text import encode, recreate
from kvcore.storage.durable import Durable
from kvcore.storage.files import SystemFiles, write_all
from kvcore.storage.progress import Progress

app = typer.Typer(
    help="Look at, check, copy and measure data sets.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if output.is_rich(sys.stdout) else None,
)

Record = tuple[int, bytes, object, int | None]
"""Database, key, value, and the Unix time in milliseconds at which it expires."""

_READ_BYTES = 1 << 20
_WRITE_BYTES = 1 << 16
_BATCH = 256

_ALL = " ".join(TESTS)

INTERRUPTED = 130
"""What a shell sees of a program that SIGINT ended: 128 and the signal's number."""

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer's parser raises, whichever parser it brings."""


def _fail(message: str) -> typer.Exit:
    note(f"kvcore: {message}")
    return typer.Exit(1)


def _told(error: Exception) -> str:
    """Return what an error says in one line, the file's name included."""
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        return f"{os.fsdecode(name)}: {error.strerror}" if isinstance(name, str | bytes) else error.strerror
    return str(error) or type(error).__name__


# Checking


@app.command("check-rdb")
def check_rdb(path: Annotated[str, typer.Argument(help="The snapshot file, dump.rdb or another.")]) -> None:
    """Read a snapshot file to its end, every value included, and say whether it is whole."""
    try:
        with progress("Checking") as watch:
            report = check.check_rdb(SystemFiles(), path, watch)
    except OSError as error:
        raise _fail(f"{path}: {error.strerror or error}") from None
    for name, text in report.facts.items():
        say(f"{name}: {text}")
    say(f"keys: {report.keys}, with a time to live: {report.expires}, function libraries: {report.functions}")
    for name, count in sorted(report.types.items()):
        say(f"  {name}: {count}")
    if not report.is_valid:
        raise _fail(f"{path} is not valid: {report.error}")
    say(f"{path} is valid: {report.size} bytes")


@app.command("check-aof")
def check_aof(
    path: Annotated[str, typer.Argument(help="A manifest, its directory, or one file of the log.")],
    fix: Annotated[bool, typer.Option("--fix", help="Cut the last file off behind its last whole command.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before cutting.")] = False,
) -> None:
    """Read an append-only file to its end, and say where it stops making sense."""
    files = SystemFiles()
    try:
        path = _manifest_in(path)
        with progress("Checking") as watch:
            if path.endswith(".manifest"):
                reports = check.check_log(files, path, watch)
                total = len(check.read_manifest(files, path).files)
            else:
                reports, total = [check.check_aof(files, path, watch)], 1
    except (OSError, KvcoreError) as error:
        raise _fail(_told(error) if isinstance(error, OSError) else f"{path}: {error}") from None
    for report in reports:
        state = "valid" if report.is_valid else f"not valid: {report.error}"
        say(
            f"{report.path}: {report.size} bytes, {report.keys} keys, {report.commands} commands, "
            f"good up to {report.valid_up_to}: {state}"
        )
    last = reports[-1]
    if last.is_valid:
        say("All of it is valid")
        return
    if not fix:
        raise _fail(
            "use --fix to cut the file off where it stops making sense" if len(reports) == total else last.error
        )
    if len(reports) < total:
        raise _fail("only the last file of a log can be cut off: what follows builds on what would be lost")
    lost = last.size - last.valid_up_to
    if not yes:
        typer.confirm(f"Cut {lost} bytes off {last.path}, leaving {last.valid_up_to}?", abort=True, err=True)
    check.fix(files, last)
    say(f"{last.path}: cut to {last.valid_up_to} bytes, {lost} bytes are gone")


def _manifest_in(path: str) -> str:
    """Return the manifest in a directory, or in the ``appendonlydir`` in it; anything else as it is."""
    for directory in (path, os.path.join(path, "appendonlydir")):
        if os.path.isdir(directory):
            found = sorted(name for name in os.listdir(directory) if name.endswith(".manifest"))
            if found:
                return os.path.join(directory, found[0])
    return path


# Export and import


@app.command()
def dump(
    source: Annotated[str, typer.Argument(help="A snapshot file, a data directory, or redis://HOST:PORT/DB.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Write there instead of standard output.")
    ] = "-",
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="json: an object a line; resp: commands.")
    ] = "json",
) -> None:
    """Write every key of a data set as JSON lines, or as the commands that make it."""
    if form not in ("json", "resp"):
        raise typer.BadParameter("json or resp", param_hint="--format")
    if form == "resp" and output == "-" and sys.stdout.isatty():
        raise typer.BadParameter("commands are nothing for a terminal", param_hint="--output")
    try:
        with transfer.created(output) as file, progress("Dumping") as watch:
            waiting = bytearray()
            for piece in _dumped(_records(source, watch), form):
                waiting += piece
                if len(waiting) >= _WRITE_BYTES:
                    write_all(file, bytes(waiting))
                    waiting.clear()
            write_all(file, bytes(waiting))
    except BrokenPipeError:
        raise
    except (OSError, KvcoreError) as error:
        raise _fail(_told(error)) from None


def _dumped(records: Iterable[Record], form: str) -> Iterator[bytes]:
    """Yield each key of a data set as text."""
    selected = -1
    for db, key, value, at_ms in records:
        if form == "json":
            yield json_lines.line(db, key, value, at_ms).encode() + b"\n"
            continue
        if db != selected:
            selected = db
            yield encode((b"SELECT", b"%d" % db))
        yield from map(encode, recreate(key, value, at_ms))


@app.command()
def load(
    path: Annotated[str, typer.Argument(help="What dump wrote, or - for standard input; either format.")],
    target: Annotated[str, typer.Argument(help="A data directory, or redis://HOST:PORT/DB.")],
) -> None:
    """Put the keys of a dump into a data directory or a server; what has the same names is replaced."""
    try:
        with _input(path) as file, progress("Loading") as watch, transfer.opened(target) as place:
            size = os.fstat(file.fileno()).st_size if path != "-" else 0
            count = _run_all(_commands(file, size, watch), place)
    except (OSError, KvcoreError) as error:
        raise _fail(_told(error)) from None
    note(f"{count} commands")


_SOURCE = "redis://[[USER]:PASSWORD@]HOST[:PORT] for all databases, with /DB for one; rediss:// for TLS, unix:///PATH."


def _choice(source: Remote, pattern: str, databases: list[int], replace: bool) -> transfer.Choice:
    named = source.database
    if databases and named is not None and set(databases) != {named}:
        raise KvcoreError(f"--db and the URL name different databases: leave /{named} out of the URL")
    return transfer.Choice(
        os.fsencode(pattern) if pattern else None, frozenset(databases) if databases else None, replace
    )


Pattern = Annotated[str, typer.Option("--pattern", metavar="GLOB", help="Only keys that match, and no functions.")]
Databases = Annotated[
    list[int], typer.Option("--db", metavar="N", min=0, help="Only this database; may be given several times.")
]


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(help=_SOURCE)],
    target: Annotated[str, typer.Argument(help="A data directory, or the URL of a server.")],
    pattern: Pattern = "",
    db: Databases = [],  # noqa: B006 - typer takes a list for several
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite keys and functions that the target has already.")
    ] = False,
    state: Annotated[
        str,
        typer.Option(
            "--state",
            metavar="FILE",
            help="Where it is noted how far the import came: TARGET.import.json, or kvcore-import.json for a server.",
        ),
    ] = "",
) -> None:
    """Copy a server's data set while it serves, by SCAN and DUMP. Run again after an interruption, it goes on."""
    if not state:
        state = "kvcore-import.json" if _is_url(target) else f"{target.rstrip('/')}.import.json"
    try:
        with closing(Remote(source)) as remote:
            choice = _choice(remote, pattern, db, replace)
            position = transfer.Position(state, source, target, choice)
            position.begin(remote.check())
            with progress("Importing") as watch, transfer.opened(target) as place:
                copied = transfer.copy(remote, place, position, choice, watch)
    except (OSError, KvcoreError) as error:
        raise _fail(_told(error)) from None
    note(f"{copied.arrived} keys")
    if copied.kept:
        note(f"{copied.kept} keys were there already and stay as they are: --replace overwrites them")


@app.command()
def export(
    source: Annotated[str, typer.Argument(help=_SOURCE)],
    path: Annotated[str, typer.Argument(help="The snapshot file to write, - for standard output.")],
    pattern: Pattern = "",
    db: Databases = [],  # noqa: B006 - typer takes a list for several
) -> None:
    """Write a server's data set to a snapshot file, while it serves, that any Redis server can be started on."""
    if path == "-" and sys.stdout.isatty():
        raise typer.BadParameter("a snapshot is nothing for a terminal", param_hint="PATH")
    try:
        with closing(Remote(source)) as remote, progress("Exporting") as watch:
            count = transfer.save(remote, path, _choice(remote, pattern, db, False), watch)
    except BrokenPipeError:
        raise
    except (OSError, KvcoreError) as error:
        raise _fail(_told(error)) from None
    note(f"{count} keys")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def serve(context: typer.Context) -> None:
    """Run the server; takes what kvcore-server takes."""
    from kvcore.frontends.cli import main as run_server

    raise typer.Exit(run_server(context.args))


@app.command()
def info(
    source: Annotated[str, typer.Argument(help="redis://HOST:PORT, a data directory, or a snapshot file.")],
    section: Annotated[str, typer.Argument(help="A section of INFO; all of them if none is named.")] = "",
) -> None:
    """Show what a server tells of itself, or what a directory or file holds."""
    try:
        if not _is_url(source):
            with progress("Reading") as watch:
                engine = _read(source, watch)
            found = [db for db in engine.keyspace.databases if db.size]
            rows = [[f"db{db.index}", f"{db.size}", f"{db.expires.size}"] for db in found]
            output.table(("database", "keys", "with a time to live"), rows)
            return
        with closing(Remote(source)) as remote:
            reply = remote.ask(b"INFO", *([os.fsencode(section)] if section else []))
    except BrokenPipeError:
        raise
    except (OSError, KvcoreError) as error:
        raise _fail(_told(error)) from None
    _show_info(reply.decode("utf-8", "replace"))


def _show_info(text: str) -> None:
    """Print INFO: as it is in a pipe, a table for each section on a terminal."""
    if not output.is_rich(sys.stdout):
        say("\n".join(text.splitlines()))
        return
    title, rows = "", list[list[str]]()
    for line in [*text.splitlines(), "#"]:
        if line.startswith("#"):
            if rows:
                output.table(("", ""), rows, title=title, numbers=False)
            title, rows = line.strip("# "), []
        elif line:
            name, _, value = line.partition(":")
            rows.append([name, value])


# Measuring


@app.command()
def bench(
    url: Annotated[
        str,
        typer.Argument(help="redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], rediss://, unix://, memory://, file:///DIR."),
    ] = "memory://",
    requests: Annotated[
        int, typer.Option("--requests", "-n", metavar="N", min=1, help="Requests of each test.")
    ] = 100_000,
    clients: Annotated[
        int,
        typer.Option(
            "--clients", "-c", metavar="N", min=0, max=10_000, help="Connections (50), or threads of this process (1)."
        ),
    ] = 0,
    pipeline: Annotated[int, typer.Option("--pipeline", "-P", metavar="N", min=1, help="Requests sent together.")] = 1,
    size: Annotated[
        int, typer.Option("--size", "-d", metavar="BYTES", min=0, max=1 << 29, help="Bytes of a value.")
    ] = 3,
    tests: Annotated[str, typer.Option("--tests", "-t", metavar="A,B", help=f"Only these of {_ALL}.")] = "",
    keyspace: Annotated[
        int,
        typer.Option(
            "--keyspace", "-r", metavar="N", min=1, max=10**12, help="Random keys and elements out of so many."
        ),
    ] = 1,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Where random numbers begin: the same one, the same keys.")
    ] = 0,
    duration: Annotated[
        float, typer.Option("--duration", metavar="SECONDS", min=0, help="Seconds of a test at most; 0 for no bound.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line of names and one for each test.")] = False,
) -> None:
    """Measure a server, or a store in this process: requests a second, and latencies in microseconds.

    Every key it writes begins with kvcore-bench: and is deleted behind its test. Ctrl-C ends it with what there is.
    """
    if as_json and as_csv:
        raise typer.BadParameter("one of --json and --csv", param_hint="--json")
    try:
        clients = clients or (50 if benchmark.is_server(url) else 1)
        plan = Plan(requests, clients, pipeline, size, keyspace, seed, duration)
        samples, error = _measure(url, chosen(tests), plan, not (as_json or as_csv))
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise _fail(f"{hidden(url)}: {_told(problem)}") from None
    except KvcoreError as problem:
        raise _fail(str(problem)) from None
    if as_json:
        say(bench_results.as_json(samples, {"url": hidden(url), **plan.settings()}))
    elif as_csv:
        say(bench_results.as_csv(samples))
    elif output.is_rich(sys.stdout) and samples:
        output.table(bench_results.HEADINGS, [bench_results.cells(sample) for sample in samples])
    if error is not None:
        raise _fail(f"{hidden(url)}: {_told(error)}")
    if samples and not samples[-1].complete:
        note("the test with a star is not complete")
        raise typer.Exit(INTERRUPTED)


def _measure(url: str, tests: list[Test], plan: Plan, shown: bool) -> tuple[list[Sample], Exception | None]:
    """Run tests and return what there is, and what ended them early; a plain table comes line by line meanwhile."""
    samples: list[Sample] = []
    by_line = shown and not output.is_rich(sys.stdout)
    target = benchmark.open_target(url)
    try:
        with output.progresses() as begin:
            for sample in benchmark.run(target, tests, plan, begin):
                if by_line and not samples:
                    say(output.line(bench_results.HEADINGS, bench_results.WIDTHS))
                samples.append(sample)
                if by_line:
                    say(output.line(bench_results.cells(sample), bench_results.WIDTHS))
                    sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, KvcoreError) as error:
        return samples, error
    finally:
        target.close()
    return samples, None


@contextmanager
def _input(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:
        yield file


def _is_url(text: str) -> bool:
    return "://" in text


def _records(source: str, watch: Watch) -> Iterator[Record]:
    """Yield every key of a file, a directory or a server."""
    if _is_url(source):
        with closing(Remote(source)) as remote:
            yield from remote.records(watch)
        return
    for db in _read(source, watch).keyspace.databases:
        for key, value in sorted(db.items()):
            yield db.index, key, value, db.expiry(key)


def _read(source: str, watch: Watch) -> Engine:
    """Load a snapshot file or a data directory into an engine that serves nobody."""
    config = Config()
    config.assign("databases", 1 << 14)
    if os.path.isdir(source):
        config.assign("dir", source)
        engine = Engine(config)
        if not Durable(engine, threaded=False).read():
            raise KvcoreError(f"there is no data set in {source}")
        return engine
    directory, name = os.path.split(os.path.abspath(source))
    config.assign("dir", directory)
    config.assign("dbfilename", name)
    engine = Engine(config)
    if not Durable(engine, threaded=False).snapshots.load(Progress(engine, watch=watch)):
        raise KvcoreError(f"there is no file {source}")
    return engine


def _commands(file: IO[bytes], size: int, watch: Watch) -> Iterator[list[bytes]]:
    """Yield the commands of a dump in either format."""
    first = file.read(1)
    if first != b"*":
        yield from _commands_of_lines(first, file, size, watch)
        return
    reader = AofReader()
    data = first + file.read(_READ_BYTES)
    while True:
        found = reader.feed(data, last=not data)
        yield from (argv for argv, _ in found)
        watch(reader.offset, size)
        if not data and not found:
            break
        data = file.read(_READ_BYTES)
    if reader.pending:
        raise KvcoreError(f"the input ends in a command that begins at byte {reader.offset}")


def _commands_of_lines(first: bytes, file: IO[bytes], size: int, watch: Watch) -> Iterator[list[bytes]]:
    done, selected = 0, -1
    for number, text in enumerate(file, 1):
        line = first + text if number == 1 else text
        done += len(line)
        if not line.strip():
            continue
        try:
            found = json_lines.parse(line)
            db = found.get("db", 0)
            if db != selected:
                selected = db
                yield [b"SELECT", b"%d" % db]
            yield from json_lines.commands(found)
        except json_lines.RecordError as error:
            raise KvcoreError(f"line {number}: {error}") from None
        watch(done, size)


def _run_all(commands: Iterable[list[bytes]], target: transfer.Target) -> int:
    """Run commands in batches; raise KvcoreError with the first one that fails."""
    count = 0
    batch: list[list[bytes]] = []

    def flush() -> None:
        for argv, reply in zip(batch, target.run(batch), strict=True):
            if isinstance(reply, Exception):
                raise KvcoreError(f"{json.dumps(argv[0].decode('utf-8', 'replace'))} was refused: {reply}")
        batch.clear()

    for argv in commands:
        batch.append(argv)
        count += 1
        if len(batch) >= _BATCH:
            flush()
    flush()
    return count


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``kvcore`` with the arguments of the process, or ``argv``; return the exit status."""
    output.prepare()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        status = app(words or ["--help"], prog_name="kvcore", standalone_mode=False)
        sys.stdout.flush()
        if status == INTERRUPTED:
            note("kvcore: interrupted")
        return status if isinstance(status, int) else 0
    except _UsageError as error:
        told = getattr(error, "format_message", error.__str__)()
        command = getattr(getattr(error, "ctx", None), "command_path", "kvcore")
        note(f"{command}: {told} See {command} --help")
        return 2
    except typer.Abort as error:
        if error.__cause__ is None or isinstance(error.__cause__, EOFError):
            return 1  # somebody was asked, and said no or nothing
        note("kvcore: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return 1
    except OSError as error:
        _give_up_output()
        note(f"kvcore: {_told(error)}")
        return 1


def _give_up_output() -> None:
    """Let what is still to be written go nowhere, or the interpreter complains at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    sys.exit(main())
