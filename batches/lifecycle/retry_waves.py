"""A bulk retry under way: which of its items are put back when, what became of each, and when it stops.

Everything is in the database. Whoever settles the batch advances its retries, so that a killed worker costs nothing:
the next sweep looks at the same rows and goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Any

from django.db import connection, transaction
from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    Count,
    Exists,
    F,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Left
from django.utils import timezone

from batches import clock
from batches.exceptions import InvalidInput, OperationInProgress
from batches.lifecycle import scopes
from batches.models import AsideItem, Batch, Checkpoint, Item, RetriedItem, Retry

SECOND_WAVE = 100
AT_ONCE = 50_000
"""More items than these are written down by a worker: whoever asked has the answer at once."""
AT_A_TIME = 10_000
"""So many items are written down, or put back, in one transaction: the batch's row is held as long, and whoever pauses
batch or retry waits for it, and takes back no more than these."""
HOPE, MOST_NEW, LEAST_NEW = 0.2, 0.1, 2
FAILED = (Item.Status.FAILED, Item.Status.QUARANTINED)
DONE_WELL = (Item.Status.SUCCEEDED, Item.Status.SKIPPED)
R, Fate = Retry.State, RetriedItem.Fate

KINDS: list[Callable[[], Any]] = []
"""How items failed last: subqueries for a query of items. Where none finds anything, the error code is the kind."""
PERMANENT: list[Callable[[Batch], Q]] = []
"""Conditions on failed items that cannot pass unchanged."""


def kind_of_item() -> Any:
    """In a query of items: how each failed last."""
    told = [Cast(kind(), CharField()) for kind in reversed(KINDS)]
    return Left(Coalesce(*told, F("code")) if told else F("code"), 64)


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
    aside = AsideItem.objects.filter(item=OuterRef("pk"), back_at__isnull=True)
    reasons = [] if aside_too else [(Q(Exists(aside)), ASIDE)]
    if not permanent:
        reasons += [(hopeless(batch), UNCHANGED) for hopeless in PERMANENT]
    sums = items.aggregate(n=Count("pk"), highest=Max("pk"))
    return Meant(items, reasons, sums["highest"] or 0, sums["n"])


def meant_by(retry: Retry, condition: Q) -> Meant:
    return meant(retry.batch, condition, permanent=retry.permanent, aside_too=not NAMED.isdisjoint(retry.scope))


def put_off(retry: Retry, condition: Q) -> int:
    """Leave the writing to a worker if it is much: only how many and up to which item; 0 if it is not much."""
    found = meant_by(retry, condition)
    if found.failed <= AT_ONCE or not found.tried:
        return 0
    retry.state, retry.frozen_to, retry.items = R.PREPARING, found.highest, found.tried
    return retry.items


def freeze(retry: Retry, condition: Q) -> int:
    """Write down every item the retry means, before any is touched; returns how many will be tried."""
    found = meant_by(retry, condition)
    write_down(retry, found)
    retry.frozen_to, retry.items = found.highest, retry.retried.filter(fate=Fate.WAITING).count()
    return retry.items


def write_down(retry: Retry, found: Meant) -> None:
    """In the order of positions, and in one statement: none of the items comes into this process."""
    rows = found.items.filter(pk__lte=found.highest).order_by("position")
    left_out = [When(reason, then=Value(why)) for reason, why in found.reasons]
    rows = rows.annotate(why_not=Case(*left_out, default=Value(""), output_field=TextField()))
    rows = rows.annotate(
        kind=kind_of_item(),
        fate=Case(When(why_not="", then=Value(Fate.WAITING)), default=Value(Fate.SKIPPED), output_field=CharField()),
        of=Value(retry.pk, output_field=BigIntegerField()),
        nothing=Value("", output_field=CharField()),
        nothing_yet=Value("", output_field=CharField()),
    )
    said = rows.values_list(*FROZEN.values())
    sql, params = said.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO batches_retrieditem ({', '.join(FROZEN)}) {sql}", params)


FROZEN = {
    "item_id": "pk",
    "code_before": "code",
    "attempts_before": "attempts",
    "status_before": "status",
    "lane_before": "lane",
    "why": "why_not",
    "kind_before": "kind",
    "fate": "fate",
    "retry_id": "of",
    "code_after": "nothing",
    "kind_after": "nothing_yet",
}
"""Column of a retried item -> what it is taken from."""


# -- advancing ---------------------------------------------------------------------------------------------------------


def advance(batch_id: str) -> bool:
    """Judge what is finished and put back the next wave of every retry under way; True if items were put back."""
    if not Retry.objects.filter(batch=batch_id, state__in=Retry.UNDER_WAY).exists():
        return False
    prepare(batch_id)
    with transaction.atomic():
        released = [step(retry) for retry in locked(batch_id, Retry.RELEASING)]
        return any(released)


def prepare(batch_id: str) -> None:
    """Write down what retries mean that were too large for a request; who comes after one that was killed goes on.

    Their items are those that had failed when they were confirmed; those that came right since are none of them.
    """
    while write_piece(batch_id):
        pass


@transaction.atomic
def write_piece(batch_id: str) -> bool:
    """The next items in the order of positions; with the last ones the retry begins. False when there is none."""
    preparing = locked(batch_id, [R.PREPARING])
    if not preparing:
        return False
    retry = preparing[0]
    (name, wanted), *_ = retry.scope.items()
    try:
        condition = scopes.SCOPES[name](retry.batch, wanted)
    except InvalidInput as error:
        change(retry, R.CANCELLED, f"What it means cannot be found any more: {error}")
        return True
    rest = Item.objects.filter(batch=retry.batch, failed_at__isnull=False, position__gt=retry.written_to)
    end = None
    if name not in scopes.BY_STATUS:  # those read all payloads each time they are asked
        end = rest.order_by("position").values_list("position", flat=True)[AT_A_TIME - 1 : AT_A_TIME].first()
    condition &= Q(pk__lte=retry.frozen_to, position__gt=retry.written_to)
    write_down(retry, meant_by(retry, condition if end is None else condition & Q(position__lte=end)))
    if end is None:
        retry.items = retry.retried.filter(fate=Fate.WAITING).count()
        change(retry, R.CANARY if retry.canary else R.RUNNING)
    else:
        retry.written_to = end
    retry.save(update_fields=["items", "written_to"])
    return True


def locked(batch_id: str, states: Sequence[str]) -> list[Retry]:
    """The batch's retries in these states, with its row, if it is running."""
    batch = Batch.objects.select_for_update().get(pk=batch_id)
    if batch.status not in (Batch.Status.QUEUED, Batch.Status.RUNNING):
        return []
    return list(batch.retries.select_for_update().filter(state__in=states).order_by("number"))


def step(retry: Retry) -> bool:
    """One look at one retry. The caller holds its row and the batch's."""
    judge(retry)
    out = retry.retried.filter(fate=Fate.RELEASED).count()
    if out and not may_fill_up(retry, out):
        return False
    if why := trouble(retry) if not out else "":
        change(retry, R.HELD, f"{why}. The rest stays failed until someone resumes or cancels the retry.")
        return False
    if retry.state == R.CANARY and tried(retry):
        change(retry, R.RUNNING)
    while retry.retried.filter(fate=Fate.WAITING).exists():
        if release(retry, out):
            return True
    if not out:
        change(retry, R.DONE)
    return False


def may_fill_up(retry: Retry, out: int) -> bool:
    """Whether more may go while some are out: not before the first waves are judged, nor before there is room."""
    return out <= AT_A_TIME // 2 and (not retry.canary or tried(retry) - out >= retry.canary + SECOND_WAVE)


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


def wave_of(retry: Retry, out: int) -> int:
    """How many items go next: the canary, then a hundred, then as many as may be out."""
    if retry.state == R.CANARY:
        return retry.canary
    return SECOND_WAVE if retry.canary and tried(retry) <= retry.canary else max(1, AT_A_TIME - out)


def release(retry: Retry, out: int = 0) -> int:
    """Put the next wave back to pending, spaced out by the rate; what is not failed any more is skipped. `out` are
    under way already.

    The batch's row is held, so that nobody else puts failed items back between these statements.
    """
    due = next_due(retry, out)
    wave = next_wave(retry, wave_of(retry, out))
    failed = Item.objects.filter(batch=retry.batch_id, status__in=FAILED, failed_at__isnull=False)
    late = wave.filter(~Exists(failed.filter(pk=OuterRef("item_id"))))
    late.update(fate=Fate.SKIPPED, why="It was not failed any more.")
    items = failed.filter(pk__in=wave.values("item"))
    counted = list(items.order_by().values("lane", "status").annotate(n=Count("pk")).order_by("lane", "status"))
    if not counted:
        return 0
    AsideItem.objects.filter(item__in=wave.values("item"), back_at__isnull=True).update(back_at=timezone.now())
    moved = items.update(
        status=Item.Status.PENDING,
        available_at=due or clock.now_sql(),
        failed_at=None,
        lane=None,
        crashes=0,
        forgiven=F("attempts"),
    )
    if retry.rate:
        space_out(wave, retry.rate, due or clock.now())
    if wave.update(fate=Fate.RELEASED) != moved:
        raise OperationInProgress("Items of this batch are being changed at this moment; ask again shortly.")
    for row in counted:
        recount(retry.batch, row["lane"], row["status"], -row["n"])
    return moved


def next_wave(retry: Retry, most: int) -> QuerySet[RetriedItem]:
    """In the order of positions, which is that of the rows."""
    waiting = retry.retried.filter(fate=Fate.WAITING)
    last = list(waiting.order_by("pk").values_list("pk", flat=True)[most - 1 : most])
    return waiting.filter(pk__lte=last[0]) if last else waiting


SPACED = """
UPDATE batches_item SET available_at = {due} FROM (SELECT item_id AS item, row_number() OVER (ORDER BY id) - 1 AS n
  FROM batches_retrieditem WHERE id IN ({wave})) w WHERE batches_item.id = w.item
"""
DUE = {
    "postgresql": "%s::timestamptz + w.n / %s * interval '1 second'",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s, (w.n / %s) || ' seconds')",
}


def next_due(retry: Retry, out: int) -> datetime | None:
    """When the first of the next wave may run: at its rate after the last that is out; None when it need not wait."""
    due = retry.not_before
    if retry.rate and out:
        last = _open_items(retry).aggregate(last=Max("item__available_at"))["last"]
        due = due if last is None else last + timedelta(seconds=1 / retry.rate)
    return due if due is not None and due > clock.now() else None


def space_out(wave: QuerySet[RetriedItem], rate: float, first: datetime) -> None:
    """Each item becomes due when the rate allows it."""
    sql, params = wave.order_by().values("pk").query.sql_with_params()
    start = connection.ops.adapt_datetimefield_value(first)
    with connection.cursor() as cursor:
        cursor.execute(SPACED.format(due=DUE[connection.vendor], wave=sql), [start, float(rate), *params])


def recount(batch: Batch, lane: int | None, status: str, by: int) -> None:
    """The lane counts its outcomes anew after some were taken back, or returned."""
    column = status.lower()
    Checkpoint.objects.filter(batch=batch, lane=lane or 0).update(**{column: F(column) + by})


# -- what became of them -----------------------------------------------------------------------------------------------


def judge(retry: Retry) -> None:
    """Give every item that has its outcome its fate, for good."""
    released = retry.retried.filter(fate=Fate.RELEASED)
    released.filter(item__status__in=DONE_WELL).update(fate=Fate.RECOVERED)
    item = Item.objects.filter(pk=OuterRef("item_id")).annotate(kind=kind_of_item())
    kind = Subquery(item.values("kind")[:1], output_field=CharField())
    released.filter(item__status__in=FAILED).update(
        fate=Case(When(kind_before=kind, then=Value(Fate.SAME)), default=Value(Fate.DIFFERENT)),
        kind_after=Coalesce(kind, Value("")),
        code_after=Coalesce(Subquery(item.values("code")[:1]), Value("")),
    )


# -- a person's word ---------------------------------------------------------------------------------------------------


def take_back(retry: Retry) -> None:
    """Items put back and not begun are failed again, as they were; one in a worker's hands has its outcome first."""
    judge(retry)
    stood = list(_open_items(retry).order_by().values_list("lane_before", "status_before").distinct())
    now = timezone.now()
    for lane, status in stood:
        theirs = retry.retried.filter(fate=Fate.RELEASED, lane_before=lane, status_before=status).values("item")
        untouched = Item.objects.filter(pk__in=theirs, status=Item.Status.PENDING)
        moved = untouched.update(status=status, lane=lane, failed_at=now, available_at=None)
        recount(retry.batch, lane, status, moved)
    ours = retry.retried.filter(fate=Fate.RELEASED, item__status__in=FAILED, item__failed_at=now)
    ours.update(fate=Fate.WAITING)


def _open_items(retry: Retry) -> QuerySet[RetriedItem]:
    return retry.retried.filter(fate=Fate.RELEASED, item__status=Item.Status.PENDING)


def close(batch_id: str, reason: str) -> None:
    """The batch is given up, and its retries with it."""
    for retry in Retry.objects.filter(batch=batch_id, state__in=Retry.OPEN):
        change(retry, R.CANCELLED, reason)
