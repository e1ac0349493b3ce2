"""The asyncio twin of :mod:`kvcore`: the same names, awaited."""

from __future__ import annotations

from kvcore.frontends.inprocess_async import AsyncStore, open  # noqa: A004 - `kvcore.aio.open`

__all__ = ["AsyncStore", "open"]
