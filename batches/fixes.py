"""Fix and resubmit: a file of corrected rows is checked and kept for a day, then applied, whole or not at all.

Applying is one transaction: under the batch's lock every row is looked at again, payloads are replaced, and a bulk
retry puts the items back. What was replaced, by what and by whom, is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Max, OuterRef, QuerySet, Subquery, Sum
from django.utils import timezone

from batches.corrections import FAILED, ITEM_KEY, changes_of, corrections, pages, same
from batches.exceptions import InvalidInput, OperationInProgress
from batches.models import Batch, Checkpoint, Correction, Fix, Item
from batches.readers import Reader

KEPT = timedelta(hours=24)
MOST_TOLD = 100
Verdict = Correction.Verdict


def key_of(fix: Fix) -> str:
    """The same content is the same retry."""
    return f"fix:{fix.sha256}"


def applied(batch: Batch, sha256: str) -> Fix | None:
    """The fix of the same content that was applied before."""
    return batch.fixes.filter(sha256=sha256, state=Fix.State.APPLIED).first()


# -- check -------------------------------------------------------------------------------------------------------------


def check(batch: Batch, reader: Reader, *, filename: str, actor: str) -> Fix:
    """What the file would change, row by row, stored until it is applied or a day old. Changes no item."""
    report = reader.report()
    made = Fix(
        batch=batch,
        filename=filename[:255].replace("\x00", ""),
        format=report.get("format", ""),
        sha256=reader.fingerprint(),
        actor=actor,
        expires_at=timezone.now() + KEPT,
    )
    with transaction.atomic():
        number(made)
        tally: Counter[str] = Counter()
        for page in pages(corrections(batch, reader)):
            for row in page:
                row.fix = made
            Correction.objects.bulk_create(page)
            tally.update(row.verdict for row in page)
        made.changed, made.unchanged = tally[Verdict.CHANGED], tally[Verdict.UNCHANGED]
        made.refused, made.rows = tally[Verdict.REFUSED], tally.total()
        made.not_in_file = max(0, failed_now(batch) - made.changed - made.unchanged)
        made.save()
    return made


def number(made: Fix) -> None:
    """The next free number; of two uploads at once, the second takes the one after."""
    for _ in range(5):
        made.number = (made.batch.fixes.aggregate(last=Max("number"))["last"] or 0) + 1
        try:
            with transaction.atomic():
                made.save(force_insert=True)
                return
        except IntegrityError:
            continue
    raise OperationInProgress("Other files are being checked for this batch; ask again shortly.")


def failed_now(batch: Batch) -> int:
    lanes = Checkpoint.objects.filter(batch=batch)
    return int(lanes.aggregate(n=Sum(F("failed") + F("quarantined"), default=0))["n"])


# -- apply -------------------------------------------------------------------------------------------------------------


def refuse_unfit(fix: Fix, *, leave_out: bool, retry_unchanged: bool) -> None:
    """A fix that is too old, has rows that were refused, or changes nothing."""
    if fix.expires_at is not None and fix.expires_at <= timezone.now():
        raise InvalidInput("This upload has expired: upload the file again.", {"file": ["Expired."]})
    if fix.refused and not leave_out:
        raise refused_rows(fix)
    if not fix.changed and not (retry_unchanged and fix.unchanged):
        why = "no row that can be taken is left" if fix.refused else "all rows say what is stored"
        raise InvalidInput(f"No row is corrected: {why}. Nothing was changed.", {"file": ["No row is corrected."]})


def refused_rows(fix: Fix) -> InvalidInput:
    rows = fix.corrections.filter(verdict=Verdict.REFUSED)[:MOST_TOLD]
    said = [(f"row {row.row}", f"column {row.column!r}: {row.why}" if row.column else row.why) for row in rows]
    errors: dict[str, list[str]] = {}
    for place, why in said:
        errors.setdefault(place, []).append(why)
    place, why = said[0]
    more = fix.refused - 1
    others = f" {more:,} other {'row is' if more == 1 else 'rows are'} refused too." if more else ""
    return InvalidInput(f"{place}, {why}{others} Nothing was changed.", errors)


def look_again(fix: Fix) -> None:
    """What happened between check and now refuses rows; the items of the others stay locked until the commit."""
    rows = meant(fix, retry_unchanged=True).order_by("item_id")
    for keys in pages(iter(list(rows.values_list("pk", flat=True)))):
        page = list(fix.corrections.filter(pk__in=keys))
        locked = Item.objects.select_for_update().filter(pk__in=[row.item_id for row in page]).order_by("pk")
        items = {item.pk: item for item in locked}
        late = [(row, why) for row in page if (why := too_late(row, items[row.item_id or 0]))]
        for row, why in late:
            fix.changed -= row.verdict == Verdict.CHANGED
            fix.unchanged -= row.verdict == Verdict.UNCHANGED
            fix.refused += 1
            row.verdict, row.column, row.why, row.before, row.after = Verdict.REFUSED, ITEM_KEY, why, None, None
        Correction.objects.bulk_update([row for row, _ in late], ["verdict", "column", "why", "before", "after"])
    fix.save(update_fields=["changed", "unchanged", "refused"])


def too_late(row: Correction, item: Item) -> str:
    """Why a row cannot be taken any more; empty if it can."""
    if item.status not in FAILED:
        return f"item {row.key!r} is {Item.Status(item.status).label.lower()} by now, not failed. Take the row out."
    if row.verdict == Verdict.CHANGED and not same(row.before, item.payload):
        return f"item {row.key!r} was corrected by somebody else meanwhile. Download it again."
    return ""


def meant(fix: Fix, *, retry_unchanged: bool) -> QuerySet[Correction]:
    """The rows whose items run again."""
    wanted = (Verdict.CHANGED, Verdict.UNCHANGED) if retry_unchanged else (Verdict.CHANGED,)
    return fix.corrections.filter(verdict__in=wanted, item__isnull=False)


def replace_payloads(fix: Fix) -> int:
    """One statement, which changes failed items only; how many it changed."""
    changed = fix.corrections.filter(verdict=Verdict.CHANGED, item__isnull=False).order_by()
    failed = Item.objects.filter(batch=fix.batch_id, status__in=FAILED, failed_at__isnull=False)
    after = Correction.objects.filter(item=OuterRef("pk"), fix=fix, after__isnull=False).order_by().values("after")[:1]
    return failed.filter(pk__in=changed.values("item")).update(payload=Subquery(after))


def forget_expired() -> int:
    """Uploads that nobody applied within a day."""
    return Fix.objects.filter(expires_at__lte=timezone.now()).delete()[0]


# -- look --------------------------------------------------------------------------------------------------------------


def corrections_of(item: Item) -> Iterator[Correction]:
    """How an item was corrected, the latest first."""
    rows = item.corrections.filter(verdict=Verdict.CHANGED, fix__state=Fix.State.APPLIED)
    yield from rows.select_related("fix", "fix__retry").order_by("-pk")


def told(item: Item) -> list[dict[str, Any]]:
    """The same for a page: who, when, by which file, and field by field what."""
    return [
        {
            "by": row.fix.actor,
            "at": row.fix.applied_at,
            "file": row.fix.filename,
            "number": row.fix.number,
            "changes": changes_of(row.before or {}, row.after or {}),
        }
        for row in corrections_of(item)
    ]


def said(fix: Fix) -> str:
    """The counts in words."""
    parts = [(fix.changed, "changed"), (fix.unchanged, "unchanged"), (fix.refused, "refused")]
    return ", ".join(f"{count:,} {word}" for count, word in parts if count or word == "changed")
