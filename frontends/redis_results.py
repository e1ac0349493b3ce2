"""What redis-py's clients and pipelines make of replies, and of their arguments, in process: sync and asyncio alike.

What lives here: all that needs no waiting. What must not: connections and clients (redis_sync.py, redis_asyncio.py).
The rule: the results are redis-py's, callbacks and exceptions included.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

from redis._parsers.helpers import bool_ok, parse_set_result
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import ExecAbortError, ResponseError, WatchError
from redis.utils import get_lib_version

from kvcore.frontends.redis_link import LocalServer
from kvcore.frontends.redis_urls import server_of
from kvcore.frontends.redis_values import exception, undecoded, value
from kvcore.replies import OK, Reply, Transaction

_NETWORK: Final = (
    "command_packer",
    "host",
    "port",
    "path",
    "socket_type",
    "socket_keepalive",
    "socket_keepalive_options",
    "parser_class",
)
AMISS: Final = "Wrong number of response items from pipeline execution"
_DRIVER: Final = importlib.import_module("redis.driver_info") if find_spec("redis.driver_info") else None
"""Where redis-py says what it is; older releases have no such module."""

_DRIVER_OPTIONS: Final = frozenset(("driver_info", "lib_name", "lib_version"))
_OWN_OPTIONS: Final = frozenset(("keys", NEVER_DECODE, EMPTY_RESPONSE))
"""Options of redis-py's calls that are not for response callbacks."""


def local_arguments(kwargs: dict[str, Any]) -> LocalServer:
    """Take what has no meaning in process out of a connection's arguments; return the server to connect to."""
    server = server_of(kwargs)
    for name in [name for name in kwargs if name in _NETWORK or name.startswith(("ssl_", "orig_", "maint_", "oss_"))]:
        del kwargs[name]
    if server.admits_all:
        for name in ("username", "password", "credential_provider"):
            kwargs.pop(name, None)
    return server


class PushHandlers:
    """Who hears of RESP3 pushes: the setters that redis-py's parsers have."""

    def __init__(self) -> None:
        self.pubsub_push_handler_func: Any = None
        self.invalidation_push_handler_func: Any = None

    def set_pubsub_push_handler(self, handler: Any) -> None:
        """Have subscriptions' messages go through ``handler``."""
        self.pubsub_push_handler_func = handler

    set_push_handler = set_pubsub_push_handler

    def set_invalidation_push_handler(self, handler: Any) -> None:
        """Have the invalidations of client-side caching go to ``handler``."""
        self.invalidation_push_handler_func = handler

    def handle(self, push: list[Any]) -> Any:
        """Hand a push to who asked for it; return what the reader of pushes gets."""
        if push[0] in (b"invalidate", "invalidate"):
            handler = self.invalidation_push_handler_func
            return None if handler is None else handler(push)
        handler = self.pubsub_push_handler_func
        return push if handler is None else handler(push)


def make_local(client: Any, connection_class: type, server: LocalServer) -> None:
    """Have a client that redis-py made, and that has not connected yet, connect to a store."""
    pool = client.connection_pool
    pool.connection_class = connection_class
    pool.connection_kwargs["store"] = server


def client_defaults(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return a client's arguments with what it does not say.

    A store that is gone stays gone, so nothing is tried again unless asked for. What redis-py calls itself is looked up
    once: redis-py reads it from a file for every client, which takes longer than all else.
    """
    defaults: dict[str, Any] = {"retry": None}
    if _DRIVER is not None and not kwargs.keys() & _DRIVER_OPTIONS:
        defaults["driver_info"] = _DRIVER.DriverInfo(lib_version=_library_version())
    return {**defaults, **kwargs}


@cache
def _library_version() -> str:
    version: str = get_lib_version()  # type: ignore[no-untyped-call]
    return version


def is_short(pool: Any, connection_class: type, blocking_pool: type) -> bool:
    """Say whether plain commands may go straight to the engine: through a plain pool of ours, without a cache."""
    return (
        pool.connection_class is connection_class
        and hasattr(pool, "_available_connections")
        and not isinstance(pool, blocking_pool)
        and getattr(pool, "cache", None) is None
    )


def borrow(pipeline: Any) -> Any:
    """Take a connection that is ready for a pipeline's commands out of its pool; None if redis-py is to find one."""
    if not pipeline.short or pipeline.connection is not None or pipeline.scripts or not pipeline.command_stack:
        return None
    available = pipeline.connection_pool._available_connections
    try:
        connection = available.pop()
    except IndexError:
        return None
    if connection.is_ready:
        return connection
    available.append(connection)
    return None


def says_ok(callback: Any) -> bool:
    """Say whether a callback is one of redis-py's that, without options, make True of OK, and do nothing else."""
    return callback is parse_set_result or callback is bool_ok


def answer(client: Any, connection: Any, name: str, reply: Reply, options: dict[str, Any]) -> Any:
    """Return what redis-py's ``parse_response`` makes of a reply."""
    text = connection.text
    callback = dict.get(client.response_callbacks, name)
    kind = type(reply)
    if kind is bytes and text is undecoded:
        found: Any = reply
    elif reply is OK:
        if not options and says_ok(callback):
            return True
        found = text(b"OK")
    elif kind is int or reply is None:
        found = reply
    else:
        raw = text is not undecoded and options and NEVER_DECODE in options
        found = value(reply, connection.link.session.protocol, undecoded if raw else text)
        if isinstance(found, Exception):
            if EMPTY_RESPONSE in options and isinstance(found, ResponseError):
                return options[EMPTY_RESPONSE]
            raise found
    if callback is None:
        return found
    if options:
        for option in _OWN_OPTIONS:
            options.pop(option, None)
        return callback(found, **options)
    return callback(found)


def results(pipeline: Any, connection: Any, commands: Any, replies: list[Reply], raise_on_error: bool) -> list[Any]:
    """Return what redis-py makes of the replies to a pipeline's commands; raise the first error if asked to.

    A connection's error (LOADING, a bad password) ends a pipeline, as in redis-py; in a transaction it is a result.
    """
    callbacks = pipeline.response_callbacks
    protocol = connection.link.session.protocol
    text = connection.text
    decodes = text is not undecoded
    okay = text(b"OK")
    together = type(replies) is Transaction
    known: dict[Any, Any] = {}
    okays: dict[Any, Any] = {}
    found: list[Any] = []
    append = found.append
    for (args, options), reply in zip(commands, replies, strict=True):
        name = args[0]
        if reply is OK:
            if name in okays and not options:
                append(okays[name])
                continue
            item: Any = okay
        else:
            kind = type(reply)
            if (kind is bytes and not decodes) or kind is int or reply is None:
                item = reply
            else:
                item = value(reply, protocol, undecoded if options and NEVER_DECODE in options else text)
                if isinstance(item, Exception):
                    if not (together or isinstance(item, ResponseError)):
                        raise item
                    append(item)
                    continue
        if name in known:
            callback = known[name]
        else:
            callback = known[name] = callbacks.get(name)
            if callback is None:
                okays[name] = okay
            elif says_ok(callback):
                okays[name] = True
            if name in pipeline.UNWATCH_COMMANDS:
                pipeline.watching = False
        if callback is None:
            append(item)
        elif options:
            append(callback(item, **{key: option for key, option in options.items() if key not in _OWN_OPTIONS}))
        else:
            append(callback(item))
    if raise_on_error and not together and any(issubclass(kind, ResponseError) for kind in set(map(type, found))):
        pipeline.raise_first_error(commands, found)
    return found


def is_amiss(commands: Any, replies: list[Reply]) -> bool:
    """Say whether EXEC answered for other commands than these: one of them was MULTI or DISCARD, by name."""
    executed = replies[-1]
    if type(executed) is not Transaction:
        return False
    refused = sum(isinstance(reply, Exception) for reply in replies[:-1])
    return len(executed) + refused != len(commands)


def transaction_results(
    pipeline: Any, connection: Any, commands: Any, replies: list[Reply], raise_on_error: bool
) -> list[Any]:
    """Return what redis-py makes of the replies from MULTI to EXEC; raise redis.WatchError if a watched key changed."""
    executed = replies[-1]
    refused: list[tuple[int, Exception]] = []
    for number, reply in enumerate(replies[:-1]):
        if isinstance(reply, Exception):
            error = exception(reply)
            if not isinstance(error, ResponseError):
                raise error
            if number:
                pipeline.annotate_exception(error, number, commands[number - 1][0])
            refused.append((max(number - 1, 0), error))
    if isinstance(executed, Exception):
        error = exception(executed)
        if not isinstance(error, ExecAbortError):
            pipeline.watching = False
        elif refused:
            error = refused[0][1]
        raise error
    pipeline.watching = False
    if type(executed) is not Transaction:
        raise WatchError("Watched variable changed.")
    for number, error in refused:
        executed.insert(number, error)
    if raise_on_error and any(issubclass(kind, Exception) for kind in set(map(type, executed))):
        # Errors come first here, whatever the callbacks would say.
        errors = [exception(reply) if isinstance(reply, Exception) else None for reply in executed]
        pipeline.raise_first_error(commands, errors)
    return results(pipeline, connection, commands, executed, raise_on_error)
