"""redis-om's hash models on kvcore: what they do without the search module."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

pytest.importorskip("redis_om")

import aredis_om
import redis_om
from redis_om.model.model import NotFoundError

from tests.integration.conftest import Endpoint
from tests.waiting import until


@pytest.fixture
def model(endpoint: Endpoint) -> type[Any]:
    """Return a model bound to the server under test."""

    class Customer(redis_om.HashModel, index=True):
        name: str
        joined: datetime.date
        age: int
        vip: bool = False
        note: str | None = None

        class Meta:
            database = redis_om.get_redis_connection(url=endpoint.url())
            global_key_prefix = "shop"
            model_key_prefix = "customer"

    return Customer


def customer(model: type[Any], **changes: Any) -> Any:
    return model(**{"name": "Zoë", "joined": datetime.date(2024, 2, 29), "age": 41, **changes})


def test_create_read_update_delete(model: type[Any]) -> None:
    zoe = customer(model, vip=True)
    zoe.save()
    assert model.get(zoe.pk) == zoe
    assert zoe.key() == f"shop:customer:{zoe.pk}"
    zoe.update(age=42, note="moved")
    found = model.get(zoe.pk)
    assert (found.age, found.note, found.vip, found.joined) == (42, "moved", True, datetime.date(2024, 2, 29))
    assert model.delete(zoe.pk) == 1
    with pytest.raises(NotFoundError):
        model.get(zoe.pk)


def test_models_are_found_by_their_keys(model: type[Any]) -> None:
    people = [customer(model, age=n) for n in range(25)]
    model.add(people)
    assert sorted(model.all_pks()) == sorted(each.pk for each in people)
    assert [model.get(each.pk).age for each in people] == list(range(25))
    assert model.delete_many(people[:20]) == 20
    assert sorted(model.all_pks()) == sorted(each.pk for each in people[20:])


def test_expiry_and_pipelines(model: type[Any]) -> None:
    database = model.Meta.database
    kept, short = customer(model), customer(model)
    with database.pipeline(transaction=True) as pipeline:
        kept.save(pipeline=pipeline)
        short.save(pipeline=pipeline)
        assert list(model.all_pks()) == []
        pipeline.execute()
    assert len(list(model.all_pks())) == 2
    kept.expire(100)
    assert 95 < database.ttl(kept.key()) <= 100
    short.expire(1)
    until("the model's time is over", lambda: list(model.all_pks()) == [kept.pk])


async def test_the_asynchronous_models(endpoint: Endpoint) -> None:
    class Order(aredis_om.HashModel, index=True):
        total: float

        class Meta:
            database = aredis_om.get_redis_connection(url=endpoint.url())

    order = await Order(total=9.5).save()
    assert (await Order.get(order.pk)).total == 9.5
    assert [pk async for pk in await Order.all_pks()] == [order.pk]
    assert await Order.delete(order.pk) == 1
    await Order.Meta.database.aclose()
