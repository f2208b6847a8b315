"""Failures become records, groups and counters, whatever the failures are like."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.lifecycle.scopes import condition
from batches.models import Batch
from batches.processors import ItemError
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, Traceback
from tests.helpers.failures import batch_of, fail, failure, raised, report
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.django_db


def test_it_groups_failures_that_differ_only_in_their_item() -> None:
    batch = batch_of(4)
    report(batch, [failure(batch, n, ValueError(f"row {n} is bad")) for n in range(3)])
    fail(batch, 3, KeyError("email"))
    assert sorted(ErrorGroup.objects.values_list("title", flat=True)) == ["'email'", "row <n> is bad"]
    counts = BatchGroup.objects.order_by("-errors").values_list("errors", "items")
    assert list(counts) == [(3, 3), (1, 1)]


def test_it_records_what_is_needed_to_understand_one_failure() -> None:
    batch = batch_of(1)
    fail(batch, 0, raised(ConnectionResetError(104, "reset")), attempt=1, final=False)
    record = ErrorRecord.objects.get()
    assert (record.item_key, record.position, record.attempt, record.final) == ("k0", 0, 1, False)
    assert (record.error_type, record.code, record.category) == ("ConnectionResetError", "NETWORK_ERROR", "network")
    assert (record.classified_by, record.retryable, record.worker) == ("code", True, "host:1")
    assert "raise error" in record.traceback.text


def test_it_counts_attempts_and_items_apart() -> None:
    batch = batch_of(2)
    for attempt in (1, 2, 3):
        report(batch, [failure(batch, n, TimeoutError("slow"), attempt) for n in (0, 1)])
    fail(batch, 0, KeyError("x"), attempt=4)
    assert list(BatchGroup.objects.order_by("-errors").values_list("errors", "items")) == [(6, 2), (1, 1)]


def test_it_takes_no_more_statements_for_more_failures() -> None:
    batch = batch_of(41)

    def statements(failures: list[Any]) -> int:
        with CaptureQueriesContext(connection) as captured:
            report(batch, failures)
        return len(captured)

    fail(batch, 40, ValueError("row 1 is bad"))
    one = statements([failure(batch, 0, ValueError("row 1 is bad"))])
    many = statements([failure(batch, n, ValueError(f"row {n} is bad")) for n in range(1, 40)])
    assert one == many <= 8


def test_it_stores_a_stack_once_however_many_share_it() -> None:
    batch = batch_of(3)
    report(batch, [failure(batch, n, raised(ValueError(f"row {n}"))) for n in (0, 1)])
    fail(batch, 2, raised(ValueError("other")))
    assert Traceback.objects.count() == 1
    assert ErrorRecord.objects.filter(traceback__isnull=False).count() == 3


def test_it_takes_the_processors_word() -> None:
    batch = batch_of(3)
    named = [ItemError(f"shop {n} is shut", code="SHOP", fingerprint="shop", field="shop") for n in (1, 2)]
    report(batch, [failure(batch, n, error, code="SHOP") for n, error in enumerate(named)])
    fail(batch, 2, ItemError("more", code="SHOP", fingerprint="shop: {{ default }}"), code="SHOP")
    assert ErrorGroup.objects.count() == 2
    assert ErrorRecord.objects.earliest("pk").fields == ["shop"]
    assert not Traceback.objects.exists()


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def its_own_cause() -> Exception:
    error = raised(ValueError("round"))
    error.__cause__ = error
    return error  # type: ignore[return-value]


def nested(depth: int) -> BaseException:
    return raised(ExceptionGroup("many", [ValueError("leaf") if depth == 0 else nested(depth - 1)]))  # type: ignore[list-item]


def bottomless(depth: int = 0) -> None:
    bottomless(depth + 1)


def recursion() -> BaseException:
    try:
        bottomless()
    except RecursionError as error:
        return error
    raise AssertionError


Nameless = type("Näme" * 100, (Exception,), {})

HOSTILE = {
    "unprintable": Unprintable(),
    "huge": ValueError("x" * 10_000_000),
    "nul": ValueError("a\x00b\x00"),
    "surrogate": ValueError("half \ud800 pair"),
    "own cause": its_own_cause(),
    "groups": nested(20),
    "recursion": recursion(),
    "long name": raised(Nameless("x")),
    "no words": raised(ValueError()),
    "bytes": ValueError(b"\xff"),
    "private use": ValueError("\ue000\uf8ff 1"),
    "control": ValueError("\x1b[31m\x07\x08\r\n\t\u202e"),
    "exit": SystemExit(3),
    "odd attributes": ItemError(7, code=9, fingerprint=8, field="\x00\ud800"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("error", HOSTILE.values(), ids=HOSTILE)
def test_it_never_fails_a_chunk_for_weird_text(error: BaseException) -> None:
    batch = batch_of(1, payload={"\x1b\ue000": "\ud800".encode("utf-8", "replace").decode(), "deep": [[[[1]]]]})
    fail(batch, 0, error)
    record = ErrorRecord.objects.get()
    assert len(record.message) <= 8 * 1024 + 1
    assert record.group.title


def test_it_stores_no_secret() -> None:
    batch = batch_of(1, payload={"password": "hunter22", "name": "Ann"})
    fail(batch, 0, raised(ValueError("login of Ann with hunter22 refused")))
    record = ErrorRecord.objects.get()
    assert record.message == "login of Ann with [redacted] refused"
    assert "hunter22" not in record.group.title + record.group.key + record.traceback.text


def test_it_tells_groups_of_messageless_errors_by_their_place() -> None:
    batch = batch_of(2)
    fail(batch, 0, raised(AssertionError()))
    try:
        raise AssertionError
    except AssertionError as error:
        fail(batch, 1, error)
    assert sorted(ErrorGroup.objects.values_list("key", flat=True)) == [
        "tests.errors.test_recording.test_it_tells_groups_of_messageless_errors_by_their_place",
        "tests.helpers.failures.raised",
    ]


def test_it_puts_templates_beyond_the_cap_into_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.grouping.group_counters.MAX_TEMPLATES", 3)
    batch = batch_of(9)
    words = ("ant", "bee", "cat", "dog", "elk", "fox")
    report(batch, [failure(batch, n, ValueError(word)) for n, word in enumerate(words)])
    fail(batch, 6, ValueError("gnu"))
    fail(batch, 7, ValueError("ant"))
    fail(batch, 8, KeyError("ox"))
    titles = dict(BatchGroup.objects.values_list("group__title", "errors"))
    assert titles == {"ant": 2, "bee": 1, "cat": 1, "ValueError: other messages": 4, "'ox'": 1}
    assert ErrorGroup.objects.get(title__contains="other").code == "VALIDATION_FAILED"


def test_it_leaves_nothing_when_the_chunk_is_rolled_back() -> None:
    from django.db import transaction

    batch = batch_of(1)
    with transaction.atomic():
        fail(batch, 0, raised(ValueError("x")))
        transaction.set_rollback(True)
    assert not ErrorRecord.objects.exists()
    assert not BatchGroup.objects.exists()


def test_a_resolved_group_regresses_by_a_later_attempt_only() -> None:
    batch = batch_of(2)
    fail(batch, 0, ValueError("x"))
    ErrorGroup.objects.update(state="resolved", resolved_at=timezone.now())
    fail(batch, 1, ValueError("x"), started_at=timezone.now() - timedelta(minutes=1))
    assert ErrorGroup.objects.get().state == "resolved"
    fail(batch, 1, ValueError("x"), attempt=2, started_at=timezone.now() + timedelta(seconds=1))
    group = ErrorGroup.objects.get()
    assert (group.state, group.changes.last().verb) == ("regressed", "regress")


def test_a_group_belongs_to_its_processor_and_counts_by_batch() -> None:
    one, two = batch_of(1, "b1"), batch_of(1, "b2")
    other = batch_of(1, "b3")
    Batch.objects.filter(pk="b3").update(processor="other")
    other.refresh_from_db()
    for batch in (one, two, other):
        fail(batch, 0, ValueError("x"))
    assert ErrorGroup.objects.count() == 2
    assert BatchGroup.objects.count() == 3


def test_the_group_scope_names_items_that_failed_last_with_it() -> None:
    batch = batch_of(3)
    for position, errors in enumerate([("a", "a"), ("a", "b"), ("b", "b")]):
        for attempt, word in enumerate(errors, start=1):
            fail(batch, position, ValueError(word), attempt)
    batch.items.update(status="FAILED", failed_at=timezone.now(), attempts=2)
    fingerprint = ErrorGroup.objects.get(title="b").fingerprint
    chosen = batch.items.filter(condition(batch, "group", fingerprint))
    assert sorted(chosen.values_list("position", flat=True)) == [1, 2]


LANE = """
import sys
from dataclasses import replace
from batches.models import Batch
from tests.helpers.failures import failure, report
batch, lane, words = Batch.objects.get(pk="b1"), int(sys.argv[1]), sys.argv[2].split(",")
chunk = [failure(batch, lane * 50 + n, ValueError(word)) for n, word in enumerate(words)]
for attempt in range(1, 31):
    report(batch, [replace(one, attempt=attempt) for one in chunk])
"""


@pytest.mark.full
def test_lanes_with_the_same_errors_do_not_block_each_other(in_process: Callable[..., subprocess.Popen[str]]) -> None:
    batch = batch_of(200)
    words = [chr(97 + n // 10) + chr(97 + n % 10) for n in range(50)]
    lanes = [in_process(LANE, str(n), ",".join(words[::step])) for n, step in enumerate((1, -1, 1, -1))]
    for lane in lanes:
        assert lane.wait(timeout=PATIENCE) == 0, lane.communicate()[1]
    assert sorted(BatchGroup.objects.filter(batch=batch).values_list("errors", "items")) == [(120, 4)] * 50


def test_an_attempt_is_recorded_once_whoever_reports_it_again() -> None:
    batch = batch_of(2)
    fail(batch, 0, ValueError("x"))
    with pytest.raises(IntegrityError):
        report(batch, [failure(batch, 1, ValueError("x")), failure(batch, 0, ValueError("x"))])
    assert list(BatchGroup.objects.values_list("errors", "items")) == [(1, 1)]
    assert ErrorRecord.objects.count() == 1
