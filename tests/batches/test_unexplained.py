"""Items set aside for crashes that were none: verify tells, and a command, REST and a page bring them back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from batches import operations
from batches.engine import runner, slices
from batches.lanes import leases
from batches.models import Batch, Checkpoint, Crash, Item, Worker
from tests.helpers.batches import modes, statuses, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.people import client

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]
NAME = "elsewhere:0badc0de:7:7"


def set_aside(lived_on: bool) -> Batch:
    """A batch whose first item was in flight at two take-overs from a worker elsewhere, which lived on or not."""
    batch = operations.start(submitted(modes("ok", "ok")).pk)
    for _ in range(2):
        lease = slices.take_lane(operations.get_batch(batch.pk), 0)
        assert lease is not None
        Checkpoint.objects.update(worker=NAME, in_flight=Item.objects.get(position=0), lease_expires_at=timezone.now())
        assert leases.revoke_expired() == 1
    now = timezone.now()
    Crash.objects.update(at=now - timedelta(minutes=1))
    heard = now if lived_on else now - timedelta(minutes=1)
    Worker.objects.create(name=NAME, host="elsewhere", code="c", started_at=heard, heard_at=heard)
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["QUARANTINED", "SUCCEEDED"]
    return batch


def test_verify_tells_those_whose_workers_lived_on_and_the_command_brings_them_back() -> None:
    batch = set_aside(lived_on=True)
    (broken,) = operations.verify(batch.pk)
    assert broken.startswith("1 item is set aside as killers of their workers, which lived on.")
    assert broken.endswith(f"batch retry {batch.pk} --unexplained")
    code, _, complaint = batch_command("retry", batch.pk, "--unexplained")
    assert code == 0, complaint
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED"]
    assert operations.verify(batch.pk) == []


def test_those_whose_workers_died_stay_set_aside() -> None:
    batch = set_aside(lived_on=False)
    assert operations.verify(batch.pk) == []
    code, _, _ = batch_command("retry", batch.pk, "--unexplained")
    assert code != 0
    assert statuses(batch)[0] == "QUARANTINED"


def test_the_page_and_rest_bring_them_back(user_of: Any) -> None:
    batch = set_aside(lived_on=True)
    visitor = Client()
    visitor.force_login(user_of("operator"))
    address = f"/admin/batches/batch/{batch.pk}/"
    assert "Bring them back" in visitor.get(f"{address}change/", follow=True).content.decode()
    visitor.post(f"{address}act/retry/", {"unexplained": "1"})
    assert statuses(batch) == ["PENDING", "SUCCEEDED"]


def test_rest_brings_them_back() -> None:
    batch = set_aside(lived_on=True)
    answer = client("operator").post(f"/api/batches/{batch.pk}/retry", {"unexplained": True}, format="json")
    assert (answer.status_code, statuses(batch)) == (202, ["PENDING", "SUCCEEDED"])
