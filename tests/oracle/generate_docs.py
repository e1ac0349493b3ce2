"""Write kvcore/command_docs.json, what COMMAND DOCS says of arguments: ``python -m tests.oracle.generate_docs``.

Lives here: asking the real server for facts (names, types, tokens, flags, versions) and laying them out, a command on a
line. Must not get into the file: its sentences. Summaries are kvcore's own and stand in the decorators; of a command's
history only the versions are kept. The rule: all commands of the real server are written, also those kvcore has not got
yet, so that a new command finds its documentation there; tests/oracle/test_introspection.py compares.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.oracle.servers import Server, find_oracle, start_oracle
from tests.oracle.wire import Wire

FILE: Final = Path(__file__).resolve().parent.parent.parent / "kvcore" / "command_docs.json"
KEPT: Final = ("doc_flags", "deprecated_since", "replaced_by", "history", "arguments")


def plain(reply: Wire) -> Any:
    """Return a reply as JSON has it."""
    if reply.kind == "%":
        return {key.text.decode(): plain(value) for key, value in reply.pairs()}
    if reply.kind in "*~":
        return [plain(item) for item in reply.items]
    return int(reply.text) if reply.kind == ":" else reply.text.decode()


def facts(docs: dict[str, Any]) -> dict[str, Any]:
    """Keep what is a fact, and of the history the versions, each once."""
    kept = {name: docs[name] for name in KEPT if name in docs}
    if "history" in kept:
        kept["history"] = list(dict.fromkeys(version for version, _ in kept["history"]))
    return kept


def with_subcommands(docs: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each command and subcommand with its documentation."""
    for name, entry in docs.items():
        yield name, entry
        yield from with_subcommands(entry.get("subcommands", {}))


def lay_out(docs: dict[str, Any]) -> str:
    """Return the file's text."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(kept, separators=(',', ':'))}"
        for name, entry in sorted(with_subcommands(docs))
        if (kept := facts(entry))
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def ask(server: Server) -> dict[str, Any]:
    """Return COMMAND DOCS of a running server."""
    session = server.connect(protocol=3)
    try:
        session.send(("COMMAND", "DOCS"))
        docs: dict[str, Any] = plain(session.read())
        return docs
    finally:
        session.close()


def main() -> int:
    """Start the real server and rewrite the file."""
    binary = find_oracle()
    if binary is None:
        print("no oracle: install redis-server 7.0.15", file=sys.stderr)
        return 1
    server = start_oracle(binary)
    try:
        FILE.write_text(lay_out(ask(server)))
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
