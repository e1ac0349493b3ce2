"""Function libraries: their names, their source, and which function belongs to whom.

What lives here: the registry that FUNCTION and FCALL work on, the `#!` line, the payload of FUNCTION DUMP. What must
not: an interpreter (a :class:`Loader` runs a library's source), replies and sessions. The rule: a change happens as a
whole or not at all; what a failed load or restore had begun is undone, as if it had never been tried.

Library names are told apart as they are spelled, function names without regard to case, as in redis-server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Protocol

from kvcore import errors
from kvcore.errors import CommandError, RdbError
from kvcore.rdb import sink
from kvcore.rdb.payload import is_sealed, seal
from kvcore.rdb.source import Source
from kvcore.resp.inline import split_arguments
from kvcore.scripting.scripts import FLAGS

ENGINE: Final = b"LUA"

FUNCTION2: Final = b"\xf5"
"""The RDB opcode before a library's source."""

_FUNCTION_PRE_GA: Final = 0xF6
_FOOTER: Final = 10

_NAME: Final = re.compile(rb"[A-Za-z0-9_]+")
_PER_LIBRARY: Final = 200
_PER_FUNCTION: Final = 100


class Function:
    """One function, and the Lua value that is called for it."""

    __slots__ = ("callback", "description", "flags", "library", "name")

    def __init__(self, library: Library, name: bytes, callback: object, flags: int, description: bytes | None) -> None:
        self.library = library
        self.name = name
        self.callback = callback
        self.flags = flags
        """Bits of :data:`~kvcore.scripting.scripts.FLAGS`."""
        self.description = description

    @property
    def flag_names(self) -> list[bytes]:
        """The names of the flags, in the order of their declaration."""
        return [name for name, bit in FLAGS.items() if self.flags & bit]


class Library:
    """Source text, and the functions it registered when it ran."""

    __slots__ = ("code", "functions", "name")

    def __init__(self, name: bytes, code: bytes) -> None:
        self.name = name
        self.code = code
        """The whole source, its `#!` line included."""
        self.functions: dict[bytes, Function] = {}

    def add(self, name: bytes, callback: object, flags: int = 0, description: bytes | None = None) -> None:
        """Register a function; raise CommandError for a bad name or one that is taken."""
        if not _NAME.fullmatch(name):
            raise CommandError(errors.LIBRARY_NAME)
        if name in self.functions:
            raise CommandError(errors.FUNCTION_EXISTS_IN_LIBRARY)
        self.functions[name] = Function(self, name, callback, flags, description)

    def size_bytes(self) -> int:
        """Return about how much memory the library takes outside the interpreter."""
        size = _PER_LIBRARY + len(self.name) + len(self.code)
        for function in self.functions.values():
            size += _PER_FUNCTION + len(function.name) + len(function.description or b"")
        return size


class Loader(Protocol):
    """Runs the source of libraries: the scripting engine."""

    def run_body(self, library: Library, body: bytes) -> None:
        """Run ``body``, which registers through ``library.add``; raise CommandError with the reply's whole text."""
        ...


def read_metadata(code: bytes) -> tuple[bytes, bytes, bytes]:
    r"""Return engine, name and body of a library whose source begins `#!<engine> name=<name>\n`; raise CommandError.

    The body keeps the line's end, so that the lines of error messages are those of the source.
    """
    if not code.startswith(b"#!"):
        raise CommandError(errors.LIBRARY_NO_METADATA)
    line, end, _ = code.partition(b"\n")
    words = split_arguments(line.partition(b"\0")[0]) if end else None
    if not words:
        raise CommandError(errors.LIBRARY_BAD_METADATA)
    name = None
    for word in words[1:]:
        if word[:5].lower() != b"name=":
            raise CommandError(errors.library_metadata_value(word))
        if name is not None:
            raise CommandError(errors.LIBRARY_NAME_TWICE)
        name = word[5:]
    if name is None:
        raise CommandError(errors.LIBRARY_NAME_MISSING)
    return words[0][2:], name, code[len(line) :]


class Libraries:
    """The libraries of an engine, and their functions by name."""

    __slots__ = ("_functions", "_libraries", "_loader")

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._libraries: dict[bytes, Library] = {}
        self._functions: dict[bytes, Function] = {}

    def __len__(self) -> int:
        return len(self._libraries)

    def count_functions(self) -> int:
        """Return how many functions there are in all libraries together."""
        return sum(len(library.functions) for library in self._libraries.values())

    def size_bytes(self) -> int:
        """Return about how much memory the registry takes outside the interpreter. O(functions)."""
        return sum(library.size_bytes() for library in self._libraries.values())

    def find(self, name: bytes) -> Function | None:
        """Return the function of a name, in any case. O(1)."""
        return self._functions.get(name.lower())

    def libraries(self) -> list[Library]:
        """Return the libraries, the oldest first."""
        return list(self._libraries.values())

    def codes(self) -> list[bytes]:
        """Return the source of each library: what a snapshot keeps, and :meth:`load` takes back."""
        return [library.code for library in self._libraries.values()]

    def load(self, code: bytes, replace: bool = False) -> bytes:
        """Load a library from its source and return its name; ``replace`` the one of that name. Raise CommandError."""
        library = self._build(code, () if replace else self._libraries)
        self._check_clashes(library, self._libraries.get(library.name))
        self._unlink(self._libraries.get(library.name))
        self._link(library)
        return library.name

    def keep(self, code: bytes) -> None:
        """Hold a library without running it, so that it is saved again; in place of one of its name."""
        _, name, _ = read_metadata(code)
        self._unlink(self._libraries.get(name))
        self._link(Library(name, code))

    def delete(self, name: bytes) -> bool:
        """Delete a library and its functions; say whether there was one."""
        library = self._libraries.get(name)
        self._unlink(library)
        return library is not None

    def clear(self) -> None:
        """Delete every library."""
        self._libraries.clear()
        self._functions.clear()

    def dump(self, compress: bool = True) -> bytes:
        """Return the payload of FUNCTION DUMP. O(bytes)."""
        return seal(b"".join(FUNCTION2 + sink.string(code, compress) for code in self.codes()))

    def restore(self, payload: bytes, *, flush: bool = False, replace: bool = False) -> None:
        """Load what :meth:`dump` returned: in place of everything (``flush``), over libraries of the same name
        (``replace``), or beside all there is. Raise CommandError, and then change nothing.
        """
        if not is_sealed(payload):
            raise CommandError(errors.DUMP_FOOTER)
        arrived = Libraries(self._loader)
        for code in _codes_of(payload):
            library = arrived._build(code, arrived._libraries)
            arrived._check_clashes(library, None)
            arrived._link(library)
        kept = Libraries(self._loader)
        for library in () if flush else self._libraries.values():
            if library.name not in arrived._libraries:
                kept._link(library)
            elif not replace:
                raise CommandError(errors.library_exists_restoring(library.name))
        for library in arrived._libraries.values():
            kept._check_clashes(library, None)
        for library in arrived._libraries.values():
            kept._link(library)
        self._libraries = kept._libraries
        self._functions = kept._functions

    def check(self) -> None:
        """Assert that names lead to the functions of the libraries, and to no others. O(functions)."""
        every = [function for library in self._libraries.values() for function in library.functions.values()]
        assert {function.name.lower() for function in every} == set(self._functions)
        assert all(function in every and function.name.lower() == name for name, function in self._functions.items())
        assert all(library.name == name for name, library in self._libraries.items())

    def _build(self, code: bytes, taken: Iterable[bytes]) -> Library:
        """Run a source and return the library it makes; nothing is linked yet."""
        engine, name, body = read_metadata(code)
        if not _NAME.fullmatch(name):
            raise CommandError(errors.LIBRARY_NAME)
        if engine.upper() != ENGINE:
            raise CommandError(errors.no_function_engine(engine))
        if name in taken:
            raise CommandError(errors.library_exists(name))
        library = Library(name, code)
        self._loader.run_body(library, body)
        if not library.functions:
            raise CommandError(errors.LIBRARY_EMPTY)
        return library

    def _check_clashes(self, library: Library, leaving: Library | None) -> None:
        """Refuse a function whose name one of another library has; ``leaving`` is about to be unlinked."""
        for name in library.functions:
            other = self._functions.get(name.lower())
            if other is not None and other.library is not leaving:
                raise CommandError(errors.function_exists(name))

    def _link(self, library: Library) -> None:
        self._libraries[library.name] = library
        for name, function in library.functions.items():
            # Names of one library may differ in case alone: the first is the one that is called.
            self._functions.setdefault(name.lower(), function)

    def _unlink(self, library: Library | None) -> None:
        if library is not None:
            del self._libraries[library.name]
            for name in library.functions:
                self._functions.pop(name.lower(), None)


def _codes_of(payload: bytes) -> list[bytes]:
    """Return the sources in a sealed payload."""
    source = Source(payload[:-_FOOTER])
    codes = []
    while source.left():
        opcode = source.byte()
        if opcode not in (FUNCTION2[0], _FUNCTION_PRE_GA):
            raise CommandError(errors.FUNCTIONS_WRONG_TYPE)
        try:
            codes.append(source.string() if opcode == FUNCTION2[0] else _pre_ga(source))
        except RdbError as error:
            raise CommandError(errors.FUNCTIONS_BAD_PAYLOAD) from error
    return codes


def _pre_ga(source: Source) -> bytes:
    """Read a library as release candidates of 7.0 wrote it, and return it as it is written today."""
    name, engine = source.string(), source.string()
    if source.length():
        source.string()  # a description, which libraries have no more
    return b"#!%b name=%b\n%b" % (engine, name, source.string())
