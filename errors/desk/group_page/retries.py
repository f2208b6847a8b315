"""What each bulk retry brought to the items of a group: before and after, beside what was predicted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import Any

from django.db.models import Count, F, Value

from batches.models import Batch, RetriedItem, Retry
from errors.models import BatchGroup, ErrorGroup, Recommendation

SHOWN = 10
PARTS = (
    ("recovered", "recovered"),
    ("failed_same", "the same error"),
    ("failed_differently", "another error"),
    ("skipped", "left out"),
    ("waiting", "waiting"),
)


def before_and_after(batch: Batch, group: ErrorGroup) -> list[dict[str, Any]]:
    """The latest retries that tried items which had failed so, the latest first."""
    counted = fates(batch, group)
    made = {retry.pk: retry for retry in batch.retries.filter(pk__in=counted).order_by("-number")[:SHOWN]}
    others = groups_called(batch, {kind for pk in made for kind in counted[pk]["kinds"]})
    said = predictions(batch, made.values())
    return [row_of(retry, counted[pk], others, said.get(retry.number, {})) for pk, retry in made.items()]


def fates(batch: Batch, group: ErrorGroup) -> dict[int, Any]:
    """retry -> how many of the group's items met which fate, and the other fingerprints with which some failed.

    Only items that were put back and not judged yet are asked for their status: a retry may have a million others.
    """
    latest = list(batch.retries.order_by("-number").values_list("pk", flat=True)[: 3 * SHOWN])
    kinds = [group.fingerprint, *group.merged.values_list("fingerprint", flat=True)]
    rows = RetriedItem.objects.filter(retry__in=latest, kind_before__in=kinds).order_by()
    judged = rows.exclude(fate=RetriedItem.Fate.RELEASED).annotate(status=Value(""))
    put_back = rows.filter(fate=RetriedItem.Fate.RELEASED).annotate(status=F("item__status"))
    found: dict[int, Any] = defaultdict(lambda: {"fates": Counter(), "kinds": Counter()})
    counted = (
        some.values_list("retry", "fate", "status", "kind_after").annotate(n=Count("pk")) for some in (judged, put_back)
    )
    for retry, fate, status, after, n in chain.from_iterable(counted):
        same = fate == RetriedItem.Fate.DIFFERENT and after in kinds  # merged since
        names = ("failed_again", "failed_same") if same else RetriedItem.names(fate, status)
        for name in names:
            found[retry]["fates"][name] += n
        if after and after not in kinds:
            found[retry]["kinds"][after] += n
    return found


def groups_called(batch: Batch, fingerprints: set[str]) -> dict[str, ErrorGroup]:
    known = ErrorGroup.objects.filter(processor=batch.processor, fingerprint__in=fingerprints)
    here = BatchGroup.objects.filter(batch=batch, group__in=known).select_related("group")
    return {row.group.fingerprint: row.group for row in here}


def predictions(batch: Batch, retries: Iterable[Retry]) -> dict[int, dict[str, Any]]:
    """number -> what was expected of the whole retry, by itself or by its advice, and whether that held."""
    made = {retry.number: retry for retry in retries}
    said = {number: {"said": retry.predicted, "held": None} for number, retry in made.items() if retry.predicted}
    for one in Recommendation.objects.filter(batch=batch, retry__in=made, held__isnull=False):
        said[one.retry or 0] = {"said": one.predicted, "held": one.held}
    return said


def row_of(
    retry: Retry, counted: dict[str, Counter[str]], others: dict[str, ErrorGroup], prediction: dict[str, Any]
) -> dict[str, Any]:
    fates, total = counted["fates"], sum(counted["fates"][name] for name, _ in PARTS)
    different = [
        {"fingerprint": kind, "group": others.get(kind), "n": n} for kind, n in counted["kinds"].most_common(5)
    ]
    unjudged = fates["failed_again"] - fates["failed_same"] - fates["failed_differently"]
    return {
        "retry": retry,
        "n": total + unjudged,
        "parts": parts_of(fates, total),
        "recovered": fates["recovered"],
        "same": fates["failed_same"],
        "different": fates["failed_differently"],
        "others": different,
        "skipped": fates["skipped"],
        "waiting": fates["waiting"] + unjudged,
        "over": retry.state not in Retry.OPEN,
        "predicted": prediction.get("said", {}),
        "held": prediction.get("held"),
    }


def parts_of(fates: Counter[str], total: int) -> list[dict[str, Any]]:
    """The stretches of its bar, in thousandths."""
    at, made = 0.0, []
    for name, words in PARTS:
        width = 1000 * fates[name] / total if total else 0
        if width:
            made.append(
                {"name": name, "words": f"{fates[name]:,} {words}", "x": round(at, 1), "width": round(width, 1)}
            )
        at += width
    return made
