"""The groups of word families: failures join one, and one is made where a batch shows that a place takes any word.

What was recorded before in a group of its own is gathered by `errors.groups.gathering`, once the chunk is committed:
here lanes record side by side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q

from batches.models import Batch
from errors.grouping.existing_groups import GroupSnapshot, existing_groups
from errors.grouping.fingerprints import Identity, fingerprint_of
from errors.grouping.seen_failures import SeenFailure
from errors.grouping.word_families import MANY_WORDS, MANY_WORDS_AT_CAP, families_in, in_family, title_of
from errors.models import BatchGroup, ErrorGroup

MAX_PLACES = 2
"""Places of a message that are opened at once; a wider family takes the narrower ones in."""
Groups = dict[str, GroupSnapshot]
"""By fingerprint."""


@dataclass(frozen=True, slots=True)
class GroupKey:
    """Key and title of a group that the batch has."""

    error_type: str
    code: str
    key: str
    title: str
    is_template: bool

    @property
    def kind(self) -> tuple[str, str]:
        """Class and code."""
        return self.error_type, self.code


def is_template_key(processor: str, fingerprint: str, error_type: str, code: str, key: str, title: str) -> bool:
    """Whether a stored group is that of a message's template: no part of a split, no fingerprint of a processor's own,
    no place in the code, which has the class for its title."""
    named_by_place = title == error_type != key
    return not named_by_place and fingerprint == fingerprint_of(processor, error_type, code, key)


def keys_in_batch(batch: Batch, error_types: Collection[str]) -> list[GroupKey]:
    """Those of the groups that the batch has of these classes."""
    rows = BatchGroup.objects.filter(batch=batch, group__error_type__in=error_types).order_by()
    columns = ("group__fingerprint", "group__error_type", "group__code", "group__key", "group__title")
    return [
        GroupKey(
            error_type, code, key, title, is_template_key(batch.processor, fingerprint, error_type, code, key, title)
        )
        for fingerprint, error_type, code, key, title in rows.values_list(*columns)
    ]


def field_names(batch: Batch) -> frozenset[str]:
    """Names of the input's columns: in a message they tell causes apart, however many there are."""
    return frozenset(batch.source.get("columns") or batch.source.get("fields") or ())


def join(batch: Batch, failures: list[SeenFailure], groups: Groups) -> tuple[list[SeenFailure], Groups]:
    """Failures without a group of their own count in that of their family, if there is one."""
    without = [seen for seen in failures if may_join(seen, groups)]
    families = families_of(batch.processor, {seen.error_type for seen in without}) if without else []
    if not families:
        return failures, groups
    names = field_names(batch)
    failures = [in_its_family(seen, families, names) if may_join(seen, groups) else seen for seen in failures]
    return failures, groups | existing_groups(batch, {seen.fingerprint for seen in failures} - set(groups))


def may_join(seen: SeenFailure, groups: Groups) -> bool:
    return seen.identity.is_template and seen.fingerprint not in groups


def families_of(processor: str, error_types: Collection[str]) -> list[ErrorGroup]:
    """The narrowest first: those that leave the most of a message as it is."""
    families = ErrorGroup.objects.filter(processor=processor, error_type__in=error_types, is_family=True)
    rows = families.order_by().only("fingerprint", "error_type", "code", "key", "title")
    return sorted(rows, key=lambda family: (family.key.count("<any word"), "<any words>" in family.key, family.key))


def in_its_family(seen: SeenFailure, families: Sequence[ErrorGroup], names: Collection[str]) -> SeenFailure:
    for family in families:
        same_kind = (family.error_type, family.code) == kind_of(seen)
        if same_kind and in_family(seen.identity.key, family.key, names):
            return replace(seen, identity=Identity(family.fingerprint, family.title, family.key))
    return seen


def is_taken_in(group: GroupKey, families: Collection[ErrorGroup]) -> bool:
    """Whether one of the families, of any class and code, takes the group in."""
    kinds = (family for family in families if (family.error_type, family.code) == group.kind)
    return group.is_template and any(in_family(group.key, family.key) for family in kinds)


def kind_of(seen: SeenFailure) -> tuple[str, str]:
    return seen.error_type, seen.classification.code


def families_to_make(
    batch: Batch, fresh: Sequence[SeenFailure], present: Sequence[GroupKey], crowded: Collection[tuple[str, str]]
) -> dict[str, ErrorGroup]:
    """fingerprint -> the group of every family that shows in what the batch has and what is new to it.

    Of the `crowded` classes and codes fewer words are enough.
    """
    families: dict[str, ErrorGroup] = {}
    templates = [seen for seen in fresh if seen.identity.is_template]
    for kind in sorted({kind_of(seen) for seen in templates}):
        own = {seen.identity.key: seen for seen in templates if kind_of(seen) == kind}
        keys = {group.key for group in present if group.is_template and group.kind == kind}
        least = MANY_WORDS_AT_CAP if kind in crowded else MANY_WORDS
        for identity, seen in widened(own, keys, field_names(batch), least):
            family = new_family(batch, seen, identity)
            families.setdefault(family.fingerprint, family)
    return families


def widened(
    own: Mapping[str, SeenFailure], others: Collection[str], names: Collection[str], least: int
) -> Iterator[tuple[Identity, SeenFailure]]:
    """Each failure that is in a family, with what that is; a family may be in a wider one, by a second place."""
    identities = {key: seen.identity for key, seen in own.items()}
    keys, others = set(own), set(others) - set(own)
    for _ in range(MAX_PLACES):
        families = families_in(keys, names, least, others)
        for key, identity in identities.items():
            if family := families.get(identity.key):
                title = title_of(identity.title, identity.key, family)
                identities[key] = Identity("", title, family)
        keys = {families.get(key, key) for key in keys}
        others = {families.get(key, key) for key in others} - keys
    return ((identity, own[key]) for key, identity in sorted(identities.items()) if key != identity.key)


def new_family(batch: Batch, seen: SeenFailure, identity: Identity) -> ErrorGroup:
    kind = seen.classification
    return ErrorGroup(
        processor=batch.processor,
        fingerprint=fingerprint_of(batch.processor, seen.error_type, kind.code, identity.key),
        error_type=seen.error_type,
        code=kind.code,
        category=kind.category,
        title=identity.title[:600],
        key=identity.key[:600],
        is_family=True,
        first_seen=seen.failure.finished_at,
        last_seen=seen.failure.finished_at,
    )


def make(families: dict[str, ErrorGroup]) -> list[int]:
    """Write the groups down; ids of those that were not there yet."""
    if not families:
        return []
    rows = [families[fingerprint] for fingerprint in sorted(families)]
    condition = Q(processor=rows[0].processor, fingerprint__in=families)
    present = set(ErrorGroup.objects.filter(condition).values_list("fingerprint", flat=True))
    missing = [row for row in rows if row.fingerprint not in present]
    ErrorGroup.objects.bulk_create(missing, ignore_conflicts=True)
    fingerprints = [row.fingerprint for row in missing]
    return list(ErrorGroup.objects.filter(condition, fingerprint__in=fingerprints).values_list("pk", flat=True))
