"""What the desk says is to be done about a batch's failures: advice, the plan, and what was done last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from batches.models import Batch
from errors.desk.advice_cards import AdviceCard, advice_card
from errors.desk.bulk_pages import PAST
from errors.desk.plan_card import PlanCard, plan_card
from errors.desk.retry_list import RetryRow, last_retry
from errors.findings import IN_PAGE_LIMIT, errors_of, scatter_of
from errors.models import BulkAct, Recommendation
from errors.recovery import recommendations

DISMISSED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class DismissedAdvice:
    """Advice that nobody wants to see, and the way to show it again."""

    title: str
    by: str
    url: str


@dataclass(frozen=True, slots=True)
class LastAct:
    """The last verb upon many groups, which can be undone on its page."""

    text: str
    by: str
    at: datetime
    is_undone: bool
    url: str


@dataclass(frozen=True, slots=True)
class AdviceSection:
    """What is to be done, and what was done last."""

    scatter: str
    """That the failures are spread evenly, where they are."""
    cards: list[AdviceCard]
    spent: list[AdviceCard]
    dismissed: list[DismissedAdvice]
    plan: PlanCard
    last_retry: RetryRow | None
    last_act: LastAct | None
    has_quarantines: bool
    """Whether somebody has set items aside, now or before."""

    @property
    def is_shown(self) -> bool:
        return bool(self.cards or self.spent or self.dismissed)


def advice_section(batch: Batch) -> AdviceSection:
    """Stored advice of a large batch; worked out anew for a small one that has changed."""
    listed = recommendations.listed(batch, errors_of(batch), up_to=IN_PAGE_LIMIT)
    cards = [advice_card(batch, advice) for advice in listed]
    return AdviceSection(
        scatter=scatter_of(batch),
        cards=[card for card in cards if not card.is_spent],
        spent=[card for card in cards if card.is_spent],
        dismissed=dismissed_advice(batch),
        plan=plan_card(batch),
        last_retry=last_retry(batch),
        last_act=last_act(batch),
        has_quarantines=batch.quarantines.exists(),
    )


def last_act(batch: Batch) -> LastAct | None:
    act = BulkAct.objects.filter(batch=batch).defer("refused").order_by("-number").first()
    if act is None:
        return None
    return LastAct(
        text=f"{len(act.changed):,} {PAST[act.verb]}",
        by=act.actor,
        at=act.at,
        is_undone=bool(act.undone),
        url=reverse("admin:errors_bulk", args=[batch.pk, act.number]),
    )


def dismissed_advice(batch: Batch) -> list[DismissedAdvice]:
    dismissed = Recommendation.objects.filter(batch=batch, state=Recommendation.State.DISMISSED).order_by("-number")
    return [
        DismissedAdvice(advice.title, advice.by, reverse("admin:errors_advice_undo", args=[batch.pk, advice.number]))
        for advice in dismissed[:DISMISSED_SHOWN]
    ]
