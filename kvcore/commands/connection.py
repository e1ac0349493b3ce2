"""Commands about the client's own connection: AUTH, HELLO, PING, SELECT, RESET ...

Lives here: what a client says about itself before and between its commands. Must not live here: CLIENT, which looks
at all clients (:mod:`kvcore.commands.clients`), and sockets. The rule: a handler changes the session and its
``interrupt`` bits; the front end acts on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.commands.transactions import abandon
from kvcore.errors import CommandError
from kvcore.replies import OK, PONG, Reply
from kvcore.session import CLOSE, NO_TOUCH, OBSERVER, REPLY_OFF, REPLY_SKIP_NEXT, SUBSCRIBED
from kvcore.version import REDIS_VERSION

if TYPE_CHECKING:
    from kvcore.config import Config
    from kvcore.session import Session

REDACTED: Final = b"(redacted)"
"""What MONITOR and the slow log show in place of a secret."""


def is_local(session: Session) -> bool:
    """Whether a client is on this machine: loopback, a Unix socket, or the same process."""
    return session.peer.address.startswith(("127.0.0.1:", "[::1]:", "/"))


_PROTECTED: Final = {
    "debug": ("DEBUG", "enable-debug-command"),
    "module|load": ("MODULE", "enable-module-command"),
    "module|loadex": ("MODULE", "enable-module-command"),
    "module|unload": ("MODULE", "enable-module-command"),
}


def protection(config: Config, session: Session, full_name: str) -> str:
    """Return why a command is refused whatever the user may do, empty if it is not."""
    protected = _PROTECTED.get(full_name)
    if protected is None:
        return ""
    name, directive = protected
    allowed = config.string(directive)
    if allowed == "yes" or (allowed == "local" and is_local(session)):
        return ""
    return errors.protected_command(name, directive)


def valid_name(name: bytes) -> bool:
    """Whether a client may bear ``name``: printable ASCII without spaces."""
    return all(0x21 <= byte <= 0x7E for byte in name)


@command(
    "AUTH",
    arity=-2,
    flags="noscript loading stale fast no_auth allow_busy",
    acl="connection",
    group="connection",
    since="1.0.0",
    complexity="O(N) where N is the number of passwords defined for the user",
    summary="Log in with a password, or with a user's name and password.",
)
def auth(call: Call, *credentials: bytes) -> Reply:
    # The argument list is what MONITOR and the slow log will show.
    call.argv[1:] = [REDACTED] * len(credentials)
    if len(credentials) > 2:
        raise CommandError(errors.SYNTAX)
    if len(credentials) == 1:
        if call.engine.acl.default.nopass:
            raise CommandError(errors.NO_PASSWORD_SET)
        name, password = b"default", credentials[0]
    else:
        name, password = credentials
    call.engine.acl.authenticate(call.session, name, password, call.argv[0])
    return OK


@command(
    "ECHO",
    arity=2,
    flags="loading stale fast",
    acl="connection",
    group="connection",
    since="1.0.0",
    complexity="O(1)",
    summary="Answer the given message.",
)
def echo(_call: Call, message: bytes) -> Reply:
    return message


@command(
    "HELLO",
    arity=-1,
    flags="noscript loading stale fast no_auth allow_busy",
    acl="connection",
    group="connection",
    since="6.0.0",
    complexity="O(1)",
    summary="Choose the protocol, log in and name the connection in one step; describe the server.",
)
def hello(call: Call, *arguments: bytes) -> Reply:
    protocol = 0
    if arguments:
        protocol = integer(arguments[0], errors.PROTOCOL_NOT_AN_INTEGER)
        if protocol not in (2, 3):
            raise CommandError(errors.NO_PROTO)
    session = call.session
    index = 1
    while index < len(arguments):
        option = arguments[index].upper()
        left = len(arguments) - index - 1
        if option == b"AUTH" and left >= 2:
            call.argv[index + 2] = call.argv[index + 3] = REDACTED
            # Like the name below, the user stays even if a later option is refused.
            call.engine.acl.authenticate(session, arguments[index + 1], arguments[index + 2], call.argv[0])
            index += 3
        elif option == b"SETNAME" and left:
            if not valid_name(arguments[index + 1]):
                raise CommandError(errors.INVALID_CLIENT_NAME)
            # As in the real server the name is taken at once, even if a later option is refused.
            session.name = arguments[index + 1]
            index += 2
        else:
            raise CommandError(errors.hello_option(arguments[index]))
    if not session.authenticated:
        raise CommandError(errors.NO_AUTH_HELLO)
    if protocol:
        session.switch_protocol(protocol)
    return {
        b"server": b"redis",
        b"version": REDIS_VERSION.encode(),
        b"proto": session.protocol,
        b"id": session.id,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


@command(
    "PING",
    arity=-1,
    flags="fast",
    acl="connection",
    group="connection",
    since="1.0.0",
    complexity="O(1)",
    summary="Answer PONG, or the given message.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)
def ping(call: Call, *message: bytes) -> Reply:
    if len(message) > 1:
        raise CommandError(errors.wrong_arity("ping"))
    session = call.session
    if session.protocol == 2 and session.gate & SUBSCRIBED:
        return [b"pong", message[0] if message else b""]
    return message[0] if message else PONG


@command(
    "QUIT",
    arity=-1,
    flags="noscript loading stale fast no_auth allow_busy",
    acl="connection",
    group="connection",
    since="1.0.0",
    complexity="O(1)",
    summary="Close the connection after the reply.",
)
def quit(call: Call, *_ignored: bytes) -> Reply:  # noqa: A001 - the command's name
    call.session.interrupt |= CLOSE
    return OK


@command(
    "RESET",
    arity=1,
    flags="noscript loading stale fast no_auth allow_busy",
    acl="connection",
    group="connection",
    since="6.2.0",
    complexity="O(1)",
    summary="Put the connection back into the state of a new one.",
)
def reset(call: Call) -> Reply:
    session = call.session
    if session.kind in ("replica", "master"):
        raise CommandError(errors.RESET_NOT_ALLOWED)
    _forget_state(call, session)
    call.db = call.engine.keyspace.databases[0]
    session.switch_protocol(2)
    session.name = b""
    call.engine.acl.admit(session, trusted=False)
    return "RESET"


def _forget_state(call: Call, session: Session) -> None:
    """End MONITOR, MULTI, WATCH, subscriptions, CLIENT TRACKING, CLIENT REPLY and CLIENT NO-TOUCH."""
    engine = call.engine
    engine.monitors.pop(session, None)
    session.monitor = False
    session.gate &= ~OBSERVER
    abandon(session)
    engine.pubsub.drop(session)
    engine.caching.disable(session)
    session.kind = "normal"
    session.no_touch = False
    session.gate &= ~NO_TOUCH
    session.interrupt &= ~(REPLY_OFF | REPLY_SKIP_NEXT)  # a RESET whose reply is to be skipped stays so


@command(
    "SELECT",
    arity=2,
    flags="loading stale fast",
    acl="connection",
    group="connection",
    since="1.0.0",
    complexity="O(1)",
    summary="Choose the database that the following commands use.",
)
def select(call: Call, index: bytes) -> Reply:
    number = integer(index)
    if not -(2**31) <= number < 2**31:
        raise CommandError(errors.INT_OUT_OF_RANGE)
    databases = call.engine.keyspace.databases
    if not 0 <= number < len(databases):
        raise CommandError(errors.DB_INDEX_OUT_OF_RANGE)
    call.db = databases[number]
    return OK
