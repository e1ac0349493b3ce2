"""A raw RESP client that keeps every reply type apart.

Lives here: the tagged value :class:`Wire`, the parser for RESP2 and RESP3, the conversion of a native reply
to the same tags, and one blocking socket session. Must not live here: any comparison (harness.py) or process
handling (servers.py). The rule: nothing is converted while it is read, so ``+OK`` and ``$2 OK`` stay
different; a test sees native values only through :meth:`Wire.native`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any

from kvcore import replies
from kvcore.errors import CommandError
from tests.waiting import SECONDS

Argument = bytes | str | int | float

AGGREGATES = "*%~>"
PUSH_MESSAGES = {b"invalidate", b"message", b"pmessage", b"smessage"}


class Error(CommandError):
    """An error reply as a value, so that ``isinstance(reply, Error)`` and ``reply.code`` work in a test."""

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class Wire:
    """One reply with its RESP type.

    ``kind`` is the type byte, or ``$-1``, ``*-1`` (RESP2 nulls), ``nothing`` (no reply came in time) or
    ``closed``. ``text`` is what a scalar was sent as, ``items`` what an aggregate holds (a map: key, value,
    ...).
    """

    __slots__ = ("items", "kind", "text")

    def __init__(self, kind: str, text: bytes = b"", items: Sequence[Wire] = ()) -> None:
        self.kind = kind
        self.text = text
        self.items = list(items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wire) and (self.kind, self.text, self.items) == (
            other.kind,
            other.text,
            other.items,
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.text, tuple(self.items)))

    def __repr__(self) -> str:
        """One line, type bytes visible: ``*[$'a', :1]``."""
        if self.kind in AGGREGATES:
            return f"{self.kind}[{', '.join(map(repr, self.items))}]"
        if self.kind in ("$", "=", "!"):
            return f"{self.kind}{self.text!r}"
        if self.kind in ("$-1", "*-1", "_"):
            return f"{self.kind} (null)"
        if self.kind in ("nothing", "closed"):
            return f"({self.kind})"
        return self.kind + self.text.decode("utf-8", "backslashreplace")

    def native(self) -> Any:
        """Convert to the values of :mod:`kvcore.replies`: bytes bulk, str simple, dict map, set, float ..."""
        kind, text = self.kind, self.text
        if kind == "+":
            return text.decode("utf-8", "surrogateescape")
        if kind in ("-", "!"):
            return Error(text.decode("utf-8", "surrogateescape"))
        if kind in ("$", "="):
            return text[4:] if kind == "=" else text
        if kind in (":", "("):
            return int(text)
        if kind == ",":
            return float(text)
        if kind == "#":
            return text == b"t"
        if kind == "%":
            return {_hashable(k.native()): v.native() for k, v in self.pairs()}
        if kind == "~":
            members = [item.native() for item in self.items]
            if any(isinstance(member, dict) for member in members):
                return replies.OrderedSet(members)
            return {_hashable(member) for member in members}
        if kind in ("*", ">"):
            return [item.native() for item in self.items]
        return None

    def pairs(self) -> list[tuple[Wire, Wire]]:
        """Group a map's, or a flat array's, items by two."""
        return list(zip(self.items[0::2], self.items[1::2], strict=True))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


NOTHING = Wire("nothing")
CLOSED = Wire("closed")


def from_native(value: Any) -> Wire:
    """Tag a native reply as RESP3 would send it."""
    if value is None or value is replies.NULL_ARRAY:
        return Wire("_")
    if value is replies.NO_REPLY:
        return NOTHING
    if isinstance(value, BaseException):
        return Wire("-", str(value).encode("utf-8", "surrogateescape"))
    if isinstance(value, bool):
        return Wire("#", b"t" if value else b"f")
    if isinstance(value, int):
        return Wire("(" if isinstance(value, replies.BigNumber) else ":", b"%d" % value)
    if isinstance(value, replies.BigNumberText):
        return Wire("(", bytes(value))
    if isinstance(value, replies.Decimals):
        return Wire(",", f"{value:.17f}".rstrip("0").rstrip(".").encode())  # few digits where the number is small
    if isinstance(value, float):
        return Wire(",", repr(value).encode())
    if isinstance(value, bytes):
        return Wire("$", value)
    if isinstance(value, str):
        return Wire("+", value.encode("utf-8", "surrogateescape"))
    if isinstance(value, replies.Verbatim):
        return Wire("=", value.format.encode() + b":" + value.text)
    if isinstance(value, replies.Attributed):
        return from_native(value.reply)
    if isinstance(value, dict):
        return Wire("%", items=[from_native(part) for pair in value.items() for part in pair])
    if isinstance(value, set | frozenset):
        return Wire("~", items=[from_native(item) for item in value])
    if isinstance(value, list | tuple):
        kind = ">" if isinstance(value, replies.Push) else "~" if isinstance(value, replies.OrderedSet) else "*"
        return Wire(kind, items=[from_native(item) for item in value])
    raise TypeError(f"not a reply value: {value!r} ({type(value).__name__})")


def encode_argument(argument: Argument) -> bytes:
    """Turn one argument into the bytes a client would send."""
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return argument.encode("utf-8", "surrogateescape")
    if isinstance(argument, bool):
        raise TypeError("a bool is no argument: send 0/1, yes/no")
    return repr(argument).encode()


def encode_command(arguments: Iterable[Argument]) -> bytes:
    """Encode a command as an array of bulk strings."""
    parts = [encode_argument(argument) for argument in arguments]
    head = b"*%d\r\n" % len(parts)
    return head + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class _IncompleteError(Exception):
    """The buffer ends inside a reply."""


class Parser:
    """Incremental RESP2/RESP3 reply parser: feed bytes, take replies."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Append what the socket gave."""
        self._buffer += data

    def take(self) -> Wire | None:
        """Return the next whole reply, or None when more bytes are needed."""
        if not self._buffer:
            return None
        try:
            reply, end = self._parse(0)
        except _IncompleteError:
            return None
        self._buffer = self._buffer[end:]
        return reply

    def _line(self, start: int) -> tuple[bytes, int]:
        end = self._buffer.find(b"\r\n", start)
        if end < 0:
            raise _IncompleteError
        return self._buffer[start:end], end + 2

    def _parse(self, start: int) -> tuple[Wire, int]:
        line, position = self._line(start)
        kind, rest = chr(line[0]) if line else "", line[1:]
        if kind and kind in "+-:,#(_":
            return Wire(kind, rest), position
        if kind and kind in "$=!":
            if rest == b"-1":
                return Wire("$-1"), position
            end = position + int(rest)
            if len(self._buffer) < end + 2:
                raise _IncompleteError
            if self._buffer[end : end + 2] != b"\r\n":
                raise ValueError(f"a bulk string of {int(rest)} bytes has no CRLF behind it")
            return Wire(kind, self._buffer[position:end]), end + 2
        if kind == "|":  # attributes go in front of the reply they describe; no command of 7.0 but DEBUG sends any
            _, position = self._items(position, 2 * int(rest))
            return self._parse(position)
        if kind and kind in AGGREGATES:
            if rest == b"-1":
                return Wire("*-1"), position
            items, position = self._items(position, int(rest) * (2 if kind == "%" else 1))
            return Wire(kind, items=items), position
        raise ValueError(f"not RESP: {line[:60]!r}")

    def _items(self, position: int, count: int) -> tuple[list[Wire], int]:
        items = []
        for _ in range(count):
            item, position = self._parse(position)
            items.append(item)
        return items, position


class WireSession:
    """One blocking connection: send commands or raw bytes, read replies; pushes of RESP3 are kept aside."""

    def __init__(self, host: str, port: int, name: str, protocol: int = 2) -> None:
        self.name = name
        self.protocol = 2
        self.pushes: list[Wire] = []
        self._parser = Parser()
        self._closed = False
        self._socket = socket.create_connection((host, port), timeout=5)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if protocol == 3:
            self.send(("HELLO", "3"))
            answer = self.read()
            if answer.kind != "%":
                raise AssertionError(f"{name}: HELLO 3 answered {answer!r}")
            self.protocol = 3

    @property
    def raw(self) -> socket.socket:
        """The socket itself, for tests that mistreat it."""
        return self._socket

    def send(self, arguments: Iterable[Argument]) -> None:
        """Send one command and wait for nothing."""
        self.send_raw(encode_command(arguments))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are: inline commands, pipelines, broken requests."""
        try:
            self._socket.sendall(data)
        except OSError:
            self._closed = True

    def read(self, timeout: float = SECONDS) -> Wire:
        """Return the next reply; ``NOTHING`` after ``timeout`` seconds, ``CLOSED`` when the server hung up.

        RESP3 pushes that carry messages land in ``pushes`` instead; confirmations of SUBSCRIBE are replies.
        """
        while True:
            reply = self.read_any(timeout)
            if reply.kind == ">" and reply.items[0].text in PUSH_MESSAGES:
                self.pushes.append(reply)
                continue
            return reply

    def read_push(self, timeout: float = SECONDS) -> Wire:
        """Return the oldest push kept aside, else the next thing that arrives."""
        return self.pushes.pop(0) if self.pushes else self.read_any(timeout)

    def read_any(self, timeout: float) -> Wire:
        """Return whatever the server sends next, pushes included."""
        deadline = time.monotonic() + timeout
        while True:
            reply = self._parser.take()
            if reply is not None:
                return reply
            left = deadline - time.monotonic()
            if self._closed:
                return CLOSED
            if left <= 0:
                return NOTHING
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                return NOTHING
            except ConnectionError:
                data = b""
            if not data:
                self._closed = True
            self._parser.feed(data)

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        self._socket.close()
