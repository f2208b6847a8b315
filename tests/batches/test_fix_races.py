"""Fixes that meet: what changed since a check, checks that are not finished, two uploads at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from batches import operations
from batches.exceptions import InvalidInput, OperationInProgress, UnknownBatch
from batches.intake import fixes
from batches.models import Batch, Correction, Fix, Retry
from tests.helpers.batches import item
from tests.helpers.fixes import check, download, failed_table, finish, fix
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")


def test_what_changed_since_the_check_refuses_its_row() -> None:
    batch = failed_table()
    mine = check(batch, download(batch, {1: {"mode": "ok"}, 2: {"mode": "ok"}}))
    fix(batch, download(batch, {1: {"mode": "ok"}}))
    finish(batch)
    with pytest.raises(InvalidInput, match="item '2' is succeeded by now"):
        operations.apply_fix(batch.pk, mine.number, actor="bob")
    mine.refresh_from_db()
    assert (mine.changed, mine.refused, mine.state) == (1, 1, "CHECKED")
    assert item(batch, 2).payload["mode"] == "invalid"
    assert operations.apply_fix(batch.pk, mine.number, actor="bob", leave_out=True).retry.items == 1


def test_what_somebody_else_corrected_meanwhile_is_not_overwritten() -> None:
    batch = failed_table()
    mine = check(batch, download(batch, {1: {"note": "mine"}}))
    fix(batch, download(batch, {1: {"note": "theirs"}}))
    finish(batch)
    with pytest.raises(InvalidInput, match="corrected by somebody else meanwhile"):
        operations.apply_fix(batch.pk, mine.number)
    assert item(batch, 1).payload["note"] == "theirs"


def test_an_upload_that_nobody_applies_is_forgotten() -> None:
    batch = failed_table()
    old, kept = check(batch, download(batch, {1: {"mode": "ok"}})), fix(batch, download(batch, {2: {"mode": "ok"}}))
    Fix.objects.filter(pk=old.pk).update(expires_at="2020-01-01T00:00Z")
    finish(batch)
    with pytest.raises(InvalidInput, match="expired"):
        operations.apply_fix(batch.pk, old.number)
    assert fixes.forget_expired() > 0
    assert list(Fix.objects.all()) == [kept]


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[int], None]) -> None:
    """Rows are stored one by one, and before each of them something happens, which is told how many are stored."""
    judged = fixes.corrections

    def rows(batch: Batch, reader: Any, **options: Any) -> Iterator[Correction]:
        for stored, row in enumerate(judged(batch, reader, **options)):
            happens(stored)
            yield row

    monkeypatch.setattr(fixes, "corrections", rows)
    monkeypatch.setattr(fixes, "ROWS_PER_PAGE", 1)


def test_a_check_holds_no_transaction_and_nobody_sees_it_before_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, seen = failed_table(), []

    def look(stored: int) -> None:
        assert not connection.in_atomic_block
        seen.append((stored, Correction.objects.count(), Fix.objects.get().state, list(fixes.listed(batch))))
        for act in (operations.get_fix, operations.apply_fix):
            with pytest.raises(UnknownBatch):
                act(batch.pk, 1)

    meanwhile(monkeypatch, look)
    made = check(batch, download(batch, {1: {"mode": "ok"}}))
    assert seen == [(0, 0, "CHECKING", []), (1, 1, "CHECKING", [])]
    assert (made.state, made.rows, operations.get_fix(batch.pk, 1), list(fixes.listed(batch))) == (
        "CHECKED", 2, made, [made])  # fmt: skip


@pytest.mark.parametrize("how", ["it breaks", "it is taken away"])
def test_of_a_check_that_is_not_finished_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    batch = failed_table()

    def end(stored: int) -> None:
        if stored and how == "it breaks":
            raise RuntimeError(how)
        if stored:
            Fix.objects.all().delete()

    meanwhile(monkeypatch, end)
    with pytest.raises((RuntimeError, OperationInProgress), match=f"{how}|was given up meanwhile"):
        fix(batch, download(batch, {1: {"mode": "ok"}}))
    assert (Fix.objects.count(), Correction.objects.count(), item(batch, 1).payload["mode"]) == (0, 0, "invalid")


DIES = """
import io, os, sys
from batches import operations
from batches.intake import fixes
fixes.finish = lambda *_: os._exit(9)
operations.correct(sys.argv[1], file=io.BytesIO(sys.argv[2].encode()), filename="fix.csv")
"""


@pytest.mark.full_on("sqlite")
def test_what_a_dead_process_leaves_of_a_check_expires_unseen(in_process: Any) -> None:
    batch = failed_table()
    content = download(batch, {1: {"mode": "ok"}})
    assert in_process(DIES, batch.pk, content).wait(PATIENCE) == 9
    left = Fix.objects.get()
    assert (left.state, left.corrections.count(), list(fixes.listed(batch))) == ("CHECKING", 2, [])
    with pytest.raises(UnknownBatch):
        operations.apply_fix(batch.pk, left.number)
    assert fix(batch, content).number == left.number + 1
    Fix.objects.filter(pk=left.pk).update(expires_at="2020-01-01T00:00Z")
    assert fixes.forget_expired() == 3


RACE = """
import io, sys
from batches import operations
print("ready", flush=True)
sys.stdin.readline()
content = sys.argv[2].encode()
try:
    made = operations.correct(sys.argv[1], file=io.BytesIO(content), filename="fix.csv", actor=sys.argv[3])
    print("retry", made.retry.number, made.retry.actor)
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.full_on("sqlite")
@pytest.mark.parametrize("same", [pytest.param(True, marks=pytest.mark.full), False])
def test_of_two_uploads_at_once_one_is_applied(in_process: Any, same: bool) -> None:
    batch = failed_table()
    contents = [download(batch, {1: {"mode": "ok", "note": note}}) for note in ("mine", "mine" if same else "theirs")]
    both = [in_process(RACE, batch.pk, content, name) for content, name in zip(contents, ("ana", "bob"), strict=True)]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    said = sorted(one.communicate(timeout=PATIENCE)[0].strip() for one in both)
    assert Retry.objects.count() == Fix.objects.filter(state="APPLIED").count() == Fix.objects.count() == 1
    winner = Retry.objects.get().actor
    assert said == ([f"retry 1 {winner}"] * 2 if same else ["InvalidTransition", f"retry 1 {winner}"])
    finish(batch)
    assert item(batch, 1).payload["note"] == ("mine" if same or winner == "ana" else "theirs")
