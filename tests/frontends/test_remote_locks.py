"""The steps of locks on a server, and that they exclude those of redis-py and of other stores."""

from __future__ import annotations

import threading

import pytest
import redis

import kvcore
from kvcore.errors import CommandError
from kvcore.frontends.remote_locks import steps
from kvcore.replies import OK


def test_a_waiter_pauses_longer_and_longer_until_its_time_is_up() -> None:
    work = steps((b"kvcore.lock", "l", b"token", 500, 60_000))
    assert work.send(None) == [b"SET", b"l", b"token", b"NX", b"PX", b"500"]
    pauses = []
    for _ in range(10):
        pauses.append(work.send(None))
        assert work.send(None) == [b"SET", b"l", b"token", b"NX", b"PX", b"500"]
    assert all(isinstance(pause, float) and 0 < pause <= 0.15 for pause in pauses)
    assert max(pauses[:2]) < min(pauses[-2:])
    with pytest.raises(StopIteration) as end:
        work.send(OK)
    assert end.value.value == 1


def test_who_does_not_wait_has_one_try() -> None:
    work = steps((b"kvcore.lock", "l", b"token", 0, -1))
    assert work.send(None) == [b"SET", b"l", b"token", b"NX"]
    with pytest.raises(StopIteration) as end:
        work.send(None)
    assert end.value.value == 0


def test_errors_are_raised() -> None:
    for words in ((b"kvcore.lock", "l", b"t", 0, 0), (b"kvcore.hit", "l", 1, 1)):
        work = steps(words)
        work.send(None)
        with pytest.raises(CommandError, match="NOPERM"):
            work.send(CommandError("NOPERM no"))


def test_redis_pys_locks_and_these_exclude_each_other(remote_url: str) -> None:
    client = redis.Redis.from_url(remote_url)
    with kvcore.connect(remote_url) as store:
        store.flushall()
        with client.lock("l", timeout=10):
            assert not store.lock("l", blocking=False).acquire()
        with store.lock("l", ttl=10):
            assert not client.lock("l", blocking=False).acquire()
    client.close()


def test_many_stores_never_hold_a_lock_together(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        store.flushall()
        store.set("n", 0)

        def work() -> None:
            for _ in range(10):
                with store.lock("l", ttl=30):
                    store.set("n", int(store.get("n") or 0) + 1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert store.get("n") == b"40"


def test_a_lost_lock_says_so(remote_url: str) -> None:
    with kvcore.connect(remote_url) as store:
        lock = store.lock("lost", ttl=30)
        assert lock.acquire()
        lock.extend(60)
        assert 50_000 < store.pttl("lost") <= 60_000
        store.set("lost", "another's")
        with pytest.raises(kvcore.LockError, match="lost"):
            lock.release()
        assert store.get("lost") == b"another's"
        store.delete("lost")
        store.rpush("lost", "x")
        assert not store.lock("lost", blocking_timeout=0.01).acquire()
        store.delete("lost")
