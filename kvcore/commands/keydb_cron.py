"""KEYDB.CRON: scripts that run at a time, once or again and again.

What lives here: the command's arguments. What must not: running jobs (:mod:`kvcore.cron`). The rule: KeyDB's interface
without its defects, so a job keeps its mode, its database and its place in time wherever it is saved or sent: what
leaves this node has an absolute start.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes.cron_job import CronJob
from kvcore.errors import CommandError
from kvcore.replies import OK, Reply

_INT64_MAX: Final = 2**63 - 1


def check_permission(call: Call) -> None:
    """Raise CommandError for a user who may not do everything: a job may."""
    session = call.session
    if session.account.restricted and session.kind != "master":
        raise CommandError(errors.no_permission(True, False, call.name))


@command(
    "KEYDB.CRON",
    arity=-5,
    flags="write denyoom",
    keys="OW,update@1",
    group="scripting",
    since="KeyDB",
    complexity="O(log(N)) where N is the number of jobs; each run costs what its script does.",
    summary="Run a script some time after now, or after a moment, once or repeatedly; the job is a key.",
)
def keydb_cron(call: Call, name: bytes, mode: bytes, delay: bytes, script: bytes, *words: bytes) -> Reply:
    check_permission(call)
    word = mode.lower()
    if word not in (b"single", b"repeat"):
        raise CommandError(errors.SYNTAX)
    start_ms, delay_ms = call.now_ms(), integer(delay, errors.EXPIRE_TIME_MISSING)
    absolute = _number(script)
    if absolute is not None:
        # Two numbers: a start, and then the delay. So a script that is a number needs a start before it.
        start_ms, delay_ms = delay_ms, absolute
        if not words:
            raise CommandError(errors.MISSING_ARGUMENTS)
        script, words = words[0], words[1:]
    if delay_ms <= 0:
        raise CommandError(errors.INTERVAL_NOT_POSITIVE)
    if start_ms + delay_ms > _INT64_MAX:
        raise CommandError(errors.invalid_expire(call.name))
    count = max(0, integer(words[0])) if words else 0
    if count > len(words) - 1 and words:
        raise CommandError(errors.MISSING_ARGUMENTS)
    keys, arguments = words[1 : 1 + count], words[1 + count :]
    single = word == b"single"
    job = CronJob(single=single, start_ms=start_ms, delay_ms=delay_ms, script=script, keys=keys, arguments=arguments)
    call.db.put(name, job)
    call.db.follow_members(name)
    call.changed(name, "", 0)
    call.propagate(*job.creation(name))
    return OK


def _number(word: bytes) -> int | None:
    """Return the integer that a word is, None if it is another text."""
    try:
        return integer(word)
    except CommandError:
        return None
