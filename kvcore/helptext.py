"""The reply of HELP subcommands, made of the command records.

Lives here: the layout that clients know. Must not live here: texts; a line is the summary of a record, so that a
subcommand that exists is always listed and one that does not never is.
"""

from __future__ import annotations

from collections.abc import Mapping

from kvcore.command import Command
from kvcore.replies import Reply


def help_lines(name: str, entries: Mapping[str, str]) -> list[Reply]:
    """Lay out a help reply; ``entries`` maps what one types after ``name`` to what it does."""
    lines: list[Reply] = [f"{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for usage, meaning in entries.items():
        lines.append(usage)
        lines.append(f"    {meaning}")
    lines += ["HELP", "    Prints this help."]
    return lines


def container_help(container: Command, arguments: Mapping[str, str]) -> list[Reply]:
    """Return the help of a container command: its subcommands by name.

    ``arguments`` maps a subcommand's name in upper case to its arguments, for those that take any.
    """
    entries: dict[str, str] = {}
    for subcommand in sorted((container.subcommands or {}).values(), key=lambda record: record.name):
        name = subcommand.name.upper()
        if name != "HELP":
            usage = arguments.get(name)
            entries[name if usage is None else f"{name} {usage}"] = subcommand.summary
    return help_lines(container.name.upper(), entries)
