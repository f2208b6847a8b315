"""The error report: its counters, what stands out in them, and what to do about it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from batches.exceptions import InvalidInput
from errors import error_analyzer
from errors.models import ErrorRecord
from tests.helpers.failures import batch_of, fail, failure, report

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def test_it_records_errors_of_a_batch_that_does_not_exist_yet() -> None:
    error_analyzer.record_error(
        batch_id="batch_123", item_id="item_42", item_index=42, error=TimeoutError("slow"), error_code="TIMEOUT"
    )
    found = error_analyzer.aggregate_errors("batch_123", total_items=100)
    assert (found.total_errors, found.error_rate) == (1, 1.0)
    assert (found.errors_by_type, found.errors_by_code) == ({"TimeoutError": 1}, {"TIMEOUT": 1})
    assert any("timeout" in said.lower() for said in found.recommendations)
    assert json.loads(json.dumps(found.to_dict()))["batch_id"] == "batch_123"


def test_it_counts_each_call_as_an_attempt_and_a_given_attempt_once() -> None:
    for attempt in (None, None, 7, 7):
        error_analyzer.record_error("b", "i", 0, ValueError("x"), attempt=attempt)
    assert list(ErrorRecord.objects.values_list("attempt", flat=True)) == [1, 2, 7]


def test_it_knows_an_unknown_batch_has_no_errors() -> None:
    found = error_analyzer.aggregate_errors("nobody")
    assert (found.total_errors, found.error_rate, found.recommendations) == (0, 0.0, [])


@pytest.mark.parametrize("batch_id", ["", "a b", "x" * 65, "../x"])
def test_it_refuses_what_is_no_batch_id(batch_id: str) -> None:
    with pytest.raises(InvalidInput):
        error_analyzer.record_error(batch_id, "i", 0, ValueError("x"))
    with pytest.raises(InvalidInput):
        error_analyzer.aggregate_errors(batch_id)


def test_it_floors_the_rate() -> None:
    batch = batch_of(3)
    report(batch, [failure(batch, n, ValueError("x")) for n in (0, 1)])
    assert error_analyzer.aggregate_errors("b1").error_rate == 66.6


def test_it_names_every_kind_of_error_present() -> None:
    batch = batch_of(9)
    kinds = [TimeoutError(), ValueError("bad"), ConnectionError(), PermissionError(), TypeError(), RuntimeError("odd")]
    report(batch, [failure(batch, n, error) for n, error in enumerate([*kinds, KeyError("a"), MemoryError()])])
    said = " ".join(error_analyzer.aggregate_errors("b1").recommendations).lower()
    for word in ("error rate", "timeout", "validation", "network", "auth", "defect", "unknown", "resource"):
        assert word in said


def test_its_sentences_are_those_of_the_batchs_advice() -> None:
    batch = batch_of(9)
    report(batch, [failure(batch, n, TimeoutError()) for n in range(3)])
    made = error_analyzer.aggregate_errors("b1")
    (title,) = (advice["title"] for advice in made.advice if advice["rule"] == "timeout")
    assert any(sentence.startswith(f"Timeouts: {title}.") for sentence in made.recommendations)


@pytest.mark.parametrize(("total", "is_high"), [(5, True), (300, False)])
def test_whether_the_rate_is_high_depends_on_the_total_it_is_given(total: int, is_high: bool) -> None:
    for n in range(3):
        error_analyzer.record_error("b", f"i{n}", n, ValueError("x"))
    sentences = error_analyzer.aggregate_errors("b", total_items=total).recommendations
    assert any(sentence.startswith("High error rate") for sentence in sentences) is is_high


def test_it_lists_items_that_failed_twice_the_worst_first() -> None:
    batch = batch_of(4)
    for position, attempts in enumerate((1, 3, 5, 2)):
        for attempt in range(1, attempts + 1):
            fail(batch, position, ValueError("x" if attempt % 2 else "y"), attempt)
    report = error_analyzer.aggregate_errors("b1")
    assert report.problematic_items == ["k2", "k1", "k3"]
    details = report.problem_items
    assert [(row["item"], row["index"], row["errors"]) for row in details] == [("k2", 2, 5), ("k1", 1, 3), ("k3", 3, 2)]
    assert details[0]["different_errors"] == 2


def test_it_lists_problematic_items_of_an_ad_hoc_batch() -> None:
    error_analyzer.record_error("b", "item_42", 42, ValueError("x"))
    assert error_analyzer.aggregate_errors("b").problematic_items == []
    error_analyzer.record_error("b", "item_42", 42, ValueError("x"))
    error_analyzer.record_error("b", "item_7", 7, ValueError("x"))
    assert error_analyzer.aggregate_errors("b").to_dict()["problematic_items"] == ["item_42"]


def test_it_asks_no_more_of_the_database_for_more_errors() -> None:
    batch = batch_of(60)
    fail(batch, 0, ValueError("x"), attempt=3)
    error_analyzer.aggregate_errors("b1")  # advice is worked out once, and kept
    with CaptureQueriesContext(connection) as few:
        error_analyzer.aggregate_errors("b1")
    report(batch, [failure(batch, n, ValueError(f"x {n}"), attempt=3) for n in range(1, 60)])
    error_analyzer.aggregate_errors("b1")  # what they have in common is found once, and kept
    with CaptureQueriesContext(connection) as many:
        error_analyzer.aggregate_errors("b1")
    assert len(many) <= len(few) <= 17


def test_an_attempt_of_its_own_number_is_never_counted_twice() -> None:
    error_analyzer.record_error("b1", "i1", 0, ValueError("x"), attempt=3)
    error_analyzer.record_error("b1", "i1", 0, ValueError("x"))
    assert sorted(ErrorRecord.objects.values_list("attempt", flat=True)) == [3, 4]
    with pytest.raises(IntegrityError), transaction.atomic():
        record = ErrorRecord.objects.earliest("pk")
        record.pk = None
        record.save(force_insert=True)


def test_it_records_many_errors_at_once() -> None:
    error_analyzer.record_error("b", "item_1", 1, ValueError("x"), attempt=1)
    errors = [
        {"item_id": "item_1", "item_index": 1, "error": ValueError("x"), "attempt": 1},  # recorded already
        {"item_id": "item_1", "item_index": 1, "error": ValueError("x")},
        {"item_id": "item_1", "item_index": 1, "error": TimeoutError("slow"), "error_code": "TIMEOUT"},
        {"item_id": "item_2", "item_index": 2, "error": ValueError("y")},
    ]
    assert error_analyzer.record_errors("b", iter(errors)) == 3
    report = error_analyzer.aggregate_errors("b", total_items=10)
    assert (report.total_errors, report.errors_by_code["TIMEOUT"], report.problematic_items) == (4, 1, ["item_1"])
    assert list(ErrorRecord.objects.filter(item_key="item_1").values_list("attempt", flat=True)) == [1, 2, 3]
    assert error_analyzer.record_errors("b", []) == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"item_id": "a", "item_index": 0, "error": "text"}, r"errors\[1\]: error is 'text'; it must be an exception"),
        ({"item_id": "a", "error": ValueError()}, r"errors\[1\]: It is missing 1 required positional argument"),
        ("text", r"errors\[1\] is 'text'; it must be a dict"),
    ],
)
def test_it_records_none_of_many_errors_if_one_is_refused(wrong: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        error_analyzer.record_errors("b", [{"item_id": "a", "item_index": 0, "error": ValueError()}, wrong])
    assert not ErrorRecord.objects.exists()


def test_many_errors_cost_a_few_statements() -> None:
    errors = [{"item_id": f"item_{n}", "item_index": n, "error": ValueError(f"bad {n}")} for n in range(500)]
    with CaptureQueriesContext(connection) as queries:
        assert error_analyzer.record_errors("b", errors) == 500
    assert len(queries) <= 25
