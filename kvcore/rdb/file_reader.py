"""Reading RDB files: versions 1 to 12, and Valkey's 80, in pieces of any size.

Here: the frame around the values, and what every opcode means. Not here: values (:mod:`kvcore.rdb.reader`), what
becomes of the keys (a :class:`Target`), files. The rule: bytes come in through :meth:`FileReader.feed`, a record that
is not complete waits for more of them, and nothing is believed: whatever the bytes claim, no more is held than came in.

Every error is an RdbError with the offset in the file where it showed.
"""

from __future__ import annotations

from struct import unpack_from
from typing import TYPE_CHECKING, Final, Protocol

from kvcore.errors import RdbEmptyError, RdbError, RdbShortError
from kvcore.rdb import cron_jobs, types
from kvcore.rdb.crc64 import crc64
from kvcore.rdb.file_writer import MEMBER_AUX, WHEN_AUX
from kvcore.rdb.reader import READERS, Thresholds, deserialize
from kvcore.rdb.source import Source

if TYPE_CHECKING:
    from kvcore.keyspace import Value

MAGIC: Final = b"REDIS"
VALKEY_MAGIC: Final = b"VALKEY"
_HEADER: Final = 9
_CHECKSUM: Final = 8
_ONLY_VALKEY: Final = (types.HASH_2,)
"""Types whose number means something else, or nothing, in files of Redis."""

_KNOWN: Final = frozenset(READERS) | {types.MODULE, types.MODULE_2}
_CHECKSUM_SINCE: Final = 5
_MODULE_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Target(Protocol):
    """What a file is read into."""

    def add(
        self, index: int, key: bytes, value: Value, at_ms: int | None, idle_s: int, frequency: int, offset: int
    ) -> None:
        """Take a key of database ``index``; ``idle_s`` and ``frequency`` are -1 where the file does not tell.

        Raises RdbError for a key that must not be there, with ``offset``, which means something to the reader only.
        """

    def expire_member(self, member: bytes, at_ms: int) -> None:
        """Let a member of the key taken last expire at ``at_ms``."""

    def skip(self, index: int, key: bytes) -> None:
        """Take note of a key that holds an empty collection, which cannot be."""

    def note(self, name: bytes, text: bytes) -> None:
        """Take note of what the header or another AUX field tells."""

    def sizes(self, index: int, keys: int, expires: int) -> None:
        """Take note of how many keys a database is said to have."""

    def function(self, source: bytes, offset: int) -> None:
        """Take a function library; raises RdbError, with ``offset``, if it is none."""


class FileReader:
    """One file on its way in."""

    __slots__ = (
        "_at_ms",
        "_crc",
        "_databases",
        "_deep",
        "_frequency",
        "_idle_s",
        "_index",
        "_limits",
        "_member",
        "_more",
        "_more_bytes",
        "_rest",
        "_retry_at",
        "_size",
        "_target",
        "_verify",
        "done",
        "position",
        "version",
    )

    def __init__(
        self,
        target: Target,
        limits: Thresholds,
        *,
        deep: bool = False,
        verify: bool = True,
        databases: int = 1 << 31,
        size: int = 0,
    ) -> None:
        """``deep`` is what sanitize-dump-payload means, ``verify`` compares the checksum.

        ``size`` is that of the whole file, 0 if it is not known; with it, a record that claims more is refused at once.
        """
        self._target = target
        self._limits = limits
        self._deep = deep
        self._verify = verify
        self._databases = databases
        self._size = size
        self._rest = b""
        self._more: list[bytes] = []  # what came behind it, joined when there is enough of it
        self._more_bytes = 0
        self._retry_at = _HEADER
        self._crc = 0
        self._index = 0
        self._at_ms: int | None = None
        self._idle_s = -1
        self._frequency = -1
        self._member = b""
        self.position = 0
        """Bytes of the file that are read and understood."""
        self.version = 0
        """0 until the header was read."""
        self.done = False
        """The end was read, and the checksum is right. What :meth:`feed` got behind it is in :attr:`tail`."""

    @property
    def tail(self) -> bytes:
        """The bytes that came behind the end of the file: commands, in an append only file."""
        return self._waiting() if self.done else b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file, and pass on what is complete. O(bytes) amortised. Raises RdbError."""
        self._more.append(data)
        self._more_bytes += len(data)
        if not self.done and len(self._rest) + self._more_bytes >= self._retry_at:
            self._read(self._waiting())

    def _waiting(self) -> bytes:
        """Return what was fed and not understood yet. O(bytes that came since the last call)."""
        if self._more:
            self._rest = b"".join((self._rest, *self._more)) if self._rest or len(self._more) > 1 else self._more[0]
            self._more = []
            self._more_bytes = 0
        return self._rest

    def finish(self) -> None:
        """Say that no bytes are left; raises RdbError unless the file was read to its end."""
        if self.done:
            return
        rest = self._waiting()
        self._size = self.position + len(rest)
        self._read(rest)
        if not self.done:
            raise RdbShortError("the file ends before its end mark", self._size, 1)

    # Inner works

    def _read(self, buffer: bytes) -> None:
        source = Source(buffer)
        complete = 0  # up to where records were passed on
        short: RdbShortError | None = None
        try:
            if not self.version:
                self._read_header(source)
                complete = source.position
            size = len(buffer)
            string = source.string
            add = self._target.add
            while not self.done:
                start = source.position
                kind = buffer[start] if start < size else source.byte()
                source.position = start + 1
                if kind == 0 and self._at_ms is None and self._idle_s < 0 and self._frequency < 0:
                    key = string()
                    add(self._index, key, string(), None, -1, -1, start)
                elif kind < types.SLOT_INFO:
                    self._read_key(kind, source)
                elif kind == types.END:
                    self._read_end(source)
                else:
                    self._read_opcode(kind, source)
                complete = source.position
        except RdbShortError as error:
            short = error
        except RdbError as error:
            raise RdbError(error.reason, self.position + error.offset) from None
        if short is not None and self._size and self.position + len(buffer) + short.missing > self._size:
            raise RdbShortError(short.reason, self.position + short.offset, short.missing)
        if self._verify and not self.done:
            self._crc = crc64(buffer[:complete], self._crc)
        self.position += complete
        self._rest = buffer[complete:]
        if short is not None:
            # What is at hand is looked at again only when there is twice as much, or what is known to be missing.
            self._retry_at = len(self._rest) + max(short.missing, len(self._rest))

    def _read_header(self, source: Source) -> None:
        magic = source.take(_HEADER)
        valkey = magic[:6] == VALKEY_MAGIC
        if magic[:5] != MAGIC and not valkey:
            raise RdbError("Wrong signature trying to load DB from file", 0)
        digits = magic[6 if valkey else 5 :]
        version = int(digits) if digits.isdigit() else 0
        if version != types.FILE_VERSION_VALKEY if valkey else not 1 <= version <= types.FILE_VERSION_MAX:
            raise RdbError(f"Can't handle RDB format version {version}", 5)
        self.version = version

    def _read_end(self, source: Source) -> None:
        end = source.position
        if self.version >= _CHECKSUM_SINCE:
            found = int.from_bytes(source.take(_CHECKSUM), "little")
            if self._verify and found:
                expected = crc64(source.data[:end], self._crc)
                if found != expected:
                    raise RdbError(f"Wrong RDB checksum expected: ({expected:x}) but got ({found:x})", end)
        self.done = True

    def _read_key(self, kind: int, source: Source) -> None:
        start = source.position - 1
        if kind not in _KNOWN or (kind in _ONLY_VALKEY and self.version != types.FILE_VERSION_VALKEY):
            raise RdbError(f"Unknown RDB encoding type {kind}", start)
        key = source.string()
        if kind == types.STRING:
            value: Value = source.string()
        elif kind == types.MODULE_2 or kind == types.MODULE:
            raise RdbError(f"there is no module for type '{_module_name(source.length())}'", start)
        else:
            try:
                value = deserialize(kind, source, self._limits, self._deep)
            except RdbEmptyError:
                self._target.skip(self._index, key)
                self._forget()
                return
        self._target.add(self._index, key, value, self._at_ms, self._idle_s, self._frequency, start)
        if self._at_ms is not None or self._idle_s >= 0 or self._frequency >= 0:
            self._forget()

    def _forget(self) -> None:
        """Forget what was told about a key that is done."""
        self._at_ms = None
        self._idle_s = self._frequency = -1

    def _read_opcode(self, kind: int, source: Source) -> None:
        start = source.position - 1
        if kind == types.EXPIRE_MS:
            at_ms: int = unpack_from("<q", source.take(8))[0]
            self._at_ms = None if at_ms == -1 else at_ms  # as the real server has it
        elif kind == types.EXPIRE_S:
            self._at_ms = unpack_from("<i", source.take(4))[0] * 1000
        elif kind == types.IDLE:
            self._idle_s = source.length()
        elif kind == types.FREQUENCY:
            self._frequency = source.byte()
        elif kind == types.AUX:
            name = source.string()
            self._note(name, source.string(), start)
        elif kind == types.SELECT_DB:
            index = source.length()
            if index >= self._databases:
                raise RdbError(
                    f"Data file was created with a Redis server configured to handle more than {self._databases} "
                    "databases",
                    start,
                )
            self._index = index
        elif kind == types.RESIZE_DB:
            keys = source.length()
            self._target.sizes(self._index, keys, source.length())
        elif kind == types.FUNCTION_2:
            self._target.function(source.string(), start)
        elif kind == types.FUNCTION_PRE_GA:
            self._target.function(_read_old_function(source), start)
        elif kind == types.SLOT_INFO:
            for _ in range(3):
                source.length()
        else:
            _skip_module(source)

    def _note(self, name: bytes, text: bytes, start: int) -> None:
        if name == MEMBER_AUX:
            self._member = text
        elif name == WHEN_AUX:
            if not text.removeprefix(b"-").isdigit() or len(text) > 20:
                raise RdbError("the time of a member is no number", start)
            self._target.expire_member(self._member, int(text))
        elif name == cron_jobs.AUX:
            try:
                key, job, at_ms = cron_jobs.read_field(text, self._limits)
            except RdbError as error:
                raise RdbError(f"a job is malformed: {error.reason}", start) from None
            self._target.add(self._index, key, job, at_ms, -1, -1, start)
        else:
            self._target.note(name, text)


def _read_old_function(source: Source) -> bytes:
    """Return a library as release candidates of Redis 7 wrote it, in today's form."""
    name = source.string()
    engine = source.string()
    if source.length():
        source.string()  # its description
    return b"#!%b name=%b\n%b" % (engine.lower(), name, source.string())


def _skip_module(source: Source) -> None:
    """Pass over what a module keeps beside the keys."""
    source.length()
    source.length()
    source.length()
    while item := source.length():
        if item in (1, 2):
            source.number()
        elif item == 3:
            source.take(4)
        elif item == 4:
            source.take(8)
        elif item == 5:
            source.string()
        else:
            raise RdbError("module data has no known form", source.position - 1)


def _module_name(number: int) -> str:
    """Return the nine letters that the upper bits of a module type's number stand for."""
    return "".join(_MODULE_LETTERS[number >> shift & 63] for shift in range(58, 9, -6))
