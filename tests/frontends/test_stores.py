"""Stores by URL: who shares what, and for how long."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

import pytest

import kvcore
from kvcore import aio
from kvcore.frontends import store_pubsub, stores


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


@pytest.mark.parametrize("url", ["memory://n/1", "memory:///1", "memory://n?db=1", "memory://n#x", "memory://u:p@n"])
def test_what_would_be_ignored_behind_memory_is_refused(url: str) -> None:
    with pytest.raises(kvcore.ConfigError, match="only a name stands behind memory://") as caught:
        kvcore.connect(url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("end", ["?appendfsync=always", "#1"])
def test_what_would_be_ignored_behind_a_path_is_refused(tmp_path: Path, end: str) -> None:
    with pytest.raises(kvcore.ConfigError, match="more than a path"):
        kvcore.connect(f"file://{tmp_path}/data{end}")
    assert not (tmp_path / "data").exists()


def test_a_bad_directive_leaves_no_name_behind() -> None:
    with pytest.raises(kvcore.ConfigError):
        kvcore.connect("memory://bad", no_such_directive=1)
    assert "memory://bad" not in stores._entries


def test_closing_a_handle_ends_what_waits_in_it() -> None:
    with kvcore.connect("memory://waits") as other:
        handle = kvcore.connect("memory://waits")
        listener = handle.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("c")
        errors: list[BaseException] = []

        def wait() -> None:
            try:
                listener.get_message(timeout=20)
            except kvcore.KvcoreError as error:
                errors.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        while listener._feed._inbox.wake is store_pubsub._nothing:  # type: ignore[attr-defined]
            threading.Event().wait(0.001)
        handle.close()
        thread.join(10)
        assert [type(error) for error in errors] == [kvcore.ClosedError]
        assert other.ping()


async def test_handles_for_coroutines_leave_no_session_behind() -> None:
    with kvcore.connect("memory://sessions") as other:
        assert isinstance(other, kvcore.Store)
        for _ in range(3):
            async with aio.connect("memory://sessions") as handle:
                await handle.set("k", "v")
                waiting = asyncio.create_task(handle.blpop("none", 0))
                await asyncio.sleep(0)
            with pytest.raises(kvcore.ClosedError, match="closed"):
                await asyncio.wait_for(waiting, 10)
        assert len(other.engine.sessions) == 0


def test_what_a_handle_remembers_of_ended_sessions_is_bounded() -> None:
    with kvcore.connect("memory://many") as handle:
        assert isinstance(handle, stores.SharedStore)
        for _ in range(500):
            handle.leave(handle.own_aside())
            handle.tick()
        assert len(handle._ids) < 200
