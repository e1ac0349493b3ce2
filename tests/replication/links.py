"""A replica's end of a link without a socket, for tests of the primary's side.

Lives here: a session whose outbox a test empties as a slow or a fast network would. Must not live here: fixtures and
expected values.
"""

from __future__ import annotations

from kvcore.engine import Engine
from kvcore.replies import NO_REPLY, Raw, Reply
from kvcore.resp.encoder import encode_many
from kvcore.session import CLOSE
from tests.engine_client import Argument, encode
from tests.waiting import until


class SlowPeer:
    """What CLIENT LIST sees of the link."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.local_address = "127.0.0.1:6379"
        self.descriptor = -1
        self.query_buffer = self.announced = self.argument_bytes = self.request_bytes = 0
        self.output_buffer = 0


class Link:
    """A client that may become a replica: what it is sent comes out of :meth:`read`."""

    def __init__(self, engine: Engine, address: str = "127.0.0.1:50001") -> None:
        self.engine = engine
        self.peer = SlowPeer(address)
        self.session = engine.session(self.peer)
        self.session.close = self._close
        self.session.alive = lambda: not self.closed
        self.closed = False

    def __call__(self, *words: Argument) -> Reply:
        """Run a command as a server would; return its reply, which is None where there is none."""
        outbox = self.session.outbox
        self.engine.execute_many(self.session, [[encode(word) for word in words]], outbox)
        reply = outbox.pop()
        return None if reply is NO_REPLY else reply

    def error(self, *words: Argument) -> str:
        """Run a command that must fail; return the error text."""
        reply = self(*words)
        assert isinstance(reply, Exception), reply
        return str(reply)

    def follow(self, *capabilities: str) -> None:
        """Ask for everything, as a replica that has nothing."""
        for each in capabilities:
            assert self("REPLCONF", "capa", each) == "OK"
        assert self("PSYNC", "?", -1) is None

    def continue_from(self, history: str, offset: int) -> bytes:
        """Ask for the stream from an offset on; return what comes at once."""
        assert self("PSYNC", history, offset) is None
        return self.read()

    def acknowledge(self, offset: int) -> None:
        """Say how far the replica is."""
        assert self("REPLCONF", "ACK", offset) is None

    @property
    def unread(self) -> int:
        """Bytes that were sent and not read."""
        return sum(len(part) for part in self.session.outbox if isinstance(part, Raw))

    def read(self) -> bytes:
        """Take everything that was sent, as the encoder puts it on the wire."""
        data = encode_many(self.session.outbox, self.session.protocol)
        self.session.outbox.clear()
        return data

    @property
    def is_ending(self) -> bool:
        """Whether the link was closed, or will be once everything has been sent."""
        return self.closed or bool(self.session.interrupt & CLOSE)

    def hang_up(self) -> None:
        """End the link from this side."""
        self.closed = True
        self.engine.drop(self.session)
        self.session.detach()

    def _close(self) -> None:
        self.closed = True


def tick(engine: Engine, times: int = 1) -> None:
    """Let the engine work as often as that, time standing still."""
    for _ in range(times):
        engine.tick()


def settle(engine: Engine) -> None:
    """Tick until a snapshot that is running, or about to begin, has ended."""

    def ended() -> bool:
        engine.tick()
        return not engine.background.busy

    until("the snapshot ends", ended, pause=0)
