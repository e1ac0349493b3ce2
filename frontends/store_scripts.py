"""Scripts to call like functions, and lists of bit-field operations; named and shaped as redis-py's.

The rule: they know a client's methods only, so that they serve stores, asynchronous stores and pipelines alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol, Self

from kvcore.arguments import Argument
from kvcore.frontends.store_base import Convert, Key, Value, same
from kvcore.replies import Reply


class Caller(Protocol):
    """Who runs commands: a store, an asynchronous one, a pipeline."""

    def _call(self, convert: Convert[Reply], *arguments: Argument) -> Reply: ...


class Script:
    """A Lua script; make one with ``register_script()``. Its text goes with each call, so it need not be loaded."""

    __slots__ = ("_caller", "script", "sha")

    def __init__(self, caller: Caller, script: str | bytes) -> None:
        self._caller = caller
        self.script = script if isinstance(script, bytes) else script.encode()
        self.sha = hashlib.sha1(self.script, usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[Key] = (), args: Sequence[Value] = (), client: Caller | None = None) -> Reply:
        """Run the script, by ``client`` if given (a pipeline, say); an asynchronous store's is awaited."""
        caller = self._caller if client is None else client
        return caller._call(same, b"EVAL", self.script, len(keys), *keys, *args)


class BitField:
    """Operations on integers of any width in a string, such as ``u8`` or ``i16``; run by :meth:`execute`."""

    __slots__ = ("_caller", "_key", "_overflow", "_words")

    def __init__(self, caller: Caller, key: Key, default_overflow: str | None = None) -> None:
        self._caller = caller
        self._key = key
        self._words: list[Value] = []
        self._overflow = "WRAP"
        if default_overflow is not None:
            self.overflow(default_overflow)

    def overflow(self, overflow: str) -> Self:
        """Let the operations that follow ``WRAP`` around, saturate (``SAT``) or ``FAIL``."""
        if overflow.upper() != self._overflow:
            self._overflow = overflow.upper()
            self._words += (b"OVERFLOW", self._overflow)
        return self

    def get(self, fmt: str, offset: Value) -> Self:
        """Read an integer; an offset ``"#2"`` counts in its width."""
        self._words += (b"GET", fmt, offset)
        return self

    def set(self, fmt: str, offset: Value, value: int) -> Self:
        """Write an integer; the result is what was there."""
        self._words += (b"SET", fmt, offset, value)
        return self

    def incrby(self, fmt: str, offset: Value, increment: int, overflow: str | None = None) -> Self:
        """Add to an integer; the result is the sum, None where it overflows and that is to fail."""
        if overflow is not None:
            self.overflow(overflow)
        self._words += (b"INCRBY", fmt, offset, increment)
        return self

    def execute(self) -> Reply:
        """Run the operations and return their results; an asynchronous store's are awaited."""
        words, self._words = self._words, []
        return self._caller._call(same, b"BITFIELD", self._key, *words)
