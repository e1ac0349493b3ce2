"""Style as a test: sizes, banned calls, docstrings, a test file per module, the layout packaging needs.

Each rule is a function from source text to complaints, tried on a planted offence beside the real tree.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("kvcore", "frontends", "replication", "storage", "tests", "benchmarks")
LINKS = {"frontends", "replication", "storage"}
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 70

BANNED = (
    "time",
    "random",
    "secrets",
    "uuid",
    "socket",
    "selectors",
    "threading",
    "asyncio",
    "subprocess",
    "os",
)
"""Modules the engine may not call: the clock, ``engine.random``, the file port, the front ends do that."""

BANNED_BUILTINS = {"open", "print", "input", "exec", "eval"}
BANNED_NAMES = {"datetime.datetime.now", "datetime.datetime.utcnow", "pathlib.Path"}

ALLOWED = {
    "kvcore/clock.py": {"time.time_ns", "time.perf_counter_ns"},
    "kvcore/engine.py": {"random.Random"},
    "kvcore/ports.py": {"os.getpid", "os.sysconf", "os.times", "os.urandom", "time.sleep", "time.thread_time"},
}
"""The exact names that are one module's task. ``random.Random`` is the seeded generator's type."""

COVERED_BY: dict[str, str] = {
    # A module whose tests carry another name, and where they are.
    "frontends/asyncio_server.py": "tests/frontends/test_servers.py",  # each test runs on both servers
    "frontends/threaded_server.py": "tests/frontends/test_servers.py",
    "kvcore/aio.py": "tests/frontends/test_inprocess_async.py",  # the names a user imports; its tests go through them
}


def sources(*folders: str) -> Iterator[Path]:
    """Yield every Python file of the named top-level folders once: the links inside kvcore are left out."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).parts
            if not (parts[0] == "kvcore" and parts[1] in LINKS):
                yield path


def name_of(path: Path) -> str:
    """Return a path as it is spelled from the repository's root."""
    return path.relative_to(ROOT).as_posix()


def long_functions(tree: ast.Module) -> list[str]:
    """Name the functions that do not fit a screen."""
    return [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Map each local name to what it was imported from: ``{"now": "time.time"}``."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.split(".")[0]
                names[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted(node: ast.expr) -> str | None:
    """Spell ``a.b.c``; None for anything that is not a plain dotted name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


def banned_uses(tree: ast.Module, allowed: set[str]) -> list[str]:
    """Name the uses of clocks, chance, files, sockets and threads, whatever they were imported as."""
    imported = imported_names(tree)
    annotations = {id(inner) for node in _annotations(tree) for inner in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.Attribute) or id(node) in annotations:
            continue
        local = dotted(node)
        if local is None:
            continue
        head, dot, rest = local.partition(".")
        full = imported.get(head, head) + dot + rest
        module, inside, _ = full.partition(".")
        banned = full in BANNED_NAMES or (module in BANNED and inside) if head in imported else full in BANNED_BUILTINS
        if banned and full not in allowed:
            found.append(f"line {node.lineno}: {full}")
    return found


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns


def swallowed_errors(tree: ast.Module) -> list[str]:
    """Name the handlers that catch everything and do nothing."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        everything = node.type is None or dotted(node.type) in ("Exception", "BaseException")
        silent = all(
            isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            for line in node.body
        )
        if everything and silent:
            found.append(f"line {node.lineno}: catches everything and says nothing")
    return found


def test_files_fit_a_sitting() -> None:
    lengths = {name_of(path): len(path.read_bytes().splitlines()) for path in sources(*OURS)}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_functions_fit_a_screen() -> None:
    long = [f"{name_of(p)}: {text}" for p in sources(*OURS) for text in long_functions(ast.parse(p.read_bytes()))]
    assert long == []


def test_the_engine_touches_no_clock_chance_file_socket_or_thread() -> None:
    found = [
        f"{name_of(path)}: {text}"
        for path in sources("kvcore")
        for text in banned_uses(ast.parse(path.read_bytes()), ALLOWED.get(name_of(path), set()))
    ]
    assert found == []


def test_allowances_are_used() -> None:
    for name, allowed in ALLOWED.items():
        unbound = banned_uses(ast.parse((ROOT / name).read_bytes()), set())
        assert {text.split(": ")[1] for text in unbound} == allowed, f"{name} needs another allowance"


@pytest.mark.parametrize(
    "offence",
    [
        "import time\ntime.time()",
        "import time as clock\nclock.monotonic()",
        "from time import monotonic\nnow = monotonic",
        "import random\nrandom.random()",
        "import os.path\nos.urandom(8)",
        "from threading import Lock\nLock()",
        "from datetime import datetime\ndatetime.now()",
        "open('x')",
        "print('x')",
        "from pathlib import Path\nPath('x')",
    ],
)
def test_the_ban_sees(offence: str) -> None:
    assert banned_uses(ast.parse(offence), set()) != []


@pytest.mark.parametrize(
    "harmless",
    [
        "from random import Random\ndef draw(generator: Random) -> float: return generator.random()",
        "def pause(time: int) -> int: return time",
        "class Store:\n    def open(self): return self.open",
        "import datetime\ndatetime.timedelta(1)",
    ],
)
def test_the_ban_leaves_alone(harmless: str) -> None:
    assert banned_uses(ast.parse(harmless), set()) == []


def test_no_error_is_swallowed() -> None:
    found = [f"{name_of(p)}: {text}" for p in sources(*OURS) for text in swallowed_errors(ast.parse(p.read_bytes()))]
    assert found == []
    assert swallowed_errors(ast.parse("try: x()\nexcept Exception: pass"))
    assert swallowed_errors(ast.parse("try: x()\nexcept:\n    ..."))
    assert not swallowed_errors(ast.parse("try: x()\nexcept KeyError: pass"))


def test_modules_open_with_a_docstring() -> None:
    bare = [
        name_of(path)
        for path in sources(*OURS)
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_bytes())) is None
    ]
    assert bare == []


def test_every_module_has_a_test_file_of_its_name() -> None:
    tests = {path.name for path in sources("tests")}
    missing = [
        name_of(path)
        for path in sources("kvcore", *sorted(LINKS))
        if not path.stem.startswith("__") and f"test_{path.stem}.py" not in tests and name_of(path) not in COVERED_BY
    ]
    assert missing == []


def test_named_covers_exist() -> None:
    for module, test in COVERED_BY.items():
        assert (ROOT / module).is_file(), f"{module} is gone: take it out of COVERED_BY"
        assert (ROOT / test).is_file(), f"{test}, said to cover {module}, does not exist"
        assert f"test_{Path(module).name}" != Path(test).name, f"{module} needs no entry"


def test_links_make_one_package_of_four_folders() -> None:
    for folder in LINKS:
        link = ROOT / "kvcore" / folder
        assert link.is_symlink()
        assert link.readlink() == Path("..") / folder


def test_packages_listed_are_the_packages_on_disk() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    on_disk = {
        ".".join(("kvcore",) * (folder != "kvcore") + path.parent.relative_to(ROOT).parts)
        for folder in ("kvcore", *LINKS)
        for path in sources(folder)
    }
    assert sorted(settings["packages"]) == sorted(on_disk)
    assert settings["package-dir"] == {"kvcore": "kvcore", **{f"kvcore.{folder}": folder for folder in LINKS}}


def test_every_package_folder_has_an_init() -> None:
    folders = {path.parent for path in sources("kvcore", *LINKS)}
    assert [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_changelog_keeps_an_unreleased_section() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "\n## Unreleased\n" in text
    sections = text.split("\n## Unreleased\n", 1)[1].split("\n## ", 1)[0]
    for heading in ("Added", "Changed", "Fixed", "Compatibility"):
        assert f"\n### {heading}\n" in sections
