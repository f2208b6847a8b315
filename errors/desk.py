"""What the triage desk shows: counts and groups, put together from rollups and by index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Sum
from django.urls import reverse
from django.utils.http import urlencode

from batches.models import Batch, Checkpoint
from batches.pages import items_url, pill
from errors.ageing import WHY, badge
from errors.asked import OPEN, Asked, groups
from errors.detectors.findings import percent
from errors.detectors.statistics import wilson
from errors.models import STANDING, BatchGroup, ErrorGroup

GROUPS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Failed:
    """Failed items now, of how many, with Wilson's 95 % interval of their share."""

    failed: int
    quarantined: int
    total: int
    done: int

    @property
    def affected(self) -> int:
        return self.failed + self.quarantined

    @property
    def share(self) -> str:
        low, high = wilson(self.affected, self.done)
        return (
            f"{percent(self.affected / self.done)}, between {percent(low)} and {percent(high)}" if self.done else "none"
        )


def failed_of(batch: Batch) -> Failed:
    sums = Checkpoint.objects.filter(batch=batch).aggregate(
        failed=Sum("failed", default=0),
        quarantined=Sum("quarantined", default=0),
        succeeded=Sum("succeeded", default=0),
        skipped=Sum("skipped", default=0),
    )
    return Failed(sums["failed"], sums["quarantined"], batch.total_items, sum(sums.values()))


def sentence(batch: Batch, failed: Failed) -> str:
    """The desk's first line, for a person who was just woken."""
    if not failed.affected:
        return f"No item is failed now; {failed.done:,} of {failed.total:,} are done."
    of = f"of {failed.done:,} items so far" if failed.done < failed.total else f"of {failed.total:,} items"
    tail = f" Halted: {batch.reason}" if batch.status == Batch.Status.HALTED else ""
    return f"{failed.affected:,} {of} failed ({failed.share}).{tail}"


def desk_of(batch: Batch, asked: Asked) -> dict[str, Any]:
    """One batch's desk."""
    failed = failed_of(batch)
    everything = BatchGroup.objects.filter(batch=batch)
    whole = everything.aggregate(groups=Count("pk"), errors=Sum("errors", default=0))
    matching = groups(batch, asked)
    return {
        "batch": batch,
        "pill": pill(batch.status, batch.get_status_display()),
        "sentence": sentence(batch, failed),
        "failed": failed,
        "counts": [
            ("items affected", failed.affected, items_url(batch, failed=True)),
            ("errors (attempts)", whole["errors"], records_url(batch)),
            ("groups", whole["groups"], "#groups"),
            ("quarantined", failed.quarantined, items_url(batch, status__exact="QUARANTINED")),
        ],
        "groups": [row_of(row, failed, whole["errors"]) for row in matching[:GROUPS_SHOWN]],
        "matching": matching.count(),
        "shown": GROUPS_SHOWN,
        "ageing_means": WHY,
        "asked": asked,
        "states": [("open", "open"), *((state.value, state.value) for state in ErrorGroup.State)],
        "categories": sorted(everything.values_list("group__category", flat=True).distinct().order_by()),
    }


def records_url(batch: Batch, **filters: Any) -> str:
    query = urlencode({"batch__id__exact": batch.pk, **filters})
    return f"{reverse('admin:errors_errorrecord_changelist')}?{query}"


def row_of(row: BatchGroup, failed: Failed, errors: int) -> dict[str, Any]:
    return {
        "rollup": row,
        "group": row.group,
        "pill": pill(row.group.state, row.group.state),
        "share": percent(row.errors / errors) if errors else "",
        "url": reverse("admin:errors_group", args=[row.batch_id, row.group.fingerprint]),
        "items_url": reverse("admin:errors_group", args=[row.batch_id, row.group.fingerprint]) + "?tab=items",
    }


# -- over all batches --------------------------------------------------------------------------------------------------


def overview(most: int = GROUPS_SHOWN) -> dict[str, Any]:
    """What needs attention now, over all batches: open groups, those that touch most items first."""
    standing = ErrorGroup.objects.filter(STANDING, state__in=OPEN).select_related("assignee")
    counted = standing.annotate(
        items=Sum("batches__items", default=0),
        errors=Sum("batches__errors", default=0),
        seen_in=Count("batches"),
        ageing=badge(),
    ).order_by("-last_seen", "pk")
    rows = list(counted[:most])
    latest = latest_batches([group.pk for group in rows])
    return {
        "groups": [
            {"group": group, "pill": pill(group.state, group.state), "batch": latest.get(group.pk)} for group in rows
        ],
        "open": standing.count(),
        "shown": most,
        "ageing_means": WHY,
    }


def latest_batches(groups: Sequence[int]) -> dict[int, str]:
    """The batch in which each group was seen last."""
    seen = BatchGroup.objects.filter(group__in=groups).order_by("last_seen").values_list("group", "batch")
    return dict(seen)
