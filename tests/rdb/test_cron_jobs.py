"""Jobs in files and payloads: there and back, KeyDB's own form, and what is malformed."""

from __future__ import annotations

import struct
from random import Random

import pytest

from kvcore.datatypes.cron_job import CronJob
from kvcore.errors import RdbError
from kvcore.rdb import cron_jobs, sink, types
from kvcore.rdb.file_writer import MEMBER_AUX, WHEN_AUX, FileWriter, aux
from kvcore.rdb.payload import dump, load, seal
from tests.engine_client import Client
from tests.rdb.samples import Limits, blob, mutated
from tests.rdb.test_file_reader import finished, read

NEXT_MS = 1_900_000_000_123
STRING = b"\0" + blob(b"k") + blob(b"v")

KEYDB = blob(b"return ARGV[1]") + struct.pack("<qq", 1_700_000_000_000, 5000) + b"\x01" + blob(b"key") + b"\x02"
KEYDB += b"\xc0\x0c" + blob(b"arg")
"""A job as KeyDB 6.3.4 writes it, behind the type byte and the key."""


def jobs() -> list[CronJob]:
    return [
        CronJob(single=True, start_ms=0, delay_ms=1, script=b""),
        CronJob(single=False, start_ms=-5, delay_ms=2**62, script=b"return 1", next_ms=1 - 2**63),
        CronJob(
            single=False,
            start_ms=NEXT_MS,
            delay_ms=1000,
            script=b"\xff" * 100_000,
            keys=(b"a", b"", b"12"),
            arguments=tuple(b"%d" % number for number in range(100)),
            next_ms=2**63 - 1,
        ),
    ]


def content(job: CronJob) -> tuple[list[bytes], int]:
    return job.creation(b""), job.next_ms


def field_of(job: CronJob, key: bytes = b"j", at_ms: int | None = None) -> bytes:
    parts: list[bytes] = []
    FileWriter(-2, True).add(parts, key, job, at_ms, 5, -1)
    return b"".join(parts)


@pytest.mark.parametrize("job", jobs())
@pytest.mark.parametrize("at_ms", [None, NEXT_MS, -1])
def test_a_file_has_all_of_it(job: CronJob, at_ms: int | None) -> None:
    for step in (0, 7):
        found = read(finished(STRING + field_of(job, b"name\xff", at_ms) + STRING.replace(b"k", b"l")), step)
        assert list(found.keys) == [(0, b"k"), (0, b"name\xff"), (0, b"l")]
        again = found.keys[0, b"name\xff"]
        assert isinstance(again, CronJob)
        again.check()
        assert content(again) == content(job)
        # What a key's opcodes say is the key's alone: the record before it and the one behind have none.
        assert found.details == [(None, -1, -1), (at_ms, -1, -1), (None, -1, -1)]


def test_the_database_is_kept() -> None:
    writer = FileWriter(-2, True, 9)
    parts = [writer.database(7)]
    writer.add(parts, b"j", jobs()[0], None, -1, -1)
    assert list(read(finished(b"".join(parts), 9)).keys) == [(7, b"j")]


@pytest.mark.parametrize("job", jobs())
def test_a_payload_has_all_of_it(job: CronJob) -> None:
    again = load(dump(job, -2, True), Limits(), True)
    assert isinstance(again, CronJob)
    assert content(again) == content(job)


def test_keydbs_own_form() -> None:
    record = bytes([types.CRON_JOB]) + blob(b"j") + KEYDB
    data = record + aux(MEMBER_AUX, b"j") + aux(WHEN_AUX, b"%d" % NEXT_MS) + STRING
    for step in (0, 1):
        found = read(finished(data, 9), step)
        job = found.keys[0, b"j"]
        assert isinstance(job, CronJob)
        # It says neither; KeyDB itself makes a job that runs again and again of every one.
        assert not job.single
        wanted = [
            b"KEYDB.CRON",
            b"",
            b"repeat",
            b"1700000000000",
            b"5000",
            b"return ARGV[1]",
            b"1",
            b"key",
            b"12",
            b"arg",
        ]
        assert job.creation(b"") == wanted
        assert job.next_ms == 1_700_000_005_000
        assert found.members == [(b"j", NEXT_MS)]
    payload = seal(bytes([types.CRON_JOB]) + KEYDB + aux(b"mvcc-tstamp", b"18446744073709551615"), 9)
    again = load(payload, Limits(), True)
    assert isinstance(again, CronJob)
    assert content(again) == content(job)


def test_the_body_is_keydbs() -> None:
    job = load(seal(bytes([types.CRON_JOB]) + KEYDB, 9), Limits(), True)
    assert cron_jobs.write_body(job, 0) == KEYDB


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "the data ends"),
        (blob(b"j"), "the data ends"),
        (blob(b"j") + blob(b"x") + KEYDB + b"\0" + bytes(8), "no number"),
        (blob(b"j") + blob(b"9" * 19) + KEYDB + b"\0" + bytes(8), "no number"),
        (blob(b"j") + b"\0" + KEYDB, "the data ends"),
        (blob(b"j") + b"\0" + KEYDB + b"\2" + bytes(8), "neither once nor repeatedly"),
        (blob(b"j") + b"\0" + KEYDB + b"\0" + bytes(9), "followed by something"),
        (blob(b"j") + b"\0" + blob(b"s") + bytes(16) + b"\0\0" + b"\0" + bytes(8), "no delay"),
        (blob(b"j") + b"\0" + blob(b"s") + struct.pack("<qq", 0, 1) + b"\x81" + b"\x7f" * 8, "the data ends"),
    ],
)
def test_a_malformed_field_is_refused_at_once(text: bytes, reason: str) -> None:
    # However short the field is, no more bytes of the file can mend it.
    data = finished(aux(cron_jobs.AUX, text) + STRING * 100)
    with pytest.raises(RdbError, match=f"a job is malformed: .*{reason}") as caught:
        read(data, 1)
    assert caught.value.offset == 9


def test_damaged_payloads_are_refused_or_are_jobs() -> None:
    payload = dump(jobs()[2], -2, False)[:-10]
    random = Random(11)
    for _ in range(3000):
        try:
            value = load(seal(mutated(payload, random)), Limits(), True)
        except RdbError:
            continue
        if isinstance(value, CronJob):
            value.check()
            # Nothing that was read cannot be written, in any form.
            load(dump(value, -2, False), Limits(), True)
            assert cron_jobs.read_field(cron_jobs.write_field(b"j", value, None), Limits())[0] == b"j"


def test_one_key_twice_is_left_to_the_target() -> None:
    field = field_of(jobs()[0])
    assert len(read(finished(field + field)).details) == 2


def test_a_trailer_belongs_to_jobs_only() -> None:
    value = load(seal(b"\0" + sink.string(b"text", 0) + cron_jobs.MARK + b"rubbish"), Limits(), True)
    assert value == b"text"
    assert cron_jobs.trailer(b"text") == b""


@pytest.mark.parametrize("start_ms", [2**63 - 1, 2**62, -(2**63)])
@pytest.mark.parametrize("next_ms", [2**63 - 1, -(2**63)])
def test_a_job_out_of_a_payload_can_be_made_again_by_its_commands(client: Client, start_ms: int, next_ms: int) -> None:
    delay_ms = 2**63 - 1
    body = KEYDB.replace(struct.pack("<qq", 1_700_000_000_000, 5000), struct.pack("<qq", start_ms, delay_ms))
    rest = cron_jobs.MARK + b"\0" + struct.pack("<q", next_ms)
    job = load(seal(b"%c%b%b" % (types.CRON_JOB, body, rest)), Limits(), True)
    assert isinstance(job, CronJob)
    engine = client.session.engine
    for command in job.recreation(b"j"):
        assert client(*command) in ("OK", 1)
    made = engine.keyspace.databases[0].get(b"j")
    assert isinstance(made, CronJob)
    assert content(made) == content(job)
