"""Small commands about the server as a whole: TIME, ROLE, MONITOR, SHUTDOWN ...

Lives here: what needs no file of its own. Must not live here: INFO, SLOWLOG, DEBUG and CONFIG (one file each), and the
stopping itself: SHUTDOWN asks the front end through ``engine.shutdown``.
"""

from __future__ import annotations

from random import Random
from typing import Final

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.replies import NO_REPLY, OK, Reply, Verbatim
from kvcore.session import OBSERVER
from kvcore.version import REDIS_VERSION


@command(
    "TIME",
    arity=1,
    flags="loading stale fast",
    group="server",
    since="2.6.0",
    complexity="O(1)",
    summary="Return the server's time: seconds since the Unix epoch, and microseconds.",
    tips=("nondeterministic_output",),
)
def time(call: Call) -> Reply:
    seconds, microseconds = divmod(call.engine.clock.now_us(), 1_000_000)
    return [b"%d" % seconds, b"%d" % microseconds]


_PICTURES: Final = {5: (66, 8, 12), 6: (80, 20)}
"""Versions of LOLWUT with a picture: how many sizes it takes, and what they are unless given."""

_MAX_WIDTH: Final = 1000
_MAX_HEIGHT: Final = 200


@command(
    "LOLWUT",
    arity=-1,
    flags="readonly fast",
    group="server",
    since="5.0.0",
    complexity="",
    summary="Return the version, below a picture if one of the versions that have one is asked for.",
)
def lolwut(call: Call, *arguments: bytes) -> Reply:
    version = f"Redis ver. {REDIS_VERSION}\n"
    if len(arguments) > 1 and arguments[0].upper() == b"VERSION":
        sizes = _PICTURES.get(integer(arguments[1]))
        if sizes is not None:
            given = [integer(size) for size in arguments[2 : 2 + len(sizes)]]
            width, height = [*given, *sizes[len(given) :]][:2]
            picture = automaton(max(1, min(width, _MAX_WIDTH)), max(1, min(height, _MAX_HEIGHT)), call.engine.random)
            return Verbatim(f"{picture}\nRule 30, from a random first line. {version}".encode())
    return Verbatim(version.encode())


def automaton(width: int, height: int, random: Random) -> str:
    """Draw lines that each follow from the one above: a cell lives if its left neighbour differs from the other two.

    >>> from random import Random
    >>> print(automaton(4, 2, Random(1)))
    #..#
    .###
    <BLANKLINE>
    """
    cells = [random.random() < 0.5 for _ in range(width)]
    lines: list[str] = []
    for _ in range(height):
        lines.append("".join("#" if cell else "." for cell in cells))
        cells = [cells[at - 1] != (cells[at] or cells[(at + 1) % width]) for at in range(width)]
    return "".join(f"{line}\n" for line in lines)


_SHUTDOWN_OPTIONS: Final = frozenset({b"SAVE", b"NOSAVE", b"NOW", b"FORCE", b"ABORT"})


@command(
    "SHUTDOWN",
    arity=-1,
    flags="admin noscript loading stale no_multi allow_busy",
    group="server",
    since="1.0.0",
    complexity=(
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)"
    ),
    summary="Stop the server, saving the data set first if it is to be saved.",
)
def shutdown(call: Call, *options: bytes) -> Reply:
    chosen = {option.upper() for option in options}
    if not chosen <= _SHUTDOWN_OPTIONS:
        raise CommandError(errors.SYNTAX)
    if (b"ABORT" in chosen and len(chosen) > 1) or (b"SAVE" in chosen and b"NOSAVE" in chosen):
        raise CommandError(errors.SYNTAX)
    if b"ABORT" in chosen:
        if not call.engine.shutdown.abort():
            raise CommandError(errors.NO_SHUTDOWN)
        return OK
    if call.engine.busy and b"NOSAVE" not in chosen:
        raise CommandError(call.engine.scripts.busy_error())
    save = True if b"SAVE" in chosen else False if b"NOSAVE" in chosen else None
    ending = call.engine.shutdown
    if not ending.begin(save, force=b"FORCE" in chosen, now=b"NOW" in chosen):
        if ending.waiting_ms:
            return ending.park(call)
        raise CommandError(errors.SHUTDOWN_FAILED)
    return NO_REPLY


@command(
    "MONITOR",
    arity=1,
    flags="admin noscript loading stale",
    group="server",
    since="1.0.0",
    complexity="",
    summary="Show this client every command that runs, as it runs.",
)
def monitor(call: Call) -> Reply:
    if not call.may_block:
        raise CommandError(errors.MONITOR_DENIED)
    session = call.session
    if session.monitor or session.kind == "replica":
        return NO_REPLY
    session.monitor = True
    session.gate |= OBSERVER
    call.engine.monitors[session] = None
    return OK
