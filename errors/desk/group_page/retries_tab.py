"""The tab of a group's page on bulk retries: what each brought to its items, beside what was predicted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar

from django.db.models import Count, F, Value

from batches.models import Batch, RetriedItem, Retry
from errors.desk.addresses import group_url, retry_url
from errors.models import BatchGroup, ErrorGroup, Recommendation

ROWS = 10
RETRIES_READ = 3 * ROWS
OTHERS_LISTED = 5
BAR_WIDTH = 1000
FATES = {
    "recovered": "recovered",
    "failed_same": "the same error",
    "failed_differently": "another error",
    "skipped": "left out",
    "waiting": "waiting",
}


@dataclass(slots=True)
class FateCounts:
    """How many of the group's items met which fate in a retry, and with which other fingerprints some failed."""

    fates: Counter[str] = field(default_factory=Counter)
    other_kinds: Counter[str] = field(default_factory=Counter)

    @property
    def uncompared(self) -> int:
        """Items that failed again and were not compared with their failure before yet."""
        return self.fates["failed_again"] - self.fates["failed_same"] - self.fates["failed_differently"]


@dataclass(frozen=True, slots=True)
class FateBar:
    """One fate's stretch of a retry's bar, in thousandths."""

    fate: str
    text: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class OtherError:
    """Another group in which some of the items failed; without a page here it is known by its fingerprint."""

    items: int
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class GroupRetry:
    """One retry that tried items of the group."""

    retry: Retry
    items: int
    bars: list[FateBar]
    fates: Mapping[str, int]
    """Items by fate, those not compared yet among the waiting ones."""
    others: list[OtherError]
    prediction: Mapping[str, Any]
    """What was expected of the whole retry: low, mid, high; empty: nothing."""
    is_as_predicted: bool | None

    @property
    def name(self) -> str:
        return f"{'Fix' if self.retry.kind == Retry.Kind.FIX else 'Retry'} {self.retry.number}"

    @property
    def url(self) -> str:
        return retry_url(self.retry.batch_id, self.retry.number)

    @property
    def bar_text(self) -> str:
        return ", ".join(bar.text for bar in self.bars)

    @property
    def waiting_text(self) -> str:
        """What those are that have no fate yet, or never had one."""
        return "waiting" if self.retry.state in Retry.OPEN else "not tried"

    @property
    def interval(self) -> str:
        """The prediction's interval, of all items of the retry where the group has not all of them."""
        low, high = self.prediction.get("low"), self.prediction.get("high")
        if low is None or high is None:
            return ""
        of_all = f", of all {self.retry.items:,}" if self.retry.items != self.items else ""
        return f"{low:,}–{high:,}{of_all}"


@dataclass(frozen=True, slots=True)
class RetriesTab:
    """The latest retries that tried items which had failed so, the latest first."""

    template: ClassVar[str] = "admin/errors/group/retries.html"

    rows: list[GroupRetry]


def retries_tab(batch: Batch, group: ErrorGroup) -> RetriesTab:
    counts = fate_counts(batch, group)
    retries = list(batch.retries.filter(pk__in=counts).order_by("-number")[:ROWS])
    kinds = {kind for retry in retries for kind in counts[retry.pk].other_kinds}
    titles, predictions = titles_here(batch, kinds), predictions_of(batch, retries)
    return RetriesTab([retry_row(retry, counts[retry.pk], titles, *predictions[retry.number]) for retry in retries])


def fate_counts(batch: Batch, group: ErrorGroup) -> dict[int, FateCounts]:
    """By the id of the retry. Only items that were put back and not judged yet are asked for their status: a retry
    may have a million others.
    """
    latest = list(batch.retries.order_by("-number").values_list("pk", flat=True)[:RETRIES_READ])
    kinds = [group.fingerprint, *group.merged.values_list("fingerprint", flat=True)]
    rows = RetriedItem.objects.filter(retry__in=latest, kind_before__in=kinds).order_by()
    judged = rows.exclude(fate=RetriedItem.Fate.RELEASED).annotate(status=Value(""))
    put_back = rows.filter(fate=RetriedItem.Fate.RELEASED).annotate(status=F("item__status"))
    counts: dict[int, FateCounts] = defaultdict(FateCounts)
    counted = (
        some.values_list("retry", "fate", "status", "kind_after").annotate(n=Count("pk")) for some in (judged, put_back)
    )
    for retry, fate, status, after, n in chain.from_iterable(counted):
        is_merged_since = fate == RetriedItem.Fate.DIFFERENT and after in kinds
        names = RetriedItem.NAMES[RetriedItem.Fate.SAME] if is_merged_since else RetriedItem.names(fate, status)
        for name in names:
            counts[retry].fates[name] += n
        if after and after not in kinds:
            counts[retry].other_kinds[after] += n
    return counts


def titles_here(batch: Batch, fingerprints: Collection[str]) -> dict[str, str]:
    """Titles of those groups that have a page in the batch, by fingerprint."""
    groups = ErrorGroup.objects.filter(processor=batch.processor, fingerprint__in=fingerprints)
    rows = BatchGroup.objects.filter(batch=batch, group__in=groups).select_related("group")
    return {row.group.fingerprint: str(row.group) for row in rows}


def predictions_of(batch: Batch, retries: Collection[Retry]) -> dict[int, tuple[Mapping[str, Any], bool | None]]:
    """number -> what was expected of the whole retry, by itself or by its advice, and whether that held."""
    predictions: dict[int, tuple[Mapping[str, Any], bool | None]]
    predictions = {retry.number: (retry.predicted, None) for retry in retries}
    for advice in Recommendation.objects.filter(batch=batch, retry__in=list(predictions), held__isnull=False):
        predictions[advice.retry or 0] = (advice.predicted, advice.held)
    return predictions


def retry_row(
    retry: Retry,
    counts: FateCounts,
    titles: Mapping[str, str],
    prediction: Mapping[str, Any],
    is_as_predicted: bool | None,
) -> GroupRetry:
    fates, total = counts.fates, sum(counts.fates[name] for name in FATES)
    return GroupRetry(
        retry=retry,
        items=total + counts.uncompared,
        bars=fate_bars(fates, total),
        fates={name: fates[name] for name in FATES} | {"waiting": fates["waiting"] + counts.uncompared},
        others=[
            other_error(retry, kind, items, titles.get(kind, ""))
            for kind, items in counts.other_kinds.most_common(OTHERS_LISTED)
        ],
        prediction=prediction,
        is_as_predicted=is_as_predicted,
    )


def other_error(retry: Retry, kind: str, items: int, title: str) -> OtherError:
    url = group_url(retry.batch_id, kind) if title else ""
    return OtherError(items, title or kind, url)


def fate_bars(fates: Mapping[str, int], total: int) -> list[FateBar]:
    x, bars = 0.0, []
    for fate, label in FATES.items():
        if width := BAR_WIDTH * fates[fate] / total if total else 0:
            bars.append(FateBar(fate, f"{fates[fate]:,} {label}", round(x, 1), round(width, 1)))
        x += width
    return bars
