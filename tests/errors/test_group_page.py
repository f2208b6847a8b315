"""The page of one error group: what it shows, of whom it takes which act, and what it costs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item, Retry
from errors.desk.group_page import differs_tab, header
from errors.desk.group_page.page import TABS
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, Findings
from tests.helpers.batches import modes, ran
from tests.helpers.group_pages import group_act_url, group_url, half_failed
from tests.helpers.pages import page, words
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def test_it_shows_every_tab_to_a_viewer_without_a_button(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("viewer"))
    for tab in (*TABS, "rubbish", ""):
        shown = page(client, group_url(batch, tab=tab))
        assert "Assign" not in shown
        assert 'method="post"' not in shown.split('id="content"')[1]
    for verb in ("acknowledge", "resolve", "ignore", "reopen", "assign", "note", "merge", "split"):
        assert client.get(group_act_url(batch, verb)).status_code == 403
        assert client.post(group_act_url(batch, verb), {"reason": "x"}).status_code == 403
    assert not ErrorGroup.objects.get().changes.exists()


def test_it_keeps_out_who_may_not(user_of: UserOf) -> None:
    batch, charlie = half_failed(), user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    for address in (group_url(batch), group_act_url(batch, "resolve")):
        assert signed_in(charlie).get(address).status_code == 403
        assert Client().get(address).status_code == 302


def test_it_answers_404_for_what_is_not_there(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    for fingerprint in ("0" * 16, "%00", "x" * 500):
        assert client.get(f"/admin/errors/errorgroup/desk/{batch.pk}/group/{fingerprint}/").status_code == 404
    assert client.get(group_act_url(batch, "explode")).status_code == 404
    assert client.post(group_act_url(batch, "explode")).status_code == 404


def test_the_admins_lists_lead_to_it(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("viewer"))
    group, record = ErrorGroup.objects.get(), ErrorRecord.objects.earliest("pk")
    to_group = reverse("admin:errors_errorgroup_change", args=[group.pk])
    to_record = reverse("admin:errors_errorrecord_change", args=[record.pk])
    assert to_group in page(client, reverse("admin:errors_errorgroup_changelist"))
    assert client.get(to_group).headers["Location"] == group_url(batch)
    assert client.get(to_record).headers["Location"] == group_url(batch, sample=record.pk)
    assert client.get(reverse("admin:errors_errorrecord_change", args=[10**12])).status_code == 404
    assert client.get("/admin/errors/errorgroup/x/change/").status_code == 404
    BatchGroup.objects.all().delete()
    assert client.get(to_group).status_code == 200
    charlie = user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    assert signed_in(charlie).get(to_group).status_code == 403
    assert signed_in(charlie).get(to_record).status_code == 403


def test_it_says_what_sets_the_items_apart_in_natural_frequencies(user_of: UserOf) -> None:
    batch, client = half_failed(40), signed_in(user_of("viewer"))
    said = words(page(client, group_url(batch, tab="differs")))
    assert "20 of the 20 items with country = DE failed (100%). Of the other 20, 0 failed (0%)." in said
    assert "less than once in a million batches" in said
    assert "Nothing that stands in their payloads" not in said
    few = half_failed(4, "few", message="Another {}")
    other = ErrorGroup.objects.get(batches__batch=few)
    assert "5 failed items are needed" in words(page(client, group_url(few, other, tab="differs")))


def test_it_takes_what_was_found_beforehand_where_a_batch_is_large(
    user_of: UserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, client = half_failed(40), signed_in(user_of("viewer"))
    monkeypatch.setattr(differs_tab, "IN_PAGE_LIMIT", 39)
    assert "were not looked at yet" in words(page(client, group_url(batch, tab="differs")))
    from errors.findings import findings_of

    findings_of(batch)
    assert Findings.objects.filter(batch=batch).exists()
    assert "20 of the 20 items with country = DE failed" in words(page(client, group_url(batch, tab="differs")))
    monkeypatch.setattr(header, "COUNTED_UP_TO", 1)
    assert "still fail" not in page(client, group_url(batch))


@pytest.fixture
def retried(engine: None) -> Batch:
    """Six items had failed alike; a retry brought back two, one failed again, and three in another way."""
    batch = ran(modes(*["network"] * 6, "ok"), max_attempts=1, batch_id="retried")
    for position, mode in enumerate(("ok", "ok", "network", "error", "error", "error")):
        Item.objects.filter(batch=batch, position=position).update(payload={"mode": mode})
    made = operations.retry(batch.pk, all_failed=True, actor="ana")
    Retry.objects.filter(pk=made.pk).update(predicted={"low": 1, "mid": 3, "high": 5, "basis": "a guess"})
    runner.work_until_idle(batch.pk)
    return batch


@pytest.mark.django_db(transaction=True)
def test_it_shows_what_a_retry_brought_beside_what_was_predicted(user_of: UserOf, retried: Batch) -> None:
    client = signed_in(user_of("operator"))
    network, other = ErrorGroup.objects.get(category="network"), ErrorGroup.objects.get(error_type="RuntimeError")
    shown = page(client, group_url(retried, network, tab="retries"))
    said = words(shown)
    assert "Retry 1 ana," in said
    assert "2 3 1–5 1 3 3 × it broke" in said
    assert "1 × " not in said
    assert 'aria-label="2 recovered, 1 the same error, 3 another error"' in shown
    assert group_url(retried, other) in shown
    assert "No bulk retry has tried its items yet" in words(page(client, group_url(retried, other, tab="retries")))
    client.post(group_act_url(retried, "resolve", network), {"how": "retry", "retry": Retry.objects.get().pk})
    assert "1 of 6 still fail" in words(page(client, group_url(retried, network, tab="history")))


@pytest.mark.full
def test_it_costs_the_same_however_many_items_there_are(user_of: UserOf) -> None:
    client = signed_in(user_of("operator"))
    few, many = half_failed(20, "few"), half_failed(120, "many")
    for tab in TABS:
        spent = []
        for batch in (few, few, many):
            with CaptureQueriesContext(connection) as queries:
                page(client, group_url(batch, tab=tab))
            spent.append(len(queries))
        assert spent[1] <= 30
        assert spent[2] == spent[1]
