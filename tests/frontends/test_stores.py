"""Stores by URL: who shares what, and for how long."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

import kvcore
from kvcore.frontends import stores


def test_a_store_without_a_name_is_ones_own() -> None:
    with kvcore.connect("memory://") as one, kvcore.connect("memory://") as other:
        one.set("k", "v")
        assert other.get("k") is None


def test_a_name_is_shared_and_other_names_are_not() -> None:
    with kvcore.connect("memory://jobs") as one, kvcore.connect("memory://jobs") as two:
        one.set("k", "v")
        assert two.get("k") == b"v"
        with kvcore.connect("memory://others") as three:
            assert three.get("k") is None


def test_closing_one_handle_leaves_the_others_open() -> None:
    one, two = kvcore.connect("memory://jobs"), kvcore.connect("memory://jobs")
    one.set("k", "v")
    one.close()
    one.close()
    with pytest.raises(kvcore.ClosedError):
        one.get("k")
    assert two.get("k") == b"v"
    two.close()
    with kvcore.connect("memory://jobs") as three:
        assert three.get("k") is None


def test_a_handle_that_is_collected_counts_no_more() -> None:
    one = kvcore.connect("memory://collected")
    one.set("k", "v")
    del one
    gc.collect()
    with kvcore.connect("memory://collected") as two:
        assert two.get("k") is None


def test_directives_are_for_the_first() -> None:
    with kvcore.connect("memory://small", maxmemory=1000) as store:
        assert store.execute("CONFIG", "GET", "maxmemory")[b"maxmemory"] == b"1000"
        with pytest.raises(kvcore.ConfigError, match="open already"):
            kvcore.connect("memory://small", maxmemory=2000)


def test_each_handle_decodes_as_it_was_asked_to() -> None:
    with kvcore.connect("memory://text") as raw, kvcore.connect("memory://text", decode_responses=True) as text:
        raw.set("k", "v")
        assert (raw.get("k"), text.get("k")) == (b"v", "v")


def test_a_directory_keeps_its_data_and_is_shared_within_the_process(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/data"
    with kvcore.connect(url) as one, kvcore.connect(url) as two:
        one.set("k", "v")
        assert two.get("k") == b"v"
    with kvcore.open(tmp_path / "data") as store:
        assert store.get("k") == b"v"


@pytest.mark.parametrize("url", ["file://host/dir", "file://", "http://x", "nonsense", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(kvcore.ConfigError):
        kvcore.connect(url)


def test_a_bad_directive_leaves_no_name_behind() -> None:
    with pytest.raises(kvcore.ConfigError):
        kvcore.connect("memory://bad", no_such_directive=1)
    assert "memory://bad" not in stores._entries
