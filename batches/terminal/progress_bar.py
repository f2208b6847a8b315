"""The live progress bar of a batch, on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable

from batches import progress_tracker
from batches.extensions import current_notices
from batches.models import Batch
from batches.progress_text import last_try

SECONDS_BETWEEN_LOOKS = 0.25


class ProgressBar:
    """Read from the database at most four times a second; `silent` draws nothing. Entered, it answers its update."""

    def __init__(self, batch_id: str, *, silent: bool) -> None:
        from rich.console import Console  # with the first bar, not with every verb
        from rich.progress import BarColumn, Progress, TextColumn

        self.batch_id, self.silent, self.looked_at = batch_id, silent, 0.0
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
        self.progress = Progress(*columns, console=Console(stderr=True), transient=False, disable=silent)

    def __enter__(self) -> Callable[..., None]:
        self.progress.start()
        self.task = self.progress.add_task(self.batch_id, total=None, words="")
        return self.update

    def __exit__(self, *raised: object) -> None:
        self.progress.stop()

    def update(self, force: bool = False) -> None:
        if self.silent or (time.monotonic() - self.looked_at < SECONDS_BETWEEN_LOOKS and not force):
            return
        self.looked_at = time.monotonic()
        batch = progress_tracker.get_progress(self.batch_id)
        failed = batch.failed + batch.quarantined
        speed = f"  {batch.recent_velocity:,.0f}/s" if batch.recent_velocity else ""
        left = f"  {batch.eta_human} left" if batch.eta_human and not batch.waiting else ""
        left += f"  {batch.waiting:,} waiting until {last_try(batch)}" if batch.waiting else ""
        notices = current_notices() if batch.status in Batch.ACTIVE else ()
        missing = "".join(f"  {notice.text}" for notice in notices)
        words = f"{batch.done_percent} %  {batch.done:,}/{batch.total_items:,}{speed}{left}  {failed:,} failed{missing}"
        self.progress.update(self.task, total=batch.total_items or 1, completed=batch.done, words=words)
