"""Directive values in use, CONFIG GET and SET, and the redis.conf reader.

Here: values, their change and who hears of it, config text to directives. Not here: the table of directives
(:mod:`kvcore.directives`), files and the environment: text and mappings are handed in, ``include`` asks a reader
function. The engine and the front ends read a value once and subscribe to changes; a subscriber may veto one by
raising ConfigError, and then every directive of that change has its old value again.

Texts are ``str`` with ``surrogateescape``, so that a password of any bytes survives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from kvcore import glob
from kvcore.directive_kinds import Directive, Merging, Value
from kvcore.directives import BY_NAME, TABLE
from kvcore.errors import LOADING, CommandError, ConfigError, text
from kvcore.resp.inline import split_arguments

SERVER: Final = "Redis 7.0.15"
"""The server whose texts and defaults these are."""

BAD_DIRECTIVE: Final = "Bad directive or wrong number of arguments"
UNBALANCED: Final = "Unbalanced quotes in configuration line"
IMMUTABLE: Final = "can't set immutable config"
PROTECTED: Final = "can't set protected config"
DUPLICATE: Final = "duplicate parameter"

NOT_WHILE_LOADING: Final = frozenset({"appendonly", "dir", "repl-diskless-load"})
"""Directives that cannot be set while a data set is on its way in."""

MAX_INCLUDE_DEPTH: Final = 16

Line = tuple[int, str, str, list[str]]
"""Line number, the line as written, the directive's name, its arguments."""

Reader = Callable[[str], list[str]]
"""Return the texts of the files an ``include`` names; raise ConfigReadError if one cannot be read."""

ENVIRONMENT_PREFIX: Final = "KVCORE_"

_IGNORED: Final = frozenset(("list-max-ziplist-entries", "list-max-ziplist-value"))
"""Gone since Redis 3.2; the real server still takes them in a file and forgets them."""

_REFUSED: Final = {
    "sentinel": "sentinel directive while not in sentinel mode",
}
"""Directives of files only that would be unsafe to accept without effect."""


class ConfigReadError(ConfigError):
    """A config file cannot be opened."""


class ConfigFileError(ConfigError):
    """A line is wrong. ``str()`` is the reason, :meth:`block` what the real server prints."""

    def __init__(self, reason: str, line: str, where: str) -> None:
        super().__init__(reason)
        self.line = line
        self.where = where

    def block(self) -> str:
        """Return the real server's message, line by line."""
        return fatal(f"{self.where}\n>>> '{self.line}'\n{self}")


def fatal(message: str) -> str:
    """Return the real server's frame around a message."""
    return f"\n*** FATAL CONFIG FILE ERROR ({SERVER}) ***\n{message}\n"


class Config:
    """The values of all directives.

    >>> config = Config()
    >>> config.integer("maxclients"), config.strings("bind")
    (10000, ('127.0.0.1', '-::1'))
    >>> config.set("proto-max-bulk-len", "1mb")
    >>> config.integer("proto-max-bulk-len")
    1048576
    """

    __slots__ = (
        "_changed",
        "_loaded",
        "_subscribers",
        "_values",
        "check_rename",
        "check_user",
        "file",
        "modules",
        "renames",
        "users",
    )

    def __init__(self) -> None:
        self._values: dict[str, Value] = {row.name: row.default for row in TABLE}
        self._subscribers: dict[str, list[Callable[[], None]]] = {}
        self._loaded: set[str] = set()
        self._changed: set[str] = set()
        self.file = ""
        """Absolute path of the config file, empty if there is none."""
        self.users: list[list[bytes]] = []
        """What ``user`` lines declare: names with their rules."""
        self.renames: list[tuple[bytes, bytes]] = []
        """What ``rename-command`` lines ask for: old and new names."""
        self.check_user: Callable[[list[list[bytes]], list[bytes]], None] = _believe
        """Asked before a ``user`` line is added to those there are; raises ConfigError. The engine checks, too."""
        self.check_rename: Callable[[bytes, bytes], None] = _believe
        """The same for ``rename-command`` lines."""
        self.modules: list[str] = []
        """Python modules of commands that `loadmodule` lines name, for the server to import before it serves."""

    # Typed reads: O(1)

    def get(self, name: str) -> Value:
        """Return a value in use. Raises ConfigError for an unknown name."""
        value = self._values.get(name)
        return self._values[_find(name).name] if value is None else value

    def integer(self, name: str) -> int:
        """Return a number: bytes, seconds, milliseconds as the directive has it; percentages are negative."""
        value = self.get(name)
        assert isinstance(value, int), name
        return value

    def flag(self, name: str) -> bool:
        """Return a yes or no directive."""
        value = self.get(name)
        assert isinstance(value, bool), name
        return value

    def string(self, name: str) -> str:
        """Return a single word."""
        value = self.get(name)
        assert isinstance(value, str), name
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        """Return the words of a directive that takes several."""
        value = self.get(name)
        assert isinstance(value, tuple), name
        return value

    def output_limit(self, kind: str) -> tuple[int, int, int]:
        """Return hard limit and soft limit in bytes and soft seconds of ``normal``, ``slave`` or ``pubsub``."""
        words = self.strings("client-output-buffer-limit")
        at = words.index("slave" if kind == "replica" else kind)
        return int(words[at + 1]), int(words[at + 2]), int(words[at + 3])

    def save_points(self) -> list[tuple[int, int]]:
        """Return pairs of seconds and changes."""
        words = self.strings("save")
        return [(int(words[at]), int(words[at + 1])) for at in range(0, len(words), 2)]

    def without_effect(self) -> list[Directive]:
        """Return the directives that were set to something but their default and do not do what they say yet."""
        return [
            row for row in TABLE if row.status and row.name in self._changed and self._values[row.name] != row.default
        ]

    # Changes

    def on_change(self, name: str, callback: Callable[[], None]) -> None:
        """Call ``callback`` after the value changed. It may raise ConfigError to have the change undone."""
        self._subscribers.setdefault(_find(name).name, []).append(callback)

    def set(self, name: str, value: str | bytes | list[str] | list[bytes]) -> None:
        """Set one directive, immutable ones included; raise ConfigError with the real server's reason.

        A string is one argument; directives of several words split it at spaces, as CONFIG SET does.
        """
        row = _find(name)
        self._apply({row.name: self._parse(row, _words(value), False)})

    def assign(self, name: str, value: Value) -> None:
        """Put a value in place without checks and without telling anyone: what a front end found out."""
        self._values[_find(name).name] = value

    def config_get(self, patterns: list[bytes]) -> dict[bytes, bytes]:
        """Answer CONFIG GET: names and aliases that match, each once. O(directives) for each glob pattern."""
        found: dict[str, tuple[str, Directive]] = {}
        for pattern in patterns:
            asked = text(pattern)
            if not any(special in asked for special in "[*?"):
                row = BY_NAME.get(asked.lower())
                if row is not None:
                    found.setdefault(asked.lower(), (asked, row))
                continue
            matches = glob.compile(pattern, True)
            for name, row in BY_NAME.items():
                if not row.hidden and matches(name.encode()):
                    found.setdefault(name, (name, row))
        return {
            name.encode("utf-8", "surrogateescape"): self.shown(row.name).encode("utf-8", "surrogateescape")
            for name, row in found.values()
        }

    def config_set(self, pairs: list[tuple[bytes, bytes]], local: bool = False, loading: bool = False) -> None:
        """Set several directives or none; raise CommandError with CONFIG SET's whole reply.

        ``local`` says that the client is on this machine (``enable-protected-configs local``), ``loading`` that a data
        set is on its way in.
        """
        rows: dict[str, tuple[Directive, str]] = {}
        for name, value in pairs:
            row = BY_NAME.get(text(name).lower())
            if row is None:
                shown = text(name.split(b"\0")[0])
                raise CommandError(f"ERR Unknown option or number of arguments for CONFIG SET - '{shown}'")
            key = text(name).lower()
            if row.immutable:
                raise _set_failed(text(name), IMMUTABLE)
            if row.protected and not self._unprotected(local):
                raise _set_failed(text(name), PROTECTED)
            if loading and row.name in NOT_WHILE_LOADING:
                raise CommandError(LOADING)
            if key in rows:
                raise _set_failed(text(name), DUPLICATE)
            rows[key] = row, text(value)
        values: dict[str, Value] = {}
        for key, (row, word) in rows.items():
            try:
                values[row.name] = self._parse(row, [word], False)
            except ConfigError as error:
                raise _set_failed(key, str(error)) from error
        try:
            self._apply(values)
        except _VetoError as veto:
            raise _set_failed(veto.name, str(veto)) from veto

    def shown(self, name: str) -> str:
        """Return a value as CONFIG GET shows it."""
        row = _find(name)
        return row.show(self._values[row.name])

    def _unprotected(self, local: bool) -> bool:
        mode = self.string("enable-protected-configs")
        return mode == "yes" or (mode == "local" and local)

    def _parse(self, row: Directive, words: list[str], again: bool) -> Value:
        if not isinstance(row, Merging):
            return row.parse(words)
        return row.merge(words, self.strings(row.name) if again or row.keeps else ())

    def _apply(self, values: dict[str, Value]) -> None:
        """Put values in place and tell the subscribers; put the old ones back if one of them objects."""
        old = {name: self._values[name] for name in values}
        changed = [name for name in values if values[name] != old[name] or BY_NAME[name].volatile]
        self._values.update(values)
        for position, name in enumerate(changed):
            try:
                self._tell(name)
            except ConfigError as error:
                self._values.update(old)
                for told in changed[:position]:
                    with contextlib.suppress(ConfigError):  # what was in use may be gone by now; there is nothing else
                        self._tell(told)
                raise _VetoError(str(error), name) from error
        self._changed.update(values)

    def _tell(self, name: str) -> None:
        for callback in self._subscribers.get(name, ()):
            callback()

    # Config text

    def load(self, source: str, read: Reader | None = None, first_line: int = 1) -> None:
        """Apply config text line by line; raise ConfigFileError for the first wrong line.

        ``read`` returns the texts of included files; ``first_line`` numbers the first line.
        """
        self._load(source, read, first_line, 0)

    def _load(self, source: str, read: Reader | None, first_line: int, depth: int) -> None:
        for number, line, name, words in parse_config(source, first_line):
            try:
                if name == "include" and len(words) == 1:
                    if read is None or depth == MAX_INCLUDE_DEPTH:
                        raise ConfigError("include is not possible here")
                    for included in read(words[0]):
                        self._load(included, read, 1, depth + 1)
                else:
                    self._load_one(name, words)
            except (ConfigFileError, ConfigReadError):
                raise
            except ConfigError as error:
                raise ConfigFileError(str(error), line, _at_line(number)) from error

    def _load_one(self, name: str, words: list[str]) -> None:
        if name in _IGNORED and len(words) == 1:
            return
        if name == "user" and words:
            declared = [word.encode("utf-8", "surrogateescape") for word in words]
            self.check_user(self.users, declared)
            self.users.append(declared)
            return
        if name == "rename-command" and len(words) == 2:
            old, new = (word.encode("utf-8", "surrogateescape") for word in words)
            self.check_rename(old, new)
            self.renames.append((old, new))
            return
        if name == "loadmodule" and words:
            if len(words) > 1 or words[0].endswith(".so"):
                raise ConfigError("loadmodule takes the name or path of one Python module; C modules cannot be loaded")
            self.modules.append(words[0])
            return
        row = BY_NAME.get(name)
        if row is None:
            raise ConfigError(_REFUSED.get(name, BAD_DIRECTIVE) if words else BAD_DIRECTIVE)
        value = self._parse(row, words, row.name in self._loaded)
        self._loaded.add(row.name)
        self._apply({row.name: value})

    def load_environment(self, environment: Mapping[str, str]) -> None:
        """Apply ``KVCORE_PORT=7777`` and the like; raise ConfigFileError for one that names no directive."""
        for variable in sorted(environment):
            if not variable.startswith(ENVIRONMENT_PREFIX):
                continue
            value = environment[variable]
            row = _BY_VARIABLE.get(variable)
            try:
                if row is None:
                    raise ConfigError(BAD_DIRECTIVE)
                self.set(row.name, value)
            except ConfigError as error:
                where = f"Reading the environment variable {variable}"
                raise ConfigFileError(str(error), f"{variable}={value}", where) from error
            self._loaded.add(row.name)


def _believe(_known: object, _declared: object) -> None:
    """Stand in for a check of lines about commands where nobody knows the commands yet."""


class _VetoError(ConfigError):
    """A subscriber refused a change of ``name``."""

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(reason)
        self.name = name


def parse_config(source: str, first_line: int = 1) -> Iterator[Line]:
    """Yield the directives of config text; comments and empty lines are left out. O(n).

    Raises ConfigFileError for unbalanced quotes.
    """
    for number, raw in enumerate(source.split("\n"), first_line):
        line = raw.partition("\0")[0].strip(" \t\r\n")
        if not line or line.startswith("#"):
            continue
        words = split_arguments(line.encode("utf-8", "surrogateescape"))
        if words is None:
            raise ConfigFileError(UNBALANCED, line, _at_line(number))
        if words:
            yield number, line, text(words[0]).lower(), [text(word) for word in words[1:]]


def quote(word: str) -> str:
    """Write a word so that :func:`parse_config` reads it back."""
    quoted = '"'
    for byte in word.encode("utf-8", "surrogateescape"):
        if byte in b'"\\':
            quoted += "\\" + chr(byte)
        elif byte in _ESCAPES:
            quoted += _ESCAPES[byte]
        elif 32 <= byte < 127:
            quoted += chr(byte)
        else:
            quoted += f"\\x{byte:02x}"
    return quoted + '"'


_ESCAPES: Final = {10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b"}

_BY_VARIABLE: Final = {ENVIRONMENT_PREFIX + name.upper().replace("-", "_"): row for name, row in BY_NAME.items()}


def _at_line(number: int) -> str:
    return f"Reading the configuration file, at line {number}"


def _set_failed(name: str, reason: str) -> CommandError:
    return CommandError(f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")


def _find(name: str) -> Directive:
    row = BY_NAME.get(name.lower())
    if row is None:
        close = get_close_matches(name.lower(), BY_NAME, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise ConfigError(f"unknown directive '{name}'{hint}")
    return row


def _words(value: str | bytes | list[str] | list[bytes]) -> list[str]:
    items = [value] if isinstance(value, str | bytes) else value
    return [text(item) if isinstance(item, bytes) else item for item in items]
