"""What the hub reads: one set of queries for all watched batches, on a thread with a lasting connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection

from batches.engine.waiting_reasons import WaitingReasons
from batches.live.admission import Admission, revoked_admissions
from batches.models import Batch, Transition
from batches.progress_text import words_of
from batches.progress_tracker import Progress, progress_of


@dataclass(slots=True)
class Reading:
    """Watched batches by id, the transitions since the last reading, and the admissions that no longer hold."""

    batches: dict[str, Batch]
    progress: Mapping[str, Progress]
    words: Mapping[str, Mapping[str, Any]]
    """What stands beside each batch's progress; worked out here, as the hub's own loop must not ask the database."""
    transitions: list[Transition]
    revoked: set[Admission]


def read(batch_ids: list[str], after: int, admissions: set[Admission]) -> Reading:
    """These batches, their transitions after the one of id `after`, and which of these admissions are revoked."""
    batches = Batch.objects.in_bulk(batch_ids)
    progress = progress_of(list(batches.values()))
    transitions = Transition.objects.filter(pk__gt=after, batch__in=batch_ids).order_by("pk")
    revoked = revoked_admissions(admissions) if admissions else set()
    reasons = WaitingReasons()
    words = {pk: words_of(batch, progress[pk], reasons) for pk, batch in batches.items()}
    return Reading(batches, progress, words, list(transitions), revoked)


def newest_transition() -> int:
    """The highest id of a transition; 0 if there is none."""
    newest = Transition.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


class DatabaseThread:
    """One thread and its lasting connection, which is closed when the database refused something."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="hub")

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        def run() -> Any:
            try:
                return function(*arguments)
            except AnyDatabaseError:
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self.pool, run)
