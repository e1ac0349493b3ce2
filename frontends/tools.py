"""``kvcore``: the command line beside the server's, for files and data sets.

    kvcore check-rdb dump.rdb
    kvcore check-aof --fix appendonlydir/appendonly.aof.manifest
    kvcore dump /var/lib/redis > data.jsonl
    kvcore load data.jsonl redis://127.0.0.1:6379/0

What lives here: arguments, progress, exit statuses. What must not: what the commands do, which is storage's. The rule:
results go to standard output, everything else to standard error; 0 is success, 1 that something is wrong with the data,
2 a wrong command line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Annotated, Any

try:
    import typer
except ImportError:
    raise SystemExit("kvcore needs the [server] extra: pip install 'kvcore[server]'") from None

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import KvcoreError
from kvcore.frontends import transfer
from kvcore.frontends.remote import Remote
from kvcore.storage import check, json_lines
from kvcore.storage.aof_reader import AofReader
from kvcore.storage.aof_text import encode, recreate
from kvcore.storage.durable import Durable
from kvcore.storage.files import SystemFiles

app = typer.Typer(help="Look at, check, export and import data sets.", no_args_is_help=True, add_completion=False)

Record = tuple[int, bytes, object, int | None]
"""Database, key, value, and the Unix time in milliseconds at which it expires."""

_READ_BYTES = 1 << 20
_BATCH = 256

Watch = Callable[[int, int], None]


@contextmanager
def _progress(label: str) -> Iterator[Watch]:
    """Show how far long work has come, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with typer.progressbar(length=100, label=label, file=sys.stderr) as bar:

        def watch(done: int, total: int) -> None:
            percent = min(100, 100 * done // total) if total else 100
            bar.update(percent - bar.pos)

        yield watch
        bar.update(100 - bar.pos)


def _fail(message: str) -> typer.Exit:
    typer.echo(f"kvcore: {message}", err=True)
    return typer.Exit(1)


# Checking


@app.command("check-rdb")
def check_rdb(path: Annotated[str, typer.Argument(help="The snapshot file, dump.rdb or another.")]) -> None:
    """Read a snapshot file to its end, every value included, and say whether it is whole."""
    try:
        with _progress("Checking") as watch:
            report = check.check_rdb(SystemFiles(), path, watch)
    except OSError as error:
        raise _fail(f"{path}: {error.strerror}") from None
    for name, text in report.facts.items():
        typer.echo(f"{name}: {text}")
    typer.echo(f"keys: {report.keys}, with a time to live: {report.expires}, function libraries: {report.functions}")
    for name, count in sorted(report.types.items()):
        typer.echo(f"  {name}: {count}")
    if not report.is_valid:
        raise _fail(f"{path} is not valid: {report.error}")
    typer.echo(f"{path} is valid: {report.size} bytes")


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
        with _progress("Checking") as watch:
            if path.endswith(".manifest"):
                reports = check.check_log(files, path, watch)
                total = len(check.read_manifest(files, path).files)
            else:
                reports, total = [check.check_aof(files, path, watch)], 1
    except (OSError, KvcoreError) as error:
        raise _fail(f"{path}: {error}") from None
    for report in reports:
        state = "valid" if report.is_valid else f"not valid: {report.error}"
        typer.echo(
            f"{report.path}: {report.size} bytes, {report.keys} keys, {report.commands} commands, "
            f"good up to {report.valid_up_to}: {state}"
        )
    last = reports[-1]
    if last.is_valid:
        typer.echo("All of it is valid")
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
    typer.echo(f"{last.path}: cut to {last.valid_up_to} bytes, {lost} bytes are gone")


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
    output: Annotated[str, typer.Option("--output", "-o", help="Write there instead of standard output.")] = "-",
    form: Annotated[str, typer.Option("--format", help="json: an object a line; resp: commands.")] = "json",
) -> None:
    """Write every key of a data set as JSON lines, or as the commands that make it."""
    if form not in ("json", "resp"):
        raise typer.BadParameter("json or resp", param_hint="--format")
    try:
        with _output(output) as file, _progress("Dumping") as watch:
            write = file.write
            selected = 0
            for count, (db, key, value, at_ms) in enumerate(_records(source, watch)):
                if form == "json":
                    write(json_lines.line(db, key, value, at_ms).encode() + b"\n")
                    continue
                if db != selected or count == 0:
                    write(encode((b"SELECT", b"%d" % db)))
                    selected = db
                write(b"".join(map(encode, recreate(key, value, at_ms))))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except (OSError, KvcoreError) as error:
        raise _fail(str(error)) from None


@app.command()
def load(
    path: Annotated[str, typer.Argument(help="What dump wrote, or - for standard input; either format.")],
    target: Annotated[str, typer.Argument(help="A data directory, or redis://HOST:PORT/DB.")],
) -> None:
    """Put the keys of a dump into a data directory or a server; what has the same names is replaced."""
    try:
        with _input(path) as file, _progress("Loading") as watch, _target(target) as run:
            size = os.fstat(file.fileno()).st_size if path != "-" else 0
            count = _run_all(_commands(file, size, watch), run)
    except (OSError, KvcoreError) as error:
        raise _fail(str(error)) from None
    typer.echo(f"{count} commands", err=True)


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(help="redis://HOST:PORT for all databases, redis://HOST:PORT/DB for one.")],
    target: Annotated[str, typer.Argument(help="A data directory, or redis://HOST:PORT.")],
    state: Annotated[str, typer.Option("--state", help="Where it is noted how far the import came.")] = "",
) -> None:
    """Copy a server's data set while it serves, by SCAN and DUMP. Run again after an interruption, it goes on."""
    if not state:
        state = "kvcore-import.json" if _is_url(target) else f"{target.rstrip('/')}.import.json"
    try:
        remote = Remote(source)
        try:
            position = transfer.Position(state, source)
            if position.resumed:
                typer.echo(f"going on in database {position.database} where {state} says", err=True)
            with _progress("Importing") as watch, _target(target) as run:
                count = transfer.copy(remote, run, position, watch)
        finally:
            remote.close()
    except (OSError, KvcoreError) as error:
        raise _fail(str(error)) from None
    typer.echo(f"{count} keys", err=True)


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="redis://HOST:PORT for all databases, redis://HOST:PORT/DB for one.")],
    path: Annotated[str, typer.Argument(help="The snapshot file to write.")],
) -> None:
    """Write a server's data set to a snapshot file, while it serves, that any Redis server can be started on."""
    try:
        remote = Remote(source)
        try:
            with _progress("Exporting") as watch:
                count = transfer.save(remote, path, watch)
        finally:
            remote.close()
    except (OSError, KvcoreError) as error:
        raise _fail(str(error)) from None
    typer.echo(f"{count} keys", err=True)


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
        if _is_url(source):
            remote = Remote(source)
            try:
                reply = remote.run([[b"INFO", *([section.encode()] if section else [])]])[0]
            finally:
                remote.close()
            if isinstance(reply, Exception):
                raise KvcoreError(str(reply))
            typer.echo(remote.text(reply))
            return
        engine = _read(source, lambda _done, _total: None)
    except (OSError, KvcoreError) as error:
        raise _fail(str(error)) from None
    for db in engine.keyspace.databases:
        if db.size:
            typer.echo(f"db{db.index}: {db.size} keys, {db.expires.size} with a time to live")


@contextmanager
def _output(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with open(path, "wb") as file:
        yield file


@contextmanager
def _input(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:
        yield file


def _is_url(text: str) -> bool:
    return "://" in text


def _records(source: str, watch: Watch) -> Iterable[Record]:
    """Yield every key of a file, a directory or a server."""
    if _is_url(source):
        return Remote(source).records(watch)
    engine = _read(source, watch)
    return (
        (db.index, key, value, db.expiry(key)) for db in engine.keyspace.databases for key, value in sorted(db.items())
    )


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
    if not Durable(engine, threaded=False).snapshots.load(watch):
        raise KvcoreError(f"there is no file {source}")
    return engine


Run = Callable[[list[list[bytes]]], list[Any]]
"""Runs commands in order and returns their replies."""


@contextmanager
def _target(target: str) -> Iterator[Run]:
    if _is_url(target):
        remote = Remote(target)
        try:
            yield remote.run
        finally:
            remote.close()
        return
    from kvcore.frontends.inprocess import open as open_store

    with open_store(target) as store:
        yield lambda commands: [store.run(argv) for argv in commands]


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


def _run_all(commands: Iterable[list[bytes]], run: Run) -> int:
    """Run commands in batches; raise KvcoreError with the first one that fails."""
    count = 0
    batch: list[list[bytes]] = []

    def flush() -> None:
        for argv, reply in zip(batch, run(batch), strict=True):
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


def main() -> None:
    """Run ``kvcore`` with the arguments of the process."""
    app()
