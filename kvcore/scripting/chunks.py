"""Compiled Lua 5.1 chunks: keeping the caller of a tail call on the stack, and telling scripts that must end soon.

What lives here: reading and rewriting compiled code. What must not: running any. The rule: only code that the
compiler of this process has just dumped comes here, never a script's bytes.

`return redis.call(...)` is a tail call: it drops the frame of the script before the called function runs. For functions
in C, which all of redis-server's are, Lua keeps that frame; for ours, in Lua, the error would have no line any more. So
every tail call becomes a call: the compiler always puts a RETURN of all results behind it, and that does the rest.

Most scripts are a few commands and conditions. One without loops, functions of its own, and anything but commands to
call runs no longer than its code is, so that nothing has to be got ready for the case that it does.
"""

from __future__ import annotations

import struct
from typing import Final

_HEADER_BYTES: Final = 12
_OPCODE_BITS: Final = 0x3F
_GETGLOBAL: Final = 5
_GETTABLE: Final = 6
_SELF: Final = 11
_JMP: Final = 22
_CALL: Final = 28
_TAILCALL: Final = 29
_FORLOOP: Final = 31
_TFORLOOP: Final = 33
_CLOSURE: Final = 36
_ENDLESS: Final = frozenset({_SELF, _FORLOOP, _TFORLOOP, _CLOSURE})
_CONSTANT: Final = 256
"""Operands from here on number constants, those below registers."""

_JUMP_BIAS: Final = 131071

_BRIEF_NAMES: Final = frozenset(
    {b"KEYS", b"ARGV", b"redis", b"server", b"keydb", b"tonumber", b"tostring", b"type", b"unpack"}
    | {b"call", b"pcall", b"error_reply", b"status_reply", b"sha1hex", b"ok", b"err"}
)
"""Globals and fields that lead to nothing which calls back, such as `string.gsub` would."""
_NUMBER_BYTES: Final = 8


class _Walker:
    """Goes through a dump in place, function by function."""

    __slots__ = ("_at", "_code", "_int", "_size", "_size_bytes", "brief")

    def __init__(self, chunk: bytes) -> None:
        self._code = bytearray(chunk)
        self._at = _HEADER_BYTES
        order = "<" if chunk[6] else ">"
        self._int = struct.Struct(order + "i")
        self._size_bytes = chunk[8]
        self._size = struct.Struct(order + ("Q" if self._size_bytes == 8 else "I"))
        self.brief = True

    def rewrite(self) -> bytes:
        self._function()
        return bytes(self._code)

    def _take_int(self) -> int:
        value: int = self._int.unpack_from(self._code, self._at)[0]
        self._at += 4
        return value

    def _skip_string(self) -> None:
        self._at += self._size_bytes + int(self._size.unpack_from(self._code, self._at)[0])

    def _function(self) -> None:
        self._skip_string()
        self._at += 2 * 4 + 4  # the lines it spans; upvalues, parameters, varargs, stack
        wanted = self._instructions()
        names = [self._constant() for _ in range(self._take_int())]
        if self.brief:
            self.brief = all(names[index] in _BRIEF_NAMES or names[index] == b"" for index in wanted)
        for _ in range(self._take_int()):
            self._function()
        lines = self._take_int()  # one for each instruction
        self._at += 4 * lines
        for _ in range(self._take_int()):  # the names of locals, and where they live
            self._skip_string()
            self._at += 8
        for _ in range(self._take_int()):  # the names of upvalues
            self._skip_string()

    def _instructions(self) -> list[int]:
        """Rewrite the code of a function; return the constants that name what it uses."""
        wanted: list[int] = []
        for _ in range(self._take_int()):
            instruction = self._int.unpack_from(self._code, self._at)[0] & 0xFFFFFFFF
            opcode = instruction & _OPCODE_BITS
            if opcode == _TAILCALL:
                self._int.pack_into(self._code, self._at, _signed(instruction & ~_OPCODE_BITS | _CALL))
            elif opcode == _GETGLOBAL:
                wanted.append(instruction >> 14)
            elif opcode == _GETTABLE:
                key = instruction >> 14 & 0x1FF
                if key >= _CONSTANT:
                    wanted.append(key - _CONSTANT)
                else:
                    self.brief = False  # a computed key may be any
            elif opcode in _ENDLESS or (opcode == _JMP and instruction >> 14 < _JUMP_BIAS):
                self.brief = False
            self._at += 4
        return wanted

    def _constant(self) -> bytes:
        """Pass a constant; return it if it is text, b"" for any other."""
        kind = self._code[self._at]
        self._at += 1
        if kind == 1:
            self._at += 1
        elif kind == 3:
            self._at += _NUMBER_BYTES
        elif kind == 4:
            first = self._at + self._size_bytes
            self._skip_string()
            return bytes(self._code[first : self._at - 1]) or b"\0"
        return b""


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word


def keep_callers(chunk: bytes) -> tuple[bytes, bool]:
    """Return a dumped function with its tail calls made plain calls, and whether it must end soon. O(size)."""
    walker = _Walker(chunk)
    return walker.rewrite(), walker.brief
