"""One row an error: every failed attempt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from errors import asked
from errors.models import BatchGroup, ErrorGroup, ErrorRecord
from errors.tables.base import AT_ONCE, TRUTH, Page, Row, Table

READ = (
    *("pk", "position", "item_key", "attempt", "started_at", "finished_at", "worker", "category", "error_type"),
    *("code", "message", "group_id", "retryable", "traceback_id", "item__status"),
)
MILLISECOND = timedelta(milliseconds=1)


class Detail(Table):
    kind = "detail"
    list_name = "errors"
    columns = (
        *("batch_id", "item_index", "item_key", "attempt", "started_at", "finished_at", "duration_ms", "worker"),
        *("category", "error_type", "error_code", "message", "template", "group_id", "group_state", "retryable"),
        *("final_state", "traceback_sha", "url"),
    )
    free = ("item_key", "worker", "error_type", "error_code", "message", "template")
    truths = ("retryable",)

    def records(self) -> QuerySet[ErrorRecord]:
        return asked.records(self.batch, self.asked).filter(pk__lte=self.frozen_to)

    def count(self) -> int:
        return self.records().count()

    def pages(self, after: Any = None) -> Iterator[Page]:
        rows, last = self.records().order_by("pk").values_list(*READ), after or 0
        groups = Groups(
            BatchGroup.objects.filter(batch=self.batch).values_list("group", "group__title", "group__state")
        )
        batch_id, url = self.batch.pk, settings.PORTAL_URL + reverse("admin:errors_errorrecord_change", args=[0])
        before, _, behind = url.rpartition("0")
        while page := list(rows.filter(pk__gt=last)[:AT_ONCE]):
            last = page[-1][0]
            made: list[Row] = []
            for pk, at, key, n, begun, ended, worker, sort, kind, code, said, group, retryable, sha, state in page:
                title, group_state = groups[group]
                times = (f"{begun.isoformat()[:-6]}Z", f"{ended.isoformat()[:-6]}Z", (ended - begun) // MILLISECOND)
                what = (sort, kind, code, said, title, group, group_state, TRUTH[retryable])
                made.append((batch_id, at, key, n, *times, worker, *what, state, sha, f"{before}{pk}{behind}"))
            yield last, made


class Groups(dict[int, tuple[str, str]]):
    """group -> (template, state), as they were when the page began; a group that errors moved to since is looked up."""

    def __init__(self, rows: Any) -> None:
        super().__init__({pk: (title, state) for pk, title, state in rows})

    def __missing__(self, pk: int) -> tuple[str, str]:
        self[pk] = found = ErrorGroup.objects.values_list("title", "state").get(pk=pk)
        return found
