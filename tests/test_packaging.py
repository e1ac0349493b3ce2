"""The wheel as users get it: built from a copy of the tree, installed in a clean environment, used both ways.

An editable install hides a package missing from pyproject's list, and this environment's libraries hide a
missing dependency; a wheel in an environment of its own hides neither.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"kvcore": "kvcore"} | {name: f"kvcore/{name}" for name in ("frontends", "replication", "storage")}
"""Each top-level folder and the package it installs as."""

UNREACHABLE = (
    "Failed to establish a new connection",
    "No matching distribution",
    "Temporary failure in name",
)

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("packaging"),
    pytest.mark.skipif(sys.platform == "win32", reason="the repository's links need a POSIX checkout"),
]

EMBEDDED = """
import kvcore
store = kvcore.open()
store.set("key", "value")
assert store.get("key") == b"value", store.get("key")
assert store.execute("INCR", "n") == 1
store.close()
print("embedded ok")
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return its output; skip where no package index can be reached (never in CI)."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    output = done.stdout + done.stderr
    if done.returncode and not os.environ.get("CI") and any(text in output for text in UNREACHABLE):
        pytest.skip("no package index to install from")
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{output}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that nothing is left in the tree and nothing old gets in."""
    copy = tmp_path_factory.mktemp("source") / "kvcore"
    left_out = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "__pycache__", "tests", "docs")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=left_out)
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, cwd=copy)
    (built,) = out.glob("kvcore-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel without extras into a new environment; return its interpreter."""
    place = tmp_path_factory.mktemp("clean")
    venv.create(place, with_pip=True, symlinks=True)
    interpreter = place / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=place)
    return interpreter


def test_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    expected = {"kvcore/command_docs.json", "kvcore/py.typed"}
    for folder, package in PACKAGES.items():
        for path in (path for ending in ("py", "pyi", "lua") for path in (ROOT / folder).rglob(f"*.{ending}")):
            relative = path.relative_to(ROOT / folder).as_posix()
            if folder != "kvcore" or relative.split("/")[0] not in PACKAGES:
                expected.add(f"{package}/{relative}")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected


def test_wheel_carries_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith("LICENSE")] != []


def test_embedded_store_needs_no_extra(python: Path, tmp_path: Path) -> None:
    assert run(python, "-c", EMBEDDED, cwd=tmp_path) == "embedded ok\n"
    installed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path)
    names = {line.split("==")[0] for line in installed.splitlines()}
    assert names - {"pip", "setuptools"} == {"kvcore", "sortedcontainers"}


def test_server_answers_with_the_server_extra(python: Path, wheel: Path, tmp_path: Path) -> None:
    extra = f"{wheel}[server]"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", extra, cwd=tmp_path)
    command = [str(python.parent / "kvcore-server"), "--port", "0", "--bind", "127.0.0.1"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KVCORE_")}
    environment = {**kept, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert server.stdout is not None
        printed = ""
        for line in server.stdout:
            printed += line
            if "Ready to accept connections" in line:
                break
        port = re.search(r"\bport=(\d+)", printed)
        assert port is not None, printed
        with socket.create_connection(("127.0.0.1", int(port[1])), timeout=10) as client:
            client.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
        server.terminate()
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.communicate(timeout=10)
