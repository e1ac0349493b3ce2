"""Files replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kvcore.frontends.text_file import LocalFile


def test_a_file_is_replaced_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "k.conf"
    path.write_bytes(b"old")
    before = path.stat().st_ino
    file = LocalFile(str(path))
    assert file.read() == b"old"
    file.replace(b"new\xff")
    assert path.read_bytes() == b"new\xff"
    assert path.stat().st_ino != before
    assert os.listdir(tmp_path) == ["k.conf"]


def test_a_file_is_made(tmp_path: Path) -> None:
    file = LocalFile(str(tmp_path / "k.conf"))
    with pytest.raises(FileNotFoundError):
        file.read()
    file.replace(b"new")
    assert file.read() == b"new"
    mask = os.umask(0o022)
    os.umask(mask)
    assert (tmp_path / "k.conf").stat().st_mode & 0o777 == 0o644 & ~mask


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.conf").write_bytes(b"old")
    (tmp_path / "k.conf").symlink_to("real.conf")
    LocalFile(str(tmp_path / "k.conf")).replace(b"new")
    assert (tmp_path / "k.conf").is_symlink()
    assert (tmp_path / "real.conf").read_bytes() == b"new"


def test_failure_leaves_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "k.conf"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        LocalFile(str(folder)).replace(b"new")
    assert os.listdir(tmp_path) == ["k.conf"]
    with pytest.raises(FileNotFoundError):
        LocalFile(str(tmp_path / "none" / "k.conf")).replace(b"new")


def test_a_relative_path_is_that_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = LocalFile("k.conf")
    monkeypatch.chdir("/")
    file.replace(b"new")
    assert (tmp_path / "k.conf").read_bytes() == b"new"
