"""Lua scripts: EVAL, EVALSHA, their read-only forms, and SCRIPT.

What lives here: arguments and replies. What must not: running (:mod:`kvcore.scripting.scripts`) or anything of Lua.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.replies import OK, Reply

_SHA_LENGTH: Final = 40
_FEW_KEYS: Final = {b"%d" % count: count for count in range(16)}


def _key_count(argument: bytes, words: tuple[bytes, ...]) -> int:
    count = _FEW_KEYS.get(argument)
    if count is None:
        count = integer(argument)
    if count > len(words):
        raise CommandError(errors.TOO_MANY_KEYS)
    if count < 0:
        raise CommandError(errors.NUMKEYS_NEGATIVE)
    return count


def _run_body(call: Call, body: bytes, key_count: bytes, words: tuple[bytes, ...], read_only: bool) -> Reply:
    count = _key_count(key_count, words)
    scripts = call.engine.scripts
    return scripts.run_script(call, scripts.add(body), count, words, read_only)


def _run_cached(call: Call, sha: bytes, key_count: bytes, words: tuple[bytes, ...], read_only: bool) -> Reply:
    if len(sha) != _SHA_LENGTH:
        raise CommandError(errors.NO_SCRIPT)
    count = _key_count(key_count, words)
    scripts = call.engine.scripts
    script = scripts.get(sha)
    if script is None:
        raise CommandError(errors.NO_SCRIPT)
    return scripts.run_script(call, script, count, words, read_only)


@command(
    "EVAL",
    arity=-3,
    flags="noscript stale skip_monitor may_replicate no_mandatory_keys movablekeys",
    acl="scripting",
    keys="RW,access,update@2#0+1/1",
    group="scripting",
    since="2.6.0",
    complexity="Depends on the script that is executed.",
    summary="Run a Lua script.",
)
def eval_(call: Call, body: bytes, key_count: bytes, *words: bytes) -> Reply:
    return _run_body(call, body, key_count, words, False)


@command(
    "EVALSHA",
    arity=-3,
    flags="noscript stale skip_monitor may_replicate no_mandatory_keys movablekeys",
    acl="scripting",
    keys="RW,access,update@2#0+1/1",
    group="scripting",
    since="2.6.0",
    complexity="Depends on the script that is executed.",
    summary="Run a cached Lua script, named by its SHA-1.",
)
def evalsha(call: Call, sha: bytes, key_count: bytes, *words: bytes) -> Reply:
    return _run_cached(call, sha, key_count, words, False)


@command(
    "EVAL_RO",
    arity=-3,
    flags="readonly noscript stale skip_monitor no_mandatory_keys movablekeys",
    acl="scripting",
    keys="RO,access@2#0+1/1",
    group="scripting",
    since="7.0.0",
    complexity="Depends on the script that is executed.",
    summary="Run a Lua script that may not write.",
)
def eval_ro(call: Call, body: bytes, key_count: bytes, *words: bytes) -> Reply:
    return _run_body(call, body, key_count, words, True)


@command(
    "EVALSHA_RO",
    arity=-3,
    flags="readonly noscript stale skip_monitor no_mandatory_keys movablekeys",
    acl="scripting",
    keys="RO,access@2#0+1/1",
    group="scripting",
    since="7.0.0",
    complexity="Depends on the script that is executed.",
    summary="Run a cached Lua script that may not write.",
)
def evalsha_ro(call: Call, sha: bytes, key_count: bytes, *words: bytes) -> Reply:
    return _run_cached(call, sha, key_count, words, True)


@command(
    "SCRIPT",
    arity=-2,
    group="scripting",
    since="2.6.0",
    complexity="Depends on subcommand.",
    summary="Manage the cache of Lua scripts.",
)
def script(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "SCRIPT|LOAD",
    arity=3,
    flags="noscript stale",
    acl="scripting",
    group="scripting",
    since="2.6.0",
    complexity="O(N) with N being the length in bytes of the script body.",
    summary="Put a script into the cache without running it; return its SHA-1.",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def script_load(call: Call, body: bytes) -> Reply:
    return call.engine.scripts.add(body).sha


@command(
    "SCRIPT|EXISTS",
    arity=-3,
    flags="noscript",
    acl="scripting",
    group="scripting",
    since="2.6.0",
    complexity="O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
    summary="Say of each SHA-1 whether its script is in the cache.",
    tips=("request_policy:all_shards", "response_policy:agg_logical_and"),
)
def script_exists(call: Call, *shas: bytes) -> Reply:
    scripts = call.engine.scripts
    return [int(scripts.get(sha) is not None) for sha in shas]


@command(
    "SCRIPT|FLUSH",
    arity=-2,
    flags="noscript",
    acl="scripting",
    group="scripting",
    since="2.6.0",
    complexity="O(N) with N being the number of scripts in cache",
    summary="Empty the cache and end the interpreter; both modes do it at once.",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def script_flush(call: Call, *mode: bytes) -> Reply:
    if len(mode) > 1 or (mode and mode[0].lower() not in (b"sync", b"async")):
        raise CommandError(errors.SCRIPT_FLUSH_MODE)
    call.engine.scripts.flush()
    return OK


@command(
    "SCRIPT|KILL",
    arity=2,
    flags="noscript allow_busy",
    acl="scripting",
    group="scripting",
    since="2.6.0",
    complexity="O(1)",
    summary="End the script that runs, if it has not written yet.",
    tips=("request_policy:all_shards", "response_policy:one_succeeded"),
)
def script_kill(call: Call) -> Reply:
    call.engine.scripts.kill()
    return OK


@command(
    "SCRIPT|DEBUG",
    arity=3,
    flags="noscript",
    acl="scripting",
    group="scripting",
    since="3.2.0",
    complexity="O(1)",
    summary="Switch the debugger off; there is none to switch on.",
)
def script_debug(_call: Call, mode: bytes) -> Reply:
    word = mode.lower()
    if word == b"no":
        return OK
    raise CommandError(errors.SCRIPT_NO_DEBUGGER if word in (b"yes", b"sync") else errors.SCRIPT_DEBUG_MODE)


@command(
    "SCRIPT|HELP",
    arity=2,
    flags="loading stale",
    acl="scripting",
    group="scripting",
    since="5.0.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def script_help(call: Call) -> Reply:
    arguments = {
        "DEBUG": "(YES|SYNC|NO)",
        "EXISTS": "<sha1> [<sha1> ...]",
        "FLUSH": "[ASYNC|SYNC]",
        "LOAD": "<script>",
    }
    return container_help(call.engine.commands[b"script"], arguments)
