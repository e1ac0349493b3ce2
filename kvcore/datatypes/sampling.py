"""Random keys of a small dict or a large table: what SPOP, SRANDMEMBER, HRANDFIELD and ZRANDMEMBER share.

The rule: randomness comes in as an argument, every key has the same chance, and nothing here changes the
mapping.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, TypeVar

from kvcore.datatypes.table import Table

V = TypeVar("V")

_SAMPLE_RATIO: Final = 3
"""Asked for more than a third of the keys, listing them all is cheaper than drawing until enough differ."""


def random_key(mapping: dict[bytes, V] | Table[V], random: Random) -> bytes:
    """Return a random key of a mapping that is not empty. O(1) expected in a table, O(keys) in a dict."""
    if isinstance(mapping, Table):
        return mapping.random_key(random)
    rank = random.randrange(len(mapping))
    for key in mapping:
        if not rank:
            return key
        rank -= 1
    raise AssertionError("a dict has as many keys as its length")


def distinct_keys(mapping: dict[bytes, V] | Table[V], count: int, random: Random) -> list[bytes]:
    """Return ``count`` different random keys, or all there are. O(count) in a table, O(keys) in a dict."""
    size = len(mapping)
    if count >= size:
        return list(mapping)
    if not isinstance(mapping, Table) or count * _SAMPLE_RATIO > size:
        return random.sample(list(mapping), count)
    drawn: dict[bytes, None] = {}
    while len(drawn) < count:
        drawn[mapping.random_key(random)] = None
    return list(drawn)


def repeated_keys(mapping: dict[bytes, V] | Table[V], count: int, random: Random) -> list[bytes]:
    """Return ``count`` random keys, each drawn anew; none of an empty mapping. O(count + keys of a dict)."""
    if not len(mapping):
        return []
    if not isinstance(mapping, Table) or count * _SAMPLE_RATIO > len(mapping):
        keys: Sequence[bytes] = list(mapping)
        return random.choices(keys, k=count)
    return [mapping.random_key(random) for _ in range(count)]
