"""The numbers of the value types in RDB files, with the version that brought each.

Here: numbers. Not here: layouts (:mod:`kvcore.rdb.writer`, :mod:`kvcore.rdb.reader`). The rule: a number is never
reused; 6 and 7 are module types, which cannot be read without their module, and 8 never was.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 10
"""The RDB version that Redis 7.0 writes, and the newest it reads."""

STRING: Final = 0
LIST: Final = 1
SET: Final = 2
ZSET: Final = 3
HASH: Final = 4
ZSET_2: Final = 5
HASH_ZIPMAP: Final = 9
LIST_ZIPLIST: Final = 10
SET_INTSET: Final = 11
ZSET_ZIPLIST: Final = 12
HASH_ZIPLIST: Final = 13
LIST_QUICKLIST: Final = 14
STREAM_LISTPACKS: Final = 15
HASH_LISTPACK: Final = 16
ZSET_LISTPACK: Final = 17
LIST_QUICKLIST_2: Final = 18
STREAM_LISTPACKS_2: Final = 19
NEWEST: Final = STREAM_LISTPACKS_2
"""The last type of :data:`VERSION`."""

SET_LISTPACK: Final = 20  # from version 11 on, Redis 7.2
STREAM_LISTPACKS_3: Final = 21  # likewise
