"""Exports out of a real web process: made while they are taken, no further ahead than the client is."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from python_calamine import CalamineWorkbook

from batches.models import Batch
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, Export
from tests.helpers.failed_rows import table
from tests.helpers.people import key_of
from tests.helpers.sockets import Web
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]
ROWS, LONG = 12_000, 2_000
FEW = 1_000
PATH = "/api/batches/b1/errors/export/"


def many_errors(rows: int = ROWS) -> None:
    """Twenty-four megabytes of messages; of `FEW` two."""
    now = timezone.now()
    batch = Batch.objects.create(pk="b1", total_items=rows)
    common = {"error_type": "E", "code": "C", "category": "unknown"}
    group = ErrorGroup.objects.create(fingerprint="f", title="t", first_seen=now, last_seen=now, **common)
    BatchGroup.objects.create(batch=batch, group=group, errors=rows, items=rows, first_seen=now, last_seen=now)
    times = {"started_at": now - timedelta(seconds=1), "finished_at": now}
    ErrorRecord.objects.create(
        batch=batch, group=group, item_key="k0", position=0, message="x" * LONG, **common, **times
    )
    own = {"id", "item_key", "position"}
    shared = ", ".join(field.column for field in ErrorRecord._meta.concrete_fields if field.column not in own)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows - 1})
                INSERT INTO errors_errorrecord (item_key, position, {shared})
                SELECT 'k' || n, n, {shared} FROM numbers, errors_errorrecord WHERE position = 0"""
        )


@contextmanager
def asked(web: Web, file_format: str = "csv", role: str = "viewer") -> Iterator[http.client.HTTPResponse]:
    link = http.client.HTTPConnection("127.0.0.1", web.port, timeout=PATIENCE)
    link.request("GET", f"{PATH}{file_format}", headers={"Authorization": f"Token {key_of(role)}"})
    with closing(link), link.getresponse() as answer:
        yield answer


def resident(web: Web) -> float:
    """Megabytes."""
    lines = Path(f"/proc/{web.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@pytest.mark.full
def test_a_slow_client_gets_everything_and_nothing_piles_up_for_it(web: Web) -> None:
    many_errors()
    with asked(web) as answer:
        first = answer.read(1000)
        before = resident(web)
        time.sleep(1.5)  # the whole file would be there by now
        grown = resident(web) - before
        rows = table(first + answer.read())
        assert (answer.status, answer.headers["X-Row-Count"], len(rows)) == (200, str(ROWS), ROWS + 1)
        assert rows[-1][2] == f"k{ROWS - 1}"
    assert grown < 12


def test_a_client_that_leaves_ends_the_work_and_is_not_kept_from_the_next(web: Web) -> None:
    many_errors()
    with asked(web) as answer:
        answer.read(1000)
        with asked(web) as second:
            assert second.status == 429

    def served() -> bool:
        with asked(web, "ndjson") as again:
            return again.status == 200 and again.read().count(b"\n") == ROWS

    wait_until(served)
    assert Export.objects.count() == 2


def test_a_file_that_breaks_off_has_no_proper_end(web: Web) -> None:
    many_errors()
    with asked(web) as answer:
        answer.read(1000)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE errors_errorrecord RENAME TO errors_gone")
        try:
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE errors_gone RENAME TO errors_errorrecord")


def test_a_document_comes_whole(web: Web) -> None:
    many_errors(FEW)
    with asked(web, "json") as answer:
        content = answer.read()
    assert content.startswith(b"{")
    assert content.endswith(b'"row_count":%d,"complete":true}\n' % FEW)


def test_a_workbook_comes_when_it_is_made(web: Web) -> None:
    many_errors(FEW)
    with asked(web, "xlsx?positions=0-99") as answer:
        assert len(CalamineWorkbook.from_filelike(BytesIO(answer.read())).get_sheet_by_index(0).to_python()) == 101
