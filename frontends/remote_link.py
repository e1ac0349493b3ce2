"""Connections to a server: the greeting, one exchange at a time, and the pool of those that nobody uses.

What lives here: sockets, and what is known of a connection's state on the server. What must not: stores. The rules:

* A connection has one user at a time. Whatever goes wrong in an exchange closes it, for a reply that comes late must
  not become another command's.
* A command is sent once. A connection is looked at before it is used again: one that the server has closed is replaced,
  and nothing is lost. Once a command is on its way, the loss is the caller's to judge.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NoReturn

from kvcore.errors import (
    ClosedError,
    CommandError,
    ConnectionLostError,
    KvcoreError,
    ProtocolError,
    ReplyTimeoutError,
    UnsupportedError,
    text,
)
from kvcore.frontends.remote_address import Address
from kvcore.replies import OK, Push, Reply
from kvcore.resp.client import UNFINISHED, ReplyDecoder, pack, pack_all
from kvcore.version import KVCORE_VERSION

READ_BYTES: Final = 65536
_AT_ONCE: Final = 65536
"""Bytes that go out without a look at what comes in: a server that waits for its reader would never take more."""

_MOST_IDLE: Final = 64
_KEEPALIVE_S: Final = 60
_FIRST_WITH_SETINFO: Final = (7, 2)
BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Profile = tuple[int, str]
"""The database that a connection has selected, and its name."""


# Commands that are not like others

WAITS: Final = 1
"""May wait for long by its nature: the time-out for replies is not for it."""
STATE: Final = 2
"""Changes what the connection is to the server."""
REFUSED: Final = 4

_USE_PUBSUB: Final = "use pubsub()"
_REFUSALS: Final = {
    b"SUBSCRIBE": _USE_PUBSUB,
    b"PSUBSCRIBE": _USE_PUBSUB,
    b"SSUBSCRIBE": _USE_PUBSUB,
    b"UNSUBSCRIBE": _USE_PUBSUB,
    b"PUNSUBSCRIBE": _USE_PUBSUB,
    b"SUNSUBSCRIBE": _USE_PUBSUB,
    b"MONITOR": "its reply never ends",
    b"SYNC": "its reply never ends",
    b"PSYNC": "its reply never ends",
    b"HELLO": "the protocol is the store's to choose; AUTH changes the user",
    b"RESET": "it would change the protocol; close the store and connect again",
    b"QUIT": "use close()",
    b"CLIENT REPLY": "every reply is waited for",
    b"CLIENT TRACKING": "nobody would take its messages",
}
"""What the connections of a remote store cannot do, and what to do instead."""

KINDS: Final[dict[bytes, int]] = {
    **dict.fromkeys((b"BLPOP", b"BRPOP", b"BLMOVE", b"BLMPOP", b"BRPOPLPUSH"), WAITS),
    **dict.fromkeys((b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP", b"XREAD", b"XREADGROUP", b"WAIT", b"WAITAOF"), WAITS),
    **dict.fromkeys((b"SELECT", b"CLIENT", b"AUTH", b"READONLY", b"READWRITE", b"ASKING"), STATE),
    **dict.fromkeys((b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"UNWATCH"), STATE),
    **dict.fromkeys((name for name in _REFUSALS if b" " not in name), REFUSED),
}
"""The commands that are not like others, in capitals."""

_BEGINNINGS: Final = (b"MULTI", b"WATCH")
_ENDS: Final = (b"EXEC", b"DISCARD")
_HARMLESS: Final = (
    b"ID",
    b"INFO",
    b"GETNAME",
    b"LIST",
    b"KILL",
    b"UNBLOCK",
    b"PAUSE",
    b"UNPAUSE",
    b"GETREDIR",
    b"HELP",
)


def waits(argv: Sequence[bytes]) -> bool:
    """Say whether a command of the kind WAITS does: XREAD only with BLOCK."""
    return argv[0].upper() not in (b"XREAD", b"XREADGROUP") or any(word.upper() == b"BLOCK" for word in argv)


def check_allowed(argv: Sequence[bytes]) -> None:
    """Raise UnsupportedError for a command that a remote store cannot run."""
    name = argv[0].upper()
    full = name + b" " + argv[1].upper() if name == b"CLIENT" and len(argv) > 1 else name
    advice = _REFUSALS.get(full)
    if advice is not None:
        raise UnsupportedError(f"a remote store does not run {text(full)}: {advice}")


class Link:
    """One connection, greeted and ready; or closed."""

    __slots__ = (
        "__weakref__",
        "_greeted",
        "_poll",
        "address",
        "altered",
        "closed",
        "decoder",
        "profile",
        "sock",
        "transaction",
    )

    def __init__(self, address: Address, profile: Profile) -> None:
        """Connect. Raises ConnectionLostError, and CommandError if the server wants nothing to do with us."""
        self.address = address
        self.profile = profile
        self.decoder = ReplyDecoder()
        self.closed = False
        self._greeted = False
        self.transaction = False
        """Whether MULTI or WATCH was sent, and nothing that ends it."""
        self.altered = False
        """Whether it is to the server what no new connection would be."""
        self.sock = connected(address)
        self._poll = _poller(self.sock)
        try:
            self.greet()
        except BaseException:
            self.close()
            raise
        self._greeted = True
        self.sock.settimeout(address.timeout_s)

    def greet(self) -> None:
        """Say who we are, and what to the server is to be like. Raises KvcoreError."""
        address = self.address
        database, name = self.profile
        words = [b"HELLO", b"3"]
        if address.password:
            words += (b"AUTH", (address.username or "default").encode(), address.password.encode())
        if name:
            words += (b"SETNAME", name.encode())
        reply = self.exchange([words])[0]
        if isinstance(reply, CommandError):
            if reply.code == "NOPROTO" or "unknown command" in str(reply).lower():
                raise KvcoreError(f"{address} does not speak RESP3: Redis 6 or newer does, and kvcore-server")
            raise reply
        commands = [[b"SELECT", b"%d" % database]] if database else []
        if isinstance(reply, dict) and _version(reply.get(b"version")) >= _FIRST_WITH_SETINFO:
            commands.append([b"CLIENT", b"SETINFO", b"LIB-NAME", b"kvcore"])
            commands.append([b"CLIENT", b"SETINFO", b"LIB-VER", KVCORE_VERSION.encode()])
        if commands:
            first = self.exchange(commands)[0]
            if database and isinstance(first, CommandError):
                raise first

    def close(self) -> None:
        """Close the connection; what is under way there ends. Closing twice does nothing."""
        self.closed = True
        self.sock.close()

    def cut(self) -> None:
        """Have whoever uses the connection find it lost; from any thread."""
        self.closed = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def stale(self) -> bool:
        """Say whether the connection is closed, by either side. What came unasked is dropped."""
        if self.closed:
            return True
        if not self.decoder.idle:  # a server that answers more than it was asked: whose reply would be the next?
            self.close()
            return True
        if not self._poll(0):
            return False
        timeout_s = self.sock.gettimeout()
        try:
            self.sock.settimeout(0)
            data = self.sock.recv(READ_BYTES)
            self.decoder.feed(data)
            while type(reply := self.decoder.take()) is Push:
                continue
            lost = not data or reply is not UNFINISHED
            self.sock.settimeout(timeout_s)
        except BLOCKED:
            self.sock.settimeout(timeout_s)
            return False
        except (OSError, ProtocolError):
            lost = True
        if lost:
            self.close()
        return lost

    def wait_readable(self, timeout_s: float | None) -> None:
        """Wait until there is something to read, or the connection is cut. Raises OSError or ValueError if closed."""
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return
        select_for(self.sock, timeout_s, write=False)

    # Exchanges

    def run(self, argv: Sequence[bytes], patient: bool = False) -> Reply:
        """Run a command and return its reply, errors included; ``patient`` waits as long as it takes.

        Raises ConnectionLostError.
        """
        request = pack(argv)
        if len(request) > _AT_ONCE:
            return self.exchange([argv], patient)[0]
        sock = self.sock
        decoder = self.decoder
        sent = False
        try:
            if patient:
                sock.settimeout(None)
            sock.sendall(request)
            sent = True
            while True:
                data = sock.recv(READ_BYTES)
                if not data:
                    raise ConnectionResetError("the server closed the connection")
                decoder.feed(data)
                reply = decoder.take()
                while type(reply) is Push:
                    reply = decoder.take()
                if reply is not UNFINISHED:
                    break
            if patient:
                sock.settimeout(self.address.timeout_s)
        except BaseException as error:
            self.fail(error, argv[0], sent)
        return reply

    def exchange(self, commands: Sequence[Sequence[bytes]], patient: bool = False) -> list[Reply]:
        """Run commands in order and return their replies, errors included. Raises ConnectionLostError."""
        sent = False
        replies: list[Reply] = []
        try:
            if patient:
                self.sock.settimeout(None)
            request = pack_all(commands)
            sent = True  # some of the commands may be there before the last is
            self._send(request)
            while self.collect(replies, len(commands)):
                data = self.sock.recv(READ_BYTES)
                if not data:
                    raise ConnectionResetError("the server closed the connection")
                self.decoder.feed(data)
            if patient:
                self.sock.settimeout(self.address.timeout_s)
        except BaseException as error:
            self.fail(error, commands[0][0] if len(commands) == 1 else b"", sent)
        return replies

    def collect(self, replies: list[Reply], count: int) -> bool:
        """Take replies until there are ``count``, leaving out pushes; say whether some are still to come."""
        while len(replies) < count:
            reply = self.decoder.take()
            if reply is UNFINISHED:
                return True
            if type(reply) is not Push:
                replies.append(reply)
        return False

    def _send(self, request: bytes) -> None:
        """Send what may be long, taking in what comes meanwhile."""
        if len(request) <= _AT_ONCE:
            self.sock.sendall(request)
            return
        timeout_s = self.sock.gettimeout()
        self.sock.settimeout(0)
        left = memoryview(request)
        while left:
            if not select_for(self.sock, timeout_s):
                raise TimeoutError
            with contextlib.suppress(*BLOCKED):
                left = left[self.sock.send(left[:_AT_ONCE]) :]
            with contextlib.suppress(*BLOCKED):
                data = self.sock.recv(READ_BYTES)
                if not data:
                    raise ConnectionResetError("the server closed the connection")
                self.decoder.feed(data)
        self.sock.settimeout(timeout_s)

    def fail(self, error: BaseException, name: bytes, sent: bool) -> NoReturn:
        """Close the connection, and raise what an exchange ended in as what it means to the caller."""
        self.close()
        what = f"the reply to {text(name)}" if name else "the replies to a pipeline"
        if not self._greeted:
            what, sent = "the reply to the greeting", False
        after = (
            f"{'it' if name else 'its commands'} may have run, and {'is' if name else 'are'} not sent again by itself"
        )
        if not sent:
            after = "nothing was sent: call again"
        if isinstance(error, TimeoutError):
            raise ReplyTimeoutError(f"{what} did not come from {self.address} in time; {after}", sent) from None
        if isinstance(error, OSError):
            lost = f"the connection to {self.address} was lost before {what} came ({reason_of(error)}); {after}"
            raise ConnectionLostError(lost, sent) from None
        if isinstance(error, ProtocolError):
            raise ProtocolError(f"{error} ({self.address}, for {what}); {after}") from None
        raise error

    # State

    def note(self, argv: Sequence[bytes], reply: Reply) -> None:
        """Keep in mind what a command of the kind STATE has made of the connection."""
        name = argv[0].upper()
        if isinstance(reply, CommandError):
            if name == b"EXEC" and reply.code == "EXECABORT":
                self.transaction = False
        elif name in _BEGINNINGS:
            self.transaction = True
        elif name in _ENDS or (name == b"UNWATCH" and reply == OK):
            self.transaction = False
        elif reply != OK or (name == b"CLIENT" and argv[1].upper() in _HARMLESS):
            self.altered |= reply == "QUEUED"
        elif name == b"SELECT":
            self.profile = (int(argv[1]), self.profile[1])
        elif name == b"CLIENT" and argv[1].upper() == b"SETNAME":
            self.profile = (self.profile[0], text(argv[2]))
        else:
            self.altered = True

    @property
    def dirty(self) -> bool:
        """Whether the server holds what a new connection would not have: it can be neither shared nor replaced."""
        return self.transaction or self.altered


def select_for(sock: socket.socket, timeout_s: float | None, write: bool = True) -> bool:
    """Wait until a socket can be read, or with ``write`` be read or written; False if the time is up first."""
    if hasattr(select, "poll"):  # select() knows the first 1024 files of a process only
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLOUT if write else select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else max(timeout_s, 0) * 1000))
    readable, writable, _ = select.select([sock], [sock] if write else [], [], timeout_s)
    return bool(readable or writable)


def _poller(sock: socket.socket) -> Callable[[float], object]:
    """Return what says whether a socket has something to read, waiting that many milliseconds."""
    if not hasattr(select, "poll"):  # Windows
        return lambda wait_ms: select.select([sock], [], [], wait_ms / 1000)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll


def connected(address: Address) -> socket.socket:
    """Return a connected socket, TLS included. Raises ConnectionLostError."""
    try:
        return _connected(address)
    except (OSError, UnicodeError) as error:
        raise ConnectionLostError(f"cannot connect to {address}: {reason_of(error)}") from None


def _connected(address: Address) -> socket.socket:
    if address.path:
        if not hasattr(socket, "AF_UNIX"):
            raise OSError("this system has no Unix sockets")
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(address.connect_timeout_s)
            sock.connect(address.path)
        except BaseException:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((address.host, address.port), address.connect_timeout_s)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S)
        return sock if address.context is None else address.context.wrap_socket(sock, server_hostname=address.host)
    except BaseException:
        sock.close()
        raise


def reason_of(error: Exception) -> str:
    """Return why a connection failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _version(spelled: Reply) -> tuple[int, ...]:
    words = (spelled if isinstance(spelled, bytes) else b"").split(b".")
    return tuple(int(word) for word in words if word.isdigit())


class Pool:
    """The connections of a store: those in use, and those that wait for the next user."""

    __slots__ = ("_idle", "_links", "_most_idle", "_mutex", "address", "closed", "profile")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.profile: Profile = (address.db, address.client_name)
        """What connections begin with."""
        self.closed = ""
        """Why it is not open, empty as long as it is."""
        self._idle: list[Link] = []
        """Those that nobody uses, the latest last."""
        self._most_idle = max(_MOST_IDLE, address.max_connections)
        self._links: set[Link] = set()
        self._mutex = threading.RLock()  # the collector may give a connection back in a thread that holds it

    def check_open(self) -> None:
        """Raise ClosedError if the store was closed."""
        if self.closed:
            raise ClosedError(self.closed)

    def find(self, profile: Profile) -> Link | None:
        """Take a connection that waits for a user, None if there is none."""
        self.check_open()
        while (link := self._latest(profile)) is not None:
            if not link.stale():
                return link
            self.drop(link)
        return None

    def _latest(self, profile: Profile) -> Link | None:
        with self._mutex:
            for link in self._idle[::-1]:
                if link.profile == profile and link in self._idle:
                    self._idle.remove(link)
                    return link
        return None

    def connect(self, profile: Profile) -> Link:
        """Make a new connection; the caller is its user."""
        self.check_open()
        link = Link(self.address, profile)
        with self._mutex:
            if not self.closed:
                self._links.add(link)
                return link
        link.close()
        raise ClosedError(self.closed)

    def take(self, profile: Profile) -> Link:
        """Take a connection that waits for a user, or make one."""
        return self.find(profile) or self.connect(profile)

    def give(self, link: Link) -> None:
        """Give a connection back whose last exchange came to its end."""
        surplus: Link | None = link
        with self._mutex:
            if not (link.closed or link.dirty or self.closed):
                self._idle.append(link)
                surplus = self._idle.pop(0) if len(self._idle) > self._most_idle else None
        if surplus is not None:
            self.drop(surplus)

    def drop(self, link: Link) -> None:
        """Close a connection."""
        with self._mutex:
            self._links.discard(link)
        link.close()

    def close(self, reason: str, *, users_close: bool = False) -> bool:
        """Close every connection; say whether there was any. With ``users_close`` their users do so for theirs."""
        with self._mutex:
            self.closed = self.closed or reason
            links, self._links = self._links, set()
            unused, self._idle = self._idle, []
        for link in links:
            link.cut()
            if link in unused or not users_close:
                link.close()
        return bool(links)

    def leave_to_parent(self) -> None:
        """Forget every connection in a process that was forked: they are the parent's, and are not shut down."""
        links, self._links = self._links, set()
        self._mutex = threading.RLock()
        self._idle = []
        for link in links:
            link.close()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Have what is lost because the store was closed say so."""
        try:
            yield
        except ConnectionLostError as error:
            if self.closed:
                raise ClosedError(self.closed) from error
            raise
