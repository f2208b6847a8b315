"""Addresses of rows are those that `reverse` gives."""

from __future__ import annotations

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path, reverse, set_script_prefix

from batches.addresses import address

pytestmark = pytest.mark.any_database
ROWS = [
    ("admin:batches_item_changelist", []),
    ("admin:batches_batch_change", ["odd_id.of-a_batch"]),
    ("admin:batches_batch_act", ["a.b-c", "resume"]),
    ("batch-progress", ["BATCH-ID"]),
    ("admin:errors_group", ["a-b", "0123456789abcdef"]),
    ("admin:batches_batch_change", ["é & +?#% x"]),
]


@pytest.mark.parametrize(("name", "arguments"), ROWS)
def test_it_is_the_address_that_django_resolves(name: str, arguments: list[str]) -> None:
    assert address(name, *arguments) == reverse(name, args=arguments)


def test_it_stands_below_the_prefix_in_force() -> None:
    before = address("admin:batches_batch_change", "b")
    set_script_prefix("/portal/")
    try:
        assert address("admin:batches_batch_change", "b") == f"/portal{before}"
    finally:
        set_script_prefix("/")


@override_settings(ROOT_URLCONF="tests.batches.test_addresses")
def test_it_is_of_the_routes_in_force() -> None:
    assert address("elsewhere", "b") == "/elsewhere/b/"


def nowhere(request: HttpRequest, batch_id: str) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("elsewhere/<str:batch_id>/", nowhere, name="elsewhere")]
