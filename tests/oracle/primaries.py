"""A primary that a test plays itself, so that replicas can be looked at in the middle of a full synchronisation.

Lives here: the listening socket, the answers to a replica's handshake, a data set that comes as slowly as the test
wants. Must not live here: expected values. The rule: every replica that connects is served alike, by a thread of its
own, and learns the end of its data set only when the test says so.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from kvcore.resp.decoder import Decoder
from tests.oracle.servers import HOST

MARK = b"e" * 40
_PIECE_S = 0.002
_VALUE = b"v" * 600


class PlayedPrimary:
    """A server that knows PING, REPLCONF and PSYNC, and has a data set that does not end before :meth:`finish`."""

    def __init__(self, history: str, offset: int = 1000) -> None:
        self.history = history
        self.offset = offset
        self.asked: list[tuple[bytes, ...]] = []
        """What replicas said in PSYNC."""
        self._go_on = threading.Event()
        self._links: list[socket.socket] = []
        self._ended = False
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def finish(self) -> None:
        """Let every data set come to its end, those that are on their way and those to come."""
        self._go_on.set()

    def hold(self) -> None:
        """Let data sets that are asked for from now on go on until :meth:`finish`."""
        self._go_on.clear()

    def hang_up(self) -> None:
        """End all links."""
        links, self._links = self._links, []
        for link in links:
            with suppress(OSError):  # its replica was quicker
                link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop for good."""
        self._ended = True
        self._listener.close()
        self.hang_up()
        self._go_on.set()

    def _accept(self) -> None:
        while not self._ended:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            self._links.append(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        decoder = Decoder()
        try:
            with link:
                while data := link.recv(1 << 16):
                    decoder.feed(data)
                    for argv in decoder.take():
                        self._answer(link, argv)
        except OSError:
            return  # the replica, or the test, hung up

    def _answer(self, link: socket.socket, argv: list[bytes]) -> None:
        name = argv[0].upper()
        if name == b"PSYNC":
            self.asked.append(tuple(argv[1:]))
            link.sendall(b"+FULLRESYNC %b %d\r\n$EOF:%b\r\n" % (self.history.encode(), self.offset, MARK))
            self._send_data(link)
        elif argv[1:2] != [b"ACK"]:
            link.sendall(b"+PONG\r\n" if name == b"PING" else b"+OK\r\n")

    def _send_data(self, link: socket.socket) -> None:
        link.sendall(b"REDIS0009\xfa\x09redis-ver\x067.0.15\xfa\x08used-mem\xc2\x00\x00\x10\x00\xfe\x00")
        number = 0
        while not self._go_on.wait(_PIECE_S):
            key = b"new:%d" % number
            link.sendall(
                b"\x00" + bytes([len(key)]) + key + bytes([0x40 | len(_VALUE) >> 8, len(_VALUE) & 0xFF]) + _VALUE
            )
            number += 1
        link.sendall(b"\x00\x04last\x01v\xff" + bytes(8) + MARK)
