"""What cannot be meant is refused in words, and is no fault of the portal."""

from __future__ import annotations

import io
from itertools import product

import pytest

import tests.processors  # noqa: F401
from batches import operations
from batches.exceptions import InputRefused
from tests.corpus.odd_ids import ODD, ODD_VALUES, PAGE_PATHS, REST_PATHS
from tests.helpers.check_rows import committed, finished
from tests.helpers.people import client, person, signed_in

pytestmark = [committed]

SCOPES = (
    '{"field": {"name": "a", "value": 99}}',
    '{"field": {"name": "a", "value": 1e999}}',
    '{"where": {"conditions": [{"field": "a", "test": ["at_most", "number", 1e999]}]}}',
    '{"where": {"conditions": [{"field": "a", "test": ["at_most", "number", -1e999]}]}}',
    '{"where": {"conditions": [{"field": "a", "test": ["is", "number", 1e999]}]}}',
    '{"where": {"conditions": [{"field": "a\\u0000", "test": ["kind", "missing"]}]}}',
    '{"where": {"conditions": [{"field": "zzz", "test": ["kind", "number"]}]}}',
    '{"positions": [7, 9]}',
    '{"positions": [1e999, 9]}',
    '{"failed_between": ["2001-01-01T00:00:00Z", "2001-01-02T00:00:00Z"]}',
    '{"failed_between": ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]}',
    '{"code": "NO_SUCH"}',
    '{"group": "\\u0000"}',
    '{"matching": {"text": "\\u0000 nothing"}}',
    '{"matching": {"state": "\\u0000"}}',
    '{"matching": {"category": "network"}}',
    '{"item_keys": ["\\ud800"]}',
    '{"all_failed": true, "count": 99999999999999999999}',
    '{"all_failed": true, "rate": 1e999}',
    '{"all_failed": true, "after": 1e999}',
)
FIELDS = ("state", "category", "code", "text", "group", "attempt", "positions", "field", "since", "until")
LISTS = {
    "/api/batches/b1/errors/records": (*FIELDS, "cursor"),
    "/api/batches/b1/errors/groups": (*FIELDS, "cursor"),
    "/api/batches": ("status", "processor", "search", "created_after", "cursor"),
    "/api/batches/b1/items": ("status", "key", "code", "cursor"),
    "/admin/errors/errorgroup/desk/b1/": (*FIELDS, "after"),
    "/admin/errors/errorgroup/desk/": ("state", "processor", "text", "whose", "after"),
    "/admin/batches/item/": (
        "batch__id__exact",
        "position__gte",
        "failed_at__isnull",
        "status__exact",
        "code",
        "q",
        "o",
    ),
    "/admin/batches/batch/": ("show", "status__exact", "processor", "q", "p"),
    "/admin/errors/errorrecord/": ("batch__id__exact", "group__fingerprint", "final__exact", "q"),
    "/admin/batches/delivery/": ("event__exact", "webhook__id__exact", "q"),
}


def test_a_scope_that_means_nothing_is_refused() -> None:
    finished()
    visitor, wrong = client("operator"), {}
    for door, body in product(("retry", "asides"), SCOPES):
        answer = visitor.post(f"/api/batches/b1/{door}", body, content_type="application/json")
        if answer.status_code != 400 or not answer.json()["detail"]:
            wrong[door, body] = answer.status_code
    assert wrong == {}


@pytest.mark.parametrize("encoding", ["idna", "undefined", "punycode", "base64", "rot13", "x" * 40, "utf-8\0"])
def test_an_encoding_that_reads_no_file_is_refused(encoding: str) -> None:
    with pytest.raises(InputRefused, match="encoding"):
        operations.submit(processor="test.do", file=io.BytesIO(b"a\n1\n"), filename="rows.csv", encoding=encoding)


def test_options_are_answered() -> None:
    visitor = client("viewer")
    for address in ("/api/docs", "/api/batches", "/api/processors"):
        assert visitor.options(address).status_code == 405, address


@pytest.mark.full
def test_a_path_of_odd_names_leads_nowhere() -> None:
    finished()
    api, tab, wrong = client("admin"), signed_in(person("admin")), {}
    tab.raise_request_exception = False
    for odd, path in product(ODD, (*REST_PATHS, *PAGE_PATHS)):
        visitor, address = api if path in REST_PATHS else tab, path.format(odd)
        statuses = {visitor.get(address).status_code, visitor.post(address).status_code}
        if not statuses <= {302, 400, 403, 404, 405}:
            wrong[address] = statuses
    assert wrong == {}


@pytest.mark.full
def test_a_query_of_odd_values_is_answered() -> None:
    finished()
    api, tab, wrong = client("viewer"), signed_in(person("admin")), {}
    tab.raise_request_exception = False
    for (path, names), value in product(LISTS.items(), ODD_VALUES):
        visitor = api if path.startswith("/api/") else tab
        for name in names:
            status = visitor.get(f"{path}?{name}={value}").status_code
            if status not in (200, 302, 400):
                wrong[f"{path}?{name}={value}"] = status
    assert wrong == {}
