"""The primary that this server follows: handshake, the data set, the stream.

What lives here: the replica's side of one link, as bytes in and bytes out. What must not: sockets and threads, which
are the engine's network's (:class:`kvcore.ports.Network`), and what this server does for replicas of its own
(:mod:`kvcore.replication.primary`). Redis 7.0's protocol, with redis-server or kvcore at the other end.

The rules. Everything happens under the engine lock, in what the network reports and in ticks. The old data set is
served until the new one is complete, and then replaced at once. The stream is applied as whole units: the offset moves
past a transaction when its EXEC has run, and what has run goes on to replicas of this server byte for byte, so that one
history has the same offsets everywhere. A link that fails is made again each second; the offset stays.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kvcore.acl.users import User
from kvcore.blocking import Blocked
from kvcore.errors import CommandError, KvcoreError, ProtocolError, printable, text
from kvcore.gates import BUSY, PAUSED
from kvcore.replication.incoming import BESIDE, EXCLUSIVE, MARK_BYTES, Incoming, LinkError, mode_for
from kvcore.replies import Reply
from kvcore.resp.decoder import Decoder
from kvcore.resp.encoder import encode
from kvcore.session import CLOSE, Session

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.ports import Wire
    from kvcore.replication.primary import Primary

logger = logging.getLogger("kvcore.replication")

CONNECT: Final = "connect"
CONNECTING: Final = "connecting"
HANDSHAKE: Final = "handshake"
SYNC: Final = "sync"
CONNECTED: Final = "connected"

_SECOND_MS: Final = 1000
_LINE_MAX: Final = 1 << 16
_ID_BYTES: Final = 40
_ALIVE: Final = (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")
"""Errors to PING that show a primary: it wants to know first who asks."""


_HELD_MAX: Final = 1 << 20
_HELD_UP_MS: Final = 10.0
_NO_LIMIT: Final = (1 << 63) - 1
_BEGINNINGS: Final = b"*\r\n"
"""What a command of the stream begins with, or stands between two."""

_FRAME: Final = {word.encode(): word.lower() for word in ("multi", "MULTI", "exec", "EXEC", "replconf", "REPLCONF")}
"""Commands of the stream that are looked at here, as servers spell them."""

_EXEC: Final = (b"exec", b"EXEC")


class LinkPeer:
    """The primary, as CLIENT LIST shows its link."""

    __slots__ = ("_upstream", "_wire", "address")

    output_buffer = 0
    announced = argument_bytes = request_bytes = 0

    def __init__(self, address: str, wire: Wire, upstream: Upstream) -> None:
        self.address = address
        self._wire = wire
        self._upstream = upstream

    @property
    def local_address(self) -> str:
        """This end of the link."""
        return self._wire.local_address

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor, -1 where there is none."""
        return self._wire.descriptor

    @property
    def query_buffer(self) -> int:
        """Bytes of the stream that wait for the rest of their unit."""
        return self._upstream.unapplied


class Upstream:
    """A primary to follow. A :class:`~kvcore.ports.WireListener`."""

    __slots__ = (
        "_bare",
        "_buffer",
        "_decoder",
        "_engine",
        "_expected",
        "_failover",
        "_held",
        "_history",
        "_last_io_ms",
        "_next_ack_ms",
        "_next_newline_ms",
        "_next_try_ms",
        "_offset",
        "_owner",
        "_raw",
        "_transfer",
        "_unit",
        "_wire",
        "down_since_ms",
        "host",
        "port",
        "session",
        "state",
    )

    def __init__(self, engine: Engine, owner: Primary, host: str, port: int, *, failover: bool = False) -> None:
        """``failover`` has the other server become a primary first: it is a replica of this one."""
        self._engine = engine
        self._owner = owner
        self._failover = failover
        self.host = host
        self.port = port
        self.state = CONNECT
        self.session: Session | None = None
        """Whose commands the stream's are, once there is a stream."""
        self._wire: Wire | None = None
        self._buffer = b""
        self._expected: list[str] = []
        self._decoder = Decoder(max_bulk_len=_NO_LIMIT)
        self._raw = bytearray()  # of the stream, what has not been applied
        self._held: list[bytes] = []
        self._unit: list[list[bytes]] = []  # a transaction whose EXEC has not come
        self._transfer: Incoming | None = None
        self._history = ""
        self._offset = 0
        self._bare = False
        self._last_io_ms = engine.now_ms()
        self.down_since_ms = -1
        """When the link to a primary was lost, -1 if there is one, or never was."""
        self._next_try_ms = 0
        self._next_ack_ms = 0
        self._next_newline_ms = 0

    # Life

    def stop(self) -> None:
        """Leave the primary for good."""
        if self.state == CONNECTED:
            self.down_since_ms = self._engine.now_ms()
        self._hang_up()
        self._enter(CONNECT)

    def hang_up(self) -> None:
        """End the link; it is made again (CLIENT KILL)."""
        if self._wire is not None:
            self._fail("closed from here")

    def tick(self, now_ms: int) -> None:
        """Connect, acknowledge, give up a link that is silent."""
        if self.state == CONNECT:
            if now_ms >= self._next_try_ms:
                self._connect(now_ms)
            return
        self._take_held()
        timeout_ms = self._engine.config.integer("repl-timeout") * _SECOND_MS
        if now_ms - self._last_io_ms > timeout_ms:
            if self.state == CONNECTED:
                self._fail("MASTER timeout: no data nor PING received...")
            elif self.state == SYNC:
                self._fail(
                    "Timeout receiving bulk data from MASTER... If the problem persists try to set the "
                    "'repl-timeout' parameter in redis.conf to a larger value."
                )
            else:
                self._fail("Timeout connecting to the MASTER...")
        elif self.state == CONNECTED and now_ms >= self._next_ack_ms:
            self._next_ack_ms = now_ms + _SECOND_MS
            self.acknowledge()
        elif self._transfer is not None and now_ms >= self._next_newline_ms and self._wire is not None:
            self._next_newline_ms = now_ms + _SECOND_MS
            self._wire.send(b"\n")  # the primary hears that this server is alive, and busy

    def _connect(self, now_ms: int) -> None:
        self._next_try_ms = now_ms + _SECOND_MS
        self._last_io_ms = now_ms
        logger.info("Connecting to MASTER %s:%d", self.host, self.port)
        self._buffer = b""
        self._decoder = Decoder(max_bulk_len=_NO_LIMIT)
        self._raw.clear()
        self._unit = []
        self._held = []
        self._bare = False
        try:
            self._wire = self._engine.network.open(self.host.encode(), self.port, self)
        except OSError as error:
            logger.warning("Unable to connect to MASTER: %s", error)
            return
        self._enter(CONNECTING)
        logger.info("MASTER <-> REPLICA sync started")

    def _enter(self, state: str) -> None:
        self.state = state
        self._owner.link_changed()

    def _hang_up(self) -> None:
        wire, self._wire = self._wire, None
        if self._transfer is not None:
            self._transfer.discard()
        self._end_transfer()
        if self.session is not None:
            self._owner.database = self.session.call.db.index
            self._engine.drop(self.session)
            self.session = None
        if wire is not None:
            wire.close()

    def _fail(self, why: str) -> None:
        """End the link because of something; it is made again."""
        was_up, was_sync = self.state == CONNECTED, self.state == SYNC
        transfer = self._transfer
        logger.warning("%s", why)
        if transfer is not None and transfer.mode != BESIDE:
            logger.warning("Failed trying to load the MASTER synchronization DB from socket: %s", why)
        self._hang_up()
        self._enter(CONNECT)
        if transfer is not None and transfer.mode != BESIDE:
            logger.info("MASTER <-> REPLICA sync: Discarding temporary DB in background")
        if was_sync:
            logger.info("Reconnecting to MASTER %s:%d after failure", self.host, self.port)
        now_ms = self._engine.now_ms()
        if was_up:
            logger.warning("Connection with master lost.")
            logger.info("Caching the disconnected master state.")
            self.down_since_ms = now_ms
            self._next_try_ms = now_ms  # at once, then once a second
        self._engine.on_deadline(self._next_try_ms)

    # The network's calls

    def connected(self) -> None:
        """Hear that the link is made."""
        logger.info("Non blocking connect for SYNC fired the event.")
        self._enter(HANDSHAKE)
        self._last_io_ms = self._engine.now_ms()
        self._expected = ["ping"]
        self._send([b"PING"])

    def received(self, data: bytes) -> None:
        """Take what the primary sent."""
        if self._wire is None:
            return
        self._last_io_ms = self._engine.now_ms()
        self._owner.received_bytes += len(data)
        self._held.append(data)
        self._take_held()

    def _take_held(self) -> None:
        """Do what was received asks for, unless a script is at work that nothing may change under, or a pause holds."""
        gate = self._engine.gate
        if not self._held or gate & BUSY or (gate & PAUSED and self.state == CONNECTED):
            return
        held, self._held = self._held, []
        try:
            rest: bytes | None = held[0] if len(held) == 1 else b"".join(held)
            while rest and self._wire is not None:
                rest = self._take(rest)
        except (KvcoreError, ValueError) as error:
            self._fail(str(error))

    def lost(self, reason: str) -> None:
        """Hear that the link is gone."""
        if self._wire is not None:
            self._fail(reason if self._transfer is None else self._transfer.broken(reason))

    def delay_ms(self) -> float:
        """Return for how many milliseconds nothing more is to be read."""
        if self._transfer is not None:
            delay_ms = self._transfer.delay_ms()
        else:
            delay_ms = _HELD_UP_MS if sum(map(len, self._held)) > _HELD_MAX else 0.0
        if delay_ms:
            self._last_io_ms = self._engine.now_ms()
        return delay_ms

    def _take(self, data: bytes) -> bytes | None:
        """Do what the state asks for; return what is left for another state."""
        if self.state == CONNECTED:
            self._apply(data)
            return None
        if self._transfer is not None:
            rest = self._transfer.feed(data)
            if rest is not None:
                self._adopt(self._transfer)
            return rest
        self._buffer += data
        line, newline, rest_bytes = self._buffer.partition(b"\n")
        if not newline:
            if len(line) > _LINE_MAX:
                raise LinkError("the primary sent a line without end")
            return None
        self._buffer = b""
        self._hear(line.removesuffix(b"\r"))
        return rest_bytes

    # The handshake

    def _send(self, argv: list[bytes]) -> None:
        if self._wire is not None:
            self._wire.send(encode(argv, 2))

    def _hear(self, line: bytes) -> None:
        """Take one line of the primary's."""
        if self.state == SYNC:
            if line:  # an empty one says that it is still there
                self._begin_transfer(line)
            return
        step = self._expected[0]
        if step == "psync":
            if line:
                self._answered(line)
            return
        self._expected.pop(0)
        is_error = line.startswith(b"-")
        if step == "ping":
            if is_error and not line.startswith(_ALIVE):
                raise LinkError(f"Error reply to PING from master: '{text(line)}'")
            logger.info("Master replied to PING, replication can continue...")
            self._introduce()
        elif step == "auth" and is_error:
            raise LinkError(f"Unable to AUTH to MASTER: {text(line)}")
        elif is_error:
            logger.info("(Non critical) Master does not understand REPLCONF %s: %s", step, printable(line))
        if not self._expected:
            self._ask()

    def _introduce(self) -> None:
        config = self._engine.config
        password = config.string("masterauth").encode("utf-8", "surrogateescape")
        if password:
            user = config.string("masteruser").encode("utf-8", "surrogateescape")
            self._send([b"AUTH", user, password] if user else [b"AUTH", password])
            self._expected.append("auth")
        port = config.integer("replica-announce-port") or self._engine.process.tcp_port
        self._send([b"REPLCONF", b"listening-port", b"%d" % port])
        self._expected.append("listening-port")
        address = config.string("replica-announce-ip")
        if address:
            self._send([b"REPLCONF", b"ip-address", address.encode("utf-8", "surrogateescape")])
            self._expected.append("ip-address")
        self._send([b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"])
        self._expected.append("capa")

    def _ask(self) -> None:
        history, offset = self._owner.position
        self._expected = ["psync"]
        if self._failover:
            logger.info("Initiating a failover PSYNC to %s:%d.", self.host, self.port)
            self._send([b"PSYNC", history.encode(), b"%d" % (offset + 1), b"FAILOVER"])
        elif history:
            logger.info("Trying a partial resynchronization (request %s:%d).", history, offset + 1)
            self._send([b"PSYNC", history.encode(), b"%d" % (offset + 1)])
        else:
            logger.info("Partial resynchronization not possible (no cached master)")
            self._send([b"PSYNC", b"?", b"-1"])

    def _answered(self, line: bytes) -> None:
        words = line.split() or [b""]
        self._expected = []
        if self._failover:
            self._failover = False
            if not self._owner.failover.answered(line):
                return
        if words[0] == b"+FULLRESYNC":
            self._read_position(words)
            self._enter(SYNC)
        elif words[0] == b"+CONTINUE":
            logger.info("Successful partial resynchronization with master.")
            known = len(words) > 1 and len(words[1]) == _ID_BYTES
            self._owner.go_on(text(words[1]).lower() if known else "")
            logger.info("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.")
            self._go_online(self._owner.database)
        elif line.startswith((b"-NOMASTERLINK", b"-LOADING")):
            raise LinkError(f"Master is currently unable to PSYNC but should be in the future: {text(line)}")
        elif line.startswith(b"-"):
            logger.info("Master does not support PSYNC or is in error state (reply: %s)", printable(line))
            logger.info("Retrying with SYNC...")
            self._history, self._offset, self._bare = "", -1, True
            self._enter(SYNC)
            if self._wire is not None:
                self._wire.send(b"SYNC\r\n")
        else:
            raise LinkError(f"Unexpected reply to PSYNC from master: {text(line)}")

    def _read_position(self, words: list[bytes]) -> None:
        """Note where the stream behind the data set will begin, and in which history."""
        if len(words) == 3 and len(words[1]) == _ID_BYTES and words[2].isdigit():
            self._history, self._offset = text(words[1]).lower(), int(words[2])
            logger.info("Full resync from master: %s:%d", self._history, self._offset)
        else:
            logger.warning("Master replied with wrong +FULLRESYNC syntax.")
            self._history, self._offset = "", 0

    # The data set

    def _begin_transfer(self, line: bytes) -> None:
        if line.startswith(b"-"):
            raise LinkError(f"MASTER aborted replication with an error: {text(line[1:])}")
        engine = self._engine
        mode = mode_for(engine, self._history)
        kind, mark = line[:1], line[5:]
        if line.startswith(b"$EOF:") and len(mark) == MARK_BYTES:
            logger.info("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to parser")
            self._transfer = Incoming(engine, mode, -1, mark)
        elif kind == b"$" and line[1:].isdigit():
            size = int(line[1:])
            logger.info("MASTER <-> REPLICA sync: receiving %d bytes from master to parser", size)
            self._transfer = Incoming(engine, mode, size)
        else:
            raise LinkError(
                f"Bad protocol from MASTER, the first byte is not '$' (we received '{text(line[:40])}'), "
                "are you sure the host and port are right?"
            )
        if mode != BESIDE:
            engine.begin_receiving(exclusive=mode == EXCLUSIVE)
            logger.info("MASTER <-> REPLICA sync: Loading DB in memory")

    def _end_transfer(self) -> None:
        self._transfer = None
        self._engine.end_receiving()

    def _adopt(self, transfer: Incoming) -> None:
        """Put the data set that was received in the place of the old one. O(databases), O(keys) with a memory limit."""
        engine = self._engine
        self._end_transfer()
        if transfer.mode == BESIDE:
            logger.info("MASTER <-> REPLICA sync: Flushing old data")
            logger.info("MASTER <-> REPLICA sync: Loading DB in memory")
        logger.info("Done loading RDB, keys loaded: %d, keys expired: 0.", transfer.loader.loaded)
        if transfer.mode != BESIDE:
            logger.info("MASTER <-> REPLICA sync: Swapping active DB with loaded DB")
        engine.libraries.flush()
        for db, loaded in zip(engine.keyspace.databases, transfer.keyspace.databases, strict=True):
            transfer.loader.replace(loaded, db)
        for source in transfer.libraries:
            try:
                engine.libraries.load(source)
            except CommandError as error:
                logger.warning("A function library of the primary does not load: %s", error)
        engine.caching.flushed()
        engine.statistics.dirty = 0
        stream_db = transfer.loader.aux.get(b"repl-stream-db", b"0")
        self._owner.adopt(self._history, max(0, self._offset))
        if transfer.mode != BESIDE:
            logger.info("MASTER <-> REPLICA sync: Discarding old DB in background")
        logger.info("MASTER <-> REPLICA sync: Finished with success")
        if transfer.size < 0:
            self._bare = False  # who marks an end knows of acknowledgements, and goes on when one has come
        self._go_online(int(stream_db) if stream_db.isdigit() else 0)
        engine.persistence.replaced()
        engine.pending = True
        engine.finish_unit()

    def _go_online(self, database: int) -> None:
        engine = self._engine
        wire = self._wire
        assert wire is not None
        session = engine.session(LinkPeer(f"{self.host}:{self.port}", wire, self), trusted=True)
        session.kind = "master"
        session.account = almighty = User.almighty(engine.acl.vocabulary)
        almighty.name = b"(superuser)"
        session.close = self.hang_up
        session.call.db = engine.keyspace.databases[database]
        self.session = session
        self.down_since_ms = -1
        self._enter(CONNECTED)
        self._next_ack_ms = engine.now_ms() + _SECOND_MS
        self.acknowledge()

    # The stream

    @property
    def unapplied(self) -> int:
        """Bytes of the stream that were read and whose units have not run. O(pieces that are held up)."""
        return len(self._raw) + sum(map(len, self._held))

    def acknowledge(self) -> None:
        """Tell the primary how far this server is."""
        if not self._bare and self.state == CONNECTED:
            self._send([b"REPLCONF", b"ACK", b"%d" % self._owner.offset])

    def _apply(self, data: bytes) -> None:
        """Run the commands that are complete."""
        decoder = self._decoder
        if not self._raw and data[0] not in _BEGINNINGS:
            self._owner.forget_position()
            raise LinkError("Receiving inline protocol from master, master stream corruption?")
        self._raw += data
        decoder.feed(data)
        try:
            while commands := decoder.take():
                self._take_commands(commands)
        except ProtocolError:
            self._owner.forget_position()
            raise
        if not decoder.buffered and not self._unit:
            self._advance(0)  # a bare line end is a part of the stream, too

    def _take_commands(self, commands: list[list[bytes]]) -> None:
        """Run commands, transactions as a whole; answer a question with what was applied before it."""
        begun = 0
        opened = -1  # where in ``commands`` the last MULTI without an EXEC is
        is_open = bool(self._unit)
        for number, argv in enumerate(commands):
            word = _FRAME.get(argv[0])
            if word is None:
                continue
            if word == "multi":
                if not is_open:
                    opened, is_open = number, True
            elif word == "exec":
                opened, is_open = -1, False
            elif not is_open:
                self._run(commands[begun:number])
                self._advance(_size(commands[number:]))
                if len(argv) > 1 and argv[1].lower() == b"getack":
                    self.acknowledge()
                begun = number + 1
        if not is_open:
            self._run(commands[begun:])
            self._advance(0)
        elif opened < 0:
            self._unit += commands
        else:
            self._run(commands[begun:opened])
            self._unit = commands[opened:]
            self._advance(_size(self._unit))

    def _run(self, commands: list[list[bytes]]) -> None:
        """Run commands behind those that waited for their EXEC."""
        session = self.session
        if session is None:
            return  # the stream itself ended the link
        if self._unit:
            commands = self._unit + commands
            self._unit = []
        engine = self._engine
        keyspace = engine.keyspace
        replies: list[Reply] = []
        keyspace.frozen, keyspace.replaying = False, True
        try:
            ran = 0
            while ran < len(commands) and self.session is session:
                ran += engine.execute_many(session, commands[ran:] if ran else commands, replies)
                if session.interrupt & CLOSE:
                    self.hang_up()
                session.interrupt = 0
        finally:
            keyspace.frozen, keyspace.replaying = engine.is_replica, False
        session.outbox.clear()
        session.last_ms = self._last_io_ms
        for number, reply in enumerate(replies):
            if isinstance(reply, CommandError):
                self._complain(commands[number], reply)
            elif isinstance(reply, list) and commands[number][0] in _EXEC:
                for back, each in enumerate(reversed(reply), 1):
                    if isinstance(each, CommandError):
                        self._complain(commands[number - back], each)
            elif isinstance(reply, Blocked):
                engine.blocking.remove(reply)

    def _complain(self, argv: list[bytes], error: CommandError) -> None:
        """Log that a command failed which did not where it came from, and end the process if that is wanted."""
        engine = self._engine
        engine.statistics.unexpected_errors += 1
        name = engine.resolve(argv).full_name or "<unknown>"
        logger.critical(
            "== CRITICAL == This replica is sending an error to its master: '%s' after processing the command '%s'",
            error,
            name,
        )
        if engine.read_only and engine.config.string("propagation-error-behavior") != "ignore":
            line = "This replica panicked sending an error to its master after processing the command '%s'"
            logger.critical(line, name)
            engine.process.crash(False)

    def _advance(self, left: int) -> None:
        """Count what ran as applied, all but the last ``left`` bytes of whole commands, and pass it on."""
        if self.session is None:
            return
        done = len(self._raw) - self._decoder.buffered - left
        if done > 0:
            self._owner.relay(bytes(self._raw[:done]))
            del self._raw[:done]

    # INFO

    def loading(self) -> dict[str, str | int]:
        """Return the fields of INFO persistence about a transfer that clients know of."""
        return {} if self._transfer is None else self._transfer.fields()

    def fields(self) -> dict[str, str | int]:
        """Return the fields of INFO replication about the primary."""
        now_ms = self._engine.now_ms()
        up = self.state == CONNECTED
        since_io_s = (now_ms - self._last_io_ms) // 1000 if up else -1
        fields: dict[str, str | int] = {
            "master_host": self.host,
            "master_port": self.port,
            "master_link_status": "up" if up else "down",
            "master_last_io_seconds_ago": since_io_s,
            "master_sync_in_progress": int(self.state == SYNC),
            "slave_read_repl_offset": self._owner.offset + self.unapplied,
            "slave_repl_offset": self._owner.offset,
        }
        if self.state == SYNC:
            transfer = self._transfer
            size = -1 if transfer is None else max(0, transfer.size)
            received = 0 if transfer is None else transfer.received
            fields |= {
                "master_sync_total_bytes": size,
                "master_sync_read_bytes": received,
                "master_sync_left_bytes": size - received,
                "master_sync_perc": f"{100 * received / size if size > 0 else 0.0:.2f}",
                "master_sync_last_io_seconds_ago": (now_ms - self._last_io_ms) // 1000,
            }
        if not up:
            since_ms = self.down_since_ms
            fields["master_link_down_since_seconds"] = -1 if since_ms < 0 else (now_ms - since_ms) // 1000
        return fields


def _size(commands: list[list[bytes]]) -> int:
    """Return how many bytes of the stream commands are. O(arguments)."""
    return sum(len(encode(argv, 2)) for argv in commands)
