"""A data set on a server, for tools: its keys by SCAN and DUMP, commands by pipelines.

redis-py does the talking (the [redis] extra); values come as DUMP payloads, which every Redis server writes alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from kvcore.config import Config
from kvcore.engine import Limits
from kvcore.errors import KvcoreError
from kvcore.rdb import payload

if TYPE_CHECKING:
    import redis

_KEYS: Final = 256
"""Keys asked for at a time."""

Record = tuple[int, bytes, object, int | None]
"""Database, key, value, and the Unix time in milliseconds at which it expires."""

Dumped = tuple[bytes, bytes | None, int | None]
"""Key, payload if it is still there, and when it expires."""


def redis_error() -> type[Exception]:
    """Return the base of redis-py's exceptions; whoever asks has imported it."""
    import redis

    return redis.RedisError


def _connect(url: str, db: int | None = None) -> redis.Redis:
    try:
        import redis
    except ImportError:
        raise KvcoreError("talking to a server needs the [redis] extra: pip install 'kvcore[redis]'") from None
    try:
        return redis.Redis.from_url(url) if db is None else redis.Redis.from_url(url, db=db)
    except ValueError as error:
        raise KvcoreError(str(error)) from None


class Remote:
    """One server."""

    __slots__ = ("_client", "_database", "_url")

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = _connect(url)
        named = urlsplit(url).path.strip("/")
        self._database = int(named) if named.isdecimal() else None

    def databases(self) -> dict[int, int]:
        """Return the databases that have keys, and how many; only the one the URL names, if it names one."""
        wanted = self._database
        try:
            found = self._client.info("keyspace")
        except redis_error() as error:
            raise KvcoreError(str(error)) from error
        counts = {int(name[2:]): int(facts["keys"]) for name, facts in found.items()}
        return {db: keys for db, keys in counts.items() if wanted in (None, db)}

    def functions(self) -> bytes | None:
        """Return the payload of the function libraries, None if the server knows none."""
        reply = self.run([[b"FUNCTION", b"DUMP"]])[0]
        return None if isinstance(reply, Exception) else reply

    def now_ms(self) -> int:
        """Return the server's time in Unix milliseconds."""
        try:
            seconds, microseconds = self._client.time()
        except redis_error() as error:
            raise KvcoreError(str(error)) from error
        return int(seconds) * 1000 + int(microseconds) // 1000

    def records(self, watch: Callable[[int, int], None], db: int = -1) -> Iterator[Record]:
        """Yield every key of a database, or of all; one that is deleted meanwhile is left out. Raises KvcoreError."""
        limits = Limits(Config())
        counts = self.databases()
        total, done = sum(counts.values()), 0
        for index in sorted(counts) if db < 0 else [db]:
            for _, batch in self.batches(index, 0):
                for key, dumped, at_ms in batch:
                    if dumped is None:
                        continue
                    if not payload.is_sealed(dumped):
                        raise KvcoreError(f"the payload of {key!r} is of a version that cannot be read")
                    yield index, key, payload.load(dumped, limits, True), at_ms
                done += len(batch)
                watch(done, total)

    def batches(self, db: int, cursor: int) -> Iterator[tuple[int, list[Dumped]]]:
        """Yield the keys from ``cursor`` on, a few at a time, each with the cursor behind them. Raises KvcoreError."""
        # A client of its own: SELECT would change whichever connection of the pool comes next.
        client: Any = _connect(self._url, db)
        try:
            while True:
                cursor, keys = client.execute_command("SCAN", cursor, "COUNT", _KEYS)
                yield int(cursor), self._fetch(client, keys)
                if not int(cursor):
                    return
        except redis_error() as error:
            raise KvcoreError(str(error)) from error
        finally:
            client.close()

    def _fetch(self, client: Any, keys: list[bytes]) -> list[Dumped]:
        """Return the payload of each key, and when it expires in Unix milliseconds."""
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.dump(key)
            pipeline.pttl(key)
            pipeline.pexpiretime(key)
        now_ms = self.now_ms()
        replies = pipeline.execute(raise_on_error=False)
        found = []
        for number, key in enumerate(keys):
            dumped, left_ms, at_ms = replies[3 * number : 3 * number + 3]
            if isinstance(dumped, Exception):
                raise KvcoreError(str(dumped))
            if isinstance(at_ms, Exception):  # a server older than Redis 7 knows the rest of the time only
                at_ms = now_ms + left_ms if left_ms >= 0 else -1
            found.append((key, dumped, at_ms if at_ms >= 0 else None))
        return found

    def run(self, commands: list[list[bytes]]) -> list[Any]:
        """Run commands in one pipeline; error replies are returned. Raises KvcoreError if the server is gone."""
        pipeline: Any = self._client.pipeline(transaction=False)
        for argv in commands:
            pipeline.execute_command(*argv)
        try:
            replies: list[Any] = pipeline.execute(raise_on_error=False)
        except redis_error() as error:
            raise KvcoreError(str(error)) from error
        return replies

    def text(self, reply: Any) -> str:
        """Return a bulk reply as text."""
        return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
