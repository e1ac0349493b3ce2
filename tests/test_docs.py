"""The documentation is true: its examples run, it names everything there is, its links resolve, it builds quietly.

How blocks of code are run stands in :mod:`tests.documents`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kvcore.command import REGISTRY
from kvcore.directives import TABLE
from tests import command_reference, tool_reference
from tests.documents import DOCS, PAGES, ROOT, RUN, Block, Runner, blocks, checked, matches, name_of, promises

MODULES = ("kvcore", "kvcore.aio", "kvcore.testing")
"""What users import."""

LANGUAGES = {*RUN, "ini", "json", "lua", "text", "toml", "yaml"}
MARKS = ("", "not run", "file", "continues")

RUNNABLE = [page for page in PAGES if any(block.is_run for block in blocks(page))]


# Examples


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_examples_keep_their_promises(page: Path, tmp_path: Path) -> None:
    found = blocks(page)
    if any(block.is_run and block.language == "console" for block in found):
        for program in ("redis-cli", "redis-server"):
            if shutil.which(program) is None:
                pytest.skip(f"the examples take {program}")
    runner = Runner(tmp_path)
    try:
        for block in found:
            runner.run(block)
        runner.finish()
    finally:
        runner.close()


def test_every_block_says_what_it_is() -> None:
    every = [block for page in PAGES for block in blocks(page)]
    assert [block for block in every if block.language not in LANGUAGES] == []
    assert [block for block in every if block.mark not in MARKS] == []
    assert [block for block in every if block.mark in ("not run", "file") and not block.note] == []


def test_the_main_pages_promise_something() -> None:
    """A page whose comments are spelled wrong would pass without a check."""
    for name in ("index", "quickstart/library", "migrate/fakeredis", "migrate/diskcache", "extending", "memory"):
        page = DOCS / f"{name}.md"
        assert sum(promises(block.text) for block in blocks(page) if block.is_run and block.language == "python"), name


def test_a_broken_promise_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    runner = Runner(tmp_path)
    for language, text in (
        ("python", "print(1 + 1)  # 3"),
        ("python", "x = [1]\nx[0]  # 2"),
        ("python", "def test_it():\n    assert 1 == 2"),
        ("python", "raise SystemExit(1)"),
        ("bash", "false\ntrue"),
        ("console", "$ echo one\ntwo"),
        ("console", "$ false"),
    ):
        page.write_text(f"```{language}\n{text}\n```\n")
        (block,) = blocks(page)
        with pytest.raises(AssertionError):
            _run(runner, block)


def _run(runner: Runner, block: Block) -> None:
    runner.run(Block(ROOT / "README.md", block.line, block.language, block.text, block.mark, block.note))
    runner.finish()


def test_comments_that_are_no_values_are_left_alone() -> None:
    assert checked("x = f(1)  # why") == "x = f(1)  # why"
    assert checked("f(1)  # b'x'") == "assert (got := repr(f(1))) == \"b'x'\", got"
    assert promises("print(1)  # 1\nprint(2)  # the second\n") == 1


def test_dots_stand_for_what_varies() -> None:
    assert matches("a\n...\nd\n", "a\nb\nc\nd")
    assert matches("...\nd\n", "d")
    assert matches("took ... ms", "took 12 ms\n")
    assert not matches("took ... ms", "took 12 s\n")
    assert not matches("a\nd\n", "a\nb\nd\n")


# Names


def test_the_command_reference_is_what_its_generator_writes() -> None:
    assert command_reference.PAGE.read_text() == command_reference.markdown(), "run python -m tests.command_reference"


def test_the_command_line_is_described_as_it_is() -> None:
    page = tool_reference.PAGE.read_text()
    assert page == tool_reference.markdown(), "run python -m tests.tool_reference"
    described = re.findall(r"^## kvcore ([\w-]+)\n\n<!-- options of \1 -->$", page, re.M)
    assert sorted(described) == sorted(tool_reference.commands())
    assert [
        name
        for name, command in tool_reference.commands().items()
        for _, said in tool_reference.rows(command)
        if "None" in said
    ] == []


def test_every_command_is_in_the_reference() -> None:
    page = command_reference.PAGE.read_text()
    names = [record.full_name for record in command_reference.records()]
    assert len(names) == len(set(names)) >= len({*REGISTRY.bind()}) // 2
    missing = [name for name in names if f"| `{name.upper().replace('|', ' ')}` |" not in page]
    assert missing == []
    bare = [r.full_name for r in command_reference.records() if not (r.summary and r.since)]
    assert bare == []


def test_every_directive_is_in_the_configuration_page() -> None:
    page = (DOCS / "configuration.md").read_text()
    missing = [row.name for row in TABLE if not row.hidden and f"`{row.name}`" not in page]
    assert missing == []


def public_names() -> Iterator[tuple[str, object]]:
    for name in MODULES:
        module = importlib.import_module(name)
        for member in module.__all__:
            yield f"{name}.{member}", getattr(module, member)


@pytest.mark.parametrize(("name", "value"), list(public_names()), ids=lambda value: value if type(value) is str else "")
def test_public_names_have_docstrings(name: str, value: object) -> None:
    assert inspect.getdoc(value), name
    if not inspect.isclass(value):
        return
    bare = [
        member
        for member, held in vars(value).items()
        if not member.startswith("_") and (inspect.isroutine(held) or isinstance(held, property))
        if not inspect.getdoc(getattr(value, member))
    ]
    assert bare == [], f"{name} has members without docstrings"


# The site


class _Page(HTMLParser):
    """The anchors of a page, and where its links go."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value is not None and name in ("id", "name"):
                self.anchors.add(value)
            elif value is not None and (tag, name) in (("a", "href"), ("img", "src")):
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; any warning fails."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "")
    return folder


@pytest.mark.xdist_group("site")
@pytest.mark.timeout(180)
def test_the_site_builds_and_has_every_public_name(site: Path) -> None:
    page = _Page()
    page.feed((site / "api" / "index.html").read_text())
    assert [name for name, _ in public_names() if name not in page.anchors] == []


@pytest.mark.xdist_group("site")
@pytest.mark.timeout(180)
def test_links_inside_the_site_resolve(site: Path) -> None:
    pages: dict[Path, _Page] = {}
    for path in site.rglob("*.html"):
        pages[path] = _Page()
        pages[path].feed(path.read_text())
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are relative to wherever it is shown
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            found = (path.parent / target).resolve() if target else path
            found = found / "index.html" if found.is_dir() else found
            if not found.is_file() or (anchor and found in pages and anchor not in pages[found].anchors):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert [page for page in map(name_of, PAGES[1:]) if f": {page.removeprefix('docs/')}\n" not in navigation] == []
