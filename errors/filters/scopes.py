"""What the engine asks of triage: which items a scope means, how an item failed last, whether records are complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, Subquery

from batches.exceptions import InvalidInput
from batches.lifecycle.scopes import by_payload, refusal
from batches.models import Batch, Item
from batches.redaction import redact
from batches.wording import quantity, quantity_have
from errors.detectors.conditions import all_hold, is_test
from errors.filters.error_filter import ErrorFilter
from errors.models import BatchGroup, ErrorGroup, ErrorRecord


def items_of_group(batch: Batch, fingerprint: Any) -> Q:
    """Failed items whose last error is of that group, also of one that was merged into another since.

    An unknown fingerprint raises InvalidInput.
    """
    group = ErrorGroup.objects.filter(processor=batch.processor, fingerprint=str(fingerprint)).first()
    if group is None:
        raise InvalidInput(
            f"There is no error group {fingerprint!r} in this batch.", {"group": ["Unknown fingerprint."]}
        )
    counted = {"origin": group} if group.merged_into_id else {"group": group}
    last = ErrorRecord.objects.filter(batch=batch, attempt=F("item__attempts"), **counted)
    return Q(pk__in=last.values("item"))


def items_of_matching(batch: Batch, matching: Any) -> Q:
    """Failed items whose last error is of a group that the desk's filter meets; an empty filter meets all."""
    if not isinstance(matching, dict) or not all(isinstance(value, str) for value in matching.values()):
        raise refusal("matching", 'Write what the desk filters by, such as {"state": "new"}.')
    error_filter = ErrorFilter.from_query(matching)
    if strange := set(matching) - {field.name for field in fields(error_filter)}:
        raise refusal("matching", f"Unknown: {', '.join(sorted(map(str, strange)))}.")
    return error_filter.item_condition(batch) if error_filter.as_dict() else Q()


def items_where(batch: Batch, where: Any, statuses: Sequence[str] = Item.FAILED_STATUSES) -> Q:
    """Items whose payload meets all conditions of a finding: {"conditions": [{"field": …, "test": […]}, …]}.

    Anything else raises InvalidInput.
    """
    listed = where.get("conditions") if isinstance(where, dict) else None
    if not (isinstance(listed, list) and listed and all(is_condition(condition) for condition in listed)):
        raise refusal("where", "Write the conditions as a finding has them.")
    conditions = [(condition["field"], tuple(condition["test"])) for condition in listed]
    return by_payload(batch, lambda row: all_hold(conditions, redact(row)), statuses)


def is_condition(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("field"), str) and is_test(value.get("test"))


def group_in(batch: Batch, fingerprint: str) -> int | None:
    """The id of the group as which a fingerprint counts in the batch, its own or the one it was merged into."""
    condition = Q(group__fingerprint=fingerprint) | Q(group__merged__fingerprint=fingerprint)
    return BatchGroup.objects.filter(condition, batch=batch).order_by().values_list("group", flat=True).first()


def failures_have_records(batch: Batch) -> Iterator[str]:
    """An item that failed has an error record, of no later attempt than its own; groups count their records."""
    records = ErrorRecord.objects.filter(item=OuterRef("pk"))
    failed = Item.objects.filter(batch=batch, failed_at__isnull=False, attempts__gt=0)
    without_record = failed.filter(~Exists(records)).count() if batch.processor else 0
    if without_record:
        yield f"{quantity_have(without_record, 'failed item')} no error record."
    ahead = ErrorRecord.objects.filter(batch=batch, item__isnull=False, attempt__gt=F("item__attempts")).count()
    if ahead:
        yield f"{ahead:,} error records are of an attempt their item has not had."
    by_group = ErrorRecord.objects.filter(batch=batch).order_by().values("group")
    rows = by_group.annotate(errors=Count("pk"), items=Count("item_key", distinct=True))
    counted = {row["group"]: [row["errors"], row["items"]] for row in rows}
    for group, *says in BatchGroup.objects.filter(batch=batch).values_list("group", "errors", "items"):
        if (are := counted.pop(group, [0, 0])) != says:
            yield (
                f"An error group counts {quantity(says[0], 'error')} of {quantity(says[1], 'item')}; there "
                f"are {are[0]:,} of {are[1]:,}."
            )
    if counted:
        yield f"{sum(errors for errors, _ in counted.values()):,} error records are counted by no group."


def last_group() -> Subquery:
    """Fingerprint of the last error of an item, as a column of a query of items."""
    last = ErrorRecord.objects.filter(item=OuterRef("pk"), attempt=OuterRef("attempts"))
    return Subquery(last.order_by().values("group__fingerprint")[:1])


def permanent_failures(batch: Batch) -> Q:
    """Failed items whose last error no other try can pass: a wrong input, a missing right, a defect."""
    last = ErrorRecord.objects.filter(item=OuterRef("pk"), attempt=OuterRef("attempts"), retryable=False)
    return Q(Exists(last))
