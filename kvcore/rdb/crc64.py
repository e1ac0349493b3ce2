"""The checksum of RDB files and DUMP payloads: the Jones polynomial, reflected, starting at zero.

Here: one function, by anycrc where that is installed, by a table otherwise. Not here: where a checksum stands in a
file. The rule: both ways give the same number for the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_POLYNOMIAL: Final = 0x95AC9329AC4BC9B5  # bits reversed, for shifting right


def _make_table() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ _POLYNOMIAL if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE: Final = _make_table()


def table_crc64(data: bytes, crc: int = 0) -> int:
    """Return what :func:`crc64` does, without help from outside. O(bytes), and a hundred times slower."""
    table = _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def _find() -> Callable[[bytes, int], int]:
    try:
        from anycrc import Model
    except ImportError:
        return table_crc64
    calculate: Callable[[bytes, int], int] = Model("CRC64-REDIS").calc
    return calculate


_calculate: Final = _find()


def crc64(data: bytes, crc: int = 0) -> int:
    """Return the CRC-64 of ``data``; ``crc`` is that of the bytes before it. O(bytes)."""
    return _calculate(data, crc)
