"""Submitting: every row becomes an item, or nothing at all is written and the refusal says where and what to do."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from batches import operations
from batches.exceptions import BatchConflict, InputRefused, InvalidInput, UnknownProcessor
from batches.intake import ingest
from batches.models import Batch, Checkpoint, Item, Transition
from batches.operations.submission import Submission

pytestmark = pytest.mark.usefixtures("engine")


def submit(content: bytes | str, name: str = "rows.csv", **more: Any) -> Submission:
    raw = content.encode() if isinstance(content, str) else content
    return operations.submit(processor="test.do", file=io.BytesIO(raw), filename=name, **more)


def written() -> int:
    return sum(model.objects.count() for model in (Batch, Item, Checkpoint, Transition))


def test_it_makes_an_item_of_every_row_in_order() -> None:
    batch = submit('k,v\na,1\n"b\t\\N",2\nc,"x\n\\.\ny"\n', key_column="k").batch
    rows = list(Item.objects.filter(batch=batch).values_list("position", "key", "payload", "status"))
    assert rows == [
        (0, "a", {"k": "a", "v": "1"}, "PENDING"),
        (1, "b\t\\N", {"k": "b\t\\N", "v": "2"}, "PENDING"),
        (2, "c", {"k": "c", "v": "x\n\\.\ny"}, "PENDING"),
    ]
    assert batch.total_items == 3


def test_it_numbers_the_items_where_no_key_is_named() -> None:
    batch = submit("v\n7\n7\n").batch
    assert list(Item.objects.filter(batch=batch).values_list("key", flat=True)) == ["1", "2"]


def test_it_makes_items_of_a_queryset() -> None:
    for n in range(3):
        User.objects.create(username=f"u{n}", email=f"u{n}@x.org")
    asked = User.objects.order_by("username").values("username", "email")
    batch = operations.submit(processor="test.do", queryset=asked, key_column="username").batch
    assert list(Item.objects.filter(batch=batch).values_list("key", "payload")) == [
        (f"u{n}", {"username": f"u{n}", "email": f"u{n}@x.org"}) for n in range(3)
    ]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("k,v\na,1\nb,2\na,3\n", {"key_column": "k"}, ["row 4", "'k'", "'a' was used in row 2"]),
        ("k,v\na,1\n,2\n", {"key_column": "k"}, ["row 3", "'k'", "the key is empty", "needs its own key"]),
        ("k,v\na,1\n   ,2\n", {"key_column": "k"}, ["row 3", "the key is empty"]),
        (f"k,v\na,1\n{'x' * 201},2\n", {"key_column": "k"}, ["row 3", "201 characters"]),
        ("k,v\na,1\n", {"key_column": "nope"}, ["no column 'nope'", "Choose one of: k, v"]),
        ("k,v\na,1\nb\n", {}, ["row 3", "1 field", "2"]),
        ("k,v\na,1\nb,2,3\n", {}, ["row 3", "3 fields"]),
        ("k,v\na,\x00\n", {}, ["row 2", "'v'", "NUL"]),
        (f"k,v\na,{'x' * (10 * 1024 * 1024)}\n", {}, ["row 2", "'v'"]),
        ("", {}, ["empty"]),
        ("k,v\n", {}, ["no rows"]),
        (b"k,v\na,\xff\xfe\x81\n", {"encoding": "utf-8"}, ["row 2", "utf-8"]),
        ("k,v\na,1\n", {"encoding": "klingon"}, ["klingon"]),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value)[:24].replace("\x00", "NUL"),
)
def test_it_refuses_what_it_cannot_read_with_nothing_written(
    content: bytes | str, options: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(InputRefused) as refused:
        submit(content, **options)
    for word in words:
        assert word in str(refused.value)
    assert written() == 0


def test_it_undoes_a_million_good_rows_for_one_bad_one_at_the_end() -> None:
    lines = "".join(f"{n},x\n" for n in range(5_000))
    with pytest.raises(InputRefused, match=r"row 5,?002"):
        submit(f"k,v\n{lines}late\n")
    assert written() == 0


def test_it_refuses_a_double_key_of_a_list_too() -> None:
    items = [{"id": 1}, {"id": 2}, {"id": 1}]
    with pytest.raises(InputRefused, match="was used in row 1 already"):
        operations.submit(processor="test.do", items=items, key_column="id")
    assert written() == 0


def test_it_answers_the_same_submission_with_the_batch_that_is_there() -> None:
    first = submit("k\n1\n", batch_id="same")
    again = submit("k\n1\n", batch_id="same")
    assert (first.created, again.created) == (True, False)
    assert again.batch.pk == "same"
    assert Item.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"content": "k\n2\n"},
        {"content": "k\n1\n2\n"},
        {"content": "k\n1\n", "key_column": "k"},
        {"content": json.dumps([{"k": 1}]), "name": "rows.json"},
    ],
)
def test_it_refuses_an_id_that_has_other_content(other: dict[str, Any]) -> None:
    submit("k\n1\n", batch_id="taken")
    with pytest.raises(BatchConflict, match="taken exists with other content"):
        submit(batch_id="taken", **other)
    assert Item.objects.count() == 1


@pytest.mark.parametrize(
    "options",
    [
        {"batch_id": "no spaces"},
        {"batch_id": "-first"},
        {"batch_id": "x" * 65},
        {"rate": 0},
        {"rate": float("nan")},
        {"concurrency": 0},
        {"concurrency": 65},
        {"checkpoint_every": 51},
        {"max_attempts": 0},
        {"max_error_rate": 101},
        {"item_timeout": 3_600},
        {"name": "a\x00b"},
    ],
    ids=str,
)
def test_it_refuses_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        submit("k\n1\n", **options)
    assert written() == 0


def test_it_refuses_a_processor_it_does_not_know_and_names_those_it_does() -> None:
    with pytest.raises(UnknownProcessor, match="check_rows"):
        operations.submit(processor="nobody", items=[{"k": 1}])
    assert written() == 0


def test_it_refuses_params_that_fail_the_processors_form() -> None:
    with pytest.raises(InvalidInput) as refused:
        operations.submit(processor="check_rows", params={"schema": "{"}, items=[{"k": 1}])
    assert "schema" in refused.value.errors or "params.schema" in refused.value.errors
    assert written() == 0


def test_it_refuses_a_file_over_the_limit(settings: Any) -> None:
    settings.PORTAL_MAX_UPLOAD_MB = 0.001
    with pytest.raises(InputRefused, match="is the limit"):
        submit("k\n" + "1\n" * 2_000)
    assert written() == 0


def test_a_few_more_items_are_not_worth_a_look_at_all_of_them() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite plans by what it is told once")
    looked: list[str] = []

    def note(execute: Any, sql: str, *more: Any) -> Any:
        looked.extend([sql] if sql.startswith("ANALYZE") else [])
        return execute(sql, *more)

    with connection.execute_wrapper(note):
        operations.submit(processor="test.do", items=({"n": n} for n in range(ingest.MANY)), batch_id="many")
        assert len(looked) == 1
        for number in range(20):
            operations.submit(processor="test.do", items=[{"n": 1}], batch_id=f"few-{number}")
    assert len(looked) < 10  # of earlier tests the server may hear late
