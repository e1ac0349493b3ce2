"""Inline commands: the line a person types into telnet, split into arguments.

The quoting rules live here, and are those of the real server's configuration files and ``redis-cli``, too.
Nothing about connections, buffers or limits lives here: a line goes in, its arguments come out, and no state
stays behind.
"""

from __future__ import annotations

from typing import Final

_BLANK: Final = b" \t\n\v\f\r"
"""What separates arguments and may follow a closing quote."""

_ENDS_BARE: Final = b" \t\n\r"
"""What ends an unquoted argument. Vertical tab and form feed do not, though they are skipped between
arguments.
"""

_HEX: Final = b"0123456789abcdefABCDEF"
_ESCAPES: Final = {0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09, 0x62: 0x08, 0x61: 0x07}
"""``\\n \\r \\t \\b \\a``; any other escaped byte stands for itself."""

_DOUBLE: Final = 0x22
_SINGLE: Final = 0x27
_BACKSLASH: Final = 0x5C
_X: Final = 0x78


def split_arguments(line: bytes) -> list[bytes] | None:
    """Split a line without NUL bytes into arguments.

    Double quotes take ``\\xhh`` and the C escapes, single quotes only ``\\'``; a quote may open inside a bare
    word. Return None when a quote is not closed, or is closed in the middle of a word. O(n).
    """
    if b'"' not in line and b"'" not in line and b"\v" not in line and b"\f" not in line:
        return line.split()
    arguments: list[bytes] = []
    position = 0
    size = len(line)
    while True:
        while position < size and line[position] in _BLANK:
            position += 1
        if position == size:
            return arguments
        word = bytearray()
        position = _read_word(line, position, word)
        if position < 0:
            return None
        arguments.append(bytes(word))


def _read_word(line: bytes, position: int, word: bytearray) -> int:
    """Append one argument to ``word``; return the position after it, -1 for unbalanced quotes."""
    size = len(line)
    while position < size:
        byte = line[position]
        if byte in (_DOUBLE, _SINGLE):
            position = (
                _read_double(line, position + 1, word) if byte == _DOUBLE else _read_single(line, position + 1, word)
            )
            if position < 0 or (position < size and line[position] not in _BLANK):
                return -1
            return position
        if byte in _ENDS_BARE:
            return position
        word.append(byte)
        position += 1
    return position


def _read_double(line: bytes, position: int, word: bytearray) -> int:
    """Read up to and over the closing double quote; -1 if there is none."""
    size = len(line)
    while position < size:
        byte = line[position]
        if byte == _DOUBLE:
            return position + 1
        if byte == _BACKSLASH and position + 1 < size:
            escaped = line[position + 1]
            digits = line[position + 2 : position + 4]
            if escaped == _X and len(digits) == 2 and digits[0] in _HEX and digits[1] in _HEX:
                word.append(int(digits, 16))
                position += 4
            else:
                word.append(_ESCAPES.get(escaped, escaped))
                position += 2
        else:
            word.append(byte)
            position += 1
    return -1


def _read_single(line: bytes, position: int, word: bytearray) -> int:
    """Read up to and over the closing single quote; -1 if there is none."""
    size = len(line)
    while position < size:
        byte = line[position]
        if byte == _SINGLE:
            return position + 1
        if byte == _BACKSLASH and position + 1 < size and line[position + 1] == _SINGLE:
            word.append(_SINGLE)
            position += 2
        else:
            word.append(byte)
            position += 1
    return -1
