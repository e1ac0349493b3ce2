"""CONFIG: read and change directives, reset the statistics.

Lives here: the commands. Must not live here: what a directive may hold (:mod:`kvcore.config`). The rule: CONFIG SET
changes all of its directives or none.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.connection import REDACTED, is_local
from kvcore.config import quote
from kvcore.config_rewrite import rewrite
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.replies import OK, Reply

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.ports import TextFile

logger = logging.getLogger("kvcore.config")

_HELP: Final = {"GET": "<pattern> [<pattern> ...]", "SET": "<directive> <value> [<directive> <value> ...]"}
_SECRETS: Final = frozenset(
    {b"REQUIREPASS", b"MASTERAUTH", b"MASTERUSER", b"TLS-KEY-FILE-PASS", b"TLS-CLIENT-KEY-FILE-PASS"}
)


@command(
    "CONFIG",
    arity=-2,
    group="server",
    since="2.0.0",
    complexity="Depends on subcommand.",
    summary="Look at and change the configuration of the running server.",
)
def config(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "CONFIG|GET",
    arity=-3,
    flags="admin noscript loading stale",
    group="server",
    since="2.0.0",
    complexity="O(N) when N is the number of configuration parameters provided",
    summary="Return the directives whose names match the patterns.",
)
def config_get(call: Call, *patterns: bytes) -> Reply:
    return call.engine.config.config_get(list(patterns))


@command(
    "CONFIG|SET",
    arity=-4,
    flags="admin noscript loading stale",
    group="server",
    since="2.0.0",
    complexity="O(N) when N is the number of configuration parameters provided",
    summary="Change directives, all of them or none.",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def config_set(call: Call, *words: bytes) -> Reply:
    if len(words) % 2:
        raise CommandError(errors.SYNTAX)
    pairs = list(zip(words[0::2], words[1::2], strict=True))
    for index, (name, _) in enumerate(pairs):
        if name.upper() in _SECRETS:
            call.argv[3 + 2 * index] = REDACTED
    call.engine.config.config_set(pairs, is_local(call.session), call.engine.receiving)
    return OK


@command(
    "CONFIG|RESETSTAT",
    arity=2,
    flags="admin noscript loading stale",
    group="server",
    since="2.0.0",
    complexity="O(1)",
    summary="Zero the counters that INFO shows.",
)
def config_resetstat(call: Call) -> Reply:
    call.engine.reset_statistics()
    return OK


@command(
    "CONFIG|REWRITE",
    arity=2,
    flags="admin noscript loading stale",
    group="server",
    since="2.8.0",
    complexity="O(1)",
    summary="Write the configuration in use into its file.",
)
def config_rewrite(call: Call) -> Reply:
    file = call.engine.config_file
    if file is None:
        raise CommandError(errors.NO_CONFIG_FILE)
    try:
        rewrite_file(call.engine, file)
    except OSError as error:
        reason = error.strerror or str(error)
        logger.warning("CONFIG REWRITE failed: %s", reason)
        raise CommandError(errors.config_not_rewritten(reason)) from error
    logger.info("CONFIG REWRITE executed with success.")
    return OK


def rewrite_file(engine: Engine, file: TextFile, everything: bool = False) -> None:
    """Bring the config file up to date, or make it; raise OSError."""
    try:
        old = errors.text(file.read())
    except FileNotFoundError:
        old = ""
    new = rewrite(engine.config, old, user_lines(engine), everything)
    file.replace(new.encode("utf-8", "surrogateescape"))


def user_lines(engine: Engine) -> list[str] | None:
    """Return the `user` lines of a config file; none if an `aclfile` holds the users."""
    if engine.acl.file is not None:
        return []
    lines = [errors.text(line).split(" ") for line in engine.acl.lines()]
    # A config file knows quotes, and reads them away; an ACL file does not.
    return [" ".join(quote(word) if '"' in word or "'" in word else word for word in words) for words in lines]


@command(
    "CONFIG|HELP",
    arity=2,
    flags="loading stale",
    group="server",
    since="5.0.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def config_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"config"], _HELP)
