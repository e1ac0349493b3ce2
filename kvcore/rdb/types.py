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
HASH_2: Final = 22  # Valkey 9, version 80: fields with times to live; betas of Redis 7.4 had another 22 and 23
HASH_METADATA: Final = 24  # from version 12 on, Redis 7.4: fields with times to live
HASH_LISTPACK_EX: Final = 25  # likewise

CRON_JOB: Final = 64  # KeyDB's alone

MODULE: Final = 6
MODULE_2: Final = 7

# What may stand where a type byte could, in a file.
SLOT_INFO: Final = 244  # Redis 7.4 and later
FUNCTION_2: Final = 245
FUNCTION_PRE_GA: Final = 246
MODULE_AUX: Final = 247
IDLE: Final = 248
FREQUENCY: Final = 249
AUX: Final = 250
RESIZE_DB: Final = 251
EXPIRE_MS: Final = 252
EXPIRE_S: Final = 253
SELECT_DB: Final = 254
END: Final = 255

FILE_VERSION_MAX: Final = 12
"""The newest version of files that can be read; 12 is what Redis 7.4 writes."""

FILE_VERSION_VALKEY: Final = 80
"""The version of Valkey 9, whose files begin with a name of their own."""

FILE_VERSION_KEYDB: Final = 9
"""The newest version that KeyDB and Redis 5 and 6 read: no functions, no listpacks."""
