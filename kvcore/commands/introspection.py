"""COMMAND: what commands there are, what they take and what they touch.

Lives here: replies made of the command records. Must not live here: facts about a single command (they stand in its
decorator, those about its arguments in :mod:`kvcore.command_docs`) and key finding (:mod:`kvcore.keyspecs`). The rule:
nothing here names a command; flags, ACL categories and key positions derive from the record.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.acl.vocabulary import categories_of
from kvcore.call import Call
from kvcore.command import Command, command
from kvcore.command_docs import facts
from kvcore.errors import CommandError
from kvcore.glob import compile as compile_glob
from kvcore.helptext import container_help
from kvcore.keyspecs import Key, find_keys, has_keys, legacy_range, parse
from kvcore.replies import OrderedSet, Reply

_UNSHOWN_FLAGS: Final = frozenset({"may_replicate"})
"""Flags that the dispatcher tests and COMMAND INFO leaves out."""

_HELP: Final = {
    "INFO": "[<command> ...]",
    "DOCS": "[<command> ...]",
    "LIST": "[FILTERBY <MODULE <name>|ACLCAT <category>|PATTERN <pattern>>]",
    "GETKEYS": "<command> [<arg> ...]",
    "GETKEYSANDFLAGS": "<command> [<arg> ...]",
}


def all_commands(call: Call) -> list[Command]:
    """Return the records of this engine, without subcommands. The table has each under two spellings."""
    return list(dict.fromkeys(call.engine.commands.values()))


def _find(call: Call, full_name: bytes) -> Command | None:
    """Return the record of ``get`` or ``config|get``, None if there is none."""
    name, separator, subcommand = full_name.lower().partition(b"|")
    record = call.engine.commands.get(name)
    if record is None or not separator:
        return record
    return (record.subcommands or {}).get(subcommand)


def describe(record: Command) -> list[Reply]:
    """Return what COMMAND INFO says of a command."""
    specs = parse(record.keys)
    first, last, step = legacy_range(specs)
    subcommands = list((record.subcommands or {}).values())
    return [
        record.full_name.encode(),
        record.arity,
        OrderedSet(flag for flag in record.flags if flag not in _UNSHOWN_FLAGS),
        first,
        last,
        step,
        OrderedSet(f"@{category}" for category in categories_of(record)),
        OrderedSet(tip.encode() for tip in record.tips),
        OrderedSet(spec.reply() for spec in specs),
        [describe(subcommand) for subcommand in subcommands] if subcommands else OrderedSet(),
    ]


def document(record: Command) -> dict[Reply, Reply]:
    """Return what COMMAND DOCS says of a command."""
    found: dict[Reply, Reply] = {
        b"summary": record.summary.encode(),
        b"since": record.since.encode(),
        b"group": record.group.encode(),
    }
    if record.complexity:
        found[b"complexity"] = record.complexity.encode()
    found |= facts(record.full_name)
    if record.subcommands:
        found[b"subcommands"] = {
            subcommand.full_name.encode(): document(subcommand) for subcommand in record.subcommands.values()
        }
    return found


@command(
    "COMMAND",
    arity=-1,
    flags="loading stale",
    acl="connection",
    group="server",
    since="2.8.13",
    complexity="O(N) where N is the total number of Redis commands",
    summary="Describe all commands.",
    tips=("nondeterministic_output_order",),
)
def command_all(call: Call, *_arguments: bytes) -> Reply:
    return [describe(record) for record in all_commands(call)]


@command(
    "COMMAND|COUNT",
    arity=2,
    flags="loading stale",
    acl="connection",
    group="server",
    since="2.8.13",
    complexity="O(1)",
    summary="Return how many commands there are.",
)
def command_count(call: Call) -> Reply:
    return len(all_commands(call))


@command(
    "COMMAND|INFO",
    arity=-2,
    flags="loading stale",
    acl="connection",
    group="server",
    since="2.8.13",
    complexity="O(N) where N is the number of commands to look up",
    summary="Describe some commands, or all.",
    tips=("nondeterministic_output_order",),
)
def command_info(call: Call, *names: bytes) -> Reply:
    if not names:
        return command_all(call)
    records = [_find(call, name) for name in names]
    return [None if record is None else describe(record) for record in records]


@command(
    "COMMAND|DOCS",
    arity=-2,
    flags="loading stale",
    acl="connection",
    group="server",
    since="7.0.0",
    complexity="O(N) where N is the number of commands to look up",
    summary="Return the documentation of some commands, or of all.",
    tips=("nondeterministic_output_order",),
)
def command_docs(call: Call, *names: bytes) -> Reply:
    records = [_find(call, name) for name in names] if names else [*all_commands(call)]
    return {record.full_name.encode(): document(record) for record in records if record is not None}


@command(
    "COMMAND|LIST",
    arity=-2,
    flags="loading stale",
    acl="connection",
    group="server",
    since="7.0.0",
    complexity="O(N) where N is the total number of Redis commands",
    summary="Return the names of all commands, or of those a filter leaves.",
    tips=("nondeterministic_output_order",),
)
def command_list(call: Call, *options: bytes) -> Reply:
    records: list[Command] = []
    for record in all_commands(call):
        records.append(record)
        records.extend((record.subcommands or {}).values())
    if options:
        if len(options) != 3 or options[0].upper() != b"FILTERBY":
            raise CommandError(errors.SYNTAX)
        records = _filtered(records, options[1].upper(), options[2])
    return [record.full_name.encode() for record in records]


def _filtered(records: list[Command], kind: bytes, wanted: bytes) -> list[Command]:
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = wanted.decode("latin-1").lower()
        return [record for record in records if category in categories_of(record)]
    if kind == b"PATTERN":
        matches = compile_glob(wanted, nocase=True)
        return [record for record in records if matches(record.full_name.encode())]
    raise CommandError(errors.SYNTAX)


def _keys_of(call: Call, argv: list[bytes]) -> list[Key]:
    """Return the keys of a command line, or raise what GETKEYS answers."""
    record = call.engine.commands.get(argv[0].lower())
    if record is not None and record.subcommands is not None:
        record = record.subcommands.get(argv[1].lower()) if len(argv) > 1 else None
    if record is None:
        raise CommandError(errors.INVALID_COMMAND)
    if not has_keys(record):
        raise CommandError(errors.NO_KEY_ARGUMENTS)
    if len(argv) != record.arity and (record.arity >= 0 or len(argv) < -record.arity):
        raise CommandError(errors.INVALID_ARGUMENT_COUNT)
    keys = find_keys(record, argv)
    if keys is None:
        raise CommandError(errors.INVALID_COMMAND_ARGUMENTS)
    return keys


@command(
    "COMMAND|GETKEYS",
    arity=-4,
    flags="loading stale",
    acl="connection",
    group="server",
    since="2.8.13",
    complexity="O(N) where N is the number of arguments to the command",
    summary="Return the keys among the arguments of a command.",
)
def command_getkeys(call: Call, *argv: bytes) -> Reply:
    return [argv[index] for index, _ in _keys_of(call, list(argv))]


@command(
    "COMMAND|GETKEYSANDFLAGS",
    arity=-4,
    flags="loading stale",
    acl="connection",
    group="server",
    since="7.0.0",
    complexity="O(N) where N is the number of arguments to the command",
    summary="Return the keys among the arguments of a command, and what it does to each.",
)
def command_getkeysandflags(call: Call, *argv: bytes) -> Reply:
    return [[argv[index], OrderedSet(flags)] for index, flags in _keys_of(call, list(argv))]


@command(
    "COMMAND|HELP",
    arity=2,
    flags="loading stale",
    acl="connection",
    group="server",
    since="5.0.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def command_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"command"], _HELP)
