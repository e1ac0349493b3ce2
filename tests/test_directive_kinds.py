"""kvcore.directive_kinds: reading, refusing and showing values, with the real server's reasons."""

from __future__ import annotations

import pytest

from kvcore.directive_kinds import HUGE, read_integer, read_memory
from kvcore.directives import BY_NAME
from kvcore.errors import ConfigError

YES_NO = "argument must be 'yes' or 'no'"
NO_INTEGER = "argument couldn't be parsed into an integer"
NO_MEMORY = "argument must be a memory value"
NO_PERCENT = "argument must be a memory or percent value"
NO_SAVE = "Invalid save parameters"
NO_LIMIT = "Error in hard, soft or soft_seconds setting in buffer limit configuration."


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *[("0", 0), ("-1", -1), ("17", 17), ("010", None), ("+1", None), (" 1", None), ("", None), ("-0", None)],
        *[("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("0x1", None), ("1.5", None)],
    ],
)
def test_integers(written: str, number: int | None) -> None:
    assert read_integer(written) == number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *[("1k", 1000), ("1KB", 1024), ("2m", 2_000_000), ("2mb", 2 << 20), ("1g", 10**9), ("1gb", 1 << 30)],
        *[("05", 5), ("", 0), ("mb", 0), ("1b", 1), ("1tb", None), ("-1", None), ("1.5mb", None), ("1 mb", None)],
        *[("18446744073709551616", HUGE), ("99999999999gb", 15140462030378500096)],
    ],
)
def test_byte_counts(written: str, number: int | None) -> None:
    assert read_memory(written) == number


@pytest.mark.parametrize(
    ("name", "written", "shown"),
    [
        ("appendonly", "YES", "yes"),
        ("loglevel", "NOTICE", "notice"),
        ("hz", "0", "1"),
        ("hz", "5000", "500"),
        ("repl-backlog-size", "1", "16384"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "0%", "0"),
        ("maxmemory-clients", "1mb", "1048576"),
        ("unixsocketperm", "0777", "777"),
        ("unixsocketperm", "", "0"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "g$lshzxetdK", "AK"),
        ("notify-keyspace-events", "KEAmn", "AKEm"),
        ("notify-keyspace-events", "nzsKE$ltd", "$lsztdnKE"),
        ("notify-keyspace-events", "mKx", "xKm"),
        ("shutdown-on-sigint", "force now save", "save now force"),
        ("shutdown-on-sigint", "default force", "force"),
        ("latency-tracking-info-percentiles", "99.12345678901 1 100", "99.123457 1 100"),
        ("oom-score-adj-values", "3 2 1", "3 2 1"),
        ("bind", "", ""),
    ],
)
def test_shown_as_the_real_server_shows_it(name: str, written: str, shown: str) -> None:
    row = BY_NAME[name]
    assert row.show(row.parse([written])) == shown


@pytest.mark.parametrize(
    ("name", "written", "reason"),
    [
        ("appendonly", "1", YES_NO),
        ("timeout", "abc", NO_INTEGER),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxmemory", "-1", NO_MEMORY),
        ("proto-max-bulk-len", "1", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients", "05%", NO_PERCENT),
        ("unixsocketperm", "888", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm", "1777", "argument must be between 0 and 777 inclusive"),
        ("unixsocketperm", "-1", "argument must be between 0 and 777 inclusive"),
        ("loglevel", "x", "argument(s) must be one of the following: debug, verbose, notice, warning"),
        ("notify-keyspace-events", "K!", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("save", "900", NO_SAVE),
        ("save", "0 1", NO_SAVE),
        ("save", " 900 1", NO_SAVE),
        ("client-output-buffer-limit", "normal 0 0", "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit", "normal -1 0 0", NO_LIMIT),
        ("client-output-buffer-limit", "normal 0 0 1.5", NO_LIMIT),
        (
            "client-output-buffer-limit",
            "master 1 1 1",
            "Invalid client class specified in buffer limit configuration.",
        ),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        ("latency-tracking-info-percentiles", "a", "Invalid latency-tracking-info-percentiles parameters"),
        ("shutdown-on-sigint", "save nosave", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
        ("bind", " ".join(["::1"] * 17), "Too many bind addresses specified."),
        ("appendfilename", "a/b", "appendfilename can't be a path, just a filename"),
        ("cluster-announce-hostname", "a_b", "Hostnames may only contain alphanumeric characters, hyphens or dots"),
        ("proc-title-template", "{x}", "template format is invalid or contains unknown variables"),
    ],
)
def test_refused_with_the_real_reason(name: str, written: str, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        BY_NAME[name].parse([written])
    assert str(error.value) == reason


def test_a_single_word_is_asked_for() -> None:
    for words in ([], ["1", "2"]):
        with pytest.raises(ConfigError, match="wrong number of arguments"):
            BY_NAME["timeout"].parse(words)
    with pytest.raises(ConfigError, match="Invalid master port"):
        BY_NAME["replicaof"].parse(["host", "99999"])
    assert BY_NAME["replicaof"].parse(["no", "ONE"]) == ()
    assert BY_NAME["replicaof"].parse(["host 6380"]) == ("host", "6380")  # as `--replicaof "host 6380"` has it
