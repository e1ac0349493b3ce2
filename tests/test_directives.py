"""kvcore.directives: the table is complete and sound, and docs/configuration.md shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvcore.directives import BY_NAME, TABLE, markdown

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"


def test_the_document_shows_the_table() -> None:
    written = DOCUMENT.read_text(encoding="utf-8")
    assert written.endswith("\n" + markdown()), "put kvcore.directives.markdown() at the end of the document"


def test_every_row_and_alias_is_in_the_document_once() -> None:
    table = markdown()
    for row in TABLE:
        assert table.count(f"\n| `{row.name}`") == 1
        assert all(f", `{alias}`" in table for alias in row.aliases)
        assert row.implemented is (row.status == "")


def test_names_are_unique() -> None:
    assert len(BY_NAME) == sum(1 + len(row.aliases) for row in TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_defaults_are_allowed_values(row) -> None:
    words = list(row.default) if isinstance(row.default, tuple) else [row.show(row.default)]
    if row.name == "replicaof":
        words = ["no", "one"]
    assert row.parse(words) == row.default
