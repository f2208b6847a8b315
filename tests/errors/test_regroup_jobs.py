"""Merging and splitting groups of very many errors: a worker does it, once, and the page says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from batches.exceptions import InvalidInput
from batches.models import Batch
from errors import tasks
from errors.groups import background, regrouping
from errors.models import BatchGroup, ErrorGroup, GroupChange, RegroupJob
from tests.helpers.batches import modes, ran
from tests.helpers.pages import page
from tests.helpers.people import UserOf, client, signed_in

pytestmark = pytest.mark.usefixtures("engine")
LIST = "/api/batches/b/errors/groups"


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Three errors are many; what the workers are told."""
    messages: list[Any] = []
    monkeypatch.setitem(background.IN_REQUEST_LIMIT, connection.vendor, 2)
    monkeypatch.setattr(background, "enqueue_by_name", lambda *message: messages.append(message))
    return messages


def two() -> tuple[Batch, ErrorGroup, ErrorGroup]:
    batch = ran(modes("ok", *["network"] * 3, *["invalid"] * 2), max_attempts=1, batch_id="b")
    return batch, ErrorGroup.objects.get(category="network"), ErrorGroup.objects.get(category="validation")


def counted() -> dict[str, int]:
    return dict(BatchGroup.objects.values_list("group__category", "errors"))


def merge(large: ErrorGroup, small: ErrorGroup) -> Any:
    """An operator asks for it over REST."""
    address = f"{LIST}/{large.fingerprint}/merge"
    return client("operator").post(address, {"into": small.fingerprint}, format="json")


def test_a_merge_of_many_errors_is_left_to_a_worker_once(messages: list[Any]) -> None:
    _, large, small = two()
    answer = merge(large, small)
    assert (answer.status_code, answer.json()["fingerprint"]) == (202, large.fingerprint)
    job = RegroupJob.objects.get()
    assert (counted(), messages) == ({"network": 3, "validation": 2}, [("errors.tasks.regroup", job.pk)])
    assert (merge(large, small).status_code, RegroupJob.objects.count()) == (409, 1)
    tasks.sweep()
    assert messages[1:] == messages[:1]


def test_the_page_says_that_a_merge_is_under_way(messages: list[Any], user_of: UserOf) -> None:
    _, large, small = two()
    merge(large, small)
    shown = page(signed_in(user_of("viewer")), reverse("admin:errors_group", args=["b", large.fingerprint]))
    assert "A merge of 3 errors into" in shown
    assert "is under way</b>, asked for by operator" in shown


def test_a_worker_merges_once_and_takes_apart_again(messages: list[Any]) -> None:
    _, large, small = two()
    merge(large, small)
    for _ in range(2):
        tasks.regroup(RegroupJob.objects.get().pk)
    assert (counted(), RegroupJob.objects.get().state) == ({"validation": 5}, "done")
    assert GroupChange.objects.filter(verb="merge", actor="operator").count() == 2
    apart = {"fingerprint": large.fingerprint}
    answer = client("operator").post(f"{LIST}/{small.fingerprint}/split", apart, format="json")
    assert (answer.status_code, len(answer.json())) == (202, 1)
    tasks.regroup(RegroupJob.objects.latest("pk").pk)
    assert counted() == {"network": 3, "validation": 2}


def test_what_is_illegal_is_refused_at_once_and_what_became_so_when_its_turn_comes(messages: list[Any]) -> None:
    _, large, small = two()
    with pytest.raises(InvalidInput):
        background.regroup("merge", large.pk, large.pk)
    with pytest.raises(InvalidInput):
        background.regroup("split", large.pk, small.pk)
    job = background.regroup("merge", large.pk, small.pk, actor="ana")
    regrouping.split_by_place(large.pk)
    background.run(job.pk)
    job.refresh_from_db()
    assert (job.state, messages) == ("refused", [("errors.tasks.regroup", job.pk)])
    last = GroupChange.objects.filter(group=large).latest("pk")
    assert (last.verb, last.actor) == ("note", "ana")
    assert last.reason.startswith("The merge that was asked for was not done. Cannot merge")


def test_the_form_has_it_done_and_few_errors_move_at_once(messages: list[Any], user_of: UserOf) -> None:
    _, large, small = two()
    operator = signed_in(user_of("operator"))
    url = reverse("admin:errors_group_act", args=["b", large.fingerprint, "split"])
    said = operator.post(url, {"how": "place", "reason": ""}, follow=True).content.decode()
    assert "A worker does it: each of its 3 errors counts as before until it has moved." in said
    assert "A split of 3 errors is under way</b>, asked for by operator" in said
    background.run(RegroupJob.objects.get().pk)
    assert ErrorGroup.objects.get(pk=large.pk).by_place
    assert len(background.regroup("split_by_place", small.pk)) == 1
