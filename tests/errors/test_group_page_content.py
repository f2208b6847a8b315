"""What the page of an error group shows of its items and their failures, and that hostile text stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.test import Client

from batches.models import Batch, Item
from errors.desk.group_page.page import TABS
from errors.models import ErrorGroup, ErrorRecord
from tests.helpers.failures import batch_of, fail, failure, raised, report
from tests.helpers.group_pages import group_act_url, group_url, half_failed
from tests.helpers.pages import page, words
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


HOSTILE = (
    "<script>alert(1)</script>",
    "' autofocus onfocus=alert(1) x='",
    "{{ 7|add:7 }}{% debug %}${7*7}<!--",
    *(
        pytest.param(text, marks=pytest.mark.full)
        for text in (
            "<img src=x onerror=alert(1)>",
            '"><svg onload=alert(1)>',
            "</pre></textarea></title><iframe src=javascript:alert(1)>",
            "\u202egnp.exe\u200b]]>&lt;b&gt;&#x3c;script&#x3e;",
        )
    ),
)


def test_its_head_says_what_how_many_of_how_many_and_since_when(user_of: UserOf) -> None:
    half_failed(10, "older")
    batch = half_failed()
    fail(batch, 0, raised(ValueError('Country "DE" unsupported')), attempt=2)
    Item.objects.filter(batch=batch, position=0).update(attempts=2)
    Item.objects.filter(batch=batch, position=2).update(status="SUCCEEDED", failed_at=None)
    shown = page(signed_in(user_of("viewer")), group_url(batch))
    said = words(shown)
    assert '<mark class="bp-field-mark" title="from the payload: country">country</mark>' in shown
    assert "new nobody has looked at it" in said
    assert "3 items 50% of the batch's 6" in said
    assert "4 errors 100% of the batch's 4" in said
    assert "2 still fail 67% of its items" in said
    assert "Seen in 2 of the last 2 batches" in said
    assert "b1: 3 of 6 items" in shown


def test_it_marks_in_payload_and_message_what_the_template_matched(user_of: UserOf) -> None:
    shown = page(signed_in(user_of("viewer")), group_url(half_failed()))
    assert '<mark class="bp-field-mark" title="from the payload: country">DE</mark>' in shown
    assert re.search("<mark>&quot;country&quot;: &quot;DE&quot;,?</mark>", shown)
    assert "One place in the code" in shown
    assert "tests.helpers.failures.raised" in shown
    assert "## `Country &quot;&lt;country&gt;&quot; unsupported`" in shown


def test_it_steps_from_sample_to_sample(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("viewer"))
    first, second, third = ErrorRecord.objects.order_by("pk")
    assert "Item <a" in page(client, group_url(batch))
    middle = page(client, group_url(batch, sample=second.pk))
    assert f"sample={first.pk}" in middle
    assert f"sample={third.pk}" in middle
    assert 'rel="next"' not in page(client, group_url(batch, sample=third.pk))
    for wanted in (0, -1, 10**30, "x", "²"):
        assert client.get(group_url(batch, sample=wanted)).status_code == 200


def test_it_keeps_secrets_to_itself(user_of: UserOf) -> None:
    batch = batch_of(1, payload={"password": "hunter22", "deep": [{"api_key": "k-12345678"}], "n": 1})
    fail(batch, 0, raised(ValueError("hunter22 was refused, k-12345678 too")))
    ErrorRecord.objects.update(message="an older message with hunter22 in it")
    for tab in TABS:
        shown = page(signed_in_again(user_of), group_url(batch, tab=tab))
        assert "hunter22" not in shown
        assert "k-12345678" not in shown


def signed_in_again(user_of: UserOf) -> Client:
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


@pytest.mark.any_database
@pytest.mark.parametrize("text", HOSTILE)
def test_it_shows_hostile_text_as_text(user_of: UserOf, text: str) -> None:
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
    client.post(group_act_url(batch, "note", group), {"reason": text})
    client.post(group_act_url(batch, "assign", group), {"user": operator.pk, "reason": text})
    verbs = ("resolve", "ignore", "assign", "merge", "split")
    addresses = [group_url(batch, group, tab=tab) for tab in TABS] + [
        group_act_url(batch, verb, group) for verb in verbs
    ]
    for address in [
        *addresses,
        group_url(batch, group, tab="items", item=text.replace("&", "%26").replace("#", "%23")),
    ]:
        found = Tags()
        found.feed(page(client, address))
        assert found.bad == [], address
    assert "77" not in words(page(client, group_url(batch, group, tab="history")))


def test_it_says_so_when_records_payloads_or_items_are_gone(user_of: UserOf) -> None:
    batch, client = half_failed(2), signed_in(user_of("viewer"))
    Item.objects.filter(batch=batch, position=0).update(payload={})
    assert "{}" in page(client, group_url(batch, sample=ErrorRecord.objects.get(position=0).pk))
    Item.objects.filter(batch=batch).delete()
    assert "Its records are gone" in page(client, group_url(batch))
    assert "Its records are gone" in page(client, group_url(batch, tab="items"))
    for tab in TABS:
        page(client, group_url(batch, tab=tab))


def test_it_shows_failures_that_have_no_item(user_of: UserOf) -> None:
    from errors import error_analyzer

    for n in (1, 1, 2):
        error_analyzer.record_error(batch_id="adhoc", item_id=f"item_{n}", item_index=n, error=ValueError("bad"))
    batch, client = Batch.objects.get(pk="adhoc"), signed_in(user_of("operator"))
    for tab in TABS:
        page(client, group_url(batch, tab=tab))
    assert page(client, group_url(batch, tab="items")).count("data-row") == 2
    assert "recorded without its item" in page(client, group_url(batch))
