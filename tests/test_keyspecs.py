"""The notation of key specifications, and key finding where no server is there to compare with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.command import REGISTRY, Command
from kvcore.keyspecs import find_keys, has_keys, legacy_range, parse


def command(name: str, keys: str, flags: str = "", arity: int = -2) -> Command:
    """Make a record that has what key finding looks at."""
    return Command(
        name,
        lambda *_: None,
        arity=arity,
        flags=flags,
        acl="",
        keys=keys,
        group="",
        since="",
        complexity="",
        summary="",
        tips=(),
    )


def test_notation_of_an_index() -> None:
    (spec,) = parse("RW,access,update@1")
    assert spec.reply() == {
        b"flags": ["RW", "access", "update"],
        b"begin_search": {b"type": b"index", b"spec": {b"index": 1}},
        b"find_keys": {b"type": b"range", b"spec": {b"lastkey": 0, b"keystep": 1, b"limit": 0}},
    }


def test_notation_of_a_keyword() -> None:
    first, second = parse("RW,access,delete@3 RO,access@STREAMS:-2..-1/1%2")
    assert (first.begin_type, first.begin) == ("index", 3)
    assert second.reply()[b"begin_search"] == {
        b"type": b"keyword",
        b"spec": {b"keyword": b"STREAMS", b"startfrom": -2},
    }
    assert second.reply()[b"find_keys"] == {
        b"type": b"range",
        b"spec": {b"lastkey": -1, b"keystep": 1, b"limit": 2},
    }


def test_notation_of_a_count() -> None:
    (spec,) = parse("RO,access@1#0+1/1")
    assert spec.reply()[b"find_keys"] == {
        b"type": b"keynum",
        b"spec": {b"keynumidx": 0, b"firstkey": 1, b"keystep": 1},
    }


@pytest.mark.parametrize("notation", ["OW,update@??", "OW,update@?"])
def test_notation_of_the_unknown(notation: str) -> None:
    (spec,) = parse(notation)
    assert spec.reply()[b"begin_search"] == {b"type": b"unknown", b"spec": {}}
    assert spec.reply()[b"find_keys"] == {b"type": b"unknown", b"spec": {}}


@pytest.mark.parametrize("notation", ["1", "RO@", "RO@x", "RO@1..2", "RO@1#2", "RO@1/1", "RO@1 x"])
def test_malformed_notation_is_refused(notation: str) -> None:
    with pytest.raises(ValueError, match="not a key specification"):
        parse(notation)


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        ("", (0, 0, 0)),
        ("RO@1", (1, 1, 1)),
        ("RO@1..-1/1", (1, -1, 1)),
        ("OW@1..-1/2", (1, -1, 2)),
        ("RW@1 RW@2", (1, 2, 1)),
        ("OW@1 RO@2..-1/1", (1, -1, 1)),
        ("OW@1 RO@3", (1, 1, 1)),
        ("RO@STREAMS:1..-1/1%2", (0, 0, 0)),
        ("OW@1 RO@2#0+1/1", (1, 1, 1)),
        ("RW@3 RW,incomplete@KEYS:-2..-1/1", (3, 3, 1)),
    ],
)
def test_legacy_range(notation: str, expected: tuple[int, int, int]) -> None:
    assert legacy_range(parse(notation)) == expected


def found(record: Command, line: str) -> list[str] | None:
    argv = [word.encode() for word in line.split()]
    keys = find_keys(record, argv)
    return None if keys is None else [argv[index].decode() for index, _ in keys]


def test_xread_keys() -> None:
    xread = command("xread", "RO,access@STREAMS:1..-1/1%2")
    assert found(xread, "xread count 1 streams a b 0 0") == ["a", "b"]
    assert found(xread, "xread count streams streams a b 0 0") == ["streams", "a"]
    assert found(xread, "xread streams a b 0") == ["a"]
    assert found(xread, "xread count 1 foo") is None


def test_migrate_keys() -> None:
    migrate = command("migrate", "RW,access,delete@3 RW,access,delete,incomplete@KEYS:-2..-1/1", arity=-6)
    assert found(migrate, "migrate h 1 k 0 100") == ["k"]
    assert found(migrate, "migrate h 1 k 0 100 keys a b") is None
    argv = [b"migrate", b"h", b"1", b"", b"0", b"100", b"auth", b"keys", b"KEYS", b"a", b"b"]
    assert find_keys(migrate, argv) == [(9, ("RW", "access", "delete")), (10, ("RW", "access", "delete"))]
    assert find_keys(migrate, [*argv[:6], b"keys"]) == [(3, ("RW", "access", "delete"))]


def test_georadius_keys() -> None:
    georadius = command("georadius", "RO,access@1 OW,update@STORE:6 OW,update@STOREDIST:6", arity=-6)
    assert found(georadius, "georadius k 1 2 3 m") == ["k"]
    assert found(georadius, "georadius k 1 2 3 m store") == ["k"]
    assert found(georadius, "georadius k 1 2 3 m storedist x store y") == ["k", "y", "x"]


def test_eval_keys() -> None:
    record = command("eval", "RW,access,update@2#0+1/1", "no_mandatory_keys", arity=-3)
    assert found(record, "eval s 0") == []
    assert found(record, "eval s 5 a") == []
    assert found(record, "eval s 1 a b") == ["a"]
    assert find_keys(record, [b"eval", b"s", b"1x", b"a"]) == [(3, ())]


def test_bitfield_keys_tell_reading_from_writing() -> None:
    record = command("bitfield", "RW,access,update,variable_flags@1")
    reading, writing = [(1, ("RO", "access"))], [(1, ("RW", "access", "update"))]
    for line, expected in (
        ("bitfield k", reading),
        ("bitfield k get u8 0", reading),
        ("bitfield k overflow wrap get u8 0", reading),
        ("bitfield k get u8 0 set u8 0 1", writing),
        ("bitfield k get u8", writing),
        ("bitfield k overflow", writing),
    ):
        assert find_keys(record, line.encode().split()) == expected, line


def test_channels_are_not_keys() -> None:
    assert not has_keys(command("spublish", "not_key@1"))
    assert has_keys(command("get", "RO,access@1"))
    assert find_keys(command("spublish", "not_key@1"), [b"spublish", b"c", b"m"]) is None


def test_every_notation_in_use_parses() -> None:
    records = REGISTRY.bind().values()
    for record in [one for r in records for one in (r, *(r.subcommands or {}).values())]:
        parse(record.keys)


@given(st.data())
def test_found_keys_are_inside_argv(data: st.DataObject) -> None:
    records = [r for r in REGISTRY.bind().values() if r.subcommands is None and has_keys(r)]
    record = data.draw(st.sampled_from(records))
    words = st.sampled_from([b"k", b"1", b"2", b"-1", b"STORE", b"keys", b"limit", b"99999999999999999999", b""])
    minimum = abs(record.arity) - 1
    size = minimum if record.arity > 0 else data.draw(st.integers(minimum, minimum + 6))
    argv = [record.name.encode(), *data.draw(st.lists(words, min_size=size, max_size=size))]
    for index, _ in find_keys(record, argv) or []:
        assert 1 <= index < len(argv)
