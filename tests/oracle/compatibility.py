"""Write the command table of docs/compatibility.md: ``python -m tests.oracle.compatibility``.

Lives here: three lists brought together. The real server says which commands there are (COMMAND LIST, COMMAND DOCS),
kvcore's registry which of them it has, and the oracle tests themselves which of them are compared. Must not live here:
a command marked by hand.

What counts as compared is read off the syntax trees of ``tests/oracle/test_*.py``: a command sent by a method of a
pair (``pair.both("GET", "k")``), a line of a script or a tuple that starts with the command's name. Asking COMMAND INFO
about a command is no comparison of that command.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import kvcore.commands  # noqa: F401 - fills the registry
from kvcore.command import REGISTRY
from tests.oracle.servers import Server, find_oracle, start_oracle

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PAGE: Final = ROOT / "docs" / "compatibility.md"
BEGIN: Final = (
    "<!-- `python -m tests.oracle.compatibility` writes this; tests/oracle/test_compatibility.py compares. -->"
)
END: Final = "<!-- End of the table. -->"

PRESENT: Final = {"cluster": "as with `cluster-enabled no`"}
"""What the table says of the commands of a group instead of a plain yes."""

SENDING: Final = {"ask", "both", "both_auto", "both_sorted", "both_ttl", "kinds", "matches", "send"}
"""Methods of a pair whose arguments are a command; that of ``matches`` stands behind a pattern."""

_SESSION: Final = re.compile(r"^(?:\w>\s+)?(?:~\s+)?")

DATA_GROUPS: Final = frozenset(
    {"bitmap", "generic", "geo", "hash", "hyperloglog", "list", "set", "sorted-set", "stream", "string"}
)

Name = tuple[str, ...]
"""A command's name in capitals: one word, or a container's and its subcommand's."""


def sent_words(call: ast.Call) -> Sequence[ast.expr]:
    """Return the arguments that are a command, when a call is one that sends."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in SENDING:
        return ()
    return call.args[1:] if call.func.attr == "matches" else call.args


def literal(node: ast.expr) -> str:
    """Return the text of a literal word, else the empty string."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def docstrings(tree: ast.Module) -> set[int]:
    """Return the identities of the nodes that are documentation, which may mention any command."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, owners)]
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


def spoken(tree: ast.Module) -> Iterator[list[str]]:
    """Yield the first two words of everything in a test file that has the shape of a command."""
    prose = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (words := sent_words(node)):
            yield [literal(word) for word in words[:2]]
        elif isinstance(node, ast.Tuple) and node.elts:
            yield [literal(word) for word in node.elts[:2]]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            lines = re.split(r"\n|; ", node.value)
            yield from (_SESSION.sub("", line.strip()).split()[:2] for line in lines if " " in line or len(lines) > 1)


def compared(sources: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return which of ``names`` (as COMMAND LIST spells them) the sources of tests send."""
    known = {tuple(name.upper().split("|")): name for name in names}
    found = set()
    for source in sources:
        for words in spoken(ast.parse(source)):
            capitals = [word for word in words if word]
            if capitals and capitals[0] == capitals[0].upper():
                found |= {tuple(capitals[:1]), tuple(word.upper() for word in capitals)}
    return {name for words, name in known.items() if words in found}


def is_newer(since: str) -> bool:
    """Say whether a command came after the version compared with, or comes from another server altogether."""
    return not re.match(r"[0-6]\.|7\.0\.", since)


def origin(since: str) -> str:
    """Name the server a newer command comes from."""
    return f"Redis {since}" if since[:1].isdigit() else since


def newer_table(newer: dict[str, str], tested: set[str]) -> str:
    """Lay out the commands that Redis 7.0.15 does not have; ``newer`` maps each to the version that brought it."""
    lines = ["### Beyond Redis 7.0.15", "", "| command | from | compared with Valkey |", "|---|---|---|"]
    for name in sorted(newer):
        mark = "yes" if name in tested else "no"
        lines.append(f"| `{name.upper().replace('|', ' ')}` | {origin(newer[name])} | {mark} |")
    return "\n".join([*lines, ""])


def table(groups: dict[str, str], present: set[str], tested: set[str]) -> str:
    """Lay the commands out by group; ``groups`` maps each command of the real server to its group."""
    lines = []
    for group in sorted(set(groups.values())):
        names = sorted(name for name, its in groups.items() if its == group)
        have = sum(name in present for name in names)
        lines += [f"### {group}: {have} of {len(names)}", "", "| command | in kvcore | compared |", "|---|---|---|"]
        for name in names:
            here = PRESENT.get(group, "yes") if name in present else "no"
            mark = "yes" if name in present & tested else "no" if name in present else "-"
            lines.append(f"| `{name.upper().replace('|', ' ')}` | {here} | {mark} |")
        lines.append("")
    data = data_commands(groups)
    share = f"{100 * len(present & tested & data) / max(1, len(data)):.4g}%"
    total = f"{len(present & set(groups))} of {len(groups)} commands and subcommands of Redis 7.0.15"
    return (
        f"kvcore has {total}; {len(present & tested)} of them are compared; "
        f"of the {len(data)} commands on data, {share}.\n\n" + "\n".join(lines)
    )


def data_commands(groups: dict[str, str]) -> set[str]:
    """Return the commands of the real server that read or change keys, going by their groups."""
    return {name for name, group in groups.items() if group in DATA_GROUPS}


def ask(server: Server) -> dict[str, str]:
    """Return every command and subcommand of a running server with its group."""
    session = server.connect()
    try:
        session.send(("COMMAND", "LIST"))
        names = sorted(item.text.decode() for item in session.read().items)
        groups = {}
        for name in names:
            session.send(("COMMAND", "DOCS", name))
            _, facts = session.read().pairs()[0]
            groups[name] = next(value.text.decode() for key, value in facts.pairs() if key.text == b"group")
        return groups
    finally:
        session.close()


def commands_here() -> set[str]:
    """Return every command and subcommand kvcore registers, as COMMAND LIST spells them."""
    return set(versions_here())


def versions_here() -> dict[str, str]:
    """Return the version that brought each command and subcommand kvcore registers."""
    records = list(REGISTRY.bind().values())
    records += [sub for record in records for sub in (record.subcommands or {}).values()]
    return {record.full_name: record.since for record in records}


def oracle_sources() -> list[str]:
    """Return the source of every oracle test but the harness's own."""
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    return [path.read_text() for path in files if path.stem not in ("test_harness", "test_compatibility")]


def page_with_table(page: str, server: Server) -> str:
    """Return the page with the table as it should be between its markers."""
    groups = ask(server)
    body = table(groups, commands_here(), compared(oracle_sources(), groups))
    newer = {name: since for name, since in versions_here().items() if is_newer(since)}
    body += "\n" + newer_table(newer, compared(oracle_sources(), newer))
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{body}\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Start the real server and rewrite the table."""
    binary = find_oracle()
    if binary is None:
        print("no oracle: install redis-server 7.0.15", file=sys.stderr)
        return 1
    server = start_oracle(binary)
    try:
        page = page_with_table(PAGE.read_text(), server)
        PAGE.write_text(page)
        print(next(line for line in page.splitlines() if line.startswith("kvcore has ")))
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
