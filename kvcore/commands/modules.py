"""MODULE: what a server without C modules says about them.

Lives here: the commands. Must not live here: commands written in Python (:mod:`kvcore.extensions`), which need none of
this. The rule: LOAD is refused where the real server would refuse it (`enable-module-command`), and else fails as for a
file that cannot be loaded.
"""

from __future__ import annotations

import logging
from typing import Final

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.connection import protection
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.replies import Reply

logger = logging.getLogger("kvcore.modules")

_HELP: Final = {
    "LOAD": "<path> [<arg> ...]",
    "LOADEX": "<path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
    "UNLOAD": "<name>",
}


@command(
    "MODULE",
    arity=-2,
    group="server",
    since="4.0.0",
    complexity="Depends on subcommand.",
    summary="Ask about C modules, of which there are none.",
)
def module(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "MODULE|LIST",
    arity=2,
    flags="admin noscript",
    group="server",
    since="4.0.0",
    complexity="O(N) where N is the number of loaded modules.",
    summary="Return the loaded modules: always none.",
    tips=("nondeterministic_output_order",),
)
def module_list(_call: Call) -> Reply:
    return []


@command(
    "MODULE|LOAD",
    arity=-3,
    flags="admin noscript no_async_loading",
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Load a C module; fails.",
)
def module_load(call: Call, path: bytes, *_arguments: bytes) -> Reply:
    return _fail_to_load(call, path)


@command(
    "MODULE|LOADEX",
    arity=-3,
    flags="admin noscript no_async_loading",
    group="server",
    since="7.0.0",
    complexity="O(1)",
    summary="Load a C module with directives of its own; fails.",
)
def module_loadex(call: Call, path: bytes, *_arguments: bytes) -> Reply:
    return _fail_to_load(call, path)


@command(
    "MODULE|UNLOAD",
    arity=3,
    flags="admin noscript no_async_loading",
    group="server",
    since="4.0.0",
    complexity="O(1)",
    summary="Unload a C module; fails.",
)
def module_unload(call: Call, _name: bytes) -> Reply:
    _check_allowed(call)
    raise CommandError(errors.MODULE_UNKNOWN)


@command(
    "MODULE|HELP",
    arity=2,
    flags="loading stale",
    group="server",
    since="5.0.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def module_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"module"], _HELP)


def _check_allowed(call: Call) -> None:
    refusal = protection(call.engine.config, call.session, "module|load")
    if refusal:
        raise CommandError(refusal)


def _fail_to_load(call: Call, path: bytes) -> Reply:
    _check_allowed(call)
    logger.warning("Module %s failed to load: there is no C module interface", errors.printable(path))
    raise CommandError(errors.MODULE_NOT_LOADED)
