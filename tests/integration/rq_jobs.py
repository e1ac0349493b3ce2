"""What RQ's workers import by name and run."""

from __future__ import annotations

import os
import time
from typing import Any

from rq import get_current_job


def add(x: int, y: int) -> int:
    return x + y


def fail(text: str) -> None:
    raise ValueError(text)


def third_time() -> int:
    """Fail until the job has been retried twice; the job's meta data, kept in the server, counts."""
    job = get_current_job()
    assert job is not None
    tries = job.meta["tries"] = job.meta.get("tries", 0) + 1
    job.save_meta()
    if tries < 3:
        raise ValueError("again")
    return tries


def pid() -> int:
    return os.getpid()


def wait(seconds: float) -> None:
    """Say that the job runs, then wait to be stopped."""
    job = get_current_job()
    assert job is not None
    job.connection.set(f"running:{job.id}", os.getpid())
    time.sleep(seconds)


def note_success(job: Any, connection: Any, result: object) -> None:
    connection.rpush("succeeded", job.id)


def note_failure(job: Any, connection: Any, kind: type, value: BaseException, traceback: object) -> None:
    connection.rpush("failed", job.id)
