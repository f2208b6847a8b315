"""POST start, pause, resume, cancel and retry: done by the operation, or refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from batches import operations
from batches.engine import runner
from batches.models import Transition
from tests.helpers.check_rows import BAD, GOOD, committed, finished, submitted
from tests.helpers.people import client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def act(verb: str, body: Any = None, batch_id: str = "b1") -> Any:
    return client("operator").post(f"/api/batches/{batch_id}/{verb}", body, format="json")


@pytest.mark.parametrize(
    ("before", "verb", "after"),
    [
        ((), "start", "QUEUED"),
        (("start",), "pause", "PAUSED"),
        (("start", "pause"), "resume", "QUEUED"),
        (("start",), "cancel", "CANCELLED"),
    ],
)
def test_it_acts(before: tuple[str, ...], verb: str, after: str) -> None:
    submitted()
    for earlier in before:
        getattr(operations, earlier)("b1")
    answer = act(verb, {"reason": "lunch"})
    assert (answer.status_code, answer.json()["status"]) == (202, after)
    last = Transition.objects.latest("pk")
    assert (last.verb, last.actor, last.reason) == (verb, "operator", "lunch")


def test_it_needs_no_body() -> None:
    submitted()
    assert client("operator").post("/api/batches/b1/start/").status_code == 202
    assert client("operator").post("/api/batches/b1/pause", content_type="application/json").status_code == 202


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "cancel", "retry"])
def test_it_says_the_status_in_which_a_verb_is_illegal(verb: str) -> None:
    submitted()
    operations.cancel("b1")
    answer = act(verb, {"all_failed": True} if verb == "retry" else {})
    assert (answer.status_code, answer.json()["current_status"]) == (409, "CANCELLED")


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "cancel", "retry"])
def test_it_knows_no_such_batch(verb: str) -> None:
    assert act(verb, {"all_failed": True} if verb == "retry" else {}, "nope").status_code == 404


@pytest.mark.parametrize(
    "body", [[], "text", 1, {"reson": "x"}, {"reason": {}}, {"reason": "\x00"}, {"reason": "x" * 2_001}]
)
def test_it_refuses_a_body_it_does_not_understand(body: Any) -> None:
    submitted()
    assert act("start", body).status_code == 400
    assert operations.get_batch("b1").status == "PENDING"


@committed
@pytest.mark.parametrize("scope", [{"all_failed": True}, {"item_keys": ["2"]}])
def test_it_retries_and_tells_what_became_of_it(scope: dict[str, Any]) -> None:
    finished(items=(GOOD, BAD, GOOD))
    answer = act("retry", scope | {"reason": "again"})
    assert (answer.status_code, answer.json()["items"]) == (202, 1)
    assert answer.headers["Location"] == "/api/batches/b1/retries/1"
    viewer = client("viewer")
    nothing_yet = {"recovered": 0, "failed_again": 0, "failed_same": 0, "failed_differently": 0, "skipped": 0}
    assert viewer.get(answer.headers["Location"]).json()["outcome"] == nothing_yet | {"waiting": 1}
    runner.work_until_idle("b1")
    outcome = {"failed_again": 1, "failed_same": 1, "waiting": 0}
    assert viewer.get(answer.headers["Location"]).json()["outcome"] == nothing_yet | outcome


@committed
@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"all_failed": False},
        {"all_failed": True, "item_keys": ["2"]},
        {"item_keys": []},
        {"item_keys": ["1"]},
        {"item_keys": ["nope"]},
        {"item_keys": "2"},
        {"item_keys": [["2"]]},
        {"item_keys": ["\x00"]},
        {"group": "feedfeedfeedfeed"},
        {"positions": [1]},
    ],
)
@pytest.mark.full
def test_it_refuses_a_retry_of_nothing(scope: dict[str, Any]) -> None:
    finished()
    assert act("retry", scope).status_code == 400
    assert operations.get_batch("b1").status == "COMPLETED"


@committed
@pytest.mark.parametrize("number", ["0", "2", str(10**30), "-1", "x", "9" * 5_000])
@pytest.mark.full
def test_it_knows_no_other_retry(number: str) -> None:
    finished()
    act("retry", {"all_failed": True})
    assert client("viewer").get(f"/api/batches/b1/retries/{number}").status_code == 404
