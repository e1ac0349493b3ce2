"""Optional packages: one line that says which extra brings what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_redis(name: str) -> Iterator[None]:
    """Raise ImportError naming the extra if the block finds redis-py missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        raise ImportError(f"{name} needs the [redis] extra: pip install 'kvcore[redis]'") from None
