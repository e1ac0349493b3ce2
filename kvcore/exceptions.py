"""The exceptions that kvcore raises on purpose.

    KvcoreError
    ├── CommandError            a command answers an error; the text is Redis's own, code first
    │   └── WrongTypeError      the key holds another type
    ├── ProtocolError           a peer's bytes are not RESP; the connection closes after the error is sent
    ├── ConfigError             a directive or a config file is wrong
    ├── RuleError               an ACL rule cannot be applied
    ├── RdbError                a payload or an RDB file is not well formed
    ├── AofError                an append-only file or its manifest is not well formed
    ├── LockedError             another process has the store's directory
    ├── NotDurableError         a command ran, and could not be made as safe as `appendfsync` asks
    ├── ConnectionLostError     a server cannot be reached, or was lost before it answered
    │   └── ReplyTimeoutError   it did not answer in time
    ├── UnsupportedError        a remote store is asked for what only one in process has
    └── ClosedError             the store or engine was closed

Their texts are in :mod:`kvcore.errors`, which has the names of this module, too.
"""

from __future__ import annotations


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


class RdbError(KvcoreError):
    """A payload or an RDB file is not well formed. ``offset`` is the byte where that showed, ``reason`` what it was."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


class AofError(KvcoreError):
    """An append-only file or its manifest is not well formed, or cannot be read."""


class RuleError(KvcoreError):
    """An ACL rule cannot be applied. The text is the reason alone, as it stands in the replies that quote it."""


class RdbShortError(RdbError):
    """The bytes end before the value does. ``missing`` more are needed at least."""

    def __init__(self, reason: str, offset: int, missing: int) -> None:
        super().__init__(reason, offset)
        self.missing = missing


class RdbEmptyError(RdbError):
    """A collection that was read to its end holds nothing: a key cannot have it for a value."""


class LockedError(KvcoreError):
    """Another process has the store's directory open; the text names it."""


class NotDurableError(KvcoreError):
    """A command ran, and the disk refused to keep it. It is kept in memory and tried again; writes are refused."""


class ConnectionLostError(KvcoreError):
    """A server cannot be reached, or was lost before it answered.

    ``sent`` says whether the command had been sent: it may have run then, and is never sent again by itself.
    """

    def __init__(self, text: str, sent: bool = False) -> None:
        super().__init__(text)
        self.sent = sent


class ReplyTimeoutError(ConnectionLostError):
    """A server did not answer in time; the connection was closed. What ``sent`` says holds here, too."""


class UnsupportedError(KvcoreError):
    """A remote store is asked for what only a store in this process has; the text says what to use instead."""


class ClosedError(KvcoreError):
    """The store was closed; open it again to use it."""
