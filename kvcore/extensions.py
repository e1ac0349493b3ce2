"""Commands written by users: ``@kvcore.command`` turns a Python function into one that every client can call.

    @kvcore.command("RATE.LIMIT", flags="write fast", keys="RW,access,update@1")
    def rate_limit(call: kvcore.Call, key: bytes, limit: int, window_ms: int) -> int:
        "Count one use of a key; return how many are left in the window, -1 if none was."
        ...

What lives here: turning a function's signature into a command record. What must not: anything about how commands run;
to the dispatcher an extension is a command like any other, in MULTI, in Lua, under ACL and in COMMAND DOCS. The rule:
the signature is the documentation. Parameters say how many arguments there are and what they are parsed into.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from kvcore import errors
from kvcore.arguments import integer
from kvcore.command import EXTENSIONS, FLAG_BITS, MANY, READONLY, REGISTRY, WRITE, Command
from kvcore.datatypes.numbers import parse_double
from kvcore.errors import CommandError
from kvcore.keyspecs import parse

_P = ParamSpec("_P")
_R = TypeVar("_R")

Parser = Callable[[bytes], object]

_FLAGS: Final = frozenset(FLAG_BITS) | {"movablekeys", "no_mandatory_keys"}


def _text(argument: bytes) -> str:
    try:
        return argument.decode()
    except UnicodeDecodeError:
        raise CommandError(errors.NOT_UTF_8) from None


def _number(argument: bytes) -> float:
    value = parse_double(argument)
    if value is None:
        raise CommandError(errors.NOT_A_FLOAT)
    return value


_PARSERS: Final[dict[object, Parser | None]] = {
    inspect.Parameter.empty: None,
    **dict.fromkeys((bytes, "bytes")),
    **dict.fromkeys((int, "int"), integer),
    **dict.fromkeys((float, "float"), _number),
    **dict.fromkeys((str, "str"), _text),
}
"""What a parameter's annotation asks for; a string where the module postpones the evaluation of annotations."""


def command(
    name: str,
    *,
    flags: str = "",
    keys: str = "",
    acl: str = "",
    summary: str = "",
    complexity: str = "",
    since: str = "",
    group: str = "module",
    tips: tuple[str, ...] = (),
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Declare the decorated function as a command of every store and server that is opened afterwards.

    The function is given a :class:`~kvcore.call.Call` and the command's arguments, each parsed into what its parameter
    is annotated with: ``bytes``, ``str`` (UTF-8), ``int`` (64 bits) or ``float``. Defaults make arguments optional,
    ``*args`` takes any number. It returns a reply: ``bytes``, ``int``, ``float``, ``bool``, None, or a list, dict or
    set of these; a ``str`` is a status line like ``OK``. It raises :class:`~kvcore.errors.CommandError` to answer an
    error, whose text begins with a code (``ERR no such thing``); any other exception is logged and answered as an
    internal error.

    - ``name`` is matched without regard to case; a prefix of your own (``RATE.LIMIT``) keeps it apart from later ones.
    - ``flags`` are those of COMMAND INFO: ``write`` if it may change a key, else ``readonly``, ``denyoom``, ``fast``,
      ``noscript``, ``blocking`` ...
    - ``keys`` says where the arguments hold keys, in the notation of :mod:`kvcore.keyspecs`: ``RW@1`` is one key, the
      first argument, read and written; ``RO@1..-1/1`` makes every argument a key that is read. ACL rules, client-side
      caching, COMMAND GETKEYS and clusters go by it.
    - ``acl`` names categories it belongs to beside those its flags imply; a new name makes a new category.
    - ``summary`` is the first line of the docstring unless given.

    Raises ValueError for a name that is taken, unknown flags, malformed keys; TypeError for a signature that cannot be
    called with positional arguments, and for what is no plain function.
    """

    if callable(name):
        raise TypeError('write @kvcore.command("NAME"): a command needs a name')

    def declare(function: Callable[_P, _R]) -> Callable[_P, _R]:
        if not name or any(letter.isspace() or letter == "|" for letter in name):
            raise ValueError(f"not a command name: {name!r}")
        if name.lower() in REGISTRY:
            raise ValueError(f"kvcore has a command {name} of its own")
        unknown = set(flags.split()) - _FLAGS
        if unknown:
            raise ValueError(f"unknown flags of command {name}: {' '.join(sorted(unknown))}")
        parse(keys)
        fewest, most, parsers = _signature(function)
        documented = inspect.getdoc(function) or ""
        record = Command(
            name,
            _parsing(function, parsers) if any(parsers) else function,
            arity=fewest + 1 if fewest == most else -(fewest + 1),
            flags=flags,
            acl=acl,
            keys=keys,
            group=group,
            since=since,
            complexity=complexity,
            summary=summary or documented.partition("\n")[0],
            tips=tips,
        )
        if record.bits & WRITE and record.bits & READONLY:
            raise ValueError(f"command {name} cannot be write and readonly at once")
        record.most = min(most + 1, MANY)
        EXTENSIONS.replace(record, lambda old: _origin(old.handler) == _origin(function))
        return function

    return declare


def _signature(function: Callable[..., object]) -> tuple[int, int, tuple[Parser | None, ...]]:
    """Return the fewest and most arguments a function takes after the call, and the parser of each.

    For a function with ``*args`` the last parser is that of all the rest, and the most is any number.
    """
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(function) for is_kind in kinds):
        raise TypeError(f"{function.__qualname__}() must be a plain function: a command answers at once")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        raise TypeError(f"{function.__qualname__}() must take the call as its first parameter")
    fewest = most = 0
    parsers: list[Parser | None] = []
    for parameter in parameters[1:]:
        if parameter.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
            raise TypeError(f"{function.__qualname__}(): clients cannot name '{parameter.name}', make it positional")
        if parameter.annotation not in _PARSERS:
            raise TypeError(f"{function.__qualname__}(): '{parameter.name}' can be bytes, str, int or float")
        parsers.append(_PARSERS[parameter.annotation])
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            most = MANY
            break
        most += 1
        if parameter.default is inspect.Parameter.empty:
            fewest += 1
    return fewest, most, tuple(parsers)


def _parsing(function: Callable[..., object], parsers: tuple[Parser | None, ...]) -> Callable[..., Any]:
    """Wrap a function so that its arguments come parsed."""
    last = len(parsers) - 1

    def handler(call: object, *arguments: bytes) -> object:
        parsed: list[object] = []
        for position, argument in enumerate(arguments):
            parser = parsers[min(position, last)]
            parsed.append(argument if parser is None else parser(argument))
        return function(call, *parsed)

    handler.__wrapped__ = function  # type: ignore[attr-defined]
    return handler


def _origin(handler: Callable[..., object]) -> tuple[str, str]:
    """Return what stays the same when a module or a notebook cell is run again."""
    function = inspect.unwrap(handler)
    return function.__module__, function.__qualname__
