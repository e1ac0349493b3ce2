"""Full synchronisations: which replicas share a snapshot, in which form, and what they go on with at its end.

What lives here: when a snapshot begins, and whom it is for. What must not: walking and pace
(:mod:`kvcore.background`), the bytes' way (:mod:`kvcore.replication.transfer`), the stream that follows
(:mod:`kvcore.replication.primary`). The rule: the offset that a replica is told is that of the moment its snapshot
begins, and the stream is kept from there on until it has been sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kvcore.background import REPLICAS
from kvcore.rdb.file_writer import Account, Checksum, FileWriter
from kvcore.replication.replica import DONE, SENDING, Replica
from kvcore.replication.stream import Stream
from kvcore.replication.transfer import FileTransfer, ReplicasLostError, StreamedTransfer
from kvcore.version import REDIS_VERSION

if TYPE_CHECKING:
    from kvcore.engine import Engine

logger = logging.getLogger("kvcore.replication")

_SECOND_MS: Final = 1000

Transfer = StreamedTransfer | FileTransfer

Ready = Callable[[Replica, bool], None]
"""Is told that a replica was sent its snapshot, and whether it must acknowledge that before the stream goes on."""


class Synchronisations:
    """The data set on its way to replicas. Everything here happens under the engine lock."""

    __slots__ = ("_database", "_engine", "_files", "_on_ready")

    def __init__(self, engine: Engine, on_ready: Ready, database: Callable[[], int]) -> None:
        """``database`` tells which one the stream goes on in."""
        self._engine = engine
        self._on_ready = on_ready
        self._database = database
        self._files: list[tuple[FileTransfer, Replica]] = []  # complete ones, and who is being sent them

    @property
    def sending(self) -> bool:
        """Whether a file is on its way: :meth:`pump` is to be called soon."""
        return bool(self._files)

    def is_preparing(self, replica: Replica) -> bool:
        """Say whether a replica's snapshot is still being written to a file, so that it is sent nothing."""
        return replica.state == SENDING and not replica.marked and not self.is_sending_to(replica)

    def is_sending_to(self, replica: Replica) -> bool:
        """Say whether a replica is being sent a file that is complete."""
        return any(each is replica for _, each in self._files)

    def forget(self, replica: Replica) -> None:
        """Send nothing more to a replica that is gone."""
        left = [pair for pair in self._files if pair[1] is not replica]
        self._replace(left)

    def begin_due(self, waiting: list[Replica], stream: Stream, now_ms: int) -> bool:
        """Begin a snapshot if one is due for some of ``waiting`` and no other is running; say whether it began."""
        if self._engine.background.busy:
            return False
        config = self._engine.config
        streamed = config.flag("repl-diskless-sync")
        most = config.integer("repl-diskless-sync-max-replicas")
        for first in waiting:
            marked = _wants_mark(first, streamed)
            group = [
                each for each in waiting if each.exclude == first.exclude and _wants_mark(each, streamed) == marked
            ]
            longest_ms = max(now_ms - each.waiting_since_ms for each in group)
            delay_ms = config.integer("repl-diskless-sync-delay") * _SECOND_MS if marked else 0
            if longest_ms >= delay_ms or (most and len(group) >= most):
                self._begin(group, marked, stream)
                return True
        return False

    def _begin(self, group: list[Replica], marked: bool, stream: Stream) -> None:
        engine, config = self._engine, self._engine.config
        logger.info("Starting BGSAVE for SYNC with target: %s", "replicas sockets" if marked else "disk")
        account = self._account(stream)
        account.functions = () if group[0].exclude == "all" else engine.libraries.sources()
        checksum = Checksum(config.flag("rdbchecksum"))
        form = FileWriter(engine.limits.list_size, config.flag("rdbcompression"), config.integer("rdb-version"))
        for replica in group:
            replica.state = SENDING
            replica.marked = marked
            replica.moved_ms = engine.now_ms()
            replica.next_offset = stream.end + 1
            if not replica.bare:
                replica.send(b"+FULLRESYNC %b %d\r\n" % (engine.replication_id.encode(), stream.end))
        stream.forget_database()
        transfer: Transfer
        try:
            transfer = (
                StreamedTransfer(group, b"%040x" % engine.random.getrandbits(160), checksum)
                if marked
                else FileTransfer(config.string("dir"), checksum, group)
            )
        except OSError as error:
            logger.warning("SYNC failed: %s", error)
            for replica in group:
                replica.state = DONE
                replica.send(b"-ERR BGSAVE failed, replication can't continue\r\n")
                replica.finish()
            return

        def ended(error: BaseException | None) -> None:
            if error is None:
                self._complete(transfer, group)
            else:
                _fail(group, error)

        if group[0].exclude:
            transfer.write(form.begin(account) + form.end())
            transfer.close()
            ended(transfer.error)
        else:
            engine.background.start(form, form.begin(account), transfer, ended, REPLICAS)
            kind = "RDB transfer" if marked else "saving"
            logger.info("Background %s started by pid %d", kind, engine.process.pid)

    def _account(self, stream: Stream) -> Account:
        engine = self._engine
        account = Account(engine.now_ms() // 1000, REDIS_VERSION, engine.eviction.used_bytes())
        account.replication = (
            ("repl-stream-db", str(self._database())),
            ("repl-id", engine.replication_id),
            ("repl-offset", str(stream.end)),
        )
        return account

    def _complete(self, transfer: Transfer, group: list[Replica]) -> None:
        """Go on with the replicas of a snapshot that is complete."""
        left = [replica for replica in group if replica.attached]
        if isinstance(transfer, FileTransfer):
            if left:
                self._files += [(transfer, replica) for replica in left]
            else:
                transfer.discard()
            return
        logger.warning("Diskless rdb transfer, done reading from pipe, %d replicas still up.", len(left))
        for replica in left:
            logger.info(
                "Streamed RDB transfer with replica %s succeeded (socket). "
                "Waiting for REPLCONF ACK from slave to enable streaming",
                replica.name,
            )
            self._on_ready(replica, True)

    def pump(self) -> None:
        """Go on sending files. O(bytes that replicas take now)."""
        if not self._files:
            return
        unfinished: list[tuple[FileTransfer, Replica]] = []
        ready: list[Replica] = []
        for transfer, replica in self._files:
            try:
                if transfer.send(replica):
                    ready.append(replica)
                else:
                    unfinished.append((transfer, replica))
            except OSError as error:
                _fail([replica], error)
        self._replace(unfinished)
        for replica in ready:
            self._on_ready(replica, False)

    def _replace(self, files: list[tuple[FileTransfer, Replica]]) -> None:
        kept = {transfer for transfer, _ in files}
        for transfer in {transfer for transfer, _ in self._files} - kept:
            transfer.discard()
        self._files = files


def _wants_mark(replica: Replica, streamed: bool) -> bool:
    """Say whether a replica's snapshot is to come between two marks; ``streamed`` is `repl-diskless-sync`."""
    return replica.takes_mark and (streamed or bool(replica.exclude))


def _fail(group: list[Replica], error: BaseException) -> None:
    logger.warning("%s" if isinstance(error, ReplicasLostError) else "SYNC failed: %s", error)
    for replica in group:
        if replica.attached:
            replica.close()
