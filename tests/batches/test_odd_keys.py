"""Keys of items that look like other things: each page, answer and file has them as they are, and none is refused."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.urls import reverse

from batches.intake import cells
from batches.models import Item
from tests.helpers.batches import ran
from tests.helpers.failed_rows import exported
from tests.helpers.pages import content, page
from tests.helpers.people import client, person, signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]
KEYS = [
    *(
        "a\u202egnp.exe",
        "\u2067rtl\u2069",
        "\u200f\u05e9\u05dc\u05d5\u05dd",
        "a/b",
        "../x",
        "?a=b&c#d",
        "%00",
        "%2e%2e",
    ),
    *("\"double'single", "<b>bold</b>", "=1+1", "a,b;c\td", "pay_5Fx", "e\u0301", "\u00e9", "\U0001d7d9"),
]


@pytest.mark.full
def test_an_item_is_called_by_its_key_at_every_door() -> None:
    batch = ran([{"mode": "invalid", "ref": key} for key in KEYS], key_column="ref", batch_id="odd", max_attempts=1)
    browser, caller = signed_in(person("admin")), client("viewer")
    assert [item["key"] for item in caller.get("/api/batches/odd/items?page_size=50").json()["results"]] == KEYS
    for item in Item.objects.filter(batch=batch):
        text = content(page(browser, reverse("admin:batches_item_change", args=[item.pk])))
        assert "<b>bold</b>" not in text
        found = caller.get("/api/batches/odd/errors/records", {"item_key": item.key}).json()["results"]
        assert [record["item_key"] for record in found] == [item.key]
    assert keys_in_table(exported(batch, "fix", "csv")) == KEYS
    lines = exported(batch, "detail", "ndjson").decode().splitlines()
    assert [json.loads(line)["item_key"] for line in lines if "item_key" in line] == KEYS


def keys_in_table(file: bytes) -> list[str]:
    """As a correction finds its items by them."""
    return [cells.unguarded(row["_item_key"]) for row in csv.DictReader(io.StringIO(file.decode("utf-8-sig")))]
