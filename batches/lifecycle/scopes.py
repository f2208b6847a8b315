"""How people name items of a batch: scope name -> condition on its failed items."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.utils.dateparse import parse_datetime

from batches.exceptions import InvalidInput
from batches.extensions import Scope, joined
from batches.lifecycle import unexplained
from batches.models import Batch, Item
from batches.redaction import is_secret

LARGEST_POSITION = 2**31 - 1


def refusal(field: str, message: str) -> InvalidInput:
    """The error for a field that cannot be understood."""
    return InvalidInput(f"{field}: {message}", {field: [message]})


def refuse_masked(field: str, name: str) -> None:
    """Whether a guess is right is what a masked value would be read by, so nobody may ask."""
    if is_secret(name):
        raise refusal(field, f"{name} is masked: it cannot be searched.")


def all_failed(batch: Batch, value: Any) -> Q:
    """Every failed item; the value is true."""
    if value is not True:
        raise InvalidInput("all_failed must be true.", {"all_failed": ["Must be true."]})
    return Q()


def by_keys(batch: Batch, keys: Any, statuses: Sequence[str] = Item.FAILED_STATUSES) -> Q:
    """Items by their keys; `InvalidInput` if one of them is not in these statuses."""
    if not isinstance(keys, (list, tuple)) or not keys or not all(isinstance(key, str) for key in keys):
        raise InvalidInput("item_keys must be a list of keys.", {"item_keys": ["A list of item keys, not empty."]})
    named = one_of("key", keys)
    existing = set(Item.objects.filter(named, batch=batch, status__in=statuses).values_list("key", flat=True))
    missing = [key for key in keys if key not in existing]
    if missing:
        what = "failed items" if statuses == Item.FAILED_STATUSES else "failed or waiting items"
        raise InvalidInput(
            f"{len(missing)} of the items are not {what} of this batch, the first: {missing[0]!r}.",
            {"item_keys": [f"Not one of the {what}: {key!r}" for key in missing[:10]]},
        )
    return named


def by_positions(batch: Batch, value: Any) -> Q:
    """From one position to another, both included: [400, 419]."""
    first, last = pair(value, "positions")
    if not all(type(end) is int and 0 <= end <= LARGEST_POSITION for end in (first, last)) or first > last:
        raise refusal("positions", "Write the first and the last position, such as [400, 419].")
    return Q(position__gte=first, position__lte=last)


def by_time(batch: Batch, value: Any) -> Q:
    """Items that failed between two times with their zone, both included."""
    first, last = (parsed_time(end) for end in pair(value, "failed_between"))
    if first is None or last is None or first > last:
        raise refusal("failed_between", "Write two times with their zone, the earlier first.")
    return Q(finished_at__gte=first, finished_at__lte=last)


def by_code(batch: Batch, value: Any) -> Q:
    """Items that failed last with that error code."""
    if not isinstance(value, str) or len(value) > 64 or "\x00" in value:
        raise refusal("code", "Write one error code.")
    return Q(code=value)


def by_field(batch: Batch, field: Any, statuses: Sequence[str] = Item.FAILED_STATUSES) -> Q:
    """Items whose payload has that value under that name: {"name": "country", "value": "DE"}."""
    if not isinstance(field, dict) or set(field) != {"name", "value"} or not isinstance(field["name"], str):
        raise refusal("field", 'Write a name and a value, such as {"name": "country", "value": "DE"}.')
    name, value = field["name"], field["value"]
    if not name or "\x00" in name or "\x00" in str(value) or not isinstance(value, (str, int, float, bool, type(None))):
        raise refusal("field", "The value must be text, a number, true, false or null.")
    refuse_masked("field", name)
    return by_payload(batch, lambda row: name in row and row[name] == value, statuses)


def by_payload(batch: Batch, holds: Callable[[Mapping[str, Any]], bool], statuses: Sequence[str]) -> Q:
    """Items in one of these statuses of whose payload `holds` is true; every payload of them is read."""
    candidates = Item.objects.filter(batch=batch, status__in=statuses).order_by()
    if Item.Status.PENDING not in statuses:
        candidates = candidates.filter(failed_at__isnull=False)
    rows = candidates.values_list("pk", "payload").iterator()
    return one_of("pk", [pk for pk, row in rows if isinstance(row, dict) and holds(row)])


def one_of(column: str, values: Sequence[Any]) -> Q:
    """The condition that a column has one of these values, however many: SQLite takes 250,000 parameters, and this is
    one."""
    if connection.vendor == "sqlite" and values:
        return Q(**{f"{column}__in": RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(values))])})
    return Q(**{f"{column}__in": values})


def pair(value: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise refusal(name, "Write two values: from and to.")
    return value[0], value[1]


def parsed_time(text: Any) -> datetime | None:
    """A time with its zone; None for anything else."""
    try:
        time = parse_datetime(text) if isinstance(text, str) else None
        return time.astimezone(UTC) if time is not None and time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def only_scope(scope: Mapping[str, Any], what: str = "retry") -> tuple[str, Any]:
    """Name and value of the only scope that is given; `InvalidInput` if there is none, or several."""
    named = {name: value for name, value in scope.items() if value not in (None, "", [], False)}
    scopes = all_scopes()
    if len(named) != 1 or not named.keys() <= scopes.keys():
        raise InvalidInput(f"Say which items to {what}, by exactly one of: {', '.join(scopes)}.")
    ((name, value),) = named.items()
    refuse_unstorable(name, value)
    return name, value


def refuse_unstorable(name: str, value: Any) -> None:
    """A scope is kept with what becomes of it: `InvalidInput` for what no database takes as JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
        text.encode()
    except ValueError:
        raise refusal(name, "A number is infinite, or a text holds half a character.") from None
    if "\\u0000" in text:
        raise refusal(name, "A text holds a NUL character.")


OWN = {
    "all_failed": Scope(all_failed),
    "item_keys": Scope(by_keys, reads_items=True),
    "positions": Scope(by_positions),
    "failed_between": Scope(by_time),
    "code": Scope(by_code),
    "unexplained": Scope(unexplained.condition),
    "field": Scope(by_field, reads_items=True),
}


def all_scopes() -> dict[str, Scope]:
    """Name -> scope: the engine's own, and those of extensions."""
    return joined(OWN, lambda extension: extension.scopes)


def condition(batch: Batch, name: str, value: Any) -> Q:
    """The scope's condition on failed items; `InvalidInput` if the value names none."""
    return all_scopes()[name].condition(batch, value)


def with_waiting_items(batch: Batch, name: str, value: Any) -> Q:
    """The scope's condition on items that have failed or wait for their turn."""
    scope = all_scopes()[name]
    return scope.condition(batch, value, *([(*Item.FAILED_STATUSES, Item.Status.PENDING)] if scope.reads_items else []))
