"""Jobs of KEYDB.CRON in files and payloads, which other servers must be able to read as if there were none.

Lives here: the three forms a job has. Must not live here: running jobs. The rule: a file is loaded by every
redis-server, so a job is an AUX field in it, which says all and which Redis passes over; a payload is one value, and
whoever does not know it must refuse it.

- The body is KeyDB's, of its type 64: the script, start and delay (eight bytes each), the keys, the arguments. KeyDB
  writes no more than that: neither whether the job runs once nor, but in a field behind it, when it runs next.
- A payload of DUMP has a trailer behind the body, as times of members have (:mod:`kvcore.rdb.member_times`): a mark,
  a byte that is 1 for a job that runs once, and the next run.
- The field in a file is the key, the time to live or an empty string, the body, and what the trailer holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvcore.datatypes.cron_job import NEVER_MS, CronJob
from kvcore.datatypes.numbers import parse_int
from kvcore.errors import RdbError
from kvcore.rdb import sink
from kvcore.rdb.source import Source

if TYPE_CHECKING:
    from kvcore.rdb.reader import Thresholds

AUX: Final = b"kvcore-cron-job"
MARK: Final = b"kvcore-cron-job\x01"
_TIME_BYTES: Final = 8


def write_body(value: object, compress: int) -> bytes:
    """Return a job as KeyDB writes it. O(bytes)."""
    assert isinstance(value, CronJob)
    parts = [sink.string(value.script, compress), _time(value.start_ms), _time(value.delay_ms)]
    for words in (value.keys, value.arguments):
        parts += (sink.length(len(words)), sink.strings(words, compress))
    return b"".join(parts)


def read_body(source: Source, _limits: Thresholds, _deep: bool) -> CronJob:
    """Read a job as KeyDB writes it: one that runs again and again, for that is what KeyDB makes of it. O(bytes)."""
    start = source.position
    script, start_ms, delay_ms = source.string(), source.signed(), source.signed()
    keys = tuple([source.string() for _ in range(source.length())])
    arguments = tuple([source.string() for _ in range(source.length())])
    if delay_ms <= 0:
        raise RdbError("a job has no delay", start)
    start_ms = min(start_ms, NEVER_MS - delay_ms)  # the command that makes it again takes no other
    return CronJob(single=False, start_ms=start_ms, delay_ms=delay_ms, script=script, keys=keys, arguments=arguments)


def trailer(value: object) -> bytes:
    """Return what goes behind the body in a payload; nothing for other values."""
    return MARK + _rest(value) if isinstance(value, CronJob) else b""


def read_trailer(source: Source, value: object) -> None:
    """Give a job what stands behind it in a payload, if anything does; raise RdbError for what it cannot have."""
    if isinstance(value, CronJob) and source.data.startswith(MARK, source.position):
        source.take(len(MARK))
        _read_rest(source, value)


def write_field(key: bytes, job: CronJob, at_ms: int | None) -> bytes:
    """Return the text of the field that is a job in a file. O(bytes)."""
    expiry = b"" if at_ms is None else b"%d" % at_ms
    return sink.string(key, 0) + sink.string(expiry, 0) + write_body(job, 0) + _rest(job)


def read_field(text: bytes, limits: Thresholds) -> tuple[bytes, CronJob, int | None]:
    """Return key, job and time to live; raise RdbError, whose offset is within ``text``. O(bytes)."""
    source = Source(text)
    key, expiry = source.string(), source.string()
    at_ms = parse_int(expiry)
    if expiry and at_ms is None:
        raise RdbError("the time to live of a job is no number", 0)
    job = read_body(source, limits, False)
    _read_rest(source, job)
    if source.left():
        raise RdbError("a job is followed by something", source.position)
    return key, job, at_ms


def _rest(job: CronJob) -> bytes:
    return b"%c%b" % (job.single, _time(job.next_ms))


def _read_rest(source: Source, job: CronJob) -> None:
    mode = source.byte()
    if mode > 1:
        raise RdbError("a job runs neither once nor repeatedly", source.position - 1)
    job.single = mode == 1
    job.next_ms = max(source.signed(), -NEVER_MS)


def _time(at_ms: int) -> bytes:
    return at_ms.to_bytes(_TIME_BYTES, "little", signed=True)
