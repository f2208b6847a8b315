"""Acts upon an error group from its page: which are legal, what they refuse, and what the history says of them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from errors import groups
from errors.groups import regrouping
from errors.models import BatchGroup, ErrorGroup
from tests.helpers.failures import fail, raised
from tests.helpers.group_pages import group_act_url, group_url, half_failed, now_shown
from tests.helpers.pages import page, words
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def test_it_has_the_buttons_that_are_legal_now(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    assert ">Acknowledge<" in page(client, group_url(batch))
    client.post(group_act_url(batch, "acknowledge"), {"reason": "the disk"})
    assert ">Acknowledge<" not in page(client, group_url(batch))
    answer = client.post(group_act_url(batch, "resolve"), {"how": "now", "reason": "fixed upstream"}, follow=True)
    assert "Undo: reopen" in answer.content.decode()
    shown = page(client, group_url(batch))
    assert "Reopen…" in shown
    assert "Resolve…" not in shown


def test_it_says_why_it_is_in_its_state(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    client.post(group_act_url(batch, "acknowledge"), {"reason": "the disk"})
    assert "acknowledged operator is on it: the disk" in now_shown(client, batch)
    client.post(group_act_url(batch, "resolve"), {"how": "now", "reason": "fixed upstream"})
    assert "resolved by operator: fixed upstream" in now_shown(client, batch)
    fail(batch, 2, raised(ValueError('Country "DE" unsupported')), attempt=2, at=timezone.now() + timedelta(seconds=9))
    assert "regressed it came back after it was resolved" in now_shown(client, batch)


def test_it_says_until_when_it_is_ignored_and_why_no_longer(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    client.post(group_act_url(batch, "ignore"), {"how": "items", "items": "2"})
    assert "ignored until more than 2 items have it (0 so far)" in now_shown(client, batch)
    for n in (1, 3, 5):
        fail(batch, n, raised(ValueError('Country "FR" unsupported')))
    assert "new un-ignored because 3 items > 2" in now_shown(client, batch)


@pytest.mark.parametrize(
    ("said", "words_then"),
    [
        ({"how": "forever"}, "ignored for good by operator"),
        ({}, "ignored until it is in a batch submitted later"),
        ({"how": "next_batch"}, "ignored until it is in a batch submitted later"),
        ({"how": "rate", "rate": "12.5"}, "ignored until it hits more than 12.5 % of a batch's items"),
        ({"how": "date", "date": "2099-01-02T03:04"}, "ignored until 2 Jan 2099 03:04 UTC"),
    ],
)
@pytest.mark.full
def test_it_is_ignored_until_what_was_said(user_of: UserOf, said: dict[str, str], words_then: str) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    assert client.post(group_act_url(batch, "ignore"), said).status_code == 302
    assert words_then in now_shown(client, batch)


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


def test_it_says_what_is_wrong_and_does_nothing(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    for verb, said, problem in WRONG:
        answer = client.post(group_act_url(batch, verb), said)
        assert answer.status_code == 200, (verb, said)
        assert problem in words(answer.content.decode()), (verb, said)
    assert ErrorGroup.objects.get().state == "new"
    assert not ErrorGroup.objects.get().changes.exists()


def test_it_is_assigned_to_somebody_who_may_act_or_to_nobody(user_of: UserOf) -> None:
    batch, operator, viewer = half_failed(), user_of("operator"), user_of("viewer")
    client = signed_in(operator)
    shown = page(client, group_act_url(batch, "assign"))
    assert ">operator<" in shown
    assert ">viewer<" not in shown
    client.post(group_act_url(batch, "assign"), {"user": operator.pk})
    assert ErrorGroup.objects.get().assignee == operator
    assert "operator is on it, assigned by operator" in now_shown(client, batch)
    client.post(group_act_url(batch, "assign"), {"user": viewer.pk})
    assert ErrorGroup.objects.get().assignee == operator
    client.post(group_act_url(batch, "assign"), {"user": ""})
    assert ErrorGroup.objects.get().assignee is None


def test_it_does_nothing_unseen_when_the_group_changed_meanwhile(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    seen = re.search(r'name="seen" value="([^"]+)"', page(client, group_act_url(batch, "ignore")))
    assert seen
    groups.acknowledge(ErrorGroup.objects.get().pk, actor="ben")
    answer = client.post(group_act_url(batch, "ignore"), {"how": "forever", "seen": seen[1]}, follow=True)
    said = words(answer.content.decode())
    assert "Nothing was done: by now the group is acknowledged (ben took it up: new → acknowledged" in said
    assert ErrorGroup.objects.get().state == "acknowledged"
    assert "Nothing was done" in words(client.get(group_act_url(batch, "reopen"), follow=True).content.decode())


def test_it_merges_and_takes_out_again(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    fail(batch, 1, raised(KeyError("sku")))
    country, sku = ErrorGroup.objects.get(error_type="ValueError"), ErrorGroup.objects.get(error_type="KeyError")
    asked = page(client, group_act_url(batch, "merge", sku))
    assert "Its 1 error here count in the other group" in words(asked)
    answer = client.post(group_act_url(batch, "merge", sku), {"into": country.fingerprint}, follow=True)
    assert "Merged into" in answer.content.decode()
    assert answer.redirect_chain[-1][0] == group_url(batch, country)
    assert client.get(group_url(batch, sku)).headers["Location"] == group_url(batch, country)
    assert "Merged into it" in page(client, group_url(batch, country))
    client.post(group_act_url(batch, "split", country), {"how": sku.fingerprint})
    assert BatchGroup.objects.get(group=sku).errors == 1


def test_it_splits_by_place_and_says_where_its_parts_are(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    group = ErrorGroup.objects.get()
    assert "A group for every function that it comes from" in page(client, group_act_url(batch, "split"))
    answer = client.post(group_act_url(batch, "split"), {"how": "place"}, follow=True)
    assert "its parts are among these" in answer.content.decode()
    group.refresh_from_db()
    assert group.by_place
    part = ErrorGroup.objects.exclude(pk=group.pk).get()
    assert "Resolve…" in page(client, group_url(batch, part))


def test_its_history_says_who_did_what_and_why(user_of: UserOf, monkeypatch: pytest.MonkeyPatch) -> None:
    from errors.desk.group_page import history_tab

    batch, client = half_failed(), signed_in(user_of("operator"))
    client.post(group_act_url(batch, "note"), {"reason": "<b>call them</b>\nat nine"})
    groups.acknowledge(ErrorGroup.objects.get().pk, actor="ben", reason="mine")
    shown = page(client, group_url(batch, tab="history"))
    assert "&lt;b&gt;call them&lt;/b&gt;<br>at nine" in shown
    assert "ben took it up: new → acknowledged mine" in words(shown)
    monkeypatch.setattr(history_tab, "ROWS", 1)
    shown = page(client, group_url(batch, tab="history"))
    assert "call them" not in shown
    older = re.search(r"before=(\d+)", shown)
    assert older
    assert "call them" in page(client, group_url(batch, tab="history", before=older[1]))


def test_a_group_that_was_merged_while_a_form_was_open_is_not_mistaken_for_the_other(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("operator"))
    fail(batch, 1, raised(KeyError("sku")))
    country, sku = ErrorGroup.objects.get(error_type="ValueError"), ErrorGroup.objects.get(error_type="KeyError")
    seen = re.search(r'name="seen" value="([^"]+)"', page(client, group_act_url(batch, "resolve", sku)))
    assert seen
    regrouping.merge(sku.pk, country.pk, actor="ben")
    client.post(group_act_url(batch, "resolve", sku), {"seen": seen[1]})
    country.refresh_from_db()
    assert country.state == "new"
