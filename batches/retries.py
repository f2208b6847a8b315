"""A bulk retry under way: which of its items are put back when, what became of each, and when it stops.

Everything is in the database. Whoever settles the batch advances its retries, so that a killed worker costs nothing:
the next sweep looks at the same rows and goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from math import sqrt
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from batches import clock
from batches.models import AsideItem, Batch, Checkpoint, Item, RetriedItem, Retry

SECOND_WAVE = 100
AT_ONCE = 2_000
HOPE, MOST_NEW, LEAST_NEW = 0.2, 0.1, 2
FAILED = (Item.Status.FAILED, Item.Status.QUARANTINED)
DONE_WELL = (Item.Status.SUCCEEDED, Item.Status.SKIPPED)
R, Fate = Retry.State, RetriedItem.Fate

KINDS: list[Callable[[Batch, Sequence[int]], Mapping[int, str]]] = []
"""How items failed last: (batch, item ids) -> item id -> kind. Without one the error code is the kind."""
PERMANENT: list[Callable[[Batch], Q]] = []
"""Conditions on failed items that cannot pass unchanged."""


def kinds_of(batch: Batch, items: Sequence[int]) -> dict[int, str]:
    kinds = dict(Item.objects.filter(pk__in=items).values_list("pk", "code"))
    for told in KINDS:
        kinds |= told(batch, items)
    return kinds


NAMED = frozenset({"item_keys", "fix"})
"""Scopes that name each of their items: also one that is set aside is meant."""
ASIDE = "It is set aside: bring it back first."
UNCHANGED = "It cannot pass unchanged: correct it, or ask for permanent failures too."


@dataclass(frozen=True, slots=True)
class Meant:
    """What a retry would mean: failed items, which of them are left out and why, and the highest id.

    Of several reasons to leave an item out the first one counts.
    """

    items: QuerySet[Item]
    reasons: Sequence[tuple[Q, str]]
    highest: int
    failed: int

    @property
    def counts(self) -> dict[str, int]:
        """How many are left out, by reason."""
        first = ((condition, why, self.reasons[:n]) for n, (condition, why) in enumerate(self.reasons))
        counts = Counter[str]()
        for condition, why, earlier in first:
            rows = self.items.filter(condition)
            for other, _ in earlier:
                rows = rows.exclude(other)
            counts[why] += rows.count()
        return counts

    @property
    def tried(self) -> int:
        return self.failed - sum(self.counts.values())

    def why(self, items: QuerySet[Item]) -> dict[int, str]:
        """Of these items, id -> why it is left out."""
        said: dict[int, str] = {}
        for condition, why in reversed(self.reasons):
            said |= dict.fromkeys(items.filter(condition).order_by().values_list("pk", flat=True), why)
        return said


def meant(batch: Batch, condition: Q, *, permanent: bool, aside_too: bool = False) -> Meant:
    """Every failed item of the scope; without `permanent`, what cannot pass unchanged is left out."""
    items = Item.objects.filter(condition, batch=batch, failed_at__isnull=False, status__in=FAILED)
    aside = AsideItem.objects.filter(aside__batch=batch, back_at__isnull=True)
    reasons = [] if aside_too else [(Q(pk__in=aside.values("item")), ASIDE)]
    if not permanent:
        reasons += [(hopeless(batch), UNCHANGED) for hopeless in PERMANENT]
    sums = items.aggregate(n=Count("pk"), highest=Max("pk"))
    return Meant(items, reasons, sums["highest"] or 0, sums["n"])


def freeze(retry: Retry, condition: Q) -> int:
    """Write down every item the retry means, before any is touched; returns how many will be tried.

    In the order of their positions, and never more of them in memory than a page.
    """
    found = meant(retry.batch, condition, permanent=retry.permanent, aside_too=not NAMED.isdisjoint(retry.scope))
    columns = found.items.order_by("position").values_list("pk", "code", "attempts", "status", "lane")
    rows = columns.iterator(chunk_size=AT_ONCE)
    retry.frozen_to, retry.items = found.highest, 0
    while page := list(islice(rows, AT_ONCE)):
        ids = [row[0] for row in page]
        kinds, why = kinds_of(retry.batch, ids), found.why(Item.objects.filter(pk__in=ids))
        RetriedItem.objects.bulk_create(_frozen(retry, row, kinds, why.get(row[0], "")) for row in page)
        retry.items += len(page) - len(why)
    return retry.items


def _frozen(retry: Retry, row: Sequence[Any], kinds: Mapping[int, str], why: str) -> RetriedItem:
    pk, code, attempts, status, lane = row
    return RetriedItem(
        retry=retry,
        item_id=pk,
        code_before=code,
        kind_before=kinds.get(pk, "")[:64],
        attempts_before=attempts,
        status_before=status,
        lane_before=lane,
        fate=Fate.SKIPPED if why else Fate.WAITING,
        why=why,
    )


# -- advancing ---------------------------------------------------------------------------------------------------------


def advance(batch_id: str) -> bool:
    """Judge what is finished and put back the next wave of every retry under way; True if items were put back."""
    if not Retry.objects.filter(batch=batch_id, state__in=Retry.UNDER_WAY).exists():
        return False
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.status not in (Batch.Status.QUEUED, Batch.Status.RUNNING):
            return False
        under_way = batch.retries.select_for_update().filter(state__in=Retry.UNDER_WAY)
        released = [step(retry) for retry in under_way]
        return any(released)


def step(retry: Retry) -> bool:
    """One look at one retry. The caller holds its row and the batch's."""
    judge(retry)
    if retry.retried.filter(fate=Fate.RELEASED).exists():
        return False
    if why := trouble(retry):
        change(retry, R.HELD, f"{why}. The rest stays failed until someone resumes or cancels the retry.")
        return False
    if retry.state == R.CANARY and tried(retry):
        change(retry, R.RUNNING)
    while retry.retried.filter(fate=Fate.WAITING).exists():
        if release(retry):
            return True
    change(retry, R.DONE)
    return False


def trouble(retry: Retry) -> str:
    """Why the rest must not go as well: too little of the canary recovered, or the first waves failed in a new way.

    Nobody asks once a person has overruled it, which sets `needed` to 0.
    """
    done, rest = tried(retry), retry.retried.filter(fate=Fate.WAITING)
    if not retry.needed or not 0 < done <= retry.canary + SECOND_WAVE or not rest.exists():
        return ""
    verdict = recovered(retry)
    if retry.state == R.CANARY and verdict < min(retry.needed, done):
        return f"{verdict:,} of the {done:,} items of the canary recovered; {retry.needed:,} were asked for"
    rows = retry.retried.order_by()
    known = rows.values("kind_before")
    new = rows.filter(fate=Fate.DIFFERENT).exclude(kind_after__in=known)
    worst = new.values("kind_after").annotate(n=Count("pk")).order_by("-n").first()
    if worst is None or worst["n"] < LEAST_NEW or worst["n"] <= MOST_NEW * done:
        return ""
    return f"{worst['n']:,} of the first {done:,} items failed in a way that none of them had before"


def overrule(retry: Retry) -> None:
    """A person has seen why it is held, and wants the rest to go all the same."""
    retry.needed = 0
    retry.save(update_fields=["needed"])


def least_needed(canary: int) -> int:
    """So many of a canary must recover that all of the items may do so at a rate of 20 %, by Wilson's interval."""
    return max(1, next(k for k in range(canary + 1) if at_most(k, canary) >= HOPE)) if canary else 0


def at_most(worked: int, of: int, z: float = 1.96) -> float:
    """The upper end of Wilson's 95 % interval."""
    share, square = worked / of, z * z
    middle = share + square / (2 * of)
    return (middle + z * sqrt(share * (1 - share) / of + square / (4 * of * of))) / (1 + square / of)


def tried(retry: Retry) -> int:
    return retry.retried.exclude(fate__in=(Fate.WAITING, Fate.SKIPPED)).count()


def recovered(retry: Retry) -> int:
    return retry.retried.filter(fate=Fate.RECOVERED).count()


def change(retry: Retry, state: str, note: str = "") -> None:
    retry.state, retry.note = state, note
    retry.finished_at = timezone.now() if state in (R.DONE, R.CANCELLED) else None
    retry.save(update_fields=["state", "note", "finished_at"])
    if retry.finished_at is not None:
        give_back_lanes(retry)


def give_back_lanes(retry: Retry) -> None:
    """A limit of its own ends with the retry, unless somebody has changed it since."""
    if limit := retry.changes.get("concurrency"):
        lanes = Batch.objects.filter(pk=retry.batch_id, concurrency=limit["after"])
        lanes.update(concurrency=limit["before"])


def wave_of(retry: Retry) -> int | None:
    """How many items go next: the canary, then a hundred, then all (None)."""
    if retry.state == R.CANARY:
        return retry.canary
    return SECOND_WAVE if retry.canary and tried(retry) <= retry.canary else None


def release(retry: Retry) -> int:
    """Put the next wave back to pending, spaced out by the rate; what is not failed any more is skipped."""
    seen = count = 0
    for page in pages(retry.retried.filter(fate=Fate.WAITING), wave_of(retry)):
        count += _release(retry, page, offset=seen)
        seen += len(page)
    return count


def pages(rows: QuerySet[RetriedItem], most: int | None = None) -> Iterator[list[tuple[int, int]]]:
    """(row, item) of a retry in the order of positions, which is that of its rows; a page at a time."""
    last, left = 0, most
    while left is None or left > 0:
        size = AT_ONCE if left is None else min(AT_ONCE, left)
        page = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", "item_id")[:size])
        if not page:
            return
        last, left = page[-1][0], None if left is None else left - len(page)
        yield page


def _release(retry: Retry, wave: Sequence[tuple[int, int]], offset: int) -> int:
    failed = Item.objects.select_for_update().filter(
        pk__in=[item for _, item in wave], batch=retry.batch, status__in=FAILED, failed_at__isnull=False
    )
    ready = {pk for (pk,) in failed.order_by("pk").values_list("pk")}
    items = Item.objects.filter(pk__in=ready)
    late = retry.retried.filter(pk__in=[row for row, item in wave if item not in ready])
    late.update(fate=Fate.SKIPPED, why="It was not failed any more.")
    retry.retried.filter(pk__in=[row for row, item in wave if item in ready]).update(fate=Fate.RELEASED)
    AsideItem.objects.filter(item__in=ready, back_at__isnull=True).update(back_at=timezone.now())
    counted = list(items.values("lane", "status").annotate(n=Count("pk")).order_by("lane", "status"))
    items.update(
        status=Item.Status.PENDING,
        available_at=clock.now_sql(),
        failed_at=None,
        lane=None,
        crashes=0,
        forgiven=F("attempts"),
    )
    if retry.rate:
        space_out([item for _, item in wave if item in ready], retry.rate, offset)
    for row in counted:
        recount(retry.batch, row["lane"], row["status"], -row["n"])
    return len(ready)


def space_out(items: Sequence[int], rate: float, offset: int) -> None:
    """Each item becomes due when the rate allows it."""
    now = clock.now()
    rows = [Item(pk=pk, available_at=now + timedelta(seconds=(offset + n) / rate)) for n, pk in enumerate(items)]
    Item.objects.bulk_update(rows, ["available_at"], batch_size=500)


def recount(batch: Batch, lane: int | None, status: str, by: int) -> None:
    """The lane counts its outcomes anew after some were taken back, or returned."""
    column = status.lower()
    Checkpoint.objects.filter(batch=batch, lane=lane or 0).update(**{column: F(column) + by})


# -- what became of them -----------------------------------------------------------------------------------------------


def judge(retry: Retry) -> None:
    """Give every item that has its outcome its fate, for good."""
    released = retry.retried.filter(fate=Fate.RELEASED)
    released.filter(item__status__in=DONE_WELL).update(fate=Fate.RECOVERED)
    for page in pages(released.filter(item__status__in=FAILED)):
        kinds = kinds_of(retry.batch, [item for _, item in page])
        rows = RetriedItem.objects.filter(pk__in=[row for row, _ in page])
        judged = [
            _failed_again(pk, before, kinds.get(item, "")[:64], code)
            for pk, item, before, code in rows.values_list("pk", "item_id", "kind_before", "item__code")
        ]
        RetriedItem.objects.bulk_update(judged, ["fate", "kind_after", "code_after"], batch_size=500)


def _failed_again(pk: int, before: str, after: str, code: str) -> RetriedItem:
    return RetriedItem(pk=pk, fate=Fate.SAME if after == before else Fate.DIFFERENT, kind_after=after, code_after=code)


# -- a person's word ---------------------------------------------------------------------------------------------------


def take_back(retry: Retry) -> None:
    """Items put back and not begun are failed again, as they were; one in a worker's hands has its outcome first."""
    judge(retry)
    released = _open_items(retry)
    groups = list(released.values("lane_before", "status_before").order_by().annotate(n=Count("pk")))
    for group in groups:
        lane, status = group["lane_before"], group["status_before"]
        rows = released.filter(lane_before=lane, status_before=status)
        for page in pages(rows):
            _take_back(retry, page, lane, status)


def _take_back(retry: Retry, pairs: Sequence[tuple[int, int]], lane: int | None, status: str) -> None:
    items = [item for _, item in pairs]
    back = list(
        Item.objects.select_for_update().filter(pk__in=items, status=Item.Status.PENDING).values_list("pk", flat=True)
    )
    moved = Item.objects.filter(pk__in=back).update(
        status=status, lane=lane, failed_at=timezone.now(), available_at=None
    )
    retry.retried.filter(item__in=back, fate=Fate.RELEASED).update(fate=Fate.WAITING)
    recount(retry.batch, lane, status, moved)


def _open_items(retry: Retry) -> QuerySet[RetriedItem]:
    return retry.retried.filter(fate=Fate.RELEASED, item__status=Item.Status.PENDING)


def close(batch_id: str, reason: str) -> None:
    """The batch is given up, and its retries with it."""
    for retry in Retry.objects.filter(batch=batch_id, state__in=Retry.OPEN):
        change(retry, R.CANCELLED, reason)
