"""Integers of any width at any bit of a string, and what happens to those that do not fit.

Lives here: the arithmetic and the placing of BITFIELD's integers. Must not live here: its words, keys and replies.
Bit 0 is the most significant one of byte 0, and an integer's first bit is its most significant one. The rule: what the
real server computes in 64 bits is computed here in exact integers; where its 64 bits run over, the difference is
spelled out.
"""

from __future__ import annotations

from typing import Final

WRAP: Final = 0
SATURATE: Final = 1
FAIL: Final = 2

_INT64_MAX: Final = 2**63 - 1
_UINT64_MASK: Final = 2**64 - 1


def fetch(value: bytes | bytearray, offset: int, bits: int, signed: bool) -> int:
    """Return the integer of ``bits`` bits at bit ``offset``; what lies behind the string is zeros. O(1)."""
    start, end = offset >> 3, offset + bits + 7 >> 3
    window = int.from_bytes(value[start:end].ljust(end - start, b"\0"), "big")
    number = window >> (end << 3) - offset - bits & (1 << bits) - 1
    return number - (1 << bits) if signed and number >> bits - 1 else number


def place(buffer: bytearray, offset: int, bits: int, number: int) -> None:
    """Write the low ``bits`` bits of ``number`` at bit ``offset``, all inside the buffer. O(1)."""
    start, end = offset >> 3, offset + bits + 7 >> 3
    shift = (end << 3) - offset - bits
    mask = (1 << bits) - 1
    window = int.from_bytes(buffer[start:end], "big") & ~(mask << shift) | (number & mask) << shift
    buffer[start:end] = window.to_bytes(end - start, "big")


def fit(number: int, bits: int, signed: bool, policy: int) -> int | None:
    """Return ``number`` as it is if it fits ``bits`` bits, else what ``policy`` makes of it: None for FAIL."""
    low = -1 << bits - 1 if signed else 0
    high = low + (1 << bits) - 1
    if low <= number <= high:
        return number
    if policy == FAIL:
        return None
    if policy == SATURATE:
        return high if number > high else low
    number &= (1 << bits) - 1
    return number - (1 << bits) if signed and number >> bits - 1 else number


def fit_assigned(number: int, bits: int, signed: bool, policy: int) -> int | None:
    """Do as :func:`fit` for a 64-bit integer that SET assigns, with the real server's idea of which side is near.

    A negative one is a huge unsigned one, and one so low that its distance to the largest that fits takes more than
    64 bits counts as too high: both saturate at the top.
    """
    if not signed:
        number &= _UINT64_MASK
    elif policy == SATURATE and bits < 64 and number < (1 << bits - 1) - 1 - _INT64_MAX:
        number = _INT64_MAX
    return fit(number, bits, signed, policy)
