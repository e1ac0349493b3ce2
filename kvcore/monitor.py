"""MONITOR lines: every command, as it ran, to the sessions that asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kvcore.errors import text

if TYPE_CHECKING:
    from kvcore.session import Session

_ESCAPES = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x07: "\\a", 0x08: "\\b"}
_QUOTED = [_ESCAPES.get(byte, chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in range(256)]


class Listener(Protocol):
    """Hears of commands as a session in MONITOR mode does, but as they are and not as lines."""

    def heard(self, session: Session, argv: list[bytes]) -> None:
        """Take note of a command that ran; called under the engine lock, ``argv`` is the command's own."""
        ...


def quote(argument: bytes) -> str:
    """Return ``argument`` between double quotes, unprintable bytes escaped as redis-cli reads them."""
    if argument.isalnum() and argument.isascii():
        return f'"{text(argument)}"'
    return '"' + "".join([_QUOTED[byte] for byte in argument]) + '"'


def format_line(now_us: int, db: int, address: str, argv: list[bytes]) -> str:
    """Return one MONITOR line for a command that ran at ``now_us`` microseconds since the Unix epoch."""
    words = " ".join(map(quote, argv))
    return f"{now_us // 1_000_000}.{now_us % 1_000_000:06d} [{db} {address}] {words}"
