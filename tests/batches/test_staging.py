"""While a long file is being stored, others write: SQLite has one writer, and a button must not wait for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import Value

from batches import operations
from batches.exceptions import InputRefused
from batches.intake import staging
from batches.intake.python_reader import ItemsReader, QuerysetReader
from batches.intake.reading import child
from batches.models import Batch
from tests.helpers.batches import modes, submitted
from tests.helpers.people import client
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
ROWS = "name,mode\n" + "".join(f"{number},ok\n" for number in range(40))


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


ITEMS = [{"name": str(number), "mode": "ok"} for number in range(40)]


def items_by_call() -> None:
    operations.submit(processor="test.do", items=ITEMS, batch_id="long")


def items_by_rest_with_a_key() -> None:
    body = {"processor": "test.do", "items": ITEMS, "id": "long"}
    answer = client("operator").post("/api/batches", body, format="json", headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 201, answer.content


def objects_by_call() -> None:
    Group.objects.bulk_create(Group(name=str(number)) for number in range(40))
    rows = Group.objects.order_by("pk").values("name", mode=Value("ok"))
    operations.submit(processor="test.do", queryset=rows, batch_id="long")


@pytest.mark.parametrize(
    ("submit", "owner", "rows"),
    [
        (by_call, child, "read_rows"),
        (by_rest_with_a_key, child, "read_rows"),
        (items_by_call, ItemsReader, "__iter__"),
        (items_by_rest_with_a_key, ItemsReader, "__iter__"),
        (objects_by_call, QuerysetReader, "__iter__"),
    ],
)
def test_a_pause_is_answered_while_rows_are_being_stored(
    submit: Callable[[], None], owner: Any, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(modes("ok"), batch_id="other")
    operations.start("other")
    paused: list[str] = []

    def pause() -> None:
        assert not Batch.objects.filter(pk="long").exists()
        paused.append(operations.pause("other").status)
        connection.close()

    def rows_with_a_pause_between(source: Any) -> Iterator[Any]:
        for place, row in enumerate(read_rows(source)):
            if place == 30 and not paused:
                thread = Thread(target=pause)
                thread.start()
                thread.join(PATIENCE)
                assert paused == [Batch.Status.PAUSED]
            if place == 30:
                walks.append(connection.in_atomic_block and connection.vendor == "sqlite")
            yield row

    walks: list[bool] = []
    read_rows = getattr(owner, rows)
    monkeypatch.setattr(owner, rows, rows_with_a_pause_between)
    submit()
    assert paused
    assert not any(walks), "rows are walked while the database is held"
    batch = operations.get_batch("long")
    assert [item.payload["name"] for item in batch.items.order_by("position")] == [str(number) for number in range(40)]
    assert (batch.total_items, operations.verify("long")) == (40, [])
    assert staged_tables() == []


def test_what_is_refused_leaves_nothing() -> None:
    twice = ROWS + "7,ok\n"
    with pytest.raises(InputRefused, match="row 42"):
        operations.submit(processor="test.do", file=io.BytesIO(twice.encode()), filename="a.csv", key_column="name")
    with pytest.raises(InputRefused, match="row 41"):
        operations.submit(processor="test.do", items=[*ITEMS, ITEMS[7]], key_column="name")
    with pytest.raises(InputRefused, match="row 41"):
        operations.submit(processor="test.do", items=[*ITEMS, "no object"])
    assert Batch.objects.count() == 0
    assert staged_tables() == []


def test_what_an_iterable_writes_while_it_is_walked_is_undone_with_the_submission() -> None:
    def rows() -> Iterator[Any]:
        for item in ITEMS:
            Group.objects.create(name=item["name"])
            yield item
        yield "no object"

    with pytest.raises(InputRefused, match="row 41"):
        operations.submit(processor="test.do", items=rows())
    assert not Group.objects.exists()


def staged_tables() -> list[Any]:
    if connection.vendor != "sqlite":
        return []
    with connection.cursor() as cursor:
        return list(cursor.execute("SELECT name FROM sqlite_temp_master"))
