"""Write docs/commands.md from the command table: ``python -m tests.command_reference``.

The records are the only source: what COMMAND INFO and DOCS answer is what the page says. tests/test_docs.py compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kvcore.commands  # noqa: F401 - fills the table
from kvcore.acl.vocabulary import categories_of
from kvcore.command import REGISTRY, Command

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"

HEAD = """# Commands

Every command kvcore answers, from the same records as COMMAND INFO and COMMAND DOCS. "Arguments" counts the command's
name (and its subcommand's); with a plus sign it is the least. "Since" is the version of Redis that brought it. How each
compares with redis-server stands in [compatibility](compatibility.md#commands); the commands of
[packages](extending.md) are not here.

<!-- `python -m tests.command_reference` writes this; tests/test_docs.py compares. -->
"""


def records() -> Iterator[Command]:
    """Yield every command and subcommand that ships with kvcore."""
    for name, command in REGISTRY.bind().items():
        if name.decode().islower() or name == name.lower() == name.upper():
            yield command
            yield from (command.subcommands or {}).values()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _row(command: Command) -> str:
    count = f"{command.arity}" if command.arity >= 0 else f"{-command.arity}+"
    name = command.full_name.upper().replace("|", " ")
    categories = " ".join(f"@{category.lstrip('@')}" for category in categories_of(command))
    cells = (f"`{name}`", command.summary, count, command.since, command.complexity, categories)
    return f"| {' | '.join(map(_cell, cells))} |"


def markdown() -> str:
    """Return the page."""
    groups: dict[str, list[Command]] = {}
    for command in records():
        groups.setdefault(command.group, []).append(command)
    parts = [HEAD]
    for group in sorted(groups):
        rows = sorted(groups[group], key=lambda command: command.full_name)
        parts.append(f"\n## {group}\n")
        parts.append("| command | what it does | arguments | since | complexity | ACL categories |")
        parts.append("|---|---|---|---|---|---|")
        parts.extend(map(_row, rows))
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(markdown())
