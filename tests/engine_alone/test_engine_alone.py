"""What an operator has of the engine in a project that does not install triage."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from batches import operations
from batches.engine import rehearsals, runner
from batches.models import Batch, Retry
from tests.helpers.batches import item, modes, ran, statuses, submitted

pytestmark = pytest.mark.usefixtures("engine")
User = Callable[[str], Any]


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def command(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("batch", *arguments, stdout=out, stderr=StringIO())
    return int(str(ended.value.code)), out.getvalue()


def test_it_runs_where_triage_is_not_installed() -> None:
    assert not apps.is_installed("errors")
    batch = ran(modes("ok", "invalid", "skip"))
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "SKIPPED"]
    assert operations.verify(batch.pk) == []


def test_it_leads_nowhere_into_triage(user_of: User) -> None:
    batch, client = ran(modes("ok", "invalid")), client_of(user_of("operator"))
    pages = [
        reverse("admin:batches_batch_changelist"),
        batch.get_absolute_url(),
        reverse("admin:batches_item_changelist"),
        reverse("admin:batches_item_change", args=[item(batch, 1).pk]),
        reverse("admin:batches_batch_add"),
        reverse("admin:batches_batch_new", args=["check_rows"]),
    ]
    for url in pages:
        shown = page(client, url)
        assert "Triage" not in shown
        assert "/errors/" not in shown


def test_it_leads_from_the_number_of_failures_to_the_items(user_of: User) -> None:
    batch, client = ran(modes("ok", "invalid", "invalid")), client_of(user_of("viewer"))
    failed = f"{reverse('admin:batches_item_changelist')}?batch__id__exact={batch.pk}&amp;failed_at__isnull=False"
    assert failed in page(client, batch.get_absolute_url())
    assert failed in page(client, reverse("admin:batches_batch_changelist"))
    assert "2 items" in page(client, failed.replace("&amp;", "&"))


def test_it_asks_before_it_retries_what_failed(user_of: User) -> None:
    batch, client = ran(modes("ok", "invalid", "invalid")), client_of(user_of("operator"))
    url = reverse("admin:batches_batch_act", args=[batch.pk, "retry"])
    assert url in page(client, batch.get_absolute_url())
    assert "Retry 2 items that failed?" in page(client, url)
    assert client.post(url, {"reason": "mended"}).status_code == 302
    assert statuses(batch) == ["SUCCEEDED", "PENDING", "PENDING"]
    assert Retry.objects.get().reason == "mended"


def test_it_retries_the_items_selected_in_their_list(user_of: User) -> None:
    batch, client = ran(modes("invalid", "invalid")), client_of(user_of("operator"))
    selected = {"action": "retry_selected", "_selected_action": [item(batch, 1).pk]}
    assert client.post(reverse("admin:batches_item_changelist"), selected).status_code == 302
    assert statuses(batch) == ["FAILED", "PENDING"]


def test_it_shows_the_last_failure_of_an_item_and_what_was_done_about_it(user_of: User) -> None:
    batch = ran(modes("invalid"))
    operations.retry(batch.pk, all_failed=True, actor="ana", reason="once more")
    runner.work_until_idle(batch.pk)
    shown = page(client_of(user_of("operator")), reverse("admin:batches_item_change", args=[item(batch, 0).pk]))
    assert "Failed at attempt 2" in shown
    assert "price is negative" in shown
    assert "asked for retry 1" in shown


def test_it_rehearses_and_counts_failures_by_code(user_of: User) -> None:
    batch = submitted(modes("ok", "invalid"))
    rehearsal = operations.rehearse(batch.pk, wake=False)
    while rehearsals.work(rehearsal.pk):
        pass
    url = reverse("admin:batches_batch_rehearsal", args=[batch.pk, rehearsal.number])
    assert "1 of 2 items would fail" in page(client_of(user_of("operator")), url)


def test_it_has_the_engines_verbs_on_the_command_line(tmp_path: Path) -> None:
    rows = tmp_path / "rows.ndjson"
    rows.write_text('{"mode": "ok"}\n{"mode": "invalid"}\n')
    assert command("run", "test.do", str(rows), "--id", "b1")[0] == 1
    assert command("verify", "b1")[0] == 0
    assert "retry 1" in command("retry", "b1")[1]
    with pytest.raises(Exception, match="invalid choice: 'errors'"):
        call_command("batch", "errors", "b1")


def test_it_answers_over_rest(user_of: User) -> None:
    batch, client = ran(modes("ok", "invalid")), client_of(user_of("operator"))
    assert client.get(f"/api/batches/{batch.pk}/progress").json()["failed"] == 1
    assert client.get(f"/api/batches/{batch.pk}/errors").status_code == 404
    begun = client.post(f"/api/batches/{batch.pk}/retry", {"all_failed": True}, content_type="application/json")
    assert begun.status_code == 202
    assert begun.json()["items"] == 1
    refused = client.post(f"/api/batches/{batch.pk}/retry", {"group": "0"}, content_type="application/json")
    assert refused.status_code in (400, 409, 422)
    assert Batch.objects.get().retries.count() == 1
