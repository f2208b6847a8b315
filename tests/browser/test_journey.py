"""The whole way, in a browser: a broken file goes in, fails, is read, rehearsed, corrected, and comes out mended."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.helpers.browser import serious_faults, sign_in
from tests.helpers.portal import Portal

SCHEMA = {
    "properties": {
        "price": {"type": "string", "pattern": "^[0-9]+([.][0-9]{2})?$"},
        "mail": {"type": "string", "minLength": 3},
    }
}
ROWS, GERMAN, MAILLESS = 240, 40, 4


def products() -> str:
    """240 products: the 40 German ones have a comma in their price, 4 others no mail."""
    rows = ["sku,country,price,mail,api_key"]
    for n in range(ROWS):
        country, price = ("DE", f"{n},50") if n % 6 == 5 else (("FR", "IT", "ES")[n % 3], f"{n}.50")
        mail = "" if n % 60 == 7 else f"{n}@example.com"
        rows.append(f'00{n},{country},"{price}",{mail},secret-{n}')
    return "\n".join(rows) + "\n"


def choose(page: Any, name: str, content: bytes) -> None:
    page.set_input_files("input[name=file]", {"name": name, "mimeType": "text/csv", "buffer": content})


def submit(page: Any, portal: Portal) -> None:
    page.goto(f"{portal.url}/admin/batches/batch/add/check_rows/")
    page.set_input_files(
        "input[name=file]", {"name": "products.csv", "mimeType": "text/csv", "buffer": products().encode()}
    )
    page.fill("textarea[name='params.schema']", json.dumps(SCHEMA))
    page.fill("input[name=key_column]", "sku")
    page.fill("input[name=rate]", "120")
    page.get_by_role("button", name="Submit the batch").click()


def rows_of(download: Any, where: Path) -> list[dict[str, str]]:
    download.save_as(where)
    return list(csv.DictReader(io.StringIO(where.read_text("utf-8-sig"), newline="")))


def corrected(rows: list[dict[str, str]]) -> bytes:
    """As a person would: the comma becomes a point. One row is given up for today and taken out."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(row | {"price": row["price"].replace(",", ".")} for row in rows[:-1])
    return text.getvalue().encode()


def test_a_broken_file_is_submitted_read_rehearsed_corrected_and_exported(
    page: Any, portal: Portal, tmp_path: Path
) -> None:
    sign_in(page, portal, "operator")
    submit(page, portal)

    # watch it fail
    page.wait_for_function("() => Number(document.querySelector('[data-p=failed]').textContent) > 3")
    expect(page.locator(".bp-pill").first).to_contain_text("Completed")
    expect(page.locator(".bp-sentence")).to_contain_text("44 of 240 items failed")

    # read the cause
    page.reload()
    page.get_by_role("link", name=re.compile("Triage →")).click()
    expect(page.locator(".bp-findings").first).to_contain_text("40 of the 40 items with country = DE")
    desk = page.url
    advice = page.locator("#advice li", has_text=re.compile("correct these rows", re.I)).first
    expect(advice).to_contain_text("Expected back by retrying unchanged 0")
    expect(advice.get_by_role("link", name="Download 44 rows")).to_be_visible()
    page.get_by_role("link", name=re.compile("^price: ")).first.click()
    expect(page.locator("#payload mark")).to_contain_text("price")
    group = page.url

    # rehearse: as they are, none of them would pass
    page.get_by_role("link", name="Retry…").click()
    expect(page.locator(".bp-page h2").first).to_be_visible()
    page.get_by_role("button", name="Rehearse 20 instead").click()
    expect(page.locator(".bp-sentence")).to_contain_text("Of 20 rehearsed, 0 would recover and 20 would fail again")

    # correct and resubmit
    page.goto(group)
    page.locator("summary", has_text="More").click()
    page.get_by_role("link", name="Correct and resubmit…").click()
    expect(page.locator(".bp-sentence")).to_contain_text("40 failed rows that the filter meets")
    assert serious_faults(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download 40 rows as CSV").click()
    rows = rows_of(download.value, tmp_path / "rows.csv")
    assert (len(rows), rows[0]["_item_key"], rows[0]["price"], rows[0]["api_key"]) == (40, "005", "5,50", "[redacted]")
    choose(page, "rows.csv", corrected(rows))
    page.get_by_role("button", name="Check the file").click()
    expect(page.locator(".bp-sentence")).to_contain_text(
        "39 rows would be corrected. 5 failed items are not in the file"
    )
    first = page.locator(".bp-diff li").first
    expect(first.locator("del")).to_contain_text("was 5,50")
    expect(first.locator("ins")).to_contain_text("becomes 5.50")
    assert serious_faults(page) == []
    page.get_by_label("Why").fill("decimal commas")
    page.get_by_role("button", name="Correct 39 rows and retry them").click()

    # the outcome, and the outcome beside the prediction
    expect(page.locator(".bp-sentence")).to_contain_text("Done: 39 of 39 items recovered")
    page.goto(desk)
    measured = page.locator("#advice li", has_text="Corrected by fix 1")
    expect(measured).to_contain_text(
        re.compile(r"Expected back by retrying unchanged\s+0 \(0.4\)\s+It became\s+(corrected: )?39 recovered")
    )
    expect(page.locator(".bp-sentence")).to_contain_text("5 of 240 items failed")

    # export what is left
    for name, kind in (("Failed items as CSV", "csv"), ("Failed items as Excel workbook", "xlsx")):
        page.locator("summary", has_text="Export").click()
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert re.fullmatch(rf"batch-.+-errors-\d{{8}}T\d{{6}}Z\.{kind}", download.value.suggested_filename)
        assert download.value.failure() is None
        page.reload()
        if kind == "csv":
            assert len(rows_of(download.value, tmp_path / "left.csv")) == MAILLESS + 1

    batch = desk.rstrip("/").split("/")[-1]
    assert portal.manage("batch", "verify", batch).returncode == 0
    page.goto(f"{portal.url}/admin/batches/batch/{batch}/change/")
    expect(page.locator("body")).to_contain_text("fix 1: 39 changed, of rows.csv. decimal commas")
