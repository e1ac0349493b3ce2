"""The README's examples run, and give what the comments beside them say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
PROMISE = re.compile(r"^(\s*)(?:print\((.*)\)|(\S.*?\S))  +# (\S.*)$", re.M)


def checked(block: str) -> str:
    """Turn each ``expression  # value`` into an assertion."""

    def promise(found: re.Match[str]) -> str:
        indent, printed, expression, value = found.groups()
        return f"{indent}assert (got := repr({printed or expression})) == {value!r}, got"

    return PROMISE.sub(promise, block)


def test_there_is_an_example_for_each_use_in_python() -> None:
    assert len(BLOCKS) == 3
    assert sum(len(PROMISE.findall(block)) for block in BLOCKS) == 4


@pytest.mark.parametrize("block", BLOCKS, ids=["embedded", "coroutines", "fixture"])
def test_example_keeps_its_promises(block: str, tmp_path: Path) -> None:
    script = tmp_path / "test_example.py"
    if "@pytest.fixture" in block:
        script.write_text(block)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(script)]
    else:
        script.write_text(checked(block))
        command = [sys.executable, str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_named_files_and_targets_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
    folders = re.findall(r"^\| `([\w/.]+)`", README, re.M)
    assert [folder for folder in folders if not (ROOT / folder).exists()] == []
    targets = set(re.findall(r"\bmake (\w+)", README)) - {"for"}
    assert [target for target in sorted(targets) if f"\n{target}:" not in (ROOT / "Makefile").read_text()] == []
