"""The title of the process: its words, when it changes, and what `ps` shows."""

from __future__ import annotations

import sys

import pytest

from kvcore.config import Config
from kvcore.frontends.title import keep_title, title
from tests.oracle.servers import start_kvcore


def configured(**directives: str) -> Config:
    config = Config()
    for name, value in directives.items():
        config.set(name.replace("_", "-"), value)
    return config


@pytest.mark.parametrize(
    ("directives", "text"),
    [
        ({"bind": "* -::*"}, "server *:6379"),
        ({"bind": "127.0.0.1 ::1", "port": "7"}, "server 127.0.0.1:7"),
        ({"bind": "", "port": "7"}, "server *:7"),
        ({"bind": "*", "port": "0", "tls_port": "8"}, "server *:8"),
        ({"port": "0", "unixsocket": "/run/s"}, "server unixsocket:/run/s"),
        ({"proc_title_template": "{port} {tls-port} [{unixsocket}] <{config-file}> "}, "6379 0 [] <>"),
        ({"proc_title_template": "{title}, {title}"}, "server, server"),
    ],
)
def test_the_words(directives: dict[str, str], text: str) -> None:
    """As redis-server 7.0.15 has them."""
    assert title(configured(**directives), "server") == text


def test_changes_show_at_once() -> None:
    config, shown = configured(bind="*"), list[str]()
    keep_title(config, "server", shown.append)
    config.set("proc-title-template", "{title} at {port}")
    config.set("port", "7000")
    assert shown == ["server *:6379", "server at 6379", "server at 7000"]


def test_the_command_line_stays_where_it_is_wanted() -> None:
    shown = list[str]()
    keep_title(configured(set_proc_title="no"), "server", shown.append)
    assert shown == []


def test_without_the_package_there_is_no_title(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "setproctitle", None)
    keep_title(configured(), "server")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_system_shows_it() -> None:
    pytest.importorskip("setproctitle")
    server = start_kvcore("asyncio", "--proc-title-template", "{title} here")
    try:
        with open(f"/proc/{server.pid}/cmdline", "rb") as file:
            assert file.read().rstrip(b"\0 ") == b"kvcore-server here"
    finally:
        server.stop()
