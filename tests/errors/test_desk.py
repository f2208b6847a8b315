"""The triage desk: what it counts, shows and hides, for whom, and at what price."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from batches import progress_tracker
from batches.charts import batch_map
from batches.models import Batch, Checkpoint, Map
from errors import error_analyzer, findings, tasks
from errors.desk import advice_section, charts, desk_page, finding_cards, group_list, record_page
from errors.findings import looks, timeline
from errors.models import BatchGroup, ErrorGroup, Findings
from errors.rest import views
from tests.helpers.failures import batch_of, fail, raised
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def failing(size: int = 10, **more: Any) -> Batch:
    """Every item fails, in two ways."""
    batch = batch_of(size, **more)
    for n in range(size):
        fail(batch, n, raised(ValueError("bad <script>") if n % 2 else ConnectionError(f"host-{n} refused")))
    Checkpoint.objects.create(batch=batch, failed=size)
    return batch


def desk_url(batch: Batch) -> str:
    return reverse("admin:errors_desk", args=[batch.pk])


def group_url(batch: Batch, **wanted: Any) -> str:
    group = ErrorGroup.objects.get(**wanted)
    return reverse("admin:errors_group", args=[batch.pk, group.fingerprint])


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_it_shows_the_desk_to_those_who_may_look(user_of: UserOf, role: str) -> None:
    batch = failing()
    client = signed_in(user_of(role))
    for url in (desk_url(batch), group_url(batch, category="network"), reverse("admin:errors_overview")):
        assert client.get(url).status_code == 200


def test_it_keeps_out_who_may_not(user_of: UserOf) -> None:
    batch = failing()
    charlie = user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    for url in (desk_url(batch), group_url(batch, category="network"), reverse("admin:errors_overview")):
        assert signed_in(charlie).get(url).status_code == 403
        assert Client().get(url).status_code == 302


def test_it_says_how_many_failed_with_the_interval(user_of: UserOf) -> None:
    page = signed_in(user_of("viewer")).get(desk_url(failing(20))).content.decode()
    assert "20 of 20 items failed (100%, between 84% and 100%)." in page


def test_it_says_once_how_many_failed_when_the_batch_is_halted() -> None:
    reason = "12 of 12 items failed (100.0 %); the budget is 5 %."
    batch = failing(12, status="HALTED", reason=reason, max_error_rate=5)
    said = desk_page.sentence(batch, desk_page.failed_items(batch))
    assert said.startswith("12 of 12 items failed (")
    assert said.endswith(" Halted: the budget is 5 %.")
    assert said.count("12 of 12") == 1


def test_it_says_so_when_nothing_failed(user_of: UserOf) -> None:
    page = signed_in(user_of("viewer")).get(desk_url(batch_of(3))).content.decode()
    assert "No item is failed now" in page
    assert "Nothing has failed in this batch." in page


def test_it_escapes_what_an_item_said(user_of: UserOf) -> None:
    batch = failing(payload={"name": "<img src=x onerror=alert(1)>"})
    client = signed_in(user_of("viewer"))
    for url in (desk_url(batch), group_url(batch, category="validation")):
        page = client.get(url).content.decode()
        assert "<script>" not in page.split("</head>")[1].replace("<script src=", "")
        assert "<img src=x" not in page


def test_it_masks_secrets_in_samples(user_of: UserOf) -> None:
    batch = failing(payload={"password": "hunter22", "n": 1})
    page = signed_in(user_of("viewer")).get(group_url(batch, category="validation")).content.decode()
    assert "hunter22" not in page
    assert "[redacted]" in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("state=new", 2),
        ("state=open", 2),
        ("state=resolved", 0),
        ("category=network", 1),
        ("text=refused", 1),
        ("text=%00", 2),
        ("text=nothing+like+it", 0),
        ("state=rubbish", 0),
    ],
)
@pytest.mark.full
def test_it_filters_the_groups(user_of: UserOf, query: str, shown: int) -> None:
    page = signed_in(user_of("viewer")).get(f"{desk_url(failing())}?{query}")
    assert page.status_code == 200
    assert page.content.decode().count("data-row") == shown


@pytest.mark.parametrize("after", ["", "x", "-1", "9" * 40, "0"])
@pytest.mark.full
def test_it_pages_through_a_groups_items_whatever_the_address_says(user_of: UserOf, after: str) -> None:
    url = group_url(failing(), category="validation")
    assert signed_in(user_of("viewer")).get(url, {"after": after}).status_code == 200


def test_it_answers_404_for_what_is_not_there(user_of: UserOf) -> None:
    client = signed_in(user_of("viewer"))
    batch = failing()
    assert client.get(reverse("admin:errors_desk", args=["nobody"])).status_code == 404
    assert client.get(reverse("admin:errors_group", args=[batch.pk, "0" * 16])).status_code == 404


def test_it_says_how_many_errors_of_a_group_are_meant(user_of: UserOf) -> None:
    client, url = signed_in(user_of("viewer")), desk_url(failing(10))
    page = client.get(f"{url}?positions=0-4&category=network").content.decode()
    assert "<small>3 match</small>" in page
    assert "match</small>" not in client.get(f"{url}?category=network").content.decode()
    shown = client.get(f"{url}records/?positions=0-4&category=network").content.decode()
    assert "3 failed attempts" in shown
    assert shown.count("data-row") == 3


def test_it_costs_the_same_however_many_items_and_groups_there_are(user_of: UserOf) -> None:
    client = signed_in(user_of("viewer"))
    few, many = failing(4, batch_id="few"), failing(4, batch_id="many")
    for n in range(30):
        fail(many, 0, raised(ValueError("word " * (n + 1))), attempt=n + 2)
    assert BatchGroup.objects.filter(batch=many).count() > 20
    for url in (desk_url, lambda batch: group_url(batch, category="network")):
        spent = []
        for batch in (few, many):  # what the failures have in common is worked out once, and kept
            client.get(url(batch))
        for batch in (few, few, many):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(url(batch)).status_code == 200
            spent.append(len(queries))
        assert spent[1] <= spent[2] <= 43


def test_it_counts_what_failed_in_a_batch_of_the_python_api(user_of: UserOf) -> None:
    for n in (3, 4, 4):
        error_analyzer.record_error("by-hand", f"item_{n}", n, ValueError("bad"))
    progress_tracker.start_batch("by-hand", total_items=10)
    page = signed_in(user_of("viewer")).get(desk_url(Batch.objects.get())).content.decode()
    assert "2 of 10 items failed (20%, between" in page
    assert "Batch map of 10 items by position: 2 failed, 8 waiting." in page


def test_it_marks_findings_on_both_pictures_and_shows_a_few(user_of: UserOf) -> None:
    batch = batch_of(400)
    for n in range(100, 130):
        fail(batch, n, raised(ConnectionError("refused")))
    batch.items.filter(position__gte=100, position__lt=130).update(status="FAILED", failed_at=timezone.now())
    batch.items.exclude(position__gte=100, position__lt=130).update(status="SUCCEEDED")
    Checkpoint.objects.create(batch=batch, failed=30, succeeded=370)
    page = signed_in(user_of("viewer")).get(desk_url(batch)).content.decode()
    assert page.count('href="#finding-A"') == 2
    assert page.count('id="finding-A"') == 1
    bars = page[page.index('id="finding-A"') :].split("</table>")[0]
    assert re.findall(r'row">(\w+)</th>', bars) == ["here", "elsewhere"]
    assert re.findall(r'quiet">(.+?)<', bars) == ["30 of 30", "0 of 370"]
    assert "30 of the 30 items from 100 to 129 failed" in page
    assert "Failures lie thickest at items 100 to 129: 30 of 30 failed." in page.replace("&quot;", "")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every batch is a large one; what the workers are told."""
    for module in (desk_page, timeline, charts):
        monkeypatch.setattr(module, "MAX_ERRORS_IN_PAGE", 1)
    for module in (desk_page, finding_cards, advice_section, batch_map):
        monkeypatch.setattr(module, "IN_PAGE_LIMIT", 1)
    heard: list[Any] = []
    monkeypatch.setattr(looks, "enqueue_by_name", lambda name, *arguments: heard.append((name, arguments)))
    return heard


def test_a_large_batch_is_shown_before_anybody_has_looked_at_it(user_of: UserOf, told: list[Any]) -> None:
    page = signed_in(user_of("viewer")).get(desk_url(failing())).content.decode()
    assert 'data-looking="1"' in page
    assert "looking at 10 errors for patterns" in page
    assert not Findings.objects.exists()
    assert not Map.objects.exists()


def test_a_worker_is_told_once_to_look_at_a_large_batch(user_of: UserOf, told: list[Any]) -> None:
    batch, client = failing(), signed_in(user_of("viewer"))
    for _ in range(2):
        assert client.get(f"{desk_url(batch)}ready/").json() == {"looking": True}
    assert told == [("errors.tasks.look", (batch.pk,))]


def test_a_large_batch_is_ready_when_findings_advice_and_map_are(user_of: UserOf, told: list[Any]) -> None:
    batch, client = failing(), signed_in(user_of("viewer"))
    Batch.objects.filter(pk=batch.pk).update(finished_at=timezone.now())
    batch.refresh_from_db()
    findings.findings_of(batch)  # what to do about them is not there yet
    assert client.get(f"{desk_url(batch)}ready/").json() == {"looking": True}
    tasks.look(batch.pk)
    client.get(f"/api/batches/{batch.pk}/map")
    assert client.get(f"{desk_url(batch)}ready/").json() == {"looking": False}
    page = client.get(desk_url(batch)).content.decode()
    assert 'data-looking=""' in page
    assert "bp-o-failed" in page


@pytest.mark.parametrize("what", ["findings", "recommendations"])
def test_rest_has_a_worker_look_at_a_batch_too_large_for_a_request(
    user_of: UserOf, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(looks, "enqueue_by_name", lambda name, *arguments: asked.append((name, arguments)))
    monkeypatch.setattr(views, "IN_PAGE_LIMIT", 1)
    cache.clear()
    batch, client = failing(), signed_in(user_of("viewer"))
    address = f"/api/batches/{batch.pk}/errors/{what}"
    answers = [client.get(address) for _ in range(2)]
    assert [(one.json(), one["Retry-After"]) for one in answers] == [([], "20")] * 2
    report = client.get(f"/api/batches/{batch.pk}/errors")
    assert (report.json()["findings"], report["Retry-After"]) == ([], "20")
    assert asked == [("errors.tasks.look", (batch.pk,))]
    tasks.look(batch.pk)
    seen = client.get(address)
    assert bool(seen.json()) == (what == "recommendations")
    assert "Retry-After" not in seen


@pytest.mark.full
def test_it_pages_through_groups_and_errors_by_key(user_of: UserOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_list, "ROWS", 2)
    monkeypatch.setattr(record_page, "ROWS", 2)
    batch = batch_of(5)
    for n in range(5):
        fail(batch, n, raised(ValueError("word " * (n + 1))))
    client = signed_in(user_of("viewer"))
    for start, rows in (
        (desk_url(batch), r"/group/(\w{16})/\""),
        (f"{desk_url(batch)}records/", r"<th scope=\"row\"><a[^>]*>(k\d)<"),
    ):
        seen, address = [], start
        for _ in range(3):
            page = client.get(address).content.decode()
            seen += list(dict.fromkeys(re.findall(rows, page)))
            more = re.search(r"href=\"(\?after=[^\"#]+)", page)
            address = f"{start}{more.group(1)}" if more else ""
        assert len(seen) == len(set(seen)) == 5
        assert address == ""
    for rubbish in ("x", "1-2", "-1-2-3", "9" * 30, "1-1-" + "9" * 30):
        assert client.get(desk_url(batch), {"after": rubbish}).status_code == 200
        assert client.get(f"{desk_url(batch)}records/", {"after": rubbish}).status_code == 200


def test_the_overview_names_what_needs_attention(user_of: UserOf) -> None:
    client, overview = signed_in(user_of("viewer")), reverse("admin:errors_overview")
    assert "Nothing needs attention." in client.get(overview).content.decode()
    failing(4, batch_id="stopped", status="HALTED", reason="too much failed")
    failing(4, batch_id="done", status="COMPLETED")
    ErrorGroup.objects.filter(category="network").update(state="regressed")
    page = client.get(overview).content.decode()
    assert "1 batch has stopped, 1 group came back and 1 group nobody has looked at." in page
    assert "too much failed" in page
    for query, rows in (
        ("state=regressed", 1),
        ("category=validation", 1),
        ("whose=nobody&text=refused", 1),
        ("sort=items", 2),
    ):
        shown = client.get(f"{overview}?{query}").content.decode().split('id="groups"')[1]
        shown = shown.partition('id="batches-title"')[0]
        assert shown.count("data-row") == rows, query
    for rubbish in ("after=x", "after=1~2", "sort=items&after=x~1", "after=2026-13-01~1", "state=rubbish&whose=%00"):
        assert client.get(f"{overview}?{rubbish}").status_code == 200, rubbish
