"""Write the tables of docs/cli.md from the program: ``python -m tests.tool_reference``.

The declarations of the commands are the only source: what ``kvcore COMMAND --help`` says is what the page says.
tests/test_docs.py compares.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from kvcore.frontends.tools import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

_TABLE = re.compile(r"<!-- options of ([\w-]+) -->\n.*?<!-- end of options -->", re.DOTALL)


def commands() -> dict[str, Any]:
    """Return each command by its name."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def rows(command: Any) -> list[tuple[str, str]]:
    """Return a command's arguments and options, each with what it says of itself."""
    found = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = parameter.name.upper()
            name = name if parameter.required else f"[{name}]"
        else:
            value = "" if parameter.is_flag else f" {parameter.metavar}"
            name = ", ".join(sorted(parameter.opts, key=len)) + value
        default = parameter.default
        shown = "" if default in (None, "", False, 0, []) or callable(default) else f" Default: `{default}`."
        found.append((name, f"{parameter.help}{shown}"))
    return found


def table(name: str) -> str:
    """Return what stands between the marks of a command."""
    command = commands()[name]
    summary = " ".join(command.help.split())
    lines = [f"`{_usage(name, command)}`", "", summary]
    found = rows(command)
    if found:
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| `{option}` | {_plain(said)} |" for option, said in found]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return text.replace("|", "\\|").replace("[", "\\[").replace("<", "&lt;")


def _usage(name: str, command: Any) -> str:
    names = [option for option, _ in rows(command)]
    arguments = [option for option in names if not option.startswith("-")]
    options = ["[OPTIONS]"] if len(names) > len(arguments) else []
    return " ".join(["kvcore", name, *options, *arguments])


def markdown() -> str:
    """Return the page with every table as the program has it."""
    return _TABLE.sub(
        lambda found: f"<!-- options of {found[1]} -->\n{table(found[1])}\n<!-- end of options -->", PAGE.read_text()
    )


if __name__ == "__main__":
    PAGE.write_text(markdown())
