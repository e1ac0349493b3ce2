"""What tests import."""

from __future__ import annotations

import kvcore
import kvcore.testing


def test_the_names_are_there() -> None:
    for name in kvcore.testing.__all__:
        assert getattr(kvcore.testing, name) is not None


def test_one_import_is_the_whole_migration() -> None:
    from kvcore.testing import FakeRedis, FakeServer

    assert FakeRedis(server=FakeServer()).ping()


def test_patch_redis_is_the_same_in_both_places() -> None:
    assert kvcore.patch_redis is kvcore.testing.patch_redis
