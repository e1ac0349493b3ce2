"""The manifest of the append-only file: which base and increments make up the data set, in Redis 7's format.

What lives here: names, parsing, formatting, and the transitions of a rewrite as new manifests. What must not: files.
The rule: a manifest is a value; whoever changes what is on disk writes the new manifest first and acts after.

    file appendonly.aof.1.base.rdb seq 1 type b
    file appendonly.aof.1.incr.aof seq 1 type i
"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from kvcore.config import quote
from kvcore.errors import AofError, printable
from kvcore.resp.inline import split_arguments

logger = logging.getLogger("kvcore.storage")

BASE: Final = "b"
HISTORY: Final = "h"
INCREMENT: Final = "i"

MAX_LINE: Final = 1024
_INVALID: Final = "Invalid AOF manifest file format"
_FEWEST_WORDS: Final = 6


class AofFile(NamedTuple):
    """One file of the set: its name within the directory, its sequence number, its type."""

    name: str
    sequence: int
    kind: str

    def line(self) -> str:
        """Return its line of the manifest."""
        plain = self.name.isascii() and self.name.isprintable() and not set(self.name) & set(" '\"\\")
        return f"file {self.name if plain else quote(self.name)} seq {self.sequence} type {self.kind}\n"


class Manifest(NamedTuple):
    """The base, files that are only waiting to be deleted, and the increments in order."""

    base: AofFile | None = None
    history: tuple[AofFile, ...] = ()
    increments: tuple[AofFile, ...] = ()
    base_sequence: int = 0
    """The highest number that a base or a former one has had."""
    increment_sequence: int = 0

    @property
    def files(self) -> tuple[AofFile, ...]:
        """What is loaded, in order."""
        return (self.base, *self.increments) if self.base is not None else self.increments

    def text(self) -> str:
        """Return what the manifest file holds."""
        base = () if self.base is None else (self.base,)
        return "".join(file.line() for file in (*base, *self.history, *self.increments))

    def with_increment(self, prefix: str) -> Manifest:
        """Return the manifest with one more increment at its end."""
        sequence = self.increment_sequence + 1
        file = AofFile(f"{prefix}.{sequence}.incr.aof", sequence, INCREMENT)
        return self._replace(increments=(*self.increments, file), increment_sequence=sequence)

    def next_base(self, prefix: str, *, rdb: bool) -> AofFile:
        """Return the file that the next base will be."""
        sequence = self.base_sequence + 1
        return AofFile(f"{prefix}.{sequence}.base.{'rdb' if rdb else 'aof'}", sequence, BASE)

    def with_base(self, base: AofFile, keep: int) -> Manifest:
        """Return the manifest with a new base that stands for all but the last ``keep`` increments."""
        split = len(self.increments) - keep
        old = [*self.increments[:split], *([] if self.base is None else [self.base])]
        history = tuple(file._replace(kind=HISTORY) for file in old)
        return self._replace(
            base=base,
            history=(*history, *self.history),
            increments=self.increments[split:],
            base_sequence=base.sequence,
        )

    def without_history(self) -> Manifest:
        """Return the manifest once the history files are deleted."""
        return self._replace(history=())


def parse(text: str) -> Manifest:
    """Read a manifest file; raise AofError with the real server's text for one that makes no sense."""
    if not text:
        raise AofError("Found an empty AOF manifest")
    manifest = Manifest()
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if line.startswith("#"):
            continue
        if not line.endswith("\n") or len(line) > MAX_LINE:
            raise AofError("The AOF manifest file contains too long line")
        try:
            manifest = _add(manifest, _parse_line(line))
        except AofError:
            logger.warning("*** FATAL AOF MANIFEST FILE ERROR ***")
            logger.warning("Reading the manifest file, at line %d", number)
            logger.warning(">>> '%s'", printable(line.strip().encode("utf-8", "surrogateescape")))
            raise
    return manifest


def _parse_line(line: str) -> AofFile:
    words = split_arguments(line.strip().encode("utf-8", "surrogateescape")) if line.strip() else None
    if words is None or len(words) < _FEWEST_WORDS or len(words) % 2:
        raise AofError(_INVALID)
    found = {
        key.decode("utf-8", "surrogateescape").lower(): value.decode("utf-8", "surrogateescape")
        for key, value in zip(words[::2], words[1::2], strict=True)
    }
    name, sequence, kind = found.get("file", ""), found.get("seq", ""), found.get("type", "")
    if "/" in name:
        raise AofError("File can't be a path, just a filename")
    if not name or not kind or not sequence.isdecimal() or int(sequence) == 0:
        raise AofError(_INVALID)
    return AofFile(name, int(sequence), kind[0])


def _add(manifest: Manifest, file: AofFile) -> Manifest:
    if file.kind == BASE:
        if manifest.base is not None:
            raise AofError("Found duplicate base file information")
        return manifest._replace(base=file, base_sequence=file.sequence)
    if file.kind == HISTORY:
        return manifest._replace(history=(*manifest.history, file))
    if file.kind == INCREMENT:
        if file.sequence <= manifest.increment_sequence:
            raise AofError("Found a non-monotonic sequence number")
        return manifest._replace(increments=(*manifest.increments, file), increment_sequence=file.sequence)
    raise AofError("Unknown AOF file type")
