"""Notes of imports; what an import and an export do is tested through the command line (test_tools)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvcore.errors import KvcoreError
from kvcore.frontends.transfer import Position


def test_a_note_is_found_again_until_the_import_is_done(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    position = Position(path, "redis://a")
    assert (position.resumed, position.database, position.cursor) == (False, -1, 0)
    position.note(2, 77)
    again = Position(path, "redis://a")
    assert (again.resumed, again.database, again.cursor) == (True, 2, 77)
    again.done()
    again.done()
    assert list(tmp_path.iterdir()) == []


def test_a_note_about_another_source_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    Position(path, "redis://a").note(0, 1)
    with pytest.raises(KvcoreError, match="is about an import from redis://a"):
        Position(path, "redis://b")
    Path(path).write_text('{"source": "redis://a"}')
    with pytest.raises(KvcoreError, match="is no note of an import"):
        Position(path, "redis://a")
