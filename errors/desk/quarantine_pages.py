"""The pages of items set aside: what would be taken, and what was, with the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from batches.lifecycle import quarantined_items, scopes
from batches.models import Batch, Item, Quarantine
from batches.pages.item_list import items_url
from batches.wording import quantity
from errors.desk.act_confirmation import ActConfirmation
from errors.desk.addresses import desk_url
from errors.desk.confirm_form import ConfirmForm
from errors.desk.item_samples import item_samples
from errors.recovery.scope_text import describe_scope

SAMPLES = 5
ROWS = 100


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One act of setting items aside: which, and how many of them are aside now."""

    act: Quarantine
    which: str
    items_now: int


@dataclass(frozen=True, slots=True)
class QuarantineList:
    """What people have set aside in a batch, the latest first."""

    batch: Batch
    rows: list[QuarantineRow]

    @property
    def items_url(self) -> str:
        return items_url(self.batch, status__exact=Item.Status.QUARANTINED.value)


def items_to_take(batch: Batch, scope: Mapping[str, Any]) -> QuerySet[Item]:
    """The failed and waiting items of a scope; InvalidInput for a scope that cannot be read."""
    name, value = scopes.only_scope(scope)
    return quarantined_items.select(batch, scopes.with_waiting_items(batch, name, value))


@dataclass(frozen=True, slots=True)
class ItemsToTake:
    """How many items would be set aside, and how many of them have not had their turn yet."""

    all: int
    waiting: int


def count_to_take(items: QuerySet[Item]) -> ItemsToTake:
    waiting = Count("pk", filter=Q(status=Item.Status.PENDING))
    return ItemsToTake(**items.order_by().aggregate(all=Count("pk"), waiting=waiting))


def quarantine_confirmation(
    batch: Batch, scope: Mapping[str, Any], items: QuerySet[Item], counted: ItemsToTake, form: ConfirmForm, notice: str
) -> ActConfirmation:
    number = quantity(counted.all, "item")
    return ActConfirmation(
        batch=batch,
        crumb="Set aside",
        question=f"Set {number} {describe_scope(batch, scope)} aside?",
        effects=effects(counted.waiting),
        button=f"Set {number} aside",
        form=form,
        back_url=desk_url(batch.pk),
        samples=item_samples(items.order_by("position")[:SAMPLES]),
        is_possible=counted.all > 0,
        notice=notice,
    )


def effects(waiting: int) -> list[str]:
    """`waiting` of the items have not had their turn yet."""
    never = f" {quantity(waiting, 'item')} of them wait for their turn, and do not get it." if waiting else ""
    return [
        f"No run and no retry touches them until they are brought back; they count as quarantined.{never}",
        "The rest of the batch goes on without them. They do not count against its error budget.",
        "It can be undone: bring them back, and each is as it is now.",
    ]


def quarantine_list(batch: Batch) -> QuarantineList:
    acts = batch.quarantines.annotate(items_now=Count("taken", filter=Q(taken__back_at__isnull=True)))
    latest = acts.order_by("-number")[:ROWS]
    return QuarantineList(
        batch, [QuarantineRow(act, describe_scope(batch, act.scope), act.items_now) for act in latest]
    )
