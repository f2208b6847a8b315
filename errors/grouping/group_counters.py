"""Groups and their counters: found or made, and counted, in a number of statements that does not grow with failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from django.db.models import Count

from batches.lanes.outcomes import Failure
from batches.models import Batch
from errors.grouping import locks, overrides
from errors.grouping.existing_groups import Known, SeenFailure, known_groups
from errors.grouping.fingerprints import others
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

MOST_TEMPLATES = 200
"""So many groups may one class and code have in a batch; what exceeds them shares one group of other messages."""
TOUCHED_EVERY = timedelta(seconds=10)


One = TypeVar("One", bound=SeenFailure)


def groups_for(batch: Batch, seen: Sequence[One]) -> tuple[list[One], dict[str, Known]]:
    """The failures, some moved to other messages, and the group of every fingerprint."""
    turn = locks.recording(batch.processor)
    known = known_groups(batch, {one.identity.fingerprint for one in seen}, first=turn)
    kept, known = overrides.follow(batch, list(seen), known)
    if any(is_fresh(one, known) for one in kept):
        known, kept = within_cap(batch, kept, known)
    write_groups(batch, kept, known)
    missing = {one.identity.fingerprint for one in kept} - set(known)
    if missing:
        known |= known_groups(batch, missing)
    return kept, {one.identity.fingerprint: known[one.identity.fingerprint] for one in kept}


def is_fresh(one: SeenFailure, known: dict[str, Known]) -> bool:
    """Whether the batch has not had this fingerprint yet."""
    group = known.get(one.identity.fingerprint)
    return group is None or not group.in_batch


def within_cap(batch: Batch, seen: list[One], known: dict[str, Known]) -> tuple[dict[str, Known], list[One]]:
    """Templates are new to the batch: lanes take turns from here on, so that together they keep to the cap."""
    fresh = [one for one in seen if is_fresh(one, known)]
    used = templates_of(batch, fresh)
    if any(used[kind_of(one)] < MOST_TEMPLATES for one in fresh):
        locks.add_templates(batch.pk)
        known = known_groups(batch, {one.identity.fingerprint for one in seen})
        fresh = [one for one in seen if is_fresh(one, known)]
        used = templates_of(batch, fresh)
    if moved := beyond_cap(used, fresh):
        seen = [moved_to_others(batch.processor, one, moved) for one in seen]
        known |= known_groups(batch, {one.identity.fingerprint for one in seen} - set(known))
        seen, known = overrides.follow(batch, seen, known)
    return known, seen


def kind_of(one: SeenFailure) -> tuple[str, str]:
    return one.error_type, one.found.code


def templates_of(batch: Batch, fresh: Sequence[SeenFailure]) -> Counter[tuple[str, str]]:
    """How many groups the batch has of each class and code in question."""
    counted = BatchGroup.objects.filter(batch=batch, group__error_type__in={one.error_type for one in fresh})
    rows = counted.order_by().values_list("group__error_type", "group__code").annotate(n=Count("pk"))
    return Counter({(error_type, code): n for error_type, code, n in rows})


def beyond_cap(used: Counter[tuple[str, str]], fresh: Sequence[SeenFailure]) -> set[str]:
    """Fingerprints new to the batch for which their class and code have no room left."""
    beyond = set()
    for one in {one.identity.fingerprint: one for one in fresh}.values():
        used[kind_of(one)] += 1
        if used[kind_of(one)] > MOST_TEMPLATES:
            beyond.add(one.identity.fingerprint)
    return beyond


def moved_to_others(processor: str, one: One, moved: set[str]) -> One:
    if one.identity.fingerprint not in moved:
        return one
    identity = others(processor, one.failure.exception, one.found.code)
    return replace(one, identity=identity, origin=None)  # type: ignore[type-var]


def write_groups(batch: Batch, seen: Sequence[SeenFailure], known: dict[str, Known]) -> None:
    """Make the groups that are missing, and touch those not seen for a while; the others' rows stay unlocked.

    A group that may change its state is touched too: the rows of a chunk are locked here and in this order only, so
    that two lanes never wait for each other.
    """
    latest: dict[str, SeenFailure] = {one.identity.fingerprint: one for one in seen}
    touched = {
        fingerprint: group_of(batch, one)
        for fingerprint, one in latest.items()
        if (group := known.get(fingerprint)) is None
        or group.last_seen < one.failure.finished_at - TOUCHED_EVERY
        or group.may_change
    }
    for fingerprint in touched.keys() & known.keys():
        touched[fingerprint].last_seen = max(touched[fingerprint].last_seen, known[fingerprint].last_seen)
    if touched:
        ErrorGroup.objects.bulk_create(
            [touched[fingerprint] for fingerprint in sorted(touched)],
            update_conflicts=True,
            unique_fields=["processor", "fingerprint"],
            update_fields=["last_seen"],
        )


def group_of(batch: Batch, one: SeenFailure) -> ErrorGroup:
    return ErrorGroup(
        processor=batch.processor,
        fingerprint=one.identity.fingerprint,
        error_type=one.error_type,
        code=one.found.code,
        category=one.found.category,
        title=one.identity.title,
        key=one.identity.key,
        first_seen=one.failure.finished_at,
        last_seen=one.failure.finished_at,
    )


def new_items(batch: Batch, seen: Sequence[SeenFailure], groups: Mapping[str, Known]) -> Counter[int]:
    """Items a group, of those it had not met before in this batch."""
    met = {(groups[one.identity.fingerprint].id, one.failure.item_key) for one in seen}
    again = [one.failure for one in seen if one.failure.attempt > 1]
    return Counter(group for group, _ in met - met_before(batch, again))


def met_before(batch: Batch, again: Iterable[Failure]) -> set[tuple[int, str]]:
    """(group, item key) of the earlier failures of items that fail again."""
    pairs: set[tuple[int, str]] = set()
    items = {failure.item_id for failure in again if failure.item_id}
    keys = {failure.item_key for failure in again if not failure.item_id}
    records = ErrorRecord.objects.order_by()
    if items:
        pairs.update(records.filter(item__in=items).values_list("group_id", "item_key"))
    if keys:
        pairs.update(
            records.filter(batch=batch, item__isnull=True, item_key__in=keys).values_list("group_id", "item_key")
        )
    return pairs
