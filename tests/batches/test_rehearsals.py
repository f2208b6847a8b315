"""Run for real, rolled back: the report a run would have, and nothing changed in any table but the rehearsal's own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import operations
from batches.engine import rehearsals, runner
from batches.exceptions import InvalidInput, InvalidTransition, UnknownBatch
from batches.isolation import deferred_constraints
from batches.models import Batch, Checkpoint, Item, Rehearsal
from tests import processors
from tests.helpers.batches import item, modes, submitted
from tests.helpers.outside import outside  # noqa: F401 - registers its processors
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., subprocess.Popen[str]]


def everything() -> dict[str, list[Any]]:
    """All rows of all tables but the rehearsal's."""
    models = [model for model in apps.get_models() if model is not Rehearsal]
    return {model._meta.label: sorted(map(str, model.objects.values_list())) for model in models}


def rehearsed(batch_id: str, **options: Any) -> dict[str, Any]:
    made = operations.rehearse(batch_id, actor="ana", wake=False, **options)
    while rehearsals.work(made.pk):
        pass
    return operations.get_rehearsal(batch_id, made.number).to_dict()


def test_a_batch_with_a_rate_is_rehearsed_without_waiting_for_it() -> None:
    assert rehearsed(submitted(modes(*["ok"] * 12), rate=0.5).pk)["done"] == 12


def test_it_tells_what_would_happen_and_changes_nothing() -> None:
    batch = submitted(modes(*["ok"] * 12, "invalid", "invalid", "skip", *["ok"] * 10, effect=True))
    before = everything()
    report = rehearsed(batch.pk)
    assert everything() == before
    assert Group.objects.filter(name__startswith=batch.pk).count() == 0
    assert (report["state"], report["done"], report["items"]) == ("DONE", 25, 25)
    assert (report["succeeded"], report["skipped"], report["failed"]) == (22, 1, 2)
    assert report["error_rate"] == 8.0
    (group,) = report["groups"]
    assert (group["count"], group["item_keys"]) == (2, [item(batch, 12).key, item(batch, 13).key])
    assert sum(report["errors_by_code"].values()) == 2


def test_it_tells_the_same_as_the_run_does() -> None:
    batch = submitted(modes(*["ok", "invalid", "error", "set_result", "exit"] * 4, effect=True), max_attempts=1)
    report = rehearsed(batch.pk)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    failed = Item.objects.filter(batch=batch, status="FAILED")
    assert report["failed"] == failed.count() > 0
    assert {group["fingerprint"] for group in report["groups"]} == set(
        apps.get_model("errors.ErrorRecord").objects.values_list("group__fingerprint", flat=True)
    )


def test_it_rehearses_a_random_sample() -> None:
    batch = submitted(modes(*["ok"] * 60))
    report = rehearsed(batch.pk, sample=7)
    assert (report["items"], report["done"]) == (7, 7)


def test_it_rehearses_what_a_retry_would_run() -> None:
    batch = submitted(modes("ok", "invalid", "error", "ok"), max_attempts=1)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    assert rehearsed(batch.pk)["done"] == 2
    report = rehearsed(batch.pk, item_keys=[item(batch, 1).key])
    assert (report["done"], report["failed"]) == (1, 1)
    assert operations.verify(batch.pk) == []


def test_it_names_the_item_that_breaks_its_chunk() -> None:
    batch = submitted(modes("ok", "ok", "close", "ok", effect=True), max_attempts=1)
    before = everything()
    report = rehearsed(batch.pk)
    assert (report["succeeded"], report["failed"]) == (3, 1)
    assert report["problematic_items"][0]["item_key"] == item(batch, 2).key
    assert everything() == before


def test_it_sees_what_only_the_commit_would_refuse() -> None:
    batch = submitted(modes("ok", "deferred", "ok", effect=True), max_attempts=1)
    report = rehearsed(batch.pk)
    assert (report["succeeded"], report["failed"]) == (2, 1)
    assert [item["item_key"] for item in report["problematic_items"]] == ["2"]


def test_it_sees_rows_that_are_referred_to_and_gone(user_of: Callable[[str], Any], monkeypatch: Any) -> None:
    kept = user_of("charlie").groups.create(name="kept")
    raw = f"DELETE FROM auth_group WHERE id = {kept.pk}"
    monkeypatch.setitem(processors.MODES, "orphan", lambda payload, context: processors.raw(raw))
    batch = submitted(modes("ok", "orphan", "ok"), max_attempts=1)
    report = rehearsed(batch.pk)
    assert (report["succeeded"], report["failed"]) == (2, 1)
    assert Group.objects.filter(pk=kept.pk).exists()


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ('INSERT INTO "auth_group" ("name") VALUES (%s)', "auth_group"),
        ("insert or replace into Auth_Group values (1)", "auth_group"),
        ("UPDATE [of two words] SET x = 1", "of two words"),
        ("\n DELETE FROM `t` WHERE 1", "t"),
        ("SELECT 1", ""),
        ("INSERT INTO", ""),
    ],
)
def test_it_knows_which_table_a_statement_writes_to(sql: str, table: str) -> None:
    assert deferred_constraints.table_written(sql) == table


@pytest.mark.full
def test_it_goes_on_when_its_worker_dies_and_names_the_item_that_kills_it(in_process: Start) -> None:
    batch = submitted(modes("ok", "ok", "die", "ok", "ok"))
    made = operations.rehearse(batch.pk, wake=False)
    source = "import sys; from batches.engine import rehearsals; rehearsals.work(int(sys.argv[1]))"
    deaths = 0
    while Rehearsal.objects.get(pk=made.pk).state == "RUNNING" and deaths < 9:
        worker = in_process(source, str(made.pk))
        worker.communicate(timeout=PATIENCE)
        deaths += worker.returncode != 0
        Rehearsal.objects.filter(pk=made.pk).update(lease_expires_at=None)
    report = operations.get_rehearsal(batch.pk, 1).to_dict()
    assert deaths == 2
    assert (report["done"], report["failed"], list(report["errors_by_code"])) == (5, 1, ["WORKER_CRASH"])


def test_it_is_done_by_one_worker_only() -> None:
    batch = submitted(modes("ok"))
    made = operations.rehearse(batch.pk, wake=False)
    assert rehearsals.take(made.pk) is not None
    assert rehearsals.take(made.pk) is None


def test_it_stops_when_the_batch_is_started() -> None:
    batch = submitted(modes(*["ok"] * 30))
    made = operations.rehearse(batch.pk, wake=False)
    operations.start(batch.pk)
    assert not rehearsals.work(made.pk)
    assert operations.get_rehearsal(batch.pk, 1).state == "CANCELLED"


def test_it_refuses_what_cannot_be_rehearsed(tmp_path: Any) -> None:
    calls = operations.submit(
        processor="outside.call", items=[{"log": str(tmp_path / "calls.log")}], batch_id="outside"
    ).batch
    with pytest.raises(InvalidInput, match="cannot be rolled back"):
        operations.rehearse(calls.pk)
    batch = submitted(modes("ok"))
    for sample in (0, -1, 10**9, True):
        with pytest.raises(InvalidInput, match="sample"):
            operations.rehearse(batch.pk, sample=sample)
    with pytest.raises(InvalidInput, match="Say which"):
        operations.rehearse(batch.pk, all_failed=True, item_keys=["1"])
    with pytest.raises(InvalidInput, match="nothing to rehearse"):
        operations.rehearse(batch.pk, all_failed=True)
    with pytest.raises(UnknownBatch):
        operations.get_rehearsal(batch.pk, 99)
    operations.start(batch.pk)
    with pytest.raises(InvalidTransition):
        operations.rehearse(batch.pk)


def test_it_rehearses_from_the_command_line(tmp_path: Any, capsys: Any) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("mode,n\nok,1\ninvalid,2\nok,3\n")
    with pytest.raises(SystemExit) as ended:
        call_command("batch", "run", "test.do", str(rows), "--id", "dry", "--rehearse")
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "3 of 3 items, 1 would fail. Nothing was changed." in said
    assert operations.get_batch("dry").status == "PENDING"


def test_it_looks_for_an_item_to_rehearse_by_an_index() -> None:
    """Among the items of all batches it was looked for from the first on."""
    batch = submitted(modes("ok", "ok", "error"))
    Batch.objects.filter(pk=batch.pk).update(status="PAUSED")
    batch.refresh_from_db()
    with CaptureQueriesContext(connection) as statements:
        assert operations.may_rehearse(batch)
    reads = [each["sql"] for each in statements if "asideitem" in each["sql"]]
    assert '"failed_at" IS NOT NULL' in reads[0]
    assert all('"failed_at" IS NOT NULL' in sql or 'ORDER BY "batches_item"."position"' in sql for sql in reads)
    Item.objects.filter(batch=batch).update(status="SUCCEEDED")
    Checkpoint.objects.update_or_create(batch=batch, lane=0, defaults={"position": 2, "succeeded": 3})
    with CaptureQueriesContext(connection) as statements:
        assert not operations.may_rehearse(batch)
    assert all('"failed_at" IS NOT NULL' in each["sql"] for each in statements if "asideitem" in each["sql"])
