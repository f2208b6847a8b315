from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.db.models import Max, Model, Q, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from batches import clock, progress_tracker
from batches.compiled_query import CompiledQuery, CompiledRows
from batches.lanes import batch_rows
from batches.lifecycle import hand_counts
from batches.models import Batch, Sample

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def samples_between(batch_ids: list[str], begin: datetime, end: datetime) -> QuerySet[Sample, tuple[object, ...]]:
    rows = Sample.objects.filter(Q(at__gte=begin) & Q(at__lt=end) | Q(at=end), batch__in=batch_ids)
    return rows.order_by("batch", "slot").values_list("batch_id", "at", "active_seconds", "done")


@pytest.fixture
def batches_with_samples() -> list[str]:
    ids = [f"b{n}" for n in range(5)]
    Batch.objects.bulk_create([Batch(pk=pk, total_items=10) for pk in ids])
    Sample.objects.bulk_create(
        Sample(batch_id=pk, slot=slot, at=NOON + timedelta(minutes=slot), done=slot, active_seconds=slot / 3)
        for pk in ids
        for slot in range(4)
    )
    return ids


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_it_returns_what_the_queryset_returns_whatever_was_asked_first(
    batches_with_samples: list[str], number: int
) -> None:
    query, ids = CompiledQuery(samples_between), batches_with_samples
    list(query.rows(ids[-number:], NOON - timedelta(days=2), NOON - timedelta(days=1)))
    begin, end = NOON + timedelta(minutes=1), NOON + timedelta(minutes=3)

    rows = list(query.rows(ids[:number], begin, end))

    assert rows == list(samples_between(ids[:number], begin, end))
    assert len(rows) == 3 * number
    assert rows[0][1] == begin


def test_it_returns_times_of_aggregates_as_times(batches_with_samples: list[str]) -> None:
    def newest(batch_ids: list[str]) -> QuerySet[Sample, tuple[object, ...]]:
        rows = Sample.objects.filter(batch__in=batch_ids).order_by().values_list("batch_id")
        return rows.annotate(newest=Max("at"))

    assert list(CompiledQuery(newest).rows(["b3"])) == [("b3", NOON + timedelta(minutes=3))]


def values_of(row: Model) -> dict[str, object]:
    return {name: value for name, value in vars(row).items() if name != "_state"}


def test_it_returns_the_first_whole_row_that_the_queryset_has(batches_with_samples: list[str]) -> None:
    rows = CompiledRows(Sample, lambda ids, slot: Sample.objects.filter(batch__in=ids, slot__gte=slot).order_by("slot"))
    assert rows.first(["b1"], 4) is None

    row = rows.first(["b3"], 2)

    assert row is not None
    assert values_of(row) == values_of(Sample.objects.get(batch="b3", slot=2))
    assert not row._state.adding


@pytest.mark.parametrize("read", [batch_rows.batch_of, lambda pk: batch_rows.locked(pk, ["PENDING", "RUNNING"])])
def test_a_batch_is_read_as_it_is_stored(read: Callable[[str], Batch]) -> None:
    for pk in ("one", "two"):
        Batch.objects.create(pk=pk, params={"at": ["noon", 1.5, None]}, name=pk, start_at=NOON)
        assert values_of(read(pk)) == values_of(Batch.objects.get(pk=pk))

    Batch.objects.filter(pk="two").update(status="CANCELLED")

    assert batch_rows.locked("two", ["PENDING", "RUNNING"]) is None
    with pytest.raises(Batch.DoesNotExist):
        batch_rows.batch_of("three")


def test_it_makes_the_sql_of_a_progress_once() -> None:
    progress_tracker.start_batch("hand", total_items=4)
    progress_tracker.increment_completed("hand")
    before = progress_tracker.get_progress("hand")

    with mock.patch.object(SQLCompiler, "as_sql", autospec=True, side_effect=SQLCompiler.as_sql) as compiled:
        progress_tracker.increment_completed("hand")
        compiled.reset_mock()
        progress = progress_tracker.get_progress("hand")

    assert compiled.call_count <= 1  # the batch's own row
    assert (before.completed, progress.completed) == (1, 2)
    assert [row["milestone"] for row in progress.milestones] == [25, 50]


def test_it_makes_the_sql_that_locks_a_batch_to_count_once() -> None:
    progress_tracker.start_batch("hand", total_items=4)
    progress_tracker.increment_completed("hand")
    with mock.patch.object(SQLCompiler, "as_sql", autospec=True, side_effect=AssertionError("made anew")):
        hand_counts.free_lane_of("hand")


def test_it_asks_for_the_present_whenever_it_is_sent(batches_with_samples: list[str]) -> None:
    """Samples of the last hour: one that was taken after the SQL was made is among them."""

    def recent(batch_ids: list[str]) -> QuerySet[Sample, tuple[object, ...]]:
        hour = Sample.objects.filter(at__gt=clock.ago(timedelta(hours=1)), at__lte=clock.ago(timedelta()))
        return hour.filter(batch__in=batch_ids).values_list("slot")

    query, ids = CompiledQuery(recent), batches_with_samples
    assert list(query.rows(ids)) == []
    Sample.objects.filter(batch="b1", slot=2).update(at=clock.now())
    assert list(query.rows(ids)) == [(2,)]
    Sample.objects.filter(batch="b1", slot=2).update(at=clock.now() + timedelta(minutes=1))
    assert list(query.rows(ids)) == []


@pytest.mark.parametrize("left_out", [[], ["b0"], ["b4", "b1", "b0"]])
def test_a_list_of_texts_may_be_empty_and_stand_beside_another(
    batches_with_samples: list[str], left_out: list[str]
) -> None:
    def rows_of(batch_ids: list[str], but: list[str]) -> QuerySet[Sample, tuple[object, ...]]:
        return Sample.objects.filter(batch__in=batch_ids).exclude(batch__in=but).order_by("pk").values_list("batch_id")

    query, ids = CompiledQuery(rows_of), batches_with_samples
    assert list(query.rows(ids, left_out)) == list(rows_of(ids, left_out))
    assert list(query.rows([], left_out)) == []
