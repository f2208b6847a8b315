"""GET /api/batches/{id}/errors/groups, and the verbs upon a group."""

from __future__ import annotations

from typing import Any

import pytest

from batches.models import Retry
from errors.models import ErrorGroup, GroupChange
from tests.helpers.failures import batch_of, fail, raised
from tests.helpers.people import client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]
LIST = "/api/batches/b1/errors/groups"
ACTS = "/api/batches/b1/errors/acts"


def failing() -> str:
    """The address of the first of two groups."""
    batch = batch_of(2)
    fail(batch, 0, raised(ValueError("bad")))
    fail(batch, 1, raised(ConnectionError("refused")))
    return f"{LIST}/{ErrorGroup.objects.get(title='bad').fingerprint}"


def test_it_lists_groups_by_filter() -> None:
    failing()
    for wanted in ("category=network", "q=REFUS", "code=NETWORK_ERROR"):
        assert [row["title"] for row in client("viewer").get(f"{LIST}?{wanted}").json()["results"]] == ["refused"]
    assert len(client("viewer").get(f"{LIST}?state=new").json()["results"]) == 2
    assert client("viewer").get(f"{LIST}?state=nonsense").status_code == 400


def test_it_resolves_once_and_then_tells_the_state() -> None:
    address, operator = failing(), client("operator")
    assert operator.post(f"{address}/resolve", {"reason": "fixed"}, format="json").json()["state"] == "resolved"
    again = operator.post(f"{address}/resolve", {}, format="json")
    assert (again.status_code, again.json()["current_status"]) == (409, "RESOLVED")
    assert GroupChange.objects.values_list("verb", "actor", "reason").get() == ("resolve", "operator", "fixed")


def test_it_assigns_and_notes_and_refuses_strangers() -> None:
    address, operator = failing(), client("operator")
    assert operator.post(f"{address}/assign", {"user": "operator"}, format="json").json()["assignee"] == "operator"
    assert operator.post(f"{address}/assign", {"user": None}, format="json").json()["assignee"] is None
    assert operator.post(f"{address}/assign", {"user": "nobody"}, format="json").status_code == 400
    assert operator.post(f"{address}/note", {"reason": "seen"}, format="json").status_code == 200
    assert operator.post(f"{LIST}/none/resolve", {}, format="json").status_code == 404


def test_it_ignores_until_a_condition() -> None:
    address, operator = failing(), client("operator")
    for until in ({"items": 0}, {"moon": 1}, {}, {"items": 2, "rate": 3}, {"date": "2001-01-01T00:00:00Z"}):
        answer = operator.post(f"{address}/ignore", {"until": until}, format="json")
        assert (answer.status_code, ErrorGroup.objects.filter(state="ignored").count()) == (400, 0), until
    ignored = operator.post(f"{address}/ignore", {"until": {"items": 10}}, format="json").json()
    assert (ignored["state"], ignored["until"]) == ("ignored", {"items": 10, "from": 1})


def test_it_resolves_when_a_retry_of_the_batch_is_clean() -> None:
    address, operator = failing(), client("operator")
    unknown = operator.post(f"{address}/resolve", {"retry": 1}, format="json")
    assert (unknown.status_code, unknown.json()["errors"]) == (400, {"retry": ["Unknown retry."]})
    Retry.objects.create(batch_id="b1", number=1, items=1)
    both = operator.post(f"{address}/resolve", {"retry": 1, "in_version": "2"}, format="json")
    assert both.status_code == 400
    waiting = operator.post(f"{address}/resolve", {"retry": 1}, format="json").json()
    assert (waiting["state"], waiting["clean_after"]) == ("new", {"batch_id": "b1", "number": 1})


def test_it_merges_and_takes_out_again() -> None:
    address, operator = failing(), client("operator")
    other = ErrorGroup.objects.get(title="refused").fingerprint
    merged = operator.post(f"{address}/merge", {"into": other, "reason": "one cause"}, format="json").json()
    assert (merged["title"], merged["errors"], [one["title"] for one in merged["merged"]]) == ("refused", 2, ["bad"])
    assert [row["title"] for row in operator.get(LIST).json()["results"]] == ["refused"]
    assert operator.post(f"{address}/note", {"reason": "by its old name"}, format="json").json()["title"] == "refused"
    again = operator.post(f"{LIST}/{other}/merge", {"into": address.rsplit("/", 1)[1]}, format="json")
    assert again.status_code == 400
    out = {"fingerprint": merged["merged"][0]["fingerprint"]}
    parts = operator.post(f"{LIST}/{other}/split", out, format="json").json()
    told = sorted((part["title"], part["errors"], part["merged"]) for part in parts)
    assert told == [("bad", 1, []), ("refused", 1, [])]
    assert operator.post(f"{LIST}/{other}/split", out, format="json").status_code == 400


def test_it_splits_by_place() -> None:
    address, operator = failing(), client("operator")
    for wrong in ({}, {"by": "moon"}, {"by": "place", "fingerprint": "f"}):
        assert operator.post(f"{address}/split", wrong, format="json").status_code == 400
    (part,) = operator.post(f"{address}/split", {"by": "place"}, format="json").json()
    assert part["title"] == "bad · tests.helpers.failures.raised"
    assert operator.post(f"{address}/resolve", {}, format="json").status_code == 404


def test_it_acts_on_all_groups_of_a_filter_and_says_where_it_could_not() -> None:
    address, operator = failing(), client("operator")
    bad = address.rsplit("/", 1)[1]
    operator.post(f"{address}/resolve", {}, format="json")
    done = operator.post(f"{LIST}/ignore", {"filter": {}, "until": {"rate": 5}, "count": 2}, format="json").json()
    refused = ErrorGroup.objects.get(title="refused")
    assert done["changed"] == [refused.fingerprint]
    assert [(one["fingerprint"], one["why"][-15:]) for one in done["refused"]] == [(bad, "it is resolved.")]
    assert (refused.state, refused.until) == ("ignored", {"rate": 5.0})
    assert GroupChange.objects.filter(verb="ignore").get().actor == "operator"


@pytest.mark.parametrize(
    ("wanted", "titles"),
    [
        ({"category": "network"}, ["refused"]),
        ({"q": "BAD", "state": "new"}, ["bad"]),
        ({"state": "resolved"}, []),
        ({"fingerprints": []}, []),
        ({}, ["bad", "refused"]),
    ],
    ids=str,
)
def test_it_acts_on_what_the_list_shows_for_the_same_filter(wanted: dict[str, Any], titles: list[str]) -> None:
    failing()
    operator = client("operator")
    done = operator.post(f"{LIST}/acknowledge", {"filter": wanted}, format="json").json()
    assert sorted(ErrorGroup.objects.filter(state="acknowledged").values_list("title", flat=True)) == titles
    assert (len(done["changed"]), done["refused"]) == (len(titles), [])
    again = operator.post(f"{LIST}/acknowledge", {"filter": wanted}, format="json").json()
    assert (again["changed"], len(again["refused"])) == ([], 0 if "state" in wanted else len(titles))


def test_it_acts_on_selected_groups_as_one_with_a_key() -> None:
    address, operator = failing(), client("operator")
    asked = {"filter": {"fingerprints": [address.rsplit("/", 1)[1]]}, "user": "operator"}
    answers = [
        operator.post(f"{LIST}/assign", asked, format="json", headers={"Idempotency-Key": "once"}).json()
        for _ in range(2)
    ]
    said = {"act": 1, "changed": asked["filter"]["fingerprints"], "refused": []}  # type: ignore[index]
    assert answers[0] == answers[1] == said | {"undo_url": "/api/batches/b1/errors/acts/1/undo"}
    assert GroupChange.objects.count() == 1


def test_a_bulk_act_is_told() -> None:
    failing()
    body = {"filter": {"state": "open"}, "reason": "2.1"}
    done = client("operator").post(f"{LIST}/resolve", body, format="json").json()
    (told,) = client("viewer").get(ACTS).json()
    assert told == client("viewer").get(f"{ACTS}/{done['act']}").json()
    assert (told["verb"], told["filter"], told["actor"], told["reason"]) == (
        "resolve", {"state": "open"}, "operator", "2.1")  # fmt: skip
    assert [(one["before"], one["after"]) for one in told["changed"]] == [("new", "resolved")] * 2
    assert (told["refused"], told["undone"]) == ([], None)
    assert client("charlie").get(ACTS).status_code == 403


def test_a_bulk_act_is_undone_once_where_nobody_changed_anything_since() -> None:
    address, operator = failing(), client("operator")
    done = operator.post(f"{LIST}/resolve", {"filter": {"state": "open"}}, format="json").json()
    operator.post(f"{address}/reopen", {}, format="json")
    assert client("viewer").post(done["undo_url"], {}, format="json").status_code == 403
    undone = operator.post(done["undo_url"], {"reason": "too early"}, format="json").json()["undone"]
    assert [one["fingerprint"] for one in undone["left"]] == [address.rsplit("/", 1)[1]]
    assert ErrorGroup.objects.get(title="refused").state == "new"
    assert operator.post(done["undo_url"], {}, format="json").status_code == 409
    assert operator.post(f"{ACTS}/7/undo", {}, format="json").status_code == 404


def test_it_resolves_all_once_a_retry_is_clean_and_an_undo_ends_the_waiting() -> None:
    failing()
    operator = client("operator")
    retry = Retry.objects.create(batch_id="b1", number=1, items=1, frozen_to=1)
    done = operator.post(f"{LIST}/resolve", {"filter": {}, "retry": retry.number}, format="json").json()
    waiting = ErrorGroup.objects.filter(clean_after__isnull=False)
    assert (len(done["changed"]), waiting.count()) == (2, 2)
    assert operator.post(done["undo_url"], {}, format="json").status_code == 200
    assert waiting.count() == 0


def test_it_refuses_a_bulk_act_that_is_not_understood() -> None:
    failing()
    operator = client("operator")
    for wrong in ({}, {"filter": {"sate": "new"}}, {"filter": {"state": "old"}}, {"filter": {}, "count": 7}):
        assert operator.post(f"{LIST}/resolve", wrong, format="json").status_code == 400, wrong
    assert operator.post(f"{LIST}/ignore", {"filter": {}, "until": {"items": 0}}, format="json").status_code == 400
    assert client("viewer").post(f"{LIST}/resolve", {"filter": {}}, format="json").status_code == 403
    assert not GroupChange.objects.exists()
