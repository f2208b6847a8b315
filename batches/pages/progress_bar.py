"""A batch's bar: how much of it has succeeded or was skipped, and how much has failed."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches.progress_tracker import Progress

WIDTH = 1000
SVG = """<svg class="bp-bar" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"
     aria-label="{percent} % done" data-bar data-total="{total}">
  <rect class="bp-track" width="1000" height="10"/>
  <rect class="bp-ok" data-part="ok" width="{ok}" height="10"/>
  <rect class="bp-bad" data-part="bad" x="{ok}" width="{bad}" height="10"/>
  <path class="bp-ticks" d="M250 0V10M500 0V10M750 0V10" vector-effect="non-scaling-stroke"/>
</svg>"""


@dataclass(frozen=True, slots=True)
class ProgressBar:
    """Stretches of a bar 1,000 wide; the script works out the same from what the socket sends."""

    succeeded: int
    failed: int
    total_items: int
    done_percent: float

    @property
    def svg(self) -> SafeString:
        """As it is drawn, on the page of a batch and in the list."""
        return format_html(SVG, percent=self.done_percent, total=self.total_items, ok=self.succeeded, bad=self.failed)


def progress_bar(progress: Progress) -> ProgressBar:
    whole = progress.total_items or 1
    return ProgressBar(
        succeeded=round(WIDTH * (progress.completed + progress.skipped) / whole),
        failed=round(WIDTH * (progress.failed + progress.quarantined) / whole),
        total_items=progress.total_items,
        done_percent=progress.done_percent,
    )
