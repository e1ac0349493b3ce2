"""CLUSTER, ASKING, READONLY and READWRITE of a server that belongs to no cluster.

Lives here: the records, so that clients, ACL rules and COMMAND know them, and the one answer they have while
`cluster-enabled` is no. Must not live here: cluster mode. The rule: unknown subcommands and wrong argument counts are
the dispatcher's to refuse, as for any container; whatever gets past that hears that there is no cluster.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.replies import Reply

_LOOK: Final = "stale"
_INSPECT: Final = "admin stale"
_CHANGE: Final = "admin stale no_async_loading"

_CONSTANT: Final = "O(1)"
_PER_NODE: Final = "O(N) where N is the total number of Cluster nodes"
_PER_SLOT: Final = "O(N) where N is the total number of hash slot arguments"
_PER_RANGE: Final = "O(N) where N is the total number of the slots between the start slot and end slot arguments."

_VARIES: Final = frozenset(
    {
        "BUMPEPOCH",
        "COUNT-FAILURE-REPORTS",
        "GETKEYSINSLOT",
        "INFO",
        "LINKS",
        "NODES",
        "REPLICAS",
        "SHARDS",
        "SLAVES",
        "SLOTS",
    }
)
"""Subcommands whose reply may differ from one call, or node, to the next."""

_SUBCOMMANDS: Final = (
    ("ADDSLOTS", -3, _CHANGE, "3.0.0", _PER_SLOT, "Make this node responsible for slots."),
    ("ADDSLOTSRANGE", -4, _CHANGE, "7.0.0", _PER_RANGE, "Make this node responsible for ranges of slots."),
    ("BUMPEPOCH", 2, _CHANGE, "3.0.0", _CONSTANT, "Raise the configuration epoch of this node."),
    (
        "COUNT-FAILURE-REPORTS",
        3,
        _INSPECT,
        "3.0.0",
        "O(N) where N is the number of failure reports",
        "Count the nodes that say of a node that it fails.",
    ),
    ("COUNTKEYSINSLOT", 3, _LOOK, "3.0.0", _CONSTANT, "Count the keys that this node has in a slot."),
    ("DELSLOTS", -3, _CHANGE, "3.0.0", _PER_SLOT, "Make no node known here responsible for slots."),
    ("DELSLOTSRANGE", -4, _CHANGE, "7.0.0", _PER_RANGE, "Make no node known here responsible for ranges of slots."),
    ("FAILOVER", -2, _CHANGE, "3.0.0", _CONSTANT, "Have this replica take its primary's place."),
    ("FLUSHSLOTS", 2, _CHANGE, "3.0.0", _CONSTANT, "Give up all slots of this node."),
    ("FORGET", 3, _CHANGE, "3.0.0", _CONSTANT, "Take a node off the list of known ones."),
    (
        "GETKEYSINSLOT",
        4,
        _LOOK,
        "3.0.0",
        "O(log(N)) where N is the number of requested keys",
        "Name some keys that this node has in a slot.",
    ),
    ("HELP", 2, "loading stale", "5.0.0", _CONSTANT, "List the subcommands."),
    ("INFO", 2, _LOOK, "3.0.0", _CONSTANT, "Describe the state of the cluster as this node sees it."),
    ("KEYSLOT", 3, _LOOK, "3.0.0", "O(N) where N is the number of bytes in the key", "Name the slot of a key."),
    ("LINKS", 2, _LOOK, "7.0.0", _PER_NODE, "Describe the connections to other nodes."),
    ("MEET", -4, _CHANGE, "3.0.0", _CONSTANT, "Bring another node into the cluster."),
    ("MYID", 2, _LOOK, "3.0.0", _CONSTANT, "Return the name of this node."),
    ("NODES", 2, _LOOK, "3.0.0", _PER_NODE, "Describe the known nodes, one line each."),
    ("REPLICAS", 3, _INSPECT, "5.0.0", _CONSTANT, "Describe the replicas of a primary."),
    ("REPLICATE", 3, _CHANGE, "3.0.0", _CONSTANT, "Make this node a replica of another."),
    (
        "RESET",
        -2,
        "admin noscript stale",
        "3.0.0",
        "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
        "Make this a node that knows no other.",
    ),
    ("SAVECONFIG", 2, _CHANGE, "3.0.0", _CONSTANT, "Write what is known of the cluster to disk."),
    ("SET-CONFIG-EPOCH", 3, _CHANGE, "3.0.0", _CONSTANT, "Give a new node its first configuration epoch."),
    ("SETSLOT", -4, _CHANGE, "3.0.0", _CONSTANT, "Say which node a slot belongs to, or moves to or from."),
    (
        "SHARDS",
        2,
        _LOOK,
        "7.0.0",
        "O(N) where N is the total number of cluster nodes",
        "Return the slots and nodes of each shard.",
    ),
    ("SLAVES", 3, _INSPECT, "3.0.0", _CONSTANT, "Describe the replicas of a primary."),
    ("SLOTS", 2, _LOOK, "3.0.0", _PER_NODE, "Return which nodes have which slots."),
)
"""Name, arity, flags, since, complexity and summary."""


@command(
    "CLUSTER",
    arity=-2,
    group="cluster",
    since="3.0.0",
    complexity="Depends on subcommand.",
    summary="Ask about the cluster, of which there is none.",
)
def cluster(_call: Call, *_arguments: bytes) -> Reply:
    raise AssertionError("a container has no handler of its own")


def no_cluster(_call: Call, *_arguments: bytes) -> Reply:
    """Refuse: this is no node of a cluster."""
    raise CommandError(errors.CLUSTER_DISABLED)


for _name, _arity, _flags, _since, _complexity, _summary in _SUBCOMMANDS:
    command(
        f"CLUSTER|{_name}",
        arity=_arity,
        flags=_flags,
        group="cluster",
        since=_since,
        complexity=_complexity,
        summary=_summary,
        tips=("nondeterministic_output",) if _name in _VARIES else (),
    )(no_cluster)

for _name, _flags, _summary in (
    ("ASKING", "fast", "Announce that the next command follows an ASK redirection."),
    ("READONLY", "loading stale fast", "Let this connection read from a replica of the cluster."),
    ("READWRITE", "loading stale fast", "End READONLY."),
):
    command(
        _name,
        arity=1,
        flags=_flags,
        acl="connection",
        group="cluster",
        since="3.0.0",
        complexity=_CONSTANT,
        summary=_summary,
    )(no_cluster)
