"""What the engine asks the triage app: which items a group means, and whether the records are complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, Subquery

from batches.exceptions import InvalidInput
from batches.lifecycle.scopes import by_payload, refusal
from batches.models import Batch, Item
from batches.redaction import redact
from errors.detectors.conditions import all_hold, is_test
from errors.filters.error_filter import ErrorFilter
from errors.models import BatchGroup, ErrorGroup, ErrorRecord


def items_of_group(batch: Batch, fingerprint: Any) -> Q:
    """Failed items whose last error is of that group, also of one that was merged into another since."""
    group = ErrorGroup.objects.filter(processor=batch.processor, fingerprint=str(fingerprint)).first()
    if group is None:
        raise InvalidInput(
            f"There is no error group {fingerprint!r} in this batch.", {"group": ["Unknown fingerprint."]}
        )
    counted = {"origin": group} if group.merged_into_id else {"group": group}
    last = ErrorRecord.objects.filter(batch=batch, attempt=F("item__attempts"), **counted)
    return Q(pk__in=last.values("item"))


def items_of_matching(batch: Batch, wanted: Any) -> Q:
    """Failed items whose last error is of a group that the desk's filter meets; an empty filter meets all."""
    if not isinstance(wanted, dict) or not all(isinstance(value, str) for value in wanted.values()):
        raise refusal("matching", 'Write what the desk filters by, such as {"state": "new"}.')
    error_filter = ErrorFilter.from_query(wanted)
    if strange := set(wanted) - {field.name for field in fields(error_filter)}:
        raise refusal("matching", f"Unknown: {', '.join(sorted(map(str, strange)))}.")
    return Q(pk__in=error_filter.items(batch).order_by().values("pk")) if error_filter.as_dict() else Q()


def items_where(batch: Batch, wanted: Any, statuses: Sequence[str] = Item.FAILED_STATUSES) -> Q:
    """Items whose payload is as a finding says: {"conditions": [{"field": …, "test": […]}, …]}, all of them."""
    said = wanted.get("conditions") if isinstance(wanted, dict) else None
    if not (isinstance(said, list) and said and all(is_condition(one) for one in said)):
        raise refusal("where", "Write the conditions as a finding has them.")
    conditions = [(one["field"], tuple(one["test"])) for one in said]
    return by_payload(batch, lambda row: all_hold(conditions, redact(row)), statuses)


def is_condition(said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("field"), str) and is_test(said.get("test"))


def group_in(batch: Batch, fingerprint: str) -> int | None:
    """The id of the group as which a fingerprint counts in the batch, its own or the one it was merged into."""
    meant = Q(group__fingerprint=fingerprint) | Q(group__merged__fingerprint=fingerprint)
    return BatchGroup.objects.filter(meant, batch=batch).order_by().values_list("group", flat=True).first()


def failures_have_records(batch: Batch) -> Iterator[str]:
    """An item that failed has an error record, of no later attempt than its own; groups count their records."""
    records = ErrorRecord.objects.filter(item=OuterRef("pk"))
    failed = Item.objects.filter(batch=batch, failed_at__isnull=False, attempts__gt=0)
    bare = failed.filter(~Exists(records)).count() if batch.processor else 0
    if bare:
        yield f"{bare:,} failed items have no error record."
    ahead = ErrorRecord.objects.filter(batch=batch, item__isnull=False, attempt__gt=F("item__attempts")).count()
    if ahead:
        yield f"{ahead:,} error records are of an attempt their item has not had."
    by_group = ErrorRecord.objects.filter(batch=batch).order_by().values("group")
    rows = by_group.annotate(errors=Count("pk"), items=Count("item_key", distinct=True))
    counted = {row["group"]: [row["errors"], row["items"]] for row in rows}
    for group, *says in BatchGroup.objects.filter(batch=batch).values_list("group", "errors", "items"):
        if (are := counted.pop(group, [0, 0])) != says:
            yield f"An error group counts {says[0]:,} errors of {says[1]:,} items; there are {are[0]:,} of {are[1]:,}."
    if counted:
        yield f"{sum(errors for errors, _ in counted.values()):,} error records are counted by no group."


def last_group() -> Subquery:
    """In a query of items: the fingerprint of each one's last error."""
    last = ErrorRecord.objects.filter(item=OuterRef("pk"), attempt=OuterRef("attempts"))
    return Subquery(last.order_by().values("group__fingerprint")[:1])


def hopeless(batch: Batch) -> Q:
    """Failed items whose last error no other try can pass: a wrong input, a missing right, a defect."""
    last = ErrorRecord.objects.filter(item=OuterRef("pk"), attempt=OuterRef("attempts"), retryable=False)
    return Q(Exists(last))
