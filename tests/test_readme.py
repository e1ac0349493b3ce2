"""The README shows each use, and what it names exists. Its examples run with those of docs/: tests/test_docs.py."""

from __future__ import annotations

import re

from tests.documents import ROOT, blocks, promises

PAGE = ROOT / "README.md"
README = PAGE.read_text()


def test_there_is_an_example_for_each_use_in_python() -> None:
    examples = [block for block in blocks(PAGE) if block.is_run and block.language == "python"]
    assert len(examples) == 3
    assert sum(promises(block.text) for block in examples) == 4


def test_named_files_and_targets_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []
    folders = [name for row in re.findall(r"^\| (`[^|]+)\|", README, re.M) for name in re.findall(r"`([\w/.]+)`", row)]
    assert len(folders) > 8
    assert [folder for folder in folders if not (ROOT / folder).exists()] == []
    targets = set(re.findall(r"\bmake (\w+)", README)) - {"for"}
    assert [target for target in sorted(targets) if f"\n{target}:" not in (ROOT / "Makefile").read_text()] == []
