"""Who works, on what, and what waits: the page, REST, the line at the head of every page, and the terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from batches import operations, tasks
from batches.engine import slices
from batches.lifecycle import samples
from batches.lifecycle.velocity import velocity_of
from batches.models import Batch, Checkpoint, Sample, Transition, Worker
from tests.helpers.batches import modes, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.people import client

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]
NAME = "vm:0badc0de:7:7"


def worker(seconds_ago: float = 0) -> Worker:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    processors = {"check_rows": "c"}
    return Worker.objects.create(
        name=NAME, host="vm", code="c0ffee", processors=processors, declined={"b9": "no"}, started_at=at, heard_at=at
    )


def signed_in(user: Any) -> Client:
    visitor = Client()
    visitor.force_login(user)
    return visitor


def held_and_waiting() -> tuple[Batch, Batch]:
    held, waiting = (operations.start(submitted(modes("ok"), batch_id=name).pk) for name in ("held", "waiting"))
    assert slices.take_lane(held, 0) is not None
    Checkpoint.objects.filter(batch=held).update(worker=NAME)
    Transition.objects.filter(batch=waiting).update(at=timezone.now() - timedelta(seconds=90))
    return held, waiting


def test_rest_says_who_works_on_what_and_what_waits() -> None:
    worker()
    held_and_waiting()
    tasks.sweep_now()
    told = client("viewer").get("/api/workers").json()
    (process,) = told["processes"]
    assert (process["name"], process["alive"], process["code"]) == (NAME, True, "c0ffee")
    assert (process["processors"], process["declined"]) == (["check_rows"], {"b9": "no"})
    assert [(lane["batch_id"], lane["lane"]) for lane in process["lanes"]] == [("held", 0)]
    assert (told["alive"], told["lanes_held"], told["batches_waiting"]) == (1, 1, 1)
    assert 90 <= told["oldest_wait_seconds"] < 120
    assert (told["broker"], told["channel_layer"]) == ("embedded", "embedded")
    assert told["last_sweep_at"] is not None
    assert told["messages"] is None or told["messages"] >= 0


@pytest.mark.parametrize(("who", "status"), [("anonymous", 401), ("charlie", 403), ("viewer", 200)])
def test_rest_tells_only_those_who_may_see_batches(who: str, status: int) -> None:
    for address in ("/api/workers", "/api/workers/notices"):
        assert client(who).get(address).status_code == status


@pytest.mark.parametrize(("who", "status"), [("charlie", 302), ("viewer", 200), ("admin", 200)])
def test_the_page_is_for_those_who_may_see_batches(who: str, status: int, user_of: Any) -> None:
    worker()
    held_and_waiting()
    answer = signed_in(user_of(who)).get("/admin/batches/worker/")
    assert answer.status_code == status
    if status == 200:
        page = answer.content.decode()
        assert all(text in page for text in (NAME, "c0ffee", "lane 0", "Oldest wait", "Leaves"))


def test_every_page_list_and_watcher_says_that_no_worker_lives(user_of: Any) -> None:
    held_and_waiting()
    worker(seconds_ago=3)
    visitor = signed_in(user_of("viewer"))
    assert visitor.get("/api/workers/notices").json() == {"notices": []}
    assert "No worker since" not in visitor.get("/admin/batches/batch/").content.decode()
    Worker.objects.update(heard_at=timezone.now() - timedelta(seconds=8))
    (notice,) = visitor.get("/api/workers/notices").json()["notices"]
    assert (notice["before"], notice["after"]) == ("No worker since", " (last: vm). 2 batches wait.")
    assert notice["at"].endswith("Z")
    for address in ("/admin/batches/batch/", "/admin/batches/batch/held/change/", "/admin/", "/admin/batches/worker/"):
        page = visitor.get(address, follow=True).content.decode()
        assert "No worker since" in page, address
        assert "(last: vm). 2 batches wait." in page
    _, listed, _ = batch_command("list")
    assert "STUCK" in listed
    assert "No worker since" in listed


def test_nothing_is_wrong_where_nothing_waits_and_nobody_ever_worked() -> None:
    assert client("viewer").get("/api/workers/notices").json() == {"notices": []}
    operations.start(submitted(modes("ok")).pk)
    (notice,) = client("viewer").get("/api/workers/notices").json()["notices"]
    assert notice["before"] == "No worker is running. 1 batch waits."


def test_velocity_shows_an_outage_as_a_gap_and_no_fall() -> None:
    batch = submitted(modes("ok"))
    now = timezone.now()
    seconds = (140, 135, 130, 10, 5)  # ago; nobody sampled for two minutes
    for done, ago in zip((0, 100, 200, 210, 310), seconds, strict=True):
        at = now - timedelta(seconds=ago)
        Sample.objects.create(batch=batch, slot=int(at.timestamp() * 1000), at=at, done=done, active_seconds=200 - ago)
    velocity = velocity_of(batch).to_dict()
    assert [speed for _, speed in velocity["points"]] == [20.0, 20.0, 20.0]
    ((begin, end),) = velocity["gaps"]
    assert (begin, end) < (velocity["points"][-1][0], velocity["points"][-1][0])


def test_a_gap_that_lasts_has_no_end_and_thinned_samples_leave_none() -> None:
    batch = submitted(modes("ok"))
    now = timezone.now()
    for hours in (40, 39.5, 39):
        at = now - timedelta(hours=hours)
        Sample.objects.create(
            batch=batch, slot=int(at.timestamp() * 1000), at=at, done=0, active_seconds=(50 - hours) * 3600
        )
    assert samples.gaps(batch) == []
    batch.status = "RUNNING"
    assert samples.gaps(batch) == [(batch.samples.last().at, None)]  # type: ignore[union-attr]
