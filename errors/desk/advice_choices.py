"""The buttons under a piece of advice: what is prepared first, other ways after it, and where to look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from batches.canary_sizes import canary_of
from batches.extensions import Link
from batches.models import Batch
from batches.pages.item_list import items_url
from batches.wording import number_agrees
from errors.desk.addresses import desk_url, group_url, with_query

LABELS = {"pause": "Pause", "assign": "Take it on", "wait": "Note it", "resolve": "Resolve if clean"}
"""Of verbs whose button always says the same."""


def choices(batch: Batch, advice: Mapping[str, Any], url: str) -> list[Link]:
    """The buttons of open advice; `url` is the page on which its prepared action is confirmed."""
    verb, params, items = advice["action"].get("verb", ""), advice["action"].get("params", {}), items_of(advice)
    if batch.is_ad_hoc and verb in ("fix", "retry"):
        return corrections(batch, items, advice.get("rule", ""))[:1] if verb == "fix" else looks(batch, params)
    if verb == "fix":
        return corrections(batch, items, advice.get("rule", ""))
    if verb == "retry" and 0 < items <= canary_of(items):
        return [Link(f"Retry {items:,}", with_query(url, wait_of(params)), primary=True), *looks(batch, params)]
    return [*prepared(verb, params, items, url), *others(batch, advice), *looks(batch, params)]


def items_of(advice: Mapping[str, Any]) -> int:
    return advice["cost"].get("items") or 0


def prepared(verb: str, params: Mapping[str, Any], items: int, url: str) -> list[Link]:
    """The prepared action; none if it is about failed items and there are none left."""
    if verb in ("retry", "hold") and not items:
        return []
    if verb == "retry":
        canary, wait = canary_of(items), wait_of(params)
        return [
            Link(f"Try {canary} first", with_query(url, {"canary": canary, **wait}), primary=True),
            Link(f"Retry {items:,}", with_query(url, {"canary": 0, "needed": 0, **wait})),
        ]
    return [Link(action_label(verb, params), url, primary=True)]


def action_label(verb: str, params: Mapping[str, Any]) -> str:
    """What the button of a prepared action says that is not a retry."""
    return "Keep aside" if verb == "hold" else LABELS.get(verb) or adjustment_label(params)


def adjustment_label(params: Mapping[str, Any]) -> str:
    """`Raise limit to 60 s`."""
    changes = params.get("changes", {})
    if "item_timeout" in changes:
        return f"Raise limit to {changes['item_timeout']:g} s"
    if "concurrency" in changes:
        return f"Lower concurrency to {changes['concurrency']}"
    return "Change how it runs"


def wait_of(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"after": params["after"]} if params.get("after") else {}


def others(batch: Batch, advice: Mapping[str, Any]) -> Iterator[Link]:
    """What else could be done, each on its own page."""
    for other in advice.get("alternatives") or ():
        verb, params, title = other.get("verb"), dict(other.get("params", {})), str(other["title"])
        if batch.is_ad_hoc and verb in ("fix", "retry"):
            continue
        if verb == "fix":
            yield Link(title, reverse("admin:errors_fixes", args=[batch.pk]))
        elif "group" in params and verb in ("retry", "hold"):
            name = "admin:errors_group_retry" if verb == "retry" else "admin:errors_group_aside"
            url = reverse(name, args=[batch.pk, params.pop("group")])
            yield Link(title, with_query(url, params if verb == "retry" else {}))


def corrections(batch: Batch, items: int, rule: str) -> list[Link]:
    """The rows to correct, and where the corrected file goes."""
    query = {"kind": "fix"} | ({"category": "validation"} if rule == "validation" else {})
    download = reverse("admin:errors_export", args=[batch.pk, "csv"])
    rows = number_agrees(items, "row", "rows")
    return [
        Link(f"Download {items:,} {rows}", with_query(download, query), primary=True),
        Link("Upload corrected rows", reverse("admin:errors_fixes", args=[batch.pk])),
    ]


def looks(batch: Batch, params: Mapping[str, Any]) -> list[Link]:
    """Where the items behind it are shown, if a page shows them."""
    url = look_url(batch, params.get("retry", params))
    return [Link("Look", url)] if url else []


def look_url(batch: Batch, params: Mapping[str, Any]) -> str:
    if "group" in params:
        return group_url(batch.pk, params["group"])
    if "matching" in params:
        return desk_url(batch.pk, urlencode(params["matching"]), section="groups")
    if keys := params.get("item_keys"):
        return items_url(batch, failed=True, q=keys[0] if len(keys) == 1 else "")
    conditions = (params.get("where") or {}).get("conditions", [])
    values = [condition for condition in conditions if condition["test"][0] == "is"]
    if not values:
        return ""
    field = urlencode({"field": f"{values[0]['field']}={values[0]['test'][2]}"})
    return desk_url(batch.pk, field, section="groups")
