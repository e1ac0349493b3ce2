"""A data set as text in a stable order, for golden tests: out of an engine and into one.

Here: order, the lock, which lines belong to what. Not here: the format, which is :mod:`kvcore.storage.json_lines`. The
rule: the same data gives the same text, whatever was done to get it; times to live are absolute, so stop the clock
first.
"""

from __future__ import annotations

import threading
from operator import itemgetter

from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.storage import json_lines


def dump(engine: Engine, lock: threading.Lock) -> str:
    """Return every key of every database, a line of JSON each, in the order of databases and names. O(n log n)."""
    lines = []
    with lock:
        now_ms = engine.now_ms()
        for db in engine.keyspace.databases:
            for key, value in sorted(db.items(), key=itemgetter(0)):
                at_ms = db.expiry(key)
                if at_ms is None or at_ms > now_ms:
                    lines.append(json_lines.line(db.index, key, value, at_ms) + "\n")
    return "".join(lines)


def load(text: str, engine: Engine, lock: threading.Lock) -> int:
    """Put the keys of a :func:`dump` in place of those of their names, others stay; return how many. O(size).

    All lines are read before the first is loaded. Raises json_lines.RecordError with the number of the line at fault.
    """
    loads: list[tuple[int, list[list[bytes]]]] = []
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines(): values hold other ends of lines as they are
        if line.strip():
            try:
                found = json_lines.parse(line)
                loads.append((found.get("db", 0), list(json_lines.commands(found))))
            except json_lines.RecordError as error:
                raise json_lines.RecordError(f"line {number}: {error}") from None
    with lock:
        faults = engine.interceptor
        engine.intercept(None)  # injected faults are for the clients
        session = engine.session(trusted=True)
        try:
            for db, commands in loads:
                for argv in ([b"SELECT", b"%d" % db], *commands):
                    reply = engine.execute(session, argv)
                    if isinstance(reply, CommandError):
                        raise reply
        finally:
            engine.drop(session)
            engine.intercept(faults)
    return len(loads)
