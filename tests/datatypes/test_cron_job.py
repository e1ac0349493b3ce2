"""Jobs as values: their times, the commands that make them, the list of a database's jobs."""

from __future__ import annotations

import pytest

from kvcore.datatypes.cron_job import NEVER_MS, Agenda, CronJob


def job(start_ms: int = 1000, delay_ms: int = 100, **others: bool | int) -> CronJob:
    return CronJob(
        single=bool(others.get("single")),
        start_ms=start_ms,
        delay_ms=delay_ms,
        script=b"return 1",
        keys=(b"k",),
        arguments=(b"a", b"b"),
        next_ms=others.get("next_ms"),
    )


def test_the_first_run_is_a_delay_after_the_start() -> None:
    assert job().next_ms == 1100
    assert job(-50, 10).next_ms == -40
    assert job(next_ms=7).next_ms == 7
    assert job(NEVER_MS - 1, 100).next_ms == NEVER_MS


@pytest.mark.parametrize(
    ("now_ms", "next_ms"),
    [(1099, 1100), (1100, 1200), (1101, 1200), (1199, 1200), (1200, 1300), (99_999, 100_000), (0, 1100), (-5, 1100)],
)
def test_the_next_run_is_the_first_multiple_in_the_future(now_ms: int, next_ms: int) -> None:
    assert job().following_ms(now_ms) == next_ms


def test_a_run_beyond_all_time_is_never() -> None:
    assert job(0, NEVER_MS).following_ms(5) == NEVER_MS
    assert job(0, NEVER_MS - 1).following_ms(NEVER_MS - 1) == NEVER_MS


def test_the_commands_that_make_it() -> None:
    made = job()
    assert made.evaluation() == [b"EVAL", b"return 1", b"1", b"k", b"a", b"b"]
    creation = [b"KEYDB.CRON", b"n", b"repeat", b"1000", b"100", b"return 1", b"1", b"k", b"a", b"b"]
    assert made.creation(b"n") == creation
    assert made.recreation(b"n") == [creation]
    made.next_ms = 1300
    assert made.recreation(b"n") == [creation, [b"PEXPIREMEMBERAT", b"n", b"n", b"1300"]]
    assert job(single=True).creation(b"n")[2] == b"single"
    made.check()


def test_the_list_forgets_what_is_no_job_any_more() -> None:
    agenda = Agenda()
    jobs = {b"kept%d" % number for number in range(10)}
    for number in range(1000):
        agenda.plan(b"gone%d" % number, number, jobs.__contains__)
        agenda.plan(b"kept%d" % (number % 10), 10**6 + number % 10, jobs.__contains__)
        assert len(agenda) <= 64
    agenda.check()
    assert jobs <= set(agenda.names())


def test_the_list_holds_any_number_of_jobs() -> None:
    agenda = Agenda()
    for number in range(3000):
        agenda.plan(b"%d" % number, 3000 - number, lambda _: True)
    agenda.check()
    assert len(agenda) == 3000
    assert agenda.first() == (1, b"2999")
