"""Replies into bytes, for RESP2 and RESP3.

Every downgrade from RESP3 to RESP2 is decided here and nowhere else; handlers return the values that
:mod:`kvcore.replies` describes and know no protocol. Nothing here knows a session, a socket or a command.

A reply's exact type selects its encoder from the table of its protocol; nested replies are looked up in the
same table, so an encoder never asks which protocol it serves. A type that is in no table is encoded as its
nearest base that is. Replies are appended in parts to one list that is joined once: a large value is copied
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import copysign, isnan
from typing import Final, cast

from kvcore.errors import CommandError, ProtocolError
from kvcore.replies import (
    NO_REPLY,
    NULL_ARRAY,
    OK,
    Attributed,
    BigNumber,
    BigNumberText,
    Decimals,
    OrderedMembers,
    OrderedSet,
    Push,
    Raw,
    Reply,
    Transaction,
    Verbatim,
)

Encode = Callable[[list[bytes], Reply, "Table"], None]
Table = dict[type, "Encode"]

_CRLF: Final = b"\r\n"
_OK: Final = b"+OK\r\n"
_BULK_HEADERS: Final = [b"$%d\r\n" % length for length in range(4097)]
_INTEGERS: Final = [b":%d\r\n" % value for value in range(4097)]
_LINE_ENDS: Final = str.maketrans("\r\n", "  ")


def encode_into(out: list[bytes], reply: Reply, protocol: int) -> None:
    """Append the parts of one reply. ``protocol`` is 2 or 3. O(size of the reply)."""
    table = _RESP3 if protocol == 3 else _RESP2
    (table.get(type(reply)) or _nearest(table, reply))(out, reply, table)


def encode(reply: Reply, protocol: int) -> bytes:
    """Return the bytes of one reply, b"" for NO_REPLY."""
    out: list[bytes] = []
    encode_into(out, reply, protocol)
    return b"".join(out)


def encode_many(replies: list[Reply], protocol: int) -> bytes:
    """Return the bytes of several replies in their order."""
    out: list[bytes] = []
    _encode_all(out, replies, _RESP3 if protocol == 3 else _RESP2)
    return b"".join(out)


def _encode_all(out: list[bytes], replies: Iterable[Reply], table: Table) -> None:
    """Append replies one after the other; the three kinds most commands answer need no call."""
    headers = _BULK_HEADERS
    for reply in replies:
        kind = type(reply)
        if kind is bytes:
            length = len(reply)
            out += (headers[length] if length <= 4096 else b"$%d\r\n" % length, reply, _CRLF)
        elif reply is OK:
            out.append(_OK)
        elif kind is int:
            out.append(_INTEGERS[reply] if 0 <= reply <= 4096 else b":%d\r\n" % reply)
        else:
            (table.get(kind) or _nearest(table, reply))(out, reply, table)


def _nearest(table: Table, reply: Reply) -> Encode:
    """Return the encoder of the nearest base class that has one."""
    for base in type(reply).__mro__:
        encoder = table.get(base)
        if encoder is not None:
            return encoder
    raise TypeError(f"no reply is made of {type(reply).__name__}")


def _line(text: str) -> bytes:
    """Encode text that must stay on one line: line ends in it become spaces."""
    if "\r" in text or "\n" in text:
        text = text.translate(_LINE_ENDS)
    return text.encode("utf-8", "surrogateescape")


def _bulk(out: list[bytes], reply: Reply, _table: Table) -> None:
    value: bytes = reply
    out += (b"$%d\r\n" % len(value), value, _CRLF)


def _status(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b"+%b\r\n" % _line(reply))


def _error(out: list[bytes], reply: Reply, _table: Table) -> None:
    # The real server cuts line ends off the end of an error, and off that only.
    out.append(b"-%b\r\n" % _line(str(reply).rstrip("\r\n")))


def _protocol_error(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b"-ERR %b\r\n" % _line(str(reply).rstrip("\r\n")))


def _integer(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b":%d\r\n" % reply)


def number_text(value: float) -> bytes:
    """Spell a double as C's ``%.17g`` does, which unlike Python's shows the sign of a NaN."""
    if isnan(value) and copysign(1.0, value) < 0:
        return b"-nan"
    return b"%.17g" % value


def decimals_text(value: float) -> bytes:
    """Spell a double with 17 decimals, trailing zeros left out."""
    return (b"%.17f" % value).rstrip(b"0").rstrip(b".")


def _array(out: list[bytes], reply: Reply, table: Table) -> None:
    items = cast("list[Reply]", reply)
    out.append(b"*%d\r\n" % len(items))
    _encode_all(out, items, table)


def _marker(out: list[bytes], reply: Reply, null: bytes) -> None:
    """Append the null array; NO_REPLY leaves no trace."""
    if reply is not NO_REPLY:
        out.append(null)


# RESP2


def _bool2(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b":1\r\n" if reply else b":0\r\n")


def _null2(out: list[bytes], _reply: Reply, _table: Table) -> None:
    out.append(b"$-1\r\n")


def _raw(out: list[bytes], reply: bytes, _table: Table) -> None:
    out.append(reply)


def _marker2(out: list[bytes], reply: Reply, _table: Table) -> None:
    _marker(out, reply, b"*-1\r\n")


def _double2(out: list[bytes], reply: Reply, _table: Table) -> None:
    text = number_text(reply)
    out.append(b"$%d\r\n%b\r\n" % (len(text), text))


def _decimals2(out: list[bytes], reply: Reply, table: Table) -> None:
    _bulk(out, decimals_text(reply), table)


def _map2(out: list[bytes], reply: Reply, table: Table) -> None:
    pairs = cast("dict[Reply, Reply]", reply)
    out.append(b"*%d\r\n" % (2 * len(pairs)))
    for pair in pairs.items():
        _encode_all(out, pair, table)


def _verbatim2(out: list[bytes], reply: Reply, table: Table) -> None:
    _bulk(out, cast("Verbatim", reply).text, table)


def _big_number2(out: list[bytes], reply: Reply, table: Table) -> None:
    _bulk(out, b"%d" % reply, table)


def _attributed2(out: list[bytes], reply: Reply, table: Table) -> None:
    _encode_all(out, (cast("Attributed", reply).reply,), table)


# RESP3


def _bool3(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b"#t\r\n" if reply else b"#f\r\n")


def _null3(out: list[bytes], _reply: Reply, _table: Table) -> None:
    out.append(b"_\r\n")


def _marker3(out: list[bytes], reply: Reply, _table: Table) -> None:
    _marker(out, reply, b"_\r\n")


def _double3(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b",%b\r\n" % number_text(reply))


def _decimals3(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b",%b\r\n" % decimals_text(reply))


def _map3(out: list[bytes], reply: Reply, table: Table) -> None:
    pairs = cast("dict[Reply, Reply]", reply)
    out.append(b"%%%d\r\n" % len(pairs))
    for pair in pairs.items():
        _encode_all(out, pair, table)


def _set3(out: list[bytes], reply: Reply, table: Table) -> None:
    members = cast("set[Reply]", reply)
    out.append(b"~%d\r\n" % len(members))
    _encode_all(out, members, table)


def _members2(out: list[bytes], reply: Reply, table: Table) -> None:
    _array(out, cast("OrderedMembers", reply).order, table)


def _members3(out: list[bytes], reply: Reply, table: Table) -> None:
    members = cast("OrderedMembers", reply)
    out.append(b"~%d\r\n" % len(members.order))
    _encode_all(out, members.order, table)


def _push3(out: list[bytes], reply: Reply, table: Table) -> None:
    items = cast("Push", reply)
    out.append(b">%d\r\n" % len(items))
    _encode_all(out, items, table)


def _verbatim3(out: list[bytes], reply: Reply, _table: Table) -> None:
    verbatim = cast("Verbatim", reply)
    out += (
        b"=%d\r\n%b:" % (len(verbatim.text) + 4, verbatim.format.encode()),
        verbatim.text,
        _CRLF,
    )


def _big_number_text3(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b"(%b\r\n" % cast("bytes", reply))


def _big_number3(out: list[bytes], reply: Reply, _table: Table) -> None:
    out.append(b"(%d\r\n" % reply)


def _attributed3(out: list[bytes], reply: Reply, table: Table) -> None:
    attributed = cast("Attributed", reply)
    out.append(b"|%d\r\n" % len(attributed.attributes))
    for pair in attributed.attributes.items():
        _encode_all(out, pair, table)
    _encode_all(out, (attributed.reply,), table)


_COMMON: Final[Table] = {
    bytes: _bulk,
    bytearray: _bulk,
    str: _status,
    int: _integer,
    list: _array,
    Transaction: _array,
    tuple: _array,
    CommandError: _error,
    ProtocolError: _protocol_error,
    Raw: _raw,
}
_RESP2: Final[Table] = {
    **_COMMON,
    bool: _bool2,
    type(None): _null2,
    type(NULL_ARRAY): _marker2,
    float: _double2,
    Decimals: _decimals2,
    dict: _map2,
    set: _array,
    frozenset: _array,
    OrderedMembers: _members2,
    Push: _array,
    Verbatim: _verbatim2,
    BigNumber: _big_number2,
    Attributed: _attributed2,
}
_RESP3: Final[Table] = {
    **_COMMON,
    bool: _bool3,
    type(None): _null3,
    type(NULL_ARRAY): _marker3,
    float: _double3,
    Decimals: _decimals3,
    dict: _map3,
    set: _set3,
    frozenset: _set3,
    OrderedMembers: _members3,
    OrderedSet: _set3,
    Push: _push3,
    Verbatim: _verbatim3,
    BigNumber: _big_number3,
    BigNumberText: _big_number_text3,
    Attributed: _attributed3,
}
