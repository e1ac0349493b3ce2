"""What every store for coroutines is: both kinds have it, and neither can be made without what it must supply."""

from __future__ import annotations

import pytest

from kvcore import aio


def test_both_kinds_are_of_it() -> None:
    assert issubclass(aio.AsyncStore, aio.BaseAsyncStore)
    assert issubclass(aio.AsyncRemoteStore, aio.BaseAsyncStore)
    with pytest.raises(TypeError, match="abstract"):
        aio.BaseAsyncStore()  # type: ignore[abstract]


async def test_iterators_go_through_all(remote_url: str) -> None:
    for url in ("memory://", remote_url):
        async with aio.connect(url, decode_responses=True) as store:
            await store.flushall()
            await store.sadd("s", *range(300))
            await store.hset("h", mapping={str(number): number for number in range(300)})
            await store.zadd("z", {str(number): number for number in range(300)})
            assert {int(member) async for member in store.sscan_iter("s")} == set(range(300))
            assert {int(field) async for field, _ in store.hscan_iter("h")} == set(range(300))
            assert {int(member): score async for member, score in store.zscan_iter("z")} == {
                number: float(number) for number in range(300)
            }
            assert sorted([key async for key in store.scan_iter()]) == ["h", "s", "z"]
            assert await store.bitfield("b").set("u8", 0, 7).execute() == [0]
            with pytest.raises(TypeError, match="name of a command"):
                await store.execute()


async def test_options_without_a_value_are_refused(remote_url: str) -> None:
    for url in ("memory://", remote_url):
        async with aio.connect(url) as store:
            for options in ({"nx": True}, {"ex": 0}, {"get": True}):
                with pytest.raises(TypeError, match="needs a value"):
                    store.set("k", **options)  # type: ignore[call-overload]
