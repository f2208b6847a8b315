"""Incidents whose cause is in the rows: what comes first is to correct them, or to leave them out."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError

from batches.processors import ItemError
from tests.helpers.incidents import Row, incident, orders

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def invalid(text: str, field: str = "") -> ItemError:
    return ItemError(text, category="validation", field=field or None)


def test_missing_vat_ids_of_one_country_are_corrected() -> None:
    rows = orders(800)
    for n, row in enumerate(rows):
        row |= {} if row["country"] == "IT" else {"vat_id": f"{row['country']}{n:09}"}
    desk = incident(rows, lambda n, row: [] if "vat_id" in row else [invalid("vat_id is required", "vat_id")])
    assert desk.first["title"].startswith("Check the format of vat_id")
    assert desk.kinds() == ["fix"]
    assert any("vat_id is missing" in [finding["text"], *finding["also"]] for finding in desk.findings)


def test_a_file_that_runs_a_second_time_is_set_aside_not_promised() -> None:
    known = frozenset(random.Random(2).sample(range(600), 430))
    error = IntegrityError("UNIQUE constraint failed: orders.order_no")
    desk = incident(orders(600), lambda n, row: [error] if n in known else [])
    assert desk.first["title"] == "Set aside what exists already: 430 items"
    assert "Was the same file run before?" in desk.first["why"]
    assert desk.kinds() == ["hold"]
    assert desk.totals["recover"]["high"] == 0
    assert "Review the input" not in desk.first["title"]


def test_a_column_that_shifted_is_checked() -> None:
    desk = incident(orders(600), lambda n, row: [invalid("amount is not a number", "amount")] if n >= 300 else [])
    assert desk.first["title"].startswith("Check the format of amount")
    assert desk.findings[0]["text"].startswith("items 300 to 599")
    assert desk.kinds() == ["fix"]


def test_a_wrong_country_code_is_corrected() -> None:
    rows = [row | {"country": "UK" if row["country"] == "GB" else row["country"]} for row in orders(600)]
    desk = incident(rows, lambda n, row: [invalid("no such country", "country")] if row["country"] == "UK" else [])
    assert desk.first["title"].startswith("Check the format of country")
    assert desk.findings[0]["text"] == "country = UK"
    assert desk.kinds() == ["fix"]


def test_leading_zeros_that_got_lost_are_corrected() -> None:
    chance = random.Random(3)
    rows = [row | {"postcode": str(chance.randrange(1_000, 99_999))} for row in orders(900)]
    desk = incident(rows, lambda n, row: [invalid("postcode", "postcode")] if len(row["postcode"]) < 5 else [])
    assert desk.first["title"].startswith("Check the format of postcode")
    assert desk.findings[0]["where"]["fields"] == ["postcode"]
    assert desk.kinds() == ["fix"]


def test_amounts_that_need_approval_are_named() -> None:
    rows = orders(1200)
    for n in range(0, 1200, 80):
        rows[n]["amount"] = 1_000.5 + n
    desk = incident(
        rows, lambda n, row: [ItemError("needs approval", category="validation")] if row["amount"] > 1_000 else []
    )
    assert desk.first["title"].startswith("Check the format of amount")
    assert any("amount" in finding["text"] for finding in desk.findings)


def test_unknown_units_are_corrected() -> None:
    units = ["kg", "m", "l", "pcs.", "box"]
    rows = [row | {"unit": units[n * 7 % 5]} for n, row in enumerate(orders(600))]
    desk = incident(rows, lambda n, row: [invalid("unknown unit", "unit")] if len(row["unit"]) > 2 else [])
    assert desk.first["title"].startswith("Check the format of unit")
    assert desk.kinds() == ["fix"]


def test_pickups_in_an_hour_that_does_not_exist_name_the_field() -> None:
    class NonExistentTimeError(Exception):
        pass

    night, chance = datetime(2026, 3, 29, 0), random.Random(4)
    rows = [row | {"pickup": (night + timedelta(minutes=chance.randrange(2_880))).isoformat()} for row in orders(900)]
    gap = ("2026-03-29T02", "2026-03-29T03")

    def fails(n: int, row: Row) -> list[Exception]:
        return [NonExistentTimeError(row["pickup"])] if gap[0] <= row["pickup"] < gap[1] else []

    desk = incident(rows, fails)
    assert "pickup" in desk.first["title"]
    assert "root cause" not in desk.text
    assert "should recover by" not in desk.totals["line"] or "~" not in desk.totals["line"]
