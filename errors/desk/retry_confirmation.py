"""The page on which a bulk retry is confirmed: what it will do, to how many items, and what should come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from batches import durations, operations, progress_tracker
from batches.models import Batch
from batches.wording import quantity
from errors.desk.addresses import desk_url
from errors.desk.item_samples import ItemSample, item_samples
from errors.desk.predictions import interval_text
from errors.desk.retry_form import RetryForm
from errors.recovery.forecast import Forecast
from errors.recovery.scope_text import describe_scope

BAR_WIDTH = 1000
SHADES = 4
UNFOLDED_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class CategoryShare:
    """One category's stretch of the bar of what the items failed with; `x` and `width` of its 1,000."""

    category: str
    items: int
    x: int
    width: int
    shade: int


@dataclass(frozen=True, slots=True)
class RetryConfirmation:
    """Everything a person should know before saying yes."""

    batch: Batch
    forecast: Forecast
    form: RetryForm
    question: str
    pace: str
    """How fast the items go and how long that takes."""
    categories: list[CategoryShare]
    samples: list[ItemSample]
    rehearsal_url: str
    """Where a sample of the same items is rehearsed; empty where that is not possible now."""
    selected_ids: str = ""
    """Ids of items selected in a list, comma-separated; empty for any other scope."""
    notice: str = ""
    """What has changed since the page was drawn before; empty: nothing."""

    @property
    def form_url(self) -> str:
        """Where the answers go, if not to the page's own address."""
        return reverse("admin:errors_retry_items", args=[self.batch.pk]) if self.selected_ids else ""

    @property
    def items(self) -> int:
        """How many are tried, or would be if those that cannot pass unchanged are tried all the same."""
        return self.forecast.tried or self.forecast.permanent

    @property
    def expected(self) -> str:
        return interval_text(self.forecast.predicted_for(False))

    @property
    def basis(self) -> str:
        return self.forecast.predicted.basis if self.forecast.predicted else ""

    @property
    def button(self) -> str:
        return f"Retry {quantity(self.items, 'item')}"

    @property
    def at_rest(self) -> bool:
        """Whether a retry can begin now."""
        return operations.may_retry(self.batch)

    @property
    def when(self) -> str:
        """Why it cannot, and when it can; empty where it can."""
        return operations.when_retried(self.batch)

    @property
    def held_by_budget(self) -> str:
        """Why the batch halted, and would again; empty for one that its error budget does not hold."""
        return operations.holding_reason(self.batch)

    @property
    def rehearsal_button(self) -> str:
        return f"Rehearse {min(operations.DEFAULT_CANARY, self.items):,} instead"

    @property
    def has_few_samples(self) -> bool:
        """Whether they are shown without being asked for."""
        return len(self.samples) <= UNFOLDED_SAMPLES

    @property
    def desk_url(self) -> str:
        return desk_url(self.batch.pk)


def retry_confirmation(
    batch: Batch, scope: Mapping[str, Any], forecast: Forecast, form: RetryForm, *, selected_ids: str, notice: str
) -> RetryConfirmation:
    return RetryConfirmation(
        batch=batch,
        forecast=forecast,
        form=form,
        question=question(forecast, describe_scope(batch, scope)),
        pace=pace(batch, forecast.tried or forecast.permanent),
        categories=category_shares(forecast.categories),
        samples=item_samples(forecast.samples),
        rehearsal_url=rehearsal_url(batch, scope) if operations.may_rehearse(batch) else "",
        selected_ids=selected_ids,
        notice=notice,
    )


def question(forecast: Forecast, which: str) -> str:
    """`which` says which items, behind their number."""
    if forecast.tried or not forecast.permanent:
        return f"Retry {quantity(forecast.tried, 'item')} {which}?"
    items = quantity(forecast.failed, "item")
    return f"None of the {items} {which} can pass unchanged. Retry them all the same?"


def pace(batch: Batch, items: int) -> str:
    """How fast so many items go and how long that takes, by the batch's rate or its pace so far."""
    velocity = progress_tracker.get_progress(batch.pk).current_velocity
    speeds = [speed for speed in (batch.rate, velocity) if speed]
    if not speeds or not items:
        return "as fast as they go"
    speed = min(speeds)
    if speed < 1:
        return f"at {speed:.2g} a second"
    return f"at {speed:,.0f} a second: about {durations.spaced(durations.rough(items / speed))}"


def category_shares(items_by_category: Mapping[str, int]) -> list[CategoryShare]:
    """The stretches of the bar, side by side; no rounding error adds up."""
    whole, x, shares = sum(items_by_category.values()) or 1, 0.0, []
    for place, (category, items) in enumerate(items_by_category.items()):
        width = BAR_WIDTH * items / whole
        shares.append(CategoryShare(category, items, round(x), round(width), place % SHADES))
        x += width
    return shares


def rehearsal_url(batch: Batch, scope: Mapping[str, Any]) -> str:
    """Where the same items are rehearsed; empty for selected ones, which an address cannot hold."""
    if "item_keys" in scope:
        return ""
    query = {"group": scope["group"]} if "group" in scope else scope.get("matching", {})
    return f"{reverse('admin:errors_rehearse', args=[batch.pk])}?{urlencode(query)}"
