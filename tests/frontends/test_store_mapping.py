"""The keys of a store as those of a dict."""

from __future__ import annotations

import pytest

import kvcore


def test_keys_are_those_of_a_dict() -> None:
    store = kvcore.open()
    store["a"] = 1
    assert store["a"] == b"1"
    assert "a" in store
    assert "b" not in store
    assert list(store) == [b"a"]
    assert len(store) == 1
    del store["a"]
    with pytest.raises(KeyError):
        store["a"]
    with pytest.raises(KeyError):
        del store["a"]
    assert store, "a store without keys is a store"
