"""Lists and streams as sequences, beside Python's own list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvcore
from tests.frontends.test_views import WORDS, result

INDEXES = st.integers(-6, 6)
SLICES = st.builds(slice, st.none() | INDEXES, st.none() | INDEXES, st.none() | st.integers(-3, 3).filter(bool))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "append",
                "insert",
                "pop",
                "last",
                "remove",
                "set",
                "del",
                "delslice",
                "setslice",
                "extend",
                "reverse",
                "iadd",
            ]
        ),
        INDEXES,
        WORDS,
        SLICES,
        st.lists(WORDS, max_size=4),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def store() -> kvcore.Store:
    return kvcore.open()


def seeks(target: Any, index: int, item: bytes) -> list[Callable[[], Any]]:
    """Return the ways to look something up that may fail."""
    return [lambda: target[index], lambda: target.index(item), lambda: target.index(item, 1, 4)]


def operations(target: Any, index: int, item: bytes, part: slice, items: list[bytes]) -> dict[str, Callable[[], Any]]:
    """Return what may be done to a view and to its model."""
    return {
        "append": lambda: target.append(item),
        "insert": lambda: target.insert(index, item),
        "pop": lambda: target.pop(index),
        "last": lambda: target.pop(),
        "remove": lambda: target.remove(item),
        "set": lambda: target.__setitem__(index, item),
        "del": lambda: target.__delitem__(index),
        "delslice": lambda: target.__delitem__(part),
        "setslice": lambda: target.__setitem__(part, items),
        "extend": lambda: target.extend(items),
        "reverse": lambda: target.reverse(),
        "iadd": lambda: target.__iadd__(items) and None,
    }


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_a_list_is_a_list(store: kvcore.Store, steps: list[tuple[str, int, bytes, slice, list[bytes]]]) -> None:
    store.flushall()
    view, model = store.list("l"), list[bytes]()
    for step, index, item, part, items in steps:
        results = [result(operations(target, index, item, part, items)[step]) for target in (view, model)]
        assert results[0] == results[1], (step, index, part)
        assert list(view) == model == view.copy()
        assert view == model
        assert len(view) == len(model)
        assert view[part] == model[part]
        assert [result(seek) for seek in seeks(view, index, item)] == [result(s) for s in seeks(model, index, item)]
        assert view.count(item) == model.count(item)
        assert (item in view) == (item in model)
        assert list(reversed(view)) == model[::-1]
        assert view + items == model + items
        assert items + view == items + model


def test_both_ends_and_trimming(store: kvcore.Store) -> None:
    store.flushall()
    view = store.list("l")
    view.extend("bcde")
    view.appendleft("a")
    assert view.popleft() == b"a"
    view.trim(1, 3)
    assert view == [b"c", b"d"]
    view.trim(0, 0)
    assert view == []
    with pytest.raises(IndexError):
        view.popleft()
    assert None not in view
    assert repr(view) == "ListView(b'l', [])"


def test_a_changed_list_keeps_its_time_to_live(store: kvcore.Store) -> None:
    store.flushall()
    view = store.list("l")
    view.extend("abc")
    store.expire("l", 100)
    view[0:1] = [b"x", b"y"]
    assert view == [b"x", b"y", b"b", b"c"]
    assert 0 < store.ttl("l") <= 100


def test_a_stream_is_appended_to_and_read(store: kvcore.Store) -> None:
    store.flushall()
    stream = store.stream("s")
    ids = [stream.append({"n": number}) for number in range(5)]
    assert len(stream) == 5
    assert stream
    assert [fields[b"n"] for _, fields in stream] == [b"0", b"1", b"2", b"3", b"4"]
    assert [name for name, _ in reversed(stream)] == ids[::-1]
    assert stream[ids[2]] == {b"n": b"2"}
    assert ids[2] in stream
    del stream[ids[2]]
    assert ids[2] not in stream
    with pytest.raises(KeyError):
        stream[ids[2]]
    with pytest.raises(KeyError):
        del stream[ids[2]]
    assert stream.range(ids[1], ids[3]) == [(ids[1], {b"n": b"1"}), (ids[3], {b"n": b"3"})]
    assert stream.read(ids[3]) == [(ids[4], {b"n": b"4"})]
    assert stream.read("$", block=0.01) == []
    assert stream.trim(1) == 3
    assert stream.append({"n": 9}, maxlen=1)
    assert len(stream) == 1
    assert repr(stream) == "StreamView(b's', 1 entries)"
    stream.clear()
    assert not stream


def test_a_group_shares_a_stream(store: kvcore.Store) -> None:
    store.flushall()
    stream = store.stream("s")
    group = stream.group("g")
    stream.append({"n": 1}, "1-1")
    stream.append({"n": 2}, "1-2")
    assert group.read("one", count=1) == [(b"1-1", {b"n": b"1"})]
    assert stream.group("g").read("two") == [(b"1-2", {b"n": b"2"})]
    assert group.read("one", block=0.01) == []
    assert group.pending("one") == [(b"1-1", {b"n": b"1"})]
    assert group.claim("two", idle=0) == [(b"1-1", {b"n": b"1"}), (b"1-2", {b"n": b"2"})]
    assert group.ack("1-1", "1-2") == 2
    assert group.pending("two") == []
    store.set("string", 1)
    with pytest.raises(kvcore.WrongTypeError):
        store.stream("string").group("g")


def test_long_sequences_are_read_in_steps(store: kvcore.Store) -> None:
    store.flushall()
    view = store.list("l")
    view.extend(range(2500))
    assert [int(item) for item in view] == list(range(2500))
    stream = store.stream("s")
    for number in range(1500):
        stream.append({"n": number})
    assert sum(1 for _ in stream) == sum(1 for _ in reversed(stream)) == 1500
