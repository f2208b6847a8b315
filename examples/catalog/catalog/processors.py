"""What the portal can do with a file of products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
from django import forms

from batches.processors import Context, ItemError, RetryItem, SkipItem, processor
from catalog.models import Product


class RepriceForm(forms.Form):
    percent = forms.DecimalField(min_value=-50, max_value=50)


@processor("catalog.reprice", params=RepriceForm, max_attempts=3, item_timeout=10)
def reprice(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Raise or lower the prices of products by so many percent."""
    product = Product.objects.filter(sku=payload["sku"]).first()
    if product is None:
        raise ItemError("no such product", code="SKU_UNKNOWN", category="validation", field="sku")
    if not product.price:
        raise SkipItem("it is free")
    product.price = (product.price * (1 + context.params["percent"] / 100)).quantize(Decimal("0.01"))
    product.save(update_fields=["price"])
    return {"price": str(product.price)}


class PublishForm(forms.Form):
    shop = forms.URLField(assume_scheme="https")


@contextmanager
def shop_client() -> Iterator[httpx.Client]:
    """One connection for all products that a worker process publishes."""
    with httpx.Client(timeout=10) as client:
        yield client


@processor("catalog.publish", params=PublishForm, effects="external", parallel=4, per_worker=shop_client)
def publish(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Tell a shop of each product; the shop may take a product twice under one key."""
    product = Product.objects.get(sku=payload["sku"])
    answer = context.per_worker.put(
        f"{context.params['shop']}products/{product.sku}",
        json={"name": product.name, "price": str(product.price)},
        headers={"Idempotency-Key": context.idempotency_key},
    )
    if answer.status_code == 429:
        after = float(answer.headers.get("Retry-After", 30))
        raise RetryItem("the shop wants a pause", after=after, code="SHOP_BUSY", category="rate_limit")
    answer.raise_for_status()
    return {"status": answer.status_code}
