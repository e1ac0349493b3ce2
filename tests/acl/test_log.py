"""The log of refusals: grouping, order, limit."""

from __future__ import annotations

from kvcore.acl.log import MULTI, TOPLEVEL, Refusal, RefusalLog


def refusal(what: bytes = b"get", time_ms: int = 0, context: bytes = TOPLEVEL, reason: bytes = b"command") -> Refusal:
    return Refusal(reason, context, what, b"u", b"id=%d" % time_ms, time_ms)


def test_what_repeats_within_a_minute_is_counted() -> None:
    log = RefusalLog()
    log.add(refusal(time_ms=0))
    log.add(refusal(time_ms=60_000))
    assert [(entry.count, entry.time_ms, entry.client) for entry in log.newest(9)] == [(2, 60_000, b"id=60000")]
    log.add(refusal(time_ms=120_001))
    assert [entry.count for entry in log.newest(9)] == [1, 2]


def test_what_differs_is_another_entry() -> None:
    log = RefusalLog()
    for entry in (refusal(), refusal(b"set"), refusal(context=MULTI), refusal(reason=b"key")):
        log.add(entry)
    other = refusal()
    other.username = b"v"
    log.add(other)
    assert len(log) == 5


def test_a_repeated_entry_moves_to_the_front() -> None:
    log = RefusalLog()
    for what in (b"a", b"b", b"c", b"a"):
        log.add(refusal(what))
    assert [entry.object for entry in log.newest(9)] == [b"a", b"c", b"b"]


def test_only_the_newest_ten_are_looked_at() -> None:
    log = RefusalLog()
    for number in range(11):
        log.add(refusal(b"%d" % number))
    log.add(refusal(b"0"))
    assert len(log) == 12
    log.add(refusal(b"3"))
    assert len(log) == 12


def test_the_limit() -> None:
    log = RefusalLog()
    log.limit = 2
    for what in (b"a", b"b", b"c"):
        log.add(refusal(what))
    assert [entry.object for entry in log.newest(9)] == [b"c", b"b"]
    assert [entry.object for entry in log.newest(1)] == [b"c"]
    log.limit = 0
    log.add(refusal(b"c"))
    assert len(log) == 2  # nothing came new: as in the real server the limit waits for the next entry
    log.add(refusal(b"d"))
    assert len(log) == 0


def test_the_reply() -> None:
    log = RefusalLog()
    log.add(refusal(time_ms=1000))
    assert log.newest(1)[0].reply(2500) == {
        b"count": 1,
        b"reason": b"command",
        b"context": b"toplevel",
        b"object": b"get",
        b"username": b"u",
        b"age-seconds": 1.5,
        b"client-info": b"id=1000",
    }
    log.clear()
    assert log.newest(9) == []
