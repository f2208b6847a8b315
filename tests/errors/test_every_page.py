"""Every page for every role, found in the table of addresses: a new page is asked for here before anyone wrote a test.

What everybody may see stands in `OPEN`; everything else asks a stranger to sign in and refuses who has no rights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from batches import operations
from batches.lifecycle.deliveries import new_secret
from batches.models import AccessToken, Batch, Item, Transition, Webhook
from errors.models import ErrorGroup
from tests.helpers.batches import rows_written
from tests.helpers.check_rows import committed, finished

pytestmark = pytest.mark.django_db

OPEN = {
    # address: what everybody gets there
    "": 302,
    "favicon.ico": 302,
    "healthz": 200,
    "readyz": 200,
    "admin/login/": 200,
}
OF_EVERY_ACCOUNT = {
    *("admin/", "admin/logout/", "admin/password_change/", "admin/password_change/done/", "admin/jsi18n/"),
    "admin/batches/batch/zone/",
}
"""Pages about the one who asks."""
NOT_HERE = {"metrics"}
"""Answers as REST does: tests/batches/test_metrics.py."""
USERS = {"admin/auth/"}


def pages(patterns: Any = None, below: str = "") -> Iterator[str]:
    """The address of every page that is not REST, its parameters still to be filled in."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if not isinstance(pattern.pattern, RoutePattern):
            continue
        address = below + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from pages(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern) and not address.startswith("api/") and address.rstrip("/") not in NOT_HERE:
            yield address


def filled(address: str, given: dict[str, Any]) -> str:
    """With a value for each parameter; `object_id` is that of a row of the page's own model."""

    def value(match: re.Match[str]) -> str:
        name = match.group("name")
        if name == "object_id" and not address.startswith("admin/r/"):
            _, app, model, *_ = address.split("/")
            row = apps.get_model(app, model).objects.first()
            return str(row.pk) if row is not None else "1"
        return str(given.get(name, "1" if match.group("kind") == "int" else "b1"))

    return "/" + re.sub(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>", value, address)


def addresses() -> dict[str, str]:
    """Every page with values that exist."""
    AccessToken.objects.create(user=User.objects.create_user("someone"), name="of someone", digest="00" * 32)
    Group.objects.create(name="some group")
    Webhook.objects.create(url="https://hooks.example/", secret=new_secret())
    finished()
    operations.rehearse("b1", wake=False)
    group = ErrorGroup.objects.first()
    given = {
        "batch_id": "b1",
        "verb": "cancel",
        "processor": "check_rows",
        "fingerprint": group.fingerprint if group else "none",
        "item": Item.objects.filter(failed_at__isnull=False).values_list("pk", flat=True).first() or 1,
        "app_label": "batches",
    }
    return {page: filled(page, given) for page in pages()}


def tab(user: Any = None) -> Client:
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    return client


def everything() -> tuple[Any, ...]:
    return (*rows_written(), LogEntry.objects.count(), Batch.objects.count())


@committed
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.any_database
def test_it_asks_every_stranger_to_sign_in(user_of: Any, method: str) -> None:
    found, before = addresses(), everything()
    wrong = {}
    for role, client in (("anonymous", tab()), ("charlie", tab(user_of("charlie")))):
        for page, address in found.items():
            answer = getattr(client, method)(address)
            location = answer.headers.get("Location", "")
            to_sign_in = answer.status_code == 302 and location.startswith("/admin/login/")
            if page.rstrip("/") in {name.rstrip("/") for name in OPEN}:
                continue
            if not to_sign_in and page not in OF_EVERY_ACCOUNT:
                wrong[role, page] = answer.status_code
    assert wrong == {}
    assert everything() == before


@committed
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.any_database
@pytest.mark.full
def test_it_refuses_staff_without_rights_every_page(user_of: Any, method: str) -> None:
    charlie = user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    found, before, client = addresses(), everything(), tab(charlie)
    own = OF_EVERY_ACCOUNT | set(OPEN)
    wrong = {}
    for page, address in found.items():
        if page in own or page.rstrip("/") in own:
            continue
        answer = getattr(client, method)(address)
        status = answer.status_code
        if status not in (403, 405) and not only_django_says_so(page, address, answer):
            wrong[page] = status
    assert wrong == {}
    assert everything() == before


def only_django_says_so(page: str, address: str, answer: Any) -> bool:
    """An address of old that leads to the page itself, and the history of a row that is not there."""
    if page == "admin/r/<path:content_type_id>/<path:object_id>/":
        return bool(answer.status_code == 404)
    to = answer.headers.get("Location")
    return to == f"{address}change/" or (page.endswith("/history/") and to == "/admin/")


@committed
@pytest.mark.parametrize(
    "role",
    [
        pytest.param("operator", marks=pytest.mark.full_on("sqlite")),
        pytest.param("viewer", marks=[pytest.mark.any_database, pytest.mark.full]),
        pytest.param("admin", marks=pytest.mark.any_database),
    ],
)
def test_it_breaks_at_no_page_and_changes_nothing_by_looking(user_of: Any, role: str) -> None:
    found, client = addresses(), tab(user_of(role))
    for page in ("admin/logout/",):
        found.pop(page, None)
    before = everything()
    wrong = {page: status for page, address in found.items() if (status := client.get(address).status_code) >= 500}
    assert wrong == {}
    assert everything() == before


OF_MACHINES = re.compile(
    r"[\s](?:href|src|action|formaction|value|id|for|form|name|max|min|datetime|viewBox|x|y|d|points|width|height|x1|x2|"
    r"y1|y2|transform|data-(?!resting|label|words)[a-z-]+)=\"[^\"]*‹[^\"]*\""
)
"""Attributes that are no words; ‹ stands before a number that was written for people, as 1,234 is."""
OF_DJANGO = (" data-actions-icnt", ' value="‹0›"')
"""How many rows a list's page has, and that not all of its pages are selected."""


@pytest.mark.full
@committed
@pytest.mark.any_database
def test_it_writes_numbers_for_people_nowhere_else(user_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.template import base
    from django.utils.formats import localize

    def marked(value: Any, use_l10n: bool | None = None) -> Any:
        for_people = type(value) is int and use_l10n is not False
        return f"‹{value}›" if for_people else localize(value, use_l10n=use_l10n)

    found, client = addresses(), tab(user_of("operator"))
    pages_of_group = [f"{found[page]}?tab=items" for page in found if page.endswith("group/<str:fingerprint>/")]
    monkeypatch.setattr(base, "localize", marked)
    wrong: dict[str, list[str]] = {}
    marks = 0
    for address in [*found.values(), *pages_of_group]:
        answer = client.get(address)
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        text = answer.content.decode()
        marks += text.count("‹")
        if said := {one for one in OF_MACHINES.findall(text) if not one.startswith(OF_DJANGO)}:
            wrong[address] = sorted(said)
    assert marks > 100
    assert wrong == {}


@committed
@pytest.mark.any_database
def test_it_lets_a_viewer_change_nothing_whatever_is_posted(user_of: Any) -> None:
    found, client, before = addresses(), tab(user_of("viewer")), everything()
    own = OF_EVERY_ACCOUNT | set(OPEN) | {"admin/<path:batch_id>/watch/"}
    wrong = {}
    for page, address in found.items():
        if page in own:
            continue
        answer = client.post(address, {"action": "cancel_selected", "_selected_action": "b1", "confirm": "1"})
        if answer.status_code >= 500:
            wrong[page] = answer.status_code
    assert wrong == {}
    assert everything() == before
    assert Transition.objects.filter(actor="viewer").count() == 0


@committed
@pytest.mark.any_database
def test_it_keeps_accounts_and_tokens_to_admins(user_of: Any) -> None:
    found = {page: address for page, address in addresses().items() if any(page.startswith(part) for part in USERS)}
    assert found
    for role in ("viewer", "operator"):
        client = tab(user_of(role))
        answers = {page: client.get(address, follow=True).status_code for page, address in found.items()}
        assert {page: status for page, status in answers.items() if status != 403} == {}
