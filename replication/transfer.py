"""The data set on its way to replicas: a snapshot whose output is their connections, or a file that is sent to them.

What lives here: the two forms of a transfer and their pace. What must not: who wants one, and what follows from its end
(:mod:`kvcore.replication.primary`). Both are outputs of :mod:`kvcore.background`. The rule: no more than
:data:`AHEAD_BYTES` of a transfer wait in memory for a slow replica; the walk, or the reading of the file, waits for it.

The form with a mark (``$EOF:``) needs no file, but its length is not known before its end; replicas that cannot take it
get the other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Final

from kvcore.rdb.file_writer import Checksum
from kvcore.replication.replica import Replica

AHEAD_BYTES: Final = 4 << 20
_READ_BYTES: Final = 1 << 20


class ReplicasLostError(Exception):
    """None of the replicas that a snapshot was for is there any more."""


class StreamedTransfer:
    """A snapshot that goes to replicas as it is made, between two marks."""

    __slots__ = ("_checksum", "_mark", "ended", "replicas")

    def __init__(self, replicas: Sequence[Replica], mark: bytes, checksum: Checksum) -> None:
        """``mark`` is 40 bytes that the file does not contain."""
        self.replicas = list(replicas)
        self._mark = mark
        self._checksum = checksum
        self.ended = False
        for replica in self.replicas:
            replica.send(b"$EOF:%b\r\n" % mark)

    @property
    def error(self) -> BaseException | None:
        """Why it is of no use to go on."""
        if any(replica.attached for replica in self.replicas):
            return None
        return ReplicasLostError("Diskless rdb transfer, last replica dropped, killing fork child.")

    def write(self, data: bytes) -> None:
        """Send bytes that follow those before."""
        self._checksum.update(data)
        self._send(data)

    def full(self) -> bool:
        """Say whether a replica is too far behind."""
        return self.waiting() > AHEAD_BYTES

    def waiting(self) -> int:
        """Return how far the slowest replica is behind, in bytes."""
        return max((replica.waiting_bytes() for replica in self.replicas if replica.attached), default=0)

    def wait(self) -> bool:
        """Return False: replicas take nothing while the engine stands still."""
        return False

    def close(self) -> None:
        """Send what comes last."""
        self._send(self._checksum.footer() + self._mark)
        self.ended = True

    def abort(self) -> None:
        """Give up."""
        self.ended = True

    def join(self) -> None:
        """Return: nothing runs beside the engine."""

    def _send(self, data: bytes) -> None:
        for replica in self.replicas:
            if replica.attached:
                replica.send(data)


class FileTransfer:
    """A snapshot in a file without a name, sent once its length is known."""

    __slots__ = ("_checksum", "_error", "_file", "_replicas", "_sent", "ended", "size")

    def __init__(self, folder: str, checksum: Checksum, replicas: Sequence[Replica]) -> None:
        """The file takes its place in ``folder``; raises OSError."""
        self._replicas = list(replicas)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=_READ_BYTES)  # noqa: SIM115 - outlives this call
        self._checksum = checksum
        self._error: OSError | None = None
        self._sent: dict[Replica, int] = {}
        self.size = 0
        """Bytes of the file."""
        self.ended = False

    @property
    def error(self) -> BaseException | None:
        """What went wrong, or why the file is of no use to anybody."""
        if self._error is None and not self.ended and not any(replica.attached for replica in self._replicas):
            return ReplicasLostError("the last replica that the file was for is gone")
        return self._error

    def write(self, data: bytes) -> None:
        """Append bytes. The file system's cache takes them."""
        self._checksum.update(data)
        self._append(data)

    def _append(self, data: bytes) -> None:
        if self._error is None:
            try:
                self._file.write(data)
                self.size += len(data)
            except OSError as error:
                self._error = error

    def full(self) -> bool:
        """Return False: the disk takes it all."""
        return False

    def waiting(self) -> int:
        """Return 0: nothing waits for the disk."""
        return 0

    def wait(self) -> bool:
        """Return True: the file takes everything at once."""
        return True

    def close(self) -> None:
        """Complete the file."""
        self._append(self._checksum.footer())
        try:
            self._file.flush()
        except OSError as error:
            self._error = error
        self.ended = True

    def abort(self) -> None:
        """Give up."""
        self.ended = True
        self.discard()

    def join(self) -> None:
        """Return: nothing runs beside the engine."""

    def discard(self) -> None:
        """Let go of the file."""
        self._file.close()

    def send(self, replica: Replica) -> bool:
        """Send the replica as much as it takes now; True once it has everything. Raises OSError. O(bytes sent)."""
        position = self._sent.get(replica, 0)
        if not position:
            replica.send(b"$%d\r\n" % self.size)
        while position < self.size and replica.waiting_bytes() < AHEAD_BYTES:
            self._file.seek(position)
            piece = self._file.read(_READ_BYTES)
            if not piece:
                raise OSError("the file of a synchronisation is shorter than it was")
            replica.send(piece)
            position += len(piece)
        self._sent[replica] = position
        return position >= self.size
