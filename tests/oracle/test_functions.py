"""FUNCTION and FCALL beside the real server: errors, sandbox while loading, flags, payloads both ways, sequences.

The real server lists libraries and functions in the order of its hash tables: listings are compared sorted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Mismatch, Pair, check
from tests.oracle.wire import AGGREGATES, Wire


def library(name: str, *functions: str, body: str = "return '{}'") -> str:
    """Return the source of a library with functions of these names."""
    lines = [f"redis.register_function('{each}', function(KEYS, ARGV) {body.format(each)} end)" for each in functions]
    return "\n".join([f"#!lua name={name}", *lines])


def sorted_deep(reply: Wire) -> Wire:
    """Return a reply with every aggregate in it sorted."""
    if reply.kind not in AGGREGATES:
        return reply
    if reply.kind == "%":
        pairs = [(sorted_deep(key), sorted_deep(value)) for key, value in reply.pairs()]
        return Wire("%", items=[part for pair in sorted(pairs, key=repr) for part in pair])
    return Wire(reply.kind, items=sorted((sorted_deep(item) for item in reply.items), key=repr))


def listing(pair: Pair, *options: str) -> None:
    """Compare FUNCTION LIST, whatever the order."""
    oracle, kvcore = (sorted_deep(reply) for reply in pair.ask("FUNCTION", "LIST", *options))
    if oracle != kvcore:
        raise Mismatch(f"FUNCTION LIST: {oracle!r} and {kvcore!r}")


@pytest.fixture
def functions(pair: Pair) -> Iterator[Pair]:
    """Yield a pair without libraries; FLUSHALL leaves them."""
    pair.both("FUNCTION", "FLUSH")
    yield pair
    pair.ask("FUNCTION", "FLUSH")


FIRST_LINES = [
    "",
    "x",
    "#!",
    "#!lua",
    "#!lua\n",
    "#!\n",
    "#!lua name=\n",
    "#!lua name=a-b\n",
    "#!lua nam=a\n",
    "#!lua name=a name=b\n",
    "#!lua NAME=a\n",
    "#!LUA name=a\n",
    "#!foo name=a\n",
    "#!foo name=a-b\n",
    "#! name=a\n",
    '#!lua name=a "\n',
    '#!lua name="a b"\n',
    '#!lua name="ab"\n',
    '#!lua "name=ab"\n',
    "#!lua foo\n",
    "#!lua  \t name=a\n",
    "#!lua name=a\r\n",
]

BODIES = [
    "return 1",
    "foo bar",
    "foo()",
    "\n\nfoo()",
    "x = 1",
    "local x = 1 x()",
    "redis.call('ping')",
    "redis.pcall('ping')",
    "redis.setresp(3)",
    "redis.sha1hex('x')",
    "redis.x = 1",
    "redis.register_function = 1",
    "local x = KEYS",
    "local x = pairs",
    "local x = _G",
    "local x = redis.REPL_ALL",
    "error('x')",
    "string.x = 1",
    "redis.log(redis.LOG_NOTICE, 'loading')",
    "redis.log('x')",
    "redis.log(7, 'x')",
    "local x = redis.REDIS_VERSION redis.register_function('v', function() return x end)",
    "local x = ('x'):rep(3)",
    "local function f() f() end f()",
]

ARGUMENTS = [
    "",
    "1",
    "'a'",
    "nil",
    "nil, nil",
    "1, 2, 3",
    "'a', 'b'",
    "'a', 1",
    "'a', nil",
    "1, function() end",
    "1.5, function() end",
    "true, function() end",
    "'a', redis.log",
    "'a', function() end, 3",
    "'a-b', function() end",
    "'', function() end",
    "'x\\0y', function() end",
    "{}",
    "{function_name='a'}",
    "{function_name={}}",
    "{function_name=1, callback=function() end}",
    "{callback=1}",
    "{callback=function() end}",
    "{description=1}",
    "{description={}}",
    "{flags=1}",
    "{flags='x'}",
    "{flags={'x'}}",
    "{foo=1}",
    "{[1]=1}",
    "{[true]=1}",
    "{[{}]=1}",
    "{function_name='a-b', callback=function() end}",
    "{function_name='a', callback=redis.log}",
    "{FUNCTION_NAME='a', Callback=function() end, DESCRIPTION='d'}",
    "{function_name='a', callback=function() end, description=5}",
    "{function_name='a', callback=function() end, flags={}}",
    "{function_name='a', callback=function() end, flags={1}}",
    "{function_name='a', callback=function() end, flags={{}}}",
    "{function_name='a', callback=function() end, flags={a='no-writes'}}",
    "{function_name='a', callback=function() end, flags={'no-writes', 'x'}}",
    "{function_name='a', callback=function() end, flags={'NO-writes', 'allow-oom', 'no-writes'}}",
    "{function_name='a', callback=function() end, "
    "flags={'allow-cross-slot-keys', 'no-cluster', 'allow-stale', 'allow-oom', 'no-writes'}}",
]


@pytest.mark.parametrize("first", FIRST_LINES)
def test_first_lines(functions: Pair, first: str) -> None:
    functions.both("FUNCTION", "LOAD", first + "redis.register_function('f', function() return 1 end)")
    functions.both("FUNCTION", "LOAD", first)
    listing(functions, "WITHCODE")


def test_bodies(functions: Pair) -> None:
    for body in BODIES:
        functions.both("FUNCTION", "LOAD", "REPLACE", "#!lua name=lib\n" + body)
    functions.both("FCALL", "v", 0)
    listing(functions)


def test_registering(functions: Pair) -> None:
    for arguments in ARGUMENTS:
        functions.both("FUNCTION", "FLUSH")
        functions.both("FUNCTION", "LOAD", f"#!lua name=lib\nredis.register_function({arguments})")
        listing(functions)
    functions.both("FUNCTION", "FLUSH")
    functions.both("FUNCTION", "LOAD", library("lib", "f", "f"))
    functions.both("FUNCTION", "LOAD", "#!lua name=lib\nlocal r = redis.register_function r('f', function() r() end)")
    functions.both("FCALL", "f", 0)


def test_names_and_replacing(functions: Pair) -> None:
    for arguments in (
        (library("lib", "a", "b"),),
        (library("lib", "c"),),
        (library("LIB", "c"),),
        (library("lib2", "A"),),
        (library("lib2", "d", "c"),),
        ("REPLACE", library("lib", "c")),
        ("REPLACE", library("lib", "a", "B")),
        ("replace", "REPLACE", library("lib", "a")),
        ("REPLACE", "#!lua name=lib\nfoo()"),
        ("REPLACE", "#!lua name=lib\n"),
        ("REPLACE", library("new", "e")),
        ("NOPE", library("lib", "a")),
        ("REPLACE", "x", library("lib", "a")),
        ("REPLACE",),
    ):
        functions.both("FUNCTION", "LOAD", *arguments)
        listing(functions, "WITHCODE")
        functions.both("FUNCTION", "STATS")
    for name in ("a", "A", "b", "B", "c", "d", "e"):
        functions.both("FCALL", name, 0)


def test_subcommands(functions: Pair) -> None:
    functions.both("FUNCTION", "LOAD", library("One", "f"))
    check(
        functions,
        """
        FUNCTION
        FUNCTION nope
        FUNCTION LOAD
        FUNCTION DELETE
        FUNCTION DELETE nope
        FUNCTION DELETE one
        FUNCTION DELETE One x
        FUNCTION LIST x
        FUNCTION LIST LIBRARYNAME
        FUNCTION LIST LIBRARYNAME a LIBRARYNAME b
        FUNCTION LIST WITHCODE WITHCODE
        FUNCTION LIST LIBRARYNAME o* WITHCODE
        FUNCTION LIST withcode libraryname O?e
        FUNCTION LIST LIBRARYNAME x
        FUNCTION LIST LIBRARYNAME ''
        FUNCTION STATS
        FUNCTION STATS x
        FUNCTION KILL
        FUNCTION KILL x
        FUNCTION DUMP x
        FUNCTION RESTORE
        FUNCTION RESTORE x
        FUNCTION RESTORE x APPEND
        FUNCTION RESTORE x nope
        FUNCTION RESTORE x APPEND y
        FUNCTION FLUSH x
        FUNCTION FLUSH SYNC x
        FUNCTION DELETE One
        FUNCTION FLUSH SYNC
        FUNCTION FLUSH async
        FUNCTION DUMP
        FUNCTION HELP x
        """,
    )


def test_calling(functions: Pair) -> None:
    functions.both("FUNCTION", "LOAD", library("lib", "f", body="return {{KEYS, ARGV, #KEYS, #ARGV}}"))
    check(
        functions,
        r"""
        FCALL
        FCALL f
        FCALL f x
        FCALL f -1
        FCALL f 1
        FCALL f 1 k
        FCALL f 1 k v
        FCALL F 2 k l v w
        FCALL f 0 "\x00\xff" ''
        FCALL f 01 k
        FCALL f 9223372036854775808
        FCALL nope x
        FCALL nope 1
        FCALL nope 0
        FCALL '' 0
        FCALL_RO f 0
        FCALL_RO nope 0
        FCALL_RO f
        """,
    )
    for keys, words in ((300, 600), (0, 3000), (3000, 3000), (2500, 6000)):
        functions.both("FCALL", "f", keys, *[b"k%d" % i for i in range(words)])


INSIDE = [
    "return 1",
    "return 3.9",
    "return nil",
    "return true",
    "return 'x'",
    "return {1, 'a', {2}, nil, 3}",
    "return {ok='fine'}",
    "return {err='MYERR bad'}",
    "return redis.error_reply('bad')",
    "return redis.call('set', 'k', 'v')",
    "return redis.call('get', 'k')",
    "return redis.call('nope')",
    "return redis.call('get')",
    "return redis.pcall('get')",
    "local x = redis.call('get')",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('fcall', 'f', 0)",
    "return redis.call('function', 'stats')",
    "return redis.call('lpush', 'k', 1)",
    "error('boo')",
    "error({err='FOO boo'})",
    "error({err='FOO boo', x=1})",
    "error()",
    "return nosuch",
    "x = 1",
    "redis.x = 1",
    "string.x = 1",
    "return redis.nosuch",
    "return redis.register_function",
    "return redis.register_function('x', function() end)",
    "return redis.replicate_commands",
    "return redis.breakpoint",
    "return KEYS",
    "return ARGV",
    "return _G.KEYS",
    "return {type(cjson), type(bit), type(struct), type(cmsgpack), type(debug_)}",
    "return cjson.encode({1, 2})",
    "return cjson.decode('x')",
    "redis.setresp(3) return redis.call('hgetall', 'h')",
    "return redis.call('hgetall', 'h')",
    "local t = {} for k in pairs(redis) do t[#t + 1] = k end table.sort(t) return t",
    "return getmetatable(redis) == nil",
    "return select('#', ...)",
    "local f = load('return 1') return f()",
    "return loadstring('return nosuch')()",
    "\n\nreturn redis.call('nope')",
]


def test_inside_functions(functions: Pair) -> None:
    functions.both("HSET", "h", "f", "v")
    for code in INSIDE:
        functions.both(
            "FUNCTION", "LOAD", "REPLACE", f"#!lua name=lib\nredis.register_function('f', function(...) {code} end)"
        )
        functions.both("FCALL", "f", 1, "key", "argument")


def test_functions_of_the_server_as_callbacks(functions: Pair) -> None:
    functions.both("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('log', redis.log)")
    functions.both("FCALL", "log", 0)
    functions.both("FCALL", "log", 1, "k", "a")


def test_state_lasts_in_upvalues_and_is_apart_from_eval(functions: Pair) -> None:
    source = "local n = 0 redis.register_function('f', function() n = n + 1 return n end)"
    functions.both("FUNCTION", "LOAD", "#!lua name=lib\n" + source)
    for _ in range(3):
        functions.both("FCALL", "f", 0)
    functions.both("SCRIPT", "FLUSH")
    functions.both("FCALL", "f", 0)
    functions.both("EVAL", "return redis.call('fcall', 'f', 0)", 0)
    functions.both("EVAL", "return f", 0)
    functions.both("FUNCTION", "LOAD", "REPLACE", "#!lua name=lib\n" + source)
    functions.both("FCALL", "f", 0)


FLAGGED = """#!lua name=flagged
local function register(name, body, flags)
  redis.register_function{function_name=name, callback=body, flags=flags}
end
register('reads', function() return redis.call('get', 'k') end, {'no-writes'})
register('claims', function() return redis.call('set', 'k', 1) end, {'no-writes'})
register('tries', function() return redis.pcall('set', 'k', 1) end, {'no-writes'})
register('writes', function() return redis.call('set', 'k', 1) end)
register('bold', function() return redis.call('set', 'k', 1) end, {'allow-oom'})
register('plain', function() return 1 end)
register('publishes', function() return redis.call('publish', 'c', 'm') end, {'no-writes'})
"""


def test_flags(functions: Pair) -> None:
    functions.both("FUNCTION", "LOAD", FLAGGED)
    names = ("reads", "claims", "tries", "writes", "bold", "plain", "publishes")
    for name in names:
        functions.both("FCALL", name, 0)
        functions.both("FCALL_RO", name, 0)
    functions.config("maxmemory", "1")
    for name in names:
        functions.both("FCALL", name, 0)
        functions.both("FCALL_RO", name, 0)
    functions.both("FUNCTION", "LOAD", library("lib", "f"))
    functions.both("FUNCTION", "RESTORE", functions.ask("FUNCTION", "DUMP")[0].text)
    functions.both("FUNCTION", "DELETE", "flagged")


def test_in_transactions(functions: Pair) -> None:
    functions.both("FUNCTION", "LOAD", library("lib", "f", body="return redis.call('incr', 'n')"))
    check(
        functions,
        """
        MULTI
        FCALL f 0
        FUNCTION STATS
        FCALL nope 0
        FCALL f 0
        FUNCTION DELETE lib
        FCALL f 0
        EXEC
        GET n
        """,
    )


def payload_of(pair: Pair, *sources: str) -> tuple[bytes, bytes]:
    """Return what both sides dump with these libraries alone."""
    pair.both("FUNCTION", "FLUSH")
    for source in sources:
        pair.both("FUNCTION", "LOAD", source)
    oracle, kvcore = pair.ask("FUNCTION", "DUMP")
    return oracle.text, kvcore.text


def test_payloads_are_the_same_bytes(functions: Pair) -> None:
    for source in (
        library("lib", "f"),
        library("lib", *[f"function_{i}" for i in range(200)]),
        library("lib", "f", body="return '\xff{}'"),
    ):
        oracle, kvcore = payload_of(functions, source)
        assert oracle == kvcore


def test_payloads_go_both_ways(functions: Pair) -> None:
    sources = [library(f"lib{i}", f"f{i}") for i in range(5)]
    for payload in payload_of(functions, *sources):
        assert [reply.kind for reply in functions.ask("FUNCTION", "RESTORE", payload)] == ["-", "-"]
        for policy in ("APPEND", "REPLACE", "FLUSH"):
            functions.both("FUNCTION", "DELETE", "lib1")
            functions.both("FUNCTION", "DELETE", "other")
            functions.both("FUNCTION", "LOAD", library("other", "g"))
            oracle, kvcore = functions.ask("FUNCTION", "RESTORE", payload, policy)
            assert oracle.kind == kvcore.kind  # which library a clash is about depends on a hash table
            oracle, kvcore = functions.ask("FCALL", "f1", 0)
            assert oracle == kvcore
            if policy == "FLUSH":
                listing(functions, "WITHCODE")


def test_restoring_all_or_nothing(functions: Pair) -> None:
    clashing = payload_of(functions, library("a", "x"))[0]
    taking = payload_of(functions, library("c", "fa"))[0]
    both = payload_of(functions, library("a", "new"), library("c", "fb"))[0]
    cased = payload_of(functions, library("d", "FA"))[0]
    fine = payload_of(functions, library("a", "fresh"))[0]
    nothing = payload_of(functions)[0]
    functions.both("FUNCTION", "LOAD", library("a", "fa"))
    functions.both("FUNCTION", "LOAD", library("b", "fb"))
    for payload in (clashing, taking, cased, nothing, fine[:-1], fine[:-1] + b"\0", b"", nothing[:5]):
        for policy in ((), ("APPEND",)):
            functions.both("FUNCTION", "RESTORE", payload, *policy)
            listing(functions)
    for payload in (taking, both, cased, fine, nothing):
        functions.both("FUNCTION", "RESTORE", payload, "REPLACE")
        listing(functions)
    for payload in (taking, nothing):
        functions.both("FUNCTION", "RESTORE", payload, "flush")
        listing(functions)


CLASH = re.compile(rb"ERR Function \w already exists")
LIBRARY_NAMES = st.sampled_from(["a", "b", "B"])
FUNCTION_NAMES = st.lists(st.sampled_from(["f", "g", "H"]), min_size=1, max_size=2, unique=True)
CODE = st.sampled_from(["return '{}'", "return redis.call('incr', 'n')", "return redis.call('get')", "error('{}')"])
SOURCES = st.one_of(
    st.builds(lambda name, functions, body: library(name, *functions, body=body), LIBRARY_NAMES, FUNCTION_NAMES, CODE),
    st.sampled_from(["#!lua name=a\n", "#!lua name=b\nfoo()", "#!lua name=a\nfoo bar"]),
)
COMMANDS = st.one_of(
    st.tuples(st.just("FUNCTION"), st.just("LOAD"), SOURCES),
    st.tuples(st.just("FUNCTION"), st.just("LOAD"), st.just("REPLACE"), SOURCES),
    st.tuples(st.just("FUNCTION"), st.just("DELETE"), LIBRARY_NAMES),
    st.tuples(st.just("FUNCTION"), st.sampled_from(["STATS", "KILL"])),
    st.just(("FUNCTION", "FLUSH")),
    st.tuples(st.sampled_from(["FCALL", "FCALL_RO"]), st.sampled_from(["f", "F", "g", "h", "nope"]), st.just("0")),
    st.just(("FUNCTION", "LIST")),
    st.tuples(st.just("RESTORE"), st.sampled_from(["APPEND", "REPLACE", "FLUSH"])),
    st.just(("DUMP",)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=st.lists(COMMANDS, min_size=5, max_size=30))
def test_random_sequences(functions: Pair, commands: list[tuple[str, ...]]) -> None:
    functions.both("FUNCTION", "FLUSH")
    payloads = functions.ask("FUNCTION", "DUMP")
    for command in commands:
        if command == ("DUMP",):
            payloads = functions.ask("FUNCTION", "DUMP")
        elif command == ("FUNCTION", "LIST"):
            listing(functions, "WITHCODE")
        elif command[0] == "RESTORE":
            # Which of several clashes is named depends on the order of a hash table; that there is one does not.
            oracle, kvcore = functions.ask("FUNCTION", "RESTORE", payloads[0].text, command[1])
            assert oracle.kind == kvcore.kind
        elif command[1] == "LOAD":
            oracle, kvcore = functions.ask(*command)
            clashes = [CLASH.fullmatch(reply.text) is not None for reply in (oracle, kvcore)]
            assert clashes == [True, True] or oracle == kvcore
        else:
            functions.both(*command)
