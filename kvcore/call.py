"""What a handler is given: the database, the session, the engine, and the words to say what changed.

One Call belongs to each session and is reused for each of its commands, so a command allocates nothing for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.arguments import Argument, encode
from kvcore.blocking import Blocked, Retry
from kvcore.command import ADMIN, BLOCKING, NOSCRIPT, WRITE, Command
from kvcore.errors import CommandError
from kvcore.replies import NULL_ARRAY, Reply

if TYPE_CHECKING:
    from kvcore.engine import Engine
    from kvcore.keyspace import Database
    from kvcore.session import Session


NO_COMMAND: Final = Command("", lambda *_: None, arity=0)
"""What a session that has run no command yet points at."""


class Call:
    """The context of one command."""

    __slots__ = ("argv", "command", "db", "dirty", "effects", "effects_of", "engine", "may_block", "session")
    __deletable__ = ("session",)  # for mypyc: a session that ends must not leave a cycle

    def __init__(self, engine: Engine, session: Session, db: Database) -> None:
        self.engine = engine
        self.session = session
        self.db = db
        """The selected database."""
        self.argv: list[bytes] = []
        """The command as the client sent it, its name first."""
        self.command = NO_COMMAND
        """The record of the present or last command."""
        self.dirty = 0
        """Changes made so far; a command with none propagates nothing."""
        self.effects: list[list[bytes]] | None = None
        """What to propagate in place of ``argv``; None propagates the command as it came."""
        self.effects_of: list[bytes] = []
        """The command that said so: what one that changed nothing has left here is not the next one's."""
        self.may_block = True
        """False inside MULTI and scripts: a blocking command then answers as if it had timed out."""

    def now_ms(self) -> int:
        """Return the time of this execution unit in milliseconds since the Unix epoch."""
        return self.engine.keyspace.now_ms()

    def is_past(self, at_ms: int) -> bool:
        """Say whether a time to live that ends then has ended. None has while a log is replayed, as none had then."""
        keyspace = self.engine.keyspace
        return at_ms <= keyspace.now_ms() and not keyspace.replaying

    @property
    def name(self) -> str:
        """The command's full name in lower case, for error texts (``getex``, ``config|get``)."""
        return self.command.full_name

    @property
    def resp3(self) -> bool:
        """Whether the reply will be seen in RESP3 shape (only where the two shapes nest differently)."""
        return self.session.protocol == 3

    def changed(self, key: bytes, event: str, event_class: int, changes: int = 1) -> None:
        """Say that ``key`` of the selected database changed.

        Counts ``changes``, breaks the WATCHes on the key and emits the keyspace event. ``event_class`` is one of the
        bits of :mod:`kvcore.notifications`. The hottest handlers only add to ``dirty`` where ``db.observed`` says that
        nobody wants to know: this call is a tenth of their time.
        """
        self.dirty += changes
        db = self.db
        if db.observed:
            db.touch(key)
            if db.notify_mask & event_class:
                self.engine.notify(db, key, event)

    def changed_all(self, keys: tuple[bytes, ...], event: str, event_class: int) -> None:
        """Say of each of ``keys``, in order, what :meth:`changed` says of one."""
        db = self.db
        if db.observed:
            for key in keys:
                self.changed(key, event, event_class)
        else:
            self.dirty += len(keys)

    def changed_in(self, db: Database, key: bytes, event: str, event_class: int, changes: int = 1) -> None:
        """Say that ``key`` of another database than the selected one changed (MOVE, COPY)."""
        self.dirty += changes
        db.touch(key)
        if db.notify_mask & event_class:
            self.engine.notify(db, key, event)

    def propagate(self, *argv: bytes) -> None:
        """Propagate this command in place of the one the client sent; call again to add more."""
        if self.engine.effects.listening:
            if self.effects is None or self.effects_of is not self.argv:
                self.effects = []
                self.effects_of = self.argv
            self.effects.append(list(argv))

    def propagate_nothing(self) -> None:
        """Propagate nothing in place of this command, which changed something, but what :meth:`propagate` is given."""
        if self.engine.effects.listening and (self.effects is None or self.effects_of is not self.argv):
            self.effects = []
            self.effects_of = self.argv

    def execute(self, *arguments: Argument) -> Reply:
        """Run another command as part of this one and return its reply, in RESP3 shape; null is None.

        It belongs to the same execution unit: nobody sees the state between, and what it changed propagates in place
        of this command. Permissions were checked for this command; they are not for those it is made of. Raises
        CommandError for an error reply, for a command that cannot run inside another (MULTI, SUBSCRIBE ...), and for a
        write where this command is not declared as one. Blocking commands answer as if they had timed out.
        """
        argv = [encode(argument) for argument in arguments]
        engine, session = self.engine, self.session
        bits = engine.resolve(argv).bits
        if bits & (NOSCRIPT | ADMIN) and not bits & BLOCKING:
            raise CommandError(errors.NOT_INSIDE_A_COMMAND)
        if bits & WRITE and not self.command.bits & WRITE:
            raise CommandError(errors.WRITE_INSIDE_READER)
        own = self.argv, self.command, self.dirty, self.effects, self.effects_of, self.may_block, session.protocol
        self.dirty, self.effects, self.may_block, session.protocol = 0, None, False, 3
        try:
            reply = engine.execute_nested(session, argv)
        finally:
            self.argv, self.command, self.dirty, self.effects, self.effects_of, self.may_block, session.protocol = own
        if bits & WRITE:
            self.propagate_nothing()
        if isinstance(reply, CommandError):
            raise reply
        return None if reply is NULL_ARRAY else reply

    def block(
        self, keys: tuple[bytes, ...], timeout_ms: int, retry: Retry, on_timeout: Reply, *, dependent: bool = False
    ) -> Blocked:
        """Park the session until one of ``keys`` is ready; return what the handler must return.

        ``timeout_ms`` 0 waits for ever. ``retry(key)`` runs when ``key`` became ready: it returns the reply, or
        :data:`~kvcore.blocking.STILL_BLOCKED`. ``on_timeout`` is the reply when time runs out.
        With ``dependent`` the retry also runs when a key was removed.
        """
        deadline = self.now_ms() + timeout_ms if timeout_ms else 0
        blocked = Blocked(self.session, self.db, keys, deadline, retry, on_timeout, dependent)
        self.engine.blocking.add(blocked)
        return blocked
