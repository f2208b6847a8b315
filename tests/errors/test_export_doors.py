"""Exports over REST and from the desk's menu: for whom, with which headers, and what is refused in which words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from errors.exports.streams import download_slots
from errors.models import ErrorRecord, Export
from tests.corpus.formulas import FORMULAS
from tests.helpers.check_rows import submitted
from tests.helpers.failed_rows import body, failed_rows, table
from tests.helpers.people import UserOf, client, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]

CSV = "/api/batches/b1/errors/export/csv"
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@pytest.fixture
def few(settings: Any) -> None:
    """Three rows are a download, four are made in the background."""
    settings.PORTAL_EXPORT_ROWS = 3


@pytest.mark.parametrize("file_format", TYPES)
def test_it_hands_out_a_named_file_and_says_its_rows_beforehand(file_format: str) -> None:
    failed_rows(["x", "y"])
    answer = client("viewer").get(f"/api/batches/b1/errors/export/{file_format}?kind=fix")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == TYPES[file_format]
    assert (answer.headers["X-Row-Count"], answer.headers["X-Content-Type-Options"]) == ("2", "nosniff")
    name = rf'attachment; filename="batch-b1-errors-\d{{8}}T\d{{6}}Z\.{file_format}"'
    assert re.fullmatch(name, answer.headers["Content-Disposition"])
    assert len(body(answer)) > 100


def test_it_serves_a_client_that_accepts_only_the_file() -> None:
    failed_rows(["x"])
    answer = client("viewer").get(CSV, headers={"Accept": "text/csv"})
    assert (answer.status_code, len(table(body(answer)))) == (200, 2)


@pytest.mark.parametrize(("role", "status"), [("anonymous", 401), ("charlie", 403)])
def test_it_is_for_those_who_may_look(role: str, status: int) -> None:
    failed_rows(["x"])
    assert client(role).get(CSV).status_code == status
    assert Export.objects.count() == 0


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_raw_cells_are_for_admins_unless_no_spreadsheet_reads_them(role: str) -> None:
    failed_rows(FORMULAS[:2])
    for file_format in ("csv", "xlsx"):
        answer = client(role).get(f"/api/batches/b1/errors/export/{file_format}?raw=1&kind=fix")
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
        assert "admins" in answer.json()["detail"]
    lines = body(client(role).get("/api/batches/b1/errors/export/ndjson?raw=1&kind=fix")).splitlines()
    assert [json.loads(line)["zeta"] for line in lines] == FORMULAS[:2]


def test_an_admin_gets_raw_cells_and_that_is_on_record() -> None:
    failed_rows(FORMULAS[:2])
    rows = table(body(client("admin").get(f"{CSV}?raw=1&kind=fix")))
    assert [row[0] for row in rows[1:]] == FORMULAS[:2]
    made = Export.objects.get()
    assert (made.actor, made.kind, made.format, made.raw, made.rows, made.state) == (
        "admin", "fix", "csv", True, 2, "streamed")  # fmt: skip


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/api/batches/b1/errors/export/pdf", 404, "csv, json, ndjson, xlsx"),
        ("/api/batches/nope/errors/export/csv", 404, "nope"),
        (f"{CSV}?kind=everything", 400, "summary, detail, items, fix"),
        (f"{CSV}?raw=please", 400, "1 or 0"),
        (f"{CSV}?state=odd", 400, "state"),
        (f"{CSV}?positions=9-1", 400, "positions"),
        (f"{CSV}?attempt=many", 400, "attempt"),
        (f"{CSV}?kind=items&field=country", 400, "field"),
    ],
)
def test_what_it_cannot_mean_is_a_problem_document(address: str, status: int, words: str) -> None:
    submitted()
    answer = client("viewer").get(address)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert words in json.dumps(answer.json())


def test_a_filter_of_the_list_is_a_filter_of_the_file() -> None:
    failed_rows(["x", "y", "z"])
    for query in ("positions=1-2", "attempt=2", "text=VALIDATION", "state=open&category=validation", "field=zeta=y"):
        listed = client("viewer").get(f"/api/batches/b1/errors/records?{query}").json()["results"]
        answer = client("viewer").get(f"{CSV}?{query}")
        rows = table(body(answer))[1:]
        assert [int(row[1]) for row in rows] == [record["position"] for record in listed]
        assert answer.headers["X-Row-Count"] == str(len(rows))


def test_head_tells_the_rows_and_leaves_no_trace(few: None) -> None:
    failed_rows(["x", "y"])
    answer = client("viewer").head(CSV)
    assert (answer.status_code, answer.headers["X-Row-Count"], body(answer)) == (200, "2", b"")
    failed_rows(["a", "b", "c", "d"], batch_id="b2")
    answer = client("viewer").head("/api/batches/b2/errors/export/csv")
    assert (answer.status_code, answer.headers["X-Row-Count"]) == (202, "4")
    assert Export.objects.count() == 0


def test_one_large_download_a_person_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.exports.downloads.LARGE_DOWNLOAD_ROWS", 1)
    failed_rows(["x", "y"])
    first = client("viewer").get(CSV)
    pieces = first.streaming_content
    next(pieces)
    refused = client("viewer").get(CSV)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert client("operator").get(CSV).status_code == 200
    first.close()
    again = client("viewer").get(CSV)
    assert len(table(body(again))) == 3
    assert download_slots.last_block_at == {}


def test_a_long_one_is_made_in_the_background_and_once_however_often_it_is_asked(few: None) -> None:
    failed_rows(["a", "b", "c", "d"])
    answer = client("viewer").get(CSV)
    assert (answer.status_code, answer.headers["X-Row-Count"]) == (202, "4")
    said = client("viewer").get(answer.headers["Location"]).json()
    assert (said["state"], said["done"], said["percent"], said["file_url"]) == ("queued", 0, 0.0, None)
    assert client("viewer").get(CSV).json()["number"] == said["number"]
    other = client("viewer").get(f"{CSV}?kind=fix")
    assert (other.status_code, "wait for it, or cancel it" in other.json()["detail"]) == (429, True)
    assert client("operator").get(CSV).status_code == 202
    early = client("viewer").get(f"{said['url']}/file")
    assert early.status_code == 409


def test_a_workbook_is_made_in_the_background_sooner(settings: Any) -> None:
    settings.PORTAL_EXPORT_XLSX_ROWS = 3
    failed_rows(["a", "b", "c", "d"])
    found = {name: client("viewer").get(f"/api/batches/b1/errors/export/{name}") for name in TYPES}
    assert {name: answer.status_code for name, answer in found.items()} == {
        "csv": 200, "json": 200, "ndjson": 200, "xlsx": 202}  # fmt: skip
    assert sum(len(body(found[name])) > 100 for name in ("csv", "json", "ndjson")) == 3
    assert client("viewer").get("/api/batches/b1/errors/export/xlsx?positions=0-2").status_code == 200


def test_only_its_person_or_an_admin_cancels_an_export(few: None) -> None:
    failed_rows(["a", "b", "c", "d"])
    url = f"{client('viewer').get(CSV).headers['Location']}/cancel"
    assert client("operator").post(url).status_code == 403
    assert client("viewer").post(url).json()["state"] == "cancelled"
    assert client("viewer").get(f"{CSV}?kind=fix").status_code == 202


# -- the desk's menu ---------------------------------------------------------------------------------------------------


def page(role: str, user_of: UserOf) -> Client:
    return signed_in(user_of(role))


def test_the_menu_keeps_the_filter_of_its_page(user_of: UserOf) -> None:
    failed_rows(["x", "y"])
    tab = page("viewer", user_of)
    text = tab.get(f"{reverse('admin:errors_desk', args=['b1'])}?category=validation&positions=1-1").content.decode()
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]*/export/[a-z]+/[^"]*)"', text)]
    assert len(links) == 20
    counts = [tab.get(link).headers["X-Row-Count"] for link in links]
    assert counts == ["1"] * 20


def test_the_menu_is_for_those_who_may_look(user_of: UserOf) -> None:
    failed_rows(["x"])
    url = reverse("admin:errors_export", args=["b1", "csv"])
    assert Client().get(url).status_code == 302
    charlie = user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    addresses = [url, reverse("admin:errors_exports", args=["b1"])]
    assert [signed_in(charlie).get(address).status_code for address in addresses] == [403, 403]
    assert page("viewer", user_of).get(f"{url}?raw=1").status_code == 403


def test_the_desk_asks_before_a_long_file_is_made(user_of: UserOf, few: None) -> None:
    failed_rows(["a", "b", "c", "d"])
    tab = page("viewer", user_of)
    url = reverse("admin:errors_export", args=["b1", "csv"]) + "?kind=fix"
    assert "Have a file of 4 rows made?" in tab.get(url).content.decode()
    assert Export.objects.count() == 0
    answer = tab.post(url, follow=True)
    assert "Rows to correct as CSV" in answer.content.decode()
    made = Export.objects.get()
    assert (made.state, made.kind, made.actor) == ("queued", "fix", "viewer")
    tab.post(reverse("admin:errors_export_cancel", args=["b1", made.number]))
    assert Export.objects.get().state == "cancelled"


def test_the_desk_says_what_it_cannot_mean(user_of: UserOf) -> None:
    failed_rows(["x"])
    tab = page("viewer", user_of)
    answer = tab.get(reverse("admin:errors_export", args=["b1", "csv"]) + "?kind=odd", follow=True)
    assert "there is no &#x27;odd&#x27;" in answer.content.decode()
    assert tab.get(reverse("admin:errors_export", args=["b1", "pdf"])).status_code == 404
    assert tab.get(reverse("admin:errors_export_file", args=["b1", 7])).status_code == 404


def test_hostile_filters_and_names_are_escaped_on_the_page(user_of: UserOf) -> None:
    failed_rows(["x"])
    ErrorRecord.objects.update(message="<script>alert(1)</script>")
    tab = page("viewer", user_of)
    tab.get(reverse("admin:errors_export", args=["b1", "csv"]), {"text": "<script>alert(1)</script>"})
    text = tab.get(reverse("admin:errors_exports", args=["b1"])).content.decode()
    assert "<script>alert" not in text
    assert "text &lt;script&gt;" in text
