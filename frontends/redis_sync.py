"""redis-py's client over an open store: a subclass of ``redis.Redis`` with neither sockets nor RESP.

    client = kvcore.Redis()                            # a fresh store of its own
    client = kvcore.Redis(store=store)                 # an open one
    client = kvcore.Redis.from_url("memory://jobs")    # shared by that name within the process

What lives here: the connection class, with the parser that redis-py reads it through, and the client's short way for
plain commands. What must not: sessions and waiting (redis_link.py), values (redis_values.py), what commands are
called (redis-py knows). The rule: only what stands between redis-py and its socket is replaced; pools, pipelines,
locks, scripts and subscriptions are redis-py's own, in every supported release.
"""

# redis-py is typed in part
# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any, Final

import redis
from redis._parsers import BaseParser
from redis.client import Pipeline
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.utils import str_if_bytes

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
from kvcore.frontends.redis_values import VERSION, Arguments, Packer, text_of, undecoded, value
from kvcore.replies import Push, Reply

_SOME: Final = object()
"""Stands for "no timeout was given" where redis-py passes none."""


class LocalParser(PushHandlers, BaseParser):
    """Where redis-py reads replies."""

    def __init__(self, socket_read_size: int = 0) -> None:  # noqa: ARG002 - redis-py passes it
        super().__init__()
        self._link: Link | None = None
        self._text: Any = undecoded
        self._timeout_s: float | None = None

    def on_connect(self, connection: Any) -> None:
        """Take over a new connection."""
        self._link = connection._sock
        self._timeout_s = connection.socket_timeout
        self._text = text_of(connection.encoder)

    def on_disconnect(self) -> None:
        """Let go of the connection."""
        self._link = None

    def _open_link(self) -> Link:
        link = self._link
        if link is None:
            raise RedisConnectionError("Connection closed by server.")
        return link

    def can_read(self, timeout: float | None = 0) -> bool:
        """Say whether something arrives within ``timeout`` seconds; raise redis.ConnectionError if it never can."""
        link = self._open_link()
        return link.ready() or (timeout != 0 and link.wait(timeout))

    def read_response(
        self, disable_decoding: bool = False, push_request: bool | None = None, timeout: Any = _SOME
    ) -> Any:
        """Return the next reply, an exception for an error reply; raise redis.TimeoutError after the time-out.

        ``timeout`` is in seconds, None for ever; without one it is the connection's.
        """
        link = self._open_link()
        if not isinstance(timeout, int | float | None):
            timeout = self._timeout_s
        while True:
            reply = self._next(link, timeout)
            protocol = link.session.protocol
            found = value(reply, protocol, undecoded if disable_decoding else self._text)
            if isinstance(found, RedisConnectionError):
                raise found
            if protocol == 2 or type(reply) is not Push:
                return found
            found = self.handle(found)
            if push_request or (push_request is None and reply[0] != b"invalidate"):
                return found

    @staticmethod
    def _next(link: Link, timeout_s: float | None) -> Reply:
        if not link.inbox and not link.wait(timeout_s) and not link.give_up():
            raise TimeoutError("Timeout reading from the store")
        return link.inbox.popleft()

    def next_reply(self) -> Reply:
        """Return the next reply as the engine gave it, pushes handed to whom they concern."""
        link = self._open_link()
        while True:
            reply = self._next(link, self._timeout_s)
            if type(reply) is not Push or link.session.protocol == 2:
                return reply
            self.handle(value(reply, 3, self._text))


class LocalConnection(AbstractConnection):
    """A redis-py connection to an open store.

    For pools of one's own: ``ConnectionPool(connection_class=LocalConnection, store=store)``, where ``store`` is an
    open :class:`~kvcore.Store` or a ``memory://`` or ``file://`` URL. Hosts, ports and TLS options have no meaning
    here.
    """

    host = port = ""

    def __init__(self, **kwargs: Any) -> None:
        self.server = local_arguments(kwargs)
        self.host = self.server.name
        super().__init__(parser_class=LocalParser, **kwargs)
        self.arguments = Arguments(self.encoder)
        self._command_packer = Packer(self.arguments)
        self.text = text_of(self.encoder)

    def __del__(self) -> None:
        link = getattr(self, "_sock", None)
        if link is not None:
            self._sock = None
            link.abandon()

    def repr_pieces(self) -> list[tuple[str, Any]]:
        """Return what ``repr`` shows."""
        return [("store", self.server.name), ("db", self.db)]

    def _connect(self) -> Link:
        return self.server.connect()

    def _host_error(self) -> str:
        return self.server.name

    def _error_message(self, exception: BaseException) -> str:
        return f"Error connecting to {self.server.name}. {exception}"

    def pack_commands(self, commands: Any) -> list[list[list[bytes]]]:
        """Return one batch of all commands."""
        argv = self.arguments.argv
        return [[argv(command) for command in commands]]

    @property
    def is_ready(self) -> bool:
        """Whether it is connected, with nothing unread."""
        link: Link | None = self._sock
        return link is not None and link.is_open and not link.inbox

    @property
    def link(self) -> Link:
        """The session it has now; raise redis.ConnectionError without one."""
        link: Link | None = self._sock
        if link is None:
            raise RedisConnectionError("Connection closed by server.")
        return link

    @property
    def handshake_metadata(self) -> Any:
        """What HELLO answered; for redis-py's client-side cache of at least the release that it asks for."""
        return self._handshake

    @handshake_metadata.setter
    def handshake_metadata(self, answer: Any) -> None:
        if isinstance(answer, dict):
            key = "version" if "version" in answer else b"version"
            answer = {**answer, key: max(str_if_bytes(answer[key]), "7.4.0")}
        self._handshake = answer

    def extract_connection_details(self) -> str:
        """Return what redis-py's debug log shows."""
        return f"connected to {self.server.name}" if self._sock else "not connected"

    def exchange(self, batch: list[list[bytes]]) -> list[Reply]:
        """Run commands and return those replies that came at once; the others are to be read one by one."""
        if not self.is_ready:
            self.connect()
        if self.health_check_interval:
            self.check_health()
        return self.link.exchange(batch)


class LocalPipeline(Pipeline):
    """redis-py's pipeline, whose commands go to the engine as one batch."""

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

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run the commands; see redis-py."""
        connection = borrow(self)
        if connection is None:
            found: list[Any] = super().execute(raise_on_error)
            return found
        together: Any = self.transaction  # the flag hides the method of that name
        run = self._execute_transaction if together or self.explicit_transaction else self._execute_pipeline
        try:
            return run(connection, self.command_stack, raise_on_error)  # type: ignore[no-any-return]
        finally:
            self.connection_pool._available_connections.append(connection)
            self.reset()

    def _execute_transaction(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        batch = connection.arguments.batch(commands) if isinstance(connection, LocalConnection) else None
        if batch is None:
            return super()._execute_transaction(connection, commands, raise_on_error)
        reply = connection.link.transact(batch) if connection.is_ready else UNREADY
        if reply is LATER:
            replies = self._read_rest(connection, 1)
        elif reply is UNREADY:
            batch = [[b"MULTI"], *batch, [b"EXEC"]]
            replies = connection.exchange(batch) or self._read_rest(connection, len(batch))
        else:
            replies = [reply]
        if is_amiss(commands, replies):
            connection.disconnect()
            raise redis.ResponseError(AMISS)
        return transaction_results(self, connection, commands, replies, raise_on_error)

    def _execute_pipeline(self, connection: Any, commands: Any, raise_on_error: bool) -> Any:
        batch = connection.arguments.batch(commands) if isinstance(connection, LocalConnection) else None
        if batch is None:
            return super()._execute_pipeline(connection, commands, raise_on_error)
        replies = connection.exchange(batch)
        if not replies:
            replies = self._read_rest(connection, len(batch))
        return results(self, connection, commands, replies, raise_on_error)

    @staticmethod
    def _read_rest(connection: LocalConnection, count: int) -> list[Any]:
        """Wait for replies that did not come at once: some command waits for another client."""
        parser = connection._parser
        try:
            return [parser.next_reply() for _ in range(count)]
        except TimeoutError:
            connection.disconnect()
            raise RedisTimeoutError(f"Timeout reading from {connection.server.name}") from None
        except BaseException:
            connection.disconnect()
            raise


class Redis(redis.Redis):
    """A ``redis.Redis`` whose server is a store in this process.

    Takes redis-py's arguments; those about hosts, sockets and TLS have no meaning here. ``store`` is an open
    :class:`kvcore.Store` or a URL (``memory://name``, ``file:///dir``) to share; without it the client has a fresh
    store of its own, which ends with it. Closed stores, and clients used after a fork, raise
    ``redis.ConnectionError``.
    """

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
        super().__init__(*args, **arguments)
        if connection_pool is None:
            make_local(self, LocalConnection, find_server(store))
        pool = self.connection_pool
        self._owns_pool = connection_pool is None
        self._plain: dict[str, bytes] = {}
        """The commands that go straight to the engine; none before the first one went redis-py's way."""
        self._short = not single_connection_client and is_short(pool, LocalConnection, redis.BlockingConnectionPool)
        if single_connection_client:
            self._single_connection_client = True
            self.connection = pool.get_connection() if VERSION >= (5, 3) else pool.get_connection("_")

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Redis:
        """Return a client of the store that a URL names: ``memory://``, ``memory://name[/db]``, ``file:///dir``.

        Options of redis-py may stand in the query, as in its own URLs. Raises ValueError for other URLs.
        """
        return cls(**{**kwargs, **url_options(url)})

    @property
    def server(self) -> LocalServer:
        """Where the client connects to."""
        return server_of_pool(self.connection_pool)

    def close(self) -> None:
        """End the connections; a client that is used again begins new ones. Its store stays if anybody has it."""
        super().close()
        if getattr(self, "_owns_pool", False):
            self.connection_pool.disconnect()

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

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command and return its reply as redis-py would.

        A plain command takes a connection out of the pool, and puts it back, as redis-py does; between, it is one
        call of the engine. Whatever is unusual about command, connection or reply goes redis-py's own way.
        """
        name = self._plain.get(args[0])
        if name is None:
            return self._long_way(args, options)
        available = self.connection_pool._available_connections
        try:
            connection = available.pop()
        except IndexError:
            return super().execute_command(*args, **options)
        try:
            link = connection._sock
            reply = UNREADY if link is None else link.call([name, *connection.arguments.rest(args[1:])])
            if reply is LATER:
                return self.parse_response(connection, args[0], **options)
        finally:
            available.append(connection)
        if reply is UNREADY:
            return super().execute_command(*args, **options)
        return answer(self, connection, args[0], reply, options)

    def _long_way(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        found = super().execute_command(*args, **options)
        if self._short and not self._plain:
            self._plain = self.server.plain
        return found


class ConnectionPool(redis.ConnectionPool):
    """redis-py's pool of connections to a store: ``store=`` an open store or a URL, or :meth:`from_url`."""

    def __init__(self, connection_class: type = LocalConnection, **kwargs: Any) -> None:
        kwargs["store"] = server_of(kwargs)
        super().__init__(connection_class=connection_class, **kwargs)

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> Any:
        """Return a pool of connections to the store that a URL names; raise ValueError for other URLs."""
        return cls(**{**kwargs, **url_options(url)})


class BlockingConnectionPool(redis.BlockingConnectionPool):
    """redis-py's bounded pool of connections to a store, see :class:`ConnectionPool`."""

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
