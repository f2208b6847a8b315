"""Verbs upon error groups: what is legal, what is remembered, and who wins a race."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from batches.exceptions import InvalidInput, InvalidTransition
from errors import groups
from errors.models import ErrorGroup, GroupChange
from tests.helpers.failures import batch_of, fail, raised

pytestmark = pytest.mark.django_db

LEGAL = {
    "acknowledge": {"new", "regressed"},
    "resolve": {"new", "acknowledged", "regressed"},
    "ignore": {"new", "acknowledged", "regressed"},
    "reopen": {"resolved", "ignored"},
}
AFTER = {"acknowledge": "acknowledged", "resolve": "resolved", "ignore": "ignored", "reopen": "acknowledged"}
VERBS: dict[str, Callable[..., None]] = {name: getattr(groups, name) for name in LEGAL}


def group_in(state: str = "new", fingerprint: str = "f") -> ErrorGroup:
    now = timezone.now()
    return ErrorGroup.objects.create(
        processor="test.do", fingerprint=fingerprint, title="t", state=state, first_seen=now, last_seen=now
    )


@pytest.mark.parametrize("state", ErrorGroup.State.values)
@pytest.mark.parametrize("verb", LEGAL)
def test_it_applies_a_verb_where_it_is_legal_and_remembers_it(verb: str, state: str) -> None:
    group = group_in(state)
    if state not in LEGAL[verb]:
        with pytest.raises(InvalidTransition, match=f"Cannot {verb} error group {group.pk}: it is {state}."):
            VERBS[verb](group.pk)
        assert (ErrorGroup.objects.get().state, GroupChange.objects.count()) == (state, 0)
        return
    VERBS[verb](group.pk, actor="ann", reason="why")
    kept = GroupChange.objects.values_list("verb", "from_state", "to_state", "actor", "reason").get()
    assert (ErrorGroup.objects.get().state, kept) == (AFTER[verb], (verb, state, AFTER[verb], "ann", "why"))


def test_it_loses_a_race_without_a_trace(monkeypatch: Any) -> None:
    group = group_in("resolved")
    answers = iter(["new", "resolved"])
    monkeypatch.setattr("errors.groups.changes.state_of", lambda group_id: next(answers))
    with pytest.raises(InvalidTransition, match="it is resolved"):
        groups.ignore(group.pk)
    assert (ErrorGroup.objects.get().state, GroupChange.objects.count()) == ("resolved", 0)


def test_it_acknowledges_a_new_group_by_assigning_it_and_keeps_the_state_when_it_is_taken_away() -> None:
    group, ann = group_in(), User.objects.create_user("ann")
    groups.assign(group.pk, ann)
    assert ErrorGroup.objects.values_list("state", "assignee").get() == ("acknowledged", ann.pk)
    groups.assign(group.pk, None)
    group.refresh_from_db()
    assert (group.state, group.assignee) == ("acknowledged", None)


def test_it_regresses_only_by_an_attempt_that_started_after_it_was_resolved() -> None:
    batch = batch_of(3)
    fail(batch, 0, raised(ValueError("bad")))
    group = ErrorGroup.objects.get()
    groups.resolve(group.pk)
    fail(batch, 1, raised(ValueError("bad")), started_at=timezone.now() - timedelta(minutes=1))
    assert ErrorGroup.objects.get().state == "resolved"
    fail(batch, 2, raised(ValueError("bad")), started_at=timezone.now() + timedelta(seconds=1))
    assert ErrorGroup.objects.get().state == "regressed"


def test_it_says_which_groups_of_many_it_could_not_change() -> None:
    first, done, last = group_in("new", "a"), group_in("resolved", "b"), group_in("regressed", "c")
    chosen = {group.pk: group.fingerprint for group in (first, done, last)}
    assert groups.apply_to_each(groups.resolve, chosen) == {
        done.pk: f"Cannot resolve error group {done.pk}: it is resolved."
    }
    assert set(GroupChange.objects.values_list("group", flat=True)) == {first.pk, last.pk}


def test_it_refuses_an_empty_or_endless_note_and_an_unknown_group() -> None:
    group = group_in()
    for text in (" ", "x" * 10_001):
        with pytest.raises(InvalidInput):
            groups.note(group.pk, text)
    with pytest.raises(InvalidInput, match="no error group"):
        groups.resolve(group.pk + 1)
    groups.note(group.pk, "seen before\x00")
    assert GroupChange.objects.get().verb == "note"
