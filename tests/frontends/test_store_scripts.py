"""Scripts as functions; bit fields are tested beside redis-py's in test_store_strings."""

from __future__ import annotations

import pytest

import kvcore
from kvcore import aio

pytest.importorskip("lupa")


def test_a_script_is_called_like_a_function() -> None:
    with kvcore.open() as store:
        double = store.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)")
        assert double(keys=["n"], args=[4]) == 8
        assert store.script_exists(double.sha) == [True]
        store.script_flush()
        assert double(["n"], [1]) == 10
        with store.pipeline() as pipe:
            double(["n"], [1], client=pipe)
            assert pipe.execute() == [12]


async def test_an_asynchronous_stores_script_is_awaited() -> None:
    async with aio.open(decode_responses=True) as store:
        echo = store.register_script(b"return ARGV[1]")
        assert await echo(args=["x"]) == "x"
        assert await store.bitfield("f").set("u8", 0, 7).get("u8", 0).execute() == [0, 7]
