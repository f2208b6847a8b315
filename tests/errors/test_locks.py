"""Lanes that record errors at the same time: they never wait for each other in a circle, and share one cap."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from batches.models import Batch
from errors.grouping import regressions
from errors.models import BatchGroup, ErrorGroup, GroupChange
from tests.helpers.failures import batch_of, fail, failure, report
from tests.helpers.processes import run_together

LANES_MEET = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer")


@LANES_MEET
def test_two_lanes_that_bring_groups_back_do_not_wait_in_a_circle(
    engine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each touches the group which the other one is to bring back."""
    batch = batch_of(4)
    for n, word in enumerate(("ant", "bee")):
        fail(batch, n, ValueError(word))
    now = timezone.now()
    ErrorGroup.objects.update(state="resolved", resolved_at=now - timedelta(hours=1), last_seen=now)
    meet_before_regress(monkeypatch)
    later = now + timedelta(minutes=1)
    with ThreadPoolExecutor(2) as lanes:
        one = lanes.submit(record, {"ant": later, "bee": now}, 2)
        two = lanes.submit(record, {"ant": now, "bee": later}, 3)
        one.result(), two.result()
    assert list(BatchGroup.objects.values_list("errors", flat=True)) == [3, 3]
    assert Counter(GroupChange.objects.values_list("verb", flat=True)) == {"regress": 2}


def meet_before_regress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both lanes hold what they locked so far; one that is still waiting for the other does not come."""
    both, original = Barrier(2), regressions.reopen_groups

    def wait(*arguments: Any) -> None:
        try:
            both.wait(timeout=1)
        except BrokenBarrierError:
            pass
        original(*arguments)

    monkeypatch.setattr(regressions, "reopen_groups", wait)


def record(words: dict[str, datetime], position: int) -> None:
    batch = Batch.objects.get()
    try:
        report(
            batch,
            [failure(batch, position, ValueError(word), n, at=at) for n, (word, at) in enumerate(words.items(), 1)],
        )
    finally:
        connection.close()


LANE = """
import sys
from errors.grouping import group_counters
from batches.models import Batch
from tests.helpers.failures import failure, report
group_counters.MAX_TEMPLATES = 20
batch, lane = Batch.objects.get(pk="b1"), int(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for n in range(10):
    words = [chr(97 + lane) * 2 + chr(97 + n) + chr(97 + i) for i in range(4)]
    report(batch, [failure(batch, lane * 40 + n * 4 + i, ValueError(word)) for i, word in enumerate(words)])
"""


@pytest.mark.full
def test_lanes_keep_to_the_cap_together(in_process: Callable[..., subprocess.Popen[str]]) -> None:
    batch_of(160)
    lanes = [in_process(LANE, str(n)) for n in range(4)]
    run_together(lanes)
    titles = dict(BatchGroup.objects.values_list("group__title", "errors"))
    assert titles.pop("ValueError: other messages") == 140
    assert list(titles.values()) == [1] * 20


RESOLVER = """
import sys
from django.db import transaction
from errors import groups
from errors.models import ErrorGroup
print("ready", flush=True)
sys.stdin.readline()
for _ in range(200):
    with transaction.atomic():
        groups.apply_to_each(groups.resolve, dict(ErrorGroup.objects.values_list("pk", "fingerprint")))
"""
BUSY_LANE = """
import sys
from datetime import timedelta
from django.utils import timezone
from batches.models import Batch
from tests.helpers.failures import failure, report
batch, lane, step = Batch.objects.get(pk="b1"), int(sys.argv[1]), int(sys.argv[2])
words = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"][::step]
print("ready", flush=True)
sys.stdin.readline()
for attempt in range(1, 101):
    at = timezone.now() + timedelta(seconds=attempt * 7)
    report(batch, [failure(batch, lane * 8 + n, ValueError(word), attempt, at=at) for n, word in enumerate(words)])
"""


@pytest.mark.full
def test_lanes_in_opposite_orders_survive_groups_being_resolved(
    in_process: Callable[..., subprocess.Popen[str]],
) -> None:
    batch = batch_of(16)
    report(batch, [failure(batch, n, ValueError(word), 999) for n, word in enumerate(("ant", "hen"))])
    workers = [in_process(BUSY_LANE, "0", "1"), in_process(BUSY_LANE, "1", "-1"), in_process(RESOLVER)]
    run_together(workers)
    assert sorted(BatchGroup.objects.values_list("errors", flat=True)) == [200] * 6 + [201] * 2
