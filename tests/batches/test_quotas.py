"""Batches of several processors keep to one quota together, and say so while they wait for it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import clock, metrics, operations, progress_tracker
from batches.checks import quotas_are_usable
from batches.engine import presence, runner, slices
from batches.engine.waiting_reasons import WaitingReasons
from batches.lanes import leases, quotas
from batches.lanes.quota_grants import Limits, Request
from batches.models import Batch, Quota, QuotaUse, Worker
from tests.helpers import metered
from tests.helpers.batches import statuses
from tests.helpers.people import client, signed_in
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
NUMBER = iter(range(10**9))
WORK = """
import json, sys
import tests.helpers.metered
from django.conf import settings
from batches.engine import runner
settings.PORTAL_QUOTAS = json.loads(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
runner.work_until_idle(sys.argv[1])
"""
ONE = Request(0, 1, 10, in_turn=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "items.log"


def started(log: Path, processor: str, items: int, **payload: Any) -> Batch:
    name = f"{processor[8:]}-{next(NUMBER)}"
    rows = [{"log": str(log), "name": name, **payload} for _ in range(items)]
    batch = operations.submit(processor=processor, items=rows, batch_id=name, actor="ana").batch
    return operations.start(batch.pk)


def lane_of(batch: Batch) -> leases.Lease:
    lease = slices.take_lane(operations.get_batch(batch.pk), 0)
    assert lease is not None
    return lease


def waits(batch: Batch) -> str:
    wait = WaitingReasons().why(operations.get_batch(batch.pk), is_held=True)
    return wait.sentence if wait else ""


def work_in_two_processes(start: Any, batches: list[Batch], size: dict[str, Any]) -> None:
    workers = [start(WORK, batch.pk, json.dumps({"provider": size})) for batch in batches]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n", worker.communicate()[1]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    complaints = [worker.communicate(timeout=PATIENCE)[1] for worker in workers]
    assert [operations.get_batch(batch.pk).status for batch in batches] == ["COMPLETED"] * len(batches), complaints
    assert [operations.verify(batch.pk) for batch in batches] == [[]] * len(batches)


@pytest.mark.full_on("sqlite")
def test_two_processes_with_two_processors_run_no_more_at_once_than_the_quota_has(
    in_process: Callable[..., subprocess.Popen[str]], log: Path
) -> None:
    batches = [started(log, "metered.calls", 20, seconds=0.1), started(log, "metered.rows", 10, seconds=0.1)]
    work_in_two_processes(in_process, batches, {"concurrent": 2})
    assert metered.most_at_once(log) == 2
    assert len(metered.spans(log)) == 30


@pytest.mark.full_on("sqlite")
def test_two_processes_begin_no_more_items_a_second_than_the_quota_has(
    in_process: Callable[..., subprocess.Popen[str]], log: Path
) -> None:
    batches = [started(log, "metered.calls", 15), started(log, "metered.rows", 15)]
    work_in_two_processes(in_process, batches, {"per_second": 10})
    begun = [began for began, _, _ in metered.spans(log)]
    assert begun[-1] - begun[0] >= (30 - 5 - 1) / 10 - 0.5  # one burst is free
    assert max(sum(start <= moment < start + 1 for moment in begun) for start in begun) <= 10 + 5 + 5


def test_a_quota_of_a_processors_own_name_needs_no_word_in_its_code(settings: Any, log: Path) -> None:
    settings.PORTAL_QUOTAS = {"test.do": {"concurrent": 1}}
    batch = operations.submit(processor="test.do", items=[{}] * 3, batch_id="own", actor="ana").batch
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 3
    assert QuotaUse.objects.get().quota_id == "test.do"


def test_without_an_entry_nothing_is_asked_of_the_database(log: Path) -> None:
    batch = started(log, "metered.rows", 3)
    with CaptureQueriesContext(connection) as queries:
        runner.work_slice(batch.pk)
    assert [query["sql"] for query in queries if "quota" in query["sql"]] == []
    assert statuses(batch) == ["SUCCEEDED"] * 3


def test_what_a_lane_held_is_free_once_its_lease_has_ended_or_another_has_it(log: Path) -> None:
    first, second = lane_of(started(log, "metered.rows", 3)), lane_of(started(log, "metered.rows", 3))
    limits = Limits(concurrent=1)
    assert quotas.ask(first, "provider", limits, ONE).items == 10
    assert quotas.ask(second, "provider", limits, ONE).items == 0
    leases.release(first)
    assert quotas.ask(second, "provider", limits, ONE).items == 10


def test_it_does_not_wait_for_a_lane_that_has_not_asked_for_three_seconds(log: Path) -> None:
    holder, frozen, third = (lane_of(started(log, "metered.rows", 3)) for _ in range(3))
    limits = Limits(concurrent=1)
    quotas.ask(holder, "provider", limits, ONE)
    assert not quotas.ask(frozen, "provider", limits, ONE).items
    leases.release(holder)
    assert not quotas.ask(third, "provider", limits, ONE).items
    lane = frozen.checkpoint_id
    row = leases.held_lanes(frozen.batch_id).get(pk=lane)
    leases.held_lanes(frozen.batch_id).filter(pk=lane).update(
        lease_expires_at=row.lease_expires_at - timedelta(seconds=4)
    )
    assert quotas.ask(third, "provider", limits, ONE).items


@pytest.mark.parametrize("processor", ["metered.rows", "metered.calls"])
def test_a_receiver_that_says_slow_down_slows_all_who_share_it(settings: Any, log: Path, processor: str) -> None:
    settings.PORTAL_QUOTAS = {"provider": {"concurrent": 4}}
    told, other = started(log, processor, 1, slow_down=60), started(log, "metered.rows", 3)
    chunks: list[int] = []
    runner.work_slice(told.pk, on_chunk=lambda: chunks.append(1), should_stop=lambda: bool(chunks))
    quota = Quota.objects.get()
    assert quota.slowed_by == told.pk
    assert quota.slowed_until is not None
    assert 50 < (quota.slowed_until - clock.now()).total_seconds() <= 60
    assert runner.work_slice(other.pk, seconds=0.3)
    assert statuses(other) == ["PENDING"] * 3
    assert "asked to slow down, so nothing begins for" in waits(other)

    Quota.objects.update(slowed_until=clock.now())
    lane = lane_of(other)
    assert quotas.ask(lane, "provider", Limits(concurrent=4), Request(0, 4, 4)).slots == 2  # half, for a while
    leases.release(lane)
    runner.work_slice(other.pk)
    assert statuses(other) == ["SUCCEEDED"] * 3


def test_a_shorter_wish_to_slow_down_does_not_end_a_longer_one() -> None:
    Quota.objects.create(pk="provider")
    quotas.slow_down("provider", "a", 100_000)
    first = Quota.objects.get()
    quotas.slow_down("provider", "b", 1)
    assert Quota.objects.get().slowed_until == first.slowed_until
    assert Quota.objects.get().slowed_by == "a"
    assert first.slowed_until is not None
    assert (first.slowed_until - clock.now()).total_seconds() <= 600


@pytest.mark.parametrize("processor", ["metered.rows", "metered.calls"])
def test_a_batch_that_waits_for_its_quota_pauses_and_gives_way(settings: Any, log: Path, processor: str) -> None:
    settings.PORTAL_QUOTAS = {"provider": {"concurrent": 1}}
    holder, batch = started(log, "metered.rows", 3), started(log, processor, 3)
    quotas.ask(lane_of(holder), "provider", Limits(concurrent=1), ONE)
    looks = 0

    def pause_meanwhile() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            operations.pause(batch.pk, actor="ana")
        return False

    runner.work_slice(batch.pk, seconds=PATIENCE, should_stop=pause_meanwhile)
    assert operations.get_batch(batch.pk).status == "PAUSED"

    operations.resume(batch.pk, actor="ana")
    third = operations.submit(processor="test.do", items=[{}], batch_id="third", actor="ana").batch
    operations.start(third.pk)
    runner.work_slice(batch.pk, seconds=PATIENCE)  # the third has not begun: it could use this process
    assert statuses(batch) == ["PENDING"] * 3


def test_a_batch_is_not_stuck_while_its_quota_is_slowed_down_or_used_by_others(settings: Any, log: Path) -> None:
    settings.PORTAL_QUOTAS = {"provider": {"concurrent": 1}}
    holder, batch = started(log, "metered.rows", 3), started(log, "metered.calls", 3)
    long_ago = clock.now() - timedelta(seconds=2 * settings.PORTAL_LEASE_SECONDS)
    Batch.objects.update(status="RUNNING", running_since=long_ago)
    with presence.at_work():
        for name in ("other:0badc0de:1:1", "other:0badc0de:2:2"):
            Worker.objects.create(name=name, host="other", code="c0de", started_at=clock.now(), heard_at=clock.now())
        assert progress_tracker.get_progress(batch.pk).stuck
        lease = lane_of(holder)
        quotas.ask(lease, "provider", Limits(concurrent=1), ONE)
        assert not progress_tracker.get_progress(batch.pk).stuck
        leases.release(lease)
        assert progress_tracker.get_progress(batch.pk).stuck
        quotas.slow_down("provider", holder.pk, 60)
        assert not progress_tracker.get_progress(batch.pk).stuck


def test_every_door_says_what_a_batch_waits_for(settings: Any, log: Path, user_of: Any) -> None:
    settings.PORTAL_QUOTAS = {"provider": {"concurrent": 1, "per_second": 2.5}}
    limits = Limits(concurrent=1)
    holder, batch = started(log, "metered.rows", 3), started(log, "metered.rows", 3)
    quotas.ask(lane_of(holder), "provider", limits, ONE)
    quotas.ask(lane_of(batch), "provider", limits, ONE)
    assert waits(batch) == ""  # for a moment only
    QuotaUse.objects.update(since=clock.now() - timedelta(seconds=3))
    because = "Waiting for quota provider (1 at once, 2.5 a second), which 1 other batch uses, too."
    assert (waits(holder), waits(batch)) == ("", because)
    shown = client("viewer").get("/api/workers").json()["quotas"]
    numbers = {"concurrent": 1, "per_second": 2.5, "slots": 1, "lanes": 1, "lanes_waiting": 1}
    assert shown[0] == {"name": "provider", **numbers} | {
        "batches": sorted([holder.pk, batch.pk]),
        "is_lowered": False,
        "slowed_until": None,
        "slowed_by": "",
    }
    quotas.slow_down("provider", holder.pk, 60)
    slowed = (
        f"Waiting for quota provider: the receiver of {holder.pk} asked to slow down, so nothing begins for 60 s more."
    )
    assert waits(batch) in (slowed, slowed.replace("60 s", "1 m"))
    page = signed_in(user_of("admin")).get("/admin/batches/worker/").content.decode()
    assert "Quotas" in page
    assert "asked to slow down" in page
    text = metrics.exposition().decode()
    assert 'batchportal_quota_slots{quota="provider"} 1.0' in text
    assert 'batchportal_quota_lanes_waiting{quota="provider"} 1.0' in text


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ([], "it must be a dict"),
        ({"p": {}}, 'it must have "concurrent"'),
        ({"p": {"at_once": 3}}, 'it must have "concurrent"'),
        ({"p": {"concurrent": 0}}, "a whole number from 1"),
        ({"p": {"concurrent": True}}, "a whole number from 1"),
        ({"p": {"per_second": float("nan")}}, "a number above 0"),
        ({"p" * 101: {"per_second": 1}}, "1 to 100 characters"),
    ],
)
def test_an_entry_that_is_no_quota_is_refused_in_words(settings: Any, entry: Any, problem: str) -> None:
    settings.PORTAL_QUOTAS = entry
    (found,) = quotas_are_usable(None)
    assert found.id == "batches.E003"
    assert problem in found.msg


def test_a_quota_that_nobody_configured_is_pointed_out(settings: Any) -> None:
    settings.PORTAL_QUOTAS = {"provider": {"concurrent": 1}}
    assert quotas_are_usable(None) == []
    settings.PORTAL_QUOTAS = {}
    assert {found.id for found in quotas_are_usable(None)} == {"batches.W016"}
