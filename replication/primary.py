"""The primary's side of replication: PSYNC, full synchronisations, the stream, what replicas acknowledge.

What lives here: who is sent the stream, from where on, and when. What must not: its bytes
(:mod:`kvcore.replication.stream`), the data set on its way to replicas (:mod:`kvcore.replication.synchronisation`),
sockets. Redis 7.0's protocol, with redis-server's replicas at the other end.

A replica's life: PSYNC attaches it. If the backlog still holds what it lacks it goes on from there. Otherwise it waits
for a snapshot to begin, remembers the offset of that moment, is sent the snapshot, and then the stream from there on.

The rules. Everything happens under the engine lock, in effects, commands and ticks. There is no stream before the first
replica comes, and none once the last has been gone for `repl-backlog-ttl`; each stream has an identifier of its own, so
that nobody goes on in the wrong one. What a replica that is being sent a snapshot lacks stays in the stream, up to the
hard limit of `client-output-buffer-limit replica`.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.background import PAUSE_MS
from kvcore.effects import REPLICAS, Effect
from kvcore.engine import Engine
from kvcore.errors import CommandError, printable, text
from kvcore.gates import PAUSED, REPLICA
from kvcore.replication.failover import Failover
from kvcore.replication.own_keys import OwnKeys
from kvcore.replication.replica import DONE, ONLINE, SENDING, WAITING, Replica
from kvcore.replication.stream import Stream
from kvcore.replication.synchronisation import Synchronisations
from kvcore.replication.upstream import CONNECTED, Upstream
from kvcore.replies import NO_REPLY, Raw, Reply
from kvcore.resp.inline import split_arguments
from kvcore.session import CLOSE, Session

logger = logging.getLogger("kvcore.replication")

_NO_ID: Final = "0" * 40
_PING: Final = b"*1\r\n$4\r\nping\r\n"
_GET_ACK: Final = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
_IP_MAX: Final = 255
_MARKS_MAX: Final = 8192
_MARK_EVERY: Final = 64
_SECOND_MS: Final = 1000


class Primary:
    """What an engine does for its replicas. Takes the place of ``engine.replication``."""

    __slots__ = (
        "_engine",
        "_idle_since_ms",
        "_introduced",
        "_knows_position",
        "_mark_offsets",
        "_mark_units",
        "_next_second_ms",
        "_offset",
        "_own_keys",
        "_pinged_ms",
        "_refuses_stale",
        "_sent_to_others",
        "_stream",
        "_transfers",
        "_unsubscribe",
        "database",
        "failover",
        "full_syncs",
        "partial_refusals",
        "partial_syncs",
        "received_bytes",
        "replicas",
        "second_id",
        "second_offset",
        "upstream",
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.replicas: dict[Session, Replica] = {}
        """The links, in the order they came."""
        self._introduced: dict[Session, Replica] = {}  # said REPLCONF, and not yet PSYNC
        self._stream: Stream | None = None
        self._unsubscribe: Callable[[], None] = _nothing
        self._offset = 0  # of the stream that was
        self._transfers = Synchronisations(engine, self._put_online, self._database)
        self.second_id = _NO_ID
        """The identifier of the history before this one, which replicas may still know."""
        self.second_offset = -1
        self.full_syncs = self.partial_syncs = self.partial_refusals = 0
        self._sent_to_others = 0  # bytes, to replicas that are gone
        self._mark_units: list[int] = []
        self._mark_offsets: list[int] = []
        self._idle_since_ms = 0
        self._pinged_ms = 0
        self._next_second_ms = 0
        engine.replication = self
        engine.acknowledgements.on_replicas = self.holding
        engine.acknowledgements.on_wait = self.ask
        self.upstream: Upstream | None = None
        """The primary that this server follows, if it is a replica."""
        self.database = 0
        """Which one the primary's stream goes on in, while there is no link to it."""
        self.received_bytes = 0
        """How much the primaries of this server have sent."""
        self.failover = Failover(engine, self)
        self._own_keys = OwnKeys(engine)
        self._knows_position = False
        self._refuses_stale = False
        for name in ("repl-backlog-size", "replica-read-only", "replica-serve-stale-data", "replica-ignore-maxmemory"):
            engine.config.on_change(name, self._follow_config)
        for name in ("min-replicas-to-write", "min-replicas-max-lag"):
            engine.config.on_change(name, self._judge)
        self._follow_config()
        self._judge()
        configured = engine.config.strings("replicaof")
        if engine.saved_position is not None:
            self._restore(engine.saved_position, bool(configured))
        if configured:
            self._follow(configured[0], int(configured[1]), failover=False)

    # Commands

    def introduce(self, session: Session, option: str, value: bytes) -> None:
        """Note what a client says of itself (REPLCONF); raise CommandError."""
        replica = self.replicas.get(session) or self._introduced.get(session)
        if replica is None:
            replica = self._introduced[session] = Replica(session)
        if option == "listening-port":
            replica.port = integer(value)
        elif option == "ip-address":
            if len(value) > _IP_MAX:
                raise CommandError(errors.replica_ip_too_long(len(value)))
            replica.announced_ip = text(value)
        elif option == "capa":
            word = value.lower()
            replica.takes_mark |= word == b"eof"
            replica.knows_ids |= word == b"psync2"
        elif option == "rdb-only":
            number = integer(value)
            if not 0 <= number <= 1:
                raise CommandError(errors.ZERO_OR_ONE)
            replica.snapshot_only = number == 1
        else:
            words = split_arguments(value)
            if words is None:
                raise CommandError(errors.FILTER_MISSING)
            for word in words:
                if word.lower() != b"functions":
                    raise CommandError(errors.unsupported_filter(text(word)))
            replica.exclude = "keys" if words else "all"

    def acknowledge(self, session: Session, offset: int) -> None:
        """Hear how far a replica is (REPLCONF ACK); nothing if it is none."""
        replica = self.replicas.get(session)
        if replica is None:
            return
        replica.acked = max(replica.acked, offset)
        replica.acked_ms = self._engine.now_ms()
        if replica.state == ONLINE and replica.starts_on_ack:
            replica.starts_on_ack = False
            self._catch_up(replica)
        self._judge()
        self._engine.acknowledgements.advance()
        if self._engine.shutdown.waiting_ms:
            self._engine.on_deadline(replica.acked_ms)

    def hear(self, session: Session) -> None:
        """Take note that a replica is alive although it does not say how far it is: it loads a snapshot."""
        replica = self.replicas.get(session)
        if replica is not None:
            replica.acked_ms = self._engine.now_ms()

    def synchronise(self, session: Session, history: bytes, offset: int | None) -> Reply:
        """Turn a client into a replica that has the stream ``history`` up to before ``offset``; None came with SYNC."""
        if session in self.replicas or session.monitor:
            return NO_REPLY
        self.failover.refuse(errors.FAILING_OVER)
        if self.upstream is not None and self.upstream.state != CONNECTED:
            raise CommandError(errors.NO_LINK_TO_PRIMARY)
        if session.outbox or session.peer.output_buffer:
            raise CommandError(errors.SYNC_WITH_PENDING_OUTPUT)
        replica = self._introduced.get(session) or Replica(session)
        logger.info("Replica %s asks for synchronization", replica.name)
        if offset is not None and self._goes_on(replica, text(history).lower(), offset):
            self._attach(replica)
            self.partial_syncs += 1
            stream = self._stream
            assert stream is not None
            known_as = b" %b" % self._engine.replication_id.encode() if replica.knows_ids else b""
            replica.send(b"+CONTINUE%b\r\n" % known_as)
            replica.next_offset = offset
            logger.info(
                "Partial resynchronization request from %s accepted. "
                "Sending %d bytes of backlog starting from offset %d.",
                replica.name,
                stream.end + 1 - offset,
                offset,
            )
            self._put_online(replica, False)
            return NO_REPLY
        if replica.exclude and not replica.takes_mark:
            raise CommandError(errors.FILTER_NEEDS_EOF)
        replica.bare = offset is None
        self.full_syncs += 1
        if offset is not None:
            self.partial_refusals += history != b"?"
            logger.info("Full resync requested by replica %s", replica.name)
        self._attach(replica)
        replica.state = WAITING
        self._engine.on_deadline(self._engine.now_ms())
        return NO_REPLY

    def role(self) -> Reply:
        """Return the answer of ROLE."""
        upstream = self.upstream
        if upstream is not None:
            offset = self.offset if upstream.state == CONNECTED else -1
            return [b"slave", upstream.host.encode(), upstream.port, upstream.state.encode(), offset]
        online = [replica for replica in self.replicas.values() if replica.state == ONLINE]
        links = [[each.host.encode(), b"%d" % each.port, b"%d" % each.acked] for each in online]
        return [b"master", self.offset, links]

    def drop(self, session: Session) -> None:
        """Forget a session that ended."""
        self._introduced.pop(session, None)
        replica = self.replicas.pop(session, None)
        if replica is None:
            return
        replica.attached = False
        self._sent_to_others += replica.given
        logger.info("Connection with replica %s lost.", replica.name)
        self._transfers.forget(replica)
        if self._stream is not None:
            self._stream.trim(self._needed_from(self._stream))
        if not self.replicas:
            self._idle_since_ms = self._engine.now_ms()
        self._judge()

    def stream_bytes(self, session: Session) -> int:
        """Return how many bytes of the stream were sent to a client, 0 if it is no replica that is sent any."""
        replica = self.replicas.get(session)
        return replica.given - replica.exempt if replica is not None and replica.fed else 0

    def change_history(self) -> None:
        """Begin another history: no replica can go on (DEBUG CHANGE-REPL-ID)."""
        self._engine.replication_id = f"{self._engine.random.getrandbits(160):040x}"
        self.second_id, self.second_offset = _NO_ID, -1

    # This server's own part

    def follow(self, host: str, port: int) -> str:
        """Become a replica of another server, or of another one; return the reply (REPLICAOF)."""
        self.failover.refuse(errors.REPLICAOF_WHILE_FAILING_OVER)
        upstream = self.upstream
        if upstream is not None and (upstream.host.lower(), upstream.port) == (host.lower(), port):
            logger.info(
                "REPLICAOF would result into synchronization with the master we are already connected with. "
                "No operation performed."
            )
            return "OK Already connected to specified master"
        if upstream is not None:
            upstream.stop()
            self._follow(host, port, failover=False).down_since_ms = upstream.down_since_ms
        else:
            self.demote(host, port, failover=False)
        return "OK"

    def demote(self, host: str, port: int, *, failover: bool = True) -> None:
        """Become a replica; with ``failover`` of a server that is a replica of this one yet."""
        logger.info(
            "Before turning into a replica, using my own master parameters to synthesize a cached master: "
            "I may be able to synchronize with the new master with just a partial transfer."
        )
        self._knows_position = True
        self.database = 0
        if self._stream is None:
            self._set_stream(Stream(self._offset, self._engine.config.integer("repl-backlog-size")))
        self._follow(host, port, failover=failover)

    def _follow(self, host: str, port: int, *, failover: bool) -> Upstream:
        engine = self._engine
        engine.config.assign("replicaof", (host, str(port)))
        engine.gate |= REPLICA
        engine.keyspace.frozen = True
        self.upstream = upstream = Upstream(engine, self, host, port, failover=failover)
        self.link_changed()
        engine.on_role_change()
        for session in list(engine.sessions.values()):
            blocked = session.blocked
            if blocked is not None and not blocked.paused:
                session.interrupt |= CLOSE  # what it waits for may come elsewhere now
                engine.blocking.fail(blocked, CommandError(errors.ROLE_CHANGED))
        self._judge()
        engine.on_deadline(engine.now_ms())
        return upstream

    def lead(self) -> None:
        """Become a primary with the data set as it is, in a history of its own (REPLICAOF NO ONE)."""
        self.failover.refuse(errors.REPLICAOF_WHILE_FAILING_OVER)
        self.promote()

    def take_over(self, history: bytes) -> None:
        """Become a primary because the present one asks for it (PSYNC with FAILOVER); raise CommandError."""
        logger.warning("Failover request received for replid %s.", printable(history))
        if self.upstream is None:
            raise CommandError(errors.FAILOVER_TO_PRIMARY)
        if text(history).lower() != self._engine.replication_id:
            raise CommandError(errors.FAILOVER_WRONG_HISTORY)
        self.promote()

    def begin_failover(self, target: tuple[str, int] | None, *, forced: bool, timeout_ms: int) -> None:
        """Change places with ``target``, or with the first replica that has everything; raise CommandError."""
        self.failover.refuse(errors.FAILOVER_RUNS)
        self.failover.begin(target, forced=forced, timeout_ms=timeout_ms)

    def abort_failover(self) -> None:
        """Stay what this server is; raise CommandError if there is no failover."""
        self.failover.abort()

    def promote(self) -> None:
        """Become a primary, in the middle of a failover, too."""
        upstream, self.upstream = self.upstream, None
        if upstream is None:
            return
        upstream.stop()
        engine = self._engine
        engine.config.assign("replicaof", ())
        engine.gate &= ~REPLICA
        engine.keyspace.frozen = bool(engine.gate & PAUSED)
        engine.on_role_change()
        self._own_keys.clear()
        self.second_id, self.second_offset = engine.replication_id, self.offset + 1
        engine.replication_id = f"{engine.random.getrandbits(160):040x}"
        logger.warning(
            "Setting secondary replication ID to %s, valid up to offset: %d. New replication ID is %s",
            self.second_id,
            self.second_offset,
            engine.replication_id,
        )
        self._close_links()
        if self._stream is not None:
            self._stream.forget_database()
        self._idle_since_ms = engine.now_ms()
        self.link_changed()
        self._judge()

    def link_changed(self) -> None:
        """Let clients read or not, now that the link to the primary is made, broken or not wanted any more."""
        upstream = self.upstream
        self._engine.stale = self._refuses_stale and upstream is not None and upstream.state != CONNECTED

    def forget_position(self) -> None:
        """Ask for everything next time: what came of the stream makes no sense."""
        logger.info("Discarding previously cached master state.")
        self._knows_position = False

    def loaded(self) -> None:
        """Go on where the snapshot was taken that was loaded, after this was made."""
        if self._engine.saved_position is not None:
            self._restore(self._engine.saved_position, self.upstream is not None)

    def _restore(self, position: tuple[str, int, int], follows: bool) -> None:
        """Go on where the snapshot was taken that was loaded: as a replica in that history, else behind it."""
        history, self._offset, self.database = position
        if follows:
            self._engine.replication_id = history
            self._knows_position = True
            return
        self.second_id, self.second_offset = history, self._offset + 1
        self._idle_since_ms = self._engine.now_ms()
        stream = Stream(self._offset, self._engine.config.integer("repl-backlog-size"))
        for index, key in self._engine.saved_ends:
            stream.add_unit([(index, [b"DEL", key])])
        stream.trim(stream.end + 1)
        self._engine.saved_ends = []
        self._set_stream(stream)

    def _database(self) -> int:
        """Return the database that the next command of the stream is for, if it is no SELECT."""
        upstream = self.upstream
        if upstream is None:
            return max(0, self._stream.selected) if self._stream is not None else 0
        return upstream.session.call.db.index if upstream.session is not None else self.database

    def saved_fields(self) -> tuple[tuple[str, str], ...]:
        """Return what a snapshot file tells of the stream, so that a restart can go on with it."""
        if self._stream is None if self.upstream is None else not self._knows_position:
            return ()
        return (
            ("repl-stream-db", str(self._database())),
            ("repl-id", self._engine.replication_id),
            ("repl-offset", str(self.offset)),
        )

    @property
    def position(self) -> tuple[str, int]:
        """The history this server is in and how far it is, to go on from; no history if it has none."""
        return (self._engine.replication_id if self._knows_position else ""), self.offset

    def adopt(self, history: str, offset: int) -> None:
        """Begin where a data set that was just received ends; replicas have to get it, too."""
        engine = self._engine
        engine.replication_id = history or f"{engine.random.getrandbits(160):040x}"
        self.second_id, self.second_offset = _NO_ID, -1
        self._knows_position = bool(history)
        self._own_keys.clear()
        self._close_links()
        self._offset = offset
        self._set_stream(Stream(offset, engine.config.integer("repl-backlog-size")))

    def go_on(self, history: str) -> None:
        """Go on in the history of the primary, which may have got another name since."""
        engine = self._engine
        if history and history != engine.replication_id:
            self.second_id, self.second_offset = engine.replication_id, self.offset + 1
            engine.replication_id = history
            logger.warning("Master replication ID changed to %s", history)
            self._close_links()
        if self._stream is None:
            self._set_stream(Stream(self._offset, engine.config.integer("repl-backlog-size")))

    def relay(self, data: bytes) -> None:
        """Pass on a part of the primary's stream that has been applied."""
        self._feed(data)

    def _close_links(self) -> None:
        for replica in list(self.replicas.values()):
            replica.close()

    # WAIT

    def holding(self, session: Session) -> int:
        """Return how many replicas have all that a session wrote."""
        target = self._offset_of(session.last_write)
        return sum(1 for replica in self.replicas.values() if replica.state == ONLINE and replica.acked >= target)

    def ask(self) -> None:
        """Have the replicas say how far they are."""
        if any(replica.fed and replica.acked < self.offset for replica in self.replicas.values()):
            self._feed(_GET_ACK)

    # The end of the server

    def lags(self) -> bool:
        """Say whether a replica lacks some of the stream, or has not said that it has it."""
        return any(replica.acked != self.offset for replica in self.replicas.values())

    def hurry(self) -> None:
        """Ask the replicas how far they are."""
        if self._stream is not None and self.upstream is None:
            self._feed(_GET_ACK)

    def report_lag(self) -> None:
        """Log which replicas lack something now that the server ends."""
        replicas = list(self.replicas.values())
        lagging = [replica for replica in replicas if replica.acked != self.offset]
        for replica in lagging:
            logger.warning(
                "Lagging replica %s reported offset %d behind master, lag=%d, state=%s.",
                replica.name,
                self.offset - replica.acked,
                (self._engine.now_ms() - replica.acked_ms) // 1000 if replica.state == ONLINE else 0,
                replica.state,
            )
        if replicas:
            logger.info(
                "%d of %d replicas are in sync when shutting down.", len(replicas) - len(lagging), len(replicas)
            )

    def _offset_of(self, unit: int) -> int:
        """Return an offset behind the bytes of a unit, the same each time: behind some units more, but no question."""
        if not unit or self._stream is None:
            return 0
        at = bisect_left(self._mark_units, unit)
        if at == len(self._mark_units):
            self._mark()
        return self._mark_offsets[at]

    def _mark(self) -> None:
        """Note at which offset the stream is behind the last unit."""
        assert self._stream is not None
        self._mark_units.append(self._engine.effects.units)
        self._mark_offsets.append(self._stream.end)
        if len(self._mark_units) > _MARKS_MAX:
            del self._mark_units[: _MARKS_MAX // 2]
            del self._mark_offsets[: _MARKS_MAX // 2]

    # The stream

    @property
    def offset(self) -> int:
        """The offset of the stream's last byte, or of the last stream's where there is none now."""
        return self._stream.end if self._stream is not None else self._offset

    def _attach(self, replica: Replica) -> None:
        session = replica.session
        self._introduced.pop(session, None)
        self.replicas[session] = replica
        replica.attach()
        replica.acked_ms = replica.waiting_since_ms = self._engine.now_ms()
        if self._stream is None:
            self._open_stream()

    def _open_stream(self) -> None:
        engine = self._engine
        self.change_history()
        self._set_stream(Stream(self._offset, engine.config.integer("repl-backlog-size")))
        line = "Replication backlog created, my new replication IDs are '%s' and '%s'"
        logger.info(line, engine.replication_id, self.second_id)

    def _set_stream(self, stream: Stream) -> None:
        if self._stream is None:
            self._unsubscribe = self._engine.subscribe(self._take, REPLICAS)
        self._stream = stream
        self._pinged_ms = self._engine.now_ms()
        self._mark_units, self._mark_offsets = [], []

    def _close_stream(self) -> None:
        """Forget the stream: what is written from now on, no replica can ever catch up with."""
        self._offset = self.offset
        self._stream = None
        self._mark_units, self._mark_offsets = [], []
        self._unsubscribe()
        self.change_history()

    def _take(self, unit: Sequence[Effect]) -> None:
        stream = self._stream
        assert stream is not None
        if self.upstream is not None:
            if not self._engine.keyspace.replaying:
                self._own_keys.note(unit)
            return  # replicas of this server get the primary's own bytes
        data = stream.add_unit(unit)
        self._send_all(data)
        if self._engine.effects.units & (_MARK_EVERY - 1) == 0:
            self._mark()

    def _feed(self, data: bytes) -> None:
        """Send what is no effect: a PING, a question."""
        assert self._stream is not None
        raw = Raw(data)
        self._stream.add(raw)
        self._send_all(raw)

    def _send_all(self, data: Raw) -> None:
        stream = self._stream
        assert stream is not None
        for replica in self.replicas.values():
            if replica.fed:
                replica.send(data)
        if stream.has_old():
            stream.trim(self._needed_from(stream))

    def _needed_from(self, stream: Stream) -> int:
        """Return the first offset that some replica is still to be sent."""
        lagging = [each for each in self.replicas.values() if not each.fed and each.state in (SENDING, ONLINE)]
        return min((each.next_offset for each in lagging), default=stream.end + 1)

    def _catch_up(self, replica: Replica) -> None:
        """Send an online replica all that it lacks; from now on it is fed."""
        assert self._stream is not None
        for piece in self._stream.since(replica.next_offset):
            replica.send(piece)

    def _goes_on(self, replica: Replica, history: str, offset: int) -> bool:
        """Whether a replica may go on from ``offset`` of a history; the log says why not."""
        stream = self._stream
        own = self._engine.replication_id
        if history == "?":
            return False
        if history != own and not (history == self.second_id and offset <= self.second_offset):
            logger.info(
                "Partial resynchronization not accepted: Replication ID mismatch "
                "(Replica asked for '%s', my replication IDs are '%s' and '%s')",
                history,
                own,
                self.second_id,
            )
            return False
        if stream is not None and stream.holds(offset):
            return True
        if stream is not None and offset > stream.end:
            logger.warning(
                "Warning: replica %s tried to PSYNC with an offset that is greater than the master replication offset.",
                replica.name,
            )
        logger.info(
            "Unable to partial resync with replica %s for lack of backlog (Replica request was: %d).",
            replica.name,
            offset,
        )
        return False

    def _put_online(self, replica: Replica, starts_on_ack: bool) -> None:
        if replica.snapshot_only:
            logger.info("RDB transfer completed, rdb only replica (%s) should be disconnected asap", replica.name)
            replica.state = DONE
            replica.finish()
            return
        replica.state = ONLINE
        replica.exempt = replica.given
        replica.starts_on_ack = starts_on_ack
        replica.acked_ms = self._engine.now_ms()
        if not starts_on_ack:
            self._catch_up(replica)
            logger.info("Synchronization with replica %s succeeded", replica.name)
        self._judge()

    # Time

    def tick(self, now_ms: int) -> int:
        """Do what time asks for; return in how many milliseconds to call again, -1 if the next regular tick will do."""
        self.failover.tick(now_ms)
        if self.upstream is not None:
            self.upstream.tick(now_ms)
            if self._own_keys:
                self._own_keys.expire()
        if not self.replicas:
            if self._stream is not None and self.upstream is None and self._is_forgotten(now_ms):
                self._close_stream()
                ttl_s = self._engine.config.integer("repl-backlog-ttl")
                logger.info("Replication backlog freed after %d seconds without connected replicas.", ttl_s)
            return -1
        waiting = [replica for replica in self.replicas.values() if replica.state == WAITING]
        stream = self._stream
        began = bool(waiting) and stream is not None and self._transfers.begin_due(waiting, stream, now_ms)
        transfers = self._transfers
        transfers.pump()
        if now_ms >= self._next_second_ms:
            self._next_second_ms = now_ms + _SECOND_MS
            self._each_second(now_ms)
        if began:
            return 0
        return PAUSE_MS if transfers.sending else -1

    def _is_forgotten(self, now_ms: int) -> bool:
        ttl_s = self._engine.config.integer("repl-backlog-ttl")
        return bool(ttl_s) and now_ms - self._idle_since_ms > ttl_s * _SECOND_MS

    def _each_second(self, now_ms: int) -> None:
        config = self._engine.config
        period_ms = config.integer("repl-ping-replica-period") * _SECOND_MS
        if self.upstream is None and now_ms - self._pinged_ms >= period_ms:
            self._pinged_ms = now_ms
            self._feed(_PING)
        timeout_ms = config.integer("repl-timeout") * _SECOND_MS
        for replica in list(self.replicas.values()):
            if replica.state == ONLINE:
                if not replica.bare and now_ms - replica.acked_ms > timeout_ms:
                    self._time_out(replica, "streaming sync")
            elif replica.state == WAITING or self._transfers.is_preparing(replica):
                if now_ms - replica.waiting_since_ms >= _SECOND_MS:
                    replica.send(b"\n")  # so that it does not take the silence for an end
            else:
                replica.note_progress(now_ms)
                if now_ms - replica.moved_ms > timeout_ms:
                    self._time_out(replica, "full sync")
            if not replica.fed and replica.state in (SENDING, ONLINE):
                self._limit_lag(replica, now_ms)
        self._judge()

    def _time_out(self, replica: Replica, what: str) -> None:
        logger.warning("Disconnecting timedout replica (%s): %s", what, replica.name)
        replica.close()

    def _limit_lag(self, replica: Replica, now_ms: int) -> None:
        """Close a replica for which more of the stream is kept than its output limits allow."""
        stream = self._stream
        assert stream is not None
        engine = self._engine
        hard, soft, soft_s = engine.config.output_limit("replica")
        hard = hard and max(hard, stream.limit)  # below that it could go on at once, and be closed again
        lag = stream.end + 1 - replica.next_offset
        if not soft or lag <= soft:
            replica.over_soft_ms = 0
        elif not replica.over_soft_ms:
            replica.over_soft_ms = now_ms
        too_long = replica.over_soft_ms and now_ms - replica.over_soft_ms > soft_s * _SECOND_MS
        if too_long or (hard and lag > hard):
            logger.warning("Client %s closed for overcoming of output buffer limits.", replica.name)
            engine.statistics.output_limit_disconnections += 1
            replica.close()

    def _follow_config(self) -> None:
        engine, config = self._engine, self._engine.config
        engine.read_only = config.flag("replica-read-only")
        engine.ignores_limit = config.flag("replica-ignore-maxmemory")
        self._refuses_stale = not config.flag("replica-serve-stale-data")
        self.link_changed()
        stream = self._stream
        if stream is not None:
            stream.limit = self._engine.config.integer("repl-backlog-size")
            stream.trim(self._needed_from(stream))

    def good_replicas(self) -> int:
        """Return how many replicas are near enough for `min-replicas-to-write`."""
        engine = self._engine
        since_ms = engine.now_ms() - engine.config.integer("min-replicas-max-lag") * _SECOND_MS
        return sum(1 for each in self.replicas.values() if each.state == ONLINE and each.acked_ms >= since_ms)

    def _judge(self) -> None:
        """Refuse writes while too few replicas would have them."""
        config = self._engine.config
        wanted = config.integer("min-replicas-to-write") if self.upstream is None else 0
        lacking = wanted and config.integer("min-replicas-max-lag") and self.good_replicas() < wanted
        self._engine.set_disk_error("replicas", errors.NOT_ENOUGH_REPLICAS if lacking else "")

    # INFO

    def fields(self) -> dict[str, str | int]:
        """Return INFO replication, in its order."""
        engine = self._engine
        now_ms = engine.now_ms()
        config = engine.config
        fields: dict[str, str | int] = {"role": "master"}
        if self.upstream is not None:
            fields["role"] = "slave"
            fields |= self.upstream.fields()
            fields |= {
                "slave_priority": config.integer("replica-priority"),
                "slave_read_only": int(config.flag("replica-read-only")),
                "replica_announced": int(config.flag("replica-announced")),
            }
        fields["connected_slaves"] = len(self.replicas)
        if config.integer("min-replicas-to-write") and config.integer("min-replicas-max-lag"):
            fields["min_slaves_good_slaves"] = self.good_replicas()
        shown = [replica for replica in self.replicas.values() if replica.state != DONE]
        for number, replica in enumerate(shown):
            state = replica.state
            if state == SENDING and not self._transfers.is_sending_to(replica):
                state = WAITING  # as the real server says it, of streamed snapshots to their end
            lag_s = (now_ms - replica.acked_ms) // 1000 if state == ONLINE else 0
            fields[f"slave{number}"] = (
                f"ip={replica.host},port={replica.port},state={state},offset={replica.acked},lag={lag_s}"
            )
        stream = self._stream
        fields |= {
            "master_failover_state": self.failover.state,
            "master_replid": engine.replication_id,
            "master_replid2": self.second_id,
            "master_repl_offset": self.offset,
            "second_repl_offset": self.second_offset,
            "repl_backlog_active": int(stream is not None),
            "repl_backlog_size": config.integer("repl-backlog-size"),
            "repl_backlog_first_byte_offset": stream.first if stream is not None else 0,
            "repl_backlog_histlen": stream.size if stream is not None else 0,
        }
        return fields

    def loading(self) -> dict[str, str | int]:
        """Return the fields of INFO persistence about the primary's data set while it comes in."""
        return {} if self.upstream is None else self.upstream.loading()

    def counters(self) -> dict[str, int]:
        """Return fields of other sections of INFO that replicas have a part in."""
        stream = self._stream
        kept = stream.size if stream is not None else 0
        backlog = min(kept, stream.limit) if stream is not None and self.replicas else kept
        unsent = sum(replica.session.peer.output_buffer for replica in self.replicas.values())
        return {
            "total_net_repl_input_bytes": self.received_bytes,
            "total_net_repl_output_bytes": self._sent_to_others + sum(each.given for each in self.replicas.values()),
            "slave_expires_tracked_keys": len(self._own_keys),
            "sync_full": self.full_syncs,
            "sync_partial_ok": self.partial_syncs,
            "sync_partial_err": self.partial_refusals,
            "mem_replication_backlog": backlog,
            "mem_total_replication_buffers": kept + unsent,
            "mem_clients_slaves": kept - backlog + unsent,
        }

    def reset_counters(self) -> None:
        """Zero those of them that count (CONFIG RESETSTAT)."""
        self.full_syncs = self.partial_syncs = self.partial_refusals = self.received_bytes = 0
        self._sent_to_others = -sum(each.given for each in self.replicas.values())


def _nothing() -> None:
    """Stand in where there is no stream to hear of effects for."""
