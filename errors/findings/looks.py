"""Has workers look at large batches: too much for a page to wait for."""

from __future__ import annotations

from django.core.cache import cache

from batches.lanes import batch_rows
from batches.waking import enqueue_by_name
from errors import findings

LOOK_REQUEST_SECONDS = 20
"""Between two requests to the workers to look at one batch."""


def ask_for_look(batch_id: str) -> None:
    """Have a worker look at a batch that somebody waits for; one request is enough, however many people wait."""
    if cache.add(f"look:{batch_id}", True, LOOK_REQUEST_SECONDS):
        enqueue_by_name("errors.tasks.look", batch_id)


def look_if_large(batch_id: str) -> None:
    """Have a worker look at a large batch, so that the first person who opens its report need not wait."""
    batch = batch_rows.batch_or_none(batch_id)
    if batch is not None and batch.total_items > findings.IN_PAGE_LIMIT and findings.is_due(batch):
        enqueue_by_name("errors.tasks.look", batch_id)
