"""What the log says of files that cannot be read or written, in the words that operators of Redis look for.

What lives here: failures to lines. What must not: logging them, and what follows from the failure. The rule: the first
words of a line are the real server's; what is known beyond that follows them.
"""

from __future__ import annotations

import os
from typing import Final

from kvcore.errors import RdbError, RdbShortError

_CONTAINERS: Final = ("ziplist", "listpack", "intset", "zipmap")
_CHECKSUM: Final = "Wrong RDB checksum"
_DATABASES: Final = "Data file was created"
_OF_THE_HEADER: Final = ("Wrong signature", "Can't handle RDB format version")


def unreadable_snapshot(error: BaseException) -> list[str]:
    """Return what the log says of a snapshot file that cannot be loaded, before it says that this is fatal."""
    if not isinstance(error, RdbError):
        return []
    reason = error.reason
    where = f"Internal error in RDB reading offset {error.offset} -> "
    if isinstance(error, RdbShortError):
        return [
            "Short read or OOM loading DB. Unrecoverable error, aborting now.",
            f"{where}Unexpected EOF reading RDB file",
        ]
    if reason.startswith(_OF_THE_HEADER):
        return [reason]
    if reason.startswith(_CHECKSUM):
        return [f"{reason}. Aborting now.", f"{where}RDB CRC error"]
    if reason.startswith(_DATABASES):
        return [f"FATAL: {reason}. Exiting"]
    return [where + malformed(reason)]


def malformed(reason: str) -> str:
    """Return why a value cannot be read, beginning with what has not the form it should have."""
    word = reason.partition(" ")[0]
    return f"{word.capitalize()} integrity check failed: {reason}" if word in _CONTAINERS else reason


def unsaved_snapshot(error: BaseException) -> str:
    """Return what the log says of a snapshot file that could not be written."""
    if not isinstance(error, OSError):
        return f"Write error saving DB on disk: {error}"
    reason = error.strerror or str(error)
    try:
        directory = os.getcwd()
    except OSError:
        directory = "unknown"  # it is gone, and that may be the trouble
    if error.filename2 is not None:
        return (
            f"Error moving temp DB file {error.filename} on the final destination {error.filename2} "
            f"(in server root dir {directory}): {reason}"
        )
    if error.filename is not None:
        return (
            f"Failed opening the temp RDB file {error.filename} (in server root dir {directory}) for saving: {reason}"
        )
    return f"Write error saving DB on disk(write): {reason}"
