"""All groups of store methods as one base class.

The groups' methods are written once and inherited by stores, asynchronous stores and pipelines; see
:mod:`kvcore.frontends.store_base`.
"""

from __future__ import annotations

from kvcore.frontends.store_access import AccessCommands
from kvcore.frontends.store_base import T
from kvcore.frontends.store_connections import ConnectionCommands
from kvcore.frontends.store_geo import GeoCommands
from kvcore.frontends.store_hashes import HashCommands
from kvcore.frontends.store_keys import KeyCommands
from kvcore.frontends.store_lists import ListCommands
from kvcore.frontends.store_server import ServerCommands
from kvcore.frontends.store_sets import SetCommands
from kvcore.frontends.store_sorted_sets import SortedSetCommands
from kvcore.frontends.store_streams import StreamCommands
from kvcore.frontends.store_strings import StringCommands


class StoreCommands(
    StringCommands[T],
    KeyCommands[T],
    HashCommands[T],
    ListCommands[T],
    SetCommands[T],
    SortedSetCommands[T],
    StreamCommands[T],
    GeoCommands[T],
    ServerCommands[T],
    ConnectionCommands[T],
    AccessCommands[T],
):
    """The methods of all groups."""

    __slots__ = ()
