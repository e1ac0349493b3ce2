"""A RESP server on `server-threads` event loops that share the keyspace.

The first loop accepts, ticks and serves like :class:`~kvcore.frontends.asyncio_server.AsyncioServer`; accepted sockets
are dealt to all loops in turn, and each loop owns its connections for life. The loops meet only at the engine lock.
"""

from __future__ import annotations

import asyncio
import threading

from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.frontends.asyncio_server import AsyncioServer, Loop, new_event_loop
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

    def make_loops(self, loop: asyncio.AbstractEventLoop) -> list[Loop]:
        """Start the other loops; return them behind the main one."""
        threads = max(1, self.config.integer("server-threads"))
        self._workers = [Worker(index) for index in range(1, threads)]
        return [Loop(each, self.engine, threads) for each in (loop, *(worker.loop for worker in self._workers))]

    async def close_clients(self) -> None:
        """Close every connection, then the other loops."""
        await super().close_clients()
        for worker in self._workers:
            worker.stop()
