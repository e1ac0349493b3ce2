"""Keys on their way to another server: what MIGRATE says to the target, and what it makes of the answers.

Lives here: the requests, the replies, the links kept open between two migrations. Must not live here: the command's
options (:mod:`kvcore.commands.migrating`) and sockets, which come from the engine's
:class:`~kvcore.ports.Network`. The rule: :class:`Transfer` touches nothing but its link, because it runs on a thread
of the network's while the engine goes on; what it learned is applied under the engine lock, by :meth:`Migrations.end`.

A key is given up here only after the target has said ``+`` to it. A target may answer anything, at any pace: a line is
read up to a limit and within the time-out, and whatever is no answer to RESTORE ends the conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.errors import CommandError
from kvcore.notifications import GENERIC
from kvcore.replies import OK, Reply

if TYPE_CHECKING:
    from kvcore.clock import Clock
    from kvcore.engine import Engine
    from kvcore.keyspace import Database, Value
    from kvcore.ports import Link, Network

IDLE_MS: Final = 10_000
"""A link nobody used for so long is closed."""

LINKS_MAX: Final = 64
LINE_MAX: Final = 16_384
"""A reply's line may have so many bytes; an error's text is the longest there is."""

Target = tuple[bytes, int, tuple[bytes, ...]]
"""Host, port, and the credentials given with the command: a link is used again by who knows the same ones."""

Item = tuple[bytes, "Value", bytes]
"""Key, its value when the migration began, and the request that restores it."""


class OpenLink:
    """A link with what its other end is known to be set to."""

    __slots__ = ("database", "link", "used_ms")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.database = -1
        """The database selected there; -1 if that is not known."""
        self.used_ms = 0


class Transfer:
    """One conversation with a target."""

    __slots__ = (
        "_buffer",
        "_clock",
        "_network",
        "acknowledged",
        "error",
        "finished",
        "items",
        "number",
        "open_link",
        "target",
        "timeout_ms",
    )

    def __init__(
        self, network: Network, clock: Clock, target: Target, number: int, timeout_ms: int, items: list[Item]
    ) -> None:
        self._network = network
        self._clock = clock
        self._buffer = bytearray()
        self.target = target
        self.number = number
        """The database to restore into."""
        self.timeout_ms = timeout_ms
        self.items = items
        self.open_link: OpenLink | None = None
        """A link left from before; afterwards the one to keep, if any."""
        self.acknowledged: list[int] = []
        """Places in ``items`` of what the target has now."""
        self.error = ""
        """What the command answers in place of OK."""
        self.finished = False
        """Whether :meth:`run` came to its end."""

    def run(self) -> None:
        """Send everything and read every answer. Blocks: at most the time-out for each write, and for each reply."""
        if self.open_link is not None and not self._attempt():
            # What was kept open had ended meanwhile; nothing was acknowledged, so it starts anew.
            self.error = ""
        if self.open_link is None and not self.error and not self.acknowledged:
            self._attempt()
        self.finished = True

    def _attempt(self) -> bool:
        """Talk to the target once; False if a link from before turned out to be closed and another try is due."""
        kept = self.open_link
        opened = kept if kept is not None else self._connect()
        if opened is None:
            return True
        self.open_link = None
        self._buffer.clear()
        requests, answers = self._requests(opened)
        writing = True
        try:
            opened.link.send(b"".join(requests), self.timeout_ms / 1000)
            writing = False
            self._read_answers(opened, answers)
        except OSError as error:
            opened.link.close()
            if kept is not None and not self.acknowledged and not self.error and not isinstance(error, TimeoutError):
                return False
            if not self.error:
                self.error = errors.MIGRATE_WRITING if writing else errors.MIGRATE_READING
            return True
        self.open_link = opened
        return True

    def _connect(self) -> OpenLink | None:
        host, port, _ = self.target
        try:
            return OpenLink(self._network.connect(host, port, self.timeout_ms / 1000))
        except ConnectionError:
            # The real server notices a refused connection when it writes.
            self.error = errors.MIGRATE_WRITING
        except OSError:
            self.error = errors.MIGRATE_CONNECTING
        return None

    def _requests(self, opened: OpenLink) -> tuple[list[bytes], int]:
        """Return what to send, and how many replies come before those to RESTORE."""
        requests: list[bytes] = []
        credentials = self.target[2]
        if credentials:
            requests.append(request(b"AUTH", *credentials))
        if opened.database != self.number:
            requests.append(request(b"SELECT", b"%d" % self.number))
        before = len(requests)
        requests += [item[2] for item in self.items]
        return requests, before

    def _read_answers(self, opened: OpenLink, before: int) -> None:
        first_error = b""
        for _ in range(before):
            line = self._read_line(opened.link)
            if line[:1] == b"-" and not first_error:
                first_error = line
        for place in range(len(self.items)):
            line = self._read_line(opened.link)
            # Restored without being let in, or into another database, does not count.
            refusal = first_error or (line if line[:1] == b"-" else b"")
            if not refusal:
                self.acknowledged.append(place)
            elif not self.error:
                self.error = errors.target_replied(refusal[1:])
        opened.database = -1 if self.error else self.number

    def _read_line(self, link: Link) -> bytes:
        """Return the next line, which must be a status or an error; raise OSError for anything else."""
        buffer = self._buffer
        deadline_ns = self._clock.steady_ns() + self.timeout_ms * 1_000_000
        searched = 0
        while (end := buffer.find(b"\r\n", searched)) < 0:
            if len(buffer) > LINE_MAX:
                raise ConnectionAbortedError("the target's reply does not end")
            left_ns = deadline_ns - self._clock.steady_ns()
            if left_ns <= 0:
                raise TimeoutError
            searched = max(0, len(buffer) - 1)
            received = link.receive(left_ns / 1e9)
            if not received:
                raise ConnectionResetError("the target closed the connection")
            buffer += received
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        if line[:1] not in (b"+", b"-"):
            raise ConnectionAbortedError("the target does not answer as a server would")
        return line


class Migrations:
    """The migration under way, and the links kept for the next one."""

    __slots__ = ("_engine", "_links", "_stop_following", "_touched")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._links: dict[Target, OpenLink] = {}  # the one used last stands last
        self._touched: set[tuple[int, bytes]] = set()
        self._stop_following = _nothing

    def begin(self, transfer: Transfer, aside: bool) -> None:
        """Give the transfer the link left from before; ``aside`` notes changes of keys until :meth:`end`."""
        transfer.open_link = self._links.pop(transfer.target, None)
        self._touched.clear()
        if aside:
            self._stop_following = self._engine.keyspace.follow(self._note)

    def _note(self, db: Database, key: bytes) -> None:
        self._touched.add((db.index, key))

    def end(self, transfer: Transfer, db: Database, copy: bool) -> Reply:
        """Delete what the target has now, unless ``copy``; return the command's reply. O(keys)."""
        self._stop_following()
        self._stop_following = _nothing
        engine = self._engine
        if transfer.open_link is not None:
            self._keep(transfer.target, transfer.open_link)
        gone: list[bytes] = []
        for place in () if copy else transfer.acknowledged:
            key, value, _ = transfer.items[place]
            # A replica's or a peer's link may have changed it meanwhile: what came last is not lost.
            if db.get(key) is value and (db.index, key) not in self._touched and db.remove(key):
                gone.append(key)
                if db.observed:
                    db.touch(key)
                    if db.notify_mask & GENERIC:
                        engine.notify(db, key, "del")
        if gone:
            engine.statistics.dirty += len(gone)
            if engine.effects.listening:
                engine.effects.add(db, [b"DEL", *gone])
                engine.pending = True
        if not transfer.finished:
            return CommandError(errors.INTERNAL)
        return CommandError(transfer.error) if transfer.error else OK

    def _keep(self, target: Target, opened: OpenLink) -> None:
        opened.used_ms = self._engine.now_ms()
        self._links[target] = opened
        while len(self._links) > LINKS_MAX:
            self._links.pop(next(iter(self._links))).link.close()

    @property
    def kept(self) -> int:
        """How many links are kept for the next transfer to the same server."""
        return len(self._links)

    def close_idle(self, now_ms: int) -> None:
        """Close the links that nobody used lately. O(links closed)."""
        while self._links:
            target, opened = next(iter(self._links.items()))
            if now_ms - opened.used_ms < IDLE_MS:
                return
            del self._links[target]
            opened.link.close()

    def close(self) -> None:
        """Close every link that is kept."""
        while self._links:
            self._links.popitem()[1].link.close()


def _nothing() -> None:
    """Stand in where nobody follows."""


def request(*words: bytes) -> bytes:
    """Return a command as a client sends it. O(bytes)."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(parts)
