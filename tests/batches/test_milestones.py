"""Milestones and the end of a batch: told once each, whatever is retried, rolled back or counted anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection

from batches import operations, progress_tracker
from batches.engine import runner
from batches.lifecycle import deliveries, milestones
from batches.models import Batch, Delivery, Webhook
from batches.signals import milestone_reached
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.http_server import Server
from tests.helpers.webhooks import told_to

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def test_it_tells_a_webhook_each_milestone_and_the_end_once(server: Server, hook: Webhook) -> None:
    ran(modes(*["ok"] * 8))
    deliveries.send_due()
    assert deliveries.send_due() == 0
    told = told_to(server)
    assert [one["data"].get("milestone") for one in told if one["type"] == "batch.milestone"] == [25, 50, 75, 100]
    assert [one["data"]["status"] for one in told if one["type"] == "batch.completed"] == ["COMPLETED"]
    assert len(told) == 5
    assert not Delivery.objects.filter(delivered_at=None).exists()


def test_it_costs_a_chunk_without_a_milestone_nothing(hook: Webhook, django_assert_num_queries: Any) -> None:
    batch = submitted(modes("ok"))
    with django_assert_num_queries(0, connection=connection):
        milestones.reach_milestones(batch.pk, 0, 100)


def test_it_costs_a_chunk_that_crosses_all_of_them_one_statement(django_assert_num_queries: Any) -> None:
    batch = submitted(modes("ok"))
    with django_assert_num_queries(1 + 1, connection=connection):  # and whether anybody is told
        assert milestones.reach_milestones(batch.pk, 100, 100) == [25, 50, 75, 100]
    with django_assert_num_queries(1, connection=connection):
        assert milestones.reach_milestones(batch.pk, 100, 100) == []


@pytest.fixture
def heard() -> Iterator[list[tuple[str, int]]]:
    """What the signal told_to: (batch, milestone)."""
    told_to: list[tuple[str, int]] = []

    def hear(sender: Any, batch_id: str, milestone: int, **more: Any) -> None:
        told_to.append((batch_id, milestone))

    milestone_reached.connect(hear)
    yield told_to
    milestone_reached.disconnect(hear)


def milestones_told(server: Server) -> list[int]:
    while deliveries.send_due():
        pass
    return [one["data"]["milestone"] for one in told_to(server) if one["type"] == "batch.milestone"]


@pytest.mark.full_on("sqlite")
def test_a_retry_of_a_completed_batch_reaches_no_milestone_again_but_ends_again(
    server: Server, hook: Webhook, heard: list[tuple[str, int]]
) -> None:
    batch = ran(modes(*["ok"] * 4, *["error"] * 4), max_attempts=1)
    reached = list(batch.milestones.values_list("pk", "reached_at"))
    for _ in range(2):
        operations.retry(batch.pk, all_failed=True)
        runner.work_until_idle(batch.pk)
    assert list(batch.milestones.values_list("pk", "reached_at")) == reached
    assert milestones_told(server) == [25, 50, 75, 100]
    assert [one["type"] for one in told_to(server)].count("batch.completed") == 3
    assert heard == [(batch.pk, mark) for mark in (25, 50, 75, 100)]
    assert operations.verify(batch.pk) == []


def test_a_batch_that_grows_keeps_the_milestones_it_has(
    server: Server, hook: Webhook, heard: list[tuple[str, int]]
) -> None:
    progress_tracker.start_batch("grows", 4)
    progress_tracker.increment_completed("grows", 4)
    progress_tracker.increment_completed("grows", 40)
    assert milestones_told(server) == [25, 50, 75, 100]
    progress_tracker.start_batch("grows", 4)  # counted anew, so reached anew
    progress_tracker.increment_completed("grows", 1)
    assert milestones_told(server) == [25, 50, 75, 100, 25]
    assert heard[-1] == ("grows", 25)


def test_a_chunk_that_is_rolled_back_reached_nothing(
    server: Server, hook: Webhook, heard: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = milestones.reach_milestones, iter([True])

    def fail_once(*arguments: Any) -> list[int]:
        new = real(*arguments)
        if next(tries, False):
            raise OperationalError("database is locked")
        return new

    monkeypatch.setattr(milestones, "reach_milestones", fail_once)
    batch = ran(modes(*["ok"] * 4))
    assert Delivery.objects.filter(event=Delivery.Event.MILESTONE).count() == 4
    assert milestones_told(server) == [25, 50, 75, 100]
    assert heard == [(batch.pk, mark) for mark in (25, 50, 75, 100)]


def test_an_empty_batch_is_complete_with_all_milestones(heard: list[tuple[str, int]]) -> None:
    Batch.objects.create(pk="empty", processor="test.do", total_items=0)
    operations.start("empty")
    runner.work_until_idle("empty")
    found = progress_tracker.get_progress("empty")
    assert (found.status, found.outcome, found.progress_percent, found.eta_seconds) == (
        "COMPLETED",
        "clean",
        100.0,
        None,
    )
    assert heard == [("empty", mark) for mark in (25, 50, 75, 100)]
