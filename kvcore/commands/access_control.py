"""ACL: users, what they may do, and what they were refused.

Lives here: arguments and replies. Must not live here: rules, checks and the log (:mod:`kvcore.acl`), AUTH and HELLO
(:mod:`kvcore.commands.connection`). The rule: nothing here is propagated; each server has users of its own.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.acl.control import DEFAULT
from kvcore.acl.selectors import Selector
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.connection import REDACTED
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.replies import OK, OrderedSet, Reply

_GENPASS_BITS: Final = 256
_GENPASS_MOST_BITS: Final = 4096
_LOG_ENTRIES: Final = 10
_HELP: Final = {
    "CAT": "[<category>]",
    "DELUSER": "<username> [<username> ...]",
    "DRYRUN": "<username> <command> [<arg> ...]",
    "GENPASS": "[<bits>]",
    "GETUSER": "<username>",
    "LOG": "[<count>|RESET]",
    "SETUSER": "<username> <rule> [<rule> ...]",
}


@command(
    "ACL",
    arity=-2,
    group="server",
    since="6.0.0",
    complexity="Depends on subcommand.",
    summary="Manage users and their permissions.",
)
def acl(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "ACL|CAT",
    arity=-2,
    flags="noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(1) since the categories and commands are a fixed set.",
    summary="List the categories, or the commands of one.",
)
def acl_cat(call: Call, *category: bytes) -> Reply:
    vocabulary = call.engine.acl.vocabulary
    if not category:
        return [name.encode() for name in vocabulary.categories()]
    if len(category) > 1:
        raise CommandError(errors.wrong_subcommand("ACL", call.argv[1]))
    name = category[0].decode("latin-1").lower()
    if vocabulary.members(name) is None:
        raise CommandError(errors.acl_category(category[0]))
    return [full_name.encode() for full_name in vocabulary.names(name)]


@command(
    "ACL|DELUSER",
    arity=-3,
    flags="admin noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(1) amortized time considering the typical user.",
    summary="Delete users and close their connections.",
)
def acl_deluser(call: Call, *names: bytes) -> Reply:
    if DEFAULT in names:
        raise CommandError(errors.ACL_DEFAULT_STAYS)
    return sum(call.engine.acl.delete_user(name, call.session) for name in names)


@command(
    "ACL|DRYRUN",
    arity=-4,
    flags="admin noscript loading stale",
    group="server",
    since="7.0.0",
    complexity="O(1).",
    summary="Tell whether a user might run a command, without running it.",
)
def acl_dryrun(call: Call, name: bytes, *argv: bytes) -> Reply:
    engine = call.engine
    user = engine.acl.users.get(name)
    if user is None:
        raise CommandError(errors.acl_no_user(name))
    record = engine.resolve(list(argv))
    if not record.full_name:
        raise CommandError(errors.acl_no_command(argv[0]))
    if not record.fewest <= len(argv) <= record.most:
        raise CommandError(errors.wrong_arity(record.full_name))
    denial = engine.acl.check_user(user, record, list(argv))
    return OK if denial is None else denial.dry_run()


@command(
    "ACL|GENPASS",
    arity=-2,
    flags="noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(1)",
    summary="Make a password that nobody can guess.",
)
def acl_genpass(call: Call, *size: bytes) -> Reply:
    if len(size) > 1:
        raise CommandError(errors.wrong_subcommand("ACL", call.argv[1]))
    bits = integer(size[0]) if size else _GENPASS_BITS
    if not 1 <= bits <= _GENPASS_MOST_BITS:
        raise CommandError(errors.ACL_GENPASS_BITS)
    digits = (bits + 3) // 4
    return call.engine.process.secret_bytes((digits + 1) // 2).hex()[:digits].encode()


@command(
    "ACL|GETUSER",
    arity=3,
    flags="admin noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(N). Where N is the number of password, command and pattern rules that the user has.",
    summary="Show a user's flags, passwords and permissions.",
)
def acl_getuser(call: Call, name: bytes) -> Reply:
    user = call.engine.acl.users.get(name)
    if user is None:
        return None
    root, *others = user.selectors
    return {
        b"flags": OrderedSet(user.flags()),
        b"passwords": list(user.passwords),
        **_permissions(root),
        b"selectors": [_permissions(selector) for selector in others],
    }


def _permissions(selector: Selector) -> dict[Reply, Reply]:
    return {
        b"commands": selector.describe_commands(),
        b"keys": selector.describe_keys(),
        b"channels": selector.describe_channels(),
    }


@command(
    "ACL|LIST",
    arity=2,
    flags="admin noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(N). Where N is the number of configured users.",
    summary="Show all users as the lines of an ACL file.",
)
def acl_list(call: Call) -> Reply:
    return list(call.engine.acl.lines())


@command(
    "ACL|LOAD",
    arity=2,
    flags="admin noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(N). Where N is the number of configured users.",
    summary="Replace all users by those of the ACL file.",
)
def acl_load(call: Call) -> Reply:
    call.engine.acl.load(call.session)
    return OK


@command(
    "ACL|LOG",
    arity=-2,
    flags="admin noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(N) with N being the number of entries shown.",
    summary="Show the newest refusals, or forget them all.",
)
def acl_log(call: Call, *option: bytes) -> Reply:
    log = call.engine.acl.log
    if len(option) > 1:
        raise CommandError(errors.wrong_subcommand("ACL", call.argv[1]))
    if option and option[0].lower() == b"reset":
        log.clear()
        return OK
    count = integer(option[0]) if option else _LOG_ENTRIES
    now_ms = call.engine.now_ms()
    return [refusal.reply(now_ms) for refusal in log.newest(max(count, 0))]


@command(
    "ACL|SAVE",
    arity=2,
    flags="admin noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(N). Where N is the number of configured users.",
    summary="Write all users to the ACL file.",
)
def acl_save(call: Call) -> Reply:
    call.engine.acl.save()
    return OK


@command(
    "ACL|SETUSER",
    arity=-3,
    flags="admin noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(N). Where N is the number of rules provided.",
    summary="Create a user, or change one by further rules.",
)
def acl_setuser(call: Call, name: bytes, *rules: bytes) -> Reply:
    # The argument list is what the slow log will show.
    call.argv[2:] = [REDACTED] * (len(rules) + 1)
    call.engine.acl.set_user(name, list(rules), call.session)
    return OK


@command(
    "ACL|USERS",
    arity=2,
    flags="admin noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(N). Where N is the number of configured users.",
    summary="List the names of all users.",
)
def acl_users(call: Call) -> Reply:
    return [user.name for user in call.engine.acl.in_order()]


@command(
    "ACL|WHOAMI",
    arity=2,
    flags="noscript loading stale",
    group="server",
    since="6.0.0",
    complexity="O(1)",
    summary="Return the name of the user this connection is logged in as.",
)
def acl_whoami(call: Call) -> Reply:
    return call.session.user


@command(
    "ACL|HELP",
    arity=2,
    flags="loading stale",
    group="server",
    since="6.0.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def acl_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"acl"], _HELP)
