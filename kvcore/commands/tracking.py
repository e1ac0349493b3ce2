"""CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR: what a client wants to hear about the keys it caches.

Lives here: options, their conflicts, and the answers. Must not live here: remembering and invalidating, which is
:mod:`kvcore.tracking`. The rule: all options are checked before any of them takes effect.
"""

from __future__ import annotations

from kvcore import errors
from kvcore.arguments import integer
from kvcore.call import Call
from kvcore.command import command
from kvcore.errors import CommandError
from kvcore.replies import OK, OrderedSet, Reply
from kvcore.tracking import Tracker


def _parse(call: Call, options: tuple[bytes, ...]) -> tuple[Tracker, tuple[bytes, ...]]:
    """Return what the options ask for, and the prefixes."""
    wanted = Tracker()
    prefixes: list[bytes] = []
    index = 0
    while index < len(options):
        option = options[index].upper()
        more = index + 1 < len(options)
        if option == b"REDIRECT" and more:
            index += 1
            if wanted.redirect:
                raise CommandError(errors.TRACKING_ONE_REDIRECT)
            wanted.redirect = integer(options[index])
            if wanted.redirect not in call.engine.sessions:
                raise CommandError(errors.TRACKING_NO_SUCH_REDIRECT)
        elif option == b"BCAST":
            wanted.broadcast = True
        elif option == b"OPTIN":
            wanted.opt_in = True
        elif option == b"OPTOUT":
            wanted.opt_out = True
        elif option == b"NOLOOP":
            wanted.no_loop = True
        elif option == b"PREFIX" and more:
            index += 1
            prefixes.append(options[index])
        else:
            raise CommandError(errors.SYNTAX)
        index += 1
    return wanted, tuple(prefixes)


def _check(wanted: Tracker, prefixes: tuple[bytes, ...], present: Tracker | None) -> None:
    """Raise CommandError if options exclude each other, or what the client asked for before."""
    if prefixes and not wanted.broadcast:
        raise CommandError(errors.TRACKING_PREFIX_WITHOUT_BCAST)
    if present is not None and present.broadcast != wanted.broadcast:
        raise CommandError(errors.TRACKING_SWITCH_BCAST)
    if wanted.broadcast and (wanted.opt_in or wanted.opt_out):
        raise CommandError(errors.TRACKING_BCAST_WITH_OPT)
    if wanted.opt_in and wanted.opt_out:
        raise CommandError(errors.TRACKING_OPTIN_AND_OPTOUT)
    if present is not None and ((wanted.opt_in and present.opt_out) or (wanted.opt_out and present.opt_in)):
        raise CommandError(errors.TRACKING_SWITCH_OPT)
    _check_prefixes(prefixes, sorted(present.prefixes) if present is not None else [])


def _check_prefixes(prefixes: tuple[bytes, ...], present: list[bytes]) -> None:
    """Raise CommandError if a key could match two prefixes of one client. O(n log n)."""
    index = _first_overlapping(prefixes, present)
    if index < 0:
        return
    prefix = prefixes[index]
    for other in present:
        if _overlap(prefix, other):
            raise CommandError(errors.tracking_prefix_overlap(prefix, "an existing", other))
    for other in prefixes[index + 1 :]:
        if _overlap(prefix, other):
            raise CommandError(errors.tracking_prefix_overlap(prefix, "another provided", other))


def _first_overlapping(prefixes: tuple[bytes, ...], present: list[bytes]) -> int:
    """Return the index of the first prefix that overlaps with one after it or one of ``present``, -1 if none does.

    What begins with a prefix stands right behind it in sorted order.
    """
    known = [(prefix, index) for index, prefix in enumerate(prefixes)]
    overlapping: list[int] = []
    root: tuple[bytes, int] | None = None
    for entry in sorted(known + [(prefix, -1) for prefix in present]):
        if root is not None and entry[0].startswith(root[0]):
            overlapping += [root[1], entry[1]]
        else:
            root = entry
    return min((index for index in overlapping if index >= 0), default=-1)


def _overlap(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


@command(
    "CLIENT|TRACKING",
    arity=-3,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="6.0.0",
    complexity="O(1). Some options may introduce additional complexity.",
    summary="Switch messages about changes of the keys this connection has read on or off.",
)
def client_tracking(call: Call, switch: bytes, *options: bytes) -> Reply:
    wanted, prefixes = _parse(call, options)
    value = switch.upper()
    caching = call.engine.caching
    if value == b"ON":
        _check(wanted, prefixes, call.session.tracker)
        caching.enable(call.session, wanted, prefixes)
    elif value == b"OFF":
        caching.disable(call.session)
    else:
        raise CommandError(errors.SYNTAX)
    return OK


@command(
    "CLIENT|CACHING",
    arity=3,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="6.0.0",
    complexity="O(1)",
    summary="Say whether the keys of the next command are to be tracked, in the modes OPTIN and OPTOUT.",
)
def client_caching(call: Call, answer: bytes) -> Reply:
    tracker = call.session.tracker
    if tracker is None:
        raise CommandError(errors.CACHING_WITHOUT_TRACKING)
    word = answer.upper()
    if word == b"YES":
        if not tracker.opt_in:
            raise CommandError(errors.CACHING_YES_WITHOUT_OPTIN)
    elif word == b"NO":
        if not tracker.opt_out:
            raise CommandError(errors.CACHING_NO_WITHOUT_OPTOUT)
    else:
        raise CommandError(errors.SYNTAX)
    tracker.caching = True
    return OK


@command(
    "CLIENT|GETREDIR",
    arity=2,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="6.0.0",
    complexity="O(1)",
    summary="Return the client that gets this connection's invalidations: 0 itself, -1 if it does not track.",
)
def client_getredir(call: Call) -> Reply:
    tracker = call.session.tracker
    return -1 if tracker is None else tracker.redirect


@command(
    "CLIENT|TRACKINGINFO",
    arity=2,
    flags="noscript loading stale",
    acl="connection",
    group="connection",
    since="6.2.0",
    complexity="O(1)",
    summary="Describe how this connection tracks the keys it reads.",
)
def client_trackinginfo(call: Call) -> Reply:
    tracker = call.session.tracker
    flags = [b"off" if tracker is None else b"on"]
    if tracker is not None:
        if tracker.broadcast:
            flags.append(b"bcast")
        if tracker.opt_in:
            flags += [b"optin", b"caching-yes"] if tracker.caching else [b"optin"]
        if tracker.opt_out:
            flags += [b"optout", b"caching-no"] if tracker.caching else [b"optout"]
        if tracker.no_loop:
            flags.append(b"noloop")
        if tracker.broken:
            flags.append(b"broken_redirect")
    return {
        b"flags": OrderedSet(flags),
        b"redirect": -1 if tracker is None else tracker.redirect,
        b"prefixes": [] if tracker is None else sorted(tracker.prefixes),
    }
