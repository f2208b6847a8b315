"""Verbs upon all groups that a filter meets: confirmed, done wherever they are legal, told, and undone."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from batches.exceptions import InvalidInput, InvalidTransition, ScopeChanged
from batches.models import Batch
from errors import groups
from errors.filters.error_filter import ErrorFilter
from errors.groups import bulk
from errors.models import BulkAct, ErrorGroup, GroupChange
from tests.helpers.batches import modes, ran
from tests.helpers.pages import form_answers, page
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def three() -> Batch:
    return ran(modes("ok", *["network"] * 3, *["invalid"] * 2, "error"), max_attempts=1, batch_id="b")


def address(verb: str, query: str = "") -> str:
    return reverse("admin:errors_groups_act", args=["b", verb]) + query


def states() -> dict[str, str]:
    return dict(ErrorGroup.objects.values_list("category", "state"))


def do(client: Client, verb: str, query: str = "", **more: Any) -> str:
    answer = client.post(address(verb, query), form_answers(client, address(verb, query), **more))
    assert answer.status_code == 302, answer.context["page"].form.errors
    return str(answer.headers["Location"])


@pytest.fixture
def operator(user_of: UserOf) -> Client:
    """Of three groups that failed, one is resolved already."""
    three()
    groups.resolve(ErrorGroup.objects.get(category="network").pk, actor="ben")
    return signed_in(user_of("operator"))


def test_it_says_beforehand_how_many_it_will_change_and_what_it_cannot(operator: Client) -> None:
    shown = page(operator, address("resolve"))
    assert "Resolve 3 error groups?" in shown
    assert "1 error group cannot be: 1 is resolved" in shown
    assert states()["validation"] == "new"


def test_it_changes_what_matches_and_names_what_it_could_not(operator: Client) -> None:
    told = page(operator, do(operator, "resolve", reason="fixed in 2.1"))
    assert set(states().values()) == {"resolved"}
    assert "2 resolved, 1 could not be." in told
    assert "it is resolved" in told
    assert "2 resolved</a> by operator" in page(operator, reverse("admin:errors_desk", args=["b"]))
    assert GroupChange.objects.filter(verb="resolve", actor="operator", reason="fixed in 2.1").count() == 2


def test_it_is_undone_where_nobody_changed_anything_since_and_once(operator: Client) -> None:
    do(operator, "resolve")
    groups.reopen(ErrorGroup.objects.get(category="unknown").pk, actor="ben")
    undo = reverse("admin:errors_bulk_undo", args=["b", 1])
    told = operator.post(undo, follow=True).content.decode()
    assert states() == {"network": "resolved", "validation": "new", "unknown": "acknowledged"}
    assert "It was changed since: it is acknowledged now." in told
    assert ErrorGroup.objects.get(category="validation").resolved_at is None
    assert "undone already" in operator.post(undo, follow=True).content.decode()


def test_it_acts_upon_the_filter_only(user_of: UserOf) -> None:
    three()
    client = signed_in(user_of("operator"))
    assert "that match category “validation”" in page(client, address("acknowledge", "?category=validation"))
    do(client, "acknowledge", "?category=validation")
    assert states() == {"network": "new", "validation": "acknowledged", "unknown": "new"}


def test_it_ignores_until_and_assigns_with_undo(user_of: UserOf) -> None:
    three()
    operator = user_of("operator")
    client = signed_in(operator)
    refused = client.post(address("ignore"), form_answers(client, address("ignore"), until="items"))
    assert "Say how many." in refused.content.decode()
    do(client, "ignore", until="items", items=5)
    assert {group.until["items"] for group in ErrorGroup.objects.all()} == {5}
    bulk.undo("b", 1, actor="ana")
    assert [group.until for group in ErrorGroup.objects.all()] == [{}, {}, {}]
    do(client, "assign")
    assert {group.assignee for group in ErrorGroup.objects.all()} == {operator}
    assert set(states().values()) == {"acknowledged"}
    bulk.undo("b", 2, actor="ana")
    assert (set(states().values()), {group.assignee for group in ErrorGroup.objects.all()}) == ({"new"}, {None})


def test_it_is_done_once_and_only_for_what_was_confirmed(user_of: UserOf) -> None:
    three()
    client = signed_in(user_of("operator"))
    said = form_answers(client, address("resolve"))
    assert client.post(address("resolve"), said | {"count": 9}).status_code == 409
    assert set(states().values()) == {"new"}
    first, second = client.post(address("resolve"), said), client.post(address("resolve"), said)
    assert (first.status_code, first.headers["Location"]) == (second.status_code, second.headers["Location"])
    assert first.status_code == 302
    assert BulkAct.objects.count() == 1
    with pytest.raises(ScopeChanged):
        bulk.act("b", "reopen", ErrorFilter(), key="k", count=1)
    with pytest.raises(InvalidInput):
        bulk.act("b", "explode", ErrorFilter(), key="k")
    bulk.undo("b", 1)
    with pytest.raises(InvalidTransition):
        bulk.undo("b", 1)


def test_only_who_may_triage_gets_in(user_of: UserOf) -> None:
    three()
    viewer, operator = signed_in(user_of("viewer")), signed_in(user_of("operator"))
    do(operator, "acknowledge")
    undo, result = (reverse(f"admin:{name}", args=["b", 1]) for name in ("errors_bulk_undo", "errors_bulk"))
    for url in (address("resolve"), undo):
        assert (viewer.post(url).status_code, Client().post(url).status_code) == (403, 302)
    assert viewer.get(result).status_code == 200
    assert operator.get(undo).status_code == 302
    assert set(states().values()) == {"acknowledged"}
    assert operator.get(address("explode")).status_code == 404
    assert "Acknowledge…" not in page(viewer, reverse("admin:errors_desk", args=["b"]))
    assert "Retry all that match…" in page(operator, reverse("admin:errors_desk", args=["b"]))
