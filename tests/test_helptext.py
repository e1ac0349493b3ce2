"""The layout of HELP replies."""

from __future__ import annotations

from kvcore.command import REGISTRY
from kvcore.helptext import container_help, help_lines


def test_layout() -> None:
    assert help_lines("THING", {"DO <x>": "Do it."}) == [
        "THING <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DO <x>",
        "    Do it.",
        "HELP",
        "    Prints this help.",
    ]


def test_a_container_lists_its_subcommands_once_and_in_order() -> None:
    container = REGISTRY.bind()[b"slowlog"]
    lines = container_help(container, {"GET": "[<count>]"})
    assert lines[1::2] == ["GET [<count>]", "LEN", "RESET", "HELP"]
    assert all(line.startswith("    ") for line in lines[2::2])
