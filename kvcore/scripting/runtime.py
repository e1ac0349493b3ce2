"""A Lua state: compiles sources, runs them inside the sandbox, turns what they return into replies.

The interface for whoever runs Lua in an engine (scripts, and function libraries on top of it):

- ``Runtime(host, ...)`` makes a state; ``host`` is what `redis.*` calls (:class:`Host`). LuaMissingError without lupa.
- ``compile(source, chunk_name)`` returns an opaque function; CompileError carries the message of Lua's compiler.
- ``run(function, key_count, words)`` runs it with globals KEYS and ARGV; ``call(function, key_count, words)`` calls it
  with both as arguments; ``load(function)`` runs the body of a library, while `redis.register_function` works
  (``functions=True``): it calls ``host.register`` with what the library gave it.
- Each returns the reply, or a :class:`Failure` if the script raised an error.
- Whoever runs scripts sets ``host`` up first (session, permissions): the runtime knows nothing of them.

What lives here: the one import of lupa, memory limits, the border. What must not: commands, the script cache, time. The
rule: nothing but bytes, numbers, booleans and functions that this file made crosses the border, and never near the
memory ceiling, where lupa would end the process (see ``sandbox.lua``).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from kvcore import errors
from kvcore.errors import CommandError, KvcoreError, text
from kvcore.replies import Reply
from kvcore.scripting.chunks import keep_callers
from kvcore.scripting.convert import CHUNK, Item, from_lua, one_line, to_integer
from kvcore.scripting.libraries import install
from kvcore.version import REDIS_VERSION

if TYPE_CHECKING:
    from kvcore.scripting.libraries import Runtime as Interpreter

Function = object
"""A compiled script or a function of a library, as Lua knows it."""

KILLED: Final = "Script killed by user with SCRIPT KILL..."
INTERVAL: Final = 2_000
"""Instructions between two looks at the clock: some 10 us of plain Lua, which that makes a tenth slower."""

_SHORT_INTERVAL: Final = 100
"""The same while much memory is in use: long strings may come up between two looks and go unnoticed."""

_SIZABLE: Final = 8 << 20
"""How much is much: what a pass of the garbage collector gets through in a few milliseconds."""

PACE: Final = 160 << 20
"""How many bytes of long strings may be read between two looks, some 100 ms at the worst: a third of all instructions
may read all of them."""

PIECE: Final = 1 << 20
"""Bytes that a function of Lua's libraries copies in one go."""

_MATCH_STEPS: Final = 10_000_000
"""What a pattern may take of the matcher in C, which cannot be stopped: some 40 ms."""

_DEPTH: Final = 200
"""Levels of tables in a result: the encoders of replies recurse."""

_SCRIPTS_SHARE: Final = (5, 8)
"""How much of the memory may be in use when something crosses the border.

The rest is for the crossing: a new string may double Lua's table of strings, which takes up to half of what is in use.
"""

_HOST_METHODS: Final = (
    "execute",
    "keep_arguments",
    "execute_rest",
    "pull",
    "checkpoint",
    "sha1",
    "log",
    "set_protocol",
    "set_replication",
    "check",
    "register",
)

_LOADER: Final = b"""local source, name, rewrite = ...
return loadstring(rewrite(string.dump(loadstring(source, name))), name)"""

_DIRECT: Final = CHUNK
"""Words that cross in one call."""

_ALL, _MORE, _ERROR = 1, 2, 3


class LuaMissingError(KvcoreError):
    """There is no Lua interpreter: the extra that brings lupa is not installed."""


class CompileError(KvcoreError):
    """A source is no Lua; the text is the compiler's, position first."""


class Failure:
    """An error that a script raised, or the interpreter for it."""

    __slots__ = ("counted", "line", "message", "source")

    def __init__(self, message: bytes, source: bytes = b"", line: int = -1, counted: bool = False) -> None:
        self.message = message
        """The error's text, its code first; no text at all where the script raised a table without one."""
        self.source = source
        """The chunk in which it arose (``@user_script``), empty if that is unknown."""
        self.line = line
        self.counted = counted
        """It is a command's error, and statistics have it already."""


class Host(Protocol):
    """What a script can do to the world. No method may raise, and all arguments but bytes need a look."""

    def execute(self, *arguments: Item) -> Item | tuple[Item, int] | tuple[Item, int, int]:
        """Run a command; return a plain value, or a value and a tag of :mod:`kvcore.scripting.convert`.

        A large reply has a third part: how many bytes of it are long strings.
        """
        ...

    def keep_arguments(self, *arguments: Item) -> None:
        """Take the first arguments of a command that has too many for one call."""
        ...

    def execute_rest(self, *arguments: Item) -> Item | tuple[Item, int] | tuple[Item, int, int]:
        """Run the command whose first arguments were kept."""
        ...

    def pull(self) -> tuple[Item, ...]:
        """Return the next items of the last reply."""
        ...

    def checkpoint(self) -> bool:
        """Do what is to be done while a script runs; True ends it."""
        ...

    def log(self, level: int, message: bytes) -> None:
        """Write to the server's log."""
        ...

    def set_protocol(self, version: int) -> None:
        """Convert replies as RESP2 or RESP3 says (`redis.setresp`)."""
        ...

    def set_replication(self, flags: int) -> None:
        """Choose where effects go (`redis.set_repl`)."""
        ...

    def check(self, *arguments: Item) -> bool | tuple[Item, int]:
        """Say whether the user may run a command (`redis.acl_check_cmd`)."""
        ...

    def register(self, *arguments: object) -> bytes | None:
        """Add a function to the library being loaded; return None, or what is wrong."""
        ...

    def sha1(self, value: bytes) -> bytes:
        """Return the digest in hexadecimal digits."""
        ...


class _Lua(Protocol):
    """lupa.lua51.LuaRuntime, as far as it is used."""

    def execute(self, lua_code: bytes, *args: object, name: bytes) -> Any: ...
    def table_from(self, *args: object) -> object: ...
    def get_memory_used(self) -> int: ...
    def gccollect(self) -> None: ...
    def set_max_memory(self, max_memory: int) -> None: ...
    def globals(self) -> object: ...


def _new_lua(max_memory: int) -> tuple[_Lua, type[Exception]]:
    try:
        from lupa.lua51 import LuaError, LuaRuntime
    except ImportError:
        raise LuaMissingError(errors.LUA_MISSING) from None
    lua = LuaRuntime(
        encoding=None,
        register_eval=False,
        register_builtins=False,
        unpack_returned_tuples=True,
        attribute_filter=_refuse_attribute,
        max_memory=max_memory,
    )
    return cast("_Lua", lua), LuaError


def _weakly(host: Host, name: str) -> Callable[..., object]:
    """Return a method for Lua to hold.

    The interpreter belongs to its host, and Python's collector does not see what Lua holds: a strong reference back
    would keep both, and the whole engine, for ever.
    """
    reference = weakref.ref(host)
    method = getattr(type(host), name)

    def call(*arguments: object) -> object:
        return method(reference(), *arguments)

    return call


def _without_lines(code: bytes) -> bytes:
    return keep_callers(code, strip=True)[0]


def _refuse_attribute(_object: object, _name: object, _setting: bool) -> object:
    raise AttributeError("closed to scripts")


class Runtime:
    """One Lua state. Not reentrant, and used under the engine lock only."""

    __slots__ = (
        "_brief",
        "_call",
        "_compile",
        "_error",
        "_limit",
        "_load",
        "_lua",
        "_more",
        "_run",
        "_run_staged",
        "_soft",
        "_stage",
        "errors",
    )

    def __init__(
        self, host: Host, memory_limit: int, *, functions: bool = False, cpu_time: Callable[[], float] | None = None
    ) -> None:
        """``memory_limit`` is in bytes; ``functions`` has `redis.register_function` in place of the debugger.

        ``cpu_time`` stands in for Lua's `os.clock`, seconds of processor time that tell how often the host is asked.
        """
        self._lua, self._error = _new_lua(memory_limit)
        self._limit = memory_limit
        self._soft = memory_limit * _SCRIPTS_SHARE[0] // _SCRIPTS_SHARE[1]
        self.errors: list[CommandError] = []
        """The errors in the last reply that was no plain value: statistics count them."""
        install(cast("Interpreter", self._lua))
        self._load_file("libraries/pieces.lua", b"=pieces", _without_lines)(_MATCH_STEPS, PIECE, memory_limit)
        version = [int(part) for part in REDIS_VERSION.split(".")]
        self._brief = brief = [False]

        def rewrite(code: bytes) -> bytes:
            code, brief[0] = keep_callers(code)
            return code

        callables: dict[bytes, Callable[..., object]] = {name.encode(): _weakly(host, name) for name in _HOST_METHODS}
        callables[b"keep_callers"] = rewrite
        settings = {
            b"interval": INTERVAL,
            b"short_interval": _SHORT_INTERVAL,
            b"sizable_kb": _SIZABLE // 1024,
            b"pace_kb": PACE // 1024,
            b"piece": PIECE,
            b"depth": _DEPTH,
            b"chunk": CHUNK,
            b"soft_kb": self._soft // 1024,
            b"killed": b"ERR " + KILLED.encode(),
            b"functions": functions,
            b"cpu_time": cpu_time,
            b"version": REDIS_VERSION.encode(),
            b"version_number": version[0] << 16 | version[1] << 8 | version[2],
        }
        tables = (self._lua.table_from(callables), self._lua.table_from(settings))
        entries = self._load_file("sandbox.lua", b"=kvcore", rewrite)(*tables)
        self._compile, self._run, self._stage, self._run_staged, self._call, self._load, self._more = entries

    def _load_file(self, path: str, name: bytes, rewrite: Callable[[bytes], bytes]) -> Callable[..., Any]:
        source = files(__package__).joinpath(path).read_bytes()
        chunk: Callable[..., Any] = self._lua.execute(_LOADER, source, name, rewrite, name=b"=loader")
        return chunk

    @property
    def memory_bytes(self) -> int:
        """What the state takes now."""
        return self._lua.get_memory_used()

    def compile(self, source: bytes, chunk_name: bytes) -> Function:
        """Compile a source; raise CompileError. ``chunk_name`` begins with ``@``. O(size)."""
        if not self._has_room(32 * len(source)):
            raise CompileError(errors.LUA_MEMORY)
        try:
            result = self._compile(source, chunk_name)
        except self._error as error:
            raise CompileError(str(error)) from None
        if isinstance(result, tuple):
            raise CompileError(text(result[1]))
        function: Function = result
        return function

    @property
    def brief(self) -> bool:
        """Whether what was compiled last must end soon: it has no loops, and calls nothing but commands."""
        return self._brief[0]

    def run(self, function: Function, key_count: int, words: Sequence[bytes]) -> Reply | Failure:
        """Run a script; ``words`` are its keys, then its arguments."""
        used = self._lua.get_memory_used()
        for word in words:
            used += len(word)
        if used > self._soft and not self._has_room(sum(map(len, words))):
            return Failure(errors.LUA_MEMORY.encode())
        try:
            if len(words) <= _DIRECT:
                result = self._run(function, key_count, *words)
            else:
                self._put(words)
                result = self._run_staged(function, key_count)
        except self._error as error:
            return self._interpreter_failed(error)
        if type(result) is bytes or result is None:
            return result
        return self._reply(result)

    def call(self, function: Function, key_count: int, words: Sequence[bytes]) -> Reply | Failure:
        """Call a library's function with its keys and its arguments."""
        if not self._has_room(sum(map(len, words))):
            return Failure(errors.LUA_MEMORY.encode())
        try:
            if len(words) <= _DIRECT:
                result = self._call(function, key_count, *words)
            else:
                self._put(words)
                result = self._call(function, key_count)
        except self._error as error:
            return self._interpreter_failed(error)
        return self._reply(result)

    def load(self, function: Function) -> Failure | None:
        """Run the body of a library."""
        try:
            result = self._load(function)
        except self._error as error:
            return self._interpreter_failed(error)
        reply = self._reply(result)
        return reply if isinstance(reply, Failure) else None

    def _put(self, words: Sequence[bytes]) -> None:
        for first in range(0, len(words), _DIRECT):
            self._stage(*words[first : first + _DIRECT])

    def _has_room(self, size: int) -> bool:
        """Say whether ``size`` bytes may cross, after a collection if need be."""
        lua = self._lua
        if lua.get_memory_used() + size > self._soft:
            self._collect()
            return lua.get_memory_used() + size <= self._soft
        return True

    def _collect(self) -> None:
        """Collect garbage. That takes memory at times, and may not find the ceiling in its way."""
        lua = self._lua
        lua.set_max_memory(2 * self._limit)
        lua.gccollect()
        lua.set_max_memory(self._limit)

    def has_room(self, size: int) -> bool:
        """Say whether a reply of ``size`` bytes may be handed to the script that runs."""
        return self._has_room(size)

    def _interpreter_failed(self, error: Exception) -> Failure:
        self._collect()
        message = str(error).encode("utf-8", "surrogateescape") or b"not enough memory"
        return Failure(b"ERR " + message)

    def _reply(self, result: Any) -> Reply | Failure:
        if type(result) is bytes or result is None:
            return result
        if not isinstance(result, tuple):
            return to_integer(result)
        self.errors = []
        kind = result[0]
        if kind == _ERROR:
            return _failure(result)
        if kind == _MORE:
            return from_lua(iter(self._gather(int(result[1]))), self.errors)
        if kind == _ALL:
            items = iter(result)
            next(items)
            return from_lua(items, self.errors)
        return result[1]

    def _gather(self, total: int) -> list[Item]:
        items: list[Item] = []
        self._has_room(0)
        while len(items) < total:
            part = self._more()
            if isinstance(part, tuple):
                items += part
            else:
                items.append(part)
        return items


def _failure(result: tuple[Any, ...]) -> Failure:
    """Read ``3, message, source, line, counted``; scripts can put anything there."""
    message, source, line, counted = (*result[1:], None, None, None, None)[:4]
    if isinstance(message, int | float) and not isinstance(message, bool):
        message = b"%.14g" % message
    if type(message) is not bytes:
        return Failure(b"")
    if type(source) is not bytes or not isinstance(line, int):
        return Failure(message, counted=counted is True)
    return Failure(message, source, line, counted is True)


def as_error(failure: Failure, name: bytes) -> CommandError:
    """Return the error reply for a failure of the script or function ``name``."""
    message = failure.message
    if failure.source:
        message += b" script: %b, on %b:%d." % (name, failure.source, failure.line)
    return CommandError(one_line(message))
