"""The new text of a config file, from the old one and the values in use."""

from __future__ import annotations

import pytest

from kvcore.config import Config
from kvcore.config_rewrite import MARKER, memory, rewrite
from kvcore.directive_kinds import Flag, Integer
from kvcore.directives import TABLE
from kvcore.errors import ConfigError

ALWAYS = "latency-tracking-info-percentiles 50 99 99.9\nsave 3600 1\nsave 300 100\nsave 60 10000\n"


def rewritten(old: str, *changes: tuple[str, str], users: list[str] | None = None) -> str:
    config = Config()
    config.load(old)
    for name, value in changes:
        config.set(name, value)
    return rewrite(config, old, users)


def test_comments_order_and_empty_lines_stay() -> None:
    old = "# first\n\nhz 20\n\n# second\ntimeout 5\n"
    assert rewritten(old) == f"{old}\n{MARKER}\n{ALWAYS}"


def test_a_second_rewrite_changes_nothing() -> None:
    once = rewritten("# c\nhz 20\n", ("maxclients", "50"))
    twice = rewritten(once, ("maxclients", "50"))
    assert twice == once + "\n"  # the last, empty line is one more line, as it is for the real server
    assert rewritten(twice, ("maxclients", "50")) == twice


def test_clusters_of_empty_lines_become_one() -> None:
    assert rewritten("hz 20\n\n\n\n# x\n").startswith("hz 20\n\n# x\n")


def test_lines_are_trimmed_and_names_spelled_plainly() -> None:
    assert rewritten("  HZ   20\n  # x\n").startswith("hz 20\n# x\n")


def test_aliases_get_their_name() -> None:
    assert rewritten("slave-priority 7\n").startswith("replica-priority 7\n")


def test_only_the_first_line_of_a_directive_stays() -> None:
    assert rewritten("hz 20\n# x\nhz 30\n").startswith("hz 30\n# x\n\n")


def test_a_default_is_written_where_there_is_a_line_and_nowhere_else() -> None:
    text = rewritten("timeout 5\n", ("timeout", "0"), ("hz", "10"))
    assert text.startswith("timeout 0\n")
    assert "hz" not in text


def test_a_text_that_is_none_has_no_line() -> None:
    text = rewritten('requirepass "x"\nlogfile ""\n', ("requirepass", ""))
    assert "requirepass" not in text
    assert 'logfile ""\n' in text


def test_what_is_new_stands_below_the_marker_once() -> None:
    text = rewritten(f"{MARKER}\nhz 20\n# end\n", ("maxclients", "50"))
    assert text.count(MARKER) == 1
    assert text.index("# end") < text.index("maxclients 50")


def test_other_lines_are_left_alone() -> None:
    old = 'include   a.conf\nrename-command  FLUSHALL ""\nuser bob on\n'
    assert rewrite(Config(), old).startswith(old)


def test_lines_nobody_understands_are_commented_out() -> None:
    text = rewrite(Config(), 'nosuch thing\nhz "20\n')
    assert text.startswith('# ??? nosuch thing\n# ??? hz "20\n')


def test_save_points_have_lines_of_their_own() -> None:
    text = rewritten("save 900 1\n# x\nsave 300 10\n", ("save", "100 1 50 2 25 3"))
    assert text.startswith(f"save 100 1\n# x\nsave 50 2\n\n{MARKER}\n")
    assert "save 25 3\n" in text
    assert rewritten("save 900 1\nsave 300 10\n", ("save", "")).startswith('save ""\n\n')


def test_output_limits_are_added_class_by_class() -> None:
    text = rewritten("client-output-buffer-limit normal 0 0 0\n", ("client-output-buffer-limit", "pubsub 1mb 5 6"))
    assert text.startswith("client-output-buffer-limit normal 0 0 0\n")
    assert "client-output-buffer-limit pubsub 1mb 5 6\n" in text
    assert "replica" not in text


def test_users() -> None:
    text = rewritten("hz 20\n", users=["user default on nopass ~* &* +@all"])
    assert text.endswith("user default on nopass ~* &* +@all\n")
    assert "user" not in rewrite(Config(), "user bob on\n", [])


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("maxmemory", "1073741824", "maxmemory 1gb"),
        ("maxmemory", "5000", "maxmemory 5000"),
        ("maxmemory-clients", "5%", "maxmemory-clients 5%"),
        ("unixsocketperm", "700", "unixsocketperm 700"),
        ("notify-keyspace-events", "KEA", 'notify-keyspace-events "AKE"'),
        ("masterauth", 'a"b\\\n\x01', 'masterauth "a\\"b\\\\\\n\\x01"'),
        ("oom-score-adj-values", "1 2 3", "oom-score-adj-values 1 2 3"),
        ("shutdown-on-sigterm", "now force", "shutdown-on-sigterm now force"),
        ("latency-tracking-info-percentiles", "", 'latency-tracking-info-percentiles ""'),
        ("replicaof", "host 7000", "replicaof host 7000"),
        ("appendfsync", "always", "appendfsync always"),
        ("bind", "10.0.0.1 ::1", "bind 10.0.0.1 ::1"),
    ],
)
def test_values_are_spelled_so_that_they_load_again(name: str, value: str, line: str) -> None:
    config = Config()
    config.set(name, value.split(" ") if name == "replicaof" else value)
    text = rewrite(config, "")
    assert f"\n{line}\n" in text
    again = Config()
    again.load(text)
    assert again.get(name) == config.get(name)


def test_everything_can_be_written_and_read() -> None:
    text = rewrite(Config(), "", everything=True)
    assert "\nmaxclients 10000\n" in text
    again = Config()
    again.load(text)
    fresh = Config()
    assert [row.name for row in TABLE if again.get(row.name) != fresh.get(row.name)] == []


@pytest.mark.parametrize("row", [row for row in TABLE if isinstance(row, Integer | Flag)], ids=lambda row: row.name)
def test_numbers_and_switches_survive(row: Integer | Flag) -> None:
    config = Config()
    if isinstance(row, Flag):
        value = row.show(not row.default)
    else:
        low, high = row.clamp or (row.low, row.high)
        value = row.show(low if row.default != low else high)
    try:
        config.set(row.name, value)
    except ConfigError:
        return  # refused on this machine or in this release: the default stays
    again = Config()
    again.load(rewrite(config, ""))
    assert again.get(row.name) == config.get(row.name)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (1023, "1023"), (1024, "1kb"), (1 << 20, "1mb"), (3 << 30, "3gb")]
)
def test_memory(count: int, text: str) -> None:
    assert memory(count) == text
