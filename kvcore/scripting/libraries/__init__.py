"""The four libraries a script finds among its globals: ``cjson``, ``cmsgpack``, ``struct`` and ``bit``.

Each is a Lua file that runs inside the interpreter: nothing of Python is within a script's reach, their memory counts
against the interpreter's ceiling, and the hook that stops a script stops it in here, too. What they compute, and every
error text, is what the libraries of redis-server 7.0.15 compute. They allocate in step with the input they read,
never by a length that the input claims.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final, Protocol

NAMES: Final = ("bit", "cjson", "cmsgpack", "struct")


class Runtime(Protocol):
    """What is needed of an interpreter; ``lupa.lua51.LuaRuntime`` with ``encoding=None`` has it."""

    def execute(self, lua_code: bytes, *args: object, name: bytes) -> object:
        """Run a chunk with arguments and return what it returns."""
        ...

    def globals(self) -> object:
        """Return the table of globals."""
        ...


_PUT: Final = b"local globals, name, library = ... globals[name] = library"


def _load(lua: Runtime, name: str, *args: object) -> object:
    source = files(__name__).joinpath(f"{name}.lua").read_bytes()
    return lua.execute(source, *args, name=b"=" + name.encode())


def install(lua: Runtime) -> None:
    """Put the four tables into the globals of ``lua``, whose standard libraries must still be there, ``debug`` too."""
    support = _load(lua, "support")
    numbers = _load(lua, "numbers")
    for name in NAMES:
        lua.execute(_PUT, lua.globals(), name.encode(), _load(lua, name, support, numbers), name=b"=install")
