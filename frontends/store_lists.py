"""Methods for lists, named and shaped as redis-py's.

The rule is that of :mod:`kvcore.frontends.store_base`: build the arguments, end in ``self._call``.
"""

from __future__ import annotations

from typing import overload

from kvcore.frontends.store_base import Commands, Key, Keys, T, Value, as_bool, as_pair, same, spread
from kvcore.replies import Reply


class ListCommands(Commands[T]):
    """Commands on lists."""

    __slots__ = ()

    def blmove(
        self, first_list: Key, second_list: Key, timeout: float, src: str = "LEFT", dest: str = "RIGHT"
    ) -> T | None:
        """Do :meth:`lmove`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
        return self._call(same, b"BLMOVE", first_list, second_list, src, dest, timeout)

    def blmpop(
        self, timeout: float, numkeys: int, *args: Key, direction: str, count: int | None = 1
    ) -> list[Reply] | None:
        """Do :meth:`lmpop`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
        words: list[Value] = [] if count is None else [b"COUNT", count]
        return self._call(same, b"BLMPOP", timeout, numkeys, *args, direction, *words)

    def blpop(self, keys: Keys, timeout: float | None = 0) -> tuple[T, T] | None:
        """Pop the first item of the first list that has one, waiting up to ``timeout`` seconds (0: for ever).

        Return the key and the item, None if none came.
        """
        return self._call(as_pair, b"BLPOP", *spread(keys), timeout or 0)

    def brpop(self, keys: Keys, timeout: float | None = 0) -> tuple[T, T] | None:
        """Pop the last item of the first list that has one, waiting up to ``timeout`` seconds (0: for ever).

        Return the key and the item, None if none came.
        """
        return self._call(as_pair, b"BRPOP", *spread(keys), timeout or 0)

    def brpoplpush(self, src: Key, dst: Key, timeout: float | None = 0) -> T | None:
        """Do :meth:`rpoplpush`, and wait up to ``timeout`` seconds (0: for ever) for an item; None if none came."""
        return self._call(same, b"BRPOPLPUSH", src, dst, timeout or 0)

    def lindex(self, name: Key, index: int) -> T | None:
        """Return the item at ``index``, None if there is none."""
        return self._call(same, b"LINDEX", name, index)

    def linsert(self, name: Key, where: str, refvalue: Value, value: Value) -> int:
        """Insert ``BEFORE`` or ``AFTER`` an item; return the length, -1 without that item, 0 without a list."""
        return self._call(same, b"LINSERT", name, where, refvalue, value)

    def llen(self, name: Key) -> int:
        """Return the length of a list."""
        return self._call(same, b"LLEN", name)

    def lmove(self, first_list: Key, second_list: Key, src: str = "LEFT", dest: str = "RIGHT") -> T | None:
        """Move an item from one end of a list to one of another; return it."""
        return self._call(same, b"LMOVE", first_list, second_list, src, dest)

    def lmpop(self, num_keys: int, *args: Key, direction: str, count: int | None = 1) -> list[Reply] | None:
        """Pop up to ``count`` items from the first list that has one; return its key and them."""
        words: list[Value] = [] if count is None else [b"COUNT", count]
        return self._call(same, b"LMPOP", num_keys, *args, direction, *words)

    @overload
    def lpop(self, name: Key, count: None = None) -> T | None: ...
    @overload
    def lpop(self, name: Key, count: int) -> list[T] | None: ...
    def lpop(self, name: Key, count: int | None = None) -> T | list[T] | None:
        """Pop the first item, or up to ``count`` of them; None without a list."""
        return self._call(same, b"LPOP", name, *([] if count is None else [count]))

    @overload
    def lpos(
        self, name: Key, value: Value, rank: int | None = None, count: None = None, maxlen: int | None = None
    ) -> int | None: ...
    @overload
    def lpos(
        self, name: Key, value: Value, rank: int | None = None, *, count: int, maxlen: int | None = None
    ) -> list[int]: ...
    def lpos(
        self, name: Key, value: Value, rank: int | None = None, count: int | None = None, maxlen: int | None = None
    ) -> int | list[int] | None:
        """Return the index of an item, None if it is not there; with ``count`` those of up to so many (0: all)."""
        words: list[Value] = []
        for option, number in ((b"RANK", rank), (b"COUNT", count), (b"MAXLEN", maxlen)):
            if number is not None:
                words += (option, number)
        return self._call(same, b"LPOS", name, value, *words)

    def lpush(self, name: Key, *values: Value) -> int:
        """Put items before the first, one after the other; return the length."""
        return self._call(same, b"LPUSH", name, *values)

    def lpushx(self, name: Key, *values: Value) -> int:
        """Do :meth:`lpush` if the list exists; return the length."""
        return self._call(same, b"LPUSHX", name, *values)

    def lrange(self, name: Key, start: int, end: int) -> list[T]:
        """Return the items from ``start`` to ``end``, both included."""
        return self._call(same, b"LRANGE", name, start, end)

    def lrem(self, name: Key, count: int, value: Value) -> int:
        """Delete ``count`` items that equal ``value``, from the end if negative, all if 0; return how many went."""
        return self._call(same, b"LREM", name, count, value)

    def lset(self, name: Key, index: int, value: Value) -> bool:
        """Replace the item at ``index``."""
        return self._call(as_bool, b"LSET", name, index, value)

    def ltrim(self, name: Key, start: int, end: int) -> bool:
        """Keep the items from ``start`` to ``end``, both included, and no others."""
        return self._call(as_bool, b"LTRIM", name, start, end)

    @overload
    def rpop(self, name: Key, count: None = None) -> T | None: ...
    @overload
    def rpop(self, name: Key, count: int) -> list[T] | None: ...
    def rpop(self, name: Key, count: int | None = None) -> T | list[T] | None:
        """Pop the last item, or up to ``count`` of them; None without a list."""
        return self._call(same, b"RPOP", name, *([] if count is None else [count]))

    def rpoplpush(self, src: Key, dst: Key) -> T | None:
        """Move the last item of a list before the first of another; return it."""
        return self._call(same, b"RPOPLPUSH", src, dst)

    def rpush(self, name: Key, *values: Value) -> int:
        """Put items behind the last; return the length."""
        return self._call(same, b"RPUSH", name, *values)

    def rpushx(self, name: Key, *values: Value) -> int:
        """Do :meth:`rpush` if the list exists; return the length."""
        return self._call(same, b"RPUSHX", name, *values)
