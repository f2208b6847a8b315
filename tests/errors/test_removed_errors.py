"""What triage does with a batch that is deleted or archived."""

from __future__ import annotations

from typing import Any

import pytest

from batches import operations, progress_tracker
from batches.lifecycle import removals
from batches.models import Removal
from errors import error_analyzer, exports
from errors.desk.addresses import desk_url
from errors.exports import file_writer, files
from errors.exports.request import ExportRequest
from errors.grouping import failing_now
from errors.models import BatchGroup, Export
from tests.helpers.check_rows import BAD, GOOD, finished
from tests.helpers.failures import all_failed
from tests.helpers.people import person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]


def export_of(batch_id: str) -> Export:
    request = ExportRequest(operations.get_batch(batch_id))
    return exports.record(request, actor="ana", state=Export.State.QUEUED)


def test_exports_end_in_words_and_their_files_go(settings: Any, tmp_path: Any) -> None:
    settings.PORTAL_VAR = tmp_path
    finished("b1", (GOOD, BAD, BAD))
    ready, waiting = export_of("b1"), export_of("b1")
    file_writer.work(ready.pk)
    ready.refresh_from_db()
    assert (files.directory() / ready.file).exists()
    plan = operations.removal_plan("b1", "delete")
    assert (plan.contents["files of exports"], plan.contents["bytes of these files"]) == (1, ready.written)
    operations.delete("b1")
    waiting.refresh_from_db()
    assert (waiting.state, waiting.note) == ("cancelled", "The batch is being deleted.")
    assert not list(files.directory().iterdir())
    assert file_writer.work(waiting.pk) is False
    removals.work()
    assert not Export.objects.exists()


def test_a_writer_in_mid_file_leaves_nothing_behind(settings: Any, tmp_path: Any) -> None:
    settings.PORTAL_VAR = tmp_path
    finished("b1", (GOOD, BAD))
    export = export_of("b1")
    taken = file_writer.take(export.pk)
    assert taken is not None
    writer = file_writer.FileWriter(taken, 1e12, lambda: False)
    operations.delete("b1")
    writer.write_slice()
    assert not list(files.directory().iterdir())


@pytest.mark.parametrize("kind", ["delete", "archive"])
def test_the_desk_of_a_batch_whose_errors_go_leads_to_its_page(kind: str) -> None:
    finished("b1", (GOOD, BAD))
    getattr(operations, kind)("b1")
    client = signed_in(person("admin"))
    found = client.get(desk_url("b1"))
    assert (found.status_code, found.headers["Location"]) == (302, "/admin/batches/batch/b1/change/")
    assert client.get("/admin/batches/batch/b1/change/").status_code == 200


def test_errors_without_items_go_as_well() -> None:
    progress_tracker.start_batch("script", 3)
    for n, key in enumerate(("a", "b", "c")):
        error_analyzer.record_error("script", key, n, ValueError("broken"))
    operations.cancel("script")
    operations.delete("script")
    removals.work()
    assert not BatchGroup.objects.exists()
    assert Removal.objects.get().contents["errors"] == 3


def test_nothing_of_what_goes_fails_now() -> None:
    batch = all_failed(3)
    failing_now.refresh(batch)
    assert BatchGroup.objects.get().failing == 3
    operations.delete(batch.pk)
    failing_now.refresh_stale()
    failing_now.refresh(operations.get_batch(batch.pk))
    assert BatchGroup.objects.get().failing == 0
