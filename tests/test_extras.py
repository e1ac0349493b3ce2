"""What is said where an optional package is missing, and that nothing loads one before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kvcore.extras import needs_redis


def run(program: str) -> str:
    """Run a program in a fresh interpreter; return what it prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_the_extra_is_named_in_one_line() -> None:
    line = r"^kvcore.Redis needs the \[redis\] extra: pip install 'kvcore\[redis\]'$"
    with pytest.raises(ImportError, match=line), needs_redis("kvcore.Redis"):
        raise ModuleNotFoundError("No module named 'redis.client'", name="redis.client")


def test_other_missing_modules_stay_what_they_are() -> None:
    with pytest.raises(ModuleNotFoundError, match="mine"), needs_redis("kvcore.Redis"):
        raise ModuleNotFoundError("mine", name="mine")


@pytest.mark.parametrize(
    "use",
    ["kvcore.Redis", "kvcore.patch_redis", "kvcore.ConnectionPool", "kvcore.aio.Redis", "kvcore.testing"],
)
def test_without_redis_py_there_is_one_clear_line(use: str) -> None:
    module, _, name = use.rpartition(".")
    program = f"import sys; sys.modules['redis'] = None\nfrom {module} import {name}"
    last = run(program).strip().splitlines()[-1]
    assert last == f"ImportError: {use} needs the [redis] extra: pip install 'kvcore[redis]'"


def test_without_redis_py_everything_else_works() -> None:
    program = (
        "import sys; sys.modules['redis'] = None\nimport kvcore, kvcore.aio\nprint(kvcore.connect('memory://').ping())"
    )
    assert run(program).strip() == "True"


def test_importing_kvcore_does_not_import_redis_py() -> None:
    program = "import sys, kvcore, kvcore.aio; kvcore.open(); kvcore.connect; print('redis' in sys.modules)"
    assert run(program).strip() == "False"


@pytest.mark.parametrize(
    ("use", "brought"),
    [
        ("import kvcore", set()),
        # Only where it is installed, and in 2 ms: checksums in C.
        ("import kvcore.aio", {"anycrc", "sortedcontainers"}),
        ("import kvcore; kvcore.open().set('k', 'v')", {"anycrc", "sortedcontainers"}),
    ],
)
def test_importing_kvcore_brings_nothing_heavy(use: str, brought: set[str]) -> None:
    program = f"""
import sys
before = set(sys.modules)
{use}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(name for name in new - sys.stdlib_module_names if "cython" not in name))
"""
    assert set(run(program).split()) - brought == {"kvcore"}


@pytest.mark.parametrize("module", ["kvcore", "kvcore.aio"])
def test_unknown_names_are_unknown(module: str) -> None:
    assert "has no attribute 'nothing'" in run(f"import {module}\n{module}.nothing")
