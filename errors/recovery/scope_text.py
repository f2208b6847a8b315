"""A scope in words: which items a retry, a rehearsal or a quarantine means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batches.models import Batch
from errors.models import ErrorGroup


def describe_scope(batch: Batch, scope: Mapping[str, Any]) -> str:
    """What follows a number of items, such as "with code TIMEOUT"."""
    name, value = next(iter(scope.items()), ("all_failed", True))
    describe = DESCRIPTIONS.get(name)
    return describe(batch, value) if describe else "that failed"


def of_group(batch: Batch, fingerprint: Any) -> str:
    title = group_title(batch, str(fingerprint))
    return f"of “{title}”" if title else f"of group {fingerprint}"


def matching(batch: Batch, query: Mapping[str, str]) -> str:
    """A filter of the desk; a group is called by its title."""
    titled = {**query, "group": group_title(batch, query.get("group", "")) or query.get("group", "")}
    return "that match " + ", ".join(f"{name} “{value}”" for name, value in titled.items() if name in query)


def group_title(batch: Batch, fingerprint: str) -> str:
    group = ErrorGroup.objects.filter(processor=batch.processor, fingerprint=fingerprint).first()
    return str(group) if group else ""


def where(batch: Batch, finding: Mapping[str, Any]) -> str:
    fields = (str(condition.get("field")) for condition in finding.get("conditions", ()))
    return f"with {' and '.join(fields)} as found"


DESCRIPTIONS: Mapping[str, Any] = {
    "group": of_group,
    "matching": matching,
    "where": where,
    "item_keys": lambda batch, keys: "that were selected",
    "fix": lambda batch, number: f"of correction {number}",
    "unexplained": lambda batch, value: "set aside as killers of workers that lived on",
    "code": lambda batch, code: f"with code {code}",
    "positions": lambda batch, ends: f"from position {ends[0]:,} to {ends[1]:,}",
    "failed_between": lambda batch, times: f"that failed between {times[0]} and {times[1]}",
    "field": lambda batch, field: f"with {field.get('name')} = {field.get('value')}",
}
