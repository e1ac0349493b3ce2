"""docs/compatibility.md is what its generator writes, and the generator counts only what is sent."""

from __future__ import annotations

import pytest

from tests.oracle import compatibility, conftest
from tests.oracle.compatibility import is_newer
from tests.oracle.conftest import Fleet

NAMES = ["get", "set", "del", "config", "config|get", "config|help", "unwatch", "smembers", "lastsave", "auth"]


def test_the_table_is_up_to_date(fleet: Fleet) -> None:
    if not conftest.reference.startswith(f"redis {conftest.COMPARED}"):
        pytest.skip(f"the table is about redis {conftest.COMPARED}x, not {conftest.reference}")
    page = compatibility.PAGE.read_text()
    wanted = compatibility.page_with_table(page, fleet.oracle)
    assert page == wanted, "run: python -m tests.oracle.compatibility"


def test_every_command_on_data_is_compared(fleet: Fleet) -> None:
    if not conftest.reference.startswith(f"redis {conftest.COMPARED}"):
        pytest.skip(f"the table is about redis {conftest.COMPARED}x, not {conftest.reference}")
    data = compatibility.data_commands(compatibility.ask(fleet.oracle))
    assert len(data) > 150
    assert data - compatibility.commands_here() == set()
    assert data - compatibility.compared(compatibility.oracle_sources(), data) == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('pair.both("GET", "k")', {"get"}),
        ('pair.client().send(b"GET", b"k")', {"get"}),
        ('pair.both("CONFIG", "get", "hz")', {"config", "config|get"}),
        ('pair.both("CONFIG", name)', {"config"}),
        ('pair.matches(r"DEL", "LASTSAVE")', {"lastsave"}),
        (
            'check(pair, """\n    SET a 1\n    2> ~ SMEMBERS s\n    ~ CONFIG GET *\n    """)',
            {"set", "smembers", "config", "config|get"},
        ),
        ('run("GET k; UNWATCH; DEL k")', {"get", "unwatch", "del"}),
        ('check(pair, f"GET {key}")', {"get"}),
        ('run_sequence(pair, [("SET", "k", 1), ("DEL", "k")])', {"set", "del"}),
        ('pair.both("COMMAND", "INFO", "GET")', set()),
        ('pair.note("GET", "k")', set()),
        ('"""GET is mentioned here."""', set()),
        ('def f() -> None:\n    """DEL k"""', set()),
        ('"get well soon"', set()),
        ('NAMES = ["GET", "SET"]', set()),
        ("# GET k", set()),
    ],
)
def test_what_counts_as_compared(source: str, found: set[str]) -> None:
    assert compatibility.compared([source], NAMES) == found


def test_table() -> None:
    groups = {"get": "string", "object": "generic", "acl|cat": "server", "geoadd": "geo", "asking": "cluster"}
    text = compatibility.table(groups, {"get", "object", "asking"}, {"get", "geoadd"})
    assert text.startswith(
        "kvcore has 3 of 5 commands and subcommands of Redis 7.0.15; 1 of them are compared; "
        "of the 3 commands on data, 33.33%.\n"
    )
    assert "### string: 1 of 1\n\n| command | in kvcore | compared |\n|---|---|---|\n| `GET` | yes | yes |\n" in text
    assert "| `OBJECT` | yes | no |" in text
    assert "| `GEOADD` | no | - |" in text
    assert "| `ASKING` | as with `cluster-enabled no` | no |" in text


def test_newer_commands_stand_apart() -> None:
    assert [since for since in ("1.0.0", "6.2.0", "7.0.0", "7.2.0", "7.4.0", "9.0.0", "KeyDB") if is_newer(since)] == [
        *("7.2.0", "7.4.0", "9.0.0", "KeyDB"),
    ]
    text = compatibility.newer_table({"httl": "7.4.0", "client|setinfo": "7.2.0", "lfence": "KeyDB"}, {"httl"})
    assert (
        "| `CLIENT SETINFO` | Redis 7.2.0 | no |\n| `HTTL` | Redis 7.4.0 | yes |\n| `LFENCE` | KeyDB | no |\n" in text
    )
