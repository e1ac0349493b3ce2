"""Client-side caching: who read which key, and telling them when it changes.

Lives here: the table of readers, the prefixes of broadcasting clients, and where an invalidation goes. Must not live
here: arguments (:mod:`kvcore.commands.tracking`) and what counts as a change, which :meth:`Database.touch` says. The
rule: it follows the keyspace only while a connected session has ever tracked, so that nobody else pays for it.

Order of messages, as the real server has it: another client's invalidation goes out at once; a client's own comes
after the reply of the command, transaction or script that caused it; broadcasts come at the end of a turn (what one
read of a connection brought), one message for each prefix with all its keys, sorted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from kvcore import keyspecs
from kvcore.command import READONLY, Command
from kvcore.datatypes.table import Table
from kvcore.replies import Reply
from kvcore.session import SUBSCRIBED, TRACKED, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvcore.blocking import Blocked
    from kvcore.engine import Engine
    from kvcore.keyspace import Database

CHANNEL: Final = b"__redis__:invalidate"
"""Where a RESP2 client in subscriber mode gets the invalidations redirected to it."""

_SCRIPTS: Final = frozenset({"eval_ro", "evalsha_ro", "fcall_ro"})
"""Commands that read nothing themselves: what they run does."""

_EFFORT: Final = 100
"""Keys forgotten at a time while the table is over its limit; more, the longer it stays over."""


@lru_cache(maxsize=1024)
def _has_one_key(notation: str) -> bool:
    """Whether a command's only key is its first argument: most reads, and this is a third of what tracking costs."""
    specs = keyspecs.parse(notation)
    if len(specs) != 1:
        return False
    spec = specs[0]
    return (spec.begin_type, spec.begin, spec.find_type, spec.last) == ("index", 1, "range", 0)


class Tracker:
    """What one session asked for with CLIENT TRACKING."""

    __slots__ = ("broadcast", "broken", "caching", "may_keep", "no_loop", "opt_in", "opt_out", "prefixes", "redirect")

    def __init__(self) -> None:
        self.redirect = 0
        """Id of the client that gets the messages, 0 for the session itself."""
        self.broadcast = False
        self.opt_in = False
        self.opt_out = False
        self.no_loop = False
        self.broken = False
        """A message could not be redirected: the client is gone."""
        self.caching = False
        """CLIENT CACHING was called for the next command or transaction."""
        self.may_keep = False
        """The last command was one of CLIENT's, which do not use CLIENT CACHING up."""
        self.prefixes: dict[bytes, None] = {}

    def wants_keys(self) -> bool:
        """Whether the keys of the present command are to be remembered."""
        if self.broadcast or (self.opt_in and not self.caching):
            return False
        return not (self.opt_out and self.caching)


class _Prefix:
    """A prefix that is broadcast: its listeners, and what changed in this turn, each with the tracker who did it."""

    __slots__ = ("changed", "listeners")

    def __init__(self) -> None:
        self.listeners: dict[Session, None] = {}
        self.changed: dict[bytes, Session | None] = {}


Readers = int | dict[int, None]
"""The id of the one session that read a key, or of several: most keys are read by one."""


class Tracking:
    """All tracking sessions of an engine."""

    __slots__ = (
        "_counts",
        "_current",
        "_engine",
        "_known",
        "_lengths",
        "_own",
        "_reader",
        "_reading",
        "_rounds",
        "_unfollow",
        "broadcasts",
        "items",
        "max_keys",
        "prefixes",
        "readers",
        "served",
        "serving",
        "sessions",
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sessions: dict[Session, None] = {}
        """Who tracks now."""
        self._known: dict[Session, None] = {}
        """Who does or did, and is still connected: the table may hold keys for them."""
        self.readers: Table[Readers] = Table()
        self.items = 0
        """Pairs of key and reader in the table."""
        self.prefixes: dict[bytes, _Prefix] = {}
        self._counts: dict[int, int] = {}
        self._lengths: tuple[int, ...] = ()
        """The different lengths of the prefixes, and how many prefixes have each."""
        self.broadcasts: dict[bytes, _Prefix] = {}
        """Prefixes with changed keys that were not broadcast yet."""
        self.max_keys = 0
        """`tracking-table-max-keys`; 0 for no limit."""
        self._rounds = 0
        self._current: Session | None = None
        """The tracking session whose command runs."""
        self.serving: Blocked | None = None
        """The parked command that is served within this unit; ``served`` is the key that woke it."""
        self.served = b""
        self._own: list[bytes | None] = []
        """What it must hear after its reply: keys, or None for all."""
        self._reading: list[bytes] | None = None
        """Keys of the reading command that runs, to be remembered when it is done."""
        self._reader = 0
        """Id of the session that reads them."""
        self._unfollow: Callable[[], None] | None = None

    # Switching

    def enable(self, session: Session, wanted: Tracker, prefixes: tuple[bytes, ...]) -> None:
        """Start tracking, or go on with other options. O(prefixes)."""
        tracker = session.tracker
        if tracker is not None:
            wanted.prefixes = tracker.prefixes
            wanted.caching = tracker.caching
            wanted.may_keep = tracker.may_keep
        session.tracker = wanted
        session.gate |= TRACKED
        self.sessions[session] = None
        self._known[session] = None
        if wanted.broadcast:
            for prefix in prefixes or (b"",):
                wanted.prefixes[prefix] = None
                state = self.prefixes.get(prefix)
                if state is None:
                    state = self.prefixes[prefix] = _Prefix()
                    self._count_length(len(prefix), 1)
                state.listeners[session] = None
        if self._unfollow is None:
            self._unfollow = self._engine.keyspace.follow(self._changed)

    def disable(self, session: Session) -> None:
        """Stop tracking. The table keeps its keys until they change. O(prefixes)."""
        tracker = session.tracker
        if tracker is None:
            return
        for prefix in tracker.prefixes:
            state = self.prefixes[prefix]
            del state.listeners[session]
            if not state.listeners:
                del self.prefixes[prefix]
                self.broadcasts.pop(prefix, None)
                self._count_length(len(prefix), -1)
        if self._current is session:
            self._send_own(session)
            self._current = None
        session.tracker = None
        session.gate &= ~TRACKED
        del self.sessions[session]

    def drop(self, session: Session) -> None:
        """Forget a session that is gone."""
        self.disable(session)
        self._known.pop(session, None)
        if not self._known and self._unfollow is not None:
            self._unfollow()
            self._unfollow = None
            self._forget_all()

    def _count_length(self, length: int, step: int) -> None:
        """Note that there is one prefix of a length more, or fewer. O(1), O(lengths log lengths) for a new length."""
        count = self._counts.get(length, 0) + step
        if count:
            self._counts[length] = count
        else:
            del self._counts[length]
        if len(self._counts) != len(self._lengths):
            self._lengths = tuple(sorted(self._counts))

    def _forget_all(self) -> None:
        self._engine.keyspace.discard(self.readers.directory)
        self.readers.clear()
        self.items = 0

    # Around a command of a tracking session

    def accept(self, session: Session, command: Command | None) -> None:
        """Note that a command came, run or refused: CLIENT CACHING is over after the next one that is no CLIENT."""
        tracker = session.tracker
        if tracker is not None:
            if tracker.caching and session.multi is None and not tracker.may_keep:
                tracker.caching = False
            tracker.may_keep = command is not None and command.full_name.startswith("client|")

    def begin(self, session: Session, command: Command, argv: list[bytes]) -> None:
        """Note that a command is about to run, maybe in a transaction that switched tracking on itself."""
        self._enter(session)
        if command.bits & READONLY and command.name not in _SCRIPTS:
            self._read(session, command, argv)

    def begin_scripted(self, caller: Session, command: Command) -> None:
        """Note that a script is about to run a command; one that reads has all keys given to the script remembered."""
        self._enter(caller)
        if command.bits & READONLY:
            self._read(caller, caller.call.command, caller.call.argv)

    def _enter(self, session: Session) -> None:
        current = self._current
        if current is not session:
            if current is not None:
                self._send_own(current)  # a script of its ran long, and lets others in
            self._current = session
        self._engine.pending = True

    def _read(self, session: Session, command: Command, argv: list[bytes]) -> None:
        """Take the keys of a command, to be remembered once it is done."""
        tracker = session.tracker
        if tracker is None or not tracker.wants_keys():
            return
        if _has_one_key(command.keys):
            self._reading = argv[1:2]
        else:
            found = keyspecs.find_keys(command, argv)
            if not found:
                return
            self._reading = [argv[index] for index, _ in found]
        self._reader = session.id

    def remember(self) -> None:
        """Enter the keys that a command has just read. O(keys)."""
        keys = self._reading
        if keys is None:
            return
        self._reading = None
        session_id = self._reader
        readers = self.readers
        for key in keys:
            known = readers.get(key)
            if known is None:
                readers.put(key, session_id)
            elif isinstance(known, int):
                if known == session_id:
                    continue
                readers.put(key, {known: None, session_id: None})
            elif session_id in known:
                continue
            else:
                known[session_id] = None
            self.items += 1

    def end(self) -> None:
        """End an execution unit, or a tick: keep the table in its limit, tell of the current session's own changes."""
        if self.max_keys and self.readers.size > self.max_keys:
            self._shrink()
        if self._current is not None:
            self._send_own(self._current)

    def _send_own(self, session: Session) -> None:
        own, self._own = self._own, []
        for key in own:
            self._send(session, None if key is None else [key], own=True)

    def finish(self) -> None:
        """Forget the session whose unit this was, when all that the unit woke is done, too."""
        if self._current is not None:
            self._send_own(self._current)
            self._current = None

    def _shrink(self) -> None:
        """Forget random keys as if they had changed, until the table is within its limit or this was enough work."""
        for _ in range(_EFFORT * (self._rounds + 1)):
            self._invalidate(self.readers.random_key(self._engine.random), changed=False)
            if self.readers.size <= self.max_keys:
                self._rounds = 0
                return
        self._rounds += 1

    # Changes

    def _changed(self, _db: Database, key: bytes) -> None:
        """Tell who read ``key``, in whatever database, and keep it for those who want its prefix."""
        for length in self._lengths:
            if length > len(key):
                break
            prefix = key[:length]
            state = self.prefixes.get(prefix)
            if state is not None:
                self._note_change(state, key)
                self.broadcasts[prefix] = state
                self._engine.pending = True
        if self.readers.size:
            self._invalidate(key)

    def _note_change(self, state: _Prefix, key: bytes) -> None:
        serving = self.serving
        if serving is None:
            state.changed[key] = self._current
        elif key != self.served or serving.session.call.command.group != "list":
            state.changed[key] = serving.session
        else:
            # What is popped off a list for who waited for it is no change to the real server, beyond the push's own.
            state.changed.setdefault(key, self._current)

    def _invalidate(self, key: bytes, *, changed: bool = True) -> None:
        """Tell who read ``key``; who changed it in person need not hear of that."""
        found = self.readers.pop(key)
        if found is None:
            return
        several = (found,) if isinstance(found, int) else tuple(found)
        self.items -= len(several)
        sessions = self._engine.sessions
        current = self._current
        for session_id in several:
            session = sessions.get(session_id)
            if session is None:
                continue
            tracker = session.tracker
            if tracker is None or tracker.broadcast:
                continue
            if session is not current:
                served = self.serving is not None and self.serving.session is session
                self._send(session, [key], own=served)
            elif not (changed and tracker.no_loop):
                self._own.append(key)

    def flushed(self) -> None:
        """Say that databases were emptied: every key is invalid, whichever database it was in. O(sessions)."""
        if self._unfollow is None:
            return
        for session in list(self.sessions):
            if session is self._current:
                self._own.append(None)
            else:
                self._send(session, None)
        self._forget_all()

    def broadcast(self) -> None:
        """Send what changed in this turn to the listeners of each prefix."""
        due, self.broadcasts = self.broadcasts, {}
        for prefix in sorted(due):
            state = due[prefix]
            changed, state.changed = state.changed, {}
            keys = sorted(changed)
            for session in list(state.listeners):
                tracker = session.tracker
                if tracker is None:
                    continue
                heard = [key for key in keys if changed[key] is not session] if tracker.no_loop else keys
                if heard:
                    self._send(session, heard)

    def _send(self, session: Session, keys: list[bytes] | None, *, own: bool = False) -> None:
        """Send an invalidation to a session or where it redirects them; with ``own`` after its reply."""
        tracker = session.tracker
        assert tracker is not None
        receiver = session
        message: list[Reply] = [b"invalidate", keys]
        if tracker.redirect:
            target = self._engine.sessions.get(tracker.redirect)
            if target is None:
                tracker.broken = True
                message = [b"tracking-redir-broken", tracker.redirect]
            else:
                receiver = target
                if receiver.protocol == 2 and receiver.gate & SUBSCRIBED:
                    message = [b"message", CHANNEL, keys]
        if receiver.protocol == 2 and message[0] != b"message":
            return  # RESP2 has no way to say it
        if own and receiver is session:
            receiver.push_later(message)
        else:
            receiver.push(message)
