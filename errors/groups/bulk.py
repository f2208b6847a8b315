"""One verb upon every error group that a filter matches, as one act: what it changed, what it could not, its undo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from batches import operations
from batches.exceptions import InvalidInput, InvalidTransition, ScopeChanged, UnknownBatch
from batches.models import Batch
from batches.numbering import next_number, numbered
from errors import groups
from errors.filters.error_filter import ErrorFilter
from errors.grouping.history import record_change
from errors.models import BatchGroup, BulkAct, ErrorGroup

VERBS = ("acknowledge", "resolve", "ignore", "reopen", "assign")
MAX_GROUPS = 5_000
TIMES = ("resolved_at", "ignored_at")
UNDOABLE = ("state", *TIMES, "resolved_in", "until", "clean_after_id", "clean_by", "assignee_id")
"""What a verb may change of a group, and an undo puts back."""


def act(
    batch_id: str,
    verb: str,
    error_filter: ErrorFilter,
    *,
    key: str,
    count: int | None = None,
    choose: Callable[[Batch], dict[int, str]] | None = None,
    actor: str = "",
    reason: str = "",
    **options: Any,
) -> BulkAct:
    """Apply a verb to each group wherever that is legal, once under one key, and write down how each stood before.

    `choose` answers the groups where the filter alone does not mean them; `options` are those of the verb, and `retry`
    resolves the groups once that retry is clean. Raises ScopeChanged if there are not `count` groups.
    """
    if verb not in VERBS:
        raise InvalidInput(f"There is no verb {verb!r}; there are {', '.join(VERBS)}.")
    operations.get_batch(batch_id)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if earlier := BulkAct.objects.filter(batch=batch, key=key).first():
            return earlier
        fingerprints = choose(batch) if choose else matching_groups(batch, error_filter)
        if count not in (None, len(fingerprints)):
            raise ScopeChanged(count or 0, len(fingerprints))
        before = snapshots(fingerprints)
        apply = partial(verb_function(verb, options), actor=actor, reason=reason, **options)
        refusals = groups.apply_to_each(apply, fingerprints)
        changed, refused = split_by_outcome(fingerprints, before, refusals)
        return BulkAct.objects.create(
            batch=batch,
            number=next_number(BulkAct.objects.filter(batch=batch)),
            verb=verb,
            filter=error_filter.as_dict(),
            key=key[:100],
            changed=changed,
            refused=refused,
            actor=actor[:150],
            reason=reason,
        )


def verb_function(verb: str, options: Mapping[str, Any]) -> Callable[..., None]:
    function: Callable[..., None] = groups.resolve_when_clean if "retry" in options else getattr(groups, verb)
    return function


def split_by_outcome(
    fingerprints: Mapping[int, str], before: Mapping[int, Any], refusals: Mapping[int, str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The groups that were changed, with how they stood before and after, and those that were not, with why."""
    titles = dict(ErrorGroup.objects.filter(pk__in=fingerprints).values_list("pk", "title"))
    after = snapshots(fingerprints)
    changed, refused = [], []
    for pk, fingerprint in fingerprints.items():
        row = {"group": pk, "fingerprint": fingerprint, "title": titles[pk]}
        if pk in refusals:
            refused.append(row | {"why": refusals[pk]})
        else:
            changed.append(row | {"before": before[pk], "after": after[pk]})
    return changed, refused


def matching_groups(batch: Batch, error_filter: ErrorFilter) -> dict[int, str]:
    """Every group that the filter matches, not a page of them: id -> fingerprint."""
    return fingerprints_of(error_filter.groups(batch))


def fingerprints_of(rows: QuerySet[BatchGroup]) -> dict[int, str]:
    """Group id -> fingerprint; more than 5,000 of them raise InvalidInput."""
    fingerprints = dict(rows.order_by("pk").values_list("group", "group__fingerprint")[: MAX_GROUPS + 1])
    if len(fingerprints) > MAX_GROUPS:
        raise InvalidInput(f"More than {MAX_GROUPS:,} groups match: filter them first.")
    return fingerprints


def snapshots(ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """How groups stand: id -> what an undo puts back, as JSON."""
    rows = ErrorGroup.objects.filter(pk__in=list(ids)).values("pk", *UNDOABLE)
    return {row.pop("pk"): as_json(row) for row in list(rows)}


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: row[name].isoformat() if row[name] else None for name in TIMES}


def get(batch_id: str, number: int) -> BulkAct:
    bulk_act: BulkAct | None = numbered(BulkAct.objects.filter(batch=batch_id), number)
    if bulk_act is None:
        raise UnknownBatch(f"Batch {batch_id} has no act {number} upon groups.")
    return bulk_act


def undo(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> BulkAct:
    """Put back exactly those groups that are still as the act left them, in the order in which lanes lock groups.

    The others are named with what they are now. A second undo raises InvalidTransition.
    """
    get(batch_id, number)
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        bulk_act = BulkAct.objects.select_for_update().get(batch=batch_id, number=number)
        if bulk_act.undone:
            raise InvalidTransition(batch_id, f"undo act {number} of", "undone already")
        rows = sorted(bulk_act.changed, key=lambda row: str(row["fingerprint"]))
        left = [why for row in rows if (why := put_back(row, bulk_act, actor, reason))]
        bulk_act.undone = {"by": actor, "at": timezone.now().isoformat(), "left": left}
        bulk_act.save(update_fields=["undone"])
    return bulk_act


def put_back(changed: Mapping[str, Any], bulk_act: BulkAct, actor: str, reason: str) -> dict[str, Any] | None:
    """One of the act's changed groups; None if it is as it was before, else why it was left alone."""
    row = ErrorGroup.objects.select_for_update().filter(pk=changed["group"]).values(*UNDOABLE).first()
    if row is None or (now := as_json(row)) != changed["after"]:
        why = f"It was changed since: it is {row['state'] if row else 'gone'} now."
        return {"fingerprint": changed["fingerprint"], "title": changed["title"], "why": why}
    before = dict(changed["before"])
    ErrorGroup.objects.filter(pk=changed["group"]).update(**before)
    reason = reason or f"Undo of “{bulk_act.verb}” by {bulk_act.actor or 'nobody'}."
    record_change(changed["group"], "undo", now["state"], before["state"], actor=actor, reason=reason)
    return None
