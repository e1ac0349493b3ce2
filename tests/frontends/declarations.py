"""The declarations of asynchronous stores' and pipelines' methods, derived from those of the stores'.

    python -m tests.frontends.declarations

writes frontends/async_commands.pyi and frontends/pipeline_commands.pyi. The methods themselves are one and the same
code (:mod:`kvcore.frontends.store_base` says how); only what they return is declared three times.
"""

from __future__ import annotations

import ast
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "frontends"
GROUPS = (
    "strings",
    "keys",
    "hashes",
    "lists",
    "sets",
    "sorted_sets",
    "streams",
    "geo",
    "server",
    "connections",
    "access",
)
CALLS = ("self._call", "self._call_status", "self._call_undecoded")
SHARED = "kvcore.frontends.store_base"


def group_class(group: str) -> ast.ClassDef:
    """Return the class of a group of methods."""
    tree = ast.parse((FOLDER / f"store_{group}.py").read_text())
    return next(node for node in tree.body if isinstance(node, ast.ClassDef))


def returns_a_call(function: ast.FunctionDef) -> bool:
    """Say whether each way out of a method is ``return self._call(...)``: only then it may be awaited or queued."""
    ways_out = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    inner = [
        node.value
        for child in ast.walk(function)
        for node in ast.walk(child)
        if child is not function and isinstance(child, ast.FunctionDef) and isinstance(node, ast.Return)
    ]
    calls = [way for way in ways_out if way not in inner]
    return bool(calls) and all(_is_call(way) for way in calls)


def _is_call(node: ast.expr | None) -> bool:
    if isinstance(node, ast.IfExp):
        return _is_call(node.body) and _is_call(node.orelse)
    return isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS


def _declared(function: ast.FunctionDef, asynchronous: bool) -> str:
    head = "async def" if asynchronous else "def"
    result = ast.unparse(function.returns) if asynchronous and function.returns is not None else "Reply"
    text = f"    {head} {function.name}({ast.unparse(function.args)}) -> {result}:"
    summary = ast.get_docstring(function)
    if any(ast.unparse(decorator) == "overload" for decorator in function.decorator_list):
        return f"    @overload\n{text} ..."
    if summary is None:
        return f"{text} ..."
    return f'{text}\n        """{summary.splitlines()[0]}"""'


def _methods(group: ast.ClassDef, asynchronous: bool) -> list[str]:
    functions = [node for node in group.body if isinstance(node, ast.FunctionDef)]
    overloaded = {node.name for node in functions if node.decorator_list}
    lines: list[str] = []
    seen: set[str] = set()
    for function in functions:
        if function.name in overloaded:
            if asynchronous and function.decorator_list:
                lines.append(_declared(function, True))
            elif not asynchronous and not function.decorator_list:
                lines.append(_declared(function, False))
            continue
        assert function.name not in seen, function.name
        seen.add(function.name)
        lines.append(_declared(function, asynchronous))
    return lines


def declarations(asynchronous: bool) -> str:
    """Return the text of one of the two files."""
    kind = "Async" if asynchronous else "Pipeline"
    what = "asynchronous stores, which are awaited" if asynchronous else "pipelines, which queue"
    parts = [
        f'"""The methods of {what}. Written by ``python -m tests.frontends.declarations``; do not edit."""',
        "# fmt: off\n# ruff: noqa",
        "from collections.abc import Mapping, Sequence\nfrom datetime import datetime\nfrom enum import Enum\n"
        "from typing import Generic, Literal, overload",
        f"from {SHARED} import Aggregate, Bound, Convert, Duration, Entry, Key, Keys, Moment, Scored, T, Value\n"
        "from kvcore.arguments import Argument\nfrom kvcore.replies import Reply",
    ]
    names = []
    for group in GROUPS:
        source = group_class(group)
        names.append(f"{kind}{source.name}")
        body = "\n".join(_methods(source, asynchronous))
        parts.append(f"class {names[-1]}(Generic[T]):\n{body}")
    bases = ", ".join(f"{name}[T]" for name in names)
    parts.append(f"class {kind}Commands({bases}):\n    __slots__ = ()")
    return "\n\n".join(parts) + "\n"


FILES = {FOLDER / "async_commands.pyi": True, FOLDER / "pipeline_commands.pyi": False}


def main() -> None:
    """Write both files."""
    for path, asynchronous in FILES.items():
        path.write_text(declarations(asynchronous))


if __name__ == "__main__":
    main()
