"""Users on both sides of an oracle test: making them, logging in, comparing their rules and the log.

Lives here: what several test files about access control share. Must not live here: a test. The rule: what changes users
ends with nobody but `default`, who lets everybody in, since the next test's sessions come before its fixtures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.oracle.harness import Argument, Mismatch, Pair, Wire
from tests.oracle.wire import CLOSED


def with_nobody_else(pair: Pair) -> Iterator[Pair]:
    _only_default(pair)
    yield pair
    _only_default(pair.client())


def _only_default(pair: Pair) -> None:
    rules = ("reset", "on", "nopass", "allkeys", "allchannels", "allcommands")
    pair.ask("ACL", "SETUSER", "default", *rules)
    for side in (pair.oracle, pair.kvcore):
        side.send(["ACL", "USERS"])
        names = [item.text for item in side.read().items if item.text != b"default"]
        if names:
            side.send(["ACL", "DELUSER", *names])
            side.read()
    pair.both("ACL", "LOG", "RESET")


def log_in(pair: Pair, *rules: str, name: str = "u") -> Pair:
    """Make a user by rules and return a session that is logged in as it."""
    pair.both("ACL", "SETUSER", name, "reset", "on", "nopass", *rules)
    session = pair.client()
    session.both("AUTH", name, "")
    return session


def sorted_rules(reply: Wire) -> Wire:
    """Return the reply with the words of each description sorted."""
    if reply.items:
        return Wire(reply.kind, reply.text, [sorted_rules(item) for item in reply.items])
    if b"@all" not in reply.text:
        return reply
    return Wire(reply.kind, b" ".join(sorted(re.sub(rb"([()])", rb" \1 ", reply.text).split())))


def same_rules(pair: Pair, *arguments: Argument) -> None:
    oracle, kvcore = pair.ask(*arguments)
    if sorted_rules(oracle) != sorted_rules(kvcore):
        raise Mismatch(f"{arguments}\n  oracle: {oracle!r}\n  kvcore: {kvcore!r}")


def unlock(pair: Pair) -> None:
    """Let everybody in again: the next test's sessions come before its fixtures."""
    pair.both("ACL", "SETUSER", "default", "on", "nopass")


def log_of(pair: Pair, *arguments: Argument) -> list[dict[str, Any]]:
    """Return the log of both sides, ages and clients apart, which must agree."""
    sides = []
    for reply in pair.ask("ACL", "LOG", *arguments):
        entries = []
        for item in reply.items:
            fields = {item.items[i].text.decode(): item.items[i + 1] for i in range(0, len(item.items), 2)}
            age, client = float(fields.pop("age-seconds").text), fields.pop("client-info").text.decode()
            assert 0 <= age < 60
            assert re.search(r"id=\d+ addr=.* cmd=.* user=", client)
            entries.append({name: value.native() for name, value in fields.items()})
        sides.append(entries)
    assert sides[0] == sides[1]
    return sides[0]


def ended(session: Pair) -> tuple[bool, bool]:
    """Tell of each side whether the connection was closed."""
    return tuple(_is_closed(side) for side in (session.oracle, session.kvcore))  # type: ignore[return-value]


def _is_closed(side: Any) -> bool:
    try:
        side.send(["PING"])
        return bool(side.read(1.0) is CLOSED)
    except OSError:
        return True
