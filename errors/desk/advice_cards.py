"""A piece of advice as a card: why, what it should bring, its buttons, and what it brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from batches.extensions import Link
from batches.models import Batch
from batches.wording import quantity
from errors.desk.addresses import retry_url
from errors.desk.advice_choices import choices
from errors.desk.predictions import expectation_text
from errors.models import Recommendation

State = Recommendation.State
ITEMS_RECOVERED, ITEMS_AT_RISK = "items recovered", "items still at risk"
METRICS = {
    ITEMS_RECOVERED: "Expected back",
    "items recovered if retried unchanged": "Expected back by retrying unchanged",
}
"""How a card names what is predicted; other metrics stand as they are."""
FATES = {
    "recovered": "recovered",
    "failed_same": "failed the same way",
    "failed_differently": "failed differently",
    "skipped": "skipped",
    "waiting": "waiting",
}
UNDO_LABELS = {"aside": "Bring them back", "adjust": "Change it back", "assign": "Give it back"}
"""What takes an act back, by what it has left behind."""


@dataclass(frozen=True, slots=True)
class AdviceCard:
    """One recommendation, open or decided about."""

    advice: Mapping[str, Any]
    """As the report and REST show it."""
    track_record: str
    """How often predictions of its rule held."""
    metric: str
    predicted: str
    outcome: str
    """What became of its items; empty while that is unknown."""
    is_open: bool
    is_spent: bool
    """Whether it is about failed items, of which none is failed any more."""
    decision: str
    decided_at: datetime | None
    retry_url: str
    choices: list[Link]
    undo_label: str
    """What takes it back, once it is applied; empty where nothing does."""
    undo_url: str
    dismiss_url: str

    @property
    def confidence_text(self) -> str:
        confidence = self.advice["confidence"]
        return f"{confidence}{': it fits what failed, nothing more is known' if confidence == 'low' else ''}"


def advice_card(batch: Batch, advice: Mapping[str, Any]) -> AdviceCard:
    address, predicted = [batch.pk, advice["number"]], advice["predicted"]
    return AdviceCard(
        advice=advice,
        track_record=track_record(advice["record"]),
        metric=metric_label(predicted),
        predicted="" if is_out_of_risk(predicted) else expectation_text(predicted),
        outcome=outcome_text(advice),
        is_open=advice["state"] == State.OPEN,
        is_spent=is_spent(advice),
        decision="Done" if advice["state"] == State.NO_EFFECT else advice["state"].capitalize(),
        decided_at=parse_datetime(advice["at"]) if advice["at"] else None,
        retry_url=retry_url(batch.pk, advice["retry"]) if advice["retry"] else "",
        choices=choices(batch, advice, reverse("admin:errors_advice", args=address)),
        undo_label=UNDO_LABELS.get(next(iter(advice["undo"]), "")) or "" if advice["state"] == State.APPLIED else "",
        undo_url=reverse("admin:errors_advice_undo", args=address),
        dismiss_url=reverse("admin:errors_advice_dismiss", args=address),
    )


def track_record(record: Mapping[str, int]) -> str:
    if not record["measured"]:
        return "not measured yet"
    return f"its predictions held in {record['held']:,} of {record['measured']:,} cases"


def metric_label(predicted: Mapping[str, Any]) -> str:
    metric = str(predicted.get("metric", ITEMS_RECOVERED))
    return METRICS.get(metric, metric.capitalize())


def is_out_of_risk(predicted: Mapping[str, Any]) -> bool:
    """Whether it predicts what becomes of items still to come, of which there are none."""
    return predicted.get("metric") == ITEMS_AT_RISK and not predicted.get("high")


def is_spent(advice: Mapping[str, Any]) -> bool:
    about_failed = advice["action"].get("verb") in ("retry", "hold", "fix")
    return advice["state"] == State.OPEN and about_failed and advice["cost"].get("items") == 0


def outcome_text(advice: Mapping[str, Any]) -> str:
    """What became of its items, or of a plan's step; of a retry that is not over, so far."""
    if advice["undo"].get("aside"):
        return f"{quantity(advice['undo'].get('items', 0), 'item')} set aside"
    actual = advice.get("actual") or {}
    counts = ", ".join(f"{actual[name]:,} {label}" for name, label in FATES.items() if actual.get(name))
    return f"corrected: {counts}" if counts and advice["action"].get("verb") == "fix" else counts
