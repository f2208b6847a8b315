"""The tab of a group's page that shows one failure in full, and leads to the ones before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from batches.models import Batch
from errors.desk.group_page.digest import digest
from errors.desk.group_page.failure import ShownFailure, failure_of, records_of
from errors.desk.group_page.past_payload import past_payloads
from errors.models import BatchGroup


@dataclass(frozen=True, slots=True)
class SampleTab:
    """One failure of the group, with the ids of the failures before and after it; None if the records are gone."""

    template: ClassVar[str] = "admin/errors/group/sample.html"

    failure: ShownFailure | None
    previous: int | None = None
    next: int | None = None
    digest: str = ""
    """The group and this failure as Markdown, for a ticket."""


def sample_tab(batch: Batch, rollup: BatchGroup, record_id: int) -> SampleTab:
    """The failure of that id, or the latest."""
    records = records_of(batch, rollup.group)
    in_full = records.select_related("item", "traceback")
    record = in_full.filter(pk=record_id).first() or in_full.order_by("-pk").first()
    if record is None:
        return SampleTab(None)
    failure = failure_of(batch, record, past_payloads(record.item))
    return SampleTab(
        failure=failure,
        previous=records.filter(pk__lt=record.pk).order_by("-pk").values_list("pk", flat=True).first(),
        next=records.filter(pk__gt=record.pk).values_list("pk", flat=True).first(),
        digest=digest(rollup, failure),
    )
