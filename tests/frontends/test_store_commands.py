"""All groups together: what is declared for asynchronous stores and pipelines follows the methods."""

from __future__ import annotations

import ast

import pytest
import redis
from redis.commands.core import CoreCommands

import kvcore
from kvcore.engine import Engine
from kvcore.frontends.store_commands import StoreCommands
from tests.frontends import declarations


@pytest.mark.parametrize("path", declarations.FILES, ids=lambda path: path.name)
def test_declarations_are_up_to_date(path: object) -> None:
    text = declarations.declarations(declarations.FILES[path])  # type: ignore[index]
    assert path.read_text() == text, "run python -m tests.frontends.declarations"  # type: ignore[attr-defined]


def test_each_method_is_one_call_that_may_be_awaited_or_queued() -> None:
    wrong = [
        f"{group}.{function.name}"
        for group in declarations.GROUPS
        for function in declarations.group_class(group).body
        if isinstance(function, ast.FunctionDef)
        and not function.decorator_list
        and not declarations.returns_a_call(function)
    ]
    assert wrong == []


def test_what_a_method_returns_follows_from_its_arguments() -> None:
    """A union of results is split into overloads: a type checker could do nothing with it."""
    unions = set()
    for group in declarations.GROUPS:
        methods = [node for node in declarations.group_class(group).body if isinstance(node, ast.FunctionDef)]
        overloaded = {method.name for method in methods if method.decorator_list}
        for method in methods:
            kinds = ast.unparse(method.returns).split(" | ") if isinstance(method.returns, ast.BinOp) else []
            if len([kind for kind in kinds if kind != "None"]) > 1 and method.name not in overloaded:
                unions.add(method.name)
    # Those that store results, or leave out what entries hold; and `set`, whose overloads are the stores'.
    assert unions == {"georadius", "georadiusbymember", "xclaim", "set"}


def test_a_method_that_does_more_is_noticed() -> None:
    for body in ("return self.get(name) or 1", "self._call(same)", "x = self._call(same)\n    return x"):
        function = ast.parse(f"def method(self, name):\n    {body}").body[0]
        assert isinstance(function, ast.FunctionDef)
        assert not declarations.returns_a_call(function)


def test_no_two_groups_have_a_method_of_one_name() -> None:
    names = [
        name
        for base in StoreCommands.__bases__
        for name, value in vars(base).items()
        if callable(value) and not name.startswith("__")
    ]
    assert len(names) == len(set(names)) > 200


NOT_METHODS = {
    "cluster": "of servers that form a cluster",
    "readonly": "of servers that form a cluster",
    "readwrite": "of servers that form a cluster",
    "auth": "a store in process is the program's own; on a server the URL has user and password",
    "client_reply": "there is nobody who would send the replies that it leaves out",
    "client": "names no command; each subcommand has its method",
    "debug_segfault": "ends the process; redis-py's raises NotImplementedError, too",
    "execute_command": "is execute()",
    "failover": "like replicaof",
    "hello": "a store speaks no protocol; redis-py's raises NotImplementedError, too",
    "module_load": "there are no modules in C to load; extensions are Python (docs/extending.md)",
    "module_loadex": "like module_load",
    "module_unload": "like module_load",
    "monitor": "is redis-py's own class; command logs of tests are kvcore.testing's",
    "psync": "answers with a stream for a replica, not with a reply",
    "quit": "is close()",
    "reset": "a thread's session is not a connection to be reused by another",
    "script_debug": "redis-py's raises NotImplementedError, too",
    "shutdown": "is close(); what a server does is its operator's to say",
    "replicaof": "who follows whom is a server's business, and Sentinel's: execute() has it where it is wanted",
    "slaveof": "like replicaof",
    "sync": "like psync",
    "unwatch": "is the pipeline's",
    "watch": "is the pipeline's",
}
"""redis-py's methods for commands of kvcore that a store has not under this name, and why."""


def commands_of(engine: Engine, method: str) -> bool:
    """Say whether kvcore has a command that a method of redis-py is named for."""
    first, _, rest = method.partition("_")
    command = engine.commands.get(method.encode()) or engine.commands.get(first.encode())
    if command is None:
        return False
    if method == command.name or not command.subcommands:
        return method == command.name or method.startswith(f"{command.name}_")
    words = rest.split("_")
    return any("-".join(words[:count]).encode() in command.subcommands for count in range(1, len(words) + 1))


def redis_py_methods() -> list[str]:
    """Return the names of redis-py's public methods for commands."""
    return sorted(
        {
            name
            for base in CoreCommands.__mro__
            for name, value in vars(base).items()
            if callable(value) and not name.startswith("_")
        }
    )


def test_each_method_of_redis_py_for_a_command_that_is_there_is_a_stores() -> None:
    with kvcore.open() as store:
        wanted = [name for name in redis_py_methods() if commands_of(store.engine, name)]
        assert len(wanted) > 250
        missing = {name for name in wanted if not hasattr(store, name)}
        assert missing - NOT_METHODS.keys() == set()


def test_no_exception_outlives_its_reason() -> None:
    with kvcore.open() as store:
        assert [name for name in NOT_METHODS if hasattr(store, name)] == []
        assert [name for name in NOT_METHODS if not hasattr(redis.Redis, name)] == []


@pytest.mark.parametrize(
    "name", ["del_", "get", "georadiusbymember_ro", "acl_log_reset", "client_tracking_on", "arset"]
)
def test_names_find_their_commands(name: str) -> None:
    with kvcore.open() as store:
        assert commands_of(store.engine, name) is (name != "arset")


def test_coroutines_and_pipelines_have_the_same_methods() -> None:
    methods = [name for name in dir(StoreCommands) if not name.startswith("_")]
    for declared in declarations.FILES:
        text = declared.read_text()
        assert [name for name in methods if f"def {name}(" not in text] == []
