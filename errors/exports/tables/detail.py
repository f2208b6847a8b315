"""One row an error: every failed attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse

from errors.exports.tables import copied
from errors.exports.tables.base import AT_ONCE, TRUTH, Copied, Page, Row, Table
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
    free = ("item_key", "worker", "error_type", "error_code", "message", "template")
    truths = ("retryable",)

    def records(self) -> QuerySet[ErrorRecord]:
        return self.error_filter.records(self.batch).filter(pk__lte=self.frozen_to)

    def count(self) -> int:
        return self.records().count()

    def pages(self, after: Any = None) -> Iterator[Page]:
        records, last, groups = self.records().order_by("pk"), after or 0, self.groups()
        while page := list(records.filter(pk__gt=last).values_list(*READ)[:AT_ONCE]):
            last = page[-1][0]
            yield last, self.rows(page, groups)

    def page(self, after: int, up_to: int) -> list[Row]:
        """The rows of the errors between two ids."""
        found = self.records().filter(pk__gt=after, pk__lte=up_to).order_by("pk").values_list(*READ)
        return self.rows(found, self.groups())

    def copied(self, after: Any = None) -> Iterator[Copied] | None:
        if not copied.is_possible():
            return None
        records = self.records().order_by("pk")
        pages = copied.ends(records, after or 0, self.frozen_to)
        return (
            (up_to, lines, partial(self.page, since, up_to))
            for since, up_to in pages
            if (lines := copied.lines(records.filter(pk__gt=since, pk__lte=up_to), *url_of_record()))
        )

    def groups(self) -> Groups:
        known = BatchGroup.objects.filter(batch=self.batch)
        return Groups(known.values_list("group", "group__title", "group__state"))

    def rows(self, page: Iterable[Any], groups: Groups) -> list[Row]:
        made: list[Row] = []
        batch_id, (before, behind) = self.batch.pk, url_of_record()
        for pk, at, key, n, begun, ended, worker, sort, kind, code, said, group, retryable, sha, state in page:
            title, group_state = groups[group]
            times = (moment(begun), moment(ended), (ended - begun) // MILLISECOND)
            what = (sort, kind, code, said, title, group, group_state, TRUTH[retryable])
            made.append((batch_id, at, key, n, *times, worker, *what, state, sha, f"{before}{pk}{behind}"))
        return made


def moment(at: datetime) -> str:
    """To the microsecond, as PostgreSQL writes it."""
    return f"{at.isoformat(timespec='microseconds')[:-6]}Z"


def url_of_record() -> tuple[str, str]:
    """What stands before and behind the id in the address of an error's page."""
    before, _, behind = reverse("admin:errors_errorrecord_change", args=[0]).rpartition("0")
    return settings.PORTAL_URL + before, behind


class Groups(dict[int, tuple[str, str]]):
    """group -> (template, state), as they were when the page began; a group that errors moved to since is looked up."""

    def __init__(self, rows: Any) -> None:
        super().__init__({pk: (title, state) for pk, title, state in rows})

    def __missing__(self, pk: int) -> tuple[str, str]:
        self[pk] = found = ErrorGroup.objects.values_list("title", "state").get(pk=pk)
        return found
