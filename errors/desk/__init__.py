"""What the triage desk of a batch shows: put together from rollups and by index, whatever the batch's size."""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.text import Truncator

from batches.exceptions import InvalidInput
from batches.models import Batch
from batches.pages.item_list import items_between, items_url
from batches.pages.markup import pill
from errors.desk.charts import pictures, records_url, spark
from errors.desk.filter_bar import filter_bar
from errors.detectors.findings import percent
from errors.filters.ageing import AGEING_MEANS
from errors.filters.error_filter import ErrorFilter
from errors.findings import IN_PAGE_LIMIT, findings_of, is_due
from errors.findings.failed import FailedItems, failed_items
from errors.findings.problem_items import problem_items
from errors.findings.timeline import MAX_ERRORS_IN_PAGE, Extent, TimeBins, extent_of
from errors.models import BatchGroup, ErrorGroup, Findings

GROUPS_SHOWN = 25
FINDINGS_SHOWN = 6
"""So many are marked on the pictures; the weaker ones wait below, for those who ask."""


def sentence(batch: Batch, failed: FailedItems) -> str:
    """The desk's first line, for a person who was just woken."""
    if not failed.affected:
        return f"No item is failed now; {failed.done:,} of {failed.total:,} are done."
    of = f"of {failed.done:,} items so far" if failed.done < failed.total else f"of {failed.total:,} items"
    tail = f" Halted: {which_budget(batch)}" if batch.status == Batch.Status.HALTED else budget(batch)
    return f"{failed.affected:,} {of} failed ({failed.share}).{tail}"


def which_budget(batch: Batch) -> str:
    """The end of the reason: its counts stand before it in the sentence, and are newer there."""
    return batch.reason.partition("; ")[2] or batch.reason


def budget(batch: Batch) -> str:
    """How much may fail before the batch is halted."""
    limits = [f"{batch.max_errors:,} items"] if batch.max_errors is not None else []
    limits += [f"{batch.max_error_rate:g}%"] if batch.max_error_rate is not None else []
    return f" Its budget is {' or '.join(limits)}." if limits else ""


def desk_of(batch: Batch, error_filter: ErrorFilter, after: str = "", *, draw: bool = False) -> dict[str, Any]:
    """One batch's desk."""
    failed, extent, found = failed_items(batch), extent_of(batch), marked(batch)
    drawn = pictures(batch, extent, found[:FINDINGS_SHOWN], draw=draw)
    looking = batch.total_items > IN_PAGE_LIMIT and is_due(batch)
    affected = items_url(batch, failed=True) if batch.processor else records_url(batch)
    return {
        "batch": batch,
        "pill": pill(batch.status, batch.get_status_display()),
        "sentence": sentence(batch, failed),
        "failed": failed,
        "counts": [
            (of(failed.affected, "item") + " affected", failed.affected, affected),
            (of(extent.errors, "error") + " (attempts)", extent.errors, records_url(batch)),
            (of(extent.groups, "group"), extent.groups, "#groups"),
            ("set aside", failed.quarantined, items_url(batch, status__exact="QUARANTINED")),
        ],
        **drawn,
        "records_url": records_url(batch),
        "findings": found[:FINDINGS_SHOWN],
        "more_findings": found[FINDINGS_SHOWN:],
        "looking": looking,
        "waiting": looking or drawn["map"].pending or drawn["timeline"]["pending"],
        "moving": batch.status in Batch.ACTIVE,
        "problems": problems_of(batch, extent),
        "ageing_means": AGEING_MEANS,
        **filter_bar(batch, error_filter),
        **group_rows(batch, error_filter, after, extent, drawn["times"]),
    }


def of(n: int, word: str) -> str:
    return word if n == 1 else f"{word}s"


def marked(batch: Batch) -> list[Mapping[str, Any]]:
    """The findings with their letters; of a large batch the stored ones."""
    found = findings_of(batch, up_to=IN_PAGE_LIMIT)
    streams = {one["stream"] for one in found}
    named = ErrorGroup.objects.filter(processor=batch.processor, fingerprint__in=streams)
    titles = dict(named.values_list("fingerprint", "title"))
    return [
        {
            **one,
            "mark": ascii_uppercase[n % 26],
            "p_words": small(one["p"]),
            "counted": counted(one, titles),
            **between(batch, one),
        }
        for n, one in enumerate(found)
    ]


def counted(one: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Which failures a finding is about, if not all of them: its numbers leave the others out."""
    stream = one["stream"]
    if stream == "any":
        return ""
    return f"only “{Truncator(titles[stream]).chars(60)}”" if stream in titles else f"{stream} errors only"


def small(p: float) -> str:
    """A chance in digits that mean something."""
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}".replace("e-0", "e-")


def between(batch: Batch, one: Mapping[str, Any]) -> dict[str, str]:
    """Where to look at its items, if they stand together."""
    first, last = one["where"].get("start"), one["where"].get("end")
    if first is None or last is None:
        return {}
    return {"first_url": items_between(batch, first, last), "range_words": f"{first:,} to {last:,}"}


def problems_of(batch: Batch, extent: Extent) -> list[Any]:
    """Items that keep failing; of a batch with many errors, as they were at the last look."""
    if extent.errors <= MAX_ERRORS_IN_PAGE:
        return problem_items(batch)
    return Findings.objects.filter(batch=batch).values_list("problems", flat=True).first() or []


# -- the groups --------------------------------------------------------------------------------------------------------


def group_rows(
    batch: Batch, error_filter: ErrorFilter, after: str, extent: Extent, times: TimeBins | None
) -> dict[str, Any]:
    """A page of the groups that are asked for, or why they cannot be looked for."""
    try:
        met = error_filter.groups(batch)
        page = list(behind(met, after)[: GROUPS_SHOWN + 1])
        matching, counts = met.count(), matched(batch, error_filter, page)
    except InvalidInput as error:
        return {"refused": str(error), "groups": [], "matching": 0}
    last = page[GROUPS_SHOWN - 1] if len(page) > GROUPS_SHOWN else None
    return {
        "groups": [
            {**row_of(batch, row, extent.errors, times), "matched": counts.get(row.group_id)}
            for row in page[:GROUPS_SHOWN]
        ],
        "matching": matching,
        "paged": bool(after),
        "after": f"{last.items}-{last.errors}-{last.pk}" if last else "",
    }


def matched(batch: Batch, error_filter: ErrorFilter, page: list[BatchGroup]) -> dict[int, int]:
    """How many errors of each group are meant, where that is not all of them."""
    if not error_filter.needs_records:
        return {}
    met = error_filter.records(batch).filter(group__in=[row.group_id for row in page]).order_by()
    return dict(met.values_list("group").annotate(n=Count("pk")))


def behind(rows: QuerySet[BatchGroup], after: str) -> QuerySet[BatchGroup]:
    """The rows behind the last one of a page: those of fewer items, fewer errors, or a later id."""
    parts = after.split("-")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 19 for part in parts):
        return rows
    items, errors, pk = map(int, parts)
    return rows.filter(
        Q(items__lt=items) | Q(items=items, errors__lt=errors) | Q(items=items, errors=errors, pk__gt=pk)
    )


def row_of(batch: Batch, row: BatchGroup, errors: int, times: TimeBins | None) -> dict[str, Any]:
    address = reverse("admin:errors_group", args=[batch.pk, row.group.fingerprint])
    return {
        "rollup": row,
        "group": row.group,
        "pill": pill(row.group.state, row.group.state),
        "share": percent(row.errors / errors) if errors else "",
        "url": address,
        "items_url": f"{address}?tab=items",
        "errors_url": records_url(batch, group=row.group.fingerprint),
        "spark": spark(times.groups.get(row.group_id, ())) if times else None,
    }
