"""Damaged logs: each is loaded or refused with a reason, and nothing else happens."""

from __future__ import annotations

from random import Random

import pytest

from kvcore.storage.middleware import MemoryFiles
from kvcore.storage.snapshots import LoadError
from tests.rdb.samples import mutated
from tests.storage.test_aof import NAMES, Log

ROUNDS = 600


def written(preamble: str) -> dict[str, bytes]:
    """Return the files of a log with a base and an increment of every type."""
    files = MemoryFiles()
    log = Log(files, aof_use_rdb_preamble=preamble)
    for half in range(2):
        log("SET", f"s{half}", "v" * 40, "PX", 10**9)
        log("RPUSH", f"l{half}", 1, "two", -3)
        log("SADD", f"S{half}", 1, 2, 3)
        log("HSET", f"h{half}", "f", "v", "g", "w")
        log("ZADD", f"z{half}", 1.5, "m", "inf", "n")
        log("XADD", f"x{half}", "1-1", "f", "v")
        log("XGROUP", "CREATE", f"x{half}", "g", "0")
        log("MULTI")
        log("INCR", "n")
        log("SELECT", half)
        log("INCR", "n")
        log("EXEC")
        if half == 0:
            log("BGREWRITEAOF")
            log.run_rewrite()
    log.stop()
    return {name: files.open(f"appendonlydir/{name}").read(1 << 20) for name in files.list("appendonlydir")}


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("part", ["base", "incr", "manifest"])
def test_a_damaged_log_is_loaded_or_refused(preamble: str, part: str) -> None:
    originals = written(preamble)
    [name] = [name for name in originals if part in name]
    random = Random(f"{preamble}{part}")
    reasons: list[str] = []
    for _ in range(ROUNDS if part != "manifest" else 200):
        files = MemoryFiles()
        files.make_directory("appendonlydir")
        damaged = mutated(originals[name], random)
        for other, data in originals.items():
            files.create(f"appendonlydir/{other}").write(damaged if other == name else data)
        try:
            log = Log(files)
        except LoadError as error:
            reasons.append(str(error))
        else:
            log("SET", "after", 1)
            assert log.stop()
            assert files.exists(f"{NAMES}.manifest")
    assert len(reasons) > 20
    assert all(reason.startswith("Fatal error loading the DB from ./appendonlydir: ") for reason in reasons)
