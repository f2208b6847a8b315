"""The catalog's processors, each on a few rows: no worker, no batch, and nothing stays in the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx
import pytest
from catalog.models import Product

from batches.exceptions import InvalidInput
from batches.testing import trial


@pytest.fixture(autouse=True)
def products(db: None) -> None:
    Product.objects.create(sku="A", name="Apple", price="19.99")
    Product.objects.create(sku="F", name="Flyer", price="0")


def test_it_raises_prices_by_percent() -> None:
    with trial("catalog.reprice", [{"sku": "A"}], {"percent": "10"}) as (item,):
        assert item.status == "SUCCEEDED"
        assert item.result == {"price": "21.99"}
        assert Product.objects.get(sku="A").price == Decimal("21.99")
    assert Product.objects.get(sku="A").price == Decimal("19.99")


def test_it_names_an_unknown_product_and_leaves_free_ones_alone() -> None:
    with trial("catalog.reprice", [{"sku": "X"}, {"sku": "F"}], {"percent": "10"}) as (unknown, free):
        assert (unknown.status, unknown.code, unknown.fields) == ("FAILED", "SKU_UNKNOWN", ("sku",))
        assert (free.status, free.message) == ("SKIPPED", "it is free")


def test_it_refuses_to_halve_prices_and_more() -> None:
    with pytest.raises(InvalidInput), trial("catalog.reprice", [], {"percent": "-60"}):
        pass


@contextmanager
def shop(answer: httpx.Response) -> Iterator[httpx.Client]:
    with httpx.Client(transport=httpx.MockTransport(lambda request: answer)) as client:
        yield client


def test_it_waits_when_the_shop_is_busy() -> None:
    busy = httpx.Response(429, headers={"Retry-After": "7"})
    params = {"shop": "https://shop.example/"}
    with trial("catalog.publish", [{"sku": "A"}], params, per_worker=lambda: shop(busy)) as (item,):
        assert (item.status, item.code, item.category) == ("PENDING", "SHOP_BUSY", "rate_limit")
        assert item.after == 7
