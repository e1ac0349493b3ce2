"""Compiled Lua 5.1 chunks: keeping the caller of a tail call on the stack, and telling scripts that must end soon.

What lives here: reading and rewriting compiled code. What must not: running any. The rule: only code that the
compiler of this process has just dumped comes here, never a script's bytes.

`return redis.call(...)` is a tail call: it drops the frame of the script before the called function runs. For functions
in C, which all of redis-server's are, Lua keeps that frame; for ours, in Lua, the error would have no line any more. So
every tail call becomes a call: the compiler always puts a RETURN of all results behind it, and that does the rest.

Most scripts are a few commands and conditions. One without loops, functions of its own, and anything but commands to
call runs no longer than its code is. If that is short, too, nothing has to be got ready for the case that it does not
end. What counts is not the instructions but those whose time depends on their operands, which may be of any size.
"""

from __future__ import annotations

import struct
from typing import Final

_HEADER_BYTES: Final = 12
_OPCODES: Final = bytes(byte & 0x3F for byte in range(256))
"""The opcode in the lowest byte of an instruction."""

_GETGLOBAL: Final = 5
_GETTABLE: Final = 6
_JMP: Final = 22
_TAILCALL: Final = 29
_SELF: Final = 11
_FORLOOP: Final = 31
_TFORLOOP: Final = 33
_CLOSURE: Final = 36
_ENDLESS: Final = bytes([_SELF, _FORLOOP, _TFORLOOP, _CLOSURE])
_WEIGHTY: Final = bytes([*range(12, 19), 21, 24, 25, 28, 29])
"""Arithmetic, `..`, comparisons, calls: each reads the whole of a string, or may do anything."""

_BRIEF_INSTRUCTIONS: Final = 1_000
_BRIEF_WEIGHT: Final = 32
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

    __slots__ = ("_at", "_code", "_done", "_int", "_kept", "_low", "_size", "_size_bytes", "_strip", "brief")

    def __init__(self, chunk: bytes, strip: bool) -> None:
        self._code = bytearray(chunk)
        self._at = _HEADER_BYTES
        order = "<" if chunk[6] else ">"
        self._low = 0 if chunk[6] else 3
        """Where in an instruction its lowest byte is."""
        self._int = struct.Struct(order + "i")
        self._size_bytes = chunk[8]
        self._size = struct.Struct(order + ("Q" if self._size_bytes == 8 else "I"))
        self._strip = strip
        self._kept: list[bytes] = []
        self._done = 0
        """How far the code is in what is kept."""
        self.brief = True

    def rewrite(self) -> bytes:
        self._function()
        return b"".join([*self._kept, self._code[self._done :]])

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
        if self._strip:
            self._kept += [bytes(self._code[self._done : self._at - 4]), bytes(4)]
            self._done = self._at + 4 * lines
        self._at += 4 * lines
        for _ in range(self._take_int()):  # the names of locals, and where they live
            self._skip_string()
            self._at += 8
        for _ in range(self._take_int()):  # the names of upvalues
            self._skip_string()

    def _instructions(self) -> list[int]:
        """Rewrite the code of a function; return the constants that name what it uses, as far as it may be brief."""
        count = self._take_int()
        first, self._at = self._at, self._at + 4 * count
        opcodes = self._code[first + self._low : self._at : 4].translate(_OPCODES)
        found = opcodes.find(_TAILCALL)
        while found >= 0:
            self._code[first + self._low + 4 * found] -= 1  # CALL is the opcode before
            found = opcodes.find(_TAILCALL, found + 1)
        if self.brief:
            self.brief = (
                count <= _BRIEF_INSTRUCTIONS
                and count - len(opcodes.translate(None, _WEIGHTY)) <= _BRIEF_WEIGHT
                and count == len(opcodes.translate(None, _ENDLESS))
            )
        return self._names(first, opcodes) if self.brief else []

    def _names(self, first: int, opcodes: bytearray) -> list[int]:
        wanted: list[int] = []
        for index, opcode in enumerate(opcodes):
            if opcode in (_GETGLOBAL, _GETTABLE, _JMP):
                instruction = self._int.unpack_from(self._code, first + 4 * index)[0] & 0xFFFFFFFF
                key = instruction >> 14 & 0x1FF
                if opcode == _GETGLOBAL:
                    wanted.append(instruction >> 14)
                elif opcode == _JMP:
                    self.brief = self.brief and instruction >> 14 >= _JUMP_BIAS  # else it goes back
                elif key >= _CONSTANT:
                    wanted.append(key - _CONSTANT)
                else:
                    self.brief = False  # a computed key may be any
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


def keep_callers(chunk: bytes, *, strip: bool = False) -> tuple[bytes, bool]:
    """Return a dumped function with its tail calls made plain calls, and whether it must end soon. O(size).

    ``strip`` leaves the lines out: errors then have no position, as with functions in C.
    """
    walker = _Walker(chunk, strip)
    return walker.rewrite(), walker.brief
