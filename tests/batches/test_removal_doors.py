"""Deleting and archiving by page, list, REST and command line: who may, what is said before, and what is shown then."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches import operations
from batches.lifecycle import removals
from batches.models import AccessToken, Batch, Removal
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.check_rows import BAD, GOOD, finished
from tests.helpers.command_line import batch_command as run
from tests.helpers.people import browser, client, person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]


def page(address: str, role: str = "admin") -> str:
    answer = signed_in(person(role)).get(address)
    assert answer.status_code == 200, answer
    return " ".join(html.unescape(answer.content.decode()).split())


def staff(role: str) -> Any:
    user = person(role)
    user.is_staff = True
    user.save()
    return signed_in(user)


def test_the_page_says_what_would_go_and_what_would_stay() -> None:
    finished("b1", (GOOD, BAD, BAD))
    finished("b2")
    assert "Delete…" in page("/admin/batches/batch/b1/change/")
    text = page("/admin/batches/batch/b1/delete/")
    assert "<dt>items</dt><dd>3</dd>" in text
    assert "<dt>errors</dt><dd>2</dd>" in text
    assert "1 has errors in other batches" in text
    assert "one line in the record" in text
    assert Batch.objects.get(pk="b1").status == "COMPLETED"


def test_a_batch_that_is_being_deleted_says_how_far_it_is() -> None:
    batch, admin = ran(modes(*["ok"] * 200)), signed_in(person("admin"))
    answer = admin.post(f"/admin/batches/batch/{batch.pk}/delete/", {"reason": "old"})
    assert answer.status_code == 302
    removals.Remover().step(removals.under_way()[0].pk)
    assert "Being deleted, 50 %." in page(f"/admin/batches/batch/{batch.pk}/change/")
    assert "Being deleted, 50 %" in page("/admin/batches/batch/")
    assert client("viewer").get(f"/api/batches/{batch.pk}").json()["sentence"].startswith("Being deleted, 50 %.")
    removals.work()
    assert not Batch.objects.filter(pk=batch.pk).exists()
    assert (Removal.objects.get().actor, Removal.objects.get().reason) == ("admin", "old")


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_the_page_of_a_deleted_batch_leads_to_the_record_of_it(role: str) -> None:
    """Whoever watched it go, or has its address in a mail, sees who deleted it, when and why."""
    finished("b_1", (GOOD, BAD))
    operations.delete("b_1", actor="ana", reason="asked to")
    removals.work()
    answer = staff(role).get("/admin/batches/batch/b_1/change/", follow=True)
    assert answer.redirect_chain == [(f"/admin/batches/removal/{Removal.objects.get().pk}/change/", 302)]
    assert "asked to" in answer.content.decode()


def test_a_list_costs_the_same_however_many_of_its_batches_are_being_deleted() -> None:
    spent = []
    for _ in range(2):
        batches = [submitted(modes("ok")) for _ in range(3)]
        for batch in batches:
            operations.delete(batch.pk)
        for visitor, address in (
            (signed_in(person("admin")), "/admin/batches/batch/"),
            (client("viewer"), "/api/batches"),
        ):
            visitor.get(address)
            with CaptureQueriesContext(connection) as queries:
                assert "Being deleted, 0 %" in visitor.get(address).content.decode()
            spent.append(len(queries))
    assert spent[:2] == spent[2:]


def test_an_archived_batch_is_in_a_list_of_its_own_and_shows_its_summary() -> None:
    finished("b1", (GOOD, BAD, BAD))
    assert "b1" in page("/admin/batches/batch/?show=attention")
    staff("admin").post("/admin/batches/batch/b1/archive/")
    removals.work()
    link = reverse("admin:batches_batch_change", args=["b1"])
    for query, listed in (("?show=attention", False), ("", False), ("?show=archived", True), ("?q=b1", True)):
        assert (f'href="{link}"' in page(f"/admin/batches/batch/{query}")) is listed
    text = page(link)
    assert "every one of them held" in text
    assert "<dt>Failed</dt><dd>2</dd>" in text
    assert "MISSING_FIELD" in text or "Error groups" in text


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("admin", 302)])
@pytest.mark.parametrize("verb", ["delete", "archive"])
@pytest.mark.full
def test_deleting_has_a_right_of_its_own(role: str, status: int, verb: str) -> None:
    finished()
    assert staff(role).post(f"/admin/batches/batch/b1/{verb}/").status_code == status
    assert Removal.objects.count() == (status == 302)


def test_who_is_given_the_right_may_delete_without_being_a_superuser() -> None:
    finished()
    visitor, user = client("operator"), person("operator")
    user.user_permissions.add(Permission.objects.get(codename="delete_batch"))
    assert visitor.delete("/api/batches/b1").status_code == 202


def test_the_list_asks_before_it_deletes_what_is_selected() -> None:
    for batch_id in ("b1", "b2"):
        finished(batch_id)
    admin, form = signed_in(person("admin")), {"action": "delete_selected", "_selected_action": ["b1", "b2"]}
    asked = admin.post("/admin/batches/batch/", form)
    assert "Delete 2 batches?" in asked.content.decode()
    assert not Removal.objects.exists()
    admin.post("/admin/batches/batch/", form | {"post": "yes"})
    assert Removal.objects.count() == 2


def test_rest_deletes_and_tells_how_far_it_is() -> None:
    finished()
    admin = client("admin")
    plan = admin.get("/api/batches/b1/removal").json()
    assert (plan["contents"]["items"], plan["contents"]["errors"], plan["refusal"]) == (2, 1, "")
    answer = admin.delete("/api/batches/b1?reason=old")
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (202, "running", "old")
    assert admin.get("/api/batches/b1").json()["status"] == "DELETING"
    removals.work()
    done = admin.get(answer.headers["Location"]).json()
    assert (done["state"], done["percent"], done["removed_items"]) == ("done", 100, 2)
    assert admin.get("/api/batches/b1").status_code == 404
    assert [row["batch_id"] for row in admin.get("/api/removals").json()["results"]] == ["b1"]


def test_rest_refuses_while_something_runs() -> None:
    operations.start(submitted(modes("ok"), batch_id="b1").pk)
    answer = client("admin").delete("/api/batches/b1")
    assert (answer.status_code, answer.json()["status"]) == (409, 409)
    assert "Cancel it first" in answer.json()["detail"]


def test_rest_archives_and_lists_archived_batches_by_their_status_alone() -> None:
    finished()
    assert client("admin").post("/api/batches/b1/archive", {}, format="json").status_code == 202
    removals.work()
    assert client("viewer").get("/api/batches").json()["results"] == []
    assert [row["id"] for row in client("viewer").get("/api/batches?status=ARCHIVED").json()["results"]] == ["b1"]


def test_a_limited_token_sees_and_deletes_its_own_processors_batches_only() -> None:
    finished("b1")
    submitted(modes("ok"), batch_id="other")
    admin = client("admin")
    for batch_id in ("b1", "other"):
        operations.delete(batch_id)
    removals.work()
    AccessToken.objects.update(processors=["test.do"])
    assert [row["batch_id"] for row in admin.get("/api/removals").json()["results"]] == ["other"]
    hidden = Removal.objects.get(batch_id="b1")
    assert admin.get(f"/api/removals/{hidden.pk}").status_code == 404
    finished("b3")
    assert admin.delete("/api/batches/b3").status_code == 404


def test_a_session_needs_the_forms_token() -> None:
    finished()
    assert browser("admin").delete("/api/batches/b1").status_code == 403


def test_the_command_line_looks_first_and_does_it_itself() -> None:
    finished()
    code, out, _ = run("delete", "b1", "--dry-run")
    assert code == 0
    assert "2 items" in " ".join(out.split())
    code, _, errors = run("delete", "b1")
    assert code != 0
    assert "--yes" in errors
    assert Batch.objects.get().status == "COMPLETED"
    code, out, _ = run("archive", "b1", "--yes")
    assert (code, out.strip()) == (0, "b1: archived, 2 items.")
    assert run("list")[1].strip() == "There are no batches."
    code, out, _ = run("delete", "b1", "--yes", "--json")
    assert '"state": "done"' in out
    assert not Batch.objects.exists()
