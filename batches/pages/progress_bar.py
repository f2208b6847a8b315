"""A batch's bar: how much of it has succeeded or was skipped, and how much has failed."""

from __future__ import annotations

from dataclasses import dataclass

from batches.progress_tracker import Progress

WIDTH = 1000


@dataclass(frozen=True, slots=True)
class ProgressBar:
    """Stretches of a bar 1,000 wide; the script works out the same from what the socket sends."""

    succeeded: int
    failed: int
    total_items: int
    done_percent: float


def progress_bar(progress: Progress) -> ProgressBar:
    whole = progress.total_items or 1
    return ProgressBar(
        succeeded=round(WIDTH * (progress.completed + progress.skipped) / whole),
        failed=round(WIDTH * (progress.failed + progress.quarantined) / whole),
        total_items=progress.total_items,
        done_percent=progress.done_percent,
    )
