"""One row an error: every failed attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from batches.conf import settings
from errors.exports.tables import postgres_copy
from errors.exports.tables.base import BOOLEAN_TEXT, CopiedPage, Page, Row, Table, keyset_pages
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

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
    untrusted = ("item_key", "worker", "error_type", "error_code", "message", "template")
    booleans = ("retryable",)

    def records(self) -> QuerySet[ErrorRecord]:
        return self.error_filter.records(self.batch).filter(pk__lte=self.frozen_to)

    def count(self) -> int:
        return self.records().count()

    def pages(self, after: Any = None) -> Iterator[Page]:
        groups = self.groups()
        for records in keyset_pages(self.records(), *READ, after=after or 0):
            yield Page(records[-1][0], self.rows(records, groups))

    def copied_pages(self, after: Any = None) -> Iterator[CopiedPage] | None:
        if not postgres_copy.is_possible():
            return None
        records = self.records().order_by("pk")
        bounds = postgres_copy.page_bounds(records, after or 0, self.frozen_to)
        return (
            CopiedPage(up_to, lines, partial(self.rows_between, since, up_to))
            for since, up_to in bounds
            if (lines := postgres_copy.lines(records.filter(pk__gt=since, pk__lte=up_to), *record_url()))
        )

    def rows_between(self, after: int, up_to: int) -> list[Row]:
        """The rows of the errors between two ids, the second included."""
        records = self.records().filter(pk__gt=after, pk__lte=up_to).order_by("pk").values_list(*READ)
        return self.rows(records, self.groups())

    def groups(self) -> TitlesAndStates:
        rows = BatchGroup.objects.filter(batch=self.batch)
        return TitlesAndStates(rows.values_list("group", "group__title", "group__state"))

    def rows(self, records: Iterable[Any], groups: TitlesAndStates) -> list[Row]:
        rows: list[Row] = []
        batch_id, (before_id, behind_id) = self.batch.pk, record_url()
        for pk, position, key, attempt, started, finished, worker, category, error_type, code, *rest in records:
            message, group, retryable, traceback, status = rest
            title, group_state = groups[group]
            times = (moment(started), moment(finished), (finished - started) // MILLISECOND)
            cause = (category, error_type, code, message, title, group, group_state, BOOLEAN_TEXT[retryable])
            url = f"{before_id}{pk}{behind_id}"
            rows.append((batch_id, position, key, attempt, *times, worker, *cause, status, traceback, url))
        return rows


def moment(at: datetime) -> str:
    """To the microsecond, as PostgreSQL writes it."""
    return f"{at.isoformat(timespec='microseconds')[:-6]}Z"


def record_url() -> tuple[str, str]:
    """What stands before and behind the id in the address of an error's page."""
    before_id, _, behind_id = reverse("admin:errors_errorrecord_change", args=[0]).rpartition("0")
    return settings.PORTAL_URL + before_id, behind_id


class TitlesAndStates(dict[int, tuple[str, str]]):
    """group -> (title, state) when the page began; a group that errors moved to since is read when it is missed."""

    def __init__(self, rows: Any) -> None:
        super().__init__({pk: (title, state) for pk, title, state in rows})

    def __missing__(self, pk: int) -> tuple[str, str]:
        self[pk] = title_and_state = ErrorGroup.objects.values_list("title", "state").get(pk=pk)
        return title_and_state
