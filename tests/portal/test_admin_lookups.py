"""Lists of the admin answer no question but those of their own filters, whatever is registered there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.sessions.models import Session
from django.db import models
from django.test import RequestFactory
from django.urls import reverse

import tests.processors  # noqa: F401
from batchportal.site import PortalAdminSite
from tests.helpers.batches import modes, submitted
from tests.helpers.people import UserOf, person, signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]

QUESTIONS = ("startswith", "istartswith", "contains", "icontains", "endswith", "regex", "iregex", "in", "lte", "gt")
OF_JSON = ("password__startswith", "password", "nested__password__regex", "has_key", "contains")
admin.autodiscover()
PAGES = sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label)
LABELS = [model._meta.label for model, _ in PAGES]


def lookups_into(model: type[models.Model], depth: int = 2) -> Iterator[str]:
    """Questions about a model's columns, and about those of the rows that lead to it or to which it leads."""
    for field in model._meta.get_fields():
        questions = QUESTIONS + (OF_JSON if isinstance(field, models.JSONField) else ())
        yield from (f"{field.name}__{question}" for question in questions)
        if depth and field.is_relation and field.related_model not in (None, "self"):
            yield from (f"{field.name}__{lookup}" for lookup in lookups_into(field.related_model, depth - 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(("model", "page"), PAGES, ids=LABELS)
def test_it_lets_nobody_ask_a_question_of_their_own(model: type[models.Model], page: ModelAdmin[Any]) -> None:
    request = RequestFactory().get("/")
    allowed = {lookup for lookup in lookups_into(model) if page.lookup_allowed(lookup, "x", request)}
    assert allowed <= set(getattr(page, "linked_lookups", ()))


@pytest.mark.parametrize(("model", "page"), PAGES, ids=LABELS)
def test_it_refuses_it_in_the_same_words_whatever_the_answer_is(
    model: type[models.Model], page: ModelAdmin[Any]
) -> None:
    submitted([{"mode": "ok", "password": "hunter22", "login": {"api_key": "sesame"}}])
    client = signed_in(person("admin"))
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    lookups = [f"{next(f.name for f in model._meta.fields if not f.is_relation)}__regex=("]
    lookups += ["payload__password__startswith=h", "payload__password__startswith=x", "pk__regex=(", "id__gt=0"]
    answers = {
        (answer.status_code, answer.content) for lookup in lookups if (answer := client.get(f"{address}?{lookup}"))
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 400


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_it_spells_out_no_password(user_of: UserOf, role: str) -> None:
    submitted([{"mode": "ok", "password": "hunter22"}])
    client = signed_in(user_of(role))
    for question in ("__startswith=h", "__icontains=unt", "__regex=^h", "=hunter22", "__nested__0=x"):
        assert client.get(f"/admin/batches/item/?payload__password{question}").status_code == 400


def test_it_narrows_by_what_its_filters_and_other_pages_lead_to() -> None:
    batch, client = submitted(modes("ok", "ok")), signed_in(person("admin"))
    for address in (
        f"/admin/batches/item/?batch__id__exact={batch.pk}&failed_at__isnull=False&position__gte=0&position__lte=9",
        "/admin/batches/item/?status__exact=PENDING&code=BAD",
        "/admin/batches/batch/?show=active&status__exact=PENDING&processor=test.do&created_at__gte=2026-01-01T00%3A00Z",
        "/admin/batches/delivery/?event__exact=x&webhook__id__exact=1",
        "/admin/errors/errorrecord/?batch__id__exact=x&group__fingerprint=y&final__exact=1",
        "/admin/auth/user/?is_staff__exact=1&groups__id__exact=1",
    ):
        assert client.get(address).status_code == 200, address


def test_it_closes_the_pages_of_every_app_that_registers_some() -> None:
    site = PortalAdminSite()
    site.register(Session)
    assert not site._registry[Session].lookup_allowed("session_data__startswith", "x", RequestFactory().get("/"))


@pytest.mark.full
def test_it_has_no_row_of_an_odd_id() -> None:
    client = signed_in(person("admin"))
    for model, _ in PAGES:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for row in ("%00", "a%00b", "%22", "%2e%2e", "%E2%80%AE"):
            for page in ("", "change/", "history/", "delete/"):
                assert client.get(f"{address}{row}/{page}").status_code in (302, 403, 404)
