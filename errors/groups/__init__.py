"""What people do with error groups. Each verb is one guarded UPDATE and one row of history, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from batches.exceptions import InvalidInput, InvalidTransition
from batches.lanes.outcomes import storable
from batches.models import Retry
from batches.processors import is_version, version_of
from errors.grouping import regressions
from errors.groups import clean_retries
from errors.models import ErrorGroup, GroupChange

State = ErrorGroup.State
OPEN = frozenset({State.NEW, State.ACKNOWLEDGED, State.REGRESSED})
CLOSED = frozenset({State.RESOLVED, State.IGNORED})
LONGEST_NOTE = 10_000
MOST_ITEMS = 1_000_000_000
REMEDIES = {
    "date": "Give a moment to come, with its offset from UTC.",
    "items": "Give a whole number, 1 or more.",
    "rate": "Give a percentage between 0 and 100.",
    "next_batch": "Give true.",
}
NOT_WAITING: dict[str, Any] = {"clean_after": None, "clean_by": ""}
NOT_CLOSED: dict[str, Any] = {"resolved_at": None, "resolved_in": "", "late": 0, "ignored_at": None, "until": {}}


class InvalidGroupTransition(InvalidTransition):
    """The verb is not legal in the group's present state."""

    def __init__(self, group_id: int, verb: str, state: str) -> None:
        super().__init__("", verb, state)
        self.args = (f"Cannot {verb} error group {group_id}: it is {state}.",)
        self.group_id, self.state = group_id, state


def acknowledge(group_id: int, *, actor: str = "", reason: str = "") -> None:
    """Somebody is on it."""
    change(group_id, "acknowledge", {State.NEW, State.REGRESSED}, State.ACKNOWLEDGED, actor, reason)


def resolve(group_id: int, *, in_version: str = "", actor: str = "", reason: str = "") -> None:
    """It should not come back; an attempt that starts after this moment and fails alike makes it regress.

    With `in_version`, only an attempt of that version of the processor does, or of a later one.
    """
    refuse_unless_ordered(group_id, in_version)
    now = {"resolved_at": timezone.now(), "resolved_in": in_version, "late": 0} | NOT_WAITING
    change(group_id, "resolve", OPEN, State.RESOLVED, actor, reason, **now)


def resolve_when_clean(group_id: int, retry: Retry, *, actor: str = "", reason: str = "") -> None:
    """Resolve it once no item of this bulk retry fails in the same way; until then its state stays as it is."""
    state, actor = state_of(group_id), actor[:150]
    words = reason or f"Resolve when retry {retry.number} of {retry.batch_id} is clean."
    change(group_id, "await_retry", OPEN & {state}, state, actor, words, clean_after=retry, clean_by=actor)
    transaction.on_commit(partial(clean_retries.settle, retry.batch_id))


def ignore(group_id: int, *, until: Mapping[str, Any] | None = None, actor: str = "", reason: str = "") -> None:
    """Known and not worth a look, until somebody reopens it or a condition is met.

    `until` is one of: {"date": datetime}; {"items": n}, more than n items since now, in whatever batch;
    {"rate": x}, more than x percent of a batch's items; {"next_batch": True}, a batch submitted after now.
    """
    condition = condition_of(group_id, until or {})
    now = {"ignored_at": timezone.now(), "until": condition} | NOT_WAITING
    change(group_id, "ignore", OPEN, State.IGNORED, actor, reason, **now)


def reopen(group_id: int, *, actor: str = "", reason: str = "") -> None:
    """Whoever reopens a group has looked at it: it is acknowledged, not new."""
    change(group_id, "reopen", CLOSED, State.ACKNOWLEDGED, actor, reason, **NOT_CLOSED)


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


def in_bulk(verb: Callable[[int], None], groups: Mapping[int, str]) -> dict[int, str]:
    """Apply a verb to each group (id -> fingerprint) on its own; those to which it did not apply, and why.

    In the order in which lanes lock groups, as all of it may be one transaction.
    """
    refused = {}
    for group_id in sorted(groups, key=lambda pk: groups[pk]):
        try:
            verb(group_id)
        except InvalidTransition as why:
            refused[group_id] = str(why)
    return refused


def unignore_due() -> None:
    """End what was ignored until a date that has passed, whether or not it happened again."""
    ignored = ErrorGroup.objects.filter(state=State.IGNORED, until__has_key="date").order_by("pk")
    for group_id, ignored_at, until in list(ignored.values_list("pk", "ignored_at", "until")):
        if why := regressions.date_passed(until["date"], timezone.now()):
            with transaction.atomic():
                regressions.unignore(group_id, ignored_at, why)


def refuse_unless_ordered(group_id: int, version: str) -> None:
    """A version counts only if the processor declares one, and if there is an order in which both stand."""
    if not version:
        return
    processor = ErrorGroup.objects.filter(pk=group_id).values_list("processor", flat=True).first() or ""
    if not is_version(version) or len(version) > 50:
        raise refused("in_version", f"{version[:50]!r} is no version.", 'Write it like "2", "2.1" or "2024.11.3rc1".')
    if not version_of(processor):
        remedy = 'Declare one: @processor(…, version="1.0").'
        raise refused("in_version", f"Processor {processor!r} declares no version.", remedy)


def condition_of(group_id: int, until: Mapping[str, Any]) -> dict[str, Any]:
    """What ends its being ignored, as it is kept; empty: nothing does."""
    if not until:
        return {}
    if len(until) != 1 or not set(until) <= set(regressions.IGNORE_CONDITIONS):
        raise refused(
            "until", "Say until when, by exactly one condition.", f"One of {', '.join(regressions.IGNORE_CONDITIONS)}."
        )
    ((name, value),) = until.items()
    if name == "date" and isinstance(value, datetime) and timezone.is_aware(value) and value > timezone.now():
        return {"date": value.isoformat()}
    if name == "items" and type(value) is int and 1 <= value <= MOST_ITEMS:
        return {"items": value, "from": regressions.items_of(group_id)}
    if name == "rate" and type(value) in (int, float) and 0 < value < 100:
        return {"rate": value}
    if name == "next_batch" and value is True:
        return {"next_batch": True}
    raise refused("until", f"{name} cannot be {value!r:.50}.", REMEDIES[name])


def refused(field: str, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"{problem} {remedy}", {field: [f"{problem} {remedy}"]})


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
    """The state of a group that stands; one whose errors count elsewhere has none of its own."""
    group = ErrorGroup.objects.filter(pk=group_id).only("state", "merged_into", "by_place").first()
    if group is None:
        raise InvalidInput(f"There is no error group {group_id}.", {"group": ["Unknown group."]})
    if not group.stands:
        raise InvalidGroupTransition(group_id, "change", "merged into another" if group.merged_into_id else "split")
    return group.state
