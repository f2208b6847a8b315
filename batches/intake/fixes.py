"""Fix and resubmit: a file of corrected rows is checked and kept for a day, then applied, whole or not at all.

While it is checked nobody sees it; what a dead process leaves of a check expires like an upload that nobody applied.
Applying is one transaction: under the batch's lock every row is looked at again, payloads are replaced, and a bulk
retry puts the items back. What was replaced, by what and by whom, is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from batches.exceptions import InvalidInput, OperationInProgress
from batches.intake.corrections import corrections, same
from batches.intake.item_keys import ITEM_KEY, ROWS_PER_PAGE
from batches.intake.readers import Reader
from batches.intake.source_reports import source_report
from batches.models import Batch, Checkpoint, Correction, Fix, Item
from batches.numbering import next_number
from batches.paged_deletes import delete_in_steps
from batches.paging import pages_of

KEPT = timedelta(hours=24)
MOST_REFUSALS = 100
PLACES_NAMED = 3
Verdict = Correction.Verdict


def key_of(fix: Fix) -> str:
    """The idempotency key of the fix's retry: files of the same content are one retry."""
    return f"fix:{fix.sha256}"


def applied(batch: Batch, sha256: str) -> Fix | None:
    """The fix of the same content that was applied before."""
    return batch.fixes.filter(sha256=sha256, state=Fix.State.APPLIED).first()


# -- check -------------------------------------------------------------------------------------------------------------


def check(batch: Batch, reader: Reader, *, filename: str, actor: str, as_written: bool = False) -> Fix:
    """What the file would change, row by row, stored until it is applied or a day old. Changes no item.

    Rows are judged outside of any transaction and stored page by page: SQLite has one writer, and others wait for it.
    """
    fix = drafted(batch, reader, filename, actor)
    store_numbered(fix)
    try:
        tally: Counter[str] = Counter()
        rewritten: list[str] = []
        for page in pages_of(corrections(batch, reader, as_written=as_written, rewritten=rewritten), ROWS_PER_PAGE):
            tally.update(row.verdict for row in page)
            store(fix, page, tally.total())
        finish(fix, tally)
        fix.notes = [*fix.notes, *note_on_forms(rewritten)]
    except BaseException:
        forget(fix)
        raise
    return fix


def preview(
    batch: Batch, reader: Reader, *, filename: str, actor: str, most: int, as_written: bool = False
) -> tuple[Fix, dict[str, list[Correction]]]:
    """What the file would change, with nothing stored: the counts, and at most `most` rows of each verdict."""
    fix = drafted(batch, reader, filename, actor)
    tally: Counter[str] = Counter()
    shown: dict[str, list[Correction]] = {verdict: [] for verdict in Verdict.values}
    rewritten: list[str] = []
    for row in corrections(batch, reader, as_written=as_written, rewritten=rewritten):
        tally[row.verdict] += 1
        if tally[row.verdict] <= most:
            shown[row.verdict].append(row)
    set_counts(fix, tally)
    fix.notes = [*fix.notes, *note_on_forms(rewritten)]
    fix.state, fix.created_at = Fix.State.CHECKED, timezone.now()
    return fix, shown


def note_on_forms(rewritten: list[str]) -> list[str]:
    """What is said of cells that a spreadsheet wrote in another form."""
    if not rewritten:
        return []
    more = ", …" if len(rewritten) > PLACES_NAMED else ""
    places = ", ".join(rewritten[:PLACES_NAMED])
    cells_say = "cell says" if len(rewritten) == 1 else "cells say"
    return [
        f"{len(rewritten):,} {cells_say} what is stored, in a form that spreadsheets give dates, numbers and truth "
        f"values. That is taken for no correction ({places}{more}). "
        "To store them so all the same, have the file taken as it is written (as_written)."
    ]


def drafted(batch: Batch, reader: Reader, filename: str, actor: str) -> Fix:
    report = source_report(reader)
    fix = Fix(
        batch=batch,
        filename=filename[:255].replace("\x00", ""),
        format=report.get("format", ""),
        sha256=reader.fingerprint(),
        actor=actor,
        expires_at=timezone.now() + KEPT,
    )
    fix.notes = report.get("notes", [])
    return fix


def store(fix: Fix, page: list[Correction], rows: int) -> None:
    with transaction.atomic():
        update_checking(fix, rows=rows)
        for row in page:
            row.fix = fix
        Correction.objects.bulk_create(page)


def finish(fix: Fix, tally: Counter[str]) -> None:
    """The check is done: from now on the fix is listed, and can be applied."""
    set_counts(fix, tally)
    fix.state = Fix.State.CHECKED
    names = ("state", "rows", "changed", "unchanged", "refused", "not_in_file")
    update_checking(fix, **{name: getattr(fix, name) for name in names})


def update_checking(fix: Fix, **values: Any) -> None:
    """Write to a fix that is being checked; it may have been taken away, with its batch or because it was too old."""
    if not Fix.objects.filter(pk=fix.pk, state=Fix.State.CHECKING).update(**values):
        raise OperationInProgress("The check of this file was given up meanwhile. Upload it again.")


def set_counts(fix: Fix, tally: Counter[str]) -> None:
    fix.changed, fix.unchanged = tally[Verdict.CHANGED], tally[Verdict.UNCHANGED]
    fix.refused, fix.rows = tally[Verdict.REFUSED], tally.total()
    fix.not_in_file = max(0, failed_now(fix.batch) - fix.changed - fix.unchanged)


def forget(fix: Fix) -> None:
    """Delete a fix with its rows, unless it is applied."""
    Fix.objects.filter(pk=fix.pk).exclude(state=Fix.State.APPLIED).delete()


def store_numbered(fix: Fix) -> None:
    """Store a fix under the next free number; of two uploads at once, the second takes the one after."""
    for _ in range(5):
        fix.number = next_number(fix.batch.fixes)
        try:
            with transaction.atomic():
                fix.save(force_insert=True)
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
    rows = fix.corrections.filter(verdict=Verdict.REFUSED)[:MOST_REFUSALS]
    refusals = [(f"row {row.row}", f"column {row.column!r}: {row.why}" if row.column else row.why) for row in rows]
    errors: dict[str, list[str]] = {}
    for place, why in refusals:
        errors.setdefault(place, []).append(why)
    place, why = refusals[0]
    more = fix.refused - 1
    others = f" {more:,} other {'row is' if more == 1 else 'rows are'} refused too." if more else ""
    return InvalidInput(f"{place}, {why}{others} Nothing was changed.", errors)


def judge_anew(fix: Fix) -> None:
    """Refuse the rows whose items changed since the check; the items of the others stay locked until the commit."""
    if connection.features.has_select_for_update:
        again = rows_to_run(fix, retry_unchanged=True).order_by().values("item")
        list(Item.objects.select_for_update().filter(pk__in=again).order_by("pk").values_list("pk", flat=True))
    for keys in pages_of(list(suspects(fix).values_list("pk", flat=True)), ROWS_PER_PAGE):
        page = fix.corrections.filter(pk__in=keys).select_related("item")
        late = [(row, why) for row in page if row.item and (why := too_late(row, row.item))]
        for row, why in late:
            fix.changed -= row.verdict == Verdict.CHANGED
            fix.unchanged -= row.verdict == Verdict.UNCHANGED
            fix.refused += 1
            row.verdict, row.column, row.why, row.before, row.after = Verdict.REFUSED, ITEM_KEY, why, None, None
        Correction.objects.bulk_update([row for row, _ in late], ["verdict", "column", "why", "before", "after"])
    fix.save(update_fields=["changed", "unchanged", "refused"])


def suspects(fix: Fix) -> QuerySet[Correction]:
    """Rows that need a closer look: an item that is not failed any more, or whose payload is written otherwise."""
    as_it_was = Q(was=Cast("item__payload", TextField()))
    rows = rows_to_run(fix, retry_unchanged=True).annotate(was=Cast("before", TextField()))
    return rows.filter(~Q(item__status__in=Item.FAILED_STATUSES) | Q(verdict=Verdict.CHANGED) & ~as_it_was)


def too_late(row: Correction, item: Item) -> str:
    """Why a row cannot be taken any more; empty if it can."""
    if item.status not in Item.FAILED_STATUSES:
        return f"item {row.key!r} is {Item.Status(item.status).label.lower()} by now, not failed. Take the row out."
    if row.verdict == Verdict.CHANGED and not same(row.before, item.payload):
        return f"item {row.key!r} was corrected by somebody else meanwhile. Download it again."
    return ""


def rows_to_run(fix: Fix, *, retry_unchanged: bool) -> QuerySet[Correction]:
    """The rows whose items run again."""
    verdicts = (Verdict.CHANGED, Verdict.UNCHANGED) if retry_unchanged else (Verdict.CHANGED,)
    return fix.corrections.filter(verdict__in=verdicts, item__isnull=False)


def replace_payloads(fix: Fix) -> int:
    """One statement, which changes failed items only; how many it changed."""
    changed = fix.corrections.filter(verdict=Verdict.CHANGED, item__isnull=False).order_by()
    failed = Item.objects.filter(batch=fix.batch_id, status__in=Item.FAILED_STATUSES, failed_at__isnull=False)
    after = Correction.objects.filter(item=OuterRef("pk"), fix=fix, after__isnull=False).order_by().values("after")[:1]
    return failed.filter(pk__in=changed.values("item")).update(payload=Subquery(after))


def forget_expired() -> int:
    """Uploads that nobody applied within a day."""
    expired = Fix.objects.filter(expires_at__lte=timezone.now())
    corrections_gone = delete_in_steps(Correction.objects.filter(fix__in=expired))
    return corrections_gone + expired.delete()[0]


# -- look --------------------------------------------------------------------------------------------------------------


def listed(batch: Batch) -> QuerySet[Fix]:
    """The batch's fixes, the latest first; not those that are still being checked."""
    return batch.fixes.exclude(state=Fix.State.CHECKING).select_related("retry").order_by("-number")


def corrections_of(item: Item) -> Iterator[Correction]:
    """How an item was corrected, the latest first."""
    rows = item.corrections.filter(verdict=Verdict.CHANGED, fix__state=Fix.State.APPLIED)
    yield from rows.select_related("fix", "fix__retry").order_by("-pk")


def counts_text(fix: Fix) -> str:
    """How many rows are changed, unchanged and refused, in words."""
    parts = [(fix.changed, "changed"), (fix.unchanged, "unchanged"), (fix.refused, "refused")]
    return ", ".join(f"{rows:,} {word}" for rows, word in parts if rows or word == "changed")
