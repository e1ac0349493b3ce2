"""Files that the engine reads and writes as a whole: its config file and the `aclfile`.

Here: the :class:`kvcore.ports.TextFile` of the servers. Not here: what stands in the files. The rule: who reads the
file at any moment, or after a crash at any moment, finds the old content or the new one.
"""

from __future__ import annotations

import os
import tempfile

_MODE = 0o644


class LocalFile:
    """A file of this machine."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)  # `dir` may change where relative paths begin

    def read(self) -> bytes:
        """Return the content; raise OSError."""
        with open(self.path, "rb") as file:
            return file.read()

    def replace(self, content: bytes) -> None:
        """Write a new file beside the old one and put it in its place; raise OSError.

        Its owner is this process's, its permissions are 644 less the umask, as redis-server leaves them.
        """
        path = os.path.realpath(self.path)  # a link stays a link
        folder = os.path.dirname(path)
        descriptor, temporary = tempfile.mkstemp(prefix=f"{os.path.basename(path)}-", dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(descriptor, _MODE & ~_umask())
                os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        _sync_folder(folder)


def _umask() -> int:
    mask = os.umask(0o077)  # there is no way to ask without setting it; for a moment, to the strictest
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    """Have the new name itself survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
