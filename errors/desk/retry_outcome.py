"""What became of the items of a bulk retry, in numbers: by fate, as a bar, by wave, and by what they failed with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Q

from batches.models import Item, RetriedItem, Retry
from errors.desk.addresses import group_url, retry_url
from errors.models import ErrorGroup

Fate = RetriedItem.Fate
GROUPS_LISTED = 50
BAR_WIDTH = 1000
SECOND_WAVE = 100
WAITING_STATUSES = (Item.Status.PENDING, Item.Status.RUNNING)
FATES: dict[str, tuple[str, Q]] = {
    "recovered": (
        "Recovered",
        Q(fate=Fate.RECOVERED) | Q(fate=Fate.RELEASED, item__status__in=Item.SUCCESSFUL_STATUSES),
    ),
    "failed_same": ("Failed the same way", Q(fate=Fate.SAME)),
    "failed_differently": ("Failed differently", Q(fate=Fate.DIFFERENT)),
    "failed_again": (
        "Failed again, not compared yet",
        Q(fate=Fate.RELEASED, item__status__in=Item.FAILED_STATUSES),
    ),
    "skipped": ("Skipped", Q(fate=Fate.SKIPPED)),
    "waiting": ("Waiting", Q(fate=Fate.WAITING) | Q(fate=Fate.RELEASED, item__status__in=WAITING_STATUSES)),
}
"""What can become of an item of a retry, by its name in addresses: its label, and which items it became of."""


@dataclass(frozen=True, slots=True)
class FateCount:
    """How many items met a fate, and where they are listed."""

    name: str
    label: str
    items: int
    url: str


@dataclass(frozen=True, slots=True)
class Bar:
    """How much is tried: what recovered and what failed again, of a width of 1,000."""

    recovered: int
    failed: int
    percent: int


@dataclass(frozen=True, slots=True)
class Wave:
    """The canary, the next hundred or the rest: how many of its items were tried."""

    name: str
    size: int
    tried: int

    @property
    def is_over(self) -> bool:
        return self.tried >= self.size


@dataclass(frozen=True, slots=True)
class GroupBeforeAfter:
    """How many items failed with a group's error before the retry, and how many after it."""

    title: str
    url: str
    before: int
    after: int
    waiting: int
    is_new: bool


def fate_counts(retry: Retry, outcome: Mapping[str, int]) -> list[FateCount]:
    """The numbers of the page; those not compared yet only while there are some."""
    uncompared = outcome["failed_again"] - outcome["failed_same"] - outcome["failed_differently"]
    counts = {**outcome, "failed_again": uncompared}
    return [
        FateCount(name, label, counts[name], retry_url(retry.batch_id, retry.number, fate=name))
        for name, (label, _) in FATES.items()
        if counts[name] or name != "failed_again"
    ]


def bar(retry: Retry, outcome: Mapping[str, int]) -> Bar:
    whole = max(1, retry.items)
    return Bar(
        recovered=round(BAR_WIDTH * outcome["recovered"] / whole),
        failed=round(BAR_WIDTH * outcome["failed_again"] / whole),
        percent=100 * (retry.items - outcome["waiting"]) // whole,
    )


def waves(retry: Retry, outcome: Mapping[str, int]) -> list[Wave]:
    """The canary, a hundred, and the rest; none of a retry that sends all at once."""
    if not retry.canary:
        return []
    tried, left = max(0, retry.items - outcome["waiting"]), retry.items
    waves: list[Wave] = []
    for name, most in (("Canary", retry.canary), ("The next hundred", SECOND_WAVE), ("The rest", left)):
        wave = Wave(name, min(most, left), min(most, left, tried))
        tried, left = tried - wave.tried, left - wave.size
        if wave.size:
            waves.append(wave)
    return waves


def groups_before_after(retry: Retry) -> list[GroupBeforeAfter]:
    """Fingerprint by fingerprint, those with most items before the retry first."""
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    columns = ("kind_before", "kind_after", "fate", "item__status")
    counted = retry.retried.exclude(fate=Fate.SKIPPED).order_by().values_list(*columns).annotate(n=Count("pk"))
    for kind_before, kind_after, fate, status, n in counted:
        before[kind_before] += n
        name = RetriedItem.names(fate, status)[0]
        if name == "waiting":
            waiting[kind_before] += n
        elif name == "failed_again":
            after[kind_after if fate == Fate.DIFFERENT else kind_before] += n
    kinds = sorted(before | after, key=lambda kind: -before[kind])[:GROUPS_LISTED]
    named = ErrorGroup.objects.filter(processor=retry.batch.processor, fingerprint__in=kinds)
    groups = {group.fingerprint: group for group in named}
    return [
        GroupBeforeAfter(
            title=str(groups[kind]) if kind in groups else kind or "unknown",
            url=group_url(retry.batch_id, kind) if kind in groups else "",
            before=before[kind],
            after=after[kind],
            waiting=waiting[kind],
            is_new=not before[kind],
        )
        for kind in kinds
    ]
