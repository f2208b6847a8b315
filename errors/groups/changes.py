"""A change of an error group: in which states each verb is legal, and one guarded UPDATE with its row of history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from batches.exceptions import InvalidInput, InvalidTransition
from errors.grouping.history import record_change
from errors.models import ErrorGroup

ANY_STATE = frozenset(ErrorGroup.State)
LEGAL_STATES: Mapping[str, frozenset[ErrorGroup.State]] = {
    "acknowledge": frozenset({ErrorGroup.State.NEW, ErrorGroup.State.REGRESSED}),
    "resolve": frozenset(ErrorGroup.OPEN),
    "await_retry": frozenset(ErrorGroup.OPEN),
    "ignore": frozenset(ErrorGroup.OPEN),
    "reopen": frozenset(ErrorGroup.CLOSED),
    "assign": ANY_STATE,
    "merge": ANY_STATE,
    "split": frozenset(ErrorGroup.OPEN),
}
"""verb -> the states in which a group may be. Operations, bulk acts, buttons and forms all ask here."""
NO_AWAITED_RETRY: Mapping[str, Any] = {"clean_after": None, "clean_by": ""}


class InvalidGroupTransition(InvalidTransition):
    """The verb is not legal in the group's present state."""

    def __init__(self, group_id: int, verb: str, state: str) -> None:
        super().__init__("", verb, state)
        self.args = (f"Cannot {verb} error group {group_id}: it is {state}.",)
        self.group_id, self.state = group_id, state


def change(
    group_id: int, verb: str, to_state: str, *, from_state: str = "", actor: str = "", reason: str = "", **values: Any
) -> None:
    """Move the group from the state it is in, or from `from_state` alone, and set the other `values` of its row.

    Raises InvalidGroupTransition where the verb is not legal; whoever comes second in a race is told the state that the
    first has left.
    """
    state = from_state or state_of(group_id)
    if state not in LEGAL_STATES[verb]:
        raise InvalidGroupTransition(group_id, verb, state)
    with transaction.atomic():
        if not ErrorGroup.objects.filter(pk=group_id, state=state).update(state=to_state, **values):
            raise InvalidGroupTransition(group_id, verb, state_of(group_id))
        record_change(group_id, verb, state, to_state, actor=actor, reason=reason)


def state_of(group_id: int) -> str:
    """The state of a group in which errors count.

    Raises InvalidInput for an unknown group, InvalidGroupTransition for one whose errors count elsewhere.
    """
    group = ErrorGroup.objects.filter(pk=group_id).only("state", "merged_into", "by_place").first()
    if group is None:
        raise InvalidInput(f"There is no error group {group_id}.", {"group": ["Unknown group."]})
    refuse_overridden(group, "change")
    return group.state


def refuse_overridden(group: ErrorGroup, verb: str) -> None:
    """A group whose errors count elsewhere has no state of its own."""
    if not group.holds_errors:
        raise InvalidGroupTransition(group.pk, verb, "merged into another" if group.merged_into_id else "split")


def invalid_input(field: str, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"{problem} {remedy}", {field: [f"{problem} {remedy}"]})
