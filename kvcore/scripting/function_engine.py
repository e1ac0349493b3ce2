"""Function libraries at work: an interpreter of their own, loading them, calling what they registered.

What lives here: :class:`Functions`, which every :class:`~kvcore.engine.Engine` has, and what is special about Lua that
comes with FUNCTION LOAD. What must not: the registry (:mod:`kvcore.scripting.functions`), what functions and scripts
have in common (:mod:`kvcore.scripting.scripts`). The rule: nothing is shared with EVAL, whose interpreter may be thrown
away at any time; libraries last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.errors import CommandError, text
from kvcore.replies import Reply
from kvcore.scripting.bridge import Bridge
from kvcore.scripting.functions import Function, Libraries, Library
from kvcore.scripting.runtime import CompileError, Failure, Runtime

if TYPE_CHECKING:
    from kvcore.call import Call
    from kvcore.engine import Engine

_LOAD_LIMIT_NS: Final = 500_000_000
"""How long the body of a library may run."""

_CHUNK: Final = b"@user_function"


class Functions:
    """The function libraries of an engine."""

    __slots__ = ("_bridge", "_deadline_ns", "_engine", "_library", "_runtime", "_timed_out", "libraries")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._runtime: Runtime | None = None
        self._bridge: Bridge | None = None
        self._library: Library | None = None
        """The library being loaded."""
        self._deadline_ns = 0
        self._timed_out = False
        self.libraries = Libraries(self)

    # What snapshots keep (kvcore.ports.Libraries)

    def sources(self) -> list[bytes]:
        """Return the source of every library."""
        return self.libraries.codes()

    def load(self, source: bytes) -> None:
        """Add a library, in place of one of its name; raise CommandError.

        Where no Lua is installed, it is kept as it is, and saved again.
        """
        try:
            self.libraries.load(source, replace=True)
        except CommandError as error:
            if str(error) != errors.LUA_MISSING:
                raise
            self.libraries.keep(source)

    def flush(self) -> None:
        """Forget every library."""
        self.libraries.clear()

    # Figures for INFO

    @property
    def library_count(self) -> int:
        """Libraries (number_of_libraries)."""
        return len(self.libraries)

    @property
    def function_count(self) -> int:
        """Functions in all libraries (number_of_functions)."""
        return self.libraries.count_functions()

    @property
    def registry_bytes(self) -> int:
        """What the libraries take beside the interpreter (used_memory_functions)."""
        return self.libraries.size_bytes()

    @property
    def lua_bytes(self) -> int:
        """What the interpreter of functions takes (used_memory_vm_functions)."""
        return 0 if self._runtime is None else self._runtime.memory_bytes

    # Loading

    def run_body(self, library: Library, body: bytes) -> None:
        """Run the body of a library, which registers functions; raise CommandError."""
        runtime, bridge = self._interpreter()
        try:
            chunk = runtime.compile(body, _CHUNK)
        except CompileError as error:
            raise CommandError(errors.function_not_compiled(str(error))) from None
        self._library = library
        self._timed_out = False
        self._deadline_ns = self._engine.clock.steady_ns() + _LOAD_LIMIT_NS
        try:
            failure = runtime.load(chunk)
        finally:
            self._library = None
        if bridge.broken is not None:
            broken, bridge.broken = bridge.broken, None
            raise broken
        if failure is not None:
            reason = errors.FUNCTION_LOAD_TIMEOUT if self._timed_out else text(failure.message)
            raise CommandError(errors.function_not_registered(reason))

    def _interpreter(self) -> tuple[Runtime, Bridge]:
        """Return the interpreter of libraries, made now if there is none; raise CommandError without lupa."""
        if self._runtime is None or self._bridge is None:
            self._bridge = Bridge(self._engine, self._checkpoint)
            self._bridge.on_register = self._register
            self._runtime = self._engine.scripts.new_runtime(self._bridge, functions=True)
        return self._runtime, self._bridge

    def _checkpoint(self) -> bool:
        """Look at the clock for the Lua code that runs; True ends it."""
        if self._library is None:
            return self._engine.scripts.checkpoint()
        if self._engine.clock.steady_ns() >= self._deadline_ns:
            self._timed_out = True
        return self._timed_out

    def _register(self, *arguments: object) -> bytes | None:
        """Do what `redis.register_function` asks for: name, callback, flags, description, checked by Lua."""
        name, callback, flags, *rest = arguments
        assert isinstance(name, bytes)
        assert isinstance(flags, int)
        assert self._library is not None
        description = rest[0] if rest and isinstance(rest[0], bytes) else None
        try:
            self._library.add(name, callback, flags, description)
        except CommandError as error:
            return str(error).removeprefix("ERR ").encode()
        return None

    # Calling

    def call(self, call: Call, function: Function, key_count: int, words: Sequence[bytes], read_only: bool) -> Reply:
        """Call a function for a client; the reply, an error raised, or a Blocked if it runs long.

        ``words`` are its keys, then its arguments; ``read_only`` is what FCALL_RO asks for.
        """
        runtime, bridge = self._interpreter()

        def body() -> Reply | Failure:
            return runtime.call(function.callback, key_count, words)

        scripts = self._engine.scripts
        return scripts.run(call, bridge, body, function.name, function.flags, read_only, is_function=True)
