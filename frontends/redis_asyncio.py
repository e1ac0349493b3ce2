"""redis-py's asyncio client over an open store: the twin of redis_sync.py.

    client = kvcore.aio.Redis()
    await client.set("k", "v")

Commands run at once on the event loop's thread; only what blocks waits, in a future of the loop that asks. The rule:
nothing is bound to a loop, so a client may be used from several, one after another or at once in several threads.
"""

# redis-py is typed in part
# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import redis
import redis.asyncio as redis_asyncio
from redis._parsers import BaseParser
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from kvcore.frontends.inprocess import Store
from kvcore.frontends.redis_link import LATER, UNREADY, Link, LocalServer
from kvcore.frontends.redis_results import (
    AMISS,
    PushHandlers,
    answer,
    borrow,
    client_defaults,
    is_amiss,
    is_short,
    local_arguments,
    make_local,
    results,
    transaction_results,
)
from kvcore.frontends.redis_urls import find_server, server_of, server_of_pool, url_options
from kvcore.frontends.redis_values import Arguments, text_of, undecoded, value
from kvcore.frontends.waiting import AsyncioWakeup
from kvcore.replies import Push, Reply


async def arrival(link: Link) -> None:
    """Wait until something arrives; a cancellation that comes after it did is put off until it has been read."""
    while not link.ready():
        wakeup = AsyncioWakeup()
        link.loop = asyncio.get_running_loop()
        try:
            if not link.wait_on(wakeup.set) and not await wakeup.wait(link.pause_s(None)):
                link.store.tick()
        except asyncio.CancelledError:
            if not link.give_up():
                raise
            wakeup.hold_cancellation()
        finally:
            link.stop_waiting()


class LocalParser(PushHandlers, BaseParser):
    """Where redis-py reads replies."""

    def __init__(self, socket_read_size: int = 0) -> None:  # noqa: ARG002 - redis-py passes it
        super().__init__()
        self._link: Link | None = None
        self._text: Any = undecoded

    def on_connect(self, connection: Any) -> None:
        """Take over a new connection."""
        self._link = connection.link
        self._text = connection.text

    def on_disconnect(self) -> None:
        """Let go of the connection."""
        self._link = None

    def _open_link(self) -> Link:
        link = self._link
        if link is None:
            raise RedisConnectionError("Connection closed by server.")
        return link

    async def can_read(self) -> bool:
        """Say whether something has arrived; raise redis.ConnectionError if nothing ever will."""
        return self._open_link().ready()

    can_read_destructive = can_read

    async def read_response(self, disable_decoding: bool = False, push_request: bool | None = None) -> Any:
        """Return the next reply, an exception for an error reply."""
        link = self._open_link()
        while True:
            if not link.inbox:
                await arrival(link)
            reply = link.inbox.popleft()
            protocol = link.session.protocol
            found = value(reply, protocol, undecoded if disable_decoding else self._text)
            if isinstance(found, RedisConnectionError):
                raise found
            if protocol == 2 or type(reply) is not Push:
                return found
            found = self.handle(found)
            if inspect.isawaitable(found):
                found = await found
            if push_request or (push_request is None and reply[0] != b"invalidate"):
                return found

    async def next_reply(self) -> Reply:
        """Return the next reply as the engine gave it, pushes handed to whom they concern."""
        link = self._open_link()
        while True:
            if not link.inbox:
                await arrival(link)
            reply = link.inbox.popleft()
            if type(reply) is not Push or link.session.protocol == 2:
                return reply
            found = self.handle(value(reply, 3, self._text))
            if inspect.isawaitable(found):
                await found


class LinkStream:
    """What a connection has for a reader and a writer."""

    __slots__ = ("link",)

    def __init__(self, link: Link) -> None:
        self.link = link

    @property
    def _buffer(self) -> bytes:
        """Redis-py looks here whether anything is unread."""
        return b"1" if self.link.ready() else b""

    def close(self) -> None:
        """End the session."""
        self.link.close()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return a transport's fact by name; raise OSError for its socket."""
        if name == "socket":
            self.link.fileno()
        return self.link.getpeername() if name == "peername" else default


class LocalConnection(AbstractConnection):
    """A redis-py asyncio connection to an open store; see the one of redis_sync.py."""

    host = port = ""

    def __init__(self, **kwargs: Any) -> None:
        self.server = local_arguments(kwargs)
        self.host = self.server.name
        super().__init__(parser_class=LocalParser, **kwargs)
        self.arguments = Arguments(self.encoder)
        self.text = text_of(self.encoder)

    def __del__(self, _warnings: Any = None) -> None:
        stream = getattr(self, "_writer", None)
        if stream is not None:
            self._writer = self._reader = None
            stream.link.abandon()

    def repr_pieces(self) -> list[tuple[str, Any]]:
        """Return what ``repr`` shows."""
        return [("store", self.server.name), ("db", self.db)]

    @property
    def is_ready(self) -> bool:
        """Whether it is connected, with nothing unread."""
        stream: Any = self._writer
        return stream is not None and stream.link.is_open and not stream.link.inbox

    @property
    def link(self) -> Link:
        """The session it has now; raise redis.ConnectionError without one."""
        stream: Any = self._writer
        if stream is None:
            raise RedisConnectionError("Connection closed by server.")
        link: Link = stream.link
        return link

    async def _connect(self) -> None:
        stream: Any = LinkStream(self.server.connect())
        self._reader = self._writer = stream

    def _host_error(self) -> str:
        return self.server.name

    def _error_message(self, exception: BaseException) -> str:
        return f"Error connecting to {self.server.name}. {exception}"

    def pack_command(self, *args: Any) -> Any:
        """Return one batch of one command."""
        return [[self.arguments.argv(args)]]

    def pack_commands(self, commands: Any) -> Any:
        """Return one batch of all commands."""
        argv = self.arguments.argv
        return [[argv(command) for command in commands]]

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Run batches of commands; there is no socket that could be slow."""
        if not self.is_connected:
            await self.connect()
        if check_health:
            await self.check_health()
        try:
            for batch in command:
                self.link.sendall(batch)
        except RedisConnectionError:
            await self.disconnect(nowait=True)
            raise

    async def disconnect(self, *_how: Any, **_why: Any) -> None:
        """End the session: without waiting, so that a coroutine which is collected can do it, too."""
        self._parser.on_disconnect()
        stream: Any = self._writer
        self._reader = self._writer = None
        self._should_reconnect = False
        if stream is not None:
            stream.close()

    async def exchange(self, batch: list[list[bytes]]) -> list[Reply]:
        """Run commands and return their replies."""
        if not self.is_ready:
            await self.connect()
        if self.health_check_interval:
            await self.check_health()
        replies = self.link.exchange(batch)
        if replies:
            return replies
        return await self.rest(len(batch))

    async def rest(self, count: int) -> list[Reply]:
        """Wait for replies that did not come at once; raise redis.TimeoutError after the connection's time-out."""
        try:
            async with asyncio.timeout(self.socket_timeout):
                parser: Any = self._parser
                return [await parser.next_reply() for _ in range(count)]
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise redis.TimeoutError(f"Timeout reading from {self.server.name}") from None
        except BaseException:
            await self.disconnect(nowait=True)
            raise


class LocalPipeline(Pipeline):
    """redis-py's asyncio pipeline, whose commands go to the engine as one batch."""

    short = False
    """Whether it may take the short way, as its client does."""

    def get(self, name: Any) -> Any:
        """Get a key; see redis-py."""
        if self.watching and not self.explicit_transaction:
            return super().get(name)
        self.command_stack.append((("GET", name), {}))
        return self

    def set(self, name: Any, value: Any, *args: Any, **options: Any) -> Any:
        """Set a key; see redis-py."""
        if args or options or (self.watching and not self.explicit_transaction):
            return super().set(name, value, *args, **options)
        self.command_stack.append((("SET", name, value), options))
        return self

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command, or run it at once while keys are watched; see redis-py."""
        if (self.watching or args[0] == "WATCH") and not self.explicit_transaction:
            return self.immediate_execute_command(*args, **options)
        self.command_stack.append((args, options))
        return self

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run the commands; see redis-py."""
        connection = borrow(self)
        if connection is None:
            found: list[Any] = await super().execute(raise_on_error)
            return found
        together = self.is_transaction or self.explicit_transaction
        run = self._execute_transaction if together else self._execute_pipeline
        try:
            return await run(connection, self.command_stack, raise_on_error)  # type: ignore[no-any-return]
        finally:
            self.connection_pool._available_connections.append(connection)
            await self.reset()

    async def _execute_transaction(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        batch = connection.arguments.batch(commands) if isinstance(connection, LocalConnection) else None
        if batch is None:
            return await super()._execute_transaction(connection, commands, raise_on_error)
        reply = connection.link.transact(batch) if connection.is_ready else UNREADY
        if reply is LATER:
            replies = await connection.rest(1)
        elif reply is UNREADY:
            replies = await connection.exchange([[b"MULTI"], *batch, [b"EXEC"]])
        else:
            replies = [reply]
        if is_amiss(commands, replies):
            await connection.disconnect(nowait=True)
            raise redis.ResponseError(AMISS)
        return transaction_results(self, connection, commands, replies, raise_on_error)

    async def _execute_pipeline(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        batch = connection.arguments.batch(commands) if isinstance(connection, LocalConnection) else None
        if batch is None:
            return await super()._execute_pipeline(connection, commands, raise_on_error)
        replies = await connection.exchange(batch)
        return results(self, connection, commands, replies, raise_on_error)


class _ThreadLock:
    """The lock of a pool: bound to no loop, because nothing in process makes its holder wait for long."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.RLock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_error: object) -> None:
        self._lock.release()


class Redis(redis_asyncio.Redis):
    """A ``redis.asyncio.Redis`` whose server is a store in this process; the twin of :class:`kvcore.Redis`."""

    def __init__(
        self,
        *args: Any,
        store: Store | LocalServer | str | None = None,
        connection_pool: Any = None,
        single_connection_client: bool = False,
        **kwargs: Any,
    ) -> None:
        if connection_pool is not None and store is not None:
            raise redis.DataError("a client has a store or a pool; the pool has its own store")
        arguments: dict[str, Any] = {**client_defaults(kwargs), "connection_pool": connection_pool}
        super().__init__(*args, single_connection_client=single_connection_client, **arguments)
        pool: Any = self.connection_pool
        if connection_pool is None:
            make_local(self, LocalConnection, find_server(store))
            pool._lock = _ThreadLock()
        self._plain: dict[str, bytes] = {}
        """The commands that go straight to the engine; none before the first one went redis-py's way."""
        self._short = not single_connection_client and is_short(
            pool, LocalConnection, redis_asyncio.BlockingConnectionPool
        )

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Redis:  # type: ignore[override]
        """Return a client of the store that a URL names, see :meth:`kvcore.Redis.from_url`."""
        return cls(**{**kwargs, **url_options(url)})

    @property
    def server(self) -> LocalServer:
        """Where the client connects to."""
        return server_of_pool(self.connection_pool)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """End the connections; a client that is used again begins new ones. Its store stays if anybody has it."""
        parent: Any = super()
        await (parent.aclose if hasattr(parent, "aclose") else parent.close)(close_connection_pool)

    def client(self) -> Redis:
        """Return a client that keeps one connection of the same pool."""
        return self.__class__(connection_pool=self.connection_pool, single_connection_client=True)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline; see redis-py."""
        pipeline = LocalPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.short = self._short
        return pipeline

    def get(self, name: Any) -> Any:
        """Get a key; see redis-py."""
        if self._plain:
            return self.execute_command("GET", name)  # without the option that redis-py's cache reads
        return super().get(name)

    def set(self, name: Any, value: Any, *args: Any, **options: Any) -> Any:
        """Set a key; see redis-py."""
        if args or options:
            return super().set(name, value, *args, **options)
        return self.execute_command("SET", name, value)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command and return its reply as redis-py would, see :meth:`kvcore.Redis.execute_command`."""
        name = self._plain.get(args[0])
        if name is None:
            found = await super().execute_command(*args, **options)
            if self._short and not self._plain:
                self._plain = self.server.plain
            return found
        available: Any = self.connection_pool._available_connections
        try:
            connection = available.pop()
        except IndexError:
            return await super().execute_command(*args, **options)
        try:
            stream = connection._writer
            reply = UNREADY if stream is None else stream.link.call([name, *connection.arguments.rest(args[1:])])
            if reply is LATER:
                return await self.parse_response(connection, args[0], **options)
        finally:
            available.append(connection)
        if reply is UNREADY:
            return await super().execute_command(*args, **options)
        found = answer(self, connection, args[0], reply, options)
        return await found if inspect.isawaitable(found) else found


class ConnectionPool(redis_asyncio.ConnectionPool):
    """redis-py's asyncio pool of connections to a store: ``store=`` an open store or a URL, or :meth:`from_url`."""

    def __init__(self, connection_class: type = LocalConnection, **kwargs: Any) -> None:
        kwargs["store"] = server_of(kwargs)
        super().__init__(connection_class=connection_class, **kwargs)
        self._lock: Any = _ThreadLock()

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Any:
        """Return a pool of connections to the store that a URL names; raise ValueError for other URLs."""
        return cls(**{**kwargs, **url_options(url)})


class BlockingConnectionPool(redis_asyncio.BlockingConnectionPool):
    """redis-py's bounded asyncio pool of connections to a store, see :class:`ConnectionPool`."""

    def __init__(
        self,
        max_connections: int = 50,
        timeout: float | None = 20,
        connection_class: type = LocalConnection,
        **kwargs: Any,
    ) -> None:
        kwargs["store"] = server_of(kwargs)
        super().__init__(max_connections=max_connections, timeout=timeout, connection_class=connection_class, **kwargs)

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Any:
        """Return a pool of connections to the store that a URL names; raise ValueError for other URLs."""
        return cls(**{**kwargs, **url_options(url)})
