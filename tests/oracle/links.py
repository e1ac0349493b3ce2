"""Servers that replicate from each other, and a link's raw bytes.

Lives here: starting a primary with a stock replica or two, waiting until they agree, a socket that talks as a replica
does. Must not live here: expected values. The rule: what is waited for is a fact a server states, never a time.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from tests.oracle.servers import HOST, Server, find_oracle, start_kvcore, start_oracle
from tests.oracle.wire import Argument, Wire, WireSession, encode_command
from tests.waiting import SECONDS

QUIET_S: Final = 0.03
"""How long nothing must come of a server that has done all it was asked for, until what came is taken for all."""

PRIMARY: Final = (
    *("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "3600"),
    *("--shutdown-timeout", "0"),  # at a test's end nobody's lag matters
)


class Member:
    """A server of a replication group, with a session to ask it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session: WireSession = server.connect()

    @property
    def port(self) -> int:
        return self.server.port

    def __call__(self, *words: Argument) -> Wire:
        """Run a command; a test that forgets to look at an error fails here."""
        reply = self.ask(*words)
        assert reply.kind != "-", (words, reply)
        return reply

    def ask(self, *words: Argument) -> Wire:
        """Run a command that may fail."""
        self.session.send(words)
        return self.session.read(SECONDS)

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Wire]:
        """Run many commands in one write."""
        self.session.send_raw(b"".join(encode_command(words) for words in commands))
        return [self.session.read(SECONDS) for _ in commands]

    def info(self, section: str) -> dict[str, str]:
        """Return the fields of a section of INFO, in order."""
        lines = self("INFO", section).text.decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def offset(self) -> int:
        return int(self.info("replication")["master_repl_offset"])

    def follow(self, primary: Member) -> None:
        self("REPLICAOF", HOST, primary.port)


class Group:
    """What a test starts, and stops at its end."""

    def __init__(self, binary: str) -> None:
        self.binary = binary
        self._stack = ExitStack()

    def kvcore(self, frontend: str, *options: str) -> Member:
        return self._member(start_kvcore(frontend, *PRIMARY, *options))

    def real(self, *options: str) -> Member:
        return self._member(start_oracle(self.binary, *PRIMARY, *options))

    def replica_of(self, primary: Member, *options: str) -> Member:
        """Start a stock replica, and wait until it has the data set."""
        replica = self.real(*options)
        replica.follow(primary)
        wait_for_link(replica)
        return replica

    def _member(self, server: Server) -> Member:
        self._stack.callback(server.stop)
        member = Member(server)
        self._stack.callback(member.session.close)
        return member

    def close(self) -> None:
        self._stack.close()


@contextmanager
def open_group() -> Iterator[Group]:
    """Yield what starts servers, and stop them."""
    binary = find_oracle()
    if binary is None:
        pytest.skip("no redis-server")
    made = Group(binary)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def group() -> Iterator[Group]:
    """Yield what starts servers for one test."""
    with open_group() as made:
        yield made


def wait_until(condition: Callable[[], bool], show: Callable[[], object]) -> None:
    """Ask again until the answer is yes; fail with what ``show`` returns."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, show()
        time.sleep(0.01)


def wait_for_link(replica: Member) -> None:
    """Wait until a replica is connected."""

    def is_up() -> bool:
        return replica.info("replication")["master_link_status"] == "up"

    wait_until(is_up, lambda: (replica.info("replication"), replica.server.log()[-2000:]))


def wait_for_offset(primary: Member, *replicas: Member) -> None:
    """Wait until replicas have read all that their primary wrote so far."""
    for replica in replicas:
        wait_for_link(replica)

        def has_all(each: Member = replica) -> bool:
            return int(each.info("replication")["slave_repl_offset"]) >= primary.offset()

        wait_until(has_all, lambda each=replica: (each.info("replication"), primary.info("replication")))  # type: ignore[misc]


def digest(member: Member) -> bytes:
    return member("DEBUG", "DIGEST").text


def same_data(primary: Member, *replicas: Member) -> None:
    """Insist on equal data sets, and on some data.

    A key may expire between the two looks at it: what differs for that alone is equal once the primary has told so.
    """
    wait_for_offset(primary, *replicas)
    assert digest(primary).strip(b"0"), "nothing to compare"

    def alike() -> bool:
        wait_for_offset(primary, *replicas)
        expected = digest(primary)
        return all(digest(replica) == expected for replica in replicas)

    wait_until(alike, lambda: [digest(member) for member in (primary, *replicas)])


# The time and the memory before `aof-base` may have a byte that looks like the end.
_SNAPSHOT: Final = re.compile(rb"REDIS\d{4}\xfa\tredis-ver.*?\xfa\x08aof-base\xc0..*?\xff.{8}", re.DOTALL)
_LENGTH: Final = re.compile(rb"\$\d+\r\n<snapshot>")
_ID: Final = re.compile(rb"[0-9a-f]{40}")
_MONITORED: Final = re.compile(rb"\+\d+\.\d+ \[[^\n]*\n")


def masked(data: bytes) -> bytes:
    """Return bytes of a link with what is never the same taken out: identifiers, marks, the empty snapshot."""
    data = _MONITORED.sub(b"", data).lstrip(b"\n")  # whoever waits over a second's end hears that all is well
    return _ID.sub(b"<id>", _LENGTH.sub(b"$<n>\r\n<snapshot>", _SNAPSHOT.sub(b"<snapshot>", data)))


class Talk:
    """A socket that says what a replica would say, or should not."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port))
        self._ended = False
        self.send(b"PING\r\n")  # so that the server knows the link before anybody asks it what came of it
        assert self.read_until(lambda data: data.endswith(b"\n"), SECONDS) == b"+PONG\r\n"

    def send(self, data: bytes) -> None:
        """Send bytes; a link that is closed already takes none."""
        try:
            self._socket.sendall(data)
        except OSError:
            self._ended = True

    def read_until(self, is_enough: Callable[[bytes], bool], quiet_s: float) -> bytes:
        """Return what comes until that is enough, or nothing has come for so long; ``<closed>`` marks the end."""
        data = b""
        while not is_enough(data):
            self._socket.settimeout(quiet_s)
            try:
                piece = b"" if self._ended else self._socket.recv(1 << 16)
            except TimeoutError:
                break
            except OSError:
                piece = b""
            if not piece:
                self._ended = True
                return data + b"<closed>"
            data += piece
        return data

    def is_closed(self) -> bool:
        """Say whether the server has closed the link, and everything it sent was read."""
        self._socket.setblocking(False)
        try:
            return self._ended or not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self._socket.close()


def say(member: Member, talk: Talk, message: bytes) -> None:
    """Send a message, and wait until the server has read it: what INFO tells after that is not older."""
    question = len(encode_command(("INFO", "stats")))
    read = int(member.info("stats")["total_net_input_bytes"])
    expected = read + len(message)
    talk.send(message)

    def is_read() -> bool:
        nonlocal expected
        expected += question
        return int(member.info("stats")["total_net_input_bytes"]) >= expected or talk.is_closed()

    wait_until(is_read, lambda: (message, member.info("stats")))


def converse(
    member: Member, messages: Sequence[bytes], like: Sequence[tuple[bytes, bytes]] = ()
) -> list[tuple[bytes, bytes]]:
    """Say this as a replica would; return what was answered to each message, masked.

    Answers as long as those of ``like``, another one's, are waited for; and a little, whether more comes.
    """
    talk = Talk(member.port)
    found = []
    try:
        for number, message in enumerate(messages):
            say(member, talk, message)
            settle(member)
            size = len(like[number][1]) if like else 0
            data = talk.read_until(lambda data, size=size: len(masked(data)) >= size, SECONDS)  # type: ignore[misc]
            if not (size and data.endswith(b"<closed>")):
                data += talk.read_until(lambda _data: False, QUIET_S if like else 2 * QUIET_S)
            found.append((message, masked(data)))
    finally:
        talk.close()
    settle(member, lambda fields: fields["connected_slaves"] == "0")
    return found


def settle(member: Member, is_done: Callable[[dict[str, str]], bool] | None = None) -> None:
    """Wait until a primary has answered what it was asked before, and no replica waits for a snapshot or its end."""

    def is_settled() -> bool:
        fields = member.info("replication")
        states = [value for name, value in fields.items() if re.fullmatch(r"slave\d+", name)]
        ready = sum("state=online" in state for state in states)
        return ready == int(fields["connected_slaves"]) and (is_done is None or is_done(fields))

    wait_until(is_settled, lambda: member.info("replication"))
