"""Incidents whose cause is in the code, its surroundings or its rights: no row has to be corrected."""

from __future__ import annotations

import random

import pytest

from batches.processors import ItemError
from tests.helpers.incidents import Row, incident, orders

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def test_memory_speaks_of_memory_and_lanes() -> None:
    chance = random.Random(6)
    rows = [row | {"size_mb": round(chance.uniform(1, 200), 1)} for row in orders(800)]
    desk = incident(rows, lambda n, row: [MemoryError()] if row["size_mb"] > 180 else [])
    assert desk.first["title"].startswith("Set aside the items with size_mb > 1")
    assert "more memory, or run fewer lanes" in desk.first["title"]
    assert desk.kinds() == ["hold"]
    assert desk.totals["recover"]["high"] == 0


def test_rows_that_kill_their_worker_are_never_retried() -> None:
    killers = (50, 121, 333, 480)
    error = ItemError("the worker died", code="WORKER_CRASH", category="crash")
    desk = incident(orders(600), lambda n, row: [error] * 3 if n in killers else [], max_attempts=3)
    assert desk.first["title"] == "Stop retrying these items"
    assert desk.kinds() == ["hold"]
    assert "should recover by step" not in desk.totals["line"]


def test_code_that_broke_in_mid_batch_is_no_wrong_row() -> None:
    rows = [row | {"channel": "edi" if n % 3 == 0 else "web"} for n, row in enumerate(orders(600))]

    error = AttributeError("'NoneType' object has no attribute 'lines'")

    def fails(n: int, row: Row) -> list[Exception]:
        return [error] if n > 250 and row["channel"] == "edi" else []

    desk = incident(rows, fails)
    assert "mend the code, then retry them" in desk.first["title"]
    assert "orrect" not in desk.text
    assert "retry" not in desk.kinds()


def test_a_token_that_expired_is_renewed() -> None:
    error = ItemError("401 Unauthorized", category="auth")
    desk = incident(orders(600), lambda n, row: [error] if n >= 420 else [])
    assert desk.first["title"] == "Renew the credentials, then retry 180 items"
    assert desk.kinds() == ["repair"]
    for words in ("orrect", "Review the input", "should recover by step"):
        assert words not in desk.text
    (again,) = desk.first["alternatives"]
    assert again["params"]["permanent"] is True


def test_an_export_that_cannot_write_umlauts_is_a_matter_of_code() -> None:
    names = ["Meyer", "Müller", "Smith", "Jönsson", "Rossi", "Dubois", "Weiß"]
    chance = random.Random(7)
    rows = [row | {"name": f"{chance.choice(names)} {n}"} for n, row in enumerate(orders(500))]

    def fails(n: int, row: Row) -> list[Exception]:
        try:
            row["name"].encode("ascii")
        except UnicodeEncodeError as error:
            return [error]
        return []

    desk = incident(rows, fails)
    assert "mend the code" in desk.first["title"].lower()
    for words in ("in a row", "orrect", "Review the input"):
        assert words not in desk.text


def test_the_last_item_of_each_page_is_right() -> None:
    desk = incident(orders(1_000), lambda n, row: [KeyError("next_page")] if n % 50 == 49 else [])
    assert desk.first["title"].startswith("Mend what happens at this place of the input")
    assert "the last of each 50" in desk.first["title"]
    assert "Correct" not in desk.text


def test_a_worker_that_lacks_a_module_is_mended() -> None:
    def worker(n: int) -> str:
        return f"host-{'abc'[n * 7 // 3 % 3]}:1:1"

    desk = incident(
        orders(600),
        lambda n, row: [ModuleNotFoundError("No module named 'lxml'")] if worker(n).startswith("host-b") else [],
        worker=worker,
    )
    assert desk.first["title"].startswith("Look at what is different where attempt's host = host-b")
    assert desk.kinds() == ["repair"]
    for words in ("orrect", "Review the input", "code"):
        assert words not in desk.text


def test_three_causes_in_a_message_of_ones_own_are_not_promised() -> None:
    chance = random.Random(9)
    rows = [row | {"upstream": chance.randrange(400)} for row in orders(600)]

    def fails(n: int, row: Row) -> list[Exception]:
        code = (404, 503, 429)[row["upstream"] % 3]
        return [RuntimeError(f"upstream answered {code}")] if row["upstream"] > 200 and n % 2 else []

    desk = incident(rows, fails)
    assert "root cause" not in desk.text
    assert "~" not in desk.totals["line"]
    assert desk.items_of("hold") + desk.items_of("retry") + desk.totals["unclear"] >= desk.totals["failed"]


def test_a_full_disk_asks_for_room_not_for_memory() -> None:
    desk = incident(
        orders(400),
        lambda n, row: [OSError(28, "No space left on device", f"/spool/{n}.pdf")] if n >= 250 else [],
    )
    assert desk.first["title"].startswith("Free room on the disk, then retry 150 items")
    assert desk.kinds() == ["repair"]
    assert "memory" not in desk.text.lower()


def test_files_left_open_are_not_a_lack_of_memory() -> None:
    desk = incident(orders(400), lambda n, row: [OSError(24, "Too many open files", f"/in/{n}")] if n >= 300 else [])
    assert desk.first["title"].startswith("Let workers open more files, or run fewer lanes, then retry 100 items")
    assert "leaves them open" in desk.first["why"]
    assert "memory" not in desk.text.lower()
