"""The groups of a chunk's failures: read or created, in a number of statements that does not grow with the failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from batches.failures import Failure
from batches.models import Batch
from errors.grouping import family_groups, locks, overrides
from errors.grouping.existing_groups import GroupSnapshot, existing_groups
from errors.grouping.family_groups import Groups
from errors.grouping.fingerprints import identify_as_other
from errors.grouping.seen_failures import SeenFailure
from errors.models import ErrorGroup, ErrorRecord

MAX_TEMPLATES = 200
"""Groups that one class and code may have in a batch; what exceeds them shares one group of other messages."""
LAST_SEEN_PRECISION = timedelta(seconds=10)
ClassAndCode = tuple[str, str]


class Placed(NamedTuple):
    """Failures, the group of every fingerprint, and the ids of the families made for them."""

    failures: list[SeenFailure]
    groups: Groups
    families: list[int]


def groups_for(batch: Batch, failures: list[SeenFailure]) -> Placed:
    """The failures, some moved to the group of their family or to other messages, and the group of each."""
    lock = locks.recording(batch.processor)
    groups = existing_groups(batch, {seen.fingerprint for seen in failures}, first=lock)
    failures, groups = overrides.follow(batch, failures, groups)
    new_families: list[int] = []
    if any(is_new_to_batch(seen, groups) for seen in failures):
        failures, groups = in_families(batch, failures, groups)
        if any(is_new_to_batch(seen, groups) for seen in failures):
            failures, groups, new_families = within_cap(batch, failures, groups)
    write_groups(batch, failures, groups)
    fingerprints = {seen.fingerprint for seen in failures}
    if missing := fingerprints - set(groups):
        groups |= existing_groups(batch, missing)
    return Placed(failures, {fingerprint: groups[fingerprint] for fingerprint in fingerprints}, new_families)


def is_new_to_batch(seen: SeenFailure, groups: Groups) -> bool:
    """Whether the batch has not had this fingerprint yet."""
    group = groups.get(seen.fingerprint)
    return group is None or not group.in_batch


def in_families(batch: Batch, failures: list[SeenFailure], groups: Groups) -> tuple[list[SeenFailure], Groups]:
    """Failures without a group of their own in that of their family, or where that counts."""
    return overrides.follow(batch, *family_groups.join(batch, failures, groups))


def within_cap(batch: Batch, failures: list[SeenFailure], groups: Groups) -> Placed:
    """Templates are new to the batch: one lane at a time from here on, so that together they keep to the cap, and see
    the families that they make together."""
    state = new_templates(batch, failures, groups)
    if state.families or any(state.used[kind] < MAX_TEMPLATES for kind in state.kinds):
        locks.adding_templates(batch.pk)
        groups = existing_groups(batch, {seen.fingerprint for seen in failures})
        failures, groups = in_families(batch, failures, groups)
        state = new_templates(batch, failures, groups)
    new_families = family_groups.make(state.families)
    if state.families:
        failures, groups = in_families(batch, failures, groups)
    fresh = [seen for seen in failures if is_new_to_batch(seen, groups)]
    if beyond := beyond_cap(state.used, fresh):
        failures = [
            as_other_message(batch.processor, seen) if seen.fingerprint in beyond else seen for seen in failures
        ]
        groups |= existing_groups(batch, {seen.fingerprint for seen in failures} - set(groups))
        failures, groups = overrides.follow(batch, failures, groups)
    return Placed(failures, groups, new_families)


@dataclass(frozen=True, slots=True)
class NewTemplates:
    """Classes and codes of failures new to the batch, the families that show by them, and by class and code how many
    groups the batch has, without those that these families will take in."""

    kinds: frozenset[ClassAndCode]
    families: dict[str, ErrorGroup]
    used: Counter[ClassAndCode]


def new_templates(batch: Batch, failures: Sequence[SeenFailure], groups: Groups) -> NewTemplates:
    fresh = {seen.fingerprint: seen for seen in failures if is_new_to_batch(seen, groups)}.values()
    present = family_groups.keys_in_batch(batch, {seen.error_type for seen in fresh})
    used = Counter(group.kind for group in present)
    used_then = used + Counter(class_and_code(seen) for seen in fresh)
    crowded = {kind for kind, groups_then in used_then.items() if groups_then > MAX_TEMPLATES}
    families = family_groups.families_to_make(batch, list(fresh), present, crowded)
    taken_in = Counter(group.kind for group in present if family_groups.is_taken_in(group, families.values()))
    return NewTemplates(frozenset(map(class_and_code, fresh)), families, used - taken_in)


def class_and_code(seen: SeenFailure) -> ClassAndCode:
    return seen.error_type, seen.classification.code


def beyond_cap(used: Counter[ClassAndCode], fresh: Sequence[SeenFailure]) -> set[str]:
    """Fingerprints new to the batch for which their class and code have no room left; counts the others in `used`."""
    beyond = set()
    for seen in {seen.fingerprint: seen for seen in fresh}.values():
        used[class_and_code(seen)] += 1
        if used[class_and_code(seen)] > MAX_TEMPLATES:
            beyond.add(seen.fingerprint)
    return beyond


def as_other_message(processor: str, seen: SeenFailure) -> SeenFailure:
    identity = identify_as_other(processor, seen.failure.exception, seen.classification.code)
    return replace(seen, identity=identity, origin=None)


def write_groups(batch: Batch, failures: Sequence[SeenFailure], groups: dict[str, GroupSnapshot]) -> None:
    """Create the groups that are missing, and touch those not seen for a while; the others' rows stay unlocked.

    A group that may reopen is touched too: the rows of a chunk are locked here and in this order only, so that two
    lanes never wait for each other.
    """
    latest: dict[str, SeenFailure] = {seen.fingerprint: seen for seen in failures}
    touched = {
        fingerprint: new_group(batch, seen)
        for fingerprint, seen in latest.items()
        if (group := groups.get(fingerprint)) is None
        or group.last_seen < seen.failure.finished_at - LAST_SEEN_PRECISION
        or group.may_reopen
    }
    for fingerprint in touched.keys() & groups.keys():
        touched[fingerprint].last_seen = max(touched[fingerprint].last_seen, groups[fingerprint].last_seen)
    if touched:
        ErrorGroup.objects.bulk_create(
            [touched[fingerprint] for fingerprint in sorted(touched)],
            update_conflicts=True,
            unique_fields=["processor", "fingerprint"],
            update_fields=["last_seen"],
        )


def new_group(batch: Batch, seen: SeenFailure) -> ErrorGroup:
    return ErrorGroup(
        processor=batch.processor,
        fingerprint=seen.fingerprint,
        error_type=seen.error_type,
        code=seen.classification.code,
        category=seen.classification.category,
        title=seen.identity.title,
        key=seen.identity.key,
        first_seen=seen.failure.finished_at,
        last_seen=seen.failure.finished_at,
    )


def new_items(batch: Batch, failures: Sequence[SeenFailure], groups: Mapping[str, GroupSnapshot]) -> Counter[int]:
    """group -> how many of the items are new to it in this batch."""
    pairs = {(groups[seen.fingerprint].id, seen.failure.item_key) for seen in failures}
    repeated = [seen.failure for seen in failures if seen.failure.attempt > 1]
    return Counter(group for group, _ in pairs - earlier_pairs(batch, repeated))


def earlier_pairs(batch: Batch, repeated: Iterable[Failure]) -> set[tuple[int, str]]:
    """(group, item key) of the earlier failures of items that fail again."""
    pairs: set[tuple[int, str]] = set()
    items = {failure.item_id for failure in repeated if failure.item_id}
    keys = {failure.item_key for failure in repeated if not failure.item_id}
    records = ErrorRecord.objects.order_by()
    if items:
        pairs.update(records.filter(item__in=items).values_list("group_id", "item_key"))
    if keys:
        pairs.update(
            records.filter(batch=batch, item__isnull=True, item_key__in=keys).values_list("group_id", "item_key")
        )
    return pairs
