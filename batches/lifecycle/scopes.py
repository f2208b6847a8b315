"""How a retry names its items: scope name -> condition on failed items. Other apps add theirs to `SCOPES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from batches.exceptions import InvalidInput
from batches.models import Batch, Item

FAILED = (Item.Status.FAILED, Item.Status.QUARANTINED)
FARTHEST = 2**31 - 1


def refusal(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field}: {message}", {field: [message]})


def all_failed(batch: Batch, wanted: Any) -> Q:
    if wanted is not True:
        raise InvalidInput("all_failed must be true.", {"all_failed": ["Must be true."]})
    return Q()


def by_keys(batch: Batch, keys: Any, statuses: Sequence[str] = FAILED) -> Q:
    if not isinstance(keys, (list, tuple)) or not keys or not all(isinstance(key, str) for key in keys):
        raise InvalidInput("item_keys must be a list of keys.", {"item_keys": ["A list of item keys, not empty."]})
    known = set(Item.objects.filter(batch=batch, key__in=keys, status__in=statuses).values_list("key", flat=True))
    strange = [key for key in keys if key not in known]
    if strange:
        what = "failed items" if statuses == FAILED else "failed or waiting items"
        raise InvalidInput(
            f"{len(strange)} of the items are not {what} of this batch, the first: {strange[0]!r}.",
            {"item_keys": [f"Not one of the {what}: {key!r}" for key in strange[:10]]},
        )
    return Q(key__in=keys)


def by_positions(batch: Batch, wanted: Any) -> Q:
    """From one position to another, both included."""
    first, last = pair(wanted, "positions")
    if not all(type(end) is int and 0 <= end <= FARTHEST for end in (first, last)) or first > last:
        raise refusal("positions", "Write the first and the last position, such as [400, 419].")
    return Q(position__gte=first, position__lte=last)


def by_time(batch: Batch, wanted: Any) -> Q:
    """Items that failed between two times, both included."""
    first, last = (moment(end) for end in pair(wanted, "failed_between"))
    if first is None or last is None or first > last:
        raise refusal("failed_between", "Write two times with their zone, the earlier first.")
    return Q(finished_at__gte=first, finished_at__lte=last)


def by_code(batch: Batch, wanted: Any) -> Q:
    if not isinstance(wanted, str) or len(wanted) > 64 or "\x00" in wanted:
        raise refusal("code", "Write one error code.")
    return Q(code=wanted)


def by_field(batch: Batch, wanted: Any, statuses: Sequence[str] = FAILED) -> Q:
    """Items whose payload has that value under that name: {"name": "country", "value": "DE"}."""
    if not isinstance(wanted, dict) or set(wanted) != {"name", "value"} or not isinstance(wanted["name"], str):
        raise refusal("field", 'Write a name and a value, such as {"name": "country", "value": "DE"}.')
    name, value = wanted["name"], wanted["value"]
    if not name or "\x00" in name or "\x00" in str(value) or not isinstance(value, (str, int, float, bool, type(None))):
        raise refusal("field", "The value must be text, a number, true, false or null.")
    return by_payload(batch, lambda row: name in row and row[name] == value, statuses)


def by_payload(batch: Batch, holds: Callable[[Mapping[str, Any]], bool], statuses: Sequence[str]) -> Q:
    """Items in one of these statuses whose payload is so."""
    candidates = Item.objects.filter(batch=batch, status__in=statuses).order_by()
    if Item.Status.PENDING not in statuses:
        candidates = candidates.filter(failed_at__isnull=False)
    rows = candidates.values_list("pk", "payload").iterator()
    return Q(pk__in=[pk for pk, row in rows if isinstance(row, dict) and holds(row)])


def pair(wanted: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(wanted, (list, tuple)) or len(wanted) != 2:
        raise refusal(name, "Write two values: from and to.")
    return wanted[0], wanted[1]


def moment(said: Any) -> datetime | None:
    try:
        found = parse_datetime(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def chosen(scope: Mapping[str, Any], what: str = "retry") -> tuple[str, Any]:
    """The one scope that was named, and its value."""
    named = {name: wanted for name, wanted in scope.items() if wanted not in (None, "", [], False)}
    if len(named) != 1 or not set(named) <= set(SCOPES):
        raise InvalidInput(f"Say which items to {what}, by exactly one of: {', '.join(SCOPES)}.")
    ((name, wanted),) = named.items()
    return name, wanted


def waiting_too(batch: Batch, name: str, wanted: Any) -> Q:
    """The scope's condition where items count that wait for their turn, not only failed ones."""
    if name in BY_STATUS:
        return SCOPES[name](batch, wanted, (*FAILED, Item.Status.PENDING))
    return SCOPES[name](batch, wanted)


BY_STATUS = {"item_keys", "field"}
"""Scopes that look at items in some statuses only, and take these as a third argument."""
SCOPES: dict[str, Callable[..., Q]] = {
    "all_failed": all_failed,
    "item_keys": by_keys,
    "positions": by_positions,
    "failed_between": by_time,
    "code": by_code,
    "field": by_field,
}
