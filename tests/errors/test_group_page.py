"""The page of one error group: what it shows, of whom it takes which act, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from batches import operations
from batches.engine import runner
from batches.models import Batch, Checkpoint, Item, Retry
from errors import groups
from errors.desk.group_page import differs, header
from errors.desk.group_page.page import TABS
from errors.groups import regrouping
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, Findings
from tests.batches.factories import modes, ran
from tests.errors.factories import batch_of, fail, failure, raised, report

pytestmark = pytest.mark.django_db
User = Callable[[str], Any]
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</pre></textarea></title><iframe src=javascript:alert(1)>",
    "{{ 7|add:7 }}{% debug %}${7*7}<!--",
    "\u202egnp.exe\u200b]]>&lt;b&gt;&#x3c;script&#x3e;",
)


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def hit(size: int = 6, batch_id: str = "b1", message: str = 'Country "{}" unsupported', **more: Any) -> Batch:
    """Every second item fails; the runner's counters are kept as it would."""
    batch = batch_of(size, batch_id, **more)
    for item in Item.objects.filter(batch=batch):
        item.payload = {"country": "DE" if item.position % 2 == 0 else "FR", "n": item.position} | item.payload
        item.save()
    for n in range(0, size, 2):
        fail(batch, n, raised(ValueError(message.format("DE"))))
    failed = Item.objects.filter(batch=batch, error_records__isnull=False)
    failed.update(status="FAILED", attempts=1, failed_at=timezone.now(), code="VALIDATION_FAILED")
    Item.objects.filter(batch=batch, attempts=0).update(status="SUCCEEDED", attempts=1)
    Checkpoint.objects.create(batch=batch, failed=(size + 1) // 2, succeeded=size // 2)
    return batch


def url(batch: Batch, group: ErrorGroup | None = None, **query: Any) -> str:
    group = group or ErrorGroup.objects.get()
    address = reverse("admin:errors_group", args=[batch.pk, group.fingerprint])
    return address + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")


def act_url(batch: Batch, verb: str, group: ErrorGroup | None = None) -> str:
    return reverse("admin:errors_group_act", args=[batch.pk, (group or ErrorGroup.objects.get()).fingerprint, verb])


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html.split("</head>")[1])).split())


# -- who ---------------------------------------------------------------------------------------------------------------


def test_it_shows_every_tab_to_a_viewer_without_a_button(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("viewer"))
    for tab in (*TABS, "rubbish", ""):
        shown = page(client, url(batch, tab=tab))
        assert "Assign" not in shown
        assert 'method="post"' not in shown.split('id="content"')[1]
    for verb in ("acknowledge", "resolve", "ignore", "reopen", "assign", "note", "merge", "split"):
        assert client.get(act_url(batch, verb)).status_code == 403
        assert client.post(act_url(batch, verb), {"reason": "x"}).status_code == 403
    assert not ErrorGroup.objects.get().changes.exists()


def test_it_keeps_out_who_may_not(user_of: User) -> None:
    batch, charlie = hit(), user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    for address in (url(batch), act_url(batch, "resolve")):
        assert signed_in(charlie).get(address).status_code == 403
        assert Client().get(address).status_code == 302


def test_it_answers_404_for_what_is_not_there(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("operator"))
    for fingerprint in ("0" * 16, "%00", "x" * 500):
        assert client.get(f"/admin/errors/errorgroup/desk/{batch.pk}/group/{fingerprint}/").status_code == 404
    assert client.get(act_url(batch, "explode")).status_code == 404
    assert client.post(act_url(batch, "explode")).status_code == 404


def test_the_admins_lists_lead_to_it(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("viewer"))
    group, record = ErrorGroup.objects.get(), ErrorRecord.objects.earliest("pk")
    to_group = reverse("admin:errors_errorgroup_change", args=[group.pk])
    to_record = reverse("admin:errors_errorrecord_change", args=[record.pk])
    assert to_group in page(client, reverse("admin:errors_errorgroup_changelist"))
    assert client.get(to_group).headers["Location"] == url(batch)
    assert client.get(to_record).headers["Location"] == url(batch, sample=record.pk)
    assert client.get(reverse("admin:errors_errorrecord_change", args=[10**12])).status_code == 404
    assert client.get("/admin/errors/errorgroup/x/change/").status_code == 404
    BatchGroup.objects.all().delete()
    assert client.get(to_group).status_code == 200
    charlie = user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    assert signed_in(charlie).get(to_group).status_code == 403
    assert signed_in(charlie).get(to_record).status_code == 403


# -- what it shows -----------------------------------------------------------------------------------------------------


def test_its_head_says_what_how_many_of_how_many_and_since_when(user_of: User) -> None:
    hit(10, "older")
    batch = hit()
    fail(batch, 0, raised(ValueError('Country "DE" unsupported')), attempt=2)
    Item.objects.filter(batch=batch, position=0).update(attempts=2)
    Item.objects.filter(batch=batch, position=2).update(status="SUCCEEDED", failed_at=None)
    shown = page(signed_in(user_of("viewer")), url(batch))
    said = words(shown)
    assert '<mark class="bp-field-mark" title="from the payload: country">country</mark>' in shown
    assert "new nobody has looked at it" in said
    assert "3 items 50% of the batch's 6" in said
    assert "4 errors 100% of the batch's 4" in said
    assert "2 still fail 67% of its items" in said
    assert "Seen in 2 of the last 2 batches" in said
    assert "b1: 3 of 6 items" in shown


def test_it_marks_in_payload_and_message_what_the_template_matched(user_of: User) -> None:
    shown = page(signed_in(user_of("viewer")), url(hit()))
    assert '<mark class="bp-field-mark" title="from the payload: country">DE</mark>' in shown
    assert re.search("<mark>&quot;country&quot;: &quot;DE&quot;,?</mark>", shown)
    assert "One place in the code" in shown
    assert "tests.errors.factories.raised" in shown
    assert "## `Country &quot;&lt;country&gt;&quot; unsupported`" in shown


def test_it_steps_from_sample_to_sample(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("viewer"))
    first, second, third = ErrorRecord.objects.order_by("pk")
    assert "Item <a" in page(client, url(batch))
    middle = page(client, url(batch, sample=second.pk))
    assert f"sample={first.pk}" in middle
    assert f"sample={third.pk}" in middle
    assert 'rel="next"' not in page(client, url(batch, sample=third.pk))
    for wanted in (0, -1, 10**30, "x", "²"):
        assert client.get(url(batch, sample=wanted)).status_code == 200


def test_it_keeps_secrets_to_itself(user_of: User) -> None:
    batch = batch_of(1, payload={"password": "hunter22", "deep": [{"api_key": "k-12345678"}], "n": 1})
    fail(batch, 0, raised(ValueError("hunter22 was refused, k-12345678 too")))
    ErrorRecord.objects.update(message="an older message with hunter22 in it")
    for tab in TABS:
        shown = page(signed_in_again(user_of), url(batch, tab=tab))
        assert "hunter22" not in shown
        assert "k-12345678" not in shown


def signed_in_again(user_of: User) -> Client:
    from django.contrib.auth import get_user_model

    return signed_in(get_user_model().objects.filter(username="viewer").first() or user_of("viewer"))


class Tags(HTMLParser):
    """Elements and attributes that hostile text could have made."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in ("iframe", "b0") or (tag == "script" and not known.get("src")):
            self.bad.append(tag)
        self.bad += [name for name in known if name.startswith("on") or name == "autofocus"]
        self.bad += [tag for value in known.values() if (value or "").strip().lower().startswith("javascript:")]
        if tag == "img" and known.get("src") == "x":
            self.bad.append("img")


@pytest.mark.parametrize("text", HOSTILE)
def test_it_shows_hostile_text_as_text(user_of: User, text: str) -> None:
    payload = {text: text, "n": {text: [text]}, "long": text * 500}
    batch = batch_of(7, payload=payload, name=text)
    Hostile = type(text[:100], (Exception,), {})
    report(batch, [failure(batch, n, raised(Hostile(f"{text} {n}"))) for n in range(6)])
    fail(batch, 6, raised(ValueError(f"{text} and another")))
    Item.objects.filter(batch=batch, position=0).update(key=text)
    ErrorRecord.objects.filter(position=0).update(item_key=text, worker=text)
    operator = user_of("operator")
    client = signed_in(operator)
    group = ErrorGroup.objects.exclude(error_type="ValueError").get()
    client.post(act_url(batch, "note", group), {"reason": text})
    client.post(act_url(batch, "assign", group), {"user": operator.pk, "reason": text})
    verbs = ("resolve", "ignore", "assign", "merge", "split")
    addresses = [url(batch, group, tab=tab) for tab in TABS] + [act_url(batch, verb, group) for verb in verbs]
    for address in [*addresses, url(batch, group, tab="items", item=text.replace("&", "%26").replace("#", "%23"))]:
        found = Tags()
        found.feed(page(client, address))
        assert found.bad == [], address
    assert "77" not in words(page(client, url(batch, group, tab="history")))


def test_it_says_so_when_records_payloads_or_items_are_gone(user_of: User) -> None:
    batch, client = hit(2), signed_in(user_of("viewer"))
    Item.objects.filter(batch=batch, position=0).update(payload={})
    assert "{}" in page(client, url(batch, sample=ErrorRecord.objects.get(position=0).pk))
    Item.objects.filter(batch=batch).delete()
    assert "Its records are gone" in page(client, url(batch))
    assert "Its records are gone" in page(client, url(batch, tab="items"))
    for tab in TABS:
        page(client, url(batch, tab=tab))


def test_it_shows_failures_that_have_no_item(user_of: User) -> None:
    from errors import error_analyzer

    for n in (1, 1, 2):
        error_analyzer.record_error(batch_id="adhoc", item_id=f"item_{n}", item_index=n, error=ValueError("bad"))
    batch, client = Batch.objects.get(pk="adhoc"), signed_in(user_of("operator"))
    for tab in TABS:
        page(client, url(batch, tab=tab))
    assert page(client, url(batch, tab="items")).count("data-row") == 2
    assert "recorded without its item" in page(client, url(batch))


# -- items -------------------------------------------------------------------------------------------------------------


def test_it_lists_each_item_once_page_by_page_and_back(user_of: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from errors.desk.group_page import items

    monkeypatch.setattr(items, "SHOWN", 3)
    monkeypatch.setattr(items, "WINDOWS", (2, 4))
    batch, client = hit(14), signed_in(user_of("viewer"))
    fail(batch, 0, raised(ValueError('Country "DE" unsupported')), attempt=2)  # the item's second
    seen: list[list[str]] = []
    address = url(batch, tab="items")
    while address:
        shown = page(client, address)
        seen.append(re.findall(r'data-row><td class="bp-num" data-label="position">(\d+)<', shown))
        following = re.search(r'rel="next" href="([^"]+)"', shown)
        address = url(batch) + following[1].replace("&amp;", "&") if following else ""
    assert seen == [["0", "12", "10"], ["8", "6", "4"], ["2"]]
    back = re.search(r'rel="prev" href="([^"]+)"', shown)
    assert back
    shown = page(client, url(batch) + back[1].replace("&amp;", "&"))
    assert re.findall(r'data-row><td class="bp-num" data-label="position">(\d+)<', shown) == ["8", "6", "4"]


def test_it_looks_at_so_many_records_for_one_page_and_goes_on_if_asked(
    user_of: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from errors.desk.group_page import items

    monkeypatch.setattr(items, "WINDOWS", (2, 2))
    batch, client = hit(14), signed_in(user_of("viewer"))
    Item.objects.filter(batch=batch, position=2).update(status="SUCCEEDED", failed_at=None)
    shown = page(client, url(batch, tab="items", now="recovered"))
    assert "Among 4 errors no item matches; there are more." in shown
    further = re.search(r'rel="next" href="([^"]+)"', shown)
    assert further
    shown = page(client, url(batch) + further[1].replace("&amp;", "&"))
    assert re.findall(r'data-row><td class="bp-num" data-label="position">(\d+)<', shown) == ["2"]
    assert page(client, url(batch, tab="items", now="recovered", item="k2")).count("data-row") == 1


NARROWED: list[tuple[dict[str, str], int]] = [
    ({}, 3),
    ({"now": "failed"}, 2),
    ({"now": "recovered"}, 1),
    ({"now": "waiting"}, 0),
    ({"now": "rubbish"}, 3),
    ({"item": "k2"}, 1),
    ({"item": "%00"}, 3),
    ({"item": "nobody"}, 0),
    ({"positions": "2-9"}, 2),
    ({"positions": "2"}, 1),
    ({"attempt": "2+"}, 0),
    ({"field": "country=DE"}, 3),
    ({"field": "n=4"}, 1),
    ({"positions": "9-1"}, 0),
    ({"after": "x", "before": "-1"}, 3),
]


def test_it_narrows_its_items_by_what_the_address_says(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("viewer"))
    Item.objects.filter(batch=batch, position=0).update(status="SUCCEEDED", failed_at=None)
    for query, rows in NARROWED:
        shown = page(client, url(batch, tab="items", **query))
        assert shown.count("data-row") == rows, query
        assert ("Write the first and the last position" in shown) == (query.get("positions") == "9-1")


# -- what differs ------------------------------------------------------------------------------------------------------


def test_it_says_what_sets_the_items_apart_in_natural_frequencies(user_of: User) -> None:
    batch, client = hit(40), signed_in(user_of("viewer"))
    said = words(page(client, url(batch, tab="differs")))
    assert "20 of the 20 items with country = DE failed (100%). Of the other 20, 0 failed (0%)." in said
    assert "less than once in a million batches" in said
    assert "Nothing that stands in their payloads" not in said
    few = hit(4, "few", message="Another {}")
    other = ErrorGroup.objects.get(batches__batch=few)
    assert "5 failed items are needed" in words(page(client, url(few, other, tab="differs")))


def test_it_takes_what_was_found_beforehand_where_a_batch_is_large(
    user_of: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, client = hit(40), signed_in(user_of("viewer"))
    monkeypatch.setattr(differs, "IN_PAGE_LIMIT", 39)
    assert "were not looked at yet" in words(page(client, url(batch, tab="differs")))
    from errors.findings import findings_of

    findings_of(batch)
    assert Findings.objects.filter(batch=batch).exists()
    assert "20 of the 20 items with country = DE failed" in words(page(client, url(batch, tab="differs")))
    monkeypatch.setattr(header, "COUNTED_UP_TO", 1)
    assert "still fail" not in page(client, url(batch))


# -- before and after --------------------------------------------------------------------------------------------------


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
def test_it_shows_what_a_retry_brought_beside_what_was_predicted(user_of: User, retried: Batch) -> None:
    client = signed_in(user_of("operator"))
    network, other = ErrorGroup.objects.get(category="network"), ErrorGroup.objects.get(error_type="RuntimeError")
    shown = page(client, url(retried, network, tab="retries"))
    said = words(shown)
    assert "Retry 1 ana," in said
    assert "2 3 1–5 1 3 3 × it broke" in said
    assert "1 × " not in said
    assert 'aria-label="2 recovered, 1 the same error, 3 another error"' in shown
    assert url(retried, other) in shown
    assert "No bulk retry has tried its items yet" in words(page(client, url(retried, other, tab="retries")))
    client.post(act_url(retried, "resolve", network), {"how": "retry", "retry": Retry.objects.get().pk})
    assert "1 of 6 still fail" in words(page(client, url(retried, network, tab="history")))


# -- its price ---------------------------------------------------------------------------------------------------------


def test_it_costs_the_same_however_many_items_there_are(user_of: User) -> None:
    client = signed_in(user_of("operator"))
    few, many = hit(20, "few"), hit(120, "many")
    for tab in TABS:
        spent = []
        for batch in (few, few, many):
            with CaptureQueriesContext(connection) as queries:
                page(client, url(batch, tab=tab))
            spent.append(len(queries))
        assert spent[1] <= 30
        assert spent[2] == spent[1]


# -- acts --------------------------------------------------------------------------------------------------------------


def now(client: Client, batch: Batch) -> str:
    return words(page(client, url(batch)))


def test_it_has_the_buttons_that_are_legal_now_and_says_why_it_is_in_its_state(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("operator"))
    assert ">Acknowledge<" in page(client, url(batch))
    client.post(act_url(batch, "acknowledge"), {"reason": "the disk"})
    assert "acknowledged operator is on it: the disk" in now(client, batch)
    assert ">Acknowledge<" not in page(client, url(batch))
    answer = client.post(act_url(batch, "resolve"), {"how": "now", "reason": "fixed upstream"}, follow=True)
    assert "Undo: reopen" in answer.content.decode()
    shown = page(client, url(batch))
    assert "Reopen…" in shown
    assert "Resolve…" not in shown
    assert "resolved by operator: fixed upstream" in words(shown)
    fail(batch, 2, raised(ValueError('Country "DE" unsupported')), attempt=2, at=timezone.now() + timedelta(seconds=9))
    assert "regressed it came back after it was resolved" in now(client, batch)
    client.post(act_url(batch, "ignore"), {"how": "items", "items": "2"})
    assert "ignored until more than 2 items have it (0 so far)" in now(client, batch)
    for n in (1, 3, 5):
        fail(batch, n, raised(ValueError('Country "FR" unsupported')))
    assert "regressed un-ignored because 3 items > 2" in now(client, batch)


@pytest.mark.parametrize(
    ("said", "words_then"),
    [
        ({"how": "forever"}, "ignored for good by operator"),
        ({}, "ignored until it is in a batch submitted later"),
        ({"how": "next_batch"}, "ignored until it is in a batch submitted later"),
        ({"how": "rate", "rate": "12.5"}, "ignored until it hits more than 12.5 % of a batch's items"),
        ({"how": "date", "date": "2099-01-02T03:04"}, "ignored until 2099-01-02 03:04 UTC"),
    ],
)
def test_it_is_ignored_until_what_was_said(user_of: User, said: dict[str, str], words_then: str) -> None:
    batch, client = hit(), signed_in(user_of("operator"))
    assert client.post(act_url(batch, "ignore"), said).status_code == 302
    assert words_then in now(client, batch)


WRONG: list[tuple[str, dict[str, str], str]] = [
    ("ignore", {"how": "items"}, "Say how many."),
    ("ignore", {"how": "items", "items": "0"}, "Give a whole number, 1 or more."),
    ("ignore", {"how": "rate", "rate": "nan"}, "Enter a number."),
    ("ignore", {"how": "rate", "rate": "101"}, "Give a percentage between 0 and 100."),
    ("ignore", {"how": "date", "date": "2001-01-01T00:00"}, "Give a moment to come"),
    ("ignore", {"how": "date", "date": "tomorrow"}, "Enter a valid date/time."),
    ("ignore", {"how": "sometimes"}, "Select a valid choice."),
    ("resolve", {"how": "version"}, "Say in which version."),
    ("resolve", {"how": "version", "in_version": "two"}, "is no version"),
    ("resolve", {"how": "version", "in_version": "2.0"}, "declares no version"),
    ("resolve", {"how": "retry"}, "Choose the retry"),
    ("resolve", {"how": "retry", "retry": "99"}, "Select a valid choice"),
    ("assign", {"user": "99999"}, "Select a valid choice"),
    ("note", {"reason": " "}, "This field is required."),
    ("merge", {"into": "0" * 16}, "Select a valid choice"),
    ("merge", {}, "This field is required."),
    ("split", {"how": "rubbish"}, "Select a valid choice"),
    ("resolve", {"reason": "x" * 2_001}, "at most 2000 characters"),
]


def test_it_says_what_is_wrong_and_does_nothing(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("operator"))
    for verb, said, problem in WRONG:
        answer = client.post(act_url(batch, verb), said)
        assert answer.status_code == 200, (verb, said)
        assert problem in words(answer.content.decode()), (verb, said)
    assert ErrorGroup.objects.get().state == "new"
    assert not ErrorGroup.objects.get().changes.exists()


def test_it_is_assigned_to_somebody_who_may_act_or_to_nobody(user_of: User) -> None:
    batch, operator, viewer = hit(), user_of("operator"), user_of("viewer")
    client = signed_in(operator)
    shown = page(client, act_url(batch, "assign"))
    assert ">operator<" in shown
    assert ">viewer<" not in shown
    client.post(act_url(batch, "assign"), {"user": operator.pk})
    assert ErrorGroup.objects.get().assignee == operator
    assert "operator is on it, assigned by operator" in now(client, batch)
    client.post(act_url(batch, "assign"), {"user": viewer.pk})
    assert ErrorGroup.objects.get().assignee == operator
    client.post(act_url(batch, "assign"), {"user": ""})
    assert ErrorGroup.objects.get().assignee is None


def test_it_does_nothing_unseen_when_the_group_changed_meanwhile(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("operator"))
    seen = re.search(r'name="seen" value="([^"]+)"', page(client, act_url(batch, "ignore")))
    assert seen
    groups.acknowledge(ErrorGroup.objects.get().pk, actor="ben")
    answer = client.post(act_url(batch, "ignore"), {"how": "forever", "seen": seen[1]}, follow=True)
    said = words(answer.content.decode())
    assert "Nothing was done: by now the group is acknowledged (ben took it up: new → acknowledged" in said
    assert ErrorGroup.objects.get().state == "acknowledged"
    assert "Nothing was done" in words(client.get(act_url(batch, "reopen"), follow=True).content.decode())


def test_it_merges_and_takes_out_again(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("operator"))
    fail(batch, 1, raised(KeyError("sku")))
    country, sku = ErrorGroup.objects.get(error_type="ValueError"), ErrorGroup.objects.get(error_type="KeyError")
    asked = page(client, act_url(batch, "merge", sku))
    assert "Its 1 error here count in the other group" in words(asked)
    answer = client.post(act_url(batch, "merge", sku), {"into": country.fingerprint}, follow=True)
    assert "Merged into" in answer.content.decode()
    assert answer.redirect_chain[-1][0] == url(batch, country)
    assert client.get(url(batch, sku)).headers["Location"] == url(batch, country)
    assert "Merged into it" in page(client, url(batch, country))
    client.post(act_url(batch, "split", country), {"how": sku.fingerprint})
    assert BatchGroup.objects.get(group=sku).errors == 1


def test_it_splits_by_place_and_says_where_its_parts_are(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("operator"))
    group = ErrorGroup.objects.get()
    assert "A group for every function that it comes from" in page(client, act_url(batch, "split"))
    answer = client.post(act_url(batch, "split"), {"how": "place"}, follow=True)
    assert "its parts are among these" in answer.content.decode()
    group.refresh_from_db()
    assert group.by_place
    part = ErrorGroup.objects.exclude(pk=group.pk).get()
    assert "Resolve…" in page(client, url(batch, part))


def test_its_history_says_who_did_what_and_why(user_of: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from errors.desk.group_page import page as pages

    batch, client = hit(), signed_in(user_of("operator"))
    client.post(act_url(batch, "note"), {"reason": "<b>call them</b>\nat nine"})
    groups.acknowledge(ErrorGroup.objects.get().pk, actor="ben", reason="mine")
    shown = page(client, url(batch, tab="history"))
    assert "&lt;b&gt;call them&lt;/b&gt;<br>at nine" in shown
    assert "ben took it up: new → acknowledged mine" in words(shown)
    monkeypatch.setattr(pages, "HISTORY_SHOWN", 1)
    shown = page(client, url(batch, tab="history"))
    assert "call them" not in shown
    older = re.search(r"before=(\d+)", shown)
    assert older
    assert "call them" in page(client, url(batch, tab="history", before=older[1]))


def test_a_group_that_was_merged_while_a_form_was_open_is_not_mistaken_for_the_other(user_of: User) -> None:
    batch, client = hit(), signed_in(user_of("operator"))
    fail(batch, 1, raised(KeyError("sku")))
    country, sku = ErrorGroup.objects.get(error_type="ValueError"), ErrorGroup.objects.get(error_type="KeyError")
    seen = re.search(r'name="seen" value="([^"]+)"', page(client, act_url(batch, "resolve", sku)))
    assert seen
    regrouping.merge(sku.pk, country.pk, actor="ben")
    client.post(act_url(batch, "resolve", sku), {"seen": seen[1]})
    country.refresh_from_db()
    assert country.state == "new"
