"""While a long file is being stored, others write: SQLite has one writer, and a button must not wait for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from batches import operations
from batches.exceptions import InputRefused
from batches.intake import staging
from batches.intake.reading import child
from batches.models import Batch
from tests.helpers.batches import modes, submitted
from tests.helpers.people import client
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
ROWS = "id,mode\n" + "".join(f"{number},ok\n" for number in range(40))


@pytest.fixture(autouse=True)
def _long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "HARMLESS_BYTES", 0)
    monkeypatch.setattr(staging, "FEWEST_ROWS", 20)


def by_call() -> None:
    operations.submit(processor="test.do", file=io.BytesIO(ROWS.encode()), filename="a.csv", batch_id="long")


def by_rest_with_a_key() -> None:
    answer = client("operator").post(
        "/api/batches",
        {"processor": "test.do", "file": SimpleUploadedFile("a.csv", ROWS.encode()), "id": "long"},
        format="multipart",
        headers={"Idempotency-Key": "k1"},
    )
    assert answer.status_code == 201, answer.content


@pytest.mark.parametrize("submit", [by_call, by_rest_with_a_key])
def test_a_pause_is_answered_while_rows_are_being_stored(
    submit: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(modes("ok"), batch_id="other")
    operations.start("other")
    paused: list[str] = []

    def pause() -> None:
        assert not Batch.objects.filter(pk="long").exists()
        paused.append(operations.pause("other").status)
        connection.close()

    def rows_with_a_pause_between(file: Any) -> Iterator[Any]:
        for place, row in enumerate(read_rows(file)):
            if place == 30:
                thread = Thread(target=pause)
                thread.start()
                thread.join(PATIENCE)
                assert paused == [Batch.Status.PAUSED]
            yield row

    read_rows = child.read_rows
    monkeypatch.setattr(child, "read_rows", rows_with_a_pause_between)
    submit()
    assert paused
    batch = operations.get_batch("long")
    assert [item.payload["id"] for item in batch.items.order_by("position")] == [str(number) for number in range(40)]
    assert (batch.total_items, operations.verify("long")) == (40, [])
    assert staged_tables() == []


def test_what_is_refused_leaves_nothing() -> None:
    twice = ROWS + "7,ok\n"
    with pytest.raises(InputRefused, match="row 42"):
        operations.submit(processor="test.do", file=io.BytesIO(twice.encode()), filename="a.csv", key_column="id")
    assert Batch.objects.count() == 0
    assert staged_tables() == []


def staged_tables() -> list[Any]:
    if connection.vendor != "sqlite":
        return []
    with connection.cursor() as cursor:
        return list(cursor.execute("SELECT name FROM sqlite_temp_master"))
