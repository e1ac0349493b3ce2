"""Manifests: the grammar and errors of the real server, and the transitions of a rewrite."""

from __future__ import annotations

import pytest

from kvcore.errors import AofError
from kvcore.storage.aof_manifest import AofFile, Manifest, parse

FRESH = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"


def test_a_fresh_one_is_the_real_servers() -> None:
    manifest = Manifest()
    base = manifest.next_base("appendonly.aof", rdb=True)
    assert manifest.with_increment("appendonly.aof").with_base(base, keep=1).text() == FRESH
    assert parse(FRESH).text() == FRESH


def test_a_rewrite_retires_the_old_base_and_increments() -> None:
    manifest = parse(FRESH).with_increment("appendonly.aof")
    assert [file.name for file in manifest.files] == [
        "appendonly.aof.1.base.rdb",
        "appendonly.aof.1.incr.aof",
        "appendonly.aof.2.incr.aof",
    ]
    rewritten = manifest.with_base(manifest.next_base("appendonly.aof", rdb=False), keep=1)
    assert rewritten.text() == (
        "file appendonly.aof.2.base.aof seq 2 type b\n"
        "file appendonly.aof.1.incr.aof seq 1 type h\n"
        "file appendonly.aof.1.base.rdb seq 1 type h\n"
        "file appendonly.aof.2.incr.aof seq 2 type i\n"
    )
    assert rewritten.without_history().files == (
        AofFile("appendonly.aof.2.base.aof", 2, "b"),
        AofFile("appendonly.aof.2.incr.aof", 2, "i"),
    )
    assert rewritten.with_increment("appendonly.aof").increments[-1].sequence == 3


def test_a_base_that_stands_for_everything_keeps_no_increment() -> None:
    manifest = parse(FRESH)
    assert manifest.with_base(manifest.next_base("a", rdb=True), keep=0).increments == ()


def test_the_grammar_is_as_loose_as_the_real_servers() -> None:
    manifest = parse(
        "# comment\n"
        'TYPE base seq 3 FILE "with space.rdb"\n'
        "file i1 seq 2 type incr extra words\n"
        "file h1 seq 9 type h\n"
        "file i2 seq 5 type i\n"
    )
    assert manifest.base == AofFile("with space.rdb", 3, "b")
    assert [file.sequence for file in manifest.increments] == [2, 5]
    assert manifest.history == (AofFile("h1", 9, "h"),)
    assert parse(manifest.text()) == manifest


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Found an empty AOF manifest"),
        ("\n", "Invalid AOF manifest file format"),
        ("file a seq 1 type\n", "Invalid AOF manifest file format"),
        ("file a seq 1\n", "Invalid AOF manifest file format"),
        ("file a seq 0 type b\n", "Invalid AOF manifest file format"),
        ("file a seq x type b\n", "Invalid AOF manifest file format"),
        ("name a seq 1 type b\n", "Invalid AOF manifest file format"),
        ('file "a seq 1 type b\n', "Invalid AOF manifest file format"),
        ("file /etc/passwd seq 1 type b\n", "File can't be a path, just a filename"),
        ("file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
        ("file a seq 2 type i\nfile b seq 2 type i\n", "Found a non-monotonic sequence number"),
        ("file a seq 1 type x\n", "Unknown AOF file type"),
        ("file a seq 1 type b", "The AOF manifest file contains too long line"),
        ("file " + "a" * 1024 + " seq 1 type b\n", "The AOF manifest file contains too long line"),
    ],
)
def test_errors(text: str, error: str) -> None:
    with pytest.raises(AofError, match=f"^{error}$"):
        parse(text)


def test_a_damaged_line_is_logged_as_any_handler_can_write_it(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AofError):
        parse(b"file \xf0 seq one type b\n".decode("utf-8", "surrogateescape"))
    assert caplog.messages[-1] == r">>> 'file \xf0 seq one type b'"
