"""What redis-py's parsers would have made of a reply: native values in, redis-py's values out, no RESP between.

What lives here: the difference between kvcore's replies (:mod:`kvcore.replies`) and what redis-py's RESP2 and RESP3
parsers return, and its exceptions. What must not: connections, waiting, what a command's reply means (redis-py's
response callbacks say that). The rule: encoding a reply with :mod:`kvcore.resp.encoder` and parsing those bytes with
redis-py gives the same; the tests do that.
"""

# redis-py is typed in part
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import redis
from redis._parsers import BaseParser, Encoder
from redis.client import EMPTY_RESPONSE

from kvcore.errors import CommandError, ProtocolError
from kvcore.replies import (
    NULL_ARRAY,
    Attributed,
    BigNumber,
    BigNumberText,
    Decimals,
    OrderedMembers,
    OrderedSet,
    Reply,
    Verbatim,
)
from kvcore.resp.encoder import decimals_text, number_text

Text = Callable[[bytes], Any]

_LINE_ENDS: Final = str.maketrans("\r\n", "  ")
VERSION: Final = tuple(int(part) for part in redis.__version__.split(".")[:2])
"""Redis-py's release, to the minor number."""


_MOST_NAMES: Final = 1000


def undecoded(data: bytes) -> bytes:
    """Return bytes as they are: what ``decode_responses=False`` asks for."""
    return data


def text_of(encoder: Encoder) -> Text:
    """Return what makes a client's value of a bulk string."""
    if not encoder.decode_responses:
        return undecoded
    encoding, errors = encoder.encoding, encoder.encoding_errors

    def decode(data: bytes) -> str:
        return data.decode(encoding, errors)

    return decode


def exception(error: Exception) -> Exception:
    """Return redis-py's exception for an error reply, its ConnectionError if nobody is there; its own as they are."""
    if isinstance(error, redis.RedisError):
        return error
    if isinstance(error, ConnectionError):
        return redis.ConnectionError(str(error))
    text = str(error).rstrip("\r\n").translate(_LINE_ENDS)
    if isinstance(error, ProtocolError):
        text = f"ERR {text}"
    found: Exception = BaseParser.parse_error(text)
    return found


def value(reply: Reply, protocol: int, text: Text) -> Any:
    """Return what redis-py's parser of RESP2 or RESP3 returns for a reply. O(size of the reply)."""
    kind = type(reply)
    if kind is bytes:
        return reply if text is undecoded else text(reply)
    if kind is int or reply is None:
        return reply
    if kind is str:
        return text(reply.translate(_LINE_ENDS).encode("utf-8", "surrogateescape"))
    if kind is list:
        if text is undecoded:
            return [item if type(item) is bytes else value(item, protocol, text) for item in reply]
        return [text(item) if type(item) is bytes else value(item, protocol, text) for item in reply]
    if reply is NULL_ARRAY:
        return None
    if isinstance(reply, CommandError | ProtocolError | redis.RedisError):
        return exception(reply)
    return _unusual3(reply, text) if protocol == 3 else _unusual2(reply, text)


def _values(items: Any, protocol: int, text: Text) -> list[Any]:
    return [value(item, protocol, text) for item in items]


def _unusual2(reply: Reply, text: Text) -> Any:
    """Downgrade what RESP2 has no word for."""
    if isinstance(reply, bool | BigNumber):
        return int(reply) if isinstance(reply, bool) else text(b"%d" % reply)
    if isinstance(reply, Decimals):
        return text(decimals_text(reply))
    if isinstance(reply, float):
        return text(number_text(reply))
    if isinstance(reply, dict):
        return [value(part, 2, text) for pair in reply.items() for part in pair]
    if isinstance(reply, OrderedMembers):
        return _values(reply.order, 2, text)
    if isinstance(reply, Verbatim):
        return text(reply.text)
    if isinstance(reply, Attributed):
        return value(reply.reply, 2, text)
    if isinstance(reply, bytes | bytearray):
        return text(bytes(reply))
    return _values(reply, 2, text)


def _unusual3(reply: Reply, text: Text) -> Any:
    if isinstance(reply, bool | BigNumber):
        return bool(reply) if isinstance(reply, bool) else int(reply)
    if isinstance(reply, Decimals):
        return float(decimals_text(reply))
    if isinstance(reply, float):
        return float(reply)
    if isinstance(reply, dict):
        return {value(key, 3, text): value(item, 3, text) for key, item in reply.items()}
    if isinstance(reply, set | frozenset | OrderedSet):
        # A list, for members may be unhashable; so hiredis has it, and redis-py's own parser since 5.1.
        return _values(reply.order if isinstance(reply, OrderedMembers) else reply, 3, text)
    if isinstance(reply, Verbatim):
        return text(reply.text)
    if isinstance(reply, BigNumberText):
        return int(reply)
    if isinstance(reply, Attributed):
        return value(reply.reply, 3, text)
    if isinstance(reply, bytes | bytearray):
        return text(bytes(reply))
    return _values(reply, 3, text)


class Arguments:
    """Makes argv of the arguments of a redis-py call."""

    __slots__ = ("_encode", "_names", "_single", "_text_is_utf8")

    def __init__(self, encoder: Encoder) -> None:
        self._encode = encoder.encode
        self._names: dict[str, list[bytes]] = {}
        """The words of the names that commands were called by; few, for programs do not make names up."""
        self._single: dict[str, bytes] = {}
        """The names of one word among them, if text is UTF-8: their arguments are :meth:`batch`'s to encode."""
        self._text_is_utf8 = encoder.encoding.lower() in ("utf-8", "utf8") and encoder.encoding_errors == "strict"

    def argv(self, args: tuple[Any, ...]) -> list[bytes]:
        """Return a command as the engine takes it; raise redis.DataError for what cannot be sent."""
        name = args[0]
        words = self._names.get(name)
        if words is None:
            words = (name.encode() if isinstance(name, str) else bytes(name)).split()
            if isinstance(name, str) and len(self._names) < _MOST_NAMES:
                self._names[name] = words
                if len(words) == 1 and self._text_is_utf8:
                    self._single[name] = words[0]
        return words + self.rest(args[1:])

    def batch(self, commands: Any) -> list[list[bytes]] | None:
        """Return the argv of a pipeline's commands; None if redis-py itself is to handle an option of one."""
        names = self._single
        batch: list[list[bytes]] = []
        append = batch.append
        for args, options in commands:
            if options and EMPTY_RESPONSE in options:
                return None
            try:
                name = names[args[0]]
            except KeyError:
                append(self.argv(args))
                continue
            # One or two arguments, text or bytes, are most of all; a loop over a slice would cost them 80 ns.
            count = len(args)
            if count == 2:
                _, first = args
                kind = type(first)
                if kind is str or kind is bytes:
                    append([name, first.encode() if kind is str else first])
                    continue
            elif count == 3:
                _, first, second = args
                kind = type(second)
                if type(first) is str and (kind is bytes or kind is str):
                    append([name, first.encode(), second if kind is bytes else second.encode()])
                    continue
            append([name, *self.rest(args[1:])])
        return batch

    def rest(self, args: tuple[Any, ...]) -> list[bytes]:
        """Return arguments as bytes; raise redis.DataError for what cannot be sent."""
        encode = self._encode
        if self._text_is_utf8:
            return [
                item
                if type(item) is bytes
                else item.encode()
                if type(item) is str
                else b"%d" % item
                if type(item) is int
                else bytes(encode(item))
                for item in args
            ]
        return [item if type(item) is bytes else bytes(encode(item)) for item in args]


class Packer:
    """What a connection packs commands with: into argv, for no bytes are sent anywhere."""

    __slots__ = ("_argv",)

    def __init__(self, arguments: Arguments) -> None:
        self._argv = arguments.argv

    def pack(self, *args: Any) -> list[list[list[bytes]]]:
        """Return one batch of one command."""
        return [[self._argv(args)]]
