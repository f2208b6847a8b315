"""A batch that has ended is run again: a new one of the same rows and parameters, which says which it follows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.exceptions import BatchConflict, InvalidInput, InvalidTransition, UnusableParams
from batches.lifecycle import removals
from batches.models import Batch, Item, ParameterFile
from tests.helpers.batches import item, modes, ran, rows_written, statuses, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.fixes import download, failed_table, finish, fix
from tests.helpers.pages import page
from tests.helpers.people import UserOf, client, person, signed_in
from tests.helpers.with_params import NAME, Register

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]
NOON = datetime(2099, 6, 1, 10, 0, tzinfo=UTC)


def rows_of(batch: Batch) -> list[tuple[int, str, Any]]:
    return list(batch.items.order_by("position").values_list("position", "key", "payload"))


def test_it_has_the_rows_parameters_and_options_and_none_of_the_outcomes() -> None:
    first = ran(modes("ok", "invalid", "ok"), rate=500.0, max_attempts=3, priority="low", name="nightly")

    again = operations.run_again(first.pk, actor="ana", user=person("ana")).batch

    assert again.pk != first.pk
    assert rows_of(again) == rows_of(first)
    assert statuses(again) == ["PENDING"] * 3
    assert (again.rate, again.max_attempts, again.priority, again.name) == (500.0, 3, "low", "nightly")
    assert (again.follows_id, again.status, again.total_items) == (first.pk, "PENDING", 3)
    assert str(again.created_by) == "ana"
    assert item(again, 1).failed_at is None
    operations.start(again.pk)
    runner.work_until_idle(again.pk)
    assert statuses(again) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert operations.verify(again.pk) == operations.verify(first.pk) == []


def test_the_same_id_again_is_the_same_batch_and_another_batchs_id_a_conflict() -> None:
    first, other = ran(modes("ok")), ran(modes("ok"))
    again = operations.run_again(first.pk, new_id="again")
    before = rows_written()

    repeated = operations.run_again(first.pk, new_id="again")
    with pytest.raises(BatchConflict, match="follows another"):
        operations.run_again(other.pk, new_id="again")

    assert (again.created, repeated.created) == (True, False)
    assert repeated.batch == again.batch
    assert rows_written() == before


@pytest.mark.parametrize("status", ["RUNNING", "PAUSED", "HALTED", "PENDING", "ARCHIVED", "DELETING"])
def test_it_refuses_a_batch_that_has_not_ended_or_whose_items_are_gone(status: str) -> None:
    batch = ran(modes("ok"))
    Batch.objects.filter(pk=batch.pk).update(status=status)
    before = rows_written()
    with pytest.raises(InvalidTransition, match=f"Cannot run again batch {batch.pk}: it is {status.lower()}."):
        operations.run_again(batch.pk)
    assert operations.rerun_plan(batch.pk).refusal
    assert rows_written() == before


def test_it_refuses_what_goes_while_it_is_copied() -> None:
    first = ran(modes(*["ok"] * 5))
    Item.objects.filter(batch=first, position__lt=2).delete()  # as a removal that began after it was looked at
    with pytest.raises(InvalidTransition, match="Its items are gone"):
        operations.run_again(first.pk)
    assert list(Batch.objects.values_list("pk", flat=True)) == [first.pk]


def test_it_refuses_a_batch_that_a_script_drives() -> None:
    Batch.objects.create(pk="hand", total_items=2, status="COMPLETED")
    with pytest.raises(InvalidInput, match="A script drives this batch"):
        operations.run_again("hand")


def test_rows_that_were_corrected_are_as_they_were_corrected() -> None:
    first = failed_table()
    fix(first, download(first, {1: {"mode": "ok"}}), leave_out=True)
    finish(first)

    plan, again = operations.rerun_plan(first.pk), operations.run_again(first.pk).batch

    assert rows_of(again) == rows_of(first)
    assert item(again, 1).payload["mode"] == "ok"
    assert "1 row was corrected since: the new batch has them so." in plan.remarks
    assert again.source["notes"] == ["Runs t1 again.", "1 row as corrected there."]


def test_files_that_were_parameters_are_there_too(register: Register) -> None:
    class Form(forms.Form):
        table = forms.FileField()

    seen: list[bytes] = []
    register(Form, lambda item, context: seen.append(context.params["table"].read()))
    given = {"table": SimpleUploadedFile("t.csv", b"a,b\n1,2\n")}
    first = operations.submit(processor=NAME, params=given, items=[{"n": 1}], batch_id="files").batch
    operations.start(first.pk)
    runner.work_until_idle(first.pk)

    again = operations.run_again(first.pk).batch
    operations.delete(first.pk)
    removals.work()
    operations.start(again.pk)
    runner.work_until_idle(again.pk)

    assert seen == [b"a,b\n1,2\n"] * 2
    assert ParameterFile.objects.filter(batch=again).count() == 1
    again.refresh_from_db()
    assert again.follows is None
    assert again.source["notes"] == ["Runs files again."]


def test_parameters_that_the_processor_does_not_take_any_more_are_refused(register: Register) -> None:
    class Old(forms.Form):
        shop = forms.CharField()

    class New(forms.Form):
        region = forms.CharField()

    register(Old, lambda item, context: None)
    first = operations.submit(processor=NAME, params={"shop": "x"}, items=[{"n": 1}], batch_id="old").batch
    operations.start(first.pk)
    runner.work_until_idle(first.pk)
    register(New, lambda item, context: None)
    with pytest.raises(UnusableParams, match="region"):
        operations.run_again(first.pk)
    assert "region" in operations.rerun_plan(first.pk).refusal


def test_rest_makes_starts_and_answers_it_again() -> None:
    first = ran(modes("ok", "ok"))
    api, url = client("operator"), f"/api/batches/{first.pk}/run_again"
    made = api.post(url, {"id": "again", "start": True, "name": "second"}, format="json")
    repeated = api.post(url, {"id": "again"}, format="json")
    assert (made.status_code, repeated.status_code) == (201, 200)
    assert made.json()["follows"] == first.pk
    assert (made.json()["status"], made.json()["name"]) == ("QUEUED", "second")
    assert made.headers["Location"] == "/api/batches/again"
    assert client("viewer").post(url, {}, format="json").status_code == 403
    refused = api.post(url, {"start": True, "start_at": NOON.isoformat()}, format="json")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["start_at"])
    assert api.post("/api/batches/again/run_again", {}, format="json").status_code == 409
    later = api.post(url, {"start_at": NOON.isoformat()}, format="json")
    assert later.json()["sentence"] == "Submitted; it starts by itself at 1 Jun 2099 10:00:00 UTC."


def test_the_command_runs_it_here_or_leaves_it_to_a_worker(tmp_path: Path) -> None:
    first = ran(modes("ok", "invalid"))
    code, text, _ = batch_command("run-again", first.pk, "--id", "here", "--json")
    assert (code, json.loads(text)["failed"]) == (1, 1)
    code, text, _ = batch_command("run-again", first.pk, "--id", "there", "--detach")
    assert (code, text) == (0, "there: 2 items queued.\n")
    code, _, complaint = batch_command("run-again", "there")
    assert code == 2
    assert "Wait for its end, or cancel it." in complaint


def test_its_form_sent_twice_makes_one_batch_and_both_pages_link_to_each_other(user_of: UserOf) -> None:
    first, operator = ran(modes("ok", "ok")), signed_in(user_of("operator"))
    address, home = reverse("admin:batches_batch_again", args=[first.pk]), first.get_absolute_url()
    assert address in page(operator, home)
    asked = page(operator, address)
    assert "A new batch of the same 2 items, with the same parameters." in asked
    form = operator.get(address).context["form"]
    answers = {"once": form["once"].value(), "start": "on"}
    shown = [operator.post(address, answers, follow=True).content.decode() for _ in range(2)]
    again = Batch.objects.get(follows=first)
    assert again.status == "QUEUED"
    assert all(f'Runs <a href="{home}">{first.pk}</a> again.' in each for each in shown)
    assert f"{again.pk} runs {first.pk} again: 2 items stored." in shown[0]
    assert again.get_absolute_url() in page(operator, home)
    assert "It was run again before, as" in page(operator, address)


def test_a_viewer_is_offered_nothing_and_may_not(user_of: UserOf) -> None:
    first, viewer = ran(modes("ok")), signed_in(user_of("viewer"))
    address = reverse("admin:batches_batch_again", args=[first.pk])
    assert address not in page(viewer, first.get_absolute_url())
    assert viewer.get(address).status_code == viewer.post(address, {}).status_code == 403


def test_of_a_batch_that_runs_the_form_says_why_not(user_of: UserOf) -> None:
    batch, operator = submitted(modes("ok")), signed_in(user_of("operator"))
    address = reverse("admin:batches_batch_again", args=[batch.pk])
    assert "Wait for its end, or cancel it." in operator.get(address, follow=True).content.decode()
