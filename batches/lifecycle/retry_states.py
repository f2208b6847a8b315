"""The states of a retry: which verb is legal in which, and what a change of state entails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils import timezone

from batches.exceptions import InvalidTransition
from batches.models import Batch, Retry

LEGAL_STATES: Mapping[str, Sequence[str]] = {
    "pause": Retry.RELEASING,
    "resume": (Retry.State.PAUSED, Retry.State.HELD),
    "cancel": Retry.OPEN,
}
"""A person's verb -> the states in which it is legal."""


def legal_verbs(retry: Retry) -> list[str]:
    """What a person may do with the retry now."""
    return [verb for verb, states in LEGAL_STATES.items() if retry.state in states]


def refuse_illegal(retry: Retry, verb: str) -> None:
    """`InvalidTransition` where the verb is not legal in the retry's state."""
    if verb not in legal_verbs(retry):
        raise InvalidTransition(retry.batch_id, f"{verb} retry {retry.number} of", Retry.State(retry.state).label)


def lock_retries(batch_id: str, states: Sequence[str]) -> list[Retry]:
    """The retries of a running batch that are in these states, locked, and the batch with them; none if it is not."""
    batch = Batch.objects.select_for_update().get(pk=batch_id)
    if batch.status not in Batch.WORKABLE:
        return []
    return list(batch.retries.select_for_update().filter(state__in=states).order_by("number"))


def change_state(retry: Retry, state: str, note: str = "") -> None:
    """`note` is why, for people. With its end the retry's limit of lanes ends, too."""
    retry.state, retry.note = state, note
    retry.finished_at = None if state in Retry.OPEN else timezone.now()
    retry.save(update_fields=["state", "note", "finished_at"])
    if retry.finished_at is not None:
        give_back_lanes(retry)


def give_back_lanes(retry: Retry) -> None:
    """Give the batch the lanes it had before the retry, unless somebody has changed them since."""
    if limit := retry.changes.get("concurrency"):
        lanes = Batch.objects.filter(pk=retry.batch_id, concurrency=limit["after"])
        lanes.update(concurrency=limit["before"])


def cancel_open_retries(batch_id: str, reason: str) -> None:
    """The batch is given up, and its retries with it."""
    for retry in Retry.objects.filter(batch=batch_id, state__in=Retry.OPEN):
        change_state(retry, Retry.State.CANCELLED, reason)
