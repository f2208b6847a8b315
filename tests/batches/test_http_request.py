"""One HTTP call an item, against a real server on this machine."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from batches import operations, outbound
from batches.engine import runner
from batches.exceptions import InvalidInput
from batches.models import Batch, Item
from errors.models import ErrorRecord
from tests.helpers.batches import statuses
from tests.helpers.http_server import Server


def ran(server: Server, items: list[dict[str, Any]], *, max_attempts: int = 1, **params: Any) -> Batch:
    given = {"method": "POST", "url": f"http://{server.address}/v1/${{id}}", **params}
    submitted = operations.submit(
        processor="http_request", params=given, items=items, batch_id="calls", max_attempts=max_attempts
    )
    operations.start("calls")
    runner.work_until_idle("calls")
    assert operations.verify("calls") == []
    submitted.batch.refresh_from_db()
    return submitted.batch


pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]


def test_it_sends_the_row_with_a_key_that_stays(server: Server) -> None:
    batch = ran(server, [{"id": "a/b", "n": 1}, {"id": "c d", "n": 2}])
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED"]
    assert sorted(request["path"] for request in server.seen) == ["/v1/a%2Fb", "/v1/c%20d"]
    assert {json.loads(request["body"])["n"] for request in server.seen} == {1, 2}
    assert len({request["headers"]["Idempotency-Key"] for request in server.seen}) == 2
    assert Item.objects.get(position=0).result == {"status": 200, "body": {"ok": True}}


def test_it_fills_headers_and_body_from_the_row(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET_TOKEN", "s3cret-of-tests")
    body = '{"sku": "${sku}", "text": "No. ${sku} at $$5", "count": "${count}", "all": [true, "${tags}"]}'
    headers = "Authorization: Bearer ${secret.TOKEN}\nX-Sku: ${sku}"
    ran(server, [{"id": 1, "sku": "A1", "count": 3, "tags": ["x"]}], method="PUT", body=body, headers=headers)
    (request,) = server.seen
    assert json.loads(request["body"]) == {"sku": "A1", "text": "No. A1 at $5", "count": 3, "all": [True, ["x"]]}
    assert request["headers"]["Authorization"] == "Bearer s3cret-of-tests"
    assert request["headers"]["X-Sku"] == "A1"


def test_it_waits_as_long_as_it_is_told_and_counts_no_attempt(server: Server) -> None:
    answers = iter([(429, {"Retry-After": "0"}, b""), (503, {"Retry-After": "0"}, b""), (200, {}, b"{}")])
    server.answer = lambda request: next(answers)
    batch = ran(server, [{"id": 1}], max_attempts=1)
    assert statuses(batch) == ["SUCCEEDED"]
    assert len({request["headers"]["Idempotency-Key"] for request in server.seen}) == 1
    assert list(ErrorRecord.objects.order_by("pk").values_list("code", "category")) == [
        ("HTTP_429", "rate_limit"),
        ("HTTP_503", "rate_limit"),
    ]


@pytest.mark.parametrize(
    ("status", "category", "attempts"),
    [(400, "validation", 1), (404, "not_found", 1), (500, "upstream", 2), (503, "upstream", 2), (504, "timeout", 2)],
)
def test_it_tries_again_what_may_pass(server: Server, status: int, category: str, attempts: int) -> None:
    server.answer = lambda request: (status, {}, b"no")
    operations_batch = ran(server, [{"id": 1}], max_attempts=2)
    assert statuses(operations_batch) == ["FAILED"]
    assert len(server.seen) == attempts
    assert set(ErrorRecord.objects.values_list("code", "category")) == {(f"HTTP_{status}", category)}


def test_it_takes_the_statuses_it_is_told_for_success(server: Server) -> None:
    server.answer = lambda request: (404, {}, b"gone already")
    assert statuses(ran(server, [{"id": 1}], method="DELETE", success="200-299, 404")) == ["SUCCEEDED"]


def test_it_names_the_column_that_is_missing(server: Server) -> None:
    batch = ran(server, [{"other": 1}, {"id": ".."}])
    assert statuses(batch) == ["FAILED", "FAILED"]
    assert "no column 'id'" in Item.objects.get(position=0).message
    assert server.seen == []


def test_it_gives_up_an_answer_that_does_not_come(server: Server) -> None:
    server.answer = server.never
    batch = ran(server, [{"id": 1}], timeout=0.2)
    assert statuses(batch) == ["FAILED"]
    assert Item.objects.get().code == "TIMEOUT"


def test_it_asks_a_person_when_no_answer_came_and_a_repeat_does_harm(server: Server) -> None:
    server.answer = server.never
    batch = ran(server, [{"id": 1}], timeout=3, on_unknown="ask", max_attempts=3)
    assert (statuses(batch), Item.objects.get().code) == (["FAILED"], "UNKNOWN_OUTCOME")
    assert len(server.seen) == 1
    operations.decide("calls", Item.objects.get().key, "succeeded", actor="ana")
    assert statuses(batch) == ["SUCCEEDED"]
    assert operations.verify("calls") == []


@pytest.mark.parametrize("status", [502, 504])
def test_it_asks_a_person_when_a_gateway_had_no_answer_and_a_repeat_does_harm(server: Server, status: int) -> None:
    server.answer = lambda request: (status, {}, b"upstream did not answer")
    ran(server, [{"id": 1}], on_unknown="ask", max_attempts=3)
    assert Item.objects.get().code == "UNKNOWN_OUTCOME"
    assert len(server.seen) == 1


@pytest.mark.parametrize("body", [b"x" * (outbound.MAX_BODY + 1), gzip.compress(b"0" * 40_000_000)])
def test_it_refuses_an_answer_that_is_too_long(server: Server, body: bytes) -> None:
    coding = {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
    server.answer = lambda request: (200, coding, body)
    batch = ran(server, [{"id": 1}])
    assert Item.objects.get().code == "OUTBOUND_REFUSED"
    assert statuses(batch) == ["FAILED"]


def test_it_checks_where_a_redirect_leads(server: Server) -> None:
    elsewhere = "http://127.0.0.1:1/"
    server.answer = lambda request: (302, {"Location": elsewhere}, b"")
    batch = ran(server, [{"id": 1}], follow_redirects=True)
    assert statuses(batch) == ["FAILED"]
    assert "is not listed" in Item.objects.get().message


def test_it_never_shows_a_secret(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET_TOKEN", "s3cret-of-tests")
    server.answer = lambda request: (400, {}, b"refused")
    ran(server, [{"id": 1}], headers="Authorization: Bearer ${secret.TOKEN}")
    assert server.seen[0]["headers"]["Authorization"].endswith("s3cret-of-tests")
    shown = f"{Batch.objects.values().get()}{Item.objects.values().get()}{ErrorRecord.objects.values().get()}"
    assert "s3cret-of-tests" not in shown


@pytest.mark.parametrize(
    ("params", "field", "words"),
    [
        ({"url": "ftp://h/"}, "url", "http://"),
        ({"url": "https://elsewhere.example/"}, "url", "PORTAL_OUTBOUND_HOSTS"),
        ({"url": "http://user:pw@127.0.0.1/"}, "url", "credentials"),
        ({"headers": "nonsense"}, "headers", "not a header"),
        ({"headers": "Host: other"}, "headers", "set by the portal"),
        ({"headers": "A: ${secret.NOT_THERE}"}, "headers", "PORTAL_SECRET_NOT_THERE"),
        ({"body": "{"}, "body", "not JSON"),
        ({"success": "all"}, "success", "200-299"),
        ({"timeout": 0}, "timeout", "0.1"),
    ],
)
def test_it_refuses_params_that_cannot_work(server: Server, params: dict[str, Any], field: str, words: str) -> None:
    given = {"method": "POST", "url": f"http://{server.address}/", **params}
    with pytest.raises(InvalidInput) as refused:
        operations.submit(processor="http_request", params=given, items=[{"id": 1}])
    assert words in refused.value.errors[f"params.{field}"][0]
