"""Views beside Python's own dict, set and numbers: any sequence of operations has the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvcore

WORDS = st.sampled_from([b"a", b"b", b"c", b"dd", b""])


def result(operation: Callable[[], Any]) -> object:
    """Return what an operation returns, or the type of what it raises."""
    try:
        return operation()
    except (KeyError, IndexError, ValueError) as error:
        return type(error)


@pytest.fixture(scope="module")
def store() -> kvcore.Store:
    return kvcore.open()


def dict_operations(target: Any, key: bytes, value: bytes) -> dict[str, Callable[[], Any]]:
    """Return what may be done to a view and to its model."""
    return {
        "set": lambda: target.__setitem__(key, value),
        "del": lambda: target.__delitem__(key),
        "pop": lambda: target.pop(key),
        "default": lambda: target.pop(key, None),
        "setdefault": lambda: target.setdefault(key, value),
        "update": lambda: target.update({key: value, value: key}),
        "ior": lambda: target.__ior__({key: value}) and None,
        "clear": lambda: target.clear(),
        "get": lambda: target.get(key),
        "in": lambda: key in target,
    }


DICT_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["set", "del", "pop", "default", "setdefault", "update", "ior", "clear", "get", "in", "popitem"]
        ),
        WORDS,
        WORDS,
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(DICT_STEPS)
def test_a_hash_is_a_dict(store: kvcore.Store, steps: list[tuple[str, bytes, bytes]]) -> None:
    store.flushall()
    view, model = store.dict("h"), dict[bytes, bytes]()
    for step, key, value in steps:
        if step == "popitem":
            if model:
                taken, what = view.popitem()
                assert model.pop(taken) == what
            else:
                assert result(view.popitem) is KeyError
            continue
        results = [result(dict_operations(target, key, value)[step]) for target in (view, model)]
        assert results[0] == results[1], step
        assert dict(view) == model == view.copy()
        assert view == model
        assert len(view) == len(model)
        assert dict(view.items()) == model
        assert sorted(view.values()) == sorted(model.values())
        assert view | {b"z": b"z"} == model | {b"z": b"z"}
        assert {b"a": b"z"} | view == {b"a": b"z"} | model
        assert bool(view) == bool(model)


def set_operations(target: Any, item: bytes, others: frozenset[bytes]) -> dict[str, Callable[[], Any]]:
    """Return what may be done to a view and to its model."""
    return {
        "add": lambda: target.add(item),
        "discard": lambda: target.discard(item),
        "remove": lambda: target.remove(item),
        "ior": lambda: target.__ior__(others) and None,
        "iand": lambda: target.__iand__(others) and None,
        "isub": lambda: target.__isub__(others) and None,
        "ixor": lambda: target.__ixor__(others) and None,
        "update": lambda: target.update(others, {item}),
        "clear": lambda: target.clear(),
    }


SET_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "discard", "remove", "ior", "iand", "isub", "ixor", "update", "clear"]),
        WORDS,
        st.frozensets(WORDS),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(SET_STEPS)
def test_a_set_is_a_set(store: kvcore.Store, steps: list[tuple[str, bytes, frozenset[bytes]]]) -> None:
    store.flushall()
    view, model = store.set("s"), set[bytes]()
    for step, item, others in steps:
        results = [result(set_operations(target, item, others)[step]) for target in (view, model)]
        assert (results[0] is KeyError) == (results[1] is KeyError), step
        assert view == model
        assert set(view) == model == view.copy()
        assert len(view) == len(model)
        assert (item in view) == (item in model)
        for combined, expected in (
            (view & others, model & others),
            (view | others, model | others),
            (view - others, model - others),
            (view ^ others, model ^ others),
            (others - view, others - model),
            (view.union(others), model.union(others)),
            (view.intersection(others), model & others),
            (view.difference(others), model - others),
            (view.symmetric_difference(others), model ^ others),
        ):
            assert set(combined) == expected
        assert (view <= others, view < others, view >= others) == (model <= others, model < others, model >= others)
        assert view.isdisjoint(others) == model.isdisjoint(others)
        assert view.issubset(others) == model.issubset(others)
        assert view.issuperset(others) == model.issuperset(others)


def test_sets_combine_with_views(store: kvcore.Store) -> None:
    store.flushall()
    one, other = store.set("one"), store.set("other")
    one.update("abc")
    other.update("bcd")
    assert one & other == {b"b", b"c"}
    assert one | other == {b"a", b"b", b"c", b"d"}
    one &= other
    assert one == {b"b", b"c"}
    assert one <= other
    assert one.pop() in {b"b", b"c"}
    one.clear()
    with pytest.raises(KeyError):
        one.pop()
    assert None not in one
    assert "SetView(b'other'" in repr(other)


def score_operations(target: Any, member: bytes, score: float) -> dict[str, Callable[[], Any]]:
    """Return what may be done to a view and to its model."""
    return {
        "set": lambda: target.__setitem__(member, score),
        "del": lambda: target.__delitem__(member),
        "pop": lambda: target.pop(member),
        "setdefault": lambda: target.setdefault(member, score),
        "update": lambda: target.update({member: score}),
        "in": lambda: member in target,
    }


SCORES = st.integers(-5, 5).map(float)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "del", "pop", "setdefault", "update", "in", "last"]), WORDS, SCORES),
        max_size=25,
    )
)
def test_a_sorted_set_is_a_mapping_in_the_order_of_its_scores(
    store: kvcore.Store, steps: list[tuple[str, bytes, float]]
) -> None:
    store.flushall()
    view, model = store.sorted_set("z"), dict[bytes, float]()
    for step, member, score in steps:
        if step == "last":
            if model:
                taken, what = view.popitem()
                assert model.pop(taken) == what
                assert what >= max(model.values(), default=what)
            continue
        results = [result(score_operations(target, member, score)[step]) for target in (view, model)]
        assert results[0] == results[1], step
        ordered = sorted(model.items(), key=lambda item: (item[1], item[0]))
        assert list(view.items()) == ordered == list(view.copy().items()) == view.range()
        assert list(reversed(view)) == [name for name, _ in reversed(ordered)]
        assert view == model
        assert [view.rank(name) for name, _ in ordered] == list(range(len(ordered)))
        assert view.range(1, 3) == ordered[1:3]
        assert view.range(-2, -1) == ordered[-2:-1]
        assert view.range(0, 0) == []
        assert view.between(0, 3) == [item for item in ordered if 0 <= item[1] <= 3]
        assert view.count(0, 3) == len(view.between(0, 3))


def test_places_and_scores(store: kvcore.Store) -> None:
    store.flushall()
    view = store.sorted_set("z")
    view.update(a=1, b=2, c=3)
    assert view.increment("a", 9) == 10.0
    assert view.rank("a", reverse=True) == 0
    assert view.range(0, 1, reverse=True) == [(b"a", 10.0)]
    assert view.between("(2", limit=1) == [(b"c", 3.0)]
    assert view.between(0, 9, reverse=True) == [(b"c", 3.0), (b"b", 2.0)]
    assert view.pop_lowest() == (b"b", 2.0)
    view.clear()
    for empty in (view.popitem, view.pop_lowest, lambda: view.rank("a"), lambda: view["a"]):
        with pytest.raises(KeyError):
            empty()


def test_a_counter_counts(store: kvcore.Store) -> None:
    store.flushall()
    counter = store.counter("c")
    assert not counter
    assert counter.incr() == 1
    counter += 4
    counter -= 2
    assert counter == 3
    assert (counter > 2, counter >= 3, counter < 3, counter <= 3) == (True, True, False, True)
    assert int(counter) == counter.value == 3
    assert [0, 1, 2, 3][counter] == 3
    assert counter.decr(3) == 0
    assert counter.incr(7) == 7
    assert counter.reset() == 7
    assert counter.value == 0
    assert store.counter("c") == counter
    assert repr(counter) == "Counter(b'c', 0)"


def test_large_collections_are_not_copied_to_be_iterated(store: kvcore.Store) -> None:
    store.flushall()
    fields = {b"%d" % number: b"x" for number in range(3000)}
    view = store.dict("h")
    view.update(fields)
    assert set(view) == set(fields)
    members = store.set("s")
    members.update(fields)
    assert set(members) == set(fields)
    assert view.increment("n") == 1
    with pytest.raises(KeyError):
        view["none"]
    assert None not in view
    with pytest.raises(TypeError, match="unhashable"):
        hash(view)


def test_views_of_text_stores_hold_text() -> None:
    with kvcore.open(decode_responses=True) as store:
        view = store.dict("h")
        view["ä"] = 1
        assert view == {"ä": "1"}
        members = store.set("s")
        members.add("x")
        members &= {"x", "y"}
        assert members == {"x"}
        assert store.sorted_set("z") == {}


def test_a_view_of_another_type_says_so(store: kvcore.Store) -> None:
    store.flushall()
    store["k"] = "string"
    for view in (store.dict("k"), store.list("k"), store.set("k"), store.sorted_set("k")):
        with pytest.raises(kvcore.WrongTypeError):
            len(view)  # type: ignore[arg-type]
