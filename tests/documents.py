"""What the documentation promises: its blocks of code, and how each is run.

A block is run as what its fence says: ``python``, ``console`` (commands after ``$ ``, and below each what it prints) or
``bash``. A page is run from top to bottom in a folder of its own, its tests (``def test_...``) at the end. HTML
comments above a fence, which readers do not see, say what the text cannot:

- ``<!-- not run: why -->``: it cannot be run here;
- ``<!-- file: name -->``: it is the contents of that file, for the blocks below (any language);
- ``<!-- continues -->``: a Python block that goes on from the Python block above it.

In Python, ``expression  # value`` and ``print(expression)  # value`` are promises; a comment that is no literal is not.
In a console, a line ``...`` stands for any lines and ``...`` in a line for any text; a command that shows nothing has
to succeed, whatever it prints. A server in the foreground goes on in the background, and ends with the page or at
``^C``. The ports of the text are replaced by free ones, and back in what
is printed.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
RUN = ("python", "console", "bash")
PORTS = ("6379", "6380", "6390", "9121")
START_SECONDS = 20
RUN_SECONDS = 60

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.S | re.M)
_MARK = re.compile(r"<!-- (not run|file|continues)(?:: ([^>]*?))? -->\s*\Z")
_PROMISE = re.compile(r"^(\s*)(?:print\((.*)\)|(\S.*?\S))  +# (\S.*)$", re.M)
_ENDLESS = re.compile(
    r"(\S+/)?(kvcore-server|redis-server)\b(?!.*(--check-config|--print-config|--version|--help|-v\b))"
)


def name_of(page: Path) -> str:
    """Return a page's name from the repository's root."""
    return page.relative_to(ROOT).as_posix()


class Block:
    """A fenced block of a page."""

    __slots__ = ("language", "line", "mark", "note", "page", "text")

    def __init__(self, page: Path, line: int, language: str, text: str, mark: str, note: str) -> None:
        self.page = page
        self.line = line
        self.language = language
        self.text = text
        self.mark = mark
        self.note = note

    def __repr__(self) -> str:
        return f"{name_of(self.page)}:{self.line} ({self.language})"

    @property
    def is_run(self) -> bool:
        """Whether it is executed."""
        return self.language in RUN and self.mark in ("", "continues")


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks in order."""
    text = page.read_text()
    found = []
    for fence in _FENCE.finditer(text):
        indent = len(fence["indent"])
        body = "".join(line[indent:] if line.strip() else line for line in fence["text"].splitlines(keepends=True))
        mark = _MARK.search(text[: fence.start()].rstrip(" "))
        line = text.count("\n", 0, fence.start()) + 1
        language = fence["language"].split()[0] if fence["language"].strip() else ""
        found.append(
            Block(page, line, language, body, mark[1] if mark else "", (mark[2] or "").strip() if mark else "")
        )
    return found


def promises(source: str) -> int:
    """Count the comments of a Python block that are checked."""
    return sum(_is_literal(found[3]) for found in _PROMISE.findall(source))


def checked(source: str) -> str:
    """Turn each ``expression  # value`` into an assertion."""

    def promise(found: re.Match[str]) -> str:
        indent, printed, expression, value = found.groups()
        if not _is_literal(value):
            return found[0]
        return f"{indent}assert (got := repr({printed or expression})) == {value!r}, got"

    return _PROMISE.sub(promise, source)


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text in ("inf", "nan")
    return True


class Runner:
    """Runs the blocks of one page in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(PORTS, map(str, _free_ports(len(PORTS))), strict=True))
        self.servers: list[subprocess.Popen[str]] = []
        self.before = ""
        self.tests: list[str] = []
        tools = folder / ".tools"
        tools.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KVCORE_", "PYTEST_"))},
            "PATH": f"{tools}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "KVCORE_PORT": self.ports["6379"],
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "error::ResourceWarning",
        }
        _write_tools(tools, self.ports["6379"])

    def close(self) -> None:
        """End what still runs."""
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            try:
                _end(server)
            finally:
                server.kill()

    def finish(self) -> None:
        """Run the tests that the blocks had, in one session; raise AssertionError if one fails."""
        if self.tests:
            done = self._execute([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *self.tests])
            assert done.returncode == 0, done.stdout

    def run(self, block: Block) -> None:
        """Run a block, or write the file that it is; raise AssertionError if it does not do what it says."""
        if block.mark == "file":
            path = self.folder / block.note
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._there(block.text))
        elif block.is_run:
            getattr(self, f"_{block.language}")(block)

    def _python(self, block: Block) -> None:
        source = (self.before if block.mark == "continues" else "") + block.text
        self.before = source + "\n"
        script = self.folder / f"test_line_{block.line}.py"
        script.write_text(self._there(checked(source)))
        if re.search(r"^(async )?def test_", block.text, re.M):
            self.tests.append(script.name)
            return
        done = self._execute([sys.executable, script.name])
        assert done.returncode == 0, f"{block}\n{done.stdout}"

    def _bash(self, block: Block) -> None:
        done = self._execute(["bash", "-euo", "pipefail", "-c", self._there(block.text)])
        assert done.returncode == 0, f"{block}\n{done.stdout}"

    def _console(self, block: Block) -> None:
        for command, expected in _commands(block):
            if command == "^C":
                server = self.servers.pop()
                server.send_signal(signal.SIGINT)
                server.communicate(timeout=START_SECONDS)
                continue
            printed, status = self._command(self._there(command))
            told = f"{block}\n$ {command}\n{printed}"
            if expected:
                assert matches(expected, printed), f"{told}\n-- is not --\n{expected}"
            else:
                assert status == 0, told

    def _command(self, command: str) -> tuple[str, int]:
        """Run a command, or start a server; return what was printed until it ended or was ready, and its status."""
        if not _ENDLESS.match(command):
            done = self._execute(["bash", "-c", command])
            return self._here(done.stdout), done.returncode
        server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.servers.append(server)
        assert server.stdout is not None
        printed = ""
        for line in server.stdout:  # pytest-timeout ends a server that says nothing
            printed += line
            if "Ready to accept connections" in line:
                return self._here(printed), 0
        self.servers.remove(server)
        return self._here(printed), server.wait(START_SECONDS)

    def _execute(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
        )

    def _there(self, text: str) -> str:
        for told, used in self.ports.items():
            text = re.sub(rf"\b{told}\b", used, text)
        return text

    def _here(self, text: str) -> str:
        for told, used in self.ports.items():
            text = re.sub(rf"\b{used}\b", told, text)
        return text


def matches(expected: str, printed: str) -> bool:
    """Compare what a console shows with what was printed: see the module's docstring for ``...``."""
    parts = []
    for line in expected.strip("\n").splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(map(re.escape, line.rstrip().split("..."))) + r"[ \t]*\n")
    return re.fullmatch("".join(parts), printed.strip("\n") + "\n") is not None


def _commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command and the lines below it."""
    command, shown, continued = "", "", False
    for line in block.text.splitlines():
        if continued:
            command += "\n" + line
        elif line.startswith("$ ") or line == "^C":
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ "), ""
        else:
            shown += line + "\n"
        continued = command.endswith("\\") and not shown
    if command:
        yield command, shown


def _end(server: subprocess.Popen[str]) -> None:
    """Wait until a server that was told to end has; tell it again, for it refuses while its first log is written."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.communicate(timeout=1)
            return
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise
            server.terminate()


def _free_ports(count: int) -> list[int]:
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def _write_tools(folder: Path, port: str) -> None:
    """Put kvcore's programs on PATH, and a redis-cli that prints as on a terminal and knows the page's port."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name, target in scripts.items():
        module, _, function = target.partition(":")
        start = f"import sys; sys.argv[0] = '{name}'; from {module} import {function}; sys.exit({function}())"
        _write_tool(folder / name, f'exec "{sys.executable}" -c "{start}" "$@"')
    plain = '[ $# -gt 0 ] && case " $* " in *" --raw "*|*" --json "*|*" --csv "*) ;; *) set -- --no-raw "$@" ;; esac'
    mapped = f'case " $* " in *" -p "*|*" -s "*|*" -u "*) ;; *) set -- -p {port} "$@" ;; esac'
    _write_tool(folder / "redis-cli", f'PATH="${{PATH#*:}}"\n{plain}\n{mapped}\nexec redis-cli "$@"')


def _write_tool(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)
