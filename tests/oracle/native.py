"""The in-process side of a pair: ``kvcore.open()`` behind the same calls as a socket session.

Lives here: the adapter that tags native replies as RESP3 would. A store keeps a session for each thread, so a
session here is a thread. Must not live here: tolerance of any kind; an exception that is no CommandError is a
bug and passes through to the test.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable

import kvcore
from kvcore.arguments import encode
from kvcore.replies import NO_REPLY, Push
from tests.oracle.wire import NOTHING, PUSH_MESSAGES, Argument, Wire, from_native
from tests.waiting import SECONDS

POLL_SECONDS = 0.002


class NativeSession:
    """One in-process session: its own thread, which runs what is sent and queues the replies."""

    name = "kvcore/inprocess"
    protocol = 3

    def __init__(self, store: kvcore.Store) -> None:
        self._store = store
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Wire | BaseException] = queue.SimpleQueue()
        self._pushes: queue.SimpleQueue[Wire] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except BaseException as error:  # the test's thread raises it
                self._replies.put(error)

    def _execute(self, arguments: tuple[Argument, ...]) -> None:
        # As the engine answers, before a store makes bytes of verbatim strings and raises errors.
        reply = self._store.run([encode(argument) for argument in arguments])
        if reply is not NO_REPLY:
            self._replies.put(from_native(reply))
        self._collect()

    def _collect(self) -> None:
        """Sort what subscriptions got: confirmations are replies, messages are pushes."""
        for message in self._store.messages():
            target = self._pushes if message[0] in PUSH_MESSAGES else self._replies
            target.put(from_native(Push(message)))

    def send(self, arguments: Iterable[Argument]) -> None:
        """Run a command in the session's thread."""
        listed = tuple(arguments)
        self._tasks.put(lambda: self._execute(listed))

    def send_raw(self, data: bytes) -> None:
        """Refuse: there is no wire here."""
        raise TypeError(f"no bytes in process (wanted to send {data[:40]!r}): use the fixture wire_pair")

    def read(self, timeout: float = SECONDS) -> Wire:
        """Return the next reply, ``NOTHING`` after ``timeout`` seconds."""
        try:
            reply = self._replies.get(timeout=timeout)
        except queue.Empty:
            return NOTHING
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def read_push(self, timeout: float = SECONDS) -> Wire:
        """Return the oldest message of a subscription, ``NOTHING`` after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            self._tasks.put(self._collect)
            try:
                return self._pushes.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    return NOTHING

    def close(self) -> None:
        """End the thread; one that is blocked ends when the store closes."""
        self._tasks.put(None)

    def join(self) -> None:
        """Wait for the thread, after the store was closed."""
        self._thread.join(5)
        if self._thread.is_alive():
            raise AssertionError("a blocked in-process call did not end when its store was closed")


class NativeStore:
    """An embedded store and the sessions on it."""

    def __init__(self) -> None:
        self._store = kvcore.open(enable_debug_command="yes")  # as the servers
        self._sessions: list[NativeSession] = []

    def connect(self) -> NativeSession:
        """Start another session."""
        session = NativeSession(self._store)
        self._sessions.append(session)
        return session

    def close(self) -> None:
        """Close the store and wait for all sessions."""
        self._store.close()
        for session in self._sessions:
            session.close()
        for session in self._sessions:
            session.join()
