"""Command records, and the table every engine binds for itself."""

from __future__ import annotations

import inspect

import pytest

from kvcore.command import (
    FAST,
    FLAG_BITS,
    READONLY,
    REGISTRY,
    WRITE,
    Command,
    CommandTable,
)
from kvcore.engine import Engine
from tests.engine_client import Client


def nothing(*_arguments: object) -> None:
    return None


def test_a_record_derives_its_bits_and_names() -> None:
    record = Command("CONFIG|GET", nothing, arity=-3, flags="readonly fast movablekeys", acl="admin slow")
    assert (record.full_name, record.name, record.skip) == ("config|get", "get", 2)
    assert record.bits == READONLY | FAST
    assert record.flags == ("readonly", "fast", "movablekeys")
    assert record.acl == ("admin", "slow")
    assert Command("GET", nothing, arity=2).skip == 1


def test_each_flag_is_a_bit_of_its_own() -> None:
    assert len(set(FLAG_BITS.values())) == len(FLAG_BITS)
    assert all(bit.bit_count() == 1 for bit in FLAG_BITS.values())


def test_names_are_declared_once() -> None:
    table = CommandTable()
    table.add(Command("A", nothing, arity=1))
    with pytest.raises(ValueError, match="command a is declared twice"):
        table.add(Command("a", nothing, arity=2))


def test_a_subcommand_needs_its_container() -> None:
    table = CommandTable()
    with pytest.raises(KeyError):
        table.add(Command("BOX|OPEN", nothing, arity=2))
    table.add(Command("BOX", nothing, arity=-2))
    table.add(Command("BOX|OPEN", nothing, arity=2))
    bound = table.bind()
    assert bound[b"box"] is bound[b"BOX"]
    assert bound[b"box"].subcommands is not None
    assert list(bound[b"box"].subcommands) == [b"open"]


def test_engines_count_for_themselves() -> None:
    one, other = Engine(), Engine()
    client = Client(one)
    client("PING")
    client("CLIENT", "ID")
    assert one.commands[b"ping"].calls == 1
    assert one.commands[b"client"].subcommands[b"id"].calls == 1
    assert other.commands[b"ping"].calls == 0
    assert other.commands[b"client"].subcommands[b"id"].calls == 0


def test_a_reset_reaches_subcommands(client: Client) -> None:
    client("CLIENT", "ID")
    client("CLIENT", "ID", "extra")
    record = client.engine.commands[b"client"]
    identity = record.subcommands[b"id"]
    assert (identity.calls, identity.rejected) == (1, 1)
    record.reset()
    assert (identity.calls, identity.rejected, identity.failed, identity.time_ns) == (0, 0, 0, 0)


def test_a_bound_record_differs_from_the_declared_one_by_its_counters_alone() -> None:
    counters = {"calls", "time_ns", "rejected", "failed", "subcommands"}
    for record in set(REGISTRY.bind().values()):
        again = record.bound()
        for slot in set(Command.__slots__) - counters:
            assert getattr(again, slot) == getattr(record, slot)


def all_records() -> list[Command]:
    records = list(dict.fromkeys(REGISTRY.bind().values()))
    return records + [sub for record in records for sub in (record.subcommands or {}).values()]


def test_handlers_take_what_the_arity_lets_through() -> None:
    wrong = []
    for record in all_records():
        if record.subcommands is not None:
            continue
        signature = inspect.signature(record.handler)
        fewest = abs(record.arity) - record.skip
        most = fewest if record.arity > 0 else fewest + 20
        for count in (fewest, most):
            try:
                signature.bind(None, *[b""] * count)
            except TypeError:
                wrong.append(f"{record.full_name} with {count}")
    assert wrong == []


def test_no_command_both_writes_and_only_reads() -> None:
    assert [record.full_name for record in all_records() if record.bits & WRITE and record.bits & READONLY] == []


def test_every_record_is_documented() -> None:
    assert [r.full_name for r in all_records() if not (r.summary and r.group and r.since and r.arity)] == []
