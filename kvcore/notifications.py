"""Keyspace event classes and the `notify-keyspace-events` flag string."""

from __future__ import annotations

from typing import Final

KEYSPACE: Final = 1
KEYEVENT: Final = 2
GENERIC: Final = 4
STRING: Final = 8
LIST: Final = 16
SET: Final = 32
HASH: Final = 64
ZSET: Final = 128
EXPIRED: Final = 256
EVICTED: Final = 512
STREAM: Final = 1024
KEY_MISS: Final = 2048
MODULE: Final = 8192
NEW: Final = 16384
ALL: Final = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE

LETTERS: Final = {
    "g": GENERIC,
    "$": STRING,
    "l": LIST,
    "s": SET,
    "h": HASH,
    "z": ZSET,
    "x": EXPIRED,
    "e": EVICTED,
    "K": KEYSPACE,
    "E": KEYEVENT,
    "t": STREAM,
    "m": KEY_MISS,
    "d": MODULE,
    "n": NEW,
}


def parse_classes(letters: str) -> int | None:
    """Return the classes that ``letters`` name (``A`` stands for all), None if one is unknown."""
    classes = 0
    for letter in letters:
        if letter == "A":
            classes |= ALL
        elif letter in LETTERS:
            classes |= LETTERS[letter]
        else:
            return None
    return classes


def format_classes(classes: int) -> str:
    """Return the letters for ``classes`` as CONFIG GET shows them."""
    everything = classes & ALL == ALL
    rest = "KEmn" if everything else "g$lshzxetdKEmn"
    return "A" * everything + "".join(letter for letter in rest if classes & LETTERS[letter])
