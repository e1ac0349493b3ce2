"""The same calls to a store and to redis-py on the real server: what differs is shown call by call.

A call is ``(method, *arguments)``, keywords at the end from :func:`kw`. Results are compared after
tuples have become lists (releases of redis-py differ there), errors by their text.
"""

from __future__ import annotations

from typing import Any

import redis

import kvcore

Call = tuple[Any, ...]


class Keywords(dict[str, Any]):
    """The keywords of a call."""


def kw(**keywords: Any) -> Keywords:
    """Return keywords to end a call with."""
    return Keywords(keywords)


def plain(value: object) -> object:
    """Return a value with lists in place of tuples, however deep."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return round(value, 9)
    return value


def outcome(client: Any, call: Call) -> object:
    """Return what a call returns, or the error it raises as text without its code."""
    name, *arguments = call
    keywords = arguments.pop() if arguments and isinstance(arguments[-1], Keywords) else {}
    try:
        return plain(getattr(client, name)(*arguments, **keywords))
    except (redis.RedisError, kvcore.KvcoreError) as error:
        return f"error: {str(error).removeprefix('ERR ').removeprefix('NOSCRIPT ')}"


def differences(store: kvcore.Store, client: redis.Redis, calls: list[Call]) -> list[str]:
    """Run calls in order on both, beginning with no keys; describe where the results differ."""
    store.flushall()
    client.flushall()
    found = []
    for call in calls:
        ours, theirs = outcome(store, call), outcome(client, call)
        if ours != theirs:
            found.append(f"{call}: {ours!r} here, {theirs!r} from redis-py")
    return found
