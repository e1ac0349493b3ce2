"""`/metrics` and `/healthz` over HTTP, beside any server: off unless `http-port` is set.

Here: a small HTTP/1.1 server in a thread and an event loop of its own, so that it answers while the others are stuck.
Not here: what the metrics are (:mod:`kvcore.frontends.metrics`). The rule: one request a connection, and everything a
peer can make grow is bounded: the head's size, the seconds it takes, the connections at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from importlib.util import find_spec
from typing import Final

from kvcore.config import Config
from kvcore.frontends.host import Host
from kvcore.frontends.listen import ListenError, bind_tcp

logger = logging.getLogger("kvcore.http")

MAX_HEAD_BYTES: Final = 8192
MAX_CONNECTIONS: Final = 32
"""With more, the one that has waited longest is closed."""
REQUEST_SECONDS: Final = 5.0
REPLY_SECONDS: Final = 10.0
HEALTH_SECONDS: Final = 1.0
"""How long the engine may take to be called healthy."""
STALE_MS: Final = 5000
"""A main loop that has not ticked for that long is stuck."""

_TEXT: Final = "text/plain; charset=utf-8"


class Answer:
    """A response."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(self, status: HTTPStatus, body: bytes = b"", content_type: str = _TEXT, headers: str = "") -> None:
        self.status = status
        self.body = body or f"{status.phrase}\n".encode()
        self.content_type = content_type
        self.headers = headers

    def encode(self, body: bool) -> bytes:
        """Return the bytes to send, the body left out for HEAD."""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n"
            f"{self.headers}\r\n"
        )
        return head.encode() + (self.body if body else b"")


class Request:
    """A request's head: method, path without query, headers in lower case."""

    __slots__ = ("headers", "method", "path")

    def __init__(self, head: bytes) -> None:
        """Take a head apart; raises ValueError for what is none."""
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        self.method, target, version = first.split(" ")
        if not version.startswith("HTTP/1.") or not target.startswith("/"):
            raise ValueError(first)
        self.path = target.partition("?")[0]
        self.headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise ValueError(line)
            self.headers[name.lower()] = value.strip()


class HttpFrontend:
    """The HTTP side of one engine. ``open``, then ``start``; ``stop`` from any thread."""

    def __init__(self, host: Host, config: Config) -> None:
        self._host = host
        self._config = config
        self._sockets: list[socket.socket] = []
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._pool = ThreadPoolExecutor(4, "kvcore-http")
        self._tasks: dict[asyncio.Task[None], None] = {}

    def open(self) -> None:
        """Bind; raises ListenError, also where prometheus-client is missing."""
        if find_spec("prometheus_client") is None:
            raise ListenError("http-port needs the [metrics] extra: pip install 'kvcore[metrics]'")
        from kvcore.frontends.metrics import registry

        self._metrics = registry(self._host)
        port = self._config.integer("http-port")
        for address in self._config.strings("http-bind"):
            try:
                self._sockets.append(bind_tcp(address, port, MAX_CONNECTIONS))
            except (OSError, UnicodeError) as error:
                self._close()
                reason = getattr(error, "strerror", None) or str(error)
                raise ListenError(f"Failed listening on port {port} (HTTP), {address}: {reason}") from error

    def start(self) -> None:
        """Serve in a thread."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="kvcore-http", daemon=True)
        self._thread.start()
        ready.wait()
        logger.info("Metrics are served on port %d", self._config.integer("http-port"))

    def stop(self) -> None:
        """Stop serving and wait for the thread."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None
        self._close()

    def _close(self) -> None:
        for opened in self._sockets:
            opened.close()
        self._sockets.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._thread is None and not self._loop.is_closed():
            self._loop.close()

    def _run(self, ready: threading.Event) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        servers = [
            loop.run_until_complete(asyncio.start_server(self._serve, sock=opened, limit=MAX_HEAD_BYTES))
            for opened in self._sockets
        ]
        ready.set()
        loop.run_forever()
        for server in servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= MAX_CONNECTIONS:
            next(iter(self._tasks)).cancel()
        self._tasks[task] = None
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                await self._exchange(reader, writer)
        finally:
            self._tasks.pop(task, None)
            writer.transport.abort()  # everything is sent by now, or the peer had its time

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # drain() waits for all of it
        body = True
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = Request(await reader.readuntil(b"\r\n\r\n"))
        except TimeoutError:
            answer = Answer(HTTPStatus.REQUEST_TIMEOUT)
        except asyncio.LimitOverrunError:
            answer = Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except ValueError:
            answer = Answer(HTTPStatus.BAD_REQUEST)
        except asyncio.IncompleteReadError:
            return
        else:
            body = request.method != "HEAD"
            answer = await self._answer(request)
        async with asyncio.timeout(REPLY_SECONDS):
            writer.write(answer.encode(body))
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            # What the peer still sends is read and forgotten: closing over it would reset the connection, and the
            # answer with it.
            for _ in range(16):
                if not await reader.read(MAX_HEAD_BYTES):
                    break

    async def _answer(self, request: Request) -> Answer:
        if request.path not in ("/metrics", "/healthz"):
            return Answer(HTTPStatus.NOT_FOUND)
        if request.method not in ("GET", "HEAD"):
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED, headers="Allow: GET, HEAD\r\n")
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                if request.path == "/healthz":
                    return await self._loop.run_in_executor(self._pool, self.health)
                return await self._loop.run_in_executor(self._pool, self.scrape, request.headers.get("accept", ""))
        except TimeoutError:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"the server is stuck\n")

    # Off the loop: these wait for the engine's lock

    def health(self) -> Answer:
        """Tell whether the engine answers: 200, or 503 and why not."""
        host = self._host
        if not host.lock.acquire(timeout=HEALTH_SECONDS):
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"the engine is busy\n")
        try:
            late_ms = host.engine.now_ms() - host.now_ms
        finally:
            host.lock.release()
        if late_ms > STALE_MS:
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"the server is stuck\n")
        return Answer(HTTPStatus.OK, b"ok\n")

    def scrape(self, accept: str) -> Answer:
        """Return the metrics."""
        from kvcore.frontends.metrics import render

        body, content_type = render(self._metrics, accept)
        return Answer(HTTPStatus.OK, body, content_type)
