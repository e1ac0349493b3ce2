"""Every error text, once, and the exception tree.

    KvcoreError
    ├── CommandError            a command answers an error; the text is Redis's own, code first
    │   └── WrongTypeError      the key holds another type
    ├── ProtocolError           a peer's bytes are not RESP; the connection closes after the error is sent
    ├── ConfigError             a directive or a config file is wrong
    └── ClosedError             the store or engine was closed

Texts carry bytes of clients: they are ``str`` with ``surrogateescape`` so that any byte survives the round trip.
The constants are the texts themselves; the functions build the ones that quote something.
"""

from __future__ import annotations

from typing import Final


class KvcoreError(Exception):
    """Base of everything kvcore raises on purpose."""


class CommandError(KvcoreError):
    """A command's error reply. ``str(error)`` is the whole text, its code first (``ERR syntax error``)."""

    @property
    def code(self) -> str:
        """The first word of the text: ``ERR``, ``WRONGTYPE``, ``NOSCRIPT`` ..."""
        return str(self).split(" ", 1)[0]


class WrongTypeError(CommandError):
    """The key holds a value of another type than the command wants."""

    def __init__(self, text: str = "WRONGTYPE Operation against a key holding the wrong kind of value") -> None:
        super().__init__(text)


class ProtocolError(KvcoreError):
    """A peer sent bytes that are not a RESP request. The text lacks the leading ``ERR``: the connection adds it."""


class ConfigError(KvcoreError):
    """A directive has no such name, or its value is not allowed."""


class ClosedError(KvcoreError):
    """The store was closed; open it again to use it."""


def text(value: bytes) -> str:
    """Decode a client's bytes for an error text, keeping every byte."""
    return value.decode("utf-8", "surrogateescape")


SYNTAX: Final = "ERR syntax error"
NOT_AN_INTEGER: Final = "ERR value is not an integer or out of range"
NOT_A_FLOAT: Final = "ERR value is not a valid float"
OUT_OF_RANGE: Final = "ERR value is out of range"
POSITIVE_OUT_OF_RANGE: Final = "ERR value is out of range, must be positive"
NO_SUCH_KEY: Final = "ERR no such key"
INDEX_OUT_OF_RANGE: Final = "ERR index out of range"
DB_INDEX_OUT_OF_RANGE: Final = "ERR DB index is out of range"
INVALID_CURSOR: Final = "ERR invalid cursor"
NO_AUTH: Final = "NOAUTH Authentication required."
WRONG_PASS: Final = "WRONGPASS invalid username-password pair or user is disabled."
EXEC_ABORT: Final = "EXECABORT Transaction discarded because of previous errors."
NOT_ALLOWED_IN_MULTI: Final = "ERR Command not allowed inside a transaction"
MAX_CLIENTS: Final = "ERR max number of clients reached"


def unknown_command(argv: list[bytes]) -> str:
    """Quote an unknown command and the start of its arguments, as the real server does (128 bytes of each)."""
    quoted = ""
    for argument in argv[1:]:
        if len(quoted) >= 128:
            break
        quoted += f"'{text(argument[: 128 - len(quoted)])}' "
    return f"ERR unknown command '{text(argv[0][:128])}', with args beginning with: {quoted}"


def wrong_arity(full_name: str) -> str:
    """``full_name`` is lower case, ``config|get`` for a subcommand."""
    return f"ERR wrong number of arguments for '{full_name}' command"


def unknown_subcommand(container: str, subcommand: bytes) -> str:
    """``container`` is the command's name in upper case."""
    return f"ERR unknown subcommand '{text(subcommand[:128])}'. Try {container} HELP."


def invalid_expire(full_name: str) -> str:
    """The time to live of SET, EXPIRE, GETEX ... is zero, negative or overflows."""
    return f"ERR invalid expire time in '{full_name}' command"
