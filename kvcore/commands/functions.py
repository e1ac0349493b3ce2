"""Function libraries: FUNCTION, FCALL and FCALL_RO.

What lives here: arguments and replies. What must not: the registry (:mod:`kvcore.scripting.functions`) or running
(:mod:`kvcore.scripting.function_engine`). The rule: what changes the libraries counts as a change of the data set, and
is propagated as it came; calls are propagated as the commands that they ran.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors, glob
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.helptext import container_help
from kvcore.replies import OK, OrderedSet, Reply
from kvcore.scripting.functions import ENGINE, Function, Library
from kvcore.scripting.scripts import Run

_NS_PER_MS: Final = 1_000_000
_HELP: Final = {
    "DELETE": "<library name>",
    "FLUSH": "[ASYNC|SYNC]",
    "LIST": "[LIBRARYNAME <pattern>] [WITHCODE]",
    "LOAD": "[REPLACE] <code>",
    "RESTORE": "<payload> [FLUSH|APPEND|REPLACE]",
}


@command(
    "FUNCTION",
    arity=-2,
    group="scripting",
    since="7.0.0",
    complexity="Depends on subcommand.",
    summary="Manage function libraries.",
)
def function(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


@command(
    "FUNCTION|LOAD",
    arity=-3,
    flags="write denyoom noscript",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(1) (considering compilation time is redundant)",
    summary="Load a library from its source; return its name.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def function_load(call: Call, *arguments: bytes) -> Reply:
    *options, code = arguments
    for option in options:
        if option.lower() != b"replace":
            raise CommandError(errors.function_load_option(option))
    name = call.engine.functions.libraries.load(code, bool(options))
    call.dirty += 1
    return name


@command(
    "FUNCTION|DELETE",
    arity=3,
    flags="write noscript",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(1)",
    summary="Delete a library and its functions.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def function_delete(call: Call, name: bytes) -> Reply:
    if not call.engine.functions.libraries.delete(name):
        raise CommandError(errors.LIBRARY_NOT_FOUND)
    call.dirty += 1
    return OK


@command(
    "FUNCTION|FLUSH",
    arity=-2,
    flags="write noscript",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(N) where N is the number of functions deleted",
    summary="Delete all libraries; both modes do it at once.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def function_flush(call: Call, *mode: bytes) -> Reply:
    if len(mode) > 1:
        raise CommandError(errors.wrong_subcommand("FUNCTION", call.argv[1]))
    if mode and mode[0].lower() not in (b"sync", b"async"):
        raise CommandError(errors.FUNCTION_FLUSH_MODE)
    call.engine.functions.flush()
    call.dirty += 1
    return OK


@command(
    "FUNCTION|LIST",
    arity=-2,
    flags="noscript",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(N) where N is the number of functions",
    summary="Describe the libraries and their functions.",
    tips=("nondeterministic_output_order",),
)
def function_list(call: Call, *options: bytes) -> Reply:
    pattern = None
    with_code = False
    words = iter(options)
    for word in words:
        option = word.lower()
        if option == b"withcode" and not with_code:
            with_code = True
        elif option == b"libraryname" and pattern is None:
            pattern = next(words, None)
            if pattern is None:
                raise CommandError(errors.LIBRARY_NAME_ARGUMENT)
        else:
            raise CommandError(errors.function_list_argument(word))
    libraries = call.engine.functions.libraries.libraries()
    return [
        _describe(library, with_code)
        for library in libraries
        if pattern is None or glob.match(pattern, library.name, nocase=True)
    ]


def _describe(library: Library, with_code: bool) -> Reply:
    described: dict[bytes, Reply] = {
        b"library_name": library.name,
        b"engine": ENGINE,
        b"functions": [_describe_function(function) for function in library.functions.values()],
    }
    if with_code:
        described[b"library_code"] = library.code
    return described


def _describe_function(function: Function) -> Reply:
    flags: list[Reply] = [name.decode() for name in function.flag_names]
    return {b"name": function.name, b"description": function.description, b"flags": OrderedSet(flags)}


@command(
    "FUNCTION|DUMP",
    arity=2,
    flags="noscript",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(N) where N is the number of functions",
    summary="Return all libraries as bytes that FUNCTION RESTORE reads.",
)
def function_dump(call: Call) -> Reply:
    engine = call.engine
    return engine.functions.libraries.dump(engine.config.flag("rdbcompression"))


@command(
    "FUNCTION|RESTORE",
    arity=-3,
    flags="write denyoom noscript",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(N) where N is the number of functions on the payload",
    summary="Load the libraries that FUNCTION DUMP returned.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def function_restore(call: Call, payload: bytes, *policy: bytes) -> Reply:
    if len(policy) > 1:
        raise CommandError(errors.wrong_subcommand("FUNCTION", call.argv[1]))
    word = policy[0].lower() if policy else b"append"
    if word not in (b"flush", b"append", b"replace"):
        raise CommandError(errors.FUNCTION_RESTORE_POLICY)
    call.engine.functions.libraries.restore(payload, flush=word == b"flush", replace=word == b"replace")
    call.dirty += 1
    return OK


@command(
    "FUNCTION|STATS",
    arity=2,
    flags="noscript allow_busy",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(1)",
    summary="Describe the function that runs, and count libraries and functions.",
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
)
def function_stats(call: Call) -> Reply:
    engine = call.engine
    run = engine.scripts.running
    if run is not None and not run.is_function:
        raise CommandError(engine.scripts.busy_error())
    counts: dict[bytes, Reply] = {
        b"libraries_count": engine.functions.library_count,
        b"functions_count": engine.functions.function_count,
    }
    running = None if run is None else _describe_run(run, engine.clock.steady_ns())
    return {b"running_script": running, b"engines": {ENGINE: counts}}


def _describe_run(run: Run, now_ns: int) -> Reply:
    return {
        b"name": run.name,
        b"command": list(run.argv),
        b"duration_ms": (now_ns - run.started_ns) // _NS_PER_MS,
    }


@command(
    "FUNCTION|KILL",
    arity=2,
    flags="noscript allow_busy",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(1)",
    summary="End the function that runs, if it has not written yet.",
    tips=("request_policy:all_shards", "response_policy:one_succeeded"),
)
def function_kill(call: Call) -> Reply:
    call.engine.scripts.kill(function=True)
    return OK


@command(
    "FUNCTION|HELP",
    arity=2,
    flags="loading stale",
    acl="scripting",
    group="scripting",
    since="7.0.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def function_help(call: Call) -> Reply:
    return container_help(call.engine.commands[b"function"], _HELP)


def _run(call: Call, name: bytes, key_count: bytes, words: tuple[bytes, ...], read_only: bool) -> Reply:
    functions = call.engine.functions
    function = functions.libraries.find(name)
    if function is None:
        raise CommandError(errors.FUNCTION_NOT_FOUND)
    count = integer(key_count, errors.BAD_KEY_COUNT)
    if count > len(words):
        raise CommandError(errors.TOO_MANY_KEYS)
    if count < 0:
        raise CommandError(errors.NUMKEYS_NEGATIVE)
    return functions.call(call, function, count, words, read_only)


@command(
    "FCALL",
    arity=-3,
    flags="noscript stale skip_monitor may_replicate no_mandatory_keys movablekeys",
    acl="scripting",
    keys="RW,access,update@2#0+1/1",
    group="scripting",
    since="7.0.0",
    complexity="Depends on the function that is executed.",
    summary="Call a function.",
)
def fcall(call: Call, name: bytes, key_count: bytes, *words: bytes) -> Reply:
    return _run(call, name, key_count, words, False)


@command(
    "FCALL_RO",
    arity=-3,
    flags="readonly noscript stale skip_monitor no_mandatory_keys movablekeys",
    acl="scripting",
    keys="RO,access@2#0+1/1",
    group="scripting",
    since="7.0.0",
    complexity="Depends on the function that is executed.",
    summary="Call a function that may not write.",
)
def fcall_ro(call: Call, name: bytes, key_count: bytes, *words: bytes) -> Reply:
    return _run(call, name, key_count, words, True)
