"""Lists and streams of a store as Python sequences; see :mod:`kvcore.frontends.views` for the rules."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSequence, Sequence
from typing import TYPE_CHECKING, Generic, SupportsIndex, overload

from kvcore.arguments import Argument, encode
from kvcore.errors import CommandError
from kvcore.frontends.store_base import Entry, Key, T, Value

if TYPE_CHECKING:
    from kvcore.frontends.store import BaseStore
    from kvcore.frontends.store_pipeline import Pipeline

__all__ = ["Entry", "ListView", "StreamGroup", "StreamView"]

_PER_STEP = 1000
_Change = Callable[[list[bytes]], object]


class ListView(MutableSequence[T]):
    """A list as a list. Both ends are fast; what is in the middle costs O(n)."""

    __slots__ = ("_store", "key")

    def __init__(self, store: BaseStore[T], key: Key) -> None:
        self._store = store
        self.key = encode(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {self.copy()!r})"

    def __len__(self) -> int:
        return self._store.llen(self.key)

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | list[T]:
        if isinstance(index, slice):
            return self._slice(index)
        item = self._store.lindex(self.key, index.__index__())
        if item is None:
            raise IndexError("list index out of range")
        return item

    def _slice(self, index: slice) -> list[T]:
        start, stop = index.start, index.stop
        if index.step in (None, 1) and (stop is None or stop):
            # One range of the store's own, which counts from the end as a slice does.
            first = 0 if start is None else start.__index__()
            return self._store.lrange(self.key, first, -1 if stop is None else stop.__index__() - 1)
        return self.copy()[index]

    @overload
    def __setitem__(self, index: SupportsIndex, value: T) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[T]) -> None: ...
    def __setitem__(self, index: SupportsIndex | slice, value: Value | Iterable[Value]) -> None:
        if isinstance(index, slice):
            items = [encode(item) for item in value]  # type: ignore[union-attr]

            def assign(old: list[bytes]) -> None:
                old[index] = items

            self._rewrite(assign)
            return
        try:
            self._store.lset(self.key, index.__index__(), value)  # type: ignore[arg-type]
        except CommandError as error:
            if "index out of range" in str(error) or "no such key" in str(error):
                raise IndexError("list assignment index out of range") from None
            raise

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        if not isinstance(index, slice):
            self.pop(index)
            return

        def delete(old: list[bytes]) -> None:
            del old[index]

        self._rewrite(delete)

    def _rewrite(self, change: _Change) -> None:
        """Change a copy, and put it in the list's place unless that changed meanwhile; its time to live stays. O(n)."""

        def rewrite(pipe: Pipeline[T]) -> None:
            old = [encode(item) for item in pipe.lrange(self.key, 0, -1)]
            new = list(old)
            change(new)
            left_ms: int = pipe.pttl(self.key)
            pipe.multi()
            if new == old:
                return
            pipe.delete(self.key)
            if new:
                pipe.rpush(self.key, *new)
                if left_ms > 0:
                    pipe.pexpire(self.key, left_ms)

        self._store.transaction(rewrite, self.key)

    def insert(self, index: SupportsIndex, value: Value) -> None:
        """Insert before ``index``. O(1) at the beginning, else O(n)."""
        place, item = index.__index__(), encode(value)
        if place == 0:
            self._store.lpush(self.key, item)
        else:
            self._rewrite(lambda items: items.insert(place, item))

    def append(self, value: Value) -> None:
        """Put an item behind the last. O(1)."""
        self._store.rpush(self.key, value)

    def appendleft(self, value: Value) -> None:
        """Put an item before the first. O(1)."""
        self._store.lpush(self.key, value)

    def extend(self, values: Iterable[Value]) -> None:
        """Put items behind the last, all at once."""
        items = list(values)
        if items:
            self._store.rpush(self.key, *items)

    def pop(self, index: SupportsIndex = -1) -> T:
        """Remove and return an item; raise IndexError if it is not there. O(1) at the ends, else O(n)."""
        place = index.__index__()
        if place in (0, -1):
            item = self._store.lpop(self.key) if place == 0 else self._store.rpop(self.key)
            if item is None:
                raise IndexError("pop from empty list")
            return item
        mark = b"kvcore:removed:" + secrets.token_bytes(16)

        def take(pipe: Pipeline[T]) -> T:
            item: T | None = pipe.lindex(self.key, place)
            if item is None:
                raise IndexError("pop index out of range")
            pipe.multi()
            pipe.lset(self.key, place, mark)
            pipe.lrem(self.key, 1, mark)
            return item

        return self._store.transaction(take, self.key, value_from_callable=True)

    def popleft(self) -> T:
        """Remove and return the first item; raise IndexError if there is none. O(1)."""
        return self.pop(0)

    def remove(self, value: Value) -> None:
        """Remove the first item that equals ``value``; raise ValueError if there is none. O(n)."""
        if not self._store.lrem(self.key, 1, value):
            raise ValueError(f"{value!r} is not in the list")

    def clear(self) -> None:
        """Remove all items."""
        self._store.delete(self.key)

    def reverse(self) -> None:
        """Turn the list around. O(n)."""
        self._rewrite(list.reverse)

    def index(self, value: Value, start: int = 0, stop: int | None = None) -> int:
        """Return the index of the first item that equals ``value``; raise ValueError if there is none. O(n)."""
        data = encode(value)
        items = [encode(item) for item in self.copy()]
        return items.index(data, start, len(items) if stop is None else stop)

    def count(self, value: Value) -> int:
        """Return how many items equal ``value``. O(n)."""
        found = self._store.lpos(self.key, value, count=0)
        return len(found) if isinstance(found, list) else 0

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, bytes | str | int | float | bytearray | memoryview) or isinstance(value, bool):
            return False
        return self._store.lpos(self.key, value) is not None

    def __iter__(self) -> Iterator[T]:
        """Yield the items; as in a list that changes meanwhile, some may be met twice or not at all."""
        start = 0
        while items := self._store.lrange(self.key, start, start + _PER_STEP - 1):
            yield from items
            start += len(items)

    def copy(self) -> list[T]:
        """Return the items as a list of one moment. O(n)."""
        return self._store.lrange(self.key, 0, -1)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ListView):
            return self.copy() == other.copy()
        return isinstance(other, list) and self.copy() == other

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Sequence[T]) -> list[T]:
        return [*self.copy(), *other]

    def __radd__(self, other: Sequence[T]) -> list[T]:
        return [*other, *self.copy()]

    def trim(self, start: int, stop: int | None) -> None:
        """Keep the items of a slice, and no others. O(items removed)."""
        if stop == 0:
            self.clear()
        else:
            self._store.ltrim(self.key, start, -1 if stop is None else stop - 1)


class StreamView(Generic[T]):
    """A stream as a sequence of entries ``(id, fields)``, to append to and to read from."""

    __slots__ = ("_store", "key")

    def __init__(self, store: BaseStore[T], key: Key) -> None:
        self._store = store
        self.key = encode(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r}, {len(self)} entries)"

    def append(
        self,
        fields: Mapping[bytes, Value] | Mapping[str, Value] | Mapping[Argument, Value],
        id: Value = "*",  # noqa: A002 - the field's own word
        *,
        maxlen: int | None = None,
        approximate: bool = False,
    ) -> T:
        """Append an entry and return its id; with ``maxlen`` drop the oldest beyond so many. O(1)."""
        added = self._store.xadd(self.key, fields, id, maxlen, approximate)
        assert added is not None  # only NOMKSTREAM makes it so
        return added

    def __len__(self) -> int:
        return self._store.xlen(self.key)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[Entry[T]]:
        """Yield the entries, oldest first, those included that are appended meanwhile."""
        start: Value = "-"
        while entries := self._store.xrange(self.key, start, "+", _PER_STEP):
            yield from entries
            last: bytes | str = entries[-1][0]
            start = b"(" + encode(last)

    def __reversed__(self) -> Iterator[Entry[T]]:
        """Yield the entries, newest first."""
        end: Value = "+"
        while entries := self._store.xrevrange(self.key, end, "-", _PER_STEP):
            yield from entries
            last: bytes | str = entries[-1][0]
            end = b"(" + encode(last)

    def __getitem__(self, id: Value) -> dict[T, T]:  # noqa: A002
        """Return the fields of an entry; raise KeyError if it is not there."""
        entries = self._store.xrange(self.key, id, id)
        if not entries:
            raise KeyError(id)
        return entries[0][1]

    def __contains__(self, id: Value) -> bool:  # noqa: A002
        return bool(self._store.xrange(self.key, id, id))

    def __delitem__(self, id: Value) -> None:  # noqa: A002
        if not self._store.xdel(self.key, id):
            raise KeyError(id)

    def range(self, first: Value = "-", last: Value = "+", count: int | None = None) -> list[Entry[T]]:
        """Return the entries from one id to another, both included, oldest first."""
        return self._store.xrange(self.key, first, last, count)

    def read(self, after: Value = "0", count: int | None = None, block: float | None = None) -> list[Entry[T]]:
        """Return what came after an id (``"$"``: from now on), waiting up to ``block`` seconds (0: for ever) for it."""
        streams = self._store.xread({self.key: after}, count, _milliseconds(block))
        return streams[0][1] if streams else []

    def trim(self, maxlen: int) -> int:
        """Drop the oldest entries beyond so many; return how many went."""
        return self._store.xtrim(self.key, maxlen, approximate=False)

    def clear(self) -> None:
        """Delete the stream, its groups included."""
        self._store.delete(self.key)

    def group(self, name: Value, start: Value = "0") -> StreamGroup[T]:
        """Return a group of consumers, made if it is new, to read what comes after ``start`` (``"$"``: from now on)."""
        try:
            self._store.xgroup_create(self.key, name, start, mkstream=True)
        except CommandError as error:
            if error.code != "BUSYGROUP":
                raise
        return StreamGroup(self._store, self.key, encode(name))


class StreamGroup(Generic[T]):
    """A group of consumers that share the entries of a stream; make one with :meth:`StreamView.group`."""

    __slots__ = ("_store", "key", "name")

    def __init__(self, store: BaseStore[T], key: bytes, name: bytes) -> None:
        self._store = store
        self.key = key
        self.name = name

    def read(self, consumer: Value, count: int | None = None, block: float | None = None) -> list[Entry[T]]:
        """Return entries that no consumer has had, waiting up to ``block`` seconds (0: for ever) for one."""
        streams = self._store.xreadgroup(self.name, consumer, {self.key: ">"}, count, _milliseconds(block))
        return streams[0][1] if streams else []

    def pending(self, consumer: Value) -> list[Entry[T]]:
        """Return the entries that a consumer has had and not acknowledged."""
        streams = self._store.xreadgroup(self.name, consumer, {self.key: "0"})
        return streams[0][1] if streams else []

    def ack(self, *ids: Value) -> int:
        """Say that entries were dealt with; return how many were pending."""
        return self._store.xack(self.key, self.name, *ids)

    def claim(self, consumer: Value, idle: float, count: int | None = None) -> list[Entry[T]]:
        """Take over entries that other consumers left pending for ``idle`` seconds."""
        claimed = self._store.xautoclaim(self.key, self.name, consumer, round(idle * 1000), count=count)
        entries: list[Entry[T]] = claimed[1]
        return entries


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
