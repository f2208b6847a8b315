"""What people do with error groups. Each verb is one guarded UPDATE and one row of history, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from batches.exceptions import InvalidInput, InvalidTransition
from batches.outcomes import storable
from errors.models import ErrorGroup, GroupChange

State = ErrorGroup.State
OPEN = frozenset({State.NEW, State.ACKNOWLEDGED, State.REGRESSED})
CLOSED = frozenset({State.RESOLVED, State.IGNORED})
LONGEST_NOTE = 10_000


class InvalidGroupTransition(InvalidTransition):
    """The verb is not legal in the group's present state."""

    def __init__(self, group_id: int, verb: str, state: str) -> None:
        super().__init__("", verb, state)
        self.args = (f"Cannot {verb} error group {group_id}: it is {state}.",)
        self.group_id, self.state = group_id, state


def acknowledge(group_id: int, *, actor: str = "", reason: str = "") -> None:
    """Somebody is on it."""
    change(group_id, "acknowledge", {State.NEW, State.REGRESSED}, State.ACKNOWLEDGED, actor, reason)


def resolve(group_id: int, *, actor: str = "", reason: str = "") -> None:
    """It should not come back; an attempt that starts after this moment and fails alike makes it regress."""
    change(group_id, "resolve", OPEN, State.RESOLVED, actor, reason, resolved_at=timezone.now())


def ignore(group_id: int, *, actor: str = "", reason: str = "") -> None:
    """Known and not worth a look, until somebody reopens it."""
    change(group_id, "ignore", OPEN, State.IGNORED, actor, reason)


def reopen(group_id: int, *, actor: str = "", reason: str = "") -> None:
    """Whoever reopens a group has looked at it: it is acknowledged, not new."""
    change(group_id, "reopen", CLOSED, State.ACKNOWLEDGED, actor, reason, resolved_at=None)


def assign(group_id: int, user: AbstractBaseUser | None, *, actor: str = "", reason: str = "") -> None:
    """To a user, which acknowledges a new group, or to nobody, which leaves its state."""
    state = state_of(group_id)
    to = State.ACKNOWLEDGED if user is not None and state == State.NEW else state
    words = reason or (f"To {user.get_username()}." if user is not None else "To nobody.")
    change(group_id, "assign", {state}, to, actor, words, assignee=user)


def note(group_id: int, text: str, *, actor: str = "") -> None:
    """A remark in the group's history."""
    if not text.strip():
        raise InvalidInput("A note needs a text.", {"text": ["Write something."]})
    state = state_of(group_id)
    remember(group_id, "note", state, state, actor, text)


def in_bulk(verb: Callable[[int], None], groups: QuerySet[ErrorGroup]) -> list[int]:
    """Apply a verb to each group on its own, in the order of their ids; the ids to which it did not apply."""
    refused = []
    for group_id in list(groups.order_by("pk").values_list("pk", flat=True)):
        try:
            verb(group_id)
        except InvalidTransition:
            refused.append(group_id)
    return refused


def change(
    group_id: int, verb: str, legal: set[Any] | frozenset[Any], to: str, actor: str, reason: str, **values: Any
) -> None:
    """From the state the group is in, if legal; whoever comes second in a race is told the state of the first."""
    state = state_of(group_id)
    if state not in legal:
        raise InvalidGroupTransition(group_id, verb, state)
    with transaction.atomic():
        if not ErrorGroup.objects.filter(pk=group_id, state=state).update(state=to, **values):
            raise InvalidGroupTransition(group_id, verb, state_of(group_id))
        remember(group_id, verb, state, to, actor, reason)


def remember(group_id: int, verb: str, state: str, to: str, actor: str, reason: str) -> None:
    if len(reason) > LONGEST_NOTE:
        raise InvalidInput(f"At most {LONGEST_NOTE:,} characters.", {"reason": ["Too long: shorten it."]})
    GroupChange.objects.create(
        group_id=group_id, verb=verb, from_state=state, to_state=to, actor=actor[:150], reason=storable(reason)
    )


def state_of(group_id: int) -> str:
    state = ErrorGroup.objects.filter(pk=group_id).values_list("state", flat=True).first()
    if state is None:
        raise InvalidInput(f"There is no error group {group_id}.", {"group": ["Unknown group."]})
    return state
