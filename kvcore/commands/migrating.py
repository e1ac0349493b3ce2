"""MIGRATE: keys to another server, and away from here.

What lives here: options, which keys go, when the session waits. What must not: the conversation with the target
(:mod:`kvcore.migration`) and what a value looks like on the way (:mod:`kvcore.rdb.payload`). The rule: values are
taken as they are at one moment, and nothing can write until the target has answered.

The real server stands still meanwhile. Here the conversation takes place on a thread of the network's, and only
commands that may write wait for it, as in a CLIENT PAUSE WRITE; inside a transaction or a script there is no moment to
wait at, and everything stands still.
"""

from __future__ import annotations

import re
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.blocking import STILL_BLOCKED, Blocked
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.connection import REDACTED
from kvcore.errors import CommandError
from kvcore.migration import Item, Target, Transfer, request
from kvcore.rdb import payload
from kvcore.replies import Reply

_DEFAULT_TIMEOUT_MS: Final = 1000
_FIRST_OPTION: Final = 6  # place in argv
_NUMBER: Final = re.compile(rb"\s*([+-]?[0-9]{1,18})")
_PORTS: Final = 1 << 16


class _Options:
    """What a MIGRATE asks for besides where to."""

    __slots__ = ("copy", "credentials", "keys", "replace")

    def __init__(self, call: Call, key: bytes, options: tuple[bytes, ...]) -> None:
        self.copy = False
        self.replace = False
        self.credentials: tuple[bytes, ...] = ()
        self.keys: tuple[bytes, ...] = (key,)
        index = 0
        while index < len(options):
            option = options[index].upper()
            left = len(options) - index - 1
            if option == b"COPY":
                self.copy = True
            elif option == b"REPLACE":
                self.replace = True
            elif option in (b"AUTH", b"AUTH2"):
                count = 1 if option == b"AUTH" else 2
                if left < count:
                    raise CommandError(errors.SYNTAX)
                self.credentials = options[index + 1 : index + 1 + count]
                # The argument list is what MONITOR and the slow log will show.
                first = _FIRST_OPTION + index + 1
                call.argv[first : first + count] = [REDACTED] * count
                index += count
            elif option == b"KEYS":
                if key:
                    raise CommandError(errors.MIGRATE_KEY_AND_KEYS)
                self.keys = options[index + 1 :]
                break
            else:
                raise CommandError(errors.SYNTAX)
            index += 1


@command(
    "MIGRATE",
    arity=-6,
    flags="write movablekeys",
    acl="keyspace dangerous",
    keys="RW,access,delete@3 RW,access,delete,incomplete@KEYS:-2..-1/1",
    group="generic",
    since="2.6.0",
    complexity="This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target "
    "instance. See the pages of these commands for time complexity. Also an O(N) data transfer between the two "
    "instances is performed.",
    summary="Move keys to another server, or copy them there.",
    tips=("nondeterministic_output",),
)
def migrate(
    call: Call, host: bytes, port: bytes, key: bytes, database: bytes, timeout: bytes, *arguments: bytes
) -> Reply:
    options = _Options(call, key, arguments)
    timeout_ms = integer(timeout)
    number = integer(database)
    if timeout_ms <= 0:
        timeout_ms = _DEFAULT_TIMEOUT_MS
    items = _taken(call, options)
    if not items:
        return "NOKEY"
    engine = call.engine
    target: Target = (host, _port(port), options.credentials)
    transfer = Transfer(engine.network, engine.clock, target, number, timeout_ms, items)
    engine.migrations.begin(transfer, aside=call.may_block)
    if call.may_block:
        blocked = _run_aside(call, transfer, options.copy)
        if blocked is not None:
            return blocked
    transfer.run()
    reply = engine.migrations.end(transfer, call.db, options.copy)
    if isinstance(reply, CommandError):
        raise reply
    return reply


def _taken(call: Call, options: _Options) -> list[Item]:
    """Return the keys that exist with the requests that restore them. O(bytes)."""
    engine = call.engine
    db = call.db
    list_size = engine.limits.list_size
    compress = engine.config.flag("rdbcompression")
    verb = b"RESTORE-ASKING" if engine.config.flag("cluster-enabled") else b"RESTORE"
    replace = (b"REPLACE",) if options.replace else ()
    items: list[Item] = []
    for key in options.keys:
        value = db.read(key)
        if value is None:
            continue
        at_ms = db.expiry(key)
        ttl = b"0" if at_ms is None else b"%d" % max(1, at_ms - call.now_ms())
        items.append((key, value, request(verb, key, ttl, payload.dump(value, list_size, compress), *replace)))
    return items


def _port(text: bytes) -> int:
    """Return the port as C's ``atoi`` and a field of 16 bits leave it; below 0 it is none."""
    found = _NUMBER.match(text)
    number = 0 if found is None else int(found[1])
    return number if number < 0 else number % _PORTS


def _run_aside(call: Call, transfer: Transfer, copy: bool) -> Blocked | None:
    """Let the network's thread talk and the session wait; None where there is no such thread."""
    engine = call.engine
    record = call.command
    db = call.db
    waiting: list[Blocked] = []

    def done() -> None:
        engine.keyspace.unit_ms = 0
        reply: Reply = CommandError(errors.INTERNAL)
        try:
            reply = engine.migrations.end(transfer, db, copy)
        finally:
            if isinstance(reply, CommandError):
                record.failed += 1
                engine.statistics.count_error(reply.code)
            engine.release_writes()
            engine.blocking.finish(waiting[0], reply)

    if not engine.network.background(transfer.run, done):
        return None
    engine.hold_writes()
    unblocked = CommandError(errors.MIGRATE_READING)  # for CLIENT UNBLOCK: the migration goes on all the same
    waiting.append(call.block((), 0, lambda _key: STILL_BLOCKED, unblocked))
    return waiting[0]
