"""A family of messages takes in the groups that its messages had before it was one.

They are merged into it as by hand, so that each can be taken out again. What a person has touched stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Exists, OuterRef

from batches.models import Batch
from errors.grouping.family_groups import field_names, is_template_key
from errors.grouping.word_families import in_family
from errors.groups.regrouping import lock_groups, note_regrouping
from errors.models import BatchGroup, ErrorGroup, GroupChange

WHY = "Their messages differ in a word that may be any."


def begin_gather(family_id: int, *, actor: str = "", reason: str = "") -> None:
    """What is to come of the family's messages counts in its group."""
    with transaction.atomic():
        (family,) = lock_groups(family_id)
        members = members_of(family) if family.holds_errors else []
        if not members:
            return
        ids = [member.pk for member in members]
        ErrorGroup.objects.filter(merged_into__in=ids).update(merged_into=family)
        ErrorGroup.objects.filter(pk__in=ids).update(merged_into=family)
        for group in (*members, family):
            note_regrouping(group, "merge", actor, reason or WHY)


def members_of(family: ErrorGroup) -> list[ErrorGroup]:
    """Groups of the family's messages that nobody has touched: new, without an assignee, and without a history other
    than that of narrower families."""
    history = GroupChange.objects.exclude(verb="merge", actor="", reason=WHY)
    rows = ErrorGroup.objects.filter(
        processor=family.processor,
        error_type=family.error_type,
        code=family.code,
        state=ErrorGroup.State.NEW,
        merged_into__isnull=True,
        by_place=False,
        assignee__isnull=True,
        clean_after__isnull=True,
    )
    untouched = rows.exclude(pk=family.pk).exclude(Exists(history.filter(group=OuterRef("pk"))))
    untouched = untouched.exclude(Exists(history.filter(group__merged_into=OuterRef("pk"))))
    return list(fitting(family, untouched.order_by("pk")))


def fitting(family: ErrorGroup, groups: Iterable[ErrorGroup]) -> Iterable[ErrorGroup]:
    names = names_for(family)
    for group in groups:
        own = (group.fingerprint, group.error_type, group.code, group.key, group.title)
        if in_family(group.key, family.key, names) and is_template_key(family.processor, *own):
            yield group


def names_for(family: ErrorGroup) -> frozenset[str]:
    """Names of the input's columns, as the last batch with the family has them."""
    last = BatchGroup.objects.filter(group=family).order_by("-pk").first()
    return field_names(Batch.objects.get(pk=last.batch_id)) if last else frozenset()
