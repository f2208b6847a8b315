"""The admin's pages: who may see and do what, what is refused and how it is said, and what a page costs."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item, Transition
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.pages import page
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]

LIST, ADD = "admin:batches_batch_changelist", "admin:batches_batch_add"


def act_url(batch: Batch, verb: str) -> str:
    return reverse("admin:batches_batch_act", args=[batch.pk, verb])


def test_it_asks_a_stranger_to_sign_in() -> None:
    batch = submitted(modes("ok"))
    for url in (reverse(LIST), batch.get_absolute_url(), reverse(ADD), act_url(batch, "start")):
        assert Client().get(url).status_code == 302
        assert Client().post(url).status_code == 302
    batch.refresh_from_db()
    assert batch.status == "PENDING"


def test_it_refuses_staff_without_rights_every_page_and_act(user_of: UserOf) -> None:
    charlie = user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    batch, client = submitted(modes("ok")), signed_in(charlie)
    for url in (reverse(LIST), batch.get_absolute_url(), reverse(ADD), act_url(batch, "start")):
        assert client.get(url).status_code == 403
        assert client.post(url, {"action": "cancel_selected", "_selected_action": batch.pk}).status_code == 403
    batch.refresh_from_db()
    assert batch.status == "PENDING"


def test_it_lets_a_viewer_look_and_do_nothing(user_of: UserOf) -> None:
    batch, client = submitted(modes("ok")), signed_in(user_of("viewer"))
    assert "Start" not in page(client, batch.get_absolute_url())
    assert "New batch" not in page(client, reverse(LIST))
    for verb in ("start", "pause", "resume", "cancel", "retry"):
        assert client.post(act_url(batch, verb)).status_code == 403
    assert client.get(reverse(ADD)).status_code == 403
    client.post(reverse(LIST), {"action": "cancel_selected", "_selected_action": batch.pk})
    batch.refresh_from_db()
    assert batch.status == "PENDING"


@pytest.mark.parametrize(
    ("verbs", "status", "shown", "hidden"),
    [
        ((), "PENDING", ["Start", "Cancel…"], ["Pause", "Resume", "Retry"]),
        (("start",), "QUEUED", ["Pause", "Cancel…"], ["Start", "Resume", "Retry"]),
        (("start", "pause"), "PAUSED", ["Resume", "Cancel…"], ["Start", "Pause", "Retry"]),
        (("cancel",), "CANCELLED", [], ["Start", "Pause", "Resume", "Cancel…", "Retry"]),
    ],
)
def test_it_shows_only_the_buttons_that_are_legal_now(
    user_of: UserOf, verbs: tuple[str, ...], status: str, shown: list[str], hidden: list[str]
) -> None:
    batch, client = submitted(modes("ok", "ok")), signed_in(user_of("operator"))
    for verb in verbs:
        client.post(act_url(batch, verb))
    batch.refresh_from_db()
    assert batch.status == status
    acts = page(client, batch.get_absolute_url()).split('class="bp-acts"')[1].split("</header>")[0]
    assert [label for label in shown if f">{label}<" not in acts] == []
    assert [label for label in hidden if f">{label}" in acts] == []


def test_it_offers_a_retry_where_something_failed_and_says_what_it_will_do(user_of: UserOf) -> None:
    batch, client = ran(modes("ok", "error", "error")), signed_in(user_of("operator"))
    assert "Retry failed…" in page(client, batch.get_absolute_url())
    question = client.get(act_url(batch, "retry"), follow=True).content.decode()
    assert "Retry 2 items that failed?" in question
    assert "Nothing that succeeded runs again." in question
    client.post(act_url(batch, "retry"), {"reason": "the host is back"})
    batch.refresh_from_db()
    assert batch.status == "QUEUED"
    assert Item.objects.filter(batch=batch, status="PENDING").count() == 2
    last = Transition.objects.filter(batch=batch).latest("pk")
    assert (last.verb, last.actor) == ("retry", "operator")
    assert "the host is back" in last.reason


@pytest.mark.parametrize("verb", ["pause", "resume", "start", "retry"])
def test_it_says_what_an_illegal_act_found_and_changes_nothing(user_of: UserOf, verb: str) -> None:
    batch, client = ran(modes("ok")), signed_in(user_of("operator"))
    before = Transition.objects.filter(batch=batch).count()
    answer = client.post(act_url(batch, verb), follow=True)
    said = [str(message) for message in answer.context["messages"]]
    assert len(said) == 1
    assert "it is completed" in said[0] or "nothing to retry" in said[0].lower()
    assert Transition.objects.filter(batch=batch).count() == before


def test_it_acts_on_the_selected_batches_and_names_those_it_could_not(user_of: UserOf) -> None:
    runs, done = submitted(modes("ok")), ran(modes("ok"))
    operations.start(runs.pk)
    client = signed_in(user_of("operator"))
    answer = client.post(
        reverse(LIST), {"action": "pause_selected", "_selected_action": [runs.pk, done.pk]}, follow=True
    )
    said = " ".join(str(message) for message in answer.context["messages"])
    runs.refresh_from_db()
    assert runs.status == "PAUSED"
    assert runs.pk in said
    assert done.pk in said


def test_it_resumes_from_the_list_where_it_was_paused(user_of: UserOf) -> None:
    batch, client = submitted(modes("ok", "ok")), signed_in(user_of("operator"))
    for action in ("start", "pause"):
        client.post(act_url(batch, action))
    client.post(reverse(LIST), {"action": "resume_selected", "_selected_action": batch.pk})
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "COMPLETED"


def form(**more: Any) -> dict[str, Any]:
    rows = SimpleUploadedFile("rows.csv", more.pop("rows", b"k\n1\n"))
    return {"file": rows, "params.schema": "{}", "concurrency": 1, "checkpoint_every": 10, **more}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": b"k,v\n1\n"}, "row 2"),
        ({"rows": b""}, "empty"),
        ({"params.schema": "{"}, "schema"),
        ({"rate": "-1"}, "greater than 0"),
        ({"id": "no good"}, "letters, digits"),
        ({"key_column": "nope"}, "there is no column"),
    ],
    ids=str,
)
def test_it_shows_what_is_wrong_with_a_submission_and_stores_nothing(
    user_of: UserOf, changes: dict[str, Any], words: str
) -> None:
    url = reverse("admin:batches_batch_new", args=["check_rows"])
    answer = signed_in(user_of("operator")).post(url, form(**changes))
    assert answer.status_code == 200
    assert words in answer.content.decode().replace("&#x27;", "'")
    assert Batch.objects.count() == 0


def test_it_refuses_an_upload_over_the_limit(user_of: UserOf, settings: Any) -> None:
    settings.PORTAL_MAX_UPLOAD_MB = 0.001
    url = reverse("admin:batches_batch_new", args=["check_rows"])
    answer = signed_in(user_of("operator")).post(url, form(rows=b"k\n" + b"1\n" * 2_000))
    assert "is the limit" in answer.content.decode()
    assert Batch.objects.count() == 0


def test_it_refuses_an_id_with_other_content_at_its_field(user_of: UserOf) -> None:
    client, url = signed_in(user_of("operator")), reverse("admin:batches_batch_new", args=["check_rows"])
    assert client.post(url, form(id="mine")).status_code == 302
    assert client.post(url, form(id="mine")).status_code == 302
    answer = client.post(url, form(id="mine", rows=b"k\n2\n"))
    assert "exists with other content" in answer.content.decode()
    assert Item.objects.count() == 1


def test_it_answers_404_for_a_processor_or_batch_that_is_not_there(user_of: UserOf) -> None:
    client = signed_in(user_of("operator"))
    assert client.get(reverse("admin:batches_batch_new", args=["nobody"])).status_code == 404
    assert client.get(reverse("admin:batches_batch_change", args=["nobody"])).status_code == 404
    assert client.get(reverse("admin:batches_batch_act", args=["nobody", "pause"])).status_code == 404
    assert client.post(act_url(submitted(modes("ok")), "explode")).status_code == 404


def test_it_escapes_and_masks_what_items_and_people_wrote(user_of: UserOf) -> None:
    evil = "<script>alert(1)</script>"
    batch = ran(modes("error", password="hunter22", note=evil), name=evil)
    client = signed_in(user_of("viewer"))
    item = Item.objects.get(batch=batch)
    for url in (reverse(LIST), batch.get_absolute_url(), reverse("admin:batches_item_change", args=[item.pk])):
        text = page(client, url)
        assert evil not in text
        assert "hunter22" not in text


def test_it_costs_the_same_however_many_batches_and_items_there_are(user_of: UserOf) -> None:
    client = signed_in(user_of("operator"))
    small, large = ran(modes("ok", "error")), ran(modes(*["ok", "error"] * 60))
    spent = {}
    for name, url in (("small", small.get_absolute_url()), ("large", large.get_absolute_url())):
        page(client, url)
        with CaptureQueriesContext(connection) as queries:
            page(client, url)
        spent[name] = len(queries)
    assert spent["small"] == spent["large"] <= 25


def test_the_list_costs_the_same_however_many_batches_there_are(user_of: UserOf) -> None:
    client = signed_in(user_of("operator"))
    ran(modes("ok", "error"))
    submitted(modes("ok"))

    def statements() -> list[str]:
        page(client, reverse(LIST))  # what fails now is counted once, and compared until nothing has changed
        page(client, reverse(LIST))
        with CaptureQueriesContext(connection) as queries:
            page(client, reverse(LIST))
        return [each["sql"] for each in queries]

    few = statements()
    for _ in range(20):
        submitted(modes("ok"))
    many = statements()
    assert len(few) == len(many) <= 15
    assert len([sql for sql in many if "COUNT(" in sql and 'FROM "batches_batch"' in sql]) <= 2
