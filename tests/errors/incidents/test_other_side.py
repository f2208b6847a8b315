"""Incidents whose cause is at the other side: what comes first is to wait, to retry or to slow down."""

from __future__ import annotations

import random
import ssl

import pytest

from batches.processors import ItemError
from tests.helpers.incidents import Row, incident, orders

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]
DOWN = ConnectionError("ERP does not answer")


def some(n: int, share: float, seed: int = 3) -> frozenset[int]:
    """Items chosen at random."""
    return frozenset(random.Random(seed).sample(range(n), round(n * share)))


def test_an_outage_that_is_over_is_retried_exactly() -> None:
    noise = some(600, 0.01)
    desk = incident(
        orders(600),
        lambda n, row: [DOWN] if 150 <= n < 180 else [KeyError("sku")] if n in noise else [],
    )
    assert desk.first["title"].startswith("It looks over: retry exactly what failed in items 150 to 179")
    step = next(step for step in desk.steps if step["kind"] == "retry")
    assert step["predicted"] == desk.first["predicted"]
    assert (desk.items_of("retry"), "not known" in step["predicted"]["basis"]) == (30, False)


def test_an_outage_until_the_end_promises_nothing() -> None:
    desk = incident(orders(600), lambda n, row: [DOWN] if n >= 400 else [])
    assert desk.first["title"].startswith("Wait, then try a few of what failed in")
    assert "download" not in desk.text.lower()
    assert "Review the input" not in desk.text
    assert "is not known yet (0-200)" in desk.totals["line"]


def test_a_customers_expired_certificate_is_no_network_fault_that_passes() -> None:
    rows = orders(900)
    broken = {n for n, row in enumerate(rows) if row["customer"] == "C00037"}
    error = ssl.SSLCertVerificationError("certificate verify failed: certificate has expired")
    desk = incident(rows, lambda n, row: [error] if n in broken else [])
    assert desk.first["title"].startswith("Set aside the items with customer = C00037; have the certificate renewed")
    assert desk.kinds() == ["hold"]
    assert "should recover by a retry" in desk.totals["line"]
    assert "connectivity" not in desk.text


def test_a_rate_limit_speaks_of_calls_side_by_side_also_if_all_came_right() -> None:
    limit = ItemError("Too many requests", code="RATE_LIMITED", category="rate_limit")
    desk = incident(
        orders(300),
        lambda n, row: [limit] if n % 3 == 0 else [],
        max_attempts=3,
        processor="http_request",
    )
    assert "calls side by side" in desk.first["title"]
    assert "came right in the end" in desk.first["why"]
    assert "root cause" not in desk.text


def test_a_rate_limit_of_many_lanes_lowers_the_lanes() -> None:
    limit = ItemError("Too many requests", code="RATE_LIMITED", category="rate_limit")
    desk = incident(orders(300), lambda n, row: [limit] if n % 3 == 0 else [], concurrency=8)
    assert desk.first["title"].startswith("Lower the concurrency from 8 to")
    assert desk.kinds()[:2] == ["settings", "retry"]


def test_deadlocks_on_hot_rows_are_retried_not_set_aside() -> None:
    rows = [row | {"sku": "HOT" if n % 9 == 0 else f"S{n}"} for n, row in enumerate(orders(600))]
    chance = random.Random(5)
    desk = incident(
        rows,
        lambda n, row: [RuntimeError("deadlock detected")] if row["sku"] == "HOT" and chance.random() < 0.7 else [],
    )
    assert desk.first["title"] == "Retry them: a deadlock passes"
    assert "Set aside" not in desk.text
    assert desk.kinds() == ["retry", "resolve"]


def test_time_outs_that_grow_with_size_raise_the_limit_first() -> None:
    chance = random.Random(6)
    rows = [row | {"size_mb": round(chance.uniform(1, 230), 1)} for row in orders(800)]
    took = {n: row["size_mb"] / 150 for n, row in enumerate(rows)}
    desk = incident(
        rows,
        lambda n, row: [TimeoutError("no answer within 1 s")] if took[n] > 1 else [],
        seconds=lambda n, row: min(1.0, took[n]),
        item_timeout=1.0,
    )
    assert desk.first["title"].startswith("Raise the time limit from 1 s to 2 s")
    assert "Set aside" not in desk.text
    step = next(step for step in desk.steps if step["kind"] == "retry")
    assert step["predicted"] == desk.first["predicted"]


def test_a_few_calls_that_hang_do_not_raise_the_limit() -> None:
    hang = some(600, 0.03)
    desk = incident(
        orders(600),
        lambda n, row: [TimeoutError("no answer within 20 s")] if n in hang else [],
        seconds=lambda n, row: 20.0 if n in hang else 1.0,
        item_timeout=20.0,
    )
    assert desk.first["title"].startswith("Do not raise the time limit")
    assert desk.findings == []
    assert "retry" not in desk.kinds()


def test_an_outage_and_an_expired_price_list_are_two_causes() -> None:
    rows = [row | {"list": "2025" if n % 12 == 0 else "2026"} for n, row in enumerate(orders(700))]

    def fails(n: int, row: Row) -> list[Exception]:
        if 300 <= n < 340:
            return [DOWN]
        return [ItemError("price list expired", category="validation", field="list")] if row["list"] == "2025" else []

    desk = incident(rows, fails)
    assert {finding["text"] for finding in desk.findings} == {"list = 2025", "items 300 to 339"}
    titles = [piece["title"] for piece in desk.advice[:2]]
    assert any(title.startswith("Check the format of list") for title in titles)
    assert any(title.startswith("It looks over: retry exactly") for title in titles)
    assert desk.kinds() == ["retry", "fix"]


def test_calls_that_fail_at_random_are_retried_and_chance_is_no_reason() -> None:
    flaky = some(900, 0.3)
    desk = incident(orders(900), lambda n, row: [ConnectionError("reset by peer")] if n in flaky else [])
    assert desk.first["action"]["verb"] == "retry"
    assert "in a row" not in desk.text
    assert "Review the input" not in desk.text
    assert "is not known yet (0-270)" in desk.totals["line"]


def test_dead_devices_among_flaky_ones_are_not_retried_again() -> None:
    dead, chance = some(600, 0.012, 9), random.Random(8)

    def fails(n: int, row: Row) -> list[Exception]:
        failing = 4 if n in dead else next(k for k in range(5) if k == 4 or chance.random() > 0.15)
        return [ConnectionError("no answer of the device")] * failing

    desk = incident(orders(600), fails, max_attempts=4)
    assert desk.first["title"] == "Stop retrying these items"
    assert "root cause" not in desk.text
    assert desk.items_of("hold") >= 7
    assert desk.items_of("retry") + desk.items_of("hold") == desk.totals["failed"]


def test_half_an_outage_that_is_over_is_one_finding_and_retried_exactly() -> None:
    chance = random.Random(7)
    desk = incident(orders(600), lambda n, row: [DOWN] if 200 <= n < 300 and chance.random() < 0.5 else [])
    assert desk.first["title"].startswith("It looks over: retry exactly what failed in items 200 to 299")
    assert (len(desk.findings), desk.kinds()) == (1, ["retry"])
    assert "Review the input" not in desk.text


def test_a_storm_of_deadlocks_is_retried() -> None:
    chance = random.Random(7)
    desk = incident(
        orders(600),
        lambda n, row: [RuntimeError("deadlock detected")] if 300 <= n < 420 and chance.random() < 0.8 else [],
    )
    assert desk.first["title"] == "Retry them: a deadlock passes"
    assert desk.kinds()[0] == "retry"
    assert "Review the input" not in desk.text
