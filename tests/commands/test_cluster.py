"""Cluster commands on an engine that belongs to no cluster."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Client


@pytest.mark.parametrize(
    "line", ["ASKING", "READONLY", "READWRITE", "CLUSTER INFO", "CLUSTER HELP", "CLUSTER KEYSLOT a"]
)
def test_there_is_no_cluster(client: Client, line: str) -> None:
    assert client.error(*line.split()) == "ERR This instance has cluster support disabled"


def test_unknown_subcommand_and_wrong_arity_come_first(client: Client) -> None:
    assert client.error("CLUSTER", "NOSUCH").startswith("ERR unknown subcommand 'NOSUCH'")
    assert client.error("CLUSTER", "KEYSLOT") == "ERR wrong number of arguments for 'cluster|keyslot' command"
    assert client.error("ASKING", "x") == "ERR wrong number of arguments for 'asking' command"


def test_every_subcommand_is_known(client: Client) -> None:
    listed = client("COMMAND", "LIST")
    assert isinstance(listed, list)
    assert sum(name.startswith(b"cluster|") for name in listed if isinstance(name, bytes)) == 27
