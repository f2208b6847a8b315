"""GET /api/batches/{id}/errors/groups, and the verbs upon a group."""

from __future__ import annotations

import pytest

from batches.models import Retry
from errors.models import ErrorGroup, GroupChange
from tests.batches.people import client
from tests.errors.factories import batch_of, fail, raised

pytestmark = pytest.mark.django_db
LIST = "/api/batches/b1/errors/groups"


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
    assert part["title"] == "bad · tests.errors.factories.raised"
    assert operator.post(f"{address}/resolve", {}, format="json").status_code == 404
