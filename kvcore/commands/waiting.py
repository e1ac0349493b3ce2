"""WAIT and WAITAOF: hold the client until its writes are safe elsewhere, or time runs out.

What lives here: arguments and replies. What must not: who has which writes, which
:mod:`kvcore.acknowledgements` knows. The rule: the reply says how far the writes have come, whether that is what was
waited for or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kvcore import errors
from kvcore.arguments import integer, integer_in_range
from kvcore.blocking import STILL_BLOCKED, Blocked
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.replies import Reply

_NEVER_MS: Final = 2**53
_INT64_MAX: Final = 2**63 - 1


def _timeout_ms(argument: bytes) -> int:
    milliseconds = integer(argument, errors.TIMEOUT_NOT_AN_INTEGER)
    if milliseconds < 0:
        raise CommandError(errors.TIMEOUT_NEGATIVE)
    return milliseconds if milliseconds < _NEVER_MS else 0


@command(
    "WAIT",
    arity=3,
    flags="noscript",
    acl="connection",
    group="generic",
    since="3.0.0",
    complexity="O(1)",
    summary="Wait until so many replicas have the client's writes; return how many have.",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)
def wait(call: Call, replicas: bytes, timeout: bytes) -> Reply:
    if call.engine.is_replica:
        raise CommandError(errors.WAIT_ON_REPLICA)
    wanted = integer(replicas)
    timeout_ms = _timeout_ms(timeout)
    session = call.session
    acknowledgements = call.engine.acknowledgements

    def count() -> int:
        return acknowledgements.on_replicas(session)

    return _until(call, timeout_ms, count, lambda: count() >= wanted)


@command(
    "WAITAOF",
    arity=4,
    flags="noscript",
    acl="connection",
    group="generic",
    since="7.2.0",
    complexity="O(1)",
    summary="Wait until the client's writes are synced here and on so many replicas; say how far they are.",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)
def waitaof(call: Call, local: bytes, replicas: bytes, timeout: bytes) -> Reply:
    here = integer(local)
    if not 0 <= here <= 1:
        raise CommandError(errors.ZERO_OR_ONE)
    wanted = integer_in_range(replicas, 0, _INT64_MAX, errors.POSITIVE_OUT_OF_RANGE)
    timeout_ms = _timeout_ms(timeout)
    session = call.session
    acknowledgements = call.engine.acknowledgements

    def progress() -> list[Reply]:
        return [int(acknowledgements.on_disk(session)), acknowledgements.on_replica_disks(session)]

    def is_enough() -> bool:
        if here and not call.engine.config.flag("appendonly"):
            raise CommandError(errors.WAITAOF_WITHOUT_AOF)
        on_disk, on_replicas = progress()
        return bool(on_disk >= here and on_replicas >= wanted)

    return _until(call, timeout_ms, progress, is_enough)


def _until(call: Call, timeout_ms: int, progress: Callable[[], Reply], is_enough: Callable[[], bool]) -> Reply:
    """Return the progress when it is enough, or when it is too late."""
    if is_enough() or not call.may_block:
        return progress()
    blocked: Blocked = call.block((), timeout_ms, lambda _key: STILL_BLOCKED, progress())

    def answer() -> Reply | None:
        try:
            blocked.on_timeout = progress()
            return blocked.on_timeout if is_enough() else None
        except CommandError as error:
            return error

    call.engine.acknowledgements.wait(blocked, answer)
    return blocked
