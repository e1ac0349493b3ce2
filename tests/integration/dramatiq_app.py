"""The module that a worker of its own process loads: ``dramatiq tests.integration.dramatiq_app``."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=os.environ["DRAMATIQ_URL"], middleware=[])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["DRAMATIQ_URL"])))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def double(n: int) -> int:
    return 2 * n
