"""CLIENT: what a client asks of, or does to, the clients of this server.

Lives here: the listing, its filters, and the switches that only the session holds. Must not live here: transport (the
session's ``peer`` knows addresses and buffers, its ``close`` ends it) and parking (:mod:`kvcore.blocking`). The rule:
a line of CLIENT LIST has the fields of the real server in its order; what kvcore has no counterpart for is 0.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.client_memory import memory_of, queued_bytes
from kvcore.command import command
from kvcore.commands.connection import valid_name
from kvcore.errors import CommandError, text
from kvcore.helptext import container_help
from kvcore.replies import NO_REPLY, OK, Reply, Verbatim
from kvcore.session import CLOSE, NO_TOUCH, REPLY_OFF, REPLY_SKIP, REPLY_SKIP_NEXT, SUBSCRIBED, Session

_TYPES: Final = {
    b"normal": "normal",
    b"slave": "replica",
    b"replica": "replica",
    b"pubsub": "pubsub",
    b"master": "master",
}
_INT64_MAX: Final = 2**63 - 1
_HELP: Final = {
    "LIST": "[TYPE <normal|master|replica|pubsub>] [ID <id> [<id> ...]]",
    "KILL": "<ip:port> | <ID|ADDR|LADDR|TYPE|USER|SKIPME> <value> [...]",
    "SETNAME": "<name>",
    "SETINFO": "<LIB-NAME|LIB-VER> <value>",
    "NO-EVICT": "<ON|OFF>",
    "NO-TOUCH": "<ON|OFF>",
    "PAUSE": "<milliseconds> [WRITE|ALL]",
    "REPLY": "<ON|OFF|SKIP>",
    "UNBLOCK": "<id> [TIMEOUT|ERROR]",
    "TRACKING": "<ON|OFF> [REDIRECT <id>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]",
    "CACHING": "<YES|NO>",
}


@command(
    "CLIENT",
    arity=-2,
    group="connection",
    since="2.4.0",
    complexity="Depends on subcommand.",
    summary="Look at and control the clients of this server.",
)
def client(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


def client_type(session: Session) -> str:
    """Return the class of a client: ``normal``, ``pubsub``, ``replica`` or ``master``."""
    return "pubsub" if session.kind == "normal" and session.gate & SUBSCRIBED else session.kind


def _flags(session: Session) -> str:
    letters = ""
    if session.monitor:
        letters += "O"
    elif session.kind == "replica":
        letters += "S"
    if session.kind == "master":
        letters += "M"
    if session.gate & SUBSCRIBED:
        letters += "P"
    if session.multi is not None:
        letters += "x"
    if session.blocked is not None:
        letters += "b"
    tracker = session.tracker
    if tracker is not None:
        letters += "t"
        if tracker.broken:
            letters += "R"
        if tracker.broadcast:
            letters += "B"
    if session.watched_changed:
        letters += "d"
    if session.interrupt & CLOSE:
        letters += "c"
    if session.peer.address.startswith("/"):
        letters += "U"
    if session.no_evict:
        letters += "e"
    if session.no_touch:
        letters += "T"
    return letters or "N"


def _last_command(session: Session) -> str:
    """Return the name of the command a client sent last; one that waits for EXEC counts."""
    record = session.call.command
    if session.multi:
        queued = session.engine.resolve(session.multi[-1])
        if not isinstance(queued, CommandError):
            record = queued
    return record.full_name or "NULL"


def describe(session: Session, now_ms: int, argv: list[bytes]) -> str:
    """Return the line of CLIENT LIST for a session; ``argv`` is the command it is running now, if any."""
    peer = session.peer
    call = session.call
    queued = session.multi or []
    redirect = -1 if session.tracker is None else session.tracker.redirect
    query_buffer = peer.query_buffer
    output_buffer = peer.output_buffer
    argv_bytes = sum(map(len, argv))
    total = memory_of(session) + (0 if session.blocked is not None else argv_bytes)
    pieces = len(session.outbox) + (1 if output_buffer else 0)
    return (
        f"id={session.id} addr={peer.address} laddr={peer.local_address} fd={peer.descriptor}"
        f" name={text(session.name)} age={max(0, now_ms - session.created_ms) // 1000}"
        f" idle={max(0, now_ms - session.last_ms) // 1000} flags={_flags(session)}"
        f" db={call.db.index} sub={len(session.channels)} psub={len(session.patterns)}"
        f" ssub={len(session.shard_channels)}"
        f" multi={-1 if session.multi is None else len(queued)} qbuf={query_buffer} qbuf-free={peer.announced}"
        f" argv-mem={argv_bytes or peer.argument_bytes} multi-mem={queued_bytes(session)} rbs=0 rbp=0"
        f" obl=0 oll={pieces} omem={output_buffer} tot-mem={total}"
        f" events={'rw' if output_buffer else 'r'} cmd={_last_command(session)}"
        f" user={text(session.user)} redir={redirect} resp={session.protocol}{_library(session)}"
    )


def _library(session: Session) -> str:
    """Return the fields that Redis 7.2 added, for clients that filled them in."""
    if not session.library_name and not session.library_version:
        return ""
    return f" lib-name={text(session.library_name)} lib-ver={text(session.library_version)}"


def _running(session: Session, call: Call) -> list[bytes]:
    """Return the command a session is running or parked in, empty if it is between commands."""
    return session.call.argv if session is call.session or session.blocked is not None else []


def _listing(call: Call, sessions: list[Session]) -> Verbatim:
    now_ms = call.now_ms()
    call.session.last_ms = now_ms
    lines = [describe(session, now_ms, _running(session, call)) for session in sessions]
    return Verbatim("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def _type_named(name: bytes) -> str:
    found = _TYPES.get(name.lower())
    if found is None:
        raise CommandError(errors.unknown_client_type(name))
    return found


@command(
    "CLIENT|LIST",
    arity=-2,
    flags="admin noscript loading stale",
    acl="connection",
    group="connection",
    since="2.4.0",
    complexity="O(N) where N is the number of client connections",
    summary="Describe the connected clients, one line each.",
    tips=("nondeterministic_output",),
)
def client_list(call: Call, *arguments: bytes) -> Reply:
    sessions = call.engine.sessions
    if not arguments:
        return _listing(call, list(sessions.values()))
    option = arguments[0].upper()
    if option == b"TYPE" and len(arguments) == 2:
        wanted = _type_named(arguments[1])
        return _listing(call, [session for session in sessions.values() if client_type(session) == wanted])
    if option == b"ID" and len(arguments) > 1:
        ids = [integer(argument, errors.INVALID_CLIENT_ID) for argument in arguments[1:]]
        return _listing(call, [sessions[session_id] for session_id in ids if session_id in sessions])
    raise CommandError(errors.SYNTAX)


@command(
    "CLIENT|INFO",
    arity=2,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="6.2.0",
    complexity="O(1)",
    summary="Describe this client, as CLIENT LIST does.",
    tips=("nondeterministic_output",),
)
def client_info(call: Call) -> Reply:
    return _listing(call, [call.session])


@command(
    "CLIENT|ID",
    arity=2,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="5.0.0",
    complexity="O(1)",
    summary="Return the number of this connection.",
)
def client_id(call: Call) -> Reply:
    return call.session.id


@command(
    "CLIENT|GETNAME",
    arity=2,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="2.6.9",
    complexity="O(1)",
    summary="Return the name of this connection.",
)
def client_getname(call: Call) -> Reply:
    return call.session.name or None


@command(
    "CLIENT|SETNAME",
    arity=3,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="2.6.9",
    complexity="O(1)",
    summary="Name this connection; an empty name takes it away.",
)
def client_setname(call: Call, name: bytes) -> Reply:
    if not valid_name(name):
        raise CommandError(errors.INVALID_CLIENT_NAME)
    call.session.name = name
    return OK


@command(
    "CLIENT|SETINFO",
    arity=4,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="7.2.0",
    complexity="O(1)",
    summary="Name the library, or its version, that this connection uses.",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def client_setinfo(call: Call, attribute: bytes, value: bytes) -> Reply:
    name = attribute.lower()
    if name == b"lib-name":
        if not valid_name(value):
            raise CommandError(errors.INVALID_LIBRARY_NAME)
        call.session.library_name = value
    elif name == b"lib-ver":
        if not valid_name(value):
            raise CommandError(errors.INVALID_LIBRARY_VERSION)
        call.session.library_version = value
    else:
        raise CommandError(errors.unrecognized_option(attribute))
    return OK


class _KillFilter:
    """Which clients CLIENT KILL is to end. A field left None matches all."""

    __slots__ = ("_users", "address", "id", "kind", "local_address", "skip_me", "user")

    def __init__(self, users: Container[bytes]) -> None:
        self._users = users
        self.id: int | None = None
        self.address: bytes | None = None
        self.local_address: bytes | None = None
        self.kind: str | None = None
        self.user: bytes | None = None
        self.skip_me = True

    def add(self, option: bytes, value: bytes) -> None:
        """Take one filter over; raise CommandError if it is none."""
        name = option.upper()
        if name == b"ID":
            self.id = integer(value, errors.CLIENT_ID_NOT_POSITIVE)
            if self.id < 1:
                raise CommandError(errors.CLIENT_ID_NOT_POSITIVE)
        elif name == b"TYPE":
            self.kind = _type_named(value)
        elif name == b"ADDR":
            self.address = value
        elif name == b"LADDR":
            self.local_address = value
        elif name == b"USER":
            if value not in self._users:
                raise CommandError(errors.no_such_user(value))
            self.user = value
        elif name == b"SKIPME" and value.upper() in (b"YES", b"NO"):
            self.skip_me = value.upper() == b"YES"
        else:
            raise CommandError(errors.SYNTAX)

    def matches(self, session: Session) -> bool:
        """Whether a session is meant, SKIPME aside."""
        return (
            (self.id is None or session.id == self.id)
            and (self.address is None or session.peer.address.encode() == self.address)
            and (self.local_address is None or session.peer.local_address.encode() == self.local_address)
            and (self.kind is None or client_type(session) == self.kind)
            and (self.user is None or session.user == self.user)
        )


@command(
    "CLIENT|KILL",
    arity=-3,
    flags="admin noscript loading stale",
    acl="connection",
    group="connection",
    since="2.4.0",
    complexity="O(N) where N is the number of client connections",
    summary="Close the connections that match all filters.",
)
def client_kill(call: Call, *arguments: bytes) -> Reply:
    wanted = _KillFilter(call.engine.acl.users)
    old_form = len(arguments) == 1
    if old_form:
        wanted.address = arguments[0]
        wanted.skip_me = False
    elif len(arguments) % 2:
        for option, value in zip(arguments[0:-1:2], arguments[1:-1:2], strict=True):
            wanted.add(option, value)
        raise CommandError(errors.SYNTAX)
    for option, value in zip(arguments[0::2], arguments[1::2], strict=False):
        wanted.add(option, value)
    me = call.session
    killed = 0
    for session in list(call.engine.sessions.values()):
        if not wanted.matches(session) or (session is me and wanted.skip_me):
            continue
        killed += 1
        if session is me:
            session.interrupt |= CLOSE
        else:
            call.engine.disconnect(session)
    if not old_form:
        return killed
    if not killed:
        raise CommandError(errors.NO_SUCH_CLIENT)
    return OK


@command(
    "CLIENT|NO-EVICT",
    arity=3,
    flags="admin noscript loading stale",
    acl="connection",
    group="connection",
    since="7.0.0",
    complexity="O(1)",
    summary="Protect this connection from being closed when clients use too much memory.",
)
def client_no_evict(call: Call, switch: bytes) -> Reply:
    value = switch.upper()
    if value not in (b"ON", b"OFF"):
        raise CommandError(errors.SYNTAX)
    call.session.no_evict = value == b"ON"
    call.engine.client_memory.follow()
    return OK


@command(
    "CLIENT|NO-TOUCH",
    arity=3,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="7.2.0",
    complexity="O(1)",
    summary="Let the commands of this connection leave the access times of keys as they are.",
)
def client_no_touch(call: Call, switch: bytes) -> Reply:
    value = switch.upper()
    if value not in (b"ON", b"OFF"):
        raise CommandError(errors.SYNTAX)
    session = call.session
    session.no_touch = value == b"ON"
    if session.no_touch:
        session.gate |= NO_TOUCH
    else:
        session.gate &= ~NO_TOUCH
    return OK


@command(
    "CLIENT|PAUSE",
    arity=-3,
    flags="admin noscript loading stale",
    acl="connection",
    group="connection",
    since="2.9.50",
    complexity="O(1)",
    summary="Hold back the commands of all clients, or their writes only, for some milliseconds.",
)
def client_pause(call: Call, timeout: bytes, *mode: bytes) -> Reply:
    if len(mode) > 1:
        raise CommandError(errors.wrong_subcommand("CLIENT", call.argv[1]))
    everything = True
    if mode:
        word = mode[0].upper()
        if word not in (b"WRITE", b"ALL"):
            raise CommandError(errors.PAUSE_MODE)
        everything = word == b"ALL"
    timeout_ms = integer(timeout, errors.TIMEOUT_NOT_AN_INTEGER)
    if timeout_ms < 0:
        raise CommandError(errors.TIMEOUT_NEGATIVE)
    until_ms = call.now_ms() + timeout_ms
    # The real server's sum wraps: an end beyond its 64 bits lies in the past, and nothing is paused.
    if until_ms <= _INT64_MAX:
        call.engine.pause(until_ms, everything)
    return OK


@command(
    "CLIENT|UNPAUSE",
    arity=2,
    flags="admin noscript loading stale",
    acl="connection",
    group="connection",
    since="6.2.0",
    complexity="O(N) Where N is the number of paused clients",
    summary="End a CLIENT PAUSE now.",
)
def client_unpause(call: Call) -> Reply:
    call.engine.unpause()
    return OK


@command(
    "CLIENT|REPLY",
    arity=3,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="3.2.0",
    complexity="O(1)",
    summary="Switch the replies to this connection on or off, or skip the next one.",
)
def client_reply(call: Call, switch: bytes) -> Reply:
    session = call.session
    value = switch.upper()
    if value == b"ON":
        session.interrupt &= ~(REPLY_OFF | REPLY_SKIP | REPLY_SKIP_NEXT)
        return OK
    if value == b"OFF":
        session.interrupt |= REPLY_OFF
    elif value == b"SKIP":
        if not session.interrupt & REPLY_OFF:
            session.interrupt |= REPLY_SKIP_NEXT
    else:
        raise CommandError(errors.SYNTAX)
    return NO_REPLY


@command(
    "CLIENT|UNBLOCK",
    arity=-3,
    flags="admin noscript loading stale",
    acl="connection",
    group="connection",
    since="5.0.0",
    complexity="O(log N) where N is the number of client connections",
    summary="End the wait of another client's blocking command.",
)
def client_unblock(call: Call, identifier: bytes, *reason: bytes) -> Reply:
    if len(reason) > 1:
        raise CommandError(errors.wrong_subcommand("CLIENT", call.argv[1]))
    with_error = False
    if reason:
        word = reason[0].upper()
        if word not in (b"TIMEOUT", b"ERROR"):
            raise CommandError(errors.UNBLOCK_REASON)
        with_error = word == b"ERROR"
    session = call.engine.sessions.get(integer(identifier))
    return int(session is not None and call.engine.blocking.unblock(session, with_error))


@command(
    "CLIENT|HELP",
    arity=2,
    flags="loading stale",
    acl="connection",
    group="connection",
    since="5.0.0",
    complexity="O(1)",
    summary="List the subcommands.",
)
def client_help(call: Call) -> Reply:
    return container_help(call.engine.originals[b"client"], _HELP)
