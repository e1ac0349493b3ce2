"""The directory of a log: manifests replaced at once, history removed, older layouts brought in."""

from __future__ import annotations

import pytest

from kvcore.config import Config
from kvcore.errors import AofError
from kvcore.storage.aof_files import AofFiles
from kvcore.storage.aof_manifest import Manifest
from kvcore.storage.middleware import Crash, FaultyFiles, MemoryFiles, crash_at


def aof_files(files: MemoryFiles | FaultyFiles, **directives: str) -> AofFiles:
    config = Config()
    config.assign("dir", ".")
    for name, value in directives.items():
        config.set(name.replace("_", "-"), value)
    return AofFiles(config, files)


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


def fresh(prefix: str = "appendonly.aof") -> Manifest:
    manifest = Manifest()
    return manifest.with_base(manifest.next_base(prefix, rdb=True), keep=0).with_increment(prefix)


def create(files: MemoryFiles, log: AofFiles, manifest: Manifest) -> None:
    files.make_directory("appendonlydir")
    for file in (*manifest.files, *manifest.history):
        files.create(log.path(file.name)).close()
    files.sync_directory("appendonlydir")
    log.write_manifest(manifest)


def test_a_manifest_is_found_again(files: MemoryFiles) -> None:
    log = aof_files(files)
    assert not log.read_manifest()
    create(files, log, fresh())
    again = aof_files(files.crashed())
    assert again.read_manifest()
    assert again.manifest == log.manifest == fresh()


def test_names_follow_the_directives(files: MemoryFiles) -> None:
    config = Config()
    config.load("dir .\nappenddirname logs\nappendfilename shop.aof\n")
    log = AofFiles(config, files)
    assert (log.prefix, log.path("x")) == ("shop.aof", "./logs/x")


def test_at_any_moment_there_is_the_old_manifest_or_the_new(files: MemoryFiles) -> None:
    old = fresh()
    new = old.with_increment("appendonly.aof")
    for step in range(1, 20):
        disk = MemoryFiles()
        create(disk, aof_files(disk), new)
        aof_files(disk).write_manifest(old)
        faulty = FaultyFiles(disk, crash_at(step))
        try:
            aof_files(faulty).write_manifest(new)
        except Crash:
            pass
        else:
            break
        found = aof_files(disk.crashed())
        assert found.read_manifest()
        assert found.manifest in (old, new), step
    assert step > 4


def test_history_is_removed_from_the_disk_and_then_from_the_manifest(files: MemoryFiles) -> None:
    log = aof_files(files)
    manifest = fresh().with_increment("appendonly.aof")
    rewritten = manifest.with_base(manifest.next_base("appendonly.aof", rdb=True), keep=1)
    create(files, log, rewritten)
    aof_files(files, aof_disable_auto_gc="yes").remove_history()
    assert len(files.list("appendonlydir")) == 5
    log.remove_history()
    assert files.list("appendonlydir") == [
        "appendonly.aof.2.base.rdb",
        "appendonly.aof.2.incr.aof",
        "appendonly.aof.manifest",
    ]
    assert log.manifest.history == ()


def test_an_older_layout_is_brought_in_whatever_step_a_crash_comes_at() -> None:
    text = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
    for step in range(1, 20):
        disk = MemoryFiles()
        file = disk.create("appendonly.aof")
        file.write(text)
        file.sync()
        disk.sync_directory(".")
        try:
            aof_files(FaultyFiles(disk, crash_at(step))).read_manifest()
        except Crash:
            pass
        else:
            break
        found = aof_files(disk.crashed())
        assert found.read_manifest(), step
        assert [file.name for file in found.manifest.files] == ["appendonly.aof"]
    assert step > 4


def test_reading_only_brings_nothing_in(files: MemoryFiles) -> None:
    files.create("appendonly.aof").close()
    assert not aof_files(files).read_manifest(upgrade=False)
    assert files.list(".") == ["appendonly.aof"]


def test_a_file_that_is_listed_must_be_there(files: MemoryFiles) -> None:
    log = aof_files(files)
    create(files, log, fresh())
    files.remove(log.path("appendonly.aof.1.base.rdb"))
    with pytest.raises(AofError, match=r"appendonly\.aof\.1\.base\.rdb length. stat: No such file"):
        aof_files(files).read_manifest()
