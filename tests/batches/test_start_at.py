"""A batch that starts by itself at a time: given and changed at every door, started by the sweep, late if need be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from batches import operations, tasks
from batches.engine import runner
from batches.exceptions import InvalidInput, InvalidTransition
from batches.models import Batch
from tests.helpers.batches import modes, statuses, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.people import client, person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]
DAY = timedelta(days=1)
NOON = datetime(2099, 6, 1, 10, 0, tzinfo=UTC)
SENTENCE = "Submitted; it starts by itself at 1 Jun 2099 10:00:00 UTC."


def due(seconds_ago: float) -> Batch:
    """A batch that was to start so long ago."""
    batch = submitted(modes("ok"), start_at=timezone.now() + DAY)
    Batch.objects.filter(pk=batch.pk).update(start_at=timezone.now() - timedelta(seconds=seconds_ago))
    return batch


def test_the_sweep_starts_it_when_its_time_has_come_and_no_other() -> None:
    now, later, by_hand = due(1), submitted(modes("ok"), start_at=NOON), submitted(modes("ok"))
    tasks.sweep_now()
    found = [operations.get_batch(batch.pk).status for batch in (now, later, by_hand)]
    assert found == ["QUEUED", "PENDING", "PENDING"]
    step = operations.get_batch(now.pk).transitions.last()
    assert step is not None
    assert (step.verb, step.actor, step.reason) == ("start", "schedule", "")


def test_a_portal_that_was_down_starts_it_and_says_how_late_it_is() -> None:
    batch = due(3 * 3600)
    runner.work_until_idle()
    assert statuses(batch) == ["SUCCEEDED"]
    step = batch.transitions.get(verb="start")
    assert step.reason == "Started 3h late: the portal was down or busy when it was to start."


def test_it_is_refused_without_a_zone_and_in_the_past() -> None:
    for at in (datetime(2099, 6, 1, 10, 0), timezone.now() - DAY):
        with pytest.raises(InvalidInput) as refused:
            submitted(modes("ok"), start_at=at)
        assert list(refused.value.errors) == ["start_at"]


def test_it_is_changed_taken_away_and_started_before() -> None:
    batch = submitted(modes("ok"), start_at=NOON)
    operations.adjust(batch.pk, start_at=NOON + DAY)
    assert batch.transitions.get(verb="adjust").reason == (
        "start_at 2099-06-01 10:00:00 UTC → 2099-06-02 10:00:00 UTC."
    )
    assert operations.adjust(batch.pk, start_at=None).start_at is None
    operations.adjust(batch.pk, start_at=NOON)
    operations.start(batch.pk, actor="ana")
    with pytest.raises(InvalidTransition):
        operations.adjust(batch.pk, start_at=None)
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"]


def test_rest_takes_a_time_with_its_zone() -> None:
    operator, body = client("operator"), {"processor": "test.do", "items": modes("ok")}
    made = operator.post("/api/batches", body | {"id": "b1", "start_at": "2099-06-01T12:00:00+02:00"}, format="json")
    assert (made.status_code, made.json()["start_at"]) == (201, "2099-06-01T10:00:00Z")
    assert made.json()["sentence"] == SENTENCE
    for wrong in ({"start_at": "2099-06-01T12:00:00"}, {"start_at": "2099-06-01T12:00:00Z", "start": True}):
        answer = operator.post("/api/batches", body | wrong, format="json")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["start_at"])
    assert operator.post("/api/batches/b1/adjust", {"start_at": None}, format="json").json()["start_at"] is None


def test_the_command_line_takes_shows_and_changes_it(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text('[{"mode": "ok"}]')
    options = ("run", "test.do", str(file), "--id", "b1", "--start-at", "2099-06-01T12:00:00+02:00")
    code, out, _ = batch_command(*options)
    assert (code, out.strip()) == (0, f"b1: 1 item stored. {SENTENCE}")
    assert SENTENCE in batch_command("list")[1]
    assert batch_command("adjust", "b1", "--start-at", "2099-06-01T12:00")[0] == 2
    assert batch_command("adjust", "b1", "--start-at", "none")[0] == 0
    assert operations.get_batch("b1").start_at is None


def test_pages_show_and_take_it_in_the_readers_zone() -> None:
    submitted(modes("ok"), batch_id="b1", start_at=NOON)
    admin, address = signed_in(person("admin")), "/admin/batches/batch/b1/"
    admin.cookies["zone"] = "Europe/Berlin"
    for page in ("/admin/batches/batch/", f"{address}change/"):
        assert "12:00:00 CEST" in admin.get(page).content.decode(), page
    assert "b1/change" not in admin.get("/admin/batches/batch/?show=attention").content.decode()
    form = admin.get(f"{address}adjust/").content.decode()
    assert 'value="2099-06-01T12:00:00"' in form
    assert "In the zone Europe/Berlin." in form
    values = {name: getattr(operations.get_batch("b1"), name) or "" for name in operations.ADJUSTABLE}
    assert admin.post(f"{address}adjust/", values | {"start_at": "2099-06-01T13:00:00"}).status_code == 302
    berlin = datetime(2099, 6, 1, 13, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert operations.get_batch("b1").start_at == berlin
