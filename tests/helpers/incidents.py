"""Incidents as a desk shows them: rows, what became of them, and everything that is said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from batches.extensions import record_failures
from batches.failures import Failure
from batches.models import Batch, Checkpoint, Item, Tenure
from errors import error_analyzer
from errors.recovery import plans, recommendations
from errors.terminal import report_text

BEGAN = datetime(2026, 5, 4, 8, tzinfo=UTC)
PACE = 0.1
"""Seconds between the starts of two items."""
Row = Mapping[str, Any]
Fails = Callable[[int, Row], Sequence[Exception]]
"""What the attempts at an item raise, in order; an item passes after them, if its attempts are not used up."""


@dataclass(frozen=True)
class Desk:
    """What is said about a batch."""

    batch: Batch
    report: dict[str, Any]
    totals: dict[str, Any]

    @property
    def advice(self) -> list[dict[str, Any]]:
        return [piece for piece in self.report["advice"] if piece["state"] == "open"]

    @property
    def first(self) -> dict[str, Any]:
        return self.advice[0]

    @property
    def steps(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = self.report["recovery_plan"]
        return steps

    @property
    def findings(self) -> list[dict[str, Any]]:
        return [finding for finding in self.report["findings"] if finding["confidence"] != "chance"]

    @property
    def text(self) -> str:
        """All of it, as the terminal prints it, without what is marked as chance."""
        lines = [*report_text.lines(self.report), self.totals["line"], *self.report["recommendations"]]
        return "\n".join(line for line in lines if "may be chance" not in line)

    def kinds(self) -> list[str]:
        return [step["kind"] for step in self.steps]

    def items_of(self, kind: str) -> int:
        return sum(step["cost"]["items"] for step in self.steps if step["kind"] == kind)


def incident(
    rows: Sequence[Row],
    fails: Fails,
    *,
    max_attempts: int = 1,
    seconds: Callable[[int, Row], float] = lambda n, row: 0.05,
    worker: Callable[[int], str] | None = None,
    **more: Any,
) -> Desk:
    """A finished batch of these rows. `seconds`: how long an attempt takes; `worker`: who made it."""
    batch = Batch.objects.create(
        pk="incident",
        processor=more.pop("processor", "test.do"),
        total_items=len(rows),
        max_attempts=max_attempts,
        status=Batch.Status.COMPLETED,
        finished_at=BEGAN + timedelta(hours=1),
        **more,
    )
    lanes = sorted({worker(n) for n in range(len(rows))}) if worker else ["host:1:1"]
    for lane, name in enumerate(lanes):
        Tenure.objects.create(batch=batch, lane=lane, worker=name, since=BEGAN - timedelta(hours=1))
    raised = {n: list(fails(n, row))[:max_attempts] for n, row in enumerate(rows)}
    items = Item.objects.bulk_create(
        item_of(batch, n, row, raised[n], seconds(n, row), lanes.index(worker(n)) if worker else 0)
        for n, row in enumerate(rows)
    )
    failures = [failure for item in items for failure in failures_of(item, raised[item.position], lanes)]
    with transaction.atomic():
        record_failures(batch, failures)
    failed = sum(item.status == Item.Status.FAILED for item in items)
    Checkpoint.objects.create(batch=batch, lane=0, failed=failed, succeeded=len(rows) - failed)
    return desk_of(batch)


def item_of(batch: Batch, n: int, row: Row, raised: Sequence[Exception], seconds: float, lane: int) -> Item:
    bad = len(raised) >= batch.max_attempts
    began = BEGAN + timedelta(seconds=PACE * n + (0 if bad else 60 * len(raised)))
    over = began + timedelta(seconds=seconds)
    return Item(
        batch=batch,
        position=n,
        key=f"k{n}",
        payload=dict(row),
        status=Item.Status.FAILED if bad else Item.Status.SUCCEEDED,
        attempts=len(raised) if bad else len(raised) + 1,
        started_at=began,
        finished_at=over,
        failed_at=over if bad else None,
        lane=lane,
        crashes=sum(getattr(error, "category", "") == "crash" for error in raised),
    )


def failures_of(item: Item, raised: Sequence[Exception], lanes: Sequence[str]) -> list[Failure]:
    began, took = BEGAN + timedelta(seconds=PACE * item.position), item.finished_at - item.started_at
    return [
        Failure(
            item_id=item.pk,
            item_key=item.key,
            position=item.position,
            payload=item.payload,
            attempt=attempt,
            exception=error,
            code=getattr(error, "code", "") or "",
            final=attempt == item.batch.max_attempts,
            started_at=began + timedelta(seconds=60 * (attempt - 1)),
            finished_at=began + timedelta(seconds=60 * (attempt - 1)) + took,
            worker=lanes[item.lane or 0],
        )
        for attempt, error in enumerate(raised, 1)
    ]


def desk_of(batch: Batch) -> Desk:
    recommendations.refresh(batch)
    plan = plans.make(batch.pk)
    return Desk(batch, error_analyzer.aggregate_errors(batch.pk).to_dict(), plan.totals)


def orders(n: int, seed: int = 1) -> list[dict[str, Any]]:
    """Rows of a file that have nothing to do with what fails."""
    import random

    chance = random.Random(seed)
    countries = ["DE", "FR", "IT", "ES", "PL", "GB", "NL"]
    return [
        {
            "order_no": f"A-{10_000 + k}",
            "country": chance.choice(countries),
            "amount": round(chance.lognormvariate(4, 0.8), 2),
            "customer": f"C{chance.randrange(60):05}",
            "express": chance.random() < 0.3,
        }
        for k in range(n)
    ]
