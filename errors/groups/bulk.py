"""One verb upon every error group that a filter meets, as one act: what it changed, what it could not, and its undo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from batches import operations
from batches.exceptions import InvalidInput, InvalidTransition, ScopeChanged, UnknownBatch
from batches.models import Batch
from errors import groups
from errors.filters.error_filter import ErrorFilter
from errors.models import BatchGroup, BulkAct, ErrorGroup

State = ErrorGroup.State
LEGAL: dict[str, tuple[str, ...]] = {
    "acknowledge": (State.NEW, State.REGRESSED),
    "resolve": (State.NEW, State.ACKNOWLEDGED, State.REGRESSED),
    "ignore": (State.NEW, State.ACKNOWLEDGED, State.REGRESSED),
    "reopen": (State.RESOLVED, State.IGNORED),
    "assign": tuple(State),
}
"""In which states a group may be; whoever asks is told of the others why not."""
MOST = 5_000
TIMES = ("resolved_at", "ignored_at")
KEPT = ("state", *TIMES, "resolved_in", "until", "clean_after_id", "clean_by", "assignee_id")
"""What a verb may change of a group, and an undo puts back."""


def act(
    batch_id: str,
    verb: str,
    wanted: Mapping[str, Any],
    *,
    key: str,
    count: int | None = None,
    actor: str = "",
    reason: str = "",
    choose: Callable[[Batch], dict[int, str]] | None = None,
    **said: Any,
) -> BulkAct:
    """Do it wherever it is legal, once under one key; refused if the filter meets another number than `count`.

    `choose` answers the groups where the filter alone does not mean them; `retry` resolves them once that is clean.
    """
    if verb not in LEGAL:
        raise InvalidInput(f"There is no verb {verb!r}; there are {', '.join(LEGAL)}.")
    operations.get_batch(batch_id)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if known := batch.bulk_acts.filter(key=key).first():  # type: ignore[attr-defined]
            return known  # type: ignore[no-any-return]
        names = choose(batch) if choose else chosen(batch, wanted)
        if count not in (None, len(names)):
            raise ScopeChanged(count or 0, len(names))
        before = kept(names)
        refused = groups.in_bulk(partial(verb_of(verb, said), actor=actor, reason=reason, **said), names)
        after = kept(names)
        titles = dict(ErrorGroup.objects.filter(pk__in=names).values_list("pk", "title"))
        rows: list[dict[str, Any]] = [{"group": pk, "fingerprint": names[pk], "title": titles[pk]} for pk in names]
        number = (batch.bulk_acts.aggregate(last=Max("number"))["last"] or 0) + 1  # type: ignore[attr-defined]
        return BulkAct.objects.create(
            batch=batch,
            number=number,
            verb=verb,
            filter=ErrorFilter.from_query(wanted).as_dict(),
            key=key[:100],
            changed=[
                one | {"before": before[one["group"]], "after": after[one["group"]]}
                for one in rows
                if one["group"] not in refused
            ],
            refused=[one | {"why": refused[one["group"]]} for one in rows if one["group"] in refused],
            actor=actor[:150],
            reason=reason,
        )


def verb_of(verb: str, said: Mapping[str, Any]) -> Callable[..., None]:
    does: Callable[..., None] = groups.resolve_when_clean if "retry" in said else getattr(groups, verb)
    return does


def chosen(batch: Batch, wanted: Mapping[str, Any]) -> dict[int, str]:
    """Every group that the desk's filter meets, not a page of them: id -> fingerprint."""
    return named(ErrorFilter.from_query(wanted).groups(batch))


def named(rows: QuerySet[BatchGroup]) -> dict[int, str]:
    names = dict(rows.order_by("pk").values_list("group", "group__fingerprint")[: MOST + 1])
    if len(names) > MOST:
        raise InvalidInput(f"More than {MOST:,} groups match: filter them first.")
    return names


def kept(ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """How groups stand, as JSON."""
    rows = ErrorGroup.objects.filter(pk__in=list(ids)).values("pk", *KEPT)
    return {row.pop("pk"): told(row) for row in list(rows)}


def told(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: row[name].isoformat() if row[name] else None for name in TIMES}


def get(batch_id: str, number: int) -> BulkAct:
    found = BulkAct.objects.filter(batch=batch_id, number=number).first() if 0 < number < 2**31 else None
    if found is None:
        raise UnknownBatch(f"Batch {batch_id} has no act {number} upon groups.")
    return found


def undo(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> BulkAct:
    """Put back exactly those groups that are still as it left them; the others are named with what they are now."""
    get(batch_id, number)
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=batch_id)
        found = BulkAct.objects.select_for_update().get(batch=batch_id, number=number)
        if found.undone:
            raise InvalidTransition(batch_id, f"undo act {number} of", "undone already")
        left = [why for one in by_fingerprint(found.changed) if (why := put_back(one, found, actor, reason))]
        found.undone = {"by": actor, "at": timezone.now().isoformat(), "left": left}
        found.save(update_fields=["undone"])
    return found


def by_fingerprint(changed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order in which lanes lock groups."""
    return sorted(changed, key=lambda one: str(one["fingerprint"]))


def put_back(one: Mapping[str, Any], found: BulkAct, actor: str, reason: str) -> dict[str, Any] | None:
    """Why it was not; None if it was."""
    row = ErrorGroup.objects.select_for_update().filter(pk=one["group"]).values(*KEPT).first()
    name = {"fingerprint": one["fingerprint"], "title": one["title"]}
    if row is None or (now := told(row)) != one["after"]:
        state = row["state"] if row else "gone"
        return name | {"why": f"It was changed since: it is {state} now."}
    before = dict(one["before"])
    ErrorGroup.objects.filter(pk=one["group"]).update(**before)
    words = reason or f"Undo of “{found.verb}” by {found.actor or 'nobody'}."
    groups.remember(one["group"], "undo", now["state"], before["state"], actor, words)
    return None
