"""A bulk retry goes on only while it does good, in bounded memory, and leaves no limit behind."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import operations
from batches.engine import runner
from batches.exceptions import IdempotencyConflict, InvalidInput, InvalidTransition
from batches.lifecycle import canaries, retry_lists, retry_waves, scopes
from batches.models import Batch, Item, Retry
from batches.proportions import wilson
from batches.steps import Steps
from tests.helpers.batches import modes, ran, statuses
from tests.helpers.retries import again, broken, now_do, outcome

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("sqlite")]


@pytest.mark.parametrize(("canary", "least"), [(0, 0), (1, 1), (5, 1), (20, 1), (50, 5), (100, 13), (1000, 176)])
def test_it_needs_as_many_as_leave_hope_for_a_fifth(canary: int, least: int) -> None:
    assert canaries.least_needed(canary) == least
    if least > 1:
        assert wilson(least - 1, canary)[1] < 0.2 <= wilson(least, canary)[1]


@pytest.mark.full
def test_it_holds_the_rest_when_a_tenth_of_the_canary_fails_in_a_new_way() -> None:
    batch = broken(40)
    now_do(batch, "ok")
    now_do(batch, "invalid", 3, 5)
    held = again(batch, canary=20)
    assert (held.state, outcome(held)["waiting"]) == ("HELD", 20)
    assert held.note.startswith("3 of the first 20 items failed in a way that none of them had before.")
    operations.resume_retry(batch.pk, held.number, actor="ana")
    runner.work_until_idle(batch.pk)
    held.refresh_from_db()
    assert (held.state, outcome(held)["recovered"]) == ("DONE", 37)


@pytest.mark.full
def test_it_goes_on_when_two_of_twenty_do_or_when_the_way_is_known() -> None:
    batch = broken(40)
    now_do(batch, "ok")
    now_do(batch, "invalid", 3, 4)
    assert again(batch, canary=20).state == "DONE"

    both = ran(modes(*["network"] * 30, *["timeout"] * 10), batch_id="b2", max_attempts=1)
    now_do(both, "timeout", 0, 3)
    now_do(both, "ok", 4, 40)
    assert again(both, canary=20).state == "DONE"


def test_it_holds_after_the_second_wave_too() -> None:
    batch = broken(150)
    now_do(batch, "ok")
    now_do(batch, "invalid", 10, 40)
    held = again(batch, canary=5)
    assert (held.state, outcome(held)["waiting"]) == ("HELD", 45)


def test_a_canary_that_was_all_there_is_is_not_held() -> None:
    assert again(broken(3), canary=20).state == "DONE"


@pytest.mark.parametrize("stop", [False, True])
def test_its_own_concurrency_ends_with_it(stop: bool) -> None:
    batch = broken(5, concurrency=4)
    made = operations.retry(batch.pk, all_failed=True, concurrency=2)
    assert Batch.objects.get(pk=batch.pk).concurrency == 2
    assert made.changes == {"concurrency": {"before": 4, "after": 2}}
    if stop:
        operations.cancel_retry(batch.pk, made.number)
    else:
        runner.work_until_idle(batch.pk)
    assert Batch.objects.get(pk=batch.pk).concurrency == 4


def test_it_refuses_lanes_that_cannot_be_and_a_key_of_another_retry() -> None:
    batch = broken(3)
    with pytest.raises(InvalidInput):
        operations.retry(batch.pk, all_failed=True, concurrency=1000)
    one = operations.retry(batch.pk, all_failed=True, key="k")
    assert operations.retry(batch.pk, all_failed=True, key="k") == one
    with pytest.raises(IdempotencyConflict):
        operations.retry(batch.pk, positions=[1, 2], key="k")


@pytest.mark.full
def test_it_takes_no_more_statements_for_more_items() -> None:
    few, batch = broken(3), broken(60)
    now_do(batch, "ok", 20, 40)
    counts = []
    for one in (few, batch):
        with CaptureQueriesContext(connection) as captured:
            made = operations.retry(one.pk, all_failed=True, permanent=False)
        counts.append(len(captured))
    assert counts[0] == counts[1]
    runner.work_until_idle(batch.pk)
    with CaptureQueriesContext(connection) as judged:
        retry_waves.judge(made)
    assert len(judged) == 2
    made.refresh_from_db()
    assert outcome(made) == {"recovered": 21, "failed_again": 39, "failed_same": 39}
    assert list(made.retried.order_by("pk").values_list("item__position", flat=True)) == list(range(1, 61))
    assert Item.objects.filter(batch=batch, status="FAILED").count() == 39


def large(monkeypatch: pytest.MonkeyPatch, **asked: Any) -> tuple[Batch, Retry]:
    """A retry of more items than a request writes down."""
    monkeypatch.setitem(retry_lists.LONGEST_IN_REQUEST, connection.vendor, 10)
    batch = broken(30)
    now_do(batch, "ok")
    return batch, operations.retry(batch.pk, **({"all_failed": True, "canary": 5} | asked))


def test_it_leaves_it_to_a_worker_to_write_down_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, made = large(monkeypatch)
    assert (made.state, made.items, outcome(made), made.retried.count()) == ("PREPARING", 30, {"waiting": 30}, 0)
    assert Batch.objects.get(pk=batch.pk).status == "QUEUED"
    assert operations.verify(batch.pk) == []
    with pytest.raises(InvalidTransition):
        operations.pause_retry(batch.pk, made.number)
    runner.work_until_idle(batch.pk)
    made.refresh_from_db()
    assert (made.state, outcome(made)) == ("DONE", {"recovered": 30})
    assert Batch.objects.get(pk=batch.pk).status == "COMPLETED"
    assert operations.verify(batch.pk) == []


def test_it_goes_on_where_the_writing_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retry_lists.FEWEST, connection.vendor, 10)
    monkeypatch.setattr(retry_lists, "MOST", 10)
    batch, made = large(monkeypatch)
    write, written = retry_lists.insert_items, []

    def killed(*args: Any) -> None:
        write(*args)
        written.append(made.retried.count())
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(retry_lists, "insert_items", killed)
    with pytest.raises(KeyboardInterrupt):
        retry_waves.advance(batch.pk)
    made.refresh_from_db()
    assert (made.state, written, made.retried.count()) == ("PREPARING", [10, 20], 10)
    assert outcome(made) == {"waiting": 30}
    assert retry_waves.advance(batch.pk)
    assert not retry_waves.advance(batch.pk)
    made.refresh_from_db()
    assert (made.state, made.retried.count(), Item.objects.filter(status="PENDING").count()) == ("CANARY", 30, 5)
    assert list(made.retried.order_by("pk").values_list("item__position", flat=True)) == list(range(1, 31))


def test_others_may_write_between_the_pieces_of_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retry_lists.FEWEST, connection.vendor, 10)
    monkeypatch.setattr(retry_lists, "MOST", 10)
    rests: list[tuple[bool, int]] = []
    batch, made = large(monkeypatch)
    monkeypatch.setattr(Steps, "rest", lambda steps: rests.append((connection.in_atomic_block, made.retried.count())))
    assert retry_waves.advance(batch.pk)
    assert rests == [(False, 10), (False, 20), (False, 30)]  # a piece of none begins the retry


@pytest.mark.parametrize(
    "scope",
    [{"item_keys": [str(n) for n in range(2, 32)]}, {"field": {"name": "mode", "value": "ok"}}],
    ids=["by keys", "by a field"],
)
def test_items_that_are_named_or_read_are_written_in_pieces_too(scope: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEWEST", "MOST"):
        monkeypatch.setattr(retry_lists, name, {connection.vendor: 10} if name == "FEWEST" else 10)
    found_in_transaction: list[bool] = []
    condition = scopes.condition

    def find(*args: Any) -> Any:
        found_in_transaction.append(connection.in_atomic_block)
        return condition(*args)

    monkeypatch.setattr(scopes, "condition", find)
    rests: list[int] = []
    batch, made = large(monkeypatch, all_failed=None, canary=0, **scope)
    monkeypatch.setattr(Steps, "rest", lambda steps: rests.append(made.retried.count()))
    assert retry_waves.advance(batch.pk)
    assert (rests, any(found_in_transaction)) == ([10, 20], False)
    made.refresh_from_db()
    assert (made.state, made.items, made.retried.count()) == ("RUNNING", 30, 30)
    assert list(made.retried.order_by("pk").values_list("item__position", flat=True)) == list(range(1, 31))


@pytest.mark.parametrize(
    "scope", [{"all_failed": True}, {"item_keys": [str(n) for n in range(2, 32)]}], ids=["all", "by keys"]
)
def test_a_long_list_is_counted_before_others_have_to_wait(scope: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retry_lists.LONGEST_IN_REQUEST, connection.vendor, 10)
    batch = broken(30)
    with CaptureQueriesContext(connection) as captured:
        operations.retry(batch.pk, **scope)
    statements = [query["sql"] for query in captured]
    begin = next(n for n, sql in enumerate(statements) if sql.startswith("BEGIN"))
    counts = [n for n, sql in enumerate(statements) if "COUNT(*)" in sql and "batches_item" in sql]
    assert counts
    assert max(counts) < begin, statements[max(counts)]


def out(made: Retry) -> list[int]:
    """Where the items are that are put back and not done."""
    rows = made.retried.filter(fate="RELEASED", item__status="PENDING")
    return list(rows.order_by("item__position").values_list("item__position", flat=True))


def work(batch: Batch, chunks: int) -> None:
    left = [chunks]

    def count() -> None:
        left[0] -= 1

    runner.work_slice(batch.pk, on_chunk=count, should_stop=lambda: left[0] <= 0)


@pytest.mark.full
def test_it_has_no_more_out_than_can_be_taken_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retry_waves.ITEMS_PER_WAVE, connection.vendor, 10)
    batch = broken(30, checkpoint_every=2)
    now_do(batch, "ok")
    made = operations.retry(batch.pk, all_failed=True)
    assert out(made) == list(range(1, 11))
    work(batch, chunks=2)
    assert out(made) == list(range(5, 11))
    work(batch, chunks=1)
    assert out(made) == list(range(7, 17))
    operations.pause_retry(batch.pk, made.number)
    assert out(made) == []
    operations.resume_retry(batch.pk, made.number)
    assert out(made) == list(range(7, 17))
    runner.work_until_idle(batch.pk)
    made.refresh_from_db()
    assert (made.state, outcome(made)) == ("DONE", {"recovered": 30})
    assert operations.verify(batch.pk) == []


def test_it_keeps_its_rate_from_wave_to_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retry_waves.ITEMS_PER_WAVE, connection.vendor, 4)
    batch = broken(7)
    made = operations.retry(batch.pk, all_failed=True, after=3600, rate=2.0)
    assert out(made) == [1, 2, 3, 4]
    Item.objects.filter(batch=batch, position__lte=2).update(status="SUCCEEDED", available_at=None)
    assert retry_waves.advance(batch.pk)
    dues = Item.objects.filter(batch=batch, position__gt=2).order_by("position").values_list("available_at", flat=True)
    assert [round((due - made.not_before).total_seconds(), 2) for due in dues[:4]] == [1, 1.5, 2, 2.5]


def test_it_can_be_cancelled_before_it_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, made = large(monkeypatch)
    operations.cancel_retry(batch.pk, made.number, actor="ana")
    runner.work_until_idle(batch.pk)
    made.refresh_from_db()
    assert (made.state, statuses(batch).count("FAILED")) == ("CANCELLED", 30)
    assert Batch.objects.get(pk=batch.pk).status == "COMPLETED"
    assert operations.verify(batch.pk) == []


def test_it_says_so_when_what_it_means_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, made = large(monkeypatch)
    Retry.objects.filter(pk=made.pk).update(scope={"group": "gone"})
    runner.work_until_idle(batch.pk)
    made.refresh_from_db()
    assert (made.state, made.note[:35]) == ("CANCELLED", "What it means cannot be found any m")


@pytest.mark.parametrize("rate", [None, 2.0])
def test_none_runs_before_the_time_it_was_told(rate: float | None) -> None:
    batch = broken(6)
    now_do(batch, "ok")
    made = operations.retry(batch.pk, all_failed=True, after=3600, rate=rate)
    dues = list(Item.objects.filter(batch=batch, status="PENDING").order_by("position").values_list("available_at"))
    waits = [round((due - made.not_before).total_seconds(), 2) for (due,) in dues]
    assert waits == ([0, 0.5, 1, 1.5, 2, 2.5] if rate else [0] * 6)
    runner.work_slice(batch.pk, seconds=0.5)
    assert outcome(made) == {"waiting": 6}
    Item.objects.filter(batch=batch).update(available_at=None)
    assert again_is_done(made)


def again_is_done(made: Retry) -> bool:
    runner.work_until_idle(made.batch_id)
    made.refresh_from_db()
    return made.state == "DONE" and outcome(made) == {"recovered": 6}


@pytest.mark.parametrize("after", [-1, 90_000, True, "60"])
def test_it_refuses_to_wait_for_no_time_at_all(after: Any) -> None:
    batch = broken(1)
    with pytest.raises(InvalidInput, match=r"after: Seconds, from 0 to 86,400\."):
        operations.retry(batch.pk, all_failed=True, after=after)
