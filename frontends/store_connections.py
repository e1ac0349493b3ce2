"""Methods for the sessions of a store or server (CLIENT), named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvcore.frontends.store_base import Commands, Key, T, Value, as_bool, as_dict, as_text, as_text_or_none, flags, same
from kvcore.replies import Reply, Verbatim


def _as_client(line: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in line.split(" "))}


def _as_clients(reply: Reply) -> list[dict[str, str]]:
    text = as_text(reply.text if isinstance(reply, Verbatim) else reply)
    return [_as_client(line) for line in text.splitlines()]


def _as_this_client(reply: Reply) -> dict[str, str]:
    return _as_clients(reply)[0]


def _as_tracking(reply: Reply) -> dict[str, Reply]:
    facts = {as_text(name): value for name, value in as_dict(reply).items()}
    facts["flags"] = [as_text(flag) for flag in facts["flags"]]
    facts["prefixes"] = list(facts["prefixes"])
    return facts


def _tracking_words(
    clientid: int | None, prefix: Sequence[Key], bcast: bool, optin: bool, optout: bool, noloop: bool
) -> list[Value]:
    if prefix and not bcast:
        raise ValueError("prefixes are for bcast=True")
    words: list[Value] = [] if clientid is None else [b"REDIRECT", clientid]
    for name in prefix:
        words += (b"PREFIX", name)
    return words + flags(BCAST=bcast, OPTIN=optin, OPTOUT=optout, NOLOOP=noloop)


class ConnectionCommands(Commands[T]):
    """Commands on sessions."""

    __slots__ = ()

    def client_getname(self) -> str | None:
        """Return the name of this session."""
        return self._call(as_text_or_none, b"CLIENT", b"GETNAME")

    def client_id(self) -> int:
        """Return the number of this session."""
        return self._call(same, b"CLIENT", b"ID")

    def client_info(self) -> dict[str, str]:
        """Return facts about this session."""
        return self._call(_as_this_client, b"CLIENT", b"INFO")

    def client_list(self, _type: str | None = None, client_id: tuple[int, ...] = ()) -> list[dict[str, str]]:
        """Return facts about the sessions."""
        words: list[Value] = [] if _type is None else [b"TYPE", _type]
        if client_id:
            words += (b"ID", *client_id)
        return self._call(_as_clients, b"CLIENT", b"LIST", *words)

    def client_setname(self, name: str) -> bool:
        """Name this session."""
        return self._call(as_bool, b"CLIENT", b"SETNAME", name)

    def client_unblock(self, client_id: int, error: bool = False) -> bool:
        """End the wait of a session, with an error or as if its time were up."""
        return self._call(as_bool, b"CLIENT", b"UNBLOCK", client_id, *flags(ERROR=error))

    def client_getredir(self) -> int:
        """Return the session that hears of this one's invalidated keys, 0 for itself, -1 for none."""
        return self._call(same, b"CLIENT", b"GETREDIR")

    def client_kill(self, address: str) -> bool:
        """End the connection from an address, ``ip:port``."""
        return self._call(as_bool, b"CLIENT", b"KILL", address)

    def client_kill_filter(
        self,
        _id: int | str | None = None,
        _type: str | None = None,
        addr: str | None = None,
        skipme: bool | None = None,
        laddr: str | None = None,
        user: str | None = None,
        maxage: int | None = None,
    ) -> int:
        """End the connections that all filters fit; return how many."""
        words: list[Value] = []
        if _type is not None:
            words += (b"TYPE", _type)
        if skipme is not None:
            words += (b"SKIPME", b"YES" if skipme else b"NO")
        if _id is not None:
            words += (b"ID", _id)
        if addr is not None:
            words += (b"ADDR", addr)
        if laddr is not None:
            words += (b"LADDR", laddr)
        if user is not None:
            words += (b"USER", user)
        if maxage is not None:
            words += (b"MAXAGE", maxage)
        if not words:
            raise ValueError("client_kill_filter() needs a filter")
        return self._call(same, b"CLIENT", b"KILL", *words)

    def client_no_evict(self, mode: str) -> T:
        """Spare this session when memory for clients runs short: ``ON`` or ``OFF``."""
        return self._call_status(same, b"CLIENT", b"NO-EVICT", mode)

    def client_no_touch(self, mode: str) -> T:
        """Let this session's commands leave the time of keys' last use alone: ``ON`` or ``OFF``."""
        return self._call_status(same, b"CLIENT", b"NO-TOUCH", mode)

    def client_pause(self, timeout: int, all: bool = True) -> bool:  # noqa: A002 - redis-py's name
        """Let all commands, or those that write, wait for ``timeout`` milliseconds."""
        return self._call(as_bool, b"CLIENT", b"PAUSE", timeout, *([] if all else [b"WRITE"]))

    def client_setinfo(self, attr: str, value: str) -> bool:
        """Say which library this session belongs to: ``LIB-NAME`` or ``LIB-VER``."""
        return self._call(as_bool, b"CLIENT", b"SETINFO", attr, value)

    def client_tracking(
        self,
        on: bool = True,
        clientid: int | None = None,
        prefix: Sequence[Key] = (),
        bcast: bool = False,
        optin: bool = False,
        optout: bool = False,
        noloop: bool = False,
    ) -> T:
        """Have this session, or ``clientid``, told of keys that it read and that change; see ``messages()``."""
        words = _tracking_words(clientid, prefix, bcast, optin, optout, noloop)
        return self._call_status(same, b"CLIENT", b"TRACKING", b"ON" if on else b"OFF", *words)

    def client_tracking_off(
        self,
        clientid: int | None = None,
        prefix: Sequence[Key] = (),
        bcast: bool = False,
        optin: bool = False,
        optout: bool = False,
        noloop: bool = False,
    ) -> T:
        """End what :meth:`client_tracking` began."""
        words = _tracking_words(clientid, prefix, bcast, optin, optout, noloop)
        return self._call_status(same, b"CLIENT", b"TRACKING", b"OFF", *words)

    def client_tracking_on(
        self,
        clientid: int | None = None,
        prefix: Sequence[Key] = (),
        bcast: bool = False,
        optin: bool = False,
        optout: bool = False,
        noloop: bool = False,
    ) -> T:
        """Do what :meth:`client_tracking` does."""
        words = _tracking_words(clientid, prefix, bcast, optin, optout, noloop)
        return self._call_status(same, b"CLIENT", b"TRACKING", b"ON", *words)

    def client_trackinginfo(self) -> dict[str, Reply]:
        """Return how keys are tracked for this session."""
        return self._call(_as_tracking, b"CLIENT", b"TRACKINGINFO")

    def client_unpause(self) -> T:
        """End :meth:`client_pause`."""
        return self._call_status(same, b"CLIENT", b"UNPAUSE")
