"""A RESP server on `server-threads` event loops that share the keyspace.

The first loop accepts, ticks and serves like :class:`~kvcore.frontends.asyncio_server.AsyncioServer`; accepted sockets
are dealt to all loops in turn, and each loop owns its connections for life. The loops meet only at the engine lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.frontends.asyncio_server import AsyncioServer, ClientProtocol, WriteBatch, new_event_loop
from kvcore.frontends.host import Host


class Worker:
    """One more event loop in a thread of its own."""

    __slots__ = ("loop", "thread")

    def __init__(self, index: int) -> None:
        self.loop: asyncio.AbstractEventLoop = new_event_loop()
        self.thread = threading.Thread(target=self._run, name=f"kvcore-server-{index}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.run_until_complete(_settle())
        self.loop.close()

    def stop(self) -> None:
        """End the loop and wait for its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


async def _settle() -> None:
    """Let the clients that were just dealt out arrive, find the server stopping, and leave."""
    me = asyncio.current_task()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not me), return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)


class ThreadedServer(AsyncioServer):
    """A server on several event loops."""

    def __init__(self, engine: Engine, config: Config, host: Host | None = None) -> None:
        super().__init__(engine, config, host)
        self._workers: list[Worker] = []
        self._acceptors: list[asyncio.Future[None]] = []
        self._adopting: set[asyncio.Task[None]] = set()

    async def listen(self, loop: asyncio.AbstractEventLoop) -> list[asyncio.AbstractServer]:
        """Accept on the first loop and deal the clients out."""
        threads = max(1, self.config.integer("server-threads"))
        self._workers = [Worker(index) for index in range(1, threads)]
        batches = [WriteBatch(each) for each in (loop, *(worker.loop for worker in self._workers))]
        self._acceptors = [asyncio.ensure_future(self._accept(loop, listener, batches)) for listener in self._sockets]
        return []

    async def _accept(
        self, loop: asyncio.AbstractEventLoop, listener: socket.socket, batches: list[WriteBatch]
    ) -> None:
        turn = 0
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # out of file descriptors, or the client left the queue: others may still come
                await asyncio.sleep(0.1)
                continue
            owner = batches[turn % len(batches)]
            turn += 1
            owner.loop.call_soon_threadsafe(self._adopt, owner, client)

    def _adopt(self, owner: WriteBatch, client: socket.socket) -> None:
        """Make the client this loop's own; runs on it."""

        async def connect() -> None:
            with contextlib.suppress(OSError):
                await owner.loop.connect_accepted_socket(lambda: ClientProtocol(self, owner), client)

        task = owner.loop.create_task(connect())
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def close_clients(self) -> None:
        """Close every connection, then the other loops."""
        for acceptor in self._acceptors:
            acceptor.cancel()
        await asyncio.gather(*self._acceptors, return_exceptions=True)
        for listener in self._sockets:
            listener.close()
        await super().close_clients()
        for worker in self._workers:
            worker.stop()
