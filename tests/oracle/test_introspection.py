"""COMMAND and its subcommands beside the real server, for every command kvcore has.

Must not live here: the wording of documentation, which is kvcore's own; only its facts are compared.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvcore.command import REGISTRY
from tests.oracle import generate_docs
from tests.oracle.compatibility import is_newer, versions_here
from tests.oracle.conftest import Fleet
from tests.oracle.harness import Pair, Wire, check

NEWER = {name for name, since in versions_here().items() if is_newer(since)}
"""Commands and subcommands that the real server of this version lacks."""

ALL_NAMES = sorted(record.decode() for record in REGISTRY.bind() if record.islower())
NAMES = [name for name in ALL_NAMES if name not in NEWER]
LONGER = {"persist": -2, "pttl": -2, "ttl": -2, "zrank": -3, "zrevrank": -3}
"""Arities of commands that take an argument more than in this version: KeyDB's member, WITHSCORE of Redis 7.2."""

SAMPLE_ARGUMENTS = ["k", "2", "0", "1x", "STORE", "GET", "streams", "limit", "KEYS", "", "left", "-1", "4294967298"]


def without_notes(reply: Wire) -> Wire:
    """Leave out the remarks of key specifications: prose of the real server's documentation."""
    items = list(reply.items)
    if reply.kind in "%*" and len(items) % 2 == 0:
        kept = [
            part
            for key, value in zip(items[0::2], items[1::2], strict=True)
            if key.text != b"notes"
            for part in (key, value)
        ]
        items = kept
    return Wire(reply.kind, reply.text, [without_notes(item) for item in items])


def sorted_subcommands(info: Wire, known: set[bytes]) -> Wire:
    """Order subcommands by name and leave out those kvcore does not have."""
    *fields, subcommands = info.items
    kept = sorted((sub for sub in subcommands.items if sub.items[0].text in known), key=lambda sub: sub.items[0].text)
    return Wire(info.kind, items=[*fields, Wire(subcommands.kind, items=kept)])


@pytest.mark.parametrize("name", NAMES)
def test_command_info(pair: Pair, name: str) -> None:
    oracle, kvcore = pair.ask("COMMAND", "INFO", name)
    ours = kvcore.items[0]
    known = {sub.items[0].text for sub in ours.items[9].items if sub.items[0].text.decode() not in NEWER}
    theirs = oracle.items[0]
    assert theirs.items, f"the real server has no {name}"
    if name in LONGER:
        assert ours.items[1] == Wire(":", b"%d" % LONGER[name])
        ours.items[1] = theirs.items[1]
    wanted = sorted_subcommands(without_notes(theirs), known)
    assert sorted_subcommands(ours, known) == wanted
    if known:
        assert {sub.items[0].text for sub in theirs.items[9].items} >= known


def facts(docs: Wire) -> dict[str, Any]:
    """Keep what is a fact in COMMAND DOCS: everything but sentences, which are each server's own."""
    found: dict[str, Any] = {}
    for key, value in docs.pairs():
        name = key.text.decode()
        if name == "history":
            found[name] = {version.text for version, _ in (entry.items for entry in value.items)}
        elif name == "subcommands":
            found[name] = {subcommand.text: facts(entry) for subcommand, entry in value.pairs()}
        else:
            found[name] = None if name == "summary" else value
    return found


@pytest.mark.parametrize("name", NAMES)
def test_command_docs(pair: Pair, name: str) -> None:
    oracle, kvcore = pair.ask("COMMAND", "DOCS", name)
    assert oracle.kind == kvcore.kind
    found = facts(kvcore.pairs()[0][1])
    if not oracle.items:  # a command of other servers: its arguments stand nowhere
        assert not found.keys() & {"arguments", "history", "doc_flags"}
        return
    assert kvcore.items[0] == oracle.items[0]
    wanted = facts(oracle.pairs()[0][1])
    assert list(found) == list(wanted)
    ours, theirs = found.pop("subcommands", {}), wanted.pop("subcommands", {})
    assert found == wanted
    assert bool(ours) == bool(theirs)
    for subcommand in ours.keys() & theirs.keys():
        assert list(ours[subcommand]) == list(theirs[subcommand])
        assert ours[subcommand] == theirs[subcommand]


def test_docs_of_a_subcommand(pair: Pair) -> None:
    oracle, kvcore = pair.ask("COMMAND", "DOCS", "client|kill")
    assert facts(kvcore.pairs()[0][1]) == facts(oracle.pairs()[0][1])


def test_documented_facts_are_those_of_the_real_server(fleet: Fleet) -> None:
    assert generate_docs.FILE.read_text() == generate_docs.lay_out(generate_docs.ask(fleet.oracle))


def test_lookups_that_fail(pair: Pair) -> None:
    check(
        pair,
        """
        COMMAND INFO nosuch get|x config|nosuch nosuch|x ''
        COMMAND INFO GET CONFIG|GET
        COMMAND DOCS nosuch config|nosuch
        COMMAND FOO
        COMMAND COUNT x
        COMMAND LIST x
        COMMAND LIST FILTERBY
        COMMAND LIST FILTERBY PATTERN
        COMMAND LIST FILTERBY NOSUCH x
        COMMAND LIST FILTERBY PATTERN a b
        COMMAND LIST FILTERBY MODULE x
        COMMAND LIST FILTERBY ACLCAT nosuch
        COMMAND GETKEYS
        COMMAND GETKEYS get
        COMMAND GETKEYSANDFLAGS get
        COMMAND HELP x
    """,
    )


@pytest.mark.parametrize(
    "filter_by",
    [
        ("PATTERN", "*get*"),
        ("pattern", "CONFIG*"),
        ("PATTERN", "[a-c]*"),
        *(("ACLCAT", category) for category in ("connection", "read", "WRITE", "fast", "dangerous", "list", "hash")),
    ],
)
def test_command_list(pair: Pair, filter_by: tuple[str, str]) -> None:
    oracle, kvcore = pair.ask("COMMAND", "LIST", "FILTERBY", *filter_by)
    assert sorted(older(kvcore)) == sorted(oracle.native())
    assert kvcore.native()


def test_no_command_is_missing(pair: Pair) -> None:
    oracle, kvcore = pair.ask("COMMAND", "LIST")
    assert sorted(older(kvcore)) == sorted(oracle.native())


def older(names: Wire) -> list[bytes]:
    """Keep the commands that the real server of this version should have."""
    return [name for name in names.native() if name.decode() not in NEWER]


def test_count_and_list_agree(pair: Pair) -> None:
    _, count = pair.ask("COMMAND", "COUNT")
    _, names = pair.ask("COMMAND", "LIST")
    _, infos = pair.ask("COMMAND")
    assert count.native() == len(infos.items) == len(ALL_NAMES)
    assert {name for name in names.native() if b"|" not in name} == {name.encode() for name in ALL_NAMES}


GETKEYS = """
get a
get a b
GET a
nosuch a b
ping a
ping a b
config get a
config foo a
config a
object encoding k
object|encoding k
mset a 1 b
mset a 1 b 2
msetnx a 1 b 2
mget a b c
zunionstore dst 2 a b weights 1 2
zunionstore dst 3 a b
zunionstore dst x a b
zunionstore dst 2x a b
zunionstore dst 0 a b
zunionstore dst -1 a b
zunionstore dst 99999999999999999999 a b
zunionstore dst 4294967298 a b
zunion 2x a b
zdiff +1 a b
zinter " 1" a b
zintercard 1x a b
sort k by x get y store dst
sort k by x get y
sort k store
sort k store a store b
sort k limit 0 store store c
sort k get store
sort k get store store d
sort k store store k
sort k store get store x
sort_ro k by x get y
blpop a b c 0
blpop a
blmpop 0 2 a b left
lmpop 2 a b left
lmpop 3 a b left
lmpop 4 a b left
lmpop 1x a b left
bzmpop 0 1x a b min
sintercard 2 a b limit 1
sintercard 2 a
zinter 2 a b
publish a b
subscribe a b
multi x
set a b
set a b get
set a b ex 10 GET
set a b ex
rename a b
smove a b c
copy a b
del a b
exists a b
lmove a b left right
rpoplpush a b
brpoplpush a b 0
zrangestore d a 0 1
watch a b
lcs a b
sinterstore d a b
sdiff a b
hset h f v
touch a
unlink a b
randomkey a
getex a
"""


@pytest.mark.parametrize("line", [line for line in GETKEYS.splitlines() if line])
def test_getkeys(pair: Pair, line: str) -> None:
    check(pair, f"COMMAND GETKEYS {line}\nCOMMAND GETKEYSANDFLAGS {line}")


@settings(max_examples=150)
@given(
    name=st.sampled_from(
        [name for name in NAMES if name not in LONGER and REGISTRY.bind()[name.encode()].subcommands is None]
    ),
    arguments=st.lists(st.sampled_from(SAMPLE_ARGUMENTS), min_size=1, max_size=8),
)
def test_getkeys_of_anything(pair: Pair, name: str, arguments: list[str]) -> None:
    pair.both("COMMAND", "GETKEYSANDFLAGS", name, *arguments)


def test_help_lists_every_subcommand(pair: Pair) -> None:
    oracle, kvcore = pair.ask("COMMAND", "HELP")
    lines = kvcore.native()
    assert lines[0] == oracle.native()[0]
    assert lines[-2:] == oracle.native()[-2:]
    for name in ("COUNT", "DOCS", "GETKEYS", "GETKEYSANDFLAGS", "INFO", "LIST"):
        assert any(line.split(" ")[0] == name for line in lines)
