"""The three steps of fix and resubmit: the rows to correct, the upload, and what was uploaded before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone

from batches import operations
from batches.intake import fixes
from batches.models import Batch, Fix, Item
from batches.wording import number_agrees
from errors.desk.addresses import desk_url
from errors.desk.export_menu import Download, downloads
from errors.desk.fix_forms import UploadForm
from errors.filters.error_filter import ErrorFilter

UPLOADS_LISTED = 50


@dataclass(frozen=True, slots=True)
class UploadRow:
    """A corrected file that was uploaded before; `outcome` is that of its retry, empty before it was applied."""

    fix: Fix
    outcome: Mapping[str, int]

    @property
    def result(self) -> str:
        """What came of it."""
        if self.fix.retry is None:
            expired = self.fix.expires_at is not None and self.fix.expires_at <= timezone.now()
            return "Expired" if expired else "Checked, not applied"
        parts = {"recovered": "recovered", "failed_again": "failed again", "waiting": "waiting"}
        shown = {name: label for name, label in parts.items() if self.outcome[name] or name == "recovered"}
        return ", ".join(f"{self.outcome[name]:,} {label}" for name, label in shown.items())


@dataclass(frozen=True, slots=True)
class FixSteps:
    """The page that leads through the steps."""

    batch: Batch
    error_filter: ErrorFilter
    form: UploadForm
    rows: int
    """Failed rows that the filter meets."""
    uploads: list[UploadRow]

    @property
    def sentence(self) -> str:
        which = " that the filter meets" if self.error_filter.query_string else ""
        if not self.rows:
            return f"No row{which} is failed now: there is nothing to correct."
        rows = number_agrees(self.rows, "row", "rows")
        if self.batch.is_ad_hoc:
            return f"{self.rows:,} {rows}{which} failed, and can be downloaded. {self.when}"
        return f"{self.rows:,} failed {rows}{which} can be corrected. What succeeded is not touched."

    @property
    def download_button(self) -> str:
        return f"Download {self.rows:,} {number_agrees(self.rows, 'row', 'rows')}"

    @property
    def downloads(self) -> list[Download]:
        return downloads(self.batch, "fix", self.download_button, self.error_filter)

    @property
    def at_rest(self) -> bool:
        """Whether a file can be applied now."""
        return operations.may_retry(self.batch)

    @property
    def when(self) -> str:
        """Why not, and when; empty where it can."""
        return operations.when_retried(self.batch, "a file can be checked now, and applied")

    @property
    def desk_url(self) -> str:
        return desk_url(self.batch.pk, self.error_filter.query_string)


def fix_steps(batch: Batch, error_filter: ErrorFilter, form: UploadForm) -> FixSteps:
    failed = Item.objects.filter(batch=batch, failed_at__isnull=False)
    rows = error_filter.items(batch) if error_filter.as_dict() else failed
    uploads = [UploadRow(fix, fix.retry.outcome() if fix.retry else {}) for fix in fixes.listed(batch)[:UPLOADS_LISTED]]
    return FixSteps(batch, error_filter, form, rows.count(), uploads)
