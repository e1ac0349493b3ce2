"""Servers that are not there; the rest is tested through the command line (test_tools)."""

from __future__ import annotations

import pytest

from kvcore.errors import KvcoreError
from kvcore.frontends.remote import Remote


def test_a_server_that_is_not_there_is_one_error() -> None:
    remote = Remote("redis://127.0.0.1:1/5")
    for ask in (remote.databases, remote.now_ms, lambda: remote.run([[b"PING"]]), lambda: list(remote.batches(5, 0))):
        with pytest.raises(KvcoreError, match="Connection refused"):
            ask()
    remote.close()


def test_a_wrong_url_is_one_error() -> None:
    with pytest.raises(KvcoreError, match="scheme"):
        Remote("gopher://127.0.0.1")


def test_replies_as_text() -> None:
    remote = Remote("redis://127.0.0.1:1")
    assert (remote.text(b"a\xff"), remote.text(7)) == ("a\ufffd", "7")
    remote.close()
