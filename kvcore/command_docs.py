"""What COMMAND DOCS says of a command's arguments, and of the versions that changed it.

Lives here: the facts in ``command_docs.json``, which ``python -m tests.oracle.generate_docs`` writes, as replies. Must
not live here: what the decorator says (summary, since, group, complexity). The rule: nothing is loaded before somebody
asks, and a command the file does not know, such as a plug-in's, simply has no such facts.
"""

from __future__ import annotations

import json
from functools import cache
from pkgutil import get_data
from typing import Final, TypedDict

from kvcore.replies import OrderedSet, Reply

_FLAGS: Final = frozenset({"flags", "doc_flags"})


class Argument(TypedDict, total=False):
    """An argument in the file, as far as it is looked into here."""

    token: str
    since: str
    arguments: list[Argument]


class Facts(TypedDict, total=False):
    """A command in the file, as far as it is looked into here."""

    history: list[str]
    arguments: list[Argument]


def facts(full_name: str) -> dict[Reply, Reply]:
    """Return what is known of a command, ``get`` or ``config|get``, in the order in which COMMAND DOCS lists it."""
    known = _load().get(full_name)
    if known is None:
        return {}
    found: dict[Reply, Reply] = {name.encode(): _reply(name, value) for name, value in known.items()}
    if "history" in known:
        found[b"history"] = _history(known["history"], known.get("arguments", []))
    return found


@cache
def _load() -> dict[str, Facts]:
    data = get_data("kvcore", "command_docs.json")
    assert data is not None
    loaded: dict[str, Facts] = json.loads(data)
    return loaded


def _reply(name: str, value: object) -> Reply:
    """Return a value of the file as a reply; flags are a set of simple strings."""
    if isinstance(value, list):
        return OrderedSet(value) if name in _FLAGS else [_reply("", item) for item in value]
    if isinstance(value, dict):
        return {part.encode(): _reply(part, inner) for part, inner in value.items()}
    return value.encode() if isinstance(value, str) else value


def _history(versions: list[str], arguments: list[Argument]) -> Reply:
    """Return each version and, as far as the arguments tell, what it brought."""
    found = OrderedSet()
    for version in versions:
        tokens = [token for argument in arguments for token in _tokens_since(argument, version)]
        text = f"New: {', '.join(tokens)}." if tokens else "Changed."
        found.append([version.encode(), text.encode()])
    return found


def _tokens_since(argument: Argument, version: str, inherited: bool = False) -> list[str]:
    """Return the tokens of an argument, and of those inside of it, that came with a version."""
    new = argument["since"] == version if "since" in argument else inherited
    tokens = [argument["token"]] if new and "token" in argument else []
    for part in argument.get("arguments", []):
        tokens += _tokens_since(part, version, new)
    return tokens
