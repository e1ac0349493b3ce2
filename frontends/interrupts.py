"""Interrupts that wait for a command's end.

    with kvcore.hold_interrupts():
        main()

What lives here: a handler in front of the handlers of signals. Must not live here: what a signal means. The rule: it
costs a command nothing, for the handler looks at the stack it interrupted instead of being told where commands begin.

Python runs a signal's handler in the main thread between any two bytecodes. What the handler raises, as Ctrl-C's does,
would leave a command half done: an element that is in one index of a sorted set and not in the other.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Final, Self

_PACKAGE: Final = "kvcore."
_FRONTENDS: Final = "kvcore.frontends."
_HOLDERS: Final = frozenset(
    f"{_FRONTENDS}{name}" for name in ("host", "inprocess", "inprocess_async", "keeper", "redis_link")
)
"""The front ends that hold the lock while they call the engine."""
_WAITS: Final = frozenset({"Store._wait", "Link.wait"})
"""Where a thread waits, and holds nothing; a coroutine that waits is on no stack."""
_OPENS: Final = "Store.__init__"
_LOOK_S: Final = 0.001


def hold_interrupts(*signals: int) -> HeldInterrupts:
    """Have the handlers of ``signals``, SIGINT if none are given, wait while the main thread is within a command.

    Holds from the call on, or for a ``with`` block. A command, a transaction or a pipeline of an embedded store is then
    done whole before Ctrl-C raises KeyboardInterrupt; so are those of :class:`kvcore.Redis`. A command that waits, such
    as BLPOP, ends at once and takes nothing, and opening a store ends at once. A second signal waits for nothing.

    What was the signal's handler is called then, so install your own before. A signal without a handler in Python is
    left alone. Raises ValueError outside the main thread.
    """
    return HeldInterrupts(signals or (signal.SIGINT,))


class HeldInterrupts:
    """What :func:`hold_interrupts` returns; ``with`` puts the former handlers back at the end of the block."""

    __slots__ = ("_former", "_held", "_main", "_reminded")

    def __init__(self, signals: tuple[int, ...]) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("signals are handled in the main thread: call hold_interrupts() there")
        self._main = threading.get_ident()
        self._held: set[int] = set()
        self._reminded: set[int] = set()
        self._former = {
            number: former
            for number in signals
            if callable(former := signal.getsignal(number)) and not isinstance(former, signal.Handlers)
        }
        for number in self._former:
            signal.signal(number, self._arrived)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Put the former handlers back, but for signals that somebody else has taken since. O(signals)."""
        for number, former in self._former.items():
            if signal.getsignal(number) == self._arrived:
                signal.signal(number, former)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        reminder = number in self._reminded
        self._reminded.discard(number)
        held = number in self._held
        if reminder and not held:
            return  # its signal has been seen to
        if (reminder or not held) and _is_within(frame):
            if held:
                return
            self._held.add(number)
            try:
                # Not a Thread: starting one takes locks that the interrupted code may hold.
                _thread.start_new_thread(self._remind, (number,))
            except RuntimeError:
                pass  # no thread is to be had, so nobody would remind
            else:
                return
        self._held.discard(number)
        self._former[number](number, frame)

    def _remind(self, number: int) -> None:
        """Send the signal again until it was let through: a real one, so that it interrupts system calls, too."""
        while True:
            time.sleep(_LOOK_S)
            if number not in self._held:
                return
            self._reminded.add(number)
            signal.pthread_kill(self._main, number)


def _is_within(frame: FrameType | None) -> bool:
    """Say whether the frame, or one that called it, is about to change or read a data set, and does not wait.

    So does a finalizer, wherever it is: Python prints what is raised there, and forgets it.
    """
    within = False
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        function = frame.f_code.co_qualname
        if name in _HOLDERS:
            if function == _OPENS:
                return False  # there is nothing yet that could be left half done
            if not within and function in _WAITS:
                return False
            within = True
        elif (name.startswith(_PACKAGE) and not name.startswith(_FRONTENDS)) or frame.f_code.co_name == "__del__":
            within = True
        frame = frame.f_back
    return within
