"""What a small batch takes of a worker beside its items: statements, and commits that wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from batches import operations, tasks
from batches.commits import not_waited_for
from batches.engine import slices, turns
from batches.lanes import counters, leases
from batches.lifecycle import transitions
from batches.models import Batch, Checkpoint, Tenure, Transition
from batches.tasks import slices_in_line
from tests.helpers.batches import modes, submitted
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")

MOST_STATEMENTS = 36


@contextmanager
def sent() -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    statements: list[str] = []

    def note(execute: Any, sql: str, *more: Any) -> Any:
        statements.append(sql)
        return execute(sql, *more)

    with connection.execute_wrapper(note):
        yield statements


def worked(*, items: int) -> list[str]:
    """The statements of a worker for one small batch, begun and ended."""
    batch = operations.start(submitted(modes(*["ok"] * items)).pk)
    with sent() as statements:
        tasks.run_slice(batch.pk, 0)
    assert operations.get_batch(batch.pk).status == "COMPLETED"
    return statements


def test_it_begins_and_ends_a_small_batch_in_few_statements() -> None:
    worked(items=1)
    statements = worked(items=10)
    statements = [one for one in statements if not one.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "SET LOCAL"))]
    assert len(statements) <= MOST_STATEMENTS, f"{len(statements)}:\n" + "\n".join(one[:150] for one in statements)


@pytest.mark.any_database
def test_it_begins_a_batch_in_the_commit_that_takes_its_lane() -> None:
    batch = operations.start(submitted(modes("ok")).pk)
    leases.ensure_lanes(batch)
    with sent() as statements:
        assert slices.take_slice(batch.pk, 0, PATIENCE) is not None
    row = Batch.objects.get(pk=batch.pk)
    assert row.status == Batch.Status.RUNNING
    assert row.code
    assert len([sql for sql in statements if sql.startswith('UPDATE "batches_batch"')]) == 1  # status and code
    assert not [sql for sql in statements if sql.startswith("SELECT CLOCK_TIMESTAMP()")]


@pytest.mark.any_database
def test_a_batch_of_which_no_lane_is_had_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = operations.start(submitted(modes("ok")).pk)
    monkeypatch.setattr(leases, "hold_lane", lambda batch, lane: None)  # as if another had just taken it
    assert slices.take_slice(batch.pk, 0, PATIENCE) is None
    assert Batch.objects.get(pk=batch.pk).status == Batch.Status.QUEUED
    assert not Transition.objects.filter(batch=batch, to_status=Batch.Status.RUNNING).exists()


@pytest.mark.any_database
def test_a_batch_is_not_begun_while_everything_is_paused() -> None:
    batch = operations.start(submitted(modes("ok")).pk)
    operations.pause_everything(actor="ana", reason="storm")
    assert slices.take_slice(batch.pk, 0, PATIENCE) is None
    assert Batch.objects.get(pk=batch.pk).status == Batch.Status.QUEUED


@pytest.mark.any_database
def test_a_turn_that_ends_before_its_batch_asks_once_how_that_stands() -> None:
    batch = operations.start(submitted(modes("ok", "ok")).pk)
    assert slices.take_slice(batch.pk, 0, PATIENCE) is not None
    transitions.settle(batch.pk)
    with sent() as statements:
        transitions.settle(batch.pk)
    assert len(statements) == 1


def test_it_looks_for_no_further_items_once_all_have_an_outcome() -> None:
    statements = worked(items=10)
    claims = [sql for sql in statements if "batches_claim" in sql or "'HELD' ELSE b.status" in sql]
    assert len(claims) == 1  # the chunk's own: of a batch that nobody has had before, nothing is due again
    assert not [sql for sql in statements if 'MIN("batches_item"' in sql]


def worked_off(many: int) -> tuple[list[str], int]:
    """So many that wait at once: in which order they began, by their places, and the statements for all of them."""
    batches = [operations.start(submitted(modes("ok", "ok")).pk) for _ in range(many)]
    with sent() as statements:
        tasks.run_slice(batches[-1].pk, 0)
    begun = Transition.objects.filter(batch__in=batches, to_status=Batch.Status.RUNNING).order_by("pk")
    places = {batch.pk: str(place) for place, batch in enumerate(batches)}
    assert all(operations.verify(batch.pk) == [] for batch in batches)
    assert Tenure.objects.filter(batch__in=batches).count() == many
    return [places[pk] for pk in begun.values_list("batch", flat=True)], len(statements)


@pytest.mark.any_database
def test_many_that_wait_at_once_begin_once_in_their_order_at_the_price_of_few() -> None:
    worked(items=1)
    _, few = worked_off(3)
    order, many = worked_off(24)
    assert order == [str(place) for place in range(24)]
    assert many / 24 <= few / 3


@pytest.mark.any_database
def test_it_asks_once_for_those_in_line_and_counts_once_where_turns_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: half a second and a second are made long."""
    monkeypatch.setattr(turns, "LOOK_UP_EVERY", PATIENCE)
    monkeypatch.setattr(counters, "FLUSH_EVERY", PATIENCE)
    for _ in range(12):
        last = operations.start(submitted(modes("ok", "ok")).pk)
    counters.flush()
    with sent() as statements:
        tasks.run_slice(last.pk, 0)
    assert len([sql for sql in statements if '"is_overdue"' in sql]) <= 2 * 3  # the twelve, and that none is left
    assert len([sql for sql in statements if "INTO batches_tally" in sql]) == 1


@pytest.mark.any_database
def test_it_passes_over_one_in_line_that_another_has_begun_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a second process of that one, while others wait for their first."""
    batches = [operations.start(submitted(modes(*["ok"] * 2), concurrency=2).pk) for _ in range(3)]
    monkeypatch.setattr(turns, "LOOK_UP_EVERY", PATIENCE)
    line = slices_in_line([batch.pk for batch in batches], monotonic() + PATIENCE, lost := set[str]())
    first = next(line)
    assert slices.take_lane(operations.get_batch(batches[1].pk), 0) is not None
    assert first.batch.pk == batches[0].pk
    assert list(line) == []  # whose turn it is, is asked anew
    assert not lost
    leases.release(first.lease)


@pytest.mark.any_database
def test_a_lane_that_nobody_needs_any_more_does_not_put_its_batch_before_new_ones() -> None:
    """A batch was let go when the last of its lanes was."""
    batch = operations.start(submitted(modes(*["ok"] * 9), concurrency=2).pk)
    leases.ensure_lanes(batch)
    leases.release(slices.take_lane(batch, 0))  # type: ignore[arg-type]
    now = timezone.now()
    for lane, saved_at in ((0, now), (1, now - timedelta(minutes=1))):
        Checkpoint.objects.update_or_create(batch=batch, lane=lane, defaults={"saved_at": saved_at})
    new = operations.start(submitted(modes("ok")).pk)
    assert turns.line() == [new.pk, batch.pk]


def waits_for_disk() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return bool(cursor.fetchone()[0] != "off")


@pytest.fixture
def waiting(engine: None) -> Iterator[None]:
    """A session that waits for the disk, as servers do by default."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite waits for each commit alike")
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO ON")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET synchronous_commit")


@pytest.mark.usefixtures("waiting")
def test_only_a_transaction_of_its_own_is_not_waited_for() -> None:
    with not_waited_for():
        assert not waits_for_disk()
    assert waits_for_disk()
    with transaction.atomic(), not_waited_for():
        assert waits_for_disk()


@pytest.mark.any_database
def test_giving_a_lane_back_is_not_waited_for_and_counting_is_one_statement() -> None:
    batch = operations.start(submitted(modes("ok")).pk)
    lease = leases.take(batch)
    assert lease is not None
    with sent() as statements:
        leases.release(lease)
    assert any("synchronous_commit" in sql for sql in statements) == (connection.vendor == "postgresql")
    counters.add("turns")
    with sent() as statements:
        counters.flush()
    assert len(statements) == 1  # in a transaction, a frozen worker would hold rows that all others count in
