"""All groups together: what is declared for asynchronous stores and pipelines follows the methods."""

from __future__ import annotations

import ast

import pytest

from kvcore.frontends.store_commands import StoreCommands
from tests.frontends import declarations


@pytest.mark.parametrize("path", declarations.FILES, ids=lambda path: path.name)
def test_declarations_are_up_to_date(path: object) -> None:
    text = declarations.declarations(declarations.FILES[path])  # type: ignore[index]
    assert path.read_text() == text, "run python -m tests.frontends.declarations"  # type: ignore[attr-defined]


def test_each_method_is_one_call_that_may_be_awaited_or_queued() -> None:
    wrong = [
        f"{group}.{function.name}"
        for group in declarations.GROUPS
        for function in declarations.group_class(group).body
        if isinstance(function, ast.FunctionDef)
        and not function.decorator_list
        and not declarations.returns_a_call(function)
    ]
    assert wrong == []


def test_a_method_that_does_more_is_noticed() -> None:
    for body in ("return self.get(name) or 1", "self._call(same)", "x = self._call(same)\n    return x"):
        function = ast.parse(f"def method(self, name):\n    {body}").body[0]
        assert isinstance(function, ast.FunctionDef)
        assert not declarations.returns_a_call(function)


def test_no_two_groups_have_a_method_of_one_name() -> None:
    names = [
        name
        for base in StoreCommands.__bases__
        for name, value in vars(base).items()
        if callable(value) and not name.startswith("__")
    ]
    assert len(names) == len(set(names)) > 200
