"""Running the jobs of KEYDB.CRON when they are due.

What lives here: when jobs may run at all, the run, and what becomes of a job after it. What must not: arguments
(:mod:`kvcore.commands.keydb_cron`), the job itself (:mod:`kvcore.datatypes.cron_job`), how a script runs and is stopped
(:mod:`kvcore.scripting.scripts`). The rule: a run is one execution unit with what follows from it. The changes of the
script and the job's next run, or its deletion, are propagated together, so that whoever replays them runs no job.

A job belongs to no client: it runs with every permission, in the database where its key is. Like a client's script it
lets others in when it runs longer than `busy-reply-threshold`, and SCRIPT KILL ends it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kvcore import errors
from kvcore.acl.users import User
from kvcore.blocking import Blocked
from kvcore.datatypes.cron_job import NEVER_MS, CronJob
from kvcore.errors import CommandError
from kvcore.gates import BUSY, HOLDING, NESTED, PAUSED, REPLICA
from kvcore.notifications import KEYEVENT
from kvcore.replies import Reply
from kvcore.session import InProcessPeer, Session
from kvcore.slowlog import shown

if TYPE_CHECKING:
    from kvcore.call import Call
    from kvcore.engine import Engine
    from kvcore.keyspace import Database

logger = logging.getLogger("kvcore.cron")

EVENT: Final = "CRON Executed"
"""What is published of each run, under the name of the job."""

_STANDSTILL: Final = PAUSED | HOLDING | BUSY | NESTED | REPLICA

_BUDGET_NS: Final = 2_000_000
"""How long jobs run one after the other before others get a turn, save that one is never cut off by it."""


_REST_MS: Final = 100
"""How long a job rests at most after a run, which may have taken longer, if its delay would not let it rest as long."""


class JobPeer(InProcessPeer):
    """The peer of the session in which jobs run, as MONITOR shows it."""

    __slots__ = ()

    address = "cron"


class Schedule:
    """The jobs of an engine."""

    __slots__ = ("_engine", "_session")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._session: Session | None = None

    @property
    def allowed(self) -> bool:
        """Whether jobs may run here and now; the one place that says so.

        They may not while a log is replayed, which has the changes of each run, while writes are to wait or a script
        runs. A replica gets the effects of its primary's jobs.
        """
        engine = self._engine
        return not engine.gate & _STANDSTILL and not engine.keyspace.replaying and not engine.cron_paused

    def next_ms(self) -> int:
        """Return when :meth:`run_due` has something to do, 0 if nothing is planned or may run. O(1)."""
        due_ms = self._engine.keyspace.jobs_due_ms
        return due_ms if due_ms < NEVER_MS and self.allowed else 0

    def run_due(self, now_ms: int) -> None:
        """Run the jobs that are due, those first that have waited longest. O(jobs due * (databases + log n)).

        Ends early when that takes long, or when a script was parked; what is left is due at the next tick.
        """
        engine = self._engine
        if not self.allowed:
            return
        deadline_ns = engine.clock.steady_ns() + _BUDGET_NS
        databases = [db for db in engine.keyspace.databases if db.jobs is not None]
        # One that a script makes is for the next tick: it may be due already, and make another one.
        for _ in range(sum(len(db.jobs) for db in databases if db.jobs is not None)):
            planned = [(first[0], db.index, first[1]) for db in databases if (first := db.next_job()) is not None]
            first_ms, index, key = min(planned, default=(NEVER_MS, 0, b""))
            if first_ms > now_ms:
                break
            parked = self._run(engine.keyspace.databases[index], key, now_ms)
            if parked or not self.allowed or engine.clock.steady_ns() >= deadline_ns:
                return
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Note when the next job is due. O(databases)."""
        planned = [db.next_job() for db in self._engine.keyspace.databases if db.jobs is not None]
        self._engine.keyspace.jobs_due_ms = min((job[0] for job in planned if job is not None), default=NEVER_MS)

    # One run

    def _run(self, db: Database, key: bytes, now_ms: int) -> bool:
        """Run the job at ``key``; True if it is parked, and ends later."""
        engine, session = self._engine, self._client()
        job = db.get(key)
        assert isinstance(job, CronJob)
        engine.keyspace.unit_ms = 0
        call = session.call
        call.db = db
        call.argv = job.evaluation()
        call.command = evaluate = engine.originals[b"eval"]  # which it counts as
        stamp = engine.clock.steady_ns()
        evaluate.calls += 1
        reply = engine.scripts.enter(call, lambda: self._perform(call, key, job, now_ms))
        elapsed_ns = engine.clock.steady_ns() - stamp
        if isinstance(reply, Blocked):
            evaluate.time_ns += elapsed_ns
            return True
        engine.conclude_parked(call, lambda: reply, elapsed_ns, elapsed_ns)
        call.argv = []
        return False

    def _client(self) -> Session:
        """Return the session of all jobs, made with the first run; no client, so none of the engine's sessions."""
        if self._session is None:
            self._session = Session(self._engine, 0, JobPeer())
            self._session.kind = "script"
            self._session.account = User.almighty(self._engine.acl.vocabulary)
            self._session.deliver = self._end_parked
        return self._session

    def _end_parked(self, _reply: Reply) -> None:
        """Go on with the jobs that are due, now that a script which let others in has ended."""
        self._client().call.argv = []
        self._engine.on_deadline(self._engine.now_ms())

    def _perform(self, call: Call, key: bytes, job: CronJob, now_ms: int) -> Reply:
        """Run the script, then plan what is next, in one execution unit."""
        engine, db = self._engine, call.db
        reply: Reply
        try:
            script = engine.scripts.add(job.script)
            reply = engine.scripts.run_script(call, script, len(job.keys), [*job.keys, *job.arguments], False)
        except CommandError as error:
            error.__traceback__ = None
            call.command.failed += 1
            engine.statistics.count_error(error.code)
            reply = error
        except Exception:
            call.command.failed += 1
            engine.statistics.unexpected_errors += 1
            logger.exception("The job %s of database %d failed", shown([key], engine.hide_user_data), db.index)
            reply = None
        self._note_outcome(db, key, job, reply)
        self._settle(db, key, job, now_ms)
        if db.notify_mask & KEYEVENT:
            engine.notify(db, key, EVENT)
        return None

    def _note_outcome(self, db: Database, key: bytes, job: CronJob, reply: Reply) -> None:
        """Log a failure, but not the same one again after each run."""
        failure = str(reply) if isinstance(reply, CommandError) else ""
        if failure and failure != job.failure:
            hidden = self._engine.hide_user_data
            text = failure.split(" ", 1)[0] if hidden else errors.text(failure.encode("utf-8", "surrogateescape"))
            logger.warning("The job %s of database %d failed: %s", shown([key], hidden), db.index, text)
        job.failure = failure

    def _settle(self, db: Database, key: bytes, job: CronJob, now_ms: int) -> None:
        """Delete a job that has run once, plan the next run of any other; wherever its script may have put it."""
        engine = self._engine
        place = self._place(db, key, job)
        if place is None:
            return
        db, key = place
        if job.single:
            db.erase(key)
            effect = [b"DEL", key]
        else:
            # Now is when the script has ended: a run that took longer than the delay has missed some. For as long as it
            # took, it is others' turn: a job that is due again at once would leave each client one command a run.
            ended_ms = max(now_ms, engine.now_ms())
            following_ms = job.following_ms(ended_ms + min(ended_ms - now_ms, _REST_MS))
            db.plan(key, job, following_ms)
            effect = job.postponement(key)
        db.touch(key)
        engine.statistics.dirty += 1
        if engine.effects.listening:
            engine.effects.add(db, effect)
            engine.pending = True

    def _place(self, db: Database, key: bytes, job: CronJob) -> tuple[Database, bytes] | None:
        """Return where the job is; O(1), and O(jobs) where its script moved, renamed or deleted it."""
        if db.get(key) is job:
            return db, key
        for other in self._engine.keyspace.databases:
            if other.jobs is not None:
                for name in other.jobs.names():
                    if other.get(name) is job:
                        return other, name
        return None
