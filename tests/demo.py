"""Processors for pictures: invoices whose failures have three causes, and stock levels that mostly come right."""

from __future__ import annotations

from typing import Any

from batches.processors import Context, ItemError, processor

OUTAGE = range(300, 330)
SLOW = (17, 250, 733)
WITHOUT_VAT_ID = 840


@processor("erp.send_invoice", version="2.1", max_attempts=1)
def send_invoice(payload: dict[str, Any], context: Context) -> Any:
    """Send one invoice to the ERP."""
    n = int(payload["invoice"].removeprefix("R-"))
    if n in OUTAGE:
        raise ConnectionRefusedError(111, f"Connection to 10.0.{n % 4}.{n % 250} refused")
    if n % 100 == 99:
        return {"street": {"city": payload["country"]}["street"]}
    if n in SLOW:
        raise TimeoutError("timed out after 30.0s")
    if payload["country"] == "DE" and n < WITHOUT_VAT_ID:
        message = f'Country "{payload["country"]}" needs a vat_id: invoice {payload["invoice"]}'
        raise ItemError(message, code="VAT_ID_MISSING", category="validation", field="vat_id")
    return {"sent": payload["invoice"]}


@processor("shop.set_stock", max_attempts=1)
def set_stock(payload: dict[str, Any], context: Context) -> Any:
    """Set the stock of one product."""
    if int(payload["quantity"]) < 0:
        message = f"stock of {payload['sku']} would be {payload['quantity']}"
        raise ItemError(message, code="NEGATIVE_STOCK", category="validation", field="quantity")
    return {"stock": int(payload["quantity"])}


def invoices(count: int = 1000) -> list[dict[str, str]]:
    """Every 20th goes to Germany, where the first ones lack a VAT number."""
    return [
        {
            "invoice": f"R-{n:05}",
            "country": "DE" if n % 20 == 0 else ("FR", "IT", "ES", "PL")[n % 4],
            "quantity": str(n % 10),
            "amount": f"{n * 37 % 990 + 9}.{n * 13 % 100:02}",
        }
        for n in range(count)
    ]


def stock(count: int, wrong_every: int, wrong_from: int = 0) -> list[dict[str, str]]:
    return [
        {
            "sku": f"SKU-{n:06}",
            "warehouse": ("north", "south", "port")[n * 7919 % 3],
            "quantity": str(-(n % 7) - 1 if n >= wrong_from and n * 7919 % wrong_every == 0 else n % 90),
        }
        for n in range(count)
    ]
