"""One client connection without its socket: bytes in, commands run, bytes out.

Every server uses this one: decoding, pipelining, pushes, parked commands, limits and closing live here and nowhere
else. A transport does four things: it calls :meth:`Connection.receive` and :meth:`Connection.lost`, it writes what it
is given, it calls :meth:`Connection.flush` soon after :meth:`Transport.schedule` was called (from any thread), and it
stops reading and closes when told.

All methods but ``wake``, ``deliver`` and ``kill`` run on the connection's own event loop; those run anywhere, under the
engine lock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, Protocol

from kvcore import errors
from kvcore.errors import ProtocolError
from kvcore.frontends.host import Host
from kvcore.monitor import quote
from kvcore.replies import NO_REPLY, Raw, Reply
from kvcore.resp.decoder import Decoder
from kvcore.resp.encoder import encode_many
from kvcore.session import (
    BLOCKED,
    CLOSE,
    NEEDS_AUTH,
    PUSHES,
    REPLY_OFF,
    REPLY_SKIP,
    REPLY_SKIP_NEXT,
    SWITCHED,
)

logger = logging.getLogger("kvcore.connection")

COMMANDS_PER_TURN: Final = 1024
"""A connection gives way to the others after this many commands: about two milliseconds under the lock."""


REPLIES_PER_WRITE: Final = 16
"""Replies encoded together without a look at the output limit between them."""

REPLY_BYTES: Final = 16 * 1024
"""What may be sent without a look at the output limit: the real server keeps that much in a buffer of its own."""

_MOST_REPLIES_PER_WRITE: Final = 64
_LARGE_BYTES: Final = 1 << 20


class Transport(Protocol):
    """What a connection needs of its socket."""

    def write(self, data: bytes) -> None:
        """Send bytes, buffering what the operating system does not take."""
        ...

    def buffered(self) -> int:
        """Return how many bytes written are not sent yet."""
        ...

    def close(self) -> None:
        """Send what is buffered, then close."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...

    def hang_up(self) -> None:
        """Let the client see the end; ``abort`` follows. Any thread may call this, under the engine lock."""
        ...

    def schedule(self) -> None:
        """Have ``flush`` called soon on the connection's own event loop. Any thread may call this."""
        ...

    def pause_reading(self) -> None:
        """Leave what the client sends with the operating system."""
        ...

    def resume_reading(self) -> None:
        """Go on reading."""
        ...


class RefusedError(Exception):
    """A client may not come in; ``reply`` says why."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply


class Connection:
    """The protocol side of one client. ``origin`` is the socket's peer address; raises RefusedError."""

    __slots__ = (
        "_buffered_before",
        "_closing",
        "_commands",
        "_decoder",
        "_delivered",
        "_early",
        "_encoded_as",
        "_ended",
        "_execute_many",
        "_host",
        "_killed",
        "_left_off",
        "_over_soft_since_ms",
        "_position",
        "_reading",
        "_running",
        "_scheduled",
        "_transport",
        "_weighed",
        "address",
        "descriptor",
        "local_address",
        "session",
    )

    def __init__(
        self,
        host: Host,
        transport: Transport,
        address: str,
        local_address: str,
        descriptor: int,
        origin: object = None,
    ) -> None:
        self._host = host
        self._transport = transport
        self.address = address
        self.local_address = local_address
        self.descriptor = descriptor
        self._decoder = Decoder()
        self.follow_config()
        self._commands: list[list[bytes]] = []
        self._position = 0
        """Commands decoded, and how many of them have run."""
        self._closing = False
        self._killed = False
        self._running = False
        self._scheduled = False
        self._reading = True
        self._ended = False
        self._left_off = False
        """A command parked, or the turn was over: ``flush`` goes on with what was received meanwhile."""
        self._delivered = -1
        """Where in the outbox the reply of a parked command stands, -1 if there is none."""
        self._over_soft_since_ms = 0
        self._weighed = False
        """Something that waited here is in the account of :mod:`kvcore.client_memory`."""
        self._buffered_before = 0
        self._early: list[bytes] = []
        self._execute_many = host.engine.execute_many
        with host.lock:  # one hold for the check and the session: several loops must not pass `maxclients` together
            refused = refusal(host, origin)
            if refused:
                raise RefusedError(refused)
            host.engine.statistics.connections += 1
            self.session = session = host.engine.session(self)
            session.wake = self.wake
            session.deliver = self.deliver
            session.close = self.kill
            session.alive = self.is_open
        self._encoded_as = session.protocol

    # The peer, for CLIENT LIST

    @property
    def query_buffer(self) -> int:
        """Bytes received that are part of no argument yet, and of complete commands that wait. O(their arguments)."""
        waiting = self._commands[self._position :]
        return self._decoder.unparsed + sum(map(encoded_bytes, waiting))

    @property
    def announced(self) -> int:
        """Bytes of a large argument that are still to come."""
        return self._decoder.announced

    @property
    def argument_bytes(self) -> int:
        """Bytes of the arguments received of a command that is not complete. O(arguments)."""
        return self._decoder.argument_bytes

    @property
    def request_bytes(self) -> int:
        """What an incomplete command takes, and will take once a large argument is there. O(1)."""
        return self._decoder.buffered + self._decoder.announced

    @property
    def output_buffer(self) -> int:
        """Bytes written and not sent."""
        return self._transport.buffered()

    def through(self, wrap: Callable[[Transport], Transport]) -> None:
        """Put something between the connection and its transport from now on (fault injection)."""
        self._transport = wrap(self._transport)

    def is_open(self) -> bool:
        """Whether a reply can still reach the client."""
        return not self._closing

    def follow_config(self) -> None:
        """Take over a changed `proto-max-bulk-len`. Any thread may call this."""
        self._decoder.max_bulk_len = self._host.engine.limits.string_bytes

    # Events of the transport

    def receive(self, data: bytes) -> None:
        """Take bytes from the client and run the commands they complete."""
        decoder = self._decoder
        decoder.feed(data)
        size = len(data)
        statistics = self._host.engine.statistics
        statistics.reads += 1
        statistics.input_bytes += size
        if size == 1 and self.session.kind == "replica":
            self._hear_replica()
        if self._left_off:
            # Parked, or more is queued: read on, so that a disconnection is seen, up to the limit.
            self._check_query_buffer()
            return
        self._run()
        if decoder.buffered:
            self.session.last_ms = self._host.now_ms
            self._check_query_buffer()
        elif self._weighed:
            self._weigh()

    def _hear_replica(self) -> None:
        """Take note of a single byte, a line end: what a replica that loads a snapshot says each second."""
        with self._host.lock:
            self._host.engine.replication.hear(self.session)

    def end(self) -> bool:
        """Hear that the client will send nothing more; False if that ends the session.

        What it sent before is answered first; but a parked command, that may never be served, is dropped.
        """
        self.flush()
        self._ended = self._left_off and self.session.blocked is None and not self._closing
        if not self._ended:
            self.lost()
        return self._ended

    def lost(self) -> None:
        """The connection is gone, or the client will send no more: end the session."""
        self._closing = True
        self._commands = []
        with self._host.lock:
            self._host.engine.drop(self.session)
            self.session.detach()

    def flush(self) -> None:
        """Send what other sessions put in the outbox, and go on with commands that waited."""
        with self._host.lock:
            self._scheduled = False
            was_closing = self._closing
            if self._delivered >= 0:
                self._unpark()
            replies = self._take_outbox()
            if self.session.interrupt & CLOSE:
                self._closing = True
                self._host.engine.drop(self.session)
        if self._killed:
            self._transport.abort()
            return
        if was_closing:
            return
        if replies or self._early:
            self._send(replies)
        if self._closing:
            self._transport.close()
        elif self._left_off and self.session.blocked is None:
            self._run()

    def _unpark(self) -> None:
        """Treat the reply of a command that ended while parked as one that has just run."""
        outbox = self.session.outbox
        later = outbox[self._delivered + 1 :]
        del outbox[self._delivered + 1 :]
        self._delivered = -1
        if self.session.interrupt:
            self._interrupted()
        outbox += later

    def deliver(self, reply: Reply) -> None:
        """Take the reply of the parked command. Called under the engine lock, from any thread."""
        outbox = self.session.outbox
        self._delivered = len(outbox)
        outbox.append(reply)
        self.wake()

    def wake(self) -> None:
        """Have the outbox sent soon. Called under the engine lock, from any thread."""
        if not self._running and not self._scheduled:
            self._scheduled = True
            self._transport.schedule()

    def kill(self) -> None:
        """Close from outside: CLIENT KILL, a limit, a shutdown. Called under the engine lock, from any thread."""
        self.session.interrupt |= CLOSE
        if not (self._closing or self._running):  # one that is lost meanwhile waits for the lock, its socket open
            self._transport.hang_up()
        self._killed = self._closing = self._scheduled = True
        self._transport.schedule()

    # Running commands

    def _run(self) -> None:
        """Run decoded commands until they are used up, one parks or closes the session, or the turn is over."""
        budget = COMMANDS_PER_TURN
        decoder = self._decoder
        while not self._closing:
            if not self._commands:
                decoder.restricted = bool(self.session.gate & NEEDS_AUTH)
                try:
                    self._commands = decoder.take()
                except ProtocolError as error:
                    self._protocol_error(error)
                    return
                self._position = 0
                if not self._commands:
                    if self._left_off:
                        self._left_off = False
                        self._read(True)
                    return
            budget -= self._run_some(budget)
            if self.session.blocked is not None:
                self._left_off = True
                # What follows waits; but whether the client is still there must be seen.
                self._read(True)
                return
            if budget <= 0:
                self._left_off = True
                # It sends faster than commands run: what is left to the operating system, it holds back itself.
                self._read(False)
                with self._host.lock:
                    self.wake()
                return

    def _read(self, reading: bool) -> None:
        """Read on, or stop reading; close instead of reading on where nothing will come."""
        if reading and self._ended:
            self.lost()
            self._transport.close()
        elif reading != self._reading and not (self._closing or self._ended):
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _run_some(self, budget: int) -> int:
        """Run up to ``budget`` decoded commands under the lock and send their replies; return how many ran."""
        session = self.session
        commands = self._commands
        position = self._position
        if position or len(commands) > budget:
            commands = commands[position : position + (1 if session.interrupt else budget)]
        with self._host.lock:
            self._running = True
            if session.interrupt:
                ran = self._run_one(commands[0])
            else:
                ran = self._execute_many(session, commands, session.outbox)
                if session.interrupt:
                    self._interrupted()
            session.last_ms = self._host.now_ms  # as of the last tick: idle times count seconds
            self._running = False
            replies = self._take_outbox()
        self._position = position = position + ran
        if position >= len(self._commands):
            self._commands = []
        if replies or self._early:
            self._send(replies)
        if self._closing:
            self._transport.close()
        return ran

    def _run_one(self, argv: list[bytes]) -> int:
        """Run a command of a session that has its replies switched off, or was killed meanwhile."""
        if self._closing:
            return 0
        self._execute_many(self.session, (argv,), self.session.outbox)
        self._interrupted()
        return 1

    def _interrupted(self) -> None:
        """Handle what the last command, whose reply ends the outbox, did to its connection."""
        session = self.session
        outbox = session.outbox
        flags = session.interrupt
        if flags & BLOCKED:
            outbox.pop()  # the Blocked itself: the reply comes through deliver, and what is asked of it waits with it
            if flags & PUSHES:
                session.release_pushes()
            return
        if session.kind == "replica":
            self._check_replica()
            outbox[-1] = NO_REPLY
        elif flags & (REPLY_OFF | REPLY_SKIP):
            outbox[-1] = NO_REPLY
        if flags & REPLY_SKIP:
            session.interrupt &= ~REPLY_SKIP
        if flags & REPLY_SKIP_NEXT:
            session.interrupt = session.interrupt & ~REPLY_SKIP_NEXT | REPLY_SKIP
        if flags & SWITCHED:
            session.interrupt &= ~SWITCHED
            reply = outbox.pop()
            self._early.append(encode_many(outbox, self._encoded_as))
            outbox[:] = [reply]
            self._encoded_as = session.protocol
        if flags & PUSHES:
            session.release_pushes()
        if flags & CLOSE:
            self._closing = True
            self._commands = []
            self._host.engine.drop(session)  # whoever hears of the reply finds the client gone

    def _check_replica(self) -> None:
        """Close a replica that asks for something: it could take the answer for a part of the stream."""
        outbox = self.session.outbox
        if all(part is NO_REPLY or type(part) is Raw for part in outbox):
            return
        outbox[:] = [NO_REPLY]
        name = self.session.call.command.full_name
        logger.warning("Replica generated a reply to command '%s', disconnecting it: %s", name, self.address)
        self._host.engine.disconnect(self.session)

    def _protocol_error(self, error: ProtocolError) -> None:
        self._closing = True
        with self._host.lock:
            self._host.engine.statistics.count_error("ERR")
            if self.session.kind == "replica":
                self._host.engine.disconnect(self.session)
                return
            self._host.engine.drop(self.session)
        self._transport.write(b"-ERR %b\r\n" % str(error).encode("utf-8", "surrogateescape"))
        self._transport.close()

    # Output

    def _take_outbox(self) -> list[Reply]:
        replies = self.session.outbox
        self.session.outbox = []
        return replies

    def _send(self, replies: list[Reply]) -> None:
        if len(replies) > REPLIES_PER_WRITE:
            self._send_in_parts(replies)
        else:
            self._send_together(replies)

    def _send_together(self, replies: list[Reply]) -> None:
        data = encode_many(replies, self._encoded_as)
        if self._early:
            data = b"".join(self._early) + data
            self._early.clear()
        if not data:
            return
        size = len(data)
        statistics = self._host.engine.statistics
        statistics.writes += 1
        statistics.output_bytes += size
        self._transport.write(data)

    def _send_in_parts(self, replies: list[Reply]) -> None:
        """Send many replies, but no more of them than the output limit allows: one value may stand in all of them."""
        start, count = 0, REPLIES_PER_WRITE // 2
        while start < len(replies) and not self._killed:
            self._send_together(replies[start : start + count])
            start += count
            if self._transport.buffered() > _LARGE_BYTES:
                self.check_output()
                count = 1
            else:
                count = min(2 * count, _MOST_REPLIES_PER_WRITE)

    def check_output(self) -> bool:
        """Close a client for whom too much waits (`client-output-buffer-limit`); False if it is closed.

        The transport asks after it sent, and before that if it is more than :data:`REPLY_BYTES`.
        """
        if self._killed:
            return False
        buffered = self._transport.buffered()
        is_replica = self.session.kind == "replica"
        if is_replica:
            buffered = min(buffered, self._host.engine.replication.stream_bytes(self.session))
        if not buffered:
            self._over_soft_since_ms = 0
            if self._weighed and not self._decoder.buffered:
                self._weigh()
            return True
        engine = self._host.engine
        hard, soft, soft_seconds = engine.config.output_limit(self.session.kind)
        if is_replica and hard:  # with less it could go on from the backlog at once, and be closed again
            hard = max(hard, engine.config.integer("repl-backlog-size"))
        over_hard = bool(hard) and buffered >= hard
        if soft and buffered >= soft:
            now = engine.now_ms()
            self._over_soft_since_ms = self._over_soft_since_ms or now
            over_hard = over_hard or now - self._over_soft_since_ms > soft_seconds * 1000
        else:
            self._over_soft_since_ms = 0
        if over_hard:
            engine.statistics.output_limit_disconnections += 1
            logger.warning(
                "Client %s scheduled to be closed ASAP for overcoming of output buffer limits.", self._description()
            )
            self._close_from_here()
        elif engine.client_memory.watching:
            self._weigh()
        return not self._killed

    def _weigh(self) -> None:
        """Have it counted what waits here, until nothing does."""
        self._weighed = self._decoder.buffered > 0 or self._transport.buffered() > 0
        with self._host.lock:
            self._host.engine.client_memory.weigh(self.session)

    def _description(self) -> str:
        """Return this client's line of CLIENT LIST."""
        with self._host.lock:
            return errors.printable(self._host.engine.acl.describe_client(self.session))

    def _close_from_here(self) -> None:
        with self._host.lock:
            self._host.engine.disconnect(self.session)

    def _check_query_buffer(self) -> None:
        engine = self._host.engine
        if self._decoder.unparsed > engine.config.integer("client-query-buffer-limit"):
            engine.statistics.query_limit_disconnections += 1
            logger.warning(
                "Closing client that reached max query buffer length: %s (qbuf initial bytes: %s)",
                self._description(),
                quote(self._decoder.start(64)),
            )
            self._close_from_here()
        elif engine.client_memory.watching:
            self._weigh()

    def check(self, now_ms: int, timeout_s: int) -> None:
        """Close a client that stayed over a soft limit, or sent nothing for `timeout` seconds without reason."""
        self.check_output()
        session = self.session
        buffered = self._transport.buffered()
        if buffered != self._buffered_before:
            self._buffered_before = buffered
            session.last_ms = now_ms  # it still takes a long reply
        idle_ms = now_ms - session.last_ms
        if idle_ms > 1000 and session.call.argv and session.blocked is None:
            with self._host.lock:
                session.forget_command()
        waiting = session.blocked is not None or session.subscriptions or session.monitor
        if timeout_s and idle_ms > timeout_s * 1000 and not waiting and session.kind == "normal":
            logger.debug("Closing idle client %s", self.address)
            self._close_from_here()


def encoded_bytes(argv: list[bytes]) -> int:
    """Return how long a command is on the wire, as most clients send it. O(arguments)."""
    return len(b"*%d\r\n" % len(argv)) + sum(len(b"$%d\r\n\r\n" % len(argument)) + len(argument) for argument in argv)


def refusal(host: Host, peer: object) -> bytes:
    """Return what to say to a client before its session begins, b"" if it may come in. The caller holds the lock.

    ``peer`` is the socket's peer address: a tuple that begins with the IP address, or a path.
    """
    engine = host.engine
    config = engine.config
    text = ""
    if len(engine.sessions) >= config.integer("maxclients"):
        text = errors.MAX_CLIENTS
    elif config.flag("protected-mode") and engine.acl.default.nopass and _is_stranger(peer):
        text = errors.PROTECTED_MODE
    if not text:
        return b""
    engine.statistics.rejected_connections += 1
    return b"-%b\r\n" % text.encode()


def _is_stranger(peer: object) -> bool:
    return isinstance(peer, tuple) and not ip_address(peer[0].partition("%")[0]).is_loopback
