"""Cluster commands of a server outside any cluster, beside the real server.

Must not live here: facts of COMMAND INFO and DOCS, which tests/oracle/test_introspection.py compares for all commands.
"""

from __future__ import annotations

import pytest

from tests.oracle.harness import Pair, check

DISABLED = "ERR This instance has cluster support disabled"


def test_there_is_no_cluster(pair: Pair) -> None:
    check(
        pair,
        """
        ASKING
        READONLY
        READWRITE
        CLUSTER ADDSLOTS 1 2
        CLUSTER ADDSLOTSRANGE 1 2
        CLUSTER BUMPEPOCH
        CLUSTER COUNT-FAILURE-REPORTS a
        CLUSTER COUNTKEYSINSLOT 1
        CLUSTER DELSLOTS 1
        CLUSTER DELSLOTSRANGE 1 2
        CLUSTER FAILOVER FORCE
        CLUSTER FLUSHSLOTS
        CLUSTER FORGET a
        CLUSTER GETKEYSINSLOT 1 1
        CLUSTER HELP
        CLUSTER INFO
        CLUSTER KEYSLOT a
        CLUSTER LINKS
        CLUSTER MEET 127.0.0.1 7000
        CLUSTER MYID
        CLUSTER NODES
        CLUSTER REPLICAS a
        CLUSTER REPLICATE a
        CLUSTER RESET HARD
        CLUSTER SAVECONFIG
        CLUSTER SET-CONFIG-EPOCH 1
        CLUSTER SETSLOT 1 STABLE
        CLUSTER SHARDS
        CLUSTER SLAVES a
        CLUSTER SLOTS
        cluster keyslot a
        READONLY
        """,
    )


def test_what_is_refused_before_that(pair: Pair) -> None:
    check(
        pair,
        """
        CLUSTER
        CLUSTER NOSUCH
        CLUSTER nosuch a b
        CLUSTER KEYSLOT
        CLUSTER KEYSLOT a b
        CLUSTER HELP x
        CLUSTER MEET a
        CLUSTER SETSLOT 1
        CLUSTER GETKEYSINSLOT 1
        CLUSTER INFO x
        ASKING x
        READONLY x
        READWRITE x
        """,
    )


def test_in_a_transaction(pair: Pair) -> None:
    check(
        pair,
        """
        MULTI
        CLUSTER INFO
        READONLY
        ASKING
        SET k v
        EXEC
        GET k
        MULTI
        CLUSTER NOSUCH
        EXEC
        """,
    )


def test_in_a_script(pair: Pair) -> None:
    for words in ("'cluster', 'keyslot', 'a'", "'readonly'", "'asking'", "'cluster', 'reset'", "'cluster', 'nosuch'"):
        pair.both("EVAL", f"return redis.pcall({words})['err']", 0)


@pytest.mark.parametrize("rule", ["+cluster", "+cluster|info", "+@connection", "+@dangerous", "+@slow", "+readonly"])
def test_permissions(pair: Pair, rule: str) -> None:
    pair.both("ACL", "SETUSER", "u", "reset", rule)
    for line in ("CLUSTER INFO", "CLUSTER RESET", "CLUSTER NOSUCH", "CLUSTER", "READONLY", "READWRITE", "ASKING"):
        pair.both("ACL", "DRYRUN", "u", *line.split())
    pair.both("ACL", "SETUSER", "u", "-cluster|info", "-cluster|nosuch")
    pair.both("ACL", "DELUSER", "u")


def test_rules_are_shown_as_given(pair: Pair) -> None:
    for rules in (
        "+@all -cluster",
        "+cluster -cluster|nodes",
        "-@all +cluster|info",
        "-@all +readonly",
        "+@dangerous +cluster",
    ):
        pair.both("ACL", "SETUSER", "u", "reset", *rules.split())
        pair.both("ACL", "GETUSER", "u")
    pair.both("ACL", "DELUSER", "u")


def test_failures_are_counted(pair: Pair) -> None:
    pair.both("CONFIG", "RESETSTAT")
    pair.both("CLUSTER", "INFO")
    pair.both("READONLY")
    pair.both("CLUSTER", "KEYSLOT")
    for name in ("cluster|info", "readonly", "cluster|keyslot"):
        pair.matches(rf"(?s).*cmdstat_{name.replace('|', '.')}:calls=.*", "INFO", "commandstats")
