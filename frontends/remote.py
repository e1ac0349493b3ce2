"""A data set on a server, for tools: its keys by SCAN and DUMP, commands by pipelines.

What lives here: what is asked of any server, however old; values come as DUMP payloads, which all of them write alike.
What must not: URLs (remote_address.py), sockets (remote_link.py). The rule: a connection that is lost is not replaced,
for a cursor means nothing to the process that may have taken the server's place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

from kvcore.config import Config
from kvcore.engine import Limits
from kvcore.errors import CommandError, KvcoreError
from kvcore.frontends.remote_address import Address, hidden
from kvcore.frontends.remote_link import Link
from kvcore.rdb import payload
from kvcore.replies import Reply

_KEYS: Final = 256
"""Keys asked for at a time."""

_GROUP_BYTES: Final = 16 << 20
"""Values fetched at a time, by the source's own account of them; a larger one comes alone."""

_ANSWER_SECONDS: Final = 120

Record = tuple[int, bytes, object, int | None]
"""Database, key, value, and the Unix time in milliseconds at which it expires."""

_GONE: Final = -2

_MODES: Final = {
    "cluster": "node of a cluster, which has a part of the keys only: that is not supported",
    "sentinel": "Sentinel, which keeps no keys: name the server it watches",
}

Dumped = tuple[bytes, bytes | None, int | None]
"""Key, payload if it is still there, and when it expires."""


class _PlainLink(Link):
    """A connection that speaks RESP2."""

    __slots__ = ()

    def greet(self) -> None:
        """Say who we are, and select the database. Raises KvcoreError."""
        for reply in self.exchange(self.address.greeting(self.profile[0])):
            if isinstance(reply, CommandError):
                raise reply


class Remote:
    """One server."""

    __slots__ = ("_address", "_link", "_shown", "database")

    def __init__(self, url: str) -> None:
        """Take the URL of a server; connects nothing yet. Raises KvcoreError."""
        address = Address(url)
        self._address = address.with_limit(_ANSWER_SECONDS)
        self._link: _PlainLink | None = None
        self._shown = hidden(url)
        self.database = address.db if address.names_db else None
        """The database that the URL names."""

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Have what goes wrong say with which server."""
        try:
            yield
        except (KvcoreError, OSError) as error:
            raise KvcoreError(f"{self._shown}: {error}") from error

    def _open(self, db: int) -> _PlainLink:
        with self._told():
            return _PlainLink(self._address, (db, self._address.client_name))

    def run(self, commands: list[list[bytes]]) -> list[Reply]:
        """Run commands in one pipeline; error replies are returned. Raises KvcoreError if the server is gone."""
        if self._link is None:
            self._link = self._open(self._address.db)
        with self._told():
            return self._link.exchange(commands)

    def ask(self, *argv: bytes) -> Reply:
        """Run a command; raise KvcoreError for an error reply, too."""
        (reply,) = self.run([list(argv)])
        with self._told():
            return _fine(reply)

    def _info(self, section: bytes) -> dict[str, str]:
        lines = self.ask(b"INFO", section).decode("utf-8", "replace").splitlines()
        return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}

    def check(self) -> str:
        """Return the id of the server's run; raise KvcoreError if it is none that keeps whole data sets."""
        facts = self._info(b"server")
        mode = facts.get("redis_mode", "standalone")
        if mode != "standalone":
            raise KvcoreError(f"{self._shown} is a {_MODES.get(mode, mode)}")
        return facts.get("run_id", "")

    def databases(self, wanted: Collection[int] | None = None) -> dict[int, int]:
        """Return the databases that have keys, and how many; of those wanted and of the one the URL names, if any."""
        counts = {}
        for name, facts in self._info(b"keyspace").items():
            db = int(name.removeprefix("db"))
            if self.database in (None, db) and (wanted is None or db in wanted):
                counts[db] = int(facts.removeprefix("keys=").partition(",")[0])
        return counts

    def functions(self) -> bytes | None:
        """Return the payload of the function libraries, None if the server knows none."""
        reply = self.run([[b"FUNCTION", b"DUMP"]])[0]
        return reply if isinstance(reply, bytes) else None

    def now_ms(self) -> int:
        """Return the server's time in Unix milliseconds."""
        return _milliseconds(self.ask(b"TIME"))

    def records(
        self, watch: Callable[[int, int], None], db: int = -1, pattern: bytes | None = None
    ) -> Iterator[Record]:
        """Yield every key of a database, or of all; one that is deleted meanwhile is left out. Raises KvcoreError."""
        limits = Limits(Config())
        counts = self.databases() if db < 0 else {}
        total, done = sum(counts.values()), 0
        for index in sorted(counts) if db < 0 else [db]:
            for _, batch in self.batches(index, 0, pattern):
                for key, dumped, at_ms in batch:
                    if dumped is None:
                        continue
                    if not payload.is_sealed(dumped):
                        raise KvcoreError(f"the payload of {key!r} is of a version that cannot be read")
                    yield index, key, payload.load(dumped, limits, True), at_ms
                done += len(batch)
                watch(done, total)

    def batches(self, db: int, cursor: int, pattern: bytes | None = None) -> Iterator[tuple[int, list[Dumped]]]:
        """Yield the keys from ``cursor`` on, a few at a time, each with the cursor to go on from. Raises KvcoreError.

        Several batches may have the same cursor: that of the first key that did not come yet.
        """
        link = self._open(db)
        matching = [] if pattern is None else [b"MATCH", pattern]
        try:
            while True:
                with self._told():
                    scan = [b"SCAN", b"%d" % cursor, *matching, b"COUNT", b"%d" % _KEYS]
                    following, keys = _fine(link.exchange([scan])[0])
                    groups = _groups(link, keys)
                for group in groups[:-1]:
                    yield cursor, self._fetch(link, group)
                cursor = int(following)
                yield cursor, self._fetch(link, groups[-1])
                if not cursor:
                    return
        finally:
            link.close()

    def _fetch(self, link: Link, keys: list[bytes]) -> list[Dumped]:
        """Return the payload of each key, and when it expires in Unix milliseconds."""
        if not keys:
            return []
        commands = [[b"TIME"]]
        for key in keys:
            commands += [[b"DUMP", key], [b"PTTL", key], [b"PEXPIRETIME", key]]
        found: list[Dumped] = []
        with self._told():
            time, *replies = link.exchange(commands)
            for number, key in enumerate(keys):
                dumped, left_ms, at_ms = replies[3 * number : 3 * number + 3]
                _fine(left_ms)
                if isinstance(at_ms, Exception):  # a server older than Redis 7 knows the rest of the time only
                    at_ms = _milliseconds(_fine(time)) + left_ms if left_ms >= 0 else left_ms
                if at_ms == _GONE:  # since its DUMP; without its time it would come to life for ever
                    dumped = None
                found.append((key, _fine(dumped), at_ms if at_ms >= 0 else None))
        return found

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.close()


def _fine(reply: Reply) -> Reply:
    """Return a reply; raise it if it is an error."""
    if isinstance(reply, Exception):
        raise reply
    return reply


def _milliseconds(time: Reply) -> int:
    """Return what TIME answered as Unix milliseconds."""
    seconds, microseconds = time
    return int(seconds) * 1000 + int(microseconds) // 1000


def _groups(link: Link, keys: list[bytes]) -> list[list[bytes]]:
    """Part keys so that a group's values fit into memory together."""
    groups: list[list[bytes]] = [[]]
    size = 0
    sizes = link.exchange([[b"MEMORY", b"USAGE", key] for key in keys]) if keys else []
    for key, used in zip(keys, sizes, strict=True):
        # A server that cannot tell (it is old, or the user may not ask) is taken to hold large ones.
        bytes_used = used if isinstance(used, int) else (1 << 20 if isinstance(used, Exception) else 0)
        size += bytes_used
        if size > _GROUP_BYTES and groups[-1]:
            groups.append([])
            size = bytes_used
        groups[-1].append(key)
    return groups
