"""The kinds of directive: how a value is read, checked and shown.

Here: one class a kind, pure. Not here: which directives there are (:mod:`kvcore.directives`) and their values in use
(:mod:`kvcore.config`). A kind knows no directive by name; what is special about one is an argument of its row.
The reasons for refusing a value are the real server's words (7.0.15), because clients and scripts read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, Final

from kvcore.errors import ConfigError

Value = bool | int | str | tuple[str, ...]
"""A directive's value in use; several words are a tuple, byte counts and percentages are integers."""

INT: Final = 2**31 - 1
UNSIGNED: Final = 2**32 - 1
LONG: Final = 2**63 - 1
HUGE: Final = 2**64 - 1
MB: Final = 1024 * 1024

WRONG_NUMBER: Final = "wrong number of arguments"
NOT_AN_INTEGER: Final = "argument couldn't be parsed into an integer"

_INTEGER: Final = re.compile(r"-?[1-9][0-9]{0,18}|0")
_MEMORY: Final = re.compile(r"([0-9]*)([a-zA-Z]*)")
_PERCENT: Final = re.compile(r"(0|[1-9][0-9]{0,18})%")
_OCTAL: Final = re.compile(r"(-?)([0-7]*)")
_UNITS: Final = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1024,
    "m": 1000**2,
    "mb": MB,
    "g": 1000**3,
    "gb": 1024**3,
}


def read_integer(text: str) -> int | None:
    """Read a decimal integer the way the real server does: no plus, no leading zero, 64 bits."""
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -LONG - 1 <= number <= LONG else None


def read_memory(text: str) -> int | None:
    """Read a byte count with a unit (1k = 1000, 1kb = 1024). As the real server: no digits are 0, 64 bits wrap."""
    found = _MEMORY.fullmatch(text)
    if found is None:
        return None
    unit = _UNITS.get(found[2].lower())
    if unit is None or len(found[1]) > 127:
        return None
    return min(int(found[1] or "0"), HUGE) * unit & HUGE


def between(low: int, high: int) -> str:
    """Return the reason for a number outside its limits."""
    return f"argument must be between {low} and {high} inclusive"


def one_of(names: tuple[str, ...]) -> str:
    """Return the reason for a word that is no member of an enumeration."""
    return f"argument(s) must be one of the following: {', '.join(names)}"


class Directive:
    """One row of the table. Subclasses say how a value is read and shown."""

    __slots__ = ("aliases", "default", "hidden", "immutable", "name", "own", "protected", "status", "volatile")

    def __init__(
        self,
        name: str,
        default: Value,
        status: str = "",
        *,
        aliases: tuple[str, ...] = (),
        immutable: bool = False,
        hidden: bool = False,
        protected: bool = False,
        own: bool = False,
    ) -> None:
        self.name = name
        self.default = default
        self.status = status
        self.aliases = aliases
        """Older names for the same value; CONFIG GET answers under the name asked for."""
        self.immutable = immutable
        """Settable at start only."""
        self.hidden = hidden
        """Left out of CONFIG GET patterns; its exact name answers."""
        self.protected = protected
        """CONFIG SET needs ``enable-protected-configs``."""
        self.own = own
        """redis-server 7.0.15 has no such directive, or another default."""
        self.volatile = False
        """Names a file: setting the same name again is a change, because the file may be another."""

    @property
    def implemented(self) -> bool:
        """Tell whether the directive does what it says."""
        return not self.status

    def parse(self, words: list[str]) -> Value:
        """Return the value ``words`` stand for; raise ConfigError with the real server's reason."""
        if len(words) != 1:
            raise ConfigError(WRONG_NUMBER)
        return self.read(words[0])

    def read(self, text: str) -> Value:
        """Return the value of a single word."""
        return text

    def show(self, value: Value) -> str:
        """Return a value as CONFIG GET shows it."""
        return " ".join(value) if isinstance(value, tuple) else str(value)

    def allowed(self) -> str:
        """Describe the values allowed, for people."""
        return "text"


class Flag(Directive):
    """``yes`` or ``no``; ``refusal`` is why ``yes`` is not possible, if it is not."""

    __slots__ = ("refusal",)

    def __init__(
        self,
        name: str,
        default: bool,
        status: str = "",
        *,
        aliases: tuple[str, ...] = (),
        immutable: bool = False,
        hidden: bool = False,
        own: bool = False,
        refusal: str = "",
    ) -> None:
        super().__init__(name, default, status, aliases=aliases, immutable=immutable, hidden=hidden, own=own)
        self.refusal = refusal

    def read(self, text: str) -> Value:
        """Read yes or no in any case."""
        word = text.lower()
        if word not in ("yes", "no"):
            raise ConfigError("argument must be 'yes' or 'no'")
        if word == "yes" and self.refusal:
            raise ConfigError(self.refusal)
        return word == "yes"

    def show(self, value: Value) -> str:
        """Return yes or no."""
        return "yes" if value else "no"

    def allowed(self) -> str:
        """Describe the values allowed."""
        return "`no`" if self.refusal else "`yes`, `no`"


class Integer(Directive):
    """A decimal integer within limits; ``clamp`` are limits a value is silently moved into."""

    __slots__ = ("clamp", "high", "low")

    def __init__(
        self,
        name: str,
        default: int,
        low: int,
        high: int,
        status: str = "",
        *,
        aliases: tuple[str, ...] = (),
        immutable: bool = False,
        hidden: bool = False,
        own: bool = False,
        clamp: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(name, default, status, aliases=aliases, immutable=immutable, hidden=hidden, own=own)
        self.low = low
        self.high = high
        self.clamp = clamp

    def read(self, text: str) -> Value:
        """Read an integer."""
        return self.limited(read_integer(text), NOT_AN_INTEGER)

    def limited(self, number: int | None, reason: str) -> int:
        """Check the limits; ``reason`` is given when there is no number at all."""
        if number is None:
            raise ConfigError(reason)
        if not self.low <= number <= self.high:
            raise ConfigError(between(self.low, self.high))
        if self.clamp is not None:
            return max(self.clamp[0], min(number, self.clamp[1]))
        return number

    def allowed(self) -> str:
        """Describe the values allowed."""
        low, high = self.clamp or (self.low, self.high)
        names = {INT: "2^31-1", UNSIGNED: "2^32-1", LONG: "2^63-1", HUGE: "2^64-1", -INT - 1: "-2^31"}
        return f"{names.get(low, str(low))} .. {names.get(high, str(high))}"


class Memory(Integer):
    """A byte count: digits and an optional unit."""

    __slots__ = ()

    def read(self, text: str) -> Value:
        """Read a byte count."""
        return self.limited(read_memory(text), "argument must be a memory value")

    def allowed(self) -> str:
        """Describe the values allowed."""
        return f"bytes, {super().allowed()}"


class MemoryOrPercent(Memory):
    """A byte count, or a percentage of `maxmemory` kept as a negative number."""

    __slots__ = ()

    def read(self, text: str) -> Value:
        """Read a byte count or a percentage."""
        percent = _PERCENT.fullmatch(text)
        if percent is None:
            return self.limited(read_memory(text), "argument must be a memory or percent value")
        if int(percent[1]) > 100:
            raise ConfigError("percentage argument must be less or equal to 100")
        return -int(percent[1])

    def show(self, value: Value) -> str:
        """Return bytes, or the percentage with its sign."""
        return f"{-value}%" if isinstance(value, int) and value < 0 else str(value)

    def allowed(self) -> str:
        """Describe the values allowed."""
        return "bytes, or 0% .. 100%"


class Octal(Integer):
    """File permissions."""

    __slots__ = ()

    def read(self, text: str) -> Value:
        """Read an octal number; nothing at all is 0."""
        found = _OCTAL.fullmatch(text)
        if found is None:
            raise ConfigError("argument couldn't be parsed as an octal number")
        number = int(found[2] or "0", 8)
        if number > self.high or (found[1] and number):
            raise ConfigError(f"argument must be between {self.low:o} and {self.high:o} inclusive")
        return number

    def show(self, value: Value) -> str:
        """Return octal digits."""
        return f"{value:o}" if isinstance(value, int) else str(value)

    def allowed(self) -> str:
        """Describe the values allowed."""
        return "octal, 0 .. 777"


class Choice(Directive):
    """One word of a fixed list, in any case."""

    __slots__ = ("names",)

    def __init__(
        self,
        name: str,
        default: str,
        names: tuple[str, ...],
        status: str = "",
        *,
        immutable: bool = False,
        own: bool = False,
    ) -> None:
        super().__init__(name, default, status, immutable=immutable, own=own)
        self.names = names

    def read(self, text: str) -> Value:
        """Read one of the names."""
        word = text.lower()
        if word not in self.names:
            raise ConfigError(one_of(self.names))
        return word

    def allowed(self) -> str:
        """Describe the values allowed."""
        return ", ".join(f"`{name}`" for name in self.names)


class Text(Directive):
    """Any single word; ``check`` returns why a word is not allowed, or nothing."""

    __slots__ = ("check",)

    def __init__(
        self,
        name: str,
        default: str = "",
        status: str = "",
        *,
        aliases: tuple[str, ...] = (),
        immutable: bool = False,
        protected: bool = False,
        own: bool = False,
        volatile: bool = False,
        check: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(name, default, status, aliases=aliases, immutable=immutable, protected=protected, own=own)
        self.check = check
        self.volatile = volatile

    def read(self, text: str) -> Value:
        """Check the word and keep it."""
        reason = self.check(text) if self.check is not None else ""
        if reason:
            raise ConfigError(reason)
        return text


class Events(Directive):
    """Classes of keyspace events, shown in the real server's order."""

    __slots__ = ()

    _EACH: Final = "g$lshzxetd"
    _REST: Final = "KEmn"

    def read(self, text: str) -> Value:
        """Read class letters; ``A`` is all of the data classes."""
        if not set(text) <= set(self._EACH + self._REST + "A"):
            raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        wanted = set(text) | (set(self._EACH) if "A" in text else set())
        if set(self._EACH) <= wanted:
            classes = "A" + ("n" if "n" in wanted else "")
        else:
            classes = "".join(letter for letter in self._EACH + "n" if letter in wanted)
        return classes + "".join(letter for letter in "KEm" if letter in wanted)

    def show(self, value: Value) -> str:
        """Return the letters; the real server leaves ``n`` out beside ``A``."""
        return str(value).replace("An", "A")

    def allowed(self) -> str:
        """Describe the values allowed."""
        return "letters of `Ag$lshzxeKEtmdn`"


class Words(Directive):
    """Several words; ``check`` returns why they are not allowed, or nothing."""

    __slots__ = ("check",)

    def __init__(
        self,
        name: str,
        default: tuple[str, ...] = (),
        status: str = "",
        *,
        aliases: tuple[str, ...] = (),
        immutable: bool = False,
        own: bool = False,
        check: Callable[[list[str]], str] | None = None,
    ) -> None:
        super().__init__(name, default, status, aliases=aliases, immutable=immutable, own=own)
        self.check = check

    def parse(self, words: list[str]) -> Value:
        """Take several words, or one that holds several between single spaces."""
        if len(words) == 1:
            words = words[0].split(" ") if words[0] else []
        reason = self.check(words) if self.check is not None else ""
        if reason:
            raise ConfigError(reason)
        return self.combine(words)

    def combine(self, words: list[str]) -> Value:
        """Return the new value."""
        return tuple(words)

    def allowed(self) -> str:
        """Describe the values allowed."""
        return "words"


class Merging(Words):
    """Several words that may add to the value in use. ``base`` is what they add to, empty for a fresh value."""

    __slots__ = ()

    keeps: ClassVar[bool] = False
    """Whether a change always adds to the value in use."""

    def merge(self, words: list[str], base: tuple[str, ...]) -> Value:
        """Return ``base`` and what ``words`` add to it."""
        read = self.parse(words)
        assert isinstance(read, tuple)
        return base + read


class Save(Merging):
    """Pairs of seconds and changes. In a config file every line adds, the first one drops the default first."""

    __slots__ = ()

    def merge(self, words: list[str], base: tuple[str, ...]) -> Value:
        """Read pairs; one empty word means no save points."""
        return () if words == [""] else super().merge(words, base)

    def combine(self, words: list[str]) -> Value:
        """Check the pairs."""
        if len(words) % 2:
            raise ConfigError("Invalid save parameters")
        for position, word in enumerate(words):
            number = read_integer(word)
            if number is None or not (position % 2 == 0) <= number <= INT:
                raise ConfigError("Invalid save parameters")
        return tuple(words)

    def allowed(self) -> str:
        """Describe the values allowed."""
        return 'pairs of seconds and changes, or `""`'


class OutputLimits(Merging):
    """Hard limit, soft limit and soft seconds of each client class; classes not named keep theirs."""

    __slots__ = ()

    keeps: ClassVar[bool] = True
    CLASSES: Final = ("normal", "slave", "pubsub")

    def merge(self, words: list[str], base: tuple[str, ...]) -> Value:
        """Change the classes that ``words`` name."""
        read = self.parse(words)
        assert isinstance(read, tuple)
        limits = list(base)
        for start in range(0, len(read), 4):
            at = self.CLASSES.index(read[start]) * 4
            limits[at : at + 4] = read[start : start + 4]
        return tuple(limits)

    def combine(self, words: list[str]) -> Value:
        """Read groups of four words."""
        if len(words) % 4:
            raise ConfigError("Wrong number of arguments in buffer limit configuration.")
        groups: list[str] = []
        for start in range(0, len(words), 4):
            kind = words[start].lower()
            kind = "slave" if kind == "replica" else kind
            if kind not in self.CLASSES:
                raise ConfigError("Invalid client class specified in buffer limit configuration.")
            hard, soft = read_memory(words[start + 1]), read_memory(words[start + 2])
            seconds = words[start + 3]
            if hard is None or soft is None or not re.fullmatch("[0-9]+", seconds):
                raise ConfigError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            groups += [kind, str(hard), str(soft), str(int(seconds))]
        return tuple(groups)

    def allowed(self) -> str:
        """Describe the values allowed."""
        return "class, hard bytes, soft bytes, seconds; several"


class Choices(Words):
    """Any of a fixed list of words; the first one stands for none of the others."""

    __slots__ = ("names",)

    def __init__(self, name: str, names: tuple[str, ...], status: str = "") -> None:
        super().__init__(name, (names[0],), status)
        self.names = names

    def combine(self, words: list[str]) -> Value:
        """Put the words in the table's order."""
        chosen = {word.lower() for word in words}
        if not chosen or not chosen <= set(self.names):
            raise ConfigError(one_of(self.names))
        if {"save", "nosave"} <= chosen:
            raise ConfigError("shutdown options SAVE and NOSAVE can't be used simultaneously")
        return tuple(name for name in self.names[1:] if name in chosen) or (self.names[0],)

    def allowed(self) -> str:
        """Describe the values allowed."""
        return ", ".join(f"`{name}`" for name in self.names)


class Percentiles(Words):
    """Numbers from 0 to 100."""

    __slots__ = ()

    def combine(self, words: list[str]) -> Value:
        """Read the numbers and show them as the real server prints them."""
        shown = []
        for word in words:
            try:
                number = float(word)
            except ValueError as error:
                raise ConfigError(f"Invalid {self.name} parameters") from error
            if not 0.0 <= number <= 100.0:
                raise ConfigError(f"{self.name} parameters should sit between [0.0,100.0]")
            shown.append(f"{number:f}".rstrip("0").rstrip("."))
        return tuple(shown)


class Primary(Words):
    """Host and port of the primary, also as one word with a space; ``no one`` for none."""

    __slots__ = ()

    def parse(self, words: list[str]) -> Value:
        """Read host and port."""
        words = words[0].split() if len(words) == 1 else words
        if len(words) != 2:
            raise ConfigError(WRONG_NUMBER)
        if [word.lower() for word in words] == ["no", "one"]:
            return ()
        port = read_integer(words[1])
        if port is None or not 0 <= port <= 65535:
            raise ConfigError("Invalid master port")
        return tuple(words)

    def allowed(self) -> str:
        """Describe the values allowed."""
        return "host and port, or `no one`"
