"""Access control: which users there are, who is logged in as whom, what they may do.

Lives here: users by name, sessions' accounts and gates, logging in, checks and their log, what files declare. Must not
live here: rules (:mod:`kvcore.acl.users`, :mod:`kvcore.acl.selectors`) and opening files (``file`` is a port). The
rule: whatever changes a user ends in :meth:`AccessControl._settled`, so that every session's gate tells the truth: a
session whose user may do everything pays nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.acl.log import LUA, MULTI, TOPLEVEL, Refusal, RefusalLog
from kvcore.acl.selectors import (
    ALLOWED,
    DENIED_CHANNEL,
    DENIED_COMMAND,
    DENIED_KEY,
    VERDICT_BITS,
    allows_channel,
    has_spaces,
)
from kvcore.acl.users import UnmatchedError, User, merge_selectors
from kvcore.acl.vocabulary import READ, Vocabulary
from kvcore.errors import CommandError, ConfigError, RuleError
from kvcore.session import CLOSE, IN_MULTI, NEEDS_AUTH, RESTRICTED, SUBSCRIBED

if TYPE_CHECKING:
    from kvcore.command import Command
    from kvcore.engine import Engine
    from kvcore.ports import TextFile
    from kvcore.session import Session

logger = logging.getLogger("kvcore.acl")

DEFAULT: Final = b"default"

_REASONS: Final = {DENIED_COMMAND: b"command", DENIED_KEY: b"key", DENIED_CHANNEL: b"channel"}


class Denial:
    """What a user may not do, and how to say so."""

    __slots__ = ("command", "object", "reason")

    def __init__(self, verdict: int, command: Command, argv: list[bytes]) -> None:
        self.reason = verdict & (1 << VERDICT_BITS) - 1
        self.command = command.full_name
        self.object = command.full_name.encode() if self.reason == DENIED_COMMAND else argv[verdict >> VERDICT_BITS]
        """The command, key or channel that is denied."""

    def refusal(self) -> str:
        """Return the error that a client gets."""
        return errors.no_permission(self.reason == DENIED_COMMAND, self.reason == DENIED_KEY, self.command)

    def at_exec(self) -> str:
        """Return the error in place of a queued command's reply."""
        return errors.no_longer_permitted(self.reason == DENIED_COMMAND, self.reason == DENIED_KEY)

    def in_script(self) -> str:
        """Return the error that a script's ``redis.call`` raises, without position."""
        return errors.script_not_permitted(self.reason == DENIED_COMMAND, self.reason == DENIED_KEY)

    def dry_run(self) -> bytes:
        """Return what ACL DRYRUN answers."""
        if self.reason == DENIED_COMMAND:
            return b"This user has no permissions to run the '%b' command" % self.object
        kind = b"key" if self.reason == DENIED_KEY else b"channel"
        return b"This user has no permissions to access the '%b' %b" % (self.object.partition(b"\0")[0], kind)


def _nobody(_session: Session) -> bytes:
    return b""


class AccessControl:
    """The users of one engine."""

    __slots__ = ("_engine", "default", "describe_client", "file", "log", "users", "vocabulary")

    def __init__(self, engine: Engine) -> None:
        """``engine.originals`` holds the commands under the names they were declared with."""
        self._engine = engine
        self.vocabulary = Vocabulary(engine.originals)
        self.default = User.almighty(self.vocabulary)
        """The user that every session is logged in as at first. It changes, and is never another object."""
        self.users: dict[bytes, User] = {DEFAULT: self.default}
        self.log = RefusalLog()
        self.file: TextFile | None = None
        """The `aclfile`; a front end opens it."""
        self.describe_client: Callable[[Session], bytes] = _nobody
        """Return a session's line in CLIENT LIST, for the log."""

    # Users

    def in_order(self) -> list[User]:
        """Return the users by name. O(n log n)."""
        return [self.users[name] for name in sorted(self.users)]

    def lines(self) -> list[bytes]:
        """Return the lines that declare all users: what files hold, and CONFIG REWRITE writes where there is none."""
        return [user.line() for user in self.in_order()]

    def set_user(self, name: bytes, rules: list[bytes], current: Session | None = None) -> None:
        """Create or change a user by rules: by all of them or, with a CommandError, by none. O(rules + sessions)."""
        if has_spaces(name):
            raise CommandError(errors.ACL_BAD_USERNAME)
        user = self.users.get(name)
        changed = User(name, self.vocabulary) if user is None else user.copy()
        try:
            merged = merge_selectors(rules)
        except UnmatchedError as error:
            raise CommandError(errors.acl_unmatched(error.start)) from None
        for rule in merged:
            try:
                changed.apply(rule)
            except RuleError as error:
                raise CommandError(errors.acl_modifier(rule, str(error))) from None
        if user is None:
            changed.settle()
            self.users[name] = changed
            return
        self._end_forbidden_listening(user, changed, current)
        user.take_over(changed)
        self._settled(user)

    def delete_user(self, name: bytes, current: Session | None = None) -> bool:
        """Forget a user and close its sessions; False if there is none. Not for ``default``. O(sessions)."""
        user = self.users.pop(name, None)
        if user is None:
            return False
        self._close_sessions((user,), current)
        return True

    def _close_sessions(self, users: Iterable[User], current: Session | None) -> None:
        gone = set(users)
        for session in list(self._engine.sessions.values()):
            if session.account in gone:
                # Until its connection is closed, and where there is none to close, it is nobody.
                session.account = self.default
                session.authenticated = False
                self._set_gate(session)
                _close(session, current)

    def _end_forbidden_listening(self, user: User, changed: User, current: Session | None) -> None:
        """Close the sessions that listen to what the user may listen to no longer. O(sessions * subscriptions)."""
        if any(selector.all_channels for selector in changed.selectors):
            return
        allowed = {pattern: matches for selector in changed.selectors for pattern, matches in selector.channels.items()}
        before = user.selectors
        if all(not old.all_channels and old.channels.keys() <= allowed.keys() for old in before):
            return
        for session in list(self._engine.sessions.values()):
            if session.account is not user or not session.gate & SUBSCRIBED:
                continue
            patterns = all(allows_channel(allowed, pattern, True) for pattern in session.patterns)
            channels = (*session.channels, *session.shard_channels)
            if not patterns or not all(allows_channel(allowed, channel, False) for channel in channels):
                _close(session, current)

    # Sessions

    def admit(self, session: Session, trusted: bool) -> None:
        """Begin or begin anew a session: it is ``default``, logged in if that takes no password."""
        session.account = self.default
        session.authenticated = trusted or self.default.open
        self._set_gate(session)

    def _set_gate(self, session: Session) -> None:
        gate = session.gate & ~(NEEDS_AUTH | RESTRICTED)
        if not session.authenticated and not self.default.open:
            gate |= NEEDS_AUTH
        if session.account.restricted:
            gate |= RESTRICTED
        session.gate = gate

    def _settled(self, user: User) -> None:
        """Make the sessions' gates follow a changed user; ``default`` decides who needs to log in at all."""
        for session in self._engine.sessions.values():
            if session.account is user or user is self.default:
                self._set_gate(session)

    def authenticate(self, session: Session, name: bytes, password: bytes, word: bytes) -> None:
        """Log a session in, or raise WRONGPASS; ``word`` is the command that asks, as the client wrote it."""
        user = self.users.get(name)
        if user is None or not user.accepts(password):
            self._note(session, b"auth", self._context(session), word, name)
            raise CommandError(errors.WRONG_PASS)
        session.account = user
        session.authenticated = True
        self._set_gate(session)

    def set_default_password(self, password: bytes) -> None:
        """Follow `requirepass`: the one password of ``default``, or none if it is empty."""
        self.default.apply(b"resetpass")
        self.default.apply(b">" + password if password else b"nopass")
        self.default.settle()
        self._settled(self.default)

    # Checks

    def check(self, session: Session, command: Command, argv: list[bytes]) -> Denial | None:
        """Say what the session's user may not do of a command line, None if it may run. Logs nothing. O(keys)."""
        verdict = session.account.verdict(command, argv)
        return None if verdict == ALLOWED else Denial(verdict, command, argv)

    def check_user(self, user: User, command: Command, argv: list[bytes]) -> Denial | None:
        """Say what a user may not do of a command line, None if it may run. O(keys)."""
        verdict = user.verdict(command, argv)
        return None if verdict == ALLOWED else Denial(verdict, command, argv)

    def may_read_every_key(self, session: Session) -> bool:
        """Whether the command a session is running may read keys that its arguments do not name (SORT, BY and GET)."""
        if not session.gate & RESTRICTED:
            return True
        return session.account.may_reach_every_key(session.call.command, session.call.argv, READ)

    def refuse(self, session: Session, command: Command, argv: list[bytes], denial: Denial) -> CommandError:
        """Log a denial of what a client sent, and return the error for it."""
        session.call.command, session.call.argv = command, argv
        self.note(session, denial, self._context(session))
        return CommandError(denial.refusal())

    def refuse_queued(self, session: Session, command: Command, argv: list[bytes]) -> CommandError | None:
        """Check a queued command again when EXEC comes to it: rules may have changed. None lets it run."""
        denial = self.check(session, command, argv)
        if denial is None:
            return None
        self.note(session, denial, MULTI)
        error = CommandError(denial.at_exec())
        self._engine.statistics.count_error(error.code)
        return error

    def refuse_in_script(self, session: Session, command: Command, argv: list[bytes]) -> Denial | None:
        """Check a command that a script of this session calls, and log what is denied. None lets it run."""
        denial = self.check(session, command, argv)
        if denial is not None:
            self.note(session, denial, LUA)
        return denial

    def note(self, session: Session, denial: Denial, context: bytes) -> None:
        """Log a denial."""
        self._note(session, _REASONS[denial.reason], context, denial.object, session.account.name)

    def _note(self, session: Session, reason: bytes, context: bytes, what: bytes, username: bytes) -> None:
        client = self.describe_client(session)
        self.log.add(Refusal(reason, context, what, username, client, self._engine.now_ms()))

    def _context(self, session: Session) -> bytes:
        # EXEC has left MULTI behind when it runs what was queued.
        return MULTI if session.gate & IN_MULTI or self._engine.nested else TOPLEVEL

    # Files

    def declare(self, users: list[list[bytes]]) -> None:
        """Create the users that config lines declare; raise ConfigError for what cannot be. Each is name and rules."""
        for name, *rules in users:
            if has_spaces(name):
                raise _startup_error(errors.AclReasons.USERNAME)
            if name == DEFAULT:
                user = self.default
                user.apply(b"reset")
            else:
                user = self.users[name] = User(name, self.vocabulary)
            for rule in merge_selectors(rules):
                try:
                    user.apply(rule)
                except RuleError as error:
                    raise _startup_error(errors.acl_config_rule(rule, name, str(error))) from error
            user.settle()
            self._settled(user)
            if not user.enabled:
                logger.info("%s", errors.acl_disabled_user(name))

    def save(self) -> None:
        """Write all users to the file; raise CommandError."""
        if self.file is None:
            raise CommandError(errors.ACL_NO_FILE)
        try:
            self.file.replace(b"".join(line + b"\n" for line in self.lines()))
        except OSError as error:
            logger.warning("Saving the ACL file %s: %s", self.file.path, error.strerror or error)
            raise CommandError(errors.ACL_NOT_SAVED) from error

    def load(self, current: Session | None = None) -> None:
        """Replace all users by those of the file, or raise CommandError and change none.

        As in the real server the sessions of every user but ``default`` are closed.
        """
        if self.file is None:
            raise CommandError(errors.ACL_NO_FILE)
        path = self.file.path
        try:
            content = self.file.read()
        except OSError as error:
            raise CommandError(errors.acl_unreadable(path, error.strerror or str(error))) from error
        users, wrong = self._parse(path, content)
        if wrong:
            raise CommandError(f"ERR {wrong}{errors.AclReasons.UNCHANGED}")
        default = users.pop(DEFAULT, None) or User.almighty(self.vocabulary)
        gone = [user for user in self.users.values() if user is not self.default]
        self.users = {DEFAULT: self.default, **users}
        self.default.take_over(default)
        self._settled(self.default)
        self._close_sessions(gone, current)

    def load_at_start(self) -> None:
        """Load the file before the first client comes; raise ConfigError."""
        try:
            self.load()
        except CommandError as error:
            raise ConfigError(f"Aborting Redis startup because of ACL errors: {str(error)[4:]}") from error

    def _parse(self, path: str, content: bytes) -> tuple[dict[bytes, User], str]:
        """Return the users of a file's content, and what is wrong with it."""
        users: dict[bytes, User] = {}
        wrong = ""
        for number, raw in enumerate(content.split(b"\n"), 1):
            line = raw.strip(b" \t\r\n")
            if not line:
                continue
            word, *rest = line.split(b" ")
            if word != b"user" or not rest:
                wrong += errors.acl_file_keyword(path, number)
                continue
            name, *rules = rest
            if has_spaces(name):
                wrong += errors.acl_file_username(path, number, name)
                continue
            if name in users:
                wrong += errors.acl_file_duplicate(name, number)
                continue
            user = users[name] = User(name, self.vocabulary)
            wrong += _apply_line(user, rules, path, number)
            user.settle()
        return users, wrong


def _apply_line(user: User, rules: list[bytes], path: str, number: int) -> str:
    """Apply a line's rules; return what is wrong with it. Syntax errors of a line are told once."""
    try:
        merged = merge_selectors(rules)
    except UnmatchedError:
        return errors.acl_file_unmatched(path, number)
    wrong = ""
    syntax_told = False
    for rule in merged:
        trimmed = rule.strip(b"\t\r\n")
        try:
            user.apply(trimmed)
        except RuleError as error:
            if str(error) == errors.AclReasons.UNKNOWN:
                wrong += errors.acl_file_operation(path, number, trimmed, str(error))
            elif not syntax_told:
                wrong += errors.acl_file_rule(path, number, str(error))
                syntax_told = True
    return wrong


def _startup_error(reason: str) -> ConfigError:
    logger.warning("%s", reason)
    return ConfigError("Critical error while loading ACLs. Exiting.")


def _close(session: Session, current: Session | None) -> None:
    """Close a session's connection; the one whose command this is gets its reply first."""
    if session is current:
        session.interrupt |= CLOSE
    else:
        session.engine.disconnect(session)


def check_declaration(vocabulary: Vocabulary, users: list[list[bytes]], words: list[bytes]) -> None:
    """Check the config line ``user NAME RULE ...`` after those in ``users``; raise ConfigError.

    Commands that nobody knows pass: an extension may bring them before the users are created.
    """
    name, *rules = words
    if any(name == known[0] for known in users):
        raise ConfigError(errors.acl_declaration(name, errors.AclReasons.DUPLICATE))
    try:
        merged = merge_selectors(rules)
    except UnmatchedError as error:
        raise ConfigError(errors.acl_declaration(error.start, str(error))) from error
    user = User(name, vocabulary)
    for rule in merged:
        try:
            user.apply(rule)
        except RuleError as error:
            if str(error) != errors.AclReasons.UNKNOWN:
                raise ConfigError(errors.acl_declaration(rule, str(error))) from error
