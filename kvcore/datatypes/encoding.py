"""How the real server would hold a string value: what OBJECT ENCODING answers for it.

Only the name lives here; the number formats behind it are in :mod:`kvcore.datatypes.numbers`. The rule: a
string is ``bytes`` until a command changes it in place (APPEND, SETRANGE, SETBIT), and a ``bytearray`` ever
after.
"""

from __future__ import annotations

from typing import Final

from kvcore.datatypes.numbers import parse_int

EMBSTR_MAX: Final = 44
"""Bytes of a string that the real server allocates together with its header."""


def string_encoding(value: bytes | bytearray) -> str:
    """Return ``int``, ``embstr`` or ``raw``. O(1)."""
    if type(value) is bytearray or len(value) > EMBSTR_MAX:
        return "raw"
    return "embstr" if parse_int(value) is None else "int"
